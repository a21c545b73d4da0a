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
    if (inner.type === AST_NODE_TYPES.BinaryExpression) return isCalculable(inner.left) && isCalculated(this.types.services.esTreeNodeToTSNodeMap.get(inner));
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

/** What a sum of literals may begin with. Most of what is compared begins with a name, and is none. */
function isCalculable(node: TSESTree.Node): boolean {
  return node.type === AST_NODE_TYPES.Literal || node.type === AST_NODE_TYPES.UnaryExpression || (node.type === AST_NODE_TYPES.BinaryExpression && isCalculable(node.left));
}

/** Whether a sum of literals is zero: `1n - 1n`. */
function isCalculated(node: ts.Expression): boolean {
  const value = calculated(node);
  return value !== undefined && value === 0n;
}

function calculated(node: ts.Expression): bigint | undefined {
  if (ts.isParenthesizedExpression(node)) return calculated(node.expression);
  if (ts.isBigIntLiteral(node)) return BigInt(node.text.slice(0, -1).replaceAll('_', ''));
  if (ts.isNumericLiteral(node)) return Number.isSafeInteger(Number(node.text)) ? BigInt(node.text) : undefined;
  if (ts.isPrefixUnaryExpression(node)) {
    const value = calculated(node.operand);
    if (value === undefined) return undefined;
    return node.operator === ts.SyntaxKind.MinusToken ? -value : node.operator === ts.SyntaxKind.TildeToken ? ~value : undefined;
  }
  const calculate = ts.isBinaryExpression(node) ? CALCULATIONS.get(node.operatorToken.kind) : undefined;
  if (!ts.isBinaryExpression(node) || calculate === undefined) return undefined;
  const left = calculated(node.left);
  const right = left === undefined ? undefined : calculated(node.right);
  return left === undefined || right === undefined ? undefined : calculate(left, right);
}

const CALCULATIONS: ReadonlyMap<ts.SyntaxKind, (left: bigint, right: bigint) => bigint | undefined> = new Map([
  [ts.SyntaxKind.PlusToken, (left: bigint, right: bigint) => left + right],
  [ts.SyntaxKind.MinusToken, (left: bigint, right: bigint) => left - right],
  [ts.SyntaxKind.AsteriskToken, (left: bigint, right: bigint) => left * right],
  [ts.SyntaxKind.AmpersandToken, (left: bigint, right: bigint) => left & right],
  [ts.SyntaxKind.BarToken, (left: bigint, right: bigint) => left | right],
  [ts.SyntaxKind.CaretToken, (left: bigint, right: bigint) => left ^ right],
  // Nobody shifts a constant by more than an entry has bits.
  [ts.SyntaxKind.LessThanLessThanToken, (left: bigint, right: bigint) => (right < 0n || right > 128n ? undefined : left << right)],
]);

function isZeroLiteral(node: ts.Expression): boolean {
  if (ts.isBinaryExpression(node)) return isCalculated(node);
  if (ts.isParenthesizedExpression(node) || ts.isSatisfiesExpression(node)) return isZeroLiteral(node.expression);
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken) return isZeroLiteral(node.operand);
  if (ts.isCallExpression(node)) return ts.isIdentifier(node.expression) && node.expression.text === 'BigInt' && node.arguments.length === 1 && isZeroLiteral(node.arguments[0]!);
  if (ts.isBigIntLiteral(node)) return /^0(x0+|o0+|b0+)?n$/i.test(node.text);
  return ts.isNumericLiteral(node) && Number(node.text) === 0;
}
