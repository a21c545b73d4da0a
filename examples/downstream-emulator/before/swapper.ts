import {
  EntryBuffer, entryVal, isSwapPte, pteDirty, pteMkclean, pteMkold, ptePfn, ptePresent, pteSame, pteSpecial, pteYoung, swpEntryToPte, type PteVal,
} from '@pgtable/core';
import type { Ptep } from './family.js';
import type { Kernel } from './kernel.js';
import { flushPage, isPrivate, PAGE, pteLookup, pteRanges, readPte, type Mm } from './mm.js';

/** Pages that the swapper takes at once. */
const BATCH = 32;

/**
 * Finds memory by writing pages to swap that nobody has used for a while: a clock that goes round each address space. A young page is
 * made old and passed over; one that is still old when the clock comes by again is a candidate.
 */
export class Swapper {
  private readonly kernel: Kernel;
  /** What the candidates' entries were when they were chosen, and which addresses they translate. */
  private readonly snapshots = new EntryBuffer('pte', BATCH);
  private addresses: bigint[] = [];

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** How many pages have been chosen. */
  get chosen(): number {
    return this.addresses.length;
  }

  /** Chooses and writes at once, for someone who waits for a frame. Returns: pages that went to swap. */
  reclaim(mm: Mm, want: number): number {
    // The first round may find nothing but young pages.
    let done = 0;
    for (let round = 0; round < 2 && done < want; round++) {
      this.choose(mm, want - done);
      done += this.evict(mm);
    }
    return done;
  }

  /** Chooses up to `want` pages. They stay where they are until {@link evict}, and may be used meanwhile. */
  choose(mm: Mm, want: number): void {
    const limit = Math.min(want, BATCH);
    const start = mm.hand;
    const last = mm.vmas.at(-1)?.end ?? 0n;
    this.addresses = [];
    this.turn(mm, start, last, limit);
    if (this.addresses.length < limit) this.turn(mm, 0n, start < last ? start : last, limit);
  }

  /** Moves the hand from `start` to `end`, or until enough is found. */
  private turn(mm: Mm, start: bigint, end: bigint, limit: number): void {
    const { arch, tables } = mm;
    for (const vma of mm.vmas.filter(isPrivate)) {
      const from = vma.start > start ? vma.start : start;
      const to = vma.end < end ? vma.end : end;
      for (const range of pteRanges(mm, from, to)) {
        let address = range.address;
        const stop = (range.first + range.count) as Ptep;
        for (let ptep = range.first; ptep < stop; ptep++, address += PAGE) {
          if (this.addresses.length >= limit) return;
          mm.hand = address + PAGE;
          const pte = entryVal('pte', tables.elements[ptep]!);
          if (!this.candidate(pte)) continue;
          if (pteYoung(arch, pte)) {
            tables.elements[ptep] = pteMkold(arch, pte);
            flushPage(mm, address);
            continue;
          }
          this.remember(address, pte);
        }
      }
    }
  }

  /** Whether a page could go to swap: present, and of this program alone. */
  private candidate(pte: PteVal): boolean {
    const { arch, frames } = this.kernel;
    return ptePresent(arch, pte) && !pteSpecial(arch, pte) && frames.count(ptePfn(arch, pte)) === 1;
  }

  private remember(address: bigint, pte: PteVal): void {
    const pointer: Ptep = this.snapshots.at(this.addresses.length);
    this.snapshots.set(pointer, pte);
    this.addresses.push(address);
  }

  /** Writes the chosen pages to swap, but for those that were used since. Returns: how many went. */
  evict(mm: Mm): number {
    const { arch, tables } = mm;
    let done = 0;
    this.addresses.forEach((address, index) => {
      const ptep = pteLookup(mm, address);
      if (ptep === undefined) return;
      const snapshot = this.snapshots.at(index);
      const pte = readPte(this.snapshots, snapshot);
      if (pteYoung(arch, pte)) return;
      const now = entryVal('pte', tables.elements[ptep]!);
      if (!ptePresent(arch, now) || ptePfn(arch, now) !== ptePfn(arch, this.snapshots.get(snapshot))) return;
      this.evictPage(mm, address);
      done++;
    });
    this.addresses = [];
    return done;
  }

  /** Takes one page out, writes it if swap does not have it, and says in the entry where it is. */
  private evictPage(mm: Mm, address: bigint): void {
    const { arch, kernel, tables } = mm;
    const { counters, stack, swap, swapCache } = kernel;
    const ptep = pteLookup(mm, address)!;
    const saved: Ptep = stack.push(entryVal('pte', tables.elements[ptep]!));
    tables.elements[ptep] = 0n;
    flushPage(mm, address);
    const old = stack.get(saved);
    const pfn = ptePfn(arch, old);
    const known = swapCache.get(pfn);
    const slot = known ?? swap.alloc();
    if (known === undefined || pteDirty(arch, old)) {
      swap.write(slot, kernel.ram.frame(pfn));
      counters.swapOut++;
    } else {
      counters.dropped++;
    }
    const entry = swpEntryToPte(arch, { type: 0, offset: BigInt(slot) });
    tables.elements[ptep] = entry;
    // The slot is the entry's from now on, no longer the frame's.
    swapCache.delete(pfn);
    kernel.frames.put(pfn);
    stack.pop();
  }

  /** Writes pages ahead of time: they stay, and are clean. Returns: how many were written. */
  launder(mm: Mm): number {
    const { arch, kernel, tables } = mm;
    let written = 0;
    for (const vma of mm.vmas.filter(isPrivate)) {
      for (const range of pteRanges(mm, vma.start, vma.end)) {
        for (let index = 0; index < range.count; index++) {
          const address = range.address + BigInt(index) * PAGE;
          const pte = entryVal('pte', tables.elements[range.first + index]!);
          if (!this.candidate(pte) || !pteDirty(arch, pte)) continue;
          tables.elements[range.first + index] = pteMkclean(arch, pte);
          flushPage(mm, address);
          const pfn = ptePfn(arch, pte);
          const slot = kernel.swapCache.get(pfn) ?? kernel.swap.alloc();
          kernel.swap.write(slot, kernel.ram.frame(pfn));
          kernel.swapCache.set(pfn, slot);
          written++;
        }
      }
    }
    return written;
  }

  /** Reads back everything of an address space that is in swap, as swapoff does. Returns: pages that came back. */
  unuse(mm: Mm): number {
    const { arch, kernel, tables } = mm;
    let back = 0;
    for (const vma of mm.vmas) {
      for (const range of pteRanges(mm, vma.start, vma.end)) {
        for (let index = 0; index < range.count; index++) {
          const address = range.address + BigInt(index) * PAGE;
          const ptep = (range.first + index) as Ptep;
          const pte = entryVal('pte', tables.elements[ptep]!);
          if (!isSwapPte(arch, pte)) continue;
          const slot = Number(arch.values.pte.swapOffset(pte));
          const pfn = kernel.allocFrame();
          kernel.swap.read(slot, kernel.ram.frame(pfn));
          kernel.swap.put(slot);
          if (!pteSame(arch, entryVal('pte', tables.elements[ptep]!), pte)) continue;
          const entry = arch.values.pte.mkdirty(arch.values.pte.ofPfn(pfn, arch.vmProt(vma.flags)));
          tables.elements[ptep] = entry;
          flushPage(mm, address);
          back++;
        }
      }
    }
    return back;
  }
}
