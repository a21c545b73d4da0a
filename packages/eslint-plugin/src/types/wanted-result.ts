import ts from 'typescript';

/**
 * What is wanted of what is returned by a getter of an object that is written here, or by a method or a getter of a class, that says no type itself: what the place of the object, the class above or
 * the interface says. The compiler compares them only as a whole, and knows nothing of this where the value is returned.
 */
export function wantedResult(checker: ts.TypeChecker, node: ts.Expression): ts.Type | undefined {
  let outer: ts.Node = node;
  while (ts.isParenthesizedExpression(outer.parent)) outer = outer.parent;
  const made = ts.isReturnStatement(outer.parent) ? ts.findAncestor(outer.parent, ts.isFunctionLike) : undefined;
  if (made === undefined || !(ts.isGetAccessorDeclaration(made) || ts.isMethodDeclaration(made)) || made.type !== undefined) return undefined;
  const { name, parent } = made;
  if (!ts.isIdentifier(name) && !ts.isStringLiteral(name)) return undefined;
  for (const whole of wholesOf(checker, parent)) {
    const property = whole === undefined ? undefined : checker.getNonNullableType(whole).getProperty(name.text);
    if (property === undefined) continue;
    const type = checker.getTypeOfSymbolAtLocation(property, made);
    if (ts.isGetAccessorDeclaration(made)) return type;
    // A generator yields what it says, and a promise is made of what is returned.
    return made.asteriskToken !== undefined || (ts.getCombinedModifierFlags(made) & ts.ModifierFlags.Async) !== 0 ? undefined : type.getCallSignatures()[0]?.getReturnType();
  }
  return undefined;
}

/** What an object or a class that is written here is wanted to be. */
function wholesOf(checker: ts.TypeChecker, made: ts.Node): readonly (ts.Type | undefined)[] {
  if (ts.isObjectLiteralExpression(made)) return [checker.getContextualType(made)];
  return ts.isClassLike(made) ? (made.heritageClauses ?? []).flatMap(({ types }) => types.map((one) => checker.getTypeAtLocation(one))) : [];
}
