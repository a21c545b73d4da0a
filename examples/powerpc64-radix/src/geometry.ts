import type { Geometry, Level, LevelGeometry, Root, VaWindow } from '@pgtable/core';

function level(name: Level, shift: number, bits: number, folded = false): LevelGeometry {
  return { level: name, title: name.toUpperCase(), shift, entries: 2 ** bits, folded };
}

function geometry(pageShift: number): Geometry {
  return {
    levels: [level('pte', pageShift, 21 - pageShift), level('pmd', 21, 9), level('pud', 30, 9), level('p4d', 39, 0, true), level('pgd', 39, 13)],
    pageBytes: 2 ** pageShift,
    entryBytes: 8,
    addressDigits: 16,
  };
}

const GEOMETRY_4K = geometry(12);
const GEOMETRY_64K = geometry(16);

/**
 * The shape of the tables: 52 bits of effective address. From the root down 13, 9, 9 and then 9 bits with pages of 4 KiB, 5 bits with pages of
 * 64 KiB, whose last tables have 32 entries and 256 bytes.
 */
export function powerpc64Geometry(pageBytes: 4096 | 65536): Geometry {
  return pageBytes === 4096 ? GEOMETRY_4K : GEOMETRY_64K;
}

/** Bits of an effective address below the quadrant's that are translated: what RTS says is 52. */
export const EA_BITS = 52;

/** Entries of a root table: RPDS is 13. */
export const ROOT_ENTRIES = 2 ** 13;

/** Quadrant 0, by the process's own root, and quadrant 3, by that of process 0: the kernel's. Bits 61:52 must be zero. */
const WINDOWS: Readonly<Record<VaWindow['half'], VaWindow>> = {
  user: { start: 0, end: 2 ** EA_BITS, index: 0, half: 'user' },
  kernel: { start: 0xc000_0000_0000_0000, end: 0xc000_0000_0000_0000 + 2 ** EA_BITS, index: 0, half: 'kernel' },
};

/**
 * The root of an address space: what an entry of the process table says.
 *
 * @param table real address of the root table
 * @param half whose it is: process 0's translates quadrant 3, another process's quadrant 0
 */
export function powerpc64Root(table: number, half: VaWindow['half']): Root {
  return { table, top: 'pgd', first: 0, end: ROOT_ENTRIES, windows: [WINDOWS[half]], inherited: 0 };
}
