import { AST_NODE_TYPES, ASTUtils, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import type { Typed } from '../../typed.js';
import type { Conditions } from './conditions.js';
import type { Expressions } from './expressions.js';
import type { Jumps } from './jumps.js';
import { unionOf } from './result-types.js';
import type { Subject } from './subject.js';
import type { Variables } from './variables.js';
import { NONE, withFlag, withName, withState, type Split, type World, type Worlds } from './worlds.js';

/** Where statements lead. */
export class Statements {
  private readonly subject: Subject;
  private readonly typed: Typed;
  private readonly worlds: Worlds;
  private readonly variables: Variables;
  private readonly jumps: Jumps;
  private readonly expressions: Expressions;
  private readonly conditions: Conditions;

  constructor(subject: Subject, worlds: Worlds, variables: Variables, jumps: Jumps, expressions: Expressions) {
    this.subject = subject;
    this.typed = subject.typed;
    this.worlds = worlds;
    this.variables = variables;
    this.jumps = jumps;
    this.expressions = expressions;
    this.conditions = expressions.conditions;
  }

  /** The worlds at the end of a list of statements, for those that come there. */
  block(statements: readonly TSESTree.Node[], worlds: readonly World[]): readonly World[] {
    return statements.reduce((now, statement) => (now.length === 0 ? now : this.statement(statement, now, [])), worlds);
  }

  private statement(node: TSESTree.Node, worlds: readonly World[], labels: readonly string[]): readonly World[] {
    switch (node.type) {
      case AST_NODE_TYPES.BlockStatement:
        if (labels.length === 0) return this.disposed(node.body, this.block(node.body, worlds));
        return this.labelled(labels, () => this.disposed(node.body, this.block(node.body, worlds)));
      case AST_NODE_TYPES.LabeledStatement:
        return this.statement(node.body, worlds, [...labels, node.label.name]);
      case AST_NODE_TYPES.IfStatement: {
        const run = (): readonly World[] => {
          const { yes, no } = this.conditions.of(node.test, worlds);
          return this.worlds.merge(yes.length === 0 ? NONE : this.statement(node.consequent, yes, []), node.alternate === null || no.length === 0 ? no : this.statement(node.alternate, no, []));
        };
        return labels.length === 0 ? run() : this.labelled(labels, run);
      }
      case AST_NODE_TYPES.WhileStatement:
        return this.loop(labels, worlds, (now) => this.conditions.of(node.test, now), node.body);
      case AST_NODE_TYPES.DoWhileStatement:
        return this.loop(labels, worlds, undefined, node.body, (now) => this.conditions.of(node.test, now));
      case AST_NODE_TYPES.ForStatement: {
        const begun = node.init === null ? worlds : node.init.type === AST_NODE_TYPES.VariableDeclaration ? this.statement(node.init, worlds, []) : this.expressions.evaluate(node.init, worlds);
        const { update, test } = node;
        return this.loop(labels, begun, (now) => (test === null ? { yes: now, no: NONE } : this.conditions.of(test, now)), node.body, (now) => ({
          yes: update === null ? now : this.expressions.evaluate(update, now), no: NONE,
        }));
      }
      case AST_NODE_TYPES.ForOfStatement:
      case AST_NODE_TYPES.ForInStatement:
        return this.loop(labels, this.expressions.evaluate(node.right, worlds), (now) => ({ yes: now, no: now }), node.body);
      case AST_NODE_TYPES.SwitchStatement:
        return this.switch(node, worlds, labels);
      case AST_NODE_TYPES.TryStatement:
        return this.try(node, worlds);
      case AST_NODE_TYPES.ReturnStatement:
        this.jumps.jump({ kind: 'return', label: undefined, node, worlds: node.argument === null ? worlds : this.expressions.evaluate(node.argument, worlds) });
        return NONE;
      case AST_NODE_TYPES.ThrowStatement:
        this.jumps.jump({ kind: 'throw', label: undefined, node, worlds: this.expressions.evaluate(node.argument, worlds) });
        return NONE;
      case AST_NODE_TYPES.BreakStatement:
        this.jumps.jump({ kind: 'break', label: node.label?.name, node, worlds });
        return NONE;
      case AST_NODE_TYPES.ContinueStatement:
        this.jumps.jump({ kind: 'continue', label: node.label?.name, node, worlds });
        return NONE;
      case AST_NODE_TYPES.VariableDeclaration:
        return node.declarations.reduce((now, declarator) => this.declare(declarator, now), worlds);
      case AST_NODE_TYPES.ExpressionStatement:
        return this.leaves(node.expression) ? this.gone(this.expressions.evaluate(node.expression, worlds), node) : this.expressions.evaluate(node.expression, worlds);
      case AST_NODE_TYPES.ExportNamedDeclaration:
        return node.declaration === null ? worlds : this.statement(node.declaration, worlds, []);
      case AST_NODE_TYPES.ExportDefaultDeclaration:
        return ASTUtils.isFunction(node.declaration) || node.declaration.type.startsWith('TS') ? worlds : this.expressions.evaluate(node.declaration, worlds);
      case AST_NODE_TYPES.FunctionDeclaration:
      case AST_NODE_TYPES.ImportDeclaration:
        return worlds;
      default:
        return node.type.startsWith('TS') ? worlds : this.expressions.evaluate(node, worlds);
    }
  }

  /** At the end of a block, what it declared with `using` is given back: entries of it that others have are gone. */
  private disposed(statements: readonly TSESTree.Node[], worlds: readonly World[]): readonly World[] {
    const kept = statements.filter((one) => one.type === AST_NODE_TYPES.VariableDeclaration && (one.kind === 'using' || one.kind === 'await using'))
      .flatMap((one) => this.subject.context.sourceCode.getDeclaredVariables(one));
    if (kept.length === 0) return worlds;
    return worlds.map((world) => kept.reduce((now, variable) => {
      const mapped = world.names.get(variable);
      return mapped === undefined ? now : withState(now, mapped, { hold: 'unmapped' });
    }, world));
  }

  private labelled(labels: readonly string[], run: () => readonly World[]): readonly World[] {
    const { end, caught } = this.jumps.within({ kind: 'block', labels, breakable: false }, run);
    return this.worlds.merge(end, ...caught.map(({ worlds }) => worlds));
  }

  /** A call of something that never returns ends the way, as the compiler sees it too. */
  private leaves(node: TSESTree.Expression): boolean {
    return node.type === AST_NODE_TYPES.CallExpression && (this.typed.typeOf(node).flags & ts.TypeFlags.Never) !== 0;
  }

  private gone(worlds: readonly World[], node: TSESTree.Node): readonly World[] {
    const call = node.type === AST_NODE_TYPES.ExpressionStatement && node.expression.type === AST_NODE_TYPES.CallExpression ? node.expression : undefined;
    const isExit = call !== undefined && this.subject.context.sourceCode.getText(call.callee) === 'process.exit';
    if (!isExit) this.jumps.jump({ kind: 'throw', label: undefined, node, worlds });
    return NONE;
  }

  private loop(
    labels: readonly string[], start: readonly World[], before: ((now: readonly World[]) => Split) | undefined, body: TSESTree.Node,
    after: (now: readonly World[]) => Split = (now) => ({ yes: now, no: NONE }),
  ): readonly World[] {
    const seen = new Set<string>();
    const ends: (readonly World[])[] = [];
    let fresh = this.worlds.unseen(start, seen);
    while (fresh.length > 0) {
      const { yes, no } = before === undefined ? { yes: fresh, no: NONE } : before(fresh);
      ends.push(no);
      const { end, caught } = this.jumps.within({ kind: 'loop', labels, breakable: true }, () => (yes.length === 0 ? NONE : this.statement(body, yes, [])));
      ends.push(...caught.filter(({ kind }) => kind === 'break').map((jump) => jump.worlds));
      const again = after(this.worlds.merge(end, ...caught.filter(({ kind }) => kind === 'continue').map((jump) => jump.worlds)));
      ends.push(again.no);
      fresh = this.worlds.unseen(again.yes, seen);
    }
    return this.worlds.merge(...ends);
  }

  private switch(node: TSESTree.SwitchStatement, worlds: readonly World[], labels: readonly string[]): readonly World[] {
    let rest = this.expressions.evaluate(node.discriminant, worlds);
    const isConditions = node.discriminant.type === AST_NODE_TYPES.Literal && node.discriminant.value === true;
    const taken: ts.Type[] = [];
    const into = new Map<TSESTree.SwitchCase, readonly World[]>();
    for (const one of node.cases) {
      if (one.test === null) continue;
      const { yes, no } = isConditions ? this.conditions.of(one.test, rest) : this.conditions.equal(node.discriminant, one.test, rest, taken);
      taken.push(this.typed.typeOf(one.test));
      into.set(one, yes);
      rest = no;
    }
    const otherwise = node.cases.find(({ test }) => test === null);
    if (otherwise !== undefined) into.set(otherwise, rest);
    // The compiler knows when every case is there.
    const { checker } = this.typed.types;
    const isTaken = (member: ts.Type): boolean => taken.some((type) => type === member || checker.typeToString(type) === checker.typeToString(member));
    const covered = unionOf(this.typed.typeOf(node.discriminant)).every(isTaken);
    const { end, caught } = this.jumps.within({ kind: 'block', labels, breakable: true }, () =>
      node.cases.reduce<readonly World[]>((now, one) => this.block(one.consequent, this.worlds.merge(now, into.get(one) ?? NONE)), NONE));
    return this.worlds.merge(end, ...caught.map((jump) => jump.worlds), otherwise === undefined && !covered ? rest : NONE);
  }

  private try(node: TSESTree.TryStatement, worlds: readonly World[]): readonly World[] {
    const { finalizer, handler } = node;
    const guarded = (): readonly World[] => {
      if (handler === null) return this.block(node.block.body, worlds);
      const { end, caught } = this.jumps.within({ kind: 'catch', labels: [], breakable: false }, () => this.block(node.block.body, worlds));
      return this.worlds.merge(end, this.block(handler.body.body, this.worlds.merge(...caught.map((jump) => jump.worlds))));
    };
    if (finalizer === null) return guarded();
    const { end, caught } = this.jumps.within({ kind: 'finally', labels: [], breakable: false }, guarded);
    const finish = (now: readonly World[]): readonly World[] => this.block(finalizer.body, now);
    for (const jump of caught) this.jumps.jump({ ...jump, worlds: finish(jump.worlds) });
    return finish(end);
  }

  private declare(declarator: TSESTree.VariableDeclarator, worlds: readonly World[]): readonly World[] {
    const { id, init } = declarator;
    const declared = this.subject.context.sourceCode.getDeclaredVariables(declarator);
    if (init === null) return worlds.map((world) => declared.reduce((now, variable) => withFlag(withName(now, variable, undefined), variable, undefined), world));
    const variable = id.type === AST_NODE_TYPES.Identifier ? declared[0] : undefined;
    if (variable !== undefined && this.expressions.isConstant(init, variable)) return this.expressions.chosen(init, variable, worlds);
    if (variable !== undefined && this.isCondition(init)) {
      const { yes, no } = this.conditions.of(init, worlds);
      return this.worlds.merge(yes.map((world) => this.variables.remember(world, variable, true)), no.map((world) => this.variables.remember(world, variable, false)));
    }
    const after = this.expressions.evaluate(init, worlds);
    const isUsing = declarator.parent.kind === 'using' || declarator.parent.kind === 'await using';
    return this.worlds.merge(after.map((world) => {
      const mapped = this.variables.carried(init, world);
      if (isUsing && mapped !== undefined) return declared.reduce((now, one) => withName(now, one, mapped), withState(world, mapped, { hold: 'passed' }));
      return this.variables.assign(id, init, world);
    }));
  }

  /** A condition that may be asked again by the name of a variable. */
  private isCondition(node: TSESTree.Node): boolean {
    return (node.type === AST_NODE_TYPES.BinaryExpression && /^[!=]==?$/.test(node.operator)) || (node.type === AST_NODE_TYPES.UnaryExpression && node.operator === '!') ||
      (node.type === AST_NODE_TYPES.Literal && typeof node.value === 'boolean') || (node.type === AST_NODE_TYPES.CallExpression && (this.typed.typeOf(node).flags & ts.TypeFlags.BooleanLike) !== 0) ||
      (node.type === AST_NODE_TYPES.LogicalExpression && this.isCondition(node.left) && this.isCondition(node.right));
  }
}
