import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { bare, isArithmetic } from '../ast.js';
import { createRule } from '../create-rule.js';
import { accessorName } from '../fix/names.js';
import { mayBeExchanged } from '../fix/order.js';
import { archInReach, importCore } from '../fix/reach.js';
import { apart, argument } from '../fix/text.js';
import type { Level } from '../levels.js';
import { inOneGo, type Visitor } from '../in-one-go.js';
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
export const noHandleArithmetic = createRule<Messages>({
  name: 'no-handle-arithmetic',
  meta: {
    type: 'problem',
    docs: { description: 'Handles of live page-table entries are stepped by accessors, not by arithmetic', config: 'recommended', typed: true },
    fixable: 'code',
    hasSuggestions: true,
    messages: MESSAGES,
  },
  create(context) {
    const types = typed(context);
    return types === undefined ? {} : inOneGo(context.sourceCode, new HandleArithmetic(context, types));
  },
});

/** Arithmetic with handles in one file. */
class HandleArithmetic implements Visitor {
  private readonly context: Context;
  private readonly types: Typed;
  private readonly checker: ts.TypeChecker;

  constructor(context: Context, types: Typed) {
    this.context = context;
    this.types = types;
    this.checker = types.types.checker;
  }

  BinaryExpression(node: TSESTree.BinaryExpression): void {
    const { left, operator, right } = node;
    if (!isArithmetic(operator) || left.type === AST_NODE_TYPES.PrivateIdentifier) return;
    const leftLive = this.liveIn(left);
    const rightLive = this.liveIn(right);
    const handle = leftLive ?? rightLive;
    if (handle === undefined) return;
    // What becomes text is a conversion, and no-raw-deref's business.
    if (operator === '+' && (this.types.isText(left) || this.types.isText(right))) return;
    if (leftLive !== undefined && rightLive !== undefined) {
      if (operator !== '-') {
        this.report(node, 'arithmetic', handle, operator);
        return;
      }
      this.report(node, 'distance', handle, operator, {
        kept: [left, right],
        safe: mayBeExchanged(left, right, this.context.sourceCode.visitorKeys),
        write: (level) => {
          if (leftLive !== left || rightLive !== right || this.types.handleOf(right)?.level !== level) return undefined;
          const arch = archInReach(this.context, this.types, node, { writable: true, handle: left });
          if (arch === undefined || arch !== archInReach(this.context, this.types, node, { writable: true, handle: right })) return undefined;
          const accessor = accessorName.distance(level);
          return { accessor, text: `${accessor}(${arch}, ${this.text(right)}, ${this.text(left)})` };
        },
      });
      return;
    }
    if (operator !== '+' && (operator !== '-' || rightLive !== undefined)) {
      this.report(node, 'arithmetic', handle, operator);
      return;
    }
    const other = leftLive === undefined ? left : right;
    this.report(node, 'step', handle, operator, {
      kept: [left, right],
      safe: this.takesHandle(node, handle) && (handle === left || mayBeExchanged(left, right, this.context.sourceCode.visitorKeys)),
      write: (level) => {
        if ((handle !== left && handle !== right) || !this.isCount(other) || isInArithmetic(node)) return undefined;
        return this.stepped(node, handle, operator === '+' ? this.text(other) : this.minus(other), level);
      },
    });
  }

  UpdateExpression(node: TSESTree.UpdateExpression): void {
    const handle = this.liveIn(node.argument);
    if (handle === undefined) return;
    this.report(node, 'step', handle, node.operator, {
      kept: [],
      safe: true,
      write: (level) => {
        if (handle !== node.argument || !isStatement(node) || !isPlain(handle)) return undefined;
        const step = this.stepped(node, handle, node.operator === '++' ? '1' : '-1', level);
        return step && { accessor: step.accessor, text: `${this.text(handle)} = ${step.text}${this.endOf(node)}` };
      },
    });
  }

  AssignmentExpression(node: TSESTree.AssignmentExpression): void {
    const { left, operator, right } = node;
    if (operator === '=' || !isArithmetic(operator.slice(0, -1))) return;
    const handle = this.liveIn(left);
    if (handle === undefined) {
      const added = this.liveIn(right);
      const isText = operator === '+=' && this.types.isText(left);
      if (added !== undefined && !isText) this.report(node, 'arithmetic', added, operator);
      return;
    }
    if (operator !== '+=' && operator !== '-=') {
      this.report(node, 'arithmetic', handle, operator);
      return;
    }
    this.report(node, 'step', handle, operator, {
      kept: [left, right],
      safe: true,
      write: (level) => {
        if (handle !== left || !isPlain(handle) || !this.isCount(right)) return undefined;
        const step = this.stepped(node, handle, operator === '+=' ? this.text(right) : this.minus(right), level);
        return step && { accessor: step.accessor, text: `${this.text(handle)} = ${step.text}` };
      },
    });
  }

  UnaryExpression(node: TSESTree.UnaryExpression): void {
    if (node.operator !== '-' && node.operator !== '~') return;
    const handle = this.liveIn(node.argument);
    if (handle !== undefined) this.report(node, 'arithmetic', handle, node.operator);
  }

  /** What ends a statement that ended by itself: after `ptep++` a line may begin with a parenthesis, after a call it may not. */
  private endOf(node: TSESTree.UpdateExpression): string {
    const next = this.context.sourceCode.getTokenAfter(node);
    return node.parent.type === AST_NODE_TYPES.ExpressionStatement && next !== null && /^[([`]/.test(next.value) ? ';' : '';
  }

  private text(node: TSESTree.Node): string {
    return argument(this.context.sourceCode, node);
  }

  /** The live handle that is calculated with: an operand itself, what is cast to a number there, or a side of a choice. */
  private liveIn(operand: TSESTree.Expression | TSESTree.PrivateIdentifier): TSESTree.Expression | undefined {
    if (operand.type === AST_NODE_TYPES.PrivateIdentifier) return undefined;
    if (this.types.handleOf(operand) !== undefined) return this.types.isLive(operand) ? operand : undefined;
    const inner = bare(operand);
    if (inner !== operand) return this.liveIn(inner);
    if (operand.type === AST_NODE_TYPES.ConditionalExpression) return this.liveIn(operand.consequent) ?? this.liveIn(operand.alternate);
    if (operand.type === AST_NODE_TYPES.LogicalExpression) return this.liveIn(operand.left) ?? this.liveIn(operand.right);
    return undefined;
  }

  private report(node: TSESTree.Node, messageId: 'step' | 'distance' | 'arithmetic', handle: TSESTree.Node, operator: string, change?: Change): void {
    const level = this.types.handleOf(handle)?.level;
    const data = {
      operator,
      level: level ?? 'page-table',
      step: level === undefined ? 'the stepping accessors of its level' : `${accessorName.next(level)} or ${accessorName.advance(level)}`,
      distance: level === undefined ? 'the distance accessor of its level' : accessorName.distance(level),
    };
    const written = level === undefined ? undefined : change?.write(level);
    if (change === undefined || written === undefined || !this.keepsComments(node, change.kept)) {
      this.context.report({ node, messageId, data });
      return;
    }
    const fix: TSESLint.ReportFixFunction = (fixer) => {
      const imports = importCore(this.context, fixer, node, [written.accessor]);
      return imports === undefined ? null : [...imports, fixer.replaceText(node, apart(this.context.sourceCode, node, written.text))];
    };
    if (change.safe) this.context.report({ node, messageId, data, fix });
    else this.context.report({ node, messageId, data, suggest: [{ messageId: 'useStep', data: { accessor: written.accessor }, fix }] });
  }

  /** The accessor that steps from an entry; undefined where no architecture is in reach whose handles these are. */
  private stepped(node: TSESTree.Node, handle: TSESTree.Expression, count: string, level: Level): { accessor: string; text: string } | undefined {
    const arch = archInReach(this.context, this.types, node, { handle, steps: true });
    if (arch === undefined) return undefined;
    const accessor = count === '1' ? accessorName.next(level) : accessorName.advance(level);
    return { accessor, text: `${accessor}(${arch}, ${this.text(handle)}${count === '1' ? '' : `, ${count}`})` };
  }

  /** Whether something is a number of entries; a pointer to a value held aside is none, though it is a number. */
  private isCount(node: TSESTree.Expression): boolean {
    const type = this.types.typeOf(node);
    return this.checker.isTypeAssignableTo(type, this.checker.getNumberType()) && this.types.types.handle(type) === undefined;
  }

  private keepsComments(gone: TSESTree.Node, kept: readonly TSESTree.Node[]): boolean {
    return this.context.sourceCode.getCommentsInside(gone).every(({ range }) => kept.some((part) => part.range[0] <= range[0] && range[1] <= part.range[1]));
  }

  /** Whether a handle may stand where arithmetic left a number: the type of the place is decided elsewhere, or follows without harm. */
  private takesHandle(node: TSESTree.Node, handle: TSESTree.Expression): boolean {
    const { parent } = node;
    switch (parent?.type) {
      case undefined:
        return false;
      case AST_NODE_TYPES.MemberExpression:
        return parent.property === node;
      case AST_NODE_TYPES.VariableDeclarator:
        if (parent.id.typeAnnotation === undefined) return parent.parent.kind === 'const' && this.context.sourceCode.getDeclaredVariables(parent).every(({ references }) => references.every(({ identifier, init }) => init === true || this.isOnlyLookedAt(identifier)));
        break;
      case AST_NODE_TYPES.TSAsExpression:
        return this.takesAny(this.types.typeOf(parent), handle);
      case AST_NODE_TYPES.BinaryExpression:
        return !isArithmetic(parent.operator) && parent.operator !== 'in' && this.takesAny(this.types.typeOf(parent.left === node ? parent.right : parent.left), handle);
      default:
    }
    const expected = this.checker.getContextualType(this.types.services.esTreeNodeToTSNodeMap.get(node) as ts.Expression);
    const isNobodys = expected === undefined || (expected.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) !== 0 || this.types.types.handle(expected) === undefined;
    return !isNobodys && this.checker.isTypeAssignableTo(this.types.typeOf(handle), expected);
  }

  /** Whether a type goes together with that of a handle: a plain number, or a handle of the same level. */
  private takesAny(type: ts.Type, handle: TSESTree.Expression): boolean {
    if (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.Number)) return true;
    return this.types.types.handle(type)?.level === this.types.handleOf(handle)?.level && this.checker.isTypeAssignableTo(this.types.typeOf(handle), type);
  }

  /** Whether nothing takes its type from a variable, so that it may have a narrower one. */
  private isOnlyLookedAt(use: TSESTree.Node): boolean {
    const { parent } = use;
    switch (parent?.type) {
      case AST_NODE_TYPES.ExpressionStatement:
      case AST_NODE_TYPES.TemplateLiteral:
      case AST_NODE_TYPES.UnaryExpression:
        return true;
      case AST_NODE_TYPES.BinaryExpression: {
        const other = this.types.typeOf(parent.left === use ? parent.right : parent.left);
        return isArithmetic(parent.operator) || (other.flags & ts.TypeFlags.NumberLike) !== 0 || this.types.types.handle(other) !== undefined;
      }
      case AST_NODE_TYPES.MemberExpression:
        return parent.property === use;
      case AST_NODE_TYPES.CallExpression:
      case AST_NODE_TYPES.NewExpression: {
        const declaration = this.checker.getResolvedSignature(this.types.services.esTreeNodeToTSNodeMap.get(parent))?.declaration;
        return parent.callee !== use && declaration !== undefined && declaration.typeParameters === undefined && !ts.isConstructorDeclaration(declaration);
      }
      case AST_NODE_TYPES.VariableDeclarator:
        return parent.id.typeAnnotation !== undefined;
      default:
        return false;
    }
  }

  private minus(node: TSESTree.Expression): string {
    return (node.type === AST_NODE_TYPES.Identifier || node.type === AST_NODE_TYPES.Literal ? `-${this.text(node)}` : `-(${this.text(node)})`);
  }
}

/** What takes the place of arithmetic. */
interface Change {
  readonly kept: readonly TSESTree.Node[];
  readonly safe: boolean;
  write(level: Level): { readonly accessor: string; readonly text: string } | undefined;
}

/** `ptep++` where nobody looks at its value. */
function isStatement(node: TSESTree.Node): boolean {
  return (
    node.parent?.type === AST_NODE_TYPES.ExpressionStatement ||
    (node.parent?.type === AST_NODE_TYPES.ForStatement && node.parent.update === node) ||
    (node.parent?.type === AST_NODE_TYPES.SequenceExpression && (isStatement(node.parent) || node.parent.expressions.at(-1) !== node))
  );
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
