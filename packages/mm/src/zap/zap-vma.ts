import type { HandleFamily } from '@pgtable/core';
import type { Vma } from '../kernel/vma.js';
import { TableGather } from '../tables/gather.js';
import { unmapPageRange } from './zap.js';

/**
 * `zap_page_range_single()`: what a part of a VMA maps goes, is flushed and given back. The VMA and its page tables stay.
 *
 * Locking: as {@link unmapPageRange}; nothing that a flush may not wait under.
 *
 * @param start,end half-open, page aligned, in the VMA
 * @see mm/memory.c, Linux 6.12
 */
export function zapPageRangeSingle<H extends HandleFamily>(vma: Vma<H>, start: number, end: number): void {
  const gather = new TableGather(vma.mm);
  try {
    unmapPageRange(gather, vma, start, end);
  } finally {
    gather.finish();
  }
}
