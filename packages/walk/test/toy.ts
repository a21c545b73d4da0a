import {
  EntryKind, geometryOf, hexAddress, LEVELS, type Arch, type EntryPtr, type EntryValues, type Geometry, type HwHandle, type Level, type PtdumpStyle, type Root, type TableMemory,
} from '@pgtable/core';
import { entryFormat, FlagValues, pgdOffsetIn, rootTableIn, TableLevelOps, tableOps, valueFormat, type EntryFormat, type TableOpsContext } from '@pgtable/core/arch';

/*
 * A small made-up architecture, written against the public contract alone. Three levels (pgd, pmd, pte) of 16 entries of
 * 64 bits, unless the test asks for other sizes; p4d and pud are folded.
 *
 *     bit 0 valid   1 table (not in a pte)   2 W   3 U   4 NX   5 accessed   6 must be zero
 *     bits 12..47 address, aligned to what a leaf maps   63 a bit of software's
 *     table entries: bits 48..51 first entry that exists, bits 52..55 missing entries at the end, in 1/16 of a table
 *
 * The empty entry is 0x400. Its handles are strong at the pte and pgd levels and aliases between.
 */
export const TOY_VALID = 1;
export const TOY_TABLE = 2;
export const TOY_W = 4;
export const TOY_U = 8;
export const TOY_NX = 16;
export const TOY_ACCESSED = 32;
export const TOY_RESERVED = 64;
export const TOY_EMPTY = 0x400n;

export interface ToyHandles {
  pte: HwHandle<'pte'>;
  pmd: EntryPtr<'pmd'>;
  pud: EntryPtr<'pud'>;
  p4d: EntryPtr<'p4d'>;
  pgd: HwHandle<'pgd'>;
}

export interface ToyOptions {
  /** Index bits of each level. Default 4. */
  readonly bits?: Partial<Record<'pte' | 'pmd' | 'pgd', number>>;
  readonly style?: Partial<PtdumpStyle>;
  readonly littleEndian?: boolean;
}

export function toyGeometry(bits: ToyOptions['bits'] = {}): Geometry {
  const pte = bits.pte ?? 4;
  const pmd = bits.pmd ?? 4;
  const pgd = bits.pgd ?? 4;
  const top = { shift: 12 + pte + pmd, entries: 2 ** pgd };
  return {
    levels: [
      { level: 'pte', title: 'PTE', shift: 12, entries: 2 ** pte, folded: false },
      { level: 'pmd', title: 'PMD', shift: 12 + pte, entries: 2 ** pmd, folded: false },
      { level: 'pud', title: 'PUD', ...top, folded: true },
      { level: 'p4d', title: 'P4D', ...top, folded: true },
      { level: 'pgd', title: 'PGD', ...top, folded: false },
    ],
    pageBytes: 4096,
    entryBytes: 8,
    addressDigits: 16,
  };
}

/** Bits of the low word that a line of the listing shows. */
export const TOY_SHOWN = TOY_VALID | TOY_W | TOY_U | TOY_NX;

export const toyStyle: PtdumpStyle = {
  source: 'a test',
  ranges: (root) => root.windows,
  maskLo: new Int32Array(5).fill(TOY_SHOWN),
  maskHi: new Int32Array(5),
  attributes(kind, level, lo, hi, out) {
    // As in the kernel, where an empty entry of an upper level is passed as zero, and one of the lowest level as it is.
    const hole = kind === EntryKind.None && level !== 'pte';
    out[0] = hole ? 0 : lo & TOY_SHOWN;
    out[1] = hole ? 0 : hi & 0;
  },
  effective: (_level, lo, _hi, inherited) => (lo & TOY_VALID) === 0 ? 0 : (lo & (TOY_W | TOY_NX) & ~((inherited & 1) * TOY_W)) | ((inherited & 2) === 0 ? 0 : TOY_NX),
  heading: undefined,
  markerAdvance: 'line',
  prints: () => true,
  line: (start, end, pa, level, lo, hi, effective) =>
    `${hexAddress(start)}-${hexAddress(end)} ${pa.toString(16)} ${level} ${lo.toString(16)}:${hi.toString(16)} ${effective}`,
  insecure: (_end, _level, _lo, _hi, effective) => ((effective & TOY_W) !== 0 && (effective & TOY_NX) === 0 ? 1 : 0),
  finding: (_insecure, _address, symbol) => symbol,
  verdict: ({ writableExecutable }) => `${writableExecutable} W+X`,
};

/** Which entries of the table below exist. */
export function toyChildRange(entries: number, hi: number): number {
  const first = (((hi >>> 16) & 15) * entries) / 16;
  const end = entries - (((hi >>> 20) & 15) * entries) / 16;
  return first < end ? first | (end << 16) : 0;
}

class ToyOps<L extends Level> extends TableLevelOps<ToyHandles, L> {
  override childRange(_lo: number, hi: number): number {
    return this.level === 'pte' ? 0 : toyChildRange(geometryOf(this.geometry, this.level === 'pmd' ? 'pte' : 'pmd').entries, hi);
  }
}

function toyFormat(geometry: Geometry, level: Level): EntryFormat {
  const { shift } = geometryOf(geometry, level);
  return entryFormat({
    validMask: TOY_VALID,
    validValue: TOY_VALID,
    tableMask: level === 'pte' ? 0 : TOY_TABLE,
    tableValue: TOY_TABLE,
    reservedTableLo: TOY_RESERVED,
    reservedLeafLo: TOY_RESERVED | ((2 ** shift - 4096) & ~0xfff),
    leafPaLo: -(2 ** shift) | 0,
    leafPaHi: 0xffff,
    tablePaLo: 0xffff_f000,
    tablePaHi: 0xffff,
    emptyLo: Number(TOY_EMPTY),
    bytes: 2 ** shift,
  });
}

/** As much of the values as a reader needs: what is empty, present, a table or a leaf. */
function toyValues<L extends Level>(level: L): EntryValues<L> {
  const lowest = level === 'pte';
  return new FlagValues(level, valueFormat({
    empty: TOY_EMPTY,
    validMask: BigInt(TOY_VALID),
    validValue: BigInt(TOY_VALID),
    tableMask: lowest ? 0n : BigInt(TOY_TABLE),
    tableValue: lowest ? 0n : BigInt(TOY_TABLE),
    features: lowest ? ['leaf'] : ['leaf', 'table'],
  }));
}

export const TOY_INHERIT = (inherited: number, lo: number) => inherited | ((lo & TOY_W) === 0 ? 1 : 0) | ((lo & TOY_NX) === 0 ? 0 : 2);

/** Everything of the architecture but where its entries are. */
export function toyCommon(geometry: Geometry, options: ToyOptions): Omit<Arch, 'handles' | 'ops' | 'tables' | 'rootTable' | 'pgdOffset'> {
  return {
    name: 'toy',
    variant: 'three levels',
    geometry,
    littleEndian: options.littleEndian ?? true,
    inherit: (inherited, _level, lo) => TOY_INHERIT(inherited, lo),
    describe: (_level, lo, _hi, inherited) => ({
      access: (lo & TOY_W) === 0 || (inherited & 1) !== 0 ? 1 : 3, accessed: (lo & TOY_ACCESSED) !== 0, dirty: undefined, global: false, memoryType: '', group: 1, flags: [],
    }),
    decodeNonPresent: (_level, value) => ({ kind: 'swap', type: Number((value >> 1n) & 7n), offset: value >> 12n, flags: [] }),
    ptdump: { ...toyStyle, ...options.style },
  };
}

export function toyArch(tables: TableMemory, options: ToyOptions = {}): Arch<ToyHandles> {
  const geometry = toyGeometry(options.bits);
  const context: TableOpsContext = {
    tables,
    geometry,
    formats: LEVELS.map((level) => toyFormat(geometry, level === 'pud' || level === 'p4d' ? 'pgd' : level)),
    values: { pte: toyValues('pte'), pmd: toyValues('pmd'), pud: toyValues('pud'), p4d: toyValues('p4d'), pgd: toyValues('pgd') },
  };
  const ops = tableOps<ToyHandles>(context, (level, shared, all) => new ToyOps(level, shared, all));
  return {
    ...toyCommon(geometry, options),
    tables,
    ops,
    rootTable: (root) => rootTableIn<ToyHandles>(tables, root),
    pgdOffset: (root, address) => pgdOffsetIn<ToyHandles>(tables, geometry, root, address),
  };
}

/** A root with the lower half of the space at address 0 and the upper half at the end of the 64-bit space. */
export function toyRoot(table: number, bits: ToyOptions['bits'] = {}): Root {
  const geometry = toyGeometry(bits);
  const { shift, entries } = geometryOf(geometry, 'pgd');
  const half = (2 ** shift * entries) / 2;
  return {
    table, top: 'pgd', first: 0, end: entries, inherited: 0,
    windows: [
      { start: 0, end: half, index: 0, half: 'user' },
      { start: 2 ** 64 - half, end: 2 ** 64, index: entries / 2, half: 'kernel' },
    ],
  };
}

/* Entry values, and the slow reference: one entry at a time, in bigints, from the description above. */

export const leaf = (pa: number, flags = 0): bigint => BigInt(pa) | BigInt(TOY_VALID | flags);
export const tableEntry = (pa: number, flags = TOY_W, missingFirst = 0, missingLast = 0): bigint =>
  BigInt(pa) | BigInt(TOY_VALID | TOY_TABLE | flags) | (BigInt(missingFirst) << 48n) | (BigInt(missingLast) << 52n);

export interface Classified {
  readonly kind: EntryKind;
  readonly pa: number;
}

export function classify(geometry: Geometry, level: Level, entry: bigint): Classified {
  if (entry === TOY_EMPTY) return { kind: EntryKind.None, pa: 0 };
  if ((entry & 1n) === 0n) return { kind: EntryKind.NonPresent, pa: 0 };
  const bad = { kind: EntryKind.Bad, pa: 0 };
  if ((entry & BigInt(TOY_RESERVED)) !== 0n) return bad;
  const address = entry & 0xffff_ffff_f000n;
  if (level !== 'pte' && (entry & 2n) !== 0n) return { kind: EntryKind.Table, pa: Number(address) };
  if (address % BigInt(2 ** geometryOf(geometry, level).shift) !== 0n) return bad;
  return { kind: EntryKind.Leaf, pa: Number(address) };
}
