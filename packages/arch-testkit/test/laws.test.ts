import { describe, expect, it } from 'vitest';
import type { Prot, StrongHandles } from '@pgtable/core';
import { formatReport, LAWS, LawBroken, parseKnownFailures, runLaws, type Subject } from '../src/index.js';
import { ALL, subjectOf } from './configurations.js';
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

  it('is found at the end of a table that is longer than what batches are tried on', () => {
    const sound = subjectOf<StrongHandles>(ALL[0]!, 'user');
    const subject: Subject<StrongHandles> = {
      ...sound,
      make() {
        const made = sound.make();
        const { pte } = made.arch.ops;
        const was = pte.clear.bind(pte);
        // The last of 512 stays.
        Object.assign(pte, { clear: ((mm, address, entry, count) => was(mm, address, entry, count > 1 && ((address >> 12n) & 511n) + BigInt(count) === 512n ? count - 1 : count)) satisfies typeof pte.clear });
        return made;
      },
    };
    expect(runLaws(subject, { laws: LAWS.filter(({ name }) => name === 'clear many'), runs: 40 }).results[0]?.outcome).toBe('failed');
  });

  it('stands in every law: each has a fault that it finds', () => {
    const covered = new Set(FAULTS.map(({ law }) => law));
    expect(LAWS.map(({ name }) => name).filter((name) => !covered.has(name))).toEqual([]);
  });
});

describe('PROT_NONE that is valid, without any right', () => {
  /** @param rights of PROT_NONE beside that it is valid: bit 3 lets users read */
  const valid = (rights: bigint, said: boolean): Subject<StrongHandles> => ({
    ...reference(true, ({ arch, values: { pte, pmd } }) => {
      const vmProt = arch.vmProt.bind(arch);
      arch.vmProt = (flags) => ((flags & 15) === 0 ? ((1n | 16n | (1n << 58n) | rights) as Prot) : vmProt(flags));
      pte.protnone = pmd.protnone = (value: bigint) => (value & (1n << 58n)) !== 0n;
    }),
    protnoneValid: said,
  });
  const report = (subject: Subject<StrongHandles>): string => formatReport(runLaws(subject, { laws: LAWS.filter(({ name }) => name === 'protnone'), runs: 20 }));

  it('obeys every law if the subject says so', () => {
    const all = runLaws(valid(0n, true), { runs: 20 });
    expect(all.ok, formatReport(all)).toBe(true);
  });
  it('is refused if it does not, and the report says what to say', () => {
    expect(report(valid(0n, false))).toContain('say protnoneValid in the subject');
  });
  it('is refused if users may use it', () => {
    expect(report(valid(8n, true))).toContain('the rights of a PROT_NONE entry allow users something');
  });
  it('is not what a subject may say whose PROT_NONE is not valid', () => {
    expect(report({ ...reference(true), protnoneValid: true })).toContain('is not valid, and the subject says protnoneValid');
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
