import type { Arch, LevelOps } from './contract.js';
import type { EntryValues } from './entry-values.js';
import type { FlushPromise, MmContext } from './flush.js';
import type { HandleFamily } from './handles.js';
import type { Level } from './levels.js';
import type { UnlinkedTable } from './unlinked-table.js';
import type { EntryVal, Prot } from './values.js';

/** Which differences {@link WritableOps.batch} overlooks beside young and writable, which it always does. The kernel's fpb_t. */
export interface BatchIgnore {
  readonly dirty?: boolean;
  readonly softDirty?: boolean;
}

/**
 * The accessors of one level, with those that write. The kernel's names (`setPtes`, `pmdpGetAndClear`, ...) are functions over these.
 *
 * `mm` is whose entry it is, `address` the virtual address that the entry translates, a multiple of the entry's size.
 *
 * Locking: the lock of the entry's table is held, unless the method says otherwise. The hardware, and readers without a lock,
 * may look at any time: an entry is written whole, and is never anything but the old or the new value.
 *
 * Methods on `count` entries do what `count` calls on one entry would, in one call; all are in one table. `count` is at least 1.
 */
export interface WritableOps<H extends HandleFamily, L extends Level> extends LevelOps<H, L> {
  /** The number of entries from `a` to `b` of the same table: 0 if they are the same entry, negative if `b` comes first. */
  distance(a: H[L], b: H[L]): number;

  /**
   * `set_ptes`: writes `count` entries that are not valid now: `value`, then `value` for the next page, and so on. A value that
   * is not present is written as it is, `count` times.
   *
   * To change an entry that the hardware may be using, use {@link establish} or one of the others.
   */
  set(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, count: number): void;

  /**
   * `pmdp_establish`: replaces an entry that may be in use, in one step.
   *
   * Not every change of a live entry is legal in one step: arm64 demands break-before-make for changes of size, address, type
   * or contiguity.
   *
   * Returns: the old value, with what the hardware noted in it up to the last moment.
   */
  establish(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>): FlushPromise<EntryVal<L>>;

  /** `pte_clear`, `clear_full_ptes`: makes `count` entries empty. */
  clear(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void>;

  /** `ptep_get_and_clear`: makes an entry empty. Returns: what it was, with what the hardware noted up to the last moment. */
  getAndClear(mm: MmContext, address: bigint, entry: H[L]): FlushPromise<EntryVal<L>>;

  /**
   * `get_and_clear_full_ptes`: makes `count` present entries that map one run of pages ({@link batch}) empty.
   *
   * Returns: what the first was; young and dirty if any of them was.
   */
  getAndClearFull(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<EntryVal<L>>;

  /** `ptep_test_and_clear_young`: returns whether any of `count` entries was young, and makes all of them old. */
  testAndClearYoung(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<boolean>;

  /** `ptep_set_wrprotect`, `wrprotect_ptes`: makes `count` present entries read-only. Dirty stays. */
  wrprotect(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void>;

  /**
   * `ptep_set_access_flags`: after a fault, makes a present entry as young, dirty, soft-dirty and writable as `value`, which has the same frame.
   * It takes nothing away.
   *
   * Returns: whether the entry changed. The stale translation allows less than the entry, so ignoring it costs a fault and is
   * otherwise right.
   */
  setAccessFlags(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>): FlushPromise<boolean>;

  /**
   * `ptep_modify_prot_start`: takes an entry out, so that the hardware notes nothing in it while it is being changed. Every start is followed
   * by a {@link modifyProtCommit} under the same lock.
   *
   * Returns: what it was.
   */
  modifyProtStart(mm: MmContext, address: bigint, entry: H[L]): EntryVal<L>;

  /** `ptep_modify_prot_commit`: puts the entry back, changed. @param old what {@link modifyProtStart} returned */
  modifyProtCommit(mm: MmContext, address: bigint, entry: H[L], old: EntryVal<L>, value: EntryVal<L>): FlushPromise<void>;

  /**
   * `folio_pte_batch`: how many entries from this one on map consecutive pages alike, whatever they say about young and writable.
   *
   * @param value what the first entry is, present
   * @param max at most so many, in the same table
   * @returns 1 to `max`
   */
  batch(entry: H[L], value: EntryVal<L>, max: number, ignore: BatchIgnore): number;

  /**
   * `pmd_populate` and its siblings: makes a table live, under an entry that is empty, or that is present and not valid: a huge page
   * that was taken from the hardware ({@link EntryValues.mkinvalid}) and flushed. What was written to the table is visible before
   * the table is. The table's handles stay; the {@link UnlinkedTable} must not be used any more.
   *
   * @throws PgtableError `EINVAL` if the table is linked already, or is not of the next level that exists, or the entry is another
   */
  populate(mm: MmContext, address: bigint, entry: H[L], table: UnlinkedTable<H>): void;

  /**
   * `pmdp_collapse_flush`, `pmd_clear` of a table entry: takes a table out. Until the promise is kept, and until nobody without
   * a lock can be in it any more (RCU), the table must keep its entries valid as entries.
   *
   * Returns: the table.
   * @throws PgtableError `EINVAL` if the entry points to no table that is here
   */
  unlink(mm: MmContext, address: bigint, entry: H[L]): FlushPromise<UnlinkedTable<H>>;

  // HugeTLB: one page that `count` entries of this level map together. `count` is 1, or of one of WritableArch.hugePages.

  /** `set_huge_pte_at`: `value` is made with `EntryValues.mkgroup`. As {@link set}. */
  hugeSet(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, count: number): void;
  /** `huge_ptep_get`: young and dirty if any of the group is. */
  hugeGet(entry: H[L], count: number): EntryVal<L>;
  /** `huge_ptep_get_and_clear`. */
  hugeGetAndClear(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<EntryVal<L>>;
  /** `huge_ptep_set_wrprotect`. */
  hugeWrprotect(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void>;
  /** `huge_ptep_set_access_flags`. */
  hugeSetAccessFlags(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, count: number): FlushPromise<boolean>;
}

/** A page size that HugeTLB can have. */
export interface HugePage {
  readonly bytes: number;
  readonly level: Level;
  /** Entries that map it together: 1 for a leaf of that level, more for a contiguous or NAPOT group. */
  readonly count: number;
}

/**
 * An architecture whose tables can be built and changed. The other half of {@link Arch}: who only reads dumps needs none of it.
 *
 * To make an architecture writable, write `values.ts` ({@link EntryValues}, mostly the masks of `FlagValues`), `prot.ts` ({@link vmProt},
 * {@link kernelProt}), and, where it differs from `TableLevelOps`, `ops.ts`. `@pgtable/arch-testkit` says whether it is right.
 */
export interface WritableArch<H extends HandleFamily = HandleFamily> extends Arch<H> {
  readonly ops: { readonly [L in Level]: WritableOps<H, L> };
  readonly values: { readonly [L in Level]: EntryValues<L> };
  /** Page sizes above the smallest that one leaf or one group can map, ascending. */
  readonly hugePages: readonly HugePage[];
  /** `vm_get_page_prot`. @param flags of {@link VmFlags}; 0 is PROT_NONE. All flags of a VMA can be given: others are not looked at, but for an architecture's own (`VM_ARM64_BTI`) */
  vmProt(flags: number): Prot;
  /**
   * `PAGE_KERNEL`, `PAGE_KERNEL_RO`, `PAGE_KERNEL_EXEC`, `PAGE_KERNEL_ROX`: young, and dirty as the kernel has them (powerpc's are if they can be written).
   *
   * @param flags Read, Write and Exec of {@link VmFlags}; other bits are not looked at
   */
  kernelProt(flags: number): Prot;
  /**
   * `pte_alloc_one` and its siblings, with the constructor: a table that is not live, every entry of it empty.
   *
   * @param address physical address, aligned as the hardware demands; the caller's allocator chose it
   * @param user whether the addresses that it will translate are users' ({@link MmContext.user})
   * @throws PgtableError `EINVAL` if the level does not exist or the address cannot be one of a table
   */
  newTable<L extends Level>(level: L, address: number, user: boolean): UnlinkedTable<H, L>;
  /**
   * `pte_free` and its siblings: the table's memory goes back, its entries empty.
   *
   * @throws PgtableError `EINVAL` if the table is live, or was given back before
   */
  freeTable(table: UnlinkedTable<H>): void;
  /**
   * Why a valid entry may not become another valid one in one step; undefined where it may. Left out where every change is allowed.
   * {@link BreakBeforeMake} asks.
   */
  liveChange?<L extends Level>(level: L, old: EntryVal<L>, value: EntryVal<L>): string | undefined;
  /**
   * `update_mmu_cache_range`: entries were made valid. For architectures whose TLB may remember that an entry was not.
   * Left out where no hardware does.
   */
  updateMmuCache?(mm: MmContext, address: bigint, level: Level, count: number): void;
}
