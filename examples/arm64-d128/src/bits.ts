/*
 * The layout of a VMSAv9-128 stage 1 descriptor of the EL1&0 regime (FEAT_D128, TCR2_EL1.D128 = 1), 128 bits.
 *
 *     127  124:121  118:115  114        113  112    111         110:109  100:91    55:12    11  10  9:8  7       6   5:2       0
 *     NS   POIndex  PIIndex  Protected  GP   DisCH  Contiguous  SKL      software  address  nG  AF  SH   nDirty  nT  AttrIndx  valid
 *
 * The other bits are RES0: zero to software, and ignored by the walk.
 *
 * Arm ARM (DDI 0487): D8.3.2 "VMSAv9-128 descriptor formats", tables D8-56 (tables), D8-58 (blocks and pages) and D8-60 (invalid). The
 * pseudocode of J1.1 agrees (AArch64.DecodeDescriptorType, LeafBase, NextTableBase, S1NextWalkStateLeaf, S1NextWalkStateTable, S1ApplyOutputPerms, ContiguousBit).
 *
 * Masks ending in LO are of bits 31:0; in UP of bits 127:96, counted from bit 96; the others are of the whole entry.
 */

/** Bit 0: the descriptor is valid. */
export const VALID = 1n << 0n;
export const VALID_LO = 1 << 0;

/** Bits 5:2, AttrIndx: which byte of MAIR_EL1 and MAIR2_EL1 holds the memory type. Four bits, because FEAT_AIE is on with D128. */
export const ATTRINDX_LO = 15 << 2;
export const ATTRINDX_SHIFT = 2;
/** Bit 6, nT: of a block, and of a table that skips levels: changing its size must not be seen by other translations (FEAT_BBM). */
export const NT_LO = 1 << 6;
/** Bit 7, nDirty: where PIIndex permits writing, the page is clean, and hardware clears the bit or the write faults. */
export const NDIRTY = 1n << 7n;
export const NDIRTY_LO = 1 << 7;
/** Bits 9:8, SH: 0 non-, 2 outer, 3 inner shareable. */
export const SH_LO = 3 << 8;
export const SH_SHIFT = 8;
/** Bit 10, AF: accessed since it was cleared. */
export const AF = 1n << 10n;
export const AF_LO = 1 << 10;
/** Bit 11, nG: of this ASID alone. */
export const NG = 1n << 11n;
export const NG_LO = 1 << 11;
/** Bits 11:0, everything below the address. */
export const LOWER_LO = 0xfff;

/** Where the address ends: it has bits 55:12 with 4K pages, 55:14 and 55:16 with larger ones, and of a block as many fewer as it is larger. */
export const ADDRESS_END = 56;

/** Bit 96 first: what {@link UPPER_SHIFT} moves down is the word that masks ending in UP are of. */
export const UPPER_SHIFT = 96n;
/** Bits 110:109, SKL: levels that are skipped. An entry whose level and SKL add up to 3 is a leaf, one with less points to a table (table D8-49). */
export const SKL_SHIFT = 109n;
export const SKL = 3n << SKL_SHIFT;
export const SKL_UP = 3 << 13;
export const SKL_SHIFT_UP = 13;
/** Bit 111: one of a contiguous group. */
export const CONT = 1n << 111n;
export const CONT_UP = 1 << 15;
/** Bit 112, DisCH, of a table: the contiguous bits below it do not count. */
export const DISCH_UP = 1 << 16;
/** Bit 113, GP: guarded page, branches must land on BTI. */
export const GP = 1n << 113n;
export const GP_UP = 1 << 17;
/** Bit 114, Protected (FEAT_THE). */
export const PROTECTED_UP = 1 << 18;
/** Bits 118:115, PIIndex: which nibble of PIR_EL1 and PIRE0_EL1 says what is permitted. */
export const PIINDEX_SHIFT = 115n;
export const PIINDEX = 15n << PIINDEX_SHIFT;
export const PIINDEX_UP = 15 << 19;
export const PIINDEX_SHIFT_UP = 19;
/** Bits 124:121, POIndex: the protection key (FEAT_S1POE). */
export const POINDEX = 15n << 121n;
export const POINDEX_UP = 15 << 25;
export const POINDEX_SHIFT_UP = 25;
/** Bit 127, NS; in a table NSTable. For the secure state alone. */
export const NS = 1n << 127n;
export const NS_UP = 1 << 31;

// PIIndex, as Linux 6.12 numbers it for 64-bit entries (pte_pi_index in arch/arm64/include/asm/pgtable-prot.h): its four bits are the kernel's PTE_USER,
// PTE_WRITE, PTE_PXN and PTE_UXN. What the numbers permit is in PIR_EL1 and PIRE0_EL1: see config.ts.

/** PIIndex[0]: processes may access the page. */
export const PI_USER = 1n << 115n;
/** PIIndex[1]: the page may be written. */
export const PI_WRITE = 1n << 116n;
/** PIIndex[2]: the kernel may not execute it. */
export const PI_PXN = 1n << 117n;
/** PIIndex[3]: processes may not execute it. */
export const PI_UXN = 1n << 118n;

// Software's bits, 100:91 (table D8-58). Which of them Linux's patches for D128 take could not be found: these four are this example's choice.

/** Bit 96: the page was written to (Linux: PTE_DIRTY). */
export const DIRTY = 1n << 96n;
export const DIRTY_UP = 1 << 0;
/** Bit 97: no struct page behind it (Linux: PTE_SPECIAL). */
export const SPECIAL = 1n << 97n;
export const SPECIAL_UP = 1 << 1;
/** Bit 98: write-protected for userfaultfd (Linux: PTE_UFFD_WP). */
export const UFFD_WP = 1n << 98n;
export const UFFD_WP_UP = 1 << 2;
/** Bit 100: some thread is reading or writing the entry, in memory that threads share. No accessor shows it: see ops.ts. */
export const BUSY = 1n << 100n;
export const BUSY_UP = 1 << 4;

// Entries that are not valid. Hardware ignores all of them but bits 0 and 114 (table D8-60); what follows is as Linux 6.12 has it in 64-bit entries.

/** Bit 11: the kernel counts the entry as present (PTE_PRESENT_INVALID: PROT_NONE, a block that is being split). */
export const PRESENT_INVALID = NG;
/** Bit 2 of a swap entry: PTE_SWP_EXCLUSIVE. */
export const SWP_EXCLUSIVE = 1n << 2n;
/** Bit 3 of a swap entry: PTE_SWP_UFFD_WP. */
export const SWP_UFFD_WP = 1n << 3n;
