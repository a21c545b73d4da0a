import { PgtableError, type Geometry, type Level, type LevelGeometry, type Root, type VaWindow } from '@pgtable/core';

/** Page size and number of levels, as the kernel's configuration names them (arch/loongarch/Kconfig, Linux 6.12). The default there is 16KB_3LEVEL. */
export type LoongarchLayout = '4KB_3LEVEL' | '4KB_4LEVEL' | '16KB_2LEVEL' | '16KB_3LEVEL' | '64KB_2LEVEL' | '64KB_3LEVEL';

/** Every layout, by size of page and number of levels, the largest first. */
export const LAYOUTS: readonly LoongarchLayout[] = ['64KB_3LEVEL', '64KB_2LEVEL', '16KB_3LEVEL', '16KB_2LEVEL', '4KB_4LEVEL', '4KB_3LEVEL'];

/**
 * Bits of a virtual address, VALEN in the manual; CPUCFG word 1 of a processor has it, and no dump does. Here it is 48, which is what QEMU's
 * processors have. Bit VALEN - 1 chooses the root, and all bits above are equal to it.
 */
export const VALEN = 48;

const HALF = 2 ** (VALEN - 1);

interface Shape {
  /** Shift of the page size. */
  readonly page: number;
  readonly levels: number;
}

const SHAPES: Readonly<Record<LoongarchLayout, Shape>> = {
  '4KB_3LEVEL': { page: 12, levels: 3 },
  '4KB_4LEVEL': { page: 12, levels: 4 },
  '16KB_2LEVEL': { page: 14, levels: 2 },
  '16KB_3LEVEL': { page: 14, levels: 3 },
  '64KB_2LEVEL': { page: 16, levels: 2 },
  '64KB_3LEVEL': { page: 16, levels: 3 },
};

/** Shift of the page size, which is the size of every table as well. */
export function pageShift(layout: LoongarchLayout): number {
  return SHAPES[layout].page;
}

/** Bits of a virtual address that the tables translate: 36 to 55. */
export function tableBits(layout: LoongarchLayout): number {
  const { page, levels } = SHAPES[layout];
  return page + levels * (page - 3);
}

/**
 * The shape of the tables of a layout. The root is the pgd; of the other levels the kernel folds the upper ones into it (pgtable-nop4d.h,
 * pgtable-nopud.h, pgtable-nopmd.h).
 *
 * @throws PgtableError `EINVAL` if there is no such layout
 */
export function loongarchGeometry(layout: LoongarchLayout): Geometry {
  // Layouts come from people, too.
  const shape = SHAPES[layout] as Shape | undefined;
  if (shape === undefined) throw new PgtableError('EINVAL', `${layout} is no layout of LoongArch's tables`, { hint: `one of ${LAYOUTS.join(', ')}` });
  const { page, levels } = shape;
  const bits = page - 3;
  const top = page + (levels - 1) * bits;
  const level = (name: Level, at: number): LevelGeometry => {
    const exists = name === 'pgd' || at < levels - 1;
    return { level: name, title: name.toUpperCase(), shift: exists && name !== 'pgd' ? page + at * bits : top, entries: exists ? 2 ** bits : 1, folded: !exists };
  };
  return { levels: [level('pte', 0), level('pmd', 1), level('pud', 2), level('p4d', 3), level('pgd', 4)], pageBytes: 2 ** page, entryBytes: 8, addressDigits: 16 };
}

/**
 * The addresses of a half that its root translates. The kernel's begin at vm_map_base, 2^47 below the end; where tables translate fewer bits
 * than that, they are as many from there on, and every other address is one of them again ({@link untagAddress}).
 *
 * @see vm_map_base, TASK_SIZE64 and VMALLOC_END of Linux 6.12
 */
export function loongarchWindow(layout: LoongarchLayout, half: 'user' | 'kernel'): VaWindow {
  const bits = tableBits(layout);
  const bytes = Math.min(2 ** bits, HALF);
  if (half === 'user') return { start: 0, end: bytes, index: 0, half };
  const { shift, entries } = loongarchGeometry(layout).levels[4];
  const start = 2 ** 64 - HALF;
  return { start, end: start + bytes, index: Number((BigInt(start) >> BigInt(shift)) & BigInt(entries - 1)), half };
}

/**
 * The root of one half of the addresses: PGDL's for the user's, PGDH's for the kernel's.
 *
 * @param table physical address of the root table
 */
export function loongarchRoot(layout: LoongarchLayout, table: number, half: 'user' | 'kernel'): Root {
  const { entries } = loongarchGeometry(layout).levels[4];
  return { table, top: 'pgd', first: 0, end: entries, windows: [loongarchWindow(layout, half)], inherited: 0 };
}

/**
 * {@link Arch.untagAddress}: the walk takes its indices out of an address and looks at no bit above them but the one that chooses the
 * root, so with tables of fewer bits than VALEN - 1 many addresses are one. The kernel's fixmap with 4KB_3LEVEL is an example: it ends at
 * FIXADDR_TOP, 2^17 below the end of all addresses.
 */
export function untagAddress(layout: LoongarchLayout, address: bigint): bigint {
  const bits = tableBits(layout);
  const half = 1n << BigInt(VALEN - 1);
  if (bits >= VALEN - 1 || (address >= half && address < (1n << 64n) - half)) return address;
  const low = address & ((1n << BigInt(bits)) - 1n);
  return address < half ? low : (1n << 64n) - half + low;
}
