import { Access, releaseAtLeast, type Attributes, type Geometry, geometryOf, type Level } from '@pgtable/core';
import {
  AF_LO, APTABLE_NO_EL0_HI, APTABLE_READ_ONLY_HI, ATTRINDX_LO, ATTRINDX_SHIFT, CONT_HI, DBM_HI, DEVMAP_HI, DIRTY_HI, GP_HI, NG_LO, NS_LO, NSTABLE_HI,
  NT_LO, POINDEX_HI, POINDEX_SHIFT_HI, PXN_HI, PXNTABLE_HI, RDONLY_LO, SH_LO, SH_SHIFT, SPECIAL_HI, TABLE_LO, UFFD_WP_HI, USER_LO, UXN_HI, UXNTABLE_HI,
  VALID_LO,
} from './bits.js';
import type { Granule, ResolvedConfig } from './config.js';
import { manualLevel } from './geometry.js';

/** What table descriptors above forbid: the bits of `Arch.inherit` and `Root.inherited`. */
export const Inherited = {
  /** UXNTable: EL0 may not execute. */
  NoUserExecute: 1,
  /** PXNTable: EL1 may not execute. */
  NoKernelExecute: 2,
  /** APTable[0]: EL0 may not read or write. */
  NoUserAccess: 4,
  /** APTable[1]: nobody may write. */
  ReadOnly: 8,
} as const;

/** What the entries below a table descriptor inherit. */
export function inherit(config: ResolvedConfig, inherited: number, hi: number): number {
  if (config.hierarchicalPermissionsDisabled) return inherited;
  return (
    inherited |
    ((hi & UXNTABLE_HI) !== 0 ? Inherited.NoUserExecute : 0) |
    ((hi & PXNTABLE_HI) !== 0 ? Inherited.NoKernelExecute : 0) |
    ((hi & APTABLE_NO_EL0_HI) !== 0 ? Inherited.NoUserAccess : 0) |
    ((hi & APTABLE_READ_ONLY_HI) !== 0 ? Inherited.ReadOnly : 0)
  );
}

/**
 * {@link Access} bits of a leaf (Arm ARM D8.4.1 "Data access permissions", D8.4.3 "Instruction execution").
 *
 * EL1 reads whatever is valid. A page that EL0 may write is never executable at EL1. EL0 may execute what it may not read
 * (execute-only). SCTLR_EL1.WXN, PAN and EPAN are states of the processor and do not count here.
 */
export function leafAccess(config: Pick<ResolvedConfig, 'hardwareDirty'>, lo: number, hi: number, inherited: number): number {
  const writable = ((lo & RDONLY_LO) === 0 || (config.hardwareDirty && (hi & DBM_HI) !== 0)) && (inherited & Inherited.ReadOnly) === 0;
  const user = (lo & USER_LO) !== 0 && (inherited & Inherited.NoUserAccess) === 0;
  const kernelExecute = (hi & PXN_HI) === 0 && (inherited & Inherited.NoKernelExecute) === 0 && !(user && writable);
  const userExecute = (hi & UXN_HI) === 0 && (inherited & Inherited.NoUserExecute) === 0;
  return (
    Access.KernelRead |
    (writable ? Access.KernelWrite : 0) |
    (kernelExecute ? Access.KernelExecute : 0) |
    (user ? Access.UserRead : 0) |
    (user && writable ? Access.UserWrite : 0) |
    (userExecute ? Access.UserExecute : 0)
  );
}

/** {@link Access} bits that a table descriptor leaves to what is below it. */
export function tableAccess(inherited: number): number {
  let access = Access.KernelRead | Access.KernelWrite | Access.KernelExecute | Access.UserRead | Access.UserWrite | Access.UserExecute;
  if ((inherited & Inherited.NoUserExecute) !== 0) access &= ~Access.UserExecute;
  if ((inherited & Inherited.NoKernelExecute) !== 0) access &= ~Access.KernelExecute;
  if ((inherited & Inherited.NoUserAccess) !== 0) access &= ~(Access.UserRead | Access.UserWrite);
  if ((inherited & Inherited.ReadOnly) !== 0) access &= ~(Access.KernelWrite | Access.UserWrite);
  return access;
}

/**
 * Entries of a contiguous group (Arm ARM D8.7.1 "The Contiguous bit"; Linux: CONT_PTES, CONT_PMDS): 16 with 4K pages at levels
 * 3 to 1, 128 and 32 with 16K at levels 3 and 2, 32 with 64K there. 1 where no size is defined.
 */
export function contiguousEntries(granule: Granule, level: number): number {
  if (granule === 4096) return level >= 1 ? 16 : 1;
  if (level < 2) return 1;
  return granule === 16384 && level === 3 ? 128 : 32;
}

/**
 * The memory types of Linux by AttrIndx, in the words of its ptdump.
 *
 * @see arch/arm64/include/asm/memory.h MT_*: 6.12; MT_NORMAL became 0 in 5.10 with MTE, MT_NORMAL_WT and MT_DEVICE_GRE went in 5.14
 */
export function linuxMemoryTypes(release: string | undefined): readonly string[] {
  if (releaseAtLeast(release, 5, 14) ?? true) return ['MEM/NORMAL', 'MEM/NORMAL-TAGGED', 'MEM/NORMAL-NC', 'DEVICE/nGnRnE', 'DEVICE/nGnRE'];
  if (releaseAtLeast(release, 5, 10) ?? true) {
    return ['MEM/NORMAL', 'MEM/NORMAL-TAGGED', 'MEM/NORMAL-NC', 'MEM/NORMAL-WT', 'DEVICE/nGnRnE', 'DEVICE/nGnRE', 'DEVICE/GRE'];
  }
  return ['DEVICE/nGnRnE', 'DEVICE/nGnRE', 'DEVICE/GRE', 'MEM/NORMAL-NC', 'MEM/NORMAL', 'MEM/NORMAL-WT'];
}

const DEVICE_TYPES = ['DEVICE/nGnRnE', 'DEVICE/nGnRE', 'DEVICE/nGRE', 'DEVICE/GRE'];

/**
 * One byte of MAIR_EL1 in words: Linux's where it has one (`MEM/NORMAL`, `DEVICE/nGnRE`), else outer and inner policy.
 *
 * @see Arm ARM D19.2 "MAIR_EL1"
 */
export function memoryTypeName(byte: number): string {
  switch (byte) {
    case 0xff:
      return 'MEM/NORMAL';
    case 0xf0:
      return 'MEM/NORMAL-TAGGED';
    case 0x44:
      return 'MEM/NORMAL-NC';
    case 0xbb:
      return 'MEM/NORMAL-WT';
    default:
  }
  // Bits 7:4 zero: Device, which one in bits 3:2. Bit 0 (FEAT_XS) only shortens barriers.
  if (byte >>> 4 === 0) return (byte & 2) === 0 ? DEVICE_TYPES[byte >>> 2]! : `MAIR 0x${byte.toString(16).padStart(2, '0')}`;
  if (byte === 0x40) return 'MEM/NORMAL-NC XS=0';
  if (byte === 0xa0) return 'MEM/NORMAL-WT XS=0';
  return `MEM/NORMAL outer ${cachePolicy(byte >>> 4)}, inner ${cachePolicy(byte & 15)}`;
}

/** 0b00RW write-through transient, 0b0100 non-cacheable, 0b01RW write-back transient, 0b10RW write-through, 0b11RW write-back. */
function cachePolicy(bits: number): string {
  if (bits === 4) return 'NC';
  return ['WT transient', 'WB transient', 'WT', 'WB'][bits >>> 2]!;
}

/** The memory types of a configuration by AttrIndx. */
export function memoryTypes(config: Pick<ResolvedConfig, 'mair' | 'release'>): readonly string[] {
  const { mair } = config;
  const linux = linuxMemoryTypes(config.release);
  return Array.from({ length: 8 }, (_, index) => {
    if (mair === undefined) return linux[index] ?? `ATTR${index}`;
    return memoryTypeName(Number((mair >> BigInt(index * 8)) & 0xffn));
  });
}

const SHAREABILITY = ['', 'SH(1)', 'OSH', 'ISH'];

/** The names of a leaf's bits, from bit 0 up. Nearly as useful for an entry that is not valid but still has its fields. */
export function leafFlags(config: Pick<ResolvedConfig, 'lpa2' | 'release'>, level: number, lo: number, hi: number): string[] {
  const flags: string[] = [];
  const add = (set: boolean, name: string): void => {
    if (set) flags.push(name);
  };
  add((lo & VALID_LO) !== 0, 'VALID');
  add((lo & TABLE_LO) !== 0, 'PAGE');
  add((lo & TABLE_LO) === 0 && level < 3, 'BLOCK');
  flags.push(`ATTRINDX(${(lo & ATTRINDX_LO) >>> ATTRINDX_SHIFT})`);
  add((lo & NS_LO) !== 0, 'NS');
  add((lo & USER_LO) !== 0, 'USER');
  add((lo & RDONLY_LO) !== 0, 'RDONLY');
  add(!config.lpa2 && (lo & SH_LO) !== 0, SHAREABILITY[(lo & SH_LO) >>> SH_SHIFT]!);
  add((lo & AF_LO) !== 0, 'AF');
  add((lo & NG_LO) !== 0, 'NG');
  add(level < 3 && (lo & NT_LO) !== 0, 'NT');
  add((hi & GP_HI) !== 0, 'GP');
  add((hi & DBM_HI) !== 0, 'DBM');
  add((hi & CONT_HI) !== 0, 'CONT');
  add((hi & PXN_HI) !== 0, 'PXN');
  add((hi & UXN_HI) !== 0, 'UXN');
  add((hi & DIRTY_HI) !== 0, 'DIRTY');
  add((hi & SPECIAL_HI) !== 0, 'SPECIAL');
  add((hi & DEVMAP_HI) !== 0, 'DEVMAP');
  add((hi & UFFD_WP_HI) !== 0, (releaseAtLeast(config.release, 6, 10) ?? true) ? 'UFFD_WP' : 'PROT_NONE');
  add((hi & POINDEX_HI) !== 0, `POINDEX(${(hi & POINDEX_HI) >>> POINDEX_SHIFT_HI})`);
  return flags;
}

function tableFlags(hi: number): string[] {
  const flags = ['VALID', 'TABLE'];
  if ((hi & PXNTABLE_HI) !== 0) flags.push('PXNTABLE');
  if ((hi & UXNTABLE_HI) !== 0) flags.push('UXNTABLE');
  if ((hi & APTABLE_NO_EL0_HI) !== 0) flags.push('APTABLE_NO_EL0');
  if ((hi & APTABLE_READ_ONLY_HI) !== 0) flags.push('APTABLE_RDONLY');
  if ((hi & NSTABLE_HI) !== 0) flags.push('NSTABLE');
  return flags;
}

/**
 * {@link Arch.describe} for a configuration.
 *
 * Dirty is Linux's pte_dirty(): the software bit, or writable (DBM) and no longer read-only. A table descriptor is described
 * by what it leaves to the entries below.
 */
export function arm64Describe(config: ResolvedConfig, geometry: Geometry): (level: Level, lo: number, hi: number, inherited: number) => Attributes {
  const types = memoryTypes(config);
  return (level, lo, hi, inherited) => {
    const number = manualLevel(config.pageShift, geometryOf(geometry, level).shift);
    if (number < 3 && (lo & TABLE_LO) !== 0) {
      return {
        access: tableAccess(inherit(config, inherited, hi)),
        accessed: undefined,
        dirty: undefined,
        global: false,
        memoryType: '',
        group: 1,
        flags: tableFlags(hi),
      };
    }
    return {
      access: leafAccess(config, lo, hi, inherited),
      accessed: (lo & AF_LO) !== 0,
      dirty: (hi & DIRTY_HI) !== 0 || ((hi & DBM_HI) !== 0 && (lo & RDONLY_LO) === 0),
      global: (lo & NG_LO) === 0,
      memoryType: types[(lo & ATTRINDX_LO) >>> ATTRINDX_SHIFT]!,
      group: (hi & CONT_HI) !== 0 ? contiguousEntries(config.granule, number) : 1,
      flags: leafFlags(config, number, lo, hi),
    };
  };
}
