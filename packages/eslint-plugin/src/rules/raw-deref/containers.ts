import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import type { Held } from './handle-types.js';
import { Questions } from './questions.js';

/** Expressions whose values are no lists of anything. */
export const HOLDS_NOTHING: ReadonlySet<AST_NODE_TYPES> = new Set([
  AST_NODE_TYPES.Literal, AST_NODE_TYPES.TemplateLiteral, AST_NODE_TYPES.UnaryExpression, AST_NODE_TYPES.BinaryExpression, AST_NODE_TYPES.UpdateExpression, AST_NODE_TYPES.ArrowFunctionExpression,
  AST_NODE_TYPES.FunctionExpression, AST_NODE_TYPES.ObjectExpression, AST_NODE_TYPES.ClassExpression,
]);

/** What lists, maps, sets and promises hold. */
export class Containers extends Questions {
  /** The handles that a list, a set, a promise of live handles holds, or what it holds does, as their type. */
  liveWithin(expression: TSESTree.Expression): ts.Type | undefined {
    return this.liveParts(expression)[0]?.type;
  }

  /** Whether an expression may hold handles, as far as that can be told without its type. */
  mayHoldHandles(expression: TSESTree.Expression): boolean {
    return mayHold(expression) && this.typed.mayBe(expression, this.handles.held);
  }

  liveParts(expression: TSESTree.Expression): readonly Held[] {
    if (!mayHold(expression) || !this.typed.is(expression, this.handles.held)) return [];
    return this.handles.heldBy(this.typed.typeOf(expression)).filter(({ path, type }) => {
      const handle = this.typed.types.handle(type);
      return handle !== undefined && (handle.form !== 'alias' || this.typed.provenance.ofWay(this.ts(expression), path) !== 'aside');
    });
  }

  /** Where in a tuple the first handle stands; 0 for other lists. */
  firstHandleIn(expression: TSESTree.Expression): number {
    const type = this.typed.typeOf(expression);
    const parts = this.checker.isTupleType(type) ? this.checker.getTypeArguments(type as ts.TypeReference) : [];
    return Math.max(0, parts.findIndex((one) => this.typed.types.handle(one) !== undefined));
  }
}

/** Whether an expression may be a list of something, as far as can be seen. */
function mayHold(expression: TSESTree.Expression): boolean {
  if (expression.type === AST_NODE_TYPES.ConditionalExpression) return mayHold(expression.consequent) || mayHold(expression.alternate);
  return !HOLDS_NOTHING.has(expression.type);
}
