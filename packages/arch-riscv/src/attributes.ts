import { Access, type Attributes, type Level } from '@pgtable/core';
import { A_LO, D_LO, G_LO, N_HI, PBMT_HI, PBMT_IO_HI, PBMT_NC_HI, R_LO, RSW_LO, RSW_SHIFT, RWX_LO, U_LO, V_LO, W_LO, X_LO } from './bits.js';
import type { FullConfig } from './config.js';

/** Inherited: a table entry above has G set, which makes all that is below it global. */
const INHERITED_GLOBAL = 1;

/** Everything: what a table entry leaves allowed. */
const ALL_ACCESS = 63;

/** Pages of a Svnapot group: 64 KiB is the only size that there is. */
const NAPOT_GROUP = 16;

/** {@link Arch.inherit}: table entries forbid nothing, permissions are the leaf's alone. Only G reaches down. */
export function inherit(inherited: number, lo: number): number {
  return inherited | ((lo & G_LO) !== 0 ? INHERITED_GLOBAL : 0);
}

/**
 * {@link Arch.describe}.
 *
 * A page with U is the user's: its {@link Access} has the user's bits only. The kernel reads and writes it through
 * sstatus.SUM, which it sets for a moment in copy_from_user and its like, and can never execute it. A page without U has
 * the kernel's bits only. A table entry forbids nothing, so it has them all.
 *
 * Execute-only pages have no read bit; sstatus.MXR, which would let loads read them, is not considered.
 */
export function describe({ mode }: FullConfig, level: Level, lo: number, hi: number, inherited: number): Attributes {
  const table = (lo & V_LO) !== 0 && (lo & RWX_LO) === 0;
  return {
    access: table ? ALL_ACCESS : accessOf(lo),
    accessed: table ? undefined : (lo & A_LO) !== 0,
    dirty: table ? undefined : (lo & D_LO) !== 0,
    global: (lo & G_LO) !== 0 || (inherited & INHERITED_GLOBAL) !== 0,
    memoryType: table || mode === 'Sv32' ? '' : memoryType(hi),
    group: level === 'pte' && !table && (hi & N_HI) !== 0 ? NAPOT_GROUP : 1,
    flags: flagNames(lo, hi),
  };
}

function accessOf(lo: number): number {
  const kernel = ((lo & R_LO) !== 0 ? Access.KernelRead : 0) | ((lo & W_LO) !== 0 ? Access.KernelWrite : 0) | ((lo & X_LO) !== 0 ? Access.KernelExecute : 0);
  return (lo & U_LO) !== 0 ? kernel * Access.UserRead : kernel;
}

/** `PMA`: what the platform says of the physical address. */
function memoryType(hi: number): string {
  switch (hi & PBMT_HI) {
    case 0:
      return 'PMA';
    case PBMT_NC_HI:
      return 'NC';
    case PBMT_IO_HI:
      return 'IO';
    default:
      return 'reserved';
  }
}

const FLAGS: readonly (readonly [mask: number, name: string])[] = [
  [V_LO, 'V'], [R_LO, 'R'], [W_LO, 'W'], [X_LO, 'X'], [U_LO, 'U'], [G_LO, 'G'], [A_LO, 'A'], [D_LO, 'D'],
];

/** The names of the bits that are set, from bit 0 up; RSW and PBMT with their values. */
export function flagNames(lo: number, hi: number): string[] {
  const names = FLAGS.filter(([mask]) => (lo & mask) !== 0).map(([, name]) => name);
  if ((lo & RSW_LO) !== 0) names.push(`RSW(${(lo & RSW_LO) >>> RSW_SHIFT})`);
  if ((hi & PBMT_HI) !== 0) names.push(memoryType(hi) === 'reserved' ? 'PBMT(3)' : memoryType(hi));
  if ((hi & N_HI) !== 0) names.push('N');
  return names;
}
