import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { entryVal, HIGH_WORD, LOW_WORD, NO_TLB, ScanBuffer, scanFilter, TableMemory, type WritableArch } from '@pgtable/core';
import { build } from 'esbuild';
import { afterAll, describe, expect, it } from 'vitest';
import { bits, d128Arch, type D128Handles } from '../src/index.js';
import type { Done, Orders } from './flip-worker.js';

const TABLE = 0x10_0000;
const mm = { user: true, tlb: NO_TLB };
/** Three values, of which no two halves go together otherwise; the first and the last have equal low halves, the last two equal high ones. */
const VALUES = [(0x68n << 112n) | 0x1701n, (0x78n << 112n) | 0x2701n, (0x78n << 112n) | 0x1701n];

const folder = mkdtempSync(join(tmpdir(), 'pgtable-d128-threads-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A worker runs a bundle, because threads of Node 20 cannot load TypeScript. */
async function bundle(): Promise<string> {
  const outfile = join(folder, 'flip-worker.mjs');
  const entry = fileURLToPath(new URL('./flip-worker.ts', import.meta.url));
  await build({ entryPoints: [entry], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error' });
  return outfile;
}

function sharedArch(): { tables: TableMemory; arch: WritableArch<D128Handles>; entry: D128Handles['pte']; at: number } {
  const tables = new TableMemory({ entryBytes: 16, shared: true, entries: 256 });
  const arch = d128Arch({ half: 'ttbr0', vaBits: 48 }, tables);
  return { tables, arch, entry: arch.newTable('pte', TABLE, true).entry(0), at: tables.find('pte', TABLE) * 2 };
}

/** Threads that have begun, and how they end. */
interface Crew {
  readonly signals: Int32Array;
  readonly ends: readonly Promise<Done>[];
}

async function crew(roles: readonly Orders['role'][], tables: TableMemory): Promise<Crew> {
  const file = await bundle();
  const signals = new Int32Array(new SharedArrayBuffer(8));
  const ends = roles.map((role) => new Promise<Done>((resolve, reject) => {
    const orders: Orders = { role, image: tables.share(), table: TABLE, values: VALUES, signals };
    const worker = new Worker(file, { workerData: orders });
    worker.once('message', resolve);
    worker.once('error', reject);
  }));
  while (Atomics.load(signals, 0) < roles.length) await Promise.race([new Promise((resolve) => setTimeout(resolve, 10)), ...ends]);
  return { signals, ends };
}

async function stop({ signals, ends }: Crew): Promise<Done[]> {
  Atomics.store(signals, 1, 1);
  return Promise.all(ends);
}

/** How long to wait for what the machine's scheduler owes. */
const PATIENCE = 20_000;

describe('an entry in memory that threads share', () => {
  it('is never seen in halves', async () => {
    const { tables, arch, entry, at } = sharedArch();
    arch.ops.pte.set(mm, 0n, entry, entryVal('pte', VALUES[0]!), 1);
    const writers = await crew(['writer', 'writer'], tables);
    const seen = new Set<bigint>();
    let torn = 0;
    const end = Date.now() + PATIENCE;
    for (let read = 0; read < 100_000 || ((torn === 0 || seen.size < VALUES.length) && Date.now() < end); read++) {
      seen.add(arch.ops.pte.getOnce(entry));
      // What two plain loads would have made of it.
      const low = tables.elements[at + LOW_WORD]!;
      const high = tables.elements[at + HIGH_WORD]! & ~(bits.BUSY >> 64n);
      if (!VALUES.includes((high << 64n) | low)) torn++;
    }
    const done = await stop(writers);
    expect([...seen].filter((value) => !VALUES.includes(value)).map((value) => value.toString(16))).toEqual([]);
    expect(seen.size).toBe(VALUES.length);
    for (const { count, wrong } of done) {
      expect(count).toBeGreaterThan(0);
      expect(wrong).toBe(0);
    }
    // So the test can fail.
    expect(torn).toBeGreaterThan(0);
  });

  it('loses nothing that the hardware notes while it is taken out', async () => {
    const { tables, arch, entry } = sharedArch();
    const old = entryVal('pte', (0x78n << 112n) | 0x1301n);
    const hardware = await crew(['hardware'], tables);
    let young = 0;
    const end = Date.now() + PATIENCE;
    for (let round = 0; round < 100_000 || (young === 0 && Date.now() < end); round++) {
      arch.ops.pte.set(mm, 0n, entry, old, 1);
      // Half of the rounds give the hardware time.
      for (let pause = 0; pause < (round & 1) * 20; pause++) arch.ops.pte.getOnce(entry);
      if (arch.values.pte.young(arch.ops.pte.getAndClear(mm, 0n, entry).ignore('no hardware runs on these tables'))) young++;
    }
    const [noted] = await stop(hardware);
    expect(noted!.count).toBeGreaterThan(0);
    expect(young).toBe(noted!.count);
  });

  it('shows nobody the lock', () => {
    const { tables, arch, entry, at } = sharedArch();
    arch.ops.pte.set(mm, 0n, entry, entryVal('pte', VALUES[1]!), 1);
    expect((tables.elements[at + HIGH_WORD]! << 64n) | tables.elements[at + LOW_WORD]!).toBe(VALUES[1]);
    expect(arch.ops.pte.wrprotect(mm, 0n, entry, 1).owed).toBe(true);
    expect(tables.elements[at + HIGH_WORD]! & (bits.BUSY >> 64n)).toBe(0n);
    // Another thread has it.
    tables.elements[at + HIGH_WORD] = tables.elements[at + HIGH_WORD]! | (bits.BUSY >> 64n);
    const row = new ScanBuffer(1);
    arch.ops.pte.scan(entry, 0, 1, scanFilter(true), row);
    expect(row.hi[0]! & bits.BUSY_UP).toBe(0);
  });
});
