import type { Level, NonPresent } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { s390Arch, type S390Config } from '../src/index.js';
import { tablesOf } from './tables.js';

function decode(level: Level, value: bigint, config: Partial<S390Config> = { release: '6.12.0' }): NonPresent {
  return s390Arch({ top: 'pud', ...config }, tablesOf([])).decodeNonPresent(level, value);
}

/** A page-table swap entry as the kernel's mk_swap_pte makes it. */
function swapPte(type: number, offset: bigint): bigint {
  return (offset << 12n) | 0x600n | BigInt(type << 2);
}

describe('page-table entries', () => {
  it('keep the frame of PROT_NONE and of old pages', () => {
    expect(decode('pte', 0x1234601n)).toEqual({ kind: 'protected', pa: 0x1234000n, flags: ['PRESENT', 'PROTECT', 'INVALID'] });
    expect(decode('pte', 0x1234539n)).toEqual({ kind: 'protected', pa: 0x1234000n, flags: ['PRESENT', 'DIRTY', 'READ', 'WRITE', 'NOEXEC', 'INVALID'] });
  });

  it('hold swap', () => {
    expect(decode('pte', swapPte(0, 1n))).toEqual({ kind: 'swap', type: 0, offset: 1n, flags: [] });
    expect(decode('pte', swapPte(27, 0xfedcba9876543n) | 0x802n)).toEqual({ kind: 'swap', type: 27, offset: 0xfedcba9876543n, flags: ['exclusive', 'soft-dirty'] });
  });

  it.each([
    { release: '6.12.0', read: 28, exclusive: 29, write: 30, marker: 31 },
    { release: undefined, read: 28, exclusive: 29, write: 30, marker: 31 },
    { release: '6.1.0', read: 29, exclusive: 30, write: 31, marker: undefined },
    { release: '5.15.0', read: 30, exclusive: undefined, write: 31, marker: undefined },
  ])('hold migration entries where Linux $release numbers them', ({ release, read, exclusive, write, marker }) => {
    expect(decode('pte', swapPte(read, 0x1234n), { release })).toEqual({ kind: 'migration', pa: 0x1234000n, writable: false, flags: [] });
    expect(decode('pte', swapPte(write, 0x1234n), { release })).toEqual({ kind: 'migration', pa: 0x1234000n, writable: true, flags: [] });
    if (exclusive !== undefined) expect(decode('pte', swapPte(exclusive, 0x1234n), { release })).toMatchObject({ kind: 'migration', writable: false, flags: ['anon-exclusive'] });
    if (marker !== undefined) expect(decode('pte', swapPte(marker, 6n), { release })).toEqual({ kind: 'special', name: 'marker', type: marker, offset: 6n, flags: ['poisoned', 'guard'] });
    expect(decode('pte', swapPte(read - 1, 5n), { release })).toMatchObject({ kind: 'swap', type: read - 1 });
  });

  it('find young and dirty above the frame of a migration entry', () => {
    const offset = (3n << 34n) | 0x1234n;
    expect(decode('pte', swapPte(30, offset))).toEqual({ kind: 'migration', pa: 0x1234000n, writable: true, flags: ['young', 'dirty'] });
    expect(decode('pte', swapPte(30, (1n << 41n) | 0x1234n), { physmemBits: 53 })).toEqual({ kind: 'migration', pa: 0x1234000n, writable: true, flags: ['young'] });
    // Before 6.1 there are none.
    expect(decode('pte', swapPte(31, 1n << 34n), { release: '5.19.0' })).toMatchObject({ pa: 1n << 46n });
  });

  it('are unknown otherwise', () => {
    expect(decode('pte', 0x1234400n)).toEqual({ kind: 'unknown', flags: ['INVALID'] });
  });
});

describe('segment- and region-table entries', () => {
  it('keep the frame of large pages', () => {
    expect(decode('pmd', 0x12302620n)).toEqual({ kind: 'protected', pa: 0x12300000n, flags: ['DIRTY', 'INVALID', 'PROTECT', 'LARGE'] });
    expect(decode('pud', 0x180000624n)).toMatchObject({ kind: 'protected', pa: 0x180000000n });
    expect(decode('pmd', 0x12302621n, { release: '6.14.0' })).toEqual({ kind: 'protected', pa: 0x12300000n, flags: ['PRESENT', 'DIRTY', 'INVALID', 'PROTECT', 'LARGE'] });
    expect(decode('pmd', 0x12302620n, { release: '6.14.0' })).toMatchObject({ kind: 'unknown' });
  });

  it('hold swap from Linux 6.14 on', () => {
    // Marker 31 with UFFD_WP: type at bit 6, common, invalid, soft dirty.
    const marker = (1n << 12n) | (31n << 6n) | 0x32n;
    expect(decode('pmd', marker, { release: '6.14.0' })).toEqual({ kind: 'special', name: 'marker', type: 31, offset: 1n, flags: ['soft-dirty', 'uffd-wp'] });
    expect(decode('pud', marker | 0x4n, {})).toMatchObject({ kind: 'special', type: 31 });
  });

  it('are unknown where nothing fits', () => {
    expect(decode('pmd', 0x1c020n)).toMatchObject({ kind: 'unknown' });
    expect(decode('p4d', 0x1c02bn)).toEqual({ kind: 'unknown', flags: ['TL=3', 'INVALID'] });
    expect(decode('pgd', 0x1c02fn)).toMatchObject({ kind: 'unknown' });
  });
});
