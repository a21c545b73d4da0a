/** A list of what there is of one thing. */
export function listed<T>(one: T | undefined): readonly T[] {
  return one === undefined ? [] : [one];
}
