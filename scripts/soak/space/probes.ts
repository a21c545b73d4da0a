import type { TableHandles } from '@pgtable/core';
import type { Kernel, Mm } from '../../../packages/mm/src/index.js';
import { Stat, STAT_WORDS } from './orders.js';

/** Counts what a thread does, in words that the main thread sees. */
export class Probes {
  private readonly stats: Int32Array;
  private readonly first: number;
  private readonly watched = new WeakSet<object>();

  constructor(stats: Int32Array, thread: number) {
    this.stats = stats;
    this.first = thread * STAT_WORDS;
  }

  add(what: Stat, count = 1): void {
    Atomics.add(this.stats, this.first + what, count);
  }

  /** Counts the flushes of a kernel: each waits for the accesses of all threads, as RCU waits for readers. */
  watchKernel(kernel: Kernel<TableHandles>): void {
    const { accesses } = kernel;
    const synchronize = accesses.synchronizeRcu.bind(accesses);
    accesses.synchronizeRcu = () => {
      this.add(Stat.Flushes);
      synchronize();
    };
  }

  /** Counts the faults of this thread in an address space, each of which begins with a look for its VMA, and the huge pages that are split. */
  watch(mm: Mm<TableHandles>): Mm<TableHandles> {
    if (this.watched.has(mm)) return mm;
    this.watched.add(mm);
    const find = mm.lockVmaUnderRcu.bind(mm);
    mm.lockVmaUnderRcu = (address) => {
      this.add(Stat.Faults);
      return find(address);
    };
    const split = mm.splitHuge.bind(mm);
    mm.splitHuge = (...what) => {
      this.add(Stat.Splits);
      split(...what);
    };
    return mm;
  }
}
