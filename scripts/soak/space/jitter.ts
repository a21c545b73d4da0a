import { lockClasses, setScheduler, type Scheduler } from '../../../packages/mm/src/index.js';
import type { Random } from '../../random.js';

/** One scheduling point in so many is a pause. */
const RARE = 150;
/** One that a thread comes by when it knows something that may be no longer so: with no lock, when it knows a frame and has not used it yet; or a table, and has not locked it yet. */
const COMMON = 12;
const KNOWS_A_FRAME: ReadonlySet<string> = new Set(['write to user memory', 'read user memory', 'try for references']);
const KNOWS_A_TABLE: ReadonlySet<string> = new Set([lockClasses.ptePtl.taking]);
const LESS_COMMON = 40;
/** Milliseconds. */
const SHORT = 0.05;
const LONG = 2;
/** As long as a fork takes; of few that have no lock. */
const VERY_LONG = 20;

/**
 * Pauses at scheduling points, now and then: between two steps of a thread the others do much more than they would, and come into places that are a few instructions wide. The order of threads is the
 * machine's still.
 */
class Jitter implements Scheduler {
  private readonly random: Random;
  private readonly clock = new Int32Array(new SharedArrayBuffer(4));

  constructor(random: Random) {
    this.random = random;
  }

  point(what: string): void {
    const frame = KNOWS_A_FRAME.has(what);
    if (this.random.oneIn(frame ? COMMON : KNOWS_A_TABLE.has(what) ? LESS_COMMON : RARE)) Atomics.wait(this.clock, 0, 0, this.length(frame));
  }

  private length(withoutLock: boolean): number {
    if (withoutLock && this.random.oneIn(40)) return VERY_LONG;
    return this.random.oneIn(4) ? LONG : SHORT;
  }

  /** Who must wait looks again soon: a thread that is scheduled is not told when its turn comes. */
  blocked(_what: string, words: Int32Array, index: number, value: number): void {
    Atomics.wait(words, index, value, 1);
  }
}

/** Has this thread pause, or not. */
export function setJitter(random: Random | undefined): void {
  setScheduler(random === undefined ? undefined : new Jitter(random));
}
