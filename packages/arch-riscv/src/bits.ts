/*
 * Page-table entries of RISC-V: The RISC-V Instruction Set Manual, Volume II: Privileged Architecture (20240411), chapter
 * "Supervisor-Level ISA", sections "Sv32", "Sv39", "Sv48", "Sv57", and the extensions "Svnapot" and "Svpbmt". The kernel's
 * names are those of arch/riscv/include/asm/pgtable-bits.h and pgtable-64.h (Linux 6.12).
 *
 * All levels have one layout.
 *
 *     63   62 61   60    54   53            10   9 8   7   6   5   4   3   2   1   0
 *     N    PBMT    reserved   PPN                RSW   D   A   G   U   X   W   R   V      64-bit: Sv39, Sv48, Sv57
 *                             31            10   9 8   7   6   5   4   3   2   1   0
 *                             PPN                RSW   D   A   G   U   X   W   R   V      32-bit: Sv32
 *
 * With V set: X, W and R all clear is a pointer to a table of the next level, anything else a leaf. W needs R (the other
 * two combinations are reserved).
 *
 * Masks ending in LO are of bits 31:0, in HI of bits 63:32, counted from bit 32.
 */

/** Bit 0, V: valid. _PAGE_PRESENT. */
export const V_LO = 1 << 0;
/** Bit 1, R: readable. _PAGE_READ. */
export const R_LO = 1 << 1;
/** Bit 2, W: writable. _PAGE_WRITE. */
export const W_LO = 1 << 2;
/** Bit 3, X: executable. _PAGE_EXEC. */
export const X_LO = 1 << 3;
/** Bit 4, U: a page of user mode. S-mode may read and write it only while sstatus.SUM is set, and never executes it. _PAGE_USER. */
export const U_LO = 1 << 4;
/** Bit 5, G: in all address spaces; in a table entry, everything below it. _PAGE_GLOBAL. */
export const G_LO = 1 << 5;
/** Bit 6, A: accessed. In a table entry reserved. _PAGE_ACCESSED. */
export const A_LO = 1 << 6;
/** Bit 7, D: dirty. In a table entry reserved. _PAGE_DIRTY. */
export const D_LO = 1 << 7;
/** Bits 9:8, RSW: software's. _PAGE_SOFT: bit 8 _PAGE_SPECIAL, bit 9 _PAGE_DEVMAP. */
export const RSW_LO = 3 << 8;
/** Shift of RSW. */
export const RSW_SHIFT = 8;
/** Bit 8, in RSW: no struct page behind the page. _PAGE_SPECIAL. */
export const SPECIAL_LO = 1 << 8;
/** Bit 9, in RSW, 64-bit alone: memory of a device with struct pages. _PAGE_DEVMAP. */
export const DEVMAP_LO = 1 << 9;
/** Bits 3:1: what tells a leaf from a table entry. _PAGE_LEAF. */
export const RWX_LO = R_LO | W_LO | X_LO;
/** Bits 31:10 and 53:32, PPN: the physical address divided by 4096. */
export const PPN_LO = 0xfffffc00 | 0;
export const PPN_HI = 0x003fffff;
/** Bit of the entry that is bit 0 of the PPN. _PAGE_PFN_SHIFT. */
export const PPN_SHIFT = 10;
/** Bits 60:54: reserved, a set bit faults. */
export const RESERVED_HI = 0x1fc00000;
/** Bits 62:61, PBMT: page-based memory type (Svpbmt). _PAGE_MTMASK_SVPBMT. */
export const PBMT_HI = 0x60000000;
/** PBMT 1, NC: main memory, not cacheable, idempotent, weakly ordered. _PAGE_NOCACHE_SVPBMT. */
export const PBMT_NC_HI = 0x20000000;
/** PBMT 2, IO: not cacheable, not idempotent, strongly ordered. _PAGE_IO_SVPBMT. */
export const PBMT_IO_HI = 0x40000000;
/** Bit 63, N: the leaf is one of a naturally aligned power-of-two group (Svnapot), of 64 KiB if PPN[3:0] is 8. _PAGE_NAPOT. */
export const N_HI = 0x80000000 | 0;
