import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RACES as oldRaces } from '../before/races.js';
import { WORKLOADS as oldWorkloads } from '../before/workload.js';
import { RACES as newRaces } from '../after/races.js';
import { report } from '../after/report.js';
import { WORKLOADS as newWorkloads } from '../after/workload.js';
import { ROOT } from './sites.js';

describe('the workload', () => {
  it.each(oldWorkloads.map(({ name }, at) => ({ name, at })))('gives the same before and after: $name', ({ at }) => {
    const lines = oldWorkloads[at]!.run();
    expect(lines.length).toBeGreaterThan(3);
    expect(newWorkloads[at]!.run()).toEqual(lines);
  });

  it('gives what it always gave', () => {
    expect(report().join('\n') + '\n').toBe(readFileSync(join(ROOT, 'test', 'report.txt'), 'utf8'));
  });

  it('gives the same when it runs again', () => {
    expect(oldWorkloads.map((part) => part.run())).toEqual(oldWorkloads.map((part) => part.run()));
  });
});

/** Each comes of taking a value held aside for the live entry, or the other way round. Numbers are those of SITES.json. */
const BUGS: readonly { readonly bug: number; readonly what: string; readonly wrong: string; readonly right: string }[] = [
  {
    bug: 1,
    what: 'dirty was set on the copy: the page looked clean, and what the kernel wrote was dropped with it',
    wrong: 'the page begins with 0x1, mapped 1',
    right: 'the page begins with 0x42, mapped 1',
  },
  {
    bug: 2,
    what: 'young was asked of the snapshot: pages went to swap that were in use',
    wrong: '4 chosen, 4 gone: SSSSdddd, mapped 4',
    right: '4 chosen, 2 gone: DSDSdddd, mapped 6',
  },
  {
    bug: 3,
    what: 'the copy was compared with itself: another processor\'s write was lost, and its frame leaked',
    wrong: 'the page has 0x1 and 0x0, mapped 1, free 58',
    right: 'the page has 0x1 and 0x99, mapped 1, free 59',
  },
  {
    bug: 4,
    what: 'young was set on the copy: what the program will need went to swap first',
    wrong: '4 will be needed: SSSSdddd, mapped 4',
    right: '4 will be needed: ddddSSSS, mapped 4',
  },
  {
    bug: 5,
    what: 'dirty was asked of the live entry, which was empty already: the write never came to the disk',
    wrong: '0 pages written, the disk has 0x0, mapped 1',
    right: '1 pages written, the disk has 0x77, mapped 1',
  },
];

describe('what the five bugs did', () => {
  it.each(BUGS)('$bug: $what', ({ bug, wrong, right }) => {
    expect(oldRaces[bug - 1]!.run()).toBe(wrong);
    expect(newRaces[bug - 1]!.run()).toBe(right);
  });

  it('is all that differs', () => {
    expect(BUGS.map(({ bug }) => bug)).toEqual(oldRaces.map((_, at) => at + 1));
    expect(newRaces.map(({ name }) => name)).toEqual(oldRaces.map(({ name }) => name));
  });
});
