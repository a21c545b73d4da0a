import { EntryKind, geometryOf, levelNumber, PgtableError, ScanBuffer, scanFilter, type HandleFamily, type Level, type ScanFilter, type TableOf } from '@pgtable/core';
import type { TableLoader } from './load.js';
import { childOf, levelBelow, opsOf, scanTable, wholeSpace, type Space, type VaRange } from './space.js';

/** What a run of entries is: {@link EntryKind}, or a table entry whose table could not be read. */
export const RunKind = { ...EntryKind, Absent: 5 } as const;
export type RunKind = (typeof RunKind)[keyof typeof RunKind];

/**
 * Entries that follow each other in one table and are alike. The object is borrowed: it is the same one for every run.
 */
export class Run {
  kind: RunKind = RunKind.None;
  level: Level = 'pte';
  /** Address that the first entry translates, and bytes that each entry translates; of a table that is not there those that it translates, one "entry" for all of it. */
  va = 0;
  entryBytes = 0;
  /** Entries in the run. */
  count = 0;
  /** Physical address: of the first entry's memory for a leaf, of the table for an absent one, else 0. */
  pa = 0;
  /** Attribute words of the first entry. */
  lo = 0;
  hi = 0;
  /** What the entries above forbid, in the sense of `Arch.inherit`. */
  inherited = 0;

  /** The first address after the run; may be 2 ** 64. */
  get end(): number {
    return this.va + this.count * this.entryBytes;
  }
}

export interface RunOptions {
  /** Default: the whole space. */
  readonly ranges?: readonly VaRange[];
  /** What ends a run. Default: every attribute bit, and contiguous physical memory. */
  readonly filter?: ScanFilter;
  /**
   * Most tables to look into, shared ones counted each time. Default: as many as are loaded, and so many more that 16 Mi
   * entries are looked at again. Tables that refer to each other in a circle translate addresses as any others do, only
   * very many; a sound kernel shares few, and those that are uniform (KASAN's shadow) count once with a filter that is
   * not contiguous.
   */
  readonly maxTableVisits?: number;
}

/** Entries of shared tables that are looked at again, by default: a second, or a minute if each is printed. */
const MAX_REPEATED_ENTRIES = 2 ** 24;
/** Tables of an architecture that has no table memory. */
const MAX_UNCOUNTED = 2 ** 24;

/** A table in which every entry is the same, all the way down: known once, reported whole wherever it is used again. */
interface Uniform {
  readonly kind: RunKind;
  readonly level: Level;
  readonly entryBytes: number;
  readonly pa: number;
  readonly lo: number;
  readonly hi: number;
  readonly inherited: number;
}

/**
 * Calls `visit` for every run of entries in address order: leaves, holes, non-present and bad entries, and tables that
 * are missing from the dump. Table entries themselves are walked into and not reported. Every address of the ranges is
 * in exactly one run; a run lies in one table, and adjacent runs may be alike. Entries are whole: those at a range's edges may
 * translate more than the range.
 *
 * @param visit gets the run, and what of a range is being walked, which may begin after it and end before it; may return false to stop
 * @throws PgtableError `ELOOP` when more tables are visited than the options allow
 */
export function walkRuns<H extends HandleFamily>(space: Space<H>, visit: (run: Run, within: VaRange) => boolean | undefined, options: RunOptions = {}): void {
  new RunWalk(space, visit, options).walk(options.ranges ?? wholeSpace(space.root));
}

/** The part of a table that is to be reported. */
interface Visit<H extends HandleFamily> {
  readonly table: TableOf<H>;
  /** Address that entry 0 of the table translates. */
  readonly va: number;
  /** Entries that exist: [first, limit). */
  readonly first: number;
  readonly limit: number;
  readonly inherited: number;
  /** Addresses that are wanted: [start, end). */
  readonly start: number;
  readonly end: number;
}

class RunWalk<H extends HandleFamily> {
  private readonly space: Space<H>;
  private readonly visit: (run: Run, within: VaRange) => boolean | undefined;
  private readonly filter: ScanFilter;
  private readonly maxVisits: number;
  private visits = 0;
  private stopped = false;
  private readonly run = new Run();
  private within: VaRange = { start: 0, end: 0 };
  private readonly buffers = [0, 1, 2, 3, 4].map(() => new ScanBuffer(2048));
  private readonly uniform = [0, 1, 2, 3, 4].map(() => new Map<number, Uniform>());
  /** By level number: bytes that an entry translates, entries of a full table, and the next level that exists. */
  private readonly shapes: readonly { readonly entryBytes: number; readonly entries: number; readonly lower: Level | undefined }[];

  constructor(space: Space<H>, visit: (run: Run, within: VaRange) => boolean | undefined, options: RunOptions) {
    this.space = space;
    this.visit = visit;
    this.filter = options.filter ?? scanFilter(true);
    const { tables, geometry } = space.arch;
    this.shapes = geometry.levels.map(({ level, shift, entries }) => ({ entryBytes: 2 ** shift, entries, lower: levelBelow(space.arch, level) }));
    this.maxVisits = options.maxTableVisits ?? (tables === undefined ? MAX_UNCOUNTED : tables.tables + Math.ceil(MAX_REPEATED_ENTRIES / geometryOf(geometry, 'pte').entries));
  }

  walk(ranges: readonly VaRange[]): void {
    const { arch, root } = this.space;
    const top = arch.rootTable(root);
    const bytes = 2 ** geometryOf(arch.geometry, root.top).shift;
    for (const range of ranges) {
      for (const window of root.windows) {
        const start = Math.max(range.start, window.start);
        const end = Math.min(range.end, window.end);
        if (start >= end || this.isStopped()) continue;
        this.within = { start, end };
        if (top === undefined) {
          const absent: Uniform = { kind: RunKind.Absent, level: root.top, entryBytes: bytes, pa: root.table, lo: 0, hi: 0, inherited: root.inherited };
          this.absent(absent, { level: root.top, inherited: root.inherited, va: window.start - window.index * bytes, first: root.first, limit: root.end, start, end });
        } else {
          this.table({ table: top, va: window.start - window.index * bytes, first: root.first, limit: root.end, inherited: root.inherited, start, end });
        }
      }
    }
  }

  /** Reports a part of a table. Returns what it is if the whole table was looked at and is uniform. */
  private table(visit: Visit<H>): Uniform | undefined {
    const { arch } = this.space;
    const { table, inherited } = visit;
    const { level } = table;
    const { entryBytes, entries } = this.shapes[levelNumber(level)]!;
    const buffer = this.buffers[levelNumber(level)]!;
    if (++this.visits > this.maxVisits) {
      throw new PgtableError('ELOOP', `looked into ${this.maxVisits} tables and came no further than address 0x${BigInt(visit.va).toString(16)}`, {
        address: BigInt(visit.va),
        hint: 'tables of this dump are shared or point back to themselves; choose a smaller --range',
      });
    }
    const from = Math.floor((visit.start - visit.va) / entryBytes);
    const to = Math.ceil((visit.end - visit.va) / entryBytes);
    // Entries that the table entry above says do not exist translate nothing.
    const existFrom = Math.max(from, visit.first);
    const existTo = Math.max(existFrom, Math.min(to, visit.limit));
    const hole = (): Uniform => ({ kind: RunKind.None, level, entryBytes, pa: 0, lo: 0, hi: 0, inherited });
    if (from < existFrom) this.emit(hole(), visit.va + from * entryBytes, existFrom - from);

    let same: Uniform | undefined;
    let mixed = false;
    for (let at = existFrom; at < existTo && !this.isStopped(); ) {
      buffer.count = 0;
      at = scanTable(arch, table, at, existTo, this.filter, buffer);
      const { count } = buffer;
      for (let row = 0; row < count && !this.isStopped(); row++) {
        const kind = buffer.kind[row] as EntryKind;
        let found: Uniform | undefined;
        if (kind === EntryKind.Table) {
          found = this.child(visit, entryBytes, buffer.index[row]!, buffer.lo[row]!, buffer.hi[row]!, buffer.pa[row]!);
        } else {
          this.row(buffer, row, visit, entryBytes);
          found = this.filter.contiguous || mixed ? undefined : { kind, level, entryBytes, pa: buffer.pa[row]!, lo: buffer.lo[row]!, hi: buffer.hi[row]!, inherited };
        }
        if (same === undefined && !mixed) same = found;
        mixed ||= found === undefined || same === undefined || !this.alike(same, found);
      }
    }
    if (existTo < to && !this.isStopped()) this.emit(hole(), visit.va + existTo * entryBytes, to - existTo);
    return mixed || existFrom !== 0 || existTo !== entries ? undefined : same;
  }

  /** Goes into the table that entry `index` points to; `lo`, `hi` and `pa` are what a scan says of the entry. */
  private child(visit: Visit<H>, entryBytes: number, index: number, lo: number, hi: number, pa: number): Uniform | undefined {
    const { arch } = this.space;
    const { table } = visit;
    const va = visit.va + index * entryBytes;
    const inherited = arch.inherit(visit.inherited, table.level, lo, hi);
    const start = Math.max(visit.start, va);
    const end = Math.min(visit.end, va + entryBytes);
    const range = opsOf(arch, table.level).childRange(lo, hi);
    const first = range & 0xffff;
    const limit = range >>> 16;
    const { lower } = this.shapes[levelNumber(table.level)]!;
    if (first >= limit && lower !== undefined) {
      // A table without entries, which nobody has read. As for any part that does not exist: holes of its level.
      const size = this.shapes[levelNumber(lower)]!.entryBytes;
      const from = Math.floor((start - va) / size);
      this.emit({ kind: RunKind.None, level: lower, entryBytes: size, pa: 0, lo: 0, hi: 0, inherited }, va + from * size, Math.ceil((end - va) / size) - from);
      return undefined;
    }
    const child = childOf(arch, table, index);
    if (child === undefined) {
      const absent: Uniform = { kind: RunKind.Absent, level: table.level, entryBytes, pa, lo, hi, inherited: visit.inherited };
      if (lower === undefined || range === this.shapes[levelNumber(lower)]!.entries << 16) this.emit(absent, va, 1);
      else this.absent(absent, { level: lower, inherited, va, first, limit, start, end });
      return undefined;
    }
    const below: Visit<H> = { table: child, va, first, limit, inherited, start, end };
    // With contiguous runs no table is uniform: each entry maps another page.
    const whole = !this.filter.contiguous && start === va && end === va + entryBytes && range === this.shapes[levelNumber(child.level)]!.entries << 16;
    if (!whole) {
      this.table(below);
      return undefined;
    }
    const known = this.uniform[levelNumber(child.level)]!;
    const uniform = known.get(pa);
    if (uniform?.inherited === inherited) {
      this.emit(uniform, va, entryBytes / uniform.entryBytes);
      return uniform;
    }
    const found = this.table(below);
    // Inherited restrictions are those of this path; deeper ones were added below and cannot be told from here.
    if (found?.inherited === inherited) known.set(pa, found);
    return found;
  }

  /** A table that is not there, in one run as far as it has entries. What its length cuts off is holes, whatever the table holds. */
  private absent(absent: Uniform, { level, inherited, va, first, limit, start, end }: Omit<Visit<H>, 'table'> & { readonly level: Level }): void {
    const { entryBytes } = this.shapes[levelNumber(level)]!;
    const hole: Uniform = { kind: RunKind.None, level, entryBytes, pa: 0, lo: 0, hi: 0, inherited };
    const from = Math.floor((start - va) / entryBytes);
    const to = Math.ceil((end - va) / entryBytes);
    if (from < first) this.emit(hole, va + from * entryBytes, Math.min(to, first) - from);
    if (from < limit && to > first && !this.isStopped()) {
      // Of a root no more than is wanted: its entries may reach out of what it translates.
      const isRoot = level === absent.level;
      const existStart = isRoot ? Math.max(start, va + first * entryBytes) : va + first * entryBytes;
      const existEnd = isRoot ? Math.min(end, va + limit * entryBytes) : va + limit * entryBytes;
      this.emit({ ...absent, entryBytes: existEnd - existStart }, existStart, 1);
    }
    if (limit < to && !this.isStopped()) this.emit(hole, va + Math.max(from, limit) * entryBytes, to - Math.max(from, limit));
  }

  private alike(a: Uniform, b: Uniform): boolean {
    if (a === b) return true;
    const number = levelNumber(a.level);
    return (
      a.kind === b.kind &&
      a.level === b.level &&
      a.inherited === b.inherited &&
      (((a.lo ^ b.lo) & this.filter.maskLo[number]!) | ((a.hi ^ b.hi) & this.filter.maskHi[number]!)) === 0
    );
  }

  /** Whether the visitor asked to stop: it may have, in any call. */
  private isStopped(): boolean {
    return this.stopped;
  }

  /** Reports a row of a scan. One for every run of a dump: it makes no object. */
  private row(buffer: ScanBuffer, row: number, { table, va, inherited }: Visit<H>, entryBytes: number): void {
    const { run } = this;
    run.kind = buffer.kind[row] as EntryKind;
    run.level = table.level;
    run.va = va + buffer.index[row]! * entryBytes;
    run.entryBytes = entryBytes;
    run.count = buffer.length[row]!;
    run.pa = buffer.pa[row]!;
    run.lo = buffer.lo[row]!;
    run.hi = buffer.hi[row]!;
    run.inherited = inherited;
    if (this.visit(run, this.within) === false) this.stopped = true;
  }

  /** Reports `count` entries of one kind from `va` on. */
  private emit(what: Uniform, va: number, count: number): void {
    const { run } = this;
    run.kind = what.kind;
    run.level = what.level;
    run.va = va;
    run.entryBytes = what.entryBytes;
    run.count = count;
    run.pa = what.pa;
    run.lo = what.lo;
    run.hi = what.hi;
    run.inherited = what.inherited;
    if (this.visit(run, this.within) === false) this.stopped = true;
  }
}

/** A run as a value of its own, merged over tables: what {@link mergedRuns} gives. */
export interface MergedRun {
  readonly kind: RunKind;
  readonly level: Level;
  /** Half-open. */
  readonly start: number;
  readonly end: number;
  /** Bytes that one entry translates. */
  readonly entryBytes: number;
  readonly pa: number;
  readonly lo: number;
  readonly hi: number;
  readonly inherited: number;
}

/**
 * The runs of a space, the longest there are: neighbours of one kind, level and attributes are one, leaves only while the
 * physical memory goes on too if the filter says so. Each missing table is a run of its own.
 *
 * @param attributeMasks by level number: bits of the attribute words that must be equal; address bits must not be in them
 */
export function mergedRuns<H extends HandleFamily>(
  space: Space<H>,
  visit: (run: MergedRun) => boolean | undefined,
  attributeMasks: { readonly maskLo: Int32Array; readonly maskHi: Int32Array },
  options: Omit<RunOptions, 'filter'> & { readonly contiguous?: boolean } = {},
): void {
  const contiguous = options.contiguous ?? true;
  let held: { -readonly [K in keyof MergedRun]: MergedRun[K] } | undefined;
  const state = { stopped: false };
  walkRuns(
    space,
    (run) => {
      const number = levelNumber(run.level);
      // A contiguous scan compares non-present entries whole, so this does too.
      const whole = contiguous && run.kind === RunKind.NonPresent;
      const maskLo = whole ? -1 : attributeMasks.maskLo[number]!;
      const maskHi = whole ? -1 : attributeMasks.maskHi[number]!;
      if (
        held?.kind === run.kind &&
        held.level === run.level &&
        held.end === run.va &&
        run.kind !== RunKind.Absent &&
        (run.kind === RunKind.None ||
          (held.inherited === run.inherited &&
            (((held.lo ^ run.lo) & maskLo) | ((held.hi ^ run.hi) & maskHi)) === 0 &&
            (run.kind !== RunKind.Leaf || !contiguous || held.pa + (held.end - held.start) === run.pa)))
      ) {
        held.end = run.end;
        return undefined;
      }
      if (held !== undefined && visit(held) === false) {
        state.stopped = true;
        return false;
      }
      const { kind, level, va, end, entryBytes, pa, lo, hi, inherited } = run;
      held = { kind, level, start: va, end, entryBytes, pa, lo, hi, inherited };
      return undefined;
    },
    { ...options, filter: { ...attributeMasks, contiguous } },
  );
  if (held !== undefined && !state.stopped) visit(held);
}

/** The tables of a space that walking would look into and that could not be loaded. */
export function describeMissing(loader: TableLoader): string | undefined {
  const missing = loader.missingTables();
  if (missing.length === 0) return undefined;
  const absent = missing.filter(({ why }) => why === 'absent').length;
  const parts = [absent > 0 ? `${absent} not in the dump` : '', missing.length > absent ? `${missing.length - absent} outside of memory` : ''].filter((part) => part !== '');
  return `${missing.length} page ${missing.length === 1 ? 'table' : 'tables'} could not be read (${parts.join(', ')})`;
}

