import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { bare, isArithmetic, isOrder, isPrimitive } from '../ast.js';
import { createRule } from '../create-rule.js';
import { firstOf } from '../first-of.js';
import { accessorName } from '../fix/names.js';
import { inOneGo } from '../in-one-go.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';
import type { Path } from '../types/provenance/path.js';
import { STRUCTURED } from '../types/types.js';
import { Containers } from './raw-deref/containers.js';
import { AccessorFixes, type AccessorChange } from './raw-deref/fix.js';
import { Functions } from './raw-deref/functions.js';
import { launders } from './raw-deref/launders.js';
import { Parts } from './raw-deref/parts.js';
import { Places } from './raw-deref/places.js';

const MESSAGES = {
  ...NO_TYPES,
  deref: 'A live {{level}} entry is reached by its handle as an index: what stands there is the architecture\'s business. Use {{accessor}}.',
  property: 'A live {{level}} entry has no properties: its handle is opaque. Use {{accessor}}.',
  spread: 'A live {{level}} entry cannot be taken apart: its handle is opaque. Use {{accessor}}.',
  convert: 'The handle of a live {{level}} entry is turned into something else: what it is at run time is the architecture\'s business. Keep the handle.',
  order: 'Handles of live {{level}} entries have no order. Count entries, or use {{distance}}.',
  launder: 'The handle of a live {{level}} entry goes where {{expected}} is expected, and nobody knows any more that it is one. Give that place a handle type.',
  useAccessor: 'Use {{accessor}}.',
} as const;

type Messages = keyof typeof MESSAGES;
type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;

/** What a report can have besides its place and its message. */
interface More {
  readonly data?: Readonly<Record<string, string>>;
  readonly fix?: TSESLint.ReportFixFunction;
  readonly suggest?: TSESLint.ReportSuggestionArray<Messages>;
}

/** Calls that turn their argument into something else. */
const CONVERSIONS: ReadonlySet<string> = new Set(['Number', 'BigInt', 'String', 'parseInt', 'parseFloat', 'isNaN', 'isFinite', 'JSON.stringify', 'Number.parseInt', 'Number.isInteger', 'Number.isSafeInteger', 'BigInt.asUintN', 'BigInt.asIntN']);

export const noRawDeref = createRule<Messages>({
  name: 'no-raw-deref',
  meta: {
    type: 'problem',
    docs: { description: 'Live page-table entries are read and written by accessors only', config: 'recommended', typed: true },
    fixable: 'code',
    hasSuggestions: true,
    messages: MESSAGES,
  },
  create(context) {
    const types = typed(context);
    return types === undefined ? {} : inOneGo(context.sourceCode, listeners(context, types));
  },
});

function listeners(context: Context, typed: Typed): TSESLint.RuleListener {
  const { checker } = typed.types;
  const toTs = typed.services.esTreeNodeToTSNodeMap;
  const places = new Places(typed);
  const containers = new Containers(typed);
  const parts = new Parts(typed, containers, places);
  const functions = new Functions(typed);
  const fixes = new AccessorFixes(context, typed, places);
  // In JavaScript a comment may say what type a variable has.
  const isScript = /\.[cm]?jsx?$/.test(context.filename);

  function report(node: TSESTree.Node, messageId: Messages, handle: TSESTree.Node | ts.Type, more: More = {}): void {
    const level = ('flags' in handle ? typed.types.handle(handle) : typed.handleOf(handle))?.level;
    const data = {
      level: level ?? 'page-table', accessor: level === undefined ? 'the accessors of its level' : accessorName.get(level), distance: level === undefined ? 'the distance accessor of its level' : accessorName.distance(level),
      ...more.data,
    };
    context.report({ ...more, node, messageId, data });
  }

  function changed(change: AccessorChange | undefined): More {
    if (change === undefined) return {};
    return change.safe ? { fix: change.fix } : { suggest: [{ messageId: 'useAccessor', data: { accessor: change.accessor }, fix: change.fix }] };
  }

  /** A live handle in an expression that makes an index: itself, cast, chosen, or with numbers added to it. */
  function handleIn(index: TSESTree.Expression | TSESTree.PrivateIdentifier): TSESTree.Expression | undefined {
    if (index.type === AST_NODE_TYPES.PrivateIdentifier) return undefined;
    // Its own type first: a cast in between may hide it, or may be what says that it is a value held aside.
    if (typed.handleOf(index) !== undefined) return typed.isLive(index) ? index : undefined;
    const inner = bare(index);
    if (inner.type === AST_NODE_TYPES.PrivateIdentifier) return undefined;
    if (inner !== index) return handleIn(inner);
    switch (inner.type) {
      case AST_NODE_TYPES.BinaryExpression:
        return isArithmetic(inner.operator) ? (handleIn(inner.left) ?? handleIn(inner.right)) : undefined;
      case AST_NODE_TYPES.ConditionalExpression:
        return handleIn(inner.consequent) ?? handleIn(inner.alternate);
      case AST_NODE_TYPES.LogicalExpression:
        return handleIn(inner.left) ?? handleIn(inner.right);
      case AST_NODE_TYPES.SequenceExpression:
        return handleIn(inner.expressions.at(-1)!);
      case AST_NODE_TYPES.UpdateExpression:
        return handleIn(inner.argument);
      default:
        return undefined;
    }
  }

  function checkPlace(expression: TSESTree.Expression | null | undefined): void {
    if (expression === null || expression === undefined || isPrimitive(expression)) return;
    const handle = places.live(expression);
    const expected = handle === undefined ? (parts.launderingWithin(expression) ?? functions.launderingFunction(expression) ?? parts.launderingPart(expression)) : places.laundering(handle);
    if (expected === undefined) return;
    report(handle ?? expression, 'launder', handle ?? containers.liveWithin(expression) ?? expression, { data: { expected } });
  }

  function checkCall(node: TSESTree.CallExpression | TSESTree.NewExpression): void {
    if (node.type === AST_NODE_TYPES.CallExpression && (checkAccess(node) || checkList(node))) return;
    const callee = bare(node.callee);
    const name = callee.type === AST_NODE_TYPES.Super ? '' : nameOf(callee);
    // They take anything, and only look at it.
    if (name === 'Object.is' || name === 'Array.isArray') return;
    for (const argument of node.arguments) {
      if (argument.type === AST_NODE_TYPES.SpreadElement) {
        const expected = parts.launderingRest(argument, node);
        if (expected !== undefined) report(argument, 'launder', containers.liveWithin(argument.argument)!, { data: { expected } });
        continue;
      }
      if (isPrimitive(argument)) continue;
      // What a place takes is known at once; where a handle came from may take a look around.
      if (typed.handleOf(argument) !== undefined && places.laundering(argument) === undefined) continue;
      const handle = places.live(argument);
      if (handle !== undefined) {
        const expected = places.laundering(handle);
        if (expected === undefined) continue;
        if (CONVERSIONS.has(name)) report(handle, 'convert', handle);
        else report(handle, 'launder', handle, { data: { expected } });
        continue;
      }
      const within = name === 'JSON.stringify' ? liveWritten(argument) : name === 'String' ? liveListed(argument) : undefined;
      if (within !== undefined) {
        report(argument, 'convert', within);
        continue;
      }
      const expected = parts.launderingWithin(argument) ?? functions.launderingCallback(argument) ?? parts.launderingPart(argument);
      if (expected !== undefined) report(argument, 'launder', argument, { data: { expected } });
    }
  }

  /** DataView and Atomics, by what is called and not by what it is called by. */
  function checkAccess(node: TSESTree.CallExpression): boolean {
    if (node.arguments.length === 0 || !typed.mayBeNamed(node, isAccess)) return false;
    let handle: TSESTree.Expression | undefined;
    for (const argument of node.arguments) if (argument.type !== AST_NODE_TYPES.SpreadElement) handle ??= handleIn(argument);
    if (handle === undefined) return false;
    const declaration = typed.signatureOf(node)?.declaration;
    if (declaration === undefined || !ts.isInterfaceDeclaration(declaration.parent) || !places.isOfLanguage(declaration)) return false;
    const { name } = declaration.parent;
    if (name.text !== 'DataView' && name.text !== 'Atomics') return false;
    const [array, index] = node.arguments;
    const isLoad = name.text === 'Atomics' && ts.isMethodSignature(declaration) && ts.isIdentifier(declaration.name) && declaration.name.text === 'load';
    const hasParts = array !== undefined && index !== undefined && array.type !== AST_NODE_TYPES.SpreadElement && index.type !== AST_NODE_TYPES.SpreadElement;
    report(node, 'deref', handle, isLoad && hasParts ? changed(fixes.read(node, index, array, accessorName.getOnce)) : {});
    return true;
  }

  /** What a list does to turn its elements into text, or to put them in an order. */
  function checkList(node: TSESTree.CallExpression): boolean {
    const callee = bare(node.callee);
    if (callee.type !== AST_NODE_TYPES.MemberExpression) return false;
    const name = ASTUtils.getPropertyName(callee);
    const orders = (name === 'sort' || name === 'toSorted') && node.arguments.length === 0;
    if (!orders && name !== 'join' && name !== 'toString' && name !== 'toLocaleString') return false;
    const held = containers.liveWithin(callee.object);
    if (held === undefined || !checker.isArrayLikeType(checker.getNonNullableType(typed.typeOf(callee.object)))) return false;
    // A class may have a method of its own by that name.
    const declaration = typed.signatureOf(node)?.declaration;
    if (declaration !== undefined && !places.isOfLanguage(declaration)) return false;
    report(node, orders ? 'order' : 'convert', held);
    return true;
  }

  /** The type of a live handle in a list that becomes text. Handles that stand in a literal themselves stand at a place. */
  function liveListed(value: TSESTree.Node): ts.Type | undefined {
    if (value.type === AST_NODE_TYPES.ArrayExpression) return firstOf(value.elements, (element) => (element === null ? undefined : liveListed(element.type === AST_NODE_TYPES.SpreadElement ? element.argument : element)));
    return isPrimitive(value) ? undefined : liveInText(value as TSESTree.Expression);
  }

  /** The same of what is no literal. Who says what text it becomes need not write what it has. */
  function liveInText(list: TSESTree.Expression | TSESTree.PrivateIdentifier): ts.Type | undefined {
    const held = list.type === AST_NODE_TYPES.PrivateIdentifier ? undefined : containers.liveWithin(list);
    const written = held === undefined ? undefined : checker.getNonNullableType(typed.typeOf(list)).getProperty('toString')?.declarations;
    return written === undefined || written.some((one) => places.isOfLanguage(one)) ? held : undefined;
  }

  /** The type of a live handle that is written out with what holds it: a list, an object, or a literal with one of those in it. Handles that stand in a literal themselves stand at a place. */
  function liveWritten(value: TSESTree.Node): ts.Type | undefined {
    if (value.type === AST_NODE_TYPES.ArrayExpression) return firstOf(value.elements, (element) => (element === null ? undefined : liveWritten(element.type === AST_NODE_TYPES.SpreadElement ? element.argument : element)));
    if (value.type === AST_NODE_TYPES.ObjectExpression) return firstOf(value.properties, (one) => (one.type === AST_NODE_TYPES.Property ? liveWritten(one.value) : liveWritten(one.argument)));
    if (isPrimitive(value) || typed.handleOf(value) !== undefined) return undefined;
    return containers.liveWithin(value as TSESTree.Expression) ?? liveProperty(value as TSESTree.Expression);
  }

  /** The type of a live handle that is a property of an object, or of each in a list. */
  function liveProperty(object: TSESTree.Expression): ts.Type | undefined {
    return object.type === AST_NODE_TYPES.ObjectExpression ? undefined : livePropertyOf(checker.getNonNullableType(typed.typeOf(object)), object);
  }

  function livePropertyOf(given: ts.Type, object: TSESTree.Expression, depth = 0): ts.Type | undefined {
    const type = typed.types.bound(given);
    if (type.isUnion()) return firstOf(type.types, (one) => livePropertyOf(one, object, depth));
    const element = checker.isArrayLikeType(type) ? type.getNumberIndexType() : undefined;
    if (element !== undefined) return depth > MAX_LISTS ? undefined : livePropertyOf(checker.getNonNullableType(element), object, depth + 1);
    // Who says how it is written need not write what it has.
    if ((type.flags & STRUCTURED) === 0 || checker.isArrayLikeType(type) || type.getProperty('toJSON') !== undefined) return undefined;
    for (const property of type.getProperties()) {
      // What is private by its name is not seen.
      const { valueDeclaration } = property;
      const name = valueDeclaration === undefined ? undefined : ts.getNameOfDeclaration(valueDeclaration);
      if (name !== undefined && ts.isPrivateIdentifier(name)) continue;
      const held = checker.getTypeOfSymbolAtLocation(property, toTs.get(object));
      const handle = typed.types.handle(held);
      if (handle !== undefined && (handle.form !== 'alias' || typed.provenance.ofMeant(property) !== 'aside')) return held;
    }
    // What `Object.fromEntries` makes of a map.
    const indexed = type.getStringIndexType();
    const handle = indexed === undefined ? undefined : typed.types.handle(indexed);
    return handle !== undefined && (handle.form !== 'alias' || typed.provenance.ofElements(toTs.get(object) as ts.Expression) !== 'aside') ? indexed : undefined;
  }

  /** A pattern that takes a handle apart. */
  function checkPattern(pattern: TSESTree.ObjectPattern | TSESTree.ArrayPattern): void {
    // What a pattern takes apart that declares names only, and says no type, is what is given to it.
    const given = pattern.parent.type === AST_NODE_TYPES.VariableDeclarator && pattern.typeAnnotation === undefined ? pattern.parent.init : null;
    if (given !== null && typed.handleOf(given) === undefined) return;
    if (given === null && isOfOthers(pattern)) return;
    // Of one that says its type nothing is assigned to that is there already.
    if (pattern.typeAnnotation !== undefined && typed.types.handle(typed.typeOf(pattern.typeAnnotation.typeAnnotation)) === undefined) return;
    // The compiler takes a pattern that is assigned to for a literal.
    const type = parameterType(pattern) ?? typed.typeOf(pattern.parent.type === AST_NODE_TYPES.AssignmentExpression ? pattern.parent.right : pattern);
    const handle = typed.types.handle(type);
    if (handle === undefined) return;
    const { parent } = pattern;
    const from = parent.type === AST_NODE_TYPES.VariableDeclarator ? parent.init : parent.type === AST_NODE_TYPES.AssignmentExpression ? parent.right : null;
    if (from !== null && typed.handleOf(from) !== undefined) {
      if (typed.isLive(from)) report(pattern, 'spread', from);
      return;
    }
    const declared = toTs.get(pattern).parent;
    const isDeclared = ts.isParameter(declared) || ts.isBindingElement(declared) || ts.isVariableDeclaration(declared);
    if (handle.form === 'alias' && isDeclared && typed.provenance.ofDeclaration(declared) === 'aside') return;
    report(pattern, 'spread', type);
  }

  /** `for (const [name, entry] of entries)`: whether what a list or a map holds is no handle. The compiler would find out again what the list is. */
  function isOfOthers({ parent }: TSESTree.ObjectPattern | TSESTree.ArrayPattern): boolean {
    const loop = parent.type === AST_NODE_TYPES.VariableDeclarator ? parent.parent.parent : undefined;
    if (loop?.type !== AST_NODE_TYPES.ForOfStatement || loop.await || loop.left !== parent.parent) return false;
    return typed.types.container(typed.typeOf(loop.right))?.parts.every((part) => typed.types.handle(part) === undefined) === true;
  }

  /** What a parameter is that a pattern takes apart. The compiler would find out again what the pattern says of it. */
  function parameterType(pattern: TSESTree.ObjectPattern | TSESTree.ArrayPattern): ts.Type | undefined {
    const declared = toTs.get(pattern).parent;
    if (!ts.isParameter(declared)) return undefined;
    const symbol = checker.getSignatureFromDeclaration(declared.parent)?.parameters.find(({ valueDeclaration }) => valueDeclaration === declared);
    return symbol === undefined ? undefined : checker.getTypeOfSymbol(symbol);
  }

  /**
   * `({ ptep: n } = request)` and `[n] = entries`, where n is a number.
   *
   * @param path the way from the expression to what the pattern takes apart
   */
  function checkTargets(pattern: TSESTree.ObjectPattern | TSESTree.ArrayPattern, from: ts.Type, whole: TSESTree.Expression, path: Path): void {
    for (const [name, value] of partsOf(pattern)) {
      const property = from.getProperty(name);
      const held = property === undefined || from.getNumberIndexType() !== undefined ? elementOf(from, name) : checker.getTypeOfSymbolAtLocation(property, toTs.get(pattern));
      if (held === undefined) continue;
      const target = value.type === AST_NODE_TYPES.AssignmentPattern ? value.left : value;
      if (target.type === AST_NODE_TYPES.ObjectPattern || target.type === AST_NODE_TYPES.ArrayPattern) checkTargets(target, checker.getNonNullableType(held), whole, [...path, name]);
      if (target.type !== AST_NODE_TYPES.Identifier && target.type !== AST_NODE_TYPES.MemberExpression) continue;
      const handle = typed.types.handle(held);
      if (handle === undefined) continue;
      const isField = property !== undefined && from.getNumberIndexType() === undefined;
      if (handle.form === 'alias' && (isField ? typed.provenance.ofMeant(property) : typed.provenance.ofWay(toTs.get(whole) as ts.Expression, [...path, name])) === 'aside') continue;
      const expected = declaredFor(target);
      if (expected !== undefined) report(value, 'launder', held, { data: { expected } });
    }
  }

  /** The type of an element of a list, or of that of a tuple. */
  function elementOf(list: ts.Type, index: string): ts.Type | undefined {
    return checker.isTupleType(list) ? checker.getTypeArguments(list as ts.TypeReference)[Number(index)] : list.getNumberIndexType();
  }

  /** What a variable or a field that is assigned to was declared for, in words; undefined where a handle may go. */
  function declaredFor(target: TSESTree.Identifier | TSESTree.MemberExpression): string | undefined {
    const symbol = typed.symbolOf(target.type === AST_NODE_TYPES.MemberExpression ? target.property : target);
    const declared = symbol === undefined ? undefined : checker.getTypeOfSymbol(symbol);
    return declared === undefined || typed.types.handle(declared) !== undefined || declared.flags & ts.TypeFlags.Any ? undefined : launders(declared);
  }

  function checkLoop({ left, right, type }: TSESTree.ForInStatement | TSESTree.ForOfStatement): void {
    if (typed.isLive(right)) report(right, 'spread', right);
    if (type === AST_NODE_TYPES.ForOfStatement && (left.type === AST_NODE_TYPES.ObjectPattern || left.type === AST_NODE_TYPES.ArrayPattern)) {
      const list = typed.typeOf(right);
      const element = list.getNumberIndexType() ?? containers.held(list).find(({ path }) => path.length === 1 && path[0] === '*')?.type;
      if (element !== undefined) checkTargets(left, element, right, ['*']);
    }
    if (type !== AST_NODE_TYPES.ForOfStatement || (left.type !== AST_NODE_TYPES.Identifier && left.type !== AST_NODE_TYPES.MemberExpression)) return;
    // `for (n of entries)`, where n is a number.
    const held = containers.liveWithin(right);
    const expected = held === undefined ? undefined : declaredFor(left);
    if (held !== undefined && expected !== undefined) report(left, 'launder', held, { data: { expected } });
  }

  function checkField({ value }: TSESTree.PropertyDefinition | TSESTree.AccessorProperty): void {
    checkPlace(value);
  }

  return {
    MemberExpression(node) {
      if (typed.isLive(node.object)) {
        report(node, 'property', node.object);
        return;
      }
      if (!node.computed) return;
      const handle = handleIn(node.property);
      if (handle === undefined) return;
      report(node, 'deref', handle, changed(fixes.read(node, node.property, node.object, accessorName.get) ?? fixes.write(node, node.property)));
    },
    CallExpression: checkCall,
    NewExpression: checkCall,
    UnaryExpression(node) {
      if (node.operator !== '+') return;
      const handle = places.live(node.argument);
      if (handle !== undefined) report(node, 'convert', handle);
    },
    TemplateLiteral(node) {
      // The tag of a template is a function, and its parameters say what it takes.
      if (node.parent.type === AST_NODE_TYPES.TaggedTemplateExpression) return;
      for (const part of node.expressions) {
        const handle = places.live(part) ?? liveInText(part);
        if (handle !== undefined) report(part, 'convert', handle);
      }
    },
    TaggedTemplateExpression(node) {
      for (const part of node.quasi.expressions) checkPlace(part);
    },
    BinaryExpression(node) {
      const { left, operator, right } = node;
      if (left.type === AST_NODE_TYPES.PrivateIdentifier || (operator !== '+' && operator !== 'in' && !isOrder(operator))) return;
      const handle = places.live(left) ?? places.live(right);
      if (handle === undefined) {
        const list = operator === '+' && (typed.isText(left) || typed.isText(right)) ? (liveInText(left) ?? liveInText(right)) : undefined;
        if (list !== undefined) report(node, 'convert', list);
        return;
      }
      if (isOrder(operator)) report(node, 'order', handle);
      else if (operator === 'in') report(node, handle === left ? 'deref' : 'property', handle);
      else if (operator === '+' && (typed.isText(left) || typed.isText(right))) report(node, 'convert', handle);
    },
    SpreadElement(node) {
      if (typed.isLive(node.argument)) report(node, 'spread', node.argument);
    },
    JSXSpreadAttribute(node) {
      if (typed.isLive(node.argument)) report(node, 'spread', node.argument);
    },
    JSXExpressionContainer(node) {
      if (node.expression.type !== AST_NODE_TYPES.JSXEmptyExpression) checkPlace(node.expression);
    },
    ObjectPattern: checkPattern,
    ArrayPattern: checkPattern,
    VariableDeclarator(node) {
      // A variable without a type takes that of what it is given, but for a choice that comes out as a number.
      if (node.id.typeAnnotation !== undefined || (node.id.type === AST_NODE_TYPES.Identifier && (isScript || isChoice(node.init)))) checkPlace(node.init);
    },
    AssignmentExpression(node) {
      const { left, operator, right } = node;
      if (operator === '+=' && typed.isText(left) && typed.isLive(right)) report(node, 'convert', right);
      const isPattern = left.type === AST_NODE_TYPES.ObjectPattern || left.type === AST_NODE_TYPES.ArrayPattern;
      // What is written in an object or a list stands at a place itself.
      if (isPattern && right.type !== AST_NODE_TYPES.ObjectExpression && right.type !== AST_NODE_TYPES.ArrayExpression) checkTargets(left, checker.getNonNullableType(typed.typeOf(right)), right, []);
      if (!isPattern && /^(\?\?|\|\||&&)?=$/.test(operator)) checkPlace(right);
    },
    ForOfStatement: checkLoop,
    ForInStatement: checkLoop,
    ReturnStatement(node) {
      checkPlace(node.argument);
    },
    YieldExpression(node) {
      checkPlace(node.argument);
    },
    ArrowFunctionExpression(node) {
      if (node.body.type !== AST_NODE_TYPES.BlockStatement) checkPlace(node.body);
    },
    Property(node) {
      if (node.computed && typed.isLive(node.key)) report(node.key, 'deref', node.key);
      if (node.parent.type === AST_NODE_TYPES.ObjectExpression) checkPlace(node.value as TSESTree.Expression);
    },
    ArrayExpression(node) {
      for (const element of node.elements) {
        if (element?.type !== AST_NODE_TYPES.SpreadElement) {
          checkPlace(element);
          continue;
        }
        const expected = parts.launderingSpread(element, node);
        if (expected !== undefined) report(element, 'launder', containers.liveWithin(element.argument) ?? element.argument, { data: { expected } });
      }
    },
    MethodDefinition(node) {
      for (const { parameter, handle, expected } of functions.launderingMethod(node)) report(parameter, 'launder', handle, { data: { expected } });
    },
    PropertyDefinition: checkField,
    AccessorProperty: checkField,
    AssignmentPattern(node) {
      checkPlace(node.right);
    },
  };
}

/** How many lists in lists are looked into. */
const MAX_LISTS = 2;

/** The parts that a pattern takes by name or by number, with what each goes to. */
function partsOf(pattern: TSESTree.ObjectPattern | TSESTree.ArrayPattern): (readonly [string, TSESTree.Node])[] {
  if (pattern.type === AST_NODE_TYPES.ArrayPattern) return pattern.elements.flatMap((element, at) => (element === null || element.type === AST_NODE_TYPES.RestElement ? [] : [[String(at), element] as const]));
  return pattern.properties.flatMap((property) =>
    property.type === AST_NODE_TYPES.Property && !property.computed && property.key.type === AST_NODE_TYPES.Identifier ? [[property.key.name, property.value] as const] : [],
  );
}

/** Whether a name is that of a method of DataView or Atomics. */
function isAccess(name: string): boolean {
  return ACCESSES.has(name);
}

const ACCESSES: ReadonlySet<string> = new Set([DataView.prototype, Atomics].flatMap((one) => Object.getOwnPropertyNames(one)).concat('waitAsync', 'pause', 'getFloat16', 'setFloat16'));

/** `JSON.stringify`, `Number`: a callee by what is written. */
function nameOf(node: TSESTree.Expression | TSESTree.PrivateIdentifier): string {
  if (node.type === AST_NODE_TYPES.Identifier) return node.name;
  if (node.type !== AST_NODE_TYPES.MemberExpression || node.computed || node.object.type !== AST_NODE_TYPES.Identifier || node.property.type !== AST_NODE_TYPES.Identifier) return '';
  return `${node.object.name}.${node.property.name}`;
}

/** Whether the compiler finds the type of an expression from more than one. */
function isChoice(node: TSESTree.Expression | null): boolean {
  return node?.type === AST_NODE_TYPES.ConditionalExpression || node?.type === AST_NODE_TYPES.LogicalExpression || node?.type === AST_NODE_TYPES.SequenceExpression;
}
