import { afterAll, describe, expect, it } from 'vitest';
import { Crews, type CrewOptions, type Duty } from './locks-crew.js';
import { at } from './locks-places.js';
import type { Done, Role } from './locks-worker.js';

const crews = new Crews();
afterAll(() => {
  crews.close();
});

const times = (count: number, role: Role, rounds: number): Duty[] => Array.from({ length: count }, () => ({ role, rounds }));
const sum = (done: readonly Done[], what: 'wrong' | 'other' | 'rounds', role?: Role): number => done.reduce((total, one) => total + (role === undefined || one.role === role ? one[what] : 0), 0);

/** What has to hold of any crew that takes its locks. */
function expectGood(done: readonly Done[]): void {
  expect(done.map(({ error }) => error)).toEqual(done.map(() => ''));
  expect(sum(done, 'wrong')).toBe(0);
}

const MODES: readonly [string, CrewOptions][] = [['not checked', { checked: false }], ['checked', { checked: true }]];

describe('a spin lock between threads', () => {
  it.each(MODES)('loses no increment (%s)', async (_, options) => {
    const { memory, done } = await crews.run(times(2, 'increment', 20_000), options);
    expectGood(done);
    expect(memory[at.count]).toBe(40_000);
    expect(memory[at.spin]).toBe(0);
  });

  it('is what keeps them', async () => {
    const { memory, done } = await crews.run(times(2, 'increment without lock', 0), { until: (words) => words[at.count]! > 10_000_000 });
    expect(memory[at.count]).toBeLessThan(sum(done, 'rounds'));
  });

  it.each([2, 4])('wakes everybody who sleeps: %i threads', async (threads) => {
    const { memory, done } = await crews.run(times(threads, 'increment slowly', 2000));
    expectGood(done);
    expect(memory[at.count]).toBe(threads * 2000);
    expect(memory[at.spin]).toBe(0);
    // There was somebody to wake.
    expect(sum(done, 'other')).toBeGreaterThan(0);
  });

  it('lets those in who only try, and those who wait', async () => {
    const { memory, done } = await crews.run([...times(1, 'try', 5000), ...times(2, 'increment', 5000)]);
    expectGood(done);
    expect(memory[at.count]).toBe(15_000);
  });

  it('starves nobody', async () => {
    const { done } = await crews.run([...times(1, 'patient', 50), ...times(1, 'hog', 0)]);
    expectGood(done);
  });
});

describe('a read-write lock between threads', () => {
  it.each(MODES)('shows readers nothing half done (%s)', async (_, options) => {
    const { memory, done } = await crews.run([...times(2, 'pair writer', 3000), ...times(2, 'pair reader', 3000)], options);
    expectGood(done);
    expect([memory[at.left], memory[at.right], memory[at.rw], memory[at.rw + 1]]).toEqual([6000, 6000, 0, 0]);
  });

  it.each(MODES)('is downgraded without a writer in between, and with readers (%s)', async (_, options) => {
    const crew = [...times(2, 'downgrader', 0), ...times(1, 'pair reader', 0), ...times(1, 'pair writer', 0)];
    const { memory, done } = await crews.run(crew, { ...options, until: (words) => words[at.count]! > 0 && words[at.left]! > 5000 });
    expectGood(done);
    const writes = sum(done, 'rounds', 'downgrader') + sum(done, 'rounds', 'pair writer');
    expect([memory[at.left], memory[at.right], memory[at.rw]]).toEqual([writes, writes, 0]);
    expect(memory[at.count]).toBeGreaterThan(0);
  });

  it('lets a writer in among greedy readers', async () => {
    const { memory, done } = await crews.run([...times(1, 'one writer', 300), ...times(3, 'greedy reader', 0)]);
    expectGood(done);
    expect(memory[at.left]).toBe(300);
    expect(sum(done, 'rounds', 'greedy reader')).toBeGreaterThan(0);
  });

  it('lets a reader in among writers', async () => {
    const { done } = await crews.run([...times(1, 'pair reader', 300), ...times(3, 'pair writer', 0)]);
    expectGood(done);
    expect(sum(done, 'rounds', 'pair writer')).toBeGreaterThan(0);
  });
});

describe('a VMA lock between threads', () => {
  it.each(MODES)('keeps faults and writers apart, and most faults need no mmap lock (%s)', async (_, options) => {
    const { memory, done } = await crews.run([...times(1, 'vma writer', 2000), ...times(2, 'fault', 0)], options);
    expectGood(done);
    expect([memory[at.left], memory[at.right], memory[at.mmap], memory[at.vma]]).toEqual([2000, 2000, 0, 0]);
    // Both ways were gone.
    const slow = sum(done, 'other', 'fault');
    expect(slow).toBeGreaterThan(0);
    expect(sum(done, 'rounds', 'fault')).toBeGreaterThan(slow);
  });

  it('is what keeps them apart: the mmap lock alone does not', async () => {
    let wrong = 0;
    for (let attempt = 0; attempt < 20 && wrong === 0; attempt++) wrong = sum((await crews.run([...times(1, 'careless vma writer', 20_000), ...times(2, 'fault', 0)])).done, 'wrong');
    expect(wrong).toBeGreaterThan(0);
  });
});

describe('RCU between threads', () => {
  it.each(MODES)('waits for readers that are inside (%s)', async (_, options) => {
    const { done } = await crews.run([...times(1, 'rcu updater', 500), ...times(3, 'rcu reader', 0)], options);
    expectGood(done);
    expect(sum(done, 'other')).toBe(0);
    expect(sum(done, 'rounds', 'rcu reader')).toBeGreaterThan(0);
  });

  it('is what makes updaters wait: without it readers meet what was freed, and the check of the generation finds it', async () => {
    let wrong = 0;
    let found = 0;
    for (let attempt = 0; attempt < 20 && (wrong === 0 || found === 0); attempt++) {
      const { done } = await crews.run([...times(1, 'hasty rcu updater', 20_000), ...times(3, 'rcu reader', 0)]);
      wrong += sum(done, 'wrong');
      found += sum(done, 'other', 'rcu reader');
    }
    expect(wrong).toBeGreaterThan(0);
    expect(found).toBeGreaterThan(0);
  });

  it.each(MODES)('makes deferred calls when the readers are gone, in whichever thread (%s)', async (_, options) => {
    const { done, rcu } = await crews.run([...times(1, 'deferring updater', 3000), ...times(2, 'rcu reader', 0)], options);
    expectGood(done);
    expect(sum(done, 'other', 'rcu reader')).toBe(0);
    expect(rcu.pending).toBe(0);
  });
});

describe('lockdep between threads', () => {
  it('knows in each what another has seen, with both places, though nobody waited', async () => {
    const { done } = await crews.run([{ role: 'left then right', rounds: 200 }, { role: 'right then left', rounds: 200 }], { checked: true });
    // One of the two was first.
    const [report, ...more] = done.map(({ error }) => error).filter((error) => error !== '');
    expect(more).toEqual([]);
    expect(report).toMatch(/takes (left|right) and has (left|right): the order is/);
    expect(report).toContain('left then right');
    expect(report).toContain('right then left');
  });
});
