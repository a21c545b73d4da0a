import type { AliasHandles } from '@pgtable/core';
import {
  collapseHugePage, fork, hugePmdOrder, madvise, mmap, mprotect, mremap, munmap, pagemapRead, readUser, setHugePolicy, UserFaultError, VmaFlags, writeUser, type HugePolicy, type Kernel, type Mapping, type Mm,
} from '@pgtable/mm';
import type { Random } from '../../random.js';
import { NOTHING, WORD_AT, type Page } from './page.js';

type Space = Mm<AliasHandles>;

/** What a page of a process may, and what is in it: of a plain model, which knows no tables, frames or references. */
interface Cell {
  readonly rights: number;
  /** What the process has written to a page of its own. */
  readonly own: number | undefined;
  /** The page of the file that is behind it. */
  readonly file: number | undefined;
  readonly shared: boolean;
}

/** A process, and what its pages must be, by their numbers. */
interface Process {
  readonly mm: Space;
  readonly cells: Map<number, Cell>;
}

const FILE_PAGES = 48;
const MAX_PROCESSES = 3;
/** Operations of a run. */
const STEPS = 400;

const READ = VmaFlags.Read;
const WRITE = VmaFlags.Read | VmaFlags.Write;
const EXECUTE = VmaFlags.Read | VmaFlags.Exec;
const RIGHTS: readonly number[] = [0, READ, WRITE, WRITE, WRITE, EXECUTE, WRITE | VmaFlags.Exec, VmaFlags.Exec];

const OPERATIONS = ['map', 'map', 'unmap', 'protect', 'protect', 'move', 'dontneed', 'fork', 'exit', 'write', 'write', 'write', 'write', 'read', 'read', 'collapse'] as const;
type Operation = (typeof OPERATIONS)[number];

/** Processes that do what processes do to their address spaces, at random, and a record of what must come of it. */
export class Processes {
  /** How often each operation changed something. */
  readonly counts: Record<Operation, number> = { map: 0, unmap: 0, protect: 0, move: 0, dontneed: 0, fork: 0, exit: 0, write: 0, read: 0, collapse: 0 };
  private readonly kernel: Kernel<AliasHandles>;
  private readonly random: Random;
  private readonly file: Mapping<AliasHandles>;
  private readonly contents = new Array<number>(FILE_PAGES).fill(0);
  private readonly list: Process[] = [];
  /** Pages of a huge page; undefined: there are none, or no memory for them. */
  private readonly huge: number | undefined;
  private readonly policy: HugePolicy;
  /** Pages in which something was mapped once. */
  private readonly used = new Set<number>();
  private value = 0;

  constructor(kernel: Kernel<AliasHandles>, random: Random) {
    this.kernel = kernel;
    this.random = random;
    this.file = kernel.newMapping(FILE_PAGES);
    const mm = kernel.newMm();
    const order = hugePmdOrder(mm);
    this.huge = order !== undefined && 2 ** order * 8 <= kernel.frames.count ? 2 ** order : undefined;
    this.policy = { pmd: this.huge === undefined ? 'never' : 'always', mthp: 'always', orders: [2, 4] };
    setHugePolicy(kernel, this.policy);
    this.list.push({ mm, cells: new Map() });
  }

  /** All operations. There are a parent and a child at the end. */
  run(): void {
    for (let step = 0; step < STEPS; step++) this.do(this.random.pick(OPERATIONS), this.random.pick(this.list));
    while (this.list.length < 2) this.do('fork', this.list[0]!);
    // Parent and child go on after the fork.
    for (let step = 0; step < STEPS / 4; step++) this.do(this.random.pick(['write', 'read', 'protect', 'map'] as const), this.random.pick(this.list));
    for (const process of this.list) this.touch(process);
  }

  /** What each page of each process is now: numbers of frames and marks as the mm says them, rights and contents as the record has them. */
  spaces(): { readonly mm: Space; readonly pages: Map<number, Page> }[] {
    return this.list.map((process) => ({ mm: process.mm, pages: this.pagesOf(process) }));
  }

  /** The processes end. */
  close(): void {
    for (const { mm } of this.list) mm.mmput();
    this.file.free();
  }

  private do(what: Operation, process: Process): void {
    if (this[what](process)) this.counts[what]++;
  }

  private map({ mm, cells }: Process): boolean {
    const { random, huge, kernel: { frames: { pageBytes } } } = this;
    const file = random.below(3) === 0;
    const large = huge !== undefined && !file && random.below(4) === 0;
    const pages = file ? 1 + random.below(FILE_PAGES) : large ? huge + random.below(huge) : 1 + random.below(40);
    const pgoff = file ? random.below(FILE_PAGES - pages + 1) : 0;
    const shared = file && random.below(2) === 0;
    const rights = large ? WRITE : random.pick(RIGHTS);
    const fixed = random.below(2) === 0;
    const start = mmap(mm, {
      bytes: pages * pageBytes, prot: rights, sharing: shared ? 'shared' : 'private', ...(file ? { mapping: this.file, pgoff } : {}),
      ...(fixed ? { fixed: true, address: this.place(large) } : { layout: random.pick(['topDown', 'bottomUp'] as const) }),
    }) / pageBytes;
    for (let at = 0; at < pages; at++) {
      cells.set(start + at, { rights, own: undefined, file: file ? pgoff + at : undefined, shared });
      this.used.add(start + at);
    }
    // A huge page comes with its first fault.
    if (large && fixed) this.put(mm, cells, start);
    return true;
  }

  /** Where something fixed goes: a place with the border of a table in the middle of it. */
  private place(large: boolean): number {
    const { random, huge, kernel: { frames: { pageBytes } } } = this;
    const middle = 2 ** 29;
    return large && huge !== undefined ? middle + (random.below(4) - 2) * huge * pageBytes : middle + (random.below(400) - 200) * pageBytes;
  }

  private unmap({ mm, cells }: Process): boolean {
    const piece = this.piece(cells);
    if (piece === undefined) return false;
    munmap(mm, ...this.bytesOf(piece));
    for (let at = piece.first; at < piece.end; at++) cells.delete(at);
    return true;
  }

  private protect({ mm, cells }: Process): boolean {
    const piece = this.piece(cells);
    if (piece === undefined) return false;
    const rights = this.random.pick(RIGHTS);
    mprotect(mm, ...this.bytesOf(piece), rights);
    for (let at = piece.first; at < piece.end; at++) cells.set(at, { ...cells.get(at)!, rights });
    return true;
  }

  private dontneed({ mm, cells }: Process): boolean {
    const piece = this.piece(cells);
    if (piece === undefined) return false;
    madvise(mm, ...this.bytesOf(piece), 'dontneed');
    for (let at = piece.first; at < piece.end; at++) cells.set(at, { ...cells.get(at)!, own: undefined });
    return true;
  }

  private move({ mm, cells }: Process): boolean {
    const { pageBytes } = mm;
    const piece = this.piece(cells);
    if (piece === undefined) return false;
    mm.lock.readLock();
    const end = mm.vmaLookup(piece.first * pageBytes)!.end / pageBytes;
    mm.lock.readUnlock();
    const pages = Math.min(piece.end, end) - piece.first;
    const to = this.place(this.random.below(2) === 0) / pageBytes;
    if (to < piece.first + pages && piece.first < to + pages) return false;
    mremap(mm, piece.first * pageBytes, pages * pageBytes, pages * pageBytes, { to: to * pageBytes });
    for (let at = 0; at < pages; at++) {
      cells.set(to + at, cells.get(piece.first + at)!);
      cells.delete(piece.first + at);
      this.used.add(to + at);
    }
    return true;
  }

  private fork({ mm, cells }: Process): boolean {
    if (this.list.length === MAX_PROCESSES) return false;
    this.list.push({ mm: fork(mm), cells: new Map(cells) });
    return true;
  }

  private exit(process: Process): boolean {
    if (this.list.length === 1) return false;
    this.list.splice(this.list.indexOf(process), 1);
    process.mm.mmput();
    return true;
  }

  private write({ mm, cells }: Process): boolean {
    const piece = this.piece(cells);
    if (piece === undefined) return false;
    for (let at = piece.first; at < Math.min(piece.end, piece.first + 8); at++) this.put(mm, cells, at);
    return true;
  }

  private put(mm: Space, cells: Map<number, Cell>, page: number): void {
    const cell = cells.get(page)!;
    const address = BigInt(page * mm.pageBytes) + BigInt(WORD_AT);
    if ((cell.rights & VmaFlags.Write) === 0) {
      refusedBy(() => { writeUser(mm, address, 1); });
      return;
    }
    // An instruction that no architecture has.
    const value = ++this.value;
    writeUser(mm, address, value);
    if (cell.shared && cell.file !== undefined) this.contents[cell.file] = value;
    else cells.set(page, { ...cell, own: value });
  }

  private read({ mm, cells }: Process): boolean {
    const piece = this.piece(cells);
    if (piece === undefined) return false;
    for (let at = piece.first; at < Math.min(piece.end, piece.first + 8); at++) this.look(mm, cells.get(at)!, at);
    return true;
  }

  private look(mm: Space, cell: Cell, page: number): void {
    const address = BigInt(page * mm.pageBytes) + BigInt(WORD_AT);
    if (cell.rights === 0) {
      refusedBy(() => readUser(mm, address));
      return;
    }
    // Whether it can be read is for the architecture to say.
    if (cell.rights === VmaFlags.Exec) return;
    const found = readUser(mm, address);
    if (found !== this.content(cell)) throw new Error(`process ${mm.id} reads ${found} at 0x${address.toString(16)}, where ${this.content(cell)} must be`);
  }

  /** Small pages become a huge one: of memory that was there, or of new one. */
  private collapse({ mm, cells }: Process): boolean {
    const { huge, kernel, random, policy } = this;
    if (huge === undefined) return false;
    const start = this.place(true) / mm.pageBytes;
    if (random.below(2) === 0) {
      mmap(mm, { bytes: huge * mm.pageBytes, prot: WRITE, fixed: true, address: start * mm.pageBytes });
      for (let at = 0; at < huge; at++) {
        cells.set(start + at, { rights: WRITE, own: undefined, file: undefined, shared: false });
        this.used.add(start + at);
      }
      setHugePolicy(kernel, { ...policy, pmd: 'never' });
      for (let at = 0; at < 20; at++) this.put(mm, cells, start + random.below(huge));
      setHugePolicy(kernel, policy);
    }
    return collapseHugePage(mm, start * mm.pageBytes) === 'succeed';
  }

  /** Pages that follow each other and are all mapped; up to 40, and sometimes more than a huge page. */
  private piece(cells: ReadonlyMap<number, Cell>): { readonly first: number; readonly end: number } | undefined {
    const { random, huge } = this;
    if (cells.size === 0) return undefined;
    const first = random.pick([...cells.keys()]);
    const most = first + 1 + (huge !== undefined && random.below(8) === 0 ? random.below(2 * huge) : random.below(40));
    let end = first + 1;
    while (end < most && cells.has(end)) end++;
    return { first, end };
  }

  private bytesOf({ first, end }: { readonly first: number; readonly end: number }): [start: number, bytes: number] {
    const { pageBytes } = this.kernel.frames;
    return [first * pageBytes, (end - first) * pageBytes];
  }

  private content({ own, file }: Cell): number {
    return own ?? (file === undefined ? 0 : this.contents[file]!);
  }

  /** Pages are looked at once more: half of those that no fault was for, and all that the hardware has not used. */
  private touch({ mm, cells }: Process): void {
    const young = new Set([...this.entries(mm)].flatMap(([page, { young: used }]) => (used ? [page] : [])));
    const mapped = new Set(this.entries(mm).keys());
    for (const [page, cell] of cells) if (!young.has(page) && (mapped.has(page) || this.random.below(2) === 0)) this.look(mm, cell, page);
  }

  private pagesOf({ mm, cells }: Process): Map<number, Page> {
    const entries = this.entries(mm);
    for (const page of entries.keys()) if (!cells.has(page)) throw new Error(`process ${mm.id} has an entry for page 0x${page.toString(16)}, which is not mapped`);
    const pages = new Map<number, Page>();
    for (const page of this.used) pages.set(page, { ...NOTHING, half: 'user' });
    for (const [page, cell] of cells) {
      const entry = entries.get(page);
      const usable = entry !== undefined && cell.rights !== 0;
      pages.set(page, {
        pa: usable ? entry.pfn * mm.pageBytes : undefined, flags: cell.rights, half: 'user', write: usable && entry.write, written: usable && entry.write && entry.dirty,
        word: usable ? this.content(cell) : undefined,
        // Nothing has made it young.
        unsure: usable && !entry.young && cell.rights === VmaFlags.Exec,
      });
      if (entry?.write === true && (cell.rights & VmaFlags.Write) === 0) throw new Error(`process ${mm.id} can write to page 0x${page.toString(16)}, and must not`);
    }
    return pages;
  }

  private entries(mm: Space): Map<number, { readonly pfn: number; readonly write: boolean; readonly dirty: boolean; readonly young: boolean }> {
    const found = new Map<number, { readonly pfn: number; readonly write: boolean; readonly dirty: boolean; readonly young: boolean }>();
    mm.lock.readLock();
    try {
      for (const vma of mm.vmas()) {
        for (const { start, end, kind, pfn, write, dirty, young } of pagemapRead(mm, vma.start, vma.end)) {
          for (let at = start; at < end; at += mm.pageBytes) found.set(at / mm.pageBytes, { pfn: kind === 'zero' ? pfn : pfn + (at - start) / mm.pageBytes, write, dirty, young });
        }
      }
    } finally {
      mm.lock.readUnlock();
    }
    return found;
  }
}

function refusedBy(access: () => unknown): void {
  try {
    access();
  } catch (error) {
    if (error instanceof UserFaultError && error.signal === 'SIGSEGV') return;
    throw error;
  }
  throw new Error('an access went through that the rights do not allow');
}
