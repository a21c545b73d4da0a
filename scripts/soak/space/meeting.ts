import { Control } from './orders.js';

/** Another thread has failed. */
export class Abandoned extends Error {}

/** Where all threads of a round wait for each other. */
export class Meeting {
  private readonly control: Int32Array;
  private readonly threads: number;

  constructor(control: Int32Array, threads: number) {
    this.control = control;
    this.threads = threads;
  }

  /** Returns when all are here. @throws Abandoned if one has failed */
  wait(): void {
    const { control } = this;
    const phase = Atomics.load(control, Control.Phase);
    if (Atomics.add(control, Control.Arrived, 1) + 1 === this.threads) {
      Atomics.store(control, Control.Arrived, 0);
      Atomics.add(control, Control.Phase, 1);
      Atomics.notify(control, Control.Phase);
    }
    while (Atomics.load(control, Control.Phase) === phase) {
      this.check();
      Atomics.wait(control, Control.Phase, phase, 100);
    }
    this.check();
  }

  /** @throws Abandoned if a thread has failed */
  check(): void {
    if (Atomics.load(this.control, Control.Failed) !== 0) throw new Abandoned('another thread has failed');
  }

  get stopped(): boolean {
    return Atomics.load(this.control, Control.Stop) !== 0;
  }

  /** The round ends at the next meeting. */
  stop(): void {
    Atomics.store(this.control, Control.Stop, 1);
  }

  /** @returns whether this thread is the first that failed */
  fail(): boolean {
    return Atomics.exchange(this.control, Control.Failed, 1) === 0;
  }
}

/** Calls a function with a lock of the user's: a word outside of the model, as a process would have its own. */
export function withUserLock<T>(locks: Int32Array, at: number, work: () => T): T {
  while (Atomics.compareExchange(locks, at, 0, 1) !== 0) Atomics.wait(locks, at, 1, 100);
  try {
    return work();
  } finally {
    Atomics.store(locks, at, 0);
    Atomics.notify(locks, at);
  }
}
