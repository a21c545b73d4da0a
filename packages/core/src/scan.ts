/**
 * What an entry is. The five exclude each other and cover every bit pattern.
 *
 * The numbers are stored in {@link ScanBuffer.kind}.
 */
export const EntryKind = {
  /** The empty entry of its level. Not zero on every architecture. */
  None: 0,
  /** Not empty, and the hardware does not use it: swap, migration, PROT_NONE. */
  NonPresent: 1,
  /** Points to a table of the next level. */
  Table: 2,
  /** Maps memory. */
  Leaf: 3,
  /** The hardware would fault on its reserved bits, or the level does not allow what it says. */
  Bad: 4,
} as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

/**
 * What ends a run of entries in a scan.
 *
 * By level number: the bits of an entry (low and high word) that must be equal within a run. A leaf's address bits are left out of
 * the masks; all others hold no address, so every bit of theirs may count. The bits that decide what kind an entry is always count.
 */
export interface ScanFilter {
  readonly maskLo: Int32Array;
  readonly maskHi: Int32Array;
  /** A run of leaves also ends where the next entry does not map the physical memory that follows, one of entries that are not present where any bit differs. */
  readonly contiguous: boolean;
}

/** A filter that compares the same bits at every level. The default: every attribute bit counts. */
export function scanFilter(contiguous: boolean, maskLo = -1, maskHi = -1): ScanFilter {
  return { contiguous, maskLo: new Int32Array(5).fill(maskLo), maskHi: new Int32Array(5).fill(maskHi) };
}

/**
 * The runs that a scan found, as columns: one row is one run of entries of the same kind that the filter calls equal.
 *
 * The buffer belongs to the caller and is reused: what it holds is borrowed until the next scan into it.
 */
export class ScanBuffer {
  /** Rows that hold something. */
  count = 0;
  /** Most rows there can be. A scan that fills the buffer stops early and says where. */
  readonly capacity: number;
  /** {@link EntryKind} of the run. */
  readonly kind: Uint8Array;
  /** Index of the run's first entry in its table. */
  readonly index: Int32Array;
  /** Entries in the run, at least 1. */
  readonly length: Int32Array;
  /** Attribute words of the first entry: its low and high 32 bits. An entry of more than 64 bits packs its attributes here. */
  readonly lo: Int32Array;
  readonly hi: Int32Array;
  /**
   * Leaf: the physical address of the first entry's memory. Table: the physical address of the table it points to (one
   * row an entry, so `length` is 1). Else 0. Exact, because the addresses are aligned (64-bit addresses fit a double
   * from alignment 2 ** 11 on).
   */
  readonly pa: Float64Array;

  constructor(capacity = 2048) {
    this.capacity = capacity;
    this.kind = new Uint8Array(capacity);
    this.index = new Int32Array(capacity);
    this.length = new Int32Array(capacity);
    this.lo = new Int32Array(capacity);
    this.hi = new Int32Array(capacity);
    this.pa = new Float64Array(capacity);
  }

  /** Adds a row. The caller has checked that there is room. */
  push(kind: EntryKind, index: number, length: number, lo: number, hi: number, pa: number): void {
    const row = this.count++;
    this.kind[row] = kind;
    this.index[row] = index;
    this.length[row] = length;
    this.lo[row] = lo;
    this.hi[row] = hi;
    this.pa[row] = pa;
  }
}
