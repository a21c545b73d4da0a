import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entryFormat, EntryKind, HIGH_WORD, LOW_WORD, ScanBuffer, scanFilter, scanWords, type EntryFormat, type ScanFilter } from './all.js';

interface Layout {
  readonly name: string;
  readonly stride: 1 | 2;
  readonly format: EntryFormat;
  /** The bits that make an entry a leaf, a table, neither. */
  readonly leaf: bigint;
  readonly table: bigint;
  readonly attributes: bigint;
}

const NAPOT_HI = 0x8000_0000;

const LAYOUTS: readonly Layout[] = [
  {
    name: 'x86-64 pmd',
    stride: 2,
    leaf: 0x81n,
    table: 1n,
    attributes: 0x8000_0000_0000_0f66n,
    format: entryFormat({
      validMask: 1, validValue: 1, tableMask: 0x80, tableValue: 0, reservedLeafLo: 0x1fe000, reservedLeafHi: 0x000f_0000, reservedTableHi: 0x000f_0000,
      leafPaLo: 0xffe0_0000, leafPaHi: 0xffff, tablePaLo: 0xffff_f000, tablePaHi: 0xffff, bytes: 2 ** 21,
    }),
  },
  {
    name: 'riscv pte with Svnapot',
    stride: 2,
    leaf: 3n,
    table: 1n,
    attributes: 0x6000_0000_0000_03fcn,
    format: entryFormat({
      validMask: 1, validValue: 1, tableMask: 14, tableValue: 0, leafPaLo: 0xffff_fc00, leafPaHi: 0x3f_ffff, paShift: 2, bytes: 4096, napotHi: NAPOT_HI,
      reservedLeafHi: 0x1fc0_0000, forbiddenLo: 6, forbiddenLoValue: 4, forbiddenHi: 0x6000_0000, forbiddenHiValue: 0x6000_0000,
    }),
  },
  {
    name: 'arm64 64 KiB pte with LPA',
    stride: 2,
    leaf: 3n,
    table: 1n,
    attributes: 0x0060_0000_0000_0fc0n,
    format: entryFormat({
      validMask: 1, validValue: 1, leafMask: 2, leafValue: 2, leafPaLo: 0xffff_0000, leafPaHi: 0xffff, highLo: 0xf000, highShift: 12, highBit: 48, bytes: 65536,
    }),
  },
  {
    name: 's390 pte',
    stride: 2,
    leaf: 0n,
    table: 0x400n,
    attributes: 0x204n,
    format: entryFormat({
      validMask: 0x400, validValue: 0, emptyLo: 0x400, reservedLeafLo: 0x800, leafPaLo: 0xffff_f000, leafPaHi: 0xffff_ffff, bytes: 4096,
    }),
  },
  {
    name: 'i386 pgd with PSE-36',
    stride: 1,
    leaf: 0x81n,
    table: 1n,
    attributes: 0xe66n,
    format: entryFormat({
      validMask: 1, validValue: 1, tableMask: 0x80, tableValue: 0, reservedLeafLo: 0x20_0000, leafPaLo: 0xffc0_0000, tablePaLo: 0xffff_f000,
      highLo: 0x1e000, highShift: 13, highBit: 32, tableHighLo: 0, bytes: 2 ** 22,
    }),
  },
  {
    name: 'i386 pte',
    stride: 1,
    leaf: 1n,
    table: 0n,
    attributes: 0xffen,
    format: entryFormat({ validMask: 1, validValue: 1, leafPaLo: 0xffff_f000, bytes: 4096 }),
  },
  {
    name: 'an address field that ends at bit 27, attributes above it',
    stride: 2,
    leaf: 1n,
    table: 2n,
    attributes: 0x8000_0000_f000_0ff0n,
    format: entryFormat({ validMask: 3, validValue: 1, leafPaLo: 0x0fff_f000, bytes: 4096 }),
  },
  {
    name: 'a page that maps more than a word can count',
    stride: 2,
    leaf: 3n,
    table: 1n,
    attributes: 0xff0n,
    format: entryFormat({
      validMask: 1, validValue: 1, tableMask: 2, tableValue: 0, leafPaHi: 0xffff, tablePaLo: 0xffff_f000, tablePaHi: 0xffff, bytes: 2 ** 39,
    }),
  },
];

/* The slow way: one entry at a time, in bigints, straight from the description of EntryFormat. */

interface Classified {
  readonly kind: EntryKind;
  readonly pa: bigint;
}

const unsigned = (word: number) => BigInt(word >>> 0);
const pair = (lo: number, hi: number) => (unsigned(hi) << 32n) | unsigned(lo);

function classify(format: EntryFormat, index: number, entry: bigint): Classified {
  if ((entry & unsigned(format.validMask)) !== unsigned(format.validValue)) {
    return { kind: entry === pair(format.emptyLo, format.emptyHi) ? EntryKind.None : EntryKind.NonPresent, pa: 0n };
  }
  const address = (mask: bigint, high: number) =>
    ((entry & mask) << BigInt(format.paShift)) + (((entry & unsigned(high)) >> BigInt(format.highShift)) << BigInt(format.highBit));
  // tableValue 1 under mask 0 says that no entry is a table; as a bigint the comparison says the same.
  if ((entry & unsigned(format.tableMask)) === unsigned(format.tableValue)) {
    if ((entry & pair(format.reservedTableLo, format.reservedTableHi)) !== 0n) return { kind: EntryKind.Bad, pa: 0n };
    return { kind: EntryKind.Table, pa: address(pair(format.tablePaLo, format.tablePaHi), format.tableHighLo) };
  }
  if ((entry & pair(format.reservedLeafLo, format.reservedLeafHi)) !== 0n) return { kind: EntryKind.Bad, pa: 0n };
  if ((entry & unsigned(format.leafMask)) !== unsigned(format.leafValue)) return { kind: EntryKind.Bad, pa: 0n };
  if ((entry & unsigned(format.forbiddenLo)) === unsigned(format.forbiddenLoValue)) return { kind: EntryKind.Bad, pa: 0n };
  if (((entry >> 32n) & unsigned(format.forbiddenHi)) === unsigned(format.forbiddenHiValue)) return { kind: EntryKind.Bad, pa: 0n };
  const pa = address(pair(format.leafPaLo, format.leafPaHi), format.highLo);
  if ((entry & pair(0, format.napotHi)) === 0n) return { kind: EntryKind.Leaf, pa };
  const pages = (pa >> 12n) & 15n;
  if (pages !== 8n) return { kind: EntryKind.Bad, pa: 0n };
  return { kind: EntryKind.Leaf, pa: (pa >> 16n << 16n) + BigInt(index % 16) * 4096n };
}

function wordsOf(entries: readonly bigint[], stride: 1 | 2, base: number): Int32Array {
  const words = new Int32Array((base + entries.length) * stride + 8).fill(0x5a5a5a5a);
  entries.forEach((entry, at) => {
    const lo = Number(BigInt.asIntN(32, entry));
    if (stride === 1) {
      words[base + at] = lo;
      return;
    }
    words[(base + at) * 2 + LOW_WORD] = lo;
    words[(base + at) * 2 + HIGH_WORD] = Number(BigInt.asIntN(32, entry >> 32n));
  });
  return words;
}

interface Row {
  readonly kind: number;
  readonly index: number;
  readonly length: number;
  readonly lo: number;
  readonly hi: number;
  readonly pa: number;
}

function rowsOf(out: ScanBuffer): Row[] {
  return Array.from({ length: out.count }, (_, row) => ({
    kind: out.kind[row]!, index: out.index[row]!, length: out.length[row]!, lo: out.lo[row]!, hi: out.hi[row]!, pa: out.pa[row]!,
  }));
}

function scanAll(entries: readonly bigint[], layout: Pick<Layout, 'stride' | 'format'>, filter: ScanFilter, capacity = 4096, first = 0, end = entries.length, base = 3): Row[] {
  const words = wordsOf(entries, layout.stride, base);
  const out = new ScanBuffer(capacity);
  const rows: Row[] = [];
  for (let at = first; at < end; ) {
    out.count = 0;
    const next = scanWords(words, base, layout.stride, 1, at, end, layout.format, filter, out);
    expect(next).toBeGreaterThan(at);
    expect(next === end || out.count === capacity).toBe(true);
    rows.push(...rowsOf(out));
    at = next;
  }
  return rows;
}

/** An entry for a physical address, in the layout's own bits. */
function leafEntry({ format, leaf }: Layout, pa: bigint, attributes: bigint): bigint {
  const high = format.highLo === 0 ? 0n : ((pa >> BigInt(format.highBit)) << BigInt(format.highShift)) & unsigned(format.highLo);
  return ((pa >> BigInt(format.paShift)) & pair(format.leafPaLo, format.leafPaHi)) | high | leaf | attributes;
}

/** Tables as they are: stretches of one kind, contiguous or not, that begin where carries happen. */
function table(layout: Layout): fc.Arbitrary<bigint[]> {
  const { format, stride } = layout;
  const bits = stride === 1 ? 32 : 64;
  const any = fc.bigInt(0n, 2n ** BigInt(bits) - 1n);
  const attributes = fc.bigInt(0n, 2n ** 64n - 1n).map((value) => BigInt.asUintN(bits, value & layout.attributes));
  const few = fc.oneof(fc.constant(0n), attributes);
  const edges = [0n, 2n ** 28n, 2n ** 32n, 2n ** 34n, 2n ** 36n, 2n ** 48n, 2n ** 33n, 2n ** 40n];
  const size = BigInt(format.bytes);
  const start = fc.tuple(fc.constantFrom(...edges), fc.integer({ min: -6, max: 6 })).map(([edge, pages]) => {
    const pa = (edge / size) * size + BigInt(pages) * size;
    return pa < 0n ? 0n : pa;
  });
  const length = fc.integer({ min: 1, max: 12 });
  const contiguous = fc.tuple(start, few, length).map(([pa, attribute, count]) => Array.from({ length: count }, (_, at) => leafEntry(layout, pa + BigInt(at) * size, attribute)));
  const same = fc.tuple(start, few, length).map(([pa, attribute, count]) => Array.from({ length: count }, () => leafEntry(layout, pa, attribute)));
  const holes = length.map((count) => Array.from({ length: count }, () => pair(format.emptyLo, format.emptyHi)));
  const napot = fc.tuple(fc.bigInt(0n, 100n), few, length).map(([pa, attribute, count]) =>
    Array.from({ length: count }, () => leafEntry(layout, pa * 65536n + 8n * 4096n, attribute) | pair(0, format.napotHi)),
  );
  const tables = fc.tuple(any, length).map(([value, count]) => Array.from({ length: count }, (_, at) => BigInt.asUintN(bits, ((value & pair(format.tablePaLo, format.tablePaHi)) + BigInt(at) * 4096n) | layout.table)));
  const wild = fc.tuple(any, length).map(([value, count]) => Array.from({ length: count }, () => value));
  return fc.array(fc.oneof(contiguous, contiguous, same, holes, napot, tables, wild, fc.array(any, { minLength: 1, maxLength: 3 })), { minLength: 1, maxLength: 8 }).map((parts) =>
    parts.flat().map((entry) => BigInt.asUintN(bits, entry)),
  );
}

const masks = fc.oneof(fc.constant([-1, -1] as const), fc.constant([0, 0] as const), fc.tuple(fc.integer(), fc.integer()));

describe.each(LAYOUTS)('scanWords against one entry at a time: $name', (layout) => {
  const { format } = layout;

  it('says of every entry what it is, in order, each once', () => {
    fc.assert(
      fc.property(table(layout), fc.boolean(), masks, fc.integer({ min: 1, max: 9 }), fc.nat(), fc.nat(), (entries, contiguous, [maskLo, maskHi], capacity, a, b) => {
        const first = a % entries.length;
        const end = first + 1 + (b % (entries.length - first));
        const filter = scanFilter(contiguous, maskLo, maskHi);
        const rows = scanAll(entries, layout, filter, capacity, first, end);
        const addressBits = pair(format.leafPaLo | format.highLo, format.leafPaHi);
        const compared = pair(maskLo, maskHi);
        let at = first;
        for (const row of rows) {
          expect(row.index).toBe(at);
          expect(row.length).toBeGreaterThan(0);
          const head = entries[at]!;
          expect(BigInt.asUintN(64, pair(row.lo, row.hi))).toBe(head);
          const expected = classify(format, at, head);
          expect(row.kind).toBe(expected.kind);
          expect(BigInt(row.pa)).toBe(expected.pa);
          for (let i = at + 1; i < at + row.length; i++) {
            const next = classify(format, i, entries[i]!);
            expect(next.kind).toBe(row.kind);
            const difference = entries[i]! ^ head;
            if (row.kind === EntryKind.Leaf) {
              expect(difference & compared & ~addressBits).toBe(0n);
              if (contiguous) expect(next.pa).toBe(expected.pa + BigInt(i - at) * BigInt(format.bytes));
            } else if (contiguous) {
              expect(difference).toBe(0n);
            } else {
              expect(difference & compared).toBe(0n);
            }
          }
          if (row.kind === EntryKind.Table || row.kind === EntryKind.Bad) expect(row.length).toBe(1);
          at += row.length;
        }
        expect(at).toBe(end);
      }),
      { numRuns: 400 },
    );
  });

  it('finds whole runs where nothing stands in the way', () => {
    const size = BigInt(format.bytes);
    const count = 40;
    const entries = Array.from({ length: count }, (_, at) => leafEntry(layout, BigInt(at) * size, 0n));
    const rows = scanAll(entries, layout, scanFilter(true));
    // A page of 512 GiB is counted in the high word, which a run does not follow.
    if (format.bytes >= 2 ** 32) expect(rows).toHaveLength(count);
    else expect(rows).toEqual([{ kind: EntryKind.Leaf, index: 0, length: count, lo: Number(layout.leaf), hi: 0, pa: 0 }]);
    expect(scanAll(entries, layout, scanFilter(false))).toHaveLength(1);
    const empty = Array.from({ length: count }, () => pair(format.emptyLo, format.emptyHi));
    for (const contiguous of [true, false]) {
      expect(scanAll(empty, layout, scanFilter(contiguous, 0, 0))).toEqual([{ kind: EntryKind.None, index: 0, length: count, lo: format.emptyLo, hi: format.emptyHi, pa: 0 }]);
    }
  });
});

describe('scanWords', () => {
  const x86 = LAYOUTS[0]!;
  const riscv = LAYOUTS[1]!;
  const short = LAYOUTS[6]!;
  const shape = (rows: readonly Row[]) => rows.map(({ kind, index, length, pa }) => [kind, index, length, pa]);

  it('goes on behind 4 GiB in a new row', () => {
    const entries = [-2n, -1n, 0n, 1n].map((page) => leafEntry(x86, 2n ** 32n + page * 2n ** 21n, 0n));
    expect(shape(scanAll(entries, x86, scanFilter(true)))).toEqual([
      [EntryKind.Leaf, 0, 2, 2 ** 32 - 2 ** 22],
      [EntryKind.Leaf, 2, 2, 2 ** 32],
    ]);
  });

  it('does not take a low word that wraps for memory that goes on', () => {
    // Same high word: the second entry is 4 GiB lower than where the first would go on.
    const entries = [2n ** 32n - 2n ** 21n, 0n].map((pa) => leafEntry(x86, pa, 0n));
    expect(scanAll(entries, x86, scanFilter(true))).toHaveLength(2);
  });

  it('does not carry out of an address field, also into bits that the filter ignores', () => {
    const entries = [leafEntry(short, 0x0fff_e000n, 0n), leafEntry(short, 0x0fff_f000n, 0n), leafEntry(short, 0n, 0n), leafEntry(short, 0x1000n, 0n)];
    expect(shape(scanAll(entries, short, scanFilter(true, 0, 0)))).toEqual([
      [EntryKind.Leaf, 0, 2, 0x0fff_e000],
      [EntryKind.Leaf, 2, 2, 0],
    ]);
  });

  it('compares what the filter names, and the bits that decide the kind always', () => {
    const entries = [0n, 0x40n, 0x20n, 2n].map((attribute, at) => leafEntry(x86, BigInt(at) * 2n ** 21n, attribute));
    expect(scanAll(entries, x86, scanFilter(true))).toHaveLength(4);
    expect(scanAll(entries, x86, scanFilter(true, 2, 0)).map(({ length }) => length)).toEqual([3, 1]);
    expect(scanAll(entries, x86, scanFilter(true, 0, 0)).map(({ length }) => length)).toEqual([4]);
    const bad = [...entries.slice(0, 2), entries[2]! | 0x2000n];
    expect(scanAll(bad, x86, scanFilter(false, 0, 0)).map(({ kind }) => kind)).toEqual([EntryKind.Leaf, EntryKind.Bad]);
  });

  it('has masks for each level', () => {
    const filter = scanFilter(false, 0, 0);
    filter.maskLo[1] = 2;
    const entries = [0n, 2n].map((attribute) => leafEntry(x86, 0n, attribute));
    const words = wordsOf(entries, 2, 0);
    const lengths = [0, 1, 2, 3, 4].map((level) => {
      const out = new ScanBuffer(8);
      scanWords(words, 0, 2, level, 0, 2, x86.format, filter, out);
      return out.count;
    });
    expect(lengths).toEqual([1, 2, 1, 1, 1]);
  });

  it('takes a NAPOT group as its pages, cut at the end of the group', () => {
    const group = (pa: bigint) => leafEntry(riscv, pa + 8n * 4096n, 0n) | pair(0, NAPOT_HI);
    const entries = [...Array.from({ length: 16 }, () => group(0x10_0000n)), ...Array.from({ length: 16 }, () => group(0x11_0000n))];
    expect(shape(scanAll(entries, riscv, scanFilter(true)))).toEqual([
      [EntryKind.Leaf, 0, 16, 0x10_0000],
      [EntryKind.Leaf, 16, 16, 0x11_0000],
    ]);
    expect(shape(scanAll(entries, riscv, scanFilter(true), 8, 5, 18))).toEqual([
      [EntryKind.Leaf, 5, 11, 0x10_5000],
      [EntryKind.Leaf, 16, 2, 0x11_0000],
    ]);
    expect(shape(scanAll(entries, riscv, scanFilter(false)))).toEqual([
      [EntryKind.Leaf, 0, 16, 0x10_0000],
      [EntryKind.Leaf, 16, 16, 0x11_0000],
    ]);
  });

  it('calls a reserved NAPOT size bad', () => {
    for (const low of [0n, 1n, 2n, 4n, 9n, 12n]) {
      const entry = leafEntry(riscv, 0x10_0000n + low * 4096n, 0n) | pair(0, NAPOT_HI);
      for (const contiguous of [true, false]) {
        expect(scanAll([entry, entry], riscv, scanFilter(contiguous)).map(({ kind, length }) => [kind, length])).toEqual([[EntryKind.Bad, 1], [EntryKind.Bad, 1]]);
      }
    }
  });

  it('keeps non-present entries apart in a contiguous scan and merges what the filter calls equal in another', () => {
    const swap = [0x1000n, 0x2000n, 0x2000n, 0n];
    expect(scanAll(swap, x86, scanFilter(true, 0, 0)).map(({ kind, length }) => [kind, length])).toEqual([
      [EntryKind.NonPresent, 1],
      [EntryKind.NonPresent, 2],
      [EntryKind.None, 1],
    ]);
    expect(scanAll(swap, x86, scanFilter(false, 0, 0)).map(({ kind, length }) => [kind, length])).toEqual([
      [EntryKind.NonPresent, 3],
      [EntryKind.None, 1],
    ]);
  });

  it('stops before it writes into a full buffer, and an empty range reads nothing', () => {
    const words = wordsOf([x86.leaf, 0n, x86.leaf], 2, 0);
    const out = new ScanBuffer(2);
    expect(scanWords(words, 0, 2, 1, 0, 3, x86.format, scanFilter(true), out)).toBe(2);
    expect(out.count).toBe(2);
    expect(scanWords(words, 0, 2, 1, 2, 3, x86.format, scanFilter(true), out)).toBe(2);
    expect(out.count).toBe(2);
    out.count = 0;
    expect(scanWords(words, 0, 2, 1, 2, 2, x86.format, scanFilter(true), out)).toBe(2);
    expect(out.count).toBe(0);
  });

  it.each([[1, 4, 2 ** 31 - 8], [2, 0, 2 ** 30], [2, 0, 2 ** 31 - 8]] as const)('reads tables behind 8 GiB: stride %i', (stride, layout, base) => {
    const { format, leaf } = LAYOUTS[layout]!;
    const table = wordsOf([leaf, 0n, leaf, leaf], stride, 0);
    const asked: number[] = [];
    // Stands for words that nobody has the memory for.
    class FarWords extends Int32Array {
      override subarray(begin = 0, end = 0): Int32Array<ArrayBuffer> {
        asked.push(begin, end);
        return new Int32Array(table.subarray(0, end - begin));
      }
    }
    const out = new ScanBuffer(8);
    const far = stride === 1 ? base + 4 : base;
    expect(scanWords(new FarWords(0), far, stride, 1, 1, 4, format, scanFilter(false), out)).toBe(4);
    expect(asked).toEqual([far * stride, (far + 4) * stride]);
    expect(rowsOf(out).map(({ kind, index, length }) => [kind, index, length])).toEqual([[EntryKind.None, 1, 1], [EntryKind.Leaf, 2, 2]]);
  });

  it('appends to what the buffer holds', () => {
    const words = wordsOf([x86.leaf, 0n], 2, 0);
    const out = new ScanBuffer(8);
    out.push(EntryKind.Bad, 77, 1, 1, 2, 3);
    scanWords(words, 0, 2, 1, 0, 2, x86.format, scanFilter(true), out);
    expect(rowsOf(out).map(({ index }) => index)).toEqual([77, 0, 1]);
  });
});
