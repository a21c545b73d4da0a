import { Access, type Attributes, type Level } from '@pgtable/core';
import {
  D_LO, DEVMAP_HI, G_LO, H_LO, HGLOBAL_LO, MAT_LO, MAT_SHIFT, MODIFIED_LO, NR_HI, NX_HI, P_LO, PLV_LO, PLV_SHIFT, PRESENT_INVALID_HI, PROTNONE_LO,
  RPLV_HI, SPECIAL_LO, V_LO, W_LO,
} from './bits.js';

/** Everything: what a table entry leaves allowed. */
const ALL_ACCESS = 63;
/** The privilege levels of Linux: the kernel's and the user's. */
const PLV_KERNEL = 0;
const PLV_USER = 3;

/**
 * {@link Arch.describe}. Directory entries forbid nothing and say nothing but an address.
 *
 * A page of PLV 3 is the user's and the kernel's alike, for execution too; RPLV takes it from the kernel. A page of PLV 1 or 2, which Linux
 * does not make, is the kernel's alone. Stores are allowed if D is set, or will be when the first of them sets it: if W is.
 */
export function describe(level: Level, lo: number, hi: number): Attributes {
  const table = level !== 'pte' && (lo & H_LO) === 0;
  return {
    access: table ? ALL_ACCESS : accessOf(lo, hi),
    accessed: table ? undefined : (lo & V_LO) !== 0,
    dirty: table ? undefined : (lo & (D_LO | MODIFIED_LO)) !== 0,
    global: !table && isGlobal(level, lo),
    memoryType: table ? '' : memoryType(lo),
    group: 1,
    flags: table ? [] : flagNames(level, lo, hi),
  };
}

/** Whether a leaf is in all address spaces: bit 6 says so of a page, bit 12 of a huge page. */
export function isGlobal(level: Level, lo: number): boolean {
  return (lo & (level === 'pte' ? G_LO : HGLOBAL_LO)) !== 0;
}

function accessOf(lo: number, hi: number): number {
  const rights =
    ((hi & NR_HI) === 0 ? Access.KernelRead : 0) | ((lo & (D_LO | W_LO)) !== 0 ? Access.KernelWrite : 0) | ((hi & NX_HI) === 0 ? Access.KernelExecute : 0);
  const plv = (lo & PLV_LO) >>> PLV_SHIFT;
  const kernel = (hi & RPLV_HI) === 0 || plv === PLV_KERNEL;
  return (kernel ? rights : 0) | (plv === PLV_USER ? rights * Access.UserRead : 0);
}

const TYPES = ['SUC', 'CC', 'WUC', 'reserved'] as const;

/** MAT by its name in the manual. */
export function memoryType(lo: number): string {
  return TYPES[(lo & MAT_LO) >>> MAT_SHIFT]!;
}

type Names = readonly (readonly [mask: number, name: string])[];
const MIDDLE: Names = [[P_LO, 'P'], [W_LO, 'W'], [MODIFIED_LO, 'MODIFIED'], [PROTNONE_LO, 'PROTNONE'], [SPECIAL_LO, 'SPECIAL']];
const UPPER: Names = [[DEVMAP_HI, 'DEVMAP'], [PRESENT_INVALID_HI, 'PRESENT_INVALID'], [NR_HI, 'NR'], [NX_HI, 'NX'], [RPLV_HI, 'RPLV']];

/** The names of the bits that are set, from bit 0 up, and PLV with its value. MAT is left out: it is the memory type. */
export function flagNames(level: Level, lo: number, hi: number): string[] {
  const huge = level !== 'pte';
  return [
    ...((lo & V_LO) !== 0 ? ['V'] : []),
    ...((lo & D_LO) !== 0 ? ['D'] : []),
    `PLV${(lo & PLV_LO) >>> PLV_SHIFT}`,
    ...((lo & G_LO) !== 0 ? [huge ? 'H' : 'G'] : []),
    ...MIDDLE.filter(([mask]) => (lo & mask) !== 0).map(([, name]) => name),
    ...(huge && (lo & HGLOBAL_LO) !== 0 ? ['G'] : []),
    ...UPPER.filter(([mask]) => (hi & mask) !== 0).map(([, name]) => name),
  ];
}
