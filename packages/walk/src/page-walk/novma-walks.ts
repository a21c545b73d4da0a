import { PgtableError, type HandleFamily } from '@pgtable/core';
import { checkMmLock, checkMode, PageWalkLock, vmaWithoutLock } from './lock.js';
import type { WalkMm } from './mm.js';
import type { MmWalkOps, WalkData, WalkResult } from './ops.js';
import { checkRange, hex } from './tables.js';
import { givenData } from './vma-walks.js';
import { Walker } from './walker.js';

/**
 * `walk_page_range_novma`, in later stable releases of 6.12 `walk_page_range_debug`: walks a range of whatever address space, VMAs or not. Page tables are not locked for
 * their entries. For debugging alone: a listing, a dump.
 *
 * Locking: the mmap lock for writing, whatever `ops.walkLock` says, because unmapping takes tables out while it holds the lock for reading, and huge mappings of the
 * kernel's replace tables; and `init_mm`'s for writing too, if this is another one, because its upper entries lead to the kernel's tables. A dump has no locks.
 *
 * @param start page aligned; `end` too, exclusive, up to 2 ** 64
 * @returns whether the range was walked to its end, or which value a callback stopped it with
 * @throws PgtableError `EINVAL` for a range that is none, the modes `VmaReadVerify` and `NoLock`, or operations that install; `EFAULT` where a table is not here; `ELOOP` where
 *   tables of a dump have no end; what the address space throws, if a lock is not held
 */
export function walkPageRangeNovma<H extends HandleFamily, S = never, D = undefined>(
  mm: WalkMm<H>, start: number, end: number, ops: MmWalkOps<H, S, D>, ...[data]: WalkData<D>
): WalkResult<S> {
  const name = 'walkPageRangeNovma';
  checkWalk(mm, start, end, ops, name);
  checkMmLock(mm, PageWalkLock.Write, name);
  if (mm.kind !== 'init') mm.locks?.assertInitWriteLocked();
  return walk(mm, start, end, ops, givenData<D>(data));
}

/**
 * `walk_kernel_page_table_range`: walks a range of the kernel's own tables. Page tables are not locked for their entries.
 *
 * Locking: the mmap lock of `init_mm`, for reading with `Read`, for writing with `Write` and `WriteVerify`. The kernel's tables are usually not freed; where they are
 * (memory hot-remove), who calls keeps that out by other means.
 *
 * @param mm of kind `init`
 * @param start page aligned; `end` too, exclusive, up to 2 ** 64
 * @returns as {@link walkPageRangeNovma}
 * @throws PgtableError as {@link walkPageRangeNovma}, and `EINVAL` for another address space
 */
export function walkKernelPageTableRange<H extends HandleFamily, S = never, D = undefined>(
  mm: WalkMm<H>, start: number, end: number, ops: MmWalkOps<H, S, D>, ...[data]: WalkData<D>
): WalkResult<S> {
  const name = 'walkKernelPageTableRange';
  checkWalk(mm, start, end, ops, name);
  checkInit(mm, name);
  checkMmLock(mm, ops.walkLock, name);
  return walk(mm, start, end, ops, givenData<D>(data));
}

/**
 * `walk_kernel_page_table_range_lockless`: walks a range of the kernel's own tables that belongs to who calls, in a context that cannot take the mmap lock: what
 * `set_memory_*()` does to a vmalloc area.
 *
 * Locking: none, and `ops.walkLock` says so: `NoLock`. Who calls has the range to itself: nobody else maps, changes or unmaps any of it, and its tables are not
 * freed. So it must be within one of {@link WalkMm.locklessRanges}, where areas have owners, and there may be no VMA.
 *
 * @param mm of kind `init`
 * @param start page aligned; `end` too, exclusive, up to 2 ** 64
 * @returns as {@link walkPageRangeNovma}
 * @throws PgtableError as {@link walkPageRangeNovma}, and `EINVAL` for another mode, another address space, a range that is not declared, and where a VMA is met
 */
export function walkKernelPageTableRangeLockless<H extends HandleFamily, S = never, D = undefined>(
  mm: WalkMm<H>, start: number, end: number, ops: MmWalkOps<H, S, D>, ...[data]: WalkData<D>
): WalkResult<S> {
  const name = 'walkKernelPageTableRangeLockless';
  checkMode(ops.walkLock, name);
  checkRange(mm.arch, start, end, name);
  checkOps(ops, name);
  if (ops.walkLock !== PageWalkLock.NoLock) {
    throw new PgtableError('EINVAL', `${name} was called with operations that say ${ops.walkLock}`, { hint: 'who holds a lock uses walkKernelPageTableRange; who holds none says PageWalkLock.NoLock' });
  }
  checkInit(mm, name);
  const ranges = mm.locklessRanges ?? [];
  if (!ranges.some((range) => start >= range.start && end <= range.end)) {
    throw new PgtableError('EINVAL', `${name} was called for [0x${hex(start)}, 0x${hex(end)}), which no range without locks holds`, {
      address: BigInt(start),
      hint: ranges.length === 0 ? 'this address space declares none in locklessRanges' : `there are ${ranges.map((range) => `[0x${hex(range.start)}, 0x${hex(range.end)})`).join(', ')}`,
    });
  }
  const vma = mm.findVma?.(start);
  if (vma !== undefined && vma.start < end) throw vmaWithoutLock(vma.start);
  return walk(mm, start, end, ops, givenData<D>(data));
}

function walk<H extends HandleFamily, S, D>(mm: WalkMm<H>, start: number, end: number, ops: MmWalkOps<H, S, D>, data: D): WalkResult<S> {
  const walker = new Walker(mm, ops, data);
  walker.range(start, end);
  return walker.ended;
}

/** What walks under a lock of the address space have in common: no mode that is not one. */
function checkWalk<H extends HandleFamily, S, D>(mm: WalkMm<H>, start: number, end: number, ops: MmWalkOps<H, S, D>, name: string): void {
  checkMode(ops.walkLock, name);
  checkRange(mm.arch, start, end, name);
  checkOps(ops, name);
  switch (ops.walkLock) {
    case PageWalkLock.Read:
    case PageWalkLock.Write:
    case PageWalkLock.WriteVerify:
      return;
    case PageWalkLock.VmaReadVerify:
      throw new PgtableError('EINVAL', `${name} walks no VMA, and was called with operations that say ${ops.walkLock}`, { hint: 'say Read or Write, and take the mmap lock' });
    case PageWalkLock.NoLock:
      throw new PgtableError('EINVAL', `${name} was called with operations that say ${ops.walkLock}`, { hint: 'only walkKernelPageTableRangeLockless walks without a lock' });
  }
}

function checkInit<H extends HandleFamily>(mm: WalkMm<H>, name: string): void {
  if (mm.kind === 'init') return;
  throw new PgtableError('EINVAL', `${name} was called for an address space of kind ${mm.kind}`, { hint: 'it walks init_mm alone: use walkPageRange, or walkPageRangeNovma for debugging' });
}

function checkOps<H extends HandleFamily, S, D>(ops: MmWalkOps<H, S, D>, name: string): void {
  if (ops.installPte === undefined) return;
  throw new PgtableError('EINVAL', `${name} was given installPte`, { hint: 'entries are installed in VMAs alone: use walkPageRange or walkPageRangeVma' });
}
