import { PgtableError } from '@pgtable/core';
import { handleFault } from './fault.js';
import type { Mm } from './mm.js';
import { load64, store64 } from './mmu.js';

/*
 * The processor. An instruction is one word of 64 bits:
 *
 *     63        32 31   24 23   16 15    8 7      0
 *     immediate    0       rs      rd      operation
 *
 * Register 0 is always 0. A branch counts in instructions, from the next one.
 */
const OPERATIONS = ['halt', 'li', 'add', 'addi', 'mul', 'xor', 'ld', 'sd', 'bne', 'ecall'] as const;
const REGISTERS = 16;

/** What an instruction does. */
export type Operation = (typeof OPERATIONS)[number];

/** An instruction, as a programmer writes it. */
export interface Instruction {
  readonly op: Operation;
  readonly rd?: number;
  readonly rs?: number;
  readonly imm?: number;
}

/** Bytes of an instruction. */
export const INSTRUCTION_BYTES = 8;

/** The word of an instruction. */
export function encode({ op, rd = 0, rs = 0, imm = 0 }: Instruction): bigint {
  const low = OPERATIONS.indexOf(op) | (rd << 8) | (rs << 16);
  return (BigInt.asUintN(32, BigInt(imm)) << 32n) | BigInt(low);
}

/** The instruction of a word. @throws PgtableError `EINVAL` if it is none */
export function decode(word: bigint): Required<Instruction> {
  const op = OPERATIONS[Number(word & 0xffn)];
  const rd = Number((word >> 8n) & 0xffn);
  const rs = Number((word >> 16n) & 0xffn);
  if (op === undefined || rd >= REGISTERS || rs >= REGISTERS) throw new PgtableError('EINVAL', `0x${word.toString(16)} is no instruction`);
  return { op, rd, rs, imm: Number(BigInt.asIntN(32, word >> 32n)) };
}

/** A program as bytes. */
export function assemble(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  program.forEach((instruction, index) => {
    view.setBigUint64(index * INSTRUCTION_BYTES, encode(instruction), true);
  });
  return bytes;
}

/** Why a program stopped. */
export type Stop = 'halted' | 'killed' | 'call';

/** A processor that runs one program. */
export class Cpu {
  readonly registers: bigint[] = new Array<bigint>(REGISTERS).fill(0n);
  pc: bigint;
  /** Instructions that were finished. */
  retired = 0;

  constructor(pc: bigint) {
    this.pc = pc;
  }

  /** Runs at most `limit` instructions. Returns: why it stopped; undefined if it could go on. */
  run(mm: Mm, limit: number): Stop | undefined {
    for (let done = 0; done < limit; done++) {
      const stop = this.step(mm);
      if (stop !== undefined) return stop;
    }
    return undefined;
  }

  /** One instruction. After a page fault it begins again. */
  private step(mm: Mm): Stop | undefined {
    const word = userLoad(mm, this.pc, 'execute');
    if (word === undefined) return 'killed';
    const { op, rd, rs, imm } = decode(word);
    const a = this.registers[rd]!;
    const b = this.registers[rs]!;
    let next = this.pc + BigInt(INSTRUCTION_BYTES);
    switch (op) {
      case 'halt':
        return 'halted';
      case 'li':
        this.write(rd, BigInt(imm));
        break;
      case 'add':
        this.write(rd, a + b);
        break;
      case 'addi':
        this.write(rd, b + BigInt(imm));
        break;
      case 'mul':
        this.write(rd, a * b);
        break;
      case 'xor':
        this.write(rd, a ^ b);
        break;
      case 'ld': {
        const value = userLoad(mm, b + BigInt(imm), 'read');
        if (value === undefined) return 'killed';
        this.write(rd, value);
        break;
      }
      case 'sd':
        if (!userStore(mm, b + BigInt(imm), a)) return 'killed';
        break;
      case 'bne':
        if (a !== b) next += BigInt(imm) * BigInt(INSTRUCTION_BYTES);
        break;
      case 'ecall':
        break;
    }
    this.pc = next;
    this.retired++;
    return op === 'ecall' ? 'call' : undefined;
  }

  private write(register: number, value: bigint): void {
    if (register !== 0) this.registers[register] = BigInt.asUintN(64, value);
  }
}

/** Reads as the program does, faults and all. Returns: undefined if the program may not. */
export function userLoad(mm: Mm, address: bigint, access: 'read' | 'execute' = 'read'): bigint | undefined {
  for (;;) {
    const value = load64(mm, address, access);
    if (value !== undefined || handleFault(mm, address, access) === 'refused') return value;
  }
}

/** Writes as the program does, faults and all. Returns: false if the program may not. */
export function userStore(mm: Mm, address: bigint, value: bigint): boolean {
  while (!store64(mm, address, value)) {
    if (handleFault(mm, address, 'write') === 'refused') return false;
  }
  return true;
}
