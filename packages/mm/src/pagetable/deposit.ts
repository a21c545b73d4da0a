import { PgtableError } from '@pgtable/core';
import type { Frames } from '../frames/frames.js';
import { FrameWord } from '../frames/memmap.js';
import { lockClasses } from '../locks/lock-class.js';
import { spinHeldByMe } from '../locks/spin-lock.js';
import { currentThread } from '../locks/thread.js';
import { constructedTable, hex } from './constructor.js';

/*
 * PTE tables that are put aside, in a ring through the words Next and Previous of their first frames; the PMD table has the first one. As
 * mm/pgtable-generic.c (6.12) has it: a new one goes after the first and becomes the first itself; the first is withdrawn, and the next becomes the first. So
 * A, B, C come out as C, A, B.
 */

/** Whether a table is put aside. A ring of one has itself as its neighbour, so the word is never 0. @param pfn its first frame */
export function isDeposited(frames: Frames, pfn: number): boolean {
  return frames.read(pfn, FrameWord.Next) !== 0;
}

/** See `PageTables.deposit`. */
export function depositTable(frames: Frames, pmdTableAddress: number, pteTableAddress: number): void {
  const what = `deposit the table ${hex(pteTableAddress)} in the PMD table`;
  const pmd = lockedPmdTable(frames, pmdTableAddress, what);
  const { pfn, level } = constructedTable(frames, pteTableAddress, `deposit, in the PMD table ${hex(pmdTableAddress)}, the PTE table`);
  if (level !== 'pte') {
    throw new PgtableError('EINVAL', `cannot ${what} at physical address ${hex(pmdTableAddress)}: it is a ${level} table`, {
      address: BigInt(pteTableAddress), hint: 'PTE tables are put aside',
    });
  }
  if (isDeposited(frames, pfn)) {
    throw new PgtableError('EINVAL', `cannot ${what} at physical address ${hex(pmdTableAddress)}: it is put aside already`, {
      address: BigInt(pteTableAddress), hint: 'each huge page has a table of its own',
    });
  }
  const first = frames.read(pmd, FrameWord.Deposit);
  const own = pfn - frames.firstPfn + 1;
  if (first === 0) link(frames, own, own);
  else {
    const after = frames.read(first - 1 + frames.firstPfn, FrameWord.Next);
    link(frames, first, own);
    link(frames, own, after);
  }
  frames.write(pmd, FrameWord.Deposit, own);
}

/** See `PageTables.withdraw`. */
export function withdrawTable(frames: Frames, pmdTableAddress: number): number {
  const pmd = lockedPmdTable(frames, pmdTableAddress, 'withdraw a table from the PMD table');
  const own = frames.read(pmd, FrameWord.Deposit);
  if (own === 0) {
    throw new PgtableError('EINVAL', `cannot withdraw a table from the PMD table at physical address ${hex(pmdTableAddress)}: none is put aside`, {
      address: BigInt(pmdTableAddress), hint: 'who maps a huge page deposits a PTE table, under the same lock',
    });
  }
  const pfn = own - 1 + frames.firstPfn;
  const next = frames.read(pfn, FrameWord.Next);
  if (next === own) frames.write(pmd, FrameWord.Deposit, 0);
  else {
    link(frames, frames.read(pfn, FrameWord.Previous), next);
    frames.write(pmd, FrameWord.Deposit, next);
  }
  frames.write(pfn, FrameWord.Next, 0);
  frames.write(pfn, FrameWord.Previous, 0);
  return pfn * frames.pageBytes;
}

/** Both as they stand in Next: relative to the first frame, plus 1. */
function link(frames: Frames, before: number, after: number): void {
  frames.write(before - 1 + frames.firstPfn, FrameWord.Next, after);
  frames.write(after - 1 + frames.firstPfn, FrameWord.Previous, before);
}

/** The first frame of a table whose entries can map huge pages, and whose lock this thread has. Where PMDs are folded it is the table that has them. */
function lockedPmdTable(frames: Frames, address: number, what: string): number {
  const { pfn, level, lockInitialised } = constructedTable(frames, address, what);
  if (level === 'pte') throw new PgtableError('EINVAL', `cannot ${what} at physical address ${hex(address)}: it is a PTE table`, { address: BigInt(address), hint: 'give the table of the PMD entry' });
  if (lockInitialised) {
    const lock = frames.word(pfn, FrameWord.TableLock);
    // Written out, so that the text is made of a checked thread alone.
    currentThread().lockdep?.assertHeld(frames.memmap, lock, lockClasses.pmdPtl, `${what} at ${hex(address)}`);
    if (!spinHeldByMe(frames.memmap, lock)) {
      throw new PgtableError('EINVAL', `cannot ${what} at physical address ${hex(address)}: this thread does not have its lock`, {
        address: BigInt(address), hint: 'take the split lock of the PMD table first',
      });
    }
  }
  return pfn;
}
