import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import { isNullish } from './conditions.js';

/** What is known of something once a call returns. */
export interface Said {
  readonly of: TSESTree.Node;
  readonly is: 'something' | 'nothing';
}

/** What throws where nothing is there, and says so by its name alone: `assert.isDefined(ptep)`, `expect(ptep).toBeDefined()`. */
const SOMETHING = /^(?:isDefined|isNotNull|isNotUndefined|exists|isOk|toBeDefined|toBeTruthy)$/;
const NOTHING = /^(?:isUndefined|isNull|notExists|isNotOk|toBeUndefined|toBeNull|toBeNullable|toBeFalsy)$/;
/** What compares with what it is given: `assert.notEqual(ptep, undefined)`, `expect(ptep).not.toBe(undefined)`. */
const SAME = /^(?:equal|strictEqual|deepEqual|deepStrictEqual|toBe|toEqual|toStrictEqual)$/;
const DIFFERENT = /^not(?:Equal|StrictEqual|DeepEqual|DeepStrictEqual)$/;

/**
 * What an assertion of a test says of what it is given, in the words of Node and of the usual test runners. Their types say nothing of that, so who writes them goes on with `!`.
 */
export function saidByTest({ callee, arguments: [first, second] }: TSESTree.CallExpression): Said | undefined {
  if (callee.type !== AST_NODE_TYPES.MemberExpression || callee.property.type !== AST_NODE_TYPES.Identifier) return undefined;
  const { name } = callee.property;
  const expected = expectedIn(callee.object);
  const of = expected === undefined ? (isAssert(callee.object) ? first : undefined) : expected.of;
  const other = expected === undefined ? second : first;
  if (of === undefined) return undefined;
  const isSame = SAME.test(name);
  const isThere = SOMETHING.test(name) || (DIFFERENT.test(name) && other !== undefined && isNullish(other));
  if (!isThere && !NOTHING.test(name) && !(isSame && other !== undefined && isNullish(other))) return undefined;
  return { of, is: isThere === (expected?.isNot ?? false) ? 'nothing' : 'something' };
}

/** Whether a call is one that only looks at its argument: `expect(ptep)`, `assert.notEqual(ptep, undefined)`. */
export function isOfTest({ callee }: TSESTree.CallExpression): boolean {
  if (callee.type === AST_NODE_TYPES.Identifier) return callee.name === 'expect';
  return callee.type === AST_NODE_TYPES.MemberExpression && isAssert(callee.object);
}

/** `assert`, and `strict` of it. */
function isAssert(node: TSESTree.Node): boolean {
  return node.type === AST_NODE_TYPES.Identifier ? node.name === 'assert' : node.type === AST_NODE_TYPES.MemberExpression && isAssert(node.object);
}

/** What is looked at in `expect(ptep)` and `expect(ptep).not`. */
function expectedIn(node: TSESTree.Node): { readonly of: TSESTree.Node | undefined; readonly isNot: boolean } | undefined {
  if (node.type === AST_NODE_TYPES.MemberExpression) {
    const inner = expectedIn(node.object);
    return inner && { ...inner, isNot: node.property.type === AST_NODE_TYPES.Identifier && node.property.name === 'not' };
  }
  return node.type === AST_NODE_TYPES.CallExpression && node.callee.type === AST_NODE_TYPES.Identifier && node.callee.name === 'expect' ? { of: node.arguments[0], isNot: false } : undefined;
}
