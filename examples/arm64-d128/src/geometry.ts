import type { Geometry, Level, LevelGeometry } from '@pgtable/core';
import type { ResolvedConfig } from './config.js';

/** Bytes of a descriptor. */
export const ENTRY_BYTES = 16;

/**
 * Bytes that one entry of a level of the manual's count maps, as a power of two. A page full of 16-byte entries resolves one bit less than one of 8-byte
 * entries: 4K pages have 12 at level 3 (4 KiB), then 20 (1 MiB), 28 (256 MiB), 36 (64 GiB), 44.
 */
export function levelShift(pageShift: number, manualLevel: number): number {
  return pageShift + (3 - manualLevel) * (pageShift - 4);
}

/** The manual's level, -1 to 3, of entries that map `2 ** shift` bytes. */
export function manualLevel(pageShift: number, shift: number): number {
  return 3 - (shift - pageShift) / (pageShift - 4);
}

/** From level 3 up, below the top one. */
const NAMES = ['pte', 'pmd', 'pud', 'p4d'] as const satisfies readonly Level[];

/**
 * The levels of a configuration under their kernel names, as with 64-bit descriptors: the top table is the pgd, level 3 is the pte, and levels that are
 * not there are missing directly below the pgd.
 *
 * The top table has as many entries as the address size leaves for it: 2 up to a page full.
 */
export function d128Geometry(config: ResolvedConfig): Geometry {
  const { pageShift, levels, vaBits, granule } = config;
  const topShift = levelShift(pageShift, 4 - levels);
  const lower = (at: 0 | 1 | 2 | 3): LevelGeometry => {
    const level = NAMES[at];
    const folded = at >= levels - 1;
    return {
      level,
      title: level.toUpperCase(),
      shift: folded ? topShift : levelShift(pageShift, 3 - at),
      entries: folded ? 1 : granule / ENTRY_BYTES,
      folded,
    };
  };
  const pgd: LevelGeometry = { level: 'pgd', title: 'PGD', shift: topShift, entries: 2 ** (vaBits - topShift), folded: false };
  return { levels: [lower(0), lower(1), lower(2), lower(3), pgd], pageBytes: granule, entryBytes: ENTRY_BYTES, addressDigits: 16 };
}
