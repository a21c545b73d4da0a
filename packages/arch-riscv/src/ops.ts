import { LOW_WORD, type EntryVal, type FlushPromise, type Level, type MmContext, type TableHandles } from '@pgtable/core';
import { TableLevelOps, type LevelTable, type TableOpsContext } from '@pgtable/core/arch';
import { A_LO, D_LO, V_LO, W_LO } from './bits.js';
import { NAPOT_ENTRIES, type RiscvValues, type RiscvValueTable } from './values.js';

/** {@link TableOpsContext} with the values of this architecture. */
export interface RiscvOpsContext extends TableOpsContext {
  readonly values: RiscvValueTable;
}

/**
 * The generic accessors, with loops over words, and with the rule for Svnapot groups: a group is made invalid and flushed before
 * any of its entries changes, for if its entries differ, the processor may take any of them (Privileged Architecture, "Svnapot";
 * arch/riscv/mm/hugetlbpage.c of Linux 6.12). Those operations flush by themselves.
 */
export class RiscvLevelOps<H extends TableHandles, L extends Level> extends TableLevelOps<H, L> {
  private readonly own: RiscvValues<L>;

  constructor(level: L, context: RiscvOpsContext, all: LevelTable<H>) {
    super(level, context, all);
    this.own = context.values[level];
  }

  /** A Svnapot value is written to each entry of its group as it is, and what follows is the next group. */
  override set(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, count: number): void {
    if (count <= NAPOT_ENTRIES || !this.isGroup(value)) {
      super.set(mm, address, entry, value, count);
      return;
    }
    for (let done = 0; done < count; done += NAPOT_ENTRIES) {
      const next = this.own.advancePfn(value, done);
      super.set(mm, address + BigInt(done) * this.bytes, this.advance(entry, done), next, Math.min(NAPOT_ENTRIES, count - done));
    }
  }

  /** What was in a group goes, and is flushed even if it was empty: the flush of whoever emptied it may still be owed. */
  override hugeSet(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, count: number): void {
    if (count > 1 && this.isGroup(value)) this.takeGroup(mm, address, entry, count);
    super.hugeSet(mm, address, entry, value, count);
  }

  override hugeWrprotect(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void> {
    if (count === 1 || !this.isGroup(this.load(entry))) return super.hugeWrprotect(mm, address, entry, count);
    const old = this.takeGroup(mm, address, entry, count);
    this.set(mm, address, entry, this.own.wrprotect(old), count);
    return this.promise(mm, undefined, address, count, false);
  }

  override hugeSetAccessFlags(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, count: number): FlushPromise<boolean> {
    if (count === 1 || !this.isGroup(this.load(entry))) return super.hugeSetAccessFlags(mm, address, entry, value, count);
    let changes = false;
    for (let at = 0; at < count && !changes; at++) {
      const now = this.load(this.advance(entry, at));
      changes = this.withFlagsOf(now, value) !== now;
    }
    if (changes) {
      const old = this.takeGroup(mm, address, entry, count);
      this.set(mm, address, entry, this.withFlagsOf(old, value), count);
    }
    return this.promise(mm, changes, address, count, false);
  }

  protected override wrprotectRun(index: number, count: number): boolean {
    return wrprotectWords(this.tables.words, index, count, this.stride, this.own.presentLo);
  }

  /** A and D of all entries that are present; in swap entries the same bits mean something else. */
  protected override gatherRun(index: number, count: number): EntryVal<L> {
    const { words } = this.tables;
    const first = words[this.stride === 1 ? index : index * 2 + LOW_WORD]!;
    const adds = gatherWords(words, index, count, this.stride, this.own.presentLo) & ~first;
    return adds === 0 ? this.own.empty : this.value(BigInt(V_LO | adds));
  }

  /** Whether a value is of a Svnapot group that the kernel sees. */
  private isGroup(value: EntryVal<L>): boolean {
    return this.own.napot(value) && this.own.present(value);
  }

  /** `get_clear_contig_flush`: empties a group, so that no translation of it is left. Returns: its value, young and dirty if any of it was. */
  private takeGroup(mm: MmContext, address: bigint, entry: H[L], count: number): EntryVal<L> {
    const old = this.getAndClearFull(mm, address, entry, count).ignore('the whole group is flushed next');
    return this.promise(mm, old, address, count, true).flush();
  }
}

// The loops over words. Four entries at a time, and masks as locals: a constant of another module, and the `var` that a bundler makes of a constant, is loaded and
// checked again for each entry, which makes them twice as slow. `| 0` has V8 know that all is int32.

function wrprotectWords(words: Int32Array, index: number, count: number, stride: 1 | 2, presentLo: number): boolean {
  const low = (stride === 1 ? 0 : LOW_WORD) | 0;
  const keep = ~W_LO;
  const step = (stride * 4) | 0;
  const end = ((index + count) * stride + low) | 0;
  let at = (index * stride + low) | 0;
  let stale = 0;
  for (; at < end - step + stride; at = (at + step) | 0) {
    stale |= wrprotectAt(words, at, presentLo, keep) | wrprotectAt(words, (at + stride) | 0, presentLo, keep)
      | wrprotectAt(words, (at + stride * 2) | 0, presentLo, keep) | wrprotectAt(words, (at + stride * 3) | 0, presentLo, keep);
  }
  for (; at < end; at = (at + stride) | 0) stale |= wrprotectAt(words, at, presentLo, keep);
  return (stale & V_LO) !== 0;
}

/** Returns: V if the entry was valid and writable; other bits mean nothing. */
function wrprotectAt(words: Int32Array, at: number, presentLo: number, keep: number): number {
  const lo = words[at]!;
  if ((lo & presentLo) === 0) return 0;
  words[at] = lo & keep;
  // W stands two bits above V.
  return lo & (lo >>> 2);
}

/** A and D of all entries that are present. */
function gatherWords(words: Int32Array, index: number, count: number, stride: 1 | 2, presentLo: number): number {
  const low = (stride === 1 ? 0 : LOW_WORD) | 0;
  const third = (stride * 2) | 0;
  const fourth = (stride * 3) | 0;
  const step = (stride * 4) | 0;
  const end = ((index + count) * stride + low) | 0;
  const last = (end - fourth) | 0;
  let at = (index * stride + low) | 0;
  let notes = 0;
  for (; at < last; at = (at + step) | 0) {
    const a = words[at]!;
    const b = words[(at + stride) | 0]!;
    const c = words[(at + third) | 0]!;
    const d = words[(at + fourth) | 0]!;
    notes |= ifPresent(a, presentLo) | ifPresent(b, presentLo) | ifPresent(c, presentLo) | ifPresent(d, presentLo);
  }
  for (; at < end; at = (at + stride) | 0) notes |= ifPresent(words[at]!, presentLo);
  return notes & (A_LO | D_LO);
}

function ifPresent(lo: number, presentLo: number): number {
  return (lo & presentLo) === 0 ? 0 : lo;
}
