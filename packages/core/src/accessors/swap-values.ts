import type { PmdVal, PteVal } from '../values.js';
import type { ValueArch } from './value-arch.js';

/*
 * Entries that are not present and not empty: what the kernel keeps in them is a type and an offset (swp_entry_t; include/linux/swapops.h, Linux
 * 6.12). Where in the entry the two stand is the architecture's.
 */

/** `swp_entry_t`: what a swap entry says, whatever the architecture. */
export interface SwpEntry {
  /** 0 to 31: the number of a swap file, or one of the types that mean something else. */
  readonly type: number;
  /** The place in the swap file, or the frame. */
  readonly offset: bigint;
}
/** `swp_entry_to_pte`: {@link EntryValues.ofSwap}. */
export function swpEntryToPte(arch: ValueArch, entry: SwpEntry): PteVal {
  return arch.values.pte.ofSwap(entry.type, entry.offset);
}
/** `pte_to_swp_entry`: type and offset of a value that isSwapPte holds for; marks do not count. */
export function pteToSwpEntry(arch: ValueArch, pte: PteVal): SwpEntry {
  return { type: arch.values.pte.swapType(pte), offset: arch.values.pte.swapOffset(pte) };
}
/** `is_swap_pte`: {@link EntryValues.swap}. */
export function isSwapPte(arch: ValueArch, pte: PteVal): boolean {
  return arch.values.pte.swap(pte);
}
/** `pte_swp_soft_dirty`: {@link EntryValues.swpSoftDirty}. */
export function pteSwpSoftDirty(arch: ValueArch, pte: PteVal): boolean {
  return arch.values.pte.swpSoftDirty(pte);
}
/** `pte_swp_mksoft_dirty`: {@link EntryValues.swpMksoftDirty}. */
export function pteSwpMksoftDirty(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.swpMksoftDirty(pte);
}
/** `pte_swp_clear_soft_dirty`: {@link EntryValues.swpClearSoftDirty}. */
export function pteSwpClearSoftDirty(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.swpClearSoftDirty(pte);
}
/** `pte_swp_exclusive`: {@link EntryValues.swpExclusive}. */
export function pteSwpExclusive(arch: ValueArch, pte: PteVal): boolean {
  return arch.values.pte.swpExclusive(pte);
}
/** `pte_swp_mkexclusive`: {@link EntryValues.swpMkexclusive}. */
export function pteSwpMkexclusive(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.swpMkexclusive(pte);
}
/** `pte_swp_clear_exclusive`: {@link EntryValues.swpClearExclusive}. */
export function pteSwpClearExclusive(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.swpClearExclusive(pte);
}
/** `pte_swp_uffd_wp`: {@link EntryValues.swpUffdWp}. */
export function pteSwpUffdWp(arch: ValueArch, pte: PteVal): boolean {
  return arch.values.pte.swpUffdWp(pte);
}
/** `pte_swp_mkuffd_wp`: {@link EntryValues.swpMkuffdWp}. */
export function pteSwpMkuffdWp(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.swpMkuffdWp(pte);
}
/** `pte_swp_clear_uffd_wp`: {@link EntryValues.swpClearUffdWp}. */
export function pteSwpClearUffdWp(arch: ValueArch, pte: PteVal): PteVal {
  return arch.values.pte.swpClearUffdWp(pte);
}
/** `swp_entry_to_pmd`: {@link EntryValues.ofSwap}. */
export function swpEntryToPmd(arch: ValueArch, entry: SwpEntry): PmdVal {
  return arch.values.pmd.ofSwap(entry.type, entry.offset);
}
/** `pmd_to_swp_entry`: type and offset of a value that isSwapPmd holds for; marks do not count. */
export function pmdToSwpEntry(arch: ValueArch, pmd: PmdVal): SwpEntry {
  return { type: arch.values.pmd.swapType(pmd), offset: arch.values.pmd.swapOffset(pmd) };
}
/** `is_swap_pmd`: {@link EntryValues.swap}. */
export function isSwapPmd(arch: ValueArch, pmd: PmdVal): boolean {
  return arch.values.pmd.swap(pmd);
}
/** `pmd_swp_soft_dirty`: {@link EntryValues.swpSoftDirty}. */
export function pmdSwpSoftDirty(arch: ValueArch, pmd: PmdVal): boolean {
  return arch.values.pmd.swpSoftDirty(pmd);
}
/** `pmd_swp_mksoft_dirty`: {@link EntryValues.swpMksoftDirty}. */
export function pmdSwpMksoftDirty(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.swpMksoftDirty(pmd);
}
/** `pmd_swp_clear_soft_dirty`: {@link EntryValues.swpClearSoftDirty}. */
export function pmdSwpClearSoftDirty(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.swpClearSoftDirty(pmd);
}
/** `pmd_swp_uffd_wp`: {@link EntryValues.swpUffdWp}. */
export function pmdSwpUffdWp(arch: ValueArch, pmd: PmdVal): boolean {
  return arch.values.pmd.swpUffdWp(pmd);
}
/** `pmd_swp_mkuffd_wp`: {@link EntryValues.swpMkuffdWp}. */
export function pmdSwpMkuffdWp(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.swpMkuffdWp(pmd);
}
/** `pmd_swp_clear_uffd_wp`: {@link EntryValues.swpClearUffdWp}. */
export function pmdSwpClearUffdWp(arch: ValueArch, pmd: PmdVal): PmdVal {
  return arch.values.pmd.swpClearUffdWp(pmd);
}
