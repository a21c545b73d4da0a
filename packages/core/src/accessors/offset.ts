import type { Arch, Root } from '../contract.js';
import type { HandleFamily } from '../handles.js';
import type { EntryVal } from '../values.js';

/*
 * From an entry to the one below it. The same entry where one of the levels is folded; undefined where there is no table to look into:
 * the entry is empty, a leaf, not present, or the table is not here. A handle may be the number 0 at run time, so compare with undefined;
 * truth says nothing.
 */

/**
 * `pgd_offset`: the top entry that translates an address.
 *
 * Returns: undefined if the root does not translate the address or its table is not here. Where the root is below the
 * pgd (s390), the entry of the root table under its pgd name.
 */
export function pgdOffset<H extends HandleFamily>(arch: Arch<H>, root: Root, address: bigint): H['pgd'] | undefined {
  return arch.pgdOffset(root, address);
}
/** `p4d_offset`: {@link LevelOps.offset} of the pgd entry. */
export function p4dOffset<H extends HandleFamily>(arch: Arch<H>, pgdp: H['pgd'], address: bigint): H['p4d'] | undefined {
  return arch.ops.pgd.offset(pgdp, address);
}
/** `pud_offset`: {@link LevelOps.offset} of the p4d entry. */
export function pudOffset<H extends HandleFamily>(arch: Arch<H>, p4dp: H['p4d'], address: bigint): H['pud'] | undefined {
  return arch.ops.p4d.offset(p4dp, address);
}
/** `pmd_offset`: {@link LevelOps.offset} of the pud entry. */
export function pmdOffset<H extends HandleFamily>(arch: Arch<H>, pudp: H['pud'], address: bigint): H['pmd'] | undefined {
  return arch.ops.pud.offset(pudp, address);
}
/** `pte_offset`: {@link LevelOps.offset} of the pmd entry. */
export function pteOffset<H extends HandleFamily>(arch: Arch<H>, pmdp: H['pmd'], address: bigint): H['pte'] | undefined {
  return arch.ops.pmd.offset(pmdp, address);
}

/*
 * The same by a value that was read before: for readers without the lock, who must not read the entry again.
 */

/** `p4d_offset_lockless`: {@link LevelOps.offsetLockless} of a pgd entry. */
export function p4dOffsetLockless<H extends HandleFamily>(arch: Arch<H>, pgdp: H['pgd'], pgd: EntryVal<'pgd'>, address: bigint): H['p4d'] | undefined {
  return arch.ops.pgd.offsetLockless(pgdp, pgd, address);
}
/** `pud_offset_lockless`: {@link LevelOps.offsetLockless} of a p4d entry. */
export function pudOffsetLockless<H extends HandleFamily>(arch: Arch<H>, p4dp: H['p4d'], p4d: EntryVal<'p4d'>, address: bigint): H['pud'] | undefined {
  return arch.ops.p4d.offsetLockless(p4dp, p4d, address);
}
/** `pmd_offset_lockless`: {@link LevelOps.offsetLockless} of a pud entry. */
export function pmdOffsetLockless<H extends HandleFamily>(arch: Arch<H>, pudp: H['pud'], pud: EntryVal<'pud'>, address: bigint): H['pmd'] | undefined {
  return arch.ops.pud.offsetLockless(pudp, pud, address);
}
/** `__pte_map`: {@link LevelOps.offsetLockless} of a pmd entry. */
export function pteOffsetLockless<H extends HandleFamily>(arch: Arch<H>, pmdp: H['pmd'], pmd: EntryVal<'pmd'>, address: bigint): H['pte'] | undefined {
  return arch.ops.pmd.offsetLockless(pmdp, pmd, address);
}
