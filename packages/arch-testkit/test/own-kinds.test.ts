import {
  Access, EntryKind, geometryOf, HIGH_WORD, LEVELS, LOW_WORD, TableMemory, VmFlags, type EntryValues, type Level, type Prot, type ScanBuffer, type ScanFilter,
  type StrongHandles, type TableHandles, type WritableArch,
} from '@pgtable/core';
import {
  FlagValues, freeTableIn, indexOf, NEVER_VALID, newTableIn, pgdOffsetIn, rootTableIn, TableLevelOps, tableOps, valueFormat, type LevelTable, type TableOpsContext,
} from '@pgtable/core/arch';
import { describe, expect, it } from 'vitest';
import { formatReport, runLaws, type Subject } from '../src/index.js';
import { reference, referenceRoot } from './reference.js';

/*
 * What the guide says of entries whose kind no EntryFormat can tell: formats that say nothing, and three methods. The machine has the reference
 * architecture's tables, and in an entry
 *
 *     63 V   62 leaf   61 present, not valid   60 PROT_NONE   47-12 address   4 dirty   3 young   2 NX   1 U   0 W
 *
 * Swap entries: 52-12 offset, 5-1 type.
 */
const V = 1n << 63n;
const LEAF = 1n << 62n;
const INVALID = 1n << 61n;
const NONE = 1n << 60n;
const ADDRESS = 0xffff_ffff_f000n;
const YOUNG = 8n;
const DIRTY = 16n;
const W = 1;
const U = 2;
const NX = 4;

const OVERRIDDEN = ['scan', 'childIndex', 'anyValid'] as const;
type Overridden = (typeof OVERRIDDEN)[number];

const { geometry: GEOMETRY, ptdump } = reference(true).make().arch;

const shiftOf = (level: Level): number => geometryOf(GEOMETRY, level).shift;

/** What an entry is: by its high word. */
function kindOf(level: Level, lo: number, hi: number): EntryKind {
  if (hi >= 0) return (lo | hi) === 0 ? EntryKind.None : EntryKind.NonPresent;
  if ((hi & 0x4000_0000) !== 0) return shiftOf(level) < 20 ? EntryKind.Leaf : EntryKind.Bad;
  return level === 'pte' ? EntryKind.Bad : EntryKind.Table;
}

/** The address in an entry that maps or points to multiples of `2 ** shift` bytes. */
const addressIn = (lo: number, hi: number, shift: number): number => (hi & 0xffff) * 2 ** 32 + ((lo & -(2 ** shift)) >>> 0);

class HighLevelOps<H extends TableHandles, L extends Level> extends TableLevelOps<H, L> {
  private readonly without: Overridden | undefined;

  constructor(level: L, context: TableOpsContext, all: LevelTable<H>, without: Overridden | undefined) {
    super(level, context, all);
    this.without = without;
  }

  /** A row for each entry: runs are for speed alone. */
  override scan(table: H[L], first: number, end: number, filter: ScanFilter, out: ScanBuffer): number {
    if (this.without === 'scan') return super.scan(table, first, end, filter, out);
    let at = first;
    for (; at < end && out.count < out.capacity; at++) {
      const [lo, hi] = this.wordsAt(indexOf<H, L>(table) + at);
      const kind = kindOf(this.level, lo, hi);
      out.push(kind, at, 1, lo, hi, kind === EntryKind.Leaf ? addressIn(lo, hi, shiftOf(this.level)) : kind === EntryKind.Table ? addressIn(lo, hi, 12) : 0);
    }
    return at;
  }

  protected override childIndex(lo: number, hi: number): number {
    if (this.without === 'childIndex') return super.childIndex(lo, hi);
    const below = this.childLevel();
    return below === undefined || kindOf(this.level, lo, hi) !== EntryKind.Table ? -1 : this.tables.find(below, addressIn(lo, hi, 12));
  }

  protected override anyValid(index: number, count: number): boolean {
    if (this.without === 'anyValid') return super.anyValid(index, count);
    for (let at = index; at < index + count; at++) if (this.wordsAt(at)[1] < 0) return true;
    return false;
  }

  private wordsAt(index: number): readonly [lo: number, hi: number] {
    return [this.tables.words[index * 2 + LOW_WORD]!, this.tables.words[index * 2 + HIGH_WORD]!];
  }
}

function valuesOf<L extends Level>(level: L): EntryValues<L> {
  const shift = shiftOf(level);
  const leaf = shift < 20;
  const table = level !== 'pte';
  return new FlagValues(level, valueFormat({
    validMask: V, validValue: V, presentInvalid: INVALID | NONE, protnone: NONE, leafMask: LEAF, leafValue: LEAF, leafSets: LEAF, invalidClears: V, invalidSets: INVALID,
    ...(table ? { tableMask: LEAF, tableValue: 0n, tableAddress: ADDRESS, userTable: V, kernelTable: V } : {}),
    pfnMask: ADDRESS & ~((1n << BigInt(shift)) - 1n), pfnShift: 12, orderShift: shift - 12, young: YOUNG, dirty: DIRTY, write: BigInt(W), modifyKeeps: YOUNG | DIRTY,
    ...(leaf ? { swap: { typeShift: 1, offsetShift: 12, offsetBits: 41, base: 0n, softDirty: 0n, exclusive: 0n, uffdWp: 0n } } : {}),
    features: [...(leaf ? (['leaf', 'protnone', 'swap'] as const) : []), ...(table ? (['table'] as const) : [])],
  }));
}

function highArch(without: Overridden | undefined): WritableArch<StrongHandles> {
  const tables = new TableMemory();
  const values = { pte: valuesOf('pte'), pmd: valuesOf('pmd'), pud: valuesOf('pud'), p4d: valuesOf('p4d'), pgd: valuesOf('pgd') };
  const context: TableOpsContext = { tables, geometry: GEOMETRY, formats: LEVELS.map(() => NEVER_VALID), values };
  const ops = tableOps<StrongHandles>(context, (level, shared, all) => new HighLevelOps(level, shared, all, without));
  const rights = (flags: number, write: boolean): bigint => BigInt((write ? W : 0) | ((flags & VmFlags.Exec) === 0 ? NX : 0));
  // The casts: these bits are protections.
  const vmProt = (flags: number): Prot =>
    ((flags & 7) === 0 ? LEAF | NONE | BigInt(U | NX) : V | LEAF | YOUNG | BigInt(U) | rights(flags, (flags & VmFlags.Write) !== 0 && (flags & VmFlags.Shared) !== 0)) as Prot;
  const kernelProt = (flags: number): Prot => (V | LEAF | YOUNG | DIRTY | rights(flags, (flags & VmFlags.Write) !== 0)) as Prot;
  return {
    name: 'high', variant: 'valid is bit 63', geometry: GEOMETRY, littleEndian: true, tables, ops, values, hugePages: [{ bytes: 2 ** 16, level: 'pmd', count: 1 }],
    rootTable: (root) => rootTableIn<StrongHandles>(tables, root),
    pgdOffset: (root, address) => pgdOffsetIn<StrongHandles>(tables, GEOMETRY, root, address),
    inherit: () => 0,
    describe(level, lo, hi) {
      const leaf = kindOf(level, lo, hi) === EntryKind.Leaf;
      const user = Access.UserRead | ((lo & W) === 0 ? 0 : Access.UserWrite) | ((lo & NX) === 0 ? Access.UserExecute : 0);
      const access = Access.KernelRead | ((lo & W) === 0 ? 0 : Access.KernelWrite) | ((lo & NX) === 0 ? Access.KernelExecute : 0);
      return {
        access: (lo & U) === 0 ? access : user, accessed: leaf ? (lo & Number(YOUNG)) !== 0 : undefined, dirty: leaf ? (lo & Number(DIRTY)) !== 0 : undefined,
        global: false, memoryType: '', group: 1, flags: [],
      };
    },
    decodeNonPresent: (level, value) =>
      (value & (INVALID | NONE)) !== 0n
        ? { kind: 'protected', pa: value & ADDRESS & -(1n << BigInt(shiftOf(level))), flags: [] }
        : { kind: 'swap', type: Number((value >> 1n) & 31n), offset: value >> 12n, flags: [] },
    ptdump, vmProt, kernelProt,
    newTable: (level, address, user) => newTableIn(context, ops, level, address, user),
    freeTable: (table) => {
      freeTableIn(context, table);
    },
  };
}

function subject(user: boolean, without?: Overridden): Subject<StrongHandles> {
  return { name: `valid is bit 63, ${user ? 'user' : 'kernel'}`, make: () => ({ arch: highArch(without), root: referenceRoot(0x1000), user }) };
}

describe('entries whose kind stands in the high word', () => {
  it.each([true, false])(`obey the laws with formats that say nothing, and ${OVERRIDDEN.join(', ')} overridden; user %s`, (user) => {
    const report = runLaws(subject(user), { seed: 1, runs: 15 });
    expect(report.ok, formatReport(report)).toBe(true);
  });

  it.each(OVERRIDDEN)('do not without %s', (without) => {
    expect(runLaws(subject(true, without), { seed: 1, runs: 5 }).ok).toBe(false);
  });
});
