import { isWritableMigrationEntry, PgtableError, type EntryObserver, type EntryVal, type EntryValues, type HandleFamily, type Level, type Root, type WritableArch } from '@pgtable/core';
import type { Frames } from '../frames/frames.js';
import { FrameType, FrameWord } from '../frames/memmap.js';
import { LiveEntries } from './live-entries.js';

/**
 * `CONFIG_PAGE_TABLE_CHECK`: counts, for each frame, the entries of users' tables that map it, and refuses what cannot be right (mm/page_table_check.c, 6.12, and
 * Documentation/mm/page_table_check.rst):
 *
 * - a frame is mapped as an anonymous page or as another one, never as both;
 * - an anonymous page that any other entry maps may not be mapped writable;
 * - a count never goes below 0: what is unmapped was mapped;
 * - a frame that is freed, or is in the allocator, or is a page table, is not mapped. The first of these `Frames.freePages` says;
 * - an entry that is write-protected for userfaultfd is not writable, nor is it a migration entry of a writable page. (The kernel knows device-private pages
 *   too.)
 *
 * Every entry counts that is present, maps memory, and may be used (not PROT_NONE), as long as its table is live: tables may be filled before they are
 * linked, and emptied after. The kernel counts in those too, and not a huge page while it is invalidated; the sums are the same wherever nobody holds the
 * lock of the table. Frames that are not in memory do not count (`pfn_valid`).
 *
 * One belongs to one thread and one address space; counts are in shared memory. Not for the kernel's own address space.
 */
export class PageTableCheck<H extends HandleFamily = HandleFamily> implements EntryObserver {
  private readonly frames: Frames;
  private readonly live: LiveEntries<H>;

  /** @param root of the address space: only what can be reached from it counts */
  constructor(frames: Frames, arch: WritableArch<H>, root: Root) {
    this.frames = frames;
    this.live = new LiveEntries(arch, root);
  }

  /**
   * Counts a change.
   *
   * Locking: the lock of the entry's table.
   *
   * @throws PgtableError `EINVAL` for what cannot be right; the counts are then as before
   */
  changing<L extends Level>(level: L, address: bigint, old: EntryVal<L>, value: EntryVal<L>): void {
    if (this.live.find(level, address) === undefined) return;
    const done: (() => void)[] = [];
    try {
      this.checkFlags(level, address, value);
      this.each(level, address, old, (at, mapped) => { this.unmap(at, address, mapped, done); });
      this.each(level, address, value, (at, mapped) => { this.map(at, address, mapped, done); });
    } catch (error) {
      for (const undo of done.reverse()) undo();
      throw error;
    }
  }

  /** Every leaf that an entry stands for: itself, or what is in the table that it points to. */
  private each(level: Level, address: bigint, value: EntryVal<Level>, what: (level: Level, value: EntryVal<Level>) => void): void {
    const { live } = this;
    const table = live.tableIn(level, value);
    const below = live.below(level);
    if (table === undefined || below === undefined) {
      if (this.counts(level, value)) what(level, value);
      return;
    }
    const start = address - (address % live.bytes(level));
    live.visit(below, table, start, (at) => { if (this.counts(at.level, at.value)) what(at.level, at.value); }, () => undefined);
  }

  private counts(level: Level, value: EntryVal<Level>): boolean {
    const values: EntryValues = this.live.arch.values[level];
    return values.present(value) && values.leaf(value) && !values.protnone(value);
  }

  private checkFlags(level: Level, address: bigint, value: EntryVal<Level>): void {
    const values: EntryValues = this.live.arch.values[level];
    const writable = values.present(value)
      ? values.uffdWp(value) && values.write(value)
      : values.swap(value) && values.swpUffdWp(value) && isWritableMigrationEntry({ type: values.swapType(value), offset: values.swapOffset(value) });
    if (writable) {
      throw new PgtableError('EINVAL', `page_table_check: a ${level} entry would be write-protected for userfaultfd and writable: 0x${value.toString(16)}`, { address, hint: 'wrprotect() it too' });
    }
  }

  private map(level: Level, address: bigint, value: EntryVal<Level>, done: (() => void)[]): void {
    const values: EntryValues = this.live.arch.values[level];
    const writable = values.write(value);
    this.count(level, value, done, 1, (pfn, anon, count, other) => {
      const type = this.frames.read(pfn, FrameWord.Type);
      if (type === FrameType.Free || type === FrameType.Table) return this.error(pfn, address, type === FrameType.Free ? 'a frame that is free would be mapped' : 'a page table would be mapped');
      if (other !== 0) return this.error(pfn, address, `${anon ? 'an anonymous' : 'another'} page would be mapped that ${other} entries map as ${anon ? 'a file\'s' : 'an anonymous one'}`);
      if (anon && count > 1 && writable) return this.error(pfn, address, `an anonymous page would be mapped writable, and ${count - 1} other entries map it`);
      return undefined;
    });
  }

  private unmap(level: Level, address: bigint, value: EntryVal<Level>, done: (() => void)[]): void {
    this.count(level, value, done, -1, (pfn, anon, count, other) => {
      if (other !== 0) return this.error(pfn, address, `${anon ? 'an anonymous' : 'another'} page would be unmapped that ${other} entries map as ${anon ? 'a file\'s' : 'an anonymous one'}`);
      if (count < 0) return this.error(pfn, address, `a page would be unmapped that no entry maps as ${anon ? 'an anonymous one' : 'a file\'s'}`);
      return undefined;
    });
  }

  /** Counts the frames of a leaf. @param wrong what is wrong about a frame: with what it was counted as, the new count, and the other one */
  private count(
    level: Level, value: EntryVal<Level>, done: (() => void)[], delta: 1 | -1, wrong: (pfn: number, anon: boolean, count: number, other: number) => PgtableError | undefined,
  ): void {
    const { frames, live } = this;
    const values: EntryValues = live.arch.values[level];
    const first = values.pfn(value);
    const end = Math.min(first + live.frames(level), frames.firstPfn + frames.count);
    for (let pfn = Math.max(first, frames.firstPfn); pfn < end; pfn++) {
      // What a block is for stands at its first frame.
      const anon = frames.read(frames.head(pfn), FrameWord.Type) === FrameType.Anon;
      const word = anon ? FrameWord.AnonMaps : FrameWord.FileMaps;
      const count = frames.add(pfn, word, delta);
      const at = pfn;
      done.push(() => { frames.add(at, word, -delta); });
      const error = wrong(pfn, anon, count, frames.read(pfn, anon ? FrameWord.FileMaps : FrameWord.AnonMaps));
      if (error !== undefined) throw error;
    }
  }

  private error(pfn: number, address: bigint, why: string): PgtableError {
    return new PgtableError('EINVAL', `page_table_check: ${why}: ${this.frames.describe(pfn)}`, { address, hint: 'see which entries map the frame, and what it was made for' });
  }
}
