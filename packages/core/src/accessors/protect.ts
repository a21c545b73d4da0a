import type { FlushPromise, MmContext } from '../flush.js';
import type { HandleFamily } from '../handles.js';
import type { PmdVal, PteVal, PudVal } from '../values.js';
import type { WritableArch } from '../writable.js';

/* Changing what a live entry allows. */

/** `ptep_set_wrprotect`: {@link WritableOps.wrprotect} of one entry. */
export function ptepSetWrprotect<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, ptep: H['pte']): FlushPromise<void> {
  return arch.ops.pte.wrprotect(mm, address, ptep, 1);
}
/** `pmdp_set_wrprotect`: {@link WritableOps.wrprotect} of one entry. */
export function pmdpSetWrprotect<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pmdp: H['pmd']): FlushPromise<void> {
  return arch.ops.pmd.wrprotect(mm, address, pmdp, 1);
}
/** `pudp_set_wrprotect`: {@link WritableOps.wrprotect} of one entry. */
export function pudpSetWrprotect<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pudp: H['pud']): FlushPromise<void> {
  return arch.ops.pud.wrprotect(mm, address, pudp, 1);
}
/** `wrprotect_ptes`: {@link WritableOps.wrprotect} of `count` entries. */
export function wrprotectPtes<H extends HandleFamily>(
  arch: WritableArch<H>, mm: MmContext, address: bigint, ptep: H['pte'], count: number,
): FlushPromise<void> {
  return arch.ops.pte.wrprotect(mm, address, ptep, count);
}
/** `ptep_set_access_flags`: {@link WritableOps.setAccessFlags}. */
export function ptepSetAccessFlags<H extends HandleFamily>(
  arch: WritableArch<H>, mm: MmContext, address: bigint, ptep: H['pte'], pte: PteVal,
): FlushPromise<boolean> {
  return arch.ops.pte.setAccessFlags(mm, address, ptep, pte);
}
/** `pmdp_set_access_flags`: {@link WritableOps.setAccessFlags}. */
export function pmdpSetAccessFlags<H extends HandleFamily>(
  arch: WritableArch<H>, mm: MmContext, address: bigint, pmdp: H['pmd'], pmd: PmdVal,
): FlushPromise<boolean> {
  return arch.ops.pmd.setAccessFlags(mm, address, pmdp, pmd);
}
/** `pudp_set_access_flags`: {@link WritableOps.setAccessFlags}. */
export function pudpSetAccessFlags<H extends HandleFamily>(
  arch: WritableArch<H>, mm: MmContext, address: bigint, pudp: H['pud'], pud: PudVal,
): FlushPromise<boolean> {
  return arch.ops.pud.setAccessFlags(mm, address, pudp, pud);
}
/** `ptep_modify_prot_start`: {@link WritableOps.modifyProtStart}. */
export function ptepModifyProtStart<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, ptep: H['pte']): PteVal {
  return arch.ops.pte.modifyProtStart(mm, address, ptep);
}
/** `ptep_modify_prot_commit`: {@link WritableOps.modifyProtCommit}. */
export function ptepModifyProtCommit<H extends HandleFamily>(
  arch: WritableArch<H>, mm: MmContext, address: bigint, ptep: H['pte'], old: PteVal, pte: PteVal,
): FlushPromise<void> {
  return arch.ops.pte.modifyProtCommit(mm, address, ptep, old, pte);
}
/** `pmdp_establish`: {@link WritableOps.establish}. */
export function pmdpEstablish<H extends HandleFamily>(
  arch: WritableArch<H>, mm: MmContext, address: bigint, pmdp: H['pmd'], pmd: PmdVal,
): FlushPromise<PmdVal> {
  return arch.ops.pmd.establish(mm, address, pmdp, pmd);
}
/** `pudp_establish`: {@link WritableOps.establish}. */
export function pudpEstablish<H extends HandleFamily>(
  arch: WritableArch<H>, mm: MmContext, address: bigint, pudp: H['pud'], pud: PudVal,
): FlushPromise<PudVal> {
  return arch.ops.pud.establish(mm, address, pudp, pud);
}
/** `pmdp_invalidate`: takes a present leaf from the hardware, and flushes; the kernel still sees it as present. Returns: what it was. */
export function pmdpInvalidate<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pmdp: H['pmd']): PmdVal {
  const invalid = arch.values.pmd.mkinvalid(arch.ops.pmd.get(pmdp));
  return arch.ops.pmd.establish(mm, address, pmdp, invalid).flush();
}
/** `pudp_invalidate`: takes a present leaf from the hardware, and flushes; the kernel still sees it as present. Returns: what it was. */
export function pudpInvalidate<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pudp: H['pud']): PudVal {
  const invalid = arch.values.pud.mkinvalid(arch.ops.pud.get(pudp));
  return arch.ops.pud.establish(mm, address, pudp, invalid).flush();
}
