import { AccessType, schedulePoint, Until } from '../schedule-point.js';
import type { LockClass } from './lock-class.js';
import { rawLock, rawOwner, rawTryLock, rawUnlock } from './raw-lock.js';
import { currentThread } from './thread.js';

/*
 * Spin locks: one word anywhere in shared memory, 0 when it is free. A page table's lock is a word of its descriptor, so there are no objects for them: an operation takes
 * the array and the index of the word.
 */

/** Int32 words of a spin lock. All 0 is a lock that is free. */
export const SPIN_LOCK_WORDS = 1;

/**
 * Takes a spin lock. Who holds one must not sleep: take no mmap lock, wait for no grace period. (The thread itself does sleep here once it has spun for
 * a while: its processor may be needed by the thread that it waits for.)
 *
 * Locking: what comes before its class may be held.
 *
 * @param lockClass what kind of lock it is
 * @throws PgtableError `EINVAL` if this thread has it; `ENOTSUP` on the main thread of a browser, which may not wait
 * @throws LockRuleError if the thread is checked, and this could deadlock
 */
export function spinLock(words: Int32Array, index: number, lockClass: LockClass): void {
  const thread = currentThread();
  schedulePoint(lockClass.taking, words, index, AccessType.Write, Until.Unowned);
  const { lockdep } = thread;
  if (lockdep !== undefined) lockdep.acquiring(words, index, lockClass, 'spin');
  rawLock(words, index, thread, lockClass.taking);
  if (lockdep !== undefined) lockdep.acquired(words, index, lockClass, 'spin');
}

/**
 * Takes a spin lock if that is possible at once.
 *
 * Locking: anything may be held: it does not wait.
 *
 * @returns whether it was
 */
export function spinTrylock(words: Int32Array, index: number, lockClass: LockClass): boolean {
  const thread = currentThread();
  schedulePoint(lockClass.taking, words, index);
  if (!rawTryLock(words, index, thread)) return false;
  if (thread.lockdep !== undefined) thread.lockdep.acquired(words, index, lockClass, 'spin');
  return true;
}

/**
 * Gives a spin lock back.
 *
 * Locking: this thread has the lock.
 *
 * @throws PgtableError `EINVAL` if this thread does not have it
 */
export function spinUnlock(words: Int32Array, index: number): void {
  const thread = currentThread();
  schedulePoint('release a spin lock', words, index, AccessType.Write | AccessType.Release);
  if (thread.lockdep !== undefined) thread.lockdep.releasing(words, index, 'spin');
  rawUnlock(words, index, thread, 'release a spin lock');
}

/** Whether this thread has the lock. Locking: none. */
export function spinHeldByMe(words: Int32Array, index: number): boolean {
  return rawOwner(Atomics.load(words, index)) === currentThread().id;
}

/** Whether any thread has the lock; it may be another answer a moment later. Locking: none. */
export function spinIsLocked(words: Int32Array, index: number): boolean {
  return rawOwner(Atomics.load(words, index)) !== 0;
}
