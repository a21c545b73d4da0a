import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RaceWorkers } from '../../../scripts/races/workers.js';
import { Explorer, type Exploration, type ExploreOptions } from '../src/index.js';
import { ARCHITECTURES, scenarios } from './collapse-scenarios.js';

let workers: RaceWorkers;
beforeAll(async () => {
  workers = await RaceWorkers.of(fileURLToPath(new URL('./collapse-scenarios.ts', import.meta.url)));
});
afterAll(async () => {
  await workers.close();
});

function explore(name: string, options: ExploreOptions = {}): Exploration {
  const explorer = new Explorer(scenarios[name]!, workers.company(name), { limit: 40_000 });
  try {
    return explorer.explore(options);
  } finally {
    explorer.close();
  }
}

const good = { failed: 0, deadlocks: 0, failure: undefined };

describe.each(ARCHITECTURES)('all interleavings: $name', ({ name }) => {
  // Whoever comes first, the page is huge in the end.
  it.each(['reader', 'writer', 'retract', 'two collapses'])('a collapse, or the retracting of a table, loses nothing: %s', (what) => {
    const found = explore(`${what} ${name}`);
    expect(found).toMatchObject({ ...good, complete: true });
    expect([...found.outcomes.keys()]).toEqual(['huge']);
    expect(found.runs).toBeGreaterThan(10);
  });

  it('a collapse is given up where GUP was faster, and only there', () => {
    const found = explore(`gup ${name}`);
    expect(found).toMatchObject({ ...good, complete: true });
    expect([...found.outcomes.keys()].sort()).toEqual(['huge', 'small']);
  });

  it.each(['split', 'split and gup', 'two splits'])('a split loses nothing: %s', (what) => {
    const found = explore(`${what} ${name}`);
    expect(found).toMatchObject({ ...good, complete: true });
    expect([...found.outcomes.keys()]).toEqual(['small']);
    expect(found.runs).toBeGreaterThan(1);
  });
});

describe.each(ARCHITECTURES)('some interleavings: $name', ({ name }) => {
  // Thousands of steps in thousands of interleavings: `npm run races` runs all of them.
  it('the collapse of a file loses nothing', () => {
    expect(explore(`file ${name}`, { search: { kind: 'all', preemptions: 1 }, maxRuns: 8 })).toMatchObject(good);
    expect(explore(`file ${name}`, { search: { kind: 'uniform', runs: 4, seed: 1 } })).toMatchObject(good);
  });
});
