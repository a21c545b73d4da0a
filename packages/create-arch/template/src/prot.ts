import { VmFlags, type Prot } from '@pgtable/core';
import { A_LO, D_LO, G_LO, NONE_LO, NX_HI, P_LO, U_LO, W_LO } from './bits.js';

/**
 * {@link WritableArch.vmProt}: what a user's mapping becomes in an entry.
 *
 * - Private writable pages are read-only, to be copied. None is dirty: the first write notes it.
 * - PROT_NONE has its own bit in place of P.
 *
 * REPLACE: the `protection_map` of your architecture.
 */
export function vmProt(flags: number): Prot {
  if ((flags & (VmFlags.Read | VmFlags.Write | VmFlags.Exec)) === 0) return prot(NONE_LO | U_LO, NX_HI);
  const writable = (flags & VmFlags.Write) !== 0 && (flags & VmFlags.Shared) !== 0;
  const executable = (flags & VmFlags.Exec) !== 0;
  return prot(P_LO | A_LO | U_LO | (writable ? W_LO : 0), executable ? 0 : NX_HI);
}

/**
 * {@link WritableArch.kernelProt}: young, dirty and global.
 *
 * REPLACE: your `PAGE_KERNEL`, `PAGE_KERNEL_RO`, `PAGE_KERNEL_EXEC` and `PAGE_KERNEL_ROX`.
 */
export function kernelProt(flags: number): Prot {
  const writable = (flags & VmFlags.Write) !== 0;
  const executable = (flags & VmFlags.Exec) !== 0;
  return prot(P_LO | A_LO | D_LO | G_LO | (writable ? W_LO : 0), executable ? 0 : NX_HI);
}

/** The cast is the one place that says: these bits are a protection. */
function prot(lo: number, hi: number): Prot {
  return ((BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)) as Prot;
}
