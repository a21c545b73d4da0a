import { TableMemory, type Level, type MachineFacts, type PhysicalReader, Vmcoreinfo } from '@pgtable/core';
import type { Arm64Config, Granule } from '../src/index.js';

/** Every granule with every address size that Linux knows and some that only the manual has. */
export const CONFIGS: readonly Arm64Config[] = (
  [
    [4096, [36, 39, 42, 47, 48, 52]],
    [16384, [36, 42, 47, 48, 52]],
    [65536, [36, 42, 47, 48, 52]],
  ] as const
).flatMap(([granule, sizes]: readonly [Granule, readonly number[]]) => [
  ...sizes.map((vaBits): Arm64Config => ({ half: 'ttbr1', granule, vaBits })),
  { half: 'ttbr0', granule, vaBits: 48, paBits: 40 },
  ...(granule === 65536 ? [] : ([{ half: 'ttbr0', granule, vaBits: 48, lpa2: true }, { half: 'ttbr0', granule, vaBits: 48, lpa2: true, paBits: 44 }] satisfies Arm64Config[])),
]);

export const nameOf = (config: Arm64Config): string => `${config.granule / 1024}K ${config.vaBits}${config.lpa2 === true ? ' DS' : ''}${config.paBits === undefined ? '' : ` PA${config.paBits}`}`;

/** A table memory with one table, filled. */
export function tableOf(level: Level, address: number, values: readonly bigint[], tables = new TableMemory()): TableMemory {
  const base = tables.allocate(level, address, values.length);
  values.forEach((value, i) => (tables.elements[base + i] = BigInt.asUintN(64, value)));
  return tables;
}

/** Physical memory as an array from some base. */
export class FakeMemory implements PhysicalReader {
  readonly bytes: Uint8Array;
  readonly base: number;
  readonly ranges: PhysicalReader['ranges'];

  constructor(base: number, size: number) {
    this.base = base;
    this.bytes = new Uint8Array(size);
    this.ranges = [{ start: base, end: base + size, state: 'present' }];
  }

  set(address: number, value: bigint): void {
    new DataView(this.bytes.buffer).setBigUint64(address - this.base, BigInt.asUintN(64, value), true);
  }

  read(address: number, length: number): Promise<Uint8Array | undefined> {
    const at = address - this.base;
    return Promise.resolve(at < 0 || at + length > this.bytes.length ? undefined : this.bytes.subarray(at, at + length));
  }

  async *chunks(): AsyncIterable<{ address: number; bytes: Uint8Array }> {
    await Promise.resolve();
    yield { address: this.base, bytes: this.bytes };
  }
}

export const INFO = `OSRELEASE=6.12.107+deb13-arm64
PAGESIZE=4096
SYMBOL(swapper_pg_dir)=ffffb55173f16000
SYMBOL(_stext)=ffffb55172210000
NUMBER(VMALLOC_START)=0xffff800080000000
NUMBER(MAX_PHYSMEM_BITS)=48
SIZE(page)=64
NUMBER(PG_hwpoison)=20
NUMBER(VA_BITS)=52
NUMBER(MODULES_VADDR)=0xffff800000000000
NUMBER(MODULES_END)=0xffff800080000000
NUMBER(VMALLOC_END)=0xfffffdffbf800000
NUMBER(VMEMMAP_START)=0xffffc1ffc0000000
NUMBER(VMEMMAP_END)=0xffffffffc0000000
NUMBER(kimage_voffset)=0xffffb55132000000
NUMBER(PHYS_OFFSET)=0xfff0936540000000
NUMBER(TCR_EL1_T1SZ)=0x10
KERNELOFFSET=3550f2200000
`;

export function factsOf(parts: Partial<Omit<MachineFacts, 'registers'>> & { registers?: Record<string, bigint>; info?: string; note?: boolean }): MachineFacts {
  const { registers = {}, info, note = true, ...rest } = parts;
  const desc = Uint8Array.from(info ?? '', (letter) => letter.charCodeAt(0));
  return {
    memory: new FakeMemory(0x4000_0000, 0),
    elfMachine: 183,
    littleEndian: true,
    bits: 64,
    notes: info === undefined || !note ? [] : [{ name: 'VMCOREINFO', type: 0, desc }],
    vmcoreinfo: info === undefined ? [] : [new Vmcoreinfo(info, note ? 'the VMCOREINFO note' : 'a VMCOREINFO text in memory')],
    registers: new Map(Object.entries(registers)),
    ...rest,
  };
}
