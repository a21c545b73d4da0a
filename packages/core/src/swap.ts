import type { NonPresent } from './attributes.js';
import { releaseAtLeast } from './vmcoreinfo.js';

/*
 * What a swap type and offset mean, on every architecture (include/linux/swap.h, include/linux/swapops.h; Linux 6.12). Where
 * in an entry they stand is each architecture's own.
 *
 * There are 32 types. The highest ones are no swap files; they are numbered from the top down by what the kernel was built
 * with:
 *
 *   hwpoison                              CONFIG_MEMORY_FAILURE
 *   migration-read
 *   migration-read-exclusive              since 5.19 (6c287605fd56)
 *   migration-write                       CONFIG_MIGRATION
 *   device-private-write, -read           CONFIG_DEVICE_PRIVATE, since 4.14
 *   device-exclusive-write, -read         since 5.14 (b756a3b5e7ea), one type since 6.15
 *   marker                                an option in 5.19 that only x86 could have, always there since 6.2
 */

/** MAX_SWAPFILES_SHIFT is 5. */
const SWAP_TYPES = 32;

/** Kernel options that number the special swap types. */
export interface SwapOptions {
  /** CONFIG_MEMORY_FAILURE: a type for poisoned pages. */
  readonly memoryFailure?: boolean;
  /** CONFIG_MIGRATION: types for pages on their way. */
  readonly migration?: boolean;
  /** CONFIG_DEVICE_PRIVATE: types for device memory. */
  readonly devicePrivate?: boolean;
  /** CONFIG_PTE_MARKER of 5.19 to 6.1. */
  readonly earlyMarkers?: boolean;
}

/** How an architecture's kernel fills a swap entry. */
export interface SwapDecoding {
  /** The kernel's release; undefined for a recent one. */
  readonly release: string | undefined;
  readonly options: Required<SwapOptions>;
  /** Bits of a frame number in an offset: MAX_PHYSMEM_BITS less the page shift. @see SWP_PFN_BITS */
  readonly pfnBits: number;
  readonly pageShift: number;
  /** Whether an offset has room for young and dirty above the frame number. Default true; used since 6.1. */
  readonly hasYoungAndDirty?: boolean;
}

/** What a type that is no swap file stands for. */
export type SpecialSwapType =
  | 'hwpoison'
  | 'migration-read' | 'migration-read-exclusive' | 'migration-write'
  | 'device-private-write' | 'device-private-read'
  | 'device-exclusive-write' | 'device-exclusive-read' | 'device-exclusive'
  | 'marker';

/** PTE_MARKER_*, the bits of a marker's offset from bit 0 up; poisoned was a swapin error before 6.6, guard is there since 6.13. */
const MARKERS = ['uffd-wp', 'poisoned', 'guard'];

/**
 * Says what a swap type and offset mean.
 *
 * @param flags what the entry says beside them, in the kernel's words: `exclusive`, `soft-dirty`, `uffd-wp`
 */
export function decodeSwapEntry(how: SwapDecoding, type: number, offset: bigint, flags: readonly string[]): NonPresent {
  const special = specialSwapTypes(how.release, how.options);
  const name = special[type - (SWAP_TYPES - special.length)];
  if (name === undefined) return { kind: 'swap', type, offset, flags };
  switch (name) {
    case 'migration-read':
    case 'migration-read-exclusive':
    case 'migration-write':
      return migration(how, name, offset, flags);
    case 'marker':
      return { kind: 'special', name, type, offset, flags: [...flags, ...MARKERS.filter((_, bit) => ((offset >> BigInt(bit)) & 1n) !== 0n)] };
    case 'hwpoison':
    case 'device-private-write':
    case 'device-private-read':
    case 'device-exclusive-write':
    case 'device-exclusive-read':
    case 'device-exclusive':
      return { kind: 'special', name, type, offset, flags };
  }
}

/**
 * The types that are no swap files, in the order of their numbers; the last is 31.
 *
 * @param release undefined for a recent one
 */
export function specialSwapTypes(release: string | undefined, options: Required<SwapOptions>): readonly SpecialSwapType[] {
  const since = (major: number, minor: number): boolean => releaseAtLeast(release, major, minor) !== false;
  const types: SpecialSwapType[] = [];
  if (options.memoryFailure) types.push('hwpoison');
  if (options.migration) {
    types.push('migration-read');
    if (since(5, 19)) types.push('migration-read-exclusive');
    types.push('migration-write');
  }
  if (options.devicePrivate && since(4, 14)) {
    types.push('device-private-write', 'device-private-read');
    if (since(6, 15)) types.push('device-exclusive');
    else if (since(5, 14)) types.push('device-exclusive-write', 'device-exclusive-read');
  }
  if (since(6, 2) || (options.earlyMarkers && since(5, 19))) types.push('marker');
  return types;
}

/** The offset of a migration entry is a frame number; since 6.1 (0d206b5d2e0d) the two bits above it say whether the page was young and dirty. */
function migration(how: SwapDecoding, name: SpecialSwapType, offset: bigint, flags: readonly string[]): NonPresent {
  const pfnBits = BigInt(how.pfnBits);
  const masked = releaseAtLeast(how.release, 6, 1) !== false;
  const states = masked && (how.hasYoungAndDirty ?? true);
  return {
    kind: 'migration',
    pa: (masked ? offset & ((1n << pfnBits) - 1n) : offset) << BigInt(how.pageShift),
    writable: name === 'migration-write',
    flags: [
      ...flags,
      ...(name === 'migration-read-exclusive' ? ['anon-exclusive'] : []),
      ...(states && ((offset >> pfnBits) & 1n) !== 0n ? ['young'] : []),
      ...(states && ((offset >> (pfnBits + 1n)) & 1n) !== 0n ? ['dirty'] : []),
    ],
  };
}
