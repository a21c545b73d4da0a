import {
  EntryKind, geometryOf, ScanBuffer, scanFilter, type Attributes, type HandleFamily, type Level, type NonPresent, type TableOf,
} from '@pgtable/core';
import type { TableLoader } from './load.js';
import { childOf, levelBelow, opsOf, scanTable, valueOf, type Space } from './space.js';

/**
 * How a translation ended.
 *
 * - `mapped`: a leaf translates the address
 * - `unmapped`: the tables say that nothing is there: an empty or non-present entry, a reserved bit, an entry past a table's length
 * - `absent`: a table that the answer needs is not in the dump
 * - `non-canonical`: no root translates the address
 */
export type TranslationStatus = 'mapped' | 'unmapped' | 'absent' | 'non-canonical';

/** Why a walk stopped at an entry. */
export type StopReason =
  | 'leaf'
  | 'empty'
  | 'not present'
  | 'reserved bits'
  | 'beyond table length'
  | 'table not in the dump'
  | 'table outside of memory'
  | 'address not translated by this root';

/** One level of a translation. */
export interface TranslationStep {
  readonly level: Level;
  /** Physical address of the table. */
  readonly table: number;
  readonly index: number;
  /** Physical address of the entry itself. */
  readonly entryAddress: bigint;
  /** The entry's value. */
  readonly entry: bigint;
  readonly kind: EntryKind;
  /** Decoded, for table and leaf entries. */
  readonly attributes: Attributes | undefined;
  /** Decoded, for entries that the hardware does not use. */
  readonly nonPresent: NonPresent | undefined;
}

/** A translation with everything that was seen on the way. */
export interface Translation {
  readonly address: bigint;
  readonly status: TranslationStatus;
  readonly reason: StopReason;
  /** The physical address, if mapped. */
  readonly pa: bigint | undefined;
  /** Bytes that the leaf maps, if mapped. */
  readonly pageBytes: number | undefined;
  /** From the root down; the last one is where it stopped. */
  readonly steps: readonly TranslationStep[];
}

const PAGE = 4096;

/**
 * Translates addresses of one space with the tables that are loaded.
 *
 * {@link lookup} is for many addresses: it allocates no result, its answer is in the fields. {@link explain} is for
 * people.
 */
export class Translator<H extends HandleFamily = HandleFamily> {
  /** Answer of the last {@link lookup}. `unloaded`: the table {@link neededLevel}, {@link neededTable} has to be loaded first. */
  status: TranslationStatus | 'unloaded' = 'unmapped';
  /** If mapped: the physical address of the 4 KiB piece that holds the address. Add the address's low 12 bits. */
  pagePa = 0;
  /** If mapped: bytes that the leaf maps. */
  pageBytes = 0;
  neededLevel: Level = 'pgd';
  neededTable = 0;
  neededFirst = 0;
  neededEnd = 0;

  readonly space: Space<H>;
  private readonly loader: TableLoader<H> | undefined;
  private readonly row = new ScanBuffer(1);
  private readonly filter = scanFilter(true);
  private root: TableOf<H> | undefined;

  /** @param loader tells tables that are missing from the dump from those that were not loaded yet */
  constructor(space: Space<H>, loader?: TableLoader<H>) {
    this.space = space;
    this.loader = loader;
  }

  /**
   * Translates the page of an address.
   *
   * @param page the address rounded down to 4096, as a number (exact)
   */
  lookup(page: number, steps?: TranslationStep[]): StopReason {
    const { arch, root } = this.space;
    const { row } = this;
    const window = root.windows.find(({ start, end }) => page >= start && page < end);
    if (window === undefined) {
      this.status = 'non-canonical';
      return 'address not translated by this root';
    }
    this.root ??= arch.rootTable(root);
    if (this.root === undefined) return this.needs(root.top, root.table, root.first, root.end, page - window.start + window.index * 2 ** geometryOf(arch.geometry, root.top).shift);

    let table = this.root;
    let tablePa = root.table;
    let first = root.first;
    let end = root.end;
    // What entry 0 of the table translates.
    let tableVa = window.start - window.index * 2 ** geometryOf(arch.geometry, root.top).shift;
    let inherited = root.inherited;
    for (;;) {
      const bytes = 2 ** geometryOf(arch.geometry, table.level).shift;
      const index = Math.floor((page - tableVa) / bytes);
      if (index < first || index >= end) {
        this.status = 'unmapped';
        return 'beyond table length';
      }
      row.count = 0;
      scanTable(arch, table, index, index + 1, this.filter, row);
      const kind = row.kind[0] as EntryKind;
      const lo = row.lo[0]!;
      const hi = row.hi[0]!;
      const pa = row.pa[0]!;
      if (steps !== undefined) steps.push(this.step(table, tablePa, index, kind, lo, hi, inherited));
      if (kind === EntryKind.Leaf) {
        this.status = 'mapped';
        this.pagePa = pa + (page - tableVa - index * bytes);
        this.pageBytes = bytes;
        return 'leaf';
      }
      if (kind !== EntryKind.Table) {
        this.status = 'unmapped';
        return kind === EntryKind.None ? 'empty' : kind === EntryKind.NonPresent ? 'not present' : 'reserved bits';
      }
      const range = opsOf(arch, table.level).childRange(lo, hi);
      first = range & 0xffff;
      end = range >>> 16;
      if (first >= end) {
        this.status = 'unmapped';
        return 'beyond table length';
      }
      const child = childOf(arch, table, index);
      if (child === undefined) return this.needs(levelBelow(arch, table.level) ?? 'pte', pa, first, end, page - tableVa - index * bytes);
      if (this.loader?.isPartial(child.level, pa, first, end) === true) return this.needs(child.level, pa, first, end, page - tableVa - index * bytes);
      inherited = arch.inherit(inherited, table.level, lo, hi);
      tableVa += index * bytes;
      table = child;
      tablePa = pa;
    }
  }

  /** Translates one address and tells every step. Tables that are not loaded count as absent. */
  explain(address: bigint): Translation {
    const steps: TranslationStep[] = [];
    // Rounded down also below zero, where the remainder of a division is negative.
    const low = address & BigInt(PAGE - 1);
    const reason = this.lookup(Number(address - low), steps);
    const mapped = this.status === 'mapped';
    return {
      address,
      status: this.status === 'unloaded' ? 'absent' : this.status,
      reason,
      pa: mapped ? BigInt(this.pagePa) + low : undefined,
      pageBytes: mapped ? this.pageBytes : undefined,
      steps,
    };
  }

  /** @param offset of the address from the first one that the table's entry 0 translates */
  private needs(level: Level, address: number, first: number, end: number, offset: number): StopReason {
    const index = Math.floor(offset / 2 ** geometryOf(this.space.arch.geometry, level).shift);
    if (index < first || index >= end) {
      // What a table's length cuts off is nothing, whatever the table holds.
      this.status = 'unmapped';
      return 'beyond table length';
    }
    const missing = this.loader?.missingTable(level, address);
    this.status = missing === undefined ? 'unloaded' : 'absent';
    this.neededLevel = level;
    this.neededTable = address;
    this.neededFirst = first;
    this.neededEnd = end;
    return missing === 'none' ? 'table outside of memory' : 'table not in the dump';
  }

  private step(table: TableOf<H>, tablePa: number, index: number, kind: EntryKind, lo: number, hi: number, inherited: number): TranslationStep {
    const { arch } = this.space;
    const entry = valueOf(arch, table, index);
    const valid = kind === EntryKind.Table || kind === EntryKind.Leaf;
    return {
      level: table.level,
      table: tablePa,
      index,
      entryAddress: BigInt(tablePa) + BigInt(index * arch.geometry.entryBytes),
      entry,
      kind,
      attributes: valid ? arch.describe(table.level, lo, hi, inherited) : undefined,
      nonPresent: kind === EntryKind.NonPresent ? arch.decodeNonPresent(table.level, entry) : undefined,
    };
  }
}

/** The answers to a batch of addresses, as columns. */
export interface BatchAnswers {
  /** Index into {@link BATCH_STATUSES}. */
  readonly status: Uint8Array;
  /** Physical address of the 4 KiB piece where mapped, else 0. */
  readonly pagePa: Float64Array;
}

export const BATCH_STATUSES = ['mapped', 'unmapped', 'absent', 'non-canonical'] as const satisfies readonly TranslationStatus[];

/**
 * Translates a batch of pages, loading the tables that it needs: at most one round of reading a level.
 *
 * @param pages addresses rounded down to 4096
 */
export async function translateBatch<H extends HandleFamily>(translator: Translator<H>, loader: TableLoader<H>, pages: Float64Array): Promise<BatchAnswers> {
  const status = new Uint8Array(pages.length);
  const pagePa = new Float64Array(pages.length);
  const asked = new Set<string>();
  let open = Uint32Array.from(pages.keys());
  while (open.length > 0) {
    const again: number[] = [];
    const wanted = new Map<string, { level: Level; address: number; first: number; end: number }>();
    for (const at of open) {
      translator.lookup(pages[at]!);
      const key = translator.status === 'unloaded' ? `${translator.neededLevel} ${translator.neededTable}` : undefined;
      if (key !== undefined && !asked.has(key)) {
        again.push(at);
        const seen = wanted.get(key);
        wanted.set(key, {
          level: translator.neededLevel,
          address: translator.neededTable,
          first: Math.min(translator.neededFirst, seen?.first ?? Infinity),
          end: Math.max(translator.neededEnd, seen?.end ?? 0),
        });
      } else {
        // A table that was asked for and is not here now will not come.
        const answer = translator.status === 'unloaded' ? 'absent' : translator.status;
        status[at] = BATCH_STATUSES.indexOf(answer);
        if (answer === 'mapped') pagePa[at] = translator.pagePa;
      }
    }
    for (const key of wanted.keys()) asked.add(key);
    if (again.length > 0) await loader.loadMissing([...wanted.values()]);
    open = Uint32Array.from(again);
  }
  return { status, pagePa };
}
