import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import plugin from '@pgtable/eslint-plugin';
import { ESLint, type Linter } from 'eslint';
import tseslint from 'typescript-eslint';
import { readCorpus } from '../lint-corpus/parse.js';
import { Compiled, COMPILER_OPTIONS } from '../lint-corpus/program.js';
import { seconds, type Case, type Row } from './case.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replaceAll('\\', '/').replace(/\/$/, '');

/** What was linted, and what it took in milliseconds. */
interface Measured {
  readonly files: number;
  readonly lines: number;
  readonly check: number;
  readonly parse: number;
  readonly rules: ReadonlyMap<string, number>;
}

/** What is linted, and how the rules are set for it. */
interface Linted {
  readonly texts: ReadonlyMap<string, string>;
  readonly configs: readonly Linter.Config[];
}

/** The sources of the repository as it lints itself: with the settings and the rules of its own eslint.config.js, but for the rules of others. */
async function repository(): Promise<Linted> {
  const { default: configs } = (await import(pathToFileURL(`${ROOT}/eslint.config.js`).href)) as { readonly default: readonly Linter.Config[] };
  const isOurs = ({ rules = {} }: Linter.Config): boolean => Object.keys(rules).some((name) => name.startsWith('pgtable/'));
  return { texts: sources(), configs: configs.filter(isOurs) };
}

/** But for the example that is wrong on purpose, which the repository's lint leaves to a command of its own. */
function sources(): Map<string, string> {
  const listed = execFileSync('git', ['ls-files', '--', 'packages', 'apps', 'examples', 'scripts'], { cwd: ROOT, encoding: 'utf8' }).split('\n');
  const paths = listed.filter((path) => /(?<!\.d)\.ts$/.test(path) && !/downstream-emulator\/|template\/|tsup\.config|vitest\.config/.test(path)).map((path) => `${ROOT}/${path}`);
  return new Map(paths.filter(existsSync).map((path) => [path, readFileSync(path, 'utf8')]));
}

/** The labelled snippets under all rules, each in a file of its own that is nowhere on the disk. */
function corpus(): Linted {
  const folder = `${ROOT}/packages/eslint-plugin`;
  const texts = new Map(readCorpus(`${folder}/corpus`).map(({ lines, mode, extension }, at) => [`${folder}/.corpus/${mode}/${at}.${extension}`, lines.map(({ text }) => `${text}\n`).join('')]));
  return { texts, configs: [{ ...plugin.configs.strict, files: TYPESCRIPT }] };
}

const TYPESCRIPT = ['**/*.{ts,mts,cts,tsx}'];

/** Frees what was measured before: half a second to mark what is left of one program would fall on whichever rule of the next one runs then. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** Compiles, checks all types as the compiler would, and then lints, so that no rule pays for types that any user of types would have paid for. */
async function measure({ texts, configs }: Linted): Promise<Measured> {
  collectGarbage();
  const start = performance.now();
  const compiled = new Compiled(texts, COMPILER_OPTIONS, ROOT);
  for (const path of texts.keys()) compiled.errors(path);
  const check = performance.now() - start;
  const eslint = new ESLint({
    cwd: ROOT,
    stats: true,
    overrideConfigFile: true,
    overrideConfig: [{ files: TYPESCRIPT, languageOptions: { parser: tseslint.parser, parserOptions: { programs: [compiled.program] } } }, ...configs],
  });
  const rules = new Map<string, number>(Object.keys(plugin.rules).map((name) => [name, 0]));
  let parse = 0;
  let lines = 0;
  for (const [filePath, text] of texts) {
    lines += text.split('\n').length - 1;
    const [result] = await eslint.lintText(text, { filePath });
    for (const pass of result?.stats?.times.passes ?? []) {
      parse += pass.parse?.total ?? 0;
      for (const [id, { total }] of Object.entries(pass.rules ?? {})) {
        const name = id.replace('pgtable/', '');
        rules.set(name, (rules.get(name) ?? 0) + total);
      }
    }
  }
  return { files: texts.size, lines, check, parse, rules };
}

/** How often each is linted. */
const RUNS = 3;

/** Each of the times where it was shorter. */
function bestOf(one: Measured, other: Measured): Measured {
  const rules = new Map([...one.rules].map(([name, time]) => [name, Math.min(time, other.rules.get(name) ?? time)]));
  return { ...one, check: Math.min(one.check, other.check), parse: Math.min(one.parse, other.parse), rules };
}

export const lint: Case = {
  name: 'lint',
  title: 'Lint',
  about:
    'The rules of `@pgtable/eslint-plugin`: how long each takes beside parsing and type-checking the same files, the best of three runs in one process. This repository is linted as it lints itself, with its own settings; the corpus by all rules. Types are checked first, whole, so that what is left is the rules.',
  async run() {
    const [ours, snippets] = [await repository(), corpus()];
    let [repositoryTimes, corpusTimes] = [await measure(ours), await measure(snippets)];
    for (let time = 1; time < RUNS; time++) {
      repositoryTimes = bestOf(repositoryTimes, await measure(ours));
      corpusTimes = bestOf(corpusTimes, await measure(snippets));
    }
    const both: readonly (readonly [string, Measured])[] = [['this repository', repositoryTimes], ['the corpus', corpusTimes]];
    const row = (what: string, value: (measured: Measured) => string): Row => ({ what, values: Object.fromEntries(both.map(([name, measured]) => [name, value(measured)])) });
    const base = ({ check, parse }: Measured): number => check + parse;
    const all = ({ rules }: Measured): number => [...rules.values()].reduce((sum, time) => sum + time, 0);
    const share = (part: number, whole: number): string => `${((part / whole) * 100).toFixed(1)} %`;
    return [
      row('files, lines', ({ files, lines }) => `${files}, ${lines}`),
      row('compile and check types', ({ check }) => seconds(check)),
      row("parse (ESLint's tree)", ({ parse }) => seconds(parse)),
      ...[...repositoryTimes.rules.keys()].map((name) => row(`\`${name}\``, (measured) => `${(measured.rules.get(name) ?? 0).toFixed(0)} ms, ${share(measured.rules.get(name) ?? 0, base(measured))}`)),
      row('all rules', (measured) => `${seconds(all(measured))}, ${share(all(measured), base(measured))}`),
    ];
  },
};
