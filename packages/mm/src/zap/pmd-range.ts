import { geometryOf, type HandleFamily, type Level } from '@pgtable/core';
import type { Mm } from '../kernel/mm.js';
import { lowestEntry } from '../tables/table-alloc.js';

/**
 * Calls a function for the pmd entries of a range whose tables are there: the loops of `unmap_page_range()`, `copy_page_range()`, `change_protection_range()` (6.12) down to the pmd. What has no PMD table is passed
 * over at once, entry by entry of the level where it ends. Huge pages of higher levels are passed over too: no address space of this model has them.
 *
 * Locking: the mmap lock, either way, or VMAs' locks: the tables stay. Entries are read once, for others may populate them.
 *
 * @param start,end half-open, page aligned, in the windows of the root
 * @param visit is called with each entry and the part of the range that it translates, [address, next)
 */
export function forEachPmd<H extends HandleFamily>(mm: Mm<H>, start: number, end: number, visit: (pmdp: H['pmd'], address: number, next: number) => void): void {
  for (let address = start; address < end;) {
    const at = lowestEntry(mm, address);
    const next = Math.min(end, endOfEntry(mm, at.level, address));
    if (at.level === 'pmd') visit(at.entry, address, next);
    address = next;
  }
}

/** `pmd_addr_end()` without its limit: the first address that the entry of an address does not translate. */
export function endOfEntry<H extends HandleFamily>(mm: Mm<H>, level: Level, address: number): number {
  const bytes = 2 ** geometryOf(mm.arch.geometry, level).shift;
  return (Math.floor(address / bytes) + 1) * bytes;
}
