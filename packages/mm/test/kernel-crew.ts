import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import type { AliasHandles } from '@pgtable/core';
import { Kernel, type KernelChecks, type Mapping, type Mm } from '../src/index.js';
import { MACHINE } from './kernel-machines.js';
import { at, PLACES } from './kernel-places.js';
import type { Done, Orders, Role } from './kernel-worker.js';

/** How long to wait for what the machine's scheduler owes. */
const PATIENCE = 50_000;

export interface Duty {
  readonly role: Role;
  /** 0: until the others are done. */
  readonly rounds: number;
}

/** One kernel with an address space and a file, for all threads of a test. This thread has joined it. */
export class Crew {
  readonly kernel: Kernel<AliasHandles>;
  readonly mm: Mm<AliasHandles>;
  readonly mapping: Mapping<AliasHandles>;
  private readonly folder = mkdtempSync(join(tmpdir(), 'pgtable-mm-kernel-'));

  constructor(checks: KernelChecks = {}) {
    this.kernel = Kernel.create(MACHINE, { mapCount: 64, journal: 96, vmas: 512, mms: 8, mappings: 2, checks });
    this.kernel.join('main');
    this.mm = this.kernel.newMm();
    this.mapping = this.kernel.newMapping(64);
  }

  /** Runs threads until those with a number of rounds are done, then stops the others. */
  async run(duties: readonly Duty[]): Promise<Done[]> {
    const file = await this.build();
    const memory = new Int32Array(new SharedArrayBuffer(PLACES * 4));
    const ends = duties.map(({ role, rounds }, number) => new Promise<Done>((resolve, reject) => {
      const orders: Orders = {
        role, rounds, crew: duties.length, endless: duties.filter((duty) => duty.rounds === 0).length, seed: number + 1, name: `${role} ${number}`, kernel: this.kernel.share(), mm: this.mm.id, mapping: this.mapping.id, memory,
      };
      const worker = new Worker(file, { workerData: orders });
      worker.once('message', resolve);
      worker.once('error', reject);
      setTimeout(() => { reject(new Error(`${role} does not end`)); }, PATIENCE).unref();
    }));
    await Promise.all(ends.filter((_, number) => duties[number]!.rounds > 0));
    Atomics.store(memory, at.stop, 1);
    return Promise.all(ends);
  }

  /** Unmaps everything, and says that nothing is left. */
  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
    this.mm.lock.writeLock();
    for (const vma of this.mm.vmas()) this.mm.removeVma(vma);
    this.mm.lock.writeUnlock();
    this.mm.mmput();
    this.mapping.free();
    this.kernel.assertQuiet();
    this.kernel.leave();
  }

  /** Workers run a bundle, because threads of Node 20 cannot load TypeScript. */
  private async build(): Promise<string> {
    const outfile = join(this.folder, 'worker.mjs');
    const entry = fileURLToPath(new URL('./kernel-worker.ts', import.meta.url));
    await build({
      entryPoints: [entry], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error', keepNames: true,
    });
    return outfile;
  }
}
