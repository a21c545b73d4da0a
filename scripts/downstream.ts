/*
 * npm run downstream: a program that was written as if handles were pointers into tables, its conversion by `eslint --fix`, and what is left for a person. See
 * examples/downstream-emulator/README.md.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';
import plugin from '@pgtable/eslint-plugin';
import { compile, type FamilyName } from '../examples/downstream-emulator/check-strong.js';
import { readSites, ROOT, type Site } from '../examples/downstream-emulator/test/sites.js';

/** Where the fixed program goes: beside the others, so that it finds its packages. */
const FIXED = 'fixed';
const SOURCES = ['--conditions=@pgtable/source', '--import', 'tsx'];

let failures = 0;

function check(title: string, problems: readonly string[]): void {
  console.log(`${problems.length === 0 ? 'ok    ' : 'FAILED'} ${title}`);
  for (const problem of problems.slice(0, 20)) console.log(`         ${problem}`);
  if (problems.length > 20) console.log(`         and ${problems.length - 20} more`);
  if (problems.length > 0) failures++;
}

/** A report of a rule, or a site: what is compared. */
interface Place {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
}

/** Lints a folder of the example with the recommended rules. */
async function lint(folder: string, fix: boolean): Promise<Place[]> {
  const eslint = new ESLint({
    cwd: ROOT,
    fix,
    overrideConfigFile: true,
    overrideConfig: {
      files: ['**/*.ts'],
      ...plugin.configs.recommended,
      languageOptions: {
        parser: tseslint.parser,
        // Where CI is set, the parser takes each file for one that is read once: what a fix has changed would then be read again without its types.
        parserOptions: { project: `${folder}/tsconfig.json`, tsconfigRootDir: ROOT, disallowAutomaticSingleRunInference: true },
      },
    },
  });
  const results = await eslint.lintFiles([`${folder}/**/*.ts`]);
  if (fix) await ESLint.outputFixes(results);
  return results.flatMap(({ filePath, messages }) =>
    messages.map(({ line, ruleId, message }) => ({ file: relative(join(ROOT, folder), filePath), line, rule: ruleId?.replace('pgtable/', '') ?? message })),
  );
}

const exact = ({ file, line, rule }: Place): string => `${file}:${line} ${rule}`;
/** Fixes move lines: then how many of a rule are in a file is what can be compared. */
const coarse = ({ file, rule }: Place): string => `${file} ${rule}`;

function counts(places: readonly Place[], key: (place: Place) => string): Map<string, number> {
  const found = new Map<string, number>();
  for (const place of places) found.set(key(place), (found.get(key(place)) ?? 0) + 1);
  return found;
}

/** What stands in one list and not in the other, in words. */
function differences(expected: readonly Place[], found: readonly Place[], key: (place: Place) => string): string[] {
  const [wanted, had] = [counts(expected, key), counts(found, key)];
  return [...new Set([...wanted.keys(), ...had.keys()])].sort().flatMap((place) => {
    const difference = (had.get(place) ?? 0) - (wanted.get(place) ?? 0);
    return difference === 0 ? [] : [`${place}: ${difference > 0 ? `${difference} reported that is no site` : `${-difference} not reported`}`];
  });
}

function compiles(folder: string, family: FamilyName): void {
  check(`${folder} compiles with ${family === 'alias' ? 'handles that are aliases' : 'strong handles'}`, compile(folder, family));
}

/** What the program prints. */
function output(folder: string): string {
  return execFileSync(process.execPath, [...SOURCES, join(ROOT, folder, 'main.ts')], { encoding: 'utf8', cwd: ROOT });
}

function says(folder: string, expected: string): void {
  const lines = output(folder).split('\n');
  const wanted = expected.split('\n');
  check(`${folder} prints ${wanted.length - 1} lines, as expected`, wanted.flatMap((line, at) => (line === lines[at] ? [] : [`line ${at + 1}: ${JSON.stringify(lines[at])}, not ${JSON.stringify(line)}`])));
}

const of = (sites: readonly Site[], ...classes: readonly Site['class'][]): Site[] => sites.filter((site) => classes.includes(site.class));

async function main(): Promise<void> {
  const sites = readSites().before.map((site) => ({ ...site, file: relative('before', site.file) }));
  const rote = of(sites, 'rote');
  const genuine = of(sites, 'thought', 'stack', 'bug', 'follows');

  compiles('before', 'alias');
  const found = await lint('before', false);
  check(`lint finds every site: ${sites.length} in the manifest, ${found.length} reported`, differences(sites, found, exact));

  rmSync(join(ROOT, FIXED), { recursive: true, force: true });
  cpSync(join(ROOT, 'before'), join(ROOT, FIXED), { recursive: true });
  const left = await lint(FIXED, true);
  check(`eslint --fix converts the rote ones: ${rote.length} of ${sites.length}; ${left.length} are left, and they are the ${genuine.length} genuine ones`, differences(genuine, left, coarse));
  compiles(FIXED, 'alias');
  says(FIXED, output('before'));

  for (const [title, ...classes] of [['need thought', 'thought'], ['are values held aside', 'stack'], ['are bugs', 'bug'], ['follow from one of these', 'follows']] as const) {
    console.log(`         of these, ${String(of(sites, ...classes).length).padStart(3)} ${title}`);
  }

  compiles('after', 'strong');
  check('after is clean', (await lint('after', false)).map(exact));
  const expected = readFileSync(join(ROOT, 'test', 'report.txt'), 'utf8');
  says('after', expected);
  const bugs = execFileSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', 'examples/downstream-emulator', '--reporter=json'], { encoding: 'utf8', cwd: join(ROOT, '../..'), stdio: ['ignore', 'pipe', 'ignore'] });
  const { numPassedTests, numFailedTests } = JSON.parse(bugs) as { numPassedTests: number; numFailedTests: number };
  check(`the tests of both give the same results, and the five bugs are gone: ${numPassedTests} passed`, numFailedTests === 0 ? [] : [`${numFailedTests} failed`]);
  if (existsSync(join(ROOT, FIXED)) && failures === 0) rmSync(join(ROOT, FIXED), { recursive: true });
  else console.log(`what the fixes made of it is left in examples/downstream-emulator/${FIXED}`);
}

await main();
process.exitCode = failures === 0 ? 0 : 1;
