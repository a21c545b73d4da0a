import type { PmdVal, Prot, PteVal, PudVal } from '../values.js';
import type { ValueArch } from './value-arch.js';

/* What a leaf maps, and with which permissions: functions over values. A frame (pfn) is counted in pages of the smallest size at every level. */

/** `pfn_pte`: {@link EntryValues.ofPfn}. */
export function pfnPte(arch: ValueArch, pfn: number, prot: Prot): PteVal {
  return arch.values.pte.ofPfn(pfn, prot);
}
/** `pte_pfn`: {@link EntryValues.pfn}. */
export function ptePfn(arch: ValueArch, pte: PteVal): number {
  return arch.values.pte.pfn(pte);
}
/** `pte_pgprot`: {@link EntryValues.prot}. */
export function ptePgprot(arch: ValueArch, pte: PteVal): Prot {
  return arch.values.pte.prot(pte);
}
/** `pte_modify`: {@link EntryValues.modify}. */
export function pteModify(arch: ValueArch, pte: PteVal, prot: Prot): PteVal {
  return arch.values.pte.modify(pte, prot);
}
/** `pte_mkhuge`: {@link EntryValues.mkhuge}. */
export function pteMkhuge(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.mkhuge(pte);
}
/** `pfn_pmd`: {@link EntryValues.ofPfn}. A leaf after pmdMkhuge. */
export function pfnPmd(arch: ValueArch, pfn: number, prot: Prot): PmdVal {
  return arch.values.pmd.ofPfn(pfn, prot);
}
/** `pmd_pfn`: {@link EntryValues.pfn}. */
export function pmdPfn(arch: ValueArch, pmd: PmdVal): number {
  return arch.values.pmd.pfn(pmd);
}
/** `pmd_pgprot`: {@link EntryValues.prot}. */
export function pmdPgprot(arch: ValueArch, pmd: PmdVal): Prot {
  return arch.values.pmd.prot(pmd);
}
/** `pmd_modify`: {@link EntryValues.modify}. */
export function pmdModify(arch: ValueArch, pmd: PmdVal, prot: Prot): PmdVal {
  return arch.values.pmd.modify(pmd, prot);
}
/** `pmd_mkhuge`: {@link EntryValues.mkhuge}. */
export function pmdMkhuge(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.mkhuge(pmd);
}
/** `pfn_pud`: {@link EntryValues.ofPfn}. A leaf after pudMkhuge. */
export function pfnPud(arch: ValueArch, pfn: number, prot: Prot): PudVal {
  return arch.values.pud.ofPfn(pfn, prot);
}
/** `pud_pfn`: {@link EntryValues.pfn}. */
export function pudPfn(arch: ValueArch, pud: PudVal): number {
  return arch.values.pud.pfn(pud);
}
/** `pud_pgprot`: {@link EntryValues.prot}. */
export function pudPgprot(arch: ValueArch, pud: PudVal): Prot {
  return arch.values.pud.prot(pud);
}
/** `pud_modify`: {@link EntryValues.modify}. */
export function pudModify(arch: ValueArch, pud: PudVal, prot: Prot): PudVal {
  return arch.values.pud.modify(pud, prot);
}
/** `pud_mkhuge`: {@link EntryValues.mkhuge}. */
export function pudMkhuge(arch: ValueArch, pud: PudVal): PudVal {
  return arch.values.pud.mkhuge(pud);
}
/** `pmd_mkinvalid`: {@link EntryValues.mkinvalid}. */
export function pmdMkinvalid(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.mkinvalid(pmd);
}
/** `pud_mkinvalid`: {@link EntryValues.mkinvalid}. */
export function pudMkinvalid(arch: ValueArch, pud: PudVal): PudVal {
  return arch.values.pud.mkinvalid(pud);
}
/** `pte_advance_pfn`: {@link EntryValues.advancePfn}. */
export function pteAdvancePfn(arch: ValueArch, pte: PteVal, count: number): PteVal {
  return arch.values.pte.advancePfn(pte, count);
}
/** `pte_next_pfn`: {@link EntryValues.advancePfn} by one. */
export function pteNextPfn(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.advancePfn(pte, 1);
}
