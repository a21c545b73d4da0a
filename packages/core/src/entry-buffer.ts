import type { LevelOps } from './contract.js';
import { PgtableError } from './errors.js';
import type { EntryPtr, HandleFamily } from './handles.js';
import type { Level } from './levels.js';
import { entryVal, type EntryVal } from './values.js';

/**
 * Entry values that are held aside: a snapshot, the entries that a collapse took out, what the kernel keeps in a `pte_t` on its stack.
 *
 * Its pointers are {@link EntryPtr}, which are indices and may be used as such. They are none of a live entry: with strong handles no
 * accessor takes one.
 */
export class EntryBuffer<L extends Level> {
  readonly level: L;
  /** The values by {@link EntryPtr}; entries wider than 64 bits have a second element, see {@link high}. */
  readonly elements: BigUint64Array;
  /** Bits 127:64 of the values, of an architecture whose entries are that wide. */
  readonly high: BigUint64Array | undefined;

  /**
   * @param length values that there is room for; all are 0n, which is nobody's empty entry in particular
   * @param entryBytes of the architecture's geometry
   */
  constructor(level: L, length: number, entryBytes = 8) {
    this.level = level;
    this.elements = new BigUint64Array(length);
    this.high = entryBytes > 8 ? new BigUint64Array(length) : undefined;
  }

  get length(): number {
    return this.elements.length;
  }

  /** The pointer to value `index`. */
  at(index: number): EntryPtr<L> {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new PgtableError('EINVAL', `there is no value ${index} in a buffer of ${this.length}`);
    }
    return index as EntryPtr<L>;
  }

  get(pointer: EntryPtr<L>): EntryVal<L> {
    const low = this.elements[this.at(pointer)]!;
    return entryVal(this.level, this.high === undefined ? low : (this.high[pointer]! << 64n) | low);
  }

  set(pointer: EntryPtr<L>, value: EntryVal<L>): void {
    this.elements[this.at(pointer)] = value;
    if (this.high !== undefined) this.high[pointer] = value >> 64n;
  }

  /** Copies `count` live entries from `entry` on into this buffer from `pointer` on. Each is read once; no lock is needed. */
  copyFrom<H extends HandleFamily>(ops: LevelOps<H, L>, entry: H[L], count: number, pointer: EntryPtr<L> = this.at(0)): void {
    for (let done = 0; done < count; done++) this.set(this.at(pointer + done), ops.getOnce(ops.advance(entry, done)));
  }
}
