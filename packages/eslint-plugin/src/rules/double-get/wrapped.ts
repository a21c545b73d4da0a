import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import { entryRead, type EntryRead } from '../../accessors.js';
import { bare, type FunctionNode } from '../../ast.js';
import type { Entries } from '../../entries.js';
import type { Subject } from '../../subject.js';
import { functionOf } from './functions.js';

/** A read that a function of this file makes for who calls it. */
export interface WrappedRead extends EntryRead {
  /** The architecture that the function asks; for one of its parameters, what that is given. */
  readonly arch: string | undefined;
}

/** What a call reads of a function of this file that does no more than read the entry it is given: `const load = (ptep: Handle) => ptepGetOnce(arch, ptep)`. */
export function wrappedRead({ sourceCode, types }: Subject, node: TSESTree.CallExpression, entries?: Entries): WrappedRead | undefined {
  if (!types.mayGiveHandle(node) || entryRead(types, node) !== undefined) return undefined;
  const made = functionOf(node.callee, sourceCode);
  const inner = made === undefined || made.async || made.generator ? undefined : onlyCall(made);
  const read = inner === undefined ? undefined : entryRead(types, inner);
  if (made === undefined || read === undefined) return undefined;
  const given = (part: TSESTree.Node): TSESTree.CallExpressionArgument | undefined => node.arguments[made.params.findIndex((one) => one.type === AST_NODE_TYPES.Identifier && one.name === nameOf(part))];
  const handle = given(read.handle);
  if (handle === undefined || node.arguments.some(({ type }) => type === AST_NODE_TYPES.SpreadElement) || handle.type === AST_NODE_TYPES.SpreadElement) return undefined;
  const [asked] = read.node.arguments;
  const arch = asked === undefined || asked === read.handle ? undefined : given(asked);
  return { ...read, node, handle, arch: arch === undefined ? entries?.archOf(read.node) : entries?.pathOf(arch) };
}

/** The call that is all that a function does. */
function onlyCall({ body }: FunctionNode): TSESTree.CallExpression | undefined {
  const [statement, ...more] = body.type === AST_NODE_TYPES.BlockStatement ? body.body : [];
  const returned = body.type !== AST_NODE_TYPES.BlockStatement ? body : statement?.type === AST_NODE_TYPES.ReturnStatement && more.length === 0 ? statement.argument : null;
  const inner = returned === null ? undefined : bare(returned);
  return inner?.type === AST_NODE_TYPES.CallExpression ? inner : undefined;
}

function nameOf(node: TSESTree.Node): string | undefined {
  return node.type === AST_NODE_TYPES.Identifier ? node.name : undefined;
}
