import {
  EntryKind, entryVal, geometryOf, levelNumber, LEVELS, PgtableError, UnlinkedTable, type Below, type EntryVal, type EntryValues, type Geometry, type Level, type Root, type ScanBuffer,
  type ScanFilter, type TableOf, type WritableArch,
} from '@pgtable/core';
import { BasicLevelOps } from '@pgtable/core/arch';
import { allValues, classifyEntry, EMPTY, geometryWith, writableCommon, type LevelBits } from './map-toy.js';

/*
 * The same architecture without table memory, and with handles that are no index of anything: entries are in a Map by table and index, and
 * a handle is an object. Nothing but the abstract methods of BasicLevelOps is written for it.
 */

/** A handle: the table that the entry is in, and which of its entries it is. */
export class Cell<L extends Level> {
  readonly level: L;
  readonly table: number;
  readonly index: number;
  constructor(level: L, table: number, index: number) {
    this.level = level;
    this.table = table;
    this.index = index;
  }
}

export interface CellHandles {
  pte: Cell<'pte'>;
  pmd: Cell<'pmd'>;
  pud: Cell<'pud'>;
  p4d: Cell<'p4d'>;
  pgd: Cell<'pgd'>;
}

/** All entries that are not empty, by table and index, and which tables there are. */
export class Cells {
  readonly entries = new Map<string, bigint>();
  readonly tables = new Map<number, Level>();

  has(level: Level, table: number): boolean {
    return this.tables.get(table) === level;
  }

  load(table: number, index: number): bigint {
    return this.entries.get(`${table}/${index}`) ?? EMPTY;
  }

  store(table: number, index: number, value: bigint): void {
    if (value === EMPTY) this.entries.delete(`${table}/${index}`);
    else this.entries.set(`${table}/${index}`, value);
  }
}

type AllOps = { [L in Level]: CellOps<L> };

/** By level, because TypeScript does not conclude for a level that is not known that its Cell is its handle. */
const MAKE: { readonly [L in Level]: (table: number, index: number) => CellHandles[L] } = {
  pte: (table, index) => new Cell('pte', table, index),
  pmd: (table, index) => new Cell('pmd', table, index),
  pud: (table, index) => new Cell('pud', table, index),
  p4d: (table, index) => new Cell('p4d', table, index),
  pgd: (table, index) => new Cell('pgd', table, index),
};

/** The handle of an entry. */
export function cell<L extends Level>(level: L, table: number, index: number): CellHandles[L] {
  return MAKE[level](table, index);
}

/** A table by its first entry. */
function tableAt(level: Level, table: number): TableOf<CellHandles> {
  // The handle is of the level beside it, which no type can say of a level that is not known.
  return { level, table: cell(level, table, 0) } as TableOf<CellHandles>;
}

class CellOps<L extends Level> extends BasicLevelOps<CellHandles, L> {
  private readonly cells: Cells;
  private readonly all: AllOps;

  constructor(level: L, geometry: Geometry, values: EntryValues<L>, cells: Cells, all: AllOps) {
    super(level, geometry, values);
    this.cells = cells;
    this.all = all;
  }

  protected load(entry: CellHandles[L]): EntryVal<L> {
    return entryVal(this.level, this.cells.load(entry.table, entry.index));
  }

  protected exchange(entry: CellHandles[L], value: EntryVal<L>): EntryVal<L> {
    const old = this.load(entry);
    this.cells.store(entry.table, entry.index, value);
    return old;
  }

  protected compareExchange(entry: CellHandles[L], expected: EntryVal<L>, value: EntryVal<L>): EntryVal<L> {
    return this.load(entry) === expected ? this.exchange(entry, value) : this.load(entry);
  }

  protected unlinked({ level }: TableOf<CellHandles>, address: number, user: boolean): UnlinkedTable<CellHandles> {
    return unlinkedTable(this.geometry, this.all, level, address, user);
  }

  protected childLevel(): Level | undefined {
    return LEVELS.slice(0, levelNumber(this.level)).findLast((level) => !geometryOf(this.geometry, level).folded);
  }

  advance(entry: CellHandles[L], count: number): CellHandles[L] {
    return cell(this.level, entry.table, entry.index + count);
  }

  entryAddress(entry: CellHandles[L]): number {
    return entry.table + entry.index * this.geometry.entryBytes;
  }

  distance(a: CellHandles[L], b: CellHandles[L]): number {
    return b.index - a.index;
  }

  offset(entry: CellHandles[L], address: bigint): CellHandles[Below[L]] | undefined {
    return this.offsetLockless(entry, this.load(entry), address);
  }

  offsetLockless(entry: CellHandles[L], value: EntryVal<L>, address: bigint): CellHandles[Below[L]] | undefined {
    const below = LEVELS[levelNumber(this.level) - 1] as Below[L] | undefined;
    if (below === undefined) return undefined;
    const { folded, shift, entries } = geometryOf(this.geometry, below);
    if (folded) return cell(below, entry.table, entry.index);
    const child = this.childOf(value);
    return child === undefined ? undefined : cell(below, child.table.table, Number(address >> BigInt(shift)) & (entries - 1));
  }

  child(entry: CellHandles[L]): TableOf<CellHandles> | undefined {
    return this.childOf(this.load(entry));
  }

  private childOf(value: EntryVal<L>): TableOf<CellHandles> | undefined {
    const level = this.childLevel();
    const address = this.values.table(value);
    if (level === undefined || classifyEntry(this.level, value) !== EntryKind.Table || !this.cells.has(level, address)) return undefined;
    return tableAt(level, address);
  }

  childRange(_lo: number, _hi: number): number {
    const level = this.childLevel();
    return level === undefined ? 0 : geometryOf(this.geometry, level).entries << 16;
  }

  scan(table: CellHandles[L], first: number, end: number, _filter: ScanFilter, out: ScanBuffer): number {
    for (let index = first; index < end; index++) {
      if (out.count === out.capacity) return index;
      const value = this.cells.load(table.table, index);
      const kind = classifyEntry(this.level, value);
      const entry = entryVal(this.level, value);
      const address = kind === EntryKind.Leaf ? this.values.pfn(entry) * this.geometry.pageBytes : kind === EntryKind.Table ? this.values.table(entry) : 0;
      out.push(kind, index, 1, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)), address);
    }
    return end;
  }
}

function unlinkedTable<L extends Level>(geometry: Geometry, all: AllOps, level: L, address: number, user: boolean): UnlinkedTable<CellHandles, L> {
  const { entries, shift } = geometryOf(geometry, level);
  return new UnlinkedTable<CellHandles, L>(all[level], cell(level, address, 0), { address, entries, shift, user });
}

/** The architecture over a Map. */
export function cellArch(bits: LevelBits, cells = new Cells()): WritableArch<CellHandles> {
  const geometry = geometryWith(bits);
  const values = allValues(geometry);
  // Levels know each other through this object, which is complete before anyone else has it.
  const ops = {} as AllOps;
  ops.pte = new CellOps('pte', geometry, values.pte, cells, ops);
  ops.pmd = new CellOps('pmd', geometry, values.pmd, cells, ops);
  ops.pud = new CellOps('pud', geometry, values.pud, cells, ops);
  ops.p4d = new CellOps('p4d', geometry, values.p4d, cells, ops);
  ops.pgd = new CellOps('pgd', geometry, values.pgd, cells, ops);
  return {
    ...writableCommon(geometry),
    tables: undefined,
    values,
    ops,
    rootTable: ({ table, top }: Root) => (cells.has(top, table) ? tableAt(top, table) : undefined),
    pgdOffset: ({ table, windows, top }: Root, address) => {
      const window = windows.find(({ start, end }) => address >= BigInt(start) && address < BigInt(end));
      if (window === undefined) return undefined;
      return cell('pgd', table, window.index + Number((address - BigInt(window.start)) >> BigInt(geometryOf(geometry, top).shift)));
    },
    newTable: (level, address, user) => {
      const { entries, folded } = geometryOf(geometry, level);
      if (folded || cells.tables.has(address) || address % (entries * geometry.entryBytes) !== 0) {
        throw new PgtableError('EINVAL', `no ${level} table can be made at 0x${address.toString(16)}`);
      }
      cells.tables.set(address, level);
      return unlinkedTable(geometry, ops, level, address, user);
    },
    freeTable: (table) => {
      for (let index = 0; index < table.entries; index++) table.set(index, table.level === 'pte' ? values.pte.empty : values[table.level].empty);
      cells.tables.delete(table.address);
    },
  };
}
