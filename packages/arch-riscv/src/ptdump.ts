import { EntryKind, hexAddress, Insecure, ptdumpSize, type Level, type PtdumpStyle } from '@pgtable/core';
import { A_LO, D_LO, G_LO, N_HI, PBMT_HI, PBMT_IO_HI, PBMT_NC_HI, PPN_HI, PPN_LO, R_LO, RSW_LO, RSW_SHIFT, U_LO, V_LO, W_LO, X_LO } from './bits.js';
import type { FullConfig } from './config.js';
import { SV32_KERNEL_START } from './geometry.js';

/** All bits that the listing shows: 9:0, and with 64 bits 63:61. */
const SHOWN_LO = 0x3ff;
const SHOWN_HI = N_HI | PBMT_HI;

/** Bytes of a Svnapot group. */
const NAPOT_BYTES = 16 * 4096;

/**
 * /sys/kernel/debug/kernel_page_tables.
 *
 * Levels are named as the kernel names them: a level that the running mode lacks is PGD, and so is the root's (with Sv32 the
 * kernel meets its root's leaves at the pmd, which it calls PGD too). Holes print nothing. An entry that only lacks V (kfence,
 * debug_pagealloc) has attributes and prints.
 */
export function riscvPtdump(config: FullConfig): PtdumpStyle {
  const wide = config.mode !== 'Sv32';
  const digits = wide ? 16 : 8;
  return {
    source: 'arch/riscv/mm/ptdump.c (Linux 6.12)',
    ranges: (root) =>
      // From KERN_VIRT_START: the upper half, with 32 bits FIXADDR_START.
      root.windows.filter(({ half }) => half === 'kernel').map(({ start, end }) => ({ start: wide ? start : SV32_KERNEL_START, end })),
    maskLo: new Int32Array(5).fill(SHOWN_LO),
    maskHi: new Int32Array(5).fill(wide ? SHOWN_HI : 0),
    attributes(kind, _level, lo, hi, out) {
      const shown = kind !== EntryKind.None;
      out[0] = shown ? lo & SHOWN_LO : 0;
      out[1] = shown && wide ? hi & SHOWN_HI : 0;
    },
    address: (_level, lo, hi) => entryAddress(lo, wide ? hi : 0),
    effective: () => 0,
    heading: undefined,
    markerAdvance: 'all',
    prints: (lo, hi) => (lo | hi) !== 0,
    line(start, end, pa, level, lo, hi) {
      // pte_pfn() of an entry with N is the first frame of its group, wherever in the group the line begins.
      const frame = (hi & N_HI) !== 0 ? pa - (pa % NAPOT_BYTES) : pa;
      const fields = [...(wide ? [(hi & N_HI) !== 0 ? 'N' : '.', memoryType(hi)] : []), software(lo), ...FLAGS.map(([mask, name]) => ((lo & mask) !== 0 ? name : '.'))];
      return (
        `${hexAddress(start, digits)}-${hexAddress(end, digits)}    ${hexAddress(frame, digits)} ` +
        `${ptdumpSize(end - start, 'KMGTPE', 1024)} ${levelName(level)} ${fields.join(' ')}`
      );
    },
    insecure: (_end, _level, lo) => ((lo & (W_LO | X_LO)) === (W_LO | X_LO) ? Insecure.WritableExecutable : 0),
    finding: (_insecure, address, symbol) => `riscv/mm: Found insecure W+X mapping at address ${hexAddress(address, digits).slice(2)}/${symbol}`,
    verdict: ({ writableExecutable }) =>
      writableExecutable === 0 ? 'Checked W+X mappings: passed, no W+X pages found' : `Checked W+X mappings: failed, ${writableExecutable} W+X pages found`,
  };
}

/** PFN_PHYS(pte_pfn()) of any entry: with N, pte_pfn() clears the lowest bit of the frame number. */
function entryAddress(lo: number, hi: number): number {
  const address = ((hi & PPN_HI) * 2 ** 32 + ((lo & PPN_LO) >>> 0)) * 4;
  return (hi & N_HI) !== 0 ? address - (address % NAPOT_BYTES) : address;
}

function levelName(level: Level): string {
  return level.toUpperCase();
}

/** From bit 7 down, as they are printed. */
const FLAGS: readonly (readonly [mask: number, name: string])[] = [
  [D_LO, 'D'], [A_LO, 'A'], [G_LO, 'G'], [U_LO, 'U'], [X_LO, 'X'], [W_LO, 'W'], [R_LO, 'R'], [V_LO, 'V'],
];

function memoryType(hi: number): string {
  switch (hi & PBMT_HI) {
    case 0:
      return '  ..  ';
    case PBMT_NC_HI:
      return 'MT(NC)';
    case PBMT_IO_HI:
      return 'MT(IO)';
    default:
      return 'MT(??)';
  }
}

function software(lo: number): string {
  return (lo & RSW_LO) === 0 ? '  ..  ' : `RSW(${(lo & RSW_LO) >>> RSW_SHIFT})`;
}
