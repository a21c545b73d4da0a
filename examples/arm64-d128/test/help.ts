import { LEVELS, LOW_WORD, NO_TLB, geometryOf, TableMemory, VmFlags, type Level, type Prot } from '@pgtable/core';
import { elfCore, type ElfSegment } from '@pgtable/memory';
import { mapRange, newRoot, type AddressSpace } from '@pgtable/walk';
import { d128Arch, d128Root, type D128Config, type D128Handles } from '../src/index.js';

export const KiB = 2 ** 10;
export const MiB = 2 ** 20;
export const GiB = 2 ** 30;

/** A space, the memory that its tables are in, and how to make more of them. */
export interface Built {
  readonly config: D128Config;
  readonly tables: TableMemory;
  readonly space: AddressSpace<D128Handles>;
}

/** An empty space whose tables stand from a physical address on, the root first. */
export function emptySpace(config: D128Config, root: number): Built {
  const tables = new TableMemory({ entryBytes: 16 });
  const arch = d128Arch(config, tables);
  let next = root + 0x10000;
  const space: AddressSpace<D128Handles> = {
    arch,
    root: d128Root(config, root),
    mm: { user: config.half === 'ttbr0', tlb: NO_TLB },
    alloc(level: Level) {
      const bytes = geometryOf(arch.geometry, level).entries * 16;
      const at = Math.ceil(next / bytes) * bytes;
      next = at + bytes;
      return at;
    },
  };
  newRoot(space).link();
  return { config, tables, space };
}

/** The kernel's half: 64 GiB + 256 MiB + 1 MiB + 4 KiB of memory in the largest pages that fit, two pages of code, and a page that is only read. */
export function kernelSpace(config: Omit<D128Config, 'half'> = { vaBits: 48 }): Built {
  const built = emptySpace({ ...config, half: 'ttbr1' }, 0x8000_0000);
  const { space } = built;
  const prot = (flags: number): Prot => space.arch.kernelProt(flags);
  mapRange(space, KERNEL, 64 * GiB, 64 * GiB + 256 * MiB + MiB + 4 * KiB, prot(VmFlags.Read | VmFlags.Write), { largestPage: Infinity });
  mapRange(space, TEXT, 0x4020_0000, 8 * KiB, prot(VmFlags.Read | VmFlags.Exec));
  mapRange(space, TEXT + 0x2000n, 0x4050_0000, 4 * KiB, prot(VmFlags.Read));
  return built;
}

/** Where the kernel's memory begins in the 48-bit space of {@link kernelSpace}: the second 64 GiB of its half. */
export const KERNEL = 0xffff_0010_0000_0000n;
/** Where its code begins. */
export const TEXT = 0xffff_8000_0000_0000n;

/** A process: two shared pages, a private page of code, PROT_NONE, and 1 MiB in one page. */
export function userSpace(): Built {
  const built = emptySpace({ half: 'ttbr0', vaBits: 48 }, 0x9000_0000);
  const { space } = built;
  const prot = (flags: number): Prot => space.arch.vmProt(flags);
  mapRange(space, 0x40_0000n, 0x1_2345_6000, 8 * KiB, prot(VmFlags.Read | VmFlags.Write | VmFlags.Shared));
  mapRange(space, 0x40_2000n, 0x7000, 4 * KiB, prot(VmFlags.Read | VmFlags.Exec));
  mapRange(space, 0x40_3000n, 0x9000, 4 * KiB, prot(0));
  mapRange(space, 0x80_0000n, 0x30_0000, MiB, prot(VmFlags.Read), { largestPage: MiB });
  return built;
}

/** The tables as a machine has them in its memory: 16 bytes an entry, in its byte order. */
export function images({ tables, space: { arch } }: Built): ElfSegment[] {
  const { littleEndian } = arch;
  return LEVELS.flatMap((level) => [...tables.addresses(level)].map((address) => {
    const { entries } = geometryOf(arch.geometry, level);
    const bytes = new Uint8Array(entries * 16);
    const view = new DataView(bytes.buffer);
    const first = tables.find(level, address);
    for (let at = 0; at < entries; at++) {
      const low = tables.elements[(first + at) * 2 + LOW_WORD]!;
      const high = tables.elements[(first + at) * 2 + 1 - LOW_WORD]!;
      view.setBigUint64(at * 16 + (littleEndian ? 0 : 8), low, littleEndian);
      view.setBigUint64(at * 16 + (littleEndian ? 8 : 0), high, littleEndian);
    }
    return { address, bytes };
  }));
}

/** A dump of nothing but tables, as an ELF core of an arm64 machine. */
export function dumpOf(...spaces: readonly Built[]): Uint8Array {
  return elfCore({ machine: { elfMachine: 183, bits: 64, littleEndian: spaces[0]!.space.arch.littleEndian }, segments: spaces.flatMap(images) });
}
