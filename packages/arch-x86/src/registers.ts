import { PgtableError, type DumpNote } from '@pgtable/core';
import { ADDRESS_4K_LO, ADDRESS_HI, CR0_PG, CR3_PCD, CR3_PWT, CR4_LA57, CR4_PAE, CR4_PSE, EFER_LMA, EFER_NXE } from './bits.js';
import type { X86Config } from './config.js';
import { is64Bit, type PagingMode } from './geometry.js';

/** The control registers that decide how addresses are translated. */
export interface ControlRegisters {
  readonly cr0?: bigint;
  readonly cr3?: bigint;
  readonly cr4?: bigint;
  readonly efer?: bigint;
}

/** One processor's state as QEMU's note has it. */
export interface QemuCpu {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly rip: bigint;
  /** The current privilege level: 3 in user mode. */
  readonly cpl: number;
  /** The processor was in long mode: it ran 64-bit code (CS.L), or its interrupt table is above 4 GiB, as with a 64-bit kernel. */
  readonly longMode: boolean;
}

/*
 * QEMU's note: u32 version, u32 size, 18 u64 (16 general registers, rip, rflags), 10 segments of
 * { u32 selector, limit, flags, pad; u64 base } of which cs is the first and idt the last, u64 cr[5]; later versions append.
 * @see QEMUCPUState in target/i386/arch_dump.c (QEMU 7.2)
 */
const SIZE_OFFSET = 4;
const RIP_OFFSET = 8 + 16 * 8;
const CS_OFFSET = 8 + 18 * 8;
const CS_FLAGS_OFFSET = CS_OFFSET + 8;
const IDT_BASE_OFFSET = CS_OFFSET + 9 * 24 + 16;
const CR_OFFSET = CS_OFFSET + 10 * 24;
const CR_END = CR_OFFSET + 5 * 8;
/** CS.L in the flags of a segment: they are the descriptor's second word. */
const SEGMENT_L = 1 << 21;

/**
 * Decodes a note of QEMU's about one processor. The same layout serves 32-bit and 64-bit guests.
 *
 * Returns: undefined if it is another note, or shorter than its control registers.
 */
export function parseQemuNote(note: DumpNote): QemuCpu | undefined {
  const { desc } = note;
  if (note.name !== 'QEMU' || note.type !== 0 || desc.length < CR_END) return undefined;
  const view = new DataView(desc.buffer, desc.byteOffset, desc.length);
  if (view.getUint32(SIZE_OFFSET, true) < CR_END) return undefined;
  const cr = (number: number): bigint => view.getBigUint64(CR_OFFSET + number * 8, true);
  return {
    cr0: cr(0),
    cr3: cr(3),
    cr4: cr(4),
    rip: view.getBigUint64(RIP_OFFSET, true),
    cpl: view.getUint32(CS_OFFSET, true) & 3,
    longMode: (view.getUint32(CS_FLAGS_OFFSET, true) & SEGMENT_L) !== 0 || view.getBigUint64(IDT_BASE_OFFSET, true) >= 1n << 32n,
  };
}

/**
 * The paging mode that control registers select (SDM volume 3A, "Paging Modes"). What is not known is taken as a Linux
 * kernel sets it: paging on, CR4.PAE with 64 bits, CR4.PSE.
 *
 * @param wide whether the processor is in long mode; EFER.LMA says it better if it is known
 * @throws PgtableError `EINVAL` if paging is off, or the registers contradict each other
 */
export function pagingMode(registers: ControlRegisters, wide: boolean): Pick<X86Config, 'mode' | 'nx' | 'pse'> {
  const { cr0, cr4, efer } = registers;
  if (cr0 !== undefined && (cr0 & CR0_PG) === 0n) {
    throw new PgtableError('EINVAL', `CR0 is ${hex(cr0)}: paging is off (bit 31 is clear), so there are no page tables`, {
      hint: 'give the value of CR0 while the kernel runs, or leave it out',
    });
  }
  const long = efer === undefined ? wide : (efer & EFER_LMA) !== 0n;
  if (long && cr4 !== undefined && (cr4 & CR4_PAE) === 0n) {
    throw new PgtableError('EINVAL', `CR4 is ${hex(cr4)}: 64-bit paging needs PAE (bit 5)`, { hint: 'give the value of CR4 while the kernel runs, or leave it out' });
  }
  const has = (bit: bigint, unknown: boolean): boolean => (cr4 === undefined ? unknown : (cr4 & bit) !== 0n);
  const mode: PagingMode = long ? (has(CR4_LA57, false) ? '5-level' : '4-level') : has(CR4_PAE, true) ? 'PAE' : '2-level';
  return { mode, nx: mode !== '2-level' && (efer === undefined || (efer & EFER_NXE) !== 0n), pse: has(CR4_PSE, true) };
}

/** CR3, taken apart. */
export interface Cr3 {
  /** Physical address of the root table. */
  readonly table: number;
  /** Bits 11:0 with 64-bit paging: the PCID if CR4.PCIDE is set; else only PWT and PCD mean something. */
  readonly low: number;
  /** How the root table itself is cached (bits 3 and 4); meaningless with PCIDs. */
  readonly pwt: boolean;
  readonly pcd: boolean;
}

/**
 * Decodes CR3 (SDM volume 3A, "Use of CR3 with ..." of each mode). The address is in bits 51:12 with 64-bit paging (bits
 * 62:61 are LAM's, bit 63 asks for no flush), in bits 31:5 with PAE, in bits 31:12 with two levels.
 *
 * @throws PgtableError `EINVAL` if a bit is set that the mode reserves
 */
export function decodeCr3(config: Pick<X86Config, 'mode' | 'encryptionMask'>, cr3: bigint): Cr3 {
  const { mode } = config;
  if (cr3 < 0n || cr3 >= 1n << 64n) throw badCr3(cr3, 'it has more than 64 bits', 'give the register as 64 bits');
  let address: bigint;
  if (is64Bit(mode)) {
    if ((cr3 & 0x1ff0000000000000n) !== 0n) {
      throw badCr3(cr3, 'bits 60:52 are reserved', 'give the physical address of the root table, with or without the PCID in bits 11:0; it is not a virtual address');
    }
    address = cr3 & ((BigInt(ADDRESS_HI) << 32n) | BigInt(ADDRESS_4K_LO)) & ~(config.encryptionMask ?? 0n);
  } else {
    if (cr3 >= 1n << 32n) throw badCr3(cr3, `with ${mode} paging it has 32 bits`, 'give the physical address of the root table, below 4 GiB; for a 64-bit kernel give --efer or --cr4 too');
    address = cr3 & (mode === 'PAE' ? 0xffffffe0n : 0xfffff000n);
  }
  return { table: Number(address), low: Number(cr3 & 0xfffn), pwt: (cr3 & CR3_PWT) !== 0n, pcd: (cr3 & CR3_PCD) !== 0n };
}

function badCr3(cr3: bigint, why: string, hint: string): PgtableError {
  return new PgtableError('EINVAL', `CR3 cannot be ${hex(cr3)}: ${why}`, { hint, address: cr3 });
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
