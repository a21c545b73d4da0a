import { geometryOf, LEVELS, NO_TLB, TableMemory, VmFlags, type Level } from '@pgtable/core';
import { elfCore } from '@pgtable/memory';
import { mapRange, newRoot, type AddressSpace } from '@pgtable/walk';
import { EM_TRIO, TRIO_GEOMETRY, trioArch, trioRoot, type TrioHandles } from '../src/index.js';

/** The physical address from which on the sample has its tables. */
const TABLES = 0x8100_0000;

/** The VMCOREINFO of the sample's kernel: what findRoots reads. */
const VMCOREINFO = `OSRELEASE=6.12.0\nPAGESIZE=4096\nSYMBOL(swapper_pg_dir)=ffffffff81000000\nNUMBER(trio_va_offset)=0xffffffff00000000\nSYMBOL(_stext)=ffffffff80200000\n`;

/** A memory dump of a small kernel, made with this package's own accessors: something to read until you have a dump of a real machine. */
export function sampleDump(): Uint8Array {
  const tables = new TableMemory();
  const arch = trioArch({}, tables);
  let next = TABLES;
  // Tables of different levels may be of different sizes; each begins at a multiple of its own.
  const alloc = (level: Level): number => {
    const bytes = tableSize(level);
    const address = Math.ceil(next / bytes) * bytes;
    next = address + bytes;
    return address;
  };
  const space: AddressSpace<TrioHandles> = { arch, root: trioRoot(alloc('pgd')), mm: { user: false, tlb: NO_TLB }, alloc };
  newRoot(space).link();
  const data = arch.kernelProt(VmFlags.Read | VmFlags.Write);
  const text = arch.kernelProt(VmFlags.Read | VmFlags.Exec);
  mapRange(space, 0xffff_ffc0_0000_0000n, 0x8000_0000, 2 ** 25, data, { largestPage: 2 ** 21 });
  mapRange(space, 0xffff_ffff_8020_0000n, 0x8020_0000, 2 ** 21, text, { largestPage: 2 ** 21 });
  mapRange(space, 0xffff_ffff_8040_0000n, 0x8040_0000, 3 * 4096, data);
  return elfCore({
    machine: { elfMachine: EM_TRIO, bits: 64, littleEndian: arch.littleEndian },
    segments: [...LEVELS].flatMap((level) => [...tables.addresses(level)].map((address) => ({ address, bytes: tableBytes(tables, level, address, arch.littleEndian) }))),
    notes: [{ name: 'VMCOREINFO', type: 0, desc: new TextEncoder().encode(VMCOREINFO) }],
  });
}

/** Bytes of a full table. */
function tableSize(level: Level): number {
  return geometryOf(TRIO_GEOMETRY, level).entries * TRIO_GEOMETRY.entryBytes;
}

/** A table as the machine has it in memory, with 64-bit entries. With entries of 32 bits, `tables.words` has them. */
function tableBytes(tables: TableMemory, level: Level, address: number, littleEndian: boolean): Uint8Array {
  const view = new DataView(new ArrayBuffer(tableSize(level)));
  const first = tables.find(level, address);
  for (let at = 0; at < view.byteLength / 8; at++) view.setBigUint64(at * 8, tables.elements[first + at]!, littleEndian);
  return new Uint8Array(view.buffer);
}
