import type { Geometry, Level, LevelGeometry } from '@pgtable/core';
import type { ResolvedConfig } from './config.js';

/**
 * Bytes that one entry of a level of the manual's count maps, as a power of two: 4K pages have 12 at level 3, then 9 more a
 * level; 16K 14 and 11, 64K 16 and 13. Linux: ARM64_HW_PGTABLE_LEVEL_SHIFT.
 */
export function levelShift(pageShift: number, manualLevel: number): number {
  return pageShift + (3 - manualLevel) * (pageShift - 3);
}

/** The manual's level, -1 to 3, of entries that map `2 ** shift` bytes. */
export function manualLevel(pageShift: number, shift: number): number {
  return 3 - (shift - pageShift) / (pageShift - 3);
}

/** From level 3 up, below the top one. */
const NAMES = ['pte', 'pmd', 'pud', 'p4d'] as const satisfies readonly Level[];

/**
 * The levels of a configuration under their kernel names: the top table is the pgd, level 3 is the pte, and levels that
 * are not there are missing directly below the pgd (arch/arm64 includes pgtable-nop4d.h, -nopud.h, -nopmd.h in that order).
 *
 * The top table has as many entries as the address size leaves for it: 2 up to a page full.
 */
export function arm64Geometry(config: ResolvedConfig): Geometry {
  const { pageShift, levels, vaBits, granule } = config;
  const topShift = levelShift(pageShift, 4 - levels);
  const lower = (at: 0 | 1 | 2 | 3): LevelGeometry => {
    const level = NAMES[at];
    const folded = at >= levels - 1;
    return {
      level,
      title: level.toUpperCase(),
      shift: folded ? topShift : levelShift(pageShift, 3 - at),
      entries: folded ? 1 : granule / 8,
      folded,
    };
  };
  const pgd: LevelGeometry = { level: 'pgd', title: 'PGD', shift: topShift, entries: 2 ** (vaBits - topShift), folded: false };
  return { levels: [lower(0), lower(1), lower(2), lower(3), pgd], pageBytes: granule, entryBytes: 8, addressDigits: 16 };
}
