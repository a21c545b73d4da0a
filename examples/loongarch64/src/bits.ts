/*
 * Page-table entries of LoongArch, 64-bit: LoongArch Reference Manual, Volume 1: Basic Architecture, section 5.4, "TLB Entry" and "Multi-level
 * Page Table Structure Supported by page walking", and chapter 7, registers TLBELO and TLBRELO. The kernel's names are those of
 * arch/loongarch/include/asm/pgtable-bits.h (Linux 6.12).
 *
 * A page-table entry, at the last level, and the entry of a huge page in a directory, where H is 1:
 *
 *     63   62  61  60  59        48 47          12  11   10   9    8   7   6   5  4  3  2  1   0
 *     RPLV NX  NR  -   -            PA              -    -    -    W   P   G   MAT   PLV   D   V      page
 *     63   62  61  60  59        48 47       13 12  11   10   9    8   7   6   5  4  3  2  1   0
 *     RPLV NX  NR  -   -            PA          G   -    -    -    W   P   H   MAT   PLV   D   V      huge page, H is 1
 *
 * A directory entry with H clear is the address of a table, and nothing else: no bit says whether it is valid. What the manual calls
 * undefined (-) is ignored by the page walk, and the kernel's. Addresses have PALEN bits, at most 48.
 *
 * V and D are what the TLB is filled with. P and W are for whoever walks: the hardware's walker (PTW, on 3A6000 and later) or the
 * exception handlers set V on the first access to an entry with P, and D on the first store to one with W. So V is young, too.
 *
 * Masks ending in LO are of bits 31:0, in HI of bits 63:32, counted from bit 32.
 */

/** Bit 0, V: the TLB may use it. _PAGE_VALID, and the same bit again: _PAGE_ACCESSED. */
export const V_LO = 1 << 0;
/** Bit 1, D: stores are allowed, and the page is dirty. _PAGE_DIRTY. */
export const D_LO = 1 << 1;
/** Bits 3:2, PLV: the lowest privilege level that may use the page, 0 the kernel's and 3 the user's. _PAGE_PLV. */
export const PLV_LO = 3 << 2;
/** Shift of PLV. */
export const PLV_SHIFT = 2;
/** Bits 5:4, MAT: memory access type. _CACHE_MASK. */
export const MAT_LO = 3 << 4;
/** Shift of MAT. */
export const MAT_SHIFT = 4;
/** MAT 1, CC: coherent cached. _CACHE_CC. 0 is SUC (strongly-ordered uncached), 2 WUC (weakly-ordered uncached), 3 reserved. */
export const MAT_CC_LO = 1 << 4;
/** Bit 6 of a page-table entry, G: in all address spaces. _PAGE_GLOBAL. A translation is global if both entries of its even-odd pair say so. */
export const G_LO = 1 << 6;
/** Bit 6 of a directory entry, H: a huge page, not a table. _PAGE_HUGE. */
export const H_LO = 1 << 6;
/** Bit 7, P: the page is there. _PAGE_PRESENT. Not in the TLB. */
export const P_LO = 1 << 7;
/** Bit 8, W: the page may be written to. _PAGE_WRITE. Not in the TLB. */
export const W_LO = 1 << 8;
/** Bit 9, software's: dirty, as the exception handlers note it. _PAGE_MODIFIED. The hardware's walker notes D alone. */
export const MODIFIED_LO = 1 << 9;
/** Bit 10, software's: there, and nobody may use it. _PAGE_PROTNONE. */
export const PROTNONE_LO = 1 << 10;
/** Bit 11, software's: no struct page behind the page. _PAGE_SPECIAL. */
export const SPECIAL_LO = 1 << 11;
/** Bit 12 of a huge page's entry: its G. _PAGE_HGLOBAL. */
export const HGLOBAL_LO = 1 << 12;
/** Bits 47:32 of an address. */
export const PA_HI = 0xffff;
/** Bit 59, software's: memory of a device with struct pages. _PAGE_DEVMAP. */
export const DEVMAP_HI = 1 << 27;
/** Bit 60, software's: a huge page that is being split. _PAGE_PRESENT_INVALID. */
export const PRESENT_INVALID_HI = 1 << 28;
/** Bit 61, NR: not readable. _PAGE_NO_READ. */
export const NR_HI = 1 << 29;
/** Bit 62, NX: not executable. _PAGE_NO_EXEC. */
export const NX_HI = 1 << 30;
/** Bit 63, RPLV: for the privilege level PLV alone. _PAGE_RPLV. */
export const RPLV_HI = 0x80000000 | 0;
/** Bits of a physical address: DMW_PABITS, the most that PALEN is. */
export const PA_BITS = 48;
/** CSR_DMW1_BASE: what the kernel's pointers to tables have above the physical address, because they are virtual ones. The walk ignores it. */
export const CACHED_WINDOW = 0x9000n << 48n;
