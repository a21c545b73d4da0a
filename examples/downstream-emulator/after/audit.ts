import { hwPteNext, isSwapPte, PgtableError, pteNone, ptePfn, ptepGet, ptePresent, pteSpecial, pteToSwpEntry, pteWrite, type PteVal } from '@pgtable/core';
import type { Kernel } from './kernel.js';
import { isPrivate, PAGE, pteLookup, pteRanges, type Mm } from './mm.js';

/** What a machine says of itself when nothing runs: for tests. */
export interface Audit {
  /** Entries that map frames, and those that name slots of swap. */
  readonly mapped: number;
  readonly swapped: number;
  /** Frames and slots that have more users by their counts than by the tables. */
  readonly leakedFrames: number;
  readonly leakedSlots: number;
}

/**
 * Compares what the tables say with what is counted.
 *
 * @throws PgtableError `EINVAL` if a program could write to a page that another has too, or a flush is still owed
 */
export function audit(kernel: Kernel): Audit {
  kernel.ledger.close();
  const frames = new Map<number, number>();
  const slots = new Map<number, number>();
  for (const mm of kernel.mms) {
    const { arch } = mm;
    for (const vma of mm.vmas) {
      for (const range of pteRanges(mm, vma.start, vma.end)) {
        let ptep = range.first;
        for (let index = 0; index < range.count; index++, ptep = hwPteNext(arch, ptep)) {
          const pte = ptepGet(arch, ptep);
          if (isSwapPte(arch, pte)) {
            add(slots, Number(pteToSwpEntry(arch, pte).offset));
          } else if (ptePresent(arch, pte) && !pteSpecial(arch, pte)) {
            add(frames, ptePfn(arch, pte));
            if (isPrivate(vma)) checkWritable(mm, range.address + BigInt(index) * PAGE, pte);
          }
        }
      }
    }
  }
  let leakedFrames = 0;
  for (const [pfn, users] of frames) if (kernel.frames.count(pfn) > users + (isFileFrame(kernel, pfn) ? 1 : 0)) leakedFrames++;
  let leakedSlots = 0;
  for (const slot of kernel.swapCache.values()) add(slots, slot);
  for (const [slot, users] of slots) if (kernel.swap.count(slot) > users) leakedSlots++;
  return { mapped: sum(frames), swapped: sum(slots) - kernel.swapCache.size, leakedFrames, leakedSlots };
}

function checkWritable(mm: Mm, address: bigint, pte: PteVal): void {
  if (pteWrite(mm.arch, pte) && mm.kernel.frames.count(ptePfn(mm.arch, pte)) > 1) {
    throw new PgtableError('EINVAL', 'a page is writable here and somebody else has it too', { address });
  }
}

function isFileFrame(kernel: Kernel, pfn: number): boolean {
  return kernel.mms.some((mm) => mm.vmas.some(({ file }) => file?.holds(pfn) === true));
}

/** Whether nothing is left in a stretch of addresses. */
export function isEmpty(mm: Mm, start: bigint, pages: number): boolean {
  const { arch } = mm;
  for (let address = start; address < start + BigInt(pages) * PAGE; address += PAGE) {
    const ptep = pteLookup(mm, address);
    if (ptep !== undefined && !pteNone(arch, ptepGet(arch, ptep))) return false;
  }
  return true;
}

function add(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function sum(counts: ReadonlyMap<number, number>): number {
  return [...counts.values()].reduce((all, count) => all + count, 0);
}
