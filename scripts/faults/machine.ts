import { geometryOf, TableMemory, type TableHandles } from '@pgtable/core';
import type { Configuration } from '../../packages/arch-testkit/test/configurations.js';
import {
  bootKernel, checkPageTables, currentThread, mmap, setCurrentThread, VmaFlags, type Kernel, type KernelOptions, type Mm, type MmapRequest,
} from '../../packages/mm/src/index.js';

export type Machine = Kernel<TableHandles>;
export type Space = Mm<TableHandles>;

export const READ_WRITE = VmaFlags.Read | VmaFlags.Write;

const CHECKS = { lockdep: true, staleTranslations: true, breakBeforeMake: true, flushes: true, pageTableCheck: true, writeProtect: true } as const;

/** What a program works with: a kernel with all checks, and a process. */
export interface Place {
  readonly kernel: Machine;
  readonly mm: Space;
  /** Bytes of a huge page, and what a PTE table translates. */
  readonly hugeBytes: number;
}

/** What of a kernel depends on the machine. */
export interface Wanted extends Omit<KernelOptions<TableHandles>, 'bytes' | 'checks'> {
  /** Huge pages that memory has room for, beside 192 small ones. */
  readonly huge?: number;
}

/**
 * A kernel from boot to its end: what a program does with one process, and afterwards nothing may be left.
 *
 * @throws what the kernel, its checks or the program find
 */
export function run(configuration: Configuration, { huge = 0, ...options }: Wanted, program: (place: Place) => void): void {
  const { geometry } = configuration.make('user', new TableMemory({ entryBytes: configuration.entryBytes }));
  const hugeBytes = 2 ** geometryOf(geometry, 'pmd').shift;
  const kernel = bootKernel<TableHandles>(configuration, {
    mms: 4, vmas: 32, mapCount: 16, journal: 32, mappings: 2, words: 4096, ...options, bytes: 192 * geometry.pageBytes + huge * hugeBytes, checks: CHECKS,
  });
  kernel.join('main');
  const mm = kernel.newMm();
  program({ kernel, mm, hugeBytes });
  mm.mmput();
  checkPageTables(kernel);
  kernel.assertQuiet();
  kernel.leave();
  setCurrentThread(undefined);
}

/** `mmap()` of so many pages that may be read and written. */
export function map(mm: Space, pages: number, more: Partial<MmapRequest<TableHandles>> = {}): number {
  return mmap(mm, { bytes: pages * mm.pageBytes, prot: READ_WRITE, ...more });
}

/** `mmap()` of so many huge pages, where one may begin. */
export function mapHuge({ mm, hugeBytes }: Place, count: number, more: Partial<MmapRequest<TableHandles>> = {}): number {
  const found = map(mm, (count + 1) * hugeBytes / mm.pageBytes);
  const start = Math.ceil(found / hugeBytes) * hugeBytes;
  return mmap(mm, { bytes: count * hugeBytes, prot: READ_WRITE, address: start, fixed: true, ...more });
}

/** Does something as another thread of the model. */
export function as(kernel: Machine, name: string, action: () => void): void {
  const before = currentThread();
  kernel.join(name);
  try {
    action();
    kernel.leave();
  } finally {
    setCurrentThread(before);
  }
}

/** Throws unless two things are the same. */
export function same(what: string, got: unknown, wanted: unknown): void {
  if (got !== wanted) throw new Error(`${what}: ${String(got)}, and must be ${String(wanted)}`);
}

/** Throws unless something is refused in the way that is expected. */
export function refused(what: string, action: () => unknown, expected: RegExp): void {
  try {
    action();
  } catch (error) {
    if (error instanceof Error && expected.test(error.message)) return;
    throw error;
  }
  throw new Error(`${what} was not refused`);
}
