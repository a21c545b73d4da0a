/**
 * Trio page tables for pgtable.
 *
 * @packageDocumentation
 */
import type { ArchPlugin } from '@pgtable/core';
import { trioMarkers } from './ptdump.js';
import { EM_TRIO, findRoots, OFFSET_KEY } from './roots.js';

export { trioArch } from './arch.js';
export type { TrioConfig } from './config.js';
export { TRIO_GEOMETRY, trioRoot, TRIO_WINDOWS } from './geometry.js';
export type { TrioHandles } from './handles.js';
export { decodePgroot, EM_TRIO, type RootRegister } from './roots.js';

/**
 * What an application registers, and what the command's `--plugin` looks for.
 *
 * REPLACE: `utsMachines` is what `uname -m` prints, in small letters; `registers` are the flags of the command line.
 */
export const plugin: ArchPlugin = {
  name: 'trio',
  title: 'trio (39-bit)',
  elfMachines: [EM_TRIO],
  utsMachines: ['trio'],
  vmcoreinfoKeys: [`NUMBER(${OFFSET_KEY})`],
  registers: [{ name: 'pgroot', help: 'the root register, such as 0x80200000: root table in bits 47:12, address space in bits 63:48' }],
  findRoots,
  markers: (kernel) => Promise.resolve(trioMarkers(kernel)),
  kernelOffset: (vmcoreinfo) => vmcoreinfo?.hex('KERNELOFFSET') ?? 0n,
};
