import { AST_NODE_TYPES, ASTUtils, TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { children } from '../ast.js';
import type { Typed } from '../typed.js';
import type { MapNames } from './pte-offset-map-names.js';

/*
 * Goes through a function way by way. A world is what is known at one place on one way: which variable has which mapped table, whether that table is
 * there, whether it was given back, and how conditions came out that may come again. Worlds that know the same are one, so loops end.
 */

type Context = Readonly<TSESLint.RuleContext<string, readonly unknown[]>>;
type Variable = TSESLint.Scope.Variable;

/** Something to report. */
export interface Finding {
  readonly kind: 'unchecked' | 'dropped' | 'notUnmapped' | 'usedAfterUnmap' | 'unmappedTwice';
  readonly node: TSESTree.Node;
  /** What mapped the table. */
  readonly call: TSESTree.CallExpression;
  /** Where the way ends on which it is not given back; elsewhere the line of the node. */
  readonly line: number;
}

/** One call that maps a table. */
interface Mapped {
  readonly call: TSESTree.CallExpression;
  /** Whether the call may give nothing. */
  readonly fallible: boolean;
}

/** Whether a table is there; unknown where a condition asked something that is not understood. */
type Presence = 'maybe' | 'there' | 'gone' | 'unknown';

interface World {
  readonly names: ReadonlyMap<Variable, Mapped>;
  readonly state: ReadonlyMap<Mapped, { readonly hold: 'held' | 'unmapped' | 'passed'; readonly presence: Presence }>;
  readonly flags: ReadonlyMap<Variable, boolean>;
}

interface Split {
  readonly yes: readonly World[];
  readonly no: readonly World[];
}

/** What a mention of a mapped table does. */
interface Use {
  /**
   * look: it is compared, or asked for something else than the entry. use: an accessor takes it. pass: somebody else has it from then on. unmap: it is
   * given back. bind: a variable has it. drop: it is thrown away.
   */
  readonly kind: 'look' | 'use' | 'pass' | 'unmap' | 'bind' | 'drop';
  /** Whether it goes there as though it had been looked at: by `!`, by a cast, or because nothing is not allowed there. */
  readonly assumed: boolean;
}

/** More ways than that are not gone through, and the function is left alone. */
const MAX_WORLDS = 256;
const NONE: readonly World[] = [];

class TooManyWays extends Error {}

interface Jump {
  readonly kind: 'break' | 'continue' | 'return' | 'throw' | 'implicit';
  readonly label: string | undefined;
  readonly node: TSESTree.Node;
  readonly worlds: readonly World[];
}

/** A statement that catches jumps. */
interface Frame {
  readonly kind: 'loop' | 'block' | 'catch' | 'finally';
  readonly labels: readonly string[];
  /** Whether `break` without a label ends it. */
  readonly breakable: boolean;
  readonly caught: Jump[];
}

/** What is wrong with the tables that one function maps. */
export function findPaths(
  context: Context, types: Typed, names: MapNames, made: TSESTree.Node, calls: readonly TSESTree.CallExpression[],
): readonly Finding[] {
  return new Paths(context, types, names, made, calls).find();
}

class Paths {
  private readonly context: Context;
  private readonly typed: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly names: MapNames;
  private readonly made: TSESTree.Node;
  private readonly mapped = new Map<TSESTree.Node, Mapped>();
  private readonly found = new Map<string, Finding>();
  private readonly frames: Frame[] = [];
  private readonly uses = new Map<TSESTree.Node, Use>();
  private readonly ids = new Map<unknown, number>();
  /** `const { ok, ptep } = ...`: what stands beside the entry, by its name in the result. */
  private readonly companions = new Map<Variable, { readonly mapped: Mapped; readonly property: string }>();

  constructor(context: Context, types: Typed, names: MapNames, made: TSESTree.Node, calls: readonly TSESTree.CallExpression[]) {
    this.context = context;
    this.typed = types;
    this.checker = types.types.checker;
    this.names = names;
    this.made = made;
    for (const call of calls) this.mapped.set(call, { call, fallible: this.isFallible(this.typeOf(awaited(call))) });
  }

  find(): readonly Finding[] {
    const start: World = { names: new Map(), state: new Map(), flags: new Map() };
    try {
      const { made } = this;
      if (made.type === AST_NODE_TYPES.Program || made.type === AST_NODE_TYPES.StaticBlock) this.exit(this.block(made.body, [start]), made);
      else if (made.type === AST_NODE_TYPES.PropertyDefinition) {
        if (made.value !== null) this.evaluate(made.value, [start]);
      } else if (ASTUtils.isFunction(made)) {
        let worlds: readonly World[] = [start];
        for (const parameter of made.params) if (parameter.type === AST_NODE_TYPES.AssignmentPattern) worlds = this.evaluate(parameter.right, worlds);
        if (made.body.type === AST_NODE_TYPES.BlockStatement) this.exit(this.block(made.body.body, worlds), made);
        else this.exit(this.evaluate(made.body, worlds), made);
      }
    } catch (error) {
      if (error instanceof TooManyWays) return [];
      throw error;
    }
    return [...this.found.values()].sort((a, b) => a.node.range[0] - b.node.range[0]);
  }

  // Worlds

  private id(what: unknown): number {
    const known = this.ids.get(what) ?? this.ids.size;
    this.ids.set(what, known);
    return known;
  }

  private key(world: World): string {
    const names = [...world.names].map(([variable, mapped]) => `${this.id(variable)}=${this.id(mapped)}`).sort();
    const state = [...world.state].map(([mapped, { hold, presence }]) => `${this.id(mapped)}:${hold}:${presence}`).sort();
    const flags = [...world.flags].map(([variable, flag]) => `${this.id(variable)}?${flag}`).sort();
    return `${names.join()};${state.join()};${flags.join()}`;
  }

  private merge(...lists: readonly (readonly World[])[]): readonly World[] {
    const [first] = lists;
    if (lists.length === 1 && first !== undefined && first.length < 2) return first;
    const merged = new Map<string, World>();
    for (const world of lists.flat()) merged.set(this.key(world), world);
    if (merged.size > MAX_WORLDS) throw new TooManyWays();
    return [...merged.values()];
  }

  private set(world: World, mapped: Mapped, change: { readonly hold?: 'held' | 'unmapped' | 'passed'; readonly presence?: Presence }): World {
    const before = world.state.get(mapped) ?? { hold: 'held', presence: 'maybe' };
    return { ...world, state: new Map(world.state).set(mapped, { ...before, ...change }) };
  }

  private name(world: World, variable: Variable, mapped: Mapped | undefined): World {
    const names = new Map(world.names);
    if (mapped === undefined) names.delete(variable);
    else names.set(variable, mapped);
    return { ...world, names };
  }

  private flag(world: World, variable: Variable, value: boolean | undefined): World {
    if (value === undefined && !world.flags.has(variable)) return world;
    const flags = new Map(world.flags);
    if (value === undefined) flags.delete(variable);
    else flags.set(variable, value);
    return { ...world, flags };
  }

  /** That a table is there, or is not: undefined if it is known to be otherwise. */
  private assume(world: World, mapped: Mapped, there: boolean): World | undefined {
    const presence = world.state.get(mapped)?.presence;
    if (presence === (there ? 'gone' : 'there')) return undefined;
    return this.set(world, mapped, { presence: there ? 'there' : 'gone' });
  }

  private report(kind: Finding['kind'], node: TSESTree.Node, mapped: Mapped, line = node.loc.start.line): void {
    const key = `${kind} ${node.range[0]} ${node.range[1]}`;
    const known = this.found.get(key);
    if (known === undefined || known.line > line) this.found.set(key, { kind, node, call: mapped.call, line });
  }

  private exit(worlds: readonly World[], node: TSESTree.Node): void {
    for (const world of worlds) {
      for (const [mapped, { hold, presence }] of world.state) {
        if (hold === 'held' && (presence === 'there' || presence === 'maybe')) this.leak(mapped, node === this.made ? node.loc.end.line : node.loc.start.line);
      }
    }
  }

  private leak(mapped: Mapped, line: number): void {
    this.report('notUnmapped', mapped.call, mapped, line);
  }

  // Statements

  private block(statements: readonly TSESTree.Node[], worlds: readonly World[]): readonly World[] {
    return statements.reduce((now, statement) => (now.length === 0 ? now : this.statement(statement, now, [])), worlds);
  }

  private within(frame: Omit<Frame, 'caught'>, run: () => readonly World[]): { readonly end: readonly World[]; readonly caught: readonly Jump[] } {
    const complete = { ...frame, caught: [] };
    this.frames.push(complete);
    const end = run();
    this.frames.pop();
    return { end, caught: complete.caught };
  }

  private jump(jump: Jump): void {
    if (jump.worlds.length === 0) return;
    for (const frame of this.frames.toReversed()) {
      const isThrow = jump.kind === 'throw' || jump.kind === 'implicit';
      const isTarget = jump.label === undefined ? (jump.kind === 'break' ? frame.breakable : jump.kind === 'continue' && frame.kind === 'loop') : frame.labels.includes(jump.label);
      if (frame.kind === 'finally' || (frame.kind === 'catch' && isThrow) || isTarget) {
        frame.caught.push(jump);
        return;
      }
    }
    if (jump.kind !== 'implicit') this.exit(jump.worlds, jump.node);
  }

  private statement(node: TSESTree.Node, worlds: readonly World[], labels: readonly string[]): readonly World[] {
    switch (node.type) {
      case AST_NODE_TYPES.BlockStatement:
        if (labels.length === 0) return this.block(node.body, worlds);
        return this.labelled(labels, () => this.block(node.body, worlds));
      case AST_NODE_TYPES.LabeledStatement:
        return this.statement(node.body, worlds, [...labels, node.label.name]);
      case AST_NODE_TYPES.IfStatement: {
        const run = (): readonly World[] => {
          const { yes, no } = this.condition(node.test, worlds);
          return this.merge(yes.length === 0 ? NONE : this.statement(node.consequent, yes, []), node.alternate === null || no.length === 0 ? no : this.statement(node.alternate, no, []));
        };
        return labels.length === 0 ? run() : this.labelled(labels, run);
      }
      case AST_NODE_TYPES.WhileStatement:
        return this.loop(labels, worlds, (now) => this.condition(node.test, now), node.body);
      case AST_NODE_TYPES.DoWhileStatement:
        return this.loop(labels, worlds, undefined, node.body, (now) => this.condition(node.test, now));
      case AST_NODE_TYPES.ForStatement: {
        const begun = node.init === null ? worlds : node.init.type === AST_NODE_TYPES.VariableDeclaration ? this.statement(node.init, worlds, []) : this.evaluate(node.init, worlds);
        const { update, test } = node;
        return this.loop(labels, begun, (now) => (test === null ? { yes: now, no: NONE } : this.condition(test, now)), node.body, (now) => ({
          yes: update === null ? now : this.evaluate(update, now), no: NONE,
        }));
      }
      case AST_NODE_TYPES.ForOfStatement:
      case AST_NODE_TYPES.ForInStatement:
        return this.loop(labels, this.evaluate(node.right, worlds), (now) => ({ yes: now, no: now }), node.body);
      case AST_NODE_TYPES.SwitchStatement:
        return this.switch(node, worlds, labels);
      case AST_NODE_TYPES.TryStatement:
        return this.try(node, worlds);
      case AST_NODE_TYPES.ReturnStatement:
        this.jump({ kind: 'return', label: undefined, node, worlds: node.argument === null ? worlds : this.evaluate(node.argument, worlds) });
        return NONE;
      case AST_NODE_TYPES.ThrowStatement:
        this.jump({ kind: 'throw', label: undefined, node, worlds: this.evaluate(node.argument, worlds) });
        return NONE;
      case AST_NODE_TYPES.BreakStatement:
        this.jump({ kind: 'break', label: node.label?.name, node, worlds });
        return NONE;
      case AST_NODE_TYPES.ContinueStatement:
        this.jump({ kind: 'continue', label: node.label?.name, node, worlds });
        return NONE;
      case AST_NODE_TYPES.VariableDeclaration:
        return node.declarations.reduce((now, declarator) => this.declare(declarator, now), worlds);
      case AST_NODE_TYPES.ExpressionStatement:
        return this.leaves(node.expression) ? this.gone(this.evaluate(node.expression, worlds), node) : this.evaluate(node.expression, worlds);
      case AST_NODE_TYPES.ExportNamedDeclaration:
        return node.declaration === null ? worlds : this.statement(node.declaration, worlds, []);
      case AST_NODE_TYPES.ExportDefaultDeclaration:
        return ASTUtils.isFunction(node.declaration) || node.declaration.type.startsWith('TS') ? worlds : this.evaluate(node.declaration, worlds);
      case AST_NODE_TYPES.FunctionDeclaration:
      case AST_NODE_TYPES.ImportDeclaration:
        return worlds;
      default:
        return node.type.startsWith('TS') ? worlds : this.evaluate(node, worlds);
    }
  }

  private labelled(labels: readonly string[], run: () => readonly World[]): readonly World[] {
    const { end, caught } = this.within({ kind: 'block', labels, breakable: false }, run);
    return this.merge(end, ...caught.map(({ worlds }) => worlds));
  }

  /** A call of something that never returns ends the way, as the compiler sees it too. */
  private leaves(node: TSESTree.Expression): boolean {
    return node.type === AST_NODE_TYPES.CallExpression && (this.typeOf(node).flags & ts.TypeFlags.Never) !== 0;
  }

  private gone(worlds: readonly World[], node: TSESTree.Node): readonly World[] {
    const isExit = node.type === AST_NODE_TYPES.ExpressionStatement && node.expression.type === AST_NODE_TYPES.CallExpression && this.context.sourceCode.getText(node.expression.callee) === 'process.exit';
    if (!isExit) this.jump({ kind: 'throw', label: undefined, node, worlds });
    return NONE;
  }

  private loop(
    labels: readonly string[], start: readonly World[], before: ((now: readonly World[]) => Split) | undefined, body: TSESTree.Node,
    after: (now: readonly World[]) => Split = (now) => ({ yes: now, no: NONE }),
  ): readonly World[] {
    const seen = new Set<string>();
    const ends: (readonly World[])[] = [];
    let fresh = start;
    while (fresh.length > 0) {
      for (const world of fresh) seen.add(this.key(world));
      if (seen.size > MAX_WORLDS) throw new TooManyWays();
      const { yes, no } = before === undefined ? { yes: fresh, no: NONE } : before(fresh);
      ends.push(no);
      const { end, caught } = this.within({ kind: 'loop', labels, breakable: true }, () => (yes.length === 0 ? NONE : this.statement(body, yes, [])));
      ends.push(...caught.filter(({ kind }) => kind === 'break').map((jump) => jump.worlds));
      const again = after(this.merge(end, ...caught.filter(({ kind }) => kind === 'continue').map((jump) => jump.worlds)));
      ends.push(again.no);
      fresh = again.yes.filter((world) => !seen.has(this.key(world)));
    }
    return this.merge(...ends);
  }

  private switch(node: TSESTree.SwitchStatement, worlds: readonly World[], labels: readonly string[]): readonly World[] {
    let rest = this.evaluate(node.discriminant, worlds);
    const isConditions = node.discriminant.type === AST_NODE_TYPES.Literal && node.discriminant.value === true;
    const taken: ts.Type[] = [];
    const into = new Map<TSESTree.SwitchCase, readonly World[]>();
    for (const one of node.cases) {
      if (one.test === null) continue;
      const { yes, no } = isConditions ? this.condition(one.test, rest) : this.equal(node.discriminant, one.test, rest, taken);
      taken.push(this.typeOf(one.test));
      into.set(one, yes);
      rest = no;
    }
    const otherwise = node.cases.find(({ test }) => test === null);
    if (otherwise !== undefined) into.set(otherwise, rest);
    // The compiler knows when every case is there.
    const covered = unionOf(this.typeOf(node.discriminant)).every((member) => taken.some((type) => type === member || this.checker.typeToString(type) === this.checker.typeToString(member)));
    const { end, caught } = this.within({ kind: 'block', labels, breakable: true }, () =>
      node.cases.reduce<readonly World[]>((now, one) => this.block(one.consequent, this.merge(now, into.get(one) ?? NONE)), NONE));
    return this.merge(end, ...caught.map((jump) => jump.worlds), otherwise === undefined && !covered ? rest : NONE);
  }

  private try(node: TSESTree.TryStatement, worlds: readonly World[]): readonly World[] {
    const { finalizer, handler } = node;
    const guarded = (): readonly World[] => {
      if (handler === null) return this.block(node.block.body, worlds);
      const { end, caught } = this.within({ kind: 'catch', labels: [], breakable: false }, () => this.block(node.block.body, worlds));
      return this.merge(end, this.block(handler.body.body, this.merge(...caught.map((jump) => jump.worlds))));
    };
    if (finalizer === null) return guarded();
    const { end, caught } = this.within({ kind: 'finally', labels: [], breakable: false }, guarded);
    const finish = (now: readonly World[]): readonly World[] => this.block(finalizer.body, now);
    for (const jump of caught) this.jump({ ...jump, worlds: finish(jump.worlds) });
    return finish(end);
  }

  // Declarations and assignments

  private declare(declarator: TSESTree.VariableDeclarator, worlds: readonly World[]): readonly World[] {
    const { id, init } = declarator;
    const declared = this.context.sourceCode.getDeclaredVariables(declarator);
    if (init === null) return worlds.map((world) => declared.reduce((now, variable) => this.flag(this.name(now, variable, undefined), variable, undefined), world));
    const variable = id.type === AST_NODE_TYPES.Identifier ? declared[0] : undefined;
    if (variable !== undefined && this.isCondition(init)) {
      const { yes, no } = this.condition(init, worlds);
      return this.merge(yes.map((world) => this.remember(world, variable, true)), no.map((world) => this.remember(world, variable, false)));
    }
    const after = this.evaluate(init, worlds);
    const isUsing = declarator.parent.kind === 'using' || declarator.parent.kind === 'await using';
    return this.merge(after.map((world) => {
      const mapped = this.carried(init, world);
      if (isUsing && mapped !== undefined) return declared.reduce((now, one) => this.name(now, one, mapped), this.set(world, mapped, { hold: 'passed' }));
      return this.bind(id, mapped, world);
    }));
  }

  /** A condition that may be asked again by the name of a variable. */
  private isCondition(node: TSESTree.Node): boolean {
    return (node.type === AST_NODE_TYPES.BinaryExpression && /^[!=]==?$/.test(node.operator)) || (node.type === AST_NODE_TYPES.UnaryExpression && node.operator === '!') ||
      (node.type === AST_NODE_TYPES.Literal && typeof node.value === 'boolean') || (node.type === AST_NODE_TYPES.CallExpression && (this.typeOf(node).flags & ts.TypeFlags.BooleanLike) !== 0) ||
      (node.type === AST_NODE_TYPES.LogicalExpression && this.isCondition(node.left) && this.isCondition(node.right));
  }

  /** How a condition came out, where it is asked again and nobody changes it elsewhere. */
  private remember(world: World, variable: Variable, value: boolean): World {
    const reads = variable.references.filter((reference) => reference.isRead());
    const isSteady = variable.references.every((reference) => reference.isReadOnly() || reference.from.variableScope === variable.scope.variableScope);
    const isAskedAgain = reads.length > 1 || (reads.length === 1 && variable.references.some((reference) => reference.isWrite()));
    return isSteady && isAskedAgain ? this.flag(world, variable, value) : world;
  }

  private bind(target: TSESTree.Node, mapped: Mapped | undefined, world: World): World {
    if (target.type === AST_NODE_TYPES.Identifier) {
      const variable = this.variable(target);
      if (variable === null) return mapped === undefined ? world : this.set(world, mapped, { hold: this.holdAfterPassing(world, mapped) });
      const named = this.flag(this.name(world, variable, mapped), variable, undefined);
      return mapped !== undefined && this.isShared(variable) ? this.set(named, mapped, { hold: this.holdAfterPassing(named, mapped) }) : named;
    }
    if (mapped === undefined) {
      return variablesIn(target).reduce((now, identifier) => {
        const variable = this.variable(identifier);
        return variable === null ? now : this.flag(this.name(now, variable, undefined), variable, undefined);
      }, world);
    }
    if (target.type !== AST_NODE_TYPES.ObjectPattern && target.type !== AST_NODE_TYPES.ArrayPattern) return this.set(world, mapped, { hold: this.holdAfterPassing(world, mapped) });
    let now = world;
    const parts = target.type === AST_NODE_TYPES.ArrayPattern ? target.elements : target.properties;
    for (const part of parts) {
      if (part === null) continue;
      const inner = part.type === AST_NODE_TYPES.Property ? part.value : part;
      const identifier = inner.type === AST_NODE_TYPES.AssignmentPattern ? inner.left : inner;
      if (identifier.type !== AST_NODE_TYPES.Identifier) {
        // What is left over, or a pattern in a pattern: whoever has that may give it back.
        now = this.set(now, mapped, { hold: this.holdAfterPassing(now, mapped) });
        continue;
      }
      if (this.typed.handleOf(identifier) !== undefined) {
        now = this.bind(identifier, mapped, now);
        continue;
      }
      const variable = this.variable(identifier);
      const property = part.type === AST_NODE_TYPES.Property && part.key.type === AST_NODE_TYPES.Identifier ? part.key.name : '';
      if (variable !== null) this.companions.set(variable, { mapped, property });
      // A function that gives it back may go anywhere.
      if (variable !== null && this.names.isUnmapName(property) && this.isShared(variable)) now = this.set(now, mapped, { hold: this.holdAfterPassing(now, mapped) });
    }
    return now;
  }

  private holdAfterPassing(world: World, mapped: Mapped): 'unmapped' | 'passed' {
    return world.state.get(mapped)?.hold === 'unmapped' ? 'unmapped' : 'passed';
  }

  /** Whether others than this function may give back what a variable has: it is from outside, is exported, or a function in here does more than read. */
  private isShared(variable: Variable): boolean {
    const own = this.scope();
    if (variable.scope.variableScope !== own) return true;
    if (variable.defs.some(({ node }) => node.type === AST_NODE_TYPES.VariableDeclarator && node.parent.parent.type === AST_NODE_TYPES.ExportNamedDeclaration)) return true;
    return variable.references.some((reference) => {
      if (reference.identifier.parent.type === AST_NODE_TYPES.ExportSpecifier) return true;
      if (reference.from.variableScope === own || !reference.isRead()) return false;
      let inner: TSESLint.Scope.Scope = reference.from.variableScope;
      while (inner.upper !== null && inner.upper.variableScope !== own) inner = inner.upper.variableScope;
      const { block } = inner;
      const isCallback = block.type === AST_NODE_TYPES.ArrowFunctionExpression && block.parent.type === AST_NODE_TYPES.CallExpression;
      const { kind } = this.useOf(reference.identifier);
      return !isCallback || (kind !== 'look' && kind !== 'use');
    });
  }

  private scope(): TSESLint.Scope.Scope {
    const acquired = this.context.sourceCode.getScope([...this.mapped.keys()][0]!);
    return acquired.variableScope;
  }

  private variable(identifier: TSESTree.Node): Variable | null {
    return identifier.type === AST_NODE_TYPES.Identifier ? ASTUtils.findVariable(this.context.sourceCode.getScope(identifier), identifier) : null;
  }

  // Expressions

  /** What of the mapped tables an expression has as its value: the table itself, a part of the result, or an entry further on in it. */
  private carried(node: TSESTree.Node, world: World): Mapped | undefined {
    const mapped = this.mapped.get(node);
    if (mapped !== undefined) return mapped;
    switch (node.type) {
      case AST_NODE_TYPES.Identifier: {
        const variable = this.variable(node);
        return variable === null ? undefined : world.names.get(variable);
      }
      case AST_NODE_TYPES.TSNonNullExpression:
      case AST_NODE_TYPES.TSAsExpression:
      case AST_NODE_TYPES.TSTypeAssertion:
      case AST_NODE_TYPES.TSSatisfiesExpression:
      case AST_NODE_TYPES.ChainExpression:
        return this.carried(node.expression, world);
      case AST_NODE_TYPES.AwaitExpression:
        return this.carried(node.argument, world);
      case AST_NODE_TYPES.MemberExpression:
        return this.carried(node.object, world);
      case AST_NODE_TYPES.AssignmentExpression:
        return this.carried(node.right, world);
      case AST_NODE_TYPES.SequenceExpression:
        return this.carried(node.expressions.at(-1)!, world);
      case AST_NODE_TYPES.ConditionalExpression:
        return this.present(this.carried(node.consequent, world), world) ?? this.carried(node.alternate, world);
      case AST_NODE_TYPES.LogicalExpression:
        if (node.operator === '&&') return this.carried(node.right, world);
        return this.present(this.carried(node.left, world), world) ?? this.carried(node.right, world);
      case AST_NODE_TYPES.CallExpression:
        if (this.typed.handleOf(node) === undefined || !this.names.isAccessor(node)) return undefined;
        return node.arguments.map((argument) => this.carried(argument, world)).find((one) => one !== undefined);
      case AST_NODE_TYPES.BinaryExpression:
        if (node.operator !== '+' && node.operator !== '-') return undefined;
        return this.typed.handleOf(node.left) === undefined ? (this.typed.handleOf(node.right) === undefined ? undefined : this.carried(node.right, world)) : this.carried(node.left, world);
      default:
        return undefined;
    }
  }

  private present(mapped: Mapped | undefined, world: World): Mapped | undefined {
    return mapped !== undefined && world.state.has(mapped) && world.state.get(mapped)?.presence !== 'gone' ? mapped : undefined;
  }

  private evaluate(node: TSESTree.Node, worlds: readonly World[]): readonly World[] {
    if (worlds.length === 0) return worlds;
    switch (node.type) {
      case AST_NODE_TYPES.Identifier:
        return worlds.map((world) => this.mention(node, world));
      case AST_NODE_TYPES.Literal:
      case AST_NODE_TYPES.FunctionExpression:
      case AST_NODE_TYPES.ArrowFunctionExpression:
      case AST_NODE_TYPES.ClassExpression:
      case AST_NODE_TYPES.ClassDeclaration:
        return worlds;
      case AST_NODE_TYPES.LogicalExpression: {
        if (node.operator === '??') {
          const left = this.evaluate(node.left, worlds);
          const { yes, no } = this.nullish(node.left, left);
          return this.merge(no, this.evaluate(node.right, yes));
        }
        const { yes, no } = this.condition(node.left, worlds);
        return node.operator === '&&' ? this.merge(no, this.evaluate(node.right, yes)) : this.merge(yes, this.evaluate(node.right, no));
      }
      case AST_NODE_TYPES.ConditionalExpression: {
        const { yes, no } = this.condition(node.test, worlds);
        return this.merge(this.evaluate(node.consequent, yes), this.evaluate(node.alternate, no));
      }
      case AST_NODE_TYPES.AssignmentExpression:
        return this.assignment(node, worlds);
      case AST_NODE_TYPES.MemberExpression:
        return node.computed ? this.evaluate(node.property, this.evaluate(node.object, worlds)) : this.evaluate(node.object, worlds);
      case AST_NODE_TYPES.Property:
        return node.computed ? this.evaluate(node.value, this.evaluate(node.key, worlds)) : this.evaluate(node.value, worlds);
      case AST_NODE_TYPES.CallExpression:
        return this.call(node, worlds);
      default: {
        let now = worlds;
        if (node.type === AST_NODE_TYPES.NewExpression || node.type === AST_NODE_TYPES.AwaitExpression || node.type === AST_NODE_TYPES.TaggedTemplateExpression) this.mayThrow(node, now);
        for (const child of this.children(node)) now = this.evaluate(child, now);
        return now;
      }
    }
  }

  /** What runs inside of a node: types do not. */
  private children(node: TSESTree.Node): TSESTree.Node[] {
    return children(node, this.context.sourceCode.visitorKeys).filter((child) => {
      const isExpression = child.type === AST_NODE_TYPES.TSAsExpression || child.type === AST_NODE_TYPES.TSNonNullExpression || child.type === AST_NODE_TYPES.TSSatisfiesExpression || child.type === AST_NODE_TYPES.TSTypeAssertion;
      return isExpression || !child.type.startsWith('TS');
    });
  }

  private assignment(node: TSESTree.AssignmentExpression, worlds: readonly World[]): readonly World[] {
    const { left, right, operator } = node;
    if (operator === '??=' || operator === '||=' || operator === '&&=') {
      const { yes, no } = operator === '??=' ? swap(this.nullish(left, worlds)) : this.condition(left, worlds);
      const kept = operator === '&&=' ? no : yes;
      return this.merge(kept, this.evaluate(right, operator === '&&=' ? yes : no).map((world) => this.bind(left, this.carried(right, world), world)));
    }
    const target = left.type === AST_NODE_TYPES.MemberExpression ? this.evaluate(left, worlds) : worlds;
    const after = this.evaluate(right, target);
    // `ptep += 1` is the same table still.
    if (operator !== '=') return after;
    const variable = this.variable(left);
    if (variable !== null && right.type === AST_NODE_TYPES.Literal && typeof right.value === 'boolean') {
      const { value } = right;
      return after.map((world) => this.remember(world, variable, value));
    }
    return this.merge(after.map((world) => this.bind(left, this.carried(right, world), world)));
  }

  private call(node: TSESTree.CallExpression, worlds: readonly World[]): readonly World[] {
    let now = this.evaluate(node.callee, worlds);
    for (const argument of node.arguments) now = this.evaluate(argument, now);
    const mapped = this.mapped.get(node);
    if (mapped !== undefined) {
      this.mayThrow(node, now);
      return this.merge(now.map((world) => this.acquire(mapped, world)));
    }
    const isUnmap = this.names.isUnmap(node);
    const isMethod = this.names.isUnmapMethod(node);
    const companion = this.companionOf(node.callee);
    const isCompanion = companion !== undefined && this.names.isUnmapName(companion.property);
    if (isUnmap || isMethod || isCompanion) {
      const object = node.callee.type === AST_NODE_TYPES.MemberExpression ? [node.callee.object] : [];
      const candidates = isUnmap ? [...node.arguments, ...object] : isMethod ? object : [];
      const given = now.map((world) => new Set([...candidates.map((one) => this.carried(one, world)).filter((one) => one !== undefined), ...(isCompanion ? [companion.mapped] : [])]));
      if (given.some(({ size }) => size > 0)) return this.merge(now.map((world, at) => [...given[at]!].reduce((before, one) => this.unmap(one, node, before), world)));
    }
    this.mayThrow(node, now);
    return this.asserted(node, now);
  }

  /** `assert(ptep !== undefined)`, `assertMapped(result)`: what is known once they return. */
  private asserted(node: TSESTree.CallExpression, worlds: readonly World[]): readonly World[] {
    const signature = this.checker.getResolvedSignature(this.typed.services.esTreeNodeToTSNodeMap.get(node));
    const predicate = signature === undefined ? undefined : this.checker.getTypePredicateOfSignature(signature);
    if (predicate?.kind !== ts.TypePredicateKind.AssertsIdentifier) return worlds;
    const argument = node.arguments[predicate.parameterIndex];
    if (argument === undefined) return worlds;
    if (predicate.type === undefined) return this.condition(argument, worlds).yes;
    return this.splitBy(argument, worlds, (type) => (this.isNothing(type) ? 'no' : 'yes')).yes;
  }

  private companionOf(node: TSESTree.Node): { readonly mapped: Mapped; readonly property: string } | undefined {
    const variable = this.variable(node);
    return variable === null ? undefined : this.companions.get(variable);
  }

  private mayThrow(node: TSESTree.Node, worlds: readonly World[]): void {
    if (this.frames.some(({ kind }) => kind === 'catch' || kind === 'finally')) this.jump({ kind: 'implicit', label: undefined, node, worlds });
  }

  private acquire(mapped: Mapped, world: World): World {
    const before = world.state.get(mapped);
    if (before?.hold === 'held' && (before.presence === 'there' || before.presence === 'maybe')) this.leak(mapped, mapped.call.loc.start.line);
    const value = awaited(mapped.call);
    const { kind, assumed } = this.useOf(value);
    if (assumed && mapped.fallible) this.report('unchecked', mapped.call, mapped);
    if (kind === 'drop') this.report('dropped', mapped.call, mapped);
    const names = new Map([...world.names].filter(([, one]) => one !== mapped));
    const presence = !mapped.fallible || assumed ? 'there' : 'maybe';
    return this.set({ ...world, names }, mapped, { hold: kind === 'drop' || kind === 'pass' ? 'passed' : 'held', presence });
  }

  private unmap(mapped: Mapped, node: TSESTree.CallExpression, world: World): World {
    const state = world.state.get(mapped);
    if (state === undefined || state.presence === 'gone') return world;
    if (state.hold === 'unmapped' && state.presence !== 'unknown') this.report('unmappedTwice', node, mapped);
    return state.hold === 'held' ? this.set(world, mapped, { hold: 'unmapped' }) : world;
  }

  private mention(node: TSESTree.Identifier, world: World): World {
    const variable = this.variable(node);
    const mapped = variable === null ? undefined : world.names.get(variable);
    const state = mapped === undefined ? undefined : world.state.get(mapped);
    if (mapped === undefined || state === undefined) return world;
    const use = this.useOf(node);
    let now = world;
    if (state.hold === 'unmapped' && (use.kind === 'use' || use.kind === 'pass') && state.presence !== 'gone') this.report('usedAfterUnmap', node, mapped);
    if (use.kind !== 'look' && mapped.fallible) {
      const isKnown = state.presence === 'there' || state.presence === 'unknown';
      if (use.assumed && !isKnown) {
        this.report('unchecked', node, mapped);
        now = this.set(now, mapped, { presence: 'there' });
      } else if (!isKnown && !use.assumed && this.typed.handleOf(node) !== undefined && !this.isFallible(this.typeOf(node))) {
        // The compiler knows of a condition that is not understood here.
        now = this.set(now, mapped, { presence: 'there' });
      }
    }
    return use.kind === 'pass' && state.hold === 'held' ? this.set(now, mapped, { hold: 'passed' }) : now;
  }

  // Conditions

  private condition(node: TSESTree.Node, worlds: readonly World[]): Split {
    if (worlds.length === 0) return { yes: NONE, no: NONE };
    switch (node.type) {
      case AST_NODE_TYPES.TSNonNullExpression:
      case AST_NODE_TYPES.TSAsExpression:
      case AST_NODE_TYPES.TSSatisfiesExpression:
      case AST_NODE_TYPES.ChainExpression:
        return this.condition(node.expression, worlds);
      case AST_NODE_TYPES.Literal:
        return node.value === null || node.value === false || node.value === 0 ? { yes: NONE, no: worlds } : { yes: worlds, no: NONE };
      case AST_NODE_TYPES.UnaryExpression:
        if (node.operator === '!') return swap(this.condition(node.argument, worlds));
        break;
      case AST_NODE_TYPES.LogicalExpression: {
        if (node.operator === '??') break;
        const left = this.condition(node.left, worlds);
        const right = this.condition(node.right, node.operator === '&&' ? left.yes : left.no);
        return node.operator === '&&' ? { yes: right.yes, no: this.merge(left.no, right.no) } : { yes: this.merge(left.yes, right.yes), no: right.no };
      }
      case AST_NODE_TYPES.BinaryExpression:
        return this.comparison(node, worlds);
      case AST_NODE_TYPES.Identifier: {
        const companion = this.companionOf(node);
        const after = this.evaluate(node, worlds);
        if (companion !== undefined) return this.askCompanion(companion.mapped, node, after);
        return this.splitBy(node, after, (type) => truth(type), true);
      }
      case AST_NODE_TYPES.MemberExpression: {
        const after = this.evaluate(node, worlds);
        return this.typed.handleOf(node) === undefined ? this.splitBy(node.object, after, (type) => this.ofProperty(type, nameOfProperty(node), truth)) : this.splitBy(node, after, truth, true);
      }
      case AST_NODE_TYPES.CallExpression: {
        if (node.callee.type === AST_NODE_TYPES.Identifier && node.callee.name === 'Boolean' && node.arguments[0] !== undefined) return this.condition(node.arguments[0], worlds);
        const after = this.evaluate(node, worlds);
        if (this.mapped.has(node)) return this.splitBy(node, after, truth, true);
        const signature = this.checker.getResolvedSignature(this.typed.services.esTreeNodeToTSNodeMap.get(node));
        const predicate = signature === undefined ? undefined : this.checker.getTypePredicateOfSignature(signature);
        const argument = predicate?.kind === ts.TypePredicateKind.Identifier ? node.arguments[predicate.parameterIndex] : undefined;
        const { type: said } = predicate ?? {};
        if (argument === undefined || said === undefined) return this.doubt(node.arguments, after);
        return this.splitBy(argument, after, (type) => (this.isNothing(type) === unionOf(said).some((one) => this.isNothing(one)) ? 'yes' : 'no'), true);
      }
      case AST_NODE_TYPES.AssignmentExpression:
      case AST_NODE_TYPES.AwaitExpression:
        return this.splitBy(node, this.evaluate(node, worlds), truth, true);
      default:
        break;
    }
    const after = this.evaluate(node, worlds);
    return { yes: after, no: after };
  }

  /** A condition that is told of a table and may ask anything: afterwards nothing is known. */
  private doubt(told: readonly TSESTree.Node[], worlds: readonly World[]): Split {
    const after = worlds.map((world) =>
      told.reduce((now, one) => {
        const mapped = this.carried(one, now);
        return mapped !== undefined && now.state.get(mapped)?.presence === 'maybe' && this.isFallible(this.typeOf(one)) ? this.set(now, mapped, { presence: 'unknown' }) : now;
      }, world));
    return { yes: after, no: after };
  }

  private askCompanion(mapped: Mapped, node: TSESTree.Node, worlds: readonly World[]): Split {
    const type = this.typeOf(node);
    const decides = unionOf(type).every((one) => (one.flags & ts.TypeFlags.BooleanLike) !== 0);
    const side = (there: boolean): readonly World[] =>
      worlds.map((world) => (decides ? this.assume(world, mapped, there) : this.isFallible(type) ? this.set(world, mapped, { presence: 'unknown' }) : world)).filter((world) => world !== undefined);
    return { yes: side(true), no: side(false) };
  }

  private comparison(node: TSESTree.BinaryExpression, worlds: readonly World[]): Split {
    const after = node.left.type === AST_NODE_TYPES.PrivateIdentifier ? worlds : this.evaluate(node.left, worlds);
    const both = this.evaluate(node.right, after);
    if (node.operator === 'in') {
      const key = node.left.type === AST_NODE_TYPES.Literal ? String(node.left.value) : undefined;
      return this.splitBy(node.right, both, (type) => (key === undefined ? 'either' : type.getProperty(key) === undefined ? 'no' : 'yes'));
    }
    if (node.operator === 'instanceof') return this.splitBy(node.left, both, (type) => (this.isNothing(type) && (type.flags & ts.TypeFlags.Object) === 0 ? 'no' : 'either'));
    if (!/^[!=]==?$/.test(node.operator)) return { yes: both, no: both };
    const [what, other] = isConstant(node.left) ? [node.right, node.left] : [node.left, node.right];
    const split = this.equal(what, other, both, []);
    return node.operator.startsWith('!') ? swap(split) : split;
  }

  /** @param taken what was compared with before, in a switch */
  private equal(what: TSESTree.Node, other: TSESTree.Node, worlds: readonly World[], taken: readonly ts.Type[]): Split {
    const bare = what.type === AST_NODE_TYPES.ChainExpression ? what.expression : what;
    if (isNullish(other)) return this.nullish(bare, worlds);
    if (bare.type === AST_NODE_TYPES.UnaryExpression && bare.operator === 'typeof' && other.type === AST_NODE_TYPES.Literal) {
      return other.value === 'undefined' ? this.nullish(bare.argument, worlds) : this.splitBy(bare.argument, worlds, (type) => (this.isNothing(type) ? 'no' : 'either'), true);
    }
    if (other.type === AST_NODE_TYPES.Literal && typeof other.value === 'boolean') {
      const split = this.condition(bare, worlds);
      return other.value ? split : swap(split);
    }
    const value = this.typeOf(other);
    if (bare.type === AST_NODE_TYPES.MemberExpression && this.typed.handleOf(bare) === undefined) {
      const name = nameOfProperty(bare);
      return this.splitBy(bare.object, worlds, (type) => this.ofProperty(type, name, (property) => this.isEqual(property, value, taken)));
    }
    const companion = this.companionOf(bare);
    if (companion !== undefined && (value.flags & ts.TypeFlags.Literal) !== 0) {
      const after = worlds.map((world) => this.set(world, companion.mapped, { presence: 'unknown' }));
      return { yes: after, no: after };
    }
    return { yes: worlds, no: worlds };
  }

  private isEqual(type: ts.Type, value: ts.Type, taken: readonly ts.Type[]): Answer {
    const text = this.checker.typeToString(value);
    const members = unionOf(type).map((one) => this.checker.typeToString(one)).filter((one) => !taken.some((before) => this.checker.typeToString(before) === one));
    if (!members.includes(text)) return (value.flags & (ts.TypeFlags.Literal | ts.TypeFlags.UniqueESSymbol)) === 0 ? 'either' : 'no';
    return members.length === 1 && (value.flags & ts.TypeFlags.Literal) !== 0 ? 'yes' : 'either';
  }

  /** Whether something is undefined or null. */
  private nullish(node: TSESTree.Node, worlds: readonly World[]): Split {
    const isWhole = node.type !== AST_NODE_TYPES.MemberExpression || this.typed.handleOf(node) !== undefined;
    const answer = (type: ts.Type): Answer => ((type.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null)) !== 0 ? 'yes' : unionOf(type).some((one) => (one.flags & ts.TypeFlags.Undefined) !== 0) ? 'either' : 'no');
    if (isWhole) {
      const companion = this.companionOf(node);
      if (companion !== undefined) return swap(this.askCompanion(companion.mapped, node, worlds));
      return this.splitBy(node, worlds, answer, true);
    }
    const { object, property } = node;
    const name = property.type === AST_NODE_TYPES.Identifier ? property.name : undefined;
    return this.splitBy(object, worlds, (type) => (name !== undefined && type.getProperty(name) === undefined ? 'yes' : this.ofProperty(type, name, answer)));
  }

  /** What a property of a type says, where there is one. */
  private ofProperty(type: ts.Type, name: string | undefined, ask: (property: ts.Type) => Answer): Answer {
    if (this.isNullable(type)) return 'no';
    const property = name === undefined ? undefined : type.getProperty(name);
    if (property === undefined) return 'either';
    return ask(this.checker.getTypeOfSymbol(property));
  }

  private isNullable(type: ts.Type): boolean {
    return (type.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null)) !== 0;
  }

  /**
   * Splits worlds by a condition on what an expression has.
   *
   * @param node the expression: that of the handle, or of the result that has it
   * @param ask how the condition comes out for a member of its type
   * @param whole whether the condition is on the result or the handle itself, so that it says whether the table is there
   */
  private splitBy(node: TSESTree.Node, worlds: readonly World[], ask: (type: ts.Type) => Answer, whole = false): Split {
    const variable = this.variable(node);
    const yes: (World | undefined)[] = [];
    const no: (World | undefined)[] = [];
    for (const world of worlds) {
      const mapped = this.carried(node, world);
      if (mapped === undefined || !world.state.has(mapped)) {
        const flag = variable === null || !whole ? undefined : world.flags.get(variable);
        if (flag !== false) yes.push(variable === null || !whole ? world : this.remember(world, variable, true));
        if (flag !== true) no.push(variable === null || !whole ? world : this.remember(world, variable, false));
        continue;
      }
      if (!mapped.fallible) {
        yes.push(world);
        no.push(world);
        continue;
      }
      const members = unionOf(this.declaredTypeOf(node, mapped));
      const answers = members.map((type) => ({ type, answer: ask(type) }));
      const side = (wanted: Answer): World | undefined => this.known(world, mapped, answers.filter(({ answer }) => answer === wanted || answer === 'either').map(({ type }) => type), members);
      yes.push(side('yes'));
      no.push(side('no'));
    }
    return { yes: this.merge(yes.filter((world) => world !== undefined)), no: this.merge(no.filter((world) => world !== undefined)) };
  }

  /** The type that an expression has here, and where an assignment made it narrower or `!` did, that of the call. */
  private declaredTypeOf(node: TSESTree.Node, mapped: Mapped): ts.Type {
    const here = this.typeOf(node);
    if (unionOf(here).length > 1 || node.type !== AST_NODE_TYPES.Identifier) return here;
    return (here.flags & ts.TypeFlags.Never) !== 0 ? this.typeOf(awaited(mapped.call)) : here;
  }

  private known(world: World, mapped: Mapped, left: readonly ts.Type[], all: readonly ts.Type[]): World | undefined {
    if (left.length === 0) return undefined;
    const nothing = left.filter((type) => this.isNothing(type)).length;
    if (!all.some((type) => this.isNothing(type))) {
      // One type for both: what a property says of it is not in the types.
      const presence = world.state.get(mapped)?.presence;
      return presence === 'maybe' ? this.set(world, mapped, { presence: 'unknown' }) : world;
    }
    if (nothing === 0) return this.assume(world, mapped, true);
    return nothing === left.length ? this.assume(world, mapped, false) : world;
  }

  // Types and uses

  private typeOf(node: TSESTree.Node): ts.Type {
    return this.typed.typeOf(node);
  }

  private isFallible(type: ts.Type): boolean {
    if ((type.flags & ts.TypeFlags.Any) !== 0) return false;
    return unionOf(type).some((one) => this.isNothing(one)) || this.handlesIn(type).some((one) => unionOf(one).some((member) => this.isNullable(member)));
  }

  private handlesIn(type: ts.Type): readonly ts.Type[] {
    if ((type.flags & ts.TypeFlags.Object) === 0 || this.typed.types.handle(type) !== undefined) return [];
    return type.getProperties().filter(({ name }) => !name.startsWith('__')).map((property) => this.checker.getTypeOfSymbol(property)).filter((one) => this.typed.types.handle(one) !== undefined);
  }

  /** Whether a member of a result's type is the one where there is no table: undefined, or an object without a handle. */
  private isNothing(type: ts.Type): boolean {
    if ((type.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null | ts.TypeFlags.Void)) !== 0) return true;
    if ((type.flags & ts.TypeFlags.BooleanLiteral) !== 0) return this.checker.typeToString(type) === 'false';
    if ((type.flags & ts.TypeFlags.Object) === 0 || this.typed.types.handle(type) !== undefined) return false;
    return this.handlesIn(type).length === 0 && !type.getProperties().some(({ name }) => this.names.isUnmapName(name) || name.startsWith('__@dispose'));
  }

  private useOf(node: TSESTree.Node): Use {
    const known = this.uses.get(node);
    if (known !== undefined) return known;
    const use = this.follow(node, false, false);
    this.uses.set(node, use);
    return use;
  }

  /** @param part whether it is a part of the result by now, and not all of it */
  private follow(node: TSESTree.Node, assumed: boolean, part: boolean): Use {
    const parent = node.parent;
    const end = (kind: Use['kind']): Use => ({ kind, assumed });
    switch (parent?.type) {
      case AST_NODE_TYPES.TSNonNullExpression:
        return this.follow(parent, assumed || this.isFallible(this.typeOf(node)), part);
      case AST_NODE_TYPES.TSAsExpression:
      case AST_NODE_TYPES.TSTypeAssertion:
        return this.follow(parent, assumed || (this.isFallible(this.typeOf(node)) && !this.isFallible(this.typeOf(parent)) && !this.isConst(parent)), part);
      case AST_NODE_TYPES.TSSatisfiesExpression:
      case AST_NODE_TYPES.ChainExpression:
      case AST_NODE_TYPES.AwaitExpression:
        return this.follow(parent, assumed, part);
      case AST_NODE_TYPES.MemberExpression: {
        if (parent.object !== node) return end('use');
        const call = parent.parent;
        const isMissing = !parent.optional && unionOf(this.typeOf(node)).some((one) => this.isNullable(one));
        if (call.type === AST_NODE_TYPES.CallExpression && call.callee === parent) {
          return { kind: this.names.isUnmapMethod(call) || this.names.isUnmap(call) ? 'unmap' : 'look', assumed: assumed || isMissing };
        }
        return this.typed.handleOf(parent) === undefined ? { kind: 'look', assumed } : this.follow(parent, assumed || isMissing, true);
      }
      case AST_NODE_TYPES.CallExpression: {
        if (parent.callee === node) return end('look');
        const refused = this.isRefused(node);
        if (this.names.isUnmap(parent)) return { kind: 'unmap', assumed: assumed || refused };
        if (!this.names.isAccessor(parent)) return { kind: part ? 'use' : 'pass', assumed: assumed || refused };
        if (this.isOnlyTold(parent)) return end('look');
        return this.typed.handleOf(parent) === undefined ? { kind: 'use', assumed: assumed || refused } : { ...this.follow(parent, assumed || refused, part), kind: 'use' };
      }
      case AST_NODE_TYPES.NewExpression:
      case AST_NODE_TYPES.ReturnStatement:
      case AST_NODE_TYPES.YieldExpression:
      case AST_NODE_TYPES.ThrowStatement:
      case AST_NODE_TYPES.SpreadElement:
      case AST_NODE_TYPES.ArrayExpression:
      case AST_NODE_TYPES.Property:
      case AST_NODE_TYPES.PropertyDefinition:
      case AST_NODE_TYPES.AssignmentPattern:
      case AST_NODE_TYPES.ExportDefaultDeclaration:
        return end('pass');
      case AST_NODE_TYPES.ArrowFunctionExpression:
        return end(this.isVoidExpected(parent) ? 'drop' : 'pass');
      case AST_NODE_TYPES.VariableDeclarator:
        return end('bind');
      case AST_NODE_TYPES.AssignmentExpression:
        if (parent.left === node) return end('look');
        return end(parent.left.type === AST_NODE_TYPES.MemberExpression ? 'pass' : 'bind');
      case AST_NODE_TYPES.ConditionalExpression:
        return parent.test === node ? end('look') : this.follow(parent, assumed, part);
      case AST_NODE_TYPES.LogicalExpression:
        if (parent.left === node && parent.operator === '&&') return end('look');
        return this.follow(parent, assumed, part);
      case AST_NODE_TYPES.SequenceExpression:
        return parent.expressions.at(-1) === node ? this.follow(parent, assumed, part) : end('drop');
      case AST_NODE_TYPES.UnaryExpression:
        return end(parent.operator === 'void' ? 'drop' : 'look');
      case AST_NODE_TYPES.BinaryExpression:
        return this.typed.handleOf(parent) === undefined ? end('look') : { ...this.follow(parent, assumed, part), kind: 'use' };
      case AST_NODE_TYPES.ExpressionStatement:
        return end('drop');
      default:
        return end('look');
    }
  }

  /** Whether nobody takes what an arrow function returns, as in `entries.forEach((pmdp) => ...)`. */
  private isVoidExpected(arrow: TSESTree.ArrowFunctionExpression): boolean {
    const expected = this.checker.getContextualType(this.typed.services.esTreeNodeToTSNodeMap.get(arrow));
    const signatures = expected === undefined ? [] : this.checker.getNonNullableType(expected).getCallSignatures();
    return signatures.length > 0 && signatures.every((signature) => (signature.getReturnType().flags & ts.TypeFlags.Void) !== 0);
  }

  private isConst(node: TSESTree.TSAsExpression | TSESTree.TSTypeAssertion): boolean {
    return node.typeAnnotation.type === AST_NODE_TYPES.TSTypeReference && node.typeAnnotation.typeName.type === AST_NODE_TYPES.Identifier && node.typeAnnotation.typeName.name === 'const';
  }

  /** Calls that look at what they are given: predicates, assertions, `Boolean`, what prints. */
  private isOnlyTold(call: TSESTree.CallExpression): boolean {
    const node = this.typed.services.esTreeNodeToTSNodeMap.get(call);
    const signature = this.checker.getResolvedSignature(node);
    return (signature !== undefined && this.checker.getTypePredicateOfSignature(signature) !== undefined) || /^(?:Boolean$|console\.)/.test(node.expression.getText());
  }

  /** Whether an argument may be nothing, and the parameter may not. */
  private isRefused(argument: TSESTree.Node): boolean {
    if (!unionOf(this.typeOf(argument)).some((one) => this.isNullable(one))) return false;
    const expected = this.checker.getContextualType(this.typed.services.esTreeNodeToTSNodeMap.get(argument) as ts.Expression);
    return expected !== undefined && (expected.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.TypeParameter)) === 0 && !unionOf(expected).some((one) => this.isNullable(one));
  }
}

type Answer = 'yes' | 'no' | 'either';

function truth(type: ts.Type): Answer {
  if ((type.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null | ts.TypeFlags.Void)) !== 0) return 'no';
  if (type.isUnion()) {
    const answers = new Set(type.types.map(truth));
    return answers.size === 1 ? [...answers][0]! : 'either';
  }
  if ((type.flags & ts.TypeFlags.BooleanLiteral) !== 0) return (type as ts.Type & { readonly intrinsicName?: string }).intrinsicName === 'true' ? 'yes' : 'no';
  if (type.isStringLiteral()) return type.value === '' ? 'no' : 'yes';
  if (type.isNumberLiteral()) return type.value === 0 ? 'no' : 'yes';
  if ((type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.StringLike | ts.TypeFlags.BooleanLike)) !== 0) return 'either';
  return 'yes';
}

function swap({ yes, no }: Split): Split {
  return { yes: no, no: yes };
}

function unionOf(type: ts.Type): readonly ts.Type[] {
  return type.isUnion() ? type.types : [type];
}

/** The call with an `await` around it. */
function awaited(call: TSESTree.CallExpression): TSESTree.Expression {
  return call.parent.type === AST_NODE_TYPES.AwaitExpression ? call.parent : call;
}

function isNullish(node: TSESTree.Node): boolean {
  return (node.type === AST_NODE_TYPES.Identifier && node.name === 'undefined') || (node.type === AST_NODE_TYPES.Literal && node.value === null && node.raw === 'null') ||
    (node.type === AST_NODE_TYPES.UnaryExpression && node.operator === 'void');
}

function isConstant(node: TSESTree.Node): boolean {
  return node.type === AST_NODE_TYPES.Literal || isNullish(node);
}

function nameOfProperty(node: TSESTree.MemberExpression): string | undefined {
  if (node.computed) return node.property.type === AST_NODE_TYPES.Literal ? String(node.property.value) : undefined;
  return node.property.name;
}

function variablesIn(pattern: TSESTree.Node): TSESTree.Identifier[] {
  switch (pattern.type) {
    case AST_NODE_TYPES.Identifier:
      return [pattern];
    case AST_NODE_TYPES.ObjectPattern:
      return pattern.properties.flatMap((one) => variablesIn(one.type === AST_NODE_TYPES.Property ? one.value : one.argument));
    case AST_NODE_TYPES.ArrayPattern:
      return pattern.elements.flatMap((one) => (one === null ? [] : variablesIn(one)));
    case AST_NODE_TYPES.AssignmentPattern:
      return variablesIn(pattern.left);
    case AST_NODE_TYPES.RestElement:
      return variablesIn(pattern.argument);
    default:
      return [];
  }
}
