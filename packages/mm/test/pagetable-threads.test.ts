import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { NO_TLB } from '@pgtable/core';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lockClasses, LockOrder, PAGE_TABLE_COUNTER_WORDS, PageTables, setCurrentThread, spinLock, spinUnlock, Threads, WriteProtectedTables, type SharedShadow } from '../src/index.js';
import { machine, Space, USER, type Machine } from './pagetable-machine.js';
import type { Done, Orders, Role } from './pagetable-worker.js';

const folder = mkdtempSync(join(tmpdir(), 'pgtable-mm-tables-'));
const file = join(folder, 'worker.mjs');
beforeAll(async () => {
  // Workers run a bundle, because threads of Node 20 cannot load TypeScript.
  const entry = fileURLToPath(new URL('./pagetable-worker.ts', import.meta.url));
  await build({ entryPoints: [entry], outfile: file, bundle: true, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error' });
});
afterAll(() => {
  setCurrentThread(undefined);
  rmSync(folder, { recursive: true, force: true });
});

interface Shared {
  readonly m: Machine;
  readonly pageTables: Machine['pageTables'];
  readonly counters: Int32Array;
  readonly slots: BigInt64Array;
}

function shared(configuration: string, slots: number): Shared {
  const m = machine(configuration, false, 1024);
  const counters = new Int32Array(new SharedArrayBuffer(PAGE_TABLE_COUNTER_WORDS * 4));
  return { m, counters, pageTables: new PageTables(m.frames, m.tables, counters), slots: new BigInt64Array(new SharedArrayBuffer(slots * 8)) };
}

async function run(configuration: string, { m, counters, slots }: Shared, role: Role, crew: number, rounds: number, shadow?: SharedShadow): Promise<Done[]> {
  const threads = new Threads();
  setCurrentThread(threads.join('main'));
  const order = new LockOrder().share();
  const gate = new Int32Array(new SharedArrayBuffer(4));
  return Promise.all(Array.from({ length: crew }, (_, number) => new Promise<Done>((resolve, reject) => {
    const orders: Orders = { role, configuration, rounds, seed: number + 1, crew, frames: m.frames.share(), counters, threads: threads.share(), order, slots, gate, shadow };
    const worker = new Worker(file, { workerData: orders });
    worker.once('message', resolve);
    worker.once('error', reject);
  })));
}

const sum = (done: readonly Done[], what: 'got' | 'refused'): number => done.reduce((total, one) => total + one[what], 0);

function expectQuiet({ m, pageTables, counters }: Shared): void {
  pageTables.assertNone();
  m.frames.assertWhole();
  expect([m.frames.free, m.tables.tables, counters.every((word) => word === 0)]).toEqual([m.boot, 0, true]);
}

describe.each(['x86 4-level', 's390 pud'])('threads on %s', (configuration) => {
  it('free each other\'s tables, and every account returns to zero', async () => {
    const all = shared(configuration, 8);
    const done = await run(configuration, all, 'exchange', 3, 2000);
    expect(done.map(({ error }) => error)).toEqual(['', '', '']);
    expect(sum(done, 'got')).toBeGreaterThan(5000);
    expect(all.pageTables.nrPageTables()).toBe([...all.slots].filter((address) => address !== 0n).length);
    for (const address of all.slots) if (address !== 0n) all.pageTables.free(Number(address));
    expectQuiet(all);
  });

  it('put tables aside under one lock, and lose none', async () => {
    const all = shared(configuration, 2);
    const pmd = all.pageTables.alloc(all.m.user, USER, 'pmd').address;
    all.slots[0] = BigInt(pmd);
    const done = await run(configuration, all, 'deposit', 3, 300);
    expect(done.map(({ error }) => error)).toEqual(['', '', '']);
    expect(sum(done, 'got')).toBeGreaterThan(100);
    const left = Number(all.slots[1]!);
    expect(all.pageTables.nrPageTables('pte', USER.id)).toBe(left);
    const lock = all.pageTables.lockWord(pmd);
    spinLock(all.m.frames.memmap, lock, lockClasses.pmdPtl);
    const out = Array.from({ length: left }, () => all.pageTables.withdraw(pmd));
    expect(() => all.pageTables.withdraw(pmd)).toThrow('none is put aside');
    spinUnlock(all.m.frames.memmap, lock);
    for (const address of [...out, pmd]) all.pageTables.free(address);
    expectQuiet(all);
  });

  it('free one table each once, whoever comes first', async () => {
    const all = shared(configuration, 200);
    all.slots.forEach((_, slot) => { all.slots[slot] = BigInt(all.pageTables.alloc(all.m.user, USER, 'pte').address); });
    const done = await run(configuration, all, 'free all', 3, 1);
    expect(done.map(({ error }) => error)).toEqual(['', '', '']);
    expect([sum(done, 'got'), sum(done, 'refused')]).toEqual([200, 400]);
    expectQuiet(all);
  });

  it('write to one protected table, and what else does is found', async () => {
    const all = shared(configuration, 2);
    const { m } = all;
    const guard = new WriteProtectedTables(all.pageTables, { user: m.user, kernel: m.kernel });
    const space = new Space({ ...m, pageTables: all.pageTables }, () => ({ tlb: NO_TLB }));
    const table = m.user.ops.pte.entryAddress(space.entry('pte', space.at(0)));
    all.slots[0] = BigInt(space.root.table);
    all.slots[1] = BigInt(table);
    const done = await run(configuration, all, 'guarded', 3, 1000, guard.share());
    expect(done.map(({ error }) => error)).toEqual(['', '', '']);
    expect(sum(done, 'got')).toBe(3000);
    guard.check();
    const at = (table - m.frames.base) / 8;
    m.tables.elements[at + 20] = 5n;
    expect(() => { guard.check(); }).toThrow('entry 20 is 0x5 and should be');
  });
});
