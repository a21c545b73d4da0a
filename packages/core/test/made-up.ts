import { entryFormat, FlagValues, freeTableIn, newTableIn, pgdOffsetIn, rootTableIn, tableOps, valueFormat, type MakeLevelOps, type TableOpsContext } from '../src/arch.js';
import {
  geometryOf, LEVELS, PgtableError, TableMemory, type EntryValues, type Feature, type Geometry, type Level, type MmContext, type Prot, type Tlb, type FlushRange, type StrongHandles,
  type WritableArch,
} from '../src/index.js';

/**
 * A geometry with the given levels, by index bits; the others are folded: a folded level has the shift and entries of the
 * existing level that it stands for, the nearest above, or the nearest below if there is none above.
 */
export function makeGeometry(bits: Partial<Record<Level, number>>, pageShift = 12, entryBytes = 8): Geometry {
  let next = pageShift;
  const real = new Map<Level, { shift: number; entries: number }>();
  for (const level of LEVELS) {
    const width = bits[level];
    if (width === undefined) continue;
    real.set(level, { shift: next, entries: 2 ** width });
    next += width;
  }
  const levels = LEVELS.map((level, number) => {
    const own = real.get(level);
    const above = LEVELS.slice(number).find((candidate) => real.has(candidate));
    const below = LEVELS.slice(0, number).findLast((candidate) => real.has(candidate));
    const shape = own ?? real.get(above ?? below ?? 'pte') ?? { shift: pageShift, entries: 1 };
    return { level, title: level.toUpperCase(), ...shape, folded: own === undefined };
  });
  const [pte, pmd, pud, p4d, pgd] = levels;
  return { levels: [pte!, pmd!, pud!, p4d!, pgd!], pageBytes: 2 ** pageShift, entryBytes, addressDigits: 16 };
}

/* The bits of made-up entries. A table entry has V and TABLE; a leaf V alone. Frames are from bit 12 up. */
export const V = 1n;
export const TABLE = 2n;
export const WRITE = 4n;
export const YOUNG = 0x20n;
export const DIRTY = 0x40n;
export const SPECIAL = 0x80n;
export const SOFT_DIRTY = 0x100n;
/** Not valid, and present to the kernel. */
export const PROT_NONE = 0x200n;
export const UFFD_WP = 0x400n;
export const SWAP_BASE = 0x800n;

const FEATURES: readonly Feature[] = ['leaf', 'special', 'softDirty', 'uffdWp', 'protnone', 'swap', 'swpExclusive', 'swpSoftDirty', 'swpUffdWp'];

/** The values of all levels, over the bits above. @param empty what the empty entry is */
export function makeValues(geometry: Geometry, empty = 0n): { readonly [L in Level]: EntryValues<L> } {
  const of = <L extends Level>(level: L): EntryValues<L> => {
    const lowest = level === 'pte';
    const addressBits = geometry.entryBytes === 4 ? 0xffff_f000n : 0xffff_ffff_f000n;
    return new FlagValues(level, valueFormat({
      empty,
      validMask: V,
      validValue: V,
      presentInvalid: PROT_NONE,
      protnone: PROT_NONE,
      tableMask: lowest ? 0n : V | TABLE,
      tableValue: lowest ? 0n : V | TABLE,
      badMask: SPECIAL,
      pfnMask: addressBits,
      pfnShift: 12,
      orderShift: geometry.levels[LEVELS.indexOf(level)]!.shift - 12,
      young: YOUNG,
      dirty: DIRTY,
      write: WRITE,
      special: SPECIAL,
      softDirty: SOFT_DIRTY,
      uffdWp: UFFD_WP,
      leafClears: lowest ? 0n : TABLE,
      invalidClears: V,
      invalidSets: PROT_NONE,
      modifyKeeps: YOUNG | DIRTY | SPECIAL | SOFT_DIRTY | UFFD_WP,
      userTable: V | TABLE | WRITE,
      kernelTable: V | TABLE,
      tableAddress: addressBits,
      swap: { typeShift: 3, offsetShift: 12, offsetBits: geometry.entryBytes === 4 ? 20 : 36, base: SWAP_BASE, softDirty: SOFT_DIRTY, exclusive: TABLE, uffdWp: WRITE },
      features: lowest ? FEATURES : ['table', ...FEATURES],
    }));
  };
  return { pte: of('pte'), pmd: of('pmd'), pud: of('pud'), p4d: of('p4d'), pgd: of('pgd') };
}

/** Remembers what it was asked to forget. */
export class RecordingTlb implements Tlb {
  readonly flushed: FlushRange[] = [];
  flush(range: FlushRange): void {
    this.flushed.push(range);
  }
}

export interface MadeUpOptions {
  readonly bits?: Partial<Record<Level, number>>;
  readonly entryBytes?: 4 | 8;
  readonly shared?: boolean;
  readonly empty?: bigint;
  /** Room for so many entries. Default 4096. */
  readonly entries?: number;
  readonly make?: MakeLevelOps<StrongHandles>;
  /** The format of the lowest level calls everything valid: for architectures that classify entries in a way of their own. */
  readonly anythingValid?: boolean;
}

export interface MadeUp {
  readonly arch: WritableArch<StrongHandles>;
  readonly tables: TableMemory;
  readonly tlb: RecordingTlb;
  readonly mm: MmContext;
}

/** What of a reading architecture no test of core asks for. */
function unasked(): never {
  throw new PgtableError('ENOTSUP', 'the made-up architecture is not described');
}

/** A writable architecture of three levels of 16 entries, unless asked otherwise, with strong handles. */
export function madeUp(options: MadeUpOptions = {}): MadeUp {
  const { bits = { pte: 4, pmd: 4, pgd: 4 }, entryBytes = 8, shared = false, empty = 0n, entries = 4096 } = options;
  const geometry = makeGeometry(bits, 12, entryBytes);
  const tables = new TableMemory({ entryBytes, shared, entries });
  const address = { leafPaLo: 0xffff_f000, leafPaHi: entryBytes === 4 ? 0 : 0xffff, bytes: 4096, emptyLo: Number(empty) };
  const valid = options.anythingValid === true ? 0 : 1;
  const formats = LEVELS.map((level) =>
    entryFormat(level === 'pte' ? { ...address, validMask: valid, validValue: valid } : { ...address, validMask: 1, validValue: 1, tableMask: 2, tableValue: 2, tablePaLo: 0xffff_f000, tablePaHi: address.leafPaHi }));
  const context: TableOpsContext = { tables, geometry, formats, values: makeValues(geometry, empty) };
  const ops = options.make === undefined ? tableOps<StrongHandles>(context) : tableOps<StrongHandles>(context, options.make);
  const arch: WritableArch<StrongHandles> = {
    name: 'made-up', variant: '', geometry, littleEndian: true, tables, ops, values: context.values, hugePages: [{ bytes: geometryOf(geometry, 'pmd').entries * 4096, level: 'pmd', count: 1 }],
    rootTable: (root) => rootTableIn<StrongHandles>(tables, root),
    pgdOffset: (root, va) => pgdOffsetIn<StrongHandles>(tables, geometry, root, va),
    vmProt: (flags) => ((flags === 0 ? PROT_NONE : V | (flags & 2 ? WRITE : 0n)) as Prot),
    kernelProt: (flags) => ((V | (flags & 2 ? WRITE : 0n)) as Prot),
    newTable: (level, pa, user) => newTableIn(context, ops, level, pa, user),
    freeTable: (table) => { freeTableIn(context, table); },
    liveChange: (level, old, value) => (context.values[level].pfn(old) === context.values[level].pfn(value) ? undefined : 'the frame changes'),
    inherit: unasked, describe: unasked, decodeNonPresent: unasked,
    get ptdump(): never { return unasked(); },
  };
  const tlb = new RecordingTlb();
  return { arch, tables, tlb, mm: { user: true, tlb } };
}

/** The code of the PgtableError that an action throws; undefined if it throws none. */
export function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof PgtableError) return error.code;
    throw error;
  }
}
