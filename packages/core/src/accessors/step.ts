import type { Arch } from '../contract.js';
import type { HandleFamily } from '../handles.js';
import type { WritableArch } from '../writable.js';

/*
 * From an entry to its neighbours of the same table: what `ptep++`, `ptep + nr`, `a - b` and `a == b` are for pointers. The hw_ names are those
 * of the proposal of opaque handles ("mm: opaque hardware page-table entry handles", June 2026).
 */

/** `hw_pte_next`: the handle of the next entry of the same table. */
export function hwPteNext<H extends HandleFamily>(arch: Arch<H>, ptep: H['pte']): H['pte'] {
  return arch.ops.pte.advance(ptep, 1);
}
/** `hw_pmd_next`: the handle of the next entry of the same table. */
export function hwPmdNext<H extends HandleFamily>(arch: Arch<H>, pmdp: H['pmd']): H['pmd'] {
  return arch.ops.pmd.advance(pmdp, 1);
}
/** `hw_pud_next`: the handle of the next entry of the same table. */
export function hwPudNext<H extends HandleFamily>(arch: Arch<H>, pudp: H['pud']): H['pud'] {
  return arch.ops.pud.advance(pudp, 1);
}
/** `hw_p4d_next`: the handle of the next entry of the same table. */
export function hwP4dNext<H extends HandleFamily>(arch: Arch<H>, p4dp: H['p4d']): H['p4d'] {
  return arch.ops.p4d.advance(p4dp, 1);
}
/** `hw_pgd_next`: the handle of the next entry of the same table. */
export function hwPgdNext<H extends HandleFamily>(arch: Arch<H>, pgdp: H['pgd']): H['pgd'] {
  return arch.ops.pgd.advance(pgdp, 1);
}
/** `hw_pte_advance`: the handle `count` entries further on in the same table; `count` may be negative. */
export function hwPteAdvance<H extends HandleFamily>(arch: Arch<H>, ptep: H['pte'], count: number): H['pte'] {
  return arch.ops.pte.advance(ptep, count);
}
/** `hw_pmd_advance`: the handle `count` entries further on in the same table; `count` may be negative. */
export function hwPmdAdvance<H extends HandleFamily>(arch: Arch<H>, pmdp: H['pmd'], count: number): H['pmd'] {
  return arch.ops.pmd.advance(pmdp, count);
}
/** `hw_pud_advance`: the handle `count` entries further on in the same table; `count` may be negative. */
export function hwPudAdvance<H extends HandleFamily>(arch: Arch<H>, pudp: H['pud'], count: number): H['pud'] {
  return arch.ops.pud.advance(pudp, count);
}
/** `hw_p4d_advance`: the handle `count` entries further on in the same table; `count` may be negative. */
export function hwP4dAdvance<H extends HandleFamily>(arch: Arch<H>, p4dp: H['p4d'], count: number): H['p4d'] {
  return arch.ops.p4d.advance(p4dp, count);
}
/** `hw_pgd_advance`: the handle `count` entries further on in the same table; `count` may be negative. */
export function hwPgdAdvance<H extends HandleFamily>(arch: Arch<H>, pgdp: H['pgd'], count: number): H['pgd'] {
  return arch.ops.pgd.advance(pgdp, count);
}
/** The number of entries from `a` to `b` of the same table: {@link WritableOps.distance}. */
export function hwPteDistance<H extends HandleFamily>(arch: WritableArch<H>, a: H['pte'], b: H['pte']): number {
  return arch.ops.pte.distance(a, b);
}
/** The number of entries from `a` to `b` of the same table: {@link WritableOps.distance}. */
export function hwPmdDistance<H extends HandleFamily>(arch: WritableArch<H>, a: H['pmd'], b: H['pmd']): number {
  return arch.ops.pmd.distance(a, b);
}
/** The number of entries from `a` to `b` of the same table: {@link WritableOps.distance}. */
export function hwPudDistance<H extends HandleFamily>(arch: WritableArch<H>, a: H['pud'], b: H['pud']): number {
  return arch.ops.pud.distance(a, b);
}
/** The number of entries from `a` to `b` of the same table: {@link WritableOps.distance}. */
export function hwP4dDistance<H extends HandleFamily>(arch: WritableArch<H>, a: H['p4d'], b: H['p4d']): number {
  return arch.ops.p4d.distance(a, b);
}
/** The number of entries from `a` to `b` of the same table: {@link WritableOps.distance}. */
export function hwPgdDistance<H extends HandleFamily>(arch: WritableArch<H>, a: H['pgd'], b: H['pgd']): number {
  return arch.ops.pgd.distance(a, b);
}
/** Whether two handles of one table stand for the same entry. Handles that are objects may differ and still do. */
export function hwPteSame<H extends HandleFamily>(arch: WritableArch<H>, a: H['pte'], b: H['pte']): boolean {
  return arch.ops.pte.distance(a, b) === 0;
}
/** Whether two handles of one table stand for the same entry. Handles that are objects may differ and still do. */
export function hwPmdSame<H extends HandleFamily>(arch: WritableArch<H>, a: H['pmd'], b: H['pmd']): boolean {
  return arch.ops.pmd.distance(a, b) === 0;
}
/** Whether two handles of one table stand for the same entry. Handles that are objects may differ and still do. */
export function hwPudSame<H extends HandleFamily>(arch: WritableArch<H>, a: H['pud'], b: H['pud']): boolean {
  return arch.ops.pud.distance(a, b) === 0;
}
/** Whether two handles of one table stand for the same entry. Handles that are objects may differ and still do. */
export function hwP4dSame<H extends HandleFamily>(arch: WritableArch<H>, a: H['p4d'], b: H['p4d']): boolean {
  return arch.ops.p4d.distance(a, b) === 0;
}
/** Whether two handles of one table stand for the same entry. Handles that are objects may differ and still do. */
export function hwPgdSame<H extends HandleFamily>(arch: WritableArch<H>, a: H['pgd'], b: H['pgd']): boolean {
  return arch.ops.pgd.distance(a, b) === 0;
}
