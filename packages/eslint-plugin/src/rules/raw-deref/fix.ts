import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { bare, isEquality, withNonNull } from '../../ast.js';
import { accessorName } from '../../fix/names.js';
import { goTogether, isArchOf } from '../../fix/belongs.js';
import { hasEffects, mayBeExchanged } from '../../fix/order.js';
import { addressInReach, archInReach, importCore, mmInReach } from '../../fix/reach.js';
import { apart, argument } from '../../fix/text.js';
import type { Level } from '../../levels.js';
import type { Typed } from '../../typed.js';
import { isTakenApart, type Places } from './places.js';

type Context = Readonly<TSESLint.RuleContext<string, readonly unknown[]>>;

/** What an accessor can take the place of. */
export interface AccessorChange {
  readonly accessor: string;
  /** Whether it says the same whatever the program is; what does not is a suggestion. */
  readonly safe: boolean;
  readonly fix: TSESLint.ReportFixFunction;
}

/** The accessors that say what an access to the memory of the tables says. */
export class AccessorFixes {
  private readonly context: Context;
  private readonly typed: Typed;
  private readonly places: Places;

  constructor(context: Context, typed: Typed, places: Places) {
    this.context = context;
    this.typed = typed;
    this.places = places;
  }

  /** @param read the access @param index what it is indexed by @param array what is accessed @param accessor the getter by the level */
  read(read: TSESTree.Expression, index: TSESTree.Expression, array: TSESTree.Expression, accessor: (level: Level) => string): AccessorChange | undefined {
    const place = withNonNull(read);
    const parts = this.stepped(index);
    if (parts === undefined || !isRead(place) || !this.isElements(array)) return undefined;
    const arch = archInReach(this.context, this.typed, read, { handle: parts.handle });
    if (arch === undefined || !isArchOf(this.context, this.typed, arch, array)) return undefined;
    const { level, handle, count } = parts;
    const step = count === undefined ? [] : [count === '1' ? accessorName.next(level) : accessorName.advance(level)];
    return {
      accessor: accessor(level),
      safe: this.isTableMemory(array) && this.mayGo(array) && this.keepsComments(place, [handle]) && this.isCertain(handle) && this.keepsType(place, level),
      fix: (fixer) => {
        const imports = importCore(this.context, fixer, read, [accessor(level), ...step]);
        if (imports === undefined) return null;
        const { parent } = place;
        const annotated = parent?.type === AST_NODE_TYPES.VariableDeclarator && parent.id.typeAnnotation === undefined && parent.id.type === AST_NODE_TYPES.Identifier ? parent : undefined;
        // The value of an entry is a bigint, but a bigint is not the value of an entry: what was inferred as bigint, or as one that may be missing, stays so.
        const type = annotated?.parent.kind === 'const' || !this.mayBeUndefined(place) ? ': bigint' : ': bigint | undefined';
        return [
          ...imports,
          ...(annotated === undefined ? [] : [fixer.insertTextAfter(annotated.id, type)]),
          fixer.replaceText(place, apart(this.context.sourceCode, place, `${accessor(level)}(${arch}, ${this.entryText(arch, level, handle, count)})`)),
        ];
      },
    };
  }

  /** `array[ptep] = value`, as a statement of its own. */
  write(target: TSESTree.MemberExpression, index: TSESTree.Expression): AccessorChange | undefined {
    const place = withNonNull(target);
    const assignment = place.parent;
    if (assignment?.type !== AST_NODE_TYPES.AssignmentExpression || assignment.left !== place || assignment.parent.type !== AST_NODE_TYPES.ExpressionStatement) return undefined;
    const parts = this.stepped(index);
    // A neighbour translates another address than the one in reach.
    if (parts === undefined || parts.count !== undefined || !this.isTableMemory(target.object) || !this.isCertain(parts.handle)) return undefined;
    const arch = archInReach(this.context, this.typed, target, { writable: true, handle: parts.handle });
    const mm = mmInReach(this.context, this.typed, target);
    const address = addressInReach(this.context, this.typed, target);
    if (arch === undefined || mm === undefined || address === undefined || !isArchOf(this.context, this.typed, arch, target.object)) return undefined;
    const { level, handle } = parts;
    if (!goTogether(this.context, target, handle, address)) return undefined;
    if (!this.keepsComments(assignment, [handle, assignment.right]) || /^(&&|\|\||\?\?|>>>)=$/.test(assignment.operator)) return undefined;
    const { sourceCode } = this.context;
    const entry = sourceCode.getText(handle);
    const right = argument(sourceCode, assignment.right);
    const operator = assignment.operator.slice(0, -1);
    // Its text stands twice then.
    if (operator !== '' && !isName(handle)) return undefined;
    const isValue = operator === '' && this.typed.types.value(this.typed.typeOf(assignment.right))?.level === level;
    const value = operator === '' ? right : `${accessorName.get(level)}(${arch}, ${entry}) ${operator} (${right})`;
    return {
      accessor: accessorName.set(level),
      safe: this.mayGo(target.object),
      fix: (fixer) => {
        const imports = importCore(this.context, fixer, target, [accessorName.set(level), ...(operator === '' ? [] : [accessorName.get(level)]), ...(isValue ? [] : ['entryVal'])]);
        if (imports === undefined) return null;
        return [...imports, fixer.replaceText(assignment, `${accessorName.set(level)}(${arch}, ${mm}, ${address}, ${entry}, ${isValue ? value : `entryVal('${level}', ${value})`})`)];
      },
    };
  }

  /** `ptep`, `ptep + 1` or `ptep + count` as handle and count, where that is all there is. */
  private stepped(index: TSESTree.Expression): { level: Level; handle: TSESTree.Expression; count: string | undefined } | undefined {
    const level = this.typed.handleOf(index)?.level;
    if (level !== undefined) return index.type === AST_NODE_TYPES.UpdateExpression || index.type === AST_NODE_TYPES.SequenceExpression ? undefined : { level, handle: index, count: undefined };
    if (index.type !== AST_NODE_TYPES.BinaryExpression || (index.operator !== '+' && index.operator !== '-')) return undefined;
    const { left, operator, right } = index;
    const leftLevel = this.typed.handleOf(left)?.level;
    const rightLevel = this.typed.handleOf(right)?.level;
    if (leftLevel !== undefined && rightLevel === undefined && this.isCount(right)) {
      const text = argument(this.context.sourceCode, right);
      return { level: leftLevel, handle: left, count: operator === '+' ? text : isSimple(right) ? `-${text}` : `-(${text})` };
    }
    return rightLevel !== undefined && leftLevel === undefined && operator === '+' && this.isCount(left) && mayBeExchanged(left, right, this.context.sourceCode.visitorKeys) ? { level: rightLevel, handle: right, count: argument(this.context.sourceCode, left) } : undefined;
  }

  private isCount(node: TSESTree.Expression): boolean {
    const { checker } = this.typed.types;
    return checker.isTypeAssignableTo(this.typed.typeOf(node), checker.getNumberType());
  }

  private entryText(arch: string, level: Level, handle: TSESTree.Expression, count: string | undefined): string {
    const entry = argument(this.context.sourceCode, handle);
    if (count === undefined) return entry;
    return count === '1' ? `${accessorName.next(level)}(${arch}, ${entry})` : `${accessorName.advance(level)}(${arch}, ${entry}, ${count})`;
  }

  /** Whether an array has an element for each entry, as `TableMemory.elements` has. */
  private isElements(array: TSESTree.Expression): boolean {
    const { checker } = this.typed.types;
    return (checker.getNonNullableType(this.typed.typeOf(array)).symbol as ts.Symbol | undefined)?.name === 'BigUint64Array';
  }

  /** Whether nothing is lost with the way to the memory: it calls nothing, and is there. */
  private mayGo(array: TSESTree.Expression): boolean {
    return !hasEffects(array, this.context.sourceCode.visitorKeys) && !isMaybe(array);
  }

  /** Whether an array is `TableMemory.elements`: another of that kind may hold anything by entry. */
  private isTableMemory(array: TSESTree.Expression): boolean {
    const inner = bare(array);
    return inner.type !== AST_NODE_TYPES.PrivateIdentifier && this.isTableElements(this.typed.services.esTreeNodeToTSNodeMap.get(inner) as ts.Expression, 0);
  }

  private isTableElements(node: ts.Expression, step: number): boolean {
    const { checker } = this.typed.types;
    if (step > 4) return false;
    if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node)) return this.isTableElements(node.expression, step + 1);
    if (ts.isPropertyAccessExpression(node) && node.name.text === 'elements') {
      return this.typed.types.isCore(checker.getNonNullableType(checker.getTypeAtLocation(node.expression)), 'TableMemory');
    }
    const declaration = checker.getSymbolAtLocation(ts.isPropertyAccessExpression(node) ? node.name : node)?.valueDeclaration;
    if (declaration === undefined) return false;
    if (ts.isBindingElement(declaration) && ts.isObjectBindingPattern(declaration.parent)) {
      const { propertyName = declaration.name, dotDotDotToken, initializer } = declaration;
      return dotDotDotToken === undefined && initializer === undefined && ts.isIdentifier(propertyName) && propertyName.text === 'elements' &&
        this.typed.types.isCore(checker.getTypeAtLocation(declaration.parent), 'TableMemory');
    }
    const isConst = ts.isVariableDeclaration(declaration) && (ts.getCombinedNodeFlags(declaration) & ts.NodeFlags.Const) !== 0;
    const isReadonly = ts.isPropertyDeclaration(declaration) && (ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Readonly) !== 0;
    return (isConst || isReadonly) && declaration.initializer !== undefined && this.isTableElements(declaration.initializer, step + 1);
  }

  /** Whether nothing but the type of a value held aside could have said otherwise. */
  private isCertain(handle: TSESTree.Expression): boolean {
    return this.typed.handleOf(handle)?.form !== 'alias' || this.typed.originOf(handle) === 'live';
  }

  /** Whether every comment in the text that goes is in a part that stays. */
  private keepsComments(gone: TSESTree.Node, kept: readonly TSESTree.Node[]): boolean {
    return this.context.sourceCode.getCommentsInside(gone).every(({ range }) => kept.some((part) => part.range[0] <= range[0] && range[1] <= part.range[1]));
  }

  private mayBeUndefined(place: TSESTree.Node): boolean {
    const type = this.typed.typeOf(place);
    return (type.isUnion() ? type.types : [type]).some((member) => (member.flags & ts.TypeFlags.Undefined) !== 0);
  }

  /** Whether something may be compared with the value of an entry: the compiler lets nobody compare it with that of another level. What is read in the same way will be one. */
  private mayEqual(other: TSESTree.Expression | TSESTree.PrivateIdentifier, level: Level): boolean {
    const inner = bare(other);
    const read = inner.type === AST_NODE_TYPES.MemberExpression && inner.computed ? this.stepped(inner.property)?.level : undefined;
    return (read ?? this.typed.types.value(this.typed.typeOf(other))?.level ?? level) === level;
  }

  /** Whether the type of what stands here is decided elsewhere, so that the value of an entry may stand where a bigint stood. */
  private keepsType(place: TSESTree.Node, level: Level): boolean {
    const { parent } = place;
    const { checker } = this.typed.types;
    switch (parent?.type) {
      case undefined:
        return false;
      case AST_NODE_TYPES.VariableDeclarator:
        return parent.id.type === AST_NODE_TYPES.Identifier;
      case AST_NODE_TYPES.BinaryExpression:
        return !isEquality(parent.operator) || this.mayEqual(parent.left === place ? parent.right : parent.left, level);
      case AST_NODE_TYPES.TemplateLiteral:
      case AST_NODE_TYPES.ExpressionStatement:
      case AST_NODE_TYPES.UnaryExpression:
      case AST_NODE_TYPES.SwitchStatement:
        return true;
      default: {
        const node = this.typed.services.esTreeNodeToTSNodeMap.get(place) as ts.Expression;
        // What is taken apart at once decides what it is: `let { low } = { low: elements[ptep]! }`.
        const expected = this.places.isInferred(node) || isTakenApart(node) ? undefined : checker.getContextualType(node);
        return expected !== undefined && checker.isTypeAssignableTo(checker.getBigIntType(), expected) && (expected.flags & ts.TypeFlags.TypeParameter) === 0;
      }
    }
  }
}

/** Whether writing an expression twice does nothing twice. */
function isName(node: TSESTree.Expression): boolean {
  if (node.type === AST_NODE_TYPES.Identifier || node.type === AST_NODE_TYPES.ThisExpression) return true;
  return node.type === AST_NODE_TYPES.MemberExpression && !node.computed && isName(node.object);
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
  if (parent?.type === AST_NODE_TYPES.AssignmentPattern) return parent.left !== place;
  if (parent?.type === AST_NODE_TYPES.Property && parent.parent.type === AST_NODE_TYPES.ObjectPattern) return false;
  return parent?.type !== AST_NODE_TYPES.UpdateExpression && parent?.type !== AST_NODE_TYPES.ArrayPattern && parent?.type !== AST_NODE_TYPES.RestElement &&
    !(parent?.type === AST_NODE_TYPES.UnaryExpression && parent.operator === 'delete');
}

/** Whether something is only there if something else is: `tables?.elements`. */
function isMaybe(node: TSESTree.Expression | TSESTree.PrivateIdentifier): boolean {
  const inner = bare(node);
  return inner.type === AST_NODE_TYPES.MemberExpression && (inner.optional || isMaybe(inner.object));
}
