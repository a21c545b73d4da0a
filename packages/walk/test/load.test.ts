import { PgtableError, TableMemory } from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BATCH_STATUSES, PageWalkLock, RunKind, TableLoader, tablePages, translateBatch, Translator, vaRange, walkPageRangeNovma, walkRuns, wholeSpace, type LoadProgress,
} from '../src/index.js';
import { ABSENT, machine, OUTSIDE, randomMachine, randomTables, ROOT, see } from './machine.js';
import { leaf, tableEntry, toyArch, toyRoot, TOY_W } from './toy.js';

const all = (value: bigint, count = 16) => Object.fromEntries(Array.from({ length: count }, (_, index) => [index, value]));

describe('TableLoader', () => {
  it('reads each level in one batch, sorted by address, shared tables once', async () => {
    const made = machine(
      { [ROOT]: { 0: tableEntry(0x5000), 1: tableEntry(0x2000), 2: tableEntry(0x5000), 9: tableEntry(0x3000) }, 0x2000: all(tableEntry(0x6000)), 0x3000: {}, 0x5000: { 3: tableEntry(0x4000), 4: tableEntry(0x6000) }, 0x4000: {}, 0x6000: { 0: leaf(0x1000) } },
      ROOT,
    );
    const progress: LoadProgress[] = [];
    await made.loader.load(undefined, (step) => progress.push(step));
    expect(made.memory.calls).toEqual([[ROOT], [0x2000, 0x3000, 0x5000], [0x4000, 0x6000]]);
    expect(made.memory.lengths).toEqual([128, 128, 128]);
    expect(progress).toEqual([{ level: 'pgd', done: 1, total: 1 }, { level: 'pmd', done: 3, total: 3 }, { level: 'pte', done: 2, total: 2 }]);
    expect(made.tables.tables).toBe(6);
    expect(made.loader.missingTables()).toEqual([]);
    await made.loader.load();
    expect(made.memory.calls).toHaveLength(3);
  });

  it('remembers what is missing, and why', async () => {
    const made = machine({ [ROOT]: { 0: tableEntry(ABSENT), 1: tableEntry(OUTSIDE), 2: tableEntry(0x2000) }, 0x2000: { 0: tableEntry(ABSENT) } }, ROOT);
    made.memory.leaveOut(ABSENT);
    expect(made.loader.missingTable('pmd', ABSENT)).toBeUndefined();
    await made.loader.load();
    expect(made.loader.missingTable('pmd', ABSENT)).toBe('absent');
    expect(made.loader.missingTable('pmd', OUTSIDE)).toBe('none');
    expect(made.loader.missingTable('pte', ABSENT)).toBe('absent');
    expect(made.loader.missingTable('pte', OUTSIDE)).toBeUndefined();
    expect(made.loader.missingTable('pmd', 0x2000)).toBeUndefined();
    expect(made.loader.missingTables()).toEqual([
      { level: 'pte', address: ABSENT, why: 'absent' },
      { level: 'pmd', address: ABSENT, why: 'absent' },
      { level: 'pmd', address: OUTSIDE, why: 'none' },
    ]);
    const calls = made.memory.calls.length;
    await made.loader.load();
    expect(made.memory.calls).toHaveLength(calls);
  });

  it('loads what translates the given ranges, and no more', async () => {
    const made = machine({ [ROOT]: { 0: tableEntry(0x2000), 1: tableEntry(0x3000), 15: tableEntry(0x3000) }, 0x2000: { 0: tableEntry(0x4000), 1: tableEntry(0x5000), 2: tableEntry(0x6000) }, 0x3000: { 15: tableEntry(0x8000) }, 0x4000: {}, 0x5000: {}, 0x6000: {}, 0x8000: {} }, ROOT);
    await made.loader.load([{ start: 0x1f000, end: 0x20000 }]);
    expect(made.memory.calls).toEqual([[ROOT], [0x2000], [0x5000]]);
    await made.loader.load([{ start: 0xf000, end: 0x11000 }]);
    expect(made.memory.calls.slice(3)).toEqual([[0x4000]]);
    await made.loader.load([{ start: 2 ** 64 - 4096, end: 2 ** 64 }]);
    expect(made.memory.calls.slice(4)).toEqual([[0x3000], [0x8000]]);
    await made.loader.load([{ start: 2 ** 40, end: 2 ** 41 }]);
    expect(made.memory.calls).toHaveLength(6);
    await made.loader.load();
    expect(made.memory.calls.slice(6)).toEqual([[0x6000]]);
  });

  it('has every table that a walk needs, and for a range every table that its addresses need', async () => {
    await fc.assert(
      fc.asyncProperty(randomTables, fc.nat(4095), fc.nat(4095), async (tables, a, b) => {
        const made = randomMachine(tables);
        const address = (page: number) => (page < 2048 ? page * 4096 : 2 ** 64 - (4096 - page) * 4096);
        const first = Math.min(a, b);
        const last = Math.max(a, b);
        await made.loader.load([{ start: address(first), end: address(last) + 4096 }]);
        const calls = made.memory.calls.length;
        const pages = Float64Array.from([first, last, (first + last) >> 1], address);
        const { status } = await translateBatch(new Translator(made.space, made.loader), made.loader, pages);
        expect(made.memory.calls).toHaveLength(calls);
        pages.forEach((page, at) => { expect(status[at] === 0).toBe(see(made, page)!.kind === 3); });
        expect(calls).toBeLessThanOrEqual(3);
      }),
      { numRuns: 60 },
    );
  });

  it('reads large tables in units, all of which must be there', async () => {
    const bits = { pte: 11, pmd: 11, pgd: 11 };
    const tables = new TableMemory();
    const space = { arch: toyArch(tables, { bits }), root: toyRoot(0x10000, bits) };
    const made = machine({ 0x10000: { 0: tableEntry(0x20000), 1: tableEntry(0x30000), 2000: tableEntry(0x40000) }, 0x20000: { 2047: leaf(2 ** 23) }, 0x30000: {}, 0x40000: {} }, 0x10000, { bits });
    made.memory.leaveOut(0x33000);
    const loader = new TableLoader(space, made.memory);
    await loader.load();
    const units = (address: number) => [0, 0x1000, 0x2000, 0x3000].map((offset) => address + offset);
    expect(made.memory.calls).toEqual([units(0x10000), [...units(0x20000), ...units(0x30000), ...units(0x40000)]]);
    expect(loader.missingTables()).toEqual([{ level: 'pmd', address: 0x30000, why: 'absent' }]);
    expect(tables.tables).toBe(3);
    expect(new Translator(space, loader).explain(2047n << 23n)).toMatchObject({ status: 'mapped', pa: 2n ** 23n });
    expect(new Translator(space, loader).explain(1n << 34n)).toMatchObject({ status: 'absent' });
  });

  it('reads of a large table the units that an entry says exist', async () => {
    const bits = { pte: 4, pmd: 11, pgd: 4 };
    const made = machine({ [ROOT]: { 0: tableEntry(0x20000, TOY_W, 4, 4) }, 0x20000: { 512: leaf(2 ** 16), 0: leaf(0) } }, ROOT, { bits });
    made.memory.leaveOut(0x20000);
    made.memory.leaveOut(0x23000);
    await made.loader.load();
    expect(made.memory.calls.slice(1)).toEqual([[0x21000, 0x22000]]);
    const translator = new Translator(made.space, made.loader);
    expect(translator.explain(512n << 16n)).toMatchObject({ status: 'mapped', pa: 65536n });
    expect(translator.explain(0n)).toMatchObject({ status: 'unmapped', reason: 'beyond table length' });
  });

  it.each([
    [4, 0x2000],
    [11, 0x20000],
  ])('reads a table of 2^%i entries again when another entry says that it is longer', async (pmd, address) => {
    const bits = { pte: 4, pmd, pgd: 4 };
    const last = 2 ** pmd - 1;
    const made = machine({ [ROOT]: { 0: tableEntry(address, TOY_W, 0, 8), 1: tableEntry(address) }, [address]: { 0: leaf(0x10000), [last]: leaf(0x20000) } }, ROOT, { bits });
    const translator = new Translator(made.space, made.loader);
    const inSecond = (1 + last / (last + 1)) * 2 ** (16 + pmd);
    const first = await translateBatch(translator, made.loader, Float64Array.of(0));
    const second = await translateBatch(translator, made.loader, Float64Array.of(inSecond));
    expect([first.status[0], first.pagePa[0], second.status[0], second.pagePa[0]]).toEqual([0, 0x10000, 0, 0x20000]);
    expect(made.tables.tables).toBe(2);
    const again = machine({ [ROOT]: { 0: tableEntry(address, TOY_W, 0, 8), 1: tableEntry(address) }, [address]: { 0: leaf(0x10000), [last]: leaf(0x20000) } }, ROOT, { bits });
    await again.loader.load([{ start: 0, end: 4096 }]);
    await again.loader.load();
    expect(new Translator(again.space, again.loader).explain(BigInt(inSecond))).toMatchObject({ status: 'mapped', pa: 0x20000n });
  });

  it('does not call missing bytes of a table that became longer entries', async () => {
    const bits = { pte: 4, pmd: 11, pgd: 4 };
    const made = machine({ [ROOT]: { 0: tableEntry(0x20000, TOY_W, 0, 8), 1: tableEntry(0x20000) }, 0x20000: { 0: leaf(0x10000) } }, ROOT, { bits });
    made.memory.leaveOut(0x23000);
    const translator = new Translator(made.space, made.loader);
    const { status } = await translateBatch(translator, made.loader, Float64Array.of(0));
    const more = await translateBatch(translator, made.loader, Float64Array.of(2 ** 27 + 2047 * 65536));
    expect([status[0], more.status[0]]).toEqual([0, 2]);
  });

  it('reads nothing of a table without entries', async () => {
    const made = machine({ [ROOT]: { 0: tableEntry(0x2000, TOY_W, 15, 15) }, 0x2000: all(leaf(0)) }, ROOT);
    await made.loader.load();
    expect(made.memory.calls).toEqual([[ROOT]]);
    expect(made.loader.missingTables()).toEqual([]);
    expect(new Translator(made.space, made.loader).explain(0n).reason).toBe('beyond table length');
  });

  it('says of what a length cuts off that it is not mapped, though the table is not there, and reads nothing for it', async () => {
    // The first four entries and the last four do not exist.
    const made = machine({ [ROOT]: { 0: tableEntry(0x2000, TOY_W, 4, 4) } }, ROOT, {}, { ...toyRoot(ROOT), end: 4 });
    made.memory.leaveOut(0x2000);
    const translator = new Translator(made.space, made.loader);
    const [before, after, beyondRoot, between] = [3, 12, 4 * 16, 8].map((index) => index * 2 ** 16);
    const cut = await translateBatch(translator, made.loader, Float64Array.of(before!, after!, beyondRoot!));
    expect(Array.from(cut.status, (status) => BATCH_STATUSES[status])).toEqual(['unmapped', 'unmapped', 'unmapped']);
    expect(made.memory.calls).toEqual([[ROOT]]);
    expect((await translateBatch(translator, made.loader, Float64Array.of(between!))).status[0]).toBe(BATCH_STATUSES.indexOf('absent'));
    for (const address of [before!, after!, beyondRoot!]) expect(translator.explain(BigInt(address))).toMatchObject({ status: 'unmapped', reason: 'beyond table length' });
    // A walk says the same, of each address once.
    const unit = 2 ** 16;
    const runs: string[] = [];
    walkRuns(made.space, ({ kind, va, end }) => { runs.push(`${kind === RunKind.Absent ? 'absent' : 'hole'} ${va / unit}-${end / unit}`); return undefined; }, { ranges: [{ start: 2 * unit, end: 14 * unit }] });
    expect(runs).toEqual(['hole 2-4', 'absent 4-12', 'hole 12-14']);
    const walked: string[] = [];
    const say = (what: string) => (address: number, next: number): void => { walked.push(`${what} ${address / unit}-${next / unit}`); };
    walkPageRangeNovma({ ...made.space, kind: 'user' }, 2 * unit, 14 * unit, { walkLock: PageWalkLock.Read, pteHole: say('hole'), tableAbsent: say('absent') });
    expect(walked).toEqual(runs);
    // The same of a root that is not there.
    const without = machine({}, ROOT, {}, { ...toyRoot(ROOT), end: 4 });
    without.memory.leaveOut(ROOT);
    const { status } = await translateBatch(new Translator(without.space, without.loader), without.loader, Float64Array.of(beyondRoot!, 0));
    expect(Array.from(status, (at) => BATCH_STATUSES[at])).toEqual(['unmapped', 'absent']);
  });

  it('reads no more of a small root than there is', async () => {
    const made = machine({}, ROOT, {}, { ...toyRoot(ROOT), end: 4, windows: [{ start: 0, end: 2 ** 22, index: 0, half: 'user' }] });
    for (let index = 0; index < 4; index++) made.memory.writeEntry(ROOT + index * 8, leaf(index * 2 ** 20));
    await made.loader.load();
    expect(made.memory.lengths).toEqual([32]);
    expect(new Translator(made.space, made.loader).explain(2n ** 21n)).toMatchObject({ status: 'mapped', pa: 2n ** 21n });
  });

  it('turns big-endian entries into host order', async () => {
    const made = machine({ [ROOT]: { 0: tableEntry(0x2000) }, 0x2000: { 1: leaf(0x30000) } }, ROOT, { littleEndian: false });
    await made.loader.load();
    expect(new Translator(made.space, made.loader).explain(0x10000n)).toMatchObject({ status: 'mapped', pa: 0x30000n });
  });

  it('refuses to load more than the limit', async () => {
    const made = machine({ [ROOT]: { 0: tableEntry(0x2000), 1: tableEntry(0x3000) }, 0x2000: {}, 0x3000: {} }, ROOT);
    const error: unknown = await new TableLoader(made.space, made.memory, { maxBytes: 300 }).load().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PgtableError);
    expect(error).toMatchObject({ code: 'ENOMEM' });
    await new TableLoader(made.space, made.memory, { maxBytes: 384 }).load();
    expect(made.tables.tables).toBe(3);
  });
});

describe('ranges', () => {
  it('are rounded outwards to pages', () => {
    expect(vaRange(0x1234n, 0x5001n)).toEqual({ start: 0x1000, end: 0x6000 });
    expect(vaRange(0x1000n, 0x5000n)).toEqual({ start: 0x1000, end: 0x5000 });
    expect(vaRange(0x5000n, 0x5000n)).toEqual({ start: 0x5000, end: 0x5000 });
    for (const [start, end] of [[-1n, 0x5000n], [0n, 2n ** 64n + 1n], [0x5000n, 0x4fffn]] as const) {
      expect(() => vaRange(start, end)).toThrow(/^there are no addresses from /);
    }
    expect(vaRange(0xffff_ffff_ffff_f001n, 2n ** 64n)).toEqual({ start: 2 ** 64 - 4096, end: 2 ** 64 });
  });
  it('cover what a root translates', () => {
    expect(wholeSpace(toyRoot(0))).toEqual([{ start: 0, end: 2 ** 23 }, { start: 2 ** 64 - 2 ** 23, end: 2 ** 64 }]);
  });
});

describe('tablePages', () => {
  it('are the pages that tables lie in, each once, ascending', () => {
    const tables = new TableMemory();
    const arch = toyArch(tables, { bits: { pte: 4, pmd: 11, pgd: 4 } });
    tables.allocate('pte', 0x9080, 16);
    tables.allocate('pte', 0x9000, 16);
    tables.allocate('pmd', 0x10000, 2048);
    tables.allocate('pgd', 0x1000, 16);
    expect(Array.from(tablePages([{ arch, tables }]))).toEqual([0x1000, 0x9000, 0x10000, 0x11000, 0x12000, 0x13000]);
    expect(Array.from(tablePages([{ arch, tables }], 0x10000))).toEqual([0, 0x10000]);
  });
});
