import type { LockClass } from './lock-class.js';
import { LockRuleError, placeHere, stackHere, stackText, type LockSite } from './lock-error.js';
import type { LockOrder, LockRule } from './lock-order.js';
import { rawOwner } from './raw-lock.js';
import { rwStateText } from './rw-lock.js';
import { currentThread, type Thread } from './thread.js';

/** How a lock is held. */
export type LockMode = 'spin' | 'read' | 'write' | 'rcu';

/** A lock that a thread has. Two views of the same buffer show the same lock; buffers that were posted apart do not. */
interface Held {
  readonly buffer: ArrayBufferLike;
  /** Index of its first word in the buffer. */
  readonly at: number;
  readonly lockClass: LockClass;
  readonly mode: LockMode;
  readonly taken: Error;
}

interface Released {
  readonly held: Held;
  readonly released: Error;
}

/** Releases that are remembered, to say of a lock that is missing where it went. */
const REMEMBERED = 64;

/** How long a checked thread waits for one thing, in milliseconds, unless its {@link Lockdep.patience} says otherwise. */
const PATIENCE = 60_000;

/**
 * Checks the locks of one thread: that they are taken in order, released by who took them, all of them, and held where they must be. Every report is a
 * {@link LockRuleError} with the place of the acquisition and the present one.
 *
 * A lock that was tried for is in no order with those held before: who tries does not wait. Locks that are taken while it is held are.
 *
 * Lock operations call it for a thread that has one ({@link Threads.join}); a thread that has none pays for one test of a variable.
 *
 * Locking: none: lock operations call it, in the thread that it is of.
 */
export class Lockdep {
  /** How long this thread waits for one thing, in milliseconds, before it says that it hangs. */
  patience = PATIENCE;
  private readonly order: LockOrder;
  private readonly thread: Pick<Thread, 'id' | 'name'>;
  private readonly held: Held[] = [];
  /** A ring: the release of number n is at n % REMEMBERED. */
  private readonly released: Released[] = [];
  private releases = 0;

  constructor(order: LockOrder, id: number, name: string) {
    this.order = order;
    this.thread = { id, name };
  }

  /** How many locks this thread has, RCU read sections included. */
  get depth(): number {
    return this.held.length;
  }

  /**
   * The thread is about to wait for a lock.
   *
   * @throws LockRuleError `recursion`, `upgrade`, `order`, or `sleep`
   */
  acquiring(words: Int32Array, index: number, lockClass: LockClass, mode: 'spin' | 'read' | 'write'): void {
    if (mode !== 'spin') this.mightSleep(lockClass.taking);
    const at = wordOf(words, index);
    for (const held of this.held) {
      if (held.mode === 'rcu') continue;
      if (held.buffer === words.buffer && held.at === at) this.refuseAgain(held, mode);
      if (held.lockClass.name === lockClass.name) this.refuseSecond(held);
      const against = this.order.check(held.lockClass, lockClass, currentThread(), () => `thread ${this.thread.name}\n${stackText(stackHere())}`);
      if (against !== undefined) this.refuseOrder(held, lockClass, against);
    }
  }

  /** The thread has the lock. */
  acquired(words: Int32Array, index: number, lockClass: LockClass, mode: LockMode): void {
    this.held.push({ buffer: words.buffer, at: wordOf(words, index), lockClass, mode, taken: placeHere() });
  }

  /**
   * The thread is about to release a lock. Which of several is released first does not matter.
   *
   * @throws LockRuleError `release` if it does not have it in that mode
   */
  releasing(words: Int32Array, index: number, mode: LockMode): void {
    const found = this.find(words, index, [mode]);
    const held = this.held[found];
    if (held === undefined) {
      const other = this.held[this.find(words, index, ['spin', 'read', 'write'])];
      throw new LockRuleError(
        'release', `thread ${this.thread.name} releases a lock (${mode}) that it does not have${other === undefined ? '' : ` in that mode: ${other.lockClass.name} was taken to ${other.mode}`}`,
        'release a lock once, on every way out, and in the mode in which it was taken', [other === undefined ? this.lastSeen(words, index, mode) : this.takenAt(other), this.here('it is released')],
      );
    }
    // Most locks are released in the order in which that needs no moving.
    if (found === this.held.length - 1) this.held.pop();
    else this.held.splice(found, 1);
    this.released[this.releases++ % REMEMBERED] = { held, released: placeHere() };
  }

  /** The thread makes a reader of itself. */
  downgrading(words: Int32Array, index: number): void {
    this.releasing(words, index, 'write');
    // What releasing() has just put there.
    const { buffer, at, lockClass, taken } = this.released[(this.releases - 1) % REMEMBERED]!.held;
    this.held.push({ buffer, at, lockClass, mode: 'read', taken });
  }

  /** Whether the thread has a lock, in any mode or in one of those given. */
  holds(words: Int32Array, index: number, modes?: readonly LockMode[]): boolean {
    return this.find(words, index, modes) >= 0;
  }

  /**
   * The thread touches what a lock protects.
   *
   * @param what what is touched: `pte 0x7f0000001000`
   * @param modes the modes that will do; without it every one does
   * @throws LockRuleError `unprotected` if it does not have the lock
   */
  assertHeld(words: Int32Array, index: number, lockClass: LockClass, what: string, modes?: readonly LockMode[]): void {
    if (this.holds(words, index, modes)) return;
    const other = this.held[this.find(words, index)];
    const site = other === undefined ? this.lastSeen(words, index, modes?.[0] ?? 'spin', lockClass.name) : this.takenAt(other);
    throw new LockRuleError(
      'unprotected', `thread ${this.thread.name} touches ${what} without ${lockClass.name}${modes === undefined ? '' : ` (${modes.join(' or ')})`}${other === undefined ? '' : `, which it has to ${other.mode} alone`}`,
      `take ${lockClass.name} before, and hold it until after`, [site, this.here(`${what} is touched`)],
    );
  }

  /**
   * The thread is where nobody may hold anything: at the end of an operation, of a test, of itself.
   *
   * @param where that place
   * @throws LockRuleError `leak`
   */
  assertNoneHeld(where: string): void {
    if (this.held.length === 0) return;
    throw new LockRuleError(
      'leak', `thread ${this.thread.name} still has ${this.held.map(({ lockClass }) => lockClass.name).join(', ')} at ${where}`,
      'release every lock on every way out of the function that took it', [...this.held.map((held) => this.takenAt(held)), this.here(where)],
    );
  }

  /**
   * The thread is about to do what may sleep.
   *
   * @throws LockRuleError `sleep` if it has a spin lock, or is in an RCU read section
   */
  mightSleep(what: string): void {
    const held = this.held.findLast(({ mode }) => mode === 'spin' || mode === 'rcu');
    if (held === undefined) return;
    const why = held.mode === 'rcu' ? 'in an RCU read section, for which a grace period waits' : `with ${held.lockClass.name}, a spin lock`;
    throw new LockRuleError(
      'sleep', `thread ${this.thread.name} wants to ${what}, which may sleep, ${why}`, 'do it before or after; or use the form that tries and may fail',
      [this.takenAt(held), this.here(`it wants to ${what}`)],
    );
  }

  /** The thread has waited for too long. @throws LockRuleError `hung`, always */
  hung(what: string, milliseconds: number): never {
    throw new LockRuleError(
      'hung', `thread ${this.thread.name} has waited for ${milliseconds} ms to ${what}`, 'see which thread has it, and what that one waits for; a slow machine may need more `patience`',
      [...(this.held.length === 0 ? [{ what: 'it has no lock', stack: '(so it is not what others wait for)' }] : this.held.map((held) => this.takenAt(held))), this.here('it waits')],
    );
  }

  /** The place at which the thread last released a lock, for reports of others: undefined if that is forgotten. */
  releaseOf(words: Int32Array, index: number): LockSite | undefined {
    const at = wordOf(words, index);
    for (let number = this.releases - 1; number >= Math.max(0, this.releases - REMEMBERED); number--) {
      // All of the last ones are in the ring.
      const { held, released } = this.released[number % REMEMBERED]!;
      if (held.buffer === words.buffer && held.at === at) return { what: `${held.lockClass.name} was released (${held.mode}) by thread ${this.thread.name}`, stack: stackText(released) };
    }
    return undefined;
  }

  /** The present place, for reports of others. */
  here(what: string): LockSite {
    return { what: `${what}, by thread ${this.thread.name}`, stack: stackText(stackHere()) };
  }

  private refuseAgain(held: Held, mode: LockMode): never {
    const { name } = held.lockClass;
    const sites = [this.takenAt(held), this.here(`${name} is wanted again (${mode})`)];
    if (held.mode === mode) {
      const why = mode === 'read' ? 'a writer that waits in between would wait for the first, and the second for the writer' : 'it would wait for itself';
      throw new LockRuleError('recursion', `thread ${this.thread.name} takes ${name} (${mode}) and has it already: ${why}`, 'take it once; let functions that are called with the lock held say so', sites);
    }
    throw new LockRuleError(
      'upgrade', `thread ${this.thread.name} takes ${name} to ${mode} and has it to ${held.mode}: ${mode === 'write' ? 'two readers that both want to write would wait for each other' : 'it would wait for itself'}`,
      mode === 'write' ? 'release it, take it to write, and look again at everything that was known' : 'downgrade it', sites,
    );
  }

  private refuseSecond(held: Held): never {
    const { name } = held.lockClass;
    throw new LockRuleError(
      'recursion', `thread ${this.thread.name} takes a second lock of class ${name}: another thread could take the two in the other order`,
      'have a rule for which of two comes first, and take the second with `lockClass.nested`', [this.takenAt(held), this.here(`a second ${name} is wanted`)],
    );
  }

  private refuseOrder(held: Held, wanted: LockClass, against: readonly LockRule[]): never {
    const names = [wanted.name, ...against.map(({ inner }) => inner)];
    throw new LockRuleError(
      'order', `thread ${this.thread.name} takes ${wanted.name} and has ${held.lockClass.name}: the order is ${names.join(', then ')}`,
      `take ${wanted.name} before ${held.lockClass.name}, or try for it and let go if that fails`,
      [
        ...against.map(({ outer, inner, why }) => ({ what: `${outer} comes before ${inner}`, stack: why })),
        this.takenAt(held),
        this.here(`${wanted.name} is wanted`),
      ],
    );
  }

  private takenAt({ lockClass, mode, taken }: Held): LockSite {
    return { what: `${lockClass.name} was taken (${mode}) by thread ${this.thread.name}`, stack: stackText(taken) };
  }

  /** The place where a lock that the thread does not have was last released; or what its word says. */
  private lastSeen(words: Int32Array, index: number, mode: LockMode, name = 'the lock'): LockSite {
    const known = this.releaseOf(words, index);
    if (known !== undefined) return known;
    const word = Atomics.load(words, index);
    const owner = rawOwner(word);
    const state = mode === 'spin' ? (owner === 0 ? 'nobody has it' : `thread ${owner} has it`) : mode === 'rcu' ? 'there is no read section' : rwStateText(word);
    return { what: `${name} was never taken by thread ${this.thread.name}, as far as it remembers`, stack: `(${state} now)` };
  }

  private find(words: Int32Array, index: number, modes?: readonly LockMode[]): number {
    const at = wordOf(words, index);
    // A loop, and not a function for each: every lock that is released comes here.
    for (let found = this.held.length - 1; found >= 0; found--) {
      const held = this.held[found]!;
      if (held.at === at && held.buffer === words.buffer && (modes === undefined || modes.includes(held.mode))) return found;
    }
    return -1;
  }
}

function wordOf(words: Int32Array, index: number): number {
  return words.byteOffset / 4 + index;
}

/**
 * What stands before every touch of something that a lock protects: does nothing if the thread is not checked.
 *
 * Locking: the lock that it is about, which is what it checks.
 *
 * @throws LockRuleError `unprotected` if the thread is checked, and does not have the lock; see {@link Lockdep.assertHeld}
 */
export function lockdepAssertHeld(words: Int32Array, index: number, lockClass: LockClass, what: string, modes?: readonly LockMode[]): void {
  currentThread().lockdep?.assertHeld(words, index, lockClass, what, modes);
}

/**
 * Stands at the end of every operation.
 *
 * Locking: nothing may be held, which is what it checks.
 *
 * @throws LockRuleError `leak` if the thread is checked, and has a lock
 */
export function assertNoneHeld(where: string): void {
  currentThread().lockdep?.assertNoneHeld(where);
}
