/** What a `using` declaration needs, where the compiler's library knows of it: these types ask for no more than ES2023. */
export type Using = SymbolConstructor extends { readonly dispose: infer K extends symbol } ? Readonly<Record<K, () => void>> : object;

/**
 * Gives an object, or the prototype of a class, what the end of a `using` declaration's block calls. Where the running code has no symbol for it there is no
 * `using` either, and nothing is given.
 *
 * @returns the same object
 */
export function withDispose<T extends object>(object: T, end: (object: T & Using) => void): T & Using;
// To a compiler without that symbol both types are the same, and a cast says nothing.
export function withDispose<T extends object>(object: T, end: (object: T) => void): T {
  const { dispose } = Symbol as { readonly dispose?: symbol };
  if (dispose !== undefined) Object.defineProperty(object, dispose, { value(this: T) { end(this); } });
  return object;
}
