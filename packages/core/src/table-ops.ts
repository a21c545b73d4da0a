import type { LevelOps, Root } from './contract.js';
import { leafAddress, tableAddress, type EntryFormat } from './entry-format.js';
import type { TableHandles, TableOf } from './handles.js';
import { geometryOf, levelNumber, LEVELS, type Below, type Geometry, type Level } from './levels.js';
import type { ScanBuffer, ScanFilter } from './scan.js';
import { scanWords } from './scan-words.js';
import { HIGH_WORD, LOW_WORD, type TableMemory } from './table-memory.js';
import { entryVal, type EntryVal } from './values.js';

/**
 * Makes the handle of the entry with that index. This and {@link indexOf} are where handles and indices meet; at run time
 * both are the same number.
 *
 * The two are for architecture code: nothing else may import `@pgtable/core/arch`.
 */
export function handleAt<H extends TableHandles, L extends Level>(_level: L, index: number): H[L] {
  return index as unknown as H[L];
}

/** The index in table memory of the entry that a handle stands for. */
export function indexOf<H extends TableHandles, L extends Level>(entry: H[L]): number {
  return entry as unknown as number;
}

/** What all levels of an architecture over table memory share. */
export interface TableOpsContext {
  readonly tables: TableMemory;
  readonly geometry: Geometry;
  /** By level number. A folded level has the format of the existing level that it stands for. */
  readonly formats: readonly EntryFormat[];
}

/**
 * The generic accessors of one level, over table memory: entries of 32 or 64 bits that an {@link EntryFormat} describes.
 *
 * An architecture that differs in one thing extends this class and overrides that one.
 */
export class TableLevelOps<H extends TableHandles, L extends Level> implements LevelOps<H, L> {
  readonly level: L;
  protected readonly tables: TableMemory;
  protected readonly geometry: Geometry;
  protected readonly format: EntryFormat;
  private readonly number: number;
  private readonly stride: 1 | 2;
  /** The next level that exists, and whether it is directly below under the kernel's names. */
  private readonly childLevel: Level | undefined;
  private readonly belowLevel: Level | undefined;
  private readonly sameEntryBelow: boolean;

  constructor(level: L, context: TableOpsContext) {
    const number = levelNumber(level);
    this.level = level;
    this.number = number;
    this.tables = context.tables;
    this.geometry = context.geometry;
    this.format = context.formats[number]!;
    this.stride = context.tables.entryBytes === 4 ? 1 : 2;
    this.childLevel = LEVELS.slice(0, number).findLast((lower) => !geometryOf(context.geometry, lower).folded);
    this.belowLevel = LEVELS[number - 1];
    this.sameEntryBelow = this.belowLevel !== undefined && geometryOf(context.geometry, this.belowLevel).folded;
  }

  get(entry: H[L]): EntryVal<L> {
    const index = indexOf<H, L>(entry);
    if (this.stride === 1) return entryVal(this.level, BigInt((this.tables.words[index]!) >>> 0));
    return entryVal(this.level, this.tables.elements[index]!);
  }

  getOnce(entry: H[L]): EntryVal<L> {
    const index = indexOf<H, L>(entry);
    if (this.stride === 1) return entryVal(this.level, BigInt(Atomics.load(this.tables.words, index) >>> 0));
    return entryVal(this.level, Atomics.load(this.tables.elements, index));
  }

  advance(entry: H[L], count: number): H[L] {
    return handleAt<H, L>(this.level, indexOf<H, L>(entry) + count);
  }

  offset(entry: H[L], address: bigint): H[Below[L]] | undefined {
    const below = this.belowLevel as Below[L] | undefined;
    if (below === undefined) return undefined;
    const index = indexOf<H, L>(entry);
    if (this.sameEntryBelow) return handleAt<H, Below[L]>(below, index);
    const table = this.childIndex(index);
    if (table < 0) return undefined;
    return handleAt<H, Below[L]>(below, table + entryIndex(this.geometry, below, address));
  }

  child(entry: H[L]): TableOf<H> | undefined {
    const level = this.childLevel;
    if (level === undefined) return undefined;
    const table = this.childIndex(indexOf<H, L>(entry));
    return table < 0 ? undefined : tableAt<H>(level, table);
  }

  childRange(_lo: number, _hi: number): number {
    return this.childLevel === undefined ? 0 : geometryOf(this.geometry, this.childLevel).entries << 16;
  }

  scan(table: H[L], first: number, end: number, filter: ScanFilter, out: ScanBuffer): number {
    return scanWords(this.tables.words, indexOf<H, L>(table), this.stride, this.number, first, end, this.format, filter, out);
  }

  /** Index of the first entry of the table that an entry points to; -1 if it points to none, or to one that is not here. */
  protected childIndex(index: number): number {
    const { format, childLevel } = this;
    if (childLevel === undefined) return -1;
    const lo = this.tables.words[this.stride === 1 ? index : index * 2 + LOW_WORD]!;
    const hi = this.stride === 1 ? 0 : (this.tables.words[index * 2 + HIGH_WORD]!);
    if ((lo & format.validMask) !== format.validValue || (lo & format.tableMask) !== format.tableValue) return -1;
    return this.tables.find(childLevel, tableAddress(format, lo, hi));
  }

  /** The physical address of the memory that a leaf of this level maps. */
  protected leafAddress(lo: number, hi: number): number {
    return leafAddress(this.format, lo, hi);
  }
}

/** Index of the entry for an address in a full table of a level. */
export function entryIndex(geometry: Geometry, level: Level, address: bigint): number {
  const { shift, entries } = geometryOf(geometry, level);
  return Number((address >> BigInt(shift)) & BigInt(entries - 1));
}

/** A table by level and first entry, the pair that {@link LevelOps.child} returns. */
export function tableAt<H extends TableHandles>(level: Level, index: number): TableOf<H> {
  return { level, table: handleAt<H, Level>(level, index) } as TableOf<H>;
}

/** The generic accessors of all five levels. */
export function tableOps<H extends TableHandles>(context: TableOpsContext): { readonly [L in Level]: LevelOps<H, L> } {
  return {
    pte: new TableLevelOps<H, 'pte'>('pte', context),
    pmd: new TableLevelOps<H, 'pmd'>('pmd', context),
    pud: new TableLevelOps<H, 'pud'>('pud', context),
    p4d: new TableLevelOps<H, 'p4d'>('p4d', context),
    pgd: new TableLevelOps<H, 'pgd'>('pgd', context),
  };
}

/**
 * {@link Arch.pgdOffset} over table memory, for architectures whose root tables are of level pgd.
 *
 * Returns: undefined outside of the root's windows.
 */
export function pgdOffsetIn<H extends TableHandles>(tables: TableMemory, geometry: Geometry, root: Root, address: bigint): H['pgd'] | undefined {
  const base = tables.find(root.top, root.table);
  const index = rootIndex(geometry, root, address);
  return base < 0 || index < 0 ? undefined : handleAt<H, 'pgd'>('pgd', base + index);
}

/** The index in the root table of the entry for an address; -1 if the root does not translate it. */
export function rootIndex(geometry: Geometry, root: Root, address: bigint): number {
  const { shift } = geometryOf(geometry, root.top);
  for (const window of root.windows) {
    if (address >= BigInt(window.start) && address < BigInt(window.end)) {
      return window.index + Number((address - BigInt(window.start)) >> BigInt(shift));
    }
  }
  return -1;
}

/** {@link Arch.rootTable} over table memory. */
export function rootTableIn<H extends TableHandles>(tables: TableMemory, root: Root): TableOf<H> | undefined {
  const index = tables.find(root.top, root.table);
  return index < 0 ? undefined : tableAt<H>(root.top, index);
}
