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
  /** Address that the first entry translates, and bytes that each entry translates. */
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
   * Most tables to look into, shared ones counted each time. Default 16 Mi. Tables that refer to each other in a circle
   * translate addresses as any others do, only very many.
   */
  readonly maxTableVisits?: number;
}

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
 * in exactly one run; a run lies in one table, is cut at the ranges' edges, and adjacent runs may be alike.
 *
 * @param visit may return false to stop
 * @throws PgtableError `ELOOP` when more tables are visited than the options allow
 */
export function walkRuns<H extends HandleFamily>(space: Space<H>, visit: (run: Run) => boolean | undefined, options: RunOptions = {}): void {
  new RunWalk(space, visit, options).walk(options.ranges ?? wholeSpace(space.root));
}

class RunWalk<H extends HandleFamily> {
  private readonly space: Space<H>;
  private readonly visit: (run: Run) => boolean | undefined;
  private readonly filter: ScanFilter;
  private readonly maxVisits: number;
  private visits = 0;
  private stopped = false;
  private readonly run = new Run();
  private readonly buffers = [0, 1, 2, 3, 4].map(() => new ScanBuffer(2048));
  private readonly uniform = [0, 1, 2, 3, 4].map(() => new Map<number, Uniform>());

  constructor(space: Space<H>, visit: (run: Run) => boolean | undefined, options: RunOptions) {
    this.space = space;
    this.visit = visit;
    this.filter = options.filter ?? scanFilter(true);
    this.maxVisits = options.maxTableVisits ?? 2 ** 24;
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
        if (top === undefined) {
          this.emit(RunKind.Absent, root.top, start, end - start, 1, root.table, 0, 0, root.inherited);
          continue;
        }
        const tableVa = window.start - window.index * bytes;
        this.table(top, tableVa, root.first, root.end, root.inherited, start, end);
      }
    }
  }

  /** Reports the part [start, end) of a table. Returns what it is if the whole table was looked at and is uniform. */
  private table(table: TableOf<H>, tableVa: number, first: number, limit: number, inherited: number, start: number, end: number): Uniform | undefined {
    const { arch } = this.space;
    const { shift, entries } = geometryOf(arch.geometry, table.level);
    const bytes = 2 ** shift;
    const buffer = this.buffers[levelNumber(table.level)]!;
    const ops = opsOf(arch, table.level);
    if (++this.visits > this.maxVisits) {
      throw new PgtableError('ELOOP', `looked into ${this.maxVisits} tables and came no further than address 0x${BigInt(tableVa).toString(16)}`, {
        address: BigInt(tableVa),
        hint: 'tables of this dump are shared or point back to themselves; choose a smaller --range',
      });
    }
    const from = Math.floor((start - tableVa) / bytes);
    const to = Math.ceil((end - tableVa) / bytes);
    // Entries that the table entry above says do not exist translate nothing.
    const existFrom = Math.max(from, first);
    const existTo = Math.max(existFrom, Math.min(to, limit));
    if (from < existFrom) this.emit(RunKind.None, table.level, tableVa + from * bytes, bytes, existFrom - from, 0, 0, 0, inherited);

    let same: Uniform | undefined;
    let mixed = false;
    for (let at = existFrom; at < existTo && !this.isStopped(); ) {
      buffer.count = 0;
      at = scanTable(arch, table, at, existTo, this.filter, buffer);
      const { count } = buffer;
      for (let row = 0; row < count && !this.isStopped(); row++) {
        const kind = buffer.kind[row] as EntryKind;
        const index = buffer.index[row]!;
        const lo = buffer.lo[row]!;
        const hi = buffer.hi[row]!;
        const pa = buffer.pa[row]!;
        const va = tableVa + index * bytes;
        let found: Uniform | undefined;
        if (kind === EntryKind.Table) {
          found = this.child(table, index, va, bytes, lo, hi, pa, inherited, ops.childRange(lo, hi), start, end);
        } else {
          this.emit(kind, table.level, va, bytes, buffer.length[row]!, pa, lo, hi, inherited);
          found = this.filter.contiguous || mixed ? undefined : { kind, level: table.level, entryBytes: bytes, pa, lo, hi, inherited };
        }
        if (same === undefined && !mixed) same = found;
        mixed ||= found === undefined || same === undefined || !this.alike(same, found);
      }
    }
    if (existTo < to && !this.isStopped()) this.emit(RunKind.None, table.level, tableVa + existTo * bytes, bytes, to - existTo, 0, 0, 0, inherited);
    return mixed || existFrom !== 0 || existTo !== entries ? undefined : same;
  }

  private child(
    table: TableOf<H>, index: number, va: number, bytes: number, lo: number, hi: number, pa: number, inherited: number, range: number, start: number, end: number,
  ): Uniform | undefined {
    const { arch } = this.space;
    const below = arch.inherit(inherited, table.level, lo, hi);
    const from = Math.max(start, va);
    const to = Math.min(end, va + bytes);
    const lower = levelBelow(arch, table.level);
    if ((range & 0xffff) >= range >>> 16 && lower !== undefined) {
      // A table without entries, which nobody has read. As for any part that does not exist: holes of its level.
      const size = 2 ** geometryOf(arch.geometry, lower).shift;
      const first = Math.floor((from - va) / size);
      this.emit(RunKind.None, lower, va + first * size, size, Math.ceil((to - va) / size) - first, 0, 0, 0, below);
      return undefined;
    }
    const child = childOf(arch, table, index);
    if (child === undefined) {
      this.emit(RunKind.Absent, table.level, va, bytes, 1, pa, lo, hi, inherited);
      return undefined;
    }
    const whole = from === va && to === va + bytes && range === geometryOf(arch.geometry, child.level).entries << 16;
    const known = this.uniform[levelNumber(child.level)]!;
    const uniform = whole ? known.get(pa) : undefined;
    if (uniform?.inherited === below) {
      this.emit(uniform.kind, uniform.level, va, uniform.entryBytes, bytes / uniform.entryBytes, uniform.pa, uniform.lo, uniform.hi, below);
      return uniform;
    }
    const found = this.table(child, va, range & 0xffff, range >>> 16, below, from, to);
    // Inherited restrictions are those of this path; deeper ones were added below and cannot be told from here.
    if (found?.inherited === below && whole) known.set(pa, found);
    return found;
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

  private emit(kind: RunKind, level: Level, va: number, entryBytes: number, count: number, pa: number, lo: number, hi: number, inherited: number): void {
    const { run } = this;
    run.kind = kind;
    run.level = level;
    run.va = va;
    run.entryBytes = entryBytes;
    run.count = count;
    run.pa = pa;
    run.lo = lo;
    run.hi = hi;
    run.inherited = inherited;
    if (this.visit(run) === false) this.stopped = true;
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
  return `${missing.length} page tables could not be read (${parts.join(', ')})`;
}

