import { AST_NODE_TYPES, ASTUtils, TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { calledName, entryRead } from '../accessors.js';
import { ancestors, bare, withNonNull } from '../ast.js';
import { createRule } from '../create-rule.js';
import { accessorName } from '../fix/names.js';
import { archInReach, importCore } from '../fix/reach.js';
import type { Level } from '../levels.js';
import { inOneGo } from '../in-one-go.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';

const MESSAGES = {
  ...NO_TYPES,
  compare: 'An entry is compared with zero, and the empty {{level}} entry is not zero on every architecture (s390). Ask {{none}}.',
  truth: 'A {{level}} entry is asked whether it is true, which asks whether it is zero, and the empty entry is not zero on every architecture (s390). Ask {{none}}.',
  write: 'Zero is written as the empty {{level}} entry, which it is not on every architecture (s390). Use {{clear}}, or the empty entry of `arch.values`.',
} as const;

type Messages = keyof typeof MESSAGES;
type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;

/** Something that holds an entry's bits: of which level, where that is known. */
interface Entry {
  readonly level: Level | undefined;
  /** Whether it is a value of an entry by its type, so that predicates take it. */
  readonly isValue: boolean;
}

/** Zero as a synonym of empty: an empty entry is what its architecture says, and on s390 it is not zero. */
export const noZeroEntry = createRule<Messages>({
  name: 'no-zero-entry',
  meta: {
    type: 'problem',
    docs: { description: 'Whether an entry is empty is asked of its architecture, and an empty entry comes from it', config: 'recommended', typed: true },
    fixable: 'code',
    messages: MESSAGES,
  },
  create(context) {
    const types = typed(context);
    return types === undefined ? {} : inOneGo(context.sourceCode, listeners(context, types));
  },
});

function listeners(context: Context, types: Typed): TSESLint.RuleListener {
  const toTs = types.services.esTreeNodeToTSNodeMap;
  const { checker } = types.types;
  const text = (node: TSESTree.Node): string => context.sourceCode.getText(node);

  /** Zero, literally or by a constant that is nothing else. */
  function isZero(node: TSESTree.Node, byType = (one: TSESTree.Node) => types.isZero(one)): boolean {
    const inner = bare(node as TSESTree.Expression);
    if (inner.type === AST_NODE_TYPES.CallExpression && inner.callee.type === AST_NODE_TYPES.Identifier && (inner.callee.name === 'BigInt' || inner.callee.name === 'Number')) {
      return inner.arguments.length === 1 && (isZero(inner.arguments[0]!, byType) || isZeroText(inner.arguments[0]!));
    }
    if (inner.type === AST_NODE_TYPES.UnaryExpression && (inner.operator === '-' || inner.operator === '+')) return isZero(inner.argument, byType);
    if (inner.type === AST_NODE_TYPES.Literal) return inner.value === 0 || inner.value === 0n;
    if (byType(inner)) return true;
    // const NONE: bigint = 0n, and static readonly NONE: bigint = 0n. One that is cast to an entry is reported where it is.
    const constant = types.valueOf(inner) === undefined ? constantOf(inner) : undefined;
    return constant !== undefined && isZeroLiteral(constant);
  }

  /** Which of two is an entry, where the other is zero. What a variable is at some place takes longer to find than that it is no entry. */
  function besideZero(one: TSESTree.Node, other: TSESTree.Node): { readonly value: TSESTree.Node; readonly entry: Entry } | undefined {
    return ifZero(other, one) ?? ifZero(one, other);
  }

  function ifZero(zero: TSESTree.Node, value: TSESTree.Node): { readonly value: TSESTree.Node; readonly entry: Entry } | undefined {
    const entry = isZero(zero, mayBeZero) ? entryOf(value) : undefined;
    return entry === undefined || !isZero(zero) ? undefined : { value, entry };
  }

  function mayBeZero(node: TSESTree.Node): boolean {
    return types.mayBeZero(node);
  }

  /** What a constant or a readonly field of any file begins with, and stays. */
  function constantOf(node: TSESTree.Node): ts.Expression | undefined {
    const name = node.type === AST_NODE_TYPES.MemberExpression && !node.computed ? node.property : node;
    if (name.type !== AST_NODE_TYPES.Identifier) return undefined;
    const symbol = types.symbolOf(name);
    const declaration = symbol === undefined ? undefined : types.types.resolved(symbol).valueDeclaration;
    if (declaration === undefined) return undefined;
    if (ts.isVariableDeclaration(declaration)) return (ts.getCombinedNodeFlags(declaration) & ts.NodeFlags.Const) === 0 ? undefined : declaration.initializer;
    const isStaticReadonly = ts.ModifierFlags.Static | ts.ModifierFlags.Readonly;
    return ts.isPropertyDeclaration(declaration) && (ts.getCombinedModifierFlags(declaration) & isStaticReadonly) === isStaticReadonly ? declaration.initializer : undefined;
  }

  /** What holds an entry: its value, the bits that stand in memory, or either of them converted as a whole. */
  function entryOf(node: TSESTree.Node, depth = 0): Entry | undefined {
    const value = types.valueOf(node);
    if (value !== undefined) return isEmptyEntry(node) ? undefined : { level: value.level, isValue: true };
    const inner = bare(node as TSESTree.Expression);
    if (inner !== node) return asBits(entryOf(inner, depth));
    if (inner.type === AST_NODE_TYPES.CallExpression) return asBits(ofCall(inner, depth));
    if (inner.type === AST_NODE_TYPES.AssignmentExpression && inner.operator === '=') return asBits(entryOf(inner.right, depth));
    if (inner.type === AST_NODE_TYPES.SequenceExpression) return asBits(entryOf(inner.expressions.at(-1)!, depth));
    // Both halves of an entry at once.
    if (inner.type === AST_NODE_TYPES.BinaryExpression && inner.operator === '|') return asBits(entryOf(inner.left, depth) && entryOf(inner.right, depth));
    // No entry, as a zero: what is found is compared with an empty one all the same.
    if (inner.type === AST_NODE_TYPES.LogicalExpression && inner.operator !== '&&') return isZero(inner.right) ? asBits(entryOf(inner.left, depth)) : undefined;
    if (inner.type === AST_NODE_TYPES.MemberExpression && inner.computed) {
      if (types.isLive(inner.property)) return { level: types.handleOf(inner.property)?.level, isValue: false };
      return isTableMemory(inner.object) ? { level: undefined, isValue: false } : undefined;
    }
    return inner.type === AST_NODE_TYPES.Identifier && depth < MAX_DEPTH ? asBits(ofVariable(inner, depth + 1)) : undefined;
  }

  /** `arch.values.pte.empty`: whoever asks whether that is zero asks for just this. */
  function isEmptyEntry(node: TSESTree.Node): boolean {
    const inner = bare(node as TSESTree.Expression);
    return inner.type === AST_NODE_TYPES.MemberExpression && !inner.computed && inner.property.type === AST_NODE_TYPES.Identifier && inner.property.name === 'empty' && types.types.isCore(types.typeOf(inner.object), 'EntryValues');
  }

  /** A variable that was read from a table some lines above, and is given nothing else. */
  function ofVariable(node: TSESTree.Identifier, depth: number): Entry | undefined {
    const variable = ASTUtils.findVariable(context.sourceCode.getScope(node), node);
    const [definition] = variable?.defs ?? [];
    if (variable === null || definition === undefined) return undefined;
    if (definition.type === TSESLint.Scope.DefinitionType.Parameter) return isElementOfTables(definition.node, definition.name) ? { level: undefined, isValue: false } : undefined;
    if (definition.type !== TSESLint.Scope.DefinitionType.Variable) return undefined;
    const { id } = definition.node;
    const loop = definition.parent.parent;
    if (loop.type === AST_NODE_TYPES.ForOfStatement && loop.left === definition.parent) {
      // for (const [index, entry] of tables.elements.entries())
      const list = id.type === AST_NODE_TYPES.Identifier ? loop.right : id.type === AST_NODE_TYPES.ArrayPattern && id.elements[1] === definition.name ? objectOfEntries(loop.right) : undefined;
      return list !== undefined && isTableMemory(list) ? { level: undefined, isValue: false } : undefined;
    }
    if (id.type !== AST_NODE_TYPES.Identifier) return undefined;
    const given = variable.references.filter((reference) => reference.isWrite()).map(({ writeExpr, identifier }) =>
      writeExpr && (identifier.parent.type === AST_NODE_TYPES.VariableDeclarator || (identifier.parent.type === AST_NODE_TYPES.AssignmentExpression && identifier.parent.operator === '=')) ? entryOf(writeExpr, depth) : undefined,
    );
    return given.every((one) => one !== undefined) ? given[0] : undefined;
  }

  /** `tables.elements.every((entry) => ...)`: what a list's own method calls a function for. */
  function isElementOfTables(made: TSESTree.Node, parameter: TSESTree.Node): boolean {
    if (made.type !== AST_NODE_TYPES.ArrowFunctionExpression && made.type !== AST_NODE_TYPES.FunctionExpression) return false;
    const call = made.parent;
    if (call.type !== AST_NODE_TYPES.CallExpression || call.callee.type !== AST_NODE_TYPES.MemberExpression) return false;
    // Array.from(tables.elements, (entry) => ...)
    if (call.arguments[1] === made) return made.params[0] === parameter && isFrom(call) && isTableMemory(call.arguments[0]!);
    if (call.arguments[0] !== made) return false;
    const at = /^reduce(Right)?$/.test(ASTUtils.getPropertyName(call.callee) ?? '') ? 1 : 0;
    return made.params[at] === parameter && isTableMemory(call.callee.object);
  }

  function ofCall(node: TSESTree.CallExpression, depth: number): Entry | undefined {
    const callee = bare(node.callee);
    const name = text(node.callee);
    const [first, second] = node.arguments;
    if (name === 'Number' || name === 'BigInt') return first === undefined ? undefined : entryOf(first, depth);
    // Of all bits, and not of some of them.
    if (name === 'BigInt.asUintN' || name === 'BigInt.asIntN') return second !== undefined && text(first!) === '64' ? entryOf(second, depth) : undefined;
    if (name === 'Atomics.load' && second !== undefined) {
      if (types.isLive(second)) return { level: types.handleOf(second)?.level, isValue: false };
      return isTableMemory(first!) ? { level: undefined, isValue: false } : undefined;
    }
    // A getter that the settings name, whatever it returns.
    const read = entryRead(types, node);
    if (read !== undefined) return { level: read.level, isValue: false };
    if (callee.type === AST_NODE_TYPES.MemberExpression && !callee.computed && callee.property.type === AST_NODE_TYPES.Identifier) {
      if (callee.property.name === 'valueOf') return entryOf(callee.object, depth);
      if (/^(at|getBigU?[iI]nt64)$/.test(callee.property.name) && isTableMemory(callee.object)) return { level: undefined, isValue: false };
    }
    return isCoreCall(node, 'raw') ? { level: first === undefined ? undefined : types.handleOf(first)?.level, isValue: false } : undefined;
  }

  /** Whether what is called is declared by that name in `@pgtable/core`, whatever it is called here. */
  function isCoreCall(node: TSESTree.CallExpression, name: string): boolean {
    const declaration = types.signatureOf(node)?.declaration;
    if (declaration === undefined || ts.isJSDocSignature(declaration)) return false;
    const symbol = declaration.name === undefined ? undefined : checker.getSymbolAtLocation(declaration.name);
    return symbol !== undefined && types.types.isCoreSymbol(symbol, name);
  }

  /** `tables.words`, `tables.elements`: the entries of table memory. */
  function isTableMemory(node: TSESTree.Node): boolean {
    const inner = bare(node as TSESTree.Expression);
    if (inner.type === AST_NODE_TYPES.MemberExpression && inner.property.type === AST_NODE_TYPES.Identifier && /^(words|elements|bytes)$/.test(inner.property.name)) {
      return types.types.isCore(types.typeOf(inner.object), 'TableMemory', 'EntryBuffer');
    }
    if (inner.type === AST_NODE_TYPES.MemberExpression && inner.object.type === AST_NODE_TYPES.ThisExpression) {
      const field = fieldOf(inner);
      return field !== undefined && isTableMemory(field);
    }
    // new BigUint64Array(tables.elements.buffer), new DataView(...): the same memory in another view.
    if (inner.type === AST_NODE_TYPES.NewExpression) {
      const [buffer] = inner.arguments;
      const isView = inner.callee.type === AST_NODE_TYPES.Identifier && VIEWS.test(inner.callee.name) && buffer?.type === AST_NODE_TYPES.MemberExpression;
      return isView && ASTUtils.getPropertyName(buffer) === 'buffer' && isTableMemory(buffer.object);
    }
    // [...tables.elements]
    if (inner.type === AST_NODE_TYPES.ArrayExpression) return inner.elements.length === 1 && inner.elements[0]?.type === AST_NODE_TYPES.SpreadElement && isTableMemory(inner.elements[0].argument);
    // Some of them, or a list of them.
    if (inner.type === AST_NODE_TYPES.CallExpression && inner.callee.type === AST_NODE_TYPES.MemberExpression && inner.callee.property.type === AST_NODE_TYPES.Identifier) {
      if (isFrom(inner)) return inner.arguments.length === 1 && isTableMemory(inner.arguments[0]!);
      return /^(subarray|slice|values)$/.test(inner.callee.property.name) && isTableMemory(inner.callee.object);
    }
    if (inner.type !== AST_NODE_TYPES.Identifier) return false;
    // const { words } = tables; const words = tables.words;
    const declaration = types.symbolOf(inner)?.valueDeclaration;
    if (declaration === undefined) return false;
    if (ts.isBindingElement(declaration) && ts.isObjectBindingPattern(declaration.parent)) {
      const property = declaration.propertyName ?? declaration.name;
      return ts.isIdentifier(property) && /^(words|elements|bytes)$/.test(property.text) && types.types.isCore(checker.getTypeAtLocation(declaration.parent), 'TableMemory', 'EntryBuffer');
    }
    if (!ts.isVariableDeclaration(declaration) || declaration.initializer === undefined || ts.isIdentifier(declaration.initializer)) return false;
    const initializer = types.services.tsNodeToESTreeNodeMap.get(declaration.initializer) as TSESTree.Node | undefined;
    return initializer !== undefined && isTableMemory(initializer);
  }

  /** What a readonly field of the class around begins with, and stays: `this.#elements`. */
  function fieldOf(node: TSESTree.MemberExpression): TSESTree.Expression | undefined {
    const name = text(node.property);
    for (const at of ancestors(node)) {
      if (at.type !== AST_NODE_TYPES.ClassBody) continue;
      const field = at.body.find((one): one is TSESTree.PropertyDefinition => one.type === AST_NODE_TYPES.PropertyDefinition && one.readonly && !one.static && text(one.key) === name);
      return field?.value ?? undefined;
    }
    return undefined;
  }

  function report(node: TSESTree.Node, messageId: 'compare' | 'truth' | 'write', { level }: Entry, fix?: TSESLint.ReportFixFunction): void {
    const data = {
      level: level ?? 'page-table',
      none: level === undefined ? 'the none predicate of its level' : accessorName.none(level),
      clear: level === undefined ? 'the clear accessor of its level' : accessorName.clear(level),
    };
    context.report({ node, messageId, data, ...(fix === undefined ? {} : { fix }) });
  }

  /** `pteNone(arch, pte)` in the place of a question about zero. */
  function asksNone(place: TSESTree.Node, value: TSESTree.Node, { level, isValue }: Entry, negated: boolean): TSESLint.ReportFixFunction | undefined {
    const arch = archInReach(context, types, place, { writable: true });
    const type = types.typeOf(value);
    // Predicates take entries of their level, and neither undefined nor bare bits.
    const isEntry = (type.isUnion() ? type.types : [type]).every((member) => types.types.value(member) !== undefined) && checker.isTypeAssignableTo(type, checker.getBigIntType());
    if (arch === undefined || level === undefined || !isValue || !isEntry || value.type === AST_NODE_TYPES.SequenceExpression) return undefined;
    if (context.sourceCode.getCommentsInside(place).some(({ range }) => range[0] < value.range[0] || range[1] > value.range[1])) return undefined;
    return (fixer) => {
      const imports = importCore(context, fixer, place, [accessorName.none(level)]);
      return imports === undefined ? null : [...imports, fixer.replaceText(place, apart(place, `${negated ? '!' : ''}${accessorName.none(level)}(${arch}, ${text(value)})`))];
    };
  }

  /** A text for the place of a node, with a space before it where the two words would be one: `return!pte`. */
  function apart(place: TSESTree.Node, written: string): string {
    const before = context.sourceCode.text.charAt(place.range[0] - 1);
    return /[\w$]/.test(before) && /^[\w$]/.test(written) ? ` ${written}` : written;
  }

  /** A value that is only asked whether it is true. */
  function checkTruth(node: TSESTree.Node | null | undefined, canFix = true, asks?: () => boolean): void {
    if (node === null || node === undefined) return;
    if (node.type === AST_NODE_TYPES.LogicalExpression || (node.type === AST_NODE_TYPES.UnaryExpression && node.operator === '!')) return;
    const entry = entryOf(node);
    if (entry === undefined || asks?.() === false) return;
    const negation = node.parent?.type === AST_NODE_TYPES.UnaryExpression && node.parent.operator === '!' ? node.parent : undefined;
    report(node, 'truth', entry, canFix ? asksNone(negation ?? node, node, entry, negation === undefined) : undefined);
  }

  /** Whether nothing but the truth of an expression counts where it stands. */
  function isCondition(node: TSESTree.Node): boolean {
    const { parent } = node;
    if (parent === undefined) return false;
    if (parent.type === AST_NODE_TYPES.LogicalExpression) return parent.operator !== '??' && isCondition(parent);
    if (parent.type === AST_NODE_TYPES.UnaryExpression) return parent.operator === '!';
    return (
      (parent.type === AST_NODE_TYPES.IfStatement || parent.type === AST_NODE_TYPES.ConditionalExpression || parent.type === AST_NODE_TYPES.WhileStatement ||
        parent.type === AST_NODE_TYPES.DoWhileStatement || parent.type === AST_NODE_TYPES.ForStatement) && parent.test === node
    );
  }

  /** Whether an expression is asked whether it is true where it stands, even if its value counts there too: `(a && pte) && b`. */
  function isAsked(node: TSESTree.Node): boolean {
    const { parent } = node;
    if (parent?.type === AST_NODE_TYPES.LogicalExpression) return parent.operator !== '??' && (parent.left === node || isAsked(parent));
    return isCondition(node);
  }

  /** What a function answers, or `Boolean` is asked: the left sides in it are asked where they stand. */
  function checkAnswer(node: TSESTree.Node | null | undefined, asks?: () => boolean): void {
    if (node?.type === AST_NODE_TYPES.LogicalExpression) checkAnswer(node.right, asks);
    else checkTruth(node, true, asks);
  }

  /** Whether a function may answer with true or false, as `find` of a list wants it, and not with what `find` of something else returns. */
  function isQuestion(made: TSESTree.ArrowFunctionExpression | TSESTree.FunctionExpression): boolean {
    const signatures = checker.getContextualType(toTs.get(made) as ts.Expression)?.getCallSignatures() ?? [];
    return signatures.length === 0 || signatures.some((signature) => checker.isTypeAssignableTo(checker.getBooleanType(), signature.getReturnType()));
  }

  /** A zero in the place of an entry's value. */
  function checkWrite(node: TSESTree.Node, zero: TSESTree.Node, entry: Entry): void {
    if (!isZero(zero)) return;
    const arch = archInReach(context, types, node, { writable: true });
    const { level } = entry;
    const isExpression = node.type === AST_NODE_TYPES.CallExpression || node.type === AST_NODE_TYPES.TSAsExpression;
    const canFix = arch !== undefined && level !== undefined && isExpression && entry.isValue && context.sourceCode.getCommentsInside(node).length === 0;
    report(node, 'write', entry, canFix ? (fixer) => fixer.replaceText(node, apart(node, `${arch}.values.${level}.empty`)) : undefined);
  }

  function checkTest({ test }: TSESTree.IfStatement | TSESTree.ConditionalExpression | TSESTree.WhileStatement | TSESTree.DoWhileStatement | TSESTree.ForStatement): void {
    checkTruth(test);
  }

  function checkCast(node: TSESTree.TSAsExpression | TSESTree.TSTypeAssertion): void {
    if (node.parent.type === AST_NODE_TYPES.TSAsExpression || node.parent.type === AST_NODE_TYPES.TSTypeAssertion || isCompared(node)) return;
    const value = types.valueOf(node);
    if (value !== undefined) checkWrite(node, node, { ...value, isValue: true });
  }

  return {
    BinaryExpression(node) {
      const { left, operator, right } = node;
      if (!COMPARISONS.has(operator) || left.type === AST_NODE_TYPES.PrivateIdentifier) return;
      const found = besideZero(left, right);
      if (found === undefined) return;
      const { value, entry } = found;
      const isEquality = operator.includes('==') || operator === '!=';
      report(node, 'compare', entry, isEquality ? asksNone(node, value, entry, operator.startsWith('!')) : undefined);
    },
    SwitchCase(node) {
      if (node.test === null) return;
      const found = besideZero(node.parent.discriminant, node.test);
      if (found !== undefined) report(node.test, 'compare', found.entry);
    },
    UnaryExpression(node) {
      if (node.operator === '!') checkTruth(node.argument);
    },
    IfStatement: checkTest,
    ConditionalExpression: checkTest,
    WhileStatement: checkTest,
    DoWhileStatement: checkTest,
    ForStatement: checkTest,
    LogicalExpression(node) {
      if (node.operator === '??') return;
      // What `a && b` is where its value counts is a's, so that a boolean in its place need not compile.
      checkTruth(node.left, isCondition(node) || node.parent.type === AST_NODE_TYPES.ExpressionStatement);
      // The right side is what the whole becomes, and is asked where that is.
      if (isAsked(node)) checkTruth(node.right, isCondition(node));
    },
    CallExpression(node) {
      const { 0: first, 1: second, 2: third } = node.arguments;
      if (first === undefined) return;
      const name = isOfLanguage(calledName(node)?.name ?? '') ? text(node.callee) : '';
      if (name === 'Object.is' && second !== undefined) {
        const found = besideZero(first, second);
        if (found !== undefined) report(node, 'compare', found.entry);
        return;
      }
      if (name === 'Boolean' && first.type !== AST_NODE_TYPES.SpreadElement) {
        checkAnswer(first);
        return;
      }
      if (/^Atomics\.(store|exchange|compareExchange|and)$/.test(name) && second !== undefined && third !== undefined) {
        const written = name === 'Atomics.compareExchange' ? (node.arguments[3] ?? third) : third;
        const isEntry = types.isLive(second) || isTableMemory(first);
        if (isEntry) checkWrite(written, written, { level: types.handleOf(second)?.level, isValue: false });
        return;
      }
      // entryVal('pte', 0n)
      if (second !== undefined && node.arguments.length === 2 && isZero(second) && isCoreCall(node, 'entryVal')) {
        if (!isCompared(node)) checkWrite(node, second, { level: types.types.value(types.typeOf(node))?.level, isValue: true });
        return;
      }
      checkMethod(node);
      checkAsserted(node);
      checkExpected(node);
      // A setter that the settings name: what it writes comes after the handle.
      if (types.settings.accessors.set.has(calledName(node)?.name ?? '')) {
        const at = node.arguments.findIndex((argument) => argument.type !== AST_NODE_TYPES.SpreadElement && types.handleOf(argument) !== undefined);
        const written = node.arguments[at + 1];
        if (at >= 0 && written !== undefined && types.types.value(types.typeOf(written)) === undefined) checkWrite(written, written, { level: types.handleOf(node.arguments[at]!)?.level, isValue: false });
      }
    },
    TSAsExpression: checkCast,
    TSTypeAssertion: checkCast,
    // A zero where an entry is expected, by `any` or against the compiler's will.
    Literal(node) {
      if (node.value !== 0n || !('bigint' in node)) return;
      let at: TSESTree.Expression = node;
      while (at.parent.type === AST_NODE_TYPES.TSAsExpression || at.parent.type === AST_NODE_TYPES.TSTypeAssertion || at.parent.type === AST_NODE_TYPES.TSSatisfiesExpression) {
        if (types.types.value(types.typeOf(at.parent)) !== undefined) return;
        at = at.parent;
      }
      const { parent } = at;
      if (parent.type === AST_NODE_TYPES.BinaryExpression || parent.type === AST_NODE_TYPES.SwitchCase || (parent.type === AST_NODE_TYPES.MemberExpression && parent.property === at)) return;
      if (parent.type === AST_NODE_TYPES.LogicalExpression) at = parent;
      const expected = checker.getContextualType(toTs.get(at));
      const value = expected === undefined ? undefined : types.types.value(expected);
      // What takes a number as well, PteVal | bigint, may be meant to have one.
      if (expected !== undefined && value !== undefined && !checker.isTypeAssignableTo(types.typeOf(node), expected)) report(node, 'write', { ...value, isValue: false });
    },
    AssignmentExpression(node) {
      if (node.operator === '||=' || node.operator === '&&=') checkTruth(node.left, false);
      const left = bare(node.left);
      const target = left.type === AST_NODE_TYPES.MemberExpression ? left : undefined;
      if (target === undefined || (node.operator !== '=' && node.operator !== '&=') || !target.computed || !isZero(node.right)) return;
      const entry = entryOf(target);
      if (entry !== undefined && !entry.isValue) checkWrite(withNonNull(node), node.right, entry);
    },
  };

  /** Whether a zero is what an entry is compared with: that is reported where the two are compared. */
  function isCompared(node: TSESTree.Node): boolean {
    const { parent } = node;
    if (parent?.type === AST_NODE_TYPES.SwitchCase) return parent.test === node && isZero(node);
    return parent?.type === AST_NODE_TYPES.BinaryExpression && isZero(node);
  }

  /** What lists do with their elements: tables.elements.fill(0n), entries.filter(Boolean). */
  function checkMethod(node: TSESTree.CallExpression): void {
    const callee = bare(node.callee);
    if (callee.type !== AST_NODE_TYPES.MemberExpression || callee.computed || callee.property.type !== AST_NODE_TYPES.Identifier) return;
    const first = node.arguments[0];
    const { name } = callee.property;
    if (first === undefined || !METHODS.has(name)) return;
    const bits = { level: undefined, isValue: false };
    if (name.startsWith('setBig')) {
      const second = node.arguments[1];
      if (second !== undefined && isTableMemory(callee.object)) checkWrite(node, second, bits);
    } else if (name === 'fill' && isTableMemory(callee.object)) checkWrite(node, first, bits);
    else if (name === 'set' && first.type === AST_NODE_TYPES.ArrayExpression && isTableMemory(callee.object)) {
      for (const element of first.elements) if (element !== null) checkWrite(element, element, bits);
    } else if (/^(indexOf|lastIndexOf|includes)$/.test(name)) {
      if (isZero(first) && isTableMemory(callee.object)) report(node, 'compare', bits);
      else if (callee.object.type === AST_NODE_TYPES.ArrayExpression && callee.object.elements.some((element) => element !== null && isZero(element))) {
        const entry = entryOf(first);
        if (entry !== undefined) report(node, 'compare', entry);
      }
    } else if (TESTS.test(name)) {
      const type = checker.getIndexTypeOfType(types.typeOf(callee.object), ts.IndexKind.Number);
      const value = type === undefined ? undefined : types.types.value(type);
      const isBoolean = first.type === AST_NODE_TYPES.Identifier && first.name === 'Boolean';
      if (isBoolean && (value !== undefined || isTableMemory(callee.object))) report(first, 'truth', { level: value?.level, isValue: false });
      else if (first.type === AST_NODE_TYPES.ArrowFunctionExpression || first.type === AST_NODE_TYPES.FunctionExpression) checkAnswer(answerOf(first), () => isQuestion(first));
    }
  }

  /** assert.equal(pte, 0n), expect(pte).toBe(0n): a test that compares. */
  function checkExpected(node: TSESTree.CallExpression): void {
    const name = calledName(node)?.name ?? '';
    const [first, second] = node.arguments;
    if (first === undefined || !EQUAL.test(name)) return;
    if (!name.startsWith('to')) {
      const found = second === undefined ? undefined : besideZero(first, second);
      if (found !== undefined) report(node, 'compare', found.entry);
      return;
    }
    if (!isZero(first)) return;
    let at: TSESTree.Node = node.callee;
    while (at.type === AST_NODE_TYPES.MemberExpression) at = at.object;
    const [given] = at.type === AST_NODE_TYPES.CallExpression ? at.arguments : [];
    const entry = given === undefined ? undefined : entryOf(given);
    if (entry !== undefined) report(node, 'compare', entry);
  }

  /** assert(pte): a function that says that its argument is true when it returns. */
  function checkAsserted(node: TSESTree.CallExpression): void {
    const isConsole = calledName(node)?.name === 'assert' && text(node.callee) === 'console.assert';
    const signature = isConsole ? undefined : types.signatureOf(node);
    const says = signature?.declaration?.type;
    if (!isConsole && (says === undefined || !ts.isTypePredicateNode(says) || says.assertsModifier === undefined)) return;
    const at = node.arguments.findIndex((argument) => argument.type !== AST_NODE_TYPES.SpreadElement && types.valueOf(argument) !== undefined);
    const predicate = signature === undefined ? undefined : checker.getTypePredicateOfSignature(signature);
    if (isConsole ? at === 0 : at >= 0 && predicate?.type === undefined && predicate?.parameterIndex === at) checkTruth(node.arguments[at]);
  }
}

/** What `BigInt` makes a zero of: `'0'`, `'0x0'`. */
function isZeroText(node: TSESTree.Node): boolean {
  return node.type === AST_NODE_TYPES.Literal && typeof node.value === 'string' && /^0(x0+)?$/i.test(node.value);
}

/** The list of `list.entries()`. */
function objectOfEntries(node: TSESTree.Expression): TSESTree.Expression | undefined {
  const isEntries = node.type === AST_NODE_TYPES.CallExpression && node.callee.type === AST_NODE_TYPES.MemberExpression && ASTUtils.getPropertyName(node.callee) === 'entries';
  return isEntries ? (node.callee as TSESTree.MemberExpression).object : undefined;
}

/** Whether a call is `Array.from`, or that of a typed array. */
function isFrom({ callee }: TSESTree.CallExpression): boolean {
  return callee.type === AST_NODE_TYPES.MemberExpression && callee.object.type === AST_NODE_TYPES.Identifier && callee.object.name.endsWith('Array') && ASTUtils.getPropertyName(callee) === 'from';
}

/** What a function returns at its end. */
function answerOf({ body }: TSESTree.ArrowFunctionExpression | TSESTree.FunctionExpression): TSESTree.Expression | null | undefined {
  if (body.type !== AST_NODE_TYPES.BlockStatement) return body;
  const end = body.body.at(-1);
  return end?.type === AST_NODE_TYPES.ReturnStatement ? end.argument : undefined;
}

/** Whether a function of the language that does something about zeros is called by its last name. */
function isOfLanguage(name: string): boolean {
  return name === 'is' || name === 'Boolean' || /^(?:store|exchange|compareExchange|and)$/.test(name);
}

const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '===', '!==', '<', '>', '<=', '>=']);

/** How far a variable is followed to what it was read from. */
const MAX_DEPTH = 4;
/** Functions of tests that compare what they are given, or what `expect` was given. */
const EQUAL = /^((not)?(deep)?(strict)?equals?|to(Be|Equal|StrictEqual))$/i;
/** What shows memory as numbers. */
const VIEWS = /^(Big)?(Uint|Int)\d+Array$|^DataView$/;
/** Methods of lists that have to do with zeros. */
const METHODS: ReadonlySet<string> = new Set(['fill', 'set', 'indexOf', 'lastIndexOf', 'includes', 'filter', 'some', 'every', 'find', 'findIndex', 'findLast', 'findLastIndex', 'setBigUint64', 'setBigInt64']);
/** Those of them that ask of each element whether it is so. */
const TESTS = /^(filter|some|every|find|findIndex|findLast|findLastIndex)$/;

function isZeroLiteral(node: ts.Expression): boolean {
  if (ts.isParenthesizedExpression(node) || ts.isSatisfiesExpression(node)) return isZeroLiteral(node.expression);
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken) return isZeroLiteral(node.operand);
  if (ts.isCallExpression(node)) return ts.isIdentifier(node.expression) && node.expression.text === 'BigInt' && node.arguments.length === 1 && isZeroLiteral(node.arguments[0]!);
  if (ts.isBigIntLiteral(node)) return /^0(x0+|o0+|b0+)?n$/i.test(node.text);
  return ts.isNumericLiteral(node) && Number(node.text) === 0;
}

/** The same bits without the type that says so. */
function asBits(entry: Entry | undefined): Entry | undefined {
  return entry === undefined ? undefined : { level: entry.level, isValue: false };
}
