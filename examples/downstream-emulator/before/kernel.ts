import { FlushLedger, PgtableError, TableMemory } from '@pgtable/core';
import { riscvArch } from '@pgtable/arch-riscv';
import { EntryStack } from './entry-stack.js';
import type { Family, Riscv } from './family.js';
import { GuestFile } from './file.js';
import { Mm } from './mm.js';
import { FrameAllocator, Ram } from './ram.js';
import { SwapDevice } from './swap-device.js';
import { Swapper } from './swapper.js';

/** What the kernel counts, as /proc/vmstat does. */
export interface Counters {
  /** Faults that needed no disk, and those that did. */
  minor: number;
  major: number;
  /** Pages that were copied because somebody else has them too. */
  copied: number;
  /** Pages that were made writable as they are. */
  reused: number;
  /** Pages that went to swap, those of them that were there already, and those that came back. */
  swapOut: number;
  dropped: number;
  swapIn: number;
  /** Faults that had been handled by someone else meanwhile. */
  raced: number;
  /** Accesses that were refused. */
  refused: number;
}

/** How large the machine is. */
export interface KernelOptions {
  readonly frames: number;
  readonly slots: number;
}

/** A machine and the kernel on it. */
export class Kernel {
  readonly ram: Ram;
  readonly frames: FrameAllocator;
  readonly swap: SwapDevice;
  readonly tables = new TableMemory();
  readonly arch: Riscv;
  readonly stack = new EntryStack(64);
  readonly ledger = new FlushLedger();
  readonly swapper: Swapper;
  /** The slot of swap that has the same contents as a frame. */
  readonly swapCache = new Map<number, number>();
  readonly counters: Counters = { minor: 0, major: 0, copied: 0, reused: 0, swapOut: 0, dropped: 0, swapIn: 0, raced: 0, refused: 0 };
  readonly mms: Mm[] = [];
  /** The frame of zeros that every page shows before it is written to. */
  readonly zeroPfn: number;
  /** What other processors do while this one waits for a disk. */
  whileWaiting: (() => void) | undefined;
  private waiting = false;
  private nextPid = 1;

  constructor({ frames, slots }: KernelOptions) {
    this.ram = new Ram(frames);
    this.frames = new FrameAllocator(frames);
    this.swap = new SwapDevice(slots);
    this.arch = riscvArch<Family>({ mode: 'Sv39', svvptc: true }, this.tables);
    this.swapper = new Swapper(this);
    this.zeroPfn = this.allocFrame();
  }

  newMm(): Mm {
    const mm = new Mm(this, this.nextPid++);
    this.mms.push(mm);
    return mm;
  }

  newFile(name: string, pages: number): GuestFile {
    return new GuestFile(name, pages, this.ram, this.frames);
  }

  /** A frame; if none is left, pages go to swap. What it holds is undefined. */
  allocFrame(): number {
    for (let tried = 0; tried < 4; tried++) {
      const pfn = this.frames.alloc();
      if (pfn !== undefined) return pfn;
      for (const mm of this.mms) this.swapper.reclaim(mm, 8);
    }
    throw new PgtableError('ENOMEM', `no frame is left of ${this.ram.frames}, and nothing can go to swap`, {
      hint: 'give the machine more RAM, or run less on it',
    });
  }

  /** A frame that reads as zeros. */
  allocZeroed(): number {
    const pfn = this.allocFrame();
    this.ram.frame(pfn).fill(0);
    return pfn;
  }

  /** One user less of a frame; with the last one its copy in swap goes too. */
  putFrame(pfn: number): void {
    if (!this.frames.put(pfn)) return;
    const slot = this.swapCache.get(pfn);
    if (slot === undefined) return;
    this.swapCache.delete(pfn);
    this.swap.put(slot);
  }

  /** Waits for a disk. Other processors run, but not inside of another wait. */
  wait(): void {
    if (this.waiting || this.whileWaiting === undefined) return;
    this.waiting = true;
    try {
      this.whileWaiting();
    } finally {
      this.waiting = false;
    }
  }
}
