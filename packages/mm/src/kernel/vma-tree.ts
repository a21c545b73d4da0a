import { PgtableError, type HandleFamily } from '@pgtable/core';
import { numberTree } from './sorted-tree.js';
import type { Mm } from './mm.js';
import { BEFORE_ALL, RecordKind, type JournalPosition, type VmaChange, type VmaJournal } from './vma-journal.js';
import type { Vma } from './vma.js';

/**
 * The VMAs of an address space by their first addresses, as one thread knows them: the model's maple tree (`mm->mm_mt`). It changes by {@link replay} alone.
 */
export class VmaTree<H extends HandleFamily> {
  private readonly mm: Mm<H>;
  private readonly journal: VmaJournal;
  private readonly tree = numberTree<Vma<H>>();
  private position: JournalPosition = BEFORE_ALL;

  constructor(mm: Mm<H>, journal: VmaJournal) {
    this.mm = mm;
    this.journal = journal;
  }

  /** How many VMAs there are. */
  get size(): number {
    return this.tree.size;
  }

  /**
   * Makes the tree what the journal says now.
   *
   * Locking: none; with the mmap lock it never fails.
   *
   * @param locked that the mmap lock is held
   * @returns whether that was possible: if not, a snapshot was being written meanwhile, and the tree is what it was
   */
  replay(locked: boolean): boolean {
    const part = this.journal.since(this.position, locked);
    if (part === undefined) return false;
    if (!('changes' in part)) return true;
    if (part.fresh) this.tree.clear();
    for (const change of part.changes) this.apply(change);
    this.position = part.position;
    return true;
  }

  /**
   * Publishes changes, and makes them in this thread's tree.
   *
   * Locking: the mmap lock to write.
   */
  publish(changes: readonly VmaChange[]): void {
    this.journal.append(changes, () => [...this.tree.entries()].map(([start, { id, generation }]) => ({ kind: RecordKind.Insert, id, generation, page: start / this.mm.pageBytes })));
    if (!this.replay(true)) throw new PgtableError('EBADMSG', `VMAs of address space ${this.mm.id} were published while others were`, { hint: 'publish with the mmap lock to write' });
  }

  /** The last VMA that begins at an address or below. */
  atOrBelow(address: number): Vma<H> | undefined {
    return this.tree.getPairOrNextLower(address)?.[1];
  }

  /** The last VMA that begins below an address. */
  below(address: number): Vma<H> | undefined {
    return this.tree.nextLowerPair(address)?.[1];
  }

  /** The first VMA that begins above an address. */
  above(address: number): Vma<H> | undefined {
    return this.tree.nextHigherPair(address)?.[1];
  }

  private apply({ kind, id, generation, page }: VmaChange): void {
    const start = page * this.mm.pageBytes;
    if (kind === RecordKind.Remove) this.tree.delete(start);
    else this.tree.set(start, this.mm.kernel.vma(this.mm, id, generation));
  }
}
