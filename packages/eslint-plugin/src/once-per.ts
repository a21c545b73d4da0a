/** Makes something once for each of some objects, such as a program; it is kept as long as that is. */
export function oncePer<K extends object, T extends object>(make: (one: K) => T): (one: K) => T {
  const made = new WeakMap<K, T>();
  return (one) => {
    const known = made.get(one);
    if (known !== undefined) return known;
    const first = make(one);
    made.set(one, first);
    return first;
  };
}
