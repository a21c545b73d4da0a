import { geometryOf, LEVELS, levelNumber, type EntryVal, type EntryValues, type HandleFamily, type Level, type Root, type WritableArch, type WritableOps } from '@pgtable/core';

/** An entry of a table that is visited. */
export interface Visited<H extends HandleFamily> {
  readonly level: Level;
  /** The first virtual address that it translates. */
  readonly address: bigint;
  readonly entry: H[Level];
  readonly value: EntryVal<Level>;
}

/**
 * The tables of one address space, as an observer looks at them, who is told of an entry by its level and virtual address alone.
 *
 * An entry is live if its table can be reached from the root. What is done to a table that was taken out (the clearing of its entries after a collapse) is told
 * to observers too, under the address that it once had.
 */
export class LiveEntries<H extends HandleFamily = HandleFamily> {
  readonly arch: WritableArch<H>;
  readonly root: Root;

  constructor(arch: WritableArch<H>, root: Root) {
    this.arch = arch;
    this.root = root;
  }

  /** The level under which an entry is known, where the one that it was named by is folded. */
  levelOf(level: Level): Level {
    // The top level is never folded.
    return LEVELS.slice(levelNumber(level)).find((one) => !geometryOf(this.arch.geometry, one).folded)!;
  }

  /** The level of the tables that entries of a level point to; undefined for the lowest. */
  below(level: Level): Level | undefined {
    return LEVELS.slice(0, levelNumber(level)).findLast((one) => !geometryOf(this.arch.geometry, one).folded);
  }

  /** Bytes of virtual addresses that an entry translates. */
  bytes(level: Level): bigint {
    return 1n << BigInt(geometryOf(this.arch.geometry, this.levelOf(level)).shift);
  }

  /** Frames that a leaf maps. */
  frames(level: Level): number {
    const { geometry } = this.arch;
    return 2 ** (geometryOf(geometry, this.levelOf(level)).shift - geometryOf(geometry, 'pte').shift);
  }

  /** The live entry of a level for an address; undefined if its table cannot be reached from the root. */
  find<L extends Level>(level: L, address: bigint): H[L] | undefined {
    const { ops } = this.arch;
    const number = levelNumber(level);
    const path: { [K in Level]?: H[K] | undefined } = {};
    path.pgd = this.arch.pgdOffset(this.root, address);
    if (path.pgd !== undefined && number < 4) path.p4d = ops.pgd.offset(path.pgd, address);
    if (path.p4d !== undefined && number < 3) path.pud = ops.p4d.offset(path.p4d, address);
    if (path.pud !== undefined && number < 2) path.pmd = ops.pud.offset(path.pud, address);
    if (path.pmd !== undefined && number < 1) path.pte = ops.pmd.offset(path.pmd, address);
    return path[level];
  }

  /** The table that an entry points to: physical address; undefined if it is no table entry that the hardware would follow. */
  tableIn(level: Level, value: EntryVal<Level>): number | undefined {
    const values: EntryValues = this.arch.values[level];
    return this.below(level) !== undefined && values.valid(value) && !values.leaf(value) ? values.table(value) : undefined;
  }

  /**
   * Visits each entry of a table, and of the tables below.
   *
   * @param level of its entries
   * @param start the first virtual address that it translates
   * @param table is called for each table, with its level and physical address, before its entries
   */
  visit(level: Level, address: number, start: bigint, entry: (at: Visited<H>) => void, table: (level: Level, address: number) => void): void {
    table(level, address);
    const { entries } = geometryOf(this.arch.geometry, level);
    const first = this.arch.rootTable({ table: address, top: level, first: 0, end: entries, windows: [], inherited: 0 });
    if (first === undefined) return;
    const ops: WritableOps<H, Level> = this.arch.ops[level];
    const below = this.below(level);
    const size = this.bytes(level);
    for (let index = 0; index < entries; index++) {
      const at = { level, address: start + BigInt(index) * size, entry: ops.advance(first.table, index), value: ops.getOnce(ops.advance(first.table, index)) };
      entry(at);
      const child = this.tableIn(level, at.value);
      if (child !== undefined && below !== undefined) this.visit(below, child, at.address, entry, table);
    }
  }
}
