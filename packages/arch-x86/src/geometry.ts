import { geometryOf, PgtableError, type Geometry, type Level, type LevelGeometry, type Root, type VaWindow } from '@pgtable/core';

/**
 * The paging modes (SDM volume 3A, section "Paging Modes").
 *
 * - `5-level`: 57-bit addresses (LA57)
 * - `4-level`: 48-bit addresses
 * - `PAE`: 32-bit addresses, three levels of 64-bit entries
 * - `2-level`: 32-bit addresses, two levels of 32-bit entries
 */
export type PagingMode = '5-level' | '4-level' | 'PAE' | '2-level';

function level(name: Level, shift: number, entries: number, folded = false): LevelGeometry {
  return { level: name, title: name.toUpperCase(), shift, entries, folded };
}

const LOWER_64 = [level('pte', 12, 512), level('pmd', 21, 512), level('pud', 30, 512)] as const;

/** The levels of each mode. The top table is always the pgd; the levels that a mode lacks are folded below it, as in Linux. */
const GEOMETRIES: Readonly<Record<PagingMode, Geometry>> = {
  '5-level': { levels: [...LOWER_64, level('p4d', 39, 512), level('pgd', 48, 512)], pageBytes: 4096, entryBytes: 8, addressDigits: 16 },
  '4-level': { levels: [...LOWER_64, level('p4d', 39, 1, true), level('pgd', 39, 512)], pageBytes: 4096, entryBytes: 8, addressDigits: 16 },
  PAE: {
    levels: [level('pte', 12, 512), level('pmd', 21, 512), level('pud', 30, 1, true), level('p4d', 30, 1, true), level('pgd', 30, 4)],
    pageBytes: 4096,
    entryBytes: 8,
    addressDigits: 8,
  },
  '2-level': {
    levels: [level('pte', 12, 1024), level('pmd', 22, 1, true), level('pud', 22, 1, true), level('p4d', 22, 1, true), level('pgd', 22, 1024)],
    pageBytes: 4096,
    entryBytes: 4,
    addressDigits: 8,
  },
};

/** The shape of the tables of a mode. @throws PgtableError `EINVAL` if there is no such mode */
export function x86Geometry(mode: PagingMode): Geometry {
  // Programs in JavaScript may say anything.
  if (!Object.hasOwn(GEOMETRIES, mode)) throw new PgtableError('EINVAL', `there is no paging mode ${mode}`, { hint: `give one of ${Object.keys(GEOMETRIES).join(', ')}` });
  return GEOMETRIES[mode];
}

/** Whether addresses have 64 bits. */
export function is64Bit(mode: PagingMode): boolean {
  return mode === '4-level' || mode === '5-level';
}

/** Bytes that a root table's address is a multiple of (SDM, "Use of CR3 with ..."). */
export function rootAlignment(mode: PagingMode): number {
  return mode === 'PAE' ? 32 : 4096;
}

/** PAGE_OFFSET of 32-bit kernels with the usual split, 3 GiB for the user and 1 GiB for the kernel (CONFIG_VMSPLIT_3G). */
export const PAGE_OFFSET_32 = 0xc0000000;

/**
 * The addresses that a root translates.
 *
 * 64-bit: the canonical addresses, 2 ** 47 (5-level: 2 ** 56) bytes at either end. 32-bit: everything, and the kernel's
 * part begins at `pageOffset` by convention.
 *
 * @throws PgtableError `EINVAL` if `pageOffset` is not at the beginning of a root entry
 */
export function x86Windows(mode: PagingMode, pageOffset = PAGE_OFFSET_32): readonly VaWindow[] {
  const { shift, entries } = geometryOf(x86Geometry(mode), 'pgd');
  if (is64Bit(mode)) {
    const half = (entries / 2) * 2 ** shift;
    return [
      { start: 0, end: half, index: 0, half: 'user' },
      { start: 2 ** 64 - half, end: 2 ** 64, index: entries / 2, half: 'kernel' },
    ];
  }
  const index = pageOffset / 2 ** shift;
  if (!Number.isInteger(index) || index <= 0 || index >= entries) {
    throw new PgtableError('EINVAL', `PAGE_OFFSET 0x${pageOffset.toString(16)} does not begin an entry of the root table with ${mode} paging`, {
      hint: `give a multiple of 0x${(2 ** shift).toString(16)} below 2^32`,
    });
  }
  return [
    { start: 0, end: pageOffset, index: 0, half: 'user' },
    { start: pageOffset, end: 2 ** 32, index, half: 'kernel' },
  ];
}

/**
 * A root table as a {@link Root}.
 *
 * @param table physical address, as CR3 has it without its flag bits
 * @throws PgtableError `EINVAL` if the address is not aligned as the mode demands
 */
export function x86Root(mode: PagingMode, table: number, pageOffset = PAGE_OFFSET_32): Root {
  const align = rootAlignment(mode);
  if (!Number.isSafeInteger(table) || table < 0 || table % align !== 0 || table >= 2 ** 52) {
    throw new PgtableError('EINVAL', `0x${table.toString(16)} is no address of a root table with ${mode} paging`, {
      hint: `give a multiple of ${align} below 2^52`,
    });
  }
  return { table, top: 'pgd', first: 0, end: geometryOf(x86Geometry(mode), 'pgd').entries, windows: x86Windows(mode, pageOffset), inherited: 0 };
}
