import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { isEntryWrite, stablePath, type EntryRead } from '../../accessors.js';
import { bare, children, type FunctionNode } from '../../ast.js';
import { Entries } from '../../entries.js';
import type { Typed } from '../../typed.js';
import { enclosing, upTo } from './around.js';
import type { Locks } from './locks.js';
import type { Subject } from './subject.js';
import type { Walks } from './walks.js';

/** Where an entry is written by what was read of it. */
export class Writes {
  private readonly subject: Subject;
  private readonly sourceCode: Subject['sourceCode'];
  private readonly types: Typed;
  private readonly entries: Entries;
  private readonly locks: Locks;
  private readonly walks: Walks;
  /** By function, where each field stands in it. */
  private readonly fieldsIn = new Map<TSESTree.Node, Map<string, readonly TSESTree.Node[]>>();

  constructor(subject: Subject, locks: Locks, walks: Walks) {
    this.subject = subject;
    this.sourceCode = subject.sourceCode;
    this.types = subject.types;
    this.entries = new Entries(subject);
    this.locks = locks;
    this.walks = walks;
  }

  /** The write of the same entry, by what was read, that follows in the same block or one inside of it with no lock taken on the way. */
  writeAfter(read: EntryRead): TSESTree.CallExpression | undefined {
    const around = enclosing(read.node);
    if (this.locks.isUnderLockAround(read.node) || (around !== undefined && this.walks.isOfLockedWalk(around))) return undefined;
    const path = this.entries.pathOf(read.handle);
    const write = path === undefined ? undefined : this.writtenFrom(read.node, path, around, new Set([read.node]));
    return write === undefined || this.isMoved(read, write) ? undefined : write;
  }

  /** Whether a handle is of another entry when the write comes: `ptep = hwPteNext(arch, ptep)`, or `i++` where it is `ptes[i]`. */
  private isMoved(read: EntryRead, write: TSESTree.CallExpression): boolean {
    return this.within(read.handle).some((at) => at.type === AST_NODE_TYPES.Identifier && (this.subject.variableOf(at)?.references ?? []).some((reference) => (
      reference.isWrite() && reference.identifier.range[0] > read.node.range[1] && reference.identifier.range[1] < write.range[0]
    )));
  }

  /** A node, and all nodes inside of it. */
  private within(node: TSESTree.Node): readonly TSESTree.Node[] {
    return [node, ...children(node, this.sourceCode.visitorKeys).flatMap((child) => this.within(child))];
  }

  /** The write of an entry that a value goes into: in the same expression, or through variables and fields. */
  private writtenFrom(node: TSESTree.Node, path: string, around: FunctionNode | undefined, seen: Set<TSESTree.Node>): TSESTree.CallExpression | undefined {
    // Written in one expression: setPte(arch, mm, address, ptep, pteMkdirty(arch, ptepGetOnce(arch, ptep))).
    const outwards = upTo(node);
    // What is only asked of a value is no part of what is written: pteYoung(arch, pte) ? young : old.
    const asked = outwards.findIndex((at, index) => at.type === AST_NODE_TYPES.ConditionalExpression && at.test === (outwards[index - 1] ?? node));
    const expression = asked < 0 ? outwards : outwards.slice(0, asked);
    const written = expression.find((at) => this.writes(at, path));
    if (written !== undefined) return this.locks.isUnderLock(written) ? undefined : written;
    const target = expression.find((at) => at.type === AST_NODE_TYPES.VariableDeclarator || at.type === AST_NODE_TYPES.AssignmentExpression || isStatement(at));
    const given = target?.type === AST_NODE_TYPES.VariableDeclarator ? target.id : target?.type === AST_NODE_TYPES.AssignmentExpression ? target.left : undefined;
    const part = given === undefined ? undefined : this.partFor(given, expression.slice(0, expression.findIndex((at) => at === target)), node);
    const id = part?.id;
    const holder = part === undefined || id === undefined || id === node ? undefined : id.type === AST_NODE_TYPES.Identifier && part.path === '' ? this.subject.variableOf(id) : this.pathTo(id, part.path);
    if (holder === undefined || id === undefined) return undefined;
    // What is only asked of a value is no part of it.
    const kept = this.types.typeOf(part?.kept ?? id);
    if (this.types.types.value(kept) === undefined && (kept.flags & ts.TypeFlags.BigIntLike) === 0) return undefined;
    for (const use of this.usesOfHolder(holder, around)) {
      if (use.range[0] < node.range[0] || seen.has(use) || enclosing(use) !== around || this.isAnother(holder, around, node, use)) continue;
      seen.add(use);
      const by = this.writtenFrom(use, path, around, seen);
      if (by !== undefined) return by;
    }
    return undefined;
  }

  /**
   * What gets a value that is a part of what is given: of `const { pte } = { pte: read() }` the variable, of `const fault = { pte: read() }` the field.
   *
   * @param outwards what is around the value in what is given
   */
  private partFor(given: TSESTree.Node, outwards: readonly TSESTree.Node[], value: TSESTree.Node): Part | undefined {
    let part: Part = { id: given, path: '', kept: undefined };
    for (const [index, at] of [...outwards.entries()].reverse()) {
      const inside = outwards[index - 1] ?? value;
      if (at.type === AST_NODE_TYPES.ArrayExpression) {
        const element = part.id.type === AST_NODE_TYPES.ArrayPattern && !at.elements.some((one) => one?.type === AST_NODE_TYPES.SpreadElement) ? part.id.elements[at.elements.findIndex((one) => one === inside)] : undefined;
        if (element === undefined || element === null) return undefined;
        part = { id: element, path: '', kept: undefined };
      } else if (at.type === AST_NODE_TYPES.Property && at.value === inside) {
        const name = ASTUtils.getPropertyName(at);
        if (name === null) return undefined;
        const { id } = part;
        if (id.type === AST_NODE_TYPES.ObjectPattern) {
          const property = id.properties.find((one) => one.type === AST_NODE_TYPES.Property && ASTUtils.getPropertyName(one) === name);
          if (property?.type !== AST_NODE_TYPES.Property) return undefined;
          part = { id: property.value, path: '', kept: undefined };
        } else part = { id, path: `${part.path}.${name}`, kept: at.value };
      } else if (at.type !== AST_NODE_TYPES.ObjectExpression && at.type !== AST_NODE_TYPES.TSAsExpression && at.type !== AST_NODE_TYPES.TSSatisfiesExpression) break;
    }
    return part;
  }

  /** The path of a part of a variable or a field. */
  private pathTo(id: TSESTree.Node, path: string): string | undefined {
    const whole = id.type === AST_NODE_TYPES.Identifier || id.type === AST_NODE_TYPES.MemberExpression ? stablePath(this.types, id) : undefined;
    return whole === undefined ? undefined : `${whole}${path}`;
  }

  /** Whether a variable or a field has been given something else before it is used, on every way there: `pte = pfnPte(arch, pfn, prot)`. */
  private isAnother(holder: TSESLint.Scope.Variable | string, around: FunctionNode | undefined, since: TSESTree.Node, use: TSESTree.Node): boolean {
    const targets = typeof holder === 'string' ? [...this.fieldsOf(holder, around), ...this.wholesOf(use, around)] : holder.references.map(({ identifier }) => identifier);
    return targets.some((target) => {
      const { parent } = target;
      if (!isTarget(target) || parent?.parent?.type !== AST_NODE_TYPES.ExpressionStatement) return false;
      return since.range[1] <= target.range[0] && parent.range[1] <= use.range[0] && isIn(use, parent.parent.parent);
    });
  }

  /** Where the objects stand that a field is of: `fault` of `fault.orig`. Who gives them something else gives it to the field. */
  private wholesOf(field: TSESTree.Node, around: FunctionNode | undefined): readonly TSESTree.Node[] {
    const whole = field.type === AST_NODE_TYPES.MemberExpression ? bare(field.object) : undefined;
    if (whole?.type === AST_NODE_TYPES.Identifier) return (this.subject.variableOf(whole)?.references ?? []).map(({ identifier }) => identifier);
    const path = whole?.type === AST_NODE_TYPES.MemberExpression ? stablePath(this.types, whole) : undefined;
    return whole === undefined || path === undefined ? [] : [...this.fieldsOf(path, around), ...this.wholesOf(whole, around)];
  }

  /** Where a field stands in a function, by its path. */
  private fieldsOf(path: string, around: FunctionNode | undefined): readonly TSESTree.Node[] {
    const body = around?.body ?? this.sourceCode.ast;
    let known = this.fieldsIn.get(body);
    if (known === undefined) {
      known = new Map();
      this.fieldsIn.set(body, known);
      for (const at of this.within(body)) {
        const field = at.type === AST_NODE_TYPES.MemberExpression ? stablePath(this.types, at) : undefined;
        if (field !== undefined) known.set(field, [...(known.get(field) ?? []), at]);
      }
    }
    return known.get(path) ?? [];
  }

  /** Where a variable, or a field by its path, is read: the field in one function only. */
  private usesOfHolder(holder: TSESLint.Scope.Variable | string, around: FunctionNode | undefined): readonly TSESTree.Node[] {
    if (typeof holder !== 'string') return holder.references.filter((reference) => reference.isRead()).map(({ identifier }) => identifier);
    return this.fieldsOf(holder, around).filter((at) => !isTarget(at));
  }

  private writes(node: TSESTree.Node, path: string): node is TSESTree.CallExpression {
    // Compared under the lock, or by the hardware, is no blind write.
    if (node.type !== AST_NODE_TYPES.CallExpression || !isEntryWrite(this.types, node) || COMPARES.test(this.subject.nameOf(node))) return false;
    return node.arguments.some((argument) => argument.type !== AST_NODE_TYPES.SpreadElement && this.types.handleOf(argument) !== undefined && this.entries.pathOf(argument) === path);
  }
}

/** What a value is put into: a variable or a field, or a part of one. */
interface Part {
  readonly id: TSESTree.Node;
  /** Where it is in that: `.pte` of `fault.pte`; empty where it is the whole. */
  readonly path: string;
  /** What the part is given, if it is one. */
  readonly kept: TSESTree.Node | undefined;
}

const COMPARES = /cmpxchg|compareExchange|compareAndSwap|tryUpdate/i;

/** Whether a node is inside of another. */
function isIn(node: TSESTree.Node, outer: TSESTree.Node): boolean {
  return node.range[0] >= outer.range[0] && node.range[1] <= outer.range[1];
}

/** Whether something is given a value, and not asked for its own. */
function isTarget(node: TSESTree.Node): boolean {
  return node.parent?.type === AST_NODE_TYPES.AssignmentExpression && node.parent.left === node && node.parent.operator === '=';
}

function isStatement(node: TSESTree.Node): boolean {
  return node.type.endsWith('Statement');
}
