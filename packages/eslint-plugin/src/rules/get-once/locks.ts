import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import { bare, isEquality, isFunction } from '../../ast.js';
import { listed } from '../../listed.js';
import { enclosing, runsAround, statementsOf, steps } from './around.js';
import { Calls, type Called } from './calls.js';
import { RCU_BEGIN, RCU_END, RCU_SCOPE, UNLOCK, TAKES_LOCK, LOCK_SCOPE, ENDS, takesLock, objectOf } from './lock-names.js';
import type { Subject } from './subject.js';

/** Which locks are held where a node stands, by the order of the statements before it. */
export class Locks {
  private readonly sourceCode: Subject['sourceCode'];
  private readonly calls: Calls;

  constructor(subject: Subject) {
    this.sourceCode = subject.sourceCode;
    this.calls = new Calls(subject);
  }

  /** A section that is RCU's alone: `rcuReadLock(); ... rcuReadUnlock();`, `using section = rcu.readLock()`, `rcu.read(() => ...)`. */
  sectionAround(node: TSESTree.Node): string | undefined {
    // What inner blocks end was begun in outer ones.
    let ended = 0;
    for (const [at, parent] of steps(node)) {
      if (isFunction(at) && at !== node) {
        if (parent.type === AST_NODE_TYPES.CallExpression && RCU_SCOPE.test(this.sourceCode.getText(parent.callee))) return 'only RCU protects its table';
        return undefined;
      }
      const body = statementsOf(parent);
      if (body === undefined) continue;
      // Sections may be inside of each other.
      let open = 0;
      let unopened = 0;
      let guard: string | undefined;
      for (const { name, holder } of this.callsBefore(body, at)) {
        if (RCU_END.test(name) || (guard !== undefined && objectOf(name) === guard && ENDS.test(name))) {
          if (open > 0) open--;
          else unopened++;
        } else if (RCU_BEGIN.test(name)) {
          open++;
          guard = holder;
        }
      }
      if (open > ended) return 'only RCU protects its table';
      ended = ended - open + unopened;
    }
    return undefined;
  }

  /** Whether a lock was taken before a node, in this function, and not given back: by the order of statements of the blocks around it. */
  isUnderLock(node: TSESTree.Node): boolean {
    // What inner blocks give back was taken in outer ones.
    const returned = new Set<string>();
    for (const [at, parent] of steps(node)) {
      // withLock(ptl, () => ...)
      if (isFunction(at) && at !== node) return parent.type === AST_NODE_TYPES.CallExpression && parent.arguments.some((argument) => argument === at) && takesLock(this.sourceCode.getText(parent.callee), LOCK_SCOPE);
      const tried = this.triedBefore(at, parent);
      if (tried !== undefined && !returned.has(tried.subject)) return true;
      const body = statementsOf(parent);
      if (body !== undefined && this.heldAfter(this.callsBefore(body, at), returned)) return true;
    }
    return false;
  }

  /** Whether a lock is held where a node stands, or where the functions around it are written that run there, or are handed on. */
  isUnderLockAround(node: TSESTree.Node): boolean {
    if (this.isUnderLock(node)) return true;
    const around = enclosing(node);
    return around !== undefined && runsAround(around) && this.isUnderLockAround(around);
  }

  /** Whether a lock is held at the end of some calls. @param returned locks that are given back later; those that these calls give back and did not take are added */
  private heldAfter(calls: readonly Called[], returned: Set<string>): boolean {
    const given = new Set<string>();
    const guards = new Set<string>();
    let held = 0;
    for (const { name, holder, subject } of calls) {
      if (RCU_BEGIN.test(name) || RCU_END.test(name)) continue;
      const object = objectOf(name);
      if (UNLOCK.test(name) || (guards.has(object) && ENDS.test(name))) {
        if (held > 0) held--;
        else given.add(subject);
      } else if (takesLock(name, TAKES_LOCK) && !returned.has(subject) && !(holder !== undefined && returned.has(holder))) {
        // const lock = pageTableLock(mm); lock.lock();
        if (!guards.has(object)) held++;
        if (holder !== undefined) guards.add(holder);
      }
    }
    for (const subject of given) returned.add(subject);
    return held > 0;
  }

  /** The lock that was taken if a node is run, because of the condition beside it: `spinTrylock(ptl) && read()`. */
  private triedBefore(at: TSESTree.Node, parent: TSESTree.Node): Called | undefined {
    if (parent.type === AST_NODE_TYPES.IfStatement || parent.type === AST_NODE_TYPES.ConditionalExpression) return at === parent.test ? undefined : this.tried(parent.test, at === parent.consequent);
    if (parent.type === AST_NODE_TYPES.WhileStatement) return at === parent.body ? this.tried(parent.test, true) : undefined;
    if (parent.type !== AST_NODE_TYPES.LogicalExpression || at !== parent.right || parent.operator === '??') return undefined;
    return this.tried(parent.left, parent.operator === '&&');
  }

  /** The lock that was taken if a condition came out as it is said: `spinTrylock(ptl)` if true, `isBusy || !spinTrylock(ptl)` if false. */
  private tried(test: TSESTree.Expression, outcome: boolean): Called | undefined {
    const condition = bare(test) as TSESTree.Expression;
    if (condition.type === AST_NODE_TYPES.UnaryExpression && condition.operator === '!') return this.tried(condition.argument, !outcome);
    if (condition.type === AST_NODE_TYPES.LogicalExpression) {
      const left = this.tried(condition.left, outcome);
      const right = this.tried(condition.right, outcome);
      // Both of them came out so, or nobody knows which.
      return condition.operator === (outcome ? '&&' : '||') ? (left ?? right) : left !== undefined && right !== undefined ? left : undefined;
    }
    // (ptl = pmdTransHugeLock(mm, pmdp)) !== undefined
    if (condition.type === AST_NODE_TYPES.BinaryExpression && isEquality(condition.operator) && condition.left.type !== AST_NODE_TYPES.PrivateIdentifier && NOTHING.test(this.sourceCode.getText(condition.right))) {
      return this.tried(condition.left, condition.operator.startsWith('!') ? outcome : !outcome);
    }
    const [call] = outcome ? this.calls.callsOf(condition, undefined) : [];
    return call !== undefined && takesLock(call.name, TAKES_LOCK) ? call : undefined;
  }

  /** What the statements of a block before one call, in their order. Blocks inside of it count; branches do where all of them take a lock. */
  private callsBefore(body: readonly TSESTree.Node[], until: TSESTree.Node | undefined): readonly Called[] {
    const before = until === undefined ? body : body.slice(0, body.findIndex((one) => one === until));
    return before.flatMap((statement): readonly Called[] => {
      if (statement.type === AST_NODE_TYPES.BlockStatement) return this.callsBefore(statement.body, undefined);
      if (statement.type === AST_NODE_TYPES.TryStatement) return [...this.callsBefore(statement.block.body, undefined), ...this.callsBefore(statement.finalizer?.body ?? [], undefined)];
      if (statement.type === AST_NODE_TYPES.LabeledStatement) return this.callsBefore([statement.body], undefined);
      if (statement.type === AST_NODE_TYPES.IfStatement) return this.callsOfBranches(statement);
      if (statement.type === AST_NODE_TYPES.SwitchStatement) {
        const taken = statement.cases.filter(({ consequent }) => consequent.length > 0 && !goesAway(consequent.at(-1)!)).map(({ consequent }) => this.takenIn(consequent));
        return taken.every((one) => one !== undefined) ? taken.slice(0, 1) : [];
      }
      const endless = endlessBody(statement);
      if (endless !== undefined) return listed(this.takenInLoop(endless));
      // while (!spinTrylock(ptl)) relax();
      if (statement.type === AST_NODE_TYPES.WhileStatement || statement.type === AST_NODE_TYPES.DoWhileStatement) return listed(this.tried(statement.test, false));
      // What is disposed of at the end of a block that ended before is given back.
      const isOver = until === undefined && statement.type === AST_NODE_TYPES.VariableDeclaration && (statement.kind === 'using' || statement.kind === 'await using');
      return isOver ? [] : this.calls.calledBy(statement);
    });
  }

  /** What is taken after a statement with branches, whichever was run: `if (!spinTrylock(ptl)) return;`, `if (isHuge) pmdLock(pmdp); else spinLock(ptl);`. */
  private callsOfBranches({ test, consequent, alternate }: TSESTree.IfStatement): readonly Called[] {
    if (leaves(consequent)) return listed(this.tried(test, false) ?? (alternate === null ? undefined : this.takenIn([alternate])));
    const taken = this.tried(test, true) ?? this.takenIn([consequent]);
    const otherwise = alternate === null ? this.tried(test, false) : leaves(alternate) ? taken : (this.tried(test, false) ?? this.takenIn([alternate]));
    return taken === undefined || otherwise === undefined ? [] : [taken];
  }

  /** The lock that is held wherever a loop without an end is left: `for (;;) { table.lock(); if (table.unchanged()) break; table.unlock(); }`. */
  private takenInLoop(body: TSESTree.Statement): Called | undefined {
    const statements = body.type === AST_NODE_TYPES.BlockStatement ? body.body : [body];
    const taken = statements.flatMap((statement, at) => {
      const exit = statement.type === AST_NODE_TYPES.IfStatement ? endedByBreak(statement.consequent) : undefined;
      return exit === undefined ? [] : [this.takenIn([...statements.slice(0, at), ...exit])];
    });
    return taken.every((one) => one !== undefined) ? taken[0] : undefined;
  }

  /** The lock that statements take and keep. */
  private takenIn(statements: readonly TSESTree.Statement[]): Called | undefined {
    const calls = this.callsBefore(statements, undefined);
    return this.heldAfter(calls, new Set()) ? calls.find(({ name }) => takesLock(name, TAKES_LOCK)) : undefined;
  }
}

/** What a try that failed returns. */
const NOTHING = /^(undefined|null|false)$/;

/** What `for (;;)` and `while (true)` repeat until a break. */
function endlessBody(node: TSESTree.Node): TSESTree.Statement | undefined {
  if (node.type === AST_NODE_TYPES.ForStatement) return node.test === null ? node.body : undefined;
  return node.type === AST_NODE_TYPES.WhileStatement && node.test.type === AST_NODE_TYPES.Literal && node.test.value === true ? node.body : undefined;
}

/** The statements before the break that ends a branch; undefined if it ends in another way. */
function endedByBreak(branch: TSESTree.Statement): readonly TSESTree.Statement[] | undefined {
  const statements = branch.type === AST_NODE_TYPES.BlockStatement ? branch.body : [branch];
  return statements.at(-1)?.type === AST_NODE_TYPES.BreakStatement ? statements.slice(0, -1) : undefined;
}

/** Whether a statement of a switch leaves more than the switch. */
function goesAway(node: TSESTree.Node): boolean {
  return node.type !== AST_NODE_TYPES.BreakStatement && leaves(node);
}

/** Whether a statement goes away from where it is. */
function leaves(node: TSESTree.Node): boolean {
  if (node.type === AST_NODE_TYPES.BlockStatement) return node.body.length > 0 && leaves(node.body.at(-1)!);
  return node.type === AST_NODE_TYPES.ReturnStatement || node.type === AST_NODE_TYPES.ThrowStatement || node.type === AST_NODE_TYPES.ContinueStatement || node.type === AST_NODE_TYPES.BreakStatement;
}
