import { pfnPmd, pmdLeaf, pmdMkhuge, pmdMkyoung, pmdPresent, pmdpGet, type HandleFamily, type PmdVal, type Prot } from '@pgtable/core';
import type { Mm } from '../kernel/mm.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import type { Vma } from '../kernel/vma.js';
import { pmdLock, type Ptl } from '../tables/table-locks.js';

const PROTECTION = VmaFlags.Read | VmaFlags.Write | VmaFlags.Exec | VmaFlags.Shared;

/** `vma->vm_page_prot`: what entries of a VMA allow. Of private memory that may be written this is no right to write: that comes with the page that is the writer's own (`maybe_mkwrite()`). */
export function vmPageProt<H extends HandleFamily>(vma: Vma<H>): Prot {
  return vma.mm.arch.vmProt(vma.flags & PROTECTION);
}

/** `mk_huge_pmd()`: an entry that maps the huge page that begins at a frame. Young, as `vm_page_prot` is on most architectures. */
export function mkHugePmd<H extends HandleFamily>(vma: Vma<H>, pfn: number): PmdVal {
  const { arch } = vma.mm;
  return pmdMkyoung(arch, pmdMkhuge(arch, pfnPmd(arch, pfn, vmPageProt(vma))));
}

/** A huge page whose lock is held. */
export interface LockedHugePmd {
  readonly pmd: PmdVal;
  /** The lock of the PMD table, for who asked to release. */
  readonly ptl: Ptl;
}

/**
 * `pmd_trans_huge_lock()`: the huge page that a pmd entry maps, and the lock under which it stays.
 *
 * Locking: the mmap lock, a VMA's, or that of the file's mapping. Takes the PMD table's lock, and keeps it if there is a huge page.
 *
 * @returns undefined if the entry maps none
 * @see mm/huge_memory.c, Linux 6.12
 */
export function pmdTransHugeLock<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd']): LockedHugePmd | undefined {
  const ptl = pmdLock(mm, pmdp);
  const pmd = pmdpGet(mm.arch, pmdp);
  if (pmdPresent(mm.arch, pmd) && pmdLeaf(mm.arch, pmd)) return { pmd, ptl };
  ptl.unlock();
  return undefined;
}
