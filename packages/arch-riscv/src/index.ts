/**
 * RISC-V page tables for pgtable: Sv32, Sv39, Sv48, Sv57, Svnapot, Svpbmt.
 *
 * @packageDocumentation
 */
import type { ArchPlugin } from '@pgtable/core';
import { kernelOffset } from './layout.js';
import { riscvMarkers } from './markers.js';
import { EM_RISCV, findRoots } from './roots.js';

export { riscvArch } from './arch.js';
export {
  A_LO, D_LO, G_LO, N_HI, PBMT_HI, PBMT_IO_HI, PBMT_NC_HI, PPN_HI, PPN_LO, PPN_SHIFT, R_LO, RESERVED_HI, RSW_LO, RSW_SHIFT, RWX_LO, U_LO, V_LO, W_LO, X_LO,
} from './bits.js';
export type { RiscvConfig } from './config.js';
export { riscvGeometry, riscvRoot, riscvWindows, vaBits, type RiscvMode } from './geometry.js';
export type { RiscvHandles } from './handles.js';
export { decodeSatp, encodeSatp, type Satp } from './registers.js';

/** What an application registers. */
export const riscv: ArchPlugin = {
  name: 'riscv',
  title: 'RISC-V (Sv32, Sv39, Sv48, Sv57)',
  elfMachines: [EM_RISCV],
  utsMachines: ['riscv64', 'riscv32'],
  vmcoreinfoKeys: ['NUMBER(va_kernel_pa_offset)', 'NUMBER(phys_ram_base)', 'NUMBER(KERNEL_LINK_ADDR)'],
  registers: [{ name: 'satp', help: 'satp with its mode bits, such as 0xa000000000081fca: mode 8 Sv39, 9 Sv48 or 10 Sv57 in bits 63:60; 32-bit: bit 31 set' }],
  findRoots,
  markers: riscvMarkers,
  kernelOffset,
};
