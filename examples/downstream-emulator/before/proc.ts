import { entryVal, isSwapPte, pteMkdirty, pteNone, ptePfn, ptePresent, pteSpecial, pteYoung, type PteVal } from '@pgtable/core';
import { A_LO } from '@pgtable/arch-riscv';
import type { Ptep, Riscv } from './family.js';
import type { Kernel } from './kernel.js';
import { flushPage, isPrivate, PAGE, pteLookup, pteRanges, type Mm } from './mm.js';

/* What /proc and their like do to an address space from outside. */

/** /proc/PID/clear_refs: makes every page old. Returns: how many were young, the working set since the last time. */
export function clearRefs(mm: Mm): number {
  const { arch, tables } = mm;
  let young = 0;
  const view = new DataView(tables.bytes.buffer);
  for (const vma of mm.vmas) {
    for (const range of pteRanges(mm, vma.start, vma.end)) {
      let address = range.address;
      const stop = (range.first + range.count) as Ptep;
      for (let ptep = range.first; ptep < stop; ptep++, address += PAGE) {
        const low = view.getInt32(ptep * 8, true);
        if ((low & A_LO) === 0 || !ptePresent(arch, entryVal('pte', tables.elements[ptep]!))) continue;
        view.setInt32(ptep * 8, low & ~A_LO, true);
        flushPage(mm, address);
        young++;
      }
    }
  }
  return young;
}

/** mincore(2): a character for each page, `1` if it is in memory. */
export function mincore(mm: Mm, start: bigint, pages: number): string {
  const { arch, tables } = mm;
  let result = '';
  for (let address = start; address < start + BigInt(pages) * PAGE; address += PAGE) {
    const ptep = pteLookup(mm, address);
    result += ptep !== undefined && ptePresent(arch, entryVal('pte', tables.elements[ptep]!)) ? '1' : '0';
  }
  return result;
}

/**
 * Moves pages to frames as low as can be had, so that the high ones are free in one piece.
 *
 * Returns: how many pages moved.
 */
export function compact(mm: Mm): number {
  const { arch, kernel, tables } = mm;
  let moved = 0;
  for (const vma of mm.vmas.filter(isPrivate)) {
    for (const range of pteRanges(mm, vma.start, vma.end)) {
      for (let index = 0; index < range.count; index++) {
        const address = range.address + BigInt(index) * PAGE;
        if (movable(arch, kernel, entryVal('pte', tables.elements[range.first + index]!)) && migrate(mm, address, (range.first + index) as Ptep)) moved++;
      }
    }
  }
  return moved;
}

/** Only pages that one program has alone: no other entry is to be found. */
function movable(arch: Riscv, kernel: Kernel, pte: PteVal): boolean {
  return ptePresent(arch, pte) && !pteSpecial(arch, pte) && kernel.frames.count(ptePfn(arch, pte)) === 1;
}

/** Moves one page to another frame. Returns: false if there is no lower one. */
function migrate(mm: Mm, address: bigint, ptep: Ptep): boolean {
  const { arch, kernel, tables } = mm;
  const target = kernel.frames.lowest();
  const old = entryVal('pte', tables.elements[ptep]!);
  const from = ptePfn(arch, old);
  if (target === undefined || target > from) return false;
  tables.elements[ptep] = 0n;
  flushPage(mm, address);
  kernel.frames.take(target);
  kernel.ram.copyFrame(from, target);
  const slot = kernel.swapCache.get(from);
  if (slot !== undefined) {
    kernel.swapCache.delete(from);
    kernel.swapCache.set(target, slot);
  }
  kernel.frames.put(from);
  const entry = arch.values.pte.ofPfn(target, arch.values.pte.prot(old));
  tables.elements[ptep] = entry;
  return true;
}

/** Gives up a frame that has begun to fail: its page goes to another one. Returns: whether a page was there. */
export function softOffline(mm: Mm, address: bigint): boolean {
  const { arch, kernel, tables } = mm;
  const target = kernel.allocFrame();
  const ptep = pteLookup(mm, address);
  const old = ptep === undefined ? arch.values.pte.empty : entryVal('pte', tables.elements[ptep]!);
  if (ptep === undefined || !movable(arch, kernel, old)) {
    kernel.frames.put(target);
    return false;
  }
  tables.elements[ptep] = 0n;
  flushPage(mm, address);
  kernel.ram.copyFrame(ptePfn(arch, old), target);
  kernel.putFrame(ptePfn(arch, old));
  // Swap has no copy of it any more, as far as anyone knows.
  const entry = pteMkdirty(arch, arch.values.pte.ofPfn(target, arch.values.pte.prot(old)));
  tables.elements[ptep] = entry;
  return true;
}

/** Pages that nobody has used since they were made old, one bit each: /sys/kernel/mm/page_idle/bitmap. */
export function idleBitmap(mm: Mm, start: bigint, pages: number): bigint {
  const { arch, tables } = mm;
  let bitmap = 0n;
  for (const range of pteRanges(mm, start, start + BigInt(pages) * PAGE)) {
    let bit = 1n << ((range.address - start) / PAGE);
    for (let index = 0; index < range.count; index++, bit <<= 1n) {
      const pte = entryVal('pte', tables.elements[range.first + index]!);
      if (ptePresent(arch, pte) && !pteYoung(arch, pte)) bitmap |= bit;
    }
  }
  return bitmap;
}

/** How an address space is used, in one line: /proc/PID/status. */
export function status(mm: Mm): string {
  const { arch, tables } = mm;
  let resident = 0;
  let swapped = 0;
  let young = 0;
  for (const vma of mm.vmas) {
    for (let address = vma.start; address < vma.end; address += PAGE) {
      const ptep = pteLookup(mm, address);
      if (ptep === undefined) continue;
      const pte = entryVal('pte', Atomics.load(tables.elements, ptep));
      if (pteNone(arch, pte)) continue;
      if (isSwapPte(arch, pte)) swapped++;
      else resident++;
      if (ptePresent(arch, pte) && pteYoung(arch, pte)) young++;
    }
  }
  return `pid ${mm.pid} resident ${resident} swapped ${swapped} young ${young}`;
}
