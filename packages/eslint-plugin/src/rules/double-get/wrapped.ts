import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import type ts from 'typescript';
import { entryRead, type EntryRead } from '../../accessors.js';
import { bare, type FunctionNode } from '../../ast.js';
import type { Entries } from '../../entries.js';
import type { Subject } from '../../subject.js';
import type { Typed } from '../../typed.js';
import { functionOf } from './functions.js';

/** A read that a function of this file makes for who calls it. */
export interface WrappedRead extends EntryRead {
  /** The architecture that the function asks; for one of its parameters, what that is given. */
  readonly arch: string | undefined;
}

/** What a call reads of a function of this file that does no more than read the entry it is given, or one around it: `const load = (ptep: Handle) => ptepGetOnce(arch, ptep)`. */
export function wrappedRead({ sourceCode, types }: Subject, node: TSESTree.CallExpression, entries?: Entries): WrappedRead | undefined {
  const callee = bare(node.callee);
  // Without arguments it is called by its name, or of `this`.
  const isOwn = callee.type === AST_NODE_TYPES.Identifier || (callee.type === AST_NODE_TYPES.MemberExpression && callee.object.type === AST_NODE_TYPES.ThisExpression);
  if (node.arguments.length === 0 ? !isOwn : !types.mayGiveHandle(node) || entryRead(types, node) !== undefined) return undefined;
  const ofWalk = walkRead(types, node, callee, entries);
  if (ofWalk !== undefined) return ofWalk;
  const made = functionOf(callee, sourceCode);
  const inner = made === undefined || made.async || made.generator ? undefined : onlyCall(made);
  const read = inner === undefined ? undefined : entryRead(types, inner);
  if (made === undefined || read === undefined) return undefined;
  const names = made.params.map(nameOf);
  /** What stands for a part of that call here: what a parameter is given, or the part itself, where it is from around the function. */
  const given = (part: TSESTree.Node): TSESTree.Node | undefined => {
    const at = names.indexOf(nameOf(rootOf(part)));
    return at < 0 ? part : nameOf(part) === undefined ? undefined : node.arguments[at];
  };
  const handle = given(read.handle);
  if (handle === undefined || names.includes(undefined) || node.arguments.some(({ type }) => type === AST_NODE_TYPES.SpreadElement)) return undefined;
  const [asked] = read.node.arguments;
  const arch = asked === undefined || asked === read.handle ? undefined : given(asked);
  // No spread stands here: it is an expression.
  return { ...read, node, handle: handle as TSESTree.Expression, arch: arch === undefined ? entries?.archOf(read.node) : entries?.pathOf(arch) };
}

/** `walk.read('pte', ptep)`: a read as the lock of the walk demands. */
function walkRead(types: Typed, node: TSESTree.CallExpression, callee: TSESTree.Node, entries: Entries | undefined): WrappedRead | undefined {
  const [, handle] = node.arguments;
  if (callee.type !== AST_NODE_TYPES.MemberExpression || callee.property.type !== AST_NODE_TYPES.Identifier || callee.property.name !== 'read' || handle === undefined || handle.type === AST_NODE_TYPES.SpreadElement) return undefined;
  if ((types.typeOf(callee.object).symbol as ts.Symbol | undefined)?.name !== 'PageWalk' || types.handleOf(handle) === undefined) return undefined;
  return { node, way: 'lockless', handle, level: types.handleOf(handle)?.level, name: callee.property, isFunction: false, arch: entries?.pathOf(callee.object) };
}

/** The call that is all that a function does. */
function onlyCall({ body }: FunctionNode): TSESTree.CallExpression | undefined {
  const [statement, ...more] = body.type === AST_NODE_TYPES.BlockStatement ? body.body : [];
  const returned = body.type !== AST_NODE_TYPES.BlockStatement ? body : statement?.type === AST_NODE_TYPES.ReturnStatement && more.length === 0 ? statement.argument : null;
  const inner = returned === null ? undefined : bare(returned);
  return inner?.type === AST_NODE_TYPES.CallExpression ? inner : undefined;
}

/** `fault` of `fault.ptep`. */
function rootOf(node: TSESTree.Node): TSESTree.Node {
  let at = node;
  while (at.type === AST_NODE_TYPES.MemberExpression) at = bare(at.object);
  return at;
}

function nameOf(node: TSESTree.Node): string | undefined {
  return node.type === AST_NODE_TYPES.Identifier ? node.name : undefined;
}
