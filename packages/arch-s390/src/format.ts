import type { Level, LevelNumber } from '@pgtable/core';
import { entryFormat, type EntryFormat } from '@pgtable/core/arch';
import {
  CRST_COMMON, CRST_INVALID, CRST_LARGE, CRST_TYPE, crstEmpty, PAGE_EMPTY, PAGE_FRAME_LO, PAGE_INVALID, PAGE_ZERO, REGION3_FRAME_LO, REGION_ORIGIN_LO,
  SEGMENT_FRAME_LO, SEGMENT_ORIGIN_LO, TYPE_REGION1, TYPE_REGION2, TYPE_REGION3, TYPE_SEGMENT,
} from './bits.js';
import type { FullConfig } from './config.js';

/**
 * How entries are classified, by level number. The order is the hardware's: the invalid bit first, then the table type,
 * then the bits that raise a translation-specification exception, then format control.
 *
 * An entry whose TT is not that of its table is bad. So is a common segment, or with EDAT a common region, in a private
 * space, and a page-table entry with bit 52. Other reserved bits are ignored.
 *
 * @see Principles of Operation, chapter 3, "Translation Process"; QEMU 7.2 target/s390x/mmu_helper.c
 */
export function s390Formats(config: Pick<FullConfig, 'edat' | 'privateSpace'>): readonly [EntryFormat, EntryFormat, EntryFormat, EntryFormat, EntryFormat] {
  const { edat, privateSpace } = config;
  const allHi = 0xffffffff;
  const page = entryFormat({
    validMask: PAGE_INVALID,
    validValue: 0,
    reservedLeafLo: PAGE_ZERO,
    emptyLo: PAGE_EMPTY,
    leafPaLo: PAGE_FRAME_LO,
    leafPaHi: allHi,
    bytes: 2 ** 12,
  });
  /** A region table whose entries are never leaves. */
  const region = (type: number, shift: number) => entryFormat({
    validMask: CRST_INVALID,
    validValue: 0,
    tableMask: CRST_TYPE,
    tableValue: type,
    leafMask: 0,
    leafValue: 1,
    emptyLo: crstEmpty(type),
    tablePaLo: REGION_ORIGIN_LO,
    tablePaHi: allHi,
    bytes: 2 ** shift,
  });
  /** A table whose entries may be leaves, with EDAT. */
  const large = (type: number, shift: number, originLo: number, frameLo: number, reserved: number) => entryFormat({
    validMask: CRST_INVALID,
    validValue: 0,
    tableMask: CRST_TYPE | (edat ? CRST_LARGE : 0),
    tableValue: type,
    leafMask: CRST_TYPE | CRST_LARGE,
    leafValue: type | CRST_LARGE,
    reservedTableLo: reserved,
    reservedLeafLo: reserved,
    emptyLo: crstEmpty(type),
    tablePaLo: originLo,
    tablePaHi: allHi,
    leafPaLo: frameLo,
    leafPaHi: allHi,
    bytes: 2 ** shift,
  });
  const segment = large(TYPE_SEGMENT, 20, SEGMENT_ORIGIN_LO, SEGMENT_FRAME_LO, privateSpace ? CRST_COMMON : 0);
  const region3 = large(TYPE_REGION3, 31, REGION_ORIGIN_LO, REGION3_FRAME_LO, privateSpace && edat ? CRST_COMMON : 0);
  return [page, segment, region3, region(TYPE_REGION2, 42), region(TYPE_REGION1, 53)];
}

const NUMBER: Readonly<Record<Level, LevelNumber>> = { pte: 0, pmd: 1, pud: 2, p4d: 3, pgd: 4 };

/** The format of a level. */
export function formatOf(formats: ReturnType<typeof s390Formats>, level: Level): EntryFormat {
  return formats[NUMBER[level]];
}
