import { PgtableError } from '@pgtable/core';
import { rawLock, rawUnlock } from '../locks/raw-lock.js';
import { currentThread } from '../locks/thread.js';
import { AccessType, schedulePoint, Until } from '../schedule-point.js';

/* The first words: the lock, the first word that nobody has had, words that are given out, and by class the first free range. */
const LOCK = 0;
const NEXT = 1;
const LIVE = 2;
const LISTS = 4;
const CLASSES = 28;
const HEADER = LISTS + CLASSES;

/* Of the word before a range: its class, and whether it is given out, free, or never comes back. */
const TAKEN = 0x100;
const FREE = 0x200;
const FOREVER = 0x300;
const CLASS = 0xff;

/** A {@link SharedWords} in a form that can be posted to a worker. */
export interface SharedWordsImage {
  readonly buffer: SharedArrayBuffer;
}

/**
 * Small ranges of words in shared memory, for locks, counters and lists: the model's `kmalloc()`. Any thread takes them and gives them back.
 *
 * A range has the next power of two of words, and a word before it that says what it is.
 *
 * Locking: none, where nothing else is said.
 */
export class SharedWords {
  /** All words; a range is an index into this. */
  readonly words: Int32Array;

  /**
   * @param count how many words there are for ranges: shared memory does not grow
   * @param buffer for {@link SharedWords.attach}
   * @throws PgtableError `EINVAL` for a number that cannot be
   */
  constructor(count: number, buffer?: SharedArrayBuffer) {
    if (buffer === undefined && (!Number.isSafeInteger(count) || count < 1 || count >= 2 ** 28)) {
      throw new PgtableError('EINVAL', `there cannot be ${count} shared words`, { hint: 'give a whole number from 1 to 2 ** 28 - 1' });
    }
    this.words = new Int32Array(buffer ?? new SharedArrayBuffer((HEADER + count) * 4));
    if (buffer === undefined) this.words[NEXT] = HEADER;
  }

  /** The same words in another thread. */
  static attach(image: SharedWordsImage): SharedWords {
    return new SharedWords(0, image.buffer);
  }

  /** For {@link SharedWords.attach}. */
  share(): SharedWordsImage {
    // Made of a SharedArrayBuffer above.
    return { buffer: this.words.buffer as SharedArrayBuffer };
  }

  /** Words that were asked for by {@link alloc} and not given back, rounded up as they were. */
  get used(): number {
    return Atomics.load(this.words, LIVE);
  }

  /**
   * A range of words, all 0.
   *
   * Locking: any locks may be held.
   *
   * @returns the index of its first word
   * @throws PgtableError `ENOMEM` if there is none left; `EINVAL` if it is not a whole number above 0
   */
  alloc(count: number): number {
    const index = this.take(count, Math.ceil(Math.log2(count)));
    this.words.fill(0, index, index + count);
    return index;
  }

  /** As {@link alloc}, of a range that is as long as the model: not rounded, never given back. */
  reserve(count: number): number {
    return this.take(count, undefined);
  }

  /**
   * Gives a range back.
   *
   * Locking: any locks may be held. Nobody may use the range any more.
   *
   * @throws PgtableError `EINVAL` if there is no such range, or it was given back already
   */
  free(index: number): void {
    const { words } = this;
    this.locked(() => {
      const header = index > HEADER && index < words[NEXT]! ? words[index - 1]! : 0;
      const kind = header & ~CLASS;
      if (kind !== TAKEN) {
        throw new PgtableError('EINVAL', `shared words at ${index} cannot be given back: ${kind === FREE ? 'they were already' : 'no range that comes back begins there'}`, { hint: 'give back what alloc() returned, once' });
      }
      const size = header & CLASS;
      words[index - 1] = FREE | size;
      words[index] = words[LISTS + size]!;
      words[LISTS + size] = index;
      words[LIVE]! -= 2 ** size;
    });
  }

  private take(count: number, size: number | undefined): number {
    if (!Number.isSafeInteger(count) || count < 1) throw new PgtableError('EINVAL', `there is no range of ${count} shared words`, { hint: 'a range is one or more whole words' });
    const { words } = this;
    return this.locked(() => {
      if (size !== undefined) {
        const free = size < CLASSES ? words[LISTS + size]! : 0;
        if (free !== 0) {
          words[LISTS + size] = words[free]!;
          words[free - 1] = TAKEN | size;
          words[LIVE]! += 2 ** size;
          return free;
        }
      }
      const length = size === undefined ? count : 2 ** size;
      const index = words[NEXT]! + 1;
      if (index + length > words.length) {
        throw new PgtableError('ENOMEM', `there are ${words.length - index + 1} shared words left, and ${length + 1} are wanted`, { hint: 'make the kernel with more `words`' });
      }
      words[index - 1] = size === undefined ? FOREVER : TAKEN | size;
      words[NEXT] = index + length;
      if (size !== undefined) words[LIVE]! += length;
      return index;
    });
  }

  private locked<T>(body: () => T): T {
    const thread = currentThread();
    schedulePoint('take or give back shared words', this.words, LOCK, AccessType.Write, Until.Unowned);
    rawLock(this.words, LOCK, thread, 'take or give back shared words');
    try {
      return body();
    } finally {
      rawUnlock(this.words, LOCK, thread, 'take or give back shared words');
    }
  }
}
