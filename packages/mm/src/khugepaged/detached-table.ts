import { hwPteAdvance, PgtableError, pmdpCollapseFlush, type HandleFamily, type UnlinkedTable } from '@pgtable/core';
import type { Mm } from '../kernel/mm.js';
import { lockClasses } from '../locks/lock-class.js';
import { Ptl } from '../tables/table-locks.js';

/**
 * A PTE table that was taken out of an address space by {@link collapseFlush}: no processor finds it any more, and none remembers anything of it. Readers without the mmap lock may still be in it, who
 * mapped it by `pteOffsetMap` before. It keeps its descriptor, its lock and its entries for them: they take that lock, see that the pmd entry is another, and leave.
 */
export interface DetachedTable<H extends HandleFamily> {
  readonly table: UnlinkedTable<H, 'pte'>;
  /** The lock of the table: `pte_lockptr()`. */
  readonly ptl: Ptl;
}

/**
 * `pmdp_collapse_flush()`: takes a PTE table out, and flushes.
 *
 * In the kernel `tlb_remove_table_sync_one()` comes after it, which waits for GUP-fast. Here nothing does: GUP-fast is in an RCU read section, which keeps the table, and looks at the pmd entry again once it has its reference.
 *
 * Locking: the lock of the PMD table; and of who puts no huge page there under the same lock, whatever keeps faults out, which would else put a new table there.
 *
 * @param address the first that the entry translates
 * @throws PgtableError `EINVAL` if the entry points to no table
 */
export function collapseFlush<H extends HandleFamily>(mm: Mm<H>, address: number, pmdp: H['pmd']): DetachedTable<H> {
  const { frames, pageTables } = mm.kernel;
  const table = pmdpCollapseFlush(mm.arch, mm.context, BigInt(address), pmdp);
  if (!isPteTable(table)) throw new PgtableError('EINVAL', `a ${table.level} table was below a pmd entry`, { address: BigInt(address) });
  return { table, ptl: new Ptl(frames.memmap, pageTables.lockWord(table.address), lockClasses.ptePtl) };
}

/** Entry `index` of a table whose first entry is given. */
export function entryOf<H extends HandleFamily>(mm: Mm<H>, first: H['pte'], index: number): H['pte'] {
  return hwPteAdvance(mm.arch, first, index);
}

/** The level is the type's parameter, but TypeScript does not learn that from a comparison. */
function isPteTable<H extends HandleFamily>(table: UnlinkedTable<H>): table is UnlinkedTable<H, 'pte'> {
  return table.level === 'pte';
}
