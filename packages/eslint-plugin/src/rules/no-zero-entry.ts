import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { bare, withNonNull } from '../ast.js';
import { createRule } from '../create-rule.js';
import { accessorName } from '../fix/names.js';
import { archInReach, importCore } from '../fix/reach.js';
import type { Level } from '../levels.js';
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
export const noZeroEntry = createRule<[], Messages>({
  name: 'no-zero-entry',
  meta: {
    type: 'problem',
    docs: { description: 'Whether an entry is empty is asked of its architecture, and an empty entry comes from it', config: 'recommended', typed: true },
    fixable: 'code',
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
  const toTs = types.services.esTreeNodeToTSNodeMap;
  const { checker } = types.types;
  const text = (node: TSESTree.Node): string => context.sourceCode.getText(node);

  /** Zero, literally or by a constant that is nothing else. */
  function isZero(node: TSESTree.Node): boolean {
    const inner = bare(node as TSESTree.Expression);
    if (inner.type === AST_NODE_TYPES.CallExpression && inner.callee.type === AST_NODE_TYPES.Identifier && (inner.callee.name === 'BigInt' || inner.callee.name === 'Number')) {
      return inner.arguments.length === 1 && isZero(inner.arguments[0]!);
    }
    if (inner.type === AST_NODE_TYPES.UnaryExpression && (inner.operator === '-' || inner.operator === '+')) return isZero(inner.argument);
    const type = types.typeOf(inner);
    if (type.isNumberLiteral()) return type.value === 0;
    return (type.flags & ts.TypeFlags.BigIntLiteral) !== 0 && (type as ts.BigIntLiteralType).value.base10Value === '0';
  }

  /** What holds an entry: its value, the bits that stand in memory, or either of them converted as a whole. */
  function entryOf(node: TSESTree.Node): Entry | undefined {
    const value = types.types.value(types.typeOf(node));
    if (value !== undefined) return { level: value.level, isValue: true };
    const inner = bare(node as TSESTree.Expression);
    if (inner !== node) return asBits(entryOf(inner));
    if (inner.type === AST_NODE_TYPES.CallExpression) return asBits(ofCall(inner));
    if (inner.type === AST_NODE_TYPES.MemberExpression && inner.computed) {
      if (types.isLive(inner.property)) return { level: types.handleOf(inner.property)?.level, isValue: false };
      return isTableMemory(inner.object) ? { level: undefined, isValue: false } : undefined;
    }
    if (inner.type === AST_NODE_TYPES.Identifier) {
      // A constant that was read from a table one line above.
      const declaration = checker.getSymbolAtLocation(toTs.get(inner))?.valueDeclaration;
      if (declaration === undefined || !ts.isVariableDeclaration(declaration) || declaration.initializer === undefined) return undefined;
      if ((ts.getCombinedNodeFlags(declaration) & ts.NodeFlags.Const) === 0 || ts.isIdentifier(declaration.initializer)) return undefined;
      const initializer = types.services.tsNodeToESTreeNodeMap.get(declaration.initializer) as TSESTree.Node | undefined;
      return initializer === undefined ? undefined : asBits(entryOf(initializer));
    }
    return undefined;
  }

  function ofCall(node: TSESTree.CallExpression): Entry | undefined {
    const { callee } = node;
    const name = text(callee);
    if (name === 'Number' || name === 'BigInt') return node.arguments[0] === undefined ? undefined : entryOf(node.arguments[0]);
    // Of all bits, and not of some of them.
    if (name === 'BigInt.asUintN' || name === 'BigInt.asIntN') return node.arguments[1] !== undefined && text(node.arguments[0]!) === '64' ? entryOf(node.arguments[1]) : undefined;
    if (name === 'Atomics.load' && node.arguments[1] !== undefined) {
      if (types.isLive(node.arguments[1])) return { level: types.handleOf(node.arguments[1])?.level, isValue: false };
      return isTableMemory(node.arguments[0]!) ? { level: undefined, isValue: false } : undefined;
    }
    if (callee.type === AST_NODE_TYPES.MemberExpression && callee.property.type === AST_NODE_TYPES.Identifier && callee.property.name === 'raw' && types.types.isCore(types.typeOf(callee.object), 'LevelOps', 'WritableOps')) {
      return { level: node.arguments[0] === undefined ? undefined : types.handleOf(node.arguments[0])?.level, isValue: false };
    }
    return undefined;
  }

  /** `tables.words`, `tables.elements`: the entries of table memory. */
  function isTableMemory(node: TSESTree.Node): boolean {
    const inner = bare(node as TSESTree.Expression);
    if (inner.type === AST_NODE_TYPES.MemberExpression && inner.property.type === AST_NODE_TYPES.Identifier && /^(words|elements|bytes)$/.test(inner.property.name)) {
      return types.types.isCore(types.typeOf(inner.object), 'TableMemory');
    }
    if (inner.type !== AST_NODE_TYPES.Identifier) return false;
    // const { words } = tables; const words = tables.words;
    const declaration = checker.getSymbolAtLocation(toTs.get(inner))?.valueDeclaration;
    if (declaration === undefined) return false;
    if (ts.isBindingElement(declaration) && ts.isObjectBindingPattern(declaration.parent)) {
      const property = declaration.propertyName ?? declaration.name;
      return ts.isIdentifier(property) && /^(words|elements|bytes)$/.test(property.text) && types.types.isCore(checker.getTypeAtLocation(declaration.parent), 'TableMemory');
    }
    if (!ts.isVariableDeclaration(declaration) || declaration.initializer === undefined || ts.isIdentifier(declaration.initializer)) return false;
    const initializer = types.services.tsNodeToESTreeNodeMap.get(declaration.initializer) as TSESTree.Node | undefined;
    return initializer !== undefined && isTableMemory(initializer);
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
    const isMaybe = checker.getNonNullableType(types.typeOf(value)) !== types.typeOf(value);
    if (arch === undefined || level === undefined || !isValue || isMaybe) return undefined;
    if (context.sourceCode.getCommentsInside(place).some(({ range }) => range[0] < value.range[0] || range[1] > value.range[1])) return undefined;
    return (fixer) => {
      const imports = importCore(context, fixer, place, [accessorName.none(level)]);
      return imports === undefined ? null : [...imports, fixer.replaceText(place, `${negated ? '!' : ''}${accessorName.none(level)}(${arch}, ${text(value)})`)];
    };
  }

  /** A value that is only asked whether it is true. */
  function checkTruth(node: TSESTree.Expression | null | undefined): void {
    if (node === null || node === undefined) return;
    if (node.type === AST_NODE_TYPES.LogicalExpression || (node.type === AST_NODE_TYPES.UnaryExpression && node.operator === '!')) return;
    const entry = entryOf(node);
    if (entry === undefined) return;
    const negation = node.parent.type === AST_NODE_TYPES.UnaryExpression && node.parent.operator === '!' ? node.parent : undefined;
    report(node, 'truth', entry, asksNone(negation ?? node, node, entry, negation === undefined));
  }

  /** A zero in the place of an entry's value. */
  function checkWrite(node: TSESTree.Node, zero: TSESTree.Node, entry: Entry): void {
    if (!isZero(zero)) return;
    const arch = archInReach(context, types, node, { writable: true });
    const { level } = entry;
    const isExpression = node.type === AST_NODE_TYPES.CallExpression || node.type === AST_NODE_TYPES.TSAsExpression;
    const canFix = arch !== undefined && level !== undefined && isExpression && entry.isValue && context.sourceCode.getCommentsInside(node).length === 0;
    report(node, 'write', entry, canFix ? (fixer) => fixer.replaceText(node, `${arch}.values.${level}.empty`) : undefined);
  }

  return {
    BinaryExpression(node) {
      const { left, operator, right } = node;
      if (!/^([!=]==?|[<>]=?)$/.test(operator) || left.type === AST_NODE_TYPES.PrivateIdentifier) return;
      const value = isZero(right) ? left : isZero(left) ? right : undefined;
      const entry = value === undefined ? undefined : entryOf(value);
      if (value === undefined || entry === undefined) return;
      const isEquality = operator.includes('==') || operator === '!=';
      report(node, 'compare', entry, isEquality ? asksNone(node, value, entry, operator.startsWith('!')) : undefined);
    },
    SwitchCase(node) {
      if (node.test === null || !isZero(node.test)) return;
      const entry = entryOf(node.parent.discriminant);
      if (entry !== undefined) report(node.test, 'compare', entry);
    },
    UnaryExpression(node) {
      if (node.operator === '!') checkTruth(node.argument);
    },
    'IfStatement, ConditionalExpression, WhileStatement, DoWhileStatement, ForStatement'(
      node: TSESTree.IfStatement | TSESTree.ConditionalExpression | TSESTree.WhileStatement | TSESTree.DoWhileStatement | TSESTree.ForStatement,
    ) {
      checkTruth(node.test);
    },
    LogicalExpression(node) {
      if (node.operator === '??') return;
      checkTruth(node.left);
      // The right side is what the whole becomes, and is asked where that is.
      const whole = node.parent;
      const isCondition =
        ((whole.type === AST_NODE_TYPES.IfStatement || whole.type === AST_NODE_TYPES.ConditionalExpression || whole.type === AST_NODE_TYPES.WhileStatement || whole.type === AST_NODE_TYPES.DoWhileStatement ||
          whole.type === AST_NODE_TYPES.ForStatement) && whole.test === node) || (whole.type === AST_NODE_TYPES.UnaryExpression && whole.operator === '!');
      if (isCondition) checkTruth(node.right);
    },
    CallExpression(node) {
      const name = text(node.callee);
      const [first, second, third] = node.arguments;
      if (name === 'Object.is' && first !== undefined && second !== undefined) {
        const value = isZero(second) ? first : isZero(first) ? second : undefined;
        const entry = value === undefined ? undefined : entryOf(value);
        if (entry !== undefined) report(node, 'compare', entry);
        return;
      }
      if (name === 'Boolean' && first !== undefined && first.type !== AST_NODE_TYPES.SpreadElement) {
        checkTruth(first);
        return;
      }
      if (/^Atomics\.(store|exchange|compareExchange|and)$/.test(name) && first !== undefined && second !== undefined && third !== undefined) {
        const written = name === 'Atomics.compareExchange' ? (node.arguments[3] ?? third) : third;
        const isEntry = types.isLive(second) || isTableMemory(first);
        if (isEntry) checkWrite(written, written, { level: types.handleOf(second)?.level, isValue: false });
        return;
      }
      // entryVal('pte', 0n)
      const callee = checker.getSymbolAtLocation(toTs.get(node.callee.type === AST_NODE_TYPES.MemberExpression ? node.callee.property : node.callee));
      if (callee !== undefined && types.types.isCoreSymbol(callee, 'entryVal') && second !== undefined) {
        checkWrite(node, second, { level: types.types.value(types.typeOf(node))?.level, isValue: true });
        return;
      }
      if (node.callee.type === AST_NODE_TYPES.MemberExpression && node.callee.property.type === AST_NODE_TYPES.Identifier && node.callee.property.name === 'fill' && first !== undefined && isTableMemory(node.callee.object)) {
        checkWrite(node, first, { level: undefined, isValue: false });
      }
    },
    'TSAsExpression, TSTypeAssertion'(node: TSESTree.TSAsExpression | TSESTree.TSTypeAssertion) {
      if (node.parent.type === AST_NODE_TYPES.TSAsExpression || node.parent.type === AST_NODE_TYPES.TSTypeAssertion) return;
      const value = types.types.value(types.typeOf(node));
      if (value !== undefined) checkWrite(node, node, { ...value, isValue: true });
    },
    AssignmentExpression(node) {
      const target = node.left.type === AST_NODE_TYPES.MemberExpression ? node.left : undefined;
      if (target === undefined || node.operator !== '=' || !target.computed) return;
      const entry = entryOf(target);
      if (entry !== undefined && !entry.isValue) checkWrite(withNonNull(node), node.right, entry);
    },
  };
}

/** The same bits without the type that says so. */
function asBits(entry: Entry | undefined): Entry | undefined {
  return entry === undefined ? undefined : { level: entry.level, isValue: false };
}
