import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { fileURLToPath } from 'node:url';
import { TIMES } from './case.js';

const CLI = fileURLToPath(new URL('../../apps/pgtable/dist/cli.js', import.meta.url));
const PEAK = new URL('peak.mjs', import.meta.url).href;

export interface Measured {
  /** The best wall time, from start to end of the process, in milliseconds. */
  readonly milliseconds: number;
  /** The most memory of any time, in bytes. */
  readonly peak: number;
}

/** Why the command line cannot be measured; undefined if it can. */
export function missingCommand(): string | undefined {
  return existsSync(CLI) ? undefined : 'apps/pgtable is not built: npm run build';
}

/**
 * Runs the built `pgtable` as its users do and measures the whole process.
 *
 * @throws Error if it fails, with what it said
 */
export function measureCommand(args: readonly string[], times = TIMES): Measured {
  const sink = openSync(devNull, 'w');
  try {
    let milliseconds = Infinity;
    let peak = 0;
    for (let time = 0; time < times; time++) {
      const start = performance.now();
      const { status, output, error } = spawnSync(process.execPath, ['--import', PEAK, CLI, ...args], { stdio: ['ignore', sink, 'pipe', 'pipe'], encoding: 'utf8' });
      if (error !== undefined) throw error;
      if (status !== 0) throw new Error(`pgtable ${args.join(' ')} ended with ${status ?? 'a signal'}: ${output[2] ?? ''}`);
      milliseconds = Math.min(milliseconds, performance.now() - start);
      peak = Math.max(peak, Number(output[3]));
    }
    return { milliseconds, peak };
  } finally {
    closeSync(sink);
  }
}
