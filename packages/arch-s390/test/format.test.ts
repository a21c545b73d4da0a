import { EntryKind, LEVELS, levelNumber, ScanBuffer, scanFilter, type HandleFamily, type Level, type ScanFilter, type WritableOps } from '@pgtable/core';
import { indexOf, leafAddress, tableAddress } from '@pgtable/core/arch';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { s390Arch, type S390Handles } from '../src/index.js';
import { fullConfig } from '../src/config.js';
import { formatOf, s390Formats } from '../src/format.js';
import { EMPTY, tablesOf } from './tables.js';

interface Mode {
  readonly edat: boolean;
  readonly privateSpace: boolean;
}

/** Bits by the manual's numbers: bit 0 is the most significant of 64. */
function bits(entry: bigint, first: number, last = first): bigint {
  return (entry >> BigInt(63 - last)) & ((1n << BigInt(last - first + 1)) - 1n);
}

/** An entry as the Principles of Operation read it, chapter 3, "Translation Process". Slow, and in the manual's words. */
function byTheManual(level: Level, entry: bigint, { edat, privateSpace }: Mode): { kind: EntryKind; pa: bigint } {
  const bad = { kind: EntryKind.Bad, pa: 0n };
  const invalid = { kind: entry === EMPTY[level] ? EntryKind.None : EntryKind.NonPresent, pa: 0n };
  if (level === 'pte') {
    if (bits(entry, 53) === 1n) return invalid;
    if (bits(entry, 52) === 1n) return bad;
    return { kind: EntryKind.Leaf, pa: bits(entry, 0, 51) << 12n };
  }
  if (bits(entry, 58) === 1n) return invalid;
  const type = { pmd: 0n, pud: 1n, p4d: 2n, pgd: 3n }[level];
  if (bits(entry, 60, 61) !== type) return bad;
  if (level === 'pmd') {
    if (bits(entry, 59) === 1n && privateSpace) return bad;
    if (edat && bits(entry, 53) === 1n) return { kind: EntryKind.Leaf, pa: bits(entry, 0, 43) << 20n };
    return { kind: EntryKind.Table, pa: bits(entry, 0, 52) << 11n };
  }
  if (level === 'pud') {
    if (edat && bits(entry, 59) === 1n && privateSpace) return bad;
    if (edat && bits(entry, 53) === 1n) return { kind: EntryKind.Leaf, pa: bits(entry, 0, 32) << 31n };
  }
  return { kind: EntryKind.Table, pa: bits(entry, 0, 51) << 12n };
}

/** Entries of any bits, and of few bits in the low word, where kinds are decided. */
const entry = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.bigInt({ min: 0n, max: 0xfffn }),
  fc.constantFrom(...Object.values(EMPTY), 0n),
  fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }), fc.bigInt({ min: 0n, max: 0x7ffn })).map(([high, low]) => (high << 11n) | (low & 0x73fn)),
);
const mode = fc.record({ edat: fc.boolean(), privateSpace: fc.boolean() });
const level = fc.constantFrom(...LEVELS);

interface Row {
  readonly kind: EntryKind;
  readonly index: number;
  readonly length: number;
  readonly pa: number;
}

/** All rows of a table of these entries, through buffers of some capacity. */
function scanAll(at: Level, entries: readonly bigint[], config: Mode, filter: ScanFilter, capacity: number): Row[] {
  const tables = tablesOf([{ level: at, address: 0x4000, entries: entries.length, values: Object.fromEntries(entries.entries()) }]);
  const arch = s390Arch({ top: 'pud', ...config }, tables);
  const ops: WritableOps<HandleFamily, Level> = arch.ops[at];
  const out = new ScanBuffer(capacity);
  const rows: Row[] = [];
  for (let next = 0; next < entries.length; ) {
    out.count = 0;
    next = ops.scan(tables.find(at, 0x4000), next, entries.length, filter, out);
    for (let row = 0; row < out.count; row++) rows.push({ kind: out.kind[row] as EntryKind, index: out.index[row]!, length: out.length[row]!, pa: out.pa[row]! });
  }
  return rows;
}

describe('classification', () => {
  it('gives every word one kind, the one that the manual gives it', () => {
    fc.assert(
      fc.property(level, entry, mode, (at, value, config) => {
        const rows = scanAll(at, [value], config, scanFilter(true), 4);
        expect(rows).toHaveLength(1);
        const { kind, pa } = byTheManual(at, value, config);
        expect({ kind: rows[0]!.kind, pa: BigInt(rows[0]!.pa) }).toEqual({ kind, pa });
      }),
      { numRuns: 3000 },
    );
  });

  it('covers every entry of a table once, in order, whatever the filter', () => {
    const runs = fc.array(fc.tuple(entry, fc.integer({ min: 1, max: 4 }), fc.boolean()), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(level, runs, mode, fc.boolean(), fc.integer({ min: 1, max: 9 }), (at, parts, config, contiguous, capacity) => {
        const step = { pte: 1n << 12n, pmd: 1n << 20n, pud: 1n << 31n, p4d: 1n << 42n, pgd: 1n << 53n }[at];
        const values = parts.flatMap(([value, length, moving]) => Array.from({ length }, (_, i) => BigInt.asUintN(64, value + (moving ? step * BigInt(i) : 0n))));
        const rows = scanAll(at, values, config, scanFilter(contiguous), capacity);
        let next = 0;
        for (const row of rows) {
          expect(row.index).toBe(next);
          for (let i = 0; i < row.length; i++) {
            const { kind, pa } = byTheManual(at, values[next + i]!, config);
            expect(row.kind).toBe(kind);
            if (i === 0 || (contiguous && kind === EntryKind.Leaf)) expect(BigInt(row.pa) + BigInt(i) * step).toBe(pa + (kind === EntryKind.Leaf ? 0n : BigInt(i) * step));
          }
          next += row.length;
        }
        expect(next).toBe(values.length);
      }),
      { numRuns: 500 },
    );
  });

  it('finds addresses as the manual does', () => {
    fc.assert(
      fc.property(level, entry, mode, (at, value, config) => {
        const format = formatOf(s390Formats(fullConfig({ top: 'pud', ...config })), at);
        const lo = Number(BigInt.asIntN(32, value));
        const hi = Number(BigInt.asIntN(32, value >> 32n));
        if (at === 'pte') expect(BigInt(leafAddress(format, lo, hi))).toBe(bits(value, 0, 51) << 12n);
        else expect(BigInt(tableAddress(format, lo, hi))).toBe(at === 'pmd' ? bits(value, 0, 52) << 11n : bits(value, 0, 51) << 12n);
        if (at === 'pmd') expect(BigInt(leafAddress(format, lo, hi))).toBe(bits(value, 0, 43) << 20n);
        if (at === 'pud') expect(BigInt(leafAddress(format, lo, hi))).toBe(bits(value, 0, 32) << 31n);
      }),
    );
  });

  it('numbers levels as core does', () => {
    const formats = s390Formats({ edat: true, privateSpace: false });
    for (const at of LEVELS) expect(formatOf(formats, at)).toBe(formats[levelNumber(at)]);
    expect(formats.map(({ emptyLo }) => emptyLo)).toEqual([0x400, 0x20, 0x24, 0x28, 0x2c]);
    expect(formats.map(({ bytes }) => Math.log2(bytes))).toEqual([12, 20, 31, 42, 53]);
  });

  it('keeps handles opaque and equal to indices', () => {
    const tables = tablesOf([{ level: 'pud', address: 0x4000, values: {} }]);
    const arch = s390Arch({ top: 'pud' }, tables);
    const table = arch.rootTable({ table: 0x4000, top: 'pud', first: 0, end: 2048, windows: [], inherited: 0 })!;
    if (table.level !== 'pud') throw new Error('a region-third table');
    expect(indexOf<S390Handles, 'pud'>(arch.ops.pud.advance(table.table, 5))).toBe(tables.find('pud', 0x4000) + 5);
  });
});
