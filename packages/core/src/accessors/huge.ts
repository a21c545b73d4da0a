import type { FlushPromise, MmContext } from '../flush.js';
import type { HandleFamily } from '../handles.js';
import type { Level } from '../levels.js';
import type { EntryVal } from '../values.js';
import type { WritableArch } from '../writable.js';
import type { ValueArch } from './value-arch.js';

/*
 * HugeTLB: pages of every size that one leaf, or one group of leaves, maps. The kernel says all of it of a `pte_t *` and a size (`sz`), whatever the
 * level is; here the level is named, so that value and handle keep theirs, and the size is a {@link HugePage}'s `count` of entries.
 */

/** `set_huge_pte_at`: {@link WritableOps.hugeSet}. */
export function setHugePteAt<H extends HandleFamily, L extends Level>(
  arch: WritableArch<H>, mm: MmContext, address: bigint, level: L, entry: H[L], value: EntryVal<NoInfer<L>>, count: number,
): void {
  arch.ops[level].hugeSet(mm, address, entry, value, count);
}
/** `huge_ptep_get`: {@link WritableOps.hugeGet}. */
export function hugePtepGet<H extends HandleFamily, L extends Level>(arch: WritableArch<H>, level: L, entry: H[L], count: number): EntryVal<L> {
  return arch.ops[level].hugeGet(entry, count);
}
/** `huge_ptep_get_and_clear`: {@link WritableOps.hugeGetAndClear}. */
export function hugePtepGetAndClear<H extends HandleFamily, L extends Level>(
  arch: WritableArch<H>, mm: MmContext, address: bigint, level: L, entry: H[L], count: number,
): FlushPromise<EntryVal<L>> {
  return arch.ops[level].hugeGetAndClear(mm, address, entry, count);
}
/** `huge_ptep_clear_flush`: {@link WritableOps.hugeGetAndClear}, flushed. Returns: what it was. */
export function hugePtepClearFlush<H extends HandleFamily, L extends Level>(
  arch: WritableArch<H>, mm: MmContext, address: bigint, level: L, entry: H[L], count: number,
): EntryVal<L> {
  return arch.ops[level].hugeGetAndClear(mm, address, entry, count).flush();
}
/** `huge_ptep_set_wrprotect`: {@link WritableOps.hugeWrprotect}. */
export function hugePtepSetWrprotect<H extends HandleFamily, L extends Level>(
  arch: WritableArch<H>, mm: MmContext, address: bigint, level: L, entry: H[L], count: number,
): FlushPromise<void> {
  return arch.ops[level].hugeWrprotect(mm, address, entry, count);
}
/** `huge_ptep_set_access_flags`: {@link WritableOps.hugeSetAccessFlags}. */
export function hugePtepSetAccessFlags<H extends HandleFamily, L extends Level>(
  arch: WritableArch<H>, mm: MmContext, address: bigint, level: L, entry: H[L], value: EntryVal<NoInfer<L>>, count: number,
): FlushPromise<boolean> {
  return arch.ops[level].hugeSetAccessFlags(mm, address, entry, value, count);
}
/** `arch_make_huge_pte`: {@link EntryValues.mkgroup}. */
export function archMakeHugePte<L extends Level>(arch: ValueArch, level: L, value: EntryVal<NoInfer<L>>, count: number): EntryVal<L> {
  return arch.values[level].mkgroup(value, count);
}
