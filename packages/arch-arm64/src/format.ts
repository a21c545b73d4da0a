import type { Geometry } from '@pgtable/core';
import { entryFormat, type EntryFormat } from '@pgtable/core/arch';
import { AF_LO, LPA2_OA_BIT, LPA2_OA_LO, LPA2_OA_SHIFT, LPA_OA_BIT, LPA_OA_LO, LPA_OA_SHIFT, NT_LO, TABLE_LO, VALID_LO } from './bits.js';
import type { ResolvedConfig } from './config.js';
import { manualLevel } from './geometry.js';

/**
 * The formats of a configuration, by level number; a folded level has the pgd's.
 *
 * Reserved to the hardware, so bad here, are:
 *
 * - at level 3, a valid entry with bit 1 clear;
 * - a block at a level that has none, see {@link blocksAllowed};
 * - an output address beyond TCR_EL1.IPS, which is an Address size fault (Arm ARM D8.1.2, "Output address size"). Without 52-bit
 *   descriptors bits 51:48 are no address bits but RES0, and are ignored.
 */
export function arm64Formats(config: ResolvedConfig, geometry: Geometry): readonly EntryFormat[] {
  const formats = geometry.levels.map(({ shift, folded }) => (folded ? undefined : levelFormat(config, shift)));
  const top = formats[4]!;
  return formats.map((format) => format ?? top);
}

/**
 * Whether a block may stand at a level (Arm ARM D8.2, tables of "block size" by granule; QEMU's walker and Linux agree where
 * they use it): level 2 always; level 1 with 4K pages, with 16K and LPA2, with 64K and 52-bit physical addresses; level 0 with
 * 4K and LPA2.
 */
export function blocksAllowed(config: Pick<ResolvedConfig, 'granule' | 'lpa2' | 'paBits'>, level: number): boolean {
  switch (level) {
    case 2:
      return true;
    case 1:
      return config.granule === 4096 || (config.granule === 16384 ? config.lpa2 : config.paBits === 52);
    case 0:
      return config.granule === 4096 && config.lpa2;
    default:
      return false;
  }
}

/**
 * The same formats, with the bits that hardware ignores and Linux leaves zero as reserved: for finding tables by their shape.
 * A table of a smaller granule has such bits set, because they are address bits there. And a page's descriptor reads as one of a
 * table, but has attributes where a table's are ignored: without that a table of pages would pass for one of tables wherever the pages are
 * zero or not in the dump.
 */
export function strictFormats(config: ResolvedConfig, geometry: Geometry): readonly EntryFormat[] {
  const { pageShift, lpa2 } = config;
  return arm64Formats(config, geometry).map((format) => {
    const shift = Math.log2(format.bytes);
    // From bit 12 up to the address field, without 52-bit addresses' bits and nT; and bits 11:2, but AF, which tables have since 6.13 (PMD_TABLE_AF).
    const table = (bitRange(12, pageShift).lo | (bitRange(2, 12).lo & ~AF_LO)) & ~format.highLo;
    const leaf = bitRange(12, Math.min(shift, 48)).lo & ~(format.highLo | NT_LO);
    const leafHi = bitRange(12, Math.min(shift, 48)).hi;
    // Bits 51:50 of a table, and 49:48 where they are no address bits, are RES0 too, and bits 58:52 are ignored.
    const high = bitRange(lpa2 ? 50 : 48, 59).hi;
    return entryFormat({
      ...format,
      reservedTableLo: format.reservedTableLo | table,
      reservedTableHi: format.reservedTableHi | high,
      reservedLeafLo: format.reservedLeafLo | leaf,
      reservedLeafHi: format.reservedLeafHi | leafHi | (lpa2 ? 0 : bitRange(48, 50).hi),
    });
  });
}

function levelFormat(config: ResolvedConfig, shift: number): EntryFormat {
  const { granule, lpa2, paBits, pageShift } = config;
  const lpa = granule === 65536 && paBits === 52;
  const level = manualLevel(pageShift, shift);
  // Where address bits end in the descriptor's own place; the rest is in its low bits.
  const addressEnd = lpa2 ? 50 : 48;
  const leaf = bitRange(shift, addressEnd);
  const table = bitRange(pageShift, addressEnd);
  const outside = bitRange(Math.max(paBits, pageShift), addressEnd);
  // With DS but a smaller address size OA[51:50] exist, and must be zero.
  const outsideLo = outside.lo | (lpa2 && paBits < 52 ? LPA2_OA_LO : 0);
  const leafIsAllowed = level === 3 || blocksAllowed(config, level);
  return entryFormat({
    validMask: VALID_LO,
    validValue: VALID_LO,
    ...(level === 3 ? {} : { tableMask: TABLE_LO, tableValue: TABLE_LO }),
    // Below level 3 an entry with bit 1 set was a table, so asking for bit 1 again asks for the impossible.
    leafMask: TABLE_LO,
    leafValue: level === 3 || !leafIsAllowed ? TABLE_LO : 0,
    reservedTableLo: outsideLo,
    reservedTableHi: outside.hi,
    reservedLeafLo: outsideLo,
    reservedLeafHi: outside.hi,
    leafPaLo: leaf.lo,
    leafPaHi: leaf.hi,
    tablePaLo: table.lo,
    tablePaHi: table.hi,
    ...(lpa ? { highLo: LPA_OA_LO, highShift: LPA_OA_SHIFT, highBit: LPA_OA_BIT } : {}),
    ...(lpa2 ? { highLo: LPA2_OA_LO, highShift: LPA2_OA_SHIFT, highBit: LPA2_OA_BIT } : {}),
    bytes: 2 ** shift,
  });
}

/** Bits `from` up to `end` (exclusive) of a descriptor as masks of its words. */
function bitRange(from: number, end: number): { readonly lo: number; readonly hi: number } {
  const mask = from >= end ? 0n : ((1n << BigInt(end - from)) - 1n) << BigInt(from);
  return { lo: Number(BigInt.asIntN(32, mask)), hi: Number(BigInt.asIntN(32, mask >> 32n)) };
}
