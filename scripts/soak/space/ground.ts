import { PgtableError, type TableHandles } from '@pgtable/core';
import {
  collapseHugePage, fork, FrameType, FrameWord, getUserPagesFast, madvise, mmap, munmap, pagemapRead, putPages, readUser, VmaFlags, writeUser, type Kernel, type Mm,
} from '../../../packages/mm/src/index.js';
import type { Random } from '../../random.js';
import type { Memory } from './memory.js';
import { Stat, type Orders } from './orders.js';
import type { Probes } from './probes.js';

/** Steps of one operation: so many that they meet with those of others. */
const BURST = 24;
/** Pages that are used most. */
const HOT = 8;
/** Pages of a range. */
const RANGE = 4;
const WRITE = VmaFlags.Read | VmaFlags.Write;

/** What is written to a page, to both words that are used. Nothing else has such words. */
function markOf(page: number): number {
  return 0x6d00_0000 | page;
}

/**
 * Anonymous memory of the process that nobody owns: all threads unmap it, map it again, drop its pages, fork, collapse it, and at the same time write to it by references that GUP gave them.
 *
 * What is in it at a time nobody can say. But a page has its own mark, or nothing: so who writes by a reference to what is another page by now, or somebody else's, is found, here or where that one looks.
 */
export class Ground {
  private readonly mm: Mm<TableHandles>;
  private readonly orders: Orders;
  private readonly random: Random;
  private readonly probes: Probes;
  private readonly memory: Memory;

  constructor(kernel: Kernel<TableHandles>, orders: Orders, random: Random, probes: Probes, memory: Memory) {
    this.mm = probes.watch(kernel.mm(orders.mm));
    this.orders = orders;
    this.random = random;
    this.probes = probes;
    this.memory = memory;
  }

  /** Reads and writes pages by references on them. */
  pin(): void {
    const { mm, memory, random } = this;
    for (let count = 0; count < BURST; count++) {
      const { page, pages } = this.part();
      const write = !random.oneIn(4);
      const got = memory.unlessFault(() => getUserPagesFast(mm, this.at(page), pages, write)) ?? [];
      try {
        got.forEach((pfn, at) => { this.inFrame(page + at, pfn, write); });
        // As long as there are references the pages stay what they are.
        if (write) got.forEach((pfn, at) => { this.expectMark(page + at, pfn, 'had a reference of this thread all the time'); });
        this.probes.add(Stat.Pins, got.length);
      } finally {
        putPages(mm, got, write);
      }
    }
  }

  /** Reads and writes pages by their addresses. */
  touch(): void {
    for (let count = 0; count < BURST; count++) this.touchOne(this.part().page);
  }

  /** Pages go, and others come. */
  drop(): void {
    const { mm, memory } = this;
    for (let count = 0; count < BURST / 2; count++) {
      const { page, pages } = this.part();
      memory.done(() => { unlessHole(() => { madvise(mm, this.at(page), pages * mm.pageBytes, 'dontneed'); }); });
      this.touchOne(page);
    }
  }

  /** VMAs and tables go, and others come. */
  remap(): void {
    const { mm, memory, orders: { regions }, random } = this;
    const whole = random.oneIn(3);
    const { page, pages } = whole ? { page: 0, pages: regions.huge } : this.part();
    memory.done(() => { munmap(mm, this.at(page), pages * mm.pageBytes); });
    memory.done(() => { mmap(mm, { address: this.at(page), fixed: true, bytes: pages * mm.pageBytes, prot: WRITE }); });
    this.touchOne(page);
  }

  /** A child, which sees what there is, writes, and ends. */
  fork(): void {
    const { mm, memory } = this;
    const child = memory.unlessShort(() => fork(mm));
    if (child === undefined) return;
    this.probes.add(Stat.Forks);
    try {
      for (let count = 0; count < HOT; count++) this.touchOne(this.part().page, this.probes.watch(child));
    } finally {
      child.mmput();
    }
  }

  collapse(): void {
    const { mm, memory, orders: { regions } } = this;
    if (!regions.hasHuge) return;
    if (memory.unlessShort(() => collapseHugePage(mm, regions.ground)) === 'succeed') this.probes.add(Stat.Collapses);
  }

  /** Looks at all pages. Locking: nobody does anything. */
  compare(): void {
    const { mm, orders: { regions } } = this;
    mm.lock.readLock();
    try {
      for (const run of pagemapRead(mm, regions.ground, this.at(regions.huge))) {
        if (run.kind !== 'page') continue;
        for (let address = run.start; address < run.end; address += mm.pageBytes) this.inFrame((address - regions.ground) / mm.pageBytes, run.pfn + (address - run.start) / mm.pageBytes, false);
      }
    } finally {
      mm.lock.readUnlock();
    }
  }

  private touchOne(page: number, mm = this.mm): void {
    const { memory, random } = this;
    const [first, last] = [this.at(page), this.at(page + 1) - 4];
    const mark = markOf(page);
    for (const address of [first, last]) {
      if (random.oneIn(2)) memory.unlessFault(() => { writeUser(mm, address, mark); });
      const found = memory.unlessFault(() => readUser(mm, address));
      if (found !== undefined && found !== 0 && found !== mark) throw new Error(`page ${page} of the common ground, at 0x${address.toString(16)} of address space ${mm.id}, has 0x${(found >>> 0).toString(16)}: that is another's`);
    }
  }

  /** Looks into a page, and writes to it. */
  private inFrame(page: number, pfn: number, write: boolean): void {
    const { frames, zeroPfn } = this.mm.kernel;
    const type = frames.read(frames.head(pfn), FrameWord.Type);
    if (type !== FrameType.Anon && (write || pfn !== zeroPfn)) throw new Error(`page ${page} of the common ground is ${frames.describe(pfn)}, which is no anonymous page`);
    for (const at of this.wordsOf(pfn)) {
      const found = Atomics.load(frames.ram, at);
      if (found !== 0 && found !== markOf(page)) throw new Error(`page ${page} of the common ground is ${frames.describe(pfn)}, in which is 0x${(found >>> 0).toString(16)}: it is another's`);
      if (write) Atomics.store(frames.ram, at, markOf(page));
    }
  }

  private expectMark(page: number, pfn: number, why: string): void {
    const { frames } = this.mm.kernel;
    for (const at of this.wordsOf(pfn)) {
      const found = Atomics.load(frames.ram, at);
      if (found !== markOf(page)) throw new Error(`page ${page} of the common ground, ${frames.describe(pfn)}, ${why}, and what was written to it is 0x${(found >>> 0).toString(16)} by now`);
    }
  }

  /** The first word of a frame and the last. */
  private wordsOf(pfn: number): readonly [number, number] {
    const { frames } = this.mm.kernel;
    const first = (pfn * frames.pageBytes - frames.base) / 4;
    return [first, first + frames.pageBytes / 4 - 1];
  }

  private at(page: number): number {
    return this.orders.regions.ground + page * this.mm.pageBytes;
  }

  /** A few pages, mostly of those for which all fight. */
  private part(): { readonly page: number; readonly pages: number } {
    const { random, orders: { regions } } = this;
    const page = random.below(random.oneIn(8) ? regions.huge : HOT);
    return { page, pages: Math.min(1 + random.below(RANGE), regions.huge - page) };
  }
}

/** Another thread may have unmapped what is to be changed. */
function unlessHole(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof PgtableError) || error.code !== 'ENOMEM' || !error.message.includes('not all of it is mapped')) throw error;
  }
}
