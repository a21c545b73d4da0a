import { PgtableError } from '@pgtable/core';
import { scheduleBlocked } from '../schedule-point.js';
import type { Thread } from './thread.js';

/** Looks at a word before the thread goes to sleep: some microseconds, in which most locks become free. */
const SPINS = 200;
/** Looks of a thread that may not sleep, until it gives up: some tens of milliseconds. */
const SPINS_AWAKE = 2 ** 20;
const SLICE = 1000;

let maySleep: boolean | undefined;

/** Whether this JavaScript thread may block. The main thread of a browser may not, and says so when asked. */
function canSleep(): boolean {
  if (maySleep === undefined) {
    try {
      // The element is 0 and 1 is expected, so that this returns at once.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
      maySleep = true;
    } catch {
      maySleep = false;
    }
  }
  return maySleep;
}

/** One wait of one thread for one thing, which may take several sleeps. */
export class Waiting {
  /** Whether it slept, or was put off by a scheduler, at least once. */
  slept = false;
  private readonly thread: Thread;
  private readonly what: string;
  private since = 0;

  constructor(thread: Thread, what: string) {
    this.thread = thread;
    this.what = what;
  }

  /**
   * Looks at a word for a while. A scheduler's threads do not: nobody else runs meanwhile.
   *
   * @returns whether the word is another than `value`
   * @throws PgtableError `ENOTSUP` if the thread may not sleep, and the word stays what it is
   */
  spin(words: Int32Array, index: number, value: number): boolean {
    if (scheduleBlocked(this.what, words, index, value)) {
      this.slept = true;
      return true;
    }
    const spins = canSleep() ? SPINS : SPINS_AWAKE;
    for (let spin = 0; spin < spins; spin++) if (Atomics.load(words, index) !== value) return true;
    if (canSleep()) return false;
    throw new PgtableError('ENOTSUP', `cannot ${this.what}: the main thread of a browser may not sleep until another thread lets go`, {
      hint: 'do this in a worker, or use the form that tries and may fail',
    });
  }

  /**
   * Sleeps until somebody notifies of the word; not at all if it is another than `value` already.
   *
   * @throws LockRuleError if the thread is checked and its patience ends
   */
  sleep(words: Int32Array, index: number, value: number): void {
    this.slept = true;
    const { lockdep } = this.thread;
    if (lockdep === undefined) {
      Atomics.wait(words, index, value);
      return;
    }
    const now = Date.now();
    if (this.since === 0) this.since = now;
    if (now - this.since > lockdep.patience) lockdep.hung(this.what, lockdep.patience);
    Atomics.wait(words, index, value, Math.min(SLICE, lockdep.patience));
  }

  /** {@link spin}, and {@link sleep} if that was not enough. */
  until(words: Int32Array, index: number, value: number): void {
    if (!this.spin(words, index, value)) this.sleep(words, index, value);
  }
}
