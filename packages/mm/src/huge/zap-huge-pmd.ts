import { pmdDirty, pmdLeaf, pmdPfn, pmdpGetOnce, pmdpHugeGetAndClear, pmdPresent, pmdYoung, type HandleFamily } from '@pgtable/core';
import { hugePmdBytes } from '../folio/huge.js';
import { removeRmap } from '../folio/rmap.js';
import { FrameFlag, FrameWord } from '../frames/memmap.js';
import { MmCounter } from '../kernel/mm.js';
import type { Vma } from '../kernel/vma.js';
import type { TableGather } from '../tables/gather.js';
import { tableBytes } from '../tables/table-alloc.js';
import { pmdLock } from '../tables/table-locks.js';
import { pmdTableAddress } from './huge-pmd.js';

/**
 * `zap_huge_pmd()`: unmaps a huge page. The page goes back after the flush of the gather; the table that was put aside for it goes back at once, for nobody could ever be in it: it is empty, and was
 * linked nowhere.
 *
 * Locking: the mmap lock, or that of the file's mapping. Takes the lock of the PMD table.
 *
 * @param address the first that the entry translates
 * @returns whether there was a huge page: false if the entry is a table, or empty, by the time that the lock is held
 * @throws PgtableError `EINVAL` if no table was put aside for a page of anonymous memory
 * @see mm/huge_memory.c, Linux 6.12
 */
export function zapHugePmd<H extends HandleFamily>(gather: TableGather<H>, vma: Vma<H>, pmdp: H['pmd'], address: number): boolean {
  const { mm } = vma;
  const { arch, kernel: { frames, pageTables } } = mm;
  const ptl = pmdLock(mm, pmdp);
  let deposited: number | undefined;
  try {
    const pmd = pmdpGetOnce(arch, pmdp);
    if (!pmdPresent(arch, pmd) || !pmdLeaf(arch, pmd)) return false;
    const old = pmdpHugeGetAndClear(arch, mm.context, BigInt(address), pmdp).gather(gather);
    const pfn = pmdPfn(arch, old);
    if (vma.anonymous) deposited = pageTables.withdraw(pmdTableAddress(mm, pmdp));
    else Atomics.or(frames.memmap, frames.word(frames.head(pfn), FrameWord.Flags), (pmdDirty(arch, old) ? FrameFlag.Dirty : 0) | (pmdYoung(arch, old) ? FrameFlag.Referenced : 0));
    removeRmap(gather, pfn, hugePmdBytes(mm) / mm.pageBytes, true);
  } finally {
    ptl.unlock();
  }
  if (deposited !== undefined) {
    pageTables.free(deposited);
    mm.addCounter(MmCounter.TableBytes, -tableBytes(mm, 'pte'));
  }
  return true;
}
