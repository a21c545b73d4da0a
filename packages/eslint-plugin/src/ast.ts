import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';

/** An expression without what only the compiler sees: casts, `!`, `satisfies`. */
export function bare(node: TSESTree.Expression | TSESTree.PrivateIdentifier): TSESTree.Expression | TSESTree.PrivateIdentifier {
  let at = node;
  while (
    at.type === AST_NODE_TYPES.TSAsExpression || at.type === AST_NODE_TYPES.TSTypeAssertion || at.type === AST_NODE_TYPES.TSNonNullExpression ||
    at.type === AST_NODE_TYPES.TSSatisfiesExpression || at.type === AST_NODE_TYPES.ChainExpression
  ) {
    at = at.expression;
  }
  return at;
}

/** The outermost node that is the same expression to the compiler's eyes alone: `x!`, `(x)`. Casts count as another. */
export function withNonNull(node: TSESTree.Node): TSESTree.Node {
  let at = node;
  while (at.parent?.type === AST_NODE_TYPES.TSNonNullExpression || at.parent?.type === AST_NODE_TYPES.ChainExpression) at = at.parent;
  return at;
}

const ARITHMETIC: ReadonlySet<string> = new Set(['+', '-', '*', '/', '%', '**', '<<', '>>', '>>>', '&', '|', '^']);

/** Whether an operator of a BinaryExpression makes a number of numbers. */
export function isArithmetic(operator: string): boolean {
  return ARITHMETIC.has(operator);
}

const ORDER: ReadonlySet<string> = new Set(['<', '>', '<=', '>=']);

/** Whether an operator asks which of two comes first. */
export function isOrder(operator: string): boolean {
  return ORDER.has(operator);
}

/** Whether an operator asks whether two are the same. */
export function isEquality(operator: string): boolean {
  return operator === '===' || operator === '!==' || operator === '==' || operator === '!=';
}

/** The nodes around a node, from the innermost on. The program's own parent is null in ESLint, whatever its type says. */
export function* ancestors(node: TSESTree.Node): Generator<TSESTree.Node, undefined> {
  for (let at = node.parent; at; at = at.parent) yield at;
}

/**
 * The nodes directly inside of a node, in the order in which they stand.
 *
 * @param keys of the file's parser (`sourceCode.visitorKeys`): only it knows which properties of a node are nodes, so no type does
 */
export function children(node: TSESTree.Node, keys: Readonly<Record<string, readonly string[] | undefined>>): TSESTree.Node[] {
  const properties = node as unknown as Readonly<Record<string, TSESTree.Node | readonly (TSESTree.Node | null)[] | null | undefined>>;
  const found: TSESTree.Node[] = [];
  for (const key of keys[node.type] ?? []) {
    const property = properties[key];
    if (property === null || property === undefined) continue;
    if ('type' in property) found.push(property);
    else for (const child of property) if (child !== null) found.push(child);
  }
  return found;
}

/** Whether an expression is a number, a text, a boolean or the like, whatever its parts are: no handle, and nothing that holds one. */
export function isPrimitive({ type }: TSESTree.Node): boolean {
  return PRIMITIVES.has(type);
}

const PRIMITIVES: ReadonlySet<AST_NODE_TYPES> = new Set([
  AST_NODE_TYPES.Literal, AST_NODE_TYPES.TemplateLiteral, AST_NODE_TYPES.UnaryExpression, AST_NODE_TYPES.BinaryExpression, AST_NODE_TYPES.UpdateExpression,
]);

export type FunctionNode = TSESTree.FunctionDeclaration | TSESTree.FunctionExpression | TSESTree.ArrowFunctionExpression;

/** Whether a node is a function that has a body, or is what an arrow leads to. */
export function isFunction(node: TSESTree.Node): node is FunctionNode {
  return node.type === AST_NODE_TYPES.FunctionDeclaration || node.type === AST_NODE_TYPES.FunctionExpression || node.type === AST_NODE_TYPES.ArrowFunctionExpression;
}

/** Whether a written type is the `const` of `as const`. */
export function isConst(type: TSESTree.TypeNode): boolean {
  return type.type === AST_NODE_TYPES.TSTypeReference && type.typeName.type === AST_NODE_TYPES.Identifier && type.typeName.name === 'const';
}

/** Whether a parameter says what it takes; one that does not takes what it is given. */
export function saysType(parameter: TSESTree.Parameter): boolean {
  return parameter.type === AST_NODE_TYPES.TSParameterProperty || parameter.type === AST_NODE_TYPES.AssignmentPattern || parameter.typeAnnotation !== undefined;
}
