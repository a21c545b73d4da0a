import type { MmContext } from '../flush.js';
import type { HandleFamily } from '../handles.js';
import type { P4dVal, PgdVal, PmdVal, PteVal, PudVal } from '../values.js';
import type { WritableArch } from '../writable.js';

/*
 * Writing entries that are not valid now, so that nothing needs a flush: {@link WritableOps.set}. What the hardware may be using is changed
 * with pmdpEstablish and the accessors that take an entry out or change marks of it.
 *
 * The kernel's set_pte and its siblings have no address: they are what set_ptes is made of. Here both have one, for whoever watches.
 */

/** `set_pte`: {@link WritableOps.set} of one entry. */
export function setPte<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, ptep: H['pte'], pte: PteVal): void {
  arch.ops.pte.set(mm, address, ptep, pte, 1);
}
/** `set_pmd`: {@link WritableOps.set} of one entry. */
export function setPmd<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pmdp: H['pmd'], pmd: PmdVal): void {
  arch.ops.pmd.set(mm, address, pmdp, pmd, 1);
}
/** `set_pud`: {@link WritableOps.set} of one entry. */
export function setPud<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pudp: H['pud'], pud: PudVal): void {
  arch.ops.pud.set(mm, address, pudp, pud, 1);
}
/** `set_p4d`: {@link WritableOps.set} of one entry. */
export function setP4d<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, p4dp: H['p4d'], p4d: P4dVal): void {
  arch.ops.p4d.set(mm, address, p4dp, p4d, 1);
}
/** `set_pgd`: {@link WritableOps.set} of one entry. */
export function setPgd<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pgdp: H['pgd'], pgd: PgdVal): void {
  arch.ops.pgd.set(mm, address, pgdp, pgd, 1);
}
/** `set_pte_at`: {@link WritableOps.set} of one entry. */
export function setPteAt<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, ptep: H['pte'], pte: PteVal): void {
  arch.ops.pte.set(mm, address, ptep, pte, 1);
}
/** `set_pmd_at`: {@link WritableOps.set} of one entry. */
export function setPmdAt<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pmdp: H['pmd'], pmd: PmdVal): void {
  arch.ops.pmd.set(mm, address, pmdp, pmd, 1);
}
/** `set_pud_at`: {@link WritableOps.set} of one entry. */
export function setPudAt<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pudp: H['pud'], pud: PudVal): void {
  arch.ops.pud.set(mm, address, pudp, pud, 1);
}
/** `set_ptes`: {@link WritableOps.set} of `count` entries that map consecutive pages. */
export function setPtes<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, ptep: H['pte'], pte: PteVal, count: number): void {
  arch.ops.pte.set(mm, address, ptep, pte, count);
}
