import { Access, type TableHandles } from '@pgtable/core';
import { Translator, type TranslationStep } from '@pgtable/walk';
import {
  copyKernelTables, ptdumpKernel, purgeVmapArea, setMemoryNx, setMemoryRo, setMemoryRw, setMemoryValid, setMemoryX, vfree, vmalloc, type Kernel,
} from '../../../packages/mm/src/index.js';
import type { Random } from '../../random.js';
import type { Memory } from './memory.js';

const MAX_AREAS = 6;

/** What the kernel may do with a page of an area, as the model has it. */
interface Page {
  write: boolean;
  exec: boolean;
  valid: boolean;
  /** The frame that it was at first, and always is. */
  readonly frame: number;
}

interface Area {
  readonly start: number;
  readonly pages: Page[];
}

/** What a page is translated to. */
interface Seen {
  readonly frame: number | undefined;
  readonly write: boolean;
  readonly exec: boolean;
}

/** vmalloc areas of one thread, which alone changes them, while others change theirs, and the listing of all tables is made. */
export class KernelAreas {
  private readonly kernel: Kernel<TableHandles>;
  private readonly random: Random;
  private readonly executeAlways: boolean;
  private readonly areas: Area[] = [];
  private readonly memory: Memory;

  /** @param executeAlways the hardware cannot forbid execution */
  constructor(kernel: Kernel<TableHandles>, random: Random, executeAlways: boolean, memory: Memory) {
    this.memory = memory;
    this.kernel = kernel;
    this.random = random;
    this.executeAlways = executeAlways;
  }

  alloc(): void {
    if (this.areas.length >= MAX_AREAS) {
      this.free();
      return;
    }
    const count = 1 + this.random.below(this.random.oneIn(4) ? 40 : 8);
    const huge = this.random.oneIn(3);
    const start = this.memory.unlessShort(() => vmalloc(this.kernel, count * this.kernel.frames.pageBytes, { huge, name: 'soak' }));
    if (start === undefined) return;
    const pages = this.seen(start, count).map(({ frame, write, exec }): Page => {
      if (frame === undefined || !write) throw new Error(`the vmalloc area at 0x${start.toString(16)} is new, and not mapped to be written`);
      return { write, exec, valid: true, frame };
    });
    this.areas.push({ start, pages });
  }

  free(): void {
    const [area] = this.areas.splice(this.random.below(Math.max(1, this.areas.length)), 1);
    if (area === undefined) return;
    this.check(area);
    vfree(this.kernel, area.start);
  }

  change(): void {
    if (this.areas.length === 0) return;
    const { kernel } = this;
    const area = this.random.pick(this.areas);
    const first = this.random.below(area.pages.length);
    const count = 1 + this.random.below(area.pages.length - first);
    const start = area.start + first * kernel.frames.pageBytes;
    const valid = this.random.oneIn(2);
    const [set, change] = this.random.pick<readonly [() => void, (page: Page) => void]>([
      [() => { setMemoryRo(kernel, start, count); }, (page) => { page.write = false; }],
      [() => { setMemoryRw(kernel, start, count); }, (page) => { page.write = true; }],
      [() => { setMemoryNx(kernel, start, count); }, (page) => { page.exec = false; }],
      [() => { setMemoryX(kernel, start, count); }, (page) => { page.exec = true; }],
      [() => { setMemoryValid(kernel, start, count, valid); }, (page) => { page.valid = valid; }],
      [() => { setMemoryValid(kernel, start, count, valid); }, (page) => { page.valid = valid; }],
    ]);
    // Without memory for the table of a block that is to be split nothing changes.
    const done = this.memory.done(set);
    if (done) area.pages.slice(first, first + count).forEach(change);
    if (!done || this.random.oneIn(3)) this.check(area);
  }

  /** Lists the tables of the kernel. */
  list(): void {
    const lines = ptdumpKernel(this.kernel, { ranges: this.kernel.vmalloc });
    if (this.areas.some(({ pages }) => pages.some(({ valid }) => valid)) && lines.length === 0) throw new Error('there are vmalloc areas, and the listing of the kernel is empty');
  }

  compare(): void {
    for (const area of this.areas) this.check(area);
  }

  /** Nothing that this thread unmapped waits for a flush any more. */
  settle(): void {
    purgeVmapArea(this.kernel);
  }

  close(): void {
    for (const { start } of this.areas.splice(0)) vfree(this.kernel, start);
    this.settle();
  }

  private check({ start, pages }: Area): void {
    this.seen(start, pages.length).forEach((seen, at) => {
      const page = pages[at]!;
      const address = `0x${(start + at * this.kernel.frames.pageBytes).toString(16)} of a vmalloc area`;
      if (!page.valid) {
        if (seen.frame !== undefined) throw new Error(`${address} is mapped to frame ${seen.frame}, and should not be`);
        return;
      }
      if (seen.frame !== page.frame) throw new Error(`${address} is mapped to frame ${seen.frame ?? 'none'}, and should be to ${page.frame}`);
      if (seen.write !== page.write || (!this.executeAlways && seen.exec !== page.exec)) {
        throw new Error(`${address} can be written: ${String(seen.write)}, executed: ${String(seen.exec)}; and should: ${String(page.write)}, ${String(page.exec)}`);
      }
    });
  }

  private seen(start: number, count: number): Seen[] {
    const { pageBytes } = this.kernel.frames;
    const translator = new Translator(copyKernelTables(this.kernel, { ranges: [{ start, end: start + count * pageBytes }] }));
    return Array.from({ length: count }, (_, page) => {
      const steps: TranslationStep[] = [];
      translator.lookup(start + page * pageBytes, steps);
      const access = steps.at(-1)?.attributes?.access;
      if (translator.status !== 'mapped' || access === undefined) return { frame: undefined, write: false, exec: false };
      return { frame: translator.pagePa / pageBytes, write: (access & Access.KernelWrite) !== 0, exec: (access & Access.KernelExecute) !== 0 };
    });
  }
}
