import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { patched, type Patch } from '../races/patched.js';
import type { Order, Report } from './fault.js';

/** The sources in one file, with patches or without. */
export class House {
  private readonly folder = mkdtempSync(join(tmpdir(), 'pgtable-faults-'));

  /** @throws Error if a patch does not fit */
  async build(patches: readonly Patch[] = []): Promise<void> {
    await build({
      entryPoints: [fileURLToPath(new URL('./main.ts', import.meta.url))], outfile: this.outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error',
      keepNames: true, plugins: [patched(patches)],
    });
  }

  /**
   * Has something run, in a process of its own.
   *
   * @param seconds after which the process is ended: what it was at is then a report of its own
   * @returns a report for each configuration, up to the one in which it did not end
   */
  run(order: Order, seconds: number): Promise<Report[]> {
    return new Promise((resolve, reject) => {
      const reports: Report[] = [];
      // What a process prints that dies is no part of the table.
      const child = fork(this.outfile, [JSON.stringify(order)], { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
      let said = '';
      child.stderr?.setEncoding('utf8').on('data', (text: string) => { said += text; });
      const timer = setTimeout(() => { child.kill('SIGKILL'); }, seconds * 1000);
      child.on('message', (report: Report) => { reports.push(report); });
      child.once('error', reject);
      child.once('close', () => {
        clearTimeout(timer);
        const missing = order.configurations[reports.length];
        if (missing !== undefined) {
          const message = said.trim() === '' ? `did not end in ${seconds} s` : said.trim();
          reports.push({ configuration: missing, message, schedule: undefined, schedules: 0, milliseconds: seconds * 1000 });
        }
        resolve(reports);
      });
    });
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private get outfile(): string {
    return join(this.folder, 'main.mjs');
  }
}
