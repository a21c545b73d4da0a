import { PgtableError } from './errors.js';
import { levelNumber, type Level } from './levels.js';

/** Whether the host stores the low word of a 64-bit element first. Entries are host-endian inside table memory. */
const LITTLE_ENDIAN_HOST = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** In a 64-bit entry: which of its two 32-bit words is the low one, and which the high one. */
export const LOW_WORD = LITTLE_ENDIAN_HOST ? 0 : 1;
export const HIGH_WORD = LITTLE_ENDIAN_HOST ? 1 : 0;

/** Entries are numbered by handles, and a handle stays below this so that V8 keeps it unboxed. */
const MAX_ENTRIES = 2 ** 31 - 1;

export interface TableMemoryOptions {
  /** Bytes of one entry. Default 8. */
  readonly entryBytes?: 4 | 8 | 16;
  /** Entries to make room for at once. Default 0. */
  readonly entries?: number;
  /** Back the entries with a SharedArrayBuffer, so that other threads can see them. Default false. */
  readonly shared?: boolean;
}

/**
 * The memory that page tables live in: one arena of entries, and for each table the physical address it has on its
 * machine.
 *
 * A table is a run of entries; an entry is known by its index, and that index is what a handle holds. Entries are kept in
 * the host's byte order whatever the machine's, so the accessors need not care.
 *
 * A table is found by level and physical address: the same page used at two levels (a table that maps itself) is two
 * tables here.
 */
export class TableMemory {
  readonly entryBytes: 4 | 8 | 16;
  readonly shared: boolean;
  /** All entries as signed 32-bit words; grows, so take it anew after {@link allocate}. */
  words: Int32Array;
  /** The same memory as 64-bit elements. */
  elements: BigUint64Array;
  /** The same memory as bytes. */
  bytes: Uint8Array;
  private used = 0;
  private readonly bases: readonly Map<number, number>[] = [new Map(), new Map(), new Map(), new Map(), new Map()];

  constructor(options: TableMemoryOptions = {}) {
    this.entryBytes = options.entryBytes ?? 8;
    this.shared = options.shared ?? false;
    const buffer = this.newBuffer((options.entries ?? 0) * this.entryBytes);
    this.words = new Int32Array(buffer);
    this.elements = new BigUint64Array(buffer);
    this.bytes = new Uint8Array(buffer);
  }

  /** Entries in use by tables. */
  get entries(): number {
    return this.used;
  }

  /** Tables that are here. */
  get tables(): number {
    return this.bases.reduce((sum, map) => sum + map.size, 0);
  }

  /**
   * Makes room for `entries` more entries in one step, so that a batch of {@link allocate} moves the memory once.
   *
   * @throws PgtableError `ENOMEM` when handles would no longer be small integers or the host refuses the memory.
   */
  reserve(entries: number): void {
    const needed = this.used + entries;
    if (needed * this.entryBytes <= this.bytes.length) return;
    if (needed > MAX_ENTRIES) {
      throw new PgtableError('ENOMEM', `page tables with ${needed} entries do not fit in one table memory (at most ${MAX_ENTRIES})`, {
        hint: 'look at a smaller range',
      });
    }
    const old = this.bytes;
    const buffer = this.newBuffer(needed * this.entryBytes);
    this.bytes = new Uint8Array(buffer);
    this.bytes.set(old);
    this.words = new Int32Array(buffer);
    this.elements = new BigUint64Array(buffer);
  }

  /**
   * Adds a table. Its entries are zero bytes until they are written: an architecture whose empty entry is not zero must
   * fill it.
   *
   * @param address physical address of the table on its machine; the pair of level and address must be new
   * @returns the index of the table's first entry
   */
  allocate(level: Level, address: number, entries: number): number {
    const map = this.baseMap(level);
    if (map.has(address)) throw new PgtableError('EINVAL', `there is already a ${level} table at physical address ${hex(address)}`, { address: BigInt(address) });
    const needed = (this.used + entries) * this.entryBytes;
    // Doubling keeps single allocations cheap; a loader reserves exactly instead.
    if (needed > this.bytes.length) this.reserve(Math.max(entries, Math.min(this.used, MAX_ENTRIES - this.used)));
    const base = this.used;
    this.used += entries;
    map.set(address, base);
    return base;
  }

  /** The index of the first entry of a table, or -1 if there is no such table here. */
  find(level: Level, address: number): number {
    return this.baseMap(level).get(address) ?? -1;
  }

  /** The physical addresses of the tables of a level, in the order in which they came. */
  addresses(level: Level): IterableIterator<number> {
    return this.baseMap(level).keys();
  }

  /**
   * Turns freshly loaded entries from the machine's byte order into the host's, in place.
   *
   * @param littleEndian the byte order that the entries are in
   */
  toHostOrder(firstEntry: number, entries: number, littleEndian: boolean): void {
    if (littleEndian === LITTLE_ENDIAN_HOST) return;
    const { words } = this;
    const perEntry = this.entryBytes / 4;
    const end = (firstEntry + entries) * perEntry;
    for (let at = firstEntry * perEntry; at < end; at += perEntry) {
      for (let low = at, high = at + perEntry - 1; low <= high; low++, high--) {
        const word = swapBytes(words[low]!);
        words[low] = swapBytes(words[high]!);
        words[high] = word;
      }
    }
  }

  private baseMap(level: Level): Map<number, number> {
    // There is one map for each level number.
    return this.bases[levelNumber(level)]!;
  }

  private newBuffer(bytes: number): ArrayBuffer | SharedArrayBuffer {
    if (this.shared && !('SharedArrayBuffer' in globalThis)) {
      throw new PgtableError('ENOTSUP', 'page tables cannot be shared with other threads here: there is no SharedArrayBuffer', {
        hint: 'serve the page cross-origin isolated (COOP: same-origin, COEP: require-corp), or leave out `shared`',
      });
    }
    // 64-bit elements need whole elements.
    const rounded = Math.ceil(bytes / 16) * 16;
    try {
      return this.shared ? new SharedArrayBuffer(rounded) : new ArrayBuffer(rounded);
    } catch (cause) {
      throw new PgtableError('ENOMEM', `no memory for ${rounded} bytes of page tables`, { hint: 'look at a smaller range', cause });
    }
  }
}

function swapBytes(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

function hex(address: number): string {
  return '0x' + address.toString(16);
}
