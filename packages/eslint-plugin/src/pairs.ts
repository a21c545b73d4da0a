/** What stands at the same place in two lists, as far as both go. */
export function pairs<T>(a: readonly T[], b: readonly T[]): [T, T][] {
  return a.flatMap((one, at): [T, T][] => {
    const other = b[at];
    return other === undefined ? [] : [[one, other]];
  });
}
