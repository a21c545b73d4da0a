import { EntryKind, hexAddress, Insecure, ptdumpSize, type PtdumpStyle } from '@pgtable/core';
import { isGlobal, memoryType } from './attributes.js';
import {
  D_LO, G_LO, H_LO, HGLOBAL_LO, MODIFIED_LO, NR_HI, NX_HI, P_LO, PA_BITS, PA_HI, PLV_LO, PLV_SHIFT, PROTNONE_LO, RPLV_HI, SPECIAL_LO, V_LO, W_LO,
} from './bits.js';
import { pageShift, type LoongarchLayout } from './geometry.js';

/** The flags that are listed, 11:0 and 63:59; G of a huge page stands where that of a page does. */
const SHOWN_LO = 0xfff;
const SHOWN_HI = 0xf8000000 | 0;

/**
 * A listing in a style of our own, after riscv's: Linux 6.12 has no ptdump for LoongArch (arch/loongarch/mm has no such file), so there is nothing
 * to be equal to. Holes print nothing. An entry without V that keeps its frame has attributes and prints.
 *
 * The kernel checks nothing either. The check for writable and executable pages finds nearly all of its memory: PAGE_KERNEL may do everything.
 */
export function loongarchPtdump(layout: LoongarchLayout): PtdumpStyle {
  const page = pageShift(layout);
  const maskLo = new Int32Array(5).fill(SHOWN_LO | HGLOBAL_LO);
  maskLo[0] = SHOWN_LO;
  return {
    source: 'none: Linux 6.12 has no listing for LoongArch',
    ranges: (root) => root.windows.map(({ start, end }) => ({ start, end })),
    maskLo,
    maskHi: new Int32Array(5).fill(SHOWN_HI),
    attributes(kind, level, lo, hi, out) {
      const shown = kind !== EntryKind.None;
      const flags = level === 'pte' ? lo & SHOWN_LO : (lo & SHOWN_LO & ~H_LO) | (isGlobal(level, lo) ? G_LO : 0);
      out[0] = shown ? flags : 0;
      out[1] = shown ? hi & SHOWN_HI : 0;
    },
    address: (_level, lo, hi) => (hi & PA_HI) * 2 ** 32 + ((lo & -(2 ** page)) >>> 0),
    effective: () => 0,
    heading: undefined,
    markerAdvance: 'all',
    prints: (lo, hi) => (lo | hi) !== 0,
    line(start, end, pa, level, lo, hi) {
      const fields = [
        ...TOP.map(([mask, name]) => ((hi & mask) !== 0 ? name : '.'.repeat(name.length))),
        ...FLAGS.map(([mask, name]) => ((lo & mask) !== 0 ? name : '.'.repeat(name.length))),
        memoryType(lo).padEnd(3),
        `PLV${(lo & PLV_LO) >>> PLV_SHIFT}`,
      ];
      return (
        `${hexAddress(start, 16)}-${hexAddress(end, 16)}    ${hexAddress(pa, PA_BITS / 4)} ` +
        `${ptdumpSize(end - start, 'KMGTPE', 1024)} ${level.toUpperCase()} ${fields.join(' ')}`
      );
    },
    insecure: (_end, _level, lo, hi) => ((lo & (W_LO | D_LO)) !== 0 && (hi & NX_HI) === 0 ? Insecure.WritableExecutable : 0),
    finding: (_insecure, address, symbol) => `loongarch: writable and executable at address ${hexAddress(address, 16)}/${symbol}`,
    verdict: ({ writableExecutable }) =>
      writableExecutable === 0 ? 'Checked W+X mappings: passed, no W+X pages found' : `Checked W+X mappings: failed, ${writableExecutable} W+X pages found`,
  };
}

const TOP: readonly (readonly [mask: number, name: string])[] = [[RPLV_HI, 'RPLV'], [NX_HI, 'NX'], [NR_HI, 'NR']];
const FLAGS: readonly (readonly [mask: number, name: string])[] = [
  [SPECIAL_LO, 'SP'], [PROTNONE_LO, 'PN'], [MODIFIED_LO, 'M'], [W_LO, 'W'], [P_LO, 'P'], [G_LO, 'G'], [D_LO, 'D'], [V_LO, 'V'],
];
