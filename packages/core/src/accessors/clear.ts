import type { FlushPromise, MmContext } from '../flush.js';
import type { HandleFamily } from '../handles.js';
import type { PmdVal, PteVal, PudVal } from '../values.js';
import type { WritableArch } from '../writable.js';

/*
 * Taking entries out: what remains is empty. A table is taken out with pmdUnlink and its siblings, which say what becomes of it.
 */

/** `pte_clear`: {@link WritableOps.clear} of one entry. */
export function pteClear<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, ptep: H['pte']): FlushPromise<void> {
  return arch.ops.pte.clear(mm, address, ptep, 1);
}
/** `clear_full_ptes`, `clear_not_present_full_ptes`: {@link WritableOps.clear} of `count` entries. */
export function clearFullPtes<H extends HandleFamily>(
  arch: WritableArch<H>, mm: MmContext, address: bigint, ptep: H['pte'], count: number,
): FlushPromise<void> {
  return arch.ops.pte.clear(mm, address, ptep, count);
}
/** `pmd_clear`: {@link WritableOps.clear} of one entry. The table below, if there is one, is lost to the caller: pmdUnlink keeps it. */
export function pmdClear<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pmdp: H['pmd']): FlushPromise<void> {
  return arch.ops.pmd.clear(mm, address, pmdp, 1);
}
/** `pud_clear`: {@link WritableOps.clear} of one entry. The table below, if there is one, is lost to the caller: pudUnlink keeps it. */
export function pudClear<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pudp: H['pud']): FlushPromise<void> {
  return arch.ops.pud.clear(mm, address, pudp, 1);
}
/** `p4d_clear`: {@link WritableOps.clear} of one entry. The table below, if there is one, is lost to the caller: p4dUnlink keeps it. */
export function p4dClear<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, p4dp: H['p4d']): FlushPromise<void> {
  return arch.ops.p4d.clear(mm, address, p4dp, 1);
}
/** `pgd_clear`: {@link WritableOps.clear} of one entry. The table below, if there is one, is lost to the caller: pgdUnlink keeps it. */
export function pgdClear<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pgdp: H['pgd']): FlushPromise<void> {
  return arch.ops.pgd.clear(mm, address, pgdp, 1);
}
/** `ptep_get_and_clear`: {@link WritableOps.getAndClear}. */
export function ptepGetAndClear<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, ptep: H['pte']): FlushPromise<PteVal> {
  return arch.ops.pte.getAndClear(mm, address, ptep);
}
/** `pmdp_get_and_clear`: {@link WritableOps.getAndClear}. */
export function pmdpGetAndClear<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pmdp: H['pmd']): FlushPromise<PmdVal> {
  return arch.ops.pmd.getAndClear(mm, address, pmdp);
}
/** `pmdp_huge_get_and_clear`: {@link WritableOps.getAndClear}. */
export function pmdpHugeGetAndClear<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pmdp: H['pmd']): FlushPromise<PmdVal> {
  return arch.ops.pmd.getAndClear(mm, address, pmdp);
}
/** `pudp_get_and_clear`: {@link WritableOps.getAndClear}. */
export function pudpGetAndClear<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pudp: H['pud']): FlushPromise<PudVal> {
  return arch.ops.pud.getAndClear(mm, address, pudp);
}
/** `pudp_huge_get_and_clear`: {@link WritableOps.getAndClear}. */
export function pudpHugeGetAndClear<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pudp: H['pud']): FlushPromise<PudVal> {
  return arch.ops.pud.getAndClear(mm, address, pudp);
}
/** `get_and_clear_full_ptes`: {@link WritableOps.getAndClearFull}. */
export function getAndClearFullPtes<H extends HandleFamily>(
  arch: WritableArch<H>, mm: MmContext, address: bigint, ptep: H['pte'], count: number,
): FlushPromise<PteVal> {
  return arch.ops.pte.getAndClearFull(mm, address, ptep, count);
}
/** `ptep_clear_flush`: {@link WritableOps.getAndClear}, flushed. Returns: what the entry was. */
export function ptepClearFlush<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, ptep: H['pte']): PteVal {
  return arch.ops.pte.getAndClear(mm, address, ptep).flush();
}
/** `pmdp_huge_clear_flush`: {@link WritableOps.getAndClear}, flushed. Returns: what the entry was. */
export function pmdpHugeClearFlush<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pmdp: H['pmd']): PmdVal {
  return arch.ops.pmd.getAndClear(mm, address, pmdp).flush();
}
/** `pudp_huge_clear_flush`: {@link WritableOps.getAndClear}, flushed. Returns: what the entry was. */
export function pudpHugeClearFlush<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pudp: H['pud']): PudVal {
  return arch.ops.pud.getAndClear(mm, address, pudp).flush();
}
