import { PgtableError, type VaWindow } from '@pgtable/core';

/** Bytes of a page: 4, 16 or 64 KiB. */
export type Granule = 4096 | 16384 | 65536;

/** Bits of a physical address that the translation may produce: TCR_EL1.IPS. */
export type PaBits = 32 | 36 | 40 | 42 | 44 | 48 | 52 | 56;

/** One configuration of stage 1 translation at EL1 with 128-bit descriptors: one of the two halves of the address space. */
export interface D128Config {
  /** Which table register: `ttbr0` translates addresses from 0, `ttbr1` those up to the end. */
  readonly half: 'ttbr0' | 'ttbr1';
  /** Default 4096. */
  readonly granule?: Granule;
  /** Bits of a virtual address: 64 - TnSZ. Up to 56; with 4K pages up to 52, because more need a sixth level. */
  readonly vaBits: number;
  /** Default 56. */
  readonly paBits?: PaBits;
  /** TCR_EL1.HD: a write to a page that is clean (nDirty) succeeds. Default false. */
  readonly hardwareDirty?: boolean;
  /** PIR_EL1: what each PIIndex permits the kernel, a nibble for each. Default: Linux 6.12's. */
  readonly pir?: bigint;
  /** PIRE0_EL1: the same for processes. */
  readonly pire0?: bigint;
  /** Byte order of the tables: SCTLR_EL1.EE. Default little-endian. */
  readonly littleEndian?: boolean;
}

/** A configuration with every choice made and checked. */
export interface ResolvedConfig extends Required<D128Config> {
  readonly pageShift: number;
  /** Table levels: 2 to 5. The top one is level 4 - `levels` in the manual's count, -1 to 2. */
  readonly levels: number;
}

/**
 * PIE_E1 of arch/arm64/include/asm/pgtable-prot.h, Linux 6.12: nibble n is what PIIndex n permits the kernel.
 *
 *     5, d: read   7, f: read, write   8: read, execute   a: all   c: read   e: read, write   others: nothing
 */
export const LINUX_PIR = 0xcc88_0e0a_c080_0000n;
/**
 * PIE_E0: the same for processes.
 *
 *     4: execute   5: read, execute   7: all   d: read   f: read, write   others: nothing
 */
export const LINUX_PIRE0 = 0x5010_0000_7032_0000n;

/**
 * Completes and checks a configuration.
 *
 * @throws PgtableError `EINVAL` if no processor has it; `ENOTSUP` if it has other than two to five levels
 */
export function resolveConfig(config: D128Config): ResolvedConfig {
  const { vaBits, granule = 4096 } = config;
  const pageShift = Math.log2(granule);
  if (![12, 14, 16].includes(pageShift)) throw new PgtableError('EINVAL', `no arm64 granule has ${granule} bytes`, { hint: 'the granule is 4096, 16384 or 65536' });
  if (!Number.isInteger(vaBits) || vaBits < 16 || vaBits > 56) {
    throw new PgtableError('EINVAL', `128-bit descriptors do not translate ${vaBits}-bit addresses (TnSZ ${64 - vaBits})`, { hint: '16 to 56 bits (TnSZ 8 to 48) are possible' });
  }
  const levels = Math.ceil((vaBits - pageShift) / (pageShift - 4));
  if (levels < 2 || levels > 5) {
    throw new PgtableError('ENOTSUP', `${vaBits}-bit addresses with ${granule / 1024}K pages have ${levels} levels of tables`, {
      hint: levels > 5 ? 'the kernel has names for five: 52 bits are the most with 4K pages' : 'no kernel uses one table alone',
    });
  }
  return {
    half: config.half,
    granule,
    vaBits,
    paBits: config.paBits ?? 56,
    hardwareDirty: config.hardwareDirty ?? false,
    pir: config.pir ?? LINUX_PIR,
    pire0: config.pire0 ?? LINUX_PIRE0,
    littleEndian: config.littleEndian ?? true,
    pageShift,
    levels,
  };
}

/** `D128, 4K granule, 48-bit`. */
export function variantOf(config: ResolvedConfig): string {
  return `D128, ${config.granule / 1024}K granule, ${config.vaBits}-bit${config.littleEndian ? '' : ', big-endian'}`;
}

/** The addresses of the half. */
export function windowOf(config: ResolvedConfig): VaWindow {
  const size = 2 ** config.vaBits;
  return config.half === 'ttbr0' ? { start: 0, end: size, index: 0, half: 'user' } : { start: 2 ** 64 - size, end: 2 ** 64, index: 0, half: 'kernel' };
}
