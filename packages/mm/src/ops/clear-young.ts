import type { HandleFamily } from '@pgtable/core';
import { PageWalkLock, walkPageRange, WalkAction } from '@pgtable/walk';
import { pmdTransHugeLock } from '../huge/huge-pmd.js';
import { hugePmdBytes } from '../folio/huge.js';
import { FrameFlag, FrameWord } from '../frames/memmap.js';
import type { Mm } from '../kernel/mm.js';
import { TableGather } from '../tables/gather.js';
import { pagesLeftInFolio } from '../zap/folio-run.js';

/**
 * Makes all pages of a range old, and says how many were used since the last time: the part of reclaim, DAMON and `madvise(MADV_COLD)` that page tables have (`madvise_cold_or_pageout_pte_range()` of mm/madvise.c, 6.12). Runs of
 * pages of one block are looked at in one call, and count as used if any of them was. Huge pages count all their pages.
 *
 * Locking: the mmap lock, either way. Takes the locks of the tables.
 *
 * @param start,end half-open, page aligned
 * @returns pages
 */
export function clearYoung<H extends HandleFamily>(mm: Mm<H>, start: number, end: number): number {
  const { pageBytes, context, arch: { ops, values } } = mm;
  const flushes = new TableGather(mm);
  let used = 0;
  try {
    walkPageRange(mm, start, end, {
      walkLock: PageWalkLock.Read,
      pmdEntry(pmdp, address, next, walk) {
        const huge = pmdTransHugeLock(mm, pmdp);
        if (huge === undefined) return;
        const { pmd, ptl } = huge;
        try {
          walk.action = WalkAction.Continue;
          if (ops.pmd.testAndClearYoung(context, hugePageOf(mm, address), pmdp, 1).gather(flushes)) used += (next - address) / pageBytes;
          clearReferenced(mm, values.pmd.pfn(pmd));
        } finally {
          ptl.unlock();
        }
      },
      pteRange(ptep, address, count) {
        for (let done = 0; done < count;) {
          const entry = ops.pte.advance(ptep, done);
          const run = runAt(mm, entry, count - done);
          if (run > 0) {
            if (ops.pte.testAndClearYoung(context, BigInt(address + done * pageBytes), entry, run).gather(flushes)) used += run;
            clearReferenced(mm, values.pte.pfn(ops.pte.get(entry)));
          }
          done += Math.max(run, 1);
        }
      },
    });
  } finally {
    flushes.finish();
  }
  return used;
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

/** `folio_clear_referenced()`. */
function clearReferenced<H extends HandleFamily>({ kernel: { frames } }: Mm<H>, pfn: number): void {
  Atomics.and(frames.memmap, frames.word(frames.head(pfn), FrameWord.Flags), ~FrameFlag.Referenced);
}
