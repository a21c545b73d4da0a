import { PgtableError, type HandleFamily } from '@pgtable/core';
import type { Mm } from '../kernel/mm.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import type { Vma } from '../kernel/vma.js';
import { TableGather } from '../tables/gather.js';
import { copyPageRange } from './copy-page-range.js';

/**
 * `dup_mm()`: a copy of an address space. Private pages are shared until somebody writes: both have them read-only from here on.
 *
 * VMAs with `DontCopy` are left out; those with `WipeOnFork` are empty in the child. Locks on memory are not inherited. Where a fault will find the same again (shared memory of files), page tables are not copied.
 *
 * Locking: none may be held that the mmap lock comes before. Takes the parent's to write, and the child's inside of it, which nobody else knows. The parent's translations are flushed before both are released, so
 * no write through an old one comes after the fork.
 *
 * @returns the child, with one user
 * @throws PgtableError `ENOMEM`: then there is no child, and the parent is as it was, but for pages that it has to fault for again; `EBADMSG` if the half-made child cannot be taken down, with the first error as `cause`
 * @see `dup_mmap()`, kernel/fork.c, Linux 6.12
 */
export function fork<H extends HandleFamily>(parent: Mm<H>): Mm<H> {
  // First: without the parent's lock there is no child to be given back.
  parent.lock.writeLock();
  const child = newChild(parent);
  try {
    child.lock.writeLockNested();
    const flushes = new TableGather(parent);
    try {
      for (const vma of parent.vmas()) dupVma(flushes, child, vma);
    } finally {
      flushes.finish();
      child.lock.writeUnlock();
    }
  } catch (error) {
    giveUp(parent, child, error);
  }
  parent.lock.writeUnlock();
  return child;
}

/** Locking: the parent's mmap lock, which is released if there is no memory for a child. */
function newChild<H extends HandleFamily>(parent: Mm<H>): Mm<H> {
  try {
    return parent.kernel.newMm();
  } catch (error) {
    parent.lock.writeUnlock();
    throw error;
  }
}

/** The end of a fork, for some reason. Locking: the parent's mmap lock, which is released. @throws the reason; PgtableError `EBADMSG` with it as `cause` if the child does not end well: what it has then is of use to nobody */
function giveUp<H extends HandleFamily>(parent: Mm<H>, child: Mm<H>, reason: unknown): never {
  try {
    parent.lock.writeUnlock();
    child.mmput();
  } catch (error) {
    const [first, second] = [reason, error].map((one) => (one instanceof Error ? one.message : String(one)));
    throw new PgtableError('EBADMSG', `fork failed (${first}), and the child cannot be taken down: ${second}`, { hint: 'the first error is the cause', cause: reason });
  }
  throw reason;
}

/** `vm_area_dup()` and what is in the loop of `dup_mmap()`. @param flushes of the parent */
function dupVma<H extends HandleFamily>(flushes: TableGather<H>, child: Mm<H>, vma: Vma<H>): void {
  // Faults of the parent wait: what is copied stays as it is.
  vma.lock.startWrite();
  const { start, end, flags, mapping, pgoff } = vma;
  if ((flags & VmaFlags.DontCopy) !== 0) return;
  const copy = child.insertVma({ start, end, flags: flags & ~VmaFlags.Locked, mapping, pgoff });
  if ((flags & VmaFlags.WipeOnFork) === 0) copyPageRange(flushes, copy, vma);
}
