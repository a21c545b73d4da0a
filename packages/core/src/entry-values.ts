import type { Level } from './levels.js';
import type { EntryVal, Prot } from './values.js';

/** What an entry of some level can say beside its address, in one configuration of an architecture. */
export type Feature =
  /** Entries of this level can map memory. */
  | 'leaf'
  /** Entries of this level can point to a table. */
  | 'table'
  /** No struct page behind the page (`CONFIG_ARCH_HAS_PTE_SPECIAL`). */
  | 'special'
  /** Memory of a device with struct pages (`CONFIG_ARCH_HAS_PTE_DEVMAP`). */
  | 'devmap'
  /** Written to since the mark was cleared (`CONFIG_MEM_SOFT_DIRTY`). */
  | 'softDirty'
  /** Write-protected for userfaultfd (`CONFIG_HAVE_ARCH_USERFAULTFD_WP`). */
  | 'uffdWp'
  /** There, but nobody may use it: PROT_NONE and NUMA hinting. */
  | 'protnone'
  /** Swap and migration entries can stand at this level. */
  | 'swap'
  /** Swap entries can be marked as of one owner. */
  | 'swpExclusive'
  | 'swpSoftDirty'
  | 'swpUffdWp';

/**
 * Constructors and predicates of entry values of one level: pure functions over values, without any table. The kernel's
 * `pte_mkyoung` is `values.pte.mkyoung`, or the function `pteMkyoung`.
 *
 * The laws that they must satisfy are those of Documentation/mm/arch_pgtable_helpers.rst and mm/debug_vm_pgtable.c (Linux
 * 6.12); `@pgtable/arch-testkit` holds an architecture to them. A constructor changes what it is named for and nothing else, but for three
 * that may do what the architecture's kernel does too: `mkdirty` may set soft-dirty, `mkdevmap` special, and `mkuffdWp` may take write away.
 * Where a level lacks a {@link Feature}, its constructor returns the value as it is and its predicate says false, as in the
 * kernel.
 */
export interface EntryValues<L extends Level = Level> {
  readonly level: L;
  readonly features: ReadonlySet<Feature>;
  /**
   * The empty entry: what fills a new table, of users and of the kernel. Zero on most architectures, not on s390. Where the kernel's differs from a process's
   * (LoongArch), {@link none} takes both for empty, and the accessors write the other (an override of `replace`).
   */
  readonly empty: EntryVal<L>;

  // What an entry is.

  /** `pte_none`: nothing is here. The hardware's own marks in an empty entry do not count where it may make them. */
  none(value: EntryVal<L>): boolean;
  /** `pte_present`: maps memory or points to a table as the kernel sees it: also PROT_NONE, which the hardware refuses. */
  present(value: EntryVal<L>): boolean;
  /** `pmd_leaf`: present, and maps memory. */
  leaf(value: EntryVal<L>): boolean;
  /** `pmd_bad`: does not point to a table as it should. For a pte: present, but reserved to the hardware. */
  bad(value: EntryVal<L>): boolean;
  /** `pte_same`. */
  same(a: EntryVal<L>, b: EntryVal<L>): boolean;
  /** The hardware may use the translation without a fault on validity, so a TLB may hold it, even if its rights allow nothing. arm64's `pte_valid`. */
  valid(value: EntryVal<L>): boolean;

  // What it maps.

  /** `pte_pfn`, `pmd_pfn`: the first page frame, in units of the smallest page, of a leaf. */
  pfn(value: EntryVal<L>): number;
  /** `pte_pgprot`: everything but the frame: `ofPfn(pfn(v), prot(v))` is `v`. */
  prot(value: EntryVal<L>): Prot;
  /**
   * `pfn_pte`, `pfn_pmd`: an entry for a frame. Above the pte level it need not be a leaf before {@link mkhuge}.
   *
   * Beside `prot` it may set bits that every leaf has, those that are not valid too (powerpc's `pfn_pte` sets what makes a leaf); the `Prot` may as well hold them.
   * What {@link mkinvalid} or {@link modify} can clear stands in the `Prot`.
   */
  ofPfn(pfn: number, prot: Prot): EntryVal<L>;
  /** `pte_modify`: other permissions; the frame, young, dirty and the marks of software stay. A clean entry may become dirty, if `prot` says so: `kernelProt` does where pages may be written. */
  modify(value: EntryVal<L>, prot: Prot): EntryVal<L>;
  /** `pte_advance_pfn`: the same for the page `count` pages of this level's size further on. `count` may be negative. */
  advancePfn(value: EntryVal<L>, count: number): EntryVal<L>;
  /** `pmd_mkhuge`, `pte_mkhuge`: as a leaf of this level. At the pte level the value as it is. */
  mkhuge(value: EntryVal<L>): EntryVal<L>;
  /** `pmd_mkinvalid`: as it is, but the hardware may not use it. Still present. */
  mkinvalid(value: EntryVal<L>): EntryVal<L>;
  /**
   * `arch_make_huge_pte`: as one of a group of `count` entries that together map one page of `count` times this level's
   * size: arm64's contiguous bit, riscv's Svnapot. With 1 the same as {@link mkhuge}.
   */
  mkgroup(value: EntryVal<L>, count: number): EntryVal<L>;

  // Marks of a leaf.

  young(value: EntryVal<L>): boolean;
  mkyoung(value: EntryVal<L>): EntryVal<L>;
  mkold(value: EntryVal<L>): EntryVal<L>;
  dirty(value: EntryVal<L>): boolean;
  mkdirty(value: EntryVal<L>): EntryVal<L>;
  mkclean(value: EntryVal<L>): EntryVal<L>;
  write(value: EntryVal<L>): boolean;
  /** `pte_mkwrite_novma`: writable, and not through a shadow stack. */
  mkwrite(value: EntryVal<L>): EntryVal<L>;
  /** Not writable. Dirty stays, by whatever means the architecture knows it. */
  wrprotect(value: EntryVal<L>): EntryVal<L>;
  special(value: EntryVal<L>): boolean;
  mkspecial(value: EntryVal<L>): EntryVal<L>;
  devmap(value: EntryVal<L>): boolean;
  mkdevmap(value: EntryVal<L>): EntryVal<L>;
  softDirty(value: EntryVal<L>): boolean;
  mksoftDirty(value: EntryVal<L>): EntryVal<L>;
  clearSoftDirty(value: EntryVal<L>): EntryVal<L>;
  uffdWp(value: EntryVal<L>): boolean;
  mkuffdWp(value: EntryVal<L>): EntryVal<L>;
  clearUffdWp(value: EntryVal<L>): EntryVal<L>;
  /** `pte_protnone`: there, and nobody may use it. Not {@link valid} on most architectures; on powerpc valid, without any right. */
  protnone(value: EntryVal<L>): boolean;

  // Tables.

  /**
   * The entry that points to a table: what `pmd_populate` and its siblings write.
   *
   * @param address physical address of the table
   * @param user the table may translate for users (`pmd_populate`), or is the kernel's (`pmd_populate_kernel`)
   */
  ofTable(address: number, user: boolean): EntryVal<L>;
  /** Physical address of the table that an entry points to. */
  table(value: EntryVal<L>): number;

  // Swap and migration: not present, not empty. Type and offset are the kernel's swp_entry_t.

  /** `swp_entry_to_pte(swp_entry(type, offset))`. @param type 0 to 31 */
  ofSwap(type: number, offset: bigint): EntryVal<L>;
  /** `is_swap_pte`: neither empty nor present. */
  swap(value: EntryVal<L>): boolean;
  swapType(value: EntryVal<L>): number;
  swapOffset(value: EntryVal<L>): bigint;
  swpSoftDirty(value: EntryVal<L>): boolean;
  swpMksoftDirty(value: EntryVal<L>): EntryVal<L>;
  swpClearSoftDirty(value: EntryVal<L>): EntryVal<L>;
  swpExclusive(value: EntryVal<L>): boolean;
  swpMkexclusive(value: EntryVal<L>): EntryVal<L>;
  swpClearExclusive(value: EntryVal<L>): EntryVal<L>;
  swpUffdWp(value: EntryVal<L>): boolean;
  swpMkuffdWp(value: EntryVal<L>): EntryVal<L>;
  swpClearUffdWp(value: EntryVal<L>): EntryVal<L>;
}

/** Who may do what with a page: the low bits of `vm_flags`, the index of `protection_map`. */
export const VmFlags = { Read: 1, Write: 2, Exec: 4, Shared: 8 } as const;
