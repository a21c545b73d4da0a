import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RaceWorkers } from '../../../scripts/races/workers.js';
import { Explorer, type Exploration, type ExploreOptions, type ScheduleSearch } from '../src/index.js';
import { ARCHITECTURES, scenarios } from './schedule-kernel-scenarios.js';

let workers: RaceWorkers;
beforeAll(async () => {
  workers = await RaceWorkers.of(fileURLToPath(new URL('./schedule-kernel-scenarios.ts', import.meta.url)));
});
afterAll(async () => {
  await workers.close();
});

function explore(name: string, options: ExploreOptions = {}): Exploration {
  const explorer = new Explorer(scenarios[name]!, workers.company(name), { limit: 500 });
  try {
    return explorer.explore(options);
  } finally {
    explorer.close();
  }
}

const SEARCHES: readonly ScheduleSearch[] = [{ kind: 'uniform', runs: 200, seed: 1 }, { kind: 'all', preemptions: 1 }];

describe.each(ARCHITECTURES)('a kernel: $name', ({ name }) => {
  it('has one table when two faults make one', () => {
    const found = explore(`two faults ${name}`);
    expect(found).toMatchObject({ failed: 0, complete: true });
    expect([...found.outcomes]).toEqual([['1 table', found.runs]]);
    expect(found.runs).toBeGreaterThan(1);
  });
});

describe.each(ARCHITECTURES)('a fault in a kernel: $name', ({ name }) => {
  it('loses nothing that it writes while the table is taken out', () => {
    const found = explore(`fault against retract ${name}`);
    expect(found).toMatchObject({ failed: 0, deadlocks: 0, complete: true });
    expect(found.runs).toBeGreaterThan(50);
    for (const search of SEARCHES) expect(explore(`fault against retract ${name}`, { search })).toMatchObject({ failed: 0, complete: true });
  });

  it('loses it where it does not look at the pmd entry again', () => {
    const wrong = `fault without recheck against retract ${name}`;
    const { failure } = explore(wrong);
    expect(failure?.message).toContain('is gone');
    expect(failure?.listing).toMatch(/fault +getLockless pmd at[^]*retract +unlink pmd at[^]*fault +take pte ptl\n.*fault +set pte at/);
    for (const search of SEARCHES) expect(explore(wrong, { search }).failure?.kind).toBe('check');
  });
});
