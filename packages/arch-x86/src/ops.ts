import { HIGH_WORD, LOW_WORD, type EntryVal, type Level, type MmContext, type TableHandles, type UnlinkedTable } from '@pgtable/core';
import { indexOf, TableLevelOps, type LevelTable, type TableOpsContext } from '@pgtable/core/arch';
import { A, D, P, RW, SAVED_DIRTY_32, SAVED_DIRTY_HI } from './bits.js';
import type { FullConfig } from './config.js';
import { is64Bit } from './geometry.js';
import { hasLeaves, presentBits, realLevel } from './values.js';

/** The accessors of a level of x86: the generic ones, with loops over words where bits are enough. */
export class X86LevelOps<H extends TableHandles, L extends Level> extends TableLevelOps<H, L> {
  private readonly leaves: boolean;
  private readonly presentLo: number;
  private readonly savedDirtyLo: number;
  private readonly savedDirtyHi: number;

  constructor(level: L, context: TableOpsContext, all: LevelTable<H>, config: FullConfig) {
    super(level, context, all);
    this.leaves = hasLeaves(config, level);
    this.presentLo = presentBits(config, level);
    this.savedDirtyLo = is64Bit(config.mode) ? 0 : SAVED_DIRTY_32;
    this.savedDirtyHi = is64Bit(config.mode) ? SAVED_DIRTY_HI : 0;
  }

  /** R/W goes, and D goes where it is no shadow stack. */
  protected override wrprotectRun(index: number, count: number): boolean | undefined {
    if (!this.leaves) return undefined;
    const { words } = this.tables;
    const { presentLo, savedDirtyLo, savedDirtyHi, stride } = this;
    if (savedDirtyHi !== 0) return wrprotectWords(words, index, count, presentLo);
    const low = stride === 1 ? 0 : LOW_WORD;
    const end = (index + count) * stride;
    let stale = 0;
    for (let at = index * stride; at < end; at += stride) {
      const lo = words[at + low]!;
      if ((lo & presentLo) === 0 || (lo & (RW | D)) === 0) continue;
      stale |= lo & P & (lo >>> 1);
      words[at + low] = (lo & D) === 0 ? lo & ~RW : (lo & ~(RW | D)) | savedDirtyLo;
    }
    return stale !== 0;
  }

  protected override gatherRun(index: number, count: number): EntryVal<L> | undefined {
    if (!this.leaves) return undefined;
    const { words } = this.tables;
    if (this.savedDirtyHi === 0) return this.orRun(index, count);
    const first = index * 2;
    const has = words[first + LOW_WORD]! | ((words[first + HIGH_WORD]! & SAVED_DIRTY_HI) === 0 ? 0 : D);
    const adds = gatherWords(words, index, count, this.presentLo) & ~has;
    return adds === 0 ? this.values.empty : this.value(BigInt(P | adds));
  }

  /** Marking a page dirty also marks it soft-dirty, so an entry that is dirty already is left alone. */
  protected override withNotesOf(value: EntryVal<L>, other: EntryVal<L>): EntryVal<L> {
    const { values } = this;
    if (!values.present(other)) return value;
    const young = values.young(other) ? values.mkyoung(value) : value;
    return values.dirty(other) && !values.dirty(young) ? values.mkdirty(young) : young;
  }
}

// The loops over words of 64-bit entries. Four entries at a time, and masks as locals: a constant of another module, and the `var` that a bundler makes of a constant, is loaded and
// checked again for each entry, which makes them twice as slow. `| 0` has V8 know that all is int32.

function wrprotectWords(words: Int32Array, index: number, count: number, presentLo: number): boolean {
  const keep = ~(RW | D);
  const dirty = D | 0;
  const saved = SAVED_DIRTY_HI | 0;
  const end = ((index + count) * 2 + LOW_WORD) | 0;
  let at = (index * 2 + LOW_WORD) | 0;
  let high = (index * 2 + HIGH_WORD) | 0;
  let stale = 0;
  for (; at < end - 6; at = (at + 8) | 0, high = (high + 8) | 0) {
    stale |= wrprotectAt(words, at, high, presentLo, keep, dirty, saved) | wrprotectAt(words, at + 2, high + 2, presentLo, keep, dirty, saved)
      | wrprotectAt(words, at + 4, high + 4, presentLo, keep, dirty, saved) | wrprotectAt(words, at + 6, high + 6, presentLo, keep, dirty, saved);
  }
  for (; at < end; at = (at + 2) | 0, high = (high + 2) | 0) stale |= wrprotectAt(words, at, high, presentLo, keep, dirty, saved);
  return (stale & P) !== 0;
}

/** Returns: P if the entry was valid and writable; other bits mean nothing. */
function wrprotectAt(words: Int32Array, at: number, high: number, presentLo: number, keep: number, dirty: number, saved: number): number {
  const lo = words[at]!;
  if ((lo & presentLo) === 0) return 0;
  words[at] = lo & keep;
  if ((lo & dirty) !== 0) words[high]! |= saved;
  return lo & (lo >>> 1);
}

/** A and D, wherever D is kept, of all entries that are present. */
function gatherWords(words: Int32Array, index: number, count: number, presentLo: number): number {
  const end = ((index + count) * 2 + LOW_WORD) | 0;
  let at = (index * 2 + LOW_WORD) | 0;
  let high = (index * 2 + HIGH_WORD) | 0;
  let lows = 0;
  let highs = 0;
  for (; at < end; at = (at + 2) | 0, high = (high + 2) | 0) {
    const lo = words[at]!;
    if ((lo & presentLo) === 0) continue;
    lows |= lo;
    highs |= words[high]!;
  }
  return (lows & (A | D)) | ((highs & SAVED_DIRTY_HI) === 0 ? 0 : D);
}

/**
 * The accessors of a level with PAE, whose processor loads 32 bits at a time.
 *
 * Entries are written whole all the same (cmpxchg8b on the machine), so no reader can see the low word of a new entry with the high word of an old one.
 */
export class PaeLevelOps<H extends TableHandles, L extends Level> extends X86LevelOps<H, L> {
  private readonly pdpte: boolean;

  constructor(level: L, context: TableOpsContext, all: LevelTable<H>, config: FullConfig) {
    super(level, context, all, config);
    this.pdpte = realLevel(config, level) === 'pgd';
  }

  /**
   * The low word, the high word, and the low word again, until it has not changed: what a 32-bit kernel can do. An entry that is replaced and
   * restored in between may be seen in two halves, and only the lock helps against that. @see ptep_get_lockless(), Linux 6.12
   */
  override getOnce(entry: H[L]): EntryVal<L> {
    const at = indexOf<H, L>(entry) * 2;
    for (;;) {
      const lo = this.loadWord(at + LOW_WORD);
      const hi = this.loadWord(at + HIGH_WORD);
      if (this.loadWord(at + LOW_WORD) === lo) return this.value((BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0));
    }
  }

  /** The processor holds the four PDPTEs in registers, so a new one counts only after a flush. @see pud_populate(), Linux 6.12 */
  override populate(mm: MmContext, address: bigint, entry: H[L], table: UnlinkedTable<H>): void {
    super.populate(mm, address, entry, table);
    if (!this.pdpte) return;
    const start = address - (address % this.bytes);
    mm.tlb.flush({ start, end: start + this.bytes, level: table.level, tables: true });
  }

  /** Reads one word of table memory, single-copy atomic. */
  protected loadWord(at: number): number {
    return Atomics.load(this.tables.words, at);
  }
}
