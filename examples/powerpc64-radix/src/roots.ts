import {
  PgtableError, type MachineFacts, type PhysicalReader, type RootCandidate, type RootSearch, type TableMemory, type VaWindow, type Vmcoreinfo,
} from '@pgtable/core';
import { powerpc64Arch, variantName } from './arch.js';
import { NLB_HI, NLB_LO } from './bits.js';
import type { Powerpc64Config } from './config.js';
import { EA_BITS, powerpc64Root } from './geometry.js';

/** ELF's e_machine of 64-bit PowerPC, EM_PPC64, of both byte orders. */
export const EM_PPC64 = 21;

/** The key of VMCOREINFO that this architecture's kernels alone write: 1 under radix, 0 under the hash MMU. */
export const RADIX_KEY = 'RADIX_MMU';

/** Where the kernel's linear mapping begins; its image is in it. */
const PAGE_OFFSET = 0xc000_0000_0000_0000n;

const ADDRESS = (BigInt(NLB_HI) << 32n) | BigInt(NLB_LO >>> 0);

/** What the first doubleword of a process-table entry says of a tree. */
export interface TreeRoot {
  /** Real address of the root table (RPDB). */
  readonly table: number;
  /** Bits of an effective address that are translated (RTS). */
  readonly bits: number;
  /** The root table has 2 ** size entries (RPDS). */
  readonly size: number;
}

/**
 * Decodes the first doubleword of a process-table entry: RTS in bits 62:61 and 7:5, RPDB in bits 59:8, RPDS in bits 4:0.
 *
 * @throws PgtableError `EINVAL` if it describes no tree of Linux: 52 bits, of which the root translates 13
 */
export function decodePrte(value: bigint): TreeRoot {
  const tree = treeOf(value);
  if (tree !== undefined) return tree;
  throw new PgtableError('EINVAL', `prte 0x${value.toString(16)} cannot be an entry of Linux's process table`, {
    hint: 'give the first 8 bytes of the entry: RTS says 52 bits, of which RPDS gives 13 to the root',
  });
}

function treeOf(value: bigint): TreeRoot | undefined {
  const bits = Number((((value >> 61n) & 3n) << 3n) | ((value >> 5n) & 7n)) + 31;
  const size = Number(value & 31n);
  return value < 0n || value >= 1n << 64n || bits !== EA_BITS || size !== 13 ? undefined : { table: Number(value & ADDRESS), bits, size };
}

/**
 * {@link ArchPlugin.findRoots}: a process-table entry that was given, or the partition table that was; then what the kernel's VMCOREINFO says. Tables are not
 * looked for by their shape: core's scan takes entries by their low word, and V and L are in the high one.
 */
export async function findRoots(facts: MachineFacts): Promise<RootSearch> {
  if (facts.elfMachine !== undefined && facts.elfMachine !== EM_PPC64) return { candidates: [], missing: [] };
  const missing: string[] = [];
  const found: Found[] = [];

  const prte = facts.registers.get('prte');
  const ptcr = facts.registers.get('ptcr');
  const pid = facts.registers.get('pidr') ?? 0n;
  if (prte !== undefined) found.push(given(decodePrte(prte).table, pid, { prte }, `prte 0x${prte.toString(16)} was given`));
  if (ptcr !== undefined) {
    const processes = await processTable(facts.memory, ptcr);
    for (const one of pid === 0n ? [0n] : [pid, 0n]) {
      const root = typeof processes === 'string' ? processes : await processRoot(facts.memory, processes, one, ptcr);
      if (typeof root !== 'string') found.push(root);
      else if (!missing.includes(root)) missing.push(root);
    }
  }
  if (prte === undefined && ptcr === undefined) missing.push('no root register in this dump: give --ptcr (and --pidr) or --prte to read the tables of a process');

  const kernel = facts.vmcoreinfo.find((vmcoreinfo) => vmcoreinfo.number(RADIX_KEY) !== undefined);
  const own = kernel === undefined ? `no VMCOREINFO with NUMBER(${RADIX_KEY}): give --ptcr or --prte` : kernelRoot(kernel);
  if (typeof own === 'string') missing.push(own);
  else found.push(own);

  const configs = configurations(kernel);
  if (configs.length > 1 && found.length > 0) missing.push('no PAGESIZE in VMCOREINFO: the tables are tried with pages of 64 KiB, then of 4 KiB');
  return { candidates: found.flatMap((root) => configs.map((config) => candidate(root, config))), missing };
}

/** What differs between candidates. */
type Found = Pick<RootCandidate, 'role' | 'source' | 'table' | 'evidence' | 'registers'> & { readonly half: VaWindow['half'] };

function given(table: number, pid: bigint, registers: Readonly<Record<string, bigint>>, how: string): Found {
  const kernel = pid === 0n;
  return {
    role: kernel ? 'kernel' : 'current', source: 'given', table, half: kernel ? 'kernel' : 'user', registers: kernel ? registers : { ...registers, pidr: pid },
    evidence: [`${how}: root table of process ${pid} at real address 0x${table.toString(16)}.`],
  };
}

/** Where partition 0 has its process table. Returns: why not, if nothing says so. */
async function processTable(memory: PhysicalReader, ptcr: bigint): Promise<number | string> {
  const partitions = Number(ptcr & ADDRESS & ~0xfffn);
  const radix = await doubleword(memory, partitions);
  const processes = await doubleword(memory, partitions + 8);
  if (radix === undefined || processes === undefined) return `the partition table at real address 0x${partitions.toString(16)} is not in this dump: give --prte`;
  if (radix >> 63n === 0n) return `partition 0 of the table at real address 0x${partitions.toString(16)} uses the hash MMU, which has no tables like these`;
  return Number(processes & ADDRESS & ~0xfffn);
}

/** The root of a process. Returns: why not, if its entry cannot be read or is none. */
async function processRoot(memory: PhysicalReader, processes: number, pid: bigint, ptcr: bigint): Promise<Found | string> {
  const prte = await doubleword(memory, processes + Number(pid) * 16);
  if (prte === undefined) return `process ${pid} of the process table at real address 0x${processes.toString(16)} is not in this dump: give --prte`;
  const tree = treeOf(prte);
  if (tree === undefined) return `process ${pid} has no tree of Linux: its entry of the process table is 0x${prte.toString(16)}`;
  return given(tree.table, pid, { ptcr }, `ptcr 0x${ptcr.toString(16)} was given, by which the process table is at real address 0x${processes.toString(16)}`);
}

/** Eight bytes of memory; what the processor reads of these tables is big-endian. */
async function doubleword(memory: PhysicalReader, address: number): Promise<bigint | undefined> {
  const bytes = await memory.read(address, 8);
  return bytes === undefined ? undefined : new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0);
}

/** The kernel's own root: swapper_pg_dir is in the linear mapping. Returns: why not, if the kernel has none. */
function kernelRoot(vmcoreinfo: Vmcoreinfo): Found | string {
  if (vmcoreinfo.number(RADIX_KEY) !== 1n) return `${vmcoreinfo.source} says that the kernel uses the hash MMU, which has no tables like these`;
  const swapper = vmcoreinfo.symbol('swapper_pg_dir');
  if (swapper === undefined || swapper < PAGE_OFFSET || swapper >= PAGE_OFFSET + (1n << 51n)) {
    return `${vmcoreinfo.source} has no SYMBOL(swapper_pg_dir) in the linear mapping: give --ptcr or --prte`;
  }
  const table = Number(swapper - PAGE_OFFSET);
  return {
    role: 'kernel', source: 'vmcoreinfo-note', table, half: 'kernel', registers: { swapper_pg_dir: swapper },
    evidence: [`${vmcoreinfo.source} has swapper_pg_dir at 0x${swapper.toString(16)}, which is real address 0x${table.toString(16)}.`],
  };
}

/** The page sizes that may be, likeliest first. */
function configurations(kernel: Vmcoreinfo | undefined): readonly Powerpc64Config[] {
  const pageBytes = kernel?.get('PAGESIZE');
  const release = kernel?.release === undefined ? {} : { release: kernel.release };
  const sizes = pageBytes === '4096' ? ([4096] as const) : pageBytes === '65536' ? ([65536] as const) : ([65536, 4096] as const);
  return sizes.map((size) => ({ pageBytes: size, ...release }));
}

function candidate({ half, ...found }: Found, config: Powerpc64Config): RootCandidate {
  return {
    ...found,
    variant: variantName(config.pageBytes ?? 65536),
    entryBytes: 8,
    open: (tables: TableMemory) => ({ arch: powerpc64Arch(config, tables), root: powerpc64Root(found.table, half) }),
  };
}
