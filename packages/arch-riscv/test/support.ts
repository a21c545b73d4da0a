import { HIGH_WORD, LOW_WORD, TableMemory, type Level, type MachineFacts, type PhysicalReader } from '@pgtable/core';
import type { RiscvMode } from '../src/index.js';

export const MODES: readonly RiscvMode[] = ['Sv32', 'Sv39', 'Sv48', 'Sv57'];

/** The flags of an entry by their letters, and its page number. */
export function pte(flags: string, pa = 0n, high = 0n): bigint {
  const bits = Array.from(flags).reduce((sum, letter) => sum | (1n << BigInt('VRWXUGAD'.indexOf(letter))), 0n);
  return bits | ((pa >> 12n) << 10n) | high;
}

/** Writes an entry into a table that is in table memory. */
export function put(tables: TableMemory, level: Level, table: number, index: number, value: bigint): void {
  const at = tables.find(level, table) + index;
  if (tables.entryBytes === 4) {
    tables.words[at] = Number(BigInt.asIntN(32, value));
  } else {
    tables.words[at * 2 + LOW_WORD] = Number(BigInt.asIntN(32, value));
    tables.words[at * 2 + HIGH_WORD] = Number(BigInt.asIntN(32, value >> 32n));
  }
}

/** Physical memory that is nothing but the pages that were written. */
export class Pages implements PhysicalReader {
  readonly ranges: PhysicalReader['ranges'];
  private readonly bytes: Uint8Array;
  private readonly start: number;

  constructor(start: number, pages: number) {
    this.start = start;
    this.bytes = new Uint8Array(pages * 4096);
    this.ranges = [{ start, end: start + pages * 4096, state: 'present' }];
  }
  set(table: number, index: number, value: bigint, entryBytes = 8): void {
    const view = new DataView(this.bytes.buffer, table - this.start + index * entryBytes);
    if (entryBytes === 4) view.setUint32(0, Number(value), true);
    else view.setBigUint64(0, value, true);
  }
  read(address: number, length: number): Promise<Uint8Array | undefined> {
    const at = address - this.start;
    return Promise.resolve(at >= 0 && at + length <= this.bytes.length ? this.bytes.slice(at, at + length) : undefined);
  }
  async *chunks(): AsyncIterable<{ address: number; bytes: Uint8Array }> {
    await Promise.resolve();
    yield { address: this.start, bytes: this.bytes };
  }
}

/** Facts of a riscv64 dump over some memory. */
export function facts(memory: PhysicalReader, more: Partial<MachineFacts> = {}): MachineFacts {
  return { memory, elfMachine: 243, littleEndian: true, bits: 64, notes: [], vmcoreinfo: [], registers: new Map(), ...more };
}
