import { ptePfn, ptepGet, ptePresent, VmFlags, type AliasHandles } from '@pgtable/core';
import {
  attachKernel, bootKernel, collapseFile, collapseHugePage, getUserPagesFast, hugePmdBytes, mmAllocPmd, mmFindPmd, pteAlloc, pteOffsetMapLock, pteUnmapUnlock, putPages, readUser, retractPageTables, scenario, splitHugePmd, withSchedulePoints,
  writeUser,
  type AnyScenario, type Kernel, type Mapping, type Mm, type Platform, type SharedMachine,
} from '../src/index.js';
import { ALL, type Configuration } from '../../arch-testkit/test/configurations.js';

/* Collapses against those who are in the tables meanwhile. Of the pages only the first are there: the rest are holes, so that a run is short. */

/** A kernel with an address space, and a file that it maps, if any. */
interface World {
  readonly kernel: SharedMachine;
  readonly mm: number;
  readonly file: number;
}

interface Actor {
  readonly kernel: Kernel<AliasHandles>;
  readonly mm: Mm<AliasHandles>;
  readonly file: Mapping<AliasHandles> | undefined;
  /** Where the huge page begins. */
  readonly address: number;
}

type Act = (actor: Actor) => void;

export const ARCHITECTURES: readonly Configuration[] = ALL.filter(({ name }) => ['x86 4-level', 'arm64 4K 48-bit', 'riscv Sv39', 's390 pud'].includes(name));

const BEFORE = 5;
const AFTER = 77;

function scheduled(platform: Platform<AliasHandles>): Platform<AliasHandles> {
  return { entryBytes: platform.entryBytes, root: (half, table) => platform.root(half, table), make: (half, tables) => withSchedulePoints(platform.make(half, tables)) };
}

function open(platform: Platform<AliasHandles>, { kernel: image, mm: id, file }: World, name: string): Actor {
  const kernel = attachKernel(image, platform);
  kernel.join(name);
  const mm = kernel.mm(id);
  return { kernel, mm, file: file === 0 ? undefined : kernel.mapping(file), address: 4 * hugePmdBytes(mm) };
}

/** @param prepare what is done before */
function setup(platform: Platform<AliasHandles>, withFile: boolean, prepare: Act): World {
  const options = { mms: 2, vmas: 8, mapCount: 8, journal: 16, mappings: 2, words: 4096 };
  const probe = bootKernel(platform, { ...options, bytes: 64 * 2 ** 12 });
  probe.join('probe');
  const bytes = hugePmdBytes(probe.initMm);
  probe.leave();
  const kernel = bootKernel(platform, { ...options, bytes: 4 * bytes, base: 16 * bytes });
  kernel.join('setup');
  const mm = kernel.newMm();
  const file = withFile ? kernel.newMapping(bytes / mm.pageBytes) : undefined;
  mm.lock.writeLock();
  mm.insertVma({ start: 4 * bytes, end: 5 * bytes, flags: VmFlags.Read | VmFlags.Write | (withFile ? VmFlags.Shared : 0), mapping: file });
  mm.lock.writeUnlock();
  const world = { kernel: kernel.share(), mm: mm.id, file: file?.id ?? 0 };
  prepare({ kernel, mm, file, address: 4 * bytes });
  kernel.rcu.barrier();
  kernel.leave();
  return world;
}

function race(platform: Platform<AliasHandles>, withFile: boolean, prepare: Act, threads: Readonly<Record<string, Act>>, expected: number): AnyScenario {
  return scenario<World>({
    setup: () => setup(platform, withFile, prepare),
    threads: Object.fromEntries(Object.entries(threads).map(([name, act]) => [name, (world: World) => {
      const actor = open(platform, world, name);
      return () => { act(actor); };
    }])),
    check: (world) => {
      const actor = open(platform, world, 'check');
      const { kernel, mm, file, address } = actor;
      const value = readUser(mm, address);
      if (value !== expected) throw new Error(`what was written is gone: ${value} is there, and not ${expected}`);
      if (readUser(mm, address + mm.pageBytes) !== BEFORE) throw new Error('the page beside it is another');
      const pmdp = mmFindPmd(mm, address);
      const huge = pmdp !== undefined && mm.arch.values.pmd.leaf(mm.arch.ops.pmd.getOnce(pmdp));
      kernel.rcu.barrier();
      // Of anonymous memory one is linked, or put aside; a huge page of a file has none.
      const tables = kernel.pageTables.nrPageTables('pte', mm.id);
      if (tables !== (file !== undefined && huge ? 0 : 1)) throw new Error(`there are ${tables} PTE tables`);
      mm.mmput();
      const large = file !== undefined && kernel.frames.head(file.page(1)!) === file.page(0)!;
      file?.free();
      kernel.assertQuiet();
      kernel.leave();
      return huge || large ? 'huge' : 'small';
    },
  });
}

/** Two pages that were written to. */
const prepare: Act = ({ mm, address }) => {
  writeUser(mm, address, BEFORE);
  writeUser(mm, address + mm.pageBytes, BEFORE);
};
const collapse: Act = ({ mm, address }) => { collapseHugePage(mm, address); };
const write: Act = ({ mm, address }) => { writeUser(mm, address, AFTER); };

/** Somebody who has no lock but that of the table: what is in it is what is mapped. */
const read: Act = ({ kernel: { frames }, mm, address }) => {
  const pmdp = mmFindPmd(mm, address);
  const table = pmdp === undefined ? undefined : pteOffsetMapLock(mm, pmdp, address);
  if (table === undefined) return;
  const pte = ptepGet(mm.arch, table.ptep);
  const word = ptePresent(mm.arch, pte) ? frames.ram[(ptePfn(mm.arch, pte) - frames.firstPfn) * frames.pageBytes / 4] : undefined;
  pteUnmapUnlock(table);
  if (word !== BEFORE) throw new Error(`the reader finds ${word}: it is in a table that was taken out`);
};

/** Writes by the frame, as a device does. */
const gup: Act = ({ kernel: { frames }, mm, address }) => {
  const pages = getUserPagesFast(mm, address, 1, true);
  frames.ram[(pages[0]! - frames.firstPfn) * frames.pageBytes / 4] = AFTER;
  putPages(mm, pages, true);
};

/** Splits the huge page that is there. */
const split: Act = ({ mm, address }) => {
  mm.lock.readLock();
  const vma = mm.vmaLookup(address);
  const pmdp = mmFindPmd(mm, address);
  if (vma === undefined || pmdp === undefined) throw new Error('there is no huge page');
  splitHugePmd(vma, pmdp, address);
  mm.lock.readUnlock();
};

const prepareHuge: Act = (actor) => {
  prepare(actor);
  collapse(actor);
};

function fileOf({ file }: Actor): Mapping<AliasHandles> {
  if (file === undefined) throw new Error('there is no file');
  return file;
}

/** A huge page in the cache, and a PTE table with nothing in it. */
const prepareRetract: Act = (actor) => {
  const { mm, address } = actor;
  prepare(actor);
  collapseFile(fileOf(actor), 0);
  // As a fault leaves it that made the table, and came no further.
  mm.lock.readLock();
  pteAlloc(mm, mmAllocPmd(mm, address), address);
  mm.lock.readUnlock();
};

export const scenarios: Readonly<Record<string, AnyScenario>> = Object.fromEntries(ARCHITECTURES.flatMap((configuration) => {
  const platform = scheduled(configuration);
  const { name } = configuration;
  return [
    [`reader ${name}`, race(platform, false, prepare, { read, collapse }, BEFORE)],
    [`writer ${name}`, race(platform, false, prepare, { write, collapse }, AFTER)],
    [`gup ${name}`, race(platform, false, prepare, { gup, collapse }, AFTER)],
    [`split ${name}`, race(platform, false, prepareHuge, { write, split }, AFTER)],
    [`split and gup ${name}`, race(platform, false, prepareHuge, { gup, split }, AFTER)],
    [`two splits ${name}`, race(platform, false, prepareHuge, { split, 'split too': split }, BEFORE)],
    [`two collapses ${name}`, race(platform, false, prepare, { collapse, 'collapse too': collapse }, BEFORE)],
    [`retract ${name}`, race(platform, true, prepareRetract, { write, retract: (actor) => { retractPageTables(fileOf(actor), 0); } }, AFTER)],
    [`file ${name}`, race(platform, true, prepare, { write, collapse: (actor) => { collapseFile(fileOf(actor), 0); } }, AFTER)],
  ];
}));
