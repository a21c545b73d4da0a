import type { EntryVal, HandleFamily, HugePage, Level, MmContext, WritableArch } from '@pgtable/core';
import type { Space, VaRange } from '../space.js';

/*
 * What a page walk has to know of an address space. `@pgtable/mm` satisfies it with locks that are real; a dump satisfies it with an architecture
 * and a root, because nothing else can be at its tables.
 *
 * Addresses are numbers, as everywhere in this package where they are page aligned: exact, with an end of 2 ** 64, and not an object for
 * each entry as a bigint is.
 */

/** An entry under one of its names: a level, and a handle of that level. */
export type EntryAt<H extends HandleFamily, L extends Level = Level> = { [K in L]: { readonly level: K; readonly entry: H[K] } }[L];

/** A lock that is held, until {@link unlock} is called once. */
export interface TableLock {
  /** `spin_unlock()` and whatever was taken with it. */
  unlock(): void;
}

/** The entries of a page table that cannot go away before `unlock()`: what `pte_offset_map_lock()` and `pte_offset_map()` return. */
export interface MappedPtes<H extends HandleFamily> extends TableLock {
  /** The entry for the address that was asked for. */
  readonly ptep: H['pte'];
}

/** `struct vm_area_struct`, as much of it as a walk needs. */
export interface WalkVma<H extends HandleFamily = HandleFamily> {
  readonly mm: WalkMm<H>;
  /** Half-open: [start, end), page aligned. */
  readonly start: number;
  readonly end: number;
  /** The page of the file that `start` maps (`vm_pgoff`), for {@link walkPageMapping}. Default 0. */
  readonly pgoff?: number;
  /** HugeTLB memory, and the size of its pages (`hstate`): one of `hugePages` of the architecture. */
  readonly hugetlb?: HugePage;
  /** `VM_PFNMAP`: no struct page behind it. Its range is one hole to a walk that has no {@link MmWalkOps.testWalk}. */
  readonly pfnmap?: boolean;
}

/**
 * What keeps an address space's tables from changing under a walk, and what proves that it is held.
 *
 * Each assertion throws a PgtableError that says what was tried and which lock would help, if the lock is not held by who asks.
 */
export interface WalkLocks<H extends HandleFamily = HandleFamily> {
  /** `mmap_assert_locked()`: for reading or for writing. */
  assertMmapReadLocked(): void;
  /** `mmap_assert_write_locked()`. */
  assertMmapWriteLocked(): void;
  /** `mmap_assert_write_locked(&init_mm)`, of an address space that is not the kernel's own: its upper entries lead to tables of that. */
  assertInitWriteLocked(): void;
  /** `vma_start_write()`: write-locks a VMA until the mmap lock is given back. */
  vmaStartWrite(vma: WalkVma<H>): void;
  /** `vma_assert_write_locked()`. */
  assertVmaWriteLocked(vma: WalkVma<H>): void;
  /** `vma_assert_locked()`: for reading or for writing. */
  assertVmaReadLocked(vma: WalkVma<H>): void;
  /**
   * `pte_offset_map_lock()`: the entries of the page table below a pmd entry, with the table's lock held.
   *
   * Returns: undefined if the entry points to no page table (any more); who asked looks at the entry again.
   */
  pteOffsetMapLock(pmdp: H['pmd'], address: number): MappedPtes<H> | undefined;
  /** `pte_offset_map()`: the same without the table's lock, only kept from going away. */
  pteOffsetMap(pmdp: H['pmd'], address: number): MappedPtes<H> | undefined;
  /** `pmd_lock()`. */
  pmdLock(pmdp: H['pmd']): TableLock;
  /** `pud_lock()`. */
  pudLock(pudp: H['pud']): TableLock;
  /** `hugetlb_vma_lock_read()`, which keeps HugeTLB's shared tables from being unshared. Left out where none are shared. */
  hugetlbVmaLockRead?(vma: WalkVma<H>): TableLock;
}

/** What walks with {@link MmWalkOps.installPte} write with. {@link installInto} makes one of an address space that nobody else changes. */
export interface WalkInstall<H extends HandleFamily = HandleFamily> {
  readonly arch: WritableArch<H>;
  readonly context: MmContext;
  /**
   * `__pte_alloc()` and its siblings: puts a new table below an entry, unless somebody else has meanwhile.
   *
   * @param at the entry, which was empty a moment ago, at a level that exists
   * @param address the first address that the entry translates
   */
  populate(at: EntryAt<H>, address: number): void;
}

/**
 * `struct mm_struct`, as much of it as a walk needs: an address space, the VMAs in it and what locks it.
 *
 * A dump is `{ ...space, kind: 'init' }`.
 */
export interface WalkMm<H extends HandleFamily = HandleFamily> extends Space<H> {
  /** A process's; the kernel's own, `init_mm`; or a special one, `efi_mm` and its like. */
  readonly kind: 'user' | 'init' | 'special';
  /**
   * `find_vma()`: the first VMA that ends above an address. VMAs are in order and do not overlap. Left out where nothing is known of VMAs: a dump.
   */
  findVma?(address: number): WalkVma<H> | undefined;
  /** Left out where nobody else can be at the tables: a dump, a model in one thread. Then no lock is asked for, and entries are read once. */
  readonly locks?: WalkLocks<H>;
  /** Ranges of the kernel's own space that may be walked without a lock by who owns them: vmalloc, modules. Default: none. */
  readonly locklessRanges?: readonly VaRange[];
  /** Left out where nothing can be installed. */
  readonly install?: WalkInstall<H>;
  /**
   * `split_huge_pmd()`, `split_huge_pud()`: puts a table in the place of a huge page, of a VMA, because a callback wants smaller entries. It may find that
   * there is nothing to split any more. Left out, huge pages stay whole, and the callback of their own level alone sees them.
   */
  splitHuge?(vma: WalkVma<H>, at: EntryAt<H>, address: number): void;
  /**
   * `vm_normal_page()` for {@link folioWalkStart}: whether the frame of an entry is an ordinary page, the shared zero page, or none of the kernel's business
   * (undefined). Default: every frame is an ordinary page.
   */
  normalPage?(vma: WalkVma<H>, address: number, at: EntryAt<H>, value: EntryVal<Level>, pfn: number): 'page' | 'zeropage' | undefined;
  /**
   * `is_migration_entry()` and `swp_offset_pfn()` for {@link folioWalkStart}: the frame of a page on its way, by an entry that is not present; undefined: it is another kind of entry. Default: what
   * `decodeNonPresent()` says, which knows the kernel that the architecture was configured for.
   */
  migratingPfn?(at: EntryAt<H>, value: EntryVal<Level>): number | undefined;
}

/** `struct address_space`, as much of it as {@link walkPageMapping} needs: the VMAs that map a file. */
export interface WalkMapping<H extends HandleFamily = HandleFamily> {
  /** `lockdep_assert_held(&mapping->i_mmap_rwsem)`: throws as those of {@link WalkLocks} do. */
  assertLocked(): void;
  /** `vma_interval_tree_foreach()`: VMAs, of any address space, that map any of the pages [first, end) of the file. */
  vmas(first: number, end: number): Iterable<WalkVma<H>>;
}
