import { geometryOf, type HandleFamily, type PmdVal } from '@pgtable/core';
import type { TableLock } from '@pgtable/walk';
import type { Mm } from '../kernel/mm.js';
import { lockClasses, type LockClass } from '../locks/lock-class.js';
import { lockdepAssertHeld } from '../locks/lockdep.js';
import { spinHeldByMe, spinLock, spinTrylock, spinUnlock } from '../locks/spin-lock.js';

/*
 * Which lock a table's entries are changed under (Documentation/mm/split_page_table_lock.rst, Linux 6.12): a PTE table and a PMD table have one of their own, which their
 * constructor made; all others, and all tables of init_mm, are under the address space's page_table_lock.
 */

/**
 * A spin lock of page tables: a place in shared memory, and what kind of lock is there. One thread's view.
 *
 * Locking: a spin lock: who has it does not sleep. What comes before its class may be held when it is taken.
 */
export class Ptl implements TableLock {
  readonly words: Int32Array;
  readonly index: number;
  readonly lockClass: LockClass;

  constructor(words: Int32Array, index: number, lockClass: LockClass) {
    this.words = words;
    this.index = index;
    this.lockClass = lockClass;
  }

  /** `spin_lock()`. */
  lock(): this {
    spinLock(this.words, this.index, this.lockClass);
    return this;
  }

  /** `spin_lock_nested()`: the second lock of one kind. Who takes two has a rule for which is first. */
  lockNested(): this {
    spinLock(this.words, this.index, this.lockClass.nested);
    return this;
  }

  /** `spin_trylock()`. Returns: whether it was taken. */
  tryLock(): boolean {
    return spinTrylock(this.words, this.index, this.lockClass);
  }

  /** `spin_unlock()`. @throws PgtableError `EINVAL` if this thread does not have it */
  unlock(): void {
    spinUnlock(this.words, this.index);
  }

  /** Whether both are the same lock. */
  is(other: Ptl): boolean {
    return this.index === other.index && this.words.buffer === other.words.buffer;
  }

  /** Whether this thread has it. */
  get heldByMe(): boolean {
    return spinHeldByMe(this.words, this.index);
  }

  /** `lockdep_assert_held()`. @throws LockRuleError from a checked thread that does not have it */
  assertHeld(what: string): void {
    lockdepAssertHeld(this.words, this.index, this.lockClass, what);
  }
}

/** `mm->page_table_lock`. Locking: none: this says which lock it is. */
export function pageTableLock<H extends HandleFamily>(mm: Mm<H>): Ptl {
  return new Ptl(mm.kernel.words.words, mm.pageTableLock, lockClasses.pageTableLock);
}

/**
 * `pte_lockptr()`: the lock of the PTE table that a pmd entry's value points to.
 *
 * By the value, not by the entry: between reading an entry and locking the table below it, another table may come there. Whoever locks compares the entry with
 * the value afterwards.
 *
 * Locking: something keeps the table from being freed: RCU, the mmap lock, the pmd's lock.
 */
export function pteLockptr<H extends HandleFamily>(mm: Mm<H>, pmd: PmdVal): Ptl {
  return mm.kind === 'init' ? pageTableLock(mm) : splitLock(mm, mm.arch.values.pmd.table(pmd), lockClasses.ptePtl);
}

/** `pmd_lockptr()`: the lock of the table that a pmd entry stands in. Locking: something keeps that table from being freed. */
export function pmdLockptr<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd']): Ptl {
  const { arch } = mm;
  if (mm.kind === 'init' || geometryOf(arch.geometry, 'pmd').folded) return pageTableLock(mm);
  return splitLock(mm, arch.ops.pmd.entryAddress(pmdp), lockClasses.pmdPtl);
}

/** `pmd_lock()`: takes that lock. Locking: something keeps that table from being freed. */
export function pmdLock<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd']): Ptl {
  return pmdLockptr(mm, pmdp).lock();
}

/** `pud_lockptr()`: PUD tables, and those above, have no locks of their own. Locking: none: this says which lock it is. */
export function pudLockptr<H extends HandleFamily>(mm: Mm<H>): Ptl {
  return pageTableLock(mm);
}

/** `pud_lock()`. Locking: something keeps that table from being freed. Takes `page_table_lock`. */
export function pudLock<H extends HandleFamily>(mm: Mm<H>): Ptl {
  return pudLockptr(mm).lock();
}

function splitLock<H extends HandleFamily>({ kernel }: Mm<H>, address: number, lockClass: LockClass): Ptl {
  return new Ptl(kernel.frames.memmap, kernel.pageTables.lockWord(address), lockClass);
}
