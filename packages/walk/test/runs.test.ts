import { levelNumber, PgtableError, scanFilter, type ScanFilter } from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeMissing, mergedRuns, RunKind, walkRuns, type MergedRun, type RunOptions } from '../src/index.js';
import { ABSENT, highWord, lowWord, machine, OUTSIDE, randomMachine, randomTables, ROOT, see, seeAll, type Machine } from './machine.js';
import { leaf, tableEntry, TOY_ACCESSED, TOY_EMPTY, TOY_NX, TOY_SHOWN, TOY_U, TOY_W } from './toy.js';

interface Found {
  readonly kind: RunKind;
  readonly level: string;
  readonly va: number;
  readonly entryBytes: number;
  readonly count: number;
  readonly end: number;
  readonly pa: number;
  readonly lo: number;
  readonly hi: number;
  readonly inherited: number;
}

function runsOf(made: Machine, options: RunOptions = {}): Found[] {
  const found: Found[] = [];
  walkRuns(
    made.space,
    (run) => {
      const { kind, level, va, entryBytes, count, end, pa, lo, hi, inherited } = run;
      found.push({ kind, level, va, entryBytes, count, end, pa, lo, hi, inherited });
      return undefined;
    },
    options,
  );
  return found;
}

const FILTERS: readonly (readonly [string, ScanFilter])[] = [
  ['every bit, contiguous', scanFilter(true)],
  ['every bit', scanFilter(false)],
  ['what a listing shows', scanFilter(false, TOY_SHOWN, 0)],
  ['nothing, contiguous', scanFilter(true, 0, 0)],
  ['nothing', scanFilter(false, 0, 0)],
];

/** Compares runs with the reference, entry by entry. */
function check(made: Machine, runs: readonly Found[], filter: ScanFilter, ranges: readonly { start: number; end: number }[]): void {
  let at = 0;
  for (const { start, end } of ranges) {
    let va = start;
    while (va < end) {
      const run = runs[at++]!;
      const head = see(made, va)!;
      expect(run.va).toBe(head.va);
      let position = run.va;
      for (let entry = 0; entry < run.count; entry++) {
        const seen = see(made, position)!;
        expect(seen).toMatchObject({ kind: run.kind, level: run.level, bytes: run.entryBytes, inherited: run.inherited });
        const number = levelNumber(seen.level);
        const address = seen.kind === RunKind.Leaf ? 0xfffff000 : 0;
        const difference = ((lowWord(seen.entry) ^ run.lo) & filter.maskLo[number]! & ~address) | ((highWord(seen.entry) ^ run.hi) & filter.maskHi[number]! & (address === 0 ? -1 : ~0xffff));
        if (run.kind === RunKind.Leaf || run.kind === RunKind.NonPresent || run.kind === RunKind.Bad) expect(difference).toBe(0);
        if (run.kind === RunKind.Leaf && (filter.contiguous || entry === 0)) expect(seen.pa).toBe(run.pa + entry * run.entryBytes);
        if (run.kind === RunKind.Absent) expect(seen.pa).toBe(run.pa);
        position += run.entryBytes;
      }
      expect(run.end).toBe(position);
      va = position;
    }
  }
  expect(at).toBe(runs.length);
}

describe.each(FILTERS)('walkRuns comparing %s', (_name, filter) => {
  it('has every address in exactly one run, and says of it what a walk of one entry at a time says', async () => {
    await fc.assert(
      fc.asyncProperty(randomTables, async (tables) => {
        const made = randomMachine(tables);
        await made.loader.load();
        check(made, runsOf(made, { filter }), filter, made.root.windows);
      }),
      { numRuns: 60 },
    );
  });

  it('does the same for a part', async () => {
    await fc.assert(
      fc.asyncProperty(randomTables, fc.nat(2047), fc.nat(2047), async (tables, a, b) => {
        const made = randomMachine(tables);
        // Aligned to what a pgd entry translates, so that no entry is cut; cut ones are tested below.
        const start = Math.floor(Math.min(a, b) / 256) * 2 ** 20;
        const range = { start, end: Math.max(start + 2 ** 20, Math.ceil(Math.max(a, b) / 256) * 2 ** 20) };
        await made.loader.load([range]);
        check(made, runsOf(made, { filter, ranges: [range] }), filter, [range]);
      }),
      { numRuns: 30 },
    );
  });
});

describe('walkRuns', () => {
  it('looks into the entries that a range touches, and no others', async () => {
    const made = machine({ [ROOT]: { 0: tableEntry(0x2000), 1: leaf(2 ** 20) }, 0x2000: { 0: tableEntry(0x3000), 1: leaf(0x10000) }, 0x3000: { 3: leaf(0x3000), 4: leaf(0x4000), 5: leaf(0x9000) } }, ROOT);
    const range = { start: 0x3000, end: 0x11000 };
    await made.loader.load([range]);
    expect(runsOf(made, { ranges: [range] }).map(({ kind, level, va, end, pa }) => [kind, level, va, end, pa])).toEqual([
      [RunKind.Leaf, 'pte', 0x3000, 0x5000, 0x3000],
      [RunKind.Leaf, 'pte', 0x5000, 0x6000, 0x9000],
      [RunKind.None, 'pte', 0x6000, 0x10000, 0],
      [RunKind.Leaf, 'pmd', 0x10000, 0x20000, 0x10000],
    ]);
  });

  it('ignores what no window translates', async () => {
    const made = machine({ [ROOT]: {} }, ROOT);
    await made.loader.load();
    expect(runsOf(made, { ranges: [{ start: 2 ** 30, end: 2 ** 40 }] })).toEqual([]);
    expect(runsOf(made, { ranges: [] })).toEqual([]);
  });

  it('stops when the visitor says so', async () => {
    const made = machine({ [ROOT]: { 0: tableEntry(0x2000), 8: leaf(0) }, 0x2000: { 1: leaf(0x10000), 3: leaf(0x30000) } }, ROOT);
    await made.loader.load();
    const count = runsOf(made).length;
    expect(count).toBeGreaterThan(5);
    for (let stop = 1; stop <= count; stop++) {
      let seen = 0;
      walkRuns(made.space, () => ++seen < stop);
      expect(seen).toBe(stop);
    }
  });

  it('reports a root that is not in the dump as absent in every window', async () => {
    const made = machine({}, ROOT);
    await made.loader.load();
    expect(runsOf(made).map(({ kind, va, end, pa }) => [kind, va, end, pa])).toEqual([
      [RunKind.Absent, 0, 2 ** 23, ROOT],
      [RunKind.Absent, 2 ** 64 - 2 ** 23, 2 ** 64, ROOT],
    ]);
    expect(describeMissing(made.loader)).toBe('1 page table could not be read (1 outside of memory)');
  });

  it('walks tables that point to themselves to the end', async () => {
    const loop = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [index, tableEntry(ROOT)]));
    const made = machine({ [ROOT]: loop }, ROOT);
    await made.loader.load();
    const runs = runsOf(made);
    // At the lowest level a table entry is a leaf; ROOT is what all of them map.
    expect(runs.every(({ kind, pa }) => kind === RunKind.Leaf && pa === ROOT)).toBe(true);
    expect(runs.at(-1)!.end).toBe(2 ** 64);
    expect(runs).toHaveLength(4096);
    expect(runsOf(made, { filter: scanFilter(false) }).reduce((sum, { count }) => sum + count, 0)).toBe(4096);
  });

  it('gives up on tables that point to each other when they are too many', async () => {
    const bits = { pte: 9, pmd: 9, pgd: 9 };
    const all = (pa: number) => Object.fromEntries(Array.from({ length: 512 }, (_, index) => [index, tableEntry(pa)]));
    const made = machine({ [ROOT]: all(0x2000), 0x2000: all(0x3000), 0x3000: all(ROOT) }, ROOT, { bits });
    await made.loader.load();
    expect(made.tables.tables).toBe(3);
    let thrown: unknown;
    const started = performance.now();
    try {
      walkRuns(made.space, () => undefined, { maxTableVisits: 1000 });
    } catch (error) {
      thrown = error;
    }
    expect(performance.now() - started).toBeLessThan(5000);
    expect(thrown).toBeInstanceOf(PgtableError);
    expect(thrown).toMatchObject({ code: 'ELOOP' });
    expect((thrown as PgtableError).address).toBeTypeOf('bigint');
    // Without a limit of the caller's: as many as are loaded, and 16 Mi entries again.
    let entries = 0;
    expect(() => {
      walkRuns(made.space, (run) => ((entries += run.count), undefined));
    }).toThrow(expect.objectContaining({ code: 'ELOOP' }) as Error);
    expect(entries).toBeGreaterThan(2 ** 23);
    expect(entries).toBeLessThanOrEqual(2 ** 24 + 3 * 512);
    // Without addresses to tell apart, each table is looked into once.
    let runs = 0;
    walkRuns(made.space, () => ((runs++), undefined), { maxTableVisits: 8, filter: scanFilter(false) });
    expect(runs).toBeLessThan(1025);
  });

  it('knows a shared uniform table again, but not where an entry says that it is shorter, or inherits something else', async () => {
    const same = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [index, leaf(0x5000, TOY_W)]));
    const made = machine(
      {
        [ROOT]: { 0: tableEntry(0x2000), 1: tableEntry(0x2000), 2: tableEntry(0x2000, 0), 3: tableEntry(0x2000, TOY_W, 4, 4), 4: tableEntry(0x2000) },
        0x2000: Object.fromEntries(Array.from({ length: 16 }, (_, index) => [index, tableEntry(0x3000)])),
        0x3000: same,
      },
      ROOT,
    );
    await made.loader.load();
    const filter = scanFilter(false);
    const runs = runsOf(made, { filter });
    check(made, runs, filter, made.root.windows);
    expect(runs.some(({ count }) => count === 256)).toBe(true);
    expect(runs.filter(({ kind, level }) => kind === RunKind.None && level === 'pmd').map(({ count }) => count)).toEqual([4, 4]);
  });
});

describe('mergedRuns', () => {
  const merged = (made: Machine, mask: number, contiguous: boolean): MergedRun[] => {
    const runs: MergedRun[] = [];
    mergedRuns(made.space, (run) => ((runs.push({ ...run })), undefined), { maskLo: new Int32Array(5).fill(mask), maskHi: new Int32Array(5) }, { contiguous });
    return runs;
  };

  it.each([true, false])('gives the longest runs there are, contiguous %s', async (contiguous) => {
    const mask = TOY_W | TOY_U | TOY_NX;
    await fc.assert(
      fc.asyncProperty(randomTables, async (tables) => {
        const made = randomMachine(tables);
        await made.loader.load();
        // The reference merges neighbours one entry at a time.
        const expected: { start: number; end: number; kind: RunKind; level: string; pa: number }[] = [];
        let head: ReturnType<typeof see>;
        for (const seen of seeAll(made)) {
          const last = expected.at(-1);
          const alike =
            last !== undefined && head !== undefined && last.end === seen.va && head.kind === seen.kind && head.level === seen.level &&
            (seen.kind === RunKind.None ||
              (seen.kind !== RunKind.Absent &&
                head.inherited === seen.inherited &&
                (contiguous && seen.kind === RunKind.NonPresent ? head.entry === seen.entry : ((lowWord(head.entry) ^ lowWord(seen.entry)) & mask) === 0) &&
                (seen.kind !== RunKind.Leaf || !contiguous || last.pa + (last.end - last.start) === seen.pa)));
          if (alike) {
            last.end = seen.va + seen.bytes;
          } else {
            head = seen;
            expected.push({ start: seen.va, end: seen.va + seen.bytes, kind: seen.kind, level: seen.level, pa: seen.pa });
          }
        }
        expect(merged(made, mask, contiguous).map(({ start, end, kind, level, pa }) => ({ start, end, kind, level, pa }))).toEqual(expected);
      }),
      { numRuns: 80 },
    );
  });

  it('merges over the edges of tables and leaves out what the mask leaves out', async () => {
    const pages = (first: number, flags: number) => Object.fromEntries(Array.from({ length: 16 }, (_, index) => [index, leaf((first + index) * 4096, flags)]));
    const made = machine({ [ROOT]: { 0: tableEntry(0x2000) }, 0x2000: { 0: tableEntry(0x3000), 1: tableEntry(0x4000), 2: tableEntry(0x5000) }, 0x3000: pages(0, TOY_W), 0x4000: pages(16, TOY_W | TOY_ACCESSED), 0x5000: pages(32, 0) }, ROOT);
    await made.loader.load();
    expect(merged(made, TOY_W, true).slice(0, 3).map(({ start, end, kind }) => [start, end, kind])).toEqual([
      [0, 0x20000, RunKind.Leaf],
      [0x20000, 0x30000, RunKind.Leaf],
      [0x30000, 0x100000, RunKind.None],
    ]);
  });

  it('stops when the visitor says so', async () => {
    const made = machine({ [ROOT]: { 0: leaf(0), 1: TOY_EMPTY, 2: leaf(0) } }, ROOT);
    await made.loader.load();
    let seen = 0;
    mergedRuns(made.space, () => ++seen < 2, scanFilter(true));
    expect(seen).toBe(2);
  });

  it('tells missing tables apart', async () => {
    const made = machine({ [ROOT]: { 0: tableEntry(ABSENT), 1: tableEntry(OUTSIDE), 2: tableEntry(OUTSIDE) } }, ROOT);
    made.memory.leaveOut(ABSENT);
    await made.loader.load();
    expect(describeMissing(made.loader)).toBe('2 page tables could not be read (1 not in the dump, 1 outside of memory)');
    expect(merged(made, -1, true).slice(0, 3).map(({ kind, pa }) => [kind, pa])).toEqual([[RunKind.Absent, ABSENT], [RunKind.Absent, OUTSIDE], [RunKind.Absent, OUTSIDE]]);
  });
});
