import type { HandleFamily } from '@pgtable/core';
import { FrameFlag } from '../frames/memmap.js';
import type { Mm } from '../kernel/mm.js';
import { TableGather } from '../tables/gather.js';
import { hugePageOf, runAt, walkPages } from './walk-pages.js';

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
    walkPages(mm, start, end, {
      hugePmd(pmdp, pmd, address, next) {
        if (ops.pmd.testAndClearYoung(context, hugePageOf(mm, address), pmdp, 1).gather(flushes)) used += (next - address) / pageBytes;
        clearReferenced(mm, values.pmd.pfn(pmd));
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

/** `folio_clear_referenced()`. */
function clearReferenced<H extends HandleFamily>({ kernel: { frames } }: Mm<H>, pfn: number): void {
  frames.changeFlags(frames.head(pfn), 0, FrameFlag.Referenced);
}
