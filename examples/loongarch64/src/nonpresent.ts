import { geometryOf, type Level, type NonPresent } from '@pgtable/core';
import { decodeSwapEntry } from '@pgtable/core/arch';
import { flagNames } from './attributes.js';
import { H_LO, PA_BITS, PRESENT_INVALID_HI } from './bits.js';
import type { FullConfig } from './config.js';
import { loongarchGeometry, pageShift } from './geometry.js';

/*
 * What Linux keeps in entries whose V bit is clear (arch/loongarch/include/asm/pgtable.h, Linux 6.12; the same since 5.19, the first release
 * for LoongArch).
 *
 *     63                 24   23          22     16   15      0
 *     offset                  exclusive   type        0            in a directory H is set
 *
 * An entry with P is old: the next access sets V. PROT_NONE has a bit of its own, and so has a huge page that is being split. Each keeps
 * its frame.
 */

/** Bit of a swap type's bit 0. The kernel takes seven bits for five. */
export const SWAP_TYPE_SHIFT = 16;
/** Bit of a swap offset's bit 0. */
export const SWAP_OFFSET_SHIFT = 24;
/** Bit 23, software's: a swap entry of one owner. _PAGE_SWP_EXCLUSIVE, since 6.3. */
export const SWAP_EXCLUSIVE = 1n << 23n;

/**
 * Where the offset of a huge page's swap entry ends: bit 60 would make it one that is being split, which is present. The kernel lets it go
 * on, and with pages of 4 KiB bit 60 says of a migration entry that the page was young; {@link decodeNonPresent} tells the two by the type.
 */
export const HUGE_SWAP_END = 60;

const SWAP_TYPE_MASK = 0x7fn;
/** Bits that are zero in a swap entry, but for a directory's H. */
const FLAGS_LO = 0xfff;

/** {@link Arch.decodeNonPresent}. */
export function decodeNonPresent(config: FullConfig, level: Level, value: bigint): NonPresent {
  const lo = Number(BigInt.asIntN(32, value));
  const hi = Number(BigInt.asIntN(32, value >> 32n));
  const type = Number((value >> BigInt(SWAP_TYPE_SHIFT)) & SWAP_TYPE_MASK);
  const directory = level !== 'pte';
  const flags = directory ? FLAGS_LO & ~H_LO : FLAGS_LO;
  // A huge page has no address bits where the type of a swap entry is: bits 20:16, for no type is above 31.
  const invalid = directory && (hi & PRESENT_INVALID_HI) !== 0 && type % 32 === 0;
  if ((lo & flags) !== 0 || invalid) {
    // Whatever keeps a frame keeps its memory type, too; so does a kernel page that set_direct_map_invalid_noflush() took away, which loses P and V.
    const { shift } = geometryOf(loongarchGeometry(config.layout), level);
    const pa = value & ((1n << BigInt(PA_BITS)) - (1n << BigInt(shift)));
    return { kind: 'protected', pa, flags: flagNames(level, lo, hi) };
  }
  if (value >> BigInt(SWAP_TYPE_SHIFT) === 0n) return { kind: 'unknown', flags: flagNames(level, lo, hi) };
  const offset = value >> BigInt(SWAP_OFFSET_SHIFT);
  // A frame number has at most 36 bits (MAX_PHYSMEM_BITS is 48) and an offset 40, so there is room for young and dirty.
  const page = pageShift(config.layout);
  const how = { release: config.release, options: config.swap, pfnBits: PA_BITS - page, pageShift: page };
  return decodeSwapEntry(how, type, offset, (value & SWAP_EXCLUSIVE) !== 0n ? ['exclusive'] : []);
}
