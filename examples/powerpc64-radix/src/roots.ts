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
  const bits = Number((((value >> 61n) & 3n) << 3n) | ((value >> 5n) & 7n)) + 31;
  const size = Number(value & 31n);
  if (value < 0n || value >= 1n << 64n || bits !== EA_BITS || size !== 13) {
    throw new PgtableError('EINVAL', `prte 0x${value.toString(16)} cannot be an entry of Linux's process table: ${bits} bits, ${size} by the root`, {
      hint: 'give the first 8 bytes of the entry: RTS says 52 bits, RPDS 13',
    });
  }
  return { table: Number(value & ADDRESS), bits, size };
}

/**
 * {@link ArchPlugin.findRoots}: a process-table entry that was given, or the partition table that was; else what the kernel's VMCOREINFO says. Tables are not
 * looked for by their shape: core's scan takes entries by their low word, and V and L are in the high one.
 */
export async function findRoots(facts: MachineFacts): Promise<RootSearch> {
  if (facts.elfMachine !== undefined && facts.elfMachine !== EM_PPC64) return { candidates: [], missing: [] };
  const missing: string[] = [];
  const found: Found[] = [];
  const kernel = facts.vmcoreinfo.find((vmcoreinfo) => vmcoreinfo.number(RADIX_KEY) !== undefined);

  const prte = facts.registers.get('prte');
  const pid = facts.registers.get('pidr') ?? 0n;
  if (prte !== undefined) found.push(given(prte, pid, { prte }, `prte 0x${prte.toString(16)} was given`));
  const ptcr = facts.registers.get('ptcr');
  if (ptcr !== undefined) {
    const entry = await fromPartitionTable(facts.memory, ptcr, pid);
    if (typeof entry === 'string') missing.push(entry);
    else found.push(given(entry.prte, pid, { ptcr, ...(pid === 0n ? {} : { pidr: pid }) }, `ptcr 0x${ptcr.toString(16)} was given, whose ${entry.where}`));
  }
  if (prte === undefined && ptcr === undefined) missing.push('no root register in this dump: give --ptcr (and --pidr) or --prte to read the tables of a process');

  if (kernel === undefined) missing.push(`no VMCOREINFO with NUMBER(${RADIX_KEY}): give --ptcr or --prte`);
  else if (kernel.number(RADIX_KEY) !== 1n) missing.push(`${kernel.source} says that the kernel uses the hash MMU, which has no tables like these`);
  else {
    const root = fromVmcoreinfo(kernel);
    if (root === undefined) missing.push(`${kernel.source} has no SYMBOL(swapper_pg_dir) in the linear mapping: give --ptcr or --prte`);
    else found.push(root);
  }
  const configs = configurations(kernel);
  if (configs.length > 1 && found.length > 0) missing.push('no PAGESIZE in VMCOREINFO: the tables are tried with pages of 64 KiB, then of 4 KiB');
  return { candidates: found.flatMap((root) => configs.map((config) => candidate(root, config))), missing };
}

/** What differs between candidates. */
type Found = Pick<RootCandidate, 'role' | 'source' | 'table' | 'evidence' | 'registers'> & { readonly half: VaWindow['half'] };

function given(prte: bigint, pid: bigint, registers: Readonly<Record<string, bigint>>, how: string): Found {
  const { table } = decodePrte(prte);
  const half = pid === 0n ? 'kernel' : 'user';
  return {
    role: half === 'kernel' ? 'kernel' : 'current', source: 'given', table, half, registers,
    evidence: [`${how}: root table of process ${pid} at real address 0x${table.toString(16)}.`],
  };
}

/** By PTCR to the process table of partition 0, and there to the entry of a process. Returns: why not, if it cannot be read. */
async function fromPartitionTable(memory: PhysicalReader, ptcr: bigint, pid: bigint): Promise<{ readonly prte: bigint; readonly where: string } | string> {
  const partitions = Number(ptcr & ADDRESS & ~0xfffn);
  const prtb = await doubleword(memory, partitions + 8);
  if (prtb === undefined) return `the partition table at real address 0x${partitions.toString(16)} is not in this dump: give --prte`;
  const processes = Number(prtb & ADDRESS & ~0xfffn);
  const prte = await doubleword(memory, processes + Number(pid) * 16);
  if (prte === undefined) return `the process table at real address 0x${processes.toString(16)} is not in this dump: give --prte`;
  return { prte, where: `process table is at real address 0x${processes.toString(16)}` };
}

/** Eight bytes of memory; what the processor reads of these tables is big-endian. */
async function doubleword(memory: PhysicalReader, address: number): Promise<bigint | undefined> {
  const bytes = await memory.read(address, 8);
  return bytes === undefined ? undefined : new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0);
}

/** The kernel's own root: swapper_pg_dir is in the linear mapping. */
function fromVmcoreinfo(vmcoreinfo: Vmcoreinfo): Found | undefined {
  const swapper = vmcoreinfo.symbol('swapper_pg_dir');
  if (swapper === undefined || swapper < PAGE_OFFSET || swapper >= PAGE_OFFSET + (1n << 51n)) return undefined;
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
