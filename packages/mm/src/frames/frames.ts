import { PgtableError } from '@pgtable/core';
import { lockClasses } from '../locks/lock-class.js';
import { spinLock, spinUnlock } from '../locks/spin-lock.js';
import { AccessType, isScheduled, schedulePoint, scheduleTouch } from '../schedule-point.js';
import { FrameType, FrameWord, MEMMAP_WORDS, TableWord } from './memmap.js';

/*
 * Physical memory in frames, and the buddy allocator that gives them out: the kernel's mm/page_alloc.c (6.12) with one zone, one migrate type, and no lists for
 * each processor.
 *
 * A block of order n is 2 ** n frames, and begins at a multiple of its size. Its buddy is the other half of the block of order n + 1 that both are in: the frame numbers
 * differ in bit n alone. Who wants a block gets the first of the smallest order that has one, and the halves that are too many go back to the lists (`expand`). A block
 * that is freed is joined with its buddy as long as that is free and whole (`__free_one_page`, `page_is_buddy`).
 *
 * All state is in shared memory, under one lock (`zone->lock`): so a block that one thread took another may free.
 */

/** The largest block has 2 ** MAX_ORDER frames: the kernel's `MAX_PAGE_ORDER`. */
export const MAX_ORDER = 10;

const ORDERS = MAX_ORDER + 1;

/** Words of the zone: its lock, how many frames are free; by order: the first free block, as in FrameWord.Next, and how many there are; how many page tables. */
const LOCK = 0;
const FREE = 1;
const LISTS = 2;
const COUNTS = LISTS + ORDERS;
const TABLES = COUNTS + ORDERS;
const ZONE_WORDS = TABLES + 1;

const TYPE_NAMES = Object.keys(FrameType);

/** What {@link Frames.create} makes. */
export interface FramesOptions {
  /** Bytes of memory: a multiple of `pageBytes`. Need not be a power of two. */
  readonly bytes: number;
  /** Physical address of the first byte: a multiple of the largest block, `pageBytes << MAX_ORDER`. Default 0. */
  readonly base?: number;
  /** Bytes of a frame: a power of two from 16 on; the architecture's page size. */
  readonly pageBytes: number;
}

/** {@link Frames} in a form that can be posted to a worker. */
export interface SharedFrames {
  readonly ram: SharedArrayBuffer;
  readonly memmap: SharedArrayBuffer;
  readonly zone: SharedArrayBuffer;
  readonly base: number;
  readonly pageBytes: number;
}

/**
 * Physical memory: bytes, what is known of each frame ({@link FrameWord}), and the allocator. Frames go by their number (pfn): physical address / pageBytes.
 *
 * Locking: none, where nothing else is said: words of frames are read and written atomically.
 */
export class Frames {
  /** Physical address of the first frame. */
  readonly base: number;
  /** Bytes of all frames. */
  readonly bytes: number;
  readonly pageBytes: number;
  /** Number of the first frame. */
  readonly firstPfn: number;
  /** Frames in all, free or not. */
  readonly count: number;
  /** The whole memory as words. */
  readonly ram: Int32Array;
  /** {@link MEMMAP_WORDS} words of each frame. For places in it: {@link word}. */
  readonly memmap: Int32Array;
  private readonly zone: Int32Array;
  private readonly image: SharedFrames;

  private constructor(image: SharedFrames) {
    this.image = image;
    this.base = image.base;
    this.pageBytes = image.pageBytes;
    this.bytes = image.ram.byteLength;
    this.firstPfn = image.base / image.pageBytes;
    this.count = this.bytes / image.pageBytes;
    this.ram = new Int32Array(image.ram);
    this.memmap = new Int32Array(image.memmap);
    this.zone = new Int32Array(image.zone);
  }

  /**
   * Memory that is all 0 and all free.
   *
   * @throws PgtableError `EINVAL` for a size or an address that cannot be; `ENOMEM` if the host refuses the memory; `ENOTSUP` without SharedArrayBuffer
   */
  static create({ bytes, base = 0, pageBytes }: FramesOptions): Frames {
    const what = `memory of ${bytes} bytes at 0x${base.toString(16)} in frames of ${pageBytes} bytes`;
    if (!Number.isSafeInteger(pageBytes) || pageBytes < 16 || !Number.isInteger(Math.log2(pageBytes))) {
      throw new PgtableError('EINVAL', `there is no ${what}`, { hint: 'a frame is a power of two of bytes, 16 at the least' });
    }
    if (!Number.isSafeInteger(bytes) || bytes <= 0 || bytes % pageBytes !== 0) throw new PgtableError('EINVAL', `there is no ${what}`, { hint: 'memory is one or more whole frames' });
    const largest = pageBytes * 2 ** MAX_ORDER;
    if (!Number.isSafeInteger(base) || base < 0 || base % largest !== 0 || !Number.isSafeInteger(base + bytes)) {
      throw new PgtableError('EINVAL', `there is no ${what}`, { hint: `memory begins at a multiple of ${largest}, so that blocks are aligned in it as they are on the machine` });
    }
    if (!('SharedArrayBuffer' in globalThis)) {
      throw new PgtableError('ENOTSUP', `there is no ${what}: there is no SharedArrayBuffer here`, { hint: 'serve the page cross-origin isolated (COOP: same-origin, COEP: require-corp)' });
    }
    const frames = new Frames(buffers(what, bytes, base, pageBytes));
    frames.boot();
    return frames;
  }

  /** The same memory in another thread. */
  static attach(image: SharedFrames): Frames {
    return new Frames(image);
  }

  /** For {@link Frames.attach}. */
  share(): SharedFrames {
    return this.image;
  }

  /** Frames in the allocator: exact while no thread allocates or frees. */
  get free(): number {
    return Atomics.load(this.zone, FREE);
  }

  /** Blocks that are page tables, constructed or not: those of which the word `Table` has a level. One load. */
  get tables(): number {
    return Atomics.load(this.zone, TABLES);
  }

  /**
   * Changes what is said of a block as a page table, in one step, and counts {@link tables}: whoever makes frames a table, or a table frames again, does it by this.
   *
   * @param expected,value of {@link TableWord}
   * @returns whether it was `expected`; if not, nothing has changed. Throws as {@link word} does
   */
  exchangeTable(pfn: number, expected: number, value: number): boolean {
    if (Atomics.compareExchange(this.memmap, this.word(pfn, FrameWord.Table), expected, value) !== expected) return false;
    const more = Number((value & TableWord.Level) !== 0) - Number((expected & TableWord.Level) !== 0);
    if (more !== 0) Atomics.add(this.zone, TABLES, more);
    return true;
  }

  /**
   * The place of a word of a frame in {@link memmap}: for locks and atomic operations.
   *
   * @param word one of {@link FrameWord}
   * @throws PgtableError `EINVAL` if there is no such frame
   */
  word(pfn: number, word: number): number {
    return this.frame(pfn) * MEMMAP_WORDS + word;
  }

  /** Reads a word of a frame. Atomic. Throws as {@link word} does. */
  read(pfn: number, word: number): number {
    const at = this.word(pfn, word);
    // References are taken without a lock. Of what a table's lock keeps nobody needs to know; but a page may be in several tables, each with its own lock.
    if (word === FrameWord.Refcount) schedulePoint('look at references', this.memmap, at, AccessType.Read);
    else this.touch(at, word, AccessType.Read);
    return Atomics.load(this.memmap, at);
  }

  /** Writes a word of a frame. Atomic. Throws as {@link word} does. */
  write(pfn: number, word: number, value: number): void {
    const at = this.word(pfn, word);
    this.touch(at, word, AccessType.Write);
    Atomics.store(this.memmap, at, value);
  }

  /**
   * Adds to a word of a frame, in one step that no thread comes in between. Throws as {@link word} does.
   *
   * @returns what it is then. What is done next may not depend on that for {@link FrameWord.Mapcount}: to a scheduler two additions are the same in either order
   */
  add(pfn: number, word: number, delta: number): number {
    const at = this.word(pfn, word);
    this.touch(at, word, AccessType.Count);
    return Atomics.add(this.memmap, at, delta) + delta;
  }

  /**
   * Sets and clears flags of a frame, first the one and then the other; the rest stays as it is, whoever changes it. Atomic, each. Throws as {@link word} does.
   *
   * @param set,clear bits of FrameFlag
   */
  changeFlags(pfn: number, set: number, clear = 0): void {
    const at = this.word(pfn, FrameWord.Flags);
    this.touch(at, FrameWord.Flags, AccessType.Write);
    if (set !== 0) Atomics.or(this.memmap, at, set);
    if (clear !== 0) Atomics.and(this.memmap, at, ~clear);
  }

  /**
   * The number of the first frame of the block that a frame was given out in: `compound_head`.
   *
   * Locking: none; somebody must keep the block from being freed.
   *
   * @throws PgtableError `EINVAL` if there is no such frame
   */
  head(pfn: number): number {
    return this.headOf(this.frame(pfn)) + this.firstPfn;
  }

  /**
   * Takes a block of 2 ** order frames out of the allocator: `alloc_pages`. Its first frame has one reference. What was in it is still there.
   *
   * Locking: takes the zone lock.
   *
   * @param type what the frames are for
   * @returns the number of the first frame: a multiple of 2 ** order
   * @throws PgtableError `ENOMEM` if no block is left that is large enough; `EINVAL` for an order above {@link MAX_ORDER}, or the type `Free`
   */
  allocPages(order: number, type: FrameType = FrameType.Allocated): number {
    if (!Number.isInteger(order) || order < 0 || order > MAX_ORDER) throw new PgtableError('EINVAL', `there are no blocks of order ${order}`, { hint: `orders are whole numbers from 0 to ${MAX_ORDER}` });
    if (type === FrameType.Free) throw new PgtableError('EINVAL', 'a block that is given out cannot be of the type Free', { hint: 'say what it is for, or leave the type out' });
    return this.locked(() => {
      for (let from = order; from <= MAX_ORDER; from++) {
        const block = this.zone[LISTS + from]! - 1;
        if (block < 0) continue;
        this.unlist(block, from);
        // The upper halves, which are too many, go back.
        for (let half = from - 1; half >= order; half--) this.list(block + 2 ** half, half);
        this.giveOut(block, order, type);
        return block + this.firstPfn;
      }
      throw this.outOfMemory(order);
    });
  }

  /**
   * Gives a block back: `__free_pages`. Its size is known from the memory map.
   *
   * Locking: takes the zone lock. Nobody else may use the block any more.
   *
   * @param pfn the number of its first frame
   * @throws PgtableError `EINVAL` if it is free already, no first frame, reserved, a page table whose destructor has not run, if anybody but the caller has references, if it is
   *   mapped, or if translations to it may be cached: then nothing has changed
   */
  freePages(pfn: number): void {
    const block = this.frame(pfn);
    this.locked(() => {
      this.checkFreeing(block, 'free');
      const at = block * MEMMAP_WORDS + FrameWord.Refcount;
      const references = Atomics.load(this.memmap, at);
      // One is the caller's own, from allocPages.
      if (references < 0 || references > 1 || Atomics.compareExchange(this.memmap, at, references, 0) !== references) {
        throw this.refused('free', block, 'somebody else refers to it', 'put() references, the last one frees');
      }
      this.takeBack(block);
    });
  }

  /**
   * Takes references on the block that a frame is in: `folio_ref_add`. As long as there is one it is not freed.
   *
   * Locking: none, but the caller must know that the block has references: it has one itself, or an entry that maps the frame and the lock of its table.
   *
   * @throws PgtableError `EINVAL` if the block has none: it is free, or just being freed
   */
  get(pfn: number, references = 1): void {
    const block = this.headOf(this.frame(pfn));
    this.checkReferences(references);
    const at = block * MEMMAP_WORDS + FrameWord.Refcount;
    schedulePoint('take references', this.memmap, at, AccessType.Count);
    for (;;) {
      const before = Atomics.load(this.memmap, at);
      if (before <= 0) throw this.refused(`take ${plural(references, 'reference')} on`, block, 'it has none', 'look at the frame only while an entry maps it or somebody refers to it');
      if (Atomics.compareExchange(this.memmap, at, before, before + references) === before) return;
    }
  }

  /**
   * Takes references on the block that a frame is in, if it has any: `folio_try_get`. For who found the frame without a lock: it may be free by now, or part of another block. So who gets references looks
   * again whether the frame is still what it was, and gives them back if not.
   *
   * Locking: none.
   *
   * @returns whether they were taken
   * @throws PgtableError `EINVAL` if there is no such frame
   */
  tryGet(pfn: number, references = 1): boolean {
    this.checkReferences(references);
    const frame = this.frame(pfn);
    for (;;) {
      const block = this.headOf(frame);
      const at = block * MEMMAP_WORDS + FrameWord.Refcount;
      schedulePoint('try for references', this.memmap, at);
      const before = Atomics.load(this.memmap, at);
      if (before <= 0) return false;
      if (Atomics.compareExchange(this.memmap, at, before, before + references) !== before) continue;
      // The block was freed, and the frame was given out in another.
      if (this.headOf(frame) === block) return true;
      this.put(block + this.firstPfn, references);
      return false;
    }
  }

  /**
   * Gives references back: `folio_put_refs`. The last one frees the block.
   *
   * Locking: none for the references; takes the zone lock to free.
   *
   * @throws PgtableError `EINVAL` if the block does not have so many, and as {@link freePages} where the last one would free it: then nothing has changed
   */
  put(pfn: number, references = 1): void {
    this.putAll([pfn], references);
  }

  /**
   * Gives references back on several blocks, so many on each: `folios_put_refs()` (mm/swap.c, Linux 6.12). Those of which they were the last are freed together.
   *
   * Locking: as {@link put}; the zone lock is taken once.
   *
   * @param pfns a frame of each block
   * @throws PgtableError as {@link put}: then nothing has changed for that block, and those after it
   */
  putAll(pfns: readonly number[], references = 1): void {
    this.checkReferences(references);
    const last: number[] = [];
    try {
      for (const pfn of pfns) {
        const block = this.headOf(this.frame(pfn));
        if (this.drop(block, references)) last.push(block);
      }
    } finally {
      if (last.length > 0) this.locked(() => { for (const block of last) this.takeBack(block); });
    }
  }

  /**
   * Takes blocks that were given out away from the allocator for ever: the shared zero page, memory that was there at boot. They do not count in {@link assertWhole}.
   *
   * Locking: none; the blocks are the caller's.
   *
   * @param pfns the numbers of their first frames
   * @throws PgtableError `EINVAL` if one is no first frame of a block that was given out
   */
  markReserved(...pfns: number[]): void {
    for (const pfn of pfns) {
      const block = this.frame(pfn);
      if (this.typeOf(block) !== FrameType.Allocated || this.orderOf(block) < 0) throw this.refused('reserve', block, 'it is no block that was given out', 'allocPages() first');
      this.setType(block, this.orderOf(block), FrameType.Reserved);
    }
  }

  /** Makes all bytes of a frame 0: `clear_page`. Locking: none; the caller must have the frame to itself. Throws as {@link word} does. */
  zero(pfn: number): void {
    const words = this.pageBytes / 4;
    const first = this.frame(pfn) * words;
    scheduleTouch(this.ram, first, AccessType.Write, words);
    this.ram.fill(0, first, first + words);
  }

  /**
   * Copies the bytes of frames: `copy_page`.
   *
   * Locking: none; nobody may write to the frames meanwhile, and the caller must have those that are written to itself.
   *
   * @param from,to numbers of the first frames
   * @param count frames
   * @throws PgtableError `EINVAL` if a frame is not there
   */
  copy(from: number, to: number, count = 1): void {
    if (count < 1) return;
    const words = this.pageBytes / 4;
    const first = this.frame(from) * words;
    const target = this.frame(to) * words;
    this.frame(from + count - 1);
    this.frame(to + count - 1);
    scheduleTouch(this.ram, first, AccessType.Read, count * words);
    scheduleTouch(this.ram, target, AccessType.Write, count * words);
    this.ram.copyWithin(target, first, first + count * words);
  }

  /**
   * Says that all is as it was at boot: every frame that is not reserved is free, and all free blocks are joined.
   *
   * Locking: takes the zone lock.
   *
   * @throws PgtableError `EBADMSG` that names the first blocks that are missing, or says where the allocator's own state is not sound
   */
  assertWhole(): void {
    this.locked(() => {
      const missing: string[] = [];
      const found: number[] = Array.from({ length: ORDERS }, () => 0);
      let reserved = 0;
      let lost = 0;
      for (let block = 0; block < this.count; ) {
        const type = this.typeOf(block);
        const order = this.orderOf(block);
        if (order < 0) throw new PgtableError('EBADMSG', `the memory map is damaged: a block should begin at ${this.name(block)}`);
        const size = 2 ** order;
        if (type === FrameType.Free) this.checkFree(block, order, found);
        else if (type === FrameType.Reserved) reserved += size;
        else {
          lost += size;
          missing.push(this.name(block));
        }
        block += size;
      }
      this.checkCounts(found, this.count - reserved - lost);
      if (lost === 0) return;
      const more = missing.length > SHOWN ? ` and ${missing.length - SHOWN} more` : '';
      throw new PgtableError('EBADMSG', `${plural(lost, 'frame')} of ${this.count} did not come back: ${missing.slice(0, SHOWN).join('; ')}${more}`, {
        hint: 'who took them has not freed them, or has not put its references',
      });
    });
  }

  /** A frame in words, for errors: `frame 0x40002 (Table, order 1, 1 reference)`. */
  describe(pfn: number): string {
    return this.name(this.frame(pfn));
  }

  private boot(): void {
    // Tails are what all frames are at first.
    for (let frame = 0; frame < this.count; frame++) this.memmap[frame * MEMMAP_WORDS + FrameWord.Order] = -1;
    const blocks: [number, number][] = [];
    for (let block = 0; block < this.count; ) {
      let order = MAX_ORDER;
      while (block % 2 ** order !== 0 || block + 2 ** order > this.count) order--;
      blocks.push([block, order]);
      block += 2 ** order;
    }
    // Lists begin with what came last: so low addresses are given out first.
    for (const [block, order] of blocks.reverse()) this.list(block, order);
  }

  /** Runs with the zone's lock. */
  private locked<T>(work: () => T): T {
    spinLock(this.zone, LOCK, lockClasses.zoneLock);
    try {
      return work();
    } finally {
      spinUnlock(this.zone, LOCK);
    }
  }

  /*
   * From here on frames are known by their number relative to the first one. What changes lists and free blocks needs the zone's lock.
   */

  /**
   * Tells a scheduler what the present step is about, if that is one of the words that threads change without a lock that they have in common: mapcounts and flags. The mapcounts of a block are one place, as large
   * folios of the kernel have one count of all: who asks for it adds them all up.
   */
  private touch(at: number, word: number, access: AccessType): void {
    if (!isScheduled()) return;
    if (word === FrameWord.Flags) scheduleTouch(this.memmap, at, access);
    else if (word === FrameWord.Mapcount) scheduleTouch(this.memmap, this.headOf((at - word) / MEMMAP_WORDS) * MEMMAP_WORDS + word, access);
  }

  private frame(pfn: number): number {
    const frame = pfn - this.firstPfn;
    if (!Number.isInteger(frame) || frame < 0 || frame >= this.count) {
      throw new PgtableError('EINVAL', `there is no frame ${pfnText(pfn)}: memory is frames ${pfnText(this.firstPfn)} up to ${pfnText(this.firstPfn + this.count)}`, {
        hint: `a frame number is a physical address divided by ${this.pageBytes}`,
      });
    }
    return frame;
  }

  private at(frame: number, word: number): number {
    return Atomics.load(this.memmap, frame * MEMMAP_WORDS + word);
  }

  /** A plain store: giving the zone's lock back publishes it, and so does the reference that {@link giveOut} writes last. */
  private set(frame: number, word: number, value: number): void {
    this.memmap[frame * MEMMAP_WORDS + word] = value;
  }

  private typeOf(frame: number): number {
    return this.at(frame, FrameWord.Type);
  }

  private orderOf(frame: number): number {
    return this.at(frame, FrameWord.Order);
  }

  private headOf(frame: number): number {
    return this.typeOf(frame) === FrameType.Free ? frame : this.at(frame, FrameWord.Head);
  }

  private setType(block: number, order: number, type: FrameType): void {
    for (let frame = block; frame < block + 2 ** order; frame++) this.set(frame, FrameWord.Type, type);
  }

  /** Puts a free block at the head of its list. */
  private list(block: number, order: number): void {
    const { zone } = this;
    const next = zone[LISTS + order]!;
    this.set(block, FrameWord.Order, order);
    this.set(block, FrameWord.Next, next);
    this.set(block, FrameWord.Previous, 0);
    if (next !== 0) this.set(next - 1, FrameWord.Previous, block + 1);
    zone[LISTS + order] = block + 1;
    zone[COUNTS + order] = zone[COUNTS + order]! + 1;
    Atomics.add(zone, FREE, 2 ** order);
  }

  private unlist(block: number, order: number): void {
    const { zone } = this;
    const next = this.at(block, FrameWord.Next);
    const previous = this.at(block, FrameWord.Previous);
    if (next !== 0) this.set(next - 1, FrameWord.Previous, previous);
    if (previous !== 0) this.set(previous - 1, FrameWord.Next, next);
    else zone[LISTS + order] = next;
    this.set(block, FrameWord.Order, -1);
    this.set(block, FrameWord.Next, 0);
    this.set(block, FrameWord.Previous, 0);
    zone[COUNTS + order] = zone[COUNTS + order]! - 1;
    Atomics.sub(zone, FREE, 2 ** order);
  }

  private giveOut(block: number, order: number, type: FrameType): void {
    for (let frame = block; frame < block + 2 ** order; frame++) {
      this.set(frame, FrameWord.Head, block);
      this.set(frame, FrameWord.Type, type);
    }
    this.set(block, FrameWord.Order, order);
    const at = block * MEMMAP_WORDS + FrameWord.Refcount;
    // Who found the frame when it was another page may try for a reference.
    scheduleTouch(this.memmap, at, AccessType.Write);
    Atomics.store(this.memmap, at, 1);
  }

  /** Puts a block that nobody uses back, joined with its buddies. */
  private takeBack(block: number): void {
    let order = this.orderOf(block);
    const end = block + 2 ** order;
    // Nothing of what the frames were is left to who has them next. This makes them of the type Free, too.
    this.memmap.fill(0, block * MEMMAP_WORDS, end * MEMMAP_WORDS);
    for (let frame = block; frame < end; frame++) this.set(frame, FrameWord.Order, -1);
    let joined = block;
    while (order < MAX_ORDER) {
      const buddy = joined ^ (2 ** order);
      if (!this.isFreeBlock(buddy, order)) break;
      this.unlist(buddy, order);
      joined &= buddy;
      order++;
    }
    this.list(joined, order);
  }

  private isFreeBlock(block: number, order: number): boolean {
    return block < this.count && this.typeOf(block) === FrameType.Free && this.orderOf(block) === order;
  }

  /** `folio_ref_sub_and_test()`. Returns whether these were the last references: then nobody can get one any more, and the block is the caller's to free. */
  private drop(block: number, references: number): boolean {
    const at = block * MEMMAP_WORDS + FrameWord.Refcount;
    schedulePoint('give references back', this.memmap, at);
    for (;;) {
      const before = Atomics.load(this.memmap, at);
      if (before < references) throw this.refused(`give ${plural(references, 'reference')} back on`, block, `it has ${before}`, 'give back what get() and allocPages() gave, once');
      if (before === references) this.checkFreeing(block, 'give the last reference back on');
      // A reader without a lock may have taken a reference meanwhile.
      if (Atomics.compareExchange(this.memmap, at, before, before - references) === before) return before === references;
    }
  }

  /** The kernel's `free_page_is_bad`, and what else must not be. */
  private checkFreeing(block: number, what: string): void {
    const type = this.typeOf(block);
    if (type === FrameType.Free) throw this.refused(what, block, 'it is free already', 'a block is freed once, by who had it last');
    if (this.at(block, FrameWord.Head) !== block) {
      throw this.refused(what, block, `it is in the middle of a block: that of ${this.name(this.at(block, FrameWord.Head))}`, 'free the block by its first frame, as a whole');
    }
    if (type === FrameType.Reserved) throw this.refused(what, block, 'it is reserved', 'reserved frames are never freed');
    if (type === FrameType.Table || this.at(block, FrameWord.Table) !== 0) {
      throw this.refused(what, block, 'it is a page table', 'the destructor comes first: PageTables.free() runs it, or release it from the table memory');
    }
    const { memmap } = this;
    const end = block + 2 ** this.orderOf(block);
    for (let frame = block; frame < end; frame++) {
      const at = frame * MEMMAP_WORDS;
      const used = memmap[at + FrameWord.Mapcount]! | memmap[at + FrameWord.AnonMaps]! | memmap[at + FrameWord.FileMaps]! | memmap[at + FrameWord.Stale]!;
      if (used !== 0) throw this.usedFrame(what, frame);
    }
  }

  private usedFrame(what: string, frame: number): PgtableError {
    const stale = this.at(frame, FrameWord.Stale);
    if (stale !== 0) return this.refused(what, frame, `${plural(stale, 'translation')} to it may still be cached`, 'flush the TLB before the frames are freed');
    const [entries, anon, file] = [FrameWord.Mapcount, FrameWord.AnonMaps, FrameWord.FileMaps].map((word) => this.at(frame, word));
    return this.refused(what, frame, `it is mapped: entries ${entries}, as an anonymous page ${anon}, as a file's ${file}`, 'unmap it first');
  }

  private checkReferences(references: number): void {
    if (Number.isInteger(references) && references > 0) return;
    throw new PgtableError('EINVAL', `${references} references cannot be taken or given back`, { hint: 'one or more' });
  }

  private checkFree(block: number, order: number, found: number[]): void {
    const buddy = block ^ (2 ** order);
    if (order < MAX_ORDER && this.isFreeBlock(buddy, order)) {
      throw new PgtableError('EBADMSG', `the allocator is damaged: ${this.name(block)} and its buddy ${this.name(buddy)} are free and were not joined`);
    }
    found[order] = found[order]! + 1;
  }

  private checkCounts(found: readonly number[], free: number): void {
    const { zone } = this;
    found.forEach((count, order) => {
      let listed = 0;
      for (let link = zone[LISTS + order]!; link !== 0 && listed <= count; link = this.at(link - 1, FrameWord.Next)) {
        if (!this.isFreeBlock(link - 1, order)) throw new PgtableError('EBADMSG', `the allocator is damaged: ${this.name(link - 1)} is in the list of free blocks of order ${order}`);
        listed++;
      }
      if (listed === count && zone[COUNTS + order] === count) return;
      throw new PgtableError('EBADMSG', `the allocator is damaged: ${count} blocks of order ${order} are free, ${listed} are in the list, ${zone[COUNTS + order]} were counted`);
    });
    if (this.free !== free) throw new PgtableError('EBADMSG', `the allocator is damaged: ${free} frames are free, ${this.free} were counted`);
  }

  private outOfMemory(order: number): PgtableError {
    const orders = Array.from(this.zone.subarray(COUNTS, COUNTS + ORDERS)).flatMap((count, of) => (count === 0 ? [] : [`${count} of order ${of}`]));
    const where = orders.length === 0 ? '' : `, in blocks: ${orders.join(', ')}`;
    return new PgtableError('ENOMEM', `no block of order ${order} (${plural(2 ** order, 'frame')}) is left: ${this.free} frames of ${this.count} are free${where}`, {
      hint: this.free >= 2 ** order ? 'memory is fragmented: blocks are joined when their neighbours are freed' : 'make the memory larger, or free what is not needed',
    });
  }

  private refused(what: string, frame: number, why: string, hint: string): PgtableError {
    return new PgtableError('EINVAL', `cannot ${what} ${this.name(frame)}: ${why}`, { address: BigInt(this.base + frame * this.pageBytes), hint });
  }

  private name(frame: number): string {
    const order = this.orderOf(frame);
    const references = this.at(frame, FrameWord.Refcount);
    const level = this.at(frame, FrameWord.Table) & TableWord.Level;
    const facts = [TYPE_NAMES[this.typeOf(frame)] ?? `type ${this.typeOf(frame)}`];
    if (level > 0) facts.push(`level ${level - 1}`);
    facts.push(order < 0 ? 'not the first of its block' : `order ${order}`);
    if (references !== 0) facts.push(plural(references, 'reference'));
    return `frame ${pfnText(frame + this.firstPfn)} (${facts.join(', ')})`;
  }
}

/** Blocks that an error lists. */
const SHOWN = 8;

function buffers(what: string, bytes: number, base: number, pageBytes: number): SharedFrames {
  const memmapBytes = (bytes / pageBytes) * MEMMAP_WORDS * 4;
  try {
    return { ram: new SharedArrayBuffer(bytes), memmap: new SharedArrayBuffer(memmapBytes), zone: new SharedArrayBuffer(ZONE_WORDS * 4), base, pageBytes };
  } catch (cause) {
    throw new PgtableError('ENOMEM', `the host has no room for ${what}, and ${memmapBytes} bytes that say what each is used for`, { hint: 'make it smaller', cause });
  }
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function pfnText(pfn: number): string {
  return `0x${pfn.toString(16)}`;
}
