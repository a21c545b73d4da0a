import type { TSESTree } from '@typescript-eslint/utils';
import type ts from 'typescript';
import type { Typed } from '../../typed.js';
import { HandleTypes } from './handle-types.js';

/** What one part of the rule asks about a file. */
export abstract class Questions {
  protected readonly typed: Typed;
  protected readonly checker: ts.TypeChecker;
  protected readonly handles: HandleTypes;

  constructor(typed: Typed) {
    this.typed = typed;
    this.checker = typed.types.checker;
    this.handles = HandleTypes.of(typed.types);
  }

  protected ts(node: TSESTree.Node): ts.Expression {
    // Every node of ESTree that is asked about here is an expression.
    return this.typed.services.esTreeNodeToTSNodeMap.get(node) as ts.Expression;
  }
}
