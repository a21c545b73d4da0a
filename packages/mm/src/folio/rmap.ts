import type { HandleFamily } from '@pgtable/core';
import { FrameFlag, FrameType, FrameWord } from '../frames/memmap.js';
import { MmCounter, type Mm } from '../kernel/mm.js';
import type { TableGather } from '../tables/gather.js';

/*
 * What entries do to the frames that they map. The rules are few, and all code that writes entries keeps them:
 *
 * - Each present pte that maps a page of memory has one reference on the page's block, and counts in the page's own mapcount. A pmd entry that maps a huge page whole has one reference, and counts in
 *   the mapcount of its first page.
 * - The shared zero page is mapped by special entries, and counts nowhere.
 * - The address space's counters count pages: a huge page counts as many as it has.
 * - PageAnonExclusive is said of the page that a pte maps, of the first page where a pmd entry does: no other entry maps it, so whoever writes may do so without a copy.
 *
 * Locking, of all: the lock of the entry's table, under which the entry is written too. mm/rmap.c, Linux 6.12.
 */

/**
 * `folio_add_new_anon_rmap()`: a new anonymous block, of which this address space maps all pages: by `count` ptes, or by one pmd entry. The reference that came with the block is the first entry's.
 *
 * Locking: the lock of the entries' table, under which they are written too.
 */
export function addNewAnonRmap<H extends HandleFamily>(mm: Mm<H>, pfn: number, count: number, huge = false): void {
  const { frames } = mm.kernel;
  const entries = huge ? 1 : count;
  if (entries > 1) frames.get(pfn, entries - 1);
  for (let at = 0; at < entries; at++) {
    frames.add(pfn + at, FrameWord.Mapcount, 1);
    setAnonExclusive(mm, pfn + at, true);
  }
  mm.addCounter(MmCounter.AnonPages, count);
}

/**
 * `folio_add_file_rmap_ptes()`, `folio_dup_file_rmap()`, `folio_try_dup_anon_rmap_ptes()`: `count` more entries map pages that are mapped, or in a cache, already. Takes the references.
 *
 * An anonymous page that gets a second entry is no longer exclusive; it must be write-protected in the same breath, in both.
 *
 * Locking: the lock of the entries' table, under which they are written too.
 */
export function dupRmap<H extends HandleFamily>(mm: Mm<H>, pfn: number, count: number, huge = false): void {
  const { frames } = mm.kernel;
  const entries = huge ? 1 : count;
  frames.get(pfn, entries);
  for (let at = 0; at < entries; at++) {
    frames.add(pfn + at, FrameWord.Mapcount, 1);
    if (isAnon(mm, pfn)) setAnonExclusive(mm, pfn + at, false);
  }
  mm.addCounter(counterOf(mm, pfn), count);
}

/**
 * `folio_remove_rmap_ptes()`, `folio_remove_rmap_pmd()`: entries were cleared. Their references go to the gather, for the flush comes first.
 *
 * Locking: the lock of the entries' table, under which they were cleared.
 */
export function removeRmap<H extends HandleFamily>(gather: TableGather<H>, pfn: number, count: number, huge = false): void {
  const mm = gather.of;
  const { frames } = mm.kernel;
  const entries = huge ? 1 : count;
  mm.addCounter(counterOf(mm, pfn), -count);
  for (let at = 0; at < entries; at++) {
    frames.add(pfn + at, FrameWord.Mapcount, -1);
    gather.removePage(pfn + at);
  }
}

/** A huge page that one pmd entry mapped is mapped by `count` ptes from now on: the references and mapcounts of `__split_huge_pmd_locked()`. Locking: the lock of the PMD table. */
export function splitRmap<H extends HandleFamily>(mm: Mm<H>, pfn: number, count: number): void {
  const { frames } = mm.kernel;
  const exclusive = isAnonExclusive(mm, pfn);
  frames.get(pfn, count - 1);
  for (let at = 0; at < count; at++) {
    if (at > 0) frames.add(pfn + at, FrameWord.Mapcount, 1);
    setAnonExclusive(mm, pfn + at, exclusive);
  }
}

/** `PageAnonExclusive()`. Locking: the lock of a table whose entry maps the page. */
export function isAnonExclusive<H extends HandleFamily>(mm: Mm<H>, pfn: number): boolean {
  return (mm.kernel.frames.read(pfn, FrameWord.Flags) & FrameFlag.AnonExclusive) !== 0;
}

/** `SetPageAnonExclusive()`, `ClearPageAnonExclusive()`. Locking: the lock of the table whose entry maps the page. */
export function setAnonExclusive<H extends HandleFamily>(mm: Mm<H>, pfn: number, exclusive: boolean): void {
  mm.kernel.frames.changeFlags(pfn, exclusive ? FrameFlag.AnonExclusive : 0, exclusive ? 0 : FrameFlag.AnonExclusive);
}

/** `folio_test_anon()`, of the block that a page is in. Locking: the lock of a table whose entry maps the page, or a reference on it. */
export function isAnon<H extends HandleFamily>(mm: Mm<H>, pfn: number): boolean {
  const { frames } = mm.kernel;
  return frames.read(frames.head(pfn), FrameWord.Type) === FrameType.Anon;
}

function counterOf<H extends HandleFamily>(mm: Mm<H>, pfn: number): MmCounter {
  return isAnon(mm, pfn) ? MmCounter.AnonPages : MmCounter.FilePages;
}
