import { PgtableError } from '@pgtable/core';
import { MAX_ORDER, UserFaultError, type Kernel } from '../../../packages/mm/src/index.js';
import type { Random } from '../../random.js';
import { Stat } from './orders.js';
import type { Probes } from './probes.js';

/** Frames that are left when others are taken away: at most so many. */
const LEFT = 24;
/** Operations for which they are. */
const MAX_PATIENCE = 12;
/** How often something is tried that must be done in the end. */
const TRIES = 20_000;

/**
 * How much memory there is, to one thread: enough, or so little now and then that whatever allocates may fail. For that it takes nearly all free frames for some operations, while the others go on.
 *
 * What may fail for want of memory, or of VMAs, says so by `ENOMEM`; who asks here is told, and looks whether everything is as it was. Where there is enough that is an error like any other.
 */
export class Memory {
  readonly scarce: boolean;
  private readonly kernel: Kernel;
  private readonly random: Random;
  private readonly probes: Probes;
  private held: number[] = [];
  private patience = 0;

  constructor(kernel: Kernel, random: Random, probes: Probes, scarce: boolean) {
    this.kernel = kernel;
    this.random = random;
    this.probes = probes;
    this.scarce = scarce;
  }

  /** Takes nearly all that is free. */
  take(): void {
    const { frames } = this.kernel;
    const leave = this.random.below(LEFT);
    for (let order = MAX_ORDER; order >= 0; order--) {
      while (frames.free - 2 ** order >= leave) {
        const pfn = unlessShort(() => frames.allocPages(order));
        if (pfn === undefined) break;
        this.held.push(pfn);
      }
    }
    this.patience = 1 + this.random.below(MAX_PATIENCE);
  }

  /** An operation begins: what was taken long enough ago is given back. */
  tick(): void {
    if (this.patience > 0 && --this.patience === 0) this.giveBack();
  }

  /** Gives all back that was taken. */
  giveBack(): void {
    this.patience = 0;
    for (const pfn of this.held.splice(0)) this.kernel.frames.put(pfn);
  }

  /** What an action gives; undefined: there was no memory for it, or no VMA. @throws what else goes wrong, and that too where there is enough */
  unlessShort<T>(action: () => T): T | undefined {
    if (!this.scarce) return action();
    const done = unlessShort(action);
    if (done === undefined) this.probes.add(Stat.Refused);
    return done;
  }

  /** Whether something was done for which there may be no memory. */
  done(action: () => void): boolean {
    return this.unlessShort(() => {
      action();
      return true;
    }) === true;
  }

  /** Does what must be done, as soon as there is memory for it. */
  insist<T>(action: () => T): T {
    for (let tries = 1; this.scarce && tries < TRIES; tries++) {
      const found = this.unlessShort(() => ({ value: action() }));
      if (found !== undefined) return found.value;
      this.giveBack();
      // Others give back what they have when their next operations begin.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
    return action();
  }

  /** What an access gives; undefined: nobody allows it, or there was no memory for it. @throws what else goes wrong */
  unlessFault<T>(access: () => T): T | undefined {
    return this.unlessShort(() => unlessFault(access));
  }
}

function unlessShort<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof PgtableError && error.code === 'ENOMEM') return undefined;
    throw error;
  }
}

/** What an access gives; undefined: nobody allows it. @throws what else goes wrong */
export function unlessFault<T>(access: () => T): T | undefined {
  try {
    return access();
  } catch (error) {
    if (error instanceof UserFaultError && error.signal === 'SIGSEGV') return undefined;
    throw error;
  }
}
