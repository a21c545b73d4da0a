import { EntryBuffer, PgtableError, type EntryPtr, type PteVal } from '@pgtable/core';

/** The kernel's stack, as far as entries are kept there: what a C kernel has in a local `pte_t`. */
export class EntryStack {
  /** The values that are held, the oldest first. */
  readonly values: EntryBuffer<'pte'>;
  private depth = 0;

  constructor(length: number) {
    this.values = new EntryBuffer('pte', length);
  }

  /** Holds a value aside. Returns: where; good until {@link pop}. */
  push(pte: PteVal): EntryPtr<'pte'> {
    const pointer: EntryPtr<'pte'> = this.values.at(this.depth);
    this.values.set(pointer, pte);
    this.depth++;
    return pointer;
  }

  /** The value that is held there. */
  get(pointer: EntryPtr<'pte'>): PteVal {
    return this.values.get(pointer);
  }

  /** Forgets the value that was pushed last. */
  pop(): void {
    if (this.depth === 0) throw new PgtableError('EINVAL', 'nothing is on the stack of entries');
    this.depth--;
  }
}
