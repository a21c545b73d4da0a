import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { createRule } from '../create-rule.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';

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

/** Casts to and from handles, in every dress: `as`, angle brackets, by way of `unknown`, `any` and generics, `satisfies`, predicates. */
export const noHandleCast = createRule<[], Messages>({
  name: 'no-handle-cast',
  meta: {
    type: 'problem',
    docs: { description: 'Nothing is cast to or from the handle of a live page-table entry', config: 'recommended', typed: true },
    messages: MESSAGES,
    schema: [],
    defaultOptions: [],
  },
  create(context) {
    const types = typed(context);
    return types === undefined ? {} : listeners(context, types);
  },
});

function listeners(context: Context, types: Typed): TSESLint.RuleListener {
  const { checker } = types.types;
  const toTs = types.services.esTreeNodeToTSNodeMap;

  /** A type that is a handle, or a list, a promise or a set of handles. */
  function handleWithin(type: ts.Type): { readonly level: string } | undefined {
    const own = types.types.handle(type);
    if (own !== undefined) return { level: own.level ?? 'page-table' };
    if (type.isUnion()) return type.types.map(handleWithin).find((found) => found !== undefined);
    const isReference = (type.flags & ts.TypeFlags.Object) !== 0 && ((type as ts.ObjectType).objectFlags & ts.ObjectFlags.Reference) !== 0;
    if (!isReference || !CONTAINERS.has((type.symbol as ts.Symbol | undefined)?.name ?? '')) return undefined;
    return checker.getTypeArguments(type as ts.TypeReference).map(handleWithin).find((found) => found !== undefined);
  }

  /** Whether a written type is that of a live handle; what is spelled `EntryPtr` is that of a value held aside. */
  function isLiveNode(node: TSESTree.TypeNode): boolean {
    return types.provenance.ofTypeNode(toTs.get(node) as ts.TypeNode) !== 'aside';
  }

  function checkCast(node: Cast): void {
    // A chain of casts is one: what counts is what goes in and what comes out.
    if (isCast(node.parent)) return;
    const steps: Cast[] = [];
    let inner: TSESTree.Expression = node;
    while (isCast(inner)) {
      steps.unshift(inner);
      inner = inner.expression;
    }
    if (steps.every(({ typeAnnotation }) => isConst(typeAnnotation))) return;
    const before = types.typeOf(inner);
    const after = types.typeOf(node);
    const from = handleWithin(before);
    const to = handleWithin(after);
    if (from === undefined && to === undefined) {
      // number -> handle -> number: a handle on the way only.
      const between = steps.map(({ typeAnnotation }) => handleWithin(types.typeOf(typeAnnotation))).find((found) => found !== undefined);
      if (between !== undefined) context.report({ node, messageId: 'to', data: between });
      return;
    }
    const isLive = from !== undefined && (types.handleOf(inner) === undefined || types.isLive(inner));
    const last = steps.at(-1)!.typeAnnotation;
    if (to === undefined) {
      if (isLive) context.report({ node, messageId: 'from', data: from });
      return;
    }
    const becomesLive = isLiveNode(last);
    if (from === undefined) {
      if (becomesLive) context.report({ node, messageId: 'to', data: to });
      else if (types.handleOf(node) !== undefined) context.report({ node, messageId: 'forged' });
      return;
    }
    const sameType = checker.isTypeAssignableTo(checker.getNonNullableType(before), after);
    if (sameType && steps.length === 1 && isLive === becomesLive) return;
    if (becomesLive) context.report({ node, messageId: 'to', data: to });
    else if (isLive) context.report({ node, messageId: 'from', data: from });
  }

  /** What is `any` where a handle is wanted. */
  function checkAny(node: TSESTree.Expression | null | undefined): void {
    if (node === null || node === undefined) return;
    const type = types.typeOf(node);
    if ((type.flags & ts.TypeFlags.Any) === 0) return;
    const expected = checker.getContextualType(toTs.get(node) as ts.Expression);
    const handle = expected === undefined ? undefined : types.types.handle(expected);
    if (handle !== undefined) context.report({ node, messageId: 'any', data: { level: handle.level ?? 'page-table' } });
  }

  function checkCall(node: TSESTree.CallExpression | TSESTree.NewExpression): void {
    for (const argument of node.arguments) if (argument.type !== AST_NODE_TYPES.SpreadElement) checkAny(argument);
    if (node.type === AST_NODE_TYPES.NewExpression || node.parent.type === AST_NODE_TYPES.TSAsExpression) return;
    const to = handleWithin(types.typeOf(node));
    const given = node.arguments.find((argument) => argument.type !== AST_NODE_TYPES.SpreadElement && types.handleOf(argument) !== undefined && types.isLive(argument));
    if (to === undefined && given === undefined) return;
    const declaration = checker.getResolvedSignature(toTs.get(node))?.declaration;
    if (declaration === undefined || ts.isJSDocSignature(declaration) || !returnsAnything(declaration)) return;
    if (to !== undefined) context.report({ node, messageId: 'generic', data: { direction: 'to', ...to } });
    else context.report({ node, messageId: 'generic', data: { direction: 'from', level: types.handleOf(given!)?.level ?? 'page-table' } });
  }

  /** Whether the result type is a type parameter that no parameter has anything to do with: `cast<T>(x: unknown): T`. */
  function returnsAnything(declaration: ts.SignatureDeclaration): boolean {
    const { type } = declaration;
    if (type === undefined || !ts.isTypeReferenceNode(type)) return false;
    const result = checker.getSymbolAtLocation(type.typeName);
    if (result === undefined || (result.flags & ts.SymbolFlags.TypeParameter) === 0) return false;
    // One of the class or the function around, as Map's V, was decided before.
    if (!(declaration.typeParameters ?? []).some((parameter) => checker.getSymbolAtLocation(parameter.name) === result)) return false;
    const mentions = (node: ts.Node): boolean => (ts.isIdentifier(node) && checker.getSymbolAtLocation(node) === result) || (ts.forEachChild(node, mentions) ?? false);
    const ofParameters = declaration.parameters.some((parameter) => parameter.type !== undefined && mentions(parameter.type));
    const ofOthers = (declaration.typeParameters ?? []).some((parameter) => parameter.constraint !== undefined && checker.getSymbolAtLocation(parameter.name) !== result && mentions(parameter.constraint));
    return !ofParameters && !ofOthers;
  }

  return {
    TSAsExpression: checkCast,
    TSTypeAssertion: checkCast,
    TSSatisfiesExpression(node) {
      const handle = types.handleOf(node.expression);
      if (handle === undefined || !types.isLive(node.expression)) return;
      const { flags } = types.typeOf(node.typeAnnotation);
      if (flags & ((ts.TypeFlags.Any | ts.TypeFlags.Unknown) | ts.TypeFlags.Number | ts.TypeFlags.BigInt)) {
        context.report({ node, messageId: 'satisfies', data: { level: handle.level ?? 'page-table', written: context.sourceCode.getText(node.typeAnnotation) } });
      }
    },
    CallExpression: checkCall,
    NewExpression: checkCall,
    VariableDeclarator(node) {
      if (node.id.typeAnnotation !== undefined) checkAny(node.init);
    },
    AssignmentExpression(node) {
      if (node.operator === '=') checkAny(node.right);
    },
    ReturnStatement(node) {
      checkAny(node.argument);
    },
    ArrowFunctionExpression(node) {
      if (node.body.type !== AST_NODE_TYPES.BlockStatement) checkAny(node.body);
    },
    'ObjectExpression > Property'(node: TSESTree.Property) {
      checkAny(node.value as TSESTree.Expression);
    },
    ArrayExpression(node) {
      for (const element of node.elements) if (element !== null && element.type !== AST_NODE_TYPES.SpreadElement) checkAny(element);
    },
    'PropertyDefinition, AccessorProperty'(node: TSESTree.PropertyDefinition | TSESTree.AccessorProperty) {
      checkAny(node.value);
    },
    TSTypePredicate(node) {
      if (node.typeAnnotation === null) return;
      const said = node.typeAnnotation.typeAnnotation;
      const handle = types.types.handle(types.typeOf(said));
      if (handle === undefined) return;
      // Narrowing `H | undefined` to `H` needs no cast and is none.
      const parameter = node.parameterName.type === AST_NODE_TYPES.Identifier ? checker.getSymbolAtLocation(toTs.get(node.parameterName)) : undefined;
      const known = parameter === undefined ? undefined : types.types.handle(checker.getTypeOfSymbol(parameter));
      if (known === undefined) context.report({ node, messageId: 'predicate', data: { level: handle.level ?? 'page-table' } });
    },
  };
}

/** Generic types of the language that hold what they are given as it is. */
const CONTAINERS: ReadonlySet<string> = new Set(['Array', 'ReadonlyArray', 'Promise', 'Set', 'ReadonlySet', 'Map', 'ReadonlyMap', 'Iterable', 'Iterator', 'Generator']);

function isCast(node: TSESTree.Node | undefined): node is Cast {
  return node?.type === AST_NODE_TYPES.TSAsExpression || node?.type === AST_NODE_TYPES.TSTypeAssertion;
}

function isConst(node: TSESTree.TypeNode): boolean {
  return node.type === AST_NODE_TYPES.TSTypeReference && node.typeName.type === AST_NODE_TYPES.Identifier && node.typeName.name === 'const';
}
