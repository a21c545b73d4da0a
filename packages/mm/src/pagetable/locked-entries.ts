import { geometryOf, type EntryObserver, type EntryVal, type EntryValues, type HandleFamily, type Level, type Root, type WritableArch } from '@pgtable/core';
import { lockClasses } from '../locks/lock-class.js';
import { lockdepAssertHeld } from '../locks/lockdep.js';
import { hex } from './constructor.js';
import { LiveEntries } from './live-entries.js';
import type { PageTables } from './page-tables.js';

/**
 * Finds entries that are changed without the lock of their table: each pte, and each pmd entry that is a huge page or becomes one or stops being one, of a table that can be reached from the root
 * (Documentation/mm/split_page_table_lock.rst, Linux 6.12). The error has the place of the change, and the place where the lock was released last.
 *
 * Tables are linked and unlinked under other locks too (`free_pgd_range()` has the mmap lock alone), so entries that point to tables are not looked at. A table that was taken out is its taker's.
 *
 * One belongs to one thread and one address space, whose tables have split locks: not for the kernel's own. Says nothing in threads that are not checked.
 */
export class LockedEntries<H extends HandleFamily = HandleFamily> implements EntryObserver {
  private readonly pageTables: PageTables<H>;
  private readonly live: LiveEntries<H>;

  /** @param root of the address space */
  constructor(pageTables: PageTables<H>, arch: WritableArch<H>, root: Root) {
    this.pageTables = pageTables;
    this.live = new LiveEntries(arch, root);
  }

  /**
   * Looks whether the lock is held.
   *
   * Locking: the lock of the entry's table, which is what it checks.
   *
   * @throws LockRuleError `unprotected` if the thread does not have it
   */
  changing<L extends Level>(level: L, address: bigint, old: EntryVal<L>, value: EntryVal<L>): void {
    if (level === 'pte') this.assertLocked(level, address, lockClasses.ptePtl);
    else if (level === 'pmd' && !geometryOf(this.live.arch.geometry, level).folded && (this.isLeaf(level, old) || this.isLeaf(level, value))) this.assertLocked(level, address, lockClasses.pmdPtl);
  }

  private isLeaf(level: Level, value: EntryVal<Level>): boolean {
    const values: EntryValues = this.live.arch.values[level];
    return values.present(value) && values.leaf(value);
  }

  private assertLocked<L extends 'pte' | 'pmd'>(level: L, address: bigint, lockClass: (typeof lockClasses)['ptePtl' | 'pmdPtl']): void {
    const { live, pageTables } = this;
    const entry = live.find<L>(level, address);
    if (entry === undefined) return;
    const ops: { entryAddress(of: H[L]): number } = live.arch.ops[level];
    lockdepAssertHeld(pageTables.frames.memmap, pageTables.lockWord(ops.entryAddress(entry)), lockClass, `the ${level} entry of ${hex(Number(address))}`);
  }
}
