import { AST_NODE_TYPES, TSESLint, type ParserServicesWithTypeInformation, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { ancestors, bare, isArithmetic, isConst } from './ast.js';
import { ofKind } from './in-one-go.js';
import { ANYTHING, isZeroType, May, possibleByKind, possibleByType } from './possible.js';
import { settingsOf, type Settings } from './settings.js';
import { Provenance, type Origin } from './types/provenance.js';
import { PRIMITIVE, Types, type Handle, type Known, type TypeTest, type Value } from './types/types.js';

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
  /** Whether an expression may be `any`, as far as that can be told without its type. */
  mayBeAny(node: TSESTree.Node): boolean;
  /** Whether one of the arguments of a call may be a handle, as far as that can be told without their types. What is `any` may be. */
  mayGiveHandle(call: TSESTree.CallExpression | TSESTree.NewExpression): boolean;
  /** Whether an expression may be a number, a text or a handle, as far as that can be told without its type. */
  mayBePlain(node: TSESTree.Node): boolean;
  /** Whether an expression's type passes a test. */
  is(node: TSESTree.Node, test: TypeTest): boolean;
  /** Whether an expression's type may pass a test, as far as that can be told without it. */
  mayBe(node: TSESTree.Node, test: TypeTest): boolean;
  /** Whether an expression's type is one of texts. */
  isText(node: TSESTree.Node): boolean;
  /** Whether an expression's type is that of zero alone. */
  isZero(node: TSESTree.Node): boolean;
  /** Whether an expression's type may be that of zero alone, as far as that can be told without it. */
  mayBeZero(node: TSESTree.Node): boolean;
  /** What a name stands for, as the compiler found. */
  symbolOf(name: TSESTree.Node): ts.Symbol | undefined;
  /** The signature by which something is called. */
  signatureOf(call: TSESTree.CallExpression | TSESTree.NewExpression): ts.Signature | undefined;
  /** Whether what is called may have been declared with a name that passes a test. */
  mayBeNamed(call: TSESTree.CallExpression, test: (name: string) => boolean): boolean;
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
 * @param names those that the rule looks for, where it goes by names and not by types of core
 *
 * Returns: undefined if the rule has nothing to look for: there are no types, which is reported once a file and not once a rule; the program knows
 * nothing of handles; the file is an architecture's, where `inArchitecture` is false; or nothing in the file can have a type of core, or a name that is looked for.
 */
export function typed<Messages extends string>(
  context: Readonly<TSESLint.RuleContext<Messages | 'noTypes', readonly unknown[]>>, { inArchitecture = false, names }: { readonly inArchitecture?: boolean; readonly names?: (settings: Settings) => readonly string[] } = {},
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
  const file = askedOf(context.sourceCode, services as ParserServicesWithTypeInformation, settings);
  if (!file.types.relevant) return undefined;
  return (names === undefined ? file.reachesHandles : file.types.reachesName(file.root, context.id, () => names(settings))) ? file : undefined;
}

/** What the rules have asked about a file, for all of them: most ask the same of the same nodes, and asking the compiler is most of what they cost. */
function askedOf(sourceCode: Readonly<TSESLint.SourceCode>, services: ParserServicesWithTypeInformation, settings: Settings): Asked {
  // One rule after the other asks about the same file.
  if (lastAsked?.sourceCode === sourceCode && lastAsked.settings === settings) return lastAsked;
  const types = Types.of(services, settings);
  const byTypes = asked.get(sourceCode) ?? new Map<Types, Asked>();
  asked.set(sourceCode, byTypes);
  lastAsked = byTypes.get(types) ?? new Asked(services, settings, types, sourceCode);
  byTypes.set(types, lastAsked);
  return lastAsked;
}

const asked = new WeakMap<TSESLint.SourceCode, Map<Types, Asked>>();
let lastAsked: Asked | undefined;

/** What is known of a node, or of all uses of a variable; null where the answer may be that there is none. */
interface Facts {
  /** The node, or where the variable is declared: there the compiler has its symbol at hand, and where it is used it would look for it from scope to scope. */
  readonly node: TSESTree.Node;
  possible: number;
  /** The same of all arguments of a call. */
  given: number;
  type: ts.Type | undefined;
  widest: Known | undefined | null;
  handle: Handle | undefined | null;
  live: boolean | undefined;
  symbol: ts.Symbol | undefined | null;
  signature: ts.Signature | undefined | null;
}

/** A bit that nothing may be. */
const UNASKED = 2 ** 30;

function newFacts(node: TSESTree.Node): Facts {
  return { node, possible: UNASKED, given: UNASKED, type: undefined, widest: null, handle: null, live: undefined, symbol: null, signature: null };
}

/** What is tested somewhere in a file: variables, by what is known of them, properties, by their names, and whether any element of a list is. */
interface Guarded {
  readonly variables: ReadonlySet<Facts>;
  readonly properties: ReadonlySet<string>;
  readonly elements: boolean;
}

/** Where what a call says has consequences: it is a condition, or kept for one, or a statement that asserts something. */
const TESTED: ReadonlySet<AST_NODE_TYPES> = new Set([
  AST_NODE_TYPES.IfStatement, AST_NODE_TYPES.ConditionalExpression, AST_NODE_TYPES.WhileStatement, AST_NODE_TYPES.DoWhileStatement, AST_NODE_TYPES.ForStatement, AST_NODE_TYPES.LogicalExpression,
  AST_NODE_TYPES.UnaryExpression, AST_NODE_TYPES.SwitchCase, AST_NODE_TYPES.VariableDeclarator, AST_NODE_TYPES.ExpressionStatement, AST_NODE_TYPES.BinaryExpression, AST_NODE_TYPES.ChainExpression,
  AST_NODE_TYPES.SequenceExpression, AST_NODE_TYPES.TSNonNullExpression, AST_NODE_TYPES.TSSatisfiesExpression,
]);

class Asked implements Typed {
  readonly services: ParserServicesWithTypeInformation;
  readonly settings: Settings;
  readonly types: Types;
  readonly provenance: Provenance;
  readonly sourceCode: Readonly<TSESLint.SourceCode>;
  /** The file, as the compiler has it. */
  readonly root: ts.SourceFile;
  private readonly facts = new Map<TSESTree.Node, Facts>();
  private last: TSESTree.Node | undefined;
  private lastFacts: Facts | undefined;

  constructor(services: ParserServicesWithTypeInformation, settings: Settings, types: Types, sourceCode: Readonly<TSESLint.SourceCode>) {
    this.services = services;
    this.sourceCode = sourceCode;
    this.settings = settings;
    this.types = types;
    this.provenance = Provenance.of(types);
    this.root = services.esTreeNodeToTSNodeMap.get(sourceCode.ast);
  }

  /** Whether anything in the file can have a type of core that a rule looks for. */
  get reachesHandles(): boolean {
    return (this.reaches ??= this.types.reachesHandles(this.root));
  }
  private reaches: boolean | undefined;

  typeOf(node: TSESTree.Node): ts.Type {
    const facts = this.of(node);
    facts.type ??= this.findType(node);
    return facts.type;
  }

  private findType(node: TSESTree.Node): ts.Type {
    return this.declaredType(node) ?? ((node.type === AST_NODE_TYPES.CallExpression && !isInChain(node)) || node.type === AST_NODE_TYPES.NewExpression ? this.widestType(node) : undefined) ?? this.typeOfParts(node) ?? this.types.checker.getTypeAtLocation(this.services.esTreeNodeToTSNodeMap.get(node));
  }

  /** The type of an expression that follows from that of its parts, which are asked about more often. */
  private typeOfParts(node: TSESTree.Node): ts.Type | undefined {
    const { checker } = this.types;
    switch (node.type) {
      case AST_NODE_TYPES.AwaitExpression:
        return this.types.awaited(this.typeOf(node.argument));
      case AST_NODE_TYPES.TSNonNullExpression:
        return node.expression.type === AST_NODE_TYPES.ChainExpression || isInChain(node.expression) ? undefined : checker.getNonNullableType(this.typeOf(node.expression));
      case AST_NODE_TYPES.TSAsExpression:
      case AST_NODE_TYPES.TSTypeAssertion:
        return isConst(node.typeAnnotation) ? undefined : this.typeOf(node.typeAnnotation);
      default:
        return undefined;
    }
  }

  symbolOf(name: TSESTree.Node): ts.Symbol | undefined {
    const facts = this.ofNamed(name);
    if (facts.symbol === null) facts.symbol = this.propertyOf(facts.node) ?? this.types.checker.getSymbolAtLocation(this.services.esTreeNodeToTSNodeMap.get(facts.node));
    return facts.symbol;
  }

  /** What a property's name stands for, by the type of its object where nothing narrows that: the compiler would find out again what the object is. */
  private propertyOf(name: TSESTree.Node): ts.Symbol | undefined {
    const { parent } = name;
    if (name.type !== AST_NODE_TYPES.Identifier || parent?.type !== AST_NODE_TYPES.MemberExpression || parent.property !== name || parent.computed) return undefined;
    const object = this.widestType(parent.object);
    return object === undefined || (object.flags & FIXED) === 0 ? undefined : object.getProperty(name.name);
  }

  signatureOf(call: TSESTree.CallExpression | TSESTree.NewExpression): ts.Signature | undefined {
    const facts = this.of(call);
    if (facts.signature === null) facts.signature = this.types.checker.getResolvedSignature(this.services.esTreeNodeToTSNodeMap.get(call));
    return facts.signature;
  }

  mayBeNamed(call: TSESTree.CallExpression, test: (name: string) => boolean): boolean {
    const callee = bare(call.callee);
    const called = callee.type === AST_NODE_TYPES.MemberExpression && !callee.computed ? callee.property : callee;
    if (called.type !== AST_NODE_TYPES.Identifier || test(called.name)) return true;
    const declaration = this.signatureOf(call)?.declaration;
    const name = declaration === undefined || ts.isJSDocSignature(declaration) ? undefined : declaration.name;
    return name === undefined || !ts.isIdentifier(name) || test(name.text);
  }

  /** What is known of a node. Most questions come one after the other about the same. */
  private of(node: TSESTree.Node): Facts {
    if (node === this.last) return this.lastFacts!;
    this.last = node;
    return (this.lastFacts = this.factsOf(node));
  }

  private factsOf(node: TSESTree.Node): Facts {
    const known = this.facts.get(node);
    if (known !== undefined) return known;
    const facts = newFacts(node);
    this.facts.set(node, facts);
    return facts;
  }

  /** What is known of all uses of a name, or of a node that is none. */
  private ofNamed(node: TSESTree.Node): Facts {
    if (node.type !== AST_NODE_TYPES.Identifier) return this.of(node);
    this.ofNames ??= this.names();
    return this.ofNames.get(node) ?? this.of(node);
  }

  /** For the names in expressions, what is known of the variables that they stand for; of names that the file does not declare, the first use of each stands for all. */
  private names(): ReadonlyMap<TSESTree.Node, Facts> {
    const names = new Map<TSESTree.Node, Facts>();
    const variables = new Map<TSESLint.Scope.Variable, Facts>();
    const globals = new Map<string, Facts>();
    const shared = <K>(all: Map<K, Facts>, key: K, node: TSESTree.Node): Facts => {
      const known = all.get(key);
      if (known !== undefined) return known;
      const facts = newFacts(node);
      all.set(key, facts);
      return facts;
    };
    for (const { references } of this.sourceCode.scopeManager?.scopes ?? []) {
      for (const { from, identifier, resolved, isValueReference } of references) {
        if (!isValueReference) continue;
        if (resolved?.defs.length === 1) names.set(identifier, shared(variables, resolved, resolved.defs[0]!.name));
        else if ((resolved === null || resolved.defs.length === 0) && identifier.type === AST_NODE_TYPES.Identifier && !isShorthand(identifier) && !isInNamespace(from)) names.set(identifier, shared(globals, identifier.name, identifier));
      }
    }
    return names;
  }
  private ofNames: ReadonlyMap<TSESTree.Node, Facts> | undefined;

  /**
   * Whether a test leaves of something less than what it is declared as, and not only some members of a union: by a function that says so (`n is Ptep`), or by
   * its class. Then only the compiler knows what it is where.
   */
  private isGuarded(node: TSESTree.Node): boolean {
    this.guarded ??= this.findGuarded();
    if (node.type === AST_NODE_TYPES.Identifier) return this.guarded.variables.size > 0 && this.guarded.variables.has(this.ofNamed(node));
    if (node.type !== AST_NODE_TYPES.MemberExpression) return false;
    if (node.computed && this.guarded.elements) return true;
    const name = this.guarded.properties.size === 0 ? undefined : propertyName(node);
    return name !== undefined && this.guarded.properties.has(name);
  }
  private guarded: Guarded | undefined;

  private findGuarded(): Guarded {
    const guarded = { variables: new Set<Facts>(), properties: new Set<string>(), elements: false };
    const add = (node: TSESTree.Node | undefined): void => {
      const inner = node === undefined ? undefined : bare(node as TSESTree.Expression);
      if (inner?.type === AST_NODE_TYPES.Identifier) guarded.variables.add(this.ofNamed(inner));
      if (inner?.type !== AST_NODE_TYPES.MemberExpression) return;
      const name = propertyName(inner);
      if (inner.computed) guarded.elements = true;
      if (name !== undefined) guarded.properties.add(name);
    };
    for (const call of ofKind(this.sourceCode, AST_NODE_TYPES.CallExpression)) if (this.isTested(call)) add(this.testedBy(call));
    for (const { left, operator } of ofKind(this.sourceCode, AST_NODE_TYPES.BinaryExpression)) if (operator === 'instanceof') add(left);
    return guarded;
  }

  /** Whether what a call says has consequences. */
  private isTested({ parent }: TSESTree.CallExpression): boolean {
    // `if ((is = isPtep(n)))`, `assert(isPtep(n));`
    if (parent.type === AST_NODE_TYPES.AssignmentExpression) return parent.parent.type !== AST_NODE_TYPES.ExpressionStatement;
    if (parent.type === AST_NODE_TYPES.CallExpression) return parent.parent.type === AST_NODE_TYPES.ExpressionStatement && this.saysSo(this.signatureOf(parent));
    return TESTED.has(parent.type);
  }

  /** Whether a function says of something what it is. Who asserts has to; who only asks may leave it to the compiler. */
  private saysSo(signature: ts.Signature | undefined): boolean {
    const declaration = signature?.declaration;
    return declaration?.type !== undefined && !ts.isJSDocSignature(declaration) && ts.isTypePredicateNode(declaration.type);
  }

  /** The argument of a call, or the object that it is a method of, that is less where the call says yes, or returns at all. */
  private testedBy(call: TSESTree.CallExpression): TSESTree.Node | undefined {
    const signature = this.signatureOf(call);
    if (signature === undefined) return undefined;
    if (call.parent.type === AST_NODE_TYPES.ExpressionStatement && !this.saysSo(signature)) return undefined;
    const predicate = this.types.checker.getTypePredicateOfSignature(signature);
    if (predicate?.type === undefined || (predicate.type.flags & PRIMITIVE) !== 0) return undefined;
    if (predicate.kind === ts.TypePredicateKind.Identifier || predicate.kind === ts.TypePredicateKind.AssertsIdentifier) return call.arguments[predicate.parameterIndex];
    const callee = bare(call.callee);
    return callee.type === AST_NODE_TYPES.MemberExpression ? callee.object : undefined;
  }

  handleOf(node: TSESTree.Node): Handle | undefined {
    if ((this.may(node) & May.Handle) === 0) return undefined;
    const facts = this.of(node);
    if (facts.handle === null) facts.handle = this.findHandle(node);
    return facts.handle;
  }

  private findHandle(node: TSESTree.Node): Handle | undefined {
    if (this.isNoHandle(node)) return undefined;
    // To find the type of a choice the compiler checks both of its sides again.
    const only = node.type === AST_NODE_TYPES.ConditionalExpression ? onlySide(node) : undefined;
    return only === undefined ? this.types.handle(this.familyType(node) ?? this.typeOf(node)) : this.handleOf(only);
  }

  /** `H['pte']`, which is all of it or nothing: no flow of control leaves a part of it. */
  private familyType(node: TSESTree.Node): ts.Type | undefined {
    const type = this.widestType(node);
    return type !== undefined && (type.flags & ts.TypeFlags.IndexedAccess) !== 0 ? type : undefined;
  }

  mayBeAny(node: TSESTree.Node): boolean {
    return (this.may(node) & May.Any) !== 0;
  }

  isAny(node: TSESTree.Node): boolean {
    return this.mayBeAny(node) && (this.typeOf(node).flags & ts.TypeFlags.Any) !== 0;
  }

  mayBePlain(node: TSESTree.Node): boolean {
    const may = this.may(node);
    return (may & May.Object) === 0 || (may & (May.Handle | May.Text)) !== 0;
  }

  mayGiveHandle(call: TSESTree.CallExpression | TSESTree.NewExpression): boolean {
    return (this.given(call) & May.Handle) !== 0;
  }

  private given(call: TSESTree.CallExpression | TSESTree.NewExpression): number {
    if (call.arguments.length === 0) return 0;
    const facts = this.of(call);
    if (facts.given === UNASKED) {
      facts.given = 0;
      for (const argument of call.arguments) facts.given |= argument.type === AST_NODE_TYPES.SpreadElement ? ANYTHING : this.may(argument);
    }
    return facts.given;
  }

  is(node: TSESTree.Node, test: TypeTest): boolean {
    if (!this.mayBe(node, test)) return false;
    // To find the type of a choice the compiler checks both of its sides again.
    if (node.type === AST_NODE_TYPES.ConditionalExpression && !this.is(node.consequent, test) && !this.is(node.alternate, test)) return false;
    return this.types.passes(this.typeOf(node), test);
  }

  isText(node: TSESTree.Node): boolean {
    if ((this.may(node) & May.Text) === 0) return false;
    if (node.type === AST_NODE_TYPES.TemplateLiteral || node.type === AST_NODE_TYPES.Literal) return true;
    if (node.type === AST_NODE_TYPES.BinaryExpression && (this.isText(node.left) || this.isText(node.right))) return true;
    const type = this.typeOf(node);
    if ((type.flags & ts.TypeFlags.StringLike) !== 0) return true;
    // `'pte' | 'pmd'`, and what is one of them
    return (type.flags & (ts.TypeFlags.Union | ts.TypeFlags.Intersection | ts.TypeFlags.Instantiable)) !== 0 && this.types.checker.isTypeAssignableTo(type, this.types.checker.getStringType());
  }

  isZero(node: TSESTree.Node): boolean {
    return this.mayBeZero(node) && isZeroType(this.typeOf(node));
  }

  mayBeZero(node: TSESTree.Node): boolean {
    return (this.may(node) & May.Zero) !== 0;
  }

  valueOf(node: TSESTree.Node): Value | undefined {
    return (this.may(node) & May.Value) === 0 ? undefined : this.types.value(this.typeOf(node));
  }

  /** What an expression may be, as far as that can be told without its type: by what it is, by what its parts are, or by how it was declared. */
  private may(node: TSESTree.Node): number {
    const said = possibleByKind(node);
    if (said !== undefined) return said;
    const facts = this.ofNamed(node);
    if (facts.possible === UNASKED) facts.possible = this.findPossible(node);
    return facts.possible;
  }

  private findPossible(node: TSESTree.Node): number {
    switch (node.type) {
      case AST_NODE_TYPES.BinaryExpression:
        return (this.may(node.left) | this.may(node.right)) & (May.Text | May.Any);
      case AST_NODE_TYPES.ArrayExpression:
        return node.elements.some((element) => element !== null && (element.type === AST_NODE_TYPES.SpreadElement || (this.may(element) & (May.Handle | May.Object)) !== 0)) ? May.Object : 0;
      case AST_NODE_TYPES.ThisExpression:
        return this.settings.handleTypes.length === 0 && !hasOwnThis(node) ? ANYTHING & ~May.Handle : ANYTHING;
      case AST_NODE_TYPES.TSNonNullExpression:
      case AST_NODE_TYPES.ChainExpression:
        return this.may(node.expression);
      case AST_NODE_TYPES.ConditionalExpression:
        return this.may(node.consequent) | this.may(node.alternate);
      case AST_NODE_TYPES.LogicalExpression:
        return this.may(node.left) | this.may(node.right);
      case AST_NODE_TYPES.TSAsExpression:
        if (isConst(node.typeAnnotation)) return this.may(node.expression);
        break;
      default:
        break;
    }
    const widest = this.widestOf(node);
    if (widest !== undefined) return this.possibleOf(widest);
    const members = this.memberTypes(node);
    return members === undefined ? ANYTHING : this.possibleOfAny(members);
  }

  private possibleOfAny(types: readonly ts.Type[]): number {
    return types.reduce((all, type) => all | this.possibleOf(this.types.of(type)), 0);
  }

  private possibleOf(known: Known): number {
    return (known.possible ??= possibleByType(this.types, known.type));
  }

  mayBe(node: TSESTree.Node, test: TypeTest): boolean {
    if ((this.may(node) & May.Object) === 0) return false;
    switch (node.type) {
      case AST_NODE_TYPES.ArrayExpression:
        // A list passes for what is in it: a handle, or what passes itself. To find what a literal is the compiler checks all of it again.
        return node.elements.some((element) => element !== null && (element.type === AST_NODE_TYPES.SpreadElement || (this.may(element) & May.Handle) !== 0 || this.mayBe(element, test)));
      case AST_NODE_TYPES.TSNonNullExpression:
      case AST_NODE_TYPES.ChainExpression:
        return this.mayBe(node.expression, test);
      case AST_NODE_TYPES.ConditionalExpression:
        return this.mayBe(node.consequent, test) || this.mayBe(node.alternate, test);
      case AST_NODE_TYPES.LogicalExpression:
        return this.mayBe(node.left, test) || this.mayBe(node.right, test);
      case AST_NODE_TYPES.TSAsExpression:
        if (isConst(node.typeAnnotation)) return this.mayBe(node.expression, test);
        break;
      default:
        break;
    }
    const widest = this.widestOf(node);
    if (widest !== undefined) return this.types.mayPass(widest, test);
    const members = this.memberTypes(node);
    return members === undefined || this.types.mayOnePass(members, test);
  }

  originOf(node: TSESTree.Node): Origin {
    const expression = this.services.esTreeNodeToTSNodeMap.get(node) as ts.Expression;
    return this.handleOf(node)?.form === 'alias' ? this.provenance.ofAlias(expression) : this.provenance.of(expression);
  }

  isLive(node: TSESTree.Node): boolean {
    const handle = this.handleOf(node);
    if (handle === undefined) return false;
    const facts = this.of(node);
    facts.live ??= handle.form !== 'alias' || this.originOf(node) !== 'aside';
    return facts.live;
  }

  /**
   * Whether something is no handle, as far as that can be told without its type: by what it is, by what its parts are, or by how it was declared. What narrows a
   * type takes members away and adds none, so where no member of what was declared is a handle, none of it is.
   */
  private isNoHandle(node: TSESTree.Node): boolean {
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
    return this.hasOtherMembers(node);
  }

  /**
   * Whether something is used as what no handle is: the object of a property that neither a handle nor a number has. The property was found when the file was
   * compiled, and the type of the object would have to be found again.
   */
  private hasOtherMembers(node: TSESTree.Node): boolean {
    if (this.settings.handleTypes.length > 0) return false;
    const { parent } = node;
    if (parent?.type !== AST_NODE_TYPES.MemberExpression || parent.object !== node || parent.computed) return false;
    const widest = this.widestType(node);
    if (widest !== undefined && this.types.handle(widest) !== undefined) return false;
    const owner = this.symbolOf(parent.property)?.declarations?.[0]?.parent;
    return owner !== undefined && !this.types.isOfHandles(owner);
  }

  /**
   * The type of a variable or a property as it is declared, where nothing can narrow it: then it is that of every use. The compiler follows the flow of
   * control to each use anew, which costs ten times as much.
   */
  private declaredType(node: TSESTree.Node): ts.Type | undefined {
    if (node.type !== AST_NODE_TYPES.Identifier && (node.type !== AST_NODE_TYPES.MemberExpression || node.computed || node.optional)) return undefined;
    const type = this.widestType(node);
    return type !== undefined && (type.flags & FIXED) !== 0 ? type : undefined;
  }

  /** What a call returns: the compiler knows which function is called, and would find out again what the function's own expression is. */
  private resultType(node: TSESTree.Node): ts.Type | undefined {
    if (node.type === AST_NODE_TYPES.NewExpression) {
      const signature = this.signatureOf(node);
      // What is no constructor, and is called like one, makes anything.
      const isMade = signature?.declaration === undefined || ts.isConstructorDeclaration(signature.declaration) || ts.isConstructSignatureDeclaration(signature.declaration) || ts.isConstructorTypeNode(signature.declaration);
      return signature === undefined || !isMade ? undefined : this.types.checker.getReturnTypeOfSignature(signature);
    }
    if (node.type !== AST_NODE_TYPES.CallExpression) return undefined;
    // These are calls of another kind.
    if (node.callee.type === AST_NODE_TYPES.Super || (node.callee.type === AST_NODE_TYPES.Identifier && node.callee.name === 'require')) return undefined;
    const signature = this.signatureOf(node);
    return signature === undefined ? undefined : this.types.checker.getReturnTypeOfSignature(signature);
  }

  /** A type that takes in whatever an expression may be, but for undefined: of a variable or a property that which it is declared with, of an element that of its list. */
  private widestType(node: TSESTree.Node): ts.Type | undefined {
    return this.widestOf(node)?.type;
  }

  private widestOf(node: TSESTree.Node): Known | undefined {
    const facts = this.ofNamed(node);
    if (facts.widest === null) {
      const type = this.findWidest(node);
      facts.widest = type === undefined ? undefined : this.types.of(type);
    }
    return facts.widest;
  }

  private findWidest(node: TSESTree.Node): ts.Type | undefined {
    if (this.isGuarded(node)) return undefined;
    switch (node.type) {
      case AST_NODE_TYPES.Identifier:
        return this.symbolType(node);
      case AST_NODE_TYPES.MemberExpression:
        return node.computed ? this.elementType(node) : this.symbolType(node.property);
      case AST_NODE_TYPES.CallExpression:
      case AST_NODE_TYPES.NewExpression:
        return this.resultType(node);
      case AST_NODE_TYPES.TSNonNullExpression:
      case AST_NODE_TYPES.ChainExpression: {
        const inner = this.widestType(node.expression);
        return inner === undefined ? undefined : this.types.checker.getNonNullableType(inner);
      }
      case AST_NODE_TYPES.TSAsExpression:
      case AST_NODE_TYPES.TSTypeAssertion:
        return this.typeOfParts(node);
      case AST_NODE_TYPES.AwaitExpression: {
        const inner = this.widestType(node.argument);
        return inner === undefined ? undefined : this.types.awaited(inner);
      }
      case AST_NODE_TYPES.SpreadElement: {
        const list = this.objectType(node.argument);
        return list !== undefined && this.types.checker.isArrayType(list) ? this.types.checker.getIndexTypeOfType(list, ts.IndexKind.Number) : undefined;
      }
      default:
        return undefined;
    }
  }

  /** The type of a variable or a property as it is declared. */
  private symbolType(name: TSESTree.Node): ts.Type | undefined {
    const found = this.symbolOf(name);
    const symbol = found === undefined ? undefined : this.types.resolved(found);
    return symbol === undefined || (symbol.flags & TYPED) === 0 || isFoundOut(symbol) ? undefined : this.types.checker.getTypeOfSymbol(symbol);
  }

  /** The type of all elements of a list, for one of them by its number, or of all that an object keeps by names, for one of them by any name. */
  private elementType({ object, property }: TSESTree.MemberExpression): ts.Type | undefined {
    const list = this.objectType(object);
    if (list === undefined || (list.flags & ts.TypeFlags.Object) === 0) return undefined;
    if (this.isNumber(property)) return this.types.checker.getIndexTypeOfType(list, ts.IndexKind.Number);
    return ((this.widestType(property)?.flags ?? 0) & ts.TypeFlags.String) !== 0 ? this.types.checker.getIndexTypeOfType(list, ts.IndexKind.String) : undefined;
  }

  /** The type of what a part is taken of: where it is, it is not undefined. */
  private objectType(node: TSESTree.Node): ts.Type | undefined {
    const type = this.widestType(node);
    return type?.isUnion() === true ? this.types.present(type) : type;
  }

  /** The types of the properties of which one is taken: `geometry[level]`. */
  private memberTypes(node: TSESTree.Node): readonly ts.Type[] | undefined {
    if (node.type !== AST_NODE_TYPES.MemberExpression || !node.computed || this.isGuarded(node)) return undefined;
    const object = this.objectType(node.object);
    const index = this.widestType(node.property);
    if (object === undefined || index === undefined || (object.flags & ts.TypeFlags.Object) === 0) return undefined;
    const types: ts.Type[] = [];
    for (const name of index.isUnion() ? index.types : [index]) {
      const property = name.isStringLiteral() || name.isNumberLiteral() ? object.getProperty(String(name.value)) : undefined;
      if (property === undefined) return undefined;
      types.push(this.types.checker.getTypeOfSymbol(property));
    }
    return types;
  }

  /** Whether an index is a number for sure. */
  private isNumber(index: TSESTree.Node): boolean {
    if (index.type === AST_NODE_TYPES.Literal) return typeof index.value === 'number';
    if (index.type === AST_NODE_TYPES.UpdateExpression) return true;
    if (index.type === AST_NODE_TYPES.BinaryExpression) return isArithmetic(index.operator) && (this.may(index) & May.Text) === 0;
    return ((this.widestType(index)?.flags ?? 0) & ts.TypeFlags.NumberLike) !== 0;
  }
}

/** Whether the function around says what `this` is. */
function hasOwnThis(node: TSESTree.ThisExpression): boolean {
  for (const at of ancestors(node)) {
    if (at.type === AST_NODE_TYPES.PropertyDefinition || at.type === AST_NODE_TYPES.StaticBlock) return false;
    if (at.type !== AST_NODE_TYPES.FunctionDeclaration && at.type !== AST_NODE_TYPES.FunctionExpression) continue;
    const [first] = at.params;
    return first?.type === AST_NODE_TYPES.Identifier && first.name === 'this';
  }
  return false;
}

/** The name of a property, with its sign where it is private: `#at`; undefined where only the running code knows it. */
function propertyName({ computed, property }: TSESTree.MemberExpression): string | undefined {
  if (computed) return property.type === AST_NODE_TYPES.Literal && typeof property.value === 'string' ? property.value : undefined;
  return property.type === AST_NODE_TYPES.PrivateIdentifier ? `#${property.name}` : property.name;
}

/** Whether an expression ends early where something before it is missing: `a?.b.c`. */
function isInChain(node: TSESTree.Node): boolean {
  if (node.type === AST_NODE_TYPES.TSNonNullExpression) return isInChain(node.expression);
  if (node.type === AST_NODE_TYPES.MemberExpression) return node.optional || isInChain(node.object);
  return node.type === AST_NODE_TYPES.CallExpression && (node.optional || isInChain(node.callee));
}

/** The side of a choice that is something, where the other is nothing: `pmdNone(arch, pmd) ? undefined : ptep`. */
function onlySide({ consequent, alternate }: TSESTree.ConditionalExpression): TSESTree.Expression | undefined {
  return isNothing(consequent) ? alternate : isNothing(alternate) ? consequent : undefined;
}

function isNothing(node: TSESTree.Expression): boolean {
  return node.type === AST_NODE_TYPES.Identifier ? node.name === 'undefined' : node.type === AST_NODE_TYPES.Literal && node.value === null && node.raw === 'null';
}

/** Whether a name is used in a namespace, of which another declaration may say what it is. */
function isInNamespace(scope: TSESLint.Scope.Scope): boolean {
  for (let at: TSESLint.Scope.Scope | null = scope; at !== null; at = at.upper) if (at.type === TSESLint.Scope.ScopeType.tsModule) return true;
  return false;
}

/** `{ ptep }`: the compiler takes the name for that of the property. */
function isShorthand({ parent }: TSESTree.Node): boolean {
  return parent?.type === AST_NODE_TYPES.Property && parent.shorthand;
}

/** `const list = [];`, of which the compiler says at each use what was put into it before. */
function isFoundOut({ valueDeclaration: declaration }: ts.Symbol): boolean {
  if (declaration === undefined || !ts.isVariableDeclaration(declaration) || declaration.type !== undefined) return false;
  return declaration.initializer !== undefined && ts.isArrayLiteralExpression(declaration.initializer) && declaration.initializer.elements.length === 0;
}

/** What has a type by being declared. */
const TYPED =
  ts.SymbolFlags.Variable | ts.SymbolFlags.Property | ts.SymbolFlags.Function | ts.SymbolFlags.Method | ts.SymbolFlags.Class | ts.SymbolFlags.Enum | ts.SymbolFlags.EnumMember | ts.SymbolFlags.GetAccessor;

/** Types that stay what they are whatever is asked of their values before, but for what a test says ({@link Asked.isGuarded}). */
const FIXED =
  ts.TypeFlags.Object | ts.TypeFlags.Intersection | ts.TypeFlags.Number | ts.TypeFlags.BigInt | ts.TypeFlags.String | ts.TypeFlags.NumberLiteral | ts.TypeFlags.BigIntLiteral | ts.TypeFlags.StringLiteral;

