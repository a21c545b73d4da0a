import { EntryKind, entryVal, PgtableError, ScanBuffer, scanFilter, TableMemory, VmFlags, type EntryValues, type Level, type WritableArch, type WritableOps } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { bits, d128Arch, tableOfTtbr, type D128Config, type D128Handles } from '../src/index.js';

const USER: D128Config = { half: 'ttbr0', vaBits: 48 };
const { Read, Write, Exec, Shared } = VmFlags;

function arch(config: Partial<D128Config> = {}): WritableArch<D128Handles> {
  return d128Arch({ ...USER, ...config }, new TableMemory({ entryBytes: 16 }));
}

/** What a scan says of one entry. */
function look(on: WritableArch<D128Handles>, level: Level, value: bigint): { kind: EntryKind; lo: number; hi: number; pa: number } {
  const table = on.newTable(level, 0x10_0000, true);
  table.set(1, entryVal(level, value));
  const out = new ScanBuffer(1);
  const ops: WritableOps<D128Handles, Level> = on.ops[level];
  ops.scan(table.entry(0), 1, 2, scanFilter(true), out);
  on.freeTable(table);
  return { kind: out.kind[0] as EntryKind, lo: out.lo[0]!, hi: out.hi[0]!, pa: out.pa[0]! };
}

/** A leaf as it is written by hand: the low 64 bits, then the high 64 bits. */
const entry = (high: bigint, low: bigint): bigint => (high << 64n) | low;

/*
 * Entries written out by hand from the layout in bits.ts. In the high half SKL begins at bit 45, PIIndex at bit 51, DIRTY is bit 32.
 */
describe('golden leaves', () => {
  it.each([
    // PIIndex 0b1110 (kernel RW), DIRTY; 0x12345000, AF, inner shareable, valid.
    ['a page of the kernel', 'pte', 0x1234_5000, 'kernel', Read | Write, entry(0x0070_0001_0000_0000n, 0x1234_5701n)],
    // SKL 1, PIIndex 0b1000 (kernel RX), DIRTY; nDirty.
    ['1 MiB of the kernel\'s code', 'pmd', 0x4010_0000, 'kernel', Read | Exec, entry(0x0040_2001_0000_0000n, 0x4010_0781n)],
    // SKL 2, PIIndex 0b1111 (all RW); nG, nDirty: clean until it is written.
    ['256 MiB of a process', 'pud', 0x8_0000_0000, 'user', Read | Write | Shared, entry(0x0078_4000_0000_0000n, 0x8_0000_0f81n)],
    // SKL 3, PIIndex 0b0101 (read, and users execute); address bits 55 and 36.
    ['64 GiB of a process', 'p4d', 0x80_0010_0000_0000, 'user', Read | Exec, entry(0x0028_6000_0000_0000n, 0x0080_0010_0000_0f81n)],
    // Not valid; bit 11 says present; PIIndex 0b1100.
    ['PROT_NONE', 'pte', 0x5000, 'user', 0, entry(0x0060_0000_0000_0000n, 0x5f80n)],
  ] as const)('%s', (_what, level, pa, who, flags, golden) => {
    const on = arch();
    const values: EntryValues = on.values[level];
    const made = values.mkhuge(values.ofPfn(pa / 4096, who === 'user' ? on.vmProt(flags) : on.kernelProt(flags)));
    expect(made.toString(16)).toBe(golden.toString(16));
    expect(values.pfn(made) * 4096).toBe(pa);
    const seen = look(on, level, golden);
    expect(seen.kind).toBe(flags === 0 ? EntryKind.NonPresent : EntryKind.Leaf);
    if (flags !== 0) expect([seen.pa, seen.lo >>> 0, seen.hi >>> 0]).toEqual([pa, Number(golden & 0xfffn), Number(golden >> 96n)]);
  });

  it('with 16K and 64K pages skip as many levels, of other sizes', () => {
    const sixteen = arch({ granule: 16384, vaBits: 56 });
    const sixtyFour = arch({ granule: 65536, vaBits: 56 });
    expect(sixteen.hugePages).toEqual([{ bytes: 2 ** 24, level: 'pmd', count: 1 }, { bytes: 2 ** 34, level: 'pud', count: 1 }]);
    expect(sixtyFour.hugePages).toEqual([{ bytes: 2 ** 28, level: 'pmd', count: 1 }, { bytes: 2 ** 40, level: 'pud', count: 1 }]);
    expect(look(sixteen, 'pud', entry(0x0070_4001_0000_0000n, 0xc_0000_0701n))).toMatchObject({ kind: EntryKind.Leaf, pa: 0xc_0000_0000 });
    // SKL 3 is reserved there.
    expect(look(sixteen, 'p4d', entry(0x0070_6001_0000_0000n, 0x701n)).kind).toBe(EntryKind.Bad);
  });
});

describe('golden tables', () => {
  it('have an address up to bit 55, and skip nothing', () => {
    const on = arch();
    expect(on.values.pmd.ofTable(0xff_ffff_ffff_f000, true)).toBe(0xff_ffff_ffff_f001n);
    expect(look(on, 'pmd', 0xff_ffff_ffff_f001n)).toMatchObject({ kind: EntryKind.Table, pa: 0xff_ffff_ffff_f000 });
    expect(on.values.pmd.table(entryVal('pmd', 0xff_ffff_ffff_f001n))).toBe(0xff_ffff_ffff_f000);
  });

  it('at level -1 are all there is', () => {
    expect(look(arch(), 'pgd', 0x1001n).kind).toBe(EntryKind.Table);
    for (const skips of [1n, 2n, 3n]) expect(look(arch(), 'pgd', (skips << 109n) | 0x1001n).kind).toBe(EntryKind.Bad);
    expect(arch().values.pgd.features.has('leaf')).toBe(false);
  });
});

describe('bad entries', () => {
  it.each([
    ['a page that skips', 'pte', (1n << 109n) | 0x1701n],
    ['a block that skips too far', 'pmd', (2n << 109n) | 0x701n],
    ['a table that skips one level of two', 'pud', (1n << 109n) | 0x1001n],
  ] as const)('%s', (_what, level, value) => {
    expect(look(arch(), level, value).kind).toBe(EntryKind.Bad);
    const values: EntryValues = arch().values[level];
    expect(values.bad(entryVal(level, value))).toBe(true);
  });

  it('an address beyond TCR_EL1.IPS', () => {
    expect(look(arch({ paBits: 48 }), 'pte', 0x1_0000_0000_0701n).kind).toBe(EntryKind.Bad);
    expect(look(arch({ paBits: 48 }), 'pte', 0xffff_ffff_f701n).kind).toBe(EntryKind.Leaf);
    expect(look(arch({ paBits: 48 }), 'pmd', 0x1_0000_0000_0001n).kind).toBe(EntryKind.Bad);
  });

  it('nothing that the hardware ignores: address bits of a block below its size, RES0 and software\'s bits', () => {
    const ignored = (3n << 125n) | (3n << 119n) | (0xffn << 101n) | ((0xf_ffff_ffff_ffffn << 56n) & ~bits.BUSY);
    expect(look(arch(), 'pmd', (1n << 109n) | ignored | 0x401f_f703n)).toMatchObject({ kind: EntryKind.Leaf, pa: 0x4010_0000 });
  });
});

describe('swap entries', () => {
  it('are in the low 64 bits', () => {
    const on = arch();
    const value = on.values.pte.swpMkexclusive(on.values.pte.ofSwap(3, 5n));
    expect(value).toBe(0x50c4n);
    expect(on.decodeNonPresent('pte', value)).toEqual({ kind: 'swap', type: 3, offset: 5n, flags: ['exclusive'] });
    expect(on.decodeNonPresent('pte', 0x10n)).toEqual({ kind: 'unknown', flags: [] });
    // A row of a scan has all of it: an offset of 44 bits.
    const wide = on.values.pte.ofSwap(3, (1n << 44n) - 1n);
    const { lo, hi } = look(on, 'pte', wide);
    expect((BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)).toBe(wide);
  });

  it('are no PROT_NONE pages, which keep their frame', () => {
    const on = arch();
    const none = on.values.pmd.mkhuge(on.values.pmd.ofPfn(0x500, on.vmProt(0)));
    expect(on.decodeNonPresent('pmd', none)).toMatchObject({ kind: 'protected', pa: 0x50_0000n });
    // The kernel's own pages are never swapped.
    expect(arch({ half: 'ttbr1' }).decodeNonPresent('pte', 0x50c0n)).toMatchObject({ kind: 'protected', pa: 0x5000n });
  });
});

describe('attributes', () => {
  const described = (value: bigint, level: Level = 'pte', config: Partial<D128Config> = {}) => {
    const on = arch(config);
    const { lo, hi } = look(on, level, value);
    return on.describe(level, lo, hi, 0);
  };

  it('name every field', () => {
    // NS, POIndex 9, PIIndex 13, Protected, GP, Contiguous, SKL 1, the marks of software; nG, AF, outer shareable, nDirty, nT, AttrIndx 10.
    const value = (1n << 127n) | (9n << 121n) | (13n << 115n) | (1n << 114n) | (1n << 113n) | (1n << 111n) | (1n << 109n) | (7n << 96n) | 0xee9n;
    expect(described(value, 'pmd').flags).toEqual([
      'VALID', 'ATTRINDX(10)', 'NT', 'NDIRTY', 'OSH', 'AF', 'NG', 'DIRTY', 'SPECIAL', 'UFFD_WP', 'SKL(1)', 'CONT', 'GP', 'PROTECTED', 'PIINDEX(13)', 'POINDEX(9)', 'NS',
    ]);
    expect(described(value, 'pmd')).toMatchObject({ group: 16, memoryType: 'ATTR10', global: false, accessed: true, dirty: true });
    expect(described((1n << 127n) | (1n << 114n) | (1n << 112n) | 0x1401n, 'pmd').flags).toEqual(['VALID', 'TABLE', 'AF', 'DISCH', 'PROTECTED', 'NSTABLE']);
  });

  it('take access from the registers, by PIIndex', () => {
    // Of PIIndex 2: the kernel may do all, processes read. Linux uses no such number.
    const value = (2n << 115n) | 0x701n;
    expect(described(value).access).toBe(0);
    expect(described(value, 'pte', { pir: 0xe00n, pire0: 0x100n }).access).toBe(1 + 2 + 4 + 8);
    // Clean: nobody may write, unless the hardware manages the dirty state.
    expect(described(value | 0x80n, 'pte', { pir: 0xe00n, pire0: 0x500n }).access).toBe(1 + 4 + 8);
    expect(described(value | 0x80n, 'pte', { pir: 0xe00n, pire0: 0x500n, hardwareDirty: true }).access).toBe(1 + 2 + 4 + 8 + 16);
  });

  it('lose a contiguous group to DisCH of the table', () => {
    const on = arch();
    const { lo, hi } = look(on, 'pte', (1n << 111n) | 0x701n);
    expect(on.describe('pte', lo, hi, 0).group).toBe(16);
    const table = look(on, 'pmd', (1n << 112n) | 0x1001n);
    expect(on.describe('pte', lo, hi, on.inherit(0, 'pmd', table.lo, table.hi)).group).toBe(1);
  });
});

describe('what the hardware notes', () => {
  it('as dirty, by clearing nDirty, outlasts write protection and other permissions', () => {
    const { values, vmProt } = { values: arch().values.pte, vmProt: (flags: number) => arch().vmProt(flags) };
    // PIIndex 15, and no DIRTY.
    const clean = entryVal('pte', (15n << 115n) | 0x1f81n);
    const written = entryVal('pte', (15n << 115n) | 0x1f01n);
    expect([values.dirty(clean), values.dirty(written)]).toEqual([false, true]);
    expect(values.wrprotect(written)).toBe((13n << 115n) | (1n << 96n) | 0x1f81n);
    expect(values.modify(written, vmProt(Read))).toBe((13n << 115n) | (1n << 96n) | 0x1f81n);
    expect(values.dirty(values.mkclean(written))).toBe(false);
    const { lo, hi } = look(arch(), 'pte', written);
    expect(arch().describe('pte', lo, hi, 0)).toMatchObject({ dirty: true, access: 1 + 2 + 8 + 16 });
  });
});

describe('root registers', () => {
  it('have address bits 55:48 in bits 87:80', () => {
    expect(tableOfTtbr((0xfen << 80n) | (5n << 48n) | 0x1234_5601n, USER)).toBe(0xfe_0000_1234_5600);
  });
});

describe('configurations', () => {
  const code = (make: () => unknown): string => {
    try {
      make();
    } catch (error) {
      if (error instanceof PgtableError) return error.code;
      throw error;
    }
    return 'none';
  };

  it('have as many levels as the address needs', () => {
    const levels = (config: Partial<D128Config>): (number | string)[] => arch(config).geometry.levels.map(({ folded, shift, entries }) => (folded ? 'folded' : `${shift}/${entries}`));
    expect(levels({ vaBits: 48 })).toEqual(['12/256', '20/256', '28/256', '36/256', '44/16']);
    expect(levels({ vaBits: 44 })).toEqual(['12/256', '20/256', '28/256', 'folded', '36/256']);
    expect(levels({ vaBits: 52 })).toEqual(['12/256', '20/256', '28/256', '36/256', '44/256']);
    expect(levels({ vaBits: 56, granule: 16384 })).toEqual(['14/1024', '24/1024', '34/1024', '44/1024', '54/4']);
    expect(levels({ vaBits: 56, granule: 65536 })).toEqual(['16/4096', '28/4096', '40/4096', 'folded', '52/16']);
  });

  it('that cannot be are refused', () => {
    expect(code(() => arch({ vaBits: 56 }))).toBe('ENOTSUP');
    expect(code(() => arch({ vaBits: 16 }))).toBe('ENOTSUP');
    expect(code(() => arch({ vaBits: 57 }))).toBe('EINVAL');
    expect(code(() => arch({ granule: 8192 as 4096 }))).toBe('EINVAL');
    expect(code(() => d128Arch(USER, new TableMemory()))).toBe('EINVAL');
    expect(code(() => arch().values.pte.mkgroup(entryVal('pte', 0x701n), 16))).toBe('EINVAL');
  });
});

describe('break-before-make', () => {
  it.each([
    ['another frame', 0x701n, 0x1701n, /output address/],
    ['another memory type', 0x701n, 0x705n, /AttrIndx/],
    ['another shareability', 0x701n, 0x601n, /shareability/],
    ['the contiguous bit', 0x701n, (1n << 111n) | 0x701n, /contiguous/],
    ['global instead of one ASID', 0xf01n, 0x701n, /ASID/],
    ['another address space', 0x701n, (1n << 127n) | 0x701n, /NS/],
    ['another PIIndex, and old', (15n << 115n) | 0x701n, (13n << 115n) | 0x301n, undefined],
  ] as const)('%s', (_what, old, value, why) => {
    const said = arch().liveChange?.('pte', entryVal('pte', old), entryVal('pte', value));
    if (why === undefined) expect(said).toBeUndefined();
    else expect(said).toMatch(why);
  });

  it('a table for a block, or another table', () => {
    const change = (old: bigint, value: bigint): string | undefined => arch().liveChange?.('pmd', entryVal('pmd', old), entryVal('pmd', value));
    expect(change((1n << 109n) | 0x701n, 0x1001n)).toMatch(/table and a block/);
    expect(change(0x1001n, 0x2001n)).toMatch(/another table/);
    expect(change(0x1001n, 0x1401n)).toBeUndefined();
  });
});
