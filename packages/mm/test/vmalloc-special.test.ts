import { geometryOf, LEVELS, levelNumber, VmFlags, type AliasHandles, type Level, type WritableOps } from '@pgtable/core';
import { levelBelow } from '@pgtable/walk';
import { afterEach, describe, expect, it } from 'vitest';
import {
  freePgdRange, memHotplugBegin, memHotplugDone, mmAllocPmd, mmFindPmd, pmdLockptr, pteOffsetMapLock, pteUnmapUnlock, ptdumpKernel, setCurrentThread, TableGather, vfree, vmalloc, vmallocInfo, vmapRangeNoflush, vunmapRangeNoflush,
  type Kernel, type Mm, type TableInfo,
} from '../src/index.js';
import { lookupAddress } from '../src/vmalloc/kernel-entries.js';
import { ALL, boot, pagesOf, quiet, vmallocRange } from './vmalloc-machine.js';

/* Tables that neither processes nor vmalloc make: firmware's, and those of memory that comes late. */

afterEach(() => {
  setCurrentThread(undefined);
});

const RWX = VmFlags.Read | VmFlags.Write | VmFlags.Exec;

/** @param floor where what is mapped below ends: tables that it needs stay */
function unmapAll(mm: Mm<AliasHandles>, start: number, end: number, floor = 0): void {
  mm.lock.writeLock();
  const gather = new TableGather(mm);
  vunmapRangeNoflush(gather.of, gather, start, end, () => undefined);
  freePgdRange(gather, start, end, floor, Infinity);
  gather.finish();
  mm.lock.writeUnlock();
}

/** Levels below the root. */
function lower(mm: Mm<AliasHandles>): Level[] {
  return LEVELS.filter((level) => levelNumber(level) < levelNumber(mm.root.top) && !geometryOf(mm.arch.geometry, level).folded);
}

/** What constructors and destructors say. */
function listen(kernel: Kernel<AliasHandles>): { readonly constructed: TableInfo[]; readonly destroyed: TableInfo[] } {
  const constructed: TableInfo[] = [];
  const destroyed: TableInfo[] = [];
  kernel.pageTables.addHook({ constructed: (table) => constructed.push(table), destroying: (table) => destroyed.push(table) });
  return { constructed, destroyed };
}

describe.each(ALL)('efi_mm: $name', (configuration) => {
  it('has tables like a process: constructed, counted, with split locks; its runtime services are mapped 1:1, and nothing of them is in init_mm', () => {
    const kernel = boot(configuration);
    const heard = listen(kernel);
    const efi = kernel.newMm('special');
    const { pageBytes } = efi;
    // Firmware's own memory is none that the kernel has frames of.
    const start = kernel.frames.base + kernel.frames.bytes;
    const pages = geometryOf(efi.arch.geometry, 'pte').entries + 3;
    const end = start + pages * pageBytes;
    efi.lock.writeLock();
    vmapRangeNoflush(efi, start, end, start / pageBytes, efi.arch.kernelProt(RWX));
    for (const page of [0, 1, pages - 1]) {
      const { at, value } = lookupAddress(efi, start + page * pageBytes);
      expect(at.level).toBe('pte');
      // Of a pte, as was just said.
      expect(efi.arch.values.pte.pfn(value as ReturnType<typeof efi.arch.ops.pte.get>)).toBe(start / pageBytes + page);
    }
    const tables = lower(efi);
    expect(Object.fromEntries(tables.map((level) => [level, kernel.pageTables.nrPageTables(level, efi.id)]))).toEqual(
      Object.fromEntries(tables.map((level) => [level, heard.constructed.filter((table) => table.level === level && table.owner === efi.id).length - (level === efi.root.top ? 1 : 0)])),
    );
    expect(kernel.pageTables.nrPageTables('pte', efi.id)).toBe(2);
    const split = kernel.pageTables.nrPageTables('pte', efi.id) + kernel.pageTables.nrPageTables('pmd', efi.id);
    expect(kernel.pageTables.locksInitialised(efi.id)).toBe(split);
    expect(heard.constructed.every((table) => table.lockInitialised === (table.level === 'pte' || table.level === 'pmd'))).toBe(true);
    const pmdp = mmFindPmd(efi, start)!;
    const table = pteOffsetMapLock(efi, pmdp, start);
    if (table === undefined) throw new Error('there is no PTE table');
    expect([table.ptl.words === kernel.frames.memmap, table.ptl.heldByMe]).toEqual([true, true]);
    pteUnmapUnlock(table);
    // The kernel's own have none.
    const kernels = vmalloc(kernel, pageBytes);
    expect([kernel.pageTables.locksInitialised(kernel.initMm.id), kernel.pageTables.nrPageTables('pte', kernel.initMm.id)]).toEqual([0, 1]);
    expect(pmdLockptr(kernel.initMm, mmAllocPmd(kernel.initMm, kernels)).index).toBe(kernel.initMm.pageTableLock);
    vfree(kernel, kernels);
    efi.lock.writeUnlock();
    unmapAll(efi, start, end);
    kernel.rcu.barrier();
    expect(kernel.pageTables.nrPageTables(undefined, efi.id)).toBe(1);
    const { id } = efi;
    efi.mmput();
    expect(heard.destroyed.filter(({ owner }) => owner === id).length).toBe(heard.constructed.filter(({ owner }) => owner === id).length);
    quiet(kernel);
  });
});

describe.each(ALL)('memory that is added late: $name', (configuration) => {
  it('has tables that late allocators make; those from before were made by the early one, and constructed once that could be', () => {
    const whole = vmallocRange(configuration);
    const middle = whole.start + (whole.end - whole.start) / 2;
    const kernel = boot(configuration, { vmalloc: [{ start: whole.start, end: middle }] });
    const { initMm, pageTables, frames } = kernel;
    const { arch, pageBytes } = initMm;
    const early = middle;
    const late = middle + Math.min(2 ** 25, (whole.end - middle) / 2);
    const heard = listen(kernel);

    // Boot: the tables of an address, before there are constructors.
    const made: number[] = [];
    for (let level: Level = initMm.root.top, below = levelBelow(arch, level); below !== undefined; level = below, below = levelBelow(arch, level)) {
      const { at } = lookupAddress(initMm, early);
      const table = pageTables.allocEarly<Level>(arch, initMm, below);
      made.push(table.address);
      const ops: WritableOps<AliasHandles, Level> = arch.ops[at.level];
      ops.populate(initMm.context, BigInt(early), at.entry, table);
    }
    expect([heard.constructed.length, pageTables.nrPageTables(undefined, initMm.id), pageTables.locksInitialised(initMm.id)]).toEqual([0, 1, 0]);
    vmapRangeNoflush(initMm, early, early + 4 * pageBytes, frames.firstPfn, arch.kernelProt(VmFlags.Read | VmFlags.Write));
    expect(pageTables.constructEarly([initMm])).toBe(made.length);
    expect([heard.constructed.map(({ address }) => address).sort(), pageTables.nrPageTables(undefined, initMm.id), pageTables.locksInitialised(initMm.id)]).toEqual([made.sort(), 1 + made.length, 0]);
    expect(pagesOf(kernel, early, 5).map(({ frame }) => frame)).toEqual([0, 1, 2, 3].map((page) => frames.firstPfn + page).concat([undefined as never]));

    // Hot-add: 512 frames of the linear map.
    heard.constructed.length = 0;
    memHotplugBegin(kernel);
    // Nobody may list tables meanwhile.
    expect(() => ptdumpKernel(kernel)).toThrow(expect.objectContaining({ rule: 'upgrade' }));
    vmapRangeNoflush(initMm, late, late + 256 * pageBytes, frames.firstPfn, arch.kernelProt(VmFlags.Read | VmFlags.Write), true);
    memHotplugDone(kernel);
    expect(heard.constructed.every((table) => table.owner === initMm.id && !table.early && !table.lockInitialised)).toBe(true);
    expect(pageTables.nrPageTables(undefined, initMm.id)).toBe(1 + made.length + heard.constructed.length);
    expect(pagesOf(kernel, late, 256).map(({ frame }) => frame)).toEqual(Array.from({ length: 256 }, (_, page) => frames.firstPfn + page));
    expect(ptdumpKernel(kernel, { ranges: [{ start: early, end: whole.end }] }).length).toBeGreaterThan(1);

    // Hot-remove.
    const addedTables = heard.constructed.map(({ address }) => address);
    memHotplugBegin(kernel);
    unmapAll(initMm, late, late + 256 * pageBytes, early + 4 * pageBytes);
    memHotplugDone(kernel);
    unmapAll(initMm, early, early + 4 * pageBytes);
    kernel.rcu.barrier();
    expect(heard.destroyed.map(({ address }) => address).sort()).toEqual([...made, ...addedTables].sort());
    expect(vmallocInfo(kernel)).toEqual([]);
    quiet(kernel);
  });
});
