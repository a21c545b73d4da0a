import type { Arch } from '../contract.js';
import type { HandleFamily } from '../handles.js';
import type { P4dVal, PgdVal, PmdVal, PteVal, PudVal } from '../values.js';

/*
 * Reading one entry. Three ways, for three situations (include/linux/pgtable.h, Linux 6.12; get_once is of the proposal of opaque
 * handles, "mm: opaque hardware page-table entry handles", June 2026):
 *
 * pXXpGet          plain: the read may be torn, elided or repeated. For readers that hold the lock of the table. (6.12's own ptep_get is
 *                  single-copy atomic wherever a word holds an entry; the proposal separates the two.)
 * pXXpGetOnce      single-copy atomic, for readers without a lock.
 * pXXpGetLockless  for readers without a lock that want what pXXpGet says: where several entries map a page together, of all of them.
 */

/** `ptep_get`: {@link LevelOps.get}. */
export function ptepGet<H extends HandleFamily>(arch: Arch<H>, ptep: H['pte']): PteVal {
  return arch.ops.pte.get(ptep);
}
/** `pmdp_get`: {@link LevelOps.get}. */
export function pmdpGet<H extends HandleFamily>(arch: Arch<H>, pmdp: H['pmd']): PmdVal {
  return arch.ops.pmd.get(pmdp);
}
/** `pudp_get`: {@link LevelOps.get}. */
export function pudpGet<H extends HandleFamily>(arch: Arch<H>, pudp: H['pud']): PudVal {
  return arch.ops.pud.get(pudp);
}
/** `p4dp_get`: {@link LevelOps.get}. */
export function p4dpGet<H extends HandleFamily>(arch: Arch<H>, p4dp: H['p4d']): P4dVal {
  return arch.ops.p4d.get(p4dp);
}
/** `pgdp_get`: {@link LevelOps.get}. */
export function pgdpGet<H extends HandleFamily>(arch: Arch<H>, pgdp: H['pgd']): PgdVal {
  return arch.ops.pgd.get(pgdp);
}
/** `ptep_get_once`: {@link LevelOps.getOnce}. */
export function ptepGetOnce<H extends HandleFamily>(arch: Arch<H>, ptep: H['pte']): PteVal {
  return arch.ops.pte.getOnce(ptep);
}
/** `pmdp_get_once`: {@link LevelOps.getOnce}. */
export function pmdpGetOnce<H extends HandleFamily>(arch: Arch<H>, pmdp: H['pmd']): PmdVal {
  return arch.ops.pmd.getOnce(pmdp);
}
/** `pudp_get_once`: {@link LevelOps.getOnce}. */
export function pudpGetOnce<H extends HandleFamily>(arch: Arch<H>, pudp: H['pud']): PudVal {
  return arch.ops.pud.getOnce(pudp);
}
/** `p4dp_get_once`: {@link LevelOps.getOnce}. */
export function p4dpGetOnce<H extends HandleFamily>(arch: Arch<H>, p4dp: H['p4d']): P4dVal {
  return arch.ops.p4d.getOnce(p4dp);
}
/** `pgdp_get_once`: {@link LevelOps.getOnce}. */
export function pgdpGetOnce<H extends HandleFamily>(arch: Arch<H>, pgdp: H['pgd']): PgdVal {
  return arch.ops.pgd.getOnce(pgdp);
}
/** `ptep_get_lockless`: {@link LevelOps.getLockless}. */
export function ptepGetLockless<H extends HandleFamily>(arch: Arch<H>, ptep: H['pte']): PteVal {
  return arch.ops.pte.getLockless(ptep);
}
/** `pmdp_get_lockless`: {@link LevelOps.getLockless}. */
export function pmdpGetLockless<H extends HandleFamily>(arch: Arch<H>, pmdp: H['pmd']): PmdVal {
  return arch.ops.pmd.getLockless(pmdp);
}
