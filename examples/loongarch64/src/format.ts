import { levelNumber, LEVELS, type Level } from '@pgtable/core';
import { entryFormat, type EntryFormat } from '@pgtable/core/arch';
import { MAT_LO, PA_HI, V_LO } from './bits.js';
import { loongarchGeometry, pageShift, type LoongarchLayout } from './geometry.js';

/**
 * The layout of every level, by level number; a folded level has the root's.
 *
 * Masks say all of a page-table entry: it is valid if V is set, and the one reserved thing is MAT 3. In a directory they say the same of
 * entries with H, the huge pages, whose address bits below their size are ignored. What they cannot say is what an entry without H is: empty or a
 * table, by the address in it and by nothing else. So these formats know of no table, and `LoongarchLevelOps` tells tables.
 *
 * A table's address has zeros below the page size. The walk would OR an index into what stands there, so an entry with anything else is bad.
 */
export function loongarchFormats(layout: LoongarchLayout): readonly EntryFormat[] {
  return LEVELS.map((level) => formatOf(layout, level));
}

function formatOf(layout: LoongarchLayout, level: Level): EntryFormat {
  const { shift } = loongarchGeometry(layout).levels[levelNumber(level)];
  const page = pageShift(layout);
  const inPage = 2 ** page - 1;
  return entryFormat({
    validMask: V_LO,
    validValue: V_LO,
    forbiddenLo: MAT_LO,
    forbiddenLoValue: MAT_LO,
    leafPaLo: shift >= 32 ? 0 : -(2 ** shift) | 0,
    leafPaHi: shift > 32 ? PA_HI & -(2 ** (shift - 32)) : PA_HI,
    bytes: 2 ** shift,
    ...(shift === page ? {} : { reservedTableLo: inPage, tablePaLo: ~inPage, tablePaHi: PA_HI }),
  });
}
