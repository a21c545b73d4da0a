import { VmFlags, type AliasHandles } from '@pgtable/core';
import { findVmArea, purgeVmapArea, setMemoryNx, setMemoryRo, setMemoryRw, setMemoryValid, setMemoryX, vfree, vmalloc, type Kernel } from '@pgtable/mm';
import { Translator } from '@pgtable/walk';
import type { Random } from '../../random.js';
import { NOTHING, WORD_AT, type Page } from './page.js';

/** What the kernel may do with a page of its own, and what is in it. */
interface Cell {
  write: boolean;
  exec: boolean;
  valid: boolean;
  readonly pa: number;
  readonly word: number;
}

interface Area {
  readonly start: number;
  readonly cells: readonly Cell[];
}

const STEPS = 120;
const MAX_AREAS = 16;
const CHANGES = {
  ro: [setMemoryRo, { write: false }], rw: [setMemoryRw, { write: true }], nx: [setMemoryNx, { exec: false }], x: [setMemoryX, { exec: true }],
} as const;
const CHANGE_NAMES = ['ro', 'rw', 'nx', 'x'] as const;

/** The kernel's own memory: areas of vmalloc that come and go, and whose permissions change, and a record of what they must be. */
export class KernelMemory {
  readonly counts = { vmalloc: 0, vfree: 0, set_memory: 0 };
  private readonly kernel: Kernel<AliasHandles>;
  private readonly random: Random;
  private readonly areas: Area[] = [];
  /** Pages that were given back. */
  private readonly gone = new Set<number>();
  private tag = 0x1_0000;

  constructor(kernel: Kernel<AliasHandles>, random: Random) {
    this.kernel = kernel;
    this.random = random;
  }

  run(): void {
    const { random } = this;
    for (let step = 0; step < STEPS; step++) {
      const what = random.below(8);
      if (this.areas.length === 0 || (what < 2 && this.areas.length < MAX_AREAS)) this.add();
      else if (what < 3) this.free(random.below(this.areas.length));
      else this.change(random.pick(this.areas));
    }
    // What is not flushed yet may be found still.
    purgeVmapArea(this.kernel);
  }

  /** What each page is. */
  pages(): Map<number, Page> {
    const { pageBytes } = this.kernel.frames;
    const pages = new Map<number, Page>();
    for (const page of this.gone) pages.set(page, { ...NOTHING, half: 'kernel' });
    for (const { start, cells } of this.areas) {
      for (const [at, { write, exec, valid, pa, word }] of cells.entries()) {
        const flags = VmFlags.Read | (write ? VmFlags.Write : 0) | (exec ? VmFlags.Exec : 0);
        pages.set(start / pageBytes + at, valid ? { pa, flags, write, written: write, half: 'kernel', word } : { ...NOTHING, half: 'kernel' });
      }
    }
    return pages;
  }

  close(): void {
    while (this.areas.length > 0) this.free(0);
  }

  private add(): void {
    const { kernel, random } = this;
    const { frames, initMm } = kernel;
    const { pageBytes } = frames;
    const largest = initMm.arch.hugePages.filter(({ bytes }) => bytes <= frames.bytes / 32).map(({ bytes }) => bytes);
    const huge = largest.length > 0 && random.below(3) === 0;
    const bytes = huge ? random.pick(largest) + random.below(8) * pageBytes : (1 + random.below(24)) * pageBytes;
    const start = vmalloc(kernel, bytes, { huge });
    // Rounded up to what it was mapped with.
    const { pages } = findVmArea(kernel, start)!;
    const translator = new Translator(initMm);
    const cells: Cell[] = [];
    for (let page = 0; page < pages; page++) {
      const found = translator.explain(BigInt(start) + BigInt(page * pageBytes)).pa;
      if (found === undefined) throw new Error(`page ${page} of a new vmalloc area is not mapped`);
      const pa = Number(found);
      const word = ++this.tag;
      frames.ram[(pa + WORD_AT - frames.base) / 4] = word;
      cells.push({ write: true, exec: false, valid: true, pa, word });
      this.gone.delete(start / pageBytes + page);
    }
    this.areas.push({ start, cells });
    this.counts.vmalloc++;
  }

  private free(index: number): void {
    const [area] = this.areas.splice(index, 1);
    if (area === undefined) return;
    vfree(this.kernel, area.start);
    for (const at of area.cells.keys()) this.gone.add(area.start / this.kernel.frames.pageBytes + at);
    this.counts.vfree++;
  }

  private change({ start, cells }: Area): void {
    const { kernel, random } = this;
    const first = random.below(cells.length);
    const pages = 1 + random.below(cells.length - first);
    const from = start + first * kernel.frames.pageBytes;
    const chosen = cells.slice(first, first + pages);
    if (random.below(4) === 0) {
      const valid = random.below(3) > 0;
      setMemoryValid(kernel, from, pages, valid);
      for (const cell of chosen) cell.valid = valid;
    } else {
      const [call, change] = CHANGES[random.pick(CHANGE_NAMES)];
      call(kernel, from, pages);
      for (const cell of chosen) Object.assign(cell, change);
    }
    this.counts.set_memory++;
  }
}
