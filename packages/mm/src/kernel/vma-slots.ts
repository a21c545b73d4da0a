import { PgtableError } from '@pgtable/core';
import { rawLock, rawUnlock } from '../locks/raw-lock.js';
import { Rcu } from '../locks/rcu.js';
import { currentThread } from '../locks/thread.js';
import { VMA_LOCK_WORDS } from '../locks/vma-lock.js';
import { AccessType, schedulePoint, scheduleTouch, Until } from '../schedule-point.js';
import type { SharedWords } from './shared-words.js';

/* The pool: its lock, the first free slot, how many slots were ever used, how many are in use. */
const LOCK = 0;
const FREE_LIST = 1;
const TOUCHED = 2;
const LIVE = 3;
const HEADER = 4;

/** The words of a VMA's slot. Addresses are page numbers in two words, the low one first. */
export const VmaWord = {
  /** The lock of the VMA, {@link VMA_LOCK_WORDS} words. */
  Lock: 0,
  /** How many VMAs the slot has been, those of the past: counts up when the grace period of one is over. */
  Generation: VMA_LOCK_WORDS,
  /** {@link VmaState} */
  State: VMA_LOCK_WORDS + 1,
  Mm: VMA_LOCK_WORDS + 2,
  Flags: VMA_LOCK_WORDS + 3,
  /** The number of the mapping; 0: anonymous memory. */
  Mapping: VMA_LOCK_WORDS + 4,
  Start: VMA_LOCK_WORDS + 5,
  End: VMA_LOCK_WORDS + 7,
  Pgoff: VMA_LOCK_WORDS + 9,
  /** Neighbours in the list of the mapping, or of free slots: numbers of VMAs; 0: none. */
  Next: VMA_LOCK_WORDS + 11,
  Previous: VMA_LOCK_WORDS + 12,
} as const;

const SLOT_WORDS = 16;

/** What a slot is. */
export const VmaState = {
  /** Of nobody. */
  Free: 0,
  /** Of a VMA that is not in its address space yet, or not any more: `vma->detached`. */
  Detached: 1,
  /** Of a VMA that is in its address space. */
  Attached: 2,
} as const;

/**
 * The slots of all VMAs of a kernel, in shared memory: the model's `vm_area_cachep`. A VMA's number is its slot's, from 1.
 */
export class VmaSlots {
  readonly words: Int32Array;
  readonly count: number;
  /** Index of the pool's first word. */
  readonly base: number;

  /** @param base what {@link VmaSlots.reserve} returned */
  constructor(words: Int32Array, base: number, count: number) {
    this.words = words;
    this.base = base;
    this.count = count;
  }

  /** Room for a pool of `count` slots. */
  static reserve(words: SharedWords, count: number): number {
    return words.reserve(HEADER + count * SLOT_WORDS);
  }

  /** VMAs whose slots are not free: attached, or detached and in their grace periods. */
  get live(): number {
    return Atomics.load(this.words, this.base + LIVE);
  }

  /** Index of the first word of a slot. */
  at(id: number): number {
    return this.base + HEADER + (id - 1) * SLOT_WORDS;
  }

  /**
   * A slot for a new VMA; its state is Detached.
   *
   * @returns its number, or 0 if there is none left
   */
  alloc(): number {
    const { words, base } = this;
    return this.locked(() => {
      let id = words[base + FREE_LIST]!;
      if (id !== 0) words[base + FREE_LIST] = words[this.at(id) + VmaWord.Next]!;
      else if (words[base + TOUCHED]! < this.count) id = ++words[base + TOUCHED]!;
      else return 0;
      words[base + LIVE]!++;
      const at = this.at(id);
      words[at + VmaWord.State] = VmaState.Detached;
      words[at + VmaWord.Next] = 0;
      words[at + VmaWord.Previous] = 0;
      return id;
    });
  }

  /**
   * `vm_area_free_rcu_cb()`: nobody can see the VMA any more, and the slot becomes another's.
   *
   * @throws PgtableError `EINVAL` if it is not that of a detached VMA
   */
  free(id: number): void {
    const { words, base } = this;
    this.locked(() => {
      const at = this.at(id);
      if (words[at + VmaWord.State] !== VmaState.Detached) {
        throw new PgtableError('EINVAL', `the slot of VMA ${id} cannot be given back: the VMA is ${words[at + VmaWord.State] === VmaState.Free ? 'gone already' : 'in its address space'}`, {
          hint: 'remove a VMA with Mm.removeVma(), once',
        });
      }
      scheduleTouch(words, at + VmaWord.Generation, AccessType.Write);
      Rcu.retire(words, at + VmaWord.Generation);
      words[at + VmaWord.State] = VmaState.Free;
      words[at + VmaWord.Next] = words[base + FREE_LIST]!;
      words[base + FREE_LIST] = id;
      words[base + LIVE]!--;
    });
  }

  private locked<T>(body: () => T): T {
    const thread = currentThread();
    schedulePoint('take or give back the slot of a VMA', this.words, this.base + LOCK, AccessType.Write, Until.Unowned);
    rawLock(this.words, this.base + LOCK, thread, 'take or give back the slot of a VMA');
    try {
      return body();
    } finally {
      rawUnlock(this.words, this.base + LOCK, thread, 'take or give back the slot of a VMA');
    }
  }
}
