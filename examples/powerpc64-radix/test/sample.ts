import { geometryOf, LEVELS, NO_TLB, TableMemory, VmFlags, type Level } from '@pgtable/core';
import { elfCore } from '@pgtable/memory';
import { mapRange, newRoot, type AddressSpace } from '@pgtable/walk';
import { EM_PPC64, powerpc64Arch, powerpc64Geometry, powerpc64Root, type Powerpc64Handles } from '../src/index.js';

/** The real address from which on the sample has its tables. */
const TABLES = 0x0100_0000;

/** The VMCOREINFO of the sample's kernel: what findRoots reads. */
const vmcoreinfo = (pageBytes: number): string =>
  `OSRELEASE=6.12.0\nPAGESIZE=${pageBytes}\nSYMBOL(swapper_pg_dir)=c000000001000000\nNUMBER(RADIX_MMU)=1\nSYMBOL(_stext)=c000000000000000\n`;

/**
 * A memory dump of a small kernel, made with this package's own accessors.
 *
 * Quadrant 3 has the linear mapping of 32 MiB, its first 2 MiB to be executed, and three pages of vmalloc's and one more, in two of the last tables, which
 * lie side by side. There are a partition table at 0x10000 and a process table at 0x20000, by which PTCR leads to the root: of process 0, and as if
 * it were its own, of process 5.
 */
export function sampleDump(pageBytes: 4096 | 65536): Uint8Array {
  const tables = new TableMemory();
  const geometry = powerpc64Geometry(pageBytes);
  let next = TABLES;
  const room = (level: Level): number => {
    const bytes = geometryOf(geometry, level).entries * geometry.entryBytes;
    const address = Math.ceil(next / bytes) * bytes;
    next = address + bytes;
    return address;
  };
  const space: AddressSpace<Powerpc64Handles> = {
    arch: powerpc64Arch({ pageBytes }, tables),
    root: powerpc64Root(room('pgd'), 'kernel'),
    mm: { user: false, tlb: NO_TLB },
    alloc: room,
  };
  newRoot(space).link();
  const data = space.arch.kernelProt(VmFlags.Read | VmFlags.Write);
  const text = space.arch.kernelProt(VmFlags.Read | VmFlags.Exec);
  mapRange(space, 0xc000_0000_0000_0000n, 0, 2 ** 21, text, { largestPage: 2 ** 21 });
  mapRange(space, 0xc000_0000_0020_0000n, 2 ** 21, 15 * 2 ** 21, data, { largestPage: 2 ** 21 });
  mapRange(space, 0xc008_0000_0000_0000n, 0x80_0000, 3 * pageBytes, data);
  mapRange(space, 0xc008_0000_0020_0000n, 0x90_0000, pageBytes, data);
  return elfCore({
    machine: { elfMachine: EM_PPC64, bits: 64, littleEndian: false },
    segments: [
      { address: 0x1_0000, bytes: doublewords([0xc000_0000_0000_30adn, 0x8000_0000_0002_000bn]) },
      { address: 0x2_0000, bytes: doublewords([0x4000_0000_0100_00adn, 0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n, 0x4000_0000_0100_00adn, 0n]) },
      ...LEVELS.flatMap((level) =>
        [...tables.addresses(level)].map((address) => ({ address, bytes: tableBytes(tables, level, address, geometryOf(geometry, level).entries) })),
      ),
    ],
    notes: [{ name: 'VMCOREINFO', type: 0, desc: new TextEncoder().encode(vmcoreinfo(pageBytes)) }],
  });
}

/** A table as the machine has it in memory. */
function tableBytes(tables: TableMemory, level: Level, address: number, entries: number): Uint8Array {
  const first = tables.find(level, address);
  return doublewords([...tables.elements.subarray(first, first + entries)]);
}

/** Big-endian, whatever the kernel's byte order. */
function doublewords(values: readonly bigint[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 8));
  values.forEach((value, at) => {
    view.setBigUint64(at * 8, value);
  });
  return new Uint8Array(view.buffer);
}
