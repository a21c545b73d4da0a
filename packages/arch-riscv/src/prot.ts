import { VmFlags, type Prot } from '@pgtable/core';
import { A_LO, D_LO, G_LO, R_LO, U_LO, V_LO, W_LO, X_LO } from './bits.js';
import { nonPresentLayout } from './nonpresent.js';

/**
 * {@link WritableArch.vmProt}: `protection_map` (arch/riscv/mm/init.c, the PAGE_ constants in asm/pgtable.h; Linux 6.12).
 *
 * - Private writable pages are read-only, to be copied. None is dirty: the first write notes it.
 * - Writable pages are readable, because W without R is reserved; executable ones need not be.
 * - PROT_NONE has R beside its own bit, so that a huge page stays one.
 *
 * @param release the kernel's release, which says where PROT_NONE stands; undefined: a recent one
 */
export function vmProt(release: string | undefined, flags: number): Prot {
  if ((flags & (VmFlags.Read | VmFlags.Write | VmFlags.Exec)) === 0) return (nonPresentLayout(release).protNone | BigInt(R_LO)) as Prot;
  const readable = (flags & (VmFlags.Read | VmFlags.Write)) !== 0;
  const writable = (flags & VmFlags.Write) !== 0 && (flags & VmFlags.Shared) !== 0;
  const executable = (flags & VmFlags.Exec) !== 0;
  return BigInt(V_LO | A_LO | U_LO | (readable ? R_LO : 0) | (writable ? W_LO : 0) | (executable ? X_LO : 0)) as Prot;
}

/** {@link WritableArch.kernelProt}: `PAGE_KERNEL`, `PAGE_KERNEL_READ`, `PAGE_KERNEL_EXEC`, `PAGE_KERNEL_READ_EXEC`. All are readable, young, dirty and global. */
export function kernelProt(flags: number): Prot {
  const writable = (flags & VmFlags.Write) !== 0;
  const executable = (flags & VmFlags.Exec) !== 0;
  return BigInt(V_LO | R_LO | A_LO | D_LO | G_LO | (writable ? W_LO : 0) | (executable ? X_LO : 0)) as Prot;
}
