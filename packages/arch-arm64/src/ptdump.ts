import { EntryKind, geometryOf, hexAddress, Insecure, ptdumpSize, type Geometry, type Level, type PtdumpStyle } from '@pgtable/core';
import { linuxMemoryTypes } from './attributes.js';
import { AF_LO, ATTRINDX_LO, ATTRINDX_SHIFT, CONT_HI, GP_HI, NG_LO, PXN_HI, RDONLY_LO, SH_LO, TABLE_LO, USER_LO, UXN_HI, VALID_LO } from './bits.js';
import type { ResolvedConfig } from './config.js';

/** The bits that the kernel's listing looks at: all that a column stands for. */
const MASK_LO = VALID_LO | TABLE_LO | ATTRINDX_LO | USER_LO | RDONLY_LO | SH_LO | AF_LO | NG_LO;
const MASK_HI = GP_HI | CONT_HI | PXN_HI | UXN_HI;

/**
 * The kernel's listing (arch/arm64/mm/ptdump.c, 6.12).
 *
 * With LPA2 the kernel still tests bits 9:8 for its SHD column. They are address bits there, so the column is blank below
 * 1 PiB of physical memory; lines are not ended by them here, as they are there from 1 PiB on.
 */
export function arm64Ptdump(config: ResolvedConfig, geometry: Geometry): PtdumpStyle {
  const types = linuxMemoryTypes(config.release);
  const pmdFolded = geometryOf(geometry, 'pmd').folded;

  /**
   * The level's name. A block in the top table of two levels is met as a folded pmd and printed as one; a hole there, and
   * all of a folded pud or p4d, are printed as PGD.
   */
  const nameOf = (level: Level, lo: number, hi: number): string => (level === 'pgd' && pmdFolded && (lo | hi) !== 0 ? 'PMD' : level.toUpperCase());

  return {
    source: 'arch/arm64/mm/ptdump.c, Linux 6.12',
    ranges: (root) => root.windows,
    maskLo: new Int32Array(5).fill(MASK_LO),
    maskHi: new Int32Array(5).fill(MASK_HI),
    attributes(kind, _level, lo, hi, out) {
      const empty = kind === EntryKind.None;
      out[0] = empty ? 0 : lo & MASK_LO;
      out[1] = empty ? 0 : hi & MASK_HI;
    },
    effective: () => 0,
    heading: undefined,
    markerAdvance: 'note',
    prints: () => true,
    line(start, end, _pa, level, lo, hi) {
      const place = `${hexAddress(start)}-${hexAddress(end)}   ${ptdumpSize(end - start, 'KMGTPE', 1024)} ${nameOf(level, lo, hi)}`;
      return (lo | hi) === 0 ? place : place + columns(lo, hi, types);
    },
    insecure(_end, _level, lo, hi) {
      if ((lo | hi) === 0) return 0;
      return ((hi & UXN_HI) === 0 ? Insecure.UserExecutable : 0) | ((lo & RDONLY_LO) === 0 && (hi & PXN_HI) === 0 ? Insecure.WritableExecutable : 0);
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
function columns(lo: number, hi: number, types: readonly string[]): string {
  const type = types[(lo & ATTRINDX_LO) >>> ATTRINDX_SHIFT];
  const fields = [
    (lo & VALID_LO) !== 0 ? ' ' : 'F',
    (lo & USER_LO) !== 0 ? 'USR' : '   ',
    (lo & RDONLY_LO) !== 0 ? 'ro' : 'RW',
    (hi & PXN_HI) !== 0 ? 'NX' : 'x ',
    (lo & SH_LO) === SH_LO ? 'SHD' : '   ',
    (lo & AF_LO) !== 0 ? 'AF' : '  ',
    (lo & NG_LO) !== 0 ? 'NG' : '  ',
    (hi & CONT_HI) !== 0 ? 'CON' : '   ',
    (lo & TABLE_LO) !== 0 ? '   ' : 'BLK',
    (hi & UXN_HI) !== 0 ? 'UXN' : '   ',
    (hi & GP_HI) !== 0 ? 'GP' : '  ',
  ];
  if (type !== undefined) fields.push(type);
  return ' ' + fields.join(' ');
}
