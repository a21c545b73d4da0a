import type { Geometry, Level } from '@pgtable/core';
import { TYPE_REGION1, TYPE_REGION2, TYPE_REGION3, TYPE_SEGMENT } from './bits.js';

/**
 * The one geometry of s390: all five levels exist, and the ASCE says at which one an address space begins. 2048 entries a
 * table (up to four pages; TL and TF may cut either end off), 256 in a page table (half a page).
 */
export const GEOMETRY: Geometry = {
  levels: [
    { level: 'pte', title: 'page table', shift: 12, entries: 256, folded: false },
    { level: 'pmd', title: 'segment table', shift: 20, entries: 2048, folded: false },
    { level: 'pud', title: 'region-third table', shift: 31, entries: 2048, folded: false },
    { level: 'p4d', title: 'region-second table', shift: 42, entries: 2048, folded: false },
    { level: 'pgd', title: 'region-first table', shift: 53, entries: 2048, folded: false },
  ],
  pageBytes: 4096,
  entryBytes: 8,
  addressDigits: 16,
};

/** A level that an ASCE can designate: all but the page table. */
export type TopLevel = Exclude<Level, 'pte'>;

/** By DT or TT, shifted down: the level of such a table's entries. */
const LEVEL_OF_TYPE = ['pmd', 'pud', 'p4d', 'pgd'] as const satisfies readonly TopLevel[];

/** TT of the entries of a level. */
export const TYPE_OF_LEVEL: Readonly<Record<TopLevel, number>> = { pmd: TYPE_SEGMENT, pud: TYPE_REGION3, p4d: TYPE_REGION2, pgd: TYPE_REGION1 };

/** The level whose entries have the table type in bits 60-61 of `lo`; of an ASCE, the level that it designates. */
export function levelOfType(lo: number): TopLevel {
  return LEVEL_OF_TYPE[(lo >>> 2) & 3]!;
}

/** The configuration for people, by the level on top: levels are counted as the kernel does, the page table included. */
export const VARIANTS: Readonly<Record<TopLevel, string>> = {
  pmd: '2-level, segment table',
  pud: '3-level, region-third table',
  p4d: '4-level, region-second table',
  pgd: '5-level, region-first table',
};
