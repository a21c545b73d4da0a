import type { SharedMachine, SharedVmalloc } from '../../../packages/mm/src/index.js';

/* What the threads of a round share, and what they are told. */

/** Words by which threads meet and end. */
export const Control = {
  /** How many wait at the barrier. */
  Arrived: 0,
  /** How often all have met. */
  Phase: 1,
  /** The round is over: threads end when they meet next. */
  Stop: 2,
  /** A thread has failed: the others stop as soon as they see it. */
  Failed: 3,
} as const;
export const CONTROL_WORDS = 4;

/** What each thread counts. */
export const Stat = { Operations: 0, Faults: 1, Collapses: 2, Splits: 3, Forks: 4, Flushes: 5, Deferred: 6, Quiescent: 7, Pins: 8, Refused: 9 } as const;
export type Stat = (typeof Stat)[keyof typeof Stat];
export const STAT_WORDS = 10;

/** The last operations of a thread, in shared memory, so that they can be printed of a thread that hangs too. */
export const LOGGED = 40;
const LINE_WORDS = 5;
export const LOG_WORDS = 1 + LOGGED * LINE_WORDS;

/** Where everything is in the address space that the threads share. Addresses are bytes, sizes pages. */
export interface Regions {
  /** Pages of a huge page; where there are none, a number in its place. */
  readonly huge: number;
  /** Whether there are huge pages. */
  readonly hasHuge: boolean;
  /** The first thread's window; those of the others follow, without a gap. */
  readonly windows: number;
  readonly windowPages: number;
  /** Anonymous memory, a huge page of it, in which all threads add. */
  readonly words: number;
  /** The common file, mapped so that a huge page of it can be mapped as such. */
  readonly file: number;
  /** The same file, mapped so that it cannot. */
  readonly askew: number;
  /** Pages of the file of each thread. */
  readonly filePages: number;
  /** Anonymous memory, a huge page of it, which all threads unmap, map, pin, copy and collapse. */
  readonly ground: number;
}

/** What a thread is told. */
export interface Orders {
  readonly configuration: string;
  readonly kernel: SharedMachine;
  readonly areas: SharedVmalloc;
  readonly mm: number;
  /** Numbers of address spaces are not above this. */
  readonly mms: number;
  /** Files: the common one, then one for each thread. */
  readonly mappings: readonly number[];
  readonly regions: Regions;
  readonly number: number;
  readonly threads: number;
  readonly seed: number;
  /** Operations between two meetings. */
  readonly batch: number;
  /** When the round ends: `Date.now()`. */
  readonly until: number;
  /** Meetings after which it ends in any case. */
  readonly meetings: number;
  readonly control: Int32Array;
  readonly stats: Int32Array;
  readonly log: Int32Array;
  /** What all threads together have added to each shared word. */
  readonly tally: Int32Array;
  /** Locks of the user's, 0: free. */
  readonly userLocks: Int32Array;
  /** Memory and VMAs run out now and then. */
  readonly scarce: boolean;
  /** Sabotage, for tests of the soak itself. */
  readonly sabotage: Sabotage | undefined;
}

/**
 * What a thread does wrong on purpose: `lost update`: adds without the user's lock. Or, while nobody does anything: `leak`: takes a reference. `stray`: empties a page. `mapcount`: counts a mapping twice.
 * `wrong counter`: counts an anonymous page that there is not. `hang`: waits for what nobody does.
 */
export type Sabotage = 'lost update' | 'leak' | 'stray' | 'mapcount' | 'wrong counter' | 'hang';

/** What a thread reports. */
export interface Done {
  readonly number: number;
  /** Empty: nothing was wrong. */
  readonly error: string;
  /** Another thread was, and this one stopped for it. */
  readonly abandoned: boolean;
}

/** Notes an operation, before it begins. @param what a short list of numbers: process, page, pages, more */
export function note(log: Int32Array, operation: number, what: readonly number[]): void {
  const line = 1 + (log[0]! % LOGGED) * LINE_WORDS;
  log.fill(0, line, line + LINE_WORDS);
  log[line] = operation;
  log.set(what, line + 1);
  Atomics.add(log, 0, 1);
}

/** The last operations, oldest first, in words. */
export function logText(log: Int32Array, names: readonly string[]): string[] {
  const count = Atomics.load(log, 0);
  const first = Math.max(0, count - LOGGED);
  return Array.from({ length: count - first }, (_, at) => {
    const line = 1 + ((first + at) % LOGGED) * LINE_WORDS;
    return `#${first + at} ${names[log[line]!] ?? log[line]!} ${Array.from(log.subarray(line + 1, line + LINE_WORDS)).join(' ')}`;
  });
}
