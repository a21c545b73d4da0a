import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import type { Typed } from '../../typed.js';
import type { MapNames } from './names.js';
import { isNullable, unionOf, type ResultTypes } from './result-types.js';
import type { Subject } from './subject.js';

/** What a mention of a mapped table does. */
export interface Use {
  /**
   * look: it is compared, or asked for something else than the entry. use: an accessor takes it. pass: somebody else has it from then on. unmap: it is
   * given back. bind: a variable has it. drop: it is thrown away.
   */
  readonly kind: 'look' | 'use' | 'pass' | 'unmap' | 'bind' | 'drop';
  /** Whether it goes there as though it had been looked at: by `!`, by a cast, or because nothing is not allowed there. */
  readonly assumed: boolean;
}

/** What each mention does with its table, by what stands around it. */
export class Uses {
  private readonly typed: Typed;
  private readonly names: MapNames;
  private readonly results: ResultTypes;
  private readonly known = new Map<TSESTree.Node, Use>();

  constructor({ typed, names, results }: Subject) {
    this.typed = typed;
    this.names = names;
    this.results = results;
  }

  of(node: TSESTree.Node): Use {
    const known = this.known.get(node);
    if (known !== undefined) return known;
    const use = this.follow(node, false, false);
    this.known.set(node, use);
    return use;
  }

  /** @param part whether it is a part of the result by now, and not all of it */
  private follow(node: TSESTree.Node, assumed: boolean, part: boolean): Use {
    const parent = node.parent;
    const end = (kind: Use['kind']): Use => ({ kind, assumed });
    switch (parent?.type) {
      case AST_NODE_TYPES.TSNonNullExpression:
        return this.follow(parent, assumed || this.results.isFallible(this.typed.typeOf(node)), part);
      case AST_NODE_TYPES.TSAsExpression:
      case AST_NODE_TYPES.TSTypeAssertion:
        return this.follow(parent, assumed || (this.results.isFallible(this.typed.typeOf(node)) && !this.results.isFallible(this.typed.typeOf(parent)) && !this.isConst(parent)), part);
      case AST_NODE_TYPES.TSSatisfiesExpression:
      case AST_NODE_TYPES.ChainExpression:
      case AST_NODE_TYPES.AwaitExpression:
        return this.follow(parent, assumed, part);
      case AST_NODE_TYPES.MemberExpression: {
        if (parent.object !== node) return end('use');
        const call = parent.parent;
        const isMissing = !parent.optional && unionOf(this.typed.typeOf(node)).some((one) => isNullable(one));
        if (call.type === AST_NODE_TYPES.CallExpression && call.callee === parent) {
          // `pteOffsetMap(pmdp).then((ptep) => ...)`: the callback has it.
          if (this.typed.types.container(this.typed.typeOf(node))?.name === 'Promise') return end('pass');
          if (this.results.isTakenOut(call)) return this.follow(call, true, true);
          if (this.isRelease(call, parent)) return { kind: 'unmap', assumed: assumed || isMissing };
          return this.typed.handleOf(call) === undefined ? { kind: this.isOfEntries(call) ? 'use' : 'look', assumed: assumed || isMissing } : this.follow(call, assumed || isMissing, true);
        }
        return this.typed.handleOf(parent) === undefined ? { kind: 'look', assumed } : this.follow(parent, assumed || isMissing, true);
      }
      case AST_NODE_TYPES.CallExpression: {
        if (parent.callee === node) return end('look');
        const refused = this.isRefused(node);
        if (this.names.isUnmap(parent)) return { kind: 'unmap', assumed: assumed || refused };
        if (!this.names.isAccessor(parent)) return { kind: part ? 'use' : 'pass', assumed: assumed || refused };
        if (this.names.isOnlyTold(parent)) return end('look');
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
      case AST_NODE_TYPES.AccessorProperty:
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

  /** Whether a call of what a result has gives it back: by its name, or, in a tuple, `mapped[1]()`, by what it is. */
  isRelease(call: TSESTree.CallExpression, callee: TSESTree.MemberExpression): boolean {
    if (this.names.isUnmapMethod(call) || this.names.isUnmap(call)) return true;
    return callee.computed && callee.property.type === AST_NODE_TYPES.Literal && typeof callee.property.value === 'number' && this.results.isRelease(this.typed.typeOf(callee));
  }

  /** Whether a method of a result reads or writes entries, by what it gives or takes: `mapped.get(3)`. */
  private isOfEntries(call: TSESTree.CallExpression): boolean {
    return [call, ...call.arguments].some((one) => this.typed.types.value(this.typed.typeOf(one)) !== undefined);
  }

  /** Whether nobody takes what an arrow function returns, as in `entries.forEach((pmdp) => ...)`. */
  private isVoidExpected(arrow: TSESTree.ArrowFunctionExpression): boolean {
    const expected = this.typed.types.checker.getContextualType(this.typed.services.esTreeNodeToTSNodeMap.get(arrow));
    const signatures = expected === undefined ? [] : this.typed.types.checker.getNonNullableType(expected).getCallSignatures();
    return signatures.length > 0 && signatures.every((signature) => (signature.getReturnType().flags & ts.TypeFlags.Void) !== 0);
  }

  private isConst(node: TSESTree.TSAsExpression | TSESTree.TSTypeAssertion): boolean {
    return node.typeAnnotation.type === AST_NODE_TYPES.TSTypeReference && node.typeAnnotation.typeName.type === AST_NODE_TYPES.Identifier && node.typeAnnotation.typeName.name === 'const';
  }

  /** Whether an argument may be nothing, and the parameter may not. */
  private isRefused(argument: TSESTree.Node): boolean {
    if (!unionOf(this.typed.typeOf(argument)).some((one) => isNullable(one))) return false;
    const expected = this.typed.types.checker.getContextualType(this.typed.services.esTreeNodeToTSNodeMap.get(argument) as ts.Expression);
    return expected !== undefined && (expected.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.TypeParameter)) === 0 && !unionOf(expected).some((one) => isNullable(one));
  }
}
