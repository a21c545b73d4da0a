import { PgtableError } from '@pgtable/core';

/**
 * The rules whose violations end with a {@link LockRuleError}:
 *
 * - `order`: locks of two classes are taken against the order that is documented, or was seen;
 * - `recursion`: a lock that the thread has, or a second one of the same class, about whose order nothing is said;
 * - `upgrade`: a lock is wanted for writing, or for reading, by a thread that has it in the other way;
 * - `sleep`: something that may sleep, while a spin lock is held or in an RCU read section;
 * - `release`: a lock is released that the thread does not have, or has in another mode;
 * - `leak`: a lock is held where none may be;
 * - `unprotected`: something is touched without the lock that protects it;
 * - `hung`: a thread has waited too long;
 * - `rcu`: a pointer is used outside of the read section in which it was taken, or a read section ends that never began;
 * - `grace period`: a pointer is used in its read section, and what it points to is gone: the grace period did not wait.
 */
export type LockRuleName = 'order' | 'recursion' | 'upgrade' | 'sleep' | 'release' | 'leak' | 'unprotected' | 'hung' | 'rcu' | 'grace period';

/** A place in the program that an error is about. */
export interface LockSite {
  /** What happened there: `pte ptl was taken (spin) by thread fault`. */
  readonly what: string;
  /** The stack there, a line for each frame; or a sentence, where no stack is known. */
  readonly stack: string;
}

/** A rule about locks that was broken: which one, and the places that have to do with it, the present one last. */
export class LockRuleError extends PgtableError {
  readonly rule: LockRuleName;
  /** At least two: where it began, and where it was noticed. */
  readonly sites: readonly LockSite[];

  constructor(rule: LockRuleName, message: string, hint: string, sites: readonly LockSite[]) {
    super('EINVAL', [message, ...sites.map(({ what, stack }) => `  ${what}:\n${indented(stack)}`)].join('\n'), { hint });
    this.rule = rule;
    this.sites = sites;
  }
}

function indented(stack: string): string {
  return stack.split('\n').map((line) => `    ${line.trim()}`).join('\n');
}

/** The present stack, as an object whose text is made when it is asked for: for what is reported at once. */
export function stackHere(): Error {
  return new Error('a place');
}

/** Frames that are kept of a {@link placeHere}: those of this function and the checker, the lock operation, and who called it, over three functions. */
const PLACE_FRAMES = 6;
// V8's, and in no standard: other hosts look at no such property.
const host = Error as ErrorConstructor & { stackTraceLimit: number | undefined };

/**
 * The present stack, in short: for what is noted of each lock that is taken or released, and hardly ever asked for.
 *
 * Nearly all of what checked locks cost is the host's walk through the stack, some 0.5 µs a frame: V8 goes through 10 by itself, and test runners have it go through 100.
 */
export function placeHere(): Error {
  const before = host.stackTraceLimit;
  host.stackTraceLimit = PLACE_FRAMES;
  const place = new Error('a place');
  host.stackTraceLimit = before;
  return place;
}

/** The text of {@link stackHere} or {@link placeHere}, without the line that says that it is an error, and from where the checker was called. */
export function stackText(place: Error): string {
  // Browsers differ: V8 begins with the message, others do not.
  const lines = (place.stack ?? '').split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('Error: a place'));
  const first = lines.findIndex((line) => !/\b(?:stackHere|placeHere|Lockdep\.\w+|Rcu\.here)\b/.test(line));
  return first < 0 ? '(this host keeps no stacks)' : lines.slice(first).join('\n');
}
