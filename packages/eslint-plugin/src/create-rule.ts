import type { TSESLint } from '@typescript-eslint/utils';

/** What the documentation of a rule says about it. */
export interface RuleDocs {
  /** One sentence, without a dot. */
  readonly description: string;
  /** Part of the configuration `recommended`, or only of `strict`. */
  readonly config: 'recommended' | 'strict';
  /** Whether it asks the type checker. */
  readonly typed: boolean;
}

/** A rule without options, as all of this plugin are. */
export interface RuleModule<Messages extends string> {
  readonly name: string;
  readonly meta: TSESLint.RuleMetaData<Messages, RuleDocs, readonly []>;
  create(context: RuleContext<Messages>): TSESLint.RuleListener;
}

export type RuleContext<Messages extends string> = Readonly<TSESLint.RuleContext<Messages, readonly []>>;

/**
 * A rule, and where its page is in the package: there is no site yet.
 *
 * Not the RuleCreator of typescript-eslint, which makes a deep copy of the options of each rule for each file, of those that have none too: a few percent of what all rules took.
 */
export function createRule<Messages extends string>(rule: Omit<RuleModule<Messages>, 'meta'> & { readonly meta: Omit<RuleModule<Messages>['meta'], 'defaultOptions' | 'schema'> }): RuleModule<Messages> {
  return { ...rule, meta: { ...rule.meta, schema: [], defaultOptions: [], docs: { ...rule.meta.docs!, url: `node_modules/@pgtable/eslint-plugin/docs/rules/${rule.name}.md` } } };
}
