import { AST_NODE_TYPES, ASTUtils, TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { ancestors } from '../ast.js';
import type { Typed } from '../typed.js';
import { CORE } from '../types/types.js';
import { isArchOf } from './belongs.js';

/*
 * What a fix can use where it stands: the architecture, the address space and the address that accessors take. A fix is only offered where all that
 * it needs is in reach under one name, so that what it writes always compiles.
 */

type Context = Readonly<TSESLint.RuleContext<string, readonly unknown[]>>;

/**
 * The name of the architecture to use at a node; undefined if there is none, or several and nothing says which.
 *
 * @param options.handle an expression: only an architecture whose accessors take it as a handle fits @param options.steps the accessor returns a handle, which has to
 * be of the same type @param options.part what has to be of that architecture where the code says of which it is; the handle, where it is left out
 */
export function archInReach(
  context: Context, typed: Typed, node: TSESTree.Node, { writable = false, handle, steps = false, part = handle }: ArchWanted = {},
): string | undefined {
  const arch = inReach(
    context, typed, node,
    (type) => typed.types.isCore(type, ...(writable ? WRITABLE : EITHER)) && (handle === undefined || takesHandle(typed, type, handle, steps)),
  );
  return arch === undefined || (part !== undefined && !isArchOf(context, typed, arch, part)) ? undefined : arch;
}

interface ArchWanted {
  readonly writable?: boolean;
  readonly handle?: TSESTree.Node;
  readonly steps?: boolean;
  readonly part?: TSESTree.Node;
}

/** Whether the accessors of an architecture take a handle, by what `advance` of that level takes and returns. */
function takesHandle(typed: Typed, arch: ts.Type, handle: TSESTree.Node, steps: boolean): boolean {
  const { checker } = typed.types;
  const at = typed.services.esTreeNodeToTSNodeMap.get(handle);
  const level = typed.handleOf(handle)?.level;
  if (level === undefined) return false;
  const advance = ['ops', level, 'advance'].reduce<ts.Type | undefined>((type, name) => {
    const property = type === undefined ? undefined : checker.getPropertyOfType(checker.getApparentType(type), name);
    return property === undefined ? undefined : checker.getTypeOfSymbolAtLocation(property, at);
  }, arch);
  const signature = advance?.getCallSignatures()[0];
  const parameter = signature?.parameters[0];
  if (signature === undefined || parameter === undefined) return false;
  const type = typed.typeOf(handle);
  return checker.isTypeAssignableTo(type, checker.getTypeOfSymbolAtLocation(parameter, at)) && (!steps || checker.isTypeAssignableTo(signature.getReturnType(), type));
}

/** The name of the address space to use at a node. */
export function mmInReach(context: Context, typed: Typed, node: TSESTree.Node): string | undefined {
  return inReach(context, typed, node, (type) => typed.types.isCore(type, 'MmContext'));
}

/** The name of the virtual address to use at a node: the one bigint there that is called so. */
export function addressInReach(context: Context, typed: Typed, node: TSESTree.Node): string | undefined {
  const { checker } = typed.types;
  return inReach(context, typed, node, (type, name) => /^(address|addr|va|vaddr)$/i.test(name) && checker.isTypeAssignableTo(type, checker.getBigIntType()) && typed.types.value(type) === undefined);
}

/**
 * The innermost scope that has variables that fit decides: one is the answer, and several are none. Variables that are only declared further down, or are
 * undefined on some way, do not fit. After the variables come the fields of `this`.
 */
function inReach(context: Context, typed: Typed, node: TSESTree.Node, fits: (type: ts.Type, name: string) => boolean): string | undefined {
  for (let scope: TSESLint.Scope.Scope | null = context.sourceCode.getScope(node); scope !== null; scope = scope.upper) {
    const names = scope.variables
      .filter((variable) => {
        const [definition] = variable.defs;
        if (definition === undefined || !variable.isValueVariable || isOnlyType(typed, definition)) return false;
        const { name } = definition;
        if (name.type !== AST_NODE_TYPES.Identifier) return false;
        const isParameter = definition.type === TSESLint.Scope.DefinitionType.Parameter;
        // What a parameter is where it is left out knows those before it alone.
        if (isParameter && name.range[0] > node.range[0]) return false;
        // A variable is there from after its declaration on; one of an outer scope is taken to be there.
        if (!isParameter && definition.node.range[1] > node.range[0] && variable.scope.variableScope === context.sourceCode.getScope(node).variableScope) return false;
        return fits(typed.typeOf(name), variable.name) && !isNullable(typed.typeOf(name));
      })
      .map(({ name }) => name);
    const [first, ...others] = [...new Set(names)].filter((name) => refersHere(context, node, name, scope));
    if (first !== undefined) return others.length === 0 ? first : undefined;
  }
  return fieldInReach(typed, node, fits);
}

/** Whether a name is imported as a type, or is the name of one: the scope manager calls it a value all the same. */
function isOnlyType(typed: Typed, { node, parent, name }: TSESLint.Scope.Definition): boolean {
  if (parent?.type !== AST_NODE_TYPES.ImportDeclaration) return false;
  if (parent.importKind === 'type' || (node.type === AST_NODE_TYPES.ImportSpecifier && node.importKind === 'type')) return true;
  const symbol = typed.types.checker.getSymbolAtLocation(typed.services.esTreeNodeToTSNodeMap.get(name));
  return symbol !== undefined && (typed.types.resolved(symbol).flags & ts.SymbolFlags.Value) === 0;
}

/** Whether a name means the variable of that scope where the fix will stand. */
function refersHere(context: Context, node: TSESTree.Node, name: string, scope: TSESLint.Scope.Scope): boolean {
  return ASTUtils.findVariable(context.sourceCode.getScope(node), name)?.scope === scope;
}

function fieldInReach(typed: Typed, node: TSESTree.Node, fits: (type: ts.Type, name: string) => boolean): string | undefined {
  const { checker } = typed.types;
  let isLater = false;
  // What a field begins with is there before those that are declared further down, or by the constructor.
  let before: number | undefined;
  for (const at of [node, ...ancestors(node)]) {
    if (at.type === AST_NODE_TYPES.ArrowFunctionExpression || at.type === AST_NODE_TYPES.FunctionExpression) isLater = true;
    if (!isLater && (at.type === AST_NODE_TYPES.PropertyDefinition || at.type === AST_NODE_TYPES.AccessorProperty)) before = at.range[0];
    // Inside of a function of its own, `this` is another.
    if (at.type === AST_NODE_TYPES.FunctionDeclaration || (at.type === AST_NODE_TYPES.FunctionExpression && at.parent.type !== AST_NODE_TYPES.MethodDefinition)) return undefined;
    const isStatic = (at.type === AST_NODE_TYPES.MethodDefinition || at.type === AST_NODE_TYPES.PropertyDefinition || at.type === AST_NODE_TYPES.AccessorProperty) && at.static;
    if (isStatic || at.type === AST_NODE_TYPES.StaticBlock) return undefined;
    if (at.type !== AST_NODE_TYPES.ClassDeclaration && at.type !== AST_NODE_TYPES.ClassExpression) continue;
    const here = typed.services.esTreeNodeToTSNodeMap.get(at);
    const fields = checker
      .getTypeAtLocation(here)
      .getProperties()
      .filter((field) => {
        const declaration = field.valueDeclaration;
        if (declaration === undefined || (isPrivate(declaration) && !isOf(here, declaration))) return false;
        if (before !== undefined && isOf(here, declaration) && (ts.isParameter(declaration) || declaration.pos >= before)) return false;
        if ((field.flags & ts.SymbolFlags.Optional) !== 0) return false;
        const type = checker.getTypeOfSymbolAtLocation(field, here);
        return fits(type, field.name) && !isNullable(type);
      });
    return fields.length === 1 ? `this.${fields[0]!.name}` : undefined;
  }
  return undefined;
}

/** Whether only the class that declares a field can use it. */
function isPrivate(field: ts.Declaration): boolean {
  const name = ts.getNameOfDeclaration(field);
  return (ts.getCombinedModifierFlags(field) & ts.ModifierFlags.Private) !== 0 || (name !== undefined && ts.isPrivateIdentifier(name));
}

/** Whether a class declares a field itself: as a member, or as a parameter of its constructor. */
function isOf(made: ts.Node, { parent }: ts.Declaration): boolean {
  return parent === made || (ts.isConstructorDeclaration(parent) && parent.parent === made);
}

function isNullable(type: ts.Type): boolean {
  return (type.isUnion() ? type.types : [type]).some((member) => (member.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null)) !== 0);
}

/**
 * Makes names of `@pgtable/core` known in the file.
 *
 * Returns: the fixes that import what is not imported yet; undefined if a name is taken by something else here.
 */
export function importCore(
  context: Context, fixer: TSESLint.RuleFixer, node: TSESTree.Node, names: readonly string[],
): TSESLint.RuleFix[] | undefined {
  const { ast } = context.sourceCode;
  const missing: string[] = [];
  for (const name of names) {
    const variable = ASTUtils.findVariable(context.sourceCode.getScope(node), name);
    const [definition] = variable?.defs ?? [];
    if (definition === undefined) missing.push(name);
    else if (!isImportOfCore(definition)) return undefined;
  }
  if (missing.length === 0) return [];
  const imports = ast.body.filter((statement) => statement.type === AST_NODE_TYPES.ImportDeclaration);
  const open = imports.find(
    ({ source, importKind, specifiers }) => source.value === CORE && importKind === 'value' && specifiers.some(({ type }) => type === AST_NODE_TYPES.ImportSpecifier),
  );
  if (open !== undefined) {
    const last = open.specifiers.at(-1)!;
    return [fixer.insertTextAfter(last, `, ${missing.join(', ')}`)];
  }
  if (!takesImport(context)) return undefined;
  const line = `import { ${missing.join(', ')} } from '${CORE}';\n`;
  const first = imports[0] ?? ast.body[0];
  // What a comment says of the line below stays with that line.
  const said = first === undefined ? undefined : context.sourceCode.getCommentsBefore(first).find(({ value }) => OF_NEXT_LINE.test(value));
  return [fixer.insertTextBeforeRange((said ?? first)?.range ?? [0, 0], line)];
}

/** Comments to the compiler and to the linter about the line below them. */
const OF_NEXT_LINE = /^\s*(@ts-(expect-error|ignore)|eslint-disable-next-line)\b/;

/** Whether an import may be written into a file: it would make a module of a script, and compilers that keep modules as they are written have none in CommonJS. */
function takesImport(context: Context): boolean {
  const { program } = context.sourceCode.parserServices ?? {};
  const file = program?.getSourceFile(context.filename);
  if (program == null || file === undefined) return false;
  const { module, verbatimModuleSyntax = false } = program.getCompilerOptions();
  return ts.isExternalModule(file) && !(verbatimModuleSyntax && (module === ts.ModuleKind.CommonJS || file.impliedNodeFormat === ts.ModuleKind.CommonJS));
}

function isImportOfCore(definition: TSESLint.Scope.Definition): boolean {
  const { node, parent } = definition;
  if (node.type !== AST_NODE_TYPES.ImportSpecifier || parent?.type !== AST_NODE_TYPES.ImportDeclaration) return false;
  if (parent.source.value !== CORE || parent.importKind === 'type' || node.importKind === 'type') return false;
  const imported = node.imported.type === AST_NODE_TYPES.Identifier ? node.imported.name : node.imported.value;
  return imported === node.local.name;
}

const WRITABLE = ['WritableArch'] as const;
const EITHER = ['Arch', 'WritableArch'] as const;
