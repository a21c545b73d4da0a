/*
 * Entries of PowerPC's radix trees: Power ISA 3.0B, Book III, "Radix Tree Translation", Page Directory Entry and Page Table Entry. All levels
 * have one layout, in 64 bits, big-endian in memory whatever the byte order of the kernel. The manual counts bits from the most significant
 * one (0 to 63); here bit 0 is the least significant, and the manual's number stands in brackets.
 *
 * A leaf (page table entry):
 *
 *     63 62 61  60  57 56   12 11  9  8  7  6 5  4 3     0
 *     V  L  SW  -      RPN     SW     R  C  - Att  EAA
 *
 * A pointer to a table (page directory entry):
 *
 *     63 62 61 60 59    8 7 5 4  0
 *     V  L  -     NLB     -   NLS
 *
 * Masks ending in LO are of bits 31:0, in HI of bits 63:32, counted from bit 32. They are numbers and not bigints, because scans over tables
 * use them for every entry.
 */

/** Bit 63 [0], V: valid. The kernel's _PAGE_PRESENT. */
export const V_HI = 0x80000000 | 0;
/** Bit 62 [1], L: a leaf. Software keeps it in swap entries too. The kernel's _PAGE_PTE. */
export const L_HI = 0x40000000;
/** Bit 61 [2], software's. The kernel's _PAGE_INVALID: taken from the hardware (V is clear), and present. */
export const INVALID_HI = 0x20000000;
/** Bits 56:12 [7:51], RPN: the real address of a leaf's memory. */
export const RPN_LO = 0xfffff000 | 0;
export const RPN_HI = 0x01ffffff;
/** Bits 52:32 of them: as far as the kernel uses real addresses (_PAGE_PA_MAX is 53). */
export const KERNEL_RPN_HI = 0x001fffff;
/** Bit 11 [52], software's. The kernel's _PAGE_DEVMAP. */
export const DEVMAP_LO = 1 << 11;
/** Bit 10 [53], software's. The kernel's _PAGE_SPECIAL. */
export const SPECIAL_LO = 1 << 10;
/** Bit 9 [54], software's. The kernel's _PAGE_SOFT_DIRTY. */
export const SOFT_DIRTY_LO = 1 << 9;
/** Bit 8 [55], R: reference. The kernel's _PAGE_ACCESSED. */
export const R_LO = 1 << 8;
/** Bit 7 [56], C: change. The kernel's _PAGE_DIRTY. */
export const C_LO = 1 << 7;
/** Bits 5:4 [58:59], Att: what kind of memory it is. */
export const ATT_LO = 3 << 4;
/** Att of the memory that must not be touched speculatively, and whose instructions cannot be fetched. */
export const ATT_NON_IDEMPOTENT_LO = 2 << 4;
/** Bit 3 [60], EAA bit 0: privileged state alone. The kernel's _PAGE_PRIVILEGED. */
export const PRIVILEGED_LO = 1 << 3;
/** Bit 2 [61], EAA bit 1: loads. The kernel's _PAGE_READ. */
export const READ_LO = 1 << 2;
/** Bit 1 [62], EAA bit 2: loads and stores. The kernel's _PAGE_WRITE. */
export const WRITE_LO = 1 << 1;
/** Bit 0 [63], EAA bit 3: instructions are fetched. The kernel's _PAGE_EXEC. */
export const EXEC_LO = 1 << 0;

/** Bits 59:8 [4:55], NLB: the real address of the table that is pointed to. The same bits are RPDB in the process table. */
export const NLB_LO = 0xffffff00 | 0;
export const NLB_HI = 0x0fffffff;
/** Bits 4:0 [59:63], NLS: the table has 2 ** NLS entries. */
export const NLS_LO = 0x1f;
