import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RaceWorkers } from '../../../scripts/races/workers.js';
import { Explorer, type Exploration, type ExploreOptions } from '../src/schedule/explore.js';
import { ARCHITECTURES, scenarios } from './faults-scenarios.js';

/* Faults, copies and references under every schedule with one preemption, and some that are drawn. */

let workers: RaceWorkers;
beforeAll(async () => {
  workers = await RaceWorkers.of(fileURLToPath(new URL('./faults-scenarios.ts', import.meta.url)));
});
afterAll(async () => {
  await workers.close();
});

function explore(name: string, options: ExploreOptions): Exploration {
  const explorer = new Explorer(scenarios[name]!, workers.company(name), { limit: 2000 });
  try {
    return explorer.explore(options);
  } finally {
    explorer.close();
  }
}

const OUTCOMES: Readonly<Record<string, readonly string[]>> = {
  'together': ['both'], 'fault against retract': ['written'], 'copies': ['apart'], 'same copy': ['both'], 'reference': ['reads 0'], 'access': ['reads 0', 'reads 8'],
};

describe.each(ARCHITECTURES)('%s', (name) => {
  it.each(Object.keys(OUTCOMES))('%s', (story) => {
    for (const search of [{ kind: 'all', preemptions: 1 }, { kind: 'uniform', runs: 40, seed: 1 }] as const) {
      const found = explore(`${story} ${name}`, { search });
      expect(found.failure === undefined ? '' : `${found.failure.message}\n${found.failure.listing}`).toBe('');
      expect(found).toMatchObject({ failed: 0, deadlocks: 0 });
      expect([...found.outcomes.keys()].filter((outcome) => !OUTCOMES[story]!.includes(outcome))).toEqual([]);
      expect(found.runs).toBeGreaterThan(5);
    }
  }, 60_000);
});
