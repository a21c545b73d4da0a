import {
  checkedContext, EntryKind, entryVal, FlushLedger, geometryOf, LEVELS, levelNumber, MmuGather, NO_TLB, PgtableError, scanFilter, TableMemory, type HandleFamily,
  type Level, type MmContext, type Prot, type WritableArch, type WritableOps,
} from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  changeProtection, collapseRange, mapRange, newRoot, protectRange, ptdump, RunKind, splitLeaf, Translator, unmapRange, vmapRange, vunmapRange, walkRuns, type AddressSpace,
} from '../src/index.js';
import { cellArch } from './map-arch.js';
import {
  ACCESSED, classifyEntry, DIRTY, EMPTY, FIVE, GROUP, GROUP_ENTRIES, NX, PROT, RecordingTlb, rootWith, SOFT_DIRTY, SPECIAL, THREE, TWO, U, VALID, W, writableToy, type LevelBits,
} from './map-toy.js';

const PAGE = 4096;
const ROOT = 0x10_0000;

interface Made<H extends HandleFamily> {
  readonly space: AddressSpace<H>;
  readonly tlb: RecordingTlb;
  readonly ledger: FlushLedger;
  /** Tables that alloc gave. */
  readonly allocated: number[];
}

function make<H extends HandleFamily>(arch: WritableArch<H>, top: Level = 'pgd', watched = true): Made<H> {
  const tlb = new RecordingTlb();
  const ledger = new FlushLedger();
  const root = rootWith(arch.geometry, ROOT, top);
  const plain: MmContext = { user: true, tlb, ledger };
  const allocated: number[] = [];
  // An architecture whose handles are nobody's business is any architecture.
  const mm = watched ? checkedContext(arch, plain) : plain;
  const space: AddressSpace<H> = {
    arch, root, mm,
    alloc: () => {
      allocated.push(ROOT + (allocated.length + 1) * PAGE);
      return allocated.at(-1)!;
    },
  };
  newRoot(space);
  return { space, tlb, ledger, allocated };
}

const memory = (bits: LevelBits, top: Level = 'pgd', watched = true) => make(writableToy(new TableMemory(), bits), top, watched);

/** What one page is mapped to, as the walk sees it. */
interface Mapped {
  readonly pa: number;
  readonly level: Level;
  readonly bits: bigint;
}

const FLAGS = VALID | W | U | NX | ACCESSED | DIRTY | SOFT_DIRTY | SPECIAL | GROUP | 128n;

/** Every page that is mapped or PROT_NONE, by its address. */
function pagesOf<H extends HandleFamily>(space: AddressSpace<H>): Map<number, Mapped> {
  const pages = new Map<number, Mapped>();
  walkRuns(
    space,
    (run) => {
      if (run.kind === RunKind.None) return undefined;
      const words = (BigInt(run.hi >>> 0) << 32n) | BigInt(run.lo >>> 0);
      const first = run.kind === RunKind.Leaf ? run.pa : Number(words & 0xffff_ffff_f000n);
      if (run.kind === RunKind.NonPresent) expect(run.count).toBe(1);
      for (let va = run.va; va < run.end; va += PAGE) pages.set(va, { pa: first + va - run.va, level: run.level, bits: words & FLAGS });
      return undefined;
    },
    { filter: scanFilter(true) },
  );
  return pages;
}

/** Only where pages are. */
const addresses = (pages: ReadonlyMap<number, Mapped>) => [...pages].map(([va, { pa }]) => [va, pa]);

const bytesOf = (space: AddressSpace, level: Level) => 2 ** geometryOf(space.arch.geometry, level).shift;

function thrownBy(work: () => unknown): PgtableError {
  try {
    work();
  } catch (error) {
    if (error instanceof PgtableError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

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

/** Writes an entry as hardware does: nobody is told. */
function writeBit(space: AddressSpace, va: number, level: Level, value: bigint): void {
  const { arch, root } = space;
  let table = arch.rootTable(root)!;
  const window = root.windows.find(({ start, end }) => va >= start && va < end)!;
  let index = window.index + Math.floor((va - window.start) / bytesOf(space, root.top));
  const opsOf = <L extends Level>(of: L): WritableOps<HandleFamily, L> => arch.ops[of];
  while (table.level !== level) {
    const ops = opsOf(table.level);
    table = ops.child(ops.advance(table.table, index))!;
    index = Math.floor(va / bytesOf(space, table.level)) % geometryOf(arch.geometry, table.level).entries;
  }
  const ops = opsOf(table.level);
  ops.establish({ user: true, tlb: NO_TLB }, BigInt(va), ops.advance(table.table, index), entryVal(table.level, value)).ignore('the hardware did it');
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
  const alike = first !== undefined && levelNumber(level) < levelNumber(space.root.top) && first.pa % size === 0 && (first.bits & VALID) !== 0n && pages.every((page, at) =>
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

describe('mapRange', () => {
  it('takes the largest page that fits, and goes on in smaller ones', () => {
    const { space, allocated } = memory(THREE);
    // A pmd maps 16 pages. From page 14 on: two pages, a pmd, a group and a page.
    mapRange(space, BigInt(14 * PAGE), 0x100_0000 + 14 * PAGE, 23 * PAGE, PROT.readWrite, { largestPage: Infinity });
    const sizes: string[] = [];
    walkRuns(space, ({ kind, level, count, lo }) => ((kind === RunKind.Leaf ? sizes.push(`${count} ${level}${(lo & Number(GROUP)) === 0 ? '' : ' group'}`) : 0), undefined));
    expect(sizes).toEqual(['2 pte', '1 pmd', '4 pte group', '1 pte']);
    expect(allocated).toHaveLength(3);
    // What has a table keeps it: an empty range of a pmd is mapped by pages when it was mapped by pages before.
    unmapRange(space, 0n, 16 * PAGE).flush();
    mapRange(space, 0n, 0x200_0000, 16 * PAGE, PROT.readWrite, { largestPage: Infinity, groups: false });
    expect([...pagesOf(space).values()].filter(({ level }) => level === 'pte')).toHaveLength(16 + 5);
    expect(allocated).toHaveLength(3);
  });

  it('has the names of mm/vmalloc.c and mm/mprotect.c', () => {
    const { space, tlb } = memory(THREE);
    const start = BigInt(space.root.windows[1]!.start);
    vmapRange(space, start, start + 0x2_0000n, 0x100_0000, PROT.readOnly, 16);
    expect([...pagesOf(space).values()].map(({ level }) => level)).toEqual(new Array(32).fill('pmd'));
    expect(changeProtection(space, start, start + 0x1_0000n, PROT.readWrite).flush()).toBe(1);
    vunmapRange(space, start + 0x1_0000n, start + 0x2_0000n);
    expect([...pagesOf(space).values()].map(({ bits }) => bits & W)).toEqual(new Array(16).fill(W));
    expect(tlb.ranges).toEqual([
      { start, end: start + 0x1_0000n, level: 'pmd', tables: false },
      { start: start + 0x1_0000n, end: start + 0x2_0000n, level: 'pmd', tables: false },
    ]);
  });

  it('tells the architecture which entries became valid', () => {
    const told: string[] = [];
    const arch = { ...writableToy(new TableMemory(), THREE), updateMmuCache: (_mm: MmContext, address: bigint, level: Level, count: number) => told.push(`${address.toString(16)} ${level} ${count}`) };
    const { space } = make(arch);
    mapRange(space, 0xc000n, 0x10_c000, 0x1_a000, PROT.readWrite, { largestPage: Infinity });
    expect(told).toEqual(['c000 pte 4', '10000 pmd 1', '20000 pte 4', '24000 pte 2']);
    told.length = 0;
    splitLeaf(space, 0x1_2000n, PROT.readOnly);
    freeAfter(space, collapseRange(space, 0x1_0000n, 'pmd', PROT.readOnly));
    protectRange(space, 0x2_4000n, 0x2000, PROT.readOnly).flush();
    expect(told).toEqual(['10000 pmd 1', '24000 pte 2']);
  });

  it('refuses what makes no sense, and says what would', () => {
    const { space } = memory(THREE);
    const refuse = (work: () => unknown) => {
      const { code, message, hint } = thrownBy(work);
      return `${code}: ${message}; ${hint ?? ''}`;
    };
    mapRange(space, 0x3000n, 0x1000, 0x1000, PROT.readOnly);
    expect(refuse(() => { mapRange(space, 0n, 0x1000, 0x8000, PROT.readOnly); })).toBe('EINVAL: 0x3000 is mapped already: its pte entry is 0x1039; unmap the range first, or change it with protectRange');
    expect(refuse(() => { mapRange(space, 1n, 0, PAGE, PROT.readOnly); })).toBe('EINVAL: virtual address 0x1 does not begin a page; round it to 4096 bytes');
    expect(refuse(() => { mapRange(space, -4096n, 0, PAGE, PROT.readOnly); })).toContain('does not begin a page');
    expect(refuse(() => { mapRange(space, 0n, 12, PAGE, PROT.readOnly); })).toBe('EINVAL: physical address 0xc does not begin a page; round it to 4096 bytes');
    expect(refuse(() => { mapRange(space, 0n, 0, 0, PROT.readOnly); })).toBe('EINVAL: a range of 0 bytes is no whole number of pages; give a multiple of 4096, above 0');
    expect(refuse(() => unmapRange(space, 0n, 100))).toContain('no whole number of pages');
    const half = space.root.windows[0]!.end;
    expect(refuse(() => unmapRange(space, BigInt(half - PAGE), 2 * PAGE))).toBe(
      'EINVAL: the root does not translate all of [0x3ff000, 0x401000); it translates [0x0, 0x400000), [0xffffffffffc00000, 0x10000000000000000)',
    );
    expect(refuse(() => protectRange(space, BigInt(half), PAGE, PROT.none))).toContain('the root does not translate');
    expect(refuse(() => { splitLeaf(space, 0x5000n, PROT.readOnly); })).toContain('is not mapped');
    expect(refuse(() => { splitLeaf(space, 0x3000n, PROT.readOnly); })).toContain('there are no smaller ones below the pte level');
    expect(refuse(() => collapseRange(space, 0x1000n, 'pmd', PROT.readOnly))).toContain('does not begin a page of the pmd level');
    expect(refuse(() => collapseRange(space, 0n, 'pgd', PROT.readOnly))).toContain('there are no pages of the pgd level');
    expect(refuse(() => collapseRange(space, 0x1_0000n, 'pmd', PROT.readOnly))).toContain('there is no table below the pmd entry');
    expect(refuse(() => newRoot(space))).toContain('there is already a pgd table');
  });

  it('says so where a table is not here, and flushes what it did before', () => {
    const tables = new TableMemory();
    const { space, tlb, ledger } = make(writableToy(tables, THREE));
    mapRange(space, 0n, 0x100_0000, 32 * PAGE, PROT.readWrite);
    const second = space.arch.ops.pgd.child(space.arch.pgdOffset(space.root, 0n)!)!;
    expect(second.level).toBe('pmd');
    tables.release('pte', ROOT + 3 * PAGE, 16);
    const error = thrownBy(() => unmapRange(space, 0n, 32 * PAGE));
    expect([error.code, error.address]).toEqual(['EFAULT', 0x1_0000n]);
    expect(tlb.covers(0xf000, 'pte')).toBe(true);
    ledger.close();
    expect(thrownBy(() => { mapRange(space, 0x1_0000n, 0, PAGE, PROT.readOnly); }).code).toBe('EFAULT');
    const empty = make(writableToy(new TableMemory(), TWO), 'pgd', false).space;
    expect(thrownBy(() => { mapRange({ ...empty, root: { ...empty.root, table: 0x999_9000 } }, 0n, 0, PAGE, PROT.readOnly); })).toMatchObject({ code: 'EFAULT', hint: 'make it with newRoot, or load it' });
  });
});

const freeAfter = <H extends HandleFamily>(space: AddressSpace<H>, table: Parameters<WritableArch<H>['freeTable']>[0]) => {
  space.arch.freeTable(table);
};

describe('groups and entries that are not present', () => {
  it('takes groups whole or not at all', () => {
    const { space } = memory(TWO);
    mapRange(space, 0n, 0x10_0000, 8 * PAGE, PROT.readOnly, { largestPage: 4 * PAGE });
    expect(thrownBy(() => unmapRange(space, 0x1000n, 7 * PAGE)).message).toBe('0x1000 is inside a page of 16384 bytes, so the range cannot begin or end there');
    expect(thrownBy(() => protectRange(space, 0n, 6 * PAGE, PROT.readWrite)).address).toBe(0x6000n);
    expect(thrownBy(() => { splitLeaf(space, 0n, PROT.readOnly); }).code).toBe('EINVAL');
    expect(protectRange(space, 0x4000n, 4 * PAGE, PROT.readWrite).flush()).toBe(4);
    expect([...pagesOf(space).values()].map(({ bits }) => bits)).toEqual([...new Array<bigint>(4).fill(PROT.readOnly | GROUP), ...new Array<bigint>(4).fill(PROT.readWrite | GROUP)]);
    unmapRange(space, 0n, 4 * PAGE).flush();
    expect(pagesOf(space).size).toBe(4);
  });

  it('leaves swap entries as they are, and unmaps them', () => {
    const { space, tlb } = memory(TWO);
    mapRange(space, 0n, 0x10_0000, 3 * PAGE, PROT.readOnly);
    const { values } = space.arch;
    writeBit(space, 0x1000, 'pte', values.pte.ofSwap(3, 77n));
    expect(thrownBy(() => { mapRange(space, 0x1000n, 0, PAGE, PROT.readOnly); }).message).toContain('is mapped already');
    expect(protectRange(space, 0n, 3 * PAGE, PROT.readWrite).flush()).toBe(2);
    const swap = new Translator(space).explain(0x1000n).steps.at(-1)!;
    expect(swap.nonPresent).toEqual({ kind: 'swap', type: 3, offset: 77n, flags: [] });
    tlb.ranges = [];
    const promise = unmapRange(space, 0x1000n, PAGE);
    // Nobody caches a swap entry.
    expect(promise.owed).toBe(false);
    promise.flush();
    expect(new Translator(space).explain(0x1000n).steps.at(-1)!.entry).toBe(EMPTY);
    expect(tlb.ranges).toEqual([]);
  });

  it('keeps the marks of software over a split and a collapse', () => {
    const { space } = memory(THREE);
    mapRange(space, 0n, 0x10_0000, 16 * PAGE, PROT.readWrite, { largestPage: Infinity });
    const marks = SPECIAL | SOFT_DIRTY | DIRTY;
    writeBit(space, 0, 'pmd', 0x10_0000n | PROT.readWrite | marks);
    splitLeaf(space, 0x7000n, PROT.exec);
    expect([...pagesOf(space).values()].map(({ level, bits }) => [level, bits])).toEqual(new Array(16).fill(['pte', PROT.exec | W | marks]));
    // Old pages stay old.
    writeBit(space, 0x3000, 'pte', 0x10_3000n | (PROT.exec | W | SPECIAL));
    freeAfter(space, collapseRange(space, 0n, 'pmd', PROT.readOnly));
    expect(new Translator(space).explain(0n).steps.at(-1)!.entry).toBe(0x10_0000n | PROT.readOnly | W | marks);
    expect(space.arch.tables?.tables).toBe(2);
  });
});
