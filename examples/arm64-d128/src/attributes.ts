import { Access, geometryOf, type Attributes, type Geometry, type Level } from '@pgtable/core';
import {
  AF_LO, ATTRINDX_LO, ATTRINDX_SHIFT, CONT_UP, DIRTY_UP, DISCH_UP, GP_UP, NDIRTY_LO, NG_LO, NS_UP, NT_LO, PIINDEX_SHIFT_UP, PIINDEX_UP, POINDEX_SHIFT_UP, POINDEX_UP,
  PROTECTED_UP, SH_LO, SH_SHIFT, SKL_SHIFT_UP, SKL_UP, SPECIAL_UP, UFFD_WP_UP, VALID_LO,
} from './bits.js';
import type { Granule, ResolvedConfig } from './config.js';
import { manualLevel } from './geometry.js';

const ALL_ACCESS = 63;

/**
 * What a nibble of PIR_EL1 or PIRE0_EL1 permits, as read 1, write 2, execute 4 (PIE_* in arch/arm64/include/asm/sysreg.h, Linux 6.12). Values from 8 on
 * are not cut down by overlays (POR_EL1, POR_EL0), which are states of the processor and do not count here. 9 is a guarded control stack, which
 * can be read. What has no name there permits nothing.
 */
const PERMISSIONS: readonly number[] = [0, 1, 4, 5, 0, 3, 3, 7, 1, 1, 5, 0, 3, 0, 7, 0];

/** What a PIIndex permits by a PIR register, as read 1, write 2, execute 4. */
export function permissions(pir: bigint, index: number): number {
  return PERMISSIONS[Number((pir >> BigInt(index * 4)) & 15n)]!;
}

/** {@link Access} bits of a leaf: permission indirection alone, which is the only way with D128, and nDirty. */
export function leafAccess(config: ResolvedConfig, lo: number, hi: number): number {
  const index = piIndex(hi);
  const kernel = permissions(config.pir, index);
  const user = permissions(config.pire0, index);
  const access = kernel * Access.KernelRead + user * Access.UserRead;
  return (lo & NDIRTY_LO) === 0 || config.hardwareDirty ? access : access & ~(Access.KernelWrite | Access.UserWrite);
}

/**
 * Entries of a contiguous group (Arm ARM J1.1, ContiguousSize and AArch64.ContiguousBit with d128; TCR2_EL1.PnCH, which takes the bit away from 64-bit entries, is RES0 with
 * D128): 4K pages 16 at levels 3 and 2, 4 at level 1; 16K 64, 16 and 4;
 * 64K 16 and 64. 1 where the bit does not count.
 */
export function contiguousEntries(granule: Granule, level: number): number {
  switch (granule) {
    case 4096:
      return [1, 4, 16, 16][level] ?? 1;
    case 16384:
      return [1, 4, 16, 64][level] ?? 1;
    case 65536:
      return [1, 1, 64, 16][level] ?? 1;
  }
}

/** The memory types of Linux 6.12 by AttrIndx (arch/arm64/include/asm/memory.h, MT_*), in the words of its ptdump; it uses five of the sixteen. */
export const MEMORY_TYPES: readonly string[] = ['MEM/NORMAL', 'MEM/NORMAL-TAGGED', 'MEM/NORMAL-NC', 'DEVICE/nGnRnE', 'DEVICE/nGnRE'];

/** AttrIndx of a leaf. */
export function attrIndex(lo: number): number {
  return (lo & ATTRINDX_LO) >>> ATTRINDX_SHIFT;
}

const SHAREABILITY = ['', 'SH(1)', 'OSH', 'ISH'];

/** The names of a leaf's bits, from bit 0 up. */
export function leafFlags(level: number, lo: number, hi: number): string[] {
  const flags: string[] = [];
  const add = (set: boolean, name: string): void => {
    if (set) flags.push(name);
  };
  add((lo & VALID_LO) !== 0, 'VALID');
  flags.push(`ATTRINDX(${attrIndex(lo)})`);
  add(level < 3 && (lo & NT_LO) !== 0, 'NT');
  add((lo & NDIRTY_LO) !== 0, 'NDIRTY');
  add((lo & SH_LO) !== 0, SHAREABILITY[(lo & SH_LO) >>> SH_SHIFT]!);
  add((lo & AF_LO) !== 0, 'AF');
  add((lo & NG_LO) !== 0, 'NG');
  add((hi & DIRTY_UP) !== 0, 'DIRTY');
  add((hi & SPECIAL_UP) !== 0, 'SPECIAL');
  add((hi & UFFD_WP_UP) !== 0, 'UFFD_WP');
  add((hi & SKL_UP) !== 0, `SKL(${(hi & SKL_UP) >>> SKL_SHIFT_UP})`);
  add((hi & CONT_UP) !== 0, 'CONT');
  add((hi & GP_UP) !== 0, 'GP');
  add((hi & PROTECTED_UP) !== 0, 'PROTECTED');
  flags.push(`PIINDEX(${piIndex(hi)})`);
  add((hi & POINDEX_UP) !== 0, `POINDEX(${(hi & POINDEX_UP) >>> POINDEX_SHIFT_UP})`);
  add((hi & NS_UP) !== 0, 'NS');
  return flags;
}

function tableFlags(lo: number, hi: number): string[] {
  const flags = ['VALID', 'TABLE'];
  if ((lo & AF_LO) !== 0) flags.push('AF');
  if ((hi & DISCH_UP) !== 0) flags.push('DISCH');
  if ((hi & PROTECTED_UP) !== 0) flags.push('PROTECTED');
  if ((hi & NS_UP) !== 0) flags.push('NSTABLE');
  return flags;
}

/**
 * {@link Arch.describe} for a configuration. A table forbids nothing. Its DisCH, which switches off the contiguous bits below it, is what a leaf inherits:
 * see {@link inherit}.
 */
export function d128Describe(config: ResolvedConfig, geometry: Geometry): (level: Level, lo: number, hi: number, inherited: number) => Attributes {
  return (level, lo, hi, inherited) => {
    const number = manualLevel(config.pageShift, geometryOf(geometry, level).shift);
    if (number < 3 && (hi & SKL_UP) === 0) {
      return { access: ALL_ACCESS, accessed: undefined, dirty: undefined, global: false, memoryType: '', group: 1, flags: tableFlags(lo, hi) };
    }
    const writable = ((permissions(config.pir, piIndex(hi)) | permissions(config.pire0, piIndex(hi))) & 2) !== 0;
    const type = attrIndex(lo);
    return {
      access: leafAccess(config, lo, hi),
      accessed: (lo & AF_LO) !== 0,
      dirty: (hi & DIRTY_UP) !== 0 || (writable && (lo & NDIRTY_LO) === 0),
      global: (lo & NG_LO) === 0,
      memoryType: MEMORY_TYPES[type] ?? `ATTR${type}`,
      group: (hi & CONT_UP) !== 0 && (inherited & NO_GROUPS) === 0 ? contiguousEntries(config.granule, number) : 1,
      flags: leafFlags(number, lo, hi),
    };
  };
}

function piIndex(hi: number): number {
  return (hi & PIINDEX_UP) >>> PIINDEX_SHIFT_UP;
}

/** Inherited: DisCH of the table that the entry is in. */
const NO_GROUPS = 1;

/** {@link Arch.inherit}: DisCH counts in the table that an entry points to, and there alone. */
export function inherit(hi: number): number {
  return (hi & DISCH_UP) !== 0 ? NO_GROUPS : 0;
}
