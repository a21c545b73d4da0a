import { AST_NODE_TYPES, ASTUtils, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { calledName, coreFunction, stablePath } from './accessors.js';
import { bare, isArithmetic } from './ast.js';
import type { Typed } from './typed.js';
import type { Subject } from './subject.js';

/** Which entry a handle is of, and which architecture it is asked of, as texts: equal ones are the same. */
export class Entries {
  private readonly types: Typed;
  private readonly sourceCode: Subject['sourceCode'];

  constructor({ sourceCode, types }: Subject) {
    this.types = types;
    this.sourceCode = sourceCode;
  }

  /** Which entry a handle is of, as a text; undefined where it may be another the next time that it is asked for. */
  pathOf(node: TSESTree.Node, depth = 0): string | undefined {
    const inner = bare(node as TSESTree.Expression);
    if (inner.type === AST_NODE_TYPES.Identifier) return (depth < MAX_DEPTH ? this.standsFor(inner, depth) : undefined) ?? stablePath(this.types, inner);
    if (inner.type === AST_NODE_TYPES.CallExpression) return this.pathOfStep(inner, depth);
    if (inner.type !== AST_NODE_TYPES.MemberExpression) return stablePath(this.types, inner);
    const object = this.pathOf(inner.object, depth);
    if (object === undefined) return undefined;
    if (inner.computed && !(inner.property.type === AST_NODE_TYPES.Literal && typeof inner.property.value === 'string')) {
      const at = this.numberOf(inner.property, depth);
      return at === undefined ? undefined : `${object}[${at}]`;
    }
    // What a getter returns may be another entry each time. What an object has under any name is no getter's.
    const symbol = this.types.symbolOf(inner.property);
    if (symbol !== undefined && (symbol.flags & ts.SymbolFlags.GetAccessor) !== 0 && !this.givesSame(symbol)) return undefined;
    const name = symbol?.name ?? (inner.property.type === AST_NODE_TYPES.Literal ? String(inner.property.value) : inner.property.type === AST_NODE_TYPES.Identifier ? inner.property.name : undefined);
    return name === undefined ? undefined : `${object}.${inner.property.type === AST_NODE_TYPES.PrivateIdentifier ? '#' : ''}${name}`;
  }

  /** `hwPteAdvance(arch, ptep, i)`, `arch.ops.pte.advance(ptep, i)`: as many entries on from the same one is the same again. */
  private pathOfStep(node: TSESTree.CallExpression, depth: number): string | undefined {
    if (!this.types.mayGiveHandle(node) || node.arguments.some(({ type }) => type === AST_NODE_TYPES.SpreadElement)) return undefined;
    const given = node.arguments.map((argument) => (argument.type === AST_NODE_TYPES.SpreadElement ? undefined : this.numberOf(argument, depth)));
    const callee = bare(node.callee);
    const isMethod = callee.type === AST_NODE_TYPES.MemberExpression && this.isOps(callee.object);
    if (isMethod && calledName(node)?.name !== 'advance') return undefined;
    const [, level, how] = isMethod ? [] : (STEP.exec(coreFunction(this.types, node)?.name ?? '') ?? []);
    if (!isMethod && level === undefined) return undefined;
    const [arch, entry, count] = isMethod ? [this.archOfOps(callee.object), ...given] : given;
    const by = how === 'Next' ? '1' : count;
    if (arch === undefined || entry === undefined || by === undefined) return undefined;
    return by === '0' ? entry : `hw(${arch},${entry},${by})`;
  }

  /** Whether an expression is the accessors of a level. */
  private isOps(node: TSESTree.Expression): boolean {
    return this.types.types.isCore(this.types.typeOf(node), 'LevelOps', 'WritableOps', 'BasicLevelOps', 'TableLevelOps');
  }

  /** The architecture that accessors of a level are of: `arch` of `arch.ops.pte`. */
  private archOfOps(node: TSESTree.Expression): string | undefined {
    return this.pathOf(node)?.replace(/\.ops(\.\w+|\[[^\]]*\])$/, '');
  }

  /** What an index or a count is, as a text: `3`, `i + 1`, or a path. */
  private numberOf(node: TSESTree.Expression, depth: number): string | undefined {
    const inner = bare(node);
    if (inner.type === AST_NODE_TYPES.Literal) return inner.raw;
    if (inner.type !== AST_NODE_TYPES.BinaryExpression || !isArithmetic(inner.operator)) return this.pathOf(inner, depth);
    const left = inner.left.type === AST_NODE_TYPES.PrivateIdentifier ? undefined : this.numberOf(inner.left, depth);
    const right = this.numberOf(inner.right, depth);
    return left === undefined || right === undefined ? undefined : `(${left} ${inner.operator} ${right})`;
  }

  /** The path of what a constant was given, if neither can become something else: `const same = ptep`, `const { ptep } = fault`. */
  private standsFor(node: TSESTree.Identifier, depth: number): string | undefined {
    const variable = ASTUtils.findVariable(this.sourceCode.getScope(node), node);
    const definition = variable?.defs[0]?.node;
    if (definition?.type !== AST_NODE_TYPES.VariableDeclarator || definition.init === null || definition.parent.kind !== 'const') return undefined;
    if (definition.id.type === AST_NODE_TYPES.Identifier) return this.isFixed(definition.init) ? this.pathOf(definition.init, depth + 1) : undefined;
    if (definition.id.type !== AST_NODE_TYPES.ObjectPattern || !this.isFixed(definition.init)) return undefined;
    const property = definition.id.properties.find((one) => one.type === AST_NODE_TYPES.Property && one.value.type === AST_NODE_TYPES.Identifier && one.value.name === node.name);
    if (property?.type !== AST_NODE_TYPES.Property || property.computed || property.key.type !== AST_NODE_TYPES.Identifier) return undefined;
    const object = this.pathOf(definition.init, depth + 1);
    const field = this.types.types.checker.getPropertyOfType(this.types.typeOf(definition.init), property.key.name);
    if (object === undefined || field === undefined) return undefined;
    return this.isReadonly(field) ? `${object}.${property.key.name}` : undefined;
  }

  /** Whether an expression is a variable that is given a value once, or a readonly field of one. */
  private isFixed(node: TSESTree.Expression): boolean {
    const inner = bare(node);
    if (inner.type === AST_NODE_TYPES.Identifier) {
      const variable = ASTUtils.findVariable(this.sourceCode.getScope(inner), inner);
      return variable?.references.every((reference) => !reference.isWrite() || reference.init === true) === true;
    }
    if (inner.type === AST_NODE_TYPES.ThisExpression) return true;
    if (inner.type !== AST_NODE_TYPES.MemberExpression || inner.computed || !this.isFixed(inner.object)) return false;
    const symbol = this.types.symbolOf(inner.property);
    return symbol !== undefined && this.isReadonly(symbol);
  }

  /** Whether all that a getter returns is one readonly field of its object: `get ptep() { return this.first; }`. */
  private givesSame(symbol: ts.Symbol): boolean {
    const getters = (symbol.declarations ?? []).filter((declaration) => !ts.isSetAccessor(declaration));
    return getters.length > 0 && getters.every((getter) => {
      if (!ts.isGetAccessor(getter) || getter.body === undefined) return false;
      const returned: (ts.Expression | undefined)[] = [];
      const visit = (node: ts.Node): void => {
        if (ts.isReturnStatement(node)) returned.push(node.expression);
        else if (!ts.isFunctionLike(node)) ts.forEachChild(node, visit);
      };
      visit(getter.body);
      const fields = new Set(returned.map((one) => (one !== undefined && ts.isPropertyAccessExpression(one) && one.expression.kind === ts.SyntaxKind.ThisKeyword ? this.types.types.checker.getSymbolAtLocation(one.name) : undefined)));
      return fields.size === 1 && [...fields].every((field) => field !== undefined && this.isReadonly(field));
    });
  }

  private isReadonly(symbol: ts.Symbol): boolean {
    return (symbol.flags & ts.SymbolFlags.GetAccessor) === 0 && (symbol.declarations ?? []).some((declaration) => (ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Readonly) !== 0);
  }

  /** Which architecture a read asks: handles of two of them that look alike are of two tables. */
  archOf(node: TSESTree.CallExpression): string {
    const callee = bare(node.callee);
    const [first] = node.arguments;
    let arch: TSESTree.Node | undefined = first;
    if (callee.type === AST_NODE_TYPES.MemberExpression && this.isOps(callee.object)) {
      const path = this.archOfOps(callee.object);
      if (path !== undefined) return path;
      arch = callee.object;
    } else if (first === undefined || this.types.handleOf(first) !== undefined) return callee.type === AST_NODE_TYPES.Identifier ? this.takenFrom(callee) : '';
    return arch === undefined ? '' : (this.pathOf(arch) ?? this.sourceCode.getText(arch));
  }

  /** The architecture that a method of its accessors was taken from, which has a name of its own here: `const { get } = arch.ops.pte`. A function that the settings name has no such place. */
  private takenFrom(callee: TSESTree.Identifier): string {
    const { get, getOnce } = this.types.settings.accessors;
    if (get.has(callee.name) || getOnce.has(callee.name)) return '';
    const name = ASTUtils.findVariable(this.sourceCode.getScope(callee), callee)?.defs[0]?.name;
    const pattern = name?.parent.parent;
    // What is taken apart together is of one architecture.
    if (pattern?.type !== AST_NODE_TYPES.ObjectPattern) return stablePath(this.types, callee) ?? '';
    const { parent } = pattern;
    const whole = parent.type === AST_NODE_TYPES.VariableDeclarator && parent.init !== null && this.isOps(parent.init) ? this.archOfOps(parent.init) : undefined;
    return whole ?? `{${pattern.range[0]}}`;
  }
}

/** The functions of core that step from one entry of a table to another. */
const STEP = /^hw(Pte|Pmd|Pud|P4d|Pgd)(Next|Advance)$/;
/** How far constants are followed to what they stand for. */
const MAX_DEPTH = 4;
