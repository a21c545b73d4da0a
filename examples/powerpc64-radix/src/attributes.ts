import { Access, type Attributes, type Level } from '@pgtable/core';
import {
  ATT_LO, ATT_NON_IDEMPOTENT_LO, C_LO, DEVMAP_LO, EXEC_LO, INVALID_HI, L_HI, NLS_LO, PRIVILEGED_LO, R_LO, READ_LO, SOFT_DIRTY_LO, SPECIAL_LO, V_HI, WRITE_LO,
} from './bits.js';

/** The manual's names of the four values of Att. */
const MEMORY_TYPES = ['normal', 'SAO', 'non-idempotent I/O', 'tolerant I/O'] as const;

/**
 * {@link Arch.describe}: what the entry alone says. Entries that point to tables forbid nothing. What registers take away from the kernel on pages of
 * users (AMR, IAMR: the kernel's KUAP and KUEP) is not known here.
 */
export function describe(_level: Level, lo: number, hi: number): Attributes {
  const table = (hi & (V_HI | L_HI)) === V_HI;
  return {
    access: table ? EVERYTHING : accessOf(lo),
    accessed: table ? undefined : (lo & R_LO) !== 0,
    dirty: table ? undefined : (lo & C_LO) !== 0,
    global: false,
    memoryType: table ? '' : MEMORY_TYPES[attOf(lo)],
    group: 1,
    flags: flagNames(lo, hi),
  };
}

const KERNEL = Access.KernelRead | Access.KernelWrite | Access.KernelExecute;
const USER = Access.UserRead | Access.UserWrite | Access.UserExecute;
const EVERYTHING = KERNEL | USER;

function accessOf(lo: number): number {
  const write = (lo & WRITE_LO) !== 0;
  const read = write || (lo & READ_LO) !== 0;
  const execute = (lo & EXEC_LO) !== 0 && (lo & ATT_LO) !== ATT_NON_IDEMPOTENT_LO;
  const all =
    (read ? Access.KernelRead | Access.UserRead : 0) | (write ? Access.KernelWrite | Access.UserWrite : 0) | (execute ? Access.KernelExecute | Access.UserExecute : 0);
  return (lo & PRIVILEGED_LO) !== 0 ? all & KERNEL : all;
}

function attOf(lo: number): 0 | 1 | 2 | 3 {
  // The cast: two bits are one of four numbers.
  return ((lo & ATT_LO) >>> 4) as 0 | 1 | 2 | 3;
}

const LOW_FLAGS: readonly (readonly [mask: number, name: string])[] = [[EXEC_LO, 'EXEC'], [WRITE_LO, 'WRITE'], [READ_LO, 'READ'], [PRIVILEGED_LO, 'PRIVILEGED']];
const UPPER_FLAGS: readonly (readonly [mask: number, name: string])[] = [
  [C_LO, 'C'], [R_LO, 'R'], [SOFT_DIRTY_LO, 'SOFT_DIRTY'], [SPECIAL_LO, 'SPECIAL'], [DEVMAP_LO, 'DEVMAP'],
];
const HIGH_FLAGS: readonly (readonly [mask: number, name: string])[] = [[INVALID_HI, 'INVALID'], [L_HI, 'L'], [V_HI, 'V']];
const ATT_FLAGS = [[], ['SAO'], ['NI'], ['TI']] as const;

/** The names of the bits that are set, from bit 0 up; of an entry that points to a table NLS and V. */
export function flagNames(lo: number, hi: number): string[] {
  const named = (flags: typeof LOW_FLAGS, word: number): string[] => flags.filter(([mask]) => (word & mask) !== 0).map(([, name]) => name);
  if ((hi & (V_HI | L_HI)) === V_HI) return [`NLS=${lo & NLS_LO}`, 'V'];
  return [...named(LOW_FLAGS, lo), ...ATT_FLAGS[attOf(lo)], ...named(UPPER_FLAGS, lo), ...named(HIGH_FLAGS, hi)];
}
