import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import plugin from '@pgtable/eslint-plugin';
import { Argument } from 'commander';
import type { Linter } from 'eslint';
import { CorpusError, readCorpus, type Snippet } from './lint-corpus/parse.js';
import { applyFixes, commentsOf, Compiled, COMPILER_OPTIONS } from './lint-corpus/program.js';
import { parsed, script } from './options.js';

const PACKAGE = fileURLToPath(new URL('../packages/eslint-plugin', import.meta.url)).replaceAll('\\', '/');
const FOLDER = `${PACKAGE}/.corpus`;
/** As many as ESLint makes before it gives up. */
const MAX_PASSES = 10;

interface File extends Snippet {
  readonly path: string;
  readonly text: string;
}

interface Tally {
  readonly snippets: { valid: number; invalid: number; alias: number; strong: number };
  hits: number;
  wrong: number;
  missed: number;
}

const mistakes: string[] = [];
const ruleNames = Object.keys(plugin.rules);
const tallies = new Map<string, Tally>(ruleNames.map((name) => [name, { snippets: { valid: 0, invalid: 0, alias: 0, strong: 0 }, hits: 0, wrong: 0, missed: 0 }]));

function where(file: Snippet, line: number): string {
  const source = file.lines[line - 1]?.source ?? 0;
  return `${file.file}:${source === 0 ? 1 : source} "${file.title}" (${file.mode})`;
}

/** Writes every snippet as a file of its own, so that an editor shows what the runner sees. */
function write(snippets: readonly Snippet[]): File[] {
  rmSync(FOLDER, { recursive: true, force: true });
  const numbers = new Map<string, number>();
  const files = snippets.map((snippet) => {
    const folder = `${FOLDER}/${snippet.file.replace(/\.txt$/, '')}/${snippet.mode}`;
    const number = (numbers.get(folder) ?? 0) + 1;
    numbers.set(folder, number);
    const path = `${folder}/${String(number).padStart(3, '0')}.${snippet.extension}`;
    const text = snippet.lines.map((line) => `${line.text}\n`).join('');
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return { ...snippet, path, text };
  });
  writeFileSync(join(FOLDER, 'tsconfig.json'), JSON.stringify({ compilerOptions: COMPILER_OPTIONS, include: ['**/*'] }, null, 2));
  return files;
}

/** What the snippets' headers ask for, as configurations of the folders that they are written to. */
function configsOf(files: readonly File[]): Linter.Config[] {
  const special = new Map(files.filter(({ isArchitecture, settings }) => isArchitecture || settings !== '').map((file) => [dirname(file.path).slice(FOLDER.length + 1), file]));
  return [...special].map(([folder, { isArchitecture, settings }]) => ({
    files: [`${folder}/**`],
    settings: { pgtable: { ...(settings === '' ? {} : (JSON.parse(settings) as Record<string, unknown>)), ...(isArchitecture ? { architecture: [`${folder}/**`] } : {}) } },
  }));
}

/** Compares what was reported with the labels. */
function compare(file: File, messages: readonly Linter.LintMessage[]): void {
  const found = new Map<string, { readonly line: number; readonly rule: string; count: number; readonly message: string }>();
  for (const { ruleId, line, message, fatal } of messages) {
    if (ruleId === null || fatal === true) {
      mistakes.push(`${where(file, line)}: ${message}`);
      continue;
    }
    const rule = ruleId.replace('pgtable/', '');
    const known = found.get(`${line} ${rule}`);
    if (known === undefined) found.set(`${line} ${rule}`, { line, rule, count: 1, message });
    else known.count++;
  }
  file.lines.forEach(({ expected, othersMay }, at) => {
    const line = at + 1;
    for (const [rule, wanted] of expected ?? []) {
      const tally = tallies.get(rule);
      if (tally === undefined) {
        if (!ruleNames.includes(rule)) mistakes.push(`${where(file, line)}: there is no rule "${rule}"`);
        continue;
      }
      const count = found.get(`${line} ${rule}`)?.count ?? 0;
      tally.hits += Math.min(count, wanted);
      if (count < wanted) {
        tally.missed += wanted - count;
        mistakes.push(`missed    ${rule}: ${where(file, line)}${wanted > 1 ? `: ${count} of ${wanted}` : ''}`);
      }
    }
    for (const report of found.values()) {
      if (report.line !== line) continue;
      const wanted = expected?.get(report.rule);
      if (wanted === undefined && othersMay) continue;
      const tally = tallies.get(report.rule);
      // Where only some rules are asked for, the others may say what they like.
      if (tally === undefined || report.count <= (wanted ?? 0)) continue;
      tally.wrong += report.count - (wanted ?? 0);
      mistakes.push(`reported  ${report.rule}: ${where(file, line)}: ${report.message}`);
    }
  });
}

/** Fixes all files together, pass by pass. Returns how many changed. */
async function fix(files: readonly File[], configs: readonly Linter.Config[], first: Compiled, found: ReadonlyMap<string, Linter.LintMessage[]>): Promise<number> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const texts = new Map(files.map(({ path, text }) => [path, text]));
  let compiled = first;
  let messages = found;
  let changed: Set<string>;
  const everChanged = new Set<string>();
  for (let pass = 0; ; pass++) {
    changed = new Set();
    for (const [path, ofFile] of messages) {
      const text = applyFixes(texts.get(path)!, ofFile);
      if (text === texts.get(path)) continue;
      texts.set(path, text);
      changed.add(path);
      everChanged.add(path);
    }
    if (changed.size === 0 || pass === MAX_PASSES) break;
    compiled = new Compiled(new Map(texts), COMPILER_OPTIONS, FOLDER, compiled);
    messages = await compiled.lint([...changed], configs, FOLDER);
  }
  for (const path of changed) mistakes.push(`fix       ${where(byPath.get(path)!, 2)}: does not come to rest after ${MAX_PASSES} passes`);
  for (const path of everChanged) {
    const file = byPath.get(path)!;
    const text = texts.get(path)!;
    if (file.mode === 'alias' && file.compiles) {
      for (const error of compiled.errors(path)) mistakes.push(`fix       ${where(file, 2)}: what it makes does not compile: line ${error}\n${indented(text)}`);
    }
    const left = commentsOf(path, text, FOLDER);
    for (const comment of commentsOf(path, file.text, FOLDER)) {
      const at = left.indexOf(comment);
      if (at < 0) mistakes.push(`fix       ${where(file, 2)}: loses the comment "${comment}"`);
      else left.splice(at, 1);
    }
  }
  return everChanged.size;
}

function indented(text: string): string {
  return text.trimEnd().split('\n').map((line, at) => `            ${String(at + 1).padStart(3)} ${line}`).join('\n');
}

function share(part: number, whole: number): string {
  return whole === 0 ? 'none' : `${(Math.floor((part / whole) * 1000) / 10).toFixed(1)} %`;
}

function print(): void {
  const rows = [...tallies].map(([name, { snippets, hits, wrong, missed }]) => [
    name, snippets.valid, snippets.invalid, snippets.alias, snippets.strong, hits, wrong, missed, share(hits, hits + wrong), share(hits, hits + missed),
  ]);
  const totals = [...tallies.values()].reduce(
    (sum, { snippets, hits, wrong, missed }) => sum.map((one, at) => one + [snippets.valid, snippets.invalid, snippets.alias, snippets.strong, hits, wrong, missed][at]!),
    [0, 0, 0, 0, 0, 0, 0],
  );
  const table = [
    ['rule', 'valid', 'invalid', 'alias', 'strong', 'found', 'false', 'missed', 'precision', 'recall'],
    ...rows,
    ['total', ...totals, share(totals[4]!, totals[4]! + totals[5]!), share(totals[4]!, totals[4]! + totals[6]!)],
  ].map((row) => row.map(String));
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  for (const row of table) console.log(row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  '));
}

const began = performance.now();
const { names: wanted } = parsed(
  script('lint:corpus', `Lints the labelled snippets in packages/eslint-plugin/corpus with every rule, and says how well each rule does on them. Then fixes what can be fixed, and checks that the outcome compiles, is left
alone by a second run, and has every comment. Ends with 1 if anything is not as the labels say.`).addArgument(new Argument('[rules...]', 'whose snippets are meant; all where none is named').choices(ruleNames)),
);
try {
  const snippets = readCorpus(`${PACKAGE}/corpus`).filter(({ rule }) => wanted.length === 0 || wanted.includes(rule));
  for (const name of ruleNames) {
    if (wanted.length > 0 && !wanted.includes(name)) tallies.delete(name);
    else if (!snippets.some(({ rule }) => rule === name)) mistakes.push(`${name}: there is no snippet of it in the corpus`);
  }
  for (const rule of new Set(snippets.map(({ rule: name }) => name))) if (!ruleNames.includes(rule)) mistakes.push(`${rule}: a folder of the corpus that no rule is called by`);
  const files = write(snippets);
  for (const { rule, lines, mode, title, file } of files) {
    const tally = tallies.get(rule)?.snippets;
    if (tally === undefined) continue;
    tally[mode]++;
    tally[lines.some(({ expected }) => expected?.has(rule) === true) ? 'invalid' : 'valid']++;
    if (title.length > 100) mistakes.push(`${file} "${title}": a title is a line of at most 100 characters`);
  }
  const configs = configsOf(files);
  const compiled = new Compiled(new Map(files.map(({ path, text }) => [path, text])), COMPILER_OPTIONS, FOLDER);
  for (const file of files) {
    if (file.mode !== 'alias' || !file.compiles) continue;
    for (const error of compiled.errors(file.path)) {
      const [line = '1'] = error.split(':');
      mistakes.push(`compile   ${where(file, Number(line))}: ${error.slice(line.length + 2)}`);
    }
  }
  const found = await compiled.lint(files.map(({ path }) => path), configs, FOLDER);
  for (const file of files) compare(file, found.get(file.path)!);
  const fixed = await fix(files, configs, compiled, found);
  print();
  const titles = new Set(files.map(({ file, title }) => `${file} ${title}`)).size;
  console.log(`\n${titles} snippets, ${files.length} files of them, ${fixed} of which are fixed; ${((performance.now() - began) / 1000).toFixed(1)} s`);
} catch (error) {
  if (!(error instanceof CorpusError)) throw error;
  mistakes.push(error.message);
}
for (const mistake of mistakes) console.log(mistake);
console.log(mistakes.length === 0 ? 'corpus: as its labels say' : `corpus: ${mistakes.length} mistakes`);
process.exitCode = mistakes.length === 0 ? 0 : 1;
