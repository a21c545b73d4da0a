import type { HandleFamily } from '@pgtable/core';
import type { VaRange } from '@pgtable/walk';
import { hugePmdBytes } from '../folio/huge.js';
import type { Mm } from '../kernel/mm.js';
import { TableGather } from '../tables/gather.js';
import { markFolio } from '../zap/folio-run.js';
import { hugePageOf, runAt, walkPages } from './walk-pages.js';

/**
 * Collects what was written since the last time: of dirty entries the range is noted, the page's block is marked dirty, and the entry is clean and read-only from here on, so that the next write is noted again. What
 * `clean_record_shared_mapping_range()` (mm/mapping_dirty_helpers.c, 6.12) does for a file, for a range of addresses.
 *
 * Locking: the mmap lock, either way. Takes the locks of the tables. Flushes before it returns: a write that is not in the answer will be in the next.
 *
 * @param start,end half-open, page aligned
 * @returns addresses of dirty pages, in order, as ranges that do not touch. A huge page is made clean as a whole, and is in the answer as a whole, also where the range has a part of it alone
 */
export function cleanRecordRange<H extends HandleFamily>(mm: Mm<H>, start: number, end: number): VaRange[] {
  const { pageBytes, context, arch: { ops, values } } = mm;
  const flushes = new TableGather(mm);
  const dirty: { start: number; end: number }[] = [];
  const note = (from: number, to: number): void => {
    const last = dirty.at(-1);
    if (last?.end === from) last.end = to;
    else dirty.push({ start: from, end: to });
  };
  try {
    walkPages(mm, start, end, {
      hugePmd(pmdp, pmd, address) {
        if (!values.pmd.dirty(pmd)) return;
        // Read-only first, and flushed: then the hardware cannot make it dirty again while it is made clean.
        const first = hugePageOf(mm, address);
        ops.pmd.wrprotect(context, first, pmdp, 1).flush();
        const clean = values.pmd.mkclean(ops.pmd.get(pmdp));
        ops.pmd.establish(context, first, pmdp, clean).gather(flushes);
        markFolio(mm, values.pmd.pfn(pmd), true, false);
        note(Number(first), Number(first) + hugePmdBytes(mm));
      },
      pteRange(ptep, address, count) {
        for (let done = 0; done < count; done++) {
          const entry = ops.pte.advance(ptep, done);
          if (runAt(mm, entry, 1) === 0 || !values.pte.dirty(ops.pte.get(entry))) continue;
          const at = address + done * pageBytes;
          const old = ops.pte.modifyProtStart(context, BigInt(at), entry);
          ops.pte.modifyProtCommit(context, BigInt(at), entry, old, values.pte.wrprotect(values.pte.mkclean(old))).gather(flushes);
          markFolio(mm, values.pte.pfn(old), true, false);
          note(at, at + pageBytes);
        }
      },
    });
  } finally {
    flushes.finish();
  }
  return dirty;
}
