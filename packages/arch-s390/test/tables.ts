import { TableMemory, type Level, type PhysicalReader } from '@pgtable/core';

/** A table memory with the given tables: entry values by index, the rest filled with `empty`. */
export function tablesOf(tables: readonly { level: Level; address: number; entries?: number; empty?: bigint; values: Readonly<Record<number, bigint>> }[]): TableMemory {
  const memory = new TableMemory();
  for (const { level, address, values, entries = level === 'pte' ? 256 : 2048, empty = EMPTY[level] } of tables) {
    const base = memory.allocate(level, address, entries);
    memory.elements.fill(empty, base, base + entries);
    for (const [at, value] of Object.entries(values)) memory.elements[base + Number(at)] = value;
  }
  return memory;
}

/** The empty entries, as the kernel's names have them. */
export const EMPTY: Readonly<Record<Level, bigint>> = { pte: 0x400n, pmd: 0x20n, pud: 0x24n, p4d: 0x28n, pgd: 0x2cn };

/** Absolute memory made by hand: 16 MiB of zeros, written by {@link Memory.put}. */
export class Memory implements PhysicalReader {
  readonly bytes = new Uint8Array(2 ** 24);
  readonly ranges = [{ start: 0, end: 2 ** 24, state: 'present' as const }];

  read(address: number, length: number): Promise<Uint8Array | undefined> {
    return Promise.resolve(address >= 0 && address + length <= this.bytes.length ? this.bytes.slice(address, address + length) : undefined);
  }

  async *chunks(): AsyncIterable<{ address: number; bytes: Uint8Array }> {
    yield await Promise.resolve({ address: 0, bytes: this.bytes });
  }

  /** Writes big-endian 64-bit values. */
  put(address: number, ...values: bigint[]): this {
    const view = new DataView(this.bytes.buffer);
    values.forEach((value, at) => {
      view.setBigUint64(address + at * 8, value);
    });
    return this;
  }

  /** Writes a table of 2048 entries, or 256 in a page table: `values` by index, else empty. */
  table(level: Level, address: number, values: Readonly<Record<number, bigint>>): this {
    for (let at = 0; at < (level === 'pte' ? 256 : 2048); at++) this.put(address + at * 8, values[at] ?? EMPTY[level]);
    return this;
  }
}
