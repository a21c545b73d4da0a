import { pfnPmd, pmdMkhuge, pmdMkyoung, type HandleFamily, type PmdVal, type Prot, type UnlinkedTable } from '@pgtable/core';
import type { Mm } from '../kernel/mm.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import type { Vma } from '../kernel/vma.js';

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

/** Physical address of the table that a pmd entry stands in: where the PTE tables of its huge pages are put aside. Locking: something keeps that table. */
export function pmdTableAddress<H extends HandleFamily>({ arch, kernel: { frames } }: Mm<H>, pmdp: H['pmd']): number {
  return frames.head(Math.floor(arch.ops.pmd.entryAddress(pmdp) / frames.pageBytes)) * frames.pageBytes;
}

/**
 * `pgtable_trans_huge_withdraw()`: takes a table back that was put aside with a huge page. It counts in the address space's table bytes still.
 *
 * Locking: the lock of the pmd entry.
 *
 * @throws PgtableError `EINVAL` if none was put aside
 */
export function withdrawDeposit<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd']): UnlinkedTable<H, 'pte'> {
  const { pageTables } = mm.kernel;
  return pageTables.adopt(mm.arch, 'pte', pageTables.withdraw(pmdTableAddress(mm, pmdp)));
}
