import { VmFlags, type Prot } from '@pgtable/core';
import { A, D, G, NX_HI, P, PROTNONE, RW, US } from './bits.js';
import type { FullConfig } from './config.js';
import { encryptionMask } from './values.js';

/*
 * Page protections as Linux has them (protection_map in arch/x86/mm/pgprot.c, PAGE_* in arch/x86/include/asm/pgtable_types.h; Linux 6.12).
 * All are young: the processor would set A anyway. NX only where the processor has it, the C-bit wherever memory is encrypted.
 */

/** {@link WritableArch.vmProt}: private pages are never writable at first, so that the first write copies them. */
export function vmProt(config: FullConfig, flags: number): Prot {
  const readable = (flags & (VmFlags.Read | VmFlags.Write | VmFlags.Exec)) !== 0;
  if (!readable) return prot(config, PROTNONE | A, true);
  const write = (flags & (VmFlags.Write | VmFlags.Shared)) === (VmFlags.Write | VmFlags.Shared);
  return prot(config, P | US | A | (write ? RW : 0), (flags & VmFlags.Exec) !== 0);
}

/** {@link WritableArch.kernelProt}: global, and dirty from the start where writable. Kernels with page-table isolation leave out global. */
export function kernelProt(config: FullConfig, flags: number): Prot {
  return prot(config, P | A | G | ((flags & VmFlags.Write) === 0 ? 0 : RW | D), (flags & VmFlags.Exec) !== 0);
}

function prot(config: FullConfig, lo: number, execute: boolean): Prot {
  const nx = execute || !config.nx ? 0n : BigInt(NX_HI >>> 0) << 32n;
  return (BigInt(lo) | nx | encryptionMask(config)) as Prot;
}
