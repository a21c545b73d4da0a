import { PgtableError } from '@pgtable/core';
import { AccessType, schedulePoint, scheduleTouch } from '../schedule-point.js';
import { lockClasses } from './lock-class.js';
import { downgradeWrite, downRead, downReadTrylock, downWrite, downWriteTrylock, RW_LOCK_WORDS, rwIsContended, rwIsLocked, rwStateText, rwWriteHeldByMe, upRead, upWrite } from './rw-lock.js';
import { currentThread } from './thread.js';

const SEQUENCE = RW_LOCK_WORDS;

/** Int32 words of an mmap lock. All 0 is a lock that is free. */
export const MMAP_LOCK_WORDS = RW_LOCK_WORDS + 1;

/**
 * The lock of an address space: its VMAs are changed by who has it to write, and stay as they are for who has it to read.
 *
 * Beside it is `mm_lock_seq`, which goes up by one when the lock is taken to write, and by one when it is released or downgraded: it is odd while there is a writer. The write
 * locks of VMAs are that number, put down in the VMA; all of them end when it goes on.
 *
 * An object of this class is one thread's view: the lock is in the words.
 *
 * Locking: comes before all others that memory management takes under it. What may wait sleeps, so no spin lock and no read section is held; who releases or downgrades has it.
 *
 * @see include/linux/mmap_lock.h of Linux 6.12
 */
export class MmapLock {
  readonly words: Int32Array;
  readonly index: number;

  /** @param index the first of {@link MMAP_LOCK_WORDS} words in shared memory */
  constructor(words: Int32Array, index: number) {
    this.words = words;
    this.index = index;
  }

  /** `mm_lock_seq`: odd while there is a writer. It may wrap around. */
  get sequence(): number {
    scheduleTouch(this.words, this.index + SEQUENCE, AccessType.Read);
    return Atomics.load(this.words, this.index + SEQUENCE);
  }

  /** `mmap_read_lock()`. Sleeps. */
  readLock(): void {
    downRead(this.words, this.index, lockClasses.mmapLock);
  }

  /** `mmap_read_trylock()`. Returns: whether it was taken. */
  readTrylock(): boolean {
    return downReadTrylock(this.words, this.index, lockClasses.mmapLock);
  }

  /** `mmap_read_unlock()`. */
  readUnlock(): void {
    upRead(this.words, this.index);
  }

  /** `mmap_write_lock()`. Sleeps. */
  writeLock(): void {
    downWrite(this.words, this.index, lockClasses.mmapLock);
    this.advance();
  }

  /** `mmap_write_lock_nested()`: of a second address space, which no other thread knows yet: that of a child in fork. */
  writeLockNested(): void {
    downWrite(this.words, this.index, lockClasses.mmapLock.nested);
    this.advance();
  }

  /** `mmap_write_trylock()`, which 6.12 no longer has. Returns: whether it was taken. */
  writeTrylock(): boolean {
    if (!downWriteTrylock(this.words, this.index, lockClasses.mmapLock)) return false;
    this.advance();
    return true;
  }

  /** `mmap_write_unlock()`: ends the write locks of all VMAs too. */
  writeUnlock(): void {
    this.assertWriteLocked('release mmap_lock');
    schedulePoint('advance mm_lock_seq', this.words, this.index + SEQUENCE);
    this.advance();
    upWrite(this.words, this.index);
  }

  /** `mmap_write_downgrade()`: this thread reads from now on, and the write locks of all VMAs have ended. */
  writeDowngrade(): void {
    this.assertWriteLocked('downgrade mmap_lock');
    schedulePoint('advance mm_lock_seq', this.words, this.index + SEQUENCE);
    this.advance();
    downgradeWrite(this.words, this.index);
  }

  /** `mmap_lock_is_contended()`: whether anybody waits. */
  isContended(): boolean {
    return rwIsContended(this.words, this.index);
  }

  /**
   * `mmap_assert_locked()`: this thread has the lock, to read or to write. Of a thread that is not checked only that anybody has it.
   *
   * @param what what needs it: `look at the VMAs`
   * @throws PgtableError `EINVAL`, from a checked thread a LockRuleError `unprotected`
   */
  assertLocked(what: string): void {
    currentThread().lockdep?.assertHeld(this.words, this.index, lockClasses.mmapLock, what, ['read', 'write']);
    if (!rwIsLocked(this.words, this.index)) throw this.missing(what, 'mmap_lock');
  }

  /**
   * `mmap_assert_write_locked()`: this thread has the lock to write.
   *
   * @param what what needs it: `change a VMA`
   * @throws PgtableError `EINVAL`, from a checked thread a LockRuleError `unprotected`
   */
  assertWriteLocked(what: string): void {
    if (rwWriteHeldByMe(this.words, this.index)) return;
    currentThread().lockdep?.assertHeld(this.words, this.index, lockClasses.mmapLock, what, ['write']);
    throw this.missing(what, 'mmap_lock to write');
  }

  private missing(what: string, lock: string): PgtableError {
    return new PgtableError('EINVAL', `thread ${currentThread().name} cannot ${what}: it does not have ${lock}, ${rwStateText(Atomics.load(this.words, this.index))}`, { hint: `take ${lock} first` });
  }

  private advance(): void {
    scheduleTouch(this.words, this.index + SEQUENCE, AccessType.Write);
    Atomics.add(this.words, this.index + SEQUENCE, 1);
  }
}
