import { describe, expect, it } from 'vitest';
import { decodeCr3, pagingMode, parseQemuNote } from '../src/index.js';
import { qemuNote } from './fake.js';

describe('pagingMode', () => {
  it.each([
    ['4-level', { cr0: 0x80050033n, cr4: 0x750ef0n }, true],
    ['5-level', { cr0: 0x80050033n, cr4: 0x751ef0n }, true],
    ['PAE', { cr0: 0x80050033n, cr4: 0x350ef0n }, false],
    ['2-level', { cr0: 0x80050033n, cr4: 0x690n }, false],
    ['4-level', {}, true],
    ['PAE', {}, false],
    ['PAE', { efer: 0x800n, cr4: 0x20n }, true],
    ['4-level', { efer: 0xd01n, cr4: 0x20n }, false],
  ] as const)('%s', (mode, registers, wide) => {
    expect(pagingMode(registers, wide).mode).toBe(mode);
  });

  it('knows NX by EFER and PSE by CR4', () => {
    expect(pagingMode({ efer: 0xd01n }, true).nx).toBe(true);
    expect(pagingMode({ efer: 0x501n }, true).nx).toBe(false);
    expect(pagingMode({}, true).nx).toBe(true);
    expect(pagingMode({ cr4: 0x10n }, false)).toEqual({ mode: '2-level', nx: false, pse: true });
    expect(pagingMode({ cr4: 0n }, false)).toEqual({ mode: '2-level', nx: false, pse: false });
  });

  it('refuses what cannot be', () => {
    expect(() => pagingMode({ cr0: 0x10n }, true)).toThrow(/paging is off/);
    expect(() => pagingMode({ cr4: 0x10n }, true)).toThrow(/needs PAE \(bit 5\)/);
  });
});

describe('decodeCr3', () => {
  it('takes the address and leaves the flags', () => {
    expect(decodeCr3({ mode: '4-level' }, 0x0291a000n)).toEqual({ table: 0x291a000, low: 0, pwt: false, pcd: false });
    expect(decodeCr3({ mode: '4-level' }, 0x80000000_02921801n)).toEqual({ table: 0x2921000, low: 0x801, pwt: false, pcd: false });
    expect(decodeCr3({ mode: '5-level' }, (3n << 61n) | 0xf_ffff_ffff_f018n)).toEqual({ table: 0xf_ffff_ffff_f000, low: 0x18, pwt: true, pcd: true });
    expect(decodeCr3({ mode: 'PAE' }, 0x1e2b360n).table).toBe(0x1e2b360);
    expect(decodeCr3({ mode: '2-level' }, 0x1e2b360n).table).toBe(0x1e2b000);
    expect(decodeCr3({ mode: '4-level', encryptionMask: 1n << 47n }, (1n << 47n) | 0x5000n).table).toBe(0x5000);
  });

  it('refuses reserved bits and says what to give', () => {
    expect(() => decodeCr3({ mode: '4-level' }, 0xffffffff82c22000n)).toThrow(/bits 60:52 are reserved/);
    expect(() => decodeCr3({ mode: 'PAE' }, 1n << 32n)).toThrow(/32 bits/);
    expect(() => decodeCr3({ mode: '4-level' }, 1n << 64n)).toThrow(/64 bits/);
    try {
      decodeCr3({ mode: '4-level' }, 0xffffffff82c22000n);
    } catch (error) {
      expect(error).toMatchObject({ code: 'EINVAL', hint: expect.stringContaining('physical address') as string });
    }
  });
});

describe('parseQemuNote', () => {
  it('finds the control registers and the mode', () => {
    expect(parseQemuNote(qemuNote({ cr3: 0x5921000n, cr4: 0x750ef0n, rip: 0x401a2en, cs: 0x33, csFlags: 0xaffb00 }))).toEqual({
      cr0: 0x80050033n, cr3: 0x5921000n, cr4: 0x750ef0n, rip: 0x401a2en, cpl: 3, longMode: true,
    });
    // 32-bit code on a 64-bit kernel, and on a 32-bit one.
    expect(parseQemuNote(qemuNote({ cr3: 0n, cr4: 0n, cs: 0x23, idt: 0xfffffe0000000000n }))?.longMode).toBe(true);
    expect(parseQemuNote(qemuNote({ cr3: 0n, cr4: 0n, cs: 0x73, idt: 0xff400000n }))?.longMode).toBe(false);
  });

  it('refuses other notes and short ones', () => {
    const note = qemuNote({ cr3: 0n, cr4: 0n });
    expect(parseQemuNote({ ...note, name: 'CORE' })).toBeUndefined();
    expect(parseQemuNote({ ...note, desc: note.desc.subarray(0, 400) })).toBeUndefined();
    expect(parseQemuNote(qemuNote({ cr3: 0n, cr4: 0n, size: 392 }))).toBeUndefined();
  });
});
