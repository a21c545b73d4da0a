import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import type { EntryRead } from '../../accessors.js';
import { bare } from '../../ast.js';
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

  /** The same by where a node stands. */
  private lockless(node: TSESTree.Node): string | undefined {
    if (this.locks.isUnderLock(node)) return undefined;
    const section = this.locks.sectionAround(node);
    if (section !== undefined) return section;
    const around = enclosing(node);
    if (around === undefined) return undefined;
    if (this.marks.isMarked(around)) return 'this function is marked @lockless';
    const walk = this.walks.walkOf(around);
    if (walk !== undefined) return runsAround(around) && this.locks.isUnderLockAround(around) ? undefined : walk;
    // A function that is written where it is used runs there, or is handed on: what holds around it holds in it.
    return runsAround(around) ? this.lockless(around) : undefined;
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
      const [, stepped] = inner.arguments;
      return STEP.test(name) && stepped !== undefined ? this.mappedBy(stepped, seen) : [name];
    }
    if (inner.type === AST_NODE_TYPES.MemberExpression) return this.mappedBy(inner.object, seen);
    const variable = inner.type === AST_NODE_TYPES.Identifier ? this.subject.variableOf(inner) : undefined;
    if (variable === undefined || variable.defs[0]?.node.type !== AST_NODE_TYPES.VariableDeclarator) return [''];
    if (seen.has(variable)) return [];
    seen.add(variable);
    return variable.references.flatMap((reference) => (reference.isWrite() ? (reference.writeExpr ? this.mappedBy(reference.writeExpr, seen) : ['']) : []));
  }
}

const STEP = /^hw(Pte|Pmd|Pud|P4d|Pgd)(Next|Advance)$/;
