import { isPgtableError, PgtableError } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import {
  folioWalkStart, mapRange, PageWalkLock, walkKernelPageTableRange, walkKernelPageTableRangeLockless, walkPageMapping, walkPageRange, walkPageRangeNovma, walkPageRangeVma,
  walkPageVma, type MmWalkOps, type WalkMm, type WalkVma,
} from '../src/index.js';
import { memory, PAGE, thrownBy } from './map-space.js';
import { PROT, THREE, type WritableToyHandles } from './map-toy.js';
import { LittleMm, type Held } from './page-walk-mm.js';

/*
 * Each rule of docs/walking.md, "Who may walk what": what a function and a mode demand, and that each of it is demanded.
 */

type H = WritableToyHandles;
type Walk = (mm: LittleMm<H>, vma: WalkVma<H>, ops: MmWalkOps<H>) => unknown;

const START = 2 * PAGE;
const END = 6 * PAGE;
const MODES: readonly PageWalkLock[] = Object.values(PageWalkLock);

/** An address space with four pages, in one VMA unless it is the kernel's. */
function fresh(kind: WalkMm['kind'], held: readonly Held[]): { mm: LittleMm<H>; vma: WalkVma<H> } {
  const { space } = memory(THREE);
  mapRange(space, BigInt(START), 0x40_0000, END - START, PROT.readWrite);
  const mm = new LittleMm(space, kind, [{ start: 0, end: 64 * PAGE }]);
  const vma = kind === 'init' ? { mm, start: START, end: END } : mm.add(START, END);
  for (const lock of held) mm.held.add(lock);
  return { mm, vma };
}

const range: Walk = (mm, _vma, ops) => walkPageRange(mm, 0, 16 * PAGE, ops);
const rangeVma: Walk = (_mm, vma, ops) => walkPageRangeVma(vma, START, END, ops);
const wholeVma: Walk = (_mm, vma, ops) => walkPageVma(vma, ops);
const novma: Walk = (mm, _vma, ops) => walkPageRangeNovma(mm, 0, 16 * PAGE, ops);
const kernel: Walk = (mm, _vma, ops) => walkKernelPageTableRange(mm, 0, 16 * PAGE, ops);
const lockless: Walk = (mm, _vma, ops) => walkKernelPageTableRangeLockless(mm, 0, 16 * PAGE, ops);
const mapping: Walk = (mm, vma, ops) =>
  walkPageMapping({
    assertLocked: () => {
      if (!mm.held.has('i_mmap')) throw new PgtableError('EINVAL', 'a walk needs the lock of the file');
    },
    vmas: () => [vma],
  }, 0, 4, ops);

/** What a function demands in a mode, by the name of each rule: undefined where it refuses the mode. */
interface Rules {
  readonly walk: Walk;
  readonly kind: WalkMm['kind'];
  readonly rules: Readonly<Record<PageWalkLock, readonly Held[] | undefined>>;
}

const vmaWrite = `vma write ${START}`;
const vmaRead = `vma read ${START}`;
const VMA_RULES = { 'read': ['mmap read'], 'write': ['mmap write'], 'write-verify': ['mmap write', vmaWrite], 'vma-read-verify': [vmaRead], 'no-lock': undefined } as const;
const DEBUG_RULES = ['mmap write', 'init write'] as const;

const FUNCTIONS: Readonly<Record<string, Rules>> = {
  walkPageRange: { walk: range, kind: 'user', rules: { ...VMA_RULES, 'vma-read-verify': undefined } },
  walkPageRangeVma: { walk: rangeVma, kind: 'user', rules: VMA_RULES },
  walkPageVma: { walk: wholeVma, kind: 'user', rules: VMA_RULES },
  walkPageMapping: { walk: mapping, kind: 'user', rules: { 'read': ['i_mmap'], 'write': undefined, 'write-verify': undefined, 'vma-read-verify': undefined, 'no-lock': undefined } },
  walkPageRangeNovma: {
    walk: novma, kind: 'user', rules: { 'read': DEBUG_RULES, 'write': DEBUG_RULES, 'write-verify': DEBUG_RULES, 'vma-read-verify': undefined, 'no-lock': undefined },
  },
  'walkPageRangeNovma of init_mm': {
    walk: novma, kind: 'init', rules: { 'read': ['mmap write'], 'write': ['mmap write'], 'write-verify': ['mmap write'], 'vma-read-verify': undefined, 'no-lock': undefined },
  },
  walkKernelPageTableRange: {
    walk: kernel, kind: 'init', rules: { 'read': ['mmap read'], 'write': ['mmap write'], 'write-verify': ['mmap write'], 'vma-read-verify': undefined, 'no-lock': undefined },
  },
  walkKernelPageTableRangeLockless: {
    walk: lockless, kind: 'init', rules: { 'read': undefined, 'write': undefined, 'write-verify': undefined, 'vma-read-verify': undefined, 'no-lock': [] },
  },
};

const CASES = Object.entries(FUNCTIONS).flatMap(([name, { walk, kind, rules }]) => MODES.map((mode) => ({ name, mode, walk, kind, rule: rules[mode] })));
const REFUSED = CASES.filter(({ rule }) => rule === undefined);
const ALLOWED = CASES.flatMap(({ rule, ...one }) => (rule === undefined ? [] : [{ ...one, rule }]));
/** One for each lock that is demanded. */
const DEMANDED = ALLOWED.flatMap(({ rule, ...one }) => rule.map((lock) => ({ ...one, lock })));
const EVERY: readonly Held[] = ['mmap read', 'mmap write', 'init write', 'i_mmap', vmaRead, vmaWrite];

/** Operations that count entries. */
function counting(mode: PageWalkLock): { ops: MmWalkOps<H>; seen: { entries: number } } {
  const seen = { entries: 0 };
  return { seen, ops: { walkLock: mode, pteEntry: () => { seen.entries++; } } };
}

describe('lock modes', () => {
  it.each(REFUSED)('$name refuses $mode, whatever is held, before anything is read', ({ mode, walk, kind }) => {
    const { mm, vma } = fresh(kind, EVERY);
    const { ops, seen } = counting(mode);
    const error = thrownBy(() => walk(mm, vma, ops));
    expect([error.code, error.hint === undefined, seen.entries, mm.log]).toEqual(['EINVAL', false, 0, []]);
    expect(error.message).toContain(mode);
  });

  it.each(ALLOWED)('$name walks with what $mode demands, and gives back what it took', ({ mode, walk, kind, rule }) => {
    const { mm, vma } = fresh(kind, rule);
    const { ops, seen } = counting(mode);
    expect(walk(mm, vma, ops)).toEqual({ kind: 'completed' });
    // All of a page table without VMAs, and what the VMA has of it with one.
    expect(seen.entries).toBe([novma, kernel, lockless].includes(walk) ? 16 : 4);
    expect(mm.tableLocks).toBe(0);
    const locksVmas = mode === PageWalkLock.Write && [range, rangeVma, wholeVma].includes(walk);
    expect([...mm.held].sort()).toEqual([...rule, ...(locksVmas ? [vmaWrite] : [])].sort());
  });

  it.each(DEMANDED)('$name with $mode throws without "$lock", whatever else is held', ({ mode, walk, kind, lock }) => {
    // A lock for writing is one for reading too.
    const { mm, vma } = fresh(kind, EVERY.filter((one) => one !== lock && one !== lock.replace('read', 'write')));
    const { ops, seen } = counting(mode);
    expect(thrownBy(() => walk(mm, vma, ops)).message).toMatch(/^a walk needs the lock/);
    expect(seen.entries).toBe(0);
  });
});

describe('what keeps the entries of a page table', () => {
  const locksOf = (walk: Walk, kind: WalkMm['kind'], mode: PageWalkLock): string[] => {
    const { mm, vma } = fresh(kind, EVERY);
    walk(mm, vma, counting(mode).ops);
    return mm.log.filter((one) => !one.startsWith('write-lock'));
  };

  it.each(['read', 'write', 'write-verify', 'vma-read-verify'] as const)('is its lock, in a VMA that is walked with %s', (mode) => {
    expect(locksOf(rangeVma, 'user', mode)).toEqual(['lock ptl', 'unlock ptl']);
  });
  it('is RCU, without VMAs in a process', () => {
    expect(locksOf(novma, 'user', PageWalkLock.Read)).toEqual(['lock rcu', 'unlock rcu']);
  });
  it('is nothing, in the kernel and in firmware', () => {
    expect([locksOf(novma, 'special', 'read'), locksOf(kernel, 'init', 'read'), locksOf(lockless, 'init', 'no-lock')]).toEqual([[], [], []]);
  });
  it('is nothing, in the kernel\'s half of a process', () => {
    const { space } = memory(THREE);
    const start = 2 ** 64 - 16 * PAGE;
    mapRange(space, BigInt(start), 0x40_0000, PAGE, PROT.readWrite);
    const mm = new LittleMm(space);
    for (const lock of EVERY) mm.held.add(lock);
    const { ops, seen } = counting(PageWalkLock.Read);
    walkPageRangeNovma(mm, start, 2 ** 64, ops);
    expect([seen.entries, mm.log]).toEqual([16, []]);
  });
  it('is given back when a callback throws', () => {
    const { mm, vma } = fresh('user', EVERY);
    expect(() => walkPageVma(vma, { walkLock: PageWalkLock.Read, pteEntry: () => { throw new Error('a fault of the callback'); } })).toThrow('a fault of the callback');
    expect([mm.tableLocks, mm.log]).toEqual([0, ['lock ptl', 'unlock ptl']]);
  });
});

describe('a walk without a lock', () => {
  const ops: MmWalkOps<H> = { walkLock: PageWalkLock.NoLock, pteEntry: () => undefined };

  it('is refused outside of the ranges that are declared for it', () => {
    const { mm } = fresh('init', []);
    expect(thrownBy(() => walkKernelPageTableRangeLockless(mm, 60 * PAGE, 65 * PAGE, ops)).message).toContain('which no range without locks holds');
    expect(thrownBy(() => walkKernelPageTableRangeLockless(new LittleMm(memory(THREE).space, 'init'), 0, PAGE, ops)).hint).toContain('declares none');
  });
  it.each(['user', 'special'] as const)('is refused in an address space of kind %s', (kind) => {
    const { mm } = fresh(kind, EVERY);
    expect(thrownBy(() => lockless(mm, { mm, start: 0, end: PAGE }, ops)).message).toContain(`of kind ${kind}`);
  });
  it('ends at once where there is a VMA', () => {
    const { mm } = fresh('init', EVERY);
    mm.add(15 * PAGE, 17 * PAGE);
    const error = thrownBy(() => lockless(mm, { mm, start: 0, end: PAGE }, ops));
    expect([error.message, error.address]).toEqual([expect.stringContaining('met the VMA'), BigInt(15 * PAGE)]);
    // Just beyond the range it is nobody's business.
    expect(walkKernelPageTableRangeLockless(mm, 0, 15 * PAGE, ops)).toEqual({ kind: 'completed' });
  });
  it('reads entries as readers without a lock do, and one with the lock reads them plainly', () => {
    const how: string[] = [];
    const watched = (walk: Walk, kind: WalkMm['kind'], mode: PageWalkLock): string[] => {
      const { mm, vma } = fresh(kind, EVERY);
      const { pte } = mm.arch.ops;
      how.length = 0;
      const plain = pte.get.bind(pte);
      const free = pte.getLockless.bind(pte);
      pte.get = (entry) => { how.push('get'); return plain(entry); };
      // The generic one is made of the plain one on some architectures, so what it calls does not count.
      pte.getLockless = (entry) => { const value = free(entry); how.splice(0, how.length, 'getLockless'); return value; };
      walk(mm, vma, { walkLock: mode, pteEntry: (ptep, address, _next, one) => { if (address === START) one.read('pte', ptep); } });
      return [...how];
    };
    expect(watched(lockless, 'init', 'no-lock')).toEqual(['getLockless']);
    expect(watched(kernel, 'init', 'read')).toEqual(['getLockless']);
    expect(watched(novma, 'user', 'read')).toEqual(['getLockless']);
    expect(watched(rangeVma, 'user', 'read')).toEqual(['get']);
  });
});

describe('other calls that are refused', () => {
  it.each([
    ['an end that is not above the start', PAGE, PAGE], ['a start that is not page aligned', 1, PAGE], ['an end beyond the last address', 0, 2 ** 64 + PAGE], ['no number', NaN, PAGE],
  ])('%s', (_name, start, end) => {
    const { mm } = fresh('init', EVERY);
    const ops = counting(PageWalkLock.Read).ops;
    for (const walk of [walkPageRange, walkPageRangeNovma, walkKernelPageTableRange]) expect(thrownBy(() => walk(mm, start, end, ops)).code).toBe('EINVAL');
    expect(thrownBy(() => walkKernelPageTableRangeLockless(mm, start, end, { ...ops, walkLock: PageWalkLock.NoLock })).code).toBe('EINVAL');
  });
  it('a range beyond its VMA', () => {
    const { vma } = fresh('user', EVERY);
    expect(thrownBy(() => walkPageRangeVma(vma, START, END + PAGE, counting('read').ops)).message).toContain('the VMA is [0x2000, 0x6000)');
  });
  it('the kernel\'s walk of another address space', () => {
    const { mm } = fresh('user', EVERY);
    expect(thrownBy(() => walkKernelPageTableRange(mm, 0, PAGE, counting('read').ops)).hint).toContain('init_mm alone');
  });
  it('a walk over VMAs where none are known', () => {
    const { space } = memory(THREE);
    expect(thrownBy(() => walkPageRange({ ...space, kind: 'user' }, 0, PAGE, counting('read').ops)).hint).toContain('walkPageRangeNovma');
  });
  it('no mode, from who does not compile against the types', () => {
    const { mm } = fresh('user', EVERY);
    // As plain JavaScript would call it.
    const none: MmWalkOps<H> = JSON.parse('{}') as MmWalkOps<H>;
    for (const walk of [range, rangeVma, novma, kernel, lockless, mapping]) {
      const error = thrownBy(() => walk(mm, mm.vmas[0]!, none));
      expect([isPgtableError(error), error.message]).toEqual([true, expect.stringContaining('walkLock is undefined')]);
    }
  });
  it('a folio without the mmap lock, and an address that begins no page of the VMA', () => {
    const { mm, vma } = fresh('user', []);
    expect(thrownBy(() => folioWalkStart(vma, START)).message).toContain('the lock of mmap');
    mm.held.add('mmap read');
    for (const address of [START - PAGE, END, START + 1]) expect(thrownBy(() => folioWalkStart(vma, address)).code).toBe('EINVAL');
  });
});
