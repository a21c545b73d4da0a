import {
  Access, EntryKind, geometryOf, LEVELS, VmFlags, type Attributes, type EntryVal, type FlushRange, type Geometry, type HugePage, type HwHandle, type Level, type Prot, type Root,
  type TableMemory, type Tlb, type WritableArch,
} from '@pgtable/core';
import {
  entryFormat, FlagValues, freeTableIn, newTableIn, pgdOffsetIn, rootTableIn, tableOps, valueFormat, type EntryFormat, type TableOpsContext,
} from '@pgtable/core/arch';
import { toyStyle } from './toy.js';

/*
 * A small made-up architecture whose tables can be changed, in any number of levels, written against the public contract alone.
 *
 *     bit 0 valid   1 table (not in a pte)   2 W   3 U   4 NX   5 accessed   6 dirty   7 PROT_NONE, if not valid
 *     8 one of a group of four   9 soft-dirty   11 special   bits 12..47 address
 *     swap: bit 56, type in bits 50..54, offset in bits 12..47
 *
 * The empty entry is 0x400. As on arm64, a valid entry may not change its address, its size or its group in one step.
 */
export const VALID = 1n;
export const TABLE = 2n;
export const W = 4n;
export const U = 8n;
export const NX = 16n;
export const ACCESSED = 32n;
export const DIRTY = 64n;
export const PROTNONE = 128n;
export const GROUP = 256n;
export const SOFT_DIRTY = 512n;
export const SPECIAL = 2048n;
export const EMPTY = 0x400n;
const ADDRESS = 0xffff_ffff_f000n;

/** Entries of a pte group. */
export const GROUP_ENTRIES = 4;

/** Index bits of the levels that exist; the others are folded. */
export type LevelBits = Partial<Record<Level, number>>;

export const FIVE: LevelBits = { pte: 3, pmd: 2, pud: 2, p4d: 2, pgd: 2 };
export const THREE: LevelBits = { pte: 4, pmd: 3, pgd: 4 };
export const TWO: LevelBits = { pte: 5, pgd: 5 };

export function geometryWith(bits: LevelBits): Geometry {
  let shift = 12;
  const real = new Map<Level, { shift: number; entries: number }>();
  for (const level of LEVELS) {
    const width = bits[level];
    if (width === undefined) continue;
    real.set(level, { shift, entries: 2 ** width });
    shift += width;
  }
  const shape = (level: Level) => {
    const number = LEVELS.indexOf(level);
    const stands = real.has(level) ? level : (LEVELS.slice(number).find((above) => real.has(above)) ?? LEVELS.findLast((below) => real.has(below))!);
    return { level, title: level.toUpperCase(), ...real.get(stands)!, ...(stands === level ? {} : { entries: 1 }), folded: stands !== level };
  };
  return { levels: [shape('pte'), shape('pmd'), shape('pud'), shape('p4d'), shape('pgd')], pageBytes: 4096, entryBytes: 8, addressDigits: 16 };
}

/** Levels whose entries map memory: all but the highest, as is usual. */
export function leafLevels(geometry: Geometry): Level[] {
  return geometry.levels.filter(({ folded }) => !folded).map(({ level }) => level).slice(0, -1);
}

export function hugePagesOf(geometry: Geometry): HugePage[] {
  const large = leafLevels(geometry).slice(1).map((level) => ({ bytes: 2 ** geometryOf(geometry, level).shift, level, count: 1 }));
  return [{ bytes: GROUP_ENTRIES * 4096, level: 'pte' as const, count: GROUP_ENTRIES }, ...large].sort((a, b) => a.bytes - b.bytes);
}

class ToyValues<L extends Level> extends FlagValues<L> {
  override mkgroup(value: EntryVal<L>, count: number): EntryVal<L> {
    return this.mkhuge(count > 1 ? this.make(value | GROUP) : value);
  }
}

function toyValues<L extends Level>(geometry: Geometry, level: L): ToyValues<L> {
  const pte = level === 'pte';
  const leaf = leafLevels(geometry).includes(level);
  return new ToyValues(
    level,
    valueFormat({
      empty: EMPTY, validMask: VALID, validValue: VALID, presentInvalid: PROTNONE, protnone: PROTNONE, tableMask: pte ? 0n : TABLE, tableValue: TABLE,
      pfnMask: ADDRESS & -(1n << BigInt(geometryOf(geometry, level).shift)), pfnShift: 12, orderShift: geometryOf(geometry, level).shift - 12,
      young: ACCESSED, dirty: DIRTY, write: W, special: SPECIAL, softDirty: SOFT_DIRTY, leafClears: pte ? 0n : TABLE, invalidClears: VALID, invalidSets: PROTNONE,
      modifyKeeps: ACCESSED | DIRTY | SOFT_DIRTY | SPECIAL, userTable: VALID | TABLE | W | U, kernelTable: VALID | TABLE | W, tableAddress: ADDRESS,
      swap: pte ? { typeShift: 50, offsetShift: 12, offsetBits: 36, base: 1n << 56n, softDirty: 0n, exclusive: 0n, uffdWp: 0n } : undefined,
      features: [...(leaf ? ['leaf', 'special', 'softDirty', 'protnone'] as const : []), ...(pte ? ['swap'] as const : ['table'] as const)],
    }),
  );
}

export function allValues(geometry: Geometry): WritableArch['values'] {
  return {
    pte: toyValues(geometry, 'pte'), pmd: toyValues(geometry, 'pmd'), pud: toyValues(geometry, 'pud'), p4d: toyValues(geometry, 'p4d'), pgd: toyValues(geometry, 'pgd'),
  };
}

/** As the geometry says what a folded level stands for, its format follows. */
function formatFor(geometry: Geometry, level: Level): EntryFormat {
  const { shift } = geometryOf(geometry, level);
  return entryFormat({
    validMask: Number(VALID), validValue: Number(VALID), tableMask: level === 'pte' ? 0 : Number(TABLE), tableValue: Number(TABLE),
    leafPaLo: -(2 ** shift) | 0, leafPaHi: 0xffff, tablePaLo: 0xffff_f000, tablePaHi: 0xffff, emptyLo: Number(EMPTY), bytes: 2 ** shift,
  });
}

/** What the hardware makes of an entry, one at a time. */
export function classifyEntry(level: Level, entry: bigint): EntryKind {
  if (entry === EMPTY) return EntryKind.None;
  if ((entry & VALID) === 0n) return EntryKind.NonPresent;
  return level !== 'pte' && (entry & TABLE) !== 0n ? EntryKind.Table : EntryKind.Leaf;
}

export const PROT = {
  none: PROTNONE as Prot, readOnly: (VALID | U | NX | ACCESSED) as Prot, readWrite: (VALID | W | U | NX | ACCESSED) as Prot, exec: (VALID | U | ACCESSED) as Prot,
};

/** The bits that have names, from bit 0 up. */
const NAMES: readonly (readonly [bigint, string])[] = [
  [VALID, 'V'], [W, 'W'], [U, 'U'], [NX, 'NX'], [ACCESSED, 'A'], [DIRTY, 'D'], [GROUP, 'GROUP'], [SOFT_DIRTY, 'SOFT_DIRTY'], [SPECIAL, 'SPECIAL'],
];

function describe(level: Level, lo: number): Attributes {
  const has = (bit: bigint): boolean => (BigInt(lo >>> 0) & bit) !== 0n;
  const kernel = Access.KernelRead | (has(W) ? Access.KernelWrite : 0) | (has(NX) ? 0 : Access.KernelExecute);
  return {
    // What the kernel may do is three bits, and users' are the next three.
    access: has(U) ? kernel | (kernel << 3) : kernel, accessed: has(ACCESSED), dirty: has(DIRTY), global: false, memoryType: '',
    group: level === 'pte' && has(GROUP) ? GROUP_ENTRIES : 1, flags: NAMES.filter(([bit]) => has(bit)).map(([, name]) => name),
  };
}

/** A present page's protection, its owner left out. */
const protOf = (write: boolean, flags: number): bigint => VALID | ACCESSED | (write ? W : 0n) | ((flags & VmFlags.Exec) === 0 ? NX : 0n);

/** Everything of the architecture but where its entries are. */
export function writableCommon(geometry: Geometry): Omit<WritableArch, 'handles' | 'ops' | 'tables' | 'rootTable' | 'pgdOffset' | 'newTable' | 'freeTable' | 'values'> {
  return {
    name: 'toy',
    variant: 'that can be changed',
    geometry,
    littleEndian: true,
    inherit: () => 0,
    describe,
    decodeNonPresent: (level, value) =>
      (value & PROTNONE) !== 0n
        ? { kind: 'protected', pa: value & ADDRESS & -(1n << BigInt(geometryOf(geometry, level).shift)), flags: [] }
        : { kind: 'swap', type: Number((value >> 50n) & 31n), offset: (value & ADDRESS) >> 12n, flags: [] },
    ptdump: toyStyle,
    hugePages: hugePagesOf(geometry),
    vmProt: (flags) => {
      if ((flags & (VmFlags.Read | VmFlags.Write | VmFlags.Exec)) === 0) return PROT.none;
      // The first write to a private page is for the kernel to see.
      return (protOf((flags & VmFlags.Write) !== 0 && (flags & VmFlags.Shared) !== 0, flags) | U) as Prot;
    },
    kernelProt: (flags) => protOf((flags & VmFlags.Write) !== 0, flags) as Prot,
    liveChange(level, old, value) {
      if (level !== 'pte' && ((old ^ value) & TABLE) !== 0n) return 'its size changes';
      if (((old ^ value) & ADDRESS) !== 0n) return 'its address changes';
      return ((old ^ value) & GROUP) === 0n ? undefined : 'its group changes';
    },
  };
}

export interface WritableToyHandles {
  pte: HwHandle<'pte'>;
  pmd: HwHandle<'pmd'>;
  pud: HwHandle<'pud'>;
  p4d: HwHandle<'p4d'>;
  pgd: HwHandle<'pgd'>;
}

/** The architecture over table memory. */
export function writableToy(tables: TableMemory, bits: LevelBits): WritableArch<WritableToyHandles> {
  const geometry = geometryWith(bits);
  const values = allValues(geometry);
  const context: TableOpsContext = { tables, geometry, values, formats: LEVELS.map((level) => formatFor(geometry, level)) };
  const ops = tableOps<WritableToyHandles>(context);
  return {
    ...writableCommon(geometry),
    tables,
    values,
    ops,
    rootTable: (root) => rootTableIn<WritableToyHandles>(tables, root),
    pgdOffset: (root, address) => pgdOffsetIn<WritableToyHandles>(tables, geometry, root, address),
    newTable: (level, address, user) => newTableIn(context, ops, level, address, user),
    freeTable: (table) => {
      freeTableIn(context, table);
    },
  };
}

/** A root with the lower half of its addresses at 0 and the upper half at the end of the 64-bit space. */
export function rootWith(geometry: Geometry, table: number, top: Level = 'pgd'): Root {
  const { shift, entries } = geometryOf(geometry, top);
  const half = (2 ** shift * entries) / 2;
  return {
    table, top, first: 0, end: entries, inherited: 0,
    windows: [{ start: 0, end: half, index: 0, half: 'user' }, { start: 2 ** 64 - half, end: 2 ** 64, index: entries / 2, half: 'kernel' }],
  };
}

/** Remembers what it was asked to forget. */
export class RecordingTlb implements Tlb {
  ranges: FlushRange[] = [];

  flush(range: FlushRange): void {
    this.ranges.push(range);
  }

  /** Whether what is cached of an entry was to be forgotten. */
  covers(address: number, level: Level): boolean {
    const at = BigInt(address);
    return this.ranges.some((range) => at >= range.start && at < range.end && (range.tables || LEVELS.indexOf(level) <= LEVELS.indexOf(range.level)));
  }
}
