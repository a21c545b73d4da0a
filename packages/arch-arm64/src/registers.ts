import { PgtableError, type Root } from '@pgtable/core';
import { resolveConfig, windowOf, type Arm64Config, type Granule, type PaBits, type ResolvedConfig } from './config.js';
import { arm64Geometry } from './geometry.js';

/**
 * TCR_EL1, decoded for one half (Arm ARM D19.2 "TCR_EL1"). The fields of the two halves are at different bits, and the
 * granules are even numbered differently.
 */
export interface TranslationControl {
  /** TnSZ, bits 5:0 and 21:16: 64 - the bits of a virtual address. */
  readonly tsz: number;
  /** TGn, bits 15:14 and 31:30. */
  readonly granule: Granule;
  /** IPS, bits 34:32. */
  readonly paBits: PaBits;
  /** EPDn, bits 7 and 23: the half is switched off, every walk faults. */
  readonly disabled: boolean;
  /** TBIn, bits 37 and 38. */
  readonly topByteIgnore: boolean;
  /** HPDn, bits 41 and 42. */
  readonly hierarchicalPermissionsDisabled: boolean;
  /** HD, bit 40, of both halves. */
  readonly hardwareDirty: boolean;
  /** DS, bit 59, of both halves. It means nothing to a 64K half. */
  readonly lpa2: boolean;
}

const GRANULES_0: readonly (Granule | undefined)[] = [4096, 65536, 16384, undefined];
const GRANULES_1: readonly (Granule | undefined)[] = [undefined, 16384, 4096, 65536];
const PA_BITS: readonly (PaBits | undefined)[] = [32, 36, 40, 42, 44, 48, 52, undefined];

/**
 * Decodes TCR_EL1 for one half.
 *
 * @throws PgtableError `EINVAL` if a field has a value that no processor takes
 */
export function decodeTcr(tcr: bigint, half: 'ttbr0' | 'ttbr1'): TranslationControl {
  const field = (at: number, bits: number): number => Number((tcr >> BigInt(at)) & ((1n << BigInt(bits)) - 1n));
  const first = half === 'ttbr0';
  if (tcr < 0n || tcr >= 1n << 64n) throw registerError('TCR_EL1', tcr, 'it has more than 64 bits', TCR_HINT);
  const granule = first ? GRANULES_0[field(14, 2)] : GRANULES_1[field(30, 2)];
  if (granule === undefined) {
    throw registerError('TCR_EL1', tcr, first ? 'TG0 (bits 15:14) is 3, which is reserved' : 'TG1 (bits 31:30) is 0, which is reserved', TCR_HINT);
  }
  const paBits = PA_BITS[field(32, 3)];
  if (paBits === undefined) throw registerError('TCR_EL1', tcr, 'IPS (bits 34:32) is 7, which is reserved', TCR_HINT);
  const lpa2 = granule !== 65536 && field(59, 1) === 1;
  const tsz = field(first ? 0 : 16, 6);
  const least = granule === 65536 || lpa2 ? 12 : 16;
  if (tsz < least || tsz > 48) {
    const name = first ? 'T0SZ (bits 5:0)' : 'T1SZ (bits 21:16)';
    const why = least === 16 && tsz >= 12 && tsz < 16 ? ', and less than 16 needs DS (bit 59)' : '';
    throw registerError('TCR_EL1', tcr, `${name} is ${tsz}: it is ${least} to 48 with ${granule / 1024}K pages${why}`, TCR_HINT);
  }
  return {
    tsz,
    granule,
    // Without 52-bit descriptors the 52-bit size counts as 48.
    paBits: paBits === 52 && least === 16 ? 48 : paBits,
    disabled: field(first ? 7 : 23, 1) === 1,
    topByteIgnore: field(first ? 37 : 38, 1) === 1,
    hierarchicalPermissionsDisabled: field(first ? 41 : 42, 1) === 1,
    hardwareDirty: field(40, 1) === 1,
    lpa2,
  };
}

const TCR_HINT = 'give the whole of TCR_EL1 as a debugger shows it, 0x5001f2b5503510 for example';

/** The configuration of one half that TCR_EL1 says. */
export function configFromTcr(tcr: bigint, half: 'ttbr0' | 'ttbr1'): Arm64Config {
  const { tsz, granule, paBits, topByteIgnore, hierarchicalPermissionsDisabled, hardwareDirty, lpa2 } = decodeTcr(tcr, half);
  return { half, granule, vaBits: 64 - tsz, paBits, lpa2, topByteIgnore, hierarchicalPermissionsDisabled, hardwareDirty };
}

/**
 * A TCR_EL1 that says of both halves what a configuration says of one: what {@link configFromTcr} takes apart again.
 *
 * Both halves have the size and the granule of the one, as Linux sets them.
 */
export function tcrOf(config: Arm64Config): bigint {
  const { granule, vaBits, paBits, lpa2, topByteIgnore, hierarchicalPermissionsDisabled, hardwareDirty } = resolveConfig(config);
  const tsz = BigInt(64 - vaBits);
  const both = (isSet: boolean, at: bigint): bigint => (isSet ? 3n << at : 0n);
  return (
    tsz | (tsz << 16n) | (BigInt(GRANULES_0.indexOf(granule)) << 14n) | (BigInt(GRANULES_1.indexOf(granule)) << 30n) | (BigInt(PA_BITS.indexOf(paBits)) << 32n) |
    both(topByteIgnore, 37n) | (hardwareDirty ? 1n << 40n : 0n) | both(hierarchicalPermissionsDisabled, 41n) | (lpa2 ? 1n << 59n : 0n)
  );
}

/** The TTBR0_EL1 or TTBR1_EL1 that holds a table, with ASID 0: the inverse of {@link decodeTtbr}. */
export function ttbrOf(table: number): bigint {
  const address = BigInt(table);
  return (address & 0xffff_ffff_ffffn) | ((address >> 48n) << 2n);
}

/** TTBR0_EL1 or TTBR1_EL1, decoded. */
export interface TranslationTableBase {
  /** Physical address of the table. */
  readonly table: number;
  /** Bits 63:48. Which of the two registers' ASID counts is TCR_EL1.A1. */
  readonly asid: number;
  /** Bit 0: the table is the same on all processors. */
  readonly commonNotPrivate: boolean;
}

/**
 * Decodes TTBR0_EL1 or TTBR1_EL1 (Arm ARM D19.2): ASID in bits 63:48, BADDR in bits 47:1, CnP in bit 0. Where physical
 * addresses have 52 bits, bits 5:2 of the register are bits 51:48 of the table's address, and the table is aligned to 64
 * bytes at least.
 *
 * @param config of the register's half
 * @throws PgtableError `EINVAL` if the table would not be aligned to its size
 */
export function decodeTtbr(value: bigint, config: Arm64Config): TranslationTableBase {
  const resolved = resolveConfig(config);
  const name = `${resolved.half.toUpperCase()}_EL1`;
  const hint = `${name} is the ASID in bits 63:48, the table's physical address below that, and CnP in bit 0`;
  if (value < 0n || value >= 1n << 64n) throw registerError(name, value, 'it has more than 64 bits', hint);
  const wide = resolved.paBits === 52;
  const low = value & 0xffff_ffff_fffen;
  const address = wide ? (low & ~0x3fn) | (((low >> 2n) & 15n) << 48n) : low;
  const align = BigInt(rootAlign(resolved));
  if (address % align !== 0n || (wide && (low & 2n) !== 0n)) {
    throw registerError(name, value, `a table of ${rootBytes(resolved)} bytes (${resolved.granule / 1024}K granule, ${resolved.vaBits}-bit) is aligned to ${align} bytes`, hint);
  }
  if (address >> BigInt(resolved.paBits) !== 0n) {
    throw registerError(name, value, `the table is beyond the ${resolved.paBits}-bit physical addresses of TCR_EL1.IPS`, hint);
  }
  return { table: Number(address), asid: Number(value >> 48n), commonNotPrivate: (value & 1n) !== 0n };
}

/** Bytes of the top table. */
export function rootBytes(config: ResolvedConfig): number {
  return arm64Geometry(config).levels[4].entries * 8;
}

/** What the address of the top table is a multiple of: its size, but 64 bytes at least where TTBR holds 52-bit addresses. */
export function rootAlign(config: ResolvedConfig): number {
  return Math.max(rootBytes(config), config.paBits === 52 ? 64 : 8);
}

/**
 * The root of a configuration whose top table is at a physical address.
 *
 * @throws PgtableError `EINVAL` if no TTBR could hold the address: it is not aligned as {@link rootAlign} says, or too big
 */
export function arm64Root(config: Arm64Config, table: number): Root {
  const resolved = resolveConfig(config);
  const align = rootAlign(resolved);
  if (!Number.isSafeInteger(table) || table < 0 || table % align !== 0 || table >= 2 ** resolved.paBits) {
    throw new PgtableError('EINVAL', `0x${table.toString(16)} is no address of a top table of ${rootBytes(resolved)} bytes (${resolved.granule / 1024}K granule, ${resolved.vaBits}-bit)`, {
      hint: `give a multiple of ${align} below 2^${resolved.paBits}`,
    });
  }
  return { table, top: 'pgd', first: 0, end: arm64Geometry(resolved).levels[4].entries, windows: [windowOf(resolved)], inherited: 0 };
}

/**
 * The address without its tag: where the top byte of this half is ignored, the address that is translated.
 *
 * Bit 55 chooses the table, so it is copied upwards. An address of the other half, or any address where TBI is off, comes
 * back as it is, and so does what has more than 64 bits.
 */
export function untag(config: Pick<ResolvedConfig, 'half' | 'topByteIgnore'>, address: bigint): bigint {
  const upper = ((address >> 55n) & 1n) === 1n;
  if (!config.topByteIgnore || upper !== (config.half === 'ttbr1') || address !== BigInt.asUintN(64, address)) return address;
  const low = address & ((1n << 56n) - 1n);
  return upper ? low | (0xffn << 56n) : low;
}

function registerError(name: string, value: bigint, why: string, hint: string): PgtableError {
  return new PgtableError('EINVAL', `${name} cannot be 0x${value.toString(16)}: ${why}`, { hint });
}
