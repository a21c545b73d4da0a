import { PgtableError, type HandleFamily } from '@pgtable/core';
import { MmCounter, type Mm } from '../kernel/mm.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import type { Vma } from '../kernel/vma.js';
import { movePageTables } from './move-page-tables.js';
import { doMunmap } from './munmap.js';
import { isolateVma, endOfRange, notMapped, pageAligned, withWriteLock } from './ranges.js';
import { getUnmappedArea, taskWindow } from './unmapped-area.js';

/** How a mapping may change its place. */
export interface MremapOptions {
  /** `MREMAP_MAYMOVE`: to another place, if there is no room for more here. */
  readonly mayMove?: boolean;
  /** `MREMAP_FIXED`: to that place, page aligned; what is there goes. */
  readonly to?: number;
}

/**
 * `mremap(2)`: makes a mapping longer or shorter, or moves it. Pages go along; none is copied.
 *
 * Locking: none may be held that the mmap lock comes before; takes it to write.
 *
 * @param start page aligned
 * @param bytes,newBytes rounded up to whole pages. `bytes` of shared memory may be 0: then it is mapped a second time, from `start` on, and the first mapping stays
 * @returns where it is now
 * @throws PgtableError `EFAULT` if the range is not in one VMA, or may not get longer; `ENOMEM` if there is no room: then everything is as before, but for what a `to` unmapped; `EINVAL` for what cannot be asked for
 * @see mm/mremap.c, Linux 6.12
 */
export function mremap<H extends HandleFamily>(mm: Mm<H>, start: number, bytes: number, newBytes: number, { mayMove = false, to }: MremapOptions = {}): number {
  const end = endOfRange(mm, start, bytes, 'mremap', 0);
  const size = endOfRange(mm, 0, newBytes, 'mremap');
  return withWriteLock(mm, () => {
    if (to !== undefined) return mremapTo(mm, start, end, size, to);
    const old = end - start;
    if (mm.vmaLookup(start) === undefined) throw notMapped(mm, 'mremap', start, end, 'EFAULT');
    if (size <= old) {
      if (size < old) doMunmap(mm, start + size, end);
      return start;
    }
    const vma = vmaToResize(mm, start, end, size);
    if (end === vma.end && canExpand(mm, vma, start + size)) {
      mm.adjustVma(vma, vma.start, start + size);
      mm.mergeVmas(vma);
      return start;
    }
    if (!mayMove) throw new PgtableError('ENOMEM', `there is no room behind 0x${BigInt(end).toString(16)} of address space ${mm.id}`, { address: BigInt(end), hint: 'let it be moved: mayMove' });
    return moveVma(vma, start, old, size, getUnmappedArea(mm, size));
  });
}

/** `mremap_to()`. */
function mremapTo<H extends HandleFamily>(mm: Mm<H>, start: number, end: number, size: number, to: number): number {
  const window = taskWindow(mm);
  const newEnd = endOfRange(mm, to, size, 'mremap to');
  if (to < window.start || newEnd > window.end) throw new PgtableError('EINVAL', `a mapping cannot be moved to 0x${BigInt(to).toString(16)}`, { address: BigInt(to), hint: 'processes have fewer addresses' });
  if (to < end && newEnd > start) throw new PgtableError('EINVAL', 'a mapping cannot be moved to where it overlaps itself', { address: BigInt(to), hint: 'move it to addresses that it does not have' });
  if (mm.vmaLookup(start) === undefined) throw notMapped(mm, 'mremap', start, end, 'EFAULT');
  doMunmap(mm, to, newEnd);
  let old = end - start;
  if (size < old) {
    doMunmap(mm, start + size, end);
    old = size;
  }
  return moveVma(vmaToResize(mm, start, start + old, size), start, old, size, to);
}

/** `vma_to_resize()`. */
function vmaToResize<H extends HandleFamily>(mm: Mm<H>, start: number, end: number, size: number): Vma<H> {
  const vma = mm.vmaLookup(start);
  if (vma === undefined || end > vma.end) throw notMapped(mm, 'mremap', start, end, 'EFAULT');
  if (end === start && (vma.flags & VmaFlags.Shared) === 0) {
    throw new PgtableError('EINVAL', `the memory at 0x${BigInt(start).toString(16)} is private, and cannot be mapped a second time`, { address: BigInt(start), hint: 'give the bytes that are to be moved' });
  }
  if (size > end - start && (vma.flags & (VmaFlags.DontExpand | VmaFlags.PfnMap)) !== 0) {
    throw new PgtableError('EFAULT', `the mapping at 0x${BigInt(start).toString(16)} may not get longer`, { address: BigInt(start), hint: 'VM_DONTEXPAND or VM_PFNMAP: map the device anew' });
  }
  return vma;
}

/** `vma_expandable()`: whether nothing is behind a VMA up to an address. */
function canExpand<H extends HandleFamily>(mm: Mm<H>, vma: Vma<H>, end: number): boolean {
  return end <= taskWindow(mm).end && mm.vmas(vma.end, end).length === 0;
}

/** `move_vma()`: to a place that is free. Of no bytes: a second mapping of what begins at `start`. */
function moveVma<H extends HandleFamily>(vma: Vma<H>, start: number, bytes: number, size: number, to: number): number {
  const { mm } = vma;
  // A VMA that is not moved whole is cut in up to three, and the new one comes on top.
  if (mm.counter(MmCounter.MapCount) >= mm.kernel.mapCountLimit - 3) {
    throw new PgtableError('ENOMEM', `address space ${mm.id} has too many VMAs to move one`, { address: BigInt(start), hint: 'make the kernel with a larger `mapCount`' });
  }
  if (bytes === 0) {
    const again = mm.insertVma({ start: to, end: to + size, flags: vma.flags, mapping: vma.mapping, pgoff: vma.indexOf(start) });
    mm.mergeVmas(again);
    return to;
  }
  // Cut out before anything is moved, and not when it is unmapped: there may be no room for another VMA.
  const part = isolateVma(vma, start, start + pageAligned(mm, bytes));
  let target: Vma<H>;
  try {
    target = mm.insertVma({ start: to, end: to + size, flags: part.flags, mapping: part.mapping, pgoff: part.pgoff });
  } catch (error) {
    mm.mergeVmas(part);
    throw error;
  }
  part.lock.startWrite();
  const done = movePageTables(part, start, target, to, bytes);
  if (done < bytes) {
    // Back to where it came from: the tables are there still, or nobody would have taken entries out of them.
    const back = movePageTables(target, to, part, start, done);
    doMunmap(mm, to, to + size);
    mm.mergeVmas(part);
    throw new PgtableError('ENOMEM', `there is no memory for page tables at 0x${BigInt(to).toString(16)}${back < done ? `, and none to bring ${done - back} bytes back` : ''}`, { address: BigInt(to), hint: 'free something' });
  }
  doMunmap(mm, start, start + pageAligned(mm, bytes));
  const now = mm.vmaLookup(to);
  if (now !== undefined) mm.mergeVmas(now);
  return to;
}
