import ts from 'typescript';
import { oncePer } from '../../once-per.js';
import { pairs } from '../../pairs.js';
import { Provenance } from '../../types/provenance.js';
import { isReference, STRUCTURED, type Types } from '../../types/types.js';
import { Held } from './held.js';
import type { Problem } from './messages.js';

/** What becomes of handles where something of one type is taken for one of another, for all files. */
export class Conversions {
  static readonly of = oncePer((types: Types) => new Conversions(types));

  private readonly types: Types;
  private readonly provenance: Provenance;
  private readonly checker: ts.TypeChecker;
  private readonly held: Held;

  private constructor(types: Types) {
    this.types = types;
    this.provenance = Provenance.of(types);
    this.checker = types.checker;
    this.held = Held.of(types);
  }

  /** @param begun fields that are written as nothing yet */
  partsOf(given: ts.Type, wanted: ts.Type, depth: number, begun?: ReadonlySet<string>): Problem | undefined {
    const [before, after] = [this.types.bound(given), this.types.bound(wanted)];
    // What is generic over families is cast to AnyArch and back: its handles are nobody's business there.
    if (before === after || depth > 3 || this.types.isFamily(before) || this.types.isFamily(after)) return undefined;
    const from = this.types.handle(before);
    const to = this.types.handle(after);
    if (from !== undefined && to !== undefined) {
      return from.level !== undefined && to.level !== undefined && from.level !== to.level ? { messageId: 'to', data: { level: to.level } } : undefined;
    }
    if (from !== undefined) return isValue(after) ? { messageId: 'from', data: { level: from.level ?? 'page-table' } } : undefined;
    if (to !== undefined) return isValue(before) || (before.flags & ts.TypeFlags.Unknown) !== 0 ? { messageId: 'to', data: { level: to.level ?? 'page-table' } } : undefined;
    if ((before.flags & STRUCTURED) === 0 || (after.flags & STRUCTURED) === 0) return undefined;
    if (isReference(before) && isReference(after) && before.target === after.target) return this.first(pairs(this.checker.getTypeArguments(before), this.checker.getTypeArguments(after)), depth);
    const [called] = before.getCallSignatures();
    const [calledAfter] = after.getCallSignatures();
    if (called !== undefined && calledAfter !== undefined) {
      const parameters = ({ parameters }: ts.Signature): ts.Type[] => parameters.map((one) => this.checker.getTypeOfSymbol(one));
      return this.first([...pairs(parameters(called), parameters(calledAfter)), [called.getReturnType(), calledAfter.getReturnType()]], depth);
    }
    const fields = after.getProperties().flatMap((property): [ts.Type, ts.Type][] => {
      const same = property.flags & ts.SymbolFlags.Method ? undefined : before.getProperty(property.name);
      const named = same === undefined && this.held.within(this.checker.getTypeOfSymbol(property)) !== undefined && !this.held.isMeantAside(property, this.checker.getTypeOfSymbol(property)) ? before.getStringIndexType() : undefined;
      if (named !== undefined) return [[named, this.checker.getTypeOfSymbol(property)]];
      if (same === undefined || begun?.has(property.name) === true || [property, same].some((one) => this.provenance.ofMeant(one) === 'aside')) return [];
      return [[this.checker.getTypeOfSymbol(same), this.checker.getTypeOfSymbol(property)]];
    });
    const others = this.checker.getIndexTypeOfType(after, ts.IndexKind.String);
    if (others !== undefined) {
      const othersBefore = this.checker.getIndexTypeOfType(before, ts.IndexKind.String);
      for (const one of othersBefore === undefined ? before.getProperties().map((property) => this.checker.getTypeOfSymbol(property)) : [othersBefore]) fields.push([one, others]);
    }
    return this.first(fields, depth);
  }

  private first(parts: readonly (readonly [ts.Type, ts.Type])[], depth: number): Problem | undefined {
    for (const [before, after] of parts) {
      // Without undefined, what nobody knows would be some object.
      const known = (before.flags & ts.TypeFlags.Unknown) === 0 ? this.checker.getNonNullableType(before) : before;
      const found = this.partsOf(known, this.checker.getNonNullableType(after), depth + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Whether the compiler knows that what is of one type is of another. While nobody knows what H is, it lets anything pass for `H['pte']`. */
  isAlready(before: ts.Type, after: ts.Type): boolean {
    if (!this.checker.isTypeAssignableTo(before, after)) return false;
    const to = this.held.within(after);
    if (to?.form !== 'generic') return true;
    const from = this.held.within(before);
    if (from !== undefined) return from.level === to.level && from.form === 'generic';
    return after.isUnion() && after.types.some((one) => this.held.within(one) === undefined && this.checker.isTypeAssignableTo(before, one));
  }

  /** Whether a list, a set or the like is cast to another of the same handles: one that may be written to, or without `undefined` in it. */
  isOfSame(before: ts.Type, after: ts.Type): boolean {
    const held = this.heldBy(this.checker.getNonNullableType(before));
    const heldAfter = this.heldBy(this.checker.getNonNullableType(after));
    if (held === undefined || heldAfter?.size !== held.size) return false;
    return [...held].every((one) => heldAfter.has(one)) && this.checker.isTypeAssignableTo(after, before);
  }

  /** The handles in a list, a set or the like; undefined for what is none of these. */
  private heldBy(type: ts.Type): ReadonlySet<ts.Type> | undefined {
    if (!isReference(type) || this.types.handle(type) !== undefined) return undefined;
    return new Set(this.checker.getTypeArguments(type).filter((one) => this.held.within(one) !== undefined).map((one) => this.checker.getNonNullableType(one)));
  }
}

/** What a handle is at run time, or may be of no type at all. */
export function isNumber(type: ts.Type): boolean {
  return (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.NumberLike | ts.TypeFlags.BigIntLike)) !== 0;
}

/** What is certainly no handle where one was cast from or to: a number, a text, or what may be of no type at all. Nothing yet, undefined or never, is not among it. */
function isValue(type: ts.Type): boolean {
  return isNumber(type) || (type.flags & (ts.TypeFlags.StringLike | ts.TypeFlags.BooleanLike)) !== 0;
}
