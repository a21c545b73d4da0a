import { BasicLevelOps } from './basic-ops.js';
import type { Root } from './contract.js';
import { tableAddress, type EntryFormat } from './entry-format.js';
import type { EntryValues } from './entry-values.js';
import { PgtableError } from './errors.js';
import type { FlushPromise, MmContext } from './flush.js';
import type { TableHandles, TableOf } from './handles.js';
import { geometryOf, levelNumber, LEVELS, type Below, type Geometry, type Level } from './levels.js';
import type { ScanBuffer, ScanFilter } from './scan.js';
import { scanWords } from './scan-words.js';
import { HIGH_WORD, LOW_WORD, type TableMemory } from './table-memory.js';
import { UnlinkedTable } from './unlinked-table.js';
import { entryVal, type EntryVal } from './values.js';
import type { WritableOps } from './writable.js';

/**
 * Makes the handle of the entry with that index. This and {@link indexOf} are where handles and indices meet; at run time
 * both are the same number.
 *
 * The two are for architecture code: nothing else may import `@pgtable/core/arch`.
 */
export function handleAt<H extends TableHandles, L extends Level>(_level: L, index: number): H[L] {
  return index as unknown as H[L];
}

/** The index in table memory of the entry that a handle stands for. */
export function indexOf<H extends TableHandles, L extends Level>(entry: H[L]): number {
  return entry as unknown as number;
}

/** What all levels of an architecture over table memory share. */
export interface TableOpsContext {
  readonly tables: TableMemory;
  readonly geometry: Geometry;
  /** By level number. A folded level has the format of the existing level that it stands for. */
  readonly formats: readonly EntryFormat[];
  /** A folded level has the values of the existing level that it stands for. */
  readonly values: { readonly [L in Level]: EntryValues<L> };
}

/** What of it tables are made with, which needs no {@link EntryFormat}. */
type TablesContext = Pick<TableOpsContext, 'tables' | 'geometry' | 'values'>;

/** The accessors of all levels, for one level to find another; complete when the first accessor is called. */
export type LevelTable<H extends TableHandles> = { [L in Level]: WritableOps<H, L> };

/**
 * The generic accessors of one level, over table memory: entries of 32 or 64 bits that an {@link EntryFormat} and
 * {@link EntryValues} describe.
 *
 * An architecture that differs in one thing extends this class and overrides that one. Entries of 128 bits are for {@link BasicLevelOps}.
 *
 * @throws PgtableError `EINVAL` from the constructor, if the table memory has entries of 128 bits
 */
export class TableLevelOps<H extends TableHandles, L extends Level> extends BasicLevelOps<H, L> {
  protected readonly tables: TableMemory;
  /** Those of {@link tables}: to find them there anew takes a twentieth of what it takes to read an entry. */
  protected words: Int32Array;
  protected elements: BigUint64Array;
  protected readonly format: EntryFormat;
  protected readonly stride: 1 | 2;
  private readonly number: number;
  /** The next level that exists, and whether it is directly below under the kernel's names. */
  private readonly nextLevel: Level | undefined;
  private readonly belowLevel: Level | undefined;
  private readonly sameEntryBelow: boolean;
  /** What the low word grows by from one leaf of a run to the next; 0 where that is not all of it, or not in the word's own address bits. */
  private readonly leafStep: number;
  private readonly all: LevelTable<H>;

  constructor(level: L, context: TableOpsContext, all: LevelTable<H>) {
    const number = levelNumber(level);
    super(level, context.geometry, context.values[level]);
    if (context.tables.entryBytes === 16) {
      throw new PgtableError('EINVAL', `the generic accessors of a ${level} were given a table memory whose entries have 128 bits; theirs have 32 or 64`, {
        hint: 'extend BasicLevelOps, which takes an entry as one value, however wide',
      });
    }
    this.number = number;
    this.tables = context.tables;
    this.words = context.tables.words;
    this.elements = context.tables.elements;
    context.tables.follow(({ words, elements }) => {
      this.words = words;
      this.elements = elements;
    });
    this.format = context.formats[number]!;
    this.stride = context.tables.entryBytes === 4 ? 1 : 2;
    this.nextLevel = LEVELS.slice(0, number).findLast((lower) => !geometryOf(context.geometry, lower).folded);
    this.belowLevel = LEVELS[number - 1];
    this.sameEntryBelow = this.belowLevel !== undefined && geometryOf(context.geometry, this.belowLevel).folded;
    this.leafStep = this.stride === 2 ? leafStepOf(this.format) : 0;
    this.all = all;
  }

  override get(entry: H[L]): EntryVal<L> {
    const index = indexOf<H, L>(entry);
    if (this.stride === 1) return entryVal(this.level, BigInt((this.words[index]!) >>> 0));
    return entryVal(this.level, this.elements[index]!);
  }

  override getOnce(entry: H[L]): EntryVal<L> {
    const index = indexOf<H, L>(entry);
    if (this.stride === 1) return entryVal(this.level, BigInt(Atomics.load(this.tables.words, index) >>> 0));
    return entryVal(this.level, Atomics.load(this.tables.elements, index));
  }

  advance(entry: H[L], count: number): H[L] {
    return handleAt<H, L>(this.level, indexOf<H, L>(entry) + count);
  }

  entryAddress(entry: H[L]): number {
    return this.tables.addressOf(indexOf<H, L>(entry));
  }

  distance(a: H[L], b: H[L]): number {
    return indexOf<H, L>(b) - indexOf<H, L>(a);
  }

  offset(entry: H[L], address: bigint): H[Below[L]] | undefined {
    const below = this.belowLevel as Below[L] | undefined;
    if (below === undefined) return undefined;
    const index = indexOf<H, L>(entry);
    if (this.sameEntryBelow) return handleAt<H, Below[L]>(below, index);
    const table = this.childAt(index);
    if (table < 0) return undefined;
    return handleAt<H, Below[L]>(below, table + entryIndex(this.geometry, below, address));
  }

  offsetLockless(entry: H[L], value: EntryVal<L>, address: bigint): H[Below[L]] | undefined {
    const below = this.belowLevel as Below[L] | undefined;
    if (below === undefined) return undefined;
    if (this.sameEntryBelow) return handleAt<H, Below[L]>(below, indexOf<H, L>(entry));
    const table = this.childIndex(lowWord(value), highWord(value));
    if (table < 0) return undefined;
    return handleAt<H, Below[L]>(below, table + entryIndex(this.geometry, below, address));
  }

  child(entry: H[L]): TableOf<H> | undefined {
    const level = this.nextLevel;
    if (level === undefined) return undefined;
    const table = this.childAt(indexOf<H, L>(entry));
    return table < 0 ? undefined : tableAt<H>(level, table);
  }

  childRange(_lo: number, _hi: number): number {
    return this.nextLevel === undefined ? 0 : geometryOf(this.geometry, this.nextLevel).entries << 16;
  }

  scan(table: H[L], first: number, end: number, filter: ScanFilter, out: ScanBuffer): number {
    return scanWords(this.tables.words, indexOf<H, L>(table), this.stride, this.number, first, end, this.format, filter, out);
  }

  /** One store for each entry, of words where no other thread can look. */
  override set(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, count: number): void {
    const { tables, leafStep } = this;
    if (leafStep !== 0 && this.unwatched(mm) && fillLeaves(tables.words, tables.elements, indexOf<H, L>(entry), count, value, this.format, leafStep)) return;
    const step = count === 1 || !this.values.present(value) ? 0n : this.stepOf(value, count);
    if (!this.unwatched(mm) || step === undefined) super.set(mm, address, entry, value, count);
    else this.fillRun(indexOf<H, L>(entry), count, value, step);
  }

  override clear(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void> {
    // Which entries are tables matters to the flush, and above the lowest level nobody clears many at once.
    if (!this.unwatched(mm) || this.nextLevel !== undefined) return super.clear(mm, address, entry, count);
    const index = indexOf<H, L>(entry);
    const stale = this.anyValid(index, count);
    this.fillRun(index, count, this.values.empty, 0n);
    return this.promise(mm, undefined, address, count, stale);
  }

  override wrprotect(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void> {
    if (!this.unwatched(mm)) return super.wrprotect(mm, address, entry, count);
    const stale = this.wrprotectRun(indexOf<H, L>(entry), count);
    if (stale === undefined) return super.wrprotect(mm, address, entry, count);
    return this.promise(mm, undefined, address, count, stale);
  }

  override getAndClearFull(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<EntryVal<L>> {
    const index = indexOf<H, L>(entry);
    if (count === 1 || !this.unwatched(mm)) return super.getAndClearFull(mm, address, entry, count);
    const first = this.load(entry);
    const gathered = this.gatherRun(index, count);
    if (gathered === undefined) return super.getAndClearFull(mm, address, entry, count);
    const stale = this.anyValid(index, count);
    this.fillRun(index, count, this.values.empty, 0n);
    return this.promise(mm, this.withNotesOf(first, gathered), address, count, stale);
  }

  /**
   * The loop of {@link wrprotect} over words, for memory that no other thread can look at: an architecture that says how its
   * words become read-only overrides it. Entries that are not present stay.
   *
   * Returns: whether any entry was valid and writable; undefined: there is no such loop, and entries are taken one by one.
   */
  protected wrprotectRun(_index: number, _count: number): boolean | undefined {
    return undefined;
  }

  /**
   * The loop of {@link getAndClearFull} over words, for architectures on which young and dirty are bits that can be ORed together.
   *
   * Returns: an entry that is young and dirty if any of `count` present ones is, or the empty one if that adds nothing to the first (adding
   * nothing by values costs as much as a hundred entries); undefined: there is no such loop.
   */
  protected gatherRun(_index: number, _count: number): EntryVal<L> | undefined {
    return undefined;
  }

  /** All entries ORed together: for {@link gatherRun}. */
  protected orRun(index: number, count: number): EntryVal<L> {
    const { words } = this.tables;
    let lo = 0;
    let hi = 0;
    if (this.stride === 1) {
      for (let at = index; at < index + count; at++) lo |= words[at]!;
      return entryVal(this.level, BigInt(lo >>> 0));
    }
    for (let at = index * 2; at < (index + count) * 2; at += 2) {
      lo |= words[at + LOW_WORD]!;
      hi |= words[at + HIGH_WORD]!;
    }
    return entryVal(this.level, (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0));
  }

  /**
   * Whether a loop over words may do the work: no other thread can see half an entry, nobody wants to hear of each, and words are counted in int32
   * (less than 8 GiB of tables). Loops say `| 0` to have V8 know that: it makes them up to twice as fast.
   */
  protected unwatched(mm: MmContext): boolean {
    return !this.tables.shared && mm.observer === undefined && this.tables.entries < 2 ** 30;
  }

  /** Writes `count` entries: `value`, `value + step`, and so on. For memory that no other thread can look at. */
  protected fillRun(index: number, count: number, value: bigint, step: bigint): void {
    const { words } = this.tables;
    if (step === 0n && this.stride === 2) {
      this.tables.elements.fill(value, index, index + count);
      return;
    }
    // What Number() makes of a bigint is a double to V8, and the loop would be one over doubles: `| 0` makes it a third faster.
    let lo = Number(BigInt.asIntN(32, value)) | 0;
    const stepLo = Number(BigInt.asIntN(32, step)) | 0;
    if (this.stride === 1) {
      for (let at = index; at < index + count; at++, lo = (lo + stepLo) | 0) words[at] = lo;
      return;
    }
    let hi = Number(BigInt.asIntN(32, value >> 32n)) | 0;
    const stepHi = Number(BigInt.asIntN(32, step >> 32n)) | 0;
    const end = (index + count) * 2;
    for (let at = index * 2; at < end; at += 2) {
      words[at + LOW_WORD] = lo;
      words[at + HIGH_WORD] = hi;
      lo = (lo + stepLo) | 0;
      // The carry of the low words' addition.
      hi = (hi + stepHi + (lo >>> 0 < stepLo >>> 0 ? 1 : 0)) | 0;
    }
  }

  /** Whether the hardware may use any of `count` entries. */
  protected anyValid(index: number, count: number): boolean {
    const { words } = this.tables;
    const { validMask, validValue } = this.format;
    const { stride } = this;
    const end = (index + count) * stride;
    for (let at = index * stride + (stride === 1 ? 0 : LOW_WORD); at < end; at += stride) {
      if ((words[at]! & validMask) === validValue) return true;
    }
    return false;
  }

  protected load(entry: H[L]): EntryVal<L> {
    const index = indexOf<H, L>(entry);
    const { tables } = this;
    if (this.stride === 1) return entryVal(this.level, BigInt((tables.shared ? Atomics.load(tables.words, index) : tables.words[index]!) >>> 0));
    return entryVal(this.level, tables.shared ? Atomics.load(tables.elements, index) : tables.elements[index]!);
  }

  protected exchange(entry: H[L], value: EntryVal<L>): EntryVal<L> {
    const index = indexOf<H, L>(entry);
    const { tables } = this;
    if (this.stride === 1) return entryVal(this.level, BigInt(Atomics.exchange(tables.words, index, Number(BigInt.asIntN(32, value))) >>> 0));
    return entryVal(this.level, Atomics.exchange(tables.elements, index, value));
  }

  protected compareExchange(entry: H[L], expected: EntryVal<L>, value: EntryVal<L>): EntryVal<L> {
    const index = indexOf<H, L>(entry);
    const { tables } = this;
    if (this.stride === 1) {
      return entryVal(this.level, BigInt(Atomics.compareExchange(tables.words, index, Number(BigInt.asIntN(32, expected)), Number(BigInt.asIntN(32, value))) >>> 0));
    }
    return entryVal(this.level, Atomics.compareExchange(tables.elements, index, expected, value));
  }

  protected childLevel(): Level | undefined {
    return this.nextLevel;
  }

  protected unlinked(table: TableOf<H>, address: number, user: boolean): UnlinkedTable<H> {
    // Level and handle go together in a TableOf, which no type can say once they are apart: 'pte' stands for whichever it is.
    const { level, table: first } = table as TableOf<H, 'pte'>;
    return unlinkedTable(this.geometry, this.all, level, first, address, user);
  }

  /** {@link childIndex} of the entry with that index in table memory. */
  private childAt(index: number): number {
    const { words } = this.tables;
    return this.stride === 1 ? this.childIndex(words[index]!, 0) : this.childIndex(words[index * 2 + LOW_WORD]!, words[index * 2 + HIGH_WORD]!);
  }

  /** Index of the first entry of the table that an entry of these words points to; -1 if it points to none, or to one that is not here. */
  protected childIndex(lo: number, hi: number): number {
    const { format, nextLevel } = this;
    if (nextLevel === undefined) return -1;
    if ((lo & format.validMask) !== format.validValue || (lo & format.tableMask) !== format.tableValue) return -1;
    return this.tables.find(nextLevel, tableAddress(format, lo, hi));
  }

  /** What is added from one entry of a run to the next; undefined where that is not one number throughout (address bits in two places). */
  private stepOf(value: EntryVal<L>, count: number): bigint | undefined {
    const step = this.values.advancePfn(value, 1) - value;
    return this.values.advancePfn(value, count - 1) === value + step * BigInt(count - 1) ? step : undefined;
  }
}

/**
 * {@link EntryFormat.bytes} as a number to add to a low word whose address bits go on up to bit 31; 0 where they do not, and where the format does not
 * tell a leaf from what is not present by the low word: those who classify entries in another way.
 */
function leafStepOf(format: EntryFormat): number {
  if (format.validMask === 0) return 0;
  const step = format.bytes / format.paScale;
  return step > 0 && step < 2 ** 31 && (format.leafPaLo | (step - 1)) === -1 ? step | 0 : 0;
}

/**
 * Writes `count` leaves of 64 bits that map consecutive pages from `value` on, if their low words alone differ. That is said by the words of the first,
 * without a bigint: with the values' own arithmetic a call cost as much as a hundred entries.
 *
 * A function of its own, over words and numbers alone, so that one optimised loop serves all levels of all architectures.
 *
 * Returns: whether that is so; if not, the first entry alone may have been written.
 */
function fillLeaves(words: Int32Array, elements: BigUint64Array, index: number, count: number, value: bigint, format: EntryFormat, step: number): boolean {
  elements[index] = value;
  if (count === 1) return true;
  // Locals that are int32 for certain: an imported constant is loaded and checked again for each entry.
  const low = LOW_WORD | 0;
  const high = HIGH_WORD | 0;
  const first = (index * 2) | 0;
  let lo = words[first + low]!;
  const hi = words[first + high]!;
  const leaf = (lo & format.validMask) === format.validValue && (lo & format.tableMask) !== format.tableValue && (hi & format.napotHi) === 0;
  if (!leaf || (lo >>> 0) + step * (count - 1) >= 2 ** 32) return false;
  const end = ((index + count) * 2 + low) | 0;
  let at = (first + 2 + low) | 0;
  let atHigh = (first + 2 + high) | 0;
  // Four at a time: 1.0 ns an entry against 1.5.
  for (; at < end - 6; at = (at + 8) | 0, atHigh = (atHigh + 8) | 0) {
    words[at] = lo = (lo + step) | 0;
    words[atHigh] = hi;
    words[at + 2] = lo = (lo + step) | 0;
    words[atHigh + 2] = hi;
    words[at + 4] = lo = (lo + step) | 0;
    words[atHigh + 4] = hi;
    words[at + 6] = lo = (lo + step) | 0;
    words[atHigh + 6] = hi;
  }
  for (; at < end; at = (at + 2) | 0, atHigh = (atHigh + 2) | 0) {
    words[at] = lo = (lo + step) | 0;
    words[atHigh] = hi;
  }
  return true;
}

/** {@link WritableArch.newTable} over table memory, whatever the size of its entries. */
export function newTableIn<H extends TableHandles, L extends Level>(
  context: TablesContext, all: { readonly [K in Level]: WritableOps<H, K> }, level: L, address: number, user: boolean,
): UnlinkedTable<H, L> {
  const { tables, geometry, values } = context;
  const { entries, folded } = geometryOf(geometry, level);
  if (folded) throw new PgtableError('EINVAL', `there are no ${level} tables in this configuration: the level is folded`);
  const bytes = entries * geometry.entryBytes;
  if (!Number.isSafeInteger(address) || address < 0 || address % bytes !== 0) {
    throw new PgtableError('EINVAL', `0x${address.toString(16)} cannot be the address of a ${level} table`, { hint: `tables of this level are aligned to their ${bytes} bytes` });
  }
  const index = tables.allocate(level, address, entries);
  fillTable(tables, index, entries, values[level].empty);
  return unlinkedTable(geometry, all, level, handleAt<H, L>(level, index), address, user);
}

/** {@link WritableArch.freeTable} over table memory, whatever the size of its entries. */
export function freeTableIn<H extends TableHandles>(context: TablesContext, table: UnlinkedTable<H>): void {
  const index = indexOf<H, Level>(table.entry(0));
  fillTable(context.tables, index, table.entries, context.values[table.level].empty);
  context.tables.release(table.level, table.address, table.entries);
  table.free();
}

function fillTable(tables: TableMemory, index: number, entries: number, empty: bigint): void {
  const end = index + entries;
  if (tables.entryBytes === 4) tables.words.fill(Number(BigInt.asIntN(32, empty)), index, end);
  else if (tables.entryBytes === 8) tables.elements.fill(empty, index, end);
  else {
    for (let at = index * 2; at < end * 2; at += 2) {
      tables.elements[at + LOW_WORD] = BigInt.asUintN(64, empty);
      tables.elements[at + HIGH_WORD] = empty >> 64n;
    }
  }
}

function unlinkedTable<H extends TableHandles, L extends Level>(
  geometry: Geometry, all: { readonly [K in Level]: WritableOps<H, K> }, level: L, first: H[L], address: number, user: boolean,
): UnlinkedTable<H, L> {
  const { entries, shift } = geometryOf(geometry, level);
  return new UnlinkedTable<H, L>(all[level], first, { address, entries, shift, user });
}

/** Index of the entry for an address in a full table of a level. */
export function entryIndex(geometry: Geometry, level: Level, address: bigint): number {
  const { shift, entries } = geometryOf(geometry, level);
  return Number((address >> BigInt(shift)) & BigInt(entries - 1));
}

/** A table by level and first entry, the pair that {@link LevelOps.child} returns. */
export function tableAt<H extends TableHandles>(level: Level, index: number): TableOf<H> {
  return { level, table: handleAt<H, Level>(level, index) } as TableOf<H>;
}

/** Makes the accessors of one level. */
export type MakeLevelOps<H extends TableHandles> = <L extends Level>(level: L, context: TableOpsContext, all: LevelTable<H>) => WritableOps<H, L>;

/**
 * The accessors of all five levels.
 *
 * @param make what to make for a level; the generic {@link TableLevelOps} unless the architecture has its own
 */
export function tableOps<H extends TableHandles>(
  context: TableOpsContext, make: MakeLevelOps<H> = (level, shared, all) => new TableLevelOps(level, shared, all),
): LevelTable<H> {
  // Levels know each other through this object, which is complete before anyone else has it.
  const all = {} as LevelTable<H>;
  all.pte = make('pte', context, all);
  all.pmd = make('pmd', context, all);
  all.pud = make('pud', context, all);
  all.p4d = make('p4d', context, all);
  all.pgd = make('pgd', context, all);
  return all;
}

/**
 * {@link Arch.pgdOffset} over table memory, for architectures whose root tables are of level pgd.
 *
 * Returns: undefined outside of the root's windows.
 */
export function pgdOffsetIn<H extends TableHandles>(tables: TableMemory, geometry: Geometry, root: Root, address: bigint): H['pgd'] | undefined {
  const base = tables.find(root.top, root.table);
  const index = rootIndex(geometry, root, address);
  return base < 0 || index < 0 ? undefined : handleAt<H, 'pgd'>('pgd', base + index);
}

/** The index in the root table of the entry for an address; -1 if the root does not translate it. */
export function rootIndex(geometry: Geometry, root: Root, address: bigint): number {
  const { shift } = geometryOf(geometry, root.top);
  for (const window of root.windows) {
    if (address >= BigInt(window.start) && address < BigInt(window.end)) {
      return window.index + Number((address - BigInt(window.start)) >> BigInt(shift));
    }
  }
  return -1;
}

/** {@link Arch.rootTable} over table memory. */
export function rootTableIn<H extends TableHandles>(tables: TableMemory, root: Root): TableOf<H> | undefined {
  const index = tables.find(root.top, root.table);
  return index < 0 ? undefined : tableAt<H>(root.top, index);
}

/** The low word of a value, as a signed number: as words are. */
export function lowWord(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}

/** The high word of a value of 64 bits, as a signed number. */
export function highWord(value: bigint): number {
  return Number(BigInt.asIntN(32, value >> 32n));
}
