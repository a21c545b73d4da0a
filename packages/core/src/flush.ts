import type { EntryObserver } from './break-before-make.js';
import { PgtableError } from './errors.js';
import type { Level } from './levels.js';

/*
 * Translations are cached, so a change of an entry is not done when the entry is written: whoever may still use the old
 * translation must be told. Every operation that can leave a stale translation returns a FlushPromise, and hands its result out
 * only against one of three decisions:
 *
 *   flush()          now
 *   gather(batch)    with others, when the batch is finished
 *   ignore("why")    not at all, and why that is right
 */

/** Translations that may be stale: a flush asks for this much to be forgotten. */
export interface FlushRange {
  /** Virtual addresses, half-open: [start, end), multiples of the page size. */
  readonly start: bigint;
  readonly end: bigint;
  /** The level of the entries that changed: a hint at the size of the pages (`stride`), and at what need not be forgotten. */
  readonly level: Level;
  /** Tables were unlinked too, so what is cached of the entries that point to tables (`freed_tables`) must go as well. */
  readonly tables: boolean;
}

/**
 * What caches translations: the TLB of a machine, of an emulator, of a model.
 *
 * `flush` returns when no translation of the range from before the call can be used any more. It may forget more.
 */
export interface Tlb {
  flush(range: FlushRange): void;
}

/** Nothing caches translations of these tables: they are a copy of a dump, or no machine runs on them yet. */
export const NO_TLB: Tlb = {
  flush() {
    // There is nothing to forget.
  },
};

/**
 * Whose entries are changed: as much of `struct mm_struct` as an accessor needs.
 */
export interface MmContext {
  /** Processes' memory, as opposed to the kernel's own (`init_mm`): arm64 folds contiguous blocks for users alone. */
  readonly user: boolean;
  /** What must forget translations. {@link NO_TLB} where nothing runs on these tables. */
  readonly tlb: Tlb;
  /** Watches that no flush promise is dropped. For tests. */
  readonly ledger?: FlushLedger;
  /** Is told of every change of an entry. For tests and checkers. */
  readonly observer?: EntryObserver;
}

/**
 * An operation's result, with a flush that is still owed. The result is had only by deciding about the flush; a promise
 * that is dropped is found by a {@link FlushLedger}, and by the lint.
 *
 * Each decision can be taken once. Where it fails, because the TLB or the batch throws, the flush is still owed.
 */
export class FlushPromise<T> {
  private readonly mm: MmContext;
  private readonly range: FlushRange | (() => FlushRange) | undefined;
  private readonly result: T;
  private kept = false;

  /**
   * For architecture code; others get promises from accessors.
   *
   * @param range undefined if no translation can be stale: then every decision is right, and dropping the promise is too. A function is
   *   called when somebody wants the range: its bigints cost as much as dozens of entries, and a flush that is ignored needs none
   */
  constructor(mm: MmContext, result: T, range: FlushRange | (() => FlushRange) | undefined) {
    this.mm = mm;
    this.result = result;
    this.range = range;
    if (range !== undefined) mm.ledger?.promised(this, made(range));
  }

  /** Whether there is anything to flush. False where the operation found nothing that could be cached, or flushed itself. */
  get owed(): boolean {
    return !this.kept && this.range !== undefined;
  }

  /** Forgets the stale translations now. Returns the operation's result. */
  flush(): T {
    const range = made(this.notKept());
    if (range !== undefined) this.mm.tlb.flush(range);
    return this.keep();
  }

  /** Leaves the flush to a batch. Returns the operation's result. */
  gather(batch: MmuGather): T {
    const range = made(this.notKept());
    if (range !== undefined) batch.add(this.mm, range);
    return this.keep();
  }

  /**
   * Does not flush. Returns the operation's result.
   *
   * @param why the reason, for who reads it: "the next access faults and is repeated", "the address space never ran"
   */
  ignore(why: string): T {
    if (why.trim() === '') throw new PgtableError('EINVAL', 'a flush is ignored without a reason', { hint: 'say why no stale translation can be used' });
    this.notKept();
    return this.keep();
  }

  /** Passes on another result under the same promise: for operations that are made of others. */
  map<U>(change: (result: T) => U): FlushPromise<U> {
    const range = this.notKept();
    const result = change(this.result);
    this.keep();
    return new FlushPromise(this.mm, result, range);
  }

  private notKept(): FlushRange | (() => FlushRange) | undefined {
    if (this.kept) throw new PgtableError('EINVAL', 'a flush promise was used twice', { hint: 'keep the result of the first use' });
    return this.range;
  }

  /** Only once nothing can fail any more: a flush that did not come about is still owed. */
  private keep(): T {
    this.kept = true;
    if (this.range !== undefined) this.mm.ledger?.kept(this);
    return this.result;
  }
}

function made<R extends FlushRange | undefined>(range: R | (() => FlushRange)): R | FlushRange {
  return typeof range === 'function' ? range() : range;
}

/** A batch of flushes of one address space. The kernel's `struct mmu_gather`, as far as the TLB is concerned. */
export class MmuGather {
  private readonly mm: MmContext;
  private readonly ranges: FlushRange[] = [];

  /** `tlb_gather_mmu` */
  constructor(mm: MmContext) {
    this.mm = mm;
  }

  /** What will be flushed: ranges that do not touch, by level, in the order in which they came. */
  get pending(): readonly FlushRange[] {
    return this.ranges;
  }

  /** For {@link FlushPromise.gather}. Ranges of one level that touch become one. */
  add(mm: MmContext, range: FlushRange): void {
    if (mm.tlb !== this.mm.tlb) {
      throw new PgtableError('EINVAL', 'a flush of one address space was given to the batch of another', {
        address: range.start,
        hint: 'make one MmuGather for each address space',
      });
    }
    const last = this.ranges.at(-1);
    if (last?.level === range.level && range.start <= last.end && last.start <= range.end) {
      this.ranges[this.ranges.length - 1] = {
        start: range.start < last.start ? range.start : last.start,
        end: range.end > last.end ? range.end : last.end,
        level: range.level,
        tables: last.tables || range.tables,
      };
    } else {
      this.ranges.push(range);
    }
  }

  /** `tlb_finish_mmu`: flushes everything that was gathered. Where the TLB throws, what was not flushed stays {@link pending}. */
  finish(): void {
    for (let range = this.ranges[0]; range !== undefined; range = this.ranges[0]) {
      this.mm.tlb.flush(range);
      this.ranges.shift();
    }
  }
}

/** A dropped flush: what may be stale, and who owed it. */
export interface DroppedFlush {
  readonly range: FlushRange;
  /** Where the promise was made, as the host prints a stack. */
  readonly site: string;
}

/** Watches the flush promises of the address spaces that it is given to ({@link MmContext.ledger}). For tests. */
export class FlushLedger {
  /** With the place of each as an object whose text is made when somebody asks for it: making it takes several times as long. */
  private readonly open = new Map<FlushPromise<unknown>, { readonly range: FlushRange; readonly place: Error }>();

  /** For {@link FlushPromise}. */
  promised(promise: FlushPromise<unknown>, range: FlushRange): void {
    this.open.set(promise, { range, place: new Error('promised') });
  }

  /** For {@link FlushPromise}. */
  kept(promise: FlushPromise<unknown>): void {
    this.open.delete(promise);
  }

  /** The promises that nobody has used so far. */
  dropped(): DroppedFlush[] {
    return Array.from(this.open.values(), ({ range, place }) => ({ range, site: place.stack ?? '' }));
  }

  /**
   * Says that all work is done.
   *
   * @throws PgtableError `EINVAL` if a promise was dropped, with the range and the place of each
   */
  close(): void {
    const dropped = this.dropped();
    this.open.clear();
    const first = dropped[0];
    if (first === undefined) return;
    const list = dropped.map(({ range, site }) => `  [0x${range.start.toString(16)}, 0x${range.end.toString(16)}) at ${range.level} level\n${site}`);
    throw new PgtableError('EINVAL', `${dropped.length} flush promises were dropped, so stale translations may be in use:\n${list.join('\n')}`, {
      address: first.range.start,
      hint: 'call flush(), gather(batch) or ignore("why") on what the accessor returns',
    });
  }
}
