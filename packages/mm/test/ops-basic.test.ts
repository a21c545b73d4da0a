import {
  makeReadableExclusiveMigrationEntry, makeReadableMigrationEntry, makeWritableMigrationEntry, ptepGet, pteSwpMksoftDirty, setPteAt, swpEntryToPte, type PteVal, type TableHandles,
} from '@pgtable/core';
import { folioWalkEnd, folioWalkStart } from '@pgtable/walk';
import { afterEach, describe, expect, it } from 'vitest';
import {
  clearYoung, fork, handleMmFault, madvise, mmAllocPmd, MmCounter, mprotect, mremap, munmap, pagemapRead, pteOffsetMapLock, pteUnmapUnlock, readUser as load, setCurrentThread, UserFaultError, writeUser as store,
} from '../src/index.js';
import { ALL, areas, boot, map, quiet, READ, reading, WRITE, type Machine, type Space } from './ops-machine.js';

/* The life of an address space, in every configuration. */

afterEach(() => {
  setCurrentThread(undefined);
});

/** A load of the first word of a page, which may be where numbers have no room for others. */
function readUser(mm: Space, page: number): number {
  return load(mm, BigInt(page));
}

/** A store to it. */
function writeUser(mm: Space, page: number, value: number): void {
  store(mm, BigInt(page), value);
}

const PAGES = 5;

/** Writes a number to each of some pages. */
function fill(mm: Space, start: number, pages: number, first = 1): void {
  for (let page = 0; page < pages; page++) writeUser(mm, start + page * mm.pageBytes, first + page);
}

/** What is read at each of some pages. */
function words(mm: Space, start: number, pages: number): number[] {
  return Array.from({ length: pages }, (_, page) => readUser(mm, start + page * mm.pageBytes));
}

describe.each(ALL)('$name', (configuration) => {
  function run(test: (kernel: Machine, mm: Space, page: number) => void): void {
    const kernel = boot(configuration);
    const mm = kernel.newMm();
    test(kernel, mm, mm.pageBytes);
    mm.mmput();
    quiet(kernel);
  }

  it('maps and unmaps, and gives tables back', () => {
    run((kernel, mm, page) => {
      const start = map(mm, PAGES, WRITE);
      fill(mm, start, PAGES);
      expect(mm.counter(MmCounter.AnonPages)).toBe(PAGES);
      munmap(mm, start + page, 2 * page);
      expect(mm.counter(MmCounter.AnonPages)).toBe(PAGES - 2);
      expect(areas(mm)).toEqual([`${start / page} +1 0x3`, `${start / page + 3} +2 0x3`]);
      expect([readUser(mm, start), readUser(mm, start + 3 * page)]).toEqual([1, 4]);
      expect(() => readUser(mm, start + page)).toThrow(UserFaultError);
      munmap(mm, start, PAGES * page);
      kernel.rcu.barrier();
      expect(areas(mm)).toEqual([]);
      expect([mm.counter(MmCounter.AnonPages), mm.counter(MmCounter.TableBytes), kernel.pageTables.nrPageTables(undefined, mm.id)]).toEqual([0, 0, 1]);
    });
  });

  it('forks: both have what was written before, and not what the other writes after', () => {
    run((kernel, mm, page) => {
      const start = map(mm, PAGES, WRITE);
      fill(mm, start, 3);
      const child = fork(mm);
      expect(words(child, start, PAGES)).toEqual([1, 2, 3, 0, 0]);
      expect(reading(mm, () => pagemapRead(mm, start, start + 3 * page)).some((run) => run.write || run.exclusive)).toBe(false);
      writeUser(child, start, 10);
      writeUser(mm, start + page, 20);
      writeUser(mm, start + 3 * page, 40);
      expect(words(mm, start, PAGES)).toEqual([1, 20, 3, 40, 0]);
      expect(words(child, start, PAGES)).toEqual([10, 2, 3, 0, 0]);
      child.mmput();
      writeUser(mm, start + 2 * page, 30);
      expect(words(mm, start, PAGES)).toEqual([1, 20, 30, 40, 0]);
    });
  });

  it('knows what was written since soft-dirty marks were cleared, and not what was read', () => {
    run((kernel, mm, page) => {
      const start = map(mm, 3, WRITE);
      fill(mm, start, 3);
      const { context, arch: { ops: { pte: ops }, values: { pte: values } } } = mm;
      const eachPte = (visit: (ptep: TableHandles['pte'], address: bigint) => void): void => {
        for (let address = start; address < start + 3 * page; address += page) {
          const table = pteOffsetMapLock(mm, mmAllocPmd(mm, address), address);
          if (table === undefined) throw new Error('there is no table');
          visit(table.ptep, BigInt(address));
          pteUnmapUnlock(table);
        }
      };
      // What writing 4 to /proc/PID/clear_refs does. The pages stay dirty.
      reading(mm, () => {
        eachPte((ptep, address) => {
          const old = ops.modifyProtStart(context, address, ptep);
          ops.modifyProtCommit(context, address, ptep, old, values.clearSoftDirty(values.wrprotect(old))).flush();
        });
        clearYoung(mm, start, start + 3 * page);
      });
      expect(readUser(mm, start)).toBe(1);
      // Rights that come back do not spare the fault.
      mprotect(mm, start, 3 * page, READ);
      mprotect(mm, start, 3 * page, WRITE);
      const able = values.features.has('softDirty');
      expect(reading(mm, () => pagemapRead(mm, start, start + 3 * page)).some((each) => each.write)).toBe(!able);
      writeUser(mm, start + page, 20);
      const marks: boolean[] = [];
      reading(mm, () => { eachPte((ptep) => { marks.push(values.softDirty(ops.get(ptep))); }); });
      expect(marks).toEqual([false, able, false]);
    });
  });

  it('protects pages, and gives the rights back', () => {
    run((kernel, mm, page) => {
      const start = map(mm, PAGES, WRITE);
      fill(mm, start, PAGES);
      mprotect(mm, start + page, 2 * page, READ);
      expect(areas(mm)).toEqual([`${start / page} +1 0x3`, `${start / page + 1} +2 0x1`, `${start / page + 3} +2 0x3`]);
      expect(() => { writeUser(mm, start + page, 0); }).toThrow(UserFaultError);
      expect(words(mm, start, PAGES)).toEqual([1, 2, 3, 4, 5]);
      mprotect(mm, start + page, 2 * page, 0);
      expect(() => readUser(mm, start + page)).toThrow(UserFaultError);
      mprotect(mm, start + page, 2 * page, WRITE);
      expect(areas(mm)).toEqual([`${start / page} +${PAGES} 0x3`]);
      // Nobody else has the pages, so no fault is needed to write.
      expect(reading(mm, () => pagemapRead(mm, start, start + PAGES * page)).every((run) => run.write)).toBe(true);
      writeUser(mm, start + page, 20);
      expect(words(mm, start, PAGES)).toEqual([1, 20, 3, 4, 5]);
    });
  });

  it('moves pages, and makes mappings longer and shorter', () => {
    run((kernel, mm, page) => {
      const start = map(mm, PAGES, WRITE);
      fill(mm, start, PAGES);
      const before = reading(mm, () => pagemapRead(mm, start, start + PAGES * page).map(({ pfn }) => pfn));
      const to = mremap(mm, start, PAGES * page, PAGES * page, { to: start - 100 * page });
      expect(to).toBe(start - 100 * page);
      expect(reading(mm, () => pagemapRead(mm, to, to + PAGES * page).map(({ pfn }) => pfn))).toEqual(before);
      expect(() => readUser(mm, start)).toThrow(UserFaultError);
      expect(mremap(mm, to, PAGES * page, 2 * PAGES * page)).toBe(to);
      expect(words(mm, to, PAGES + 1)).toEqual([1, 2, 3, 4, 5, 0]);
      expect(mremap(mm, to, 2 * PAGES * page, 2 * page)).toBe(to);
      expect(areas(mm)).toEqual([`${to / page} +2 0x3`]);
    });
  });

  it('shares a file, and not what is written to a private mapping of it', () => {
    run((kernel, mm, page) => {
      const mapping = kernel.newMapping(8);
      const shared = map(mm, 4, WRITE, { mapping, sharing: 'shared', pgoff: 2 });
      const own = map(mm, 4, WRITE, { mapping, pgoff: 2 });
      fill(mm, shared, 2);
      expect(words(mm, own, 3)).toEqual([1, 2, 0]);
      writeUser(mm, own + page, 20);
      const child = fork(mm);
      writeUser(child, shared, 10);
      writeUser(child, own + page, 30);
      expect([words(mm, shared, 3), words(mm, own, 3)]).toEqual([[10, 2, 0], [10, 20, 0]]);
      expect([words(child, shared, 3), words(child, own, 3)]).toEqual([[10, 2, 0], [10, 30, 0]]);
      child.mmput();
      munmap(mm, shared, 4 * page);
      munmap(mm, own, 4 * page);
      mapping.free();
    });
  });

  it('leaves no page that migrates writable in two address spaces, nor where the VMA forbids it', () => {
    run((kernel, mm, page) => {
      const start = map(mm, 1, WRITE);
      const { arch, context } = mm;
      writeUser(mm, start, 1);
      const { pfn } = reading(mm, () => pagemapRead(mm, start, start + page))[0]!;
      kernel.frames.get(pfn);
      madvise(mm, start, page, 'dontneed');
      const entryOf = (of: Space): PteVal => reading(of, () => {
        const table = pteOffsetMapLock(of, mmAllocPmd(of, start), start);
        if (table === undefined) throw new Error('there is no page table');
        const pte = ptepGet(arch, table.ptep);
        pteUnmapUnlock(table);
        return pte;
      });
      const migrate = (): void => {
        mm.lock.readLock();
        const table = pteOffsetMapLock(mm, mmAllocPmd(mm, start), start);
        if (table === undefined) throw new Error('there is no page table');
        setPteAt(arch, context, BigInt(start), table.ptep, pteSwpMksoftDirty(arch, swpEntryToPte(arch, makeWritableMigrationEntry(BigInt(pfn)))));
        pteUnmapUnlock(table);
        mm.lock.readUnlock();
      };
      const readable = pteSwpMksoftDirty(arch, swpEntryToPte(arch, makeReadableMigrationEntry(BigInt(pfn))));
      migrate();
      // Whatever sees the entry sees the same in it.
      reading(mm, () => {
        const vma = mm.vmaLookup(start)!;
        expect([handleMmFault(vma, start, { write: true }).kind, folioWalkStart(vma, start)]).toEqual(['retry', undefined]);
        const walk = folioWalkStart(vma, start, { migration: true });
        expect([walk?.pfn, walk?.page]).toEqual([pfn, undefined]);
        if (walk !== undefined) folioWalkEnd(walk);
      });
      const child = fork(mm);
      expect([entryOf(mm), entryOf(child)]).toEqual([readable, readable]);
      migrate();
      mprotect(mm, start, page, READ);
      expect(entryOf(mm)).toBe(pteSwpMksoftDirty(arch, swpEntryToPte(arch, makeReadableExclusiveMigrationEntry(BigInt(pfn)))));
      child.mmput();
      munmap(mm, start, page);
      kernel.frames.put(pfn);
    });
  });
});
