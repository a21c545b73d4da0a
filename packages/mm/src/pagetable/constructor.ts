import { LEVELS, levelNumber, PgtableError, type Level } from '@pgtable/core';
import type { Frames } from '../frames/frames.js';
import { FrameType, FrameWord, TableWord } from '../frames/memmap.js';

/*
 * Constructors and destructors of page tables: what makes a page table of frames, and frames of a page table.
 *
 * The kernel grew them one by one: for users' PTE tables, when those got locks of their own; for PMD tables, for the same reason; for accounting, at ever
 * higher levels; and for the kernel's own tables at some levels and not at others. The thread "Always call constructor for kernel page tables" (K.
 * Brodsky, March 2025) sets out to mend that, and leaves questions. The rules here, and the answers:
 *
 * 1. Every table has its constructor run, at all five levels, users' and the kernel's. So a hook sees every table, and a count counts every table. There
 *    is one constructor for all levels, which is told the level: one that is forgotten at one level cannot be written.
 *
 * 2. The owner is passed down to the constructor, always: it is no optional argument, so there is no "the mm is not known here" (the series passes NULL
 *    there, and then initialises locks that nobody will take).
 *
 * 3. Who gets a split lock: PTE and PMD tables of every owner but `init`. Nobody takes the lock of a table of init_mm: its tables are changed under
 *    init_mm.page_table_lock, or by whoever owns the range of addresses (apply_to_pte_range() of mm/memory.c, 6.12, takes no lock there). `lockWord` of
 *    such a table throws, instead of handing out a word that nobody initialised.
 *
 * 4. "Does it really make sense to treat efi_mm and init_mm differently?" By what is done with them, yes. What matters is not whether an address space has
 *    users' memory in it, but whether its tables are walked by functions that take the split lock, as apply_to_page_range() does on efi_mm, and on any mm
 *    that is not init_mm. A rule "no split lock for what is not a user's" would need that function to know the difference too, and gains one word for each
 *    of a handful of tables. So an owner says which of the three it is ({@link TableOwner.kind}), all code asks that one property, and no code compares an
 *    owner with a certain object.
 *
 * 5. Late allocators (EFI's mappings, memory that is plugged in): one `alloc` for all of them. The mapping code of an architecture serves two kinds of
 *    owners, efi_mm and init_mm; as it gets the owner from its caller and passes it on, each table is made as its owner needs it.
 *
 * 6. Early allocators cannot run constructors: at boot there is no memory map yet, no counters, no hooks. They mark the tables as early, and when
 *    constructors can run, `constructEarly` runs them on all tables that have the mark. Until then such a table has no lock and is in no count, and to
 *    free it is an error. That is what hooks need that must see every table (write protection): the series leaves early tables out.
 *
 * 7. `pte_alloc_kernel` and `pte_free_kernel` run them like everything else (kernel-tables.ts).
 *
 * 8. A constructor may fail (a hook refuses). Then the frames are what they were before, and the allocation fails. A destructor cannot fail; what it
 *    throws says that the caller has broken a rule, before anything was changed.
 */

/** Who tables are made for: an address space. */
export interface TableOwner {
  /** Of the address space; from 0 up to {@link MAX_TABLE_OWNERS}, exclusive, and no other living one has it. */
  readonly id: number;
  /** `init`: the kernel's own (`init_mm`). `special`: neither that nor a process's (`efi_mm`, `text_poke`'s). */
  readonly kind: 'user' | 'init' | 'special';
}

/** Owners that can be told apart in the accounts. */
export const MAX_TABLE_OWNERS = 1024;

/** What is known of a page table: its descriptor, the kernel's `struct ptdesc`, read once. */
export interface TableInfo {
  /** Physical address of the first entry. */
  readonly address: number;
  /** The first frame. */
  readonly pfn: number;
  /** How many frames it has: the table may leave a part of the last one unused. */
  readonly frames: number;
  readonly level: Level;
  /** {@link TableOwner.id} */
  readonly owner: number;
  /** It translates users' addresses. */
  readonly user: boolean;
  /** It has a split lock. */
  readonly lockInitialised: boolean;
  /** It was made before constructors could run. */
  readonly early: boolean;
}

/** Whether tables of that level and owner have a lock of their own. The kernel's `ptlock_init` is called where this is true. */
export function hasSplitLock(level: Level, owner: TableOwner): boolean {
  return owner.kind !== 'init' && (level === 'pte' || level === 'pmd');
}

/** Of the word `Table` of a frame: the level; undefined: the frame does not begin a table. */
export function levelOf(word: number): Level | undefined {
  return LEVELS[(word & TableWord.Level) - 1];
}

/** The word `Table` of a table at its birth, its constructor not finished. */
export function tableWord(level: Level, owner: TableOwner): number {
  return (levelNumber(level) + 1) | (owner.kind === 'user' ? TableWord.User : 0);
}

/**
 * The frame in which the table at an address begins.
 *
 * @param address physical, of the table or of anything inside of it
 * @param what what is being tried, for errors: `free a page table`
 * @throws PgtableError `EINVAL` if that is no frame of memory
 */
export function headOf(frames: Frames, address: number, what: string): number {
  const pfn = Math.floor(address / frames.pageBytes);
  if (!Number.isSafeInteger(address) || pfn < frames.firstPfn || pfn >= frames.firstPfn + frames.count) {
    throw new PgtableError('EINVAL', `cannot ${what} at physical address ${hex(address)}: memory is [${hex(frames.base)}, ${hex(frames.base + frames.bytes)})`, {
      hint: 'tables are known by the physical addresses that PageTables.alloc gave them',
    });
  }
  return frames.head(pfn);
}

/**
 * The descriptor of the table that begins at an address, whose constructor has run.
 *
 * @param what what is being tried, for errors
 * @throws PgtableError `EINVAL` if there is none: what is there instead
 */
export function constructedTable(frames: Frames, address: number, what: string): TableInfo {
  const pfn = headOf(frames, address, what);
  const word = frames.read(pfn, FrameWord.Table);
  if ((word & TableWord.Constructed) === 0 || pfn * frames.pageBytes !== address) throw noTable(frames, address, pfn, word, what);
  return infoOf(frames, pfn, word);
}

/** The descriptor of the table that begins in a frame. @param word the frame's word `Table`, which says that there is one */
export function infoOf(frames: Frames, pfn: number, word: number): TableInfo {
  return {
    address: pfn * frames.pageBytes,
    pfn,
    frames: 2 ** frames.read(pfn, FrameWord.Order),
    // A word with the mark Constructed has a level.
    level: levelOf(word)!,
    owner: frames.read(pfn, FrameWord.Owner),
    user: (word & TableWord.User) !== 0,
    lockInitialised: (word & TableWord.LockInitialised) !== 0,
    early: (word & TableWord.Early) !== 0,
  };
}

/** An error that says what is where a table should be. */
function noTable(frames: Frames, address: number, head: number, word: number, what: string): PgtableError {
  const at = `cannot ${what} at physical address ${hex(address)}`;
  const level = levelOf(word);
  if (level !== undefined && head * frames.pageBytes !== address) {
    return new PgtableError('EINVAL', `${at}: that is inside of the ${level} table at ${hex(head * frames.pageBytes)}`, {
      address: BigInt(address), hint: 'a table is known by the address of its first entry',
    });
  }
  if (level !== undefined && (word & TableWord.Early) !== 0) {
    return new PgtableError('EINVAL', `${at}: the ${level} table was made before constructors could run, and was never constructed`, {
      address: BigInt(address), hint: 'call constructEarly() first',
    });
  }
  const type = frames.read(head, FrameWord.Type);
  if (type === FrameType.Free) {
    return new PgtableError('EINVAL', `${at}: the frame is free; the table that was there was freed already`, {
      address: BigInt(address), hint: 'a table is freed once: by who unlinked it, or by its grace period',
    });
  }
  return new PgtableError('EINVAL', `${at}: the frame is no page table; no constructor has run on it since it was given out`, {
    address: BigInt(address), hint: 'frames become a table by PageTables.alloc or PageTables.construct',
  });
}

/** An address for messages. */
export function hex(address: number): string {
  return '0x' + address.toString(16);
}
