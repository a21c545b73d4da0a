import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { TableMemory, type Level, type NonPresent } from '@pgtable/core';
import { x86Arch, type X86Config } from '../src/index.js';

function decode(value: bigint, config: Partial<X86Config> = {}, level: Level = 'pte'): NonPresent {
  const full: X86Config = { mode: '4-level', ...config };
  return x86Arch(full, new TableMemory({ entryBytes: full.mode === '2-level' ? 4 : 8 })).decodeNonPresent(level, value);
}

/** __swp_entry() of a 64-bit or PAE kernel since 4.19: the offset inverted in bits 58:9, the type in bits 63:59. */
const swap64 = (type: number, offset: bigint, low = 0n): bigint => (BigInt(type) << 59n) | ((~offset & ((1n << 50n) - 1n)) << 9n) | low;

describe('swap entries', () => {
  it('hold type and offset, the offset inverted', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 22 }), fc.bigInt({ min: 0n, max: (1n << 50n) - 1n }), (type, offset) => {
        // The last offset of type 0 is, inverted, the empty entry: no kernel has swap that large.
        fc.pre(swap64(type, offset) !== 0n);
        expect(decode(swap64(type, offset))).toEqual({ kind: 'swap', type, offset, flags: [] });
        expect(decode(swap64(type, offset), { mode: 'PAE' })).toEqual({ kind: 'swap', type, offset, flags: [] });
      }),
    );
  });

  it('carry flags in bits 1 to 3, and 7 with 32 bits', () => {
    expect(decode(swap64(0, 5n, 0xen))).toMatchObject({ flags: ['soft-dirty', 'uffd-wp', 'exclusive'] });
    expect(decode(swap64(0, 5n, 0xen), { release: '5.10.0-8-amd64' })).toMatchObject({ flags: ['soft-dirty', 'uffd-wp'] });
    expect(decode(swap64(0, 5n, 0xen), { release: '4.19.0' })).toMatchObject({ flags: ['soft-dirty'] });
    expect(decode(swap64(0, 5n, 0x80n), { mode: 'PAE' })).toMatchObject({ flags: ['exclusive'] });
    expect(decode(swap64(0, 5n, 0x80n), { mode: 'PAE', release: '6.1.0-50-686-pae' })).toMatchObject({ flags: [] });
  });

  it('moved with the releases', () => {
    expect(decode((77n << 14n) | (3n << 9n), { release: '4.18.0' })).toMatchObject({ kind: 'swap', type: 3, offset: 77n });
    expect(decode(swap64(3, 77n), { release: '4.18.1' })).toMatchObject({ kind: 'swap', type: 3, offset: 77n });
    expect(decode(swap64(3, 77n), { release: '4.9.120' })).toMatchObject({ kind: 'swap', type: 3, offset: 77n });
    expect(decode((77n << 9n) | (3n << 1n), { release: '4.4.0' })).toMatchObject({ kind: 'swap', type: 3, offset: 77n });
    expect(decode((77n << 37n) | (3n << 32n), { mode: 'PAE', release: '4.18.0' })).toMatchObject({ kind: 'swap', type: 3, offset: 77n });
    expect(decode((77n << 9n) | (3n << 1n), { mode: '2-level' })).toMatchObject({ kind: 'swap', type: 3, offset: 77n });
  });
});

describe('special types', () => {
  it.each([
    [23, { kind: 'special', name: 'hwpoison' }],
    [24, { kind: 'migration', pa: 0x12345000n, writable: false }],
    [25, { kind: 'migration', pa: 0x12345000n, writable: false, flags: ['anon-exclusive'] }],
    [26, { kind: 'migration', pa: 0x12345000n, writable: true }],
    [27, { kind: 'special', name: 'device-private-write' }],
    [28, { kind: 'special', name: 'device-private-read' }],
    [29, { kind: 'special', name: 'device-exclusive-write' }],
    [30, { kind: 'special', name: 'device-exclusive-read' }],
    [31, { kind: 'special', name: 'marker', flags: ['uffd-wp', 'guard'] }],
  ])('of 6.12: type %i', (type, expected) => {
    expect(decode(swap64(type, 0x12345n), { release: '6.12.107+deb13-amd64' })).toMatchObject(expected);
  });

  it('are others by release and option', () => {
    // Without a release: a recent one. 6.15 has one exclusive type: everything below moves up by one.
    expect(decode(swap64(27, 1n), { release: '6.15.0' })).toMatchObject({ kind: 'migration', writable: true });
    expect(decode(swap64(27, 1n))).toMatchObject({ kind: 'migration', writable: true });
    expect(decode(swap64(30, 1n), { release: '6.15.0' })).toMatchObject({ name: 'device-exclusive' });
    // 5.10: hwpoison, migration read and write, two device types; no marker.
    expect(decode(swap64(27, 1n), { release: '5.10.0' })).toMatchObject({ name: 'hwpoison' });
    expect(decode(swap64(29, 1n), { release: '5.10.0' })).toMatchObject({ kind: 'migration', writable: true });
    expect(decode(swap64(31, 1n), { release: '5.10.0' })).toMatchObject({ name: 'device-private-read' });
    // Without device memory, as on all 32-bit kernels.
    expect(decode(swap64(30, 1n), { mode: 'PAE', release: '6.12.0' })).toMatchObject({ kind: 'migration', writable: true });
    expect(decode(swap64(30, 1n), { swap: { devicePrivate: false } })).toMatchObject({ kind: 'migration', writable: true });
    expect(decode(swap64(30, 1n), { swap: { devicePrivate: false, migration: false } })).toMatchObject({ name: 'hwpoison' });
    expect(decode(swap64(30, 1n), { swap: { devicePrivate: false, migration: false, memoryFailure: false } })).toMatchObject({ kind: 'swap', type: 30 });
    expect(decode(swap64(31, 0n))).toMatchObject({ name: 'marker' });
    expect(decode(swap64(31, 2n))).toMatchObject({ name: 'marker', flags: ['poisoned'] });
  });

  it('keep young and dirty of a page on its way above its frame', () => {
    expect(decode(swap64(26, 0x12345n | (3n << 34n)), { release: '6.12.0' })).toMatchObject({ kind: 'migration', pa: 0x12345000n, flags: ['young', 'dirty'] });
    expect(decode(swap64(26, 0x12345n | (1n << 41n)), { mode: '5-level', release: '6.12.0' })).toMatchObject({ pa: 0x12345000n, flags: ['dirty'] });
    expect(decode(swap64(26, 0x12345n | (1n << 34n)), { release: '6.0.0' })).toMatchObject({ flags: [] });
  });
});

describe('pages that may not be used', () => {
  it('keep their frame, inverted against L1TF', () => {
    const frame = 0x383a000n;
    const inverted = ~frame & 0x000ffffffffff000n;
    expect(decode(inverted | 0x120n)).toEqual({ kind: 'protected', pa: frame, flags: ['A', 'PROTNONE'] });
    expect(decode(inverted | 0x120n, { mode: 'PAE' })).toMatchObject({ kind: 'protected', pa: frame });
    expect(decode(frame | 0x120n, { release: '4.14.0' })).toMatchObject({ kind: 'protected', pa: frame });
    expect(decode(frame | 0x120n, { mode: '2-level' })).toMatchObject({ kind: 'protected', pa: frame });
    expect(decode(inverted | (1n << 63n) | 0x162n)).toMatchObject({ pa: frame, flags: ['RW', 'A', 'D', 'PROTNONE', 'NX'] });
  });

  it('may be huge, and being split', () => {
    const inverted = ~0x600000n & 0x000ffffffffff000n;
    expect(decode(inverted | 0x1a0n, {}, 'pmd')).toEqual({ kind: 'protected', pa: 0x600000n, flags: ['A', 'PS', 'PROTNONE'] });
    expect(decode(inverted | 0xe6n, {}, 'pmd')).toMatchObject({ kind: 'protected', pa: 0x600000n });
    expect(decode((~0x40000000n & 0x000ffffffffff000n) | 0x180n, {}, 'pud')).toMatchObject({ pa: 0x40000000n });
    expect(decode(0x00400180n, { mode: '2-level' }, 'pgd')).toMatchObject({ pa: 0x400000n });
  });
});

it('knows an entry with stray A and D for nothing', () => {
  expect(decode(0x60n)).toEqual({ kind: 'unknown', flags: ['A', 'D'] });
});
