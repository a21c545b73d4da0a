import type { HandleFamily, PteVal } from '@pgtable/core';
import { FrameFlag, FrameWord } from '../frames/memmap.js';
import type { Mm } from '../kernel/mm.js';
import type { Vma } from '../kernel/vma.js';

/** `vm_normal_page()`: the frame that a present pte maps, if pages are counted there; undefined for the zero page, special entries, memory of devices. Locking: the lock of the entry's table. */
export function vmNormalPage<H extends HandleFamily>(mm: Mm<H>, vma: Vma<H>, address: number, ptep: H['pte'], pte: PteVal): number | undefined {
  const pfn = mm.arch.values.pte.pfn(pte);
  return mm.normalPage(vma, address, { level: 'pte', entry: ptep }, pte, pfn) === 'page' ? pfn : undefined;
}

/** How many pages a block has from this one on: as far as `folio_pte_batch()` looks. Locking: a reference, or the lock of a table that maps it, keeps the block. */
export function pagesLeftInFolio<H extends HandleFamily>(mm: Mm<H>, pfn: number): number {
  const { frames } = mm.kernel;
  const head = frames.head(pfn);
  return head + 2 ** frames.read(head, FrameWord.Order) - pfn;
}

/** `folio_mark_dirty()`, `folio_mark_accessed()`: what entries knew of a page of a file is noted at its block, before they are forgotten. Sets {@link FrameFlag}s. Locking: as {@link pagesLeftInFolio}. */
export function markFolio<H extends HandleFamily>(mm: Mm<H>, pfn: number, dirty: boolean, young: boolean): void {
  const { frames } = mm.kernel;
  const flags = (dirty ? FrameFlag.Dirty : 0) | (young ? FrameFlag.Referenced : 0);
  if (flags !== 0) frames.changeFlags(frames.head(pfn), flags);
}
