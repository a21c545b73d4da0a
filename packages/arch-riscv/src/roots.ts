import { PgtableError, type MachineFacts, type RootCandidate, type RootSearch, type TableMemory, type Vmcoreinfo } from '@pgtable/core';
import { badLeaf, scanForRoots, tableAddress, type EntryFormat } from '@pgtable/core/arch';
import { riscvArch } from './arch.js';
import { U_LO } from './bits.js';
import { fullConfig, type RiscvConfig } from './config.js';
import { riscvFormats } from './format.js';
import { riscvGeometry, riscvRoot, riscvWindows, ROOT_BYTES, type RiscvMode } from './geometry.js';
import { addressOf, isRiscvVmcoreinfo, KERNEL_LINK_ADDR, modeOf } from './layout.js';
import { decodeSatp, encodeSatp } from './registers.js';

/** ELF's e_machine of RISC-V. */
export const EM_RISCV = 243;

/** {@link ArchPlugin.findRoots}. */
export async function findRoots(facts: MachineFacts): Promise<RootSearch> {
  if (facts.elfMachine !== undefined && facts.elfMachine !== EM_RISCV) return { candidates: [], missing: [] };
  const missing: string[] = [];
  const candidates: RootCandidate[] = [];
  const release = facts.vmcoreinfo.find(isRiscvVmcoreinfo)?.release;
  const given = facts.registers.get('satp');
  if (given !== undefined) candidates.push(fromSatp(given, facts, release));

  const kernels = facts.vmcoreinfo.filter(isRiscvVmcoreinfo);
  const found = (await Promise.all(kernels.map((vmcoreinfo) => fromVmcoreinfo(facts, vmcoreinfo, missing)))).flat();
  const bySource = (['vmcoreinfo-note', 'vmcoreinfo-scan'] as const).flatMap((source) => found.filter((one) => one.candidate.source === source));
  candidates.push(...bySource.filter(({ sound }) => sound).map((one) => one.candidate));

  if (candidates.length === 0) {
    if (kernels.length === 0) missing.push('no VMCOREINFO of a RISC-V kernel, neither as a note of the dump nor in its memory: give --satp');
    const scanned = await fromScan(facts);
    candidates.push(...scanned);
    if (scanned.length === 0) missing.push('no page of this dump looks like the root table of a RISC-V kernel: give --satp');
  }
  // What VMCOREINFO says and memory contradicts comes last.
  candidates.push(...bySource.filter(({ sound }) => !sound).map((one) => one.candidate));
  if (given === undefined) missing.push('no satp in this dump (no dump format keeps it): give --satp to read the tables of the process that ran');
  return { candidates, missing };
}

function fromSatp(value: bigint, facts: MachineFacts, release: string | undefined): RootCandidate {
  const { mode, asid, table } = decodeSatp(value, facts.bits);
  return candidate({
    role: 'current',
    source: 'given',
    config: configOf(mode, release),
    table,
    evidence: [`satp 0x${value.toString(16)} was given: ${mode}, address space ${asid}, root table at physical address 0x${table.toString(16)}.`],
    registers: { satp: value },
  });
}

interface FromVmcoreinfo {
  readonly candidate: RootCandidate;
  /** The table reads as a root with a kernel half. */
  readonly sound: boolean;
}

async function fromVmcoreinfo(facts: MachineFacts, vmcoreinfo: Vmcoreinfo, missing: string[]): Promise<FromVmcoreinfo[]> {
  const { source: where, release } = vmcoreinfo;
  const swapper = vmcoreinfo.symbol('swapper_pg_dir');
  const mode = modeOf(vmcoreinfo);
  if (swapper === undefined || mode === undefined) {
    missing.push(`${where} has no ${swapper === undefined ? 'SYMBOL(swapper_pg_dir)' : 'NUMBER(VA_BITS) of 32, 39, 48 or 57'}: give --satp.`);
    return [];
  }
  const offset = imageOffset(vmcoreinfo);
  if (offset === undefined) {
    missing.push(`${where} has neither NUMBER(va_kernel_pa_offset) nor NUMBER(phys_ram_base), so swapper_pg_dir has no physical address: give --satp.`);
    return [];
  }
  // Sv32 kernels compute with unsigned longs of 32 bits.
  const table = Number(BigInt.asUintN(mode === 'Sv32' ? 32 : 64, swapper - offset.bytes));
  const entries = await kernelEntries(facts, mode, table);
  if (entries === undefined) {
    missing.push(`${where} puts swapper_pg_dir at physical address 0x${table.toString(16)}, which is not in this dump: give --satp.`);
    return [];
  }
  const evidence = [
    `${capital(where)} is of Linux ${release ?? '(no OSRELEASE)'} with ${mode}, and has swapper_pg_dir at 0x${swapper.toString(16)}.`,
    `Less ${offset.name} that is physical address 0x${table.toString(16)}.`,
    entries > 0
      ? `The table there has ${entries} entries in the kernel half, and all of them are sound.`
      : 'The table there is not a root table: it is empty, overwritten, or this text is of another kernel.',
  ];
  const crash = vmcoreinfo.get('CRASHTIME');
  if (crash !== undefined) evidence.push(`The text has CRASHTIME=${crash}: its kernel is the one that crashed.`);
  const source = isNote(facts, vmcoreinfo) ? 'vmcoreinfo-note' : 'vmcoreinfo-scan';
  return [
    {
      sound: entries > 0,
      candidate: candidate({
        role: 'kernel',
        source,
        config: configOf(mode, release),
        table,
        evidence,
        registers: { satp: encodeSatp(mode, table), swapper_pg_dir: swapper, VA_BITS: BigInt(mode.slice(2)), ...offset.registers },
      }),
    },
  ];
}

/** What to take from an address of the kernel image to get the physical one. */
function imageOffset(vmcoreinfo: Vmcoreinfo): { bytes: bigint; name: string; registers: Record<string, bigint> } | undefined {
  const offset = addressOf(vmcoreinfo, 'va_kernel_pa_offset');
  if (offset !== undefined) return { bytes: offset, name: `va_kernel_pa_offset (0x${offset.toString(16)})`, registers: { va_kernel_pa_offset: offset } };
  // Kernels before 6.4 do not say; their image begins where phys_ram_base is, the memory below it being the firmware's.
  const base = addressOf(vmcoreinfo, 'phys_ram_base');
  if (base === undefined) return undefined;
  const link = addressOf(vmcoreinfo, 'KERNEL_LINK_ADDR') ?? KERNEL_LINK_ADDR;
  return { bytes: link - base, name: `KERNEL_LINK_ADDR (0x${link.toString(16)}) and plus phys_ram_base (0x${base.toString(16)})`, registers: { phys_ram_base: base } };
}

/** Entries in the kernel half of a root; 0 if it has none or a bad one, undefined if the table is not in the dump. */
async function kernelEntries(facts: MachineFacts, mode: RiscvMode, table: number): Promise<number | undefined> {
  const { entryBytes } = riscvGeometry(mode);
  const bytes = table % ROOT_BYTES === 0 ? await facts.memory.read(table, ROOT_BYTES) : undefined;
  if (bytes === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, ROOT_BYTES);
  const format = riscvFormats(fullConfig({ mode }))[4]!;
  const inMemory = (address: number): boolean => facts.memory.ranges.some(({ start, end }) => address >= start && address < end);
  let found = 0;
  for (let at = (riscvWindows(mode)[1]!.index) * entryBytes; at < ROOT_BYTES; at += entryBytes) {
    const lo = view.getInt32(at, true);
    const hi = entryBytes === 8 ? view.getInt32(at + 4, true) : 0;
    if ((lo | hi) === 0) continue;
    if (!soundRootEntry(format, lo, hi, inMemory)) return 0;
    found++;
  }
  return found;
}

function soundRootEntry(format: EntryFormat, lo: number, hi: number, inMemory: (address: number) => boolean): boolean {
  if ((lo & format.validMask) !== format.validValue) return false;
  if ((lo & format.tableMask) !== format.tableValue) return !badLeaf(format, lo, hi);
  return ((lo & format.reservedTableLo) | (hi & format.reservedTableHi)) === 0 && inMemory(tableAddress(format, lo, hi));
}

/** Whether a VMCOREINFO came from a note of the dump: the facts have the texts of both kinds in one list. */
function isNote(facts: MachineFacts, vmcoreinfo: Vmcoreinfo): boolean {
  return facts.notes.some(({ name, desc }) => name === 'VMCOREINFO' && beginsWith(desc, vmcoreinfo.text));
}

function beginsWith(bytes: Uint8Array, text: string): boolean {
  if (bytes.length < text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[i] !== text.charCodeAt(i)) return false;
  return true;
}

/** Leaves in a guess's sample from which on no smaller mode is tried: the smallest kernels have hundreds. */
const CONVINCING = 64;

/**
 * By shape. A table below the root of a larger mode is a fine root of a smaller one, so the largest mode goes first, and it
 * holds if it found a whole kernel. Else the best of all modes does: boot-time tables of a few entries fit more than one.
 */
async function fromScan(facts: MachineFacts): Promise<RootCandidate[]> {
  const modes: RiscvMode[] = facts.bits === 32 ? ['Sv32'] : ['Sv57', 'Sv48', 'Sv39'];
  const release = facts.vmcoreinfo.find(isRiscvVmcoreinfo)?.release;
  const found: RootCandidate[] = [];
  for (const mode of modes) {
    const config = configOf(mode, release);
    const guesses = await scanForRoots(facts.memory, {
      geometry: riscvGeometry(mode),
      formats: riscvFormats(fullConfig(config)),
      littleEndian: true,
      top: 'pgd',
      rootBytes: ROOT_BYTES,
      rootAlign: ROOT_BYTES,
      windows: riscvWindows(mode),
      userLeafMask: U_LO,
    });
    const candidates = guesses.map(({ table, score, evidence }) =>
      candidate({
        role: 'kernel',
        source: 'structural-scan',
        config,
        table,
        score,
        evidence: [...evidence, `It was read as ${mode}; give --satp if that is wrong.`],
        registers: { satp: encodeSatp(mode, table) },
      }),
    );
    if (guesses.some(({ score }) => score >= CONVINCING)) return candidates;
    found.push(...candidates);
  }
  return found.sort((a, b) => (b.score ?? 0) - (a.score ?? 0));
}

interface Finding extends Pick<RootCandidate, 'role' | 'source' | 'table' | 'evidence' | 'registers'> {
  readonly score?: number;
  readonly config: RiscvConfig;
}

function candidate({ config, ...found }: Finding): RootCandidate {
  const entryBytes = config.mode === 'Sv32' ? 4 : 8;
  return {
    ...found,
    variant: config.mode,
    entryBytes,
    open(tables: TableMemory) {
      if (found.table >= 2 ** 56) throw new PgtableError('EINVAL', `a root table at 0x${found.table.toString(16)} is beyond 56 bits of physical address`);
      return { arch: riscvArch(config, tables), root: riscvRoot(config.mode, found.table) };
    },
  };
}

function configOf(mode: RiscvMode, release: string | undefined): RiscvConfig {
  return release === undefined ? { mode } : { mode, release };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
