import { entryVal, HIGH_WORD, LOW_WORD, type BatchIgnore, type EntryVal, type FlushPromise, type Level, type MmContext, type TableHandles } from '@pgtable/core';
import { handleAt, indexOf, TableLevelOps, type LevelTable, type TableOpsContext } from '@pgtable/core/arch';
import { contiguousEntries } from './attributes.js';
import { AF_LO, CONT_HI, DBM_HI, DIRTY_HI, NG_LO, RDONLY_LO, VALID_LO } from './bits.js';
import type { ResolvedConfig } from './config.js';
import { CONT, hasPresentInvalid } from './values.js';

/**
 * How often a reader without a lock looks again at a contiguous block that is not of one piece, in memory that other threads can write and in
 * memory of this thread. A writer needs a few stores to make a block whole; what is still torn then was never whole (a damaged table, or a dump of
 * a running machine), and its entries stand for themselves.
 */
const LOCKLESS_TRIES = { shared: 10_000, own: 8 } as const;

/** Dirty, beside AF in one word: a bit that gathering has no other use for. */
const NOTED_DIRTY = VALID_LO;

/**
 * The accessors of one level: Linux's private ones (`__set_ptes` and its siblings), which take the contiguous bit as they find it, and HugeTLB's
 * (arch/arm64/mm/hugetlbpage.c, 6.12).
 *
 * A contiguous group is changed as a whole: taken out, flushed, written anew. The young and dirty marks of its entries are one mark.
 */
export class Arm64LevelOps<H extends TableHandles, L extends Level> extends TableLevelOps<H, L> {
  /** Bit 11 makes an entry that is not valid present; before 6.10 the bits are in the high word, and there are no loops over words. */
  private readonly loops: boolean;

  constructor(level: L, config: ResolvedConfig, context: TableOpsContext, all: LevelTable<H>) {
    super(level, context, all);
    this.loops = hasPresentInvalid(config);
  }

  /** A present group is broken before it is made, whatever stood there. */
  override hugeSet(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, count: number): void {
    if (count > 1 && this.values.present(value)) this.takeGroup(mm, address, entry, count);
    super.set(mm, address, entry, value, count);
  }

  /** With the contiguous bit of a group, so that {@link hugeSet} takes it back. */
  override hugeGet(entry: H[L], count: number): EntryVal<L> {
    const first = this.load(entry);
    return this.values.present(first) ? this.withNotesOfGroup(first, entry, count) : first;
  }

  override hugeGetAndClear(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<EntryVal<L>> {
    return super.getAndClearFull(mm, address, entry, count);
  }

  /** A group is flushed at once, and nothing is owed. */
  override hugeWrprotect(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void> {
    if (count === 1 || !this.values.present(this.load(entry))) return super.wrprotect(mm, address, entry, count);
    const old = this.takeGroup(mm, address, entry, count);
    super.set(mm, address, entry, this.values.wrprotect(old), count);
    return this.promise(mm, undefined, address, count, false);
  }

  /** A group is flushed at once, and nothing is owed. */
  override hugeSetAccessFlags(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, count: number): FlushPromise<boolean> {
    if (count === 1) return super.setAccessFlags(mm, address, entry, value);
    if (this.allHaveFlagsOf(entry, count, value)) return this.promise(mm, false, address, count, false);
    const old = this.takeGroup(mm, address, entry, count);
    super.set(mm, address, entry, this.withFlagsOf(old, value), count);
    return this.promise(mm, true, address, count, false);
  }

  protected override wrprotectRun(index: number, count: number): boolean | undefined {
    return this.loops ? wrprotectWords(this.tables.words, index, count) : undefined;
  }

  protected override gatherRun(index: number, count: number): EntryVal<L> | undefined {
    if (!this.loops) return undefined;
    const { words } = this.tables;
    const notes = gatherWords(words, index, count);
    const first = index * 2;
    const lo = words[first + LOW_WORD]!;
    const hi = words[first + HIGH_WORD]!;
    // With dirty RDONLY may go.
    const dirty = (notes & NOTED_DIRTY) !== 0;
    const nothing = (notes & AF_LO & ~lo) === 0 && (!dirty || ((hi & DIRTY_HI) !== 0 && ((hi & DBM_HI) === 0 || (lo & RDONLY_LO) === 0)));
    if (nothing) return this.values.empty;
    return entryVal(this.level, (BigInt(dirty ? DIRTY_HI : 0) << 32n) | BigInt(VALID_LO | (notes & AF_LO)));
  }

  /** Takes `count` entries out and flushes: the break of break-before-make. Returns what the first was, with the notes of all. */
  protected takeGroup(mm: MmContext, address: bigint, entry: H[L], count: number): EntryVal<L> {
    const { values } = this;
    const writer = this.writer(mm, address);
    let first = writer.replace(entry, values.empty, 0);
    const present = values.present(first);
    let stale = values.valid(first);
    for (let done = 1; done < count; done++) {
      const old = writer.replace(this.advance(entry, done), values.empty, done);
      stale ||= values.valid(old);
      if (present) first = this.withNotesOf(first, old);
    }
    if (stale) mm.tlb.flush({ start: address, end: address + BigInt(count) * this.bytes, level: this.level, tables: false });
    return first;
  }

  /** `value`, young and dirty if any of `count` entries is. */
  protected withNotesOfGroup(value: EntryVal<L>, entry: H[L], count: number): EntryVal<L> {
    let result = value;
    for (let at = 0; at < count; at++) result = this.withNotesOf(result, this.load(this.advance(entry, at)));
    return result;
  }

  /** Whether each of `count` entries is as young, dirty and writable as `value`. */
  protected allHaveFlagsOf(entry: H[L], count: number, value: EntryVal<L>): boolean {
    for (let at = 0; at < count; at++) {
      const now = this.load(this.advance(entry, at));
      if (this.withFlagsOf(now, value) !== now) return false;
    }
    return true;
  }
}

// The loops over words. Four entries at a time, and masks as locals: a constant of another module, and the `var` that a bundler makes of a constant, is loaded and
// checked again for each entry, which makes them twice as slow. `| 0` has V8 know that all is int32.

function wrprotectWords(words: Int32Array, index: number, count: number): boolean {
  const present = VALID_LO | NG_LO;
  const rdonly = RDONLY_LO | 0;
  const dbm = DBM_HI | 0;
  const dirty = DIRTY_HI | 0;
  const end = ((index + count) * 2 + LOW_WORD) | 0;
  let at = (index * 2 + LOW_WORD) | 0;
  let high = (index * 2 + HIGH_WORD) | 0;
  let stale = 0;
  for (; at < end - 6; at = (at + 8) | 0, high = (high + 8) | 0) {
    stale |= wrprotectAt(words, at, high, present, rdonly, dbm, dirty) | wrprotectAt(words, at + 2, high + 2, present, rdonly, dbm, dirty)
      | wrprotectAt(words, at + 4, high + 4, present, rdonly, dbm, dirty) | wrprotectAt(words, at + 6, high + 6, present, rdonly, dbm, dirty);
  }
  for (; at < end; at = (at + 2) | 0, high = (high + 2) | 0) stale |= wrprotectAt(words, at, high, present, rdonly, dbm, dirty);
  return (stale & VALID_LO) !== 0;
}

/** Returns: VALID if the entry was valid and writable; other bits mean nothing. */
function wrprotectAt(words: Int32Array, at: number, high: number, present: number, rdonly: number, dbm: number, dirty: number): number {
  const lo = words[at]!;
  if ((lo & present) === 0) return 0;
  words[at] = lo | rdonly;
  const hi = words[high]!;
  if ((hi & dbm) === 0) return 0;
  words[high] = (hi & ~dbm) | ((lo & rdonly) === 0 ? dirty : 0);
  return lo;
}

/** AF and {@link NOTED_DIRTY} of all entries that are present. */
function gatherWords(words: Int32Array, index: number, count: number): number {
  const present = VALID_LO | NG_LO;
  const rdonly = RDONLY_LO | 0;
  const dbm = DBM_HI | 0;
  const end = ((index + count) * 2 + LOW_WORD) | 0;
  let at = (index * 2 + LOW_WORD) | 0;
  let high = (index * 2 + HIGH_WORD) | 0;
  let young = 0;
  let dirty = 0;
  for (; at < end; at = (at + 2) | 0, high = (high + 2) | 0) {
    const lo = words[at]!;
    if ((lo & present) === 0) continue;
    const hi = words[high]!;
    young |= lo;
    dirty |= hi;
    if ((hi & dbm) !== 0 && (lo & rdonly) === 0) dirty |= DIRTY_HI;
  }
  return (young & AF_LO) | ((dirty & DIRTY_HI) === 0 ? 0 : NOTED_DIRTY);
}

/**
 * The accessors of pages: they fold CONT_PTES entries that map consecutive pages alike into a contiguous block, and unfold it when one of
 * them is to differ, and nobody sees the contiguous bit (arch/arm64/mm/contpte.c and the public half of asm/pgtable.h, 6.12). Blocks are made in
 * processes' tables alone ({@link MmContext.user}): while one is folded its entries are not valid, and the kernel cannot take that fault.
 *
 * The kernel asks further that one folio covers a block, so that its one young and one dirty mark are right. Folios are not known here, so marks of a block
 * that happens to cover two can be those of its neighbours: never a mark less.
 *
 * A table of 2 ** n entries begins at a multiple of 2 ** n in table memory, so an entry's index says where in its block it is.
 */
export class Arm64PteOps<H extends TableHandles, L extends Level> extends Arm64LevelOps<H, L> {
  /** Entries of a block, a power of two: CONT_PTES. */
  private readonly blockEntries: number;
  /** As fields these are read faster in {@link get} than as constants of other modules. */
  private readonly high = HIGH_WORD;
  private readonly cont = CONT_HI;

  constructor(level: L, config: ResolvedConfig, context: TableOpsContext, all: LevelTable<H>) {
    super(level, config, context, all);
    this.blockEntries = contiguousEntries(config.granule, 3);
  }

  override get(entry: H[L]): EntryVal<L> {
    // What plain() says, written out: with it and the generic getter a call takes half a nanosecond more of ten. As that one it reads plainly in shared memory too.
    const index = indexOf<H, L>(entry);
    if ((this.words[(index * 2 + this.high) | 0]! & this.cont) === 0) return entryVal(this.level, this.elements[index]!);
    const value = this.load(entry);
    if (!this.inBlock(value)) return value;
    return this.hide(this.withNotesOfGroup(value, this.blockOf(entry), this.blockEntries));
  }

  override getOnce(entry: H[L]): EntryVal<L> {
    return this.hide(super.getOnce(entry));
  }

  /**
   * As {@link get}, without a lock. A block may be folded, unfolded or changed meanwhile, so all of its entries must be of one piece: valid, contiguous,
   * consecutive pages, alike but for young and dirty. If they are not, it looks again.
   */
  override getLockless(entry: H[L]): EntryVal<L> {
    const tries = this.tables.shared ? LOCKLESS_TRIES.shared : LOCKLESS_TRIES.own;
    let own = this.load(entry);
    for (let tried = 0; tried < tries && this.inBlock(own); tried++) {
      const whole = this.wholeBlock(entry, own);
      if (whole !== undefined) return this.hide(whole);
      own = this.load(entry);
    }
    return this.hide(own);
  }

  /**
   * Of several entries, those that fill aligned blocks with aligned pages are folded as they are written. A single one that completes a block
   * folds it.
   */
  override set(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, count: number): void {
    this.unfoldEdges(mm, address, entry, count);
    const plain = this.hide(value);
    if (count === 1) {
      super.set(mm, address, entry, plain, 1);
      this.fold(mm, address, entry, plain);
      return;
    }
    const first = this.placeOf(entry);
    const { blockEntries } = this;
    const aligned = mm.user && this.values.valid(plain) && first === this.values.pfn(plain) % blockEntries;
    // Entries before the first whole block, in whole blocks, and after the last.
    const before = aligned ? Math.min((blockEntries - first) % blockEntries, count) : count;
    const within = count - before - ((count - before) % blockEntries);
    this.setPart(mm, address, entry, plain, 0, before, 0n);
    this.setPart(mm, address, entry, plain, before, within, CONT);
    this.setPart(mm, address, entry, plain, before + within, count - before - within, 0n);
  }

  override establish(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>): FlushPromise<EntryVal<L>> {
    this.unfold(mm, address, entry);
    return super.establish(mm, address, entry, this.hide(value));
  }

  override clear(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void> {
    this.unfoldEdges(mm, address, entry, count);
    return super.clear(mm, address, entry, count);
  }

  override getAndClear(mm: MmContext, address: bigint, entry: H[L]): FlushPromise<EntryVal<L>> {
    this.unfold(mm, address, entry);
    return super.getAndClear(mm, address, entry);
  }

  override getAndClearFull(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<EntryVal<L>> {
    this.unfoldEdges(mm, address, entry, count);
    if (this.plain(entry)) return super.getAndClearFull(mm, address, entry, count);
    return super.getAndClearFull(mm, address, entry, count).map((value) => this.hide(value));
  }

  /** Blocks stay folded: a block that the range touches is made old as a whole, and the promise is for all of it. */
  override testAndClearYoung(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<boolean> {
    const before = this.inBlock(this.load(entry)) ? this.placeOf(entry) : 0;
    const last = this.advance(entry, count - 1);
    const after = this.inBlock(this.load(last)) ? this.blockEntries - 1 - this.placeOf(last) : 0;
    return super.testAndClearYoung(mm, address - BigInt(before) * this.bytes, this.advance(entry, -before), before + count + after);
  }

  override wrprotect(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void> {
    this.unfoldEdges(mm, address, entry, count);
    return super.wrprotect(mm, address, entry, count);
  }

  /** Young and dirty are set in the whole block, and the promise is for all of it. If the entry becomes writable the block is unfolded. */
  override setAccessFlags(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>): FlushPromise<boolean> {
    const now = this.load(entry);
    const wanted = this.hide(value);
    if (!this.inBlock(now)) return super.setAccessFlags(mm, address, entry, wanted);
    const block = this.blockOf(entry);
    const { blockEntries, values } = this;
    if (this.allHaveFlagsOf(block, blockEntries, wanted)) return this.promise(mm, false, address, 1, false);
    if (values.write(wanted) && !values.write(now)) {
      this.unfold(mm, address, entry);
      return super.setAccessFlags(mm, address, entry, wanted);
    }
    const start = address - BigInt(this.placeOf(entry)) * this.bytes;
    for (let at = 0; at < blockEntries; at++) {
      super.setAccessFlags(mm, start + BigInt(at) * this.bytes, this.advance(block, at), wanted).ignore('one promise for the whole block follows');
    }
    return this.promise(mm, true, start, blockEntries, true);
  }

  override modifyProtStart(mm: MmContext, address: bigint, entry: H[L]): EntryVal<L> {
    this.unfold(mm, address, entry);
    return super.modifyProtStart(mm, address, entry);
  }

  override modifyProtCommit(mm: MmContext, address: bigint, entry: H[L], old: EntryVal<L>, value: EntryVal<L>): FlushPromise<void> {
    const plain = this.hide(value);
    const promise = super.modifyProtCommit(mm, address, entry, old, plain);
    this.fold(mm, address, entry, plain);
    return promise;
  }

  /** Entries of a block are alike by its nature: it goes from block to block. */
  override batch(entry: H[L], value: EntryVal<L>, max: number, ignore: BatchIgnore): number {
    const plain = this.hide(value);
    let count = 0;
    for (;;) {
      const at = this.advance(entry, count);
      count += this.inBlock(this.load(at)) ? this.blockEntries - this.placeOf(at) : 1;
      if (count >= max) return max;
      if (super.batch(this.advance(entry, count - 1), this.values.advancePfn(plain, count - 1), 2, ignore) < 2) return count;
    }
  }

  /** Writes `count` entries from `done` on of a run that begins with `value`, with more bits in each. */
  private setPart(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, done: number, count: number, bits: bigint): void {
    if (count === 0) return;
    const first = done === 0 ? value : this.values.present(value) ? this.values.advancePfn(value, done) : value;
    super.set(mm, done === 0 ? address : address + BigInt(done) * this.bytes, this.advance(entry, done), bits === 0n ? first : this.value(first | bits), count);
  }

  /** Folds the block whose last entry has just been written as `value`, if all of it maps consecutive pages alike. */
  private fold(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>): void {
    const { values, blockEntries } = this;
    const last = blockEntries - 1;
    if (!mm.user || this.placeOf(entry) !== last || !values.valid(value) || values.special(value) || values.pfn(value) % blockEntries !== last) return;
    const block = this.blockOf(entry);
    let expected = this.withoutNotes(values.advancePfn(value, -last));
    for (let at = 0; at < blockEntries; at++) {
      if (this.withoutNotes(this.load(this.advance(block, at))) !== expected) return;
      expected = values.advancePfn(expected, 1);
    }
    this.convert(mm, address, entry, this.value(value | CONT));
  }

  /** Unfolds the block that an entry is in, if it is in one. */
  private unfold(mm: MmContext, address: bigint, entry: H[L]): void {
    const value = this.load(entry);
    if (mm.user && this.inBlock(value)) this.convert(mm, address, entry, this.hide(value));
  }

  /** Unfolds blocks of which the range covers a part only. */
  private unfoldEdges(mm: MmContext, address: bigint, entry: H[L], count: number): void {
    if (!mm.user) return;
    if (this.placeOf(entry) !== 0 || count < this.blockEntries) this.unfold(mm, address, entry);
    const last = this.advance(entry, count - 1);
    if (this.placeOf(last) !== this.blockEntries - 1) this.unfold(mm, address + BigInt(count - 1) * this.bytes, last);
  }

  /** Rewrites the block of an entry, by break-before-make: folded or not as `value`, which is this entry's, is. Marks are of the whole block then. */
  private convert(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>): void {
    const place = this.placeOf(entry);
    const block = this.blockOf(entry);
    const start = address - BigInt(place) * this.bytes;
    const old = this.takeGroup(mm, start, block, this.blockEntries);
    super.set(mm, start, block, this.withNotesOf(this.values.advancePfn(value, -place), old), this.blockEntries);
  }

  /** The value of an entry of a block with the notes of all, if the block is of one piece. */
  private wholeBlock(entry: H[L], own: EntryVal<L>): EntryVal<L> | undefined {
    const { values } = this;
    const block = this.blockOf(entry);
    let expected = this.withoutNotes(values.advancePfn(own, -this.placeOf(entry)));
    let result = own;
    for (let at = 0; at < this.blockEntries; at++) {
      const value = this.load(this.advance(block, at));
      if (this.withoutNotes(value) !== expected) return undefined;
      expected = values.advancePfn(expected, 1);
      result = this.withNotesOf(result, value);
    }
    return result;
  }

  private withoutNotes(value: EntryVal<L>): EntryVal<L> {
    return this.values.mkold(this.values.mkclean(value));
  }

  /**
   * Whether an entry has no contiguous bit for certain, as its word says, which is cheaper than a bigint; never in memory that other threads can write, where the value
   * may be another by the time that it is read.
   */
  private plain(entry: H[L]): boolean {
    const { tables } = this;
    return !tables.shared && (tables.words[indexOf<H, L>(entry) * 2 + this.high]! & this.cont) === 0;
  }

  /** Valid and contiguous. In an entry that is not valid the bit means something else. */
  private inBlock(value: EntryVal<L>): boolean {
    return (value & CONT) !== 0n && this.values.valid(value);
  }

  private hide(value: EntryVal<L>): EntryVal<L> {
    return this.inBlock(value) ? this.value(value & ~CONT) : value;
  }

  /** Where in its block an entry is. */
  private placeOf(entry: H[L]): number {
    return indexOf<H, L>(entry) & (this.blockEntries - 1);
  }

  /** The first entry of its block. */
  private blockOf(entry: H[L]): H[L] {
    return handleAt<H, L>(this.level, indexOf<H, L>(entry) & ~(this.blockEntries - 1));
  }
}
