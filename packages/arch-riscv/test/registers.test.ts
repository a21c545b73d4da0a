import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeSatp, encodeSatp } from '../src/index.js';
import { MODES } from './support.js';

describe('decodeSatp', () => {
  it('reads the registers of the fixtures and of the manual', () => {
    expect(decodeSatp(0xa0002000000833den)).toEqual({ mode: 'Sv57', asid: 2, table: 0x833de000 });
    expect(decodeSatp(0x8000000000081234n, 64)).toEqual({ mode: 'Sv39', asid: 0, table: 0x81234000 });
    expect(decodeSatp(0x9ffff00000000000n | 0xfffffffffffn)).toEqual({ mode: 'Sv48', asid: 65535, table: 2 ** 56 - 4096 });
    expect(decodeSatp(0x80481234n)).toEqual({ mode: 'Sv32', asid: 1, table: 0x81234000 });
    expect(decodeSatp(0xffffffffn, 32)).toEqual({ mode: 'Sv32', asid: 511, table: 2 ** 34 - 4096 });
  });

  it.each([
    [0n, undefined, /mode 0 \(Bare\)/],
    [0x81234n, 64, /mode 0 \(Bare\)/],
    [0x80081234n, 64, /mode 0 \(Bare\)/],
    [0x7fffffffn, 32, /mode 0 \(Bare\)/],
    [0xb000000000081234n, 64, /mode 11, which is reserved/],
    [0x1000000000081234n, undefined, /mode 1, which is reserved/],
    [1n << 64n, undefined, /does not fit/],
    [-1n, undefined, /does not fit/],
    [0x8000000000081234n, 32, /does not fit a register of 32/],
  ] as const)('refuses %i with %j bits and says what the value should be', (value, bits, message) => {
    expect(() => decodeSatp(value, bits)).toThrow(expect.objectContaining({ code: 'EINVAL', message: expect.stringMatching(message) as string, hint: expect.stringMatching(/mode 8 \(Sv39\)/) as string }) as Error);
  });

  it('is undone by encodeSatp', () => {
    fc.assert(
      fc.property(fc.constantFrom(...MODES), fc.integer({ min: 0, max: 2 ** 22 - 1 }), (mode, page) => {
        expect(decodeSatp(encodeSatp(mode, page * 4096), mode === 'Sv32' ? 32 : 64)).toEqual({ mode, asid: 0, table: page * 4096 });
      }),
    );
  });
});
