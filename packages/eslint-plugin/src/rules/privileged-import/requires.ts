import { AST_NODE_TYPES, ASTUtils, TSESLint, type TSESTree } from '@typescript-eslint/utils';
import { ancestors } from '../../ast.js';

/** What calls in a file are those of `require`. */
export class Requires {
  private readonly sourceCode: Readonly<TSESLint.SourceCode>;

  constructor(sourceCode: Readonly<TSESLint.SourceCode>) {
    this.sourceCode = sourceCode;
  }

  isRequire(callee: TSESTree.Expression): boolean {
    if (callee.type === AST_NODE_TYPES.MemberExpression) {
      // What a test gets past its mocks: jest.requireActual(...), vi.importActual(...).
      if (ACTUAL.test(ASTUtils.getPropertyName(callee) ?? '')) return true;
      if (callee.object.type === AST_NODE_TYPES.ThisExpression) return this.isField(callee);
      return callee.object.type === AST_NODE_TYPES.Identifier && callee.object.name === 'module' && !this.isDefined(callee.object) && ASTUtils.getPropertyName(callee) === 'require';
    }
    if (callee.type === AST_NODE_TYPES.CallExpression) return this.isCreateRequire(callee);
    if (callee.type !== AST_NODE_TYPES.Identifier) return false;
    if (ACTUAL.test(callee.name)) return true;
    const definition = ASTUtils.findVariable(this.sourceCode.getScope(callee), callee)?.defs[0];
    if (definition === undefined) return callee.name === 'require';
    if (definition.type === TSESLint.Scope.DefinitionType.Variable && definition.node.init !== null) {
      const { init } = definition.node;
      // const load = require;
      return init.type === AST_NODE_TYPES.Identifier ? init.name === 'require' && !this.isDefined(init) : this.isCreateRequire(init);
    }
    // `declare const require: ...` says what is there anyway.
    return callee.name === 'require' && 'declare' in (definition.parent ?? definition.node) && ((definition.parent ?? definition.node) as { declare?: boolean }).declare === true;
  }

  /** `this.#require`, of a class that makes one for itself. */
  private isField(node: TSESTree.MemberExpression): boolean {
    const name = this.sourceCode.getText(node.property);
    for (const at of ancestors(node)) {
      if (at.type !== AST_NODE_TYPES.ClassBody) continue;
      const made = at.body.find((one): one is TSESTree.PropertyDefinition => one.type === AST_NODE_TYPES.PropertyDefinition && this.sourceCode.getText(one.key) === name)?.value ?? undefined;
      return made !== undefined && this.isCreateRequire(made);
    }
    return false;
  }

  private isDefined(identifier: TSESTree.Identifier): boolean {
    return (ASTUtils.findVariable(this.sourceCode.getScope(identifier), identifier)?.defs.length ?? 0) > 0;
  }

  /** `createRequire(import.meta.url)`, however that was imported. */
  private isCreateRequire(node: TSESTree.Expression): boolean {
    if (node.type !== AST_NODE_TYPES.CallExpression) return false;
    const { callee } = node;
    if (callee.type === AST_NODE_TYPES.MemberExpression) return ASTUtils.getPropertyName(callee) === 'createRequire';
    if (callee.type !== AST_NODE_TYPES.Identifier) return false;
    const definition = ASTUtils.findVariable(this.sourceCode.getScope(callee), callee)?.defs[0];
    if (definition?.node.type === AST_NODE_TYPES.ImportSpecifier) return nameOf(definition.node.imported) === 'createRequire';
    // `const { createRequire } = await import('node:module')`
    const taken = definition?.node.type === AST_NODE_TYPES.VariableDeclarator ? definition.name.parent : undefined;
    return taken?.type === AST_NODE_TYPES.Property && !taken.computed && taken.key.type === AST_NODE_TYPES.Identifier && taken.key.name === 'createRequire';
  }
}

const ACTUAL = /^(?:require|import)Actual$/;

/** What something is called where it is imported from. */
export function nameOf(node: TSESTree.Identifier | TSESTree.StringLiteral): string {
  return node.type === AST_NODE_TYPES.Identifier ? node.name : node.value;
}
