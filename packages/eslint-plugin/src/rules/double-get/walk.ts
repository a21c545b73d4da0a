import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import { entryRead, stablePath, type EntryRead } from '../../accessors.js';
import { bare, children } from '../../ast.js';
import { Entries } from '../../entries.js';
import type { Subject } from '../../subject.js';
import type { Typed } from '../../typed.js';
import { Assignments } from './assignments.js';
import { Changes, isUsing } from './changes.js';
import { Comparisons } from './comparisons.js';
import { Fields } from './fields.js';
import { merged, met, onAll, type Reads, type Way } from './ways.js';
import { wrappedRead } from './wrapped.js';

/** A read of an entry that was read already, and has not been changed since as far as the code says. */
export interface Twice {
  readonly read: EntryRead;
  readonly earlier: EntryRead;
}

/** Which entries one function reads twice. @param body of the function, or a module, or a static block */
export function findTwice(subject: Subject, body: TSESTree.Node): readonly Twice[] {
  return new Walk(subject).through(body);
}

/**
 * The ways through one function, in the order in which it runs: at every place, which entries were read on all ways that lead there and cannot have been
 * changed by anything in the code since. A way that has ended is `undefined`.
 */
class Walk {
  private readonly subject: Subject;
  private readonly types: Typed;
  private readonly sourceCode: Subject['sourceCode'];
  private readonly entries: Entries;
  private readonly fields: Fields;
  private readonly changing: Changes;
  private readonly assignments: Assignments;
  private readonly comparisons: Comparisons;
  private readonly found: Twice[] = [];
  private now: Reads | undefined = new Map();
  /** For each loop and switch around: what is known where a `break` leaves it. */
  private readonly leaves: Way[][] = [];

  /** For each `try` with a `finally` around: what is known where something leaves it early. */
  private readonly interrupted: Reads[][] = [];

  /** How often something may have become another. */
  private changes = 0;
  /** How often it had where the case of a switch began that is gone through. */
  private caseChanges = 0;
  /** For each loop around: what was read before it, but for what may have changed in it. */
  private readonly around: Reads[] = [];

  constructor(subject: Subject) {
    this.subject = subject;
    this.types = subject.types;
    this.sourceCode = subject.sourceCode;
    this.entries = new Entries(subject);
    this.fields = new Fields(subject, this.entries);
    this.changing = new Changes(subject);
    this.assignments = new Assignments(subject);
    this.comparisons = new Comparisons(subject);
  }

  through(body: TSESTree.Node): readonly Twice[] {
    if (body.type === AST_NODE_TYPES.Program || body.type === AST_NODE_TYPES.StaticBlock) this.all(body.body);
    else this.visit(body);
    return this.found;
  }

  private all(nodes: readonly (TSESTree.Node | null | undefined)[]): void {
    for (const node of nodes) this.visit(node);
  }

  private visit(node: TSESTree.Node | null | undefined): void {
    if (node === null || node === undefined) return;
    switch (node.type) {
      // Functions are looked at on their own: nobody knows here when they run.
      case AST_NODE_TYPES.FunctionDeclaration:
      case AST_NODE_TYPES.FunctionExpression:
      case AST_NODE_TYPES.ArrowFunctionExpression:
      case AST_NODE_TYPES.StaticBlock:
        return;
      case AST_NODE_TYPES.ClassBody:
        this.initialisers(node);
        return;
      case AST_NODE_TYPES.IfStatement:
        this.visit(node.test);
        this.branches([() => { this.visit(node.consequent); }, () => { this.visit(node.alternate); }], met);
        return;
      case AST_NODE_TYPES.ConditionalExpression:
        this.visit(node.test);
        this.branches([() => { this.visit(node.consequent); }, () => { this.visit(node.alternate); }]);
        return;
      case AST_NODE_TYPES.LogicalExpression:
        this.visit(node.left);
        // What there is already, or else what is read, is no value of one read.
        this.branches([() => { this.visit(node.right); }, () => undefined], node.operator === '??' ? onAll : met);
        return;
      case AST_NODE_TYPES.BlockStatement:
        this.disposing(node.body, () => { this.all(node.body); });
        return;
      case AST_NODE_TYPES.SwitchStatement:
        this.disposing(node.cases.flatMap(({ consequent }) => consequent), () => { this.switch(node); });
        return;
      case AST_NODE_TYPES.LabeledStatement:
        // Whatever leaves by the label may leave from anywhere.
        this.now = this.unchangedBy(() => { this.visit(node.body); });
        return;
      case AST_NODE_TYPES.ForStatement:
        this.visit(node.init);
        this.loop(() => {
          const end = this.test(node.test);
          this.all([node.body, node.update]);
          return end;
        });
        return;
      case AST_NODE_TYPES.ForOfStatement:
      case AST_NODE_TYPES.ForInStatement:
        this.visit(node.right);
        // Between two elements, whoever makes them may do anything.
        if (node.type === AST_NODE_TYPES.ForOfStatement && (node.await || !this.assignments.isList(node.right))) this.forget();
        this.disposing([node.left], () => {
          this.loop(() => {
            this.visit(node.body);
            return new Map();
          });
        });
        return;
      case AST_NODE_TYPES.WhileStatement:
        this.loop(() => {
          const end = this.test(node.test);
          this.visit(node.body);
          return end;
        });
        return;
      case AST_NODE_TYPES.DoWhileStatement:
        this.loop(() => {
          this.visit(node.body);
          // By `continue`, if by nothing else.
          this.now ??= new Map();
          return this.test(node.test);
        });
        return;
      case AST_NODE_TYPES.TryStatement: {
        const { handler, finalizer } = node;
        const guarded = (): void => {
          // What of the block has run is not known in its handler: only what was read before it, and stands.
          const start = this.unchangedBy(() => { this.visit(node.block); });
          this.now = merged([this.now, handler === null ? undefined : this.after(start, handler.body)].filter((way) => way !== undefined));
        };
        if (finalizer === null) this.unchangedBy(guarded);
        else this.finally(guarded, finalizer);
        return;
      }
      case AST_NODE_TYPES.ReturnStatement:
      case AST_NODE_TYPES.ThrowStatement:
        this.visit(node.argument);
        this.left();
        return;
      case AST_NODE_TYPES.BreakStatement:
        // Where there is nothing to leave, the code does not compile.
        if (node.label === null && this.now !== undefined) this.leaves.at(-1)?.push({ reads: this.now, isChanged: this.changes > this.caseChanges });
        this.left();
        return;
      case AST_NODE_TYPES.ContinueStatement:
        this.left();
        return;
      case AST_NODE_TYPES.AwaitExpression:
      case AST_NODE_TYPES.YieldExpression:
        this.visit(node.argument);
        this.forget();
        return;
      case AST_NODE_TYPES.VariableDeclaration:
        this.all(node.declarations);
        // Whatever was taken here: a lock, a section.
        if (isUsing(node)) this.forget();
        return;
      case AST_NODE_TYPES.VariableDeclarator:
        this.all([node.init, node.id]);
        this.fields.given(node);
        return;
      case AST_NODE_TYPES.AssignmentPattern:
        // A default is only asked for where there is nothing else.
        this.visit(node.left);
        this.branches([() => { this.visit(node.right); }, () => undefined]);
        return;
      case AST_NODE_TYPES.AssignmentExpression:
        if (/^(\?\?|\|\||&&)=$/.test(node.operator)) this.branches([() => { this.visit(node.right); }, () => undefined]);
        else this.all([node.right, node.left]);
        this.assigned(node.left);
        return;
      case AST_NODE_TYPES.TaggedTemplateExpression:
        this.visit(node.quasi);
        this.forget();
        return;
      case AST_NODE_TYPES.UpdateExpression:
        this.visit(node.argument);
        this.assigned(node.argument);
        return;
      case AST_NODE_TYPES.NewExpression:
        this.all(node.arguments);
        if (this.changing.mayChange(node)) this.forget();
        return;
      case AST_NODE_TYPES.CallExpression:
        this.call(node);
        return;
      default:
        this.all(children(node, this.sourceCode.visitorKeys));
    }
  }

  /** What the fields of a class are given runs when somebody makes an object of it, one after the other, and that of static fields when the class is made. What `this` is there it is nowhere else. */
  private initialisers({ body }: TSESTree.ClassBody): void {
    const isStatic = (member: TSESTree.ClassElement): boolean => 'static' in member && member.static;
    for (const run of [body.filter(isStatic), body.filter((member) => !isStatic(member))]) {
      const before = this.now;
      this.now = new Map();
      this.all(run);
      this.now = before;
    }
  }

  /** A piece of code that is reached with what is given known. Returns: what is known at its end */
  private after(start: Reads, node: TSESTree.Node): Reads | undefined {
    const end = this.now;
    this.now = start;
    this.visit(node);
    const known = this.now;
    this.now = end;
    return known;
  }

  /** Goes through a piece of code that may be left from anywhere. Returns: what was read before it, but for what may have changed in it */
  private unchangedBy(body: () => void): Reads {
    const before = new Map(this.now);
    this.around.push(before);
    body();
    this.around.pop();
    return before;
  }

  /** The way ends here, but for what a `finally` around does first. */
  private left(): void {
    if (this.now !== undefined) this.interrupted.at(-1)?.push(this.now);
    this.now = undefined;
  }

  /** A piece of code, and what runs after it however that is left: by its end, or by `return`, `throw`, `break`, `continue`. */
  private finally(guarded: () => void, finalizer: TSESTree.BlockStatement): void {
    const { changes } = this;
    const early: Reads[] = [];
    this.interrupted.push(early);
    const before = this.unchangedBy(guarded);
    this.interrupted.pop();
    const end = this.now;
    const isChanged = this.changes > changes;
    const known = met([end, ...early].filter((way) => way !== undefined).map((reads) => ({ reads, isChanged }))) ?? before;
    const last = this.after(new Map(known), finalizer);
    // What goes on in some other place goes through the `finally` around this one first.
    if (last !== undefined && early.length > 0) this.interrupted.at(-1)?.push(new Map(last));
    // Who goes on here has come by the end.
    for (const [key, read] of known) if (end?.has(key) !== true && last?.get(key) === read) last.delete(key);
    this.now = end === undefined ? undefined : last;
  }

  /** Goes through a piece of code at whose end, however it is left, what some statements hold with `using` is given back. */
  private disposing(statements: readonly TSESTree.Node[], body: () => void): void {
    if (!statements.some(isUsing)) {
      body();
      return;
    }
    const before = this.leaves.map((left) => left.length);
    const early = this.interrupted.at(-1)?.length;
    body();
    this.forget();
    this.leaves.forEach((left, at) => { for (const { reads } of left.slice(before[at])) reads.clear(); });
    for (const reads of this.interrupted.at(-1)?.slice(early) ?? []) reads.clear();
  }

  private forget(): void {
    this.changes++;
    this.now?.clear();
    this.fields.forget();
    for (const reads of this.around) reads.clear();
  }

  /** Ways that part here and meet again, and what is known then. */
  private branches(ways: readonly (() => void)[], meet: (ends: readonly Way[]) => Reads | undefined = onAll): void {
    const before = this.now;
    const open: Way[] = [];
    for (const way of ways) {
      const { changes } = this;
      this.now = before === undefined ? undefined : new Map(before);
      way();
      if (this.now !== undefined) open.push({ reads: this.now, isChanged: this.changes > changes });
    }
    this.now = meet(open);
  }

  /** Cases run into each other, and what leaves one by `break` goes on after all of them. As in {@link met}, what one of the ways has read is known. */
  private switch(node: TSESTree.SwitchStatement): void {
    this.visit(node.discriminant);
    // What is known where the next case is asked for.
    let asked = this.now;
    let isChanged = false;
    const unanswered = (): readonly Way[] => (asked === undefined ? [] : [{ reads: asked, isChanged }]);
    const { caseChanges } = this;
    const left: Way[] = [];
    this.leaves.push(left);
    this.now = undefined;
    this.caseChanges = this.changes;
    for (const one of node.cases) {
      if (one.test !== null && asked !== undefined) {
        const { changes } = this;
        asked = this.after(asked, one.test);
        isChanged ||= this.changes > changes;
      }
      // From the case above, or from the discriminant.
      if (this.now === undefined) this.caseChanges = this.changes;
      this.now = met([...this.open(), ...unanswered()]);
      this.all(one.consequent);
    }
    const isComplete = node.cases.some(({ test }) => test === null);
    const ends = [...left, ...this.open(), ...(isComplete ? [] : unanswered())];
    this.leaves.pop();
    this.caseChanges = caseChanges;
    this.now = met(ends);
  }

  /** The way that ends here, if one does, since the case began that it is in. */
  private open(): readonly Way[] {
    return this.now === undefined ? [] : [{ reads: this.now, isChanged: this.changes > this.caseChanges }];
  }

  /**
   * What runs again and again reads again on purpose, and what was read before it may be read in it. What was read before it, or in its last turn, stands until
   * after it.
   *
   * @param body goes through one turn, and returns what is known where the loop ends by itself: undefined if it never does
   */
  private loop(body: () => Reads | undefined): void {
    const left: Way[] = [];
    const before = new Map(this.now);
    this.leaves.push(left);
    this.around.push(before);
    this.now = new Map();
    // What the end of the body changes is another at the beginning of the next turn.
    this.fields.forget();
    const end = body();
    this.leaves.pop();
    this.around.pop();
    this.now = merged([...left.map(({ reads }) => reads), end].filter((way) => way !== undefined));
    for (const [key, read] of before) if (this.now?.has(key) === false) this.now.set(key, read);
  }

  /** The condition of a loop. Returns: what is known where it does not hold; undefined where it always does */
  private test(node: TSESTree.Expression | null): Reads | undefined {
    this.visit(node);
    const isEndless = node === null || (node.type === AST_NODE_TYPES.Literal && Boolean(node.value));
    return isEndless || this.now === undefined ? undefined : new Map(this.now);
  }

  private assigned(target: TSESTree.Node): void {
    const inner = bare(target as TSESTree.Expression);
    if (inner.type === AST_NODE_TYPES.MemberExpression && inner.computed && (this.assignments.isList(inner.object) || this.types.isText(inner.property))) {
      // An element of a list, or a field by its name; where the name is no constant, any of them.
      const list = (inner.property.type === AST_NODE_TYPES.Literal && this.types.isText(inner.property) ? this.entries.pathOf(inner) : undefined) ?? this.entries.pathOf(inner.object);
      if (list === undefined) this.forget();
      else this.drop(list);
      return;
    }
    if (inner.type === AST_NODE_TYPES.ArrayPattern || inner.type === AST_NODE_TYPES.ObjectPattern || (inner.type === AST_NODE_TYPES.MemberExpression && inner.computed)) {
      // An element of a typed array may be an entry of a table.
      this.forget();
      return;
    }
    // What a setter does is its own business.
    const path = this.assignments.isSetter(inner) ? undefined : stablePath(this.types, inner);
    if (path === undefined) this.forget();
    else this.drop(path);
  }

  /** What was read through something that is another now. */
  private drop(path: string): void {
    this.changes++;
    const isIn = (text: string): boolean => `${text} `.split(path).slice(1).some((rest) => /^[^\w$]/.test(rest));
    for (const reads of [this.now, ...this.around]) for (const key of [...(reads?.keys() ?? [])]) if (isIn(key)) reads?.delete(key);
    this.fields.drop(isIn);
  }

  private call(node: TSESTree.CallExpression): void {
    this.visit(node.callee);
    // Arguments of a call that need not happen need not be looked at either.
    if (node.optional) this.branches([() => { this.all(node.arguments); }, () => undefined]);
    else this.all(node.arguments);
    const wrapped = wrappedRead(this.subject, node, this.entries);
    const read = wrapped ?? entryRead(this.types, node);
    if (read === undefined) {
      if (this.changing.mayChange(node)) this.forget();
      else {
        const list = this.assignments.reorderedBy(node);
        if (list !== undefined) this.drop(list);
        for (const one of [node.callee, ...node.arguments]) for (const target of this.assignments.assignedBy(one)) this.assigned(target);
      }
      return;
    }
    if (!this.types.isLive(read.handle)) return;
    const handle = this.entries.pathOf(read.handle);
    if (handle === undefined || this.now === undefined) return;
    const key = `${wrapped?.arch ?? this.entries.archOf(node)} ${handle}`;
    const byFields = this.fields.byFields(key);
    const earlier = this.now.get(key) ?? this.now.get(byFields);
    if (earlier === undefined) this.now.set(key, read).set(byFields, read);
    else if (!this.comparisons.isCompared(read, earlier)) this.found.push({ read, earlier });
  }
}
