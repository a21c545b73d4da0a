import { geometryOf, levelNumber, LEVELS, NO_TLB, TableMemory, VmFlags, type EntryVal, type HandleFamily, type Level, type Root, type WritableArch } from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ALL, HALVES, memoryOf } from '../../arch-testkit/test/configurations.js';
import {
  mapRange, newRoot, PageWalkLock, Translator, unmapRange, walkKernelPageTableRange, walkPageRangeNovma, type AddressSpace, type MmWalkOps, type PageWalk, type WalkMm,
} from '../src/index.js';
import { cellArch } from './map-arch.js';
import { FIVE, rootWith, THREE, TWO, writableToy, type LevelBits } from './map-toy.js';

/*
 * Address spaces at random, on every architecture, walked and compared with a plain Map of what was mapped.
 */

/** What a walk says of a stretch of addresses. */
type Seen =
  | { readonly what: 'hole'; readonly start: number; readonly end: number; readonly depth: number }
  | { readonly what: 'entry'; readonly start: number; readonly end: number; readonly pa: number | undefined };

/** One address space, and what is mapped in it: by first address. */
interface Made<H extends HandleFamily> {
  readonly space: AddressSpace<H>;
  readonly model: Map<number, { readonly pa: number; readonly bytes: number }>;
}

const PA = 0x4000_0000;

function make<H extends HandleFamily>(arch: WritableArch<H>, root: Root, user: boolean): Made<H> {
  let next = root.table;
  const space: AddressSpace<H> = { arch, root, mm: { user, tlb: NO_TLB }, alloc: () => (next += 0x1_0000) };
  newRoot(space);
  return { space, model: new Map() };
}

const toyOf = (bits: LevelBits, top: Level = 'pgd') => {
  const arch = writableToy(new TableMemory(), bits);
  return make(arch, rootWith(arch.geometry, 0x10_0000, top), true);
};
const cellsOf = (bits: LevelBits) => {
  const arch = cellArch(bits);
  return make(arch, rootWith(arch.geometry, 0x10_0000), true);
};

/** Handles of both kinds, by turns: what they are makes no difference to a walk. */
const SPACES: readonly (readonly [string, () => Made<HandleFamily>])[] = [
  ...ALL.flatMap((configuration) => HALVES.map((half) => [
    `${configuration.name} ${half}`, (): Made<HandleFamily> => make(configuration.make(half, memoryOf(configuration)), configuration.root(half, 0x4000_0000), half === 'user'),
  ] as const)),
  ['toy of five levels', () => toyOf(FIVE)],
  ['toy of three levels', () => toyOf(THREE)],
  ['toy of two levels', () => toyOf(TWO)],
  ['toy of five levels with the root at the third', () => toyOf(FIVE, 'pud')],
  ['toy of five levels without table memory', () => cellsOf(FIVE)],
  ['toy of two levels without table memory', () => cellsOf(TWO)],
];

/** A mapping, before it is known where: which window, how far up in it at which level, how many pages of which size. */
const mapping = fc.record({
  window: fc.nat(3), level: fc.nat(4), block: fc.nat(7), skew: fc.nat(3), count: fc.integer({ min: 1, max: 40 }), large: fc.boolean(), last: fc.boolean(), unmap: fc.integer({ min: 0, max: 3 }),
});
type Mapping = typeof mapping extends fc.Arbitrary<infer T> ? T : never;

/** Maps at random, and now and then unmaps what was mapped before. */
function build<H extends HandleFamily>({ space, model }: Made<H>, mappings: readonly Mapping[]): void {
  const { arch, root } = space;
  const page = arch.geometry.pageBytes;
  const prot = space.mm.user ? arch.vmProt(VmFlags.Read | VmFlags.Write | VmFlags.Shared) : arch.kernelProt(VmFlags.Read | VmFlags.Write);
  for (const { window: chosen, level, block, skew, count, large, last, unmap } of mappings) {
    const window = root.windows[chosen % root.windows.length]!;
    const size = window.end - window.start;
    const unit = 2 ** arch.geometry.levels[level]!.shift;
    const entry = 2 ** geometryOf(arch.geometry, large ? 'pmd' : 'pte').shift;
    const bytes = Math.min(size, large ? entry * Math.min(count, 2) : page * count);
    // Up to the last address of the window, where the walk must end too.
    const offset = last ? size - bytes : Math.min(size - bytes, ((block * unit) % size) + skew * page);
    const va = window.start + offset;
    if ([...model].some(([start, { bytes: length }]) => va < start + length && start < va + bytes)) continue;
    const pa = PA + (va % PA);
    mapRange(space, BigInt(va), pa, bytes, prot, { largestPage: large ? Infinity : page, groups: false });
    model.set(va, { pa, bytes });
    if (unmap !== 0) continue;
    const [first, { bytes: length }] = [...model][0]!;
    unmapRange(space, BigInt(first), length, { tables: block % 2 === 0 }).ignore('no hardware runs on it');
    model.delete(first);
  }
}

/** What an entry maps, as the predicates of its value say: a walk asks scans. */
function mapsOf<L extends Level>(arch: WritableArch, level: L, value: EntryVal<L>): number | undefined {
  const values = arch.values[level];
  return values.present(value) && (level === 'pte' || values.leaf(value)) ? values.pfn(value) * arch.geometry.pageBytes : undefined;
}

/** All that a walk says, each address once, in the order of the calls; folded levels are checked on the way. */
function walk<H extends HandleFamily>(mm: WalkMm<H> & AddressSpace<H>, start: number, end: number, batched: boolean): Seen[] {
  const seen: Seen[] = [];
  const { arch, root } = mm;
  const page = arch.geometry.pageBytes;
  const calls = new Map<Level, string[]>(LEVELS.map((level) => [level, []]));
  const upper = <L extends Level>(level: L) => (entry: H[L], address: number, next: number, walk: PageWalk<H, undefined>): void => {
    calls.get(level)!.push(`${address}-${next}`);
    // An entry of a level that exists; the folded names of it, below and above, are called with the same.
    if (geometryOf(arch.geometry, level).folded || levelNumber(level) > levelNumber(root.top)) return;
    const first = mapsOf(arch, level, walk.read(level, entry));
    const bytes = 2 ** geometryOf(arch.geometry, level).shift;
    if (first !== undefined) seen.push({ what: 'entry', start: address, end: next, pa: first + (address % bytes) });
  };
  const pte = (ptep: H['pte'], address: number, walk: PageWalk<H, undefined>): void => {
    seen.push({ what: 'entry', start: address, end: address + page, pa: mapsOf(arch, 'pte', walk.read('pte', ptep)) });
  };
  const single: MmWalkOps<H> = {
    walkLock: PageWalkLock.Read,
    pgdEntry: upper('pgd'), p4dEntry: upper('p4d'), pudEntry: upper('pud'), pmdEntry: upper('pmd'),
    pteHole: (address, next, depth) => { seen.push({ what: 'hole', start: address, end: next, depth }); },
    pteEntry: (ptep, address, _next, one) => { pte(ptep, address, one); },
  };
  const pteRange = (ptep: H['pte'], address: number, count: number, one: PageWalk<H, undefined>) => {
    for (let at = 0; at < count; at++) pte(arch.ops.pte.advance(ptep, at), address + at * page, one);
  };
  const ops = batched ? { ...single, pteRange } : single;
  const result = mm.kind === 'init' ? walkKernelPageTableRange(mm, start, end, ops) : walkPageRangeNovma(mm, start, end, ops);
  expect(result).toEqual({ kind: 'completed' });
  for (const { level, folded } of arch.geometry.levels) {
    // A root that is not a pgd is one under that name too, which only s390 has.
    const above = levelNumber(level) > levelNumber(root.top);
    const stands = above ? root.top : LEVELS.slice(levelNumber(level)).find((one) => !geometryOf(arch.geometry, one).folded)!;
    if (folded || (above && arch.name === 's390')) expect([level, calls.get(level)]).toEqual([level, calls.get(stands)]);
  }
  return seen;
}

describe.each(SPACES)('%s', (_name, fresh) => {
  it('is walked as a Map says, and each address is in one entry or one hole', () => {
    fc.assert(
      fc.property(fc.array(mapping, { minLength: 1, maxLength: 6 }), fc.boolean(), fc.boolean(), (mappings, batched, init) => {
        const made = fresh();
        build(made, mappings);
        const { space, model } = made;
        const mm = { ...space, kind: init ? 'init' as const : 'special' as const };
        const seen = walk(mm, 0, 2 ** 64, batched);
        const mapped = (address: number) => {
          for (const [start, { pa, bytes }] of model) if (address >= start && address < start + bytes) return pa + address - start;
          return undefined;
        };
        const wrong: unknown[] = [];
        let at = 0;
        let bytes = 0;
        for (const one of seen) {
          if (one.start !== at || one.end <= at) wrong.push(['order', one]);
          at = one.end;
          if (one.what === 'entry') {
            if (one.pa !== mapped(one.start)) wrong.push(['frame', one, mapped(one.start)]);
            if (one.pa !== undefined) bytes += one.end - one.start;
            continue;
          }
          if ([...model].some(([start, { bytes: length }]) => start < one.end && one.start < start + length)) wrong.push(['mapped', one]);
          const inside = space.root.windows.some(({ start, end }) => one.start >= start && one.start < end);
          const last = inside ? new Translator(space).explain(BigInt(one.start)).steps.at(-1) : undefined;
          if (one.depth !== (last === undefined ? -1 : 4 - levelNumber(last.level))) wrong.push(['depth', one, last?.level]);
        }
        expect(wrong).toEqual([]);
        expect(at).toBe(2 ** 64);
        // Every page of the model was seen, once.
        expect(bytes).toBe([...model.values()].reduce((sum, one) => sum + one.bytes, 0));
      }),
      { numRuns: 20 },
    );
  });

  it('is walked in parts as it is walked whole', () => {
    fc.assert(
      fc.property(fc.array(mapping, { minLength: 1, maxLength: 4 }), fc.nat(100), fc.nat(100), (mappings, from, to) => {
        const made = fresh();
        build(made, mappings);
        const { space, model } = made;
        const page = space.arch.geometry.pageBytes;
        const mm = { ...space, kind: 'init' as const };
        const near = [...model][0]?.[0] ?? space.root.windows[0]!.start;
        const start = Math.max(0, near - from * page);
        const end = Math.min(2 ** 64, near + (to + 1) * page);
        const part = walk(mm, start, end, true);
        const whole = walk(mm, 0, 2 ** 64, true).flatMap((one) => (one.end <= start || one.start >= end ? [] : [{ ...one, start: Math.max(start, one.start), end: Math.min(end, one.end) }]));
        // A page that the range begins in is called with the part that is walked.
        const first = (one: Seen): Seen => (one.what === 'hole' || one.start > start || one.pa === undefined ? one : { ...one, pa: 0 });
        expect(part.map(first)).toEqual(whole.map(first));
      }),
      { numRuns: 8 },
    );
  });
});
