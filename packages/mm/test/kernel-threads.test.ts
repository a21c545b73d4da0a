import { expect, it } from 'vitest';
import { Crew, type Duty } from './kernel-crew.js';
import type { Done, Role } from './kernel-worker.js';

/* VMAs that threads change and look for at the same time. Each of them has marks that fit its range, and loses them while it is changed. */

const times = (count: number, role: Role, rounds: number): Duty[] => Array.from({ length: count }, () => ({ role, rounds }));
const found = (done: readonly Done[], role: Role): number => done.reduce((sum, one) => sum + (one.role === role ? one.found : 0), 0);

/** What has to hold of any crew that takes its locks. */
function expectGood(done: readonly Done[]): void {
  expect(done.map(({ error }) => error)).toEqual(done.map(() => ''));
  expect(done.flatMap(({ wrong }) => wrong)).toEqual([]);
}

it.each([['not checked', false], ['checked', true]] as const)('who has the mmap lock sees the VMAs as they are, and two who change them do not meet (%s)', async (_, lockdep) => {
  const crew = new Crew({ lockdep });
  const done = await crew.run([...times(2, 'changer', 300), ...times(2, 'reader', 0)]);
  expectGood(done);
  expect(found(done, 'reader')).toBeGreaterThan(0);
  crew.close();
});

it.each([['not checked', false], ['checked', true]] as const)('a VMA that is found without the mmap lock is the right one, and stays as it is while it is locked (%s)', async (_, lockdep) => {
  const crew = new Crew({ lockdep });
  const done = await crew.run([...times(1, 'changer', 500), ...times(2, 'fast reader', 0)]);
  expectGood(done);
  // Both ways were gone.
  expect(found(done, 'fast reader')).toBeGreaterThan(0);
  expect(done.some(({ role, missed }) => role === 'fast reader' && missed > 0)).toBe(true);
  crew.close();
});

it('it is the lock of the VMA that keeps it: who lets go sees it change', async () => {
  const crew = new Crew();
  const wrong = new Set<string>();
  for (let attempt = 0; attempt < 20 && wrong.size === 0; attempt++) {
    const done = await crew.run([...times(1, 'changer', 2000), ...times(2, 'careless fast reader', 0)]);
    expect(done.map(({ error }) => error)).toEqual(['', '', '']);
    for (const each of done.flatMap((one) => one.wrong)) wrong.add(each);
  }
  expect(wrong.size).toBeGreaterThan(0);
  crew.close();
});

it('the VMAs of a file are those of all address spaces, and stay while the file is locked', async () => {
  const crew = new Crew();
  const done = await crew.run([...times(1, 'changer', 300), ...times(1, 'starter', 100), ...times(2, 'file reader', 0)]);
  expectGood(done);
  expect(found(done, 'file reader')).toBeGreaterThan(0);
  expect(found(done, 'starter')).toBeGreaterThan(0);
  crew.close();
});

it('slots are used again and again, with readers who hold none of them', async () => {
  const crew = new Crew({ lockdep: true });
  const done = await crew.run([...times(1, 'remover', 1000), ...times(2, 'fast reader', 0)]);
  expectGood(done);
  expect(found(done, 'fast reader')).toBeGreaterThan(0);
  crew.close();
});
