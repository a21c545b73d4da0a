import {
  EntryKind, geometryOf, HIGH_WORD, levelNumber, LEVELS, LOW_WORD, UnlinkedTable, type Below, type EntryVal, type Geometry, type Level, type ScanBuffer,
  type ScanFilter, type TableHandles, type TableMemory, type TableOf, type WritableOps,
} from '@pgtable/core';
import { BasicLevelOps, entryIndex, handleAt, indexOf, tableAt } from '@pgtable/core/arch';
import { BUSY } from './bits.js';
import { lookAt, Look, type D128Format } from './format.js';
import type { D128ValueTable } from './values.js';

/** What all levels share. */
export interface D128OpsContext {
  /** Entries of 16 bytes. */
  readonly tables: TableMemory;
  readonly geometry: Geometry;
  /** By level number. */
  readonly formats: readonly D128Format[];
  readonly values: D128ValueTable;
}

type AllOps<H extends TableHandles> = { [L in Level]: WritableOps<H, L> };

/** The bit that {@link D128LevelOps} locks an entry with, in the entry's high 64 bits. */
const BUSY_HIGH = BUSY >> 64n;

/**
 * The accessors of one level: the steps that `BasicLevelOps` asks for, over entries of two 64-bit elements.
 *
 * # Reading and writing 128 bits at once
 *
 * The processor reads and writes a descriptor as one, with LDP, STP or CASP; JavaScript's largest atomic access is of 64 bits. Reading low, high and low
 * again, as is done with 64-bit entries on 32-bit machines, would not be right here: the low halves may be equal and of two values between which the
 * high half was another (one writer changes a page's protection, another its frame and back).
 *
 * So in memory that threads share ({@link TableMemory.shared}) every read and write of an entry, by `get` and `getOnce` alike, holds a lock in it: bit 100, one of software's,
 * which a compare-and-exchange of the high half sets. Whoever has it is the only accessor of the entry, so what is read was written by one. While an entry
 * is written its low half is zero, and that is first made so: hardware that walks the tables meanwhile sees an entry that is not valid, never a mixture.
 * What hardware notes, AF and nDirty, is in the low half, which is taken by an atomic exchange, so that no note is lost. The price is that a reader
 * writes, and waits for a writer of the same entry; it never waits for a second one. A thread that ends within the four stores leaves the entry locked.
 *
 * In memory of one thread nothing can come between two plain stores, and there is no lock. Scans read the words as they stand, without the lock, and are
 * for tables that nobody changes or whose lock is held.
 */
export class D128LevelOps<H extends TableHandles, L extends Level> extends BasicLevelOps<H, L> {
  private readonly tables: TableMemory;
  private readonly format: D128Format;
  private readonly all: AllOps<H>;
  /** The next level that exists. */
  private readonly nextLevel: Level | undefined;
  private readonly number: number;
  private readonly head = new Look();
  private readonly next = new Look();

  constructor(level: L, context: D128OpsContext, all: AllOps<H>) {
    super(level, context.geometry, context.values[level]);
    this.number = levelNumber(level);
    this.tables = context.tables;
    this.format = context.formats[this.number]!;
    this.all = all;
    this.nextLevel = LEVELS.slice(0, this.number).findLast((lower) => !geometryOf(context.geometry, lower).folded);
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
    // The name below is Below[L] for any L, which TypeScript does not conclude from an array of names.
    const below = LEVELS[this.number - 1] as Below[L] | undefined;
    if (below === undefined) return undefined;
    const index = indexOf<H, L>(entry);
    if (geometryOf(this.geometry, below).folded) return handleAt<H, Below[L]>(below, index);
    const table = this.childIndex(index);
    return table < 0 ? undefined : handleAt<H, Below[L]>(below, table + entryIndex(this.geometry, below, address));
  }

  offsetLockless(entry: H[L], value: EntryVal<L>, address: bigint): H[Below[L]] | undefined {
    const below = LEVELS[this.number - 1] as Below[L] | undefined;
    if (below === undefined || this.nextLevel === undefined) return undefined;
    if (geometryOf(this.geometry, below).folded) return handleAt<H, Below[L]>(below, indexOf<H, L>(entry));
    if (!this.values.valid(value) || this.values.leaf(value)) return undefined;
    const table = this.tables.find(this.nextLevel, this.values.table(value));
    return table < 0 ? undefined : handleAt<H, Below[L]>(below, table + entryIndex(this.geometry, below, address));
  }

  child(entry: H[L]): TableOf<H> | undefined {
    const table = this.childIndex(indexOf<H, L>(entry));
    return this.nextLevel === undefined || table < 0 ? undefined : tableAt<H>(this.nextLevel, table);
  }

  childRange(_lo: number, _hi: number): number {
    return this.nextLevel === undefined ? 0 : geometryOf(this.geometry, this.nextLevel).entries << 16;
  }

  scan(table: H[L], first: number, end: number, filter: ScanFilter, out: ScanBuffer): number {
    const { words } = this.tables;
    const { format, head, next } = this;
    const base = indexOf<H, L>(table);
    const maskLo = filter.maskLo[this.number]!;
    const maskHi = filter.maskHi[this.number]!;
    for (let index = first; index < end; ) {
      if (out.count === out.capacity) return index;
      lookAt(format, words, base + index, head);
      const { kind, lo, hi, pa } = head;
      let after = index + 1;
      // Tables and bad entries are a row each; so is what is not present where every bit may say where a page is.
      if (kind === EntryKind.None || kind === EntryKind.Leaf || (kind === EntryKind.NonPresent && !filter.contiguous)) {
        for (; after < end; after++) {
          lookAt(format, words, base + after, next);
          if (next.kind !== kind || (((next.lo ^ lo) & maskLo) | ((next.hi ^ hi) & maskHi)) !== 0) break;
          if (kind === EntryKind.Leaf && filter.contiguous && next.pa !== pa + (after - index) * format.bytes) break;
        }
      }
      out.push(kind, index, after - index, lo, hi, pa);
      index = after;
    }
    return end;
  }

  protected load(entry: H[L]): EntryVal<L> {
    const at = indexOf<H, L>(entry) * 2;
    const { elements, shared } = this.tables;
    if (!shared) return this.joined(elements[at + LOW_WORD]!, elements[at + HIGH_WORD]!);
    const high = this.lock(at);
    const low = Atomics.load(elements, at + LOW_WORD);
    this.unlock(at, high);
    return this.joined(low, high);
  }

  protected exchange(entry: H[L], value: EntryVal<L>): EntryVal<L> {
    const at = indexOf<H, L>(entry) * 2;
    const { elements, shared } = this.tables;
    if (!shared) {
      const old = this.load(entry);
      this.store(at, value);
      return old;
    }
    const high = this.lock(at);
    const low = Atomics.exchange(elements, at + LOW_WORD, 0n);
    this.storeLocked(at, value);
    return this.joined(low, high);
  }

  protected compareExchange(entry: H[L], expected: EntryVal<L>, value: EntryVal<L>): EntryVal<L> {
    const at = indexOf<H, L>(entry) * 2;
    const { elements, shared } = this.tables;
    if (!shared) {
      const old = this.load(entry);
      if (old === expected) this.store(at, value);
      return old;
    }
    const high = this.lock(at);
    if (high === expected >> 64n) {
      // The hardware may note something up to this moment.
      const low = Atomics.compareExchange(elements, at + LOW_WORD, BigInt.asUintN(64, expected), 0n);
      if (low === BigInt.asUintN(64, expected)) this.storeLocked(at, value);
      else this.unlock(at, high);
      return this.joined(low, high);
    }
    const low = Atomics.load(elements, at + LOW_WORD);
    this.unlock(at, high);
    return this.joined(low, high);
  }

  protected childLevel(): Level | undefined {
    return this.nextLevel;
  }

  protected unlinked({ level, table }: TableOf<H>, address: number, user: boolean): UnlinkedTable<H> {
    const { entries, shift } = geometryOf(this.geometry, level);
    // Level and handle go together in a TableOf, which no type can say once they are apart: 'pte' stands for whichever it is.
    return new UnlinkedTable<H, 'pte'>(this.all[level as 'pte'], table as H['pte'], { address, entries, shift, user });
  }

  /** Index of the first entry of the table that an entry points to; -1 if it points to none, or to one that is not here. */
  private childIndex(index: number): number {
    if (this.nextLevel === undefined) return -1;
    lookAt(this.format, this.tables.words, index, this.next);
    return this.next.kind === EntryKind.Table ? this.tables.find(this.nextLevel, this.next.pa) : -1;
  }

  private joined(low: bigint, high: bigint): EntryVal<L> {
    return this.value((high << 64n) | low);
  }

  private store(at: number, value: bigint): void {
    this.tables.elements[at + LOW_WORD] = BigInt.asUintN(64, value);
    this.tables.elements[at + HIGH_WORD] = value >> 64n;
  }

  /** Takes the lock of an entry. Returns: its high half, without the lock. */
  private lock(at: number): bigint {
    const { elements } = this.tables;
    for (;;) {
      const high = Atomics.load(elements, at + HIGH_WORD) & ~BUSY_HIGH;
      if (Atomics.compareExchange(elements, at + HIGH_WORD, high, high | BUSY_HIGH) === high) return high;
    }
  }

  private unlock(at: number, high: bigint): void {
    Atomics.store(this.tables.elements, at + HIGH_WORD, high);
  }

  /** Writes an entry that is locked and whose low half is zero: the high half, then the low one, then the lock goes. */
  private storeLocked(at: number, value: bigint): void {
    const { elements } = this.tables;
    Atomics.store(elements, at + HIGH_WORD, (value >> 64n) | BUSY_HIGH);
    Atomics.store(elements, at + LOW_WORD, BigInt.asUintN(64, value));
    this.unlock(at, value >> 64n);
  }
}

/** The accessors of all five levels, which know each other. */
export function d128Ops<H extends TableHandles>(context: D128OpsContext): AllOps<H> {
  // Complete before anyone else has it.
  const all = {} as AllOps<H>;
  all.pte = new D128LevelOps('pte', context, all);
  all.pmd = new D128LevelOps('pmd', context, all);
  all.pud = new D128LevelOps('pud', context, all);
  all.p4d = new D128LevelOps('p4d', context, all);
  all.pgd = new D128LevelOps('pgd', context, all);
  return all;
}
