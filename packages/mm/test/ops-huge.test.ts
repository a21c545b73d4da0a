import { pmdLeaf, pmdMkuffdWp, pmdpGetOnce, pmdpInvalidate, pmdPresent, pmdUffdWp, ptepGet, pteUffdWp, setPmdAt } from '@pgtable/core';
import { afterEach, describe, expect, it } from 'vitest';
import {
  cleanRecordRange, clearYoung, fork, hugePmdBytes, madvise, MmCounter, mmFindPmd, mprotect, mremap, munmap, pagemapRead, pmdLock, pteOffsetMapLock, pteUnmapUnlock, readUser as load, setCurrentThread, setHugePolicy,
  VmaFlags, writeUser as store,
} from '../src/index.js';
import { FrameFlag, FrameWord } from '../src/frames/memmap.js';
import { ALL, areas, boot, HUGE, map, quiet, READ, reading, shape, WRITE, type Machine, type Space } from './ops-machine.js';

/* Pages that are larger than the smallest: of pmd entries, and blocks that several entries of a table map in a row. */

/** A load of the first word of a page, which may be where numbers have no room for others. */
function readUser(mm: Space, page: number): number {
  return load(mm, BigInt(page));
}

/** A store to it. */
function writeUser(mm: Space, page: number, value: number): void {
  store(mm, BigInt(page), value);
}

afterEach(() => {
  setCurrentThread(undefined);
});

function isHuge(mm: Space, address: number): boolean {
  const pmdp = mmFindPmd(mm, address);
  if (pmdp === undefined) return false;
  const pmd = pmdpGetOnce(mm.arch, pmdp);
  return pmdPresent(mm.arch, pmd) && pmdLeaf(mm.arch, pmd);
}

/** Physical address of the page table of an address. */
function tableAt(mm: Space, address: number): number {
  const pmd = pmdpGetOnce(mm.arch, mmFindPmd(mm, address)!);
  expect(pmdLeaf(mm.arch, pmd)).toBe(false);
  return mm.arch.values.pmd.table(pmd);
}

/** Has userfaultfd protect a huge page from writing. Returns: whether the architecture can say so */
function protectByUffd(mm: Space, start: number): boolean {
  const { arch, context } = mm;
  const pmdp = mmFindPmd(mm, start)!;
  const ptl = pmdLock(mm, pmdp);
  setPmdAt(arch, context, BigInt(start), pmdp, pmdMkuffdWp(arch, pmdpInvalidate(arch, context, BigInt(start), pmdp)));
  ptl.unlock();
  return arch.values.pmd.features.has('uffdWp');
}

describe.each(HUGE)('huge pages of $name', (configuration) => {
  /** @param test is given a VMA of two huge pages, of which the first is there, and has numbers in its first two pages and its last */
  function run(test: (kernel: Machine, mm: Space, start: number, size: number) => void): void {
    const kernel = boot(configuration, 4096);
    setHugePolicy(kernel, { pmd: 'always', mthp: 'never', orders: [] });
    const mm = kernel.newMm();
    const size = hugePmdBytes(mm);
    const start = map(mm, 2 * size / mm.pageBytes, WRITE);
    expect(start % size).toBe(0);
    for (const [page, value] of [[0, 1], [1, 2], [size / mm.pageBytes - 1, 3]] as const) writeUser(mm, start + page * mm.pageBytes, value);
    expect(isHuge(mm, start)).toBe(true);
    test(kernel, mm, start, size);
    mm.mmput();
    quiet(kernel);
  }

  function words(mm: Space, start: number, size: number): number[] {
    return [readUser(mm, start), readUser(mm, start + mm.pageBytes), readUser(mm, start + size - mm.pageBytes)];
  }

  it('are unmapped whole, with what was put aside for them', () => {
    run((kernel, mm, start, size) => {
      munmap(mm, start, size);
      expect(mm.counter(MmCounter.AnonPages)).toBe(0);
      expect(areas(mm)).toEqual([`${(start + size) / mm.pageBytes} +${size / mm.pageBytes} 0x3`]);
    });
  });

  it('are split where they are unmapped in part', () => {
    run((kernel, mm, start, size) => {
      munmap(mm, start + mm.pageBytes, mm.pageBytes);
      expect(isHuge(mm, start)).toBe(false);
      expect(mm.counter(MmCounter.AnonPages)).toBe(size / mm.pageBytes - 1);
      expect([readUser(mm, start), readUser(mm, start + size - mm.pageBytes)]).toEqual([1, 3]);
    });
  });

  it('are shared by fork, and copied when they are written', () => {
    run((kernel, mm, start, size) => {
      const child = fork(mm);
      expect([isHuge(mm, start), isHuge(child, start)]).toEqual([true, true]);
      writeUser(child, start, 10);
      writeUser(mm, start + mm.pageBytes, 20);
      expect(words(mm, start, size)).toEqual([1, 20, 3]);
      expect(words(child, start, size)).toEqual([10, 2, 3]);
      child.mmput();
    });
  });

  it('are split and copied by fork where somebody may write through a pin', () => {
    run((kernel, mm, start, size) => {
      const pfn = reading(mm, () => pagemapRead(mm, start, start + mm.pageBytes))[0]!.pfn;
      kernel.frames.get(pfn);
      const child = fork(mm);
      expect([isHuge(mm, start), isHuge(child, start)]).toEqual([false, false]);
      // The page is the parent's still, and it may write to it.
      expect(reading(mm, () => pagemapRead(mm, start, start + mm.pageBytes))[0]).toMatchObject({ pfn, write: true, exclusive: true });
      expect(reading(child, () => pagemapRead(child, start, start + mm.pageBytes))[0]!.pfn).not.toBe(pfn);
      expect(words(child, start, size)).toEqual([1, 2, 3]);
      kernel.frames.put(pfn);
      child.mmput();
    });
  });

  it('that userfaultfd protects are forked without its mark, and so are their ptes', () => {
    run((kernel, mm, start, size) => {
      const { arch } = mm;
      const able = protectByUffd(mm, start);
      const marked = (of: Space): boolean => pmdUffdWp(arch, pmdpGetOnce(arch, mmFindPmd(of, start)!));
      // Nor does it become writable before somebody takes the mark away.
      mprotect(mm, start, size, READ);
      mprotect(mm, start, size, WRITE);
      expect(reading(mm, () => pagemapRead(mm, start, start + size))).toMatchObject([{ huge: true, write: !able }]);
      const child = fork(mm);
      expect([isHuge(child, start), marked(mm), marked(child)]).toEqual([true, able, false]);
      munmap(mm, start + mm.pageBytes, size - mm.pageBytes);
      const second = fork(mm);
      const markedPte = (of: Space): boolean => {
        const table = pteOffsetMapLock(of, mmFindPmd(of, start)!, start);
        if (table === undefined) throw new Error('there is no table');
        const pte = ptepGet(arch, table.ptep);
        pteUnmapUnlock(table);
        return pteUffdWp(arch, pte);
      };
      expect([markedPte(mm), markedPte(second), readUser(second, start)]).toEqual([able, false, 1]);
      child.mmput();
      second.mmput();
    });
  });

  it.each(['a huge page', 'a page table', 'ptes'] as const)('that userfaultfd protects are moved without its mark: as %s', (how) => {
    run((kernel, mm, start, size) => {
      const { arch } = mm;
      const able = protectByUffd(mm, start);
      const markedPte = (address: number): boolean => {
        const table = pteOffsetMapLock(mm, mmFindPmd(mm, address)!, address);
        if (table === undefined) throw new Error('there is no table');
        const pte = ptepGet(arch, table.ptep);
        pteUnmapUnlock(table);
        return pteUffdWp(arch, pte);
      };
      // A huge page of which a part is protected is split.
      if (how === 'a page table') {
        mprotect(mm, start + mm.pageBytes, mm.pageBytes, READ);
        mprotect(mm, start + mm.pageBytes, mm.pageBytes, WRITE);
        expect(markedPte(start)).toBe(able);
      }
      const to = start - 4 * size - (how === 'ptes' ? mm.pageBytes : 0);
      mremap(mm, start, size, size, { to });
      expect(isHuge(mm, to)).toBe(how === 'a huge page');
      expect(how === 'a huge page' ? pmdUffdWp(arch, pmdpGetOnce(arch, mmFindPmd(mm, to)!)) : markedPte(to)).toBe(false);
      expect(readUser(mm, to)).toBe(1);
      writeUser(mm, to, 2);
      writeUser(mm, to + size - mm.pageBytes, 3);
      expect([readUser(mm, to), readUser(mm, to + size - mm.pageBytes)]).toEqual([2, 3]);
    });
  });

  it('are split where a VMA is, so that none is in two', () => {
    run((kernel, mm, start, size) => {
      madvise(mm, start + mm.pageBytes, size - mm.pageBytes, 'hugepage');
      expect(areas(mm)).toHaveLength(3);
      expect(isHuge(mm, start)).toBe(false);
      const child = fork(mm);
      expect(words(child, start, size)).toEqual([1, 2, 3]);
      child.mmput();
    });
  });

  it('get other rights whole, or are split', () => {
    run((kernel, mm, start, size) => {
      mprotect(mm, start, size, READ);
      expect(isHuge(mm, start)).toBe(true);
      expect(reading(mm, () => pagemapRead(mm, start, start + size))).toMatchObject([{ huge: true, write: false, start, end: start + size }]);
      mprotect(mm, start, size, WRITE);
      expect(reading(mm, () => pagemapRead(mm, start, start + size))).toMatchObject([{ huge: true, write: true }]);
      mprotect(mm, start + mm.pageBytes, mm.pageBytes, READ);
      expect(isHuge(mm, start)).toBe(false);
      expect(words(mm, start, size)).toEqual([1, 2, 3]);
    });
  });

  it('that userfaultfd protects from writing stay protected when the VMA may be written again, whole and split', () => {
    run((kernel, mm, start, size) => {
      const { arch: { ops: { pmd: ops }, values: { pmd: values } } } = mm;
      if (!protectByUffd(mm, start)) return;
      const pmdp = mmFindPmd(mm, start)!;
      const protect = (prot: number): void => {
        mprotect(mm, start, size, prot);
        mprotect(mm, start, size, WRITE);
        expect(reading(mm, () => pagemapRead(mm, start, start + size)).map(({ write }) => write)).toEqual([false]);
      };
      protect(READ);
      protect(0);
      expect([values.uffdWp(ops.get(pmdp)), isHuge(mm, start)]).toEqual([true, true]);
      munmap(mm, start + size - mm.pageBytes, mm.pageBytes);
      expect(isHuge(mm, start)).toBe(false);
      mprotect(mm, start, size - mm.pageBytes, READ);
      mprotect(mm, start, size - mm.pageBytes, WRITE);
      expect(reading(mm, () => pagemapRead(mm, start, start + size)).map(({ write }) => write)).toEqual([false]);
    });
  });

  it('are moved whole, with what was put aside for them, or entry by entry', () => {
    run((kernel, mm, start, size) => {
      // Far away: another PMD table, where there are several.
      const to = mremap(mm, start, size, size, { to: 2 ** 28 });
      expect([isHuge(mm, to), isHuge(mm, start)]).toEqual([true, false]);
      expect(words(mm, to, size)).toEqual([1, 2, 3]);
      const aside = mremap(mm, to, size, size, { to: start - 4 * size + mm.pageBytes });
      expect(isHuge(mm, aside)).toBe(false);
      expect(words(mm, aside, size)).toEqual([1, 2, 3]);
    });
  });

  it('are page tables to be moved whole once they were split', () => {
    run((kernel, mm, start, size) => {
      mprotect(mm, start + mm.pageBytes, mm.pageBytes, READ);
      mprotect(mm, start + mm.pageBytes, mm.pageBytes, WRITE);
      const table = tableAt(mm, start);
      const to = mremap(mm, start, size, size, { to: start - 8 * size });
      expect(tableAt(mm, to)).toBe(table);
      expect(words(mm, to, size)).toEqual([1, 2, 3]);
    });
  });

  it('are reported as written whole where a part is asked for, because no part can be made clean by itself', () => {
    run((kernel, mm, start, size) => {
      const clean = (from: number, end: number): unknown => reading(mm, () => cleanRecordRange(mm, from, end));
      const middle = start + size / 2;
      expect([clean(start, middle), clean(middle, start + size)]).toEqual([[{ start, end: start + size }], []]);
      writeUser(mm, start, 4);
      expect([clean(middle, start + 2 * size), clean(start, middle)]).toEqual([[{ start, end: start + size }], []]);
      expect(isHuge(mm, start)).toBe(true);
    });
  });

  it('come and go by advice', () => {
    run((kernel, mm, start, size) => {
      expect(reading(mm, () => clearYoung(mm, start, start + 2 * size))).toBe(size / mm.pageBytes);
      expect(reading(mm, () => clearYoung(mm, start, start + 2 * size))).toBe(0);
      readUser(mm, start);
      expect(reading(mm, () => cleanRecordRange(mm, start, start + 2 * size))).toEqual([{ start, end: start + size }]);
      expect(reading(mm, () => cleanRecordRange(mm, start, start + 2 * size))).toEqual([]);
      writeUser(mm, start, 4);
      expect(reading(mm, () => cleanRecordRange(mm, start, start + 2 * size))).toHaveLength(1);
      madvise(mm, start, 2 * size, 'dontneed');
      expect(words(mm, start, size)).toEqual([0, 0, 0]);
      madvise(mm, start, size, 'dontneed');
      madvise(mm, start, 2 * size, 'nohugepage');
      writeUser(mm, start + mm.pageBytes, 2);
      expect(isHuge(mm, start)).toBe(false);
      madvise(mm, start, 2 * size, 'hugepage');
      madvise(mm, start, size, 'collapse');
      expect(isHuge(mm, start)).toBe(true);
      expect(words(mm, start, size)).toEqual([0, 2, 0]);
    });
  });

  it('are made by advice of each VMA by itself, and nothing that is there keeps another VMA from it', () => {
    run((kernel, mm, start, size) => {
      const { pageBytes } = mm;
      munmap(mm, start, 2 * size);
      setHugePolicy(kernel, { pmd: 'never', mthp: 'never', orders: [] });
      // Two VMAs of one huge page and a half each: of the middle one each has a half.
      const half = size / 2;
      const first = map(mm, 3 * half / pageBytes, WRITE, { address: start - size, fixed: true });
      map(mm, 3 * half / pageBytes, WRITE, { address: first + 3 * half, fixed: true, flags: VmaFlags.Locked });
      for (let at = 0; at < 6; at++) writeUser(mm, first + at * half, at + 1);
      madvise(mm, first, 3 * size, 'collapse');
      expect([0, 1, 2].map((at) => isHuge(mm, first + at * size))).toEqual([true, false, true]);
      expect([0, 1, 2, 3, 4, 5].map((at) => readUser(mm, first + at * half))).toEqual([1, 2, 3, 4, 5, 6]);
      munmap(mm, first, 3 * size);
      // A hole is told at the end, and what is behind it is done.
      map(mm, size / pageBytes, WRITE, { address: first, fixed: true });
      map(mm, size / pageBytes, WRITE, { address: first + 2 * size, fixed: true });
      for (const at of [0, 2]) writeUser(mm, first + at * size, at + 1);
      expect(() => { madvise(mm, first, 3 * size, 'collapse'); }).toThrow(expect.objectContaining({ code: 'ENOMEM' }));
      expect([isHuge(mm, first), isHuge(mm, first + 2 * size)]).toEqual([true, true]);
      // Where none can lie, it ends.
      map(mm, half / pageBytes, WRITE, { address: first + size, fixed: true, flags: VmaFlags.Locked });
      madvise(mm, first + 2 * size, size, 'dontneed');
      writeUser(mm, first + 2 * size, 3);
      expect(() => { madvise(mm, first, 3 * size, 'collapse'); }).toThrow(expect.objectContaining({ code: 'EINVAL', address: BigInt(first + size) }));
      expect(isHuge(mm, first + 2 * size)).toBe(false);
    });
  });

  it('of a file are made by advice too, and mapped at once', () => {
    run((kernel, mm, start, size) => {
      const { pageBytes } = mm;
      const pages = size / pageBytes;
      munmap(mm, start, 2 * size);
      setHugePolicy(kernel, { pmd: 'never', mthp: 'never', orders: [] });
      const file = kernel.newMapping(2 * pages);
      const other = kernel.newMm();
      const shared = map(mm, 2 * pages, WRITE, { address: start, fixed: true, mapping: file, sharing: 'shared' });
      const own = map(other, 2 * pages, WRITE, { address: start, fixed: true, mapping: file });
      for (const at of [0, 1, pages - 1, pages]) writeUser(mm, shared + at * pageBytes, at + 1);
      writeUser(other, own + pageBytes, 99);
      madvise(mm, shared, 2 * size, 'collapse');
      expect([isHuge(mm, shared), isHuge(mm, shared + size), isHuge(other, own)]).toEqual([true, true, false]);
      // Once more: it is there already.
      madvise(mm, shared, size, 'collapse');
      expect([0, 1, pages - 1, pages].map((at) => readUser(mm, shared + at * pageBytes))).toEqual([1, 2, pages, pages + 1]);
      // A copy of a private mapping is in the way; where there is none, the cache's page is mapped.
      expect(() => { madvise(other, own, size, 'collapse'); }).toThrow(expect.objectContaining({ code: 'EINVAL' }));
      madvise(other, own + size, size, 'collapse');
      expect([isHuge(other, own), isHuge(other, own + size), readUser(other, own + pageBytes), readUser(other, own + size)]).toEqual([false, true, 99, pages + 1]);
      writeUser(mm, shared + size, 5);
      expect(readUser(other, own + size)).toBe(5);
      other.mmput();
      munmap(mm, shared, 2 * size);
      file.free();
    });
  });
});

/** Configurations in which several entries can map one page together, and others. */
const BLOCKS = ['arm64 4K 48-bit', 'arm64 16K 47-bit', 'x86 4-level', 'riscv Sv39', 's390 pud'].map((name) => shape(name));

describe.each(BLOCKS)('blocks of 16 pages of $name', (configuration) => {
  it('are forked, protected, moved and unmapped in batches, whole and in part', () => {
    const kernel = boot(configuration);
    setHugePolicy(kernel, { pmd: 'never', mthp: 'always', orders: [4] });
    const mm = kernel.newMm();
    const page = mm.pageBytes;
    const start = map(mm, 64, WRITE, { address: (2 ** 28) - (2 ** 28) % (16 * page), fixed: true });
    for (let at = 0; at < 64; at++) writeUser(mm, start + at * page, at + 1);
    const all = (space: Space, from = start): number[] => Array.from({ length: 64 }, (_, at) => readUser(space, from + at * page));
    const numbers = Array.from({ length: 64 }, (_, at) => at + 1);
    expect(reading(mm, () => pagemapRead(mm, start, start + 64 * page)).reduce((sum, run) => sum + (run.end - run.start) / page, 0)).toBe(64);
    const child = fork(mm);
    expect(all(child)).toEqual(numbers);
    writeUser(child, start + 20 * page, 0);
    expect(all(mm)).toEqual(numbers);
    child.mmput();
    mprotect(mm, start + 3 * page, 20 * page, READ);
    expect(all(mm)).toEqual(numbers);
    mprotect(mm, start + 3 * page, 20 * page, WRITE);
    expect(reading(mm, () => clearYoung(mm, start, start + 64 * page))).toBeGreaterThan(0);
    expect(reading(mm, () => cleanRecordRange(mm, start, start + 64 * page))).toEqual([{ start, end: start + 64 * page }]);
    const to = mremap(mm, start, 64 * page, 64 * page, { to: start + 1024 * page + page });
    expect(all(mm, to)).toEqual(numbers);
    munmap(mm, to + 5 * page, 7 * page);
    expect(mm.counter(MmCounter.AnonPages)).toBe(57);
    mm.mmput();
    quiet(kernel);
  });
});

describe.each(['x86 4-level', 'arm64 4K 48-bit', 'riscv Sv39', 's390 pud'].map((name) => shape(name)))('files of $name', (configuration) => {
  it('learn from an entry that is unmapped what was done to a page', () => {
    const kernel = boot(configuration);
    const mm = kernel.newMm();
    const mapping = kernel.newMapping(4);
    const start = map(mm, 4, WRITE, { mapping, sharing: 'shared' });
    writeUser(mm, start, 1);
    readUser(mm, start + mm.pageBytes);
    const flags = (index: number): number => kernel.frames.read(mapping.page(index)!, FrameWord.Flags) & (FrameFlag.Dirty | FrameFlag.Referenced);
    munmap(mm, start, 4 * mm.pageBytes);
    expect(flags(0)).toBe(FrameFlag.Dirty | FrameFlag.Referenced);
    expect(flags(1) & FrameFlag.Referenced).toBe(FrameFlag.Referenced);
    mm.mmput();
    mapping.free();
    quiet(kernel);
  });
});

it('there are huge pages to be tested in every architecture', () => {
  expect(HUGE.map(({ name }) => name.split(' ')[0])).toEqual([...new Set(ALL.map(({ name }) => name.split(' ')[0]))]);
});
