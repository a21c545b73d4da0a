import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { LockOrder, MmapLock, Rcu, Threads, VmaLock } from '../src/index.js';
import { at, OBJECT_WORDS, OBJECTS } from './locks-places.js';
import type { Done, Orders, Role } from './locks-worker.js';

/** How long to wait for what the machine's scheduler owes. */
export const PATIENCE = 20_000;

export interface Duty {
  readonly role: Role;
  /** 0: until it is stopped. */
  readonly rounds: number;
}

export interface CrewOptions {
  /** Have lockdep check the threads. */
  readonly checked?: boolean;
  /** Asked while those without a number of rounds run and others are done: whether that is enough. Gives up after {@link PATIENCE}. */
  readonly until?: (memory: Int32Array) => boolean;
}

export interface Result {
  readonly memory: Int32Array;
  readonly done: readonly Done[];
  readonly rcu: Rcu;
}

/** Workers run a bundle, because threads of Node 20 cannot load TypeScript. */
export class Crews {
  private readonly folder = mkdtempSync(join(tmpdir(), 'pgtable-mm-locks-'));
  private bundle: Promise<string> | undefined;

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs threads until those with a number of rounds are done, then stops the others. */
  async run(duties: readonly Duty[], options: CrewOptions = {}): Promise<Result> {
    const file = await (this.bundle ??= this.build());
    const memory = new Int32Array(new SharedArrayBuffer((at.objects + OBJECTS * OBJECT_WORDS) * 4));
    new VmaLock(new MmapLock(memory, at.mmap), memory, at.vma).init();
    memory[at.objects] = 1;
    const threads = new Threads();
    const order = options.checked === true ? new LockOrder() : undefined;
    const rcu = new Rcu();
    const endless = duties.filter(({ rounds }) => rounds === 0).length;
    const ends = duties.map(({ role, rounds }, number) => new Promise<Done>((resolve, reject) => {
      const orders: Orders = { role, rounds, crew: duties.length, endless, name: `${role} ${number}`, threads: threads.share(), order: order?.share(), rcu: rcu.share(), memory };
      const worker = new Worker(file, { workerData: orders });
      worker.once('message', resolve);
      worker.once('error', reject);
    }));
    const finite = ends.filter((_, number) => duties[number]!.rounds > 0);
    if (finite.length > 0) await Promise.all(finite);
    const end = Date.now() + PATIENCE;
    if (options.until !== undefined) while (!options.until(memory) && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
    Atomics.store(memory, at.stop, 1);
    return { memory, done: await Promise.all(ends), rcu };
  }

  private async build(): Promise<string> {
    const outfile = join(this.folder, 'worker.mjs');
    const entry = fileURLToPath(new URL('./locks-worker.ts', import.meta.url));
    await build({ entryPoints: [entry], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error', keepNames: true });
    return outfile;
  }
}
