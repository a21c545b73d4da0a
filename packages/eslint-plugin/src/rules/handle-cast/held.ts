import ts from 'typescript';
import { firstOf } from '../../first-of.js';
import { oncePer } from '../../once-per.js';
import { Provenance } from '../../types/provenance.js';
import { STRUCTURED, type Types, type TypeTest } from '../../types/types.js';

/** How deep the fields of fields are looked into, and lists in lists. */
export const MAX_DEPTH = 3;
/** What has more is no record of an entry. */
export const MAX_FIELDS = 24;

/** A handle in something, and the level that messages say of it. */
export interface HandleWithin {
  readonly level: string;
}

/** What types have handles in them, for all files. */
export class Held {
  static readonly of = oncePer((types: Types) => new Held(types));

  /** The handle that a type is, or that a list, a promise or a set of it is of. */
  readonly within: (type: ts.Type) => (HandleWithin & { readonly form: string }) | undefined;
  readonly isWithin: TypeTest;
  /** The handle in a field of a record, of an object without methods; or in one of many such, or of one in it. */
  readonly inField: (type: ts.Type) => HandleWithin | undefined;
  /** The handle that something of a type is, or has. */
  readonly wanted: (type: ts.Type) => HandleWithin | undefined;
  /** Whether a type is one of functions that take handles. */
  readonly areTaken: TypeTest;
  private readonly types: Types;
  private readonly provenance: Provenance;
  private readonly checker: ts.TypeChecker;

  private constructor(types: Types) {
    this.types = types;
    this.provenance = Provenance.of(types);
    this.checker = types.checker;
    this.within = types.remembered((type) => this.findWithin(type, 0));
    this.isWithin = types.test((type) => this.within(type) !== undefined);
    this.inField = types.remembered((type) => this.findInField(type, 0));
    this.wanted = types.remembered((type) => this.within(type) ?? this.inField(this.checker.getNonNullableType(type)));
    this.areTaken = types.test((type) => type.getCallSignatures().some(({ parameters }) => parameters.some((one) => this.wanted(this.checker.getTypeOfSymbol(one)) !== undefined)));
  }

  /** A type may lead back to itself: `type Json = string | Json[]`. */
  private findWithin(type: ts.Type, depth: number): (HandleWithin & { readonly form: string }) | undefined {
    const own = this.types.handle(type);
    if (own !== undefined) return { level: own.level ?? 'page-table', form: own.form };
    if (type.isUnion()) return firstOf(type.types, (one) => this.findWithin(one, depth));
    const container = depth > MAX_DEPTH ? undefined : this.types.container(type);
    return container && firstOf(container.parts, (one) => this.findWithin(one, depth + 1));
  }

  private findInField(given: ts.Type, depth: number): HandleWithin | undefined {
    const type = this.types.bound(given);
    // One of many kinds, as a node of a syntax tree, is no record, and each of them would lead to all others.
    if (type.isUnion()) return depth > 0 || type.types.length > MAX_FIELDS ? undefined : firstOf(type.types, (one) => this.findInField(one, depth));
    if (depth > MAX_DEPTH || (type.flags & STRUCTURED) === 0 || !this.types.mayHaveHandles(type) || this.types.isFamily(type)) return undefined;
    const container = this.types.container(type);
    if (container !== undefined) return firstOf(container.parts, (one) => this.findInField(this.checker.getNonNullableType(one), depth + 1));
    // A record by names has a field of any name.
    const named = type.getStringIndexType();
    const ofNamed = named === undefined ? undefined : (this.within(named) ?? this.findInField(this.checker.getNonNullableType(named), depth + 1));
    if (ofNamed !== undefined) return { level: ofNamed.level };
    const properties = type.getProperties();
    if (properties.length > MAX_FIELDS || properties.some(({ flags }) => (flags & ts.SymbolFlags.Method) !== 0)) return undefined;
    return firstOf(properties, (property) => {
      const held = this.checker.getTypeOfSymbol(property);
      const handle = this.within(held);
      if (handle === undefined) return this.findInField(this.checker.getNonNullableType(held), depth + 1);
      return this.isMeantAside(property, held) ? undefined : { level: handle.level };
    });
  }

  /** Whether a field that is a handle, or many, is meant for values held aside. */
  isMeantAside(field: ts.Symbol, type: ts.Type): boolean {
    if (this.types.handle(type) !== undefined) return this.provenance.ofMeant(field) === 'aside';
    const { valueDeclaration } = field;
    const written = valueDeclaration !== undefined && (ts.isPropertySignature(valueDeclaration) || ts.isPropertyDeclaration(valueDeclaration) || ts.isParameter(valueDeclaration)) ? valueDeclaration.type : undefined;
    return written !== undefined && this.provenance.ofElementType(written) === 'aside';
  }
}
