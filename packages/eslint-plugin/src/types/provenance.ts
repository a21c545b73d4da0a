import ts from 'typescript';
import { oncePer } from '../once-per.js';
import { NONE } from './provenance/generics.js';
import type { Origin } from './provenance/origin.js';
import { WHOLE, type Path } from './provenance/path.js';
import { Trace } from './provenance/trace.js';
import type { Types } from './types.js';

export type { Origin } from './provenance/origin.js';

/**
 * Follows values to where they came from, and annotations to what was written. Under the alias both kinds of pointers have one type, and what
 * tells them apart is how it was written down: `H['pte']` is a live entry, `EntryPtr<'pte'>` a value held aside.
 */
export class Provenance {
  static readonly of = oncePer((types: Types) => new Provenance(types));

  private readonly trace: Trace;

  private constructor(types: Types) {
    this.trace = new Trace(types);
  }

  /** Where the value of an expression came from. */
  of(expression: ts.Expression): Origin {
    return this.trace.expressions.expression(expression, WHOLE, 0);
  }

  /** The same of one whose type is known to be the alias of both kinds. */
  ofAlias(expression: ts.Expression): Origin {
    return this.trace.remember(expression, WHOLE, 0, () => this.trace.expressions.traced(expression, WHOLE, 1));
  }

  /** What a parameter, field or variable is meant for, as it was declared: by its annotation, or else by what it begins with. */
  ofDeclaration(declaration: ts.Declaration): Origin {
    return this.trace.declarations.declaration(declaration, WHOLE, 0);
  }

  /** What a parameter is annotated as. */
  ofAnnotation(parameter: ts.ParameterDeclaration): Origin {
    return parameter.type === undefined ? 'unknown' : this.trace.written.typeNode(parameter.type, WHOLE, NONE, 0);
  }

  /** What a variable or a field is meant for: its annotation, or else the first value that it is given. */
  ofMeant(symbol: ts.Symbol): Origin {
    return this.trace.declarations.meantSymbol(symbol, WHOLE, 0);
  }

  /** What a function is declared to return, or to bring or yield: by its result type, or by the type of the place that it is written for. */
  ofResult(declaration: ts.SignatureDeclaration): Origin {
    const ways: readonly Path[] = [WHOLE, ['%await'], ['*']];
    return ways.map((path) => this.trace.declarations.result(declaration, path, 0)).find((said) => said !== 'unknown') ?? 'unknown';
  }

  /** What a written type is meant for. */
  ofTypeNode(node: ts.TypeNode): Origin {
    return this.trace.written.typeNode(node, WHOLE, NONE, 0);
  }

  /** What the elements of a list of that written type are meant for. */
  ofElementType(node: ts.TypeNode): Origin {
    const ways: readonly Path[] = [['*'], ['%await'], ['%value']];
    return ways.map((path) => this.trace.written.typeNode(node, path, NONE, 0)).find((said) => said !== 'unknown') ?? 'unknown';
  }

  /** What the elements of a list, a set or the like are. */
  ofElements(list: ts.Expression): Origin {
    const ways: readonly Path[] = [['*'], ['%await'], ['%value']];
    return ways.map((path) => this.trace.expressions.expression(list, path, 0)).find((said) => said !== 'unknown') ?? 'unknown';
  }

  /** What a part of a list, a set or the like is; of elements of which nothing is known, what any of them are. */
  ofWay(whole: ts.Expression, path: Path): Origin {
    const found = this.trace.expressions.expression(whole, path, 0);
    return found === 'unknown' && path.length === 1 && path[0] !== '%key' ? this.ofElements(whole) : found;
  }

  /** What a part of something is, and what the place that the whole stands at wants it to be. */
  ofPart(whole: ts.Expression, path: Path): { readonly origin: Origin; readonly place: Origin } {
    const origin = this.trace.expressions.expression(whole, path, 0);
    if (origin === 'unknown') return { origin, place: origin };
    const place = this.trace.places.place(whole, path, 0);
    const [at, ...rest] = path;
    // What is wanted may be pairs of keys and values: `Iterable<[bigint, H['pte']]>`.
    return { origin, place: place === 'unknown' && (at === '%key' || at === '%value') ? this.trace.places.place(whole, ['*', at === '%key' ? '0' : '1', ...rest], 0) : place };
  }

  /** What a function that is given where one is expected is called with, and what its own parameter `at` is meant for. */
  ofCallback(given: ts.Expression, at: number): { readonly origin: Origin; readonly place: Origin } {
    const expected = this.trace.checker.getContextualType(given);
    const wanted = expected === undefined ? undefined : this.trace.checker.getNonNullableType(expected).getCallSignatures()[0]?.parameters[at]?.valueDeclaration;
    const own = this.trace.checker.getTypeAtLocation(given).getCallSignatures()[0]?.parameters[at]?.valueDeclaration;
    if (wanted === undefined || !ts.isParameter(wanted) || wanted.type === undefined || own === undefined || !ts.isParameter(own) || own.type === undefined) return { origin: 'unknown', place: 'unknown' };
    const call = given.parent;
    const env = ts.isCallExpression(call) || ts.isNewExpression(call) ? this.trace.generics.envOf(call) : NONE;
    const said = this.trace.written.typeNode(wanted.type, WHOLE, env, 0);
    // A type of functions that is generic itself, Listener<T>, says it on the way to it.
    const origin = said === 'unknown' ? this.trace.places.place(given, [`(${at})`], 0) : said;
    const meant = this.trace.written.typeNode(own.type, own.dotDotDotToken === undefined ? WHOLE : ['*'], NONE, 0);
    // So does that of the function itself: `const read: Reader<EntryPtr<'pte'>>`.
    return { origin, place: meant === 'unknown' ? this.trace.expressions.expression(given, [`(${at})`], 0) : meant };
  }

  /**
   * What the class that a class extends, or an interface that it implements, says of parameter `at` of a method, and what the method's own parameter is meant for. Of a method of an object that is
   * written here, what the place of the object says.
   */
  ofOverriding({ name, parameters, parent }: ts.MethodDeclaration, at: number): { readonly origin: Origin; readonly place: Origin } {
    const parameter = parameters[at];
    if (!(ts.isIdentifier(name) || ts.isStringLiteral(name)) || parameter?.type === undefined || parameter.dotDotDotToken !== undefined) return { origin: 'unknown', place: 'unknown' };
    const origin = ts.isClassLike(parent) ? this.trace.written.inherited(parent, [name.text, `(${at})`], NONE, 0) : this.trace.places.inLiteral(parent, name.text, [`(${at})`], 0);
    return { origin, place: this.ofAnnotation(parameter) };
  }

  /** What the place that an expression stands at is meant for: a parameter, a field, a variable, a result, an element. */
  ofPlace(expression: ts.Expression): Origin {
    return this.trace.places.place(expression, WHOLE, 0);
  }
}
