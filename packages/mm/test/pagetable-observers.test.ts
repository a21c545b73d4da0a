import { MmuGather, NO_TLB, type EntryObserver, type EntryVal, type EntryValues, type Level, type TableHandles } from '@pgtable/core';
import { afterEach, describe, expect, it } from 'vitest';
import { FrameType, FrameWord, observers, PageTableCheck, setCurrentThread, StaleTranslations, WriteProtectedTables } from '../src/index.js';
import { ALL, EFI, Flushes, INIT, machine, Space, type Machine } from './pagetable-machine.js';

afterEach(() => {
  setCurrentThread(undefined);
});

const WRITE = 3;
const valuesOf = (space: Space, level: Level): EntryValues => space.arch.values[level];
const leaf = (space: Space, pfn: number, flags = WRITE): EntryVal<'pte'> => space.arch.values.pte.ofPfn(pfn, space.mm.user ? space.arch.vmProt(flags) : space.arch.kernelProt(flags));
/** Writable, as a fault makes it. */
const writable = (space: Space, pfn: number): EntryVal<'pte'> => space.arch.values.pte.mkwrite(leaf(space, pfn));

function all(m: Machine): { space: Space; stale: StaleTranslations<TableHandles>; check: PageTableCheck<TableHandles>; guard: WriteProtectedTables<TableHandles>; flushes: Flushes } {
  const flushes = new Flushes();
  const guard = new WriteProtectedTables(m.pageTables, { user: m.user, kernel: m.kernel });
  let stale!: StaleTranslations<TableHandles>;
  let check!: PageTableCheck<TableHandles>;
  const space = new Space(m, (arch, root) => {
    stale = new StaleTranslations(m.frames, arch, root, flushes);
    check = new PageTableCheck(m.frames, arch, root);
    return { tlb: stale, observer: observers(guard.observer(arch, root), check, stale)! };
  });
  return { space, stale, check, guard, flushes };
}

/** Numbers that look random and are the same each time. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) % below;
  };
}

const words = (m: Machine, pfn: number): number[] => [FrameWord.AnonMaps, FrameWord.FileMaps, FrameWord.Stale].map((word) => m.frames.read(pfn, word));

describe('all observers at once', () => {
  it.each(ALL.map(({ name }) => name))('see every write of every accessor: %s', (name) => {
    const m = machine(name, false);
    const { space, stale, guard } = all(m);
    const { pte: values } = space.arch.values;
    const ops = space.arch.ops.pte;
    const { mm } = space;
    const block = m.frames.allocPages(6, FrameType.File);
    const random = numbers(7);
    const batch = new MmuGather(mm);
    const handle = (page: number): TableHandles['pte'] => space.entry('pte', space.at(page));
    const mapped = new Map<number, number>();
    for (let step = 0; step < 400; step++) {
      const page = random(48);
      const address = space.at(page);
      const entry = handle(page);
      const now = ops.get(entry);
      if (values.none(now)) {
        const count = page % 16 === 0 && Array.from({ length: 16 }, (_, more) => page + more).every((one) => !mapped.has(one)) ? 16 : 1;
        // At its place in the block, so that architectures that fold entries do.
        ops.set(mm, address, entry, random(2) === 0 ? leaf(space, block + page) : values.mkyoung(writable(space, block + page)), count);
        for (let done = 0; done < count; done++) mapped.set(page + done, block + page + done);
        continue;
      }
      switch (random(7)) {
        case 0: ops.getAndClear(mm, address, entry).flush(); mapped.delete(page); break;
        case 1: ops.clear(mm, address, entry, 1).gather(batch); mapped.delete(page); break;
        case 2: ops.wrprotect(mm, address, entry, 1).flush(); break;
        case 3: ops.testAndClearYoung(mm, address, entry, 1).ignore('the next look finds it'); break;
        case 4: ops.setAccessFlags(mm, address, entry, values.mkyoung(values.mkdirty(values.mkwrite(now)))).flush(); break;
        case 5: {
          const old = ops.modifyProtStart(mm, address, entry);
          ops.modifyProtCommit(mm, address, entry, old, values.modify(old, space.arch.vmProt(1))).flush();
          break;
        }
        case 6: ops.establish(mm, address, entry, values.mkold(now)).flush(); break;
      }
      if (step % 20 === 0) guard.check();
    }
    guard.check();
    batch.finish();
    stale.assertNothingOwed();
    for (let page = 0; page < 64; page++) expect(words(m, block + page), `page ${page}`).toEqual([0, mapped.has(page) ? 1 : 0, 0]);
    expect(mapped.size).toBeGreaterThan(10);
    expect(() => { m.frames.freePages(block); }).toThrow('it is mapped');
    ops.clear(mm, space.at(0), handle(0), 48).gather(batch);
    if (stale.owed.length > 0) expect(() => { m.frames.freePages(block); }).toThrow('may still be cached');
    batch.finish();
    m.frames.freePages(block);
    space.close(space.at(0));
    guard.check();
    m.pageTables.assertNone();
    m.frames.assertWhole();
  });
});

describe('page_table_check', () => {
  function open(name = 'x86 4-level'): { m: Machine; space: Space } {
    const m = machine(name, false, 1024);
    return { m, space: new Space(m, (arch, root) => ({ tlb: NO_TLB, observer: new PageTableCheck(m.frames, arch, root) })) };
  }

  it.each(['x86 4-level', 'arm64 4K 48-bit', 'riscv Sv39', 's390 pud'])('lets an anonymous page be shared read-only, and never writable: %s', (name) => {
    const { m, space } = open(name);
    const pfn = m.frames.allocPages(0, FrameType.Anon);
    const first = space.entry('pte', space.at(0));
    const second = space.entry('pte', space.at(1));
    const { pte: ops } = space.arch.ops;
    ops.set(space.mm, space.at(0), first, writable(space, pfn), 1);
    // As fork does: both become read-only.
    ops.wrprotect(space.mm, space.at(0), first, 1).ignore('nothing runs here');
    ops.set(space.mm, space.at(1), second, leaf(space, pfn, 1), 1);
    expect(words(m, pfn)).toEqual([2, 0, 0]);
    expect(() => { ops.set(space.mm, space.at(2), space.entry('pte', space.at(2)), writable(space, pfn), 1); }).toThrow('an anonymous page would be mapped writable, and 2 other entries map it');
    expect(() => { ops.establish(space.mm, space.at(0), first, writable(space, pfn)).ignore('nothing runs here'); }).toThrow('and 1 other entries map it');
    expect(words(m, pfn)).toEqual([2, 0, 0]);
    expect(space.arch.values.pte.none(ops.get(space.entry('pte', space.at(2))))).toBe(true);
    ops.clear(space.mm, space.at(0), first, 2).ignore('nothing runs here');
    expect(words(m, pfn)).toEqual([0, 0, 0]);
  });

  it('refuses a frame of two kinds, a free one, and a page table', () => {
    const { m, space } = open();
    const { pte: ops } = space.arch.ops;
    const pfn = m.frames.allocPages(0, FrameType.Anon);
    const entry = space.entry('pte', space.at(0));
    const next = space.entry('pte', space.at(1));
    ops.set(space.mm, space.at(0), entry, leaf(space, pfn), 1);
    m.frames.write(pfn, FrameWord.Type, FrameType.File);
    expect(() => { ops.set(space.mm, space.at(1), next, leaf(space, pfn), 1); }).toThrow('another page would be mapped that 1 entries map as an anonymous one');
    expect(() => { ops.clear(space.mm, space.at(0), entry, 1).ignore('nothing runs here'); }).toThrow('another page would be unmapped that 1 entries map as an anonymous one');
    m.frames.write(pfn, FrameWord.Type, FrameType.Anon);
    expect(() => { m.frames.freePages(pfn); }).toThrow('it is mapped');
    ops.clear(space.mm, space.at(0), entry, 1).ignore('nothing runs here');
    m.frames.freePages(pfn);
    expect(() => { ops.set(space.mm, space.at(1), next, leaf(space, pfn), 1); }).toThrow('a frame that is free would be mapped');
    expect(() => { ops.set(space.mm, space.at(1), next, leaf(space, space.root.table / 4096), 1); }).toThrow('a page table would be mapped');
    expect(words(m, pfn)).toEqual([0, 0, 0]);
  });

  it('refuses to unmap what was never mapped, and to make write-protected entries writable', () => {
    const { m, space } = open();
    const { pte: ops } = space.arch.ops;
    const { pte: values } = space.arch.values;
    const pfn = m.frames.allocPages(0, FrameType.File);
    const entry = space.entry('pte', space.at(0));
    ops.set({ user: true, tlb: NO_TLB }, space.at(0), entry, leaf(space, pfn), 1);
    expect(() => { ops.clear(space.mm, space.at(0), entry, 1).ignore('nothing runs here'); }).toThrow('a page would be unmapped that no entry maps as a file\'s');
    ops.clear({ user: true, tlb: NO_TLB }, space.at(0), entry, 1).ignore('nothing runs here');
    expect(() => { ops.set(space.mm, space.at(0), entry, values.mkwrite(values.mkuffdWp(leaf(space, pfn))), 1); }).toThrow('write-protected for userfaultfd and writable');
    ops.set(space.mm, space.at(0), entry, values.mkuffdWp(leaf(space, pfn, 1)), 1);
    expect(words(m, pfn)).toEqual([0, 1, 0]);
  });

  it('does not count PROT_NONE, swap entries, or memory that is not there', () => {
    const { m, space } = open();
    const { pte: ops } = space.arch.ops;
    const pfn = m.frames.allocPages(0, FrameType.File);
    const entry = space.entry('pte', space.at(0));
    ops.set(space.mm, space.at(0), entry, leaf(space, pfn, 0), 1);
    expect(words(m, pfn)).toEqual([0, 0, 0]);
    ops.establish(space.mm, space.at(0), entry, space.arch.values.pte.ofSwap(1, 5n)).ignore('nothing runs here');
    ops.establish(space.mm, space.at(0), entry, leaf(space, 3)).ignore('nothing runs here');
    ops.establish(space.mm, space.at(0), entry, leaf(space, pfn)).ignore('nothing runs here');
    expect(words(m, pfn)).toEqual([0, 1, 0]);
  });

  it.each(['x86 4-level', 'arm64 4K 48-bit', 'riscv Sv39', 's390 pud'])('counts a huge page by frames, and its split by entries: %s', (name) => {
    const { m, space } = open(name);
    const { mm } = space;
    const values = valuesOf(space, 'pmd');
    const order = Math.log2(Number(space.size('pmd') / space.size('pte')));
    const pfn = m.frames.allocPages(order, FrameType.Anon);
    const address = space.at(1, 'pmd');
    const pmdp = space.entry('pmd', address);
    const huge = values.mkhuge(values.ofPfn(pfn, space.arch.vmProt(1)));
    space.ops('pmd').set(mm, address, pmdp, huge, 1);
    expect([words(m, pfn), words(m, pfn + 2 ** order - 1)]).toEqual([[1, 0, 0], [1, 0, 0]]);
    // The split: a table is filled before it is live.
    const table = m.pageTables.alloc(space.arch, { id: 1, kind: 'user' }, 'pte');
    table.set(0, leaf(space, pfn, 1), 2 ** order);
    space.ops('pmd').establish(mm, address, pmdp, values.mkinvalid(huge)).flush();
    space.ops('pmd').populate(mm, address, pmdp, table);
    expect([words(m, pfn), words(m, pfn + 2 ** order - 1)]).toEqual([[1, 0, 0], [1, 0, 0]]);
    space.arch.ops.pte.clear(mm, address, space.entry('pte', address), 1).flush();
    expect([words(m, pfn), words(m, pfn + 1)]).toEqual([[0, 0, 0], [1, 0, 0]]);
    // The collapse: the table is taken out with what is in it, and then emptied by address.
    const ptep = space.entry('pte', address);
    const gone = space.unlink('pmd', address);
    expect(words(m, pfn + 1)).toEqual([0, 0, 0]);
    space.arch.ops.pte.clear(mm, address, ptep, 2 ** order).flush();
    expect(words(m, pfn + 1)).toEqual([0, 0, 0]);
    m.pageTables.free(gone);
    m.frames.freePages(pfn);
    space.close(address);
    m.frames.assertWhole();
  });
});

describe('stale translations', () => {
  function open(name = 'arm64 4K 48-bit'): { m: Machine; space: Space; stale: StaleTranslations<TableHandles>; flushes: Flushes } {
    const m = machine(name, false);
    const flushes = new Flushes();
    let stale!: StaleTranslations<TableHandles>;
    const space = new Space(m, (arch, root) => {
      stale = new StaleTranslations(m.frames, arch, root, flushes);
      return { tlb: stale, observer: stale };
    });
    return { m, space, stale, flushes };
  }

  it.each(['x86 4-level', 'arm64 4K 48-bit', 'riscv Sv39'])('keep a frame from being freed before the flush: %s', (name) => {
    const { m, space, stale, flushes } = open(name);
    const { pte: ops } = space.arch.ops;
    const pfn = m.frames.allocPages(0);
    const address = space.at(3);
    const entry = space.entry('pte', address);
    ops.set(space.mm, address, entry, space.arch.values.pte.mkyoung(leaf(space, pfn)), 1);
    const promise = ops.getAndClear(space.mm, address, entry);
    expect(() => { m.frames.freePages(pfn); }).toThrow('1 translation to it may still be cached');
    expect(stale.owed.map((debt) => [debt.level, debt.address, debt.frames])).toEqual([['pte', address, [[pfn, pfn + 1]]]]);
    expect(() => { stale.assertNothingOwed(); }).toThrow(`1 changes were not flushed: the pte entry 0x`);
    // Flushes of other addresses do not help.
    stale.flush({ start: space.at(4), end: space.at(9), level: 'pte', tables: true });
    expect(stale.owed.length).toBe(1);
    promise.flush();
    expect(flushes.ranges.length).toBe(2);
    stale.assertNothingOwed();
    m.frames.freePages(pfn);
  });

  it('owe nothing for rights, for an entry that comes back, and for tables that are not live', () => {
    const { m, space, stale } = open();
    const { pte: ops } = space.arch.ops;
    const { pte: values } = space.arch.values;
    const [pfn, other] = [m.frames.allocPages(0), m.frames.allocPages(0)];
    const entry = space.entry('pte', space.at(0));
    ops.set(space.mm, space.at(0), entry, values.mkyoung(writable(space, pfn)), 1);
    ops.wrprotect(space.mm, space.at(0), entry, 1).ignore('rights are not looked at here');
    expect(words(m, pfn)).toEqual([0, 0, 0]);
    const old = ops.modifyProtStart(space.mm, space.at(0), entry);
    expect(words(m, pfn)).toEqual([0, 0, 1]);
    ops.modifyProtCommit(space.mm, space.at(0), entry, old, old).ignore('nothing changed');
    expect(words(m, pfn)).toEqual([0, 0, 0]);
    ops.establish(space.mm, space.at(0), entry, values.mkyoung(leaf(space, other))).ignore('a fault that is seen');
    expect([words(m, pfn), words(m, other)]).toEqual([[0, 0, 1], [0, 0, 0]]);
    stale.forgetAll();
    expect(words(m, pfn)).toEqual([0, 0, 0]);
    const gone = space.unlink('pmd', space.at(0));
    ops.clear(space.mm, space.at(0), entry, 1).ignore('the table is not live');
    expect(words(m, other)).toEqual([0, 0, 0]);
    stale.assertNothingOwed();
    m.pageTables.free(gone);
  });

  it('keep a table, and what it maps, until a flush of tables', () => {
    const { m, space, stale } = open();
    const { pte: ops } = space.arch.ops;
    const pfn = m.frames.allocPages(0);
    const address = space.at(0);
    ops.set(space.mm, address, space.entry('pte', address), space.arch.values.pte.mkyoung(leaf(space, pfn)), 1);
    const pmdp = space.live.find('pmd', address)!;
    const promise = space.ops('pmd').unlink(space.mm, address, pmdp);
    const { address: table } = promise.map((gone) => gone).ignore('to see what happens');
    expect(() => { m.frames.freePages(pfn); }).toThrow('may still be cached');
    expect(() => { m.pageTables.free(table); }).toThrow('translations through it may still be cached (1)');
    stale.flush({ start: address, end: address + space.size('pmd'), level: 'pte', tables: false });
    expect(stale.owed.length).toBe(1);
    stale.flush({ start: address, end: address + space.size('pte'), level: 'pte', tables: true });
    expect(stale.owed.length).toBe(1);
    stale.flush({ start: address, end: address + space.size('pmd'), level: 'pte', tables: true });
    m.frames.freePages(pfn);
    m.pageTables.free(table);
  });
});

describe('write protection', () => {
  function open(name = 'x86 4-level', owner = EFI): { m: Machine; space: Space; guard: WriteProtectedTables<TableHandles>; index: number; table: number } {
    const m = machine(name, false);
    const guard = new WriteProtectedTables(m.pageTables, { user: m.user, kernel: m.kernel });
    const space = new Space(m, (arch, root) => ({ tlb: NO_TLB, observer: guard.observer(arch, root) }), owner);
    const ptep = space.entry('pte', space.at(0));
    const table = space.arch.ops.pte.entryAddress(ptep);
    return { m, space, guard, table, index: (table - m.frames.base) / 8 };
  }

  it('finds a stray write at a checkpoint, with the entry', () => {
    const { m, guard, index, table } = open();
    guard.check();
    m.tables.elements[index + 5] = 0xbadn;
    m.tables.elements[index + 7] = 0xdeadn;
    expect(() => { guard.check(); }).toThrow(`a stray write to the pte table at physical address 0x${table.toString(16)} of owner 2: entry 5 is 0xbad and should be 0x0, entry 7 is 0xdead and should be 0x0`);
    m.tables.elements.fill(m.user.values.pte.empty, index, index + 512);
    guard.check();
    m.frames.ram[index * 2 + 1] = 1;
    expect(() => { guard.check(); }).toThrow('entry 0 is 0x100000000 and should be 0x0');
  });

  it('finds it when an accessor comes to the entry, and when the table stops to be live', () => {
    const { m, space, index } = open();
    const { pte: ops } = space.arch.ops;
    m.tables.elements[index + 5] = 0xbadn;
    expect(() => { ops.set(space.mm, space.at(5), space.entry('pte', space.at(5)), leaf(space, 9), 1); }).toThrow('entry 5 is 0xbad and should be 0x0');
    ops.set(space.mm, space.at(6), space.entry('pte', space.at(6)), leaf(space, 9), 1);
    expect(() => space.unlink('pmd', space.at(0))).toThrow('entry 5 is 0xbad and should be 0x0');
    m.tables.elements[index + 5] = m.user.values.pte.empty;
    const table = space.unlink('pmd', space.at(0));
    // Not live any more: whoever has it writes to it.
    m.tables.elements[index + 5] = 0xbadn;
    m.pageTables.free(table);
  });

  it('finds it in a root when that is destroyed, and in tables of tables', () => {
    const { m, space, guard } = open();
    const root = (space.root.table - m.frames.base) / 8;
    m.tables.elements[root + 9] = 1n;
    expect(() => { m.pageTables.free(space.root.table); }).toThrow(/a stray write to the pgd table .* entry 9 is 0x1 and should be 0x0/);
    m.tables.elements[root + 9] = m.user.values.pte.empty;
    const pud = (space.arch.ops.pud.entryAddress(space.entry('pud', space.at(0))) - m.frames.base) / 8;
    m.tables.elements[pud + 3] = 1n;
    expect(() => { space.unlink('pgd', space.at(0)); }).toThrow('entry 3 is 0x1');
    expect(() => { guard.check(); }).toThrow('entry 3 is 0x1');
  });

  it('takes young and dirty marks for the hardware\'s, and nothing else', () => {
    const { m, space, guard, index } = open();
    const { pte: values } = space.arch.values;
    const value = values.mkclean(values.mkold(leaf(space, 9)));
    space.arch.ops.pte.set(space.mm, space.at(2), space.entry('pte', space.at(2)), value, 1);
    m.tables.elements[index + 2] = values.mkdirty(values.mkyoung(value));
    guard.check();
    space.arch.ops.pte.testAndClearYoung(space.mm, space.at(2), space.entry('pte', space.at(2)), 1).ignore('nothing runs here');
    guard.check();
    m.tables.elements[index + 2] = values.advancePfn(value, 1);
    expect(() => { guard.check(); }).toThrow('entry 2 is 0x');
  });

  it('knows what a table was filled with before it was live, and is one shadow for all threads', () => {
    const { m, space, guard } = open();
    const other = new WriteProtectedTables(m.pageTables, { user: m.user, kernel: m.kernel }, guard.share());
    const observer = other.observer(space.arch, space.root);
    const table = m.pageTables.alloc(space.arch, EFI, 'pte');
    table.set(3, leaf(space, 9), 4);
    space.ops('pmd').populate({ ...space.mm, observer }, space.at(1, 'pmd'), space.entry('pmd', space.at(1, 'pmd')), table);
    guard.check();
    const at = (table.address - m.frames.base) / 8;
    m.tables.elements[at + 4] = m.user.values.pte.empty;
    expect(() => { guard.check(); }).toThrow('entry 4 is 0x0 and should be 0x');
    expect(() => { other.check(); }).toThrow('entry 4 is 0x0 and should be 0x');
    other.close();
  });

  it('protects early tables from the time on that constructors can run', () => {
    const { m, guard } = open();
    const table = m.pageTables.allocEarly(m.kernel, INIT, 'pte');
    table.set(1, m.kernel.values.pte.ofPfn(3, m.kernel.kernelProt(1)));
    const at = (table.address - m.frames.base) / 8;
    m.tables.elements[at + 2] = 5n;
    m.pageTables.constructEarly([INIT]);
    guard.check();
    m.tables.elements[at + 2] = 6n;
    expect(() => { guard.check(); }).toThrow('of owner 0: entry 2 is 0x6 and should be 0x5');
    expect(() => { m.pageTables.free(table.address); }).toThrow('entry 2 is 0x6');
    m.tables.elements[at + 2] = 5n;
    m.pageTables.free(table.address);
    guard.check();
  });

  it('says when a protected table was given away without its destructor', () => {
    const { m, guard, table } = open();
    m.frames.write(table / 4096, FrameWord.Table, 0);
    expect(() => { guard.check(); }).toThrow('is none any more, and its destructor did not run');
  });

  it('looks away when it is closed', () => {
    const { m, space, guard } = open();
    guard.close();
    m.tables.elements[(space.root.table - m.frames.base) / 8 + 9] = 1n;
    m.pageTables.free(space.root.table);
    expect(() => { guard.check(); }).toThrow('is none any more');
  });
});

describe('observers()', () => {
  const one = (name: string, log: string[]): EntryObserver => ({ changing: (level, address, old, value) => void log.push(`${name} ${level} ${address} ${old} ${value}`) });

  it('tells each, in order; one alone is itself; none is none', () => {
    const log: string[] = [];
    const [a, b] = [one('a', log), one('b', log)];
    expect(observers()).toBeUndefined();
    expect(observers(undefined, a)).toBe(a);
    const m = machine('x86 4-level');
    observers(a, undefined, b)!.changing('pte', 5n, m.user.values.pte.empty, m.user.values.pte.empty);
    expect(log).toEqual(['a pte 5 0 0', 'b pte 5 0 0']);
  });
});
