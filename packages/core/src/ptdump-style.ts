import type { Root } from './contract.js';
import type { Level } from './levels.js';
import type { EntryKind } from './scan.js';

/** A named place in the address space, as ptdump announces it. */
export interface Marker {
  /** The first address that belongs to the region (or the first after it, for an end marker). */
  readonly start: bigint;
  /** The text between `---[ ` and ` ]---`. */
  readonly name: string;
  /** Most lines that are printed for the region; the rest is counted. x86's ESPfix area has 16. */
  readonly maxLines?: number;
}

/** W+X findings of one line. */
export const Insecure = {
  /** Writable and executable. */
  WritableExecutable: 1,
  /** Executable by user code, though it is the kernel's (arm64: UXN is clear). */
  UserExecutable: 2,
} as const;

/** What `check` counted, in pages of the smallest size. */
export interface InsecureCounts {
  readonly writableExecutable: number;
  readonly userExecutable: number;
}

/**
 * How an architecture's kernel lists its page tables: everything that differs between their `ptdump` files. The merging
 * itself is in `@pgtable/walk`.
 *
 * The listing sees entries in address order, table entries left out, and prints a line when the attributes, the level
 * or the region change.
 */
export interface PtdumpStyle {
  /** The source of the format: file and kernel version. */
  readonly source: string;
  /** The ranges that the kernel lists for a root; half-open. A gap between two ranges prints nothing of its own. */
  ranges(root: Root): readonly { readonly start: number; readonly end: number }[];
  /** By level number: the bits of an entry that end a line when they change. Passed to scans. */
  readonly maskLo: Int32Array;
  readonly maskHi: Int32Array;
  /**
   * The bits of an entry that count for the listing, into `out[0]` (low word) and `out[1]` (high word). An empty entry of an
   * upper level counts as zero bits there, as the kernel passes it.
   */
  attributes(kind: EntryKind, level: Level, lo: number, hi: number, out: Int32Array): void;
  /**
   * The physical address of an entry that is not present, where the kernel prints that too (riscv). `lo` and `hi` are the
   * entry's. Where this is left out, it is 0.
   */
  address?(level: Level, lo: number, hi: number): number;
  /** What an entry permits over all levels, where the kernel compares that too (x86); else 0. `lo`, `hi` as from {@link attributes}. */
  effective(level: Level, lo: number, hi: number, inherited: number): number;
  /** A first line instead of the first marker (s390). */
  readonly heading: string | undefined;
  /**
   * How regions advance: `line`, by one when a line ends (x86: a marker can lag behind its region); `note`, by one when
   * a line ends and by one more at each entry (arm64); `all`, past every region that ends, when a line ends (riscv, s390).
   */
  readonly markerAdvance: 'line' | 'note' | 'all';
  /** Whether a line with these attributes is printed at all. riscv leaves out what has none. */
  prints(lo: number, hi: number): boolean;
  /**
   * One line, without the newline. Addresses are page aligned; `end` is 2 ** 64 for the end of the address space. A kernel that prints the last address of a range
   * needs `BigInt(end) - 1n`: no number has all its digits.
   */
  line(start: number, end: number, pa: number, level: Level, lo: number, hi: number, effective: number): string;
  /** {@link Insecure} bits of a line. */
  insecure(end: number, level: Level, lo: number, hi: number, effective: number): number;
  /** The kernel's sentence about one finding. `symbol` is what `%pS` would print, or the address. */
  finding(insecure: number, address: bigint, symbol: string): string;
  /** The kernel's verdict line for these counts. */
  verdict(counts: InsecureCounts): string;
}
