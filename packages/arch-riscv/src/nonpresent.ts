import { geometryOf, releaseAtLeast, type Level, type NonPresent } from '@pgtable/core';
import { decodeSwapEntry } from '@pgtable/core/arch';
import { N_HI, PPN_SHIFT, RWX_LO } from './bits.js';
import { flagNames } from './attributes.js';
import type { FullConfig } from './config.js';
import { riscvGeometry } from './geometry.js';

/*
 * What Linux keeps in entries whose V bit is clear (arch/riscv/include/asm/pgtable.h, pgtable-bits.h; include/linux/swapops.h).
 *
 *                 PROT_NONE   exclusive   type     offset
 *   6.3 and later bit 5 (G)   bit 6 (A)   11:7     XLEN-1:12     (51a1007d4113: support __HAVE_ARCH_PTE_SWP_EXCLUSIVE)
 *   5.14 - 6.2    bit 5 (G)   -           10:6     XLEN-1:11     (bits 3:1 zero, so that pmd_present() can tell a huge page
 *                                                                that is being split: e88b333142e4, transparent huge pages)
 *   before        bit 1 (R)   -           6:2      XLEN-1:7
 *
 * A PROT_NONE page keeps its frame. Its R bit is set too (PAGE_NONE), but all that counts is the PROT_NONE bit.
 * From 6.18 on a swap entry may have a soft-dirty mark (bit 3) and a userfaultfd one (bit 4), where Svrsw60t59b is there.
 */

/** Bits of a swap type. */
export const SWAP_TYPE_BITS = 5;
const SWAP_TYPES = 1 << SWAP_TYPE_BITS;

/** Where the kernel of some release keeps what in an entry whose V bit is clear. */
export interface NonPresentLayout {
  /** The PROT_NONE bit. */
  readonly protNone: bigint;
  /** The mark of swap entries of one owner; 0n if there is none. */
  readonly exclusive: bigint;
  /** Shift of the swap type; the offset begins five bits further up. */
  readonly typeShift: bigint;
  /** PROT_NONE is a bit of its own, and an entry with R, W or X is a huge page that is being split. */
  readonly leafBitsCount: boolean;
}

const LAYOUT: NonPresentLayout = { protNone: 1n << 5n, exclusive: 1n << 6n, typeShift: 7n, leafBitsCount: true };
const LAYOUT_5_14: NonPresentLayout = { protNone: 1n << 5n, exclusive: 0n, typeShift: 6n, leafBitsCount: true };
const LAYOUT_OLD: NonPresentLayout = { protNone: 1n << 1n, exclusive: 0n, typeShift: 2n, leafBitsCount: false };

/** The layout by the kernel's release (`uname -r`); undefined: a recent one. */
export function nonPresentLayout(release: string | undefined): NonPresentLayout {
  if (releaseAtLeast(release, 6, 3) !== false) return LAYOUT;
  return releaseAtLeast(release, 5, 14) === true ? LAYOUT_5_14 : LAYOUT_OLD;
}

/** {@link Arch.decodeNonPresent}. */
export function decodeNonPresent(config: FullConfig, level: Level, value: bigint): NonPresent {
  const layout = nonPresentLayout(config.release);
  const lo = Number(BigInt.asIntN(32, value));
  const hi = config.mode === 'Sv32' ? 0 : Number(BigInt.asIntN(32, value >> 32n));
  const { typeShift } = layout;
  const protNone = (value & layout.protNone) !== 0n;
  if (protNone || (layout.leafBitsCount && (lo & RWX_LO) !== 0)) {
    // A kernel page that set_direct_map_invalid_noflush() or kfence took away keeps all but V, and so does a huge page
    // that is being split (pmd_mkinvalid).
    return { kind: 'protected', pa: frameAddress(config, level, value, hi), flags: flagNames(lo, hi) };
  }
  const type = Number((value >> typeShift) & BigInt(SWAP_TYPES - 1));
  const offset = value >> (typeShift + BigInt(SWAP_TYPE_BITS));
  const flags: string[] = [];
  if ((value & layout.exclusive) !== 0n) flags.push('exclusive');
  if (layout.leafBitsCount && releaseAtLeast(config.release, 6, 18) === true && (value & 16n) !== 0n) flags.push('uffd-wp');
  // An empty type and offset is no entry of any kind: some flag bit alone is set.
  if (value >> typeShift === 0n) return { kind: 'unknown', flags: flagNames(lo, hi) };
  // 64-bit kernels allow for 56 bits of physical address; Sv32's offset has no room for more than the frame.
  const wide = config.mode !== 'Sv32';
  return decodeSwapEntry({ release: config.release, options: config.swap, pfnBits: wide ? 44 : 22, pageShift: 12, hasYoungAndDirty: wide }, type, offset, flags);
}

/** The frame of an entry that has only lost its V bit. In a Svnapot group the frame is the group's. */
function frameAddress(config: FullConfig, level: Level, value: bigint, hi: number): bigint {
  const ppn = (config.mode === 'Sv32' ? value & 0xffffffffn : value & ((1n << 54n) - 1n)) >> BigInt(PPN_SHIFT);
  if (level === 'pte' && (hi & N_HI) !== 0) return (ppn & (ppn - 1n)) << 12n;
  const { shift } = geometryOf(riscvGeometry(config.mode), level);
  return (ppn << 12n) & ~((1n << BigInt(shift)) - 1n);
}
