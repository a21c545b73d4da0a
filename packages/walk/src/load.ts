import {
  EntryKind, geometryOf, levelNumber, LEVELS, PgtableError, ScanBuffer, scanFilter, type HandleFamily, type Level, type TableMemory, type TableOf,
} from '@pgtable/core';
import { BLOCK_ABSENT, BLOCK_PRESENT, type PhysicalMemory } from '@pgtable/memory';
import { childOf, levelBelow, scanTable, wholeSpace, type Space, type VaRange } from './space.js';

/** The physical memory that tables are loaded from, as far as loading needs it. */
export type TableSource = Pick<PhysicalMemory, 'readBlocks'>;

/** Why a table could not be loaded: its page is memory that the dump leaves out, or no memory at all. */
export type MissingTable = 'absent' | 'none';

export interface LoadLimits {
  /** Most bytes of tables to load. Default 8 GiB. */
  readonly maxBytes?: number;
}

export interface LoadProgress {
  readonly level: Level;
  /** Tables of this level that are loaded, of those that are known. */
  readonly done: number;
  readonly total: number;
}

/** Dumps are read in pieces of this size, which no page size is smaller than; a table may be of several. */
const UNIT_BYTES = 4096;
/** Blocks that are read in one go: 16 MiB. */
const BATCH_BLOCKS = 4096;

/** Entries of a table: [first, end). */
interface EntryRange {
  readonly first: number;
  readonly end: number;
}

/** A table that a round of loading will look into, and which of its entries exist. */
interface Wanted extends EntryRange {
  readonly address: number;
}

/** A table that is loaded, and the part of the wanted ranges in it. */
interface Visit<H extends HandleFamily> {
  readonly table: TableOf<H>;
  /** Entries to look at. */
  readonly first: number;
  readonly end: number;
  /** Address that entry 0 of the table translates; undefined when the whole table is wanted, wherever it is used. */
  readonly va: number | undefined;
}

/**
 * Brings the tables of an address space from physical memory into table memory, level by level: each round gathers the
 * tables that the round before points to and reads them in one batch. At most five rounds, whatever the size.
 *
 * Tables that several entries share are loaded once. What cannot be read is remembered as missing.
 */
export class TableLoader<H extends HandleFamily = HandleFamily> {
  readonly space: Space<H>;
  private readonly source: TableSource;
  private readonly tables: TableMemory | undefined;
  private readonly maxBytes: number;
  private readonly missing: readonly Map<number, MissingTable>[] = LEVELS.map(() => new Map<number, MissingTable>());
  /** Tables of which only some entries were read, because the entries that point to them say that there are no more. */
  private readonly partial: readonly Map<number, EntryRange>[] = LEVELS.map(() => new Map<number, EntryRange>());
  private readonly buffer = new ScanBuffer(2048);
  private readonly filter = scanFilter(false, 0, 0);

  constructor(space: Space<H>, source: TableSource, limits: LoadLimits = {}) {
    this.space = space;
    this.source = source;
    this.tables = space.arch.tables;
    this.maxBytes = limits.maxBytes ?? 8 * 2 ** 30;
  }

  /** Why the table of that level at that physical address is not here; undefined if it is, or was never asked for. */
  missingTable(level: Level, address: number): MissingTable | undefined {
    // What an architecture without table memory does not have, nobody can load.
    if (this.tables === undefined) return 'absent';
    return this.missing[levelNumber(level)]?.get(address);
  }

  /** Tables that could not be read, by level. */
  missingTables(): { level: Level; address: number; why: MissingTable }[] {
    return LEVELS.flatMap((level) => [...(this.missing[levelNumber(level)] ?? [])].map(([address, why]) => ({ level, address, why })));
  }

  /**
   * Loads every table that translates an address in the given ranges. Ranges outside of the root's windows are ignored.
   *
   * @throws PgtableError `ENOMEM` when the tables exceed the limit; whatever the memory throws
   */
  async load(ranges: readonly VaRange[] = wholeSpace(this.space.root), onProgress?: (progress: LoadProgress) => void): Promise<void> {
    if (this.tables === undefined) return;
    const { arch, root } = this.space;
    await this.loadTables(root.top, [{ address: root.table, first: root.first, end: root.end }], onProgress);
    const top = arch.rootTable(root);
    if (top === undefined) return;
    let visits = this.rootVisits(top, ranges);
    for (let level = levelBelow(arch, root.top); level !== undefined; level = levelBelow(arch, level)) {
      const wanted = new Map<number, Wanted>();
      for (const visit of visits) this.gather(visit, wanted);
      await this.loadTables(level, [...wanted.values()], onProgress);
      // The lowest level has no children to look for.
      if (levelBelow(arch, level) === undefined) return;
      visits = this.nextVisits(visits, level, ranges);
    }
  }

  /** Whether some of these entries of a loaded table were not read: another entry that points to it said that it is shorter. */
  isPartial(level: Level, address: number, first: number, end: number): boolean {
    const partial = this.partial[levelNumber(level)]!;
    const read = partial.size === 0 ? undefined : partial.get(address);
    return read !== undefined && (first < read.first || end > read.end);
  }

  /** Loads single tables, named by what {@link Translation} calls unloaded. */
  async loadMissing(wanted: readonly { readonly level: Level; readonly address: number; readonly first: number; readonly end: number }[]): Promise<void> {
    for (const level of LEVELS) {
      const here = wanted.filter((table) => table.level === level);
      if (here.length > 0) await this.loadTables(level, here, undefined);
    }
  }

  private rootVisits(top: TableOf<H>, ranges: readonly VaRange[]): Visit<H>[] {
    const { arch, root } = this.space;
    const bytes = 2 ** geometryOf(arch.geometry, root.top).shift;
    const visits: Visit<H>[] = [];
    for (const window of root.windows) {
      for (const range of ranges) {
        const start = Math.max(range.start, window.start);
        const end = Math.min(range.end, window.end);
        if (start >= end) continue;
        const first = window.index + Math.floor((start - window.start) / bytes);
        const last = window.index + Math.ceil((end - window.start) / bytes);
        visits.push({ table: top, first: Math.max(first, root.first), end: Math.min(last, root.end), va: window.start - window.index * bytes });
      }
    }
    return visits;
  }

  /** Calls back for each table that the entries of a visit point to, with the entries of it that exist. Tables without any are left out. */
  private forEachChild(visit: Visit<H>, found: (index: number, address: number, range: EntryRange) => void): void {
    const { arch } = this.space;
    const { buffer } = this;
    const ops = arch.ops[visit.table.level];
    for (let at = visit.first; at < visit.end; ) {
      buffer.count = 0;
      at = scanTable(arch, visit.table, at, visit.end, this.filter, buffer);
      for (let row = 0; row < buffer.count; row++) {
        if (buffer.kind[row] !== EntryKind.Table) continue;
        const range = ops.childRange(buffer.lo[row]!, buffer.hi[row]!);
        const first = range & 0xffff;
        const end = range >>> 16;
        if (first < end) found(buffer.index[row]!, buffer.pa[row]!, { first, end });
      }
    }
  }

  /** The tables that the entries of a visit point to. */
  private gather(visit: Visit<H>, wanted: Map<number, Wanted>): void {
    this.forEachChild(visit, (_index, address, range) => {
      wanted.set(address, { address, ...union(range, wanted.get(address) ?? range) });
    });
  }

  /** What the next round looks into: a wholly wanted table once, a table at the edge of a range only where it is wanted. */
  private nextVisits(visits: readonly Visit<H>[], level: Level, ranges: readonly VaRange[]): Visit<H>[] {
    const { arch } = this.space;
    const childBytes = 2 ** geometryOf(arch.geometry, level).shift;
    const whole = new Map<number, EntryRange>();
    const next: Visit<H>[] = [];
    for (const visit of visits) {
      const bytes = 2 ** geometryOf(arch.geometry, visit.table.level).shift;
      this.forEachChild(visit, (index, address, range) => {
        const va = visit.va === undefined ? undefined : visit.va + index * bytes;
        const parts = va === undefined ? undefined : clip(va, bytes, ranges);
        if (parts === undefined) {
          const seen = whole.get(address);
          if (seen !== undefined && seen.first <= range.first && seen.end >= range.end) return;
          whole.set(address, union(range, seen ?? range));
        }
        const table = childOf(arch, visit.table, index);
        if (table === undefined) return;
        if (parts === undefined || va === undefined) {
          next.push({ table, ...range, va: undefined });
          return;
        }
        for (const part of parts) {
          const first = Math.max(range.first, Math.floor((part.start - va) / childBytes));
          const end = Math.min(range.end, Math.ceil((part.end - va) / childBytes));
          if (first < end) next.push({ table, first, end, va });
        }
      });
    }
    return next;
  }

  /** One batch: reads tables of one level, and remembers which could not be read. */
  private async loadTables(level: Level, wanted: readonly Wanted[], onProgress: ((progress: LoadProgress) => void) | undefined): Promise<void> {
    const { tables } = this;
    const missing = this.missing[levelNumber(level)];
    if (tables === undefined || missing === undefined) return;
    const partial = this.partial[levelNumber(level)]!;
    const fresh = wanted
      .filter(({ address, first, end }) => !missing.has(address) && (tables.find(level, address) < 0 || this.isPartial(level, address, first, end)))
      .map((table) => ({ ...table, ...union(table, partial.get(table.address) ?? table) }))
      .sort((a, b) => a.address - b.address);
    if (fresh.length === 0) return;
    const { entryBytes } = tables;
    // Only a root may have fewer entries than its level's tables, or, on s390, be the one table of its level.
    const sole = fresh.length === 1 ? fresh[0]! : undefined;
    const entries = Math.max(geometryOf(this.space.arch.geometry, level).entries, sole?.end ?? 0);
    if ((tables.entries + fresh.length * entries) * entryBytes > this.maxBytes) {
      throw new PgtableError('ENOMEM', `more than ${this.maxBytes} bytes of page tables at level ${level}`, { hint: 'choose a smaller --range' });
    }
    // A small root may end before the memory of its page does.
    const unitBytes = Math.min(UNIT_BYTES, (sole?.end ?? entries) * entryBytes);
    // Once for the whole level: each growth of the arena holds it twice for a moment.
    tables.reserve(fresh.length * entries, entries);
    const batchTables = Math.max(1, Math.floor((BATCH_BLOCKS * unitBytes) / (entries * entryBytes)));
    for (let from = 0; from < fresh.length; from += batchTables) {
      const batch = fresh.slice(from, from + batchTables);
      await this.loadBatch(tables, level, batch, entries, unitBytes);
      onProgress?.({ level, done: from + batch.length, total: fresh.length });
    }
  }

  /**
   * Reads a batch of tables in units: only those that hold entries that exist, and of a table all of them must be there.
   *
   * @param entries that each table gets room for
   */
  private async loadBatch(tables: TableMemory, level: Level, batch: readonly Wanted[], entries: number, unitBytes: number): Promise<void> {
    const { entryBytes } = tables;
    const missing = this.missing[levelNumber(level)]!;
    const units: { table: number; offset: number }[] = [];
    batch.forEach(({ first, end }, table) => {
      const start = Math.floor((first * entryBytes) / unitBytes) * unitBytes;
      for (let offset = start; offset < end * entryBytes; offset += unitBytes) units.push({ table, offset });
    });
    const block = new Uint8Array(units.length * unitBytes);
    const states = new Uint8Array(units.length);
    await this.source.readBlocks(Float64Array.from(units, ({ table, offset }) => batch[table]!.address + offset), unitBytes, block, states);
    const unreadable = new Map<number, MissingTable>();
    units.forEach(({ table }, at) => {
      if (states[at] !== BLOCK_PRESENT && unreadable.get(table) !== 'none') unreadable.set(table, states[at] === BLOCK_ABSENT ? 'absent' : 'none');
    });
    const bases = batch.map(({ address, first, end }, table) => {
      const why = unreadable.get(table);
      if (why === undefined) return this.place(tables, level, address, entries, { first, end });
      missing.set(address, why);
      return -1;
    });
    units.forEach(({ table, offset }, at) => {
      const base = bases[table]!;
      if (base < 0) return;
      const length = Math.min(unitBytes, entries * entryBytes - offset);
      tables.bytes.set(block.subarray(at * unitBytes, at * unitBytes + length), base * entryBytes + offset);
    });
    for (const base of bases) if (base >= 0) tables.toHostOrder(base, entries, this.space.arch.littleEndian);
  }

  /** Room for a table, new or read again because more of it is wanted, whose given entries are about to be filled in. */
  private place(tables: TableMemory, level: Level, address: number, entries: number, read: EntryRange): number {
    const partial = this.partial[levelNumber(level)]!;
    if (read.first > 0 || read.end < entries) partial.set(address, read);
    else partial.delete(address);
    const base = tables.find(level, address);
    return base < 0 ? tables.allocate(level, address, entries) : base;
  }
}

/** The smallest range that holds both. */
function union(a: EntryRange, b: EntryRange): EntryRange {
  return { first: Math.min(a.first, b.first), end: Math.max(a.end, b.end) };
}

/** The parts of the ranges in [va, va + bytes); undefined if one range covers all of it. */
function clip(va: number, bytes: number, ranges: readonly VaRange[]): VaRange[] | undefined {
  const parts: VaRange[] = [];
  for (const range of ranges) {
    const start = Math.max(range.start, va);
    const end = Math.min(range.end, va + bytes);
    if (start === va && end === va + bytes) return undefined;
    if (start < end) parts.push({ start, end });
  }
  return parts;
}
