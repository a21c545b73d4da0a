/*
 * What is compared: everything that the packages say of one dump, as text. This file runs in the page and in Node, so it
 * imports nothing of Node and uses nothing that only one of them has.
 */
import { recognise, type ArchPlugin, type MachineFacts } from '@pgtable/core';
import { elfCore, openMemory, packPages, type ByteSource, type PhysicalMemory, type PlacedSource } from '@pgtable/memory';
import { BATCH_STATUSES, checkInsecure, findVmcoreinfo, kernelView, machineFacts, mergedRuns, openRoot, ptdump, tablePages, translateBatch, type OpenedRoot, type Space } from '@pgtable/walk';
import { ARCHITECTURES } from '../../apps/pgtable/src/architectures.js';
import { readRecorded, type Recorded } from '../../apps/pgtable/src/recorded.js';

/** Addresses to translate: as the processor would, or by the kernel's own tables. */
export interface Question {
  readonly space: 'process' | 'kernel';
  /** Hexadecimal. */
  readonly addresses: readonly string[];
}

export interface Order {
  /** Name of the plug-in, where the dump does not say. */
  readonly arch?: string;
  /** Registers that the dump does not hold: name and hexadecimal value. */
  readonly registers?: readonly (readonly [name: string, value: string])[];
  readonly questions: readonly Question[];
}

/** What was found out. All of it is plain data, so that it can leave the page. */
export interface Report {
  /** By title; compared one by one. */
  readonly sections: Readonly<Record<string, string>>;
  /** The listing of the kernel's tables (or of the best root). */
  readonly listing: string;
  /** For each question: for each address the physical one, or the status. */
  readonly answers: readonly (readonly string[])[];
  /** Pages that are writable and executable, in all roots that were listed. */
  readonly writableExecutable: number;
  readonly milliseconds: number;
}

/** More roots than these are compared by their description only. */
const MOST_ROOTS = 4;
/** Every so many addresses are explained with every level. */
const EXPLAINED = 20;
const PAGE = 4096;

export async function examine(input: ByteSource | readonly PlacedSource[], order: Order): Promise<Report> {
  const began = performance.now();
  const memory = await openMemory(input);
  try {
    const sections: Record<string, string> = {};
    sections.container = text({ format: memory.format, machine: memory.machine, facts: memory.facts, ranges: memory.ranges });
    sections.notes = memory.notes.map(({ name, type, desc }) => `${name} ${type} ${desc.length} bytes ${hash(desc)}`).join('\n');
    for (const chunkSize of [2 ** 20, 2 ** 16]) {
      for (const skipZeros of [false, true]) sections[`chunks of ${chunkSize}${skipZeros ? ' without zeros' : ''}`] = await chunksOf(memory, chunkSize, skipZeros);
    }

    const plugin = pluginFor(memory, order.arch);
    const scanned = await findVmcoreinfo(memory);
    sections['VMCOREINFO in memory'] = scanned.map((found) => found.text).join('\n');
    const recorded = readRecorded(memory.notes);
    const registers = new Map([...recorded.registers, ...(order.registers ?? []).map(([name, value]) => [name, BigInt(`0x${value}`)] as const)]);
    const facts = machineFacts(memory, { registers, scanned });
    const search = await plugin.findRoots(facts);
    sections.roots = [...search.candidates.map(({ role, source, table, variant, evidence, score, registers, entryBytes }) => text({ role, source, table, variant, evidence, score, registers, entryBytes })), ...search.missing].join('\n');

    const roots: OpenedRoot[] = [];
    let writableExecutable = 0;
    let listing = '';
    for (const candidate of search.candidates.slice(0, MOST_ROOTS)) {
      const root = openRoot(candidate, memory);
      roots.push(root);
      const title = `root ${roots.length}`;
      await root.loader.load();
      sections[`${title}: tables`] = text({ tables: root.tables.tables, entries: root.tables.entries, bytes: hash(root.tables.bytes.subarray(0, root.tables.entries * root.tables.entryBytes)), missing: root.loader.missingTables() });
      const lines = await listingOf(root, roots[0]!, plugin, memory, facts, recorded);
      sections[`${title}: ptdump`] = lines;
      if (listing === '' || (candidate.role === 'kernel' && !roots.slice(0, -1).some((other) => other.candidate.role === 'kernel'))) listing = lines;
      sections[`${title}: rows`] = rowsOf(root.space);
      const { counts, findings } = checkInsecure(root.space);
      sections[`${title}: check`] = [text(counts), ...findings.map(text), root.space.arch.ptdump.verdict(counts)].join('\n');
      writableExecutable += counts.writableExecutable;
    }

    const answers: string[][] = [];
    for (const { space, addresses } of order.questions) {
      const { physical, explained } = await translate(roots, space, addresses.map((address) => BigInt(`0x${address}`)));
      sections[`translations ${answers.length + 1}`] = physical.map((pa, at) => `${addresses[at] ?? ''} ${pa}`).join('\n');
      sections[`explanations ${answers.length + 1}`] = explained.join('\n');
      answers.push(physical);
    }
    if (roots.length > 0) sections.extract = await extracted(roots, memory, plugin);
    return { sections, listing, answers, writableExecutable, milliseconds: performance.now() - began };
  } finally {
    await memory.close();
  }
}

function pluginFor(memory: PhysicalMemory, arch: string | undefined): ArchPlugin {
  const { elfMachine, utsMachine } = memory.machine ?? {};
  const found = arch === undefined ? recognise(ARCHITECTURES, { elfMachine, utsMachine, vmcoreinfo: [] }) : ARCHITECTURES.find(({ name }) => name === arch);
  if (found === undefined) throw new Error(`no plug-in for ${arch ?? String(elfMachine ?? utsMachine)}`);
  return found;
}

async function chunksOf(memory: PhysicalMemory, chunkSize: number, skipZeros: boolean): Promise<string> {
  const lines: string[] = [];
  for await (const { address, bytes } of memory.chunks({ chunkSize, skipZeros })) lines.push(`${address.toString(16)} ${bytes.length} ${hash(bytes)}`);
  return lines.join('\n');
}

/** The kernel's listing, with its regions as the dump records them, and else as the plug-in finds them. */
async function listingOf(root: OpenedRoot, first: OpenedRoot, plugin: ArchPlugin, memory: PhysicalMemory, facts: MachineFacts, recorded: Recorded): Promise<string> {
  const kernel = root.candidate.role === 'kernel' ? root : first;
  const found = await plugin.markers(kernelView(plugin, root.space, kernel.space, memory, facts.vmcoreinfo[0], undefined));
  const lines: string[] = [];
  ptdump(root.space, (line) => lines.push(`${line}\n`), { markers: recorded.symbolRegions ?? recorded.regions ?? found });
  return lines.join('');
}

function rowsOf(space: Space): string {
  const rows: string[] = [];
  mergedRuns(space, ({ start, end, kind, level, pa, lo, hi, inherited }) => {
    rows.push([start.toString(16), end.toString(16), kind, level, pa.toString(16), lo, hi, inherited].join(' '));
    return undefined;
  }, space.arch.ptdump);
  return rows.join('\n');
}

/** The root for an address: the processor's, or the kernel's. */
function rootFor(roots: readonly OpenedRoot[], space: Question['space'], address: bigint): { root: OpenedRoot; untagged: bigint } | undefined {
  const preferred = (root: OpenedRoot): boolean => (root.candidate.role === 'kernel') === (space === 'kernel');
  for (const root of [...roots.filter(preferred), ...roots.filter((other) => !preferred(other))]) {
    const untagged = root.space.arch.untagAddress?.(address) ?? address;
    const page = Number(untagged & ~0xfffn);
    if (root.space.root.windows.some(({ start, end }) => page >= start && page < end)) return { root, untagged };
  }
  return undefined;
}

async function translate(roots: readonly OpenedRoot[], space: Question['space'], addresses: readonly bigint[]): Promise<{ physical: string[]; explained: string[] }> {
  const physical = addresses.map(() => 'non-canonical');
  const explained: string[] = [];
  const byRoot = new Map<OpenedRoot, { at: number; untagged: bigint }[]>();
  addresses.forEach((address, at) => {
    const found = rootFor(roots, space, address);
    if (found === undefined) return;
    const list = byRoot.get(found.root) ?? [];
    list.push({ at, untagged: found.untagged });
    byRoot.set(found.root, list);
  });
  for (const [{ translator, loader }, list] of byRoot) {
    const { status, pagePa } = await translateBatch(translator, loader, Float64Array.from(list, ({ untagged }) => Number(untagged & ~0xfffn)));
    list.forEach(({ at, untagged }, i) => {
      const name = BATCH_STATUSES[status[i]!]!;
      physical[at] = name === 'mapped' ? (BigInt(pagePa[i]!) + (untagged & 0xfffn)).toString(16) : name;
      if (at % EXPLAINED === 0) explained.push(text(translator.explain(untagged)));
    });
  }
  return { physical, explained };
}

/** The tables alone as a new dump, compact and packed, as `pgtable extract` writes it. */
async function extracted(roots: readonly OpenedRoot[], memory: PhysicalMemory, plugin: ArchPlugin): Promise<string> {
  const pages = tablePages(roots.map(({ space, tables }) => ({ arch: space.arch, tables })));
  const bytes = new Uint8Array(pages.length * PAGE);
  const states = new Uint8Array(pages.length);
  await memory.readBlocks(pages, PAGE, bytes, states);
  const segments = [...pages.keys()].filter((at) => states[at] === 1).map((at) => ({ address: pages[at]!, bytes: bytes.subarray(at * PAGE, (at + 1) * PAGE) }));
  const { littleEndian } = roots[0]!.space.arch;
  const half = Math.ceil(segments.length / 2);
  const rest = segments.slice(half);
  const dump = elfCore({ machine: { elfMachine: plugin.elfMachines.at(-1)!, bits: 64, littleEndian }, segments: segments.slice(0, half), notes: [...memory.notes, ...(rest.length > 0 ? [packPages(rest)] : [])], compact: true });
  return `${dump.length} bytes ${hash(dump)}`;
}

/** JSON, with bigints and typed arrays in it. */
function text(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? `0x${inner.toString(16)}` : inner instanceof Uint8Array ? hash(inner) : inner));
}

/** FNV-1a of 32 bits. */
function hash(bytes: Uint8Array): string {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
  return (sum >>> 0).toString(16).padStart(8, '0');
}
