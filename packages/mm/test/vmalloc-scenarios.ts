import { geometryOf, type AliasHandles } from '@pgtable/core';
import { ALL, type Configuration } from '../../arch-testkit/test/configurations.js';
import {
  AccessType, attachKernel, bootKernel, copyKernelTables, FrameTables, FrameType, FrameWord, purgeVmapArea, scenario, schedulePoint, Until, setMemoryRo, vfree, vmalloc, vmallocAttach, vmallocInit, withSchedulePoints,
  type AnyScenario, type Kernel, type Platform, type SharedMachine, type SharedVmalloc,
} from '../src/index.js';
import { lookupAddress, vmallocHugePages } from '../src/vmalloc/kernel-entries.js';
import { splitKernelLeaf } from '../src/vmalloc/split-kernel-leaf.js';
import { pagesIn, pagesOf, SMALL, vmallocRange } from './vmalloc-machine.js';

/** The architectures that these scenarios are about. */
export const ARCHITECTURES: readonly Configuration[] = ALL.filter(({ name }) => ['x86 4-level', 'arm64 4K 48-bit', 'riscv Sv39', 's390 pud'].includes(name));

/** A kernel with one area. */
interface World {
  readonly kernel: SharedMachine;
  readonly vmalloc: SharedVmalloc;
  readonly start: number;
  readonly seen: Int32Array;
}

/** Pages that are looked at: of which those but the first are made read-only. */
const PAGES = 3;

/** Scheduling points are before accesses of the kernel's tables, not of copies that one thread alone has. */
function scheduled(platform: Platform<AliasHandles>): Platform<AliasHandles> {
  return {
    entryBytes: platform.entryBytes, root: (half, table) => platform.root(half, table),
    make: (half, tables) => (tables instanceof FrameTables ? withSchedulePoints(platform.make(half, tables)) : platform.make(half, tables)),
  };
}

function open(platform: Platform<AliasHandles>, { kernel: image, vmalloc: areas }: World, name: string): Kernel<AliasHandles> {
  const kernel = attachKernel(image, platform);
  vmallocAttach(kernel, areas);
  kernel.join(name);
  return kernel;
}

function setup(configuration: Configuration, huge: boolean): World {
  const kernel = bootKernel<AliasHandles>(configuration, { ...SMALL, bytes: 1024 * 2 ** 12, words: 8192, vmalloc: [vmallocRange(configuration)] });
  kernel.join('setup');
  const image = vmallocInit(kernel, { areas: 8 });
  const bytes = huge ? vmallocHugePages(kernel.initMm.arch).at(-1)!.bytes : PAGES * kernel.frames.pageBytes;
  const start = vmalloc(kernel, bytes, { huge });
  const world = { kernel: kernel.share(), vmalloc: image, start, seen: new Int32Array(new SharedArrayBuffer(64)) };
  kernel.leave();
  return world;
}

/** What a listing says of the pages: `w` or `r` for each, and nothing else may be there. */
function list(kernel: Kernel<AliasHandles>, { start, seen }: World): void {
  const { pageBytes } = kernel.frames;
  const pages = pagesIn(copyKernelTables(kernel, { ranges: [{ start, end: start + PAGES * pageBytes }] }), start, PAGES, pageBytes);
  pages.forEach(({ access, frame }, page) => {
    if (access !== 'rw' && access !== 'r') throw new Error(`page ${page} is neither what it was nor what it will be: '${access}'`);
    if (page === 0 && access !== 'rw') throw new Error('a page was listed read-only that is not');
    if (frame !== pages[0]!.frame! + page) throw new Error(`page ${page} is another frame`);
    seen[page] = access === 'r' ? 1 : 2;
  });
}

function check(configuration: Configuration, world: World): string {
  const kernel = open(configuration, world, 'check');
  const now = pagesOf(kernel, world.start, PAGES).map(({ access }) => access);
  kernel.leave();
  if (now.some((access, page) => access !== (page === 0 ? 'rw' : 'r'))) throw new Error(`in the end the pages are ${now.join(', ')}`);
  return Array.from(world.seen.subarray(0, PAGES), (one) => '-rw'[one]).join('');
}

function changing(configuration: Configuration, huge: boolean): AnyScenario {
  const platform = scheduled(configuration);
  return scenario<World>({
    setup: () => setup(configuration, huge),
    threads: {
      'set_memory_ro': (world) => {
        const kernel = open(platform, world, 'set_memory_ro');
        return () => { setMemoryRo(kernel, world.start + kernel.frames.pageBytes, PAGES - 1); };
      },
      'ptdump': (world) => {
        const kernel = open(platform, world, 'ptdump');
        return () => { list(kernel, world); };
      },
    },
    check: (world) => check(configuration, world),
  });
}

/** The split alone, under no lock that a listing takes: what must not be done. */
function splitting(configuration: Configuration): AnyScenario {
  const platform = scheduled(configuration);
  return scenario<World>({
    setup: () => setup(configuration, true),
    threads: {
      'split': (world) => {
        const kernel = open(platform, world, 'split');
        return () => { splitKernelLeaf(kernel.initMm, world.start + kernel.frames.pageBytes); };
      },
      'ptdump': (world) => {
        const kernel = open(platform, world, 'ptdump');
        return () => { list(kernel, world); };
      },
    },
  });
}

/** An area is freed while its protection is changed: one of both is first, and the change finds the area, or none. */
function freeing(configuration: Configuration): AnyScenario {
  const platform = scheduled(configuration);
  return scenario<World>({
    setup: () => setup(configuration, false),
    threads: {
      'set_memory_ro': (world) => {
        const kernel = open(platform, world, 'set_memory_ro');
        return () => {
          try {
            setMemoryRo(kernel, world.start + kernel.frames.pageBytes, PAGES - 1);
            world.seen[0] = 1;
          } catch (error) {
            if (!(error instanceof Error && /no vmalloc area is there|it was freed meanwhile/.test(error.message))) throw error;
            world.seen[0] = 2;
          }
        };
      },
      'vfree': (world) => {
        const kernel = open(platform, world, 'vfree');
        return () => { vfree(kernel, world.start); };
      },
    },
    check: (world) => {
      const kernel = open(configuration, world, 'check');
      const left = pagesOf(kernel, world.start, PAGES).filter(({ frame }) => frame !== undefined);
      kernel.leave();
      if (left.length > 0) throw new Error('pages of an area that was freed are mapped');
      return world.seen[0] === 1 ? 'changed' : 'gone';
    },
  });
}

/** The smallest block of an architecture. */
function blockOf(kernel: Kernel<AliasHandles>): number {
  return vmallocHugePages(kernel.initMm.arch).findLast(({ level, count }) => level !== 'pte' && count === 1)!.bytes;
}

/** A block comes where the empty table of small pages is left, which goes: `pmd_free_pte_page()`. A listing is in that table, or is not. */
function replacing(configuration: Configuration): AnyScenario {
  const platform = scheduled(configuration);
  return scenario<World>({
    setup: () => {
      const kernel = bootKernel<AliasHandles>(configuration, { ...SMALL, bytes: 2048 * 2 ** 12, words: 8192, vmalloc: [vmallocRange(configuration)] });
      kernel.join('setup');
      const image = vmallocInit(kernel, { areas: 8 });
      const start = vmalloc(kernel, blockOf(kernel));
      vfree(kernel, start);
      purgeVmapArea(kernel);
      const world = { kernel: kernel.share(), vmalloc: image, start, seen: new Int32Array(new SharedArrayBuffer(64)) };
      kernel.leave();
      return world;
    },
    threads: {
      'vmalloc': (world) => {
        const kernel = open(platform, world, 'vmalloc');
        const { frames, initMm: { arch } } = kernel;
        const { at } = lookupAddress(kernel.initMm, world.start);
        const table = at.level === 'pte' ? arch.ops.pte.entryAddress(at.entry) : 0;
        return () => {
          if (vmalloc(kernel, blockOf(kernel), { huge: true }) !== world.start) throw new Error('the block is not where the table was');
          kernel.rcu.barrier();
          const pfn = Math.floor(table / frames.pageBytes);
          if (frames.read(pfn, FrameWord.Type) !== FrameType.Free) throw new Error('the table was not freed');
          // Its memory is the next one's.
          const bytes = geometryOf(arch.geometry, 'pte').entries * arch.geometry.entryBytes;
          schedulePoint('use the memory of the table for something else', undefined, table, AccessType.Write, Until.Always, bytes);
          const first = (table - frames.base) / 4;
          frames.ram.fill(0x1234_5677, first, first + bytes / 4);
        };
      },
      'ptdump': (world) => {
        const kernel = open(platform, world, 'ptdump');
        return () => {
          const { pageBytes } = kernel.frames;
          const pages = pagesIn(copyKernelTables(kernel, { ranges: [{ start: world.start, end: world.start + PAGES * pageBytes }] }), world.start, PAGES, pageBytes);
          const text = pages.map(({ access }) => access).join(' ');
          if (text !== '  ' && text !== 'rw rw rw') throw new Error(`the listing has what never was: '${text}'`);
          if (text !== '  ' && pages.some(({ frame }, page) => frame !== pages[0]!.frame! + page)) throw new Error('the listing has a frame that is not the block\'s');
          world.seen[0] = text === '  ' ? 1 : 2;
        };
      },
    },
    check: (world) => {
      const kernel = open(configuration, world, 'check');
      const { bytes } = pagesOf(kernel, world.start, 1)[0]!;
      const expected = blockOf(kernel);
      kernel.leave();
      if (bytes !== expected) throw new Error(`in the end pages of ${bytes} bytes are there`);
      return world.seen[0] === 1 ? 'before' : 'after';
    },
  });
}

export const scenarios: Readonly<Record<string, AnyScenario>> = Object.fromEntries(ARCHITECTURES.flatMap((configuration) => [
  [`pages ${configuration.name}`, changing(configuration, false)],
  [`block ${configuration.name}`, changing(configuration, true)],
  [`careless split ${configuration.name}`, splitting(configuration)],
  [`vfree ${configuration.name}`, freeing(configuration)],
  [`replaced table ${configuration.name}`, replacing(configuration)],
]));
