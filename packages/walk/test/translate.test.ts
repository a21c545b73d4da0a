import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EntryKind } from '@pgtable/core';
import { BATCH_STATUSES, RunKind, TableLoader, translateBatch, Translator, VirtualReader } from '../src/index.js';
import { ABSENT, machine, OUTSIDE, randomMachine, randomTables, see } from './machine.js';
import { leaf, tableEntry, TOY_RESERVED, TOY_W } from './toy.js';

const MIB = 2 ** 20;

function sample(options: Parameters<typeof machine>[2] = {}) {
  const made = machine(
    {
      0x1000: { 0: tableEntry(0x2000, 0), 1: leaf(5 * MIB), 2: tableEntry(ABSENT), 3: tableEntry(OUTSIDE), 4: leaf(MIB, TOY_RESERVED), 5: 0x3000n, 6: tableEntry(0x2000, TOY_W, 1, 1), 15: 0x9000n },
      0x2000: { 0: tableEntry(0x3000), 1: leaf(0x20_0000), 2: leaf(0x21000) },
      0x3000: { 0: leaf(0x7000_0000), 15: leaf(0x4444_0000_7000), 1: 0n },
    },
    0x1000,
    options,
  );
  made.memory.leaveOut(ABSENT);
  return made;
}

const BATCH: readonly (readonly [page: number, status: (typeof BATCH_STATUSES)[number], pa: number])[] = [
  [0, 'mapped', 0x7000_0000],
  [0xf000, 'mapped', 0x4444_0000_7000],
  [0x1000, 'unmapped', 0],
  [0x13000, 'mapped', 0x20_3000],
  [0x20000, 'unmapped', 0],
  [0x30000, 'unmapped', 0],
  [MIB + 0x5000, 'mapped', 5 * MIB + 0x5000],
  [2 * MIB, 'absent', 0],
  [3 * MIB, 'absent', 0],
  [4 * MIB, 'unmapped', 0],
  [5 * MIB, 'unmapped', 0],
  [6 * MIB, 'unmapped', 0],
  [6 * MIB + 0x10000, 'mapped', 0x20_0000],
  [7 * MIB, 'unmapped', 0],
  [8 * MIB, 'non-canonical', 0],
  [2 ** 64 - 8 * MIB - 4096, 'non-canonical', 0],
  [2 ** 64 - 8 * MIB, 'unmapped', 0],
  [2 ** 64 - 4096, 'unmapped', 0],
];

describe('translateBatch', () => {
  it.each([true, false])('gives every answer there is, little endian %s', async (littleEndian) => {
    const { space, loader } = sample({ littleEndian });
    const { status, pagePa } = await translateBatch(new Translator(space, loader), loader, Float64Array.from(BATCH, ([page]) => page));
    expect(BATCH.map(([page], at) => [page, BATCH_STATUSES[status[at]!], pagePa[at]])).toEqual(BATCH);
  });

  it('reads a level in one call, each table once', async () => {
    const { space, loader, memory } = sample();
    await translateBatch(new Translator(space, loader), loader, Float64Array.from([0, 0x1000, 0x10000, 2 * MIB, 3 * MIB, 6 * MIB + 0x10000]));
    expect(memory.calls).toEqual([[0x1000], [0x2000, ABSENT, OUTSIDE], [0x3000]]);
  });

  it('answers absent when the root is not in the dump, and reads nothing twice', async () => {
    const { space, loader, memory } = sample();
    memory.leaveOut(0x1000);
    const translator = new Translator(space, loader);
    const pages = Float64Array.from([0, 4096]);
    expect(Array.from((await translateBatch(translator, loader, pages)).status)).toEqual([2, 2]);
    await translateBatch(translator, loader, pages);
    expect(memory.calls).toEqual([[0x1000]]);
  });

  it('of nothing is nothing', async () => {
    const { space, loader } = sample();
    expect((await translateBatch(new Translator(space, loader), loader, new Float64Array())).status).toHaveLength(0);
  });

  it('does not ask for ever for a table that cannot be loaded', async () => {
    const { space, loader } = sample();
    await loader.load();
    // An architecture that keeps its tables elsewhere: the loader has nothing to load, and the table is not there.
    const elsewhere = { ...space, arch: { ...space.arch, tables: undefined } };
    const idle = new TableLoader(elsewhere, { readBlocks: () => Promise.reject(new Error('nothing to read')) });
    const { status } = await translateBatch(new Translator(elsewhere, idle), idle, Float64Array.from([0, 2 * MIB]));
    expect(Array.from(status)).toEqual([0, 2]);
  });

  it('agrees with a walk of one entry at a time', async () => {
    await fc.assert(
      fc.asyncProperty(randomTables, fc.array(fc.nat(4095), { minLength: 1, maxLength: 200 }), async (tables, numbers) => {
        const made = randomMachine(tables);
        const pages = Float64Array.from(numbers, (number) => (number < 2048 ? number * 4096 : 2 ** 64 - (4096 - number) * 4096));
        const { status, pagePa } = await translateBatch(new Translator(made.space, made.loader), made.loader, pages);
        pages.forEach((page, at) => {
          const seen = see(made, page)!;
          const expected = seen.kind === RunKind.Leaf ? 'mapped' : seen.kind === RunKind.Absent ? 'absent' : 'unmapped';
          expect(BATCH_STATUSES[status[at]!]).toBe(expected);
          expect(pagePa[at]).toBe(expected === 'mapped' ? seen.pa + (page - seen.va) : 0);
        });
      }),
      { numRuns: 150 },
    );
  });
});

describe('Translator.explain', () => {
  it('tells every step and why it stopped', async () => {
    const { space, loader } = sample();
    const translator = new Translator(space, loader);
    expect(translator.explain(0n)).toMatchObject({ status: 'absent', reason: 'table not in the dump', steps: [] });
    await loader.load();
    const reasons = [0x123n, 0x1000n, 0x30000n, 0x20000n, 2n ** 21n, 3n * 2n ** 20n, 6n * 2n ** 20n, 9n * 2n ** 20n].map((address) => translator.explain(address).reason);
    expect(reasons).toEqual(['leaf', 'not present', 'empty', 'reserved bits', 'table not in the dump', 'table outside of memory', 'beyond table length', 'address not translated by this root']);
    const translation = translator.explain(0xf123n);
    expect(translation).toMatchObject({ address: 0xf123n, status: 'mapped', pa: 0x4444_0000_7123n, pageBytes: 4096 });
    expect(translation.steps.map(({ level, table, index, entryAddress, kind }) => ({ level, table, index, entryAddress, kind }))).toEqual([
      { level: 'pgd', table: 0x1000, index: 0, entryAddress: 0x1000n, kind: EntryKind.Table },
      { level: 'pmd', table: 0x2000, index: 0, entryAddress: 0x2000n, kind: EntryKind.Table },
      { level: 'pte', table: 0x3000, index: 15, entryAddress: 0x3078n, kind: EntryKind.Leaf },
    ]);
    expect(translation.steps[2]!.entry).toBe(leaf(0x4444_0000_7000));
    // The pgd entry forbids writing to all below it.
    expect(translation.steps.map(({ attributes }) => attributes?.access)).toEqual([1, 1, 1]);
    expect(translator.explain(0x1000n).steps.at(-1)).toMatchObject({ attributes: undefined, nonPresent: { kind: 'swap' } });
    expect(translator.explain(0x30000n).steps.at(-1)).toMatchObject({ attributes: undefined, nonPresent: undefined });
    expect(translator.explain(MIBn + 0x5432n)).toMatchObject({ pa: 5n * MIBn + 0x5432n, pageBytes: MIB });
    expect(translator.explain(2n ** 64n - 1n)).toMatchObject({ status: 'unmapped', reason: 'not present' });
    // The first page is mapped; what is below it is not an address of it.
    expect(translator.explain(-1n)).toMatchObject({ status: 'non-canonical', pa: undefined, steps: [] });
    expect(translator.explain(-4096n)).toMatchObject({ status: 'non-canonical', pa: undefined, steps: [] });
    expect(translator.explain(2n ** 64n)).toMatchObject({ status: 'non-canonical', pa: undefined, steps: [] });
    expect(translator.explain(2n ** 64n - 2n ** 23n)).toMatchObject({ status: 'unmapped', reason: 'empty' });
  });

  const MIBn = 2n ** 20n;
});

describe('VirtualReader', () => {
  it('reads across pages, and nothing where a byte is missing', async () => {
    const { space, memory } = machine({ 0x1000: { 0: tableEntry(0x2000) }, 0x2000: { 0: tableEntry(0x3000) }, 0x3000: { 0: leaf(0x10000), 1: leaf(0x20000), 2: leaf(0x30000), 4: leaf(0x40000) } }, 0x1000);
    memory.writeBytes(0x10ffc, Uint8Array.of(1, 2, 3, 4));
    memory.writeBytes(0x20000, Uint8Array.of(5, 6, 7, 8));
    memory.leaveOut(0x30000);
    const reader = new VirtualReader(space, memory);
    expect(await reader.read(0xffen, 5)).toEqual(Uint8Array.of(3, 4, 5, 6, 7));
    expect(await reader.read(0x1000n, 4)).toEqual(Uint8Array.of(5, 6, 7, 8));
    expect(await reader.read(0x1ffen, 4)).toBeUndefined();
    expect(await reader.read(0x3000n, 1)).toBeUndefined();
    expect(await reader.read(2n ** 40n, 1)).toBeUndefined();
    expect(await reader.read(0n, 0)).toEqual(new Uint8Array());
  });
});
