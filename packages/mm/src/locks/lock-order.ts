import { PgtableError } from '@pgtable/core';
import { lockClasses, type LockClass } from './lock-class.js';
import { rawLock, rawUnlock } from './raw-lock.js';
import type { Thread } from './thread.js';

const MAX_CLASSES = 64;
const MAX_TEXTS = 512;
/** UTF-16 units of a text, its length in the first: some lines of a stack. */
const TEXT_UNITS = 1024;

/* The words: a lock, counts, by class its name's text, by pair of classes the text that says why the first comes before the second. */
const LOCK = 0;
const CLASSES = 1;
const TEXTS = 2;
const NAMES = 4;
const EDGES = NAMES + MAX_CLASSES;
const WORDS = EDGES + MAX_CLASSES * MAX_CLASSES;

/** That one class of locks is taken before another, and why that is known. */
export interface LockRule {
  readonly outer: string;
  readonly inner: string;
  /** Where it is written, or the stack at which it was seen. */
  readonly why: string;
}

const RMAP = 'Linux 6.12, mm/rmap.c, "Lock ordering in mm"';
const FILEMAP = 'Linux 6.12, mm/filemap.c, "Lock ordering"';
const ADDRS = 'Documentation/mm/process_addrs.rst, "Lock usage" (of later kernels: in 6.12 that page is empty)';
const MODEL = 'the frame allocator takes no other lock, and is called with any of them held';

function rule(outer: LockClass, inner: LockClass, why: string): LockRule {
  return { outer: outer.name, inner: inner.name, why };
}

/**
 * What the kernel's documents say of the order of the locks that this model has. A rule follows from others if there is a way through them.
 *
 * `vma_lock` and `folio_lock` are in no order: mm/rmap.c has the folio's before `vma_start_write()`, and faults, which try for the VMA's lock, have them the other way round.
 */
export const DOCUMENTED_ORDER: readonly LockRule[] = [
  rule(lockClasses.mmapLock, lockClasses.vmaLock, ADDRS),
  rule(lockClasses.mmapLock, lockClasses.folioLock, RMAP),
  rule(lockClasses.vmaLock, lockClasses.iMmapRwsem, RMAP),
  rule(lockClasses.folioLock, lockClasses.iMmapRwsem, RMAP),
  rule(lockClasses.iMmapRwsem, lockClasses.anonVma, RMAP),
  rule(lockClasses.anonVma, lockClasses.pageTableLock, RMAP),
  rule(lockClasses.anonVma, lockClasses.pmdPtl, RMAP),
  rule(lockClasses.pmdPtl, lockClasses.ptePtl, 'Linux 6.12, mm/khugepaged.c, retract_page_tables() and collapse_pte_mapped_thp()'),
  rule(lockClasses.pageTableLock, lockClasses.lruLock, FILEMAP),
  rule(lockClasses.ptePtl, lockClasses.lruLock, FILEMAP),
  rule(lockClasses.lruLock, lockClasses.zoneLock, MODEL),
];

/** A {@link LockOrder} in a form that can be posted to a worker. */
export interface SharedLockOrder {
  readonly buffer: SharedArrayBuffer;
}

/**
 * Which classes of locks are taken inside of which: what is documented, and what any thread of the model was seen to do. A pair that goes against it is refused when it is seen for
 * the first time, whether or not anybody waits just then.
 *
 * Locking: none. While it notes something it takes a lock of its own, inside of all others.
 */
export class LockOrder {
  private readonly words: Int32Array;
  private readonly text: Uint16Array;
  /** Numbers of classes by name, as far as this JavaScript thread has asked. */
  private readonly numbers = new Map<string, number>();

  /** @param buffer for {@link LockOrder.attach} */
  constructor(rules: readonly LockRule[] = DOCUMENTED_ORDER, buffer?: SharedArrayBuffer) {
    const memory = buffer ?? new SharedArrayBuffer(WORDS * 4 + MAX_TEXTS * TEXT_UNITS * 2);
    this.words = new Int32Array(memory, 0, WORDS);
    this.text = new Uint16Array(memory, WORDS * 4);
    if (buffer === undefined) for (const { outer, inner, why } of rules) this.add(this.enter(outer), this.enter(inner), why);
  }

  /** The same order in another thread. */
  static attach(image: SharedLockOrder): LockOrder {
    return new LockOrder([], image.buffer);
  }

  /** For {@link LockOrder.attach}. */
  share(): SharedLockOrder {
    // Made of a SharedArrayBuffer above.
    return { buffer: this.words.buffer as SharedArrayBuffer };
  }

  /**
   * Somebody who holds a lock of one class wants one of another.
   *
   * @param here the place where it happens, asked for only if the pair is new
   * @returns undefined if that is in order, and is the order from now on; else the rules that it goes against: the first says that `inner` is the outer one
   * of something, and so on until `outer`
   */
  check(outer: LockClass, inner: LockClass, thread: Thread, here: () => string): readonly LockRule[] | undefined {
    const before = this.numbers.get(outer.name);
    const after = this.numbers.get(inner.name);
    if (before !== undefined && after !== undefined && Atomics.load(this.words, edge(before, after)) !== 0) return undefined;
    const why = here();
    rawLock(this.words, LOCK, thread, 'note an order of locks');
    try {
      const first = this.number(outer);
      const second = this.number(inner);
      if (Atomics.load(this.words, edge(first, second)) !== 0) return undefined;
      const against = this.way(second, first);
      if (against === undefined) this.add(first, second, why);
      return against;
    } finally {
      rawUnlock(this.words, LOCK, thread, 'note an order of locks');
    }
  }

  /** All pairs, those that are documented and those that were seen. */
  rules(): LockRule[] {
    const rules: LockRule[] = [];
    const count = Atomics.load(this.words, CLASSES);
    for (let outer = 0; outer < count; outer++) {
      for (let inner = 0; inner < count; inner++) if (Atomics.load(this.words, edge(outer, inner)) !== 0) rules.push(this.rule(outer, inner));
    }
    return rules;
  }

  /** The number of a class; with the lock held. A class that is nested in another comes after it. */
  private number(lockClass: LockClass): number {
    const known = this.numbers.get(lockClass.name);
    if (known !== undefined) return known;
    const number = this.enter(lockClass.name);
    if (lockClass.outer !== undefined) {
      const outer = this.number(lockClass.outer);
      if (Atomics.load(this.words, edge(outer, number)) === 0) this.add(outer, number, `${lockClass.name} is the second of two locks of that kind`);
    }
    return number;
  }

  private enter(name: string): number {
    const count = Atomics.load(this.words, CLASSES);
    let number = 0;
    while (number < count && this.read(Atomics.load(this.words, NAMES + number)) !== name) number++;
    if (number === MAX_CLASSES) {
      throw new PgtableError('ENOMEM', `there are ${MAX_CLASSES} classes of locks already, and ${name} is one more`, { hint: 'a class is a kind of lock: do not make one for each lock' });
    }
    if (number === count) {
      Atomics.store(this.words, NAMES + number, this.write(name));
      Atomics.store(this.words, CLASSES, count + 1);
    }
    this.numbers.set(name, number);
    return number;
  }

  private add(outer: number, inner: number, why: string): void {
    Atomics.store(this.words, edge(outer, inner), this.write(why));
  }

  /** A shortest way from one class to another through the rules. */
  private way(from: number, to: number): LockRule[] | undefined {
    const count = Atomics.load(this.words, CLASSES);
    const cameFrom = new Map<number, number>([[from, from]]);
    // A Map's iterator goes on to what is added on the way.
    for (const at of cameFrom.keys()) {
      for (let next = 0; next < count; next++) {
        if (cameFrom.has(next) || Atomics.load(this.words, edge(at, next)) === 0) continue;
        cameFrom.set(next, at);
        if (next === to) return this.wayBack(cameFrom, from, to);
      }
    }
    return undefined;
  }

  private wayBack(cameFrom: ReadonlyMap<number, number>, from: number, to: number): LockRule[] {
    const rules: LockRule[] = [];
    for (let at = to; at !== from;) {
      // Every class on the way came from one.
      const before = cameFrom.get(at)!;
      rules.unshift(this.rule(before, at));
      at = before;
    }
    return rules;
  }

  private rule(outer: number, inner: number): LockRule {
    return {
      outer: this.read(Atomics.load(this.words, NAMES + outer)),
      inner: this.read(Atomics.load(this.words, NAMES + inner)),
      why: this.read(Atomics.load(this.words, edge(outer, inner))),
    };
  }

  /** Puts a text aside. Returns its number, from 1; the last place is for all that come when there is no room. */
  private write(text: string): number {
    const number = Math.min(Atomics.load(this.words, TEXTS) + 1, MAX_TEXTS);
    Atomics.store(this.words, TEXTS, number);
    const kept = number < MAX_TEXTS ? text.slice(0, TEXT_UNITS - 1) : '(there is no room to say where)';
    const start = (number - 1) * TEXT_UNITS;
    this.text[start] = kept.length;
    for (let at = 0; at < kept.length; at++) this.text[start + 1 + at] = kept.charCodeAt(at);
    return number;
  }

  /** A text; its number was read by an atomic load, so what was written before is here. */
  private read(number: number): string {
    const start = (number - 1) * TEXT_UNITS;
    return String.fromCharCode(...this.text.subarray(start + 1, start + 1 + this.text[start]!));
  }
}

function edge(outer: number, inner: number): number {
  return EDGES + outer * MAX_CLASSES + inner;
}
