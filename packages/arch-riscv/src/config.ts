import { releaseAtLeast, type SwapOptions } from '@pgtable/core';
import type { RiscvMode } from './geometry.js';

/** What is known of a processor and its kernel. Only the mode is needed. */
export interface RiscvConfig {
  readonly mode: RiscvMode;
  /** Svnapot: bit 63 makes groups of pages, and HugeTLB has pages of 64 KiB. If false it is reserved. Default true; Sv32 has none. */
  readonly svnapot?: boolean;
  /** Svpbmt: bits 62:61 are a memory type. If false they are reserved. Default true; Sv32 has none. */
  readonly svpbmt?: boolean;
  /**
   * Svvptc: a valid entry is seen soon after it was written, without a flush. If false, a processor may go on remembering that the entry
   * was not valid, so making one valid is followed by a flush (`updateMmuCache`). Default false, which is right on every processor.
   */
  readonly svvptc?: boolean;
  /** The kernel's release (`uname -r`), for what it stores in entries that are not present. Default: a recent one. */
  readonly release?: string;
  /** Kernel options that number the special swap types. Default: as distributions build them. */
  readonly swap?: SwapOptions;
}

/** A {@link RiscvConfig} with nothing left open. */
export interface FullConfig {
  readonly mode: RiscvMode;
  readonly svnapot: boolean;
  readonly svpbmt: boolean;
  readonly svvptc: boolean;
  readonly release: string | undefined;
  readonly swap: Required<SwapOptions>;
}

/** Fills in what a configuration leaves out. */
export function fullConfig(config: RiscvConfig): FullConfig {
  const wide = config.mode !== 'Sv32';
  return {
    mode: config.mode,
    svnapot: wide && (config.svnapot ?? true),
    svpbmt: wide && (config.svpbmt ?? true),
    svvptc: config.svvptc ?? false,
    release: config.release,
    swap: {
      // riscv kernels up to 6.12 cannot have it.
      memoryFailure: config.swap?.memoryFailure ?? false,
      migration: config.swap?.migration ?? true,
      // 64-bit kernels from 6.4 on are the first that can have it.
      devicePrivate: config.swap?.devicePrivate ?? (wide && releaseAtLeast(config.release, 6, 4) !== false),
      earlyMarkers: config.swap?.earlyMarkers ?? false,
    },
  };
}
