import { describe, expect, it } from 'vitest';
import * as core from '../src/index.js';
import { FlushPromise, LEVELS, type Level, type MmContext } from '../src/index.js';
import { codeOf, madeUp, RecordingTlb, SOFT_DIRTY, V } from './made-up.js';

/*
 * Every name of the kernel leads to the operation of its own level, with its arguments in their places. The architecture here only
 * writes down what it is asked.
 */

type Call = readonly [level: Level, method: string, ...rest: unknown[]];

const RESULT = 'the result';

/** An object on which every method writes down its call and returns a result, or a promise of it. */
function recorder(level: Level, calls: Call[], result: () => unknown): object {
  return new Proxy({}, {
    get: (_target, method: string) => (...rest: unknown[]) => {
      calls.push([level, method, ...rest]);
      return result();
    },
  });
}

const PROMISES = ['establish', 'clear', 'getAndClear', 'getAndClearFull', 'testAndClearYoung', 'wrprotect', 'setAccessFlags', 'modifyProtCommit', 'unlink', 'hugeGetAndClear', 'hugeWrprotect', 'hugeSetAccessFlags'];

function recording() {
  const calls: Call[] = [];
  const tlb = new RecordingTlb();
  const mm: MmContext = { user: true, tlb };
  const of = (level: Level): object => new Proxy({}, {
    get: (_target, method: string) => (...rest: unknown[]) => {
      calls.push([level, method, ...rest]);
      return PROMISES.includes(method) ? new FlushPromise(mm, RESULT, { start: 0n, end: 1n, level, tables: false }) : RESULT;
    },
  });
  const arch = {
    ops: Object.fromEntries(LEVELS.map((level) => [level, of(level)])),
    values: Object.fromEntries(LEVELS.map((level) => [level, recorder(level, calls, () => RESULT)])),
  };
  return { arch, mm, tlb, calls };
}

const functions = new Map<string, unknown>(Object.entries(core));
const call = (name: string, ...rest: unknown[]): unknown => {
  const found = functions.get(name);
  if (typeof found !== 'function') throw new Error(`core exports no function ${name}`);
  return Reflect.apply(found, undefined, rest);
};
const title = (level: Level): string => level.charAt(0).toUpperCase() + level.slice(1);

/** Names over live entries: name, level, method, what the caller gives after the entry, what the operation gets after it, flushes itself. */
type Row = readonly [name: string, level: Level, method: string, given: readonly unknown[], passed: readonly unknown[], flushes?: boolean];
const WRITING: readonly Row[] = [
  ...LEVELS.map((l): Row => [`set${title(l)}`, l, 'set', ['value'], ['value', 1]]),
  ...(['pte', 'pmd', 'pud'] as const).flatMap((l): Row[] => [
    [`set${title(l)}At`, l, 'set', ['value'], ['value', 1]],
    [`${l}pTestAndClearYoung`, l, 'testAndClearYoung', [], [1]],
    [`${l}pSetWrprotect`, l, 'wrprotect', [], [1]],
    [`${l}pSetAccessFlags`, l, 'setAccessFlags', ['value'], ['value']],
  ]),
  ...(['pte', 'pmd'] as const).map((l): Row => [`${l}pClearFlushYoung`, l, 'testAndClearYoung', [], [1], true]),
  ...(['pmd', 'pud'] as const).flatMap((l): Row[] => [
    [`${l}pGetAndClear`, l, 'getAndClear', [], []],
    [`${l}pHugeGetAndClear`, l, 'getAndClear', [], []],
    [`${l}pHugeClearFlush`, l, 'getAndClear', [], [], true],
    [`${l}pEstablish`, l, 'establish', ['value'], ['value']],
  ]),
  ...(['pmd', 'pud', 'p4d', 'pgd'] as const).flatMap((l): Row[] => [
    [`${l}Clear`, l, 'clear', [], [1]],
    [`${l}Populate`, l, 'populate', ['table'], ['table']],
    [`${l}Unlink`, l, 'unlink', [], []],
  ]),
  ['setPtes', 'pte', 'set', ['value', 5], ['value', 5]],
  ['pteClear', 'pte', 'clear', [], [1]],
  ['clearFullPtes', 'pte', 'clear', [5], [5]],
  ['ptepGetAndClear', 'pte', 'getAndClear', [], []],
  ['getAndClearFullPtes', 'pte', 'getAndClearFull', [5], [5]],
  ['ptepClearFlush', 'pte', 'getAndClear', [], [], true],
  ['wrprotectPtes', 'pte', 'wrprotect', [5], [5]],
  ['ptepModifyProtStart', 'pte', 'modifyProtStart', [], []],
  ['ptepModifyProtCommit', 'pte', 'modifyProtCommit', ['old', 'value'], ['old', 'value']],
  ['pmdpCollapseFlush', 'pmd', 'unlink', [], [], true],
];

/** Names over values: name, level, method. */
const VALUE_METHODS: readonly (readonly [suffix: string, method: string, levels: number])[] = [
  ['Young', 'young', 3], ['Mkyoung', 'mkyoung', 3], ['Mkold', 'mkold', 3], ['Dirty', 'dirty', 3], ['Mkdirty', 'mkdirty', 3], ['Mkclean', 'mkclean', 3], ['Write', 'write', 3],
  ['Wrprotect', 'wrprotect', 3], ['MkwriteNovma', 'mkwrite', 2], ['Special', 'special', 3], ['Mkspecial', 'mkspecial', 3], ['Devmap', 'devmap', 3], ['Mkdevmap', 'mkdevmap', 3],
  ['SoftDirty', 'softDirty', 3], ['MksoftDirty', 'mksoftDirty', 3], ['ClearSoftDirty', 'clearSoftDirty', 3], ['UffdWp', 'uffdWp', 2], ['MkuffdWp', 'mkuffdWp', 2],
  ['ClearUffdWp', 'clearUffdWp', 2], ['None', 'none', 5], ['Present', 'present', 5], ['Protnone', 'protnone', 2], ['Pfn', 'pfn', 3], ['Pgprot', 'prot', 3], ['Mkhuge', 'mkhuge', 3],
  ['SwpSoftDirty', 'swpSoftDirty', 2], ['SwpMksoftDirty', 'swpMksoftDirty', 2], ['SwpClearSoftDirty', 'swpClearSoftDirty', 2], ['SwpUffdWp', 'swpUffdWp', 2],
  ['SwpMkuffdWp', 'swpMkuffdWp', 2], ['SwpClearUffdWp', 'swpClearUffdWp', 2], ['SwpExclusive', 'swpExclusive', 1], ['SwpMkexclusive', 'swpMkexclusive', 1],
  ['SwpClearExclusive', 'swpClearExclusive', 1],
];
const VALUES = [
  ...VALUE_METHODS.flatMap(([suffix, method, levels]) => LEVELS.slice(0, levels).map((l) => [`${l}${suffix}`, l, method] as const)),
  ...LEVELS.slice(1).flatMap((l) => [[`${l}Leaf`, l, 'leaf'] as const, [`${l}Bad`, l, 'bad'] as const]),
  ['pudMkwrite', 'pud', 'mkwrite'] as const, ['pmdMkinvalid', 'pmd', 'mkinvalid'] as const, ['pudMkinvalid', 'pud', 'mkinvalid'] as const,
  ['isSwapPte', 'pte', 'swap'] as const, ['isSwapPmd', 'pmd', 'swap'] as const,
];

describe('the names of the kernel', () => {
  const writing = WRITING.map(([name, level, method, given, passed, flushes = false]) => ({ name, level, method, given, passed, flushes }));
  it.each(writing)('$name is ops.$level.$method', ({ name, level, method, given, passed, flushes }) => {
    const { arch, mm, tlb, calls } = recording();
    const answer = call(name, arch, mm, 0x5000n, 'entry', ...given);
    expect(calls).toEqual([[level, method, mm, 0x5000n, 'entry', ...passed]]);
    expect(tlb.flushed).toHaveLength(flushes ? 1 : 0);
    if (flushes) expect(answer).toBe(RESULT);
    else if (PROMISES.includes(method)) expect(answer).toBeInstanceOf(FlushPromise);
  });

  it.each(LEVELS)('read, step and compare at level %s', (level) => {
    const { arch, calls } = recording();
    call(`${level}pGet`, arch, 'entry');
    call(`${level}pGetOnce`, arch, 'entry');
    call(`hw${title(level)}Next`, arch, 'entry');
    call(`hw${title(level)}Advance`, arch, 'entry', -3);
    call(`hw${title(level)}Distance`, arch, 'a', 'b');
    expect(call(`hw${title(level)}Same`, arch, 'a', 'b')).toBe(false);
    call(`${level}Same`, arch, 1n, 2n);
    expect(calls).toEqual([
      [level, 'get', 'entry'], [level, 'getOnce', 'entry'], [level, 'advance', 'entry', 1], [level, 'advance', 'entry', -3], [level, 'distance', 'a', 'b'], [level, 'distance', 'a', 'b'],
      [level, 'same', 1n, 2n],
    ]);
  });

  it.each(['pte', 'pmd'] as const)('read without a lock at level %s', (level) => {
    const { arch, calls } = recording();
    call(`${level}pGetLockless`, arch, 'entry');
    expect(calls).toEqual([[level, 'getLockless', 'entry']]);
  });

  it.each(VALUES)('%s is values.%s.%s', (name, level, method) => {
    const { arch, calls } = recording();
    expect(call(name, arch, 'value')).toBe(RESULT);
    expect(calls).toEqual([[level, method, 'value']]);
  });

  it('with more arguments pass them on', () => {
    const { arch, mm, calls } = recording();
    call('folioPteBatch', arch, 'entry', 'value', 9);
    call('folioPteBatch', arch, 'entry', 'value', 9, { dirty: true });
    call('pteAdvancePfn', arch, 'value', 7);
    call('pteNextPfn', arch, 'value');
    for (const level of ['pte', 'pmd', 'pud'] as const) {
      call(`pfn${title(level)}`, arch, 12, 'prot');
      call(`${level}Modify`, arch, 'value', 'prot');
      call('archMakeHugePte', arch, level, 'value', 16);
      call('setHugePteAt', arch, mm, 0n, level, 'entry', 'value', 16);
      call('hugePtepGet', arch, level, 'entry', 16);
      call('hugePtepGetAndClear', arch, mm, 0n, level, 'entry', 16);
      expect(call('hugePtepClearFlush', arch, mm, 0n, level, 'entry', 16)).toBe(RESULT);
      call('hugePtepSetWrprotect', arch, mm, 0n, level, 'entry', 16);
      call('hugePtepSetAccessFlags', arch, mm, 0n, level, 'entry', 'value', 16);
    }
    expect(calls).toEqual([
      ['pte', 'batch', 'entry', 'value', 9, {}], ['pte', 'batch', 'entry', 'value', 9, { dirty: true }], ['pte', 'advancePfn', 'value', 7], ['pte', 'advancePfn', 'value', 1],
      ...(['pte', 'pmd', 'pud'] as const).flatMap((l) => [
        [l, 'ofPfn', 12, 'prot'], [l, 'modify', 'value', 'prot'], [l, 'mkgroup', 'value', 16], [l, 'hugeSet', mm, 0n, 'entry', 'value', 16], [l, 'hugeGet', 'entry', 16],
        [l, 'hugeGetAndClear', mm, 0n, 'entry', 16], [l, 'hugeGetAndClear', mm, 0n, 'entry', 16], [l, 'hugeWrprotect', mm, 0n, 'entry', 16],
        [l, 'hugeSetAccessFlags', mm, 0n, 'entry', 'value', 16],
      ]),
    ]);
  });

  it('invalidate leaves what the hardware noted until then, and flush', () => {
    const { arch, mm, tlb } = madeUp({ bits: { pte: 4, pmd: 4, pud: 4, pgd: 4 } });
    const leaf = core.entryVal('pud', 0x10_0000n | V | SOFT_DIRTY);
    const pudp = arch.newTable('pud', 0x1000, true).entry(0);
    core.setPudAt(arch, mm, 0n, pudp, leaf);
    expect(core.pudpInvalidate(arch, mm, 0n, pudp)).toBe(leaf);
    const now = core.pudpGet(arch, pudp);
    expect([core.pudPresent(arch, now), core.pudLeaf(arch, now), arch.values.pud.valid(now)]).toEqual([true, true, false]);
    expect(tlb.flushed).toHaveLength(1);
  });

  it('know a handle again, however it was come by', () => {
    const { arch } = madeUp();
    const table = arch.newTable('pte', 0x1000, true);
    const ptep = core.hwPteAdvance(arch, table.entry(2), 5);
    expect([core.hwPteSame(arch, ptep, table.entry(7)), core.hwPteSame(arch, ptep, core.hwPteNext(arch, ptep)), core.hwPteDistance(arch, table.entry(9), ptep)]).toEqual([true, false, -2]);
  });
});

describe('swap and migration entries', () => {
  it('are a type and an offset at both levels', () => {
    const { arch } = madeUp();
    const entry = { type: 5, offset: 0x12_3456n };
    const pte = core.pteSwpMkexclusive(arch, core.swpEntryToPte(arch, entry));
    expect([core.isSwapPte(arch, pte), core.pteToSwpEntry(arch, pte)]).toEqual([true, entry]);
    const pmd = core.pmdSwpMksoftDirty(arch, core.swpEntryToPmd(arch, entry));
    expect([core.isSwapPmd(arch, pmd), core.pmdToSwpEntry(arch, pmd)]).toEqual([true, entry]);
  });

  // include/linux/swap.h, Linux 6.12: from the top down a marker, four device types, migration-write, -read-exclusive and -read, hwpoison.
  it.each([
    ['Readable', 24, 28], ['ReadableExclusive', 25, 29], ['Writable', 26, 30],
  ] as const)('%s migration entries are numbered by what the kernel was built with', (kind, all, withoutDevices) => {
    const kernels = [[{}, all], [{ options: { devicePrivate: false } }, withoutDevices], [{ options: { memoryFailure: false } }, all]] as const;
    for (const [kernel, type] of kernels) {
      const entry = call(`make${kind}MigrationEntry`, 0x77n, kernel) as core.SwpEntry;
      expect(entry).toEqual({ type, offset: 0x77n });
      const is = ['Readable', 'ReadableExclusive', 'Writable'].filter((other) => call(`is${other}MigrationEntry`, entry, kernel) === true);
      expect(is).toEqual([kind]);
      expect(core.isMigrationEntry(entry, kernel)).toBe(true);
    }
  });

  it('are no migration entries elsewhere, and not in a kernel that has none', () => {
    const without = { options: { migration: false } };
    expect([0, 23, 27, 31].map((type) => core.isMigrationEntry({ type, offset: 0n }))).toEqual([false, false, false, false]);
    expect(Array.from({ length: 32 }, (_, type) => core.isMigrationEntry({ type, offset: 0n }, without)).some(Boolean)).toBe(false);
    expect(codeOf(() => core.makeWritableMigrationEntry(1n, without))).toBe('ENOTSUP');
    expect(codeOf(() => core.makeReadableExclusiveMigrationEntry(1n, { release: '5.15.0' }))).toBe('ENOTSUP');
    expect(core.makeReadableMigrationEntry(1n, { release: '5.15.0' }).type).not.toBe(core.makeReadableMigrationEntry(1n).type);
  });
});

describe('the accessors', () => {
  it('are all held to their operation here', () => {
    const tested = new Set<string>([
      ...WRITING.map(([name]) => name), ...VALUES.map(([name]) => name),
      ...LEVELS.flatMap((l) => [`${l}pGet`, `${l}pGetOnce`, `${l}Same`, ...['Next', 'Advance', 'Distance', 'Same'].map((step) => `hw${title(l)}${step}`)]),
    ]);
    const pattern = /^(?:(?:pte|pmd|pud|p4d|pgd)p?[A-Z]|set(?:Pte|Pmd|Pud|P4d|Pgd)|hw(?:Pte|Pmd|Pud|P4d|Pgd))/;
    const elsewhere = new Set([
      'ptepGetLockless', 'pmdpGetLockless', 'pgdOffset', 'p4dOffset', 'pudOffset', 'pmdOffset', 'pteOffset', 'p4dOffsetLockless', 'pudOffsetLockless', 'pmdOffsetLockless', 'pteOffsetLockless', 'pmdpInvalidate', 'pudpInvalidate', 'pteModify', 'pmdModify', 'pudModify',
      'pteAdvancePfn', 'pteNextPfn', 'pteToSwpEntry', 'pmdToSwpEntry',
    ]);
    const missing = Object.keys(core).filter((name) => pattern.test(name) && !tested.has(name) && !elsewhere.has(name));
    expect(missing).toEqual([]);
  });
});
