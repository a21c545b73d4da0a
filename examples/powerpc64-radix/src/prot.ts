import { VmFlags, type Prot } from '@pgtable/core';
import { C_LO, EXEC_LO, L_HI, PRIVILEGED_LO, R_LO, READ_LO, V_HI, WRITE_LO } from './bits.js';

/**
 * {@link WritableArch.vmProt}: what a user's mapping becomes in an entry. Private writable pages are read-only, to be copied.
 *
 * PROT_NONE is valid to the hardware and allows nothing (Linux 6.8 and newer; before, it had PRIVILEGED as well).
 */
export function vmProt(flags: number): Prot {
  const write = (flags & VmFlags.Write) !== 0;
  const shared = (flags & VmFlags.Shared) !== 0;
  const read = write || (flags & VmFlags.Read) !== 0;
  return prot((read ? READ_LO : 0) | (write && shared ? WRITE_LO : 0) | ((flags & VmFlags.Exec) !== 0 ? EXEC_LO : 0));
}

/** {@link WritableArch.kernelProt}: young, and dirty if it can be written. */
export function kernelProt(flags: number): Prot {
  return prot(PRIVILEGED_LO | READ_LO | ((flags & VmFlags.Write) !== 0 ? WRITE_LO | C_LO : 0) | ((flags & VmFlags.Exec) !== 0 ? EXEC_LO : 0));
}

/** Valid, young, a leaf: the kernel adds L where it makes an entry of a protection. The cast is the one place that says: these bits are a protection. */
function prot(lo: number): Prot {
  return ((BigInt((V_HI | L_HI) >>> 0) << 32n) | BigInt(lo | R_LO)) as Prot;
}
