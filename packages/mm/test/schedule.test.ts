import fc from 'fast-check';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RaceWorkers } from '../../../scripts/races/workers.js';
import { Explorer, formatExploration, formatSchedule, parseSchedule, type Exploration, type ExploreOptions, type ScheduleFailure, type ScheduleSearch } from '../src/index.js';
import { interleavings, programScenario } from './schedule-programs.js';
import { ARCHITECTURES, scenarios } from './schedule-scenarios.js';

const MODULE = fileURLToPath(new URL('./schedule-scenarios.ts', import.meta.url));
let workers: RaceWorkers;
beforeAll(async () => {
  workers = await RaceWorkers.of(MODULE);
});
afterAll(async () => {
  await workers.close();
});

/** Does something with an explorer of a scenario. */
function using<T>(name: string, action: (explorer: Explorer) => T, options: ExploreOptions = {}): T {
  const explorer = new Explorer(scenarios[name]!, workers.company(name), options);
  try {
    return action(explorer);
  } finally {
    explorer.close();
  }
}

function explore(name: string, options: ExploreOptions = {}): Exploration {
  return using(name, (explorer) => explorer.explore(options), options);
}

function replay(name: string, schedule: string): ScheduleFailure | undefined {
  return using(name, (explorer) => explorer.replay(schedule));
}

const ALL: ScheduleSearch = { kind: 'all' };
const good = { failed: 0, failure: undefined, complete: true };

describe('all interleavings', () => {
  it('of two straight lines are as many as there are ways to choose', () => {
    expect(explore('straight lines of 4 and 3', { search: ALL })).toMatchObject({ ...good, runs: 35, steps: 35 * 7, longest: 7, pruned: 0 });
  });

  it('of straight lines of any length too', () => {
    fc.assert(fc.property(fc.nat(4), fc.nat(4), fc.nat(2), (...lengths) => {
      const program = lengths.map((length) => Array.from({ length }, () => ({ do: 'write' as const, what: 0 })));
      const explorer = new Explorer(programScenario(program), workers.company('program'));
      const [all, reduced] = [explorer.explore({ search: ALL }), explorer.explore()];
      explorer.close();
      // All of them write the same word, so that no two orders are equivalent.
      expect([all.runs, reduced.runs]).toEqual([interleavings(lengths), interleavings(lengths)]);
    }), { numRuns: 20 });
  });

  it('of two increments: four of six lose one', () => {
    expect([...explore('two increments', { search: ALL }).outcomes]).toEqual([['count 2', 2], ['count 1', 4]]);
  });

  it('of two increments with a spin lock lose none', () => {
    expect(explore('two increments with a lock', { search: ALL })).toMatchObject({ ...good, runs: 2 });
  });

  it.each([[0, 2], [1, 7], [2, 19], [6, 35]])('with %i preemptions at most are %i of the 35', (preemptions, runs) => {
    expect(explore('straight lines of 4 and 3', { search: { kind: 'all', preemptions } })).toMatchObject({ ...good, runs });
  });

  it('need one preemption to lose an increment', () => {
    expect(explore('two increments that must be two', { search: { kind: 'all', preemptions: 0 } })).toMatchObject(good);
    expect(explore('two increments that must be two', { search: { kind: 'all', preemptions: 1 } })).toMatchObject({ failed: 1, complete: false });
  });
});

describe('the reduced search', () => {
  it('takes one of each class', () => {
    expect(explore('straight lines apart')).toMatchObject({ ...good, runs: 1 });
    expect([...explore('two increments').outcomes]).toEqual([['count 2', 2], ['count 1', 2]]);
    expect(explore('two increments with a lock')).toMatchObject({ ...good, runs: 2, pruned: 0 });
    // Who comes first, second and third.
    expect([...explore('three increments with a lock').outcomes]).toEqual([['count 3', 6]]);
    expect(explore('locks in order')).toMatchObject({ ...good, runs: 2 });
    expect(explore('two readers of the mmap lock')).toMatchObject({ ...good, runs: 1 });
  });

  it('finds a deadlock, and says who waits for what', () => {
    const found = explore('locks against the order', { goOn: true });
    expect(found).toMatchObject({ runs: 3, deadlocks: 1, failed: 1, complete: true });
    expect(found.failure).toMatchObject({ kind: 'deadlock', schedule: '0 1', message: 'deadlock: a, b wait, and nobody can go on' });
    expect(found.failure?.listing.split('\n').map((line) => line.trim().replace(/\s+/g, ' '))).toEqual(['0 0 a take first', '1 1 b take second', '0 a (waits) take second', '1 b (waits) take first']);
  });

  it('finds nothing wrong with the mmap lock: three threads one after another, in each order', () => {
    expect(explore('mmap lock')).toMatchObject({ ...good, runs: 6 });
    expect(explore('pair without a lock').failure).toMatchObject({ kind: 'thrown', message: expect.stringContaining('a reader sees half of a change: 1 and 0') as string });
  });

  it('finds nothing wrong with the lock of a VMA, and what the mmap lock alone does not keep', () => {
    expect(explore('vma lock')).toMatchObject({ ...good, deadlocks: 0 });
    expect(explore('vma lock', { search: { kind: 'uniform', runs: 300, seed: 1 } })).toMatchObject(good);
    expect(explore('vma that is not locked').failure?.message).toContain('a reader sees half of a change');
  });

  it.each(['rcu', 'rcu and two readers', 'rcu deferred'])('finds no reader in what was freed: %s', (name) => {
    expect(explore(name)).toMatchObject({ ...good, deadlocks: 0 });
  });

  it('finds the reader in what is freed too early', () => {
    expect(explore('rcu, freed at once').failure).toMatchObject({ kind: 'thrown', message: expect.stringContaining('the reader is in an object that was freed') as string });
  });

  it.each(ARCHITECTURES)('of $name: who allocates a table looks again with the lock', ({ name }) => {
    const found = explore(`pte_alloc ${name}`);
    expect(found).toMatchObject({ ...good, runs: 2 });
    expect([...found.outcomes]).toEqual([['table 0x100000', 1], ['table 0x200000', 1]]);
    const wrong = explore(`pte_alloc without a lock ${name}`, { goOn: true });
    expect(wrong).toMatchObject({ runs: 6, failed: 4, complete: true });
    expect(wrong.failure?.message).toContain('a pte table was to be linked to a pmd entry that is not empty');
    expect(wrong.failure?.listing).toContain('populate pmd at 0x');
  });

  it('wakes who waits for a word that changes, and then is what it was', () => {
    for (const search of [ALL, { kind: 'reduced' }] as const) {
      const found = explore('there and back', { search });
      expect(found).toMatchObject({ ...good, deadlocks: 0 });
      expect([...found.outcomes.keys()].sort()).toEqual(['saw 0', 'saw 1']);
    }
  });

  it('stops when it has had enough', () => {
    expect(explore('mmap lock', { maxRuns: 4 })).toMatchObject({ runs: 4, complete: false });
  });
});

describe('a failure', () => {
  const NAMES = ['two increments that must be two', 'locks against the order', 'pair without a lock', 'rcu, freed at once', `pte_alloc without a lock ${ARCHITECTURES[0]!.name}`];

  it.each(NAMES)('is the same when its schedule is run again: %s', (name) => {
    const { failure } = explore(name);
    const again = replay(name, failure!.schedule);
    // The stack has the explorer's own functions in it, where the check failed.
    expect(again?.message.split('\n')[0]).toBe(failure!.message.split('\n')[0]);
    expect({ ...again, message: '' }).toEqual({ ...failure, message: '' });
  });

  it.each(NAMES)('is found by chance: %s', (name) => {
    for (const search of [{ kind: 'uniform', runs: 200, seed: 1 }, { kind: 'priorities', runs: 200, seed: 1, depth: 3 }] as const) {
      const found = explore(name, { search });
      expect(found.failed).toBe(1);
      expect(replay(name, found.failure!.schedule)?.kind).toBe(found.failure!.kind);
      const { milliseconds, ...same } = explore(name, { search });
      expect(milliseconds).toBeGreaterThanOrEqual(0);
      expect({ ...found, milliseconds, failure: undefined }).toEqual({ ...same, milliseconds, failure: undefined });
    }
  });

  it('is not there in a good schedule', () => {
    expect(replay('two increments that must be two', '0*2 1*2')).toBeUndefined();
    // What is left is run one thread after another.
    expect(replay('two increments that must be two', '0')).toBeUndefined();
    expect(replay('two increments that must be two', '0 1')).toMatchObject({ kind: 'check', schedule: '0 1*2 0' });
  });

  it('is printed for people', () => {
    const text = formatExploration('two increments', explore('two increments that must be two'));
    expect(text).toMatch(/^two increments: \d+ interleavings \(not all\), 0 given up early, /);
    expect(text).toContain('schedule: 0 1*2 0\n   0  0 a  read a word\n   1  1 b    read a word\n   2  1 b    write a word\n   3  0 a  write a word');
    expect(formatExploration('mmap lock', explore('mmap lock'))).toMatch(/^mmap lock: 6 interleavings, .*, 0 failures, [\d.]+ s, \d+ steps\/s$/);
  });

  it('in one thread is none of the others', () => {
    const found = explore('throws at once', { goOn: true });
    expect(found.failure).toMatchObject({ kind: 'thrown', message: expect.stringContaining('thread b: Error: it does not even begin') as string });
    expect(explore('two increments')).toMatchObject(good);
  });

  it('may be that nobody gets anywhere', () => {
    expect(explore('circles', { limit: 50 }).failure).toMatchObject({ kind: 'limit', message: 'the run is not over after 50 steps: the threads wait for each other, awake' });
  });

  it('is a lock that is taken twice', () => {
    expect(explore('takes a lock twice').failure?.message).toContain('would wait for itself');
  });
});

describe('what is refused', () => {
  it('a scenario that is not the same twice', () => {
    expect(() => explore('depends on the past')).toThrow(/the same schedule did something else at step \d+ .* than it did before/);
  });

  it('a lock in memory that other threads do not see', () => {
    expect(explore('memory of its own').failure?.message).toContain('this is in memory that the scenario does not share');
  });

  it('schedules that are none, or of another scenario', () => {
    expect(() => replay('two increments', 'a*2')).toThrow('"a*2" is no part of a schedule');
    expect(() => replay('two increments', '7')).toThrow('thread 7 cannot go on at step 0');
    expect(() => replay('two increments', '0*3')).toThrow('thread 0 cannot go on at step 2');
    expect(() => replay('two increments', '0*20000')).toThrow('longer than the limit');
  });

  it('no threads, no seed', () => {
    expect(() => explore('no threads')).toThrow('a scenario of 0 threads cannot be explored');
    expect(() => explore('two increments', { search: { kind: 'uniform', runs: 1, seed: 0.5 } })).toThrow('0.5 is no seed');
  });

  it('a thread that waits without the scheduler', async () => {
    const own = await RaceWorkers.of(MODULE);
    try {
      const explorer = new Explorer(scenarios.asleep!, own.company('asleep'), { patience: 300 });
      expect(() => explorer.explore()).toThrow('thread a does not come to its next step: for 300 ms there was none after 1 steps');
    } finally {
      await own.close();
    }
  });
});

describe('the text of a schedule', () => {
  it('says the same as the schedule', () => {
    expect(formatSchedule([0, 0, 0, 1, 0, 0])).toBe('0*3 1 0*2');
    fc.assert(fc.property(fc.array(fc.nat(15), { maxLength: 40 }), (schedule) => {
      expect(parseSchedule(formatSchedule(schedule))).toEqual(schedule);
    }));
  });
});
