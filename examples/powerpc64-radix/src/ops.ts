import { EntryKind, HIGH_WORD, LEVELS, levelNumber, LOW_WORD, type Level, type ScanBuffer, type ScanFilter, type TableHandles } from '@pgtable/core';
import { indexOf, TableLevelOps, type LevelTable, type TableOpsContext } from '@pgtable/core/arch';
import { INVALID_HI, L_HI, RPN_HI, RPN_LO, V_HI } from './bits.js';
import { kindOf, leafAddress, tableAddress, type RadixFormat } from './format.js';

/** The accessors of one level. What an entry is stands in its high word: so scans, and the way down, are our own. */
export class RadixLevelOps<H extends TableHandles, L extends Level> extends TableLevelOps<H, L> {
  private readonly radix: RadixFormat;
  private readonly depth: number;
  private readonly next: Level | undefined;

  constructor(level: L, context: TableOpsContext, all: LevelTable<H>, formats: readonly RadixFormat[]) {
    super(level, context, all);
    this.depth = levelNumber(level);
    this.radix = formats[this.depth]!;
    const { shift } = context.geometry.levels[this.depth]!;
    this.next = LEVELS.findLast((other) => context.geometry.levels[levelNumber(other)].shift < shift);
  }

  protected override childIndex(lo: number, hi: number): number {
    return this.next === undefined || kindOf(this.radix, lo, hi) !== EntryKind.Table ? -1 : this.tables.find(this.next, tableAddress(lo, hi));
  }

  /** What is owed a flush. */
  protected override anyValid(index: number, count: number): boolean {
    const { words } = this.tables;
    for (let at = index; at < index + count; at++) if ((words[at * 2 + HIGH_WORD]! & V_HI) !== 0) return true;
    return false;
  }

  override scan(table: H[L], first: number, end: number, filter: ScanFilter, out: ScanBuffer): number {
    const { radix, tables: { words } } = this;
    const low = indexOf<H, L>(table) * 2 + LOW_WORD;
    const high = indexOf<H, L>(table) * 2 + HIGH_WORD;
    let at = first;
    while (at < end && out.count < out.capacity) {
      const lo = words[low + at * 2]!;
      const hi = words[high + at * 2]!;
      const kind = kindOf(radix, lo, hi);
      if (kind === EntryKind.Table) {
        out.push(kind, at++, 1, lo, hi, tableAddress(lo, hi));
        continue;
      }
      const leaf = kind === EntryKind.Leaf;
      // Address bits are attributes where the entry holds no address.
      const maskLo = filter.maskLo[this.depth]! & (leaf ? ~RPN_LO : -1);
      const maskHi = (filter.maskHi[this.depth]! & (leaf ? ~RPN_HI : -1)) | V_HI | L_HI | INVALID_HI;
      const pa = leaf ? leafAddress(radix, lo, hi) : 0;
      let next = at + 1;
      for (; next < end; next++) {
        const nextLo = words[low + next * 2]!;
        const nextHi = words[high + next * 2]!;
        if ((((nextLo ^ lo) & maskLo) | ((nextHi ^ hi) & maskHi)) !== 0 || kindOf(radix, nextLo, nextHi) !== kind) break;
        if (leaf && filter.contiguous && leafAddress(radix, nextLo, nextHi) !== pa + (next - at) * radix.bytes) break;
      }
      out.push(kind, at, next - at, lo, hi, pa);
      at = next;
    }
    return at;
  }
}
