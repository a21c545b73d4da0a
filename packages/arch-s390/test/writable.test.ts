import {
  BreakBeforeMake, EntryKind, entryVal, FlushLedger, MmuGather, NO_TLB, p4dOffset, pgdOffset, pmdOffset, pteOffset, pudOffset, ScanBuffer, scanFilter, TableMemory, VmFlags,
  type AliasHandles, type EntryObserver, type EntryPtr, type EntryVal, type FlushRange, type HandleFamily, type HwHandle, type Level, type MmContext, type PteVal,
  type StrongHandles, type TableHandles, type Tlb, type WritableArch,
} from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeAsce, s390Arch, s390Root, type S390Handles } from '../src/index.js';
import { EMPTY } from './tables.js';

const { Read, Write, Exec, Shared } = VmFlags;
const ADDRESS = (5n << 53n) | (7n << 42n) | (9n << 31n) | (11n << 20n);
const TABLES = { pgd: 0x10000, p4d: 0x14000, pud: 0x18000, pmd: 0x1c000, pte: 0x30800 } as const;

/** What happened to memory and to the TLB, in order. */
type Event = { readonly store: Level; readonly address: bigint; readonly old: bigint; readonly value: bigint } | { readonly flush: FlushRange };

class Recorder implements Tlb, EntryObserver {
  readonly events: Event[] = [];

  flush(range: FlushRange): void {
    this.events.push({ flush: range });
  }
  changing<L extends Level>(level: L, address: bigint, old: EntryVal<L>, value: EntryVal<L>): void {
    this.events.push({ store: level, address, old, value });
  }
  flushes(): FlushRange[] {
    return this.events.flatMap((event) => ('flush' in event ? [event.flush] : []));
  }
}

/** Counts flushes, and looks at the memory when they are asked for. */
class Spy implements Tlb {
  readonly ranges: FlushRange[] = [];
  look: () => void = () => undefined;

  flush(range: FlushRange): void {
    this.ranges.push(range);
    this.look();
  }
}

function memory(shared: boolean): TableMemory {
  return new TableMemory({ shared, entries: 16384 });
}

/** Live tables of all levels for {@link ADDRESS}, made by the accessors alone. */
function live<H extends TableHandles = S390Handles>(tables: TableMemory, release = '6.12.0') {
  const arch = s390Arch<H>({ top: 'pgd', release }, tables);
  const mm: MmContext = { user: true, tlb: NO_TLB };
  const pgd = arch.newTable('pgd', TABLES.pgd, true);
  const pgdp = pgd.entry(5);
  pgd.link();
  arch.ops.pgd.populate(mm, ADDRESS, pgdp, arch.newTable('p4d', TABLES.p4d, true));
  const p4dp = arch.ops.pgd.offset(pgdp, ADDRESS)!;
  arch.ops.p4d.populate(mm, ADDRESS, p4dp, arch.newTable('pud', TABLES.pud, true));
  const pudp = arch.ops.p4d.offset(p4dp, ADDRESS)!;
  arch.ops.pud.populate(mm, ADDRESS, pudp, arch.newTable('pmd', TABLES.pmd, true));
  const pmdp = arch.ops.pud.offset(pudp, ADDRESS)!;
  arch.ops.pmd.populate(mm, ADDRESS, pmdp, arch.newTable('pte', TABLES.pte, true));
  const ptep = arch.ops.pmd.offset(pmdp, ADDRESS)!;
  return { arch, mm, pgdp, p4dp, pudp, pmdp, ptep };
}

/** All entries of a table as they stand in memory. */
function contents(tables: TableMemory, level: Level): bigint[] {
  const base = tables.find(level, TABLES[level]);
  return Array.from(tables.elements.subarray(base, base + (level === 'pte' ? 256 : 2048)));
}

function allEmpty(tables: TableMemory, base: number, level: Level): boolean {
  return tables.elements.subarray(base, base + (level === 'pte' ? 256 : 2048)).every((entry) => entry === EMPTY[level]);
}

describe('tables', () => {
  it.each(['pte', 'pmd', 'pud', 'p4d', 'pgd'] as const)('of level %s are made, and given back, full of empty entries', (level) => {
    const tables = memory(false);
    const arch = s390Arch({ top: 'pgd' }, tables);
    const table = arch.newTable(level, 0x40000, true);
    expect([table.level, table.entries, table.live]).toEqual([level, level === 'pte' ? 256 : 2048, false]);
    const base = tables.find(level, 0x40000);
    expect(allEmpty(tables, base, level)).toBe(true);
    table.set(3, entryVal(level, 0x7654_4000n));
    expect(allEmpty(tables, base, level)).toBe(false);
    arch.freeTable(table);
    expect(tables.find(level, 0x40000)).toBe(-1);
    expect(allEmpty(tables, base, level)).toBe(true);
    expect(() => arch.newTable(level, 0x40400, true)).toThrow(/cannot be the address/);
  });

  it('are linked as the kernel links them, and found again', () => {
    const tables = memory(false);
    const { arch, pgdp, p4dp, pudp, pmdp, ptep } = live(tables);
    expect([arch.ops.pgd.get(pgdp), arch.ops.p4d.get(p4dp), arch.ops.pud.get(pudp), arch.ops.pmd.get(pmdp)]).toEqual([0x1400fn, 0x1800bn, 0x1c007n, 0x30800n]);
    expect(arch.ops.pte.get(ptep)).toBe(0x400n);
    const root = s390Root(decodeAsce(0x1000fn));
    const found = pteOffset(arch, pmdOffset(arch, pudOffset(arch, p4dOffset(arch, pgdOffset(arch, root, ADDRESS)!, ADDRESS)!, ADDRESS)!, ADDRESS)!, ADDRESS + 0x3000n)!;
    expect(arch.ops.pte.distance(ptep, found)).toBe(3);
  });

  it('are not linked twice, nor at a wrong level', () => {
    const { arch, mm, pmdp, pudp } = live(memory(false));
    expect(() => { arch.ops.pmd.populate(mm, ADDRESS, pmdp, arch.newTable('pte', 0x50000, true)); }).toThrow(/not empty/);
    const other = arch.ops.pud.advance(pudp, 1);
    expect(() => { arch.ops.pud.populate(mm, ADDRESS, other, arch.newTable('pte', 0x51000, true)); }).toThrow(/cannot stand below/);
    const pmd = arch.newTable('pmd', 0x54000, true);
    arch.ops.pud.populate(mm, ADDRESS, other, pmd);
    expect(() => { arch.freeTable(pmd); }).toThrow(/live/);
  });

  it.each([false, true])('are taken out by one operation: invalid, flushed, empty (shared: %s)', (shared) => {
    const tables = memory(shared);
    const { arch, pmdp, pudp } = live(tables);
    const recorder = new Recorder();
    const mm = { user: true, tlb: recorder, observer: recorder };
    const pte = arch.ops.pmd.unlink(mm, ADDRESS + 0x5000n, pmdp);
    expect(pte.owed).toBe(false);
    expect(recorder.events).toEqual([
      { store: 'pmd', address: ADDRESS + 0x5000n, old: 0x30800n, value: 0x30820n },
      { flush: { start: ADDRESS, end: ADDRESS + 0x100000n, level: 'pte', tables: true } },
      { store: 'pmd', address: ADDRESS + 0x5000n, old: 0x30820n, value: 0x20n },
    ]);
    arch.freeTable(pte.ignore('flushed already'));
    expect(arch.ops.pud.unlink(mm, ADDRESS, pudp).flush()).toMatchObject({ level: 'pmd', address: TABLES.pmd, live: false });
    expect(arch.ops.pud.get(pudp)).toBe(0x24n);
    expect(() => arch.ops.pud.unlink(mm, ADDRESS, pudp)).toThrow(/points to no table/);
  });

  it('of a root below pgd get the empty entries of their own level, whatever name is used', () => {
    const tables = memory(false);
    const arch = s390Arch({ top: 'pmd', release: '6.12.0' }, tables);
    const mm: MmContext = { user: true, tlb: NO_TLB };
    arch.newTable('pmd', TABLES.pmd, true).link();
    const pgdp = pgdOffset(arch, s390Root(decodeAsce(0x1c003n)), 0n)!;
    const { pgd, pmd } = arch.ops;
    expect([arch.values.pgd.none(pgd.get(pgdp)), arch.values.pgd.present(pgd.get(pgdp))]).toEqual([false, true]);
    const pmdp = pmdOffset(arch, pudOffset(arch, p4dOffset(arch, pgdp, 0n)!, 0n)!, 0n)!;
    // A table of the level below pgd is none of the level below this entry.
    expect(() => { pgd.populate(mm, 0n, pgdp, arch.newTable('p4d', TABLES.p4d, true)); }).toThrow(/cannot stand below a pmd/);
    const link = (address: number) => { pgd.populate(mm, 0n, pgdp, arch.newTable('pte', address, true)); };
    link(0x40000);
    expect(pmd.get(pmdp)).toBe(0x40000n);
    expect(pgd.unlink(mm, 0n, pgdp).flush().level).toBe('pte');
    expect(pmd.get(pmdp)).toBe(0x20n);
    link(0x41000);
    expect([pgd.getAndClear(mm, 0n, pgdp).flush(), pmd.get(pmdp)]).toEqual([0x41000n, 0x20n]);
    link(0x42000);
    expect([pgd.getAndClearFull(mm, 0n, pgdp, 1).flush(), pmd.get(pmdp)]).toEqual([0x42000n, 0x20n]);
    link(0x43000);
    pgd.clear(mm, 0n, pgdp, 1).flush();
    expect(pmd.get(pmdp)).toBe(0x20n);
  });

  it('replace a large page that was invalidated', () => {
    const { arch, mm, pudp } = live(memory(false));
    const pmdp = arch.ops.pud.offset(pudp, ADDRESS + 0x100000n)!;
    const { values } = arch;
    arch.ops.pmd.set(mm, ADDRESS + 0x100000n, pmdp, values.pmd.mkhuge(values.pmd.ofPfn(0x300, arch.vmProt(Read))), 1);
    expect(() => { arch.ops.pmd.populate(mm, ADDRESS, pmdp, arch.newTable('pte', 0x60000, true)); }).toThrow(/not empty/);
    expect(arch.ops.pmd.establish(mm, ADDRESS + 0x100000n, pmdp, values.pmd.mkinvalid(arch.ops.pmd.get(pmdp))).flush()).toBe(0x301701n);
    arch.ops.pmd.populate(mm, ADDRESS + 0x100000n, pmdp, arch.newTable('pte', 0x61000, true));
    expect(arch.ops.pmd.get(pmdp)).toBe(0x61000n);
  });
});

/** An operation on live page-table entries: what it returns is compared, and what it leaves. */
interface Operation {
  readonly name: string;
  readonly run: <H extends HandleFamily>(arch: WritableArch<H>, mm: MmContext, address: bigint, entry: H['pte'], count: number) => { owed: boolean; result: unknown };
}

function done<T>(promise: { readonly owed: boolean; ignore(why: string): T }): { owed: boolean; result: unknown } {
  return { owed: promise.owed, result: promise.ignore('the operation has flushed') };
}

const RANGE_OPERATIONS: readonly Operation[] = [
  { name: 'clear', run: (arch, mm, address, entry, count) => done(arch.ops.pte.clear(mm, address, entry, count)) },
  { name: 'getAndClearFull', run: (arch, mm, address, entry, count) => done(arch.ops.pte.getAndClearFull(mm, address, entry, count)) },
  { name: 'testAndClearYoung', run: (arch, mm, address, entry, count) => done(arch.ops.pte.testAndClearYoung(mm, address, entry, count)) },
  { name: 'wrprotect', run: (arch, mm, address, entry, count) => done(arch.ops.pte.wrprotect(mm, address, entry, count)) },
];

const SINGLE_OPERATIONS: readonly Operation[] = [
  { name: 'getAndClear', run: (arch, mm, address, entry) => done(arch.ops.pte.getAndClear(mm, address, entry)) },
  { name: 'establish', run: (arch, mm, address, entry) => done(arch.ops.pte.establish(mm, address, entry, arch.values.pte.ofPfn(0x777, arch.vmProt(Read | Exec)))) },
  {
    name: 'setAccessFlags',
    run: (arch, mm, address, entry) => {
      const { pte } = arch.values;
      return done(arch.ops.pte.setAccessFlags(mm, address, entry, pte.mkdirty(pte.mkwrite(pte.mkyoung(arch.ops.pte.get(entry))))));
    },
  },
  {
    name: 'modifyProtStart and modifyProtCommit',
    run: (arch, mm, address, entry) => {
      const old = arch.ops.pte.modifyProtStart(mm, address, entry);
      const between = arch.ops.pte.get(entry);
      const commit = done(arch.ops.pte.modifyProtCommit(mm, address, entry, old, arch.values.pte.modify(old, arch.vmProt(Read))));
      return { owed: commit.owed, result: [old, between] };
    },
  },
];

/** How a page-table entry was made. */
interface Page {
  readonly prot: number;
  readonly old: boolean;
  readonly dirty: boolean;
  readonly soft: boolean;
  /** I is set although the entry is young and readable. */
  readonly invalid: boolean;
}

const pages: fc.Arbitrary<Page[]> = fc.array(
  fc.record({
    prot: fc.constantFrom(0, Read, Read | Write | Shared, Read | Exec, Read | Write | Exec | Shared),
    old: fc.boolean(), dirty: fc.boolean(), soft: fc.boolean(), invalid: fc.integer({ min: 0, max: 9 }).map((roll) => roll === 0),
  }),
  { minLength: 1, maxLength: 12 },
);

/** Page-table entries of every kind, for consecutive frames from 0x500 on. */
function entriesOf(arch: WritableArch, list: readonly Page[]): PteVal[] {
  const { pte } = arch.values;
  return list.map(({ prot, old, dirty, soft, invalid }, at) => {
    let value = pte.clearSoftDirty(pte.ofPfn(0x500 + at, arch.vmProt(prot)));
    if (dirty) value = pte.clearSoftDirty(pte.mkdirty(value));
    if (old) value = pte.mkold(value);
    if (soft) value = pte.mksoftDirty(value);
    return invalid ? pte.mkinvalid(value) : value;
  });
}

/** Tables with these entries from index 16 of the page table on. */
function filled(list: readonly Page[], shared: boolean) {
  const tables = memory(shared);
  const made = live(tables);
  const entry = made.arch.ops.pte.advance(made.ptep, 16);
  const values = entriesOf(made.arch, list);
  values.forEach((value, at) => { made.arch.ops.pte.set(made.mm, ADDRESS, made.arch.ops.pte.advance(entry, at), value, 1); });
  return { ...made, tables, entry, values, address: ADDRESS + 0x10000n };
}

describe.each([...RANGE_OPERATIONS, ...SINGLE_OPERATIONS])('$name', ({ name, run }) => {
  const single = SINGLE_OPERATIONS.some((operation) => operation.name === name);

  it('stores I, flushes once, stores the value, and owes nothing', () => {
    fc.assert(fc.property(pages, fc.boolean(), (list, shared) => {
      const { arch, entry, values, address } = filled(list, shared);
      const count = single ? 1 : values.length;
      const recorder = new Recorder();
      const ledger = new FlushLedger();
      // The checker throws at a valid entry that is changed in one step.
      const checker = new BreakBeforeMake(arch, recorder);
      const observer: EntryObserver = {
        changing: (level, at, old, value) => {
          recorder.changing(level, at, old, value);
          checker.changing(level, at, old, value);
        },
      };
      expect(run(arch, { user: true, tlb: checker, observer, ledger }, address, entry, count).owed).toBe(false);
      ledger.close();
      const before = values.slice(0, count);
      const at = recorder.events.findIndex((event) => 'flush' in event);
      const invalidated = new Set<bigint>();
      if (at >= 0) {
        expect(recorder.flushes()).toEqual([{ start: address, end: address + BigInt(count) * 4096n, level: 'pte', tables: false }]);
        for (const event of recorder.events.slice(0, at)) {
          if ('flush' in event) throw new Error('the first flush is further on');
          expect(event.value).toBe(event.old | 0x400n);
          expect(event.old).toBe(before[Number((event.address - address) / 4096n)]);
          invalidated.add(event.address);
        }
      }
      expect(at >= 0).toBe(invalidated.size > 0);
      // A valid entry that is not what it was went through I.
      before.forEach((value, index) => {
        const page = address + BigInt(index) * 4096n;
        if ((value & 0x400n) === 0n && arch.ops.pte.get(arch.ops.pte.advance(entry, index)) !== value) expect(invalidated.has(page)).toBe(true);
        if ((value & 0x400n) !== 0n) expect(invalidated.has(page)).toBe(false);
      });
    }));
  });

  it('is invalid in memory when the flush is asked for, without anybody watching', () => {
    fc.assert(fc.property(pages, fc.boolean(), (list, shared) => {
      const { arch, entry, values, address } = filled(list, shared);
      const count = single ? 1 : values.length;
      const spy = new Spy();
      const seen: bigint[][] = [];
      const now = () => values.slice(0, count).map((_, at) => BigInt(arch.ops.pte.get(arch.ops.pte.advance(entry, at))));
      spy.look = () => { seen.push(now()); };
      run(arch, { user: true, tlb: spy }, address, entry, count);
      const after = now();
      expect(spy.ranges.length).toBeLessThanOrEqual(1);
      for (const during of seen) during.forEach((value, at) => { if (value !== values[at]) expect(value).toBe(values[at]! | 0x400n); });
      values.slice(0, count).forEach((value, at) => { if ((value & 0x400n) === 0n && after[at] !== value) expect(seen[0]?.[at]).toBe(value | 0x400n); });
    }));
  });

  it('does the same in shared memory, with an observer, with a TLB and without', () => {
    fc.assert(fc.property(pages, (list) => {
      const results = [false, true].flatMap((shared) =>
        [undefined, new Recorder()].flatMap((observer) =>
          [NO_TLB, new Spy()].map((tlb) => {
            const { arch, entry, tables, values, address } = filled(list, shared);
            const mm: MmContext = { user: true, tlb, ...(observer === undefined ? {} : { observer }) };
            // Between start and commit of a change of protection the entry is the old one with I; the result says so.
            return { ...run(arch, mm, address, entry, single ? 1 : values.length), memory: contents(tables, 'pte') };
          })));
      for (const result of results) expect(result).toEqual(results[0]);
    }));
  });

  if (!single) {
    it('of many is as many of one', () => {
      fc.assert(fc.property(pages, fc.boolean(), fc.boolean(), (list, shared, cached) => {
        const tlb = cached ? new Spy() : NO_TLB;
        const batch = filled(list, shared);
        const all = run(batch.arch, { user: true, tlb }, batch.address, batch.entry, batch.values.length).result;
        const loop = filled(list, shared);
        const each = loop.values.map((_, at) =>
          run(loop.arch, { user: true, tlb }, loop.address + BigInt(at) * 4096n, loop.arch.ops.pte.advance(loop.entry, at), 1).result);
        expect(contents(batch.tables, 'pte')).toEqual(contents(loop.tables, 'pte'));
        if (name === 'testAndClearYoung') expect(all).toBe(each.includes(true));
        if (name === 'getAndClearFull') {
          const { pte } = batch.arch.values;
          let first = each[0] as PteVal;
          for (const other of each.slice(1) as PteVal[]) {
            if (pte.young(other)) first = pte.mkyoung(first);
            if (pte.dirty(other)) first = pte.mkdirty(first);
          }
          expect(all).toBe(first);
        }
      }));
    });
  }
});

describe('golden operations', () => {
  it('wrprotect keeps what is not present, and dirty', () => {
    for (const shared of [false, true]) {
      for (const tlb of [NO_TLB, new Spy()]) {
        const tables = memory(shared);
        const { arch, mm, ptep } = live(tables);
        const swap = arch.values.pte.ofSwap(3, 0x20n);
        [0x50013dn, swap, 0x501331n, 0x400n, 0x502601n].forEach((value, at) => { arch.ops.pte.set(mm, ADDRESS, arch.ops.pte.advance(ptep, at), value as PteVal, 1); });
        expect(arch.ops.pte.wrprotect({ user: true, tlb }, ADDRESS, ptep, 5).owed).toBe(false);
        expect(contents(tables, 'pte').slice(0, 5)).toEqual([0x50031dn, swap, 0x501311n, 0x400n, 0x502601n]);
      }
    }
  });

  it('getAndClearFull takes young and dirty of present pages alone', () => {
    for (const shared of [false, true]) {
      for (const tlb of [NO_TLB, new Spy()]) {
        const tables = memory(shared);
        const { arch, mm, ptep } = live(tables);
        // Type 3 stands where a page has young and dirty.
        const values = [0x500731n, arch.values.pte.ofSwap(3, 0x20n), 0x502739n, 0x400n];
        values.forEach((value, at) => { arch.ops.pte.set(mm, ADDRESS, arch.ops.pte.advance(ptep, at), value as PteVal, 1); });
        expect(arch.ops.pte.getAndClearFull({ user: true, tlb }, ADDRESS, ptep, 2).ignore('none was valid')).toBe(0x500731n);
        [0x500731n, values[1]!].forEach((value, at) => { arch.ops.pte.set(mm, ADDRESS, arch.ops.pte.advance(ptep, at), value as PteVal, 1); });
        // Dirty and writable: P goes. Soft dirty comes.
        expect(arch.ops.pte.getAndClearFull({ user: true, tlb }, ADDRESS, ptep, 4).ignore('none was valid')).toBe(0x50053bn);
        expect(contents(tables, 'pte').slice(0, 4)).toEqual([0x400n, 0x400n, 0x400n, 0x400n]);
      }
    }
  });

  it('set writes consecutive pages, or the same swap entry', () => {
    for (const shared of [false, true]) {
      const tables = memory(shared);
      const { arch, mm, ptep } = live(tables);
      arch.ops.pte.set(mm, ADDRESS, ptep, arch.values.pte.ofPfn(0xfffff, arch.vmProt(Read)), 3);
      const swap = arch.values.pte.ofSwap(3, 0x20n);
      arch.ops.pte.set(mm, ADDRESS + 0x3000n, arch.ops.pte.advance(ptep, 3), swap, 2);
      expect(contents(tables, 'pte').slice(0, 6)).toEqual([0xfffff315n, 0x100000315n, 0x100001315n, swap, swap, 0x400n]);
      expect(arch.ops.pte.batch(ptep, arch.ops.pte.get(ptep), 6, {})).toBe(3);
    }
  });

  it('a batch overlooks young and writable, and what it is told to', () => {
    const { arch, mm, ptep } = live(memory(false));
    const { pte } = arch.values;
    const page = pte.mkdirty(pte.ofPfn(0x500, arch.vmProt(Read | Write | Shared)));
    const list = [page, pte.mkold(pte.advancePfn(page, 1)), pte.wrprotect(pte.advancePfn(page, 2)), pte.mkclean(pte.advancePfn(page, 3)), pte.clearSoftDirty(pte.advancePfn(page, 4))];
    list.forEach((value, at) => { arch.ops.pte.set(mm, ADDRESS, arch.ops.pte.advance(ptep, at), value, 1); });
    const count = (ignore: { dirty?: boolean; softDirty?: boolean }) => arch.ops.pte.batch(ptep, page, 10, ignore);
    expect([count({}), count({ dirty: true }), count({ dirty: true, softDirty: true })]).toEqual([3, 4, 5]);
  });

  it('large pages are changed by IDTE, at both levels', () => {
    const tables = memory(false);
    const { arch, mm, pudp } = live(tables);
    const { values, ops } = arch;
    const recorder = new Recorder();
    const watched = { user: true, tlb: recorder, observer: recorder };
    const entry = ops.pud.advance(pudp, 1);
    const address = ADDRESS - (ADDRESS % (1n << 31n)) + (1n << 31n);
    const page = values.pud.mkgroup(values.pud.ofPfn(0x100000, arch.vmProt(Read | Write | Shared)), 1);
    ops.pud.hugeSet(mm, address, entry, page, 1);
    expect(ops.pud.hugeGet(entry, 1)).toBe(0x100001707n);
    const dirty = ops.pud.hugeSetAccessFlags(watched, address, entry, values.pud.mkdirty(page), 1);
    expect([dirty.owed, dirty.ignore('flushed')]).toEqual([false, true]);
    expect(recorder.flushes()).toEqual([{ start: address, end: address + (1n << 31n), level: 'pud', tables: false }]);
    expect(ops.pud.get(entry)).toBe(0x100007507n);
    ops.pud.hugeWrprotect(watched, address, entry, 1).flush();
    expect(ops.pud.get(entry)).toBe(0x100007705n);
    expect(ops.pud.testAndClearYoung(watched, address, entry, 1).flush()).toBe(true);
    expect(ops.pud.get(entry)).toBe(0x100006725n);
    expect(recorder.flushes().length).toBe(3);
    // Now it is invalid: nothing is left to flush.
    expect(ops.pud.hugeGetAndClear(watched, address, entry, 1).flush()).toBe(0x100006725n);
    expect(recorder.flushes().length).toBe(3);
    expect(ops.pud.get(entry)).toBe(0x24n);
  });

  it('a table entry that is cleared takes what is cached of tables along', () => {
    for (const shared of [false, true]) {
      const { arch, pmdp } = live(memory(shared));
      const spy = new Spy();
      arch.ops.pmd.clear({ user: true, tlb: spy }, ADDRESS, pmdp, 1).flush();
      expect(spy.ranges).toEqual([{ start: ADDRESS, end: ADDRESS + 0x100000n, level: 'pmd', tables: true }]);
      expect(arch.ops.pmd.get(pmdp)).toBe(0x20n);
    }
  });

  it('has nothing for a batch of flushes to do', () => {
    const { arch, ptep, mm } = live(memory(false));
    const spy = new Spy();
    arch.ops.pte.set(mm, ADDRESS, ptep, arch.values.pte.ofPfn(1, arch.vmProt(Read)), 1);
    const gather = new MmuGather({ user: true, tlb: spy });
    arch.ops.pte.getAndClear({ user: true, tlb: spy }, ADDRESS, ptep).gather(gather);
    expect(gather.pending).toEqual([]);
    expect(spy.ranges.length).toBe(1);
  });

  it('what was written is what a scan sees, before Linux 6.14 and after', () => {
    for (const release of ['6.12.0', '6.14.0']) {
      const { arch, mm, ptep, pudp } = live(memory(false), release);
      arch.ops.pte.set(mm, ADDRESS, ptep, arch.values.pte.ofPfn(0x500, arch.vmProt(Read)), 8);
      const out = new ScanBuffer();
      arch.ops.pte.scan(ptep, 0, 9, scanFilter(true), out);
      expect([out.count, out.kind[0], out.length[0], out.pa[0], out.kind[1]]).toEqual([2, EntryKind.Leaf, 8, 0x500000, EntryKind.None]);
      const pmdp = arch.ops.pud.offset(pudp, ADDRESS + 0x100000n)!;
      arch.ops.pmd.set(mm, ADDRESS, pmdp, arch.values.pmd.mkhuge(arch.values.pmd.ofPfn(0x300, arch.vmProt(Read | Write | Shared))), 2);
      out.count = 0;
      arch.ops.pmd.scan(pmdp, 0, 2, scanFilter(true), out);
      expect([out.count, out.kind[0], out.length[0], out.pa[0]]).toEqual([1, EntryKind.Leaf, 2, 0x300000]);
      expect(arch.describe('pmd', out.lo[0]!, out.hi[0]!, 0).flags).toEqual(expect.arrayContaining(['LARGE', 'READ', 'WRITE', 'YOUNG']));
    }
  });
});

/** Opaque where people go most, aliases elsewhere. */
interface MixedHandles {
  pte: HwHandle<'pte'>;
  pmd: EntryPtr<'pmd'>;
  pud: HwHandle<'pud'>;
  p4d: EntryPtr<'p4d'>;
  pgd: EntryPtr<'pgd'>;
}

describe('handle families', () => {
  function story<H extends TableHandles>(): bigint[] {
    const tables = memory(false);
    const { arch, mm, ptep } = live<H>(tables);
    arch.ops.pte.set(mm, ADDRESS, ptep, arch.values.pte.ofPfn(0x500, arch.vmProt(Read | Write | Shared)), 4);
    arch.ops.pte.wrprotect(mm, ADDRESS, ptep, 2).flush();
    return contents(tables, 'pte').slice(0, 5);
  }

  it('are all the same at run time', () => {
    const expected = [0x500315n, 0x501315n, 0x502335n, 0x503335n, 0x400n];
    expect(story<S390Handles>()).toEqual(expected);
    expect(story<AliasHandles>()).toEqual(expected);
    expect(story<StrongHandles>()).toEqual(expected);
    expect(story<MixedHandles>()).toEqual(expected);
  });
});
