import { MmuGather, PgtableError, type HandleFamily, type UnlinkedTable } from '@pgtable/core';
import { MmCounter, type Mm } from '../kernel/mm.js';
import { RcuKind } from '../kernel/rcu-kinds.js';
import { tableBytes } from './table-alloc.js';

/**
 * `struct mmu_gather` with what it is for: pages and tables that were taken out of an address space, and may be used again only when no translation of them is cached any more.
 * So the order is always the same: entries are cleared, then flushed, then frames are given back; tables after an RCU grace period too, because there are readers without locks
 * in them (`tlb_remove_table()` with CONFIG_MMU_GATHER_RCU_TABLE_FREE).
 *
 * Flush promises are given to it as to any {@link MmuGather}: `promise.gather(gather)`.
 *
 * Locking: belongs to one thread. What is given to it was taken out under the lock of its table. {@link finish} flushes, so this thread is in no access; locks may be held.
 *
 * @see mm/mmu_gather.c, include/asm-generic/tlb.h, Linux 6.12
 */
export class TableGather<H extends HandleFamily = HandleFamily> extends MmuGather {
  readonly of: Mm<H>;
  private readonly pages: number[] = [];
  private readonly tables: number[] = [];

  /** `tlb_gather_mmu()`. */
  constructor(mm: Mm<H>) {
    super(mm.context);
    this.of = mm;
  }

  /** `tlb_remove_page()`: one reference on a frame, which an entry had, is given back after the flush. */
  removePage(pfn: number): void {
    this.pages.push(pfn);
  }

  /** `pte_free_tlb()` and its siblings: a table that was unlinked, into this gather, goes back after the flush and a grace period. @throws PgtableError `EINVAL` if it is live */
  removeTable(table: UnlinkedTable<H>): void {
    if (table.live) throw new PgtableError('EINVAL', `a live ${table.level} table cannot be freed`, { hint: 'unlink it first' });
    this.tables.push(table.address);
    this.of.addCounter(MmCounter.TableBytes, -tableBytes(this.of, table.level));
  }

  /** `tlb_flush_mmu()`, `tlb_finish_mmu()`: flushes, and gives everything back. */
  override finish(): void {
    super.finish();
    const { frames, rcu } = this.of.kernel;
    for (const pfn of this.pages.splice(0)) frames.put(pfn);
    for (const address of this.tables.splice(0)) rcu.callRcu(RcuKind.FreeTable, address);
  }
}

/** A {@link TableGather} for who takes out pages alone: of address spaces with any handles. */
export type PageGather = MmuGather & Pick<TableGather, 'removePage'>;

/**
 * `pte_free_defer()`: a table that readers without locks may still be in goes back after a grace period. Until then it keeps its entries, as a table that nothing points to.
 *
 * Locking: none. The table was unlinked, and its translations were flushed.
 */
export function pteFreeDefer<H extends HandleFamily>(mm: Mm<H>, table: UnlinkedTable<H>): void {
  mm.addCounter(MmCounter.TableBytes, -tableBytes(mm, table.level));
  mm.kernel.rcu.callRcu(RcuKind.FreeTable, table.address);
}
