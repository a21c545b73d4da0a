import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { isEquality, isPrimitive, saysType } from '../ast.js';
import { createRule } from '../create-rule.js';
import { inOneGo, type Visitor } from '../in-one-go.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';
import type { Origin, Provenance } from '../types/provenance.js';
import { Pointers } from './stack-handle/pointers.js';

const MESSAGES = {
  ...NO_TYPES,
  asideAsLive: 'A pointer to a value held aside goes where the handle of a live {{level}} entry is meant: what is done there is done to the copy, or to whatever entry has that number. Pass the handle.',
  maybeAsideAsLive: 'On some way this is a pointer to a value held aside, and it goes where the handle of a live {{level}} entry is meant. Keep the two in variables of their own.',
  liveAsAside: 'The handle of a live {{level}} entry goes where a pointer to a value held aside is meant: what is read there is no entry of this table. Read the entry, and hold its value aside.',
  compared: 'A pointer to a value held aside is compared with the handle of a live {{level}} entry: the two are numbers of different things.',
} as const;

type Messages = keyof typeof MESSAGES;
type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;

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
    return types === undefined ? {} : inOneGo(context.sourceCode, new StackHandles(context, types));
  },
});

/** Pointers to values held aside, and handles, in one file. */
class StackHandles implements Visitor {
  private readonly context: Context;
  private readonly types: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly toTs: Typed['services']['esTreeNodeToTSNodeMap'];
  private readonly provenance: Provenance;
  private readonly pointers: Pointers;

  constructor(context: Context, types: Typed) {
    this.context = context;
    this.types = types;
    this.checker = types.types.checker;
    this.toTs = types.services.esTreeNodeToTSNodeMap;
    this.provenance = types.provenance;
    this.pointers = Pointers.of(types.types);
  }

  CallExpression(node: TSESTree.CallExpression): void {
    this.checkCall(node);
  }

  NewExpression(node: TSESTree.NewExpression): void {
    this.checkCall(node);
  }

  MethodDefinition(node: TSESTree.MethodDefinition): void {
    this.checkMethod(node);
  }

  VariableDeclarator(node: TSESTree.VariableDeclarator): void {
    // A variable without a type is meant for whatever it is given.
    if (node.id.typeAnnotation !== undefined) this.check(node.init);
  }

  AssignmentExpression(node: TSESTree.AssignmentExpression): void {
    this.check(node.right);
  }

  ReturnStatement(node: TSESTree.ReturnStatement): void {
    this.check(node.argument);
  }

  ArrowFunctionExpression(node: TSESTree.ArrowFunctionExpression): void {
    if (node.body.type !== AST_NODE_TYPES.BlockStatement) this.check(node.body);
  }

  YieldExpression(node: TSESTree.YieldExpression): void {
    if (!node.delegate) this.check(node.argument);
    else {
      const { origin, place } = this.provenance.ofPart(this.toTs.get(node.argument) as ts.Expression, ['*']);
      if (origin !== 'mixed') this.report(node.argument, origin, place);
    }
  }

  Property(node: TSESTree.Property): void {
    if (node.parent.type !== AST_NODE_TYPES.ObjectExpression) return;
    this.check(node.value);
    const method = this.toTs.get(node);
    if (ts.isMethodDeclaration(method) && node.value.type === AST_NODE_TYPES.FunctionExpression) this.checkParameters(method, node.value.params);
  }

  ArrayExpression(node: TSESTree.ArrayExpression): void {
    for (const element of node.elements) if (element?.type !== AST_NODE_TYPES.SpreadElement) this.check(element);
  }

  SpreadElement(node: TSESTree.SpreadElement): void {
    if (!LITERALS.has(node.argument.type)) this.checkParts(node.argument, node);
  }

  JSXSpreadAttribute(node: TSESTree.JSXSpreadAttribute): void {
    if (!LITERALS.has(node.argument.type)) this.checkParts(node.argument, node);
  }

  JSXExpressionContainer(node: TSESTree.JSXExpressionContainer): void {
    if (node.expression.type !== AST_NODE_TYPES.JSXEmptyExpression) this.check(node.expression);
  }

  PropertyDefinition(node: TSESTree.PropertyDefinition): void {
    this.check(node.value);
  }

  AccessorProperty(node: TSESTree.AccessorProperty): void {
    this.check(node.value);
  }

  AssignmentPattern(node: TSESTree.AssignmentPattern): void {
    this.check(node.right);
  }

  TSSatisfiesExpression(node: TSESTree.TSSatisfiesExpression): void {
    this.check(node.expression);
  }

  SwitchCase(node: TSESTree.SwitchCase): void {
    if (node.test === null) return;
    const origins = [this.originOf(node.parent.discriminant), this.originOf(node.test)];
    if (origins.includes('live') && origins.includes('aside')) this.context.report({ node: node.test, messageId: 'compared', data: { level: this.types.handleOf(node.test)?.level ?? 'page-table' } });
  }

  BinaryExpression(node: TSESTree.BinaryExpression): void {
    if (!isEquality(node.operator) || node.left.type === AST_NODE_TYPES.PrivateIdentifier) return;
    // The right side is the one that says most often that there is nothing to compare.
    if (isPrimitive(node.right) || this.types.handleOf(node.right) === undefined || this.types.handleOf(node.left) === undefined) return;
    const origins = [this.originOf(node.left), this.originOf(node.right)];
    if (origins.includes('live') && origins.includes('aside')) this.context.report({ node, messageId: 'compared', data: { level: this.types.handleOf(node.left)?.level ?? 'page-table' } });
  }

  /** Where a pointer came from; undefined for what is none. */
  private originOf(node: TSESTree.Node): Origin | undefined {
    const handle = this.types.handleOf(node);
    if (handle === undefined) return undefined;
    return handle.form === 'alias' ? this.types.originOf(node) : 'live';
  }

  private check(node: TSESTree.Node | null | undefined): void {
    if (node === null || node === undefined || isPrimitive(node)) return;
    if (LITERALS.has(node.type)) {
      const isFunction = node.type === AST_NODE_TYPES.ArrowFunctionExpression || (node.type === AST_NODE_TYPES.FunctionExpression && this.toTs.get(node).kind === ts.SyntaxKind.FunctionExpression);
      // A parameter that says no type is what it is called with, and what is returned stands at a place itself.
      if (isFunction && node.params.some(saysType)) this.checkTaken(node);
      return;
    }
    // Both ways of a choice are looked at where they stand.
    if (node.type === AST_NODE_TYPES.ConditionalExpression) {
      this.check(node.consequent);
      this.check(node.alternate);
      return;
    }
    if (node.type === AST_NODE_TYPES.LogicalExpression) {
      if (node.operator !== '&&') this.check(node.left);
      this.check(node.right);
      return;
    }
    const origin = this.originOf(node);
    if (origin === undefined) {
      if (node.type === AST_NODE_TYPES.Identifier || node.type === AST_NODE_TYPES.MemberExpression) this.checkCallback(node);
      this.checkParts(node, node);
    }
    if (origin === undefined || origin === 'unknown') return;
    this.report(node, origin, this.provenance.ofPlace(this.toTs.get(node) as ts.Expression), this.types.handleOf(node)?.level);
  }

  /** A list or an object that was made elsewhere, with pointers in it. */
  private checkParts(whole: TSESTree.Node, at: TSESTree.Node): void {
    if (!this.types.is(whole, this.pointers.held)) return;
    for (const { path, level } of this.pointers.partsOf(this.types.typeOf(whole))) {
      const { origin, place } = this.provenance.ofPart(this.toTs.get(whole) as ts.Expression, path);
      // A tuple is one thing here and another there.
      if (origin === 'mixed') continue;
      const isWrong = this.report(at, origin, place, level);
      if (isWrong) return;
    }
  }

  private report(node: TSESTree.Node, origin: Origin, place: Origin, level = 'page-table'): boolean {
    const messageId = place === 'live' ? (origin === 'aside' ? 'asideAsLive' : origin === 'mixed' ? 'maybeAsideAsLive' : undefined) : place === 'aside' && origin === 'live' ? 'liveAsAside' : undefined;
    if (messageId === undefined) return false;
    this.context.report({ node, messageId, data: { level } });
    return true;
  }

  private checkCall(node: TSESTree.CallExpression | TSESTree.NewExpression): void {
    for (const argument of node.arguments) this.check(argument);
  }

  /** A function by its name, where one is expected that is called with something else, or that returns something else. */
  private checkCallback(node: TSESTree.Expression): void {
    this.checkTaken(node);
    if (!this.types.is(node, this.pointers.returned)) return;
    const { origin, place } = this.provenance.ofPart(this.toTs.get(node) as ts.Expression, ['()']);
    if (origin !== 'mixed') this.report(node, origin, place, this.types.types.handle(this.types.typeOf(node).getCallSignatures()[0]!.getReturnType())?.level);
  }

  private checkTaken(node: TSESTree.Expression): void {
    if (!this.types.is(node, this.pointers.taken)) return;
    const [signature] = this.types.typeOf(node).getCallSignatures();
    if (signature === undefined) return;
    for (const [at, parameter] of signature.parameters.entries()) {
      const handle = this.types.types.handle(this.checker.getTypeOfSymbol(parameter));
      if (handle?.form !== 'alias') continue;
      const { origin, place } = this.provenance.ofCallback(this.toTs.get(node) as ts.Expression, at);
      this.report(node, origin, place, handle.level);
    }
  }

  /** Whether a method has several signatures, in its class, in what is above it, or in what its object is wanted to be: which of them is meant is the compiler's business. */
  private isOverloaded({ name, parent }: ts.MethodDeclaration): boolean {
    const symbol = this.checker.getSymbolAtLocation(name);
    const wholes = ts.isClassLike(parent) ? (parent.heritageClauses ?? []).flatMap(({ types: bases }) => bases.map((base) => this.checker.getTypeAtLocation(base))) : [this.checker.getContextualType(parent)];
    const above = wholes.map((one) => (one === undefined ? undefined : this.checker.getNonNullableType(one).getProperty(symbol?.name ?? '')));
    return [symbol, ...above].some((one) => (one?.declarations?.length ?? 0) > 1);
  }

  /** The parameters of a method that take copies where the class or the interface above says that it is called with live entries, or the other way round. */
  private checkMethod(node: TSESTree.MethodDefinition): void {
    const { parent, static: isStatic, value } = node;
    const made = parent.parent;
    const method = this.toTs.get(node);
    if (isStatic || !ts.isMethodDeclaration(method) || (made.superClass === null && made.implements.length === 0)) return;
    this.checkParameters(method, value.params);
  }

  private checkParameters(method: ts.MethodDeclaration, parameters: readonly TSESTree.Parameter[]): void {
    for (const [at, parameter] of parameters.entries()) {
      if (parameter.type !== AST_NODE_TYPES.Identifier || parameter.typeAnnotation === undefined) continue;
      const handle = this.types.types.handle(this.types.typeOf(parameter.typeAnnotation.typeAnnotation));
      if (handle?.form !== 'alias') continue;
      if (this.isOverloaded(method)) return;
      const { origin, place } = this.provenance.ofOverriding(method, at);
      // What may be called with either says nothing of one.
      if (origin !== 'mixed') this.report(parameter, origin, place, handle.level);
    }
  }
}
