import {
  EntryKind, geometryOf, levelNumber, LEVELS, PgtableError, ScanBuffer, scanFilter, type HandleFamily, type Level, type TableMemory, type TableOf,
} from '@pgtable/core';
import type { PhysicalMemory } from '@pgtable/memory';
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
/** Blocks that are read in one go: 64 MiB. */
const BATCH_BLOCKS = 16384;

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
      for (const visit of visits) this.gather(visit, level, wanted);
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

  /** The tables that the entries of a visit point to. */
  private gather(visit: Visit<H>, level: Level, wanted: Map<number, Wanted>): void {
    const { arch } = this.space;
    const { buffer } = this;
    const ops = arch.ops[visit.table.level];
    for (let at = visit.first; at < visit.end; ) {
      buffer.count = 0;
      at = scanTable(arch, visit.table, at, visit.end, this.filter, buffer);
      for (let row = 0; row < buffer.count; row++) {
        if (buffer.kind[row] !== EntryKind.Table) continue;
        const address = buffer.pa[row]!;
        const range = ops.childRange(buffer.lo[row]!, buffer.hi[row]!);
        const seen = wanted.get(address);
        const first = range & 0xffff;
        const end = range >>> 16;
        // Of a table without entries there is nothing to read.
        if (first >= end) continue;
        if (seen === undefined) wanted.set(address, { address, first, end });
        else if (first < seen.first || end > seen.end) wanted.set(address, { address, first: Math.min(first, seen.first), end: Math.max(end, seen.end) });
      }
    }
  }

  /** What the next round looks into: a wholly wanted table once, a table at the edge of a range only where it is wanted. */
  private nextVisits(visits: readonly Visit<H>[], level: Level, ranges: readonly VaRange[]): Visit<H>[] {
    const { arch } = this.space;
    const { buffer } = this;
    const childBytes = 2 ** geometryOf(arch.geometry, level).shift;
    const whole = new Map<number, EntryRange>();
    const next: Visit<H>[] = [];
    for (const visit of visits) {
      const bytes = 2 ** geometryOf(arch.geometry, visit.table.level).shift;
      const ops = arch.ops[visit.table.level];
      for (let at = visit.first; at < visit.end; ) {
        buffer.count = 0;
        at = scanTable(arch, visit.table, at, visit.end, this.filter, buffer);
        for (let row = 0; row < buffer.count; row++) {
          if (buffer.kind[row] !== EntryKind.Table) continue;
          const index = buffer.index[row]!;
          const range = ops.childRange(buffer.lo[row]!, buffer.hi[row]!);
          const address = buffer.pa[row]!;
          const va = visit.va === undefined ? undefined : visit.va + index * bytes;
          const parts = va === undefined ? undefined : clip(va, bytes, ranges);
          if (parts === undefined) {
            const here = { first: range & 0xffff, end: range >>> 16 };
            if (here.first >= here.end) continue;
            const seen = whole.get(address);
            if (seen !== undefined && seen.first <= here.first && seen.end >= here.end) continue;
            whole.set(address, seen === undefined ? here : union(seen, here));
          }
          const table = childOf(arch, visit.table, index);
          if (table === undefined) continue;
          if (parts === undefined || va === undefined) {
            next.push({ table, first: range & 0xffff, end: range >>> 16, va: undefined });
          } else {
            for (const part of parts) {
              const first = Math.max(range & 0xffff, Math.floor((part.start - va) / childBytes));
              const end = Math.min(range >>> 16, Math.ceil((part.end - va) / childBytes));
              if (first < end) next.push({ table, first, end, va });
            }
          }
        }
      }
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
    const { entries } = geometryOf(this.space.arch.geometry, level);
    const entryBytes = tables.entryBytes;
    const tableBytes = Math.max(entries, ...(fresh.length === 1 ? [fresh[0]!.end] : [])) * entryBytes;
    if ((tables.entries + fresh.length * entries) * entryBytes > this.maxBytes) {
      throw new PgtableError('ENOMEM', `more than ${this.maxBytes} bytes of page tables at level ${level}`, { hint: 'choose a smaller --range' });
    }
    if (tableBytes <= UNIT_BYTES) await this.loadSmall(level, fresh, tableBytes, onProgress);
    else await this.loadLarge(level, fresh, tableBytes, onProgress);
  }

  /** Tables of one unit or less: read straight into table memory, and the unreadable ones taken out again. */
  private async loadSmall(level: Level, fresh: readonly Wanted[], tableBytes: number, onProgress: ((progress: LoadProgress) => void) | undefined): Promise<void> {
    const tables = this.tables!;
    const missing = this.missing[levelNumber(level)]!;
    for (let from = 0; from < fresh.length; from += BATCH_BLOCKS) {
      const batch = fresh.slice(from, from + BATCH_BLOCKS);
      // The root may be smaller than a full table, or than what is left of its page in memory.
      const only = batch.length === 1 ? batch[0]! : undefined;
      const bytes = only === undefined ? tableBytes : only.end * tables.entryBytes;
      const block = new Uint8Array(batch.length * bytes);
      const states = new Uint8Array(batch.length);
      await this.source.readBlocks(Float64Array.from(batch, ({ address }) => address), bytes, block, states);
      const present = states.reduce((sum, state) => sum + (state === 1 ? 1 : 0), 0);
      tables.reserve((present * tableBytes) / tables.entryBytes);
      batch.forEach(({ address }, at) => {
        if (states[at] !== 1) {
          missing.set(address, states[at] === 2 ? 'absent' : 'none');
          return;
        }
        const entries = tableBytes / tables.entryBytes;
        const base = this.place(level, address, entries, { first: 0, end: bytes / tables.entryBytes });
        tables.bytes.set(block.subarray(at * bytes, (at + 1) * bytes), base * tables.entryBytes);
        tables.toHostOrder(base, entries, this.space.arch.littleEndian);
      });
      onProgress?.({ level, done: from + batch.length, total: fresh.length });
    }
  }

  /** Tables of several units: only the units that hold entries that exist are read, and all of them must be there. */
  private async loadLarge(level: Level, fresh: readonly Wanted[], tableBytes: number, onProgress: ((progress: LoadProgress) => void) | undefined): Promise<void> {
    const tables = this.tables!;
    const missing = this.missing[levelNumber(level)]!;
    const perTable = Math.ceil(tableBytes / UNIT_BYTES);
    const batchTables = Math.max(1, Math.floor(BATCH_BLOCKS / perTable));
    for (let from = 0; from < fresh.length; from += batchTables) {
      const batch = fresh.slice(from, from + batchTables);
      const units: { table: number; offset: number }[] = [];
      batch.forEach(({ first, end }, table) => {
        const start = Math.floor((first * tables.entryBytes) / UNIT_BYTES) * UNIT_BYTES;
        for (let offset = start; offset < end * tables.entryBytes; offset += UNIT_BYTES) units.push({ table, offset });
      });
      const block = new Uint8Array(units.length * UNIT_BYTES);
      const states = new Uint8Array(units.length);
      await this.source.readBlocks(Float64Array.from(units, ({ table, offset }) => batch[table]!.address + offset), UNIT_BYTES, block, states);
      const unreadable = new Map<number, MissingTable>();
      units.forEach(({ table }, at) => {
        if (states[at] !== 1 && unreadable.get(table) !== 'none') unreadable.set(table, states[at] === 2 ? 'absent' : 'none');
      });
      const entries = tableBytes / tables.entryBytes;
      tables.reserve((batch.length - unreadable.size) * entries);
      const bases = batch.map(({ address, first, end }, table) => {
        const why = unreadable.get(table);
        if (why === undefined) return this.place(level, address, entries, { first, end });
        missing.set(address, why);
        return -1;
      });
      units.forEach(({ table, offset }, at) => {
        const base = bases[table]!;
        if (base < 0) return;
        const length = Math.min(UNIT_BYTES, tableBytes - offset);
        tables.bytes.set(block.subarray(at * UNIT_BYTES, at * UNIT_BYTES + length), base * tables.entryBytes + offset);
      });
      for (const base of bases) if (base >= 0) tables.toHostOrder(base, entries, this.space.arch.littleEndian);
      onProgress?.({ level, done: from + batch.length, total: fresh.length });
    }
  }

  /** Room for a table, new or read again because more of it is wanted, whose given entries are about to be filled in. */
  private place(level: Level, address: number, entries: number, read: EntryRange): number {
    const tables = this.tables!;
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
