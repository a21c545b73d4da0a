import { AST_NODE_TYPES, ASTUtils, TSESLint, type TSESTree } from '@typescript-eslint/utils';
import { ancestors, bare, isFunction, type FunctionNode } from '../../ast.js';
import type { Subject } from '../../subject.js';

/** The function of this file that an expression is, or that it has by its name. */
export function functionOf(node: TSESTree.Node, sourceCode: Subject['sourceCode']): FunctionNode | undefined {
  const inner = bare(node as TSESTree.Expression);
  if (isFunction(inner)) return inner;
  if (inner.type === AST_NODE_TYPES.MemberExpression) return ownMethod(inner);
  if (inner.type !== AST_NODE_TYPES.Identifier) return undefined;
  const variable = ASTUtils.findVariable(sourceCode.getScope(inner), inner);
  const definition = variable?.defs[0]?.node;
  // A parameter is defined by the function that takes it, and what is assigned to may be another by now.
  if (definition === undefined || variable?.defs[0]?.type === TSESLint.Scope.DefinitionType.Parameter || variable?.references.some((reference) => reference.isWrite() && reference.init !== true) === true) return undefined;
  if (isFunction(definition)) return definition;
  if (definition.type !== AST_NODE_TYPES.VariableDeclarator || definition.id.type !== AST_NODE_TYPES.Identifier || definition.init === null) return undefined;
  const init = bare(definition.init);
  return isFunction(init) ? init : undefined;
}

/** The private method of the class around that is called of `this`: no other class can have put another in its place. */
export function ownMethod({ object, property, computed }: TSESTree.MemberExpression): FunctionNode | undefined {
  if (object.type !== AST_NODE_TYPES.ThisExpression || computed) return undefined;
  for (const at of ancestors(object)) {
    // It has a this of its own.
    if (at.type === AST_NODE_TYPES.FunctionDeclaration || (at.type === AST_NODE_TYPES.FunctionExpression && at.parent.type !== AST_NODE_TYPES.MethodDefinition)) return undefined;
    if (at.type !== AST_NODE_TYPES.ClassBody) continue;
    for (const member of at.body) {
      if (member.type !== AST_NODE_TYPES.MethodDefinition || member.computed || member.kind !== 'method' || !isFunction(member.value)) continue;
      const isPrivate = member.key.type === AST_NODE_TYPES.PrivateIdentifier || (member.key.type === AST_NODE_TYPES.Identifier && member.accessibility === 'private');
      if (isPrivate && member.key.type === property.type && member.key.name === property.name) return member.value;
    }
    return undefined;
  }
  return undefined;
}
