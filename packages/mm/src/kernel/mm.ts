import { isMigrationEntry, PgtableError, type EntryVal, type EntryValues, type HandleFamily, type Level, type MmContext, type Root, type WritableArch } from '@pgtable/core';
import type { EntryAt, VaRange, WalkInstall, WalkLocks, WalkMm, WalkVma } from '@pgtable/walk';
import { MMAP_LOCK_WORDS, type MmapLock } from '../locks/mmap-lock.js';
import { RW_LOCK_WORDS } from '../locks/rw-lock.js';
import { SPIN_LOCK_WORDS } from '../locks/spin-lock.js';
import type { TableOwner } from '../pagetable/constructor.js';
import { AccessType, schedulePoint, scheduleTouch } from '../schedule-point.js';
import type { Kernel } from './kernel.js';
import type { Mapping } from './mapping.js';
import { MmLock } from './mm-lock.js';
import { RcuKind } from './rcu-kinds.js';
import type { TableHooks } from './table-hooks.js';
import { SPECIAL_FLAGS, VmaFlags } from './vma-flags.js';
import { JOURNAL_HEADER_WORDS, RecordKind, VmaJournal, type VmaChange } from './vma-journal.js';
import { VmaWord } from './vma-slots.js';
import { VmaTree } from './vma-tree.js';
import { Vma } from './vma.js';

/** What an address space counts: `mm->rss_stat`, `mm->pgtables_bytes`, `mm->map_count`. */
export const MmCounter = {
  /** Pages of anonymous memory that are mapped (MM_ANONPAGES). */
  AnonPages: 0,
  /** Pages of files that are mapped (MM_FILEPAGES). */
  FilePages: 1,
  /** Bytes of page tables below the root. */
  TableBytes: 2,
  /** VMAs. */
  MapCount: 3,
} as const;
export type MmCounter = (typeof MmCounter)[keyof typeof MmCounter];

const COUNTERS = Object.keys(MmCounter) as (keyof typeof MmCounter)[];

/** The words of an address space. */
export const MmWord = {
  /** Odd while it is there. */
  Generation: 0,
  /** Index in {@link MM_KINDS}. */
  Kind: 1,
  /** `mm_users` */
  Users: 2,
  /** `mm_count` */
  Count: 3,
  Lock: 4,
  PageTableLock: 4 + MMAP_LOCK_WORDS,
  /** Physical address of the root table, the low word first. */
  Root: 4 + MMAP_LOCK_WORDS + SPIN_LOCK_WORDS,
  Counters: 6 + MMAP_LOCK_WORDS + SPIN_LOCK_WORDS,
  /** `anon_vma->rwsem` */
  AnonVma: 10 + MMAP_LOCK_WORDS + SPIN_LOCK_WORDS,
  /** `write_protect_seq` */
  WriteProtect: 10 + MMAP_LOCK_WORDS + SPIN_LOCK_WORDS + RW_LOCK_WORDS,
  Journal: 11 + MMAP_LOCK_WORDS + SPIN_LOCK_WORDS + RW_LOCK_WORDS,
} as const;
export const MM_WORDS = MmWord.Journal + JOURNAL_HEADER_WORDS;
export const MM_KINDS = ['user', 'init', 'special'] as const;

/** What a new VMA is to be. */
export interface NewVma<H extends HandleFamily = HandleFamily> {
  /** Half-open: [start, end), page aligned, in the half of the addresses that the address space has. */
  readonly start: number;
  readonly end: number;
  /** {@link VmaFlags} */
  readonly flags: number;
  /** What it maps. Left out: anonymous memory. */
  readonly mapping?: Mapping<H> | undefined;
  /** The page of the file that `start` maps. Default: 0, of anonymous memory the page number of `start`. */
  readonly pgoff?: number;
}

/**
 * `struct mm_struct`: an address space. Its root table, its VMAs, its locks and counters.
 *
 * An object of this class is one thread's view; each thread has one for an address space ({@link Kernel.mm}). What threads share is in shared memory, but for the tree of VMAs: every thread has its own, and
 * brings it up to date when it takes the mmap lock.
 *
 * Each address space has a root table with entries of its own half of the addresses alone. (Where hardware has one root for both, the kernel copies the upper entries into every root.) So every table that can be
 * reached from a root belongs to the address space of that root, exit frees what it reaches, and a walk of one address space meets no lock of another.
 *
 * Locking: none, where nothing else is said: references and counters are atomic.
 */
export class Mm<H extends HandleFamily = HandleFamily> implements WalkMm<H>, TableOwner {
  readonly kernel: Kernel<H>;
  /** From 1, which is init_mm. */
  readonly id: number;
  readonly kind: 'user' | 'init' | 'special';
  readonly arch: WritableArch<H>;
  readonly root: Root;
  readonly context: MmContext;
  /** The mmap lock. Who takes it sees the VMAs as they are. */
  readonly lock: MmapLock;
  /** `page_table_lock`: index of the spin lock in `kernel.words.words`. */
  readonly pageTableLock: number;
  /**
   * `anon_vma->rwsem`, whose class is `lockClasses.anonVma`: index of the read-write lock in `kernel.words.words`. The kernel has one for each family of VMAs that may map the same anonymous
   * pages; one for each address space is enough where nobody looks for the entries of an anonymous page.
   */
  readonly anonVmaLock: number;
  /** Bytes of the smallest page. */
  readonly pageBytes: number;
  readonly locks: WalkLocks<H>;
  readonly install: WalkInstall<H>;
  readonly locklessRanges: readonly VaRange[];
  private readonly words: Int32Array;
  private readonly at: number;
  private readonly generation: number;
  private readonly tree: VmaTree<H>;
  private readonly hooks: TableHooks<H>;

  /**
   * For {@link Kernel.mm}.
   *
   * @param at index of its words
   * @param journal index of the records of its journal
   */
  constructor(kernel: Kernel<H>, id: number, at: number, journal: number, hooks: TableHooks<H>) {
    this.kernel = kernel;
    this.id = id;
    this.words = kernel.words.words;
    this.at = at;
    this.hooks = hooks;
    this.generation = Atomics.load(this.words, at + MmWord.Generation);
    // Written from that list.
    this.kind = MM_KINDS[this.words[at + MmWord.Kind]!]!;
    this.arch = kernel.archOf(this.kind);
    this.pageBytes = kernel.frames.pageBytes;
    this.root = kernel.rootOf(this.kind, (this.words[at + MmWord.Root]! >>> 0) + this.words[at + MmWord.Root + 1]! * 2 ** 32);
    this.context = kernel.contextOf(this);
    this.lock = new MmLock(this.words, at + MmWord.Lock, () => { this.assertAlive(); }, () => { this.replay(); });
    this.pageTableLock = at + MmWord.PageTableLock;
    this.anonVmaLock = at + MmWord.AnonVma;
    this.tree = new VmaTree(this, new VmaJournal(this.words, at + MmWord.Journal, journal, kernel.journalRecords));
    this.locks = this.walkLocks();
    this.install = { arch: this.arch, context: this.context, populate: (entry, address) => { hooks.populate(this, entry, address); } };
    this.locklessRanges = this.kind === 'init' ? kernel.vmalloc : [];
  }

  /** Whether this is still the address space that it was: its number may be another's. */
  get alive(): boolean {
    return Atomics.load(this.words, this.at + MmWord.Generation) === this.generation;
  }

  // References.

  /** `mm_users`: processes and others who use the VMAs and the memory. */
  get users(): number {
    return Atomics.load(this.words, this.at + MmWord.Users);
  }

  /** `mm_count`: who needs this object; all users together are one. */
  get references(): number {
    return Atomics.load(this.words, this.at + MmWord.Count);
  }

  /** `mmget()`. Whoever calls has a user's reference already. @throws PgtableError `EINVAL` if nobody has */
  mmget(): void {
    schedulePoint('mmget', this.words, this.at + MmWord.Users);
    if (Atomics.add(this.words, this.at + MmWord.Users, 1) > 0) return;
    Atomics.sub(this.words, this.at + MmWord.Users, 1);
    throw new PgtableError('EINVAL', `address space ${this.id} has no users: it cannot get another`, { hint: 'use mmgetNotZero() where that may be' });
  }

  /** `mmget_not_zero()`. Returns: whether there was a user, and so one more now. */
  mmgetNotZero(): boolean {
    for (;;) {
      schedulePoint('mmget_not_zero', this.words, this.at + MmWord.Users);
      const users = this.users;
      if (users === 0) return false;
      if (Atomics.compareExchange(this.words, this.at + MmWord.Users, users, users + 1) === users) return true;
    }
  }

  /**
   * `mmput()`: one user less. With the last one the memory goes ({@link TableHooks.exitMmap}).
   *
   * Locking: nothing may be held that exit takes.
   *
   * @throws PgtableError `EINVAL` if there was no user; `EBADMSG` as {@link mmdrop}
   */
  mmput(): void {
    schedulePoint('mmput', this.words, this.at + MmWord.Users);
    const users = Atomics.sub(this.words, this.at + MmWord.Users, 1);
    if (users < 1) {
      Atomics.add(this.words, this.at + MmWord.Users, 1);
      throw new PgtableError('EINVAL', `address space ${this.id} has no user who could leave`, { hint: 'mmput() once for newMm(), and once for each mmget()' });
    }
    if (users > 1) return;
    this.hooks.exitMmap?.(this);
    this.mmdrop();
  }

  /** `mmgrab()`. */
  mmgrab(): void {
    schedulePoint('mmgrab', this.words, this.at + MmWord.Count);
    Atomics.add(this.words, this.at + MmWord.Count, 1);
  }

  /**
   * `mmdrop()`: with the last reference the root table goes, and the number is free.
   *
   * @throws PgtableError `EBADMSG` if it was the last and VMAs, tables or pages are left (`check_mm()` of kernel/fork.c); `EINVAL` if there was no reference, or it is init_mm
   */
  mmdrop(): void {
    schedulePoint('mmdrop', this.words, this.at + MmWord.Count);
    const count = Atomics.sub(this.words, this.at + MmWord.Count, 1);
    if (count > 1) return;
    if (count < 1 || this.kind === 'init') {
      Atomics.add(this.words, this.at + MmWord.Count, 1);
      throw new PgtableError('EINVAL', `there is no reference on address space ${this.id} that could be dropped`, { hint: 'mmdrop() once for each mmgrab(); init_mm stays' });
    }
    const left = COUNTERS.filter((name) => this.counter(MmCounter[name]) !== 0).map((name) => `${name} ${this.counter(MmCounter[name])}`);
    if (left.length > 0) {
      Atomics.add(this.words, this.at + MmWord.Count, 1);
      throw new PgtableError('EBADMSG', `address space ${this.id} ends, and is not empty: ${left.join(', ')}`, { hint: 'unmap everything, and free its tables, before the last user leaves' });
    }
    this.kernel.pageTables.free(this.root.table);
    Atomics.add(this.words, this.at + MmWord.Generation, 1);
  }

  // Counters.

  /** @param which one of {@link MmCounter} */
  counter(which: MmCounter): number {
    scheduleTouch(this.words, this.at + MmWord.Counters + which, AccessType.Read);
    return Atomics.load(this.words, this.at + MmWord.Counters + which);
  }

  /** `add_mm_counter()` and its siblings. Locking: none. */
  addCounter(which: MmCounter, delta: number): void {
    scheduleTouch(this.words, this.at + MmWord.Counters + which, AccessType.Count);
    Atomics.add(this.words, this.at + MmWord.Counters + which, delta);
  }

  // Write protection by fork, which GUP-fast must not overlook.

  /** `write_protect_seq`: odd while a fork makes private pages read-only. It may wrap around. */
  get writeProtectSequence(): number {
    schedulePoint('read write_protect_seq', this.words, this.at + MmWord.WriteProtect, AccessType.Read);
    return Atomics.load(this.words, this.at + MmWord.WriteProtect);
  }

  /** `raw_write_seqcount_begin()`, `raw_write_seqcount_end()` of `write_protect_seq`. Locking: the mmap lock to write. */
  advanceWriteProtect(): void {
    this.lock.assertWriteLocked('write-protect pages for a child');
    schedulePoint('advance write_protect_seq', this.words, this.at + MmWord.WriteProtect);
    Atomics.add(this.words, this.at + MmWord.WriteProtect, 1);
  }

  // Finding VMAs.

  /**
   * `find_vma()`: the first VMA that ends above an address.
   *
   * Locking: the mmap lock, either way. Of init_mm none: who walks a range of it without a lock looks whether somebody has put a VMA there, which is the error that such a walk ends with.
   */
  findVma(address: number): Vma<H> | undefined {
    if (this.kind === 'init') this.tree.replay(false);
    else this.lock.assertLocked('look for a VMA');
    return this.firstEndingAbove(address);
  }

  /** `vma_lookup()`: the VMA that an address is in. Locking: the mmap lock, either way. */
  vmaLookup(address: number): Vma<H> | undefined {
    const vma = this.findVma(address);
    return vma !== undefined && vma.start <= address ? vma : undefined;
  }

  /** `find_vma_prev()`, the half of it that is its name: the last VMA that begins below an address. Locking: the mmap lock, either way. */
  vmaBefore(address: number): Vma<H> | undefined {
    this.lock.assertLocked('look for a VMA');
    return this.tree.below(address);
  }

  /**
   * `for_each_vma_range()`: the VMAs that have an address in [start, end), in order, as they are now: what the caller changes on the way does not show.
   *
   * Locking: the mmap lock, either way.
   */
  vmas(start = 0, end = Infinity): Vma<H>[] {
    this.lock.assertLocked('look for VMAs');
    const found: Vma<H>[] = [];
    for (let vma = this.firstEndingAbove(start); vma !== undefined && vma.start < end; vma = this.tree.above(vma.start)) found.push(vma);
    return found;
  }

  /**
   * `lock_vma_under_rcu()`: finds the VMA of an address and read-locks it, without the mmap lock. Who gets one calls `vma.lock.endRead()` in the end.
   *
   * What is found is the right one: its lock is held, so it neither changes nor is removed; it is not detached, so it is in its address space; and it has the address. Two VMAs of one address
   * space do not overlap, so no other has. All that was looked at with the lock held, and nothing depends on the tree being up to date.
   *
   * That there is a VMA to lock at all, and not the slot of another by now: the tree was brought up to date in the read section, so it is what the journal said at a moment in it. A VMA that is removed is
   * taken out of the journal first, and given to callRcu() afterwards. If it was in the tree, then it was taken out after that moment, and callRcu() came still later: its grace period waits for this
   * section.
   *
   * Locking: none. An RCU read section is in it.
   *
   * @returns undefined if there is none, a writer has it, or that cannot be told now: take the mmap lock to read, and look again
   * @see mm/memory.c, Linux 6.12
   */
  lockVmaUnderRcu(address: number): Vma<H> | undefined {
    const { rcu } = this.kernel;
    rcu.readLock();
    try {
      for (;;) {
        if (!this.tree.replay(false)) return undefined;
        const vma = this.tree.atOrBelow(address);
        if (vma?.lock.startRead() !== true) return undefined;
        // That the slot is still this VMA's: what the grace period is for.
        scheduleTouch(this.words, this.kernel.slots.at(vma.id) + VmaWord.Generation, AccessType.Read);
        if (!vma.detached) {
          if (vma.contains(address)) return vma;
          vma.lock.endRead();
          return undefined;
        }
        // It was removed between the look at the journal and the lock. The journal says so by now, so the next look finds another, or none.
        vma.lock.endRead();
      }
    } finally {
      rcu.readUnlock();
    }
  }

  // Changing VMAs. 6.12: mm/vma.c. All need the mmap lock to write, and write-lock each VMA before they change it, until the mmap lock is released or downgraded.

  /**
   * `vma_link()`: a new VMA. Merges nothing: see {@link mergeVmas}.
   *
   * Locking: the mmap lock to write. Takes that of the mapping.
   *
   * @throws PgtableError `EINVAL` for a range that cannot be, or where another VMA is; `ENOMEM` if there are too many
   */
  insertVma({ start, end, flags, mapping, pgoff = mapping === undefined ? start / this.pageBytes : 0 }: NewVma<H>): Vma<H> {
    this.lock.assertWriteLocked('insert a VMA');
    this.checkRange(start, end, pgoff, 'a VMA cannot be inserted');
    const there = this.firstEndingAbove(start);
    if (there !== undefined && there.start < end) throw this.refused('a VMA cannot be inserted', start, end, `${this.name(there)} is there`, 'unmap what is there first');
    const vma = this.newVma(start, end, pgoff, flags, mapping);
    this.withMapping(mapping, () => mapping?.link(vma));
    this.attach(vma, [insertion(vma)]);
    return vma;
  }

  /**
   * Takes a VMA out: `vma_mark_detached()`, `vm_area_free()`. Its number is another's after a grace period. What it maps must be unmapped already, or by this mmap lock.
   *
   * Locking: the mmap lock to write. Takes that of the mapping.
   *
   * @throws PgtableError `EINVAL` if it is not in this address space
   */
  removeVma(vma: Vma<H>): void {
    this.own(vma, 'remove a VMA');
    const { mapping } = vma;
    vma.lock.startWrite();
    this.withMapping(mapping, () => mapping?.unlink(vma));
    this.detach(vma, [removal(vma)]);
  }

  /**
   * `__split_vma()`: of one VMA two, at an address in it.
   *
   * Locking: the mmap lock to write. Takes that of the mapping.
   *
   * @param address the first of the upper one, page aligned
   * @param over there may be one more than there may be, for who removes one in the same breath
   * @returns the upper one, which is new
   * @throws PgtableError `EINVAL` if the address is not inside; `ENOMEM` if there are too many VMAs
   */
  splitVma(vma: Vma<H>, address: number, over = false): Vma<H> {
    this.own(vma, 'split a VMA');
    const { start, end, pgoff, mapping } = vma;
    if (address <= start || address >= end || address % this.pageBytes !== 0) {
      throw this.refused('a VMA cannot be split', start, end, `0x${BigInt(address).toString(16)} is no page in the middle of it`, 'split where a page begins that is not the first');
    }
    const upper = this.newVma(address, end, vma.indexOf(address), vma.flags, mapping, over);
    vma.lock.startWrite();
    this.withMapping(mapping, () => {
      mapping?.link(upper);
      vma.setRange(start, address, pgoff);
    });
    this.attach(upper, [insertion(upper)]);
    return upper;
  }

  /**
   * `vma_expand()`, `vma_shrink()`: moves one end of a VMA, or both. What the pages in it map stays.
   *
   * Locking: the mmap lock to write. Takes that of the mapping.
   *
   * @throws PgtableError `EINVAL` if the range cannot be, has no page of the old one, or reaches into another VMA
   */
  adjustVma(vma: Vma<H>, start: number, end: number): void {
    this.own(vma, 'adjust a VMA');
    const before = vma.start;
    const pgoff = vma.pgoff + (start - before) / this.pageBytes;
    this.checkRange(start, end, pgoff, `${this.name(vma)} cannot be adjusted`);
    if (start >= vma.end || end <= before) throw this.refused(`${this.name(vma)} cannot be adjusted`, start, end, 'no page of it would stay', 'remove it, and insert another');
    const previous = this.tree.below(before);
    const next = this.tree.above(before);
    if (previous !== undefined && previous.end > start) throw this.refused(`${this.name(vma)} cannot be adjusted`, start, end, `${this.name(previous)} is there`, 'unmap what is there first');
    if (next !== undefined && next.start < end) throw this.refused(`${this.name(vma)} cannot be adjusted`, start, end, `${this.name(next)} is there`, 'unmap what is there first');
    const { mapping } = vma;
    vma.lock.startWrite();
    const removed = removal(vma);
    this.withMapping(mapping, () => { vma.setRange(start, end, pgoff); });
    if (start !== before) this.tree.publish([removed, insertion(vma)]);
  }

  /**
   * `vm_flags_reset()`: other flags. Splits and merges nothing.
   *
   * Locking: the mmap lock to write.
   *
   * @param flags {@link VmaFlags}
   */
  setVmaFlags(vma: Vma<H>, flags: number): void {
    this.own(vma, 'change the flags of a VMA');
    vma.lock.startWrite();
    vma.resetFlags(flags);
  }

  /**
   * `vma_merge_existing_range()`, of a whole VMA: makes one of it and the neighbours that touch it and go on as it does: the same flags but for `SoftDirty`, none of `VM_SPECIAL`, the same file, and its next pages. (The
   * kernel compares what belongs to anon_vma too, which this model's VMAs do not have.)
   *
   * As there, the one below grows if it can be merged, and the others go; else the one above does.
   *
   * Locking: the mmap lock to write. Takes that of the mapping.
   *
   * @returns what the VMA is part of now; itself if there was nothing to merge
   */
  mergeVmas(vma: Vma<H>): Vma<H> {
    this.own(vma, 'merge VMAs');
    const { start, end, mapping } = vma;
    const below = this.tree.below(start);
    const above = this.tree.above(start);
    const left = below !== undefined && mergeable(below, vma) ? below : undefined;
    const right = above !== undefined && mergeable(vma, above) ? above : undefined;
    const kept = left ?? right;
    if (kept === undefined) return vma;
    const gone = left !== undefined && right !== undefined ? [vma, right] : [vma];
    vma.lock.startWrite();
    left?.lock.startWrite();
    right?.lock.startWrite();
    const changes = gone.map((each) => removal(each));
    if (left === undefined) changes.unshift(removal(kept));
    this.withMapping(mapping, () => {
      for (const each of gone) mapping?.unlink(each);
      kept.setRange(left?.start ?? start, right?.end ?? end, left?.pgoff ?? vma.pgoff);
    });
    if (left === undefined) changes.push(insertion(kept));
    this.detachAll(gone, changes);
    return kept;
  }

  // For walks.

  /** {@link WalkMm.splitHuge} Locking: the mmap lock, the VMA's, or that of the file's mapping. Takes the lock of the PMD table. */
  splitHuge(vma: WalkVma<H>, at: EntryAt<H>, address: number): void {
    this.hooks.splitHuge(this, this.mine(vma), at, address);
  }

  /** `vm_normal_page()`: the shared zero page, a page, or what has no struct page: beyond memory, or `pte_special`. */
  normalPage(_vma: WalkVma<H>, _address: number, at: EntryAt<H>, value: EntryVal<Level>, pfn: number): 'page' | 'zeropage' | undefined {
    const { frames, zeroPfn } = this.kernel;
    if (pfn === zeroPfn) return 'zeropage';
    if (pfn < frames.firstPfn || pfn >= frames.firstPfn + frames.count) return undefined;
    // The value is of the level that `at` says.
    return this.arch.values[at.level].special(value as never) ? undefined : 'page';
  }

  /** `is_migration_entry()`, `swp_offset_pfn()`: by the numbers of swap types that `makeReadableMigrationEntry()` and its siblings give, whatever the kernel that the architecture decodes dumps of. */
  migratingPfn({ level }: EntryAt<H>, value: EntryVal<Level>): number | undefined {
    const values: EntryValues = this.arch.values[level];
    if (!values.swap(value)) return undefined;
    const entry = { type: values.swapType(value), offset: values.swapOffset(value) };
    if (!isMigrationEntry(entry)) return undefined;
    const { firstPfn, count } = this.kernel.frames;
    // Young and dirty stand above what any frame's number needs (SWP_PFN_BITS).
    return Number(BigInt.asUintN(Math.ceil(Math.log2(firstPfn + count)), entry.offset));
  }

  private walkLocks(): WalkLocks<H> {
    const { lock, hooks } = this;
    return {
      assertMmapReadLocked: () => { lock.assertLocked('walk page tables'); },
      assertMmapWriteLocked: () => { lock.assertWriteLocked('walk page tables that it changes'); },
      assertInitWriteLocked: () => { this.kernel.initMm.lock.assertWriteLocked('walk tables of init_mm'); },
      vmaStartWrite: (vma) => { this.mine(vma).lock.startWrite(); },
      assertVmaWriteLocked: (vma) => { this.mine(vma).lock.assertWriteLocked('walk a VMA that it changes'); },
      assertVmaReadLocked: (vma) => { this.mine(vma).lock.assertLocked('walk a VMA'); },
      pteOffsetMapLock: (pmdp, address) => hooks.pteOffsetMapLock(this, pmdp, address),
      pteOffsetMap: (pmdp, address) => hooks.pteOffsetMap(this, pmdp, address),
      pmdLock: (pmdp) => hooks.pmdLock(this, pmdp),
      pudLock: (pudp) => hooks.pudLock(this, pudp),
    };
  }

  private firstEndingAbove(address: number): Vma<H> | undefined {
    const vma = this.tree.atOrBelow(address);
    return vma !== undefined && vma.end > address ? vma : this.tree.above(address);
  }

  /** A VMA that nobody else knows yet. */
  private newVma(start: number, end: number, pgoff: number, flags: number, mapping: Mapping<H> | undefined, over = false): Vma<H> {
    if (!over && this.counter(MmCounter.MapCount) >= this.kernel.mapCountLimit) {
      throw new PgtableError('ENOMEM', `address space ${this.id} has ${this.kernel.mapCountLimit} VMAs, and cannot have another`, { hint: 'make the kernel with a larger `mapCount`' });
    }
    const { slots } = this.kernel;
    const id = this.kernel.allocVma();
    const slot = slots.at(id);
    slots.words[slot + VmaWord.Mm] = this.id;
    slots.words[slot + VmaWord.Mapping] = mapping?.id ?? 0;
    const vma = this.kernel.vma(this, id, slots.words[slot + VmaWord.Generation]!);
    vma.lock.init();
    vma.setRange(start, end, pgoff);
    vma.resetFlags(flags);
    // Before others can see it: whoever finds it waits until it is whole.
    vma.lock.startWrite();
    return vma;
  }

  private attach(vma: Vma<H>, changes: readonly VmaChange[]): void {
    vma.markDetached(false);
    this.tree.publish(changes);
    this.addCounter(MmCounter.MapCount, 1);
  }

  private detach(vma: Vma<H>, changes: readonly VmaChange[]): void {
    this.detachAll([vma], changes);
  }

  /** Takes write-locked VMAs out. The order matters: see {@link lockVmaUnderRcu}. */
  private detachAll(gone: readonly Vma<H>[], changes: readonly VmaChange[]): void {
    for (const vma of gone) vma.markDetached(true);
    this.tree.publish(changes);
    for (const vma of gone) this.kernel.rcu.callRcu(RcuKind.FreeVma, vma.id);
    this.addCounter(MmCounter.MapCount, -gone.length);
  }

  private withMapping(mapping: Mapping<H> | undefined, change: () => void): void {
    mapping?.lock();
    try {
      change();
    } finally {
      mapping?.unlock();
    }
  }

  private checkRange(start: number, end: number, pgoff: number, what: string): void {
    const { pageBytes } = this;
    if (start % pageBytes !== 0 || end % pageBytes !== 0 || !(start < end)) throw this.refused(what, start, end, 'that is no range of whole pages', `addresses are multiples of ${pageBytes}`);
    if (!Number.isSafeInteger(pgoff) || pgoff < 0) throw this.refused(what, start, end, `it would begin at page ${pgoff} of its file`, 'give a page number from 0 on');
    if (this.root.windows.some((window) => start >= window.start && end <= window.end)) return;
    throw this.refused(what, start, end, 'the root table does not translate all of it', `it translates ${this.root.windows.map((window) => `[0x${BigInt(window.start).toString(16)}, 0x${BigInt(window.end).toString(16)})`).join(' and ')}`);
  }

  /** Locking: see the callers. @throws PgtableError `EINVAL` if the VMA is not in this address space, or the mmap lock is not held to write */
  private own(vma: Vma<H>, what: string): void {
    this.lock.assertWriteLocked(what);
    if (vma.mm !== this) throw new PgtableError('EINVAL', `address space ${this.id} cannot ${what} of address space ${vma.mm.id}`, { hint: 'use the Mm that the VMA is of: vma.mm' });
    if (vma.detached) throw new PgtableError('EINVAL', `address space ${this.id} cannot ${what}: VMA ${vma.id} is detached, so it is not in it any more`, { hint: 'look it up again after the mmap lock was taken' });
  }

  /** A VMA that a walk gives back. */
  private mine(vma: WalkVma<H>): Vma<H> {
    // instanceof knows nothing of H; the address space does.
    if (vma instanceof Vma && vma.mm === this) return vma as Vma<H>;
    throw new PgtableError('EINVAL', `a walk of address space ${this.id} met a VMA that is not of it`, { hint: 'VMAs come from findVma() of the same Mm' });
  }

  private assertAlive(): void {
    if (!this.alive) throw new PgtableError('EINVAL', `address space ${this.id} is gone`, { hint: 'keep a reference as long as it is used: mmgrab(), mmget()' });
  }

  private replay(): void {
    if (!this.tree.replay(true)) throw new PgtableError('EBADMSG', `somebody writes the VMAs of address space ${this.id} without the mmap lock`, { hint: 'a thread that threw while it published VMAs leaves them half written' });
  }

  private name(vma: Vma<H>): string {
    return `VMA ${vma.id} [0x${BigInt(vma.start).toString(16)}, 0x${BigInt(vma.end).toString(16)})`;
  }

  private refused(what: string, start: number, end: number, why: string, hint: string): PgtableError {
    const shown = (address: number): string => Number.isInteger(address) ? `0x${BigInt(address).toString(16)}` : String(address);
    return new PgtableError('EINVAL', `${what} at [${shown(start)}, ${shown(end)}) of address space ${this.id}: ${why}`, { ...(Number.isInteger(start) ? { address: BigInt(start) } : {}), hint });
  }
}

function insertion<H extends HandleFamily>(vma: Vma<H>): VmaChange {
  return { kind: RecordKind.Insert, id: vma.id, generation: vma.generation, page: vma.start / vma.mm.pageBytes };
}

function removal<H extends HandleFamily>(vma: Vma<H>): VmaChange {
  return { ...insertion(vma), kind: RecordKind.Remove };
}

/** `can_vma_merge_after()`: whether two neighbours can be one. */
function mergeable<H extends HandleFamily>(below: Vma<H>, above: Vma<H>): boolean {
  if (below.end !== above.start || ((below.flags ^ above.flags) & ~VmaFlags.SoftDirty) !== 0 || (above.flags & SPECIAL_FLAGS) !== 0) return false;
  return below.mapping === above.mapping && below.pgoff + below.pages === above.pgoff;
}
