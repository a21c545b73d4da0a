import { geometryOf, type Level, type NonPresent } from '@pgtable/core';
import { decodeSwapEntry, type SwapLayout } from '@pgtable/core/arch';
import { flagNames } from './attributes.js';
import { ADDRESS_HI, ADDRESS_LO, NONE_LO } from './bits.js';
import type { FullConfig } from './config.js';
import { TRIO_GEOMETRY } from './geometry.js';

/*
 * What the kernel keeps in entries whose P bit is clear. REPLACE by what your arch/ARCH/include/asm/pgtable.h says (name file and version):
 *
 *     63      16  15  11  10         9     8:0
 *     offset      type    exclusive  0     0        swap, migration and the other special types
 *     as it was                      NONE           PROT_NONE, and huge pages that are being split: all but P stays
 *
 * The numbers of the special types are the same on all architectures: decodeSwapEntry knows them. Where a release moved something, choose the
 * layout by `config.release`, as @pgtable/arch-riscv does.
 */

/** Where the parts of a swap entry stand; 0n is a mark that this kernel does not have. */
export const SWAP: SwapLayout = { typeShift: 11, offsetShift: 16, offsetBits: 48, base: 0n, softDirty: 0n, exclusive: 1n << 10n, uffdWp: 0n };

/** Bits of a frame number: those of a physical address less those of a page. */
const PFN_BITS = 36;

/** {@link Arch.decodeNonPresent}. */
export function decodeNonPresent(config: FullConfig, level: Level, value: bigint): NonPresent {
  const lo = Number(BigInt.asIntN(32, value));
  const hi = Number(BigInt.asIntN(32, value >> 32n));
  const flags = flagNames(lo, hi);
  if ((lo & NONE_LO) !== 0) {
    const { shift } = geometryOf(TRIO_GEOMETRY, level);
    const address = (BigInt(hi & ADDRESS_HI) << 32n) | BigInt((lo & ADDRESS_LO) >>> 0);
    return { kind: 'protected', pa: (address >> BigInt(shift)) << BigInt(shift), flags };
  }
  // An empty type and offset is no entry of any kind: some flag bit alone is set.
  if (value >> BigInt(SWAP.typeShift) === 0n) return { kind: 'unknown', flags };
  const type = Number((value >> BigInt(SWAP.typeShift)) & 31n);
  const marks = (value & SWAP.exclusive) !== 0n ? ['exclusive'] : [];
  return decodeSwapEntry({ release: config.release, options: config.swap, pfnBits: PFN_BITS, pageShift: 12 }, type, value >> BigInt(SWAP.offsetShift), marks);
}
