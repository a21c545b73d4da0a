import { PgtableError, type HandleFamily } from '@pgtable/core';
import { hugePmdBytes, hugePmdOrder } from '../folio/huge.js';
import type { Mm } from '../kernel/mm.js';
import type { Vma } from '../kernel/vma.js';
import { mmFindPmd } from '../tables/table-alloc.js';

/** `PAGE_ALIGN(bytes)`. */
export function pageAligned<H extends HandleFamily>(mm: Mm<H>, bytes: number): number {
  return Math.ceil(bytes / mm.pageBytes) * mm.pageBytes;
}

/** The end of a range that a system call was given. @param least 0 of those for which no bytes are nothing to do, and no mistake @throws PgtableError `EINVAL` if it does not begin at a page, or is of no size */
export function endOfRange<H extends HandleFamily>(mm: Mm<H>, start: number, bytes: number, what: string, least: 0 | 1 = 1): number {
  if (!Number.isInteger(start) || start < 0 || start % mm.pageBytes !== 0) {
    throw new PgtableError('EINVAL', `cannot ${what} at address ${start}: it is not the first of a page`, { hint: `addresses are multiples of ${mm.pageBytes}` });
  }
  if (!(bytes > 0 || bytes === least) || !Number.isFinite(bytes)) throw new PgtableError('EINVAL', `cannot ${what}: a range cannot have ${bytes} bytes`, { hint: `give a number from ${least} on` });
  return start + pageAligned(mm, bytes);
}

/** `TASK_SIZE` as far as whole ranges are looked at: whether one ends where addresses of processes do, or before. Sums of addresses above 2^64 are none. */
export function isInTask<H extends HandleFamily>({ root }: Mm<H>, end: number): boolean {
  return end <= root.windows[0]!.end;
}

/** The error for addresses that no VMA has, or not all of them. */
export function notMapped<H extends HandleFamily>(mm: Mm<H>, what: string, start: number, end: number, code: 'ENOMEM' | 'EFAULT' = 'ENOMEM'): PgtableError {
  return new PgtableError(code, `cannot ${what} [0x${BigInt(start).toString(16)}, 0x${BigInt(end).toString(16)}) of address space ${mm.id}: not all of it is mapped`, {
    address: BigInt(start), hint: 'mmap() it first',
  });
}

/** `vma_modify()`, the first half: the VMA that is exactly the part [start, end) of one; what is left of it becomes neighbours. Locking: the mmap lock to write. @throws PgtableError `ENOMEM` if there are too many VMAs */
export function isolateVma<H extends HandleFamily>(vma: Vma<H>, start: number, end: number): Vma<H> {
  const middle = start > vma.start ? splitVma(vma, start) : vma;
  if (end < middle.end) splitVma(middle, end);
  return middle;
}

/**
 * `split_vma()`: two VMAs of one; a huge page that would be in both is split first (`vma_adjust_trans_huge()`).
 *
 * Locking: the mmap lock to write.
 *
 * @param over as of {@link Mm.splitVma}
 * @returns the upper one, which is new
 * @throws PgtableError `ENOMEM` if there are too many VMAs
 */
export function splitVma<H extends HandleFamily>(vma: Vma<H>, address: number, over = false): Vma<H> {
  const { mm } = vma;
  // From here on no fault puts a huge page there again.
  vma.lock.startWrite();
  if (hugePmdOrder(mm) !== undefined && address % hugePmdBytes(mm) !== 0) {
    const pmdp = mmFindPmd(mm, address);
    if (pmdp !== undefined) mm.splitHuge(vma, { level: 'pmd', entry: pmdp }, address);
  }
  return mm.splitVma(vma, address, over);
}

/** Calls a function with the mmap lock held to write. Kernel: `mmap_write_lock()` to `mmap_write_unlock()`. */
export function withWriteLock<H extends HandleFamily, T>(mm: Mm<H>, work: () => T): T {
  mm.lock.writeLock();
  try {
    return work();
  } finally {
    mm.lock.writeUnlock();
  }
}

/** Calls a function with the mmap lock held to read. */
export function withReadLock<H extends HandleFamily, T>(mm: Mm<H>, work: () => T): T {
  mm.lock.readLock();
  try {
    return work();
  } finally {
    mm.lock.readUnlock();
  }
}
