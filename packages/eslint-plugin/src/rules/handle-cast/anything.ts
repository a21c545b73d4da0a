import { AST_NODE_TYPES, ASTUtils, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { isPrimitive, saysType } from '../../ast.js';
import { firstOf } from '../../first-of.js';
import { pairs } from '../../pairs.js';
import type { Typed } from '../../typed.js';
import { wantedResult } from '../../types/wanted-result.js';
import { AnyParts } from './any-parts.js';
import { isNothing, type Casts } from './casts.js';
import { chainOf, isCast } from './chains.js';
import type { Generics } from './generics.js';
import { Held, type HandleWithin } from './held.js';

/** What is `any` where handles are wanted, in a file. */
export class Anything {
  private readonly types: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly toTs: Typed['services']['esTreeNodeToTSNodeMap'];
  private readonly held: Held;
  private readonly anyParts: AnyParts;
  private readonly casts: Casts;
  private readonly generics: Generics;
  private readonly report: (node: TSESTree.Node, handle: HandleWithin) => void;

  /** @param report where one is found */
  constructor(types: Typed, casts: Casts, generics: Generics, report: (node: TSESTree.Node, handle: HandleWithin) => void) {
    this.types = types;
    this.checker = types.types.checker;
    this.toTs = types.services.esTreeNodeToTSNodeMap;
    this.held = Held.of(types.types);
    this.anyParts = AnyParts.of(types.types);
    this.casts = casts;
    this.generics = generics;
    this.report = report;
  }

  /** What is `any` where a handle, or a list of them, is wanted. */
  checkAny(node: TSESTree.Expression | null | undefined): void {
    if (node === null || node === undefined || (isPrimitive(node) && !isSum(node))) return;
    if (this.checkReturned(node)) return;
    const mayHold = !LITERALS.has(node.type) && this.types.mayBe(node, this.anyParts.isHeld);
    if (!mayHold && !this.types.mayBeAny(node)) return;
    // What is expected is known sooner than what is given.
    const given = this.toTs.get(node) as ts.Expression;
    const expected = this.checker.getContextualType(given) ?? wantedResult(this.checker, given);
    const wanted = expected === undefined ? undefined : this.held.wanted(expected);
    if (expected === undefined || wanted === undefined) return;
    const handle = this.types.isAny(node) ? (isNothing(node) ? undefined : wanted) : mayHold ? this.heldAnyFor(node, given, expected) : undefined;
    if (handle !== undefined && !this.isToldAlready(node)) this.report(node, handle);
  }

  /** A function by its name that returns what is `any`, where one is expected that returns a handle: `entries = lines.map(JSON.parse)`. Returns: whether it is one. */
  private checkReturned(node: TSESTree.Expression): boolean {
    if ((node.type !== AST_NODE_TYPES.Identifier && node.type !== AST_NODE_TYPES.MemberExpression) || !this.types.mayBe(node, this.anyParts.isReturned)) return false;
    const expected = this.checker.getContextualType(this.toTs.get(node) as ts.Expression);
    const wanted = expected === undefined ? undefined : this.anyParts.wantedOf(expected);
    const handle = wanted !== undefined && this.types.is(node, this.anyParts.isReturned) ? wanted : undefined;
    if (handle !== undefined) this.report(node, handle);
    return handle !== undefined;
  }

  /** The handle that is wanted where a list, a map, a record of nobody knows what is given. What is written as a literal is looked at part by part. */
  private heldAnyFor(node: TSESTree.Expression, given: ts.Expression, expected: ts.Type): HandleWithin | undefined {
    if (!this.types.is(node, this.anyParts.isHeld) || this.bringsNoAny(node)) return undefined;
    // What is put into a list that begins without a type says what it is a list of.
    return this.anyParts.anyFor(this.checker.getTypeAtLocation(given), expected, 0);
  }

  /** Whether nothing that is in what holds `any` comes from there: it is new, or a list of handles that was asked whether it is a list. Of a choice, both sides. */
  private bringsNoAny(node: TSESTree.Expression): boolean {
    if (node.type === AST_NODE_TYPES.ConditionalExpression) return [node.consequent, node.alternate].every((side) => this.isSideWithout(side));
    if (node.type === AST_NODE_TYPES.LogicalExpression) return [node.left, node.right].every((side) => this.isSideWithout(side));
    return (isOfNothing(node) && !this.isFilled(node)) || this.isToBeFilled(node) || this.isOfHandles(node);
  }

  /** Whether a new list is filled with what is no handle, and not nothing: `new Array(512).fill(0)`. */
  private isFilled(node: TSESTree.Expression): boolean {
    if (node.type !== AST_NODE_TYPES.CallExpression || node.callee.type !== AST_NODE_TYPES.MemberExpression || ASTUtils.getPropertyName(node.callee) !== 'fill') return false;
    const [first] = node.arguments;
    return first?.type === AST_NODE_TYPES.Literal && first.value !== null;
  }

  private isSideWithout(side: TSESTree.Expression): boolean {
    return !this.types.isAny(side) && (!this.types.is(side, this.anyParts.isHeld) || this.bringsNoAny(side));
  }

  /** Whether something was declared as what holds handles. Of what may be a read-only list, `Array.isArray()` makes a list of `any`. */
  private isOfHandles(node: TSESTree.Expression): boolean {
    const name = node.type === AST_NODE_TYPES.MemberExpression && !node.computed ? node.property : node;
    const declaration = name.type === AST_NODE_TYPES.Identifier ? this.types.symbolOf(name)?.valueDeclaration : undefined;
    const written = declaration !== undefined && (ts.isVariableDeclaration(declaration) || ts.isParameter(declaration) || ts.isPropertySignature(declaration) || ts.isPropertyDeclaration(declaration)) ? declaration.type : undefined;
    const said = written === undefined ? undefined : this.checker.getTypeFromTypeNode(written);
    return said !== undefined && this.held.within(said) !== undefined && !this.types.types.passes(said, this.anyParts.isHeld);
  }

  /** Whether something is a variable of which nobody said what it will be of: `const entries = new Array(512);`. */
  private isToBeFilled(node: TSESTree.Expression): boolean {
    const declaration = node.type === AST_NODE_TYPES.Identifier ? this.types.symbolOf(node)?.valueDeclaration : undefined;
    return declaration !== undefined && ts.isVariableDeclaration(declaration) && declaration.type === undefined && declaration.initializer !== undefined && ts.isNewExpression(declaration.initializer);
  }

  /** `{ ...anything }`, `[...anything]` and `<Row {...anything} />`, where an object with a handle or a list of handles is wanted. */
  checkSpreadInLiteral(node: TSESTree.SpreadElement | TSESTree.JSXSpreadAttribute): void {
    const { argument, parent } = node;
    if ((parent.type !== AST_NODE_TYPES.ObjectExpression && parent.type !== AST_NODE_TYPES.ArrayExpression && parent.type !== AST_NODE_TYPES.JSXOpeningElement) || !(this.types.mayBeAny(argument) || this.types.mayBe(argument, this.anyParts.isHeld))) return;
    const whole = this.toTs.get(parent);
    const expected = this.checker.getContextualType(ts.isJsxOpeningLikeElement(whole) ? whole.attributes : whole);
    if (expected === undefined || this.held.wanted(expected) === undefined || !(this.types.isAny(argument) || (this.types.is(argument, this.anyParts.isHeld) && !this.bringsNoAny(argument)))) return;
    const wanted = this.checker.getNonNullableType(expected);
    const given = this.checker.getTypeAtLocation(this.toTs.get(argument));
    const after = parent.type === AST_NODE_TYPES.ArrayExpression ? [] : siblingsAfter(node, parent);
    const handle = parent.type === AST_NODE_TYPES.ArrayExpression ? this.anyParts.anyFor(given, wanted, 0) : firstOf(this.held.inField(wanted) === undefined ? [] : wanted.getProperties(), (property) => (after.some((one) => this.isGiven(one, property.name)) ? undefined : this.anyParts.anyForField(given, property, 0)));
    if (handle !== undefined) this.report(node, handle);
  }

  /** Whether a property is written, or something is spread that always has it, and not one that is any. */
  private isGiven(one: Sibling, name: string): boolean {
    if (one.type === AST_NODE_TYPES.Property) return ASTUtils.getPropertyName(one) === name;
    if (one.type === AST_NODE_TYPES.JSXAttribute) return one.name.name === name;
    const property = this.checker.getTypeAtLocation(this.toTs.get(one.argument)).getProperty(name);
    return property !== undefined && (property.flags & ts.SymbolFlags.Optional) === 0 && (this.checker.getTypeOfSymbol(property).flags & ts.TypeFlags.Any) === 0;
  }

  /** A list of nobody knows what, of which each is a handle to the function that is called. */
  checkSpread(node: TSESTree.SpreadElement, call: TSESTree.CallExpression | TSESTree.NewExpression): void {
    if (!this.types.isAny(node.argument) && !(this.types.is(node.argument, this.anyParts.isHeld) && this.anyParts.hasAny(this.types.typeOf(node.argument)) && !this.bringsNoAny(node.argument))) return;
    const parameters = this.types.signatureOf(call)?.parameters ?? [];
    const handle = parameters.slice(call.arguments.indexOf(node)).concat(parameters.slice(-1)).map((one) => this.held.within(this.checker.getTypeOfSymbol(one))).find((found) => found !== undefined);
    if (handle !== undefined) this.report(node, handle);
  }

  /** Whether what made it `any` is reported itself. */
  private isToldAlready(node: TSESTree.Expression): boolean {
    if (node.type === AST_NODE_TYPES.TSSatisfiesExpression) return this.held.within(this.types.typeOf(node.typeAnnotation)) !== undefined;
    if (node.type === AST_NODE_TYPES.CallExpression) return this.generics.genericOf(node) !== undefined;
    if (node.type === AST_NODE_TYPES.AssignmentExpression) return node.operator === '=' && (this.isRefused(node.right) || this.isToldAlready(node.right));
    if (node.type === AST_NODE_TYPES.Identifier) return this.isRefused(this.beginningOf(node));
    if (!isCast(node)) return false;
    const { inner, steps } = chainOf(node);
    return this.casts.problemOf(node, inner, steps) !== undefined;
  }

  /** Whether something is the sum of a handle and a number, of which the compiler, where it refuses it, makes `any`: it is no-handle-arithmetic that tells. */
  private isRefused(node: TSESTree.Node | undefined): boolean {
    return node?.type === AST_NODE_TYPES.BinaryExpression && node.operator === '+' && (this.types.handleOf(node.left) !== undefined || this.types.handleOf(node.right) !== undefined);
  }

  /** What a variable of this file begins with that says no type. */
  private beginningOf(node: TSESTree.Identifier): TSESTree.Node | undefined {
    const declaration = this.types.symbolOf(node)?.valueDeclaration;
    const begins = declaration !== undefined && ts.isVariableDeclaration(declaration) && declaration.type === undefined ? declaration.initializer : undefined;
    return begins === undefined ? undefined : this.types.services.tsNodeToESTreeNodeMap.get(begins);
  }

  /** A function that takes handles, where it is called with nobody knows what: `found.forEach((ptep: Handles['pte']) => ...)`. Returns: whether it is one. */
  checkCallback(node: TSESTree.Expression, call: TSESTree.CallExpression | TSESTree.NewExpression): boolean {
    const called = this.mayTake(node) ? this.calledWithAny(node, call) : undefined;
    if (called === undefined || !this.types.is(node, this.held.areTaken) || this.isCalledOnHandles(call)) return false;
    const [taking] = this.types.typeOf(node).getCallSignatures();
    const handle = firstOf(pairs(called.parameters, taking?.parameters ?? []).slice(isReduced(call) ? 1 : 0), ([given, taken]) => this.anyParts.anyForParameter(given, taken));
    if (handle !== undefined) this.report(node, handle);
    return true;
  }

  /** Whether something may be a function that says itself what it takes. */
  private mayTake(node: TSESTree.Expression): boolean {
    if (node.type === AST_NODE_TYPES.ArrowFunctionExpression || node.type === AST_NODE_TYPES.FunctionExpression) return node.params.some(saysType);
    return node.type === AST_NODE_TYPES.Identifier || node.type === AST_NODE_TYPES.MemberExpression || node.type === AST_NODE_TYPES.CallExpression;
  }

  /** How an argument is called that is expected to take what is `any`. */
  private calledWithAny(node: TSESTree.Expression, call: TSESTree.CallExpression | TSESTree.NewExpression): ts.Signature | undefined {
    const expected = this.types.signatureOf(call)?.parameters[call.arguments.indexOf(node)];
    const type = expected === undefined ? undefined : this.checker.getTypeOfSymbol(expected);
    return type === undefined || !this.types.types.passes(type, this.anyParts.isTaken) ? undefined : this.checker.getNonNullableType(type).getCallSignatures()[0];
  }

  /** Whether a method is one of a list of which somebody said that it has handles, or that is new. */
  private isCalledOnHandles({ callee }: TSESTree.CallExpression | TSESTree.NewExpression): boolean {
    return callee.type === AST_NODE_TYPES.MemberExpression && this.bringsNoAny(callee.object);
  }
}

/** Their parts are looked at where they are written. */
export const LITERALS: ReadonlySet<string> = new Set([AST_NODE_TYPES.ArrayExpression, AST_NODE_TYPES.ObjectExpression, AST_NODE_TYPES.ArrowFunctionExpression, AST_NODE_TYPES.FunctionExpression]);

/** A sum with `any` is any. */
function isSum(node: TSESTree.Expression): boolean {
  return node.type === AST_NODE_TYPES.BinaryExpression && node.operator === '+';
}

/** Whether the first that a callback is given is not of the list, but what it returned before: `entries.reduce((all, one) => ..., [])`. */
function isReduced({ callee }: TSESTree.CallExpression | TSESTree.NewExpression): boolean {
  return callee.type === AST_NODE_TYPES.MemberExpression && callee.property.type === AST_NODE_TYPES.Identifier && callee.property.name.startsWith('reduce');
}

/** What a list that has room for something makes of itself: `new Array(4).fill(ptep)`. */
function isOfNothing(node: TSESTree.Expression): boolean {
  return isNothing(node) || (node.type === AST_NODE_TYPES.CallExpression && node.callee.type === AST_NODE_TYPES.MemberExpression && isOfNothing(node.callee.object));
}

type Sibling = TSESTree.ObjectLiteralElement | TSESTree.JSXAttribute | TSESTree.JSXSpreadAttribute;

/** What is written after something that is spread, into the same object or element. */
function siblingsAfter(node: TSESTree.SpreadElement | TSESTree.JSXSpreadAttribute, parent: TSESTree.ObjectExpression | TSESTree.JSXOpeningElement): readonly Sibling[] {
  const all: readonly Sibling[] = parent.type === AST_NODE_TYPES.ObjectExpression ? parent.properties : parent.attributes;
  return all.slice(all.indexOf(node) + 1);
}
