import type { HandleFamily } from '@pgtable/core';
import type { Mm } from '../kernel/mm.js';
import type { Vma } from '../kernel/vma.js';
import { freePgdRange } from '../tables/free-pgtables.js';
import { TableGather } from '../tables/gather.js';
import { unmapPageRange } from './zap.js';

/**
 * `unmap_region()`, with what comes before it: VMAs go, with all that they map and the page tables that nothing needs any more.
 *
 * The order is: write-lock the VMAs, so that no fault comes in; empty the entries; take the VMAs out, of their files too, so that nobody finds the tables; unlink the tables; flush; free. The kernel takes the
 * VMAs out of the address space first and of their files later. Here the entries come first, because a VMA that was taken out may not be looked at any more.
 *
 * Locking: the mmap lock to write.
 *
 * @param vmas neighbours, in order, whole
 * @see mm/vma.c, Linux 6.12
 */
export function unmapRegion<H extends HandleFamily>(mm: Mm<H>, vmas: readonly Vma<H>[]): void {
  const first = vmas[0];
  const last = vmas.at(-1);
  if (first === undefined || last === undefined) return;
  const { start } = first;
  const { end } = last;
  const gather = new TableGather(mm);
  try {
    for (const vma of vmas) {
      vma.lock.startWrite();
      unmapPageRange(gather, vma, vma.start, vma.end);
    }
    for (const vma of vmas) mm.removeVma(vma);
    const { floor, ceiling } = neighbours(mm, start, end);
    freePgdRange(gather, start, end, floor, ceiling);
  } finally {
    gather.finish();
  }
}

/** The end of the VMA below a range, 0 if there is none, and the start of that above, or Infinity. */
function neighbours<H extends HandleFamily>(mm: Mm<H>, start: number, end: number): { floor: number; ceiling: number } {
  return { floor: mm.vmaBefore(start)?.end ?? 0, ceiling: mm.findVma(end)?.start ?? Infinity };
}
