import type { Level, NonPresent } from '@pgtable/core';
import { decodeSwapEntry, type SwapLayout } from '@pgtable/core/arch';
import { flagNames } from './attributes.js';
import { INVALID_HI, L_HI, SOFT_DIRTY_LO } from './bits.js';
import type { FullConfig } from './config.js';
import { leafAddress, type RadixFormat } from './format.js';

/*
 * What the kernel keeps in entries whose V is clear (arch/powerpc/include/asm/book3s/64/pgtable.h, Linux 6.1 and newer):
 *
 *     63 62 61       60 53  52    16 or 12  9           5          4  0
 *     0  1  0               offset          soft-dirty  exclusive  type     swap, migration and the other special types
 *     0  1  1               as it was                                       taken from the hardware for a moment; _PAGE_INVALID
 *
 * PROT_NONE is not among them: such an entry is valid, and its EAA allows nothing.
 */

/** Bits of a real address, as far as the kernel uses them. */
const ADDRESS_BITS = 53;

/** Where the parts of a swap entry stand. */
export function swapLayout(pageShift: number): SwapLayout {
  return {
    typeShift: 0, offsetShift: pageShift, offsetBits: ADDRESS_BITS - pageShift, base: BigInt(L_HI) << 32n,
    softDirty: BigInt(SOFT_DIRTY_LO), exclusive: 1n << 5n, uffdWp: 0n,
  };
}

/** {@link Arch.decodeNonPresent}. */
export function decodeNonPresent(config: FullConfig, format: RadixFormat, _level: Level, value: bigint): NonPresent {
  const lo = Number(BigInt.asIntN(32, value));
  const hi = Number(BigInt.asIntN(32, value >> 32n));
  const flags = flagNames(lo, hi);
  if ((hi & INVALID_HI) !== 0) return { kind: 'protected', pa: BigInt(leafAddress(format, lo, hi)), flags };
  if ((hi & L_HI) === 0) return { kind: 'unknown', flags };
  const pageShift = Math.log2(config.pageBytes);
  const layout = swapLayout(pageShift);
  const offset = (value >> BigInt(layout.offsetShift)) & ((1n << BigInt(layout.offsetBits)) - 1n);
  const marks = [...((value & layout.exclusive) !== 0n ? ['exclusive'] : []), ...((value & layout.softDirty) !== 0n ? ['soft-dirty'] : [])];
  return decodeSwapEntry({ release: config.release, options: config.swap, pfnBits: ADDRESS_BITS - pageShift, pageShift }, Number(value & 31n), offset, marks);
}
