import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  geometryOf, hwPteAdvance, hwPteNext, p4dOffset, p4dpGet, pgdOffset, pgdpGet, pgdpGetOnce, pmdOffset, pmdpGet, pteOffset, ptepGet, ptepGetOnce, pudOffset, pudpGet,
  type Arch, type Root,
} from '@pgtable/core';
import { x86Arch, x86Geometry, x86Root, type PagingMode, type X86Handles } from '../src/index.js';
import { tablesWith } from './fake.js';

/** Goes down the five kernel levels and gives each entry's value, as far as there are entries. */
function descend(arch: Arch<X86Handles>, root: Root, address: bigint): bigint[] {
  // Handles are compared with undefined: the first entry of table memory is falsy.
  const values: bigint[] = [];
  const pgdp = pgdOffset(arch, root, address);
  if (pgdp === undefined) return values;
  values.push(pgdpGet(arch, pgdp));
  const p4dp = p4dOffset(arch, pgdp, address);
  if (p4dp === undefined) return values;
  values.push(p4dpGet(arch, p4dp));
  const pudp = pudOffset(arch, p4dp, address);
  if (pudp === undefined) return values;
  values.push(pudpGet(arch, pudp));
  const pmdp = pmdOffset(arch, pudp, address);
  if (pmdp === undefined) return values;
  values.push(pmdpGet(arch, pmdp));
  const ptep = pteOffset(arch, pmdp, address);
  if (ptep !== undefined) values.push(ptepGet(arch, ptep));
  return values;
}

describe('handles', () => {
  it('go down four levels, the p4d being the pgd', () => {
    const tables = tablesWith(8, [
      { level: 'pgd', address: 0x1000, entries: 512, values: { 256: 0x2067n } },
      { level: 'pud', address: 0x2000, entries: 512, values: { 1: 0x3067n, 2: 0x800001e3n } },
      { level: 'pmd', address: 0x3000, entries: 512, values: { 3: 0x4067n } },
      { level: 'pte', address: 0x4000, entries: 512, values: { 4: 0x5067n, 5: 0x6067n, 6: 0x7067n } },
    ]);
    const arch = x86Arch({ mode: '4-level' }, tables);
    const root = x86Root('4-level', 0x1000);
    const address = 0xffff800040604000n;
    expect(descend(arch, root, address)).toEqual([0x2067n, 0x2067n, 0x3067n, 0x4067n, 0x5067n]);
    // A 1 GiB page is where the walk ends; what is not canonical has no entry at all.
    expect(descend(arch, root, 0xffff800080000000n)).toEqual([0x2067n, 0x2067n, 0x800001e3n]);
    expect(pgdOffset(arch, root, 0x0000800000000000n)).toBeUndefined();
    expect(descend(arch, root, 0x1000n)).toEqual([0n, 0n]);

    const ptep = pteOffset(arch, pmdOffset(arch, pudOffset(arch, p4dOffset(arch, pgdOffset(arch, root, address)!, address)!, address)!, address)!, address)!;
    expect(ptepGetOnce(arch, ptep)).toBe(0x5067n);
    expect(ptepGet(arch, hwPteNext(arch, ptep))).toBe(0x6067n);
    expect(ptepGet(arch, hwPteAdvance(arch, ptep, 2))).toBe(0x7067n);
    expect(arch.rootTable(root)).toBeDefined();
    expect(arch.rootTable(x86Root('4-level', 0x9000))).toBeUndefined();
  });

  it('go down five levels', () => {
    const tables = tablesWith(8, [
      { level: 'pgd', address: 0x1000, entries: 512, values: { 1: 0x2067n } },
      { level: 'p4d', address: 0x2000, entries: 512, values: { 2: 0x3067n } },
      { level: 'pud', address: 0x3000, entries: 512, values: { 3: 0x4067n } },
      { level: 'pmd', address: 0x4000, entries: 512, values: { 4: 0x5067n } },
      { level: 'pte', address: 0x5000, entries: 512, values: { 5: 0x6067n } },
    ]);
    const arch = x86Arch({ mode: '5-level' }, tables);
    const address = (1n << 48n) | (2n << 39n) | (3n << 30n) | (4n << 21n) | (5n << 12n);
    expect(descend(arch, x86Root('5-level', 0x1000), address)).toEqual([0x2067n, 0x3067n, 0x4067n, 0x5067n, 0x6067n]);
  });

  it('go down the three levels of PAE, from a root of four entries', () => {
    const tables = tablesWith(8, [
      { level: 'pgd', address: 0x1360, entries: 4, values: { 3: 0x2001n } },
      { level: 'pmd', address: 0x2000, entries: 512, values: { 0: 0x3067n } },
      { level: 'pte', address: 0x3000, entries: 512, values: { 7: 0x80000000_00005063n } },
    ]);
    const arch = x86Arch({ mode: 'PAE' }, tables);
    expect(descend(arch, x86Root('PAE', 0x1360), 0xc0007000n)).toEqual([0x2001n, 0x2001n, 0x2001n, 0x3067n, 0x80000000_00005063n]);
  });

  it('go down two levels of 32-bit entries', () => {
    const tables = tablesWith(4, [
      { level: 'pgd', address: 0x1000, entries: 1024, values: { 768: 0x2067n, 769: 0x004000e3n } },
      { level: 'pte', address: 0x2000, entries: 1024, values: { 1: 0xfffff063n } },
    ]);
    const arch = x86Arch({ mode: '2-level' }, tables);
    const root = x86Root('2-level', 0x1000);
    expect(descend(arch, root, 0xc0001000n)).toEqual([0x2067n, 0x2067n, 0x2067n, 0x2067n, 0xfffff063n]);
    expect(descend(arch, root, 0xc0401000n)).toEqual([0x4000e3n, 0x4000e3n, 0x4000e3n, 0x4000e3n]);
    expect(pgdpGetOnce(arch, pgdOffset(arch, root, 0xc0001000n)!)).toBe(0x2067n);
  });

  it('are opaque and of one level', () => {
    const tables = tablesWith(8, [{ level: 'pgd', address: 0, entries: 512, values: {} }]);
    const arch = x86Arch({ mode: '4-level' }, tables);
    const pgdp = pgdOffset(arch, x86Root('4-level', 0), 0n)!;
    // @ts-expect-error A pgd handle is no pte handle.
    expect(ptepGet(arch, pgdp)).toBe(0n);
    // @ts-expect-error A handle is no index.
    const index: number = pgdp;
    expect(index).toBe(tables.find('pgd', 0));
  });

  it('find the root entry that a bigint computation finds', () => {
    const modes: readonly PagingMode[] = ['5-level', '4-level', 'PAE', '2-level'];
    fc.assert(
      fc.property(fc.constantFrom(...modes), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (mode, random) => {
        const { shift, entries } = geometryOf(x86Geometry(mode), 'pgd');
        const narrow = mode === 'PAE' || mode === '2-level';
        const address = narrow ? random & 0xffffffffn : random;
        const entryBytes = mode === '2-level' ? 4 : 8;
        const arch = x86Arch({ mode }, tablesWith(entryBytes, [{ level: 'pgd', address: 0x1000, entries, values: Object.fromEntries(Array.from({ length: entries }, (_, at) => [at, BigInt(at * 4096)])) }]));
        const top = BigInt.asIntN(64, address) >> BigInt(shift + Math.log2(entries) - 1);
        const canonical = narrow || top === 0n || top === -1n;
        const pgdp = pgdOffset(arch, x86Root(mode, 0x1000), address);
        if (!canonical) expect(pgdp).toBeUndefined();
        else expect(pgdpGet(arch, pgdp!)).toBe(((address >> BigInt(shift)) & BigInt(entries - 1)) * 4096n);
      }),
      { numRuns: 200 },
    );
  });
});
