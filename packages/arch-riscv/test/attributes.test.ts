import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Access, TableMemory, type Attributes, type Level, type NonPresent } from '@pgtable/core';
import { riscvArch, type RiscvConfig } from '../src/index.js';
import { pte } from './support.js';

const archOf = (config: RiscvConfig = { mode: 'Sv39' }) => riscvArch(config, new TableMemory({ entryBytes: config.mode === 'Sv32' ? 4 : 8 }));
const lo = (value: bigint): number => Number(BigInt.asIntN(32, value));
const hi = (value: bigint): number => Number(BigInt.asIntN(32, value >> 32n));
const describeEntry = (level: Level, value: bigint, inherited = 0, config?: RiscvConfig): Attributes => archOf(config).describe(level, lo(value), hi(value), inherited);

describe('describe', () => {
  it('gives a user page the user\'s bits and a kernel page the kernel\'s', () => {
    expect(describeEntry('pte', pte('VRWUA', 0x1000n))).toEqual({
      access: Access.UserRead | Access.UserWrite, accessed: true, dirty: false, global: false, memoryType: 'PMA', group: 1, flags: ['V', 'R', 'W', 'U', 'A'],
    });
    expect(describeEntry('pmd', pte('VRXGAD', 0x20_0000n, 2n << 61n))).toEqual({
      access: Access.KernelRead | Access.KernelExecute, accessed: true, dirty: true, global: true, memoryType: 'IO', group: 1,
      flags: ['V', 'R', 'X', 'G', 'A', 'D', 'IO'],
    });
  });

  it('gives exactly the leaf\'s permissions, whatever is above', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 255 }), (flags) => {
        const leaf = (flags & 1) !== 0 && (flags & 0xe) !== 0;
        const unit = (flags & 0x10) !== 0 ? 8 : 1;
        const expected = ((flags >> 1) & 7) * unit;
        const { access, accessed, dirty } = describeEntry('pte', BigInt(flags));
        if (leaf) expect({ access, accessed, dirty }).toEqual({ access: expected, accessed: (flags & 0x40) !== 0, dirty: (flags & 0x80) !== 0 });
      }),
    );
  });

  it('shows table entries as forbidding nothing, and hands G down', () => {
    expect(describeEntry('pgd', pte('VG', 0x1000n))).toEqual({
      access: 63, accessed: undefined, dirty: undefined, global: true, memoryType: '', group: 1, flags: ['V', 'G'],
    });
    const arch = archOf();
    expect(arch.inherit(0, 'pgd', lo(pte('V')), 0)).toBe(0);
    const inherited = arch.inherit(0, 'pgd', lo(pte('VG')), 0);
    expect(describeEntry('pte', pte('VR'), inherited).global).toBe(true);
    expect(arch.inherit(inherited, 'pmd', lo(pte('V')), 0)).toBe(inherited);
  });

  it('knows groups, memory types and software bits', () => {
    expect(describeEntry('pte', pte('VRU', 0x8000n, (1n << 63n) | (1n << 61n) | (1n << 8n)))).toMatchObject({ group: 16, memoryType: 'NC', flags: ['V', 'R', 'U', 'RSW(1)', 'NC', 'N'] });
    expect(describeEntry('pte', pte('VR', 0n, 3n << 61n))).toMatchObject({ memoryType: 'reserved', flags: ['V', 'R', 'PBMT(3)'] });
    expect(describeEntry('pte', pte('VR'), 0, { mode: 'Sv32' }).memoryType).toBe('');
  });
});

describe('decodeNonPresent', () => {
  const decode = (value: bigint, release?: string, level: Level = 'pte', more: Partial<RiscvConfig> = {}): NonPresent =>
    archOf({ mode: 'Sv39', ...more, ...(release === undefined ? {} : { release }) }).decodeNonPresent(level, value);
  /** A swap entry of 6.3 and later. */
  const swap = (type: bigint, offset: bigint, exclusive = 0n): bigint => (offset << 12n) | (type << 7n) | (exclusive << 6n);

  it('decodes swap by release', () => {
    expect(decode(swap(3n, 0x12345n, 1n), '6.12.0')).toEqual({ kind: 'swap', type: 3, offset: 0x12345n, flags: ['exclusive'] });
    expect(decode(swap(0n, 1n), '6.3.0')).toEqual({ kind: 'swap', type: 0, offset: 1n, flags: [] });
    expect(decode((0x777n << 11n) | (2n << 6n), '6.1.0')).toEqual({ kind: 'swap', type: 2, offset: 0x777n, flags: [] });
    expect(decode((0x777n << 7n) | (4n << 2n), '5.10.0')).toEqual({ kind: 'swap', type: 4, offset: 0x777n, flags: [] });
    expect(decode(swap(1n, (1n << 52n) - 1n))).toEqual({ kind: 'swap', type: 1, offset: (1n << 52n) - 1n, flags: [] });
  });

  it('keeps the frame of PROT_NONE pages, of kernel pages without V and of huge pages that are being split', () => {
    expect(decode(pte('RGUAD', 0x8765_4000n))).toEqual({ kind: 'protected', pa: 0x8765_4000n, flags: ['R', 'U', 'G', 'A', 'D'] });
    expect(decode(pte('RWGAD', 0x8765_4000n))).toMatchObject({ kind: 'protected', pa: 0x8765_4000n });
    expect(decode(pte('RWUAD', 0x8760_0000n), undefined, 'pmd')).toMatchObject({ kind: 'protected', pa: 0x8760_0000n });
    expect(decode(pte('RG', 0x8001_8000n, 1n << 63n))).toMatchObject({ kind: 'protected', pa: 0x8001_0000n, flags: ['R', 'G', 'N'] });
    expect(decode(pte('RAD', 0x8765_4000n), '5.10.0')).toMatchObject({ kind: 'protected', pa: 0x8765_4000n });
    expect(decode(pte('RG', 0x3_8765_4000n), undefined, 'pte', { mode: 'Sv32' })).toMatchObject({ kind: 'protected', pa: 0x3_8765_4000n });
  });

  it('numbers the special types by release and options', () => {
    const pfn = 0x8_1234n;
    const ad = (1n << 44n) | (1n << 45n);
    // 6.12 with device memory: migration 24 to 26, device 27 to 30, marker 31.
    expect(decode(swap(24n, pfn), '6.12.0')).toEqual({ kind: 'migration', pa: pfn << 12n, writable: false, flags: [] });
    expect(decode(swap(25n, pfn | ad), '6.12.0')).toEqual({ kind: 'migration', pa: pfn << 12n, writable: false, flags: ['anon-exclusive', 'young', 'dirty'] });
    expect(decode(swap(26n, pfn), '6.12.0')).toMatchObject({ kind: 'migration', writable: true });
    expect(decode(swap(27n, pfn), '6.12.0')).toMatchObject({ kind: 'special', name: 'device-private-write' });
    expect(decode(swap(30n, pfn), '6.12.0')).toMatchObject({ kind: 'special', name: 'device-exclusive-read' });
    expect(decode(swap(31n, 5n), '6.13.0')).toEqual({ kind: 'special', name: 'marker', type: 31, offset: 5n, flags: ['uffd-wp', 'guard'] });
    // Without device memory everything moves up.
    const bare = { swap: { devicePrivate: false } };
    expect(decode(swap(28n, pfn), '6.12.0', 'pte', bare)).toMatchObject({ kind: 'migration', writable: false });
    expect(decode(swap(30n, pfn), '6.12.0', 'pte', bare)).toMatchObject({ kind: 'migration', writable: true });
    expect(decode(swap(27n, pfn), '6.12.0', 'pte', bare)).toMatchObject({ kind: 'swap', type: 27 });
    expect(decode(swap(27n, pfn), '6.12.0', 'pte', { swap: { devicePrivate: false, memoryFailure: true } })).toMatchObject({ kind: 'special', name: 'hwpoison' });
    // 5.15: two migration types, no marker, no device memory on riscv.
    expect(decode((pfn << 11n) | (30n << 6n), '5.15.0')).toMatchObject({ kind: 'migration', writable: false, pa: pfn << 12n });
    expect(decode((pfn << 11n) | (31n << 6n), '5.15.0')).toMatchObject({ kind: 'migration', writable: true });
    // 6.15: one exclusive device type.
    expect(decode(swap(30n, pfn), '6.15.0')).toMatchObject({ kind: 'special', name: 'device-exclusive' });
  });

  it('calls what fits nothing unknown, and never throws', () => {
    expect(decode(pte('A'))).toEqual({ kind: 'unknown', flags: ['A'] });
    fc.assert(
      fc.property(fc.bigInt(1n, (1n << 64n) - 1n), fc.constantFrom(undefined, '4.19.0', '5.19.1', '6.6.0', '7.1.0'), fc.constantFrom<Level>('pte', 'pmd', 'pgd'), (bits, release, level) => {
        expect(['swap', 'migration', 'protected', 'special', 'unknown']).toContain(decode(bits & ~1n, release, level).kind);
      }),
    );
  });
});
