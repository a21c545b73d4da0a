import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  entryFormat, entryIndex, freeTableIn, handleAt, HIGH_WORD, hwPteAdvance, hwPteNext, indexOf, LEVELS, newTableIn, p4dOffset, p4dOffsetLockless, pgdOffsetIn, pmdOffset, pmdOffsetLockless, pteOffset, pteOffsetLockless, ptepGet, ptepGetOnce, pudOffset, pudOffsetLockless, rootIndex,
  rootTableIn, scanFilter, ScanBuffer, TableMemory, tableOps, type Arch, type AliasHandles, type Level,
  type LevelOps, type LevelTable, type Root, type StrongHandles, type TableHandles,
} from './all.js';
import { madeUp, makeGeometry, makeValues } from './made-up.js';

/** Bit 0 valid, bit 1 table (not in a pte), address from bit 12. */
const format = entryFormat({
  validMask: 1, validValue: 1, tableMask: 2, tableValue: 2, leafPaLo: 0xffff_f000, leafPaHi: 0xffff, tablePaLo: 0xffff_f000, tablePaHi: 0xffff, bytes: 4096,
});
const pteFormat = entryFormat({ validMask: 1, validValue: 1, leafPaLo: 0xffff_f000, leafPaHi: 0xffff, bytes: 4096 });

/** The accessors that are tried here ask an architecture for its ops alone. */
const archOf = <H extends TableHandles>(ops: LevelTable<H>): Arch<H> => ({ ops }) as Pick<Arch<H>, 'ops'> as Arch<H>;

const SHAPES: readonly { readonly name: string; readonly bits: Partial<Record<Level, number>> }[] = [
  { name: 'five levels', bits: { pte: 9, pmd: 9, pud: 9, p4d: 9, pgd: 9 } },
  { name: 'four levels, p4d folded', bits: { pte: 9, pmd: 9, pud: 9, pgd: 9 } },
  { name: 'three levels, pud and p4d folded', bits: { pte: 13, pmd: 13, pgd: 6 } },
  { name: 'three levels, pmd and p4d folded', bits: { pte: 9, pud: 9, pgd: 9 } },
  { name: 'two levels, pmd, pud and p4d folded', bits: { pte: 10, pgd: 10 } },
];

describe.each(SHAPES)('TableLevelOps with $name', ({ bits }) => {
  const geometry = makeGeometry(bits);
  const tables = new TableMemory();
  const ops = tableOps<StrongHandles>({ tables, geometry, formats: LEVELS.map((level) => (level === 'pte' ? pteFormat : format)), values: makeValues(geometry) });
  const real = LEVELS.filter((level) => bits[level] !== undefined).reverse();
  const top = real[0]!;
  const totalBits = 12 + Object.values(bits).reduce((sum, width) => sum + width, 0);
  const root: Root = { table: 0x1000, top, first: 0, end: 2 ** bits[top]!, windows: [{ start: 0, end: 2 ** totalBits, index: 0, half: 'user' }], inherited: 0 };

  // One table a level; every entry of it points to the one table below.
  real.forEach((level, at) => {
    const base = tables.allocate(level, (at + 1) * 0x1000, 2 ** bits[level]!);
    for (let index = 0; index < 2 ** bits[level]!; index++) {
      tables.elements[base + index] = level === 'pte' ? BigInt(index) * 4096n + 1n : BigInt((at + 2) * 0x1000) + 3n;
    }
  });
  const arch = archOf(ops);
  const opsOf = <L extends Level>(level: L): LevelOps<StrongHandles, L> => ops[level];

  it('walks from the root to the entry that the address names, folded levels by the same entry', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** BigInt(totalBits) - 1n), (address) => {
        const pgdp = pgdOffsetIn<StrongHandles>(tables, geometry, root, address)!;
        const p4dp = p4dOffset(arch, pgdp, address)!;
        const pudp = pudOffset(arch, p4dp, address)!;
        const pmdp = pmdOffset(arch, pudp, address)!;
        const ptep = pteOffset(arch, pmdp, address)!;
        // By the values, which is all that they may look at.
        const lockless = {
          p4d: p4dOffsetLockless(arch, pgdp, ops.pgd.get(pgdp), address), pud: pudOffsetLockless(arch, p4dp, ops.p4d.get(p4dp), address),
          pmd: pmdOffsetLockless(arch, pudp, ops.pud.get(pudp), address), pte: pteOffsetLockless(arch, pmdp, ops.pmd.get(pmdp), address),
        };
        expect(lockless).toEqual({ p4d: p4dp, pud: pudp, pmd: pmdp, pte: ptep });
        const index = Number((address >> 12n) & BigInt(2 ** bits.pte! - 1));
        expect(ptepGet(arch, ptep)).toBe(BigInt(index) * 4096n + 1n);
        const path = {
          pgd: indexOf<StrongHandles, 'pgd'>(pgdp), p4d: indexOf<StrongHandles, 'p4d'>(p4dp), pud: indexOf<StrongHandles, 'pud'>(pudp), pmd: indexOf<StrongHandles, 'pmd'>(pmdp),
          pte: indexOf<StrongHandles, 'pte'>(ptep),
        };
        for (const [number, level] of LEVELS.entries()) {
          if (bits[level] === undefined) {
            expect(path[level]).toBe(path[LEVELS[number + 1]!]);
          } else {
            expect(path[level]).toBe(tables.find(level, (real.indexOf(level) + 1) * 0x1000) + entryIndex(geometry, level, address));
          }
        }
        expect(new Set(Object.values(path)).size).toBe(real.length);
      }),
    );
  });

  it('steps from a table to the next level that exists', () => {
    let table = rootTableIn<StrongHandles>(tables, root)!;
    for (const level of real) {
      expect(table.level).toBe(level);
      const of = opsOf(table.level);
      expect(of.level).toBe(level);
      const below = real[real.indexOf(level) + 1];
      const child = of.child(of.advance(table.table, 5));
      if (below === undefined) {
        expect(child).toBeUndefined();
        expect(of.childRange(0, 0)).toBe(0);
      } else {
        expect(of.childRange(0, 0)).toBe(2 ** bits[below]! * 65536);
        expect(child).toEqual({ level: below, table: tables.find(below, (real.indexOf(below) + 1) * 0x1000) });
        table = child!;
      }
    }
  });
});

describe('TableLevelOps', () => {
  const geometry = makeGeometry({ pte: 4, pmd: 4, pgd: 4 });
  const make = (entryBytes: 4 | 8, shared = false) => {
    const tables = new TableMemory({ entryBytes, shared, entries: 32 });
    const ops = tableOps<AliasHandles>({ tables, geometry, formats: [pteFormat, format, format, format, format], values: makeValues(geometry) });
    return { tables, ops, arch: archOf(ops) };
  };

  it.each([[4, false], [4, true], [8, false], [8, true]] as const)('reads entries of %i bytes, plainly and once, shared %s', (entryBytes, shared) => {
    const { tables, arch } = make(entryBytes, shared);
    tables.allocate('pmd', 0, 16);
    const base = tables.allocate('pte', 0, 16);
    fc.assert(
      fc.property(fc.nat(15), fc.bigInt(0n, 2n ** BigInt(entryBytes * 8) - 1n), (index, value) => {
        if (entryBytes === 4) tables.words[base + index] = Number(BigInt.asIntN(32, value));
        else tables.elements[base + index] = value;
        const ptep = handleAt<AliasHandles, 'pte'>('pte', base + index);
        expect(ptepGet(arch, ptep)).toBe(value);
        expect(ptepGetOnce(arch, ptep)).toBe(value);
      }),
    );
  });

  it('advances within a table, forwards and back', () => {
    const { arch } = make(8);
    const ptep = handleAt<AliasHandles, 'pte'>('pte', 100);
    expect(hwPteNext(arch, ptep)).toBe(101);
    expect(hwPteAdvance(arch, ptep, 7)).toBe(107);
    expect(hwPteAdvance(arch, hwPteAdvance(arch, ptep, 7), -7)).toBe(ptep);
  });

  it('finds no table below an entry that is empty, not present, a leaf, or points to a table that is not here', () => {
    const { tables, ops } = make(8);
    const base = tables.allocate('pmd', 0x1000, 16);
    const below = tables.allocate('pte', 0x2000, 16);
    [0n, 0x2002n, 0x2001n, 0x9003n, 0x2003n].forEach((value, index) => {
      tables.elements[base + index] = value;
    });
    const found = [0, 1, 2, 3, 4].map((index) => {
      const pmdp = handleAt<AliasHandles, 'pmd'>('pmd', base + index);
      return [ops.pmd.offset(pmdp, 0x3000n), ops.pmd.child(pmdp)];
    });
    expect(found.slice(0, 4)).toEqual([[undefined, undefined], [undefined, undefined], [undefined, undefined], [undefined, undefined]]);
    expect(found[4]).toEqual([below + 3, { level: 'pte', table: below }]);
  });

  it('has nothing below a pte', () => {
    const { tables, ops } = make(8);
    tables.allocate('pte', 0, 16);
    tables.elements[0] = 3n;
    // Typed as what it may not be, so that its result can be looked at.
    const pte: { offset(entry: AliasHandles['pte'], address: bigint): unknown } = ops.pte;
    expect(pte.offset(handleAt<AliasHandles, 'pte'>('pte', 0), 0n)).toBeUndefined();
    expect(ops.pte.child(handleAt<AliasHandles, 'pte'>('pte', 0))).toBeUndefined();
  });

  it('refuses a table memory of 128-bit entries, and says what is for those', () => {
    const context = { tables: new TableMemory({ entryBytes: 16 }), geometry, formats: [pteFormat, format, format, format, format], values: makeValues(geometry) };
    expect(() => tableOps<AliasHandles>(context)).toThrow(expect.objectContaining({ code: 'EINVAL', hint: expect.stringMatching(/BasicLevelOps/) as string }) as Error);
  });

  it('does not count up what its values call not present, whatever its format says', () => {
    const { arch, mm } = madeUp({ anythingValid: true });
    const table = arch.newTable('pte', 0x1000, true);
    const swap = arch.values.pte.ofSwap(3, 0x77n);
    arch.ops.pte.set(mm, 0n, table.entry(0), swap, 4);
    expect([0, 1, 2, 3].map((index) => table.get(index))).toEqual([swap, swap, swap, swap]);
  });

  it('scans its own level after the memory has moved', () => {
    const { tables, ops } = make(8);
    const base = tables.allocate('pte', 0x2000, 16);
    tables.elements[base + 3] = 0x5001n;
    for (let more = 0; more < 50; more++) tables.allocate('pte', 0x10000 + more * 0x1000, 16);
    const out = new ScanBuffer(8);
    expect(ops.pte.scan(handleAt<AliasHandles, 'pte'>('pte', base), 2, 5, scanFilter(true), out)).toBe(5);
    expect(Array.from(out.index.subarray(0, out.count))).toEqual([2, 3, 4]);
    expect(out.pa[1]).toBe(0x5000);
  });
});

describe('newTableIn and freeTableIn', () => {
  const geometry = makeGeometry({ pte: 4, pmd: 4, pgd: 4 });
  // The made-up values write entries of 64 bits; of the accessors, none is called here but those of handles.
  const { ops } = madeUp().arch;

  it.each([4, 8, 16] as const)('fill a table of %i-byte entries, both ends included, and nothing beside it', (entryBytes) => {
    const empty = (1n << BigInt(entryBytes * 8 - 1)) | 0x1234n;
    const tables = new TableMemory({ entryBytes, entries: 64 });
    const context = { tables, geometry: { ...geometry, entryBytes }, values: makeValues(geometry, empty) };
    tables.words.fill(-1);
    const before = tables.allocate('pte', 0x10000, 16);
    const table = newTableIn<StrongHandles, 'pmd'>(context, ops, 'pmd', 0x20000, true);
    const after = tables.allocate('pte', 0x30000, 16);
    const base = tables.find('pmd', 0x20000);
    expect([before, base, after]).toEqual([16, 32, 48]);

    /** Entry by entry from its words, least significant first; the machine that runs this may have either order. */
    const entry = (index: number): bigint => {
      const words = Array.from(tables.words.subarray((index * entryBytes) / 4, ((index + 1) * entryBytes) / 4), (word) => BigInt(word >>> 0));
      return (HIGH_WORD === 1 ? words.reverse() : words).reduce((value, word) => (value << 32n) | word, 0n);
    };
    const all = Array.from({ length: 48 }, (_, index) => entry(before + index));
    const ones = (1n << BigInt(entryBytes * 8)) - 1n;
    const filled = [...Array<bigint>(16).fill(ones), ...Array<bigint>(16).fill(empty), ...Array<bigint>(16).fill(ones)];
    expect(all).toEqual(filled);

    tables.words.fill(-1);
    freeTableIn<StrongHandles>(context, table);
    expect(Array.from({ length: 48 }, (_, index) => entry(before + index))).toEqual(filled);
    expect(tables.find('pmd', 0x20000)).toBe(-1);
  });
});

describe('roots', () => {
  const geometry = makeGeometry({ pte: 9, pmd: 9, pud: 9, pgd: 9 });
  const root: Root = {
    table: 0x1000, top: 'pgd', first: 0, end: 512, inherited: 0,
    windows: [
      { start: 0, end: 2 ** 47, index: 0, half: 'user' },
      { start: 2 ** 64 - 2 ** 47, end: 2 ** 64, index: 256, half: 'kernel' },
    ],
  };

  it('find the entry of an address in its window', () => {
    expect(rootIndex(geometry, root, 0n)).toBe(0);
    expect(rootIndex(geometry, root, 2n ** 47n - 1n)).toBe(255);
    expect(rootIndex(geometry, root, 2n ** 47n)).toBe(-1);
    expect(rootIndex(geometry, root, 2n ** 64n - 2n ** 47n - 1n)).toBe(-1);
    expect(rootIndex(geometry, root, 2n ** 64n - 2n ** 47n)).toBe(256);
    expect(rootIndex(geometry, root, 2n ** 64n - 1n)).toBe(511);
  });

  it('have no table and no entry until they are loaded', () => {
    const tables = new TableMemory();
    expect(rootTableIn<StrongHandles>(tables, root)).toBeUndefined();
    expect(pgdOffsetIn<StrongHandles>(tables, geometry, root, 0n)).toBeUndefined();
    tables.allocate('pte', 0x1000, 512);
    expect(rootTableIn<StrongHandles>(tables, root)).toBeUndefined();
    const base = tables.allocate('pgd', 0x1000, 512);
    expect(rootTableIn<StrongHandles>(tables, root)).toEqual({ level: 'pgd', table: base });
    expect(pgdOffsetIn<StrongHandles>(tables, geometry, root, 2n ** 64n - 1n)).toBe(base + 511);
    expect(pgdOffsetIn<StrongHandles>(tables, geometry, root, 2n ** 50n)).toBeUndefined();
  });
});
