import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EntryKind, levelNumber, LEVELS, ScanBuffer, scanFilter, TableMemory, type HandleFamily, type Level, type WritableOps } from '@pgtable/core';
import { handleAt } from '@pgtable/core/arch';
import { riscvArch, riscvGeometry, riscvRoot, type RiscvConfig, type RiscvHandles, type RiscvMode } from '../src/index.js';
import { MODES, pte, put } from './support.js';

const { None, NonPresent, Table, Leaf, Bad } = EntryKind;
type Decoded = [kind: number, pa: bigint];

/**
 * An entry, word by word from the manual (Privileged Architecture 20240411, "Virtual Address Translation Process", and the
 * chapters of Svnapot and Svpbmt), as far as it depends on the entry alone.
 */
function classify({ mode, svnapot = true, svpbmt = true }: RiscvConfig, level: Level, index: number, entry: bigint): Decoded {
  const bit = (n: bigint): boolean => ((entry >> n) & 1n) === 1n;
  const [v, r, w, x, u, , a, d] = [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].map(bit) as [boolean, boolean, boolean, boolean, boolean, boolean, boolean, boolean];
  const wide = mode !== 'Sv32';
  if (entry === 0n) return [None, 0n];
  if (!v) return [NonPresent, 0n];
  if (!r && w) return [Bad, 0n];
  const n = wide && bit(63n);
  const pbmt = wide ? (entry >> 61n) & 3n : 0n;
  if (wide && ((entry >> 54n) & 0x7fn) !== 0n) return [Bad, 0n];
  if (n && !svnapot) return [Bad, 0n];
  if (pbmt !== 0n && !svpbmt) return [Bad, 0n];
  const ppn = wide ? (entry >> 10n) & ((1n << 44n) - 1n) : entry >> 10n;
  const { shift } = riscvGeometry(mode).levels[levelNumber(level)];
  const i = shift === 12 ? 0 : 1;
  if (!r && !x) {
    if (i === 0 || d || a || u || n || pbmt !== 0n) return [Bad, 0n];
    return [Table, ppn * 4096n];
  }
  if (pbmt === 3n) return [Bad, 0n];
  const span = 1n << BigInt(shift - 12);
  if (ppn % span !== 0n) return [Bad, 0n];
  if (!n) return [Leaf, ppn * 4096n];
  if (i > 0 || (ppn & 15n) !== 8n) return [Bad, 0n];
  return [Leaf, ((ppn & ~15n) | (BigInt(index) & 15n)) * 4096n];
}

/** Entries of all kinds, with every bit and its neighbours drawn now and then. */
function arbitraryEntry(mode: RiscvMode): fc.Arbitrary<bigint> {
  const wide = mode !== 'Sv32';
  const flags = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(0xcfn, 0xc7n, 0x01n, 0x21n, 0xdbn, 0xe7n, 0x05n, 0x0dn, 0x41n, 0x00n) }, { weight: 2, arbitrary: fc.bigInt(0n, 1023n) });
  const ppn = fc
    .tuple(fc.bigInt(0n, (1n << (wide ? 44n : 22n)) - 1n), fc.constantFrom(0n, 0n, 4n, 9n, 10n, 18n, 27n, 36n), fc.constantFrom(0n, 0n, 8n))
    .map(([bits, zeros, low]) => BigInt.asUintN(wide ? 44 : 22, (bits >> zeros) << zeros) | low);
  const high = wide ? fc.oneof({ weight: 3, arbitrary: fc.constantFrom(0n, 0n, 0n, 1n << 63n, 1n << 61n, 2n << 61n, 3n << 61n) }, { weight: 1, arbitrary: fc.bigInt(0n, 1023n).map((bits) => bits << 54n) }) : fc.constant(0n);
  return fc.oneof({ weight: 1, arbitrary: fc.constant(0n) }, { weight: 8, arbitrary: fc.tuple(flags, ppn, high).map(([f, p, h]) => f | (p << 10n) | h) });
}

const CONFIGS: readonly RiscvConfig[] = [...MODES.map((mode) => ({ mode })), { mode: 'Sv48', svnapot: false }, { mode: 'Sv39', svpbmt: false }];

describe('classification', () => {
  for (const config of CONFIGS) {
    const { mode } = config;
    it(`of tables of random entries agrees with the manual: ${JSON.stringify(config)}`, () => {
      const geometry = riscvGeometry(mode);
      const entries = geometry.levels[0].entries;
      const tables = new TableMemory({ entryBytes: mode === 'Sv32' ? 4 : 8 });
      const arch = riscvArch(config, tables);
      for (const level of LEVELS) tables.allocate(level, 0, entries);
      const out = new ScanBuffer(64);
      fc.assert(
        fc.property(
          fc.constantFrom(...LEVELS),
          // Repeated entries and entries that go on by one page make runs.
          fc.array(fc.tuple(arbitraryEntry(mode), fc.integer({ min: 1, max: 20 }), fc.constantFrom(0n, 1n)), { minLength: 1, maxLength: 12 }),
          fc.integer({ min: 0, max: 30 }),
          fc.boolean(),
          fc.constantFrom(-1, 0),
          (level, groups, first, contiguous, mask) => {
            const { shift } = geometry.levels[levelNumber(level)];
            const list = groups.flatMap(([entry, times, step]) =>
              Array.from({ length: times }, (_, i) => BigInt.asUintN(geometry.entryBytes * 8, entry + step * BigInt(i) * (1n << BigInt(shift - 2)))));
            const end = first + list.length;
            list.forEach((entry, i) => { put(tables, level, 0, first + i, entry); });
            const base = handleAt<RiscvHandles, Level>(level, tables.find(level, 0));
            const ops: WritableOps<HandleFamily, Level> = arch.ops[level];
            const kinds: Decoded[] = [];
            for (let next = first; next < end; ) {
              out.count = 0;
              const filter = scanFilter(contiguous, mask, mask);
              next = ops.scan(base, next, end, filter, out);
              for (let row = 0; row < out.count; row++) {
                expect(out.index[row]).toBe(first + kinds.length);
                for (let i = 0; i < out.length[row]!; i++) {
                  const kind = out.kind[row]!;
                  const step = kind === Leaf ? 2 ** shift * i : 0;
                  kinds.push([kind, BigInt(out.pa[row]!) + BigInt(step)]);
                }
              }
            }
            const expected = list.map((entry, i) => classify(config, level, first + i, entry));
            if (contiguous) {
              expect(kinds).toEqual(expected);
            } else {
              // Within a run the addresses are not promised.
              expect(kinds.map(([kind]) => kind)).toEqual(expected.map(([kind]) => kind));
            }
          },
        ),
        { numRuns: 300 },
      );
    });
  }

  const scanOne = (config: RiscvConfig, level: Level, entry: bigint, index = 0): Decoded => {
    const tables = new TableMemory({ entryBytes: config.mode === 'Sv32' ? 4 : 8 });
    const base = tables.allocate(level, 0, 1024);
    put(tables, level, 0, index, entry);
    const out = new ScanBuffer(1);
    const ops: WritableOps<HandleFamily, Level> = riscvArch(config, tables).ops[level];
    ops.scan(handleAt<RiscvHandles, Level>(level, base), index, index + 1, scanFilter(true), out);
    return [out.kind[0]!, BigInt(out.pa[0]!)];
  };

  // Written out by hand from the figures of the manual.
  it.each<[string, RiscvConfig, Level, bigint, number, Decoded]>([
    ['a table', { mode: 'Sv57' }, 'pgd', 0x0000_0000_2000_0001n, 0, [Table, 0x8000_0000n]],
    ['a global table', { mode: 'Sv57' }, 'pgd', 0x0000_0000_2000_0021n, 0, [Table, 0x8000_0000n]],
    ['a page', { mode: 'Sv39' }, 'pte', 0x0000_0000_2088_c4e7n, 0, [Leaf, 0x8223_1000n]],
    ['the highest page', { mode: 'Sv48' }, 'pte', 0x003f_ffff_ffff_fcefn, 0, [Leaf, 2n ** 56n - 4096n]],
    ['a megapage', { mode: 'Sv39' }, 'pmd', 0x0000_0000_2008_00e7n, 0, [Leaf, 0x8020_0000n]],
    ['a misaligned megapage', { mode: 'Sv39' }, 'pmd', 0x0000_0000_2008_04e7n, 0, [Bad, 0n]],
    ['a gigapage in the root', { mode: 'Sv39' }, 'pgd', 0x0000_0000_2000_00efn, 0, [Leaf, 0x8000_0000n]],
    ['a terapage', { mode: 'Sv57' }, 'p4d', 0x0000_0060_0000_00efn, 0, [Leaf, 0x180_0000_0000n]],
    ['an aligned petapage', { mode: 'Sv57' }, 'pgd', 0x0004_0000_0000_00efn, 0, [Leaf, 0x10_0000_0000_0000n]],
    ['a misaligned petapage', { mode: 'Sv57' }, 'pgd', 0x0004_2000_0000_00efn, 0, [Bad, 0n]],
    ['write without read', { mode: 'Sv39' }, 'pte', 0xc5n, 0, [Bad, 0n]],
    ['write and execute without read', { mode: 'Sv39' }, 'pte', 0xcdn, 0, [Bad, 0n]],
    ['execute only', { mode: 'Sv39' }, 'pte', 0x2000_00d9n, 0, [Leaf, 0x8000_0000n]],
    ['a table at the last level', { mode: 'Sv39' }, 'pte', 0x2000_0001n, 0, [Bad, 0n]],
    ['a table with A', { mode: 'Sv39' }, 'pmd', 0x2000_0041n, 0, [Bad, 0n]],
    ['a table with N', { mode: 'Sv39' }, 'pmd', 0x8000_0000_2000_0001n, 0, [Bad, 0n]],
    ['bit 54', { mode: 'Sv39' }, 'pte', 0x0040_0000_2000_00e7n, 0, [Bad, 0n]],
    ['bit 60', { mode: 'Sv39' }, 'pte', 0x1000_0000_2000_00e7n, 0, [Bad, 0n]],
    ['IO', { mode: 'Sv39' }, 'pte', 0x4000_0000_0400_00e7n, 0, [Leaf, 0x1000_0000n]],
    ['memory type 3', { mode: 'Sv39' }, 'pte', 0x6000_0000_0400_00e7n, 0, [Bad, 0n]],
    ['a 64 KiB group, first entry', { mode: 'Sv39' }, 'pte', 0x8000_0000_2000_20e7n, 0, [Leaf, 0x8000_0000n]],
    ['a 64 KiB group, last entry', { mode: 'Sv39' }, 'pte', 0x8000_0000_2000_20e7n, 31, [Leaf, 0x8000_f000n]],
    ['a group of another size', { mode: 'Sv39' }, 'pte', 0x8000_0000_2000_10e7n, 0, [Bad, 0n]],
    ['a 34-bit page', { mode: 'Sv32' }, 'pte', 0xffff_fcefn, 0, [Leaf, 2n ** 34n - 4096n]],
    ['a 34-bit megapage', { mode: 'Sv32' }, 'pgd', 0xfff0_00efn, 0, [Leaf, 0x3_ffc0_0000n]],
    ['a misaligned megapage', { mode: 'Sv32' }, 'pgd', 0xfff0_04efn, 0, [Bad, 0n]],
  ])('%s', (_what, config, level, entry, index, expected) => {
    expect(scanOne(config, level, entry, index)).toEqual(expected);
    expect(classify(config, level, index, entry)).toEqual(expected);
  });

  it.each([
    ['within a page', 'Sv39', 0x1010],
    ['below 0', 'Sv39', -4096],
    ['beyond 56 bits', 'Sv48', 2 ** 56],
    ['beyond 34 bits', 'Sv32', 2 ** 34],
  ] as const)('no root table is %s', (_what, mode, table) => {
    expect(() => riscvRoot(mode, table)).toThrow(/no address of a root table/);
  });

  it.each(['Sv64', 'sv39', '', 'constructor'])('there is no mode %j', (mode) => {
    const unknown = mode as RiscvMode;
    expect(() => riscvGeometry(unknown)).toThrow(/no translation scheme/);
    expect(() => riscvRoot(unknown, 0)).toThrow(/no translation scheme/);
    expect(() => riscvArch({ mode: unknown }, new TableMemory())).toThrow(/no translation scheme/);
  });

  it('reports a Svnapot group as one run, and cuts it where it ends', () => {
    const tables = new TableMemory();
    const base = tables.allocate('pte', 0, 512);
    for (let i = 16; i < 48; i++) put(tables, 'pte', 0, i, pte('VRWUAD', i < 32 ? 0x8000_8000n : 0x8001_8000n, 1n << 63n));
    const out = new ScanBuffer(8);
    riscvArch({ mode: 'Sv39' }, tables).ops.pte.scan(handleAt<RiscvHandles, 'pte'>('pte', base), 20, 48, scanFilter(true), out);
    expect([...out.index.slice(0, out.count)]).toEqual([20, 32]);
    expect([...out.length.slice(0, out.count)]).toEqual([12, 16]);
    expect([...out.pa.slice(0, out.count)]).toEqual([0x8000_4000, 0x8001_0000]);
  });
});
