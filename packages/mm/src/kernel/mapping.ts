import { PgtableError, type HandleFamily } from '@pgtable/core';
import type { WalkMapping } from '@pgtable/walk';
import { FrameType, FrameWord } from '../frames/memmap.js';
import { lockClasses } from '../locks/lock-class.js';
import { lockdepAssertHeld } from '../locks/lockdep.js';
import { downRead, downWrite, RW_LOCK_WORDS, rwIsLocked, rwWriteHeldByMe, upRead, upWrite } from '../locks/rw-lock.js';
import { currentThread } from '../locks/thread.js';
import { AccessType, schedulePoint } from '../schedule-point.js';
import type { Kernel } from './kernel.js';
import { VmaWord } from './vma-slots.js';
import type { Vma } from './vma.js';

/** The words of a mapping. */
export const MappingWord = {
  /** Odd while it is there. */
  Generation: 0,
  /** How many pages the file has. */
  Pages: 1,
  /** `i_mmap_rwsem`. */
  Lock: 2,
  /** The first VMA of the list, 0: none. */
  First: 2 + RW_LOCK_WORDS,
  /** How many VMAs are in the list. */
  Count: 3 + RW_LOCK_WORDS,
  /** Index of a word for each page: its frame, counted from the first frame of memory, plus 1; 0: not there. */
  Cache: 4 + RW_LOCK_WORDS,
} as const;
export const MAPPING_WORDS = 8;

/**
 * `struct address_space`: a file, as far as memory knows it. Its pages (`i_pages`), and the VMAs of all address spaces that map it (`i_mmap`).
 *
 * The list of VMAs is in shared memory and not in any thread's tree, because it is of all address spaces.
 *
 * Locking: none, where nothing else is said: pages of the cache are read and exchanged atomically.
 */
export class Mapping<H extends HandleFamily = HandleFamily> implements WalkMapping<H> {
  readonly kernel: Kernel<H>;
  /** From 1. */
  readonly id: number;
  /** How many pages the file has. */
  readonly pages: number;
  private readonly words: Int32Array;
  private readonly at: number;

  /** For {@link Kernel.mapping}. */
  constructor(kernel: Kernel<H>, id: number, at: number) {
    this.kernel = kernel;
    this.id = id;
    this.words = kernel.words.words;
    this.at = at;
    this.pages = this.words[at + MappingWord.Pages]!;
  }

  /**
   * `i_mmap_lock_write()`: nobody else looks at the list, or changes the range of a VMA in it. Sleeps.
   *
   * Locking: no spin lock and no read section; what comes before `lockClasses.iMmapRwsem` may be held.
   */
  lock(): void {
    downWrite(this.words, this.at + MappingWord.Lock, lockClasses.iMmapRwsem);
  }

  /** `i_mmap_unlock_write()`. Locking: this thread has the lock to write. */
  unlock(): void {
    upWrite(this.words, this.at + MappingWord.Lock);
  }

  /** `i_mmap_lock_read()`. Sleeps. Locking: as {@link lock}. */
  lockRead(): void {
    downRead(this.words, this.at + MappingWord.Lock, lockClasses.iMmapRwsem);
  }

  /** `i_mmap_unlock_read()`. Locking: this thread has the lock to read. */
  unlockRead(): void {
    upRead(this.words, this.at + MappingWord.Lock);
  }

  /**
   * `i_mmap_assert_locked()`: this thread has the lock, either way. Of a thread that is not checked only that anybody has it.
   *
   * @throws PgtableError `EINVAL`, from a checked thread a LockRuleError `unprotected`
   */
  assertLocked(): void {
    const index = this.at + MappingWord.Lock;
    lockdepAssertHeld(this.words, index, lockClasses.iMmapRwsem, `the VMAs of mapping ${this.id}`);
    if (!rwIsLocked(this.words, index)) throw this.missing('look at the VMAs of', 'lockRead()');
  }

  /** `i_mmap_assert_write_locked()`. @throws PgtableError `EINVAL` if this thread does not have the lock to write */
  assertWriteLocked(): void {
    if (!rwWriteHeldByMe(this.words, this.at + MappingWord.Lock)) throw this.missing('change the VMAs of', 'lock()');
  }

  /**
   * `vma_interval_tree_foreach()`: the VMAs, of all address spaces, that map any of the pages [first, end) of the file.
   *
   * Locking: the mapping's lock, either way. It keeps their ranges as they are, and their address spaces from going away; their flags it does not keep.
   */
  vmas(first = 0, end = Infinity): Vma<H>[] {
    this.assertLocked();
    const { slots } = this.kernel;
    const found: Vma<H>[] = [];
    for (let id = this.words[this.at + MappingWord.First]!; id !== 0; id = slots.words[slots.at(id) + VmaWord.Next]!) {
      const slot = slots.at(id);
      const vma = this.kernel.vma(this.kernel.mm(slots.words[slot + VmaWord.Mm]!), id, slots.words[slot + VmaWord.Generation]!);
      if (vma.pgoff < end && vma.pgoff + vma.pages > first) found.push(vma);
    }
    return found;
  }

  /**
   * `vma_interval_tree_insert()`: of a VMA that maps this file.
   *
   * Locking: the lock to write.
   */
  link(vma: Vma<H>): void {
    this.assertWriteLocked();
    const { slots } = this.kernel;
    const slot = slots.at(vma.id);
    const first = this.words[this.at + MappingWord.First]!;
    slots.words[slot + VmaWord.Next] = first;
    slots.words[slot + VmaWord.Previous] = 0;
    if (first !== 0) slots.words[slots.at(first) + VmaWord.Previous] = vma.id;
    this.words[this.at + MappingWord.First] = vma.id;
    this.words[this.at + MappingWord.Count]!++;
  }

  /** `vma_interval_tree_remove()`. Locking: the lock to write. */
  unlink(vma: Vma<H>): void {
    this.assertWriteLocked();
    const { slots } = this.kernel;
    const slot = slots.at(vma.id);
    const next = slots.words[slot + VmaWord.Next]!;
    const previous = slots.words[slot + VmaWord.Previous]!;
    if (previous === 0) this.words[this.at + MappingWord.First] = next;
    else slots.words[slots.at(previous) + VmaWord.Next] = next;
    if (next !== 0) slots.words[slots.at(next) + VmaWord.Previous] = previous;
    this.words[this.at + MappingWord.Count]!--;
  }

  /** How many VMAs map the file. */
  get mapped(): number {
    return Atomics.load(this.words, this.at + MappingWord.Count);
  }

  /**
   * `find_get_page()` without the reference: a page stays in the cache until it is exchanged, or the mapping goes.
   *
   * @returns the number of its frame; undefined if it is not in the cache
   * @throws PgtableError `EFAULT` beyond the end of the file: what a fault there ends with (SIGBUS)
   */
  page(index: number): number | undefined {
    return this.look(this.word(index));
  }

  /**
   * `filemap_get_pages()` of a file of zeros: the page from the cache, which has a reference on it; a new one, all 0, if it is not there yet.
   *
   * Locking: none. Of threads that want the same page at the same time, all get the same.
   *
   * @throws PgtableError `EFAULT` beyond the end of the file; `ENOMEM`
   */
  readPage(index: number): number {
    const word = this.word(index);
    const { frames } = this.kernel;
    const there = this.look(word);
    if (there !== undefined) return there;
    const pfn = frames.allocPages(0, FrameType.File);
    frames.zero(pfn);
    frames.write(pfn, FrameWord.Owner, this.id);
    frames.write(pfn, FrameWord.Index, index);
    schedulePoint('put a page into the cache', this.words, word);
    const before = this.pfnOf(Atomics.compareExchange(this.words, word, 0, pfn - frames.firstPfn + 1));
    if (before === undefined) return pfn;
    frames.put(pfn);
    return before;
  }

  /**
   * Puts another page into the cache, or none, in one step: what collapse_file() and truncation do. The cache's reference on the new page is the one that the caller had; that on the old
   * one is the caller's now.
   *
   * @param pfn undefined: no page
   * @returns the old page
   * @throws PgtableError `EFAULT` beyond the end of the file
   */
  exchangePage(index: number, pfn: number | undefined): number | undefined {
    const word = this.word(index);
    schedulePoint('exchange a page of the cache', this.words, word);
    return this.pfnOf(Atomics.exchange(this.words, word, pfn === undefined ? 0 : pfn - this.kernel.frames.firstPfn + 1));
  }

  /**
   * The file is closed and deleted: its pages go back, and its number is free.
   *
   * Locking: nobody else uses the file any more.
   *
   * @throws PgtableError `EINVAL` if a VMA maps it
   */
  free(): void {
    if (this.mapped !== 0) throw new PgtableError('EINVAL', `mapping ${this.id} cannot be freed: ${this.mapped} VMAs map it`, { hint: 'remove them first' });
    for (let index = 0; index < this.pages; index++) {
      const pfn = this.exchangePage(index, undefined);
      if (pfn !== undefined) this.kernel.frames.put(pfn);
    }
    this.kernel.words.free(this.words[this.at + MappingWord.Cache]!);
    Atomics.add(this.words, this.at + MappingWord.Generation, 1);
  }

  private look(word: number): number | undefined {
    schedulePoint('look for a page in the cache', this.words, word, AccessType.Read);
    return this.pfnOf(Atomics.load(this.words, word));
  }

  private pfnOf(word: number): number | undefined {
    return word === 0 ? undefined : word - 1 + this.kernel.frames.firstPfn;
  }

  private word(index: number): number {
    if (!Number.isInteger(index) || index < 0 || index >= this.pages) {
      throw new PgtableError('EFAULT', `page ${index} of mapping ${this.id} is beyond its end: it has ${this.pages} pages`, { hint: 'a process that touches it gets SIGBUS' });
    }
    return this.words[this.at + MappingWord.Cache]! + index;
  }

  private missing(what: string, how: string): PgtableError {
    return new PgtableError('EINVAL', `thread ${currentThread().name} cannot ${what} mapping ${this.id}: it does not have i_mmap_rwsem`, { hint: `call ${how} of the mapping first` });
  }
}
