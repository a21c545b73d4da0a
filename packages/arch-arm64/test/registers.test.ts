import { isPgtableError, type ErrorCode } from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configFromTcr, decodeTcr, decodeTtbr, untag, type Arm64Config } from '../src/index.js';

/** The error of a call: its code, message and hint. */
function errorOf(call: () => unknown): { code: ErrorCode; text: string } {
  try {
    call();
  } catch (error) {
    if (isPgtableError(error)) return { code: error.code, text: `${error.message} (${error.hint ?? ''})` };
    throw error;
  }
  throw new Error('no error');
}

describe('TCR_EL1', () => {
  it('of a 48-bit kernel with 4K pages', () => {
    expect(decodeTcr(0x5001f2b5503510n, 'ttbr1')).toEqual({
      tsz: 16, granule: 4096, paBits: 40, disabled: false, topByteIgnore: true, hierarchicalPermissionsDisabled: false, hardwareDirty: true, lpa2: false,
    });
  });

  it('of a 52-bit kernel with 16K pages', () => {
    expect(configFromTcr(0x95001f6754cb50cn, 'ttbr0')).toEqual({
      half: 'ttbr0', granule: 16384, vaBits: 52, paBits: 52, lpa2: true, topByteIgnore: true, hierarchicalPermissionsDisabled: false, hardwareDirty: true,
    });
    expect(configFromTcr(0x95001f6754cb50cn, 'ttbr1')).toMatchObject({ granule: 16384, vaBits: 52 });
  });

  it('of a 52-bit kernel with 64K pages: TBI1 is off', () => {
    expect(decodeTcr(0x400036f54c750cn, 'ttbr0')).toMatchObject({ granule: 65536, tsz: 12, topByteIgnore: true });
    expect(decodeTcr(0x400036f54c750cn, 'ttbr1')).toMatchObject({ granule: 65536, tsz: 12, topByteIgnore: false, paBits: 52 });
  });

  it('has the fields where the manual has them', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.boolean(), (random, first) => {
        const half = first ? 'ttbr0' : 'ttbr1';
        const tcr = (random & ~(63n << (first ? 0n : 16n)) & ~(7n << 32n)) | (20n << (first ? 0n : 16n)) | (5n << 32n);
        const at = (n: number): boolean => ((tcr >> BigInt(n)) & 1n) === 1n;
        const tg = Number((tcr >> (first ? 14n : 30n)) & 3n);
        const granule = first ? [4096, 65536, 16384, 0][tg] : [0, 16384, 4096, 65536][tg];
        if (granule === 0) {
          expect(errorOf(() => decodeTcr(tcr, half)).code).toBe('EINVAL');
          return;
        }
        expect(decodeTcr(tcr, half)).toEqual({
          tsz: 20, granule, paBits: 48, disabled: at(first ? 7 : 23), topByteIgnore: at(first ? 37 : 38),
          hierarchicalPermissionsDisabled: at(first ? 41 : 42), hardwareDirty: at(40), lpa2: at(59) && granule !== 65536,
        });
      }),
    );
  });

  it('counts 52 physical bits as 48 where descriptors have no room', () => {
    expect(decodeTcr((6n << 32n) | (2n << 30n) | (16n << 16n), 'ttbr1').paBits).toBe(48);
  });

  it.each([
    [-1n, 'ttbr0', 'more than 64 bits'],
    [(16n << 16n) | 16n, 'ttbr1', 'TG1 (bits 31:30) is 0'],
    [(3n << 14n) | 16n, 'ttbr0', 'TG0 (bits 15:14) is 3'],
    [(7n << 32n) | 16n, 'ttbr0', 'IPS (bits 34:32) is 7'],
    [12n, 'ttbr0', 'less than 16 needs DS (bit 59)'],
    [50n, 'ttbr0', 'T0SZ (bits 5:0) is 50: it is 16 to 48 with 4K pages'],
  ] as const)('0x%x is refused for %s', (tcr, half, text) => {
    const error = errorOf(() => decodeTcr(tcr, half));
    expect(error.code).toBe('EINVAL');
    expect(error.text).toContain(text);
  });
});

describe('TTBR', () => {
  const small: Arm64Config = { half: 'ttbr1', granule: 4096, vaBits: 48 };
  const lpa: Arm64Config = { half: 'ttbr1', granule: 65536, vaBits: 52 };

  it('is ASID, table, CnP', () => {
    expect(decodeTtbr(0x14000041f16001n, small)).toEqual({ table: 0x41f16000, asid: 0x14, commonNotPrivate: true });
    expect(decodeTtbr(0x2000040620000n, lpa)).toEqual({ table: 0x40620000, asid: 2, commonNotPrivate: false });
  });

  it('has PA 51:48 in bits 5:2 with 52-bit physical addresses', () => {
    expect(decodeTtbr(0x4062_0000n | (0xan << 2n), lpa).table).toBe(0xa_0000_4062_0000);
    // 128 bytes of table at any multiple of that.
    expect(decodeTtbr(0x43ba_ef00n | 1n, { half: 'ttbr0', granule: 4096, vaBits: 52 }).table).toBe(0x43ba_ef00);
  });

  it.each([
    [0x41f1_6800n, small, 'a table of 4096 bytes (4K granule, 48-bit) is aligned to 4096 bytes'],
    [0x41f1_6002n, small, 'aligned to 4096 bytes'],
    [0x4062_0002n, lpa, 'aligned to 8192 bytes'],
    [0x100_4000_0000n, { ...small, paBits: 40 }, 'beyond the 40-bit physical addresses'],
    [1n << 64n, small, 'more than 64 bits'],
  ] as const)('0x%x is refused', (value, config, text) => {
    const error = errorOf(() => decodeTtbr(value, config));
    expect(error.code).toBe('EINVAL');
    expect(error.text).toContain(text);
    expect(error.text).toContain('ASID in bits 63:48');
  });
});

describe('the top byte', () => {
  const kernel = { half: 'ttbr1', topByteIgnore: true } as const;
  const user = { half: 'ttbr0', topByteIgnore: true } as const;

  it('is copied from bit 55', () => {
    expect(untag(kernel, 0xf4ff_8000_1234_5678n)).toBe(0xffff_8000_1234_5678n);
    expect(untag(user, 0xb400_7fff_1234_5678n)).toBe(0x0000_7fff_1234_5678n);
  });

  it('stays for the other half, and without TBI', () => {
    expect(untag(kernel, 0xb400_7fff_1234_5678n)).toBe(0xb400_7fff_1234_5678n);
    expect(untag(user, 0xf4ff_8000_1234_5678n)).toBe(0xf4ff_8000_1234_5678n);
    // What is no address of 64 bits has no tag that could be taken off: it would become another address.
    for (const none of [2n ** 64n, 2n ** 70n + 0x1234_5678n, -(2n ** 56n)]) expect(untag(user, none)).toBe(none);
    for (const none of [-1n, 2n ** 64n + 0xffff_8000_1234_5678n]) expect(untag(kernel, none)).toBe(none);
    expect(untag({ ...kernel, topByteIgnore: false }, 0xf4ff_8000_1234_5678n)).toBe(0xf4ff_8000_1234_5678n);
  });

  it('leaves canonical addresses, and what is left is canonical', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (address) => {
        const own = (address >> 55n) & 1n ? kernel : user;
        const plain = untag(own, address);
        expect(plain).toBe(BigInt.asUintN(64, BigInt.asIntN(56, address)));
        expect(untag(own, plain)).toBe(plain);
      }),
    );
  });
});
