import { Access, geometryOf, TableMemory, type AliasHandles } from '@pgtable/core';
import { Translator, type Space, type TranslationStep } from '@pgtable/walk';
import { ALL, type Configuration } from '../../arch-testkit/test/configurations.js';
import { bootKernel, copyKernelTables, freePgdRange, purgeVmapArea, TableGather, vmallocExit, vmallocInit, type Kernel, type KernelChecks, type KernelOptions } from '../src/index.js';

export { ALL };

export const CHECKS: KernelChecks = { lockdep: true, staleTranslations: true, breakBeforeMake: true, flushes: true, pageTableCheck: true, writeProtect: true };
/** A few address spaces and VMAs: these tests need none. */
export const SMALL = { mms: 4, vmas: 16, mapCount: 4, journal: 12, mappings: 2 } as const;

export function configurationOf(name: string): Configuration {
  const found = ALL.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no configuration ${name}`);
  return found;
}

/** A vmalloc range of the kernel's addresses: whole entries of the root table, so that no table below is shared with others. */
export function vmallocRange(configuration: Configuration): { readonly start: number; readonly end: number } {
  const { geometry } = configuration.make<AliasHandles>('kernel', new TableMemory({ entryBytes: configuration.entryBytes }));
  const root = configuration.root('kernel', 0x4000_0000);
  const window = root.windows.find(({ half }) => half === 'kernel')!;
  const bytes = 2 ** geometryOf(geometry, root.top).shift;
  // Address 0 is nobody's.
  const start = Math.max(window.start, bytes);
  return { start, end: Math.min(window.end, start + Math.ceil(2 ** 27 / bytes) * bytes) };
}

/** A kernel with areas, which this thread has joined. */
export function boot(configuration: Configuration, options: KernelOptions<AliasHandles> = {}, areas = 32): Kernel<AliasHandles> {
  const kernel = bootKernel<AliasHandles>(configuration, { ...SMALL, vmalloc: [vmallocRange(configuration)], checks: CHECKS, ...options });
  kernel.join('test');
  vmallocInit(kernel, { areas });
  return kernel;
}

/** Says that nothing is left, and that nothing was forgotten. */
export function quiet(kernel: Kernel<AliasHandles>): void {
  purgeVmapArea(kernel);
  vmallocExit(kernel);
  // Where a test has ranges that share their tables with other addresses.
  kernel.initMm.lock.writeLock();
  const gather = new TableGather(kernel.initMm);
  for (const { start, end } of kernel.vmalloc) freePgdRange(gather, start, end, 0, Infinity);
  gather.finish();
  kernel.initMm.lock.writeUnlock();
  kernel.ledger?.close();
  kernel.assertQuiet();
  kernel.leave();
}

/** What a page is translated to: by a reader of tables that knows nothing of areas. */
export interface Page {
  readonly frame: number | undefined;
  /** `r`, `w`, `x`; empty: not mapped. */
  readonly access: string;
  /** Bytes that are mapped together. */
  readonly bytes: number;
}

/** The pages of a range of the kernel's addresses, as the tables are now. */
export function pagesOf(kernel: Kernel<AliasHandles>, start: number, count: number): Page[] {
  const { pageBytes } = kernel.frames;
  return pagesIn(copyKernelTables(kernel, { ranges: [{ start, end: start + count * pageBytes }] }), start, count, pageBytes);
}

/** The same of a copy. */
export function pagesIn(space: Space<AliasHandles>, start: number, count: number, pageBytes: number): Page[] {
  const translator = new Translator(space);
  return Array.from({ length: count }, (_, page) => {
    const steps: TranslationStep[] = [];
    translator.lookup(start + page * pageBytes, steps);
    const leaf = steps.at(-1);
    if (translator.status !== 'mapped' || leaf?.attributes === undefined) return { frame: undefined, access: '', bytes: 0 };
    const { access, group } = leaf.attributes;
    const can = (bit: number, name: string): string => ((access & bit) === 0 ? '' : name);
    return {
      frame: translator.pagePa / pageBytes, bytes: translator.pageBytes * group,
      access: can(Access.KernelRead, 'r') + can(Access.KernelWrite, 'w') + can(Access.KernelExecute, 'x'),
    };
  });
}
