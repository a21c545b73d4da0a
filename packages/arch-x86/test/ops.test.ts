import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BreakBeforeMake, checkedContext, entryVal, geometryOf, HIGH_WORD, LEVELS, LOW_WORD, NO_TLB, TableMemory, VmFlags,
  type AliasHandles, type EntryObserver, type EntryPtr, type EntryVal, type EntryValues, type HandleFamily, type HwHandle, type Level, type MmContext, type StrongHandles, type TableHandles,
  type WritableArch, type WritableOps,
} from '@pgtable/core';
import { handleAt, tableOps } from '@pgtable/core/arch';
import { fullConfig } from '../src/config.js';
import { x86Formats } from '../src/format.js';
import { x86Arch, x86Geometry, x86Root, type PagingMode, type X86Config } from '../src/index.js';
import { PaeLevelOps } from '../src/ops.js';
import { x86Values } from '../src/values.js';
import { archOf, CONFIGS, context, LEAVES, leafValues, MODES } from './writable.js';

const COUNT = 6;
const WATCHER: EntryObserver = {
  changing() {
    // That somebody watches is enough to have entries taken one by one.
  },
};

/** One table of a level with entries written, in memory of its own. */
function tableOf(config: X86Config, level: Level, entries: readonly bigint[], shared = false) {
  const arch = archOf(config, shared);
  const ops: WritableOps<HandleFamily, Level> = arch.ops[level];
  const table = arch.newTable(level, 0x10000, true);
  entries.forEach((value, index) => {
    table.set(index, entryVal('pte', value));
  });
  const size = 1n << BigInt(geometryOf(arch.geometry, level).shift);
  return { arch, ops, table, size, entry: table.entry(0), read: () => Array.from({ length: COUNT + 2 }, (_, index) => table.get(index)) };
}
type Opened = ReturnType<typeof tableOf>;

/** What an operation returned, what it left behind, and which flush it owes. */
function outcome<T>(opened: Opened, mm: ReturnType<typeof context>, act: (mm: MmContext) => { readonly owed: boolean; flush(): T } | undefined) {
  const promise = act(mm);
  const owed = promise?.owed ?? false;
  const result = promise?.flush();
  expect(mm.ledger.dropped()).toEqual([]);
  expect(mm.tlb.flushed.length).toBe(owed ? 1 : 0);
  return { result, owed, flushed: mm.tlb.flushed, entries: opened.read() };
}

describe.each(LEAVES)('operations on many entries: $title', ({ config, level }) => {
  const values: EntryValues = archOf(config).values[level];
  const swapEntry = values.features.has('swap') ? values.ofSwap(2, 0x1234n) : values.empty;
  const anyEntry = fc.oneof({ weight: 4, arbitrary: leafValues(config, level) }, { weight: 1, arbitrary: fc.constantFrom<EntryVal<Level>>(values.empty, swapEntry) });
  const run = fc.array(anyEntry, { minLength: COUNT + 1, maxLength: COUNT + 1 });
  const presentRun = fc.array(leafValues(config, level), { minLength: COUNT + 1, maxLength: COUNT + 1 });

  /** The loop over words, entries one by one, and memory that other threads see: all the same. */
  function agree<T>(entries: readonly bigint[], act: (opened: Opened, mm: MmContext) => { readonly owed: boolean; flush(): T } | undefined): ReturnType<typeof outcome<T>> {
    const plain = tableOf(config, level, entries);
    const watched = tableOf(config, level, entries);
    const shared = tableOf(config, level, entries, true);
    const result = outcome(plain, context(), (mm) => act(plain, mm));
    expect(outcome(watched, context(), (mm) => act(watched, { ...mm, observer: WATCHER }))).toEqual(result);
    expect(outcome(shared, context(), (mm) => act(shared, mm))).toEqual(result);
    return result;
  }

  it('wrprotect', () => {
    fc.assert(fc.property(run, (entries) => {
      const after = agree(entries, ({ ops, entry }, mm) => ops.wrprotect(mm, 0n, entry, COUNT));
      const some = entries.slice(0, COUNT);
      expect(after.entries.slice(0, COUNT)).toEqual(some.map((value) => (values.present(value) ? values.wrprotect(value) : value)));
      expect(after.entries[COUNT]).toBe(entries[COUNT]);
      expect(after.owed).toBe(some.some((value) => values.valid(value) && values.write(value)));
    }), { numRuns: 40 });
  });

  it('clear', () => {
    fc.assert(fc.property(run, (entries) => {
      const after = agree(entries, ({ ops, entry }, mm) => ops.clear(mm, 0n, entry, COUNT));
      expect(after.entries).toEqual([...new Array<bigint>(COUNT).fill(0n), entries[COUNT], 0n]);
      expect(after.owed).toBe(entries.slice(0, COUNT).some((value) => values.valid(value)));
    }), { numRuns: 30 });
  });

  it('getAndClearFull', () => {
    fc.assert(fc.property(presentRun, (entries) => {
      const after = agree(entries, ({ ops, entry }, mm) => ops.getAndClearFull(mm, 0n, entry, COUNT));
      const some = entries.slice(0, COUNT);
      const first = some[0]!;
      const old = after.result!;
      expect(values.young(old)).toBe(some.some((value) => values.young(value)));
      expect(values.dirty(old)).toBe(some.some((value) => values.dirty(value)));
      expect([values.pfn(old), values.write(old), values.special(old), values.uffdWp(old)]).toEqual([values.pfn(first), values.write(first), values.special(first), values.uffdWp(first)]);
      if (values.dirty(first)) expect(values.softDirty(old)).toBe(values.softDirty(first));
      expect(after.entries).toEqual([...new Array<bigint>(COUNT).fill(0n), entries[COUNT], 0n]);
    }), { numRuns: 30 });
  });

  it('testAndClearYoung', () => {
    fc.assert(fc.property(run, (entries) => {
      const after = agree(entries, ({ ops, entry }, mm) => ops.testAndClearYoung(mm, 0n, entry, COUNT));
      const some = entries.slice(0, COUNT);
      expect(after.result).toBe(some.some((value) => values.present(value) && values.young(value)));
      expect(after.entries.slice(0, COUNT)).toEqual(some.map((value) => (values.present(value) ? values.mkold(value) : value)));
    }), { numRuns: 20 });
  });

  it('set, and batch finds what was set', () => {
    fc.assert(fc.property(leafValues(config, level), (value) => {
      const pages = 2 ** (geometryOf(x86Geometry(config.mode), level).shift - 12);
      fc.pre(values.pfn(value) + COUNT * pages < 2 ** (config.mode === '2-level' ? (level === 'pte' ? 20 : 28) : 35));
      const after = agree([], ({ ops, entry }, mm) => {
        ops.set(mm, 0n, entry, value, COUNT);
        expect(ops.batch(entry, ops.get(entry), COUNT + 2, {})).toBe(COUNT);
        return undefined;
      });
      expect(after.entries).toEqual([...Array.from({ length: COUNT }, (_, index) => values.advancePfn(value, index)), 0n, 0n]);
    }), { numRuns: 30 });
  });

  it('set of what is not present writes the same everywhere', () => {
    const after = agree([], ({ ops, entry }, mm) => {
      ops.set(mm, 0n, entry, swapEntry, COUNT);
      return undefined;
    });
    expect(after.entries).toEqual([...new Array<bigint>(COUNT).fill(swapEntry), 0n, 0n]);
  });

  it('establish, getAndClear, modifyProt and setAccessFlags', () => {
    fc.assert(fc.property(leafValues(config, level), leafValues(config, level), (old, value) => {
      expect(agree([old], ({ ops, entry }, mm) => ops.establish(mm, 0n, entry, value))).toMatchObject({ result: old, owed: values.valid(old) && old !== value, entries: [value, 0n, 0n, 0n, 0n, 0n, 0n, 0n] });
      expect(agree([old], ({ ops, entry }, mm) => ops.getAndClear(mm, 0n, entry))).toMatchObject({ result: old, owed: values.valid(old) });
      const changed = agree([old], ({ ops, entry }, mm) => ops.modifyProtCommit(mm, 0n, entry, ops.modifyProtStart(mm, 0n, entry), values.modify(old, values.prot(value))));
      expect(changed.entries[0]).toBe(values.modify(old, values.prot(value)));
      const more = values.ofPfn(values.pfn(old), values.prot(value));
      const accessed = agree([old], ({ ops, entry }, mm) => ops.setAccessFlags(mm, 0n, entry, more));
      const now = accessed.entries[0]!;
      expect(accessed.result).toBe(now !== old);
      expect([values.young(now), values.dirty(now), values.write(now)]).toEqual([
        values.young(old) || values.young(more), values.dirty(old) || values.dirty(more), values.write(old) || values.write(more),
      ]);
      // That a page was dirty already says nothing of its soft-dirty mark: that comes with the value alone.
      if (values.dirty(old)) expect(values.softDirty(now)).toBe(values.softDirty(old) || values.softDirty(more));
    }), { numRuns: 40 });
  });
});

/** The levels that exist, from the top down. */
function realLevels(arch: WritableArch): Level[] {
  return LEVELS.filter((level) => !geometryOf(arch.geometry, level).folded).reverse();
}

const ADDRESS = 0x12345000n;
const ROOT = 0x1000;

/** Builds one path of tables down to a page, reads it back through every kernel level, and takes the last table out again. */
function buildAndRead<H extends TableHandles>(arch: WritableArch<H>, mode: PagingMode): void {
  const mm = context();
  const root = x86Root(mode, ROOT);
  arch.newTable('pgd', ROOT, true);
  const pgdp = arch.pgdOffset(root, ADDRESS)!;
  // Populates an entry where its table is missing; a folded level has none of its own, and the entry below is the same one.
  let address = 0x2000;
  const make = <L extends Level>(level: L, entry: H[L], below: Level): void => {
    if (geometryOf(arch.geometry, below).folded) return;
    const table = arch.newTable(below, address, true);
    for (const index of [0, 1, table.entries - 1]) expect(table.get(index)).toBe(0n);
    arch.ops[level].populate(mm, ADDRESS, entry, table);
    expect(table.live).toBe(true);
    expect(() => { arch.freeTable(table); }).toThrow(/is live/);
    address += 0x1000;
  };
  make('pgd', pgdp, 'p4d');
  const p4dp = arch.ops.pgd.offset(pgdp, ADDRESS)!;
  make('p4d', p4dp, 'pud');
  const pudp = arch.ops.p4d.offset(p4dp, ADDRESS)!;
  make('pud', pudp, 'pmd');
  const pmdp = arch.ops.pud.offset(pudp, ADDRESS)!;
  make('pmd', pmdp, 'pte');
  const ptep = arch.ops.pmd.offset(pmdp, ADDRESS)!;
  const value = arch.values.pte.ofPfn(0x777, arch.vmProt(VmFlags.Read | VmFlags.Write | VmFlags.Shared));
  arch.ops.pte.set(mm, ADDRESS, ptep, value, 1);
  expect([arch.ops.pte.get(ptep), arch.ops.pte.getOnce(ptep), arch.ops.pte.getLockless(ptep)]).toEqual([value, value, value]);
  expect(arch.ops.pte.distance(ptep, arch.ops.pte.advance(ptep, 3))).toBe(3);
  for (const bad of [arch.values.pgd.bad(arch.ops.pgd.get(pgdp)), arch.values.pmd.bad(arch.ops.pmd.get(pmdp))]) expect(bad).toBe(false);

  // PAE's processor holds the top level in registers, so a new entry there is flushed at once.
  expect(mm.tlb.flushed.length).toBe(mode === 'PAE' ? 1 : 0);
  const table = arch.ops.pmd.unlink(mm, ADDRESS, pmdp).flush();
  expect(mm.tlb.flushed.at(-1)).toMatchObject({ level: 'pte', tables: true });
  expect(arch.values.pmd.none(arch.ops.pmd.get(pmdp))).toBe(true);
  expect(table.get(Number((ADDRESS >> 12n) % BigInt(table.entries)))).toBe(value);
  const tables = arch.tables!.tables;
  arch.freeTable(table);
  expect(arch.tables!.tables).toBe(tables - 1);
  expect(() => arch.ops.pmd.unlink(mm, ADDRESS, pmdp)).toThrow(/no table/);
  mm.ledger.close();
}

interface MixedHandles {
  pte: HwHandle<'pte'>;
  pmd: EntryPtr<'pmd'>;
  pud: EntryPtr<'pud'>;
  p4d: HwHandle<'p4d'>;
  pgd: EntryPtr<'pgd'>;
}

describe.each(CONFIGS)('tables: $title', (config) => {
  const memory = (shared = false): TableMemory => new TableMemory({ entryBytes: config.mode === '2-level' ? 4 : 8, entries: 8192, shared });

  it('are built, read and taken out, whatever handles are', () => {
    buildAndRead(x86Arch(config, memory()), config.mode);
    buildAndRead(x86Arch<AliasHandles>(config, memory()), config.mode);
    buildAndRead(x86Arch<StrongHandles>(config, memory()), config.mode);
    buildAndRead(x86Arch<MixedHandles>(config, memory(true)), config.mode);
  });

  it('are refused at wrong addresses and levels', () => {
    const arch = x86Arch(config, memory());
    expect(() => arch.newTable('pte', 0x1800, true)).toThrow(/cannot be the address/);
    expect(() => arch.newTable('pte', 2 ** 52, true)).toThrow(/cannot be the address/);
    expect(() => arch.newTable('pte', -4096, true)).toThrow(/cannot be the address/);
    expect(() => arch.newTable('pte', NaN, true)).toThrow(/cannot be the address/);
    for (const level of LEVELS) if (geometryOf(arch.geometry, level).folded) expect(() => arch.newTable(level, 0x1000, true)).toThrow(/folded/);
    if (config.encryptionMask !== undefined) expect(() => arch.newTable('pte', Number(config.encryptionMask), true)).toThrow(/cannot be the address/);
    const top = arch.newTable('pgd', 0x1000, true);
    const pte = arch.newTable('pte', 0x2000, true);
    const levels = realLevels(arch);
    if (levels.length > 2) expect(() => { arch.ops.pgd.populate(context(), 0n, top.entry(0), pte); }).toThrow(/cannot stand below/);
    const next = arch.newTable(levels[1]!, 0x3000, true);
    top.set(0, arch.values.pgd.ofTable(0x9000, true));
    expect(() => { arch.ops.pgd.populate(context(), 0n, top.entry(0), next); }).toThrow(/not empty/);
  });

  it('have large pages of the sizes that the mode has', () => {
    const arch = x86Arch(config, memory());
    expect(arch.hugePages.map(({ bytes }) => bytes)).toEqual(config.mode === '2-level' ? (config.pse === false ? [] : [4 << 20]) : config.mode === 'PAE' ? [2 << 20] : [2 << 20, 1 << 30]);
    for (const { bytes, level, count } of arch.hugePages) {
      expect([2 ** geometryOf(arch.geometry, level).shift * count, arch.values[level].features.has('leaf')]).toEqual([bytes, true]);
    }
  });
});

it('a table for the root of PAE has four entries and an address below 4 GiB', () => {
  const arch = archOf({ mode: 'PAE' });
  expect(arch.newTable('pgd', 0x1360, true).entries).toBe(4);
  expect(() => arch.newTable('pgd', 2 ** 32, true)).toThrow(/with (PAE|2-level) paging/);
  expect(arch.newTable('pmd', 2 ** 32, true).entries).toBe(512);
  expect(() => archOf({ mode: '2-level' }).newTable('pte', 2 ** 32, true)).toThrow(/with (PAE|2-level) paging/);
});

describe('a change of page size', () => {
  const arch = x86Arch({ mode: '4-level' }, new TableMemory({ entries: 4096 }));
  const { pmd } = arch.values;
  const leaf = pmd.mkhuge(pmd.ofPfn(0x200, arch.vmProt(VmFlags.Read)));
  const table = pmd.ofTable(0x5000, true);

  it('is not made in one step', () => {
    expect(arch.liveChange?.('pmd', leaf, table)).toMatch(/may not become a table/);
    expect(arch.liveChange?.('pmd', table, leaf)).toMatch(/may not become a large page/);
    expect(arch.liveChange?.('pmd', leaf, pmd.mkwrite(leaf))).toBeUndefined();
    expect(arch.liveChange?.('pmd', table, pmd.ofTable(0x6000, true))).toBeUndefined();
  });

  it('is made over an invalid entry and a flush', () => {
    const checked = checkedContext(arch, { user: true, tlb: NO_TLB });
    expect(checked.observer).toBeInstanceOf(BreakBeforeMake);
    const entries = arch.newTable('pmd', 0x10000, true);
    const entry = entries.entry(0);
    arch.ops.pmd.set(checked, 0n, entry, leaf, 1);
    expect(() => arch.ops.pmd.establish(checked, 0n, entry, table)).toThrow(/break-before-make/);
    const invalid = arch.ops.pmd.establish(checked, 0n, entry, pmd.mkinvalid(leaf));
    expect(() => arch.ops.pmd.establish(checked, 0n, entry, table)).toThrow(/may still be cached/);
    invalid.flush();
    expect(arch.ops.pmd.establish(checked, 0n, entry, table).ignore('it was invalid and is flushed')).toBe(pmd.mkinvalid(leaf));
  });
});

describe('PAE reads an entry in two words', () => {
  const A = entryVal('pte', 0x80000001_11000067n);
  const B = entryVal('pte', 0x00000002_22000025n);

  /** Accessors whose loads of words are followed by what a writer does between them. */
  function racing(writes: ReadonlyMap<number, bigint>) {
    const tables = new TableMemory({ entries: 1024, shared: true });
    const config = fullConfig({ mode: 'PAE' });
    const loaded: number[] = [];
    class Racing<L extends Level> extends PaeLevelOps<StrongHandles, L> {
      protected override loadWord(at: number): number {
        const word = super.loadWord(at);
        loaded.push(at % 2);
        const next = writes.get(loaded.length);
        if (next !== undefined) Atomics.store(this.tables.elements, at >> 1, next);
        return word;
      }
    }
    const ops = tableOps<StrongHandles>({ tables, geometry: x86Geometry('PAE'), formats: x86Formats(config), values: x86Values(config) }, (level, shared, all) => new Racing(level, shared, all, config));
    const index = tables.allocate('pte', 0x1000, 512);
    tables.elements[index] = A;
    return { loaded, read: (how: 'getOnce' | 'getLockless' = 'getOnce') => ops.pte[how](handleAt<StrongHandles, 'pte'>('pte', index)) };
  }

  it('low, high, low', () => {
    const { loaded, read } = racing(new Map());
    expect(read()).toBe(A);
    expect(loaded).toEqual([LOW_WORD, HIGH_WORD, LOW_WORD]);
    expect(read('getLockless')).toBe(A);
    expect(loaded.length).toBe(6);
  });

  it.each([1, 2])('again if a writer came after load %i', (load) => {
    const { loaded, read } = racing(new Map([[load, B]]));
    expect(read()).toBe(B);
    expect(loaded.length).toBe(6);
  });

  it('again and again while writers come', () => {
    const { loaded, read } = racing(new Map([[1, B], [4, A], [8, B], [11, 0n]]));
    expect(read()).toBe(0n);
    expect(loaded.length).toBe(15);
  });

  it('not again if the writer came after the last load', () => {
    const { loaded, read } = racing(new Map([[3, B]]));
    expect(read()).toBe(A);
    expect(loaded.length).toBe(3);
  });
});

it('accessors of shared memory write entries whole, of any width', () => {
  for (const mode of MODES) {
    const arch = archOf({ mode }, true);
    const table = arch.newTable('pte', 0x1000, true);
    const value = arch.values.pte.ofPfn(0xfffff, arch.vmProt(VmFlags.Read));
    arch.ops.pte.set(context(), 0n, table.entry(1023 % table.entries), value, 1);
    expect(table.get(table.entries - 1)).toBe(value);
    expect(table.get(0)).toBe(0n);
  }
});
