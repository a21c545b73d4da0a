import ts from 'typescript';
import { oncePer } from '../../once-per.js';
import { CONTAINERS, stepInto, type Path } from '../../types/provenance/path.js';
import { PRIMITIVE, STRUCTURED, type Types, type TypeTest } from '../../types/types.js';

/** A pointer in a list or an object. */
export interface Part {
  readonly path: Path;
  readonly level: string | undefined;
}

const MAX_PROPERTIES = 24;
/** How far a part may be from the whole: a field of what the list of a promise holds. */
const MAX_DEPTH = 3;

/** How deep what is in lists is looked at. What is deeper than MAX_DEPTH is left out of a list, but not of one in it. */
const MAX_NESTED = 2 * MAX_DEPTH;

/** What types have pointers in them that may be to values held aside, for all files. */
export class Pointers {
  static readonly of = oncePer((types: Types) => new Pointers(types));

  private readonly types: Types;
  private readonly checker: ts.TypeChecker;
  private readonly parts = new Map<ts.Type, readonly Part[]>();
  /** Whether a type is one of functions that take pointers. */
  readonly taken: TypeTest;
  /** Whether it is one of functions that return a pointer. */
  readonly returned: TypeTest;
  /** Whether it is a list or an object with pointers. */
  readonly held: TypeTest;

  private constructor(types: Types) {
    this.types = types;
    this.checker = types.checker;
    this.taken = types.test((type) => this.signatureOf(type)?.parameters.some((parameter) => this.isPointer(this.checker.getTypeOfSymbol(parameter))) === true);
    this.returned = types.test((type) => {
      const signature = this.signatureOf(type);
      return signature !== undefined && this.isPointer(signature.getReturnType());
    });
    this.held = types.test((type) => this.partsOf(type).length > 0);
  }

  /**
   * The pointers in what is of a type, and the ways to them.
   *
   * @param depth how many lists and the like are around it: a type may be a list of ever others, `class Nest<T> extends Array<Nest<Nest<T>>>`
   */
  partsOf(given: ts.Type, depth = 0): readonly Part[] {
    if (depth > MAX_NESTED) return [];
    const type = this.types.bound(given);
    const known = this.parts.get(type);
    if (known !== undefined) return known;
    // Of one of two things, as a result or a failure, and of what may be nothing: what any of them has.
    if (type.isUnion()) {
      const all = type.types.length > MAX_PROPERTIES ? [] : [...new Map(type.types.flatMap((one) => this.partsOf(one, depth).map((part) => [part.path.join('/'), part] as const))).values()];
      this.parts.set(type, all);
      return all;
    }
    // A type that leads back to itself has nothing more on that way.
    this.parts.set(type, []);
    const held = this.heldBy(type);
    const candidates = held ?? this.propertiesOf(type);
    const found = candidates.flatMap(([step, one]): readonly Part[] => {
      const handle = this.types.handle(one);
      if (handle !== undefined) return handle.form === 'alias' ? [{ path: [step], level: handle.level }] : [];
      // Lists of objects and promises of lists, but not whatever an object leads to.
      return held === undefined || (one.flags & PRIMITIVE) !== 0 ? [] : this.partsOf(one, depth + 1).flatMap(({ path, level }) => (path.length < MAX_DEPTH ? [{ path: [step, ...path], level }] : []));
    });
    // So deep inside something may be left out.
    if (depth + MAX_DEPTH > MAX_NESTED) this.parts.delete(type);
    else this.parts.set(type, found);
    return found;
  }

  /** What a list, a map or a promise holds, and the way to it. */
  private heldBy(type: ts.Type): readonly (readonly [step: string, type: ts.Type])[] | undefined {
    if ((type.flags & STRUCTURED) === 0) return undefined;
    if (this.checker.isTupleType(type) && ((type as ts.TupleTypeReference).target.combinedFlags & ts.ElementFlags.Variable) === 0) {
      return this.checker.getTypeArguments(type as ts.TupleTypeReference).map((one, at) => [String(at), one]);
    }
    const element = this.checker.getIndexTypeOfType(type, ts.IndexKind.Number);
    if (element !== undefined) return [['*', element]];
    const name = (type.symbol as ts.Symbol | undefined)?.name ?? '';
    if (!CONTAINERS.has(name) || ((type as ts.ObjectType).objectFlags & ts.ObjectFlags.Reference) === 0) return undefined;
    return this.checker.getTypeArguments(type as ts.TypeReference).slice(0, name.endsWith('Map') ? 2 : 1).map((one, at) => [stepInto(name, at), one]);
  }

  private propertiesOf(type: ts.Type): (readonly [step: string, type: ts.Type])[] {
    const properties = (type.flags & STRUCTURED) === 0 || !this.types.mayHaveHandles(type) ? [] : type.getProperties();
    // What has more is a class with methods, which is no record of an entry.
    return properties.length > MAX_PROPERTIES ? [] : properties.flatMap((property) => ((property.flags & ts.SymbolFlags.Method) === 0 ? [[property.name, this.checker.getTypeOfSymbol(property)] as const] : []));
  }

  private signatureOf(type: ts.Type): ts.Signature | undefined {
    return (type.flags & ts.TypeFlags.Object) === 0 ? undefined : type.getCallSignatures()[0];
  }

  private isPointer(type: ts.Type): boolean {
    return this.types.handle(type)?.form === 'alias';
  }
}
