import ts from 'typescript';
import { oncePer } from '../../once-per.js';
import { stepInto, type Path } from '../../types/provenance/path.js';
import { isReference, PRIMITIVE, type Types, type TypeTest } from '../../types/types.js';
import { isRest } from './launders.js';

/** A part of what a container holds, and the way to it. */
export interface Held {
  readonly path: Path;
  readonly type: ts.Type;
}

/** How deep a container in a container is looked into: pairs in a list are. */
export const MAX_DEPTH = 2;

/** What has more is no record of an entry. */
export const MAX_FIELDS = 24;

/** What types have handles in them, take them or bring them, for all files. */
export class HandleTypes {
  static readonly of = oncePer((types: Types) => new HandleTypes(types));

  private readonly types: Types;
  private readonly checker: ts.TypeChecker;
  /** Whether a type is one of lists, maps, sets or promises of handles. */
  readonly held: TypeTest;
  /** Whether it is one of objects that have handles, or are generic over them. */
  readonly had: TypeTest;
  /** Whether it is one of functions. */
  readonly called: TypeTest;
  /** Whether it is one of functions that return handles, or promise them. */
  readonly returned: TypeTest;
  /** Whether it is one of functions that are called with handles. */
  readonly given: TypeTest;

  private constructor(types: Types) {
    this.types = types;
    this.checker = types.checker;
    const isHandle = (type: ts.Type | undefined): boolean => type !== undefined && types.handle(type) !== undefined;
    // What a type is awaited as takes the compiler long.
    const returnsHandle = (type: ts.Type): boolean => isHandle(type) || (types.container(type)?.name === 'Promise' && isHandle(types.awaited(type)));
    this.held = types.test((type) => this.heldBy(type).some((part) => types.handle(part.type) !== undefined));
    this.had = types.test((type) => this.findHandles(type));
    this.called = types.test((type) => (type.flags & PRIMITIVE) === 0 && type.getCallSignatures().length > 0);
    this.returned = types.test((type) => type.getCallSignatures().some((signature) => returnsHandle(signature.getReturnType())));
    this.given = types.test((type) => this.givenTo(type.getCallSignatures()[0]).some(([, one]) => types.handle(one) !== undefined));
  }

  /** What a container holds, and what that holds if it is one. */
  heldBy(type: ts.Type, around: Path = []): readonly Held[] {
    if (type.isUnion()) return type.types.flatMap((member) => this.heldBy(member, around));
    const container = this.types.container(type);
    if (container === undefined) return [];
    const { name, isTuple } = container;
    return container.parts.slice(0, isTuple ? undefined : 2).flatMap((part, at) => {
      const path = [...around, isTuple ? String(at) : stepInto(name, at)];
      return path.length < MAX_DEPTH ? [{ path, type: part }, ...this.heldBy(part, path)] : [{ path, type: part }];
    });
  }

  /** What a function is called with, each with the parameter that says so: `(...args: [ptep: Handles['pte'], address: bigint]) => void` says it of two. */
  givenTo(signature: ts.Signature | undefined): readonly (readonly [ts.Symbol, ts.Type])[] {
    return (signature?.parameters ?? []).flatMap((parameter): (readonly [ts.Symbol, ts.Type])[] => {
      const type = this.checker.getTypeOfSymbol(parameter);
      if (!isRest(parameter) || !(this.checker.isTupleType(type) || this.checker.isArrayType(type))) return [[parameter, type]];
      return this.checker.getTypeArguments(type as ts.TypeReference).map((one) => [parameter, one] as const);
    });
  }

  /** Whether an object of a type, or an element of a list of that type, has a handle in a field, or is generic over one. */
  private findHandles(type: ts.Type, depth = 0): boolean {
    if (type.isUnionOrIntersection()) return type.types.some((member) => this.findHandles(member, depth));
    if ((type.flags & ts.TypeFlags.TypeParameter) !== 0) {
      const bound = this.types.bound(type);
      return bound !== type && this.findHandles(bound, depth);
    }
    if ((type.flags & ts.TypeFlags.Object) === 0) return false;
    if (this.checker.isArrayType(type) || this.checker.isTupleType(type)) return this.findInElements(type, depth);
    if (isReference(type)) {
      if (this.checker.getTypeArguments(type).some((one) => this.types.handle(one) !== undefined)) return true;
      // What is not of its type arguments stands in the generic itself, which is asked once.
      if (type.target !== type) return this.types.passes(type.target, this.had);
    }
    const named = type.getStringIndexType();
    if (named !== undefined && this.types.handle(named) !== undefined) return true;
    if (!this.types.mayHaveHandles(type)) return false;
    // Whether something is like a list takes a comparison of all of it.
    if (type.getNumberIndexType() !== undefined && this.checker.isArrayLikeType(type)) return this.findInElements(type, depth);
    const properties = type.getProperties();
    return properties.length <= MAX_FIELDS && properties.some((property) => (property.flags & ts.SymbolFlags.Method) === 0 && this.types.handle(this.checker.getTypeOfSymbol(property)) !== undefined);
  }

  private findInElements(list: ts.Type, depth: number): boolean {
    const element = list.getNumberIndexType();
    return element !== undefined && depth < MAX_DEPTH && this.findHandles(this.checker.getNonNullableType(element), depth + 1);
  }
}
