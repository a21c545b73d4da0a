import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { children } from '../../ast.js';
import type { Typed } from '../../typed.js';
import { saidByTest } from './assertions.js';
import { Conditions } from './conditions.js';
import type { Findings } from './findings.js';
import type { Jumps } from './jumps.js';
import { awaited, unionOf, type ResultTypes } from './result-types.js';
import type { Subject } from './subject.js';
import type { Uses } from './uses.js';
import type { LocalFunction, Variables } from './variables.js';
import { isField, isOwed, passedOn, swap, withoutFields, withState, type Mapped, type Variable, type World, type Worlds } from './worlds.js';

/** Goes through a list of statements. */
export type Run = (statements: readonly TSESTree.Node[], worlds: readonly World[]) => readonly World[];

/** Where others run before it goes on. */
const LEAVES: ReadonlySet<AST_NODE_TYPES> = new Set([AST_NODE_TYPES.NewExpression, AST_NODE_TYPES.AwaitExpression, AST_NODE_TYPES.YieldExpression, AST_NODE_TYPES.TaggedTemplateExpression]);

/** What expressions do: map tables, use them, and give them back. */
export class Expressions {
  readonly conditions: Conditions;
  private readonly subject: Subject;
  private readonly typed: Typed;
  private readonly results: ResultTypes;
  private readonly worlds: Worlds;
  private readonly uses: Uses;
  private readonly variables: Variables;
  private readonly jumps: Jumps;
  private readonly findings: Findings;
  private readonly run: Run;

  constructor(subject: Subject, worlds: Worlds, uses: Uses, variables: Variables, jumps: Jumps, findings: Findings, run: Run) {
    this.subject = subject;
    this.typed = subject.typed;
    this.results = subject.results;
    this.worlds = worlds;
    this.uses = uses;
    this.variables = variables;
    this.jumps = jumps;
    this.findings = findings;
    this.run = run;
    this.conditions = new Conditions(subject, worlds, variables, (node, now) => this.evaluate(node, now));
  }

  /** The worlds after an expression. */
  evaluate(node: TSESTree.Node, worlds: readonly World[]): readonly World[] {
    if (worlds.length === 0) return worlds;
    switch (node.type) {
      case AST_NODE_TYPES.Identifier:
        return worlds.map((world) => this.mention(node, world));
      case AST_NODE_TYPES.ArrowFunctionExpression:
        if (node.parent.type === AST_NODE_TYPES.CallExpression) this.callback(node, worlds);
        return worlds;
      case AST_NODE_TYPES.Literal:
      case AST_NODE_TYPES.FunctionExpression:
      case AST_NODE_TYPES.ClassExpression:
      case AST_NODE_TYPES.ClassDeclaration:
        return worlds;
      case AST_NODE_TYPES.LogicalExpression: {
        if (node.operator === '??') {
          const left = this.evaluate(node.left, worlds);
          const { yes, no } = this.conditions.nullish(node.left, left);
          return this.worlds.merge(no, this.evaluate(node.right, yes));
        }
        const { yes, no } = this.conditions.of(node.left, worlds);
        return node.operator === '&&' ? this.worlds.merge(no, this.evaluate(node.right, yes)) : this.worlds.merge(yes, this.evaluate(node.right, no));
      }
      case AST_NODE_TYPES.ConditionalExpression: {
        const { yes, no } = this.conditions.of(node.test, worlds);
        return this.worlds.merge(this.evaluate(node.consequent, yes), this.evaluate(node.alternate, no));
      }
      case AST_NODE_TYPES.AssignmentExpression:
        return this.assignment(node, worlds);
      case AST_NODE_TYPES.MemberExpression:
        return (node.computed ? this.evaluate(node.property, this.evaluate(node.object, worlds)) : this.evaluate(node.object, worlds)).map((world) => this.mentionField(node, world));
      case AST_NODE_TYPES.Property:
        return node.computed ? this.evaluate(node.value, this.evaluate(node.key, worlds)) : this.evaluate(node.value, worlds);
      case AST_NODE_TYPES.CallExpression:
        return this.call(node, worlds);
      default: {
        let now = worlds;
        if (node.type === AST_NODE_TYPES.NewExpression || node.type === AST_NODE_TYPES.AwaitExpression || node.type === AST_NODE_TYPES.TaggedTemplateExpression) this.jumps.mayThrow(node, now);
        for (const child of this.children(node)) now = this.evaluate(child, now);
        return LEAVES.has(node.type) ? now.map(withoutFields) : now;
      }
    }
  }

  /** What runs inside of a node: types do not. */
  private children(node: TSESTree.Node): TSESTree.Node[] {
    return children(node, this.subject.context.sourceCode.visitorKeys).filter((child) => {
      const isExpression = child.type === AST_NODE_TYPES.TSAsExpression || child.type === AST_NODE_TYPES.TSNonNullExpression ||
        child.type === AST_NODE_TYPES.TSSatisfiesExpression || child.type === AST_NODE_TYPES.TSTypeAssertion;
      return isExpression || !child.type.startsWith('TS');
    });
  }

  private assignment(node: TSESTree.AssignmentExpression, worlds: readonly World[]): readonly World[] {
    const { left, right, operator } = node;
    if (operator === '??=' || operator === '||=' || operator === '&&=') {
      const { yes, no } = operator === '??=' ? swap(this.conditions.nullish(left, worlds)) : this.conditions.of(left, worlds);
      const kept = operator === '&&=' ? no : yes;
      return this.worlds.merge(kept, this.evaluate(right, operator === '&&=' ? yes : no).map((world) => this.variables.assign(left, right, world)));
    }
    const target = left.type === AST_NODE_TYPES.MemberExpression ? this.evaluate(left, worlds) : worlds;
    const variable = operator === '=' ? this.variables.of(left) : null;
    if (variable !== null && this.isConstant(right, variable)) return this.chosen(right, variable, target);
    const after = this.evaluate(right, target);
    // `ptep += 1` is the same table still.
    if (operator !== '=') return after;
    return this.worlds.merge(after.map((world) => this.variables.assign(left, right, world)));
  }

  /** Whether a variable is given true or false, or one of the constants that are all it ever has: what it has then says how a condition came out. */
  isConstant(node: TSESTree.Node, variable: Variable): boolean {
    return (node.type === AST_NODE_TYPES.Literal && typeof node.value === 'boolean') || ((node.type === AST_NODE_TYPES.ConditionalExpression || node.type === AST_NODE_TYPES.Literal || node.type === AST_NODE_TYPES.MemberExpression) && this.variables.isState(variable));
  }

  /** The worlds after a variable was given one constant or another: `state = ptep === undefined ? State.Missing : State.Mapped`. */
  chosen(node: TSESTree.Node, variable: Variable, worlds: readonly World[]): readonly World[] {
    if (node.type === AST_NODE_TYPES.ConditionalExpression) {
      const { yes, no } = this.conditions.of(node.test, worlds);
      return this.worlds.merge(this.chosen(node.consequent, variable, yes), this.chosen(node.alternate, variable, no));
    }
    const value = this.variables.constantOf(node);
    return value === undefined ? worlds : worlds.map((world) => this.variables.remember(world, variable, value));
  }

  private call(node: TSESTree.CallExpression, worlds: readonly World[]): readonly World[] {
    let now = this.evaluate(node.callee, worlds);
    for (const argument of node.arguments) now = this.evaluate(argument, now);
    const local = this.variables.localFunction(node.callee);
    if (local !== undefined && !this.running.has(local)) return this.within(local, now);
    const mapped = this.subject.mapped.get(node);
    if (mapped !== undefined) {
      this.jumps.mayThrow(node, now);
      return this.worlds.merge(now.map((world) => this.acquire(mapped, world)));
    }
    const isUnmap = this.subject.names.isUnmap(node);
    const isMethod = node.callee.type === AST_NODE_TYPES.MemberExpression && this.uses.isRelease(node, node.callee) && !this.isOfLock(node);
    const companion = this.variables.companionOf(node.callee);
    const isCompanion = companion?.isRelease === true;
    if (isUnmap || isMethod || isCompanion) {
      const object = node.callee.type === AST_NODE_TYPES.MemberExpression ? [node.callee.object] : [];
      const candidates = isUnmap ? [...node.arguments, ...object] : isMethod ? object : [];
      const given = now.map((world) => {
        const carried = candidates.map((one) => this.variables.carried(one, world)).filter((one) => one !== undefined);
        return new Set(isCompanion ? [...carried, companion.mapped] : carried);
      });
      if (given.some(({ size }) => size > 0)) return this.worlds.merge(now.map((world, at) => [...given[at]!].reduce((before, one) => this.unmap(one, node, before), world)));
    }
    this.jumps.mayThrow(node, now);
    const after = this.asserted(node, now);
    return after.some(({ names }) => [...names.keys()].some(isField)) && !this.subject.names.isAccessor(node) ? after.map(withoutFields) : after;
  }

  /** The worlds after a call of a function in this one. */
  private within(local: LocalFunction, worlds: readonly World[]): readonly World[] {
    this.running.add(local);
    const { end, caught } = this.jumps.within({ kind: 'function', labels: [], breakable: false }, () => (local.body.type === AST_NODE_TYPES.BlockStatement ? this.run(local.body.body, worlds) : this.evaluate(local.body, worlds)));
    this.running.delete(local);
    for (const jump of caught) if (jump.kind !== 'return') this.jumps.jump(jump);
    return this.worlds.merge(end, ...caught.filter(({ kind }) => kind === 'return').map((jump) => jump.worlds));
  }
  private readonly running = new Set<LocalFunction>();

  /** What a function that is passed on does with tables, as far as it is known where it is passed on. Whether it runs, and how often, nobody knows. */
  private callback({ body }: TSESTree.ArrowFunctionExpression, worlds: readonly World[]): void {
    if (worlds.every(({ names }) => names.size === 0)) return;
    this.jumps.within({ kind: 'function', labels: [], breakable: false }, () => (body.type === AST_NODE_TYPES.BlockStatement ? this.run(body.body, worlds) : this.evaluate(body, worlds)));
  }

  /** `mapped.ptl.unlock()`: the lock that stands beside the entry is released, and the table is still mapped. */
  private isOfLock({ callee }: TSESTree.CallExpression): boolean {
    return callee.type === AST_NODE_TYPES.MemberExpression && this.variables.beside(callee.object) !== undefined;
  }

  /** `assert(ptep !== undefined)`, `assertMapped(result)`, `expect(ptep).toBeDefined()`: what is known once they return. */
  private asserted(node: TSESTree.CallExpression, worlds: readonly World[]): readonly World[] {
    const said = saidByTest(node);
    if (said !== undefined) {
      const { yes, no } = this.conditions.nullish(said.of, worlds);
      return said.is === 'nothing' ? yes : no;
    }
    const predicate = this.subject.names.predicateOf(node);
    if (predicate?.kind !== ts.TypePredicateKind.AssertsIdentifier) return worlds;
    const argument = node.arguments[predicate.parameterIndex];
    if (argument === undefined) return worlds;
    if (predicate.type === undefined) return this.conditions.of(argument, worlds).yes;
    return this.conditions.splitBy(argument, worlds, (type) => (this.results.isNothing(type) ? 'no' : 'yes')).yes;
  }

  private acquire(mapped: Mapped, world: World): World {
    if (isOwed(world.state.get(mapped))) this.findings.leak(mapped, mapped.call.loc.start.line);
    const value = awaited(mapped.call);
    const { kind, assumed } = this.uses.of(value);
    if (assumed && mapped.fallible) this.findings.report('unchecked', mapped.call, mapped);
    if (kind === 'drop') this.findings.report('dropped', mapped.call, mapped);
    const names = new Map([...world.names].filter(([, one]) => one !== mapped));
    const presence = !mapped.fallible || assumed ? 'there' : 'maybe';
    return withState({ ...world, names }, mapped, { hold: kind === 'drop' || kind === 'pass' ? 'passed' : 'held', presence });
  }

  private unmap(mapped: Mapped, node: TSESTree.CallExpression, world: World): World {
    const state = world.state.get(mapped);
    if (state === undefined || state.presence === 'gone') return world;
    if (state.hold === 'unmapped' && state.presence !== 'unknown') this.findings.report('unmappedTwice', node, mapped);
    // What a field has may be given back elsewhere, and is given back here.
    const isInField = [...world.names].some(([name, one]) => one === mapped && isField(name));
    return state.hold === 'held' || isInField ? withState(world, mapped, { hold: 'unmapped' }) : world;
  }

  private mention(node: TSESTree.Identifier, world: World): World {
    const companion = this.variables.companionOf(node);
    // `cleanup.defer(unmap)`: whoever has the function that gives it back may do so.
    if (companion?.isRelease === true && (node.parent.type !== AST_NODE_TYPES.CallExpression || node.parent.callee !== node)) return passedOn(world, companion.mapped);
    const variable = this.variables.of(node);
    return this.used(node, variable === null ? undefined : world.names.get(variable), world);
  }

  private mentionField(node: TSESTree.MemberExpression, world: World): World {
    if (![...world.names.keys()].some(isField)) return world;
    if (this.mayTell(node)) return withoutFields(world);
    return this.used(node, this.variables.inField(node, world), world);
  }

  /** `this.isOpen`: what is true or false may say whether a field beside it has a table, and what is got by a function may change it. */
  private mayTell(node: TSESTree.MemberExpression): boolean {
    if (this.typed.handleOf(node) !== undefined) return false;
    const isAccessor = ((this.typed.symbolOf(node.property)?.flags ?? 0) & ts.SymbolFlags.Accessor) !== 0;
    return isAccessor || unionOf(this.typed.typeOf(node)).every(({ flags }) => (flags & ts.TypeFlags.BooleanLike) !== 0);
  }

  private used(node: TSESTree.Node, mapped: Mapped | undefined, world: World): World {
    const state = mapped === undefined ? undefined : world.state.get(mapped);
    if (mapped === undefined || state === undefined) return world;
    const use = this.uses.of(node);
    let now = world;
    if (state.hold === 'unmapped' && (use.kind === 'use' || use.kind === 'pass') && state.presence !== 'gone') this.findings.report('usedAfterUnmap', node, mapped);
    if (use.kind !== 'look' && mapped.fallible) {
      const isKnown = state.presence === 'there' || state.presence === 'unknown';
      if (use.assumed && !isKnown) {
        this.findings.report('unchecked', node, mapped);
        // Where there is none, there is none to give back either.
        if (state.presence !== 'gone') now = withState(now, mapped, { presence: 'there' });
      } else if (!isKnown && !use.assumed && this.typed.handleOf(node) !== undefined && !this.results.isFallible(this.typed.typeOf(node))) {
        // The compiler knows of a condition that is not understood here.
        now = withState(now, mapped, { presence: 'there' });
      }
    }
    return use.kind === 'pass' && state.hold === 'held' ? withState(now, mapped, { hold: 'passed' }) : now;
  }
}
