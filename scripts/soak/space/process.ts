import type { TableHandles } from '@pgtable/core';
import { FrameType, FrameWord, pagemapRead, readUser, VmaFlags, writeUser, type Kernel, type Mm } from '../../../packages/mm/src/index.js';
import type { Memory } from './memory.js';

/* A plain model of a part of an address space that one thread alone changes: it knows no VMAs, tables, frames or references. */

/** A page of a window. */
export interface Cell {
  /** Read and Write of VmaFlags. */
  rights: number;
  /** What was written to a page of the process's own; undefined: what is behind it shows. */
  own: number | undefined;
  /** The page of the thread's file that is behind it; undefined: zeros. */
  readonly file: number | undefined;
  readonly shared: boolean;
}

/** Words of a page that are used: one, and one at the end that goes with it, so that a page that is copied in part shows. */
const WORD = 5;

/** What the last word of a page is, by the other. */
function sealOf(value: number): number {
  return value === 0 ? 0 : value ^ 0x5a5a_5a5a;
}

/** A process, as far as one thread's window in it goes. */
export class Process {
  readonly mm: Mm<TableHandles>;
  readonly cells: (Cell | undefined)[];
  /** Words of others' memory, as they were when this process was forked: nobody may change them any more. */
  readonly frozen = new Map<number, number>();
  private readonly kernel: Kernel<TableHandles>;
  private readonly base: number;
  /** Of the thread's file, by pages: what the shared pages show. */
  readonly contentsOfFile: Int32Array;
  private readonly memory: Memory;

  /**
   * @param base where the window begins
   * @param contents of the thread's file, by pages
   */
  constructor(mm: Mm<TableHandles>, base: number, contents: Int32Array, cells: (Cell | undefined)[], memory: Memory) {
    this.mm = mm;
    this.memory = memory;
    this.kernel = mm.kernel;
    this.base = base;
    this.contentsOfFile = contents;
    this.cells = cells;
  }

  get pageBytes(): number {
    return this.mm.pageBytes;
  }

  at(page: number): number {
    return this.base + page * this.pageBytes;
  }

  /** What a page shows. */
  content({ own, file }: Cell): number {
    return own ?? (file === undefined ? 0 : this.contentsOfFile[file]!);
  }

  /** Notes that a page was written. */
  written(cell: Cell, value: number): void {
    if (cell.shared && cell.file !== undefined) this.contentsOfFile[cell.file] = value;
    else cell.own = value;
  }

  /** Whether a page may be used so. */
  allows(page: number, write: boolean): boolean {
    const cell = this.cells[page];
    return cell !== undefined && (write ? (cell.rights & VmaFlags.Write) !== 0 : cell.rights !== 0);
  }

  /** Writes a page, or sees that it cannot be written. */
  write(page: number, value: number): void {
    const { mm } = this;
    const cell = this.cells[page];
    if (cell === undefined || !this.allows(page, true)) {
      expectFault(this.memory, () => { writeUser(mm, this.at(page) + WORD * 4, value); }, `a write to page ${page} of address space ${mm.id}`);
      return;
    }
    if (!this.memory.done(() => { writeUser(mm, this.at(page) + WORD * 4, value); })) {
      this.noteCopies(page, 1);
      return;
    }
    // The other word is to go with it. Another thread may have forked meanwhile, so that the page has to be copied now.
    this.memory.insist(() => { writeUser(mm, this.at(page) + this.pageBytes - 4, sealOf(value)); });
    this.written(cell, value);
  }

  /** Reads a page, and compares. */
  read(page: number): void {
    const { mm } = this;
    const cell = this.cells[page];
    if (cell === undefined || !this.allows(page, false)) {
      expectFault(this.memory, () => readUser(mm, this.at(page) + WORD * 4), `a read of page ${page} of address space ${mm.id}`);
      return;
    }
    const words = this.memory.unlessShort(() => [readUser(mm, this.at(page) + WORD * 4), readUser(mm, this.at(page) + this.pageBytes - 4)] as const);
    if (words !== undefined) this.expect(page, cell, ...words);
  }

  /** Compares a page with what is in a frame. */
  inFrame(page: number, pfn: number): void {
    const { ram } = this.kernel.frames;
    const [first, last] = this.wordsOf(pfn);
    this.expect(page, this.mapped(page, pfn), Atomics.load(ram, first), Atomics.load(ram, last));
  }

  /** Writes to the frame of a page. */
  writeFrame(page: number, pfn: number, value: number): void {
    const { ram } = this.kernel.frames;
    const [first, last] = this.wordsOf(pfn);
    Atomics.store(ram, first, value);
    Atomics.store(ram, last, sealOf(value));
    this.written(this.mapped(page, pfn), value);
  }

  /** A write to these pages was refused for want of memory: those that it had copied already are the process's own, and what becomes of the file does not show in them any more. */
  noteCopies(page: number, pages: number): void {
    const { frames } = this.kernel;
    for (let at = page; at < page + pages; at++) {
      const cell = this.cells[at];
      if (cell?.file === undefined || cell.shared || cell.own !== undefined) continue;
      const pfn = this.frameOf(at);
      if (pfn !== undefined && frames.read(frames.head(pfn), FrameWord.Type) === FrameType.Anon) cell.own = this.content(cell);
    }
  }

  /** The frame of a page that is mapped by an entry of its own or a huge one; undefined: none. */
  frameOf(page: number): number | undefined {
    const { mm } = this;
    mm.lock.readLock();
    try {
      return pagemapRead(mm, this.at(page), this.at(page + 1))[0]?.pfn;
    } finally {
      mm.lock.readUnlock();
    }
  }

  /** What is mapped, without any fault: VMAs and their rights, what is in the frames, and that no entry allows more than its VMA. Locking: takes the mmap lock to read. */
  compare(): void {
    const { mm, cells } = this;
    mm.lock.readLock();
    try {
      for (const [page, cell] of cells.entries()) {
        const flags = mm.vmaLookup(this.at(page))?.flags;
        const rights = flags === undefined ? undefined : flags & 7;
        if (rights !== cell?.rights) throw new Error(`page ${page} of address space ${mm.id} has the rights ${rights ?? 'of nothing'}, and should have ${cell?.rights ?? 'none at all'}`);
      }
      for (const run of pagemapRead(mm, this.base, this.at(cells.length))) {
        if (run.kind !== 'page' && run.kind !== 'zero') throw new Error(`address space ${mm.id} has a ${run.kind} entry at 0x${run.start.toString(16)}`);
        for (let address = run.start; address < run.end; address += this.pageBytes) {
          const page = (address - this.base) / this.pageBytes;
          this.inFrame(page, run.kind === 'zero' ? run.pfn : run.pfn + (address - run.start) / this.pageBytes);
          if (run.write && !this.allows(page, true)) throw new Error(`the entry of page ${page} of address space ${mm.id} is writable, and its VMA is not`);
        }
      }
    } finally {
      mm.lock.readUnlock();
    }
  }

  /** Reads what others had when this process was forked. */
  checkFrozen(): void {
    for (const [address, value] of this.frozen) {
      const found = this.memory.unlessShort(() => readUser(this.mm, address));
      if (found !== undefined && found !== value) throw new Error(`the word at 0x${address.toString(16)} of address space ${this.mm.id}, a child, was ${value} at the fork and is ${found}: somebody else writes to it`);
    }
  }

  private mapped(page: number, pfn: number): Cell {
    const cell = this.cells[page];
    if (cell === undefined) throw new Error(`page ${page} is mapped to frame ${pfn}, and should not be`);
    return cell;
  }

  /** The two words of a frame that are used. */
  private wordsOf(pfn: number): readonly [number, number] {
    const first = (pfn * this.pageBytes - this.kernel.frames.base) / 4;
    return [first + WORD, first + this.pageBytes / 4 - 1];
  }

  private expect(page: number, cell: Cell, value: number, seal: number): void {
    const expected = this.content(cell);
    if (value === expected && seal === sealOf(expected)) return;
    const behind = cell.file === undefined ? 'anonymous' : `${cell.shared ? 'shared' : 'private'}, page ${cell.file} of the file`;
    throw new Error(`page ${page} of address space ${this.mm.id} (${behind}) has ${value} and ${seal}, and should have ${expected} and ${sealOf(expected)}`);
  }
}

function expectFault(memory: Memory, access: () => unknown, what: string): void {
  const done = memory.unlessFault(() => {
    access();
    return true;
  });
  if (done === true) throw new Error(`${what} is done, and no VMA allows it`);
}
