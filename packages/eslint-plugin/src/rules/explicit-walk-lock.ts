import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { bare, children } from '../ast.js';
import { createRule } from '../create-rule.js';
import { inOneGo, type Visitor } from '../in-one-go.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';
import { Expected } from './walk-lock/expected.js';
import { LockModes, MODES } from './walk-lock/modes.js';
import { Names } from './walk-lock/names.js';
import { isNothing, LOCK, OPS, OpsTypes } from './walk-lock/ops-types.js';
import { isAssign, isSpread, isUnexpected } from './walk-lock/places.js';
import { Said } from './walk-lock/said.js';

const MESSAGES = {
  ...NO_TYPES,
  missing:
    'These operations of a page walk do not say under which lock they run: set walkLock. Left out, it is the weakest mode by accident, and whoever adds a write later will not notice.',
  nothing: 'This sets walkLock to nothing: say under which lock the walk runs.',
  byDefault: 'A switch over the lock modes of a walk has a case for each: with `default:` a mode that is added later does what was meant for another.',
} as const;

type Messages = keyof typeof MESSAGES;
type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;

/** Functions and methods that walk page tables and take operations. @see include/linux/pagewalk.h of Linux 6.12 */
const WALKS: ReadonlySet<string> = new Set([
  'walkPageRange', 'walkPageRangeVma', 'walkPageVma', 'walkPageMapping', 'walkPageRangeNovma', 'walkPageRangeMm', 'walkPageRangeDebug', 'walkKernelPageTableRange', 'walkKernelPageTableRangeLockless',
]);

function isWalk(name: string): boolean {
  return WALKS.has(name);
}

/** Without one of these a file has nothing to say about a walk. */
const NAMES: readonly string[] = [...OPS, ...WALKS, ...MODES, LOCK];

/** A page walk says under which lock it runs, and a switch over the modes knows them all. Holds in the code of architectures too. */
export const explicitWalkLock = createRule<Messages>({
  name: 'explicit-walk-lock',
  meta: {
    type: 'problem',
    docs: { description: 'The operations of a page walk say which lock they run under', config: 'recommended', typed: true },
    messages: MESSAGES,
  },
  create(context) {
    const types = typed(context, { inArchitecture: true, names: () => NAMES });
    return types === undefined ? {} : inOneGo(context.sourceCode, new WalkLocks(context, types));
  },
});

/** The walks in one file. */
class WalkLocks implements Visitor {
  private readonly context: Context;
  private readonly types: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly toTs: Typed['services']['esTreeNodeToTSNodeMap'];
  private readonly ops: OpsTypes;
  private readonly modes: LockModes;
  private readonly expected: Expected;
  private readonly said: Said;
  private readonly checked = new Set<TSESTree.Node>();

  constructor(context: Context, types: Typed) {
    const names = new Names(context.sourceCode);
    this.context = context;
    this.types = types;
    this.checker = types.types.checker;
    this.toTs = types.services.esTreeNodeToTSNodeMap;
    this.ops = OpsTypes.of(types.types);
    this.modes = LockModes.of(types.types);
    this.expected = new Expected(types, names);
    this.said = new Said(context.sourceCode, types, names);
  }

  ObjectExpression(node: TSESTree.ObjectExpression): void {
    // What is spread into another is a part of that.
    if (isSpread(node)) return;
    if (isUnexpected(node) ? this.expected.isTakenAsOps(node) : this.expected.isExpectedAsOps(node)) this.checkOps(node);
  }

  CallExpression(node: TSESTree.CallExpression): void {
    if (node.arguments.length === 0) return;
    if (isAssign(node)) {
      if (this.ops.isOps(this.checker.getContextualType(this.toTs.get(node))) && !this.ops.brings(this.types.typeOf(node))) this.context.report({ node, messageId: 'missing' });
      return;
    }
    if (!this.types.mayBeNamed(node, isWalk)) return;
    const callee = bare(node.callee);
    const name = callee.type === AST_NODE_TYPES.MemberExpression ? callee.property : callee;
    const symbol = this.types.symbolOf(name);
    if (symbol === undefined || !isWalk(this.types.types.resolved(symbol).name)) return;
    const given = node.arguments.filter((argument) => argument.type !== AST_NODE_TYPES.SpreadElement);
    const expected = given.filter((argument) => this.ops.isOps(this.expected.parameterOf(node, argument)));
    // What else is given is data for the callbacks.
    for (const argument of expected.length > 0 ? expected : given) this.checkArgument(argument);
  }

  ClassDeclaration(node: TSESTree.ClassDeclaration): void {
    this.checkClass(node);
  }

  ClassExpression(node: TSESTree.ClassExpression): void {
    this.checkClass(node);
  }

  SwitchStatement(node: TSESTree.SwitchStatement): void {
    const byDefault = node.cases.find(({ test }) => test === null);
    if (byDefault === undefined || !this.modes.isMode(this.toTs.get(node.discriminant) as ts.Expression)) return;
    if (!this.demandsAll(bare(node.discriminant) as TSESTree.Expression, byDefault.consequent)) this.context.report({ node: byDefault, messageId: 'byDefault' });
  }

  private checkOps(node: TSESTree.ObjectExpression): void {
    if (this.checked.has(node)) return;
    this.checked.add(node);
    const lock = this.said.of(node);
    if (lock === 'yes' || this.said.isTakenApart(node) || this.said.isSetLater(node)) return;
    if (lock === 'no') this.context.report({ node, messageId: 'missing' });
    else this.context.report({ node: lock.nothing, messageId: 'nothing' });
  }

  /** Operations that are given to a walk, and are declared as nothing that has a lock. */
  private checkArgument(argument: TSESTree.Expression): void {
    const expression = bare(argument);
    const made = this.madeAs(expression);
    if (made.type === AST_NODE_TYPES.ObjectExpression) {
      if (this.ops.hasCallbacks(this.types.typeOf(made))) this.checkOps(made);
      return;
    }
    const given = this.types.typeOf(expression);
    const type = given.flags & ts.TypeFlags.TypeParameter ? (this.checker.getBaseConstraintOfType(given) ?? given) : given;
    if ((type.flags & ts.TypeFlags.Object) === 0 || !this.ops.hasCallbacks(type)) return;
    const lock = type.getProperty(LOCK);
    if (lock === undefined ? !this.ops.isOps(type) : isNothing(this.checker.getTypeOfSymbol(lock))) this.context.report({ node: argument, messageId: 'missing' });
  }

  /** Whether a type has callbacks and no lock: `Pick<MmWalkOps, 'pteEntry'>`. */
  private isWithoutLock(type: ts.Type): boolean {
    return type.getProperty(LOCK) === undefined && this.ops.hasCallbacks(type);
  }

  /** What is written there, or what that was declared with which stands there by its name. */
  private madeAs(expression: TSESTree.Expression | TSESTree.PrivateIdentifier): TSESTree.Node {
    if (expression.type === AST_NODE_TYPES.MemberExpression) {
      // A field or a property that was declared with them has their type.
      const literal = (this.types.typeOf(expression).symbol as ts.Symbol | undefined)?.valueDeclaration;
      // It may stand in another file.
      const made: TSESTree.Node | undefined = literal !== undefined && ts.isObjectLiteralExpression(literal) ? this.types.services.tsNodeToESTreeNodeMap.get(literal) : undefined;
      return made ?? expression;
    }
    if (expression.type !== AST_NODE_TYPES.Identifier) return expression;
    const [definition] = ASTUtils.findVariable(this.context.sourceCode.getScope(expression), expression)?.defs ?? [];
    const declarator = definition?.node;
    if (declarator?.type !== AST_NODE_TYPES.VariableDeclarator || declarator.id.type !== AST_NODE_TYPES.Identifier || declarator.init === null) return expression;
    const made = bare(declarator.init);
    // What its type has no room for belongs where it is given.
    if (declarator.id.typeAnnotation !== undefined && made.type === AST_NODE_TYPES.ObjectExpression && this.isWithoutLock(this.types.typeOf(declarator.id))) return expression;
    return declarator.parent.kind === 'const' || (made.type === AST_NODE_TYPES.ObjectExpression && declarator.id.typeAnnotation === undefined) ? made : expression;
  }

  /** `const never: never = mode`: a default that the compiler refuses as soon as there is another mode, because where it hands the mode on none is expected. */
  private demandsAll(discriminant: TSESTree.Expression, statements: readonly TSESTree.Node[]): boolean {
    const text = this.context.sourceCode.getText(discriminant);
    const inside = (node: ts.Node): boolean => {
      if (ts.isExpression(node) && node.getText() === text && (this.checker.getTypeAtLocation(node).flags & ts.TypeFlags.Never) !== 0 && this.refusesModes(node, discriminant)) return true;
      return ts.forEachChild(node, inside) ?? false;
    };
    return statements.some((statement) => inside(this.toTs.get(statement)));
  }

  private refusesModes(node: ts.Expression, discriminant: TSESTree.Expression): boolean {
    if (ts.isAsExpression(node.parent) || ts.isTypeAssertionExpression(node.parent)) return false;
    const expected = this.checker.getContextualType(node);
    return expected !== undefined && !this.checker.isTypeAssignableTo(this.types.typeOf(discriminant), expected);
  }

  private checkClass(node: TSESTree.ClassDeclaration | TSESTree.ClassExpression): void {
    if (node.abstract || !node.implements.some(({ expression }) => this.isImplemented(expression))) return;
    const { symbol } = this.checker.getTypeAtLocation(this.toTs.get(node));
    const own = this.checker.getDeclaredTypeOfSymbol(symbol).getProperty(LOCK);
    if (own === undefined) {
      this.context.report({ node: node.id ?? node, messageId: 'missing' });
      return;
    }
    const field = node.body.body.find((member) => member.type === AST_NODE_TYPES.PropertyDefinition && !member.static && ASTUtils.getPropertyName(member) === LOCK);
    if (field?.type !== AST_NODE_TYPES.PropertyDefinition || field.declare || this.isSetInside(node.body)) return;
    if (field.value === null) {
      if (field.optional) this.context.report({ node: node.id ?? node, messageId: 'missing' });
    } else if (isNothing(this.types.typeOf(bare(field.value)))) this.context.report({ node: field, messageId: 'nothing' });
  }

  /** Whether `this.walkLock = ...` stands in a class, or `Object.assign(this, ...)` of something that has a lock. */
  private isSetInside(body: TSESTree.ClassBody): boolean {
    const sets = (node: TSESTree.Node): boolean =>
      (node.type === AST_NODE_TYPES.AssignmentExpression && node.left.type === AST_NODE_TYPES.MemberExpression && node.left.object.type === AST_NODE_TYPES.ThisExpression &&
        ASTUtils.getPropertyName(node.left) === LOCK && !isNothing(this.types.typeOf(bare(node.right)))) ||
      (node.type === AST_NODE_TYPES.CallExpression && isAssign(node) && node.arguments[0]?.type === AST_NODE_TYPES.ThisExpression &&
        node.arguments.some((argument) => argument.type === AST_NODE_TYPES.SpreadElement || (argument.type !== AST_NODE_TYPES.ThisExpression && this.ops.brings(this.types.typeOf(argument))))) ||
      children(node, this.context.sourceCode.visitorKeys).some(sets);
    return sets(body);
  }

  private isImplemented(expression: TSESTree.Expression): boolean {
    return this.ops.isOps(this.checker.getTypeAtLocation(this.toTs.get(expression.parent)));
  }
}
