import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { build, type Plugin } from 'esbuild';
import { MUTANTS, type Mutant } from './mutants/list.js';
import type { Verdict } from './mutants/worker.js';
import { chosenBy, parsed, script } from './options.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The longest that a mutant may take: one that makes a walk endless is found by that. */
const TIMEOUT_MS = 120_000;

/** Gives the bundler the faulty text in place of the file's. */
function fault(mutant: Mutant | undefined): Plugin {
  return {
    name: 'fault',
    setup(bundler) {
      if (mutant === undefined) return;
      const path = join(ROOT, mutant.file);
      const text = readFileSync(path, 'utf8');
      const parts = text.split(mutant.find);
      if (parts.length !== 2) throw new Error(`${mutant.name}: the line to be changed is ${parts.length - 1} times in ${mutant.file}, and must be there once:\n${mutant.find}`);
      const contents = parts.join(mutant.replace);
      bundler.onLoad({ filter: /\.ts$/ }, ({ path: loaded }) => (loaded === path ? { contents, loader: 'ts' } : undefined));
    },
  };
}

async function examine(mutant: Mutant | undefined, folder: string): Promise<Verdict> {
  const outfile = join(folder, 'mutant.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('./mutants/worker.ts', import.meta.url))],
    outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error', plugins: [fault(mutant)],
  });
  return new Promise((resolve, reject) => {
    const worker = new Worker(outfile, { workerData: { subjects: mutant?.subjects } });
    const timer = setTimeout(() => {
      resolve({ law: '(did not end)', subject: mutant?.subjects ?? '', message: `nothing after ${TIMEOUT_MS / 1000} s` });
      void worker.terminate();
    }, TIMEOUT_MS);
    worker.once('message', (verdict: Verdict) => {
      clearTimeout(timer);
      resolve(verdict);
    });
    worker.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

const command = script('mutants', 'Puts one fault at a time into a copy of the sources, runs the conformance kit, and says which law finds it. The sources themselves stay as they are.')
  .argument('[names...]', 'of mutants, or parts of their names');
const chosen = chosenBy(command, 'mutant', MUTANTS, parsed(command).names);
const folder = mkdtempSync(join(tmpdir(), 'pgtable-mutants-'));
let survivors = 0;
try {
  const sound = await examine(undefined, folder);
  if (sound.law !== undefined) throw new Error(`without any fault the kit says of ${sound.subject}: ${sound.law}: ${sound.message}`);
  for (const mutant of chosen) {
    const { law, subject } = await examine(mutant, folder);
    if (law === undefined) survivors++;
    console.log(`${law === undefined ? 'SURVIVED' : 'caught  '} ${mutant.name} (${mutant.file}): ${law === undefined ? 'no law finds it' : `by "${law}" on ${subject}`}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`mutants: ${chosen.length - survivors} of ${chosen.length} caught`);
process.exitCode = survivors === 0 ? 0 : 1;
