import { badLeaf, leafAddress, tableAddress, type EntryFormat } from './entry-format.js';
import { PgtableError } from './errors.js';
import { geometryOf, levelNumber, LEVELS, type Geometry, type Level } from './levels.js';
import type { VaWindow } from './contract.js';
import type { PhysicalReader } from './plugin.js';
import { napotAddress, napotEntries } from './scan-words.js';
import { LOW_WORD } from './table-memory.js';

export interface RootScanOptions {
  readonly geometry: Geometry;
  /** By level number, as for the accessors. Entries that no format can tell (`NEVER_VALID`) are not found. */
  readonly formats: readonly EntryFormat[];
  readonly littleEndian: boolean;
  /** Level of the root table's entries. */
  readonly top: Level;
  /** Bytes of the root table, and what its address is a multiple of. Multiples of the entry's size. */
  readonly rootBytes: number;
  readonly rootAlign: number;
  /** Which entries of the root are the kernel's and which the user's. Entries in no window are not looked at. */
  readonly windows: readonly VaWindow[];
  /**
   * Bits of a leaf's low word of which one says that user code may use the page (x86 US, arm64 AP[1], riscv U). Where
   * the halves have tables of their own this is what tells a process's table from the kernel's. 0 where nothing says.
   */
  readonly userLeafMask: number;
  /** Most guesses to return. Default 8. */
  readonly limit?: number;
}

/** A table that looks like the root of a kernel's address space. */
export interface RootGuess {
  /** Physical address. Of the tables that share one kernel half, one with an empty user half if there is any. */
  readonly table: number;
  /** Verified leaves of the kernel half. Comparable within one scan alone. */
  readonly score: number;
  /** Leaves in the sample of the kernel half that map known memory: for the kernel alone, and for user code. */
  readonly kernelLeaves: number;
  readonly userLeaves: number;
  /** Entries of the user half that are not empty. 0 in the kernel's own table. */
  readonly userEntries: number;
  /** Tables with this kernel half, this one included: about one a process, where processes have a copy of it. */
  readonly sharedKernelHalf: number;
  /** What speaks for it, in whole sentences. */
  readonly evidence: readonly string[];
}

const LITTLE_ENDIAN_HOST = LOW_WORD === 0;

/** Different kernel halves to remember. Memory that is made to look like root tables must not use up ours. */
const MAX_GROUPS = 2 ** 18;
/** Tables to read in all while guesses are verified. */
const MAX_READS = 200_000;
/**
 * Tables of one level below one guess: those that say something, and those that are read to find them. The kernel
 * allocates tables of its upper levels ahead (riscv: 190 of 197 in the fixtures), and those are empty.
 */
const SAMPLE = 64;
const SAMPLE_READS = 256;
/** Guesses that are verified at the same time, so that reads of a file or a socket overlap. */
const PARALLEL = 16;

/** Tables with one kernel half. */
interface Group {
  table: number;
  userEntries: number;
  readonly kernelEntries: number;
  count: number;
}

/**
 * Finds tables that are the root of a kernel's address space by their shape alone: the last resort when no register, note
 * or symbol says where the root is.
 *
 * One pass over all memory keeps the aligned blocks that parse as a top table: no bad and no non-present entry, every
 * table that is pointed to inside known memory, at least one table in the kernel half. Most pages are dismissed at their
 * first entries. What is left are roots, and lower tables that look like one. They are told apart by following a bounded
 * sample of entries down to the leaves: below a real root every table parses as one of its level, and leaves map
 * memory. Tables with equal kernel halves are one guess.
 *
 * A scan assumes one configuration, and a table below the root of a larger one is a fine root of a smaller one (the
 * kernel's p4d table on x86-64 with five levels): try the configuration with most levels first.
 *
 * The work is bounded whatever the memory holds: one pass, and at most 200,000 table reads.
 *
 * Returns: guesses, best first; empty if nothing holds.
 */
export async function scanForRoots(memory: PhysicalReader, options: RootScanOptions): Promise<readonly RootGuess[]> {
  const scan = new RootScan(memory, options);
  const groups = await scan.findGroups();
  return scan.verify(groups);
}

class RootScan {
  private readonly memory: PhysicalReader;
  private readonly options: RootScanOptions;
  private readonly format: EntryFormat;
  private readonly stride: 1 | 2;
  /** Where the low and high word of an entry are, once words are in the host's byte order. */
  private readonly low: number;
  private readonly high: number;
  private readonly known: KnownMemory;
  /** Index ranges of the root, [first, end) each. */
  private readonly kernelParts: readonly (readonly [number, number])[];
  private readonly userParts: readonly (readonly [number, number])[];
  /** Levels that exist, top first. */
  private readonly levels: readonly Level[];
  private readsLeft = MAX_READS;
  /** What {@link shape} found in the block it looked at last. */
  private kernelEntries = 0;
  private userEntries = 0;
  private hashA = 0;
  private hashB = 0;

  constructor(memory: PhysicalReader, options: RootScanOptions) {
    const { geometry, rootBytes, rootAlign } = options;
    if (geometry.entryBytes === 16) throw new PgtableError('ENOTSUP', 'the structural scan does not know entries of 128 bits');
    if (rootBytes % geometry.entryBytes !== 0 || rootAlign % geometry.entryBytes !== 0 || rootBytes <= 0 || rootAlign <= 0) {
      throw new PgtableError('EINVAL', `a root table of ${rootBytes} bytes at multiples of ${rootAlign} bytes is no whole number of entries`);
    }
    this.memory = memory;
    this.options = options;
    this.format = options.formats[levelNumber(options.top)]!;
    this.stride = geometry.entryBytes === 4 ? 1 : 2;
    this.low = this.stride === 1 || options.littleEndian ? 0 : 1;
    this.high = 1 - this.low;
    this.known = new KnownMemory(memory.ranges);
    this.levels = LEVELS.slice(0, levelNumber(options.top) + 1).filter((level) => level === options.top || !geometryOf(geometry, level).folded).reverse();
    const bytes = 2 ** geometryOf(geometry, options.top).shift;
    const parts = (half: 'kernel' | 'user'): (readonly [number, number])[] =>
      options.windows
        .filter((window) => window.half === half)
        .map((window) => [window.index, Math.min(window.index + Math.ceil((window.end - window.start) / bytes), rootBytes / geometry.entryBytes)] as const);
    this.kernelParts = parts('kernel');
    this.userParts = parts('user');
  }

  /** The pass over memory. */
  async findGroups(): Promise<Group[]> {
    const { rootBytes, rootAlign } = this.options;
    const groups = new Map<number, Group>();
    const words = this.stride;
    let scanned = 0;
    for await (const { address, bytes } of this.memory.chunks({ skipZeros: true })) {
      // A block may begin in the zeros that were left out; after a chunk that ends here, none is left to look at.
      for (let at = Math.max(roundUp(scanned, rootAlign), roundUp(address - rootBytes + 1, rootAlign)); at < address; at += rootAlign) await this.edge(groups, at);
      scanned = address + bytes.length;
      const view = this.hostWords(bytes);
      // An odd chunk cannot be read as words from its beginning; blocks are aligned, so begin at the first of them.
      let offset = (rootAlign - (address % rootAlign)) % rootAlign;
      const shifted = view === undefined ? this.hostWords(bytes.slice(offset)) : undefined;
      const all = view ?? shifted;
      if (all === undefined) continue;
      const origin = view === undefined ? offset : 0;
      for (; offset + rootBytes <= bytes.length; offset += rootAlign) {
        if (this.shape(all, ((offset - origin) / this.options.geometry.entryBytes) * words)) this.add(groups, address + offset);
      }
      for (; offset < bytes.length; offset += rootAlign) {
        await this.edge(groups, address + offset);
      }
    }
    // Copies of one kernel half first, then the sparse ones: roots are sparse, lower tables are full.
    return [...groups.values()].sort((a, b) => b.count - a.count || a.kernelEntries - b.kernelEntries || a.table - b.table);
  }

  /** A block over the edge of two chunks. */
  private async edge(groups: Map<number, Group>, address: number): Promise<void> {
    const block = await this.memory.read(address, this.options.rootBytes);
    const words = block === undefined ? undefined : this.hostWords(block.slice());
    if (words !== undefined && this.shape(words, 0)) this.add(groups, address);
  }

  /** Follows each group down, and ranks what holds. */
  async verify(groups: readonly Group[]): Promise<RootGuess[]> {
    const guesses: RootGuess[] = [];
    for (let at = 0; at < groups.length && this.readsLeft > 0; at += PARALLEL) {
      const verified = await Promise.all(groups.slice(at, at + PARALLEL).map((group) => this.verifyGroup(group)));
      for (const guess of verified) if (guess !== undefined) guesses.push(guess);
    }
    guesses.sort((a, b) => b.score - a.score || b.sharedKernelHalf - a.sharedKernelHalf || a.table - b.table);
    return guesses.slice(0, this.options.limit ?? 8);
  }

  /**
   * Whether the block at a word looks like a root. Called for every block of memory, so it leaves at the first entry that
   * does not fit and allocates nothing.
   */
  private shape(words: Int32Array, at: number): boolean {
    this.hashA = 0;
    this.hashB = 0;
    let kernelEntries = 0;
    let tables = 0;
    for (const [first, end] of this.kernelParts) {
      const found = this.entries(words, at, first, end);
      if (found < 0) return false;
      kernelEntries += found % 65536;
      tables += Math.floor(found / 65536);
    }
    if (tables === 0) return false;
    let userEntries = 0;
    // The hash of the kernel half alone says which tables belong together.
    const { hashA, hashB } = this;
    for (const [first, end] of this.userParts) {
      const found = this.entries(words, at, first, end);
      if (found < 0) return false;
      userEntries += found % 65536;
    }
    this.hashA = hashA;
    this.hashB = hashB;
    this.kernelEntries = kernelEntries;
    this.userEntries = userEntries;
    return true;
  }

  /** Checks entries of a root. Returns: those that are not empty + 65536 times those that are tables; -1 if one does not fit. */
  private entries(words: Int32Array, at: number, first: number, end: number): number {
    const { format, stride, low, high } = this;
    let found = 0;
    for (let i = first, p = at + first * stride; i < end; i++, p += stride) {
      const lo = words[p + low]!;
      const hi = stride === 2 ? words[p + high]! : 0;
      if (lo === format.emptyLo && hi === format.emptyHi) continue;
      // Nothing is swapped out or migrated at the top.
      if ((lo & format.validMask) !== format.validValue) return -1;
      if ((lo & format.tableMask) === format.tableValue) {
        if (((lo & format.reservedTableLo) | (hi & format.reservedTableHi)) !== 0) return -1;
        if (!this.known.has(tableAddress(format, lo, hi))) return -1;
        found += 65537;
      } else {
        if (badLeaf(format, lo, hi)) return -1;
        found++;
      }
      this.hashA = Math.imul(this.hashA ^ lo ^ Math.imul(i, 0x9e3779b1), 0x85ebca6b) ^ (this.hashA >>> 15);
      this.hashB = Math.imul(this.hashB ^ hi ^ Math.imul(lo, 0xc2b2ae35), 0x27d4eb2f) ^ (this.hashB >>> 13);
    }
    return found;
  }

  private add(groups: Map<number, Group>, table: number): void {
    const key = (this.hashA >>> 0) * 2 ** 21 + (this.hashB >>> 11);
    const group = groups.get(key);
    if (group === undefined) {
      if (groups.size < MAX_GROUPS) groups.set(key, { table, userEntries: this.userEntries, kernelEntries: this.kernelEntries, count: 1 });
      return;
    }
    group.count++;
    if (this.userEntries === 0 && group.userEntries !== 0) {
      group.table = table;
      group.userEntries = 0;
    }
  }

  private async verifyGroup(group: Group): Promise<RootGuess | undefined> {
    const { rootBytes, geometry, top } = this.options;
    const root = await this.readTable(group.table, rootBytes);
    if (root === undefined) return undefined;
    const found = new Findings();
    for (const [first, end] of this.kernelParts) this.parse(root, first, end, this.format, found);
    found.valid = 0;

    for (const level of this.levels.slice(1)) {
      const bytes = geometryOf(geometry, level).entries * geometry.entryBytes;
      const seen = found.valid + found.invalid;
      for (const table of spread(found.takeTables(), SAMPLE_READS)) {
        const words = await this.readTable(table, bytes);
        if (words === undefined) continue;
        this.parse(words, 0, bytes / geometry.entryBytes, this.options.formats[levelNumber(level)]!, found);
        // Lower tables and data that looked like a root end here, after a read or two.
        if (found.invalid > 1 && found.invalid * 8 > found.valid) return undefined;
        if (found.valid + found.invalid - seen === SAMPLE) break;
      }
    }
    const { valid, invalid, kernelLeaves, userLeaves } = found;
    if (valid === 0 || invalid * 8 > valid || kernelLeaves === 0 || userLeaves >= kernelLeaves) return undefined;

    const { title } = geometryOf(geometry, top);
    const evidence = [
      `A scan of memory found a table at physical address 0x${group.table.toString(16)} that reads as a ${title} with ${group.kernelEntries} entries in the kernel half.`,
      `Of ${valid + invalid} tables below it that were looked at ${invalid === 0 ? 'every one is a table' : `${valid} are tables`} of its level, and they map ${kernelLeaves} pages or blocks of known memory for the kernel${userLeaves === 0 ? '' : ` and ${userLeaves} for user code`}.`,
    ];
    if (group.count > 1) evidence.push(`${group.count} tables in memory have the same kernel half, as the tables of processes do.`);
    if (this.userParts.length > 0) {
      evidence.push(group.userEntries === 0 ? "Its user half is empty, as in the kernel's own table." : `Its user half has ${group.userEntries} entries: it is the table of a process.`);
    }
    return {
      table: group.table,
      score: kernelLeaves - userLeaves,
      kernelLeaves,
      userLeaves,
      userEntries: group.userEntries,
      sharedKernelHalf: group.count,
      evidence,
    };
  }

  /** Parses entries of a table into findings: valid, invalid, or neither (empty; device memory only). */
  private parse(words: Int32Array, first: number, end: number, format: EntryFormat, found: Findings): void {
    const { stride, low, high, known } = this;
    const { userLeafMask } = this.options;
    let kernel = 0;
    let user = 0;
    let outside = 0;
    let nonPresent = 0;
    const tables: number[] = [];
    for (let i = first, p = first * stride; i < end; i++, p += stride) {
      const lo = words[p + low]!;
      const hi = stride === 2 ? words[p + high]! : 0;
      if (lo === format.emptyLo && hi === format.emptyHi) continue;
      if ((lo & format.validMask) !== format.validValue) {
        nonPresent++;
      } else if ((lo & format.tableMask) === format.tableValue) {
        const address = tableAddress(format, lo, hi);
        if (((lo & format.reservedTableLo) | (hi & format.reservedTableHi)) !== 0 || !known.has(address)) {
          found.invalid++;
          return;
        }
        tables.push(address);
      } else {
        const address = this.leaf(format, lo, hi);
        if (address < 0) {
          found.invalid++;
          return;
        }
        if (!known.has(address)) outside++;
        else if ((lo & userLeafMask) !== 0) user++;
        else kernel++;
      }
    }
    const present = tables.length + kernel + user + outside;
    if (nonPresent > present) {
      // Kernel tables keep few entries that are not present; other data is full of what reads like them.
      found.invalid++;
      return;
    }
    if (present === 0 || outside > present - outside) return;
    found.valid++;
    found.kernelLeaves += kernel;
    found.userLeaves += user;
    found.addTables(tables);
  }

  /** The address that a leaf maps; -1 if it is a bad entry. */
  private leaf(format: EntryFormat, lo: number, hi: number): number {
    if (badLeaf(format, lo, hi)) return -1;
    if ((hi & format.napotHi) === 0) return leafAddress(format, lo, hi);
    const group = napotEntries(format, lo);
    return group === 0 ? -1 : napotAddress(format, lo, hi, group);
  }

  private async readTable(address: number, bytes: number): Promise<Int32Array | undefined> {
    if (this.readsLeft <= 0) return undefined;
    this.readsLeft--;
    const read = await this.memory.read(address, bytes);
    return read === undefined ? undefined : this.hostWords(read.byteOffset % 4 === 0 ? read : read.slice());
  }

  /**
   * Bytes as 32-bit words of the host. Borrowed where the byte order is the host's, else a copy.
   *
   * Returns: undefined if the bytes do not begin at a multiple of four in their buffer.
   */
  private hostWords(bytes: Uint8Array): Int32Array | undefined {
    if (bytes.byteOffset % 4 !== 0) return undefined;
    const count = bytes.length >>> 2;
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, count);
    if (this.options.littleEndian === LITTLE_ENDIAN_HOST) return words;
    const swapped = new Int32Array(count);
    const view = new DataView(bytes.buffer, bytes.byteOffset, count * 4);
    for (let i = 0; i < count; i++) swapped[i] = view.getInt32(i * 4, this.options.littleEndian);
    return swapped;
  }
}

/** What was seen below one guess. */
class Findings {
  valid = 0;
  invalid = 0;
  kernelLeaves = 0;
  userLeaves = 0;
  private tables = new Set<number>();

  addTables(tables: readonly number[]): void {
    for (const table of tables) this.tables.add(table);
  }

  /** The tables of the next level, each once, in address order. */
  takeTables(): number[] {
    const tables = [...this.tables].sort((a, b) => a - b);
    this.tables = new Set();
    return tables;
  }
}

/** Up to `most` items, each once, in an order whose every beginning is spread over all of them. */
function spread(items: readonly number[], most: number): number[] {
  const count = items.length;
  let step = Math.max(1, Math.floor(count * 0.618));
  while (greatestDivisor(step, count) > 1) step++;
  return Array.from({ length: Math.min(count, most) }, (_, i) => items[(i * step) % count]!);
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** The memory that a dump has or knows of, for many questions in a row. */
class KnownMemory {
  private readonly starts: Float64Array;
  private readonly ends: Float64Array;
  private last = 0;

  constructor(ranges: PhysicalReader['ranges']) {
    this.starts = Float64Array.from(ranges, (range) => range.start);
    this.ends = Float64Array.from(ranges, (range) => range.end);
  }

  has(address: number): boolean {
    const { starts, ends, last } = this;
    // The next question is mostly about the same range.
    if (last < starts.length && address >= starts[last]! && address < ends[last]!) return true;
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ends[middle]! <= address) low = middle + 1;
      else high = middle;
    }
    if (low === starts.length || address < starts[low]!) return false;
    this.last = low;
    return true;
  }
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
