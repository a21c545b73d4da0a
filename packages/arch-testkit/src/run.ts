import type { HandleFamily } from '@pgtable/core';
import { LawBroken, NotApplicable, type Law, type Subject } from './law.js';
import { LAWS } from './laws.js';

/** How to run the laws. */
export interface RunOptions {
  /** Default 1. */
  readonly seed?: number;
  /** Random cases for each level and property. Default 50. */
  readonly runs?: number;
  /** Default: all, {@link LAWS}. */
  readonly laws?: readonly Law[];
  /** Names of laws that are known not to hold, as {@link parseKnownFailures} reads them. */
  readonly knownFailures?: readonly string[];
}

/**
 * How a law fared.
 *
 * - `passed`, `failed`: as the words say
 * - `known failure`: it does not hold, and is listed
 * - `fixed`: it holds, and is still listed as a failure
 * - `not applicable`: the architecture has nothing that it is about
 */
export type Outcome = 'passed' | 'failed' | 'known failure' | 'fixed' | 'not applicable';

/** One law of a {@link Report}. */
export interface LawResult {
  readonly law: Law;
  readonly outcome: Outcome;
  /** What does not hold, or why the law does not apply; else empty. */
  readonly message: string;
}

/** What {@link runLaws} found. */
export interface Report {
  readonly subject: string;
  readonly seed: number;
  readonly results: readonly LawResult[];
  /** Names that are listed as known failures and are those of no law that was run. */
  readonly unknown: readonly string[];
  /** Whether nothing failed but what is listed, and all that is listed failed. */
  readonly ok: boolean;
}

/** Holds an architecture to the laws, one after the other. Throws nothing because a law is broken: the report says so. */
export function runLaws<H extends HandleFamily>(subject: Subject<H>, options: RunOptions = {}): Report {
  const { seed = 1, runs = 50, laws = LAWS, knownFailures = [] } = options;
  const results = laws.map((law): LawResult => {
    const known = knownFailures.includes(law.name);
    try {
      law.check(subject, { seed, runs });
    } catch (error) {
      if (error instanceof NotApplicable) return { law, outcome: known ? 'fixed' : 'not applicable', message: error.message };
      if (error instanceof LawBroken) return { law, outcome: known ? 'known failure' : 'failed', message: error.message };
      throw error;
    }
    return { law, outcome: known ? 'fixed' : 'passed', message: known ? 'it is listed as a known failure, and holds' : '' };
  });
  const unknown = knownFailures.filter((name) => !laws.some((law) => law.name === name));
  const ok = unknown.length === 0 && results.every(({ outcome }) => outcome !== 'failed' && outcome !== 'fixed');
  return { subject: subject.name, seed, results, unknown, ok };
}

/** A report as text, a line for each law that did not simply pass, and a last line that counts. */
export function formatReport(report: Report): string {
  const lines = report.results.filter(({ outcome }) => outcome !== 'passed').map(({ law, outcome, message }) => `  ${outcome}: ${law.name}${message === '' ? '' : ` (${message})`}`);
  for (const name of report.unknown) lines.push(`  no such law: ${name}`);
  const passed = report.results.filter(({ outcome }) => outcome === 'passed').length;
  return [`${report.subject}: ${report.ok ? 'ok' : 'NOT OK'}`, ...lines, `  ${passed} of ${report.results.length} laws passed, seed ${report.seed}`].join('\n');
}

/** Reads a list of known failures: the name of one law a line; what follows a # is a comment. */
export function parseKnownFailures(text: string): string[] {
  return text.split('\n').map((line) => (line.split('#')[0] ?? '').trim()).filter((line) => line !== '');
}
