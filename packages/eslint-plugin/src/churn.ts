/**
 * An ESLint formatter that says how far a codebase is from opaque handles. ESLint takes formatters by path:
 * `eslint . -f ./node_modules/@pgtable/eslint-plugin/dist/churn.js`.
 *
 * @packageDocumentation
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import type { ESLint, Linter } from 'eslint';

/** rote: a report with a fix. thought: one without. copy: a value held aside goes where a live entry is meant (no-stack-handle). */
export type ChurnKind = 'rote' | 'thought' | 'copy';

/** How many there are of each kind. */
export type ChurnCounts = Readonly<Record<ChurnKind, number>>;

/** The state of a conversion at one time, by file, as the baseline keeps it. Paths are relative to ESLint's working directory, with `/`. */
export interface ChurnState {
  readonly version: 1;
  readonly files: Readonly<Record<string, ChurnCounts>>;
}

/** The environment variable that names the baseline's file. */
export const BASELINE = 'PGTABLE_CHURN_BASELINE';

const KINDS: readonly { readonly kind: ChurnKind; readonly label: string }[] = [
  { kind: 'rote', label: 'rote (eslint --fix does it)' },
  { kind: 'thought', label: 'needs thought' },
  { kind: 'copy', label: 'stack copy' },
];
const NOTHING: ChurnCounts = { rote: 0, thought: 0, copy: 0 };
const WORST = 10;

/**
 * The formatter. Where PGTABLE_CHURN_BASELINE names a file, the first run writes it, and later runs say what has been fixed since.
 *
 * Returns: the text that ESLint prints.
 * Throws: an Error if the baseline is none.
 */
export default function churn(results: readonly ESLint.LintResult[], context?: { readonly cwd?: string }): string {
  const state = stateOf(results, context?.cwd ?? process.cwd());
  const path = process.env[BASELINE];
  const lines: string[] = [];
  let before: ChurnState | undefined;
  if (path !== undefined && path !== '') {
    if (existsSync(path)) before = readState(path);
    else {
      writeFileSync(path, `${JSON.stringify(state, null, 2)}\n`);
      lines.push(`The baseline was written to ${path}: later runs say what has been fixed since.`, '');
    }
  }
  return [...lines, ...kinds(state, before), '', ...places(state), ''].join('\n');
}

/** Counts the reports of this plugin. Reports that overlap are one site, which is of the kind of the outermost. */
export function stateOf(results: readonly ESLint.LintResult[], cwd: string): ChurnState {
  const files: Record<string, ChurnCounts> = {};
  for (const { filePath, messages } of results) {
    const counts = { ...NOTHING };
    for (const site of sites(messages.filter(({ ruleId }) => ruleId?.startsWith('pgtable/') === true && !ruleId.endsWith('/require-reason')))) counts[kindOf(site)]++;
    if (counts.rote + counts.thought + counts.copy > 0) files[relative(cwd, filePath).replaceAll('\\', '/')] = counts;
  }
  return { version: 1, files };
}

function kindOf({ ruleId, fix }: Linter.LintMessage): ChurnKind {
  if (ruleId === 'pgtable/no-stack-handle') return 'copy';
  return fix === undefined ? 'thought' : 'rote';
}

/** The outermost of the reports that lie in each other. */
function sites(messages: readonly Linter.LintMessage[]): Linter.LintMessage[] {
  const begin = ({ line, column }: Linter.LintMessage): number => line * 1e6 + column;
  const end = (message: Linter.LintMessage): number => (message.endLine === undefined || message.endColumn === undefined ? begin(message) + 1 : message.endLine * 1e6 + message.endColumn);
  const outermostFirst = [...messages].sort((a, b) => begin(a) - begin(b) || end(b) - end(a) || Number(kindOf(b) === 'copy') - Number(kindOf(a) === 'copy'));
  const kept: Linter.LintMessage[] = [];
  let reached = 0;
  for (const message of outermostFirst) {
    if (begin(message) < reached) continue;
    kept.push(message);
    reached = end(message);
  }
  return kept;
}

function readState(path: string): ChurnState {
  const wrong = (why: string): Error => new Error(`${BASELINE} names ${path}, which is no baseline of this formatter (${why}): delete it, and the next run writes another`);
  let read: unknown;
  try {
    read = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
  if (typeof read !== 'object' || read === null || !('version' in read) || read.version !== 1 || !('files' in read) || typeof read.files !== 'object' || read.files === null) throw wrong('no version 1');
  const isCounts = (counts: unknown): boolean => typeof counts === 'object' && counts !== null && KINDS.every(({ kind }) => Number.isInteger((counts as Record<string, unknown>)[kind]));
  if (!Object.values(read.files).every(isCounts)) throw wrong('a file without counts');
  return read as ChurnState;
}

function sum(files: readonly ChurnCounts[], kind: ChurnKind): number {
  return files.reduce((total, counts) => total + counts[kind], 0);
}

/** The table by kind: what is left, and what has been fixed. */
function kinds(state: ChurnState, before: ChurnState | undefined): string[] {
  const now = Object.values(state.files);
  const then = before === undefined ? undefined : Object.values(before.files);
  const rows = KINDS.map(({ kind, label }) => row(label, [kind], now, then));
  const all = KINDS.map(({ kind }) => kind);
  const header = ['', 'files', 'sites left', ...(then === undefined ? [] : ['fixed', 'done'])];
  return table([header, ...rows, row('total', all, now, then)]);
}

function row(label: string, of: readonly ChurnKind[], now: readonly ChurnCounts[], then: readonly ChurnCounts[] | undefined): string[] {
  const count = (files: readonly ChurnCounts[]): number => of.reduce((total, kind) => total + sum(files, kind), 0);
  const left = count(now);
  const files = now.filter((counts) => of.some((kind) => counts[kind] > 0)).length;
  const cells = [label, String(files), String(left)];
  if (then === undefined) return cells;
  const first = count(then);
  // More than there were: something new has come in.
  return [...cells, String(first - left), first === 0 ? '-' : `${Math.floor(((first - left) / first) * 100)} %`];
}

/** The directories, and the files with the most sites. */
function places(state: ChurnState): string[] {
  const entries = Object.entries(state.files);
  if (entries.length === 0) return ['Nothing is left.'];
  const byFolder = new Map<string, ChurnCounts[]>();
  for (const [path, counts] of entries) byFolder.set(dirname(path), [...(byFolder.get(dirname(path)) ?? []), counts]);
  const line = (name: string, counts: readonly ChurnCounts[]): string[] => [name, ...KINDS.map(({ kind }) => String(sum(counts, kind)))];
  const header = (what: string): string[] => [what, 'rote', 'thought', 'copy'];
  const total = ({ rote, thought, copy }: ChurnCounts): number => rote + thought + copy;
  const worst = entries.sort(([a, x], [b, y]) => total(y) - total(x) || (a < b ? -1 : 1)).slice(0, WORST);
  return [
    ...table([header('directory'), ...[...byFolder].sort(([a], [b]) => (a < b ? -1 : 1)).map(([folder, counts]) => line(folder, counts))]),
    '',
    ...table([header(entries.length > WORST ? `the ${WORST} files with most` : 'file'), ...worst.map(([path, counts]) => line(path, [counts]))]),
  ];
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows.map((cells) => cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  ').trimEnd());
}
