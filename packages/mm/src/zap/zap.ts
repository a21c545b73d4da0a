import { geometryOf, pmdNone, pmdpGetLockless, pmdPresent, pmdLeaf, type HandleFamily } from '@pgtable/core';
import { isAnon, removeRmap } from '../folio/rmap.js';
import type { Mm } from '../kernel/mm.js';
import type { Vma } from '../kernel/vma.js';
import type { TableGather } from '../tables/gather.js';
import { pteOffsetMapLock, pteUnmapUnlock } from '../tables/pte-offset-map.js';
import { zapHugePmd } from './zap-huge-pmd.js';
import { markFolio, pagesLeftInFolio, vmNormalPage } from './folio-run.js';
import { endOfEntry, forEachPmd } from './pmd-range.js';

/**
 * `unmap_page_range()`: makes all entries of a part of a VMA empty. Their flushes and the references on their pages go to the gather; page tables stay.
 *
 * Locking: the mmap lock, either way, or the VMA's lock. Takes the locks of the tables, one after the other. Of a VMA that is read-locked alone, faults may fill entries again at once.
 *
 * @param gather of the VMA's address space; its `finish()` flushes and frees
 * @param start,end half-open, page aligned, in the VMA
 * @throws PgtableError `ENOTSUP` for a pmd entry that is not present: this model does not migrate huge pages
 * @see mm/memory.c, Linux 6.12
 */
export function unmapPageRange<H extends HandleFamily>(gather: TableGather<H>, vma: Vma<H>, start: number, end: number): void {
  forEachPmd(gather.of, start, end, (pmdp, address, next) => { zapPmdRange(gather, vma, pmdp, address, next); });
}

/**
 * One round of `zap_pmd_range()`: what one pmd entry translates in [address, end). A huge page that is covered whole goes whole; any other is split first.
 *
 * Locking, throws: {@link unmapPageRange}.
 */
export function zapPmdRange<H extends HandleFamily>(gather: TableGather<H>, vma: Vma<H>, pmdp: H['pmd'], address: number, end: number): void {
  const mm = gather.of;
  const { arch } = mm;
  for (;;) {
    const pmd = pmdpGetLockless(arch, pmdp);
    if (pmdNone(arch, pmd)) return;
    if (!pmdPresent(arch, pmd) || pmdLeaf(arch, pmd)) {
      if (!pmdPresent(arch, pmd) || end - address !== 2 ** geometryOf(arch.geometry, 'pmd').shift) mm.splitHuge(vma, { level: 'pmd', entry: pmdp }, address);
      else if (zapHugePmd(gather, vma, pmdp, address)) return;
      // Split, or somebody else was faster: what is there now?
    } else if (zapPteRange(gather, vma, pmdp, address, end)) return;
  }
}

/**
 * `zap_pte_range()`: makes the entries of one page table empty, in batches of consecutive pages of one block. Dirty and young marks of files' pages are noted at the pages.
 *
 * Locking: as {@link unmapPageRange}. Takes the lock of the PTE table.
 *
 * @param end at most the end of what the pmd entry translates
 * @returns whether there was a page table
 */
export function zapPteRange<H extends HandleFamily>(gather: TableGather<H>, vma: Vma<H>, pmdp: H['pmd'], address: number, end: number): boolean {
  const mm = gather.of;
  const table = pteOffsetMapLock(mm, pmdp, address);
  if (table === undefined) return false;
  try {
    const { pageBytes } = mm;
    const { pte: ops } = mm.arch.ops;
    const count = (Math.min(end, endOfEntry(mm, 'pmd', address)) - address) / pageBytes;
    for (let done = 0; done < count;) done += zapPtes(gather, vma, ops.advance(table.ptep, done), address + done * pageBytes, count - done);
    return true;
  } finally {
    pteUnmapUnlock(table);
  }
}

/** Makes one entry or more empty, as many as can go together. Returns how many. */
function zapPtes<H extends HandleFamily>(gather: TableGather<H>, vma: Vma<H>, ptep: H['pte'], address: number, max: number): number {
  const mm: Mm<H> = gather.of;
  const { arch: { ops: { pte: ops }, values: { pte: values } }, context } = mm;
  const pte = ops.get(ptep);
  if (values.none(pte)) return 1;
  const pfn = values.present(pte) ? vmNormalPage(mm, vma, address, ptep, pte) : undefined;
  if (pfn === undefined) {
    // The zero page, memory without struct pages, and what is not present, which counts nowhere.
    ops.clear(context, BigInt(address), ptep, 1).gather(gather);
    return 1;
  }
  const limit = Math.min(max, pagesLeftInFolio(mm, pfn));
  const count = limit === 1 ? 1 : ops.batch(ptep, pte, limit, { dirty: true, softDirty: true });
  const old = ops.getAndClearFull(context, BigInt(address), ptep, count).gather(gather);
  if (!isAnon(mm, pfn)) markFolio(mm, pfn, values.dirty(old), values.young(old));
  removeRmap(gather, pfn, count);
  return count;
}
