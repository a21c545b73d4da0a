import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** Workers run a bundle, so that a thread starts without a loader of its own. */
export async function withBundle<T>(worker: URL, work: (file: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'pgtable-soak-'));
  try {
    const outfile = join(folder, 'worker.mjs');
    await build({
      entryPoints: [fileURLToPath(worker)], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error', keepNames: true, sourcemap: 'inline',
    });
    return await work(outfile);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
