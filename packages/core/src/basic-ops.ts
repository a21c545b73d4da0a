import type { EntryValues } from './entry-values.js';
import { PgtableError } from './errors.js';
import { FlushPromise, type MmContext } from './flush.js';
import type { HandleFamily, TableOf } from './handles.js';
import { geometryOf, type Below, type Geometry, type Level } from './levels.js';
import type { ScanBuffer, ScanFilter } from './scan.js';
import { UnlinkedTable } from './unlinked-table.js';
import { entryVal, type EntryVal } from './values.js';
import type { BatchIgnore, WritableOps } from './writable.js';

/**
 * How the entries of a batch are written: {@link BasicLevelOps.writer}. Whether anybody is told of each, and where it is, is asked once, before the first.
 */
export interface EntryWriter<H extends HandleFamily, L extends Level> {
  /** Writes an entry. Returns what it was. @param done how many entries of the batch come before it */
  readonly replace: (entry: H[L], value: EntryVal<L>, done: number) => EntryVal<L>;
  /** Changes an entry to what a function makes of it, whatever the hardware notes in it meanwhile. Returns what it was. @param done how many entries of the batch come before it */
  readonly change: (entry: H[L], make: (value: EntryVal<L>) => EntryVal<L>, done: number) => EntryVal<L>;
}

/**
 * Every writing accessor of a level, made of three steps on one entry and the level's values: whoever keeps entries in a
 * way of their own extends this class. `TableLevelOps` is this over table memory, with loops over words.
 *
 * The three steps are single-copy atomic where other threads can see the entry.
 */
export abstract class BasicLevelOps<H extends HandleFamily, L extends Level> implements WritableOps<H, L> {
  readonly level: L;
  protected readonly geometry: Geometry;
  protected readonly values: EntryValues<L>;
  /** Bytes of virtual addresses that an entry translates. */
  protected readonly bytes: bigint;
  /** The {@link writer} where nobody watches. */
  private readonly unwatchedWriter: EntryWriter<H, L>;
  /** For {@link EntryWriter.change}: made once, not in each batch. */
  private readonly makeOld: (value: EntryVal<L>) => EntryVal<L>;
  private readonly makeReadOnly: (value: EntryVal<L>) => EntryVal<L>;

  constructor(level: L, geometry: Geometry, values: EntryValues<L>) {
    this.level = level;
    this.geometry = geometry;
    this.values = values;
    this.bytes = 1n << BigInt(geometryOf(geometry, level).shift);
    this.unwatchedWriter = { replace: (entry, value) => this.exchange(entry, value), change: (entry, make) => this.exchangeMade(entry, make) };
    this.makeOld = (value) => (values.present(value) ? values.mkold(value) : value);
    this.makeReadOnly = (value) => (values.present(value) ? values.wrprotect(value) : value);
  }

  /** Reads an entry. */
  protected abstract load(entry: H[L]): EntryVal<L>;
  /** Writes an entry and returns what it was. */
  protected abstract exchange(entry: H[L], value: EntryVal<L>): EntryVal<L>;
  /** Writes an entry if it is `expected`, and returns what it was. */
  protected abstract compareExchange(entry: H[L], expected: EntryVal<L>, value: EntryVal<L>): EntryVal<L>;
  /** A table that is here and that no entry points to any more. @param address physical, as the entry that pointed to it had it */
  protected abstract unlinked(table: TableOf<H>, address: number, user: boolean): UnlinkedTable<H>;

  abstract advance(entry: H[L], count: number): H[L];
  abstract entryAddress(entry: H[L]): number;
  abstract distance(a: H[L], b: H[L]): number;
  abstract offset(entry: H[L], address: bigint): H[Below[L]] | undefined;
  abstract offsetLockless(entry: H[L], value: EntryVal<L>, address: bigint): H[Below[L]] | undefined;
  abstract child(entry: H[L]): TableOf<H> | undefined;
  abstract childRange(lo: number, hi: number): number;
  abstract scan(table: H[L], first: number, end: number, filter: ScanFilter, out: ScanBuffer): number;

  get(entry: H[L]): EntryVal<L> {
    return this.load(entry);
  }
  getOnce(entry: H[L]): EntryVal<L> {
    return this.load(entry);
  }
  getLockless(entry: H[L]): EntryVal<L> {
    return this.getOnce(entry);
  }
  raw(entry: H[L]): bigint {
    return this.load(entry);
  }

  set(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, count: number): void {
    const present = this.values.present(value);
    const writer = this.writer(mm, address);
    let next = value;
    for (let done = 0; ; ) {
      writer.replace(this.advance(entry, done), next, done);
      if (++done === count) return;
      if (present) next = this.values.advancePfn(next, 1);
    }
  }

  establish(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>): FlushPromise<EntryVal<L>> {
    const old = this.replace(mm, address, entry, value);
    const stale = this.values.valid(old);
    return this.promise(mm, old, address, 1, stale && old !== value, stale && !this.values.leaf(old));
  }

  clear(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void> {
    const writer = this.writer(mm, address);
    let stale = false;
    let tables = false;
    for (let done = 0; done < count; done++) {
      const old = writer.replace(this.advance(entry, done), this.values.empty, done);
      if (!this.values.valid(old)) continue;
      stale = true;
      tables ||= !this.values.leaf(old);
    }
    return this.promise(mm, undefined, address, count, stale, tables);
  }

  getAndClear(mm: MmContext, address: bigint, entry: H[L]): FlushPromise<EntryVal<L>> {
    const old = this.replace(mm, address, entry, this.values.empty);
    const stale = this.values.valid(old);
    return this.promise(mm, old, address, 1, stale, stale && !this.values.leaf(old));
  }

  getAndClearFull(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<EntryVal<L>> {
    const writer = this.writer(mm, address);
    let first = writer.replace(entry, this.values.empty, 0);
    let stale = this.values.valid(first);
    for (let done = 1; done < count; done++) {
      const old = writer.replace(this.advance(entry, done), this.values.empty, done);
      stale ||= this.values.valid(old);
      first = this.withNotesOf(first, old);
    }
    return this.promise(mm, first, address, count, stale);
  }

  testAndClearYoung(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<boolean> {
    const { values } = this;
    const writer = this.writer(mm, address);
    let young = false;
    for (let done = 0; done < count; done++) {
      const old = writer.change(this.advance(entry, done), this.makeOld, done);
      young ||= values.present(old) && values.young(old);
    }
    return this.promise(mm, young, address, count, young);
  }

  wrprotect(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void> {
    const { values } = this;
    const writer = this.writer(mm, address);
    let stale = false;
    for (let done = 0; done < count; done++) {
      const old = writer.change(this.advance(entry, done), this.makeReadOnly, done);
      stale ||= values.valid(old) && values.write(old);
    }
    return this.promise(mm, undefined, address, count, stale);
  }

  setAccessFlags(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>): FlushPromise<boolean> {
    const old = this.change(mm, address, entry, (now) => this.withFlagsOf(now, value));
    const changed = this.withFlagsOf(old, value) !== old;
    return this.promise(mm, changed, address, 1, changed && this.values.valid(old));
  }

  modifyProtStart(mm: MmContext, address: bigint, entry: H[L]): EntryVal<L> {
    return this.replace(mm, address, entry, this.values.empty);
  }

  modifyProtCommit(mm: MmContext, address: bigint, entry: H[L], old: EntryVal<L>, value: EntryVal<L>): FlushPromise<void> {
    this.replace(mm, address, entry, value);
    return this.promise(mm, undefined, address, 1, this.values.valid(old) && old !== value);
  }

  batch(entry: H[L], value: EntryVal<L>, max: number, ignore: BatchIgnore): number {
    let expected = this.withoutIgnored(value, ignore);
    let count = 1;
    for (; count < max; count++) {
      expected = this.values.advancePfn(expected, 1);
      const next = this.get(this.advance(entry, count));
      if (!this.values.present(next) || this.withoutIgnored(next, ignore) !== expected) break;
    }
    return count;
  }

  populate(mm: MmContext, address: bigint, entry: H[L], table: UnlinkedTable<H>): void {
    const now = this.load(entry);
    if (!this.values.none(now) && (this.values.valid(now) || !this.values.present(now))) {
      throw new PgtableError('EINVAL', `a ${table.level} table was to be linked to a ${this.level} entry that is not empty`, { address, hint: 'clear the entry, flush, then populate' });
    }
    const child = this.childLevel();
    if (table.level !== child) {
      throw new PgtableError('EINVAL', `a ${table.level} table cannot stand below a ${this.level} entry`, { address, hint: child === undefined ? 'nothing can' : `the next level here is ${child}` });
    }
    table.link();
    this.replace(mm, address, entry, this.values.ofTable(table.address, mm.user));
  }

  unlink(mm: MmContext, address: bigint, entry: H[L]): FlushPromise<UnlinkedTable<H>> {
    const table = this.child(entry);
    if (table === undefined) {
      throw new PgtableError('EINVAL', `the ${this.level} entry to be unlinked points to no table that is here`, { address });
    }
    const old = this.replace(mm, address, entry, this.values.empty);
    const size = this.bytes;
    const start = address - (address % size);
    return new FlushPromise(mm, this.unlinked(table, this.values.table(old), mm.user), { start, end: start + size, level: table.level, tables: true });
  }

  hugeSet(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, count: number): void {
    this.set(mm, address, entry, value, count);
  }
  hugeGet(entry: H[L], count: number): EntryVal<L> {
    let first = this.get(entry);
    if (!this.values.present(first)) return first;
    for (let done = 1; done < count; done++) first = this.withNotesOf(first, this.get(this.advance(entry, done)));
    return first;
  }
  hugeGetAndClear(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<EntryVal<L>> {
    return this.getAndClearFull(mm, address, entry, count);
  }
  hugeWrprotect(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void> {
    return this.wrprotect(mm, address, entry, count);
  }
  hugeSetAccessFlags(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, count: number): FlushPromise<boolean> {
    let changed = false;
    for (let done = 0; done < count; done++) {
      changed = this.setAccessFlags(mm, address + BigInt(done) * this.bytes, this.advance(entry, done), value).ignore('one promise for the whole group follows') || changed;
    }
    return this.promise(mm, changed, address, count, changed);
  }

  /** The level of the tables that entries of this one point to; undefined for the lowest. */
  protected abstract childLevel(): Level | undefined;

  /**
   * What writes the entries from that of an address on, and tells who watches, if anybody does. Every write of this class comes through here: loops ask for one before their first entry.
   *
   * @param address the virtual address that the first entry of the batch translates
   */
  protected writer(mm: MmContext, address: bigint): EntryWriter<H, L> {
    const { observer } = mm;
    if (observer === undefined) return this.unwatchedWriter;
    const tell = (done: number, old: EntryVal<L>, value: EntryVal<L>): void => { observer.changing(this.level, address + BigInt(done) * this.bytes, old, value); };
    return {
      replace: (entry, value, done) => {
        tell(done, this.load(entry), value);
        return this.exchange(entry, value);
      },
      change: (entry, make, done) => this.exchangeMade(entry, (old) => {
        const value = make(old);
        if (value !== old) tell(done, old, value);
        return value;
      }),
    };
  }

  /** The {@link writer}'s `replace`, of one entry. */
  protected replace(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>): EntryVal<L> {
    return this.writer(mm, address).replace(entry, value, 0);
  }

  /** The {@link writer}'s `change`, of one entry. */
  protected change(mm: MmContext, address: bigint, entry: H[L], make: (value: EntryVal<L>) => EntryVal<L>): EntryVal<L> {
    return this.writer(mm, address).change(entry, make, 0);
  }

  /** Changes an entry to what a function makes of it. Returns what it was. */
  private exchangeMade(entry: H[L], make: (value: EntryVal<L>) => EntryVal<L>): EntryVal<L> {
    for (;;) {
      const old = this.load(entry);
      const value = make(old);
      if (value === old || this.compareExchange(entry, old, value) === old) return old;
    }
  }

  /** The promise to flush `count` entries from `address` on, if any translation can be stale; `tables` if any of them pointed to a table. */
  protected promise<T>(mm: MmContext, result: T, address: bigint, count: number, stale: boolean, tables = false): FlushPromise<T> {
    return new FlushPromise(mm, result, stale ? () => ({ start: address, end: address + BigInt(count) * this.bytes, level: this.level, tables }) : undefined);
  }

  /** `value`, and young and dirty if `other` is. */
  protected withNotesOf(value: EntryVal<L>, other: EntryVal<L>): EntryVal<L> {
    const { values } = this;
    if (!values.present(other)) return value;
    let result = value;
    if (values.young(other)) result = values.mkyoung(result);
    if (values.dirty(other)) result = values.mkdirty(result);
    return result;
  }

  /**
   * `value`, and young, dirty, soft-dirty and writable if `other` is.
   *
   * Soft-dirty goes its own way: it may have been cleared of an entry that stays dirty (`clear_soft_dirty()` of fs/proc/task_mmu.c), so it is set if `other` has it, and not because that is dirty.
   */
  protected withFlagsOf(value: EntryVal<L>, other: EntryVal<L>): EntryVal<L> {
    const { values } = this;
    if (!values.present(other)) return value;
    let result = values.young(other) ? values.mkyoung(value) : value;
    if (values.dirty(other) && !values.dirty(result)) result = values.mkdirty(result);
    if (values.softDirty(other) && !values.softDirty(result)) result = values.mksoftDirty(result);
    return values.write(other) && !values.write(result) ? values.mkwrite(result) : result;
  }

  private withoutIgnored(value: EntryVal<L>, ignore: BatchIgnore): EntryVal<L> {
    const { values } = this;
    let result = value;
    if (ignore.dirty === true) result = values.mkclean(result);
    if (ignore.softDirty === true) result = values.clearSoftDirty(result);
    return values.wrprotect(values.mkold(result));
  }

  protected value(bits: bigint): EntryVal<L> {
    return entryVal(this.level, bits);
  }
}
