import { EntryKind, geometryOf, HIGH_WORD, LOW_WORD, type Below, type Level, type LevelOps, type ScanBuffer, type ScanFilter, type TableOf } from '@pgtable/core';
import { entryIndex, handleAt, indexOf, tableAt, TableLevelOps, type TableOpsContext } from '@pgtable/core/arch';
import { CRST_TYPE, LENGTH_UNIT, PREFIX_BYTES, REGION_LENGTH, REGION_OFFSET } from './bits.js';
import { GEOMETRY, TYPE_OF_LEVEL } from './geometry.js';
import type { S390Handles } from './index.js';
import { absoluteAddress, nextPrefixEdge } from './prefix.js';

/**
 * The generic accessors, but for two things: real addresses in leaves come out absolute (see {@link absoluteAddress}), and
 * levels above the root fold by what the entry says.
 */
class S390LevelOps<L extends Level> extends TableLevelOps<S390Handles, L> {
  private readonly prefix: number;

  constructor(level: L, context: TableOpsContext, prefix: number) {
    super(level, context);
    this.prefix = prefix;
  }

  /**
   * Page-table origins are absolute in a dump (the manual leaves open whether they are real; QEMU takes them as absolute,
   * and Linux never puts a table where it matters), so only leaves are moved. A large page that contains one of the
   * two windows keeps its real address: no single number is right for all of it.
   */
  override scan(table: S390Handles[L], first: number, end: number, filter: ScanFilter, out: ScanBuffer): number {
    if (this.prefix === 0 || this.format.bytes > PREFIX_BYTES) return super.scan(table, first, end, filter, out);
    let next = first;
    for (;;) {
      const before = out.count;
      const reached = super.scan(table, next, end, filter, out);
      const cut = this.makeAbsolute(before, filter.contiguous, out);
      if (cut < 0) return reached;
      next = cut;
    }
  }

  /**
   * Turns the rows from `before` on to absolute addresses.
   *
   * Returns: -1, or, after a contiguous row had to be cut at the edge of a window and the rows after it dropped, the entry
   * that they begin with.
   */
  private makeAbsolute(before: number, contiguous: boolean, out: ScanBuffer): number {
    const { prefix } = this;
    const { bytes } = this.format;
    for (let row = before; row < out.count; row++) {
      if (out.kind[row] !== EntryKind.Leaf) continue;
      const real = out.pa[row]!;
      out.pa[row] = absoluteAddress(real, prefix);
      if (!contiguous) continue;
      const end = real + out.length[row]! * bytes;
      const edge = nextPrefixEdge(real, end, prefix);
      if (edge === end) continue;
      out.length[row] = (edge - real) / bytes;
      out.count = row + 1;
      return out.index[row]! + out.length[row]!;
    }
    return -1;
  }
}

/** The accessors of a segment or region table. */
class CrstLevelOps<L extends Exclude<Level, 'pte'>> extends S390LevelOps<L> {
  private readonly type: number;
  private readonly below: LevelOps<S390Handles, Below[L]>;

  constructor(level: L, context: TableOpsContext, prefix: number, below: LevelOps<S390Handles, Below[L]>) {
    super(level, context, prefix);
    this.type = TYPE_OF_LEVEL[level];
    this.below = below;
  }

  /**
   * The kernel's p4d_offset, pud_offset and pmd_offset: an entry of a lower table type is the entry of a root table below
   * this level, seen under a higher name, and stays what it is. @see p4d_offset_lockless, Linux 6.12
   */
  override offset(entry: S390Handles[L], address: bigint): S390Handles[Below[L]] | undefined {
    const index = indexOf<S390Handles, L>(entry);
    const lo = this.tables.words[index * 2 + LOW_WORD]!;
    if ((lo & CRST_TYPE) < this.type) return handleAt<S390Handles, Below[L]>(this.below.level, index);
    const table = this.childIndex(index);
    if (table < 0) return undefined;
    const at = entryIndex(this.geometry, this.below.level, address);
    const range = this.childRange(lo, this.tables.words[index * 2 + HIGH_WORD]!);
    if (at < (range & 0xffff) || at >= range >>> 16) return undefined;
    return handleAt<S390Handles, Below[L]>(this.below.level, table + at);
  }

  override child(entry: S390Handles[L]): TableOf<S390Handles> | undefined {
    const index = indexOf<S390Handles, L>(entry);
    if ((this.tables.words[index * 2 + LOW_WORD]! & CRST_TYPE) < this.type) return this.below.child(handleAt<S390Handles, Below[L]>(this.below.level, index));
    const table = this.childIndex(index);
    return table < 0 ? undefined : tableAt<S390Handles>(this.below.level, table);
  }

  /** TF and TL of a region-table entry. A page table always has 256 entries. */
  override childRange(lo: number, _hi: number): number {
    if (this.level === 'pmd') return geometryOf(GEOMETRY, 'pte').entries << 16;
    const first = ((lo & REGION_OFFSET) >>> 6) * LENGTH_UNIT;
    const end = ((lo & REGION_LENGTH) + 1) * LENGTH_UNIT;
    return first < end ? first | (end << 16) : 0;
  }
}

/** The accessors of all five levels. */
export function s390Ops(context: TableOpsContext, prefix: number): { readonly [L in Level]: LevelOps<S390Handles, L> } {
  const pte = new S390LevelOps('pte', context, prefix);
  const pmd = new CrstLevelOps('pmd', context, prefix, pte);
  const pud = new CrstLevelOps('pud', context, prefix, pmd);
  const p4d = new CrstLevelOps('p4d', context, prefix, pud);
  const pgd = new CrstLevelOps('pgd', context, prefix, p4d);
  return { pte, pmd, pud, p4d, pgd };
}
