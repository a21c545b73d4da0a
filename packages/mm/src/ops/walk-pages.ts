import type { HandleFamily, PmdVal } from '@pgtable/core';
import { PageWalkLock, walkPageRange, WalkAction } from '@pgtable/walk';
import { hugePmdBytes } from '../folio/huge.js';
import { pmdTransHugeLock } from '../huge/huge-pmd.js';
import type { Mm } from '../kernel/mm.js';
import { pagesLeftInFolio } from '../zap/folio-run.js';

/** What {@link walkPages} calls. */
export interface PageVisits<H extends HandleFamily> {
  /** For the part of a range that one huge page maps. Locking: the lock of the PMD table is held. */
  readonly hugePmd: (pmdp: H['pmd'], pmd: PmdVal, address: number, next: number) => void;
  /** For entries of one PTE table that follow each other. Locking: its lock is held. */
  readonly pteRange: (ptep: H['pte'], address: number, count: number) => void;
}

/**
 * Goes over the pages that a range maps: huge ones whole, the others table by table. What the callbacks of `walk_page_range()` begin with in mm/madvise.c and mm/mapping_dirty_helpers.c (6.12).
 *
 * Locking: the mmap lock, either way. Takes the locks of the tables.
 *
 * @param start,end half-open, page aligned
 */
export function walkPages<H extends HandleFamily>(mm: Mm<H>, start: number, end: number, { hugePmd, pteRange }: PageVisits<H>): void {
  walkPageRange(mm, start, end, {
    walkLock: PageWalkLock.Read,
    pmdEntry(pmdp, address, next, walk) {
      const huge = pmdTransHugeLock(mm, pmdp);
      if (huge === undefined) return;
      try {
        walk.action = WalkAction.Continue;
        hugePmd(pmdp, huge.pmd, address, next);
      } finally {
        huge.ptl.unlock();
      }
    },
    pteRange,
  });
}

/** How many entries from one on map pages of one block that follow each other; 0: it maps none. Locking: the lock of the entry's table. */
export function runAt<H extends HandleFamily>(mm: Mm<H>, ptep: H['pte'], max: number): number {
  const { arch: { ops: { pte: ops }, values: { pte: values } }, kernel: { frames, zeroPfn } } = mm;
  const pte = ops.get(ptep);
  if (!values.present(pte) || values.special(pte)) return 0;
  const pfn = values.pfn(pte);
  if (pfn === zeroPfn || pfn < frames.firstPfn || pfn >= frames.firstPfn + frames.count) return 0;
  const limit = Math.min(max, pagesLeftInFolio(mm, pfn));
  return limit === 1 ? 1 : ops.batch(ptep, pte, limit, { dirty: true, softDirty: true });
}

/** Where the huge page of a pmd entry begins: a walk may come into it in the middle, and what is flushed is all of it. */
export function hugePageOf<H extends HandleFamily>(mm: Mm<H>, address: number): bigint {
  const bytes = hugePmdBytes(mm);
  return BigInt(Math.floor(address / bytes) * bytes);
}
