import tseslint from '@typescript-eslint/parser';
import { Linter } from 'eslint';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import plugin from '../src/index.js';

/** Lints without types. Returns the rule's reports as `line: message id`; ESLint says of its own where a comment names a rule that there is none of. */
function reports(code: string, prefix = 'pgtable'): string[] {
  const messages = new Linter().verify(code, [
    { files: ['**/*.ts'], languageOptions: { parser: tseslint }, plugins: { [prefix]: plugin }, rules: { [`${prefix}/require-reason`]: 'error' }, linterOptions: { reportUnusedDisableDirectives: 'off' } },
  ], 'file.ts');
  return messages.filter(({ ruleId }) => ruleId === `${prefix}/require-reason`).map(({ line, messageId }) => `${line}: ${messageId ?? ''}`);
}

/** How often the rule reports in a file of a program in which another file has to do with page tables. */
function typedReports(code: string): number {
  const texts = new Map([
    ['/src/core.d.ts', 'declare module "@pgtable/core" { export type Level = "pte" }'],
    ['/src/entries.ts', 'import type { Level } from "@pgtable/core";\nexport declare const level: Level;\n'],
    ['/src/file.ts', code],
  ]);
  const host: ts.CompilerHost = {
    ...ts.createCompilerHost({}),
    getSourceFile: (name, version) => (texts.has(name) ? ts.createSourceFile(name, texts.get(name)!, version, true) : undefined),
    fileExists: (name) => texts.has(name),
    directoryExists: () => true,
    readFile: (name) => texts.get(name),
  };
  const program = ts.createProgram([...texts.keys()], { noLib: true, module: ts.ModuleKind.NodeNext }, host);
  const config: Linter.Config = { files: ['**/*.ts'], languageOptions: { parser: tseslint, parserOptions: { programs: [program] } }, plugins: { pgtable: plugin }, rules: { 'pgtable/require-reason': 'error' } };
  return new Linter({ cwd: '/src' }).verify(code, [config], '/src/file.ts').filter(({ ruleId }) => ruleId === 'pgtable/require-reason').length;
}

describe('require-reason', () => {
  it.each([
    `// eslint-disable-next-line pgtable/no-raw-deref -- the emulator prints indices\nf();`,
    `/* eslint-disable pgtable/no-raw-deref, no-console -- shows what is wrong */\nf();`,
    `// eslint-disable-next-line no-console\nf();`,
    `// eslint-disable pgtable/no-raw-deref\nf();`,
    `const text = '/* eslint-disable */';`,
  ])('lets pass: %s', (code) => {
    expect(reports(code)).toEqual([]);
  });

  it.each([
    [`// eslint-disable-next-line pgtable/no-raw-deref\nf();`, '1: one'],
    [`f();\nf(); /* eslint-disable-line pgtable/no-raw-deref -- legacy code */`, '2: one'],
    [`/* eslint-disable */\nf();`, '1: all'],
    [`/* eslint pgtable/no-raw-deref: "off" */\nf();`, '1: one'],
  ])('reports: %s', (code, expected) => {
    expect(reports(code)).toEqual([expected]);
  });

  it.each(['/* eslint-disable */', '/* eslint-disable pgtable/require-reason */', 'f(); // eslint-disable-line', 'f(); // eslint-disable-line pgtable/require-reason'])(
    'is not hidden by the comment that it reports: %s', (code) => {
      expect(reports(code)).toHaveLength(1);
    },
  );

  it.each([
    ['import type { Level } from "@pgtable/core";', 1],
    ['export * from "./entries.js";', 1],
    ['export const name = "";', 0],
  ])('leaves a comment that turns off all rules alone where types tell that there is nothing to turn off: %s', (code, expected) => {
    expect(typedReports(`/* eslint-disable */\n${code}`)).toBe(expected);
  });

  it('knows the rules by the prefix that the configuration gives the plugin', () => {
    expect(reports('// eslint-disable-next-line tables/no-raw-deref\nf();', 'tables')).toHaveLength(1);
    expect(reports('// eslint-disable-next-line other/no-raw-deref\nf();', 'tables')).toHaveLength(0);
  });
});
