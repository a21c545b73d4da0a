import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tseslint from '@typescript-eslint/parser';
import { RuleTester } from '@typescript-eslint/rule-tester';
import { ESLint } from 'eslint';
import { describe, expect, it } from 'vitest';
import plugin from '../src/index.js';
import { noPrivilegedImport } from '../src/rules/no-privileged-import.js';
import { FIXTURES } from './rule-tester.js';

new RuleTester({ languageOptions: { parser: tseslint } }).run('no-privileged-import, without types', noPrivilegedImport, {
  valid: [
    `import { ptepGet } from '@pgtable/core';`,
    `export * from '@pgtable/core';`,
    `import '@pgtable/core-arch';`,
    `const name = '@pgtable/core/arch';`,
    `declare const path: string; void import(path);`,
    { code: `import { handleAt } from '@pgtable/core/arch';`, filename: 'arch/index.ts', settings: { pgtable: { architecture: ['arch/**'] } } },
    { code: `import { handleAt } from '@pgtable/core/arch';`, filename: 'arch/x86/index.ts', settings: { pgtable: { architecture: ['arch/**', '!**/*.test.ts'] } } },
    { code: `import { handleAt } from '@pgtable/core/arch';`, filename: 'arch/index.ts', settings: { pgtable: { architecture: ['!(test)/**'] } } },
  ],
  invalid: [
    { code: `import { handleAt } from '@pgtable/core/arch';`, errors: [{ messageId: 'module', line: 1 }] },
    { code: `export { handleAt } from '@pgtable/core/arch';`, errors: [{ messageId: 'module' }] },
    { code: `export * from '@pgtable/core/arch';`, errors: [{ messageId: 'module' }] },
    { code: `const a = await import('@pgtable/core/arch');`, errors: [{ messageId: 'module' }] },
    { code: `const a = require('@pgtable/core/arch');`, errors: [{ messageId: 'module' }] },
    { code: `type A = import('@pgtable/core/arch').EntryFormat;`, errors: [{ messageId: 'module' }] },
    { code: `import a = require('@pgtable/core/arch');`, errors: [{ messageId: 'module' }] },
    { code: `import { handleAt } from '@pgtable/core/arch';`, filename: 'src/index.ts', settings: { pgtable: { architecture: ['arch/**'] } }, errors: [{ messageId: 'module' }] },
    { code: `import { handleAt } from '@pgtable/core/arch';`, filename: 'arch/x86/index.test.ts', settings: { pgtable: { architecture: ['arch/**', '!**/*.test.ts'] } }, errors: [{ messageId: 'module' }] },
    // A glob that takes files out brings none in.
    { code: `import { handleAt } from '@pgtable/core/arch';`, filename: 'src/index.ts', settings: { pgtable: { architecture: ['arch/**', '!**/*.test.ts'] } }, errors: [{ messageId: 'module' }] },
    { code: `import { handleAt } from '@pgtable/core/arch';`, filename: 'test/index.ts', settings: { pgtable: { architecture: ['!(test)/**'] } }, errors: [{ messageId: 'module' }] },
  ],
});

describe('no-privileged-import, with types', () => {
  /** Lints a file of a project that has others. Returns its reports as `line: message id`. */
  async function reports(files: Readonly<Record<string, string>>): Promise<string[]> {
    const folder = mkdtempSync(join(FIXTURES, 'tmp-'));
    try {
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: '../tsconfig.json', compilerOptions: { paths: { '#arch': ['../../../../core/src/arch.ts'] } }, include: ['*.ts'] }));
      const eslint = new ESLint({
        cwd: folder,
        overrideConfigFile: true,
        overrideConfig: [
          {
            files: ['**/*.ts'],
            plugins: { pgtable: plugin },
            rules: { 'pgtable/no-privileged-import': 'error' },
            languageOptions: { parser: tseslint, parserOptions: { project: join(folder, 'tsconfig.json') } },
            settings: { pgtable: { architecture: ['barrel.ts'] } },
          },
        ],
      });
      const results = await eslint.lintFiles(['user.ts']);
      return results.flatMap(({ messages }) => messages.map(({ line, messageId, message }) => `${line}: ${messageId ?? message}`));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  const BARREL = `export { handleAt, entryIndex as index, type EntryFormat } from '@pgtable/core/arch';\nexport { ptepGet } from '@pgtable/core';\nexport const mine = 1;\nexport * as hw from '@pgtable/core/arch';\n`;

  it.each([
    [`import { handleAt, mine, ptepGet } from './barrel.js';`, ['1: name']],
    [`import { index as number } from './barrel.js';`, ['1: name']],
    [`import type { EntryFormat } from './barrel.js';`, ['1: name']],
    [`import { mine, ptepGet } from './barrel.js';`, []],
    [`import * as all from './barrel.js';\nexport const a = all.mine;\nexport const b = all.handleAt;\nexport type C = all.EntryFormat;`, ['3: name', '4: name']],
    [`export * from './barrel.js';`, ['1: name']],
    [`export { mine } from './barrel.js';\nexport { index } from './barrel.js';`, ['2: name']],
    [`const { handleAt, mine } = await import('./barrel.js');`, ['1: name']],
    [`export type A = import('./barrel.js').EntryFormat;`, ['1: name']],
    [`import { hw } from './barrel.js';`, ['1: name']],
    [`void import('./barrel.js').then(({ handleAt, mine }) => [handleAt, mine]);\nvoid import('./barrel.js').then((all) => all.index);\nvoid import('./barrel.js').then((all) => all.mine);`, ['1: name', '2: name']],
    [`import { handleAt } from '#arch';`, ['1: module']],
  ])('sees what a module of the project passes on: %s', async (code, expected) => {
    expect(await reports({ 'barrel.ts': BARREL, 'user.ts': `${code}\n` })).toEqual(expected);
  });

  it('sees it through two modules', async () => {
    expect(await reports({ 'barrel.ts': BARREL, 'second.ts': `export * from './barrel.js';\n`, 'user.ts': `import { handleAt } from './second.js';\n` })).toEqual(['1: name']);
  });
});
