import { PgtableError } from './errors.js';
import { levelNumber, type Level } from './levels.js';

/** Whether the host stores the low word of a 64-bit element first. Entries are host-endian inside table memory. */
const LITTLE_ENDIAN_HOST = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** In a 64-bit entry: which of its two 32-bit words is the low one, and which the high one. */
export const LOW_WORD = LITTLE_ENDIAN_HOST ? 0 : 1;
export const HIGH_WORD = LITTLE_ENDIAN_HOST ? 1 : 0;

/** Entries are numbered by handles, and a handle stays below this so that V8 keeps it unboxed. */
const MAX_ENTRIES = 2 ** 31 - 1;

/** Entries of the largest tables that there are: arm64's with granules of 64K, powerpc's roots. */
const LARGEST_TABLE = 8192;

export interface TableMemoryOptions {
  /** Bytes of one entry. Default 8. */
  readonly entryBytes?: 4 | 8 | 16;
  /** Entries to make room for at once. Default 0. */
  readonly entries?: number;
  /**
   * Back the entries with a SharedArrayBuffer, so that other threads can see them. Default false.
   *
   * Shared memory does not move, so that threads never see different copies: make room for all entries at the start.
   */
  readonly shared?: boolean;
}

/** A shared table memory, in a form that can be posted to a worker. For {@link TableMemory.attach}. */
export interface SharedTables {
  readonly buffer: SharedArrayBuffer;
  readonly entryBytes: 4 | 8 | 16;
  readonly first: number;
  readonly used: number;
  /** By level number: physical address and first entry of each table. */
  readonly tables: readonly ReadonlyMap<number, number>[];
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
 *
 * As on the machine, a table of `2 ** n` entries begins at a multiple of `2 ** n`, so that an entry's index says where in
 * its table it is, and architectures find its neighbours. None begins at 0, so that a handle is never taken for none by `if (ptep)`.
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
  /** Where the first table begins, and where the last one ends. */
  private first = 0;
  private used = 0;
  /** Entries that room was asked for, before the first table came. */
  private readonly room: number;
  private readonly bases: readonly Map<number, number>[] = [new Map(), new Map(), new Map(), new Map(), new Map()];
  /** First entries of all tables, ascending, and the tables' addresses: made when {@link addressOf} is asked, as good as the tables stay what they are. */
  private inverse: { readonly bases: Float64Array; readonly addresses: Float64Array } | undefined;
  /** First entries of tables that were given back, by size in entries. */
  private readonly free = new Map<number, number[]>();

  constructor(options: TableMemoryOptions = {}) {
    this.entryBytes = options.entryBytes ?? 8;
    // Programs in JavaScript may say anything.
    if (![4, 8, 16].includes(this.entryBytes)) throw new PgtableError('EINVAL', `page tables have no entries of ${String(options.entryBytes)} bytes`, { hint: 'give 4, 8 or 16 as entryBytes' });
    this.shared = options.shared ?? false;
    this.room = options.entries ?? 0;
    const buffer = this.newBuffer((this.room + gapBefore(this.room)) * this.entryBytes);
    this.words = new Int32Array(buffer);
    this.elements = new BigUint64Array(buffer);
    this.bytes = new Uint8Array(buffer);
  }

  /**
   * Calls back now, and again whenever the memory has moved because it grew: for who keeps {@link words} or {@link elements} at hand. It is called for as
   * long as the memory lives.
   */
  follow(follower: (memory: TableMemory) => void): void {
    this.followers.push(follower);
    follower(this);
  }
  private readonly followers: ((memory: TableMemory) => void)[] = [];

  /** Entries in use by tables. */
  get entries(): number {
    return this.used - this.first;
  }

  /** Tables that are here. */
  get tables(): number {
    return this.bases.reduce((sum, map) => sum + map.size, 0);
  }

  /**
   * The same memory in another thread: what one thread writes, the others see. Tables that are allocated later are not known
   * to the others.
   */
  static attach(image: SharedTables): TableMemory {
    const memory = new TableMemory({ entryBytes: image.entryBytes, shared: true });
    memory.use(image.buffer);
    memory.first = image.first;
    memory.used = image.used;
    image.tables.forEach((tables, number) => {
      for (const [address, base] of tables) memory.bases[number]!.set(address, base);
    });
    return memory;
  }

  /**
   * For {@link TableMemory.attach}.
   *
   * @throws PgtableError `EINVAL` if the memory is not shared
   */
  share(): SharedTables {
    const { buffer } = this.bytes;
    if (buffer instanceof ArrayBuffer) {
      throw new PgtableError('EINVAL', 'this table memory is not shared', { hint: 'make it with `shared: true`' });
    }
    return { buffer, entryBytes: this.entryBytes, first: this.first, used: this.used, tables: this.bases };
  }

  /**
   * Makes room for `entries` more entries in one step, so that a batch of {@link allocate} moves the memory once.
   *
   * @param alignment entries of the tables to come, so that the gap before the first one is counted. Default: 1, or what any table may need if none is here yet
   * @throws PgtableError `ENOMEM` when handles would no longer be small integers or the host refuses the memory.
   */
  reserve(entries: number, alignment = this.used === 0 ? gapBefore(entries) : 1): void {
    const needed = this.next(alignment) + entries;
    if (needed * this.entryBytes <= this.bytes.length) return;
    if (needed > MAX_ENTRIES) {
      throw new PgtableError('ENOMEM', `page tables with ${needed} entries do not fit in one table memory (at most ${MAX_ENTRIES})`, {
        hint: 'look at a smaller range',
      });
    }
    if (this.shared && this.used > 0) {
      throw new PgtableError('ENOMEM', `shared page tables have room for ${this.bytes.length / this.entryBytes} entries, and ${needed} are wanted`, {
        hint: 'make the TableMemory with a larger `entries`: shared memory cannot move',
      });
    }
    const old = this.bytes;
    this.use(this.newBuffer(needed * this.entryBytes));
    this.bytes.set(old);
  }

  /**
   * Adds a table. What its entries are is undefined until they are written: an architecture fills it with its empty entry.
   *
   * @param address physical address of the table on its machine; the pair of level and address must be new
   * @returns the index of the table's first entry
   * @throws PgtableError `EINVAL` for a pair that is here already, or no entries; `ENOMEM` as {@link reserve}
   */
  allocate(level: Level, address: number, entries: number): number {
    if (!Number.isInteger(entries) || entries < 1) throw new PgtableError('EINVAL', `a ${level} table cannot have ${entries} entries`, { hint: 'give a whole number from 1 on' });
    const map = this.baseMap(level);
    if (map.has(address)) throw new PgtableError('EINVAL', `there is already a ${level} table at physical address ${hex(address)}`, { address: BigInt(address) });
    const base = this.free.get(entries)?.pop() ?? this.place(entries);
    map.set(address, base);
    this.inverse = undefined;
    return base;
  }

  /** Takes a table away. Its entries are used again for one of the same size, so nobody may look at them any more. */
  release(level: Level, address: number, entries: number): void {
    const map = this.baseMap(level);
    const base = map.get(address);
    if (base === undefined) throw new PgtableError('EINVAL', `there is no ${level} table at physical address ${hex(address)}`, { address: BigInt(address) });
    map.delete(address);
    this.inverse = undefined;
    const free = this.free.get(entries);
    if (free === undefined) this.free.set(entries, [base]);
    else free.push(base);
  }

  private place(entries: number): number {
    // Whole powers of two are aligned to themselves; a root table that is cut short is aligned as if it were whole.
    const alignment = 2 ** Math.ceil(Math.log2(entries));
    if (this.used === 0) this.reserve(this.room, alignment);
    const base = this.next(alignment);
    if (this.used === 0) this.first = base;
    const more = base + entries - this.used;
    // Doubling keeps single allocations cheap; a loader reserves exactly instead.
    if ((base + entries) * this.entryBytes > this.bytes.length) this.reserve(Math.max(more, Math.min(this.used, MAX_ENTRIES - this.used)), 1);
    this.used = base + entries;
    return base;
  }

  /** Where the next table can begin. */
  private next(alignment: number): number {
    return Math.ceil(Math.max(this.used, 1) / alignment) * alignment;
  }

  /** The index of the first entry of a table, or -1 if there is no such table here. */
  find(level: Level, address: number): number {
    return this.baseMap(level).get(address) ?? -1;
  }

  /**
   * The physical address of an entry.
   *
   * @param entry its index
   * @throws PgtableError `EINVAL` if no table is so low
   */
  addressOf(entry: number): number {
    const { bases, addresses } = (this.inverse ??= this.inverted());
    let low = 0;
    let high = bases.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (bases[middle]! <= entry) low = middle + 1;
      else high = middle;
    }
    if (low === 0) throw new PgtableError('EINVAL', `entry ${entry} is in no table of this memory`, { hint: 'use handles while their table is here' });
    return addresses[low - 1]! + (entry - bases[low - 1]!) * this.entryBytes;
  }

  private inverted(): { readonly bases: Float64Array; readonly addresses: Float64Array } {
    const all = this.bases.flatMap((map) => [...map]).sort(([, a], [, b]) => a - b);
    return { bases: Float64Array.from(all, ([, base]) => base), addresses: Float64Array.from(all, ([address]) => address) };
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

  private use(buffer: ArrayBuffer | SharedArrayBuffer): void {
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.elements = new BigUint64Array(buffer);
    for (const follower of this.followers) follower(this);
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

/** Entries before the first of tables that have so many in all: as many as the largest of them may have. */
function gapBefore(entries: number): number {
  return Math.max(1, Math.min(entries, LARGEST_TABLE));
}

function swapBytes(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

function hex(address: number): string {
  return '0x' + address.toString(16);
}
