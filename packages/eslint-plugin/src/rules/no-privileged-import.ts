import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { createRule } from '../create-rule.js';
import { inOneGo, oneByOne, type Visitor } from '../in-one-go.js';
import { settingsOf } from '../settings.js';
import { Modules } from '../types/modules.js';
import { isOrIsIn, packageOfFile } from '../types/packages.js';
import { CORE } from '../types/types.js';
import { PassedOn, PRIVILEGED } from './privileged-import/passed-on.js';
import { nameOf, Requires } from './privileged-import/requires.js';

/** The file behind the entry point, also by a path to where it is installed. */
const FILE = new RegExp(`^(?:.*/node_modules/)?${CORE}/(?:(?:src|dist)/)?arch(\\.d)?(\\.[cm]?[jt]s)?$`);

const MESSAGES = {
  module:
    'This is for the code of an architecture: it says what a handle is at run time. Use what {{core}} exports, or name this file in settings.pgtable.architecture.',
  name:
    '"{{name}}" comes from {{privileged}} by way of another module, and is for the code of an architecture: it says what a handle is at run time. Use what {{core}} exports, or name this file in settings.pgtable.architecture.',
} as const;

type Context = Readonly<TSESLint.RuleContext<keyof typeof MESSAGES, readonly []>>;

/** `@pgtable/core/arch` belongs to architectures. Works without types too; with them it sees through paths, and through modules that pass its names on. */
export const noPrivilegedImport = createRule<keyof typeof MESSAGES>({
  name: 'no-privileged-import',
  meta: {
    type: 'problem',
    docs: { description: 'What only architectures may know is imported by nobody else', config: 'recommended', typed: false },
    messages: MESSAGES,
  },
  create(context) {
    // An architecture may, and so may the package itself.
    if (settingsOf(context).isArchitecture(context.filename, context.cwd) || packageOfFile(context.filename) === CORE) return {};
    // What requires says so: `require`, `createRequire`, `jest.requireActual`, `vi.importActual`.
    const mayRequire = /equire|importActual/.test(context.sourceCode.text);
    // Imports are few: to list all nodes of a file for them, where no other rule does, takes longer than to be called for each.
    return mayRequire ? inOneGo(context.sourceCode, new ImportsAndRequires(context)) : oneByOne(new Imports(context));
  },
});

/** The imports of one file. */
class Imports implements Visitor {
  private readonly context: Context;
  private readonly services: TSESLint.SourceCode['parserServices'];
  private readonly program: ts.Program | undefined;
  private readonly passedOn: PassedOn | undefined;
  private readonly modules: Modules | undefined;

  constructor(context: Context) {
    this.context = context;
    this.services = context.sourceCode.parserServices;
    this.program = this.services?.program ?? undefined;
    this.passedOn = this.program === undefined ? undefined : PassedOn.of(this.program);
    this.modules = this.program === undefined ? undefined : Modules.of(this.program);
  }

  ImportDeclaration(node: TSESTree.ImportDeclaration): void {
    if (this.checkModule(node.source, node)) return;
    const names = this.namesOf(node.source);
    if (names === undefined || names.size === 0) return;
    for (const specifier of node.specifiers) {
      if (specifier.type === AST_NODE_TYPES.ImportNamespaceSpecifier) this.checkUses(specifier.local, names);
      else {
        const name = specifier.type === AST_NODE_TYPES.ImportDefaultSpecifier ? 'default' : nameOf(specifier.imported);
        if (names.has(name)) this.reportName(specifier, name);
      }
    }
  }

  ExportNamedDeclaration(node: TSESTree.ExportNamedDeclaration): void {
    if (node.source === null || this.checkModule(node.source, node)) return;
    const names = this.namesOf(node.source);
    for (const specifier of node.specifiers) {
      const name = nameOf(specifier.local);
      if (names?.has(name) === true) this.reportName(specifier, name);
    }
  }

  ExportAllDeclaration(node: TSESTree.ExportAllDeclaration): void {
    if (this.checkModule(node.source, node)) return;
    const [name] = this.namesOf(node.source) ?? [];
    if (name !== undefined) this.reportName(node, name);
  }

  ImportExpression(node: TSESTree.ImportExpression): void {
    if (!this.checkModule(node.source, node)) this.checkTaken(node, node.source);
  }

  TSImportType(node: TSESTree.TSImportType): void {
    const { source } = node;
    if (this.checkModule(source, node)) return;
    const [first] = node.qualifier === null ? [] : namesIn(node.qualifier);
    if (first !== undefined && this.namesOf(source)?.has(first) === true) this.reportName(node, first);
  }

  TSExternalModuleReference(node: TSESTree.TSExternalModuleReference): void {
    if (this.checkModule(node.expression, node.parent)) return;
    const names = this.namesOf(node.expression);
    if (names !== undefined && names.size > 0 && node.parent.type === AST_NODE_TYPES.TSImportEqualsDeclaration) this.checkUses(node.parent.id, names);
  }

  private moduleOf(specifier: TSESTree.Node): ts.Symbol | undefined {
    const node = this.services?.esTreeNodeToTSNodeMap?.get(specifier);
    return node === undefined || !ts.isStringLiteralLike(node) ? undefined : this.modules?.to(node);
  }

  /** What a module passes on of the privileged entry point. */
  private namesOf(specifier: TSESTree.Node): ReadonlySet<string> | undefined {
    return this.passedOn?.namesOf(this.moduleOf(specifier));
  }

  private reportModule(node: TSESTree.Node): void {
    this.context.report({ node, messageId: 'module', data: { core: CORE } });
  }

  private reportName(node: TSESTree.Node, name: string): void {
    this.context.report({ node, messageId: 'name', data: { core: CORE, privileged: PRIVILEGED, name } });
  }

  private isPrivileged(specifier: TSESTree.Node): boolean {
    if (specifier.type === AST_NODE_TYPES.ConditionalExpression) return this.isPrivileged(specifier.consequent) || this.isPrivileged(specifier.alternate);
    if (specifier.type === AST_NODE_TYPES.LogicalExpression) return this.isPrivileged(specifier.left) || this.isPrivileged(specifier.right);
    const text = specifier.type === AST_NODE_TYPES.Literal ? specifier.value : ASTUtils.getStringIfConstant(specifier, this.context.sourceCode.getScope(specifier));
    if (typeof text !== 'string') return this.namesOfType(specifier).some(isOfArchitectures);
    return (isOfArchitectures(text) || this.passedOn?.isPrivilegedModule(this.moduleOf(specifier)) === true);
  }

  /** The texts that an expression may be, as its type says: a member of an enum, one of a list of constants. */
  private namesOfType(node: TSESTree.Node): string[] {
    const expression = this.services?.esTreeNodeToTSNodeMap?.get(node);
    const type = expression === undefined ? undefined : this.program?.getTypeChecker().getTypeAtLocation(expression);
    return type === undefined ? [] : (type.isUnion() ? type.types : [type]).flatMap((one) => (one.isStringLiteral() ? [one.value] : []));
  }

  /** Reports a module. Returns: whether it did. */
  protected checkModule(specifier: TSESTree.Node | null | undefined, report: TSESTree.Node): boolean {
    if (specifier === null || specifier === undefined || !this.isPrivileged(specifier)) return false;
    this.reportModule(report);
    return true;
  }

  /** Reports what is used of a module that is known under a name. */
  private checkUses(local: TSESTree.Identifier, names: ReadonlySet<string>): void {
    const variable = ASTUtils.findVariable(this.context.sourceCode.getScope(local), local);
    for (const { identifier } of variable?.references ?? []) {
      const { parent } = identifier;
      if (parent.type === AST_NODE_TYPES.MemberExpression && parent.object === identifier) {
        const name = ASTUtils.getPropertyName(parent, this.context.sourceCode.getScope(parent));
        if (name !== null && names.has(name)) this.reportName(parent, name);
      } else if (parent.type === AST_NODE_TYPES.TSQualifiedName && parent.left === identifier && names.has(parent.right.name)) this.reportName(parent, parent.right.name);
      else if (parent.type === AST_NODE_TYPES.VariableDeclarator && parent.init === identifier && parent.id.type === AST_NODE_TYPES.ObjectPattern) this.checkPattern(parent.id, names);
    }
  }

  private checkPattern(pattern: TSESTree.ObjectPattern, names: ReadonlySet<string>): void {
    for (const property of pattern.properties) {
      if (property.type !== AST_NODE_TYPES.Property || property.computed) continue;
      const name = property.key.type === AST_NODE_TYPES.Identifier ? property.key.name : String(property.key.value);
      if (names.has(name)) this.reportName(property, name);
    }
  }

  /** What is awaited or required, and taken apart at once or used at once. */
  protected checkTaken(module: TSESTree.Expression, specifier: TSESTree.Node): void {
    const names = this.namesOf(specifier);
    if (names === undefined || names.size === 0) return;
    const taken = module.parent.type === AST_NODE_TYPES.AwaitExpression ? module.parent : module;
    const { parent } = taken;
    if (parent.type === AST_NODE_TYPES.VariableDeclarator && parent.init === taken) {
      if (parent.id.type === AST_NODE_TYPES.ObjectPattern) this.checkPattern(parent.id, names);
      else if (parent.id.type === AST_NODE_TYPES.Identifier) this.checkUses(parent.id, names);
    } else if (parent.type === AST_NODE_TYPES.MemberExpression && parent.object === taken) {
      const name = ASTUtils.getPropertyName(parent, this.context.sourceCode.getScope(parent));
      if (name !== null && names.has(name)) this.reportName(parent, name);
      else if (name === 'then' && parent.parent.type === AST_NODE_TYPES.CallExpression && parent.parent.callee === parent) this.checkGiven(parent.parent.arguments[0], names);
    }
  }

  /** What is used of a module by a function that is called with it: `import('./barrel.js').then(({ entryIndex }) => ...)`. */
  private checkGiven(called: TSESTree.CallExpressionArgument | undefined, names: ReadonlySet<string>): void {
    if (called?.type !== AST_NODE_TYPES.ArrowFunctionExpression && called?.type !== AST_NODE_TYPES.FunctionExpression) return;
    const [module] = called.params;
    if (module?.type === AST_NODE_TYPES.ObjectPattern) this.checkPattern(module, names);
    else if (module?.type === AST_NODE_TYPES.Identifier) this.checkUses(module, names);
  }
}

/** The same, and what is required. */
class ImportsAndRequires extends Imports {
  private readonly requires: Requires;

  constructor(context: Context) {
    super(context);
    this.requires = new Requires(context.sourceCode);
  }

  CallExpression(node: TSESTree.CallExpression): void {
    const [specifier] = node.arguments;
    if (specifier === undefined || !this.requires.isRequire(node.callee)) return;
    if (!this.checkModule(specifier, node)) this.checkTaken(node, specifier);
  }
}

/** Whether a specifier says that it is the privileged entry point, or the file behind it. */
function isOfArchitectures(specifier: string): boolean {
  return isOrIsIn(specifier, PRIVILEGED) || FILE.test(specifier);
}

/** `a.b.c`: its names, the first first. */
function namesIn(node: TSESTree.EntityName): string[] {
  if (node.type === AST_NODE_TYPES.TSQualifiedName) return [...namesIn(node.left), node.right.name];
  return node.type === AST_NODE_TYPES.Identifier ? [node.name] : [];
}
