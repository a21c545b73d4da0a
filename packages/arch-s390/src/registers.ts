import { geometryOf, PgtableError, type RegisterFlag, type Root } from '@pgtable/core';
import {
  ASCE_ORIGIN_LO, ASCE_PRIVATE_SPACE, ASCE_REAL_SPACE, ASCE_TABLE_LENGTH, CR0_EDAT, CR0_IEP, LENGTH_UNIT, PREFIX_MASK,
} from './bits.js';
import type { S390Config } from './config.js';
import { GEOMETRY, levelOfType, type TopLevel } from './geometry.js';

/** The registers that a user may give. */
export const REGISTER_FLAGS: readonly RegisterFlag[] = [
  { name: 'asce', help: 'address-space-control element, as CR1, CR7 or CR13 hold it: table origin with type (DT), length (TL) and flag bits' },
  { name: 'prefix', help: 'prefix register: absolute address of the lowcore, a multiple of 0x2000 below 0x80000000' },
];

/** An address-space-control element, taken apart. */
export interface Asce {
  readonly value: bigint;
  /** Absolute address of the root table. */
  readonly table: number;
  /** Level of its entries. */
  readonly top: TopLevel;
  /** Entries of the root table. */
  readonly entries: number;
  readonly privateSpace: boolean;
  /** There are no tables: virtual addresses are real ones. */
  readonly realSpace: boolean;
}

/** Takes an ASCE apart. `value` is a 64-bit register. */
export function decodeAsce(value: bigint): Asce {
  const lo = Number(BigInt.asUintN(32, value));
  const origin = (value >> 32n << 32n) | BigInt((lo & ASCE_ORIGIN_LO) >>> 0);
  return {
    value,
    table: Number(origin),
    top: levelOfType(lo),
    entries: ((lo & ASCE_TABLE_LENGTH) + 1) * LENGTH_UNIT,
    privateSpace: (lo & ASCE_PRIVATE_SPACE) !== 0,
    realSpace: (lo & ASCE_REAL_SPACE) !== 0,
  };
}

/**
 * The root that an ASCE designates. Its one window is what the table type can translate, from 0 on; what the table length
 * cuts off is past {@link Root.end}.
 *
 * @throws PgtableError `EINVAL` for a real-space designation, which has no tables
 */
export function s390Root(asce: Asce): Root {
  if (asce.realSpace) {
    throw new PgtableError('EINVAL', `ASCE ${hex(asce.value)} is a real-space designation (bit 0x20): it has no tables, virtual addresses are real addresses`, {
      hint: 'give the ASCE of an address space with tables, such as CR13 of a Linux guest',
    });
  }
  const { shift, entries } = geometryOf(GEOMETRY, asce.top);
  return {
    table: asce.table,
    top: asce.top,
    first: 0,
    end: asce.entries,
    windows: [{ start: 0, end: entries * 2 ** shift, index: 0, half: asce.privateSpace ? 'user' : 'kernel' }],
    inherited: 0,
  };
}

/** The part of a configuration that an ASCE says. */
export function asceConfig(asce: Asce): Pick<S390Config, 'top'> & Required<Pick<S390Config, 'privateSpace'>> {
  return { top: asce.top, privateSpace: asce.privateSpace };
}

/** The part of a configuration that control register 0 says. */
export function cr0Config(cr0: bigint): Required<Pick<S390Config, 'edat' | 'iep'>> {
  return { edat: (cr0 & BigInt(CR0_EDAT)) !== 0n, iep: (cr0 & BigInt(CR0_IEP)) !== 0n };
}

/**
 * An ASCE that a user gave.
 *
 * @throws PgtableError `EINVAL` if no register can hold it, or it designates no table
 */
export function givenAsce(value: bigint): Asce {
  if (value < 0n || value >= 1n << 64n) throw new PgtableError('EINVAL', `--asce ${hex(value)}: an ASCE is a 64-bit register`);
  const asce = decodeAsce(value);
  if (asce.realSpace) s390Root(asce);
  if (asce.table === 0) {
    throw new PgtableError('EINVAL', `--asce ${hex(value)} has no table origin: bits 0x...fffff000 are the absolute address of a table`, {
      hint: 'give the whole register, such as 0x2040007: a region-third table (0x4) of full length (0x3) at 0x2040000',
    });
  }
  return asce;
}

/**
 * A prefix that a user gave.
 *
 * @throws PgtableError `EINVAL` if no register can hold it
 */
export function givenPrefix(value: bigint): number {
  if (value < 0n || (value & BigInt(PREFIX_MASK)) !== value) {
    throw new PgtableError('EINVAL', `--prefix ${hex(value)}: a prefix is a multiple of 0x2000 below 0x80000000`);
  }
  return Number(value);
}

function hex(value: bigint): string {
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}
