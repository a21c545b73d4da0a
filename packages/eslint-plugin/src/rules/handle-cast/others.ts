import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import type { Typed } from '../../typed.js';
import { LITERALS } from './anything.js';
import { isCast } from './chains.js';
import type { HandleWithin } from './held.js';

/** What is no handle and is taken for one in a file: where a family of handles is a type parameter, and nobody knows which one, the compiler lets everything pass for `H['pte']`. */
export class Others {
  private readonly types: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly toTs: Typed['services']['esTreeNodeToTSNodeMap'];
  /** Where the functions and the classes stand that are generic over a family. */
  private readonly generics: TSESTree.Range[] = [];

  constructor(types: Typed) {
    this.types = types;
    this.checker = types.types.checker;
    this.toTs = types.services.esTreeNodeToTSNodeMap;
  }

  /** Called for all type parameters of the file, before it is asked about anything in it. */
  enter(parameter: TSESTree.TSTypeParameter): void {
    if (parameter.constraint !== undefined && this.types.types.isFamily(this.checker.getTypeAtLocation(this.toTs.get(parameter)))) this.generics.push(parameter.parent.parent.range);
  }

  /** The handle that is wanted where a number, a text, or the handle of another level stands. A cast is reported as one. */
  in(expression: TSESTree.Expression): HandleWithin | undefined {
    if (LITERALS.has(expression.type) || isCast(expression) || !this.generics.some(([start, end]) => start <= expression.range[0] && expression.range[1] <= end)) return undefined;
    const handle = this.types.handleOf(expression);
    if (handle === undefined ? !isOfNumbers(this.types.typeOf(expression)) : handle.level === undefined) return undefined;
    const expected = this.checker.getContextualType(this.toTs.get(expression) as ts.Expression);
    const wanted = expected === undefined ? undefined : this.types.types.handle(expected);
    if (wanted?.form !== 'generic' || wanted.level === undefined || wanted.level === handle?.level || isInCast(expression)) return undefined;
    return { level: wanted.level };
  }
}

/** Whether something is an element of a literal that is cast, which is reported as a whole. */
function isInCast({ parent }: TSESTree.Node): boolean {
  return parent?.type === AST_NODE_TYPES.ArrayExpression && (isCast(parent.parent) || isInCast(parent));
}

/** Whether a type is one of numbers and texts alone, and not one of nothing yet. */
function isOfNumbers(type: ts.Type): boolean {
  return (type.isUnion() ? type.types : [type]).every(({ flags }) => (flags & (ts.TypeFlags.NumberLike | ts.TypeFlags.BigIntLike | ts.TypeFlags.StringLike)) !== 0);
}
