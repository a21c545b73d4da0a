import { PgtableError, pmdBad, pmdLeaf, pmdNone, pmdpGetLockless, pmdPresent, pmdSame, pteOffsetLockless, withDispose, type HandleFamily, type PmdVal, type Using } from '@pgtable/core';
import type { MappedPtes } from '@pgtable/walk';
import type { Mm } from '../kernel/mm.js';
import { pteLockptr, type Ptl } from './table-locks.js';

/*
 * The entries of a PTE table, of which nobody can be sure that it is there: khugepaged takes tables away and frees them, under no lock that a fault or a walk
 * holds. So every function here may fail, and who calls looks: at the result before it is used, and in the end gives the table back, once.
 *
 *   pteOffsetMap          the table is kept (RCU); its entries may change
 *   pteOffsetMapRoNolock  the same, and its lock is known: for who only reads, and rechecks what was read under the lock
 *   pteOffsetMapRwNolock  the same, and the pmd entry's value too: for who will write, and must find the entry unchanged once the lock is taken (pmdSame)
 *   pteOffsetMapLock      the lock is held, and the table is the one that the pmd entry points to: it stays until the lock is released
 *
 * mm/pgtable-generic.c of Linux 6.12; the two `nolock` forms are those that 6.13 has in the place of pte_offset_map_nolock().
 */

type MappedTable<H extends HandleFamily> = PteTable<H> & Using;

/** The entries of a PTE table for as long as it is mapped. `using` gives it back by itself. Locking: as {@link pteOffsetMap}, until it is given back. */
export class PteTable<H extends HandleFamily> implements MappedPtes<H> {
  readonly mm: Mm<H>;
  /** What the pmd entry was. The table, and its lock, are those that this value points to. */
  readonly pmd: PmdVal;
  private readonly pmdp: H['pmd'];
  private readonly first: H['pte'];
  private state: 'mapped' | 'locked' | 'given back' = 'mapped';

  static {
    withDispose<{ unlock(): void }>(this.prototype, (table) => { table.unlock(); });
  }

  /** For {@link pteOffsetMap} and its siblings, in an RCU read section that is this object's to end. */
  constructor(mm: Mm<H>, pmdp: H['pmd'], pmd: PmdVal, first: H['pte']) {
    this.mm = mm;
    this.pmdp = pmdp;
    this.pmd = pmd;
    this.first = first;
  }

  /** The entry for the address that was asked for. @throws PgtableError `EINVAL` once the table was given back: it may be another's by now */
  get ptep(): H['pte'] {
    if (this.state === 'given back') {
      throw new PgtableError('EINVAL', 'an entry of a page table is used after the table was given back', { hint: 'map the table again with pteOffsetMap() or a sibling, and look whether it is there' });
    }
    return this.first;
  }

  /** The table's lock. */
  get ptl(): Ptl {
    return pteLockptr(this.mm, this.pmd);
  }

  /** `spin_lock(ptl)`. Who wants to write asks {@link unchanged} next. @throws PgtableError `EINVAL` once the table was given back */
  lock(): void {
    if (this.state === 'given back') {
      throw new PgtableError('EINVAL', 'a page table is locked after it was given back', { hint: 'map the table again with pteOffsetMap() or a sibling, and look whether it is there' });
    }
    this.ptl.lock();
    this.state = 'locked';
  }

  /** `pmd_same(pmdval, pmdp_get_lockless(pmd))`: whether the pmd entry still points to this table. Only an answer that lasts if the table's lock is held. */
  unchanged(): boolean {
    return pmdSame(this.mm.arch, this.pmd, pmdpGetLockless(this.mm.arch, this.pmdp));
  }

  /** `pte_unmap()` or `pte_unmap_unlock()`, whichever it takes. @throws PgtableError `EINVAL` the second time */
  unlock(): void {
    const { state } = this;
    if (state === 'given back') throw new PgtableError('EINVAL', 'a page table was given back twice', { hint: 'pteUnmap() or pteUnmapUnlock() once for each pteOffsetMap()' });
    if (state === 'locked') this.ptl.unlock();
    this.state = 'given back';
    this.mm.kernel.rcu.readUnlock();
  }
}

/**
 * `pte_offset_map()`: the entries of the table below a pmd entry. They may change at any time, and the table may be taken out, but what is here stays a page table
 * until it is given back: read entries with `ptepGetLockless`.
 *
 * Locking: the mmap lock, a VMA's lock, or that of the file's mapping keeps the tables above. Begins an RCU read section.
 *
 * @param address page aligned
 * @returns undefined if there is no table: the pmd entry is empty, a huge page, or not present. What to do then is up to who asked: nothing, or to look again
 * @throws PgtableError `EBADMSG` if the pmd entry is bad; the kernel clears such an entry and goes on
 */
export function pteOffsetMap<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd'], address: number): MappedTable<H> | undefined {
  const { arch, kernel: { rcu } } = mm;
  rcu.readLock();
  try {
    const pmd = pmdpGetLockless(arch, pmdp);
    const ptep = pmdNone(arch, pmd) || !pmdPresent(arch, pmd) || pmdLeaf(arch, pmd) ? undefined : pteOffsetLockless(arch, pmdp, checked(mm, pmd, address), BigInt(address));
    if (ptep !== undefined) {
      const table: object = new PteTable(mm, pmdp, pmd, ptep);
      // The compiler does not know what the static block gave the class.
      return table as MappedTable<H>;
    }
  } catch (error) {
    rcu.readUnlock();
    throw error;
  }
  rcu.readUnlock();
  return undefined;
}

/**
 * `pte_offset_map_ro_nolock()`: {@link pteOffsetMap} for who reads entries now, and may take {@link PteTable.ptl} later to see whether they are still so.
 *
 * Locking: as {@link pteOffsetMap}.
 */
export function pteOffsetMapRoNolock<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd'], address: number): MappedTable<H> | undefined {
  return pteOffsetMap(mm, pmdp, address);
}

/**
 * `pte_offset_map_rw_nolock()`: {@link pteOffsetMap} for who will write: takes {@link PteTable.lock}, and then must find {@link PteTable.unchanged}, or leave the table alone.
 *
 * Locking: as {@link pteOffsetMap}.
 */
export function pteOffsetMapRwNolock<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd'], address: number): MappedTable<H> | undefined {
  return pteOffsetMap(mm, pmdp, address);
}

/**
 * `pte_offset_map_lock()`: the entries of the table below a pmd entry, with the table's lock held.
 *
 * The table may be taken out between the look at the pmd entry and the lock, so the entry is looked at again under the lock; if it is another, all begins anew. From then on
 * the table stays where it is: who takes it out needs the same lock.
 *
 * Locking: as {@link pteOffsetMap}. Takes the table's lock.
 *
 * @returns undefined if there is no table: as {@link pteOffsetMap}
 */
export function pteOffsetMapLock<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd'], address: number): MappedTable<H> | undefined {
  for (;;) {
    const table = pteOffsetMap(mm, pmdp, address);
    if (table === undefined) return undefined;
    try {
      table.lock();
      if (table.unchanged()) return table;
    } catch (error) {
      pteUnmapUnlock(table);
      throw error;
    }
    pteUnmapUnlock(table);
  }
}

/** `pte_unmap()`. Locking: ends the RCU read section. @throws PgtableError `EINVAL` if it was given back already */
export function pteUnmap<H extends HandleFamily>(table: PteTable<H>): void {
  table.unlock();
}

/** `pte_unmap_unlock()`. Locking: releases the table's lock, and ends the RCU read section. @throws PgtableError `EINVAL` if it was given back already */
export function pteUnmapUnlock<H extends HandleFamily>(table: PteTable<H>): void {
  table.unlock();
}

function checked<H extends HandleFamily>(mm: Mm<H>, pmd: PmdVal, address: number): PmdVal {
  if (!pmdBad(mm.arch, pmd)) return pmd;
  throw new PgtableError('EBADMSG', `address space ${mm.id}: the pmd entry of 0x${BigInt(address).toString(16)} is bad: 0x${pmd.toString(16)}`, {
    address: BigInt(address), hint: 'something wrote over a page table: checks.writeProtect of the kernel finds what',
  });
}
