import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import { calledName } from '../../accessors.js';
import { bare } from '../../ast.js';

/** What a zero is where it is printed: `0`, `0x0`, sixteen zeros. */
const ZERO = /^(?:0[xob])?0+n?$/i;

/** Whether an expression is the text of a zero: `'0'`. */
export function isZeroText(node: TSESTree.Node): boolean {
  const inner = bare(node as TSESTree.Expression);
  if (inner.type === AST_NODE_TYPES.Literal) return typeof inner.value === 'string' && ZERO.test(inner.value);
  return inner.type === AST_NODE_TYPES.TemplateLiteral && inner.expressions.length === 0 && ZERO.test(inner.quasis[0]?.value.cooked ?? '');
}

/** What an expression prints as a number, and nothing beside it: `pte` of `pte.toString(16)`, of `String(pte)`, and of a template with `0x` before it. */
export function printed(node: TSESTree.Node): TSESTree.Expression | undefined {
  const inner = bare(node as TSESTree.Expression);
  if (inner.type === AST_NODE_TYPES.TemplateLiteral) {
    const [before, after] = inner.quasis;
    const [value] = inner.expressions;
    if (value === undefined || inner.expressions.length > 1 || !/^(?:0[xob])?$/i.test(before?.value.raw ?? '') || after?.value.raw !== '') return undefined;
    return printed(value) ?? value;
  }
  if (inner.type !== AST_NODE_TYPES.CallExpression) return undefined;
  const callee = bare(inner.callee);
  const name = calledName(inner)?.name;
  if (callee.type === AST_NODE_TYPES.MemberExpression) {
    if (name === 'toString') return callee.object;
    return name === 'padStart' ? printed(callee.object) : undefined;
  }
  const [first] = inner.arguments;
  return name === 'String' && first !== undefined && first.type !== AST_NODE_TYPES.SpreadElement ? (printed(first) ?? first) : undefined;
}
