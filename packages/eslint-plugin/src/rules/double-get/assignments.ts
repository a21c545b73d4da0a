import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { calledName, stablePath } from '../../accessors.js';
import { bare, children } from '../../ast.js';
import type { Subject } from '../../subject.js';
import type { Typed } from '../../typed.js';
import { functionOf } from './functions.js';

/** What is given to variables, fields and elements, and by whom. */
export class Assignments {
  private readonly types: Typed;
  private readonly sourceCode: Subject['sourceCode'];

  constructor({ sourceCode, types }: Subject) {
    this.types = types;
    this.sourceCode = sourceCode;
  }

  isSetter(node: TSESTree.Node): boolean {
    return node.type === AST_NODE_TYPES.MemberExpression && ((this.types.symbolOf(node.property)?.flags ?? 0) & ts.SymbolFlags.SetAccessor) !== 0;
  }

  /** What a function of this file, which is called or called back here, gives to variables that are not its own: `const skip = (n: number) => { ptep = hwPteAdvance(arch, ptep, n); }`. */
  *assignedBy(node: TSESTree.Node): Generator<TSESTree.Node, undefined> {
    const body = functionOf(node, this.sourceCode);
    if (body === undefined) return undefined;
    for (const reference of this.sourceCode.getScope(body).through) {
      let target: TSESTree.Identifier | TSESTree.JSXIdentifier | TSESTree.MemberExpression = reference.identifier;
      while (target.parent.type === AST_NODE_TYPES.MemberExpression && target.parent.object === target) target = target.parent;
      const { parent } = target;
      const isTarget = parent.type === AST_NODE_TYPES.UpdateExpression || (parent.type === AST_NODE_TYPES.AssignmentExpression && parent.left === target);
      if (isTarget || reference.isWrite()) yield target;
    }
    yield* this.fieldsGivenIn(body.body);
    return undefined;
  }

  /** The fields of `this` that a piece of code gives something: `this.ptep = hwPteNext(arch, this.ptep)`. */
  private *fieldsGivenIn(node: TSESTree.Node): Generator<TSESTree.Node, undefined> {
    const target = node.type === AST_NODE_TYPES.AssignmentExpression ? node.left : node.type === AST_NODE_TYPES.UpdateExpression ? node.argument : undefined;
    let root: TSESTree.Node | undefined = target;
    while (root?.type === AST_NODE_TYPES.MemberExpression) root = bare(root.object);
    if (target !== undefined && root?.type === AST_NODE_TYPES.ThisExpression) yield target;
    for (const child of children(node, this.sourceCode.visitorKeys)) yield* this.fieldsGivenIn(child);
    return undefined;
  }

  /** The path of a list whose elements are others after a call: `handles.reverse()`. */
  reorderedBy(node: TSESTree.CallExpression): string | undefined {
    const callee = bare(node.callee);
    if (callee.type !== AST_NODE_TYPES.MemberExpression || !/^(copyWithin|fill|pop|push|reverse|set|shift|sort|splice|unshift)$/.test(calledName(node)?.name ?? '')) return undefined;
    return stablePath(this.types, callee.object);
  }

  isList(node: TSESTree.Expression): boolean {
    const { checker } = this.types.types;
    const type = this.types.typeOf(node);
    return checker.isArrayType(type) || checker.isTupleType(type);
  }
}
