import { PgtableError } from '@pgtable/core';
import { AccessType, schedulePoint, scheduleTouch } from '../schedule-point.js';
import { LockClass } from './lock-class.js';
import { LockRuleError, placeHere, stackHere, stackText, type LockSite } from './lock-error.js';
import { rawLock, rawUnlock } from './raw-lock.js';
import { currentThread, MAX_THREADS, type Thread } from './thread.js';
import { Waiting } from './waiting.js';

/*
 * Read-copy-update: readers look at what is reachable without a lock, and who takes something out waits until they are gone before its memory becomes
 * something else.
 *
 * There is one clock, which only goes forward, and a stamp for each thread: 0 outside of read sections, else what the clock said when the thread's outermost section began. All are read and
 * written by atomic operations, which have one order that all threads agree on.
 *
 * A reader, in this order:     R1 reads the clock; R2 writes that as its stamp; R3 reads pointers; R4 writes 0 as its stamp.
 * Who takes something out:     U1 unlinks it; U2 reads the clock: s; U3 moves the clock beyond s, unless somebody has; U4 looks at each stamp until it has been seen to be
 *                              0 or later than s, at one moment for each thread; then the memory may be used again.
 *
 * That this is enough: let a reader have a pointer to the thing, so its R3 came before U1. Then R1 and R2 came before U1 too, and U1 before U2: its stamp is not later than s. It stays so
 * until R4. So U4, which is after U2, does not pass that thread before R4. A section whose R2 comes after the look at its thread has its R3 after U1, and finds no such pointer.
 *
 * A reader may be delayed between R1 and R2, and then have a stamp from long ago although its section has only begun. U4 waits for it without need, and never passes it too early: that
 * would take a stamp that is too late, and R1 comes before R3. (A clock of one bit, as in SRCU, needs two rounds for that reader. This one does not come back to an old value.)
 *
 * That it ends: after U3 new sections have stamps later than s, so each thread is waited for until its present section ends, and no longer. Nothing is asked of threads that are in no section.
 *
 * COMPLETED spares looks: it is an s for which somebody is done with U4. If I have read a clock that is not later, that one's looks were after the clock had gone on from
 * what I read, so after my U1, and serve me too.
 *
 * The clock has 32 bits and goes in steps of two from 1, so that it is never 0. It wraps around; stamps are compared by the sign of their difference, which is right as long as no section lasts
 * for 2^30 grace periods.
 */

/* Words: */
const CLOCK = 0;
/** How many threads sleep at stamps. */
const SLEEPERS = 1;
/** A value of the clock for which U4 is done. */
const COMPLETED = 2;
/** The lock of the queue. */
const QUEUE = 3;
/** Calls that were ever queued, and taken out; they wrap around. */
const TAIL = 4;
const HEAD = 5;
/** Calls that were taken out and are not done yet. */
const RUNNING = 6;
const SLOTS = 8;
/** A thread's words: its stamp, the depth of its sections, and how many outermost sections it has begun. */
const SLOT_WORDS = 4;
const NESTING = 1;
const SECTION = 2;
const HEADER = SLOTS + (MAX_THREADS + 1) * SLOT_WORDS;
/** A call is a stamp and a kind in two words, and its arguments. */
const CALL_BYTES = 8 + 3 * 8;

const readSection = new LockClass('rcu_read_lock');

/** What is done with a call when its grace period is over. */
export type RcuHandler = (a: number, b: number, c: number) => void;

/** A {@link Rcu} in a form that can be posted to a worker. */
export interface SharedRcu {
  readonly buffer: SharedArrayBuffer;
  readonly calls: number;
}

/** How large a {@link Rcu} is. */
export interface RcuOptions {
  /** Calls that may wait for their grace periods at a time; rounded up to a power of two. Default 4096. */
  readonly calls?: number;
}

/**
 * A pointer that was taken in a read section, with what shows later whether it may still be used: {@link Rcu.rcuDereference}.
 */
export interface RcuPointer {
  readonly words: Int32Array;
  /** Index of the word that counts what this memory has been. */
  readonly index: number;
  readonly generation: number;
  readonly thread: number;
  readonly section: number;
  /** Where it was taken; of a checked thread. */
  readonly taken: Error | undefined;
}

/**
 * Read sections, grace periods and deferred calls of all threads of a model. Grace periods need nothing of readers but that their sections end.
 *
 * Calls are numbers, because functions cannot be posted: a kind and three arguments. Each JavaScript thread says what to do for a kind ({@link handle}).
 *
 * Locking: who is in a read section may not sleep; anything may be held when it begins, and when a call is queued. What waits for a grace period (`synchronizeRcu`, `barrier`), or makes calls (`poll`), may be in no section and hold no spin lock.
 */
export class Rcu {
  private readonly words: Int32Array;
  private readonly numbers: Float64Array;
  private readonly calls: number;
  private readonly handlers = new Map<number, RcuHandler>();

  /** @param buffer for {@link Rcu.attach} */
  constructor(options: RcuOptions = {}, buffer?: SharedArrayBuffer) {
    const { calls = 4096 } = options;
    if (!Number.isSafeInteger(calls) || calls < 1 || calls > 2 ** 24) {
      throw new PgtableError('EINVAL', `an Rcu cannot have room for ${calls} calls`, { hint: 'give a whole number from 1 to 16777216, or leave it out' });
    }
    // A power of two, so that the places in the queue go on where their count wraps around.
    this.calls = 2 ** Math.ceil(Math.log2(calls));
    const header = Math.ceil(HEADER / 2) * 2;
    const memory = buffer ?? new SharedArrayBuffer(header * 4 + this.calls * CALL_BYTES);
    this.words = new Int32Array(memory);
    this.numbers = new Float64Array(memory);
    if (buffer === undefined) {
      this.words[CLOCK] = 1;
      this.words[COMPLETED] = -1;
    }
  }

  /** The same in another JavaScript thread. It has no handlers yet. */
  static attach(image: SharedRcu): Rcu {
    return new Rcu({ calls: image.calls }, image.buffer);
  }

  /** For {@link Rcu.attach}. */
  share(): SharedRcu {
    // Made of a SharedArrayBuffer above.
    return { buffer: this.words.buffer as SharedArrayBuffer, calls: this.calls };
  }

  /**
   * `rcu_read_lock()`: begins a read section, or one more inside of one. What is found by pointers inside stays what it is until the outermost section ends. Nothing may sleep inside.
   */
  readLock(): void {
    const thread = currentThread();
    const { words } = this;
    const slot = slotOf(thread);
    schedulePoint('rcu_read_lock', words, CLOCK, AccessType.Read);
    // A thread's depth and section are written by that thread alone.
    if (words[slot + NESTING]!++ === 0) {
      words[slot + SECTION]!++;
      const clock = Atomics.load(words, CLOCK);
      // Not before the stamp is written may anything be read; a scheduler may stop the thread here.
      schedulePoint('stamp of a read section', words, slot);
      Atomics.store(words, slot, clock);
    }
    if (thread.lockdep !== undefined) thread.lockdep.acquired(words, slot, readSection, 'rcu');
  }

  /**
   * `rcu_read_unlock()`.
   *
   * @throws PgtableError `EINVAL` if the thread is in no read section; of a checked thread a LockRuleError `release`
   */
  readUnlock(): void {
    const thread = currentThread();
    const { words } = this;
    const slot = slotOf(thread);
    schedulePoint('rcu_read_unlock', words, slot, AccessType.Write | AccessType.Release);
    if (thread.lockdep !== undefined) thread.lockdep.releasing(words, slot, 'rcu');
    if (words[slot + NESTING]! <= 0) {
      throw new PgtableError('EINVAL', `thread ${thread.name} ends a read section, and is in none`, { hint: 'end a section once, on every way out' });
    }
    if (--words[slot + NESTING]! > 0) return;
    Atomics.store(words, slot, 0);
    // Who sleeps at the stamp has counted itself before it looked at the stamp: it has seen the 0, or is seen here.
    if (Atomics.load(words, SLEEPERS) !== 0) Atomics.notify(words, slot);
  }

  /** `rcu_read_lock_held()`: whether this thread is in a read section. */
  readLockHeld(): boolean {
    return this.words[slotOf(currentThread()) + NESTING]! > 0;
  }

  /**
   * `synchronize_rcu()`: returns when every read section that had begun before has ended. Then runs the calls whose grace periods are over.
   *
   * @throws PgtableError `EINVAL` in a read section: it would wait for itself; of a checked thread a LockRuleError `sleep`, there and with a spin lock
   */
  synchronizeRcu(): void {
    const thread = currentThread();
    this.refuseInside(thread, 'wait for a grace period');
    schedulePoint('synchronize_rcu', this.words, CLOCK);
    const clock = Atomics.load(this.words, CLOCK);
    this.waitForReaders(clock, thread);
    this.poll();
  }

  /** What this JavaScript thread does with calls of a kind. */
  handle(kind: number, handler: RcuHandler): void {
    this.handlers.set(kind, handler);
  }

  /**
   * `call_rcu()`: has a call made when every read section that has begun by now has ended. It is made by the thread that notices: in {@link poll}, {@link synchronizeRcu} or
   * {@link barrier}, and so never in this function. Locks may be held, and the thread may be in a read section.
   *
   * @param kind which handler; a 32-bit integer
   * @throws PgtableError `ENOMEM` if there is no room
   */
  callRcu(kind: number, a = 0, b = 0, c = 0): void {
    const thread = currentThread();
    const { words } = this;
    schedulePoint('call_rcu', words, QUEUE);
    scheduleTouch(words, CLOCK, AccessType.Read);
    if ((kind | 0) !== kind) throw new PgtableError('EINVAL', `${kind} cannot be the kind of a deferred call`, { hint: 'give an integer of 32 bits' });
    rawLock(words, QUEUE, thread, 'queue a deferred call');
    try {
      const tail = words[TAIL]!;
      if (((tail - words[HEAD]!) | 0) >= this.calls) {
        throw new PgtableError('ENOMEM', `${this.calls} deferred calls wait for their grace periods, and there is no room for another`, {
          hint: 'call poll() where nothing is held, end read sections sooner, or make the Rcu with more `calls`',
        });
      }
      const at = this.callAt(tail);
      words[at] = Atomics.load(words, CLOCK);
      words[at + 1] = kind;
      this.numbers.set([a, b, c], at / 2 + 1);
      Atomics.store(words, TAIL, (tail + 1) | 0);
    } finally {
      rawUnlock(words, QUEUE, thread, 'queue a deferred call');
    }
  }

  /** Calls that are queued or are being made. */
  get pending(): number {
    return ((Atomics.load(this.words, TAIL) - Atomics.load(this.words, HEAD)) | 0) + Atomics.load(this.words, RUNNING);
  }

  /**
   * Makes the calls whose grace periods are over, and waits for none. Stands where a thread holds nothing: at the end of an operation.
   *
   * @returns how many were made
   * @throws PgtableError `EINVAL` if this JavaScript thread has no handler for a call, which stays in the queue; what a handler throws
   */
  poll(): number {
    const thread = currentThread();
    this.refuseInside(thread, 'make deferred calls');
    let made = 0;
    while (this.makeOne(thread, false)) made++;
    return made;
  }

  /** `rcu_barrier()`: returns when all calls that were queued before are done, by this thread or by others. Not for handlers, which would wait for themselves. */
  barrier(): void {
    const thread = currentThread();
    this.refuseInside(thread, 'wait for deferred calls');
    schedulePoint('rcu_barrier', this.words, QUEUE, AccessType.Read);
    const tail = Atomics.load(this.words, TAIL);
    while (((tail - Atomics.load(this.words, HEAD)) | 0) > 0 && this.makeOne(thread, true));
    const waiting = new Waiting(thread, 'wait for deferred calls');
    for (;;) {
      scheduleTouch(this.words, RUNNING, AccessType.Read);
      const running = Atomics.load(this.words, RUNNING);
      if (running === 0) return;
      waiting.until(this.words, RUNNING, running);
    }
  }

  /**
   * `rcu_dereference()`: notes that this thread looks at something now, which is known by a word that counts what its memory has been ({@link Rcu.retire}).
   *
   * @throws PgtableError `EINVAL` outside of a read section
   */
  rcuDereference(words: Int32Array, index: number): RcuPointer {
    const thread = currentThread();
    const slot = slotOf(thread);
    if (this.words[slot + NESTING]! <= 0) {
      const { lockdep } = thread;
      const before = lockdep?.releaseOf(this.words, slot) ?? { what: `thread ${thread.name} was in no read section`, stack: '(as far as it remembers)' };
      throw new LockRuleError('rcu', `thread ${thread.name} follows a pointer outside of a read section`, 'begin the section before the pointer is read', [before, this.here(thread, 'the pointer is read')]);
    }
    scheduleTouch(words, index, AccessType.Read);
    return {
      words, index, generation: Atomics.load(words, index), thread: thread.id, section: this.words[slot + SECTION]!, taken: thread.lockdep === undefined ? undefined : placeHere(),
    };
  }

  /**
   * `rcu_dereference_check()`: whether what {@link rcuDereference} noted may be used now: by the same thread, in the same read section, and it must still be what it was.
   *
   * @param what what is used: `the PTE table at 0x1234000`
   * @param protectedOtherwise that the thread holds a lock which keeps the thing there, so that the section does not matter
   * @throws LockRuleError `rcu` if the section has ended; `grace period` if it has not, and the thing is gone all the same
   */
  rcuDereferenceCheck(pointer: RcuPointer, what: string, protectedOtherwise = false): void {
    const thread = currentThread();
    const slot = slotOf(thread);
    const inside = pointer.thread === thread.id && this.words[slot + NESTING]! > 0 && this.words[slot + SECTION] === pointer.section;
    scheduleTouch(pointer.words, pointer.index, AccessType.Read);
    const present = Atomics.load(pointer.words, pointer.index);
    if ((inside || protectedOtherwise) && present === pointer.generation) return;
    const gone = present === pointer.generation ? 'it is still what it was, by luck' : `its memory is something else by now (generation ${present}, not ${pointer.generation})`;
    const taken: LockSite = {
      what: `the pointer was taken by thread ${pointer.thread === thread.id ? thread.name : pointer.thread}`,
      stack: pointer.taken === undefined ? '(where is known of checked threads alone)' : stackText(pointer.taken),
    };
    if (inside || protectedOtherwise) {
      throw new LockRuleError(
        'grace period', `thread ${thread.name} uses ${what}, ${inside ? 'in the read section in which it was found' : 'with a lock that is to keep it'}, and ${gone}`,
        'free it by callRcu, or after synchronizeRcu, and only when nothing points to it any more', [taken, this.here(thread, `${what} is used`)],
      );
    }
    const end = pointer.thread === thread.id ? thread.lockdep?.releaseOf(this.words, slot) : undefined;
    throw new LockRuleError(
      'rcu', `thread ${thread.name} uses ${what} after the read section in which it was found: ${gone}`,
      'use it inside of the section, or take a lock or a reference before the section ends', [taken, ...(end === undefined ? [] : [end]), this.here(thread, `${what} is used`)],
    );
  }

  /**
   * The grace period of something is over, and its memory becomes something else: counts its word up. Stands in the handler of the call that frees it.
   *
   * @returns the new generation
   */
  static retire(words: Int32Array, index: number): number {
    scheduleTouch(words, index, AccessType.Write);
    return Atomics.add(words, index, 1) + 1;
  }

  private here(thread: Thread, what: string): LockSite {
    return thread.lockdep?.here(what) ?? { what: `${what}, by thread ${thread.name}`, stack: stackText(stackHere()) };
  }

  private refuseInside(thread: Thread, what: string): void {
    thread.lockdep?.mightSleep(what);
    if (this.words[slotOf(thread) + NESTING]! > 0) {
      throw new PgtableError('EINVAL', `thread ${thread.name} cannot ${what} in a read section: that would wait for itself`, { hint: 'end the section first, or use callRcu' });
    }
  }

  /** U3: moves the clock beyond a value of it. */
  private advance(clock: number): void {
    scheduleTouch(this.words, CLOCK, AccessType.Write);
    Atomics.compareExchange(this.words, CLOCK, clock, (clock + 2) | 0);
  }

  /** Whether U4 is over for a thread: it is in no section, or in one that began after the clock went on from `clock`. */
  private passed(stamp: number, clock: number): boolean {
    return stamp === 0 || ((stamp - clock) | 0) > 0;
  }

  private isCompleted(clock: number): boolean {
    scheduleTouch(this.words, COMPLETED, AccessType.Read);
    return ((Atomics.load(this.words, COMPLETED) - clock) | 0) >= 0;
  }

  /** Tells a scheduler what U4 looks at. */
  private lookAtSlots(): void {
    scheduleTouch(this.words, SLOTS, AccessType.Read, (MAX_THREADS + 1) * SLOT_WORDS);
  }

  private complete(clock: number): void {
    scheduleTouch(this.words, COMPLETED, AccessType.Write);
    for (;;) {
      const before = Atomics.load(this.words, COMPLETED);
      if (((before - clock) | 0) >= 0 || Atomics.compareExchange(this.words, COMPLETED, before, clock) === before) return;
    }
  }

  /** U3 and U4. */
  private waitForReaders(clock: number, thread: Thread): void {
    this.advance(clock);
    this.lookAtSlots();
    for (let id = 1; id <= MAX_THREADS && !this.isCompleted(clock); id++) this.waitForReader(SLOTS + id * SLOT_WORDS, clock, thread);
    this.complete(clock);
    schedulePoint('the grace period is over', this.words, COMPLETED);
  }

  private waitForReader(slot: number, clock: number, thread: Thread): void {
    const { words } = this;
    if (this.passed(Atomics.load(words, slot), clock)) return;
    const waiting = new Waiting(thread, 'wait for the end of a read section');
    Atomics.add(words, SLEEPERS, 1);
    try {
      for (;;) {
        const stamp = Atomics.load(words, slot);
        if (this.passed(stamp, clock)) return;
        waiting.until(words, slot, stamp);
        this.lookAtSlots();
      }
    } finally {
      Atomics.sub(words, SLEEPERS, 1);
    }
  }

  /** U3, and a look at all stamps. */
  private noReaders(clock: number): boolean {
    this.advance(clock);
    this.lookAtSlots();
    for (let id = 1; id <= MAX_THREADS && !this.isCompleted(clock); id++) {
      if (!this.passed(Atomics.load(this.words, SLOTS + id * SLOT_WORDS), clock)) return false;
    }
    this.complete(clock);
    return true;
  }

  /**
   * Takes the oldest call out of the queue and makes it.
   *
   * @param wait for its grace period
   * @returns whether there was one that is due
   */
  private makeOne(thread: Thread, wait: boolean): boolean {
    const { words } = this;
    // Without the lock, so that an empty queue costs two loads. What this thread queued it sees.
    scheduleTouch(words, QUEUE, AccessType.Read);
    if (Atomics.load(words, TAIL) === Atomics.load(words, HEAD)) return false;
    schedulePoint('look for deferred calls', words, QUEUE);
    rawLock(words, QUEUE, thread, 'take out a deferred call');
    let waitFor: number | undefined;
    let due: (() => void) | undefined;
    try {
      const head = words[HEAD]!;
      if (head === words[TAIL]) return false;
      const at = this.callAt(head);
      const stamp = words[at]!;
      if (this.noReaders(stamp)) {
        due = this.callOf(at);
        Atomics.store(words, HEAD, (head + 1) | 0);
        scheduleTouch(words, RUNNING, AccessType.Write);
        Atomics.add(words, RUNNING, 1);
      } else if (wait) waitFor = stamp;
    } finally {
      rawUnlock(words, QUEUE, thread, 'take out a deferred call');
    }
    if (waitFor !== undefined) {
      this.waitForReaders(waitFor, thread);
      return true;
    }
    if (due === undefined) return false;
    try {
      due();
    } finally {
      scheduleTouch(words, RUNNING, AccessType.Write);
      if (Atomics.sub(words, RUNNING, 1) === 1) Atomics.notify(words, RUNNING);
    }
    return true;
  }

  private callOf(at: number): () => void {
    const kind = this.words[at + 1]!;
    const handler = this.handlers.get(kind);
    if (handler === undefined) {
      throw new PgtableError('EINVAL', `nothing is known in thread ${currentThread().name} of deferred calls of kind ${kind}`, { hint: 'every JavaScript thread says what to do with each kind: rcu.handle(kind, ...)' });
    }
    const [a, b, c] = this.numbers.subarray(at / 2 + 1, at / 2 + 4);
    // The subarray has three.
    return () => { handler(a!, b!, c!); };
  }

  /** First word of a call; even, so that its numbers are aligned. */
  private callAt(count: number): number {
    return Math.ceil(HEADER / 2) * 2 + ((count >>> 0) % this.calls) * (CALL_BYTES / 4);
  }
}

function slotOf(thread: Thread): number {
  return SLOTS + thread.id * SLOT_WORDS;
}
