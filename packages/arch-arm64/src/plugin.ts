import type { ArchPlugin } from '@pgtable/core';
import { arm64Markers } from './markers.js';
import { findArm64Roots } from './roots.js';

/** What an application registers for arm64. */
export const arm64: ArchPlugin = {
  name: 'arm64',
  title: 'arm64 (AArch64)',
  // EM_AARCH64.
  elfMachines: [183],
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
