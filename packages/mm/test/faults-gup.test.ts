import {
  pmdLeaf, pmdpGet, pmdPopulate, pmdUnlink, pteOffset, ptepGet, ptepGetAndClear, setPteAt, type TableHandles, type UnlinkedTable,
} from '@pgtable/core';
import { afterEach, describe, expect, it } from 'vitest';
import { readUser, writeUser } from '../src/access/user-access.js';
import { hugePmdOrder } from '../src/folio/huge.js';
import { FrameFlag, FrameWord } from '../src/frames/memmap.js';
import { gupFast } from '../src/gup/gup-fast.js';
import { getUserPagesFast, putPages } from '../src/gup/get-user-pages.js';
import { VmaFlags } from '../src/kernel/vma-flags.js';
import { setCurrentThread } from '../src/locks/thread.js';
import { fork } from '../src/ops/fork.js';
import { setScheduler, unscheduled } from '../src/schedule-point.js';
import { entryStart, mmFindPmd } from '../src/tables/table-alloc.js';
import { pteLockptr } from '../src/tables/table-locks.js';
import { boot, exit, map, NAMES, pfnAt, quiet, READ, share, WRITE, zap } from './faults-machine.js';

afterEach(() => {
  setCurrentThread(undefined);
});

describe.each(NAMES)('%s', (name) => {
  it('pages that are mapped are had without a lock, the others with faults', () => {
    const kernel = boot(name);
    const { frames } = kernel;
    const mm = kernel.newMm();
    const { pageBytes } = mm;
    const vma = map(mm, 6, WRITE);
    writeUser(mm, vma.start, 1);
    writeUser(mm, vma.start + pageBytes, 2);
    readUser(mm, vma.start + 2 * pageBytes);
    const fast: number[] = [];
    // The zero page is special.
    expect([gupFast(mm, vma.start, 6, true, fast), fast]).toEqual([2, [pfnAt(mm, vma.start), pfnAt(mm, vma.start + pageBytes)]]);
    expect(frames.read(fast[0]!, FrameWord.Refcount)).toBe(2);
    putPages(mm, fast, true);
    expect([frames.read(fast[0]!, FrameWord.Refcount), frames.read(fast[0]!, FrameWord.Flags) & (FrameFlag.Dirty | FrameFlag.Referenced)]).toEqual([1, FrameFlag.Dirty | FrameFlag.Referenced]);
    const pages = getUserPagesFast(mm, vma.start, 6, true);
    expect(pages).toEqual(Array.from({ length: 6 }, (_, page) => pfnAt(mm, vma.start + page * pageBytes)));
    expect(new Set(pages).size).toBe(6);
    // What is unmapped is kept by the reference.
    frames.ram[(pages[5]! - frames.firstPfn) * pageBytes / 4] = 9;
    expect(readUser(mm, vma.start + 5 * pageBytes)).toBe(9);
    zap(vma, vma.start, vma.end);
    expect(pages.map((pfn) => frames.read(pfn, FrameWord.Refcount))).toEqual([1, 1, 1, 1, 1, 1]);
    putPages(mm, pages);
    // To read, the zero page will do.
    const zero = getUserPagesFast(mm, vma.start, 1, false);
    expect(zero).toEqual([kernel.zeroPfn]);
    putPages(mm, zero);
    exit(mm);
    quiet(kernel);
  });

  it('to write, a page that is shared is copied first; what cannot be had ends the range', () => {
    const kernel = boot(name);
    const mm = kernel.newMm();
    const child = kernel.newMm();
    const { pageBytes } = mm;
    const vma = map(mm, 2, WRITE);
    const read = map(mm, 2, READ, { at: 2 });
    map(child, 2, WRITE);
    writeUser(mm, vma.start, 1);
    share(vma, child, vma.start);
    const old = pfnAt(mm, vma.start);
    const [page] = getUserPagesFast(mm, vma.start, 1, true);
    expect([page === old, pfnAt(mm, vma.start) === page, pfnAt(child, vma.start)]).toEqual([false, true, old]);
    putPages(mm, [page!]);
    const some = getUserPagesFast(mm, vma.start, 4, true);
    expect(some.length).toBe(2);
    putPages(mm, some);
    const all = getUserPagesFast(mm, vma.start, 5, false);
    expect(all.length).toBe(4);
    putPages(mm, all);
    expect(() => getUserPagesFast(mm, read.start, 1, true)).toThrow(expect.objectContaining({ signal: 'SIGSEGV' }));
    expect(() => getUserPagesFast(mm, read.end, 1, false)).toThrow(expect.objectContaining({ signal: 'SIGSEGV' }));
    expect(() => getUserPagesFast(mm, vma.start + 4, 1, false)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => getUserPagesFast(mm, vma.start, 0, false)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    const file = kernel.newMapping(1);
    const short = map(mm, 2, WRITE, { mapping: file, at: 8 });
    expect(() => getUserPagesFast(mm, short.start + pageBytes, 1, false)).toThrow(expect.objectContaining({ signal: 'SIGBUS' }));
    exit(mm);
    exit(child);
    file.free();
    quiet(kernel);
  });

  it('a page whose entry changes, or whose table is taken out, while the reference is taken is not had', () => {
    const kernel = boot(name);
    const { frames } = kernel;
    const mm = kernel.newMm();
    const { arch, context } = mm;
    const vma = map(mm, 2, WRITE);
    writeUser(mm, vma.start, 1);
    const pfn = pfnAt(mm, vma.start)!;
    const pmdp = mmFindPmd(mm, vma.start)!;
    const ptep = pteOffset(arch, pmdp, BigInt(vma.start))!;
    const whole = frames.tryGet.bind(frames);
    const changes: ((put: boolean) => void)[] = [];
    let saved = ptepGet(arch, ptep);
    changes.push((put) => {
      const ptl = pteLockptr(mm, pmdpGet(arch, pmdp)).lock();
      if (put) setPteAt(arch, context, BigInt(vma.start), ptep, saved);
      else saved = ptepGetAndClear(arch, context, BigInt(vma.start), ptep).ignore('it comes back');
      ptl.unlock();
    });
    const start = entryStart(mm, 'pmd', vma.start);
    let table: UnlinkedTable<TableHandles> | undefined;
    changes.push((put) => {
      if (!put) table = pmdUnlink(arch, context, BigInt(start), pmdp).ignore('it comes back');
      else pmdPopulate(arch, context, BigInt(start), pmdp, table!);
    });
    for (const change of changes) {
      frames.tryGet = (frame, references) => {
        change(false);
        return whole(frame, references);
      };
      const pages: number[] = [];
      expect([gupFast(mm, vma.start, 1, true, pages), pages, frames.read(pfn, FrameWord.Refcount)]).toEqual([0, [], 1]);
      change(true);
      frames.tryGet = whole;
      expect(gupFast(mm, vma.start, 1, true, pages)).toBe(1);
      putPages(mm, pages);
    }
    exit(mm);
    quiet(kernel);
  });

  it('nothing is had without a lock while a fork makes pages read-only, nor if one came meanwhile', () => {
    const kernel = boot(name);
    const { frames } = kernel;
    const mm = kernel.newMm();
    const vma = map(mm, 2, WRITE);
    for (const page of [0, 1]) writeUser(mm, vma.start + page * mm.pageBytes, page);
    const references = (): number[] => [0, 1].map((page) => frames.read(pfnAt(mm, vma.start + page * mm.pageBytes)!, FrameWord.Refcount));
    const got: number[] = [];
    mm.lock.writeLock();
    mm.advanceWriteProtect();
    expect([gupFast(mm, vma.start, 2, true, got), gupFast(mm, vma.start, 2, false, got)]).toEqual([0, 0]);
    mm.advanceWriteProtect();
    let tries = 0;
    setScheduler({
      point(what) {
        if (what !== 'try for references' || ++tries !== 2) return;
        unscheduled(() => {
          mm.advanceWriteProtect();
          mm.advanceWriteProtect();
        });
      },
      blocked: () => undefined,
    });
    try {
      expect(gupFast(mm, vma.start, 2, true, got)).toBe(0);
    } finally {
      setScheduler(undefined);
    }
    expect([tries, got, references()]).toEqual([2, [], [1, 1]]);
    expect([gupFast(mm, vma.start, 2, true, got), references()]).toEqual([2, [2, 2]]);
    mm.lock.writeUnlock();
    // It is the fork of private pages alone: that of this VMA advances it twice.
    const before = mm.writeProtectSequence;
    const child = fork(mm);
    expect(mm.writeProtectSequence - before).toBe(2);
    // The child has copies, for somebody may write to these.
    expect(references()).toEqual([2, 2]);
    putPages(mm, got);
    child.mmput();
    exit(mm);
    quiet(kernel);
  });

  it('pages of a huge page are had with one reference each', () => {
    const kernel = boot(name, 4096);
    const mm = kernel.newMm();
    const order = hugePmdOrder(mm);
    const pages = 2 ** (order ?? 4);
    const vma = map(mm, pages, WRITE | VmaFlags.HugePage);
    writeUser(mm, vma.start, 1);
    expect(pmdLeaf(mm.arch, pmdpGet(mm.arch, mmFindPmd(mm, vma.start)!))).toBe(order !== undefined);
    const got = getUserPagesFast(mm, vma.start + 2 * mm.pageBytes, pages - 2, true);
    if (order !== undefined) {
      expect([got, kernel.frames.read(got[0]! - 2, FrameWord.Refcount)]).toEqual([Array.from({ length: pages - 2 }, (_, page) => got[0]! + page), pages - 1]);
    }
    putPages(mm, got);
    exit(mm);
    quiet(kernel);
  });
});
