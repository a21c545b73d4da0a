import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import type { Typed } from '../../typed.js';
import { type Path, stepInto } from '../../types/provenance/path.js';
import type { TypeTest } from '../../types/types.js';
import { Questions } from './questions.js';

/** A part of what a container holds, and the way to it. */
export interface Held {
  readonly path: Path;
  readonly type: ts.Type;
}

/** How deep a container in a container is looked into: pairs in a list are. */
export const MAX_DEPTH = 2;

/** Expressions whose values are no lists of anything. */
export const HOLDS_NOTHING: ReadonlySet<AST_NODE_TYPES> = new Set([
  AST_NODE_TYPES.Literal, AST_NODE_TYPES.TemplateLiteral, AST_NODE_TYPES.UnaryExpression, AST_NODE_TYPES.BinaryExpression, AST_NODE_TYPES.UpdateExpression, AST_NODE_TYPES.ArrowFunctionExpression,
  AST_NODE_TYPES.FunctionExpression, AST_NODE_TYPES.ObjectExpression, AST_NODE_TYPES.ClassExpression,
]);

/** What lists, maps, sets and promises hold. */
export class Containers extends Questions {
  private readonly holdsHandles: TypeTest;

  constructor(typed: Typed) {
    super(typed);
    this.holdsHandles = typed.types.test('holds handles', (type) => this.held(type).some((part) => typed.types.handle(part.type) !== undefined));
  }

  /** The handles that a list, a set, a promise of live handles holds, or what it holds does, as their type. */
  liveWithin(expression: TSESTree.Expression): ts.Type | undefined {
    return this.liveParts(expression)[0]?.type;
  }

  /** Whether an expression may hold handles, as far as that can be told without its type. */
  mayHoldHandles(expression: TSESTree.Expression): boolean {
    return mayHold(expression) && this.typed.mayBe(expression, this.holdsHandles);
  }

  liveParts(expression: TSESTree.Expression): readonly Held[] {
    if (!mayHold(expression) || !this.typed.is(expression, this.holdsHandles)) return [];
    return this.held(this.typed.typeOf(expression)).filter(({ path, type }) => {
      const handle = this.typed.types.handle(type);
      return handle !== undefined && (handle.form !== 'alias' || this.typed.provenance.ofWay(this.ts(expression), path) !== 'aside');
    });
  }

  /** What a container holds, and what that holds if it is one. */
  held(type: ts.Type, around: Path = []): readonly Held[] {
    if (type.isUnion()) return type.types.flatMap((member) => this.held(member, around));
    const container = this.typed.types.container(type);
    if (container === undefined) return [];
    const { name, isTuple } = container;
    return container.parts.slice(0, isTuple ? undefined : 2).flatMap((part, at) => {
      const path = [...around, isTuple ? String(at) : stepInto(name, at)];
      return path.length < MAX_DEPTH ? [{ path, type: part }, ...this.held(part, path)] : [{ path, type: part }];
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
