import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { prepare, SCRIPTS } from './soak/scenes.js';
import type { Orders, Outcome } from './soak/worker.js';

/*
 * npm run soak [-- --reads N]
 *
 * Threads that share tables: one writes whole entries, another reads without a lock. No value may be read that was never
 * written. The last scene reads entries in two halves and must go wrong, or the others prove nothing.
 */
const { values } = parseArgs({ args: process.argv.slice(2).filter((argument) => argument !== '--'), options: { reads: { type: 'string', default: '100000000' } } });
const reads = Number(values.reads);
if (!Number.isSafeInteger(reads) || reads < 1000) throw new Error(`--reads ${values.reads}: a whole number from 1000 up is expected`);

/** Workers run a bundle, so that a thread starts without a loader of its own. */
async function bundle(folder: string): Promise<string> {
  const outfile = join(folder, 'worker.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('./soak/worker.ts', import.meta.url))],
    outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error',
  });
  return outfile;
}

function thread(file: string, orders: Orders): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(file, { workerData: orders });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

const folder = mkdtempSync(join(tmpdir(), 'pgtable-soak-'));
let failed = 0;
let total = 0;
try {
  const file = await bundle(folder);
  for (const { name, about, share, mustTear } of SCRIPTS) {
    const stage = prepare(name);
    const signals = new Int32Array(new SharedArrayBuffer(8));
    const start = performance.now();
    const writer = thread(file, { stage, role: 'writer', reads: 0, untilWrong: false, signals });
    const reader = await thread(file, { stage, role: 'reader', reads: Math.round(reads * share), untilWrong: mustTear, signals });
    Atomics.store(signals, 1, 1);
    const written = await writer;
    const seconds = (performance.now() - start) / 1000;
    const good = mustTear ? reader.wrong > 0 : reader.wrong === 0;
    if (!good) failed++;
    if (!mustTear) total += reader.done;
    const verdict = mustTear ? `${reader.wrong} torn values, as there must be` : reader.wrong === 0 ? 'no impossible value' : `${reader.wrong} IMPOSSIBLE VALUES, the first ${reader.first}`;
    console.log(`${name} (${about}): ${reader.done} reads against ${written.done} writes in ${seconds.toFixed(1)} s: ${mustTear && !good ? 'NO TORN VALUE: this machine cannot show tearing' : verdict}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`soak: ${total} reads without a lock, ${failed === 0 ? 'all as they must be' : `${failed} scenes failed`}`);
process.exitCode = failed === 0 ? 0 : 1;
