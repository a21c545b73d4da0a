import { EntryKind, levelNumber, LEVELS, type Geometry, type Level } from '@pgtable/core';
import { L_HI, NLB_HI, NLB_LO, NLS_LO, RPN_HI, RPN_LO, V_HI } from './bits.js';

/**
 * The layout of one level as the hardware sees it. V and L stand in the high word, where core's EntryFormat does not look, so this is a format of our
 * own.
 */
export interface RadixFormat {
  /** Bytes that an entry maps. */
  readonly bytes: number;
  /** Whether a leaf can stand here. There are pages of 2 MiB and 1 GiB, and none larger. */
  readonly leaf: boolean;
  /** What NLS must be in an entry that points to a table; 0 where there are no tables. */
  readonly nls: number;
  /** Bits of RPN that count: those below a large page are ignored. */
  readonly paLo: number;
  readonly paHi: number;
}

/** By level number; a folded level has the root's. */
export function radixFormats(geometry: Geometry): readonly RadixFormat[] {
  return LEVELS.map((level) => formatOf(geometry, level));
}

function formatOf(geometry: Geometry, level: Level): RadixFormat {
  const { shift } = geometry.levels[levelNumber(level)];
  const below = geometry.levels.findLast((other) => other.shift < shift);
  return {
    bytes: 2 ** shift,
    leaf: shift < 39,
    nls: below === undefined ? 0 : Math.log2(below.entries),
    // 30 is the highest shift of a leaf: no bit of the high word is below a page.
    paLo: RPN_LO & -(2 ** Math.min(shift, 31)),
    paHi: RPN_HI,
  };
}

/**
 * What an entry is to the hardware. A tree of another shape than the kernel's (NLS) is bad: the processor knows few shapes, and reports others as an
 * unsupported configuration. Reserved bits do not count.
 */
export function kindOf(format: RadixFormat, lo: number, hi: number): EntryKind {
  if ((hi & V_HI) === 0) return (lo | hi) === 0 ? EntryKind.None : EntryKind.NonPresent;
  if ((hi & L_HI) !== 0) return format.leaf ? EntryKind.Leaf : EntryKind.Bad;
  return format.nls !== 0 && (lo & NLS_LO) === format.nls ? EntryKind.Table : EntryKind.Bad;
}

/** The real address of a leaf's memory. */
export function leafAddress(format: RadixFormat, lo: number, hi: number): number {
  return (hi & format.paHi) * 2 ** 32 + ((lo & format.paLo) >>> 0);
}

/** The real address of the table that is pointed to. Exact: a table is a multiple of 256. */
export function tableAddress(lo: number, hi: number): number {
  return (hi & NLB_HI) * 2 ** 32 + ((lo & NLB_LO) >>> 0);
}
