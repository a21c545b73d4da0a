/*
 * The layout of a VMSAv8-64 stage 1 descriptor, 64 bits, as masks of its low and high 32-bit words.
 *
 * Arm ARM (DDI 0487): D8.3.1 "Table descriptor format", "Block descriptor and Page descriptor formats"; D8.4 "Memory access
 * control"; D8.5 "Hardware updates". Linux: arch/arm64/include/asm/pgtable-hwdef.h and pgtable-prot.h, 6.12.
 */

/** Bit 0: the descriptor is valid. Linux: PTE_VALID. */
export const VALID_LO = 1 << 0;
/** Bit 1: below level 3, a table and not a block; at level 3 it must be set. Linux: PTE_TABLE_BIT. */
export const TABLE_LO = 1 << 1;

// Leaves: lower attributes, bits 11:2.

/** Bits 4:2, AttrIndx: which byte of MAIR_EL1 holds the memory type. */
export const ATTRINDX_LO = 7 << 2;
export const ATTRINDX_SHIFT = 2;
/** Bit 5, NS: the output address is non-secure. For the secure state alone. */
export const NS_LO = 1 << 5;
/** Bit 6, AP[1]: EL0 may access. Linux: PTE_USER. */
export const USER_LO = 1 << 6;
/** Bit 7, AP[2]: read-only. Linux: PTE_RDONLY. */
export const RDONLY_LO = 1 << 7;
/** Bits 9:8, SH: 0 non-, 2 outer, 3 inner shareable. With TCR_EL1.DS they are address bits, see {@link LPA2_OA_LO}. */
export const SH_LO = 3 << 8;
export const SH_SHIFT = 8;
/** Bit 10, AF: accessed since it was cleared. Where hardware does not set it, an access with AF = 0 faults. */
export const AF_LO = 1 << 10;
/** Bit 11, nG: of this ASID alone. */
export const NG_LO = 1 << 11;

// Addresses.

/** Bits 15:12 with the 64K granule and 52-bit physical addresses (FEAT_LPA): OA[51:48]. */
export const LPA_OA_LO = 0xf << 12;
export const LPA_OA_SHIFT = 12;
export const LPA_OA_BIT = 48;
/** Bits 9:8 with the 4K and 16K granules and TCR_EL1.DS = 1 (FEAT_LPA2): OA[51:50]. */
export const LPA2_OA_LO = 3 << 8;
export const LPA2_OA_SHIFT = 8;
export const LPA2_OA_BIT = 50;

/** Bit 16 of a block, nT: changing the block's size must not be seen by other translations (FEAT_BBM). */
export const NT_LO = 1 << 16;

// Leaves: upper attributes, bits 63:50. In the high word bit n stands at n - 32.

/** Bit 50, GP: guarded page, branches must land on BTI. */
export const GP_HI = 1 << 18;
/** Bit 51, DBM: hardware may clear AP[2]. Linux: PTE_WRITE, the page may be written. */
export const DBM_HI = 1 << 19;
/** Bit 52: one of a contiguous group. Linux: PTE_CONT. */
export const CONT_HI = 1 << 20;
/** Bit 53, PXN: EL1 may not execute. */
export const PXN_HI = 1 << 21;
/** Bit 54, UXN: EL0 may not execute. */
export const UXN_HI = 1 << 22;
/** Bit 55, software: Linux's PTE_DIRTY. */
export const DIRTY_HI = 1 << 23;
/** Bit 56, software: Linux's PTE_SPECIAL, no struct page behind it. */
export const SPECIAL_HI = 1 << 24;
/** Bit 57, software: Linux's PTE_DEVMAP, until 6.16. */
export const DEVMAP_HI = 1 << 25;
/** Bit 58, software: Linux's PTE_UFFD_WP since 6.10 (commit 5b32510af77b), before that PTE_PROT_NONE. */
export const UFFD_WP_HI = 1 << 26;
/** Bits 62:60, POIndex: the protection key (FEAT_S1POE). Linux: PTE_PO_IDX_MASK. */
export const POINDEX_HI = 7 << 28;
export const POINDEX_SHIFT_HI = 28;

// Tables: what they forbid below, bits 63:59 (D8.4.2 "Hierarchical control of data accesses"). Off with TCR_EL1.HPDn.

/** Bit 59, PXNTable: EL1 may not execute. */
export const PXNTABLE_HI = 1 << 27;
/** Bit 60, UXNTable (XNTable): EL0 may not execute. */
export const UXNTABLE_HI = 1 << 28;
/** Bit 61, APTable[0]: EL0 may not access. */
export const APTABLE_NO_EL0_HI = 1 << 29;
/** Bit 62, APTable[1]: nobody may write. */
export const APTABLE_READ_ONLY_HI = 1 << 30;
/** Bit 63, NSTable: tables below are non-secure. For the secure state alone. */
export const NSTABLE_HI = 1 << 31;

// Entries that are not valid, as 64-bit values: Linux alone knows what they mean.

/** Bit 11, since 6.10: the kernel counts the entry as present (PTE_PRESENT_INVALID: PROT_NONE, a block that is being split). */
export const PRESENT_INVALID = 1n << 11n;
/** Bit 58, before 6.10: PTE_PROT_NONE. */
export const PROT_NONE = 1n << 58n;
/** Bit 59 above level 3, before 6.10: PMD_PRESENT_INVALID. */
export const PMD_PRESENT_INVALID = 1n << 59n;
/** Bit 2 of a swap entry: PTE_SWP_EXCLUSIVE, since 5.19. */
export const SWP_EXCLUSIVE = 1n << 2n;
/** Bit 3 of a swap entry: PTE_SWP_UFFD_WP, since 6.10. */
export const SWP_UFFD_WP = 1n << 3n;
