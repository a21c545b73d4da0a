import { PgtableError } from '@pgtable/core';
import { PAGE_BYTES } from './ram.js';

/** Where pages go that no frame is left for. */
export class SwapDevice {
  reads = 0;
  writes = 0;
  private readonly bytes: Uint8Array;
  private readonly users: Uint16Array;

  constructor(slots: number) {
    this.bytes = new Uint8Array(slots * PAGE_BYTES);
    this.users = new Uint16Array(slots);
  }

  /** Slots that are in use. */
  get used(): number {
    return this.users.reduce((sum, users) => sum + (users > 0 ? 1 : 0), 0);
  }

  /** A free slot, with one user. */
  alloc(): number {
    // Slot 0 is the header of the device, as on Linux.
    const slot = this.users.indexOf(0, 1);
    if (slot < 0) throw new PgtableError('ENOMEM', `all ${this.users.length - 1} slots of swap are in use`, { hint: 'make the device larger' });
    this.users[slot] = 1;
    return slot;
  }

  get(slot: number): void {
    this.users[slot]!++;
  }

  put(slot: number): void {
    this.users[slot]!--;
  }

  count(slot: number): number {
    return this.users[slot]!;
  }

  write(slot: number, page: Uint8Array): void {
    this.slot(slot).set(page);
    this.writes++;
  }

  read(slot: number, page: Uint8Array): void {
    page.set(this.slot(slot));
    this.reads++;
  }

  /** What a slot holds, without reading it as the machine does. */
  peek(slot: number): Uint8Array {
    return this.slot(slot);
  }

  private slot(slot: number): Uint8Array {
    return this.bytes.subarray(slot * PAGE_BYTES, (slot + 1) * PAGE_BYTES);
  }
}
