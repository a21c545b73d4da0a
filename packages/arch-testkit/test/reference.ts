import {
  Access, LEVELS, TableMemory, VmFlags, type EntryVal, type EntryValues, type Geometry, type Level, type Prot, type Root, type StrongHandles, type WritableArch,
} from '@pgtable/core';
import {
  entryFormat, FlagValues, freeTableIn, newTableIn, pgdOffsetIn, rootTableIn, tableOps, valueFormat, type EntryFormat, type LevelTable, type TableOpsContext, type ValueFormat,
} from '@pgtable/core/arch';
import type { Subject } from '../src/index.js';

/*
 * A small made-up architecture that obeys every law, for the laws to be tried on. Three levels (pgd, pmd, pte) of 16 entries of
 * 64 bits; pud and p4d are folded. A change of the frame of a live entry needs break-before-make.
 *
 *     0 valid   1 table   2 W   3 U   4 NX   5 young   6 dirty   7 special   8 devmap   9 soft dirty   10 userfaultfd
 *     12-47 address   58 PROT_NONE   59 taken from the hardware   60 one of a group of four   62 the empty entry alone
 *
 * Swap entries: 1-5 type, 6 soft dirty, 7 exclusive, 8 userfaultfd, 12-57 offset.
 */
const VALID = 1n;
const TABLE = 2n;
const W = 4n;
const U = 8n;
const NX = 16n;
const YOUNG = 32n;
const PROTNONE = 1n << 58n;
const INVALID = 1n << 59n;
const GROUP = 1n << 60n;
const ADDRESS = 0xffff_ffff_f000n;

const BITS = 4;

function geometry(): Geometry {
  const shift = 12 + 2 * BITS;
  return {
    levels: [
      { level: 'pte', title: 'PTE', shift: 12, entries: 2 ** BITS, folded: false },
      { level: 'pmd', title: 'PMD', shift: 12 + BITS, entries: 2 ** BITS, folded: false },
      { level: 'pud', title: 'PUD', shift, entries: 1, folded: true },
      { level: 'p4d', title: 'P4D', shift, entries: 1, folded: true },
      { level: 'pgd', title: 'PGD', shift, entries: 2 ** BITS, folded: false },
    ],
    pageBytes: 4096,
    entryBytes: 8,
    addressDigits: 16,
  };
}

const SHIFT: Readonly<Record<Level, number>> = { pte: 12, pmd: 16, pud: 20, p4d: 20, pgd: 20 };

function format(level: Level): EntryFormat {
  return entryFormat({
    validMask: 1, validValue: 1, tableMask: level === 'pte' ? 0 : 2, tableValue: level === 'pte' ? 1 : 2, leafPaLo: -(2 ** SHIFT[level]) | 0, leafPaHi: 0xffff,
    tablePaLo: 0xffff_f000, tablePaHi: 0xffff, emptyHi: 0x4000_0000, bytes: 2 ** SHIFT[level], reservedLeafLo: level === 'pgd' ? -1 & ~1 : 0,
  });
}

function valuesOf(level: Level): ValueFormat {
  const leaf = level === 'pte' || level === 'pmd';
  const table = level !== 'pte';
  return valueFormat({
    empty: 1n << 62n, validMask: VALID, validValue: VALID, presentInvalid: PROTNONE | INVALID, protnone: PROTNONE, tableMask: table ? VALID | TABLE : 0n, tableValue: VALID | TABLE,
    pfnMask: ADDRESS & ~((1n << BigInt(SHIFT[level])) - 1n), pfnShift: 12, orderShift: SHIFT[level] - 12, young: YOUNG, dirty: 1n << 6n, write: W, special: 1n << 7n, devmap: 1n << 8n,
    softDirty: 1n << 9n, uffdWp: 1n << 10n, leafClears: table ? TABLE : 0n, invalidClears: VALID, invalidSets: INVALID, modifyKeeps: 0x7e0n, tableAddress: ADDRESS,
    userTable: VALID | TABLE | W | U, kernelTable: VALID | TABLE | W,
    swap: leaf ? { typeShift: 1, offsetShift: 12, offsetBits: 46, base: 0n, softDirty: 1n << 6n, exclusive: 1n << 7n, uffdWp: 1n << 8n } : undefined,
    features: [
      ...(leaf ? (['leaf', 'special', 'devmap', 'softDirty', 'uffdWp', 'protnone', 'swap', 'swpExclusive', 'swpSoftDirty', 'swpUffdWp'] as const) : []),
      ...(table ? (['table'] as const) : []),
    ],
  });
}

class ReferenceValues<L extends Level> extends FlagValues<L> {
  override mkgroup(value: EntryVal<L>, count: number): EntryVal<L> {
    return count === 1 ? this.mkhuge(value) : this.make(this.mkhuge(value) | GROUP);
  }
}

const NO_WRITE = 1;
const NO_USER = 2;

export interface ReferenceParts {
  arch: WritableArch<StrongHandles>;
  readonly values: { readonly [L in Level]: EntryValues<L> };
  readonly ops: LevelTable<StrongHandles>;
  readonly tables: TableMemory;
}

function parts(): ReferenceParts {
  const tables = new TableMemory();
  const shape = geometry();
  const make = <L extends Level>(level: L): EntryValues<L> => new ReferenceValues(level, valuesOf(level));
  const values = { pte: make('pte'), pmd: make('pmd'), pud: make('pud'), p4d: make('p4d'), pgd: make('pgd') };
  const context: TableOpsContext = { tables, geometry: shape, formats: LEVELS.map(format), values };
  const ops = tableOps<StrongHandles>(context);
  const prot = (bits: bigint): Prot => bits as Prot;
  const flag = (flags: number, bit: number, bits: bigint): bigint => ((flags & bit) === 0 ? 0n : bits);
  const arch: WritableArch<StrongHandles> = {
    name: 'reference', variant: 'three levels', geometry: shape, littleEndian: true, tables, ops, values,
    hugePages: [{ bytes: 16384, level: 'pte', count: 4 }, { bytes: 65536, level: 'pmd', count: 1 }, { bytes: 262144, level: 'pmd', count: 4 }],
    rootTable: (root) => rootTableIn<StrongHandles>(tables, root),
    pgdOffset: (root, address) => pgdOffsetIn<StrongHandles>(tables, shape, root, address),
    inherit: (inherited, _level, lo) => inherited | ((lo & Number(W)) === 0 ? NO_WRITE : 0) | ((lo & Number(U)) === 0 ? NO_USER : 0),
    describe: (_level, lo, hi, inherited) => {
      const has = (bits: bigint): boolean => (BigInt(lo >>> 0) & bits) !== 0n;
      const write = has(W) && (inherited & NO_WRITE) === 0;
      const all = 1 | (write ? Access.KernelWrite : 0) | (has(NX) ? 0 : Access.KernelExecute);
      const access = !has(U) ? all : (inherited & NO_USER) === 0 ? all << 3 : 0;
      return { access, accessed: has(32n), dirty: has(64n), global: false, memoryType: '', group: (hi & Number(GROUP >> 32n)) === 0 ? 1 : 4, flags: [] };
    },
    decodeNonPresent: (level, value) =>
      (value & (PROTNONE | INVALID)) !== 0n
        ? { kind: 'protected', pa: value & ADDRESS & ~((1n << BigInt(SHIFT[level])) - 1n), flags: [] }
        : { kind: 'swap', type: Number((value >> 1n) & 31n), offset: value >> 12n, flags: [] },
    ptdump: {
      source: 'a test', ranges: (root) => root.windows, maskLo: new Int32Array(5), maskHi: new Int32Array(5), attributes: (_kind, _level, _lo, _hi, out) => out.fill(0), effective: () => 0,
      heading: undefined, markerAdvance: 'line', prints: () => false, line: () => '', insecure: () => 0, finding: () => '', verdict: () => '',
    },
    vmProt: (flags) => prot((flags & 7) === 0 ? PROTNONE | U | NX : VALID | U | (VmFlags.Write & flags && VmFlags.Shared & flags ? W : 0n) | (NX ^ flag(flags, VmFlags.Exec, NX))),
    kernelProt: (flags) => prot(VALID | YOUNG | flag(flags, VmFlags.Write, W) | (NX ^ flag(flags, VmFlags.Exec, NX))),
    newTable: (level, address, user) => newTableIn<StrongHandles, typeof level>(context, ops, level, address, user),
    freeTable: (table) => { freeTableIn(context, table); },
    liveChange: (level, old, value) => {
      const on: EntryValues = values[level];
      if (on.leaf(old) !== on.leaf(value)) return 'a leaf becomes a table, or the reverse';
      return (old & (ADDRESS | GROUP)) === (value & (ADDRESS | GROUP)) ? undefined : 'the frame or the size changes';
    },
  };
  return { arch, values, ops, tables };
}

export function referenceRoot(table: number): Root {
  return {
    table, top: 'pgd', first: 0, end: 16, inherited: 0,
    windows: [{ start: 0, end: 2 ** 23, index: 0, half: 'user' }, { start: 2 ** 64 - 2 ** 23, end: 2 ** 64, index: 8, half: 'kernel' }],
  };
}

/** The reference architecture. @param fault changes one thing of each instance */
export function reference(user: boolean, fault?: (parts: ReferenceParts) => void): Subject<StrongHandles> {
  return {
    name: `reference, ${user ? 'user' : 'kernel'}`,
    make() {
      const made = parts();
      fault?.(made);
      return { arch: made.arch, root: referenceRoot(0x1000), user };
    },
  };
}
