/**
 * LoongArch page tables for pgtable, 64-bit: pages of 4, 16 and 64 KiB in two to four levels.
 *
 * @packageDocumentation
 */
import type { ArchPlugin } from '@pgtable/core';
import { loongarchMarkers } from './markers.js';
import { EM_LOONGARCH, findRoots } from './roots.js';

export { loongarchArch } from './arch.js';
export {
  CACHED_WINDOW, D_LO, DEVMAP_HI, G_LO, H_LO, HGLOBAL_LO, MAT_CC_LO, MAT_LO, MAT_SHIFT, MODIFIED_LO, NR_HI, NX_HI, P_LO, PA_BITS, PA_HI, PLV_LO, PLV_SHIFT,
  PRESENT_INVALID_HI, PROTNONE_LO, RPLV_HI, SPECIAL_LO, V_LO, W_LO,
} from './bits.js';
export type { InvalidTables, LoongarchConfig } from './config.js';
export { LAYOUTS, loongarchGeometry, loongarchRoot, loongarchWindow, type LoongarchLayout } from './geometry.js';
export type { LoongarchHandles } from './handles.js';
export { decodePageWalk, decodePgd, encodePageWalk } from './registers.js';

/** What an application registers, and what `pgtable --plugin` looks for. */
export const plugin: ArchPlugin = {
  name: 'loongarch64',
  title: 'LoongArch (64-bit)',
  elfMachines: [EM_LOONGARCH],
  utsMachines: ['loongarch64'],
  // Linux 6.12 writes no key that only LoongArch has.
  vmcoreinfoKeys: [],
  registers: [
    { name: 'pgdl', help: 'PGDL, the root of the lower half: the address of the running process\'s pgd, such as 0x9000000104a30000' },
    { name: 'pgdh', help: 'PGDH, the root of the upper half: the address of swapper_pg_dir, such as 0x9000000001d40000' },
    { name: 'pwcl', help: 'PWCL with --pwch: what the tables look like, such as 0x5e56e with 16KB_3LEVEL' },
    { name: 'pwch', help: 'PWCH with --pwcl: such as 0x2e4 with 16KB_3LEVEL' },
  ],
  findRoots,
  markers: loongarchMarkers,
  // The kernel prints no KERNELOFFSET in 6.12; a later one would print it as the others do.
  kernelOffset: (vmcoreinfo) => vmcoreinfo?.hex('KERNELOFFSET') ?? 0n,
};
