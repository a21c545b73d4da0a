import { PgtableError, type LevelGeometry } from '@pgtable/core';
import { PA_BITS } from './bits.js';
import { LAYOUTS, loongarchGeometry, pageShift, type LoongarchLayout } from './geometry.js';

/*
 * PWCL and PWCH, the page walk controllers (LoongArch Reference Manual, Volume 1, chapter 7, "Page Walk Controller for Lower Half Address
 * Space" and "for Higher Half Address Space"; the kernel's PWCTL0 and PWCTL1), which say what the tables look like. A level has a base,
 * the lowest bit of its index, and a width in bits; width 0: no such level.
 *
 *     31      30 29     25 24     20 19     15 14     10 9       5 4       0
 *     PTEWidth   Dir2Width Dir2Base  Dir1Width Dir1Base  PTWidth   PTBase       PWCL
 *     24  23     18 17     12 11      6 5       0
 *     PTW Dir4Width Dir4Base Dir3Width Dir3Base                                 PWCH
 *
 * The kernel puts the pgd at Dir3, the pud at Dir2 and the pmd at Dir1 (setup_ptwalker, arch/loongarch/mm/tlb.c, Linux 6.12).
 */

interface Field {
  readonly base: number;
  readonly width: number;
}

function field(value: bigint, at: number, bits: number): Field {
  const mask = (1n << BigInt(bits)) - 1n;
  return { base: Number((value >> BigInt(at)) & mask), width: Number((value >> BigInt(at + bits)) & mask) };
}

/**
 * The layout that PWCL and PWCH describe.
 *
 * @throws PgtableError `EINVAL` if it is none of the kernel's
 */
export function decodePageWalk(pwcl: bigint, pwch: bigint): LoongarchLayout {
  const found = LAYOUTS.find((layout) => encodePageWalk(layout).pwcl === (pwcl & 0xffffffffn) && encodePageWalk(layout).pwch === (pwch & 0xffffffn));
  if (found !== undefined) return found;
  const usual = encodePageWalk('16KB_3LEVEL');
  const levels = [field(pwcl, 0, 5), field(pwcl, 10, 5), field(pwcl, 20, 5), field(pwch, 0, 6), field(pwch, 12, 6)].filter(({ width }) => width > 0);
  const text = levels.map(({ base, width }) => `${width} bits from bit ${base}`).join(', ') || 'none';
  throw new PgtableError('EINVAL', `pwcl 0x${pwcl.toString(16)} and pwch 0x${pwch.toString(16)} describe levels that Linux does not make: ${text}`, {
    hint: `the pte at PT, the pmd at Dir1, the pud at Dir2, the pgd at Dir3; 16KB_3LEVEL has pwcl 0x${usual.pwcl.toString(16)} and pwch 0x${usual.pwch.toString(16)}`,
  });
}

/** PWCL and PWCH as the kernel sets them for a layout, without PTW. */
export function encodePageWalk(layout: LoongarchLayout): { readonly pwcl: bigint; readonly pwch: bigint } {
  const { levels: [, pmd, pud, , pgd] } = loongarchGeometry(layout);
  const page = pageShift(layout);
  const bits = page - 3;
  const place = ({ folded, shift }: LevelGeometry, at: number): number => (folded ? 0 : shift * 2 ** at + bits * 2 ** (at + 5));
  return { pwcl: BigInt(page + bits * 32 + place(pmd, 10) + place(pud, 20)), pwch: BigInt(pgd.shift + bits * 64) };
}

/**
 * The physical address of the root table in PGDL or PGDH. The kernel writes a virtual one, in a direct-mapped window.
 *
 * @throws PgtableError `EINVAL` if it is no address of a table
 */
export function decodePgd(name: 'pgdl' | 'pgdh', value: bigint, layout: LoongarchLayout): number {
  const table = value & ((1n << BigInt(PA_BITS)) - 1n);
  if (value < 0n || value >= 1n << 64n || table % (1n << BigInt(pageShift(layout))) !== 0n) {
    throw new PgtableError('EINVAL', `${name} 0x${value.toString(16)} is no address of a root table with ${layout}`, {
      hint: `root tables are aligned to ${2 ** pageShift(layout)} bytes; pwcl and pwch say which layout it is`,
    });
  }
  return Number(table);
}
