/** A bitmap with one bit for each page frame, and its rank: how many bits are set before a given one. */

/** Bits in a block of the rank index: one 32-bit count for 64 bytes of bitmap. */
const RANK_BLOCK_BITS = 512;

/** A bitmap in kdump's bit order: page frame n is bit n % 8 of byte n / 8. */
export class PageBitmap {
  /** Number of bits. */
  readonly size: number;
  /** Bits that are set. */
  readonly count: number;
  readonly #bytes: Uint8Array;
  readonly #ranks: Uint32Array;

  /**
   * @param bytes - the bitmap; kept, and bits from `size` on are cleared in it
   * @param size - number of bits, at most 8 * bytes.length and 2^32
   */
  constructor(bytes: Uint8Array, size: number) {
    this.size = size;
    this.#bytes = bytes;
    const used = Math.ceil(size / 8);
    bytes.fill(0, used);
    if (size % 8 !== 0) bytes[used - 1] = (bytes[used - 1] ?? 0) & ((1 << (size % 8)) - 1);
    this.#ranks = new Uint32Array(Math.ceil(size / RANK_BLOCK_BITS));
    let rank = 0;
    for (let block = 0; block < this.#ranks.length; block++) {
      this.#ranks[block] = rank;
      rank += countBits(bytes, (block * RANK_BLOCK_BITS) / 8, Math.min(bytes.length, ((block + 1) * RANK_BLOCK_BITS) / 8));
    }
    this.count = rank;
  }

  /** Whether bit `pfn` is set; `false` outside the bitmap. */
  has(pfn: number): boolean {
    if (!(pfn >= 0 && pfn < this.size)) return false;
    return (((this.#bytes[Math.floor(pfn / 8)] ?? 0) >> (pfn % 8)) & 1) === 1;
  }

  /** How many bits before bit `pfn` are set, for `pfn` inside the bitmap. */
  rank(pfn: number): number {
    const block = Math.floor(pfn / RANK_BLOCK_BITS);
    const byte = Math.floor(pfn / 8);
    const partial = (this.#bytes[byte] ?? 0) & ((1 << (pfn % 8)) - 1);
    return (this.#ranks[block] ?? 0) + countBits(this.#bytes, (block * RANK_BLOCK_BITS) / 8, byte) + popcount(partial);
  }

  /** The first bit from `pfn` on that is set; {@link size} if none is. */
  next(pfn: number): number {
    return this.#nextOther(pfn, 0);
  }

  /** The first bit from `pfn` on that is clear; {@link size} if none is. */
  nextClear(pfn: number): number {
    return this.#nextOther(pfn, 0xff);
  }

  /** The first bit from `pfn` on that differs from the bits of `plain`, which is 0 or 0xff. */
  #nextOther(pfn: number, plain: number): number {
    let byte = Math.floor(pfn / 8);
    let rest = ((this.#bytes[byte] ?? 0) ^ plain) & (0xff << (pfn % 8));
    const end = Math.ceil(this.size / 8);
    while (rest === 0 && ++byte < end) rest = (this.#bytes[byte] ?? 0) ^ plain;
    if (byte >= end) return this.size;
    return Math.min(this.size, byte * 8 + (31 - Math.clz32(rest & -rest)));
  }
}

function countBits(bytes: Uint8Array, from: number, to: number): number {
  let count = 0;
  for (let i = from; i < to; i++) count += popcount(bytes[i] ?? 0);
  return count;
}

/** Bits set in a 32-bit integer. */
function popcount(value: number): number {
  let v = value - ((value >>> 1) & 0x5555_5555);
  v = (v & 0x3333_3333) + ((v >>> 2) & 0x3333_3333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}
