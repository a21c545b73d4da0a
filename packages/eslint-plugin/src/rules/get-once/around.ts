import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import { ancestors, isFunction, type FunctionNode } from '../../ast.js';

/** Whether a function may be taken to run where it is written: it has no name of its own, and is no member of a class. */
export function runsAround({ type, parent }: FunctionNode): boolean {
  return type !== AST_NODE_TYPES.FunctionDeclaration && parent.type !== AST_NODE_TYPES.MethodDefinition && parent.type !== AST_NODE_TYPES.PropertyDefinition;
}

/** The function that a node is in. */
export function enclosing(node: TSESTree.Node): FunctionNode | undefined {
  return [...ancestors(node)].find(isFunction);
}

/** The statements of a block, a module or a case, in their order; undefined for what has none. */
export function statementsOf(node: TSESTree.Node): readonly TSESTree.Node[] | undefined {
  if (node.type === AST_NODE_TYPES.BlockStatement || node.type === AST_NODE_TYPES.Program || node.type === AST_NODE_TYPES.StaticBlock) return node.body;
  return node.type === AST_NODE_TYPES.SwitchCase ? node.consequent : undefined;
}

/** Each node from this one outwards, with the one around it. */
export function steps(node: TSESTree.Node): (readonly [TSESTree.Node, TSESTree.Node])[] {
  const around = [...ancestors(node)];
  return [node, ...around].slice(0, around.length).map((at, index) => [at, around[index]!]);
}

/** The nodes around a node, up to the function that it is in. */
export function upTo(node: TSESTree.Node): readonly TSESTree.Node[] {
  const around = [...ancestors(node)];
  const end = around.findIndex(isFunction);
  return end < 0 ? around : around.slice(0, end);
}
