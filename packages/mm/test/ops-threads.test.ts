import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { munmap, readUser, setCurrentThread, writeUser, type KernelChecks } from '../src/index.js';
import { boot, CHECKS, map, quiet, shape, WRITE } from './ops-machine.js';
import { PAGES } from './ops-places.js';
import type { Done, Orders, Role } from './ops-worker.js';

/* Threads of one process: some change its address space while others use it. */

const folder = mkdtempSync(join(tmpdir(), 'pgtable-mm-ops-'));
const worker = join(folder, 'worker.mjs');

beforeAll(async () => {
  // Workers run a bundle, because threads of Node 20 cannot load TypeScript.
  const entry = fileURLToPath(new URL('./ops-worker.ts', import.meta.url));
  await build({ entryPoints: [entry], outfile: worker, bundle: true, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error', keepNames: true });
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

afterEach(() => {
  setCurrentThread(undefined);
});

/** How long to wait for what the machine's scheduler owes. */
const PATIENCE = 60_000;

/** Runs threads until those with a number of rounds are done, then stops the others. @returns what they report, and the sum of the counters */
async function run(machine: string, checks: KernelChecks, duties: readonly (readonly [Role, number])[]): Promise<{ readonly done: readonly Done[]; readonly sum: number }> {
  const kernel = boot(shape(machine), 1024, { checks });
  const mm = kernel.newMm();
  const page = mm.pageBytes;
  // The counters are on both sides of the end of what a pmd entry maps.
  const counters = map(mm, PAGES, WRITE, { address: 2 ** 29 - 4 * page, fixed: true });
  const changing = counters + 32 * page;
  const places = [counters + 64 * page, counters + 129 * page] as const;
  map(mm, PAGES, WRITE, { address: places[0], fixed: true });
  for (let at = 0; at < PAGES; at++) writeUser(mm, places[0] + at * page, at + 1);
  const stop = new Int32Array(new SharedArrayBuffer(8));
  const endless = duties.filter(([, rounds]) => rounds === 0).length;
  const ends = duties.map(([role, rounds], number) => new Promise<Done>((resolve, reject) => {
    const orders: Orders = { role, rounds, seed: number + 1, machine, kernel: kernel.share(), mm: mm.id, counters, changing, places, stop, endless };
    const thread = new Worker(worker, { workerData: orders });
    thread.once('message', resolve);
    thread.once('error', reject);
    setTimeout(() => { reject(new Error(`${role} does not end`)); }, PATIENCE).unref();
  }));
  await Promise.all(ends.filter((_, number) => duties[number]![1] > 0));
  Atomics.store(stop, 0, 1);
  const done = await Promise.all(ends);
  expect(done.map(({ error }) => error)).toEqual(done.map(() => ''));
  const sum = Array.from({ length: PAGES }, (_, at) => readUser(mm, counters + at * page)).reduce((total, word) => total + word, 0);
  munmap(mm, counters, 200 * page);
  mm.mmput();
  quiet(kernel);
  return { done, sum };
}

function counted(done: readonly Done[], role: Role): number {
  return done.reduce((sum, one) => sum + (one.role === role ? one.count : 0), 0);
}

describe.each(['x86 4-level', 'arm64 4K 48-bit', 'riscv Sv39', 's390 pud'])('%s', (machine) => {
  it.each([['all checks', CHECKS, 10], ['no check', {}, 60]] as const)('no write is lost, and no child sees one, while one thread forks and unmaps and others fault (%s)', async (_, checks, forks) => {
    const { done, sum } = await run(machine, checks, [['forker', forks], ['adder', 0], ['adder', 0], ['harvester', 0]]);
    expect(done.flatMap(({ wrong }) => wrong)).toEqual([]);
    expect(counted(done, 'adder')).toBeGreaterThan(0);
    expect(sum).toBe(counted(done, 'adder'));
    expect(counted(done, 'forker')).toBe(forks);
  }, PATIENCE);

  it.each([['all checks', CHECKS], ['no check', {}]] as const)('nobody sees a page that is another\'s, while mappings come, go and are moved (%s)', async (_, checks) => {
    const { done } = await run(machine, checks, [['changer', 80], ['mover', 40], ['toucher', 0], ['follower', 0]]);
    expect(done.flatMap(({ wrong }) => wrong)).toEqual([]);
    expect(counted(done, 'toucher')).toBeGreaterThan(0);
    expect(counted(done, 'follower')).toBeGreaterThan(0);
  }, PATIENCE);
});
