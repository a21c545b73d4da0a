import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { calledName } from '../accessors.js';
import { bare, withNonNull } from '../ast.js';
import { createRule } from '../create-rule.js';
import { accessorName } from '../fix/names.js';
import { archInReach, importCore } from '../fix/reach.js';
import { apart } from '../fix/text.js';
import { inOneGo, type Visitor } from '../in-one-go.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';
import { EntryBits, type Entry } from './zero-entry/entry-bits.js';
import { Memory } from './zero-entry/memory.js';
import { isZeroText, printed } from './zero-entry/texts.js';
import { Zeros } from './zero-entry/zeros.js';

const MESSAGES = {
  ...NO_TYPES,
  compare: 'An entry is compared with zero, and the empty {{level}} entry is not zero on every architecture (s390). Ask {{none}}.',
  truth: 'A {{level}} entry is asked whether it is true, which asks whether it is zero, and the empty entry is not zero on every architecture (s390). Ask {{none}}.',
  write: 'Zero is written as the empty {{level}} entry, which it is not on every architecture (s390). Use {{clear}}, or the empty entry of `arch.values`.',
} as const;

type Messages = keyof typeof MESSAGES;
type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;

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
    return types === undefined ? {} : inOneGo(context.sourceCode, new ZeroEntries(context, types));
  },
});

/** The zeros and the entries in one file. */
class ZeroEntries implements Visitor {
  private readonly context: Context;
  private readonly types: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly toTs: Typed['services']['esTreeNodeToTSNodeMap'];
  private readonly zeros: Zeros;
  private readonly memory: Memory;
  private readonly bits: EntryBits;

  constructor(context: Context, types: Typed) {
    this.context = context;
    this.types = types;
    this.checker = types.types.checker;
    this.toTs = types.services.esTreeNodeToTSNodeMap;
    this.zeros = new Zeros(types);
    this.memory = new Memory(context.sourceCode, types);
    this.bits = new EntryBits(context.sourceCode, types, this.zeros, this.memory);
  }

  BinaryExpression(node: TSESTree.BinaryExpression): void {
    const { left, operator, right } = node;
    if (!COMPARISONS.has(operator) || left.type === AST_NODE_TYPES.PrivateIdentifier) return;
    const found = this.besideZero(left, right);
    if (found === undefined) return;
    const { value, entry } = found;
    // Whether it is negative is whether its highest bit is set.
    if (operator === (value === left ? '<' : '>') || operator === (value === left ? '>=' : '<=')) return;
    const isEquality = operator.includes('==') || operator === '!=';
    this.report(node, 'compare', entry, isEquality ? this.asksNone(node, value, entry, operator.startsWith('!')) : undefined);
  }

  SwitchCase(node: TSESTree.SwitchCase): void {
    if (node.test === null) return;
    const found = this.besideZero(node.parent.discriminant, node.test);
    if (found !== undefined) this.report(node.test, 'compare', found.entry);
  }

  UnaryExpression(node: TSESTree.UnaryExpression): void {
    if (node.operator === '!') this.checkTruth(node.argument);
  }

  IfStatement(node: TSESTree.IfStatement): void {
    this.checkTest(node);
  }

  ConditionalExpression(node: TSESTree.ConditionalExpression): void {
    this.checkTest(node);
  }

  WhileStatement(node: TSESTree.WhileStatement): void {
    this.checkTest(node);
  }

  DoWhileStatement(node: TSESTree.DoWhileStatement): void {
    this.checkTest(node);
  }

  ForStatement(node: TSESTree.ForStatement): void {
    this.checkTest(node);
  }

  LogicalExpression(node: TSESTree.LogicalExpression): void {
    if (node.operator === '??') return;
    // What `a && b` is where its value counts is a's, so that a boolean in its place need not compile.
    this.checkTruth(node.left, isCondition(node) || node.parent.type === AST_NODE_TYPES.ExpressionStatement);
    // The right side is what the whole becomes, and is asked where that is.
    if (isAsked(node)) this.checkTruth(node.right, isCondition(node));
  }

  CallExpression(node: TSESTree.CallExpression): void {
    const { 0: first, 1: second, 2: third } = node.arguments;
    this.checkTruthy(node);
    if (first === undefined) return;
    const name = isOfLanguage(calledName(node)?.name ?? '') ? this.context.sourceCode.getText(node.callee) : '';
    if (name === 'Object.is' && second !== undefined) {
      const found = this.besideZero(first, second);
      if (found !== undefined) this.report(node, 'compare', found.entry);
      return;
    }
    if (name === 'Boolean' && first.type !== AST_NODE_TYPES.SpreadElement) {
      this.checkAnswer(first);
      return;
    }
    if (/^Atomics\.(store|exchange|compareExchange|and)$/.test(name) && second !== undefined && third !== undefined) {
      const written = name === 'Atomics.compareExchange' ? (node.arguments[3] ?? third) : third;
      const isEntry = this.types.isLive(second) || this.memory.isTableMemory(first);
      if (!isEntry) return;
      const entry = { level: this.types.handleOf(second)?.level, isValue: false };
      this.checkWrite(written, written, entry);
      // What is written only where a zero stands.
      if (written !== third && this.zeros.isZero(third)) this.report(third, 'compare', entry);
      return;
    }
    // entryVal('pte', 0n)
    if (second !== undefined && node.arguments.length === 2 && this.zeros.isZero(second) && this.bits.isCoreCall(node, 'entryVal')) {
      if (!this.isCompared(node)) this.checkWrite(node, second, { level: this.types.types.value(this.types.typeOf(node))?.level, isValue: true });
      return;
    }
    this.checkMethod(node);
    this.checkAsserted(node);
    this.checkExpected(node);
    // A setter that the settings name: what it writes comes after the handle.
    if (this.types.settings.accessors.set.has(calledName(node)?.name ?? '')) {
      const at = node.arguments.findIndex((argument) => argument.type !== AST_NODE_TYPES.SpreadElement && this.types.handleOf(argument) !== undefined);
      const written = node.arguments[at + 1];
      if (at >= 0 && written !== undefined && this.types.types.value(this.types.typeOf(written)) === undefined) this.checkWrite(written, written, { level: this.types.handleOf(node.arguments[at]!)?.level, isValue: false });
    }
  }

  TSAsExpression(node: TSESTree.TSAsExpression): void {
    this.checkCast(node);
  }

  TSTypeAssertion(node: TSESTree.TSTypeAssertion): void {
    this.checkCast(node);
  }

  // A zero where an entry is expected, by `any` or against the compiler's will.
  Literal(node: TSESTree.Literal): void {
    // A number is none of an entry, so it stands there cast or not at all.
    if (node.value !== 0n && (node.value !== 0 || node.parent.type !== AST_NODE_TYPES.TSAsExpression)) return;
    let at: TSESTree.Expression = node;
    while (at.parent.type === AST_NODE_TYPES.TSAsExpression || at.parent.type === AST_NODE_TYPES.TSTypeAssertion || at.parent.type === AST_NODE_TYPES.TSSatisfiesExpression) {
      if (this.types.types.value(this.types.typeOf(at.parent)) !== undefined) return;
      at = at.parent;
    }
    const { parent } = at;
    if (parent.type === AST_NODE_TYPES.BinaryExpression || parent.type === AST_NODE_TYPES.SwitchCase || (parent.type === AST_NODE_TYPES.MemberExpression && parent.property === at)) return;
    if (parent.type === AST_NODE_TYPES.LogicalExpression) at = parent;
    const expected = this.checker.getContextualType(this.toTs.get(at));
    const value = expected === undefined ? undefined : this.types.types.value(expected);
    // What takes a number as well, PteVal | bigint, may be meant to have one.
    if (expected !== undefined && value !== undefined && !this.checker.isTypeAssignableTo(this.types.typeOf(node), expected)) this.report(node, 'write', { ...value, isValue: false });
  }

  AssignmentExpression(node: TSESTree.AssignmentExpression): void {
    if (node.operator === '||=' || node.operator === '&&=') this.checkTruth(node.left, false);
    const left = bare(node.left);
    const target = left.type === AST_NODE_TYPES.MemberExpression ? left : undefined;
    if (target === undefined || (node.operator !== '=' && node.operator !== '&=') || !target.computed || !this.zeros.isZero(node.right)) return;
    const entry = this.bits.of(target);
    if (entry !== undefined && !entry.isValue) this.checkWrite(withNonNull(node), node.right, entry);
  }

  /** Which of two is an entry, where the other is zero. What a variable is at some place takes longer to find than that it is no entry. */
  private besideZero(one: TSESTree.Node, other: TSESTree.Node): { readonly value: TSESTree.Node; readonly entry: Entry } | undefined {
    return this.ifZero(other, one) ?? this.ifZero(one, other) ?? this.ifZeroText(other, one) ?? this.ifZeroText(one, other);
  }

  /** pte.toString(16) === '0' */
  private ifZeroText(zero: TSESTree.Node, text: TSESTree.Node): { readonly value: TSESTree.Node; readonly entry: Entry } | undefined {
    const value = isZeroText(zero) ? printed(text) : undefined;
    const entry = value === undefined ? undefined : this.bits.of(value);
    return value === undefined || entry === undefined ? undefined : { value, entry };
  }

  private ifZero(zero: TSESTree.Node, value: TSESTree.Node): { readonly value: TSESTree.Node; readonly entry: Entry } | undefined {
    const entry = this.zeros.isZero(zero, (one) => this.zeros.mayBeZero(one)) ? this.bits.of(value) : undefined;
    return entry === undefined || !this.zeros.isZero(zero) ? undefined : { value, entry };
  }

  private report(node: TSESTree.Node, messageId: 'compare' | 'truth' | 'write', { level }: Entry, fix?: TSESLint.ReportFixFunction): void {
    const data = {
      level: level ?? 'page-table',
      none: level === undefined ? 'the none predicate of its level' : accessorName.none(level),
      clear: level === undefined ? 'the clear accessor of its level' : accessorName.clear(level),
    };
    this.context.report({ node, messageId, data, ...(fix === undefined ? {} : { fix }) });
  }

  /** `pteNone(arch, pte)` in the place of a question about zero. */
  private asksNone(place: TSESTree.Node, value: TSESTree.Node, { level, isValue }: Entry, negated: boolean): TSESLint.ReportFixFunction | undefined {
    const arch = archInReach(this.context, this.types, place, { writable: true, part: value });
    const type = this.types.typeOf(value);
    // Predicates take entries of their level, and neither undefined nor bare bits.
    const isEntry = (type.isUnion() ? type.types : [type]).every((member) => this.types.types.value(member) !== undefined) && this.checker.isTypeAssignableTo(type, this.checker.getBigIntType());
    if (arch === undefined || level === undefined || !isValue || !isEntry || value.type === AST_NODE_TYPES.SequenceExpression) return undefined;
    if (this.context.sourceCode.getCommentsInside(place).some(({ range }) => range[0] < value.range[0] || range[1] > value.range[1])) return undefined;
    return (fixer) => {
      const imports = importCore(this.context, fixer, place, [accessorName.none(level)]);
      return imports === undefined ? null : [...imports, fixer.replaceText(place, apart(this.context.sourceCode, place, `${negated ? '!' : ''}${accessorName.none(level)}(${arch}, ${this.context.sourceCode.getText(value)})`))];
    };
  }

  /** A value that is only asked whether it is true. */
  private checkTruth(node: TSESTree.Node | null | undefined, canFix = true, asks?: () => boolean): void {
    if (node === null || node === undefined) return;
    if (node.type === AST_NODE_TYPES.LogicalExpression || (node.type === AST_NODE_TYPES.UnaryExpression && node.operator === '!')) return;
    const entry = this.bits.of(node);
    if (entry === undefined || asks?.() === false) return;
    const negation = node.parent?.type === AST_NODE_TYPES.UnaryExpression && node.parent.operator === '!' ? node.parent : undefined;
    this.report(node, 'truth', entry, canFix ? this.asksNone(negation ?? node, node, entry, negation === undefined) : undefined);
  }

  /** What a function answers, or `Boolean` is asked: the left sides in it are asked where they stand. */
  private checkAnswer(node: TSESTree.Node | null | undefined, asks?: () => boolean): void {
    if (node?.type === AST_NODE_TYPES.LogicalExpression) this.checkAnswer(node.right, asks);
    else this.checkTruth(node, true, asks);
  }

  /** Whether a function may answer with true or false, as `find` of a list wants it, and not with what `find` of something else returns. */
  private isQuestion(made: TSESTree.ArrowFunctionExpression | TSESTree.FunctionExpression): boolean {
    const signatures = this.checker.getContextualType(this.toTs.get(made) as ts.Expression)?.getCallSignatures() ?? [];
    return signatures.length === 0 || signatures.some((signature) => this.checker.isTypeAssignableTo(this.checker.getBooleanType(), signature.getReturnType()));
  }

  /** A zero in the place of an entry's value. */
  private checkWrite(node: TSESTree.Node, zero: TSESTree.Node, entry: Entry): void {
    if (!this.zeros.isZero(zero)) return;
    const arch = archInReach(this.context, this.types, node, { writable: true, ...(node.parent?.type === AST_NODE_TYPES.CallExpression ? { part: node.parent } : {}) });
    const { level } = entry;
    const isExpression = node.type === AST_NODE_TYPES.CallExpression || node.type === AST_NODE_TYPES.TSAsExpression;
    const canFix = arch !== undefined && level !== undefined && isExpression && entry.isValue && this.context.sourceCode.getCommentsInside(node).length === 0;
    this.report(node, 'write', entry, canFix ? (fixer) => fixer.replaceText(node, apart(this.context.sourceCode, node, `${arch}.values.${level}.empty`)) : undefined);
  }

  private checkTest({ test }: TSESTree.IfStatement | TSESTree.ConditionalExpression | TSESTree.WhileStatement | TSESTree.DoWhileStatement | TSESTree.ForStatement): void {
    this.checkTruth(test);
  }

  private checkCast(node: TSESTree.TSAsExpression | TSESTree.TSTypeAssertion): void {
    if (node.parent.type === AST_NODE_TYPES.TSAsExpression || node.parent.type === AST_NODE_TYPES.TSTypeAssertion || this.isCompared(node)) return;
    const value = this.types.valueOf(node);
    if (value !== undefined) this.checkWrite(node, node, { ...value, isValue: true });
  }

  /** Whether a zero is what an entry is compared with: that is reported where the two are compared. */
  private isCompared(node: TSESTree.Node): boolean {
    const { parent } = node;
    if (parent?.type === AST_NODE_TYPES.SwitchCase) return parent.test === node && this.zeros.isZero(node);
    return parent?.type === AST_NODE_TYPES.BinaryExpression && this.zeros.isZero(node);
  }

  /** What lists do with their elements: tables.elements.fill(0n), entries.filter(Boolean). */
  private checkMethod(node: TSESTree.CallExpression): void {
    const callee = bare(node.callee);
    if (callee.type !== AST_NODE_TYPES.MemberExpression || callee.computed || callee.property.type !== AST_NODE_TYPES.Identifier) return;
    const first = node.arguments[0];
    const { name } = callee.property;
    if (first === undefined || !METHODS.has(name)) return;
    const bits = { level: undefined, isValue: false };
    if (/^set(Big)?(Ui|I)nt/.test(name)) {
      const second = node.arguments[1];
      if (second !== undefined && this.memory.isTableMemory(callee.object)) this.checkWrite(node, second, bits);
    } else if (name === 'fill' && this.memory.isTableMemory(callee.object)) this.checkWrite(node, first, bits);
    else if (name === 'set' && first.type === AST_NODE_TYPES.ArrayExpression && this.memory.isTableMemory(callee.object)) {
      for (const element of first.elements) if (element !== null) this.checkWrite(element, element, bits);
    } else if (name === 'set' && this.isFresh(first) && this.memory.isTableMemory(callee.object)) this.report(node, 'write', bits);
    else if (/^(indexOf|lastIndexOf|includes)$/.test(name)) {
      if (this.zeros.isZero(first) && this.memory.isTableMemory(callee.object)) this.report(node, 'compare', bits);
      else if (callee.object.type === AST_NODE_TYPES.ArrayExpression && callee.object.elements.some((element) => element !== null && this.zeros.isZero(element))) {
        const entry = this.bits.of(first);
        if (entry !== undefined) this.report(node, 'compare', entry);
      }
    } else if (first.type === AST_NODE_TYPES.Identifier) {
      if (first.name !== 'Boolean') return;
      const type = this.checker.getIndexTypeOfType(this.types.typeOf(callee.object), ts.IndexKind.Number);
      const value = type === undefined ? undefined : this.types.types.value(type);
      if (value !== undefined || this.memory.isTableMemory(callee.object)) this.report(first, 'truth', { level: value?.level, isValue: false });
    } else if (TESTS.test(name) && (first.type === AST_NODE_TYPES.ArrowFunctionExpression || first.type === AST_NODE_TYPES.FunctionExpression)) this.checkAnswer(answerOf(first), () => this.isQuestion(first));
  }

  /** new Uint8Array(4096), Buffer.alloc(4096): as many zeros. */
  private isFresh(node: TSESTree.Node): boolean {
    if (node.type !== AST_NODE_TYPES.NewExpression && node.type !== AST_NODE_TYPES.CallExpression) return false;
    const [size] = node.arguments;
    const isMade = node.type === AST_NODE_TYPES.NewExpression ? node.callee.type === AST_NODE_TYPES.Identifier && ARRAYS.test(node.callee.name) : this.context.sourceCode.getText(node.callee) === 'Buffer.alloc';
    return isMade && node.arguments.length === 1 && size !== undefined && (this.checker.getBaseTypeOfLiteralType(this.types.typeOf(size)).flags & ts.TypeFlags.Number) !== 0;
  }

  /** assert.equal(pte, 0n), expect(pte).toBe(0n): a test that compares. */
  private checkExpected(node: TSESTree.CallExpression): void {
    const name = calledName(node)?.name ?? '';
    const [first, second] = node.arguments;
    if (first === undefined || !EQUAL.test(name)) return;
    const one = second === undefined || name.startsWith('to') ? expectedOf(node) : second;
    const found = one === undefined ? undefined : this.besideZero(one, first);
    if (found !== undefined) this.report(node, 'compare', found.entry);
  }

  /** expect(pte).toBeFalsy(), t.truthy(pte): a test that asks whether it is true. */
  private checkTruthy(node: TSESTree.CallExpression): void {
    if (!TRUTHY.test(calledName(node)?.name ?? '')) return;
    const asked = node.arguments[0] ?? expectedOf(node);
    if (asked !== undefined && asked.type !== AST_NODE_TYPES.SpreadElement) this.checkTruth(asked, false);
  }

  /** assert(pte): a function that says that its argument is true when it returns. */
  private checkAsserted(node: TSESTree.CallExpression): void {
    const isConsole = calledName(node)?.name === 'assert' && this.context.sourceCode.getText(node.callee) === 'console.assert';
    const signature = isConsole ? undefined : this.types.signatureOf(node);
    const says = signature?.declaration?.type;
    if (!isConsole && (says === undefined || !ts.isTypePredicateNode(says) || says.assertsModifier === undefined)) return;
    const at = node.arguments.findIndex((argument) => argument.type !== AST_NODE_TYPES.SpreadElement && this.types.valueOf(argument) !== undefined);
    const predicate = signature === undefined ? undefined : this.checker.getTypePredicateOfSignature(signature);
    if (isConsole ? at === 0 : at >= 0 && predicate?.type === undefined && predicate?.parameterIndex === at) this.checkTruth(node.arguments[at]);
  }
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

/** What a function returns at its end. */
function answerOf({ body }: TSESTree.ArrowFunctionExpression | TSESTree.FunctionExpression): TSESTree.Expression | null | undefined {
  if (body.type !== AST_NODE_TYPES.BlockStatement) return body;
  const end = body.body.at(-1);
  return end?.type === AST_NODE_TYPES.ReturnStatement ? end.argument : undefined;
}

/** What a test looks at that goes on with a name: `pte` of `expect(pte).not.toBe`, of `expect(pte).to.equal`. */
function expectedOf({ callee }: TSESTree.CallExpression): TSESTree.CallExpressionArgument | undefined {
  let at: TSESTree.Node = callee;
  while (at.type === AST_NODE_TYPES.MemberExpression) at = at.object;
  return at.type === AST_NODE_TYPES.CallExpression ? at.arguments[0] : undefined;
}

/** Whether a function of the language that does something about zeros is called by its last name. */
function isOfLanguage(name: string): boolean {
  return name === 'is' || name === 'Boolean' || /^(?:store|exchange|compareExchange|and)$/.test(name);
}

const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '===', '!==', '<', '>', '<=', '>=']);
/** Functions of tests that compare what they are given, or what `expect` was given. */
const EQUAL = /^((not)?(deep)?(strict)?equals?|eql?|is(Not)?|to(Be|Equal|StrictEqual))$/i;
/** Those that ask whether it is true. */
const TRUTHY = /^(toBe)?(truthy|falsy)$/i;
/** Methods of lists that have to do with zeros. */
const METHODS: ReadonlySet<string> = new Set(['fill', 'set', 'indexOf', 'lastIndexOf', 'includes', 'filter', 'map', 'some', 'every', 'find', 'findIndex', 'findLast', 'findLastIndex', 'setBigUint64', 'setBigInt64', 'setUint32', 'setInt32']);
/** Arrays of numbers, which are zeros to begin with. */
const ARRAYS = /^(Big)?(Ui|I)nt\d+Array$/;
/** Those of them that ask of each element whether it is so. */
const TESTS = /^(filter|some|every|find|findIndex|findLast|findLastIndex)$/;
