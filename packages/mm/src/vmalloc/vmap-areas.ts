import { PgtableError } from '@pgtable/core';
import type { VaRange } from '@pgtable/walk';
import { LockClass } from '../locks/lock-class.js';
import { RW_LOCK_WORDS } from '../locks/rw-lock.js';
import { spinLock, spinUnlock } from '../locks/spin-lock.js';

/** `vmap_area_lock`, under which areas come and go. Spins. The kernel has one for each `vmap_node`; here it is one. */
export const vmapAreaLock = new LockClass('vmap_area_lock');
/** The lock of one area, which keeps it mapped as it is. Spins. The kernel has none: that nobody frees an area whose protection is being changed is its owner's word there. */
export const vmAreaLock = new LockClass('vm_area lock');
/** `vmap_purge_lock`: one purge at a time. Sleeps. */
export const vmapPurgeLock = new LockClass('vmap_purge_lock');
/** `mem_hotplug_lock`: memory, and the kernel's tables of it, come and go for who has it to write. Sleeps. */
export const memHotplugLock = new LockClass('mem_hotplug_lock');

/* The words: locks, how many areas there are, the first slot that is free, pages of areas that wait to be purged, the slots of the areas by address, the slots. */
const AREAS_LOCK = 0;
export const PURGE_LOCK = 1;
export const HOTPLUG_LOCK = PURGE_LOCK + RW_LOCK_WORDS;
const COUNT = HOTPLUG_LOCK + RW_LOCK_WORDS;
const FREE = COUNT + 1;
const LAZY_PAGES = FREE + 1;
const ORDER = LAZY_PAGES + 1;

/* The words of a slot. */
const SLOT = { Lock: 0, Generation: 1, StartLow: 2, StartHigh: 3, Pages: 4, State: 5, Huge: 6, NameLength: 7, Name: 8 } as const;
const NAME_WORDS = 8;
const SLOT_WORDS = SLOT.Name + NAME_WORDS;
/** UTF-16 units of an area's name. */
export const MAX_AREA_NAME = NAME_WORDS * 2;

const Busy = 1;
const Lazy = 2;

/** `struct vm_struct`: an area as it was when it was looked up. */
export interface VmArea {
  /** The first address. */
  readonly start: number;
  /** Pages that are mapped. The page after them is the area's too, and never mapped: the guard page. */
  readonly pages: number;
  /** Whether it may be mapped by blocks and groups (`VM_ALLOW_HUGE_VMAP`). */
  readonly huge: boolean;
  /** What it is for: `caller` in the kernel. */
  readonly name: string;
  readonly slot: number;
  /** Tells it from later areas in the same slot. */
  readonly generation: number;
}

/** Words that so many areas need. */
export function vmapAreasWords(areas: number): number {
  return ORDER + areas + areas * SLOT_WORDS;
}

/**
 * The areas of a kernel, in shared memory: slots that do not move, and their numbers in the order of their addresses.
 *
 * Locking, of all methods but those that say another: take the lock of the areas, and give it back.
 */
export class VmapAreas {
  readonly words: Int32Array;
  readonly at: number;
  private readonly capacity: number;
  private readonly pageBytes: number;

  /** @param at index of {@link vmapAreasWords} words, all 0 at first */
  constructor(words: Int32Array, at: number, capacity: number, pageBytes: number) {
    this.words = words;
    this.at = at;
    this.capacity = capacity;
    this.pageBytes = pageBytes;
  }

  /** Makes all slots free: once, before anybody else knows the words. */
  init(): void {
    for (let slot = 0; slot < this.capacity; slot++) this.words[this.slotAt(slot)] = 0;
    for (let slot = 0; slot < this.capacity; slot++) this.words[this.slotAt(slot) + SLOT.StartLow] = slot + 2 > this.capacity ? 0 : slot + 2;
    this.words[this.at + FREE] = 1;
  }

  /**
   * `alloc_vmap_area()`: an area at the lowest address where it fits, with a guard page behind it. Nothing is mapped there yet, and nobody knows its address.
   *
   * @param align bytes, a multiple of the page size
   * @returns undefined if no range has a gap of that size
   * @throws PgtableError `ENOMEM` if there are no slots left
   */
  alloc(pages: number, align: number, ranges: readonly VaRange[], { huge, name }: Pick<VmArea, 'huge' | 'name'>): VmArea | undefined {
    const { words } = this;
    return this.locked(() => {
      const free = words[this.at + FREE]!;
      if (free === 0) throw new PgtableError('ENOMEM', `there are ${this.capacity} vmalloc areas already, those counted that wait to be purged`, { hint: 'give vmallocInit() more `areas`, or vfree() some' });
      const found = this.gap(pages, align, ranges);
      if (found === undefined) return undefined;
      const slot = free - 1;
      const at = this.slotAt(slot);
      words[this.at + FREE] = words[at + SLOT.StartLow]!;
      const page = found.start / this.pageBytes;
      words[at + SLOT.StartLow] = page | 0;
      words[at + SLOT.StartHigh] = Math.floor(page / 2 ** 32);
      words[at + SLOT.Pages] = pages;
      words[at + SLOT.Huge] = huge ? 1 : 0;
      words[at + SLOT.State] = Busy;
      words[at + SLOT.NameLength] = name.length;
      for (let unit = 0; unit < name.length; unit += 2) words[at + SLOT.Name + unit / 2] = name.charCodeAt(unit) | ((unit + 1 < name.length ? name.charCodeAt(unit + 1) : 0) << 16);
      const generation = (words[at + SLOT.Generation]! + 1) | 0;
      Atomics.store(words, at + SLOT.Generation, generation);
      const order = this.at + ORDER;
      const count = words[this.at + COUNT]!;
      words.copyWithin(order + found.index + 1, order + found.index, order + count);
      words[order + found.index] = slot;
      words[this.at + COUNT] = count + 1;
      return { start: found.start, pages, huge, name, slot, generation };
    });
  }

  /** `find_vm_area()`: the area that an address is in, its guard page left out. It may be freed at any time: see {@link lock}. */
  find(address: number): VmArea | undefined {
    return this.locked(() => {
      const index = this.above(address) - 1;
      if (index < 0) return undefined;
      const area = this.read(this.words[this.at + ORDER + index]!);
      return area !== undefined && address < area.start + area.pages * this.pageBytes ? area : undefined;
    });
  }

  /** All areas that are in use, by address: `/proc/vmallocinfo`. */
  list(): VmArea[] {
    return this.locked(() => Array.from(this.words.subarray(this.at + ORDER, this.at + ORDER + this.words[this.at + COUNT]!), (slot) => this.read(slot)).filter((area) => area !== undefined));
  }

  /** The addresses from the first to the last page of areas that wait to be purged; undefined if there are none. */
  lazyRange(): VaRange | undefined {
    return this.locked(() => {
      let range: VaRange | undefined;
      for (let index = 0; index < this.words[this.at + COUNT]!; index++) {
        const at = this.slotAt(this.words[this.at + ORDER + index]!);
        if (this.words[at + SLOT.State] !== Lazy) continue;
        const start = this.startOf(at);
        range = { start: range?.start ?? start, end: start + this.words[at + SLOT.Pages]! * this.pageBytes };
      }
      return range;
    });
  }

  /** `vmap_lazy_nr`: pages of areas that were unmapped, and are not purged yet. Locking: none. */
  get lazyPages(): number {
    return Atomics.load(this.words, this.at + LAZY_PAGES);
  }

  /**
   * Locks an area that was found, as it is now.
   *
   * Locking: takes the lock of the area.
   *
   * @returns whether it is there still; if not, nothing is locked
   */
  lock({ slot, generation }: VmArea): boolean {
    const at = this.slotAt(slot);
    spinLock(this.words, at + SLOT.Lock, vmAreaLock);
    if (Atomics.load(this.words, at + SLOT.Generation) === generation && this.words[at + SLOT.State] === Busy) return true;
    spinUnlock(this.words, at + SLOT.Lock);
    return false;
  }

  /** Locking: gives the lock of the area back. */
  unlock({ slot }: VmArea): void {
    spinUnlock(this.words, this.slotAt(slot) + SLOT.Lock);
  }

  /** The area is nobody's from now on, and its addresses wait to be purged. Locking: the lock of the area is held. */
  retire({ slot, pages }: VmArea): void {
    this.locked(() => {
      this.words[this.slotAt(slot) + SLOT.State] = Lazy;
      Atomics.add(this.words, this.at + LAZY_PAGES, pages);
    });
  }

  /** Gives the addresses of areas back: `reclaim_list_global()`. @param retired whether they were given to {@link retire} */
  release(areas: readonly VmArea[], retired: boolean): void {
    const { words } = this;
    if (areas.length === 0) return;
    this.locked(() => {
      for (const area of areas) {
        const at = this.slotAt(area.slot);
        const order = this.at + ORDER;
        const count = words[this.at + COUNT]!;
        const index = this.above(area.start) - 1;
        words.copyWithin(order + index, order + index + 1, order + count);
        words[this.at + COUNT] = count - 1;
        words[at + SLOT.State] = 0;
        Atomics.add(words, at + SLOT.Generation, 1);
        words[at + SLOT.StartLow] = words[this.at + FREE]!;
        words[this.at + FREE] = area.slot + 1;
        if (retired) Atomics.sub(words, this.at + LAZY_PAGES, area.pages);
      }
    });
  }

  private gap(pages: number, align: number, ranges: readonly VaRange[]): { readonly start: number; readonly index: number } | undefined {
    const bytes = (pages + 1) * this.pageBytes;
    const count = this.words[this.at + COUNT]!;
    for (const range of ranges) {
      let start = Math.ceil(range.start / align) * align;
      // The area before may reach into the range, where ranges touch.
      for (let index = Math.max(0, this.above(range.start) - 1); ; index++) {
        const at = index < count ? this.slotAt(this.words[this.at + ORDER + index]!) : -1;
        const next = at < 0 ? Infinity : this.startOf(at);
        const end = at < 0 ? Infinity : next + (this.words[at + SLOT.Pages]! + 1) * this.pageBytes;
        if (start + bytes <= Math.min(next, range.end)) return { start, index };
        if (at < 0 || next >= range.end) break;
        start = Math.max(start, Math.ceil(end / align) * align);
      }
    }
    return undefined;
  }

  /** How many areas begin at an address or below. */
  private above(address: number): number {
    let low = 0;
    let high = this.words[this.at + COUNT]!;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.startOf(this.slotAt(this.words[this.at + ORDER + middle]!)) <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private read(slot: number): VmArea | undefined {
    const { words } = this;
    const at = this.slotAt(slot);
    if (words[at + SLOT.State] !== Busy) return undefined;
    const units = Array.from({ length: words[at + SLOT.NameLength]! }, (_, unit) => (words[at + SLOT.Name + (unit >> 1)]! >>> ((unit & 1) * 16)) & 0xffff);
    return { start: this.startOf(at), pages: words[at + SLOT.Pages]!, huge: words[at + SLOT.Huge] === 1, name: String.fromCharCode(...units), slot, generation: words[at + SLOT.Generation]! };
  }

  private startOf(at: number): number {
    return ((this.words[at + SLOT.StartLow]! >>> 0) + this.words[at + SLOT.StartHigh]! * 2 ** 32) * this.pageBytes;
  }

  private slotAt(slot: number): number {
    return this.at + ORDER + this.capacity + slot * SLOT_WORDS;
  }

  private locked<T>(body: () => T): T {
    spinLock(this.words, this.at + AREAS_LOCK, vmapAreaLock);
    try {
      return body();
    } finally {
      spinUnlock(this.words, this.at + AREAS_LOCK);
    }
  }
}
