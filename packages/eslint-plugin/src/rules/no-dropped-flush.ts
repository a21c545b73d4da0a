import { AST_NODE_TYPES, ASTUtils, TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { createRule } from '../create-rule.js';
import { inOneGo } from '../in-one-go.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';

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
 * What becomes of a value.
 *
 * used: somebody decides about it, or may. dropped: it ends here, at that expression. unused: it ends in a variable that nobody uses.
 */
type Fate = { readonly kind: 'used' } | End;

interface End {
  readonly kind: 'dropped' | 'unused';
  readonly at: TSESTree.Node;
}

const USED: Fate = { kind: 'used' };

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
    return types === undefined ? {} : inOneGo(context.sourceCode, listeners(context, types));
  },
});

function listeners(context: Context, typed: Typed): TSESLint.RuleListener {
  const { checker } = typed.types;
  const toTs = typed.services.esTreeNodeToTSNodeMap;
  const reported = new Set<TSESTree.Node>();
  /** Variables that are being looked through: one that only goes round in a circle is used by nobody. */
  const open = new Set<TSESLint.Scope.Variable>();

  const isPromise = typed.types.test('flush promise', (type) => typed.types.isCore(type, 'FlushPromise'));
  const makesPromises = typed.types.test('function that makes a flush promise', (type) => {
    const signatures = type.isUnion() ? [] : type.getCallSignatures();
    return signatures.length > 0 && signatures.every((signature) => typed.types.passes(signature.getReturnType(), isPromise));
  });

  const holdsPromises = typed.types.test('list of flush promises', (type) => {
    const list = typed.types.container(type);
    return list !== undefined && (list.isTuple || LISTS.has(list.name)) && list.parts.some((held) => typed.types.passes(held, isPromise));
  });

  /** Looks at an expression that makes a promise: a call, `new`, what an await gives. */
  function checkSource(source: TSESTree.Expression): void {
    if (!typed.is(source, isPromise) && !isDiscardedList(source)) return;
    const fate = fateOf(source, source, false);
    if (fate.kind !== 'used') report(source, fate);
  }

  function report(source: TSESTree.Expression, fate: End): void {
    if (reported.has(fate.at)) return;
    reported.add(fate.at);
    const suggestion = canFlush(source, fate) ? flushSuggestion(source) : undefined;
    context.report({ node: fate.at, messageId: fate.kind, ...(suggestion === undefined ? {} : { suggest: [suggestion] }) });
  }

  /**
   * A list of promises that was made to be thrown away: `entries.map((ptep) => clear(ptep));`, `clearAll(entries);`. What a method of the language returns
   * is new only where it makes a list of another; what a function of the program returns may be kept elsewhere, so it is looked at only where nobody takes it.
   */
  function isDiscardedList(source: TSESTree.Expression): boolean {
    const call = source.type === AST_NODE_TYPES.AwaitExpression ? source.argument : source;
    if (call.type !== AST_NODE_TYPES.CallExpression || !typed.is(source, holdsPromises)) return false;
    const name = call.callee.type === AST_NODE_TYPES.MemberExpression ? (propertyName(call.callee) ?? '') : '';
    return isOfProgram(call) ? isTakenByNobody(source) && !mayReturnObject(call, source) : MAKES_LISTS.has(name);
  }

  /** Whether a method may return what it is called on: `list.add(promise);` of a list of one's own. */
  function mayReturnObject({ callee }: TSESTree.CallExpression, result: TSESTree.Expression): boolean {
    return callee.type === AST_NODE_TYPES.MemberExpression && checker.isTypeAssignableTo(typed.typeOf(callee.object), typed.typeOf(result));
  }

  /** Whether an expression is a statement, or the value of a variable that nobody reads. */
  function isTakenByNobody(source: TSESTree.Expression): boolean {
    const { parent } = source;
    if (parent.type !== AST_NODE_TYPES.VariableDeclarator) return isThrownAway(source);
    return parent.id.type === AST_NODE_TYPES.Identifier && context.sourceCode.getDeclaredVariables(parent).every(({ references }) => references.every((reference) => !reference.isRead()));
  }

  function isOfProgram(call: TSESTree.CallExpression): boolean {
    const declaration = typed.signatureOf(call)?.declaration;
    return declaration !== undefined && !typed.services.program.isSourceFileDefaultLibrary(declaration.getSourceFile());
  }

  /** `const [first, second] = clearTwo();`, `for (const promise of clearAll()) count++;`: what is taken out of what a call returns, and never used. */
  function checkTaken(declaration: TSESTree.Node, from: TSESTree.Expression): void {
    const call = from.type === AST_NODE_TYPES.AwaitExpression ? from.argument : from;
    if (call.type !== AST_NODE_TYPES.CallExpression) return;
    for (const variable of context.sourceCode.getDeclaredVariables(declaration)) {
      const [id] = variable.identifiers;
      if (id === undefined || variable.references.some(({ init }) => init !== true) || isExported(variable) || variable.scope.type === TSESLint.Scope.ScopeType.global) continue;
      if (typed.is(id, isPromise) && isOfProgram(call)) context.report({ node: id, messageId: 'unused' });
    }
  }

  /**
   * @param node the expression whose value it is, on its way outwards
   * @param at what is reported if it ends here
   * @param held whether the value is not the promise but a list or an object that has it
   */
  function fateOf(node: TSESTree.Node, at: TSESTree.Node, held: boolean): Fate {
    const parent = node.parent;
    const dropped: Fate = { kind: 'dropped', at };
    switch (parent?.type) {
      case AST_NODE_TYPES.TSAsExpression:
      case AST_NODE_TYPES.TSTypeAssertion:
      case AST_NODE_TYPES.TSNonNullExpression:
      case AST_NODE_TYPES.TSSatisfiesExpression:
      case AST_NODE_TYPES.ChainExpression:
      case AST_NODE_TYPES.AwaitExpression:
        return fateOf(parent, at, held);
      case AST_NODE_TYPES.ExpressionStatement:
      case AST_NODE_TYPES.UnaryExpression:
      case AST_NODE_TYPES.BinaryExpression:
      case AST_NODE_TYPES.TemplateLiteral:
      case AST_NODE_TYPES.IfStatement:
      case AST_NODE_TYPES.WhileStatement:
      case AST_NODE_TYPES.DoWhileStatement:
      case AST_NODE_TYPES.ForStatement:
      case AST_NODE_TYPES.SwitchStatement:
      case AST_NODE_TYPES.SwitchCase:
        return dropped;
      case AST_NODE_TYPES.SequenceExpression:
        return parent.expressions.at(-1) === node ? fateOf(parent, at, held) : dropped;
      case AST_NODE_TYPES.LogicalExpression:
        // What is left of && goes on only where it is nothing.
        return parent.operator === '&&' && parent.left === node ? dropped : fateOf(parent, parent, held);
      case AST_NODE_TYPES.ConditionalExpression:
        return parent.test === node ? dropped : fateOf(parent, parent, held);
      case AST_NODE_TYPES.ArrayExpression:
      case AST_NODE_TYPES.ObjectExpression:
        return fateOf(parent, at, true);
      case AST_NODE_TYPES.Property:
        return parent.value === node && parent.parent.type === AST_NODE_TYPES.ObjectExpression ? fateOf(parent.parent, at, true) : USED;
      case AST_NODE_TYPES.SpreadElement:
        return parent.parent.type === AST_NODE_TYPES.ArrayExpression ? fateOf(parent.parent, at, true) : USED;
      case AST_NODE_TYPES.ForOfStatement:
        return parent.right === node && parent.left.type === AST_NODE_TYPES.VariableDeclaration ? fateOfBinding(parent.left.declarations[0].id, parent.left.declarations[0], at, held) : USED;
      case AST_NODE_TYPES.CallExpression:
        if (parent.callee.type === AST_NODE_TYPES.Identifier) return CONVERSIONS.has(parent.callee.name) ? dropped : USED;
        return isAddition(parent) && isLocal(parent.callee.object) ? fateInObject(parent.callee.object, at) : USED;
      case AST_NODE_TYPES.MemberExpression:
        return parent.object === node ? fateOfMember(parent, at, held) : USED;
      case AST_NODE_TYPES.VariableDeclarator:
        return fateOfBinding(parent.id, parent, at, held);
      case AST_NODE_TYPES.AssignmentExpression:
        return parent.right === node ? fateOfAssignment(parent, at, held) : USED;
      case AST_NODE_TYPES.ArrowFunctionExpression:
        return parent.body === node && isVoidExpected(parent) ? dropped : USED;
      case AST_NODE_TYPES.ReturnStatement: {
        const made = enclosingFunction(parent);
        return made !== undefined && made.type !== AST_NODE_TYPES.FunctionDeclaration && isVoidExpected(made) ? dropped : USED;
      }
      default:
        return USED;
    }
  }

  function fateOfMember(member: TSESTree.MemberExpression, at: TSESTree.Node, held: boolean): Fate {
    const name = propertyName(member);
    // Of promises in a list, how many they are is no more than whether there is one.
    if (name === 'length' || (name === 'size' && held) || (name === 'owed' && !held)) return { kind: 'dropped', at };
    if (held) return USED;
    const call = member.parent;
    if (call.type === AST_NODE_TYPES.CallExpression && call.callee === member) return USED;
    // The method itself, and not a call of it: `promise.flush;`, `void promise.flush`.
    return ['flush', 'gather', 'ignore', 'map'].includes(name ?? '') ? fateOf(member, at, true) : USED;
  }

  function fateOfAssignment(assignment: TSESTree.AssignmentExpression, at: TSESTree.Node, held: boolean): Fate {
    const { left } = assignment;
    let stored: Fate = USED;
    if (left.type === AST_NODE_TYPES.Identifier) stored = fateOfVariable(left, at, held);
    else if (left.type === AST_NODE_TYPES.MemberExpression && left.object.type === AST_NODE_TYPES.Identifier) stored = fateInObject(left.object, at);
    if (stored.kind === 'used') return USED;
    const value = fateOf(assignment, at, held);
    return value.kind === 'used' ? USED : stored;
  }

  /** A promise in a field of an object that is in a variable: used, unless that object is made here and nobody looks at it. */
  function fateInObject(object: TSESTree.Identifier, at: TSESTree.Node): Fate {
    const [definition] = ASTUtils.findVariable(context.sourceCode.getScope(object), object)?.defs ?? [];
    const made = definition?.node.type === AST_NODE_TYPES.VariableDeclarator ? definition.node.init : undefined;
    const isMade = made?.type === AST_NODE_TYPES.ObjectExpression || made?.type === AST_NODE_TYPES.ArrayExpression || (made?.type === AST_NODE_TYPES.NewExpression && isCollection(made));
    return isMade ? fateOfVariable(object, at, true) : USED;
  }

  /** Whether a variable is one of a function: what is put aside in one of a module lives on. */
  function isLocal(id: TSESTree.Identifier): boolean {
    const scope = ASTUtils.findVariable(context.sourceCode.getScope(id), id)?.scope.variableScope;
    return scope?.type === TSESLint.Scope.ScopeType.function;
  }

  /** `new Set()`, of the language. */
  function isCollection({ callee }: TSESTree.NewExpression): boolean {
    return callee.type === AST_NODE_TYPES.Identifier && COLLECTIONS.has(callee.name) && (ASTUtils.findVariable(context.sourceCode.getScope(callee), callee)?.defs.length ?? 0) === 0;
  }

  function fateOfBinding(id: TSESTree.BindingName, declarator: TSESTree.VariableDeclarator, at: TSESTree.Node, held: boolean): Fate {
    if (id.type === AST_NODE_TYPES.Identifier) {
      return declarator.parent.parent.type === AST_NODE_TYPES.ExportNamedDeclaration ? USED : fateOfVariable(id, at, held);
    }
    if (held || id.type !== AST_NODE_TYPES.ObjectPattern) return USED;
    const onlyOwed = id.properties.every((one) => one.type === AST_NODE_TYPES.Property && !one.computed && one.key.type === AST_NODE_TYPES.Identifier && one.key.name === 'owed');
    return onlyOwed ? { kind: 'dropped', at } : USED;
  }

  /** What becomes of what a variable holds: the best that any use of it makes of it. */
  function fateOfVariable(id: TSESTree.Identifier, at: TSESTree.Node, held: boolean): Fate {
    const variable = ASTUtils.findVariable(context.sourceCode.getScope(id), id);
    // A variable of a script may be used by another one, and a parameter through `arguments`.
    if (variable === null || variable.scope.type === TSESLint.Scope.ScopeType.global || variable.defs.length === 0) return USED;
    if (isExported(variable)) return USED;
    if (isOverwritten(id, variable)) return { kind: 'unused', at };
    return isUsed(variable, held) ? USED : { kind: 'unused', at: endOf(variable) ?? at };
  }

  /** Whether another value takes the variable in the same list of statements, and nothing in between can look at the first one or lead elsewhere. */
  function isOverwritten(id: TSESTree.Identifier, variable: TSESLint.Scope.Variable): boolean {
    if (variable.references.some(({ from }) => from.variableScope !== variable.scope.variableScope)) return false;
    const from = statementOf(id);
    if (from === undefined) return false;
    const { list, at: start } = from;
    for (const next of list.slice(start + 1)) {
      const write = next.type === AST_NODE_TYPES.ExpressionStatement && next.expression.type === AST_NODE_TYPES.AssignmentExpression && next.expression.operator === '=' ? next.expression.left : undefined;
      const here = variable.references.filter(({ identifier }) => next.range[0] <= identifier.range[0] && identifier.range[1] <= next.range[1]);
      if (here.some((reference) => reference.isRead())) return false;
      if (here.length === 1 && here[0]!.identifier === write) return true;
      if (here.length > 0 || (next.type !== AST_NODE_TYPES.ExpressionStatement && next.type !== AST_NODE_TYPES.VariableDeclaration)) return false;
    }
    return false;
  }

  function isUsed(variable: TSESLint.Scope.Variable, held: boolean): boolean {
    if (open.has(variable)) return false;
    open.add(variable);
    const used = variable.references.some((reference) => reference.isRead() && reference.identifier.type === AST_NODE_TYPES.Identifier && isUse(reference.identifier, held));
    open.delete(variable);
    return used;
  }

  function isUse(identifier: TSESTree.Identifier, held: boolean): boolean {
    const { parent } = identifier;
    // `box.promise = ...` puts something into it, and takes nothing out; `p ||= ...` only looks at it.
    if (held && parent.type === AST_NODE_TYPES.MemberExpression && parent.object === identifier && parent.parent.type === AST_NODE_TYPES.AssignmentExpression && parent.parent.left === parent) return false;
    if (held && parent.type === AST_NODE_TYPES.MemberExpression && parent.object === identifier && parent.parent.type === AST_NODE_TYPES.CallExpression && isAddition(parent.parent) && isThrownAway(parent.parent)) return false;
    if (parent.type === AST_NODE_TYPES.AssignmentExpression && parent.left === identifier) return fateOf(parent, identifier, held).kind === 'used';
    return parent.type === AST_NODE_TYPES.ExportSpecifier || fateOf(identifier, identifier, held).kind === 'used';
  }

  /** `void promise;`, `promise;`: where a variable that nobody uses is thrown away by name, that place is the one to look at. */
  function endOf(variable: TSESLint.Scope.Variable): TSESTree.Node | undefined {
    return variable.references.find(({ identifier }) => isThrownAway(identifier))?.identifier;
  }

  /** What stands as a statement, after `void`, or left of a comma: where it is a name or a field, what that holds is thrown away. */
  function checkEnd(node: TSESTree.Expression): void {
    if (node.type === AST_NODE_TYPES.TSNonNullExpression || node.type === AST_NODE_TYPES.ChainExpression) checkEnd(node.expression);
    else if (node.type === AST_NODE_TYPES.SequenceExpression) checkEnd(node.expressions.at(-1)!);
    else if (node.type === AST_NODE_TYPES.Identifier || node.type === AST_NODE_TYPES.MemberExpression) checkName(node);
  }

  function checkName(node: TSESTree.Identifier | TSESTree.MemberExpression): void {
    if (!typed.is(node, isPromise)) return;
    if (node.type === AST_NODE_TYPES.Identifier) {
      const variable = ASTUtils.findVariable(context.sourceCode.getScope(node), node);
      if (variable === null || isUsed(variable, false) || isExported(variable)) return;
    }
    report(node, { kind: 'dropped', at: node });
  }

  /** Whether the function goes where none is expected to return anything: `entries.forEach((ptep) => ...)`, or nothing but an answer: `entries.some((ptep) => ...)`. */
  function isVoidExpected(made: TSESTree.Node): boolean {
    if (isOnlySatisfied(made)) return false;
    const expected = isMethod(made) ? expectedOfMethod(made.parent) : checker.getContextualType(toTs.get(made) as ts.Expression);
    if (expected === undefined) return false;
    const called = checker.getNonNullableType(expected);
    // What listens is a function, or an object with a method for it.
    const signatures = called.isUnion() ? called.types.flatMap((one) => one.getCallSignatures()) : called.getCallSignatures();
    const isNothing = ({ flags }: ts.Type): boolean => (flags & ts.TypeFlags.Void) !== 0 || ((flags & ts.TypeFlags.Unknown) !== 0 && isAnswer(made));
    return signatures.length > 0 && signatures.every((signature) => isNothing(signature.getReturnType()));
  }

  /** Whether what is expected of an expression is only that it would do: `{ zap: clearOne } satisfies Handlers` keeps the type that it has. */
  function isOnlySatisfied(made: TSESTree.Node): boolean {
    let at = made;
    while (at.parent !== undefined && IN_LITERALS.has(at.parent.type)) at = at.parent;
    return at.parent?.type === AST_NODE_TYPES.TSSatisfiesExpression && checker.getContextualType(toTs.get(at.parent)) === undefined;
  }

  /** What the place of a literal expects of one of its methods: `listen({ onZap() { return clearOne(); } })`. */
  function expectedOfMethod({ key, computed, parent }: TSESTree.Property): ts.Type | undefined {
    if (computed || key.type !== AST_NODE_TYPES.Identifier) return undefined;
    const expected = checker.getContextualType(toTs.get(parent) as ts.Expression);
    const property = expected?.getProperty(key.name);
    // Handlers by any name: Record<string, () => void>.
    return property === undefined ? expected?.getStringIndexType() : checker.getTypeOfSymbolAtLocation(property, toTs.get(key));
  }

  /** `entries.forEach(clearOne)`, `onClick={clearOne}`, `entries.forEach(clearing(arch))`: the function by its name, or as another makes it. */
  function checkPassed(argument: TSESTree.Node): void {
    if (argument.type === AST_NODE_TYPES.ConditionalExpression) {
      checkPassed(argument.consequent);
      checkPassed(argument.alternate);
      return;
    }
    if (argument.type === AST_NODE_TYPES.LogicalExpression) {
      checkPassed(argument.right);
      if (argument.operator !== '&&') checkPassed(argument.left);
      return;
    }
    if (argument.type !== AST_NODE_TYPES.Identifier && argument.type !== AST_NODE_TYPES.MemberExpression && argument.type !== AST_NODE_TYPES.CallExpression) return;
    if (!typed.is(argument, makesPromises) || !isVoidExpected(argument)) return;
    context.report({ node: argument, messageId: 'dropped' });
  }

  function checkReason(call: TSESTree.CallExpression): void {
    const { callee } = call;
    const [reason] = call.arguments;
    if (callee.type !== AST_NODE_TYPES.MemberExpression || propertyName(callee) !== 'ignore' || reason?.type === AST_NODE_TYPES.SpreadElement) return;
    if (reason === undefined) {
      if (typed.types.passes(typed.typeOf(callee.object), isPromise)) context.report({ node: call, messageId: 'emptyReason' });
      return;
    }
    const type = typed.typeOf(reason);
    if (type.isStringLiteral() && type.value.trim() === '' && typed.types.passes(typed.typeOf(callee.object), isPromise)) context.report({ node: reason, messageId: 'emptyReason' });
  }

  /** Whether the code still compiles, and does the same otherwise, when the promise is flushed where it is made. */
  function canFlush(source: TSESTree.Expression, fate: End): boolean {
    if (!typed.types.passes(typed.typeOf(source), isPromise) || (source.type === AST_NODE_TYPES.NewExpression && !context.sourceCode.getText(source).endsWith(')'))) return false;
    // `when && clear();` is no other than clear() where it comes to that. Of `a || b` and `when ? a : b` only a part would be flushed.
    const isGuarded = fate.at.type === AST_NODE_TYPES.LogicalExpression && fate.at.operator === '&&' && fate.at.right === source;
    const { parent } = fate.at === source || !isGuarded ? source : fate.at;
    if (fate.kind === 'unused') {
      return parent.type === AST_NODE_TYPES.VariableDeclarator && parent.id.type === AST_NODE_TYPES.Identifier && parent.id.typeAnnotation === undefined &&
        context.sourceCode.getDeclaredVariables(parent).every(({ references }) => references.every(({ init }) => init === true));
    }
    return parent.type === AST_NODE_TYPES.ExpressionStatement || parent.type === AST_NODE_TYPES.ArrowFunctionExpression || parent.type === AST_NODE_TYPES.ReturnStatement ||
      parent.type === AST_NODE_TYPES.SequenceExpression || (parent.type === AST_NODE_TYPES.UnaryExpression && parent.operator === 'void') ||
      (parent.type === AST_NODE_TYPES.ChainExpression && parent.parent.type === AST_NODE_TYPES.ExpressionStatement);
  }

  function flushSuggestion(source: TSESTree.Expression): TSESLint.ReportSuggestionArray<Messages>[number] {
    const call = source.type === AST_NODE_TYPES.CallExpression ? checker.getResolvedSignature(toTs.get(source))?.getReturnType() : undefined;
    const type = call ?? typed.typeOf(source);
    const dot = checker.getNonNullableType(type) === type ? '.' : '?.';
    return {
      messageId: 'flushNow',
      fix: (fixer) =>
        source.type === AST_NODE_TYPES.AwaitExpression || source.type === AST_NODE_TYPES.YieldExpression
          ? [fixer.insertTextBefore(source, '('), fixer.insertTextAfter(source, `)${dot}flush()`)]
          : fixer.insertTextAfter(source, `${dot}flush()`),
    };
  }

  return {
    CallExpression(node) {
      checkReason(node);
      checkSource(node);
      for (const argument of node.arguments) checkPassed(argument);
    },
    NewExpression(node) {
      checkSource(node);
      for (const argument of node.arguments) checkPassed(argument);
    },
    ArrayExpression({ elements }) {
      for (const element of elements) if (element !== null) checkPassed(element);
    },
    AssignmentPattern({ left, right }) {
      if (left.type === AST_NODE_TYPES.Identifier && left.typeAnnotation !== undefined) checkPassed(right);
    },
    PropertyDefinition({ typeAnnotation, value }) {
      if (typeAnnotation !== undefined && value !== null) checkPassed(value);
    },
    ReturnStatement(node) {
      if (node.argument !== null && MAY_BE_FUNCTIONS.has(enclosingFunction(node)?.returnType?.typeAnnotation.type)) checkPassed(node.argument);
    },
    ArrowFunctionExpression({ body, returnType }) {
      if (MAY_BE_FUNCTIONS.has(returnType?.typeAnnotation.type)) checkPassed(body);
    },
    TaggedTemplateExpression: checkSource,
    AwaitExpression(node) {
      // What was a promise of a flush before is looked at where it was made.
      if (!typed.is(node.argument, isPromise)) checkSource(node);
    },
    YieldExpression: checkSource,
    VariableDeclarator({ id, init, parent }) {
      if (init === null) return;
      if (id.type === AST_NODE_TYPES.Identifier) {
        if (id.typeAnnotation !== undefined) checkPassed(init);
      } else checkTaken(parent, init);
    },
    ForOfStatement({ left, right }) {
      if (left.type === AST_NODE_TYPES.VariableDeclaration) checkTaken(left, right);
    },
    AssignmentExpression({ operator, right }) {
      if (operator === '=') checkPassed(right);
    },
    Property({ parent, value }) {
      if (parent.type === AST_NODE_TYPES.ObjectExpression) checkPassed(value);
    },
    JSXExpressionContainer({ expression }) {
      checkPassed(expression);
    },
    ExpressionStatement(node) {
      checkEnd(node.expression);
    },
    UnaryExpression(node) {
      if (node.operator === 'void') checkEnd(node.argument);
    },
    SequenceExpression(node) {
      for (const expression of node.expressions.slice(0, -1)) checkEnd(expression);
    },
  };
}

/** The list of statements where a variable gets its value by a statement of its own, and the place in it. What may be left by an error is none. */
function statementOf(id: TSESTree.Identifier): { readonly list: readonly TSESTree.Node[]; readonly at: number } | undefined {
  const { parent } = id;
  const statement = parent.type === AST_NODE_TYPES.VariableDeclarator || parent.type === AST_NODE_TYPES.AssignmentExpression ? parent.parent : undefined;
  const block = statement?.parent;
  if (statement === undefined || (block?.type !== AST_NODE_TYPES.BlockStatement && block?.type !== AST_NODE_TYPES.Program)) return undefined;
  for (let at: TSESTree.Node = block; at.type !== AST_NODE_TYPES.Program && !ASTUtils.isFunction(at); at = at.parent!) if (at.type === AST_NODE_TYPES.TryStatement) return undefined;
  return { list: block.body, at: block.body.findIndex((one) => one === statement) };
}

/** Whether a function is one of those of which a list only asks whether what they return is true. Lists say that it may be anything. */
function isAnswer({ parent }: TSESTree.Node): boolean {
  return parent?.type === AST_NODE_TYPES.CallExpression && parent.callee.type === AST_NODE_TYPES.MemberExpression && QUESTIONS.has(propertyName(parent.callee) ?? '');
}

/** Functions of the language that make something else of a promise, and keep nothing of it. */
const CONVERSIONS: ReadonlySet<string> = new Set(['Boolean', 'String']);

/** Methods of the language that make a list of another, or a Promise of one. */
const MAKES_LISTS: ReadonlySet<string> = new Set(['map', 'flatMap', 'from', 'all']);

/** What an expression may be a part of that is still written as one literal. */
const IN_LITERALS: ReadonlySet<AST_NODE_TYPES> = new Set([AST_NODE_TYPES.Property, AST_NODE_TYPES.ObjectExpression, AST_NODE_TYPES.ArrayExpression, AST_NODE_TYPES.ConditionalExpression]);

/** Types by which a function may be meant. */
const MAY_BE_FUNCTIONS: ReadonlySet<AST_NODE_TYPES | undefined> = new Set([AST_NODE_TYPES.TSFunctionType, AST_NODE_TYPES.TSTypeReference, AST_NODE_TYPES.TSUnionType]);

/** Methods of the language that put something into a list, a set or a map. */
const ADDITIONS: ReadonlySet<string> = new Set(['push', 'unshift', 'add', 'set']);

const LISTS: ReadonlySet<string> = new Set(['Array', 'ReadonlyArray']);

const COLLECTIONS: ReadonlySet<string> = new Set(['Array', 'Set', 'Map']);

const QUESTIONS: ReadonlySet<string> = new Set(['every', 'some', 'filter', 'find', 'findIndex', 'findLast', 'findLastIndex']);

/** `list.push(promise)`, where the list has a name. */
function isAddition(call: TSESTree.CallExpression): call is TSESTree.CallExpression & { callee: TSESTree.MemberExpression & { object: TSESTree.Identifier } } {
  return call.callee.type === AST_NODE_TYPES.MemberExpression && call.callee.object.type === AST_NODE_TYPES.Identifier && ADDITIONS.has(propertyName(call.callee) ?? '');
}

function isThrownAway(node: TSESTree.Node): boolean {
  const { parent } = node;
  if (parent === undefined) return false;
  if (parent.type === AST_NODE_TYPES.TSNonNullExpression || parent.type === AST_NODE_TYPES.ChainExpression) return isThrownAway(parent);
  if (parent.type === AST_NODE_TYPES.SequenceExpression) return parent.expressions.at(-1) !== node || isThrownAway(parent);
  return parent.type === AST_NODE_TYPES.ExpressionStatement || (parent.type === AST_NODE_TYPES.UnaryExpression && parent.operator === 'void');
}

function isExported(variable: TSESLint.Scope.Variable): boolean {
  return variable.defs.some(({ node }) => node.type === AST_NODE_TYPES.VariableDeclarator && node.parent.parent.type === AST_NODE_TYPES.ExportNamedDeclaration);
}

/** Whether a function is a method of a literal. */
function isMethod(made: TSESTree.Node): made is TSESTree.FunctionExpression & { parent: TSESTree.Property } {
  return made.type === AST_NODE_TYPES.FunctionExpression && made.parent.type === AST_NODE_TYPES.Property && made.parent.method;
}

/** The function that a statement returns from. */
function enclosingFunction(node: TSESTree.Node): TSESTree.FunctionLike | undefined {
  let at = node;
  while (at.type !== AST_NODE_TYPES.Program && !ASTUtils.isFunction(at)) at = at.parent!;
  return at.type === AST_NODE_TYPES.Program ? undefined : at;
}

/** `p.flush`, `p['flush']`. */
function propertyName(member: TSESTree.MemberExpression): string | undefined {
  if (!member.computed) return member.property.type === AST_NODE_TYPES.Identifier ? member.property.name : undefined;
  return member.property.type === AST_NODE_TYPES.Literal && typeof member.property.value === 'string' ? member.property.value : undefined;
}
