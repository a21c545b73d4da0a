import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { bare, isArithmetic, isOrder, withNonNull } from '../ast.js';
import { createRule } from '../create-rule.js';
import { accessorName } from '../fix/names.js';
import { addressInReach, archInReach, importCore, mmInReach } from '../fix/reach.js';
import type { Level } from '../levels.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';

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

export const noRawDeref = createRule<[], Messages>({
  name: 'no-raw-deref',
  meta: {
    type: 'problem',
    docs: { description: 'Live page-table entries are read and written by accessors only', config: 'recommended', typed: true },
    fixable: 'code',
    hasSuggestions: true,
    messages: MESSAGES,
    schema: [],
    defaultOptions: [],
  },
  create(context) {
    const types = typed(context);
    return types === undefined ? {} : listeners(context, types);
  },
});

function listeners(context: Context, typed: Typed): TSESLint.RuleListener {
  const { checker } = typed.types;
  const toTs = typed.services.esTreeNodeToTSNodeMap;

  function report(node: TSESTree.Node, messageId: Messages, handle: TSESTree.Node, more: More = {}): void {
    const level = typed.handleOf(handle)?.level;
    const data = {
      level: level ?? 'page-table', accessor: level === undefined ? 'the accessors of its level' : accessorName.get(level), distance: level === undefined ? 'the distance accessor of its level' : accessorName.distance(level),
      ...more.data,
    };
    context.report({ ...more, node, messageId, data });
  }

  /** A live handle in an expression that makes an index: itself, cast, or with numbers added to it. */
  function handleIn(index: TSESTree.Expression | TSESTree.PrivateIdentifier): TSESTree.Expression | undefined {
    if (index.type === AST_NODE_TYPES.PrivateIdentifier) return undefined;
    // Its own type first: a cast in between may hide it, or may be what says that it is a value held aside.
    if (typed.isLive(index)) return index;
    if (typed.handleOf(index) !== undefined) return undefined;
    const inner = bare(index);
    if (inner.type === AST_NODE_TYPES.PrivateIdentifier) return undefined;
    if (inner !== index) return handleIn(inner);
    if (inner.type === AST_NODE_TYPES.BinaryExpression && isArithmetic(inner.operator)) return handleIn(inner.left) ?? handleIn(inner.right);
    if (inner.type === AST_NODE_TYPES.UpdateExpression) return handleIn(inner.argument);
    return undefined;
  }

  /** What a handle must not be given to, in words; undefined where it may go. */
  function laundering(expression: TSESTree.Expression): string | undefined {
    const node = toTs.get(expression) as ts.Expression;
    const expected = checker.getContextualType(node);
    if (expected === undefined || typed.types.handle(expected) !== undefined) return undefined;
    const what = launders(expected);
    return what === undefined || isMeantForHandle(node) ? undefined : what;
  }

  /** Whether a parameter is declared as a handle of a family that is known by its constraint alone, where each handle is `unknown`. */
  function isMeantForHandle(argument: ts.Expression): boolean {
    const call = argument.parent;
    if (!ts.isCallExpression(call) && !ts.isNewExpression(call)) return false;
    const at = call.arguments?.indexOf(argument) ?? -1;
    const declaration = checker.getResolvedSignature(call)?.declaration;
    if (declaration === undefined || ts.isJSDocSignature(declaration)) return false;
    const parameter = declaration.parameters[Math.min(at, declaration.parameters.length - 1)];
    return parameter !== undefined && ts.isParameter(parameter) && typed.provenance.ofDeclaration(parameter) === 'live';
  }

  function checkPlace(expression: TSESTree.Expression | null | undefined): void {
    if (expression === null || expression === undefined || !typed.isLive(expression)) return;
    const expected = laundering(expression);
    if (expected !== undefined) report(expression, 'launder', expression, { data: { expected } });
  }

  function checkCall(node: TSESTree.CallExpression | TSESTree.NewExpression): void {
    const callee = bare(node.callee);
    const name = callee.type === AST_NODE_TYPES.Super ? '' : nameOf(callee);
    const isAccess = name.startsWith('Atomics.') || (callee.type === AST_NODE_TYPES.MemberExpression && isDataView(callee.object));
    for (const argument of node.arguments) {
      if (argument.type === AST_NODE_TYPES.SpreadElement) continue;
      if (isAccess) {
        const handle = handleIn(argument);
        if (handle === undefined) continue;
        report(node, 'deref', handle, name === 'Atomics.load' ? readFix(node, argument, node.arguments[0], accessorName.getOnce) : {});
        return;
      }
      if (!typed.isLive(argument)) continue;
      const expected = laundering(argument);
      if (expected === undefined) continue;
      if (CONVERSIONS.has(name)) report(argument, 'convert', argument);
      else report(argument, 'launder', argument, { data: { expected } });
    }
  }

  function isDataView(object: TSESTree.Expression): boolean {
    return (typed.typeOf(object).symbol as ts.Symbol | undefined)?.name === 'DataView';
  }

  /** The fix of a read of a whole entry: an accessor of its level, where that says the same. */
  function readFix(
    read: TSESTree.Expression, index: TSESTree.Expression, array: TSESTree.Node | undefined, accessor: (level: Level) => string,
  ): More {
    const place = withNonNull(read);
    const parts = stepped(index);
    const arch = archInReach(context, typed, read);
    if (array === undefined || parts === undefined || arch === undefined || !isElements(array) || !isRead(place)) return {};
    const { level, handle, count } = parts;
    const fix: TSESLint.ReportFixFunction = (fixer) => {
      const imports = importCore(context, fixer, read, [accessor(level), ...(count === undefined ? [] : [count === '1' ? accessorName.next(level) : accessorName.advance(level)])]);
      if (imports === undefined) return null;
      const annotated = place.parent?.type === AST_NODE_TYPES.VariableDeclarator && place.parent.id.typeAnnotation === undefined && place.parent.id.type === AST_NODE_TYPES.Identifier ? place.parent.id : undefined;
      // The value of an entry is a bigint, but a bigint is not the value of an entry: what was inferred as bigint stays one.
      return [...imports, ...(annotated === undefined ? [] : [fixer.insertTextAfter(annotated, ': bigint')]), fixer.replaceText(place, `${accessor(level)}(${arch}, ${entryText(arch, level, handle, count)})`)];
    };
    if (keepsComments(place, [handle]) && isCertain(handle) && keepsType(place)) return { fix };
    return { suggest: [{ messageId: 'useAccessor', data: { accessor: accessor(level) }, fix }] };
  }

  /** The fix of a write of a whole entry, as a statement of its own. */
  function writeFix(target: TSESTree.MemberExpression, index: TSESTree.Expression): More {
    const assignment = withNonNull(target).parent;
    if (assignment?.type !== AST_NODE_TYPES.AssignmentExpression || assignment.left !== target || assignment.parent.type !== AST_NODE_TYPES.ExpressionStatement) return {};
    const parts = stepped(index);
    const arch = archInReach(context, typed, target, { writable: true });
    const mm = mmInReach(context, typed, target);
    const address = addressInReach(context, typed, target);
    if (parts === undefined || arch === undefined || mm === undefined || address === undefined || !isElements(target.object) || !isCertain(parts.handle)) return {};
    const { level, handle, count } = parts;
    // A neighbour translates another address than the one in reach.
    if (count !== undefined || !keepsComments(assignment, [handle, assignment.right]) || /^(&&|\|\||\?\?|>>>)=$/.test(assignment.operator)) return {};
    const entry = context.sourceCode.getText(handle);
    const right = context.sourceCode.getText(assignment.right);
    const operator = assignment.operator.slice(0, -1);
    const isValue = operator === '' && typed.types.value(typed.typeOf(assignment.right))?.level === level;
    const value = operator === '' ? right : `${accessorName.get(level)}(${arch}, ${entry}) ${operator} (${right})`;
    return {
      fix(fixer) {
        const imports = importCore(context, fixer, target, [accessorName.set(level), ...(operator === '' ? [] : [accessorName.get(level)]), ...(isValue ? [] : ['entryVal'])]);
        if (imports === undefined) return null;
        return [...imports, fixer.replaceText(assignment, `${accessorName.set(level)}(${arch}, ${mm}, ${address}, ${entry}, ${isValue ? value : `entryVal('${level}', ${value})`})`)];
      },
    };
  }

  /** `ptep`, `ptep + 1` or `ptep + count` as handle and count, where that is all there is. */
  function stepped(index: TSESTree.Expression): { level: Level; handle: TSESTree.Expression; count: string | undefined } | undefined {
    const level = typed.handleOf(index)?.level;
    if (level !== undefined && index.type !== AST_NODE_TYPES.UpdateExpression) return { level, handle: index, count: undefined };
    if (index.type !== AST_NODE_TYPES.BinaryExpression || (index.operator !== '+' && index.operator !== '-')) return undefined;
    const { left, operator, right } = index;
    const leftLevel = typed.handleOf(left)?.level;
    if (leftLevel !== undefined && typed.handleOf(right) === undefined) {
      const text = context.sourceCode.getText(right);
      return { level: leftLevel, handle: left, count: operator === '+' ? text : isSimple(right) ? `-${text}` : `-(${text})` };
    }
    const rightLevel = typed.handleOf(right)?.level;
    return rightLevel !== undefined && leftLevel === undefined && operator === '+' ? { level: rightLevel, handle: right, count: context.sourceCode.getText(left) } : undefined;
  }

  function entryText(arch: string, level: Level, handle: TSESTree.Expression, count: string | undefined): string {
    const entry = context.sourceCode.getText(handle);
    if (count === undefined) return entry;
    return count === '1' ? `${accessorName.next(level)}(${arch}, ${entry})` : `${accessorName.advance(level)}(${arch}, ${entry}, ${count})`;
  }

  /** Whether an array is `TableMemory.elements`, or certainly a copy of it by another name: in any other an index is of something else. */
  function isElements(array: TSESTree.Node): boolean {
    const symbol = checker.getSymbolAtLocation(toTs.get(array.type === AST_NODE_TYPES.MemberExpression && !array.computed ? array.property : array));
    const declaration = symbol === undefined ? undefined : typed.types.resolved(symbol).valueDeclaration;
    if (declaration === undefined) return false;
    if (ts.isPropertyDeclaration(declaration) || ts.isPropertySignature(declaration)) {
      return symbol!.name === 'elements' && typed.types.isCore(checker.getTypeAtLocation(declaration.parent), 'TableMemory');
    }
    if (ts.isBindingElement(declaration) && ts.isObjectBindingPattern(declaration.parent)) {
      const name = declaration.propertyName ?? declaration.name;
      return ts.isIdentifier(name) && name.text === 'elements' && typed.types.isCore(checker.getTypeAtLocation(declaration.parent), 'TableMemory');
    }
    const isConstant = ts.isVariableDeclaration(declaration) && (ts.getCombinedNodeFlags(declaration) & ts.NodeFlags.Const) !== 0;
    const initializer = isConstant && declaration.initializer !== undefined ? (typed.services.tsNodeToESTreeNodeMap.get(declaration.initializer) as TSESTree.Node | undefined) : undefined;
    return initializer !== undefined && initializer !== array && isElements(initializer);
  }

  /** Whether nothing but the type of a value held aside could have said otherwise. */
  function isCertain(handle: TSESTree.Expression): boolean {
    return typed.handleOf(handle)?.form !== 'alias' || typed.originOf(handle) === 'live';
  }

  /** Whether every comment in the text that goes is in a part that stays. */
  function keepsComments(gone: TSESTree.Node, kept: readonly TSESTree.Node[]): boolean {
    return context.sourceCode.getCommentsInside(gone).every(({ range }) => kept.some((part) => part.range[0] <= range[0] && range[1] <= part.range[1]));
  }

  /** Whether the type of what stands here is decided elsewhere, so that the value of an entry may stand where a bigint stood. */
  function keepsType(place: TSESTree.Node): boolean {
    const { parent } = place;
    if (parent === undefined) return false;
    if (parent.type === AST_NODE_TYPES.VariableDeclarator || parent.type === AST_NODE_TYPES.BinaryExpression || parent.type === AST_NODE_TYPES.TemplateLiteral || parent.type === AST_NODE_TYPES.ExpressionStatement) return true;
    if (parent.type === AST_NODE_TYPES.UnaryExpression || parent.type === AST_NODE_TYPES.SwitchStatement) return true;
    const expected = checker.getContextualType(toTs.get(place) as ts.Expression);
    return expected !== undefined && checker.isTypeAssignableTo(checker.getBigIntType(), expected) && (expected.flags & ts.TypeFlags.TypeParameter) === 0;
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
      report(node, 'deref', handle, { ...readFix(node, node.property, node.object, accessorName.get), ...writeFix(node, node.property) });
    },
    CallExpression: checkCall,
    NewExpression: checkCall,
    UnaryExpression(node) {
      if (node.operator === '+' && typed.isLive(node.argument)) report(node, 'convert', node.argument);
    },
    TemplateLiteral(node) {
      // The tag of a template is a function, and its parameters say what it takes.
      if (node.parent.type === AST_NODE_TYPES.TaggedTemplateExpression) return;
      for (const part of node.expressions) if (typed.isLive(part)) report(part, 'convert', part);
    },
    TaggedTemplateExpression(node) {
      for (const part of node.quasi.expressions) checkPlace(part);
    },
    BinaryExpression(node) {
      if (node.left.type === AST_NODE_TYPES.PrivateIdentifier) return;
      const handle = [node.left, node.right].find((side) => typed.isLive(side));
      if (handle === undefined) return;
      if (isOrder(node.operator)) report(node, 'order', handle);
      else if (node.operator === 'in') report(node, handle === node.left ? 'deref' : 'property', handle);
      else if (node.operator === '+' && [node.left, node.right].some((side) => (typed.typeOf(side).flags & ts.TypeFlags.StringLike) !== 0)) report(node, 'convert', handle);
    },
    SpreadElement(node) {
      if (typed.isLive(node.argument)) report(node, 'spread', node.argument);
    },
    VariableDeclarator(node) {
      if (node.init === null || !typed.isLive(node.init)) return;
      if (node.id.type === AST_NODE_TYPES.Identifier) checkPlace(node.init);
      else report(node.id, 'spread', node.init);
    },
    AssignmentExpression(node) {
      if (!typed.isLive(node.right)) return;
      if (node.operator === '=' || node.operator === '??=' || node.operator === '||=' || node.operator === '&&=') {
        if (node.left.type === AST_NODE_TYPES.ObjectPattern || node.left.type === AST_NODE_TYPES.ArrayPattern) report(node.left, 'spread', node.right);
        else checkPlace(node.right);
      }
    },
    'ForOfStatement, ForInStatement'(node: TSESTree.ForInStatement | TSESTree.ForOfStatement) {
      if (typed.isLive(node.right)) report(node.right, 'spread', node.right);
    },
    ReturnStatement(node) {
      checkPlace(node.argument);
    },
    YieldExpression(node) {
      checkPlace(node.argument);
    },
    ArrowFunctionExpression(node) {
      if (node.body.type !== AST_NODE_TYPES.BlockStatement) checkPlace(node.body);
    },
    'ObjectExpression > Property'(node: TSESTree.Property) {
      if (node.computed && typed.isLive(node.key)) report(node.key, 'deref', node.key);
      checkPlace(node.value as TSESTree.Expression);
    },
    'ObjectPattern > Property'(node: TSESTree.Property) {
      const handle = node.computed ? handleIn(node.key) : undefined;
      if (handle !== undefined) report(node.key, 'deref', handle);
    },
    ArrayExpression(node) {
      for (const element of node.elements) if (element !== null && element.type !== AST_NODE_TYPES.SpreadElement) checkPlace(element);
    },
    'PropertyDefinition, AccessorProperty'(node: TSESTree.PropertyDefinition | TSESTree.AccessorProperty) {
      checkPlace(node.value);
    },
    AssignmentPattern(node) {
      checkPlace(node.right);
    },
  };
}

/** What a type is to somebody who must not get a handle, in words; undefined for a type that can hold none. */
function launders(type: ts.Type): string | undefined {
  if (type.flags & ts.TypeFlags.Any) return 'any';
  if (type.flags & ts.TypeFlags.Unknown) return 'unknown';
  for (const member of type.isUnion() ? type.types : [type]) {
    if (member.flags & ts.TypeFlags.Number) return 'a number';
    if (member.flags & ts.TypeFlags.BigInt) return 'a bigint';
  }
  return undefined;
}

/** `Atomics.load`, `Number`: a callee by what is written. */
function nameOf(node: TSESTree.Expression | TSESTree.PrivateIdentifier): string {
  if (node.type === AST_NODE_TYPES.Identifier) return node.name;
  if (node.type !== AST_NODE_TYPES.MemberExpression || node.computed || node.object.type !== AST_NODE_TYPES.Identifier || node.property.type !== AST_NODE_TYPES.Identifier) return '';
  return `${node.object.name}.${node.property.name}`;
}

/** Whether a minus may stand before it. */
function isSimple(node: TSESTree.Expression): boolean {
  return node.type === AST_NODE_TYPES.Identifier || node.type === AST_NODE_TYPES.Literal || node.type === AST_NODE_TYPES.MemberExpression || node.type === AST_NODE_TYPES.CallExpression;
}

/** Whether nothing is written here. */
function isRead(place: TSESTree.Node): boolean {
  const { parent } = place;
  if (parent?.type === AST_NODE_TYPES.AssignmentExpression) return parent.left !== place;
  if (parent?.type === AST_NODE_TYPES.ForOfStatement || parent?.type === AST_NODE_TYPES.ForInStatement) return parent.left !== place;
  if (parent?.type === AST_NODE_TYPES.Property && parent.parent.type === AST_NODE_TYPES.ObjectPattern) return false;
  return parent?.type !== AST_NODE_TYPES.UpdateExpression && parent?.type !== AST_NODE_TYPES.ArrayPattern && parent?.type !== AST_NODE_TYPES.AssignmentPattern &&
    !(parent?.type === AST_NODE_TYPES.UnaryExpression && parent.operator === 'delete');
}
