import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import tseslint from '@typescript-eslint/parser';
import { ESLint, type Linter } from 'eslint';
import { ESLint as ESLint9 } from 'eslint9';
import { describe, expect, it } from 'vitest';
import plugin from '../src/index.js';
import { ALIAS, FIXTURES, STRONG } from './rule-tester.js';

/*
 * Where the rules run: ESLint 9 and 10, each kind of TypeScript file, with the project service and with a program, and where there are no types.
 */
const CODE = `import { TableMemory, type Arch } from '@pgtable/core';
import { entryIndex } from '@pgtable/core/arch';
declare const tables: TableMemory;
declare const arch: Arch<Handles>;
declare const ptep: Handles['pte'];
export const value = tables.elements[ptep];
export const read = arch.ops.pte.get(ptep);
export const number = Number(ptep);
export const index = entryIndex;
// eslint-disable-next-line pgtable/no-handle-cast
export const text = \`\${ptep}\`;
`;
const REPORTS = ['pgtable/no-privileged-import 3', 'pgtable/no-raw-deref 7', 'pgtable/no-raw-deref 9', 'pgtable/require-reason 11', 'pgtable/no-raw-deref 12'];

const EXTENSIONS = ['ts', 'mts', 'cts', 'tsx'] as const;
// Of the two versions the types differ, but not in what is used here.
const ENGINES = [['ESLint 10', ESLint], ['ESLint 9', ESLint9 as unknown as typeof ESLint]] as const;

interface Setup {
  readonly file: string;
  readonly parserOptions?: Linter.ParserOptions;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly withoutParser?: boolean;
}

async function lint(engine: typeof ESLint, code: string, { file, parserOptions, settings, withoutParser = false }: Setup): Promise<Linter.LintMessage[]> {
  const eslint = new engine({
    cwd: FIXTURES,
    overrideConfigFile: true,
    overrideConfig: [
      {
        ...(plugin.configs.strict),
        files: ['**/*.{ts,mts,cts,tsx,js}'],
        languageOptions: withoutParser ? {} : { parser: tseslint, ...(parserOptions === undefined ? {} : { parserOptions: { ...parserOptions, tsconfigRootDir: FIXTURES } }) },
        ...(settings === undefined ? {} : { settings: { pgtable: settings } }),
        linterOptions: { reportUnusedDisableDirectives: 'off' },
      },
    ],
  });
  const [result] = await eslint.lintText(code, { filePath: join(FIXTURES, file) });
  return result!.messages;
}

function short(messages: readonly Linter.LintMessage[]): string[] {
  return messages.map(({ ruleId, line, message }) => (ruleId === null ? message : `${ruleId} ${line}`)).sort((a, b) => lineOf(a) - lineOf(b));
}

function lineOf(text: string): number {
  return Number(/\d+$/.exec(text)?.[0] ?? 0);
}

describe.each(ENGINES)('%s', (_, engine) => {
  it.each(EXTENSIONS.flatMap((extension) => [[extension, 'alias', ALIAS], [extension, 'strong', STRONG]] as const))('lints .%s with the project service, %s', async (extension, _mode, family) => {
    expect(short(await lint(engine, family + CODE, { file: `file.${extension}`, parserOptions: { projectService: true } }))).toEqual(REPORTS);
  });

  it('lints with a program', async () => {
    // Where CI is set, the parser would keep the types of the file as it is on the disk.
    const parserOptions = { project: './tsconfig.json', disallowAutomaticSingleRunInference: true };
    expect(short(await lint(engine, ALIAS + CODE, { file: 'file.ts', parserOptions }))).toEqual(REPORTS);
  });

  it('says once what is missing where there are no types, and does what it can', async () => {
    const messages = await lint(engine, ALIAS + CODE, { file: 'file.ts' });
    expect(messages.filter(({ messageId }) => messageId === 'noTypes')).toHaveLength(1);
    expect(messages.find(({ messageId }) => messageId === 'noTypes')?.message).toContain('projectService: true');
    expect(short(messages.filter(({ messageId }) => messageId !== 'noTypes'))).toEqual(REPORTS.filter((report) => !report.includes('deref')));
  });

  it('says so too in JavaScript with the parser of ESLint', async () => {
    const messages = await lint(engine, `import { entryIndex } from '@pgtable/core/arch';\nentryIndex();\n`, { file: 'file.js', withoutParser: true });
    expect(messages.map(({ messageId }) => messageId).sort()).toEqual(['module', 'noTypes']);
  });

  it.each([
    [{ architectures: [] }, /settings\.pgtable has "architectures", and knows only architecture, accessors, handleTypes/],
    [{ architecture: 'src/**' }, /settings\.pgtable\.architecture is "src\/\*\*": it must be a list of strings/],
    [{ architecture: ['!src/arch/**'] }, /settings\.pgtable\.architecture is \["!src\/arch\/\*\*"\]: it only says where no architecture is/],
    [{ accessors: { read: ['get'] } }, /settings\.pgtable\.accessors has "read"/],
    [{ accessors: { get: [1] } }, /settings\.pgtable\.accessors\.get is \[1\]/],
    [{ handleTypes: [{ name: 'Ptep', level: 'page' }] }, /settings\.pgtable\.handleTypes has/],
    [{ handleTypes: {} }, /settings\.pgtable\.handleTypes has/],
  ])('refuses settings that are wrong: %j', async (settings, message) => {
    await expect(lint(engine, CODE, { file: 'file.ts', settings })).rejects.toThrow(message);
  });
});

it('is the version that the package says', () => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as { version: string };
  expect(plugin.meta).toEqual({ name: '@pgtable/eslint-plugin', version, namespace: 'pgtable' });
});
