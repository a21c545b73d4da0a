/** Which things lead to one that is looked for, from each to the next; asked about one after the other, each is gone through once. */
export class Leads<T> {
  private readonly isIt: (one: T) => boolean;
  private readonly next: (one: T) => Iterable<T>;
  private readonly known = new Map<T, boolean>();

  /**
   * @param isIt whether one is what is looked for
   * @param next where one leads; some more than once, or back to itself
   */
  constructor(isIt: (one: T) => boolean, next: (one: T) => Iterable<T>) {
    this.isIt = isIt;
    this.next = next;
  }

  from(one: T): boolean {
    const known = this.known.get(one);
    if (known !== undefined) return known;
    const near = this.isNear(one);
    if (near === undefined) this.follow(one);
    else this.known.set(one, near);
    return this.known.get(one)!;
  }

  /** The same where the thing itself or what is known of the next ones says it, as it mostly does; undefined where they have to be followed. */
  private isNear(one: T): boolean | undefined {
    if (this.isIt(one)) return true;
    let isKnown = true;
    for (const next of this.next(one)) {
      const leads = next === one ? false : this.known.get(next);
      if (leads === true) return true;
      isKnown &&= leads === false;
    }
    return isKnown ? false : undefined;
  }

  /** Follows what is next up to what is known, and goes back from those that lead there to what leads to them. Then it is known of all that were met. */
  private follow(start: T): void {
    const met = new Set([start]);
    const leading = new Set<T>();
    const before = new Map<T, T[]>();
    for (const one of met) {
      const known = this.known.get(one);
      if (known ?? this.isIt(one)) leading.add(one);
      if (known !== undefined || leading.has(one)) continue;
      for (const next of this.next(one)) {
        const ones = before.get(next);
        if (ones === undefined) before.set(next, [one]);
        else ones.push(one);
        met.add(next);
      }
    }
    for (const one of leading) for (const other of before.get(one) ?? []) leading.add(other);
    for (const one of met) this.known.set(one, leading.has(one));
  }
}
