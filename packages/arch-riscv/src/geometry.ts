import { PgtableError, type Geometry, type Level, type LevelGeometry, type Root, type VaWindow } from '@pgtable/core';

/** The translation schemes: bits of virtual addresses. */
export type RiscvMode = 'Sv32' | 'Sv39' | 'Sv48' | 'Sv57';

function level(name: Level, shift: number, entries: number, folded = false): LevelGeometry {
  return { level: name, title: name.toUpperCase(), shift, entries, folded };
}

/*
 * The kernel's names: the root is the pgd, and what a scheme lacks is folded into it from above (pgtable_l4_enabled,
 * pgtable_l5_enabled in arch/riscv/include/asm/pgtable-64.h; pgtable-nopmd.h for Sv32).
 */
const GEOMETRIES: Readonly<Record<RiscvMode, Geometry>> = {
  Sv32: geometry(4, [level('pte', 12, 1024), level('pmd', 22, 1, true), level('pud', 22, 1, true), level('p4d', 22, 1, true), level('pgd', 22, 1024)]),
  Sv39: geometry(8, [level('pte', 12, 512), level('pmd', 21, 512), level('pud', 30, 1, true), level('p4d', 30, 1, true), level('pgd', 30, 512)]),
  Sv48: geometry(8, [level('pte', 12, 512), level('pmd', 21, 512), level('pud', 30, 512), level('p4d', 39, 1, true), level('pgd', 39, 512)]),
  Sv57: geometry(8, [level('pte', 12, 512), level('pmd', 21, 512), level('pud', 30, 512), level('p4d', 39, 512), level('pgd', 48, 512)]),
};

function geometry(entryBytes: 4 | 8, levels: Geometry['levels']): Geometry {
  return { levels, pageBytes: 4096, entryBytes, addressDigits: entryBytes * 2 };
}

/** The shape of the tables of a mode. @throws PgtableError `EINVAL` if there is no such mode */
export function riscvGeometry(mode: RiscvMode): Geometry {
  // Programs in JavaScript may say anything.
  if (!Object.hasOwn(GEOMETRIES, mode)) throw new PgtableError('EINVAL', `there is no translation scheme ${mode}`, { hint: `give one of ${Object.keys(GEOMETRIES).join(', ')}` });
  return GEOMETRIES[mode];
}

/** Bits of a virtual address: 32, 39, 48 or 57. */
export function vaBits(mode: RiscvMode): number {
  return Number(mode.slice(2));
}

/** Bytes of a root table, and what its address is a multiple of. */
export const ROOT_BYTES = 4096;

/**
 * Where the kernel's part begins with Sv32: FIXADDR_START of a 6.12 kernel with a struct page of 32 bytes, that is 3 GiB
 * less vmalloc (512 MiB), vmemmap (16 MiB), PCI I/O (16 MiB) and the fixmap (8 MiB).
 *
 * @see arch/riscv/include/asm/pgtable.h
 */
export const SV32_KERNEL_START = 0x9d800000;

/** The addresses that a root translates. 64-bit: sign-extended, so half of them at either end. */
export function riscvWindows(mode: RiscvMode): readonly VaWindow[] {
  if (mode === 'Sv32') {
    return [
      { start: 0, end: SV32_KERNEL_START, index: 0, half: 'user' },
      { start: SV32_KERNEL_START, end: 2 ** 32, index: SV32_KERNEL_START / 2 ** 22, half: 'kernel' },
    ];
  }
  const half = 2 ** (vaBits(mode) - 1);
  return [
    { start: 0, end: half, index: 0, half: 'user' },
    { start: 2 ** 64 - half, end: 2 ** 64, index: 256, half: 'kernel' },
  ];
}

/**
 * The root of an address space.
 *
 * @param table physical address of the root table
 * @throws PgtableError `EINVAL` if satp could not hold the address: its PPN counts pages, in 44 bits (Sv32: 22)
 */
export function riscvRoot(mode: RiscvMode, table: number): Root {
  const { entries } = riscvGeometry(mode).levels[4];
  const bits = mode === 'Sv32' ? 34 : 56;
  if (!Number.isSafeInteger(table) || table < 0 || table % ROOT_BYTES !== 0 || table >= 2 ** bits) {
    throw new PgtableError('EINVAL', `0x${table.toString(16)} is no address of a root table with ${mode}`, { hint: `give a multiple of ${ROOT_BYTES} below 2^${bits}` });
  }
  return { table, top: 'pgd', first: 0, end: entries, windows: riscvWindows(mode), inherited: 0 };
}
