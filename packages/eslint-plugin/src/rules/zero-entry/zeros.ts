import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { bare } from '../../ast.js';
import type { Typed } from '../../typed.js';

/** What is zero in a file. */
export class Zeros {
  private readonly types: Typed;

  constructor(types: Typed) {
    this.types = types;
  }

  /** Zero, literally or by a constant that is nothing else. */
  isZero(node: TSESTree.Node, byType = (one: TSESTree.Node) => this.types.isZero(one)): boolean {
    const inner = bare(node as TSESTree.Expression);
    if (inner.type === AST_NODE_TYPES.CallExpression && inner.callee.type === AST_NODE_TYPES.Identifier && (inner.callee.name === 'BigInt' || inner.callee.name === 'Number')) {
      return inner.arguments.length === 1 && (this.isZero(inner.arguments[0]!, byType) || isZeroText(inner.arguments[0]!));
    }
    if (inner.type === AST_NODE_TYPES.UnaryExpression && (inner.operator === '-' || inner.operator === '+')) return this.isZero(inner.argument, byType);
    if (inner.type === AST_NODE_TYPES.Literal) return inner.value === 0 || inner.value === 0n;
    if (byType(inner)) return true;
    // const NONE: bigint = 0n, and static readonly NONE: bigint = 0n. One that is cast to an entry is reported where it is.
    const constant = this.types.valueOf(inner) === undefined ? this.constantOf(inner) : undefined;
    return constant !== undefined && isZeroLiteral(constant);
  }

  mayBeZero(node: TSESTree.Node): boolean {
    return this.types.mayBeZero(node);
  }

  /** What a constant or a readonly field of any file begins with, and stays. */
  private constantOf(node: TSESTree.Node): ts.Expression | undefined {
    const name = node.type === AST_NODE_TYPES.MemberExpression && !node.computed ? node.property : node;
    if (name.type !== AST_NODE_TYPES.Identifier) return undefined;
    const symbol = this.types.symbolOf(name);
    const declaration = symbol === undefined ? undefined : this.types.types.resolved(symbol).valueDeclaration;
    if (declaration === undefined) return undefined;
    if (ts.isVariableDeclaration(declaration)) return (ts.getCombinedNodeFlags(declaration) & ts.NodeFlags.Const) === 0 ? undefined : declaration.initializer;
    const isStaticReadonly = ts.ModifierFlags.Static | ts.ModifierFlags.Readonly;
    return ts.isPropertyDeclaration(declaration) && (ts.getCombinedModifierFlags(declaration) & isStaticReadonly) === isStaticReadonly ? declaration.initializer : undefined;
  }
}

/** What `BigInt` makes a zero of: `'0'`, `'0x0'`. */
function isZeroText(node: TSESTree.Node): boolean {
  return node.type === AST_NODE_TYPES.Literal && typeof node.value === 'string' && /^0(x0+)?$/i.test(node.value);
}

function isZeroLiteral(node: ts.Expression): boolean {
  if (ts.isParenthesizedExpression(node) || ts.isSatisfiesExpression(node)) return isZeroLiteral(node.expression);
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken) return isZeroLiteral(node.operand);
  if (ts.isCallExpression(node)) return ts.isIdentifier(node.expression) && node.expression.text === 'BigInt' && node.arguments.length === 1 && isZeroLiteral(node.arguments[0]!);
  if (ts.isBigIntLiteral(node)) return /^0(x0+|o0+|b0+)?n$/i.test(node.text);
  return ts.isNumericLiteral(node) && Number(node.text) === 0;
}
