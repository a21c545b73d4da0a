import type { HandleFamily, UnlinkedTable } from '@pgtable/core';
import { MmCounter, type Mm } from '../kernel/mm.js';
import { pteFreeDefer } from '../tables/gather.js';
import { tableBytes } from '../tables/table-alloc.js';

/** Physical address of the table that a pmd entry stands in: where the PTE tables of its huge pages are put aside. Locking: something keeps that table. */
export function pmdTableOf<H extends HandleFamily>({ arch, kernel: { frames } }: Mm<H>, pmdp: H['pmd']): number {
  return frames.head(Math.floor(arch.ops.pmd.entryAddress(pmdp) / frames.pageBytes)) * frames.pageBytes;
}

/**
 * `pgtable_trans_huge_withdraw()`: takes a table back that was put aside with a huge page. It counts in the address space's table bytes still.
 *
 * Locking: the lock of the pmd entry.
 */
export function withdrawDeposit<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd']): UnlinkedTable<H, 'pte'> {
  const { pageTables } = mm.kernel;
  return pageTables.adopt(mm.arch, 'pte', pageTables.withdraw(pmdTableOf(mm, pmdp)));
}

/**
 * `zap_deposited_table()`: the huge page is gone, so the table that was put aside for it goes too. After a grace period, for a collapse may have put a table aside that readers without locks are in.
 *
 * Locking: the lock of the pmd entry.
 */
export function zapDepositedTable<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd']): void {
  pteFreeDefer(mm, withdrawDeposit(mm, pmdp));
}

/** `pgtable_trans_huge_deposit()` with `mm_inc_nr_ptes()`: puts a new table aside for a huge page that is about to be mapped. Locking: the lock of the pmd entry. */
export function depositNew<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd'], table: UnlinkedTable<H, 'pte'>): void {
  mm.kernel.pageTables.deposit(pmdTableOf(mm, pmdp), table.address);
  mm.addCounter(MmCounter.TableBytes, tableBytes(mm, 'pte'));
}
