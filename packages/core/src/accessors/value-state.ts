import type { P4dVal, PgdVal, PmdVal, PteVal, PudVal } from '../values.js';
import type { ValueArch } from './value-arch.js';

/* What an entry is: functions over values of each level, for any architecture. */

/** `pte_none`: {@link EntryValues.none}. */
export function pteNone(arch: ValueArch, pte: PteVal): boolean {
  return arch.values.pte.none(pte);
}
/** `pte_present`: {@link EntryValues.present}. */
export function ptePresent(arch: ValueArch, pte: PteVal): boolean {
  return arch.values.pte.present(pte);
}
/** `pte_same`: {@link EntryValues.same}. */
export function pteSame(arch: ValueArch, a: PteVal, b: PteVal): boolean {
  return arch.values.pte.same(a, b);
}
/** `pmd_none`: {@link EntryValues.none}. */
export function pmdNone(arch: ValueArch, pmd: PmdVal): boolean {
  return arch.values.pmd.none(pmd);
}
/** `pmd_present`: {@link EntryValues.present}. */
export function pmdPresent(arch: ValueArch, pmd: PmdVal): boolean {
  return arch.values.pmd.present(pmd);
}
/** `pmd_leaf`: {@link EntryValues.leaf}. */
export function pmdLeaf(arch: ValueArch, pmd: PmdVal): boolean {
  return arch.values.pmd.leaf(pmd);
}
/** `pmd_bad`: {@link EntryValues.bad}. */
export function pmdBad(arch: ValueArch, pmd: PmdVal): boolean {
  return arch.values.pmd.bad(pmd);
}
/** `pmd_same`: {@link EntryValues.same}. */
export function pmdSame(arch: ValueArch, a: PmdVal, b: PmdVal): boolean {
  return arch.values.pmd.same(a, b);
}
/** `pud_none`: {@link EntryValues.none}. */
export function pudNone(arch: ValueArch, pud: PudVal): boolean {
  return arch.values.pud.none(pud);
}
/** `pud_present`: {@link EntryValues.present}. */
export function pudPresent(arch: ValueArch, pud: PudVal): boolean {
  return arch.values.pud.present(pud);
}
/** `pud_leaf`: {@link EntryValues.leaf}. */
export function pudLeaf(arch: ValueArch, pud: PudVal): boolean {
  return arch.values.pud.leaf(pud);
}
/** `pud_bad`: {@link EntryValues.bad}. */
export function pudBad(arch: ValueArch, pud: PudVal): boolean {
  return arch.values.pud.bad(pud);
}
/** `pud_same`: {@link EntryValues.same}. */
export function pudSame(arch: ValueArch, a: PudVal, b: PudVal): boolean {
  return arch.values.pud.same(a, b);
}
/** `p4d_none`: {@link EntryValues.none}. */
export function p4dNone(arch: ValueArch, p4d: P4dVal): boolean {
  return arch.values.p4d.none(p4d);
}
/** `p4d_present`: {@link EntryValues.present}. */
export function p4dPresent(arch: ValueArch, p4d: P4dVal): boolean {
  return arch.values.p4d.present(p4d);
}
/** `p4d_leaf`: {@link EntryValues.leaf}. */
export function p4dLeaf(arch: ValueArch, p4d: P4dVal): boolean {
  return arch.values.p4d.leaf(p4d);
}
/** `p4d_bad`: {@link EntryValues.bad}. */
export function p4dBad(arch: ValueArch, p4d: P4dVal): boolean {
  return arch.values.p4d.bad(p4d);
}
/** `p4d_same`: {@link EntryValues.same}. */
export function p4dSame(arch: ValueArch, a: P4dVal, b: P4dVal): boolean {
  return arch.values.p4d.same(a, b);
}
/** `pgd_none`: {@link EntryValues.none}. */
export function pgdNone(arch: ValueArch, pgd: PgdVal): boolean {
  return arch.values.pgd.none(pgd);
}
/** `pgd_present`: {@link EntryValues.present}. */
export function pgdPresent(arch: ValueArch, pgd: PgdVal): boolean {
  return arch.values.pgd.present(pgd);
}
/** `pgd_leaf`: {@link EntryValues.leaf}. */
export function pgdLeaf(arch: ValueArch, pgd: PgdVal): boolean {
  return arch.values.pgd.leaf(pgd);
}
/** `pgd_bad`: {@link EntryValues.bad}. */
export function pgdBad(arch: ValueArch, pgd: PgdVal): boolean {
  return arch.values.pgd.bad(pgd);
}
/** `pgd_same`: {@link EntryValues.same}. */
export function pgdSame(arch: ValueArch, a: PgdVal, b: PgdVal): boolean {
  return arch.values.pgd.same(a, b);
}
/** `pte_protnone`: {@link EntryValues.protnone}. */
export function pteProtnone(arch: ValueArch, pte: PteVal): boolean {
  return arch.values.pte.protnone(pte);
}
/** `pmd_protnone`: {@link EntryValues.protnone}. */
export function pmdProtnone(arch: ValueArch, pmd: PmdVal): boolean {
  return arch.values.pmd.protnone(pmd);
}
