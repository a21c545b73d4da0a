import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import type { Typed } from '../../typed.js';
import { Disguises } from './disguises.js';
import { Held } from './held.js';
import type { Problem } from './messages.js';

/** What is wrong with calls of generic functions: those that are casts in disguise. */
export class Generics {
  private readonly types: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly toTs: Typed['services']['esTreeNodeToTSNodeMap'];
  private readonly held: Held;
  private readonly disguises: Disguises;

  constructor(types: Typed) {
    this.types = types;
    this.checker = types.types.checker;
    this.toTs = types.services.esTreeNodeToTSNodeMap;
    this.held = Held.of(types.types);
    this.disguises = Disguises.of(types.types);
  }

  /** What is wrong with a call that is a cast in disguise. */
  genericOf(node: TSESTree.CallExpression): Problem | undefined {
    const to = this.types.is(node, this.held.isWithin) ? this.held.within(this.types.typeOf(node)) : undefined;
    if (to === undefined && saysWhat(node)) {
      const record = this.recordOf(node);
      if (record !== undefined) return record;
    }
    if (to === undefined && !this.types.mayGiveHandle(node)) return undefined;
    const declaration = this.types.signatureOf(node)?.declaration;
    if (declaration === undefined || ts.isJSDocSignature(declaration)) return undefined;
    if (to !== undefined) return this.disguises.returnsAnything(declaration) ? { messageId: 'generic', data: { direction: 'to', ...to } } : undefined;
    if (node.typeArguments === undefined && !this.disguises.returnsAnything(declaration)) return undefined;
    const given = node.arguments.findIndex((argument) => argument.type !== AST_NODE_TYPES.SpreadElement && this.types.isLive(argument));
    if (given < 0) return undefined;
    const taken = declaration.parameters[given]?.type;
    const takenAs = taken === undefined ? undefined : this.checker.getTypeFromTypeNode(taken);
    // What takes a handle as such may read there what it likes.
    if (takenAs !== undefined && this.types.types.handle(takenAs) !== undefined) return undefined;
    const asked = node.typeArguments === undefined || takenAs === undefined || (takenAs.flags & ts.TypeFlags.TypeParameter) === 0 ? undefined : this.checker.getContextualType(this.toTs.get(node.arguments[given]!) as ts.Expression);
    const isAsked = asked !== undefined && this.types.types.handle(asked) === undefined && (asked.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.Number | ts.TypeFlags.BigInt)) !== 0;
    if (!isAsked && !this.disguises.returnsAnything(declaration)) return undefined;
    return { messageId: 'generic', data: { direction: 'from', level: this.types.handleOf(node.arguments[given]!)?.level ?? 'page-table' } };
  }

  /** What is wrong with a call that is asked for an object with handles in it: `read<Fault>('current')`. */
  private recordOf(node: TSESTree.CallExpression): Problem | undefined {
    const declaration = this.types.signatureOf(node)?.declaration;
    if (declaration === undefined || ts.isJSDocSignature(declaration) || !this.disguises.returnsAnything(declaration)) return undefined;
    const handle = this.held.wanted(this.types.typeOf(node));
    return handle === undefined ? undefined : { messageId: 'generic', data: { direction: 'to', level: handle.level } };
  }
}

/** Whether a call says what it is asked for, or is given to what does. */
function saysWhat({ typeArguments, parent }: TSESTree.CallExpression): boolean {
  if (typeArguments !== undefined) return true;
  const given = parent.type === AST_NODE_TYPES.AwaitExpression ? parent.parent : parent;
  return given.type === AST_NODE_TYPES.VariableDeclarator && given.id.typeAnnotation !== undefined;
}
