import { geometryOf, LEVELS, pmdNone, type EntryValues, type Level } from '@pgtable/core';
import { afterEach, describe, expect, it } from 'vitest';
import { FrameType, FrameWord, TableWord } from '../src/frames/memmap.js';
import { lockClasses, PageTables, pteAllocOneKernel, pteFreeKernel, setCurrentThread, spinLock, spinUnlock, type TableInfo } from '../src/index.js';
import { ALL, EFI, INIT, machine, SHAPES, USER, type Machine } from './pagetable-machine.js';

afterEach(() => {
  setCurrentThread(undefined);
});

const levelsOf = ({ user }: Machine): Level[] => LEVELS.filter((level) => !geometryOf(user.geometry, level).folded);
const archOf = (m: Machine, kind: string): Machine['user'] => (kind === 'user' ? m.user : m.kernel);

/** All is as it was before the first table. */
function expectQuiet(m: Machine): void {
  m.pageTables.assertNone();
  expect([m.frames.free, m.tables.tables]).toEqual([m.boot, 0]);
  m.frames.assertWhole();
  expect(m.counters.every((word) => word === 0)).toBe(true);
}

describe('constructors', () => {
  it.each(ALL.map(({ name }) => name))('run at every level for every owner, and are undone: %s', (name) => {
    const m = machine(name);
    const { pageTables, frames } = m;
    const told: string[] = [];
    pageTables.addHook({ constructed: (table) => void told.push(`+${table.level} ${table.owner}`), destroying: (table) => void told.push(`-${table.level} ${table.owner}`) });
    const expected: string[] = [];
    for (const owner of [INIT, USER, EFI]) {
      for (const level of levelsOf(m)) {
        const arch = archOf(m, owner.kind);
        const { entries } = geometryOf(arch.geometry, level);
        const table = pageTables.alloc(arch, owner, level);
        expect([table.level, table.entries, table.live]).toEqual([level, entries, false]);
        expect(table.address % (entries * arch.geometry.entryBytes)).toBe(0);
        const values: EntryValues = arch.values[level];
        for (const index of [0, entries - 1]) expect(values.none(table.get(index))).toBe(true);
        const lock = owner.kind !== 'init' && (level === 'pte' || level === 'pmd');
        const size = Math.max(1, Math.ceil((entries * arch.geometry.entryBytes) / frames.pageBytes));
        expect(pageTables.info(table.address)).toEqual({
          address: table.address, pfn: table.address / frames.pageBytes, frames: size, level, owner: owner.id, user: owner.kind === 'user', lockInitialised: lock, early: false,
        });
        expect([pageTables.nrPageTables(), pageTables.nrPageTables(level), pageTables.nrPageTables(level, owner.id), pageTables.nrPageTables(undefined, owner.id)]).toEqual([1, 1, 1, 1]);
        expect([pageTables.nrPageTables(undefined, 9), pageTables.locksInitialised(), pageTables.locksInitialised(owner.id)]).toEqual([0, lock ? 1 : 0, lock ? 1 : 0]);
        if (lock) expect(pageTables.lockWord(table.address)).toBe(frames.word(table.address / frames.pageBytes, FrameWord.TableLock));
        else expect(() => pageTables.lockWord(table.address)).toThrow(`the ${level} table has none`);
        pageTables.free(table.address);
        expected.push(`+${level} ${owner.id}`, `-${level} ${owner.id}`);
      }
    }
    expect(told).toEqual(expected);
    expectQuiet(m);
  });

  it('give a table the words of no frame\'s earlier life', () => {
    const m = machine('x86 4-level');
    const pfn = m.frames.allocPages(0);
    m.frames.ram.fill(-1, (pfn - m.frames.firstPfn) * 1024, (pfn - m.frames.firstPfn + 1) * 1024);
    m.frames.write(pfn, FrameWord.TableLock, 77);
    m.frames.write(pfn, FrameWord.Next, 5);
    m.frames.write(pfn, FrameWord.Deposit, 6);
    const table = m.pageTables.construct(m.user, USER, 'pmd', pfn * 4096);
    expect(Array.from({ length: 512 }, (_, index) => table.get(index)).every((value) => pmdNone(m.user, value))).toBe(true);
    expect([FrameWord.TableLock, FrameWord.Next, FrameWord.Deposit].map((word) => m.frames.read(pfn, word))).toEqual([0, 0, 0]);
    m.pageTables.destroy(table.address);
    expect(m.frames.read(pfn, FrameWord.Type)).toBe(FrameType.Allocated);
    m.frames.freePages(pfn);
    expectQuiet(m);
  });

  it('may be refused by a hook, and then there is no table', () => {
    const m = machine('s390 pud');
    const off = m.pageTables.addHook({ constructed: ({ level }) => { if (level === 'pmd') throw new Error('not that one'); } });
    const pte = m.pageTables.alloc(m.user, USER, 'pte');
    expect(() => m.pageTables.alloc(m.user, USER, 'pmd')).toThrow('not that one');
    expect([m.pageTables.nrPageTables(), m.pageTables.locksInitialised(), m.frames.free]).toEqual([1, 1, m.boot - 1]);
    off();
    m.pageTables.free(m.pageTables.alloc(m.user, USER, 'pmd').address);
    m.pageTables.free(pte.address);
    expectQuiet(m);
  });

  it('know the tables of the kernel, of whatever special kind', () => {
    const m = machine('riscv Sv48');
    const [init, efi] = [INIT, EFI].map((owner) => pteAllocOneKernel(m.pageTables, m.kernel, owner).address) as [number, number];
    expect([m.pageTables.locksInitialised(INIT.id), m.pageTables.locksInitialised(EFI.id), m.pageTables.nrPageTables('pte')]).toEqual([0, 1, 2]);
    expect(() => pteAllocOneKernel(m.pageTables, m.user, USER)).toThrow('wanted for the process 1');
    const user = m.pageTables.alloc(m.user, USER, 'pte').address;
    const pmd = m.pageTables.alloc(m.kernel, INIT, 'pmd').address;
    expect(() => { pteFreeKernel(m.pageTables, user); }).toThrow('it is a pte table of a process');
    expect(() => { pteFreeKernel(m.pageTables, pmd); }).toThrow('it is a pmd table of the kernel');
    pteFreeKernel(m.pageTables, init);
    pteFreeKernel(m.pageTables, efi);
    m.pageTables.free(user);
    m.pageTables.free(pmd);
    expectQuiet(m);
  });
});

describe('destructors', () => {
  it('may be refused by a hook, and then the table stays', () => {
    const m = machine('x86 4-level');
    const table = m.pageTables.alloc(m.user, USER, 'pte');
    const off = m.pageTables.addHook({ destroying: () => { throw new Error('still needed'); } });
    expect(() => { m.pageTables.free(table.address); }).toThrow('still needed');
    expect(m.pageTables.info(table.address).level).toBe('pte');
    off();
    m.pageTables.free(table.address);
    expectQuiet(m);
  });
});

describe('another thread\'s object', () => {
  it('frees by the address alone, and has the same accounts', () => {
    const m = machine('s390 pud');
    const other = new PageTables(m.frames, m.tables, m.counters, 8);
    const { address } = m.pageTables.alloc(m.user, USER, 'pmd');
    expect([other.nrPageTables('pmd', 1), other.lockWord(address), other.lockWord(address + 3 * 4096 + 8)]).toEqual([1, m.pageTables.lockWord(address), m.pageTables.lockWord(address)]);
    other.free(address);
    expectQuiet(m);
  });
});

describe('errors', () => {
  it('says what was tried with a table that is none', () => {
    const m = machine('s390 pud');
    const { pageTables, frames } = m;
    const page = frames.pageBytes;
    const pmd = pageTables.alloc(m.user, USER, 'pmd').address;
    const plain = frames.allocPages(0);
    expect(() => { pageTables.free(plain * page); }).toThrow(/free a page table at physical address 0x\w+: the frame is no page table; no constructor has run/);
    expect(() => { pageTables.free(pmd + page); }).toThrow(/that is inside of the pmd table at 0x/);
    expect(() => { pageTables.free(pmd + 8); }).toThrow(/that is inside of the pmd table at 0x/);
    expect(() => { pageTables.free(12); }).toThrow(/memory is \[0x400000, 0x600000\)/);
    expect(() => { pageTables.free(Number.NaN); }).toThrow(/memory is/);
    expect(() => pageTables.construct(m.user, USER, 'pmd', pmd)).toThrow('it is a pmd table already');
    expect(() => pageTables.construct(m.user, USER, 'pmd', plain * page)).toThrow('the block has 4096 bytes, the table 16384');
    expect(() => pageTables.construct(m.user, { ...USER, id: 1024 }, 'pte', plain * page)).toThrow('for owner 1024');
    expect(() => pageTables.alloc(m.user, { ...USER, id: -1 }, 'pte')).toThrow('for owner -1');
    frames.freePages(plain);
    expect(() => pageTables.construct(m.user, USER, 'pte', plain * page)).toThrow('is not the first of frames that were given out');
    pageTables.free(pmd);
    expect(() => { pageTables.free(pmd); }).toThrow('the frame is free; the table that was there was freed already');
    expect(() => pageTables.lockWord(pmd)).toThrow('the frame is free');
    expect(() => pageTables.adopt(m.user, 'pmd', pmd)).toThrow('adopt a pmd table at physical address');
    expectQuiet(m);
  });

  it('refuses levels that do not exist, and frames of another size', () => {
    const m = machine('riscv Sv32');
    expect(() => m.pageTables.alloc(m.user, USER, 'pud')).toThrow('the level is folded');
    const large = machine('arm64 64K 48-bit');
    expect(() => large.pageTables.alloc(m.user, USER, 'pte')).toThrow('frames have 65536 bytes, the architecture\'s pages 4096');
    expect(() => new PageTables(m.frames, m.tables, new Int32Array(12), 0)).toThrow('do not fit in words [0, 12)');
    expectQuiet(m);
    expectQuiet(large);
  });

  it('runs out of memory with the level and the owner', () => {
    const m = machine('x86 4-level');
    const all: number[] = [];
    expect(() => { for (;;) all.push(m.pageTables.alloc(m.user, USER, 'pte').address); }).toThrow(/no memory for a pte table of 4096 bytes for owner 1: no block of order 0/);
    expect([all.length, m.pageTables.nrPageTables('pte', 1)]).toEqual([m.boot, m.boot]);
    expect(() => { m.pageTables.assertNone(1); }).toThrow(/512 page tables of owner 1 were not freed \(512 pte, 0 pmd, 0 pud, 0 p4d, 0 pgd\): pte table at 0x400000, .* and 504 more/);
    for (const address of all) m.pageTables.free(address);
    expectQuiet(m);
  });

  it('frees a table to which somebody has a reference who found its frame without a lock, when that is given back', () => {
    const m = machine('riscv Sv48');
    const { address } = m.pageTables.alloc(m.user, USER, 'pte');
    const pfn = address / m.frames.pageBytes;
    const { free } = m.frames;
    expect(m.frames.tryGet(pfn)).toBe(true);
    m.pageTables.free(address);
    expect([m.frames.free, m.pageTables.nrPageTables()]).toEqual([free, 0]);
    m.frames.put(pfn);
    expect(m.frames.free).toBe(free + 1);
    expectQuiet(m);
  });

  it('refuses to free a table whose lock is held, or that may still be cached', () => {
    const m = machine('arm64 64K 48-bit');
    const { address } = m.pageTables.alloc(m.user, USER, 'pte');
    const pfn = address / m.frames.pageBytes;
    const lock = m.pageTables.lockWord(address);
    spinLock(m.frames.memmap, lock, lockClasses.ptePtl);
    expect(() => { m.pageTables.free(address); }).toThrow('its split lock is held');
    spinUnlock(m.frames.memmap, lock);
    m.frames.add(pfn, FrameWord.Stale, 1);
    expect(() => { m.pageTables.free(address); }).toThrow('translations through it may still be cached (1)');
    m.frames.add(pfn, FrameWord.Stale, -1);
    expect(() => { m.frames.freePages(pfn); }).toThrow('it is a page table');
    m.pageTables.free(address);
    expectQuiet(m);
  });

  it('finds accounts that do not agree with the memory map', () => {
    const m = machine('x86 4-level');
    const { address } = m.pageTables.alloc(m.user, USER, 'pte');
    m.frames.write(address / 4096, FrameWord.Table, 0);
    expect(() => { m.pageTables.assertNone(); }).toThrow('are wrong: 1 pte, 0 pmd, 0 pud, 0 p4d, 0 pgd were counted, and there are: none');
  });
});

describe('early tables', () => {
  it.each(SHAPES)('are constructed later, and are tables before: %s', (name) => {
    const m = machine(name);
    const { pageTables } = m;
    const told: TableInfo[] = [];
    pageTables.addHook({ constructed: (table) => void told.push(table) });
    const made = levelsOf(m).map((level) => pageTables.allocEarly(m.kernel, INIT, level));
    const efi = pageTables.allocEarly(m.kernel, EFI, 'pte');
    const leaf = m.kernel.values.pte.ofPfn(3, m.kernel.kernelProt(3));
    efi.set(1, leaf);
    expect([pageTables.nrPageTables(), pageTables.locksInitialised(), told.length]).toEqual([0, 0, 0]);
    expect(() => { pageTables.free(efi.address); }).toThrow('the pte table was made before constructors could run, and was never constructed');
    expect(() => pageTables.lockWord(efi.address)).toThrow('never constructed');
    expect(() => { pageTables.assertNone(); }).toThrow(`${made.length + 1} page tables were not freed (0 pte, 0 pmd, 0 pud, 0 p4d, 0 pgd, ${made.length + 1} early)`);
    expect(() => pageTables.constructEarly([INIT])).toThrow('its owner 2 was not named');
    expect(pageTables.nrPageTables()).toBe(0);
    expect(pageTables.constructEarly([INIT, EFI])).toBe(made.length + 1);
    expect(pageTables.constructEarly([])).toBe(0);
    expect(told.map(({ level, early }) => `${level} ${early}`).sort()).toEqual([...levelsOf(m), 'pte'].map((level) => `${level} true`).sort());
    expect([pageTables.nrPageTables(), pageTables.locksInitialised(INIT.id), pageTables.locksInitialised(EFI.id)]).toEqual([made.length + 1, 0, 1]);
    expect(efi.get(1)).toBe(leaf);
    for (const { address } of [...made, efi]) pageTables.free(address);
    expectQuiet(m);
  });

  it('stay early when a hook refuses them', () => {
    const m = machine('x86 4-level');
    const { address } = m.pageTables.allocEarly(m.kernel, INIT, 'pgd');
    const off = m.pageTables.addHook({ constructed: () => { throw new Error('too early'); } });
    expect(() => m.pageTables.constructEarly([INIT])).toThrow('too early');
    expect([m.pageTables.nrPageTables(), m.frames.read(address / 4096, FrameWord.Table) & TableWord.Early]).toEqual([0, TableWord.Early]);
    // A table all the same.
    expect(m.tables.tables).toBe(1);
    off();
    expect(m.pageTables.constructEarly([INIT])).toBe(1);
    expect(m.tables.tables).toBe(1);
    m.pageTables.free(address);
    expectQuiet(m);
  });
});

describe('deposits', () => {
  function locked<T>(m: Machine, pmd: number, work: () => T): T {
    const lock = m.pageTables.lockWord(pmd);
    spinLock(m.frames.memmap, lock, lockClasses.pmdPtl);
    try {
      return work();
    } finally {
      spinUnlock(m.frames.memmap, lock);
    }
  }

  it.each(SHAPES.filter((name) => !/Sv32|2-level/.test(name)))('come back in the kernel\'s order, as tables: %s', (name) => {
    const m = machine(name);
    const { pageTables } = m;
    const pmd = pageTables.alloc(m.user, USER, 'pmd').address;
    const [a, b, c, d] = Array.from({ length: 4 }, () => pageTables.alloc(m.user, USER, 'pte').address) as [number, number, number, number];
    const out = locked(m, pmd, () => {
      for (const address of [a, b, c]) pageTables.deposit(pmd, address);
      return [pageTables.withdraw(pmd), pageTables.withdraw(pmd), pageTables.withdraw(pmd)];
    });
    expect(out).toEqual([c, a, b]);
    // Mixed: what comes out of the ring when others go in meanwhile.
    expect(locked(m, pmd, () => {
      for (const address of [a, b, c]) pageTables.deposit(pmd, address);
      const first = pageTables.withdraw(pmd);
      pageTables.deposit(pmd, d);
      return [first, pageTables.withdraw(pmd), pageTables.withdraw(pmd), pageTables.withdraw(pmd)];
    })).toEqual([c, d, b, a]);
    const table = pageTables.adopt(m.user, 'pte', a);
    const value = m.user.values.pte.ofPfn(5, m.user.vmProt(1));
    table.set(2, value);
    expect(table.get(2)).toBe(value);
    expect(() => pageTables.adopt(m.user, 'pte', a)).toThrow(/entry 2 is 0x\w+, not empty/);
    expect(() => pageTables.adopt(m.user, 'pmd', a)).toThrow('it is a pte table');
    for (const address of [a, b, c, d, pmd]) pageTables.free(address);
    expectQuiet(m);
  });

  it('refuses what cannot be put aside, taken back or freed', () => {
    const m = machine('x86 4-level');
    const { pageTables } = m;
    const [pmd, pmd2] = [pageTables.alloc(m.user, USER, 'pmd').address, pageTables.alloc(m.user, USER, 'pmd').address];
    const [pte, plain] = [pageTables.alloc(m.user, USER, 'pte').address, m.frames.allocPages(0)];
    locked(m, pmd, () => {
      expect(() => { pageTables.deposit(pmd, pmd2); }).toThrow('it is a pmd table');
      expect(() => { pageTables.deposit(pmd, plain * 4096); }).toThrow('the frame is no page table');
      expect(() => { pageTables.deposit(pte, pte); }).toThrow('it is a PTE table');
      expect(() => pageTables.withdraw(pmd)).toThrow('none is put aside');
      pageTables.deposit(pmd, pte);
      expect(() => { pageTables.deposit(pmd, pte); }).toThrow('it is put aside already');
    });
    expect(() => { pageTables.free(pmd); }).toThrow('tables are put aside in it, the next at 0x');
    expect(() => { pageTables.free(pte); }).toThrow('it is put aside for a huge page');
    expect(() => pageTables.adopt(m.user, 'pte', pte)).toThrow('it is put aside');
    expect(locked(m, pmd, () => pageTables.withdraw(pmd))).toBe(pte);
    m.frames.freePages(plain);
    for (const address of [pte, pmd, pmd2]) pageTables.free(address);
    expectQuiet(m);
  });

  it.each([true, false])('need the lock of the PMD table (checked: %s)', (checked) => {
    const m = machine('x86 4-level', checked);
    const [pmd, pte] = [m.pageTables.alloc(m.user, USER, 'pmd').address, m.pageTables.alloc(m.user, USER, 'pte').address];
    expect(() => { m.pageTables.deposit(pmd, pte); }).toThrow(checked ? /pmd ptl/ : /this thread does not have its lock/);
    expect(() => m.pageTables.withdraw(pmd)).toThrow(checked ? /pmd ptl/ : /this thread does not have its lock/);
    for (const address of [pte, pmd]) m.pageTables.free(address);
    expectQuiet(m);
  });
});
