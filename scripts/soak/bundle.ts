import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { patched, type Patch } from '../races/patched.js';

/** Workers run a bundle, so that a thread starts without a loader of its own. @param patches faults that are put into it; the files stay as they are */
export async function withBundle<T>(worker: URL, work: (file: string) => Promise<T>, patches: readonly Patch[] = []): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'pgtable-soak-'));
  try {
    const outfile = join(folder, 'worker.mjs');
    await build({
      entryPoints: [fileURLToPath(worker)], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error', keepNames: true, sourcemap: 'inline', plugins: [patched(patches)],
    });
    return await work(outfile);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
