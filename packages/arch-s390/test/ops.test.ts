import {
  EntryKind, entryVal, hwPteAdvance, p4dOffset, pgdOffset, pgdpGet, p4dpGet, pmdOffset, pmdpGet, pteOffset, ptepGet, ptepGetOnce, pudOffset, pudpGet, ScanBuffer, scanFilter,
  type TableMemory,
} from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { absoluteAddress, decodeAsce, s390Arch, s390Root } from '../src/index.js';
import { tablesOf } from './tables.js';

const ADDRESS = { pgd: 5n << 53n, p4d: 7n << 42n, pud: 9n << 31n, pmd: 11n << 20n, pte: 13n << 12n };

/** Tables of all five levels, each pointing to the next: region-first at 0x10000 down to a page table at 0x30800. */
function fiveLevels(): TableMemory {
  return tablesOf([
    { level: 'pgd', address: 0x10000, values: { 5: 0x1400fn } },
    { level: 'p4d', address: 0x14000, values: { 7: 0x1800bn } },
    { level: 'pud', address: 0x18000, values: { 9: 0x1c007n } },
    { level: 'pmd', address: 0x1c000, values: { 11: 0x30800n } },
    { level: 'pte', address: 0x30800, values: { 13: 0x7654303dn } },
  ]);
}

/** The ASCE of the table of each type above, and the address bits that it translates. */
const ASCES = [
  { name: 'region-first', asce: 0x1000fn, address: ADDRESS.pgd | ADDRESS.p4d | ADDRESS.pud | ADDRESS.pmd | ADDRESS.pte },
  { name: 'region-second', asce: 0x1400bn, address: ADDRESS.p4d | ADDRESS.pud | ADDRESS.pmd | ADDRESS.pte },
  { name: 'region-third', asce: 0x18007n, address: ADDRESS.pud | ADDRESS.pmd | ADDRESS.pte },
  { name: 'segment', asce: 0x1c003n, address: ADDRESS.pmd | ADDRESS.pte },
];

describe('the accessors', () => {
  it.each(ASCES)('walk from pgd to pte below a $name table', ({ asce, address }) => {
    const decoded = decodeAsce(asce);
    const arch = s390Arch({ top: decoded.top }, fiveLevels());
    const root = s390Root(decoded);
    const pgdp = pgdOffset(arch, root, address)!;
    const p4dp = p4dOffset(arch, pgdp, address)!;
    const pudp = pudOffset(arch, p4dp, address)!;
    const pmdp = pmdOffset(arch, pudp, address)!;
    const ptep = pteOffset(arch, pmdp, address)!;
    expect(ptepGet(arch, ptep)).toBe(0x7654303dn);
    expect(ptepGetOnce(arch, ptep)).toBe(0x7654303dn);
    expect(ptepGet(arch, hwPteAdvance(arch, ptep, 1))).toBe(0x400n);
    // Above the root the same entry has other names.
    const values = [pgdpGet(arch, pgdp), p4dpGet(arch, p4dp), pudpGet(arch, pudp), pmdpGet(arch, pmdp)];
    const own = [0x1400fn, 0x1800bn, 0x1c007n, 0x30800n].slice(3 - ['pmd', 'pud', 'p4d', 'pgd'].indexOf(decoded.top));
    expect(values).toEqual([...Array<bigint>(4 - own.length).fill(own[0]!), ...own]);
    // child() leads to the same tables.
    const child = arch.ops.pgd.child(pgdp);
    expect(child?.level).toBe({ pgd: 'p4d', p4d: 'pud', pud: 'pmd', pmd: 'pte' }[decoded.top]);
  });

  it('end where an entry points nowhere', () => {
    const arch = s390Arch({ top: 'pud' }, fiveLevels());
    const root = s390Root(decodeAsce(0x18007n));
    const pgdp = pgdOffset(arch, root, 10n << 31n)!;
    expect(p4dOffset(arch, pgdp, 0n)).toBe(pgdp);
    const pudp = pudOffset(arch, p4dOffset(arch, pgdp, 0n)!, 0n)!;
    expect(pudpGet(arch, pudp)).toBe(0x24n);
    expect(pmdOffset(arch, pudp, 0n)).toBeUndefined();
    expect(arch.ops.pud.child(pudp)).toBeUndefined();
    expect(arch.rootTable(root)?.level).toBe('pud');
    // 2 ** 42 is what a region-third table translates.
    expect(pgdOffset(arch, root, 1n << 42n)).toBeUndefined();
    expect(arch.ops.pte.child(arch.ops.pmd.offset(pmdOffset(arch, pudOffset(arch, p4dOffset(arch, pgdOffset(arch, root, ADDRESS.pud)!, 0n)!, 0n)!, ADDRESS.pmd)!, 0n)!)).toBeUndefined();
  });

  it('end past the length of a table', () => {
    const tables = tablesOf([
      { level: 'pud', address: 0x18000, values: { 0: 0x1c007n & ~3n | 0x81n } },
      { level: 'pmd', address: 0x1c000, values: { 0: 0x30800n, 1024: 0x30800n } },
      { level: 'pte', address: 0x30800, values: {} },
    ]);
    const arch = s390Arch({ top: 'pud' }, tables);
    // Table length 0: 512 entries.
    const root = s390Root(decodeAsce(0x18004n));
    expect(root.end).toBe(512);
    expect(pgdOffset(arch, root, 511n << 31n)).toBeDefined();
    expect(pgdOffset(arch, root, 512n << 31n)).toBeUndefined();
    // TF 2, TL 1: nothing left.
    expect(arch.ops.pud.childRange(0x1c085, 0)).toBe(0);
    // TF 1, TL 2: entries 512 to 1535.
    expect(arch.ops.pud.childRange(0x1c046, 0)).toBe(512 | (1536 << 16));
    expect(arch.ops.pgd.childRange(0x1c00f, 0)).toBe(2048 << 16);
    expect(arch.ops.pmd.childRange(0x30800, 0)).toBe(256 << 16);
    expect(arch.ops.pte.childRange(0, 0)).toBe(0);
    const partial = tablesOf([
      { level: 'pud', address: 0x18000, values: { 0: 0x1c046n } },
      { level: 'pmd', address: 0x1c000, values: {} },
    ]);
    const limited = s390Arch({ top: 'pud' }, partial);
    const pudp = pudOffset(limited, p4dOffset(limited, pgdOffset(limited, root, 0n)!, 0n)!, 0n)!;
    expect([511n, 512n, 1535n, 1536n].map((at) => pmdOffset(limited, pudp, at << 20n) !== undefined)).toEqual([false, true, true, false]);
  });

  it('refuses a table memory of other entries', () => {
    expect(() => s390Arch({ top: 'pud' }, tablesOf([]))).not.toThrow();
    expect(() => s390Arch({ top: 'pud', prefix: 0x1000 }, tablesOf([]))).toThrow(/multiple of 0x2000/);
    expect(() => s390Arch({ top: 'pud', physmemBits: 41 }, tablesOf([]))).toThrow(/42 to 53/);
  });
});

describe('prefixing', () => {
  it('swaps 8 KiB at 0 and at the prefix', () => {
    const addresses = [0, 0x1000, 0x2000, 0x7fabf000, 0x7fac0000, 0x7fac1000, 0x7fac2000].map((real) => absoluteAddress(real, 0x7fac0000));
    expect(addresses).toEqual([0x7fac0000, 0x7fac1000, 0x2000, 0x7fabf000, 0, 0x1000, 0x7fac2000]);
  });

  it('cuts contiguous rows at both windows', () => {
    const prefix = 0x10000;
    const values = Object.fromEntries(Array.from({ length: 32 }, (_, at) => [at, BigInt(at * 4096)]));
    const tables = tablesOf([{ level: 'pte', address: 0x800, values }]);
    const arch = s390Arch({ top: 'pmd', prefix }, tables);
    const rows = (contiguous: boolean, capacity = 64) => {
      const out = new ScanBuffer(capacity);
      const table = arch.ops.pte.advance(arch.ops.pmd.offset(pmdEntry(tables), 0n)!, 0);
      const end = arch.ops.pte.scan(table, 0, 256, scanFilter(contiguous), out);
      return { end, rows: Array.from({ length: out.count }, (_, row) => [out.kind[row], out.index[row], out.length[row], out.pa[row]]) };
    };
    const expected = [
      [EntryKind.Leaf, 0, 2, prefix],
      [EntryKind.Leaf, 2, 14, 0x2000],
      [EntryKind.Leaf, 16, 2, 0],
      [EntryKind.Leaf, 18, 14, 0x12000],
      [EntryKind.None, 32, 224, 0],
    ];
    expect(rows(true)).toEqual({ end: 256, rows: expected });
    expect(rows(true, 2)).toEqual({ end: 16, rows: expected.slice(0, 2) });
    expect(rows(false).rows).toEqual([[EntryKind.Leaf, 0, 32, prefix], [EntryKind.None, 32, 224, 0]]);
  });

  it('agrees with the address of each entry by itself', () => {
    const page = fc.integer({ min: 0, max: 40 });
    fc.assert(
      fc.property(fc.array(page, { minLength: 1, maxLength: 60 }), fc.integer({ min: 0, max: 18 }), fc.integer({ min: 1, max: 20 }), (pages, at, capacity) => {
        const prefix = at * 0x2000;
        // Runs of consecutive pages with jumps.
        const frames = pages.flatMap((first, i) => (i % 3 === 0 ? [first, first + 1, first + 2] : [first]));
        const tables = tablesOf([{ level: 'pte', address: 0x800, values: Object.fromEntries(frames.map((frame, i) => [i, BigInt(frame * 4096)])) }]);
        const arch = s390Arch({ top: 'pmd', prefix }, tables);
        const table = arch.ops.pmd.offset(pmdEntry(tables), 0n)!;
        const out = new ScanBuffer(capacity);
        const found: number[] = [];
        for (let next = 0; next < frames.length; ) {
          out.count = 0;
          next = arch.ops.pte.scan(table, next, frames.length, scanFilter(true), out);
          for (let row = 0; row < out.count; row++) for (let i = 0; i < out.length[row]!; i++) found.push(out.pa[row]! + i * 4096);
        }
        expect(found).toEqual(frames.map((frame) => absoluteAddress(frame * 4096, prefix)));
      }),
    );
  });

  it('leaves large pages and table origins alone', () => {
    const tables = tablesOf([{ level: 'pmd', address: 0x4000, values: { 0: 0x400n, 1: 0x800n } }]);
    const arch = s390Arch({ top: 'pmd', prefix: 0x100000 }, tables);
    const out = new ScanBuffer();
    const table = arch.rootTable(s390Root(decodeAsce(0x4003n)))!;
    if (table.level !== 'pmd') throw new Error('a segment table');
    arch.ops.pmd.scan(table.table, 0, 2, scanFilter(true), out);
    expect([out.kind[0], out.pa[0], out.kind[1], out.pa[1]]).toEqual([EntryKind.Leaf, 0, EntryKind.Table, 0x800]);
  });
});

/** A segment-table entry that points to the page table at 0x800, put into the memory as a table of its own. */
function pmdEntry(tables: TableMemory) {
  if (tables.find('pmd', 0x8000) < 0) {
    const base = tables.allocate('pmd', 0x8000, 2048);
    tables.elements.fill(0x20n, base, base + 2048);
    tables.elements[base] = entryVal('pmd', 0x800n);
  }
  const arch = s390Arch({ top: 'pmd' }, tables);
  return arch.ops.pud.offset(arch.ops.p4d.offset(arch.ops.pgd.offset(arch.pgdOffset(s390Root(decodeAsce(0x8003n)), 0n)!, 0n)!, 0n)!, 0n)!;
}
