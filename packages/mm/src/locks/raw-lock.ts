import { PgtableError } from '@pgtable/core';
import { OWNER_BITS as OWNER } from '../schedule-point.js';
import type { Thread } from './thread.js';
import { Waiting } from './waiting.js';

/*
 * A lock in one word, which nothing checks: what spin locks are made of, the gate of a read-write lock, and the locks of the checkers themselves.
 *
 * The word is 0 when the lock is free. Else it has the owner's number, and two flags:
 *
 * - WAITERS: threads may be asleep at the word, so who releases it wakes one;
 * - HANDOFF: a thread has waited long enough. It stays set when the lock is released, and then only a thread that was woken may take it.
 *
 * No wake-up is lost: who goes to sleep has first set WAITERS in the very value that it sleeps at, so that a release either comes before (the value
 * is another then, and Atomics.wait returns at once) or sees the flag, and wakes. A woken thread that takes the lock sets WAITERS again, for it does
 * not know whether others sleep; the last one wakes nobody, which costs one call.
 *
 * Nobody starves: Atomics.notify wakes in the order in which threads went to sleep, and who was woken in vain often enough sets HANDOFF. A thread that runs may overtake
 * those that sleep until then: with more threads than processors it is that which keeps a lock fast.
 */

const WAITERS = 0x1000;
const HANDOFF = 0x2000;
/** Wake-ups in vain before a thread insists. */
const INSIST_AFTER = 8;

/** The number of the thread that has the lock of that word; 0: nobody. */
export function rawOwner(word: number): number {
  return word & OWNER;
}

/** Takes the lock if it is free and nobody insists on it. */
export function rawTryLock(words: Int32Array, index: number, thread: Thread): boolean {
  return Atomics.compareExchange(words, index, 0, thread.id) === 0;
}

/**
 * Takes the lock, and waits as long as it takes.
 *
 * @param what for errors and schedules: `take mmap_lock`
 * @throws PgtableError `EINVAL` if the thread has it already: it would wait for itself
 */
export function rawLock(words: Int32Array, index: number, thread: Thread, what: string): void {
  if (Atomics.compareExchange(words, index, 0, thread.id) !== 0) rawLockSlowly(words, index, thread, what);
}

function rawLockSlowly(words: Int32Array, index: number, thread: Thread, what: string): void {
  const waiting = new Waiting(thread, what);
  let inVain = 0;
  for (;;) {
    const word = Atomics.load(words, index);
    const owner = word & OWNER;
    if (owner === 0 && ((word & HANDOFF) === 0 || waiting.slept)) {
      const taken = waiting.slept ? thread.id | WAITERS : (word & WAITERS) | thread.id;
      if (Atomics.compareExchange(words, index, word, taken) === word) return;
      continue;
    }
    if (owner === thread.id) {
      throw new PgtableError('EINVAL', `cannot ${what}: thread ${thread.name} has it already, and would wait for itself`, { hint: 'release it first' });
    }
    if (waiting.spin(words, index, word)) continue;
    const marked = word | WAITERS | (inVain >= INSIST_AFTER ? HANDOFF : 0);
    if (Atomics.compareExchange(words, index, word, marked) !== word) continue;
    try {
      waiting.sleep(words, index, marked);
    } catch (error) {
      // Who gives up must not leave the lock to itself.
      Atomics.and(words, index, ~HANDOFF);
      Atomics.notify(words, index, 1);
      throw error;
    }
    inVain++;
  }
}

/**
 * Gives the lock back.
 *
 * @throws PgtableError `EINVAL` if the thread does not have it
 */
export function rawUnlock(words: Int32Array, index: number, thread: Thread, what: string): void {
  for (;;) {
    const word = Atomics.load(words, index);
    const owner = word & OWNER;
    if (owner !== thread.id) {
      throw new PgtableError('EINVAL', `cannot ${what}: thread ${thread.name} (${thread.id}) does not have it, ${owner === 0 ? 'nobody has' : `thread ${owner} has`}`, {
        hint: 'the thread that took a lock releases it, once',
      });
    }
    if (Atomics.compareExchange(words, index, word, word & HANDOFF) !== word) continue;
    if ((word & WAITERS) !== 0) Atomics.notify(words, index, 1);
    return;
  }
}
