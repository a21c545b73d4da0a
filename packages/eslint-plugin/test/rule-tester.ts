import { fileURLToPath } from 'node:url';
import { RuleTester } from '@typescript-eslint/rule-tester';
import tseslint from '@typescript-eslint/parser';
import { afterAll, describe, it } from 'vitest';

RuleTester.afterAll = afterAll;
RuleTester.describe = describe;
RuleTester.it = it;

/** Where the code of the tests seems to be: file.ts, file.mts, file.cts and file.tsx of that folder's project. */
export const FIXTURES = fileURLToPath(new URL('fixtures', import.meta.url));

/** A tester for rules that ask for types. */
export function typedTester(settings: Readonly<Record<string, unknown>> = {}): RuleTester {
  return new RuleTester({
    languageOptions: { parser: tseslint, parserOptions: { projectService: true, tsconfigRootDir: FIXTURES } },
    settings: { pgtable: settings },
  });
}

/** The same code with each family of handles, so that it is tried with both: `Handles` is the family. */
export const ALIAS = `import type { AliasHandles as Handles } from '@pgtable/core';\n`;
export const STRONG = `import type { StrongHandles as Handles } from '@pgtable/core';\n`;
