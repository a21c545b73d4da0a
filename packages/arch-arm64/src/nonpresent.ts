import { releaseAtLeast, type Geometry, geometryOf, levelNumber, type Level, type NonPresent } from '@pgtable/core';
import { decodeSwapEntry, leafAddress, type EntryFormat, type SwapDecoding } from '@pgtable/core/arch';
import { leafFlags } from './attributes.js';
import { PMD_PRESENT_INVALID, PRESENT_INVALID, PROT_NONE, SWP_EXCLUSIVE, SWP_UFFD_WP } from './bits.js';
import type { ResolvedConfig } from './config.js';
import { manualLevel } from './geometry.js';

/** Where the fields of a swap entry are. */
export interface Arm64SwapLayout {
  readonly typeShift: bigint;
  readonly typeMask: bigint;
  readonly offsetShift: bigint;
  /** Bits that are set in no swap entry. */
  readonly zero: bigint;
  readonly exclusive: bigint;
  readonly uffdWp: bigint;
}

const OFFSET_MASK = (1n << 50n) - 1n;

/**
 * The layouts, by release (arch/arm64/include/asm/pgtable.h, "Encode and decode a swap entry"):
 *
 * - since 6.10 (the userfaultfd series of May 2024, last commit 5b32510af77b): 2 exclusive, 3 uffd-wp, 6..10 type, 11 zero, 12..61 offset
 * - since 5.19 (PG_anon_exclusive): 2 exclusive, 3..7 type, 8..57 offset, 58 zero
 * - before: 2..7 type, 8..57 offset, 58 zero
 */
export function swapLayout(release: string | undefined): Arm64SwapLayout {
  if (releaseAtLeast(release, 6, 10) ?? true) {
    const zero = 3n | (3n << 4n) | (1n << 11n) | (3n << 62n);
    return { typeShift: 6n, typeMask: 31n, offsetShift: 12n, zero, exclusive: SWP_EXCLUSIVE, uffdWp: SWP_UFFD_WP };
  }
  const zero = 3n | (63n << 58n);
  if (releaseAtLeast(release, 5, 19) ?? true) return { typeShift: 3n, typeMask: 31n, offsetShift: 8n, zero, exclusive: SWP_EXCLUSIVE, uffdWp: 0n };
  return { typeShift: 2n, typeMask: 63n, offsetShift: 8n, zero, exclusive: 0n, uffdWp: 0n };
}

/** {@link Arch.decodeNonPresent} for a configuration. */
export function arm64NonPresent(config: ResolvedConfig, geometry: Geometry, formats: readonly EntryFormat[]): (level: Level, value: bigint) => NonPresent {
  const { release, half, pageShift } = config;
  const generic = releaseAtLeast(release, 6, 10) ?? true;
  const layout = swapLayout(release);
  const swap: SwapDecoding = {
    release,
    // CONFIG_MIGRATION and CONFIG_DEVICE_PRIVATE are taken as set, as distributions do.
    options: { memoryFailure: config.memoryFailure, migration: true, devicePrivate: true, earlyMarkers: false },
    pfnBits: config.maxPhysmemBits - pageShift,
    pageShift,
  };

  const isPresent = (level: Level, value: bigint): boolean => {
    if (generic ? (value & PRESENT_INVALID) !== 0n : (value & PROT_NONE) !== 0n || (level !== 'pte' && (value & PMD_PRESENT_INVALID) !== 0n)) return true;
    // The kernel's own mappings are never swapped: set_memory_valid() and DEBUG_PAGEALLOC clear VALID and nothing else.
    return half === 'ttbr1' && (value & 2n) !== 0n;
  };

  return (level, value) => {
    const lo = Number(BigInt.asIntN(32, value));
    const hi = Number(BigInt.asIntN(32, value >> 32n));
    if (isPresent(level, value)) {
      const { shift } = geometryOf(geometry, level);
      return {
        kind: 'protected',
        pa: BigInt(leafAddress(formats[levelNumber(level)]!, lo, hi)),
        flags: leafFlags(config, manualLevel(pageShift, shift), lo, hi),
      };
    }
    const type = Number((value >> layout.typeShift) & layout.typeMask);
    if ((value & layout.zero) !== 0n || type > 31) return { kind: 'unknown', flags: [] };
    const offset = (value >> layout.offsetShift) & OFFSET_MASK;
    const flags: string[] = [];
    if ((value & layout.exclusive) !== 0n) flags.push('exclusive');
    if ((value & layout.uffdWp) !== 0n) flags.push('uffd-wp');
    return decodeSwapEntry(swap, type, offset, flags);
  };
}
