import type { EntryVal, HandleFamily, Level } from '@pgtable/core';
import type { PageWalkLock } from './lock.js';
import type { EntryAt, WalkMm, WalkVma } from './mm.js';

/** What an entry callback may ask for: set it in {@link PageWalk.action}. `enum page_walk_action`. */
export const WalkAction = {
  /** On to what the entry points to. What it is before each entry callback. */
  Subtree: 'subtree',
  /** On to the next entry of this level: nothing below this one is looked at. */
  Continue: 'continue',
  /** The same entry again: it is read anew, and is a hole if it is empty by now. */
  Again: 'again',
} as const;
export type WalkAction = (typeof WalkAction)[keyof typeof WalkAction];

/** What ends a walk early: {@link stop} makes one. */
export class Stop<S> {
  readonly value: S;
  constructor(value: S) {
    this.value = value;
  }
}

/** For a callback to return: the walk ends here, and whoever called it gets the value. Locking: none. */
export function stop<S>(value: S): Stop<S> {
  return new Stop(value);
}

/**
 * How a walk ended. An error is neither: it is a PgtableError.
 *
 * `address` is the one that the stopping callback was called with.
 */
export type WalkResult<S> = { readonly kind: 'completed' } | { readonly kind: 'stopped'; readonly value: S; readonly address: number };

/** One or the other, where the other may be that nothing is returned at all. */
type Either<A, B> = A | B;

/** What a callback returns: nothing, and the walk goes on; or {@link stop}. */
export type WalkAnswer<S> = Either<Stop<S>, void>;

/** `struct mm_walk`: what every callback is given, the same object throughout a walk. */
export interface PageWalk<H extends HandleFamily = HandleFamily, D = unknown> {
  readonly mm: WalkMm<H>;
  /** The VMA that is walked; undefined outside of VMAs. */
  readonly vma: WalkVma<H> | undefined;
  /** What is next after this callback. */
  action: WalkAction;
  /** `private`: what was given to the walk for its callbacks. */
  readonly data: D;
  /**
   * Reads an entry as the walk's lock demands: plainly under the lock of its table, `getLockless` without. A page that several entries map together is
   * read as a whole in both cases.
   */
  read<L extends Level>(level: L, entry: H[L]): EntryVal<L>;
}

/**
 * Called for an entry of level `L` that is not empty.
 *
 * @param address first address that the entry translates, or the start of the walk if that is later; `next` its end, or the end of the walk
 */
export type EntryCallback<H extends HandleFamily, S, D, L extends Level> = (entry: H[L], address: number, next: number, walk: PageWalk<H, D>) => WalkAnswer<S>;

/**
 * `struct mm_walk_ops`: what a walk calls. `S` is what its callbacks may stop with, `D` what they share in {@link PageWalk.data}.
 *
 * A folded level is called too, with the entry that it stands for under its own name, after the level above and with the same addresses; also levels above
 * the root of s390.
 *
 * Every address of the range is in exactly one of: a hole, an absent table, an entry that nothing below was looked at, an entry of a page table.
 */
export interface MmWalkOps<H extends HandleFamily = HandleFamily, S = never, D = undefined> {
  /** What is locked. @see PageWalkLock */
  readonly walkLock: PageWalkLock;
  readonly pgdEntry?: EntryCallback<H, S, D, 'pgd'>;
  readonly p4dEntry?: EntryCallback<H, S, D, 'p4d'>;
  readonly pudEntry?: EntryCallback<H, S, D, 'pud'>;
  /** Huge pages too, and what migrates: whoever handles pmd entries must expect them. */
  readonly pmdEntry?: EntryCallback<H, S, D, 'pmd'>;
  /** Each entry of a page table, empty ones too. */
  readonly pteEntry?: EntryCallback<H, S, D, 'pte'>;
  /**
   * The entries of one page table that are in the range, empty ones too, in one call: `count` of them from `ptep` on, for the addresses from `address` on. It allocates nothing
   * and asks about no lock for an entry. Where it is given, `pteEntry` is not called.
   */
  readonly pteRange?: (ptep: H['pte'], address: number, count: number, walk: PageWalk<H, D>) => WalkAnswer<S>;
  /**
   * Addresses that nothing translates: empty entries that follow each other in one table, in one call (the kernel makes one for each), entries that a
   * table is too short for, addresses without a VMA.
   *
   * @param depth of the table that the empty entries are in, 0 for pgd to 3 for pmd, 4 for a page table that is too short; folded levels do not count. -1 where it is not known:
   *   outside of VMAs, outside of what the root translates, in HugeTLB and VM_PFNMAP memory
   */
  readonly pteHole?: (address: number, next: number, depth: number, walk: PageWalk<H, D>) => WalkAnswer<S>;
  /**
   * A table that an entry points to and that is not here, which is no hole: a dump lacks it. Without this callback the walk throws `EFAULT`.
   *
   * @param depth of the table
   */
  readonly tableAbsent?: (address: number, next: number, depth: number, walk: PageWalk<H, D>) => WalkAnswer<S>;
  /**
   * A page of HugeTLB memory whose table is there, empty or not: its first entry, under the level that exists, and how many map it together.
   *
   * Locking: {@link WalkLocks.hugetlbVmaLockRead} is held.
   */
  readonly hugetlbEntry?: (at: EntryAt<H>, count: number, address: number, next: number, walk: PageWalk<H, D>) => WalkAnswer<S>;
  /** Whether a VMA is walked: `false` skips it. Without it all are, but those of `VM_PFNMAP`. Not called for a VMA that the walk is given. */
  readonly testWalk?: (start: number, end: number, walk: PageWalk<H, D>) => boolean | Stop<S>;
  /** Before the tables of a VMA are walked. */
  readonly preVma?: (start: number, end: number, walk: PageWalk<H, D>) => WalkAnswer<S>;
  /** After the tables of a VMA were walked, to the end or until a callback stopped. Not after an error, and not where `preVma` stopped. */
  readonly postVma?: (walk: PageWalk<H, D>) => void;
  /**
   * An empty entry of a page table, with the table's lock held: what it is to be, or undefined to leave it empty. Tables that are missing are made first.
   * Entries that are not empty are `pteEntry`'s. Where no callback looks at them, huge pages stay whole. Only in VMAs, not of HugeTLB, and not together with `pteRange`.
   */
  readonly installPte?: (address: number, next: number, walk: PageWalk<H, D>) => EntryVal<'pte'> | Stop<S> | undefined;
}

/** {@link PageWalk.data} as a last argument, which can be left out where it may be undefined. */
export type WalkData<D> = undefined extends D ? [data?: D] : [data: D];
