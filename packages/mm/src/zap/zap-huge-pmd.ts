import type { HandleFamily } from '@pgtable/core';
import { hugePmdBytes } from '../folio/huge.js';
import { removeRmap } from '../folio/rmap.js';
import type { Vma } from '../kernel/vma.js';
import type { TableGather } from '../tables/gather.js';
import { pmdLock } from '../tables/table-locks.js';
import { zapDepositedTable } from './deposits.js';
import { markFolio } from './folio-run.js';

/**
 * `zap_huge_pmd()`: a huge page goes whole, and with it the table that was put aside for it (`zap_deposited_table()`). The page goes back after the flush of the gather.
 *
 * Locking: the mmap lock, the VMA's, or that of the file's mapping keeps the tables. Takes the lock of the PMD table.
 *
 * @param address the first that the entry translates
 * @returns whether there was a huge page, when the lock was taken
 * @throws PgtableError `EINVAL` if no table was put aside for a page of anonymous memory
 * @see mm/huge_memory.c, Linux 6.12
 */
export function zapHugePmd<H extends HandleFamily>(gather: TableGather<H>, vma: Vma<H>, pmdp: H['pmd'], address: number): boolean {
  const mm = gather.of;
  const { arch: { ops: { pmd: ops }, values: { pmd: values } }, context } = mm;
  const ptl = pmdLock(mm, pmdp);
  try {
    const there = ops.get(pmdp);
    if (!values.present(there) || !values.leaf(there)) return false;
    const old = ops.getAndClear(context, BigInt(address), pmdp).gather(gather);
    const pfn = values.pfn(old);
    // A huge page of a file can be faulted in again, so nothing is put aside for it (but where the hardware needs the table: powerpc's hash MMU).
    if (vma.anonymous) zapDepositedTable(mm, pmdp);
    else markFolio(mm, pfn, values.dirty(old), values.young(old));
    if (mm.normalPage(vma, address, { level: 'pmd', entry: pmdp }, old, pfn) === 'page') removeRmap(gather, pfn, hugePmdBytes(mm) / mm.pageBytes, true);
    return true;
  } finally {
    ptl.unlock();
  }
}
