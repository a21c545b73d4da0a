import tseslint from '@typescript-eslint/parser';
import { Linter } from 'eslint';
import { describe, expect, it } from 'vitest';
import plugin from '../src/index.js';

/** Lints without types. Returns the rule's reports as `line: message id`; ESLint says of its own where a comment names a rule that there is none of. */
function reports(code: string, prefix = 'pgtable'): string[] {
  const messages = new Linter().verify(code, [
    { files: ['**/*.ts'], languageOptions: { parser: tseslint }, plugins: { [prefix]: plugin }, rules: { [`${prefix}/require-reason`]: 'error' }, linterOptions: { reportUnusedDisableDirectives: 'off' } },
  ], 'file.ts');
  return messages.filter(({ ruleId }) => ruleId === `${prefix}/require-reason`).map(({ line, messageId }) => `${line}: ${messageId ?? ''}`);
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

  it('knows the rules by the prefix that the configuration gives the plugin', () => {
    expect(reports('// eslint-disable-next-line tables/no-raw-deref\nf();', 'tables')).toHaveLength(1);
    expect(reports('// eslint-disable-next-line other/no-raw-deref\nf();', 'tables')).toHaveLength(0);
  });
});
