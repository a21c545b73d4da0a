import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { bare, children, isConst } from '../ast.js';
import { createRule } from '../create-rule.js';
import { inOneGo } from '../in-one-go.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';
import { isReference, PRIMITIVE } from '../types/types.js';

const MESSAGES = {
  ...NO_TYPES,
  missing:
    'These operations of a page walk do not say under which lock they run: set walkLock. Left out, it is the weakest mode by accident, and whoever adds a write later will not notice.',
  nothing: 'This sets walkLock to nothing: say under which lock the walk runs.',
  byDefault: 'A switch over the lock modes of a walk has a case for each: with `default:` a mode that is added later does what was meant for another.',
} as const;

type Messages = keyof typeof MESSAGES;
type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;

/** What a walk's operations are called by whoever declares them. */
const OPS: ReadonlySet<string> = new Set(['MmWalkOps', 'WalkOps']);
/** What its lock modes are called: an alias or an enum. */
const MODES: ReadonlySet<string> = new Set(['', 'Page', 'Mm'].flatMap((of) => ['', 'Mode', 'Kind', 'Type'].map((kind) => `${of}WalkLock${kind}`)));
const LOCK = 'walkLock';

/** Functions and methods that walk page tables and take operations. @see include/linux/pagewalk.h of Linux 6.12 */
const WALKS: ReadonlySet<string> = new Set([
  'walkPageRange', 'walkPageRangeVma', 'walkPageVma', 'walkPageMapping', 'walkPageRangeNovma', 'walkPageRangeMm', 'walkPageRangeDebug', 'walkKernelPageTableRange', 'walkKernelPageTableRangeLockless',
]);

function isWalk(name: string): boolean {
  return WALKS.has(name);
}

/** Without one of these a file has nothing to say about a walk. */
const NAMES: readonly string[] = [...OPS, ...WALKS, ...MODES, LOCK];

/** Where something goes by a name, and what is still to be taken of that. */
interface Name {
  readonly name: TSESTree.Identifier | TSESTree.MemberExpression;
  readonly path: readonly string[];
}

/** What tells the operations from other objects that are given to a walk. */
const CALLBACKS: readonly string[] = ['pgdEntry', 'p4dEntry', 'pudEntry', 'pmdEntry', 'pteEntry', 'pteRange', 'pteHole', 'tableAbsent', 'hugetlbEntry', 'testWalk', 'preVma', 'postVma', 'installPte'];

/** A page walk says under which lock it runs, and a switch over the modes knows them all. Holds in the code of architectures too. */
export const explicitWalkLock = createRule<Messages>({
  name: 'explicit-walk-lock',
  meta: {
    type: 'problem',
    docs: { description: 'The operations of a page walk say which lock they run under', config: 'recommended', typed: true },
    messages: MESSAGES,
  },
  create(context) {
    const types = typed(context, { inArchitecture: true, names: () => NAMES });
    return types === undefined ? {} : inOneGo(context.sourceCode, listeners(context, types));
  },
});

function listeners(context: Context, typed: Typed): TSESLint.RuleListener {
  const { checker } = typed.types;
  const toTs = typed.services.esTreeNodeToTSNodeMap;
  const checked = new Set<TSESTree.Node>();

  const hasCallbacks = typed.types.remembered('callbacks of a walk', (type) => CALLBACKS.some((name) => mayBeCalled(type.getProperty(name))));

  /** Whether a property is a callback, and not a count of the entries of a level. */
  function mayBeCalled(property: ts.Symbol | undefined): boolean {
    if (property === undefined) return false;
    const type = checker.getNonNullableType(checker.getTypeOfSymbol(property));
    return (type.flags & PRIMITIVE) === 0;
  }

  const ops = typed.types.remembered('operations of a walk', findOps);

  /** Whether something of this type is expected to say its lock. */
  function isOps(type: ts.Type | undefined): boolean {
    return type !== undefined && (type.flags & PRIMITIVE) === 0 && ops(type);
  }

  function findOps(type: ts.Type): boolean {
    // An object that is only a part of the operations may leave it to the others.
    if (isPart(type)) return false;
    if (type.isUnion()) {
      const objects = type.types.filter((member) => (member.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection | ts.TypeFlags.TypeParameter)) !== 0);
      return objects.length > 0 && objects.every(isOps);
    }
    if (type.flags & ts.TypeFlags.TypeParameter) {
      const constraint = checker.getBaseConstraintOfType(type);
      return constraint !== undefined && constraint !== type && isOps(constraint);
    }
    if ((type.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) === 0) return false;
    const isNamed = [type.symbol as ts.Symbol | undefined, type.aliasSymbol].some((symbol) => symbol !== undefined && OPS.has(symbol.name));
    // Options, events and statistics that mention a lock are no operations.
    return isNamed || (type.getProperty(LOCK) !== undefined && hasCallbacks(type));
  }

  /** `Partial<MmWalkOps>` under any name, also read-only, with more beside it, or as what an interface extends. */
  function isPart(type: ts.Type): boolean {
    const { aliasSymbol, aliasTypeArguments } = type;
    const symbol = type.symbol as ts.Symbol | undefined;
    if ((aliasSymbol !== undefined && OPS.has(aliasSymbol.name)) || (symbol !== undefined && OPS.has(symbol.name))) return false;
    if (aliasSymbol?.name === 'Partial') return true;
    if (type.isIntersection()) return areParts(type.types);
    if (type.isClassOrInterface()) return !type.symbol.members?.has(ts.escapeLeadingUnderscores(LOCK)) && areParts(checker.getBaseTypes(type));
    const declaration = symbol?.declarations?.[0];
    if (declaration === undefined || !ts.isMappedTypeNode(declaration) || declaration.questionToken?.kind === ts.SyntaxKind.MinusToken) return false;
    return declaration.questionToken !== undefined || aliasTypeArguments?.some(isPart) === true;
  }

  /** Whether of some types those that have a lock are parts of operations. */
  function areParts(types: readonly ts.Type[]): boolean {
    const withLock = types.filter((one) => one.getProperty(LOCK) !== undefined);
    return withLock.length > 0 && withLock.every(isPart);
  }

  /** Whether an object is operations: of types that it may be of, such as operations or a list of them, those count that it fits. */
  function isExpectedAsOps(node: TSESTree.ObjectExpression): boolean {
    const expected = expectedOf(node);
    if (expected === undefined || isOps(expected)) return expected !== undefined;
    if (!expected.isUnion() || !expected.types.some(isOps)) return false;
    const own = typed.typeOf(node);
    const fitting = expected.types.filter((member) => checker.isTypeAssignableTo(own, member));
    return fitting.length > 0 && fitting.every(isOps);
  }

  /** Whether an object of callbacks goes by a name where operations are expected: by that of its variable or field, or of what it is in. */
  function isTakenAsOps(node: TSESTree.ObjectExpression): boolean {
    if (!node.properties.some(isCallback)) return false;
    return namesOf(node).some(({ name, path }) => name.parent.type !== AST_NODE_TYPES.SpreadElement && isOps(partOf(expectedOf(name), path)));
  }

  /** Where an object goes by a name, and what has to be taken of that to have it: of `const table = { scan: { ... } }` both `table` and `table.scan`. */
  function namesOf(node: TSESTree.ObjectExpression): readonly Name[] {
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
    return holdersOf(at).flatMap((holder) => {
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
  function holdersOf(value: TSESTree.Node): readonly (TSESTree.Identifier | TSESTree.MemberExpression)[] {
    const { parent } = value;
    if (parent?.type === AST_NODE_TYPES.VariableDeclarator && parent.id.type === AST_NODE_TYPES.Identifier) {
      const references = context.sourceCode.getDeclaredVariables(parent).flatMap((variable) => variable.references);
      return references.flatMap(({ identifier, init }) => (init !== true && identifier.type === AST_NODE_TYPES.Identifier ? [identifier] : []));
    }
    if (parent?.type !== AST_NODE_TYPES.PropertyDefinition || parent.value !== value) return [];
    const made = parent.parent.parent;
    const field = fieldName(parent);
    const isOwner = (object: TSESTree.Expression): boolean => object.type === AST_NODE_TYPES.ThisExpression || (parent.static && object.type === AST_NODE_TYPES.Identifier && object.name === made.id?.name);
    const isField = (node: TSESTree.Node): node is TSESTree.MemberExpression => node.type === AST_NODE_TYPES.MemberExpression && isOwner(node.object) && fieldName(node) === field;
    const found = (node: TSESTree.Node): TSESTree.MemberExpression[] => (isField(node) ? [node] : children(node, context.sourceCode.visitorKeys).flatMap(found));
    return field === undefined ? [] : found(parent.parent);
  }

  /** What a type expects of a part of what it is the type of. */
  function partOf(type: ts.Type | undefined, path: readonly string[]): ts.Type | undefined {
    return path.reduce<ts.Type | undefined>((whole, name) => {
      if (whole === undefined) return undefined;
      const present = checker.getNonNullableType(whole);
      const property = present.getProperty(name);
      return property === undefined ? (/^\d+$/.test(name) ? present.getNumberIndexType() : undefined) ?? present.getStringIndexType() : checker.getTypeOfSymbol(property);
    }, type);
  }

  /** Whether an object is only there to be taken apart: there is nothing in it, or whoever takes it has a lock for where it says none. */
  function isTakenApart(node: TSESTree.ObjectExpression): boolean {
    let at: TSESTree.Expression = node;
    while (at.parent.type === AST_NODE_TYPES.LogicalExpression || (at.parent.type === AST_NODE_TYPES.ConditionalExpression && at.parent.test !== at)) at = at.parent;
    const { parent } = at;
    const isGiven = parent.type === AST_NODE_TYPES.AssignmentPattern || parent.type === AST_NODE_TYPES.AssignmentExpression;
    const pattern = parent.type === AST_NODE_TYPES.VariableDeclarator ? parent.id : isGiven ? parent.left : undefined;
    if (pattern?.type !== AST_NODE_TYPES.ObjectPattern) return false;
    const hasDefault = pattern.properties.some((one) => one.type === AST_NODE_TYPES.Property && ASTUtils.getPropertyName(one) === LOCK && one.value.type === AST_NODE_TYPES.AssignmentPattern);
    return node.properties.length === 0 || hasDefault;
  }

  /** What an object is written for. */
  function expectedOf(node: TSESTree.Expression): ts.Type | undefined {
    const call = node.parent;
    // { ... } as unknown as MmWalkOps: what it is cast to at last.
    if (isCast(call) && call.parent !== undefined && isCast(call.parent)) return checker.getTypeAtLocation(toTs.get(call.parent));
    const isArgument = (call.type === AST_NODE_TYPES.CallExpression || call.type === AST_NODE_TYPES.NewExpression) && call.arguments.includes(node);
    const expected = (isArgument ? parameterOf(call, node) : undefined) ?? checker.getContextualType(toTs.get(node) as ts.Expression);
    if (!isArgument || isOps(expected)) return expected;
    // A type parameter has become the type of the object itself; its declaration still says what it extends.
    const declaration = typed.signatureOf(call)?.declaration;
    const parameter = declaration === undefined || ts.isJSDocSignature(declaration) ? undefined : declaration.parameters[call.arguments.indexOf(node)];
    const declared = parameter === undefined ? undefined : checker.getTypeAtLocation(parameter);
    if (isOps(declared)) return declared;
    // Object.freeze({ ... }), Promise.resolve({ ... }), new Box({ ... }): what is expected of the call, where it returns what it is given, or what holds that.
    if (declaration === undefined || declared === undefined || (declared.flags & ts.TypeFlags.TypeParameter) === 0 || isSpread(call)) return expected;
    const result = ts.isConstructorDeclaration(declaration) ? checker.getTypeAtLocation(declaration.parent) : declaration.type && checker.getTypeAtLocation(declaration.type);
    const wanted = checker.getContextualType(toTs.get(call));
    return (result && wanted && wantedFor(declared, result, wanted)) ?? expected;
  }

  /** What a type parameter has to be for a type to be what is wanted: for `Promise<T>` what the promise is of. */
  function wantedFor(parameter: ts.Type, type: ts.Type, wanted: ts.Type): ts.Type | undefined {
    if (type === parameter) return wanted;
    const { aliasSymbol, aliasTypeArguments } = type;
    const symbol = type.symbol as ts.Symbol | undefined;
    const [part, other] = aliasSymbol === undefined ? argumentsOf(type) : (aliasTypeArguments ?? []);
    if (part === undefined || other !== undefined) return undefined;
    if (aliasSymbol !== undefined) return aliasSymbol.name === 'Readonly' || aliasSymbol.name === 'Awaited' ? wantedFor(parameter, part, wanted) : undefined;
    const of = symbol?.name === 'Promise' ? typed.types.awaited(wanted) : wanted.symbol === symbol ? argumentsOf(wanted)[0] : undefined;
    return of === undefined ? undefined : wantedFor(parameter, part, of);
  }

  function argumentsOf(type: ts.Type): readonly ts.Type[] {
    return isReference(type) ? checker.getTypeArguments(type) : [];
  }

  /** The type of the parameter that takes an argument, which the compiler knows already; undefined where it is not the one of that number. */
  function parameterOf(call: TSESTree.CallExpression | TSESTree.NewExpression, argument: TSESTree.Expression): ts.Type | undefined {
    const at = call.arguments.indexOf(argument);
    const signature = typed.signatureOf(call);
    const parameter = signature?.parameters[at];
    const declared = parameter?.valueDeclaration;
    const isOne = declared !== undefined && ts.isParameter(declared) && declared.dotDotDotToken === undefined && call.arguments.slice(0, at).every(({ type }) => type !== AST_NODE_TYPES.SpreadElement);
    return isOne ? checker.getTypeOfSymbol(parameter!) : undefined;
  }

  function isNothing(type: ts.Type): boolean {
    return (type.isUnion() ? type.types : [type]).every((member) => (member.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null | ts.TypeFlags.Void)) !== 0);
  }

  /** Whether what a type brings along by a spread says the lock. */
  function brings(type: ts.Type): boolean {
    if (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return true;
    if (type.isUnion()) return type.types.some(brings);
    const constraint = type.flags & ts.TypeFlags.TypeParameter ? checker.getBaseConstraintOfType(type) : type;
    const property = constraint === undefined ? undefined : checker.getPropertyOfType(constraint, LOCK);
    return property !== undefined && !isNothing(checker.getTypeOfSymbol(property));
  }

  /** Whether what is spread says the lock whichever way its condition comes out: `isWriter && { walkLock: 'write' }` does not. */
  function bringsAlways(node: TSESTree.Expression | TSESTree.PrivateIdentifier): boolean {
    const spread = bare(node);
    if (spread.type === AST_NODE_TYPES.ConditionalExpression) return bringsAlways(spread.consequent) && bringsAlways(spread.alternate);
    if (spread.type === AST_NODE_TYPES.LogicalExpression && spread.operator === '&&') return false;
    return spread.type === AST_NODE_TYPES.ObjectExpression ? said(spread) === 'yes' : brings(typed.typeOf(spread));
  }

  /** What an object says of the lock: the last word counts. */
  function said(node: TSESTree.ObjectExpression): 'yes' | 'no' | { readonly nothing: TSESTree.Node } {
    for (const property of [...node.properties].reverse()) {
      if (property.type === AST_NODE_TYPES.SpreadElement) {
        const spread = bare(property.argument);
        const inner = spread.type === AST_NODE_TYPES.ObjectExpression ? said(spread) : bringsAlways(spread) ? 'yes' : 'no';
        if (inner !== 'no') return inner;
        continue;
      }
      const name = ASTUtils.getPropertyName(property, context.sourceCode.getScope(property));
      if (name === null) {
        const key = typed.typeOf(property.key);
        const names = (key.isUnion() ? key.types : [key]).map((one) => (one.isStringLiteral() ? one.value : undefined));
        if (names.every((one) => one !== undefined && one !== LOCK)) continue;
        // A key that may be any says too little.
        return 'yes';
      }
      if (name !== LOCK) continue;
      return property.kind === 'init' && !property.method && isNothing(typed.typeOf(bare(property.value as TSESTree.Expression))) ? { nothing: property } : 'yes';
    }
    return 'no';
  }

  /** Whether `ops.walkLock = ...` follows in the file. */
  function isSetLater(node: TSESTree.ObjectExpression): boolean {
    return namesOf(node).some(({ name, path }) => {
      const member = name.parent;
      if (path.length > 0 || member.type !== AST_NODE_TYPES.MemberExpression || member.object !== name || ASTUtils.getPropertyName(member) !== LOCK) return false;
      return member.parent.type === AST_NODE_TYPES.AssignmentExpression && member.parent.left === member && !isNothing(typed.typeOf(member.parent.right));
    });
  }

  function checkOps(node: TSESTree.ObjectExpression): void {
    if (checked.has(node)) return;
    checked.add(node);
    const lock = said(node);
    if (lock === 'yes' || isTakenApart(node) || isSetLater(node)) return;
    if (lock === 'no') context.report({ node, messageId: 'missing' });
    else context.report({ node: lock.nothing, messageId: 'nothing' });
  }

  /** Operations that are given to a walk, and are declared as nothing that has a lock. */
  function checkArgument(argument: TSESTree.Expression): void {
    const expression = bare(argument);
    const made = madeAs(expression);
    if (made.type === AST_NODE_TYPES.ObjectExpression) {
      if (hasCallbacks(typed.typeOf(made))) checkOps(made);
      return;
    }
    const given = typed.typeOf(expression);
    const type = given.flags & ts.TypeFlags.TypeParameter ? (checker.getBaseConstraintOfType(given) ?? given) : given;
    if ((type.flags & ts.TypeFlags.Object) === 0 || !hasCallbacks(type)) return;
    const lock = type.getProperty(LOCK);
    if (lock === undefined ? !isOps(type) : isNothing(checker.getTypeOfSymbol(lock))) context.report({ node: argument, messageId: 'missing' });
  }

  /** What is written there, or what that was declared with which stands there by its name. */
  function madeAs(expression: TSESTree.Expression | TSESTree.PrivateIdentifier): TSESTree.Node {
    if (expression.type === AST_NODE_TYPES.MemberExpression) {
      // A field or a property that was declared with them has their type.
      const literal = (typed.typeOf(expression).symbol as ts.Symbol | undefined)?.valueDeclaration;
      // It may stand in another file.
      const made: TSESTree.Node | undefined = literal !== undefined && ts.isObjectLiteralExpression(literal) ? typed.services.tsNodeToESTreeNodeMap.get(literal) : undefined;
      return made ?? expression;
    }
    if (expression.type !== AST_NODE_TYPES.Identifier) return expression;
    const [definition] = ASTUtils.findVariable(context.sourceCode.getScope(expression), expression)?.defs ?? [];
    const declarator = definition?.node;
    if (declarator?.type !== AST_NODE_TYPES.VariableDeclarator || declarator.id.type !== AST_NODE_TYPES.Identifier || declarator.init === null) return expression;
    const made = bare(declarator.init);
    return declarator.parent.kind === 'const' || (made.type === AST_NODE_TYPES.ObjectExpression && declarator.id.typeAnnotation === undefined) ? made : expression;
  }

  /** Whether a written type is one of lock modes. */
  function saysModes(node: ts.TypeNode): boolean {
    if (ts.isUnionTypeNode(node)) return node.types.some(saysModes);
    if (ts.isParenthesizedTypeNode(node) || ts.isTypeOperatorNode(node)) return saysModes(node.type);
    if (ts.isIndexedAccessTypeNode(node)) return ts.isLiteralTypeNode(node.indexType) && ts.isStringLiteral(node.indexType.literal) && node.indexType.literal.text === LOCK;
    // `${PageWalkLock}` is the texts of an enum.
    if (ts.isTemplateLiteralTypeNode(node)) return node.head.text === '' && node.templateSpans.every((span) => span.literal.text === '' && saysModes(span.type));
    if (!ts.isTypeReferenceNode(node)) return false;
    const symbol = checker.getSymbolAtLocation(node.typeName);
    if (symbol === undefined) return false;
    const original = typed.types.resolved(symbol);
    if (MODES.has(original.name)) return true;
    const alias = original.declarations?.find(ts.isTypeAliasDeclaration)?.type;
    return (alias !== undefined && saysModes(alias)) || (node.typeArguments ?? []).some(saysModes);
  }

  function isModesType(type: ts.Type): boolean {
    const symbols = [type.aliasSymbol, type.symbol as ts.Symbol | undefined];
    if (symbols.some((symbol) => symbol !== undefined && MODES.has(symbol.name))) return true;
    if (type.isUnion()) return type.types.some(isModesType);
    if (type.flags & ts.TypeFlags.TypeParameter) {
      const constraint = checker.getBaseConstraintOfType(type);
      return constraint !== undefined && constraint !== type && isModesType(constraint);
    }
    // A member of an enum knows its enum by its declaration.
    const member = (type.symbol as ts.Symbol | undefined)?.valueDeclaration;
    return member !== undefined && ts.isEnumMember(member) && MODES.has(member.parent.name.text);
  }

  /** Whether an expression is a lock mode: by its type, or by where it was declared, since a union forgets its name where one is taken from it. */
  function isMode(node: ts.Expression, steps = 0): boolean {
    if (steps > 8) return false;
    const type = checker.getTypeAtLocation(node);
    // Without undefined a union has its name again.
    if (isModesType(type) || (type.isUnion() && isModesType(checker.getNonNullableType(type)))) return true;
    if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node) || ts.isAwaitExpression(node)) return isMode(node.expression, steps + 1);
    if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node)) return saysModes(node.type) || isMode(node.expression, steps + 1);
    if (ts.isConditionalExpression(node)) return isMode(node.whenTrue, steps + 1) || isMode(node.whenFalse, steps + 1);
    if (ts.isBinaryExpression(node)) {
      const { kind } = node.operatorToken;
      return (kind === ts.SyntaxKind.QuestionQuestionToken || kind === ts.SyntaxKind.BarBarToken) && (isMode(node.left, steps + 1) || isMode(node.right, steps + 1));
    }
    if (ts.isCallExpression(node)) {
      const result = checker.getResolvedSignature(node)?.declaration?.type;
      return result !== undefined && ts.isTypeNode(result) && saysModes(result);
    }
    // RANK[mode] is no mode, and ops['walkLock'] is one.
    if (ts.isElementAccessExpression(node) && !ts.isStringLiteralLike(node.argumentExpression)) return false;
    const name = ts.isPropertyAccessExpression(node) ? node.name : ts.isElementAccessExpression(node) ? node.argumentExpression : node;
    const symbol = checker.getSymbolAtLocation(name);
    if (symbol === undefined) return false;
    if ((symbol.flags & ts.SymbolFlags.Property) !== 0 && symbol.name === LOCK) return true;
    return (symbol.declarations ?? []).some((declaration) => {
      if (ts.isBindingElement(declaration)) {
        const from = declaration.propertyName ?? declaration.name;
        return ts.isObjectBindingPattern(declaration.parent) && ts.isIdentifier(from) && from.text === LOCK;
      }
      const { type, initializer } = declaration as Partial<ts.VariableDeclaration>;
      if (type !== undefined) return saysModes(type);
      if (isElementOfModes(declaration)) return true;
      return initializer !== undefined && ts.isVariableDeclaration(declaration) && isMode(initializer, steps + 1);
    });
  }

  /** `for (const mode of Object.values(PageWalkLock))`, and the parameter of a function that a list of all modes calls. */
  function isElementOfModes(declaration: ts.Declaration): boolean {
    const { parent } = declaration;
    if (ts.isVariableDeclaration(declaration)) return ts.isForOfStatement(parent.parent) && isListOfModes(parent.parent.expression);
    if (!ts.isParameter(declaration) || !(ts.isArrowFunction(parent) || ts.isFunctionExpression(parent)) || parent.parameters[0] !== declaration) return false;
    const call = parent.parent;
    return ts.isCallExpression(call) && call.arguments[0] === parent && ts.isPropertyAccessExpression(call.expression) && isListOfModes(call.expression.expression);
  }

  /** `Object.values(PageWalkLock)` */
  function isListOfModes(node: ts.Expression): boolean {
    const [modes] = ts.isCallExpression(node) ? node.arguments : [];
    if (modes === undefined || !ts.isCallExpression(node) || node.expression.getText() !== 'Object.values') return false;
    const symbol = checker.getSymbolAtLocation(ts.isPropertyAccessExpression(modes) ? modes.name : modes);
    return symbol !== undefined && MODES.has(typed.types.resolved(symbol).name);
  }

  /** `const never: never = mode`: a default that the compiler refuses as soon as there is another mode, because where it hands the mode on none is expected. */
  function demandsAll(discriminant: TSESTree.Expression, statements: readonly TSESTree.Node[]): boolean {
    const text = context.sourceCode.getText(discriminant);
    const inside = (node: ts.Node): boolean => {
      if (ts.isExpression(node) && node.getText() === text && (checker.getTypeAtLocation(node).flags & ts.TypeFlags.Never) !== 0 && refusesModes(node, discriminant)) return true;
      return ts.forEachChild(node, inside) ?? false;
    };
    return statements.some((statement) => inside(toTs.get(statement)));
  }

  function refusesModes(node: ts.Expression, discriminant: TSESTree.Expression): boolean {
    if (ts.isAsExpression(node.parent) || ts.isTypeAssertionExpression(node.parent)) return false;
    const expected = checker.getContextualType(node);
    return expected !== undefined && !checker.isTypeAssignableTo(typed.typeOf(discriminant), expected);
  }

  return {
    ObjectExpression(node) {
      // What is spread into another is a part of that.
      if (isSpread(node)) return;
      if (isUnexpected(node) ? isTakenAsOps(node) : isExpectedAsOps(node)) checkOps(node);
    },
    CallExpression(node) {
      if (node.arguments.length === 0) return;
      if (isAssign(node)) {
        if (isOps(checker.getContextualType(toTs.get(node))) && !brings(typed.typeOf(node))) context.report({ node, messageId: 'missing' });
        return;
      }
      if (!typed.mayBeNamed(node, isWalk)) return;
      const callee = bare(node.callee);
      const name = callee.type === AST_NODE_TYPES.MemberExpression ? callee.property : callee;
      const symbol = typed.symbolOf(name);
      if (symbol === undefined || !isWalk(typed.types.resolved(symbol).name)) return;
      const given = node.arguments.filter((argument) => argument.type !== AST_NODE_TYPES.SpreadElement);
      const expected = given.filter((argument) => isOps(parameterOf(node, argument)));
      // What else is given is data for the callbacks.
      for (const argument of expected.length > 0 ? expected : given) checkArgument(argument);
    },
    ClassDeclaration: checkClass,
    ClassExpression: checkClass,
    SwitchStatement(node) {
      const byDefault = node.cases.find(({ test }) => test === null);
      if (byDefault === undefined || !isMode(toTs.get(node.discriminant) as ts.Expression)) return;
      if (!demandsAll(bare(node.discriminant) as TSESTree.Expression, byDefault.consequent)) context.report({ node: byDefault, messageId: 'byDefault' });
    },
  };

  function checkClass(node: TSESTree.ClassDeclaration | TSESTree.ClassExpression): void {
    if (node.abstract || !node.implements.some(({ expression }) => isImplemented(expression))) return;
    const { symbol } = checker.getTypeAtLocation(toTs.get(node));
    const own = checker.getDeclaredTypeOfSymbol(symbol).getProperty(LOCK);
    if (own === undefined) {
      context.report({ node: node.id ?? node, messageId: 'missing' });
      return;
    }
    const field = node.body.body.find((member) => member.type === AST_NODE_TYPES.PropertyDefinition && !member.static && ASTUtils.getPropertyName(member) === LOCK);
    if (field?.type !== AST_NODE_TYPES.PropertyDefinition || field.declare || isSetInside(node.body)) return;
    if (field.value === null) {
      if (field.optional) context.report({ node: node.id ?? node, messageId: 'missing' });
    } else if (isNothing(typed.typeOf(bare(field.value)))) context.report({ node: field, messageId: 'nothing' });
  }

  /** Whether `this.walkLock = ...` stands in a class, or `Object.assign(this, ...)` of something that has a lock. */
  function isSetInside(body: TSESTree.ClassBody): boolean {
    const sets = (node: TSESTree.Node): boolean =>
      (node.type === AST_NODE_TYPES.AssignmentExpression && node.left.type === AST_NODE_TYPES.MemberExpression && node.left.object.type === AST_NODE_TYPES.ThisExpression &&
        ASTUtils.getPropertyName(node.left) === LOCK && !isNothing(typed.typeOf(bare(node.right)))) ||
      (node.type === AST_NODE_TYPES.CallExpression && isAssign(node) && node.arguments[0]?.type === AST_NODE_TYPES.ThisExpression &&
        node.arguments.some((argument) => argument.type === AST_NODE_TYPES.SpreadElement || (argument.type !== AST_NODE_TYPES.ThisExpression && brings(typed.typeOf(argument))))) ||
      children(node, context.sourceCode.visitorKeys).some(sets);
    return sets(body);
  }

  function isImplemented(expression: TSESTree.Expression): boolean {
    return isOps(checker.getTypeAtLocation(toTs.get(expression.parent)));
  }
}

/** Whether a property of an object is called as a callback of a walk is. */
function isCallback(property: TSESTree.ObjectLiteralElement): boolean {
  return property.type === AST_NODE_TYPES.Property && CALLBACKS.includes(ASTUtils.getPropertyName(property) ?? '');
}

/** `Object.assign(...)` */
function isAssign({ callee }: TSESTree.CallExpression): boolean {
  return callee.type === AST_NODE_TYPES.MemberExpression && callee.object.type === AST_NODE_TYPES.Identifier && callee.object.name === 'Object' && ASTUtils.getPropertyName(callee) === 'assign';
}

/** Whether an object is spread into another, on some condition or on none. */
function isSpread({ parent }: TSESTree.Expression): boolean {
  if (parent.type === AST_NODE_TYPES.ConditionalExpression || parent.type === AST_NODE_TYPES.LogicalExpression || parent.type === AST_NODE_TYPES.TSAsExpression) return isSpread(parent);
  return parent.type === AST_NODE_TYPES.SpreadElement;
}

function isCast({ type }: TSESTree.Node): boolean {
  return type === AST_NODE_TYPES.TSAsExpression || type === AST_NODE_TYPES.TSTypeAssertion;
}

/** The name of a field: `ops` of `this.ops`, `#ops` of `this.#ops`. */
function fieldName(node: TSESTree.PropertyDefinition | TSESTree.MemberExpression): string | undefined {
  const key = node.type === AST_NODE_TYPES.PropertyDefinition ? node.key : node.property;
  return key.type === AST_NODE_TYPES.PrivateIdentifier ? `#${key.name}` : (ASTUtils.getPropertyName(node) ?? undefined);
}

/** Whether an object stands where nothing is expected: a variable without a type is given it, or a list or an object that it is in. */
function isUnexpected({ parent }: TSESTree.Expression): boolean {
  if (parent.type === AST_NODE_TYPES.VariableDeclarator) return parent.id.type === AST_NODE_TYPES.Identifier && parent.id.typeAnnotation === undefined;
  if (parent.type === AST_NODE_TYPES.PropertyDefinition) return parent.typeAnnotation === undefined;
  if (parent.type === AST_NODE_TYPES.ArrayExpression || (parent.type === AST_NODE_TYPES.TSAsExpression && isConst(parent.typeAnnotation))) return isUnexpected(parent);
  return parent.type === AST_NODE_TYPES.Property && parent.parent.type === AST_NODE_TYPES.ObjectExpression && isUnexpected(parent.parent);
}
