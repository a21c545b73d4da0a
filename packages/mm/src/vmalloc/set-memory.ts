import { LEVELS, MmuGather, PgtableError, VmFlags, type EntryVal, type FlushRange, type HandleFamily, type Level, type MmContext, type WritableArch, type WritableOps } from '@pgtable/core';
import { PageWalkLock, WalkAction, walkKernelPageTableRangeLockless, type EntryCallback, type MmWalkOps } from '@pgtable/walk';
import type { Kernel } from '../kernel/kernel.js';
import type { Mm } from '../kernel/mm.js';
import { groupOf, spanOf } from './kernel-entries.js';
import { accessOf, withAccess, type KernelAccess } from './kernel-prot.js';
import { splitKernelLeaf } from './split-kernel-leaf.js';
import type { VmArea } from './vmap-areas.js';
import { vmUnmapAliases } from './vmalloc.js';
import { vmallocState } from './vmalloc-state.js';

/*
 * Permissions of the kernel's own memory, after arch/arm64/mm/pageattr.c: of 6.12 for what is allowed (whole pages of one vmalloc area), of later kernels for the walk without locks and for the blocks at both ends,
 * which are split first.
 *
 * Nobody who lists the tables meanwhile may see anything but the old or the new entry. A page is changed in one step where that is possible. It is not, where the architecture demands break-before-make: every valid
 * entry of s390, groups, blocks that are split. There the mmap lock of init_mm is held to read, which a listing has to write, so those calls may sleep.
 */

/** `set_memory_ro()`: pages of a vmalloc area can be read, and not written, from now on. Locking, throws: {@link setMemoryValid}; sleeps always. */
export function setMemoryRo<H extends HandleFamily>(kernel: Kernel<H>, start: number, pages: number): void {
  vmUnmapAliases(kernel);
  changeMemory(kernel, start, pages, (access) => ({ ...access, write: false }));
}

/** `set_memory_rw()`: pages of a vmalloc area can be written from now on. Locking, throws: {@link setMemoryValid}; sleeps always. */
export function setMemoryRw<H extends HandleFamily>(kernel: Kernel<H>, start: number, pages: number): void {
  vmUnmapAliases(kernel);
  changeMemory(kernel, start, pages, (access) => ({ ...access, write: true }));
}

/** `set_memory_nx()`: pages of a vmalloc area cannot be executed from now on, where the hardware can forbid it. Locking, throws: {@link setMemoryValid}; sleeps always. */
export function setMemoryNx<H extends HandleFamily>(kernel: Kernel<H>, start: number, pages: number): void {
  vmUnmapAliases(kernel);
  changeMemory(kernel, start, pages, (access) => ({ ...access, exec: false }));
}

/** `set_memory_x()`: pages of a vmalloc area can be executed from now on. Locking, throws: {@link setMemoryValid}; sleeps always. */
export function setMemoryX<H extends HandleFamily>(kernel: Kernel<H>, start: number, pages: number): void {
  vmUnmapAliases(kernel);
  changeMemory(kernel, start, pages, (access) => ({ ...access, exec: true }));
}

/**
 * `set_memory_valid()`: the hardware may use pages of a vmalloc area, or may not. What else the entries say stays. KFENCE calls it where nobody may sleep.
 *
 * Locking: takes the lock of the area, a spin lock, which keeps vfree() and other changes out. Does not sleep, unless a valid entry cannot be changed in one step (s390; areas with blocks or groups): then the mmap
 * lock of init_mm is taken to read. One flush at the end, before it returns.
 *
 * @param start the first address, page aligned
 * @param pages how many; 0 changes nothing
 * @throws PgtableError `EINVAL` if the pages are not all in one area; `ENOMEM` if a block has to be split, and there is no frame for the table: no permission has changed then
 */
export function setMemoryValid<H extends HandleFamily>(kernel: Kernel<H>, start: number, pages: number, valid: boolean): void {
  changeMemory(kernel, start, pages, (access) => ({ ...access, valid }));
}

/** One flush for whatever was changed: from the first address to the last, for the highest level. */
class OneFlush extends MmuGather {
  private readonly context: MmContext;
  private range: FlushRange | undefined;

  constructor(context: MmContext) {
    super(context);
    this.context = context;
  }

  override add(_mm: MmContext, range: FlushRange): void {
    const { range: before } = this;
    this.range = before === undefined ? range : {
      start: range.start < before.start ? range.start : before.start,
      end: range.end > before.end ? range.end : before.end,
      level: LEVELS.indexOf(range.level) > LEVELS.indexOf(before.level) ? range.level : before.level,
      tables: before.tables || range.tables,
    };
  }

  override finish(): void {
    if (this.range !== undefined) this.context.tlb.flush(this.range);
    this.range = undefined;
  }
}

type Change = (access: KernelAccess) => KernelAccess;

/** `change_memory_common()`. */
function changeMemory<H extends HandleFamily>(kernel: Kernel<H>, start: number, pages: number, change: Change): void {
  const { areas } = vmallocState(kernel);
  const { initMm } = kernel;
  const { arch } = initMm;
  const area = areaOf(kernel, start, pages);
  if (pages === 0) return;
  const end = start + pages * initMm.pageBytes;
  const exclusive = area.huge || !changesInOneStep(arch);
  if (exclusive) initMm.lock.readLock();
  try {
    if (!areas.lock(area)) throw refused(start, pages, 'it was freed meanwhile');
    try {
      if (area.huge) {
        splitKernelLeaf(initMm, start);
        splitKernelLeaf(initMm, end);
      }
      const gather = new OneFlush(initMm.context);
      try {
        walkKernelPageTableRangeLockless(initMm, start, end, area.huge ? changingGroups(initMm, gather, change) : changingPages(initMm, gather, change));
      } finally {
        gather.finish();
      }
    } finally {
      areas.unlock(area);
    }
  } finally {
    if (exclusive) initMm.lock.readUnlock();
  }
}

/** Whether a valid page can be given other permissions by one store. */
function changesInOneStep<H extends HandleFamily>(arch: WritableArch<H>): boolean {
  const page = (flags: number): EntryVal<'pte'> => arch.values.pte.ofPfn(0, arch.kernelProt(flags));
  return arch.liveChange?.('pte', page(VmFlags.Read), page(VmFlags.Read | VmFlags.Write)) === undefined;
}

/** Of an area that has nothing but pages of the smallest size. */
function changingPages<H extends HandleFamily>(mm: Mm<H>, gather: MmuGather, change: Change): MmWalkOps<H> {
  const { arch, context, pageBytes } = mm;
  const { ops: { pte: ops } } = arch;
  return {
    walkLock: PageWalkLock.NoLock,
    pteRange(ptep, address, count) {
      for (let index = 0; index < count; index++) changeLeaf(arch, context, gather, 'pte', ops.advance(ptep, index), address + index * pageBytes, change);
    },
  };
}

/** Of an area that may have blocks and groups, all of which are in the range or outside of it as a whole. */
function changingGroups<H extends HandleFamily>(mm: Mm<H>, gather: MmuGather, change: Change): MmWalkOps<H> {
  const { arch, context, pageBytes } = mm;
  /** Up to which address groups were changed already. */
  let done = 0;
  const changeOne = <L extends Level>(level: L, entry: H[L], address: number): void => {
    if (address < done) return;
    const group = groupOf(arch, level, entry);
    if (group === 1) {
      changeLeaf(arch, context, gather, level, entry, address, change);
      return;
    }
    done = address + group * spanOf(arch, level);
    const ops: WritableOps<H, L> = arch.ops[level];
    // A group that is to be made anew must not be cached in any part: this flush cannot wait.
    const old = ops.hugeGetAndClear(context, BigInt(address), entry, group).flush();
    const changed: EntryVal<Level> = withAccess(arch, level, old, change(accessOf(arch, level, old)));
    const values = arch.values[level];
    // withAccess() makes a value of the level that it was given.
    ops.hugeSet(context, BigInt(address), entry, values.mkgroup(changed as EntryVal<L>, group), group);
  };
  const block = <L extends Level>(level: L): EntryCallback<H, never, undefined, L> => (entry, address, _next, walk) => {
    if (!arch.values[level].leaf(walk.read(level, entry))) return;
    changeOne(level, entry, address);
    walk.action = WalkAction.Continue;
  };
  return {
    walkLock: PageWalkLock.NoLock,
    pgdEntry: block('pgd'), p4dEntry: block('p4d'), pudEntry: block('pud'), pmdEntry: block('pmd'),
    pteRange(ptep, address, count) {
      for (let index = 0; index < count; index++) changeOne('pte', arch.ops.pte.advance(ptep, index), address + index * pageBytes);
    },
  };
}

/** Read once, changed, written; the flush is left to the gather. The area's lock keeps others from writing; the hardware notes nothing that the kernel does not set from the start. */
function changeLeaf<H extends HandleFamily, L extends Level>(arch: WritableArch<H>, context: MmContext, gather: MmuGather, level: L, entry: H[L], address: number, change: Change): void {
  const ops: WritableOps<H, L> = arch.ops[level];
  const value = ops.get(entry);
  if (!arch.values[level].present(value)) return;
  // withAccess() makes a value of the level that it was given.
  const changed = withAccess(arch, level, value, change(accessOf(arch, level, value))) as EntryVal<L>;
  if (changed !== value) ops.establish(context, BigInt(address), entry, changed).gather(gather);
}

/** The one area that has all of the pages. */
function areaOf<H extends HandleFamily>(kernel: Kernel<H>, start: number, pages: number): VmArea {
  const { pageBytes } = kernel.frames;
  if (!Number.isInteger(start) || start % pageBytes !== 0 || !Number.isSafeInteger(pages) || pages < 0) throw refused(start, pages, `an address is a multiple of ${pageBytes}, and a number of pages whole`);
  const area = vmallocState(kernel).areas.find(start);
  if (area === undefined) throw refused(start, pages, 'no vmalloc area is there');
  if (start + pages * pageBytes > area.start + area.pages * pageBytes) throw refused(start, pages, `the area '${area.name}' ends before`);
  return area;
}

function refused(start: number, pages: number, why: string): PgtableError {
  const shown = Number.isInteger(start) ? `0x${BigInt(start).toString(16)}` : String(start);
  return new PgtableError('EINVAL', `the permissions of ${pages} pages from ${shown} on cannot be changed: ${why}`, { ...(Number.isInteger(start) ? { address: BigInt(start) } : {}), hint: 'give pages of one area that vmalloc() made' });
}
