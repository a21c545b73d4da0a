import { PgtableError, type VaWindow } from '@pgtable/core';

/** Bytes of a page: 4, 16 or 64 KiB. */
export type Granule = 4096 | 16384 | 65536;

/** Bits of a physical address that the translation may produce: TCR_EL1.IPS. */
export type PaBits = 32 | 36 | 40 | 42 | 44 | 48 | 52;

/**
 * One configuration of stage 1 translation at EL1: one of the two halves of the address space. TTBR0_EL1 and TTBR1_EL1
 * may differ in everything, so each is an architecture of its own.
 */
export interface Arm64Config {
  /** Which table register: `ttbr0` translates addresses from 0, `ttbr1` those up to the end. */
  readonly half: 'ttbr0' | 'ttbr1';
  readonly granule: Granule;
  /** Bits of a virtual address: 64 - TnSZ. */
  readonly vaBits: number;
  /** Default 52 where descriptors have room for it (64K, LPA2), else 48. */
  readonly paBits?: PaBits;
  /** TCR_EL1.DS (FEAT_LPA2), for the 4K and 16K granules. Default: if the virtual address has more than 48 bits. */
  readonly lpa2?: boolean;
  /** TCR_EL1.TBIn: the top byte of an address is ignored. Default true, as Linux sets it. */
  readonly topByteIgnore?: boolean;
  /** TCR_EL1.HPDn: the attributes of table descriptors are ignored. Default false. */
  readonly hierarchicalPermissionsDisabled?: boolean;
  /** TCR_EL1.HD: a write to a read-only leaf with DBM succeeds. Default false. */
  readonly hardwareDirty?: boolean;
  /** MAIR_EL1. Default: the order of memory types of the kernel release. */
  readonly mair?: bigint;
  /** Byte order of the tables: SCTLR_EL1.EE. Default little-endian. */
  readonly littleEndian?: boolean;
  /** The kernel's release (`uname -r`), for what software keeps in entries. Default: a recent kernel. */
  readonly release?: string;
  /** The kernel's MAX_PHYSMEM_BITS, for migration entries. Default 52 where {@link paBits} is 52, else 48. */
  readonly maxPhysmemBits?: number;
  /** Whether the kernel was built with CONFIG_MEMORY_FAILURE, for the numbers of special swap types. Default true. */
  readonly memoryFailure?: boolean;
}

/** A configuration with every choice made and checked. */
export interface ResolvedConfig extends Required<Omit<Arm64Config, 'mair' | 'release'>> {
  readonly mair: bigint | undefined;
  readonly release: string | undefined;
  readonly pageShift: number;
  /** Table levels: 2 to 5. The top one is level 4 - `levels` in the manual's count, -1 to 2. */
  readonly levels: number;
}

/**
 * Completes and checks a configuration.
 *
 * @throws PgtableError `EINVAL` if no processor has it; `ENOTSUP` for address sizes that need one level alone
 */
export function resolveConfig(config: Arm64Config): ResolvedConfig {
  const { granule, vaBits } = config;
  const pageShift = Math.log2(granule);
  if (![12, 14, 16].includes(pageShift)) {
    throw new PgtableError('EINVAL', `no arm64 granule has ${granule} bytes`, { hint: 'the granule is 4096, 16384 or 65536' });
  }
  const lpa2 = config.lpa2 ?? (granule !== 65536 && vaBits > 48);
  if (lpa2 && granule === 65536) throw new PgtableError('EINVAL', 'TCR_EL1.DS (LPA2) does not exist for the 64K granule');
  const most = granule === 65536 || lpa2 ? 52 : 48;
  if (!Number.isInteger(vaBits) || vaBits < 16 || vaBits > most) {
    throw new PgtableError('EINVAL', `${granule / 1024}K pages ${lpa2 ? 'with LPA2 ' : ''}do not translate ${vaBits}-bit addresses (TnSZ ${64 - vaBits})`, {
      hint: `16 to ${most} bits (TnSZ ${64 - most} to 48) are possible${most === 48 ? '; more need TCR_EL1.DS (bit 59)' : ''}`,
    });
  }
  // Linux: ARM64_HW_PGTABLE_LEVELS.
  const levels = Math.ceil((vaBits - pageShift) / (pageShift - 3));
  if (levels < 2) throw new PgtableError('ENOTSUP', `${vaBits}-bit addresses with ${granule / 1024}K pages have one table alone, which no kernel uses`);
  const paBits = config.paBits ?? (most === 52 ? 52 : 48);
  if (paBits === 52 && most === 48) {
    throw new PgtableError('EINVAL', `descriptors of ${granule / 1024}K pages have 52-bit physical addresses only with TCR_EL1.DS (bit 59)`);
  }
  return {
    half: config.half,
    granule,
    vaBits,
    paBits,
    lpa2,
    topByteIgnore: config.topByteIgnore ?? true,
    hierarchicalPermissionsDisabled: config.hierarchicalPermissionsDisabled ?? false,
    hardwareDirty: config.hardwareDirty ?? false,
    mair: config.mair,
    littleEndian: config.littleEndian ?? true,
    release: config.release,
    maxPhysmemBits: config.maxPhysmemBits ?? (paBits === 52 ? 52 : 48),
    memoryFailure: config.memoryFailure ?? true,
    pageShift,
    levels,
  };
}

/** `4K granule, 48-bit`, `16K granule, 52-bit, LPA2`, `64K granule, 52-bit, LPA`. */
export function variantOf(config: ResolvedConfig): string {
  const lpa = config.lpa2 ? ', LPA2' : config.granule === 65536 && config.paBits === 52 ? ', LPA' : '';
  return `${config.granule / 1024}K granule, ${config.vaBits}-bit${lpa}${config.littleEndian ? '' : ', big-endian'}`;
}

/** The addresses of the half; canonical ones, whatever the top byte may be. */
export function windowOf(config: ResolvedConfig): VaWindow {
  const size = 2 ** config.vaBits;
  return config.half === 'ttbr0'
    ? { start: 0, end: size, index: 0, half: 'user' }
    : { start: 2 ** 64 - size, end: 2 ** 64, index: 0, half: 'kernel' };
}
