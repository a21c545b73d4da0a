import { EntryKind, geometryOf, pmdLeaf, pmdNone, pmdpCollapseFlush, pmdpGet, pteOffset, ScanBuffer, scanFilter, type TableHandles } from '@pgtable/core';
import { readUser, writeUser } from '../src/access/user-access.js';
import { attachKernel, bootKernel, type SharedMachine } from '../src/boot.js';
import { FrameWord } from '../src/frames/memmap.js';
import { getUserPagesFast, putPages } from '../src/gup/get-user-pages.js';
import type { Kernel, Platform } from '../src/kernel/kernel.js';
import { scenario, type AnyScenario } from '../src/schedule/scenario.js';
import { withSchedulePoints } from '../src/schedule/with-schedule-points.js';
import { pteFreeDefer } from '../src/tables/gather.js';
import { mmFindPmd } from '../src/tables/table-alloc.js';
import { pmdLock, pteLockptr } from '../src/tables/table-locks.js';
import { baseOf, map, pageBytesOf, pfnAt, shape, share, WRITE, zap, type Space } from './faults-machine.js';

/** A kernel with two address spaces, each with a VMA. */
interface World {
  readonly kernel: SharedMachine;
  readonly mms: readonly [number, number];
}

/** One configuration of each architecture. */
export const ARCHITECTURES = ['x86 4-level', 'arm64 4K 48-bit', 'riscv Sv39', 's390 pud'] as const;
const PAGES = 4;

interface Opened {
  readonly kernel: Kernel<TableHandles>;
  readonly mm: Space;
  readonly child: Space;
}

function scheduled(name: string): Platform<TableHandles> {
  const platform = shape(name);
  return { entryBytes: platform.entryBytes, root: (half, table) => platform.root(half, table), make: (half, tables) => withSchedulePoints(platform.make(half, tables)) };
}

function open(platform: Platform<TableHandles>, { kernel: image, mms }: World, name: string): Opened {
  const kernel = attachKernel(image, platform);
  kernel.join(name);
  return { kernel, mm: kernel.mm(mms[0]), child: kernel.mm(mms[1]) };
}

/** @param before what has happened already */
function setup(name: string, platform: Platform<TableHandles>, before: (opened: Opened) => void): World {
  const kernel = bootKernel(platform, { bytes: 96 * pageBytesOf(shape(name)), mms: 3, vmas: 8, mapCount: 8, journal: 16, mappings: 2, words: 4096, checks: { lockdep: true } });
  kernel.join('setup');
  const mm = kernel.newMm();
  const child = kernel.newMm();
  map(mm, PAGES, WRITE);
  map(child, PAGES, WRITE);
  before({ kernel, mm, child });
  const world: World = { kernel: kernel.share(), mms: [mm.id, child.id] };
  kernel.leave();
  return world;
}

type Act = (opened: Opened, base: number) => void;

/** @param check what must be so in the end; afterwards all goes back, and nothing may be left */
function story(name: string, before: Act, acts: Readonly<Record<string, Act>>, check: (opened: Opened, base: number) => string): AnyScenario {
  const platform = scheduled(name);
  return scenario<World>({
    setup: () => setup(name, platform, (opened) => { before(opened, baseOf(opened.mm)); }),
    threads: Object.fromEntries(Object.entries(acts).map(([thread, act]) => [thread, (world: World) => {
      const opened = open(platform, world, thread);
      const base = baseOf(opened.mm);
      return () => { act(opened, base); };
    }])),
    check: (world) => {
      const opened = open(platform, world, 'check');
      const outcome = check(opened, baseOf(opened.mm));
      opened.mm.mmput();
      opened.child.mmput();
      opened.kernel.assertQuiet();
      opened.kernel.leave();
      return outcome;
    },
  });
}

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** `retract_page_tables()`, of anonymous memory: takes the PTE table out if it is empty. Its locks are those of the tables alone. */
function retract({ kernel, mm }: Opened, base: number): void {
  const { arch } = mm;
  const pmdp = mmFindPmd(mm, base);
  if (pmdp === undefined) return;
  const pml = pmdLock(mm, pmdp);
  const pmd = pmdpGet(arch, pmdp);
  if (!pmdNone(arch, pmd) && !pmdLeaf(arch, pmd)) {
    const ptl = pteLockptr(mm, pmd);
    const apart = !ptl.is(pml);
    if (apart) ptl.lock();
    const first = pteOffset(arch, pmdp, BigInt(Math.floor(base / 2 ** geometryOf(arch.geometry, 'pmd').shift) * 2 ** geometryOf(arch.geometry, 'pmd').shift));
    if (first !== undefined && isEmpty(mm, first)) pteFreeDefer(mm, pmdpCollapseFlush(arch, mm.context, BigInt(base), pmdp));
    if (apart) ptl.unlock();
  }
  pml.unlock();
  kernel.rcu.poll();
}

function isEmpty(mm: Space, first: TableHandles['pte']): boolean {
  const rows = new ScanBuffer(4);
  mm.arch.ops.pte.scan(first, 0, geometryOf(mm.arch.geometry, 'pte').entries, scanFilter(true), rows);
  for (let row = 0; row < rows.count; row++) if (rows.kind[row] !== EntryKind.None) return false;
  return true;
}

function unmap({ mm }: Opened, base: number): void {
  mm.lock.readLock();
  const vma = mm.vmaLookup(base);
  if (vma !== undefined) zap(vma, base, base + mm.pageBytes);
  mm.lock.readUnlock();
}

function give({ mm, child }: Opened, base: number): void {
  mm.lock.readLock();
  const vma = mm.vmaLookup(base);
  mm.lock.readUnlock();
  if (vma !== undefined) share(vma, child, base);
}

/** Two threads of one process touch one page. */
const together = (name: string): AnyScenario => story(name, () => undefined, {
  'first': ({ mm }, base) => { writeUser(mm, base, 1); },
  'second': ({ mm }, base) => { writeUser(mm, base + 4, 2); },
}, ({ kernel, mm }, base) => {
  must(readUser(mm, base) === 1 && readUser(mm, base + 4) === 2, 'what a thread wrote is gone');
  must(kernel.frames.read(pfnAt(mm, base)!, FrameWord.Refcount) === 1, 'the page has another reference');
  return 'both';
});

/** A fault, while its table is taken out. */
const againstRetract = (name: string): AnyScenario => story(name, (opened, base) => {
  writeUser(opened.mm, base, 9);
  unmap(opened, base);
}, {
  'fault': ({ mm }, base) => { writeUser(mm, base, 1); },
  'retract': retract,
}, ({ kernel, mm }, base) => {
  must(readUser(mm, base) === 1, 'what the fault wrote is gone');
  // The one that was taken out may wait for its grace period still.
  kernel.rcu.barrier();
  const tables = kernel.pageTables.nrPageTables('pte', mm.id);
  must(tables === 1, `${tables} PTE tables where one can be reached`);
  return 'written';
});

/** Parent and child write to a page that both have. */
const copies = (name: string): AnyScenario => story(name, (opened, base) => {
  writeUser(opened.mm, base, 7);
  give(opened, base);
}, {
  'parent': ({ mm }, base) => { writeUser(mm, base + 4, 1); },
  'child': ({ child }, base) => { writeUser(child, base + 4, 2); },
}, ({ mm, child }, base) => {
  must(readUser(mm, base) === 7 && readUser(child, base) === 7, 'the copy is not what the page was');
  must(readUser(mm, base + 4) === 1 && readUser(child, base + 4) === 2, 'one reads what the other wrote');
  must(pfnAt(mm, base) !== pfnAt(child, base), 'both have the same page still');
  return 'apart';
});

/** Two threads of one process write to a page that a child has too, and to the zero page: each gets one copy, which both write to. */
const sameCopy = (name: string): AnyScenario => story(name, (opened, base) => {
  writeUser(opened.mm, base, 7);
  give(opened, base);
}, {
  'first': ({ mm }, base) => { writeUser(mm, base + 4, 1); },
  'second': ({ mm }, base) => { writeUser(mm, base + 8, 2); },
}, ({ mm, child }, base) => {
  must([0, 4, 8].map((word) => readUser(mm, base + word)).join() === '7,1,2', 'what a thread wrote is gone');
  must([0, 4, 8].map((word) => readUser(child, base + word)).join() === '7,0,0', 'the child reads what the parent wrote');
  return 'both';
});

/** A reference is taken while the page is unmapped: it is on that page, or on the one that comes after it. */
const reference = (name: string): AnyScenario => story(name, (opened, base) => { writeUser(opened.mm, base, 7); }, {
  'gup': ({ kernel, mm }, base) => {
    const [pfn] = getUserPagesFast(mm, base, 1, true);
    const word = kernel.frames.ram[(pfn! - kernel.frames.firstPfn) * mm.pageBytes / 4];
    must(word === 7 || word === 0, 'the page is another\'s');
    putPages(mm, [pfn!]);
  },
  'unmap': (opened, base) => {
    unmap(opened, base);
    // Who gets the frame next.
    writeUser(opened.child, base, 99);
  },
}, ({ mm, child }, base) => {
  must(readUser(child, base) === 99, 'the other process does not have its page');
  return `reads ${readUser(mm, base)}`;
});

/** A process writes while its page is unmapped: an access that was allowed ends before the page is another's. */
const access = (name: string): AnyScenario => story(name, (opened, base) => { writeUser(opened.mm, base, 7); }, {
  'writer': ({ mm }, base) => { writeUser(mm, base, 8); },
  'unmap': (opened, base) => {
    unmap(opened, base);
    writeUser(opened.child, base + 4, 99);
  },
}, ({ mm, child }, base) => {
  must(readUser(child, base) === 0 && readUser(child, base + 4) === 99, 'somebody wrote to a page of another process');
  return `reads ${readUser(mm, base)}`;
});

export const scenarios: Readonly<Record<string, AnyScenario>> = Object.fromEntries(ARCHITECTURES.flatMap((name) => [
  [`together ${name}`, together(name)], [`fault against retract ${name}`, againstRetract(name)], [`copies ${name}`, copies(name)], [`same copy ${name}`, sameCopy(name)], [`reference ${name}`, reference(name)], [`access ${name}`, access(name)],
]));
