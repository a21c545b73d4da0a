import {
  EntryKind, geometryOf, LEVELS, levelNumber, PgtableError, ScanBuffer, scanFilter, UnlinkedTable, type Geometry, type HandleFamily, type Level,
  type TableMemory, type WritableArch,
} from '@pgtable/core';
import type { Frames } from '../frames/frames.js';
import { FrameType, FrameWord, MEMMAP_WORDS, TableWord } from '../frames/memmap.js';
import { spinIsLocked } from '../locks/spin-lock.js';
import { AccessType, scheduleTouch } from '../schedule-point.js';
import { constructedTable, hasSplitLock, headOf, hex, infoOf, levelOf, MAX_TABLE_OWNERS, tableWord, type TableInfo, type TableOwner } from './constructor.js';
import { depositTable, isDeposited, withdrawTable } from './deposit.js';

/** Of one owner, in the counters: how many tables of each level, by its number, and how many split locks. */
const LOCKS = LEVELS.length;
const OWNER_WORDS = LEVELS.length + 1;

/** Int32 words of shared memory that the accounts of page tables need, all 0 at first. */
export const PAGE_TABLE_COUNTER_WORDS = MAX_TABLE_OWNERS * OWNER_WORDS;

/** Tables that an error lists. */
const SHOWN = 8;

/** Is told of every table. For protection, and for checks. One belongs to one thread, and is told of what that thread does. */
export interface PageTableHook {
  /** A constructor has run: the table's entries are empty, and it is not live. What it throws, the allocation throws, and the table is gone. */
  constructed?(table: TableInfo): void;
  /** A destructor is about to run. What it throws keeps the table. */
  destroying?(table: TableInfo): void;
}

/**
 * The page tables of a machine: allocation with constructors, destructors, accounts, split locks, deposits. What is known of a table stands in the memory
 * map, at its first frame, so every thread has an object of this class over the same shared memory, and a table that one thread made another may free.
 *
 * What constructors do, and for whom, stands in constructor.ts. Kernel: `pagetable_alloc`, `pagetable_*_ctor`, `pagetable_dtor` (include/linux/mm.h,
 * include/asm-generic/pgalloc.h), for which 6.12 has a function a level.
 *
 * Locking: none, where nothing else is said: accounts are atomic.
 */
export class PageTables<H extends HandleFamily = HandleFamily> {
  readonly frames: Frames;
  readonly tables: TableMemory;
  private readonly counters: Int32Array;
  private readonly first: number;
  private readonly hooks = new Set<PageTableHook>();

  /**
   * @param tables the same memory as `frames`, by entries
   * @param counters,index where the accounts are: {@link PAGE_TABLE_COUNTER_WORDS} words of shared memory, 0 at first
   * @throws PgtableError `EINVAL` if there are not so many words
   */
  constructor(frames: Frames, tables: TableMemory, counters: Int32Array, index = 0) {
    if (!Number.isInteger(index) || index < 0 || index + PAGE_TABLE_COUNTER_WORDS > counters.length) {
      throw new PgtableError('EINVAL', `the accounts of page tables do not fit in words [${index}, ${counters.length})`, { hint: `they take ${PAGE_TABLE_COUNTER_WORDS} words` });
    }
    this.frames = frames;
    this.tables = tables;
    this.counters = counters;
    this.first = index;
  }

  /**
   * `pagetable_alloc` with the constructor: a table that is not live, every entry of it empty. For every level, and every owner.
   *
   * Locking: none; takes the zone lock.
   *
   * @param owner the address space that it is made for
   * @throws PgtableError `ENOMEM` if no frames are left; `EINVAL` for a level that does not exist, an owner that cannot be, or frames of another size than
   *   the architecture's pages
   */
  alloc<L extends Level>(arch: WritableArch<H>, owner: TableOwner, level: L): UnlinkedTable<H, L> {
    const pfn = this.allocFrames(arch.geometry, owner, level);
    try {
      return this.construct(arch, owner, level, pfn * this.frames.pageBytes);
    } catch (error) {
      this.frames.put(pfn);
      throw error;
    }
  }

  /**
   * `pagetable_dtor` and `pagetable_free`: the destructor runs, and the frames go back. By the address alone, so an RCU handler in whatever thread may do it.
   *
   * Locking: none; takes the zone lock. The table must not be live, and no reader may look at it any more: that is the caller's word.
   *
   * @param address physical, of the table
   * @throws PgtableError `EINVAL` as {@link destroy}, and if the translations of the entry that pointed to it were not flushed; nothing has changed then
   */
  free(address: number): void {
    const { pfn } = this.checkedForDestruction(address, 'free a page table');
    const stale = this.frames.read(pfn, FrameWord.Stale);
    if (stale !== 0) throw this.refused('free the page table', address, `translations through it may still be cached (${stale})`, 'flush, with `tables`, before the table is freed');
    this.destroy(address);
    // Who is still in the table, without a lock, is too late.
    scheduleTouch(undefined, address, AccessType.Write, 2 ** this.frames.read(pfn, FrameWord.Order) * this.frames.pageBytes);
    // Who found the frame without a lock, when it was something else, may have taken a reference a moment ago, and gives it back as soon as it has looked again. The last one frees.
    this.frames.put(pfn);
  }

  /**
   * The constructor alone, for allocators of their own: makes a table of frames that the caller got from `Frames.allocPages`. Every entry of it is empty then.
   *
   * Locking: none; nobody else knows the frames.
   *
   * @param address physical, of the first of as many frames as the table needs
   * @throws PgtableError `EINVAL` if the frames are a table already, or were not given out, or are too few; for a level or an owner that cannot be. What a
   *   hook throws
   */
  construct<L extends Level>(arch: WritableArch<H>, owner: TableOwner, level: L, address: number): UnlinkedTable<H, L> {
    const pfn = this.checkedForConstruction(arch.geometry, owner, level, address, `construct a ${level} table`);
    const table = arch.newTable(level, address, owner.kind === 'user');
    this.begin(pfn, level, owner, 0);
    this.finish(pfn, owner);
    return table;
  }

  /**
   * The destructor alone: the frames are the caller's again, and are freed by `Frames.freePages`.
   *
   * Locking: none; the table must not be live, and no reader may look at it any more.
   *
   * @param address physical, of the table
   * @throws PgtableError `EINVAL` if there is no table whose constructor has run: it was freed already, or never constructed; if its split lock is held, if
   *   tables are put aside in it, or it is put aside itself (6.12: the assertion in `pmd_ptlock_free` of include/linux/mm.h). Nothing has changed then
   */
  destroy(address: number): void {
    const table = this.checkedForDestruction(address, 'destroy a page table');
    for (const hook of this.hooks) hook.destroying?.(table);
    this.undo(table);
  }

  /**
   * A table that is constructed and linked nowhere, known by its address alone: withdrawn from a deposit.
   *
   * Locking: none; the table is the caller's.
   *
   * @param address physical
   * @throws PgtableError `EINVAL` if that is no such table, is of another level, is put aside, or has an entry that is not empty
   */
  adopt<L extends Level>(arch: WritableArch<H>, level: L, address: number): UnlinkedTable<H, L> {
    const what = `adopt a ${level} table`;
    const info = constructedTable(this.frames, address, what);
    if (info.level !== level) throw this.refused(what, address, `it is a ${info.level} table`, 'say the level that it was made for');
    if (isDeposited(this.frames, info.pfn)) throw this.refused(what, address, 'it is put aside for a huge page', 'withdraw it first');
    const { entries, shift } = geometryOf(arch.geometry, level);
    const first = arch.rootTable({ table: address, top: level, first: 0, end: entries, windows: [], inherited: 0 });
    if (first === undefined) throw this.refused(what, address, 'the architecture does not find it', 'use an architecture over the same memory');
    const handle: H[L] = first.table;
    const scan = new ScanBuffer(1);
    const ops = arch.ops[level];
    if (ops.scan(handle, 0, entries, scanFilter(false), scan) !== entries || scan.kind[0] !== EntryKind.None) {
      const index = Array.from({ length: entries }, (_, at) => at).find((at) => !arch.values[level].none(ops.get(ops.advance(handle, at))));
      if (index !== undefined) throw this.refused(what, address, `entry ${index} is 0x${ops.raw(ops.advance(handle, index)).toString(16)}, not empty`, 'a table that is put aside is empty');
    }
    return new UnlinkedTable<H, L>(ops, handle, { address, entries, shift, user: info.user });
  }

  /**
   * `pgtable_trans_huge_deposit`: puts a PTE table aside for the day on which a huge page of a PMD table is split, so that the split cannot fail.
   *
   * As in mm/pgtable-generic.c (6.12): {@link withdraw} gives what was deposited last, and from then on the others in the order in which they came. The
   * comment there calls that FIFO.
   *
   * Locking: the lock of the PMD table, if it has one of its own; else that which stands for it.
   *
   * @param pmdTableAddress,pteTableAddress physical, of the tables; the PTE table is empty and linked nowhere
   * @throws PgtableError `EINVAL` if they are no such tables, the PTE table is put aside already, or the lock is not held; a LockRuleError in threads that
   *   are checked
   */
  deposit(pmdTableAddress: number, pteTableAddress: number): void {
    depositTable(this.frames, pmdTableAddress, pteTableAddress);
  }

  /**
   * `pgtable_trans_huge_withdraw`: takes back a table that was put aside.
   *
   * Locking: as {@link deposit}.
   *
   * @returns its physical address, for {@link adopt} or {@link free}
   * @throws PgtableError `EINVAL` if nothing was put aside: a deposit was forgotten; and as {@link deposit}
   */
  withdraw(pmdTableAddress: number): number {
    return withdrawTable(this.frames, pmdTableAddress);
  }

  /**
   * `ptlock_ptr`: where the split lock of a table is, as an index of `frames.memmap`.
   *
   * Locking: something keeps the table from being freed: RCU, the mmap lock, a lock above it.
   *
   * @param address physical, of the table or of an entry of it
   * @throws PgtableError `EINVAL` if there is no table, or it has no lock of its own: the constructor did not initialise it
   */
  lockWord(address: number): number {
    const { frames } = this;
    const { memmap } = frames;
    // Every fault comes here: words are read by their place. Outside of memory nothing is read, and nothing is equal to undefined.
    const own = Math.floor((address - frames.base) / frames.pageBytes) * MEMMAP_WORDS;
    if (memmap[own + FrameWord.Type] === FrameType.Table) {
      const head = memmap[own + FrameWord.Head]! * MEMMAP_WORDS;
      if ((Atomics.load(memmap, head + FrameWord.Table) & TableWord.LockInitialised) !== 0) return head + FrameWord.TableLock;
    }
    const pfn = headOf(frames, address, 'find a split lock');
    const { level } = constructedTable(frames, pfn * frames.pageBytes, 'find the split lock of a table');
    throw this.refused('find a split lock', address, `the ${level} table has none: its constructor did not initialise one`, 'tables of init_mm, and those above PMD tables, have the address space\'s page_table_lock');
  }

  /** The descriptor of the table that begins at an address. @throws PgtableError `EINVAL` if there is none whose constructor has run */
  info(address: number): TableInfo {
    return constructedTable(this.frames, address, 'describe a page table');
  }

  /**
   * Has a hook told of every table that this thread makes or destroys from here on.
   *
   * @returns takes the hook away
   */
  addHook(hook: PageTableHook): () => void {
    this.hooks.add(hook);
    return () => {
      this.hooks.delete(hook);
    };
  }

  /** NR_PAGETABLE: how many tables there are, of one level or of all, of one owner or of all. Early ones count from {@link constructEarly} on. */
  nrPageTables(level?: Level, ownerId?: number): number {
    const at = level === undefined ? undefined : levelNumber(level);
    return this.sum(ownerId, (word) => word < LOCKS && (at === undefined || word === at));
  }

  /** How many tables have a split lock now, of one owner or of all. Always 0 for an owner that is `init`. */
  locksInitialised(ownerId?: number): number {
    return this.sum(ownerId, (word) => word === LOCKS);
  }

  /**
   * Says that no table is left, of one owner or of all: the end of an address space (`check_mm` of kernel/fork.c looks at the same counter), the end of a test.
   *
   * @throws PgtableError `EBADMSG` with the number of tables by level and the addresses of the first ones; also where the accounts and the memory map differ
   */
  assertNone(ownerId?: number): void {
    const counted = LEVELS.map((level) => this.nrPageTables(level, ownerId));
    const left = this.all(ownerId);
    const early = left.filter(({ constructed }) => !constructed).length;
    const of = ownerId === undefined ? '' : ` of owner ${ownerId}`;
    const list = left.slice(0, SHOWN).map(({ info }) => `${info.level} table at ${hex(info.address)}${ownerId === undefined ? ` of owner ${info.owner}` : ''}`).join(', ');
    const listed = list + (left.length > SHOWN ? ` and ${left.length - SHOWN} more` : '');
    if (counted.some((count, number) => count !== left.filter(({ info, constructed }) => constructed && levelNumber(info.level) === number).length)) {
      throw new PgtableError('EBADMSG', `the accounts of page tables${of} are wrong: ${levelsText(counted)} were counted, and there are: ${listed === '' ? 'none' : listed}`);
    }
    if (left.length === 0) return;
    throw new PgtableError('EBADMSG', `${left.length} page tables${of} were not freed (${levelsText(counted)}${early === 0 ? '' : `, ${early} early`}): ${listed}`, {
      hint: 'who unlinks a table frees it, at once or after a grace period; a deposit is withdrawn and freed with its huge page',
    });
  }

  /**
   * A table before constructors can run: what an early allocator (memblock, `early_pgtable_alloc` of arch/arm64/mm/mmu.c) makes. It has no lock, is in no
   * count, and no hook knows it, until {@link constructEarly}. In all else it is a table.
   *
   * Locking: none; one processor runs.
   *
   * @throws PgtableError as {@link alloc}
   */
  allocEarly<L extends Level>(arch: WritableArch<H>, owner: TableOwner, level: L): UnlinkedTable<H, L> {
    const pfn = this.allocFrames(arch.geometry, owner, level);
    try {
      const address = pfn * this.frames.pageBytes;
      this.checkedForConstruction(arch.geometry, owner, level, address, `make an early ${level} table`);
      const table = arch.newTable(level, address, owner.kind === 'user');
      this.begin(pfn, level, owner, TableWord.Early);
      return table;
    } catch (error) {
      this.frames.put(pfn);
      throw error;
    }
  }

  /**
   * The fix-up: runs the constructors of all early tables, those that are live too. Their entries stay.
   *
   * Locking: none; one processor runs, before anybody takes locks of tables.
   *
   * @param owners whose tables they are: an early table knows its owner's number alone
   * @returns how many there were
   * @throws PgtableError `EINVAL` if the owner of a table is not among them: nothing was constructed then. What a hook throws
   */
  constructEarly(owners: readonly TableOwner[]): number {
    const waiting = this.all().filter(({ constructed }) => !constructed).map(({ info }) => {
      const owner = owners.find(({ id }) => id === info.owner);
      if (owner === undefined) throw this.refused('construct the early page table', info.address, `its owner ${info.owner} was not named`, 'name the owners of all early tables: mostly init_mm alone');
      return { info, owner };
    });
    for (const { info, owner } of waiting) this.finish(info.pfn, owner, true);
    return waiting.length;
  }

  private allocFrames(geometry: Geometry, owner: TableOwner, level: Level): number {
    const { frames } = this;
    const bytes = geometryOf(geometry, level).entries * geometry.entryBytes;
    try {
      return frames.allocPages(Math.max(0, Math.ceil(Math.log2(bytes / frames.pageBytes))));
    } catch (cause) {
      if (!(cause instanceof PgtableError) || cause.code !== 'ENOMEM') throw cause;
      throw new PgtableError('ENOMEM', `no memory for a ${level} table of ${bytes} bytes for owner ${owner.id}: ${cause.message}`, { ...(cause.hint === undefined ? {} : { hint: cause.hint }), cause });
    }
  }

  /** The first frame of what is to be a table, if it can be one. */
  private checkedForConstruction(geometry: Geometry, owner: TableOwner, level: Level, address: number, what: string): number {
    const { frames } = this;
    if (geometry.pageBytes !== frames.pageBytes) {
      throw new PgtableError('EINVAL', `cannot ${what}: frames have ${frames.pageBytes} bytes, the architecture's pages ${geometry.pageBytes}`, { hint: 'make the Frames with the architecture\'s pageBytes' });
    }
    if (!Number.isInteger(owner.id) || owner.id < 0 || owner.id >= MAX_TABLE_OWNERS) {
      throw new PgtableError('EINVAL', `cannot ${what} for owner ${owner.id}`, { hint: `owners have numbers from 0 up to ${MAX_TABLE_OWNERS}; numbers of those that are gone are used again` });
    }
    const pfn = headOf(frames, address, what);
    const already = levelOf(frames.read(pfn, FrameWord.Table));
    if (already !== undefined) throw this.refused(what, address, `it is a ${already} table already`, 'a constructor runs once; the destructor comes before the next');
    if (frames.read(pfn, FrameWord.Type) !== FrameType.Allocated || pfn * frames.pageBytes !== address) {
      throw this.refused(what, address, `${frames.describe(Math.floor(address / frames.pageBytes))} is not the first of frames that were given out for it`, 'take frames by allocPages() first');
    }
    const bytes = geometryOf(geometry, level).entries * geometry.entryBytes;
    const has = frames.pageBytes * 2 ** frames.read(pfn, FrameWord.Order);
    if (has < bytes) throw this.refused(what, address, `the block has ${has} bytes, the table ${bytes}`, 'take as many frames as the table needs');
    return pfn;
  }

  private checkedForDestruction(address: number, what: string): TableInfo {
    const { frames } = this;
    const table = constructedTable(frames, address, what);
    const { pfn } = table;
    if (isDeposited(frames, pfn)) throw this.refused(what, address, 'it is put aside for a huge page', 'withdraw it first');
    const deposit = frames.read(pfn, FrameWord.Deposit);
    if (deposit !== 0) {
      throw this.refused(what, address, `tables are put aside in it, the next at ${hex((deposit - 1 + frames.firstPfn) * frames.pageBytes)}`, 'withdraw and free them when the huge pages go');
    }
    if (table.lockInitialised && spinIsLocked(frames.memmap, frames.word(pfn, FrameWord.TableLock))) throw this.refused(what, address, 'its split lock is held', 'release the lock first');
    return table;
  }

  /** What makes the frames a table, without what a constructor does. */
  private begin(pfn: number, level: Level, owner: TableOwner, more: number): void {
    const { frames } = this;
    for (const word of [FrameWord.TableLock, FrameWord.Next, FrameWord.Previous, FrameWord.Deposit]) frames.write(pfn, word, 0);
    frames.write(pfn, FrameWord.Owner, owner.id);
    frames.exchangeTable(pfn, frames.read(pfn, FrameWord.Table), tableWord(level, owner) | more);
    this.setType(pfn, FrameType.Table);
  }

  /**
   * The constructor proper, on a table that was begun.
   *
   * @param keep what is to become of it if a hook refuses: it stays an early table, or its frames are no table any more
   */
  private finish(pfn: number, owner: TableOwner, keep = false): void {
    const { frames } = this;
    const before = frames.read(pfn, FrameWord.Table);
    // A table that was begun has a level.
    const level = levelOf(before)!;
    const lock = hasSplitLock(level, owner) ? TableWord.LockInitialised : 0;
    const word = before | TableWord.Constructed | lock;
    // `ptlock_init`: 0 is a lock that is free.
    if (lock !== 0) frames.write(pfn, FrameWord.TableLock, 0);
    frames.write(pfn, FrameWord.Table, word);
    const table = infoOf(frames, pfn, word);
    this.account(table, 1);
    try {
      for (const hook of this.hooks) hook.constructed?.(table);
    } catch (error) {
      this.undo(table);
      if (keep) this.begin(pfn, level, owner, TableWord.Early);
      throw error;
    }
  }

  /** The destructor proper. The word goes from constructed to none in one step, so of two threads that free a table one is told. */
  private undo(table: TableInfo): void {
    const { frames } = this;
    const word = frames.read(table.pfn, FrameWord.Table);
    if ((word & TableWord.Constructed) === 0 || !frames.exchangeTable(table.pfn, word, 0)) {
      throw this.refused('destroy the page table', table.address, 'another thread destroys it', 'a table is freed once');
    }
    this.account(table, -1);
    this.setType(table.pfn, FrameType.Allocated);
  }

  private setType(pfn: number, type: FrameType): void {
    const end = pfn + 2 ** this.frames.read(pfn, FrameWord.Order);
    for (let frame = pfn; frame < end; frame++) this.frames.write(frame, FrameWord.Type, type);
  }

  private account(table: TableInfo, delta: number): void {
    const owner = this.first + table.owner * OWNER_WORDS;
    Atomics.add(this.counters, owner + levelNumber(table.level), delta);
    if (table.lockInitialised) Atomics.add(this.counters, owner + LOCKS, delta);
  }

  private sum(ownerId: number | undefined, wanted: (word: number) => boolean): number {
    const from = ownerId ?? 0;
    const end = ownerId === undefined ? MAX_TABLE_OWNERS : ownerId + 1;
    let total = 0;
    for (let owner = from; owner < end; owner++) {
      for (let word = 0; word < OWNER_WORDS; word++) if (wanted(word)) total += Atomics.load(this.counters, this.first + owner * OWNER_WORDS + word);
    }
    return total;
  }

  /** All tables of an owner, or of all, as the memory map has them. */
  private all(ownerId?: number): { readonly info: TableInfo; readonly constructed: boolean }[] {
    const { frames } = this;
    const found: { info: TableInfo; constructed: boolean }[] = [];
    for (let pfn = frames.firstPfn; pfn < frames.firstPfn + frames.count; pfn++) {
      const word = frames.read(pfn, FrameWord.Table);
      if (levelOf(word) === undefined) continue;
      const info = infoOf(frames, pfn, word);
      if (ownerId === undefined || info.owner === ownerId) found.push({ info, constructed: (word & TableWord.Constructed) !== 0 });
    }
    return found;
  }

  private refused(what: string, address: number, why: string, hint: string): PgtableError {
    return new PgtableError('EINVAL', `cannot ${what} at physical address ${hex(address)}: ${why}`, { address: BigInt(address), hint });
  }
}

function levelsText(counts: readonly number[]): string {
  return LEVELS.map((level, number) => `${counts[number]!} ${level}`).join(', ');
}
