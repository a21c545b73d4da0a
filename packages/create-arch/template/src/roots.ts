import { PgtableError, type MachineFacts, type RootCandidate, type RootSearch, type TableMemory, type Vmcoreinfo } from '@pgtable/core';
import { scanForRoots } from '@pgtable/core/arch';
import { trioArch } from './arch.js';
import { U_LO } from './bits.js';
import type { TrioConfig } from './config.js';
import { trioFormats } from './format.js';
import { ROOT_BYTES, TRIO_GEOMETRY, trioRoot, TRIO_WINDOWS } from './geometry.js';

/** ELF's e_machine. REPLACE: this number is of no machine. */
export const EM_TRIO = 0xfe01;

/** A key of VMCOREINFO that this architecture's kernels alone write. REPLACE by one of yours (arch_crash_save_vmcoreinfo). */
export const OFFSET_KEY = 'trio_va_offset';

/** What the root register holds: bits 47:12 the root table, bits 63:48 the address space. REPLACE by your manual's figure. */
export interface RootRegister {
  readonly asid: number;
  /** Physical address of the root table. */
  readonly table: number;
}

/**
 * Decodes the root register.
 *
 * @throws PgtableError `EINVAL` if the value is no 64-bit value or a reserved bit (11:0) is set
 */
export function decodePgroot(value: bigint): RootRegister {
  if (value < 0n || value >= 1n << 64n || (value & 0xfffn) !== 0n) {
    throw new PgtableError('EINVAL', `pgroot 0x${value.toString(16)} cannot be a root register`, {
      hint: 'give the whole register: root table in bits 47:12, address space in bits 63:48',
    });
  }
  return { asid: Number(value >> 48n), table: Number(value & 0xffff_ffff_f000n) };
}

/**
 * {@link ArchPlugin.findRoots}: a register that was given, else what the kernel's VMCOREINFO says, else tables that look like a root.
 *
 * REPLACE: the order stays; the rest is what your dumps say. What is looked for and not found goes into `missing`, with the flag that would help.
 */
export async function findRoots(facts: MachineFacts): Promise<RootSearch> {
  if (facts.elfMachine !== undefined && facts.elfMachine !== EM_TRIO) return { candidates: [], missing: [] };
  const candidates: RootCandidate[] = [];
  const missing: string[] = [];
  const kernel = facts.vmcoreinfo.find((vmcoreinfo) => vmcoreinfo.number(OFFSET_KEY) !== undefined);
  const config: TrioConfig = kernel?.release === undefined ? {} : { release: kernel.release };

  const given = facts.registers.get('pgroot');
  if (given === undefined) {
    missing.push('no root register in this dump: give --pgroot to read the tables of the process that ran');
  } else {
    const { asid, table } = decodePgroot(given);
    const evidence = [`pgroot 0x${given.toString(16)} was given: address space ${asid}, root table at physical address 0x${table.toString(16)}.`];
    candidates.push(candidate({ role: 'current', source: 'given', table, evidence, registers: { pgroot: given } }, config));
  }

  const found = kernel === undefined ? undefined : fromVmcoreinfo(kernel);
  if (kernel !== undefined && found !== undefined) candidates.push(candidate(found, config));
  else if (kernel === undefined) missing.push(`no VMCOREINFO with NUMBER(${OFFSET_KEY}): give --pgroot`);
  else missing.push(`${kernel.source} has no SYMBOL(swapper_pg_dir): give --pgroot`);
  if (candidates.length === 0) candidates.push(...(await fromScan(facts, config)));
  return { candidates, missing };
}

/** What differs between candidates. */
type Found = Pick<RootCandidate, 'role' | 'source' | 'table' | 'evidence' | 'registers'> & { readonly score?: number };

/** The kernel's own root: the address of swapper_pg_dir, less what separates the kernel image from physical memory. */
function fromVmcoreinfo(vmcoreinfo: Vmcoreinfo): Found | undefined {
  const swapper = vmcoreinfo.symbol('swapper_pg_dir');
  const offset = vmcoreinfo.number(OFFSET_KEY);
  if (swapper === undefined || offset === undefined) return undefined;
  const table = Number(BigInt.asUintN(64, swapper - offset));
  return {
    role: 'kernel', source: 'vmcoreinfo-note', table,
    evidence: [`${vmcoreinfo.source} has swapper_pg_dir at 0x${swapper.toString(16)}, which is physical address 0x${table.toString(16)}.`],
    registers: { pgroot: BigInt(table), swapper_pg_dir: swapper },
  };
}

/** By shape alone. With several variants try the one with most levels first: its lower tables look like roots of the smaller ones. */
async function fromScan(facts: MachineFacts, config: TrioConfig): Promise<RootCandidate[]> {
  const guesses = await scanForRoots(facts.memory, {
    geometry: TRIO_GEOMETRY,
    formats: trioFormats(),
    littleEndian: true,
    top: 'pgd',
    rootBytes: ROOT_BYTES,
    rootAlign: ROOT_BYTES,
    windows: TRIO_WINDOWS,
    userLeafMask: U_LO,
  });
  return guesses.map(({ table, score, evidence }) =>
    candidate({ role: 'kernel', source: 'structural-scan', table, score, evidence, registers: { pgroot: BigInt(table) } }, config),
  );
}

function candidate(found: Found, config: TrioConfig): RootCandidate {
  return {
    ...found,
    variant: '3-level',
    entryBytes: 8,
    open: (tables: TableMemory) => ({ arch: trioArch(config, tables), root: trioRoot(found.table) }),
  };
}
