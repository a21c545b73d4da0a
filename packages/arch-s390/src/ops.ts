import {
  EntryKind, entryVal, FlushPromise, geometryOf, HIGH_WORD, LOW_WORD, NO_TLB, PgtableError, type Below, type EntryVal, type Level, type MmContext, type ScanBuffer,
  type ScanFilter, type TableHandles, type TableOf, type UnlinkedTable, type WritableOps,
} from '@pgtable/core';
import { entryIndex, handleAt, highWord, indexOf, lowWord, tableAt, TableLevelOps, type LevelTable, type TableOpsContext } from '@pgtable/core/arch';
import {
  CRST_INVALID, CRST_TYPE, LENGTH_UNIT, PAGE_INVALID, PAGE_PROTECT, PAGE_SW_DIRTY, PAGE_SW_PRESENT, PAGE_SW_SOFT_DIRTY, PAGE_SW_WRITE, PAGE_SW_YOUNG, PREFIX_BYTES, REGION_LENGTH, REGION_OFFSET,
} from './bits.js';
import { GEOMETRY, TYPE_OF_LEVEL } from './geometry.js';
import { absoluteAddress, nextPrefixEdge } from './prefix.js';

/*
 * On s390 an entry that is valid is changed and flushed in one step: the instructions IPTE (page tables), IDTE and CRDTE
 * (segment and region tables) set I and make all processors forget the entry; only then the new value is written. So every
 * operation here that finds a valid entry stores it with I set, flushes, stores what it is to be, and owes nothing afterwards. A batch
 * is flushed once, as IPTE does with a range.
 *
 * The kernel can put a flush off while no other processor uses the address space (ptep_xchg_lazy), and can take P away without
 * invalidating (RDP). Both are savings of a real machine, and neither is made here.
 *
 * @see Principles of Operation, chapter 3, "Modification of Translation Tables"; arch/s390/mm/pgtable.c, Linux 6.12
 */

/**
 * The generic accessors, but for three things: real addresses in leaves come out absolute (see {@link absoluteAddress}), levels
 * above the root fold by what the entry says, and a change of a valid entry is flushed with it.
 */
class S390LevelOps<H extends TableHandles, L extends Level> extends TableLevelOps<H, L> {
  private readonly prefix: number;

  constructor(level: L, context: TableOpsContext, all: LevelTable<H>, prefix: number) {
    super(level, context, all);
    this.prefix = prefix;
  }

  /**
   * Page-table origins are absolute in a dump (the manual leaves open whether they are real; QEMU takes them as absolute,
   * and Linux never puts a table where it matters), so only leaves are moved. A large page that contains one of the
   * two windows keeps its real address: no single number is right for all of it.
   */
  override scan(table: H[L], first: number, end: number, filter: ScanFilter, out: ScanBuffer): number {
    if (this.prefix === 0 || this.format.bytes > PREFIX_BYTES) return super.scan(table, first, end, filter, out);
    let next = first;
    for (;;) {
      const before = out.count;
      const reached = super.scan(table, next, end, filter, out);
      const cut = this.makeAbsolute(before, filter.contiguous, out);
      if (cut < 0) return reached;
      next = cut;
    }
  }

  /**
   * Turns the rows from `before` on to absolute addresses.
   *
   * Returns: -1, or, after a contiguous row had to be cut at the edge of a window and the rows after it dropped, the entry
   * that they begin with.
   */
  private makeAbsolute(before: number, contiguous: boolean, out: ScanBuffer): number {
    const { prefix } = this;
    const { bytes } = this.format;
    for (let row = before; row < out.count; row++) {
      if (out.kind[row] !== EntryKind.Leaf) continue;
      const real = out.pa[row]!;
      out.pa[row] = absoluteAddress(real, prefix);
      if (!contiguous) continue;
      const end = real + out.length[row]! * bytes;
      const edge = nextPrefixEdge(real, end, prefix);
      if (edge === end) continue;
      out.length[row] = (edge - real) / bytes;
      out.count = row + 1;
      return out.index[row]! + out.length[row]!;
    }
    return -1;
  }

  override establish(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>): FlushPromise<EntryVal<L>> {
    if (this.unseen(mm)) return super.establish(mm, address, entry, value);
    return this.settled(mm, this.changeFlushed(mm, address, entry, () => value));
  }

  override clear(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void> {
    if (!this.unseen(mm)) this.invalidate(mm, address, entry, count);
    return super.clear(mm, address, entry, count);
  }

  override getAndClear(mm: MmContext, address: bigint, entry: H[L]): FlushPromise<EntryVal<L>> {
    if (this.unseen(mm)) return super.getAndClear(mm, address, entry);
    return this.settled(mm, this.changeFlushed(mm, address, entry, () => this.values.empty));
  }

  override getAndClearFull(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<EntryVal<L>> {
    if (this.unseen(mm)) return super.getAndClearFull(mm, address, entry, count);
    // What the first was, before I is set in it.
    let first = this.load(entry);
    const gathered = count > 1 && this.unwatched(mm) ? this.gatherRun(indexOf<H, L>(entry), count) : undefined;
    if (gathered !== undefined) first = this.withNotesOf(first, gathered);
    else for (let done = 1; done < count; done++) first = this.withNotesOf(first, this.load(this.advance(entry, done)));
    this.invalidate(mm, address, entry, count);
    return super.clear(mm, address, entry, count).map(() => first);
  }

  override testAndClearYoung(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<boolean> {
    if (this.unseen(mm)) return super.testAndClearYoung(mm, address, entry, count);
    const { values } = this;
    let young = false;
    for (let done = 0; done < count; done++) {
      const value = this.load(this.advance(entry, done));
      young ||= values.present(value) && values.young(value);
    }
    this.changeRun(mm, address, entry, count, (value) => (values.present(value) ? values.mkold(value) : value));
    return this.settled(mm, young);
  }

  override wrprotect(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void> {
    if (this.unseen(mm)) return super.wrprotect(mm, address, entry, count);
    const { values } = this;
    this.changeRun(mm, address, entry, count, (value) => (values.present(value) ? values.wrprotect(value) : value));
    return this.settled(mm, undefined);
  }

  override setAccessFlags(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>): FlushPromise<boolean> {
    if (this.unseen(mm)) return super.setAccessFlags(mm, address, entry, value);
    const old = this.changeFlushed(mm, address, entry, (now) => this.withFlagsOf(now, value));
    return this.settled(mm, this.withFlagsOf(old, value) !== old);
  }

  /** As the kernel does it: between start and commit the entry stays what it was, with I set. */
  override modifyProtStart(mm: MmContext, address: bigint, entry: H[L]): EntryVal<L> {
    const old = this.load(entry);
    this.invalidate(mm, address, entry, 1);
    return old;
  }

  override unlink(mm: MmContext, address: bigint, entry: H[L]): FlushPromise<UnlinkedTable<H>> {
    const table = this.child(entry);
    if (table === undefined) throw new PgtableError('EINVAL', `the ${this.level} entry to be unlinked points to no table that is here`, { address });
    const old = this.load(entry);
    this.replace(mm, address, entry, this.values.mkinvalid(old));
    const start = address - (address % this.bytes);
    mm.tlb.flush({ start, end: start + this.bytes, level: table.level, tables: true });
    this.replace(mm, address, entry, this.values.empty);
    return this.settled(mm, this.unlinked(table, this.values.table(old), mm.user));
  }

  /** Every flush is made where it arises, so nothing is owed. */
  protected override promise<T>(mm: MmContext, result: T, _address: bigint, _count: number, _stale: boolean): FlushPromise<T> {
    return this.settled(mm, result);
  }

  protected settled<T>(mm: MmContext, result: T): FlushPromise<T> {
    return new FlushPromise(mm, result, undefined);
  }

  /** Whether nobody at all can see the steps of a change: no TLB, no other thread, no observer. Then one store will do. */
  private unseen(mm: MmContext): boolean {
    return mm.tlb === NO_TLB && this.unwatched(mm);
  }

  /** @param tables whether any of the entries pointed to a table */
  protected flushRun(mm: MmContext, address: bigint, count: number, tables: boolean): void {
    mm.tlb.flush({ start: address, end: address + BigInt(count) * this.bytes, level: this.level, tables });
  }

  /** Sets I in those of `count` entries that are valid, and has them forgotten. */
  private invalidate(mm: MmContext, address: bigint, entry: H[L], count: number): void {
    const { values } = this;
    let stale = false;
    let tables = false;
    // Which entries are tables matters to the flush, and above the lowest level nobody clears many at once.
    if (this.unwatched(mm) && this.childLevel() === undefined) {
      const index = indexOf<H, L>(entry);
      stale = this.anyValid(index, count);
      if (stale) this.invalidateRun(index, count);
    } else {
      const writer = this.writer(mm, address);
      const makeInvalid = (value: EntryVal<L>): EntryVal<L> => (values.valid(value) ? values.mkinvalid(value) : value);
      for (let done = 0; done < count; done++) {
        const old = writer.change(this.advance(entry, done), makeInvalid, done);
        if (!values.valid(old)) continue;
        stale = true;
        tables ||= !values.leaf(old);
      }
    }
    if (stale) this.flushRun(mm, address, count, tables);
  }

  /** The loop of {@link invalidate} over words: I is the one bit that says whether an entry is valid. */
  private invalidateRun(index: number, count: number): void {
    const { words } = this.tables;
    const invalid = this.format.validMask;
    for (let at = index * 2 + LOW_WORD; at < (index + count) * 2; at += 2) words[at]! |= invalid;
  }

  /** {@link changeRun} of one entry. Returns: what it was. */
  private changeFlushed(mm: MmContext, address: bigint, entry: H[L], make: (value: EntryVal<L>) => EntryVal<L>): EntryVal<L> {
    const { values } = this;
    const old = this.change(mm, address, entry, (value) => this.withoutStale(value, make));
    const value = make(old);
    if (value === old) return old;
    if (values.valid(old)) this.flushRun(mm, address, 1, !values.leaf(old));
    this.replace(mm, address, entry, value);
    return old;
  }

  /** Changes entries to what a function makes of them: those that are valid and change are invalidated first, and forgotten together. */
  private changeRun(mm: MmContext, address: bigint, entry: H[L], count: number, make: (value: EntryVal<L>) => EntryVal<L>): void {
    if (count === 1) {
      this.changeFlushed(mm, address, entry, make);
      return;
    }
    const { values } = this;
    // The values as they were: I may have been set in an entry for another reason than this one.
    const olds = new BigUint64Array(count);
    const writer = this.writer(mm, address);
    const first = (value: EntryVal<L>): EntryVal<L> => this.withoutStale(value, make);
    let stale = false;
    let tables = false;
    for (let done = 0; done < count; done++) {
      const old = writer.change(this.advance(entry, done), first, done);
      olds[done] = old;
      if (!values.valid(old) || make(old) === old) continue;
      stale = true;
      tables ||= !values.leaf(old);
    }
    if (stale) this.flushRun(mm, address, count, tables);
    for (let done = 0; done < count; done++) {
      const old = entryVal(this.level, olds[done]!);
      const value = make(old);
      if (value !== old) writer.replace(this.advance(entry, done), value, done);
    }
  }

  /** The first step of a change: a valid entry that will change, with I set; any other as it is. */
  private withoutStale(value: EntryVal<L>, make: (value: EntryVal<L>) => EntryVal<L>): EntryVal<L> {
    return this.values.valid(value) && make(value) !== value ? this.values.mkinvalid(value) : value;
  }
}

/** The accessors of a page table, with loops over words. */
class PageLevelOps<H extends TableHandles> extends S390LevelOps<H, 'pte'> {
  /** One flush, and loops over words on both sides of it where no other thread can see half an entry. */
  override wrprotect(mm: MmContext, address: bigint, entry: H['pte'], count: number): FlushPromise<void> {
    if (count === 1 || mm.tlb === NO_TLB || !this.unwatched(mm)) return super.wrprotect(mm, address, entry, count);
    const index = indexOf<H, 'pte'>(entry);
    const { words } = this.tables;
    // Which entries get their I from here: it may be set for another reason too.
    const taken = new Uint8Array(count);
    let stale = false;
    for (let done = 0, at = index * 2 + LOW_WORD; done < count; done++, at += 2) {
      const lo = words[at]!;
      if ((lo & PAGE_INVALID) !== 0 || (lo & (PAGE_SW_WRITE | PAGE_PROTECT)) === PAGE_PROTECT) continue;
      taken[done] = 1;
      stale = true;
      words[at] = lo | PAGE_INVALID;
    }
    if (stale) this.flushRun(mm, address, count, false);
    for (let done = 0, at = index * 2 + LOW_WORD; done < count; done++, at += 2) {
      const lo = words[at]!;
      const valid = taken[done] === 1;
      if (valid || (lo & (PAGE_SW_PRESENT | PAGE_INVALID)) !== PAGE_INVALID) words[at] = ((lo & ~PAGE_SW_WRITE) | PAGE_PROTECT) & (valid ? ~PAGE_INVALID : -1);
    }
    return this.settled(mm, undefined);
  }

  protected override wrprotectRun(index: number, count: number): boolean {
    return wrprotectWords(this.tables.words, index, count);
  }

  /** The first entry's own bits do not count: it is what they are added to. */
  protected override gatherRun(index: number, count: number): EntryVal<'pte'> {
    const { words } = this.tables;
    const notes = gatherWords(words, index + 1, count - 1);
    const lo = words[index * 2 + LOW_WORD]!;
    // What becomes dirty becomes soft-dirty, and I and P may go with young and dirty.
    const marks = (notes & PAGE_SW_DIRTY) === 0 ? notes : notes | PAGE_SW_SOFT_DIRTY;
    const nothing = notes === 0 || ((marks & ~lo) | (lo & (PAGE_INVALID | PAGE_PROTECT))) === 0;
    return nothing ? this.values.empty : entryVal('pte', BigInt(PAGE_SW_PRESENT | notes));
  }
}

// The loops over words. Four entries at a time, and masks as locals: a constant of another module, and the `var` that a bundler makes of a constant, is loaded and
// checked again for each entry, which makes them twice as slow. `| 0` has V8 know that all is int32.

function wrprotectWords(words: Int32Array, index: number, count: number): boolean {
  const absentMask = PAGE_SW_PRESENT | PAGE_INVALID;
  const absent = PAGE_INVALID | 0;
  const keep = ~PAGE_SW_WRITE;
  const protect = PAGE_PROTECT | 0;
  const end = ((index + count) * 2 + LOW_WORD) | 0;
  let at = (index * 2 + LOW_WORD) | 0;
  let stale = 0;
  for (; at < end - 6; at = (at + 8) | 0) {
    stale |= wrprotectAt(words, at, absentMask, absent, keep, protect) | wrprotectAt(words, at + 2, absentMask, absent, keep, protect)
      | wrprotectAt(words, at + 4, absentMask, absent, keep, protect) | wrprotectAt(words, at + 6, absentMask, absent, keep, protect);
  }
  for (; at < end; at = (at + 2) | 0) stale |= wrprotectAt(words, at, absentMask, absent, keep, protect);
  return (stale & PAGE_SW_WRITE) !== 0;
}

/** Returns: the write bit if the entry was valid and writable; other bits mean nothing. */
function wrprotectAt(words: Int32Array, at: number, absentMask: number, absent: number, keep: number, protect: number): number {
  const lo = words[at]!;
  if ((lo & absentMask) === absent) return 0;
  words[at] = (lo & keep) | protect;
  // I stands five bits above the write bit.
  return lo & ~(lo >>> 5);
}

/** Young and dirty of all entries that are present. */
function gatherWords(words: Int32Array, index: number, count: number): number {
  const absentMask = PAGE_SW_PRESENT | PAGE_INVALID;
  const absent = PAGE_INVALID | 0;
  const end = ((index + count) * 2 + LOW_WORD) | 0;
  let at = (index * 2 + LOW_WORD) | 0;
  let notes = 0;
  for (; at < end - 6; at = (at + 8) | 0) {
    notes |= ifPresent(words[at]!, absentMask, absent) | ifPresent(words[at + 2]!, absentMask, absent)
      | ifPresent(words[at + 4]!, absentMask, absent) | ifPresent(words[at + 6]!, absentMask, absent);
  }
  for (; at < end; at = (at + 2) | 0) notes |= ifPresent(words[at]!, absentMask, absent);
  return notes & (PAGE_SW_YOUNG | PAGE_SW_DIRTY);
}

function ifPresent(lo: number, absentMask: number, absent: number): number {
  return (lo & absentMask) === absent ? 0 : lo;
}

/** The accessors of a segment or region table. */
class CrstLevelOps<H extends TableHandles, L extends Exclude<Level, 'pte'>> extends S390LevelOps<H, L> {
  private readonly type: number;
  private readonly below: WritableOps<H, Below[L]>;

  constructor(level: L, context: TableOpsContext, all: LevelTable<H>, prefix: number, below: WritableOps<H, Below[L]>) {
    super(level, context, all, prefix);
    this.type = TYPE_OF_LEVEL[level];
    this.below = below;
  }

  /**
   * The kernel's p4d_offset, pud_offset and pmd_offset: an entry of a lower table type is the entry of a root table below
   * this level, seen under a higher name, and stays what it is. @see p4d_offset_lockless, Linux 6.12
   */
  override offset(entry: H[L], address: bigint): H[Below[L]] | undefined {
    const lower = this.lower(entry);
    if (lower !== undefined) return lower;
    const index = indexOf<H, L>(entry);
    const { words } = this.tables;
    return this.entryBelow(words[index * 2 + LOW_WORD]!, words[index * 2 + HIGH_WORD]!, address);
  }

  /**
   * Invalid or not: an entry that IDTE is just taking out has its table until it is empty, and who has that value finds the table, as in the kernel, waits for its lock, and then sees that the entry is another. To
   * turn him away here would let him ask again and again, for as long as the flush takes.
   */
  override offsetLockless(entry: H[L], value: EntryVal<L>, address: bigint): H[Below[L]] | undefined {
    const lower = this.lower(entry);
    if (lower !== undefined || this.values.none(value)) return lower;
    return this.entryBelow(lowWord(value) & ~CRST_INVALID, highWord(value), address);
  }

  private entryBelow(lo: number, hi: number, address: bigint): H[Below[L]] | undefined {
    const table = this.childIndex(lo, hi);
    if (table < 0) return undefined;
    const at = entryIndex(this.geometry, this.below.level, address);
    const range = this.childRange(lo, hi);
    if (at < (range & 0xffff) || at >= range >>> 16) return undefined;
    return handleAt<H, Below[L]>(this.below.level, table + at);
  }

  override child(entry: H[L]): TableOf<H> | undefined {
    const lower = this.lower(entry);
    if (lower !== undefined) return this.below.child(lower);
    const index = indexOf<H, L>(entry);
    const { words } = this.tables;
    const table = this.childIndex(words[index * 2 + LOW_WORD]!, words[index * 2 + HIGH_WORD]!);
    return table < 0 ? undefined : tableAt<H>(this.below.level, table);
  }

  /** TF and TL of a region-table entry. A page table always has 256 entries. */
  override childRange(lo: number, _hi: number): number {
    if (this.level === 'pmd') return geometryOf(GEOMETRY, 'pte').entries << 16;
    const first = ((lo & REGION_OFFSET) >>> 6) * LENGTH_UNIT;
    const end = ((lo & REGION_LENGTH) + 1) * LENGTH_UNIT;
    return first < end ? first | (end << 16) : 0;
  }

  // What empties an entry, or makes a table of it, goes to the level that the entry is of: so it gets that level's empty entry and type.

  override populate(mm: MmContext, address: bigint, entry: H[L], table: UnlinkedTable<H>): void {
    const lower = this.lower(entry);
    if (lower === undefined) super.populate(mm, address, entry, table);
    else this.below.populate(mm, address, lower, table);
  }

  override clear(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void> {
    const lower = this.lower(entry);
    return lower === undefined ? super.clear(mm, address, entry, count) : this.below.clear(mm, address, lower, count);
  }

  override getAndClear(mm: MmContext, address: bigint, entry: H[L]): FlushPromise<EntryVal<L>> {
    const lower = this.lower(entry);
    return lower === undefined ? super.getAndClear(mm, address, entry) : this.below.getAndClear(mm, address, lower).map((old) => this.value(old));
  }

  override getAndClearFull(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<EntryVal<L>> {
    const lower = this.lower(entry);
    return lower === undefined ? super.getAndClearFull(mm, address, entry, count) : this.below.getAndClearFull(mm, address, lower, count).map((old) => this.value(old));
  }

  override unlink(mm: MmContext, address: bigint, entry: H[L]): FlushPromise<UnlinkedTable<H>> {
    const lower = this.lower(entry);
    return lower === undefined ? super.unlink(mm, address, entry) : this.below.unlink(mm, address, lower);
  }

  /** The same entry under its lower name, if its table is of a lower type than this level's. */
  private lower(entry: H[L]): H[Below[L]] | undefined {
    const index = indexOf<H, L>(entry);
    return (this.tables.words[index * 2 + LOW_WORD]! & CRST_TYPE) < this.type ? handleAt<H, Below[L]>(this.below.level, index) : undefined;
  }
}

/** The accessors of all five levels. */
export function s390Ops<H extends TableHandles>(context: TableOpsContext, prefix: number): LevelTable<H> {
  // Levels know each other through this object, which is complete before anyone else has it.
  const all = {} as LevelTable<H>;
  all.pte = new PageLevelOps('pte', context, all, prefix);
  all.pmd = new CrstLevelOps('pmd', context, all, prefix, all.pte);
  all.pud = new CrstLevelOps('pud', context, all, prefix, all.pmd);
  all.p4d = new CrstLevelOps('p4d', context, all, prefix, all.pud);
  all.pgd = new CrstLevelOps('pgd', context, all, prefix, all.p4d);
  return all;
}
