import { PgtableError, type HandleFamily, type UnlinkedTable, type WritableArch } from '@pgtable/core';
import { hex, type TableOwner } from './constructor.js';
import type { PageTables } from './page-tables.js';

/**
 * `pte_alloc_one_kernel`: a PTE table of the kernel's, with the constructor. In 6.12 (include/asm-generic/pgalloc.h) it has none; the answer of
 * constructor.ts is that all have.
 *
 * Locking: none.
 *
 * @param owner `init`, or a special address space
 * @throws PgtableError `EINVAL` if the owner is a process; `ENOMEM`
 */
export function pteAllocOneKernel<H extends HandleFamily>(tables: PageTables<H>, arch: WritableArch<H>, owner: TableOwner): UnlinkedTable<H, 'pte'> {
  if (owner.kind === 'user') {
    throw new PgtableError('EINVAL', `a kernel PTE table was wanted for the process ${owner.id}`, { hint: 'PageTables.alloc makes tables of processes' });
  }
  return tables.alloc(arch, owner, 'pte');
}

/**
 * `pte_free_kernel`: frees a PTE table of the kernel's, with the destructor.
 *
 * Locking: none; the table must not be live, and nobody may look at it any more.
 *
 * @param address physical
 * @throws PgtableError `EINVAL` if it is no PTE table, or a process's; and as {@link PageTables.free}
 */
export function pteFreeKernel<H extends HandleFamily>(tables: PageTables<H>, address: number): void {
  const { level, user } = tables.info(address);
  if (level !== 'pte' || user) {
    throw new PgtableError('EINVAL', `cannot free the kernel PTE table at physical address ${hex(address)}: it is a ${level} table of ${user ? 'a process' : 'the kernel'}`, {
      address: BigInt(address), hint: 'PageTables.free frees tables of every kind',
    });
  }
  tables.free(address);
}
