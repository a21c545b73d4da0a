import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import { entryRead, type EntryRead } from '../accessors.js';
import { createRule } from '../create-rule.js';
import { inOneGo, type Visitor } from '../in-one-go.js';
import type { Subject } from '../subject.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';
import { findTwice, type Twice } from './double-get/walk.js';
import { wrappedRead } from './double-get/wrapped.js';

const MESSAGES = {
  ...NO_TYPES,
  twice: 'This {{level}} entry was read in line {{line}} already, and it may have changed since: the two values need not agree. Read it once, and pass the value on.',
  useValue: 'Use {{name}}, which was read in line {{line}}.',
} as const;

type Messages = keyof typeof MESSAGES;
type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;

/**
 * One decision made of two reads of an entry, between which the hardware or another processor may change it. A second read is meant where something stands
 * between the two: a write, a lock, the next turn of a loop, a wait, or a call that may do any of these; or where the two values are compared.
 */
export const noDoubleGet = createRule<Messages>({
  name: 'no-double-get',
  meta: {
    type: 'problem',
    docs: { description: 'An entry is read once, and its value passed on', config: 'strict', typed: true },
    hasSuggestions: true,
    messages: MESSAGES,
  },
  create(context) {
    const types = typed(context);
    return types === undefined ? {} : inOneGo(context.sourceCode, new DoubleGets(context, types));
  },
});

/** The reads of entries in one file, by function. */
class DoubleGets implements Visitor {
  private readonly context: Context;
  private readonly subject: Subject;
  private readonly reads = new Map<TSESTree.Node, number>();

  constructor(context: Context, types: Typed) {
    this.context = context;
    this.subject = { sourceCode: context.sourceCode, types };
  }

  CallExpression(node: TSESTree.CallExpression): void {
    if (entryRead(this.subject.types, node) === undefined && wrappedRead(this.subject, node) === undefined) return;
    let around: TSESTree.Node = node;
    while (around.type !== AST_NODE_TYPES.Program && around.type !== AST_NODE_TYPES.StaticBlock && !ASTUtils.isFunction(around)) around = around.parent!;
    const count = (this.reads.get(around) ?? 0) + 1;
    this.reads.set(around, count);
    // Only functions that read twice are gone through: most read nothing.
    if (count === 2) for (const twice of findTwice(this.subject, ASTUtils.isFunction(around) ? around.body : around)) report(this.context, twice);
  }
}

function report(context: Context, { read, earlier }: Twice): void {
  const line = String(earlier.node.loc.start.line);
  const data = { level: read.level ?? 'page-table', line };
  const holder = earlier.way === read.way ? holderOf(earlier) : undefined;
  const isThere = holder !== undefined && isVisible(context, holder, read.node) && context.sourceCode.getCommentsInside(read.node).length === 0;
  context.report({
    node: read.node,
    messageId: 'twice',
    data,
    suggest: isThere ? [{ messageId: 'useValue', data: { name: holder.name, line }, fix: (fixer) => fixer.replaceText(read.node, holder.name) }] : [],
  });
}

/** The constant that the first read was put into. */
function holderOf({ node }: EntryRead): TSESTree.Identifier | undefined {
  const { parent } = node;
  const isConstant = parent.type === AST_NODE_TYPES.VariableDeclarator && parent.init === node && parent.parent.kind === 'const';
  return isConstant && parent.id.type === AST_NODE_TYPES.Identifier ? parent.id : undefined;
}

function isVisible({ sourceCode }: Context, holder: TSESTree.Identifier, at: TSESTree.Node): boolean {
  for (let scope: TSESLint.Scope.Scope | null = sourceCode.getScope(at); scope !== null; scope = scope.upper) {
    const variable = scope.set.get(holder.name);
    if (variable !== undefined) return variable.identifiers.includes(holder);
  }
  return false;
}
