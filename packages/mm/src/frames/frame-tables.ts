import { LEVELS, levelNumber, PgtableError, TableMemory, type Level } from '@pgtable/core';
import type { Frames } from './frames.js';
import { FrameType, FrameWord, MEMMAP_WORDS, TableWord } from './memmap.js';

/** Entries are numbered by handles, and a handle stays below this so that V8 keeps it unboxed. As in {@link TableMemory}. */
const MAX_ENTRIES = 2 ** 31 - 1;

/**
 * Page tables in frames of memory: the {@link TableMemory} of architectures that work on {@link Frames}.
 *
 * An entry's number is its place in memory, so an address is a number by arithmetic, and the other way round; and whether a table begins at a frame, and of what level, is in
 * the memory map. So each thread sees the tables that any thread makes, at once. Threads make one of these each, over the frames that they attach: nothing but the frames
 * is shared.
 *
 * The frames come from {@link Frames.allocPages} before, as many as the table needs, and go back to {@link Frames.freePages} after: a table takes whole frames, also one that is
 * smaller (s390's PTE tables of 2 KiB). A frame is a table of one level: a table that maps itself, and so is a table of every level, is found as the one that it was made as.
 *
 * Memory does not grow.
 *
 * Locking: none, where nothing else is said. Whoever looks at a table keeps it from being freed.
 */
export class FrameTables extends TableMemory {
  readonly frames: Frames;
  private readonly memmap: Int32Array;
  private readonly base: number;
  private readonly framesPerByte: number;
  private readonly entriesPerFrame: number;

  /**
   * @param entryBytes bytes of an entry
   * @throws PgtableError `ENOMEM` if memory has more entries than handles can number
   */
  constructor(frames: Frames, entryBytes: 4 | 8 | 16 = 8) {
    super({ entryBytes, shared: true });
    const entries = frames.bytes / entryBytes;
    if (entries > MAX_ENTRIES) {
      throw new PgtableError('ENOMEM', `memory of ${frames.bytes} bytes has ${entries} entries of ${entryBytes} bytes, more than can be numbered (at most ${MAX_ENTRIES})`, { hint: 'make the Frames smaller' });
    }
    this.frames = frames;
    this.memmap = frames.memmap;
    this.base = frames.base;
    // Powers of two, so that a product with them is exact.
    this.framesPerByte = 1 / frames.pageBytes;
    this.entriesPerFrame = frames.pageBytes / entryBytes;
    const { buffer } = frames.ram;
    this.words = frames.ram;
    this.bytes = new Uint8Array(buffer);
    this.elements = new BigUint64Array(buffer, 0, Math.floor(frames.bytes / 8));
  }

  /** Entries that memory has room for: every entry's number is below. */
  override get entries(): number {
    return this.frames.count * this.entriesPerFrame;
  }

  /** Tables that are here, whoever made them. They are counted as they come and go: each walkRuns() asks. */
  override get tables(): number {
    return this.frames.tables;
  }

  /**
   * Nothing to share but the frames.
   *
   * @throws PgtableError `ENOTSUP`, always
   */
  override share(): never {
    throw new PgtableError('ENOTSUP', 'tables in frames are not shared by themselves', { hint: 'share the frames, and make a FrameTables over Frames.attach(image) in the other thread' });
  }

  /**
   * Memory does not grow; this only says whether there is enough.
   *
   * @throws PgtableError `ENOMEM` if fewer frames are free than so many entries take
   */
  override reserve(entries: number): void {
    const { free, count } = this.frames;
    const wanted = Math.ceil(entries / this.entriesPerFrame);
    if (wanted <= free) return;
    throw new PgtableError('ENOMEM', `no room for ${entries} entries: they take ${wanted} frames, and ${free} of ${count} are free`, { hint: 'make the Frames larger: memory does not grow' });
  }

  /**
   * Makes a table of frames that were given out. What its entries are is undefined until they are written.
   *
   * Locking: none; nobody else knows the frames. The constructor comes after it.
   *
   * @param address physical, of the first frame of a block that is large enough
   * @returns the index of the table's first entry
   * @throws PgtableError `EINVAL` if they are a table already, of whatever level, were not given out for one, or are too few
   */
  override allocate(level: Level, address: number, entries: number): number {
    const { frames } = this;
    const what = `make a ${level} table of ${entries} entries at physical address ${hex(address)}`;
    const frame = this.frameAt(address);
    if (frame < 0) {
      throw new PgtableError('EINVAL', `cannot ${what}: no frame begins there, memory is [${hex(frames.base)}, ${hex(frames.base + frames.bytes)}) in frames of ${frames.pageBytes} bytes`, {
        address: BigInt(Math.floor(address)), hint: 'tables are made of frames that allocPages() gave: their number times pageBytes is the address',
      });
    }
    const pfn = frame + frames.firstPfn;
    const order = frames.read(pfn, FrameWord.Order);
    const present = frames.read(pfn, FrameWord.Table) & TableWord.Level;
    if (present !== 0) throw this.refused(what, address, `it is a ${LEVELS[present - 1]} table already: ${frames.describe(pfn)}`, 'a frame is one table at a time: release that one first');
    const type = frames.read(pfn, FrameWord.Type);
    if (order < 0 || (type !== FrameType.Allocated && type !== FrameType.Table)) {
      throw this.refused(what, address, `${frames.describe(pfn)} is not the first of frames that were given out for it`, 'take frames by allocPages() first');
    }
    const has = 2 ** order * this.entriesPerFrame;
    if (entries > has) throw this.refused(what, address, `the block has room for ${has} entries`, `take a block of order ${Math.ceil(Math.log2(entries / this.entriesPerFrame))}`);
    // Of two threads that try at once one fails here.
    if (!frames.exchangeTable(pfn, 0, levelNumber(level) + 1)) {
      throw this.refused(what, address, 'another thread makes one there', 'give each thread frames of its own');
    }
    this.setType(pfn, order, FrameType.Table);
    return frame * this.entriesPerFrame;
  }

  /**
   * Makes a table frames again, which are the caller's.
   *
   * Locking: none; nobody may look at the table any more.
   *
   * @throws PgtableError `EINVAL` if there is no such table, or its destructor has not run
   */
  override release(level: Level, address: number): void {
    const { frames } = this;
    const what = `release the ${level} table at physical address ${hex(address)}`;
    const index = this.find(level, address);
    if (index < 0) throw new PgtableError('EINVAL', `cannot ${what}: there is none`, { address: BigInt(Math.floor(address)), hint: 'release a table once, by the level and the address that it was made with' });
    const pfn = index / this.entriesPerFrame + frames.firstPfn;
    const number = levelNumber(level) + 1;
    // All other bits are of the constructor's.
    if (frames.read(pfn, FrameWord.Table) !== number) throw this.refused(what, address, 'its destructor has not run', 'PageTables.free() does both');
    // Type first: as soon as it is no table it may become one again.
    this.setType(pfn, frames.read(pfn, FrameWord.Order), FrameType.Allocated);
    if (!frames.exchangeTable(pfn, number, 0)) throw this.refused(what, address, 'another thread releases it', 'release a table once');
  }

  /** The index of the first entry of a table, whichever thread made it; -1 if no table of that level begins at that address. A few steps, whatever there is. */
  override find(level: Level, address: number): number {
    const frame = this.frameAt(address);
    if (frame < 0 || (Atomics.load(this.memmap, frame * MEMMAP_WORDS + FrameWord.Table) & TableWord.Level) !== levelNumber(level) + 1) return -1;
    return frame * this.entriesPerFrame;
  }

  /**
   * The physical address of an entry.
   *
   * @param entry its index
   * @throws PgtableError `EINVAL` if memory has no such entry
   */
  override addressOf(entry: number): number {
    if (entry >= 0 && entry < this.entries) return this.base + entry * this.entryBytes;
    throw new PgtableError('EINVAL', `there is no entry ${entry}: memory has room for ${this.entries}`, { hint: 'use handles of architectures over these frames' });
  }

  /** The physical addresses of the tables of a level, ascending. Looks at every frame. */
  override *addresses(level: Level): IterableIterator<number> {
    for (let frame = 0; frame < this.frames.count; frame++) {
      const address = this.base + frame * this.frames.pageBytes;
      if (this.find(level, address) >= 0) yield address;
    }
  }

  /** The frame that begins at an address, relative to the first one; -1: none does. */
  private frameAt(address: number): number {
    const frame = (address - this.base) * this.framesPerByte;
    return frame >= 0 && frame < this.frames.count && Number.isInteger(frame) ? frame : -1;
  }

  private setType(pfn: number, order: number, type: FrameType): void {
    for (let frame = pfn; frame < pfn + 2 ** order; frame++) this.frames.write(frame, FrameWord.Type, type);
  }

  private refused(what: string, address: number, why: string, hint: string): PgtableError {
    return new PgtableError('EINVAL', `cannot ${what}: ${why}`, { address: BigInt(address), hint });
  }
}

function hex(address: number): string {
  return '0x' + address.toString(16);
}
