import { Worker } from 'node:worker_threads';
import { withBundle } from './bundle.js';
import { prepare, SCRIPTS } from './scenes.js';
import type { Orders, Outcome } from './worker.js';

/**
 * Threads that share tables: one writes whole entries, another reads without a lock. No value may be read that was never written. The last scene reads entries in two halves and must go wrong, or the others
 * prove nothing.
 *
 * @returns how many scenes failed
 */
export async function soakAccessors(reads: number): Promise<number> {
  let failed = 0;
  let total = 0;
  await withBundle(new URL('./worker.ts', import.meta.url), async (file) => {
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
  });
  console.log(`soak: ${total} reads without a lock, ${failed === 0 ? 'all as they must be' : `${failed} scenes failed`}`);
  return failed;
}

function thread(file: string, orders: Orders): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(file, { workerData: orders });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
