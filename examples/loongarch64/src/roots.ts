import type { MachineFacts, RootCandidate, RootSearch, TableMemory, Vmcoreinfo } from '@pgtable/core';
import { loongarchArch } from './arch.js';
import { CACHED_WINDOW, G_LO, PA_BITS } from './bits.js';
import type { InvalidTables, LoongarchConfig } from './config.js';
import { LAYOUTS, loongarchGeometry, loongarchRoot, pageShift, type LoongarchLayout } from './geometry.js';
import { decodePageWalk, decodePgd, encodePageWalk } from './registers.js';

/*
 * Where the roots are. Nothing of LoongArch's own stands in VMCOREINFO (Linux 6.12 has no arch_crash_save_vmcoreinfo for it), but swapper_pg_dir
 * does, and the kernel runs in the direct-mapped window at 0x9000000000000000 (DMW1): physical memory, cached, seen without any table. So
 * the symbol is the physical address, and an address there says that the kernel is LoongArch's.
 *
 * What it says no word of is the number of levels and the tables that map nothing. Both stand in the root itself: whatever is empty in it points to
 * one table, all of whose entries point to one table again, and after as many steps as there are levels comes a table of empty page-table
 * entries (pagetable_init in arch/loongarch/mm/pgtable.c, Linux 6.12). A chain of another length does not end so.
 */

/** ELF's e_machine of LoongArch. */
export const EM_LOONGARCH = 258;

const ADDRESS = (1n << BigInt(PA_BITS)) - 1n;

/** {@link ArchPlugin.findRoots}. */
export async function findRoots(facts: MachineFacts): Promise<RootSearch> {
  if (facts.elfMachine !== undefined && facts.elfMachine !== EM_LOONGARCH) return { candidates: [], missing: [] };
  const missing: string[] = [];
  const candidates: RootCandidate[] = [];
  const kernels = facts.vmcoreinfo.filter(isLoongarchVmcoreinfo);
  const known = knownLayouts(facts, kernels[0], missing);
  for (const name of ['pgdl', 'pgdh'] as const) {
    const value = facts.registers.get(name);
    if (value !== undefined) candidates.push(await fromRegister(facts, name, value, known, kernels[0]?.release));
  }
  const found = (await Promise.all(kernels.map((kernel) => fromVmcoreinfo(facts, kernel, knownLayouts(facts, kernel, []), missing)))).flat();
  for (const source of ['vmcoreinfo-note', 'vmcoreinfo-scan'] as const) {
    const these = found.filter(({ candidate }) => candidate.source === source);
    candidates.push(...these.sort((a, b) => Number(b.sound) - Number(a.sound)).map(({ candidate }) => candidate));
  }
  if (kernels.length === 0) {
    missing.push('no VMCOREINFO of a LoongArch kernel, neither as a note of the dump nor in its memory: give --pgdh, the address of swapper_pg_dir');
  }
  if (!facts.registers.has('pgdl')) missing.push('no PGDL in this dump (no dump format keeps it): give --pgdl to read the tables of the process that ran');
  return { candidates, missing };
}

/** Whether a kernel's symbols are in the window that LoongArch's run in. */
export function isLoongarchVmcoreinfo(vmcoreinfo: Vmcoreinfo): boolean {
  const swapper = vmcoreinfo.symbol('swapper_pg_dir');
  return swapper !== undefined && (swapper & ~ADDRESS) === CACHED_WINDOW;
}

/** The layouts that are possible, likeliest first, and whether somebody said that it is this one. */
interface Known {
  readonly layouts: readonly LoongarchLayout[];
  readonly said: string | undefined;
}

function knownLayouts(facts: MachineFacts, vmcoreinfo: Vmcoreinfo | undefined, missing: string[]): Known {
  const pwcl = facts.registers.get('pwcl');
  const pwch = facts.registers.get('pwch');
  if (pwcl !== undefined && pwch !== undefined) return { layouts: [decodePageWalk(pwcl, pwch)], said: 'pwcl and pwch were given' };
  if (pwcl !== undefined || pwch !== undefined) {
    missing.push(`${pwcl === undefined ? 'pwch was given without pwcl' : 'pwcl was given without pwch'}: both together say what the tables look like`);
  }
  const bytes = Number(vmcoreinfo?.get('PAGESIZE') ?? 0);
  const layouts = LAYOUTS.filter((layout) => 2 ** pageShift(layout) === bytes);
  return { layouts: layouts.length > 0 ? layouts : LAYOUTS, said: undefined };
}

/** What the root says of its layout. */
interface Read {
  readonly layout: LoongarchLayout;
  readonly invalidTables: InvalidTables | undefined;
  /** Entries that are neither empty nor zero. */
  readonly used: number;
  readonly evidence: string;
}

async function readRoot(facts: MachineFacts, table: number, { layouts, said }: Known): Promise<Read | undefined> {
  let first: Read | undefined;
  for (const layout of layouts) {
    const entries = await readTable(facts, table, layout);
    if (entries === undefined) continue;
    const chain = await followEmpty(facts, entries, layout);
    const empty = chain?.pointer;
    const used = entries.filter((entry) => entry !== 0n && entry !== empty).length;
    if (chain !== undefined) {
      const below = (['pud', 'pmd', 'pte'] as const).filter((level) => chain.tables[level] !== undefined)
        .map((level) => `invalid_${level}_table is at 0x${chain.tables[level]!.toString(16)}`).join(', ');
      const evidence = `Its empty entries lead, in as many steps as ${layout} has levels, to a table that maps nothing: ${below}.`;
      return { layout, invalidTables: chain.tables, used, evidence };
    }
    const why = said === undefined ? '; give --pwcl and --pwch if that is wrong' : `, because ${said}`;
    const evidence = `Its empty entries lead to no table that maps nothing, so zero is taken for empty. It was read as ${layout}${why}.`;
    if (first === undefined || layout === DEFAULT_LAYOUT) first = { layout, invalidTables: undefined, used, evidence };
  }
  return first;
}

/** The default of the kernel's configuration. */
const DEFAULT_LAYOUT: LoongarchLayout = '16KB_3LEVEL';

interface Chain {
  /** What stands in the root's empty entries. */
  readonly pointer: bigint;
  readonly tables: InvalidTables;
}

/** Follows the commonest entry of a root down to the page-table entries; undefined where a table on the way has entries that differ. */
async function followEmpty(facts: MachineFacts, root: readonly bigint[], layout: LoongarchLayout): Promise<Chain | undefined> {
  const levels = loongarchGeometry(layout).levels.filter(({ folded, level }) => !folded && level !== 'pgd').map(({ level }) => level).reverse();
  const pointer = commonest(root);
  let next = pointer;
  const tables: { pte?: number; pmd?: number; pud?: number } = {};
  for (const level of levels) {
    if (level === 'p4d' || level === 'pgd') return undefined;
    // With H or any other flag it is no address of a table, and not aligned.
    const address = Number(next & ADDRESS);
    const entries = await readTable(facts, address, layout);
    if (entries === undefined || address === 0) return undefined;
    tables[level] = address;
    const same = entries[0]!;
    if (level === 'pte') {
      if (entries.some((entry) => (entry & ~BigInt(G_LO)) !== 0n)) return undefined;
    } else if (entries.some((entry) => entry !== same)) return undefined;
    next = same;
  }
  return tables.pte === undefined ? undefined : { pointer, tables: { ...tables, pte: tables.pte } };
}

function commonest(entries: readonly bigint[]): bigint {
  const counts = new Map<bigint, number>();
  let best = 0n;
  for (const entry of entries) {
    const count = (counts.get(entry) ?? 0) + 1;
    counts.set(entry, count);
    if (count > (counts.get(best) ?? 0)) best = entry;
  }
  return best;
}

/** The entries of a table; undefined if it is not aligned or not in the dump. Tables of every level are as large as a page. */
async function readTable(facts: MachineFacts, address: number, layout: LoongarchLayout): Promise<bigint[] | undefined> {
  const length = 2 ** pageShift(layout);
  const bytes = address % length === 0 ? await facts.memory.read(address, length) : undefined;
  if (bytes === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  return Array.from({ length: length / 8 }, (_, index) => view.getBigUint64(index * 8, true));
}

async function fromRegister(facts: MachineFacts, name: 'pgdl' | 'pgdh', value: bigint, known: Known, release: string | undefined): Promise<RootCandidate> {
  const low = decodePgd(name, value, '4KB_4LEVEL');
  const read = await readRoot(facts, low, known);
  const layout = read?.layout ?? (known.layouts.includes(DEFAULT_LAYOUT) ? DEFAULT_LAYOUT : known.layouts[0]!);
  const table = decodePgd(name, value, layout);
  return candidate({
    role: name === 'pgdl' ? 'current' : 'kernel',
    source: 'given',
    half: name === 'pgdl' ? 'user' : 'kernel',
    config: configOf(layout, read?.invalidTables, release),
    table,
    evidence: [
      `${name} 0x${value.toString(16)} was given: the root of the ${name === 'pgdl' ? 'lower' : 'upper'} half is at physical address 0x${table.toString(16)}.`,
      read?.evidence ?? `That is not in this dump. It was taken for ${layout}; give --pwcl and --pwch if that is wrong.`,
    ],
    registers: { [name]: value },
  });
}

interface FromVmcoreinfo {
  readonly candidate: RootCandidate;
  /** The table reads as a root: its empty entries lead where they should. */
  readonly sound: boolean;
}

async function fromVmcoreinfo(facts: MachineFacts, vmcoreinfo: Vmcoreinfo, known: Known, missing: string[]): Promise<FromVmcoreinfo[]> {
  const { source: where, release } = vmcoreinfo;
  // It has the symbol: this is how its kernel was recognised.
  const swapper = vmcoreinfo.symbol('swapper_pg_dir')!;
  const table = Number(swapper & ADDRESS);
  const read = await readRoot(facts, table, known);
  if (read === undefined) {
    missing.push(`${where} puts swapper_pg_dir at physical address 0x${table.toString(16)}, which is not in this dump: give --pgdh.`);
    return [];
  }
  const source = isNote(facts, vmcoreinfo) ? 'vmcoreinfo-note' : 'vmcoreinfo-scan';
  return [
    {
      sound: read.invalidTables !== undefined,
      candidate: candidate({
        role: 'kernel',
        source,
        half: 'kernel',
        config: configOf(read.layout, read.invalidTables, release),
        table,
        evidence: [
          `${capital(where)} is of Linux ${release ?? '(no OSRELEASE)'} and has swapper_pg_dir at 0x${swapper.toString(16)}, in the cached direct-mapped window: ` +
            `physical address 0x${table.toString(16)}.`,
          `The table there has ${read.used} entries that are in use.`,
          read.evidence,
        ],
        registers: { pgdh: swapper, ...encodePageWalk(read.layout) },
      }),
    },
  ];
}

/** Whether a VMCOREINFO came from a note of the dump: the facts have the texts of both kinds in one list. */
function isNote(facts: MachineFacts, vmcoreinfo: Vmcoreinfo): boolean {
  return facts.notes.some(({ name, desc }) => name === 'VMCOREINFO' && beginsWith(desc, vmcoreinfo.text));
}

function beginsWith(bytes: Uint8Array, text: string): boolean {
  if (bytes.length < text.length) return false;
  for (let at = 0; at < text.length; at++) if (bytes[at] !== text.charCodeAt(at)) return false;
  return true;
}

interface Finding extends Pick<RootCandidate, 'role' | 'source' | 'table' | 'evidence' | 'registers'> {
  readonly config: LoongarchConfig;
  readonly half: 'user' | 'kernel';
}

function candidate({ config, half, ...found }: Finding): RootCandidate {
  return {
    ...found,
    variant: config.layout,
    entryBytes: 8,
    open(tables: TableMemory) {
      return { arch: loongarchArch(config, tables), root: loongarchRoot(config.layout, found.table, half) };
    },
  };
}

function configOf(layout: LoongarchLayout, invalidTables: InvalidTables | undefined, release: string | undefined): LoongarchConfig {
  return { layout, ...(invalidTables === undefined ? {} : { invalidTables }), ...(release === undefined ? {} : { release }) };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
