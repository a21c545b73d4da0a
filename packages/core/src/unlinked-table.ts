import { PgtableError } from './errors.js';
import { NO_TLB, type MmContext } from './flush.js';
import type { HandleFamily } from './handles.js';
import type { Level } from './levels.js';
import type { EntryVal } from './values.js';
import type { WritableOps } from './writable.js';

/**
 * A table that no hardware can reach: not linked yet, or taken out. What "live" means stands in docs/live.md.
 *
 * Its entries are already in the architecture's form (empty entries that are not zero, contiguous groups), so they are read
 * and written by the architecture; but no translation of them is cached, so nothing needs a flush, and no address space or lock is
 * asked for. {@link WritableOps.populate} makes it live, and from then on it is used by handles alone. After {@link WritableArch.freeTable} it
 * is not used at all.
 */
export class UnlinkedTable<H extends HandleFamily, L extends Level = Level> {
  readonly level: L;
  /** Physical address. */
  readonly address: number;
  /** Entries. */
  readonly entries: number;
  private readonly ops: WritableOps<H, L>;
  private readonly first: H[L];
  private readonly mm: MmContext;
  private readonly bytes: bigint;
  private linked = false;
  private freed = false;

  /** For architecture code: others use {@link WritableArch.newTable} and {@link WritableOps.unlink}. */
  constructor(ops: WritableOps<H, L>, first: H[L], shape: { readonly address: number; readonly entries: number; readonly shift: number; readonly user: boolean }) {
    this.level = ops.level;
    this.address = shape.address;
    this.entries = shape.entries;
    this.ops = ops;
    this.first = first;
    this.mm = { user: shape.user, tlb: NO_TLB };
    this.bytes = 1n << BigInt(shape.shift);
  }

  /** Whether it has become live by {@link WritableOps.populate}. */
  get live(): boolean {
    return this.linked;
  }

  /** The value of entry `index`. */
  get(index: number): EntryVal<L> {
    return this.ops.get(this.entry(index, 1));
  }

  /** As {@link WritableOps.set}, on entries `index` up to `index + count`; they need not be empty. */
  set(index: number, value: EntryVal<L>, count = 1): void {
    const entry = this.entry(index, count);
    this.ops.clear(this.mm, BigInt(index) * this.bytes, entry, count).ignore('the table is not live');
    this.ops.set(this.mm, BigInt(index) * this.bytes, entry, value, count);
  }

  /** The entry as a handle, for what the accessors do with handles. Whoever keeps it must know when the table is linked. */
  entry(index: number, count = 1): H[L] {
    if (this.linked) {
      throw new PgtableError('EINVAL', `the ${this.level} table at 0x${this.address.toString(16)} is live`, {
        hint: 'take handles from the entry that points to it: pteOffset(arch, pmdp, address)',
      });
    }
    if (this.freed) {
      throw new PgtableError('EINVAL', `the ${this.level} table at 0x${this.address.toString(16)} was given back`, { hint: 'its memory may be another table: make a new one with arch.newTable' });
    }
    if (!Number.isInteger(index) || !Number.isInteger(count) || index < 0 || count < 1 || index + count > this.entries) {
      throw new PgtableError('EINVAL', `entries [${index}, ${index + count}) of a ${this.level} table with ${this.entries}`);
    }
    return this.ops.advance(this.first, index);
  }

  /** For architecture code: the table is live from now on. */
  link(): void {
    this.entry(0);
    this.linked = true;
  }

  /** For architecture code: the table's memory goes back, and nobody uses this object any more. */
  free(): void {
    this.entry(0);
    this.freed = true;
  }
}

