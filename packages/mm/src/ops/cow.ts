import type { HandleFamily } from '@pgtable/core';
import { FrameWord } from '../frames/memmap.js';
import { isAnonExclusive } from '../folio/rmap.js';
import type { Mm } from '../kernel/mm.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import type { Vma } from '../kernel/vma.js';

/** `is_cow_mapping()`: private memory that can be written to, now or after mprotect: a write copies what others may see. */
export function isCowMapping<H extends HandleFamily>(vma: Vma<H>): boolean {
  return (vma.flags & (VmaFlags.Shared | VmaFlags.MayWrite)) === VmaFlags.MayWrite;
}

/**
 * `folio_needs_cow_for_dma()`, of anonymous pages of one block that entries map: whether somebody may have pinned one of them, so that it must not be shared. Only pages that are exclusive can be pinned, and of one block
 * some may be and others not (`__folio_try_dup_anon_rmap()` of include/linux/rmap.h looks at each). A pin is a reference that no entry has, and so are some others that do not last: then a page is copied that need not
 * have been.
 *
 * The kernel counts pins apart (`GUP_PIN_COUNTING_BIAS`); this model does not.
 *
 * Locking: the lock of the entries' table, and the mmap lock to write.
 *
 * @param count pages from the first one on
 */
export function folioMaybePinned<H extends HandleFamily>(mm: Mm<H>, pfn: number, count = 1): boolean {
  if (!isAnyExclusive(mm, pfn, count)) return false;
  const { frames } = mm.kernel;
  const head = frames.head(pfn);
  const pages = 2 ** frames.read(head, FrameWord.Order);
  let mapped = 0;
  for (let page = head; page < head + pages; page++) mapped += frames.read(page, FrameWord.Mapcount);
  return frames.read(head, FrameWord.Refcount) > mapped;
}

function isAnyExclusive<H extends HandleFamily>(mm: Mm<H>, pfn: number, count: number): boolean {
  for (let page = pfn; page < pfn + count; page++) if (isAnonExclusive(mm, page)) return true;
  return false;
}
