import { PgtableError } from '@pgtable/core';
import { Lockdep } from './lockdep.js';
import type { LockOrder } from './lock-order.js';

/** Threads that one model may have at a time. Owner fields of locks and the slots of {@link Rcu} are made for so many. */
export const MAX_THREADS = 64;

/** One thread of the model, as the JavaScript thread knows it that plays it. Locks belong to threads. */
export class Thread {
  /** From 1 to {@link MAX_THREADS}: what an owner field holds. */
  readonly id: number;
  readonly name: string;
  /** What checks this thread's locks; undefined: nothing does. */
  readonly lockdep: Lockdep | undefined;

  constructor(id: number, name: string, lockdep: Lockdep | undefined) {
    this.id = id;
    this.name = name;
    this.lockdep = lockdep;
  }
}

let current: Thread | undefined;

/**
 * The thread that runs.
 *
 * Locking: none.
 *
 * @throws PgtableError `EINVAL` if nothing said which one that is
 */
export function currentThread(): Thread {
  if (current === undefined) {
    throw new PgtableError('EINVAL', 'a lock belongs to a thread, and this JavaScript thread does not say which thread it is', {
      hint: 'call setCurrentThread(threads.join("a name")) first, in every worker',
    });
  }
  return current;
}

/**
 * Says which thread runs from here on. A worker does so once; a test may play several threads in turn.
 *
 * Locking: none.
 *
 * @returns the one before
 */
export function setCurrentThread(thread: Thread | undefined): Thread | undefined {
  const before = current;
  current = thread;
  return before;
}

/** A {@link Threads} in a form that can be posted to a worker. */
export interface SharedThreads {
  readonly buffer: SharedArrayBuffer;
}

/** The threads of a model: gives each a number that no other has at the same time. Locking: none; who leaves has no lock. */
export class Threads {
  /** By number: whether it is taken. */
  private readonly taken: Int32Array;

  constructor(buffer = new SharedArrayBuffer((MAX_THREADS + 1) * 4)) {
    this.taken = new Int32Array(buffer);
  }

  /** The same threads in another JavaScript thread. */
  static attach(image: SharedThreads): Threads {
    return new Threads(image.buffer);
  }

  /** For {@link Threads.attach}. */
  share(): SharedThreads {
    // Made of a SharedArrayBuffer above.
    return { buffer: this.taken.buffer as SharedArrayBuffer };
  }

  /**
   * A new thread.
   *
   * @param name for messages
   * @param order checks this thread's locks against that order, and adds what it sees to it; without it nothing is checked
   * @throws PgtableError `ENOMEM` if there are {@link MAX_THREADS} already
   */
  join(name: string, order?: LockOrder): Thread {
    for (let id = 1; id <= MAX_THREADS; id++) {
      if (Atomics.compareExchange(this.taken, id, 0, 1) === 0) return new Thread(id, name, order === undefined ? undefined : new Lockdep(order, id, name));
    }
    throw new PgtableError('ENOMEM', `thread ${name} cannot join: there are ${MAX_THREADS} threads already`, { hint: 'have threads that end leave() first' });
  }

  /**
   * A thread that ends gives its number back.
   *
   * @throws LockRuleError if it still holds locks, and is checked
   */
  leave(thread: Thread): void {
    thread.lockdep?.assertNoneHeld(`the end of thread ${thread.name}`);
    Atomics.store(this.taken, thread.id, 0);
    if (current === thread) current = undefined;
  }
}
