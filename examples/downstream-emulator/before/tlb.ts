import { EntryBuffer, geometryOf, type EntryPtr, type FlushRange, type PteVal, type Tlb } from '@pgtable/core';
import type { Ptep, Riscv } from './family.js';

const SLOTS = 64;
const EMPTY = -1n;

/**
 * A TLB in software, direct-mapped: what it holds are copies of entries, as in the hardware. Nothing tells it of a change but a flush.
 */
export class SoftTlb implements Tlb {
  hits = 0;
  misses = 0;
  private readonly arch: Riscv;
  private readonly shift: bigint;
  private readonly tags: bigint[] = new Array<bigint>(SLOTS).fill(EMPTY);
  private readonly copies = new EntryBuffer('pte', SLOTS);

  constructor(arch: Riscv) {
    this.arch = arch;
    this.shift = BigInt(geometryOf(arch.geometry, 'pte').shift);
  }

  /** The copy of the entry that translates an address; undefined if it is not here. */
  lookup(address: bigint): PteVal | undefined {
    const page = address >> this.shift;
    const slot: Ptep = this.slot(page);
    if (this.tags[slot] !== page) {
      this.misses++;
      return undefined;
    }
    this.hits++;
    return this.copies.get(slot);
  }

  /** Remembers an entry. Only what is valid can be remembered. */
  fill(address: bigint, pte: PteVal): void {
    if (!this.arch.values.pte.valid(pte)) return;
    const page = address >> this.shift;
    const slot: Ptep = this.slot(page);
    this.tags[slot] = page;
    this.copies.set(slot, pte);
  }

  flush(range: FlushRange): void {
    for (let slot = 0; slot < SLOTS; slot++) {
      const address = this.tags[slot]! << this.shift;
      if (address >= range.start && address < range.end) this.tags[slot] = EMPTY;
    }
  }

  /** How many translations are held. */
  get held(): number {
    return this.tags.filter((tag) => tag !== EMPTY).length;
  }

  private slot(page: bigint): EntryPtr<'pte'> {
    return this.copies.at(Number(page % BigInt(SLOTS)));
  }
}
