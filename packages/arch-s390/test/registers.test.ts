import { PgtableError } from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cr0Config, decodeAsce, s390Root } from '../src/index.js';
import { givenAsce, givenPrefix } from '../src/registers.js';

describe('an ASCE', () => {
  it.each([
    // CR13 and CR1 of a Linux 6.12 guest.
    { asce: 0x2040007n, table: 0x2040000, top: 'pud', end: 2048, window: 2 ** 42, half: 'kernel' },
    { asce: 0x2eb41cfn, table: 0x2eb4000, top: 'pgd', end: 2048, window: 2 ** 64, half: 'user' },
    { asce: 0x2ccc1cbn, table: 0x2ccc000, top: 'p4d', end: 2048, window: 2 ** 53, half: 'user' },
    { asce: 0x5000n, table: 0x5000, top: 'pmd', end: 512, window: 2 ** 31, half: 'kernel' },
  ])('$asce', ({ asce, table, top, end, window, half }) => {
    expect(s390Root(decodeAsce(asce))).toEqual({ table, top, first: 0, end, windows: [{ start: 0, end: window, index: 0, half }], inherited: 0 });
  });

  it('keeps all 52 bits of the origin', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 52n - 1n }), fc.bigInt({ min: 0n, max: 0xfffn }), (origin, low) => {
        const asce = decodeAsce((origin << 12n) | low);
        expect(BigInt(asce.table)).toBe(origin << 12n);
        expect(asce.entries).toBe((Number(low & 3n) + 1) * 512);
        expect(asce.realSpace).toBe((low & 0x20n) !== 0n);
      }),
    );
  });

  it('of a real space has no root', () => {
    expect(() => s390Root(decodeAsce(0x20n))).toThrow(/real-space designation/);
    expect(() => givenAsce(0x2040027n)).toThrow(/real-space designation/);
  });

  it.each([-1n, 1n << 64n])('is 64 bits (%s)', (value) => {
    expect(() => givenAsce(value)).toThrow(PgtableError);
  });

  it('has an origin', () => {
    expect(() => givenAsce(0x7n)).toThrow(/no table origin/);
    expect(givenAsce(0x2040007n).table).toBe(0x2040000);
  });
});

describe('a prefix', () => {
  it.each([0x1000n, 1n << 31n, -8192n])('cannot be %s', (value) => {
    expect(() => givenPrefix(value)).toThrow(/multiple of 0x2000/);
  });

  it('can be any lowcore', () => {
    expect([givenPrefix(0n), givenPrefix(0x7fac000n), givenPrefix(0x7fffe000n)]).toEqual([0, 0x7fac000, 0x7fffe000]);
  });
});

it('control register 0 says what is on', () => {
  expect(cr0Config(0x14166a10n)).toEqual({ edat: false, iep: true });
  expect(cr0Config(0x14866a10n)).toEqual({ edat: true, iep: false });
});
