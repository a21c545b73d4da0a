import type { Vmcoreinfo } from '@pgtable/core';
import type { RiscvMode } from './geometry.js';

/*
 * What a kernel's VMCOREINFO says of its address space (arch/riscv/kernel/vmcore_info.c, Linux 6.12; since 6.1 in
 * crash_core.c).
 */

/** KERNEL_LINK_ADDR of 64-bit kernels: 2 GiB below the end of the address space. */
export const KERNEL_LINK_ADDR = 2n ** 64n - 2n ** 31n;

/** KASLR moves the kernel by multiples of this (PMD_SIZE). */
const KASLR_STEP = 1n << 21n;

/** A `NUMBER` that is an address: modulo 2^64 if it was printed as a negative number. */
export function addressOf(vmcoreinfo: Vmcoreinfo, name: string): bigint | undefined {
  const value = vmcoreinfo.number(name);
  return value === undefined ? undefined : BigInt.asUintN(64, value);
}

/** Whether this is a RISC-V kernel's: no other architecture has these keys. */
export function isRiscvVmcoreinfo(vmcoreinfo: Vmcoreinfo): boolean {
  return vmcoreinfo.number('phys_ram_base') !== undefined || vmcoreinfo.number('va_kernel_pa_offset') !== undefined;
}

/** The scheme, from VA_BITS. */
export function modeOf(vmcoreinfo: Vmcoreinfo): RiscvMode | undefined {
  switch (vmcoreinfo.number('VA_BITS')) {
    case 32n:
      return 'Sv32';
    case 39n:
      return 'Sv39';
    case 48n:
      return 'Sv48';
    case 57n:
      return 'Sv57';
    default:
      return undefined;
  }
}

/**
 * How far KASLR moved the kernel from its link address; 0 if VMCOREINFO does not say. {@link ArchPlugin.kernelOffset}.
 *
 * RISC-V kernels print no KERNELOFFSET. MODULES_END is where the kernel begins; failing that, _stext is less than 2 MiB
 * above it, and KASLR (since 6.6) moves by multiples of 2 MiB.
 */
export function kernelOffset(vmcoreinfo: Vmcoreinfo | undefined): bigint {
  if (vmcoreinfo === undefined) return 0n;
  const printed = vmcoreinfo.hex('KERNELOFFSET');
  if (printed !== undefined) return printed;
  if (modeOf(vmcoreinfo) === 'Sv32') return 0n;
  const link = addressOf(vmcoreinfo, 'KERNEL_LINK_ADDR') ?? KERNEL_LINK_ADDR;
  const start = addressOf(vmcoreinfo, 'MODULES_END') ?? vmcoreinfo.symbol('_stext') ?? link;
  return start < link ? 0n : start - link - ((start - link) % KASLR_STEP);
}
