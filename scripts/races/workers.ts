import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import type { ScenarioPlayers, ScenarioPart } from '../../packages/mm/src/schedule/player.js';

const PLAYER = fileURLToPath(new URL('../../packages/mm/src/schedule/player.ts', import.meta.url));

/**
 * Workers that play the scenarios of one module. It exports `scenarios`, a record of them by name.
 *
 * Workers run a bundle, because threads of Node 20 cannot load TypeScript. They are kept from one exploration to the next.
 */
export class RaceWorkers {
  private readonly folder = mkdtempSync(join(tmpdir(), 'pgtable-races-'));
  private readonly file: string;
  private readonly workers: Worker[] = [];

  private constructor() {
    this.file = join(this.folder, 'worker.mjs');
  }

  /** @param module path of the module with the scenarios */
  static async of(module: string): Promise<RaceWorkers> {
    const crew = new RaceWorkers();
    const contents = [
      `import { parentPort } from 'node:worker_threads';`,
      `import { scenarios } from ${JSON.stringify(resolve(module))};`,
      `import { playThread } from ${JSON.stringify(PLAYER)};`,
      `parentPort.on('message', ({ name, part }) => { playThread(scenarios[name], part); });`,
    ].join('\n');
    await build({
      stdin: { contents, resolveDir: dirname(resolve(module)), sourcefile: 'race-worker.ts', loader: 'ts' },
      outfile: crew.file, bundle: true, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error', keepNames: true, sourcemap: 'inline',
    });
    return crew;
  }

  /** What an explorer of the scenario of that name asks for its threads. */
  company(name: string): ScenarioPlayers {
    return { play: (part: ScenarioPart) => { this.worker(part.player).postMessage({ name, part }); } };
  }

  /** Ends the workers, wherever they are. */
  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.terminate()));
    rmSync(this.folder, { recursive: true, force: true });
  }

  private worker(number: number): Worker {
    return (this.workers[number] ??= new Worker(this.file, { execArgv: ['--enable-source-maps'] }));
  }
}
