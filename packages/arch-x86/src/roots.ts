import { geometryOf, PgtableError, type MachineFacts, type RootCandidate, type RootSearch, type RootSource, type Vmcoreinfo } from '@pgtable/core';
import { scanForRoots } from '@pgtable/core/arch';
import { VARIANTS, x86Arch } from './arch.js';
import { CR0_PG, CR4_LA57, CR4_PAE, CR4_PSE, EFER_LMA, EFER_NXE, US } from './bits.js';
import { fullConfig, type X86Config } from './config.js';
import { strictFormats } from './format.js';
import { is64Bit, PAGE_OFFSET_32, x86Geometry, x86Root, x86Windows, type PagingMode } from './geometry.js';
import { peekPtiPair, peekRoot, peekTranslate } from './peek.js';
import { decodeCr3, pagingMode, parseQemuNote, type ControlRegisters, type QemuCpu } from './registers.js';
import { EM_386, EM_X86_64, imagePhysical, kernelFacts, PAGE_OFFSETS_32, START_KERNEL_MAP, type KernelFacts } from './vmcoreinfo.js';

/** A VMCOREINFO of an x86 kernel, and what it says. */
interface Kernel {
  readonly info: Vmcoreinfo;
  readonly facts: KernelFacts;
}

/** A candidate in the making. */
interface Found {
  readonly role: RootCandidate['role'];
  readonly source: RootSource;
  readonly config: X86Config;
  readonly table: number;
  readonly evidence: readonly string[];
  readonly registers: Readonly<Record<string, bigint>>;
  readonly score?: number;
}

/**
 * Finds the root tables of an x86 machine.
 *
 * - `current`: CR3, as given or as a QEMU note has it for each processor
 * - `user`, and a second `current`: the two halves of page-table isolation, where CR3 is one of them
 * - `kernel`: init_top_pgt (32-bit: swapper_pg_dir) of each VMCOREINFO; only if there is none, by a scan of memory
 *
 * @throws PgtableError `EINVAL` for a given register with an impossible value
 */
export async function findRoots(facts: MachineFacts): Promise<RootSearch> {
  const { elfMachine } = facts;
  if (facts.littleEndian === false || (elfMachine !== undefined && elfMachine !== EM_386 && elfMachine !== EM_X86_64)) return { candidates: [], missing: [] };
  const search = new Search(facts);
  await search.fromRegisters();
  await search.fromVmcoreinfo();
  if (!search.has('kernel') && !facts.registers.has('cr3')) await search.fromScan();
  return search.result();
}

class Search {
  private readonly facts: MachineFacts;
  private readonly kernels: readonly Kernel[];
  private readonly cpus: readonly QemuCpu[];
  private readonly given: ControlRegisters;
  private readonly found: Found[] = [];
  private readonly missing: string[] = [];

  constructor(facts: MachineFacts) {
    this.facts = facts;
    this.kernels = facts.vmcoreinfo.flatMap((info) => {
      const kernel = kernelFacts(info, facts.elfMachine);
      return kernel === undefined ? [] : [{ info, facts: kernel }];
    });
    this.cpus = facts.notes.flatMap((note) => parseQemuNote(note) ?? []);
    this.given = given(facts.registers);
  }

  has(role: RootCandidate['role']): boolean {
    return this.found.some((found) => found.role === role);
  }

  result(): RootSearch {
    return { candidates: this.found.map(candidate), missing: this.missing };
  }

  /** CR3 as given, else of each processor in the notes. */
  async fromRegisters(): Promise<void> {
    const { given, cpus } = this;
    const running = cpus.filter((cpu) => (cpu.cr0 & CR0_PG) !== 0n);
    if (given.cr3 !== undefined) {
      const noted = running[0];
      const registers = { ...(noted === undefined ? {} : { cr0: noted.cr0, cr4: noted.cr4 }), ...given, cr3: given.cr3 };
      await this.addCurrent('given', registers, noted, [`CR3 was given as ${hex(given.cr3)}.`]);
      return;
    }
    for (const [at, cpu] of running.entries()) {
      // Processors with one address space are one candidate.
      if (running.findIndex(({ cr3 }) => cr3 === cpu.cr3) < at) continue;
      const where = cpu.cpl === 3 ? 'user mode' : `kernel mode (privilege level ${cpu.cpl})`;
      const which = running.flatMap(({ cr3 }, number) => (cr3 === cpu.cr3 ? [number] : []));
      const evidence = [
        `The QEMU note of ${which.length === 1 ? `processor ${at}` : `processors ${which.join(', ')}`} has CR3 ${hex(cpu.cr3)} and CR4 ${hex(cpu.cr4)}; the processor was stopped in ${where}.`,
      ];
      await this.addCurrent('cpu-note', { cr0: cpu.cr0, cr3: cpu.cr3, cr4: cpu.cr4, ...given }, cpu, evidence);
    }
    if (running.length === 0) {
      this.missing.push(
        cpus.length === 0
          ? 'no CR3 in this dump (it has no QEMU note): give --cr3, and --cr4 if the kernel uses five levels'
          : 'paging is off in every QEMU note of this dump: give --cr3',
      );
    }
  }

  /** The kernel's own table, of every VMCOREINFO. */
  async fromVmcoreinfo(): Promise<void> {
    const sources = { 'vmcoreinfo-note': [] as Found[], 'vmcoreinfo-scan': [] as Found[] };
    for (const kernel of this.kernels) {
      const source = /\bnote\b/.test(kernel.info.source) ? 'vmcoreinfo-note' : 'vmcoreinfo-scan';
      const found = await this.kernelRoot(kernel, source);
      if (found !== undefined) sources[source].push(found);
    }
    for (const found of [...best(sources['vmcoreinfo-note']), ...best(sources['vmcoreinfo-scan'])]) {
      this.found.push(found);
      if (this.has('user')) continue;
      const pair = await peekPtiPair(this.facts.memory, found.config, found.table);
      if (pair?.kernelHalf !== found.table) continue;
      this.found.push({
        ...found,
        role: 'user',
        table: pair.userHalf,
        evidence: [`The kernel isolates page tables (PTI): the page after its own table at ${hexNumber(found.table)} is the user half, which lacks most of the kernel.`],
        registers: { ...found.registers, cr3: BigInt(pair.userHalf) },
      });
    }
    if (this.kernels.length === 0) this.missing.push('no VMCOREINFO of an x86 kernel: nothing says where its own table (init_top_pgt) is; give --cr3');
  }

  /** Root tables by their shape. */
  async fromScan(): Promise<void> {
    const modes = this.scanModes();
    for (const mode of modes) {
      const config = this.config({ mode }, this.kernels[0]);
      const { entries } = geometryOf(x86Geometry(mode), 'pgd');
      const guesses = await scanForRoots(this.facts.memory, {
        geometry: x86Geometry(mode),
        formats: strictFormats(fullConfig(config)),
        littleEndian: true,
        top: 'pgd',
        rootBytes: entries * x86Geometry(mode).entryBytes,
        // Processes have PAE roots at multiples of 32; the kernel's own, which is looked for, has a page of its own.
        rootAlign: 4096,
        windows: x86Windows(mode, config.pageOffset),
        userLeafMask: US,
      });
      for (const guess of guesses) {
        const pair = await peekPtiPair(this.facts.memory, config, guess.table);
        const isUserHalf = pair?.userHalf === guess.table;
        this.found.push({
          role: isUserHalf ? 'user' : 'kernel',
          source: 'structural-scan',
          config,
          table: guess.table,
          evidence: isUserHalf ? [...guess.evidence, `It is the user half of page-table isolation (PTI) to the table at ${hexNumber(pair.kernelHalf)}.`] : guess.evidence,
          registers: { cr3: BigInt(guess.table), ...definedRegisters(registersOf(config)), ...withoutCr3(this.given) },
          score: guess.score,
        });
      }
      // The upper tables of a deeper mode pass for roots of the shallower one.
      if (guesses.length > 0) return;
    }
    this.missing.push(`a scan of memory found no table that reads as a root with ${modes.join(' or ')} paging: give --cr3, and --efer (bit 10 clear) for a 32-bit kernel`);
  }

  private async addCurrent(source: RootSource, registers: ControlRegisters & { readonly cr3: bigint }, cpu: QemuCpu | undefined, why: readonly string[]): Promise<void> {
    const { cr3 } = registers;
    const paging = pagingMode(this.withLa57(registers), this.isWide(registers, cpu));
    const kernel = this.kernels.find(({ facts }) => is64Bit(facts.mode) === is64Bit(paging.mode));
    const config = this.config(paging, kernel);
    const { table, low } = decodeCr3(config, cr3);
    const evidence = [...why];
    if (paging.mode === 'PAE' && registers.efer === undefined) {
      evidence.push('EFER is not known: no-execute is taken to be on, as Linux has it wherever the processor can.');
    }
    const seen = await peekRoot(this.facts.memory, config, table);
    evidence.push(
      seen === undefined
        ? `The table at ${hexNumber(table)} is not in the dump.`
        : `The table has ${seen.user} entries in the user half and ${seen.kernel} in the kernel half.`,
    );
    const pair = await peekPtiPair(this.facts.memory, config, table);
    if (pair !== undefined) {
      evidence.push(`The tables at ${hexNumber(pair.kernelHalf)} and ${hexNumber(pair.userHalf)} are a pair of page-table isolation (PTI), and CR3 is the ${table === pair.userHalf ? 'user' : 'kernel'} half.`);
    }
    const known = definedRegisters(registers);
    this.found.push({ role: 'current', source, config, table, evidence, registers: known });
    if (pair === undefined) return;
    const offset = BigInt(low);
    this.found.push({
      role: 'user',
      source,
      config,
      table: pair.userHalf,
      evidence: [...why, `Its page-table isolation (PTI) has the user half at ${hexNumber(pair.userHalf)} (bit 12 of CR3 set): it lacks most of the kernel.`],
      registers: { ...known, cr3: BigInt(pair.userHalf) | offset },
    });
    if (table === pair.userHalf) {
      this.found.push({
        role: 'current',
        source,
        config,
        table: pair.kernelHalf,
        evidence: [...why, `That is the user half of page-table isolation (PTI); this is the kernel half of the same process, at ${hexNumber(pair.kernelHalf)} (bit 12 of CR3 clear).`],
        registers: { ...known, cr3: BigInt(pair.kernelHalf) | offset },
      });
    }
  }

  /** Where CR4 is not known, the kernel says whether it uses five levels. */
  private withLa57(registers: ControlRegisters): ControlRegisters {
    if (registers.cr4 !== undefined) return registers;
    const mode = this.kernels[0]?.facts.mode;
    if (mode === '5-level') return { ...registers, cr4: 0x1030n };
    return mode === '2-level' ? { ...registers, cr4: 0x10n } : registers;
  }

  /** Whether the machine ran in long mode, as far as anything says; if nothing does, yes. */
  private isWide(registers: ControlRegisters, cpu: QemuCpu | undefined): boolean {
    if (this.facts.elfMachine !== undefined) return this.facts.elfMachine === EM_X86_64;
    if (cpu?.longMode === true) return true;
    const kernel = this.kernels[0];
    if (kernel !== undefined) return is64Bit(kernel.facts.mode);
    if (cpu !== undefined) return false;
    return (registers.cr3 ?? 0n) >= 1n << 32n || this.facts.bits !== 32;
  }

  private config(paging: Pick<X86Config, 'mode' | 'nx' | 'pse'>, kernel: Kernel | undefined, pageOffset?: number): X86Config {
    return {
      ...paging,
      nx: paging.nx ?? (this.given.efer === undefined || (this.given.efer & EFER_NXE) !== 0n),
      ...(kernel?.facts.release === undefined ? {} : { release: kernel.facts.release }),
      ...(kernel === undefined || paging.mode === '2-level' ? {} : { encryptionMask: kernel.facts.encryptionMask }),
      ...(pageOffset === undefined ? {} : { pageOffset }),
    };
  }

  private scanModes(): readonly PagingMode[] {
    const { elfMachine, bits } = this.facts;
    const running = this.cpus.find((cpu) => (cpu.cr0 & CR0_PG) !== 0n);
    if (running !== undefined) return [pagingMode({ cr4: running.cr4, ...withoutCr3(this.given) }, this.isWide({}, running)).mode];
    if (this.given.cr4 !== undefined || this.given.efer !== undefined) return [pagingMode(withoutCr3(this.given), this.isWide({}, undefined)).mode];
    if (elfMachine === EM_386 || (elfMachine === undefined && bits === 32)) return ['PAE', '2-level'];
    return ['5-level', '4-level'];
  }

  private async kernelRoot(kernel: Kernel, source: RootSource): Promise<Found | undefined> {
    const { info, facts } = kernel;
    const release = facts.release === undefined ? 'a kernel' : `Linux ${facts.release}`;
    const found: { config: X86Config; table: number; verified: boolean; pageOffset: number }[] = [];
    for (const pageOffset of is64Bit(facts.mode) ? [PAGE_OFFSET_32] : PAGE_OFFSETS_32) {
      const table = imagePhysical(facts, facts.address, pageOffset);
      // A split that the root table cannot express is none of a kernel with this mode.
      const { shift } = geometryOf(x86Geometry(facts.mode), 'pgd');
      if (table === undefined || table % 4096 !== 0 || (!is64Bit(facts.mode) && pageOffset % 2 ** shift !== 0)) continue;
      const config = this.config({ mode: facts.mode }, kernel, is64Bit(facts.mode) ? undefined : pageOffset);
      const verified = (await peekTranslate(this.facts.memory, config, table, facts.address)) === table;
      found.push({ config, table, verified, pageOffset });
      if (verified) break;
    }
    const choice = found.find(({ verified }) => verified) ?? found[0];
    if (choice === undefined) {
      this.missing.push(
        facts.physBase === undefined && is64Bit(facts.mode)
          ? `${info.source} (${release}) has no NUMBER(phys_base), and the kernel was moved: give --cr3`
          : `${info.source} (${release}) puts ${facts.symbol} at ${hex(facts.address)}, which is no address of a kernel image: give --cr3`,
      );
      return undefined;
    }
    const arithmetic = is64Bit(facts.mode)
      ? `less ${hex(START_KERNEL_MAP)} and with phys_base ${String(facts.physBase ?? 0n)}`
      : `less PAGE_OFFSET ${hexNumber(choice.pageOffset)}`;
    const seen = await peekRoot(this.facts.memory, choice.config, choice.table);
    const evidence = [
      `${capital(info.source)} is of ${release} and puts ${facts.symbol} at ${hex(facts.address)}; ${arithmetic} that is physical address ${hexNumber(choice.table)}.`,
      ...(seen === undefined
        ? ['The table is not in the dump.']
        : [
            `The table has ${seen.user} entries in the user half and ${seen.kernel} in the kernel half.`,
            choice.verified
              ? `Read as page tables it maps ${facts.symbol} to that same physical address.`
              : `Read as page tables it does not map ${facts.symbol} to that address: it may have been overwritten, or the kernel had not set it up yet.`,
          ]),
    ];
    const registers: Record<string, bigint> = { cr3: BigInt(choice.table), [`SYMBOL(${facts.symbol})`]: facts.address };
    if (facts.physBase !== undefined) registers['NUMBER(phys_base)'] = facts.physBase;
    return { role: 'kernel', source, config: choice.config, table: choice.table, evidence, registers, score: choice.verified ? 1 : 0 };
  }
}

/** Verified roots first; the order of the VMCOREINFOs otherwise. The score has done its work then. */
function best(found: readonly Found[]): Found[] {
  return [...found]
    .sort((a, b) => (b.score ?? 0) - (a.score ?? 0))
    .map(({ role, source, config, table, evidence, registers }) => ({ role, source, config, table, evidence, registers }));
}

function given(registers: ReadonlyMap<string, bigint>): ControlRegisters {
  const found: Record<string, bigint> = {};
  for (const name of ['cr0', 'cr3', 'cr4', 'efer'] as const) {
    const value = registers.get(name);
    if (value === undefined) continue;
    if (value < 0n || value >= 1n << 64n) {
      throw new PgtableError('EINVAL', `${name.toUpperCase()} cannot be ${value}: a register has 64 bits`, { hint: `give --${name} as the register's value` });
    }
    found[name] = value;
  }
  return found;
}

/** The control registers that select a configuration's mode. */
function registersOf({ mode, nx = true }: X86Config): ControlRegisters {
  const noExecute = nx ? EFER_NXE : 0n;
  if (mode === '2-level') return { cr4: CR4_PSE, efer: 0n };
  if (mode === 'PAE') return { cr4: CR4_PAE, efer: noExecute };
  return { cr4: CR4_PAE | (mode === '5-level' ? CR4_LA57 : 0n), efer: EFER_LMA | noExecute };
}

function withoutCr3({ cr0, cr4, efer }: ControlRegisters): ControlRegisters {
  return definedRegisters({ cr0, cr4, efer });
}

function definedRegisters(registers: Readonly<Record<string, bigint | undefined>> | ControlRegisters): Record<string, bigint> {
  const defined: Record<string, bigint> = {};
  for (const [name, value] of Object.entries(registers) as [string, bigint | undefined][]) if (value !== undefined) defined[name] = value;
  return defined;
}

function candidate({ role, source, config, table, evidence, registers, score }: Found): RootCandidate {
  return {
    role,
    source,
    table,
    variant: VARIANTS[config.mode],
    evidence,
    ...(score === undefined ? {} : { score }),
    registers,
    entryBytes: x86Geometry(config.mode).entryBytes === 4 ? 4 : 8,
    open: (tables) => ({ arch: x86Arch(config, tables), root: x86Root(config.mode, table, config.pageOffset) }),
  };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}

function hexNumber(value: number): string {
  return `0x${value.toString(16)}`;
}
