import { PgtableError } from '@pgtable/core';
import type { RiscvMode } from './geometry.js';

/*
 * satp, the supervisor address translation and protection register (Privileged Architecture, "Supervisor Address
 * Translation and Protection (satp) Register"; SATP_* in arch/riscv/include/asm/csr.h).
 *
 *     63   60 59            44 43                    0
 *     MODE    ASID             PPN                        64-bit: MODE 8 Sv39, 9 Sv48, 10 Sv57
 *     31      30            22 21                    0
 *     MODE    ASID             PPN                        32-bit: MODE 1 Sv32
 */

const MODES: readonly (readonly [number: bigint, mode: RiscvMode])[] = [[8n, 'Sv39'], [9n, 'Sv48'], [10n, 'Sv57']];

/** What satp says. */
export interface Satp {
  readonly mode: RiscvMode;
  /** Address space identifier: of 16 bits, with Sv32 of 9. */
  readonly asid: number;
  /** Physical address of the root table. */
  readonly table: number;
}

/**
 * Decodes satp.
 *
 * @param bits the machine's register width. Without it, a value below 2^32 with bit 31 set is a 32-bit machine's.
 * @throws PgtableError `EINVAL` if the value does not fit the register, if its mode is 0 (Bare: no translation) or is reserved
 */
export function decodeSatp(value: bigint, bits?: 32 | 64): Satp {
  const text = `0x${value.toString(16)}`;
  const narrow = bits === undefined ? value >= 1n << 31n && value < 1n << 32n : bits === 32;
  if (value < 0n || value >= 1n << (narrow ? 32n : 64n)) {
    throw new PgtableError('EINVAL', `satp ${text} does not fit a register of ${narrow ? 32 : 64} bits`, { hint: SATP_HINT });
  }
  const number = narrow ? value >> 31n : value >> 60n;
  if (number === 0n) {
    throw new PgtableError('EINVAL', `satp ${text} has mode 0 (Bare): addresses are not translated`, { hint: SATP_HINT });
  }
  if (narrow) return { mode: 'Sv32', asid: Number((value >> 22n) & 0x1ffn), table: Number((value & 0x3fffffn) << 12n) };
  const mode = MODES.find(([known]) => known === number)?.[1];
  if (mode === undefined) {
    throw new PgtableError('EINVAL', `satp ${text} has mode ${number}, which is reserved`, { hint: SATP_HINT });
  }
  return { mode, asid: Number((value >> 44n) & 0xffffn), table: Number((value & 0xfffffffffffn) << 12n) };
}

const SATP_HINT = 'give the whole register: mode 8 (Sv39), 9 (Sv48) or 10 (Sv57) in bits 63:60 and the root page number in bits 43:0, such as 0xa000000000081fca; on a 32-bit machine bit 31 and bits 21:0';

/** The satp that selects a root table with ASID 0: the inverse of {@link decodeSatp}. */
export function encodeSatp(mode: RiscvMode, table: number): bigint {
  const ppn = BigInt(table) >> 12n;
  if (mode === 'Sv32') return (1n << 31n) | ppn;
  return (MODES.find(([, known]) => known === mode)![0] << 60n) | ppn;
}
