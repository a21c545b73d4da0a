import { elfCore, type ElfSegment } from '@pgtable/memory';

/*
 * Machines made by hand: every entry is written out, so that the expected answers can be read off the manuals' figures.
 * All tables lie in one piece of memory from 0x1000 on, one to a page.
 */

type Tables = Readonly<Record<number, Readonly<Record<number, bigint>>>>;

/** Table pages by address, entries by index. */
function memoryOf(tables: Tables, littleEndian = true): ElfSegment {
  const addresses = Object.keys(tables).map(Number);
  const bytes = new Uint8Array(Math.max(...addresses));
  const view = new DataView(bytes.buffer);
  for (const address of addresses) {
    for (const [index, entry] of Object.entries(tables[address]!)) view.setBigUint64(address - 0x1000 + Number(index) * 8, entry, littleEndian);
  }
  return { address: 0x1000, bytes };
}

const NX = 1n << 63n;

/** x86, 4-level, root at 0x1000. Entry bits: Intel SDM vol. 3, 4.5.5: P 1, RW 2, US 4, A 0x20, D 0x40, PS 0x80, G 0x100. */
const X86_TABLES: Tables = {
  0x1000: { 0: 0x2067n, 273: 0x3063n },
  // User half: 0x0.
  0x2000: { 0: 0x4067n },
  0x4000: {
    0: 0x5067n,
    1: 0x400000n | 0xe7n | NX,
    // A table at an address where there is no memory.
    2: 0x99000n | 0x67n,
  },
  0x5000: {
    1: 0x10067n | NX,
    2: 0x11025n,
    // PROT_NONE (bit 8) over the page at 0x12000: the frame is stored inverted since 4.19.
    3: (~0x12000n & 0xffffffffff000n) | 0x100n,
    // Swap type 1, offset 0x1234, inverted in bits 58:9; bit 3 exclusive.
    4: (1n << 59n) | ((~0x1234n & (2n ** 50n - 1n)) << 9n) | 8n,
  },
  // Kernel half: 0xffff888000000000.
  0x3000: { 0: 0x6063n, 1: 0x40000000n | 0x1e3n | NX },
  0x6000: { 0: 0x7063n },
  0x7000: {
    0: 0x10163n | NX,
    1: 0x11121n,
    // Writable and executable, twice.
    2: 0x12163n,
    3: 0x13163n,
    4: 0x14121n | NX,
  },
};

export const X86_MEMORY = memoryOf(X86_TABLES);
export const X86_FLAGS = ['--cr3', '0x1000'];
export const X86_WX_START = 0xffff888000002000n;

export interface Note {
  readonly name: string;
  readonly type: number;
  readonly desc: Uint8Array;
}

export function x86Elf(notes: readonly Note[] = []): Uint8Array {
  return elfCore({ machine: { elfMachine: 62, bits: 64, littleEndian: true }, segments: [X86_MEMORY], notes });
}

/** The same without what is writable and executable. */
export function x86SoundElf(): Uint8Array {
  const tables = { ...X86_TABLES, 0x7000: { 0: 0x10163n | NX, 1: 0x11121n } };
  return elfCore({ machine: { elfMachine: 62, bits: 64, littleEndian: true }, segments: [memoryOf(tables)] });
}

/** The same with every table that its entries point to. */
export function x86WholeElf(): Uint8Array {
  const tables = { ...X86_TABLES, 0x4000: { 0: 0x5067n }, 0x7000: { 0: 0x10163n | NX, 1: 0x11121n } };
  return elfCore({ machine: { elfMachine: 62, bits: 64, littleEndian: true }, segments: [memoryOf(tables)] });
}

const UXN = 1n << 54n;
const PXN = 1n << 53n;
const CONT = 1n << 52n;
/** A valid page with AF and SH inner (Arm ARM D8.3). */
const PAGE = 3n | (3n << 8n) | (1n << 10n);
const RDONLY = 1n << 7n;
const USER = 1n << 6n;
const NG = 1n << 11n;

/** arm64, 4K, 48 bits: TTBR1 0x1000, TTBR0 0x5000. */
const ARM64_TABLES: Tables = {
  // Kernel half: 0xffff000000000000.
  0x1000: { 0: 0x2003n },
  0x2000: { 0: 0x3003n },
  0x3000: { 0: 0x4003n },
  0x4000: {
    0: 0x10000n | PAGE | PXN | UXN,
    1: 0x11000n | PAGE | RDONLY | UXN,
    2: 0x12000n | PAGE | UXN,
    3: 0x13000n | PAGE | RDONLY | PXN,
    ...Object.fromEntries(Array.from({ length: 16 }, (_, at) => [16 + at, (0x20000n + BigInt(at) * 0x1000n) | PAGE | PXN | UXN | CONT])),
  },
  0x5000: { 0: 0x6003n },
  0x6000: { 0: 0x7003n },
  0x7000: { 0: 0x8003n },
  0x8000: { 1: 0x30000n | PAGE | USER | RDONLY | NG | PXN },
};

export const ARM64_MEMORY = memoryOf(ARM64_TABLES);
/** T0SZ and T1SZ 16, TG1 4K, 48-bit physical addresses, TBI0. */
export const ARM64_TCR = 16n | (16n << 16n) | (2n << 30n) | (5n << 32n) | (1n << 37n);
export const ARM64_FLAGS = ['--ttbr1', '0x1000', '--ttbr0', '0x5000', '--tcr', `0x${ARM64_TCR.toString(16)}`];

export function arm64Elf(notes: readonly Note[] = []): Uint8Array {
  return elfCore({ machine: { elfMachine: 183, bits: 64, littleEndian: true }, segments: [ARM64_MEMORY], notes });
}

export function vmcoreinfo(text: string): Note {
  return { name: 'VMCOREINFO', type: 0, desc: new TextEncoder().encode(text) };
}

/** An arm64 kernel whose swapper_pg_dir is at a physical address. */
export function arm64Vmcoreinfo(release: string, swapper: number): string {
  return [
    `OSRELEASE=${release}`, 'PAGESIZE=4096', `SYMBOL(swapper_pg_dir)=${(0xffff800081000000n + BigInt(swapper)).toString(16)}`,
    'NUMBER(kimage_voffset)=0xffff800081000000', 'NUMBER(VA_BITS)=48', 'NUMBER(TCR_EL1_T1SZ)=0x10', '',
  ].join('\n');
}

/**
 * Two x86 kernels, the second 2 MiB further up in its own tables and at the same physical address: roots at 0x1000 and 0x2000. Each
 * maps its image, writable and executable.
 */
export const TWO_KERNELS = memoryOf({
  0x1000: { 511: 0x3063n },
  0x2000: { 511: 0x4063n },
  0x3000: { 510: 0x5063n },
  0x4000: { 510: 0x6063n },
  0x5000: { 0: 0x1e3n },
  0x6000: { 1: 0x1e3n },
});

/** What the one with its root at a physical address and its image moved by `offset` says of itself. */
export function x86Vmcoreinfo(release: string, root: number, offset: number): string {
  return [
    `OSRELEASE=${release}`, 'PAGESIZE=4096', `SYMBOL(init_top_pgt)=${(0xffffffff80000000n + BigInt(offset + root)).toString(16)}`,
    `NUMBER(phys_base)=${-offset}`, 'NUMBER(pgtable_l5_enabled)=0', `KERNELOFFSET=${offset.toString(16)}`, '',
  ].join('\n');
}
