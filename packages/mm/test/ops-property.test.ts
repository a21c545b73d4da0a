import fc from 'fast-check';
import { Access, type TableHandles } from '@pgtable/core';
import { Translator, type TranslationStep } from '@pgtable/walk';
import { afterEach, describe, expect, it } from 'vitest';
import { cleanRecordRange, clearYoung, fork, madvise, mmap, mprotect, mremap, munmap, pagemapRead, readUser, setCurrentThread, setHugePolicy, UserFaultError, VmaFlags, writeUser, type Mapping } from '../src/index.js';
import { boot, quiet, READ, reading, shape, WRITE, type Machine, type Space } from './ops-machine.js';

/* Processes against a plain model, which knows no VMAs, tables, frames or references: what each page of each process may, and what is in it. */

afterEach(() => {
  setCurrentThread(undefined);
});

const PAGES = 40;
const FILE_PAGES = 16;
const MAX_PROCESSES = 3;

/** A page of a process. */
interface Cell {
  rights: number;
  /** What the process has written to a page of its own. */
  own: number | undefined;
  /** It wrote to that page, and no answer of cleanRecordRange() has said so yet. */
  dirty: boolean;
  /** The page of the file that is behind it. */
  readonly file: number | undefined;
  readonly shared: boolean;
}

interface Step {
  readonly what: 'map' | 'unmap' | 'protect' | 'move' | 'dontneed' | 'fork' | 'exit' | 'write' | 'read' | 'old' | 'clean';
  readonly process: number;
  readonly page: number;
  readonly pages: number;
  readonly to: number;
  readonly rights: number;
  readonly behind: 'nothing' | 'file' | 'shared file';
  readonly value: number;
}

/** Where what a pmd entry maps begins and ends, if a page of the model is a 16th of that: ranges of whole tables and huge pages must not be left to chance. */
const EDGES = [8, 24] as const;
const place = fc.oneof(fc.constantFrom(...EDGES), fc.nat(PAGES - 1));

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('map', 'map', 'unmap', 'protect', 'protect', 'move', 'move', 'dontneed', 'fork', 'exit', 'write', 'write', 'write', 'write', 'read', 'read', 'old', 'clean', 'clean'),
  process: fc.nat(MAX_PROCESSES - 1), page: place, to: place,
  pages: fc.oneof({ weight: 1, arbitrary: fc.constantFrom(EDGES[1] - EDGES[0], PAGES) }, { weight: 2, arbitrary: fc.integer({ min: 1, max: 24 }) }),
  rights: fc.constantFrom(0, READ, WRITE, WRITE, WRITE), behind: fc.constantFrom('nothing', 'nothing', 'file', 'shared file'), value: fc.integer({ min: 1, max: 1e6 }),
});

/** Memory at all addresses: what comes after it meets something. */
const FULL: Step = { what: 'map', process: 0, page: 0, pages: PAGES, to: 0, rights: WRITE, behind: 'nothing', value: 0 };

interface Process {
  readonly mm: Space;
  readonly cells: (Cell | undefined)[];
}

class Model {
  readonly kernel: Machine;
  private readonly file: Mapping<TableHandles>;
  private readonly contents = new Array<number>(FILE_PAGES).fill(0);
  private readonly processes: Process[] = [];
  private readonly base: number;
  /** Bytes of a page of the model. */
  private readonly page: number;

  /** @param pages of the machine in a page of the model, whose first alone is used: 1, or more where there are huge pages */
  constructor(name: string, pages: number) {
    this.kernel = boot(shape(name), pages === 1 ? 1024 : 4096);
    setHugePolicy(this.kernel, { pmd: pages === 1 ? 'never' : 'always', mthp: 'always', orders: [2, 4] });
    this.file = this.kernel.newMapping(FILE_PAGES * pages);
    const mm = this.kernel.newMm();
    this.page = mm.pageBytes * pages;
    // What a pmd entry maps ends in the middle, and blocks of 16 pages begin in the region.
    this.base = 2 ** 29 - 24 * this.page;
    this.processes.push({ mm, cells: new Array<undefined>(PAGES).fill(undefined) });
  }

  run(what: Step): void {
    const process = this.processes[what.process % this.processes.length]!;
    this.change(process, what, Math.min(what.pages, PAGES - what.page));
    for (const each of this.processes) this.compare(each);
  }

  close(): void {
    for (const process of this.processes) {
      for (let page = 0; page < PAGES; page++) this.read(process, page);
      process.mm.mmput();
    }
    this.file.free();
    quiet(this.kernel);
  }

  private change(process: Process, { what, page, to, rights, behind, value }: Step, pages: number): void {
    const { mm, cells } = process;
    const start = this.at(page);
    const bytes = pages * this.page;
    const covered = cells.slice(page, page + pages);
    switch (what) {
      case 'map':
        this.map(process, page, behind === 'nothing' ? pages : Math.min(pages, FILE_PAGES), rights, behind);
        break;
      case 'unmap':
        munmap(mm, start, bytes);
        cells.fill(undefined, page, page + pages);
        break;
      case 'protect': {
        const hole = covered.indexOf(undefined);
        const protect = (): void => { mprotect(mm, start, bytes, rights); };
        if (hole === -1) protect();
        else expect(protect).toThrow(/not all of it is mapped/);
        for (const cell of hole === -1 ? covered : covered.slice(0, hole)) if (cell !== undefined) cell.rights = rights;
        break;
      }
      case 'move':
        this.move(process, page, to, pages);
        break;
      case 'dontneed':
        if (covered.includes(undefined)) expect(() => { madvise(mm, start, bytes, 'dontneed'); }).toThrow(/not all of it is mapped/);
        else madvise(mm, start, bytes, 'dontneed');
        for (const cell of covered) if (cell !== undefined) Object.assign(cell, { own: undefined, dirty: false });
        break;
      case 'fork':
        if (this.processes.length < MAX_PROCESSES) this.processes.push({ mm: fork(mm), cells: cells.map((cell) => (cell === undefined ? undefined : { ...cell })) });
        break;
      case 'exit':
        if (this.processes.length === 1) break;
        this.processes.splice(this.processes.indexOf(process), 1);
        mm.mmput();
        break;
      case 'write':
        this.write(process, page, value);
        break;
      case 'read':
        this.read(process, page);
        break;
      case 'old':
        reading(mm, () => clearYoung(mm, start, start + bytes));
        break;
      case 'clean':
        for (const written of reading(mm, () => cleanRecordRange(mm, start, start + bytes))) {
          cells.forEach((cell, at) => { if (cell !== undefined && this.at(at) >= written.start && this.at(at) < written.end) cell.dirty = false; });
        }
        break;
    }
  }

  private map({ mm, cells }: Process, page: number, pages: number, rights: number, behind: Step['behind']): void {
    const first = behind === 'nothing' ? 0 : page % (FILE_PAGES - pages + 1);
    const mapping = behind === 'nothing' ? {} : { mapping: this.file, pgoff: first * this.page / mm.pageBytes };
    mmap(mm, { address: this.at(page), fixed: true, bytes: pages * this.page, prot: rights, sharing: behind === 'shared file' ? 'shared' : 'private', ...mapping });
    for (let at = 0; at < pages; at++) cells[page + at] = { rights, own: undefined, dirty: false, file: behind === 'nothing' ? undefined : first + at, shared: behind === 'shared file' };
  }

  /** Moves as much of the VMA that a page is in as the range covers. */
  private move({ mm, cells }: Process, page: number, to: number, pages: number): void {
    const vma = reading(mm, () => mm.vmaLookup(this.at(page)));
    if (vma === undefined) return;
    const count = reading(mm, () => Math.min(pages, (vma.end - this.at(page)) / this.page, PAGES - to));
    if (to < page + count && page < to + count) return;
    expect(mremap(mm, this.at(page), count * this.page, count * this.page, { to: this.at(to) })).toBe(this.at(to));
    for (let at = 0; at < count; at++) {
      cells[to + at] = cells[page + at];
      cells[page + at] = undefined;
    }
  }

  private write({ mm, cells }: Process, page: number, value: number): void {
    const cell = cells[page];
    const write = (): void => { writeUser(mm, this.at(page), value); };
    if (cell === undefined || (cell.rights & VmaFlags.Write) === 0) {
      expect(write).toThrow(UserFaultError);
      return;
    }
    write();
    expect(this.hardware(mm, page) & Access.UserWrite).toBe(Access.UserWrite);
    if (cell.shared && cell.file !== undefined) this.contents[cell.file] = value;
    else Object.assign(cell, { own: value, dirty: true });
  }

  private read({ mm, cells }: Process, page: number): void {
    const cell = cells[page];
    if (cell === undefined || cell.rights === 0) expect(() => readUser(mm, this.at(page))).toThrow(UserFaultError);
    else {
      expect(readUser(mm, this.at(page))).toBe(this.content(cell));
      expect(this.hardware(mm, page) & Access.UserRead).toBe(Access.UserRead);
    }
  }

  /** What a processor may do at a page, whatever software makes of the entry. */
  private hardware({ arch, root }: Space, page: number): number {
    const steps: TranslationStep[] = [];
    const translator = new Translator({ arch, root });
    translator.lookup(this.at(page), steps);
    return translator.status === 'mapped' ? steps.at(-1)?.attributes?.access ?? 0 : 0;
  }

  private content({ own, file }: Cell): number {
    return own ?? (file === undefined ? 0 : this.contents[file]!);
  }

  /** What is mapped, without any fault: VMAs and their rights, what is in the frames, and that no entry allows more than its VMA, or forgets that it was written through. */
  private compare({ mm, cells }: Process): void {
    reading(mm, () => {
      for (let page = 0; page < PAGES; page++) {
        const allowed = cells[page]?.rights ?? 0;
        const access = this.hardware(mm, page);
        if ((access & Access.UserWrite) !== 0) expect(allowed & VmaFlags.Write).toBe(VmaFlags.Write);
        if ((access & Access.UserRead) !== 0) expect(allowed).not.toBe(0);
      }
      const rights = Array.from({ length: PAGES }, (_, page) => mm.vmaLookup(this.at(page))?.flags).map((flags) => (flags === undefined ? undefined : flags & 7));
      expect(rights).toEqual(cells.map((cell) => cell?.rights));
      for (const run of pagemapRead(mm, this.base, this.at(PAGES))) {
        for (let address = this.base + Math.ceil((run.start - this.base) / this.page) * this.page; address < run.end; address += this.page) {
          const cell = cells[(address - this.base) / this.page];
          const pfn = run.kind === 'zero' ? run.pfn : run.pfn + (address - run.start) / mm.pageBytes;
          const word = this.kernel.frames.ram[(pfn * mm.pageBytes - this.kernel.frames.base) / 4];
          expect([address, cell === undefined ? 'nothing' : this.content(cell)]).toEqual([address, word]);
          if (cell?.dirty === true) expect([address, run.dirty]).toEqual([address, true]);
          if (run.write) expect((cell?.rights ?? 0) & VmaFlags.Write).toBe(VmaFlags.Write);
        }
      }
    });
  }

  private at(page: number): number {
    return this.base + page * this.page;
  }
}

describe.each([
  ['x86 4-level', 1], ['x86 2-level', 1], ['arm64 4K 48-bit', 1], ['arm64 16K 47-bit', 1], ['riscv Sv39', 1], ['s390 pud', 1], ['s390 pud', 16], ['x86 PAE', 32], ['riscv Sv48', 32], ['arm64 4K 39-bit', 32],
] as const)('%s, %i pages', (name, pages) => {
  it('does what a plain model does', () => {
    fc.assert(fc.property(fc.boolean(), fc.array(step, { maxLength: 60, size: 'max' }), (full, steps) => {
      const model = new Model(name, pages);
      for (const each of full ? [FULL, ...steps] : steps) model.run(each);
      model.close();
    }), { numRuns: 12 });
  });
});
