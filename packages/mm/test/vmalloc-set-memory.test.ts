import fc from 'fast-check';
import { hexAddress, LEVELS, type AliasHandles, type FlushRange } from '@pgtable/core';
import { afterEach, describe, expect, it } from 'vitest';
import {
  lockClasses, ptdumpKernel, setCurrentThread, setMemoryNx, setMemoryRo, setMemoryRw, setMemoryValid, setMemoryX, spinLock, spinUnlock, vfree, vmalloc, vmallocInfo, type Kernel,
} from '../src/index.js';
import { vmallocHugePages } from '../src/vmalloc/kernel-entries.js';
import { ALL, boot, configurationOf, pagesOf, quiet } from './vmalloc-machine.js';

afterEach(() => {
  setCurrentThread(undefined);
});

const refused = (code: string, text: string): unknown => expect.objectContaining({ code, message: expect.stringContaining(text) as string });

type Step = 'ro' | 'rw' | 'nx' | 'x' | 'invalid' | 'valid';
const STEPS: readonly Step[] = ['ro', 'rw', 'nx', 'x', 'invalid', 'valid'];

function apply(kernel: Kernel<AliasHandles>, step: Step, start: number, pages: number): void {
  switch (step) {
    case 'ro':
      setMemoryRo(kernel, start, pages);
      return;
    case 'rw':
      setMemoryRw(kernel, start, pages);
      return;
    case 'nx':
      setMemoryNx(kernel, start, pages);
      return;
    case 'x':
      setMemoryX(kernel, start, pages);
      return;
    default:
      setMemoryValid(kernel, start, pages, step === 'valid');
  }
}

/** What a page is in the plain model. */
interface Plain {
  readonly write: boolean;
  readonly exec: boolean;
  readonly valid: boolean;
}

const CHANGES: Readonly<Record<Step, Partial<Plain>>> = { ro: { write: false }, rw: { write: true }, nx: { exec: false }, x: { exec: true }, invalid: { valid: false }, valid: { valid: true } };

/** Has the flushes of the kernel's own half written down. */
function countFlushes(kernel: Kernel<AliasHandles>): FlushRange[] {
  const seen: FlushRange[] = [];
  const { tlb } = kernel.initMm.context;
  const flush = tlb.flush.bind(tlb);
  tlb.flush = (range) => {
    seen.push(range);
    flush(range);
  };
  return seen;
}

describe.each(ALL)('permissions of the kernel\'s memory: $name', (configuration) => {
  const { executeAlways } = configuration;
  const text = ({ write, exec, valid }: Plain): string => (valid ? `r${write ? 'w' : ''}${exec || executeAlways ? 'x' : ''}` : '');

  it.each([['pages', false], ['blocks and groups', true]] as const)('are what they were last made, page by page, in areas of %s; frames stay', (_, huge) => {
    const kernel = boot(configuration, {}, 4);
    const { pageBytes } = kernel.frames;
    const size = huge ? vmallocHugePages(kernel.initMm.arch).at(-1)?.bytes ?? pageBytes * 16 : pageBytes * 16;
    const pages = (size / pageBytes) * 2;
    // Whole blocks that change together, and are split later, must not be left to chance.
    const edge = fc.nat(4).map((quarter) => (pages / 4) * quarter);
    const bounds = fc.tuple(fc.oneof(edge, fc.nat(pages)), fc.oneof(edge, fc.nat(pages))).filter(([a, b]) => a !== b);
    const step = fc.record({ step: fc.constantFrom(...STEPS), bounds: bounds.map(([a, b]) => ({ first: Math.min(a, b), end: Math.max(a, b) })) });
    fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
      const start = vmalloc(kernel, pages * pageBytes, { huge });
      try {
        const before = pagesOf(kernel, start, pages).map(({ frame }) => frame);
        const plain: Plain[] = Array.from({ length: pages }, () => ({ write: true, exec: false, valid: true }));
        for (const { step: change, bounds: { first, end } } of steps) {
          apply(kernel, change, start + first * pageBytes, end - first);
          for (let page = first; page < end; page++) plain[page] = { ...plain[page]!, ...CHANGES[change] };
          const now = pagesOf(kernel, start, pages);
          expect(now.map(({ access }) => access)).toEqual(plain.map(text));
          expect(now.map(({ frame }) => frame)).toEqual(before.map((frame, page) => (plain[page]!.valid ? frame : undefined)));
        }
      } finally {
        vfree(kernel, start);
      }
    }), { numRuns: huge ? 6 : 12 });
    quiet(kernel);
  });

  it('of pages are changed with one flush at the end', () => {
    const kernel = boot(configuration);
    const { pageBytes } = kernel.frames;
    const start = vmalloc(kernel, 40 * pageBytes);
    const flushes = countFlushes(kernel);
    setMemoryRo(kernel, start + pageBytes, 30);
    const { arch } = kernel.initMm;
    // s390 invalidates and flushes each entry as it changes it.
    if (arch.name === 's390') expect(flushes.length).toBe(30);
    else expect(flushes).toEqual([{ start: BigInt(start + pageBytes), end: BigInt(start + 31 * pageBytes), level: 'pte', tables: false }]);
    flushes.length = 0;
    // What is so already needs none.
    setMemoryRo(kernel, start + pageBytes, 30);
    expect(flushes).toEqual([]);
    vfree(kernel, start);
    quiet(kernel);
  });

  it('of part of a block split it at both ends, and nowhere else', () => {
    const kernel = boot(configuration);
    const { arch } = kernel.initMm;
    const { pageBytes } = kernel.frames;
    for (const { bytes, level, count } of vmallocHugePages(arch)) {
      const start = vmalloc(kernel, bytes * 3, { huge: true });
      const frames = pagesOf(kernel, start, (bytes * 3) / pageBytes).map(({ frame }) => frame);
      const tables = kernel.pageTables.nrPageTables(undefined, kernel.initMm.id);
      setMemoryRo(kernel, start + bytes - pageBytes, bytes / pageBytes + 2);
      const now = pagesOf(kernel, start, (bytes * 3) / pageBytes);
      expect(now.map(({ frame }) => frame)).toEqual(frames);
      expect(now[bytes / pageBytes]).toMatchObject({ bytes });
      expect([now[0]!.bytes < bytes, now.at(-1)!.bytes < bytes]).toEqual([true, true]);
      const changed = now.map(({ access }) => !access.includes('w'));
      expect(changed).toEqual(changed.map((_, page) => page >= bytes / pageBytes - 1 && page <= (2 * bytes) / pageBytes));
      const made = kernel.pageTables.nrPageTables(undefined, kernel.initMm.id) - tables;
      expect(made > 0).toBe(level !== 'pte' && LEVELS.indexOf(level) > 0);
      expect(count === 1 || made === 0).toBe(true);
      vfree(kernel, start);
    }
    expect(vmallocInfo(kernel)).toEqual([]);
    quiet(kernel);
  });

  it('of a block that was read-only when it was split can be given back to each of its pages', () => {
    const kernel = boot(configuration);
    const { arch } = kernel.initMm;
    const { pageBytes } = kernel.frames;
    for (const { bytes } of vmallocHugePages(arch)) {
      const pages = bytes / pageBytes;
      const start = vmalloc(kernel, bytes, { huge: true });
      setMemoryRo(kernel, start, pages);
      setMemoryRw(kernel, start + pageBytes, 1);
      const accesses = (): string[] => pagesOf(kernel, start, pages).map(({ access }) => access);
      const write = text({ write: true, exec: false, valid: true });
      const read = text({ write: false, exec: false, valid: true });
      expect(accesses()).toEqual(Array.from({ length: pages }, (_, page) => (page === 1 ? write : read)));
      setMemoryRw(kernel, start, pages);
      expect(accesses()).toEqual(Array.from({ length: pages }, () => write));
      vfree(kernel, start);
    }
    quiet(kernel);
  });

  it('are in the listing of the kernel\'s tables', () => {
    const kernel = boot(configuration);
    const { pageBytes } = kernel.frames;
    const start = vmalloc(kernel, 8 * pageBytes);
    const before = ptdumpKernel(kernel, { ranges: kernel.vmalloc });
    setMemoryRo(kernel, start + 2 * pageBytes, 3);
    const after = ptdumpKernel(kernel, { ranges: kernel.vmalloc });
    expect(after.length).toBeGreaterThan(before.length);
    setMemoryRw(kernel, start + 2 * pageBytes, 3);
    expect(ptdumpKernel(kernel, { ranges: kernel.vmalloc })).toEqual(before);
    vfree(kernel, start);
    quiet(kernel);
  });

  it('are listed as far as was asked, from the middle of a block and of a hole too', () => {
    const kernel = boot(configuration);
    const { arch } = kernel.initMm;
    const { pageBytes } = kernel.frames;
    const { addressDigits } = arch.geometry;
    for (const { bytes } of vmallocHugePages(arch)) {
      const start = vmalloc(kernel, bytes, { huge: true });
      const part = { start: start + pageBytes, end: start + 3 * pageBytes };
      const line: unknown = expect.stringContaining(`${hexAddress(part.start, addressDigits)}-${hexAddress(part.end, addressDigits)}`);
      const listed = (): string[] => ptdumpKernel(kernel, { ranges: [part] }).filter((text) => text.startsWith('0x'));
      expect(listed()).toEqual([line]);
      vfree(kernel, start);
      expect(listed()).toEqual(arch.ptdump.prints(0, 0) ? [line] : []);
    }
    quiet(kernel);
  });
});

const MACHINE = configurationOf('arm64 4K 48-bit');

describe('set_memory', () => {
  it('is for whole pages of one area', () => {
    const kernel = boot(MACHINE);
    const { pageBytes } = kernel.frames;
    const one = vmalloc(kernel, 2 * pageBytes, { name: 'one' });
    const two = vmalloc(kernel, 2 * pageBytes);
    expect(() => { setMemoryRo(kernel, one, 3); }).toThrow(refused('EINVAL', 'the area \'one\' ends before'));
    expect(() => { setMemoryRo(kernel, one + 2 * pageBytes, 1); }).toThrow(refused('EINVAL', 'no vmalloc area is there'));
    expect(() => { setMemoryRo(kernel, two - pageBytes, 2); }).toThrow(refused('EINVAL', 'no vmalloc area is there'));
    expect(() => { setMemoryX(kernel, 0x1000, 1); }).toThrow(refused('EINVAL', 'no vmalloc area is there'));
    for (const start of [0.5, NaN, Infinity]) expect(() => { setMemoryNx(kernel, start, 1); }).toThrow(refused('EINVAL', 'cannot be changed'));
    for (const pages of [-1, 0.5, NaN]) expect(() => { setMemoryRw(kernel, one, pages); }).toThrow(refused('EINVAL', 'cannot be changed'));
    setMemoryRo(kernel, one, 0);
    expect(pagesOf(kernel, one, 2).map(({ access }) => access)).toEqual(['rw', 'rw']);
    vfree(kernel, one);
    expect(() => { setMemoryRo(kernel, one, 1); }).toThrow(refused('EINVAL', 'no vmalloc area is there'));
    vfree(kernel, two);
    quiet(kernel);
  });

  it('changes nothing where a block cannot be split for want of a frame', () => {
    const kernel = boot(MACHINE);
    const start = vmalloc(kernel, 2 ** 21, { huge: true });
    const before = pagesOf(kernel, start, 512);
    const taken: number[] = [];
    while (kernel.frames.free > 0) taken.push(kernel.frames.allocPages(0));
    expect(() => { setMemoryRo(kernel, start + 4096, 4); }).toThrow(refused('ENOMEM', ''));
    expect(pagesOf(kernel, start, 512)).toEqual(before);
    for (const pfn of taken) kernel.frames.put(pfn);
    vfree(kernel, start);
    quiet(kernel);
  });

  it('of what is valid is for contexts that may not sleep, the others are not', () => {
    const kernel = boot(MACHINE);
    const start = vmalloc(kernel, 4096);
    const gone = vmalloc(kernel, 4096);
    vfree(kernel, gone);
    const lock = kernel.words.alloc(1);
    const { words } = kernel.words;
    spinLock(words, lock, lockClasses.anonVma);
    setMemoryValid(kernel, start, 1, false);
    expect(() => { setMemoryRo(kernel, start, 1); }).toThrow(expect.objectContaining({ rule: 'sleep' }));
    spinUnlock(words, lock);
    kernel.words.free(lock);
    setMemoryValid(kernel, start, 1, true);
    expect(pagesOf(kernel, start, 1)[0]?.access).toBe('rw');
    vfree(kernel, start);
    quiet(kernel);
  });
});
