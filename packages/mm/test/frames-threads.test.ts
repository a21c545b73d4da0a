import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { geometryOf, type TableHandles } from '@pgtable/core';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Frames, FrameTables, FrameWord, LockOrder, setCurrentThread, Threads } from '../src/index.js';
import { at, BOXES, WORDS } from './frames-places.js';
import { allocTable, BASE, configurationOf, framesFor, spaceInFrames } from './frames-spaces.js';
import type { Done, Orders, Role } from './frames-worker.js';

const PAGE = 4096;

let folder = '';
let worker = '';
let threads = new Threads();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pgtable-mm-frames-'));
  worker = join(folder, 'worker.mjs');
  // A bundle, because threads of Node 20 cannot load TypeScript.
  const entry = fileURLToPath(new URL('./frames-worker.ts', import.meta.url));
  await build({ entryPoints: [entry], outfile: worker, bundle: true, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error' });
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => {
  threads = new Threads();
  setCurrentThread(threads.join('test'));
});

afterEach(() => {
  setCurrentThread(undefined);
});

interface Crew {
  readonly role: Role;
  readonly crew: number;
  readonly rounds: number;
  readonly frames: Frames;
  readonly words?: Int32Array;
  readonly checked?: boolean;
  readonly configuration?: string;
  readonly root?: number;
}

async function run({ role, crew, rounds, frames, words = boxes(), checked = false, configuration = '', root = 0 }: Crew): Promise<readonly Done[]> {
  const order = checked ? new LockOrder() : undefined;
  return Promise.all(Array.from({ length: crew }, (_, number) => new Promise<Done>((resolve, reject) => {
    const orders: Orders = { role, number: number + 1, crew, rounds, threads: threads.share(), order: order?.share(), frames: frames.share(), words, configuration, root };
    const thread = new Worker(worker, { workerData: orders });
    thread.once('message', resolve);
    thread.once('error', reject);
  })));
}

const boxes = (): Int32Array => new Int32Array(new SharedArrayBuffer(WORDS * 4));

/** Boxes with a block in each, of that order. */
function blocksIn(frames: Frames, order: number, references: number): Int32Array {
  const words = boxes();
  for (let box = 0; box < BOXES; box++) {
    const pfn = frames.allocPages(order);
    if (references > 1) frames.get(pfn, references - 1);
    words[at.boxes + box] = pfn - frames.firstPfn + 1;
  }
  return words;
}

const sum = (done: readonly Done[], of: 'got' | 'refused'): number => done.reduce((total, each) => total + each[of], 0);
const wrongOf = (done: readonly Done[]): string[] => done.flatMap(({ wrong }) => wrong);

describe('the allocator between threads', () => {
  it.each([[2, false], [4, false], [2, true]])('gives no frame to two of %i threads, and has all back at the end (checked by lockdep: %s)', async (crew, checked) => {
    // So little that it is often used up.
    const frames = framesFor(PAGE, 157);
    const done = await run({ role: 'take and free', crew, rounds: 4000, frames, checked });
    expect(wrongOf(done)).toEqual([]);
    expect(sum(done, 'got')).toBeGreaterThan(crew * 500);
    expect(sum(done, 'refused')).toBeGreaterThan(0);
    expect(frames.free).toBe(157);
    frames.assertWhole();
  });

  it('takes back what another thread got', async () => {
    const frames = framesFor(PAGE, 64);
    const done = await run({ role: 'pass on', crew: 4, rounds: 4000, frames });
    expect(wrongOf(done)).toEqual([]);
    expect(sum(done, 'got')).toBeGreaterThan(4000);
    frames.assertWhole();
  });

  it('frees a block with its last reference, whoever gives that back', async () => {
    const frames = framesFor(PAGE, BOXES * 2);
    const done = await run({ role: 'refer', crew: 2, rounds: 2000, frames, words: blocksIn(frames, 1, 2) });
    expect(sum(done, 'got')).toBe(2 * BOXES);
    frames.assertWhole();
  });

  it('frees a block once, whoever else tries', async () => {
    const frames = framesFor(PAGE, BOXES * 2);
    const words = blocksIn(frames, 0, 1);
    const done = await run({ role: 'free the same', crew: 4, rounds: 0, frames, words });
    expect([sum(done, 'got'), sum(done, 'refused')]).toEqual([BOXES, 3 * BOXES]);
    frames.assertWhole();
  });
});

describe.each(['x86 5-level', 'x86 PAE', 'arm64 4K 48-bit', 'arm64 64K 52-bit', 'riscv Sv39', 's390 pgd'])('tables between threads: %s', (name) => {
  it('are found, walked and freed by threads that did not make them', async <H extends TableHandles>() => {
    const configuration = configurationOf(name);
    // What the architecture is like, from one over frames of any size.
    const { geometry } = configuration.make<H>('user', new FrameTables(framesFor(PAGE, 1), configuration.entryBytes));
    const frames = framesFor(geometry.pageBytes, 200);
    const { top } = configuration.root('user', BASE);
    const root = allocTable(frames, geometryOf(geometry, top).entries * configuration.entryBytes);
    const tables = new FrameTables(frames, configuration.entryBytes);
    spaceInFrames<H>(configuration, 'user', tables, root).makeRoot();
    const done = await run({ role: 'build and look', crew: 2, rounds: 10, frames, configuration: name, root });
    expect(wrongOf(done)).toEqual([]);
    // PTE tables at the least.
    expect(sum(done, 'got')).toBeGreaterThanOrEqual(2 * 10 * 2);
    expect([tables.tables, frames.read(root / geometry.pageBytes, FrameWord.Refcount)]).toEqual([1, 1]);
    tables.release(top, root);
    frames.freePages(root / geometry.pageBytes);
    frames.assertWhole();
  });
});
