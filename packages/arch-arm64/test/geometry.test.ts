import { isPgtableError } from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arm64Geometry, arm64Root, resolveConfig, variantOf, type Arm64Config } from '../src/index.js';

const shape = (config: Omit<Arm64Config, 'half'>): string =>
  [...arm64Geometry(resolveConfig({ half: 'ttbr0', ...config })).levels]
    .reverse()
    .filter(({ folded }) => !folded)
    .map(({ title, shift, entries }) => `${title} ${shift}/${entries}`)
    .join(' ');

describe('levels', () => {
  it.each([
    [4096, 36, 'PGD 30/64 PMD 21/512 PTE 12/512'],
    [4096, 39, 'PGD 30/512 PMD 21/512 PTE 12/512'],
    [4096, 42, 'PGD 39/8 PUD 30/512 PMD 21/512 PTE 12/512'],
    [4096, 47, 'PGD 39/256 PUD 30/512 PMD 21/512 PTE 12/512'],
    [4096, 48, 'PGD 39/512 PUD 30/512 PMD 21/512 PTE 12/512'],
    [4096, 52, 'PGD 48/16 P4D 39/512 PUD 30/512 PMD 21/512 PTE 12/512'],
    [16384, 36, 'PGD 25/2048 PTE 14/2048'],
    [16384, 47, 'PGD 36/2048 PMD 25/2048 PTE 14/2048'],
    [16384, 48, 'PGD 47/2 PUD 36/2048 PMD 25/2048 PTE 14/2048'],
    [16384, 52, 'PGD 47/32 PUD 36/2048 PMD 25/2048 PTE 14/2048'],
    [65536, 42, 'PGD 29/8192 PTE 16/8192'],
    [65536, 48, 'PGD 42/64 PMD 29/8192 PTE 16/8192'],
    [65536, 52, 'PGD 42/1024 PMD 29/8192 PTE 16/8192'],
  ] as const)('%i-byte pages, %i bits', (granule, vaBits, want) => {
    expect(shape({ granule, vaBits })).toBe(want);
  });

  it('translate exactly the address size, and fold under the pgd', () => {
    fc.assert(
      fc.property(fc.constantFrom(4096 as const, 16384 as const, 65536 as const), fc.integer({ min: 36, max: 52 }), (granule, vaBits) => {
        const { levels } = arm64Geometry(resolveConfig({ half: 'ttbr1', granule, vaBits }));
        expect(2 ** levels[4].shift * levels[4].entries).toBe(2 ** vaBits);
        let below = levels[0];
        expect(2 ** below.shift).toBe(granule);
        for (const level of levels.slice(1)) {
          if (level.folded) expect([level.shift, level.entries]).toEqual([levels[4].shift, 1]);
          else expect(level.shift).toBe(below.shift + Math.log2(granule / 8));
          if (!level.folded) below = level;
        }
      }),
    );
  });
});

describe('roots', () => {
  it('have canonical windows', () => {
    expect(arm64Root({ half: 'ttbr0', granule: 4096, vaBits: 48 }, 0x1000).windows).toEqual([{ start: 0, end: 2 ** 48, index: 0, half: 'user' }]);
    expect(arm64Root({ half: 'ttbr1', granule: 4096, vaBits: 52 }, 0x1000)).toEqual({
      table: 0x1000, top: 'pgd', first: 0, end: 16, inherited: 0, windows: [{ start: 2 ** 64 - 2 ** 52, end: 2 ** 64, index: 0, half: 'kernel' }],
    });
  });
});

describe('configurations', () => {
  it('have names', () => {
    const name = (config: Omit<Arm64Config, 'half'>): string => variantOf(resolveConfig({ half: 'ttbr0', ...config }));
    expect(name({ granule: 4096, vaBits: 48 })).toBe('4K granule, 48-bit');
    expect(name({ granule: 16384, vaBits: 52 })).toBe('16K granule, 52-bit, LPA2');
    expect(name({ granule: 65536, vaBits: 52 })).toBe('64K granule, 52-bit, LPA');
    expect(name({ granule: 65536, vaBits: 48, paBits: 48, littleEndian: false })).toBe('64K granule, 48-bit, big-endian');
  });

  it.each([
    [{ granule: 8192 as 4096, vaBits: 48 }, 'EINVAL'],
    [{ granule: 4096, vaBits: 53 }, 'EINVAL'],
    [{ granule: 4096, vaBits: 52, lpa2: false }, 'EINVAL'],
    [{ granule: 65536, vaBits: 52, lpa2: true }, 'EINVAL'],
    [{ granule: 4096, vaBits: 48, paBits: 52 }, 'EINVAL'],
    [{ granule: 65536, vaBits: 29 }, 'ENOTSUP'],
    [{ granule: 4096, vaBits: 47.5 }, 'EINVAL'],
  ] as const)('that no processor has are refused: %j', (config, code) => {
    let caught: unknown;
    try {
      resolveConfig({ half: 'ttbr0', ...config });
    } catch (error) {
      caught = error;
    }
    expect(isPgtableError(caught) && caught.code).toBe(code);
  });
});

describe('a root table', () => {
  const config = { half: 'ttbr0', granule: 4096 } as const;

  it.each([
    ['within a page', { ...config, vaBits: 48 }, 0x1010],
    ['of 16 entries, at 64 bytes', { ...config, vaBits: 52 }, 0x1040],
    ['below 0', { ...config, vaBits: 48 }, -4096],
    ['no whole number', { ...config, vaBits: 48 }, 0.5],
    ['beyond 48 bits', { ...config, vaBits: 48 }, 2 ** 48],
    ['beyond all numbers', { ...config, vaBits: 48 }, NaN],
  ] as const)('that no register can hold is refused: %s', (_what, shape, table) => {
    expect(() => arm64Root(shape, table)).toThrow(/no address of a top table/);
  });

  it('is as small as it may be', () => {
    expect(arm64Root({ ...config, vaBits: 36 }, 0x1200).end).toBe(64);
    expect(arm64Root({ ...config, vaBits: 52 }, 0x1080).end).toBe(16);
  });
});
