import { geometryOf, TableMemory, type TableHandles } from '@pgtable/core';
import { ALL, type Configuration } from '../../packages/arch-testkit/test/configurations.js';
import {
  AccessType, assertNoneHeld, attachKernel, bootKernel, checkPageTables, FrameTables, scenario, schedulePoint, setCurrentThread, VmaFlags, withSchedulePoints,
  type AnyScenario, type Kernel, type KernelOptions, type Mm, type NewVma, type Platform, type ScheduleSearch, type SharedMachine, type Vma,
} from '../../packages/mm/src/index.js';
import { vmallocRange } from '../../packages/mm/test/vmalloc-machine.js';
import type { Patch } from './patched.js';

/** What a thread of a race works with. */
export interface Place {
  readonly kernel: Kernel<TableHandles>;
  /** The process that the race is about. */
  readonly mm: Mm<TableHandles>;
  /** The first address of the first huge page that an address space can have, but for 0. */
  readonly base: number;
  /** Of a huge page: what one PTE table translates. */
  readonly hugeBytes: number;
}

/** Something that is left out of the sources, with which a race must be lost. */
export interface Without {
  /** What is not done: `the recheck of the pmd entry`. */
  readonly name: string;
  /** What the error says that shows it: another one would be another fault. */
  readonly loses: RegExp;
  readonly patches: readonly Patch[];
  /** Architectures where nothing is lost, each with the reason. */
  readonly except?: Readonly<Record<string, string>>;
}

/** Something that is left out of the sources, with which nothing is lost here: another rule keeps the threads apart. */
export interface Needless extends Pick<Without, 'name' | 'patches'> {
  readonly because: string;
}

/**
 * Threads of a kernel that are run against each other. One process exists already, with the VMAs and pages that `setup` gives it.
 *
 * @typeParam D what setup() found out and the threads need to know: plain numbers and the like
 */
export interface Play<D> {
  /** What it is about, for lists. */
  readonly about: string;
  /** Frames of memory: few, because all memory is put back before each run. Those that hold one huge page come on top if `huge` says so. */
  readonly frames: number;
  readonly huge?: number;
  /** Whether the kernel has a range for vmalloc areas. */
  readonly vmalloc?: boolean;
  readonly options?: Omit<KernelOptions<TableHandles>, 'bytes' | 'checks'>;
  readonly setup: (place: Place) => D;
  readonly threads: Readonly<Record<string, (place: Place, data: D) => void>>;
  /** Looks whether all is as it must be, when the threads are done. Afterwards the process ends, and nothing may be left. @returns what came out, where that may differ */
  readonly check: (place: Place, data: D) => string | undefined;
  /** Is called when the process has ended: gives back what is not the process's. */
  readonly after?: (place: Place, data: D) => void;
  /** How it is searched if nothing else is asked for. */
  readonly search: ScheduleSearch;
  /** Steps that a run may have. Default 3000. */
  readonly limit?: number;
  /** Part of `npm test`. */
  readonly quick?: boolean;
  readonly without?: readonly Without[];
  readonly needless?: readonly Needless[];
}

/** A {@link Play} of whatever its threads share. */
export interface Race extends Omit<Play<unknown>, 'setup' | 'threads' | 'check' | 'after'> {
  scenario(configuration: Configuration): AnyScenario;
}

interface World<D> {
  readonly machine: SharedMachine;
  readonly mm: number;
  readonly data: D;
}

const CHECKS = { lockdep: true, staleTranslations: true, flushes: true, pageTableCheck: true, writeProtect: true } as const;

/** The configurations that races are run in, one of each architecture: with few levels, pages of 4 KiB and huge pages. */
export const CONFIGURATIONS: readonly Configuration[] = ['x86 PAE', 'arm64 4K 39-bit', 'riscv Sv39', 's390 pud'].map(configurationOf);

/** @throws Error if there is none of that name */
export function configurationOf(name: string): Configuration {
  const found = ALL.find((configuration) => configuration.name === name);
  if (found === undefined) throw new Error(`there is no configuration ${name}; there are ${ALL.map((one) => one.name).join(', ')}`);
  return found;
}

/** A race in a form in which it can be in a list with others. */
export function race<D>(play: Play<D>): Race {
  return { ...play, scenario: (configuration) => scenarioOf(configuration, play) };
}

/** Inserts a VMA of anonymous memory that may be read and written. */
export function insertVma({ mm }: Place, start: number, end: number, more: Partial<NewVma<TableHandles>> = {}): Vma<TableHandles> {
  mm.lock.writeLock();
  try {
    return mm.insertVma({ start, end, flags: READ_WRITE, ...more });
  } finally {
    mm.lock.writeUnlock();
  }
}

const READ_WRITE = VmaFlags.Read | VmaFlags.Write | VmaFlags.MayRead | VmaFlags.MayWrite;

/** What two threads of a race with a file need to know of it. */
export interface WithFile {
  /** The number of the mapping. */
  readonly file: number;
}

/** Inserts a VMA of a new file of one huge page, which is where a huge page can be. @returns the number of the mapping */
export function insertFile(place: Place, sharing: 'private' | 'shared'): number {
  const { kernel, mm, base, hugeBytes } = place;
  const mapping = kernel.newMapping(hugeBytes / mm.pageBytes);
  insertVma(place, base, base + hugeBytes, { mapping, flags: READ_WRITE | (sharing === 'shared' ? VmaFlags.Shared | VmaFlags.MayShare : 0) });
  return mapping.id;
}

/** The file is deleted: {@link Play.after}. */
export function endFile({ kernel }: Place, { file }: WithFile): void {
  kernel.mapping(file).free();
}

/** Does something with the first VMA, which the mmap lock keeps. */
export function reading({ mm, base }: Place, action: (vma: Vma<TableHandles>) => void): void {
  mm.lock.readLock();
  try {
    const vma = mm.vmaLookup(base);
    if (vma === undefined) throw new Error('the VMA is gone');
    action(vma);
  } finally {
    mm.lock.readUnlock();
  }
}

/** The first word of a frame. */
export function readFrame({ kernel: { frames } }: Place, pfn: number): number {
  const at = (pfn - frames.firstPfn) * frames.pageBytes / 4;
  schedulePoint('read a frame', frames.ram, at, AccessType.Read);
  return Atomics.load(frames.ram, at);
}

/** Writes the first word of a frame, as a device or a driver does that has a reference on it. */
export function writeFrame({ kernel: { frames } }: Place, pfn: number, value: number): void {
  const at = (pfn - frames.firstPfn) * frames.pageBytes / 4;
  schedulePoint('write to a frame', frames.ram, at);
  Atomics.store(frames.ram, at, value);
}

/** Throws unless two things are the same. */
export function same(what: string, got: unknown, wanted: unknown): void {
  if (got !== wanted) throw new Error(`${what}: ${String(got)}, and must be ${String(wanted)}`);
}

function scenarioOf<D>(configuration: Configuration, play: Play<D>): AnyScenario {
  const platform = scheduled(configuration);
  const open = ({ machine, mm: id }: World<D>, name: string): Place => {
    const kernel = attachKernel(machine, platform);
    kernel.join(name);
    return placeOf(kernel, kernel.mm(id));
  };
  return scenario<World<D>>({
    setup: () => {
      const { geometry } = platform.make('user', new TableMemory({ entryBytes: platform.entryBytes }));
      const pages = 2 ** geometryOf(geometry, 'pmd').shift / geometry.pageBytes;
      const kernel = bootKernel(platform, {
        mms: 3, vmas: 16, mapCount: 8, journal: 16, mappings: 2, words: 2048, ...play.options, ...(play.vmalloc === true ? { vmalloc: [vmallocRange(configuration)] } : {}), bytes: (play.frames + (play.huge ?? 0) * pages) * geometry.pageBytes, checks: CHECKS,
      });
      kernel.join('setup');
      const mm = kernel.newMm();
      const data = play.setup(placeOf(kernel, mm));
      kernel.rcu.barrier();
      kernel.leave();
      return { machine: kernel.share(), mm: mm.id, data };
    },
    threads: Object.fromEntries(Object.entries(play.threads).map(([name, body]) => [name, (world: World<D>) => {
      const place = open(world, name);
      return () => {
        body(place, world.data);
        assertNoneHeld(`the end of ${name}`);
        place.kernel.ledger?.close();
      };
    }])),
    check: (world) => {
      const place = open(world, 'check');
      const outcome = play.check(place, world.data);
      checkPageTables(place.kernel);
      place.mm.mmput();
      play.after?.(place, world.data);
      place.kernel.assertQuiet();
      place.kernel.leave();
      setCurrentThread(undefined);
      return outcome;
    },
  });
}

function placeOf(kernel: Kernel<TableHandles>, mm: Mm<TableHandles>): Place {
  const hugeBytes = 2 ** geometryOf(mm.arch.geometry, 'pmd').shift;
  return { kernel, mm, hugeBytes, base: Math.ceil((mm.root.windows[0]!.start + 1) / hugeBytes) * hugeBytes };
}

/** Scheduling points are before accesses of the kernel's tables, not of copies that one thread alone has. */
function scheduled(platform: Platform<TableHandles>): Platform<TableHandles> {
  return {
    entryBytes: platform.entryBytes, root: (half, table) => platform.root(half, table),
    make: (half, tables) => (tables instanceof FrameTables ? withSchedulePoints(platform.make(half, tables)) : platform.make(half, tables)),
  };
}
