import type { TableHandles } from '@pgtable/core';
import {
  fork, hugePmdOrder, mmap, mmAllocPmd, munmap, pteOffsetMapLock, pteUnmapUnlock, purgeVmapArea, setHugePolicy, setMemoryRo, setMemoryRw, spinLock, spinUnlock, lockClasses, vfree, vmalloc, vmallocExit, vmallocInit,
  VmaFlags, writeUser, type KernelChecks, type Mm,
} from '@pgtable/mm';
import { PageWalkLock, walkPageRange, walkRuns } from '@pgtable/walk';
import { bestOf, type Case, type Row } from './case.js';
import { mmChecks } from './mm-checks.js';
import { ALL_CHECKS, bestWith, MACHINES, nanoseconds, rate, withKernel, type BenchKernel } from './mm-machines.js';

const WRITE = VmaFlags.Read | VmaFlags.Write;
const NO_CHECKS: KernelChecks = {};
const MEBIBYTE = 2 ** 20;
const GIBIBYTE = 2 ** 30;
const TIMES = 2;

/** Maps pages, writes to the first of each block, and unmaps them. Returns ns a page. */
function mapAndUnmap(kernel: BenchKernel, pages: number, block: number, times = TIMES): number {
  const mm = kernel.newMm();
  const bytes = pages * mm.pageBytes;
  const milliseconds = bestWith(times, () => undefined, () => {
    const start = mmap(mm, { bytes, prot: WRITE, fixed: true, address: GIBIBYTE });
    for (let at = start; at < start + bytes; at += block * mm.pageBytes) writeUser(mm, at, 1);
    munmap(mm, start, bytes);
  }, () => undefined);
  mm.mmput();
  return nanoseconds(pages, milliseconds);
}

/** ns a page with pages of one size. @param order log2 of the pages that a fault maps */
function faults(name: string, pages: number, kind: 'page' | 'mthp' | 'huge', checks: KernelChecks): number | undefined {
  return withKernel(name, (pages + 4096) * 4096, checks, (kernel) => {
    setHugePolicy(kernel, { pmd: kind === 'huge' ? 'always' : 'never', mthp: kind === 'mthp' ? 'always' : 'never', orders: [4] });
    if (kind !== 'huge') return mapAndUnmap(kernel, pages, kind === 'mthp' ? 16 : 1);
    const order = hugePmdOrder(kernel.initMm);
    return order === undefined ? undefined : mapAndUnmap(kernel, pages, 2 ** order);
  });
}

const show = (value: number | undefined, digits = 0): string => value?.toFixed(digits) ?? '';
const times = (on: number | undefined, off: number | undefined): string => (on === undefined || off === undefined ? '' : (on / off).toFixed(1));

export const mmFaults: Case = {
  name: 'mm-faults',
  title: 'Address spaces: mmap, faults, munmap',
  about: 'Anonymous memory is mapped, each block written to once (one fault a block: a page, 16 pages, a huge page), and unmapped; ns a page of 4 KiB, zeroing and freeing it included. "on": with all checks. Pages: 4096; with checks 1024.',
  run() {
    const rows = MACHINES.flatMap((name) => (['page', 'mthp', 'huge'] as const).map((kind): Row => {
      const off = faults(name, 4096, kind, NO_CHECKS);
      const on = faults(name, 1024, kind, ALL_CHECKS);
      return { what: `${name}, ${{ page: 'pages', mthp: '16 pages a fault', huge: 'huge pages' }[kind]}`, values: { 'ns a page': show(off), 'thousand pages/s': off === undefined ? 'none' : rate(1e6, off), 'on, ns': show(on), 'on : off': times(on, off) } };
    }));
    return Promise.resolve(rows);
  },
};

/** Pages, and 4 and 16 times as many. */
const SIZES = [2048, 8192, 32768] as const;
const GROWTH_TIMES = 5;

/** ns a page by size, of what is done to so many pages. Something else comes before, so that the first size is not what warms up. */
function growth(warm: () => void, measure: (pages: number) => number): Record<string, string> {
  warm();
  const found = SIZES.map(measure);
  return Object.fromEntries([...SIZES.map((pages, at): [string, string] => [`${pages} pages, ns`, show(found[at])]), ['16x : 1x', (found[2]! / found[0]!).toFixed(2)]]);
}

/** The kernels of one machine that {@link mmGrowth} measures on: one for all sizes, so that the code is the same. */
function growthOf(name: string): Row[] {
  const largest = SIZES[2];
  return withKernel(name, (2 * largest + 8192) * 4096, NO_CHECKS, (kernel) => {
    const small = { pmd: 'never', mthp: 'never', orders: [] } as const;
    setHugePolicy(kernel, small);
    const faulting = (pages: number) => mapAndUnmap(kernel, pages, 1, GROWTH_TIMES);
    const forking = (pages: number): number => {
      const { mm } = filled(kernel, pages * 4096, false);
      const milliseconds = bestWith(GROWTH_TIMES, () => undefined, () => { fork(mm).mmput(); }, () => undefined);
      mm.mmput();
      return nanoseconds(pages, milliseconds);
    };
    vmallocInit(kernel, { areas: 2 });
    const protecting = (pages: number): number => {
      const area = vmalloc(kernel, pages * 4096, { huge: false });
      const milliseconds = bestWith(GROWTH_TIMES, () => undefined, () => {
        setMemoryRo(kernel, area, pages);
        setMemoryRw(kernel, area, pages);
      }, () => undefined);
      vfree(kernel, area);
      purgeVmapArea(kernel);
      return nanoseconds(2 * pages, milliseconds);
    };
    const rows = ([['mmap, faults, munmap', faulting], ['fork, exit', forking], ['set_memory', protecting]] as const).map(([what, measure]): Row => (
      { what: `${name}: ${what}`, values: growth(() => { measure(largest); }, measure) }
    ));
    vmallocExit(kernel);
    return rows;
  });
}

export const mmGrowth: Case = {
  name: 'mm-growth',
  title: 'Address spaces: growth',
  about: 'Pages of 4 KiB: ns a page for 1, 4 and 16 times as many, all on one kernel, after the largest number once that does not count. The time of a page must stay as it is.',
  run() {
    return Promise.resolve(MACHINES.flatMap((name) => growthOf(name)));
  },
};

/** ns a page for making areas read-only and writable again. @param each bytes of an area */
function setMemory(name: string, bytes: number, each: number, huge: boolean, checks: KernelChecks): number {
  return withKernel(name, bytes + 64 * MEBIBYTE, checks, (kernel) => {
    const count = bytes / each;
    const pages = each / kernel.frames.pageBytes;
    vmallocInit(kernel, { areas: count + 1 });
    const milliseconds = bestWith(TIMES, () => Array.from({ length: count }, () => vmalloc(kernel, each, { huge })), (areas) => {
      for (const area of areas) setMemoryRo(kernel, area, pages);
      for (const area of areas) setMemoryRw(kernel, area, pages);
    }, (areas) => {
      for (const area of areas) vfree(kernel, area);
      purgeVmapArea(kernel);
    });
    vmallocExit(kernel);
    return nanoseconds(2 * bytes / kernel.frames.pageBytes, milliseconds);
  });
}

export const mmSetMemory: Case = {
  name: 'mm-set-memory',
  title: "The kernel's memory: set_memory",
  about:
    'set_memory_ro and set_memory_rw over 1 GiB of vmalloc areas; ns a page of 4 KiB. "pages": one area of small pages; "blocks": one area of the largest blocks; "groups": areas of 1 MiB, which groups of entries map where ' +
    'the architecture has them. "on": with all checks, 16 MiB. The memory has 1 GiB, and nobody writes to it, so the host need not have it.',
  run() {
    const rows = MACHINES.flatMap((name) => ([['pages', GIBIBYTE, false], ['blocks', GIBIBYTE, true], ['groups', MEBIBYTE, true]] as const).map(([what, each, huge]): Row => {
      const off = setMemory(name, GIBIBYTE, each, huge, NO_CHECKS);
      const on = setMemory(name, 16 * MEBIBYTE, Math.min(each, 16 * MEBIBYTE), huge, ALL_CHECKS);
      return { what: `${name}, ${what}`, values: { 'ns a page': show(off, 1), 'on, ns': show(on, 1), 'on : off': times(on, off) } };
    }));
    return Promise.resolve(rows);
  },
};

/** An address space with written memory. */
function filled(kernel: BenchKernel, bytes: number, huge: boolean): { readonly mm: Mm<TableHandles>; readonly start: number } {
  setHugePolicy(kernel, { pmd: huge ? 'always' : 'never', mthp: 'never', orders: [] });
  const mm = kernel.newMm();
  const start = mmap(mm, { bytes, prot: WRITE, fixed: true, address: GIBIBYTE });
  for (let at = start; at < start + bytes; at += mm.pageBytes) writeUser(mm, at, 1);
  return { mm, start };
}

/** ns a page for a fork, and for the end of the child. */
function forks(name: string, bytes: number, huge: boolean, checks: KernelChecks): { readonly fork: number; readonly exit: number } | undefined {
  return withKernel(name, bytes + 64 * MEBIBYTE, checks, (kernel) => {
    if (huge && hugePmdOrder(kernel.initMm) === undefined) return undefined;
    const { mm } = filled(kernel, bytes, huge);
    const pages = bytes / mm.pageBytes;
    let exit = Infinity;
    const milliseconds = bestWith(TIMES, () => [] as Mm<TableHandles>[], (children) => { children.push(fork(mm)); }, (children) => {
      const begin = performance.now();
      for (const child of children) child.mmput();
      exit = Math.min(exit, performance.now() - begin);
    });
    mm.mmput();
    return { fork: nanoseconds(pages, milliseconds), exit: nanoseconds(pages, exit) };
  });
}

export const mmFork: Case = {
  name: 'mm-fork',
  title: 'Address spaces: fork',
  about: 'A process with 1 GiB of anonymous memory, all of it written, forks, and the child ends; ns a page of 4 KiB. "on": with all checks, 16 MiB. The memory is real: 1 GiB of the host.',
  run() {
    const rows = MACHINES.flatMap((name) => [false, true].flatMap((huge): Row[] => {
      const off = forks(name, GIBIBYTE, huge, NO_CHECKS);
      if (off === undefined) return [];
      const small = forks(name, GIBIBYTE / 16, huge, NO_CHECKS);
      const on = forks(name, 16 * MEBIBYTE, huge, ALL_CHECKS);
      return [{
        what: `${name}, ${huge ? 'huge pages' : 'pages'}`,
        values: { 'fork, ns': show(off.fork, 1), 'of 64 MiB': show(small?.fork, 1), 'exit, ns': show(off.exit, 1), 'on: fork, ns': show(on?.fork, 1), 'exit': show(on?.exit, 1), 'fork, on : off': times(on?.fork, off.fork) },
      }];
    }));
    return Promise.resolve(rows);
  },
};

const LOCKS = 2e4;

/** ns for each of some pairs of locking and unlocking. */
function lockPairs(checks: KernelChecks): Record<string, number> {
  return withKernel('x86 4-level', 16 * MEBIBYTE, checks, (kernel) => {
    const { mm, start } = filled(kernel, MEBIBYTE, false);
    const { words } = kernel.words;
    const lock = kernel.words.alloc(1);
    mm.lock.readLock();
    const vma = mm.vmaLookup(start);
    const pmdp = mmAllocPmd(mm, start);
    mm.lock.readUnlock();
    if (vma === undefined) throw new Error('there is no VMA');
    const repeat = (pair: () => void) => () => { for (let at = 0; at < LOCKS; at++) pair(); };
    const pairs: Record<string, () => void> = {
      'a spin lock': repeat(() => {
        spinLock(words, lock, lockClasses.zoneLock);
        spinUnlock(words, lock);
      }),
      'the mmap lock, to read': repeat(() => {
        mm.lock.readLock();
        mm.lock.readUnlock();
      }),
      'the mmap lock, to write': repeat(() => {
        mm.lock.writeLock();
        mm.lock.writeUnlock();
      }),
      'a VMA, to read': repeat(() => {
        if (vma.lock.startRead()) vma.lock.endRead();
      }),
      'rcu_read_lock': repeat(() => {
        kernel.rcu.readLock();
        kernel.rcu.readUnlock();
      }),
      'lock_vma_under_rcu': repeat(() => {
        mm.lockVmaUnderRcu(start)?.lock.endRead();
      }),
    };
    mm.lock.readLock();
    const table = bestOf([repeat(() => {
      const locked = pteOffsetMapLock(mm, pmdp, start);
      if (locked !== undefined) pteUnmapUnlock(locked);
    })])[0]!;
    mm.lock.readUnlock();
    const measured = bestOf(Object.values(pairs));
    const found = Object.fromEntries([...Object.keys(pairs).map((what, at) => [what, nanoseconds(LOCKS, measured[at]!)] as const), ['pte_offset_map_lock', nanoseconds(LOCKS, table)] as const]);
    mm.mmput();
    return found;
  });
}

export const mmLocks: Case = {
  name: 'mm-locks',
  title: 'Locks',
  about: 'Locking and unlocking, with nobody in the way; x86. "on": with lockdep (and all other checks).',
  run() {
    const off = lockPairs(NO_CHECKS);
    const on = lockPairs(ALL_CHECKS);
    return Promise.resolve(Object.keys(off).map((what): Row => ({ what, values: { 'ns a pair': show(off[what], 0), 'million pairs/s': (1000 / off[what]!).toFixed(1), 'on, ns': show(on[what], 0), 'on : off': times(on[what], off[what]) } })));
  },
};

/** What was counted: nobody can leave the work out. */
const seen = { entries: 0, runs: 0 };
/** Where values that were read go, as bigints. */
const sink: bigint[] = [0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n];
const PARTS = 16;

export const mmWalk: Case = {
  name: 'mm-walk',
  title: 'The page walk of an address space',
  about:
    '1 GiB of anonymous memory in pages of 4 KiB, and the first sixteenth and quarter of it, so often that the same number of entries is walked. `walkPageRange` maps and locks each table: "batch" is `pteRange`, one call a table, ' +
    'whose callback counts; "each" is `pteEntry` with a callback that counts, and "read" the same with a callback that reads the entry as a bigint. "runs" is the leaf enumeration of the dump reader (`walkRuns`) over the same tables, which ' +
    'compares each entry. ns an entry.',
  run() {
    const rows = MACHINES.flatMap((name) => withKernel(name, GIBIBYTE + 64 * MEBIBYTE, NO_CHECKS, (kernel) => {
      const { mm, start } = filled(kernel, GIBIBYTE, false);
      const walkLock = PageWalkLock.Read;
      const measured = [1, 4, PARTS].map((part): Row => {
        const end = start + (GIBIBYTE / PARTS) * part;
        const often = (work: () => void) => (): void => { for (let time = 0; time < PARTS / part; time++) work(); };
        mm.lock.readLock();
        const [batch, each, read, runs] = bestOf([
          often(() => { walkPageRange(mm, start, end, { walkLock, pteRange: (_ptep, _address, count) => { seen.entries += count; } }); }),
          often(() => { walkPageRange(mm, start, end, { walkLock, pteEntry: () => { seen.entries++; } }); }),
          often(() => { walkPageRange(mm, start, end, { walkLock, pteEntry: (ptep, _address, _next, walk) => { sink[seen.entries++ & 7] = walk.read('pte', ptep); } }); }),
          often(() => { walkRuns(mm, () => { seen.runs++; return undefined; }, { ranges: [{ start, end }] }); }),
        ]).map((milliseconds) => nanoseconds(GIBIBYTE / mm.pageBytes, milliseconds)) as [number, number, number, number];
        mm.lock.readUnlock();
        return {
          what: `${name}, ${(part * GIBIBYTE) / PARTS / MEBIBYTE} MiB`,
          values: {
            'runs, ns': runs.toFixed(2), 'batch, ns': batch.toFixed(2), 'each, ns': each.toFixed(2), 'read, ns': read.toFixed(1), 'batch : runs': (batch / runs).toFixed(2), 'each : runs': (each / runs).toFixed(2),
          },
        };
      });
      mm.mmput();
      return measured;
    }));
    return Promise.resolve(rows);
  },
};

export const mm: readonly Case[] = [mmFaults, mmGrowth, mmSetMemory, mmFork, mmLocks, mmChecks, mmWalk];
