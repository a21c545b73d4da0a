import {
  EntryBuffer, hwPteNext, isSwapPte, pteDirty, pteMkclean, ptepClearFlush, ptepClearFlushYoung, ptePfn, ptepGet, ptepModifyProtCommit, ptepModifyProtStart,
  ptePresent, pteSame, pteSpecial, pteYoung, setPte, swpEntryToPte, type EntryPtr, type PteVal,
} from '@pgtable/core';
import type { Kernel } from './kernel.js';
import { isPrivate, PAGE, pteLookup, pteRanges, type Mm } from './mm.js';

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
    const { arch } = mm;
    for (const vma of mm.vmas.filter(isPrivate)) {
      const from = vma.start > start ? vma.start : start;
      const to = vma.end < end ? vma.end : end;
      for (const range of pteRanges(mm, from, to)) {
        let address = range.address;
        let ptep = range.first;
        for (let left = range.count; left > 0; left--, ptep = hwPteNext(arch, ptep), address += PAGE) {
          if (this.addresses.length >= limit) return;
          mm.hand = address + PAGE;
          const pte = ptepGet(arch, ptep);
          if (!this.candidate(pte)) continue;
          if (pteYoung(arch, pte)) {
            ptepClearFlushYoung(arch, mm, address, ptep);
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
    const pointer: EntryPtr<'pte'> = this.snapshots.at(this.addresses.length);
    this.snapshots.set(pointer, pte);
    this.addresses.push(address);
  }

  /** Writes the chosen pages to swap, but for those that were used since. Returns: how many went. */
  evict(mm: Mm): number {
    const { arch } = mm;
    let done = 0;
    this.addresses.forEach((address, index) => {
      const ptep = pteLookup(mm, address);
      if (ptep === undefined) return;
      const snapshot: EntryPtr<'pte'> = this.snapshots.at(index);
      const now = ptepGet(arch, ptep);
      if (!ptePresent(arch, now) || pteYoung(arch, now)) return;
      if (ptePfn(arch, now) !== ptePfn(arch, this.snapshots.get(snapshot))) return;
      this.evictPage(mm, address);
      done++;
    });
    this.addresses = [];
    return done;
  }

  /** Takes one page out, writes it if swap does not have it, and says in the entry where it is. */
  private evictPage(mm: Mm, address: bigint): void {
    const { arch, kernel } = mm;
    const { counters, stack, swap, swapCache } = kernel;
    const ptep = pteLookup(mm, address)!;
    const saved: EntryPtr<'pte'> = stack.push(ptepClearFlush(arch, mm, address, ptep));
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
    setPte(arch, mm, address, ptep, entry);
    // The slot is the entry's from now on, no longer the frame's.
    swapCache.delete(pfn);
    kernel.frames.put(pfn);
    stack.pop();
  }

  /** Writes pages ahead of time: they stay, and are clean. Returns: how many were written. */
  launder(mm: Mm): number {
    const { arch, kernel } = mm;
    let written = 0;
    for (const vma of mm.vmas.filter(isPrivate)) {
      for (const range of pteRanges(mm, vma.start, vma.end)) {
        let ptep = range.first;
        for (let index = 0; index < range.count; index++, ptep = hwPteNext(arch, ptep)) {
          const address = range.address + BigInt(index) * PAGE;
          const pte = ptepGet(arch, ptep);
          if (!this.candidate(pte) || !pteDirty(arch, pte)) continue;
          const old = ptepModifyProtStart(arch, mm, address, ptep);
          ptepModifyProtCommit(arch, mm, address, ptep, old, pteMkclean(arch, old)).flush();
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
    const { arch, kernel } = mm;
    let back = 0;
    for (const vma of mm.vmas) {
      for (const range of pteRanges(mm, vma.start, vma.end)) {
        let ptep = range.first;
        for (let index = 0; index < range.count; index++, ptep = hwPteNext(arch, ptep)) {
          const address = range.address + BigInt(index) * PAGE;
          const pte = ptepGet(arch, ptep);
          if (!isSwapPte(arch, pte)) continue;
          const slot = Number(arch.values.pte.swapOffset(pte));
          const pfn = kernel.allocFrame();
          kernel.swap.read(slot, kernel.ram.frame(pfn));
          kernel.swap.put(slot);
          if (!pteSame(arch, ptepGet(arch, ptep), pte)) continue;
          const entry = arch.values.pte.mkdirty(arch.values.pte.ofPfn(pfn, arch.vmProt(vma.flags)));
          setPte(arch, mm, address, ptep, entry);
          back++;
        }
      }
    }
    return back;
  }
}
