import type { HandleFamily, Level, MmContext, UnlinkedTable, WritableArch } from '@pgtable/core';
import type { Space } from '../space.js';

/*
 * Building and changing address spaces, with the writing accessors of whatever architecture: what mm/vmalloc.c, mm/mprotect.c,
 * mm/huge_memory.c and mm/khugepaged.c do with tables (Linux 6.12), without the memory behind them.
 *
 * Whoever calls holds what the kernel's callers hold: nobody else changes the tables of the range meanwhile. The hardware, and
 * readers without a lock, may look at any time.
 *
 * A table is asked for its runs in one scan, and a run is changed in one call; only where one run ends and another begins is
 * anything done for a single entry. Levels that are folded, or above the root, are never touched: `child` steps over them.
 */

/** An address space that can be changed: as much of `struct mm_struct` as building tables needs. */
export interface AddressSpace<H extends HandleFamily = HandleFamily> extends Space<H> {
  readonly arch: WritableArch<H>;
  /** Whose entries these are, and what must forget translations. */
  readonly mm: MmContext;
  /**
   * Finds room for a new table of a level, the lowest part of `pte_alloc_one` and its siblings.
   *
   * Returns: a physical address that is aligned to the table's size and used for nothing else. What it throws ends the
   * operation that asked, and what was mapped so far stays.
   */
  alloc(level: Level): number;
}

/**
 * `pgd_alloc`: makes the root table of a space, empty, at `space.root.table`.
 *
 * Returns: the table, for `arch.freeTable` when no hardware uses the space any more.
 *
 * @throws PgtableError `EINVAL` if the root's address cannot be one of a table of its level, or there is a table already
 */
export function newRoot<H extends HandleFamily>(space: AddressSpace<H>): UnlinkedTable<H> {
  const { arch, root, mm } = space;
  return arch.newTable(root.top, root.table, mm.user);
}
