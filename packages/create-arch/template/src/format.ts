import { levelNumber, LEVELS, type Level } from '@pgtable/core';
import { entryFormat, type EntryFormat } from '@pgtable/core/arch';
import { A_LO, ADDRESS_HI, ADDRESS_LO, D_LO, G_LO, H_LO, NC_LO, P_LO, RESERVED_HI } from './bits.js';
import { TRIO_GEOMETRY } from './geometry.js';

/**
 * The layout of every level as the hardware sees it, by level number; a folded level has the root's.
 *
 * REPLACE: what masks say of your entries. An entry is taken for, in this order: empty or not present (`valid`), a table (`table`), a leaf or bad
 * (`leaf`, `reservedLeaf`, `forbidden`). What faults on any processor is bad:
 *
 * - bits 62:48
 * - at the last level: H
 * - in a table entry: A, D, G and NC
 * - a leaf above the last level whose low address bits are not zero
 */
export function trioFormats(): readonly EntryFormat[] {
  return LEVELS.map(formatOf);
}

function formatOf(level: Level): EntryFormat {
  const { shift } = TRIO_GEOMETRY.levels[levelNumber(level)];
  const last = shift === 12;
  return entryFormat({
    validMask: P_LO,
    validValue: P_LO,
    // At the last level there are no tables: entryFormat's default says so.
    ...(last ? {} : { tableMask: H_LO, tableValue: 0 }),
    reservedTableLo: A_LO | D_LO | G_LO | NC_LO,
    reservedTableHi: RESERVED_HI,
    // Every shift here is below 32: no bit of the high word must be zero because a page is large.
    reservedLeafLo: last ? H_LO : (2 ** shift - 1) & ADDRESS_LO,
    reservedLeafHi: RESERVED_HI,
    leafPaLo: ADDRESS_LO,
    leafPaHi: ADDRESS_HI,
    tablePaLo: ADDRESS_LO,
    tablePaHi: ADDRESS_HI,
    bytes: 2 ** shift,
  });
}
