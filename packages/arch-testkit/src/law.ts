import fc from 'fast-check';
import type { HandleFamily, Level, Root, WritableArch } from '@pgtable/core';

/** A fresh architecture over memory of its own, as {@link Subject.make} makes it. */
export interface SubjectMemory<H extends HandleFamily> {
  readonly arch: WritableArch<H>;
  /** A root whose table is not made yet: the kit calls `arch.newTable(root.top, root.table, user)`. */
  readonly root: Root;
  /** Whose addresses the kit maps ({@link MmContext.user}); the root has a window of that half. */
  readonly user: boolean;
}

/** An architecture in one configuration, to be held to the laws. */
export interface Subject<H extends HandleFamily = HandleFamily> {
  readonly name: string;
  /** Fresh memory each time: nothing that was done to one result shows in another. */
  make(): SubjectMemory<H>;
  /** The hardware cannot forbid execution: whatever can be read can be executed. Default false. */
  readonly executeAlways?: boolean;
  /** Entries do not tell users from the kernel (s390: the address space does). Default false. */
  readonly oneSpace?: boolean;
  /** PROT_NONE is valid to the hardware, and its rights allow users nothing (powerpc's radix MMU), which `describe` says of it. Default false: it is not valid. */
  readonly protnoneValid?: boolean;
}

/** How hard a law is tried. */
export interface LawOptions {
  /** Of the random cases: the same seed makes the same ones. */
  readonly seed: number;
  /** Random cases for each level and property. At least 1. */
  readonly runs: number;
}

/** One thing that must hold on every architecture. */
export interface Law {
  /** Short and stable: lists of known failures name laws by it. */
  readonly name: string;
  /** What must hold, in one sentence. */
  readonly about: string;
  /** Names of the methods of `EntryValues`, `WritableOps` and `WritableArch` that it holds to something. */
  readonly covers: readonly string[];
  /**
   * Tries the law.
   *
   * @throws LawBroken with the level, the values and the seed of the smallest case that was found
   * @throws NotApplicable if the architecture has nothing that the law is about
   */
  check<H extends HandleFamily>(subject: Subject<H>, options: LawOptions): void;
}

/** A law does not hold: the message says of which level, with which values, and how to try the same case again. */
export class LawBroken extends Error {
  override readonly name = 'LawBroken';
  /** {@link Law.name} */
  readonly law: string;
  readonly seed: number;

  constructor(law: string, message: string, seed: number, cause?: unknown) {
    super(`${law}: ${message} (seed ${seed})`, cause === undefined ? undefined : { cause });
    this.law = law;
    this.seed = seed;
  }
}

/** The architecture has nothing that a law is about; the message says what is missing. */
export class NotApplicable extends Error {
  override readonly name = 'NotApplicable';
}

/** A single case that a law does not hold for. {@link law} makes a {@link LawBroken} of it. */
class Violation extends Error {
  override readonly name = 'Violation';
}

/** What can stand in a message: numbers and bigints are printed in hexadecimal. */
export type Shown = bigint | number | boolean | string | undefined;

function shown(value: Shown): string {
  if (typeof value === 'bigint' || typeof value === 'number') return value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
  return String(value);
}

/** Says what must hold here. @param what the sentence that is false if `condition` is */
export function must(condition: boolean, level: Level, what: string, values: Readonly<Record<string, Shown>> = {}): asserts condition {
  if (condition) return;
  const list = Object.entries(values).map(([name, value]) => `${name} ${shown(value)}`);
  throw new Violation(`${level}: ${what}${list.length === 0 ? '' : `: ${list.join(', ')}`}`);
}

/** Says that something throws a PgtableError `EINVAL`. */
export function mustRefuse(level: Level, what: string, action: () => unknown): void {
  let error: unknown;
  try {
    action();
  } catch (thrown) {
    error = thrown;
  }
  must(error !== undefined, level, `${what} is not refused`);
  must((error as { code?: unknown }).code === 'EINVAL', level, `${what} is refused with something else than EINVAL`, { error: error instanceof Error ? error.message : 'no error' });
}

/** Says that something holds for random cases. Throws what the smallest failing case threw. */
export function forAll<T>(options: LawOptions, cases: fc.Arbitrary<T>, check: (value: T) => void): void {
  const result = fc.check(fc.property(cases, check), { seed: options.seed, numRuns: options.runs });
  if (!result.failed) return;
  throw result.errorInstance instanceof Error ? result.errorInstance : new Error('no case could be made');
}

/** Makes a law of a body that throws where it does not hold. */
export function law(name: string, about: string, covers: readonly string[], body: <H extends HandleFamily>(subject: Subject<H>, options: LawOptions) => void): Law {
  return {
    name,
    about,
    covers,
    check(subject, options) {
      try {
        body(subject, options);
      } catch (error) {
        if (error instanceof NotApplicable) throw error;
        const message = error instanceof Violation ? error.message : `the architecture threw ${String(error)}`;
        throw new LawBroken(name, message, options.seed, error);
      }
    },
  };
}
