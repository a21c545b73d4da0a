import type { PmdVal, PteVal, PudVal } from '../values.js';
import type { ValueArch } from './value-arch.js';

/* Marks of leaves: functions over values. Where a level lacks a mark its constructor changes nothing and its predicate is false. */

/** `pte_young`: {@link EntryValues.young}. */
export function pteYoung(arch: ValueArch, pte: PteVal): boolean {
  return arch.values.pte.young(pte);
}
/** `pte_mkyoung`: {@link EntryValues.mkyoung}. */
export function pteMkyoung(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.mkyoung(pte);
}
/** `pte_mkold`: {@link EntryValues.mkold}. */
export function pteMkold(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.mkold(pte);
}
/** `pte_dirty`: {@link EntryValues.dirty}. */
export function pteDirty(arch: ValueArch, pte: PteVal): boolean {
  return arch.values.pte.dirty(pte);
}
/** `pte_mkdirty`: {@link EntryValues.mkdirty}. */
export function pteMkdirty(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.mkdirty(pte);
}
/** `pte_mkclean`: {@link EntryValues.mkclean}. */
export function pteMkclean(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.mkclean(pte);
}
/** `pte_write`: {@link EntryValues.write}. */
export function pteWrite(arch: ValueArch, pte: PteVal): boolean {
  return arch.values.pte.write(pte);
}
/** `pte_mkwrite_novma`: {@link EntryValues.mkwrite}. */
export function pteMkwriteNovma(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.mkwrite(pte);
}
/** `pte_wrprotect`: {@link EntryValues.wrprotect}. */
export function pteWrprotect(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.wrprotect(pte);
}
/** `pte_special`: {@link EntryValues.special}. */
export function pteSpecial(arch: ValueArch, pte: PteVal): boolean {
  return arch.values.pte.special(pte);
}
/** `pte_mkspecial`: {@link EntryValues.mkspecial}. */
export function pteMkspecial(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.mkspecial(pte);
}
/** `pte_devmap`: {@link EntryValues.devmap}. */
export function pteDevmap(arch: ValueArch, pte: PteVal): boolean {
  return arch.values.pte.devmap(pte);
}
/** `pte_mkdevmap`: {@link EntryValues.mkdevmap}. */
export function pteMkdevmap(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.mkdevmap(pte);
}
/** `pte_soft_dirty`: {@link EntryValues.softDirty}. */
export function pteSoftDirty(arch: ValueArch, pte: PteVal): boolean {
  return arch.values.pte.softDirty(pte);
}
/** `pte_mksoft_dirty`: {@link EntryValues.mksoftDirty}. */
export function pteMksoftDirty(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.mksoftDirty(pte);
}
/** `pte_clear_soft_dirty`: {@link EntryValues.clearSoftDirty}. */
export function pteClearSoftDirty(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.clearSoftDirty(pte);
}
/** `pte_uffd_wp`: {@link EntryValues.uffdWp}. */
export function pteUffdWp(arch: ValueArch, pte: PteVal): boolean {
  return arch.values.pte.uffdWp(pte);
}
/** `pte_mkuffd_wp`: {@link EntryValues.mkuffdWp}. */
export function pteMkuffdWp(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.mkuffdWp(pte);
}
/** `pte_clear_uffd_wp`: {@link EntryValues.clearUffdWp}. */
export function pteClearUffdWp(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.clearUffdWp(pte);
}
/** `pmd_young`: {@link EntryValues.young}. */
export function pmdYoung(arch: ValueArch, pmd: PmdVal): boolean {
  return arch.values.pmd.young(pmd);
}
/** `pmd_mkyoung`: {@link EntryValues.mkyoung}. */
export function pmdMkyoung(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.mkyoung(pmd);
}
/** `pmd_mkold`: {@link EntryValues.mkold}. */
export function pmdMkold(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.mkold(pmd);
}
/** `pmd_dirty`: {@link EntryValues.dirty}. */
export function pmdDirty(arch: ValueArch, pmd: PmdVal): boolean {
  return arch.values.pmd.dirty(pmd);
}
/** `pmd_mkdirty`: {@link EntryValues.mkdirty}. */
export function pmdMkdirty(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.mkdirty(pmd);
}
/** `pmd_mkclean`: {@link EntryValues.mkclean}. */
export function pmdMkclean(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.mkclean(pmd);
}
/** `pmd_write`: {@link EntryValues.write}. */
export function pmdWrite(arch: ValueArch, pmd: PmdVal): boolean {
  return arch.values.pmd.write(pmd);
}
/** `pmd_mkwrite_novma`: {@link EntryValues.mkwrite}. */
export function pmdMkwriteNovma(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.mkwrite(pmd);
}
/** `pmd_wrprotect`: {@link EntryValues.wrprotect}. */
export function pmdWrprotect(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.wrprotect(pmd);
}
/** `pmd_special`: {@link EntryValues.special}. */
export function pmdSpecial(arch: ValueArch, pmd: PmdVal): boolean {
  return arch.values.pmd.special(pmd);
}
/** `pmd_mkspecial`: {@link EntryValues.mkspecial}. */
export function pmdMkspecial(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.mkspecial(pmd);
}
/** `pmd_devmap`: {@link EntryValues.devmap}. */
export function pmdDevmap(arch: ValueArch, pmd: PmdVal): boolean {
  return arch.values.pmd.devmap(pmd);
}
/** `pmd_mkdevmap`: {@link EntryValues.mkdevmap}. */
export function pmdMkdevmap(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.mkdevmap(pmd);
}
/** `pmd_soft_dirty`: {@link EntryValues.softDirty}. */
export function pmdSoftDirty(arch: ValueArch, pmd: PmdVal): boolean {
  return arch.values.pmd.softDirty(pmd);
}
/** `pmd_mksoft_dirty`: {@link EntryValues.mksoftDirty}. */
export function pmdMksoftDirty(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.mksoftDirty(pmd);
}
/** `pmd_clear_soft_dirty`: {@link EntryValues.clearSoftDirty}. */
export function pmdClearSoftDirty(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.clearSoftDirty(pmd);
}
/** `pmd_uffd_wp`: {@link EntryValues.uffdWp}. */
export function pmdUffdWp(arch: ValueArch, pmd: PmdVal): boolean {
  return arch.values.pmd.uffdWp(pmd);
}
/** `pmd_mkuffd_wp`: {@link EntryValues.mkuffdWp}. */
export function pmdMkuffdWp(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.mkuffdWp(pmd);
}
/** `pmd_clear_uffd_wp`: {@link EntryValues.clearUffdWp}. */
export function pmdClearUffdWp(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.clearUffdWp(pmd);
}
/** `pud_young`: {@link EntryValues.young}. */
export function pudYoung(arch: ValueArch, pud: PudVal): boolean {
  return arch.values.pud.young(pud);
}
/** `pud_mkyoung`: {@link EntryValues.mkyoung}. */
export function pudMkyoung(arch: ValueArch, pud: PudVal): PudVal {
  return arch.values.pud.mkyoung(pud);
}
/** `pud_mkold`: {@link EntryValues.mkold}. */
export function pudMkold(arch: ValueArch, pud: PudVal): PudVal {
  return arch.values.pud.mkold(pud);
}
/** `pud_dirty`: {@link EntryValues.dirty}. */
export function pudDirty(arch: ValueArch, pud: PudVal): boolean {
  return arch.values.pud.dirty(pud);
}
/** `pud_mkdirty`: {@link EntryValues.mkdirty}. */
export function pudMkdirty(arch: ValueArch, pud: PudVal): PudVal {
  return arch.values.pud.mkdirty(pud);
}
/** `pud_mkclean`: {@link EntryValues.mkclean}. */
export function pudMkclean(arch: ValueArch, pud: PudVal): PudVal {
  return arch.values.pud.mkclean(pud);
}
/** `pud_write`: {@link EntryValues.write}. */
export function pudWrite(arch: ValueArch, pud: PudVal): boolean {
  return arch.values.pud.write(pud);
}
/** `pud_mkwrite`: {@link EntryValues.mkwrite}. */
export function pudMkwrite(arch: ValueArch, pud: PudVal): PudVal {
  return arch.values.pud.mkwrite(pud);
}
/** `pud_wrprotect`: {@link EntryValues.wrprotect}. */
export function pudWrprotect(arch: ValueArch, pud: PudVal): PudVal {
  return arch.values.pud.wrprotect(pud);
}
/** `pud_special`: {@link EntryValues.special}. */
export function pudSpecial(arch: ValueArch, pud: PudVal): boolean {
  return arch.values.pud.special(pud);
}
/** `pud_mkspecial`: {@link EntryValues.mkspecial}. */
export function pudMkspecial(arch: ValueArch, pud: PudVal): PudVal {
  return arch.values.pud.mkspecial(pud);
}
/** `pud_devmap`: {@link EntryValues.devmap}. */
export function pudDevmap(arch: ValueArch, pud: PudVal): boolean {
  return arch.values.pud.devmap(pud);
}
/** `pud_mkdevmap`: {@link EntryValues.mkdevmap}. */
export function pudMkdevmap(arch: ValueArch, pud: PudVal): PudVal {
  return arch.values.pud.mkdevmap(pud);
}
/** `pud_soft_dirty`: {@link EntryValues.softDirty}. */
export function pudSoftDirty(arch: ValueArch, pud: PudVal): boolean {
  return arch.values.pud.softDirty(pud);
}
/** `pud_mksoft_dirty`: {@link EntryValues.mksoftDirty}. */
export function pudMksoftDirty(arch: ValueArch, pud: PudVal): PudVal {
  return arch.values.pud.mksoftDirty(pud);
}
/** `pud_clear_soft_dirty`: {@link EntryValues.clearSoftDirty}. */
export function pudClearSoftDirty(arch: ValueArch, pud: PudVal): PudVal {
  return arch.values.pud.clearSoftDirty(pud);
}
