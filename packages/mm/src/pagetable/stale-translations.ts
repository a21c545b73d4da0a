import {
  LEVELS, PgtableError, type EntryObserver, type EntryVal, type EntryValues, type FlushRange, type HandleFamily, type Level, type Root, type Tlb, type WritableArch,
} from '@pgtable/core';
import type { Frames } from '../frames/frames.js';
import { FrameWord } from '../frames/memmap.js';
import { unscheduled } from '../schedule-point.js';
import { LiveEntries } from './live-entries.js';

/** What is owed: translations of an entry that may still be cached. */
export interface StaleTranslation {
  readonly level: Level;
  /** The first virtual address that the entry translates. */
  readonly address: bigint;
  /** The value that was cached. */
  readonly value: EntryVal<Level>;
  /** Frames that can still be reached by it, as [first, end) of frame numbers: what it maps, or the tables below and what those map. */
  readonly frames: readonly (readonly [number, number])[];
}

/**
 * Finds "flush after free": a frame must not be freed while translations to it may be cached.
 *
 * It sees stores and flushes. Of each frame whose live entry was taken away, or changed to another frame, the word `Stale` counts one more until a flush
 * covers the entry's addresses; a table that was unlinked, the tables below it, and what they map, count too. `Frames.freePages` refuses a frame whose count
 * is not 0. An entry that is given back to the same frame owes nothing. Entries of tables that are not live owe nothing: nothing caches them.
 *
 * One belongs to one thread and one address space; counts are in shared memory. A thread pays what it owes itself: a flush by another thread does not count.
 * Where a flush is ignored because the address space never runs again, it is paid by {@link StaleTranslations.forgetAll}.
 *
 *     const stale = new StaleTranslations(frames, arch, root, tlb);
 *     const context: MmContext = { user: true, tlb: stale, observer: stale };
 *
 * Locking: what its context's accessors need; it takes none, for what is owed belongs to one thread.
 */
export class StaleTranslations<H extends HandleFamily = HandleFamily> implements EntryObserver, Tlb {
  private readonly frames: Frames;
  private readonly live: LiveEntries<H>;
  private readonly tlb: Tlb;
  /** By level and address, oldest first. */
  private readonly debts = new Map<string, StaleTranslation[]>();

  /**
   * @param root of the address space
   * @param tlb what really forgets translations
   */
  constructor(frames: Frames, arch: WritableArch<H>, root: Root, tlb: Tlb) {
    this.frames = frames;
    this.live = new LiveEntries(arch, root);
    this.tlb = tlb;
  }

  /** What this thread owes now, oldest first. */
  get owed(): readonly StaleTranslation[] {
    return [...this.debts.values()].flat();
  }

  /** Notes a change. Locking: the lock of the entry's table. */
  changing<L extends Level>(level: L, address: bigint, old: EntryVal<L>, value: EntryVal<L>): void {
    const { live } = this;
    if (live.find(level, address) === undefined) return;
    const own = live.levelOf(level);
    const start = address - (address % live.bytes(own));
    const before = this.target(own, old);
    const after = this.target(own, value);
    if (before !== undefined && before !== after) this.owe({ level: own, address: start, value: old, frames: this.reached(own, start, old) });
    // What is cached is what the entry says again.
    if (after !== undefined) this.settle(keyOf(own, start), (debt) => this.target(own, debt.value) === after);
  }

  /** Forgets translations, and with them what is owed for the range. A flush without `tables` need not reach what is cached of entries that point to tables. */
  flush(range: FlushRange): void {
    this.tlb.flush(range);
    const { live } = this;
    for (const key of this.debts.keys()) this.settle(key, ({ level, address }) => (
      (range.tables || LEVELS.indexOf(level) <= LEVELS.indexOf(range.level)) && address >= range.start && address + live.bytes(level) <= range.end
    ));
  }

  /** Forgets the whole address space: it never runs again, or all of it was flushed in another way. */
  forgetAll(): void {
    for (const key of this.debts.keys()) this.settle(key, () => true);
  }

  /**
   * Stands where a thread has done its work.
   *
   * @throws PgtableError `EINVAL` if it owes flushes: of which entries
   */
  assertNothingOwed(): void {
    const { owed } = this;
    const [first] = owed;
    if (first === undefined) return;
    const list = owed.slice(0, SHOWN).map(({ level, address, value }) => `the ${level} entry 0x${value.toString(16)} of 0x${address.toString(16)}`).join(', ');
    throw new PgtableError('EINVAL', `${owed.length} changes were not flushed: ${list}${owed.length > SHOWN ? ' and more' : ''}`, {
      address: first.address, hint: 'flush(), or gather() and finish()',
    });
  }

  /** What a translation by that value leads to, as one key: `leaf` and the frame, `table` and its address; undefined: nothing is cached of it. */
  private target(level: Level, value: EntryVal<Level>): string | undefined {
    const values: EntryValues = this.live.arch.values[level];
    if (!values.valid(value)) return undefined;
    const table = this.live.tableIn(level, value);
    return table === undefined ? `leaf ${values.pfn(value)}` : `table ${table}`;
  }

  private reached(level: Level, start: bigint, value: EntryVal<Level>): (readonly [number, number])[] {
    const { live, frames } = this;
    const found: (readonly [number, number])[] = [];
    const leaf = (at: Level, leafValue: EntryVal<Level>): void => {
      const values: EntryValues = live.arch.values[at];
      if (!values.valid(leafValue) || live.tableIn(at, leafValue) !== undefined) return;
      const first = values.pfn(leafValue);
      found.push([Math.max(first, frames.firstPfn), Math.min(first + live.frames(at), frames.firstPfn + frames.count)]);
    };
    const table = live.tableIn(level, value);
    const below = live.below(level);
    if (table === undefined || below === undefined) leaf(level, value);
    else {
      live.visit(below, table, start, (at) => { leaf(at.level, at.value); }, (_, address) => {
        const pfn = Math.floor(address / frames.pageBytes);
        if (pfn >= frames.firstPfn && pfn < frames.firstPfn + frames.count) found.push([pfn, pfn + 1]);
      });
    }
    return found.filter(([first, end]) => first < end);
  }

  private owe(debt: StaleTranslation): void {
    this.add(debt, 1);
    const key = keyOf(debt.level, debt.address);
    const others = this.debts.get(key);
    if (others === undefined) this.debts.set(key, [debt]);
    else others.push(debt);
  }

  private settle(key: string, paid: (debt: StaleTranslation) => boolean): void {
    const left = this.debts.get(key)?.filter((debt) => {
      if (!paid(debt)) return true;
      this.add(debt, -1);
      return false;
    });
    if (left === undefined) return;
    if (left.length === 0) this.debts.delete(key);
    else this.debts.set(key, left);
  }

  private add({ frames }: StaleTranslation, delta: 1 | -1): void {
    unscheduled(() => {
      for (const [first, end] of frames) {
        for (let pfn = first; pfn < end; pfn++) this.frames.add(pfn, FrameWord.Stale, delta);
      }
    });
  }
}

/** Entries that an error lists. */
const SHOWN = 8;

function keyOf(level: Level, address: bigint): string {
  return `${level} ${address}`;
}
