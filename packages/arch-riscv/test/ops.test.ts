import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BreakBeforeMake, entryVal, FlushLedger, geometryOf, LEVELS, NO_TLB, TableMemory, VmFlags,
  type AliasHandles, type EntryPtr, type EntryVal, type FlushPromise, type FlushRange, type HwHandle, type Level, type MmContext, type Prot, type StrongHandles,
  type TableHandles, type Tlb, type UnlinkedTable, type WritableArch, type WritableOps,
} from '@pgtable/core';
import { riscvArch, riscvGeometry, type RiscvConfig, type RiscvMode } from '../src/index.js';
import { MODES, pte } from './support.js';

const { Read, Write, Exec, Shared } = VmFlags;
const N = 1n << 63n;

/** Opaque where most is done, the alias above. */
interface MixedHandles {
  pte: HwHandle<'pte'>;
  pmd: EntryPtr<'pmd'>;
  pud: HwHandle<'pud'>;
  p4d: EntryPtr<'p4d'>;
  pgd: EntryPtr<'pgd'>;
}

function memory(mode: RiscvMode, shared = false): TableMemory {
  return new TableMemory({ entryBytes: riscvGeometry(mode).entryBytes as 4 | 8, entries: 16384, shared });
}

/** Remembers what it was told to forget. */
class Recorder implements Tlb {
  readonly ranges: FlushRange[] = [];
  flush(range: FlushRange): void {
    this.ranges.push(range);
  }
}

/** One table of a level, with the accessors of that level; all levels are taken for a pte, which they differ from in name. */
class World {
  readonly arch: WritableArch<StrongHandles>;
  readonly ops: WritableOps<StrongHandles, 'pte'>;
  readonly values: WritableArch<StrongHandles>['values']['pte'];
  readonly table: UnlinkedTable<StrongHandles, 'pte'>;
  readonly mm: MmContext;

  constructor(config: RiscvConfig, level: Level, how: { shared?: boolean; mm?: MmContext } = {}) {
    this.arch = riscvArch<StrongHandles>(config, memory(config.mode, how.shared));
    this.ops = this.arch.ops[level] as WritableOps<StrongHandles, 'pte'>;
    this.values = this.arch.values[level] as WritableArch<StrongHandles>['values']['pte'];
    this.table = this.arch.newTable(level, 0x10_0000, true) as UnlinkedTable<StrongHandles, 'pte'>;
    this.mm = how.mm ?? { user: true, tlb: NO_TLB };
  }
  fill(entries: readonly bigint[]): void {
    entries.forEach((value, index) => { this.table.set(index, entryVal('pte', value)); });
  }
  snapshot(count = 64): bigint[] {
    return Array.from({ length: count }, (_, index) => this.table.get(index));
  }
}

const WORLDS = [{ mode: 'Sv39', level: 'pte' }, { mode: 'Sv48', level: 'pmd' }, { mode: 'Sv57', level: 'pud' }, { mode: 'Sv32', level: 'pte' }, { mode: 'Sv32', level: 'pgd' }] as const;

/** Anything that can stand in an entry: empty, swap, PROT_NONE, leaves with all marks, and above the pte tables. */
function anyEntry({ values, arch }: World, onlyPresent = false): fc.Arbitrary<bigint> {
  const pages = Number(values.advancePfn(values.ofPfn(0, 0n as Prot), 1) >> 10n);
  const leaf = fc.record({ frame: fc.nat({ max: 512 }), flags: fc.nat({ max: 15 }), dirty: fc.boolean(), old: fc.boolean(), invalid: fc.boolean() }).map(({ frame, flags, dirty, old, invalid }) => {
    let value = values.ofPfn(frame * pages, arch.vmProt(flags));
    if (dirty) value = values.mkdirty(value);
    if (old) value = values.mkold(value);
    return (invalid ? values.mkinvalid(value) : value);
  });
  if (onlyPresent) return leaf;
  const swap = fc.nat({ max: 1000 }).map((offset) => values.swpMkexclusive(values.ofSwap(2, BigInt(offset + 1))) as bigint);
  return fc.oneof(leaf, leaf, swap, fc.constantFrom(0n, values.ofTable(0x8123_4000, true) as bigint));
}

interface Step<T> {
  readonly name: string;
  readonly onlyPresent?: boolean;
  readonly run: (world: World, address: bigint, index: number, count: number) => FlushPromise<T>;
  /** Makes one result of those of the singles. */
  readonly join: (results: readonly T[], world: World) => T;
}

const STEPS: readonly Step<unknown>[] = [
  { name: 'clear', run: ({ ops, mm, table }, address, index, count) => ops.clear(mm, address, table.entry(index), count), join: () => undefined },
  { name: 'wrprotect', run: ({ ops, mm, table }, address, index, count) => ops.wrprotect(mm, address, table.entry(index), count), join: () => undefined },
  { name: 'testAndClearYoung', run: ({ ops, mm, table }, address, index, count) => ops.testAndClearYoung(mm, address, table.entry(index), count), join: (results) => results.includes(true) },
  {
    name: 'getAndClearFull',
    onlyPresent: true,
    run: ({ ops, mm, table }, address, index, count) => ops.getAndClearFull(mm, address, table.entry(index), count),
    join: (results, { values }) => {
      const old = results as readonly EntryVal<'pte'>[];
      const young = old.some((value) => values.young(value)) ? values.mkyoung(old[0]!) : old[0]!;
      return old.some((value) => values.dirty(value)) ? values.mkdirty(young) : young;
    },
  },
];

describe.each(WORLDS)('operations on many entries: $mode $level', ({ mode, level }) => {
  const config = { mode };
  const observer = { changing: () => undefined };
  const size = 1n << BigInt(geometryOf(riscvGeometry(mode), level).shift);

  it.each(STEPS)('$name is a loop of singles, in private, shared and watched memory', ({ run, join, onlyPresent }) => {
    const make = (): World[] => [
      new World(config, level), new World(config, level), new World(config, level, { shared: true }), new World(config, level, { mm: { user: true, tlb: NO_TLB, observer } }),
    ];
    const worlds = make();
    fc.assert(
      fc.property(fc.array(anyEntry(worlds[0]!, onlyPresent), { minLength: 24, maxLength: 24 }), fc.nat({ max: 7 }), fc.integer({ min: 1, max: 16 }), (entries, first, count) => {
        const seen = worlds.map((world, number) => {
          world.fill(entries);
          const at = (index: number): bigint => BigInt(index) * size;
          if (number === 0) {
            const promises = Array.from({ length: count }, (_, done) => run(world, at(first + done), first + done, 1));
            const owed = promises.some((one) => one.owed);
            return { owed, result: join(promises.map((one) => one.flush()), world), entries: world.snapshot(24) };
          }
          const promise = run(world, at(first), first, count);
          const { owed } = promise;
          return { owed, result: promise.flush(), entries: world.snapshot(24) };
        });
        for (const one of seen.slice(1)) expect(one).toEqual(seen[0]);
        expect(seen[0]!.entries.filter((_, index) => index < first || index >= first + count)).toEqual(entries.filter((_, index) => index < first || index >= first + count));
      }),
      { numRuns: 60 },
    );
  });

  it('set writes consecutive pages, carries included, and what is not present as it is', () => {
    for (const how of [{}, { shared: true }, { mm: { user: true, tlb: NO_TLB, observer } }]) {
      const world = new World(config, level, how);
      const { ops, mm, table, values } = world;
      const pages = Number(size / 4096n);
      // Across a low word that is full, where there is a high one.
      const frame = Math.floor((2 ** 22 - pages) / pages) * pages - 4 * pages;
      const value = values.mkdirty(values.ofPfn(frame, world.arch.vmProt(Read | Write | Shared)));
      const count = mode === 'Sv32' ? 4 : 8;
      ops.set(mm, 0n, table.entry(2), value, count);
      expect(world.snapshot(count + 4)).toEqual([0n, 0n, ...Array.from({ length: count }, (_, index) => values.advancePfn(value, index)), 0n, 0n]);
      expect(values.pfn(table.get(3))).toBe(frame + pages);
      const swap = values.ofSwap(1, 77n);
      ops.clear(mm, 0n, table.entry(2), count).ignore('nothing runs');
      ops.set(mm, 0n, table.entry(2), swap, count);
      expect(world.snapshot(count + 4)).toEqual([0n, 0n, ...Array<bigint>(count).fill(swap), 0n, 0n]);
    }
  });
});

describe('flush promises', () => {
  const tlb = new Recorder();
  const world = new World({ mode: 'Sv39' }, 'pte', { mm: { user: true, tlb } });
  const { ops, mm, table, values, arch } = world;
  const page = values.mkdirty(values.ofPfn(0x80000, arch.vmProt(Read | Write | Shared)));
  const none = values.modify(page, arch.vmProt(0));
  const at = table.entry(5);

  it('are owed where the hardware may have the translation, and name the range', () => {
    table.set(5, page);
    ops.wrprotect(mm, 0x5000n, at, 1).flush();
    expect(tlb.ranges.splice(0)).toEqual([{ start: 0x5000n, end: 0x6000n, level: 'pte', tables: false }]);
    expect(table.get(5)).toBe(values.wrprotect(page));
    expect(ops.wrprotect(mm, 0x5000n, at, 1).owed).toBe(false);
    const old = ops.getAndClear(mm, 0x5000n, at);
    expect(old.owed).toBe(true);
    expect(old.flush()).toBe(values.wrprotect(page));
    expect(ops.clear(mm, 0x5000n, at, 3).owed).toBe(false);
  });

  it('are not owed for PROT_NONE and swap entries', () => {
    for (const value of [none, values.ofSwap(1, 5n)]) {
      table.set(5, value);
      expect(ops.wrprotect(mm, 0x5000n, at, 1).owed).toBe(false);
      table.set(5, value);
      const promise = ops.getAndClear(mm, 0x5000n, at);
      expect([promise.owed, promise.flush()]).toEqual([false, value]);
    }
  });

  it('setAccessFlags adds, and says whether it changed anything', () => {
    const clean = values.mkold(values.mkclean(values.wrprotect(page)));
    table.set(5, clean);
    expect(ops.setAccessFlags(mm, 0x5000n, at, page).flush()).toBe(true);
    expect(table.get(5)).toBe(page);
    const again = ops.setAccessFlags(mm, 0x5000n, at, clean);
    expect([again.owed, again.flush()]).toEqual([false, false]);
    expect(table.get(5)).toBe(page);
  });

  it('establish and modify_prot return what was there', () => {
    table.set(5, page);
    expect(ops.establish(mm, 0x5000n, at, none).flush()).toBe(page);
    table.set(5, page);
    const old = ops.modifyProtStart(mm, 0x5000n, at);
    expect([old, table.get(5)]).toEqual([page, 0n]);
    const commit = ops.modifyProtCommit(mm, 0x5000n, at, old, none);
    expect(commit.owed).toBe(true);
    commit.flush();
    expect(table.get(5)).toBe(none);
  });

  it('batch counts pages that go on alike', () => {
    ops.clear(mm, 0n, table.entry(0), 64).ignore('nothing runs');
    ops.set(mm, 0n, table.entry(0), page, 8);
    table.set(3, values.mkold(values.wrprotect(table.get(3))));
    table.set(6, values.mkclean(table.get(6)));
    expect(ops.batch(table.entry(0), page, 16, {})).toBe(6);
    expect(ops.batch(table.entry(0), page, 16, { dirty: true })).toBe(8);
    expect(ops.batch(table.entry(0), page, 4, {})).toBe(4);
  });

  it('update_mmu_cache flushes unless there is Svvptc', () => {
    tlb.ranges.length = 0;
    arch.updateMmuCache!(mm, 0x5000n, 'pte', 3);
    arch.updateMmuCache!(mm, 0x20_0000n, 'pmd', 1);
    expect(tlb.ranges.splice(0)).toEqual([{ start: 0x5000n, end: 0x8000n, level: 'pte', tables: false }, { start: 0x20_0000n, end: 0x40_0000n, level: 'pmd', tables: false }]);
    expect('updateMmuCache' in riscvArch({ mode: 'Sv39', svvptc: true }, memory('Sv39'))).toBe(false);
  });
});

describe('Svnapot groups', () => {
  const tlb = new Recorder();
  const mmOf = (world: Pick<WritableArch, 'values' | 'liveChange' | 'name' | 'geometry'>): MmContext => {
    const checker = new BreakBeforeMake(world, tlb);
    return { user: true, tlb: checker, observer: checker };
  };

  describe.each([{ how: 'private' }, { how: 'shared' }, { how: 'checked' }])('in $how memory', ({ how }) => {
    const world = new World({ mode: 'Sv39' }, 'pte', { shared: how === 'shared' });
    const { ops, table, values, arch } = world;
    const mm: MmContext = how === 'checked' ? mmOf(arch) : { user: true, tlb };
    const group = values.mkdirty(values.mkgroup(values.ofPfn(0x80010, arch.vmProt(Read | Write | Shared)), 16));
    const at = table.entry(16);
    const RANGE: FlushRange = { start: 0x1_0000n, end: 0x2_0000n, level: 'pte', tables: false };
    const put = (value: EntryVal<'pte'> = group): void => {
      ops.hugeSet(mm, 0x1_0000n, at, value, 16);
      tlb.ranges.length = 0;
    };
    /** As the hardware does: marks one entry of the group alone. */
    const note = (index: number, value: EntryVal<'pte'>): void => { table.set(index, value); };
    const entries = (): bigint[] => world.snapshot(48).slice(16, 32);

    it('are written to all entries, after a flush', () => {
      tlb.ranges.length = 0;
      ops.hugeSet(mm, 0x1_0000n, at, group, 16);
      expect(tlb.ranges.splice(0)).toEqual([RANGE]);
      expect(world.snapshot(48)).toEqual([...Array<bigint>(16).fill(0n), ...Array<bigint>(16).fill(group), ...Array<bigint>(16).fill(0n)]);
      expect(ops.batch(at, group, 32, {})).toBe(16);
      // Another group over it, with no flush between: the entries never differ while they are valid.
      put(values.mkgroup(values.ofPfn(0x80020, arch.vmProt(Read)), 16));
      expect(entries()).toEqual(Array<bigint>(16).fill(N | pte('VRUA', 0x8002_8000n)));
    });

    it('are young and dirty if any entry is', () => {
      const quiet = values.mkold(values.mkclean(group));
      put(quiet);
      expect(ops.hugeGet(at, 16)).toBe(quiet);
      note(20, values.mkyoung(quiet));
      note(30, values.mkdirty(quiet));
      expect(ops.hugeGet(at, 16)).toBe(values.mkyoung(group));
      expect(ops.get(at)).toBe(quiet);
      const taken = ops.hugeGetAndClear(mm, 0x1_0000n, at, 16);
      expect(taken.owed).toBe(true);
      expect(taken.flush()).toBe(values.mkyoung(group));
      expect(tlb.ranges.splice(0)).toEqual([RANGE]);
      expect(entries()).toEqual(Array<bigint>(16).fill(0n));
    });

    it('become read-only together, flushed before they are valid again', () => {
      put(values.mkold(group));
      note(17, group);
      const promise = ops.hugeWrprotect(mm, 0x1_0000n, at, 16);
      expect(promise.owed).toBe(false);
      promise.flush();
      expect(tlb.ranges.splice(0)).toEqual([RANGE]);
      expect(entries()).toEqual(Array<bigint>(16).fill(values.wrprotect(group)));
    });

    it('take on access flags together, and are left alone if they have them', () => {
      put(values.mkclean(values.wrprotect(group)));
      const promise = ops.hugeSetAccessFlags(mm, 0x1_0000n, at, group, 16);
      expect([promise.owed, promise.flush()]).toEqual([false, true]);
      expect(tlb.ranges.splice(0)).toEqual([RANGE]);
      expect(entries()).toEqual(Array<bigint>(16).fill(group));
      expect(ops.hugeSetAccessFlags(mm, 0x1_0000n, at, values.mkclean(group), 16).flush()).toBe(false);
      expect(tlb.ranges).toEqual([]);
    });

    it('may be swapped out and in', () => {
      const swap = values.ofSwap(2, 99n);
      put();
      ops.hugeGetAndClear(mm, 0x1_0000n, at, 16).flush();
      ops.hugeSet(mm, 0x1_0000n, at, swap, 16);
      expect(entries()).toEqual(Array<bigint>(16).fill(swap));
      expect(ops.hugeGet(at, 16)).toBe(swap);
      expect(ops.hugeGetAndClear(mm, 0x1_0000n, at, 16).flush()).toBe(swap);
      expect(entries()).toEqual(Array<bigint>(16).fill(0n));
    });

    it('follow each other under set', () => {
      ops.clear(mm, 0n, table.entry(0), 64).flush();
      ops.set(mm, 0n, table.entry(16), group, 32);
      expect(world.snapshot(64).slice(16)).toEqual([...Array<bigint>(16).fill(group), ...Array<bigint>(16).fill(values.advancePfn(group, 16)), ...Array<bigint>(16).fill(0n)]);
      ops.clear(mm, 0n, table.entry(0), 64).flush();
    });
  });

  it('may not change entry by entry while they are live', () => {
    const world = new World({ mode: 'Sv39' }, 'pte');
    const { ops, table, values, arch } = world;
    const mm = mmOf(arch);
    const group = values.mkgroup(values.ofPfn(0x80010, arch.vmProt(Read | Write | Shared)), 16);
    ops.hugeSet(mm, 0x1_0000n, table.entry(16), group, 16);
    expect(() => ops.wrprotect(mm, 0x1_0000n, table.entry(16), 1)).toThrow(/Svnapot group/);
    expect(() => ops.establish(mm, 0x1_0000n, table.entry(16), values.ofPfn(0x80010, arch.vmProt(Read)))).toThrow(/Svnapot group/);
    expect(ops.testAndClearYoung(mm, 0x1_0000n, table.entry(16), 16).flush()).toBe(true);
    expect(arch.liveChange!('pte', values.ofPfn(1, arch.vmProt(Read)), values.ofPfn(2, arch.vmProt(Read)))).toBeUndefined();
    expect('liveChange' in riscvArch({ mode: 'Sv39', svnapot: false }, memory('Sv39'))).toBe(false);
  });

  it('a huge page of one entry is as any other', () => {
    const world = new World({ mode: 'Sv48' }, 'pmd', { mm: { user: true, tlb } });
    const { ops, table, values, arch, mm } = world;
    const huge = values.mkhuge(values.ofPfn(0x80200, arch.vmProt(Read | Write | Shared)));
    tlb.ranges.length = 0;
    ops.hugeSet(mm, 0n, table.entry(0), huge, 1);
    expect(tlb.ranges).toEqual([]);
    const promise = ops.hugeWrprotect(mm, 0n, table.entry(0), 1);
    expect(promise.owed).toBe(true);
    promise.flush();
    expect(ops.hugeSetAccessFlags(mm, 0n, table.entry(0), values.mkdirty(huge), 1).flush()).toBe(true);
    expect(ops.hugeGetAndClear(mm, 0n, table.entry(0), 1).flush()).toBe(values.mkdirty(huge));
  });
});

describe('huge pages', () => {
  it.each<[RiscvConfig, [number, Level, number][]]>([
    [{ mode: 'Sv32' }, [[2 ** 22, 'pgd', 1]]],
    [{ mode: 'Sv39' }, [[65536, 'pte', 16], [2 ** 21, 'pmd', 1], [2 ** 30, 'pgd', 1]]],
    [{ mode: 'Sv48' }, [[65536, 'pte', 16], [2 ** 21, 'pmd', 1], [2 ** 30, 'pud', 1]]],
    [{ mode: 'Sv57', svnapot: false }, [[2 ** 21, 'pmd', 1], [2 ** 30, 'pud', 1]]],
  ])('of %j', (config, expected) => {
    const arch = riscvArch(config, memory(config.mode));
    expect(arch.hugePages.map(({ bytes, level, count }) => [bytes, level, count])).toEqual(expected);
    for (const { bytes, level, count } of arch.hugePages) expect(2 ** geometryOf(arch.geometry, level).shift * count).toBe(bytes);
  });
});

/** Builds a path to a page and takes it apart, with whatever handles. */
function buildAndTakeApart<H extends TableHandles>(config: RiscvConfig, shared: boolean): void {
  const tables = memory(config.mode, shared);
  const arch = riscvArch<H>(config, tables);
  const ledger = new FlushLedger();
  const tlb = new Recorder();
  const mm: MmContext = { user: true, tlb, ledger };
  const real = LEVELS.filter((level) => !geometryOf(arch.geometry, level).folded).reverse();
  const top = arch.newTable('pgd', 0x8000_0000, true);
  expect(Array.from({ length: top.entries }, (_, index) => top.get(index)).every((value) => value === 0n)).toBe(true);
  let table: UnlinkedTable<H> = top;
  const entries: { readonly level: Level; readonly entry: H[Level]; readonly lower: UnlinkedTable<H> }[] = [];
  real.slice(1).forEach((level, depth) => {
    const lower: UnlinkedTable<H> = arch.newTable(level, 0x8100_0000 + depth * 4096, true);
    const entry = table.entry(3);
    const ops: WritableOps<H, Level> = arch.ops[table.level];
    const upper = table.level;
    expect(ops.child(entry)).toBeUndefined();
    entries.push({ level: upper, entry, lower });
    table = lower;
  });
  // From below, so that a table is complete when it becomes live.
  const address = entries.reduce((sum, { level }) => sum + (3n << BigInt(geometryOf(arch.geometry, level).shift)), 0n);
  expect(table.level).toBe('pte');
  // The line above says so, and no type does.
  const ptep = table.entry(7) as H['pte'];
  arch.ops.pte.set(mm, address + 0x7000n, ptep, arch.values.pte.ofPfn(0x12345, arch.vmProt(Read | Exec)), 1);
  for (const { level, entry, lower } of [...entries].reverse()) {
    const ops: WritableOps<H, Level> = arch.ops[level];
    ops.populate(mm, address, entry, lower);
    expect(ops.get(entry)).toBe(pte('V', BigInt(lower.address)));
    expect(lower.live).toBe(true);
    expect(() => { arch.freeTable(lower); }).toThrow(/is live/);
    expect(() => { ops.populate(mm, address, entry, lower); }).toThrow(/not empty/);
    expect(ops.child(entry)).toBeDefined();
  }
  expect(arch.ops.pte.get(ptep)).toBe(pte('VRXUA', 0x1234_5000n));

  for (const { level, entry, lower } of [...entries].reverse()) {
    const ops: WritableOps<H, Level> = arch.ops[level];
    const promise = ops.unlink(mm, address, entry);
    expect(promise.owed).toBe(true);
    const taken = promise.flush();
    expect(tlb.ranges.pop()).toMatchObject({ tables: true, level: lower.level });
    expect([taken.address, taken.level, taken.live, ops.get(entry)]).toEqual([lower.address, lower.level, false, 0n]);
    const before = tables.tables;
    arch.freeTable(taken);
    expect(tables.tables).toBe(before - 1);
    expect(() => ops.unlink(mm, address, entry).flush()).toThrow(/points to no table/);
  }
  arch.freeTable(top);
  expect(tables.tables).toBe(0);
  ledger.close();
}

describe('tables', () => {
  it.each(MODES)('are built and taken apart with any handles: %s', (mode) => {
    for (const shared of [false, true]) {
      buildAndTakeApart<AliasHandles>({ mode }, shared);
      buildAndTakeApart<StrongHandles>({ mode }, shared);
      buildAndTakeApart<MixedHandles>({ mode }, shared);
    }
  });

  it('are of levels that exist, at addresses of whole tables', () => {
    const arch = riscvArch({ mode: 'Sv39' }, memory('Sv39'));
    expect(() => arch.newTable('pud', 0x1000, true)).toThrow(/folded/);
    expect(() => arch.newTable('pte', 0x1800, true)).toThrow(/cannot be the address/);
    expect(() => riscvArch({ mode: 'Sv32' }, memory('Sv32')).newTable('pte', 0x1800, true)).toThrow(/cannot be the address/);
  });

  it('are empty again when their memory is used anew', () => {
    const arch = riscvArch({ mode: 'Sv39' }, memory('Sv39'));
    const first = arch.newTable('pte', 0x1000, true);
    first.set(0, arch.values.pte.ofPfn(1, arch.kernelProt(Read | Write)), 512);
    arch.freeTable(first);
    const second = arch.newTable('pte', 0x2000, true);
    expect(Array.from({ length: 512 }, (_, index) => second.get(index)).every((value) => value === 0n)).toBe(true);
  });
});
