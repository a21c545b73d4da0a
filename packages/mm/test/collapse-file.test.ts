import { pfnPte, pmdPfn, pmdpGetOnce, pteMkdirty, pteMkwriteNovma, setPtes, VmFlags } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { collapseFile, collapsePteMappedThp, dupRmap, filemapGetPage, mmFindPmd, MmCounter, retractPageTables, setScheduler, splitHugePmd, VmaFlags, type Mapping } from '../src/index.js';
import { folioRefFreeze, folioRefUnfreeze } from '../src/folio/folio-lock.js';
import { FrameFlag, FrameType, FrameWord } from '../src/frames/memmap.js';
import { unscheduled } from '../src/schedule-point.js';
import type { TableHandles } from '@pgtable/core';
import { Huge, HUGE, ONE_OF_EACH } from './huge-machines.js';

type File = Mapping<TableHandles>;

const SHARED = VmFlags.Read | VmFlags.Write | VmFlags.Shared;

/** A kernel with a file of so many huge pages, and one VMA that maps all of it. */
function withFile(configuration: (typeof HUGE)[number], blocks = 1, flags: number = SHARED): { huge: Huge; file: File } {
  const huge = new Huge(configuration, blocks, {});
  const file = huge.kernel.newMapping(blocks * huge.pages);
  huge.remap({ mapping: file, flags });
  return { huge, file };
}

/** Maps a page of the file, as a fault would. */
function map(huge: Huge, file: File, page: number, write = false): number {
  const { mm } = huge;
  const { arch, context } = mm;
  const pfn = file.readPage(huge.vma.indexOf(huge.at(page)));
  huge.set(page, (ptep, address) => {
    dupRmap(mm, pfn, 1);
    const pte = pfnPte(arch, pfn, arch.vmProt(huge.vma.flags & 15));
    setPtes(arch, context, BigInt(address), ptep, write ? pteMkdirty(arch, pteMkwriteNovma(arch, pte)) : pte, 1);
  });
  return pfn;
}

/** Writes its number to each page of the cache. */
function number(huge: Huge, file: File): void {
  for (let index = 0; index < file.pages; index++) huge.write(file.readPage(index), index + 1);
}

function numbers(huge: Huge, file: File): (number | undefined)[] {
  return Array.from({ length: file.pages }, (_, index) => {
    const pfn = file.page(index);
    return pfn === undefined ? undefined : huge.read(pfn);
  });
}

function expected(file: File): number[] {
  return Array.from({ length: file.pages }, (_, index) => index + 1);
}

function close(huge: Huge, file: File): void {
  huge.mm.lock.writeLock();
  huge.unmap(0, huge.vma.pages);
  huge.mm.removeVma(huge.vma);
  huge.mm.lock.writeUnlock();
  file.free();
  huge.close();
}

describe.each(HUGE)('$name', (configuration) => {
  it('lets others go on where a page is frozen, until it has references again', () => {
    const { huge, file } = withFile(configuration);
    const { frames } = huge.kernel;
    const pfn = file.readPage(0);
    expect(folioRefFreeze(frames, pfn, 1)).toBe(true);
    const waits: string[] = [];
    setScheduler({
      point: () => undefined,
      blocked(what) {
        waits.push(what);
        unscheduled(() => { folioRefUnfreeze(frames, pfn, 1); });
      },
    });
    try {
      expect(filemapGetPage(file, 0)).toBe(pfn);
    } finally {
      setScheduler(undefined);
    }
    expect(waits).toEqual(['wait for references']);
    frames.put(pfn);
    close(huge, file);
  });

  it('waits for no references of a page that was exchanged and freed before it could have one', () => {
    const { huge, file } = withFile(configuration);
    const { frames } = huge.kernel;
    const [first, second] = [file.readPage(0), frames.allocPages(0, FrameType.File)];
    let exchanged = false;
    setScheduler({
      point(what) {
        if (what !== 'try for references' || exchanged) return;
        exchanged = true;
        unscheduled(() => { frames.put(file.exchangePage(0, second)!); });
      },
      blocked() { throw new Error('nobody waits'); },
    });
    try {
      expect(filemapGetPage(file, 0)).toBe(second);
    } finally {
      setScheduler(undefined);
    }
    expect(frames.read(first, FrameWord.Type)).toBe(FrameType.Free);
    frames.put(second);
    close(huge, file);
  });

  it('collapses a file that is mapped, maps the huge page by ptes, and then by a pmd entry', () => {
    const { huge, file } = withFile(configuration);
    number(huge, file);
    for (let page = 0; page < huge.pages; page += 3) map(huge, file, page, true);
    const tables = huge.kernel.pageTables.nrPageTables('pte');
    expect(tables).toBe(1);
    expect(collapseFile(file, 0)).toBe('succeed');
    huge.kernel.rcu.barrier();
    expect(huge.kernel.pageTables.nrPageTables('pte')).toBe(0);
    expect(huge.mm.counter(MmCounter.TableBytes) >= 0 && huge.mm.counter(MmCounter.FilePages) === 0).toBe(true);
    expect(numbers(huge, file)).toEqual(expected(file));
    const head = file.page(0)!;
    expect(huge.frames.read(head, FrameWord.Flags)).toBe(FrameFlag.Dirty);
    expect(huge.refcount(head)).toBe(huge.pages);
    expect(collapseFile(file, 0)).toBe('pteMappedHugepage');
    for (let page = 0; page < huge.pages; page += 2) map(huge, file, page, true);
    huge.mm.lock.readLock();
    expect(collapsePteMappedThp(huge.mm, huge.at(1), true)).toBe('succeed');
    expect(collapsePteMappedThp(huge.mm, huge.at(1), true)).toBe('pmdMapped');
    huge.mm.lock.readUnlock();
    expect(huge.isHuge()).toBe(true);
    expect(pmdPfn(huge.mm.arch, pmdpGetOnce(huge.mm.arch, huge.pmdp()))).toBe(head);
    expect(huge.refcount(head)).toBe(huge.pages + 1);
    expect(huge.mm.counter(MmCounter.FilePages)).toBe(huge.pages);
    expect(huge.contents().map((at) => at?.word)).toEqual(expected(file));
    close(huge, file);
  });
});

describe.each(ONE_OF_EACH)('a huge page of a file: $name', (configuration) => {
  it('is unmapped by a split, and can be mapped again', () => {
    const { huge, file } = withFile(configuration);
    number(huge, file);
    expect(collapseFile(file, 0)).toBe('succeed');
    map(huge, file, 0);
    huge.mm.lock.readLock();
    expect(collapsePteMappedThp(huge.mm, huge.at(0), true)).toBe('succeed');
    splitHugePmd(huge.vma, huge.pmdp(), huge.at(1));
    huge.mm.lock.readUnlock();
    expect(huge.contents().every((at) => at === undefined)).toBe(true);
    expect(huge.mm.counter(MmCounter.FilePages)).toBe(0);
    expect(huge.refcount(file.page(0)!)).toBe(huge.pages);
    huge.mm.lock.readLock();
    // The entry is empty: nothing is to be checked.
    expect(collapsePteMappedThp(huge.mm, huge.at(0), false)).toBe('succeed');
    expect(huge.isHuge()).toBe(false);
    expect(collapsePteMappedThp(huge.mm, huge.at(0), true)).toBe('succeed');
    expect(huge.isHuge()).toBe(true);
    huge.mm.lock.readUnlock();
    close(huge, file);
  });

  it('leaves what private mappings made of it, and their tables', () => {
    const { huge, file } = withFile(configuration, 1, VmFlags.Read | VmFlags.Write);
    const other = huge.other({ mapping: file, flags: SHARED });
    number(huge, file);
    for (let page = 0; page < 40; page++) map(other, file, page, true);
    for (let page = 1; page < 40; page++) map(huge, file, page);
    // A copy, as a write fault makes it.
    const copy = huge.fill(0);
    huge.write(copy, 1000);
    expect(collapseFile(file, 0)).toBe('succeed');
    huge.kernel.rcu.barrier();
    expect(huge.contents().map((at) => at?.word)).toEqual([1000, ...Array.from({ length: huge.pages - 1 }, () => undefined)]);
    expect(other.contents().every((at) => at === undefined)).toBe(true);
    expect(mmFindPmd(other.mm, other.at(0)) !== undefined && other.mm.arch.values.pmd.none(pmdpGetOnce(other.mm.arch, other.pmdp()))).toBe(true);
    expect(huge.kernel.pageTables.nrPageTables('pte', huge.mm.id)).toBe(1);
    for (let page = 1; page < 9; page++) map(huge, file, page);
    const before = huge.contents();
    huge.mm.lock.readLock();
    expect(collapsePteMappedThp(huge.mm, huge.at(0), true)).toBe('fail');
    huge.mm.lock.readUnlock();
    expect(huge.contents()).toEqual(before);
    other.mm.mmput();
    close(huge, file);
  });

  it('is mapped at once in every address space whose tables are empty', () => {
    const { huge, file } = withFile(configuration, 2);
    const others = [huge.other({ mapping: file, flags: SHARED }), huge.other({ mapping: file, flags: VmFlags.Read })];
    number(huge, file);
    for (const each of [huge, ...others]) for (const page of [0, 5, huge.pages, 2 * huge.pages - 1]) map(each, file, page);
    expect(collapseFile(file, huge.pages)).toBe('succeed');
    huge.kernel.rcu.barrier();
    for (const each of [huge, ...others]) {
      expect(huge.kernel.pageTables.nrPageTables('pte', each.mm.id)).toBe(1);
      expect(each.contents().flatMap((at, page) => at === undefined ? [] : [[page, at.word]])).toEqual([[0, 1], [5, 6]]);
    }
    // Nothing is left to retract; the other half has entries, and is no huge page.
    expect(retractPageTables(file, huge.pages)).toBe(0);
    expect(retractPageTables(file, 0)).toBe(0);
    expect(numbers(huge, file)).toEqual(expected(file));
    for (const each of others) each.mm.mmput();
    close(huge, file);
  });

  it('is not made where somebody has a page', () => {
    const { huge, file } = withFile(configuration);
    number(huge, file);
    const page = map(huge, file, 7, true);
    huge.frames.get(page);
    expect(collapseFile(file, 0)).toBe('pageCount');
    huge.frames.put(page);
    const flags = huge.frames.word(page, FrameWord.Flags);
    Atomics.or(huge.frames.memmap, flags, FrameFlag.Locked);
    expect(collapseFile(file, 0)).toBe('pageLock');
    Atomics.and(huge.frames.memmap, flags, ~FrameFlag.Locked);
    expect(file.page(7)).toBe(page);
    expect(huge.refcount(page)).toBe(1);
    expect(numbers(huge, file)).toEqual(expected(file));
    expect(collapseFile(file, 0)).toBe('succeed');
    close(huge, file);
  });

  it('is not made beyond the end, in the middle, or without memory', () => {
    const { huge, file } = withFile(configuration);
    expect(collapseFile(file, huge.pages)).toBe('truncated');
    expect(() => collapseFile(file, 1)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    const taken: number[] = [];
    for (;;) {
      try {
        taken.push(huge.frames.allocPages(Math.log2(huge.pages), FrameType.Allocated));
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOMEM' });
        break;
      }
    }
    expect(collapseFile(file, 0)).toBe('allocHugePageFail');
    // A block for the huge page, and none for the holes: what could be read stays in the cache.
    const last = taken.pop()!;
    const rest: number[] = [];
    while (huge.frames.free > 3) rest.push(huge.frames.allocPages(0, FrameType.Allocated));
    huge.frames.put(last);
    expect(collapseFile(file, 0)).toBe('fail');
    expect(numbers(huge, file).filter((word) => word === 0).length).toBeLessThan(huge.pages);
    for (const pfn of [...taken, ...rest]) huge.frames.put(pfn);
    // Holes are zeros.
    expect(collapseFile(file, 0)).toBe('succeed');
    expect(numbers(huge, file)).toEqual(expected(file).map(() => 0));
    close(huge, file);
  });

  it('is not mapped by a pmd entry where that cannot be', () => {
    const { huge, file } = withFile(configuration);
    const { mm } = huge;
    mm.lock.readLock();
    expect(collapsePteMappedThp(mm, 0, true)).toBe('vmaCheck');
    expect(collapsePteMappedThp(mm, huge.at(0), true)).toBe('pageNull');
    mm.lock.readUnlock();
    map(huge, file, 0);
    mm.lock.readLock();
    expect(collapsePteMappedThp(mm, huge.at(0), true)).toBe('pageCompound');
    mm.lock.readUnlock();
    expect(() => collapsePteMappedThp(mm, huge.at(0), true)).toThrow('mmap_lock');
    mm.lock.writeLock();
    mm.setVmaFlags(huge.vma, SHARED | VmaFlags.NoHugePage);
    expect(collapsePteMappedThp(mm, huge.at(0), true)).toBe('vmaCheck');
    mm.lock.writeUnlock();
    close(huge, file);
  });

  it('of a mapping that is shifted by a page is mapped by ptes for ever', () => {
    const { huge, file } = withFile(configuration, 2);
    const { mm } = huge;
    number(huge, file);
    huge.remap({ mapping: file, flags: SHARED, pgoff: 1, end: huge.vma.end - mm.pageBytes });
    for (let page = 0; page < huge.vma.pages; page += 7) map(huge, file, page);
    expect(collapseFile(file, 0)).toBe('succeed');
    expect(huge.contents().flatMap((at, page) => at === undefined ? [] : [page])).toEqual(Array.from({ length: huge.vma.pages }, (_, page) => page).filter((page) => page % 7 === 0 && page + 1 >= huge.pages));
    map(huge, file, 0);
    mm.lock.readLock();
    expect(collapsePteMappedThp(mm, huge.at(0), true)).toBe('vmaCheck');
    mm.lock.readUnlock();
    close(huge, file);
  });
});
