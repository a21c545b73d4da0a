import { EntryKind, LEVELS, levelNumber, ScanBuffer, scanFilter, TableMemory, type HandleFamily, type Level, type WritableOps } from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arm64Arch, arm64Formats, arm64Geometry, blocksAllowed, manualLevel, resolveConfig, type Arm64Config } from '../src/index.js';
import { CONFIGS, nameOf, tableOf } from './help.js';

interface Found {
  kind: EntryKind;
  pa: bigint;
}

/** The manual's words, one entry at a time: DDI 0487 D8.3.1 and the pseudocode of AArch64.S1Walk. */
function slow(config: Arm64Config, level: number, value: bigint): Found {
  const { granule, paBits, lpa2, pageShift } = resolveConfig(config);
  const bits = (high: number, low: number): bigint => (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
  if (value === 0n) return { kind: EntryKind.None, pa: 0n };
  if (bits(0, 0) === 0n) return { kind: EntryKind.NonPresent, pa: 0n };
  const bit1 = bits(1, 1) === 1n;
  const table = bit1 && level < 3;
  if (!bit1 && level === 3) return { kind: EntryKind.Bad, pa: 0n };
  if (!table && !bit1) {
    const allowed = { 4096: lpa2 ? [0, 1, 2] : [1, 2], 16384: lpa2 ? [1, 2] : [2], 65536: paBits === 52 ? [1, 2] : [2] }[granule];
    if (!allowed.includes(level)) return { kind: EntryKind.Bad, pa: 0n };
  }
  const low = table ? pageShift : pageShift + (3 - level) * (pageShift - 3);
  let pa: bigint;
  if (granule === 65536) pa = low > 47 ? 0n : bits(47, low) << BigInt(low);
  else if (lpa2) pa = bits(49, low) << BigInt(low);
  else pa = bits(47, low) << BigInt(low);
  if (granule === 65536 && paBits === 52) pa |= bits(15, 12) << 48n;
  if (lpa2) pa |= bits(9, 8) << 50n;
  // The Address size fault looks at the field, before a block drops its low bits; those are below the limit anyhow.
  if (pa >> BigInt(paBits) !== 0n) return { kind: EntryKind.Bad, pa: 0n };
  return { kind: table ? EntryKind.Table : EntryKind.Leaf, pa };
}

/** Random words, with the bits that decide in all combinations. */
const word = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc.tuple(fc.bigInt({ min: 0n, max: (1n << 36n) - 1n }), fc.integer({ min: 0, max: 4095 }), fc.integer({ min: 0, max: 4095 })).map(([frame, low, high]) => (BigInt(high) << 52n) | (frame << 12n) | BigInt(low)),
  fc.constantFrom(0n, 1n, 2n, 3n),
);

describe.each(CONFIGS.map((config) => [nameOf(config), config] as const))('%s', (_, config) => {
  const resolved = resolveConfig(config);
  const geometry = arm64Geometry(resolved);
  const existing = geometry.levels.filter(({ folded }) => !folded);

  it('classifies every word as the manual does, one kind each', () => {
    fc.assert(
      fc.property(fc.constantFrom(...existing), fc.array(word, { minLength: 1, maxLength: 40 }), fc.boolean(), ({ level, shift }, values, contiguous) => {
        const tables = tableOf(level, 0x1000, values);
        const arch = arm64Arch(config, tables);
        const out = new ScanBuffer(64);
        const first = arch.rootTable({ table: 0x1000, top: level, first: 0, end: values.length, windows: [], inherited: 0 })!;
        const ops: WritableOps<HandleFamily, Level> = arch.ops[level];
        expect(ops.scan(first.table, 0, values.length, scanFilter(contiguous), out)).toBe(values.length);
        const manual = manualLevel(resolved.pageShift, shift);
        let next = 0;
        for (let row = 0; row < out.count; row++) {
          expect(out.index[row]).toBe(next);
          for (let i = 0; i < out.length[row]!; i++) {
            const want = slow(config, manual, values[next + i]!);
            expect(out.kind[row]).toBe(want.kind);
            if (contiguous && want.kind === EntryKind.Leaf) expect(BigInt(out.pa[row]! + i * 2 ** shift)).toBe(want.pa);
            if (want.kind === EntryKind.Table) expect(BigInt(out.pa[row]!)).toBe(want.pa);
          }
          next += out.length[row]!;
        }
        expect(next).toBe(values.length);
      }),
      { numRuns: 150 },
    );
  });

  it('finds contiguous runs whole, and each of their addresses', () => {
    const { shift, level } = existing.find((one) => !one.folded && manualLevel(resolved.pageShift, one.shift) === 2) ?? existing[0]!;
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** (Math.min(resolved.paBits, 48) - shift) - 64 }), (frame) => {
        const values = Array.from({ length: 40 }, (_, i) => (BigInt(frame + i) << BigInt(shift)) | 0x701n);
        // 9:8 are address bits with LPA2.
        const arch = arm64Arch(config, tableOf(level, 0, resolved.lpa2 ? values.map((value) => value & ~0x300n) : values));
        const out = new ScanBuffer(64);
        const ops: WritableOps<HandleFamily, Level> = arch.ops[level];
        ops.scan(arch.rootTable({ table: 0, top: level, first: 0, end: 40, windows: [], inherited: 0 })!.table, 0, 40, scanFilter(true), out);
        for (let row = 0; row < out.count; row++) expect(out.pa[row]).toBe((frame + out.index[row]!) * 2 ** shift);
      }),
      { numRuns: 50 },
    );
  });
});

describe('the formats', () => {
  it('give a folded level the format of the pgd', () => {
    for (const config of CONFIGS) {
      const resolved = resolveConfig(config);
      const geometry = arm64Geometry(resolved);
      const formats = arm64Formats(resolved, geometry);
      for (const level of LEVELS) if (geometry.levels[levelNumber(level)].folded) expect(formats[levelNumber(level)]).toBe(formats[4]);
    }
  });

  it('know where blocks may stand', () => {
    const levels = (config: Arm64Config): number[] => [-1, 0, 1, 2].filter((level) => blocksAllowed(resolveConfig(config), level));
    expect(levels({ half: 'ttbr0', granule: 4096, vaBits: 48 })).toEqual([1, 2]);
    expect(levels({ half: 'ttbr0', granule: 4096, vaBits: 52 })).toEqual([0, 1, 2]);
    expect(levels({ half: 'ttbr0', granule: 16384, vaBits: 48 })).toEqual([2]);
    expect(levels({ half: 'ttbr0', granule: 16384, vaBits: 52 })).toEqual([1, 2]);
    expect(levels({ half: 'ttbr0', granule: 65536, vaBits: 48, paBits: 48 })).toEqual([2]);
    expect(levels({ half: 'ttbr0', granule: 65536, vaBits: 48 })).toEqual([1, 2]);
  });

  // Golden vectors by the manual's figures.
  it.each([
    ['4K page, 48-bit', { half: 'ttbr0', granule: 4096, vaBits: 48 }, 'pte', 0x0060_1234_5678_9f43n, EntryKind.Leaf, 0x1234_5678_9000],
    ['4K block of 2 MiB: bits 20:12 are none of the address', { half: 'ttbr0', granule: 4096, vaBits: 48 }, 'pmd', 0x0060_1234_5661_0f41n, EntryKind.Leaf, 0x1234_5660_0000],
    ['64K page, LPA: bits 15:12 are PA 51:48', { half: 'ttbr0', granule: 65536, vaBits: 52 }, 'pte', 0x0060_1234_5678_af43n, EntryKind.Leaf, 0xa_1234_5678_0000],
    ['64K table, LPA', { half: 'ttbr0', granule: 65536, vaBits: 52 }, 'pgd', 0x1234_5678_f003n, EntryKind.Table, 0xf_1234_5678_0000],
    ['4K page, LPA2: bits 9:8 are PA 51:50, 49:48 in place', { half: 'ttbr0', granule: 4096, vaBits: 52 }, 'pte', 0x0063_1234_5678_9e43n, EntryKind.Leaf, 0xb_1234_5678_9000],
    ['16K table, LPA2', { half: 'ttbr0', granule: 16384, vaBits: 52 }, 'pgd', 0x0001_1234_5678_f103n, EntryKind.Table, 0x5_1234_5678_c000],
    ['4K block of 512 GiB, LPA2', { half: 'ttbr0', granule: 4096, vaBits: 52 }, 'p4d', 0x0060_0080_0000_0c41n, EntryKind.Leaf, 0x80_0000_0000],
    ['4K block of 512 GiB without LPA2', { half: 'ttbr0', granule: 4096, vaBits: 48 }, 'pgd', 0x0060_0080_0000_0f41n, EntryKind.Bad, 0],
    ['a level 3 block', { half: 'ttbr0', granule: 4096, vaBits: 48 }, 'pte', 0x0060_0080_0000_0f41n, EntryKind.Bad, 0],
    ['beyond 40 bits', { half: 'ttbr0', granule: 4096, vaBits: 48, paBits: 40 }, 'pte', 0x0060_0180_0000_0f43n, EntryKind.Bad, 0],
    ['RES0 bits 49:48 without LPA2', { half: 'ttbr0', granule: 4096, vaBits: 48 }, 'pte', 0x0063_0000_4000_0f43n, EntryKind.Leaf, 0x4000_0000],
  ] as const)('%s', (_, config, level, value, kind, pa) => {
    const arch = arm64Arch(config, tableOf(level, 0, [value]));
    const out = new ScanBuffer(1);
    const ops: WritableOps<HandleFamily, Level> = arch.ops[level];
    ops.scan(arch.rootTable({ table: 0, top: level, first: 0, end: 1, windows: [], inherited: 0 })!.table, 0, 1, scanFilter(true), out);
    expect([out.kind[0], out.pa[0]]).toEqual([kind, pa]);
  });

  it('take any table memory of 8-byte entries', () => {
    expect(arm64Arch(CONFIGS[0]!, new TableMemory({ shared: true })).tables?.shared).toBe(true);
  });
});
