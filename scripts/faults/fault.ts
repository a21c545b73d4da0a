import type { Patch } from '../races/patched.js';

/** A mistake that is put into the sources, and what must find it. */
export interface Fault {
  /** What is wrong, in a few words. */
  readonly name: string;
  readonly patches: readonly Patch[];
  /** In programs.ts: something that needs no interleaving. */
  readonly program?: string;
  /** In interleavings.ts: threads that must be interleaved in a certain way. */
  readonly interleaving?: string;
  /** The rule of the lint that finds it, in a file that has no other patch. */
  readonly lint?: string;
  /** Configurations that it shows in: parts of their names. Default: all of them. */
  readonly on?: readonly string[];
  /** What the error says that finds it: another one would be another fault. */
  readonly says: RegExp;
  /** Left out of the short form: it takes longer than a few seconds. */
  readonly slow?: boolean;
}

/** What is to be run. */
export interface Order {
  readonly kind: 'program' | 'interleaving' | 'lint';
  readonly name: string;
  /** Left out: all that it has. */
  readonly configurations: readonly string[];
  /** Interleavings after which it is given up. */
  readonly maxRuns: number;
}

/** What came of it, in one configuration. */
export interface Report {
  readonly configuration: string;
  /** The error; undefined: nothing went wrong. */
  readonly message: string | undefined;
  readonly schedule: string | undefined;
  /** Interleavings that were run; 0 of a program. */
  readonly schedules: number;
  readonly milliseconds: number;
}
