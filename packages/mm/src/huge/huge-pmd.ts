import { pfnPmd, pmdMkhuge, pmdMkyoung, type HandleFamily, type PmdVal, type Prot } from '@pgtable/core';
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
