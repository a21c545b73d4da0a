import type { AliasHandles, StrongHandles } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { formatReport, runLaws, type Subject } from '../src/index.js';
import { ALL, HALVES, subjectOf } from './configurations.js';

/** Random cases for each level and property. */
const RUNS = 12;
/** The same code at run time as {@link RUNS}' subjects; fewer, then. */
const RUNS_AGAIN = 2;

const CASES: readonly { readonly name: string; readonly runs: number; readonly subject: Subject; readonly known: readonly string[] }[] = ALL.flatMap((configuration) => HALVES.flatMap((half) => {
  const name = `${configuration.name} ${half}`;
  const known = Object.keys(configuration.known);
  return [
    { name: `${name}, strong`, runs: RUNS, subject: subjectOf<StrongHandles>(configuration, half), known },
    { name: `${name}, alias`, runs: RUNS_AGAIN, subject: subjectOf<AliasHandles>(configuration, half), known },
    { name: `${name}, shared memory`, runs: RUNS_AGAIN, subject: subjectOf<StrongHandles>(configuration, half, true), known },
  ];
}));

describe.each(CASES)('$name', ({ runs, subject, known }) => {
  it('obeys the laws', () => {
    const report = runLaws(subject, { runs, knownFailures: known });
    expect(report.ok, formatReport(report)).toBe(true);
  });
});
