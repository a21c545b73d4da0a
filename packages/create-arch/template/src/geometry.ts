import type { Geometry, Level, LevelGeometry, Root, VaWindow } from '@pgtable/core';

function level(name: Level, shift: number, entries: number, folded = false): LevelGeometry {
  return { level: name, title: name.toUpperCase(), shift, entries, folded };
}

/**
 * The shape of the tables: 39 bits of virtual address over three levels.
 *
 * REPLACE: one `level()` for each of the five, lowest first. `shift`: an entry maps 2 ** shift bytes. `entries`: those of a full table, a power of
 * two or not. The root is the pgd; a level that your machine lacks is folded, and has the shift of the level above that exists. Several
 * variants (page sizes, numbers of levels) are several geometries, chosen by the configuration.
 */
export const TRIO_GEOMETRY: Geometry = {
  levels: [level('pte', 12, 512), level('pmd', 21, 512), level('pud', 30, 1, true), level('p4d', 30, 1, true), level('pgd', 30, 512)],
  pageBytes: 4096,
  entryBytes: 8,
  addressDigits: 16,
};

/** Bytes of a root table, and what its address is a multiple of. */
export const ROOT_BYTES = 4096;

/** Bits of a virtual address. The bits above are copies of the highest. */
export const VA_BITS = 39;

/**
 * The addresses that a root translates, ascending: 39 bits, sign-extended, so half of them at either end.
 *
 * REPLACE: a machine with two root registers has two kinds of root with a window each.
 */
export const TRIO_WINDOWS: readonly VaWindow[] = [
  { start: 0, end: 2 ** (VA_BITS - 1), index: 0, half: 'user' },
  { start: 2 ** 64 - 2 ** (VA_BITS - 1), end: 2 ** 64, index: 256, half: 'kernel' },
];

/**
 * The root of an address space.
 *
 * @param table physical address of the root table
 */
export function trioRoot(table: number): Root {
  return { table, top: 'pgd', first: 0, end: TRIO_GEOMETRY.levels[4].entries, windows: TRIO_WINDOWS, inherited: 0 };
}
