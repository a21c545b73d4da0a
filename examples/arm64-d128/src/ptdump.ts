import { EntryKind, geometryOf, hexAddress, Insecure, ptdumpSize, type Geometry, type Level, type PtdumpStyle } from '@pgtable/core';
import { attrIndex, MEMORY_TYPES, permissions } from './attributes.js';
import { AF_LO, ATTRINDX_LO, CONT_UP, GP_UP, NDIRTY_LO, NG_LO, PIINDEX_SHIFT_UP, PIINDEX_UP, SH_LO, SKL_UP, VALID_LO } from './bits.js';
import type { ResolvedConfig } from './config.js';
import { INVALID_UPPER_HI, upperOfInvalid } from './format.js';

/** The bits that the listing looks at: all that a column stands for. */
const MASK_LO = VALID_LO | ATTRINDX_LO | NDIRTY_LO | SH_LO | AF_LO | NG_LO;
const MASK_HI = SKL_UP | CONT_UP | GP_UP | PIINDEX_UP;

/** The four bits of PIIndex in bits 127:96, as Linux 6.12 numbers them: see bits.ts. */
const USER_UP = 1 << PIINDEX_SHIFT_UP;
const PXN_UP = 4 << PIINDEX_SHIFT_UP;
const UXN_UP = 8 << PIINDEX_SHIFT_UP;

/**
 * The kernel's listing: the columns of arch/arm64/mm/ptdump.c, 6.12, which knows 64-bit entries alone, by the bits that say the same here. The
 * permissions are those that Linux's PIIndex numbers stand for, and the check for W+X asks PIR_EL1 and PIRE0_EL1.
 */
export function d128Ptdump(config: ResolvedConfig, geometry: Geometry): PtdumpStyle {
  const pmdFolded = geometryOf(geometry, 'pmd').folded;
  /** As with 64-bit entries: a block in the top table of two levels is met as a folded pmd. */
  const nameOf = (level: Level, lo: number, hi: number): string => (level === 'pgd' && pmdFolded && (lo | hi) !== 0 ? 'PMD' : level.toUpperCase());

  return {
    source: 'arch/arm64/mm/ptdump.c, Linux 6.12, by the bits of VMSAv9-128',
    ranges: (root) => root.windows,
    maskLo: new Int32Array(5).fill(MASK_LO),
    // What is not valid has its upper attributes elsewhere in the row.
    maskHi: new Int32Array(5).fill(MASK_HI | INVALID_UPPER_HI),
    attributes(kind, _level, lo, hi, out) {
      const empty = kind === EntryKind.None;
      out[0] = empty ? 0 : lo & MASK_LO;
      out[1] = empty ? 0 : (kind === EntryKind.NonPresent ? upperOfInvalid(hi) : hi) & MASK_HI;
    },
    effective: () => 0,
    heading: undefined,
    markerAdvance: 'note',
    prints: () => true,
    line(start, end, _pa, level, lo, hi) {
      const place = `${hexAddress(start)}-${hexAddress(end)}   ${ptdumpSize(end - start, 'KMGTPE', 1024)} ${nameOf(level, lo, hi)}`;
      return (lo | hi) === 0 ? place : place + columns(lo, hi);
    },
    insecure(_end, _level, lo, hi) {
      if ((lo | hi) === 0) return 0;
      const index = (hi & PIINDEX_UP) >>> PIINDEX_SHIFT_UP;
      const kernel = permissions(config.pir, index);
      const writable = (kernel & 2) !== 0 && (lo & NDIRTY_LO) === 0;
      return ((permissions(config.pire0, index) & 4) !== 0 ? Insecure.UserExecutable : 0) | (writable && (kernel & 4) !== 0 ? Insecure.WritableExecutable : 0);
    },
    finding(insecure, address, symbol) {
      const what = (insecure & Insecure.WritableExecutable) !== 0 ? 'insecure W+X' : 'non-UXN';
      return `arm64/mm: Found ${what} mapping at address ${address.toString(16).padStart(16, '0')}/${symbol}`;
    },
    verdict({ writableExecutable, userExecutable }) {
      return writableExecutable === 0 && userExecutable === 0
        ? 'Checked W+X mappings: passed, no W+X pages found'
        : `Checked W+X mappings: FAILED, ${writableExecutable} W+X pages found, ${userExecutable} non-UXN pages found`;
    },
  };
}

/** The columns, each with a blank before it. A memory type that Linux does not use has none. */
function columns(lo: number, hi: number): string {
  const type = MEMORY_TYPES[attrIndex(lo)];
  const fields = [
    (lo & VALID_LO) !== 0 ? ' ' : 'F',
    (hi & USER_UP) !== 0 ? 'USR' : '   ',
    (lo & NDIRTY_LO) !== 0 ? 'ro' : 'RW',
    (hi & PXN_UP) !== 0 ? 'NX' : 'x ',
    (lo & SH_LO) === SH_LO ? 'SHD' : '   ',
    (lo & AF_LO) !== 0 ? 'AF' : '  ',
    (lo & NG_LO) !== 0 ? 'NG' : '  ',
    (hi & CONT_UP) !== 0 ? 'CON' : '   ',
    (hi & SKL_UP) !== 0 ? 'BLK' : '   ',
    (hi & UXN_UP) !== 0 ? 'UXN' : '   ',
    (hi & GP_UP) !== 0 ? 'GP' : '  ',
  ];
  if (type !== undefined) fields.push(type);
  return ' ' + fields.join(' ');
}
