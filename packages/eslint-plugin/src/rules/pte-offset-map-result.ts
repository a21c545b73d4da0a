import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { createRule } from '../create-rule.js';
import { inOneGo, type Visitor } from '../in-one-go.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';
import type { Finding } from './pte-offset-map/findings.js';
import { mapNames, MapNames } from './pte-offset-map/names.js';
import { findPaths } from './pte-offset-map/paths.js';
import { Subject } from './pte-offset-map/subject.js';

const MESSAGES = {
  ...NO_TYPES,
  unchecked: '{{name}} may give nothing, and nobody looked whether it did before it is used here. Compare it with undefined first, and try again or leave.',
  dropped: '{{name}} maps a table and may lock it, and nobody can give back what is thrown away here. Keep the result, and unmap it.',
  notUnmapped: 'What {{name}} gives is not unmapped on the way that ends at line {{line}}. Unmap it on every way out, or declare it with `using`.',
  usedAfterUnmap: 'What {{name}} gave has been unmapped before it is used here: the table may be gone. Use it before, or map it again.',
  unmappedTwice: 'What {{name}} gave has been unmapped already on a way that leads here. Unmap it once on each way.',
} as const;

type Messages = keyof typeof MESSAGES;
type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;

/**
 * A mapped table is something that is held: it may not be had, and it must be given back. Each function that maps one is gone through way by way, and on each
 * way it is known whether the table was there, and whether it was given back, or passed on to somebody else.
 */
export const pteOffsetMapResult = createRule<Messages>({
  name: 'pte-offset-map-result',
  meta: {
    type: 'problem',
    docs: { description: 'What pteOffsetMap and its siblings return is looked at before it is used, and unmapped once on every way', config: 'recommended', typed: true },
    messages: MESSAGES,
  },
  create(context) {
    const types = typed(context, { inArchitecture: true, names: mapNames });
    if (types === undefined) return {};
    const maps = new Maps(context, types);
    return {
      ...inOneGo(context.sourceCode, maps),
      'Program:exit'() {
        maps.check();
      },
    };
  },
});

/** The functions of one file that map tables. */
class Maps implements Visitor {
  private readonly context: Context;
  private readonly types: Typed;
  private readonly names: MapNames;
  private readonly byFunction = new Map<TSESTree.Node, TSESTree.CallExpression[]>();

  constructor(context: Context, types: Typed) {
    this.context = context;
    this.types = types;
    this.names = new MapNames(types);
  }

  CallExpression(node: TSESTree.CallExpression): void {
    if (!this.names.isMap(node) || !mayBeMapped(this.types.typeOf(node))) return;
    const made = functionOf(node);
    this.byFunction.set(made, [...(this.byFunction.get(made) ?? []), node]);
  }

  check(): void {
    for (const [made, calls] of this.byFunction) {
      for (const { kind, node, call, line } of findPaths(new Subject(this.context, this.types, this.names, made, calls))) {
        this.context.report({ node, messageId: kind satisfies Finding['kind'], data: { name: this.names.nameOf(call) ?? 'this call', line: String(line) } });
      }
    }
  }
}

/** Whether a type may be that of a mapped table: texts and nothing at all are none. */
function mayBeMapped(type: ts.Type): boolean {
  return (type.flags & (ts.TypeFlags.StringLike | ts.TypeFlags.BooleanLike | ts.TypeFlags.Void | ts.TypeFlags.Undefined)) === 0;
}

/** The function, or what else is run from its beginning to its end, in which something stands: the module, a namespace, a static block, the value of a field. */
function functionOf(node: TSESTree.Node): TSESTree.Node {
  let at = node;
  while (at.type !== AST_NODE_TYPES.Program) {
    at = at.parent!;
    if (ASTUtils.isFunction(at) || OTHERS.has(at.type)) return at;
  }
  return at;
}

const OTHERS: ReadonlySet<AST_NODE_TYPES> = new Set([AST_NODE_TYPES.StaticBlock, AST_NODE_TYPES.TSModuleBlock, AST_NODE_TYPES.PropertyDefinition, AST_NODE_TYPES.AccessorProperty]);
