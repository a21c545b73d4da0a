import { readFile } from 'node:fs/promises';
import { hexAddress, PgtableError, recognise, type ArchPlugin, type MachineFacts, type Marker, type RootCandidate, type RootSearch, type Vmcoreinfo } from '@pgtable/core';
import type { PhysicalMemory } from '@pgtable/memory';
import { openMemoryFiles } from '@pgtable/memory/node';
import { BATCH_STATUSES, findVmcoreinfo, kernelView, machineFacts, openRoot, Symbols, translateBatch, vmcoreinfoNotes, type OpenedRoot, type VaRange } from '@pgtable/walk';
import { ARCHITECTURES } from './architectures.js';
import { readRecorded, type Recorded } from './recorded.js';
import { SAMPLE_PATH } from './sample.js';

export interface MachineOptions {
  /** Dumps, or FILE@ADDRESS; none for the embedded sample. */
  readonly files: readonly string[];
  /** What the dump may be of, the preferred first; by default {@link ARCHITECTURES}. */
  readonly architectures?: readonly ArchPlugin[];
  /** Name of an architecture, where the dump does not say. */
  readonly arch?: string;
  /** Registers by lower-case name. */
  readonly registers: ReadonlyMap<string, bigint>;
  /** `kernel`, `current`, `user`, or a position in the list of roots. */
  readonly root?: string;
  /** Path of a System.map or kallsyms. */
  readonly symbols?: string;
  /** What an ELF segment has in memory beyond its bytes in the file is not in the dump, instead of zero. */
  readonly beyondFileIsAbsent?: boolean;
  /** Told what is amiss and is no reason to stop: a line without its end. */
  readonly warn?: (text: string) => void;
  /** Look for VMCOREINFO in memory even where a note has one. */
  readonly scanAlways?: boolean;
}

export type { OpenedRoot };

/** Which addresses a command is about. */
export type Half = 'user' | 'kernel';

/** A dump with everything that was found out about it. */
export class Machine {
  readonly title: string;
  readonly memory: PhysicalMemory;
  readonly plugin: ArchPlugin;
  readonly facts: MachineFacts;
  readonly search: RootSearch;
  readonly symbols: Symbols | undefined;
  readonly recorded: Recorded;
  /** The root that the user chose for all addresses. */
  readonly rootChoice: string | undefined;
  private readonly opened = new Map<RootCandidate, OpenedRoot>();
  private readonly warn: MachineOptions['warn'];
  private isToldOfLostRoot = false;

  private constructor(parts: Pick<Machine, 'title' | 'memory' | 'plugin' | 'facts' | 'search' | 'symbols' | 'recorded' | 'rootChoice'>, warn: MachineOptions['warn']) {
    this.warn = warn;
    this.title = parts.title;
    this.memory = parts.memory;
    this.plugin = parts.plugin;
    this.facts = parts.facts;
    this.search = parts.search;
    this.symbols = parts.symbols;
    this.recorded = parts.recorded;
    this.rootChoice = parts.rootChoice;
  }

  static async open(options: MachineOptions): Promise<Machine> {
    const files = options.files.length === 0 ? [SAMPLE_PATH] : options.files;
    let isTold = false;
    const onDamage = ({ message }: PgtableError): void => {
      // One page tells of the file.
      if (!isTold) options.warn?.(`${message}: damaged pages are taken as not in the dump`);
      isTold = true;
    };
    const memory = await openMemoryFiles(files, { beyondFileSize: options.beyondFileIsAbsent === true ? 'absent' : 'zeros', onDamage });
    try {
      return await Machine.of(memory, options);
    } catch (error) {
      await memory.close();
      throw error;
    }
  }

  private static async of(memory: PhysicalMemory, options: MachineOptions): Promise<Machine> {
    const noted = vmcoreinfoNotes(memory.notes);
    // Memory is read through for a VMCOREINFO only where there is no note, and before flags are looked at only where nothing else tells the architecture.
    let scanned: readonly Vmcoreinfo[] | undefined;
    let plugin = choosePlugin(memory, options, noted);
    if (plugin === undefined && memory.machine?.elfMachine === undefined && noted.length === 0) {
      scanned = await findVmcoreinfo(memory);
      plugin = choosePlugin(memory, options, scanned);
    }
    if (plugin === undefined) throw unknownArchitecture(memory, options);
    const symbols = options.symbols === undefined ? undefined : new Symbols(await readText(options.symbols), options.symbols);
    const recorded = readRecorded(memory.notes);
    // What the user says now outranks what somebody said when the dump was trimmed.
    const registers = new Map([...recorded.registers, ...options.registers]);
    for (const name of registers.keys()) {
      if (!plugin.registers.some((register) => register.name === name)) {
        const owner = choice(options).find((other) => other.registers.some((register) => register.name === name));
        throw new PgtableError('EINVAL', `--${name} is a register of ${owner?.name ?? 'no known architecture'}, and this dump is of ${plugin.name}`, {
          hint: `${plugin.name} takes ${plugin.registers.map((register) => '--' + register.name).join(' ')}`,
        });
      }
    }
    // A number is one that pgtable roots gave, which looks at everything.
    scanned ??= noted.length === 0 || options.scanAlways === true || /^\d+$/.test(options.root ?? '') ? await findVmcoreinfo(memory) : [];
    const facts = machineFacts(memory, { registers, scanned });
    const search = withGuess(await plugin.findRoots(facts), await recordedRoot(plugin, facts, recorded, options), recorded, options);
    const title = options.files.length === 0 ? 'sample' : options.files.join(' ');
    return new Machine({ title, memory, plugin, facts, search, symbols, recorded, rootChoice: options.root }, options.warn);
  }

  /** Opens a root; its tables are loaded by {@link OpenedRoot.loader}. */
  openRoot(candidate: RootCandidate): OpenedRoot {
    let opened = this.opened.get(candidate);
    if (opened === undefined) {
      opened = openRoot(candidate, this.memory);
      this.opened.set(candidate, opened);
    }
    return opened;
  }

  /**
   * The root for the kernel's addresses: what `--root` says; what was given by register, if that covers them; the
   * kernel's own; what the processor used. Of a dump that was cut short, the kernel's own only if it is there.
   */
  kernelRoot(): OpenedRoot | undefined {
    return this.choose('kernel', (candidate) => candidate.role === 'kernel');
  }

  /** The root for user addresses: what `--root` says, what was given by register, what the processor used. */
  userRoot(): OpenedRoot | undefined {
    return this.choose('user', (candidate) => candidate.role !== 'kernel', false);
  }

  /**
   * The root that a listing is of when nothing says which half: what `--root` says; what was given by register, unless its
   * addresses are apart from the kernel's (arm64's TTBR0); the kernel's own.
   */
  listedRoot(): OpenedRoot {
    const { candidates } = this.search;
    if (this.rootChoice !== undefined) return this.openRoot(chosenRoot(candidates, this.rootChoice));
    const kernel = this.kernelRoot();
    const first = candidates.find(({ source }) => source === 'given');
    if (first !== undefined && (kernel === undefined || overlap(this.openRoot(first), kernel))) return this.openRoot(first);
    return kernel ?? this.requireRoot('kernel');
  }

  /** {@link kernelRoot}, or an error that says what is missing. */
  requireRoot(half: Half): OpenedRoot {
    const root = half === 'kernel' ? this.kernelRoot() : this.userRoot();
    if (root !== undefined) return root;
    throw new PgtableError('ENOENT', `no root table for ${half} addresses was found in ${this.title}`, { hint: this.missingHint() });
  }

  missingHint(): string {
    const flags = this.plugin.registers.map((register) => '--' + register.name).join(' ');
    return this.search.missing.length > 0 ? this.search.missing.join('; ') : `give one by register (${flags}); see pgtable roots`;
  }

  /** The regions to announce in a listing of these ranges. */
  async markers(opened: OpenedRoot, ranges: readonly VaRange[]): Promise<readonly Marker[]> {
    const kernel = opened.space.root.windows.some((window) => window.half === 'kernel' && ranges.some((range) => range.start < window.end && range.end > window.start));
    return kernel ? this.kernelMarkers(opened, this.symbols) : [{ start: 0n, name: 'User Space' }];
  }

  /** The kernel's regions, found with or without symbols; as they were recorded where this dump is an extract. */
  async kernelMarkers(opened: OpenedRoot, symbols: Symbols | undefined): Promise<readonly Marker[]> {
    const recorded = symbols === undefined ? this.recorded.regions : this.recorded.symbolRegions;
    if (recorded !== undefined) return recorded;
    const { vmcoreinfo, kernel } = await this.kernelOf(opened);
    const view = kernelView(this.plugin, opened.space, kernel.space, this.memory, vmcoreinfo, symbols);
    const reads = { lacking: false };
    const markers = await this.plugin.markers({
      ...view,
      read: async (address, length) => {
        const bytes = await view.read(address, length);
        reads.lacking ||= bytes === undefined;
        return bytes;
      },
    });
    // Symbols say where the kernel's variables are, and an extract has no variables. What was found in the whole dump is
    // better; symbols add what it did not know.
    return reads.lacking && this.recorded.regions !== undefined ? withMissing(this.recorded.regions, markers) : markers;
  }

  /**
   * The kernel whose half of the addresses a root has: its VMCOREINFO and its own root. A dump with a crash kernel holds two;
   * a root is of the one whose top table it maps to where that is.
   */
  async kernelOf(opened: OpenedRoot): Promise<{ vmcoreinfo: Vmcoreinfo | undefined; kernel: OpenedRoot }> {
    const kernels = this.search.candidates.filter(({ role }) => role === 'kernel');
    const texts = this.facts.vmcoreinfo;
    for (const vmcoreinfo of texts.length > 1 ? texts : []) {
      const table = vmcoreinfo.symbol('init_top_pgt') ?? vmcoreinfo.symbol('swapper_pg_dir');
      if (table === undefined) continue;
      const { status, pagePa } = await translateBatch(opened.translator, opened.loader, Float64Array.of(Number(table & ~0xfffn)));
      // Not always at its beginning: arm64's TTBR1_EL1 may point inside.
      const own = BATCH_STATUSES[status[0]!] === 'mapped' ? kernels.find((candidate) => candidate.table >= pagePa[0]! && candidate.table < pagePa[0]! + TOP_TABLE_BYTES) : undefined;
      if (own !== undefined) return { vmcoreinfo, kernel: this.openRoot(own) };
    }
    return { vmcoreinfo: texts[0], kernel: kernels[0] === undefined ? opened : this.openRoot(kernels[0]) };
  }

  async close(): Promise<void> {
    await this.memory.close();
  }

  private choose(half: Half, preferred: (candidate: RootCandidate) => boolean, anyOther = true): OpenedRoot | undefined {
    const covers = (candidate: RootCandidate): boolean => this.openRoot(candidate).space.root.windows.some((window) => window.half === half);
    const { candidates } = this.search;
    if (this.rootChoice !== undefined) {
      const chosen = chosenRoot(candidates, this.rootChoice);
      return covers(chosen) ? this.openRoot(chosen) : undefined;
    }
    const covering = candidates.filter(covers);
    const given = covering.find(({ source }) => source === 'given');
    if (given !== undefined) return this.openRoot(given);
    const wanted = covering.find(preferred) ?? (anyOther ? covering[0] : undefined);
    if (wanted === undefined) return undefined;
    const isThere = ({ table }: RootCandidate): boolean => this.memory.stateOf(table) === 'present';
    // Only the kernel's half is the same in other roots; and a second kernel is another one.
    const found = !anyOther || isThere(wanted) ? wanted : (covering.find((candidate) => !preferred(candidate) && isThere(candidate)) ?? wanted);
    if (found !== wanted && !this.isToldOfLostRoot) {
      this.isToldOfLostRoot = true;
      this.warn?.(`the ${wanted.role} root table at ${hexAddress(wanted.table)} is not in the dump: the ${found.role} one at ${hexAddress(found.table)} is taken in its place`);
    }
    return this.openRoot(found);
  }
}

/**
 * The kernel's root that a structural scan found in the dump that this one was extracted from. A scan would not find it again: the
 * memory that the tables map is not here. Registers that the user gives now are another choice.
 */
async function recordedRoot(plugin: ArchPlugin, facts: MachineFacts, { guess }: Recorded, { registers }: MachineOptions): Promise<RootCandidate | undefined> {
  if (guess === undefined || [...guess.registers.keys()].some((name) => registers.has(name))) return undefined;
  const { candidates } = await plugin.findRoots({ ...facts, registers: guess.registers });
  const found = candidates.find(({ source }) => source === 'given');
  if (found === undefined) return undefined;
  return { ...found, role: 'kernel', source: 'structural-scan', evidence: guess.evidence, ...(guess.score === undefined ? {} : { score: guess.score }) };
}

/** The same search with a guess that was recorded in the place of all that a scan of this dump found, or says that it did not find. */
function withGuess({ candidates, missing }: RootSearch, guess: RootCandidate | undefined, recorded: Recorded, { registers }: MachineOptions): RootSearch {
  if (guess === undefined) return { candidates, missing };
  const lacked = recorded.guess?.missing ?? [];
  return {
    candidates: [...candidates.filter(({ source }) => source !== 'structural-scan'), guess],
    // What the user gives now is missing no more.
    missing: registers.size === 0 ? lacked : lacked.filter((text) => missing.includes(text)),
  };
}

/** Whether two roots translate some address both. */
function overlap(a: OpenedRoot, b: OpenedRoot): boolean {
  return a.space.root.windows.some((one) => b.space.root.windows.some((other) => one.start < other.end && other.start < one.end));
}

/** The first list, and what the second knows besides, by name. */
function withMissing(known: readonly Marker[], others: readonly Marker[]): Marker[] {
  const merged = [...known];
  for (const other of others.filter(({ name }) => !known.some((marker) => marker.name === name))) {
    const place = merged.findIndex(({ start }) => start > other.start);
    merged.splice(place < 0 ? merged.length : place, 0, other);
  }
  return merged;
}

function chosenRoot(candidates: readonly RootCandidate[], choice: string): RootCandidate {
  const found = /^\d+$/.test(choice) ? candidates[Number(choice) - 1] : candidates.find((candidate) => candidate.role === choice);
  if (found !== undefined) return found;
  const known = candidates.map((candidate, at) => `${at + 1} (${candidate.role}, ${hexAddress(candidate.table)})`).join(', ');
  throw new PgtableError('EINVAL', `--root ${choice} is none of the roots that were found: ${known || 'none'}`, {
    hint: 'give kernel, current, user, or a number from pgtable roots',
  });
}

/** The architecture as the user says, as the dump says, or as the registers that the user gave have it. */
function choosePlugin(memory: PhysicalMemory, options: MachineOptions, vmcoreinfo: readonly Vmcoreinfo[]): ArchPlugin | undefined {
  const architectures = choice(options);
  if (options.arch !== undefined) {
    const plugin = architectures.find(({ name }) => name === options.arch);
    if (plugin === undefined) throw new PgtableError('EINVAL', `--arch ${options.arch} is not known`, { hint: `give one of ${names(architectures)}, or --plugin with the module of another` });
    return plugin;
  }
  const { elfMachine, utsMachine } = memory.machine ?? {};
  const byDump = recognise(architectures, { elfMachine, utsMachine, vmcoreinfo });
  if (byDump !== undefined) return byDump;
  const byRegisters = architectures.filter((plugin) => plugin.registers.some(({ name }) => options.registers.has(name)));
  return byRegisters.length === 1 ? byRegisters[0] : undefined;
}

function unknownArchitecture(memory: PhysicalMemory, options: MachineOptions): PgtableError {
  const { elfMachine, utsMachine } = memory.machine ?? {};
  const said = elfMachine !== undefined ? ` (it says ELF machine ${elfMachine})` : utsMachine !== undefined ? ` (it says ${utsMachine})` : '';
  return new PgtableError(said === '' ? 'EINVAL' : 'ENOTSUP', `which architecture this memory is of cannot be told from the dump${said}`, {
    hint: `give --arch, one of ${names(choice(options))}, or --plugin with the module of another architecture`,
  });
}

/** Of arm64's with 64K pages and 52-bit addresses; the others have a page. */
const TOP_TABLE_BYTES = 8192;

function choice({ architectures = ARCHITECTURES }: MachineOptions): readonly ArchPlugin[] {
  return architectures;
}

function names(architectures: readonly ArchPlugin[]): string {
  return architectures.map(({ name }) => name).join(', ');
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch (cause) {
    throw new PgtableError('ENOENT', `cannot read the symbols in ${path}`, { hint: '--symbols takes the path of a System.map', cause });
  }
}
