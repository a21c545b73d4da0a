import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import { calledName, entryRead, type EntryRead } from '../../accessors.js';
import type { Subject } from '../../subject.js';
import type { Typed } from '../../typed.js';

/** Whether two reads are made to compare them. */
export class Comparisons {
  private readonly types: Typed;
  private readonly sourceCode: Subject['sourceCode'];

  constructor({ sourceCode, types }: Subject) {
    this.types = types;
    this.sourceCode = sourceCode;
  }

  /** Whether a value is compared with another, to see whether the entry is still what it was: `pte_same` after a lockless read. */
  isCompared({ node }: EntryRead, earlier: EntryRead): boolean {
    const { parent } = node;
    if (this.comparedWith(node).some((other) => !this.isEmpty(other) && this.types.types.value(this.types.typeOf(other)) !== undefined)) return true;
    // Put into a variable first: const now = ptepGetOnce(arch, ptep); if (now !== pte) ...
    const before = this.variableOf(earlier.node);
    const variable = parent.type === AST_NODE_TYPES.VariableDeclarator ? this.variableOf(node) : null;
    if (variable === null) return false;
    const isEarlier = (other: TSESTree.Node): boolean => other.type === AST_NODE_TYPES.Identifier && (before?.references.some((reference) => reference.identifier === other) === true || this.hasRead(other));
    return variable.references.some(({ identifier }) => this.comparedWith(identifier).some(isEarlier));
  }

  /** Whether a variable is declared with a read: const pte = ptepGet(arch, ptep). */
  private hasRead(node: TSESTree.Identifier): boolean {
    const declaration = ASTUtils.findVariable(this.sourceCode.getScope(node), node)?.defs[0]?.node;
    return declaration?.type === AST_NODE_TYPES.VariableDeclarator && declaration.init?.type === AST_NODE_TYPES.CallExpression && entryRead(this.types, declaration.init) !== undefined;
  }

  /** What a value is asked to be the same as where it stands. */
  private comparedWith(node: TSESTree.Node): readonly TSESTree.Node[] {
    const { parent } = node;
    // Which bits are others now: before ^ ptepGetOnce(arch, ptep).
    if (parent?.type === AST_NODE_TYPES.BinaryExpression && /^([!=]==?|\^)$/.test(parent.operator)) return [parent.left === node ? parent.right : parent.left];
    if (parent?.type === AST_NODE_TYPES.SwitchCase && parent.test === node) return [parent.parent.discriminant];
    if (parent?.type === AST_NODE_TYPES.SwitchStatement && parent.discriminant === node) return parent.cases.flatMap(({ test }) => (test === null ? [] : [test]));
    if (parent?.type !== AST_NODE_TYPES.CallExpression) return [];
    const name = calledName(parent);
    const outer = parent.parent.type === AST_NODE_TYPES.MemberExpression && parent.parent.object === parent ? parent.parent.parent : undefined;
    // expect(ptepGetOnce(arch, ptep)).toBe(before)
    if (name?.name === 'expect' && outer?.type === AST_NODE_TYPES.CallExpression && outer.callee === parent.parent) return /^to(Be|Equal|StrictEqual)$/.test(calledName(outer)?.name ?? '') ? outer.arguments : [];
    if (name?.name === 'is' && name.parent.type === AST_NODE_TYPES.MemberExpression && name.parent.object.type === AST_NODE_TYPES.Identifier && name.parent.object.name === 'Object') return parent.arguments.filter((argument) => argument !== node);
    const symbol = name === undefined ? undefined : this.types.symbolOf(name);
    const original = symbol === undefined ? name?.name : this.types.types.resolved(symbol).name;
    return original !== undefined && /((^s|S)ame|(^e|E)quals?)$/.test(original) ? parent.arguments.filter((argument) => argument !== node) : [];
  }

  /** `arch.values.pte.empty`: whether an entry is empty is no question of what it was before. */
  private isEmpty(node: TSESTree.Node): boolean {
    return node.type === AST_NODE_TYPES.MemberExpression && node.property.type === AST_NODE_TYPES.Identifier && node.property.name === 'empty';
  }

  /** The variable that a read was put into. */
  private variableOf(node: TSESTree.Node): TSESLint.Scope.Variable | null {
    const { parent } = node;
    const target = parent?.type === AST_NODE_TYPES.VariableDeclarator ? parent.id : parent?.type === AST_NODE_TYPES.AssignmentExpression && parent.right === node ? parent.left : undefined;
    return target?.type === AST_NODE_TYPES.Identifier ? ASTUtils.findVariable(this.sourceCode.getScope(target), target) : null;
  }
}
