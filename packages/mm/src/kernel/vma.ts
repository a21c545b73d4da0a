import { PgtableError, type HandleFamily } from '@pgtable/core';
import type { WalkVma } from '@pgtable/walk';
import { VmaLock } from '../locks/vma-lock.js';
import type { Mapping } from './mapping.js';
import type { Mm } from './mm.js';
import { VmaFlags } from './vma-flags.js';
import { VmaState, VmaWord } from './vma-slots.js';

/**
 * `struct vm_area_struct`: a range of addresses of an address space, and what it is for.
 *
 * An object of this class is one thread's view; what it says is in shared memory, in the slot of its number. Each thread has one object for a VMA, so that they can be compared.
 *
 * Locking: who reads has the mmap lock, the VMA's lock, or, for the range and `pgoff` of a VMA of a file, the mapping's lock. It is changed by the methods of {@link Mm} alone.
 */
export class Vma<H extends HandleFamily = HandleFamily> implements WalkVma<H> {
  /** From 1; no other VMA of the kernel has it as long as somebody can see this one. */
  readonly id: number;
  readonly mm: Mm<H>;
  readonly lock: VmaLock;
  /** Of the slot, while it is this VMA's. */
  readonly generation: number;
  private readonly words: Int32Array;
  private readonly slot: number;

  /** For {@link Kernel.vma}. */
  constructor(mm: Mm<H>, id: number, generation: number) {
    const { slots } = mm.kernel;
    this.id = id;
    this.mm = mm;
    this.generation = generation;
    this.words = slots.words;
    this.slot = slots.at(id);
    this.lock = new VmaLock(mm.lock, slots.words, this.slot + VmaWord.Lock);
  }

  /** `vm_start`: the first address. */
  get start(): number {
    return this.number(VmaWord.Start) * this.mm.pageBytes;
  }

  /** `vm_end`: the first address after it; may be 2 ** 64. */
  get end(): number {
    return this.number(VmaWord.End) * this.mm.pageBytes;
  }

  /** `vm_pgoff`: the page of the file that `start` maps. Of anonymous memory the page number of the address that `start` had at first. */
  get pgoff(): number {
    return this.number(VmaWord.Pgoff);
  }

  /** `vm_flags`: {@link VmaFlags}. */
  get flags(): number {
    return this.words[this.at(VmaWord.Flags)]!;
  }

  /** Whether no file is behind it (`vma_is_anonymous`). */
  get anonymous(): boolean {
    return this.words[this.at(VmaWord.Mapping)] === 0;
  }

  /** What it maps; undefined: anonymous memory. */
  get mapping(): Mapping<H> | undefined {
    const id = this.words[this.at(VmaWord.Mapping)]!;
    return id === 0 ? undefined : this.mm.kernel.mapping(id);
  }

  /** Whether no struct page is behind what it maps (`VM_PFNMAP`). */
  get pfnmap(): boolean {
    return (this.flags & VmaFlags.PfnMap) !== 0;
  }

  /** Whether it is not in its address space any more, or not yet. Locking: as {@link Vma}, or an RCU read section and luck. */
  get detached(): boolean {
    return this.words[this.at(VmaWord.State)] !== VmaState.Attached;
  }

  /** How many pages it has. */
  get pages(): number {
    return this.number(VmaWord.End) - this.number(VmaWord.Start);
  }

  /** Whether an address is in it. */
  contains(address: number): boolean {
    return address >= this.start && address < this.end;
  }

  /** The page of the file that an address maps (`linear_page_index`). */
  indexOf(address: number): number {
    return this.pgoff + Math.floor(address / this.mm.pageBytes) - this.number(VmaWord.Start);
  }

  /**
   * Writes a range.
   *
   * Locking: of a VMA that others know: write-locked, and its mapping's lock to write.
   *
   * @throws PgtableError `EINVAL` if others know it, and it is not write-locked
   */
  setRange(start: number, end: number, pgoff: number): void {
    if (!this.detached) this.lock.assertWriteLocked('change the range of a VMA');
    this.write(VmaWord.Start, start / this.mm.pageBytes);
    this.write(VmaWord.End, end / this.mm.pageBytes);
    this.write(VmaWord.Pgoff, pgoff);
  }

  /** `vm_flags_reset()`. Throws as {@link setRange}. */
  resetFlags(flags: number): void {
    if (!this.detached) this.lock.assertWriteLocked('change the flags of a VMA');
    this.words[this.at(VmaWord.Flags)] = flags;
  }

  /** `vma_mark_detached()`. @throws PgtableError `EINVAL` if it is not write-locked */
  markDetached(detached: boolean): void {
    this.lock.assertWriteLocked('take a VMA into its address space, or out of it');
    this.words[this.at(VmaWord.State)] = detached ? VmaState.Detached : VmaState.Attached;
  }

  /** Index of a word of the slot. @throws PgtableError `EINVAL` if the slot is another VMA's by now */
  private at(word: number): number {
    if (this.words[this.slot + VmaWord.Generation] !== this.generation) {
      throw new PgtableError('EINVAL', `VMA ${this.id} of address space ${this.mm.id} was freed, and its grace period is over`, {
        hint: 'hold the mmap lock or the lock of the VMA as long as it is used, and look it up again afterwards',
      });
    }
    return this.slot + word;
  }

  private number(word: number): number {
    const at = this.at(word);
    return (this.words[at]! >>> 0) + this.words[at + 1]! * 2 ** 32;
  }

  private write(word: number, value: number): void {
    const at = this.at(word);
    this.words[at] = value | 0;
    this.words[at + 1] = Math.floor(value / 2 ** 32);
  }
}
