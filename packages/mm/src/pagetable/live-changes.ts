import { BreakBeforeMake, type EntryObserver, type EntryVal, type FlushRange, type HandleFamily, type Level, type Root, type Tlb, type WritableArch } from '@pgtable/core';
import { LiveEntries } from './live-entries.js';

/**
 * {@link BreakBeforeMake} over the tables of one address space: what the architecture forbids to change in one step (`WritableArch.liveChange`) is made invalid, flushed, and only then written anew. Entries of
 * tables that cannot be reached from the root are nobody's business: they may be filled and emptied in any way.
 *
 * A change of a valid entry into another is seen whoever made it what it was. That a flush is missing in between is seen where one thread does both: one of these belongs to one thread. It could be had for all threads
 * together, with what was made invalid in shared memory; but Linux does not keep to the rule there, and this model does as Linux does. `zap_pte_range()` (mm/memory.c, 6.12) gathers, releases the lock of the table and
 * flushes afterwards; a fault of another thread may take the lock in between, and map another page at an address whose old translation is cached still.
 *
 * One belongs to one thread and one address space. Locking: what its context's accessors need; it takes none.
 */
export class LiveChanges<H extends HandleFamily = HandleFamily> implements EntryObserver, Tlb {
  private readonly live: LiveEntries<H>;
  private readonly rule: BreakBeforeMake;

  /**
   * @param root of the address space
   * @param tlb what really forgets translations
   */
  constructor(arch: WritableArch<H>, root: Root, tlb: Tlb) {
    this.live = new LiveEntries(arch, root);
    this.rule = new BreakBeforeMake(arch, tlb);
  }

  /** Looks at a change. Locking: the lock of the entry's table. @throws PgtableError `EINVAL` if it may not be done so */
  changing<L extends Level>(level: L, address: bigint, old: EntryVal<L>, value: EntryVal<L>): void {
    const { live, rule } = this;
    if (live.find(level, address) === undefined) return;
    const own = live.levelOf(level);
    // A folded level's entry is that of another, under its own name.
    rule.changing<Level>(own, address - (address % live.bytes(own)), old, value);
  }

  /** Forgets translations: from here on the entries of the range may become anything. */
  flush(range: FlushRange): void {
    this.rule.flush(range);
  }
}
