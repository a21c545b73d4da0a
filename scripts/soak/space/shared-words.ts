import type { TableHandles } from '@pgtable/core';
import {
  addUser, cleanRecordRange, clearYoung, collapseFile, collapseHugePage, collapsePteMappedThp, filemapGetPage, getUserPagesFast, lockFolio, madvise, mprotect, putPages, readUser, retractPageTables, unlockFolio, VmaFlags, writeUser, type Kernel, type Mapping, type Mm,
} from '../../../packages/mm/src/index.js';
import { withUserLock } from './meeting.js';
import type { Memory } from './memory.js';
import { Stat, type Orders, type Regions } from './orders.js';
import type { Probes } from './probes.js';
import type { Random } from '../../random.js';

const RIGHTS = VmaFlags.Read | VmaFlags.Write;

/** Locks of the process, for words: several have one in common. */
export const USER_LOCKS = 16;

/** Additions of one operation: so many that they meet with operations of others. */
const BURST = 40;
/** Pages of each kind of memory that are used most. */
const HOT = 6;

/**
 * How many shared words there are. First one in each page of anonymous memory, then one in each page of the common file: to these atomic additions are made. Then as many again, in the same pages, which are
 * loaded and stored with a lock.
 */
export function tallyWords({ huge }: Regions): number {
  return 4 * huge;
}

/** The address of a shared word. @param other of a page of the file: the other of its two addresses */
export function sharedWord({ huge, words, file, askew }: Regions, pageBytes: number, at: number, other = false): number {
  // In each page another word, so that a frame that is taken for another shows.
  const inPage = ((at * 4) % (pageBytes / 2)) + (at < 2 * huge ? 0 : pageBytes / 2);
  const page = at % (2 * huge);
  return (page < huge ? words + page * pageBytes : (other ? askew : file) + (page - huge) * pageBytes) + inPage;
}

/** Any page of one kind of the memory, mostly one of a few for which all threads fight. */
export function anyPage({ huge }: Regions, random: Random): number {
  return random.below(random.oneIn(4) ? huge : HOT);
}

/**
 * Words that all threads of the process add to, in anonymous memory and in a file that is mapped twice, while all of them collapse it, take its marks, its rights and its pages. What was added is counted
 * outside of the model, so that an addition that is lost shows.
 */
export class SharedMemory {
  private readonly mm: Mm<TableHandles>;
  private readonly file: Mapping<TableHandles>;
  private readonly orders: Orders;
  private readonly random: Random;
  private readonly probes: Probes;
  private readonly memory: Memory;

  constructor(kernel: Kernel<TableHandles>, orders: Orders, random: Random, probes: Probes, memory: Memory) {
    this.mm = probes.watch(kernel.mm(orders.mm));
    this.file = kernel.mapping(orders.mappings[0]!);
    this.orders = orders;
    this.random = random;
    this.probes = probes;
    this.memory = memory;
  }

  /** Atomic additions. */
  add(): void {
    for (let count = 0; count < BURST; count++) {
      const at = this.any();
      const done = this.memory.unlessFault(() => addUser(this.mm, this.addressOf(at), 1));
      if (done !== undefined) Atomics.add(this.orders.tally, at, 1);
    }
  }

  /** Loads and stores, with a lock of the process's. */
  addLocked(): void {
    for (let count = 0; count < BURST; count++) this.addOneLocked();
  }

  /** Atomic additions by references on the pages, while others collapse them, take their rights, unmap them and fork: a page that was got to be written stays the process's. */
  pin(): void {
    for (let count = 0; count < BURST; count++) this.addInFrame(this.any());
  }

  private addInFrame(at: number): void {
    const { mm, orders: { tally } } = this;
    const { frames, frames: { pageBytes } } = mm.kernel;
    const address = this.addressOf(at);
    const page = address - (address % pageBytes);
    const [pfn] = this.memory.unlessFault(() => getUserPagesFast(mm, page, 1, true)) ?? [];
    if (pfn === undefined) return;
    try {
      Atomics.add(frames.ram, (pfn * pageBytes + (address - page) - frames.base) / 4, 1);
      Atomics.add(tally, at, 1);
      this.probes.add(Stat.Pins);
    } finally {
      putPages(mm, [pfn], true);
    }
  }

  /** Loads, by the process's addresses or by references on its pages: what was added before is there, and no more than others may have added meanwhile. */
  look(): void {
    const { mm, orders: { tally, regions, threads } } = this;
    const { frames, frames: { pageBytes } } = mm.kernel;
    for (let count = 0; count < BURST; count++) {
      const at = this.any() + (this.random.oneIn(2) ? 0 : 2 * regions.huge);
      const address = this.addressOf(at);
      const before = Atomics.load(tally, at);
      const page = address - (address % pageBytes);
      const pfns = count % 2 === 0 ? [] : this.memory.unlessShort(() => getUserPagesFast(mm, page, 1, false)) ?? [];
      try {
        const [pfn] = pfns;
        const found = pfn === undefined ? this.memory.unlessShort(() => readUser(mm, address)) : Atomics.load(frames.ram, (pfn * pageBytes + (address - page) - frames.base) / 4);
        const after = Atomics.load(tally, at) + threads;
        if (found !== undefined && (found < before || found > after)) throw new Error(`shared word ${at} at 0x${address.toString(16)} is ${found}${pfn === undefined ? '' : ` in frame ${pfn}, which GUP got`}, and ${before} to ${after} additions were made`);
      } finally {
        putPages(mm, pfns);
      }
    }
  }

  collapse(): void {
    const { mm, file, orders: { regions } } = this;
    if (!regions.hasHuge) return;
    const what = this.random.below(5);
    if (what < 2) this.count(this.memory.unlessShort(() => collapseHugePage(mm, regions.words)));
    else if (what === 2) this.count(this.memory.unlessShort(() => collapseFile(file, 0)));
    else if (what === 3) this.reading(() => { this.count(this.memory.unlessShort(() => collapsePteMappedThp(mm, regions.file, this.random.oneIn(2)))); });
    else this.retract();
  }

  /** Empties tables of the file, and takes them out, while others fault the pages in again. */
  retractAll(): void {
    const { mm, orders: { regions } } = this;
    if (!regions.hasHuge) return;
    for (let count = 0; count < BURST / 4; count++) {
      this.memory.done(() => { madvise(mm, regions.file, regions.huge * mm.pageBytes, 'dontneed'); });
      this.retract();
    }
  }

  /** Takes tables of the file out, of all processes, if they are empty. */
  private retract(): void {
    const { file, mm: { kernel: { frames } } } = this;
    const page = filemapGetPage(file, 0);
    if (page === undefined) return;
    lockFolio(frames, page);
    try {
      retractPageTables(file, 0);
    } finally {
      unlockFolio(frames, page);
      frames.put(page);
    }
  }

  /** Takes rights away, and gives them back: who writes meanwhile is refused. */
  protect(): void {
    const { mm } = this;
    const { start, pages } = this.part();
    this.memory.done(() => { mprotect(mm, start, pages * mm.pageBytes, VmaFlags.Read); });
    this.memory.done(() => { mprotect(mm, start, pages * mm.pageBytes, RIGHTS); });
  }

  /** Gives rights back for which there were not enough VMAs: to all of it, which takes none. Locking: nobody takes rights away. */
  restore(): void {
    const { mm, orders: { regions } } = this;
    for (const start of [regions.words, regions.file, regions.askew]) mprotect(mm, start, regions.huge * mm.pageBytes, RIGHTS);
  }

  marks(): void {
    const { mm } = this;
    const { start, pages } = this.part();
    this.reading(() => {
      if (this.random.oneIn(2)) clearYoung(mm, start, start + pages * mm.pageBytes);
      else cleanRecordRange(mm, start, start + pages * mm.pageBytes);
    });
  }

  /** Unmaps pages of the file, which stay in its cache. */
  drop(): void {
    const { mm, orders: { regions } } = this;
    const first = this.random.below(regions.huge);
    const pages = 1 + this.random.below(regions.huge - first);
    const base = this.random.oneIn(2) ? regions.file : regions.askew;
    madvise(mm, base + first * mm.pageBytes, pages * mm.pageBytes, 'dontneed');
  }

  advise(): void {
    const { mm, orders: { regions } } = this;
    const advice = this.random.pick(['hugepage', 'nohugepage', 'cold'] as const);
    if (regions.hasHuge) this.memory.done(() => { madvise(mm, regions.words, regions.huge * mm.pageBytes, advice); });
  }

  /** Compares all words with what was added, through each of their addresses. Locking: nobody adds. */
  compare(): void {
    const { mm, orders: { tally, regions } } = this;
    for (let at = 0; at < tallyWords(regions); at++) {
      const found = readUser(mm, this.addressOf(at, false));
      const also = readUser(mm, this.addressOf(at, true));
      const expected = Atomics.load(tally, at);
      if (found !== expected || also !== expected) throw new Error(`shared word ${at} at 0x${this.addressOf(at, false).toString(16)} is ${found} (by its other address ${also}), and ${expected} additions were made: updates were lost, or made twice`);
    }
  }

  private addOneLocked(): void {
    const { mm, orders } = this;
    const at = this.any() + 2 * orders.regions.huge;
    const address = this.addressOf(at);
    const work = (): void => {
      const done = this.memory.unlessFault(() => {
        writeUser(mm, address, readUser(mm, address) + 1);
        return true;
      });
      if (done === true) Atomics.add(orders.tally, at, 1);
    };
    if (orders.sabotage === 'lost update') work();
    else withUserLock(orders.userLocks, at % USER_LOCKS, work);
  }

  /** Any word, mostly one of a few for which all threads fight. */
  private any(): number {
    const { regions } = this.orders;
    return (this.random.oneIn(2) ? 0 : regions.huge) + anyPage(regions, this.random);
  }

  private addressOf(at: number, other = this.random.oneIn(2)): number {
    return sharedWord(this.orders.regions, this.mm.pageBytes, at, other);
  }

  /** A part of the anonymous memory, or of the file. */
  private part(): { readonly start: number; readonly pages: number } {
    const { mm, orders: { regions } } = this;
    if (this.random.oneIn(3)) return { start: regions.words, pages: regions.huge };
    const first = this.random.below(regions.huge);
    const pages = Math.min(regions.huge - first, 1 + this.random.below(32));
    return { start: this.random.pick([regions.words, regions.file, regions.askew]) + first * mm.pageBytes, pages };
  }

  private reading(work: () => void): void {
    this.mm.lock.readLock();
    try {
      work();
    } finally {
      this.mm.lock.readUnlock();
    }
  }

  private count(result: string | undefined): void {
    if (result === 'succeed') this.probes.add(Stat.Collapses);
  }
}
