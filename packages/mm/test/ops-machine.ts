import { TableMemory, type TableHandles } from '@pgtable/core';
import { bootKernel, checkPageTables, hugePmdOrder, mmap, setCurrentThread, VmaFlags, type Kernel, type KernelOptions, type Mm, type MmapRequest } from '../src/index.js';
import { ALL, ARCHITECTURE_NAMES, type Configuration } from '../../arch-testkit/test/configurations.js';

/* Kernels with all checks on, for tests of what processes do to their address spaces. */

export type Machine = Kernel<TableHandles>;
export type Space = Mm<TableHandles>;

export { ALL, ARCHITECTURE_NAMES };

export const READ = VmaFlags.Read;
export const WRITE = VmaFlags.Read | VmaFlags.Write;

export const CHECKS = { lockdep: true, staleTranslations: true, breakBeforeMake: true, flushes: true, pageTableCheck: true, writeProtect: true } as const;

/** A configuration by its name, so that a worker finds it. */
export function shape(name: string): Configuration {
  const found = ALL.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no configuration ${name}`);
  return found;
}

/** Bytes of the smallest pages. */
export function pageBytesOf(configuration: Configuration): number {
  return configuration.make('user', new TableMemory({ entryBytes: configuration.entryBytes })).geometry.pageBytes;
}

/** Whether a configuration has huge pages of pmd entries, and how many small pages one has. */
function hugePagesIn(configuration: Configuration): number | undefined {
  const kernel = boot(configuration, 64, {});
  const mm = kernel.newMm();
  const order = hugePmdOrder(mm);
  mm.mmput();
  kernel.leave();
  setCurrentThread(undefined);
  return order === undefined ? undefined : 2 ** order;
}

/** One of each architecture with huge pages of at most 512 small ones. */
export const HUGE: readonly Configuration[] = ARCHITECTURE_NAMES.map((name) => {
  const found = ALL.find((one) => one.name.startsWith(name) && (hugePagesIn(one) ?? Infinity) <= 512);
  if (found === undefined) throw new Error(`${name} has no huge pages in any configuration`);
  return found;
});

/** A kernel that this thread has joined. @param frames how many */
export function boot(configuration: Configuration, frames = 512, options: KernelOptions<TableHandles> = { checks: CHECKS }): Machine {
  const kernel = bootKernel<TableHandles>(configuration, { bytes: frames * pageBytesOf(configuration), mms: 8, vmas: 512, mapCount: 64, journal: 96, mappings: 4, words: 2048, ...options });
  kernel.join('main');
  return kernel;
}

/** {@link mmap} of so many pages. */
export function map(mm: Space, pages: number, prot: number, more: Partial<MmapRequest<TableHandles>> = {}): number {
  return mmap(mm, { bytes: pages * mm.pageBytes, prot, ...more });
}

/** Calls a function with the mmap lock to read. */
export function reading<T>(mm: Space, look: () => T): T {
  mm.lock.readLock();
  try {
    return look();
  } finally {
    mm.lock.readUnlock();
  }
}

/** The VMAs, as numbers of pages. */
export function areas(mm: Space): string[] {
  return reading(mm, () => mm.vmas().map((vma) => `${vma.start / mm.pageBytes} +${vma.pages} 0x${(vma.flags & 0xf).toString(16)}`));
}

/** The end of a test: nothing is left. */
export function quiet(kernel: Machine): void {
  checkPageTables(kernel);
  kernel.assertQuiet();
  kernel.leave();
  setCurrentThread(undefined);
}
