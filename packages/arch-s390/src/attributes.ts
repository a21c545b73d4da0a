import { Access, releaseAtLeast, type Attributes, type Level } from '@pgtable/core';
import {
  CRST_ACCESS_VALID, CRST_COMMON, CRST_INVALID, CRST_LARGE, CRST_NOEXEC, CRST_PROTECT, CRST_SW_DIRTY, CRST_SW_PRESENT, CRST_SW_READ, CRST_SW_READ_OLD,
  CRST_SW_SOFT_DIRTY, CRST_SW_SOFT_DIRTY_OLD, CRST_SW_WRITE, CRST_SW_WRITE_OLD, CRST_SW_YOUNG, PAGE_INVALID, PAGE_NOEXEC, PAGE_PROTECT, PAGE_SW_DIRTY,
  PAGE_SW_PRESENT, PAGE_SW_READ, PAGE_SW_SOFT_DIRTY, PAGE_SW_SPECIAL, PAGE_SW_UNUSED, PAGE_SW_WRITE, PAGE_SW_YOUNG, PAGE_ZERO, REGION_LENGTH, REGION_OFFSET,
} from './bits.js';
import type { FullConfig } from './config.js';

/** What tables above forbid. The meaning of the number in {@link s390Inherit}. */
export const Inherited = {
  /** P of a segment-table entry, or with EDAT of a region-table entry: no stores. */
  Protect: 1,
} as const;

/** {@link Arch.inherit}: P adds up over all levels; instruction-execution protection stands in leaves alone. */
export function s390Inherit(config: FullConfig, inherited: number, level: Level, lo: number): number {
  return protects(config, level, lo) ? inherited | Inherited.Protect : inherited;
}

/** Whether the entry's protection bit counts: in region tables with EDAT alone. @see Principles of Operation, chapter 3, "Protection" */
function protects(config: FullConfig, level: Level, lo: number): boolean {
  // P stands at the same place in all five kinds of entries.
  return (lo & CRST_PROTECT) !== 0 && (level === 'pte' || level === 'pmd' || config.edat);
}

/** {@link Arch.describe}. */
export function s390Describe(config: FullConfig, level: Level, lo: number, inherited: number): Attributes {
  const leaf = level === 'pte' || isLarge(config, level, lo);
  const noexec = config.iep && leaf && (lo & PAGE_NOEXEC) !== 0;
  const protect = (inherited & Inherited.Protect) !== 0 || protects(config, level, lo);
  return {
    access: access(config.privateSpace, !protect, !noexec),
    ...youngDirty(config, level, lo, leaf),
    global: level !== 'pte' && (level === 'pmd' || (level === 'pud' && config.edat)) && (lo & CRST_COMMON) !== 0,
    memoryType: '',
    group: 1,
    flags: level === 'pte' ? pageFlags(lo) : crstFlags(config, level, lo),
  };
}

/**
 * The tables do not tell the supervisor from a problem program; the address space does. A process's space (private) is used by
 * both, the kernel's by the kernel alone.
 */
function access(privateSpace: boolean, write: boolean, execute: boolean): number {
  const kernel = Access.KernelRead | (write ? Access.KernelWrite : 0) | (execute ? Access.KernelExecute : 0);
  const user = Access.UserRead | (write ? Access.UserWrite : 0) | (execute ? Access.UserExecute : 0);
  return privateSpace ? kernel | user : kernel;
}

/** Whether an entry of a segment or region-third table maps memory by itself. */
export function isLarge(config: Pick<FullConfig, 'edat'>, level: Level, lo: number): boolean {
  return config.edat && (level === 'pmd' || level === 'pud') && (lo & CRST_LARGE) !== 0;
}

/** Young and dirty are the kernel's own bits: the hardware keeps reference and change in storage keys. */
function youngDirty(config: FullConfig, level: Level, lo: number, leaf: boolean): Pick<Attributes, 'accessed' | 'dirty'> {
  if (level === 'pte') {
    if ((lo & PAGE_SW_PRESENT) === 0) return { accessed: undefined, dirty: undefined };
    return { accessed: (lo & PAGE_SW_YOUNG) !== 0, dirty: (lo & PAGE_SW_DIRTY) !== 0 };
  }
  // With AV the same bits are access control.
  const says = leaf && (lo & CRST_ACCESS_VALID) === 0 && (!hasPresentBit(config) || (lo & CRST_SW_PRESENT) !== 0);
  if (!says) return { accessed: undefined, dirty: undefined };
  return { accessed: (lo & CRST_SW_YOUNG) !== 0, dirty: (lo & CRST_SW_DIRTY) !== 0 };
}

type Names = readonly (readonly [bit: number, name: string])[];

const PAGE_NAMES: Names = [
  [PAGE_SW_PRESENT, 'PRESENT'],
  [PAGE_SW_SOFT_DIRTY, 'SOFT_DIRTY'],
  [PAGE_SW_YOUNG, 'YOUNG'],
  [PAGE_SW_DIRTY, 'DIRTY'],
  [PAGE_SW_READ, 'READ'],
  [PAGE_SW_WRITE, 'WRITE'],
  [PAGE_SW_SPECIAL, 'SPECIAL'],
  [PAGE_SW_UNUSED, 'UNUSED'],
  [PAGE_NOEXEC, 'NOEXEC'],
  [PAGE_PROTECT, 'PROTECT'],
  [PAGE_INVALID, 'INVALID'],
  [PAGE_ZERO, 'LARGE'],
];

/** Hardware bits of segment- and region-third-table entries with FC. */
const LARGE_NAMES: Names = [
  [CRST_COMMON, 'COMMON'],
  [CRST_INVALID, 'INVALID'],
  [CRST_NOEXEC, 'NOEXEC'],
  [CRST_PROTECT, 'PROTECT'],
  [CRST_LARGE, 'LARGE'],
  [CRST_ACCESS_VALID, 'ACCESS_VALID'],
];

const LARGE_SW_NAMES_OLD: Names = [
  [CRST_SW_READ_OLD, 'READ'],
  [CRST_SW_WRITE_OLD, 'WRITE'],
  [CRST_SW_YOUNG, 'YOUNG'],
  [CRST_SW_DIRTY, 'DIRTY'],
  [CRST_SW_SOFT_DIRTY_OLD, 'SOFT_DIRTY'],
];

const LARGE_SW_NAMES: Names = [
  [CRST_SW_PRESENT, 'PRESENT'],
  [CRST_SW_SOFT_DIRTY, 'SOFT_DIRTY'],
  [CRST_SW_YOUNG, 'YOUNG'],
  [CRST_SW_DIRTY, 'DIRTY'],
  [CRST_SW_READ, 'READ'],
  [CRST_SW_WRITE, 'WRITE'],
];

/** The names of a page-table entry's bits that are set. */
export function pageFlags(lo: number): string[] {
  return named(lo, PAGE_NAMES);
}

/** The names of a segment- or region-table entry's bits that are set; TF and TL with their values. */
export function crstFlags(config: Pick<FullConfig, 'edat' | 'release'>, level: Level, lo: number): string[] {
  if (isLarge(config, level, lo)) {
    // With AV, what Linux uses as software bits from 0x1000 up is access control.
    const software = named((lo & CRST_ACCESS_VALID) === 0 ? lo : lo & 0xfff, hasPresentBit(config) ? LARGE_SW_NAMES : LARGE_SW_NAMES_OLD);
    return [...software, ...named(lo, LARGE_NAMES)];
  }
  const flags: string[] = [];
  if (level !== 'pmd') {
    flags.push(`TL=${lo & REGION_LENGTH}`);
    if ((lo & REGION_OFFSET) !== 0) flags.push(`TF=${(lo & REGION_OFFSET) >>> 6}`);
  } else if ((lo & CRST_SW_PRESENT) !== 0 && hasPresentBit(config)) {
    flags.push('PRESENT');
  }
  if ((lo & CRST_COMMON) !== 0) flags.push('COMMON');
  if ((lo & CRST_INVALID) !== 0) flags.push('INVALID');
  if ((lo & CRST_PROTECT) !== 0) flags.push('PROTECT');
  return flags;
}

/**
 * Whether large entries have a software present bit, and read, write and soft dirty where Linux 6.14 moved them.
 * @see "s390/mm: Introduce region-third and segment table entry present bits", Linux 6.14
 */
export function hasPresentBit(config: Pick<FullConfig, 'release'>): boolean {
  return releaseAtLeast(config.release, 6, 14) ?? true;
}

function named(lo: number, names: Names): string[] {
  return names.filter(([bit]) => (lo & bit) !== 0).map(([, name]) => name);
}
