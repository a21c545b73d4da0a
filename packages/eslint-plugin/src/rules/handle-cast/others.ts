import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { ancestors, isFunction } from '../../ast.js';
import { oncePer } from '../../once-per.js';
import type { Typed } from '../../typed.js';
import type { Handle, Types } from '../../types/types.js';
import { LITERALS } from './anything.js';
import { isCast } from './chains.js';
import type { HandleWithin } from './held.js';

/** What is no handle and is taken for one in a file: where a family of handles is a type parameter, and nobody knows which one, the compiler lets everything pass for `H['pte']`. */
export class Others {
  private readonly types: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly toTs: Typed['services']['esTreeNodeToTSNodeMap'];
  private readonly declared: Declared;
  /** Where the functions and the classes stand that are generic over a family. */
  private readonly generics: TSESTree.Range[] = [];
  private last: TSESTree.Range | undefined;

  constructor(types: Typed) {
    this.types = types;
    this.checker = types.types.checker;
    this.toTs = types.services.esTreeNodeToTSNodeMap;
    this.declared = Declared.of(types.types);
  }

  /** Called for all type parameters of the file, before it is asked about anything in it. */
  enter(parameter: TSESTree.TSTypeParameter): void {
    if (parameter.constraint !== undefined && this.types.types.isFamily(this.checker.getTypeAtLocation(this.toTs.get(parameter)))) this.generics.push(parameter.parent.parent.range);
  }

  /** The handle that a call wants where a number, a text, or the handle of another level is given. */
  ofArgument(argument: TSESTree.Expression, call: TSESTree.CallExpression | TSESTree.NewExpression): HandleWithin | undefined {
    if (!this.isGeneric(argument)) return undefined;
    const declaration = this.types.signatureOf(call)?.declaration;
    const parameter = declaration === undefined || ts.isJSDocSignature(declaration) ? undefined : declaration.parameters[call.arguments.indexOf(argument)]?.type;
    return parameter === undefined ? undefined : this.found(argument, this.declared.handle(parameter));
  }

  /** The same of what is declared with a written type. */
  ofDeclared(expression: TSESTree.Expression, written: TSESTree.TSTypeAnnotation | undefined): HandleWithin | undefined {
    return written === undefined || !this.isGeneric(expression) ? undefined : this.found(expression, this.types.types.handle(this.types.typeOf(written.typeAnnotation)));
  }

  /** The same of what a function returns that says what. */
  ofReturned(expression: TSESTree.Expression): HandleWithin | undefined {
    return this.generics.length === 0 ? undefined : this.ofDeclared(expression, [...ancestors(expression)].find(isFunction)?.returnType);
  }

  /** The same of what is assigned to something that is a handle, or stands beside one in a list. */
  ofSame(expression: TSESTree.Expression, handle: TSESTree.Node | undefined): HandleWithin | undefined {
    return handle === undefined || !this.isGeneric(expression) ? undefined : this.found(expression, this.types.handleOf(handle));
  }

  /** Whether an expression stands where a family is a type parameter, and may be something else than what it is taken for. A cast is reported as one. */
  private isGeneric(expression: TSESTree.Expression): boolean {
    return this.generics.length > 0 && !LITERALS.has(expression.type) && !isCast(expression) && this.isInGeneric(expression) && this.types.mayBePlain(expression);
  }

  private isInGeneric({ range: [start, end] }: TSESTree.Expression): boolean {
    const isAround = (range: TSESTree.Range): boolean => range[0] <= start && end <= range[1];
    // Expressions come in the order of the file.
    if (this.last === undefined || !isAround(this.last)) this.last = this.generics.find(isAround);
    return this.last !== undefined;
  }

  private found(expression: TSESTree.Expression, declared: Handle | undefined): HandleWithin | undefined {
    if (declared?.form !== 'generic') return undefined;
    const handle = this.types.handleOf(expression);
    if (handle === undefined ? !isOfNumbers(this.types.typeOf(expression)) : handle.level === undefined || handle.level === declared.level) return undefined;
    // What is declared with a family of its own, and with any level, is asked for one of them.
    const expected = this.checker.getContextualType(this.toTs.get(expression) as ts.Expression);
    const wanted = expected === undefined ? undefined : this.types.types.handle(expected);
    if (wanted?.form !== 'generic' || wanted.level === undefined || wanted.level === handle?.level || isInCast(expression)) return undefined;
    return { level: wanted.level };
  }
}

/** What written types of parameters say of handles, for all calls. */
class Declared {
  static readonly of = oncePer((types: Types) => new Declared(types));

  private readonly types: Types;
  private readonly known = new Map<ts.TypeNode, Handle | undefined>();

  private constructor(types: Types) {
    this.types = types;
  }

  handle(written: ts.TypeNode): Handle | undefined {
    const known = this.known.get(written);
    if (known !== undefined || this.known.has(written)) return known;
    const found = this.types.handle(this.types.checker.getTypeFromTypeNode(written));
    this.known.set(written, found);
    return found;
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
