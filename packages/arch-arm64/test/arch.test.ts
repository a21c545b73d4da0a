import {
  hwPteAdvance, hwPteNext, LEVELS, p4dOffset, pgdOffset, pgdpGet, pgdpGetOnce, pmdOffset, pmdpGet, pteOffset, ptepGet, ptepGetOnce, pudOffset, pudpGet,
  TableMemory, type Level,
} from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arm64Arch, arm64Geometry, arm64Root, resolveConfig } from '../src/index.js';
import { CONFIGS, nameOf } from './help.js';

/** Puts tables for one address: table entries down to a pte with a page. Returns the entries by level. */
function build(tables: TableMemory, config: (typeof CONFIGS)[number], address: bigint, page: bigint): Map<Level, bigint> {
  const geometry = arm64Geometry(resolveConfig(config));
  const existing = [...geometry.levels].reverse().filter(({ folded }) => !folded);
  const values = new Map<Level, bigint>();
  existing.forEach(({ level, shift, entries }, depth) => {
    const base = tables.allocate(level, 0x1000_0000 + depth * 0x10_0000, entries);
    const index = Number((BigInt.asUintN(64, address) >> BigInt(shift)) & BigInt(entries - 1));
    const value = level === 'pte' ? page | 0xc03n : BigInt(0x1000_0000 + (depth + 1) * 0x10_0000) | 3n;
    tables.elements[base + index] = value;
    values.set(level, value);
  });
  return values;
}

describe.each(CONFIGS.map((config) => [nameOf(config), config] as const))('%s', (_, config) => {
  it('goes from the pgd to the pte through folded levels', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << BigInt(config.vaBits)) - 1n }), fc.integer({ min: 1, max: 60000 }), (low, frame) => {
        const address = config.half === 'ttbr1' ? BigInt.asUintN(64, low - (1n << BigInt(config.vaBits))) : low;
        const tables = new TableMemory();
        const page = BigInt(frame) * BigInt(config.granule);
        const values = build(tables, config, address, page);
        const arch = arm64Arch(config, tables);
        const root = arm64Root(config, 0x1000_0000);
        const pgd = pgdOffset(arch, root, address)!;
        const p4d = p4dOffset(arch, pgd, address)!;
        const pud = pudOffset(arch, p4d, address)!;
        const pmd = pmdOffset(arch, pud, address)!;
        const pte = pteOffset(arch, pmd, address)!;
        expect(pgdpGet(arch, pgd)).toBe(values.get('pgd'));
        expect(pgdpGetOnce(arch, pgd)).toBe(values.get('pgd'));
        expect(pudpGet(arch, pud)).toBe(values.get('pud') ?? values.get('pgd'));
        expect(pmdpGet(arch, pmd)).toBe(values.get('pmd') ?? values.get('pgd'));
        expect(ptepGet(arch, pte)).toBe(values.get('pte'));
        expect(ptepGetOnce(arch, pte)).toBe(page | 0xc03n);
        expect(hwPteAdvance(arch, hwPteNext(arch, pte), -1)).toBe(pte);
      }),
      { numRuns: 20 },
    );
  });

  it('has no entry outside of its window', () => {
    const tables = new TableMemory();
    build(tables, config, 0n, 0n);
    const arch = arm64Arch(config, tables);
    const root = arm64Root(config, 0x1000_0000);
    expect(pgdOffset(arch, root, config.half === 'ttbr0' ? 1n << BigInt(config.vaBits) : (1n << 64n) - (1n << BigInt(config.vaBits)) - 1n)).toBeUndefined();
    expect(pgdOffset(arch, arm64Root(config, 0x2000_0000), config.half === 'ttbr0' ? 0n : (1n << 64n) - 1n)).toBeUndefined();
  });
});

describe('arm64Arch', () => {
  it('looks up tagged addresses as the hardware does', () => {
    const config = { half: 'ttbr1', granule: 4096, vaBits: 48 } as const;
    const tables = new TableMemory();
    build(tables, config, 0xffff_8000_0000_0000n, 0n);
    const root = arm64Root(config, 0x1000_0000);
    const arch = arm64Arch(config, tables);
    expect(arch.untagAddress?.(0xf3ff_8000_0000_0000n)).toBe(0xffff_8000_0000_0000n);
    expect(pgdOffset(arch, root, 0xf3ff_8000_0000_0000n)).toBe(pgdOffset(arch, root, 0xffff_8000_0000_0000n));
    const exact = arm64Arch({ ...config, topByteIgnore: false }, tables);
    expect(pgdOffset(exact, root, 0xf3ff_8000_0000_0000n)).toBeUndefined();
  });

  it('says what it is', () => {
    const arch = arm64Arch({ half: 'ttbr0', granule: 16384, vaBits: 52 }, new TableMemory());
    expect([arch.name, arch.variant, arch.littleEndian]).toEqual(['arm64', '16K granule, 52-bit, LPA2', true]);
    expect(LEVELS.map((level) => arch.ops[level].level)).toEqual([...LEVELS]);
    expect(arch.ops.pmd.childRange(0, 0)).toBe(2048 << 16);
    expect(arch.ops.pte.childRange(0, 0)).toBe(0);
  });
});
