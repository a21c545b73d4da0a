import { ptePfn, ptePresent, ptepGet, ptepSetWrprotect, setPteAt, TableMemory, type PteVal, type TableHandles } from '@pgtable/core';
import { bootKernel, checkPageTables } from '../src/boot.js';
import { dupRmap } from '../src/folio/rmap.js';
import { hugePmdBytes } from '../src/folio/huge.js';
import type { Kernel } from '../src/kernel/kernel.js';
import type { Mapping } from '../src/kernel/mapping.js';
import type { Mm, NewVma } from '../src/kernel/mm.js';
import { VmaFlags } from '../src/kernel/vma-flags.js';
import type { Vma } from '../src/kernel/vma.js';
import { setCurrentThread } from '../src/locks/thread.js';
import { TableGather } from '../src/tables/gather.js';
import { pteOffsetMapLock, pteUnmapUnlock } from '../src/tables/pte-offset-map.js';
import { mmAllocPmd, mmFindPmd, pteAlloc } from '../src/tables/table-alloc.js';
import { unmapPageRange } from '../src/zap/zap.js';
import { ALL, type Configuration } from '../../arch-testkit/test/configurations.js';

export type Machine = Kernel<TableHandles>;
export type Space = Mm<TableHandles>;
export type Area = Vma<TableHandles>;
export type File = Mapping<TableHandles>;

export const CHECKS = { lockdep: true, staleTranslations: true, breakBeforeMake: true, flushes: true, pageTableCheck: true, writeProtect: true };
export const READ = VmaFlags.Read | VmaFlags.MayRead | VmaFlags.MayWrite;
export const WRITE = READ | VmaFlags.Write;

/** All configurations, by name. */
export const NAMES: readonly string[] = ALL.map(({ name }) => name);

export function shape(name: string): Configuration {
  const found = ALL.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no configuration ${name}`);
  return found;
}

/** Bytes of the pages of a configuration. */
export function pageBytesOf(configuration: Configuration): number {
  return configuration.make('user', new TableMemory({ entryBytes: configuration.entryBytes })).geometry.pageBytes;
}

/** A kernel with all checks, which this thread has joined. */
export function boot(name: string, frames = 256, checks = CHECKS): Machine {
  const configuration = shape(name);
  const kernel = bootKernel<TableHandles>(configuration, { bytes: frames * pageBytesOf(configuration), mms: 8, vmas: 64, mapCount: 32, journal: 64, mappings: 4, words: 1024, checks });
  kernel.join('main');
  return kernel;
}

/** The first address of an address space that is a multiple of what a pmd entry maps, and is not 0. */
export function baseOf(mm: Space): number {
  const bytes = hugePmdBytes(mm);
  return Math.ceil((mm.root.windows[0]!.start + 1) / bytes) * bytes;
}

/** A new VMA. @param pages its length, from the base on */
export function map(mm: Space, pages: number, flags: number, more: Partial<NewVma<TableHandles>> & { readonly at?: number } = {}): Area {
  const start = baseOf(mm) + (more.at ?? 0) * mm.pageBytes;
  mm.lock.writeLock();
  try {
    return mm.insertVma({ start, end: start + pages * mm.pageBytes, flags, ...(more.mapping === undefined ? {} : { mapping: more.mapping }), ...(more.pgoff === undefined ? {} : { pgoff: more.pgoff }) });
  } finally {
    mm.lock.writeUnlock();
  }
}

/** What the pte of an address says; undefined: there is no table. */
export function pteAt(mm: Space, address: number): PteVal | undefined {
  const pmdp = mmFindPmd(mm, address);
  const table = pmdp === undefined ? undefined : pteOffsetMapLock(mm, pmdp, address);
  if (table === undefined) return undefined;
  const pte = ptepGet(mm.arch, table.ptep);
  pteUnmapUnlock(table);
  return pte;
}

/** The frame that the pte of an address maps. */
export function pfnAt(mm: Space, address: number): number | undefined {
  const pte = pteAt(mm, address);
  return pte !== undefined && ptePresent(mm.arch, pte) ? ptePfn(mm.arch, pte) : undefined;
}

/** Unmaps a range of one VMA: what madvise(MADV_DONTNEED) does. */
export function zap(vma: Area, start: number, end: number): void {
  const gather = new TableGather(vma.mm);
  unmapPageRange(gather, vma, start, end);
  gather.finish();
}

/**
 * What fork does with a page: a second address space maps it too, and neither may write. With the rules of the reverse map, by hand.
 *
 * @param vma of the parent, whose address the page is
 */
export function share(vma: Area, child: Space, address: number): void {
  const { mm } = vma;
  const { arch } = mm;
  const pmdp = mmAllocPmd(child, address);
  pteAlloc(child, pmdp, address);
  const from = pteOffsetMapLock(mm, mmAllocPmd(mm, address), address);
  if (from === undefined) throw new Error('the parent has no table there');
  ptepSetWrprotect(arch, mm.context, BigInt(address), from.ptep).flush();
  const pte = ptepGet(arch, from.ptep);
  pteUnmapUnlock(from);
  const to = pteOffsetMapLock(child, pmdp, address);
  if (to === undefined) throw new Error('the child has no table there');
  dupRmap(child, ptePfn(arch, pte), 1);
  setPteAt(arch, child.context, BigInt(address), to.ptep, pte);
  pteUnmapUnlock(to);
}

/** The last user leaves: all is unmapped. */
export function exit(mm: Space): void {
  mm.mmput();
}

/** The end of a test: nothing is left. */
export function quiet(kernel: Machine): void {
  checkPageTables(kernel);
  kernel.rcu.barrier();
  kernel.assertQuiet();
  kernel.leave();
  setCurrentThread(undefined);
}
