import { TableMemory, type NonPresent } from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arm64Arch, type Arm64Config } from '../src/index.js';

const decode = (value: bigint, config: Partial<Arm64Config> = {}, level: 'pte' | 'pmd' = 'pte'): NonPresent =>
  arm64Arch({ half: 'ttbr0', granule: 4096, vaBits: 48, ...config }, new TableMemory()).decodeNonPresent(level, value);
/** A swap entry since 6.10. */
const swp = (type: number, offset: bigint): bigint => (BigInt(type) << 6n) | (offset << 12n);
const old = { release: '6.1.0' };
const bit = (n: number): bigint => 1n << BigInt(n);

describe('swap', () => {
  it('since 6.10', () => {
    expect(decode(swp(3, 0x1234n))).toEqual({ kind: 'swap', type: 3, offset: 0x1234n, flags: [] });
    expect(decode(swp(0, 7n) | 4n | 8n, { release: '6.10.0-rc1' })).toEqual({ kind: 'swap', type: 0, offset: 7n, flags: ['exclusive', 'uffd-wp'] });
    expect(decode(swp(22, (1n << 50n) - 1n))).toEqual({ kind: 'swap', type: 22, offset: (1n << 50n) - 1n, flags: [] });
  });

  it('from 5.19 to 6.9', () => {
    expect(decode((2n << 3n) | (0x77n << 8n) | 4n, old)).toEqual({ kind: 'swap', type: 2, offset: 0x77n, flags: ['exclusive'] });
  });

  it('before 5.19', () => {
    expect(decode((2n << 2n) | (0x77n << 8n), { release: '5.10.0' })).toEqual({ kind: 'swap', type: 2, offset: 0x77n, flags: [] });
  });

  it('is unknown where bits are set that no swap entry has', () => {
    expect(decode(swp(3, 1n) | bit(62)).kind).toBe('unknown');
    expect(decode(swp(3, 1n) | 2n).kind).toBe('unknown');
    expect(decode(swp(3, 1n) | bit(4)).kind).toBe('unknown');
    expect(decode(60n << 2n, { release: '5.10.0' }).kind).toBe('unknown');
  });

  it('decodes whatever there is', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: (1n << 63n) - 1n }), fc.constantFrom(undefined, '5.4.0', '5.15.2', '6.1.0', '6.12.1', 'x'), fc.constantFrom('ttbr0' as const, 'ttbr1' as const), (half, release, side) => {
        const found = decode(half << 1n, { half: side, ...(release === undefined ? {} : { release }) });
        expect(['swap', 'migration', 'protected', 'special', 'unknown']).toContain(found.kind);
        if (found.kind === 'swap') expect(found.type).toBeLessThan(32);
      }),
    );
  });
});

describe('special types', () => {
  it('since 6.2: 31 markers, 27..30 device memory, 24..26 migration, 23 poison', () => {
    expect(decode(swp(31, 1n))).toMatchObject({ kind: 'special', name: 'marker', flags: ['uffd-wp'] });
    expect(decode(swp(31, 6n))).toMatchObject({ name: 'marker', flags: ['poisoned', 'guard'] });
    const release = '6.12.0';
    expect([30, 29, 28, 27].map((type) => decode(swp(type, 5n), { release }))).toEqual([
      { kind: 'special', name: 'device-exclusive-read', type: 30, offset: 5n, flags: [] },
      { kind: 'special', name: 'device-exclusive-write', type: 29, offset: 5n, flags: [] },
      { kind: 'special', name: 'device-private-read', type: 28, offset: 5n, flags: [] },
      { kind: 'special', name: 'device-private-write', type: 27, offset: 5n, flags: [] },
    ]);
    expect(decode(swp(26, 0x40000n), { release })).toEqual({ kind: 'migration', pa: 0x4000_0000n, writable: true, flags: [] });
    expect(decode(swp(25, 0x40000n | bit(36) | bit(37)), { release })).toEqual({ kind: 'migration', pa: 0x4000_0000n, writable: false, flags: ['anon-exclusive', 'young', 'dirty'] });
    expect(decode(swp(24, 0x40000n), { release, granule: 65536, vaBits: 52 })).toMatchObject({ pa: 0x4_0000_0000n, writable: false });
    expect(decode(swp(23, 0x40000n), { release })).toMatchObject({ kind: 'special', name: 'hwpoison' });
    expect(decode(swp(23, 0x40000n), { release, memoryFailure: false }).kind).toBe('swap');
  });

  it('in 5.15 and 5.10', () => {
    // 5.15: 28..31 device, 26 and 27 migration, 25 poison. 5.10: 30 and 31 device, 28 and 29 migration, 27 poison.
    expect(decode((27n << 2n) | (9n << 8n), { release: '5.15.0' })).toMatchObject({ kind: 'migration', writable: true, pa: 0x9000n });
    expect(decode((28n << 2n) | (9n << 8n), { release: '5.10.0' })).toMatchObject({ kind: 'migration', writable: false, pa: 0x9000n });
    expect(decode((27n << 2n) | (9n << 8n), { release: '5.10.0' })).toMatchObject({ kind: 'special', name: 'hwpoison' });
  });
});

describe('PROT_NONE', () => {
  it('since 6.10 is nG without VALID', () => {
    const found = decode(0x00e0_0000_4a12_3fc2n);
    expect(found).toMatchObject({ kind: 'protected', pa: 0x4a12_3000n });
    expect(found.flags).toEqual(['PAGE', 'ATTRINDX(0)', 'USER', 'RDONLY', 'ISH', 'AF', 'NG', 'PXN', 'UXN', 'DIRTY']);
  });

  it('before is bit 58, and bit 59 in a block', () => {
    expect(decode(bit(58) | 0x4a12_3782n, old)).toMatchObject({ kind: 'protected', pa: 0x4a12_3000n });
    expect(decode(bit(59) | 0x4a20_0780n, old, 'pmd')).toMatchObject({ kind: 'protected', pa: 0x4a20_0000n });
    expect(decode(bit(59) | 0x4a20_0780n, old).kind).not.toBe('protected');
  });

  it('of the kernel is an entry that lost VALID alone', () => {
    expect(decode(0x0068_0000_4a12_3782n, { half: 'ttbr1' })).toMatchObject({ kind: 'protected', pa: 0x4a12_3000n });
    expect(decode(0x0068_0000_4a12_3782n).kind).not.toBe('protected');
  });

  it('has 52-bit addresses where leaves have', () => {
    expect(decode(0x4a12_af82n, { granule: 65536, vaBits: 52 })).toMatchObject({ kind: 'protected', pa: 0xa_0000_4a12_0000n });
  });
});
