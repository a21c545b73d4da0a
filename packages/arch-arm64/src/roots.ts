import {
  PgtableError, type MachineFacts, type RootCandidate, type RootSearch, type RootSource, type TableMemory, type Vmcoreinfo,
} from '@pgtable/core';
import { scanForRoots } from '@pgtable/core/arch';
import { arm64Arch } from './arch.js';
import { USER_LO } from './bits.js';
import { resolveConfig, variantOf, windowOf, type Arm64Config, type Granule, type ResolvedConfig } from './config.js';
import { strictFormats } from './format.js';
import { arm64Geometry } from './geometry.js';
import { arm64Root, configFromTcr, decodeTcr, decodeTtbr, rootBytes, tcrOf, ttbrOf } from './registers.js';

/** What one VMCOREINFO says of the kernel's tables. */
interface KernelFacts {
  readonly vmcoreinfo: Vmcoreinfo;
  readonly source: RootSource;
  /** Configuration of the kernel's half. */
  readonly config: Arm64Config;
  /** Physical address of swapper_pg_dir; undefined if it cannot be computed. */
  readonly swapper: number | undefined;
  /** Physical address of the part of it that TTBR1_EL1 holds. */
  readonly table: number | undefined;
  readonly evidence: readonly string[];
  readonly registers: Readonly<Record<string, bigint>>;
}

/** Verified leaves below a table that was found by its shape, from which on no other configuration is tried. */
const CONVINCING = 16;

/** Entries of a top table of 64K pages that 48-bit addresses need. */
const ENTRIES_48 = 2 ** 6;

/** The valid entries of a top table. */
interface TopEntries {
  readonly total: number;
  readonly valid: number;
  /** Index of the last one; -1 for none. */
  readonly last: number;
}

/** {@link ArchPlugin.findRoots}. */
export async function findArm64Roots(facts: MachineFacts): Promise<RootSearch> {
  return new RootFinder(facts).find();
}

class RootFinder {
  private readonly facts: MachineFacts;
  private readonly tcr: bigint | undefined;
  private readonly common: Partial<Arm64Config>;
  private readonly candidates: RootCandidate[] = [];
  private readonly missing: string[] = [];

  constructor(facts: MachineFacts) {
    this.facts = facts;
    this.tcr = facts.registers.get('tcr');
    const mair = facts.registers.get('mair');
    if (mair !== undefined && (mair < 0n || mair >= 1n << 64n)) {
      throw new PgtableError('EINVAL', `MAIR_EL1 cannot be 0x${mair.toString(16)}: it has more than 64 bits`, { hint: 'MAIR_EL1 is eight bytes, one for each memory type' });
    }
    this.common = { ...(mair === undefined ? {} : { mair }), ...(facts.littleEndian === undefined ? {} : { littleEndian: facts.littleEndian }) };
  }

  async find(): Promise<RootSearch> {
    const kernels = this.facts.vmcoreinfo.map((vmcoreinfo) => this.kernelFacts(vmcoreinfo)).filter((kernel) => kernel !== undefined);
    await this.addGiven('ttbr1', kernels);
    await this.addGiven('ttbr0', kernels);
    for (const kernel of kernels) await this.addKernel(kernel);
    // A table of somebody else's choice does not answer for the one in TTBR1_EL1, even if that cannot be read.
    const unreadable = this.facts.registers.has('ttbr1') && !this.candidates.some(({ registers }) => registers.ttbr1 !== undefined);
    if (!unreadable && !this.candidates.some(({ role }) => role === 'kernel')) await this.addScanned();
    this.explainMissing(kernels);
    const order: readonly RootSource[] = ['given', 'cpu-note', 'vmcoreinfo-note', 'vmcoreinfo-scan', 'structural-scan'];
    // Sorting is stable, so what was found first stays first within a source.
    return { candidates: this.candidates.sort((a, b) => order.indexOf(a.source) - order.indexOf(b.source)), missing: this.missing };
  }

  /** Decodes a VMCOREINFO. Returns: undefined if it is none of arm64. */
  private kernelFacts(vmcoreinfo: Vmcoreinfo): KernelFacts | undefined {
    const voffset = vmcoreinfo.number('kimage_voffset');
    const swapperVa = vmcoreinfo.symbol('swapper_pg_dir');
    const vaBits = vmcoreinfo.number('VA_BITS');
    // kimage_voffset is arm64's alone; VA_BITS and PHYS_OFFSET are what kernels before 4.12 had.
    if (voffset === undefined && (vaBits === undefined || vmcoreinfo.number('PHYS_OFFSET') === undefined)) return undefined;
    const evidence: string[] = [];
    const registers: Record<string, bigint> = {};
    const config = this.configOf(vmcoreinfo, evidence, registers);
    if (config === undefined) return undefined;
    const source = this.isNote(vmcoreinfo) ? 'vmcoreinfo-note' : 'vmcoreinfo-scan';
    if (voffset === undefined || swapperVa === undefined) {
      this.missing.push(`${vmcoreinfo.source} lacks ${voffset === undefined ? 'NUMBER(kimage_voffset)' : 'SYMBOL(swapper_pg_dir)'}, so the kernel's top table cannot be computed from it: give --ttbr1`);
      return { vmcoreinfo, source, config, swapper: undefined, table: undefined, evidence, registers };
    }
    registers['SYMBOL(swapper_pg_dir)'] = swapperVa;
    registers['NUMBER(kimage_voffset)'] = voffset;
    const swapper = BigInt.asUintN(64, swapperVa - voffset);
    if (swapper >= 1n << 52n) {
      this.missing.push(`swapper_pg_dir - kimage_voffset in ${vmcoreinfo.source} is 0x${swapper.toString(16)}, which is no physical address: give --ttbr1`);
      return { vmcoreinfo, source, config, swapper: undefined, table: undefined, evidence, registers };
    }
    evidence.unshift(`${vmcoreinfo.source}${vmcoreinfo.release === undefined ? '' : ` (Linux ${vmcoreinfo.release})`} has swapper_pg_dir at 0x${swapperVa.toString(16)}, which minus kimage_voffset is physical address 0x${swapper.toString(16)}.`);
    let table = Number(swapper);
    const offset = partOfSwapper(vmcoreinfo, config);
    if (offset !== 0) {
      table += offset;
      evidence.push(`The kernel was built for 52-bit addresses and runs with ${config.vaBits}, so TTBR1_EL1 points 0x${offset.toString(16)} bytes into that table.`);
    }
    return { vmcoreinfo, source, config, swapper: Number(swapper), table, evidence, registers };
  }

  /** The configuration of the kernel's half: TCR_EL1 if given, else what VMCOREINFO says. */
  private configOf(vmcoreinfo: Vmcoreinfo, evidence: string[], registers: Record<string, bigint>): Arm64Config | undefined {
    const release = vmcoreinfo.release;
    const physmem = vmcoreinfo.number('MAX_PHYSMEM_BITS');
    const software: Partial<Arm64Config> = {
      ...this.common,
      ...(release === undefined ? {} : { release }),
      ...(physmem === undefined ? {} : { maxPhysmemBits: Number(physmem) }),
      memoryFailure: vmcoreinfo.number('PG_hwpoison') !== undefined,
    };
    const pageSize = Number(vmcoreinfo.get('PAGESIZE') ?? NaN);
    const t1sz = vmcoreinfo.number('TCR_EL1_T1SZ');
    if (this.tcr !== undefined) {
      const config = configFromTcr(this.tcr, 'ttbr1');
      registers.tcr = this.tcr;
      evidence.push(`TCR_EL1 as given says ${variantOf(resolveConfig(config))}.`);
      if ((t1sz !== undefined && Number(t1sz) !== 64 - config.vaBits) || (!Number.isNaN(pageSize) && pageSize !== config.granule)) {
        evidence.push(`VMCOREINFO says otherwise: ${pageSize / 1024}K pages${t1sz === undefined ? '' : `, T1SZ ${t1sz}`}. The register was believed.`);
      }
      return { ...config, ...software };
    }
    const granule = ([4096, 16384, 65536] as const).find((size) => size === pageSize);
    // VA_BITS is what the kernel was built for at most; T1SZ, in kernels since 5.8, is what the processor does.
    const vaBits = t1sz === undefined ? vmcoreinfo.number('VA_BITS') : 64n - t1sz;
    if (granule === undefined || vaBits === undefined) {
      this.missing.push(`${vmcoreinfo.source} does not say the page size and the address size: give --tcr`);
      return undefined;
    }
    registers.PAGESIZE = BigInt(granule);
    registers[t1sz === undefined ? 'NUMBER(VA_BITS)' : 'NUMBER(TCR_EL1_T1SZ)'] = t1sz ?? vaBits;
    const config: Arm64Config = { half: 'ttbr1', granule, vaBits: Number(vaBits), ...software };
    try {
      const resolved = resolveConfig(config);
      evidence.push(`It says ${granule / 1024}K pages and ${t1sz === undefined ? `VA_BITS ${vaBits}` : `T1SZ ${t1sz}`}: ${variantOf(resolved)}.${resolved.lpa2 ? ' More than 48 bits with this granule need LPA2 (TCR_EL1.DS).' : ''}`);
    } catch (error) {
      if (!(error instanceof PgtableError)) throw error;
      this.missing.push(`${vmcoreinfo.source} gives a configuration that no processor has (${error.message}): give --tcr`);
      return undefined;
    }
    return config;
  }

  private isNote(vmcoreinfo: Vmcoreinfo): boolean {
    return this.facts.notes.some(({ name, desc }) => name === 'VMCOREINFO' && startsWithText(desc, vmcoreinfo.text));
  }

  /** The root in a register that the user gave. */
  private async addGiven(half: 'ttbr0' | 'ttbr1', kernels: readonly KernelFacts[]): Promise<void> {
    const value = this.facts.registers.get(half);
    if (value === undefined) return;
    const name = `${half.toUpperCase()}_EL1`;
    const kernel = kernels[0];
    const evidence: string[] = [];
    let config: Arm64Config;
    if (this.tcr !== undefined) {
      config = { ...this.common, ...(kernel === undefined ? {} : softwareOf(kernel.config)), ...configFromTcr(this.tcr, half) };
      if (decodeTcr(this.tcr, half).disabled) evidence.push(`TCR_EL1 says that the processor does not use it (EPD${half === 'ttbr0' ? 0 : 1}).`);
    } else if (kernel !== undefined) {
      // Linux gives both halves one size, but for the identity map while it boots.
      config = { ...kernel.config, half };
      evidence.push(`Granule and address size are taken from ${kernel.vmcoreinfo.source}.`);
    } else {
      this.missing.push(`${name} was given, but not the granule and the address size: give --tcr too`);
      return;
    }
    const { table, asid } = decodeTtbr(value, config);
    evidence.unshift(`${name} was given: the table is at physical address 0x${table.toString(16)}${asid === 0 ? '' : `, ASID ${asid}`}.`);
    const special = kernels.map((known) => specialTable(known, table)).find((found) => found !== undefined);
    if (special !== undefined) evidence.push(special.sentence);
    const entries = await this.topEntries(resolveConfig(config), table);
    if (entries === undefined) evidence.push('The table itself is not in the dump.');
    let role: RootCandidate['role'] = half === 'ttbr0' ? 'current' : (special?.role ?? 'kernel');
    if (half === 'ttbr1' && special === undefined && entries !== undefined && isTrampoline(entries)) {
      role = 'user';
      evidence.push('Its last entry alone is valid, as in tramp_pg_dir: the processor ran user code with KPTI, and the kernel is mapped elsewhere.');
    }
    this.candidates.push(
      candidate(role, 'given', config, table, evidence, { [half]: value, ...(this.tcr === undefined ? {} : { tcr: this.tcr }), ...(this.common.mair === undefined ? {} : { mair: this.common.mair }) }),
    );
  }

  private async addKernel(kernel: KernelFacts): Promise<void> {
    const { config, table, swapper, source, registers } = kernel;
    if (table === undefined || swapper === undefined) return;
    const evidence = [...kernel.evidence];
    const resolved = resolveConfig(config);
    const entries = await this.topEntries(resolved, table);
    if (entries === undefined) evidence.push('The table itself is not in the dump.');
    else evidence.push(`Of its ${entries.total} entries ${entries.valid === 1 ? 'one is' : `${entries.valid} are`} valid${entries.valid === 0 ? ', so it is not the table of a kernel that runs' : ''}.`);
    this.candidates.push(candidate('kernel', source, config, table, evidence, registers));

    // KPTI's own table stands two pages before swapper_pg_dir since 5.11 (TRAMP_SWAPPER_OFFSET). It is empty where KPTI is off.
    const tramp = table - 2 * config.granule;
    const trampEntries = table === swapper && tramp > 0 ? await this.topEntries(resolved, tramp) : undefined;
    if (trampEntries !== undefined && isTrampoline(trampEntries)) {
      const sentence = `tramp_pg_dir, two pages before swapper_pg_dir, maps the last entry alone: TTBR1_EL1 points there while user code runs (KPTI).`;
      this.candidates.push(candidate('user', source, config, tramp, [kernel.evidence[0]!, sentence], registers));
    }
  }

  /** How many entries of a top table are valid, and which is the last. */
  private async topEntries(config: ResolvedConfig, table: number): Promise<TopEntries | undefined> {
    const bytes = await this.facts.memory.read(table, rootBytes(config));
    if (bytes === undefined) return undefined;
    const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let valid = 0;
    let last = -1;
    for (let at = 0; at < bytes.length; at += 8) {
      // Bit 0 is in the first byte, or in the last where tables are big-endian.
      if ((data.getUint8(config.littleEndian ? at : at + 7) & 1) === 0) continue;
      valid++;
      last = at / 8;
    }
    return { total: bytes.length / 8, valid, last };
  }

  /** The last resort: tables by their shape, in every configuration that Linux can be built for, until one is found. */
  private async addScanned(): Promise<void> {
    let found: RootCandidate[] = [];
    for (const shape of this.shapes()) {
      const config: Arm64Config = { ...this.common, ...shape, half: 'ttbr1' };
      const resolved = resolveConfig(config);
      const geometry = arm64Geometry(resolved);
      const guesses = await scanForRoots(this.facts.memory, {
        geometry,
        formats: strictFormats(resolved, geometry),
        littleEndian: resolved.littleEndian,
        top: 'pgd',
        rootBytes: rootBytes(resolved),
        // swapper_pg_dir stands at the start of a page, whatever its size.
        rootAlign: resolved.granule,
        windows: [windowOf(resolved)],
        userLeafMask: USER_LO,
      });
      const isNarrower = await Promise.all(guesses.map(({ table }) => this.isNarrower(resolved, table)));
      const fitting = guesses.filter((_, at) => !isNarrower[at]);
      const candidates = fitting.map((guess) => {
        const evidence = [...guess.evidence, `It was read as ${variantOf(resolved)}; give --tcr and --ttbr1 if that is wrong.`];
        return { ...candidate('kernel', 'structural-scan', config, guess.table, evidence, { ttbr1: ttbrOf(guess.table), tcr: this.tcr ?? tcrOf(config), ...(this.common.mair === undefined ? {} : { mair: this.common.mair }) }), score: guess.score };
      });
      if (fitting.some(({ score }) => score >= CONVINCING)) {
        // What other configurations made of a few pages is not worth a word then.
        found = candidates;
        break;
      }
      found.push(...candidates);
    }
    this.candidates.push(...found.sort((a, b) => (b.score ?? 0) - (a.score ?? 0)));
    if (found.length > 0) return;
    this.missing.push('no table in this dump has the shape of a kernel\'s top table: give --ttbr1 and --tcr');
  }

  /**
   * Whether the top table of a kernel for 48-bit addresses was read as one for 52: with 64K pages these differ in nothing but where they
   * end. The fixmap is in the last 4 TiB of either, so the last entry of a table is valid.
   */
  private async isNarrower(config: ResolvedConfig, table: number): Promise<boolean> {
    if (this.tcr !== undefined || config.granule !== 65536 || config.vaBits !== 52) return false;
    const entries = await this.topEntries(config, table);
    return entries !== undefined && entries.last < ENTRIES_48;
  }

  /**
   * Configurations to scan for: TCR_EL1's, or all that Linux has. Large granules first, because their tables leave bits zero
   * that are address bits of smaller ones; within a granule those with most levels first.
   */
  private shapes(): readonly Omit<Arm64Config, 'half'>[] {
    if (this.tcr !== undefined) return [configFromTcr(this.tcr, 'ttbr1')];
    const pageSize = this.facts.vmcoreinfo.map((vmcoreinfo) => Number(vmcoreinfo.get('PAGESIZE'))).find((size) => size === 4096 || size === 16384 || size === 65536);
    const all: readonly (readonly [Granule, readonly number[]])[] = [
      // A kernel for 52 bits on a processor with 48 uses a part of the table of 52; one for 48 bits has a smaller table.
      [65536, [52, 48, 42]],
      [16384, [52, 48, 47, 36]],
      [4096, [52, 48, 39]],
    ];
    return all.filter(([granule]) => pageSize === undefined || granule === pageSize).flatMap(([granule, sizes]) => sizes.map((vaBits) => ({ granule, vaBits })));
  }

  private explainMissing(kernels: readonly KernelFacts[]): void {
    const { registers } = this.facts;
    if (kernels.length === 0 && !registers.has('ttbr1')) this.missing.push('no VMCOREINFO of an arm64 kernel in this dump, and no TTBR1_EL1: give --ttbr1 and --tcr for the kernel');
    if (!registers.has('ttbr0')) this.missing.push('no TTBR0_EL1 in this dump: give --ttbr0 for the process that ran');
    if (!registers.has('tcr') && this.candidates.length > 0) {
      this.missing.push('no TCR_EL1 in this dump: top-byte-ignore is assumed on, table attributes count, and LPA2 follows from the address size; give --tcr if that is wrong');
    }
    if (!registers.has('mair') && this.candidates.length > 0) this.missing.push('no MAIR_EL1 in this dump: memory types are named in the order that Linux uses; give --mair if that is wrong');
  }
}

function candidate(
  role: RootCandidate['role'], source: RootSource, config: Arm64Config, table: number, evidence: readonly string[], registers: Readonly<Record<string, bigint>>,
): RootCandidate {
  const resolved = resolveConfig(config);
  return {
    role,
    source,
    table,
    variant: variantOf(resolved),
    evidence,
    registers,
    entryBytes: 8,
    open: (tables: TableMemory) => ({ arch: arm64Arch(config, tables), root: arm64Root(config, table) }),
  };
}

/** What a configuration knows of the kernel and not of the processor. */
function softwareOf(config: Arm64Config): Partial<Arm64Config> {
  const { release, maxPhysmemBits, memoryFailure } = config;
  return {
    ...(release === undefined ? {} : { release }),
    ...(maxPhysmemBits === undefined ? {} : { maxPhysmemBits }),
    ...(memoryFailure === undefined ? {} : { memoryFailure }),
  };
}

/**
 * Bytes from swapper_pg_dir to what TTBR1_EL1 holds: with 64K pages, a kernel that was built for 52-bit addresses and a processor
 * without them, only the part of the table for the upper 48 bits is used (TTBR1_BADDR_4852_OFFSET, arch/arm64/include/asm/assembler.h
 * offset_ttbr1). With 4K and 16K pages such a kernel has a level less instead, at the start of the table.
 */
function partOfSwapper(vmcoreinfo: Vmcoreinfo, config: Arm64Config): number {
  if (config.granule !== 65536 || config.vaBits !== 48 || vmcoreinfo.number('VA_BITS') !== 52n) return 0;
  // Entries map 2 ** 42 bytes.
  return (2 ** 10 - ENTRIES_48) * 8;
}

/** KPTI's table maps the trampoline in the fixmap, at the end of the address space, and nothing else. */
function isTrampoline({ valid, last, total }: TopEntries): boolean {
  return valid === 1 && last === total - 1;
}

/** Whether a table is one that the kernel keeps beside swapper_pg_dir. */
function specialTable(kernel: KernelFacts, table: number): { role: RootCandidate['role']; sentence: string } | undefined {
  const { swapper, config } = kernel;
  if (swapper === undefined) return undefined;
  const from = `(${kernel.vmcoreinfo.source})`;
  if (table === kernel.table) return { role: 'kernel', sentence: `It is the kernel's swapper_pg_dir ${from}.` };
  // A part of the table may be used, so look at the page.
  const page = table - (table % config.granule);
  if (page === swapper - 2 * config.granule) {
    return { role: 'user', sentence: `It is tramp_pg_dir ${from}: the processor ran user code with KPTI, and only the trampoline is mapped. The kernel's own table is swapper_pg_dir.` };
  }
  if (page === swapper - config.granule) {
    return { role: 'current', sentence: `It is reserved_pg_dir ${from}, which maps nothing: the kernel puts it where no process is to be reached.` };
  }
  return undefined;
}

function startsWithText(bytes: Uint8Array, text: string): boolean {
  if (bytes.length < text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[i] !== text.charCodeAt(i)) return false;
  return true;
}
