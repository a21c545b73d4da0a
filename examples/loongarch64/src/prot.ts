import { VmFlags, type Prot } from '@pgtable/core';
import { D_LO, G_LO, MAT_CC_LO, NR_HI, NX_HI, P_LO, PLV_LO, PROTNONE_LO, V_LO, W_LO } from './bits.js';

const NR = BigInt(NR_HI) << 32n;
const NX = BigInt(NX_HI) << 32n;

/**
 * {@link WritableArch.vmProt}: `protection_map` (arch/loongarch/mm/cache.c, Linux 6.12).
 *
 * - Everything but PROT_NONE is readable and young. Nothing forbids reads of what is executable or writable alone.
 * - Private writable pages are read-only, to be copied. None is dirty: D is missing, and the first store sets it.
 */
export function vmProt(flags: number): Prot {
  const user = MAT_CC_LO | PLV_LO;
  if ((flags & (VmFlags.Read | VmFlags.Write | VmFlags.Exec)) === 0) return (BigInt(user | PROTNONE_LO) | NR | NX) as Prot;
  const writable = (flags & VmFlags.Write) !== 0 && (flags & VmFlags.Shared) !== 0;
  return (BigInt(user | V_LO | P_LO | (writable ? W_LO : 0)) | ((flags & VmFlags.Exec) !== 0 ? 0n : NX)) as Prot;
}

/**
 * {@link WritableArch.kernelProt}. The kernel has one protection, PAGE_KERNEL, which may do everything; PAGE_KERNEL_RO and PAGE_KERNEL_EXEC are the
 * same. What it is made of less is what set_memory_ro and set_memory_nx leave (arch/loongarch/mm/pageattr.c, Linux 6.12).
 */
export function kernelProt(flags: number): Prot {
  const writable = (flags & VmFlags.Write) !== 0;
  return (BigInt(MAT_CC_LO | V_LO | P_LO | G_LO | (writable ? D_LO | W_LO : 0)) | ((flags & VmFlags.Exec) !== 0 ? 0n : NX)) as Prot;
}
