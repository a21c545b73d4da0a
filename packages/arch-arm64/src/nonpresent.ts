import { releaseAtLeast, type Geometry, geometryOf, levelNumber, type Level, type NonPresent } from '@pgtable/core';
import { leafAddress, type EntryFormat } from '@pgtable/core/arch';
import { leafFlags } from './attributes.js';
import { PMD_PRESENT_INVALID, PRESENT_INVALID, PROT_NONE, SWP_EXCLUSIVE, SWP_UFFD_WP } from './bits.js';
import type { ResolvedConfig } from './config.js';
import { manualLevel } from './geometry.js';

/** Where the fields of a swap entry are. */
interface SwapLayout {
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
function swapLayout(release: string | undefined): SwapLayout {
  if (releaseAtLeast(release, 6, 10) ?? true) {
    const zero = 3n | (3n << 4n) | (1n << 11n) | (3n << 62n);
    return { typeShift: 6n, typeMask: 31n, offsetShift: 12n, zero, exclusive: SWP_EXCLUSIVE, uffdWp: SWP_UFFD_WP };
  }
  const zero = 3n | (63n << 58n);
  if (releaseAtLeast(release, 5, 19) ?? true) return { typeShift: 3n, typeMask: 31n, offsetShift: 8n, zero, exclusive: SWP_EXCLUSIVE, uffdWp: 0n };
  return { typeShift: 2n, typeMask: 63n, offsetShift: 8n, zero, exclusive: 0n, uffdWp: 0n };
}

type SpecialType = 'hwpoison' | 'migration-read' | 'migration-read-exclusive' | 'migration-write' | 'device-private' | 'device-exclusive' | 'marker';

/**
 * What the highest swap types mean, from MAX_SWAPFILES up to 31 (include/linux/swap.h): poison, migration, device memory,
 * markers. Migration has a third type since 5.19, device memory two more since 5.14, and markers are always there since 6.2.
 * CONFIG_MIGRATION and CONFIG_DEVICE_PRIVATE are taken as set, as distributions do.
 */
function specialTypes(release: string | undefined, memoryFailure: boolean): readonly SpecialType[] {
  const since = (major: number, minor: number): boolean => releaseAtLeast(release, major, minor) ?? true;
  return [
    ...(memoryFailure ? (['hwpoison'] as const) : []),
    'migration-read',
    ...(since(5, 19) ? (['migration-read-exclusive'] as const) : []),
    'migration-write',
    // Writable and readable: two types each.
    ...(['device-private', 'device-private'] as const),
    ...(since(5, 14) ? (['device-exclusive', 'device-exclusive'] as const) : []),
    ...(since(6, 2) ? (['marker'] as const) : []),
  ];
}

/** PTE_MARKER_*, the bits of a marker's offset (include/linux/swapops.h; GUARD since 6.13). */
const MARKERS = ['uffd-wp', 'poisoned', 'guard'];

/** {@link Arch.decodeNonPresent} for a configuration. */
export function arm64NonPresent(config: ResolvedConfig, geometry: Geometry, formats: readonly EntryFormat[]): (level: Level, value: bigint) => NonPresent {
  const { release, half, pageShift } = config;
  const generic = releaseAtLeast(release, 6, 10) ?? true;
  const layout = swapLayout(release);
  const special = specialTypes(release, config.memoryFailure);
  const firstSpecial = 32 - special.length;
  const pfnBits = BigInt(config.maxPhysmemBits - pageShift);
  // Young and dirty are kept above the frame number since 6.1.
  const keepsYoung = releaseAtLeast(release, 6, 1) ?? true;

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
    const name = special[type - firstSpecial];
    if (name === undefined) return { kind: 'swap', type, offset, flags };
    switch (name) {
      case 'migration-read':
      case 'migration-read-exclusive':
      case 'migration-write': {
        if (name === 'migration-read-exclusive') flags.push('exclusive');
        if (keepsYoung && ((offset >> pfnBits) & 1n) !== 0n) flags.push('young');
        if (keepsYoung && ((offset >> (pfnBits + 1n)) & 1n) !== 0n) flags.push('dirty');
        const pfn = keepsYoung ? offset & ((1n << pfnBits) - 1n) : offset;
        return { kind: 'migration', pa: pfn << BigInt(pageShift), writable: name === 'migration-write', flags };
      }
      case 'device-private':
      case 'device-exclusive':
        // Of each pair the lower type is the writable one.
        flags.push(special[type - firstSpecial - 1] === name ? 'read' : 'write');
        return { kind: 'special', name, type, offset, flags };
      case 'hwpoison':
        return { kind: 'special', name, type, offset, flags };
      case 'marker':
        flags.push(...MARKERS.filter((_, bit) => ((offset >> BigInt(bit)) & 1n) !== 0n));
        return { kind: 'special', name, type, offset, flags };
    }
  };
}
