import { pmdMkdirty, pmdMkwriteNovma, pmdNone, pmdpGet, setPmdAt, type HandleFamily } from '@pgtable/core';
import { hugePmdBytes, hugePmdOrder } from '../folio/huge.js';
import { dupRmap } from '../folio/rmap.js';
import { FrameWord } from '../frames/memmap.js';
import { mkHugePmd } from '../huge/huge-pmd.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import { pmdLock } from '../tables/table-locks.js';
import { suitable } from './policy.js';
import { DONE, mayWrite, type FaultResult, type VmFault } from './vm-fault.js';

/**
 * `do_set_pmd()`: maps a page of a file that is part of a huge page, and with it all of that, by one pmd entry.
 *
 * No table is put aside: an entry of a file is not split but unmapped.
 *
 * Locking: as {@link doFault}; the folio is locked. Takes the PMD table's lock.
 *
 * @param pfn the page, of the cache
 * @returns undefined if a pte is to be set: the page is small, the huge page would not lie inside of the VMA or not begin where one may, madvise says so, or there is a PTE table
 * @see mm/memory.c, Linux 6.12
 */
export function doSetPmd<H extends HandleFamily>({ mm, vma, address, write, pmdp }: VmFault<H>, pfn: number): FaultResult | undefined {
  const { arch, context, kernel: { frames } } = mm;
  const order = hugePmdOrder(mm);
  const head = frames.head(pfn);
  if (order === undefined || frames.read(head, FrameWord.Order) !== order || (vma.flags & VmaFlags.NoHugePage) !== 0) return undefined;
  const bytes = hugePmdBytes(mm);
  const start = Math.floor(address / bytes) * bytes;
  // The pages of the file must be where they are in memory, too.
  if (!suitable(vma, address, bytes) || pfn - head !== (address - start) / mm.pageBytes) return undefined;
  const ptl = pmdLock(mm, pmdp);
  try {
    if (!pmdNone(arch, pmdpGet(arch, pmdp))) return undefined;
    let pmd = mkHugePmd(vma, head);
    if (write) pmd = pmdMkdirty(arch, pmd);
    if (write && mayWrite(vma)) pmd = pmdMkwriteNovma(arch, pmd);
    dupRmap(mm, head, 2 ** order, true);
    setPmdAt(arch, context, BigInt(start), pmdp, pmd);
    arch.updateMmuCache?.(context, BigInt(start), 'pmd', 1);
    return DONE;
  } finally {
    ptl.unlock();
  }
}
