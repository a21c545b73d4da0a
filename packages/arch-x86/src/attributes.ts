import { Access, releaseAtLeast, type Attributes, type Level } from '@pgtable/core';
import {
  A, AVL10, AVL11, AVL9, AVL_HI, D, G, NX_HI, P, PAT_4K, PAT_LARGE, PCD, PKEY_HI, PKEY_SHIFT_HI, PS, PWT, RW, SAVED_DIRTY_32, SAVED_DIRTY_HI, US,
} from './bits.js';
import type { FullConfig } from './config.js';
import { is64Bit } from './geometry.js';

/** What the entries above forbid: the meaning of `inherited`. */
export const Forbids = {
  /** An entry above has R/W clear. */
  Write: 1,
  /** An entry above has U/S clear. */
  User: 2,
  /** An entry above has XD set. */
  Execute: 4,
} as const;

/**
 * The memory type by PAT index (PAT, PCD, PWT as bits 2, 1, 0), with the IA32_PAT register as Linux sets it. A dump does not
 * hold the register. @see pat_bp_init() in arch/x86/mm/pat/memtype.c (Linux 6.12)
 */
const LINUX_PAT = ['WB', 'WC', 'UC-', 'UC', 'WB', 'WP', 'UC-', 'WT'] as const;

/** What `inherited` becomes below a table entry. */
export function inherit(config: FullConfig, inherited: number, level: Level, lo: number, hi: number): number {
  // The PDPTEs of PAE have no permissions.
  if (config.mode === 'PAE' && level === 'pgd') return inherited;
  let forbidden = inherited;
  if ((lo & RW) === 0) forbidden |= Forbids.Write;
  if ((lo & US) === 0) forbidden |= Forbids.User;
  if (config.nx && (hi & NX_HI) !== 0) forbidden |= Forbids.Execute;
  return forbidden;
}

/** Whether a present entry points to a table. */
function isTable(config: FullConfig, level: Level, lo: number): boolean {
  if (level === 'pte') return false;
  if (config.mode === '2-level' && !config.pse) return true;
  return (lo & PS) === 0;
}

/**
 * {@link Arch.describe}. Access counts R/W, U/S and XD of all levels, with CR0.WP set. SMEP, SMAP, protection keys and
 * shadow stacks (R/W clear and D set, where CR4.CET is on) are not counted: they depend on more than the tables.
 *
 * Dirty is Linux's pte_dirty(): D, or since Linux 6.6 the bit that keeps it while R/W is clear.
 */
export function describe(config: FullConfig, level: Level, lo: number, hi: number, inherited: number): Attributes {
  const table = isTable(config, level, lo);
  const pdpte = config.mode === 'PAE' && level === 'pgd';
  const forbidden = inherit(config, inherited, level, lo, hi);
  const write = (forbidden & Forbids.Write) === 0;
  const user = (forbidden & Forbids.User) === 0;
  const execute = (forbidden & Forbids.Execute) === 0;
  let access: number = Access.KernelRead;
  if (write) access |= Access.KernelWrite;
  if (execute) access |= Access.KernelExecute;
  if (user) {
    access |= Access.UserRead;
    if (write) access |= Access.UserWrite;
    if (execute) access |= Access.UserExecute;
  }
  return {
    access,
    accessed: pdpte ? undefined : (lo & A) !== 0,
    dirty: table ? undefined : (lo & D) !== 0 || savedDirty(config, lo, hi),
    global: !table && (lo & G) !== 0,
    memoryType: memoryType(level, table, lo),
    group: 1,
    flags: flagNames(config, level, table, lo, hi),
  };
}

/** Whether a read-only page was written to earlier, as Linux notes it since 6.6, so that the page is no shadow stack. */
function savedDirty(config: FullConfig, lo: number, hi: number): boolean {
  if ((lo & RW) !== 0 || releaseAtLeast(config.release, 6, 6) === false) return false;
  return (is64Bit(config.mode) ? hi & SAVED_DIRTY_HI : lo & SAVED_DIRTY_32) !== 0;
}

/** How a page, or the table that an entry points to, is cached. */
function memoryType(level: Level, table: boolean, lo: number): string {
  const pat = table ? 0 : lo & (level === 'pte' ? PAT_4K : PAT_LARGE);
  return LINUX_PAT[(pat === 0 ? 0 : 4) + ((lo & PCD) === 0 ? 0 : 2) + ((lo & PWT) === 0 ? 0 : 1)]!;
}

/** Bits 0 to 6 and 8 to 11 by the manual's names; bits that it leaves to software are AVL and their number. */
const LOW_FLAGS = [[P, 'P'], [RW, 'RW'], [US, 'US'], [PWT, 'PWT'], [PCD, 'PCD'], [A, 'A'], [D, 'D']] as const;
const MIDDLE_FLAGS = [[G, 'G'], [AVL9, 'AVL9'], [AVL10, 'AVL10'], [AVL11, 'AVL11']] as const;

/** The names of the bits that are set, from bit 0 up. */
function flagNames(config: FullConfig, level: Level, table: boolean, lo: number, hi: number): string[] {
  const flags: string[] = [];
  for (const [mask, name] of LOW_FLAGS) if ((lo & mask) !== 0) flags.push(name);
  if ((lo & PS) !== 0) flags.push(level === 'pte' ? 'PAT' : 'PS');
  for (const [mask, name] of MIDDLE_FLAGS) if ((lo & mask) !== 0) flags.push(name);
  if (!table && level !== 'pte' && (lo & PAT_LARGE) !== 0) flags.push('PAT');
  if (((lo & config.encryptionLo) | (hi & config.encryptionHi)) !== 0) flags.push('C');
  for (let bit = 20; bit <= 26; bit++) if ((hi & AVL_HI & (1 << bit)) !== 0) flags.push(`AVL${bit + 32}`);
  const key = (hi & PKEY_HI) >>> PKEY_SHIFT_HI;
  if (key !== 0) flags.push(`PKEY=${key}`);
  if ((hi & NX_HI) !== 0) flags.push('NX');
  return flags;
}
