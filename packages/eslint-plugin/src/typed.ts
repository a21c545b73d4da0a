import type { ParserServicesWithTypeInformation, TSESLint, TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { settingsOf, type Settings } from './settings.js';
import { Provenance, type Origin } from './types/provenance.js';
import { Types, type Handle } from './types/types.js';

/** What every rule that asks for types gets. */
export interface Typed {
  readonly services: ParserServicesWithTypeInformation;
  readonly settings: Settings;
  readonly types: Types;
  readonly provenance: Provenance;
  /** The type of an expression. */
  typeOf(node: TSESTree.Node): ts.Type;
  /** What an expression's type says of handles. */
  handleOf(node: TSESTree.Node): Handle | undefined;
  /** Where an expression's value came from. */
  originOf(node: TSESTree.Node): Origin;
  /** Whether an expression is a live entry's handle: by its type, or, under the alias, because nothing says that it is a value held aside. */
  isLive(node: TSESTree.Node): boolean;
}

const told = new WeakSet<TSESLint.SourceCode>();

/** The message of every rule that needs types, where there are none. */
export const NO_TYPES = {
  noTypes:
    'This rule works by types, and this file was parsed without them: set `parserOptions: { projectService: true }` for it, with the parser of typescript-eslint (see the README of @pgtable/eslint-plugin).',
} as const;

/**
 * The type information of a file.
 *
 * Returns: undefined if the rule has nothing to look for: there are no types, which is reported once a file and not once a rule; the program knows
 * nothing of handles; or the file is an architecture's, where `inArchitecture` is false.
 */
export function typed<Messages extends string>(
  context: Readonly<TSESLint.RuleContext<Messages | 'noTypes', readonly unknown[]>>, { inArchitecture = false }: { readonly inArchitecture?: boolean } = {},
): Typed | undefined {
  const settings = settingsOf(context);
  if (!inArchitecture && settings.isArchitecture(context.filename, context.cwd)) return undefined;
  const services = context.sourceCode.parserServices;
  if (services?.program === undefined || services.program === null) {
    if (!told.has(context.sourceCode)) {
      told.add(context.sourceCode);
      context.report({ loc: { line: 1, column: 0 }, messageId: 'noTypes' });
    }
    return undefined;
  }
  const complete = services as ParserServicesWithTypeInformation;
  const types = Types.of(complete, settings);
  if (!types.relevant) return undefined;
  const provenance = Provenance.of(types);
  const typeOf = (node: TSESTree.Node): ts.Type => types.checker.getTypeAtLocation(complete.esTreeNodeToTSNodeMap.get(node));
  const originOf = (node: TSESTree.Node): Origin => provenance.of(complete.esTreeNodeToTSNodeMap.get(node) as ts.Expression);
  return {
    services: complete,
    settings,
    types,
    provenance,
    typeOf,
    handleOf: (node) => types.handle(typeOf(node)),
    originOf,
    isLive(node) {
      const handle = types.handle(typeOf(node));
      if (handle === undefined) return false;
      return handle.form !== 'alias' || originOf(node) !== 'aside';
    },
  };
}
