import { geometryOf, isPgtableError, LEVELS, TableMemory, type Level, type PgtableError, type TableHandles } from '@pgtable/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ALL, HALVES, type Configuration, type Half } from '../../arch-testkit/test/configurations.js';
import { Frames, FrameTables, FrameType, FrameWord, setCurrentThread, TableWord, Threads } from '../src/index.js';
import { allocTable, BASE, framesFor, spaceInFrames, TestSpace } from './frames-spaces.js';

const PAGE = 4096;
const FIRST = BASE / PAGE;

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

/** The page size and the bytes of the root table of a configuration, without making one. */
function sizesOf<H extends TableHandles>(configuration: Configuration, half: Half): { readonly page: number; readonly root: number } {
  const { geometry } = configuration.make<H>(half, new TableMemory({ entryBytes: configuration.entryBytes }));
  const { top } = configuration.root(half, BASE);
  return { page: geometry.pageBytes, root: geometryOf(geometry, top).entries * configuration.entryBytes };
}

const CASES = ALL.flatMap((configuration) => HALVES.map((half) => ({ name: `${configuration.name}, ${half}`, configuration, half })));

describe.each(CASES)('$name', ({ configuration, half }) => {
  it.each([BASE, 0])('has the same address space in frames from %d on as in memory of its own, and leaves none behind', <H extends TableHandles>(base: number) => {
    const sizes = sizesOf<H>(configuration, half);
    const frames = framesFor(sizes.page, 300, base);
    const tables = new FrameTables(frames, configuration.entryBytes);
    // Not where memory begins.
    const odd = frames.allocPages(0);
    const root = allocTable(frames, sizes.root);
    const used: number[] = [];
    const here = new TestSpace<H>(configuration, half, tables, root, (bytes) => {
      const address = allocTable(frames, bytes);
      used.push(address);
      return address;
    });
    here.makeRoot();
    const pieces = here.pieces();
    here.map(pieces);
    expect(here.wrong(pieces)).toEqual([]);
    expect(tables.tables).toBe(used.length + 1);

    // The same at the same addresses.
    const addresses = [...used];
    const twin = new TestSpace<H>(configuration, half, new TableMemory({ entryBytes: configuration.entryBytes }), root, () => addresses.shift()!);
    twin.makeRoot();
    twin.map(pieces);
    expect(here.runs()).toEqual(twin.runs());
    expect(addresses).toEqual([]);

    // The same where the frames are attached, without a word being said of tables.
    const attached = new FrameTables(Frames.attach(structuredClone(frames.share())), configuration.entryBytes);
    const there = spaceInFrames<H>(configuration, half, attached, root);
    expect(there.runs()).toEqual(twin.runs());
    expect(there.wrong(pieces)).toEqual([]);
    for (const level of LEVELS) expect([...attached.addresses(level)]).toEqual([...tables.addresses(level)]);

    // And the other one frees them.
    const freed = there.unmap(pieces);
    expect(freed.sort((a, b) => a - b)).toEqual(used.sort((a, b) => a - b));
    expect(here.runs().some(([, , , level]) => level === 'pte')).toBe(false);
    for (const address of freed) frames.freePages(address / sizes.page);
    const { top } = here.space.root;
    expect([...tables.addresses(top)]).toEqual([root]);
    attached.release(top, root);
    for (const pfn of [root / sizes.page, odd]) frames.freePages(pfn);
    expect(tables.tables).toBe(0);
    frames.assertWhole();
  });

  it('has each entry at its address', <H extends TableHandles>() => {
    const sizes = sizesOf<H>(configuration, half);
    const frames = framesFor(sizes.page, 300);
    const tables = new FrameTables(frames, configuration.entryBytes);
    const made = spaceInFrames<H>(configuration, half, tables, allocTable(frames, sizes.root));
    made.makeRoot();
    made.map(made.pieces());
    const { arch } = made.space;
    for (const level of LEVELS) {
      for (const address of tables.addresses(level)) {
        const { entries } = geometryOf(arch.geometry, level);
        const first = tables.find(level, address);
        // So that an entry's number says where in its table it is.
        expect(first % entries).toBe(0);
        expect([tables.addressOf(first), tables.addressOf(first + entries - 1)]).toEqual([address, address + (entries - 1) * configuration.entryBytes]);
      }
    }
  });

  it('ends with ENOMEM, not in memory that grows', <H extends TableHandles>() => {
    const sizes = sizesOf<H>(configuration, half);
    const frames = framesFor(sizes.page, Math.max(1, sizes.root / sizes.page) + 1);
    const tables = new FrameTables(frames, configuration.entryBytes);
    const made = spaceInFrames<H>(configuration, half, tables, allocTable(frames, sizes.root));
    made.makeRoot();
    expect(messageOf(() => { made.map(made.pieces()); })).toContain('ENOMEM: no block of order');
  });
});

describe('tables in frames', () => {
  const make = (count = 16, pageBytes = PAGE): { readonly frames: Frames; readonly tables: FrameTables } => {
    const frames = framesFor(pageBytes, count);
    return { frames, tables: new FrameTables(frames) };
  };

  it('are the memory itself', () => {
    const { frames, tables } = make();
    const pfn = frames.allocPages(2);
    const first = tables.allocate('pmd', pfn * PAGE, 2048);
    expect(first).toBe((pfn - FIRST) * 512);
    tables.elements[first + 3] = 0x1234_5678_9abcn;
    expect(new BigUint64Array(frames.share().ram)[(pfn - FIRST) * 512 + 3]).toBe(0x1234_5678_9abcn);
    expect([tables.words, tables.bytes.length, tables.entries, tables.shared]).toEqual([frames.ram, 16 * PAGE, 16 * 512, true]);
  });

  it('mark their frames, and unmark them', () => {
    const { frames, tables } = make();
    frames.allocPages(0);
    const pfn = frames.allocPages(2);
    const read = (word: number): number[] => [0, 1, 2, 3].map((tail) => frames.read(pfn + tail, word));
    tables.allocate('pud', pfn * PAGE, 2048);
    expect([read(FrameWord.Type), read(FrameWord.Table)]).toEqual([Array(4).fill(FrameType.Table), [3, 0, 0, 0]]);
    expect(thrown(() => { frames.freePages(pfn); }).message).toContain('it is a page table');
    tables.release('pud', pfn * PAGE);
    expect([read(FrameWord.Type), read(FrameWord.Table)]).toEqual([Array(4).fill(FrameType.Allocated), [0, 0, 0, 0]]);
    frames.freePages(pfn);
    expect(frames.free).toBe(15);
  });

  it('are found by their level and first address alone', () => {
    const { frames, tables } = make();
    const pfn = frames.allocPages(1);
    const first = tables.allocate('pte', pfn * PAGE, 1024);
    expect(tables.find('pte', pfn * PAGE)).toBe(first);
    const others: [Level, number][] = [
      ['pmd', pfn * PAGE], ['pgd', pfn * PAGE], ['pte', pfn * PAGE + 8], ['pte', (pfn + 1) * PAGE], ['pte', (pfn + 2) * PAGE], ['pte', BASE - PAGE], ['pte', BASE + 16 * PAGE],
      ['pte', pfn * PAGE + 0.5], ['pte', NaN], ['pte', Infinity], ['pte', -PAGE], ['pte', pfn * PAGE + 2 ** 44],
    ];
    for (const [level, address] of others) expect(tables.find(level, address)).toBe(-1);
    tables.release('pte', pfn * PAGE);
    expect(tables.find('pte', pfn * PAGE)).toBe(-1);
  });

  it('are made once, of frames that were given out', () => {
    const { frames, tables } = make();
    const pfn = frames.allocPages(1);
    const at = (frame: number): (() => void) => () => tables.allocate('pte', frame * PAGE, 512);
    at(pfn)();
    expect(messageOf(at(pfn))).toBe('EINVAL: cannot make a pte table of 512 entries at physical address 0x40000000: it is a pte table already: frame 0x40000 (Table, level 0, order 1, 1 reference)');
    expect(messageOf(() => tables.allocate('pmd', pfn * PAGE, 512))).toContain('it is a pte table already');
    expect(messageOf(at(pfn + 1))).toContain('frame 0x40001 (Table, not the first of its block) is not the first of frames that were given out for it');
    expect(messageOf(at(pfn + 2))).toContain('frame 0x40002 (Free, order 1) is not the first of frames that were given out for it');
    expect(messageOf(at(frames.allocPages(0, FrameType.Anon)))).toContain('(Anon, order 0, 1 reference) is not the first of frames');
    expect(messageOf(at(FIRST + 16))).toContain('no frame begins there, memory is [0x40000000, 0x40010000) in frames of 4096 bytes');
    expect(messageOf(() => tables.allocate('pte', pfn * PAGE + 2048, 256))).toContain('no frame begins there');
    const small = frames.allocPages(0);
    const error = thrown(() => tables.allocate('pte', small * PAGE, 2048));
    expect([error.message, error.hint]).toEqual([`cannot make a pte table of 2048 entries at physical address 0x${(small * PAGE).toString(16)}: the block has room for 512 entries`, 'take a block of order 2']);
    // What was refused is not marked.
    tables.allocate('pud', small * PAGE, 512);
  });

  it('are counted as they come and go, which takes no look at the frames', () => {
    const { frames, tables } = make(64);
    const there = new FrameTables(Frames.attach(frames.share()));
    const inMap = (): number => Array.from({ length: 64 }, (_, frame) => frames.read(FIRST + frame, FrameWord.Table) & TableWord.Level).filter((level) => level !== 0).length;
    const made = LEVELS.map((level, order) => {
      const pfn = frames.allocPages(order % 2);
      (order < 3 ? tables : there).allocate(level, pfn * PAGE, 512);
      expect([tables.tables, there.tables, inMap()]).toEqual([order + 1, order + 1, order + 1]);
      return [level, pfn * PAGE] as const;
    });
    messageOf(() => tables.allocate('pte', made[0]![1], 512));
    messageOf(() => { tables.release('pmd', made[0]![1]); });
    expect([tables.tables, inMap()]).toEqual([5, 5]);
    made.forEach(([level, address], at) => {
      (at < 3 ? there : tables).release(level, address);
      expect([tables.tables, there.tables, inMap()]).toEqual([4 - at, 4 - at, 4 - at]);
    });
    tables.allocate('pte', made[0]![1], 512);
    // Whatever the frames say of themselves: nobody asks them.
    frames.memmap.fill(0);
    expect(tables.tables).toBe(1);
  });

  it('are released once, after the destructor', () => {
    const { frames, tables } = make();
    const pfn = frames.allocPages(0);
    tables.allocate('pte', pfn * PAGE, 512);
    expect(messageOf(() => { tables.release('pmd', pfn * PAGE); })).toBe('EINVAL: cannot release the pmd table at physical address 0x40000000: there is none');
    frames.add(pfn, FrameWord.Table, TableWord.Constructed);
    expect(messageOf(() => { tables.release('pte', pfn * PAGE); })).toBe('EINVAL: cannot release the pte table at physical address 0x40000000: its destructor has not run');
    expect(tables.find('pte', pfn * PAGE)).toBe(0);
    frames.add(pfn, FrameWord.Table, -TableWord.Constructed);
    tables.release('pte', pfn * PAGE);
    expect(messageOf(() => { tables.release('pte', pfn * PAGE); })).toContain('there is none');
  });

  it('do not grow, and are not shared by themselves', () => {
    const { frames, tables } = make();
    frames.allocPages(2);
    tables.reserve(12 * 512);
    expect(messageOf(() => { tables.reserve(12 * 512 + 1); })).toBe('ENOMEM: no room for 6145 entries: they take 13 frames, and 12 of 16 are free');
    expect(thrown(() => tables.share()).code).toBe('ENOTSUP');
  });

  it('have addresses for entries of memory alone', () => {
    const { tables } = make();
    expect([tables.addressOf(0), tables.addressOf(16 * 512 - 1)]).toEqual([BASE, BASE + 16 * PAGE - 8]);
    for (const entry of [-1, 16 * 512, NaN]) expect(messageOf(() => tables.addressOf(entry))).toBe(`EINVAL: there is no entry ${entry}: memory has room for 8192`);
  });

  it.each([4, 8, 16] as const)('have entries of %i bytes', (entryBytes) => {
    const frames = Frames.create({ bytes: 3 * 16, pageBytes: 16 });
    const tables = new FrameTables(frames, entryBytes);
    const pfn = frames.allocPages(1);
    expect(tables.allocate('pte', pfn * 16, 32 / entryBytes)).toBe((pfn * 16) / entryBytes);
    expect([tables.entries, tables.addressOf(48 / entryBytes - 1)]).toEqual([48 / entryBytes, 48 - entryBytes]);
    expect(messageOf(() => tables.addressOf(48 / entryBytes))).toContain('EINVAL');
  });
});
