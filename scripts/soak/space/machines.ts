import { geometryOf, TableMemory, type TableHandles } from '@pgtable/core';
import { MAX_ORDER, type KernelChecks, type KernelOptions } from '../../../packages/mm/src/index.js';
import { ALL, type Configuration } from '../../../packages/arch-testkit/test/configurations.js';
import type { Regions } from './orders.js';

/** One of each architecture: what `npm test` runs. arm64's processes have contpte. */
export const SHORT: readonly string[] = ['x86 4-level', 'arm64 4K 48-bit', 'riscv Sv48', 's390 pud'];

/** All that there are. */
export const LONG: readonly string[] = ALL.map(({ name }) => name);

export const CHECKS: KernelChecks = { lockdep: true, staleTranslations: true, breakBeforeMake: true, flushes: true, pageTableCheck: true, writeProtect: true };

/** @throws Error if there is none of that name */
export function configurationOf(name: string): Configuration {
  const found = ALL.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no configuration '${name}'; there are: ${LONG.join(', ')}`);
  return found;
}

function geometryIn(configuration: Configuration, half: 'user' | 'kernel') {
  return configuration.make<TableHandles>(half, new TableMemory({ entryBytes: configuration.entryBytes }));
}

/** A vmalloc range of the kernel's addresses: whole entries of the root table, so that no table below is shared with others. */
function vmallocRange(configuration: Configuration): { readonly start: number; readonly end: number } {
  const { geometry } = geometryIn(configuration, 'kernel');
  const root = configuration.root('kernel', 0x4000_0000);
  const window = root.windows.find(({ half }) => half === 'kernel');
  if (window === undefined) throw new Error(`${configuration.name} has no kernel addresses`);
  const bytes = 2 ** geometryOf(geometry, root.top).shift;
  // Address 0 is nobody's.
  const start = Math.max(window.start, bytes);
  return { start, end: Math.min(window.end, start + Math.ceil(2 ** 27 / bytes) * bytes) };
}

/** VMAs of a process where they are scarce: a few more than the threads have all the time. */
const FEW_VMAS = 24;

/** A machine for so many threads: how large it is, and where its regions are. @param scarce a process can have few VMAs */
export function machineOf(configuration: Configuration, threads: number, scarce: boolean): { readonly options: KernelOptions<TableHandles>; readonly regions: Regions; readonly pageBytes: number } {
  const { geometry, values } = geometryIn(configuration, 'user');
  const { pageBytes } = geometry;
  const pmd = geometryOf(geometry, 'pmd');
  const order = pmd.shift - Math.log2(pageBytes);
  const hasHuge = !pmd.folded && order <= MAX_ORDER && values.pmd.features.has('leaf');
  // Where PMDs are folded or too large, ranges are as large as they may be without using up the memory.
  const huge = hasHuge ? 2 ** order : 64;
  const unit = huge * pageBytes;
  // Half a huge page before a boundary: two threads have the table at their common end in common.
  const windowPages = 3 * huge + huge / 2;
  const windows = Math.ceil(2 ** 28 / unit) * unit + unit / 2;
  const words = Math.ceil((windows + threads * windowPages * pageBytes) / unit + 1) * unit;
  const file = words + 2 * unit;
  const askew = file + 2 * unit + 16 * pageBytes;
  const ground = Math.ceil((askew + unit) / unit + 1) * unit;
  const regions: Regions = { huge, hasHuge, windows, windowPages, words, file, askew, ground, filePages: 2 * huge + 16 };
  // Each thread has its window, in up to three processes, its file, and something for collapses.
  const frames = 2 ** Math.ceil(Math.log2(huge * (10 + threads * 24)));
  return {
    pageBytes, regions,
    options: {
      bytes: frames * pageBytes, mms: 4 + 4 * threads, vmas: 8192 * threads, mapCount: scarce ? FEW_VMAS * threads : 1024 * (threads + 1), journal: 2048 * (threads + 1), mappings: threads + 1,
      words: 65_536 + (threads + 2) * (regions.filePages + 64), vmalloc: [vmallocRange(configuration)],
    },
  };
}
