import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import type { Typed } from '../../typed.js';
import { propertyName } from './ends.js';

/** What the places of a file expect of functions. */
export class Expected {
  private readonly checker: ts.TypeChecker;
  private readonly toTs: Typed['services']['esTreeNodeToTSNodeMap'];

  constructor(types: Typed) {
    this.checker = types.types.checker;
    this.toTs = types.services.esTreeNodeToTSNodeMap;
  }

  /** Whether the function goes where none is expected to return anything: `entries.forEach((ptep) => ...)`, or nothing but an answer: `entries.some((ptep) => ...)`. */
  isVoidExpected(made: TSESTree.Node): boolean {
    if (this.isOnlySatisfied(made)) return false;
    const expected = isMethod(made) ? this.expectedOfMethod(made.parent) : this.checker.getContextualType(this.toTs.get(made) as ts.Expression);
    if (expected === undefined) return false;
    const called = this.checker.getNonNullableType(expected);
    // What listens is a function, or an object with a method for it.
    const signatures = called.isUnion() ? called.types.flatMap((one) => one.getCallSignatures()) : called.getCallSignatures();
    const isNothing = ({ flags }: ts.Type): boolean => (flags & ts.TypeFlags.Void) !== 0 || ((flags & ts.TypeFlags.Unknown) !== 0 && isAnswer(made));
    return signatures.length > 0 && signatures.every((signature) => isNothing(signature.getReturnType()));
  }

  /** Whether what is expected of an expression is only that it would do: `{ zap: clearOne } satisfies Handlers` keeps the type that it has. */
  private isOnlySatisfied(made: TSESTree.Node): boolean {
    let at = made;
    while (at.parent !== undefined && IN_LITERALS.has(at.parent.type)) at = at.parent;
    return at.parent?.type === AST_NODE_TYPES.TSSatisfiesExpression && this.checker.getContextualType(this.toTs.get(at.parent)) === undefined;
  }

  /** What the place of a literal expects of one of its methods: `listen({ onZap() { return clearOne(); } })`. */
  private expectedOfMethod({ key, computed, parent }: TSESTree.Property): ts.Type | undefined {
    if (computed || key.type !== AST_NODE_TYPES.Identifier) return undefined;
    const expected = this.checker.getContextualType(this.toTs.get(parent) as ts.Expression);
    const property = expected?.getProperty(key.name);
    // Handlers by any name: Record<string, () => void>.
    return property === undefined ? expected?.getStringIndexType() : this.checker.getTypeOfSymbolAtLocation(property, this.toTs.get(key));
  }
}

/** What an expression may be a part of that is still written as one literal. */
const IN_LITERALS: ReadonlySet<AST_NODE_TYPES> = new Set([AST_NODE_TYPES.Property, AST_NODE_TYPES.ObjectExpression, AST_NODE_TYPES.ArrayExpression, AST_NODE_TYPES.ConditionalExpression]);
const QUESTIONS: ReadonlySet<string> = new Set(['every', 'some', 'filter', 'find', 'findIndex', 'findLast', 'findLastIndex']);

/** Whether a function is one of those of which a list only asks whether what they return is true. Lists say that it may be anything. */
function isAnswer({ parent }: TSESTree.Node): boolean {
  return parent?.type === AST_NODE_TYPES.CallExpression && parent.callee.type === AST_NODE_TYPES.MemberExpression && QUESTIONS.has(propertyName(parent.callee) ?? '');
}

/** Whether a function is a method of a literal. */
function isMethod(made: TSESTree.Node): made is TSESTree.FunctionExpression & { parent: TSESTree.Property } {
  return made.type === AST_NODE_TYPES.FunctionExpression && made.parent.type === AST_NODE_TYPES.Property && made.parent.method;
}
