import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { isPrimitive } from '../../ast.js';
import type { Typed } from '../../typed.js';
import { CONTAINERS } from '../../types/provenance/path.js';
import { PRIMITIVE } from '../../types/types.js';
import { AnyParts } from './any-parts.js';
import type { Cast } from './chains.js';
import { Conversions } from './conversions.js';
import { Held, type HandleWithin } from './held.js';
import type { Problem } from './messages.js';

/** What is wrong with casts that are written in a file. */
export class Casts {
  private readonly types: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly toTs: Typed['services']['esTreeNodeToTSNodeMap'];
  private readonly held: Held;
  private readonly parts: Conversions;
  private readonly anyParts: AnyParts;

  constructor(types: Typed) {
    this.types = types;
    this.checker = types.types.checker;
    this.toTs = types.services.esTreeNodeToTSNodeMap;
    this.held = Held.of(types.types);
    this.parts = Conversions.of(types.types);
    this.anyParts = AnyParts.of(types.types);
  }

  problemOf(node: Cast, inner: TSESTree.Expression, steps: readonly Cast[]): Problem | undefined {
    const after = this.types.typeOf(node);
    const to = this.held.within(after);
    if (after.flags & ts.TypeFlags.Never && this.held.within(this.types.typeOf(inner)) === undefined) return this.ofNever(node, inner);
    // Most casts of numbers and texts make others of them.
    if (to === undefined && steps.length === 1 && (isPrimitive(inner) || (isOfPrimitives(after) && !this.types.mayBe(inner, this.held.isWithin)))) return undefined;
    const before = this.types.typeOf(inner);
    const from = this.held.within(before);
    if (from === undefined && to === undefined) {
      // number -> handle -> number: a handle on the way only.
      const between = steps.map(({ typeAnnotation }) => this.held.within(this.types.typeOf(typeAnnotation))).find((found) => found !== undefined);
      if (between !== undefined) return { messageId: 'to', data: between };
      const side = this.sideOf(inner);
      if (side !== undefined) return { messageId: 'from', data: side };
      return isNothing(inner) ? undefined : this.ofParts(node, inner, before, after);
    }
    const wasLive = from !== undefined && this.isLive(inner);
    const last = steps.at(-1)!.typeAnnotation;
    if (to === undefined) return wasLive ? { messageId: 'from', data: from } : undefined;
    const becomesLive = this.isLiveNode(last);
    if (from === undefined) {
      // [], undefined, new Array(512): nothing that could be something else.
      if (isNothing(inner) || (steps.length === 1 && !this.anyParts.hasAny(before) && this.parts.isAlready(before, after))) return undefined;
      return becomesLive ? { messageId: 'to', data: to } : { messageId: 'forged', data: to };
    }
    const sameType = this.parts.isAlready(this.checker.getNonNullableType(before), after) || this.parts.isOfSame(before, after);
    if (sameType && steps.length === 1 && wasLive === becomesLive) return undefined;
    if (becomesLive) return { messageId: 'to', data: to };
    if (wasLive) return { messageId: 'from', data: from };
    return from.level === to.level ? undefined : { messageId: 'forged', data: to };
  }

  /** `null as never` passes for everything, so for a handle where one is wanted. */
  private ofNever(node: Cast, inner: TSESTree.Expression): Problem | undefined {
    if (this.types.typeOf(inner).flags & ts.TypeFlags.Never) return undefined;
    const expected = this.checker.getContextualType(this.toTs.get(node));
    const handle = expected === undefined ? undefined : this.held.wanted(expected);
    return handle === undefined ? undefined : { messageId: 'to', data: handle };
  }

  /** The live handle that a choice may come out as. Where the other side is a number the compiler makes a number of both under the alias. */
  private sideOf(choice: TSESTree.Expression): HandleWithin | undefined {
    if (choice.type === AST_NODE_TYPES.ConditionalExpression) return this.sideOf(choice.consequent) ?? this.sideOf(choice.alternate);
    if (choice.type === AST_NODE_TYPES.LogicalExpression) return (choice.operator === '&&' ? undefined : this.sideOf(choice.left)) ?? this.sideOf(choice.right);
    const handle = this.types.handleOf(choice);
    return handle === undefined || !this.types.isLive(choice) ? undefined : { level: handle.level ?? 'page-table' };
  }

  /** A cast of something that has handles in it: a field, a parameter, a type argument that is a handle on one side and a number on the other. */
  private ofParts(node: Cast, inner: TSESTree.Expression, before: ts.Type, after: ts.Type): Problem | undefined {
    const { parent } = node;
    if (after.flags & ts.TypeFlags.Any && parent.type === AST_NODE_TYPES.MemberExpression && !parent.computed && parent.object === node && parent.property.type === AST_NODE_TYPES.Identifier) {
      // (fault as any).ptep
      const property = this.checker.getNonNullableType(before).getProperty(parent.property.name);
      const handle = property === undefined ? undefined : this.types.types.handle(this.checker.getTypeOfSymbol(property));
      return handle === undefined || this.types.provenance.ofMeant(property!) === 'aside' ? undefined : { messageId: 'from', data: { level: handle.level ?? 'page-table' } };
    }
    // JSON.parse(message) as Fault
    const isAnything = (before.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) !== 0;
    const named = isAnything ? this.checker.getNonNullableType(after).getStringIndexType() : undefined;
    const inRecord = named === undefined ? undefined : this.held.within(named);
    if (inRecord !== undefined) return this.isLiveNode(node.typeAnnotation) ? { messageId: 'to', data: inRecord } : undefined;
    const field = isAnything ? this.held.inField(this.checker.getNonNullableType(after)) : undefined;
    return field === undefined ? this.parts.partsOf(this.checker.getNonNullableType(before), this.checker.getNonNullableType(after), 0, begunIn(inner)) : { messageId: 'to', data: field };
  }

  /** Whether a written type is that of a live handle, or of many; what is spelled `EntryPtr` is that of a value held aside. */
  private isLiveNode(node: TSESTree.TypeNode): boolean {
    const written = this.toTs.get(node) as ts.TypeNode;
    return this.types.provenance.ofTypeNode(written) !== 'aside' && this.types.provenance.ofElementType(written) !== 'aside';
  }

  /** Whether an expression whose type is a handle, or many, is of live entries. */
  isLive(node: TSESTree.Expression): boolean {
    return this.types.handleOf(node) === undefined ? this.types.provenance.ofElements(this.toTs.get(node) as ts.Expression) !== 'aside' : this.types.isLive(node);
  }
}

/** Whether a type is one of numbers, texts and the like alone. */
function isOfPrimitives(type: ts.Type): boolean {
  return (type.isUnion() ? type.types : [type]).every(({ flags }) => (flags & PRIMITIVE) !== 0);
}

/** The fields of an object that are written as nothing yet: `{ pending: [], found: new Map() }`. */
function begunIn(node: TSESTree.Expression): ReadonlySet<string> | undefined {
  if (node.type !== AST_NODE_TYPES.ObjectExpression) return undefined;
  return new Set(node.properties.flatMap((one) => (one.type === AST_NODE_TYPES.Property && one.key.type === AST_NODE_TYPES.Identifier && !one.computed && isNothing(one.value as TSESTree.Expression) ? [one.key.name] : [])));
}

/** `[]`, `new Map()`, a record without anything: `Object.create(null)`, and a list with room for something: `new Array(512)`. */
export function isNothing(node: TSESTree.Expression): boolean {
  if (node.type === AST_NODE_TYPES.ArrayExpression) return node.elements.length === 0;
  if (node.type === AST_NODE_TYPES.CallExpression && node.callee.type === AST_NODE_TYPES.MemberExpression) return isEmptyObject(node, node.callee);
  if ((node.type !== AST_NODE_TYPES.NewExpression && node.type !== AST_NODE_TYPES.CallExpression) || node.callee.type !== AST_NODE_TYPES.Identifier) return false;
  return node.typeArguments === undefined && CONTAINERS.has(node.callee.name) && node.arguments.length < (node.callee.name === 'Array' ? 2 : 1);
}

/** `Object.create(null)` */
function isEmptyObject({ arguments: [first, ...more] }: TSESTree.CallExpression, { object, property }: TSESTree.MemberExpression): boolean {
  const isCreate = object.type === AST_NODE_TYPES.Identifier && object.name === 'Object' && property.type === AST_NODE_TYPES.Identifier && property.name === 'create';
  return isCreate && more.length === 0 && first?.type === AST_NODE_TYPES.Literal && first.value === null;
}
