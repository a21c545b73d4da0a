import { pmdNone, pmdpGetOnce, setPmdAt, type HandleFamily } from '@pgtable/core';
import { hugePmdBytes } from '../folio/huge.js';
import { dupRmap } from '../folio/rmap.js';
import type { Vma } from '../kernel/vma.js';
import { pmdLock } from '../tables/table-locks.js';
import { mkHugePmd } from './huge-pmd.js';

/**
 * `do_set_pmd()`: maps a huge page of a file by a pmd entry that is empty. Takes the reference of the entry. No table is put aside: if the page must be mapped by ptes some day, it is unmapped, and
 * faulted in again.
 *
 * Locking: the mmap lock or the VMA's, and the folio's lock. Takes the lock of the PMD table.
 *
 * @param address the first that the entry translates
 * @param pfn the first frame of the huge page
 * @returns false if the entry is not empty: somebody was faster
 * @see mm/memory.c, Linux 6.12
 */
export function setHugePmd<H extends HandleFamily>(vma: Vma<H>, pmdp: H['pmd'], address: number, pfn: number): boolean {
  const { mm } = vma;
  const { arch, context } = mm;
  const ptl = pmdLock(mm, pmdp);
  try {
    if (!pmdNone(arch, pmdpGetOnce(arch, pmdp))) return false;
    dupRmap(mm, pfn, hugePmdBytes(mm) / mm.pageBytes, true);
    setPmdAt(arch, context, BigInt(address), pmdp, mkHugePmd(vma, pfn));
    arch.updateMmuCache?.(context, BigInt(address), 'pmd', 1);
    return true;
  } finally {
    ptl.unlock();
  }
}
