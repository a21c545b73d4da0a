import type { TableHandles } from '@pgtable/core';
import {
  cleanRecordRange, clearYoung, collapseFile, collapseHugePage, collapsePteMappedThp, fork, getUserPagesFast, madvise, mmap, mprotect, mremap, munmap, putPages, readUser, setHugePolicy, VmaFlags,
  type Kernel, type Mapping, type Mm,
} from '../../../packages/mm/src/index.js';
import { Stat, type Orders } from './orders.js';
import type { Probes } from './probes.js';
import { Process, type Cell } from './process.js';
import type { Random } from '../../random.js';
import type { Memory } from './memory.js';
import { anyPage, sharedWord } from './shared-words.js';

const READ = VmaFlags.Read;
const WRITE = VmaFlags.Read | VmaFlags.Write;
const MAX_PROCESSES = 3;
const MAX_GUP = 24;

/** A range of a process's window. */
interface Range {
  readonly process: Process;
  readonly page: number;
  readonly pages: number;
}

/**
 * What one thread does to its window of the address space that all share, and to children that it forks. It alone changes these, so all that is in them is known at any time.
 *
 * The windows of two threads are neighbours: VMAs reach from one into the next, and so do tables and huge pages.
 */
export class Window {
  readonly processes: Process[];
  private readonly kernel: Kernel<TableHandles>;
  private readonly orders: Orders;
  private readonly random: Random;
  private readonly probes: Probes;
  private readonly memory: Memory;
  private readonly files: readonly Mapping<TableHandles>[];
  private readonly file: Mapping<TableHandles>;
  private readonly base: number;
  private value = 0;

  constructor(kernel: Kernel<TableHandles>, orders: Orders, random: Random, probes: Probes, memory: Memory) {
    this.memory = memory;
    this.kernel = kernel;
    this.orders = orders;
    this.random = random;
    this.probes = probes;
    const { regions, number } = orders;
    const mm = probes.watch(kernel.mm(orders.mm));
    this.files = orders.mappings.map((id) => kernel.mapping(id));
    this.file = kernel.mapping(orders.mappings[1 + number]!);
    this.base = regions.windows + number * regions.windowPages * mm.pageBytes;
    const contents = new Int32Array(regions.filePages);
    this.processes = [new Process(mm, this.base, contents, new Array<undefined>(regions.windowPages).fill(undefined), memory)];
  }

  /** A range, and in what process: mostly a few pages, sometimes whole huge pages. */
  range(): Range {
    const { random } = this;
    const { huge, windowPages } = this.orders.regions;
    const process = random.pick(this.processes);
    const kind = random.below(10);
    if (kind < 3) {
      // Whole huge pages: where one begins.
      const before = (Math.ceil(process.at(0) / (huge * process.pageBytes)) * huge * process.pageBytes - process.at(0)) / process.pageBytes;
      const whole = Math.floor((windowPages - before) / huge);
      const first = random.below(whole);
      return { process, page: before + first * huge, pages: huge * (1 + random.below(Math.min(2, whole - first))) };
    }
    const page = random.below(windowPages);
    return { process, page, pages: Math.min(windowPages - page, 1 + random.below(kind < 8 ? 24 : huge)) };
  }

  map({ process, page, pages }: Range): void {
    const { mm, cells } = process;
    const { random, file, orders: { regions } } = this;
    const behind = random.below(5);
    const rights = random.pick([WRITE, WRITE, WRITE, READ, 0]);
    const shared = behind === 4;
    if (behind < 3) {
      const request = { address: process.at(page), fixed: true, bytes: pages * mm.pageBytes, prot: rights };
      if (!this.memory.done(() => { mmap(mm, request); })) { this.unmappedOrNot(process, page, pages); return; }
      for (let at = 0; at < pages; at++) cells[page + at] = { rights, own: undefined, file: undefined, shared: false };
      return;
    }
    const count = Math.min(pages, file.pages);
    // Mostly so that huge pages of the file can be mapped as such.
    const first = (count % regions.huge === 0 ? random.below(Math.floor(file.pages / count)) * regions.huge : random.below(file.pages)) % (file.pages - count + 1);
    const request = { address: process.at(page), fixed: true, bytes: count * mm.pageBytes, prot: rights, mapping: file, pgoff: first, sharing: shared ? 'shared' : 'private' } as const;
    if (!this.memory.done(() => { mmap(mm, request); })) { this.unmappedOrNot(process, page, count); return; }
    for (let at = 0; at < count; at++) cells[page + at] = { rights, own: undefined, file: first + at, shared };
  }

  unmap({ process, page, pages }: Range): void {
    if (this.memory.done(() => { munmap(process.mm, process.at(page), pages * process.pageBytes); })) process.cells.fill(undefined, page, page + pages);
    else process.compare();
  }

  protect(range: Range): void {
    const { process, page } = range;
    const pages = mappedFrom(range);
    if (pages === 0) return;
    const rights = this.random.pick([WRITE, WRITE, READ, 0]);
    const changed = this.memory.done(() => { mprotect(process.mm, process.at(page), pages * process.pageBytes, rights); }) ? pages : this.changedTo(process, page, pages, rights);
    for (const cell of process.cells.slice(page, page + changed)) if (cell !== undefined) cell.rights = rights;
    if (changed < pages) process.compare();
  }

  /** mremap: to another place of the window, which goes. */
  move(range: Range): void {
    const { process, page } = range;
    const { mm, cells } = process;
    const pages = this.inOneVma(range);
    if (pages === 0) return;
    const aligned = this.random.oneIn(2) && page + this.orders.regions.huge + pages <= cells.length;
    const to = aligned ? page + this.orders.regions.huge : this.random.below(cells.length - pages + 1);
    if (to < page + pages && page < to + pages) return;
    const at = this.memory.unlessShort(() => mremap(mm, process.at(page), pages * mm.pageBytes, pages * mm.pageBytes, { to: process.at(to) }));
    if (at === undefined) { this.unmappedOrNot(process, to, pages); return; }
    if (at !== process.at(to)) throw new Error(`mremap moved to 0x${at.toString(16)}, and should to 0x${process.at(to).toString(16)}`);
    for (let each = 0; each < pages; each++) {
      cells[to + each] = cells[page + each];
      cells[page + each] = undefined;
    }
  }

  /** mremap: shorter, or longer where there is room. */
  resize(range: Range): void {
    const { process, page } = range;
    const { mm, cells } = process;
    const pages = this.inOneVma(range);
    if (pages === 0) return;
    const free = cells.slice(page + pages).findIndex((cell) => cell !== undefined);
    const room = free < 0 ? cells.length - page - pages : free;
    const last = cells[page + pages - 1];
    if (room > 0 && last !== undefined && last.file === undefined && this.random.oneIn(2)) {
      const more = 1 + this.random.below(Math.min(room, 32));
      if (!this.memory.done(() => { mremap(mm, process.at(page), pages * mm.pageBytes, (pages + more) * mm.pageBytes); })) { process.compare(); return; }
      for (let at = 0; at < more; at++) cells[page + pages + at] = { rights: last.rights, own: undefined, file: undefined, shared: false };
      return;
    }
    const left = 1 + this.random.below(pages);
    if (this.memory.done(() => { mremap(mm, process.at(page), pages * mm.pageBytes, left * mm.pageBytes); })) cells.fill(undefined, page + left, page + pages);
    else process.compare();
  }

  dontneed(range: Range): void {
    const { process, page } = range;
    const pages = mappedFrom(range);
    if (pages === 0) return;
    madvise(process.mm, process.at(page), pages * process.pageBytes, 'dontneed');
    for (const cell of process.cells.slice(page, page + pages)) if (cell !== undefined) cell.own = undefined;
  }

  /** What changes nothing that a process could see: marks, and whether huge pages are wanted. */
  advise(range: Range): void {
    const { process, page } = range;
    const pages = mappedFrom(range);
    if (pages === 0) return;
    const advice = this.random.pick(this.orders.regions.hasHuge ? (['cold', 'hugepage', 'hugepage', 'nohugepage'] as const) : (['cold'] as const));
    this.memory.done(() => { madvise(process.mm, process.at(page), pages * process.pageBytes, advice); });
  }

  marks({ process, page, pages }: Range): void {
    const { mm } = process;
    reading(mm, () => {
      const [start, end] = [process.at(page), process.at(page + pages)] as const;
      if (this.random.oneIn(2)) clearYoung(mm, start, end);
      else cleanRecordRange(mm, start, end);
    });
  }

  /** Huge pages of small ones: of any kind of memory, and of whoever's. */
  collapse({ process, page }: Range): void {
    const { regions: { huge, hasHuge } } = this.orders;
    if (!hasHuge) return;
    const { mm } = process;
    const bytes = huge * mm.pageBytes;
    const address = Math.floor(process.at(page) / bytes) * bytes;
    const what = this.random.below(4);
    if (what < 2) this.count(this.memory.unlessShort(() => collapseHugePage(mm, address, { khugepaged: what === 0 })));
    else if (what === 2) {
      const file = this.random.pick(this.files);
      const first = huge * this.random.below(Math.floor(file.pages / huge));
      this.count(this.memory.unlessShort(() => collapseFile(file, first)));
    }
    else reading(mm, () => { this.count(this.memory.unlessShort(() => collapsePteMappedThp(mm, address, this.random.oneIn(2)))); });
  }

  write({ process, page }: Range): void {
    process.write(page, ++this.value);
  }

  /** Writes many pages. */
  fill({ process, page, pages }: Range): void {
    const step = 1 + this.random.below(4);
    for (let at = 0; at < Math.min(pages, 64 * step); at += step) if (process.allows(page + at, true)) process.write(page + at, ++this.value);
  }

  read({ process, page, pages }: Range): void {
    for (let at = 0; at < Math.min(pages, 8); at++) process.read(page + at);
  }

  /** References on pages, through which they are read or written. */
  gup({ process, page, pages }: Range): void {
    const { mm } = process;
    const write = this.random.oneIn(2);
    let count = 0;
    while (count < Math.min(pages, MAX_GUP) && process.allows(page + count, write)) count++;
    if (count === 0) return;
    const got = this.memory.unlessShort(() => getUserPagesFast(mm, process.at(page), count, write));
    if (got === undefined) {
      if (write) process.noteCopies(page, count);
      return;
    }
    try {
      if (got.length !== count && !this.memory.scarce) throw new Error(`GUP got ${got.length} pages of ${count} at 0x${process.at(page).toString(16)} of address space ${mm.id}`);
      // First all are compared: what is written to a page of the file does not show in a copy of it that was made for a later page.
      got.forEach((pfn, at) => { process.inFrame(page + at, pfn); });
      if (write) got.forEach((pfn, at) => { process.writeFrame(page + at, pfn, ++this.value); });
    } finally {
      putPages(mm, got, write);
    }
  }

  fork({ process }: Range): void {
    if (this.processes.length >= MAX_PROCESSES) return;
    const forked = this.memory.unlessShort(() => fork(process.mm));
    if (forked === undefined) { process.compare(); return; }
    const child = this.probes.watch(forked);
    this.probes.add(Stat.Forks);
    const cells = process.cells.map((cell): Cell | undefined => (cell === undefined ? undefined : { ...cell }));
    const born = new Process(child, this.base, process.contentsOfFile, cells, this.memory);
    this.processes.push(born);
    // What all threads add to, as it is now: a child does not see what is added from here on.
    const { regions } = this.orders;
    for (let look = 0; look < 8; look++) {
      const address = sharedWord(regions, child.pageBytes, anyPage(regions, this.random) + (this.random.oneIn(2) ? 0 : 2 * regions.huge));
      const value = this.memory.unlessShort(() => readUser(child, address));
      if (value !== undefined) born.frozen.set(address, value);
    }
  }

  exit(): void {
    const at = 1 + this.random.below(Math.max(1, this.processes.length - 1));
    const [process] = this.processes.splice(at, 1);
    if (process === undefined) return;
    process.checkFrozen();
    process.mm.mmput();
  }

  policy(): void {
    const { random, kernel } = this;
    const orders = random.oneIn(2) ? [4] : [2, 4];
    setHugePolicy(kernel, { pmd: random.pick(['always', 'madvise', 'never', 'never']), mthp: random.pick(['always', 'madvise', 'never']), orders });
  }

  /** Compares everything with the model. */
  compare(): void {
    for (const process of this.processes) {
      process.compare();
      process.checkFrozen();
    }
  }

  /** Ends the children, and unmaps the window. */
  close(): void {
    for (const { mm } of this.processes.splice(1)) mm.mmput();
    const [{ mm, cells }] = this.processes as [Process];
    // A VMA that reaches into both windows beside this one is cut in two, for which there may be one too many.
    this.memory.insist(() => { munmap(mm, this.base, cells.length * mm.pageBytes); });
  }

  /** There was no memory for what was to come to a place: what was there is gone, or all of it is there still. */
  private unmappedOrNot(process: Process, page: number, pages: number): void {
    const { mm } = process;
    const gone = reading(mm, () => mm.vmas(process.at(page), process.at(page + pages)).length === 0);
    if (gone) process.cells.fill(undefined, page, page + pages);
    process.compare();
  }

  /** How many pages have the rights already that were to be given to all: rights are changed one VMA after the other. */
  private changedTo(process: Process, page: number, pages: number, rights: number): number {
    const { mm } = process;
    return reading(mm, () => {
      let changed = 0;
      while (changed < pages) {
        const vma = mm.vmaLookup(process.at(page + changed));
        if (vma === undefined || (vma.flags & 7) !== rights) break;
        changed = Math.min(pages, Math.round((vma.end - process.at(page)) / mm.pageBytes));
      }
      return changed;
    });
  }

  private count(result: string | undefined): void {
    if (result === 'succeed') this.probes.add(Stat.Collapses);
  }

  /** How many pages from the first one on are in one VMA, as far as the range goes. */
  private inOneVma({ process, page, pages }: Range): number {
    const { mm } = process;
    return reading(mm, () => {
      const vma = mm.vmaLookup(process.at(page));
      return vma === undefined ? 0 : Math.min(pages, (vma.end - process.at(page)) / mm.pageBytes);
    });
  }
}

/** How many pages from the first one on are mapped, as far as the range goes. */
function mappedFrom({ process, page, pages }: Range): number {
  const hole = process.cells.slice(page, page + pages).indexOf(undefined);
  return hole < 0 ? pages : hole;
}

function reading<T>(mm: Mm<TableHandles>, work: () => T): T {
  mm.lock.readLock();
  try {
    return work();
  } finally {
    mm.lock.readUnlock();
  }
}
