import ts from 'typescript';

/*
 * Where a handle stops being one without a cast: the place that it goes to is declared for a number, a bigint, an object, any or unknown. What a place is declared
 * for is the contextual type of the expression that stands there; what the compiler does not say is worked out here.
 */

/** What a type is to somebody who must not get a handle, in words; undefined for a type that can hold none, or is one. */
export function launders(type: ts.Type): string | undefined {
  if (type.flags & ts.TypeFlags.Any) return 'any';
  if (type.flags & ts.TypeFlags.Unknown) return 'unknown';
  for (const member of type.isUnion() ? type.types : [type]) {
    if (member.flags & ts.TypeFlags.Number || isOfNumbers(member) || (member.isIntersection() && member.types.some(({ flags }) => flags & ts.TypeFlags.Number))) return 'a number';
    if (member.flags & ts.TypeFlags.BigInt) return 'a bigint';
    const wrapper = member.isClassOrInterface() ? WRAPPERS.get(member.symbol.name) : undefined;
    if (wrapper !== undefined) return wrapper;
    if (member.flags & ts.TypeFlags.NonPrimitive || isEmptyObject(member)) return 'any object';
  }
  return undefined;
}

/** Interfaces of the language that numbers and whatever else fulfil. */
const WRAPPERS: ReadonlyMap<string, string> = new Map([['Number', 'a number'], ['Object', 'any object']]);

/** An enumeration, or one of its members: any number goes there. */
function isOfNumbers({ flags }: ts.Type): boolean {
  return (flags & ts.TypeFlags.EnumLike) !== 0 && (flags & ts.TypeFlags.NumberLike) !== 0;
}

/** `{}` */
function isEmptyObject(type: ts.Type): boolean {
  if ((type.flags & ts.TypeFlags.Object) === 0 || ((type as ts.ObjectType).objectFlags & ts.ObjectFlags.Anonymous) === 0) return false;
  return type.getProperties().length === 0 && type.getCallSignatures().length === 0 && type.getConstructSignatures().length === 0 &&
    type.getStringIndexType() === undefined && type.getNumberIndexType() === undefined;
}

/** Whether a parameter stands for all arguments from there on. */
export function isRest({ valueDeclaration }: ts.Symbol): boolean {
  return valueDeclaration !== undefined && ts.isParameter(valueDeclaration) && valueDeclaration.dotDotDotToken !== undefined;
}
