import { geometryOf, type Geometry, type Level, type NonPresent } from '@pgtable/core';
import { decodeSwapEntry, type SwapDecoding } from '@pgtable/core/arch';
import { leafFlags } from './attributes.js';
import { LOWER_LO, SWP_EXCLUSIVE, SWP_UFFD_WP, UPPER_SHIFT } from './bits.js';
import type { ResolvedConfig } from './config.js';
import { addressMask, isPresentInvalid } from './format.js';
import { manualLevel } from './geometry.js';
import { SWAP } from './values.js';

/** Bits of a swap entry that are set in none: 1:0, 5:4, 11, and what is above the offset. */
const SWAP_ZERO = 3n | (3n << 4n) | (1n << 11n) | (((1n << 72n) - 1n) << 56n);

/**
 * {@link Arch.decodeNonPresent} for a configuration.
 *
 * Linux's patches for D128 could not be had, so this is what Linux 6.12 keeps in 64-bit entries, but for the offset of a swap entry, which ends
 * at bit 55.
 */
export function d128NonPresent(config: ResolvedConfig, geometry: Geometry): (level: Level, value: bigint) => NonPresent {
  const swap: SwapDecoding = {
    release: undefined,
    options: { memoryFailure: true, migration: true, devicePrivate: true, earlyMarkers: false },
    pfnBits: Math.min(config.paBits, 52) - config.pageShift,
    pageShift: config.pageShift,
  };
  return (level, value) => {
    if (isPresentInvalid(config, value)) {
      const { shift } = geometryOf(geometry, level);
      const lo = Number(value & BigInt(LOWER_LO));
      const upper = Number(BigInt.asIntN(32, value >> UPPER_SHIFT));
      return { kind: 'protected', pa: value & addressMask(shift), flags: leafFlags(manualLevel(config.pageShift, shift), lo, upper) };
    }
    if ((value & SWAP_ZERO) !== 0n) return { kind: 'unknown', flags: [] };
    const flags: string[] = [];
    if ((value & SWP_EXCLUSIVE) !== 0n) flags.push('exclusive');
    if ((value & SWP_UFFD_WP) !== 0n) flags.push('uffd-wp');
    const type = Number((value >> BigInt(SWAP.typeShift)) & 31n);
    return decodeSwapEntry(swap, type, (value >> BigInt(SWAP.offsetShift)) & ((1n << BigInt(SWAP.offsetBits)) - 1n), flags);
  };
}
