import { AST_NODE_TYPES, ASTUtils, TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { createRule } from '../create-rule.js';
import { inOneGo } from '../in-one-go.js';
import { settingsOf } from '../settings.js';
import { Modules } from '../types/modules.js';
import { isDeclaredIn, isOrIsIn, packageOfFile } from '../types/packages.js';
import { CORE } from '../types/types.js';

const PRIVILEGED = `${CORE}/arch`;

const FILE = new RegExp(`^${CORE}/(src|dist)/arch(\\.d)?(\\.[cm]?[jt]s)?$`);

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
    // What requires says so: `require`, `createRequire`.
    const mayRequire = context.sourceCode.text.includes('equire');
    const { CallExpression, ...ofModules } = listeners(context);
    // Imports are few: to list all nodes of a file for them, where no other rule does, takes longer than to be called for each.
    return mayRequire ? inOneGo(context.sourceCode, { CallExpression, ...ofModules }) : ofModules;
  },
});

function listeners(context: Context): TSESLint.RuleListener & Required<Pick<TSESLint.RuleListener, 'CallExpression'>> {
  const services = context.sourceCode.parserServices;
  const program = services?.program ?? undefined;
  const passedOn = program === undefined ? undefined : PassedOn.of(program);
  const modules = program === undefined ? undefined : Modules.of(program);

  function moduleOf(specifier: TSESTree.Node): ts.Symbol | undefined {
    const node = services?.esTreeNodeToTSNodeMap?.get(specifier);
    return node === undefined || !ts.isStringLiteralLike(node) ? undefined : modules?.to(node);
  }

  /** What a module passes on of the privileged entry point. */
  function namesOf(specifier: TSESTree.Node): ReadonlySet<string> | undefined {
    return passedOn?.namesOf(moduleOf(specifier));
  }

  function reportModule(node: TSESTree.Node): void {
    context.report({ node, messageId: 'module', data: { core: CORE } });
  }

  function reportName(node: TSESTree.Node, name: string): void {
    context.report({ node, messageId: 'name', data: { core: CORE, privileged: PRIVILEGED, name } });
  }

  function isPrivileged(specifier: TSESTree.Node): boolean {
    if (specifier.type === AST_NODE_TYPES.ConditionalExpression) return isPrivileged(specifier.consequent) || isPrivileged(specifier.alternate);
    if (specifier.type === AST_NODE_TYPES.LogicalExpression) return isPrivileged(specifier.left) || isPrivileged(specifier.right);
    const text = specifier.type === AST_NODE_TYPES.Literal ? specifier.value : ASTUtils.getStringIfConstant(specifier, context.sourceCode.getScope(specifier));
    if (typeof text !== 'string') return namesOfType(specifier).some(isOfArchitectures);
    return (isOfArchitectures(text) || passedOn?.isPrivilegedModule(moduleOf(specifier)) === true);
  }

  /** The texts that an expression may be, as its type says: a member of an enum, one of a list of constants. */
  function namesOfType(node: TSESTree.Node): string[] {
    const expression = services?.esTreeNodeToTSNodeMap?.get(node);
    const type = expression === undefined ? undefined : program?.getTypeChecker().getTypeAtLocation(expression);
    return type === undefined ? [] : (type.isUnion() ? type.types : [type]).flatMap((one) => (one.isStringLiteral() ? [one.value] : []));
  }

  /** Reports a module. Returns: whether it did. */
  function checkModule(specifier: TSESTree.Node | null | undefined, report: TSESTree.Node): boolean {
    if (specifier === null || specifier === undefined || !isPrivileged(specifier)) return false;
    reportModule(report);
    return true;
  }

  /** Reports what is used of a module that is known under a name. */
  function checkUses(local: TSESTree.Identifier, names: ReadonlySet<string>): void {
    const variable = ASTUtils.findVariable(context.sourceCode.getScope(local), local);
    for (const { identifier } of variable?.references ?? []) {
      const { parent } = identifier;
      if (parent.type === AST_NODE_TYPES.MemberExpression && parent.object === identifier) {
        const name = ASTUtils.getPropertyName(parent, context.sourceCode.getScope(parent));
        if (name !== null && names.has(name)) reportName(parent, name);
      } else if (parent.type === AST_NODE_TYPES.TSQualifiedName && parent.left === identifier && names.has(parent.right.name)) reportName(parent, parent.right.name);
      else if (parent.type === AST_NODE_TYPES.VariableDeclarator && parent.init === identifier && parent.id.type === AST_NODE_TYPES.ObjectPattern) checkPattern(parent.id, names);
    }
  }

  function checkPattern(pattern: TSESTree.ObjectPattern, names: ReadonlySet<string>): void {
    for (const property of pattern.properties) {
      if (property.type !== AST_NODE_TYPES.Property || property.computed) continue;
      const name = property.key.type === AST_NODE_TYPES.Identifier ? property.key.name : String(property.key.value);
      if (names.has(name)) reportName(property, name);
    }
  }

  /** What is awaited or required, and taken apart at once or used at once. */
  function checkTaken(module: TSESTree.Expression, specifier: TSESTree.Node): void {
    const names = namesOf(specifier);
    if (names === undefined || names.size === 0) return;
    const taken = module.parent.type === AST_NODE_TYPES.AwaitExpression ? module.parent : module;
    const { parent } = taken;
    if (parent.type === AST_NODE_TYPES.VariableDeclarator && parent.init === taken) {
      if (parent.id.type === AST_NODE_TYPES.ObjectPattern) checkPattern(parent.id, names);
      else if (parent.id.type === AST_NODE_TYPES.Identifier) checkUses(parent.id, names);
    } else if (parent.type === AST_NODE_TYPES.MemberExpression && parent.object === taken) {
      const name = ASTUtils.getPropertyName(parent, context.sourceCode.getScope(parent));
      if (name !== null && names.has(name)) reportName(parent, name);
      else if (name === 'then' && parent.parent.type === AST_NODE_TYPES.CallExpression && parent.parent.callee === parent) checkGiven(parent.parent.arguments[0], names);
    }
  }

  /** What is used of a module by a function that is called with it: `import('./barrel.js').then(({ entryIndex }) => ...)`. */
  function checkGiven(called: TSESTree.CallExpressionArgument | undefined, names: ReadonlySet<string>): void {
    if (called?.type !== AST_NODE_TYPES.ArrowFunctionExpression && called?.type !== AST_NODE_TYPES.FunctionExpression) return;
    const [module] = called.params;
    if (module?.type === AST_NODE_TYPES.ObjectPattern) checkPattern(module, names);
    else if (module?.type === AST_NODE_TYPES.Identifier) checkUses(module, names);
  }

  function isRequire(callee: TSESTree.Expression): boolean {
    if (callee.type === AST_NODE_TYPES.MemberExpression) {
      return callee.object.type === AST_NODE_TYPES.Identifier && callee.object.name === 'module' && !isDefined(callee.object) && ASTUtils.getPropertyName(callee) === 'require';
    }
    if (callee.type === AST_NODE_TYPES.CallExpression) return isCreateRequire(callee);
    if (callee.type !== AST_NODE_TYPES.Identifier) return false;
    const definition = ASTUtils.findVariable(context.sourceCode.getScope(callee), callee)?.defs[0];
    if (definition === undefined) return callee.name === 'require';
    if (definition.type === TSESLint.Scope.DefinitionType.Variable && definition.node.init !== null) return isCreateRequire(definition.node.init);
    // `declare const require: ...` says what is there anyway.
    return callee.name === 'require' && 'declare' in (definition.parent ?? definition.node) && ((definition.parent ?? definition.node) as { declare?: boolean }).declare === true;
  }

  function isDefined(identifier: TSESTree.Identifier): boolean {
    return (ASTUtils.findVariable(context.sourceCode.getScope(identifier), identifier)?.defs.length ?? 0) > 0;
  }

  /** `createRequire(import.meta.url)`, however that was imported. */
  function isCreateRequire(node: TSESTree.Expression): boolean {
    if (node.type !== AST_NODE_TYPES.CallExpression) return false;
    const { callee } = node;
    if (callee.type === AST_NODE_TYPES.MemberExpression) return ASTUtils.getPropertyName(callee) === 'createRequire';
    if (callee.type !== AST_NODE_TYPES.Identifier) return false;
    const definition = ASTUtils.findVariable(context.sourceCode.getScope(callee), callee)?.defs[0];
    if (definition?.node.type === AST_NODE_TYPES.ImportSpecifier) return nameOf(definition.node.imported) === 'createRequire';
    // `const { createRequire } = await import('node:module')`
    const taken = definition?.node.type === AST_NODE_TYPES.VariableDeclarator ? definition.name.parent : undefined;
    return taken?.type === AST_NODE_TYPES.Property && !taken.computed && taken.key.type === AST_NODE_TYPES.Identifier && taken.key.name === 'createRequire';
  }

  return {
    ImportDeclaration(node) {
      if (checkModule(node.source, node)) return;
      const names = namesOf(node.source);
      if (names === undefined || names.size === 0) return;
      for (const specifier of node.specifiers) {
        if (specifier.type === AST_NODE_TYPES.ImportNamespaceSpecifier) checkUses(specifier.local, names);
        else {
          const name = specifier.type === AST_NODE_TYPES.ImportDefaultSpecifier ? 'default' : nameOf(specifier.imported);
          if (names.has(name)) reportName(specifier, name);
        }
      }
    },
    ExportNamedDeclaration(node) {
      if (node.source === null || checkModule(node.source, node)) return;
      const names = namesOf(node.source);
      for (const specifier of node.specifiers) {
        const name = nameOf(specifier.local);
        if (names?.has(name) === true) reportName(specifier, name);
      }
    },
    ExportAllDeclaration(node) {
      if (checkModule(node.source, node)) return;
      const [name] = namesOf(node.source) ?? [];
      if (name !== undefined) reportName(node, name);
    },
    ImportExpression(node) {
      if (!checkModule(node.source, node)) checkTaken(node, node.source);
    },
    TSImportType(node) {
      const { source } = node;
      if (checkModule(source, node)) return;
      const [first] = node.qualifier === null ? [] : namesIn(node.qualifier);
      if (first !== undefined && namesOf(source)?.has(first) === true) reportName(node, first);
    },
    TSExternalModuleReference(node) {
      if (checkModule(node.expression, node.parent)) return;
      const names = namesOf(node.expression);
      if (names !== undefined && names.size > 0 && node.parent.type === AST_NODE_TYPES.TSImportEqualsDeclaration) checkUses(node.parent.id, names);
    },
    CallExpression(node) {
      const [specifier] = node.arguments;
      if (specifier === undefined || !isRequire(node.callee)) return;
      if (!checkModule(specifier, node)) checkTaken(node, specifier);
    },
  };
}

/** Whether a specifier says that it is the privileged entry point, or the file behind it. */
function isOfArchitectures(specifier: string): boolean {
  return isOrIsIn(specifier, PRIVILEGED) || FILE.test(specifier);
}

function nameOf(node: TSESTree.Identifier | TSESTree.StringLiteral): string {
  return node.type === AST_NODE_TYPES.Identifier ? node.name : node.value;
}

/** `a.b.c`: its names, the first first. */
function namesIn(node: TSESTree.EntityName): string[] {
  if (node.type === AST_NODE_TYPES.TSQualifiedName) return [...namesIn(node.left), node.right.name];
  return node.type === AST_NODE_TYPES.Identifier ? [node.name] : [];
}

/** Which modules of a program pass on what only the privileged entry point exports. */
class PassedOn {
  private readonly program: ts.Program;
  private readonly checker: ts.TypeChecker;
  /** What the privileged entry point exports and the other does not. */
  private readonly symbols: ReadonlySet<ts.Symbol>;
  private readonly byModule = new Map<ts.Symbol, ReadonlySet<string>>();
  private readonly privileged = new Map<ts.Symbol, boolean>();

  private static readonly made = new WeakMap<ts.Program, PassedOn>();

  static of(program: ts.Program): PassedOn {
    const known = PassedOn.made.get(program) ?? new PassedOn(program);
    PassedOn.made.set(program, known);
    return known;
  }

  private constructor(program: ts.Program) {
    this.program = program;
    this.checker = program.getTypeChecker();
    this.symbols = this.privilegedSymbols();
  }

  /** Whether a module is the privileged entry point. */
  isPrivilegedModule(module: ts.Symbol | undefined): boolean {
    if (module === undefined) return false;
    const known = this.privileged.get(module);
    if (known !== undefined) return known;
    const found = isEntry(module, 'arch');
    this.privileged.set(module, found);
    return found;
  }

  /** The exports of a module of the project that come from the privileged entry point. */
  namesOf(module: ts.Symbol | undefined): ReadonlySet<string> | undefined {
    if (this.symbols.size === 0 || module === undefined) return undefined;
    const known = this.byModule.get(module);
    if (known !== undefined) return known;
    const names = new Set<string>();
    const isElsewhere = (module.declarations ?? []).some((declaration) => this.program.isSourceFileFromExternalLibrary(declaration.getSourceFile()));
    if (!isElsewhere) {
      for (const exported of this.checker.getExportsOfModule(module)) {
        const original = this.original(exported);
        // `export * as hw from ...`: all of it, under one name.
        if (this.symbols.has(original) || this.isPrivilegedModule(original)) names.add(exported.name);
      }
    }
    this.byModule.set(module, names);
    return names;
  }

  private original(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
  }

  private privilegedSymbols(): ReadonlySet<ts.Symbol> {
    const modules = [
      ...this.program.getSourceFiles().filter(({ fileName }) => packageOfFile(fileName) === CORE).map((file) => this.checker.getSymbolAtLocation(file)),
      ...this.checker.getAmbientModules(),
    ].filter((symbol) => symbol !== undefined);
    const of = (entry: 'arch' | 'index'): ts.Symbol[] =>
      modules.filter((module) => isEntry(module, entry)).flatMap((module) => this.checker.getExportsOfModule(module)).map((symbol) => this.original(symbol));
    const open = new Set(of('index'));
    return new Set(of('arch').filter((symbol) => !open.has(symbol)));
  }
}

/** Whether a module is an entry point of `@pgtable/core`. */
function isEntry(module: ts.Symbol, entry: 'arch' | 'index'): boolean {
  if (module.name === `"${entry === 'arch' ? PRIVILEGED : CORE}"`) return true;
  return (module.declarations ?? []).some(
    (declaration) => ts.isSourceFile(declaration) && new RegExp(`/(src|dist)/${entry}\\.(d\\.)?[cm]?ts$`).test(declaration.fileName) && isDeclaredIn(module, CORE),
  );
}
