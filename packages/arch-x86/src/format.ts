import { geometryOf, LEVELS, type Level } from '@pgtable/core';
import { entryFormat, type EntryFormat } from '@pgtable/core/arch';
import {
  ADDRESS_1G_LO, ADDRESS_2M_LO, ADDRESS_4K_LO, ADDRESS_4M_LO, ADDRESS_HI, G, NX_HI, P, PS, PSE36_BIT, PSE36_LO, PSE36_SHIFT,
  RESERVED_1G_LO, RESERVED_2M_LO, RESERVED_4M_LO, RESERVED_PAE_HI,
} from './bits.js';
import type { FullConfig } from './config.js';
import { is64Bit, x86Geometry } from './geometry.js';

/**
 * The entry formats of all levels, by level number. A folded level has the format of the pgd, whose entry it is.
 *
 * What counts as reserved is the manual's list for each mode (SDM volume 3A, figures "Formats of CR3 and
 * Paging-Structure Entries"): a processor faults on it, so the entry is bad.
 */
export function x86Formats(config: FullConfig): readonly EntryFormat[] {
  const geometry = x86Geometry(config.mode);
  return LEVELS.map((level) => {
    const { folded, shift } = geometryOf(geometry, level);
    return levelFormat(config, folded ? 'pgd' : level, 2 ** shift);
  });
}

/**
 * The same formats, with what Linux leaves zero in entries that point to tables as reserved: G, and NX below the top table, where page-table
 * isolation sets it. For finding tables by their shape: nearly every page of the kernel has one of the two, so a table of pages does not
 * pass for one of tables wherever the pages are zero or not in the dump.
 */
export function strictFormats(config: FullConfig): readonly EntryFormat[] {
  const geometry = x86Geometry(config.mode);
  return x86Formats(config).map((format, number) => {
    const isTop = geometryOf(geometry, LEVELS[number]!).folded || LEVELS[number] === 'pgd';
    return entryFormat({ ...format, reservedTableLo: format.reservedTableLo | G, reservedTableHi: format.reservedTableHi | (isTop ? 0 : NX_HI) });
  });
}

function levelFormat(config: FullConfig, level: Level, bytes: number): EntryFormat {
  if (config.mode === '2-level') return twoLevelFormat(config, level, bytes);

  const addressLo = ~config.encryptionLo;
  const addressHi = ADDRESS_HI & ~config.encryptionHi;
  // Address bits that the processor does not have; the C-bit may be among them and is none of the reserved ones.
  const tooHigh = ADDRESS_HI & ~(2 ** (config.physicalBits - 32) - 1) & ~config.encryptionHi;
  const reservedHi = tooHigh | (config.mode === 'PAE' ? RESERVED_PAE_HI : 0) | (config.nx ? 0 : NX_HI);
  const common = {
    validMask: P,
    validValue: P,
    bytes,
    tablePaLo: ADDRESS_4K_LO & addressLo,
    tablePaHi: addressHi,
    leafPaHi: addressHi,
    reservedTableHi: reservedHi,
    reservedLeafHi: reservedHi,
  };
  const page = (leafPaLo: number, reservedLeafLo: number): EntryFormat =>
    entryFormat({ ...common, tableMask: PS, tableValue: 0, leafPaLo: leafPaLo & addressLo, reservedLeafLo: reservedLeafLo & addressLo });

  if (level === 'pte') return entryFormat({ ...common, leafPaLo: ADDRESS_4K_LO & addressLo });
  if (level === 'pmd') return page(ADDRESS_2M_LO, RESERVED_2M_LO);
  if (level === 'pud') return page(ADDRESS_1G_LO, RESERVED_1G_LO);
  if (is64Bit(config.mode)) {
    // A PML4 or PML5 entry with PS set is neither table nor page: PS is reserved there.
    return entryFormat({ ...common, tableMask: PS, tableValue: 0, leafMask: 0, leafValue: 1 });
  }
  // A PDPTE of PAE is always a table. The manual reserves bits 2:1 and 8:5 too, but a processor looks at them only when CR3 is
  // loaded, and QEMU never does: it sets bit 5 itself, as if it were A.
  return entryFormat({ ...common, tableMask: 0, tableValue: 0, reservedTableHi: reservedHi | NX_HI });
}

function twoLevelFormat(config: FullConfig, level: Level, bytes: number): EntryFormat {
  if (level === 'pte') return entryFormat({ validMask: P, validValue: P, bytes, leafPaLo: ADDRESS_4K_LO });
  // Without CR4.PSE the processor ignores bit 7: every entry is a table.
  if (!config.pse) return entryFormat({ validMask: P, validValue: P, bytes, tableMask: 0, tableValue: 0, tablePaLo: ADDRESS_4K_LO });
  return entryFormat({
    validMask: P,
    validValue: P,
    bytes,
    tableMask: PS,
    tableValue: 0,
    tablePaLo: ADDRESS_4K_LO,
    leafPaLo: ADDRESS_4M_LO,
    reservedLeafLo: RESERVED_4M_LO,
    highLo: PSE36_LO,
    highShift: PSE36_SHIFT,
    highBit: PSE36_BIT,
    tableHighLo: 0,
  });
}
