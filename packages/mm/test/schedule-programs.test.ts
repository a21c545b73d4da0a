import fc from 'fast-check';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RaceWorkers } from '../../../scripts/races/workers.js';
import { Explorer, type Exploration, type ScheduleSearch } from '../src/index.js';
import { programScenario, programs, type Program } from './schedule-programs.js';

let workers: RaceWorkers;
beforeAll(async () => {
  workers = await RaceWorkers.of(fileURLToPath(new URL('./schedule-scenarios.ts', import.meta.url)));
});
afterAll(async () => {
  await workers.close();
});

/** Explores a program in several ways. */
function explored(program: Program, ...searches: readonly ScheduleSearch[]): Exploration[] {
  const explorer = new Explorer(programScenario(program), workers.company('program'), { limit: 200 });
  try {
    return searches.map((search) => explorer.explore({ search, goOn: true }));
  } finally {
    explorer.close();
  }
}

/** A thread takes a lock that it has, after another may have had it. */
const WAITS_FOR_ITSELF: Program = [
  [{ do: 'read', what: 0 }],
  [{ do: 'try', what: 0, body: [{ do: 'lock', what: 0, body: [] }] }, { do: 'lock', what: 0, body: [] }],
  [{ do: 'read', what: 0 }, { do: 'lock', what: 0, body: [] }],
];

const sorted = ({ outcomes }: Exploration): string[] => [...outcomes.keys()].sort();

describe('small programs', () => {
  it('come out in the same ways in the reduced search as in all interleavings, each once', () => {
    fc.assert(fc.property(programs, (program) => {
      const [all, reduced] = explored(program, { kind: 'all' }, { kind: 'reduced' });
      expect(all!.pruned).toBe(0);
      expect(sorted(reduced!)).toEqual(sorted(all!));
      expect(reduced!.deadlocks > 0).toBe(all!.deadlocks > 0);
      expect(reduced!.failed > 0).toBe(all!.failed > 0);
      // No two of its runs are equivalent.
      expect(Math.max(1, ...reduced!.outcomes.values())).toBe(1);
    }), { numRuns: 60, examples: [[WAITS_FOR_ITSELF]] });
  });
});
