import type { HandleFamily } from '@pgtable/core';
import type { Mm } from '../kernel/mm.js';
import { freePgdRange } from '../tables/free-pgtables.js';
import { TableGather } from '../tables/gather.js';
import { unmapPageRange } from '../zap/zap.js';
import { withWriteLock } from './ranges.js';

/**
 * `exit_mmap()`: the last user of an address space is gone, so all of it goes: pages, VMAs, and page tables but for the root. For `TableHooks.exitMmap`.
 *
 * Locking: takes the mmap lock to write; nobody uses the address space any more, but those who come through a file's mapping still can, until its VMAs are out of there.
 *
 * @see mm/mmap.c, Linux 6.12
 */
export function exitMmap<H extends HandleFamily>(mm: Mm<H>): void {
  withWriteLock(mm, () => {
    const gather = new TableGather(mm);
    const vmas = mm.vmas();
    for (const vma of vmas) {
      vma.lock.startWrite();
      unmapPageRange(gather, vma, vma.start, vma.end);
    }
    for (const vma of vmas) mm.removeVma(vma);
    freePgdRange(gather, 0, Infinity, 0, Infinity);
    gather.finish();
  });
}
