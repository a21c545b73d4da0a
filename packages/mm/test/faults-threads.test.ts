import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readUser } from '../src/access/user-access.js';
import { hugePmdOrder } from '../src/folio/huge.js';
import { FrameWord } from '../src/frames/memmap.js';
import { MmCounter } from '../src/kernel/mm.js';
import { setCurrentThread } from '../src/locks/thread.js';
import { boot, exit, map, pfnAt, quiet, WRITE, type Machine, type Space } from './faults-machine.js';
import type { Done, Orders, Role } from './faults-worker.js';

const folder = mkdtempSync(join(tmpdir(), 'pgtable-mm-faults-'));
const file = join(folder, 'worker.mjs');
beforeAll(async () => {
  // Workers run a bundle, because threads of Node 20 cannot load TypeScript.
  const entry = fileURLToPath(new URL('./faults-worker.ts', import.meta.url));
  await build({ entryPoints: [entry], outfile: file, bundle: true, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error', keepNames: true, external: ['vitest'] });
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  setCurrentThread(undefined);
});

/** How long to wait for what the machine's scheduler owes. */
const PATIENCE = 60_000;

/** Runs threads until those with a number of rounds are done. */
async function run(configuration: string, kernel: Machine, mm: Space, pages: number, duties: readonly (readonly [Role, number])[]): Promise<Done[]> {
  const memory = new Int32Array(new SharedArrayBuffer(64));
  const workers: Worker[] = [];
  const ends = duties.map(([role, rounds], number) => new Promise<Done>((resolve, reject) => {
    const orders: Orders = { role, configuration, rounds, seed: number + 1, crew: duties.length, endless: duties.filter(([, count]) => count === 0).length, pages, kernel: kernel.share(), mm: mm.id, memory };
    const worker = new Worker(file, { workerData: orders });
    workers.push(worker);
    worker.once('message', resolve);
    worker.once('error', reject);
    setTimeout(() => { reject(new Error(`${role} does not end`)); }, PATIENCE).unref();
  }));
  try {
    await Promise.all(ends.filter((_, number) => duties[number]![1] > 0));
    Atomics.store(memory, 1, 1);
    const done = await Promise.all(ends);
    for (const { role, wrong, error, did } of done) expect({ role, wrong, error, did: did > 0 }).toEqual({ role, wrong: [], error: '', did: did > 0 });
    return done;
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

const CONFIGURATIONS = ['x86 4-level', 'arm64 4K 48-bit', 'riscv Sv48', 's390 pud'];

describe.each(CONFIGURATIONS)('threads on %s', (name) => {
  it('that touch a page at the same time get one frame', async () => {
    const kernel = boot(name, 1024);
    const mm = kernel.newMm();
    const pages = 40;
    const vma = map(mm, pages, WRITE);
    await run(name, kernel, mm, pages, [['first', pages], ['first', pages], ['first', pages]]);
    for (let page = 0; page < pages; page++) expect(readUser(mm, vma.start + page * mm.pageBytes)).toBe(3);
    const frames = new Set(Array.from({ length: pages }, (_, page) => pfnAt(mm, vma.start + page * mm.pageBytes)));
    expect([frames.size, mm.counter(MmCounter.AnonPages)]).toEqual([pages, pages]);
    for (const pfn of frames) expect(kernel.frames.read(pfn!, FrameWord.Mapcount)).toBe(1);
    exit(mm);
    quiet(kernel);
  }, PATIENCE);

  it('lose no update while pages are copied for children and collapsed into huge ones', async () => {
    const kernel = boot(name, 8192);
    const mm = kernel.newMm();
    const pages = 2 ** (hugePmdOrder(mm) ?? 6);
    const vma = map(mm, pages, WRITE);
    const rounds = 400;
    const done = await run(name, kernel, mm, pages, [['adder', rounds], ['adder', rounds], ['forker', 0], ['collapser', 0]]);
    const sums = [0, 0];
    for (let page = 0; page < pages; page++) for (const word of [0, 1]) sums[word]! += readUser(mm, vma.start + page * mm.pageBytes + word * 4);
    expect(sums).toEqual([rounds, rounds]);
    expect(done.find(({ role }) => role === 'forker')!.did).toBeGreaterThan(0);
    exit(mm);
    quiet(kernel);
  }, PATIENCE);

  it('refer to the right pages while these are unmapped and mapped again', async () => {
    const kernel = boot(name, 2048);
    const mm = kernel.newMm();
    const pages = 24;
    map(mm, pages, WRITE);
    const rounds = 500;
    await run(name, kernel, mm, pages, [['gup', rounds], ['writer', rounds], ['zapper', 0]]);
    exit(mm);
    quiet(kernel);
  }, PATIENCE);
});
