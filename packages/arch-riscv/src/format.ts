import { levelNumber, LEVELS, type Level } from '@pgtable/core';
import { entryFormat, type EntryFormat } from '@pgtable/core/arch';
import { A_LO, D_LO, N_HI, PBMT_HI, PPN_HI, PPN_LO, PPN_SHIFT, R_LO, RESERVED_HI, RWX_LO, U_LO, V_LO, W_LO } from './bits.js';
import type { FullConfig } from './config.js';
import { riscvGeometry } from './geometry.js';

/**
 * The layout of every level, by level number; a folded level has the root's.
 *
 * What faults is bad, as the algorithm of the manual has it ("Virtual Address Translation Process", steps 3 to 6): "any
 * bits or encodings that are reserved for future standard use":
 *
 * - W without R
 * - bits 60:54; bit 63 and bits 62:61 where their extension is not there
 * - PBMT 3; bit 63 above the last level, or with PPN[3:0] other than 8
 * - a table entry at the last level
 * - in a table entry: D, A, U, and bits 63:61
 * - a leaf above the last level whose low PPN bits are not zero (misaligned superpage)
 *
 * QEMU 7.2's MMU (target/riscv/cpu_helper.c, get_physical_address) agrees but for two things that no kernel writes: with
 * Svnapot or Svpbmt switched on it lets bits 60:54 pass, and it lets PBMT 3 pass. Here the manual decides.
 */
export function riscvFormats(config: FullConfig): readonly EntryFormat[] {
  return LEVELS.map((level) => formatOf(config, level));
}

function formatOf(config: FullConfig, level: Level): EntryFormat {
  const wide = config.mode !== 'Sv32';
  const { shift } = riscvGeometry(config.mode).levels[levelNumber(level)];
  const last = shift === 12;
  const misaligned = misalignedBits(shift);
  return entryFormat({
    validMask: V_LO,
    validValue: V_LO,
    tableMask: RWX_LO,
    tableValue: 0,
    // The last level has no tables: there V itself, which is set, is what is reserved.
    reservedTableLo: last ? V_LO : U_LO | A_LO | D_LO,
    reservedTableHi: wide ? N_HI | PBMT_HI | RESERVED_HI : 0,
    reservedLeafLo: misaligned.lo,
    reservedLeafHi: wide ? misaligned.hi | RESERVED_HI | (last && config.svnapot ? 0 : N_HI) | (config.svpbmt ? 0 : PBMT_HI) : 0,
    forbiddenLo: R_LO | W_LO,
    forbiddenLoValue: W_LO,
    ...(config.svpbmt ? { forbiddenHi: PBMT_HI, forbiddenHiValue: PBMT_HI } : {}),
    leafPaLo: PPN_LO,
    leafPaHi: wide ? PPN_HI : 0,
    tablePaLo: PPN_LO,
    tablePaHi: wide ? PPN_HI : 0,
    paShift: 12 - PPN_SHIFT,
    bytes: 2 ** shift,
    napotHi: last && config.svnapot ? N_HI : 0,
  });
}

/** The PPN bits that are zero in a leaf which maps `2 ** shift` bytes: bit 10 up to bit `shift - 3`. */
function misalignedBits(shift: number): { lo: number; hi: number } {
  const bits = ((1n << BigInt(shift - 12)) - 1n) << BigInt(PPN_SHIFT);
  return { lo: Number(BigInt.asIntN(32, bits)), hi: Number(bits >> 32n) };
}
