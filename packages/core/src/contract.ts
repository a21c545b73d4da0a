import type { Attributes, NonPresent } from './attributes.js';
import type { HandleFamily, TableOf } from './handles.js';
import type { Below, Geometry, Level } from './levels.js';
import type { PtdumpStyle } from './ptdump-style.js';
import type { ScanBuffer, ScanFilter } from './scan.js';
import type { TableMemory } from './table-memory.js';
import type { EntryVal } from './values.js';

/**
 * One stretch of virtual addresses that a root table translates. Addresses are numbers here: they are page aligned, and
 * a page-aligned 64-bit address is exact in a double. `end` may be 2 ** 64.
 */
export interface VaWindow {
  /** Half-open: [start, end). */
  readonly start: number;
  readonly end: number;
  /** Index in the root table of the entry that translates `start`. */
  readonly index: number;
  /** Whose addresses these are by convention. */
  readonly half: 'user' | 'kernel';
}

/** The top of one translation: what a root register says, decoded. Made by an architecture. */
export interface Root {
  /** Physical address of the root table. */
  readonly table: number;
  /** Level of the root table's entries. */
  readonly top: Level;
  /** Entries of the root table that exist: [first, end). */
  readonly first: number;
  readonly end: number;
  /** The addresses that it translates, ascending, not overlapping. */
  readonly windows: readonly VaWindow[];
  /** What the root itself forbids, in the sense of {@link Arch.inherit}. */
  readonly inherited: number;
}

/**
 * The accessors of one level. The kernel's names (`ptepGet`, `pmdOffset`, ...) are functions over these.
 *
 * Methods take and return handles of this level alone. Only the architecture knows what a handle is.
 */
export interface LevelOps<H extends HandleFamily, L extends Level> {
  readonly level: L;
  /**
   * The entry's value, read plainly: it may be torn, elided or repeated. For readers that hold the table's lock. Young and dirty are of
   * the page as a whole, where several entries map it together (arm64's contiguous blocks).
   */
  get(entry: H[L]): EntryVal<L>;
  /** The entry's value, single-copy atomic: for readers that hold no lock. Young and dirty are this entry's own. */
  getOnce(entry: H[L]): EntryVal<L>;
  /**
   * `ptep_get_lockless`: as {@link get}, for readers that hold no lock. Every entry that counts was read at most once since all were
   * consistent; where they were not, it looks again.
   */
  getLockless(entry: H[L]): EntryVal<L>;
  /**
   * The bits as they stand in memory, for a listing: no accessor takes them. What an architecture does with neighbours on its own shows in
   * them (arm64's contiguous bit), so nothing is to be decided by them.
   */
  raw(entry: H[L]): bigint;
  /** The handle `count` entries further on in the same table; `count` may be negative. */
  advance(entry: H[L], count: number): H[L];
  /**
   * The physical address of the entry itself, as the machine has it: of what is known of a table (its lock, in the kernel in the
   * table's `struct page`) the place is found by it.
   *
   * Throws: PgtableError `EINVAL` if the entry stands in no table that is here.
   */
  entryAddress(entry: H[L]): number;
  /**
   * The entry of the next lower level that translates `address`.
   *
   * Returns: the entry; the same entry under its lower name where one of the two levels is folded; undefined if this
   * entry points to no table, or to a table that is not here.
   */
  offset(entry: H[L], address: bigint): H[Below[L]] | undefined;
  /**
   * `p4d_offset_lockless` and its siblings: as {@link offset}, but by a value that was read from the entry before, which is looked at no more. Readers
   * without the lock go down so: the entry may be another by now, and what they hold belongs to the value that they can compare it with.
   *
   * @param value what {@link getLockless} returned
   */
  offsetLockless(entry: H[L], value: EntryVal<L>, address: bigint): H[Below[L]] | undefined;
  /**
   * The table that this entry points to, at the next level that exists.
   *
   * Returns: undefined if the entry points to no table, or to a table that is not here.
   */
  child(entry: H[L]): TableOf<H> | undefined;
  /**
   * Which entries of the table that a table entry points to exist, as the entry itself says: all of them, except on
   * s390. Returned as `first | end << 16`, half-open.
   */
  childRange(lo: number, hi: number): number;
  /**
   * Reads entries `first` up to `end` (exclusive) of a table into runs. ONE call for a whole table: this is what loops
   * over tables are made of, and it allocates nothing.
   *
   * A run is as long as entries are of one kind and equal under the filter; table entries are a row each. Every entry
   * of the range is in exactly one row, in order. Adjacent rows may be alike (a run may be cut anywhere), so a consumer
   * that wants longest runs merges.
   *
   * Over table memory, the words of entry `i` of 64 bits are `tables.words[2 * i + LOW_WORD]` and `[2 * i + HIGH_WORD]`, on hosts of either byte order; `i` is
   * `indexOf(table)` and the entry's index in it.
   *
   * Returns: the index of the first entry that was not read: `end`, or less when the buffer is full. It always makes
   * progress when the buffer has a free row.
   */
  scan(table: H[L], first: number, end: number, filter: ScanFilter, out: ScanBuffer): number;
}

/**
 * An architecture in one configuration, over one memory of tables: the contract between core and an architecture.
 *
 * # To add an architecture
 *
 * Write one package that imports `@pgtable/core` and `@pgtable/core/arch`, with these files (the names that the four
 * architectures here use, so that yours can be compared with any of them):
 *
 * 1. `bits.ts`: the layout of an entry. Each mask has a comment with its bit numbers and the manual's section.
 * 2. `geometry.ts`: the levels of each variant as a {@link Geometry}. Levels that a variant lacks are `folded`. Tables of any
 *    number of entries are welcome. The variant is chosen at run time, from registers or notes, never at build time.
 * 3. `format.ts`: one {@link EntryFormat} a level: masks that classify an entry and find its address. If masks and shifts can
 *    say it, `TableLevelOps` from `@pgtable/core/arch` does the rest; if not, give it `NEVER_VALID` and override `scan`, `childIndex`
 *    and `anyValid`. Entries of 128 bits, or outside of any table memory, are for `BasicLevelOps`.
 * 4. `attributes.ts`: {@link Arch.inherit} and {@link Arch.describe}: permissions over all levels, memory type, flags.
 * 5. `nonpresent.ts`: {@link Arch.decodeNonPresent}: swap, migration, PROT_NONE, by kernel release where it moved.
 * 6. `ptdump.ts`: the kernel's own listing as a {@link PtdumpStyle}, and the region markers.
 * 7. `roots.ts`: root registers, and where a dump says what they held.
 * 8. `index.ts`: the handle family, one line a level (opaque `HwHandle<'pte'>` or, to begin with, the alias
 *    `EntryPtr<'pte'>`), and the {@link ArchPlugin} that applications register.
 *
 * Then add it to the list of your application. No line of core, walk or another architecture changes.
 */
export interface Arch<H extends HandleFamily = HandleFamily> {
  /** The architecture: `x86`, `arm64`, `riscv`, `s390`. */
  readonly name: string;
  /** The configuration in the field's words: `4-level`, `4K granule, 48-bit, LPA2`, `Sv57`. */
  readonly variant: string;
  readonly geometry: Geometry;
  /**
   * Byte order of entries in the machine's memory. In table memory they are in the host's. The hardware's walk decides it, not the kernel: under a little-endian
   * kernel the tables of powerpc's radix MMU are big-endian, and {@link MachineFacts.littleEndian} says the other.
   */
  readonly littleEndian: boolean;
  /** Where the tables are; undefined for an architecture that keeps its entries elsewhere. */
  readonly tables: TableMemory | undefined;
  readonly ops: { readonly [L in Level]: LevelOps<H, L> };
  /** The root table by its first entry; undefined if it is not here. */
  rootTable(root: Root): TableOf<H> | undefined;
  /** Never there: says to the compiler what the handle family is, where it is to find `H` from a {@link WritableArch}. */
  readonly handles?: H;
  /** `pgd_offset`: see the function of that name. */
  pgdOffset(root: Root, address: bigint): H['pgd'] | undefined;
  /**
   * What the entries above forbid, as one small number whose meaning is the architecture's own: x86's missing RW and US
   * and set NX, arm64's APTable, UXNTable and PXNTable, s390's P. Called once for each table that a walk enters.
   *
   * @param inherited what was inherited by the table that the entry is in; {@link Root.inherited} at the top
   */
  inherit(inherited: number, level: Level, lo: number, hi: number): number;
  /** Decodes a leaf or table entry for people. `lo` and `hi` are its attribute words as a scan gives them. */
  describe(level: Level, lo: number, hi: number, inherited: number): Attributes;
  /** Decodes an entry of kind NonPresent. */
  decodeNonPresent(level: Level, value: bigint): NonPresent;
  /**
   * The address that is translated when code uses `address`, where the hardware ignores some of its bits: arm64's top byte.
   * {@link Root.windows} stay canonical, so whoever takes addresses from people or from registers calls this before
   * looking one up. Without it, every bit counts.
   */
  untagAddress?(address: bigint): bigint;
  /** The kernel's own listing of its tables. */
  readonly ptdump: PtdumpStyle;
}

/** An architecture whose handles are nobody's business: what applications hold in lists. */
export type AnyArch = Arch;
