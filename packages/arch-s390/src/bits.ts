/*
 * The bits of z/Architecture's translation tables, as numbers of the low 32-bit word of an entry (bits 32 to 63 in the
 * manual's numbering, where bit 0 is the most significant of 64).
 *
 * Hardware bits: z/Architecture Principles of Operation (SA22-7832), chapter 3, "Dynamic Address Translation", sections
 * "Address-Space-Control Element", "Region-Table Entries", "Segment-Table Entries", "Page-Table Entries".
 * Software bits: arch/s390/include/asm/pgtable.h, Linux 6.12, by the kernel's names without their prefix.
 */

/* Address-space-control element (ASCE): what CR1, CR7 and CR13 hold. */

/** Bits 0-51: absolute address of the table. Low word; the high word is address too. */
export const ASCE_ORIGIN_LO = 0xfffff000;
/** Bit 54, G (subspace group). */
export const ASCE_SUBSPACE_GROUP = 0x200;
/** Bit 55, P (private space): common segments and the fetch-protection override do not apply. Linux sets it for processes. */
export const ASCE_PRIVATE_SPACE = 0x100;
/** Bit 56, S (storage-alteration event). */
export const ASCE_STORAGE_ALTERATION = 0x80;
/** Bit 57, X (space-switch event). */
export const ASCE_SPACE_SWITCH = 0x40;
/** Bit 58, R (real space): there are no tables, virtual addresses are real ones. */
export const ASCE_REAL_SPACE = 0x20;
/** Bits 60-61, DT (designation type): 0 segment, 1 region-third, 2 region-second, 3 region-first table. */
export const ASCE_TYPE = 0x0c;
/** Bits 62-63, TL (table length): the table has (TL + 1) * 512 entries. */
export const ASCE_TABLE_LENGTH = 0x03;

/* Region- and segment-table entries. */

/** Bits 0-51 of a region-table entry: absolute address of the next table. */
export const REGION_ORIGIN_LO = 0xfffff000;
/** Bits 0-52 of a segment-table entry: absolute address of the page table. */
export const SEGMENT_ORIGIN_LO = 0xfffff800;
/** Bits 0-43 of a segment-table entry with FC: the 1 MiB frame. */
export const SEGMENT_FRAME_LO = 0xfff00000;
/** Bits 0-32 of a region-third-table entry with FC: the 2 GiB frame. */
export const REGION3_FRAME_LO = 0x80000000;
/** Bit 47 of an entry with FC, AV: the access-control bits and F are valid. */
export const CRST_ACCESS_VALID = 0x10000;
/** Bit 53, FC (format control, EDAT): the entry maps memory. */
export const CRST_LARGE = 0x400;
/** Bit 54, P (protection): no stores. In region tables with EDAT alone. */
export const CRST_PROTECT = 0x200;
/** Bit 55 of an entry with FC, IEP (instruction-execution protection). */
export const CRST_NOEXEC = 0x100;
/** Bits 56-57 of a region-table entry, TF (table offset): the first TF * 512 entries of the next table do not exist. */
export const REGION_OFFSET = 0xc0;
/** Bit 58, I (invalid). */
export const CRST_INVALID = 0x20;
/** Bit 59 of segment- and (EDAT-2) region-third-table entries: common to all address spaces. Not allowed in a private one. */
export const CRST_COMMON = 0x10;
/** Bits 60-61, TT (table type): as DT, the level that the entry is of. */
export const CRST_TYPE = 0x0c;
/** Bits 62-63 of a region-table entry, TL (table length): the next table ends after (TL + 1) * 512 entries. */
export const REGION_LENGTH = 0x03;

/** TT (and DT) of each kind of table. */
export const TYPE_SEGMENT = 0x00;
export const TYPE_REGION3 = 0x04;
export const TYPE_REGION2 = 0x08;
export const TYPE_REGION1 = 0x0c;

/* Software bits of segment- and region-third-table entries with FC. They stand in the access-control bits, whose AV is 0. */

/** The page is dirty, or accessed. */
export const CRST_SW_DIRTY = 0x2000;
export const CRST_SW_YOUNG = 0x1000;
/** Up to Linux 6.13. */
export const CRST_SW_READ_OLD = 0x0001;
export const CRST_SW_WRITE_OLD = 0x0002;
export const CRST_SW_SOFT_DIRTY_OLD = 0x4000;
/** From Linux 6.14 on ("s390/mm: Introduce region-third and segment table entry present bits"). */
export const CRST_SW_PRESENT = 0x0001;
export const CRST_SW_SOFT_DIRTY = 0x0002;
export const CRST_SW_READ = 0x4000;
export const CRST_SW_WRITE = 0x8000;

/* Page-table entries. */

/** Bits 0-51: the 4 KiB frame. */
export const PAGE_FRAME_LO = 0xfffff000;
/** Bit 52: must be zero, else a translation-specification exception. */
export const PAGE_ZERO = 0x800;
/** Bit 53, I (invalid). */
export const PAGE_INVALID = 0x400;
/** Bit 54, P (protection): no stores. */
export const PAGE_PROTECT = 0x200;
/** Bit 55, IEP (instruction-execution protection). */
export const PAGE_NOEXEC = 0x100;
/** Bits 56-63 are software's. */
export const PAGE_SW_UNUSED = 0x80;
export const PAGE_SW_SPECIAL = 0x40;
export const PAGE_SW_WRITE = 0x20;
export const PAGE_SW_READ = 0x10;
export const PAGE_SW_DIRTY = 0x08;
export const PAGE_SW_YOUNG = 0x04;
export const PAGE_SW_SOFT_DIRTY = 0x02;
/** Tells present from swapped: hardware-invalid entries with this bit still hold a frame. */
export const PAGE_SW_PRESENT = 0x01;

/** The empty page-table entry of Linux. @see pte_none */
export const PAGE_EMPTY = PAGE_INVALID;

/** The empty entry that Linux fills a region or segment table with, by its table type. @see _REGION1_ENTRY_EMPTY */
export function crstEmpty(type: number): number {
  return CRST_INVALID | type;
}

/** Entries of region and segment tables are counted in units of this many by TL and TF. */
export const LENGTH_UNIT = 512;

/* Control register 0. */

/** Bit 40: enhanced DAT. */
export const CR0_EDAT = 0x800000;
/** Bit 43: instruction-execution protection. */
export const CR0_IEP = 0x100000;

/** Bytes at real address 0, and at the prefix, that prefixing swaps. Principles of Operation, chapter 3, "Prefixing". */
export const PREFIX_BYTES = 0x2000;
/** Bits 33-50 of the prefix register. */
export const PREFIX_MASK = 0x7fffe000;
