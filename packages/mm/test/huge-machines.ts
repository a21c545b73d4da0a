import { pfnPte, pmdPfn, pmdpGetOnce, pteMkdirty, pteMkold, pteMkwriteNovma, pteMkyoung, ptePfn, ptePresent, ptepGetOnce, pteWrite, setPtes, VmFlags, type TableHandles } from '@pgtable/core';
import {
  addNewAnonRmap, bootKernel, checkPageTables, hugePmdOrder, mmAllocPmd, mmFindPmd, pteAlloc, pteOffsetMapLock, pteUnmapUnlock, setCurrentThread, TableGather, unmapPageRange,
  type Frames, type Kernel, type Mm, type NewVma, type Vma,
} from '../src/index.js';
import { FrameType, FrameWord } from '../src/frames/memmap.js';
import { ALL, ARCHITECTURE_NAMES, type Configuration } from '../../arch-testkit/test/configurations.js';

/* Machines that have huge pages of pmd entries, and memory in them that is filled by hand. */

/** The order of huge pages in a configuration; undefined: it has none. */
function orderIn(configuration: Configuration): number | undefined {
  const kernel = bootKernel<TableHandles>(configuration, { bytes: 64 * 65536, mms: 2 });
  kernel.join('asks');
  const mm = kernel.newMm();
  const order = hugePmdOrder(mm);
  mm.mmput();
  kernel.leave();
  setCurrentThread(undefined);
  return order;
}

const ORDERS = new Map(ALL.map((configuration) => [configuration, orderIn(configuration)]));

/** All configurations with huge pages. */
export const HUGE: readonly Configuration[] = ALL.filter((configuration) => ORDERS.get(configuration) !== undefined);

/** All others. */
export const SMALL: readonly Configuration[] = ALL.filter((configuration) => ORDERS.get(configuration) === undefined);

/** One of each architecture. */
export const ONE_OF_EACH: readonly Configuration[] = ARCHITECTURE_NAMES.map((name) => {
  const found = HUGE.find((configuration) => configuration.name.startsWith(name));
  if (found === undefined) throw new Error(`${name} has no huge pages in any configuration`);
  return found;
});

const checks = { lockdep: true, staleTranslations: true, breakBeforeMake: true, flushes: true, pageTableCheck: true, writeProtect: true } as const;

/** A kernel with all checks on, and one address space with one VMA of whole huge pages. */
export class Huge {
  readonly kernel: Kernel<TableHandles>;
  readonly mm: Mm<TableHandles>;
  vma: Vma<TableHandles>;
  /** Of a huge page, in pages. */
  readonly pages: number;
  readonly bytes: number;

  private readonly configuration: Configuration;

  /**
   * @param blocks huge pages that the VMA has
   * @param of a kernel that is there already: another address space
   */
  constructor(configuration: Configuration, blocks = 1, vma: Partial<NewVma<TableHandles>> = {}, of?: Kernel<TableHandles>) {
    this.configuration = configuration;
    const order = ORDERS.get(configuration);
    if (order === undefined) throw new Error(`${configuration.name} has no huge pages`);
    this.pages = 2 ** order;
    const pageBytes = pageBytesOf(configuration);
    this.bytes = this.pages * pageBytes;
    this.kernel = of ?? bootKernel<TableHandles>(configuration, { bytes: (3 * blocks + 2) * this.bytes, base: 16 * this.bytes, mms: 4, checks });
    if (of === undefined) this.kernel.join('test');
    this.mm = this.kernel.newMm();
    const start = 4 * this.bytes;
    this.mm.lock.writeLock();
    this.vma = this.mm.insertVma({ start, end: start + blocks * this.bytes, flags: VmFlags.Read | VmFlags.Write, ...vma });
    this.mm.lock.writeUnlock();
  }

  /** A machine that has no huge pages. */
  static without(configuration: Configuration): { readonly kernel: Kernel<TableHandles>; readonly mm: Mm<TableHandles> } {
    const kernel = bootKernel<TableHandles>(configuration, { bytes: 64 * 65536, mms: 2, checks });
    kernel.join('test');
    return { kernel, mm: kernel.newMm() };
  }

  /** Another address space of the same kernel, with a VMA at the same addresses. */
  other(vma: Partial<NewVma<TableHandles>> = {}): Huge {
    return new Huge(this.configuration, this.vma.pages / this.pages, vma, this.kernel);
  }

  /** Another VMA in the place of the one that there is. */
  remap(vma: Partial<NewVma<TableHandles>>): void {
    const { start, end, flags } = this.vma;
    this.mm.lock.writeLock();
    this.unmap(0, this.vma.pages);
    this.mm.removeVma(this.vma);
    this.vma = this.mm.insertVma({ start, end, flags, ...vma });
    this.mm.lock.writeUnlock();
  }

  /** Unmaps pages [first, end) of the VMA. */
  unmap(first: number, end: number): void {
    const gather = new TableGather(this.mm);
    unmapPageRange(gather, this.vma, this.at(first), this.at(end));
    gather.finish();
  }

  get frames(): Frames {
    return this.kernel.frames;
  }

  /** New anonymous pages at pages [first, first + 2 ** order) of the VMA, each with its number in its first word. @returns the frame */
  fill(first: number, { order = 0, write = true, young = true, dirty = true } = {}): number {
    const { mm, frames } = this;
    const { arch } = mm;
    const count = 2 ** order;
    const pfn = frames.allocPages(order, FrameType.Anon);
    for (let at = 0; at < count; at++) {
      frames.zero(pfn + at);
      this.write(pfn + at, first + at + 1);
    }
    let pte = pfnPte(arch, pfn, arch.vmProt(VmFlags.Read | VmFlags.Write));
    if (write) pte = pteMkwriteNovma(arch, pte);
    if (dirty) pte = pteMkdirty(arch, pte);
    pte = young ? pteMkyoung(arch, pte) : pteMkold(arch, pte);
    this.set(first, (ptep, address) => {
      addNewAnonRmap(mm, pfn, count);
      setPtes(arch, mm.context, BigInt(address), ptep, pte, count);
    });
    return pfn;
  }

  /** Changes an entry under its table's lock. */
  set(page: number, change: (ptep: TableHandles['pte'], address: number) => void): void {
    const { mm } = this;
    const address = this.at(page);
    mm.lock.readLock();
    const pmdp = mmAllocPmd(mm, address);
    pteAlloc(mm, pmdp, address);
    const table = pteOffsetMapLock(mm, pmdp, address);
    if (table === undefined) throw new Error('there is no table');
    change(table.ptep, address);
    pteUnmapUnlock(table);
    mm.lock.readUnlock();
  }

  at(page: number): number {
    return this.vma.start + page * this.mm.pageBytes;
  }

  pmdp(page = 0): TableHandles['pmd'] {
    const pmdp = mmFindPmd(this.mm, this.at(page));
    if (pmdp === undefined) throw new Error('there is no PMD table');
    return pmdp;
  }

  /** What is mapped at each page of the VMA: the number in the first word of its frame, whether it can be written; undefined: nothing. */
  contents(): ({ readonly word: number; readonly write: boolean } | undefined)[] {
    const { mm } = this;
    const { arch } = mm;
    return Array.from({ length: this.vma.pages }, (_, page) => {
      const pmdp = mmFindPmd(mm, this.at(page));
      if (pmdp === undefined) return undefined;
      const pmd = pmdpGetOnce(arch, pmdp);
      if (!arch.values.pmd.present(pmd)) return undefined;
      if (arch.values.pmd.leaf(pmd)) return { word: this.read(pmdPfn(arch, pmd) + page % this.pages), write: arch.values.pmd.write(pmd) };
      mm.lock.readLock();
      const table = pteOffsetMapLock(mm, pmdp, this.at(page));
      if (table === undefined) throw new Error('there is no table');
      const pte = ptepGetOnce(arch, table.ptep);
      pteUnmapUnlock(table);
      mm.lock.readUnlock();
      return ptePresent(arch, pte) ? { word: this.read(ptePfn(arch, pte)), write: pteWrite(arch, pte) } : undefined;
    });
  }

  /** Whether a page is mapped by a pmd entry. */
  isHuge(page = 0): boolean {
    const { arch } = this.mm;
    const pmd = pmdpGetOnce(arch, this.pmdp(page));
    return arch.values.pmd.present(pmd) && arch.values.pmd.leaf(pmd);
  }

  refcount(pfn: number): number {
    return this.frames.read(this.frames.head(pfn), FrameWord.Refcount);
  }

  /** The process ends, and nothing is left. */
  close(): void {
    checkPageTables(this.kernel as Kernel);
    this.mm.mmput();
    this.kernel.assertQuiet();
    this.kernel.leave();
    setCurrentThread(undefined);
  }

  read(pfn: number): number {
    return this.frames.ram[this.word(pfn)]!;
  }

  write(pfn: number, value: number): void {
    this.frames.ram[this.word(pfn)] = value;
  }

  private word(pfn: number): number {
    return (pfn - this.frames.firstPfn) * this.frames.pageBytes / 4;
  }
}

function pageBytesOf(configuration: Configuration): number {
  const kernel = bootKernel<TableHandles>(configuration, { bytes: 64 * 65536, mms: 2 });
  return kernel.frames.pageBytes;
}
