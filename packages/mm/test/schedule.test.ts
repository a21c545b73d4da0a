import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RaceWorkers } from '../../../scripts/races/workers.js';
import { Explorer, formatExploration, type Exploration, type ExploreOptions, type Search } from '../src/index.js';
import { scenarios } from './schedule-scenarios.js';

let workers: RaceWorkers;
beforeAll(async () => {
  workers = await RaceWorkers.of(fileURLToPath(new URL('./schedule-scenarios.ts', import.meta.url)));
});
afterAll(async () => {
  await workers.close();
});

function explore(name: string, options: ExploreOptions = {}): Exploration {
  const explorer = new Explorer(scenarios[name]!, workers.company(name));
  try {
    const found = explorer.explore(options);
    if (process.env['SHOW'] !== undefined) console.log(formatExploration(name, found));
    return found;
  } finally {
    explorer.close();
  }
}

const ALL: Search = { kind: 'all' };

describe('all interleavings', () => {
  it('of two straight lines are as many as there are ways to choose', () => {
    expect(explore('straight lines of 4 and 3', { search: ALL })).toMatchObject({ runs: 35, steps: 35 * 7, failed: 0, complete: true });
  });
  it('of two increments: four of six lose one', () => {
    expect([...explore('two increments', { search: ALL }).outcomes]).toEqual([['count 2', 2], ['count 1', 4]]);
  });
});

describe('the reduced search', () => {
  it('works', () => {
    for (const name of Object.keys(scenarios)) explore(name, { goOn: true });
  });
});
