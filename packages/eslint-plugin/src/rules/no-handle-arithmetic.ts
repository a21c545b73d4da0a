import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { isArithmetic } from '../ast.js';
import { createRule } from '../create-rule.js';
import { accessorName } from '../fix/names.js';
import { archInReach, importCore } from '../fix/reach.js';
import type { Level } from '../levels.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';

const MESSAGES = {
  ...NO_TYPES,
  step: 'A live {{level}} entry is no number, so nothing can be added to its handle. For another entry of the same table use {{step}}.',
  distance: 'A live {{level}} entry is no number, so handles have no difference. For the number of entries between two use {{distance}}.',
  arithmetic: 'A live {{level}} entry is no number, and `{{operator}}` makes one of its handle. Count entries, and step with {{step}}.',
  useStep: 'Step with {{accessor}}.',
} as const;

type Messages = keyof typeof MESSAGES;
type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;

/** `ptep + 1`, `ptep++`, `end - ptep`: what is arithmetic on pointers in C is an accessor here. */
export const noHandleArithmetic = createRule<[], Messages>({
  name: 'no-handle-arithmetic',
  meta: {
    type: 'problem',
    docs: { description: 'Handles of live page-table entries are stepped by accessors, not by arithmetic', config: 'recommended', typed: true },
    fixable: 'code',
    hasSuggestions: true,
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
  const text = (node: TSESTree.Node): string => context.sourceCode.getText(node);

  function report(node: TSESTree.Node, messageId: 'step' | 'distance' | 'arithmetic', handle: TSESTree.Node, operator: string, change?: Change): void {
    const level = types.handleOf(handle)?.level;
    const data = {
      operator,
      level: level ?? 'page-table',
      step: level === undefined ? 'the stepping accessors of its level' : `${accessorName.next(level)} or ${accessorName.advance(level)}`,
      distance: level === undefined ? 'the distance accessor of its level' : accessorName.distance(level),
    };
    const written = level === undefined ? undefined : change?.write(level);
    if (change === undefined || written === undefined || !keepsComments(node, change.kept)) {
      context.report({ node, messageId, data });
      return;
    }
    const fix: TSESLint.ReportFixFunction = (fixer) => {
      const imports = importCore(context, fixer, node, [written.accessor]);
      return imports === undefined ? null : [...imports, fixer.replaceText(node, written.text)];
    };
    if (change.safe) context.report({ node, messageId, data, fix });
    else context.report({ node, messageId, data, suggest: [{ messageId: 'useStep', data: { accessor: written.accessor }, fix }] });
  }

  /** What takes the place of arithmetic. */
  interface Change {
    readonly kept: readonly TSESTree.Node[];
    readonly safe: boolean;
    write(level: Level): { readonly accessor: string; readonly text: string } | undefined;
  }

  function stepped(node: TSESTree.Node, entry: string, count: string, arch: string | undefined, level: Level): { accessor: string; text: string } | undefined {
    if (arch === undefined) return undefined;
    const accessor = count === '1' ? accessorName.next(level) : accessorName.advance(level);
    return { accessor, text: `${accessor}(${arch}, ${entry}${count === '1' ? '' : `, ${count}`})` };
  }

  function keepsComments(gone: TSESTree.Node, kept: readonly TSESTree.Node[]): boolean {
    return context.sourceCode.getCommentsInside(gone).every(({ range }) => kept.some((part) => part.range[0] <= range[0] && range[1] <= part.range[1]));
  }

  /** Whether a handle may stand where arithmetic left a number: the type of the place is decided elsewhere, or follows without harm. */
  function takesHandle(node: TSESTree.Node, handle: ts.Type): boolean {
    const { parent } = node;
    if (parent === undefined) return false;
    if (parent.type === AST_NODE_TYPES.MemberExpression) return parent.property === node;
    if (parent.type === AST_NODE_TYPES.VariableDeclarator) return parent.parent.kind === 'const' && parent.id.type === AST_NODE_TYPES.Identifier && parent.id.typeAnnotation === undefined;
    if (parent.type === AST_NODE_TYPES.TSAsExpression) return true;
    const expected = checker.getContextualType(types.services.esTreeNodeToTSNodeMap.get(node) as ts.Expression);
    return expected !== undefined && (expected.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) === 0 && types.types.handle(expected) !== undefined && checker.isTypeAssignableTo(handle, expected);
  }

  const minus = (node: TSESTree.Expression): string => (node.type === AST_NODE_TYPES.Identifier || node.type === AST_NODE_TYPES.Literal ? `-${text(node)}` : `-(${text(node)})`);

  /** `ptep++` where nobody looks at its value. */
  const isStatement = (node: TSESTree.Node): boolean =>
    node.parent?.type === AST_NODE_TYPES.ExpressionStatement ||
    (node.parent?.type === AST_NODE_TYPES.ForStatement && node.parent.update === node) ||
    (node.parent?.type === AST_NODE_TYPES.SequenceExpression && (isStatement(node.parent) || node.parent.expressions.at(-1) !== node));

  return {
    BinaryExpression(node) {
      const { left, operator, right } = node;
      if (!isArithmetic(operator)) return;
      const leftLive = types.isLive(left);
      const rightLive = types.isLive(right);
      if (!leftLive && !rightLive) return;
      const isText = [left, right].some((side) => (types.typeOf(side).flags & ts.TypeFlags.StringLike) !== 0);
      // What becomes text is a conversion, and no-raw-deref's business.
      if (operator === '+' && isText) return;
      const handle = leftLive ? left : right;
      if (leftLive && rightLive) {
        if (operator !== '-') {
          report(node, 'arithmetic', handle, operator);
          return;
        }
        const arch = archInReach(context, types, node, { writable: true });
        report(node, 'distance', handle, operator, {
          kept: [left, right],
          safe: true,
          write: (level) => (arch === undefined || types.handleOf(right)?.level !== level ? undefined : { accessor: accessorName.distance(level), text: `${accessorName.distance(level)}(${arch}, ${text(right)}, ${text(left)})` }),
        });
        return;
      }
      if (operator !== '+' && (operator !== '-' || rightLive)) {
        report(node, 'arithmetic', handle, operator);
        return;
      }
      const other = leftLive ? right : left;
      const arch = archInReach(context, types, node);
      report(node, 'step', handle, operator, {
        kept: [left, right],
        safe: takesHandle(node, types.typeOf(handle)),
        write: (level) => (checker.isTypeAssignableTo(types.typeOf(other), checker.getNumberType()) && !isInArithmetic(node) ? stepped(node, text(handle), operator === '+' ? text(other) : minus(other), arch, level) : undefined),
      });
    },
    UpdateExpression(node) {
      if (!types.isLive(node.argument)) return;
      const entry = text(node.argument);
      const arch = archInReach(context, types, node);
      report(node, 'step', node.argument, node.operator, {
        kept: [],
        safe: true,
        write(level) {
          if (!isStatement(node) || !isPlain(node.argument)) return undefined;
          const step = stepped(node, entry, node.operator === '++' ? '1' : '-1', arch, level);
          return step && { accessor: step.accessor, text: `${entry} = ${step.text}` };
        },
      });
    },
    AssignmentExpression(node) {
      if (node.operator === '=' || !isArithmetic(node.operator.slice(0, -1)) || !types.isLive(node.left)) return;
      const { left, operator, right } = node;
      if (operator !== '+=' && operator !== '-=') {
        report(node, 'arithmetic', left, operator);
        return;
      }
      const arch = archInReach(context, types, node);
      report(node, 'step', left, operator, {
        kept: [left, right],
        safe: true,
        write(level) {
          if (!isPlain(left) || !checker.isTypeAssignableTo(types.typeOf(right), checker.getNumberType())) return undefined;
          const step = stepped(node, text(left), operator === '+=' ? text(right) : minus(right), arch, level);
          return step && { accessor: step.accessor, text: `${text(left)} = ${step.text}` };
        },
      });
    },
    UnaryExpression(node) {
      if ((node.operator === '-' || node.operator === '~') && types.isLive(node.argument)) report(node, 'arithmetic', node.argument, node.operator);
    },
  };
}

/** Whether a sum is itself a number that is calculated with: then it was an index that was meant, and no neighbour. */
function isInArithmetic(node: TSESTree.Node): boolean {
  const { parent } = node;
  return parent?.type === AST_NODE_TYPES.BinaryExpression && isArithmetic(parent.operator);
}

/** Whether writing an expression twice does nothing twice. */
function isPlain(node: TSESTree.Expression): boolean {
  if (node.type === AST_NODE_TYPES.Identifier || node.type === AST_NODE_TYPES.ThisExpression) return true;
  return node.type === AST_NODE_TYPES.MemberExpression && !node.computed && !node.optional && isPlain(node.object);
}
