import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { setCurrentThread, SharedWords, Threads } from '../src/index.js';

beforeEach(() => {
  setCurrentThread(new Threads().join('test'));
});
afterEach(() => {
  setCurrentThread(undefined);
});

it('gives out ranges that nobody else has, all 0, and takes them back', () => {
  fc.assert(fc.property(fc.array(fc.record({ count: fc.integer({ min: 1, max: 20 }), free: fc.boolean(), which: fc.nat() }), { maxLength: 60 }), (steps) => {
    const shared = new SharedWords(4096);
    const other = SharedWords.attach(shared.share());
    const ranges: { index: number; count: number; mark: number }[] = [];
    let mark = 0;
    for (const { count, free, which } of steps) {
      const old = ranges[which % Math.max(1, ranges.length)];
      if (free && old !== undefined) {
        (which % 2 === 0 ? shared : other).free(old.index);
        ranges.splice(ranges.indexOf(old), 1);
      } else {
        const index = shared.alloc(count);
        expect(other.words.subarray(index, index + count).every((word) => word === 0)).toBe(true);
        shared.words.fill(++mark, index, index + count);
        ranges.push({ index, count, mark });
      }
      for (const range of ranges) expect(other.words.subarray(range.index, range.index + range.count).every((word) => word === range.mark)).toBe(true);
      expect(other.used).toBe(ranges.reduce((sum, range) => sum + 2 ** Math.ceil(Math.log2(range.count)), 0));
    }
    for (const { index } of ranges) shared.free(index);
    expect(shared.used).toBe(0);
  }));
});

it('uses again what was given back', () => {
  const shared = new SharedWords(20);
  for (let round = 0; round < 100; round++) shared.free(shared.alloc(9));
  expect(shared.used).toBe(0);
});

it('refuses what cannot be', () => {
  const shared = new SharedWords(64);
  const index = shared.alloc(3);
  const forever = shared.reserve(5);
  for (const count of [0, -1, 1.5, Number.NaN]) {
    expect(() => shared.alloc(count)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => new SharedWords(count)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  }
  expect(() => shared.alloc(64)).toThrow(expect.objectContaining({ code: 'ENOMEM' }));
  for (const wrong of [0, index + 1, forever, 10_000, -4]) expect(() => { shared.free(wrong); }).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  shared.free(index);
  expect(() => { shared.free(index); }).toThrow(expect.objectContaining({ code: 'EINVAL', message: expect.stringContaining('already') as string }));
});
