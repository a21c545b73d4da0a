import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import type { FunctionNode } from '../../ast.js';
import { listed } from '../../listed.js';
import type { Typed } from '../../typed.js';
import { NO_LOCK, WRITE_LOCK } from './lock-names.js';
import type { Subject } from './subject.js';

/** Which functions are callbacks of page walks, and what locks these hold. */
export class Walks {
  private readonly subject: Subject;
  private readonly sourceCode: Subject['sourceCode'];
  private readonly types: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly toTs: Typed['services']['esTreeNodeToTSNodeMap'];

  constructor(subject: Subject) {
    this.subject = subject;
    this.sourceCode = subject.sourceCode;
    this.types = subject.types;
    this.checker = subject.types.types.checker;
    this.toTs = subject.types.services.esTreeNodeToTSNodeMap;
  }

  /** A walk without locks that a function is a callback of. */
  walkOf(node: FunctionNode): string | undefined {
    const { parent } = node;
    const named = node.type === AST_NODE_TYPES.FunctionDeclaration ? node : parent.type === AST_NODE_TYPES.VariableDeclarator ? parent : undefined;
    if (named !== undefined) {
      const uses = this.usesOf(named);
      return uses.length > 0 && uses.every((use) => this.isOfLocklessWalk(use)) ? NO_WALK_LOCK : undefined;
    }
    if (parent.type === AST_NODE_TYPES.MethodDefinition || parent.type === AST_NODE_TYPES.PropertyDefinition) {
      const says = parent.parent.body.find((one) => (one.type === AST_NODE_TYPES.PropertyDefinition || one.type === AST_NODE_TYPES.MethodDefinition) && ASTUtils.getPropertyName(one) === 'walkLock');
      const isOff = says === undefined ? this.modesElsewhere(parent.parent.parent).some((mode) => this.isNoLockType(mode)) : 'value' in says && says.value !== null && this.isNoLock(says.value);
      return isOff ? NO_WALK_LOCK : undefined;
    }
    return this.isOfLocklessWalk(node) ? NO_WALK_LOCK : undefined;
  }

  /** Whether a callback, or operations of a walk, are used by a walk that holds no lock. */
  private isOfLocklessWalk(node: TSESTree.Node): boolean {
    const property = node.parent;
    const object = property?.type === AST_NODE_TYPES.Property && property.value === node && property.parent.type === AST_NODE_TYPES.ObjectExpression ? property.parent : undefined;
    if (object === undefined) return this.isGivenToLockless(node);
    for (const one of object.properties) {
      if (one.type === AST_NODE_TYPES.Property && ASTUtils.getPropertyName(one) === 'walkLock') return this.isNoLock(one.value);
    }
    if (this.modesElsewhere(object).some((mode) => this.isNoLockType(mode))) return true;
    if (this.isGivenToLockless(object)) return true;
    // An ops object that is given to the walk by its name.
    let holder: TSESTree.Node = object.parent;
    while (holder.type === AST_NODE_TYPES.TSSatisfiesExpression || holder.type === AST_NODE_TYPES.TSAsExpression) holder = holder.parent;
    if (holder.type !== AST_NODE_TYPES.VariableDeclarator) return false;
    const uses = this.usesOf(holder);
    return uses.length > 0 && uses.every((use) => this.isGivenToLockless(use));
  }

  /** Whether a function is a callback of a walk that holds a lock for it: that of the address space for writing, or that of the table whose entries it is called for. */
  isOfLockedWalk(node: TSESTree.Node): boolean {
    const { parent } = node;
    const named = node.type === AST_NODE_TYPES.FunctionDeclaration ? node : parent?.type === AST_NODE_TYPES.VariableDeclarator ? parent : undefined;
    if (named !== undefined) {
      const uses = this.usesOf(named);
      return uses.length > 0 && uses.every((use) => use.parent?.type === AST_NODE_TYPES.Property && use.parent.value === use && this.isOfLockedWalk(use));
    }
    if (parent === undefined) return false;
    if (parent.type !== AST_NODE_TYPES.Property && parent.type !== AST_NODE_TYPES.MethodDefinition && parent.type !== AST_NODE_TYPES.PropertyDefinition) return false;
    const ops = parent.type === AST_NODE_TYPES.Property ? parent.parent : parent.parent.parent;
    if (ops.type === AST_NODE_TYPES.ObjectPattern) return false;
    const holds = (isWrite: boolean): boolean => /^pte(Entry|Range)$/.test(ASTUtils.getPropertyName(parent) ?? '') || isWrite;
    for (const one of ops.type === AST_NODE_TYPES.ObjectExpression ? ops.properties : ops.body.body) {
      if (one.type !== AST_NODE_TYPES.Property && one.type !== AST_NODE_TYPES.PropertyDefinition) continue;
      if (ASTUtils.getPropertyName(one) !== 'walkLock' || one.value === null || this.isNoLock(one.value)) continue;
      return holds(WRITE_LOCK.test(this.sourceCode.getText(one.value)));
    }
    return this.modesElsewhere(ops).some((mode) => this.isOne(mode) && !this.isNoLockType(mode) && holds(WRITE_LOCK.test(this.checker.typeToString(mode))));
  }

  /** The lock mode of operations that is not said among them: of the operations that they are spread from, or of the class that they extend. */
  private modesElsewhere(ops: TSESTree.ObjectExpression | TSESTree.ClassDeclaration | TSESTree.ClassExpression): readonly ts.Type[] {
    const node = this.toTs.get(ops);
    const from = ts.isClassLike(node)
      ? (node.heritageClauses ?? []).flatMap((clause) => clause.types)
      : (ops.type === AST_NODE_TYPES.ObjectExpression ? ops.properties : []).flatMap((one) => (one.type === AST_NODE_TYPES.SpreadElement ? [this.toTs.get(one.argument)] : []));
    return from.flatMap((one) => listed(this.checker.getTypeAtLocation(one).getProperty('walkLock'))).map((mode) => this.checker.getTypeOfSymbol(mode));
  }

  /** Where the function or variable that a node declares is used. */
  private usesOf(node: TSESTree.FunctionDeclaration | TSESTree.VariableDeclarator): readonly TSESTree.Node[] {
    const variables = (this.sourceCode as { getDeclaredVariables(node: TSESTree.Node): readonly TSESLint.Scope.Variable[] }).getDeclaredVariables(node);
    const own = variables.filter(({ defs }) => defs.some(({ name }) => name === node.id));
    return own.flatMap(({ references }) => references.filter((reference) => reference.isRead()).map(({ identifier }) => identifier));
  }

  /** Whether an expression is the mode without locks: as it is written, or by its type. */
  private isNoLock(node: TSESTree.Node): boolean {
    if (node.type === AST_NODE_TYPES.ConditionalExpression) return this.isNoLock(node.consequent) && this.isNoLock(node.alternate);
    return NO_LOCK.test(this.sourceCode.getText(node)) || this.isNoLockType(this.types.typeOf(node));
  }

  /** Whether an argument is the mode without locks: a member of the modes, or a text where nothing but modes is expected. */
  private isNoLockMode(argument: TSESTree.CallExpressionArgument): boolean {
    if (argument.type === AST_NODE_TYPES.MemberExpression) return this.isNoLock(argument);
    const isText = argument.type === AST_NODE_TYPES.Literal && typeof argument.value === 'string' && NO_LOCK.test(argument.value);
    if (!isText && argument.type !== AST_NODE_TYPES.Identifier) return false;
    const expected = this.checker.getContextualType(this.toTs.get(argument) as ts.Expression);
    const isMode = expected !== undefined && (expected.isUnion() ? expected.types : [expected]).every(({ flags }) => (flags & (ts.TypeFlags.Literal | ts.TypeFlags.EnumLiteral | ts.TypeFlags.Undefined)) !== 0);
    return isMode && (isText || this.isNoLockType(this.types.typeOf(argument)));
  }

  private isNoLockType(type: ts.Type): boolean {
    return this.isOne(type) && NO_LOCK.test(this.checker.typeToString(type));
  }

  /** Whether a type is of one mode alone. */
  private isOne(type: ts.Type): boolean {
    return !type.isUnion() && (type.flags & (ts.TypeFlags.Literal | ts.TypeFlags.EnumLiteral)) !== 0;
  }

  private isGivenToLockless(node: TSESTree.Node): boolean {
    const { parent } = node;
    if (parent?.type === AST_NODE_TYPES.TSSatisfiesExpression || parent?.type === AST_NODE_TYPES.TSAsExpression) return this.isGivenToLockless(parent);
    if (parent?.type !== AST_NODE_TYPES.CallExpression || !parent.arguments.some((argument) => argument === node)) return false;
    return /(Lockless|NoLock)$/.test(this.subject.nameOf(parent)) || parent.arguments.some((argument) => argument !== node && this.isNoLockMode(argument));
  }
}

const NO_WALK_LOCK = 'its walk holds no lock';
