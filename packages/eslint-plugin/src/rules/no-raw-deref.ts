import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { bare, isArithmetic, isOrder, isPrimitive } from '../ast.js';
import { createRule } from '../create-rule.js';
import { accessorName } from '../fix/names.js';
import { inOneGo, type Visitor } from '../in-one-go.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';
import { Containers } from './raw-deref/containers.js';
import { AccessorFixes, type AccessorChange } from './raw-deref/fix.js';
import { Functions } from './raw-deref/functions.js';
import { HandleTypes } from './raw-deref/handle-types.js';
import { Parts } from './raw-deref/parts.js';
import { Patterns } from './raw-deref/patterns.js';
import { Places } from './raw-deref/places.js';
import { Written } from './raw-deref/written.js';

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
    return types === undefined ? {} : inOneGo(context.sourceCode, new RawDerefs(context, types));
  },
});

/** The handles in one file. */
class RawDerefs implements Visitor {
  private readonly context: Context;
  private readonly typed: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly handles: HandleTypes;
  private readonly places: Places;
  private readonly containers: Containers;
  private readonly parts: Parts;
  private readonly functions: Functions;
  private readonly written: Written;
  private readonly patterns: Patterns;
  private readonly fixes: AccessorFixes;
  /** In JavaScript a comment may say what type a variable has. */
  private readonly isScript: boolean;

  constructor(context: Context, typed: Typed) {
    this.context = context;
    this.typed = typed;
    this.checker = typed.types.checker;
    this.handles = HandleTypes.of(typed.types);
    this.places = new Places(typed);
    this.containers = new Containers(typed);
    this.parts = new Parts(typed, this.containers, this.places);
    this.functions = new Functions(typed);
    this.written = new Written(typed, this.containers, this.places);
    this.patterns = new Patterns(typed, (...found) => {
      this.report(...found);
    });
    this.fixes = new AccessorFixes(context, typed, this.places);
    this.isScript = /\.[cm]?jsx?$/.test(context.filename);
  }

  MemberExpression(node: TSESTree.MemberExpression): void {
    if (this.typed.isLive(node.object)) {
      this.report(node, 'property', node.object);
      return;
    }
    if (!node.computed) return;
    const handle = this.handleIn(node.property);
    if (handle === undefined) return;
    this.report(node, 'deref', handle, this.changed(this.fixes.read(node, node.property, node.object, accessorName.get) ?? this.fixes.write(node, node.property)));
  }

  CallExpression(node: TSESTree.CallExpression): void {
    this.checkCall(node);
  }

  NewExpression(node: TSESTree.NewExpression): void {
    this.checkCall(node);
  }

  UnaryExpression(node: TSESTree.UnaryExpression): void {
    if (node.operator !== '+') return;
    const handle = this.places.live(node.argument);
    if (handle !== undefined) this.report(node, 'convert', handle);
  }

  TemplateLiteral(node: TSESTree.TemplateLiteral): void {
    // The tag of a template is a function, and its parameters say what it takes.
    if (node.parent.type === AST_NODE_TYPES.TaggedTemplateExpression) return;
    for (const part of node.expressions) {
      const handle = this.places.live(part) ?? this.written.liveInText(part);
      if (handle !== undefined) this.report(part, 'convert', handle);
    }
  }

  TaggedTemplateExpression(node: TSESTree.TaggedTemplateExpression): void {
    for (const part of node.quasi.expressions) this.checkPlace(part);
  }

  BinaryExpression(node: TSESTree.BinaryExpression): void {
    const { left, operator, right } = node;
    if (left.type === AST_NODE_TYPES.PrivateIdentifier || (operator !== '+' && operator !== 'in' && !isOrder(operator))) return;
    const handle = this.places.live(left) ?? this.places.live(right);
    if (handle === undefined) {
      const list = operator === '+' && (this.typed.isText(left) || this.typed.isText(right)) ? (this.written.liveInText(left) ?? this.written.liveInText(right)) : undefined;
      if (list !== undefined) this.report(node, 'convert', list);
      return;
    }
    if (isOrder(operator)) this.report(node, 'order', handle);
    else if (operator === 'in') this.report(node, handle === left ? 'deref' : 'property', handle);
    else if (operator === '+' && (this.typed.isText(left) || this.typed.isText(right))) this.report(node, 'convert', handle);
  }

  SpreadElement(node: TSESTree.SpreadElement): void {
    this.checkSpread(node, node.parent.type === AST_NODE_TYPES.ObjectExpression ? node.parent.properties : []);
  }

  JSXSpreadAttribute(node: TSESTree.JSXSpreadAttribute): void {
    this.checkSpread(node, node.parent.attributes);
  }

  JSXExpressionContainer(node: TSESTree.JSXExpressionContainer): void {
    if (node.expression.type !== AST_NODE_TYPES.JSXEmptyExpression) this.checkPlace(node.expression);
  }

  ObjectPattern(node: TSESTree.ObjectPattern): void {
    this.patterns.checkPattern(node);
  }

  ArrayPattern(node: TSESTree.ArrayPattern): void {
    this.patterns.checkPattern(node);
  }

  VariableDeclarator(node: TSESTree.VariableDeclarator): void {
    // A variable without a type takes that of what it is given, but for a choice that comes out as a number.
    if (node.id.typeAnnotation !== undefined || (node.id.type === AST_NODE_TYPES.Identifier && (this.isScript || isChoice(node.init)))) this.checkPlace(node.init);
  }

  AssignmentExpression(node: TSESTree.AssignmentExpression): void {
    const { left, operator, right } = node;
    if (operator === '+=' && this.typed.isText(left) && this.typed.isLive(right)) this.report(node, 'convert', right);
    const isPattern = left.type === AST_NODE_TYPES.ObjectPattern || left.type === AST_NODE_TYPES.ArrayPattern;
    // What is written in an object or a list stands at a place itself.
    if (isPattern && right.type !== AST_NODE_TYPES.ObjectExpression && right.type !== AST_NODE_TYPES.ArrayExpression) this.patterns.checkTargets(left, this.checker.getNonNullableType(this.typed.typeOf(right)), right, []);
    if (!isPattern && /^(\?\?|\|\||&&)?=$/.test(operator)) this.checkPlace(right);
  }

  ForOfStatement(node: TSESTree.ForOfStatement): void {
    this.checkLoop(node);
  }

  ForInStatement(node: TSESTree.ForInStatement): void {
    this.checkLoop(node);
  }

  ReturnStatement(node: TSESTree.ReturnStatement): void {
    this.checkPlace(node.argument);
  }

  YieldExpression(node: TSESTree.YieldExpression): void {
    this.checkPlace(node.argument);
  }

  ArrowFunctionExpression(node: TSESTree.ArrowFunctionExpression): void {
    if (node.body.type !== AST_NODE_TYPES.BlockStatement) this.checkPlace(node.body);
  }

  Property(node: TSESTree.Property): void {
    if (node.computed && this.typed.isLive(node.key)) this.report(node.key, 'deref', node.key);
    if (node.parent.type === AST_NODE_TYPES.ObjectExpression) this.checkPlace(node.value as TSESTree.Expression);
  }

  ArrayExpression(node: TSESTree.ArrayExpression): void {
    for (const element of node.elements) {
      if (element?.type !== AST_NODE_TYPES.SpreadElement) {
        this.checkPlace(element);
        continue;
      }
      const expected = this.parts.launderingSpread(element, node);
      if (expected !== undefined) this.report(element, 'launder', this.containers.liveWithin(element.argument) ?? element.argument, { data: { expected } });
    }
  }

  MethodDefinition(node: TSESTree.MethodDefinition): void {
    for (const { parameter, handle, expected } of this.functions.launderingMethod(node)) this.report(parameter, 'launder', handle, { data: { expected } });
  }

  PropertyDefinition(node: TSESTree.PropertyDefinition): void {
    this.checkPlace(node.value);
  }

  AccessorProperty(node: TSESTree.AccessorProperty): void {
    this.checkPlace(node.value);
  }

  AssignmentPattern(node: TSESTree.AssignmentPattern): void {
    this.checkPlace(node.right);
  }

  private report(node: TSESTree.Node, messageId: Messages, handle: TSESTree.Node | ts.Type, more: More = {}): void {
    const level = ('flags' in handle ? this.typed.types.handle(handle) : this.typed.handleOf(handle))?.level;
    const data = {
      level: level ?? 'page-table', accessor: level === undefined ? 'the accessors of its level' : accessorName.get(level), distance: level === undefined ? 'the distance accessor of its level' : accessorName.distance(level),
      ...more.data,
    };
    this.context.report({ ...more, node, messageId, data });
  }

  private changed(change: AccessorChange | undefined): More {
    if (change === undefined) return {};
    return change.safe ? { fix: change.fix } : { suggest: [{ messageId: 'useAccessor', data: { accessor: change.accessor }, fix: change.fix }] };
  }

  /** A live handle in an expression that makes an index: itself, cast, chosen, or with numbers added to it. */
  private handleIn(index: TSESTree.Expression | TSESTree.PrivateIdentifier): TSESTree.Expression | undefined {
    if (index.type === AST_NODE_TYPES.PrivateIdentifier) return undefined;
    // Its own type first: a cast in between may hide it, or may be what says that it is a value held aside.
    if (this.typed.handleOf(index) !== undefined) return this.typed.isLive(index) ? index : undefined;
    const inner = bare(index);
    if (inner.type === AST_NODE_TYPES.PrivateIdentifier) return undefined;
    if (inner !== index) return this.handleIn(inner);
    switch (inner.type) {
      case AST_NODE_TYPES.BinaryExpression:
        return isArithmetic(inner.operator) ? (this.handleIn(inner.left) ?? this.handleIn(inner.right)) : undefined;
      case AST_NODE_TYPES.ConditionalExpression:
        return this.handleIn(inner.consequent) ?? this.handleIn(inner.alternate);
      case AST_NODE_TYPES.LogicalExpression:
        return this.handleIn(inner.left) ?? this.handleIn(inner.right);
      case AST_NODE_TYPES.SequenceExpression:
        return this.handleIn(inner.expressions.at(-1)!);
      case AST_NODE_TYPES.UpdateExpression:
        return this.handleIn(inner.argument);
      default:
        return undefined;
    }
  }

  private checkPlace(expression: TSESTree.Expression | null | undefined): void {
    if (expression === null || expression === undefined || isPrimitive(expression)) return;
    const handle = this.places.live(expression);
    const expected = handle === undefined ? (this.parts.launderingWithin(expression) ?? this.functions.launderingFunction(expression) ?? this.parts.launderingPart(expression)) : this.places.laundering(handle);
    if (expected !== undefined) this.report(handle ?? expression, 'launder', handle ?? this.containers.liveWithin(expression) ?? expression, { data: { expected } });
    else if (handle === undefined) for (const side of sidesOf(expression)) this.checkPlace(side);
  }

  private checkCall(node: TSESTree.CallExpression | TSESTree.NewExpression): void {
    if (node.type === AST_NODE_TYPES.CallExpression && (this.checkAccess(node) || this.checkList(node))) return;
    const callee = bare(node.callee);
    const name = callee.type === AST_NODE_TYPES.Super ? '' : nameOf(callee);
    // They take anything, and only look at it.
    if (name === 'Object.is' || name === 'Array.isArray') return;
    for (const argument of node.arguments) {
      if (argument.type === AST_NODE_TYPES.SpreadElement) {
        const expected = this.parts.launderingRest(argument, node);
        if (expected !== undefined) this.report(argument, 'launder', this.containers.liveWithin(argument.argument)!, { data: { expected } });
        continue;
      }
      if (isPrimitive(argument)) continue;
      // What a place takes is known at once; where a handle came from may take a look around.
      if (this.typed.handleOf(argument) !== undefined && this.places.laundering(argument) === undefined) continue;
      const handle = this.places.live(argument);
      if (handle !== undefined) {
        const expected = this.places.laundering(handle);
        if (expected === undefined) continue;
        if (CONVERSIONS.has(name)) this.report(handle, 'convert', handle);
        else this.report(handle, 'launder', handle, { data: { expected } });
        continue;
      }
      const within = name === 'JSON.stringify' ? this.written.liveWritten(argument) : name === 'String' ? this.written.liveListed(argument) : undefined;
      if (within !== undefined) {
        this.report(argument, 'convert', within);
        continue;
      }
      const expected = this.parts.launderingWithin(argument) ?? this.functions.launderingCallback(argument) ?? this.parts.launderingPart(argument);
      if (expected !== undefined) this.report(argument, 'launder', argument, { data: { expected } });
    }
  }

  /** DataView and Atomics, by what is called and not by what it is called by. */
  private checkAccess(node: TSESTree.CallExpression): boolean {
    if (node.arguments.length === 0 || !this.typed.mayBeNamed(node, isAccess)) return false;
    let handle: TSESTree.Expression | undefined;
    for (const argument of node.arguments) if (argument.type !== AST_NODE_TYPES.SpreadElement) handle ??= this.handleIn(argument);
    if (handle === undefined) return false;
    const declaration = this.typed.signatureOf(node)?.declaration;
    if (declaration === undefined || !ts.isInterfaceDeclaration(declaration.parent) || !this.places.isOfLanguage(declaration)) return false;
    const { name } = declaration.parent;
    if (name.text !== 'DataView' && name.text !== 'Atomics') return false;
    const [array, index] = node.arguments;
    const isLoad = name.text === 'Atomics' && ts.isMethodSignature(declaration) && ts.isIdentifier(declaration.name) && declaration.name.text === 'load';
    const hasParts = array !== undefined && index !== undefined && array.type !== AST_NODE_TYPES.SpreadElement && index.type !== AST_NODE_TYPES.SpreadElement;
    this.report(node, 'deref', handle, isLoad && hasParts ? this.changed(this.fixes.read(node, index, array, accessorName.getOnce)) : {});
    return true;
  }

  /** What a list does to turn its elements into text, or to put them in an order. */
  private checkList(node: TSESTree.CallExpression): boolean {
    const callee = bare(node.callee);
    if (callee.type !== AST_NODE_TYPES.MemberExpression) return false;
    const name = ASTUtils.getPropertyName(callee);
    const orders = (name === 'sort' || name === 'toSorted') && node.arguments.length === 0;
    if (!orders && name !== 'join' && name !== 'toString' && name !== 'toLocaleString') return false;
    const held = this.containers.liveWithin(callee.object);
    if (held === undefined || !this.checker.isArrayLikeType(this.checker.getNonNullableType(this.typed.typeOf(callee.object)))) return false;
    // A class may have a method of its own by that name.
    const declaration = this.typed.signatureOf(node)?.declaration;
    if (declaration !== undefined && !this.places.isOfLanguage(declaration)) return false;
    this.report(node, orders ? 'order' : 'convert', held);
    return true;
  }

  /** @param around what stands in an object or an element with it */
  private checkSpread(spread: TSESTree.SpreadElement | TSESTree.JSXSpreadAttribute, around: readonly TSESTree.Node[]): void {
    if (this.typed.isLive(spread.argument)) this.report(spread, 'spread', spread.argument);
    const expected = around.length === 0 ? undefined : this.parts.launderingFields(spread, around);
    if (expected !== undefined) this.report(spread, 'launder', spread.argument, { data: { expected } });
  }

  private checkLoop({ left, right, type }: TSESTree.ForInStatement | TSESTree.ForOfStatement): void {
    if (this.typed.isLive(right)) this.report(right, 'spread', right);
    if (type === AST_NODE_TYPES.ForOfStatement && (left.type === AST_NODE_TYPES.ObjectPattern || left.type === AST_NODE_TYPES.ArrayPattern)) {
      const list = this.typed.typeOf(right);
      const element = list.getNumberIndexType() ?? this.handles.heldBy(list).find(({ path }) => path.length === 1 && path[0] === '*')?.type;
      if (element !== undefined) this.patterns.checkTargets(left, element, right, ['*']);
    }
    if (type !== AST_NODE_TYPES.ForOfStatement || (left.type !== AST_NODE_TYPES.Identifier && left.type !== AST_NODE_TYPES.MemberExpression)) return;
    // `for (n of entries)`, where n is a number.
    const held = this.containers.liveWithin(right);
    const expected = held === undefined ? undefined : this.patterns.declaredFor(left);
    if (held !== undefined && expected !== undefined) this.report(left, 'launder', held, { data: { expected } });
  }
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

/** What a choice may come out as. Of a list of handles and one of numbers the compiler makes one of numbers under the alias. */
function sidesOf(node: TSESTree.Expression): readonly TSESTree.Expression[] {
  if (node.type === AST_NODE_TYPES.ConditionalExpression) return [node.consequent, node.alternate];
  return node.type === AST_NODE_TYPES.LogicalExpression ? (node.operator === '&&' ? [node.right] : [node.left, node.right]) : [];
}

/** Whether the compiler finds the type of an expression from more than one. */
function isChoice(node: TSESTree.Expression | null): boolean {
  return node?.type === AST_NODE_TYPES.ConditionalExpression || node?.type === AST_NODE_TYPES.LogicalExpression || node?.type === AST_NODE_TYPES.SequenceExpression;
}
