import { Access, TableMemory } from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arm64Arch, contiguousEntries, Inherited, linuxMemoryTypes, memoryTypeName, type Arm64Config } from '../src/index.js';

const CONFIG: Arm64Config = { half: 'ttbr1', granule: 4096, vaBits: 48 };
const archOf = (config: Partial<Arm64Config> = {}): ReturnType<typeof arm64Arch> => arm64Arch({ ...CONFIG, ...config }, new TableMemory());
const lo = (value: bigint): number => Number(BigInt.asIntN(32, value));
const hi = (value: bigint): number => Number(BigInt.asIntN(32, value >> 32n));
const describeEntry = (value: bigint, level: 'pte' | 'pmd' | 'pud' | 'pgd' = 'pte', inherited = 0, config: Partial<Arm64Config> = {}): ReturnType<ReturnType<typeof arm64Arch>['describe']> =>
  archOf(config).describe(level, lo(value), hi(value), inherited);

const bit = (n: number): bigint => 1n << BigInt(n);

describe('a leaf', () => {
  it('of the kernel text', () => {
    // PAGE_KERNEL_ROX with the contiguous bit: UXN, CONT, AF, inner shareable, AP[2], AttrIndx 0.
    expect(describeEntry(bit(54) | bit(52) | 0x4021_0000n | 0x783n)).toEqual({
      access: Access.KernelRead | Access.KernelExecute,
      accessed: true,
      dirty: false,
      global: true,
      memoryType: 'MEM/NORMAL',
      group: 16,
      flags: ['VALID', 'PAGE', 'ATTRINDX(0)', 'RDONLY', 'ISH', 'AF', 'CONT', 'UXN'],
    });
  });

  it('of a process: written, tagged', () => {
    const { access, dirty, global, memoryType, flags } = describeEntry(0x00e8_0000_4000_0f47n | bit(51));
    expect(access).toBe(Access.KernelRead | Access.KernelWrite | Access.UserRead | Access.UserWrite);
    expect([dirty, global, memoryType]).toEqual([true, false, 'MEM/NORMAL-TAGGED']);
    expect(flags).toEqual(['VALID', 'PAGE', 'ATTRINDX(1)', 'USER', 'ISH', 'AF', 'NG', 'DBM', 'PXN', 'UXN', 'DIRTY']);
  });

  it('has the access of the manual\'s table (D8.4), whatever else is set', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.integer({ min: 0, max: 15 }), fc.boolean(), (random, inherited, hardwareDirty) => {
        const value = random | 3n;
        const has = (n: number): boolean => ((value >> BigInt(n)) & 1n) === 1n;
        const ap1 = has(6) && (inherited & Inherited.NoUserAccess) === 0;
        const write = (!has(7) || (hardwareDirty && has(51))) && (inherited & Inherited.ReadOnly) === 0;
        const want =
          Access.KernelRead |
          (write ? Access.KernelWrite : 0) |
          (!has(53) && (inherited & Inherited.NoKernelExecute) === 0 && !(ap1 && write) ? Access.KernelExecute : 0) |
          (ap1 ? Access.UserRead : 0) |
          (ap1 && write ? Access.UserWrite : 0) |
          (!has(54) && (inherited & Inherited.NoUserExecute) === 0 ? Access.UserExecute : 0);
        expect(describeEntry(value, 'pte', inherited, { hardwareDirty }).access).toBe(want);
      }),
    );
  });

  it('names software bits by release', () => {
    expect(describeEntry(bit(58) | bit(56) | 3n).flags).toContain('UFFD_WP');
    expect(describeEntry(bit(58) | 3n, 'pte', 0, { release: '6.9.1' }).flags).toContain('PROT_NONE');
    expect(describeEntry((5n << 60n) | 3n).flags).toContain('POINDEX(5)');
  });

  it('has no shareability where those bits are an address', () => {
    expect(describeEntry(0x0060_0000_4000_0f03n, 'pte', 0, { granule: 16384, vaBits: 52 }).flags).not.toContain('ISH');
    expect(describeEntry(0x0060_0000_4000_0e03n).flags).toContain('OSH');
  });

  it('is a block above level 3', () => {
    expect(describeEntry(bit(52) | 0x4000_0701n | bit(16), 'pmd')).toMatchObject({ group: 16, flags: ['VALID', 'BLOCK', 'ATTRINDX(0)', 'ISH', 'AF', 'NT', 'CONT'] });
  });
});

describe('a table', () => {
  const all = bit(59) | bit(60) | bit(61) | bit(62) | bit(63) | 0x4000_0003n;

  it('forbids, and describes what is left', () => {
    const arch = archOf();
    expect(arch.inherit(0, 'pmd', lo(all), hi(all))).toBe(15);
    expect(arch.inherit(0, 'pmd', lo(3n), hi(bit(61)))).toBe(Inherited.NoUserAccess);
    expect(arch.inherit(1, 'pmd', lo(3n), hi(bit(62)))).toBe(Inherited.ReadOnly | Inherited.NoUserExecute);
    expect(describeEntry(all, 'pmd')).toEqual({
      access: Access.KernelRead, accessed: undefined, dirty: undefined, global: false, memoryType: '', group: 1,
      flags: ['VALID', 'TABLE', 'PXNTABLE', 'UXNTABLE', 'APTABLE_NO_EL0', 'APTABLE_RDONLY', 'NSTABLE'],
    });
    expect(describeEntry(3n | bit(60), 'pgd').access).toBe(31);
  });

  it('forbids nothing with HPD', () => {
    expect(archOf({ hierarchicalPermissionsDisabled: true }).inherit(0, 'pmd', lo(all), hi(all))).toBe(0);
    expect(describeEntry(all, 'pmd', 0, { hierarchicalPermissionsDisabled: true }).access).toBe(63);
  });
});

describe('memory types', () => {
  it('are Linux\'s, by release', () => {
    expect(linuxMemoryTypes('6.12.1')[4]).toBe('DEVICE/nGnRE');
    expect(linuxMemoryTypes('5.10.0')[4]).toBe('DEVICE/nGnRnE');
    expect(linuxMemoryTypes('5.4.0')[4]).toBe('MEM/NORMAL');
    expect(linuxMemoryTypes(undefined)).toEqual(linuxMemoryTypes('6.12'));
    expect(describeEntry(0x1fn).memoryType).toBe('ATTR7');
  });

  it('are MAIR_EL1\'s if it is known', () => {
    const mair = 0x0004_0044_f0ffn;
    const type = (index: bigint): string => describeEntry(3n | (index << 2n), 'pte', 0, { mair }).memoryType;
    expect([0n, 1n, 2n, 3n, 4n].map(type)).toEqual(['MEM/NORMAL', 'MEM/NORMAL-TAGGED', 'MEM/NORMAL-NC', 'DEVICE/nGnRnE', 'DEVICE/nGnRE']);
  });

  it.each([
    [0x08, 'DEVICE/nGRE'], [0x0c, 'DEVICE/GRE'], [0xbb, 'MEM/NORMAL-WT'], [0x4f, 'MEM/NORMAL outer NC, inner WB'], [0xf4, 'MEM/NORMAL outer WB, inner NC'],
    [0x37, 'MEM/NORMAL outer WT transient, inner WB transient'], [0x02, 'MAIR 0x02'], [0x40, 'MEM/NORMAL-NC XS=0'], [0xa0, 'MEM/NORMAL-WT XS=0'], [0x01, 'DEVICE/nGnRnE'],
  ])('0x%x is %s', (byte, name) => {
    expect(memoryTypeName(byte)).toBe(name);
  });

  it('have a name for every byte', () => {
    for (let byte = 0; byte < 256; byte++) expect(memoryTypeName(byte)).toMatch(/^(MEM|DEVICE|MAIR)/);
  });
});

it('contiguous groups are those of the manual', () => {
  expect([3, 2, 1, 0].map((level) => contiguousEntries(4096, level))).toEqual([16, 16, 16, 1]);
  expect([3, 2, 1].map((level) => contiguousEntries(16384, level))).toEqual([128, 32, 1]);
  expect([3, 2, 1].map((level) => contiguousEntries(65536, level))).toEqual([32, 32, 1]);
});
