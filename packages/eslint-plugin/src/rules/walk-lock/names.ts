import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import { children } from '../../ast.js';
import { isCast } from './places.js';

/** Where something goes by a name, and what is still to be taken of that. */
export interface Name {
  readonly name: TSESTree.Identifier | TSESTree.MemberExpression;
  readonly path: readonly string[];
}

/** By what names objects go in a file. */
export class Names {
  private readonly sourceCode: Readonly<TSESLint.SourceCode>;

  constructor(sourceCode: Readonly<TSESLint.SourceCode>) {
    this.sourceCode = sourceCode;
  }

  /** Where an object goes by a name, and what has to be taken of that to have it: of `const table = { scan: { ... } }` both `table` and `table.scan`. */
  namesOf(node: TSESTree.ObjectExpression): readonly Name[] {
    const path: string[] = [];
    let at: TSESTree.Node = node;
    for (;;) {
      const parent: TSESTree.Node = at.parent!;
      if (isCast(parent) || parent.type === AST_NODE_TYPES.TSSatisfiesExpression) at = parent;
      else if (parent.type === AST_NODE_TYPES.ArrayExpression) {
        path.unshift(String(parent.elements.findIndex((element) => element === at)));
        at = parent;
      } else if (parent.type === AST_NODE_TYPES.Property && parent.value === at) {
        const name = ASTUtils.getPropertyName(parent);
        if (name === null) return [];
        path.unshift(name);
        at = parent.parent;
      } else break;
    }
    return this.holdersOf(at).flatMap((holder) => {
      const names: Name[] = [{ name: holder, path }];
      let member = holder.parent;
      for (let rest = path; rest.length > 0 && member.type === AST_NODE_TYPES.MemberExpression && ASTUtils.getPropertyName(member) === rest[0]; member = member.parent) {
        rest = rest.slice(1);
        names.push({ name: member, path: rest });
      }
      return names;
    });
  }

  /** Where the variable or the field stands that is declared with a value. */
  private holdersOf(value: TSESTree.Node): readonly (TSESTree.Identifier | TSESTree.MemberExpression)[] {
    const { parent } = value;
    if (parent?.type === AST_NODE_TYPES.VariableDeclarator && parent.id.type === AST_NODE_TYPES.Identifier) {
      const references = this.sourceCode.getDeclaredVariables(parent).flatMap((variable) => variable.references);
      return references.flatMap(({ identifier, init }) => (init !== true && identifier.type === AST_NODE_TYPES.Identifier ? [identifier] : []));
    }
    if (parent?.type !== AST_NODE_TYPES.PropertyDefinition || parent.value !== value) return [];
    const made = parent.parent.parent;
    const field = fieldName(parent);
    const isOwner = (object: TSESTree.Expression): boolean => object.type === AST_NODE_TYPES.ThisExpression || (parent.static && object.type === AST_NODE_TYPES.Identifier && object.name === made.id?.name);
    const isField = (node: TSESTree.Node): node is TSESTree.MemberExpression => node.type === AST_NODE_TYPES.MemberExpression && isOwner(node.object) && fieldName(node) === field;
    const found = (node: TSESTree.Node): TSESTree.MemberExpression[] => (isField(node) ? [node] : children(node, this.sourceCode.visitorKeys).flatMap(found));
    return field === undefined ? [] : found(parent.parent);
  }
}

/** The name of a field: `ops` of `this.ops`, `#ops` of `this.#ops`. */
function fieldName(node: TSESTree.PropertyDefinition | TSESTree.MemberExpression): string | undefined {
  const key = node.type === AST_NODE_TYPES.PropertyDefinition ? node.key : node.property;
  return key.type === AST_NODE_TYPES.PrivateIdentifier ? `#${key.name}` : (ASTUtils.getPropertyName(node) ?? undefined);
}
