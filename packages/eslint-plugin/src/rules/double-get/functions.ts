import { AST_NODE_TYPES, ASTUtils, TSESLint, type TSESTree } from '@typescript-eslint/utils';
import { bare, isFunction, type FunctionNode } from '../../ast.js';
import type { Subject } from '../../subject.js';

/** The function of this file that an expression is, or that it has by its name. */
export function functionOf(node: TSESTree.Node, sourceCode: Subject['sourceCode']): FunctionNode | undefined {
  const inner = bare(node as TSESTree.Expression);
  if (isFunction(inner)) return inner;
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
