import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Order, Report } from './main.js';
import { patched, type Patch } from './patched.js';

/** A process in which races are run, with patches in its sources or without. */
export class Stadium {
  private readonly folder: string;
  private readonly child: ChildProcess;

  private constructor(folder: string, child: ChildProcess) {
    this.folder = folder;
    this.child = child;
  }

  /** @throws Error if a patch does not fit */
  static async open(patches: readonly Patch[] = []): Promise<Stadium> {
    const folder = mkdtempSync(join(tmpdir(), 'pgtable-races-'));
    const outfile = join(folder, 'main.mjs');
    try {
      await build({
        entryPoints: [fileURLToPath(new URL('./main.ts', import.meta.url))], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error',
        keepNames: true, sourcemap: 'inline', plugins: [patched(patches)],
      });
      return new Stadium(folder, fork(outfile, { execArgv: [] }));
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /**
   * Has something run. One at a time.
   *
   * @param seconds the longest that it may take; then the process is ended, and this is an error
   */
  run(order: Order, seconds = 600): Promise<Report> {
    const { child } = this;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => { done(() => { child.kill('SIGKILL'); reject(new Error(`${order.race}, ${order.configuration}: nothing after ${seconds} s`)); }); }, seconds * 1000);
      const onMessage = (report: Report): void => { done(() => { resolve(report); }); };
      const onExit = (code: number | null): void => { done(() => { reject(new Error(`${order.race}, ${order.configuration}: the process ended with ${code}`)); }); };
      const done = (then: () => void): void => {
        clearTimeout(timer);
        child.off('message', onMessage).off('exit', onExit);
        then();
      };
      child.on('message', onMessage).on('exit', onExit).send(order);
    });
  }

  /** Ends the process. */
  async close(): Promise<void> {
    const { child, folder } = this;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.connected) child.disconnect();
      else child.kill('SIGKILL');
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  }
}
