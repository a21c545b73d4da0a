import { PgtableError } from '@pgtable/core';
import { AccessType, schedulePoint, Until } from '../schedule-point.js';
import type { LockClass } from './lock-class.js';
import { rawLock, rawUnlock } from './raw-lock.js';
import { currentThread, type Thread } from './thread.js';
import { Waiting } from './waiting.js';

/*
 * Read-write locks that may be held for long, by the names of the kernel's rw_semaphore. Two words: the state, and a gate.
 *
 * The state is 0 when the lock is free, the number of readers, or the writer's number negated. Who cannot have the lock at once goes through the gate, a lock of
 * its own, and waits for the state inside of it. So one thread at a time waits for the state, and the others wait for the gate, in order; a reader that finds the gate
 * shut does not overtake a writer that waits inside. That is why neither writers nor readers starve.
 *
 * No wake-up is lost: who waits for the state has shut the gate before it looks at the state; who changes the state looks at the gate afterwards. In the one order that
 * all atomic operations have, either the new state comes before the look at it, or the shut gate before the look at the gate.
 *
 * There is no way from reading to writing, as in the kernel: two readers who both want it would wait for each other. Release, take it for writing, and
 * look again at everything that was known.
 */

/** Int32 words of a read-write lock. All 0 is a lock that is free. */
export const RW_LOCK_WORDS = 2;
const GATE = 1;

/** Takes the lock for reading. Sleeps until there is no writer, and none that came earlier. Locking: sleeps, so no spin lock and no read section; what comes before its class may be held. */
export function downRead(words: Int32Array, index: number, lockClass: LockClass): void {
  const thread = currentThread();
  schedulePoint(lockClass.taking, words, index, AccessType.Count, Until.NoWriter);
  const { lockdep } = thread;
  if (lockdep !== undefined) lockdep.acquiring(words, index, lockClass, 'read');
  if (!tryRead(words, index)) waitRead(words, index, thread, lockClass.taking);
  if (lockdep !== undefined) lockdep.acquired(words, index, lockClass, 'read');
}

/**
 * Takes the lock for reading if there is no writer, and nobody waits.
 *
 * Locking: anything may be held: it does not wait.
 *
 * @returns whether it was taken
 */
export function downReadTrylock(words: Int32Array, index: number, lockClass: LockClass): boolean {
  const thread = currentThread();
  schedulePoint(lockClass.taking, words, index);
  if (!tryRead(words, index)) return false;
  if (thread.lockdep !== undefined) thread.lockdep.acquired(words, index, lockClass, 'read');
  return true;
}

/** Takes the lock for writing. Sleeps until nobody has it. Locking: sleeps, so no spin lock and no read section; what comes before its class may be held. */
export function downWrite(words: Int32Array, index: number, lockClass: LockClass): void {
  const thread = currentThread();
  schedulePoint(lockClass.taking, words, index, AccessType.Write, Until.Zero);
  const { lockdep } = thread;
  if (lockdep !== undefined) lockdep.acquiring(words, index, lockClass, 'write');
  if (!tryWrite(words, index, thread)) waitWrite(words, index, thread, lockClass.taking);
  if (lockdep !== undefined) lockdep.acquired(words, index, lockClass, 'write');
}

/**
 * Takes the lock for writing if nobody has it, and nobody waits.
 *
 * Locking: anything may be held: it does not wait.
 *
 * @returns whether it was taken
 */
export function downWriteTrylock(words: Int32Array, index: number, lockClass: LockClass): boolean {
  const thread = currentThread();
  schedulePoint(lockClass.taking, words, index);
  if (!tryWrite(words, index, thread)) return false;
  if (thread.lockdep !== undefined) thread.lockdep.acquired(words, index, lockClass, 'write');
  return true;
}

/**
 * A reader is done.
 *
 * Locking: this thread has the lock for reading.
 *
 * @throws PgtableError `EINVAL` if there is no reader. That it is this thread which reads is known to a checked thread alone.
 */
export function upRead(words: Int32Array, index: number): void {
  const thread = currentThread();
  schedulePoint('release a read lock', words, index, AccessType.Count | AccessType.Release);
  if (thread.lockdep !== undefined) thread.lockdep.releasing(words, index, 'read');
  for (;;) {
    const state = Atomics.load(words, index);
    if (state <= 0) throw misused('release a read lock', state, thread);
    if (Atomics.compareExchange(words, index, state, state - 1) !== state) continue;
    if (state === 1) changed(words, index);
    return;
  }
}

/**
 * The writer is done.
 *
 * Locking: this thread has the lock for writing.
 *
 * @throws PgtableError `EINVAL` if this thread is not the writer
 */
export function upWrite(words: Int32Array, index: number): void {
  const thread = currentThread();
  schedulePoint('release a write lock', words, index, AccessType.Write | AccessType.Release);
  if (thread.lockdep !== undefined) thread.lockdep.releasing(words, index, 'write');
  fromWriter(words, index, 0, thread, 'release a write lock');
}

/**
 * The writer becomes a reader, and no other writer comes in between. Readers may come.
 *
 * Locking: this thread has the lock for writing.
 *
 * @throws PgtableError `EINVAL` if this thread is not the writer
 */
export function downgradeWrite(words: Int32Array, index: number): void {
  const thread = currentThread();
  schedulePoint('downgrade a write lock', words, index, AccessType.Write | AccessType.Release);
  if (thread.lockdep !== undefined) thread.lockdep.downgrading(words, index);
  fromWriter(words, index, 1, thread, 'downgrade a write lock');
}

/** Whether any thread has the lock, to read or to write; it may be another answer a moment later, unless this thread has it. Locking: none. */
export function rwIsLocked(words: Int32Array, index: number): boolean {
  return Atomics.load(words, index) !== 0;
}

/** Whether this thread has the lock for writing. Locking: none. */
export function rwWriteHeldByMe(words: Int32Array, index: number): boolean {
  return Atomics.load(words, index) === -currentThread().id;
}

/** Whether anybody waits: who holds the lock for long may let them in. Locking: none. */
export function rwIsContended(words: Int32Array, index: number): boolean {
  return Atomics.load(words, index + GATE) !== 0;
}

/** What the state of a read-write lock says, for messages. */
export function rwStateText(state: number): string {
  if (state === 0) return 'nobody has it';
  return state > 0 ? `${state === 1 ? 'one reader has' : `${state} readers have`} it` : `thread ${-state} has it for writing`;
}

function tryRead(words: Int32Array, index: number): boolean {
  for (;;) {
    const state = Atomics.load(words, index);
    if (state < 0 || Atomics.load(words, index + GATE) !== 0) return false;
    if (Atomics.compareExchange(words, index, state, state + 1) === state) return true;
  }
}

function tryWrite(words: Int32Array, index: number, thread: Thread): boolean {
  return Atomics.load(words, index + GATE) === 0 && Atomics.compareExchange(words, index, 0, -thread.id) === 0;
}

function waitRead(words: Int32Array, index: number, thread: Thread, what: string): void {
  const waiting = new Waiting(thread, what);
  rawLock(words, index + GATE, thread, what);
  try {
    for (;;) {
      const state = Atomics.load(words, index);
      if (state < 0) waiting.until(words, index, state);
      else if (Atomics.compareExchange(words, index, state, state + 1) === state) return;
    }
  } finally {
    rawUnlock(words, index + GATE, thread, what);
  }
}

function waitWrite(words: Int32Array, index: number, thread: Thread, what: string): void {
  const waiting = new Waiting(thread, what);
  rawLock(words, index + GATE, thread, what);
  try {
    for (;;) {
      const state = Atomics.load(words, index);
      if (state !== 0) waiting.until(words, index, state);
      else if (Atomics.compareExchange(words, index, 0, -thread.id) === 0) return;
    }
  } finally {
    rawUnlock(words, index + GATE, thread, what);
  }
}

function fromWriter(words: Int32Array, index: number, next: number, thread: Thread, what: string): void {
  const state = Atomics.compareExchange(words, index, -thread.id, next);
  if (state !== -thread.id) throw misused(what, state, thread);
  changed(words, index);
}

/** Wakes who waits for the state, if somebody does. */
function changed(words: Int32Array, index: number): void {
  if (Atomics.load(words, index + GATE) !== 0) Atomics.notify(words, index, 1);
}

function misused(what: string, state: number, thread: Thread): PgtableError {
  return new PgtableError('EINVAL', `cannot ${what}: thread ${thread.name} (${thread.id}) does not have it, ${rwStateText(state)}`, {
    hint: 'the thread that took a lock releases it, once, in the mode in which it took it',
  });
}
