/*
 * Page-table entries of Trio, a machine that was made up so that there is something to begin with. REPLACE all of this by your manual's
 * figure: name the manual, its edition and the section, and beside each mask the manual's name and the kernel's.
 *
 * All levels have one layout, in 64 bits, little-endian:
 *
 *     63  62    48  47      12  11  10  9     8        7   6  5  4  3  2  1  0
 *     NX  reserved  address     SW  SW  NONE  SPECIAL  NC  G  D  A  U  W  H  P
 *
 * With P set, above the last level: H clear is a pointer to a table of the next level, H set a leaf (a large page). At the last level every
 * entry is a leaf, and H is reserved. With P clear the hardware looks at nothing else.
 *
 * W, U and NX count at every level: what an entry that points to a table does not allow, nothing below it allows.
 *
 * Masks ending in LO are of bits 31:0, in HI of bits 63:32, counted from bit 32. They are numbers and not bigints, because scans over tables
 * use them for every entry.
 */

/** Bit 0, P: present. */
export const P_LO = 1 << 0;
/** Bit 1, H: a large page. Reserved at the last level. */
export const H_LO = 1 << 1;
/** Bit 2, W: writable. */
export const W_LO = 1 << 2;
/** Bit 3, U: user mode may use it. */
export const U_LO = 1 << 3;
/** Bit 4, A: accessed, noted by the hardware. In a table entry reserved. */
export const A_LO = 1 << 4;
/** Bit 5, D: dirty, noted by the hardware. In a table entry reserved. */
export const D_LO = 1 << 5;
/** Bit 6, G: in all address spaces. In a table entry reserved. */
export const G_LO = 1 << 6;
/** Bit 7, NC: not cached. In a table entry reserved. */
export const NC_LO = 1 << 7;
/** Bit 8, software's: no struct page behind the page. */
export const SPECIAL_LO = 1 << 8;
/** Bit 9, software's, where P is clear: the page is there, and the hardware may not use it. PROT_NONE, and huge pages that are being split. */
export const NONE_LO = 1 << 9;
/** Bits 31:12 and 47:32: the physical address, of a table or of a page. */
export const ADDRESS_LO = 0xfffff000 | 0;
export const ADDRESS_HI = 0x0000ffff;
/** Bits 62:48: reserved, a set bit faults. */
export const RESERVED_HI = 0x7fff0000;
/** Bit 63, NX: not executable. */
export const NX_HI = 0x80000000 | 0;
