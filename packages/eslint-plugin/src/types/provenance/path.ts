import ts from 'typescript';

/**
 * The way from something to a part of it: names of properties, indices of a tuple, and for what has no name
 * `*` (an element), `%key` and `%value` (of a map), `%await` (what a promise brings), `()` (what a function returns), `(0)` (what it takes), `(0..)` (all that it takes from there on), `%0:Queue` (a type argument of a class or an interface).
 */
export type Path = readonly string[];

/** All of it, and no part. */
export const WHOLE: Path = [];

/** Deep enough for real code, and an end for code that leads back to itself: how far a search goes, and how long a way may be. */
export const MAX_STEPS = 48;
export const MAX_PARTS = 8;

/** Generic types of the language that hold what they are given as it is. */
export const CONTAINERS: ReadonlySet<string> = new Set([
  'Array', 'ReadonlyArray', 'ArrayLike', 'ConcatArray', 'Set', 'ReadonlySet', 'WeakSet', 'Map', 'ReadonlyMap', 'WeakMap', 'Promise', 'PromiseLike', 'Iterable', 'IterableIterator', 'Iterator', 'IteratorObject', 'Generator',
  'ArrayIterator', 'MapIterator', 'SetIterator', 'AsyncIterable', 'AsyncIterableIterator', 'AsyncGenerator',
]);

/** The way from a generic of the language to its type argument. */
export function stepInto(name: string, at: number): string {
  if (name.endsWith('Map')) return at === 0 ? '%key' : '%value';
  return isPromise(name) ? '%await' : '*';
}

export function isPromise(name: string): boolean {
  return name === 'Promise' || name === 'PromiseLike';
}

/** The type argument that a step leads to: which one, and of what class or interface. */
export function typeArgument(step: string | undefined): { readonly at: number; readonly of: string } | undefined {
  const [, at, of] = /^%(\d+):(.*)$/.exec(step ?? '') ?? [];
  return at === undefined || of === undefined ? undefined : { at: Number(at), of };
}

/** What a function takes, as a step of a way. */
export function isParameter(step: string | undefined): boolean {
  return /^\(\d+(\.\.)?\)$/.test(step ?? '');
}

/** A way and what follows it. The second of all that a function takes from its first parameter on, `(0..)`, is its second parameter. */
export function joined(way: Path, path: Path): Path {
  const [, from] = /^\((\d+)\.\.\)$/.exec(way.at(-1) ?? '') ?? [];
  const [at, ...rest] = path;
  return from === undefined || at === undefined || !/^\d+$/.test(at) ? [...way, ...path] : [...way.slice(0, -1), `(${Number(from) + Number(at)})`, ...rest];
}

export function isElement(step: string): boolean {
  return step === '*' || /^\d+$/.test(step);
}

export function nameOf(name: ts.PropertyName | ts.BindingName | ts.DeclarationName | undefined): string | undefined {
  if (name === undefined) return undefined;
  if (ts.isIdentifier(name) || ts.isPrivateIdentifier(name) || ts.isStringLiteralLike(name) || ts.isNumericLiteral(name)) return name.text;
  return ts.isComputedPropertyName(name) && ts.isStringLiteralLike(name.expression) ? name.expression.text : undefined;
}

/** What a function is given: all of its parameters but `this`. */
export function takenBy({ parameters }: ts.SignatureDeclaration): readonly ts.ParameterDeclaration[] {
  return parameters.filter((parameter) => !isThis(parameter));
}

/** Whether a parameter says what a function is a method of. */
export function isThis({ name }: ts.ParameterDeclaration): boolean {
  return ts.isIdentifier(name) && name.text === 'this';
}

/** Whether a member of a class can be one that something above declares: none that is static or private by its name. */
export function isOverriding(member: ts.ClassElement): boolean {
  return (ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Static) === 0 && (member.name === undefined || !ts.isPrivateIdentifier(member.name));
}

/** What the function around says that `this` is. */
export function ownThis(node: ts.Node): ts.ParameterDeclaration | undefined {
  const made = ts.findAncestor(node, (at) => (ts.isFunctionLike(at) && !ts.isArrowFunction(at)) || ts.isPropertyDeclaration(at) || ts.isClassStaticBlockDeclaration(at));
  return made !== undefined && ts.isFunctionLike(made) ? made.parameters.find(isThis) : undefined;
}

/** Whether two ways lead to the same part of what can be taken for the other: what goes through a map finds pairs. */
export function isSameWay(one: Path, other: Path): boolean {
  const [a, b] = [one, other].map((path) => path.flatMap((step) => (step === '%key' ? ['*', '0'] : step === '%value' ? ['*', '1'] : [step])));
  return a !== undefined && b?.length === a.length && a.every((step, at) => step === b[at] || ((step === '*' || b[at] === '*') && isElement(step) && isElement(b[at] ?? '')));
}
