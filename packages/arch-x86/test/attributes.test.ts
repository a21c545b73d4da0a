import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Access, TableMemory, type AnyArch, type Attributes, type Level } from '@pgtable/core';
import { Forbids, x86Arch, type X86Config } from '../src/index.js';

const arch = (config: X86Config = { mode: '4-level' }): AnyArch => x86Arch(config, new TableMemory({ entryBytes: config.mode === '2-level' ? 4 : 8 }));
const words = (value: bigint): [number, number] => [Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n))];
const described = (level: Level, value: bigint, inherited = 0, config?: X86Config): Attributes => arch(config).describe(level, ...words(value), inherited);

const NX = 1n << 63n;

describe('describe', () => {
  it('names the bits of a user page', () => {
    expect(described('pte', NX | 0x383a867n)).toEqual({
      access: Access.KernelRead | Access.KernelWrite | Access.UserRead | Access.UserWrite,
      accessed: true,
      dirty: true,
      global: false,
      memoryType: 'WB',
      group: 1,
      flags: ['P', 'RW', 'US', 'A', 'D', 'AVL11', 'NX'],
    });
  });

  it('names the bits of large pages and devices', () => {
    expect(described('pmd', NX | 0x6011e3n).flags).toEqual(['P', 'RW', 'A', 'D', 'PS', 'G', 'PAT', 'NX']);
    expect(described('pte', NX | 0xfee0017bn)).toMatchObject({ memoryType: 'UC', global: true, flags: ['P', 'RW', 'PWT', 'PCD', 'A', 'D', 'G', 'NX'] });
    expect(described('pte', (5n << 59n) | (1n << 58n) | 0x1025n).flags).toEqual(['P', 'US', 'A', 'AVL58', 'PKEY=5']);
    expect(described('pte', (1n << 51n) | 0x1063n, 0, { mode: '4-level', encryptionMask: 1n << 51n }).flags).toEqual(['P', 'RW', 'A', 'D', 'C']);
  });

  it('calls a page dirty whose dirty bit Linux saved while it is read-only', () => {
    expect(described('pte', (1n << 58n) | 0x1025n).dirty).toBe(true);
    expect(described('pte', 0x1025n).dirty).toBe(false);
    // Beside R/W the bit says nothing, and before 6.6 it was not used.
    expect(described('pte', (1n << 58n) | 0x1027n).dirty).toBe(false);
    expect(described('pte', (1n << 58n) | 0x1025n, 0, { mode: '4-level', release: '6.5.0' }).dirty).toBe(false);
    expect(described('pte', 0x1425n, 0, { mode: 'PAE' }).dirty).toBe(true);
    expect(described('pte', 0x1425n, 0, { mode: '2-level' }).dirty).toBe(true);
    expect(described('pte', 0x1425n).dirty).toBe(false);
  });

  it('says of a table entry what it says, and no more', () => {
    expect(described('pmd', 0x4067n)).toMatchObject({ accessed: true, dirty: undefined, global: false, memoryType: 'WB', flags: ['P', 'RW', 'US', 'A', 'D'] });
    expect(described('pgd', 0x6e94021n, 0, { mode: 'PAE' })).toMatchObject({ accessed: undefined, dirty: undefined });
    expect(described('pgd', 0x4000e3n, 0, { mode: '2-level', pse: false })).toMatchObject({ dirty: undefined });
  });

  // SDM volume 3A, "Determining the Memory Type Used for Paging": the PAT index is PAT, PCD, PWT; the types are Linux's.
  it.each([
    [0, 'WB'], [1, 'WC'], [2, 'UC-'], [3, 'UC'], [4, 'WB'], [5, 'WP'], [6, 'UC-'], [7, 'WT'],
  ])('finds the memory type of PAT index %i: %s', (index, type) => {
    const low = BigInt(((index & 3) << 3) | 1);
    expect(described('pte', low | (index > 3 ? 1n << 7n : 0n)).memoryType).toBe(type);
    expect(described('pmd', low | (1n << 7n) | (index > 3 ? 1n << 12n : 0n)).memoryType).toBe(type);
    expect(described('pud', low | (1n << 7n) | (index > 3 ? 1n << 12n : 0n)).memoryType).toBe(type);
    if (index < 4) expect(described('pmd', low | (1n << 12n)).memoryType).toBe(type);
  });
});

describe('inherit', () => {
  it('ANDs R/W and U/S and ORs XD over all levels', () => {
    const entry = fc.record({ rw: fc.boolean(), us: fc.boolean(), nx: fc.boolean() });
    const value = ({ rw, us, nx }: { rw: boolean; us: boolean; nx: boolean }): bigint => 1n | (rw ? 2n : 0n) | (us ? 4n : 0n) | (nx ? NX : 0n);
    fc.assert(
      fc.property(fc.array(entry, { minLength: 3, maxLength: 4 }), entry, (above, leaf) => {
        const x86 = arch();
        const inherited = above.reduce((forbidden, table) => x86.inherit(forbidden, 'pmd', ...words(value(table))), 0);
        const all = [...above, leaf];
        const write = all.every(({ rw }) => rw);
        const user = all.every(({ us }) => us);
        const execute = all.every(({ nx }) => !nx);
        const { access } = x86.describe('pte', ...words(value(leaf)), inherited);
        expect(access).toBe(
          Access.KernelRead | (write ? Access.KernelWrite : 0) | (execute ? Access.KernelExecute : 0) |
          (user ? Access.UserRead | (write ? Access.UserWrite : 0) | (execute ? Access.UserExecute : 0) : 0),
        );
      }),
    );
  });

  it('takes nothing from a PDPTE of PAE, and no XD where there is none', () => {
    expect(arch({ mode: 'PAE' }).inherit(0, 'pgd', 0x2001, 0)).toBe(0);
    expect(arch({ mode: 'PAE' }).inherit(0, 'pmd', 0x2001, 0)).toBe(Forbids.Write | Forbids.User);
    expect(arch({ mode: '4-level', nx: false }).inherit(0, 'pmd', 7, -(2 ** 31))).toBe(0);
  });
});
