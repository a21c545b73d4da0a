import { AccessType, Until } from '../schedule-point.js';
import { ANY, dependent, STEP, TOUCH } from './stage.js';

/*
 * What one run says about others. Two steps are dependent if they touch the same place, and not both to read (or to count). A step happens before another if the two are of the same thread, or
 * dependent, or there is a chain of such steps between them: runs in which the same steps happen before the same steps are equivalent, and one of them is enough.
 *
 * A race is a pair of dependent steps of two threads with no such chain between them, of which the second could have come first. For each race there is to be a run in which it does. Which step that run has to begin
 * with, where the first of the two began, is any of those that nothing between the two must precede: the initials. If one of them is to be tried there anyway, nothing needs to be done.
 *
 * C. Flanagan and P. Godefroid, Dynamic partial-order reduction for model checking software, POPL 2005; the initials: P. Abdulla, S. Aronis, B. Jonsson and K. Sagonas, Optimal dynamic partial order
 * reduction, POPL 2014 (source sets).
 *
 * Locks: who waits for a lock is not tried before the release that ends the wait, for it could not go on there. It races with the step that took the lock.
 */

/** A step of a run, in the log. */
export interface Step {
  readonly thread: number;
  /** Bits of the threads that could have gone on. */
  readonly enabled: number;
  readonly until: Until;
  /** Where its places begin in the log, and how many there are. */
  readonly from: number;
  readonly count: number;
  /** Bits that stand for the places that it touches, and those that it does more to than read: steps that have none in common are independent. */
  readonly touched: number;
  readonly written: number;
}

/** A step by what a log says of it. */
export function stepAt(log: ArrayLike<number>, from: number, count: number, of: Pick<Step, 'thread' | 'enabled' | 'until'>): Step {
  let touched = 0;
  let written = 0;
  for (let at = from; at < from + count * TOUCH; at += TOUCH) {
    const bits = bitsOf(log[at]!, log[at + 1]!, log[at + 2]!);
    touched |= bits;
    if ((log[at + 3]! & 3) !== AccessType.Read) written |= bits;
  }
  return { ...of, from, count, touched, written };
}

/** Some of 32 bits, the same for the same place. */
function bitsOf(object: number, first: number, end: number): number {
  const from = Math.floor(first / 8);
  const to = Math.floor((end - 1) / 8);
  if (object === ANY || to - from >= 32) return -1;
  let bits = 0;
  for (let bucket = from; bucket <= to; bucket++) bits |= 1 << (Math.imul(bucket + object * 7919, 0x9e3779b1) >>> 27);
  return bits;
}

/** The steps of a log. */
export function stepsOf(log: ArrayLike<number>, count: number): Step[] {
  const steps: Step[] = [];
  for (let at = 0, number = 0; number < count; number++) {
    const touches = log[at + 3]!;
    // What Stage.begin() wrote.
    steps.push(stepAt(log, at + STEP, touches, { thread: log[at]!, enabled: log[at + 1]!, until: log[at + 2]! as Until }));
    at += STEP + touches * TOUCH;
  }
  return steps;
}

/** A thread that is stopped at the end of the run at something that it would have done. */
export interface Stopped {
  readonly step: Step;
  readonly log: ArrayLike<number>;
}

/**
 * Finds the races of a run.
 *
 * @param from races of earlier steps with each other are known
 * @param stopped what threads were about to do that never could
 * @param found is called for each race: the number of its first step, and bits of the threads whose next step there may be the beginning of a run that has it the other way round
 */
export function findRaces(log: ArrayLike<number>, steps: readonly Step[], threads: number, from: number, stopped: readonly Stopped[], found: (first: number, initials: number) => void): void {
  const width = threads;
  // By step and thread: the last step of the thread that happens before it, or is it; -1: none.
  const clocks = new Int32Array((steps.length + stopped.length) * width).fill(-1);
  const latest = new Int32Array(width).fill(-1);
  const joined = new Int32Array(width);
  const join = (into: Int32Array, at: number, step: number): void => {
    for (let thread = 0; thread < width; thread++) if (clocks[step * width + thread]! > into[at + thread]!) into[at + thread] = clocks[step * width + thread]!;
  };
  // By thread: its first step of those between a race's two that nothing makes come after the first of the race; -1: none.
  const firsts = new Int32Array(width);
  const initials = (first: number, second: number, step: Step, places: ArrayLike<number>): number => {
    const { thread: owner } = steps[first]!;
    firsts.fill(-1);
    let mask = 0;
    let free = true;
    for (let between = first + 1; between < second; between++) {
      if (clocks[between * width + owner]! >= first) continue;
      const { thread, from: start, count } = steps[between]!;
      free &&= thread !== step.thread && (apart(step, steps[between]!) || !dependent(places, step.from, step.count, log, start, count));
      if (firsts[thread]! >= 0) continue;
      if (firsts.every((other, of) => other < 0 || clocks[between * width + of]! < other)) mask |= 1 << thread;
      firsts[thread] = between;
    }
    return free ? mask | (1 << step.thread) : mask;
  };
  // By thread: its steps so far, and how many of those are still to be looked at.
  const taken: number[][] = Array.from({ length: width }, () => []);
  const left = new Int32Array(width);
  /** The last of those that another thread has taken. */
  const lastOther = (thread: number): number => {
    let last = -1;
    for (let other = 0; other < width; other++) if (other !== thread && left[other]! > 0) last = Math.max(last, taken[other]![left[other]! - 1]!);
    return last;
  };
  const look = (number: number, step: Step, places: ArrayLike<number>, races: boolean): void => {
    const { thread } = step;
    const own = number * width;
    const before = latest[thread]!;
    if (before >= 0) join(clocks, own, before);
    joined.set(clocks.subarray(own, own + width));
    const end = Math.min(number, steps.length);
    taken.forEach((all, of) => { left[of] = all.length; });
    for (let other = lastOther(thread); other >= 0; other = lastOther(thread)) {
      const earlier = steps[other]!;
      const known = clocks[own + earlier.thread]! >= other;
      const ordered = joined[earlier.thread]! >= other;
      // Then so are all that its thread did before.
      if (known && (ordered || !races)) {
        left[earlier.thread] = 0;
        continue;
      }
      left[earlier.thread] = left[earlier.thread]! - 1;
      if (apart(step, earlier) || !dependent(places, step.from, step.count, log, earlier.from, earlier.count)) continue;
      if (!known) join(clocks, own, other);
      if (!races || ordered || !couldSwap(log, earlier, other, step, places, before)) continue;
      found(other, initials(other, end, step, places));
      join(joined, 0, other);
    }
    clocks[own + thread] = number;
  };
  for (let number = 0; number < steps.length; number++) {
    const step = steps[number]!;
    look(number, step, log, number >= from);
    latest[step.thread] = number;
    taken[step.thread]!.push(number);
  }
  stopped.forEach(({ step, log: places }, extra) => { look(steps.length + extra, step, places, true); });
}

/** Whether two steps are independent for certain. */
function apart(one: Step, other: Step): boolean {
  return ((one.touched & other.written) | (one.written & other.touched)) === 0;
}

/** Whether a step could have been done where an earlier one of another thread was, had the other not. @param before the step before it of its own thread */
function couldSwap(log: ArrayLike<number>, earlier: Step, number: number, step: Step, places: ArrayLike<number>, before: number): boolean {
  // Its thread stood there already, and could not go on.
  if (number > before && (earlier.enabled & (1 << step.thread)) === 0) return false;
  if (step.until === Until.Always || step.until === Until.Changed) return true;
  // A release of that which it waits for; the place that it waits for is its first.
  for (let at = earlier.from; at < earlier.from + earlier.count * TOUCH; at += TOUCH) {
    if ((log[at + 3]! & 4) !== 0 && log[at] === places[step.from] && log[at + 1] === places[step.from + 1]) return false;
    if (log[at] === ANY) return true;
  }
  return true;
}

