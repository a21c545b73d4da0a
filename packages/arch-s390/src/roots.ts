import {
  PgtableError, type DumpNote, type Level, type MachineFacts, type PhysicalReader, type RootCandidate, type RootSearch, type RootSource, type TableMemory,
  type Vmcoreinfo,
} from '@pgtable/core';
import { tableAddress } from '@pgtable/core/arch';
import { s390Arch } from './arch.js';
import { CRST_INVALID, CRST_TYPE, PAGE_NOEXEC, PREFIX_MASK } from './bits.js';
import { fullConfig, type S390Config } from './config.js';
import { formatOf, s390Formats } from './format.js';
import { GEOMETRY, levelOfType, TYPE_OF_LEVEL, VARIANTS } from './geometry.js';
import { latin1, lowcoreAsces, lowcoreVmcoreinfo, u64 } from './lowcore.js';
import { asceConfig, cr0Config, decodeAsce, givenAsce, givenPrefix, s390Root, type Asce } from './registers.js';

/** ELF notes of name `LINUX`: include/uapi/linux/elf.h. */
const NT_S390_CTRS = 0x304;
const NT_S390_PREFIX = 0x305;

/** What a dump says of one processor. */
interface Processor {
  /** Control registers 0 to 15. */
  readonly cr: readonly bigint[];
  readonly prefix: number | undefined;
}

/** {@link ArchPlugin.findRoots}. */
export async function findRoots(facts: MachineFacts): Promise<RootSearch> {
  return new RootFinder(facts).find();
}

/** One search: what is known, and what was found so far. */
class RootFinder {
  private readonly facts: MachineFacts;
  private readonly memory: PhysicalReader;
  private readonly processors: readonly Processor[];
  private readonly candidates: RootCandidate[] = [];
  private readonly missing: string[] = [];
  private vmcoreinfo: readonly Vmcoreinfo[] = [];
  private prefix = 0;
  private prefixEvidence = '';

  constructor(facts: MachineFacts) {
    this.facts = facts;
    this.memory = facts.memory;
    this.processors = processorsOf(facts.notes);
  }

  async find(): Promise<RootSearch> {
    const pointed = this.facts.vmcoreinfo.length === 0 ? await lowcoreVmcoreinfo(this.memory) : undefined;
    this.vmcoreinfo = pointed === undefined ? this.facts.vmcoreinfo : [pointed];
    await this.findPrefix();
    await this.given();
    await this.fromProcessors();
    for (const info of this.vmcoreinfo) await this.fromVmcoreinfo(info);
    await this.fromLowcore();
    return { candidates: bySource(this.candidates), missing: this.missing };
  }

  /** The prefix that addresses are seen with: given, the first processor's, or what the kernel keeps for its processor 0. */
  private async findPrefix(): Promise<void> {
    const given = this.facts.registers.get('prefix');
    const noted = this.processors.find(({ prefix }) => prefix !== undefined)?.prefix ?? firstPrefix(this.facts.notes);
    if (given !== undefined) {
      this.prefix = givenPrefix(given);
      this.prefixEvidence = `The prefix 0x${this.prefix.toString(16)} was given.`;
    } else if (noted !== undefined) {
      this.prefix = noted;
      this.prefixEvidence =
        this.processors.length > 1
          ? `The prefix 0x${noted.toString(16)} is that of the first of ${this.processors.length} processors; the others see their own lowcores at address 0.`
          : `The prefix 0x${noted.toString(16)} is from note LINUX/0x305.`;
    } else {
      for (const info of this.vmcoreinfo) {
        const found = await this.prefixOfKernel(info);
        if (found === undefined) continue;
        this.prefix = found;
        this.prefixEvidence = `The prefix 0x${found.toString(16)} is lowcore_ptr[0] of the kernel: processor 0.`;
        return;
      }
      this.prefixEvidence = 'No prefix is known, so real addresses below 0x2000 are taken as absolute ones.';
      this.missing.push('no prefix register in this dump (note LINUX/0x305): give --prefix to see the lowcore at address 0 as a processor does');
    }
  }

  private async prefixOfKernel(info: Vmcoreinfo): Promise<number | undefined> {
    const symbol = info.symbol('lowcore_ptr');
    const bytes = symbol === undefined ? undefined : await this.read(physicalAddress(info, symbol), 8);
    if (bytes === undefined) return undefined;
    const prefix = physicalAddress(info, u64(bytes, 0));
    return prefix > 0n && (prefix & BigInt(PREFIX_MASK)) === prefix ? Number(prefix) : undefined;
  }

  /** @throws PgtableError `EINVAL` if the register makes no sense, or its type is not that of the table there */
  private async given(): Promise<void> {
    const value = this.facts.registers.get('asce');
    if (value === undefined) return;
    const asce = givenAsce(value);
    const actual = await this.typeOfTable(asce.table);
    if (actual !== undefined && actual !== asce.top) {
      const right = (value & ~0xfn) | BigInt(TYPE_OF_LEVEL[actual] | 3);
      throw new PgtableError(
        'EINVAL',
        `--asce ${hex(value)} designates a ${title(asce.top)} (bits 0xc, DT), but at 0x${asce.table.toString(16)} there is a ${title(actual)}`,
        { address: BigInt(asce.table), hint: `give the whole register with its type and length, here --asce ${hex(right)}` },
      );
    }
    const evidence = [`--asce was given: a ${title(asce.top)} of ${asce.entries} entries.`];
    if (actual === undefined) evidence.push('The table cannot be checked: its first entry is not in the dump, or of no kind that Linux makes.');
    await this.add(asce.privateSpace ? 'current' : 'kernel', 'given', asce, evidence, {});
  }

  private async fromProcessors(): Promise<void> {
    if (this.processors.length === 0) {
      this.missing.push('no control registers in this dump (note LINUX/0x304): give --asce for the address space of a process');
      return;
    }
    const first = this.processors[0]!;
    const home = decodeAsce(first.cr[13]!);
    if (usable(home)) {
      const evidence = [`CR13 (home space) of ${this.processorName(0)} is ${hex(home.value)}: Linux keeps the kernel's ASCE there.`];
      if (await this.lowcoreAgrees(home)) evidence.push('kernel_asce in the lowcore says the same.');
      await this.add('kernel', 'cpu-note', home, evidence, { cr0: first.cr[0]! });
    } else {
      this.missing.push(`CR13 is ${hex(home.value)}, which designates no table: give --asce for the kernel's address space`);
    }
    const seen = new Set<string>();
    for (const [at, { cr, prefix }] of this.processors.entries()) {
      const primary = decodeAsce(cr[1]!);
      const secondary = decodeAsce(cr[7]!);
      const options = { cr0: cr[0]!, prefix };
      if (usable(primary) && !seen.has(key(primary))) {
        seen.add(key(primary));
        const evidence = [`CR1 (primary space) of ${this.processorName(at)} is ${hex(primary.value)}: ${usedFor(primary, home)}.`];
        await this.add('current', 'cpu-note', primary, evidence, options);
      } else if (primary.realSpace) {
        this.missing.push(`CR1 of ${this.processorName(at)} is ${hex(primary.value)}, a real-space designation: its virtual addresses are real ones, without tables`);
      }
      // In the kernel, the process is the secondary space.
      if (primary.table === home.table && secondary.table !== home.table && usable(secondary) && !seen.has(key(secondary))) {
        seen.add(key(secondary));
        const evidence = [`CR7 (secondary space) of ${this.processorName(at)} is ${hex(secondary.value)}, while it ran in the kernel: the process that it worked for.`];
        await this.add('user', 'cpu-note', secondary, evidence, options);
      }
    }
  }

  private processorName(at: number): string {
    return this.processors.length === 1 ? 'the processor' : `processor ${at} (by the order of notes)`;
  }

  private async fromVmcoreinfo(info: Vmcoreinfo): Promise<void> {
    const symbol = info.symbol('swapper_pg_dir');
    if (symbol === undefined) {
      this.missing.push(`${info.source} has no SYMBOL(swapper_pg_dir)`);
      return;
    }
    const table = physicalAddress(info, symbol);
    const top = table < 1n << 53n && (table & 0xfffn) === 0n ? await this.typeOfTable(Number(table)) : undefined;
    if (top === undefined) {
      this.missing.push(`swapper_pg_dir of ${info.source} would be at ${hex(table)}, and there is no region or segment table in this dump`);
      return;
    }
    const asce = decodeAsce(table | BigInt(TYPE_OF_LEVEL[top] | 3));
    const evidence = [
      `${capital(info.source)} (Linux ${info.release ?? 'of unknown release'}) has swapper_pg_dir at ${hex(symbol)}; physically that is ${arithmetic(info, symbol)}.`,
      `The entries there are those of a ${title(top)}.`,
    ];
    const processor = this.processors.find(({ cr }) => decodeAsce(cr[13]!).table === asce.table);
    if (processor !== undefined) evidence.push('CR13 points there too.');
    else if (this.processors.length > 0) evidence.push('CR13 points elsewhere: this is not the kernel that ran when the dump was made.');
    if (await this.lowcoreAgrees(asce)) evidence.push('kernel_asce in the lowcore says the same.');
    await this.add('kernel', this.isNote(info) ? 'vmcoreinfo-note' : 'vmcoreinfo-scan', asce, evidence, { cr0: processor?.cr[0], info });
  }

  /**
   * What the lowcores say of their own: the kernel's root if nothing better did, and the process that processor 0 worked for
   * if there are no control registers.
   */
  private async fromLowcore(): Promise<void> {
    const kernels = new Set(this.candidates.filter(({ role }) => role === 'kernel').map(({ table }) => table));
    const known = kernels.size > 0;
    for (const lowcore of new Set([this.prefix, 0])) {
      for (const { offset, kernel, user } of await lowcoreAsces(this.memory, lowcore)) {
        if (known ? !kernels.has(kernel.table) : !(await this.soundTable(kernel))) continue;
        const where = `in the lowcore at absolute address ${hex(BigInt(lowcore))}`;
        if (!known) await this.add('kernel', 'structural-scan', kernel, [`kernel_asce ${where}, offset ${hex(BigInt(offset))}, is ${hex(kernel.value)}, and there is a sound ${title(kernel.top)}.`], { score: 1 });
        // The lowcore at absolute address 0 is the one of the boot, when there was no process.
        if (this.processors.length === 0 && lowcore === this.prefix && lowcore !== 0 && user.privateSpace && usable(user) && (await this.soundTable(user))) {
          await this.add('current', known ? 'vmcoreinfo-scan' : 'structural-scan', user, [`user_asce ${where}, offset ${hex(BigInt(offset + 8))}, is ${hex(user.value)}: the process that processor 0 ran last.`], known ? {} : { score: 1 });
        }
        return;
      }
    }
    if (!known) this.missing.push('no kernel_asce in the lowcore and no VMCOREINFO with swapper_pg_dir in memory: give --asce');
  }

  private async lowcoreAgrees(asce: Asce): Promise<boolean> {
    return (await lowcoreAsces(this.memory, this.prefix)).some(({ kernel }) => kernel.table === asce.table && kernel.top === asce.top);
  }

  private async add(
    role: RootCandidate['role'],
    source: RootSource,
    asce: Asce,
    evidence: readonly string[],
    options: { readonly cr0?: bigint | undefined; readonly prefix?: number | undefined; readonly info?: Vmcoreinfo; readonly score?: number },
  ): Promise<void> {
    const info = options.info ?? this.runningKernel();
    const prefix = this.facts.registers.has('prefix') ? this.prefix : (options.prefix ?? this.prefix);
    const cr0 = options.cr0 ?? this.processors[0]?.cr[0];
    const base: S390Config = {
      ...asceConfig(asce),
      prefix,
      ...(cr0 === undefined ? {} : cr0Config(cr0)),
      release: info?.release,
      ...physmemBits(info),
    };
    const config: S390Config = { ...base, ...(asce.privateSpace ? {} : await this.firstPages(asce, base)) };
    const root = s390Root(asce);
    const prefixEvidence = prefix === this.prefix ? this.prefixEvidence : `The prefix is that processor's own, 0x${prefix.toString(16)}.`;
    const controls = [
      ...(config.edat === false ? ['CR0 says that enhanced DAT is off: there are no large pages.'] : []),
      ...(config.iep === false ? ['CR0 says that instruction-execution protection is off: every page can be executed, whatever its NOEXEC bit says.'] : []),
    ];
    this.candidates.push({
      role,
      source,
      table: asce.table,
      variant: VARIANTS[asce.top],
      evidence: [...evidence, prefixEvidence, ...controls],
      ...(options.score === undefined ? {} : { score: options.score }),
      registers: { asce: asce.value, prefix: BigInt(prefix) },
      entryBytes: 8,
      open: (tables: TableMemory) => ({ arch: s390Arch(config, tables), root }),
    });
  }

  /** The VMCOREINFO of the kernel that ran: with two kernels in memory, the one that CR13 is of. */
  private runningKernel(): Vmcoreinfo | undefined {
    const home = this.processors[0] === undefined ? undefined : decodeAsce(this.processors[0].cr[13]!).table;
    const running = this.vmcoreinfo.find((info) => {
      const symbol = info.symbol('swapper_pg_dir');
      return symbol !== undefined && Number(physicalAddress(info, symbol)) === home;
    });
    return running ?? this.vmcoreinfo[0];
  }

  private isNote(info: Vmcoreinfo): boolean {
    return this.facts.notes.some(({ name, desc }) => name === 'VMCOREINFO' && latin1(desc).startsWith(info.text));
  }

  private async read(address: bigint, length: number): Promise<Uint8Array | undefined> {
    return address >= 0n && address < 1n << 53n ? this.memory.read(Number(address), length) : undefined;
  }

  /**
   * The level of the entries of a table, as its first entry says it: every entry that Linux writes, the empty one
   * included, has its table type. @see pgd_offset_raw()
   */
  private async typeOfTable(address: number): Promise<Exclude<Level, 'pte'> | undefined> {
    const bytes = await this.read(BigInt(address), 8);
    if (bytes === undefined) return undefined;
    const entry = u64(bytes, 0);
    const lo = Number(entry & 0xffffffffn);
    const empty = (entry & ~BigInt(CRST_TYPE)) === BigInt(CRST_INVALID);
    const table = (lo & CRST_INVALID) === 0 && entry >> 12n !== 0n;
    return empty || table ? levelOfType(lo) : undefined;
  }

  /** Whether all entries of the table that an ASCE designates have its type, and one of them points somewhere. */
  private async soundTable(asce: Asce): Promise<boolean> {
    const bytes = await this.read(BigInt(asce.table), asce.entries * 8);
    if (bytes === undefined) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let tables = 0;
    for (let at = 0; at < asce.entries; at++) {
      const lo = view.getInt32(at * 8 + 4);
      if ((lo & CRST_TYPE) !== TYPE_OF_LEVEL[asce.top]) return false;
      if ((lo & CRST_INVALID) === 0) tables++;
    }
    return tables > 0;
  }

  /**
   * What the first two pages of the kernel's address space say of the machine. The first is executable before z16, the
   * second never is if the kernel can help it. Nothing is said where they are not mapped, or a table is not in the dump.
   *
   * @see vmem_map_init() in arch/s390/mm/vmem.c (Linux 6.12)
   */
  private async firstPages(asce: Asce, config: S390Config): Promise<Pick<S390Config, 'lowcoreExecutable' | 'noexec'>> {
    const formats = s390Formats(fullConfig(config));
    let table = asce.table;
    for (const level of LEVELS_DOWN.slice(LEVELS_DOWN.indexOf(asce.top))) {
      const bytes = await this.read(BigInt(table), 16);
      if (bytes === undefined) return {};
      const format = formatOf(formats, level);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const hi = view.getInt32(0);
      const lo = view.getInt32(4);
      if ((lo & format.validMask) !== format.validValue) return {};
      if ((lo & format.tableMask) !== format.tableValue) {
        const lowcoreExecutable = (lo & PAGE_NOEXEC) === 0;
        return level === 'pte' ? { lowcoreExecutable, noexec: (view.getInt32(12) & PAGE_NOEXEC) !== 0 } : { lowcoreExecutable };
      }
      table = tableAddress(format, lo, hi);
    }
    return {};
  }
}

const LEVELS_DOWN = ['pgd', 'p4d', 'pud', 'pmd', 'pte'] as const satisfies readonly Level[];

const SOURCES: readonly RootSource[] = ['given', 'cpu-note', 'vmcoreinfo-note', 'vmcoreinfo-scan', 'structural-scan'];

function bySource(candidates: readonly RootCandidate[]): RootCandidate[] {
  return SOURCES.flatMap((source) => candidates.filter((candidate) => candidate.source === source));
}

/** Whether an ASCE designates a table at all. */
function usable(asce: Asce): boolean {
  return !asce.realSpace && asce.table !== 0;
}

/** What makes two address spaces the same one. */
function key(asce: Asce): string {
  return `${asce.table} ${asce.top} ${asce.entries}`;
}

/** What an address space was used for when the processor stopped. */
function usedFor(primary: Asce, home: Asce): string {
  if (primary.table === home.table) return 'it was in the kernel, and this is its ASCE';
  return primary.privateSpace ? 'the process that it ran' : 'what it translated with';
}

function title(level: Level): string {
  return GEOMETRY.levels.find((geometry) => geometry.level === level)!.title;
}

/** The processors by their notes. Prefixes belong to control registers by order if there are as many. */
function processorsOf(notes: readonly DumpNote[]): Processor[] {
  const controls = notes.filter(({ name, type, desc }) => name === 'LINUX' && type === NT_S390_CTRS && desc.length >= 128);
  const prefixes = prefixesOf(notes);
  return controls.map(({ desc }, at) => ({
    cr: Array.from({ length: 16 }, (_, register) => u64(desc, register * 8)),
    prefix: prefixes.length === controls.length ? prefixes[at] : undefined,
  }));
}

function prefixesOf(notes: readonly DumpNote[]): number[] {
  return notes
    .filter(({ name, type, desc }) => name === 'LINUX' && type === NT_S390_PREFIX && desc.length >= 4)
    .map(({ desc }) => new DataView(desc.buffer, desc.byteOffset, desc.byteLength).getUint32(0) & PREFIX_MASK);
}

function firstPrefix(notes: readonly DumpNote[]): number | undefined {
  return prefixesOf(notes)[0];
}

/**
 * The physical address of a kernel address, by what VMCOREINFO says of the layout and without any table.
 *
 * Linux 6.10 took the kernel image out of the identity mapping ("s390: Uncouple physical vs virtual address spaces") and added
 * IDENTITYBASE and KERNELOFFPHYS. Before, virtual and physical addresses were the same.
 */
function physicalAddress(info: Vmcoreinfo, address: bigint): bigint {
  const offset = info.hex('KERNELOFFSET');
  const physical = info.hex('KERNELOFFPHYS');
  if (offset === undefined || physical === undefined) return address;
  return address >= offset ? address - offset + physical : address - (info.hex('IDENTITYBASE') ?? 0n);
}

/** {@link physicalAddress}, in words. */
function arithmetic(info: Vmcoreinfo, address: bigint): string {
  const offset = info.hex('KERNELOFFSET');
  const physical = info.hex('KERNELOFFPHYS');
  if (offset === undefined || physical === undefined) return 'the same address, as always before Linux 6.10';
  const result = hex(physicalAddress(info, address));
  if (address < offset) return `${hex(address)} - IDENTITYBASE ${hex(info.hex('IDENTITYBASE') ?? 0n)} = ${result}`;
  return `${hex(address)} - KERNELOFFSET ${hex(offset)} + KERNELOFFPHYS ${hex(physical)} = ${result}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function physmemBits(info: Vmcoreinfo | undefined): Pick<S390Config, 'physmemBits'> {
  const bits = info?.number('MAX_PHYSMEM_BITS');
  return bits !== undefined && bits >= 42n && bits <= 53n ? { physmemBits: Number(bits) } : {};
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
