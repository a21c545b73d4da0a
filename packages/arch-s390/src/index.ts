/**
 * s390 page tables: z/Architecture's region, segment and page tables as Linux uses them.
 *
 * @packageDocumentation
 */
import type { ArchPlugin, HwHandle } from '@pgtable/core';
import { s390Markers } from './markers.js';
import { REGISTER_FLAGS } from './registers.js';
import { findRoots } from './roots.js';

/** s390 has opted in at every level: its handles are opaque. */
export interface S390Handles {
  pte: HwHandle<'pte'>;
  pmd: HwHandle<'pmd'>;
  pud: HwHandle<'pud'>;
  p4d: HwHandle<'p4d'>;
  pgd: HwHandle<'pgd'>;
}

/** EM_S390. */
const ELF_MACHINE = 22;

export const s390: ArchPlugin = {
  name: 's390',
  title: 's390 (s390x, z/Architecture)',
  elfMachines: [ELF_MACHINE],
  utsMachines: ['s390x'],
  vmcoreinfoKeys: ['SYMBOL(lowcore_ptr)', 'SAMODE31'],
  registers: REGISTER_FLAGS,
  findRoots,
  markers: s390Markers,
  // System.map is linked at 0 (before Linux 6.10: at the physical address); KERNELOFFSET is where the image was put.
  kernelOffset: (vmcoreinfo) => vmcoreinfo?.hex('KERNELOFFSET') ?? 0n,
};

export { s390Arch } from './arch.js';
export { Inherited } from './attributes.js';
export * from './bits.js';
export type { S390Config } from './config.js';
export { GEOMETRY, VARIANTS, type TopLevel } from './geometry.js';
export { absoluteAddress } from './prefix.js';
export { asceConfig, cr0Config, decodeAsce, s390Root, type Asce } from './registers.js';
