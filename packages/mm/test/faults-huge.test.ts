import { pmdLeaf, pmdpGet, pmdWrite, pmdYoung, ptePfn, pmdPfn, pmdpSetWrprotect } from '@pgtable/core';
import { afterEach, describe, expect, it } from 'vitest';
import { readUser, writeUser } from '../src/access/user-access.js';
import { setHugePolicy } from '../src/faults/policy.js';
import { hugePmdBytes, hugePmdOrder } from '../src/folio/huge.js';
import { isAnonExclusive, setAnonExclusive } from '../src/folio/rmap.js';
import { FrameType, FrameWord } from '../src/frames/memmap.js';
import { MmCounter } from '../src/kernel/mm.js';
import { VmaFlags } from '../src/kernel/vma-flags.js';
import { setCurrentThread } from '../src/locks/thread.js';
import { mmFindPmd } from '../src/tables/table-alloc.js';
import { pmdLock } from '../src/tables/table-locks.js';
import { boot, exit, map, NAMES, pfnAt, pteAt, quiet, WRITE, zap } from './faults-machine.js';

afterEach(() => {
  setCurrentThread(undefined);
});

const HUGE = WRITE | VmaFlags.HugePage;
const hugeNames = NAMES.filter((name) => {
  const kernel = boot(name, 64);
  const has = hugePmdOrder(kernel.newMm()) !== undefined;
  setCurrentThread(undefined);
  return has;
});

it('all architectures have huge pages, and one has configurations without', () => {
  expect(['x86', 'arm64', 'riscv', 's390'].every((arch) => hugeNames.some((name) => name.startsWith(arch)))).toBe(true);
  expect(NAMES.filter((name) => !hugeNames.includes(name)).map((name) => name.split(' ').slice(0, 2).join(' '))).toEqual(expect.arrayContaining(['arm64 16K', 'arm64 64K']));
});

describe.each(hugeNames)('%s', (name) => {
  it('a fault in a VMA for huge pages maps one, and puts a table aside', () => {
    const kernel = boot(name, 4096);
    const mm = kernel.newMm();
    const { arch } = mm;
    const pages = 2 ** hugePmdOrder(mm)!;
    const vma = map(mm, 2 * pages, HUGE);
    const last = vma.start + hugePmdBytes(mm) - 4;
    writeUser(mm, last, 77);
    const pmd = pmdpGet(arch, mmFindPmd(mm, last)!);
    expect([pmdLeaf(arch, pmd), pmdWrite(arch, pmd), pmdYoung(arch, pmd)]).toEqual([true, true, true]);
    expect([mm.counter(MmCounter.AnonPages), readUser(mm, last), readUser(mm, vma.start), kernel.frames.read(pmdPfn(arch, pmd), FrameWord.Refcount)]).toEqual([pages, 77, 0, 1]);
    expect(kernel.pageTables.nrPageTables('pte')).toBe(1);
    zap(vma, vma.start, vma.start + hugePmdBytes(mm));
    expect([mm.counter(MmCounter.AnonPages), readUser(mm, last)]).toEqual([0, 0]);
    exit(mm);
    quiet(kernel);
  });

  it('small pages are mapped where the VMA is too small, madvise says so, or no block is left', () => {
    const kernel = boot(name, 4096);
    const mm = kernel.newMm();
    const pages = 2 ** hugePmdOrder(mm)!;
    const short = map(mm, pages - 1, HUGE);
    writeUser(mm, short.start, 1);
    const never = map(mm, pages, WRITE | VmaFlags.NoHugePage, { at: pages });
    setHugePolicy(kernel, { pmd: 'always', mthp: 'never', orders: [] });
    writeUser(mm, never.start, 2);
    expect(mm.counter(MmCounter.AnonPages)).toBe(2);
    // All large blocks are gone.
    const taken: number[] = [];
    for (let order = 10; order >= hugePmdOrder(mm)!; order--) {
      try {
        for (;;) taken.push(kernel.frames.allocPages(order));
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOMEM' });
      }
    }
    const full = map(mm, pages, HUGE, { at: 3 * pages });
    writeUser(mm, full.start, 3);
    expect([mm.counter(MmCounter.AnonPages), readUser(mm, full.start)]).toEqual([3, 3]);
    for (const pfn of taken) kernel.frames.put(pfn);
    exit(mm);
    quiet(kernel);
  });

  it('a huge page that is write-protected becomes writable again if nobody else has it, and is split if somebody has', () => {
    const kernel = boot(name, 4096);
    const mm = kernel.newMm();
    const { arch, context, pageBytes } = mm;
    const pages = 2 ** hugePmdOrder(mm)!;
    const vma = map(mm, pages, HUGE);
    writeUser(mm, vma.start, 1);
    const pmdp = mmFindPmd(mm, vma.start)!;
    const pfn = pmdPfn(arch, pmdpGet(arch, pmdp));
    const wrprotect = (): void => {
      const ptl = pmdLock(mm, pmdp);
      pmdpSetWrprotect(arch, context, BigInt(vma.start), pmdp).flush();
      ptl.unlock();
    };
    wrprotect();
    // Not exclusive any more, but its only reference is this one.
    setAnonExclusive(mm, pfn, false);
    writeUser(mm, vma.start + 8, 2);
    expect([pmdLeaf(arch, pmdpGet(arch, pmdp)), pmdPfn(arch, pmdpGet(arch, pmdp)), isAnonExclusive(mm, pfn)]).toEqual([true, pfn, true]);
    wrprotect();
    setAnonExclusive(mm, pfn, false);
    kernel.frames.get(pfn);
    writeUser(mm, vma.start + pageBytes, 3);
    expect(pmdLeaf(arch, pmdpGet(arch, pmdp))).toBe(false);
    expect([pfnAt(mm, vma.start), pfnAt(mm, vma.start + pageBytes) === pfn + 1, mm.counter(MmCounter.AnonPages)]).toEqual([pfn, false, pages]);
    expect([readUser(mm, vma.start), readUser(mm, vma.start + 8), readUser(mm, vma.start + pageBytes)]).toEqual([1, 2, 3]);
    kernel.frames.put(pfn);
    exit(mm);
    quiet(kernel);
  });
});

describe.each(NAMES)('%s', (name) => {
  it('a fault maps the largest block of the orders that are allowed, fits into the VMA, and has nothing mapped', () => {
    const kernel = boot(name, 512);
    const mm = kernel.newMm();
    const { arch, pageBytes } = mm;
    setHugePolicy(kernel, { pmd: 'never', mthp: 'madvise', orders: [2, 4] });
    const vma = map(mm, 64, HUGE);
    const at = (page: number): number => vma.start + page * pageBytes;
    writeUser(mm, at(21), 9);
    const first = pfnAt(mm, at(16))!;
    expect(Array.from({ length: 16 }, (_, page) => pfnAt(mm, at(16 + page)))).toEqual(Array.from({ length: 16 }, (_, page) => first + page));
    expect([first % 16, mm.counter(MmCounter.AnonPages), readUser(mm, at(21)), readUser(mm, at(20)), pfnAt(mm, at(15)), pfnAt(mm, at(32))]).toEqual([0, 16, 9, 0, undefined, undefined]);
    expect([kernel.frames.read(first, FrameWord.Refcount), kernel.frames.read(first + 5, FrameWord.Mapcount), kernel.frames.read(first, FrameWord.Type)]).toEqual([16, 1, FrameType.Anon]);
    // The zero page is in the way of a block of 16 pages, and not in that of 4.
    readUser(mm, at(0));
    writeUser(mm, at(6), 1);
    expect([pfnAt(mm, at(3)), pfnAt(mm, at(4))! % 4, ptePfn(arch, pteAt(mm, at(7))!) - pfnAt(mm, at(4))!, pfnAt(mm, at(8))]).toEqual([undefined, 0, 3, undefined]);
    writeUser(mm, at(2), 1);
    expect([pfnAt(mm, at(0)), pfnAt(mm, at(1)), pfnAt(mm, at(3))]).toEqual([kernel.zeroPfn, undefined, undefined]);
    const plain = map(mm, 16, WRITE, { at: 128 });
    writeUser(mm, plain.start, 1);
    expect(pfnAt(mm, plain.start + pageBytes)).toBe(undefined);
    exit(mm);
    quiet(kernel);
  });
});

it('blocks of 16 pages are contiguous for the hardware on arm64', () => {
  const kernel = boot('arm64 4K 48-bit', 512);
  const mm = kernel.newMm();
  setHugePolicy(kernel, { pmd: 'never', mthp: 'always', orders: [4] });
  const vma = map(mm, 16, WRITE);
  writeUser(mm, vma.start, 1);
  const { pte } = mm.arch.ops;
  const ptep = pte.advance(mm.arch.ops.pmd.offset(mmFindPmd(mm, vma.start)!, BigInt(vma.start))!, 0);
  expect(Array.from({ length: 16 }, (_, page) => pte.raw(pte.advance(ptep, page)) >> 52n & 1n)).toEqual(Array.from({ length: 16 }, () => 1n));
  exit(mm);
  quiet(kernel);
});

it('orders that are none are refused', () => {
  const kernel = boot('x86 4-level');
  expect(() => setHugePolicy(kernel, { pmd: 'never', mthp: 'always', orders: [0] })).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  quiet(kernel);
});

describe.each(hugeNames)('files on %s', (name) => {
  it('a huge page of a file is mapped by one entry where it fits, and a private write gets one small page', () => {
    const kernel = boot(name, 4096);
    const mm = kernel.newMm();
    const { arch, pageBytes } = mm;
    const order = hugePmdOrder(mm)!;
    const pages = 2 ** order;
    const file = kernel.newMapping(pages);
    const huge = kernel.frames.allocPages(order, FrameType.File);
    // The cache's references: one for each page, as collapse_file() has them.
    kernel.frames.get(huge, pages - 1);
    for (let page = 0; page < pages; page++) file.exchangePage(page, huge + page);
    const shared = map(mm, pages, WRITE | VmaFlags.Shared, { mapping: file });
    const own = map(mm, pages, WRITE, { mapping: file, at: pages });
    const crooked = map(mm, pages - 1, WRITE, { mapping: file, pgoff: 1, at: 2 * pages });
    writeUser(mm, shared.start + 3 * pageBytes, 5);
    const entry = pmdpGet(arch, mmFindPmd(mm, shared.start)!);
    expect([pmdLeaf(arch, entry), pmdWrite(arch, entry), pmdPfn(arch, entry), mm.counter(MmCounter.FilePages), kernel.pageTables.nrPageTables('pte')]).toEqual([true, true, huge, pages, 0]);
    expect([readUser(mm, own.start + 3 * pageBytes), pmdLeaf(arch, pmdpGet(arch, mmFindPmd(mm, own.start)!)), mm.counter(MmCounter.FilePages)]).toEqual([5, true, 2 * pages]);
    // The entry is not split, but unmapped.
    writeUser(mm, own.start + 3 * pageBytes, 6);
    expect([readUser(mm, shared.start + 3 * pageBytes), readUser(mm, own.start + 3 * pageBytes), mm.counter(MmCounter.FilePages), mm.counter(MmCounter.AnonPages)]).toEqual([5, 6, pages, 1]);
    // Where it begins in the middle of what an entry maps, by ptes.
    expect([readUser(mm, crooked.start + 2 * pageBytes), pfnAt(mm, crooked.start + 2 * pageBytes)]).toEqual([5, huge + 3]);
    exit(mm);
    file.free();
    quiet(kernel);
  });
});
