import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { patched } from '../../../scripts/races/patched.js';
import { RACES } from '../../../scripts/races/scenarios.js';
import { Stadium } from '../../../scripts/races/stadium.js';

const RACE = 'two faults, one table';
const order = { race: RACE, configuration: 'x86 PAE' } as const;
const FILE = 'packages/mm/src/tables/table-alloc.ts';

async function within<T>(patches: Parameters<typeof Stadium.open>[0], use: (stadium: Stadium) => Promise<T>): Promise<T> {
  const stadium = await Stadium.open(patches);
  try {
    return await use(stadium);
  } finally {
    await stadium.close();
  }
}

describe('sources as they are', () => {
  let stadium: Stadium;
  beforeAll(async () => { stadium = await Stadium.open(); });
  afterAll(async () => { await stadium.close(); });

  it('runs all interleavings, and nothing goes wrong', async () => {
    const { found, error } = await stadium.run(order);
    expect(error).toBeUndefined();
    expect(found).toMatchObject({ complete: true, failed: 0, deadlocks: 0 });
    expect(found!.runs).toBeGreaterThan(1);
  });

  it('runs them by chance, the same for the same seed', async () => {
    const search = { kind: 'priorities', runs: 20, seed: 3, depth: 3 } as const;
    const one = await stadium.run({ ...order, search });
    const two = await stadium.run({ ...order, search });
    expect(one.found).toMatchObject({ runs: 20, failed: 0 });
    expect(two.found?.steps).toBe(one.found?.steps);
  });

  it('runs them on real threads', async () => {
    const { loose } = await stadium.run({ ...order, loose: { runs: 20, seed: 1 } });
    expect(loose?.runs).toBe(20);
    expect(loose?.failure).toBeUndefined();
  });

  it('says what cannot be run', async () => {
    expect((await stadium.run({ ...order, race: 'no such race' })).error).toContain('there is no race no such race');
    expect((await stadium.run({ ...order, configuration: 'vax' })).error).toContain('there is no configuration vax');
    expect((await stadium.run({ ...order, replay: 'nonsense' })).error).toContain('nonsense');
    // And goes on.
    expect((await stadium.run(order)).found?.failed).toBe(0);
  });
});

describe('sources with a fault', () => {
  const { patches, loses } = RACES[RACE]!.without![0]!;

  it('loses the race, and again by the same schedule', async () => {
    await within(patches, async (stadium) => {
      const { found } = await stadium.run(order);
      const failure = found!.failure!;
      expect(failure.message).toMatch(loses);
      const { replayed } = await stadium.run({ ...order, replay: failure.schedule });
      expect(replayed?.message).toBe(failure.message);
      expect(replayed?.listing).toContain('take pmd ptl');
    });
  });

  it('loses it on real threads', async () => {
    await within(patches, async (stadium) => {
      const { loose } = await stadium.run({ ...order, loose: { runs: 5000, seed: 1 } });
      expect(loose?.failure).toMatch(/run \d+: thread fault [01]: PgtableError: a pte table was to be linked/);
    });
  });

  it('ends a run that takes too long', async () => {
    const endless = [{ file: FILE, find: 'if (isEmpty(mm, level, entry)) {', replace: 'while (!used) isEmpty(mm, level, entry); {' }];
    await within(endless, async (stadium) => {
      await expect(stadium.run({ ...order, loose: { runs: 1, seed: 1 } }, 1)).rejects.toThrow('nothing after 1 s');
    });
  });
});

describe('patches that do not fit', () => {
  it('is refused if the text is not there, or more than once', () => {
    expect(() => patched([{ file: FILE, find: 'no such text', replace: '' }])).toThrow(/is 0 times in .*table-alloc/);
    expect(() => patched([{ file: FILE, find: 'populateEntry', replace: '' }])).toThrow(/is \d+ times in .*table-alloc/);
  });

  it('is refused if the first of two takes the text away', () => {
    const find = 'if (!used) pageTables.free(table.address);';
    expect(() => patched([{ file: FILE, find, replace: '' }, { file: FILE, find, replace: '' }])).toThrow('is 0 times');
  });

  it('is refused if no bundle has the file', async () => {
    await expect(Stadium.open([{ file: 'packages/walk/README.md', find: '# @pgtable/walk', replace: '' }])).rejects.toThrow('no bundle has');
  });
});
