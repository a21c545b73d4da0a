/**
 * x86 page tables: 4-level, LA57, PAE and two-level, as an architecture of `@pgtable/core`.
 *
 * @packageDocumentation
 */
import type { ArchPlugin, HwHandle } from '@pgtable/core';
import { markers } from './markers.js';
import { findRoots } from './roots.js';
import { EM_386, EM_X86_64 } from './vmcoreinfo.js';

/** The handles of x86: opaque at every level. */
export interface X86Handles {
  pte: HwHandle<'pte'>;
  pmd: HwHandle<'pmd'>;
  pud: HwHandle<'pud'>;
  p4d: HwHandle<'p4d'>;
  pgd: HwHandle<'pgd'>;
}

/** x86 for the list of architectures of an application. */
export const x86: ArchPlugin = {
  name: 'x86',
  title: 'x86 (i386, x86-64)',
  elfMachines: [EM_386, EM_X86_64],
  utsMachines: ['x86_64', 'i386', 'i486', 'i586', 'i686'],
  vmcoreinfoKeys: ['NUMBER(phys_base)', 'SYMBOL(init_top_pgt)', 'SYMBOL(init_level4_pgt)', 'CONFIG_X86_PAE'],
  registers: [
    { name: 'cr3', help: 'CR3: physical address of the root table, with or without PCID and flag bits; with PTI bit 12 selects the user half' },
    { name: 'cr4', help: 'CR4: bit 12 (LA57) for five levels, bit 5 (PAE), bit 4 (PSE); default: as the dump says, else 4-level' },
    { name: 'cr0', help: 'CR0: bit 31 (PG) must be set; only checked' },
    { name: 'efer', help: 'EFER: bit 10 (LMA) for 64-bit paging, bit 11 (NXE) for no-execute; default: no-execute is on' },
  ],
  findRoots,
  markers,
  kernelOffset: (vmcoreinfo) => vmcoreinfo?.hex('KERNELOFFSET') ?? 0n,
};

export { x86Arch } from './arch.js';
export { Forbids } from './attributes.js';
export type { X86Config } from './config.js';
export { PAGE_OFFSET_32, x86Geometry, x86Root, x86Windows, type PagingMode } from './geometry.js';
export { findRoots } from './roots.js';
export { markers } from './markers.js';
export { decodeCr3, pagingMode, parseQemuNote, type ControlRegisters, type Cr3, type QemuCpu } from './registers.js';
