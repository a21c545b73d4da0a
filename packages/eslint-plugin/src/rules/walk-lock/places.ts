import { AST_NODE_TYPES, ASTUtils, type TSESTree } from '@typescript-eslint/utils';
import { isConst } from '../../ast.js';

/** `Object.assign(...)` */
export function isAssign({ callee }: TSESTree.CallExpression): boolean {
  return callee.type === AST_NODE_TYPES.MemberExpression && callee.object.type === AST_NODE_TYPES.Identifier && callee.object.name === 'Object' && ASTUtils.getPropertyName(callee) === 'assign';
}

/** Whether an object is spread into another, on some condition or on none. */
export function isSpread({ parent }: TSESTree.Expression): boolean {
  if (parent.type === AST_NODE_TYPES.ConditionalExpression || parent.type === AST_NODE_TYPES.LogicalExpression || parent.type === AST_NODE_TYPES.TSAsExpression) return isSpread(parent);
  return parent.type === AST_NODE_TYPES.SpreadElement;
}

export function isCast({ type }: TSESTree.Node): boolean {
  return type === AST_NODE_TYPES.TSAsExpression || type === AST_NODE_TYPES.TSTypeAssertion;
}

/** Whether an object stands where nothing is expected: a variable without a type is given it, or a list or an object that it is in. */
export function isUnexpected({ parent }: TSESTree.Expression): boolean {
  if (parent.type === AST_NODE_TYPES.VariableDeclarator) return parent.id.type === AST_NODE_TYPES.Identifier && parent.id.typeAnnotation === undefined;
  if (parent.type === AST_NODE_TYPES.PropertyDefinition) return parent.typeAnnotation === undefined;
  if (parent.type === AST_NODE_TYPES.ArrayExpression || (parent.type === AST_NODE_TYPES.TSAsExpression && isConst(parent.typeAnnotation))) return isUnexpected(parent);
  return parent.type === AST_NODE_TYPES.Property && parent.parent.type === AST_NODE_TYPES.ObjectExpression && isUnexpected(parent.parent);
}
