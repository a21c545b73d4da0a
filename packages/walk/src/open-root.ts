import { TableMemory, type MachineFacts, type RootCandidate, type Vmcoreinfo } from '@pgtable/core';
import type { PhysicalMemory } from '@pgtable/memory';
import { TableLoader, type LoadLimits } from './load.js';
import type { Space } from './space.js';
import { Translator } from './translate.js';
import { vmcoreinfoNotes } from './vmcoreinfo-scan.js';

/** What is known of a machine beside its dump. */
export interface FactsOptions {
  /** Registers, by lower-case name. Default: none. */
  readonly registers?: ReadonlyMap<string, bigint>;
  /** What {@link findVmcoreinfo} found in memory, where somebody looked. Those that a note has too count once. Default: none. */
  readonly scanned?: readonly Vmcoreinfo[];
}

/** What an architecture is told of a dump to find its roots: `plugin.findRoots(machineFacts(memory))`. */
export function machineFacts(memory: PhysicalMemory, { registers = new Map(), scanned = [] }: FactsOptions = {}): MachineFacts {
  const noted = vmcoreinfoNotes(memory.notes);
  const known = new Set(noted.map(identity));
  const { elfMachine, littleEndian, bits } = memory.machine ?? {};
  return { memory, elfMachine, littleEndian, bits, notes: memory.notes, vmcoreinfo: [...noted, ...scanned.filter((info) => !known.has(identity(info)))], registers };
}

/** Two VMCOREINFOs of one kernel differ at most in what is added at the crash. */
function identity({ text }: Vmcoreinfo): string {
  return text.split('\nCRASHTIME=')[0]!.trim();
}

/** A root that is ready to be walked. */
export interface OpenedRoot {
  readonly candidate: RootCandidate;
  readonly space: Space;
  /** Empty at first. */
  readonly tables: TableMemory;
  /** Brings the tables from the dump into {@link tables}. */
  readonly loader: TableLoader;
  /** Over what is loaded. */
  readonly translator: Translator;
}

/** Opens one of the roots that an architecture found in a dump. Nothing is read yet: `await opened.loader.load()` does. */
export function openRoot(candidate: RootCandidate, memory: PhysicalMemory, limits: LoadLimits = {}): OpenedRoot {
  const tables = new TableMemory({ entryBytes: candidate.entryBytes });
  const space = candidate.open(tables);
  const loader = new TableLoader(space, memory, limits);
  return { candidate, space, tables, loader, translator: new Translator(space, loader) };
}
