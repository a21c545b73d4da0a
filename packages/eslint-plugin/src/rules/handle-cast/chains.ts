import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';

export type Cast = TSESTree.TSAsExpression | TSESTree.TSTypeAssertion;

export function isCast(node: TSESTree.Node | undefined): node is Cast {
  return node?.type === AST_NODE_TYPES.TSAsExpression || node?.type === AST_NODE_TYPES.TSTypeAssertion;
}

/** What a chain of casts begins with, and the casts, innermost first. `!` and `satisfies` in between change nothing. */
export function chainOf(node: Cast): { readonly inner: TSESTree.Expression; readonly steps: readonly Cast[] } {
  const steps: Cast[] = [];
  let inner: TSESTree.Expression = node;
  while (isCast(inner) || inner.type === AST_NODE_TYPES.TSSatisfiesExpression || (inner.type === AST_NODE_TYPES.TSNonNullExpression && isLink(inner.expression))) {
    if (isCast(inner)) steps.unshift(inner);
    inner = inner.expression;
  }
  return { inner, steps };
}

/** The casts around an expression that are of one chain with it, innermost first. */
export function chainAround(node: TSESTree.Expression): Cast[] {
  const around: Cast[] = [];
  for (let at = node.parent; isCast(at) || at.type === AST_NODE_TYPES.TSSatisfiesExpression || at.type === AST_NODE_TYPES.TSNonNullExpression; at = at.parent) if (isCast(at)) around.push(at);
  return around;
}

function isLink(node: TSESTree.Expression): boolean {
  return isCast(node) || node.type === AST_NODE_TYPES.TSSatisfiesExpression || (node.type === AST_NODE_TYPES.TSNonNullExpression && isLink(node.expression));
}
