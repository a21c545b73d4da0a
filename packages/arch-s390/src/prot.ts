import { VmFlags, type Prot } from '@pgtable/core';
import {
  PAGE_INVALID, PAGE_NOEXEC, PAGE_PROTECT, PAGE_SW_DIRTY, PAGE_SW_PRESENT, PAGE_SW_READ, PAGE_SW_WRITE, PAGE_SW_YOUNG,
} from './bits.js';
import type { FullConfig } from './config.js';

/*
 * Protections, in the format of page-table entries at every level (values.ts turns them into that of segment- and
 * region-table entries).
 *
 * The kernel's PAGE_RO and its siblings are old, and its pfn_pte makes every new entry young. Here a protection that is asked for
 * is young already, so that an entry made of it is what the kernel's pfn_pte makes, and taking an entry apart and putting it
 * together again changes nothing.
 *
 * @see arch/s390/include/asm/pgtable.h and protection_map in arch/s390/mm/mmap.c, Linux 6.12
 */

const NONE = PAGE_SW_PRESENT | PAGE_SW_YOUNG | PAGE_INVALID | PAGE_PROTECT;
/** Clean, so that the first store faults: also where it is allowed. */
const READ = PAGE_SW_PRESENT | PAGE_SW_YOUNG | PAGE_SW_READ | PAGE_PROTECT;
const KERNEL = PAGE_SW_PRESENT | PAGE_SW_YOUNG | PAGE_SW_READ | PAGE_SW_WRITE | PAGE_SW_DIRTY;
const KERNEL_RO = PAGE_SW_PRESENT | PAGE_SW_YOUNG | PAGE_SW_READ | PAGE_PROTECT;

/**
 * {@link WritableArch.vmProt}. Any access implies reading; private mappings are never writable at once, since the first store copies
 * the page.
 */
export function s390VmProt(config: Pick<FullConfig, 'noexec'>, flags: number): Prot {
  if ((flags & (VmFlags.Read | VmFlags.Write | VmFlags.Exec)) === 0) return prot(NONE);
  const shared = VmFlags.Write | VmFlags.Shared;
  return prot(READ | ((flags & shared) === shared ? PAGE_SW_WRITE : 0) | noexec(config, flags));
}

/** {@link WritableArch.kernelProt}. The kernel's memory is always readable, young from the start, and dirty where it is writable: nobody tracks it. */
export function s390KernelProt(config: Pick<FullConfig, 'noexec'>, flags: number): Prot {
  return prot(((flags & VmFlags.Write) !== 0 ? KERNEL : KERNEL_RO) | noexec(config, flags));
}

/** Without the facility the bit must be zero. */
function noexec(config: Pick<FullConfig, 'noexec'>, flags: number): number {
  return config.noexec && (flags & VmFlags.Exec) === 0 ? PAGE_NOEXEC : 0;
}

function prot(bits: number): Prot {
  return BigInt(bits) as Prot;
}
