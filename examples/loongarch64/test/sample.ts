import { geometryOf, LEVELS, NO_TLB, TableMemory, VmFlags, type Level } from '@pgtable/core';
import { elfCore } from '@pgtable/memory';
import { mapRange, newRoot, type AddressSpace } from '@pgtable/walk';
import { CACHED_WINDOW, loongarchArch, loongarchGeometry, loongarchRoot, type InvalidTables, type LoongarchHandles, type LoongarchLayout } from '../src/index.js';

/** swapper_pg_dir of the sample's kernel, and the pgd of its one process. */
export const SWAPPER = 0x1d4_0000;
export const PROCESS = 0x5a3_0000;
/** vm_map_base. */
export const KERNEL = 0xffff_8000_0000_0000n;
const TABLES = 0x600_0000;

/** The kernel's tables that map nothing, as the sample has them. */
export function sampleInvalidTables(layout: LoongarchLayout): InvalidTables {
  const geometry = loongarchGeometry(layout);
  return {
    pte: 0x1d0_0000, ...(geometryOf(geometry, 'pmd').folded ? {} : { pmd: 0x1d1_0000 }), ...(geometryOf(geometry, 'pud').folded ? {} : { pud: 0x1d2_0000 }),
  };
}

/** A machine: a kernel that maps modules, memory of devices and one huge page, and a process. */
export interface Sample {
  readonly tables: TableMemory;
  readonly kernel: AddressSpace<LoongarchHandles>;
  readonly user: AddressSpace<LoongarchHandles>;
}

/** Makes the machine, with this package's own accessors. */
export function sample(layout: LoongarchLayout): Sample {
  const tables = new TableMemory();
  const arch = loongarchArch({ layout, invalidTables: sampleInvalidTables(layout) }, tables);
  const { pageBytes } = arch.geometry;
  let next = TABLES;
  const alloc = (): number => {
    next += pageBytes;
    return next - pageBytes;
  };
  const kernel: AddressSpace<LoongarchHandles> = { arch, root: loongarchRoot(layout, SWAPPER, 'kernel'), mm: { user: false, tlb: NO_TLB }, alloc };
  const user: AddressSpace<LoongarchHandles> = { arch, root: loongarchRoot(layout, PROCESS, 'user'), mm: { user: true, tlb: NO_TLB }, alloc };
  newRoot(kernel).link();
  newRoot(user).link();
  const { Read, Write, Exec, Shared } = VmFlags;
  const huge = arch.hugePages[0]!.bytes;
  mapRange(kernel, KERNEL + 0x200_0000n + 2n * BigInt(pageBytes), 0x800_0000, 3 * pageBytes, arch.kernelProt(Read | Exec));
  mapRange(kernel, KERNEL + 4n * BigInt(huge), huge, huge, arch.kernelProt(Read | Write | Exec), { largestPage: huge });
  mapRange(user, 0x1_2000_0000n, 0x900_0000, 2 * pageBytes, arch.vmProt(Read | Exec));
  mapRange(user, 0x1_2000_0000n + 2n * BigInt(pageBytes), 0xa00_0000, pageBytes, arch.vmProt(Read | Write | Shared));
  return { tables, kernel, user };
}

/** An ELF core of the machine's tables, with those that map nothing. */
export function sampleDump(layout: LoongarchLayout): Uint8Array {
  const { tables } = sample(layout);
  const { pageBytes } = loongarchGeometry(layout);
  const invalid = sampleInvalidTables(layout);
  const segments = LEVELS.flatMap((level) => [...tables.addresses(level)].map((address) => ({ address, bytes: tableBytes(tables, level, address, pageBytes) })));
  const filled = (address: number | undefined, below: number | undefined): void => {
    if (address === undefined) return;
    segments.push({ address, bytes: new Uint8Array(new BigUint64Array(pageBytes / 8).fill(below === undefined ? 0n : CACHED_WINDOW | BigInt(below)).buffer) });
  };
  filled(invalid.pte, undefined);
  filled(invalid.pmd, invalid.pte);
  filled(invalid.pud, invalid.pmd);
  const swapper = (CACHED_WINDOW | BigInt(SWAPPER)).toString(16);
  const vmcoreinfo = `OSRELEASE=6.12.0\nPAGESIZE=${pageBytes}\nSYMBOL(swapper_pg_dir)=${swapper}\nSYMBOL(_stext)=9000000000201000\n`;
  return elfCore({
    machine: { elfMachine: 258, bits: 64, littleEndian: true },
    segments: segments.sort((a, b) => a.address - b.address),
    notes: [{ name: 'VMCOREINFO', type: 0, desc: new TextEncoder().encode(vmcoreinfo) }],
  });
}

/** A table as the machine has it in memory. */
function tableBytes(tables: TableMemory, level: Level, address: number, length: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(length));
  const first = tables.find(level, address);
  for (let at = 0; at < length / 8; at++) view.setBigUint64(at * 8, tables.elements[first + at]!, true);
  return new Uint8Array(view.buffer);
}
