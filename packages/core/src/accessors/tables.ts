import type { FlushPromise, MmContext } from '../flush.js';
import type { HandleFamily } from '../handles.js';
import type { UnlinkedTable } from '../unlinked-table.js';
import type { WritableArch } from '../writable.js';

/*
 * Making a table live and taking it out: docs/live.md says what live means. Whose addresses the table translates, users' (pmd_populate) or the
 * kernel's (pmd_populate_kernel), is what {@link MmContext.user} says.
 */

/** `pmd_populate`: {@link WritableOps.populate}. */
export function pmdPopulate<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pmdp: H['pmd'], table: UnlinkedTable<H>): void {
  arch.ops.pmd.populate(mm, address, pmdp, table);
}
/** `pud_populate`: {@link WritableOps.populate}. */
export function pudPopulate<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pudp: H['pud'], table: UnlinkedTable<H>): void {
  arch.ops.pud.populate(mm, address, pudp, table);
}
/** `p4d_populate`: {@link WritableOps.populate}. */
export function p4dPopulate<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, p4dp: H['p4d'], table: UnlinkedTable<H>): void {
  arch.ops.p4d.populate(mm, address, p4dp, table);
}
/** `pgd_populate`: {@link WritableOps.populate}. */
export function pgdPopulate<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pgdp: H['pgd'], table: UnlinkedTable<H>): void {
  arch.ops.pgd.populate(mm, address, pgdp, table);
}
/** `pmd_clear` and `pte_free_tlb`: {@link WritableOps.unlink}. */
export function pmdUnlink<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pmdp: H['pmd']): FlushPromise<UnlinkedTable<H>> {
  return arch.ops.pmd.unlink(mm, address, pmdp);
}
/** `pud_clear` and `pmd_free_tlb`: {@link WritableOps.unlink}. */
export function pudUnlink<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pudp: H['pud']): FlushPromise<UnlinkedTable<H>> {
  return arch.ops.pud.unlink(mm, address, pudp);
}
/** `p4d_clear` and `pud_free_tlb`: {@link WritableOps.unlink}. */
export function p4dUnlink<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, p4dp: H['p4d']): FlushPromise<UnlinkedTable<H>> {
  return arch.ops.p4d.unlink(mm, address, p4dp);
}
/** `pgd_clear` and `p4d_free_tlb`: {@link WritableOps.unlink}. */
export function pgdUnlink<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pgdp: H['pgd']): FlushPromise<UnlinkedTable<H>> {
  return arch.ops.pgd.unlink(mm, address, pgdp);
}
/** `pmdp_collapse_flush`: {@link WritableOps.unlink}, flushed. Returns: the table, which readers without a lock may still be in. */
export function pmdpCollapseFlush<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pmdp: H['pmd']): UnlinkedTable<H> {
  return arch.ops.pmd.unlink(mm, address, pmdp).flush();
}
