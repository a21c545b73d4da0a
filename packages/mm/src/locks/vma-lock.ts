import { PgtableError } from '@pgtable/core';
import { AccessType, schedulePoint, scheduleTouch } from '../schedule-point.js';
import { lockClasses } from './lock-class.js';
import type { MmapLock } from './mmap-lock.js';
import { downReadTrylock, downWrite, RW_LOCK_WORDS, rwIsLocked, upRead, upWrite } from './rw-lock.js';
import { currentThread } from './thread.js';

const SEQUENCE = RW_LOCK_WORDS;

/** Int32 words of a VMA's lock. {@link VmaLock.init} writes them. */
export const VMA_LOCK_WORDS = RW_LOCK_WORDS + 1;

/**
 * The lock of one VMA, so that a fault needs no mmap lock: a read-write lock, and `vm_lock_seq`.
 *
 * A fault tries to read-lock the VMA, and takes the mmap lock if that fails. A writer has the mmap lock already. It takes the VMA's lock to write, which waits for the faults inside, notes the
 * mmap lock's number in `vm_lock_seq`, and releases it at once: the VMA counts as write-locked as long as both numbers are equal, which is until the mmap lock is released or downgraded. So
 * one release ends any number of write locks.
 *
 * Who wants both takes the mmap lock first: it is against the order to wait for it with a VMA's lock in hand.
 *
 * An object of this class is one thread's view: the lock is in the words.
 *
 * Locking: to read-lock a VMA, what keeps it from being freed: an RCU read section, or the mmap lock. To write-lock it, the mmap lock to write.
 *
 * @see vma_start_read() to vma_assert_locked() in include/linux/mm.h of Linux 6.12.117, where `mm_lock_seq` is a sequence count
 */
export class VmaLock {
  readonly mm: MmapLock;
  readonly words: Int32Array;
  readonly index: number;

  /** @param index the first of {@link VMA_LOCK_WORDS} words in shared memory */
  constructor(mm: MmapLock, words: Int32Array, index: number) {
    this.mm = mm;
    this.words = words;
    this.index = index;
  }

  /** Makes a lock of the words that is free: of a VMA that nobody else knows yet. */
  init(): void {
    Atomics.store(this.words, this.index, 0);
    Atomics.store(this.words, this.index + 1, 0);
    // An odd number that the mmap lock has had last, so that it is the last to be mistaken for the present one.
    Atomics.store(this.words, this.index + SEQUENCE, -1);
  }

  /**
   * `vma_start_read()`: tries to read-lock the VMA. Needs no other lock; that the VMA is not freed meanwhile is up to an RCU read section. Whether it is still the VMA that was looked for is
   * known only afterwards.
   *
   * Fails if a writer has the VMA, or waits for it; and, once in 2^31 times that the mmap lock was written, by mistake.
   *
   * @returns whether it was locked; if not, take the mmap lock to read
   */
  startRead(): boolean {
    schedulePoint('look at vm_lock_seq', this.words, this.index + SEQUENCE, AccessType.Read);
    // Only a guess, which spares a writer the disturbance: what counts is looked at below.
    if (Atomics.load(this.words, this.index + SEQUENCE) === this.mm.sequence) return false;
    if (!downReadTrylock(this.words, this.index, lockClasses.vmaLock)) return false;
    scheduleTouch(this.words, this.index + SEQUENCE, AccessType.Read);
    // Nobody can write-lock the VMA from here on. If somebody did before and still counts as the writer, the numbers are equal: vm_lock_seq was written with the lock held, and mm_lock_seq
    // has not gone on since. If the numbers differ, all that the writer wrote came before the number that is read here.
    if (Atomics.load(this.words, this.index + SEQUENCE) === this.mm.sequence) {
      upRead(this.words, this.index);
      return false;
    }
    return true;
  }

  /** `vma_end_read()`. */
  endRead(): void {
    upRead(this.words, this.index);
  }

  /**
   * `vma_start_write()`: write-locks the VMA until the mmap lock is released or downgraded. Waits for the readers. Does nothing if it is locked so already.
   *
   * @throws PgtableError `EINVAL` if this thread does not have the mmap lock to write
   */
  startWrite(): void {
    if (this.isWriteLocked('write-lock a VMA')) return;
    downWrite(this.words, this.index, lockClasses.vmaLock);
    scheduleTouch(this.words, this.index + SEQUENCE, AccessType.Write);
    Atomics.store(this.words, this.index + SEQUENCE, this.mm.sequence);
    upWrite(this.words, this.index);
  }

  /**
   * `vma_assert_write_locked()`.
   *
   * @param what what needs it: `change a VMA's flags`
   * @throws PgtableError `EINVAL` if this thread does not have the mmap lock to write, or did not write-lock the VMA since it has
   */
  assertWriteLocked(what: string): void {
    if (this.isWriteLocked(what)) return;
    throw new PgtableError('EINVAL', `thread ${currentThread().name} cannot ${what}: the VMA is not write-locked`, { hint: 'call startWrite() after the mmap lock was taken to write' });
  }

  /**
   * `vma_assert_locked()`: this thread has read-locked the VMA, or write-locked it. Of a thread that is not checked only that anybody has.
   *
   * @throws PgtableError `EINVAL`, from a checked thread a LockRuleError `unprotected`
   */
  assertLocked(what: string): void {
    const { lockdep } = currentThread();
    if (lockdep === undefined ? rwIsLocked(this.words, this.index) : lockdep.holds(this.words, this.index)) return;
    if (lockdep !== undefined && !lockdep.holds(this.mm.words, this.mm.index, ['write'])) lockdep.assertHeld(this.words, this.index, lockClasses.vmaLock, what);
    this.assertWriteLocked(what);
  }

  private isWriteLocked(what: string): boolean {
    this.mm.assertWriteLocked(what);
    return Atomics.load(this.words, this.index + SEQUENCE) === this.mm.sequence;
  }
}
