import ts from 'typescript';
import { oncePer } from '../../once-per.js';
import { isReference, type Types } from '../../types/types.js';

/** Which functions are casts in disguise, for all files that call them. */
export class Disguises {
  static readonly of = oncePer((types: Types) => new Disguises(types));

  private readonly checker: ts.TypeChecker;
  private readonly known = new Map<ts.SignatureDeclaration, boolean>();

  private constructor({ checker }: Types) {
    this.checker = checker;
  }

  /** Whether the result type is a type parameter that no parameter has anything to do with: `cast<T>(x: unknown): T`. */
  returnsAnything(declaration: ts.SignatureDeclaration): boolean {
    const known = this.known.get(declaration);
    if (known !== undefined) return known;
    const found = this.findsAnything(declaration);
    this.known.set(declaration, found);
    return found;
  }

  private findsAnything(declaration: ts.SignatureDeclaration): boolean {
    const deciding = declaration.typeParameters === undefined ? makerOf(declaration) : declaration;
    const signature = deciding === undefined ? undefined : this.checker.getSignatureFromDeclaration(declaration);
    if (deciding === undefined || signature === undefined) return false;
    let returned = this.checker.getNonNullableType(signature.getReturnType());
    if (isReference(returned) && (this.checker.isArrayType(returned) || (returned.symbol as ts.Symbol | undefined)?.name === 'Promise')) {
      // An empty list of whatever is asked for is none; one of unknown things is.
      if (this.checker.isArrayType(returned) ? !declaration.parameters.some(({ type }) => type !== undefined && isOfUnknown(type)) : declaration.parameters.length === 0) return false;
      returned = this.checker.getTypeArguments(returned)[0] ?? returned;
    }
    if ((returned.flags & ts.TypeFlags.Intersection) !== 0) returned = (returned as ts.IntersectionType).types.find((one) => one.flags & ts.TypeFlags.TypeParameter) ?? returned;
    const result = returned.symbol as ts.Symbol | undefined;
    if (result === undefined || (returned.flags & ts.TypeFlags.TypeParameter) === 0) return false;
    // One of the class or the function around, as Map's V, was decided before.
    const asked = deciding.typeParameters?.find((parameter) => this.checker.getSymbolAtLocation(parameter.name) === result);
    // What is nothing unless somebody says what it is returns nothing at all: Promise.reject<T = never>().
    if (asked === undefined || asked.default?.kind === ts.SyntaxKind.NeverKeyword) return false;
    const mentions = (node: ts.Node): boolean => (ts.isIdentifier(node) && this.checker.getSymbolAtLocation(node) === result) || (ts.forEachChild(node, mentions) ?? false);
    const ofParameters = [...declaration.parameters, ...deciding.parameters].some((parameter) => parameter.type !== undefined && mentions(parameter.type));
    const ofOthers = (deciding.typeParameters ?? []).some((parameter) => parameter.constraint !== undefined && this.checker.getSymbolAtLocation(parameter.name) !== result && mentions(parameter.constraint));
    return !ofParameters && !ofOthers;
  }
}

/**
 * The function that a function of unknown things is made by, and that is asked for the type: `cast = <T>() => (x: unknown) => x as T`. What takes something that is
 * known, or nothing, may have been given before what it returns.
 */
function makerOf(made: ts.SignatureDeclaration): ts.SignatureDeclaration | undefined {
  const isOfAnything = made.parameters.some(({ type }) => type !== undefined && (type.kind === ts.SyntaxKind.AnyKeyword || type.kind === ts.SyntaxKind.UnknownKeyword));
  if (!isOfAnything) return undefined;
  let at: ts.Node = made;
  while (ts.isParenthesizedExpression(at.parent) || ts.isParenthesizedTypeNode(at.parent)) at = at.parent;
  const { parent } = at;
  // What is in an object may be filled by what else is there.
  if (ts.isReturnStatement(parent)) return ts.findAncestor(parent, ts.isFunctionLike);
  return ts.isFunctionLike(parent) && (parent.type === at || (ts.isArrowFunction(parent) && parent.body === at)) ? parent : undefined;
}

function isOfUnknown(node: ts.Node): boolean {
  return node.kind === ts.SyntaxKind.AnyKeyword || node.kind === ts.SyntaxKind.UnknownKeyword || (ts.forEachChild(node, isOfUnknown) ?? false);
}
