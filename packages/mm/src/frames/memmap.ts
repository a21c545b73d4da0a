/*
 * The memory map: what is known of each frame of memory, the kernel's `struct page`. One array in shared memory, MEMMAP_WORDS words for a frame,
 * so that every thread sees the same, and a lock that belongs to a frame is a word like any other.
 *
 * As in the kernel most words mean something only for frames of one type, and the same word is used for different things where no frame is both.
 */

/** Int32 words of a frame. */
export const MEMMAP_WORDS = 16;

/** The words of a frame, by their place in it. */
export const FrameWord = {
  /** `_refcount`: who keeps the frame, or the block that it heads, from being freed. 0: nobody, it is free or being given out. */
  Refcount: 0,
  /** `_mapcount`, counted from 0: how many entries of page tables map the frame. Of a huge page mapped whole, its first frame counts the entry. */
  Mapcount: 1,
  /** One of {@link FrameType}. */
  Type: 2,
  /** {@link FrameFlag}. */
  Flags: 3,
  /** Of the first frame of a block, free or not: its size is 2 ** order frames. Of the others: -1. */
  Order: 4,
  /** `compound_head`: the first frame of the block that this one was given out in, as a frame number relative to the first frame of memory. Means nothing while it is free. */
  Head: 5,
  /** Neighbours in the list that the frame is in: free blocks of an order, tables that wait. Frame numbers relative to the first frame, plus 1; 0: none. */
  Next: 6,
  Previous: 7,
  /** Of a page table: its split lock, a spin lock. */
  TableLock: 8,
  /** Of a page table: {@link TableWord}. */
  Table: 9,
  /** Of a page table: the number of the address space that it was made for. Of an anonymous page: 0. Of a file's page: the number of the mapping. */
  Owner: 10,
  /** Of a file's page: which page of the file it is. */
  Index: 11,
  /** Of a PMD table (`pmd_huge_pte`): the first of the PTE tables that were put aside for its huge pages, as in Next. */
  Deposit: 12,
  /** Translations that may still be cached although no entry maps the frame any more: it must not be freed before they are flushed. For checks. */
  Stale: 13,
  /** `page_table_check`: how many entries map it as an anonymous page, and as a file's. For checks. */
  AnonMaps: 14,
  FileMaps: 15,
} as const;

/** What a frame is used for. */
export const FrameType = {
  /** In the allocator. */
  Free: 0,
  /** Given out, for whatever its owner does with it. */
  Allocated: 1,
  /** Never in the allocator: the zero page, memory that was there at boot. */
  Reserved: 2,
  Anon: 3,
  File: 4,
  /** A page table, from its constructor to its destructor. */
  Table: 5,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Bits of a frame's flags. */
export const FrameFlag = {
  /** `PG_dirty`: written since it was last cleaned. */
  Dirty: 1,
  /** `PG_referenced`. */
  Referenced: 2,
  /** `PageAnonExclusive`: no other address space maps this anonymous page. */
  AnonExclusive: 4,
  /** `PG_locked`: somebody has the folio's lock. */
  Locked: 8,
} as const;

/** What the word `Table` of a page table's first frame is made of. */
export const TableWord = {
  /** The level's number (`levelNumber`) plus 1; 0: no table. */
  Level: 0x0f,
  /** Its constructor has run, its destructor has not. */
  Constructed: 0x10,
  /** Its split lock was initialised. */
  LockInitialised: 0x20,
  /** It translates users' addresses. */
  User: 0x40,
  /** It was made before constructors could run. */
  Early: 0x80,
} as const;
