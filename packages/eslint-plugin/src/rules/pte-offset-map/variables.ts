import { AST_NODE_TYPES, ASTUtils, TSESLint, type TSESTree } from '@typescript-eslint/utils';
import { isEquality } from '../../ast.js';
import type { Typed } from '../../typed.js';
import { UNIT } from './result-types.js';
import type { Subject } from './subject.js';
import type { Uses } from './uses.js';
import { isField, passedOn, withFlag, withName, type Field, type Flag, type Mapped, type Variable, type World } from './worlds.js';

/** What stands beside the entry in a result, as in `const { ok, ptep } = ...`, by its name there. */
export interface Companion {
  readonly mapped: Mapped;
  readonly property: string;
  /** Whether it is what gives the table back: by its name, or because it is a function that came with the entry in a tuple, which has no names. */
  readonly isRelease: boolean;
}

/** A function that stands in another. */
export type LocalFunction = TSESTree.ArrowFunctionExpression | TSESTree.FunctionExpression | TSESTree.FunctionDeclaration;

/** Which variables, and which expressions, have which mapped table. */
export class Variables {
  readonly byConstants: boolean;
  private readonly subject: Subject;
  private readonly typed: Typed;
  private readonly uses: Uses;
  private readonly companions = new Map<Variable, Companion>();

  /** @param byConstants whether it is remembered which constants variables are, and not only what is true and false */
  constructor(subject: Subject, uses: Uses, byConstants: boolean) {
    this.subject = subject;
    this.byConstants = byConstants;
    this.typed = subject.typed;
    this.uses = uses;
  }

  /** The variable that an identifier stands for. */
  of(identifier: TSESTree.Node): Variable | null {
    return identifier.type === AST_NODE_TYPES.Identifier ? ASTUtils.findVariable(this.subject.context.sourceCode.getScope(identifier), identifier) : null;
  }

  /** What stands beside an entry, if a variable has that. */
  companionOf(node: TSESTree.Node): Companion | undefined {
    const variable = this.of(node);
    return variable === null ? undefined : this.companions.get(variable);
  }

  /** What of the mapped tables an expression has as its value: the table itself, a part of the result, or an entry further on in it. */
  carried(node: TSESTree.Node, world: World): Mapped | undefined {
    const mapped = this.subject.mapped.get(node);
    if (mapped !== undefined) return mapped;
    switch (node.type) {
      case AST_NODE_TYPES.Identifier: {
        const variable = this.of(node);
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
        return this.inField(node, world) ?? this.carried(node.object, world);
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
        if (node.callee.type === AST_NODE_TYPES.MemberExpression && this.subject.results.isTakenOut(node)) return this.carried(node.callee.object, world);
        if (this.typed.handleOf(node) === undefined) return undefined;
        if (!this.subject.names.isAccessor(node)) return node.callee.type === AST_NODE_TYPES.MemberExpression ? this.carried(node.callee.object, world) : undefined;
        return node.arguments.map((argument) => this.carried(argument, world)).find((one) => one !== undefined);
      case AST_NODE_TYPES.BinaryExpression:
        if (node.operator !== '+' && node.operator !== '-') return undefined;
        return this.typed.handleOf(node.left) === undefined ? (this.typed.handleOf(node.right) === undefined ? undefined : this.carried(node.right, world)) : this.carried(node.left, world);
      default:
        return undefined;
    }
  }

  /** What a field has that was given a table in this function. */
  inField(node: TSESTree.MemberExpression, world: World): Mapped | undefined {
    const field = this.fieldOf(node);
    return field === undefined ? undefined : world.names.get(field);
  }

  /** The field of an object, or of an object in it. */
  private fieldOf(node: TSESTree.MemberExpression): Field | undefined {
    const path: string[] = [];
    let at: TSESTree.Expression = node;
    while (at.type === AST_NODE_TYPES.MemberExpression) {
      if (at.computed) return undefined;
      path.unshift(at.property.type === AST_NODE_TYPES.PrivateIdentifier ? `#${at.property.name}` : at.property.name);
      at = at.object;
    }
    const root = at.type === AST_NODE_TYPES.ThisExpression ? 'this' : this.of(at);
    return root === null ? undefined : this.field(root, path.join('.'));
  }

  private field(root: Field['root'], path: string): Field {
    const ofRoot = this.fields.get(root) ?? new Map<string, Field>();
    const field = ofRoot.get(path) ?? { root, path };
    this.fields.set(root, ofRoot.set(path, field));
    return field;
  }
  private readonly fields = new Map<Field['root'], Map<string, Field>>();

  private present(mapped: Mapped | undefined, world: World): Mapped | undefined {
    return mapped !== undefined && world.state.has(mapped) && world.state.get(mapped)?.presence !== 'gone' ? mapped : undefined;
  }

  /** How a condition came out, where it is asked again and nobody changes it elsewhere. */
  remember(world: World, variable: Variable, value: Flag): World {
    if (typeof value !== 'boolean' && !this.byConstants) return withFlag(world, variable, undefined);
    const reads = variable.references.filter((reference) => reference.isRead());
    const isSteady = variable.references.every((reference) => reference.isReadOnly() || reference.from.variableScope === variable.scope.variableScope || this.isLocal(reference.from.variableScope.block));
    // Of constants there may be many: only where another question is asked of the same variable.
    const isAskedAgain = typeof value === 'boolean' ? reads.length > 1 || (reads.length === 1 && variable.references.some((reference) => reference.isWrite())) : this.isState(variable) || reads.filter(({ identifier }) => isCompared(identifier)).length > 1;
    return isSteady && isAskedAgain ? withFlag(world, variable, value) : world;
  }

  /** The constant that an expression is: `State.Mapped`, `'mapped'`, `true`. */
  constantOf(node: TSESTree.Node): Flag | undefined {
    if (node.type === AST_NODE_TYPES.Literal && typeof node.value === 'boolean') return node.value;
    if (node.type !== AST_NODE_TYPES.Literal && node.type !== AST_NODE_TYPES.MemberExpression) return undefined;
    const type = this.typed.typeOf(node);
    return (type.flags & UNIT) === 0 ? undefined : this.typed.types.checker.typeToString(type);
  }

  /** Whether a variable only ever has constants, by which conditions may be asked again: `let state = State.Missing`. */
  isState(variable: Variable): boolean {
    const known = this.states.get(variable);
    if (known !== undefined) return known;
    const writes = variable.references.filter((reference) => reference.isWrite());
    const isState = writes.length > 0 && writes.every(({ writeExpr, identifier: { parent } }) => (
      writeExpr && (parent.type === AST_NODE_TYPES.VariableDeclarator || (parent.type === AST_NODE_TYPES.AssignmentExpression && parent.operator === '=')) && this.isConstants(writeExpr)
    ));
    this.states.set(variable, isState);
    return isState;
  }
  private readonly states = new Map<Variable, boolean>();

  private isConstants(node: TSESTree.Node): boolean {
    return node.type === AST_NODE_TYPES.ConditionalExpression ? this.isConstants(node.consequent) && this.isConstants(node.alternate) : this.constantOf(node) !== undefined;
  }

  /** What stands beside the entry in a result, if an expression takes that: `mapped.ptl`. */
  beside(node: TSESTree.Node): TSESTree.MemberExpression | undefined {
    let inner = node;
    while (inner.type === AST_NODE_TYPES.TSNonNullExpression || inner.type === AST_NODE_TYPES.ChainExpression) inner = inner.expression;
    return inner.type === AST_NODE_TYPES.MemberExpression && this.typed.handleOf(inner) === undefined && this.subject.results.isBeside(this.typed.typeOf(inner)) ? inner : undefined;
  }

  /** What a variable or a pattern is given, by a declaration or an assignment. */
  assign(target: TSESTree.Node, value: TSESTree.Node, world: World): World {
    if (value.type === AST_NODE_TYPES.ObjectExpression) return this.assignParts(target, value, world);
    const mapped = this.carried(value, world);
    const beside = mapped === undefined ? undefined : this.beside(value);
    if (mapped === undefined || beside === undefined) return this.bind(target, mapped, world);
    const variable = this.of(target);
    const property = beside.property.type === AST_NODE_TYPES.Identifier && !beside.computed ? beside.property.name : '';
    if (variable?.defs[0]?.node.type === AST_NODE_TYPES.VariableDeclarator && variable.defs[0].node.parent.kind === 'const') this.companions.set(variable, { mapped, property, isRelease: this.subject.names.isUnmapName(property) });
    return this.bind(target, undefined, world);
  }

  /** `const state = { ptep: pteOffsetMap(...) }`: who reads the field of that has the table. */
  private assignParts(target: TSESTree.Node, value: TSESTree.ObjectExpression, world: World): World {
    const bound = this.bind(target, undefined, world);
    const variable = this.of(target);
    if (variable === null) return bound;
    return value.properties.reduce((now, property) => {
      if (property.type !== AST_NODE_TYPES.Property || property.computed || property.key.type !== AST_NODE_TYPES.Identifier) return now;
      const mapped = this.carried(property.value, world);
      return mapped === undefined ? now : withName(now, this.field(variable, property.key.name), mapped);
    }, bound);
  }

  /** What a pattern binds to a table, or to something else. */
  bind(target: TSESTree.Node, mapped: Mapped | undefined, world: World): World {
    if (target.type === AST_NODE_TYPES.Identifier) {
      const variable = this.of(target);
      if (variable === null) return mapped === undefined ? world : passedOn(world, mapped);
      const named = withFlag(withName(world, variable, mapped), variable, undefined);
      return mapped !== undefined && this.isShared(variable) ? passedOn(named, mapped) : named;
    }
    if (target.type === AST_NODE_TYPES.MemberExpression) {
      const field = this.fieldOf(target);
      const now = field === undefined ? world : withName(world, field, mapped);
      return mapped === undefined ? now : passedOn(now, mapped);
    }
    if (mapped === undefined) {
      return variablesIn(target).reduce((now, identifier) => {
        const variable = this.of(identifier);
        return variable === null ? now : withFlag(withName(now, variable, undefined), variable, undefined);
      }, world);
    }
    if (target.type !== AST_NODE_TYPES.ObjectPattern && target.type !== AST_NODE_TYPES.ArrayPattern) return passedOn(world, mapped);
    let now = world;
    const parts = target.type === AST_NODE_TYPES.ArrayPattern ? target.elements : target.properties;
    for (const [at, part] of parts.entries()) {
      if (part === null) continue;
      const inner = part.type === AST_NODE_TYPES.Property ? part.value : part;
      const identifier = inner.type === AST_NODE_TYPES.AssignmentPattern ? inner.left : inner;
      if (identifier.type !== AST_NODE_TYPES.Identifier) {
        // What is left over, or a pattern in a pattern: whoever has that may give it back.
        now = passedOn(now, mapped);
        continue;
      }
      if (this.typed.handleOf(identifier) !== undefined) {
        now = this.bind(identifier, mapped, now);
        continue;
      }
      const variable = this.of(identifier);
      const property = part.type === AST_NODE_TYPES.Property && part.key.type === AST_NODE_TYPES.Identifier ? part.key.name : String(at);
      if (variable === null) continue;
      const isRelease = part.type === AST_NODE_TYPES.Property ? this.subject.names.isUnmapName(property) : this.subject.results.isRelease(this.typed.typeOf(identifier));
      this.companions.set(variable, { mapped, property, isRelease });
      // A function that gives it back may go anywhere.
      if (isRelease && this.isShared(variable)) now = passedOn(now, mapped);
    }
    return now;
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
      if (this.isLocal(block)) return false;
      const { kind } = this.uses.of(reference.identifier);
      return !isCallback || (kind !== 'look' && kind !== 'use');
    });
  }

  /** The function in this one that a name stands for, if it is only called here, for what it does: that is known where it is called. */
  localFunction(name: TSESTree.Node): LocalFunction | undefined {
    const made = this.madeAs(name);
    return made !== undefined && this.isLocal(made) ? made : undefined;
  }

  /** The tables that a function knows by their variables, which it is given by nobody: `const isThere = () => ptep !== undefined`. */
  knownTo(name: TSESTree.Node, world: World): readonly Mapped[] {
    const made = this.madeAs(name);
    if (made === undefined) return [];
    const isInside = ({ range: [from, to] }: TSESTree.Node): boolean => made.range[0] <= from && to <= made.range[1];
    return [...world.names].filter(([one]) => !isField(one) && one.references.some(({ identifier }) => isInside(identifier))).map(([, mapped]) => mapped);
  }

  /** The function, or what else a name was declared as. */
  private madeAs(name: TSESTree.Node): TSESTree.Node | undefined {
    const definition = this.of(name)?.defs[0];
    if (definition?.type === TSESLint.Scope.DefinitionType.FunctionName) return definition.node;
    return definition?.type === TSESLint.Scope.DefinitionType.Variable ? (definition.node.init ?? undefined) : undefined;
  }

  private isLocal(made: TSESTree.Node): made is LocalFunction {
    const isConstant = (made.type === AST_NODE_TYPES.ArrowFunctionExpression || made.type === AST_NODE_TYPES.FunctionExpression) &&
      made.parent.type === AST_NODE_TYPES.VariableDeclarator && made.parent.parent.kind === 'const' && made.parent.id.type === AST_NODE_TYPES.Identifier;
    if ((!isConstant && made.type !== AST_NODE_TYPES.FunctionDeclaration) || made.async || made.generator) return false;
    const statement = isConstant ? made.parent.parent : made;
    if (statement?.parent?.type === AST_NODE_TYPES.ExportNamedDeclaration || statement?.parent?.type === AST_NODE_TYPES.ExportDefaultDeclaration) return false;
    const own = this.scope();
    const [variable] = this.subject.context.sourceCode.getDeclaredVariables(isConstant ? made.parent : made);
    const calls = variable?.references.filter(({ init }) => init !== true) ?? [];
    return variable?.scope.variableScope === own && calls.length > 0 &&
      calls.every(({ identifier: { parent }, identifier, from }) => from.variableScope === own && parent.type === AST_NODE_TYPES.CallExpression && parent.callee === identifier && isWayOut(parent));
  }

  private scope(): TSESLint.Scope.Scope {
    const acquired = this.subject.context.sourceCode.getScope([...this.subject.mapped.keys()][0]!);
    return acquired.variableScope;
  }
}

/** Whether something is compared with something else, or a switch asks what it is. */
function isCompared({ parent }: TSESTree.Node): boolean {
  return parent?.type === AST_NODE_TYPES.SwitchStatement || (parent?.type === AST_NODE_TYPES.BinaryExpression && isEquality(parent.operator));
}

/** Whether what a call returns says nothing that is asked here: it is a statement, or returned. */
function isWayOut({ parent }: TSESTree.CallExpression): boolean {
  return parent.type === AST_NODE_TYPES.ExpressionStatement || parent.type === AST_NODE_TYPES.ReturnStatement;
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
