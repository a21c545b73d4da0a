import { EntryKind, LOW_WORD, type Geometry, type LevelGeometry } from '@pgtable/core';
import { ADDRESS_END, BUSY_UP, LOWER_LO, PRESENT_INVALID, SKL_SHIFT_UP, VALID_LO } from './bits.js';
import type { ResolvedConfig } from './config.js';
import { manualLevel } from './geometry.js';

/** The layout of the entries of one level. */
export interface D128Format {
  /** The manual's level, -1 to 3. */
  readonly level: number;
  /** SKL of a leaf: it skips all levels below. More than {@link mostSkipped} where no leaf can stand. */
  readonly leafSkips: number;
  /** The largest SKL that is not reserved: 3 with 4K pages, 2 with 16K and 64K. */
  readonly mostSkipped: number;
  /** Address bits of a leaf and of a table, in bits 31:0 and 63:32. What stands below them is ignored. */
  readonly leafLo: number;
  readonly leafHi: number;
  readonly tableLo: number;
  readonly tableHi: number;
  /** Output addresses from here on are an Address size fault: 2 ** TCR_EL1.IPS. */
  readonly addressLimit: number;
  /** Bytes that an entry maps. */
  readonly bytes: number;
}

/** The formats of a configuration, by level number; a folded level has the pgd's. */
export function d128Formats(config: ResolvedConfig, geometry: Geometry): readonly D128Format[] {
  const of = ({ shift }: LevelGeometry): D128Format => {
    const level = manualLevel(config.pageShift, shift);
    const leaf = addressMask(shift);
    const table = addressMask(config.pageShift);
    return {
      level,
      leafSkips: 3 - level,
      mostSkipped: config.granule === 4096 ? 3 : 2,
      leafLo: Number(BigInt.asIntN(32, leaf)),
      leafHi: Number(leaf >> 32n),
      tableLo: Number(BigInt.asIntN(32, table)),
      tableHi: Number(table >> 32n),
      addressLimit: 2 ** config.paBits,
      bytes: 2 ** shift,
    };
  };
  const [pte, pmd, pud, p4d, pgd] = geometry.levels;
  return [pte, pmd, pud, p4d, pgd].map((level) => of(level.folded ? pgd : level));
}

/** Whether entries of a level can map memory. */
export function hasLeaves(format: D128Format): boolean {
  return format.leafSkips <= format.mostSkipped;
}

/** Bits 55 down to `from`: the address bits of an entry that maps, or points to, so large a piece. */
export function addressMask(from: number): bigint {
  return (1n << BigInt(ADDRESS_END)) - (1n << BigInt(from));
}

/** An entry as a scan sees it. Reused from entry to entry. */
export class Look {
  kind: EntryKind = EntryKind.None;
  /** Attributes as {@link ScanBuffer} has them: see {@link lookAt}. */
  lo = 0;
  hi = 0;
  pa = 0;
}

/** Where the four 32-bit words of an entry stand, least significant first. */
const WORDS = LOW_WORD === 0 ? ([0, 1, 2, 3] as const) : ([3, 2, 1, 0] as const);

/**
 * Classifies an entry of table memory.
 *
 * - Not valid, and zero: empty. Not valid otherwise: non-present.
 * - SKL is what tells a table from a leaf (Arm ARM D8.3, rule RBPTPZ). An entry of level 3 in effect, its own level plus SKL, is a leaf; one that
 *   skips nothing points to a table of the next level.
 * - Bad are: entries that skip beyond level 3, a reserved SKL, and output addresses beyond TCR_EL1.IPS, all of which fault;
 *   and tables that skip one or two levels, which the hardware takes and this example does not, because such a table is larger than the
 *   tables of its level are in a {@link Geometry}.
 *
 * Of the 128 bits 64 go into a row. Everything valid has bits 11:0 in `lo` and bits 127:96 in `hi`: all that it says beside its address.
 * What is not valid has bits 31:0 in `lo`, bits 55:32 in the low 24 bits of `hi`, and above them PIIndex, GP, Contiguous and SKL: see
 * {@link upperOfInvalid}. So a swap entry is whole.
 *
 * @param at the entry's index in table memory
 */
export function lookAt(format: D128Format, words: Int32Array, at: number, look: Look): void {
  const first = at * 4;
  const low = words[first + WORDS[0]]!;
  const second = words[first + WORDS[1]]!;
  const upper = words[first + WORDS[3]]! & ~BUSY_UP;
  look.pa = 0;
  if ((low & VALID_LO) === 0) {
    const empty = (low | second | words[first + WORDS[2]]! | upper) === 0;
    look.kind = empty ? EntryKind.None : EntryKind.NonPresent;
    look.lo = low;
    look.hi = (second & 0xffffff) | packUpper(upper);
    return;
  }
  look.lo = low & LOWER_LO;
  look.hi = upper;
  const skips = (upper >>> SKL_SHIFT_UP) & 3;
  const leaf = skips === format.leafSkips && skips <= format.mostSkipped;
  const pa = (second & (leaf ? format.leafHi : format.tableHi)) * 2 ** 32 + ((low & (leaf ? format.leafLo : format.tableLo)) >>> 0);
  if ((!leaf && (skips !== 0 || format.leafSkips === 0)) || pa >= format.addressLimit) {
    look.kind = EntryKind.Bad;
    return;
  }
  look.kind = leaf ? EntryKind.Leaf : EntryKind.Table;
  look.pa = pa;
}

/** PIIndex, GP, Contiguous and SKL of bits 127:96, as bits 31:24 of a row of an entry that is not valid. */
function packUpper(upper: number): number {
  return (((upper >>> 19) & 15) << 28) | (((upper >>> 17) & 1) << 27) | (((upper >>> 15) & 1) << 26) | (((upper >>> 13) & 3) << 24);
}

/** The reverse: PIIndex, GP, Contiguous and SKL where they stand in bits 127:96, of a row of an entry that is not valid. */
export function upperOfInvalid(hi: number): number {
  return ((hi >>> 28) << 19) | (((hi >>> 27) & 1) << 17) | (((hi >>> 26) & 1) << 15) | (((hi >>> 24) & 3) << 13);
}

/** Bits of a row's `hi` that {@link upperOfInvalid} reads. */
export const INVALID_UPPER_HI = 0xff << 24;

/**
 * Whether an entry that is not valid is a page to the kernel: PROT_NONE, a block that is being split, or one of the kernel's own, which are
 * never swapped. As Linux 6.12 has it in 64-bit entries.
 */
export function isPresentInvalid(config: Pick<ResolvedConfig, 'half'>, value: bigint): boolean {
  return (value & PRESENT_INVALID) !== 0n || config.half === 'ttbr1';
}
