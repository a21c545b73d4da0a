import { PgtableError, type SwapOptions } from '@pgtable/core';
import { is64Bit, PAGE_OFFSET_32, type PagingMode } from './geometry.js';
import { ADDRESS_HI, ADDRESS_4K_LO } from './bits.js';

/** What is known of a processor and its kernel. Only the mode is needed: everything else has the value of a usual machine. */
export interface X86Config {
  readonly mode: PagingMode;
  /** EFER.NXE: bit 63 forbids execution. If false it is reserved. Default true; with 2-level paging there is no such bit. */
  readonly nx?: boolean;
  /** CR4.PSE: 4 MiB pages with 2-level paging. The other modes have large pages always. Default true. */
  readonly pse?: boolean;
  /** Bits of a physical address (MAXPHYADDR, 32 to 52): higher ones in an entry are reserved. Default 52, the architecture's limit. */
  readonly physicalBits?: number;
  /**
   * AMD memory encryption: the C-bit as a mask, `sme_mask` in VMCOREINFO. It says that memory is encrypted and is no part
   * of an address. Default 0.
   */
  readonly encryptionMask?: bigint;
  /** The kernel's release (`uname -r`), for what it stores in non-present entries. Default: a recent one. */
  readonly release?: string;
  /** 32-bit: where the kernel's part of the address space begins. Default 3 GiB. */
  readonly pageOffset?: number;
  /** Kernel options that number the special swap types. Default: all that the mode can have, as distributions build it. */
  readonly swap?: SwapOptions;
}

/** An {@link X86Config} with nothing left open. */
export interface FullConfig {
  readonly mode: PagingMode;
  readonly nx: boolean;
  readonly pse: boolean;
  readonly physicalBits: number;
  readonly encryptionLo: number;
  readonly encryptionHi: number;
  readonly release: string | undefined;
  readonly pageOffset: number;
  readonly swap: Required<SwapOptions>;
}

/**
 * Fills in what a configuration leaves out.
 *
 * @throws PgtableError `EINVAL` for physical bits out of range, or an encryption mask that is no address bit
 */
export function fullConfig(config: X86Config): FullConfig {
  const { mode } = config;
  const physicalBits = config.physicalBits ?? 52;
  if (!Number.isInteger(physicalBits) || physicalBits < 32 || physicalBits > 52) {
    throw new PgtableError('EINVAL', `${physicalBits} bits of physical address: x86 has 32 to 52`);
  }
  const encryptionMask = config.encryptionMask ?? 0n;
  const encryptionLo = Number(BigInt.asIntN(32, encryptionMask));
  const encryptionHi = Number(BigInt.asIntN(32, encryptionMask >> 32n));
  const addressBits = (BigInt(ADDRESS_HI) << 32n) | BigInt(ADDRESS_4K_LO);
  if ((encryptionMask & ~addressBits) !== 0n || (encryptionMask !== 0n && mode === '2-level')) {
    throw new PgtableError('EINVAL', `the encryption mask 0x${encryptionMask.toString(16)} is no address bit of an entry`, {
      hint: 'give one of bits 12 to 51, as sme_mask in VMCOREINFO has it',
    });
  }
  return {
    mode,
    nx: mode !== '2-level' && (config.nx ?? true),
    pse: config.pse ?? true,
    physicalBits,
    encryptionLo,
    encryptionHi,
    release: config.release,
    pageOffset: config.pageOffset ?? PAGE_OFFSET_32,
    swap: {
      memoryFailure: config.swap?.memoryFailure ?? true,
      migration: config.swap?.migration ?? true,
      devicePrivate: config.swap?.devicePrivate ?? is64Bit(mode),
      earlyMarkers: config.swap?.earlyMarkers ?? true,
    },
  };
}
