import {
  hwPteAdvance, pmdLeaf, pmdNone, pmdPfn, pmdpGet, pmdpHugeGetAndClear, ptePfn, ptePresent, ptepGet, ptepGetAndClear, pteSpecial, TableMemory, type PteVal, type TableHandles,
} from '@pgtable/core';
import { expect } from 'vitest';
import { bootKernel, checkPageTables } from '../src/boot.js';
import {
  freePgdRange, hugePmdBytes, hugePmdOrder, MmCounter, mmFindPmd, pmdLock, pteOffsetMapLock, pteUnmapUnlock, removeRmap, setCurrentThread, TableGather, VmaFlags, type Kernel, type Mapping, type Mm, type NewVma, type Vma,
} from '../src/index.js';
import { ALL, type Configuration } from '../../arch-testkit/test/configurations.js';

export type Machine = Kernel<TableHandles>;
export type Space = Mm<TableHandles>;
export type Area = Vma<TableHandles>;
export type File = Mapping<TableHandles>;

export const CHECKS = { lockdep: true, staleTranslations: true, flushes: true, pageTableCheck: true, writeProtect: true };
export const READ = VmaFlags.Read;
export const WRITE = VmaFlags.Read | VmaFlags.Write;

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

/** Unmaps a range, page by page; the plainest way, so that what it finds is what there is. */
export function zap(mm: Space, start: number, end: number): void {
  const { arch, context, kernel } = mm;
  const gather = new TableGather(mm);
  for (let address = start; address < end; address += mm.pageBytes) {
    const pmdp = mmFindPmd(mm, address);
    if (pmdp === undefined) continue;
    const huge = hugePmdOrder(mm) === undefined || address % hugePmdBytes(mm) !== 0 ? undefined : pmdpGet(arch, pmdp);
    if (huge !== undefined && pmdLeaf(arch, huge)) {
      const ptl = pmdLock(mm, pmdp);
      pmdpHugeGetAndClear(arch, context, BigInt(address), pmdp).gather(gather);
      const table = kernel.frames.head(Math.floor(arch.ops.pmd.entryAddress(pmdp) / mm.pageBytes)) * mm.pageBytes;
      const deposit = kernel.pageTables.withdraw(table);
      removeRmap(gather, pmdPfn(arch, huge), 2 ** hugePmdOrder(mm)!, true);
      ptl.unlock();
      gather.removeTable(kernel.pageTables.adopt(arch, 'pte', deposit));
      continue;
    }
    if (pmdNone(arch, pmdpGet(arch, pmdp)) || pmdLeaf(arch, pmdpGet(arch, pmdp))) continue;
    const table = pteOffsetMapLock(mm, pmdp, address);
    if (table === undefined) continue;
    const ptep = hwPteAdvance(arch, table.ptep, 0);
    if (ptePresent(arch, ptepGet(arch, ptep))) {
      const pte = ptepGetAndClear(arch, context, BigInt(address), ptep).gather(gather);
      const pfn = ptePfn(arch, pte);
      if (pfn !== kernel.zeroPfn && !pteSpecial(arch, pte)) removeRmap(gather, pfn, 1);
    }
    pteUnmapUnlock(table);
  }
  gather.finish();
}

/** Unmaps all of an address space, and ends it. */
export function exit(mm: Space): void {
  mm.lock.writeLock();
  const vmas = mm.vmas();
  for (const vma of vmas) zap(mm, vma.start, vma.end);
  const gather = new TableGather(mm);
  const windows = mm.root.windows;
  for (const { start, end } of windows) freePgdRange(gather, start, end, 0, Infinity);
  gather.finish();
  for (const vma of vmas) mm.removeVma(vma);
  mm.lock.writeUnlock();
  expect([mm.counter(MmCounter.AnonPages), mm.counter(MmCounter.FilePages), mm.counter(MmCounter.TableBytes)]).toEqual([0, 0, 0]);
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
