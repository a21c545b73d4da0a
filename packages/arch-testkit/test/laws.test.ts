import { describe, expect, it } from 'vitest';
import { formatReport, LAWS, LawBroken, parseKnownFailures, runLaws } from '../src/index.js';
import { FAULTS } from './faults.js';
import { reference } from './reference.js';

describe.each([true, false])('a sound architecture, user %s', (user) => {
  it.each(LAWS)('obeys: $name', (law) => {
    const report = runLaws(reference(user), { laws: [law], runs: 40 });
    expect(report.ok, formatReport(report)).toBe(true);
  });
});

describe('a fault', () => {
  it.each(FAULTS)('is found by $law: $name', ({ law: name, fault }) => {
    const law = LAWS.find((candidate) => candidate.name === name);
    expect(law, name).toBeDefined();
    const report = runLaws(reference(true, fault), { laws: law === undefined ? [] : [law], runs: 100 });
    expect(report.results[0]?.outcome, formatReport(report)).toBe('failed');
  });

  it('stands in every law: each has a fault that it finds', () => {
    const covered = new Set(FAULTS.map(({ law }) => law));
    expect(LAWS.map(({ name }) => name).filter((name) => !covered.has(name))).toEqual([]);
  });
});

describe('a broken law', () => {
  const [first] = FAULTS;
  const law = LAWS.find(({ name }) => name === first?.law)!;
  const subject = reference(true, first?.fault);

  it('says level, values and seed', () => {
    let thrown: unknown;
    try {
      law.check(subject, { seed: 7, runs: 20 });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(LawBroken);
    expect((thrown as LawBroken).law).toBe(law.name);
    expect(String(thrown)).toMatch(/pte: .*0x[0-9a-f]+.*\(seed 7\)$/);
  });

  it('may be listed as known', () => {
    const report = runLaws(subject, { laws: [law], knownFailures: parseKnownFailures(`# text\n${law.name} # why\n\n`) });
    expect(report.results[0]?.outcome).toBe('known failure');
    expect(report.ok).toBe(true);
  });

  it('that is listed and holds is not ok, nor is a name of no law', () => {
    const fixed = runLaws(reference(true), { laws: [law], knownFailures: [law.name] });
    expect([fixed.ok, fixed.results[0]?.outcome]).toEqual([false, 'fixed']);
    expect(formatReport(fixed)).toContain('NOT OK');
    const unknown = runLaws(reference(true), { laws: [law], knownFailures: ['no law of this name'] });
    expect(unknown.ok).toBe(false);
    expect(formatReport(unknown)).toContain('no such law: no law of this name');
  });
});
