import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';

type Source = Readonly<TSESLint.SourceCode>;

/** A text for the place of a node, with a space before it where the two words would be one: `return!pte`, `return(ptep)+1`. */
export function apart(sourceCode: Source, place: TSESTree.Node, written: string): string {
  const before = sourceCode.text.charAt(place.range[0] - 1);
  return /[\w$]/.test(before) && /^[\w$]/.test(written) ? ` ${written}` : written;
}

/** The text of a node as an argument of a call. */
export function argument(sourceCode: Source, node: TSESTree.Node): string {
  const text = sourceCode.getText(node);
  return node.type === AST_NODE_TYPES.SequenceExpression ? `(${text})` : text;
}
