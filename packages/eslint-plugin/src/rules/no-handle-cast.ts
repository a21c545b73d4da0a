import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { isConst, isPrimitive, saysType } from '../ast.js';
import { createRule } from '../create-rule.js';
import { firstOf } from '../first-of.js';
import { inOneGo } from '../in-one-go.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';
import { CONTAINERS, stepInto } from '../types/provenance/path.js';
import { isReference, PRIMITIVE, STRUCTURED } from '../types/types.js';
import { isRest } from './raw-deref/launders.js';

const MESSAGES = {
  ...NO_TYPES,
  from: 'A cast makes something else of the handle of a live {{level}} entry: what it is at run time is the architecture\'s business. Keep the handle, or read the entry by its accessor.',
  to: 'A cast makes a handle of a live {{level}} entry of what is none. Handles come from accessors: of the entry above, of the table, or of a neighbour.',
  forged: 'A cast makes a pointer to a value held aside of a number. Such pointers come from an EntryBuffer.',
  any: 'What is `any` is taken for the handle of a live {{level}} entry, and nobody knows whether it is one. Give it its type where it comes from.',
  generic: 'This call returns whatever type it is asked for, so it is a cast in disguise, here {{direction}} the handle of a live {{level}} entry.',
  satisfies: '`satisfies {{written}}` says nothing about the handle of a live {{level}} entry, and hides that it is one from the reader.',
  predicate: 'This function declares that something is the handle of a live {{level}} entry, which nothing can find out at run time.',
} as const;

type Messages = keyof typeof MESSAGES;
type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;
type Cast = TSESTree.TSAsExpression | TSESTree.TSTypeAssertion;

interface Problem {
  readonly messageId: Messages;
  readonly data: Readonly<Record<string, string>>;
}

/** Whether functions are casts in disguise, for all files that call them. */
const disguises = new WeakMap<ts.SignatureDeclaration, boolean>();

/** Casts to and from handles, in every dress: `as`, angle brackets, by way of `unknown`, `any` and generics, `satisfies`, predicates. */
export const noHandleCast = createRule<Messages>({
  name: 'no-handle-cast',
  meta: {
    type: 'problem',
    docs: { description: 'Nothing is cast to or from the handle of a live page-table entry', config: 'recommended', typed: true },
    messages: MESSAGES,
  },
  create(context) {
    const types = typed(context);
    return types === undefined ? {} : inOneGo(context.sourceCode, listeners(context, types));
  },
});

function listeners(context: Context, types: Typed): TSESLint.RuleListener {
  const { checker } = types.types;
  const toTs = types.services.esTreeNodeToTSNodeMap;
  /** Casts that were reported: what stands inside of them is not told again. */
  const castNodes = new Set<Cast>();

  /** A type that is a handle, or a list, a promise or a set of handles. */
  const handleWithin = types.types.remembered('handle within', (type) => findWithin(type, 0));

  const isHandleWithin = types.types.test('whether a handle is within', (type) => handleWithin(type) !== undefined);

  /** A type may lead back to itself: `type Json = string | Json[]`. */
  function findWithin(type: ts.Type, depth: number): { readonly level: string; readonly form: string } | undefined {
    const own = types.types.handle(type);
    if (own !== undefined) return { level: own.level ?? 'page-table', form: own.form };
    if (type.isUnion()) return firstOf(type.types, (one) => findWithin(one, depth));
    const container = depth > MAX_DEPTH ? undefined : types.types.container(type);
    return container && firstOf(container.parts, (one) => findWithin(one, depth + 1));
  }

  /** Whether something holds what is `any`: a list or another generic of it, or an object with a field of it. */
  const holdsAny = types.types.test('holds any', (type) => findAny(type, 0));

  function findAny(type: ts.Type, depth: number): boolean {
    if (type.isUnion()) return type.types.length <= MAX_FIELDS && type.types.some((one) => findAny(one, depth));
    if (depth > MAX_DEPTH || (type.flags & ts.TypeFlags.Object) === 0) return false;
    const isAny = (one: ts.Type | undefined): boolean => one !== undefined && (one.flags & ts.TypeFlags.Any) !== 0;
    if (isReference(type)) return checker.getTypeArguments(type).some((one) => isAny(one) || findAny(one, depth + 1));
    if (isAny(type.getStringIndexType())) return true;
    const [declaration] = (type.symbol as ts.Symbol | undefined)?.declarations ?? [];
    if (declaration !== undefined && types.services.program.isSourceFileDefaultLibrary(declaration.getSourceFile())) return false;
    const properties = type.getProperties();
    return properties.length <= MAX_FIELDS && properties.some((property) => {
      // What says its type need not be asked what that is.
      const said = (property.valueDeclaration as Partial<ts.PropertySignature> | undefined)?.type;
      return said === undefined ? (property.flags & ts.SymbolFlags.Method) === 0 && isAny(checker.getTypeOfSymbol(property)) : said.kind === ts.SyntaxKind.AnyKeyword;
    });
  }

  /** The handle in a field of a record, of an object without methods; or in one of many such, or of one in it. */
  const handleInField = types.types.remembered('handle in a field', (type) => findInField(type, 0));

  function findInField(given: ts.Type, depth: number): { readonly level: string } | undefined {
    const type = types.types.bound(given);
    // One of many kinds, as a node of a syntax tree, is no record, and each of them would lead to all others.
    if (type.isUnion()) return depth > 0 || type.types.length > MAX_FIELDS ? undefined : firstOf(type.types, (one) => findInField(one, depth));
    if (depth > MAX_DEPTH || (type.flags & STRUCTURED) === 0 || !types.types.mayHaveHandles(type) || types.types.isFamily(type)) return undefined;
    const container = types.types.container(type);
    if (container !== undefined) return firstOf(container.parts, (one) => findInField(checker.getNonNullableType(one), depth + 1));
    const properties = type.getProperties();
    if (properties.length > MAX_FIELDS || properties.some(({ flags }) => (flags & ts.SymbolFlags.Method) !== 0)) return undefined;
    return firstOf(properties, (property) => {
      const held = checker.getTypeOfSymbol(property);
      const handle = handleWithin(held);
      if (handle === undefined) return findInField(checker.getNonNullableType(held), depth + 1);
      return isMeantAside(property, held) ? undefined : { level: handle.level };
    });
  }

  /** The handle that something of a type is, or has. */
  const handleWanted = types.types.remembered('handle wanted', (type) => handleWithin(type) ?? handleInField(checker.getNonNullableType(type)));

  const takesHandles = types.types.test('takes handles', (type) => type.getCallSignatures().some(({ parameters }) => parameters.some((one) => handleWanted(checker.getTypeOfSymbol(one)) !== undefined)));

  const takesAny = types.types.test('takes any', (type) => checker.getNonNullableType(type).getCallSignatures().some(({ parameters }) => parameters.some((one) => (checker.getTypeOfSymbol(one).flags & ts.TypeFlags.Any) !== 0)));

  /** Whether a field that is a handle, or many, is meant for values held aside. */
  function isMeantAside(field: ts.Symbol, type: ts.Type): boolean {
    if (types.types.handle(type) !== undefined) return types.provenance.ofMeant(field) === 'aside';
    const { valueDeclaration } = field;
    const written = valueDeclaration !== undefined && (ts.isPropertySignature(valueDeclaration) || ts.isPropertyDeclaration(valueDeclaration) || ts.isParameter(valueDeclaration)) ? valueDeclaration.type : undefined;
    return written !== undefined && types.provenance.ofElementType(written) === 'aside';
  }

  /** Whether a written type is that of a live handle, or of many; what is spelled `EntryPtr` is that of a value held aside. */
  function isLiveNode(node: TSESTree.TypeNode): boolean {
    const written = toTs.get(node) as ts.TypeNode;
    return types.provenance.ofTypeNode(written) !== 'aside' && types.provenance.ofElementType(written) !== 'aside';
  }

  /** Whether an expression whose type is a handle, or many, is of live entries. */
  function isLive(node: TSESTree.Expression): boolean {
    return types.handleOf(node) === undefined ? types.provenance.ofElements(toTs.get(node) as ts.Expression) !== 'aside' : types.isLive(node);
  }

  function checkCast(node: Cast): void {
    // A chain of casts is one: what counts is what goes in and what comes out.
    if (isInChain(node)) return;
    const { inner, steps } = chainOf(node);
    if (steps.every(({ typeAnnotation }) => isConst(typeAnnotation))) return;
    const problem = problemOf(node, inner, steps);
    if (problem === undefined) return;
    castNodes.add(node);
    context.report({ node, ...problem });
  }

  function problemOf(node: Cast, inner: TSESTree.Expression, steps: readonly Cast[]): Problem | undefined {
    const after = types.typeOf(node);
    const to = handleWithin(after);
    if (after.flags & ts.TypeFlags.Never && handleWithin(types.typeOf(inner)) === undefined) return ofNever(node, inner);
    // Most casts of numbers and texts make others of them.
    if (to === undefined && steps.length === 1 && (isPrimitive(inner) || (isOfPrimitives(after) && !types.mayBe(inner, isHandleWithin)))) return undefined;
    const before = types.typeOf(inner);
    const from = handleWithin(before);
    if (from === undefined && to === undefined) {
      // number -> handle -> number: a handle on the way only.
      const between = steps.map(({ typeAnnotation }) => handleWithin(types.typeOf(typeAnnotation))).find((found) => found !== undefined);
      if (between !== undefined) return { messageId: 'to', data: between };
      const side = sideOf(inner);
      return side === undefined ? ofParts(node, before, after) : { messageId: 'from', data: side };
    }
    const wasLive = from !== undefined && isLive(inner);
    const last = steps.at(-1)!.typeAnnotation;
    if (to === undefined) return wasLive ? { messageId: 'from', data: from } : undefined;
    const becomesLive = isLiveNode(last);
    if (from === undefined) {
      // [], undefined, new Array(512): nothing that could be something else.
      if (isNothing(inner) || (steps.length === 1 && !hasAny(before) && isAlready(before, after))) return undefined;
      return becomesLive ? { messageId: 'to', data: to } : { messageId: 'forged', data: to };
    }
    const sameType = isAlready(checker.getNonNullableType(before), after) || isOfSame(before, after);
    if (sameType && steps.length === 1 && wasLive === becomesLive) return undefined;
    if (becomesLive) return { messageId: 'to', data: to };
    if (wasLive) return { messageId: 'from', data: from };
    return from.level === to.level ? undefined : { messageId: 'forged', data: to };
  }

  /** `null as never` passes for everything, so for a handle where one is wanted. */
  function ofNever(node: Cast, inner: TSESTree.Expression): Problem | undefined {
    if (types.typeOf(inner).flags & ts.TypeFlags.Never) return undefined;
    const expected = checker.getContextualType(toTs.get(node));
    const handle = expected === undefined ? undefined : handleWanted(expected);
    return handle === undefined ? undefined : { messageId: 'to', data: handle };
  }

  /** Whether the compiler knows that what is of one type is of another. While nobody knows what H is, it lets anything pass for `H['pte']`. */
  function isAlready(before: ts.Type, after: ts.Type): boolean {
    if (!checker.isTypeAssignableTo(before, after)) return false;
    const to = handleWithin(after);
    if (to?.form !== 'generic') return true;
    const from = handleWithin(before);
    if (from !== undefined) return from.level === to.level && from.form === 'generic';
    return after.isUnion() && after.types.some((one) => handleWithin(one) === undefined && checker.isTypeAssignableTo(before, one));
  }

  /** Whether a list, a set or the like is cast to another of the same handles: one that may be written to, or without `undefined` in it. */
  function isOfSame(before: ts.Type, after: ts.Type): boolean {
    const held = heldBy(checker.getNonNullableType(before));
    const heldAfter = heldBy(checker.getNonNullableType(after));
    if (held === undefined || heldAfter?.size !== held.size) return false;
    return [...held].every((one) => heldAfter.has(one)) && checker.isTypeAssignableTo(after, before);
  }

  /** The handles in a list, a set or the like; undefined for what is none of these. */
  function heldBy(type: ts.Type): ReadonlySet<ts.Type> | undefined {
    if (!isReference(type) || types.types.handle(type) !== undefined) return undefined;
    return new Set(checker.getTypeArguments(type).filter((one) => handleWithin(one) !== undefined).map((one) => checker.getNonNullableType(one)));
  }

  /** The live handle that a choice may come out as. Where the other side is a number the compiler makes a number of both under the alias. */
  function sideOf(choice: TSESTree.Expression): { readonly level: string } | undefined {
    if (choice.type === AST_NODE_TYPES.ConditionalExpression) return sideOf(choice.consequent) ?? sideOf(choice.alternate);
    if (choice.type === AST_NODE_TYPES.LogicalExpression) return (choice.operator === '&&' ? undefined : sideOf(choice.left)) ?? sideOf(choice.right);
    const handle = types.handleOf(choice);
    return handle === undefined || !types.isLive(choice) ? undefined : { level: handle.level ?? 'page-table' };
  }

  /** A cast of something that has handles in it: a field, a parameter, a type argument that is a handle on one side and a number on the other. */
  function ofParts(node: Cast, before: ts.Type, after: ts.Type): Problem | undefined {
    const { parent } = node;
    if (after.flags & ts.TypeFlags.Any && parent.type === AST_NODE_TYPES.MemberExpression && !parent.computed && parent.object === node && parent.property.type === AST_NODE_TYPES.Identifier) {
      // (fault as any).ptep
      const property = checker.getNonNullableType(before).getProperty(parent.property.name);
      const handle = property === undefined ? undefined : types.types.handle(checker.getTypeOfSymbol(property));
      return handle === undefined || types.provenance.ofMeant(property!) === 'aside' ? undefined : { messageId: 'from', data: { level: handle.level ?? 'page-table' } };
    }
    // JSON.parse(message) as Fault
    const isAnything = (before.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) !== 0;
    const named = isAnything ? checker.getNonNullableType(after).getStringIndexType() : undefined;
    const inRecord = named === undefined ? undefined : handleWithin(named);
    if (inRecord !== undefined) return isLiveNode(node.typeAnnotation) ? { messageId: 'to', data: inRecord } : undefined;
    const field = isAnything ? handleInField(checker.getNonNullableType(after)) : undefined;
    return field === undefined ? partsOf(checker.getNonNullableType(before), checker.getNonNullableType(after), 0) : { messageId: 'to', data: field };
  }

  function partsOf(given: ts.Type, wanted: ts.Type, depth: number): Problem | undefined {
    const [before, after] = [types.types.bound(given), types.types.bound(wanted)];
    // What is generic over families is cast to AnyArch and back: its handles are nobody's business there.
    if (before === after || depth > 3 || types.types.isFamily(before) || types.types.isFamily(after)) return undefined;
    const from = types.types.handle(before);
    const to = types.types.handle(after);
    if (from !== undefined && to !== undefined) {
      return from.level !== undefined && to.level !== undefined && from.level !== to.level ? { messageId: 'to', data: { level: to.level } } : undefined;
    }
    if (from !== undefined) return isNumber(after) ? { messageId: 'from', data: { level: from.level ?? 'page-table' } } : undefined;
    if (to !== undefined) return isNumber(before) ? { messageId: 'to', data: { level: to.level ?? 'page-table' } } : undefined;
    if ((before.flags & STRUCTURED) === 0 || (after.flags & STRUCTURED) === 0) return undefined;
    if (isReference(before) && isReference(after) && before.target === after.target) return first(pairs(checker.getTypeArguments(before), checker.getTypeArguments(after)), depth);
    const [called] = before.getCallSignatures();
    const [calledAfter] = after.getCallSignatures();
    if (called !== undefined && calledAfter !== undefined) {
      const parameters = ({ parameters }: ts.Signature): ts.Type[] => parameters.map((one) => checker.getTypeOfSymbol(one));
      return first([...pairs(parameters(called), parameters(calledAfter)), [called.getReturnType(), calledAfter.getReturnType()]], depth);
    }
    const fields = after.getProperties().flatMap((property): [ts.Type, ts.Type][] => {
      const same = property.flags & ts.SymbolFlags.Method ? undefined : before.getProperty(property.name);
      const named = same === undefined && handleWithin(checker.getTypeOfSymbol(property)) !== undefined && !isMeantAside(property, checker.getTypeOfSymbol(property)) ? before.getStringIndexType() : undefined;
      if (named !== undefined) return [[named, checker.getTypeOfSymbol(property)]];
      if (same === undefined || [property, same].some((one) => types.provenance.ofMeant(one) === 'aside')) return [];
      return [[checker.getTypeOfSymbol(same), checker.getTypeOfSymbol(property)]];
    });
    const others = checker.getIndexTypeOfType(after, ts.IndexKind.String);
    if (others !== undefined) {
      const othersBefore = checker.getIndexTypeOfType(before, ts.IndexKind.String);
      for (const one of othersBefore === undefined ? before.getProperties().map((property) => checker.getTypeOfSymbol(property)) : [othersBefore]) fields.push([one, others]);
    }
    return first(fields, depth);
  }

  function first(parts: readonly (readonly [ts.Type, ts.Type])[], depth: number): Problem | undefined {
    for (const [before, after] of parts) {
      const found = partsOf(checker.getNonNullableType(before), checker.getNonNullableType(after), depth + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Whether a type is `any`, or a list of that. */
  function hasAny(type: ts.Type): boolean {
    return (type.flags & ts.TypeFlags.Any) !== 0 || (isReference(type) && checker.getTypeArguments(type).some((one) => (one.flags & ts.TypeFlags.Any) !== 0));
  }

  /** What is `any` where a handle, or a list of them, is wanted. */
  function checkAny(node: TSESTree.Expression | null | undefined): void {
    if (node === null || node === undefined || (isPrimitive(node) && !isSum(node))) return;
    const mayHold = !LITERALS.has(node.type) && types.mayBe(node, holdsAny);
    if (!mayHold && !types.mayBeAny(node)) return;
    // What is expected is known sooner than what is given.
    const given = toTs.get(node) as ts.Expression;
    const expected = checker.getContextualType(given);
    const wanted = expected === undefined ? undefined : handleWanted(expected);
    if (expected === undefined || wanted === undefined) return;
    const handle = types.isAny(node) ? wanted : mayHold ? heldAnyFor(node, given, expected) : undefined;
    if (handle !== undefined && !isToldAlready(node)) context.report({ node, messageId: 'any', data: handle });
  }

  /** The handle that is wanted where a list, a map, a record of nobody knows what is given. What is written as a literal is looked at part by part. */
  function heldAnyFor(node: TSESTree.Expression, given: ts.Expression, expected: ts.Type): { readonly level: string } | undefined {
    if (!types.is(node, holdsAny) || bringsNoAny(node)) return undefined;
    // What is put into a list that begins without a type says what it is a list of.
    return anyFor(checker.getTypeAtLocation(given), expected, 0);
  }

  /** Whether nothing that is in what holds `any` comes from there: it is new, or a list of handles that was asked whether it is a list. Of a choice, both sides. */
  function bringsNoAny(node: TSESTree.Expression): boolean {
    if (node.type === AST_NODE_TYPES.ConditionalExpression) return [node.consequent, node.alternate].every(isSideWithout);
    if (node.type === AST_NODE_TYPES.LogicalExpression) return [node.left, node.right].every(isSideWithout);
    return isOfNothing(node) || isToBeFilled(node) || isOfHandles(node);
  }

  function isSideWithout(side: TSESTree.Expression): boolean {
    return !types.isAny(side) && (!types.is(side, holdsAny) || bringsNoAny(side));
  }

  /** Whether something was declared as what holds handles. Of what may be a read-only list, `Array.isArray()` makes a list of `any`. */
  function isOfHandles(node: TSESTree.Expression): boolean {
    const name = node.type === AST_NODE_TYPES.MemberExpression && !node.computed ? node.property : node;
    const declaration = name.type === AST_NODE_TYPES.Identifier ? types.symbolOf(name)?.valueDeclaration : undefined;
    const written = declaration !== undefined && (ts.isVariableDeclaration(declaration) || ts.isParameter(declaration) || ts.isPropertySignature(declaration) || ts.isPropertyDeclaration(declaration)) ? declaration.type : undefined;
    const said = written === undefined ? undefined : checker.getTypeFromTypeNode(written);
    return said !== undefined && handleWithin(said) !== undefined && !types.types.passes(said, holdsAny);
  }

  /** Whether something is a variable of which nobody said what it will be of: `const entries = new Array(512);`. */
  function isToBeFilled(node: TSESTree.Expression): boolean {
    const declaration = node.type === AST_NODE_TYPES.Identifier ? types.symbolOf(node)?.valueDeclaration : undefined;
    return declaration !== undefined && ts.isVariableDeclaration(declaration) && declaration.type === undefined && declaration.initializer !== undefined && ts.isNewExpression(declaration.initializer);
  }

  /** The handle that a part of what is wanted is, where the same part of what is given is `any`. */
  function anyFor(given: ts.Type, wanted: ts.Type, depth: number): { readonly level: string } | undefined {
    if (given.flags & ts.TypeFlags.Any) return handleWanted(wanted);
    if (given === wanted || depth > MAX_DEPTH) return undefined;
    if (wanted.isUnion()) return firstOf(wanted.types, (one) => anyFor(given, one, depth));
    if (given.isUnion()) return firstOf(given.types, (one) => anyFor(one, wanted, depth));
    if ((given.flags & ts.TypeFlags.Object) === 0 || (wanted.flags & ts.TypeFlags.Object) === 0) return undefined;
    const [of, wantedOf] = [types.types.container(given), types.types.container(wanted)];
    if (of !== undefined && wantedOf !== undefined) {
      if (of.isTuple === wantedOf.isTuple) return stepInto(of.name, 0) === stepInto(wantedOf.name, 0) ? firstOf(pairs(of.parts, wantedOf.parts), ([one, other]) => anyFor(one, other, depth + 1)) : undefined;
      // A list for a tuple, and the other way round.
      return of.isTuple ? firstOf(of.parts, (one) => anyFor(one, wantedOf.parts[0]!, depth + 1)) : firstOf(wantedOf.parts, (one) => anyFor(of.parts[0]!, one, depth + 1));
    }
    if (isReference(given) && isReference(wanted)) {
      return given.target === wanted.target ? firstOf(pairs(checker.getTypeArguments(given), checker.getTypeArguments(wanted)), ([one, other]) => anyFor(one, other, depth + 1)) : undefined;
    }
    const named = wanted.getStringIndexType();
    const namedAs = given.getStringIndexType();
    if (named !== undefined && namedAs !== undefined) return anyFor(namedAs, named, depth + 1);
    if (handleInField(wanted) === undefined) return undefined;
    return firstOf(wanted.getProperties(), (property) => anyForField(given, property, depth + 1));
  }

  function anyForField(given: ts.Type, wanted: ts.Symbol, depth: number): { readonly level: string } | undefined {
    const same = given.getProperty(wanted.name);
    const held = checker.getTypeOfSymbol(wanted);
    const isAside = handleWithin(held) !== undefined && isMeantAside(wanted, held);
    if (isAside || (same === undefined && (given.flags & ts.TypeFlags.Any) === 0)) return undefined;
    return anyFor(same === undefined ? given : checker.getTypeOfSymbol(same), held, depth);
  }

  /** `{ ...anything }` and `[...anything]`, where an object with a handle or a list of handles is wanted. */
  function checkSpreadInLiteral(node: TSESTree.SpreadElement): void {
    const { argument, parent } = node;
    if ((parent.type !== AST_NODE_TYPES.ObjectExpression && parent.type !== AST_NODE_TYPES.ArrayExpression) || !(types.mayBeAny(argument) || types.mayBe(argument, holdsAny))) return;
    const expected = checker.getContextualType(toTs.get(parent));
    if (expected === undefined || handleWanted(expected) === undefined || !(types.isAny(argument) || (types.is(argument, holdsAny) && !bringsNoAny(argument)))) return;
    const wanted = checker.getNonNullableType(expected);
    const given = checker.getTypeAtLocation(toTs.get(argument));
    const handle = parent.type === AST_NODE_TYPES.ArrayExpression ? anyFor(given, wanted, 0) : firstOf(handleInField(wanted) === undefined ? [] : wanted.getProperties(), (property) => (isGivenAfter(node, parent, property.name) || isSpreadAfter(node, parent, property.name) ? undefined : anyForField(given, property, 0)));
    if (handle !== undefined) context.report({ node, messageId: 'any', data: handle });
  }

  /** Whether something that is spread later always has a property, and not one that is any. */
  function isSpreadAfter(node: TSESTree.SpreadElement, { properties }: TSESTree.ObjectExpression, name: string): boolean {
    return properties.slice(properties.indexOf(node) + 1).some((one) => {
      const property = one.type === AST_NODE_TYPES.SpreadElement ? checker.getTypeAtLocation(toTs.get(one.argument)).getProperty(name) : undefined;
      return property !== undefined && (property.flags & ts.SymbolFlags.Optional) === 0 && (checker.getTypeOfSymbol(property).flags & ts.TypeFlags.Any) === 0;
    });
  }

  /** A list of nobody knows what, of which each is a handle to the function that is called. */
  function checkSpread(node: TSESTree.SpreadElement, call: TSESTree.CallExpression | TSESTree.NewExpression): void {
    if (!types.isAny(node.argument) && !(types.is(node.argument, holdsAny) && hasAny(types.typeOf(node.argument)) && !bringsNoAny(node.argument))) return;
    const parameters = types.signatureOf(call)?.parameters ?? [];
    const handle = parameters.slice(call.arguments.indexOf(node)).concat(parameters.slice(-1)).map((one) => handleWithin(checker.getTypeOfSymbol(one))).find((found) => found !== undefined);
    if (handle !== undefined) context.report({ node, messageId: 'any', data: handle });
  }

  /** Whether what made it `any` is reported itself. */
  function isToldAlready(node: TSESTree.Expression): boolean {
    if (node.type === AST_NODE_TYPES.TSSatisfiesExpression) return handleWithin(types.typeOf(node.typeAnnotation)) !== undefined;
    if (node.type === AST_NODE_TYPES.CallExpression) return genericOf(node) !== undefined;
    if (!isCast(node)) return false;
    const { inner, steps } = chainOf(node);
    return problemOf(node, inner, steps) !== undefined;
  }

  /** A function that takes handles, where it is called with nobody knows what: `found.forEach((ptep: Handles['pte']) => ...)`. Returns: whether it is one. */
  function checkCallback(node: TSESTree.Expression, call: TSESTree.CallExpression | TSESTree.NewExpression): boolean {
    const called = mayTake(node) ? calledWithAny(node, call) : undefined;
    if (called === undefined || !types.is(node, takesHandles) || isCalledOnHandles(call)) return false;
    const [taking] = types.typeOf(node).getCallSignatures();
    const handle = firstOf(pairs(called.parameters, taking?.parameters ?? []).slice(isReduced(call) ? 1 : 0), ([given, taken]) => anyForParameter(given, taken));
    if (handle !== undefined) context.report({ node, messageId: 'any', data: handle });
    return true;
  }

  /** Whether something may be a function that says itself what it takes. */
  function mayTake(node: TSESTree.Expression): boolean {
    if (node.type === AST_NODE_TYPES.ArrowFunctionExpression || node.type === AST_NODE_TYPES.FunctionExpression) return node.params.some(saysType);
    return node.type === AST_NODE_TYPES.Identifier || node.type === AST_NODE_TYPES.MemberExpression || node.type === AST_NODE_TYPES.CallExpression;
  }

  /** How an argument is called that is expected to take what is `any`. */
  function calledWithAny(node: TSESTree.Expression, call: TSESTree.CallExpression | TSESTree.NewExpression): ts.Signature | undefined {
    const expected = types.signatureOf(call)?.parameters[call.arguments.indexOf(node)];
    const type = expected === undefined ? undefined : checker.getTypeOfSymbol(expected);
    return type === undefined || !types.types.passes(type, takesAny) ? undefined : checker.getNonNullableType(type).getCallSignatures()[0];
  }

  function anyForParameter(given: ts.Symbol, taken: ts.Symbol): { readonly level: string } | undefined {
    const type = checker.getTypeOfSymbol(taken);
    // What stands for all arguments (`...args: any[]`) says nothing of one.
    if (isRest(given) || isRest(taken) || (handleWithin(type) !== undefined && isMeantAside(taken, type))) return undefined;
    return anyFor(checker.getTypeOfSymbol(given), type, 0);
  }

  /** Whether a method is one of a list of which somebody said that it has handles, or that is new. */
  function isCalledOnHandles({ callee }: TSESTree.CallExpression | TSESTree.NewExpression): boolean {
    return callee.type === AST_NODE_TYPES.MemberExpression && bringsNoAny(callee.object);
  }

  function checkCall(node: TSESTree.CallExpression | TSESTree.NewExpression): void {
    for (const argument of node.arguments) {
      if (argument.type === AST_NODE_TYPES.SpreadElement) checkSpread(argument, node);
      else if (!checkCallback(argument, node)) checkAny(argument);
    }
    const problem = node.type === AST_NODE_TYPES.CallExpression ? genericOf(node) : undefined;
    if (problem !== undefined) context.report({ node, ...problem });
  }

  /** What is wrong with a call that is a cast in disguise. */
  function genericOf(node: TSESTree.CallExpression): Problem | undefined {
    const to = types.is(node, isHandleWithin) ? handleWithin(types.typeOf(node)) : undefined;
    if (to === undefined && !types.mayGiveHandle(node)) return undefined;
    const declaration = types.signatureOf(node)?.declaration;
    if (declaration === undefined || ts.isJSDocSignature(declaration)) return undefined;
    if (to !== undefined) return returnsAnything(declaration) ? { messageId: 'generic', data: { direction: 'to', ...to } } : undefined;
    if (node.typeArguments === undefined && !returnsAnything(declaration)) return undefined;
    const given = node.arguments.findIndex((argument) => argument.type !== AST_NODE_TYPES.SpreadElement && types.isLive(argument));
    if (given < 0) return undefined;
    const taken = declaration.parameters[given]?.type;
    const takenAs = taken === undefined ? undefined : checker.getTypeFromTypeNode(taken);
    // What takes a handle as such may read there what it likes.
    if (takenAs !== undefined && types.types.handle(takenAs) !== undefined) return undefined;
    const asked = node.typeArguments === undefined || takenAs === undefined || (takenAs.flags & ts.TypeFlags.TypeParameter) === 0 ? undefined : checker.getContextualType(toTs.get(node.arguments[given]!) as ts.Expression);
    const isAsked = asked !== undefined && types.types.handle(asked) === undefined && (asked.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.Number | ts.TypeFlags.BigInt)) !== 0;
    if (!isAsked && !returnsAnything(declaration)) return undefined;
    return { messageId: 'generic', data: { direction: 'from', level: types.handleOf(node.arguments[given]!)?.level ?? 'page-table' } };
  }

  /** Whether the result type is a type parameter that no parameter has anything to do with: `cast<T>(x: unknown): T`. */
  function returnsAnything(declaration: ts.SignatureDeclaration): boolean {
    const known = disguises.get(declaration);
    if (known !== undefined) return known;
    const found = findsAnything(declaration);
    disguises.set(declaration, found);
    return found;
  }

  function findsAnything(declaration: ts.SignatureDeclaration): boolean {
    const signature = declaration.typeParameters === undefined ? undefined : checker.getSignatureFromDeclaration(declaration);
    if (signature === undefined) return false;
    let returned = checker.getNonNullableType(signature.getReturnType());
    if (isReference(returned) && (checker.isArrayType(returned) || (returned.symbol as ts.Symbol | undefined)?.name === 'Promise')) {
      // An empty list of whatever is asked for is none; one of unknown things is.
      if (checker.isArrayType(returned) ? !declaration.parameters.some(({ type }) => type !== undefined && isOfUnknown(type)) : declaration.parameters.length === 0) return false;
      returned = checker.getTypeArguments(returned)[0] ?? returned;
    }
    if ((returned.flags & ts.TypeFlags.Intersection) !== 0) returned = (returned as ts.IntersectionType).types.find((one) => one.flags & ts.TypeFlags.TypeParameter) ?? returned;
    const result = returned.symbol as ts.Symbol | undefined;
    if (result === undefined || (returned.flags & ts.TypeFlags.TypeParameter) === 0) return false;
    // One of the class or the function around, as Map's V, was decided before.
    if (!(declaration.typeParameters ?? []).some((parameter) => checker.getSymbolAtLocation(parameter.name) === result)) return false;
    const mentions = (node: ts.Node): boolean => (ts.isIdentifier(node) && checker.getSymbolAtLocation(node) === result) || (ts.forEachChild(node, mentions) ?? false);
    const ofParameters = declaration.parameters.some((parameter) => parameter.type !== undefined && mentions(parameter.type));
    const ofOthers = (declaration.typeParameters ?? []).some((parameter) => parameter.constraint !== undefined && checker.getSymbolAtLocation(parameter.name) !== result && mentions(parameter.constraint));
    return !ofParameters && !ofOthers;
  }

  /**
   * A live handle that is checked against a type that says nothing of it: itself, a list or the like of handles, or a part of what is written as a literal.
   *
   * @param also what says nothing beside `any` and numbers; in a part `unknown` only says that there is one
   */
  function lostIn(given: TSESTree.Node, type: ts.Type, also = 0): { readonly level: string } | undefined {
    if (isPrimitive(given)) return undefined;
    if (given.type === AST_NODE_TYPES.ObjectExpression) {
      for (const property of given.properties) {
        if (property.type !== AST_NODE_TYPES.Property || property.computed || property.key.type !== AST_NODE_TYPES.Identifier) continue;
        const symbol = type.getProperty(property.key.name);
        const wanted = symbol === undefined ? type.getStringIndexType() : checker.getTypeOfSymbol(symbol);
        const found = wanted === undefined ? undefined : lostIn(property.value, wanted);
        if (found !== undefined) return found;
      }
      return undefined;
    }
    if (given.type === AST_NODE_TYPES.ArrayExpression) {
      const wanted = type.getNumberIndexType();
      return wanted === undefined ? undefined : given.elements.map((one) => (one === null || one.type === AST_NODE_TYPES.SpreadElement ? undefined : lostIn(one, wanted))).find((found) => found !== undefined);
    }
    const saysNothing = isNumber(type) || (type.flags & also) !== 0;
    const handle = types.handleOf(given);
    if (handle !== undefined) return saysNothing && types.isLive(given) ? { level: handle.level ?? 'page-table' } : undefined;
    if (!types.is(given, isHandleWithin)) return undefined;
    const held = types.typeOf(given);
    const within = handleWithin(held);
    if (within === undefined || !isLive(given as TSESTree.Expression)) return undefined;
    return saysNothing || partsOf(checker.getNonNullableType(held), checker.getNonNullableType(type), 0) !== undefined ? within : undefined;
  }

  function checkField({ value }: TSESTree.PropertyDefinition | TSESTree.AccessorProperty): void {
    checkAny(value);
  }

  return {
    TSAsExpression: checkCast,
    TSTypeAssertion: checkCast,
    TSSatisfiesExpression(node) {
      if ((types.typeOf(node.expression).flags & ts.TypeFlags.Any) !== 0) checkAny(node.expression);
      if (chainAround(node).some((cast) => castNodes.has(cast))) return;
      if (isPrimitive(node.expression)) return;
      const lost = lostIn(node.expression, types.typeOf(node.typeAnnotation), ts.TypeFlags.Unknown);
      if (lost !== undefined) context.report({ node, messageId: 'satisfies', data: { level: lost.level, written: context.sourceCode.getText(node.typeAnnotation) } });
    },
    CallExpression: checkCall,
    NewExpression: checkCall,
    VariableDeclarator(node) {
      if (node.id.typeAnnotation !== undefined) checkAny(node.init);
    },
    AssignmentExpression(node) {
      if (node.operator === '=' || node.operator === '??=' || node.operator === '||=' || node.operator === '&&=') checkAny(node.right);
    },
    ReturnStatement(node) {
      checkAny(node.argument);
    },
    ArrowFunctionExpression(node) {
      if (node.body.type !== AST_NODE_TYPES.BlockStatement) checkAny(node.body);
    },
    Property(node) {
      if (node.parent.type === AST_NODE_TYPES.ObjectExpression) checkAny(node.value as TSESTree.Expression);
    },
    ArrayExpression(node) {
      for (const element of node.elements) if (element !== null && element.type !== AST_NODE_TYPES.SpreadElement) checkAny(element);
    },
    SpreadElement: checkSpreadInLiteral,
    PropertyDefinition: checkField,
    AccessorProperty: checkField,
    AssignmentPattern(node) {
      checkAny(node.right);
    },
    YieldExpression(node) {
      checkAny(node.argument);
    },
    TaggedTemplateExpression(node) {
      for (const part of node.quasi.expressions) checkAny(part);
    },
    JSXExpressionContainer(node) {
      if (node.expression.type !== AST_NODE_TYPES.JSXEmptyExpression) checkAny(node.expression);
    },
    TSTypePredicate(node) {
      if (node.typeAnnotation === null) return;
      const said = types.typeOf(node.typeAnnotation.typeAnnotation);
      const whole = types.types.handle(said);
      // `instanceof` finds out whether something is of a class.
      const handle = whole ?? handleWithin(said) ?? firstOf(said.isUnion() ? said.types : [said], (one) => ((isReference(one) ? one.target : one).isClass() ? undefined : handleInField(one)));
      if (handle === undefined) return;
      // Narrowing `H | undefined` to `H` needs no cast and is none.
      const parameter = node.parameterName.type === AST_NODE_TYPES.Identifier ? checker.getSymbolAtLocation(toTs.get(node.parameterName)) : undefined;
      const before = parameter === undefined ? undefined : checker.getTypeOfSymbol(parameter);
      // Of what has handles in it, one of several requests for instance, a property may tell which it is; of what nobody knows, nothing does.
      const isKnown = before === undefined ? whole === undefined : (whole === undefined ? (before.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) === 0 : types.types.handle(before) !== undefined);
      if (!isKnown) context.report({ node, messageId: 'predicate', data: { level: handle.level ?? 'page-table' } });
    },
  };
}

/** How deep the fields of fields are looked into, and lists in lists. */
const MAX_DEPTH = 3;

/** Whether the first that a callback is given is not of the list, but what it returned before: `entries.reduce((all, one) => ..., [])`. */
function isReduced({ callee }: TSESTree.CallExpression | TSESTree.NewExpression): boolean {
  return callee.type === AST_NODE_TYPES.MemberExpression && callee.property.type === AST_NODE_TYPES.Identifier && callee.property.name.startsWith('reduce');
}

/** What has more is no record of an entry. */
const MAX_FIELDS = 24;

/** A sum with `any` is any. */
function isSum(node: TSESTree.Expression): boolean {
  return node.type === AST_NODE_TYPES.BinaryExpression && node.operator === '+';
}

function isCast(node: TSESTree.Node | undefined): node is Cast {
  return node?.type === AST_NODE_TYPES.TSAsExpression || node?.type === AST_NODE_TYPES.TSTypeAssertion;
}

/** What a chain of casts begins with, and the casts, innermost first. `!` and `satisfies` in between change nothing. */
function chainOf(node: Cast): { readonly inner: TSESTree.Expression; readonly steps: readonly Cast[] } {
  const steps: Cast[] = [];
  let inner: TSESTree.Expression = node;
  while (isCast(inner) || inner.type === AST_NODE_TYPES.TSSatisfiesExpression || (inner.type === AST_NODE_TYPES.TSNonNullExpression && isLink(inner.expression))) {
    if (isCast(inner)) steps.unshift(inner);
    inner = inner.expression;
  }
  return { inner, steps };
}

/** The casts around an expression that are of one chain with it, innermost first. */
function chainAround(node: TSESTree.Expression): Cast[] {
  const around: Cast[] = [];
  for (let at = node.parent; isCast(at) || at.type === AST_NODE_TYPES.TSSatisfiesExpression || at.type === AST_NODE_TYPES.TSNonNullExpression; at = at.parent) if (isCast(at)) around.push(at);
  return around;
}

function isInChain(node: Cast): boolean {
  return chainAround(node).length > 0;
}

function isLink(node: TSESTree.Expression): boolean {
  return isCast(node) || node.type === AST_NODE_TYPES.TSSatisfiesExpression || (node.type === AST_NODE_TYPES.TSNonNullExpression && isLink(node.expression));
}

/** Whether a type is one of numbers, texts and the like alone. */
function isOfPrimitives(type: ts.Type): boolean {
  return (type.isUnion() ? type.types : [type]).every(({ flags }) => (flags & PRIMITIVE) !== 0);
}

/** What a handle is at run time, or may be of no type at all. */
function isNumber(type: ts.Type): boolean {
  return (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.NumberLike | ts.TypeFlags.BigIntLike)) !== 0;
}

/** `[]`, `new Map()`, and a list with room for something: `new Array(512)`. */
function isNothing(node: TSESTree.Expression): boolean {
  if (node.type === AST_NODE_TYPES.ArrayExpression) return node.elements.length === 0;
  if ((node.type !== AST_NODE_TYPES.NewExpression && node.type !== AST_NODE_TYPES.CallExpression) || node.callee.type !== AST_NODE_TYPES.Identifier) return false;
  return node.typeArguments === undefined && CONTAINERS.has(node.callee.name) && node.arguments.length < (node.callee.name === 'Array' ? 2 : 1);
}

/** What a list that has room for something makes of itself: `new Array(4).fill(ptep)`. */
function isOfNothing(node: TSESTree.Expression): boolean {
  return isNothing(node) || (node.type === AST_NODE_TYPES.CallExpression && node.callee.type === AST_NODE_TYPES.MemberExpression && isOfNothing(node.callee.object));
}

/** Whether a property of a literal is written after what is spread into it. */
function isGivenAfter(node: TSESTree.SpreadElement, { properties }: TSESTree.ObjectExpression, name: string): boolean {
  return properties.slice(properties.indexOf(node) + 1).some((one) => one.type === AST_NODE_TYPES.Property && ASTUtils.getPropertyName(one) === name);
}

/** Their parts are looked at where they are written. */
const LITERALS: ReadonlySet<string> = new Set([AST_NODE_TYPES.ArrayExpression, AST_NODE_TYPES.ObjectExpression, AST_NODE_TYPES.ArrowFunctionExpression, AST_NODE_TYPES.FunctionExpression]);

function isOfUnknown(node: ts.Node): boolean {
  return node.kind === ts.SyntaxKind.AnyKeyword || node.kind === ts.SyntaxKind.UnknownKeyword || (ts.forEachChild(node, isOfUnknown) ?? false);
}

function pairs<T>(a: readonly T[], b: readonly T[]): [T, T][] {
  return a.flatMap((one, at): [T, T][] => {
    const other = b[at];
    return other === undefined ? [] : [[one, other]];
  });
}
