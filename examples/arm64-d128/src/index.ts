/**
 * Page tables of arm64 with 128-bit descriptors (FEAT_D128, VMSAv9-128 stage 1, EL1&0): an example of an architecture that is written against the public contract
 * alone.
 *
 * @packageDocumentation
 */
import type { ArchPlugin } from '@pgtable/core';
import { findD128Roots } from './roots.js';

export { d128Arch } from './arch.js';
export type { D128Handles } from './handles.js';
export { LINUX_PIR, LINUX_PIRE0, resolveConfig, variantOf, type D128Config, type Granule, type PaBits, type ResolvedConfig } from './config.js';
export { configFromTcr, d128Root, tableOfTtbr } from './roots.js';
export * as bits from './bits.js';

/** What an application registers for arm64 with 128-bit descriptors. Dumps say the same of themselves as those of arm64, so it has to be asked for by name. */
export const arm64D128: ArchPlugin = {
  name: 'arm64-d128',
  title: 'arm64 with 128-bit descriptors (FEAT_D128)',
  // EM_AARCH64.
  elfMachines: [183],
  utsMachines: ['aarch64'],
  vmcoreinfoKeys: [],
  registers: [
    { name: 'ttbr0', help: 'TTBR0_EL1: the process, whose table is at bits 47:5 and 87:80; ASID and CnP may be left in' },
    { name: 'ttbr1', help: 'TTBR1_EL1: the kernel' },
    { name: 'tcr', help: 'TCR_EL1: granule and address size of both' },
    { name: 'pir', help: 'PIR_EL1: what each PIIndex permits the kernel; without it as Linux has it' },
    { name: 'pire0', help: 'PIRE0_EL1: what each PIIndex permits processes' },
  ],
  findRoots: findD128Roots,
  // Linux's regions in this layout are not known, but that the kernel's half begins with the linear mapping.
  markers: async ({ root }) => Promise.resolve([{ start: BigInt(root.windows[0]?.start ?? 0), name: 'Linear Mapping start' }]),
  kernelOffset: (vmcoreinfo) => vmcoreinfo?.hex('KERNELOFFSET') ?? 0n,
};
