import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import { bare } from '../../ast.js';
import type { Typed } from '../../typed.js';
import type { Names } from './names.js';
import { isNothing, LOCK, OpsTypes } from './ops-types.js';

/** What objects say of the lock. */
export class Said {
  private readonly sourceCode: Readonly<TSESLint.SourceCode>;
  private readonly types: Typed;
  private readonly ops: OpsTypes;
  private readonly names: Names;

  constructor(sourceCode: Readonly<TSESLint.SourceCode>, types: Typed, names: Names) {
    this.sourceCode = sourceCode;
    this.types = types;
    this.ops = OpsTypes.of(types.types);
    this.names = names;
  }

  /** Whether what is spread says the lock whichever way its condition comes out: `isWriter && { walkLock: 'write' }` does not. */
  private bringsAlways(node: TSESTree.Expression | TSESTree.PrivateIdentifier): boolean {
    const spread = bare(node);
    if (spread.type === AST_NODE_TYPES.ConditionalExpression) return this.bringsAlways(spread.consequent) && this.bringsAlways(spread.alternate);
    if (spread.type === AST_NODE_TYPES.LogicalExpression && spread.operator === '&&') return false;
    return spread.type === AST_NODE_TYPES.ObjectExpression ? this.of(spread) === 'yes' : this.ops.brings(this.types.typeOf(spread));
  }

  /** What an object says of the lock: the last word counts. */
  of(node: TSESTree.ObjectExpression): 'yes' | 'no' | { readonly nothing: TSESTree.Node } {
    for (const property of [...node.properties].reverse()) {
      if (property.type === AST_NODE_TYPES.SpreadElement) {
        const spread = bare(property.argument);
        const inner = spread.type === AST_NODE_TYPES.ObjectExpression ? this.of(spread) : this.bringsAlways(spread) ? 'yes' : 'no';
        if (inner !== 'no') return inner;
        continue;
      }
      const name = ASTUtils.getPropertyName(property, this.sourceCode.getScope(property));
      if (name === null) {
        const key = this.types.typeOf(property.key);
        const names = (key.isUnion() ? key.types : [key]).map((one) => (one.isStringLiteral() ? one.value : undefined));
        if (names.every((one) => one !== undefined && one !== LOCK)) continue;
        // A key that may be any says too little.
        return 'yes';
      }
      if (name !== LOCK) continue;
      return property.kind === 'init' && !property.method && this.isNothingWritten(property.value as TSESTree.Expression) ? { nothing: property } : 'yes';
    }
    return 'no';
  }

  /** Whether an expression is nothing, or one of two of which one is: `isWriter ? 'write' : undefined`. */
  private isNothingWritten(node: TSESTree.Expression): boolean {
    const inner = bare(node);
    if (inner.type === AST_NODE_TYPES.ConditionalExpression) return this.isNothingWritten(inner.consequent) || this.isNothingWritten(inner.alternate);
    return isNothing(this.types.typeOf(inner));
  }

  /** Whether `ops.walkLock = ...` follows in the file. */
  isSetLater(node: TSESTree.ObjectExpression): boolean {
    return this.names.namesOf(node).some(({ name, path }) => {
      const member = name.parent;
      if (path.length > 0 || member.type !== AST_NODE_TYPES.MemberExpression || member.object !== name || ASTUtils.getPropertyName(member) !== LOCK) return false;
      return member.parent.type === AST_NODE_TYPES.AssignmentExpression && member.parent.left === member && !isNothing(this.types.typeOf(member.parent.right));
    });
  }

  /** Whether an object is only there to be taken apart: there is nothing in it, or whoever takes it has a lock for where it says none. */
  isTakenApart(node: TSESTree.ObjectExpression): boolean {
    let at: TSESTree.Expression = node;
    while (at.parent.type === AST_NODE_TYPES.LogicalExpression || (at.parent.type === AST_NODE_TYPES.ConditionalExpression && at.parent.test !== at)) at = at.parent;
    const { parent } = at;
    const isGiven = parent.type === AST_NODE_TYPES.AssignmentPattern || parent.type === AST_NODE_TYPES.AssignmentExpression;
    const pattern = parent.type === AST_NODE_TYPES.VariableDeclarator ? parent.id : isGiven ? parent.left : undefined;
    if (pattern?.type !== AST_NODE_TYPES.ObjectPattern) return false;
    const hasDefault = pattern.properties.some((one) => one.type === AST_NODE_TYPES.Property && ASTUtils.getPropertyName(one) === LOCK && one.value.type === AST_NODE_TYPES.AssignmentPattern);
    return node.properties.length === 0 || hasDefault;
  }
}
