import { PgtableError, type HandleFamily } from '@pgtable/core';
import { checkMmLock, checkMode, PageWalkLock } from './lock.js';
import type { WalkMapping, WalkMm, WalkVma } from './mm.js';
import type { MmWalkOps, WalkData, WalkResult } from './ops.js';
import { checkRange, hex } from './tables.js';
import { Walker } from './walker.js';

/**
 * `walk_page_range`: walks the VMAs of a range, and calls what is between them holes.
 *
 * Locking: as `ops.walkLock` says; `Read` (mmap lock), `Write` (mmap lock for writing; the walk write-locks each VMA), or `WriteVerify` (each VMA is write-locked
 * already). The list of VMAs is followed, which a lock of one VMA does not hold still: `VmaReadVerify` is for {@link walkPageRangeVma}.
 *
 * @param start page aligned; `end` too, exclusive, up to 2 ** 64
 * @param data for the callbacks: {@link PageWalk.data}
 * @returns whether the range was walked to its end, or which value a callback stopped it with
 * @throws PgtableError `EINVAL` for a range that is none, a lock mode that this function does not take, operations that cannot be called together, or an
 *   address space without VMAs; `EFAULT` where a table is not here; what the address space throws, if a lock is not held
 */
export function walkPageRange<H extends HandleFamily, S = never, D = undefined>(
  mm: WalkMm<H>, start: number, end: number, ops: MmWalkOps<H, S, D>, ...[data]: WalkData<D>
): WalkResult<S> {
  const name = 'walkPageRange';
  checkRange(mm.arch, start, end, name);
  checkOps(mm, ops, name);
  if (ops.walkLock === PageWalkLock.VmaReadVerify) {
    throw new PgtableError('EINVAL', `${name} follows the list of VMAs, and ${ops.walkLock} holds only one of them still`, { hint: 'take the mmap lock for reading, or use walkPageRangeVma' });
  }
  if (mm.findVma === undefined) {
    throw new PgtableError('EINVAL', `${name} was called for an address space that knows no VMAs`, { hint: 'a dump is walked with walkPageRangeNovma or walkKernelPageTableRange' });
  }
  checkMmLock(mm, ops.walkLock, name);
  const walker = new Walker(mm, ops, givenData(data));
  let vma = mm.findVma(start);
  for (let address = start; address < end; ) {
    if (vma === undefined || address < vma.start) {
      const next = vma === undefined ? end : Math.min(end, vma.start);
      walker.leave();
      if (!walker.hole(address, next, -1)) break;
      address = next;
      continue;
    }
    const current = vma;
    const next = Math.min(end, current.end);
    walker.enter(current);
    // Before the walk, as a callback may take the VMA away.
    vma = mm.findVma(current.end);
    const outcome = walker.test(current, address, next);
    if (outcome === 'stopped' || (outcome === 'on' && !walker.vma(current, address, next))) break;
    address = next;
  }
  return walker.ended;
}

/**
 * `walk_page_range_vma`: walks a range of one VMA. `testWalk` is not called.
 *
 * Locking: as `ops.walkLock` says, any mode but `NoLock`; with `VmaReadVerify` the lock of this VMA is enough.
 *
 * @param start page aligned; `end` too, exclusive
 * @returns as {@link walkPageRange}
 * @throws PgtableError as {@link walkPageRange}, and `EINVAL` if the range is not within the VMA
 */
export function walkPageRangeVma<H extends HandleFamily, S = never, D = undefined>(
  vma: WalkVma<H>, start: number, end: number, ops: MmWalkOps<H, S, D>, ...[data]: WalkData<D>
): WalkResult<S> {
  return walkVma('walkPageRangeVma', vma, start, end, ops, givenData(data));
}

/**
 * `walk_page_vma`: walks all of one VMA. `testWalk` is not called.
 *
 * Locking: as {@link walkPageRangeVma}.
 *
 * @returns as {@link walkPageRange}
 * @throws PgtableError as {@link walkPageRange}
 */
export function walkPageVma<H extends HandleFamily, S = never, D = undefined>(vma: WalkVma<H>, ops: MmWalkOps<H, S, D>, ...[data]: WalkData<D>): WalkResult<S> {
  return walkVma('walkPageVma', vma, vma.start, vma.end, ops, givenData(data));
}

/**
 * `walk_page_mapping`: walks what VMAs of any address spaces map of a range of a file. `testWalk` is asked about each whole VMA; one that it skips does not
 * end the walk, as it does in the kernel.
 *
 * Locking: the file's `i_mmap_rwsem` is held, for reading or writing, and keeps the VMAs there; their flags may change. The mmap locks cannot be demanded, so
 * `ops.walkLock` is `Read`, and means this lock.
 *
 * @param first first page of the file, in units of the smallest page; `count` of them
 * @returns as {@link walkPageRange}
 * @throws PgtableError `EINVAL` for pages that are none, or another lock mode; `EFAULT` where a table is not here; what `mapping.assertLocked` throws
 */
export function walkPageMapping<H extends HandleFamily, S = never, D = undefined>(
  mapping: WalkMapping<H>, first: number, count: number, ops: MmWalkOps<H, S, D>, ...[data]: WalkData<D>
): WalkResult<S> {
  const name = 'walkPageMapping';
  const limit = first + count;
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(limit) || first < 0 || count < 1) {
    throw new PgtableError('EINVAL', `${name} was called for ${count} pages from page ${first} on`, { hint: 'give whole numbers of pages, at least one' });
  }
  checkMode(ops.walkLock, name);
  if (ops.walkLock !== PageWalkLock.Read) {
    throw new PgtableError('EINVAL', `${name} was called with operations that say ${ops.walkLock}`, { hint: 'it holds the lock of the file and none of an address space: say PageWalkLock.Read' });
  }
  mapping.assertLocked();
  for (const vma of mapping.vmas(first, limit)) {
    checkOps(vma.mm, ops, name);
    const page = vma.mm.arch.geometry.pageBytes;
    const pgoff = vma.pgoff ?? 0;
    const start = vma.start + (Math.max(first, pgoff) - pgoff) * page;
    const end = Math.min(vma.end, vma.start + (limit - pgoff) * page);
    if (start >= end) continue;
    const walker = new Walker(vma.mm, ops, givenData<D>(data));
    const outcome = walker.test(vma, vma.start, vma.end);
    if (outcome === 'stopped' || (outcome === 'on' && !walker.vma(vma, start, end))) return walker.ended;
  }
  return { kind: 'completed' };
}

function walkVma<H extends HandleFamily, S, D>(name: string, vma: WalkVma<H>, start: number, end: number, ops: MmWalkOps<H, S, D>, data: D): WalkResult<S> {
  const { mm } = vma;
  checkRange(mm.arch, start, end, name);
  if (start < vma.start || end > vma.end) {
    throw new PgtableError('EINVAL', `${name} was called for [0x${hex(start)}, 0x${hex(end)}), and the VMA is [0x${hex(vma.start)}, 0x${hex(vma.end)})`, {
      address: BigInt(start),
      hint: 'clip the range to the VMA, or use walkPageRange',
    });
  }
  checkOps(mm, ops, name);
  checkMmLock(mm, ops.walkLock, name);
  const walker = new Walker(mm, ops, data);
  walker.enter(vma);
  walker.vma(vma, start, end);
  return walker.ended;
}

/** What cannot be called together, or not here. */
function checkOps<H extends HandleFamily, S, D>(mm: WalkMm<H>, ops: MmWalkOps<H, S, D>, name: string): void {
  if (ops.installPte === undefined) return;
  if (mm.install === undefined) throw new PgtableError('EINVAL', `${name} was to install entries in an address space that cannot`, { hint: 'give it `install`, of installInto or its own' });
  if (ops.pteRange !== undefined) throw new PgtableError('EINVAL', `${name} was given both installPte and pteRange`, { hint: 'installPte goes entry by entry: use pteEntry beside it' });
}

/** The last argument, which WalkData lets be left out only where undefined is a D. */
export function givenData<D>(data: D | undefined): D {
  return data as D;
}
