import { EntryKind, geometryOf, LEVELS, levelNumber, MmuGather, type HandleFamily, type Level, type Prot } from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { collapseRange, mapRange, protectRange, ptdump, splitLeaf, Translator, unmapRange, type AddressSpace } from '../src/index.js';
import { cellArch } from './map-arch.js';
import { bytesOf, make, memory, PAGE, pagesOf, thrownBy, writeBit, type Made, type Mapped } from './map-space.js';
import { ACCESSED, classifyEntry, DIRTY, FIVE, GROUP, GROUP_ENTRIES, PROT, SOFT_DIRTY, THREE, TWO, VALID, W } from './map-toy.js';

/** Only where pages are. */
const addresses = (pages: ReadonlyMap<number, Mapped>) => [...pages].map(([va, { pa }]) => [va, pa]);

const CONFIGURATIONS: readonly (readonly [string, () => Made<HandleFamily>])[] = [
  ['five levels', () => memory(FIVE)],
  ['three levels', () => memory(THREE)],
  ['two levels', () => memory(TWO)],
  ['five levels with the root at the third', () => memory(FIVE, 'pud')],
  ['three levels, nobody watching', () => memory(THREE, 'pgd', false)],
  ['three levels without table memory', () => make(cellArch(THREE))],
  ['five levels without table memory', () => make(cellArch(FIVE))],
];

describe.each(CONFIGURATIONS)('%s', (_name, fresh) => {
  it('walks to what was mapped, with the largest pages there can be', () => {
    fc.assert(
      fc.property(ranges, fc.constantFrom(PROT.readOnly, PROT.readWrite, PROT.exec), fc.constantFrom(PAGE, 4 * PAGE, Infinity), fc.boolean(), (where, prot, largestPage, groups) => {
        const { space, tlb } = fresh();
        const { va, pa, bytes } = place(space, where);
        mapRange(space, BigInt(va), pa, bytes, prot, { largestPage, groups });
        const pages = pagesOf(space);
        expect(addresses(pages)).toEqual(Array.from({ length: bytes / PAGE }, (_, at) => [va + at * PAGE, pa + at * PAGE]));
        for (const [at, { level, bits }] of pages) {
          expect(bits & ~GROUP).toBe(prot);
          expect([at, level, (bits & GROUP) !== 0n]).toEqual([at, ...expectedPage(space, at, at - va + pa, va, va + bytes, largestPage, groups)]);
        }
        const translator = new Translator(space);
        translator.lookup(va + bytes - PAGE);
        expect([translator.status, translator.pagePa]).toEqual(['mapped', pa + bytes - PAGE]);
        expect(translator.lookup(va)).toBe('leaf');
        expect(tlb.ranges).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it('does what a map of pages does, flushes all that is stale, and never breaks the order of changes', () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 24 }), (commands) => {
        const made = fresh();
        const model = new Map<number, { pa: number; prot: bigint; dirty: boolean }>();
        for (const one of commands) {
          step(made, model, one);
          compare(made, model);
        }
        made.ledger.close();
        // All of it again, tables and all.
        const { space, allocated } = made;
        const whole = space.root.windows.flatMap(({ start, end }) => [...unmapRange(space, BigInt(start), end - start, { tables: true }).flush()]);
        expect(whole.length + freed(made)).toBe(allocated.length);
        for (const table of whole) {
          expect(table.live).toBe(false);
          space.arch.freeTable(table);
        }
        expect(pagesOf(space).size).toBe(0);
        expect(space.arch.tables?.tables ?? 1).toBe(1);
      }),
      { numRuns: 120 },
    );
  });

  it('lists what it mapped', () => {
    const { space } = fresh();
    mapRange(space, 0n, 0x40_0000, 3 * PAGE, PROT.readWrite);
    const lines: string[] = [];
    ptdump(space, (line) => lines.push(line));
    expect(lines[0]).toMatch(/^0x0{16}-0x0{12}3000 .* pte 1d:0 /);
  });
});

/* Ranges and commands at random. */

interface Where {
  readonly upper: boolean;
  readonly order: number;
  readonly block: number;
  readonly pages: number;
  readonly frame: number;
  readonly skew: number;
}

const ranges = fc.record({
  upper: fc.boolean(), order: fc.constantFrom(0, 0, 2, 3, 4, 5, 7), block: fc.nat(63), pages: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(4, 8, 16, 32, 64, 128, 256)),
  frame: fc.nat(15), skew: fc.constantFrom(0, 0, 0, 1, 4),
});

/** A range within one of the windows of a space. */
function place(space: AddressSpace, { upper, order, block, pages, frame, skew }: Where): { va: number; pa: number; bytes: number } {
  const window = space.root.windows[upper ? 1 : 0]!;
  const size = window.end - window.start;
  const start = (block * 2 ** order * PAGE) % size;
  const bytes = Math.min(pages * PAGE, size - start);
  // Frames that are aligned as the addresses are, or not.
  return { va: window.start + start, pa: 0x4000_0000 + frame * size + start + skew * PAGE, bytes };
}

/** The page that must map an address where nothing was mapped before: level, and whether it is one of a group. */
function expectedPage(space: AddressSpace, va: number, pa: number, start: number, end: number, largest: number, groups: boolean): readonly [Level, boolean] {
  const pages = space.arch.hugePages.filter(({ bytes, count }) => bytes <= largest && (groups || count === 1));
  const fit = pages.findLast(({ bytes, level }) => {
    const from = va - (va % bytes);
    return from >= start && from + bytes <= end && (pa - (va % bytes)) % bytes === 0 && levelNumber(level) <= levelNumber(space.root.top);
  });
  return [fit?.level ?? 'pte', (fit?.count ?? 1) > 1];
}

const command = fc.record({
  what: fc.constantFrom('map', 'map', 'map', 'unmap', 'unmap tables', 'protect', 'protect', 'split', 'split', 'collapse', 'collapse', 'touch'),
  where: ranges,
  prot: fc.constantFrom(PROT.readOnly, PROT.readWrite, PROT.readWrite, PROT.exec, PROT.none),
  largest: fc.constantFrom(PAGE, 4 * PAGE, Infinity),
  level: fc.nat(3),
});

type Model = Map<number, { pa: number; prot: bigint; dirty: boolean }>;

const freedTables = new WeakMap<object, number>();
const freed = (made: Made<HandleFamily>): number => freedTables.get(made) ?? 0;
const free = (made: Made<HandleFamily>, count: number): unknown => freedTables.set(made, freed(made) + count);

/** Whether an address is inside of a page that begins before it. */
function cuts(space: AddressSpace, before: ReadonlyMap<number, Mapped>, edge: number): boolean {
  const page = before.get(edge);
  if (page === undefined) return false;
  const bytes = (page.bits & GROUP) !== 0n ? GROUP_ENTRIES * PAGE : bytesOf(space, page.level);
  return edge % bytes !== 0;
}

function step(made: Made<HandleFamily>, model: Model, { what, where, prot, largest, level: chosen }: typeof command extends fc.Arbitrary<infer T> ? T : never): void {
  const { space, tlb } = made;
  const { va, pa, bytes } = place(space, where);
  const address = BigInt(va);
  const before = pagesOf(space);
  const inRange = [...before].filter(([at]) => at >= va && at < va + bytes);
  tlb.ranges = [];
  /** It must throw, and change nothing. */
  const refused = (work: () => unknown) => {
    const error = thrownBy(work);
    expect(error.code).toBe('EINVAL');
    expect(error.address).toBeTypeOf('bigint');
    expect(pagesOf(space)).toEqual(before);
    expect(tlb.ranges).toEqual([]);
  };
  const edges = cuts(space, before, va) || (va + bytes < 2 ** 64 && cuts(space, before, va + bytes));
  switch (what) {
    case 'map': {
      const work = () => {
        mapRange(space, address, pa, bytes, prot, { largestPage: largest });
      };
      if (inRange.length > 0) {
        refused(work);
        return;
      }
      work();
      for (let at = 0; at < bytes; at += PAGE) model.set(va + at, { pa: pa + at, prot, dirty: false });
      break;
    }
    case 'unmap':
    case 'unmap tables': {
      if (edges) {
        refused(() => unmapRange(space, address, bytes));
        return;
      }
      const batch = new MmuGather(space.mm);
      const tables = unmapRange(space, address, bytes, { tables: what !== 'unmap' }).gather(batch);
      batch.finish();
      free(made, tables.length);
      for (const table of tables) space.arch.freeTable(table);
      if (what === 'unmap') expect(tables).toEqual([]);
      for (let at = 0; at < bytes; at += PAGE) model.delete(va + at);
      break;
    }
    case 'protect': {
      if (edges) {
        refused(() => protectRange(space, address, bytes, prot));
        return;
      }
      expect(protectRange(space, address, bytes, prot).flush()).toBe(inRange.filter(([at, { level }]) => at % bytesOf(space, level) === 0).length);
      for (const [at] of inRange) model.set(at, { ...model.get(at)!, prot });
      break;
    }
    case 'split': {
      const page = before.get(va);
      const work = () => {
        splitLeaf(space, address, prot);
      };
      if (page === undefined || page.level === 'pte') {
        refused(work);
        return;
      }
      work();
      const size = bytesOf(space, page.level);
      const lower = LEVELS.slice(0, levelNumber(page.level)).findLast((level) => !geometryOf(space.arch.geometry, level).folded);
      for (let at = va - (va % size), last = at + size; at < last; at += PAGE) {
        expect(pagesOf(space).get(at)?.level).toBe(lower);
        const old = model.get(at)!;
        model.set(at, { ...old, prot: (prot & ~W) | (old.prot & W) });
      }
      break;
    }
    case 'collapse':
      collapseStep(made, model, va, prot, before, chosen, refused);
      break;
    default: {
      // The hardware writes to a page.
      const page = before.get(va);
      if (page === undefined || (page.bits & (VALID | W | GROUP)) !== (VALID | W)) return;
      const size = bytesOf(space, page.level);
      const first = va - (va % size);
      const translation = new Translator(space).explain(BigInt(first));
      const entry = translation.steps.at(-1)!;
      writeBit(space, first, page.level, entry.entry | DIRTY);
      for (let at = first; at < first + size; at += PAGE) model.set(at, { ...model.get(at)!, dirty: true });
    }
  }
  stale(made, before);
}

function collapseStep(
  made: Made<HandleFamily>, model: Model, va: number, prot: Prot, before: ReadonlyMap<number, Mapped>, chosen: number, refused: (work: () => unknown) => void,
): void {
  const { space } = made;
  const levels = space.arch.hugePages.filter(({ count }) => count === 1).map(({ level }) => level);
  const level = levels[chosen % Math.max(1, levels.length)];
  if (level === undefined) {
    refused(() => collapseRange(space, BigInt(va), 'pgd', prot));
    return;
  }
  const size = bytesOf(space, level);
  const start = va - (va % size);
  const lower = LEVELS.slice(0, levelNumber(level)).findLast((one) => !geometryOf(space.arch.geometry, one).folded);
  const pages = Array.from({ length: size / PAGE }, (_, at) => before.get(start + at * PAGE));
  const first = pages[0];
  const alike = first !== undefined && levelNumber(level) <= levelNumber(space.root.top) && first.pa % size === 0 && (first.bits & VALID) !== 0n && pages.every((page, at) =>
    page !== undefined && page.level === lower && page.pa === first.pa + at * PAGE && ((page.bits ^ first.bits) & ~(DIRTY | ACCESSED | SOFT_DIRTY)) === 0n);
  const work = () => collapseRange(space, BigInt(start), level, prot);
  if (!alike) {
    refused(work);
    return;
  }
  const table = work();
  expect([table.level, table.live]).toEqual([lower, false]);
  expect(classifyEntry(table.level, table.get(0))).toBe(EntryKind.Leaf);
  space.arch.freeTable(table);
  free(made, 1);
  const dirty = pages.some((page) => (page!.bits & DIRTY) !== 0n);
  for (let at = start; at < start + size; at += PAGE) {
    expect(pagesOf(space).get(at)?.level).toBe(level);
    const old = model.get(at)!;
    model.set(at, { ...old, prot: (prot & ~W) | (old.prot & W), dirty });
  }
}

/** Every translation that the hardware may have had, and that changed, was to be forgotten. */
function stale({ space, tlb }: Made<HandleFamily>, before: ReadonlyMap<number, Mapped>): void {
  const after = pagesOf(space);
  for (const [va, old] of before) {
    const now = after.get(va);
    if ((old.bits & VALID) === 0n || (now?.pa === old.pa && now.level === old.level && (now.bits & ~(DIRTY | ACCESSED)) === (old.bits & ~(DIRTY | ACCESSED)))) continue;
    expect([va.toString(16), tlb.covers(va, old.level)]).toEqual([va.toString(16), true]);
  }
}

function compare({ space }: Made<HandleFamily>, model: Model): void {
  const seen = [...pagesOf(space)].map(([va, { pa, bits }]) => [va, pa, bits & ~(GROUP | ACCESSED | DIRTY | SOFT_DIRTY), (bits & DIRTY) !== 0n]);
  const wanted = [...model].sort(([a], [b]) => a - b).map(([va, { pa, prot, dirty }]) => [va, pa, prot & ~(ACCESSED | DIRTY), dirty]);
  expect(seen).toEqual(wanted);
}
