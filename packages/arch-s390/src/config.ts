import { PgtableError } from '@pgtable/core';
import { PREFIX_MASK } from './bits.js';
import type { TopLevel } from './geometry.js';

/**
 * One address space of one machine: what is needed to read its tables and is not in them. Only the top is needed:
 * everything else has the value of a kernel's address space on a recent machine.
 */
export interface S390Config {
  /** Level of the root table: the ASCE's designation type. */
  readonly top: TopLevel;
  /** The ASCE's private-space bit. Linux sets it for processes and not for itself. Default false. */
  readonly privateSpace?: boolean;
  /**
   * Prefix register of the processor that the address space is seen from: a multiple of 8192 below 2 ** 31. Real addresses 0
   * to 0x1fff are swapped with prefix to prefix + 0x1fff; dumps hold memory by absolute address. Default 0: not swapped.
   */
  readonly prefix?: number;
  /** Enhanced DAT (CR0 bit 40): large pages, and protection in region tables. Default true. */
  readonly edat?: boolean;
  /** Instruction-execution protection (CR0 bit 43; Linux leaves it off with `rodata=off`). Without it every page can be executed. Default true. */
  readonly iep?: boolean;
  /** The kernel's release (`uname -r`), for where it keeps software bits. Default: a recent one. */
  readonly release?: string | undefined;
  /** `MAX_PHYSMEM_BITS`, 42 to 53: where the flags in a migration entry's offset begin. Default 46, as distributions build it. */
  readonly physmemBits?: number;
  /**
   * Whether the kernel's first page is executable, as it is on purpose before z16: then the W+X check expects it. Default:
   * nobody looked.
   */
  readonly lowcoreExecutable?: boolean | undefined;
  /**
   * Whether the kernel marks pages as not executable, which it does if the machine has the facility, whatever CR0 says. If
   * not, it does not check for W+X either. Default true.
   */
  readonly noexec?: boolean;
}

/** An {@link S390Config} with nothing left open but what may be unknown. */
export interface FullConfig {
  readonly top: TopLevel;
  readonly privateSpace: boolean;
  readonly prefix: number;
  readonly edat: boolean;
  readonly iep: boolean;
  readonly release: string | undefined;
  readonly physmemBits: number;
  readonly lowcoreExecutable: boolean | undefined;
  readonly noexec: boolean;
}

/**
 * Fills in what a configuration leaves out.
 *
 * @throws PgtableError `EINVAL` for a prefix that no register can hold, or physical bits out of range
 */
export function fullConfig(config: S390Config): FullConfig {
  const { top, privateSpace = false, prefix = 0, edat = true, iep = true, release, physmemBits = 46, lowcoreExecutable, noexec = true } = config;
  if ((prefix & PREFIX_MASK) !== prefix) {
    throw new PgtableError('EINVAL', `0x${prefix.toString(16)} is no prefix: it is a multiple of 0x2000 below 0x80000000`);
  }
  if (!Number.isInteger(physmemBits) || physmemBits < 42 || physmemBits > 53) {
    throw new PgtableError('EINVAL', `${physmemBits} bits of physical memory: Linux on s390 has 42 to 53`);
  }
  return { top, privateSpace, prefix, edat, iep, release, physmemBits, lowcoreExecutable, noexec };
}
