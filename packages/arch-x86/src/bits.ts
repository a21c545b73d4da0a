/**
 * The bits of an x86 paging-structure entry.
 *
 * Sources: Intel SDM volume 3A, chapter 5 "Paging" (chapter 4 in editions before 2023), tables "Format of ..." of each
 * paging mode; AMD64 APM volume 2, chapter 5; for the bits that the hardware leaves to software,
 * arch/x86/include/asm/pgtable_types.h (Linux 6.12).
 *
 * Entries are 64 bits wide, except with 32-bit two-level paging. Masks whose names end in `_HI` are for the high word
 * (bits 63:32), all others for the low word.
 */

/** Bit 0. P: the entry is used. If clear the hardware ignores all other bits. */
export const P = 1 << 0;
/** Bit 1. R/W: writes are allowed. All levels must allow them. The PDPTEs of PAE do not have it. */
export const RW = 1 << 1;
/** Bit 2. U/S: user-mode accesses are allowed. All levels must allow them. The PDPTEs of PAE do not have it. */
export const US = 1 << 2;
/** Bit 3. PWT: page-level write-through, bit 0 of the index into the PAT. */
export const PWT = 1 << 3;
/** Bit 4. PCD: page-level cache disable, bit 1 of the index into the PAT. */
export const PCD = 1 << 4;
/** Bit 5. A: the processor has used the entry. */
export const A = 1 << 5;
/** Bit 6. D: the processor has written to the page. Ignored in entries that point to a table. */
export const D = 1 << 6;
/** Bit 7 above the last level. PS: the entry maps a page. Reserved in PML4 and PML5 entries. */
export const PS = 1 << 7;
/** Bit 7 at the last level. PAT: bit 2 of the index into the PAT. */
export const PAT_4K = 1 << 7;
/** Bit 8. G: the translation is valid in all address spaces (with CR4.PGE). Ignored in entries that point to a table. */
export const G = 1 << 8;
/** Bits 9, 10 and 11. Ignored by the hardware. */
export const AVL9 = 1 << 9;
export const AVL10 = 1 << 10;
export const AVL11 = 1 << 11;
/** Bit 12 of an entry that maps a large page. PAT: bit 2 of the index into the PAT. */
export const PAT_LARGE = 1 << 12;

/** Bits 31:12. The address bits of a table or a 4 KiB page in the low word. */
export const ADDRESS_4K_LO = 0xfffff000;
/** Bits 31:21. The address bits of a 2 MiB page in the low word; bits 20:13 are reserved. */
export const ADDRESS_2M_LO = 0xffe00000;
export const RESERVED_2M_LO = 0x001fe000;
/** Bits 31:30. The address bits of a 1 GiB page in the low word; bits 29:13 are reserved. */
export const ADDRESS_1G_LO = 0xc0000000;
export const RESERVED_1G_LO = 0x3fffe000;
/** Bits 31:22. The address bits of a 4 MiB page (two-level paging) below 4 GiB; bit 21 is reserved. */
export const ADDRESS_4M_LO = 0xffc00000;
export const RESERVED_4M_LO = 1 << 21;
/** Bits 20:13 of a 4 MiB page: bits 39:32 of its address (PSE-36). */
export const PSE36_LO = 0x001fe000;
export const PSE36_SHIFT = 13;
export const PSE36_BIT = 32;

/** Bits 51:32. The address bits in the high word, for the widest physical address that there is (52 bits). */
export const ADDRESS_HI = 0x000fffff;
/** Bits 58:52. Ignored by the hardware with 64-bit paging. */
export const AVL_HI = 0x07f00000;
/** Bits 62:59. Protection key of a page (with CR4.PKE or CR4.PKS); else ignored. 64-bit paging only. */
export const PKEY_HI = 0x78000000;
export const PKEY_SHIFT_HI = 27;
/** Bit 63. XD (Intel) or NX (AMD): no instruction fetches, if EFER.NXE is set; else reserved. */
export const NX_HI = 1 << 31;
/** Bits 62:52. Reserved in all entries of PAE. */
export const RESERVED_PAE_HI = 0x7ff00000;

/** Bit 8 if bit 0 is clear. Linux: the page is there, PROT_NONE or NUMA hinting forbids its use. @see _PAGE_PROTNONE */
export const PROTNONE = 1 << 8;

/**
 * The bits that the hardware leaves to software, as Linux uses them in leaves. With 32-bit kernels bit 10 is the saved dirty bit,
 * which they have no other room for: they have no userfaultfd write protection. @see _PAGE_BIT_SPECIAL and what follows it
 */
export const SPECIAL = AVL9;
export const UFFD_WP = AVL10;
export const SOFT_DIRTY = AVL11;
export const SAVED_DIRTY_32 = AVL10;
/** Bit 57. Memory of a device that has struct pages. */
export const DEVMAP_HI = 1 << 25;
/** Bit 58. Dirty, kept here while R/W is clear: with D set and R/W clear the page would be a shadow stack. @see mksaveddirty_shift() */
export const SAVED_DIRTY_HI = 1 << 26;

/** Bits 11:0 and 63:52: what Linux counts as flags (PTE_FLAGS_MASK). Bit 12, the PAT bit of large pages, is none of them. */
export const LINUX_FLAGS_LO = 0x00000fff;
export const LINUX_FLAGS_HI = 0xfff00000;

/** Control registers (SDM volume 3A, section 2.5) and EFER (section 2.2.1). */
export const CR0_PG = 1n << 31n;
export const CR3_PCD = 1n << 4n;
export const CR3_PWT = 1n << 3n;
export const CR4_PSE = 1n << 4n;
export const CR4_PAE = 1n << 5n;
export const CR4_LA57 = 1n << 12n;
export const EFER_LMA = 1n << 10n;
export const EFER_NXE = 1n << 11n;

/** Bit 12 of CR3. Linux with page-table isolation: the user half of a pair of root tables. @see PTI_PGTABLE_SWITCH_BIT */
export const PTI_USER_BIT = 0x1000;
