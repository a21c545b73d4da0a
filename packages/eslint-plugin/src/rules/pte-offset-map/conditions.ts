import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { bare } from '../../ast.js';
import type { Typed } from '../../typed.js';
import { awaited, isNullable, truth, UNIT, unionOf, type Answer, type ResultTypes } from './result-types.js';
import type { Subject } from './subject.js';
import type { Companion, Variables } from './variables.js';
import { NONE, swap, withPresence, withState, type Mapped, type Split, type World, type Worlds } from './worlds.js';

/** Evaluates an expression in some worlds. */
export type Evaluate = (node: TSESTree.Node, worlds: readonly World[]) => readonly World[];

/** How conditions come out in which worlds. */
export class Conditions {
  private readonly subject: Subject;
  private readonly typed: Typed;
  private readonly results: ResultTypes;
  private readonly worlds: Worlds;
  private readonly variables: Variables;
  private readonly evaluate: Evaluate;

  constructor(subject: Subject, worlds: Worlds, variables: Variables, evaluate: Evaluate) {
    this.subject = subject;
    this.typed = subject.typed;
    this.results = subject.results;
    this.worlds = worlds;
    this.variables = variables;
    this.evaluate = evaluate;
  }

  /** The worlds in which an expression that is evaluated counts as true, and those in which it does not. */
  of(node: TSESTree.Node, worlds: readonly World[]): Split {
    if (worlds.length === 0) return { yes: NONE, no: NONE };
    switch (node.type) {
      case AST_NODE_TYPES.TSNonNullExpression:
      case AST_NODE_TYPES.TSAsExpression:
      case AST_NODE_TYPES.TSSatisfiesExpression:
      case AST_NODE_TYPES.ChainExpression:
        return this.of(node.expression, worlds);
      case AST_NODE_TYPES.Literal:
        return node.value === null || node.value === false || node.value === 0 ? { yes: NONE, no: worlds } : { yes: worlds, no: NONE };
      case AST_NODE_TYPES.UnaryExpression:
        if (node.operator === '!') return swap(this.of(node.argument, worlds));
        break;
      case AST_NODE_TYPES.SequenceExpression:
        return this.of(node.expressions.at(-1)!, node.expressions.slice(0, -1).reduce((now, one) => this.evaluate(one, now), worlds));
      case AST_NODE_TYPES.ConditionalExpression: {
        const test = this.of(node.test, worlds);
        const [first, second] = [this.of(node.consequent, test.yes), this.of(node.alternate, test.no)];
        return { yes: this.worlds.merge(first.yes, second.yes), no: this.worlds.merge(first.no, second.no) };
      }
      case AST_NODE_TYPES.LogicalExpression: {
        if (node.operator === '??') break;
        const left = this.of(node.left, worlds);
        const right = this.of(node.right, node.operator === '&&' ? left.yes : left.no);
        return node.operator === '&&' ? { yes: right.yes, no: this.worlds.merge(left.no, right.no) } : { yes: this.worlds.merge(left.yes, right.yes), no: right.no };
      }
      case AST_NODE_TYPES.BinaryExpression:
        return this.comparison(node, worlds);
      case AST_NODE_TYPES.Identifier: {
        const companion = this.variables.companionOf(node);
        const after = this.evaluate(node, worlds);
        if (companion !== undefined) return this.askTruth(companion, node, after);
        return this.splitBy(node, after, (type) => truth(type), true);
      }
      case AST_NODE_TYPES.MemberExpression: {
        const after = this.evaluate(node, worlds);
        return this.typed.handleOf(node) === undefined ? this.splitBy(node.object, after, (type) => this.results.ofProperty(type, nameOfProperty(node), truth)) : this.splitBy(node, after, truth, true);
      }
      case AST_NODE_TYPES.CallExpression: {
        if (node.callee.type === AST_NODE_TYPES.Identifier && node.callee.name === 'Boolean' && node.arguments[0] !== undefined) return this.of(node.arguments[0], worlds);
        const after = this.evaluate(node, worlds);
        const asked = this.results.asksBox(node);
        if (asked !== undefined) return this.ofBox(asked.box, after, asked.isSome);
        if (this.subject.mapped.has(node)) return this.splitBy(node, after, truth, true);
        const predicate = this.subject.names.predicateOf(node);
        const argument = predicate?.kind === ts.TypePredicateKind.Identifier ? node.arguments[predicate.parameterIndex] : undefined;
        const { type: said } = predicate ?? {};
        if (argument === undefined || said === undefined) return this.doubt(node, after);
        // Where some of the types are what it says, the compiler goes by that: Array.isArray(mapped).
        const { checker } = this.typed.types;
        const fitting = new Set(unionOf(this.typed.typeOf(argument)).map((type) => checker.isTypeAssignableTo(type, said)));
        if (fitting.size > 1) return this.splitBy(argument, after, (type) => (checker.isTypeAssignableTo(type, said) ? 'yes' : 'no'), true);
        return this.splitBy(argument, after, (type) => (this.results.isNothing(type) === unionOf(said).some((one) => this.results.isNothing(one)) ? 'yes' : 'no'), true);
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

  /** `found.isSome()`: whether there is a table in what is asked. */
  private ofBox(box: TSESTree.Node, worlds: readonly World[], isSome: boolean): Split {
    const side = (there: boolean): readonly World[] => worlds.map((world) => {
      const mapped = this.variables.carried(box, world);
      return mapped === undefined || !world.state.has(mapped) ? world : withPresence(world, mapped, there);
    }).filter((world) => world !== undefined);
    return { yes: side(isSome), no: side(!isSome) };
  }

  /** A condition that is told of a table, or is a method of the result, and may ask anything: afterwards nothing is known. */
  private doubt(call: TSESTree.CallExpression, worlds: readonly World[]): Split {
    const after = worlds.map((world) => {
      const asked = call.callee.type === AST_NODE_TYPES.MemberExpression ? [...call.arguments, call.callee.object] : call.arguments;
      const told = asked.filter((one) => this.results.isFallible(this.typed.typeOf(one))).map((one) => this.variables.carried(one, world));
      return [...told, ...this.variables.knownTo(call.callee, world)].reduce<World>((now, mapped) =>
        (mapped !== undefined && now.state.get(mapped)?.presence === 'maybe' ? withState(now, mapped, { presence: 'unknown' }) : now), world);
    });
    return { yes: after, no: after };
  }

  /** A condition on what stands beside the entry in a result: `if (!ok)` after `const { ok, ptep } = ...`. */
  private askCompanion({ mapped, property }: Companion, worlds: readonly World[], ask: (type: ts.Type) => Answer): Split {
    const members = unionOf(this.typed.typeOf(awaited(mapped.call)));
    const isKnown = members.some((type) => type.getProperty(property) !== undefined);
    const answers = members.map((type) => ({ type, answer: this.results.ofProperty(type, property, ask) }));
    const side = (wanted: Answer): readonly World[] => {
      const left = answers.filter(({ answer }) => answer === wanted || answer === 'either').map(({ type }) => type);
      return worlds.map((world) => {
        if (!mapped.fallible || !world.state.has(mapped)) return world;
        return isKnown ? this.known(world, mapped, left, members) : withState(world, mapped, { presence: 'unknown' });
      }).filter((world) => world !== undefined);
    };
    return { yes: side('yes'), no: side('no') };
  }

  /** The same of a value that is true or false. Where the types do not say which of them means that there is a table, its name may. */
  private askTruth(companion: Companion, node: TSESTree.Node, worlds: readonly World[]): Split {
    const members = unionOf(this.typed.typeOf(awaited(companion.mapped.call)));
    const isBoolean = unionOf(this.typed.typeOf(node)).every((one) => (one.flags & ts.TypeFlags.BooleanLike) !== 0);
    if (!isBoolean || !SUCCESS.test(companion.property) || members.some((type) => this.results.isNothing(type))) return this.askCompanion(companion, worlds, truth);
    const side = (there: boolean): readonly World[] => worlds.map((world) => (companion.mapped.fallible && world.state.has(companion.mapped) ? withPresence(world, companion.mapped, there) : world)).filter((world) => world !== undefined);
    return { yes: side(true), no: side(false) };
  }

  private comparison(node: TSESTree.BinaryExpression, worlds: readonly World[]): Split {
    const after = node.left.type === AST_NODE_TYPES.PrivateIdentifier ? worlds : this.evaluate(node.left, worlds);
    const both = this.evaluate(node.right, after);
    if (node.operator === 'in') {
      const key = node.left.type === AST_NODE_TYPES.Literal ? String(node.left.value) : undefined;
      return this.splitBy(node.right, both, (type) => (key === undefined ? 'either' : type.getProperty(key) === undefined ? 'no' : 'yes'));
    }
    if (node.operator === 'instanceof') {
      const ofClass = this.instancesOf(node.right);
      return this.splitBy(node.left, both, (type) => this.isInstance(type, ofClass));
    }
    if (!/^[!=]==?$/.test(node.operator)) return { yes: both, no: both };
    const [what, other] = isConstant(node.left) ? [node.right, node.left] : [node.left, node.right];
    const split = this.equal(what, other, both, []);
    return node.operator.startsWith('!') ? swap(split) : split;
  }

  /** The type of what `new` makes of a class; undefined where that is not known. */
  private instancesOf(node: TSESTree.Node): ts.Type | undefined {
    const prototype = this.typed.typeOf(node).getProperty('prototype');
    const type = prototype === undefined ? undefined : this.typed.types.checker.getTypeOfSymbol(prototype);
    return type === undefined || (type.flags & ts.TypeFlags.Any) !== 0 ? undefined : type;
  }

  /** As the compiler narrows: a member of a union that has nothing to do with the class is none of its instances. */
  private isInstance(type: ts.Type, ofClass: ts.Type | undefined): Answer {
    if ((type.flags & OBJECT) === 0) return 'no';
    if (ofClass === undefined || (type.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) === 0) return 'either';
    const { checker } = this.typed.types;
    if (checker.isTypeAssignableTo(type, ofClass)) return 'yes';
    return checker.isTypeAssignableTo(ofClass, type) ? 'either' : 'no';
  }

  /** @param taken what was compared with before, in a switch */
  equal(what: TSESTree.Node, other: TSESTree.Node, worlds: readonly World[], taken: readonly ts.Type[]): Split {
    const inner = what.type === AST_NODE_TYPES.ChainExpression ? what.expression : what;
    if (isNullish(other)) return this.nullish(inner, worlds);
    if (inner.type === AST_NODE_TYPES.UnaryExpression && inner.operator === 'typeof' && other.type === AST_NODE_TYPES.Literal) {
      const { value: kind } = other;
      return kind === 'undefined' ? this.nullish(inner.argument, worlds) : this.splitBy(inner.argument, worlds, (type) => this.results.isOfKind(type, kind), true);
    }
    if (other.type === AST_NODE_TYPES.Literal && typeof other.value === 'boolean') {
      const split = this.of(inner, worlds);
      return other.value ? split : swap(split);
    }
    const value = this.typed.typeOf(other);
    if (inner.type === AST_NODE_TYPES.MemberExpression && this.typed.handleOf(inner) === undefined) {
      const name = nameOfProperty(inner);
      return this.splitBy(inner.object, worlds, (type) => this.results.ofProperty(type, name, (property) => this.results.isEqual(property, value, taken)));
    }
    const companion = this.variables.companionOf(inner);
    if (companion !== undefined) return this.askCompanion(companion, worlds, (property) => this.results.isEqual(property, value, taken));
    // A word or a symbol that stands for why there is no table: at === 'retry'.
    if ((value.flags & UNIT) !== 0) {
      const isMapped = (world: World): boolean => this.variables.carried(inner, world) !== undefined;
      const split = this.splitBy(inner, worlds.filter(isMapped), (type) => this.results.isEqual(type, value, taken), true);
      const others = this.byConstant(inner, this.typed.types.checker.typeToString(value), worlds.filter((world) => !isMapped(world)));
      return { yes: this.worlds.merge(split.yes, others.yes), no: this.worlds.merge(split.no, others.no) };
    }
    return { yes: worlds, no: worlds };
  }

  /** Whether something that is no table is a constant: `state === State.Mapped`, and the same again later. */
  private byConstant(node: TSESTree.Node, constant: string, worlds: readonly World[]): Split {
    const variable = this.variables.of(bare(node as TSESTree.Expression));
    if (variable === null || !this.variables.byConstants) return { yes: worlds, no: worlds };
    const all = unionOf(this.typed.typeOf(node)).map((one) => this.typed.types.checker.typeToString(one));
    const yes: World[] = [];
    const no: World[] = [];
    for (const world of worlds) {
      const flag = world.flags.get(variable);
      if (typeof flag === 'string') (flag === constant ? yes : no).push(world);
      else {
        const others = typeof flag === 'object' ? flag : [];
        if (!others.includes(constant)) yes.push(this.variables.remember(world, variable, constant));
        const isAny = all.every((one) => one === constant || others.includes(one));
        if (!isAny) no.push(typeof flag === 'boolean' || others.includes(constant) ? world : this.variables.remember(world, variable, [...others, constant].sort()));
      }
    }
    return { yes: this.worlds.merge(yes), no: this.worlds.merge(no) };
  }

  /** Whether something is undefined or null. */
  nullish(node: TSESTree.Node, worlds: readonly World[]): Split {
    const isWhole = node.type !== AST_NODE_TYPES.MemberExpression || this.typed.handleOf(node) !== undefined;
    const answer = (type: ts.Type): Answer => (isNullable(type) ? 'yes' : unionOf(type).some((one) => (one.flags & ts.TypeFlags.Undefined) !== 0) ? 'either' : 'no');
    if (isWhole) {
      const companion = this.variables.companionOf(node);
      if (companion !== undefined) return this.askCompanion(companion, worlds, answer);
      return this.splitBy(node, worlds, answer, true);
    }
    const { object, property } = node;
    const name = property.type === AST_NODE_TYPES.Identifier ? property.name : undefined;
    return this.splitBy(object, worlds, (type) => (name !== undefined && type.getProperty(name) === undefined ? 'yes' : this.results.ofProperty(type, name, answer)));
  }

  /**
   * Splits worlds by a condition on what an expression has.
   *
   * @param node the expression: that of the handle, or of the result that has it
   * @param ask how the condition comes out for a member of its type
   * @param whole whether the condition is on the result or the handle itself, so that it says whether the table is there
   */
  splitBy(node: TSESTree.Node, worlds: readonly World[], ask: (type: ts.Type) => Answer, whole = false): Split {
    const variable = this.variables.of(node);
    const yes: (World | undefined)[] = [];
    const no: (World | undefined)[] = [];
    for (const world of worlds) {
      const mapped = this.variables.carried(node, world);
      if (mapped === undefined || !world.state.has(mapped)) {
        const flag = variable === null || !whole ? undefined : world.flags.get(variable);
        const isKept = variable === null || !whole || (flag !== undefined && typeof flag !== 'boolean');
        if (flag !== false) yes.push(isKept ? world : this.variables.remember(world, variable, true));
        if (flag !== true) no.push(isKept ? world : this.variables.remember(world, variable, false));
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
    return { yes: this.worlds.merge(yes.filter((world) => world !== undefined)), no: this.worlds.merge(no.filter((world) => world !== undefined)) };
  }

  /** The type that an expression has here, and where an assignment made it narrower or `!` did, that of the call. */
  private declaredTypeOf(node: TSESTree.Node, mapped: Mapped): ts.Type {
    const here = this.typed.typeOf(node);
    if (unionOf(here).length > 1 || node.type !== AST_NODE_TYPES.Identifier) return here;
    return (here.flags & ts.TypeFlags.Never) !== 0 ? this.typed.typeOf(awaited(mapped.call)) : here;
  }

  private known(world: World, mapped: Mapped, left: readonly ts.Type[], all: readonly ts.Type[]): World | undefined {
    if (left.length === 0) return undefined;
    const nothing = left.filter((type) => this.results.isNothing(type)).length;
    if (!all.some((type) => this.results.isNothing(type))) {
      // One type for both: what a property says of it is not in the types.
      const presence = world.state.get(mapped)?.presence;
      return presence === 'maybe' ? withState(world, mapped, { presence: 'unknown' }) : world;
    }
    if (nothing === 0) return withPresence(world, mapped, true);
    return nothing === left.length ? withPresence(world, mapped, false) : world;
  }
}

/** What says in a result that the table is there, where the types do not. */
const SUCCESS = /^(?:ok|success|succeeded|mapped|found|present|valid|exists)$/;

/** What may be an object. */
const OBJECT = ts.TypeFlags.Object | ts.TypeFlags.Intersection | ts.TypeFlags.Instantiable | ts.TypeFlags.NonPrimitive | ts.TypeFlags.Any | ts.TypeFlags.Unknown;

/** `undefined`, `null`, `void 0`. */
export function isNullish(node: TSESTree.Node): boolean {
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
