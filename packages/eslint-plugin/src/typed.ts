import { AST_NODE_TYPES, type ParserServicesWithTypeInformation, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { settingsOf, type Settings } from './settings.js';
import { Provenance, type Origin } from './types/provenance.js';
import { Types, type Handle, type Value } from './types/types.js';

/** What every rule that asks for types gets. */
export interface Typed {
  readonly services: ParserServicesWithTypeInformation;
  readonly settings: Settings;
  readonly types: Types;
  readonly provenance: Provenance;
  /** The type of an expression. */
  typeOf(node: TSESTree.Node): ts.Type;
  /** What an expression's type says of handles. */
  handleOf(node: TSESTree.Node): Handle | undefined;
  /** Whether an expression is `any`. */
  isAny(node: TSESTree.Node): boolean;
  /** Whether an expression's type passes a test that a union passes if one of its members does. */
  is(node: TSESTree.Node, test: (type: ts.Type) => boolean): boolean;
  /** What an expression's type says of entry values. */
  valueOf(node: TSESTree.Node): Value | undefined;
  /** Where an expression's value came from. */
  originOf(node: TSESTree.Node): Origin;
  /** Whether an expression is a live entry's handle: by its type, or, under the alias, because nothing says that it is a value held aside. */
  isLive(node: TSESTree.Node): boolean;
}

const told = new WeakSet<TSESLint.SourceCode>();

/** The message of every rule that needs types, where there are none. */
export const NO_TYPES = {
  noTypes:
    'This rule works by types, and this file was parsed without them: set `parserOptions: { projectService: true }` for it, with the parser of typescript-eslint (see the README of @pgtable/eslint-plugin).',
} as const;

/**
 * The type information of a file.
 *
 * Returns: undefined if the rule has nothing to look for: there are no types, which is reported once a file and not once a rule; the program knows
 * nothing of handles; or the file is an architecture's, where `inArchitecture` is false.
 */
export function typed<Messages extends string>(
  context: Readonly<TSESLint.RuleContext<Messages | 'noTypes', readonly unknown[]>>, { inArchitecture = false }: { readonly inArchitecture?: boolean } = {},
): Typed | undefined {
  const settings = settingsOf(context);
  if (!inArchitecture && settings.isArchitecture(context.filename, context.cwd)) return undefined;
  const services = context.sourceCode.parserServices;
  if (services?.program === undefined || services.program === null) {
    if (!told.has(context.sourceCode)) {
      told.add(context.sourceCode);
      context.report({ loc: { line: 1, column: 0 }, messageId: 'noTypes' });
    }
    return undefined;
  }
  const complete = services as ParserServicesWithTypeInformation;
  const types = Types.of(complete, settings);
  if (!types.relevant) return undefined;
  const known = asked.get(context.sourceCode)?.get(types) ?? new Asked(complete, settings, types);
  const bySettings = asked.get(context.sourceCode) ?? new Map<Types, Asked>();
  asked.set(context.sourceCode, bySettings.set(types, known));
  return known;
}

/** What the rules have asked about a file, for all of them: most ask the same of the same nodes, and asking the compiler is most of what they cost. */
const asked = new WeakMap<TSESLint.SourceCode, Map<Types, Asked>>();

class Asked implements Typed {
  readonly services: ParserServicesWithTypeInformation;
  readonly settings: Settings;
  readonly types: Types;
  readonly provenance: Provenance;
  private readonly nodes = new Map<TSESTree.Node, ts.Type>();
  private readonly handles = new Map<TSESTree.Node, Handle | undefined>();
  private readonly lives = new Map<TSESTree.Node, boolean>();
  private readonly declared = new Map<TSESTree.Node, ts.Type | undefined>();

  constructor(services: ParserServicesWithTypeInformation, settings: Settings, types: Types) {
    this.services = services;
    this.settings = settings;
    this.types = types;
    this.provenance = Provenance.of(types);
  }

  typeOf(node: TSESTree.Node): ts.Type {
    const known = this.nodes.get(node);
    if (known !== undefined) return known;
    const type = this.declaredType(node) ?? this.resultType(node) ?? this.types.checker.getTypeAtLocation(this.services.esTreeNodeToTSNodeMap.get(node));
    this.nodes.set(node, type);
    return type;
  }

  handleOf(node: TSESTree.Node): Handle | undefined {
    const known = this.handles.get(node);
    if (known !== undefined || this.handles.has(node)) return known;
    const handle = this.isNoHandle(node) ? undefined : this.types.handle(this.typeOf(node));
    this.handles.set(node, handle);
    return handle;
  }

  isAny(node: TSESTree.Node): boolean {
    if (NEVER_HANDLES.has(node.type)) return false;
    const declared = this.declaration(node);
    if (declared !== undefined && (declared.flags & ANYTHING) === 0) return false;
    return (this.typeOf(node).flags & ts.TypeFlags.Any) !== 0;
  }

  is(node: TSESTree.Node, test: (type: ts.Type) => boolean): boolean {
    const declared = this.declaration(node);
    if (declared !== undefined && (declared.flags & ANYTHING) === 0 && !(declared.isUnion() ? declared.types : [declared]).some(test)) return false;
    return test(this.typeOf(node));
  }

  valueOf(node: TSESTree.Node): Value | undefined {
    if (NEVER_HANDLES.has(node.type)) return undefined;
    const declared = this.declaration(node);
    if (declared !== undefined && (declared.flags & ANYTHING) === 0 && this.types.value(declared) === undefined) return undefined;
    return this.types.value(this.typeOf(node));
  }

  originOf(node: TSESTree.Node): Origin {
    return this.provenance.of(this.services.esTreeNodeToTSNodeMap.get(node) as ts.Expression);
  }

  isLive(node: TSESTree.Node): boolean {
    const known = this.lives.get(node);
    if (known !== undefined) return known;
    const handle = this.handleOf(node);
    const live = handle !== undefined && (handle.form !== 'alias' || this.originOf(node) !== 'aside');
    this.lives.set(node, live);
    return live;
  }

  /**
   * Whether something is no handle, as far as that can be told without its type: by what it is, by what its parts are, or by how it was declared. What narrows a
   * type takes members away and adds none, so where no member of what was declared is a handle, none of it is.
   */
  private isNoHandle(node: TSESTree.Node): boolean {
    if (NEVER_HANDLES.has(node.type)) return true;
    switch (node.type) {
      case AST_NODE_TYPES.TSNonNullExpression:
      case AST_NODE_TYPES.ChainExpression:
        return this.handleOf(node.expression) === undefined;
      case AST_NODE_TYPES.ConditionalExpression:
        return this.handleOf(node.consequent) === undefined && this.handleOf(node.alternate) === undefined;
      case AST_NODE_TYPES.LogicalExpression:
        return this.handleOf(node.left) === undefined && this.handleOf(node.right) === undefined;
      default:
        break;
    }
    if (this.hasOtherMembers(node)) return true;
    const declared = this.declaration(node);
    return declared !== undefined && (declared.flags & ANYTHING) === 0 && this.types.handle(declared) === undefined;
  }

  /**
   * Whether something is used as what no handle is: `this`, or the object of a property that neither a handle nor a number has. The property was found when the
   * file was compiled, and the type of the object would have to be found again.
   */
  private hasOtherMembers(node: TSESTree.Node): boolean {
    if (this.settings.handleTypes.length > 0) return false;
    if (node.type === AST_NODE_TYPES.ThisExpression) return true;
    const { parent } = node;
    if (parent?.type !== AST_NODE_TYPES.MemberExpression || parent.object !== node || parent.computed) return false;
    const property = this.types.checker.getSymbolAtLocation(this.services.esTreeNodeToTSNodeMap.get(parent.property));
    const declaration = property?.declarations?.[0]?.parent;
    return declaration !== undefined && !(ts.isInterfaceDeclaration(declaration) && MEMBERS_OF_HANDLES.has(declaration.name.text));
  }

  /**
   * The type of a variable or a property as it is declared, where nothing can narrow it: then it is that of every use. The compiler follows the flow of
   * control to each use anew, which costs ten times as much.
   */
  private declaredType(node: TSESTree.Node): ts.Type | undefined {
    const type = this.declaration(node);
    return type !== undefined && (type.flags & FIXED) !== 0 ? type : undefined;
  }

  /** What a call returns: the compiler knows which function is called, and would find out again what the function's own expression is. */
  private resultType(node: TSESTree.Node): ts.Type | undefined {
    if (node.type !== AST_NODE_TYPES.CallExpression) return undefined;
    const call = this.services.esTreeNodeToTSNodeMap.get(node);
    // Of a chain the result may be missing; super() and require() are calls of another kind.
    if (ts.isCallChain(call) || node.callee.type === AST_NODE_TYPES.Super || (node.callee.type === AST_NODE_TYPES.Identifier && node.callee.name === 'require')) return undefined;
    const { checker } = this.types;
    const signature = checker.getResolvedSignature(call);
    return signature === undefined ? undefined : checker.getReturnTypeOfSignature(signature);
  }

  /** The type of a variable or a property as it is declared. */
  private declaration(node: TSESTree.Node): ts.Type | undefined {
    const name = node.type === AST_NODE_TYPES.Identifier ? node : node.type === AST_NODE_TYPES.MemberExpression && !node.computed && !node.optional ? node.property : undefined;
    if (name?.type !== AST_NODE_TYPES.Identifier) return undefined;
    const known = this.declared.get(name);
    if (known !== undefined || this.declared.has(name)) return known;
    const { checker } = this.types;
    const symbol = checker.getSymbolAtLocation(this.services.esTreeNodeToTSNodeMap.get(name));
    const isTyped = symbol !== undefined && (symbol.flags & (ts.SymbolFlags.Variable | ts.SymbolFlags.Property | ts.SymbolFlags.Function | ts.SymbolFlags.Method)) !== 0;
    const type = isTyped ? checker.getTypeOfSymbol(symbol) : undefined;
    this.declared.set(name, type);
    return type;
  }
}

/** Types that may turn out to be anything. */
const ANYTHING = ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.NonPrimitive;

/** Types that stay what they are whatever is asked of their values before. */
const FIXED =
  ts.TypeFlags.Object | ts.TypeFlags.Intersection | ts.TypeFlags.Number | ts.TypeFlags.BigInt | ts.TypeFlags.String | ts.TypeFlags.NumberLiteral | ts.TypeFlags.BigIntLiteral | ts.TypeFlags.StringLiteral;

/** The interfaces of the language that say what a handle, under the alias a number, has. */
const MEMBERS_OF_HANDLES: ReadonlySet<string> = new Set(['Object', 'Number']);

/** Expressions that can be neither handles nor values of entries, whatever is in them. */
const NEVER_HANDLES: ReadonlySet<AST_NODE_TYPES> = new Set([
  AST_NODE_TYPES.Literal, AST_NODE_TYPES.TemplateLiteral, AST_NODE_TYPES.ObjectExpression, AST_NODE_TYPES.ArrayExpression, AST_NODE_TYPES.ArrowFunctionExpression, AST_NODE_TYPES.FunctionExpression,
  AST_NODE_TYPES.ClassExpression, AST_NODE_TYPES.UnaryExpression, AST_NODE_TYPES.BinaryExpression, AST_NODE_TYPES.UpdateExpression, AST_NODE_TYPES.ImportExpression, AST_NODE_TYPES.MetaProperty, AST_NODE_TYPES.Super,
]);
