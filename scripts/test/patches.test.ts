import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { FAULTS } from '../faults/list.js';
import { MUTANTS } from '../mutants/list.js';
import { RACES } from '../races/scenarios.js';
import type { Patch } from '../races/patched.js';

/* `npm run mutants`, `faults`, `races` and `soak -- --fault` put faults into copies of the sources: what is to be changed must be there, also when the sources have changed since. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const texts = new Map<string, string>();

/** How often a file has the text that a patch changes. */
function places({ file, find }: Patch): number {
  const text = texts.get(file) ?? readFileSync(join(ROOT, file), 'utf8');
  texts.set(file, text);
  return text.split(find).length - 1;
}

const LISTS: Readonly<Record<string, readonly { readonly name: string; readonly patches: readonly Patch[] }[]>> = {
  mutants: MUTANTS.map((mutant) => ({ name: mutant.name, patches: [mutant] })),
  faults: FAULTS,
  races: Object.entries(RACES).flatMap(([race, { without = [] }]) => without.map(({ name, patches }) => ({ name: `${race}: ${name}`, patches }))),
};

it.each(Object.keys(LISTS))('what the %s change stands in the sources once', (list) => {
  const changes = LISTS[list] ?? [];
  expect(changes.length).toBeGreaterThan(0);
  const misfits = changes.flatMap(({ name, patches }) => patches.filter((patch) => places(patch) !== 1).map(({ file, find }) => `${name}: ${file} has it ${places({ file, find, replace: '' })} times: ${find}`));
  expect(misfits).toEqual([]);
});
