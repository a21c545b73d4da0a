import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { isEquality, isPrimitive, saysType } from '../ast.js';
import { createRule } from '../create-rule.js';
import { inOneGo } from '../in-one-go.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';
import { PRIMITIVE, STRUCTURED, type Types } from '../types/types.js';
import { CONTAINERS, stepInto, type Path } from '../types/provenance/path.js';
import type { Origin } from '../types/provenance.js';

const MESSAGES = {
  ...NO_TYPES,
  asideAsLive: 'A pointer to a value held aside goes where the handle of a live {{level}} entry is meant: what is done there is done to the copy, or to whatever entry has that number. Pass the handle.',
  maybeAsideAsLive: 'On some way this is a pointer to a value held aside, and it goes where the handle of a live {{level}} entry is meant. Keep the two in variables of their own.',
  liveAsAside: 'The handle of a live {{level}} entry goes where a pointer to a value held aside is meant: what is read there is no entry of this table. Read the entry, and hold its value aside.',
  compared: 'A pointer to a value held aside is compared with the handle of a live {{level}} entry: the two are numbers of different things.',
} as const;

type Messages = keyof typeof MESSAGES;
type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;

/** A pointer in a list or an object. */
interface Part {
  readonly path: Path;
  readonly level: string | undefined;
}

const MAX_PROPERTIES = 24;
/** How far a part may be from the whole: a field of what the list of a promise holds. */
const MAX_DEPTH = 3;

/** How deep what is in lists is looked at. What is deeper than MAX_DEPTH is left out of a list, but not of one in it. */
const MAX_NESTED = 2 * MAX_DEPTH;

/** Their parts are looked at where they are written. */
const LITERALS: ReadonlySet<string> = new Set([AST_NODE_TYPES.ArrayExpression, AST_NODE_TYPES.ObjectExpression, AST_NODE_TYPES.ArrowFunctionExpression, AST_NODE_TYPES.FunctionExpression]);

/**
 * The bug class of the proposal of opaque handles: under the alias, a live entry and a copy of one on the stack have the same type, and what was meant for the
 * one is done to the other. The rule follows where a pointer came from and what its destination was declared for.
 */
export const noStackHandle = createRule<Messages>({
  name: 'no-stack-handle',
  meta: {
    type: 'problem',
    docs: { description: 'A pointer to a value held aside never stands where the handle of a live entry is meant, nor the other way round', config: 'recommended', typed: true },
    messages: MESSAGES,
  },
  create(context) {
    const types = typed(context);
    return types === undefined ? {} : inOneGo(context.sourceCode, listeners(context, types));
  },
});

/** What types have pointers in them, by what is asked and for all files. */
const partsByType = new WeakMap<Types, WeakMap<ts.Type, readonly Part[]>>();

function listeners(context: Context, types: Typed): TSESLint.RuleListener {
  const { checker } = types.types;
  const { provenance } = types;
  const toTs = types.services.esTreeNodeToTSNodeMap;
  const parts = partsByType.get(types.types) ?? new WeakMap<ts.Type, readonly Part[]>();
  partsByType.set(types.types, parts);

  /** Whether a type is one of functions that take pointers. */
  const takesPointers = types.types.test('function that takes pointers', (type) => {
    const [signature] = (type.flags & ts.TypeFlags.Object) === 0 ? [] : type.getCallSignatures();
    return signature?.parameters.some((parameter) => types.types.handle(checker.getTypeOfSymbol(parameter))?.form === 'alias') === true;
  });

  const returnsPointer = types.types.test('function that returns a pointer', (type) => {
    const [signature] = (type.flags & ts.TypeFlags.Object) === 0 ? [] : type.getCallSignatures();
    return signature !== undefined && types.types.handle(signature.getReturnType())?.form === 'alias';
  });

  const hasParts = types.types.test('list or object with pointers', (type) => partsOf(type).length > 0);

  /** Where a pointer came from; undefined for what is none. */
  function originOf(node: TSESTree.Node): Origin | undefined {
    const handle = types.handleOf(node);
    if (handle === undefined) return undefined;
    return handle.form === 'alias' ? types.originOf(node) : 'live';
  }

  function check(node: TSESTree.Node | null | undefined): void {
    if (node === null || node === undefined || isPrimitive(node)) return;
    if (LITERALS.has(node.type)) {
      const isFunction = node.type === AST_NODE_TYPES.ArrowFunctionExpression || (node.type === AST_NODE_TYPES.FunctionExpression && toTs.get(node).kind === ts.SyntaxKind.FunctionExpression);
      // A parameter that says no type is what it is called with, and what is returned stands at a place itself.
      if (isFunction && node.params.some(saysType)) checkTaken(node);
      return;
    }
    // Both ways of a choice are looked at where they stand.
    if (node.type === AST_NODE_TYPES.ConditionalExpression) {
      check(node.consequent);
      check(node.alternate);
      return;
    }
    if (node.type === AST_NODE_TYPES.LogicalExpression) {
      if (node.operator !== '&&') check(node.left);
      check(node.right);
      return;
    }
    const origin = originOf(node);
    if (origin === undefined) {
      if (node.type === AST_NODE_TYPES.Identifier || node.type === AST_NODE_TYPES.MemberExpression) checkCallback(node);
      checkParts(node, node);
    }
    if (origin === undefined || origin === 'unknown') return;
    report(node, origin, provenance.ofPlace(toTs.get(node) as ts.Expression), types.handleOf(node)?.level);
  }

  /** A list or an object that was made elsewhere, with pointers in it. */
  function checkParts(whole: TSESTree.Node, at: TSESTree.Node): void {
    if (!types.is(whole, hasParts)) return;
    for (const { path, level } of partsOf(types.typeOf(whole))) {
      const { origin, place } = provenance.ofPart(toTs.get(whole) as ts.Expression, path);
      // A tuple is one thing here and another there.
      if (origin === 'mixed') continue;
      const isWrong = report(at, origin, place, level);
      if (isWrong) return;
    }
  }

  /** @param depth how many lists and the like are around it: a type may be a list of ever others, `class Nest<T> extends Array<Nest<Nest<T>>>` */
  function partsOf(given: ts.Type, depth = 0): readonly Part[] {
    if (depth > MAX_NESTED) return [];
    const type = types.types.bound(given);
    const known = parts.get(type);
    if (known !== undefined) return known;
    // Of one of two things, as a result or a failure, and of what may be nothing: what any of them has.
    if (type.isUnion()) {
      const all = type.types.length > MAX_PROPERTIES ? [] : [...new Map(type.types.flatMap((one) => partsOf(one, depth).map((part) => [part.path.join('/'), part] as const))).values()];
      parts.set(type, all);
      return all;
    }
    // A type that leads back to itself has nothing more on that way.
    parts.set(type, []);
    const held = heldBy(type);
    const candidates = held ?? propertiesOf(type);
    const found = candidates.flatMap(([step, one]): readonly Part[] => {
      const handle = types.types.handle(one);
      if (handle !== undefined) return handle.form === 'alias' ? [{ path: [step], level: handle.level }] : [];
      // Lists of objects and promises of lists, but not whatever an object leads to.
      return held === undefined || (one.flags & PRIMITIVE) !== 0 ? [] : partsOf(one, depth + 1).flatMap(({ path, level }) => (path.length < MAX_DEPTH ? [{ path: [step, ...path], level }] : []));
    });
    // So deep inside something may be left out.
    if (depth + MAX_DEPTH > MAX_NESTED) parts.delete(type);
    else parts.set(type, found);
    return found;
  }

  /** What a list, a map or a promise holds, and the way to it. */
  function heldBy(type: ts.Type): readonly (readonly [step: string, type: ts.Type])[] | undefined {
    if ((type.flags & STRUCTURED) === 0) return undefined;
    if (checker.isTupleType(type) && ((type as ts.TupleTypeReference).target.combinedFlags & ts.ElementFlags.Variable) === 0) {
      return checker.getTypeArguments(type as ts.TupleTypeReference).map((one, at) => [String(at), one]);
    }
    const element = checker.getIndexTypeOfType(type, ts.IndexKind.Number);
    if (element !== undefined) return [['*', element]];
    const name = (type.symbol as ts.Symbol | undefined)?.name ?? '';
    if (!CONTAINERS.has(name) || ((type as ts.ObjectType).objectFlags & ts.ObjectFlags.Reference) === 0) return undefined;
    return checker.getTypeArguments(type as ts.TypeReference).slice(0, name.endsWith('Map') ? 2 : 1).map((one, at) => [stepInto(name, at), one]);
  }

  function propertiesOf(type: ts.Type): (readonly [step: string, type: ts.Type])[] {
    const properties = (type.flags & STRUCTURED) === 0 || !types.types.mayHaveHandles(type) ? [] : type.getProperties();
    // What has more is a class with methods, which is no record of an entry.
    return properties.length > MAX_PROPERTIES ? [] : properties.flatMap((property) => ((property.flags & ts.SymbolFlags.Method) === 0 ? [[property.name, checker.getTypeOfSymbol(property)] as const] : []));
  }

  function report(node: TSESTree.Node, origin: Origin, place: Origin, level = 'page-table'): boolean {
    const messageId = place === 'live' ? (origin === 'aside' ? 'asideAsLive' : origin === 'mixed' ? 'maybeAsideAsLive' : undefined) : place === 'aside' && origin === 'live' ? 'liveAsAside' : undefined;
    if (messageId === undefined) return false;
    context.report({ node, messageId, data: { level } });
    return true;
  }

  function checkCall(node: TSESTree.CallExpression | TSESTree.NewExpression): void {
    for (const argument of node.arguments) check(argument);
  }

  /** A function by its name, where one is expected that is called with something else, or that returns something else. */
  function checkCallback(node: TSESTree.Expression): void {
    checkTaken(node);
    if (!types.is(node, returnsPointer)) return;
    const { origin, place } = provenance.ofPart(toTs.get(node) as ts.Expression, ['()']);
    if (origin !== 'mixed') report(node, origin, place, types.types.handle(types.typeOf(node).getCallSignatures()[0]!.getReturnType())?.level);
  }

  function checkTaken(node: TSESTree.Expression): void {
    if (!types.is(node, takesPointers)) return;
    const [signature] = types.typeOf(node).getCallSignatures();
    if (signature === undefined) return;
    for (const [at, parameter] of signature.parameters.entries()) {
      const handle = types.types.handle(checker.getTypeOfSymbol(parameter));
      if (handle?.form !== 'alias') continue;
      const { origin, place } = provenance.ofCallback(toTs.get(node) as ts.Expression, at);
      report(node, origin, place, handle.level);
    }
  }

  function checkField({ value }: TSESTree.PropertyDefinition | TSESTree.AccessorProperty): void {
    check(value);
  }

  /** Whether a method has several signatures, in its class or in what is above it: which of them is meant is the compiler's business. */
  function isOverloaded({ name, parent }: ts.MethodDeclaration): boolean {
    const symbol = checker.getSymbolAtLocation(name);
    const above = ts.isClassLike(parent) ? (parent.heritageClauses ?? []).flatMap(({ types: bases }) => bases.map((base) => checker.getTypeAtLocation(base).getProperty(symbol?.name ?? ''))) : [];
    return [symbol, ...above].some((one) => (one?.declarations?.length ?? 0) > 1);
  }

  /** The parameters of a method that take copies where the class or the interface above says that it is called with live entries, or the other way round. */
  function checkMethod(node: TSESTree.MethodDefinition): void {
    const { parent, static: isStatic, value } = node;
    const made = parent.parent;
    const method = toTs.get(node);
    if (isStatic || !ts.isMethodDeclaration(method) || (made.superClass === null && made.implements.length === 0)) return;
    for (const [at, parameter] of value.params.entries()) {
      if (parameter.type !== AST_NODE_TYPES.Identifier || parameter.typeAnnotation === undefined) continue;
      const handle = types.types.handle(types.typeOf(parameter.typeAnnotation.typeAnnotation));
      if (handle?.form !== 'alias') continue;
      if (isOverloaded(method)) return;
      const { origin, place } = provenance.ofOverriding(method, at);
      // What may be called with either says nothing of one.
      if (origin !== 'mixed') report(parameter, origin, place, handle.level);
    }
  }

  return {
    CallExpression: checkCall,
    NewExpression: checkCall,
    MethodDefinition: checkMethod,
    VariableDeclarator(node) {
      // A variable without a type is meant for whatever it is given.
      if (node.id.typeAnnotation !== undefined) check(node.init);
    },
    AssignmentExpression(node) {
      check(node.right);
    },
    ReturnStatement(node) {
      check(node.argument);
    },
    ArrowFunctionExpression(node) {
      if (node.body.type !== AST_NODE_TYPES.BlockStatement) check(node.body);
    },
    YieldExpression(node) {
      if (!node.delegate) check(node.argument);
      else {
        const { origin, place } = provenance.ofPart(toTs.get(node.argument) as ts.Expression, ['*']);
        if (origin !== 'mixed') report(node.argument, origin, place);
      }
    },
    Property(node) {
      if (node.parent.type === AST_NODE_TYPES.ObjectExpression) check(node.value);
    },
    ArrayExpression(node) {
      for (const element of node.elements) if (element?.type !== AST_NODE_TYPES.SpreadElement) check(element);
    },
    SpreadElement(node) {
      if (node.parent.type !== AST_NODE_TYPES.ObjectExpression && !LITERALS.has(node.argument.type)) checkParts(node.argument, node);
    },
    PropertyDefinition: checkField,
    AccessorProperty: checkField,
    AssignmentPattern(node) {
      check(node.right);
    },
    TSSatisfiesExpression(node) {
      check(node.expression);
    },
    SwitchCase(node) {
      if (node.test === null) return;
      const origins = [originOf(node.parent.discriminant), originOf(node.test)];
      if (origins.includes('live') && origins.includes('aside')) context.report({ node: node.test, messageId: 'compared', data: { level: types.handleOf(node.test)?.level ?? 'page-table' } });
    },
    BinaryExpression(node) {
      if (!isEquality(node.operator) || node.left.type === AST_NODE_TYPES.PrivateIdentifier) return;
      // The right side is the one that says most often that there is nothing to compare.
      if (isPrimitive(node.right) || types.handleOf(node.right) === undefined || types.handleOf(node.left) === undefined) return;
      const origins = [originOf(node.left), originOf(node.right)];
      if (origins.includes('live') && origins.includes('aside')) context.report({ node, messageId: 'compared', data: { level: types.handleOf(node.left)?.level ?? 'page-table' } });
    },
  };
}
