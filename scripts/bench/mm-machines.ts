import { geometryOf, TableMemory, type TableHandles } from '@pgtable/core';
import { bootKernel, setCurrentThread, type Kernel, type KernelChecks } from '@pgtable/mm';
import { ALL, type Configuration } from '../../packages/arch-testkit/test/configurations.js';

/** One of each architecture, with 4 KiB pages, and huge ones. */
export const MACHINES = ['x86 4-level', 'arm64 4K 48-bit', 'riscv Sv48', 's390 pud'] as const;

export const ALL_CHECKS: KernelChecks = { lockdep: true, staleTranslations: true, flushes: true, pageTableCheck: true, writeProtect: true };

export type BenchKernel = Kernel<TableHandles>;

/** A new kernel with so many bytes of memory, most of which the host need not have while nobody writes to it. This thread has joined it. */
export function bootBench(name: string, bytes: number, checks: KernelChecks): BenchKernel {
  const configuration = ALL.find((one) => one.name === name);
  if (configuration === undefined) throw new Error(`there is no configuration ${name}`);
  const kernel = bootKernel<TableHandles>(configuration, { bytes, checks, mms: 8, vmas: 512, mapCount: 64, journal: 96, mappings: 2, vmalloc: [vmallocRange(configuration)] });
  kernel.join('bench');
  return kernel;
}

/** Runs something on a kernel that {@link bootBench} makes. */
export function withKernel<T>(name: string, bytes: number, checks: KernelChecks, work: (kernel: BenchKernel) => T): T {
  const kernel = bootBench(name, bytes, checks);
  try {
    return work(kernel);
  } finally {
    kernel.leave();
    setCurrentThread(undefined);
  }
}

/** Kernel addresses for areas of some GiB: whole entries of the root table. */
function vmallocRange(configuration: Configuration): { readonly start: number; readonly end: number } {
  const { geometry } = configuration.make<TableHandles>('kernel', new TableMemory({ entryBytes: configuration.entryBytes }));
  const root = configuration.root('kernel', 0x4000_0000);
  const window = root.windows.find(({ half }) => half === 'kernel');
  if (window === undefined) throw new Error(`${configuration.name} has no addresses of the kernel's`);
  const bytes = 2 ** geometryOf(geometry, root.top).shift;
  const start = Math.max(window.start, bytes);
  return { start, end: Math.min(window.end, start + Math.ceil(2 ** 32 / bytes) * bytes) };
}

/** The best of some times, in milliseconds, after one that does not count. What comes before each time is not measured. */
export function bestWith<S>(times: number, prepare: () => S, work: (state: S) => void, clean: (state: S) => void): number {
  let best = Infinity;
  for (let time = 0; time <= times; time++) {
    const state = prepare();
    const start = performance.now();
    work(state);
    if (time > 0) best = Math.min(best, performance.now() - start);
    clean(state);
  }
  return best;
}

/** Thousands a second. */
export function rate(count: number, milliseconds: number): string {
  return (count / milliseconds).toFixed(0);
}

/** ns of one of so many. */
export function nanoseconds(count: number, milliseconds: number): number {
  return (milliseconds * 1e6) / count;
}
