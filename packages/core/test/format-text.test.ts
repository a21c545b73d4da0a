import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hexAddress, ptdumpSize } from '../src/index.js';

describe('hexAddress', () => {
  it('prints as the kernel does', () => {
    expect(hexAddress(0)).toBe('0x0000000000000000');
    expect(hexAddress(0xffff800000000000n)).toBe('0xffff800000000000');
    expect(hexAddress(0xc0000000, 8)).toBe('0xc0000000');
  });
  it('wraps at the end of the address space', () => {
    expect(hexAddress(2 ** 64)).toBe('0x0000000000000000');
    expect(hexAddress(2n ** 32n, 8)).toBe('0x00000000');
  });
  it('is exact for page-aligned numbers', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 52n - 1n), (page) => {
        const address = page << 12n;
        expect(BigInt(hexAddress(Number(address)))).toBe(address);
      }),
    );
  });
});

describe('ptdumpSize', () => {
  // What the kernel prints: `%9lu%c`, from "KMGTPE" on x86 and arm64, from KiB.
  it.each([
    [4096, '        4K'],
    [2 ** 20, '        1M'],
    [2 ** 20 + 4096, '     1028K'],
    [2 ** 30, '        1G'],
    [1.5 * 2 ** 30, '     1536M'],
    [2 ** 40, '        1T'],
    [2 ** 47, '      128T'],
    [2 ** 50, '        1P'],
    [2 ** 60, '        1E'],
    [2 ** 63, '        8E'],
    [2 ** 63 - 2 ** 47, '  8388480T'],
  ])('%d bytes', (bytes, text) => {
    expect(ptdumpSize(bytes, 'KMGTPE', 1024)).toBe(text);
  });
  it('stops at the last unit', () => {
    expect(ptdumpSize(2 ** 50, 'KMG', 1024)).toBe('  1048576G');
    expect(ptdumpSize(2 ** 20, 'K', 1024)).toBe('     1024K');
  });
  it('goes on to the last unit for nothing at all, as the kernel does', () => {
    expect(ptdumpSize(0, 'KMGTPE', 1024)).toBe('        0E');
  });
  it('can begin at bytes', () => {
    expect(ptdumpSize(4096, 'BKMG', 1)).toBe('        4K');
  });
  it('loses nothing: number times unit is the size', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 2n ** 52n - 1n), (pages) => {
        const bytes = pages << 12n;
        const text = ptdumpSize(Number(bytes), 'KMGTPE', 1024);
        const unit = 'KMGTPE'.indexOf(text.slice(-1));
        expect(BigInt(text.slice(0, -1)) << BigInt(10 * (unit + 1))).toBe(bytes);
        expect(unit === 5 || BigInt(text.slice(0, -1)) % 1024n !== 0n).toBe(true);
      }),
    );
  });
});
