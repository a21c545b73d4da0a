import { geometryOf, p4dOffsetLockless, PgtableError, pmdOffsetLockless, pudOffsetLockless, type HandleFamily, type Level } from '@pgtable/core';
import { levelBelow, type EntryAt } from '@pgtable/walk';
import { MmCounter, type Mm } from '../kernel/mm.js';
import { pageTableLock, pmdLockptr, pudLockptr, type Ptl } from './table-locks.js';

/*
 * Making the tables on the way down to an address, from mm/memory.c of Linux 6.12. A table is made before a lock is taken, because that may take long, and under the lock it is
 * seen whether somebody else was faster: then the new one goes back.
 */

/** Bytes of a full table of a level: what `mm_inc_nr_ptes()` and its siblings count. */
export function tableBytes<H extends HandleFamily>(mm: Mm<H>, level: Level): number {
  const { geometry } = mm.arch;
  return geometryOf(geometry, level).entries * geometry.entryBytes;
}

/** The first address that an entry translates. */
export function entryStart<H extends HandleFamily>(mm: Mm<H>, level: Level, address: number): number {
  const bytes = 2 ** geometryOf(mm.arch.geometry, level).shift;
  return Math.floor(address / bytes) * bytes;
}

/**
 * `__pte_alloc()` and its siblings: puts a new table of the next level that exists below an entry, unless there is one by now. Of init_mm too (`__pte_alloc_kernel()`).
 *
 * Locking: the mmap lock or a VMA's, so that the tables above stay. Takes the entry's lock.
 *
 * @param address one that the entry translates
 * @throws PgtableError `ENOMEM` if no frames are left; `EINVAL` for a pte, below which there is nothing
 */
export function populateEntry<H extends HandleFamily>(mm: Mm<H>, at: EntryAt<H>, address: number): void {
  const { level, entry } = at;
  const { arch, kernel: { pageTables } } = mm;
  const below = levelBelow(arch, level);
  if (below === undefined) throw new PgtableError('EINVAL', `a ${level} entry has no table below it`);
  const table = pageTables.alloc(arch, mm, below);
  const ptl = lockOf(mm, at).lock();
  let used = false;
  try {
    const ops = arch.ops[level];
    if (isEmpty(mm, level, entry)) {
      ops.populate(mm.context, BigInt(entryStart(mm, level, address)), entry, table);
      mm.addCounter(MmCounter.TableBytes, tableBytes(mm, below));
      used = true;
    }
  } finally {
    ptl.unlock();
  }
  if (!used) pageTables.free(table.address);
}

/** `pte_alloc()`: there is a PTE table below a pmd entry afterwards, or a huge page: nobody can say which without looking. Locking, throws: {@link populateEntry}. */
export function pteAlloc<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd'], address: number): void {
  const { arch } = mm;
  if (arch.values.pmd.none(arch.ops.pmd.getOnce(pmdp))) populateEntry(mm, { level: 'pmd', entry: pmdp }, address);
}

/**
 * `pte_alloc_kernel()`: the entry of an address of the kernel's own, its table made if there is none.
 *
 * Locking: the caller owns the range of addresses: nobody takes tables away there.
 */
export function pteAllocKernel<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd'], address: number): H['pte'] {
  pteAlloc(mm, pmdp, address);
  return there(mm, 'pte', mm.arch.ops.pmd.offset(pmdp, BigInt(address)), address);
}

/** `pmd_alloc()`: the pmd entry of an address, its table made if there is none. Locking, throws: {@link populateEntry}; `EINVAL` if a huge page is there. */
export function pmdAlloc<H extends HandleFamily>(mm: Mm<H>, pudp: H['pud'], address: number): H['pmd'] {
  const found = pmdBelow(mm, pudp, address);
  if (found !== undefined) return found;
  populateEntry(mm, { level: 'pud', entry: pudp }, address);
  return there(mm, 'pmd', pmdBelow(mm, pudp, address), address);
}

/** `pud_alloc()`: as {@link pmdAlloc}, one level up. Locking, throws: {@link populateEntry}. */
export function pudAlloc<H extends HandleFamily>(mm: Mm<H>, p4dp: H['p4d'], address: number): H['pud'] {
  const found = pudBelow(mm, p4dp, address);
  if (found !== undefined) return found;
  populateEntry(mm, { level: 'p4d', entry: p4dp }, address);
  return there(mm, 'pud', pudBelow(mm, p4dp, address), address);
}

/** `p4d_alloc()`: as {@link pudAlloc}, one level up. Locking, throws: {@link populateEntry}. */
export function p4dAlloc<H extends HandleFamily>(mm: Mm<H>, pgdp: H['pgd'], address: number): H['p4d'] {
  const found = p4dBelow(mm, pgdp, address);
  if (found !== undefined) return found;
  populateEntry(mm, { level: 'pgd', entry: pgdp }, address);
  return there(mm, 'p4d', p4dBelow(mm, pgdp, address), address);
}

/** `pgd_offset()`. Locking: none: a root stays as long as its address space. @throws PgtableError `EINVAL` if the address space does not have the address */
export function pgdOf<H extends HandleFamily>(mm: Mm<H>, address: number): H['pgd'] {
  const pgdp = mm.arch.pgdOffset(mm.root, BigInt(address));
  if (pgdp !== undefined) return pgdp;
  throw new PgtableError('EINVAL', `address space ${mm.id} does not translate 0x${BigInt(address).toString(16)}`, { address: BigInt(address), hint: 'addresses are those of the root\'s windows' });
}

/** `mm_alloc_pmd()`: the pmd entry of an address, all tables above it made. Locking, throws: {@link populateEntry}. */
export function mmAllocPmd<H extends HandleFamily>(mm: Mm<H>, address: number): H['pmd'] {
  return pmdAlloc(mm, mmAllocPud(mm, address), address);
}

/** The pud entry of an address, all tables above it made. Locking, throws: {@link populateEntry}. */
export function mmAllocPud<H extends HandleFamily>(mm: Mm<H>, address: number): H['pud'] {
  return pudAlloc(mm, p4dAlloc(mm, pgdOf(mm, address), address), address);
}

/**
 * `mm_find_pmd()`: the pmd entry of an address.
 *
 * Locking: the mmap lock, a VMA's, or that of the file's mapping.
 *
 * @returns undefined if one of the tables above is not there
 */
export function mmFindPmd<H extends HandleFamily>(mm: Mm<H>, address: number): H['pmd'] | undefined {
  const { level, entry } = lowestEntry(mm, address);
  return level === 'pmd' ? entry : undefined;
}

/** The way down: the pmd entry of an address; where a table above it is not there, the entry that has none below. Locking: {@link mmFindPmd}. */
export function lowestEntry<H extends HandleFamily>(mm: Mm<H>, address: number): EntryAt<H, 'pgd' | 'p4d' | 'pud' | 'pmd'> {
  const pgdp = pgdOf(mm, address);
  const p4dp = p4dBelow(mm, pgdp, address);
  if (p4dp === undefined) return { level: 'pgd', entry: pgdp };
  const pudp = pudBelow(mm, p4dp, address);
  if (pudp === undefined) return { level: 'p4d', entry: p4dp };
  const pmdp = pmdBelow(mm, pudp, address);
  return pmdp === undefined ? { level: 'pud', entry: pudp } : { level: 'pmd', entry: pmdp };
}

/** The pud entry of an address. Locking, returns: {@link mmFindPmd}. */
export function mmFindPud<H extends HandleFamily>(mm: Mm<H>, address: number): H['pud'] | undefined {
  const p4dp = p4dBelow(mm, pgdOf(mm, address), address);
  return p4dp === undefined ? undefined : pudBelow(mm, p4dp, address);
}

// Others may populate an entry while it is looked at, so it is read whole, once.

function p4dBelow<H extends HandleFamily>({ arch }: Mm<H>, pgdp: H['pgd'], address: number): H['p4d'] | undefined {
  return p4dOffsetLockless(arch, pgdp, arch.ops.pgd.getOnce(pgdp), BigInt(address));
}

function pudBelow<H extends HandleFamily>({ arch }: Mm<H>, p4dp: H['p4d'], address: number): H['pud'] | undefined {
  return pudOffsetLockless(arch, p4dp, arch.ops.p4d.getOnce(p4dp), BigInt(address));
}

function pmdBelow<H extends HandleFamily>({ arch }: Mm<H>, pudp: H['pud'], address: number): H['pmd'] | undefined {
  return pmdOffsetLockless(arch, pudp, arch.ops.pud.getOnce(pudp), BigInt(address));
}

/** The lock of the table that an entry stands in. */
export function lockOf<H extends HandleFamily>(mm: Mm<H>, { level, entry }: EntryAt<H>): Ptl {
  switch (level) {
    case 'pmd':
      return pmdLockptr(mm, entry);
    case 'pud':
      return pudLockptr(mm);
    case 'pte':
      throw new PgtableError('EINVAL', 'the lock of a PTE table is had with the table', { hint: 'use pteOffsetMapLock()' });
    case 'p4d':
    case 'pgd':
      return pageTableLock(mm);
  }
}

function isEmpty<H extends HandleFamily, L extends Level>({ arch }: Mm<H>, level: L, entry: H[L]): boolean {
  return arch.values[level].none(arch.ops[level].getOnce(entry));
}

function there<T>(mm: { readonly id: number }, level: Level, found: T | undefined, address: number): T {
  if (found !== undefined) return found;
  throw new PgtableError('EINVAL', `address space ${mm.id} has no ${level} entry for 0x${BigInt(address).toString(16)}: a larger page is mapped there`, { address: BigInt(address), hint: 'unmap or split it first' });
}
