import fc from 'fast-check';
import { isPgtableError, PgtableError } from '@pgtable/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  AccessType, currentThread, FrameFlag, Frames, FrameType, FrameWord, lockClasses, LockOrder, LockRuleError, MAX_ORDER, MEMMAP_WORDS, setCurrentThread, setScheduler, spinLock, Threads,
} from '../src/index.js';

const PAGE = 4096;
const BASE = 0x4000_0000;
const FIRST = BASE / PAGE;

const framesOf = (count: number, base = BASE): Frames => Frames.create({ bytes: count * PAGE, base, pageBytes: PAGE });

function thrown(work: () => unknown): PgtableError {
  try {
    work();
  } catch (error) {
    if (isPgtableError(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const messageOf = (work: () => unknown): string => {
  const { code, message } = thrown(work);
  return `${code}: ${message}`;
};

beforeEach(() => {
  setCurrentThread(new Threads().join('test'));
});

afterEach(() => {
  setCurrentThread(undefined);
});

describe('memory', () => {
  it('is all free at first, and all 0', () => {
    const frames = framesOf(1000);
    expect([frames.base, frames.bytes, frames.pageBytes, frames.firstPfn, frames.count, frames.free]).toEqual([BASE, 1000 * PAGE, PAGE, FIRST, 1000, 1000]);
    expect(frames.ram).toHaveLength(1000 * PAGE / 4);
    expect(frames.ram.every((word) => word === 0)).toBe(true);
    expect(frames.memmap).toHaveLength(1000 * MEMMAP_WORDS);
    frames.assertWhole();
  });

  it.each([
    ['no size', { bytes: 0, pageBytes: PAGE }, 'memory is one or more whole frames'],
    ['half a frame', { bytes: PAGE * 1.5, pageBytes: PAGE }, 'memory is one or more whole frames'],
    ['a page size that is no power of two', { bytes: 6000, pageBytes: 3000 }, 'a frame is a power of two of bytes, 16 at the least'],
    ['a page size below that of an entry', { bytes: 64, pageBytes: 8 }, 'a frame is a power of two of bytes, 16 at the least'],
    ['a base that does not align blocks', { bytes: PAGE, base: PAGE, pageBytes: PAGE }, `memory begins at a multiple of ${PAGE * 1024}, so that blocks are aligned in it as they are on the machine`],
    ['a negative base', { bytes: PAGE, base: -PAGE * 1024, pageBytes: PAGE }, `memory begins at a multiple of ${PAGE * 1024}, so that blocks are aligned in it as they are on the machine`],
  ])('is not made of %s', (_, options, hint) => {
    const error = thrown(() => Frames.create(options));
    expect([error.code, error.hint]).toEqual(['EINVAL', hint]);
    expect(error.message).toContain(`memory of ${options.bytes} bytes`);
  });

  it('is no larger than the host allows', () => {
    expect(thrown(() => Frames.create({ bytes: 2 ** 52, pageBytes: PAGE })).code).toBe('ENOMEM');
  });

  it('needs SharedArrayBuffer', () => {
    const descriptor = Object.getOwnPropertyDescriptor(globalThis, 'SharedArrayBuffer')!;
    Reflect.deleteProperty(globalThis, 'SharedArrayBuffer');
    try {
      expect(thrown(() => framesOf(1)).code).toBe('ENOTSUP');
    } finally {
      Object.defineProperty(globalThis, 'SharedArrayBuffer', descriptor);
    }
  });

  it('has words for each frame', () => {
    const frames = framesOf(4);
    expect(frames.word(FIRST + 3, FrameWord.Owner)).toBe(3 * MEMMAP_WORDS + FrameWord.Owner);
    frames.write(FIRST + 3, FrameWord.Owner, 7);
    expect(frames.add(FIRST + 3, FrameWord.Owner, -3)).toBe(4);
    expect([frames.read(FIRST + 3, FrameWord.Owner), frames.memmap[frames.word(FIRST + 3, FrameWord.Owner)], frames.read(FIRST + 2, FrameWord.Owner)]).toEqual([4, 4, 0]);
  });

  it.each([FIRST - 1, FIRST + 4, FIRST + 0.5, NaN])('knows no frame %d', (pfn) => {
    const frames = framesOf(4);
    for (const work of [() => frames.word(pfn, 0), () => { frames.freePages(pfn); }, () => { frames.get(pfn); }, () => { frames.put(pfn); }, () => { frames.zero(pfn); }, () => { frames.copy(FIRST, pfn); }, () => { frames.markReserved(pfn); }]) {
      expect(messageOf(work)).toContain('memory is frames 0x40000 up to 0x40004');
    }
  });

  it('is the same where it is attached', () => {
    const frames = framesOf(16);
    const other = Frames.attach(structuredClone(frames.share()));
    const pfn = other.allocPages(2, FrameType.Anon);
    expect([frames.free, frames.read(pfn, FrameWord.Type), other.base, other.firstPfn, other.count]).toEqual([12, FrameType.Anon, BASE, FIRST, 16]);
    other.ram[5] = 77;
    expect(frames.ram[5]).toBe(77);
    frames.freePages(pfn);
    other.assertWhole();
  });

  it('clears and copies frames, and no more', () => {
    const frames = framesOf(8);
    const words = PAGE / 4;
    frames.ram.forEach((_, word) => (frames.ram[word] = word + 1));
    frames.copy(FIRST + 1, FIRST + 5, 2);
    expect([frames.ram[5 * words - 1], frames.ram[5 * words], frames.ram[7 * words - 1], frames.ram[7 * words]]).toEqual([5 * words, words + 1, 3 * words, 7 * words + 1]);
    frames.zero(FIRST + 2);
    expect([frames.ram[2 * words - 1], frames.ram[2 * words], frames.ram[3 * words - 1], frames.ram[3 * words]]).toEqual([2 * words, 0, 0, 3 * words + 1]);
    expect(thrown(() => { frames.copy(FIRST, FIRST + 7, 2); }).code).toBe('EINVAL');
    expect(thrown(() => { frames.copy(FIRST + 7, FIRST, 2); }).code).toBe('EINVAL');
    expect(frames.ram[7 * words]).toBe(7 * words + 1);
  });
});

describe('the allocator', () => {
  it('gives low addresses out first, and splits the smallest block that is large enough', () => {
    const frames = framesOf(13);
    // 8, 4 and 1.
    expect(frames.allocPages(0)).toBe(FIRST + 12);
    expect(frames.allocPages(0)).toBe(FIRST + 8);
    expect(frames.allocPages(1)).toBe(FIRST + 10);
    expect(frames.allocPages(3)).toBe(FIRST);
    expect(frames.allocPages(0)).toBe(FIRST + 9);
    expect(frames.free).toBe(0);
  });

  it('says of each frame of a block whose it is', () => {
    const frames = framesOf(8);
    frames.allocPages(0);
    const pfn = frames.allocPages(2, FrameType.File);
    expect(pfn).toBe(FIRST + 4);
    for (let tail = 0; tail < 4; tail++) {
      const read = (word: number): number => frames.read(pfn + tail, word);
      expect([read(FrameWord.Type), read(FrameWord.Head), read(FrameWord.Order), read(FrameWord.Refcount), frames.head(pfn + tail)])
        .toEqual([FrameType.File, 4, tail === 0 ? 2 : -1, tail === 0 ? 1 : 0, pfn]);
    }
    expect([frames.describe(pfn), frames.describe(pfn + 1)]).toEqual(['frame 0x40004 (File, order 2, 1 reference)', 'frame 0x40005 (File, not the first of its block)']);
  });

  it('forgets what a frame was used for', () => {
    const frames = framesOf(2);
    const pfn = frames.allocPages(1, FrameType.Anon);
    for (const word of [FrameWord.Flags, FrameWord.Next, FrameWord.Previous, FrameWord.TableLock, FrameWord.Owner, FrameWord.Index, FrameWord.Deposit]) {
      frames.write(pfn, word, 99);
      frames.write(pfn + 1, word, 99);
    }
    frames.freePages(pfn);
    frames.assertWhole();
    expect(frames.allocPages(1)).toBe(pfn);
    const words = [...frames.memmap];
    expect(words.slice(0, MEMMAP_WORDS)).toEqual([1, 0, FrameType.Allocated, 0, 1, ...Array<number>(11).fill(0)]);
    expect(words.slice(MEMMAP_WORDS)).toEqual([0, 0, FrameType.Allocated, 0, -1, ...Array<number>(11).fill(0)]);
  });

  it('says how much is left when it is not enough', () => {
    const frames = framesOf(8);
    const taken = Array.from({ length: 8 }, () => frames.allocPages(0));
    for (const pfn of [0, 2, 3, 5]) frames.freePages(taken[pfn]!);
    const fragmented = thrown(() => frames.allocPages(2));
    expect([fragmented.code, fragmented.message]).toEqual(['ENOMEM', 'no block of order 2 (4 frames) is left: 4 frames of 8 are free, in blocks: 2 of order 0, 1 of order 1']);
    expect(fragmented.hint).toContain('fragmented');
    expect(thrown(() => frames.allocPages(3)).hint).toContain('larger');
    for (let more = 0; more < 4; more++) frames.allocPages(0);
    expect(messageOf(() => frames.allocPages(0))).toBe('ENOMEM: no block of order 0 (1 frame) is left: 0 frames of 8 are free');
  });

  it.each([-1, MAX_ORDER + 1, 0.5, NaN])('has no blocks of order %d', (order) => {
    expect(messageOf(() => framesOf(4096).allocPages(order))).toBe(`EINVAL: there are no blocks of order ${order}`);
  });

  it('has blocks of the largest order, and gives none out as free', () => {
    const frames = framesOf(3 * 1024 - 1);
    expect([frames.allocPages(MAX_ORDER), frames.allocPages(MAX_ORDER)]).toEqual([FIRST, FIRST + 1024]);
    expect(messageOf(() => frames.allocPages(MAX_ORDER))).toContain('1023 frames of 3071 are free, in blocks: 1 of order 0, 1 of order 1,');
    expect(thrown(() => frames.allocPages(0, FrameType.Free)).code).toBe('EINVAL');
    expect(frames.free).toBe(1023);
  });

  it('takes the zone lock, inside of all others', () => {
    const frames = framesOf(4);
    const words = new Int32Array(new SharedArrayBuffer(16));
    setCurrentThread(new Threads().join('checked', new LockOrder()));
    spinLock(words, 0, lockClasses.ptePtl);
    frames.freePages(frames.allocPages(1));
    expect(currentThread().lockdep).toBeDefined();
    spinLock(words, 1, lockClasses.zoneLock);
    expect(() => frames.allocPages(0)).toThrow(LockRuleError);
  });

  it('gives its lock back when it refuses', () => {
    const frames = framesOf(1);
    const pfn = frames.allocPages(0);
    thrown(() => frames.allocPages(0));
    frames.freePages(pfn);
    thrown(() => { frames.freePages(pfn); });
    frames.assertWhole();
  });
});

describe('what must not be freed', () => {
  /** Expects an error, and that nothing has changed. */
  function refuses(frames: Frames, pfn: number, message: string, work: (pfn: number) => void = (at) => { frames.freePages(at); }): void {
    const before = [...frames.memmap];
    expect(messageOf(() => { work(pfn); })).toBe(`EINVAL: ${message}`);
    expect([...frames.memmap]).toEqual(before);
  }

  it('what is free already', () => {
    const frames = framesOf(4);
    const pfn = frames.allocPages(0);
    frames.freePages(pfn);
    refuses(frames, pfn, 'cannot free frame 0x40000 (Free, order 2): it is free already');
    refuses(frames, pfn + 1, 'cannot free frame 0x40001 (Free, not the first of its block): it is free already');
  });

  it('the middle of a block', () => {
    const frames = framesOf(4);
    const pfn = frames.allocPages(2);
    refuses(frames, pfn + 2, 'cannot free frame 0x40002 (Allocated, not the first of its block): it is in the middle of a block: that of frame 0x40000 (Allocated, order 2, 1 reference)');
  });

  it('page tables', () => {
    const frames = framesOf(4);
    const pfn = frames.allocPages(0, FrameType.Table);
    frames.write(pfn, FrameWord.Table, 2);
    refuses(frames, pfn, 'cannot free frame 0x40000 (Table, level 1, order 0, 1 reference): it is a page table');
    refuses(frames, pfn, 'cannot give the last reference back on frame 0x40000 (Table, level 1, order 0, 1 reference): it is a page table', (at) => { frames.put(at); });
    frames.write(pfn, FrameWord.Type, FrameType.Allocated);
    refuses(frames, pfn, 'cannot free frame 0x40000 (Allocated, level 1, order 0, 1 reference): it is a page table');
    frames.write(pfn, FrameWord.Table, 0);
    frames.freePages(pfn);
    frames.assertWhole();
  });

  it('what others refer to', () => {
    const frames = framesOf(4);
    const pfn = frames.allocPages(1);
    frames.get(pfn + 1);
    refuses(frames, pfn, 'cannot free frame 0x40000 (Allocated, order 1, 2 references): somebody else refers to it');
    frames.write(pfn, FrameWord.Refcount, -1);
    refuses(frames, pfn, 'cannot free frame 0x40000 (Allocated, order 1, -1 references): somebody else refers to it');
    frames.write(pfn, FrameWord.Refcount, 0);
    frames.freePages(pfn);
    frames.assertWhole();
  });

  it.each([
    [FrameWord.Stale, '1 translation to it may still be cached'],
    [FrameWord.Mapcount, 'it is mapped: entries 1, as an anonymous page 0, as a file\'s 0'],
    [FrameWord.AnonMaps, 'it is mapped: entries 0, as an anonymous page 1, as a file\'s 0'],
    [FrameWord.FileMaps, 'it is mapped: entries 0, as an anonymous page 0, as a file\'s 1'],
  ])('what is mapped or may be cached (word %i)', (word, why) => {
    const frames = framesOf(4);
    const pfn = frames.allocPages(1, FrameType.Anon);
    frames.write(pfn + 1, word, 1);
    refuses(frames, pfn, `cannot free frame 0x40001 (Anon, not the first of its block): ${why}`);
    refuses(frames, pfn, `cannot give the last reference back on frame 0x40001 (Anon, not the first of its block): ${why}`, (at) => { frames.put(at); });
    frames.write(pfn + 1, word, 0);
    frames.put(pfn);
    frames.assertWhole();
  });

  it('what is reserved', () => {
    const frames = framesOf(8);
    const pfn = frames.allocPages(1);
    frames.markReserved(pfn);
    refuses(frames, pfn, 'cannot free frame 0x40000 (Reserved, order 1, 1 reference): it is reserved');
    refuses(frames, pfn, 'cannot reserve frame 0x40000 (Reserved, order 1, 1 reference): it is no block that was given out', (at) => { frames.markReserved(at); });
    refuses(frames, pfn + 1, 'cannot reserve frame 0x40001 (Reserved, not the first of its block): it is no block that was given out', (at) => { frames.markReserved(at); });
    refuses(frames, pfn + 4, 'cannot reserve frame 0x40004 (Free, order 2): it is no block that was given out', (at) => { frames.markReserved(at); });
    // Whole without it.
    frames.assertWhole();
    const other = frames.allocPages(1);
    expect(() => { frames.assertWhole(); }).toThrow('2 frames of 8 did not come back: frame 0x40002 (Allocated, order 1, 1 reference)');
    frames.freePages(other);
    frames.assertWhole();
    expect(frames.free).toBe(6);
  });
});

describe('references', () => {
  it('keep a block until the last one is given back', () => {
    const frames = framesOf(4);
    const pfn = frames.allocPages(1);
    frames.get(pfn + 1, 3);
    frames.put(pfn, 2);
    frames.put(pfn + 1);
    expect([frames.read(pfn, FrameWord.Refcount), frames.free]).toEqual([1, 2]);
    frames.put(pfn + 1);
    expect(frames.free).toBe(4);
    frames.assertWhole();
  });

  it('are not taken on what is free, nor given back twice', () => {
    const frames = framesOf(4);
    const pfn = frames.allocPages(0);
    expect(messageOf(() => { frames.put(pfn, 2); })).toBe('EINVAL: cannot give 2 references back on frame 0x40000 (Allocated, order 0, 1 reference): it has 1');
    frames.put(pfn);
    expect(messageOf(() => { frames.put(pfn); })).toBe('EINVAL: cannot give 1 reference back on frame 0x40000 (Free, order 2): it has 0');
    expect(messageOf(() => { frames.get(pfn); })).toBe('EINVAL: cannot take 1 reference on frame 0x40000 (Free, order 2): it has none');
    for (const count of [0, -1, 1.5]) {
      expect(messageOf(() => { frames.get(pfn, count); })).toContain(`EINVAL: ${count} references`);
      expect(messageOf(() => { frames.put(pfn, count); })).toContain(`EINVAL: ${count} references`);
    }
    frames.assertWhole();
  });
});

describe('references on several blocks', () => {
  it('are given back together, and what has none is freed', () => {
    const frames = framesOf(64);
    const [one, two, three] = [frames.allocPages(0), frames.allocPages(2), frames.allocPages(1)];
    for (const pfn of [one, two, three]) frames.get(pfn);
    frames.get(two);
    frames.putAll([one, two + 3, three], 2);
    expect(frames.free).toBe(60);
    expect(frames.read(two, FrameWord.Refcount)).toBe(1);
    frames.putAll([]);
    frames.putAll([two]);
    frames.assertWhole();
  });

  it('are given back up to the block that has fewer', () => {
    const frames = framesOf(64);
    const pfns = [frames.allocPages(0), frames.allocPages(0), frames.allocPages(0)];
    frames.get(pfns[0]!);
    frames.get(pfns[2]!);
    expect(messageOf(() => { frames.putAll(pfns, 2); })).toMatch(/^EINVAL: cannot give 2 references back on .*: it has 1$/);
    expect(pfns.map((pfn) => frames.read(pfn, FrameWord.Refcount))).toEqual([0, 1, 2]);
    expect(frames.free).toBe(62);
  });
});

describe('flags', () => {
  it('are set and cleared one by one', () => {
    const frames = framesOf(4);
    const pfn = frames.allocPages(0);
    frames.changeFlags(pfn, FrameFlag.Dirty | FrameFlag.Referenced);
    frames.changeFlags(pfn, FrameFlag.Locked, FrameFlag.Dirty);
    expect(frames.read(pfn, FrameWord.Flags)).toBe(FrameFlag.Referenced | FrameFlag.Locked);
  });
});

describe('a scheduler', () => {
  it('is told of references, mapcounts, flags, and the contents of pages', () => {
    const frames = framesOf(64);
    const pfn = frames.allocPages(2);
    const told: string[] = [];
    const nameOf = (place: unknown): string => (place === frames.ram ? 'ram' : place === frames.memmap ? 'memmap' : 'zone');
    const tell = (place: unknown, index: number, access: number, count: number): void => {
      const at = place === frames.ram ? index / (PAGE / 4) : index - (pfn - FIRST) * MEMMAP_WORDS;
      told.push(`${nameOf(place)} ${at} ${Object.keys(AccessType)[access]}${count === 1 ? '' : ` (${count})`}`);
    };
    setScheduler({
      point: (what, place, index, access, _, count) => { tell(place, index, access, count); },
      touch: (place, index, access, count) => { tell(place, index, access, count); },
      blocked() { throw new Error('nobody waits'); },
    });
    try {
      frames.read(pfn, FrameWord.Refcount);
      // Those of a block are one place.
      frames.read(pfn + 3, FrameWord.Mapcount);
      frames.add(pfn + 2, FrameWord.Mapcount, 1);
      frames.add(pfn + 2, FrameWord.Mapcount, -1);
      frames.read(pfn + 1, FrameWord.Flags);
      frames.changeFlags(pfn + 1, FrameFlag.Dirty);
      frames.write(pfn, FrameWord.Flags, 0);
      frames.zero(pfn);
      frames.copy(pfn, pfn + 1);
      // Nobody but their owner changes these.
      frames.write(pfn, FrameWord.Owner, 7);
      frames.read(pfn, FrameWord.Owner);
    } finally {
      setScheduler(undefined);
    }
    const words = PAGE / 4;
    expect(told).toEqual([
      'memmap 0 Read', 'memmap 1 Read', 'memmap 1 Count', 'memmap 1 Count', `memmap ${MEMMAP_WORDS + FrameWord.Flags} Read`, `memmap ${MEMMAP_WORDS + FrameWord.Flags} Write`, `memmap ${FrameWord.Flags} Write`,
      `ram ${pfn - FIRST} Write (${words})`, `ram ${pfn - FIRST} Read (${words})`, `ram ${pfn + 1 - FIRST} Write (${words})`,
    ]);
  });
});

describe('assertWhole', () => {
  it('names what is missing', () => {
    const frames = framesOf(64);
    for (let block = 0; block < 10; block++) frames.allocPages(1);
    const { code, message } = thrown(() => { frames.assertWhole(); });
    expect(code).toBe('EBADMSG');
    expect(message).toContain('20 frames of 64 did not come back: frame 0x40000 (Allocated, order 1, 1 reference); frame 0x40002');
    expect(message).toMatch(/0x4000e \([^)]*\) and 2 more$/);
  });

  it.each<[string, (frames: Frames) => void, string]>([
    ['a block that is in no list', (frames) => { frames.write(frames.allocPages(2), FrameWord.Type, FrameType.Free); }, '1 blocks of order 2 are free, 0 are in the list, 0 were counted'],
    ['free buddies', (frames) => { [0, 2].forEach((at) => { frames.write(FIRST + at, FrameWord.Order, 1); }); }, 'were not joined'],
    ['a block without a size', (frames) => { frames.write(FIRST, FrameWord.Order, -1); }, 'a block should begin at frame 0x40000'],
    ['a list that leads elsewhere', (frames) => { frames.write(FIRST, FrameWord.Next, 3); }, 'frame 0x40002 (Free, not the first of its block) is in the list of free blocks of order 2'],
  ])('finds %s', (_, damage, message) => {
    const frames = framesOf(4);
    damage(frames);
    const error = thrown(() => { frames.assertWhole(); });
    expect(error.code).toBe('EBADMSG');
    expect(error.message).toContain(message);
  });
});

/** What a test does next: takes a block of that order, or gives back the one at that place among those that it has. */
type Step = { readonly take: number } | { readonly give: number; readonly byPut: boolean };

const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ take: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: MAX_ORDER })) }) },
    { weight: 2, arbitrary: fc.record({ give: fc.nat(), byPut: fc.boolean() }) },
  ) satisfies fc.Arbitrary<Step>,
  { maxLength: 120 },
);

/** The free blocks of memory in which these frames are taken: the first frame and the order of each, found by trying every block from the largest on. */
function freeBlocks(taken: readonly boolean[]): string[] {
  const covered = [...taken];
  const found: string[] = [];
  for (let order = MAX_ORDER; order >= 0; order--) {
    const size = 2 ** order;
    for (let block = 0; block + size <= covered.length; block += size) {
      if (covered.slice(block, block + size).includes(true)) continue;
      found.push(`${block}/${order}`);
      covered.fill(true, block, block + size);
    }
  }
  return found.sort();
}

function blocksOf(frames: Frames): string[] {
  const found: string[] = [];
  for (let frame = 0; frame < frames.count; frame++) {
    const order = frames.read(frame + frames.firstPfn, FrameWord.Order);
    if (frames.read(frame + frames.firstPfn, FrameWord.Type) === FrameType.Free && order >= 0) found.push(`${frame}/${order}`);
  }
  return found.sort();
}

describe('the allocator against a model', () => {
  it('never gives out what is taken, aligns every block, joins all that can be joined, and ends as it began', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2500 }), steps, (count, todo) => {
        const frames = framesOf(count);
        const taken = Array<boolean>(count).fill(false);
        const mine: { readonly pfn: number; readonly order: number }[] = [];
        const atFirst = blocksOf(frames);
        expect(atFirst).toEqual(freeBlocks(taken));
        const mark = ({ pfn, order }: { readonly pfn: number; readonly order: number }, as: boolean): void => {
          for (let frame = pfn - FIRST; frame < pfn - FIRST + 2 ** order; frame++) {
            expect(taken[frame]).toBe(!as);
            taken[frame] = as;
          }
        };
        for (const step of todo) {
          if ('take' in step) {
            const order = step.take;
            const possible = freeBlocks(taken).some((block) => Number(block.split('/')[1]) >= order);
            if (!possible) {
              expect(thrown(() => frames.allocPages(order)).code).toBe('ENOMEM');
              continue;
            }
            const block = { pfn: frames.allocPages(order), order };
            expect(block.pfn % 2 ** order).toBe(0);
            mark(block, true);
            mine.push(block);
          } else if (mine.length > 0) {
            const [block] = mine.splice(step.give % mine.length, 1) as [(typeof mine)[number]];
            if (step.byPut) frames.put(block.pfn);
            else frames.freePages(block.pfn);
            mark(block, false);
          }
          expect(frames.free).toBe(taken.filter((is) => !is).length);
        }
        expect(blocksOf(frames)).toEqual(freeBlocks(taken));
        for (const { pfn } of mine) frames.freePages(pfn);
        frames.assertWhole();
        expect(blocksOf(frames)).toEqual(atFirst);
      }),
      { numRuns: 150 },
    );
  });
});
