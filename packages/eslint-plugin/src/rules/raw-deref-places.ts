import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import type { Typed } from '../typed.js';
import { isElement, type Path, stepInto } from '../types/provenance/path.js';
import { isReference, PRIMITIVE, type TypeTest } from '../types/types.js';

/*
 * Where a handle stops being one without a cast: the place that it goes to is declared for a number, a bigint, an object, any or unknown. What a place is declared
 * for is the contextual type of the expression that stands there; what the compiler does not say is worked out here.
 */

/** Generic types of the language that hold what they are given as it is. */
const CONTAINERS: ReadonlySet<string> = new Set([
  'Array', 'ReadonlyArray', 'ArrayLike', 'ConcatArray', 'Set', 'ReadonlySet', 'Map', 'ReadonlyMap', 'Promise', 'PromiseLike', 'Iterable', 'IterableIterator', 'Iterator', 'Generator',
  'IteratorObject', 'ArrayIterator', 'MapIterator', 'SetIterator',
]);

/** A part of what a container holds, and the way to it. */
interface Held {
  readonly path: Path;
  readonly type: ts.Type;
}

/** What has more is no record of an entry. */
const MAX_FIELDS = 24;

/** How deep a container in a container is looked into: pairs in a list are. */
const MAX_DEPTH = 2;

/** What a type is to somebody who must not get a handle, in words; undefined for a type that can hold none, or is one. */
export function launders(type: ts.Type): string | undefined {
  if (type.flags & ts.TypeFlags.Any) return 'any';
  if (type.flags & ts.TypeFlags.Unknown) return 'unknown';
  for (const member of type.isUnion() ? type.types : [type]) {
    if (member.flags & ts.TypeFlags.Number || isOfNumbers(member) || (member.isIntersection() && member.types.some(({ flags }) => flags & ts.TypeFlags.Number))) return 'a number';
    if (member.flags & ts.TypeFlags.BigInt) return 'a bigint';
    const wrapper = member.isClassOrInterface() ? WRAPPERS.get(member.symbol.name) : undefined;
    if (wrapper !== undefined) return wrapper;
    if (member.flags & ts.TypeFlags.NonPrimitive || isEmptyObject(member)) return 'any object';
  }
  return undefined;
}

/** Whether two ways lead to the same part of what can be taken for the other: what goes through a map finds pairs. */
function isSameWay(one: Path, other: Path): boolean {
  const [a, b] = [one, other].map((path) => path.flatMap((step) => (step === '%key' ? ['*', '0'] : step === '%value' ? ['*', '1'] : [step])));
  return a !== undefined && b?.length === a.length && a.every((step, at) => step === b[at] || ((step === '*' || b[at] === '*') && isElement(step) && isElement(b[at] ?? '')));
}

/** Interfaces of the language that numbers and whatever else fulfil. */
const WRAPPERS: ReadonlyMap<string, string> = new Map([['Number', 'a number'], ['Object', 'any object']]);

/** An enumeration, or one of its members: any number goes there. */
function isOfNumbers({ flags }: ts.Type): boolean {
  return (flags & ts.TypeFlags.EnumLike) !== 0 && (flags & ts.TypeFlags.NumberLike) !== 0;
}

/** `{}` */
function isEmptyObject(type: ts.Type): boolean {
  if ((type.flags & ts.TypeFlags.Object) === 0 || ((type as ts.ObjectType).objectFlags & ts.ObjectFlags.Anonymous) === 0) return false;
  return type.getProperties().length === 0 && type.getCallSignatures().length === 0 && type.getConstructSignatures().length === 0 &&
    type.getStringIndexType() === undefined && type.getNumberIndexType() === undefined;
}

/** The questions of one file about places. */
export class Places {
  private readonly typed: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly holdsHandles: TypeTest;
  /** Objects that have handles, or are generic over them. */
  private readonly hasHandles: TypeTest;
  private readonly returnsHandles: TypeTest;
  private readonly isCalled: TypeTest;
  /** Functions that are called with handles. */
  private readonly givesHandles: TypeTest;

  constructor(typed: Typed) {
    this.typed = typed;
    this.checker = typed.types.checker;
    this.holdsHandles = typed.types.test('holds handles', (type) => this.held(type).some((part) => typed.types.handle(part.type) !== undefined));
    this.hasHandles = typed.types.test('has handles', (type) => this.findHandles(type));
    this.returnsHandles = typed.types.test('returns handles', (type) => type.getCallSignatures().some((signature) => typed.types.handle(signature.getReturnType()) !== undefined));
    this.isCalled = typed.types.test('called', isCalled);
    this.givesHandles = typed.types.test('called with handles', (type) => this.given(type.getCallSignatures()[0]).some(([, one]) => typed.types.handle(one) !== undefined));
  }

  private ts(node: TSESTree.Node): ts.Expression {
    // Every node of ESTree that is asked about here is an expression.
    return this.typed.services.esTreeNodeToTSNodeMap.get(node) as ts.Expression;
  }

  /**
   * The live handle that an expression's value is, or may be: itself, or one of the sides of a choice. Where a choice is between a handle and a number the compiler
   * makes a number of both under the alias.
   */
  live(expression: TSESTree.Expression): TSESTree.Expression | undefined {
    if (this.typed.handleOf(expression) !== undefined) return this.typed.isLive(expression) ? expression : undefined;
    const { type } = expression;
    if (type === AST_NODE_TYPES.ConditionalExpression) return this.live(expression.consequent) ?? this.live(expression.alternate);
    if (type === AST_NODE_TYPES.LogicalExpression) return (expression.operator === '&&' ? undefined : this.live(expression.left)) ?? this.live(expression.right);
    if (type === AST_NODE_TYPES.SequenceExpression) return this.live(expression.expressions.at(-1)!);
    if (type === AST_NODE_TYPES.TSNonNullExpression || type === AST_NODE_TYPES.ChainExpression) return this.live(expression.expression);
    return undefined;
  }

  /** The handles that a list, a set, a promise of live handles holds, or what it holds does, as their type. */
  liveWithin(expression: TSESTree.Expression): ts.Type | undefined {
    return this.liveParts(expression)[0]?.type;
  }

  private liveParts(expression: TSESTree.Expression): readonly Held[] {
    if (HOLDS_NOTHING.has(expression.type) || !this.typed.is(expression, this.holdsHandles)) return [];
    return this.held(this.typed.typeOf(expression)).filter(({ path, type }) => {
      const handle = this.typed.types.handle(type);
      return handle !== undefined && (handle.form !== 'alias' || this.typed.provenance.ofWay(this.ts(expression), path) !== 'aside');
    });
  }

  /** What a container holds, and what that holds if it is one. */
  private held(type: ts.Type, around: Path = []): readonly Held[] {
    if (type.isUnion()) return type.types.flatMap((member) => this.held(member, around));
    if ((type.flags & ts.TypeFlags.Object) === 0 || ((type as ts.ObjectType).objectFlags & ts.ObjectFlags.Reference) === 0) return [];
    const isTuple = this.checker.isTupleType(type);
    const name = (type.symbol as ts.Symbol | undefined)?.name ?? '';
    if (!isTuple && !CONTAINERS.has(name)) return [];
    const parts = this.checker.getTypeArguments(type as ts.TypeReference).slice(0, isTuple ? undefined : 2);
    return parts.flatMap((part, at) => {
      const path = [...around, isTuple ? String(at) : stepInto(name, at)];
      return path.length < MAX_DEPTH ? [{ path, type: part }, ...this.held(part, path)] : [{ path, type: part }];
    });
  }

  /** What a place that a live handle goes to is declared for, in words; undefined where a handle may go. */
  laundering(expression: TSESTree.Expression): string | undefined {
    const node = this.ts(expression);
    const expected = this.expected(node);
    if (expected === undefined) return undefined;
    if (this.typed.types.handle(expected) !== undefined) return this.constraint(node);
    const what = launders(expected);
    return what === undefined || this.isEvolving(node) || this.isMeantForHandle(node) || this.isIgnored(node) || this.isOfItself(node) || isSatisfied(node) || (what === 'any' && isTakenApart(node)) ? undefined : what;
  }

  /** The same of an argument that decides itself what is expected, within bounds: `Reflect.get<T, P extends PropertyKey>(target: T, key: P)`. Under the alias a handle is within those of numbers. */
  private constraint(argument: ts.Expression): string | undefined {
    const call = argument.parent;
    if (!(ts.isCallExpression(call) || ts.isNewExpression(call))) return undefined;
    const declaration = this.checker.getResolvedSignature(call)?.declaration;
    const written = declaration === undefined || ts.isJSDocSignature(declaration) ? undefined : declaration.parameters[call.arguments?.indexOf(argument) ?? -1]?.type;
    if (written === undefined || !ts.isTypeReferenceNode(written) || !ts.isIdentifier(written.typeName) || written.typeArguments !== undefined) return undefined;
    const own = this.checker.getSymbolAtLocation(written.typeName)?.declarations?.find(ts.isTypeParameterDeclaration)?.constraint;
    const bound = own === undefined ? undefined : this.checker.getTypeFromTypeNode(own);
    const what = bound === undefined || this.typed.types.handle(bound) !== undefined ? undefined : launders(bound);
    return what === 'a number' || what === 'a bigint' ? what : undefined;
  }

  /** The same of a list of live handles, for a place that is declared for a list of numbers. */
  launderingWithin(expression: TSESTree.Expression): string | undefined {
    if (expression.type === AST_NODE_TYPES.ArrayExpression || this.typed.handleOf(expression) !== undefined || this.liveWithin(expression) === undefined) return undefined;
    const node = this.ts(expression);
    const expected = this.checker.getContextualType(node);
    const wanted = this.ofApply(node) ?? (expected === undefined ? [] : this.held(expected));
    for (const { path } of wanted.length === 0 ? [] : this.liveParts(expression)) {
      const there = wanted.filter((one) => isSameWay(one.path, path));
      if (there.some(({ type }) => this.typed.types.handle(type) !== undefined)) continue;
      // Any list may be of anything; who takes pairs of anything makes something of each.
      for (const one of there) {
        const what = launders(one.type);
        if (what === 'a number' || what === 'a bigint' || (what === 'any' && one.path.length > 1)) return what;
      }
    }
    return undefined;
  }

  /** The same of an object that has a live handle, or is generic over one, for a place that is declared for one with a number there. */
  launderingPart(expression: TSESTree.Expression): string | undefined {
    if (HOLDS_NOTHING.has(expression.type) || expression.type === AST_NODE_TYPES.ArrayExpression || !this.typed.is(expression, this.hasHandles)) return undefined;
    const node = this.ts(expression);
    const expected = this.checker.getContextualType(node);
    if (expected === undefined) return undefined;
    return this.lostPart(node, this.checker.getNonNullableType(this.typed.typeOf(expression)), this.checker.getNonNullableType(expected));
  }

  private lostPart(node: ts.Expression, given: ts.Type, wanted: ts.Type, depth = 0): string | undefined {
    if (given === wanted || depth > MAX_DEPTH || (wanted.flags & ts.TypeFlags.Object) === 0) return undefined;
    // Of two lists the elements are compared.
    const [element, wantedElement] = [given, wanted].map((type) => (this.checker.isArrayLikeType(type) ? type.getNumberIndexType() : undefined));
    if (element !== undefined && wantedElement !== undefined) return this.lostPart(node, this.checker.getNonNullableType(element), this.checker.getNonNullableType(wantedElement), depth + 1);
    if (isReference(given) && isReference(wanted) && given.target === wanted.target) {
      const { name } = given.symbol;
      return this.lost(this.checker.getTypeArguments(given).map((type, at) => ({ type, wanted: this.checker.getTypeArguments(wanted)[at], isAside: () => this.typed.provenance.ofWay(node, [`%${at}:${name}`]) === 'aside' })));
    }
    const named = given.getStringIndexType();
    if (named !== undefined) return this.lost([{ type: named, wanted: wanted.getStringIndexType(), isAside: () => this.typed.provenance.ofElements(node) === 'aside' }]);
    return this.lost(
      wanted.getProperties().slice(0, MAX_FIELDS).flatMap((property) => {
        const own = given.getProperty(property.name);
        return own === undefined || own === property ? [] : [{ type: this.checker.getTypeOfSymbol(own), wanted: this.checker.getTypeOfSymbol(property), isAside: () => this.typed.provenance.ofMeant(own) === 'aside' }];
      }),
    );
  }

  private lost(parts: readonly { readonly type: ts.Type; readonly wanted: ts.Type | undefined; readonly isAside: () => boolean }[]): string | undefined {
    for (const { type, wanted, isAside } of parts) {
      const handle = wanted === undefined || this.typed.types.handle(wanted) !== undefined ? undefined : this.typed.types.handle(type);
      const what = wanted === undefined || handle === undefined ? undefined : launders(wanted);
      if ((what === 'a number' || what === 'a bigint') && (handle?.form !== 'alias' || !isAside())) return what;
    }
    return undefined;
  }

  /** Whether an object of a type, or an element of a list of that type, has a handle in a field, or is generic over one. What the language declares has none of its own. */
  private findHandles(type: ts.Type, depth = 0): boolean {
    if (type.isUnion()) return type.types.some((member) => this.findHandles(member, depth));
    if ((type.flags & ts.TypeFlags.Object) === 0) return false;
    if (this.checker.isArrayLikeType(type)) {
      const element = type.getNumberIndexType();
      return element !== undefined && depth < MAX_DEPTH && this.findHandles(this.checker.getNonNullableType(element), depth + 1);
    }
    if (isReference(type)) {
      if (this.checker.getTypeArguments(type).some((one) => this.typed.types.handle(one) !== undefined)) return true;
      // What is not of its type arguments stands in the generic itself, which is asked once.
      if (type.target !== type) return this.typed.types.passes(type.target, this.hasHandles);
    }
    const named = type.getStringIndexType();
    if (named !== undefined && this.typed.types.handle(named) !== undefined) return true;
    const declaration = type.isClassOrInterface() ? type.symbol.declarations?.[0] : undefined;
    if (declaration !== undefined && this.isOfLanguage(declaration)) return false;
    const properties = type.getProperties();
    return properties.length <= MAX_FIELDS && properties.some((property) => (property.flags & ts.SymbolFlags.Method) === 0 && this.typed.types.handle(this.checker.getTypeOfSymbol(property)) !== undefined);
  }

  /** The same of `...handles` among the arguments of a call. */
  launderingRest(spread: TSESTree.SpreadElement, call: TSESTree.CallExpression | TSESTree.NewExpression): string | undefined {
    if (!this.liveParts(spread.argument).some(({ path }) => path.length === 1)) return undefined;
    const node = this.ts(call) as ts.CallExpression | ts.NewExpression;
    const parameters = this.checker.getResolvedSignature(node)?.parameters ?? [];
    const parameter = parameters[Math.min(call.arguments.indexOf(spread) + this.firstHandleIn(spread.argument), parameters.length - 1)];
    if (parameter === undefined) return undefined;
    const { valueDeclaration } = parameter;
    const declared = this.checker.getTypeOfSymbolAtLocation(parameter, node);
    const isAll = isRest(parameter);
    const expected = isAll ? this.checker.getIndexTypeOfType(declared, ts.IndexKind.Number) : declared;
    if (expected === undefined || this.typed.types.handle(expected) !== undefined) return undefined;
    if (isAll && valueDeclaration !== undefined && ts.isParameter(valueDeclaration) && valueDeclaration.type !== undefined && this.typed.provenance.ofElementType(valueDeclaration.type) === 'live') return undefined;
    if (ts.isPropertyAccessExpression(node.expression) && this.isEmptyList(node.expression.expression)) return undefined;
    return launders(expected);
  }

  /** The same of `...handles` in a list of numbers. */
  launderingSpread(spread: TSESTree.SpreadElement, list: TSESTree.ArrayExpression): string | undefined {
    if (!this.liveParts(spread.argument).some(({ path }) => path.length === 1)) return undefined;
    const expected = this.checker.getContextualType(this.ts(list));
    const there = expected === undefined ? [] : this.held(expected).filter(({ path }) => path.length === 1);
    if (there.some(({ type }) => this.typed.types.handle(type) !== undefined) || this.isInferred(this.ts(list))) return undefined;
    return there.map(({ type }) => launders(type)).find((words) => words === 'a number' || words === 'a bigint');
  }

  /** Where in a tuple the first handle stands; 0 for other lists. */
  private firstHandleIn(expression: TSESTree.Expression): number {
    const type = this.typed.typeOf(expression);
    const parts = this.checker.isTupleType(type) ? this.checker.getTypeArguments(type as ts.TypeReference) : [];
    return Math.max(0, parts.findIndex((one) => this.typed.types.handle(one) !== undefined));
  }

  /** What a function that is passed on takes, where it will be called with live handles. */
  launderingCallback(expression: TSESTree.Expression): string | undefined {
    return this.launderingResult(expression) ?? this.launderingParameter(expression);
  }

  /** What is expected to come back from a function that brings live handles. What is written where it is passed on returns to a place itself. */
  private launderingResult(expression: TSESTree.Expression): string | undefined {
    if (HOLDS_NOTHING.has(expression.type) || expression.type === AST_NODE_TYPES.ArrayExpression || !this.typed.is(expression, this.returnsHandles)) return undefined;
    const node = this.ts(expression);
    const expected = this.checker.getContextualType(node);
    const result = expected === undefined ? undefined : this.checker.getNonNullableType(expected).getCallSignatures()[0]?.getReturnType();
    if (result === undefined || this.typed.types.handle(result) !== undefined) return undefined;
    const what = launders(result);
    return (what === 'a number' || what === 'a bigint') && this.typed.provenance.ofWay(node, ['()']) !== 'aside' ? what : undefined;
  }

  private launderingParameter(expression: TSESTree.Expression): string | undefined {
    if (!this.mayTake(expression)) return undefined;
    const node = this.ts(expression);
    const expected = this.checker.getContextualType(node);
    const called = expected === undefined ? undefined : this.checker.getNonNullableType(expected);
    if (called === undefined || !this.typed.types.passes(called, this.givesHandles)) return undefined;
    for (const [at, [parameter, type]] of this.given(called.getCallSignatures()[0]).entries()) {
      const handle = this.typed.types.handle(type);
      if (handle === undefined || (handle.form === 'alias' && this.isAside(parameter, node))) continue;
      const given = this.checker.getTypeAtLocation(node).getCallSignatures();
      const taken = given.map((signature) => this.taken(signature.parameters[at], node));
      if (taken.includes(undefined)) continue;
      const [words] = taken;
      if (words !== undefined) return words;
    }
    return undefined;
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
        const [wanted, handle] = this.given(method === undefined ? undefined : this.checker.getTypeOfSymbol(method).getCallSignatures()[0])[at] ?? [];
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
    return this.typed.is(expression, this.isCalled);
  }

  /** What a function is called with, each with the parameter that says so: `(...args: [ptep: Handles['pte'], address: bigint]) => void` says it of two. */
  private given(signature: ts.Signature | undefined): readonly (readonly [ts.Symbol, ts.Type])[] {
    return (signature?.parameters ?? []).flatMap((parameter): (readonly [ts.Symbol, ts.Type])[] => {
      const type = this.checker.getTypeOfSymbol(parameter);
      if (!isRest(parameter) || !(this.checker.isTupleType(type) || this.checker.isArrayType(type))) return [[parameter, type]];
      return this.checker.getTypeArguments(type as ts.TypeReference).map((one) => [parameter, one] as const);
    });
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

  /** The type that is expected of an expression. */
  private expected(node: ts.Expression): ts.Type | undefined {
    const ofCall = this.ofCall(node);
    if (ofCall !== undefined) return ofCall;
    const contextual = this.checker.getContextualType(node);
    if (contextual !== undefined) return contextual;
    // In a literal that is itself given to any or unknown, every part is.
    const { parent } = node;
    const literal = ts.isArrayLiteralExpression(parent) ? parent : ts.isPropertyAssignment(parent) || ts.isShorthandPropertyAssignment(parent) ? parent.parent : undefined;
    if (literal !== undefined) {
      const around = this.expected(literal);
      const isAnything = around !== undefined && (around.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) !== 0;
      return isAnything && !this.isEvolving(literal) && !this.isIgnored(literal) ? around : undefined;
    }
    // A side of a choice whose outcome is a number.
    let outer: ts.Node = node;
    while (ts.isParenthesizedExpression(outer.parent) || ts.isConditionalExpression(outer.parent) || (ts.isBinaryExpression(outer.parent) && CHOICES.has(outer.parent.operatorToken.kind))) outer = outer.parent;
    if (outer === node) return undefined;
    const whole = this.checker.getTypeAtLocation(outer);
    return launders(whole) === undefined ? undefined : whole;
  }

  /** The parameter behind an argument of `f.call(self, ptep)` and `f.bind(self, ptep)`, and behind an element of `f.apply(self, [ptep])`. */
  private ofCall(node: ts.Expression): ts.Type | undefined {
    const { parent } = node;
    const isListed = ts.isArrayLiteralExpression(parent);
    const call = isListed ? parent.parent : parent;
    if (!ts.isCallExpression(call) || !ts.isPropertyAccessExpression(call.expression) || !(isListed ? APPLY : CALL).test(call.expression.name.text)) return undefined;
    const at = isListed ? (call.arguments[1] === parent ? parent.elements.indexOf(node) : -1) : call.arguments.indexOf(node) - 1;
    const called = at < 0 ? undefined : this.calledBy(call, call.expression);
    const parameter = called?.parameters[Math.min(at, called.parameters.length - 1)];
    if (parameter === undefined) return undefined;
    const type = this.checker.getTypeOfSymbolAtLocation(parameter, node);
    return isRest(parameter) ? this.checker.getIndexTypeOfType(type, ts.IndexKind.Number) : type;
  }

  /** What the parameters of a function are that is called with a list of arguments: `f.apply(self, entries)`. */
  private ofApply(list: ts.Expression): readonly Held[] | undefined {
    const call = list.parent;
    if (!ts.isCallExpression(call) || !ts.isPropertyAccessExpression(call.expression) || !APPLY.test(call.expression.name.text) || call.arguments[1] !== list) return undefined;
    return this.calledBy(call, call.expression)?.parameters.map((parameter, at) => {
      const type = this.checker.getTypeOfSymbolAtLocation(parameter, list);
      return isRest(parameter) ? { path: ['*'], type: this.checker.getIndexTypeOfType(type, ts.IndexKind.Number) ?? type } : { path: [String(at)], type };
    });
  }

  /** The function that is called by a method of all functions. */
  private calledBy(call: ts.CallExpression, { expression }: ts.PropertyAccessExpression): ts.Signature | undefined {
    const declaration = this.checker.getResolvedSignature(call)?.declaration;
    return declaration === undefined || !this.isOfLanguage(declaration) ? undefined : this.checker.getTypeAtLocation(expression).getCallSignatures()[0];
  }

  /** Whether a declaration is one of the language's own, not of the program or of a package. */
  isOfLanguage(declaration: ts.Node): boolean {
    return this.typed.services.program.isSourceFileDefaultLibrary(declaration.getSourceFile());
  }

  /** Whether the place is a variable or a list whose type follows from what it is given: `let p; p = ptep`, `const list = []; list.push(ptep)`. */
  private isEvolving(node: ts.Expression): boolean {
    const { parent } = node;
    if (ts.isBinaryExpression(parent) && parent.operatorToken.kind === ts.SyntaxKind.EqualsToken && parent.right === node) {
      const { left } = parent;
      if (ts.isElementAccessExpression(left)) return this.isEmptyList(left.expression);
      if (!ts.isIdentifier(left)) return false;
      const declaration = this.checker.getSymbolAtLocation(left)?.valueDeclaration;
      return declaration !== undefined && ts.isVariableDeclaration(declaration) && declaration.type === undefined && declaration.initializer === undefined;
    }
    return ts.isCallExpression(parent) && parent.expression !== node && ts.isPropertyAccessExpression(parent.expression) && this.isEmptyList(parent.expression.expression);
  }

  /** `const list = [];` */
  private isEmptyList(node: ts.Expression): boolean {
    const declaration = ts.isIdentifier(node) ? this.checker.getSymbolAtLocation(node)?.valueDeclaration : undefined;
    if (declaration === undefined || !ts.isVariableDeclaration(declaration) || declaration.type !== undefined) return false;
    return declaration.initializer !== undefined && ts.isArrayLiteralExpression(declaration.initializer) && declaration.initializer.elements.length === 0;
  }

  /**
   * Whether what is expected of an element follows from the list that it is in: `same([ptep, count])`, `list.map((ptep, index) => [ptep, index])`. Under the alias the
   * compiler finds that such a list is one of numbers.
   */
  private isOfItself(node: ts.Expression): boolean {
    return ts.isArrayLiteralExpression(node.parent) && this.isInferred(node) && this.ofCall(node) === undefined;
  }

  /** Whether what is expected of an expression is a type parameter that follows from it: of an argument, of what a callback returns, and of elements of those. */
  isInferred(node: ts.Expression): boolean {
    let outer = node;
    while (ts.isArrayLiteralExpression(outer.parent) || ts.isParenthesizedExpression(outer.parent)) outer = outer.parent;
    const { parent } = outer;
    const made = ts.isArrowFunction(parent) ? parent : ts.isReturnStatement(parent) ? ts.findAncestor(parent, ts.isFunctionLike) : undefined;
    const argument = made ?? outer;
    const call = argument.parent;
    if (made?.type !== undefined) return false;
    if (!(ts.isCallExpression(call) || ts.isNewExpression(call)) || call.typeArguments !== undefined) return false;
    const declaration = this.checker.getResolvedSignature(call)?.declaration;
    if (declaration === undefined || ts.isJSDocSignature(declaration)) return false;
    const at = call.arguments?.findIndex((one) => one === argument) ?? -1;
    const type = at < 0 ? undefined : declaration.parameters[Math.min(at, declaration.parameters.length - 1)]?.type;
    const { typeParameters = [] } = ts.isConstructorDeclaration(declaration) ? declaration.parent : declaration;
    const own = new Set(typeParameters.map(({ name }) => name.text));
    const mentions = (part: ts.Node): boolean => (ts.isIdentifier(part) && own.has(part.text)) || (ts.forEachChild(part, mentions) ?? false);
    return type !== undefined && mentions(type);
  }

  /**
   * Whether an expression is what a callback returns that may return whatever it likes: `() => unknown`. Nobody keeps that, or all that counts is whether it is anything. The same
   * of a function with overloads, whose callers see those.
   */
  private isIgnored(node: ts.Expression): boolean {
    let outer: ts.Node = node.parent;
    while (ts.isParenthesizedExpression(outer) || ts.isConditionalExpression(outer) || (ts.isBinaryExpression(outer) && CHOICES.has(outer.operatorToken.kind))) outer = outer.parent;
    const implementing = ts.isReturnStatement(outer) ? ts.findAncestor(outer, ts.isFunctionLike) : undefined;
    if (implementing !== undefined && (ts.isFunctionDeclaration(implementing) || ts.isMethodDeclaration(implementing)) && this.checker.isImplementationOfOverload(implementing) === true) return true;
    const { parent } = node;
    const made = ts.isArrowFunction(parent) ? parent : ts.isReturnStatement(parent) ? ts.findAncestor(parent, ts.isFunctionLike) : undefined;
    if (made === undefined || (!ts.isArrowFunction(made) && !ts.isFunctionExpression(made)) || made.type !== undefined || !ts.isCallExpression(made.parent)) return false;
    const declaration = this.checker.getContextualType(made)?.getCallSignatures()[0]?.getDeclaration();
    return declaration?.type?.kind === ts.SyntaxKind.UnknownKeyword || declaration?.type?.kind === ts.SyntaxKind.AnyKeyword;
  }

  /** Whether the place is written down as one for a handle of a family that is known by its constraint alone, where each handle is `unknown`. */
  private isMeantForHandle(node: ts.Expression): boolean {
    const { provenance } = this.typed;
    const { parent } = node;
    if (ts.isCallExpression(parent) || ts.isNewExpression(parent)) return this.isMeantParameter(node, parent);
    if (ts.isVariableDeclaration(parent) || ts.isPropertyDeclaration(parent) || ts.isParameter(parent)) return parent.type !== undefined && provenance.ofTypeNode(parent.type) === 'live';
    if (ts.isArrayLiteralExpression(parent)) return ts.isVariableDeclaration(parent.parent) && parent.parent.type !== undefined && provenance.ofElementType(parent.parent.type) === 'live';
    if (ts.isBinaryExpression(parent) && !CHOICES.has(parent.operatorToken.kind)) return this.isMeantSymbol(this.checker.getSymbolAtLocation(ts.isPropertyAccessExpression(parent.left) ? parent.left.name : parent.left));
    if (ts.isPropertyAssignment(parent) || ts.isShorthandPropertyAssignment(parent)) {
      return ts.isIdentifier(parent.name) && this.isMeantSymbol(this.checker.getContextualType(parent.parent)?.getProperty(parent.name.text));
    }
    const made = ts.isArrowFunction(parent) ? parent : ts.isReturnStatement(parent) || ts.isYieldExpression(parent) ? ts.findAncestor(parent, ts.isFunctionLike) : undefined;
    return made !== undefined && provenance.ofResult(made) === 'live';
  }

  private isMeantSymbol(symbol: ts.Symbol | undefined): boolean {
    return symbol !== undefined && this.typed.provenance.ofMeant(symbol) === 'live';
  }

  private isMeantParameter(argument: ts.Expression, call: ts.CallExpression | ts.NewExpression): boolean {
    const { provenance } = this.typed;
    const at = call.arguments?.indexOf(argument) ?? -1;
    const declaration = this.checker.getResolvedSignature(call)?.declaration;
    if (declaration === undefined || ts.isJSDocSignature(declaration)) return false;
    const parameter = declaration.parameters[Math.min(at, declaration.parameters.length - 1)];
    if (parameter === undefined || !ts.isParameter(parameter)) return false;
    if (parameter.dotDotDotToken !== undefined && parameter.type !== undefined) return provenance.ofElementType(parameter.type) === 'live';
    return provenance.ofDeclaration(parameter) === 'live';
  }
}

/** Whether what is expected of an expression, or of the literal around it, is what it `satisfies`: that tells what it is and takes nothing away. */
function isSatisfied(node: ts.Expression): boolean {
  let outer: ts.Node = node.parent;
  while (ts.isArrayLiteralExpression(outer) || ts.isObjectLiteralExpression(outer) || ts.isPropertyAssignment(outer) || ts.isShorthandPropertyAssignment(outer) || ts.isParenthesizedExpression(outer) || ts.isConditionalExpression(outer)) {
    outer = outer.parent;
  }
  return ts.isSatisfiesExpression(outer);
}

/** Whether an expression is a part of what a pattern takes apart at once: `const [first] = [ptep]`. To the compiler the pattern expects anything. */
function isTakenApart(node: ts.Expression): boolean {
  let outer: ts.Node = node;
  while (ts.isArrayLiteralExpression(outer.parent) || ts.isObjectLiteralExpression(outer.parent) || ts.isPropertyAssignment(outer.parent) || ts.isShorthandPropertyAssignment(outer.parent) || ts.isParenthesizedExpression(outer.parent)) {
    outer = outer.parent;
  }
  const { parent } = outer;
  if (outer === node || !(ts.isVariableDeclaration(parent) || ts.isParameter(parent) || ts.isBindingElement(parent)) || parent.initializer !== outer) return false;
  return !ts.isIdentifier(parent.name) && (ts.isBindingElement(parent) || parent.type === undefined);
}

/** Whether a parameter says what it takes; one that does not takes what it is given. */
function saysType(parameter: TSESTree.Parameter): boolean {
  if (parameter.type === AST_NODE_TYPES.TSParameterProperty) return true;
  return parameter.type === AST_NODE_TYPES.AssignmentPattern || parameter.typeAnnotation !== undefined;
}

const CALL = /^(call|bind)$/;
const APPLY = /^apply$/;

/** Whether a parameter stands for all arguments from there on. */
function isRest({ valueDeclaration }: ts.Symbol): boolean {
  return valueDeclaration !== undefined && ts.isParameter(valueDeclaration) && valueDeclaration.dotDotDotToken !== undefined;
}

/** Whether a type is one of functions. */
function isCalled(type: ts.Type): boolean {
  return (type.flags & PRIMITIVE) === 0 && type.getCallSignatures().length > 0;
}

/** Written types that a handle would go to without a word. */
const TAKES_ANYTHING: ReadonlySet<AST_NODE_TYPES | undefined> = new Set([AST_NODE_TYPES.TSNumberKeyword, AST_NODE_TYPES.TSBigIntKeyword, AST_NODE_TYPES.TSAnyKeyword, AST_NODE_TYPES.TSUnknownKeyword]);

const CHOICES: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.BarBarToken, ts.SyntaxKind.QuestionQuestionToken, ts.SyntaxKind.AmpersandAmpersandToken, ts.SyntaxKind.CommaToken,
]);

/** Expressions whose values are no lists of anything. */
const HOLDS_NOTHING: ReadonlySet<AST_NODE_TYPES> = new Set([
  AST_NODE_TYPES.Literal, AST_NODE_TYPES.TemplateLiteral, AST_NODE_TYPES.UnaryExpression, AST_NODE_TYPES.BinaryExpression, AST_NODE_TYPES.UpdateExpression, AST_NODE_TYPES.ArrowFunctionExpression,
  AST_NODE_TYPES.FunctionExpression, AST_NODE_TYPES.ObjectExpression, AST_NODE_TYPES.ClassExpression,
]);
