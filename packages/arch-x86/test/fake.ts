import { TableMemory, Vmcoreinfo, type DumpNote, type MachineFacts, type PhysicalReader } from '@pgtable/core';

/** Physical memory from address 0 on, zero until it is written. */
export class FakeMemory implements PhysicalReader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(size = 16 << 20) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }

  get ranges(): PhysicalReader['ranges'] {
    return [{ start: 0, end: this.bytes.length, state: 'present' }];
  }

  entry(table: number, index: number, value: bigint, entryBytes: 4 | 8 = 8): void {
    if (entryBytes === 8) this.view.setBigUint64(table + index * 8, value, true);
    else this.view.setUint32(table + index * 4, Number(value), true);
  }

  read(address: number, length: number): Promise<Uint8Array | undefined> {
    return Promise.resolve(address < 0 || address + length > this.bytes.length ? undefined : this.bytes.slice(address, address + length));
  }

  async *chunks(): AsyncIterable<{ readonly address: number; readonly bytes: Uint8Array }> {
    for (let address = 0; address < this.bytes.length; address += 1 << 20) {
      const bytes = await this.read(address, 1 << 20);
      if (bytes !== undefined) yield { address, bytes };
    }
  }
}

export function facts(memory: PhysicalReader, more: Partial<MachineFacts> = {}): MachineFacts {
  return { memory, elfMachine: 62, littleEndian: true, bits: 64, notes: [], vmcoreinfo: [], registers: new Map(), ...more };
}

/** A QEMU note of a processor. @see QEMUCPUState in QEMU's target/i386/arch_dump.c */
export function qemuNote(cpu: { cr0?: bigint; cr3: bigint; cr4: bigint; rip?: bigint; cs?: number; csFlags?: number; idt?: bigint; size?: number }): DumpNote {
  const desc = new Uint8Array(440);
  const view = new DataView(desc.buffer);
  view.setUint32(0, 1, true);
  view.setUint32(4, cpu.size ?? 440, true);
  view.setBigUint64(8 + 16 * 8, cpu.rip ?? 0n, true);
  view.setUint32(152, cpu.cs ?? 0x10, true);
  view.setUint32(160, cpu.csFlags ?? 0, true);
  view.setBigUint64(384, cpu.idt ?? 0n, true);
  view.setBigUint64(392, cpu.cr0 ?? 0x80050033n, true);
  view.setBigUint64(392 + 24, cpu.cr3, true);
  view.setBigUint64(392 + 32, cpu.cr4, true);
  return { name: 'QEMU', type: 0, desc };
}

export function vmcoreinfo(lines: Readonly<Record<string, string>>, source = 'the VMCOREINFO note of the dump'): Vmcoreinfo {
  return new Vmcoreinfo(Object.entries(lines).map(([key, value]) => `${key}=${value}\n`).join(''), source);
}

/** Table memory with tables whose entries are written by index. */
export function tablesWith(entryBytes: 4 | 8, tables: readonly { level: 'pte' | 'pmd' | 'pud' | 'p4d' | 'pgd'; address: number; entries: number; values: Readonly<Record<number, bigint>> }[]): TableMemory {
  const memory = new TableMemory({ entryBytes });
  for (const { level, address, entries, values } of tables) {
    const base = memory.allocate(level, address, entries);
    for (const [index, value] of Object.entries(values)) {
      if (entryBytes === 8) memory.elements[base + Number(index)] = value;
      else memory.words[base + Number(index)] = Number(BigInt.asIntN(32, value));
    }
  }
  return memory;
}
