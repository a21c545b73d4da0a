/**
 * PowerPC64 page tables (radix MMU) for pgtable.
 *
 * @packageDocumentation
 */
import type { ArchPlugin } from '@pgtable/core';
import { powerpc64Markers } from './ptdump.js';
import { EM_PPC64, findRoots, RADIX_KEY } from './roots.js';

export { powerpc64Arch } from './arch.js';
export type { Powerpc64Config } from './config.js';
export { powerpc64Geometry, powerpc64Root } from './geometry.js';
export type { Powerpc64Handles } from './handles.js';
export { decodePrte, EM_PPC64, type TreeRoot } from './roots.js';

/** What an application registers, and what the command's `--plugin` looks for. */
export const plugin: ArchPlugin = {
  name: 'powerpc64',
  title: 'powerpc64 (radix MMU)',
  elfMachines: [EM_PPC64],
  utsMachines: ['ppc64', 'ppc64le'],
  vmcoreinfoKeys: [`NUMBER(${RADIX_KEY})`],
  registers: [
    { name: 'ptcr', help: 'the partition table control register, such as 0x10004: partition table in bits 59:12' },
    { name: 'prte', help: "the first 8 bytes of a process-table entry, such as 0x40000000000300ad: root table in bits 59:8" },
    { name: 'pidr', help: 'the process whose entry it is; without it process 0, the kernel' },
  ],
  findRoots,
  markers: (kernel) => Promise.resolve(powerpc64Markers(kernel)),
  kernelOffset: (vmcoreinfo) => vmcoreinfo?.hex('KERNELOFFSET') ?? 0n,
};
