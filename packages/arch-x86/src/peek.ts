import { geometryOf, LEVELS, levelNumber, type PhysicalReader } from '@pgtable/core';
import { tableAddress, leafAddress } from '@pgtable/core/arch';
import { NX_HI, PTI_USER_BIT } from './bits.js';
import { fullConfig, type X86Config } from './config.js';
import { x86Formats } from './format.js';
import { x86Geometry, x86Windows } from './geometry.js';

/** The entries of one table as [low word, high word] pairs flattened; the high words are 0 with two levels. */
async function readTable(memory: PhysicalReader, table: number, entries: number, entryBytes: number): Promise<Int32Array | undefined> {
  const bytes = await memory.read(table, entries * entryBytes);
  if (bytes === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const words = new Int32Array(entries * 2);
  for (let i = 0; i < entries; i++) {
    words[i * 2] = view.getInt32(i * entryBytes, true);
    if (entryBytes === 8) words[i * 2 + 1] = view.getInt32(i * 8 + 4, true);
  }
  return words;
}

/**
 * Translates one address straight from physical memory: five reads at most, before there is any table memory.
 *
 * Returns: undefined if it is not mapped or a table is not in the dump.
 */
export async function peekTranslate(memory: PhysicalReader, config: X86Config, table: number, address: bigint): Promise<number | undefined> {
  const full = fullConfig(config);
  const geometry = x86Geometry(full.mode);
  const formats = x86Formats(full);
  let at = table;
  for (const level of [...LEVELS].reverse()) {
    const { shift, entries, folded } = geometryOf(geometry, level);
    if (folded) continue;
    const index = Number((address >> BigInt(shift)) & BigInt(entries - 1));
    const entry = await readTable(memory, at + index * geometry.entryBytes, 1, geometry.entryBytes);
    const format = formats[levelNumber(level)]!;
    if (entry === undefined) return undefined;
    const [lo, hi] = [entry[0]!, entry[1]!];
    if ((lo & format.validMask) !== format.validValue) return undefined;
    if ((lo & format.tableMask) !== format.tableValue) {
      return (lo & format.leafMask) === format.leafValue ? leafAddress(format, lo, hi) + Number(address & ((1n << BigInt(shift)) - 1n)) : undefined;
    }
    at = tableAddress(format, lo, hi);
  }
  return undefined;
}

/** Entries of a root table that are not empty. */
export interface RootCounts {
  readonly user: number;
  readonly kernel: number;
}

/** Counts the entries of a root table. Returns: undefined if the table is not in the dump. */
export async function peekRoot(memory: PhysicalReader, config: X86Config, table: number): Promise<RootCounts | undefined> {
  const { entryBytes, levels } = x86Geometry(config.mode);
  const words = await readTable(memory, table, levels[4].entries, entryBytes);
  if (words === undefined) return undefined;
  const kernelFrom = x86Windows(config.mode, config.pageOffset)[1]!.index;
  return { user: used(words, 0, kernelFrom), kernel: used(words, kernelFrom, levels[4].entries) };
}

function used(words: Int32Array, first: number, end: number): number {
  let count = 0;
  for (let i = first; i < end; i++) if ((words[i * 2]! | words[i * 2 + 1]!) !== 0) count++;
  return count;
}

/** The two root tables of one process under page-table isolation. */
export interface PtiPair {
  readonly kernelHalf: number;
  readonly userHalf: number;
}

/**
 * Whether a root table is one of a pair of page-table isolation (PTI, KPTI): two pages next to each other that map the
 * same user addresses, of which the second, with bit 12 set, maps little of the kernel. Only the contents can tell: a
 * kernel that could isolate allocates pairs even if it does not.
 *
 * @see PTI_PGTABLE_SWITCH_BIT and __pti_set_user_pgtbl() (Linux 6.12)
 */
export async function peekPtiPair(memory: PhysicalReader, config: X86Config, table: number): Promise<PtiPair | undefined> {
  if (config.mode === '2-level' || table % PTI_USER_BIT !== 0) return undefined;
  const userHalf = table % (2 * PTI_USER_BIT) === 0 ? table + PTI_USER_BIT : table;
  const kernelHalf = userHalf - PTI_USER_BIT;
  const { entries } = x86Geometry(config.mode).levels[4];
  const [user, kernel] = await Promise.all([readTable(memory, userHalf, entries, 8), readTable(memory, kernelHalf, entries, 8)]);
  if (user === undefined || kernel === undefined) return undefined;
  const kernelFrom = x86Windows(config.mode, config.pageOffset)[1]!.index;
  for (let i = 0; i < kernelFrom; i++) {
    // The kernel half has NX set at its user entries, so that a return to user mode with the wrong table faults at once.
    if (user[i * 2] !== kernel[i * 2] || ((user[i * 2 + 1]! ^ kernel[i * 2 + 1]!) & ~NX_HI) !== 0) return undefined;
  }
  const inUser = used(user, kernelFrom, entries);
  if (inUser === 0) return undefined;
  if (config.mode === 'PAE') {
    // One entry for all of the kernel: it has a table of its own in each half.
    const own = user[kernelFrom * 2] !== kernel[kernelFrom * 2];
    return own && used(kernel, kernelFrom, entries) > 0 ? { kernelHalf, userHalf } : undefined;
  }
  for (let i = kernelFrom; i < entries; i++) {
    if ((user[i * 2]! & 1) !== 0 && (kernel[i * 2]! & 1) === 0) return undefined;
  }
  return used(kernel, kernelFrom, entries) > inUser ? { kernelHalf, userHalf } : undefined;
}
