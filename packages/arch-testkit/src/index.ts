/**
 * The laws of page-table architectures, and what holds an architecture to them. Knows no test framework.
 *
 * @packageDocumentation
 */
export { LawBroken, NotApplicable, type Law, type LawOptions, type Subject, type SubjectMemory } from './law.js';
export { LAWS } from './laws.js';
export { formatReport, parseKnownFailures, runLaws, type LawResult, type Outcome, type Report, type RunOptions } from './run.js';
