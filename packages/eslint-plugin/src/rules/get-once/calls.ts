import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import { bare, isFunction } from '../../ast.js';
import { listed } from '../../listed.js';
import { NO_LOCK, RCU_GUARD, UNLOCK, TAKES_LOCK, LOCK_SCOPE, LOCK_GUARD, takesLock, objectOf } from './lock-names.js';
import type { Subject } from './subject.js';

/** A call that may have to do with a lock. */
export interface Called {
  /** As it is written: `ptl.lock`; of a function as it is declared. */
  readonly name: string;
  /** The variable that the result is put into. */
  readonly holder: string | undefined;
  /** Which lock: the object of a method, the first argument of a function. */
  readonly subject: string;
}

/** What statements call that may have to do with a lock. */
export class Calls {
  private readonly subject: Subject;
  private readonly sourceCode: Subject['sourceCode'];

  constructor(subject: Subject) {
    this.subject = subject;
    this.sourceCode = subject.sourceCode;
  }

  /** What a statement calls: `rcuReadLock()`, `const lock = spinLock(ptl)`, `using guard = mm.lock()`. */
  calledBy(statement: TSESTree.Node): readonly Called[] {
    if (statement.type === AST_NODE_TYPES.VariableDeclaration) {
      const isUsing = statement.kind === 'using' || statement.kind === 'await using';
      return statement.declarations.flatMap(({ id, init }) => (init === null ? [] : isUsing ? this.keptBy(init, id) : this.callsOf(init, id)));
    }
    return statement.type === AST_NODE_TYPES.ExpressionStatement ? this.callsOf(statement.expression, undefined) : [];
  }

  /** What `using` gives back at the end: a lock, or a section of RCU whatever begins it is called. */
  private keptBy(init: TSESTree.Expression, into: TSESTree.Node): readonly Called[] {
    const made = init.type === AST_NODE_TYPES.AwaitExpression ? init.argument : init;
    const maker = made.type === AST_NODE_TYPES.NewExpression || made.type === AST_NODE_TYPES.CallExpression ? this.sourceCode.getText(made.callee) : '';
    if (RCU_GUARD.test(maker) && !takesLock(maker, TAKES_LOCK)) return [{ name: 'rcuReadLock', holder: into.type === AST_NODE_TYPES.Identifier ? into.name : undefined, subject: '' }];
    return init.type === AST_NODE_TYPES.NewExpression ? listed(this.heldBy(init)) : this.callsOf(init, into);
  }

  /** What a guard takes when it is made, and gives back when it is disposed of: `using guard = new SpinLockGuard(ptl)`. */
  private heldBy(guard: TSESTree.NewExpression): Called | undefined {
    const made = this.sourceCode.getText(guard);
    const isLock = LOCK_GUARD.test(made.replace(/[BbCc]lock/g, '')) && !NO_LOCK.test(made) && !/rcu/i.test(made);
    return isLock ? { name: 'lock', holder: undefined, subject: made } : undefined;
  }

  /** What an expression calls, that is put into a variable: of two calls the first, where it is one or the other. */
  callsOf(expression: TSESTree.Expression, into: TSESTree.Node | undefined): readonly Called[] {
    const inner = bare(expression);
    switch (inner.type) {
      case AST_NODE_TYPES.AssignmentExpression:
        return this.callsOf(inner.right, inner.left);
      case AST_NODE_TYPES.AwaitExpression:
        return this.callsOf(inner.argument, into);
      case AST_NODE_TYPES.SequenceExpression:
        return inner.expressions.flatMap((one) => this.callsOf(one, into));
      case AST_NODE_TYPES.UnaryExpression:
        return this.callsOf(inner.argument, into);
      case AST_NODE_TYPES.ConditionalExpression:
        return this.eitherOf(this.callsOf(inner.consequent, into), this.callsOf(inner.alternate, into));
      case AST_NODE_TYPES.LogicalExpression:
        return inner.operator === '&&' ? [] : this.eitherOf(this.callsOf(inner.left, into), this.callsOf(inner.right, into));
      case AST_NODE_TYPES.CallExpression: {
        const name = this.calleeText(inner);
        const [first] = inner.arguments;
        // stack.use(pmdLock(mm, pmdp)) keeps it until the stack is disposed of.
        if (/\.(use|adopt)$/.test(name) && first?.type === AST_NODE_TYPES.CallExpression) return this.callsOf(first, into);
        // withLock(ptl, () => ...) gives back what it takes.
        if (LOCK_SCOPE.test(name) && inner.arguments.some(isFunction)) return [];
        const subject = first === undefined || inner.callee.type === AST_NODE_TYPES.MemberExpression ? objectOf(name) : this.sourceCode.getText(first);
        return [{ name, holder: into?.type === AST_NODE_TYPES.Identifier ? into.name : undefined, subject }];
      }
      default:
        return [];
    }
  }

  /** Calls of which one is made: the first, where both take a lock. */
  private eitherOf(one: readonly Called[], other: readonly Called[]): readonly Called[] {
    return [one, other].every(([first]) => first !== undefined && takesLock(first.name, TAKES_LOCK)) ? one : [];
  }

  private isRcu(object: TSESTree.Expression): boolean {
    const { symbol } = this.subject.types.typeOf(object) as { readonly symbol?: { readonly name: string } };
    return symbol !== undefined && /^S?R(cu|CU)|[a-z]S?Rcu/.test(symbol.name);
  }

  /** `guard.lock`, and of a function that has another name here, as an import or as what an object holds, its own. */
  private calleeText(node: TSESTree.CallExpression): string {
    if (node.callee.type === AST_NODE_TYPES.Identifier) return this.subject.nameOf(node);
    const written = this.sourceCode.getText(node.callee).replaceAll('?.', '.');
    // grace.readLock() of an Rcu
    if (READ_SIDE.test(written) && node.callee.type === AST_NODE_TYPES.MemberExpression && this.isRcu(node.callee.object)) return written.replace(READ_SIDE, 'Rcu$&');
    if (TAKES_LOCK.test(written) || UNLOCK.test(written)) return written;
    const own = written.replace(/(?<=\.)\w+$/, () => this.subject.nameOf(node));
    return TAKES_LOCK.test(own) || UNLOCK.test(own) ? own : written;
  }
}

/** What a lock for reading and RCU have in common: the type of the object says which of them it is. */
const READ_SIDE = /\.read(Un)?[Ll]ock$/;
