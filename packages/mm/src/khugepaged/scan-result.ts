import { PgtableError, type HandleFamily } from '@pgtable/core';
import { hugePmdOrder } from '../folio/huge.js';
import type { Mm } from '../kernel/mm.js';

/**
 * What came of a collapse: `enum scan_result` of mm/khugepaged.c (6.12), without what this model does not have (lists of the LRU, cgroups, memory errors). But for `succeed` nothing has changed, and
 * most reasons may be gone the next time.
 */
export type ScanResult =
  | 'succeed'
  /** Something was in the way that is no reason of its own. */
  | 'fail'
  /** There are no tables, or the entry is neither a table nor a huge page. */
  | 'pmdNull'
  /** There is no PTE table. */
  | 'pmdNone'
  /** A huge page is there already. */
  | 'pmdMapped'
  /** Too many entries are empty: {@link CollapseControl.maxPtesNone}. */
  | 'exceedNonePte'
  /** Pages are swapped out. This model has no swap that it could read, so one is too many. */
  | 'exceedSwapPte'
  /** Too many pages are shared: {@link CollapseControl.maxPtesShared}. */
  | 'exceedSharedPte'
  /** An entry that was a page is a migration entry, or a swapped page, by now. */
  | 'pteNonPresent'
  /** An entry is write-protected for userfaultfd. */
  | 'pteUffdWp'
  /** The cache has a huge page there already. */
  | 'pteMappedHugepage'
  /** No entry is writable, so nobody would gain. */
  | 'pageRo'
  /** No page was used lately. */
  | 'lackReferencedPage'
  /** There is no page behind an entry, or in the cache. */
  | 'pageNull'
  /** Somebody has a reference on a page: GUP, a read of the file. What is done through it would be lost. */
  | 'pageCount'
  /** Somebody has the lock of a page. */
  | 'pageLock'
  /** The memory is not anonymous, or a page in it is not. */
  | 'pageAnon'
  /** The cache has blocks of another size there. */
  | 'pageCompound'
  /** The address space ends. */
  | 'anyProcess'
  /** No VMA. */
  | 'vmaNull'
  /** The VMA may not have huge pages. */
  | 'vmaCheck'
  /** The huge page would not lie inside of the VMA. */
  | 'addressRange'
  /** There is no block of memory that is large enough. */
  | 'allocHugePageFail'
  /** A page of the file left the cache meanwhile. */
  | 'truncated';

/** `struct collapse_control`: how willing a collapse is. */
export interface CollapseControl {
  /** khugepaged, which has limits; left out: somebody asked for this very page (MADV_COLLAPSE), and has none. */
  readonly khugepaged?: boolean;
  /** `max_ptes_none` of khugepaged: entries that may be empty, or the zero page. Default: all but one. */
  readonly maxPtesNone?: number;
  /** `max_ptes_shared` of khugepaged: pages that others may map too. Default: half of them. */
  readonly maxPtesShared?: number;
}

/** Limits as numbers of entries. */
export interface CollapseLimits {
  readonly khugepaged: boolean;
  readonly none: number;
  readonly shared: number;
}

/** The limits of a collapse in tables of that many entries. */
export function limitsOf({ khugepaged = false, maxPtesNone, maxPtesShared }: CollapseControl, entries: number): CollapseLimits {
  return khugepaged ? { khugepaged, none: maxPtesNone ?? entries - 1, shared: maxPtesShared ?? entries / 2 } : { khugepaged, none: Infinity, shared: Infinity };
}

/** {@link hugePmdOrder}, of who has been asked for a huge page. @throws PgtableError `ENOTSUP` if there are no huge pages; `EINVAL` if the address does not begin one */
export function checkedOrder<H extends HandleFamily>(mm: Mm<H>, address: number): number {
  const order = hugePmdOrder(mm);
  if (order === undefined) throw new PgtableError('ENOTSUP', `address space ${mm.id} has no huge pages of pmd entries`, { hint: 'ask hugePmdOrder() first' });
  if (address % (2 ** order * mm.pageBytes) !== 0) {
    throw new PgtableError('EINVAL', `no huge page begins at 0x${BigInt(address).toString(16)}`, { address: BigInt(address), hint: 'give a multiple of hugePmdBytes()' });
  }
  return order;
}
