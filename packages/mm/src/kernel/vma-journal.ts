import { PgtableError } from '@pgtable/core';
import { AccessType, schedulePoint } from '../schedule-point.js';

/*
 * What VMAs an address space has, for all threads: a journal of changes in shared memory. Each thread has a sorted tree of its own (plain JavaScript, which cannot be shared) and
 * replays what it has not seen yet.
 *
 * Words: the generation, the number of records, the records. In one generation records are only appended: W1 writes the words of a record, W2 the number of records. When there
 * is no room, a new generation begins with a snapshot: S1 makes the generation odd, S2 writes records and their number, S3 makes it even. Who writes has the mmap lock to write.
 *
 * A reader: R1 reads the generation (odd: it gives up), R2 the number of records, R3 the records that it does not know, R4 the generation again; if it is another than at R1, what was read is thrown
 * away. All reads and writes are atomic operations, which have one order that all threads agree on.
 *
 * With the mmap lock, either way, nobody writes meanwhile.
 *
 * Without the lock (lock_vma_under_rcu) what was read is the journal as it was at R2. If no S1 came between R1 and R4, all that was read is of one generation, in which records below the number
 * do not change after W2, and R2 came after W2 of all of them. If an S1 came after R1, then either it came after R4, as if it were not, or R4 reads another generation. (The generation
 * goes up by two with each snapshot. It would have to wrap around between R1 and R4 to be mistaken.)
 *
 * That the journal was so at R2 is what a reader in an RCU read section needs: see Mm.lockVmaUnderRcu.
 */

const GENERATION = 0;
const COUNT = 1;

/** Words of a journal before its records. */
export const JOURNAL_HEADER_WORDS = 2;
/** Words of a record: kind and VMA, the generation of its slot, the page number of its start in two. */
export const RECORD_WORDS = 4;

/** What a record says. */
export const RecordKind = { Insert: 0, Remove: 1 } as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

/** One change of the set of VMAs. A VMA whose start changes is removed and inserted. */
export interface VmaChange {
  readonly kind: RecordKind;
  readonly id: number;
  /** Of its slot. */
  readonly generation: number;
  /** Where it begins, as a page number. */
  readonly page: number;
}

/** How far a thread has come. */
export interface JournalPosition {
  readonly generation: number;
  readonly count: number;
}

/** The position of who has read nothing. */
export const BEFORE_ALL: JournalPosition = { generation: -1, count: 0 };

/** What a thread did not know yet. */
export interface JournalPart {
  readonly position: JournalPosition;
  /** The changes are all that there are, of a new generation: what was known before is to be forgotten. */
  readonly fresh: boolean;
  readonly changes: readonly VmaChange[];
}

/** The journal of one address space, as one thread sees it. */
export class VmaJournal {
  readonly capacity: number;
  private readonly words: Int32Array;
  private readonly header: number;
  private readonly records: number;

  /**
   * @param header index of its {@link JOURNAL_HEADER_WORDS} words
   * @param records index of its records
   * @param capacity how many records there is room for
   */
  constructor(words: Int32Array, header: number, records: number, capacity: number) {
    this.words = words;
    this.header = header;
    this.records = records;
    this.capacity = capacity;
  }

  /** Begins with no VMAs: of an address space that nobody else knows yet. */
  reset(): void {
    this.rewrite([]);
  }

  /**
   * What is new since a position.
   *
   * Locking: none. With the mmap lock it never fails.
   *
   * @param locked that the mmap lock is held: then there is nothing to schedule
   * @returns undefined if a snapshot was being written, which is known to be over only by who waits for the mmap lock; `position` itself if there is nothing new
   */
  since(position: JournalPosition, locked: boolean): JournalPart | JournalPosition | undefined {
    const { words, header } = this;
    if (!locked) schedulePoint('read which generation of VMA changes there is', words, header + GENERATION, AccessType.Read);
    const generation = Atomics.load(words, header + GENERATION);
    if ((generation & 1) !== 0) return undefined;
    const fresh = generation !== position.generation;
    const from = fresh ? 0 : position.count;
    if (!locked) schedulePoint('read how many VMA changes there are', words, header + COUNT, AccessType.Read);
    const count = Atomics.load(words, header + COUNT);
    const changes: VmaChange[] = [];
    if (!locked && count > from) schedulePoint('read VMA changes', words, this.records + from * RECORD_WORDS, AccessType.Read, undefined, (count - from) * RECORD_WORDS);
    for (let at = from; at < count; at++) changes.push(this.read(at));
    if (!locked) schedulePoint('look whether the VMA changes were rewritten', words, header + GENERATION, AccessType.Read);
    if (Atomics.load(words, header + GENERATION) !== generation) return undefined;
    return !fresh && count === from ? position : { position: { generation, count }, fresh, changes };
  }

  /**
   * Publishes changes, all at once.
   *
   * Locking: the mmap lock to write.
   *
   * @param all all VMAs as they were before, as inserts: asked for when there is no room
   */
  append(changes: readonly VmaChange[], all: () => readonly VmaChange[]): void {
    let count = Atomics.load(this.words, this.header + COUNT);
    if (count + changes.length > this.capacity) {
      const snapshot = all();
      if (snapshot.length + changes.length > this.capacity) {
        throw new PgtableError('ENOMEM', `${snapshot.length} VMAs and ${changes.length} changes do not fit in a journal of ${this.capacity} records`, { hint: 'make the kernel with a larger `journal`' });
      }
      this.rewrite(snapshot);
      count = snapshot.length;
    }
    // Nobody reads beyond the number of records, so this is no step of its own.
    changes.forEach((change, at) => { this.write(count + at, change); });
    schedulePoint('publish VMA changes', this.words, this.header + COUNT);
    Atomics.store(this.words, this.header + COUNT, count + changes.length);
  }

  private rewrite(all: readonly VmaChange[]): void {
    const { words, header } = this;
    schedulePoint('begin a new generation of VMA changes', words, header + GENERATION);
    Atomics.add(words, header + GENERATION, 1);
    schedulePoint('write a new generation of VMA changes', words, this.records, AccessType.Write, undefined, Math.max(1, all.length * RECORD_WORDS));
    all.forEach((change, at) => { this.write(at, change); });
    schedulePoint('write how many VMAs there are', words, header + COUNT);
    Atomics.store(words, header + COUNT, all.length);
    schedulePoint('publish a new generation of VMA changes', words, header + GENERATION);
    Atomics.add(words, header + GENERATION, 1);
  }

  private write(at: number, { kind, id, generation, page }: VmaChange): void {
    const word = this.records + at * RECORD_WORDS;
    Atomics.store(this.words, word, (id << 1) | kind);
    Atomics.store(this.words, word + 1, generation);
    Atomics.store(this.words, word + 2, page | 0);
    Atomics.store(this.words, word + 3, Math.floor(page / 2 ** 32));
  }

  private read(at: number): VmaChange {
    const word = this.records + at * RECORD_WORDS;
    const what = Atomics.load(this.words, word);
    return {
      kind: (what & 1) === 0 ? RecordKind.Insert : RecordKind.Remove,
      id: what >>> 1,
      generation: Atomics.load(this.words, word + 1),
      page: (Atomics.load(this.words, word + 2) >>> 0) + Atomics.load(this.words, word + 3) * 2 ** 32,
    };
  }
}
