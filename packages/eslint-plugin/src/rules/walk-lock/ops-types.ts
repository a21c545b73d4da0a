import ts from 'typescript';
import { oncePer } from '../../once-per.js';
import { isReference, PRIMITIVE, type Types } from '../../types/types.js';

/** What a walk's operations are called by whoever declares them. */
export const OPS: ReadonlySet<string> = new Set(['MmWalkOps', 'WalkOps']);
export const LOCK = 'walkLock';

/** What tells the operations from other objects that are given to a walk. */
export const CALLBACKS: readonly string[] = ['pgdEntry', 'p4dEntry', 'pudEntry', 'pmdEntry', 'pteEntry', 'pteRange', 'pteHole', 'tableAbsent', 'hugetlbEntry', 'testWalk', 'preVma', 'postVma', 'installPte'];

/** What types are those of the operations of a walk, for all files. */
export class OpsTypes {
  static readonly of = oncePer((types: Types) => new OpsTypes(types));

  /** Whether something of a type has callbacks of a walk. */
  readonly hasCallbacks: (type: ts.Type) => boolean;
  private readonly known: (type: ts.Type) => boolean;
  private readonly types: Types;
  private readonly checker: ts.TypeChecker;

  private constructor(types: Types) {
    this.types = types;
    this.checker = types.checker;
    this.hasCallbacks = types.remembered((type) => CALLBACKS.some((name) => this.mayBeCalled(type.getProperty(name))));
    this.known = types.remembered((type) => this.findOps(type));
  }

  /** Whether a property is a callback, and not a count of the entries of a level. */
  private mayBeCalled(property: ts.Symbol | undefined): boolean {
    if (property === undefined) return false;
    const type = this.checker.getNonNullableType(this.checker.getTypeOfSymbol(property));
    return (type.flags & PRIMITIVE) === 0;
  }

  /** Whether something of this type is expected to say its lock. */
  isOps(type: ts.Type | undefined): boolean {
    return type !== undefined && (type.flags & PRIMITIVE) === 0 && this.known(type);
  }

  private findOps(type: ts.Type): boolean {
    // An object that is only a part of the operations may leave it to the others.
    if (this.isPart(type)) return false;
    if (type.isUnion()) {
      const objects = type.types.filter((member) => (member.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection | ts.TypeFlags.TypeParameter)) !== 0);
      return objects.length > 0 && objects.every((one) => this.isOps(one));
    }
    if (type.flags & ts.TypeFlags.TypeParameter) {
      const constraint = this.checker.getBaseConstraintOfType(type);
      return constraint !== undefined && constraint !== type && this.isOps(constraint);
    }
    if ((type.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) === 0) return false;
    const isNamed = [type.symbol as ts.Symbol | undefined, type.aliasSymbol].some((symbol) => symbol !== undefined && OPS.has(symbol.name));
    // Options, events and statistics that mention a lock are no operations.
    return isNamed || (type.getProperty(LOCK) !== undefined && this.hasCallbacks(type));
  }

  /** `Partial<MmWalkOps>` under any name, also read-only, with more beside it, or as what an interface extends. */
  private isPart(type: ts.Type): boolean {
    const { aliasSymbol, aliasTypeArguments } = type;
    const symbol = type.symbol as ts.Symbol | undefined;
    if ((aliasSymbol !== undefined && OPS.has(aliasSymbol.name)) || (symbol !== undefined && OPS.has(symbol.name))) return false;
    if (aliasSymbol?.name === 'Partial') return true;
    if (type.isIntersection()) return this.areParts(type.types);
    if (type.isClassOrInterface()) return !type.symbol.members?.has(ts.escapeLeadingUnderscores(LOCK)) && this.areParts(this.checker.getBaseTypes(type));
    const declaration = symbol?.declarations?.[0];
    if (declaration === undefined || !ts.isMappedTypeNode(declaration) || declaration.questionToken?.kind === ts.SyntaxKind.MinusToken) return false;
    return declaration.questionToken !== undefined || aliasTypeArguments?.some((one) => this.isPart(one)) === true;
  }

  /** Whether of some types those that have a lock are parts of operations, and not the lock alone: callbacks with a lock that may be left out are operations. */
  private areParts(types: readonly ts.Type[]): boolean {
    const withLock = types.filter((one) => one.getProperty(LOCK) !== undefined);
    return withLock.some((one) => this.hasCallbacks(one)) && withLock.every((one) => this.isPart(one));
  }

  /** What a type expects of a part of what it is the type of. */
  partOf(type: ts.Type | undefined, path: readonly string[]): ts.Type | undefined {
    return path.reduce<ts.Type | undefined>((whole, name) => {
      if (whole === undefined) return undefined;
      const present = this.checker.getNonNullableType(whole);
      const property = present.getProperty(name);
      return property === undefined ? (/^\d+$/.test(name) ? present.getNumberIndexType() : undefined) ?? present.getStringIndexType() : this.checker.getTypeOfSymbol(property);
    }, type);
  }

  /** What a type parameter has to be for a type to be what is wanted: for `Promise<T>` what the promise is of. */
  wantedFor(parameter: ts.Type, type: ts.Type, wanted: ts.Type): ts.Type | undefined {
    if (type === parameter) return wanted;
    const { aliasSymbol, aliasTypeArguments } = type;
    const symbol = type.symbol as ts.Symbol | undefined;
    const [part, other] = aliasSymbol === undefined ? this.argumentsOf(type) : (aliasTypeArguments ?? []);
    if (part === undefined || other !== undefined) return undefined;
    if (aliasSymbol !== undefined) return aliasSymbol.name === 'Readonly' || aliasSymbol.name === 'Awaited' ? this.wantedFor(parameter, part, wanted) : undefined;
    const of = symbol?.name === 'Promise' ? this.types.awaited(wanted) : wanted.symbol === symbol ? this.argumentsOf(wanted)[0] : undefined;
    return of === undefined ? undefined : this.wantedFor(parameter, part, of);
  }

  private argumentsOf(type: ts.Type): readonly ts.Type[] {
    return isReference(type) ? this.checker.getTypeArguments(type) : [];
  }

  /** Whether what a type brings along by a spread says the lock. */
  brings(type: ts.Type): boolean {
    if (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return true;
    if (type.isUnion()) return type.types.some((one) => this.brings(one));
    const constraint = type.flags & ts.TypeFlags.TypeParameter ? this.checker.getBaseConstraintOfType(type) : type;
    const property = constraint === undefined ? undefined : this.checker.getPropertyOfType(constraint, LOCK);
    return property !== undefined && !isNothing(this.checker.getTypeOfSymbol(property));
  }
}

/** Whether a type is one of nothing at all. */
export function isNothing(type: ts.Type): boolean {
  return (type.isUnion() ? type.types : [type]).every((member) => (member.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null | ts.TypeFlags.Void)) !== 0);
}
