import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import type { Typed } from '../../typed.js';
import { PRIMITIVE } from '../../types/types.js';
import type { MapNames } from './names.js';

/** What the types of results say: whether there may be no table, and which member of a union means so. */
export class ResultTypes {
  private readonly typed: Typed;
  private readonly names: MapNames;

  constructor(types: Typed, names: MapNames) {
    this.typed = types;
    this.names = names;
  }

  /** Whether something of a type may be, or have, no table. */
  isFallible(type: ts.Type): boolean {
    if ((type.flags & ts.TypeFlags.Any) !== 0) return false;
    return unionOf(type).some((one) => this.isNothing(one)) || this.isBox(type) || this.handlesIn(type).some((one) => unionOf(one).some((member) => isNullable(member)));
  }

  private handlesIn(type: ts.Type): readonly ts.Type[] {
    if ((type.flags & ts.TypeFlags.Object) === 0 || this.typed.types.handle(type) !== undefined) return [];
    return type.getProperties().filter(({ name }) => !name.startsWith('__')).map((property) => this.typed.types.checker.getTypeOfSymbol(property)).filter((one) => this.typed.types.handle(one) !== undefined);
  }

  /** Whether a member of a result's type is the one where there is no table: undefined, a word or a symbol that says why, or an object without a handle. */
  isNothing(type: ts.Type): boolean {
    if ((type.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null | ts.TypeFlags.Void)) !== 0) return true;
    if ((type.flags & ts.TypeFlags.BooleanLiteral) !== 0) return this.typed.types.checker.typeToString(type) === 'false';
    if ((type.flags & UNIT) !== 0) return true;
    if ((type.flags & ts.TypeFlags.Object) === 0 || this.typed.types.handle(type) !== undefined) return false;
    if (this.canUnmap(type) || this.isBox(type)) return false;
    return !this.hasEntry(type) && !type.getProperties().some((property) => {
      const of = this.typed.types.checker.getTypeOfSymbol(property);
      return this.hasEntry(of) || of.getCallSignatures().some((signature) => this.typed.types.handle(signature.getReturnType()) !== undefined);
    });
  }

  private canUnmap(type: ts.Type): boolean {
    return type.getProperties().some(({ name }) => this.names.isUnmapName(name) || name.startsWith('__@dispose'));
  }

  /** Whether an object only says whether it has a table, and gives it by a method: `Option<PteTable>`, with `isSome()` and `unwrap()`. */
  isBox(type: ts.Type): boolean {
    if ((type.flags & ts.TypeFlags.Object) === 0 || this.typed.types.handle(type) !== undefined) return false;
    const properties = type.getProperties();
    if (!properties.some(({ name }) => SOME.test(name) || NONE.test(name)) || this.canUnmap(type) || this.handlesIn(type).length > 0) return false;
    return properties.some((property) => this.typed.types.checker.getTypeOfSymbol(property).getCallSignatures().some((signature) => this.isTable(signature.getReturnType())));
  }

  /** Whether something is a table that was mapped, or an entry of it. */
  isTable(type: ts.Type): boolean {
    return this.typed.types.handle(type) !== undefined || ((type.flags & ts.TypeFlags.Object) !== 0 && this.canUnmap(type) && this.hasEntry(type));
  }

  /** What is asked whether it has a table: `found.isSome()`. */
  asksBox({ callee }: TSESTree.CallExpression): { readonly box: TSESTree.Node; readonly isSome: boolean } | undefined {
    if (callee.type !== AST_NODE_TYPES.MemberExpression || callee.property.type !== AST_NODE_TYPES.Identifier) return undefined;
    const { name } = callee.property;
    if (!SOME.test(name) && !NONE.test(name)) return undefined;
    return this.isBox(this.typed.typeOf(callee.object)) ? { box: callee.object, isSome: SOME.test(name) } : undefined;
  }

  /** Whether a call takes the table out of what may have none: `found.unwrap()`. */
  isTakenOut(call: TSESTree.CallExpression): boolean {
    const { callee } = call;
    return callee.type === AST_NODE_TYPES.MemberExpression && this.isBox(this.typed.typeOf(callee.object)) && this.isTable(this.typed.typeOf(call));
  }

  /** Whether an object has an entry of a table that was mapped: the entry above, which may be a huge page, is none. */
  private hasEntry(type: ts.Type): boolean {
    return this.handlesIn(type).some((one) => this.typed.settings.accessors.map.size > 0 || (this.typed.types.handle(one)?.level ?? 'pte') === 'pte');
  }

  /** Whether what a result has under some name is neither an entry nor anything that could give the table back: a value, or the table's lock. */
  isBeside(type: ts.Type): boolean {
    return unionOf(type).every((one) => {
      if ((one.flags & PRIMITIVE) !== 0) return true;
      if (this.typed.types.handle(one) !== undefined) return false;
      if (one.isIntersection()) return one.types.some((part) => (part.flags & PRIMITIVE) !== 0);
      if ((one.flags & ts.TypeFlags.Object) === 0 || one.getCallSignatures().length > 0 || this.handlesIn(one).length > 0) return false;
      return !one.getProperties().some(({ name }) => (name !== 'unlock' && this.names.isUnmapName(name)) || name.startsWith('__@dispose') || name.startsWith('__@asyncDispose'));
    });
  }

  /** Whether what came with an entry, and has no name, can give the table back: a function that takes nothing and says nothing. */
  isRelease(type: ts.Type): boolean {
    return type.getCallSignatures().some((signature) => {
      const said = this.typed.types.awaited(signature.getReturnType()) ?? signature.getReturnType();
      return signature.parameters.length === 0 && (said.flags & (ts.TypeFlags.Void | ts.TypeFlags.Undefined)) !== 0;
    });
  }

  /** How `property === value` comes out, for the types of both. @param taken what was compared with before, in a switch */
  isEqual(type: ts.Type, value: ts.Type, taken: readonly ts.Type[]): Answer {
    const { checker } = this.typed.types;
    const text = checker.typeToString(value);
    const members = unionOf(type).map((one) => checker.typeToString(one)).filter((one) => !taken.some((before) => checker.typeToString(before) === one));
    if (!members.includes(text)) return (value.flags & UNIT) === 0 ? 'either' : 'no';
    return members.length === 1 && (value.flags & UNIT) !== 0 ? 'yes' : 'either';
  }

  /** How `typeof` of something comes out: what a handle is at run time is its architecture's business, but it is no text, and no symbol. */
  isOfKind(type: ts.Type, kind: unknown): Answer {
    if (this.typed.types.handle(type) !== undefined) return kind === 'string' || kind === 'symbol' ? 'no' : 'either';
    const own = kindOf(type);
    return own === undefined ? 'either' : own === kind ? 'yes' : 'no';
  }

  /** What a property of a type says, where there is one. */
  ofProperty(type: ts.Type, name: string | undefined, ask: (property: ts.Type) => Answer): Answer {
    if (isNullable(type)) return 'no';
    const property = name === undefined ? undefined : type.getProperty(name);
    if (property === undefined) return 'either';
    return ask(this.typed.types.checker.getTypeOfSymbol(property));
  }
}

/** Methods that say whether something is there, and those that say that it is not. */
const SOME = /^(?:isSome|isPresent|isDefined|isJust|isOk|hasValue)$/;
const NONE = /^(?:isNone|isNothing|isEmpty|isAbsent|isErr)$/;

/** Types of one value: words, numbers, symbols. */
export const UNIT = ts.TypeFlags.Literal | ts.TypeFlags.UniqueESSymbol;

/** What `typeof` says of a type; undefined where it may say this or that. */
function kindOf(type: ts.Type): string | undefined {
  if ((type.flags & ts.TypeFlags.Null) !== 0) return 'object';
  if ((type.flags & ts.TypeFlags.Object) !== 0) return type.getCallSignatures().length > 0 || type.getConstructSignatures().length > 0 ? 'function' : 'object';
  return KINDS.find(([flags]) => (type.flags & flags) !== 0)?.[1];
}

const KINDS = [
  [ts.TypeFlags.StringLike, 'string'], [ts.TypeFlags.NumberLike, 'number'], [ts.TypeFlags.BigIntLike, 'bigint'], [ts.TypeFlags.BooleanLike, 'boolean'],
  [ts.TypeFlags.ESSymbolLike, 'symbol'], [ts.TypeFlags.Undefined | ts.TypeFlags.Void, 'undefined'],
] as const;

/** How a condition comes out. */
export type Answer = 'yes' | 'no' | 'either';

/** Whether something of a type counts as true. */
export function truth(type: ts.Type): Answer {
  if ((type.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null | ts.TypeFlags.Void)) !== 0) return 'no';
  if (type.isUnion()) {
    const answers = new Set(type.types.map(truth));
    return answers.size === 1 ? [...answers][0]! : 'either';
  }
  if ((type.flags & ts.TypeFlags.BooleanLiteral) !== 0) return (type as ts.Type & { readonly intrinsicName?: string }).intrinsicName === 'true' ? 'yes' : 'no';
  if (type.isStringLiteral()) return type.value === '' ? 'no' : 'yes';
  if (type.isNumberLiteral()) return type.value === 0 ? 'no' : 'yes';
  if (type.isLiteral() && typeof type.value === 'object') return type.value.base10Value === '0' ? 'no' : 'yes';
  if ((type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.StringLike | ts.TypeFlags.BooleanLike)) !== 0) return 'either';
  return 'yes';
}

export function isNullable(type: ts.Type): boolean {
  return (type.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null)) !== 0;
}

export function unionOf(type: ts.Type): readonly ts.Type[] {
  return type.isUnion() ? type.types : [type];
}

/** The call with an `await` around it. */
export function awaited(call: TSESTree.CallExpression): TSESTree.Expression {
  return call.parent.type === AST_NODE_TYPES.AwaitExpression ? call.parent : call;
}
