import type { Level, NonPresent } from '@pgtable/core';
import { decodeSwapEntry } from '@pgtable/core/arch';
import { crstFlags, hasPresentBit, pageFlags } from './attributes.js';
import { CRST_COMMON, CRST_LARGE, CRST_SW_PRESENT, CRST_SW_SOFT_DIRTY, PAGE_PROTECT, PAGE_SW_PRESENT, PAGE_SW_SOFT_DIRTY, PAGE_ZERO } from './bits.js';
import type { FullConfig } from './config.js';

/*
 * What Linux keeps in entries whose invalid bit is set. The layouts: arch/s390/include/asm/pgtable.h, Linux 6.12; for
 * segment and region-third tables, Linux 6.14.
 *
 *   page table       (entry & 0x201) == 0x200   swap: offset in bits 0-51, exclusive 0x800, type in bits 57-61, soft dirty 0x2
 *                    entry & 0x001              present, and the hardware may not use it: PROT_NONE, or old
 *   segment table,   entry & 0x400              (up to 6.13) a large page, PROT_NONE or old
 *   region-third     (entry & 0x401) == 0x401   (from 6.14 on) the same
 *                    (entry & 0x011) == 0x010   (from 6.14 on) swap: offset in bits 0-51, type in bits 53-57, soft dirty 0x2
 */

/** Bit 12 and up of a swap entry of any level. */
const SWAP_OFFSET_SHIFT = 12n;
/** Bits 57-61 of a page-table entry. */
const PAGE_SWAP_TYPE_SHIFT = 2;
/** Bits 53-57 of a segment- or region-third-table entry. */
const CRST_SWAP_TYPE_SHIFT = 6;
const SWAP_TYPE_MASK = 0x1f;

/** Bits 0-51, 0-43 and 0-32: the frame of a page of each size. */
const FRAME: Readonly<Partial<Record<Level, bigint>>> = { pte: ~0xfffn, pmd: ~0xfffffn, pud: ~0x7fffffffn };

/** {@link Arch.decodeNonPresent}. */
export function s390NonPresent(config: FullConfig, level: Level, value: bigint): NonPresent {
  const lo = Number(BigInt.asIntN(32, value));
  const frame = FRAME[level];
  if (frame === undefined) return { kind: 'unknown', flags: crstFlags(config, level, lo) };
  if (level === 'pte') {
    if ((lo & PAGE_SW_PRESENT) !== 0) return { kind: 'protected', pa: value & frame, flags: pageFlags(lo) };
    if ((lo & PAGE_PROTECT) === 0) return { kind: 'unknown', flags: pageFlags(lo) };
    const flags = [...((lo & PAGE_ZERO) !== 0 ? ['exclusive'] : []), ...((lo & PAGE_SW_SOFT_DIRTY) !== 0 ? ['soft-dirty'] : [])];
    return swapEntry(config, (lo >>> PAGE_SWAP_TYPE_SHIFT) & SWAP_TYPE_MASK, value >> SWAP_OFFSET_SHIFT, flags);
  }
  const flags = crstFlags(config, level, lo);
  if (hasPresentBit(config)) {
    if ((lo & (CRST_COMMON | CRST_SW_PRESENT)) === CRST_COMMON) {
      return swapEntry(config, (lo >>> CRST_SWAP_TYPE_SHIFT) & SWAP_TYPE_MASK, value >> SWAP_OFFSET_SHIFT, (lo & CRST_SW_SOFT_DIRTY) !== 0 ? ['soft-dirty'] : []);
    }
    if ((lo & CRST_SW_PRESENT) === 0) return { kind: 'unknown', flags };
  }
  return (lo & CRST_LARGE) !== 0 ? { kind: 'protected', pa: value & frame, flags } : { kind: 'unknown', flags };
}

/**
 * A swap type and offset mean the same at every level. s390 has no device memory and no hardware poison (it selects neither
 * ZONE_DEVICE nor ARCH_SUPPORTS_MEMORY_FAILURE in any release so far), so the special types are known.
 */
function swapEntry(config: FullConfig, type: number, offset: bigint, flags: readonly string[]): NonPresent {
  const options = { memoryFailure: false, migration: true, devicePrivate: false, earlyMarkers: false };
  return decodeSwapEntry({ release: config.release, options, pfnBits: config.physmemBits - 12, pageShift: 12 }, type, offset, flags);
}
