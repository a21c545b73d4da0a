import { AST_NODE_TYPES, ASTUtils, TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { createRule } from '../create-rule.js';
import { inOneGo, type Visitor } from '../in-one-go.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';
import { enclosingFunction, isAllOfCalls, isExported, isThrownAway, namesTaken, propertyName } from './dropped-flush/ends.js';
import { Expected } from './dropped-flush/expected.js';
import { Fates, type End } from './dropped-flush/fates.js';
import { Promises } from './dropped-flush/promises.js';

const MESSAGES = {
  ...NO_TYPES,
  dropped: 'A flush is still owed here, and nobody decides about it: stale translations stay in use. Call flush(), gather(batch), or ignore() with the reason why none is needed.',
  unused: 'A flush is still owed here, and what holds its promise is never used: stale translations stay in use. Call flush(), gather(batch), or ignore() with the reason why none is needed.',
  emptyReason: 'A flush is ignored without a reason. Say why no stale translation can be used: "the address space never ran".',
  flushNow: 'Flush now: append flush().',
} as const;

type Messages = keyof typeof MESSAGES;
type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;

/**
 * Each expression that makes a promise is followed to where its value goes. It is dropped where a statement, a `void`, a comma or a condition ends it, and
 * where it lands in a variable of whose uses every one is such an end.
 */
export const noDroppedFlush = createRule<Messages>({
  name: 'no-dropped-flush',
  meta: {
    type: 'problem',
    docs: { description: 'A flush promise is flushed, gathered, or ignored with a reason', config: 'recommended', typed: true },
    hasSuggestions: true,
    messages: MESSAGES,
  },
  create(context) {
    const types = typed(context, { inArchitecture: true });
    return types === undefined ? {} : inOneGo(context.sourceCode, new DroppedFlushes(context, types));
  },
});

/** The flush promises of one file. */
class DroppedFlushes implements Visitor {
  private readonly context: Context;
  private readonly types: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly toTs: Typed['services']['esTreeNodeToTSNodeMap'];
  private readonly promises: Promises;
  private readonly expected: Expected;
  private readonly fates: Fates;
  private readonly reported = new Set<TSESTree.Node>();

  constructor(context: Context, types: Typed) {
    this.context = context;
    this.types = types;
    this.checker = types.types.checker;
    this.toTs = types.services.esTreeNodeToTSNodeMap;
    this.promises = Promises.of(types.types);
    this.expected = new Expected(types);
    this.fates = new Fates(context.sourceCode, this.expected);
  }

  CallExpression(node: TSESTree.CallExpression): void {
    this.checkReason(node);
    this.checkSource(node);
    for (const argument of node.arguments) this.checkPassed(argument);
  }

  NewExpression(node: TSESTree.NewExpression): void {
    this.checkSource(node);
    for (const argument of node.arguments) this.checkPassed(argument);
  }

  ArrayExpression({ elements }: TSESTree.ArrayExpression): void {
    for (const element of elements) if (element !== null) this.checkPassed(element);
  }

  AssignmentPattern({ left, right }: TSESTree.AssignmentPattern): void {
    if (left.type === AST_NODE_TYPES.Identifier && left.typeAnnotation !== undefined) this.checkPassed(right);
  }

  PropertyDefinition({ typeAnnotation, value }: TSESTree.PropertyDefinition): void {
    if (typeAnnotation !== undefined && value !== null) this.checkPassed(value);
  }

  ReturnStatement(node: TSESTree.ReturnStatement): void {
    if (node.argument !== null && MAY_BE_FUNCTIONS.has(enclosingFunction(node)?.returnType?.typeAnnotation.type)) this.checkPassed(node.argument);
  }

  ArrowFunctionExpression(node: TSESTree.ArrowFunctionExpression): void {
    if (MAY_BE_FUNCTIONS.has(node.returnType?.typeAnnotation.type)) this.checkPassed(node.body);
    this.checkParameters(node);
  }

  FunctionDeclaration(node: TSESTree.FunctionDeclaration): void {
    this.checkParameters(node);
  }

  FunctionExpression(node: TSESTree.FunctionExpression): void {
    this.checkParameters(node);
  }

  TaggedTemplateExpression(node: TSESTree.TaggedTemplateExpression): void {
    this.checkSource(node);
  }

  AwaitExpression(node: TSESTree.AwaitExpression): void {
    // What was a promise of a flush before is looked at where it was made.
    if (!this.types.is(node.argument, this.promises.are)) this.checkSource(node);
  }

  YieldExpression(node: TSESTree.YieldExpression): void {
    this.checkSource(node);
  }

  VariableDeclarator({ id, init, parent }: TSESTree.VariableDeclarator): void {
    if (init === null) return;
    if (id.type === AST_NODE_TYPES.Identifier) {
      if (id.typeAnnotation !== undefined) this.checkPassed(init);
    } else this.checkTaken(parent, init);
  }

  ForOfStatement({ left, right }: TSESTree.ForOfStatement): void {
    if (left.type === AST_NODE_TYPES.VariableDeclaration) this.checkTaken(left, right);
  }

  AssignmentExpression({ operator, right }: TSESTree.AssignmentExpression): void {
    if (operator === '=') this.checkPassed(right);
  }

  Property({ parent, value }: TSESTree.Property): void {
    if (parent.type === AST_NODE_TYPES.ObjectExpression) this.checkPassed(value);
  }

  JSXExpressionContainer({ expression }: TSESTree.JSXExpressionContainer): void {
    this.checkPassed(expression);
  }

  ExpressionStatement(node: TSESTree.ExpressionStatement): void {
    this.checkEnd(node.expression);
  }

  UnaryExpression(node: TSESTree.UnaryExpression): void {
    if (node.operator === 'void') this.checkEnd(node.argument);
  }

  SequenceExpression(node: TSESTree.SequenceExpression): void {
    for (const expression of node.expressions.slice(0, -1)) this.checkEnd(expression);
  }

  /** Looks at an expression that makes a promise: a call, `new`, what an await gives. */
  private checkSource(source: TSESTree.Expression): void {
    if (!this.types.is(source, this.promises.are) && !this.isDiscardedList(source)) return;
    const fate = this.fates.fateOf(source, source, false);
    if (fate.kind !== 'used') this.report(source, fate);
  }

  private report(source: TSESTree.Expression, fate: End): void {
    if (this.reported.has(fate.at)) return;
    this.reported.add(fate.at);
    const suggestion = this.canFlush(source, fate) ? this.flushSuggestion(source) : undefined;
    this.context.report({ node: fate.at, messageId: fate.kind, ...(suggestion === undefined ? {} : { suggest: [suggestion] }) });
  }

  /**
   * A list of promises that was made to be thrown away: `entries.map((ptep) => clear(ptep));`, `clearAll(entries);`, or a tuple or an object that has one. What a method of the language returns
   * is new only where it makes a list of another; what a function of the program returns may be kept elsewhere, so it is looked at only where nobody takes it.
   */
  private isDiscardedList(source: TSESTree.Expression): boolean {
    const call = source.type === AST_NODE_TYPES.AwaitExpression ? source.argument : source;
    if (call.type !== AST_NODE_TYPES.CallExpression) return false;
    if (!this.types.is(source, this.promises.areHeld)) return this.isTakenByNobody(source) && this.types.is(source, this.promises.areBeside) && this.isOfProgram(call) && !this.mayReturnObject(call, source);
    const name = call.callee.type === AST_NODE_TYPES.MemberExpression ? (propertyName(call.callee) ?? '') : '';
    return this.isOfProgram(call) ? this.isTakenByNobody(source) && !this.mayReturnObject(call, source) : MAKES_LISTS.has(name);
  }

  /** Whether a method may return what it is called on: `list.add(promise);` of a list of one's own. */
  private mayReturnObject({ callee }: TSESTree.CallExpression, result: TSESTree.Expression): boolean {
    return callee.type === AST_NODE_TYPES.MemberExpression && this.checker.isTypeAssignableTo(this.types.typeOf(callee.object), this.types.typeOf(result));
  }

  /** Whether an expression is a statement, or the value of a variable that nobody reads. */
  private isTakenByNobody(source: TSESTree.Expression): boolean {
    const { parent } = source;
    if (parent.type !== AST_NODE_TYPES.VariableDeclarator) return isThrownAway(source);
    return parent.id.type === AST_NODE_TYPES.Identifier && this.context.sourceCode.getDeclaredVariables(parent).every(({ references }) => references.every((reference) => !reference.isRead()));
  }

  private isOfProgram(call: TSESTree.CallExpression): boolean {
    const declaration = this.types.signatureOf(call)?.declaration;
    return declaration !== undefined && !this.types.types.isOfLanguage(declaration);
  }

  /** `const [first, second] = clearTwo();`, `for (const promise of clearAll()) count++;`: what is taken out of what a call returns, and never used. */
  private checkTaken(declaration: TSESTree.Node, from: TSESTree.Expression): void {
    const call = from.type === AST_NODE_TYPES.AwaitExpression ? from.argument : from;
    if (call.type !== AST_NODE_TYPES.CallExpression) return;
    this.checkLeft(from, call);
    for (const variable of this.context.sourceCode.getDeclaredVariables(declaration)) {
      const [id] = variable.identifiers;
      if (id === undefined || variable.references.some(({ init }) => init !== true) || isExported(variable) || variable.scope.type === TSESLint.Scope.ScopeType.global) continue;
      if (this.types.is(id, this.promises.are) && (this.isOfProgram(call) || isAllOfCalls(call))) this.context.report({ node: id, messageId: 'unused' });
    }
  }

  /** `const { count } = clearAll();`, `const [entry] = take();`: what stands beside a promise is taken, and the promise is not. */
  private checkLeft(from: TSESTree.Expression, call: TSESTree.CallExpression): void {
    const taken = from.parent.type === AST_NODE_TYPES.VariableDeclarator ? namesTaken(from.parent.id) : undefined;
    if (taken === undefined || !this.types.is(from, this.promises.areToBeTaken) || !this.isOfProgram(call)) return;
    if (this.promises.partsOf(this.types.typeOf(from)).some((name) => !taken.includes(name))) this.context.report({ node: from, messageId: 'dropped' });
  }

  /** `function finish(cleared: FlushPromise<void>) {}`: what a function takes over and does nothing with. Who calls a function back may still have what it gives. */
  private checkParameters(made: TSESTree.FunctionDeclaration | TSESTree.FunctionExpression | TSESTree.ArrowFunctionExpression): void {
    // Whoever extends a class takes what that one hands to all.
    if (made.params.length === 0 || made.parent.type === AST_NODE_TYPES.CallExpression || (made.parent.type === AST_NODE_TYPES.MethodDefinition && made.parent.override)) return;
    for (const parameter of made.params) {
      const id = parameter.type === AST_NODE_TYPES.AssignmentPattern ? parameter.left : parameter;
      // What does not say its own type is written for somebody who calls it back.
      if (id.type !== AST_NODE_TYPES.Identifier || id.typeAnnotation === undefined) continue;
      const variable = this.context.sourceCode.getDeclaredVariables(made).find(({ identifiers }) => identifiers.includes(id));
      if (variable?.references.length !== 0) continue;
      if (this.types.is(id, this.promises.are)) this.context.report({ node: id, messageId: 'unused' });
    }
  }

  /** What stands as a statement, after `void`, or left of a comma: where it is a name or a field, what that holds is thrown away. */
  private checkEnd(node: TSESTree.Expression): void {
    if (node.type === AST_NODE_TYPES.TSNonNullExpression || node.type === AST_NODE_TYPES.ChainExpression) this.checkEnd(node.expression);
    else if (node.type === AST_NODE_TYPES.SequenceExpression) this.checkEnd(node.expressions.at(-1)!);
    else if (node.type === AST_NODE_TYPES.Identifier || node.type === AST_NODE_TYPES.MemberExpression) this.checkName(node);
  }

  private checkName(node: TSESTree.Identifier | TSESTree.MemberExpression): void {
    if (!this.types.is(node, this.promises.are)) return;
    if (node.type === AST_NODE_TYPES.Identifier) {
      const variable = ASTUtils.findVariable(this.context.sourceCode.getScope(node), node);
      if (variable === null || this.fates.isUsed(variable, false) || isExported(variable)) return;
    }
    this.report(node, { kind: 'dropped', at: node });
  }

  /** `entries.forEach(clearOne)`, `onClick={clearOne}`, `entries.forEach(clearing(arch))`: the function by its name, or as another makes it. */
  private checkPassed(argument: TSESTree.Node): void {
    if (argument.type === AST_NODE_TYPES.ConditionalExpression) {
      this.checkPassed(argument.consequent);
      this.checkPassed(argument.alternate);
      return;
    }
    if (argument.type === AST_NODE_TYPES.LogicalExpression) {
      this.checkPassed(argument.right);
      if (argument.operator !== '&&') this.checkPassed(argument.left);
      return;
    }
    if (argument.type !== AST_NODE_TYPES.Identifier && argument.type !== AST_NODE_TYPES.MemberExpression && argument.type !== AST_NODE_TYPES.CallExpression) return;
    if (!this.types.is(argument, this.promises.areMade) || !this.expected.isVoidExpected(argument)) return;
    this.context.report({ node: argument, messageId: 'dropped' });
  }

  private checkReason(call: TSESTree.CallExpression): void {
    const { callee } = call;
    const [reason] = call.arguments;
    if (callee.type !== AST_NODE_TYPES.MemberExpression || propertyName(callee) !== 'ignore' || reason?.type === AST_NODE_TYPES.SpreadElement) return;
    if (reason === undefined) {
      if (this.types.types.passes(this.types.typeOf(callee.object), this.promises.are)) this.context.report({ node: call, messageId: 'emptyReason' });
      return;
    }
    const type = this.types.typeOf(reason);
    if (type.isStringLiteral() && type.value.trim() === '' && this.types.types.passes(this.types.typeOf(callee.object), this.promises.are)) this.context.report({ node: reason, messageId: 'emptyReason' });
  }

  /** Whether the code still compiles, and does the same otherwise, when the promise is flushed where it is made. */
  private canFlush(source: TSESTree.Expression, fate: End): boolean {
    if (!this.types.types.passes(this.types.typeOf(source), this.promises.are) || (source.type === AST_NODE_TYPES.NewExpression && !this.context.sourceCode.getText(source).endsWith(')'))) return false;
    // `when && clear();` is no other than clear() where it comes to that. Of `a || b` and `when ? a : b` only a part would be flushed.
    const isGuarded = fate.at.type === AST_NODE_TYPES.LogicalExpression && fate.at.operator === '&&' && fate.at.right === source;
    const { parent } = fate.at === source || !isGuarded ? source : fate.at;
    if (fate.kind === 'unused') {
      return parent.type === AST_NODE_TYPES.VariableDeclarator && parent.id.type === AST_NODE_TYPES.Identifier && parent.id.typeAnnotation === undefined &&
        this.context.sourceCode.getDeclaredVariables(parent).every(({ references }) => references.every(({ init }) => init === true));
    }
    return parent.type === AST_NODE_TYPES.ExpressionStatement || parent.type === AST_NODE_TYPES.ArrowFunctionExpression || parent.type === AST_NODE_TYPES.ReturnStatement ||
      parent.type === AST_NODE_TYPES.SequenceExpression || (parent.type === AST_NODE_TYPES.UnaryExpression && parent.operator === 'void') ||
      (parent.type === AST_NODE_TYPES.ChainExpression && parent.parent.type === AST_NODE_TYPES.ExpressionStatement);
  }

  /** Undefined where something else may be there that cannot be flushed: `FlushPromise<void> | false`. */
  private flushSuggestion(source: TSESTree.Expression): TSESLint.ReportSuggestionArray<Messages>[number] | undefined {
    const call = source.type === AST_NODE_TYPES.CallExpression ? this.checker.getResolvedSignature(this.toTs.get(source))?.getReturnType() : undefined;
    const type = call ?? this.types.typeOf(source);
    const present = this.checker.getNonNullableType(type);
    if (this.types.types.bound(present).getProperty('flush') === undefined) return undefined;
    const dot = present === type ? '.' : '?.';
    return {
      messageId: 'flushNow',
      fix: (fixer) =>
        source.type === AST_NODE_TYPES.AwaitExpression || source.type === AST_NODE_TYPES.YieldExpression
          ? [fixer.insertTextBefore(source, '('), fixer.insertTextAfter(source, `)${dot}flush()`)]
          : fixer.insertTextAfter(source, `${dot}flush()`),
    };
  }
}

/** Methods of the language that make a list of another, or a Promise of one. */
const MAKES_LISTS: ReadonlySet<string> = new Set(['map', 'flatMap', 'from', 'all']);

/** Types by which a function may be meant. */
const MAY_BE_FUNCTIONS: ReadonlySet<AST_NODE_TYPES | undefined> = new Set([AST_NODE_TYPES.TSFunctionType, AST_NODE_TYPES.TSTypeReference, AST_NODE_TYPES.TSUnionType]);
