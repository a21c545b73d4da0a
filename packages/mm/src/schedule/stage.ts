import { PgtableError } from '@pgtable/core';
import { OWNER_BITS, Until } from '../schedule-point.js';

/*
 * What the explorer and the threads that it plays with have in common: a few arrays in shared memory.
 *
 * There is one token. Who has it runs; the others wait at their words of GO. The thread that comes to a scheduling point writes down what it is about to do, chooses who goes
 * next (by the schedule that the explorer wrote, or by its rule after the end of that), notes the choice, and hands the token on, or keeps it. So the explorer is not
 * asked at each step, and a thread that goes on costs no change of threads. All of it is read and written by who has the token, so but for GO nothing needs to be atomic.
 */

/** Threads of a scenario. */
export const MAX_PLAYERS = 16;
/** Places that one step can be about; more are taken as any place. */
export const MAX_TOUCHES = 60;
const SPINS = 3000;

/** What the token is for. */
export const Mode = { Prologue: 0, Run: 1, Abort: 2, Quit: 3 } as const;
/** How the next thread is chosen after the end of the schedule. */
export const Rule = {
  /** The same one as before, if it can go on; else the first that can. None that sleeps. */
  Continue: 0,
  /** By chance, each as likely as another. */
  Uniform: 1,
  /** The one of the highest priority: {@link Head.Changes}. */
  Priority: 2,
} as const;
export type Rule = (typeof Rule)[keyof typeof Rule];
/** How a run ended. */
export const End = {
  Running: 0,
  /** All threads are done. */
  Done: 1,
  /** Nobody can go on. */
  Deadlock: 2,
  /** Whoever can go on sleeps: nothing new comes after this. */
  Asleep: 3,
  /** Too many steps. */
  Limit: 4,
  /** A thread threw something. */
  Thrown: 5,
  /** The schedule wants a thread that cannot go on. */
  Astray: 6,
} as const;
export type End = (typeof End)[keyof typeof End];
/** What a thread is doing. */
export const State = { Away: 0, Parked: 1, Done: 2 } as const;

/** Words of the head. */
export const Head = {
  Mode: 0, Players: 1, Steps: 2, LogEnd: 3, Prefix: 4, Rule: 5, SleepFrom: 6, End: 7, Culprit: 8, Last: 9, Limit: 10, Random: 11, Trace: 12, Sleepers: 13, Changes: 14,
  /** Whether the others go on when a thread has thrown something. */
  GoOn: 15,
  /** One for each thread, and the explorer's. */
  Go: 16,
  State: 40,
  /** Of each parked thread: {@link PENDING_WORDS}. */
  Pending: 64,
  Priority: 160,
  /** Steps at which the priority of the thread that runs drops. */
  ChangeAt: 180,
  /** Of each thread that had not come to its end when the run was given up: what it waited for, plus 1. */
  Stopped: 144,
  /** How many threads have been started. */
  Here: 250,
  Schedule: 256,
} as const;
const PENDING_WORDS = 4;
export const MAX_CHANGES = 64;

/** Numbers of a place that is touched: object, first, end, access. */
export const TOUCH = 4;
/** Numbers of a step in the log before its places: thread, mask of those that could go on, until, how many places. */
export const STEP = 4;
/** Objects that places are in: 0 is any; 1 is physical memory, by bytes; then shared buffers, by words. */
export const ANY = 0;
export const PHYSICAL = 1;
export const BUFFERS = 2;

/** Texts of a thread, in UTF-16 units. */
const TEXT_UNITS = 2 ** 16;

/** A {@link Stage} in a form that can be posted to a worker. */
export interface SharedStage {
  readonly buffer: SharedArrayBuffer;
  readonly limit: number;
}

/** The arrays. */
export class Stage {
  readonly limit: number;
  readonly head: Int32Array;
  /** What each parked thread is about to touch, then what each sleeper would: a count and the places. */
  readonly touches: Float64Array;
  /** The steps of the run. */
  readonly log: Float64Array;
  private readonly text: Uint16Array;
  private readonly buffer: SharedArrayBuffer;

  /** @param limit steps that a run may have */
  constructor(limit: number, buffer?: SharedArrayBuffer) {
    this.limit = limit;
    const headWords = Math.ceil((Head.Schedule + limit) / 2) * 2;
    const touches = 2 * MAX_PLAYERS * (1 + MAX_TOUCHES * TOUCH);
    const log = limit * (STEP + 8 * TOUCH) + MAX_TOUCHES * TOUCH;
    this.buffer = buffer ?? new SharedArrayBuffer(headWords * 4 + (touches + log) * 8 + MAX_PLAYERS * TEXT_UNITS * 2);
    this.head = new Int32Array(this.buffer, 0, headWords);
    this.touches = new Float64Array(this.buffer, headWords * 4, touches);
    this.log = new Float64Array(this.buffer, headWords * 4 + touches * 8, log);
    this.text = new Uint16Array(this.buffer, headWords * 4 + (touches + log) * 8);
  }

  static attach(image: SharedStage): Stage {
    return new Stage(image.limit, image.buffer);
  }

  share(): SharedStage {
    return { buffer: this.buffer, limit: this.limit };
  }

  /** Gives the token to a thread, or to the explorer, whose number is that of the threads. */
  pass(to: number): void {
    const { head } = this;
    if (Atomics.exchange(head, Head.Go + to, 1) === 2) Atomics.notify(head, Head.Go + to, 1);
  }

  /** A thread has been started. */
  arrive(): void {
    Atomics.add(this.head, Head.Here, 1);
    Atomics.notify(this.head, Head.Here);
  }

  /** Waits until so many threads have been started. Returns: whether they were. @param patience milliseconds for each of them */
  assemble(players: number, patience: number): boolean {
    for (;;) {
      const here = Atomics.load(this.head, Head.Here);
      if (here === players) return true;
      if (Atomics.wait(this.head, Head.Here, here, patience) === 'timed-out') return false;
    }
  }

  /**
   * Waits for the token.
   *
   * @param patience milliseconds
   * @returns whether it came
   */
  await(me: number, patience = Infinity): boolean {
    const { head } = this;
    const at = Head.Go + me;
    for (let spin = 0; spin < SPINS; spin++) {
      if (Atomics.load(head, at) === 1) {
        Atomics.store(head, at, 0);
        return true;
      }
    }
    while (Atomics.load(head, at) !== 1) {
      if (Atomics.compareExchange(head, at, 0, 2) === 1) break;
      if (Atomics.wait(head, at, 2, patience) === 'timed-out') {
        Atomics.compareExchange(head, at, 2, 0);
        return false;
      }
    }
    Atomics.store(head, at, 0);
    return true;
  }

  /** Where the places begin that a parked thread is about to touch (the first number is their count), or those that a sleeper would. */
  touchesOf(player: number, asleep: boolean): number {
    return ((asleep ? MAX_PLAYERS : 0) + player) * (1 + MAX_TOUCHES * TOUCH);
  }

  /** The thread stops at a point. */
  park(player: number, until: Until, buffer: number, index: number, value: number): void {
    const at = Head.Pending + player * PENDING_WORDS;
    this.head[at] = until;
    this.head[at + 1] = buffer;
    this.head[at + 2] = index;
    this.head[at + 3] = value;
    this.head[Head.State + player] = State.Parked;
  }

  /** Bits of the threads that can go on. */
  enabled(buffers: readonly Int32Array[]): number {
    const { head } = this;
    const players = head[Head.Players]!;
    let mask = 0;
    for (let player = 0; player < players; player++) {
      if (head[Head.State + player] !== State.Parked) continue;
      const at = Head.Pending + player * PENDING_WORDS;
      const until = head[at] as Until;
      if (until === Until.Always) mask |= 1 << player;
      else if (meets(until, Atomics.load(buffers[head[at + 1]!]!, head[at + 2]!), head[at + 3]!)) {
        mask |= 1 << player;
        // Who was woken is awake, though the word may be again what it was: a page that was frozen has references, and then it is freed.
        if (until === Until.Changed) head[at] = Until.Always;
      }
    }
    return mask;
  }

  /**
   * Chooses who goes next, and notes the step that it begins.
   *
   * @returns its number; that of the threads, if the run is over or given up: then the explorer's turn comes when the threads have gone
   */
  decide(buffers: readonly Int32Array[]): number {
    const { head } = this;
    const players = head[Head.Players]!;
    const step = head[Head.Steps]!;
    const enabled = this.enabled(buffers);
    if (enabled === 0) {
      for (let player = 0; player < players; player++) if (head[Head.State + player] !== State.Done) return this.giveUp(End.Deadlock);
      head[Head.End] = End.Done;
      return players;
    }
    if (step >= head[Head.Limit]! || head[Head.LogEnd]! + STEP + TOUCH > this.log.length - MAX_TOUCHES * TOUCH) return this.giveUp(End.Limit);
    if (step > head[Head.SleepFrom]!) this.wake();
    let next: number;
    if (step < head[Head.Prefix]!) {
      next = head[Head.Schedule + step]!;
      if ((enabled & (1 << next)) === 0) return this.giveUp(End.Astray);
    } else {
      const candidates = enabled & ~head[Head.Sleepers]!;
      if (candidates === 0) return this.giveUp(End.Asleep);
      next = this.choose(candidates, step);
    }
    this.begin(next, enabled);
    return next;
  }

  /** The run ends here: threads that are not done are thrown out of what they do. */
  giveUp(end: End): number {
    const { head } = this;
    if (head[Head.End] === End.Running) head[Head.End] = end;
    for (let player = 0; player < head[Head.Players]!; player++) {
      if (head[Head.State + player] === State.Parked) head[Head.Stopped + player] = head[Head.Pending + player * PENDING_WORDS]! + 1;
    }
    head[Head.Mode] = Mode.Abort;
    return this.nextToGo();
  }

  /** In a run that was given up: a thread that is not done, or the explorer. */
  nextToGo(): number {
    const players = this.head[Head.Players]!;
    let player = 0;
    while (player < players && this.head[Head.State + player] === State.Done) player++;
    return player;
  }

  /** The step that has begun touches one more place. Neighbours are one: pages that are copied one after another. */
  touch(object: number, first: number, end: number, access: number): void {
    const { head, log } = this;
    const start = head[Head.LogEnd]!;
    const count = log[start + 3]!;
    let at = start + STEP;
    for (let touch = 0; touch < count; touch++, at += TOUCH) {
      if (log[at] !== object) continue;
      if (log[at + 1]! <= first && log[at + 2]! >= end && (log[at + 3] === access || access === 0)) return;
      if (log[at + 3] === access && (log[at + 2] === first || log[at + 1] === end)) {
        this.write(at, object, Math.min(log[at + 1]!, first), Math.max(log[at + 2]!, end), access);
        return;
      }
    }
    const full = count >= MAX_TOUCHES - 1;
    if (count >= MAX_TOUCHES) return;
    this.write(at, full ? ANY : object, first, end, full ? 1 : access);
    log[start + 3] = count + 1;
  }

  /** Adds to the texts of a thread. */
  say(player: number, text: string): void {
    const start = player * TEXT_UNITS;
    const length = this.text[start]!;
    const kept = Math.min(text.length + 1, TEXT_UNITS - 1 - length);
    for (let at = 0; at < kept; at++) this.text[start + 1 + length + at] = at === text.length ? 0 : text.charCodeAt(at);
    this.text[start] = length + kept;
  }

  /** The texts of a thread, in order. */
  texts(player: number): string[] {
    const start = player * TEXT_UNITS;
    let all = '';
    const end = start + 1 + this.text[start]!;
    // Not all at once: the arguments of a call have a limit.
    for (let at = start + 1; at < end; at += 4096) all += String.fromCharCode(...this.text.subarray(at, Math.min(at + 4096, end)));
    return all.split('\0').slice(0, -1);
  }

  /** No texts. */
  hush(): void {
    for (let player = 0; player < MAX_PLAYERS; player++) this.text[player * TEXT_UNITS] = 0;
  }

  private write(at: number, object: number, first: number, end: number, access: number): void {
    this.log[at] = object;
    this.log[at + 1] = first;
    this.log[at + 2] = end;
    this.log[at + 3] = access;
  }

  private begin(player: number, enabled: number): void {
    const { head, log, touches } = this;
    const step = head[Head.Steps]!;
    if (step > 0) head[Head.LogEnd] = head[Head.LogEnd]! + STEP + log[head[Head.LogEnd]! + 3]! * TOUCH;
    const start = head[Head.LogEnd]!;
    head[Head.Steps] = step + 1;
    head[Head.Last] = player;
    const from = this.touchesOf(player, false);
    const count = touches[from]!;
    log[start] = player;
    log[start + 1] = enabled;
    log[start + 2] = head[Head.Pending + player * PENDING_WORDS]!;
    log[start + 3] = count;
    for (let number = 0; number < count * TOUCH; number++) log[start + STEP + number] = touches[from + 1 + number]!;
  }

  /** Sleepers that the last step was about wake up. */
  private wake(): void {
    const { head, log, touches } = this;
    if (head[Head.Sleepers] === 0) return;
    const start = head[Head.LogEnd]!;
    const players = head[Head.Players]!;
    for (let player = 0; player < players; player++) {
      const bit = 1 << player;
      if ((head[Head.Sleepers]! & bit) === 0) continue;
      const asleep = this.touchesOf(player, true);
      if (log[start] === player || dependent(log, start + STEP, log[start + 3]!, touches, asleep + 1, touches[asleep]!)) head[Head.Sleepers]! &= ~bit;
    }
  }

  private choose(candidates: number, step: number): number {
    const { head } = this;
    const last = head[Head.Last]!;
    switch (head[Head.Rule] as Rule) {
      case Rule.Continue:
        return last >= 0 && (candidates & (1 << last)) !== 0 ? last : 31 - Math.clz32(candidates & -candidates);
      case Rule.Uniform: {
        let left = this.random(bitCount(candidates));
        for (let player = 0; ; player++) if ((candidates & (1 << player)) !== 0 && left-- === 0) return player;
      }
      case Rule.Priority:
        for (let change = 0; change < head[Head.Changes]!; change++) {
          // Below all that there are, and below those that dropped before.
          if (head[Head.ChangeAt + change] === step && last >= 0) head[Head.Priority + last] = -1 - change;
        }
        return this.highest(candidates);
    }
  }

  private highest(candidates: number): number {
    const { head } = this;
    let best = -1;
    for (let player = 0; player < head[Head.Players]!; player++) {
      if ((candidates & (1 << player)) !== 0 && (best < 0 || head[Head.Priority + player]! > head[Head.Priority + best]!)) best = player;
    }
    return best;
  }

  private random(below: number): number {
    this.head[Head.Random] = nextRandom(this.head[Head.Random]!);
    return (this.head[Head.Random]! >>> 0) % below;
  }
}

/** Marsaglia's xorshift of 32 bits: the next number after one that is not 0. */
export function nextRandom(number: number): number {
  let next = number;
  next ^= next << 13;
  next ^= next >>> 17;
  next ^= next << 5;
  return next | 0;
}

function bitCount(mask: number): number {
  let count = 0;
  for (let left = mask; left !== 0; left &= left - 1) count++;
  return count;
}

function meets(until: Until, word: number, value: number): boolean {
  switch (until) {
    case Until.Always:
      return true;
    case Until.Unowned:
      return (word & OWNER_BITS) === 0;
    case Until.NoWriter:
      return word >= 0;
    case Until.Zero:
      return word === 0;
    case Until.Changed:
      return word !== value;
  }
}

/** Whether the order of two touches of the same place matters: not if both read, not if both count. */
export function conflicting(one: number, other: number): boolean {
  return (one & 3) !== (other & 3) || (one & 3) === 1;
}

/** Whether the order of two steps matters, by `count` places that each touches. */
export function dependent(ours: ArrayLike<number>, from: number, count: number, theirs: ArrayLike<number>, theirFrom: number, theirCount: number): boolean {
  for (let a = from; a < from + count * TOUCH; a += TOUCH) {
    for (let b = theirFrom; b < theirFrom + theirCount * TOUCH; b += TOUCH) {
      if (ours[a] === ANY || theirs[b] === ANY) return true;
      if (ours[a] === theirs[b] && ours[a + 1]! < theirs[b + 2]! && theirs[b + 1]! < ours[a + 2]! && conflicting(ours[a + 3]!, theirs[b + 3]!)) return true;
    }
  }
  return false;
}

/** The number of a buffer of a scenario, for {@link BUFFERS}. */
export function bufferNumber(numbers: ReadonlyMap<ArrayBufferLike, number>, buffer: ArrayBufferLike, what: string): number {
  const number = numbers.get(buffer);
  if (number === undefined) {
    throw new PgtableError('EINVAL', `${what}: this is in memory that the scenario does not share`, {
      hint: 'make the memory in setup() and return it, and attach to what the thread is given: then it is the same place in each thread',
    });
  }
  return number;
}
