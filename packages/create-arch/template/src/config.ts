import { releaseAtLeast, type SwapOptions } from '@pgtable/core';

/**
 * What is known of a processor and its kernel. Nothing is needed.
 *
 * REPLACE: add what your machine's registers and its kernel's options decide (page size, levels, extensions). The variant is chosen at run time,
 * from registers or from what the dump says, never at build time.
 */
export interface TrioConfig {
  /** The kernel's release (`uname -r`), for what it stores in entries that are not present. Default: a recent one. */
  readonly release?: string;
  /** Kernel options that number the special swap types. Default: as distributions build them. */
  readonly swap?: SwapOptions;
}

/** A {@link TrioConfig} with nothing left open. */
export interface FullConfig {
  readonly release: string | undefined;
  readonly swap: Required<SwapOptions>;
}

/** Fills in what a configuration leaves out. */
export function fullConfig(config: TrioConfig): FullConfig {
  return {
    release: config.release,
    swap: {
      memoryFailure: config.swap?.memoryFailure ?? true,
      migration: config.swap?.migration ?? true,
      devicePrivate: config.swap?.devicePrivate ?? releaseAtLeast(config.release, 4, 14) !== false,
      earlyMarkers: config.swap?.earlyMarkers ?? false,
    },
  };
}
