import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entryFormat, EntryKind, leafAddress, NEVER_VALID, ScanBuffer, scanFilter, scanWords, tableAddress } from './all.js';

describe('entryFormat', () => {
  it('has the documented defaults', () => {
    expect(entryFormat({ validMask: 1, validValue: 1, bytes: 4096 })).toEqual({
      validMask: 1, validValue: 1, tableMask: 0, tableValue: 1, leafMask: 0, leafValue: 0,
      reservedTableLo: 0, reservedTableHi: 0, reservedLeafLo: 0, reservedLeafHi: 0,
      forbiddenLo: 0, forbiddenLoValue: 1, forbiddenHi: 0, forbiddenHiValue: 1, emptyLo: 0, emptyHi: 0,
      leafPaLo: 0, leafPaHi: 0, tablePaLo: 0, tablePaHi: 0, paShift: 0, paScale: 1, highLo: 0, highShift: 0, highBit: 0, tableHighLo: 0,
      bytes: 4096, napotHi: 0,
    });
  });
  it('takes masks signed and unsigned, and keeps them signed', () => {
    const unsigned = entryFormat({ validMask: 0x8000_0001, validValue: 0x8000_0001, leafPaLo: 0xffff_f000, bytes: 1 });
    const signed = entryFormat({ validMask: 0x8000_0001 | 0, validValue: 0x8000_0001 | 0, leafPaLo: ~0xfff, bytes: 1 });
    expect(unsigned).toEqual(signed);
    expect(unsigned.leafPaLo).toBe(-4096);
  });
  it('gives every format one shape, in one order of properties', () => {
    const bare = entryFormat({ validMask: 1, validValue: 1, bytes: 1 });
    const full = entryFormat({ napotHi: 1, bytes: 1, highLo: 3, paShift: 2, validValue: 1, validMask: 1, tableHighLo: 0 });
    expect(Object.keys(full)).toEqual(Object.keys(bare));
    expect(Object.keys(NEVER_VALID)).toEqual(Object.keys(bare));
  });
  it('lets tables have the high address bits of leaves, unless they say otherwise', () => {
    expect(entryFormat({ validMask: 1, validValue: 1, bytes: 1, highLo: 0xf000 }).tableHighLo).toBe(0xf000);
    expect(entryFormat({ validMask: 1, validValue: 1, bytes: 1, highLo: 0xf000, tableHighLo: 0 }).tableHighLo).toBe(0);
  });
});

describe('addresses of entries', () => {
  it('take high bits from the low word: arm64 with 64 KiB pages and LPA', () => {
    const format = entryFormat({
      validMask: 1, validValue: 1, bytes: 65536, leafPaLo: 0xffff_0000, leafPaHi: 0xffff, tablePaLo: 0xffff_0000, tablePaHi: 0xffff,
      highLo: 0xf000, highShift: 12, highBit: 48,
    });
    const lo = 0x1234_a003 | 0;
    expect(leafAddress(format, lo, 0x0040_beef)).toBe(0xa_beef_1234_0000);
    expect(tableAddress(format, lo, 0x0040_beef)).toBe(0xa_beef_1234_0000);
  });
  it('take high bits for leaves alone: x86 PSE-36', () => {
    const format = entryFormat({
      validMask: 1, validValue: 1, bytes: 2 ** 22, leafPaLo: 0xffc0_0000, tablePaLo: 0xffff_f000, highLo: 0x1e000, highShift: 13, highBit: 32, tableHighLo: 0,
    });
    expect(leafAddress(format, 0x8040_0000 | 0x1e081 | 0, 0)).toBe(0xf_8040_0000);
    expect(tableAddress(format, 0x8041_e001 | 0, 0)).toBe(0x8041_e000);
  });
  it('are shifted where the page number stands low: riscv', () => {
    const format = entryFormat({ validMask: 1, validValue: 1, bytes: 4096, leafPaLo: 0xffff_fc00, leafPaHi: 0x3f_ffff, paShift: 2 });
    expect(leafAddress(format, 0xffff_fcff | 0, 0x003f_ffff)).toBe(2 ** 56 - 4096);
  });
  it('agree with bigints for any masks and entry', () => {
    const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(word, word, word, fc.integer({ min: 0, max: 0x1f_ffff }), (lo, hi, paLo, paHi) => {
        const format = entryFormat({ validMask: 1, validValue: 1, bytes: 4096, leafPaLo: paLo, leafPaHi: paHi, tablePaLo: paLo, tablePaHi: paHi });
        const entry = (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
        const mask = (BigInt(paHi) << 32n) | BigInt(paLo >>> 0);
        expect(BigInt(leafAddress(format, lo, hi))).toBe(entry & mask);
        expect(BigInt(tableAddress(format, lo, hi))).toBe(entry & mask);
      }),
    );
  });
});

describe('NEVER_VALID', () => {
  it('has no valid entry', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (lo, hi) => {
        const out = new ScanBuffer(4);
        expect(scanWords(Int32Array.of(lo, hi), 0, 2, 0, 0, 1, NEVER_VALID, scanFilter(true), out)).toBe(1);
        expect(out.kind[0]).toBe(lo === 0 && hi === 0 ? EntryKind.None : EntryKind.NonPresent);
      }),
    );
  });
});
