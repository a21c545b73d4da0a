import type { TSESLint } from '@typescript-eslint/utils';
import type { Typed } from './typed.js';

/** The file that is looked at, and whom to ask about what stands in it. */
export interface Subject {
  readonly sourceCode: Readonly<TSESLint.SourceCode>;
  readonly types: Typed;
}
