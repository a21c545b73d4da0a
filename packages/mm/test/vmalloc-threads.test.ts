import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bootKernel, checkPageTables, setCurrentThread, vfree, vmalloc, vmallocInit, type Kernel } from '../src/index.js';
import { vmallocHugePages } from '../src/vmalloc/kernel-entries.js';
import { CHECKS, configurationOf, pagesOf, quiet, SMALL, vmallocRange } from './vmalloc-machine.js';
import type { AliasHandles } from '@pgtable/core';
import type { Done, Orders, Owned, Role } from './vmalloc-worker.js';

/* One thread changes protections of its area, one lists the tables, one makes and frees other areas. */

/** How long to wait for what the machine's scheduler owes. */
const PATIENCE = 60_000;
const folder = mkdtempSync(join(tmpdir(), 'pgtable-mm-vmalloc-'));
const outfile = join(folder, 'worker.mjs');

// Workers run a bundle, because threads of Node 20 cannot load TypeScript.
beforeAll(async () => {
  await build({
    entryPoints: [fileURLToPath(new URL('./vmalloc-worker.ts', import.meta.url))], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error', keepNames: true,
  });
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  setCurrentThread(undefined);
});

function own(kernel: Kernel<AliasHandles>, bytes: number, huge: boolean): Owned {
  const start = vmalloc(kernel, bytes, { huge });
  const pages = bytes / kernel.frames.pageBytes;
  return { start, pages, frames: pagesOf(kernel, start, pages).map(({ frame }) => frame!) };
}

describe.each(['x86 4-level', 'x86 PAE', 'arm64 4K 48-bit', 'arm64 16K 47-bit', 'riscv Sv39', 's390 pud'])('areas that threads use at the same time: %s', (machine) => {
  it('are changed, listed, made and freed, and each thread sees what it must', async () => {
    const configuration = configurationOf(machine);
    const kernel = bootKernel<AliasHandles>(configuration, { ...SMALL, vmalloc: [vmallocRange(configuration)], checks: CHECKS });
    kernel.join('main');
    const image = vmallocInit(kernel, { areas: 48 });
    const owned = [own(kernel, 16 * kernel.frames.pageBytes, false), own(kernel, vmallocHugePages(kernel.initMm.arch).at(-1)!.bytes, true)];
    const duties: readonly { readonly role: Role; readonly number: number; readonly rounds: number }[] = [
      { role: 'protector', number: 0, rounds: 60 }, { role: 'protector', number: 1, rounds: 20 }, { role: 'lister', number: 2, rounds: 0 }, { role: 'churner', number: 3, rounds: 60 }, { role: 'churner', number: 4, rounds: 0 },
    ];
    const memory = new Int32Array(new SharedArrayBuffer(12));
    const ends = duties.map((duty) => new Promise<Done>((resolve, reject) => {
      const orders: Orders = { ...duty, crew: duties.length, machine, kernel: kernel.share(), vmalloc: image, owned, memory };
      const worker = new Worker(outfile, { workerData: orders });
      worker.once('message', resolve);
      worker.once('error', reject);
      setTimeout(() => { reject(new Error(`${duty.role} ${duty.number} does not end`)); }, PATIENCE).unref();
    }));
    await Promise.all(ends.filter((_, number) => duties[number]!.rounds > 0));
    Atomics.store(memory, 1, 1);
    const done = await Promise.all(ends);
    expect(done.map(({ error }) => error)).toEqual(duties.map(() => ''));
    expect(done.flatMap(({ wrong }) => wrong)).toEqual([]);
    expect(done.find(({ role }) => role === 'lister')!.readOnly).toBeGreaterThan(0);
    checkPageTables(kernel);
    for (const { start } of owned) vfree(kernel, start);
    quiet(kernel);
  }, PATIENCE * 2);
});
