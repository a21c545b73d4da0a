import fc from 'fast-check';
import { geometryOf, VmFlags, type AliasHandles } from '@pgtable/core';
import { afterEach, describe, expect, it } from 'vitest';
import {
  findVmArea, FrameWord, LAZY_MAX_PAGES, purgeVmapArea, setCurrentThread, vfree, vmalloc, vmallocAttach, vmallocInfo, vmallocInit, vmapRangeNoflush, vmUnmapAliases, type Kernel,
} from '../src/index.js';
import { lookupAddress, vmallocHugePages } from '../src/vmalloc/kernel-entries.js';
import { ALL, boot, configurationOf, pagesOf, quiet } from './vmalloc-machine.js';

afterEach(() => {
  setCurrentThread(undefined);
});

const refused = (code: string, text: string): unknown => expect.objectContaining({ code, message: expect.stringContaining(text) as string });

function frameOf(kernel: Kernel<AliasHandles>, address: number): number | undefined {
  return pagesOf(kernel, address, 1)[0]?.frame;
}

function framesOf(kernel: Kernel<AliasHandles>, address: number, pages: number): (number | undefined)[] {
  return pagesOf(kernel, address, pages).map(({ frame }) => frame);
}

describe.each(ALL)('vmalloc areas: $name', (configuration) => {
  it('are mapped page by page to frames of their own, with a guard page between them, and leave nothing', () => {
    const kernel = boot(configuration);
    const { pageBytes, free } = kernel.frames;
    const one = vmalloc(kernel, 3 * pageBytes - 1, { name: 'stack' });
    const two = vmalloc(kernel, 1, { name: 'module' });
    expect(vmallocInfo(kernel).map(({ start, pages, name, huge }) => ({ start, pages, name, huge }))).toEqual([
      { start: one, pages: 3, name: 'stack', huge: false }, { start: two, pages: 1, name: 'module', huge: false },
    ]);
    expect(two - one).toBe(4 * pageBytes);
    const frames = [...framesOf(kernel, one, 3), ...framesOf(kernel, two, 1)];
    expect(new Set(frames).size).toBe(4);
    for (const pfn of frames) expect([kernel.frames.read(pfn!, FrameWord.Refcount), kernel.frames.read(pfn!, FrameWord.Mapcount)]).toEqual([1, 0]);
    expect([frameOf(kernel, one + 3 * pageBytes), frameOf(kernel, two + pageBytes)]).toEqual([undefined, undefined]);
    vfree(kernel, one);
    expect(framesOf(kernel, one, 3)).toEqual([undefined, undefined, undefined]);
    // Not flushed, so nobody has the frames, or the addresses.
    expect(frames.slice(0, 3).map((pfn) => kernel.frames.read(pfn!, FrameWord.Refcount))).toEqual([1, 1, 1]);
    const three = vmalloc(kernel, pageBytes);
    expect(three).toBe(two + 2 * pageBytes);
    vmUnmapAliases(kernel);
    expect(vmalloc(kernel, pageBytes)).toBe(one);
    for (const address of [one, two, three]) vfree(kernel, address);
    purgeVmapArea(kernel);
    // Tables stay.
    expect(free - kernel.frames.free).toBeGreaterThan(0);
    expect(kernel.pageTables.nrPageTables(undefined, kernel.initMm.id)).toBeGreaterThan(1);
    quiet(kernel);
  });

  it('are mapped by the largest pages where that is asked for, with frames that one reference keeps', () => {
    const kernel = boot(configuration);
    const { arch } = kernel.initMm;
    for (const page of vmallocHugePages(arch).reverse()) {
      const address = vmalloc(kernel, page.bytes + 1, { huge: true });
      expect([address % page.bytes, findVmArea(kernel, address)?.huge]).toEqual([0, true]);
      expect([pagesOf(kernel, address, 1)[0]?.bytes, findVmArea(kernel, address)!.pages * kernel.frames.pageBytes]).toEqual([page.bytes, 2 * page.bytes]);
      const first = frameOf(kernel, address)!;
      const size = page.bytes / kernel.frames.pageBytes;
      expect([frameOf(kernel, address + kernel.frames.pageBytes), frameOf(kernel, address + page.bytes - kernel.frames.pageBytes)]).toEqual([first + 1, first + size - 1]);
      vfree(kernel, address);
      purgeVmapArea(kernel);
      expect(kernel.frames.read(first, FrameWord.Refcount)).toBe(0);
      // Where the tables of small pages are now, a block comes again.
      const small = vmalloc(kernel, page.bytes);
      vfree(kernel, small);
      purgeVmapArea(kernel);
      expect(vmalloc(kernel, page.bytes, { huge: true }) % page.bytes).toBe(0);
      vfree(kernel, address);
      purgeVmapArea(kernel);
    }
    expect(vmalloc(kernel, 1, { huge: true })).toBeGreaterThan(0);
    vfree(kernel, vmallocInfo(kernel)[0]!.start);
    quiet(kernel);
  });

  it('of blocks that happen to follow each other, and would fill a larger one, give all of them back', () => {
    const kernel = boot(configuration);
    const { frames } = kernel;
    const [large, small] = vmallocHugePages(kernel.initMm.arch).map(({ bytes }) => bytes / frames.pageBytes);
    if (large !== undefined && small !== undefined) {
      // The next block is the first of a larger one.
      const taken: number[] = [];
      do taken.push(frames.allocPages(Math.log2(small))); while ((taken.at(-1)! + small) % large !== 0);
      const address = vmalloc(kernel, (large - 1) * frames.pageBytes, { huge: true });
      const mapped = framesOf(kernel, address, large);
      expect(mapped).toEqual(mapped.map((_, page) => taken.at(-1)! + small + page));
      vfree(kernel, address);
      purgeVmapArea(kernel);
      expect(mapped.filter((pfn, page) => page % small === 0 && frames.read(pfn!, FrameWord.Refcount) !== 0)).toEqual([]);
      for (const pfn of taken) frames.put(pfn);
    }
    quiet(kernel);
  });

  it('that cannot be whole leave nothing', () => {
    const kernel = boot(configuration, { bytes: 1024 * boot(configuration).frames.pageBytes });
    const { frames } = kernel;
    const { free } = frames;
    const pages = free + 8;
    expect(() => vmalloc(kernel, pages * frames.pageBytes)).toThrow(refused('ENOMEM', ''));
    expect(vmallocInfo(kernel)).toEqual([]);
    expect(() => vmalloc(kernel, pages * frames.pageBytes, { huge: true })).toThrow(refused('ENOMEM', ''));
    // Frames for the pages, none for their tables.
    const taken: number[] = [];
    while (frames.free > 1) taken.push(frames.allocPages(0));
    expect(kernel.pageTables.nrPageTables(undefined, kernel.initMm.id)).toBe(1);
    expect(() => vmalloc(kernel, frames.pageBytes)).toThrow(refused('ENOMEM', ''));
    for (const pfn of taken) frames.put(pfn);
    const address = vmalloc(kernel, 5 * frames.pageBytes);
    vfree(kernel, address);
    quiet(kernel);
  });
});

const MACHINE = configurationOf('x86 4-level');

describe('vmalloc', () => {
  it('falls back to small pages where there are no blocks of memory', () => {
    const kernel = boot(MACHINE);
    const taken: number[] = [];
    const bytes = 2 ** 21;
    for (let order = 10; order >= 9; order--) {
      try {
        for (;;) taken.push(kernel.frames.allocPages(order));
      } catch {
        // There are no more.
      }
    }
    for (const block of taken.splice(0, 1)) kernel.frames.put(block);
    const pins = Array.from({ length: 8 }, () => kernel.frames.allocPages(7));
    pins.filter((_, number) => number % 2 === 0).forEach((pfn) => { kernel.frames.put(pfn); });
    const address = vmalloc(kernel, bytes, { huge: true });
    expect(findVmArea(kernel, address)).toMatchObject({ huge: false, pages: 512 });
    vfree(kernel, address);
    purgeVmapArea(kernel);
    for (const pfn of [...taken, ...pins.filter((_, number) => number % 2 === 1)]) kernel.frames.put(pfn);
    quiet(kernel);
  });

  it('purges by itself when much waits, and when there are no addresses left', () => {
    const start = boot(MACHINE).vmalloc[0]!.start;
    const kernel = boot(MACHINE, { vmalloc: [{ start, end: start + 4096 * 4 }, { start: start + 4096 * 4, end: start + 4096 * 100 }] });
    // Both ranges are used, and nothing reaches over their edge.
    expect([vmalloc(kernel, 4096 * 4), vmalloc(kernel, 4096 * 3)]).toEqual([start + 4096 * 4, start]);
    vfree(kernel, start);
    expect(kernel.frames.read(kernel.frames.firstPfn, FrameWord.Refcount)).toBeGreaterThan(0);
    const large = vmalloc(kernel, 4096 * (LAZY_MAX_PAGES + 1));
    const { free } = kernel.frames;
    vfree(kernel, large);
    expect(kernel.frames.free).toBe(free + LAZY_MAX_PAGES + 1 + 3);
    const again = vmalloc(kernel, 4096 * 60);
    vfree(kernel, again);
    expect(vmalloc(kernel, 4096 * 60)).toBe(again);
    expect(() => vmalloc(kernel, 4096 * 60)).toThrow(refused('ENOMEM', 'no vmalloc range has 61 pages'));
    vfree(kernel, again);
    vfree(kernel, start + 4096 * 4);
    quiet(kernel);
  });

  it('purges by itself when those that wait have all slots', () => {
    const kernel = boot(MACHINE, {}, 2);
    vfree(kernel, vmalloc(kernel, 4096));
    const first = vmalloc(kernel, 4096);
    const second = vmalloc(kernel, 4096);
    expect(() => vmalloc(kernel, 4096)).toThrow(refused('ENOMEM', 'there are 2 vmalloc areas already'));
    vfree(kernel, first);
    vfree(kernel, second);
    quiet(kernel);
  });

  it('refuses what cannot be', () => {
    const kernel = boot(MACHINE, {}, 1);
    const address = vmalloc(kernel, 4096);
    for (const bytes of [0, -1, 1.5, NaN, Infinity]) expect(() => vmalloc(kernel, bytes)).toThrow(refused('EINVAL', 'there is no vmalloc area of'));
    expect(() => vmalloc(kernel, 4096, { name: 'a name that is too long' })).toThrow(refused('EINVAL', 'too long a name'));
    expect(() => vmalloc(kernel, 4096)).toThrow(refused('ENOMEM', 'there are 1 vmalloc areas already'));
    for (const wrong of [address + 4096, address - 4096, 0, 0.5, NaN]) expect(() => { vfree(kernel, wrong); }).toThrow(refused('EINVAL', 'no vmalloc area begins'));
    expect(() => { quiet(kernel); }).toThrow(refused('EINVAL', 'there are still vmalloc areas: vmalloc at 0x'));
    expect(() => { vmapRangeNoflush(kernel.initMm, address, address + 4096, 1, kernel.initMm.arch.kernelProt(VmFlags.Read)); }).toThrow(refused('EINVAL', 'already'));
    expect(() => vmallocInit(kernel)).toThrow(refused('EINVAL', 'has vmalloc areas already'));
    vfree(kernel, address);
    expect(() => { vfree(kernel, address); }).toThrow(refused('EINVAL', 'no vmalloc area begins'));
    quiet(kernel);
    const bare = boot(MACHINE, { vmalloc: [] });
    expect(() => vmalloc(bare, 4096)).toThrow(expect.objectContaining({ hint: 'make the kernel with `vmalloc` ranges' }));
    expect(() => vmallocInit(bare, { areas: 0 })).toThrow(refused('EINVAL', 'cannot have 0 vmalloc areas'));
  });

  it('is unknown to a thread that was not told of it', () => {
    const kernel = boot(MACHINE);
    const other = Object.create(kernel) as Kernel<AliasHandles>;
    expect(() => vmalloc(other, 1)).toThrow(refused('EINVAL', 'knows of no vmalloc areas'));
    quiet(kernel);
    const second = boot(MACHINE);
    const image = { at: second.words.reserve(2000), areas: 8 };
    vmallocAttach(second, image).areas.init();
    expect(vmallocInfo(second)).toEqual([]);
  });

  it('gives addresses as a plain list does', () => {
    const step = fc.record({ pages: fc.integer({ min: 1, max: 6 }), free: fc.boolean(), which: fc.nat(20), purge: fc.nat(3) });
    const pages = 40;
    fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const start = boot(MACHINE).vmalloc[0]!.start;
      const kernel = boot(MACHINE, { vmalloc: [{ start, end: start + pages * 4096 }] }, 16);
      const plain: { first: number; pages: number; state: 'used' | 'lazy' }[] = [];
      const gap = (count: number): number | undefined => Array.from({ length: pages }, (_, first) => first).find((first) => (
        first + count + 1 <= pages && plain.every((area) => first + count + 1 <= area.first || area.first + area.pages + 1 <= first)
      ));
      const purge = (): void => { for (let at = plain.length - 1; at >= 0; at--) if (plain[at]!.state === 'lazy') plain.splice(at, 1); };
      for (const one of steps) {
        const used = plain.filter(({ state }) => state === 'used');
        if (one.free && used.length > 0) {
          const area = used[one.which % used.length]!;
          vfree(kernel, start + area.first * 4096);
          area.state = 'lazy';
        } else if (one.purge === 0) {
          vmUnmapAliases(kernel);
          purge();
        } else if (plain.length < 16) {
          if (gap(one.pages) === undefined) purge();
          const first = gap(one.pages);
          if (first === undefined) expect(() => vmalloc(kernel, one.pages * 4096)).toThrow(refused('ENOMEM', 'no vmalloc range'));
          else {
            expect(vmalloc(kernel, one.pages * 4096)).toBe(start + first * 4096);
            plain.push({ first, pages: one.pages, state: 'used' });
          }
        }
        expect(vmallocInfo(kernel).map((area) => (area.start - start) / 4096)).toEqual(plain.filter(({ state }) => state === 'used').map(({ first }) => first).sort((a, b) => a - b));
        for (let page = 0; page < pages; page++) {
          const area = plain.find(({ first, pages: count, state }) => state === 'used' && page >= first && page < first + count);
          expect((findVmArea(kernel, start + page * 4096)?.start ?? -1) === (area === undefined ? -1 : start + area.first * 4096)).toBe(true);
          expect(kernel.initMm.arch.values[lookupAddress(kernel.initMm, start + page * 4096).at.level].present(lookupAddress(kernel.initMm, start + page * 4096).value as never)).toBe(area !== undefined);
        }
      }
      for (const { start: address } of vmallocInfo(kernel)) vfree(kernel, address);
      purgeVmapArea(kernel);
      expect(kernel.pageTables.nrPageTables('pte', kernel.initMm.id)).toBeLessThanOrEqual(Math.ceil(pages / geometryOf(kernel.initMm.arch.geometry, 'pte').entries) + 1);
      kernel.leave();
    }), { numRuns: 40 });
  });
});
