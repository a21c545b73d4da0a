import type { FrameAllocator, Ram } from './ram.js';
import { PAGE_BYTES } from './ram.js';

/** A file of the guest, with its page cache. */
export class GuestFile {
  readonly name: string;
  /** What is on the disk. */
  readonly disk: Uint8Array;
  private readonly ram: Ram;
  private readonly frames: FrameAllocator;
  /** Frames by page of the file; the cache is one user of each. */
  private readonly cache = new Map<number, number>();
  private readonly dirty = new Set<number>();

  constructor(name: string, pages: number, ram: Ram, frames: FrameAllocator) {
    this.name = name;
    this.disk = new Uint8Array(pages * PAGE_BYTES);
    this.ram = ram;
    this.frames = frames;
  }

  /** The frame of a page of the file, if it is in the cache. */
  cached(page: number): number | undefined {
    return this.cache.get(page);
  }

  /** Whether a frame is one of the cache's. */
  holds(pfn: number): boolean {
    return [...this.cache.values()].includes(pfn);
  }

  /** Reads a page from the disk into a frame, which becomes the cache's. */
  fill(page: number, pfn: number): void {
    this.ram.frame(pfn).set(this.disk.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES));
    this.cache.set(page, pfn);
  }

  /** Someone wrote to the page through a mapping: the disk is behind. */
  markDirty(page: number): void {
    this.dirty.add(page);
  }

  /** Writes to the disk what it does not have. Returns: how many pages that were. */
  writeBack(): number {
    const count = this.dirty.size;
    for (const page of this.dirty) this.disk.set(this.ram.frame(this.cache.get(page)!), page * PAGE_BYTES);
    this.dirty.clear();
    return count;
  }

  /** Forgets the cache. What was not written back is lost, as when the power fails. */
  dropCache(): void {
    for (const pfn of this.cache.values()) this.frames.put(pfn);
    this.cache.clear();
    this.dirty.clear();
  }
}
