/**
 * Page tables of arm64 (VMSAv8-64 stage 1, EL1&0): 4K, 16K and 64K granules, 36- to 52-bit addresses, LPA and LPA2.
 *
 * @packageDocumentation
 */
import type { ArchPlugin } from '@pgtable/core';
import { arm64Markers } from './markers.js';
import { findArm64Roots } from './roots.js';

export { arm64Arch } from './arch.js';
export type { Arm64Handles } from './handles.js';
export { resolveConfig, variantOf, type Arm64Config, type Granule, type PaBits, type ResolvedConfig } from './config.js';
export { arm64Geometry, levelShift, manualLevel } from './geometry.js';
export { arm64Formats, blocksAllowed } from './format.js';
export { contiguousEntries, Inherited, linuxMemoryTypes, memoryTypeName } from './attributes.js';
export { arm64Root, configFromTcr, decodeTcr, decodeTtbr, untag, type TranslationControl, type TranslationTableBase } from './registers.js';
export * as bits from './bits.js';

/** What an application registers for arm64. */
export const arm64: ArchPlugin = {
  name: 'arm64',
  title: 'arm64 (AArch64)',
  // EM_AARCH64.
  elfMachines: [183],
  utsMachines: ['aarch64'],
  vmcoreinfoKeys: ['NUMBER(kimage_voffset)', 'NUMBER(TCR_EL1_T1SZ)', 'NUMBER(tcr_el1_t1sz)'],
  registers: [
    { name: 'ttbr0', help: 'TTBR0_EL1: the process, whose table is at bits 47:1; ASID and CnP may be left in' },
    { name: 'ttbr1', help: 'TTBR1_EL1: the kernel; with KPTI and in user mode it is only the trampoline' },
    { name: 'tcr', help: 'TCR_EL1: granule and address size of both, DS, TBI, HPD; VMCOREINFO replaces most of it' },
    { name: 'mair', help: 'MAIR_EL1: what the memory types are; without it the order that Linux uses' },
  ],
  findRoots: findArm64Roots,
  markers: arm64Markers,
  // kaslr_offset(): _text - KIMAGE_VADDR, and System.map has _text at KIMAGE_VADDR.
  kernelOffset: (vmcoreinfo) => vmcoreinfo?.hex('KERNELOFFSET') ?? 0n,
};
