import type { FlushPromise, MmContext } from '../flush.js';
import type { HandleFamily } from '../handles.js';
import type { WritableArch } from '../writable.js';

/* Making entries old, so that the next access is noticed. */

/** `ptep_test_and_clear_young`: {@link WritableOps.testAndClearYoung} of one entry. */
export function ptepTestAndClearYoung<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, ptep: H['pte']): FlushPromise<boolean> {
  return arch.ops.pte.testAndClearYoung(mm, address, ptep, 1);
}
/** `pmdp_test_and_clear_young`: {@link WritableOps.testAndClearYoung} of one entry. */
export function pmdpTestAndClearYoung<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pmdp: H['pmd']): FlushPromise<boolean> {
  return arch.ops.pmd.testAndClearYoung(mm, address, pmdp, 1);
}
/** `pudp_test_and_clear_young`: {@link WritableOps.testAndClearYoung} of one entry. */
export function pudpTestAndClearYoung<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pudp: H['pud']): FlushPromise<boolean> {
  return arch.ops.pud.testAndClearYoung(mm, address, pudp, 1);
}
/** `ptep_clear_flush_young`: {@link WritableOps.testAndClearYoung} of one entry, flushed. Returns: whether it was young. */
export function ptepClearFlushYoung<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, ptep: H['pte']): boolean {
  return arch.ops.pte.testAndClearYoung(mm, address, ptep, 1).flush();
}
/** `pmdp_clear_flush_young`: {@link WritableOps.testAndClearYoung} of one entry, flushed. Returns: whether it was young. */
export function pmdpClearFlushYoung<H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, pmdp: H['pmd']): boolean {
  return arch.ops.pmd.testAndClearYoung(mm, address, pmdp, 1).flush();
}
