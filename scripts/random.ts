/** Numbers that look random and are the same for the same seed. @see mulberry32, by Tommy Ettinger */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** An integer from 0 up to `end` (exclusive), which is at most 2 ** 32. */
  below(end: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end);
  }

  /** As {@link below}, for any safe integer. */
  belowNumber(end: number): number {
    return Number(this.belowBig(BigInt(end)));
  }

  /** As {@link below}, up to 2 ** 64. */
  belowBig(end: bigint): bigint {
    return ((BigInt(this.below(2 ** 32)) << 32n) | BigInt(this.below(2 ** 32))) % end;
  }

  /** True one time in so many. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new Error('there is nothing to choose from');
    return list[this.below(list.length)]!;
  }
}
