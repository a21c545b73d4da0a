import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { PRIMITIVE, UNSAID, type Types } from './types/types.js';

/** What an expression may be. */
export const May = {
  Handle: 1,
  Value: 2,
  Any: 4,
  /** Zero, and nothing else. */
  Zero: 8,
  Text: 16,
  /** No primitive: what passes a test is one of these. */
  Object: 32,
} as const;

/** Of what nothing is known. */
export const ANYTHING = -1;

/** What an expression may be by its kind alone, of which nothing has to be remembered; undefined where that says nothing. */
export function possibleByKind(node: TSESTree.Node): number | undefined {
  switch (node.type) {
    case AST_NODE_TYPES.Literal:
      return typeof node.value === 'string' ? May.Text : node.value === 0 || node.value === 0n ? May.Zero : 0;
    case AST_NODE_TYPES.TemplateLiteral:
      return May.Text;
    case AST_NODE_TYPES.ObjectExpression:
      return node.properties.length === 0 ? 0 : May.Object;
    case AST_NODE_TYPES.ArrowFunctionExpression:
    case AST_NODE_TYPES.FunctionExpression:
    case AST_NODE_TYPES.ClassExpression:
    case AST_NODE_TYPES.ImportExpression:
    case AST_NODE_TYPES.MetaProperty:
    case AST_NODE_TYPES.Super:
      return May.Object;
    case AST_NODE_TYPES.BinaryExpression:
      return node.operator === '+' ? undefined : 0;
    case AST_NODE_TYPES.UnaryExpression:
      return node.operator === 'typeof' ? May.Text : 0;
    case AST_NODE_TYPES.UpdateExpression:
      return 0;
    default:
      return undefined;
  }
}

/** What something of a type may be. */
export function possibleByType(types: Types, type: ts.Type): number {
  const { flags } = type;
  if ((flags & UNSAID) !== 0) return ANYTHING;
  if (type.isUnion()) return type.types.reduce((all, member) => all | possibleByType(types, member), 0);
  if ((flags & PRIMITIVE) !== 0) return (flags & ts.TypeFlags.StringLike) !== 0 ? May.Text : isZeroType(type) ? May.Zero : 0;
  const isOpen = (flags & ts.TypeFlags.Instantiable) !== 0 ? May.Text | May.Zero : 0;
  return May.Object | isOpen | (types.handle(type) === undefined ? 0 : May.Handle) | (types.value(type) === undefined ? 0 : May.Value);
}

/** Whether a type is that of zero alone. */
export function isZeroType(type: ts.Type): boolean {
  if (type.isNumberLiteral()) return type.value === 0;
  return (type.flags & ts.TypeFlags.BigIntLiteral) !== 0 && (type as ts.BigIntLiteralType).value.base10Value === '0';
}
