import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { isConst, isPrimitive } from '../ast.js';
import { createRule } from '../create-rule.js';
import { firstOf } from '../first-of.js';
import { inOneGo, type Visitor } from '../in-one-go.js';
import { typed, type Typed } from '../typed.js';
import { isReference } from '../types/types.js';
import { Anything } from './handle-cast/anything.js';
import { Casts } from './handle-cast/casts.js';
import { chainAround, chainOf, type Cast } from './handle-cast/chains.js';
import { Conversions, isNumber } from './handle-cast/conversions.js';
import { Generics } from './handle-cast/generics.js';
import { Held, type HandleWithin } from './handle-cast/held.js';
import { MESSAGES, type Messages, type Problem } from './handle-cast/messages.js';
import { Others } from './handle-cast/others.js';

type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;

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
    return types === undefined ? {} : inOneGo(context.sourceCode, new HandleCasts(context, types));
  },
});

/** The casts in one file. */
class HandleCasts implements Visitor {
  private readonly context: Context;
  private readonly types: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly toTs: Typed['services']['esTreeNodeToTSNodeMap'];
  private readonly held: Held;
  private readonly parts: Conversions;
  private readonly casts: Casts;
  private readonly generics: Generics;
  private readonly anything: Anything;
  private readonly others: Others;
  /** Casts that were reported: what stands inside of them is not told again. */
  private readonly castNodes = new Set<Cast>();

  constructor(context: Context, types: Typed) {
    this.context = context;
    this.types = types;
    this.checker = types.types.checker;
    this.toTs = types.services.esTreeNodeToTSNodeMap;
    this.held = Held.of(types.types);
    this.parts = Conversions.of(types.types);
    this.casts = new Casts(types);
    this.generics = new Generics(types);
    this.others = new Others(types);
    this.anything = new Anything(types, this.casts, this.generics, (node, handle) => {
      this.report(node, { messageId: 'any', data: handle });
    });
  }

  // Listed first, because what stands in what is generic over a family is looked at for that.
  TSTypeParameter(node: TSESTree.TSTypeParameter): void {
    this.others.enter(node);
  }

  TSAsExpression(node: TSESTree.TSAsExpression): void {
    this.checkCast(node);
  }

  TSTypeAssertion(node: TSESTree.TSTypeAssertion): void {
    this.checkCast(node);
  }

  TSSatisfiesExpression(node: TSESTree.TSSatisfiesExpression): void {
    if ((this.types.typeOf(node.expression).flags & ts.TypeFlags.Any) !== 0) this.anything.checkAny(node.expression);
    if (chainAround(node).some((cast) => this.castNodes.has(cast))) return;
    if (isPrimitive(node.expression)) return;
    const lost = this.lostIn(node.expression, this.types.typeOf(node.typeAnnotation), ts.TypeFlags.Unknown);
    if (lost !== undefined) this.context.report({ node, messageId: 'satisfies', data: { level: lost.level, written: this.context.sourceCode.getText(node.typeAnnotation) } });
  }

  CallExpression(node: TSESTree.CallExpression): void {
    this.checkCall(node);
  }

  NewExpression(node: TSESTree.NewExpression): void {
    this.checkCall(node);
  }

  VariableDeclarator(node: TSESTree.VariableDeclarator): void {
    const { id: { typeAnnotation }, init } = node;
    if (typeAnnotation !== undefined && init !== null) this.checkPlace(init, this.others.ofDeclared(init, typeAnnotation));
  }

  AssignmentExpression(node: TSESTree.AssignmentExpression): void {
    if (node.operator === '=' || node.operator === '??=' || node.operator === '||=' || node.operator === '&&=') this.checkPlace(node.right, this.others.ofSame(node.right, node.left));
  }

  ReturnStatement(node: TSESTree.ReturnStatement): void {
    if (node.argument !== null) this.checkPlace(node.argument, this.others.ofReturned(node.argument));
  }

  ArrowFunctionExpression(node: TSESTree.ArrowFunctionExpression): void {
    if (node.body.type !== AST_NODE_TYPES.BlockStatement) this.checkPlace(node.body, this.others.ofDeclared(node.body, node.returnType));
  }

  Property(node: TSESTree.Property): void {
    if (node.parent.type === AST_NODE_TYPES.ObjectExpression) this.checkPlace(node.value as TSESTree.Expression);
  }

  ArrayExpression(node: TSESTree.ArrayExpression): void {
    const elements = node.elements.filter((element) => element !== null && element.type !== AST_NODE_TYPES.SpreadElement);
    for (const element of elements) this.checkPlace(element, this.others.ofSame(element, elements.find((one) => one !== element)));
  }

  SpreadElement(node: TSESTree.SpreadElement): void {
    this.anything.checkSpreadInLiteral(node);
  }

  JSXSpreadAttribute(node: TSESTree.JSXSpreadAttribute): void {
    this.anything.checkSpreadInLiteral(node);
  }

  PropertyDefinition(node: TSESTree.PropertyDefinition): void {
    if (node.value !== null) this.checkPlace(node.value, this.others.ofDeclared(node.value, node.typeAnnotation));
  }

  AccessorProperty(node: TSESTree.AccessorProperty): void {
    this.checkPlace(node.value);
  }

  AssignmentPattern(node: TSESTree.AssignmentPattern): void {
    this.checkPlace(node.right, this.others.ofDeclared(node.right, 'typeAnnotation' in node.left ? node.left.typeAnnotation : undefined));
  }

  YieldExpression(node: TSESTree.YieldExpression): void {
    this.checkPlace(node.argument);
  }

  TaggedTemplateExpression(node: TSESTree.TaggedTemplateExpression): void {
    for (const part of node.quasi.expressions) this.checkPlace(part);
  }

  JSXExpressionContainer(node: TSESTree.JSXExpressionContainer): void {
    if (node.expression.type !== AST_NODE_TYPES.JSXEmptyExpression) this.checkPlace(node.expression);
  }

  TSTypePredicate(node: TSESTree.TSTypePredicate): void {
    if (node.typeAnnotation === null) return;
    const said = this.types.typeOf(node.typeAnnotation.typeAnnotation);
    const whole = this.types.types.handle(said);
    // `instanceof` finds out whether something is of a class.
    const handle = whole ?? this.held.within(said) ?? firstOf(said.isUnion() ? said.types : [said], (one) => ((isReference(one) ? one.target : one).isClass() ? undefined : this.held.inField(one)));
    if (handle === undefined) return;
    // Narrowing `H | undefined` to `H` needs no cast and is none.
    const parameter = node.parameterName.type === AST_NODE_TYPES.Identifier ? this.checker.getSymbolAtLocation(this.toTs.get(node.parameterName)) : undefined;
    const before = parameter === undefined ? undefined : this.checker.getTypeOfSymbol(parameter);
    // Of what has handles in it, one of several requests for instance, a property may tell which it is; of what nobody knows, nothing does.
    const isKnown = before === undefined ? whole === undefined : (whole === undefined ? (before.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) === 0 : this.types.types.handle(before) !== undefined);
    if (!isKnown) this.context.report({ node, messageId: 'predicate', data: { level: handle.level ?? 'page-table' } });
  }

  private report(node: TSESTree.Node, { messageId, data }: Problem): void {
    this.context.report({ node, messageId, data: { ...data } });
  }

  private checkCast(node: Cast): void {
    // A chain of casts is one: what counts is what goes in and what comes out.
    if (chainAround(node).length > 0) return;
    const { inner, steps } = chainOf(node);
    if (steps.every(({ typeAnnotation }) => isConst(typeAnnotation))) return;
    const problem = this.casts.problemOf(node, inner, steps);
    if (problem === undefined) return;
    this.castNodes.add(node);
    this.report(node, problem);
  }

  /** Looks at what stands at a place that may be one of a handle. @param other the handle that it is taken for and is not */
  private checkPlace(node: TSESTree.Expression | null | undefined, other?: HandleWithin): void {
    if (other !== undefined) this.report(node!, { messageId: 'other', data: other });
    else this.anything.checkAny(node);
  }

  private checkCall(node: TSESTree.CallExpression | TSESTree.NewExpression): void {
    for (const argument of node.arguments) {
      if (argument.type === AST_NODE_TYPES.SpreadElement) this.anything.checkSpread(argument, node);
      else if (!this.anything.checkCallback(argument, node)) this.checkPlace(argument, this.others.ofArgument(argument, node));
    }
    const problem = node.type === AST_NODE_TYPES.CallExpression ? this.generics.genericOf(node) : undefined;
    if (problem !== undefined) this.report(node, problem);
  }

  /**
   * A live handle that is checked against a type that says nothing of it: itself, a list or the like of handles, or a part of what is written as a literal.
   *
   * @param also what says nothing beside `any` and numbers; in a part `unknown` only says that there is one
   */
  private lostIn(given: TSESTree.Node, type: ts.Type, also = 0): HandleWithin | undefined {
    if (isPrimitive(given)) return undefined;
    if (given.type === AST_NODE_TYPES.ObjectExpression) {
      for (const property of given.properties) {
        if (property.type !== AST_NODE_TYPES.Property || property.computed || property.key.type !== AST_NODE_TYPES.Identifier) continue;
        const symbol = type.getProperty(property.key.name);
        const wanted = symbol === undefined ? type.getStringIndexType() : this.checker.getTypeOfSymbol(symbol);
        const found = wanted === undefined ? undefined : this.lostIn(property.value, wanted);
        if (found !== undefined) return found;
      }
      return undefined;
    }
    if (given.type === AST_NODE_TYPES.ArrayExpression) {
      const wanted = type.getNumberIndexType();
      return wanted === undefined ? undefined : given.elements.map((one) => (one === null || one.type === AST_NODE_TYPES.SpreadElement ? undefined : this.lostIn(one, wanted))).find((found) => found !== undefined);
    }
    const saysNothing = isNumber(type) || (type.flags & also) !== 0;
    const handle = this.types.handleOf(given);
    if (handle !== undefined) return saysNothing && this.types.isLive(given) ? { level: handle.level ?? 'page-table' } : undefined;
    if (!this.types.is(given, this.held.isWithin)) return undefined;
    const held = this.types.typeOf(given);
    const within = this.held.within(held);
    if (within === undefined || !this.casts.isLive(given as TSESTree.Expression)) return undefined;
    return saysNothing || this.parts.partsOf(this.checker.getNonNullableType(held), this.checker.getNonNullableType(type), 0) !== undefined ? within : undefined;
  }
}
