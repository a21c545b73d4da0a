import { PgtableError } from '@pgtable/core';

/** Bytes of a page and of a frame. */
export const PAGE_BYTES = 4096;

/** Physical memory from address 0 on. */
export class Ram {
  readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(frames: number) {
    this.bytes = new Uint8Array(frames * PAGE_BYTES);
    this.view = new DataView(this.bytes.buffer);
  }

  get frames(): number {
    return this.bytes.length / PAGE_BYTES;
  }

  /** The 64 bits at a physical address, a multiple of 8. */
  read64(address: number): bigint {
    return this.view.getBigUint64(this.aligned(address), true);
  }

  write64(address: number, value: bigint): void {
    this.view.setBigUint64(this.aligned(address), value, true);
  }

  /** The bytes of a frame, not a copy. */
  frame(pfn: number): Uint8Array {
    return this.bytes.subarray(pfn * PAGE_BYTES, (pfn + 1) * PAGE_BYTES);
  }

  copyFrame(from: number, to: number): void {
    this.frame(to).set(this.frame(from));
  }

  private aligned(address: number): number {
    if (address % 8 !== 0 || address < 0 || address >= this.bytes.length) {
      throw new PgtableError('EFAULT', `no 64-bit word of RAM is at 0x${address.toString(16)}`, { hint: 'addresses are multiples of 8 within RAM' });
    }
    return address;
  }
}

/** Frames of RAM, with the number of users of each. */
export class FrameAllocator {
  private readonly users: Uint16Array;
  private next = 0;
  private left: number;

  constructor(frames: number) {
    this.users = new Uint16Array(frames);
    this.left = frames;
  }

  /** Frames that nobody uses. */
  get free(): number {
    return this.left;
  }

  /** A frame with one user; undefined if there is none. Frames are handed out in turn, so that a stale one is noticed late. */
  alloc(): number | undefined {
    const later = this.users.indexOf(0, this.next);
    const pfn = later < 0 ? this.lowest() : later;
    if (pfn === undefined) return undefined;
    this.take(pfn);
    this.next = pfn + 1;
    return pfn;
  }

  /** The lowest frame that nobody uses. */
  lowest(): number | undefined {
    const pfn = this.users.indexOf(0);
    return pfn < 0 ? undefined : pfn;
  }

  /** Takes a frame that nobody uses. */
  take(pfn: number): void {
    if (this.users[pfn] !== 0) throw new PgtableError('EINVAL', `frame ${pfn} is in use`);
    this.users[pfn] = 1;
    this.left--;
  }

  /** One user more. */
  get(pfn: number): void {
    this.users[pfn] = this.count(pfn) + 1;
  }

  /** One user less. Returns: whether the frame is free now. */
  put(pfn: number): boolean {
    const users = this.count(pfn) - 1;
    this.users[pfn] = users;
    if (users > 0) return false;
    this.left++;
    return true;
  }

  /** Users of a frame that is in use. */
  count(pfn: number): number {
    const users = this.users[pfn] ?? 0;
    if (users === 0) throw new PgtableError('EINVAL', `frame ${pfn} is not in use`);
    return users;
  }
}
