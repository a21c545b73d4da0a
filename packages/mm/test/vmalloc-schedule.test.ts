import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RaceWorkers } from '../../../scripts/races/workers.js';
import { Explorer, type Exploration, type ExploreOptions } from '../src/index.js';
import { ARCHITECTURES, scenarios } from './vmalloc-scenarios.js';

let workers: RaceWorkers;
beforeAll(async () => {
  workers = await RaceWorkers.of(fileURLToPath(new URL('./vmalloc-scenarios.ts', import.meta.url)));
});
afterAll(async () => {
  await workers.close();
});

function explore(name: string, options: ExploreOptions = {}): Exploration {
  const explorer = new Explorer(scenarios[name]!, workers.company(name), { limit: 5000 });
  try {
    return explorer.explore(options);
  } finally {
    explorer.close();
  }
}

const good = { failed: 0, failure: undefined, deadlocks: 0, complete: true };

describe.each(ARCHITECTURES)('set_memory_ro() of pages that somebody lists: $name', ({ name }) => {
  // What the architecture changes in one step is changed without the lock that a listing has.
  const inOneStep = !name.startsWith('s390');

  it('shows each page as it was or as it will be, in every interleaving', () => {
    const found = explore(`pages ${name}`);
    expect(found).toMatchObject(good);
    // From the first page on that is changed: `wwr` is a listing that the change overtook.
    expect([...found.outcomes.keys()].sort()).toEqual(inOneStep ? ['wrr', 'wrw', 'wwr', 'www'].filter((text) => found.outcomes.has(text)) : ['wrr', 'www']);
    expect(found.outcomes.size).toBeGreaterThan(inOneStep ? 2 : 1);
  });

  it('does so where a block or a group is split, too', () => {
    const found = explore(`block ${name}`);
    expect(found).toMatchObject(good);
    expect([...found.outcomes.keys()].sort()).toEqual(['wrr', 'www']);
  });

  it('is not what a split without the lock would do: there is a gap', () => {
    const found = explore(`careless split ${name}`, { goOn: true });
    expect(found.failed).toBeGreaterThan(0);
    expect(found.failure?.message).toMatch(/neither what it was nor what it will be: ''|another frame/);
  });

  it('finds the area or does not, if that is freed meanwhile', () => {
    const found = explore(`vfree ${name}`);
    expect(found).toMatchObject(good);
    expect([...found.outcomes.keys()].sort()).toEqual(['changed', 'gone']);
  });
});

describe.each(ARCHITECTURES)('a block in the place of an empty table that somebody lists: $name', ({ name }) => {
  it('is there, or is not; the table is not freed under the listing', () => {
    const found = explore(`replaced table ${name}`);
    expect(found).toMatchObject(good);
    expect([...found.outcomes.keys()].sort()).toEqual(['after', 'before']);
  });
});
