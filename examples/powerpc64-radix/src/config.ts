import { releaseAtLeast, type SwapOptions } from '@pgtable/core';

/** What is known of a processor and its kernel. Nothing is needed. */
export interface Powerpc64Config {
  /** Bytes of the smallest page (`CONFIG_PPC_64K_PAGES`): VMCOREINFO's PAGESIZE. Default: 65536. */
  readonly pageBytes?: 4096 | 65536;
  /** The kernel's release (`uname -r`), for what it stores in entries that are not present. Default: a recent one. */
  readonly release?: string;
  /** Kernel options that number the special swap types. Default: as distributions build them. */
  readonly swap?: SwapOptions;
}

/** A {@link Powerpc64Config} with nothing left open. */
export interface FullConfig {
  readonly pageBytes: 4096 | 65536;
  readonly release: string | undefined;
  readonly swap: Required<SwapOptions>;
}

/** Fills in what a configuration leaves out. */
export function fullConfig(config: Powerpc64Config): FullConfig {
  return {
    pageBytes: config.pageBytes ?? 65536,
    release: config.release,
    swap: {
      memoryFailure: config.swap?.memoryFailure ?? true,
      migration: config.swap?.migration ?? true,
      devicePrivate: config.swap?.devicePrivate ?? releaseAtLeast(config.release, 4, 14) !== false,
      earlyMarkers: config.swap?.earlyMarkers ?? false,
    },
  };
}
