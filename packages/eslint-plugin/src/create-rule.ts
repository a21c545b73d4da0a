import { ESLintUtils, type TSESLint } from '@typescript-eslint/utils';

/** What the documentation of a rule says about it. */
export interface RuleDocs {
  /** One sentence, without a dot. */
  readonly description: string;
  /** Part of the configuration `recommended`, or only of `strict`. */
  readonly config: 'recommended' | 'strict';
  /** Whether it asks the type checker. */
  readonly typed: boolean;
}

/** Where a rule's page is in the package: there is no site yet. */
export const createRule = ESLintUtils.RuleCreator<RuleDocs>((name) => `node_modules/@pgtable/eslint-plugin/docs/rules/${name}.md`);

export type RuleContext<Messages extends string> = Readonly<TSESLint.RuleContext<Messages, readonly unknown[]>>;
