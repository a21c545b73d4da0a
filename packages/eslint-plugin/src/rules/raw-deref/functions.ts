import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { saysType } from '../../ast.js';
import { HOLDS_NOTHING } from './containers.js';
import { isRest, launders } from './launders.js';
import { Questions } from './questions.js';

/** Functions that take or bring handles, where others are expected or the other way round. */
export class Functions extends Questions {
  /** What a function that is passed on takes, where it will be called with live handles. */
  launderingCallback(expression: TSESTree.Expression): string | undefined {
    return this.launderingResult(expression) ?? this.launderingParameter(expression);
  }

  /** What is expected to come back from a function that brings live handles. What is written where it is passed on returns to a place itself. */
  private launderingResult(expression: TSESTree.Expression): string | undefined {
    if (HOLDS_NOTHING.has(expression.type) || expression.type === AST_NODE_TYPES.ArrayExpression || !this.typed.mayBe(expression, this.handles.returned)) return undefined;
    const node = this.ts(expression);
    const expected = this.checker.getContextualType(node);
    const returned = expected === undefined ? undefined : this.checker.getNonNullableType(expected).getCallSignatures()[0]?.getReturnType();
    const result = returned && this.typed.types.awaited(returned);
    if (result === undefined || this.typed.types.handle(result) !== undefined) return undefined;
    const what = launders(result);
    return (what === 'a number' || what === 'a bigint') && this.typed.is(expression, this.handles.returned) && !this.bringsAside(node) ? what : undefined;
  }

  private bringsAside(made: ts.Expression): boolean {
    return this.typed.provenance.ofWay(made, ['()']) === 'aside' || this.typed.provenance.ofWay(made, ['()', '%await']) === 'aside';
  }

  private launderingParameter(expression: TSESTree.Expression): string | undefined {
    if (!this.mayTake(expression)) return undefined;
    const node = this.ts(expression);
    const expected = this.expected(node);
    const called = expected === undefined ? undefined : this.checker.getNonNullableType(expected);
    if (called === undefined || !this.typed.types.passes(called, this.handles.given)) return undefined;
    for (const [at, [parameter, type]] of this.handles.givenTo(called.getCallSignatures()[0]).entries()) {
      const handle = this.typed.types.handle(type);
      if (handle === undefined || (handle.form === 'alias' && this.isAside(parameter, node))) continue;
      const given = this.checker.getTypeAtLocation(node).getCallSignatures();
      const taken = given.map((signature) => this.takenAt(signature, at, node));
      if (taken.includes(undefined)) continue;
      const [words] = taken;
      if (words !== undefined) return words;
    }
    return undefined;
  }

  /** What is expected of a function: of a method of a literal, `{ visit(ptep) {} }`, what the property of that name is to be. */
  private expected(node: ts.Expression | ts.MethodDeclaration): ts.Type | undefined {
    if (!ts.isMethodDeclaration(node)) return this.checker.getContextualType(node);
    const { name, parent } = node;
    if (!ts.isObjectLiteralExpression(parent) || !(ts.isIdentifier(name) || ts.isStringLiteral(name))) return undefined;
    const around = this.checker.getContextualType(parent);
    const property = around === undefined ? undefined : this.checker.getNonNullableType(around).getProperty(name.text);
    return property === undefined ? undefined : this.checker.getTypeOfSymbolAtLocation(property, node);
  }

  /** The same of a function that is kept where one that takes live handles is expected. What is written there takes what it is given, unless it says a type. */
  launderingFunction(expression: TSESTree.Expression): string | undefined {
    const isWritten = expression.type === AST_NODE_TYPES.ArrowFunctionExpression || expression.type === AST_NODE_TYPES.FunctionExpression;
    return isWritten && !expression.params.some(saysType) ? undefined : this.launderingCallback(expression);
  }

  /** The parameters of a method that take numbers, or anything, where the class that it overrides or the interface that it implements says that it is called with live handles. */
  launderingMethod({ computed, key, kind, parent, static: isStatic, value }: TSESTree.MethodDefinition): readonly { readonly parameter: TSESTree.Identifier; readonly handle: ts.Type; readonly expected: string }[] {
    const made = parent.parent;
    if (isStatic || kind !== 'method' || computed || key.type !== AST_NODE_TYPES.Identifier || (made.superClass === null && made.implements.length === 0)) return [];
    return value.params.flatMap((parameter, at) => {
      if (parameter.type !== AST_NODE_TYPES.Identifier || parameter.name.startsWith('_') || !TAKES_ANYTHING.has(parameter.typeAnnotation?.typeAnnotation.type)) return [];
      const taken = this.checker.getSymbolAtLocation(this.ts(parameter));
      const expected = this.taken(taken, this.ts(parameter));
      if (expected === undefined) return [];
      for (const base of this.above(made)) {
        const method = base.getProperty(key.name);
        const [wanted, handle] = this.handles.givenTo(method === undefined ? undefined : this.checker.getTypeOfSymbol(method).getCallSignatures()[0])[at] ?? [];
        const form = handle === undefined ? undefined : this.typed.types.handle(handle)?.form;
        const declared = wanted?.valueDeclaration;
        if (handle === undefined || form === undefined || (form === 'alias' && declared !== undefined && this.typed.provenance.ofDeclaration(declared) === 'aside')) continue;
        return [{ parameter, handle, expected }];
      }
      return [];
    });
  }

  /** What a class extends, and what it says that it implements. */
  private above(made: TSESTree.ClassDeclaration | TSESTree.ClassExpression): readonly ts.Type[] {
    const type = this.checker.getTypeAtLocation(this.typed.services.esTreeNodeToTSNodeMap.get(made));
    return [...(type.isClassOrInterface() ? this.checker.getBaseTypes(type) : []), ...made.implements.map((one) => this.typed.typeOf(one))];
  }

  /** Whether something may be a function that takes anything. */
  private mayTake(expression: TSESTree.Expression): boolean {
    if (expression.type === AST_NODE_TYPES.ArrowFunctionExpression || expression.type === AST_NODE_TYPES.FunctionExpression) return expression.params.length > 0;
    // To find what a literal is the compiler checks all of it again.
    if (expression.type === AST_NODE_TYPES.ObjectExpression || expression.type === AST_NODE_TYPES.ArrayExpression) return false;
    return this.typed.is(expression, this.handles.called);
  }

  /** What a function takes at a place: of `(...args: [index: number]) => void`, as a method that is bound has them, what stands there in the list. */
  private takenAt({ parameters }: ts.Signature, place: number, at: ts.Node): string | undefined {
    const last = parameters.at(-1);
    const type = last !== undefined && place >= parameters.length - 1 && isRest(last) ? this.checker.getTypeOfSymbolAtLocation(last, at) : undefined;
    if (type === undefined || !this.checker.isTupleType(type)) return this.taken(parameters[place], at);
    const taken = this.checker.getTypeArguments(type as ts.TupleTypeReference)[place - parameters.length + 1];
    return taken === undefined || this.typed.types.handle(taken) !== undefined ? undefined : launders(taken);
  }

  private taken(parameter: ts.Symbol | undefined, at: ts.Node): string | undefined {
    const declaration = parameter?.valueDeclaration;
    // What stands for all arguments, whatever they are, as in a mock, is nobody's number; and what says that it is not used takes nothing.
    if (parameter === undefined || parameter.name.startsWith('_') || (declaration !== undefined && ts.isParameter(declaration) && declaration.dotDotDotToken !== undefined)) return undefined;
    const type = this.checker.getTypeOfSymbolAtLocation(parameter, at);
    if (this.typed.types.handle(type) !== undefined) return undefined;
    if (declaration !== undefined && ts.isParameter(declaration) && this.typed.provenance.ofAnnotation(declaration) === 'live') return undefined;
    return launders(type);
  }

  /** Whether a callback is called with pointers to values held aside. */
  private isAside(parameter: ts.Symbol, callback: ts.Expression): boolean {
    const declared = parameter.valueDeclaration === undefined ? 'unknown' : this.typed.provenance.ofDeclaration(parameter.valueDeclaration);
    if (declared !== 'unknown') return declared === 'aside';
    const { parent } = callback;
    return ts.isCallExpression(parent) && ts.isPropertyAccessExpression(parent.expression) && this.typed.provenance.ofElements(parent.expression.expression) === 'aside';
  }
}

/** Written types that a handle would go to without a word. */
const TAKES_ANYTHING: ReadonlySet<AST_NODE_TYPES | undefined> = new Set([AST_NODE_TYPES.TSNumberKeyword, AST_NODE_TYPES.TSBigIntKeyword, AST_NODE_TYPES.TSAnyKeyword, AST_NODE_TYPES.TSUnknownKeyword]);
