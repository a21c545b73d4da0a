import { PgtableError, type HandleFamily } from '@pgtable/core';
import type { EntryAt, MappedPtes, TableLock } from '@pgtable/walk';
import type { Mm } from './mm.js';
import type { Vma } from './vma.js';

/**
 * What an address space does with page tables below its root: locks of tables, tables that may vanish, tables that are made. {@link Kernel} gives one to each {@link Mm}.
 */
export interface TableHooks<H extends HandleFamily = HandleFamily> {
  /** {@link WalkLocks.pteOffsetMapLock} */
  pteOffsetMapLock(mm: Mm<H>, pmdp: H['pmd'], address: number): MappedPtes<H> | undefined;
  /** {@link WalkLocks.pteOffsetMap} */
  pteOffsetMap(mm: Mm<H>, pmdp: H['pmd'], address: number): MappedPtes<H> | undefined;
  /** {@link WalkLocks.pmdLock} */
  pmdLock(mm: Mm<H>, pmdp: H['pmd']): TableLock;
  /** {@link WalkLocks.pudLock} */
  pudLock(mm: Mm<H>, pudp: H['pud']): TableLock;
  /** {@link WalkInstall.populate} */
  populate(mm: Mm<H>, at: EntryAt<H>, address: number): void;
  /** {@link WalkMm.splitHuge} */
  splitHuge(mm: Mm<H>, vma: Vma<H>, at: EntryAt<H>, address: number): void;
  /** `exit_mmap()`: the last user of an address space is gone. Afterwards it has no VMAs, and no tables but its root. Left out, that must be so already. */
  exitMmap?(mm: Mm<H>): void;
}

/** Hooks of a kernel whose tables nobody may touch: each says so. Locking: none. */
export function noTableHooks<H extends HandleFamily>(): TableHooks<H> {
  const refuse = (what: string) => (): never => {
    throw new PgtableError('ENOTSUP', `this kernel cannot ${what}: it was made without table hooks`, { hint: 'give `tables` to Kernel.create() and Kernel.attach()' });
  };
  return {
    pteOffsetMapLock: refuse('lock a PTE table'), pteOffsetMap: refuse('map a PTE table'), pmdLock: refuse('lock a PMD table'), pudLock: refuse('lock a PUD table'),
    populate: refuse('make page tables'), splitHuge: refuse('split a huge page'),
  };
}
