import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import { children } from '../ast.js';

/** What comes of evaluating an expression, beside its value. */
const Effect = {
  None: 0,
  /** What is called may do anything, but hardly to a variable of the function around. */
  Calls: 1,
  Writes: 2,
} as const;

const EFFECTS: ReadonlyMap<AST_NODE_TYPES, number> = new Map([
  [AST_NODE_TYPES.CallExpression, Effect.Calls], [AST_NODE_TYPES.NewExpression, Effect.Calls], [AST_NODE_TYPES.TaggedTemplateExpression, Effect.Calls], [AST_NODE_TYPES.ImportExpression, Effect.Calls],
  [AST_NODE_TYPES.AssignmentExpression, Effect.Writes], [AST_NODE_TYPES.UpdateExpression, Effect.Writes], [AST_NODE_TYPES.AwaitExpression, Effect.Writes], [AST_NODE_TYPES.YieldExpression, Effect.Writes],
]);

type Keys = Readonly<Record<string, readonly string[] | undefined>>;

/**
 * Whether it is the same which of two expressions is evaluated first. An accessor takes its arguments in an order of its own, and `stack.pop() - stack.pop()` is
 * not what it was with its sides exchanged.
 *
 * @param keys of the file's parser: {@link children}
 */
export function mayBeExchanged(a: TSESTree.Expression, b: TSESTree.Expression, keys: Keys): boolean {
  const [ofA, ofB] = [effectOf(a, keys), effectOf(b, keys)];
  if (ofA === Effect.None && ofB === Effect.None) return true;
  return isFixed(a) || isFixed(b) || (a.type === AST_NODE_TYPES.Identifier && ofB === Effect.Calls) || (b.type === AST_NODE_TYPES.Identifier && ofA === Effect.Calls);
}

/** Whether something is done while an expression is evaluated. @param keys as of {@link mayBeExchanged} */
export function hasEffects(node: TSESTree.Expression, keys: Keys): boolean {
  return effectOf(node, keys) !== Effect.None;
}

function isFixed({ type }: TSESTree.Expression): boolean {
  return type === AST_NODE_TYPES.Literal;
}

function effectOf(node: TSESTree.Node, keys: Keys): number {
  const own = EFFECTS.get(node.type) ?? Effect.None;
  if (own === Effect.Writes) return own;
  return children(node, keys).reduce<number>((worst, child) => Math.max(worst, effectOf(child, keys)), own);
}
