import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { ancestors, bare } from '../../ast.js';
import type { Typed } from '../../typed.js';

/** What is the memory of tables in a file. */
export class Memory {
  private readonly sourceCode: Readonly<TSESLint.SourceCode>;
  private readonly types: Typed;
  private readonly checker: ts.TypeChecker;

  constructor(sourceCode: Readonly<TSESLint.SourceCode>, types: Typed) {
    this.sourceCode = sourceCode;
    this.types = types;
    this.checker = types.types.checker;
  }

  /** `tables.elements.every((entry) => ...)`: what a list's own method calls a function for. */
  isElementOfTables(made: TSESTree.Node, parameter: TSESTree.Node): boolean {
    if (made.type !== AST_NODE_TYPES.ArrowFunctionExpression && made.type !== AST_NODE_TYPES.FunctionExpression) return false;
    const call = made.parent;
    if (call.type !== AST_NODE_TYPES.CallExpression || call.callee.type !== AST_NODE_TYPES.MemberExpression) return false;
    // Array.from(tables.elements, (entry) => ...)
    if (call.arguments[1] === made) return made.params[0] === parameter && isFrom(call) && this.isTableMemory(call.arguments[0]!);
    if (call.arguments[0] !== made) return false;
    const at = /^reduce(Right)?$/.test(ASTUtils.getPropertyName(call.callee) ?? '') ? 1 : 0;
    return made.params[at] === parameter && this.isTableMemory(call.callee.object);
  }

  /** `tables.words`, `tables.elements`: the entries of table memory. */
  isTableMemory(node: TSESTree.Node): boolean {
    const inner = bare(node as TSESTree.Expression);
    if (inner.type === AST_NODE_TYPES.MemberExpression && inner.property.type === AST_NODE_TYPES.Identifier && /^(words|elements|bytes)$/.test(inner.property.name)) {
      if (this.types.types.isCore(this.types.typeOf(inner.object), 'TableMemory', 'EntryBuffer')) return true;
    }
    if (inner.type === AST_NODE_TYPES.MemberExpression && inner.object.type === AST_NODE_TYPES.ThisExpression) {
      const field = this.fieldOf(inner);
      return field !== undefined && this.isTableMemory(field);
    }
    // new BigUint64Array(tables.elements.buffer), new DataView(...): the same memory in another view.
    if (inner.type === AST_NODE_TYPES.NewExpression) {
      const [buffer] = inner.arguments;
      const isView = inner.callee.type === AST_NODE_TYPES.Identifier && VIEWS.test(inner.callee.name) && buffer?.type === AST_NODE_TYPES.MemberExpression;
      return isView && ASTUtils.getPropertyName(buffer) === 'buffer' && this.isTableMemory(buffer.object);
    }
    // [...tables.elements]
    if (inner.type === AST_NODE_TYPES.ArrayExpression) return inner.elements.length === 1 && inner.elements[0]?.type === AST_NODE_TYPES.SpreadElement && this.isTableMemory(inner.elements[0].argument);
    // Some of them, or a list of them.
    if (inner.type === AST_NODE_TYPES.CallExpression && inner.callee.type === AST_NODE_TYPES.MemberExpression && inner.callee.property.type === AST_NODE_TYPES.Identifier) {
      if (isFrom(inner)) return inner.arguments.length === 1 && this.isTableMemory(inner.arguments[0]!);
      return /^(subarray|slice|values)$/.test(inner.callee.property.name) && this.isTableMemory(inner.callee.object);
    }
    if (inner.type !== AST_NODE_TYPES.Identifier) return false;
    // const { words } = tables; const words = tables.words;
    const declaration = this.types.symbolOf(inner)?.valueDeclaration;
    if (declaration === undefined) return false;
    if (ts.isBindingElement(declaration) && ts.isObjectBindingPattern(declaration.parent)) {
      const property = declaration.propertyName ?? declaration.name;
      return ts.isIdentifier(property) && /^(words|elements|bytes)$/.test(property.text) && this.types.types.isCore(this.checker.getTypeAtLocation(declaration.parent), 'TableMemory', 'EntryBuffer');
    }
    // A parameter is what it is by default: `(at: number, elements = tables.elements) => ...`.
    if (!(ts.isVariableDeclaration(declaration) || ts.isParameter(declaration)) || declaration.initializer === undefined || ts.isIdentifier(declaration.initializer)) return false;
    const initializer = this.types.services.tsNodeToESTreeNodeMap.get(declaration.initializer) as TSESTree.Node | undefined;
    return initializer !== undefined && this.isTableMemory(initializer);
  }

  /** What a readonly field of the class around begins with, and stays: `this.#elements`. */
  private fieldOf(node: TSESTree.MemberExpression): TSESTree.Expression | undefined {
    const name = this.sourceCode.getText(node.property);
    for (const at of ancestors(node)) {
      if (at.type !== AST_NODE_TYPES.ClassBody) continue;
      const field = at.body.find((one): one is TSESTree.PropertyDefinition => one.type === AST_NODE_TYPES.PropertyDefinition && one.readonly && !one.static && this.sourceCode.getText(one.key) === name);
      return field === undefined ? undefined : (field.value ?? this.givenBy(at, name));
    }
    return undefined;
  }

  /** What the constructor of a class gives a field, in a statement of its own. */
  private givenBy({ body }: TSESTree.ClassBody, field: string): TSESTree.Expression | undefined {
    const made = body.find((one): one is TSESTree.MethodDefinition => one.type === AST_NODE_TYPES.MethodDefinition && one.kind === 'constructor' && one.value.body !== null);
    for (const statement of made?.value.body?.body ?? []) {
      if (statement.type !== AST_NODE_TYPES.ExpressionStatement || statement.expression.type !== AST_NODE_TYPES.AssignmentExpression) continue;
      const { left, right } = statement.expression;
      if (left.type === AST_NODE_TYPES.MemberExpression && left.object.type === AST_NODE_TYPES.ThisExpression && this.sourceCode.getText(left.property) === field) return right;
    }
    return undefined;
  }
}

/** What shows memory as numbers. */
const VIEWS = /^(Big)?(Uint|Int)\d+Array$|^DataView$/;

/** Whether a call is `Array.from`, or that of a typed array. */
function isFrom({ callee }: TSESTree.CallExpression): boolean {
  return callee.type === AST_NODE_TYPES.MemberExpression && callee.object.type === AST_NODE_TYPES.Identifier && callee.object.name.endsWith('Array') && ASTUtils.getPropertyName(callee) === 'from';
}
