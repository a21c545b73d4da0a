import type { Arch, Root } from './contract.js';
import type { HandleFamily } from './handles.js';
import type { P4dVal, PgdVal, PmdVal, PteVal, PudVal } from './values.js';

/*
 * The kernel's accessors by the kernel's names (include/linux/pgtable.h, Linux 6.12); get_once and the hw_ names are those of
 * the proposal of opaque handles ("mm: opaque hardware page-table entry handles", June 2026). Each is the architecture's
 * own operation at one level, so an override at that level is seen by everyone.
 *
 * pXXpGet      plain: the read may be torn, elided or repeated. For readers that hold the lock of the table. (6.12's own
 *              ptep_get is single-copy atomic wherever a word holds an entry; the proposal separates the two.)
 * pXXpGetOnce  single-copy atomic, for readers without a lock.
 * pXXOffset    the entry at the next lower level. The same entry where one of the levels is folded; undefined where there is
 *              no table to look into: the entry is empty, a leaf, not present, or the table is not here. A handle may be the
 *              number 0 at run time, so compare with undefined; truth says nothing.
 */

export function ptepGet<H extends HandleFamily>(arch: Arch<H>, ptep: H['pte']): PteVal {
  return arch.ops.pte.get(ptep);
}
export function pmdpGet<H extends HandleFamily>(arch: Arch<H>, pmdp: H['pmd']): PmdVal {
  return arch.ops.pmd.get(pmdp);
}
export function pudpGet<H extends HandleFamily>(arch: Arch<H>, pudp: H['pud']): PudVal {
  return arch.ops.pud.get(pudp);
}
export function p4dpGet<H extends HandleFamily>(arch: Arch<H>, p4dp: H['p4d']): P4dVal {
  return arch.ops.p4d.get(p4dp);
}
export function pgdpGet<H extends HandleFamily>(arch: Arch<H>, pgdp: H['pgd']): PgdVal {
  return arch.ops.pgd.get(pgdp);
}

export function ptepGetOnce<H extends HandleFamily>(arch: Arch<H>, ptep: H['pte']): PteVal {
  return arch.ops.pte.getOnce(ptep);
}
export function pmdpGetOnce<H extends HandleFamily>(arch: Arch<H>, pmdp: H['pmd']): PmdVal {
  return arch.ops.pmd.getOnce(pmdp);
}
export function pudpGetOnce<H extends HandleFamily>(arch: Arch<H>, pudp: H['pud']): PudVal {
  return arch.ops.pud.getOnce(pudp);
}
export function p4dpGetOnce<H extends HandleFamily>(arch: Arch<H>, p4dp: H['p4d']): P4dVal {
  return arch.ops.p4d.getOnce(p4dp);
}
export function pgdpGetOnce<H extends HandleFamily>(arch: Arch<H>, pgdp: H['pgd']): PgdVal {
  return arch.ops.pgd.getOnce(pgdp);
}

/**
 * `pgd_offset`: the top entry that translates an address.
 *
 * Returns: undefined if the root does not translate the address or its table is not here. Where the root is below the
 * pgd (s390), the entry of the root table under its pgd name.
 */
export function pgdOffset<H extends HandleFamily>(arch: Arch<H>, root: Root, address: bigint): H['pgd'] | undefined {
  return arch.pgdOffset(root, address);
}
export function p4dOffset<H extends HandleFamily>(arch: Arch<H>, pgdp: H['pgd'], address: bigint): H['p4d'] | undefined {
  return arch.ops.pgd.offset(pgdp, address);
}
export function pudOffset<H extends HandleFamily>(arch: Arch<H>, p4dp: H['p4d'], address: bigint): H['pud'] | undefined {
  return arch.ops.p4d.offset(p4dp, address);
}
export function pmdOffset<H extends HandleFamily>(arch: Arch<H>, pudp: H['pud'], address: bigint): H['pmd'] | undefined {
  return arch.ops.pud.offset(pudp, address);
}
export function pteOffset<H extends HandleFamily>(arch: Arch<H>, pmdp: H['pmd'], address: bigint): H['pte'] | undefined {
  return arch.ops.pmd.offset(pmdp, address);
}

/** `hw_pte_next`: the handle of the next entry of the same table. */
export function hwPteNext<H extends HandleFamily>(arch: Arch<H>, ptep: H['pte']): H['pte'] {
  return arch.ops.pte.advance(ptep, 1);
}
/** `hw_pte_advance`: the handle `count` entries further on in the same table. */
export function hwPteAdvance<H extends HandleFamily>(arch: Arch<H>, ptep: H['pte'], count: number): H['pte'] {
  return arch.ops.pte.advance(ptep, count);
}
