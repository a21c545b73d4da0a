import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import type { EntryRead } from '../../accessors.js';
import { ancestors, bare, type FunctionNode } from '../../ast.js';
import { enclosing, runsAround } from './around.js';
import { NO_LOCK_MAP } from './lock-names.js';
import type { Locks } from './locks.js';
import { Marks } from './marks.js';
import type { Subject } from './subject.js';
import type { Walks } from './walks.js';

/** Why no lock is held where an entry is read. */
export class Reasons {
  private readonly subject: Subject;
  private readonly locks: Locks;
  private readonly walks: Walks;
  private readonly marks: Marks;

  constructor(subject: Subject, locks: Locks, walks: Walks) {
    this.subject = subject;
    this.locks = locks;
    this.walks = walks;
    this.marks = new Marks(subject);
  }

  /** Why no lock is held, in words; undefined if one may be. */
  of(read: EntryRead): string | undefined {
    return this.lockless(read.node) ?? this.mappedWithoutLock(read);
  }

  /** The same of what is handed on and will read there, by where that is. */
  at(node: TSESTree.Node): string | undefined {
    return this.lockless(node);
  }

  /** The same by where a node stands. @param seen functions that were asked about on the way here: they may call each other */
  private lockless(node: TSESTree.Node, seen: readonly TSESTree.Node[] = []): string | undefined {
    if (this.locks.isUnderLock(node)) return undefined;
    const section = this.locks.sectionAround(node);
    if (section !== undefined) return section;
    const around = enclosing(node);
    if (around === undefined) return undefined;
    if (this.marks.isMarked(around)) return 'this function is marked @lockless';
    const walk = this.walks.walkOf(around);
    if (walk !== undefined) return runsAround(around) && this.locks.isUnderLockAround(around) ? undefined : walk;
    if (seen.length > MAX_CALLS || seen.includes(around)) return undefined;
    const way = [...seen, around];
    const calls = this.callsOf(around);
    // A function of a function runs where that calls it.
    if (around.type === AST_NODE_TYPES.FunctionDeclaration) return everyOne(calls.map((call) => this.lockless(call, way)));
    if (calls.length > 0 && calls.every((call) => this.locks.isUnderLock(call))) return undefined;
    // A function that is written where it is used runs there, or is handed on: what holds around it holds in it.
    return runsAround(around) ? this.lockless(around, way) : undefined;
  }

  /** The calls of a function that is declared in another one, where nothing else is done with it; those that it makes of itself left out. */
  private callsOf(node: FunctionNode): readonly TSESTree.Node[] {
    const id = node.type === AST_NODE_TYPES.FunctionDeclaration ? node.id : node.parent.type === AST_NODE_TYPES.VariableDeclarator ? node.parent.id : null;
    if (id?.type !== AST_NODE_TYPES.Identifier || enclosing(node) === undefined) return [];
    const uses = (this.subject.variableOf(id)?.references ?? []).filter((reference) => reference.init !== true).map(({ identifier }) => identifier);
    const calls = uses.map(({ parent }, at) => (parent.type === AST_NODE_TYPES.CallExpression && parent.callee === uses[at] ? parent : undefined));
    return calls.some((call) => call === undefined) ? [] : calls.filter((call) => call !== undefined).filter((call) => ![...ancestors(call)].includes(node));
  }

  /** A handle of `pteOffsetMap` or its Nolock forms, which keep the table there and nothing else out. */
  private mappedWithoutLock({ handle, node }: EntryRead): string | undefined {
    if (this.locks.isUnderLockAround(node)) return undefined;
    const names = this.mappedBy(handle, new Set());
    return names.length > 0 && names.every((name) => NO_LOCK_MAP.test(name)) ? `${names[0]!} takes no lock` : undefined;
  }

  /** The functions that an expression's handle is from: what its variable was given, steps along the table left out. */
  private mappedBy(node: TSESTree.Node, seen: Set<TSESLint.Scope.Variable>): readonly string[] {
    const inner = bare(node as TSESTree.Expression);
    if (inner.type === AST_NODE_TYPES.CallExpression) {
      const name = this.subject.nameOf(inner);
      const [first, second] = inner.arguments;
      // A step along the table, by a function of core or by the accessors' own method.
      const stepped = STEP.test(name) ? second : name === 'advance' && inner.callee.type === AST_NODE_TYPES.MemberExpression ? first : undefined;
      return stepped === undefined ? [name] : this.mappedBy(stepped, seen);
    }
    // Where there is no table: const { ptep } = pteOffsetMapRwNolock(mm, pmdp, address) ?? {};
    if (inner.type === AST_NODE_TYPES.LogicalExpression && inner.operator !== '&&' && isNothing(inner.right)) return this.mappedBy(inner.left, seen);
    if (inner.type === AST_NODE_TYPES.MemberExpression) return this.mappedBy(inner.object, seen);
    const variable = inner.type === AST_NODE_TYPES.Identifier ? this.subject.variableOf(inner) : undefined;
    if (variable === undefined || variable.defs[0]?.node.type !== AST_NODE_TYPES.VariableDeclarator) return [''];
    if (seen.has(variable)) return [];
    seen.add(variable);
    return variable.references.flatMap((reference) => (reference.isWrite() ? (reference.writeExpr ? this.mappedBy(reference.writeExpr, seen) : ['']) : []));
  }
}

/** How many functions that call each other are followed: each may be called at several places. */
const MAX_CALLS = 4;

/** `{}`, `undefined`, `null`: what has no handle. */
function isNothing(node: TSESTree.Expression): boolean {
  if (node.type === AST_NODE_TYPES.ObjectExpression) return node.properties.length === 0;
  return node.type === AST_NODE_TYPES.Identifier ? node.name === 'undefined' : node.type === AST_NODE_TYPES.Literal && node.value === null;
}

/** The first of some reasons, if each is one. */
function everyOne(reasons: readonly (string | undefined)[]): string | undefined {
  return reasons.every((reason) => reason !== undefined) ? reasons[0] : undefined;
}

const STEP = /^hw(Pte|Pmd|Pud|P4d|Pgd)(Next|Advance)$/;
