import type { AnyArch, Root } from './contract.js';
import type { Marker } from './ptdump-style.js';
import type { TableMemory } from './table-memory.js';
import type { Vmcoreinfo } from './vmcoreinfo.js';

/** What an architecture needs of physical memory to find its roots. `@pgtable/memory` provides it. */
export interface PhysicalReader {
  /** Memory that the dump has (`present`) or only knows of (`absent`), ascending; half-open. */
  readonly ranges: readonly { readonly start: number; readonly end: number; readonly state: 'present' | 'absent' }[];
  /** Bytes at a physical address; undefined if they are not all in the dump. */
  read(address: number, length: number): Promise<Uint8Array | undefined>;
  /**
   * All memory that is present, in address order. The bytes are borrowed until the next step.
   *
   * With `skipZeros`, memory that is known to be zero without reading is left out: a dump of few bytes may claim to have
   * any amount of it, so scans ask for that.
   */
  chunks(options?: { readonly skipZeros?: boolean }): AsyncIterable<{ readonly address: number; readonly bytes: Uint8Array }>;
}

/** A note of the dump. */
export interface DumpNote {
  readonly name: string;
  readonly type: number;
  readonly desc: Uint8Array;
}

/** Everything that is known of a machine before its tables are read. */
export interface MachineFacts {
  readonly memory: PhysicalReader;
  /** ELF's e_machine of the dump, if its container says. */
  readonly elfMachine: number | undefined;
  /** Of the dump's container, and so of the kernel. What its tables are is {@link Arch.littleEndian}. */
  readonly littleEndian: boolean | undefined;
  readonly bits: 32 | 64 | undefined;
  readonly notes: readonly DumpNote[];
  /** From notes first, then those found by scanning memory. More than one: a crash kernel is there too. */
  readonly vmcoreinfo: readonly Vmcoreinfo[];
  /** Registers that the user gave, by lower-case name: `cr3`, `ttbr1`, `asce`. */
  readonly registers: ReadonlyMap<string, bigint>;
}

/** A register that the user may give on the command line as `--name VALUE`. */
export interface RegisterFlag {
  readonly name: string;
  /** What the value is: the register's, with its flag bits. One line. */
  readonly help: string;
}

/** Where the knowledge of a root comes from, best first. */
export type RootSource = 'given' | 'cpu-note' | 'vmcoreinfo-note' | 'vmcoreinfo-scan' | 'structural-scan';

/** An architecture and a root, ready to be walked once the tables are loaded. */
export interface OpenSpace {
  readonly arch: AnyArch;
  readonly root: Root;
}

/** A root table that a dump may be read with. */
export interface RootCandidate {
  /** `kernel`: the kernel's own tables. `current`: what the processor used when it stopped. `user`: KPTI's user half. */
  readonly role: 'kernel' | 'current' | 'user';
  readonly source: RootSource;
  /** Physical address of the root table. */
  readonly table: number;
  /** The configuration in the field's words: `4-level`, `4K granule, 48-bit`. */
  readonly variant: string;
  /** How it was found, and what speaks for it, in whole sentences. */
  readonly evidence: readonly string[];
  /** For the structural scan: higher is better. Comparable only within one scan. */
  readonly score?: number;
  /** The values that decided, by register or VMCOREINFO name, for `roots --format json` and for repeating it by flags. */
  readonly registers: Readonly<Record<string, bigint>>;
  /** The architecture in this configuration over a table memory (made with {@link ArchPlugin.entryBytes}). */
  open(tables: TableMemory): OpenSpace;
  /** Bytes of one entry in this configuration. */
  readonly entryBytes: 4 | 8 | 16;
}

export interface RootSearch {
  /** Best first: by source, then by score. */
  readonly candidates: readonly RootCandidate[];
  /** What was looked for and not found, and which flag would help: `no TTBR0_EL1 in this dump: give --ttbr0`. */
  readonly missing: readonly string[];
}

/** What an architecture may ask about the kernel whose regions it names. */
export interface KernelView {
  readonly arch: AnyArch;
  readonly root: Root;
  readonly vmcoreinfo: Vmcoreinfo | undefined;
  /** Whether the user gave a symbol table. */
  readonly hasSymbols: boolean;
  /** The address of a symbol in the running kernel: System.map's, moved by the kernel's KASLR offset; undefined without. */
  symbol(name: string): bigint | undefined;
  /** Reads through the kernel's own tables; undefined if any byte is unmapped or absent. */
  read(address: bigint, length: number): Promise<Uint8Array | undefined>;
}

/** What an application registers for an architecture. */
export interface ArchPlugin {
  readonly name: string;
  /** For people: `x86 (i386, x86-64)`. */
  readonly title: string;
  /** ELF's e_machine numbers. */
  readonly elfMachines: readonly number[];
  /** What `uname -m` prints there, in small letters. */
  readonly utsMachines: readonly string[];
  /**
   * Keys of VMCOREINFO that only this architecture's kernels write, those of all versions together: QEMU's kdump files say of
   * most machines that they are `Unknown`, and LiME files say nothing.
   */
  readonly vmcoreinfoKeys: readonly string[];
  readonly registers: readonly RegisterFlag[];
  /**
   * Finds the roots that the facts allow, in the order of {@link RootSource}. Where nothing says the configuration (the page size), those that
   * may be are candidates, likeliest first, or {@link RootSearch.missing} asks for the register that says it. Roots that
   * stand in memory (powerpc's process table) are read from `facts.memory`.
   *
   * @throws PgtableError `EINVAL` if a register that was given cannot be one; never for lack of facts
   */
  findRoots(facts: MachineFacts): Promise<RootSearch>;
  /** The regions of the kernel's address space for ptdump, ascending by address, the first at the start of the listing. Asked where kernel addresses are listed. */
  markers(kernel: KernelView): Promise<readonly Marker[]>;
  /** How far KASLR moved the kernel image from System.map's addresses, as the dump says; 0 if it does not. */
  kernelOffset(vmcoreinfo: Vmcoreinfo | undefined): bigint;
}

/** What a dump says of its architecture. */
export interface ArchClues {
  readonly elfMachine: number | undefined;
  readonly utsMachine: string | undefined;
  readonly vmcoreinfo: readonly Vmcoreinfo[];
}

/**
 * The architecture that a dump is of: as ELF's header says, else as kdump's says (in any spelling: QEMU writes `S390X`), else as
 * its kernel's VMCOREINFO shows. Undefined if none does, or if that is none of the plug-ins.
 */
export function recognise(plugins: readonly ArchPlugin[], { elfMachine, utsMachine, vmcoreinfo }: ArchClues): ArchPlugin | undefined {
  if (elfMachine !== undefined) return plugins.find(({ elfMachines }) => elfMachines.includes(elfMachine));
  const named = plugins.find(({ utsMachines }) => utsMachines.includes(utsMachine?.toLowerCase() ?? ''));
  if (named !== undefined) return named;
  const shown = plugins.filter(({ vmcoreinfoKeys }) => vmcoreinfo.some((info) => vmcoreinfoKeys.some((key) => info.get(key) !== undefined)));
  return shown.length === 1 ? shown[0] : undefined;
}
