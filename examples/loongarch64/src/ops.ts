import {
  EntryKind, HIGH_WORD, levelNumber, LOW_WORD, type Level, type MmContext, type ScanBuffer, type ScanFilter, type TableHandles,
} from '@pgtable/core';
import { indexOf, scanWords, tableAddress, TableLevelOps, type EntryWriter, type LevelTable, type TableOpsContext } from '@pgtable/core/arch';
import { G_LO, H_LO, PA_HI } from './bits.js';
import type { LoongarchValueTable } from './values.js';

/** {@link TableOpsContext} with the values of this architecture. */
export interface LoongarchOpsContext extends TableOpsContext {
  readonly values: LoongarchValueTable;
}

const KERNEL_EMPTY = BigInt(G_LO);

/**
 * The generic accessors, with what masks cannot say of a directory's entry: that it is a table, or empty, by the address in it. And with
 * the kernel's empty page-table entry, which has G.
 */
export class LoongarchLevelOps<H extends TableHandles, L extends Level> extends TableLevelOps<H, L> {
  private readonly directory: boolean;
  private readonly emptyLo: number;
  private readonly emptyHi: number;

  constructor(level: L, context: LoongarchOpsContext, all: LevelTable<H>) {
    super(level, context, all);
    const empty = this.values.empty as bigint;
    this.directory = level !== 'pte';
    this.emptyLo = Number(BigInt.asIntN(32, empty));
    this.emptyHi = Number(empty >> 32n) & PA_HI;
  }

  /** Entries that masks can tell are scanned by masks, in stretches; the others are rows that are made here. */
  override scan(table: H[L], first: number, end: number, filter: ScanFilter, out: ScanBuffer): number {
    const { words } = this.tables;
    const base = indexOf<H, L>(table);
    let i = first;
    while (i < end) {
      if (out.count === out.capacity) return i;
      const at = (base + i) * 2;
      const lo = words[at + LOW_WORD]!;
      const hi = words[at + HIGH_WORD]!;
      const kind = this.ownKind(lo, hi);
      let j = i + 1;
      if (kind === undefined) {
        while (j < end && this.ownKind(words[(base + j) * 2 + LOW_WORD]!, words[(base + j) * 2 + HIGH_WORD]!) === undefined) j++;
        i = scanWords(words, base, 2, levelNumber(this.level), i, j, this.format, filter, out);
        if (i < j) return i;
        continue;
      }
      // A table is a row of its own.
      if (kind !== EntryKind.Table) while (j < end && words[(base + j) * 2 + LOW_WORD] === lo && words[(base + j) * 2 + HIGH_WORD] === hi) j++;
      out.push(kind, i, j - i, lo, hi, kind === EntryKind.Table ? tableAddress(this.format, lo, hi) : 0);
      i = j;
    }
    return i;
  }

  protected override childIndex(lo: number, hi: number): number {
    const level = this.childLevel();
    return level === undefined || this.ownKind(lo, hi) !== EntryKind.Table ? -1 : this.tables.find(level, tableAddress(this.format, lo, hi));
  }

  /** A new empty page-table entry of the kernel has G. */
  protected override writer(mm: MmContext, address: bigint): EntryWriter<H, L> {
    const writer = super.writer(mm, address);
    if (mm.user || this.directory) return writer;
    const { empty } = this.values;
    return { change: writer.change, replace: (entry, value, done) => writer.replace(entry, value === empty ? this.value(KERNEL_EMPTY) : value, done) };
  }

  /** Loops over words know one empty entry, so the kernel's are taken one by one. */
  protected override unwatched(mm: MmContext): boolean {
    return (mm.user || this.directory) && super.unwatched(mm);
  }

  /** The kind of an entry that masks cannot tell; undefined of all others. */
  private ownKind(lo: number, hi: number): EntryKind | undefined {
    if (!this.directory) return (lo & ~G_LO) === 0 && hi === 0 ? EntryKind.None : undefined;
    if ((lo & H_LO) !== 0) return undefined;
    if ((lo | hi) === 0 || (lo === this.emptyLo && (hi & PA_HI) === this.emptyHi)) return EntryKind.None;
    return (lo & this.format.reservedTableLo) === 0 ? EntryKind.Table : EntryKind.Bad;
  }
}
