import { pmdBad, pmdLeaf, pmdNone, pmdpGetLockless, pmdPresent, type HandleFamily } from '@pgtable/core';
import { hugePmdBytes } from '../folio/huge.js';
import type { Mm } from '../kernel/mm.js';
import { SPECIAL_FLAGS, VmaFlags } from '../kernel/vma-flags.js';
import type { Vma } from '../kernel/vma.js';
import { mmFindPmd } from '../tables/table-alloc.js';
import type { ScanResult } from './scan-result.js';

/** `thp_vma_allowable_order()`, of the size of a pmd entry: whether a VMA may have huge pages. (The settings of sysfs are `always`.) */
export function allowable<H extends HandleFamily>(vma: Vma<H>): boolean {
  return (vma.flags & (SPECIAL_FLAGS | VmaFlags.NoHugePage)) === 0;
}

/** `thp_vma_suitable_order()`: whether the huge page that begins at an address lies inside of a VMA, and, of a file, begins where a huge page of the file does. */
export function suitable<H extends HandleFamily>(vma: Vma<H>, address: number): boolean {
  const bytes = hugePmdBytes(vma.mm);
  if (address < vma.start || address + bytes > vma.end) return false;
  return vma.anonymous || vma.indexOf(address) % (bytes / vma.mm.pageBytes) === 0;
}

/**
 * `hugepage_vma_revalidate()`: the VMA of a huge page of anonymous memory, if there can be one.
 *
 * Each time that the mmap lock was let go, everything that was known of VMAs is a memory: munmap may have come, and another mmap may have put a file there. So this stands after each time that
 * it is taken.
 *
 * Locking: the mmap lock, either way.
 *
 * @returns the VMA, or why there can be no huge page
 */
export function hugepageVmaRevalidate<H extends HandleFamily>(mm: Mm<H>, address: number): Vma<H> | Exclude<ScanResult, 'succeed'> {
  // Nobody uses the address space any more: exit is about to take it apart, or has.
  if (mm.users === 0) return 'anyProcess';
  const vma = mm.findVma(address);
  if (vma === undefined) return 'vmaNull';
  if (!suitable(vma, address)) return 'addressRange';
  if (!allowable(vma)) return 'vmaCheck';
  // What is shared without a file would be shmem's, a file after all.
  return vma.anonymous && (vma.flags & VmaFlags.Shared) === 0 ? vma : 'pageAnon';
}

/**
 * `find_pmd_or_thp_or_none()`: the pmd entry of an address, if it points to a PTE table now.
 *
 * Locking: as {@link mmFindPmd}. What the entry is may change at once; who needs more looks again under a lock.
 */
export function findPmdOrThpOrNone<H extends HandleFamily>(mm: Mm<H>, address: number): { readonly pmdp: H['pmd'] | undefined; readonly result: ScanResult } {
  const pmdp = mmFindPmd(mm, address);
  return { pmdp, result: pmdp === undefined ? 'pmdNull' : pmdState(mm, pmdp) };
}

/** `check_pmd_state()`: `succeed` if an entry points to a PTE table. */
export function pmdState<H extends HandleFamily>({ arch }: Mm<H>, pmdp: H['pmd']): ScanResult {
  const pmd = pmdpGetLockless(arch, pmdp);
  if (pmdNone(arch, pmd)) return 'pmdNone';
  if (!pmdPresent(arch, pmd)) return 'pmdNull';
  if (pmdLeaf(arch, pmd)) return 'pmdMapped';
  return pmdBad(arch, pmd) ? 'pmdNull' : 'succeed';
}
