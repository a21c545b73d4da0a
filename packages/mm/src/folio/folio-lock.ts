import type { HandleFamily } from '@pgtable/core';
import type { Frames } from '../frames/frames.js';
import { FrameFlag, FrameWord } from '../frames/memmap.js';
import type { Mapping } from '../kernel/mapping.js';
import { lockClasses } from '../locks/lock-class.js';
import { currentThread } from '../locks/thread.js';
import { Waiting } from '../locks/waiting.js';
import { AccessType, isScheduled, scheduleBlocked, schedulePoint, scheduleTouch } from '../schedule-point.js';

/*
 * The lock of a folio, and references on folios that others may give back at any time.
 *
 * Who maps a page of a file does so with its folio locked, and looks, once it is, whether the page is still the one in the cache. Who puts another page into the cache has the old one locked
 * meanwhile: so no entry comes to map it from the moment at which its entries were counted. include/linux/pagemap.h, Linux 6.12.
 */

/**
 * `folio_trylock()`.
 *
 * Locking: any locks may be held; the caller has a reference, or the lock of a table whose entry maps the page.
 *
 * @param pfn any page of the block
 * @returns whether it was taken
 */
export function trylockFolio(frames: Frames, pfn: number): boolean {
  const at = flagsOf(frames, pfn);
  schedulePoint('try for folio_lock', frames.memmap, at);
  if (!tryBit(frames, at)) return false;
  currentThread().lockdep?.acquired(frames.memmap, at, lockClasses.folioLock, 'write');
  return true;
}

/**
 * `folio_lock()`. Sleeps until nobody has it.
 *
 * Locking: the mmap lock or a VMA's may be held, and no other lock. The caller has a reference.
 *
 * @throws PgtableError `ENOTSUP` on the main thread of a browser, which may not wait
 * @throws LockRuleError if the thread is checked, and this could deadlock
 */
export function lockFolio(frames: Frames, pfn: number): void {
  const { memmap } = frames;
  const at = flagsOf(frames, pfn);
  const thread = currentThread();
  const { lockdep } = thread;
  schedulePoint(lockClasses.folioLock.taking, memmap, at);
  lockdep?.acquiring(memmap, at, lockClasses.folioLock, 'write');
  const waiting = new Waiting(thread, lockClasses.folioLock.taking);
  while (!tryBit(frames, at)) {
    const flags = Atomics.load(memmap, at);
    if ((flags & FrameFlag.Locked) !== 0) waiting.until(memmap, at, flags);
  }
  lockdep?.acquired(memmap, at, lockClasses.folioLock, 'write');
}

/** `folio_unlock()`. Locking: this thread has the folio's lock. @throws LockRuleError from a checked thread that does not have it */
export function unlockFolio(frames: Frames, pfn: number): void {
  const at = flagsOf(frames, pfn);
  schedulePoint(lockClasses.folioLock.releasing, frames.memmap, at, AccessType.Write | AccessType.Release);
  currentThread().lockdep?.releasing(frames.memmap, at, 'write');
  Atomics.and(frames.memmap, at, ~FrameFlag.Locked);
  Atomics.notify(frames.memmap, at);
}

/** `folio_test_locked()`: whether anybody has the lock; it may be another answer a moment later. Locking: none. */
export function isFolioLocked(frames: Frames, pfn: number): boolean {
  return (frames.read(frames.head(pfn), FrameWord.Flags) & FrameFlag.Locked) !== 0;
}

/**
 * `folio_mapcount()`: how many entries map pages of a block.
 *
 * Locking: none; entries may come and go while it counts, unless the tables of all of them are locked.
 */
export function folioMapcount(frames: Frames, pfn: number): number {
  const head = frames.head(pfn);
  const end = head + 2 ** frames.read(head, FrameWord.Order);
  schedulePoint('count entries', frames.memmap, frames.word(head, FrameWord.Mapcount), AccessType.Read);
  let count = 0;
  for (let page = head; page < end; page++) count += frames.read(page, FrameWord.Mapcount);
  return count;
}

/** `folio_ref_count()`. Locking: none; it may be another number a moment later. */
export function folioRefCount(frames: Frames, pfn: number): number {
  return frames.read(frames.head(pfn), FrameWord.Refcount);
}

/**
 * `filemap_get_folio()`: a page of a file with a reference on its block, which the caller gives back.
 *
 * Between the look into the cache and the reference the page may be exchanged and freed, and its frame may be something else's by then. So a reference is taken only if there is one already, and then
 * the cache is looked at again: if the page is still there, it was there all the time that matters, and the reference is on what was meant.
 *
 * A page that is in the cache and has no reference is frozen ({@link folioRefFreeze}): then all begins anew, until it has one again, or another page is in its place. As in the kernel this is a loop that
 * does not sleep (`filemap_get_entry()`, mm/filemap.c, Linux 6.12), for it is over soon; a scheduler is told what it is that changes.
 *
 * Locking: none.
 *
 * @returns the number of its frame; undefined if it is not in the cache
 * @throws PgtableError `EFAULT` beyond the end of the file
 */
export function filemapGetPage<H extends HandleFamily>(mapping: Mapping<H>, index: number): number | undefined {
  const { frames } = mapping.kernel;
  for (;;) {
    const pfn = mapping.page(index);
    if (pfn === undefined) return undefined;
    if (!frames.tryGet(pfn)) awaitReferences(mapping, index, pfn);
    else if (mapping.page(index) === pfn) return pfn;
    else frames.put(pfn);
  }
}

/** Lets others go on, where one thread runs at a time, until a page has references that had none. Not if it is no longer in the cache: it was freed, and may never have any. */
function awaitReferences<H extends HandleFamily>(mapping: Mapping<H>, index: number, pfn: number): void {
  if (!isScheduled() || mapping.page(index) !== pfn) return;
  const { frames } = mapping.kernel;
  scheduleBlocked('wait for references', frames.memmap, frames.word(frames.head(pfn), FrameWord.Refcount), 0);
}

/**
 * `page_ref_freeze()`: if a block has exactly so many references, it has none for now: whoever wants one (`tryGet`) waits until {@link folioRefUnfreeze}, or finds another page in the cache.
 *
 * Locking: the folio's lock; all the references are the caller's to answer for.
 *
 * @returns whether there were so many
 */
export function folioRefFreeze(frames: Frames, pfn: number, references: number): boolean {
  const at = frames.word(frames.head(pfn), FrameWord.Refcount);
  schedulePoint('freeze references', frames.memmap, at);
  return Atomics.compareExchange(frames.memmap, at, references, 0) === references;
}

/** `page_ref_unfreeze()`. */
export function folioRefUnfreeze(frames: Frames, pfn: number, references: number): void {
  const at = frames.word(frames.head(pfn), FrameWord.Refcount);
  schedulePoint('unfreeze references', frames.memmap, at);
  Atomics.store(frames.memmap, at, references);
}

function tryBit(frames: Frames, at: number): boolean {
  // Who was woken has only said that he looks.
  scheduleTouch(frames.memmap, at, AccessType.Write);
  return (Atomics.or(frames.memmap, at, FrameFlag.Locked) & FrameFlag.Locked) === 0;
}

function flagsOf(frames: Frames, pfn: number): number {
  return frames.word(frames.head(pfn), FrameWord.Flags);
}
