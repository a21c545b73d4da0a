import { geometryOf, levelNumber, LEVELS, PgtableError, VmFlags, type AliasHandles, type Level } from '@pgtable/core';
import { PageWalkLock, walkKernelPageTableRangeLockless, walkPageRange, type MmWalkOps } from '@pgtable/walk';
import { describe, expect, it } from 'vitest';
import {
  freePgdRange, hugePmdBytes, hugePmdOrder, Kernel, LockRuleError, mmAllocPmd, MmCounter, mmFindPmd, pageTableLock, pmdLockptr, pteAlloc, pteAllocKernel, pteFreeDefer, pteLockptr, pteOffsetMap, pteOffsetMapLock, pteOffsetMapRwNolock,
  pteUnmap, pteUnmapUnlock, setScheduler, TableGather, type Mm,
} from '../src/index.js';
import { RcuKind } from '../src/kernel/rcu-kinds.js';
import { tableHooks } from '../src/tables/hooks.js';
import { SHAPES, shape } from './pagetable-machine.js';

const hooks = {
  ...tableHooks<AliasHandles>(),
  splitHuge: (): never => {
    throw new Error('no test here has huge pages to split');
  },
};

interface Setup {
  readonly kernel: Kernel<AliasHandles>;
  readonly mm: Mm<AliasHandles>;
  /** An address in the middle of the space, at the start of what a PTE table translates. */
  readonly address: number;
}

function setup(name: string, kind: 'user' | 'init' = 'user'): Setup {
  const kernel = Kernel.create<AliasHandles>(shape(name), { tables: hooks, checks: { lockdep: true, flushes: true } });
  kernel.join('test');
  const mm = kind === 'init' ? kernel.initMm : kernel.newMm();
  const window = mm.root.windows[0]!;
  const span = hugePmdBytes(mm);
  return { kernel, mm, address: window.start + Math.floor((window.end - window.start) / 4 / span) * span };
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return error instanceof PgtableError ? error.code : String(error);
  }
}

function tablesOf({ kernel, mm }: Setup): Record<string, number> {
  return Object.fromEntries(LEVELS.map((level): [Level, number] => [level, kernel.pageTables.nrPageTables(level, mm.id)]).filter(([, count]) => count > 0));
}

/** Levels that exist below the root. */
function lower(mm: Mm<AliasHandles>): Level[] {
  return LEVELS.filter((level) => levelNumber(level) < levelNumber(mm.root.top) && !geometryOf(mm.arch.geometry, level).folded);
}

/** Frees the tables of a PTE table's range, and what is deferred. */
function unmap(on: Setup, end: () => void): void {
  const { mm, address, kernel } = on;
  if (mm.kind !== 'init') {
    mm.lock.writeLock();
    const gather = new TableGather(mm);
    freePgdRange(gather, address, address + hugePmdBytes(mm), 0, Infinity);
    gather.finish();
    mm.lock.writeUnlock();
    mm.mmput();
  }
  end();
  if (mm.kind !== 'init') kernel.assertQuiet();
}

describe.each(SHAPES)('page tables of an address space: %s', (name) => {
  it('are made level by level on the way down, once, counted, and go when nothing is around them', () => {
    const on = setup(name);
    const { mm, address } = on;
    mm.lock.readLock();
    expect(mmFindPmd(mm, address) === undefined).toBe(lower(mm).some((level) => level !== 'pte'));
    const pmdp = mmAllocPmd(mm, address);
    pteAlloc(mm, pmdp, address);
    const made = tablesOf(on);
    expect(made).toEqual(Object.fromEntries([...lower(mm), mm.root.top].map((level) => [level, 1])));
    expect(mm.arch.ops.pmd.distance(pmdp, mmAllocPmd(mm, address + mm.pageBytes))).toBe(0);
    pteAlloc(mm, pmdp, address);
    expect(tablesOf(on)).toEqual(made);
    mm.lock.readUnlock();

    // A neighbour below keeps every table that has one of its addresses.
    mm.lock.writeLock();
    const gather = new TableGather(mm);
    freePgdRange(gather, address, address + mm.pageBytes, address + mm.pageBytes, Infinity);
    gather.finish();
    expect(tablesOf(on)).toEqual(made);
    mm.lock.writeUnlock();
    expect(mm.counter(MmCounter.TableBytes)).toBe(lower(mm).reduce((sum, level) => sum + geometryOf(mm.arch.geometry, level).entries * mm.arch.geometry.entryBytes, 0));
    unmap(on, () => { expect(mm.counter(MmCounter.TableBytes)).toBe(0); });
  });

  it('are locked by split locks, but those of init_mm', () => {
    for (const kind of ['user', 'init'] as const) {
      const on = setup(name, kind);
      const { mm, address, kernel } = on;
      mm.lock.readLock();
      const pmdp = mmAllocPmd(mm, address);
      pteAlloc(mm, pmdp, address);
      const pmd = mm.arch.ops.pmd.getOnce(pmdp);
      const whole = pageTableLock(mm);
      expect(pteLockptr(mm, pmd).is(whole)).toBe(kind === 'init');
      expect(pmdLockptr(mm, pmdp).is(whole)).toBe(kind === 'init' || geometryOf(mm.arch.geometry, 'pmd').folded);
      if (kind === 'init') expect(kernel.pageTables.locksInitialised(mm.id)).toBe(0);
      mm.lock.readUnlock();
      unmap(on, () => undefined);
    }
  });

  it('may not be there: pteOffsetMap says so, and what was given back is used no more', () => {
    const on = setup(name);
    const { mm, address } = on;
    const { arch } = mm;
    mm.lock.readLock();
    const pmdp = mmAllocPmd(mm, address);
    for (const map of [pteOffsetMap, pteOffsetMapRwNolock, pteOffsetMapLock]) expect(map(mm, pmdp, address)).toBeUndefined();
    pteAlloc(mm, pmdp, address);

    const table = pteOffsetMap(mm, pmdp, address + mm.pageBytes);
    if (table === undefined) throw new Error('the table is not found');
    expect(arch.values.pte.none(arch.ops.pte.getLockless(table.ptep))).toBe(true);
    expect(table.ptl.heldByMe).toBe(false);
    pteUnmap(table);
    expect(codeOf(() => table.ptep)).toBe('EINVAL');
    expect(codeOf(() => { pteUnmap(table); })).toBe('EINVAL');
    expect(mm.kernel.rcu.readLockHeld()).toBe(false);

    const locked = pteOffsetMapLock(mm, pmdp, address);
    if (locked === undefined) throw new Error('the table is not found');
    expect(locked.ptl.heldByMe).toBe(true);
    const { ptl } = locked;
    // A second time this thread would wait for itself. What was refused leaves nothing behind, and the first stays.
    expect(() => pteOffsetMapLock(mm, pmdp, address)).toThrow(LockRuleError);
    expect(ptl.heldByMe).toBe(true);
    pteUnmapUnlock(locked);
    expect(ptl.heldByMe).toBe(false);
    expect(mm.kernel.rcu.readLockHeld()).toBe(false);
    {
      using used = pteOffsetMapLock(mm, pmdp, address);
      expect([used?.ptl.heldByMe, mm.kernel.rcu.readLockHeld()]).toEqual([true, true]);
    }
    expect([ptl.heldByMe, mm.kernel.rcu.readLockHeld()]).toEqual([false, false]);
    // What was given back is not locked any more: the table may be another's.
    expect(codeOf(() => { locked.lock(); })).toBe('EINVAL');
    expect(ptl.heldByMe).toBe(false);

    if (hugePmdOrder(mm) !== undefined) {
      // A huge page takes the table's place, as khugepaged does it.
      const old = arch.ops.pmd.unlink(mm.context, BigInt(address), pmdp).flush();
      const huge = arch.values.pmd.mkhuge(arch.values.pmd.ofPfn(2 ** hugePmdOrder(mm)!, arch.vmProt(VmFlags.Read)));
      arch.ops.pmd.set(mm.context, BigInt(address), pmdp, huge, 1);
      expect(pteOffsetMap(mm, pmdp, address)).toBeUndefined();
      expect(pteOffsetMapLock(mm, pmdp, address)).toBeUndefined();
      expect(mm.kernel.rcu.readLockHeld()).toBe(false);
      arch.ops.pmd.getAndClear(mm.context, BigInt(address), pmdp).flush();
      pteFreeDefer(mm, old);
    }
    mm.lock.readUnlock();
    unmap(on, () => undefined);
  });

  it('may be taken out before they are locked: then the next one is found, or none', () => {
    for (const replaced of [true, false]) {
      const on = setup(name);
      const { mm, address, kernel } = on;
      const { arch, context } = mm;
      mm.lock.readLock();
      const pmdp = mmAllocPmd(mm, address);
      pteAlloc(mm, pmdp, address);
      const before = arch.ops.pmd.getOnce(pmdp);
      let taken = 0;
      // Comes in between, where another processor would.
      setScheduler({
        point: (what) => {
          if (what !== 'take pte ptl' || taken++ > 0) return;
          const out = arch.ops.pmd.unlink(context, BigInt(address), pmdp).flush();
          if (replaced) arch.ops.pmd.populate(context, BigInt(address), pmdp, kernel.pageTables.alloc(arch, mm, 'pte'));
          kernel.rcu.callRcu(RcuKind.FreeTable, out.address);
        },
        blocked: () => {
          throw new Error('nobody has a lock here');
        },
      });
      let table;
      try {
        table = pteOffsetMapLock(mm, pmdp, address);
      } finally {
        setScheduler(undefined);
      }
      expect(taken).toBe(replaced ? 2 : 1);
      expect(table !== undefined).toBe(replaced);
      if (table !== undefined) {
        expect(table.pmd).not.toBe(before);
        expect(table.pmd).toBe(arch.ops.pmd.getOnce(pmdp));
        pteUnmapUnlock(table);
      }
      expect(kernel.rcu.readLockHeld()).toBe(false);
      mm.lock.readUnlock();
      if (!replaced) mm.addCounter(MmCounter.TableBytes, -geometryOf(arch.geometry, 'pte').entries * arch.geometry.entryBytes);
      unmap(on, () => undefined);
    }
  });

  it('are made by one of two threads, and the other\'s goes back', () => {
    const on = setup(name);
    const { mm, address, kernel } = on;
    mm.lock.readLock();
    const pmdp = mmAllocPmd(mm, address);
    let entered = false;
    setScheduler({
      point: (what) => {
        if (entered || !what.startsWith('take pmd ptl') && !what.startsWith('take page_table_lock')) return;
        entered = true;
        pteAlloc(mm, pmdp, address);
      },
      blocked: () => {
        throw new Error('nobody has a lock here');
      },
    });
    const frames = kernel.frames.free;
    try {
      pteAlloc(mm, pmdp, address);
    } finally {
      setScheduler(undefined);
    }
    expect(entered).toBe(true);
    expect(tablesOf(on).pte).toBe(1);
    expect(frames - kernel.frames.free).toBeGreaterThan(0);
    mm.lock.readUnlock();
    unmap(on, () => undefined);
  });

  it('of the kernel are made in the same way', () => {
    const on = setup(name, 'init');
    const { mm, address } = on;
    const ptep = pteAllocKernel(mm, mmAllocPmd(mm, address), address);
    expect(mm.arch.values.pte.none(mm.arch.ops.pte.getOnce(ptep))).toBe(true);
    unmap(on, () => undefined);
  });
});

it('addresses that an address space does not have are refused', () => {
  const { mm } = setup('x86 4-level');
  mm.lock.readLock();
  expect(codeOf(() => mmAllocPmd(mm, 2 ** 47))).toBe('EINVAL');
  expect(codeOf(() => mmFindPmd(mm, 2 ** 63))).toBe('EINVAL');
  mm.lock.readUnlock();
});

it('a range of the kernel\'s own is walked without a lock where it is declared for that, and a VMA in it ends the walk', () => {
  const range = { start: 0xffff_c900_0000_0000, end: 0xffff_c900_0010_0000 };
  const kernel = Kernel.create<AliasHandles>(shape('x86 4-level'), { tables: hooks, checks: { lockdep: true }, vmalloc: [range] });
  kernel.join('test');
  const { initMm } = kernel;
  pteAllocKernel(initMm, mmAllocPmd(initMm, range.start), range.start);
  let entries = 0;
  const ops: MmWalkOps<AliasHandles> = { walkLock: PageWalkLock.NoLock, pteRange: (_ptep, _address, count) => { entries += count; } };
  walkKernelPageTableRangeLockless(initMm, range.start, range.end, ops);
  expect(entries).toBe(0x100);
  const mm = kernel.newMm();
  for (const walk of [
    () => walkKernelPageTableRangeLockless(initMm, range.start, range.end + 0x1000, ops),
    () => walkKernelPageTableRangeLockless(mm, 0x1000, 0x2000, ops),
    () => walkPageRange(mm, 0x1000, 0x2000, ops),
  ]) expect(codeOf(walk)).toBe('EINVAL');
  initMm.lock.writeLock();
  initMm.insertVma({ start: range.start + 0x1000, end: range.start + 0x2000, flags: VmFlags.Read });
  initMm.lock.writeUnlock();
  expect(codeOf(() => walkKernelPageTableRangeLockless(initMm, range.start, range.end, ops))).toBe('EINVAL');
});
