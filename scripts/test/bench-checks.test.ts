import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';
import { withoutChecks, withoutChecksAndScheduling } from '../bench/checks/without.js';
import { patched, type Patch } from '../races/patched.js';

/* `npm run bench -- mm-checks` compares the sources with copies without the checks: what is taken out must be there, and must be all. */

async function bundle(patches: readonly Patch[]): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../bench/checks/works.ts', import.meta.url))], bundle: true, write: false, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error',
    plugins: [patched(patches)],
  });
  // A bundle is one file.
  return outputFiles[0]!.text;
}

/** How often a text has something. */
function count(text: string, what: RegExp): number {
  return [...text.matchAll(what)].length;
}

/** Questions whether anything is checked, and calls of who checks, in what locks, entries and flushes do. */
const QUESTIONS = [/lockdep !== void 0/g, /lockdep\?\.(?:acquiring|acquired|releasing|downgrading|assertHeld)\(/g, /writer\.(?:replace|change)\(this\.advance/g, /mm\.ledger\?\./g, /mm\.observer === void 0/g, /at \+ FrameWord\.(?:AnonMaps|FileMaps|Stale)\]/g];

it('takes all of the checks out of a copy, and leaves the sources as they are', async () => {
  const [off, none, bare] = await Promise.all([bundle([]), bundle(withoutChecks()), bundle(withoutChecksAndScheduling())]);
  for (const question of QUESTIONS) {
    expect(count(off, question), question.source).toBeGreaterThan(0);
    expect(count(none, question), question.source).toBe(0);
  }
  expect(count(none, /scheduler\.point\(/g)).toBe(1);
  expect(count(bare, /scheduler\.point\(/g)).toBe(0);
});
