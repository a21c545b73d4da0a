import { Access, EntryKind, entryVal, geometryOf, LEVELS, PgtableError, ScanBuffer, scanFilter, TableMemory, VmFlags, type EntryVal, type Level } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { CACHED_WINDOW, decodePgd, LAYOUTS, loongarchArch, loongarchGeometry, loongarchRoot, loongarchWindow, type LoongarchLayout } from '../src/index.js';
import { invalidTables } from './support.js';

/* Entries written by hand, from the manual's fields and the kernel's definitions, and never from what the code says. */

const { KernelRead, KernelWrite, KernelExecute, UserRead, UserWrite, UserExecute } = Access;
const { Read, Write, Exec, Shared } = VmFlags;
const NR = 1n << 61n;
const NX = 1n << 62n;
const RPLV = 1n << 63n;
const make = (layout: LoongarchLayout): ReturnType<typeof loongarchArch> => loongarchArch({ layout, invalidTables: invalidTables(layout) }, new TableMemory());
const arch = make('4KB_4LEVEL');

interface Look {
  readonly kind: EntryKind;
  readonly pa: number;
  readonly lo: number;
  readonly hi: number;
}

/** How the hardware reads entries that stand side by side in a table. */
function rows<L extends Level>(layout: LoongarchLayout, level: L, values: readonly bigint[]): (Look & { readonly length: number })[] {
  const instance = make(layout);
  const table = instance.newTable(level, 0x8000_0000, false);
  values.forEach((value, at) => { table.set(at, entryVal(level, value)); });
  const out = new ScanBuffer(values.length);
  instance.ops[level].scan(table.entry(0), 0, values.length, scanFilter(true), out);
  // The cast: what a scan writes there is one of these five.
  return Array.from({ length: out.count }, (_, row) => ({ kind: out.kind[row]! as EntryKind, pa: out.pa[row]!, lo: out.lo[row]!, hi: out.hi[row]!, length: out.length[row]! }));
}
const look = (layout: LoongarchLayout, level: Level, value: bigint): Look => rows(layout, level, [value])[0]!;

describe('entries as the hardware reads them', () => {
  const { None, NonPresent, Leaf, Table, Bad } = EntryKind;
  it.each<[string, LoongarchLayout, Level, bigint, EntryKind, number]>([
    ['an empty page-table entry', '4KB_4LEVEL', 'pte', 0n, None, 0],
    ['an empty one of the kernel: G alone', '4KB_4LEVEL', 'pte', 0x40n, None, 0],
    ['a page', '4KB_4LEVEL', 'pte', 0x0000_0000_8020_31d3n, Leaf, 0x8020_3000],
    ['the highest page', '4KB_4LEVEL', 'pte', 0x0000_ffff_ffff_f011n, Leaf, 0xffff_ffff_f000],
    ['a page of 16 KiB, whose bits 13:12 do not count', '16KB_3LEVEL', 'pte', 0x0000_0000_8020_7191n, Leaf, 0x8020_4000],
    ['a page with bits that the walk ignores', '4KB_4LEVEL', 'pte', 0x1fff_0000_8020_3f91n, Leaf, 0x8020_3000],
    ['an old page: P and no V', '4KB_4LEVEL', 'pte', 0x8020_3190n, NonPresent, 0],
    ['MAT 3', '4KB_4LEVEL', 'pte', 0x8020_31b1n, Bad, 0],
    ['a huge page of 2 MiB, global', '4KB_4LEVEL', 'pmd', 0x8020_11d3n, Leaf, 0x8020_0000],
    ['a huge page of 32 MiB', '16KB_3LEVEL', 'pmd', 0x8200_01d3n, Leaf, 0x8200_0000],
    ['a huge page of 512 MiB', '64KB_2LEVEL', 'pgd', 0xa000_01d3n, Leaf, 0xa000_0000],
    ['a huge page of 1 GiB', '4KB_4LEVEL', 'pud', 0x1_4000_01d3n, Leaf, 0x1_4000_0000],
    ['a huge page of 512 GiB', '4KB_4LEVEL', 'pgd', 0x0080_0000_01d3n, Leaf, 0x80_0000_0000],
    ['the same, whose address bits below that do not count', '4KB_4LEVEL', 'pgd', 0x00ff_0000_01d3n, Leaf, 0x80_0000_0000],
    ['a huge page without V', '4KB_4LEVEL', 'pmd', 0x8020_01d0n, NonPresent, 0],
    ['a table, by the kernel\'s pointer', '4KB_4LEVEL', 'pmd', 0x9000_0000_8020_3000n, Table, 0x8020_3000],
    ['a table, by its physical address', '4KB_4LEVEL', 'pmd', 0x8020_3000n, Table, 0x8020_3000],
    ['an address that is no table\'s', '4KB_4LEVEL', 'pmd', 0x9000_0000_8020_3001n, Bad, 0],
    ['the same of 16 KiB', '16KB_3LEVEL', 'pmd', 0x9000_0000_8020_3000n, Bad, 0],
    ['the table that maps nothing', '4KB_4LEVEL', 'pmd', 0x9000_1234_567b_0000n, None, 0],
    ['the same by its physical address', '4KB_4LEVEL', 'pmd', 0x1234_567b_0000n, None, 0],
    ['zero', '4KB_4LEVEL', 'pmd', 0n, None, 0],
    ['the table of ptes that maps nothing, two levels up', '4KB_4LEVEL', 'pud', 0x9000_1234_567b_0000n, Table, 0x1234_567b_0000],
    ['the table of pmds that maps nothing', '4KB_4LEVEL', 'pud', 0x9000_1234_567c_0000n, None, 0],
    ['the table of puds that maps nothing', '4KB_4LEVEL', 'pgd', 0x9000_1234_567d_0000n, None, 0],
    ['with three levels it is the table of pmds', '16KB_3LEVEL', 'pgd', 0x9000_1234_567c_0000n, None, 0],
    ['with two levels it is the table of ptes', '16KB_2LEVEL', 'pgd', 0x9000_1234_567b_0000n, None, 0],
  ])('%s (%s, %s)', (_name, layout, level, value, kind, pa) => {
    expect(look(layout, level, value)).toMatchObject({ kind, pa });
  });

  it('in runs: both empty entries, then pages, then a swap entry', () => {
    const values = [0n, 0n, 0x40n, 0x8020_3191n, 0x8020_4191n, 0x8020_6191n, 0x0100_0000n, 0n];
    expect(rows('4KB_4LEVEL', 'pte', values).map(({ kind, length, pa }) => [kind, length, pa])).toEqual([
      // Entries of a kernel's table are set to G where they are empty.
      [None, 3, 0], [Leaf, 2, 0x8020_3000], [Leaf, 1, 0x8020_6000], [NonPresent, 1, 0], [None, 1, 0],
    ]);
  });

  it('in runs of directories: every table a row', () => {
    const nothing = 0x9000_1234_567b_0000n;
    const values = [nothing, nothing, 0x9000_0000_8020_3000n, 0x9000_0000_8020_3000n, 0x8020_00d3n, 0x8040_00d3n, nothing];
    expect(rows('4KB_4LEVEL', 'pmd', values).map(({ kind, length, pa }) => [kind, length, pa])).toEqual([
      [None, 2, 0], [Table, 1, 0x8020_3000], [Table, 1, 0x8020_3000], [Leaf, 2, 0x8020_0000], [None, 1, 0],
    ]);
  });
});

describe('what entries allow', () => {
  const kernel = KernelRead | KernelWrite | KernelExecute;
  const user = UserRead | UserWrite | UserExecute;
  it.each<[string, bigint, number]>([
    ['the kernel\'s PAGE_KERNEL: V, D, CC, G, P, W', 0x1d3n, kernel],
    ['the same, not executable', 0x1d3n | NX, KernelRead | KernelWrite],
    ['the same, not readable', 0x1d3n | NR, KernelWrite | KernelExecute],
    ['a user\'s: the kernel may do the same', 0x19fn, kernel | user],
    ['a user\'s alone', 0x19fn | RPLV, user],
    ['a user\'s, read-only', 0x09dn | NX, KernelRead | UserRead],
    ['a user\'s, clean: the first store sets D', 0x19dn | NX, KernelRead | KernelWrite | UserRead | UserWrite],
    ['D without W, which the TLB does not look at', 0xd3n, kernel],
    ['PLV 1', 0x1d7n, kernel],
    ['PLV 1 alone', 0x1d7n | RPLV, 0],
    ['PLV 0 alone', 0x1d3n | RPLV, kernel],
  ])('%s', (_name, flags, access) => {
    const { lo, hi } = look('4KB_4LEVEL', 'pte', 0x8020_3000n | flags);
    expect(arch.describe('pte', lo, hi, 0).access).toBe(access);
  });

  it('is told with the names of the bits', () => {
    const page = look('4KB_4LEVEL', 'pte', 0x8020_3bd3n | NX | (1n << 59n));
    expect(arch.describe('pte', page.lo, page.hi, 0)).toMatchObject({
      accessed: true, dirty: true, global: true, memoryType: 'CC', group: 1, flags: ['V', 'D', 'PLV0', 'G', 'P', 'W', 'MODIFIED', 'SPECIAL', 'DEVMAP', 'NX'],
    });
    const huge = look('4KB_4LEVEL', 'pmd', 0x8020_11edn);
    expect(arch.describe('pmd', huge.lo, huge.hi, 0)).toMatchObject({ accessed: true, dirty: false, global: true, memoryType: 'WUC', flags: ['V', 'PLV3', 'H', 'P', 'W', 'G'] });
    const local = look('4KB_4LEVEL', 'pmd', 0x8020_01c1n);
    expect(arch.describe('pmd', local.lo, local.hi, 0)).toMatchObject({ global: false, memoryType: 'SUC' });
    const table = look('4KB_4LEVEL', 'pmd', 0x9000_0000_8020_3000n);
    expect(arch.describe('pmd', table.lo, table.hi, 0)).toEqual({
      access: kernel | user, accessed: undefined, dirty: undefined, global: false, memoryType: '', group: 1, flags: [],
    });
  });
});

describe('entries as the kernel makes them', () => {
  const { pte, pmd, pud } = arch.values;
  const protection = (flags: number): bigint => arch.vmProt(flags);

  it('protections are those of protection_map and PAGE_KERNEL', () => {
    expect(protection(0)).toBe(0x41cn | (1n << 10n) | NX | NR);
    expect(protection(Shared)).toBe(protection(0));
    expect(protection(Read)).toBe(0x9dn | NX);
    expect(protection(Read | Write)).toBe(0x9dn | NX);
    expect(protection(Read | Write | Shared)).toBe(0x19dn | NX);
    expect(protection(Write | Shared)).toBe(0x19dn | NX);
    expect(protection(Exec)).toBe(0x9dn);
    expect(protection(Read | Write | Exec | Shared)).toBe(0x19dn);
    expect(arch.kernelProt(Read | Write | Exec)).toBe(0x1d3n);
    expect(arch.kernelProt(Read)).toBe(0xd1n | NX);
  });

  it('pages and huge pages: G moves to bit 12 where bit 6 is H', () => {
    expect(pte.ofPfn(0x80203, arch.vmProt(Read | Write | Shared))).toBe(0x8020_319dn | NX);
    const plain = pmd.ofPfn(0x80200, arch.kernelProt(Read | Write | Exec));
    expect(plain).toBe(0x8020_1193n);
    const huge = pmd.mkhuge(plain);
    expect(huge).toBe(0x8020_11d3n);
    expect([pmd.mkhuge(huge), pmd.pfn(huge), pmd.ofPfn(pmd.pfn(huge), pmd.prot(huge))]).toEqual([huge, 0x80200, huge]);
    // A huge page's protection is that of the pages that it is split into.
    expect(pte.ofPfn(0x80200, (pmd.prot(huge) & ((1n << 64n) - 1n)) as ReturnType<typeof pmd.prot>)).toBe(0x8020_01d3n);
    expect(pmd.prot(0x8020_01d1n as EntryVal<'pmd'>) & 0x40n).toBe(0n);
  });

  it('dirty outlasts what makes a page read-only or invalid', () => {
    const dirty = entryVal('pte', 0x8020_31d3n);
    expect(pte.wrprotect(dirty)).toBe(0x8020_32d1n);
    expect(pte.mkwrite(pte.wrprotect(dirty))).toBe(0x8020_33d3n);
    expect(pte.mkclean(dirty)).toBe(0x8020_31d1n);
    expect(pte.modify(entryVal('pte', 0x8020_319fn), arch.vmProt(Read))).toBe(0x8020_329dn | NX);
    expect(pmd.mkinvalid(entryVal('pmd', 0x8020_01dfn))).toBe(0x8020_035cn | (1n << 60n));
  });

  it('an old page stays old when its protection changes, and one from PROT_NONE is young', () => {
    expect(pte.modify(entryVal('pte', 0x8020_319cn), arch.vmProt(Read))).toBe(0x8020_309cn | NX);
    // Whose page it is stays, whatever the new protection says (_PAGE_CHG_MASK).
    expect(pte.modify(entryVal('pte', 0x8020_319dn), arch.kernelProt(Read | Write | Exec))).toBe(0x8020_31dfn);
    const none = pte.modify(entryVal('pte', 0x8020_319dn), arch.vmProt(0));
    expect([none, pte.protnone(none), pte.valid(none), pte.present(none)]).toEqual([0x8020_341cn | NX | NR, true, false, true]);
    expect(pte.modify(none, arch.vmProt(Read))).toBe(0x8020_309dn | NX);
  });

  it('tables, and what is none', () => {
    expect(pmd.ofTable(0x8020_3000, true)).toBe(0x9000_0000_8020_3000n);
    expect(pmd.table(entryVal('pmd', 0x9000_0000_8020_3000n))).toBe(0x8020_3000);
    expect([pte.empty, pmd.empty, pud.empty]).toEqual([0n, CACHED_WINDOW | 0x1234_567b_0000n, CACHED_WINDOW | 0x1234_567c_0000n]);
    expect([pmd.none(entryVal('pmd', 0n)), pmd.none(entryVal('pmd', 0x40n)), pte.none(entryVal('pte', 0x40n))]).toEqual([true, false, true]);
    expect([0x9000_0000_8020_3008n, 0x8020_11d3n, pmd.empty].map((value) => pmd.bad(entryVal('pmd', value)))).toEqual([true, true, false]);
    expect(pte.bad(entryVal('pte', 0x8020_31b1n))).toBe(true);
  });

  it('without tables that map nothing, an empty directory entry is zero', () => {
    const bare = loongarchArch({ layout: '16KB_3LEVEL' }, new TableMemory());
    expect(LEVELS.map((level) => bare.values[level].empty)).toEqual([0n, 0n, 0n, 0n, 0n]);
  });

  it('swap, migration, PROT_NONE, and pages that were taken away', () => {
    expect(pte.ofSwap(3, 0x1234n)).toBe(0x12_3403_0000n);
    expect(pmd.ofSwap(3, 0x1234n)).toBe(0x12_3403_0040n);
    expect(arch.decodeNonPresent('pte', 0x12_3483_0000n)).toEqual({ kind: 'swap', type: 3, offset: 0x1234n, flags: ['exclusive'] });
    // Types from the top: marker 31, migration-write 30, migration-read-exclusive 29, migration-read 28.
    expect(arch.decodeNonPresent('pte', (0x80203n << 24n) | (30n << 16n))).toMatchObject({ kind: 'migration', pa: 0x8020_3000n, writable: true });
    // Young and dirty of a migration entry stand above 36 bits of frame number: in a directory young is the bit of a page that is being split.
    expect(arch.decodeNonPresent('pmd', (1n << 60n) | (0x80200n << 24n) | (28n << 16n) | 0x40n)).toMatchObject({ kind: 'migration', pa: 0x8020_0000n, flags: ['young'] });
    expect(arch.decodeNonPresent('pmd', (1n << 60n) | 0x8020_0040n)).toMatchObject({ kind: 'protected', pa: 0x8020_0000n });
    expect(arch.decodeNonPresent('pte', 0x8020_3190n)).toEqual({ kind: 'protected', pa: 0x8020_3000n, flags: ['PLV0', 'P', 'W'] });
    expect(arch.decodeNonPresent('pte', 0x8020_3152n)).toMatchObject({ kind: 'protected', pa: 0x8020_3000n });
    expect(arch.decodeNonPresent('pmd', 0x40n)).toEqual({ kind: 'unknown', flags: ['PLV0', 'H'] });
  });

  it('huge pages are of one size', () => {
    expect(LAYOUTS.map((layout) => make(layout).hugePages)).toEqual([
      [{ bytes: 2 ** 29, level: 'pmd', count: 1 }], [{ bytes: 2 ** 29, level: 'pgd', count: 1 }], [{ bytes: 2 ** 25, level: 'pmd', count: 1 }],
      [{ bytes: 2 ** 25, level: 'pgd', count: 1 }], [{ bytes: 2 ** 21, level: 'pmd', count: 1 }], [{ bytes: 2 ** 21, level: 'pmd', count: 1 }],
    ]);
  });
});

describe('addresses', () => {
  it.each<[LoongarchLayout, number, number, number]>([
    // The layout, bytes of a half, the kernel's first entry in its root, entries of a table.
    ['4KB_3LEVEL', 2 ** 39, 0, 512],
    ['4KB_4LEVEL', 2 ** 47, 256, 512],
    ['16KB_2LEVEL', 2 ** 36, 0, 2048],
    ['16KB_3LEVEL', 2 ** 47, 0, 2048],
    ['64KB_2LEVEL', 2 ** 42, 0, 8192],
    ['64KB_3LEVEL', 2 ** 47, 8160, 8192],
  ])('of %s', (layout, bytes, index, entries) => {
    expect(geometryOf(loongarchGeometry(layout), 'pgd').entries).toBe(entries);
    expect(loongarchWindow(layout, 'user')).toEqual({ start: 0, end: bytes, index: 0, half: 'user' });
    expect(loongarchWindow(layout, 'kernel')).toEqual({ start: 2 ** 64 - 2 ** 47, end: 2 ** 64 - 2 ** 47 + bytes, index, half: 'kernel' });
    const root = { table: 0x1d4_0000, top: 'pgd', first: 0, end: entries, windows: [loongarchWindow(layout, 'user')], inherited: 0 };
    expect(loongarchRoot(layout, 0x1d4_0000, 'user')).toEqual(root);
  });

  it('that differ above the tables\' bits are one', () => {
    const untagAddress = (address: bigint): bigint | undefined => make('4KB_3LEVEL').untagAddress?.(address);
    // FIXADDR_TOP less two pages, where the kernel has its early console.
    expect(untagAddress(0xffff_ffff_fffd_e000n)).toBe(0xffff_807f_fffd_e000n);
    expect(untagAddress(0x7f_ffff_0000n)).toBe(0x7f_ffff_0000n);
    expect(untagAddress(0x80_0000_1000n)).toBe(0x1000n);
    // No address: the bits above bit 47 are not equal to it.
    expect(untagAddress(0x9000_0000_0000_0000n)).toBe(0x9000_0000_0000_0000n);
    for (const layout of ['16KB_3LEVEL', '4KB_4LEVEL', '64KB_3LEVEL'] as const) expect(make(layout).untagAddress?.(0xffff_ffff_fffd_e000n)).toBe(0xffff_ffff_fffd_e000n);
  });
});

describe('a listing', () => {
  const attributes = (level: Level, value: bigint): number[] => {
    const { lo, hi } = look('4KB_4LEVEL', level, value);
    const out = new Int32Array(2);
    arch.ptdump.attributes(EntryKind.Leaf, level, lo, hi, out);
    return [...out];
  };
  it('has G where bit 12 of a huge page says so, and not where bit 6 does', () => {
    expect(attributes('pte', 0x8020_31d3n)).toEqual([0x1d3, 0]);
    expect(attributes('pmd', 0x8020_11d3n)).toEqual([0x1d3, 0]);
    expect(attributes('pmd', 0x8020_01d3n | NX)).toEqual([0x193, 0x4000_0000]);
  });
  it('finds what is writable and executable', () => {
    expect([[0x1d3, 0], [0x1d3, 0x4000_0000], [0x0d1, 0]].map(([lo, hi]) => arch.ptdump.insecure(0, 'pte', lo!, hi!, 0))).toEqual([1, 0, 0]);
    expect(arch.ptdump.verdict({ writableExecutable: 0, userExecutable: 0 })).toBe('Checked W+X mappings: passed, no W+X pages found');
  });
  it('has the frame of a page that was taken away', () => {
    expect(make('16KB_3LEVEL').ptdump.address?.('pte', 0x8020_7190 | 0, 0x1234)).toBe(0x1234_8020_4000);
  });
});

describe('what cannot be', () => {
  const refused = (body: () => unknown): string => {
    try {
      body();
    } catch (error) {
      if (error instanceof PgtableError) return error.message;
      throw error;
    }
    return 'nothing is refused';
  };

  it('is refused with what was tried', () => {
    expect(refused(() => loongarchGeometry('8KB_3LEVEL' as LoongarchLayout))).toContain('8KB_3LEVEL is no layout');
    expect(refused(() => loongarchArch({ layout: '4KB_4LEVEL' }, new TableMemory({ entryBytes: 4 })))).toContain('entries of 8 bytes');
    expect(refused(() => loongarchArch({ layout: '16KB_3LEVEL', invalidTables: { pte: 0x10_0000 } }, new TableMemory()))).toContain('no invalid_pmd_table');
    expect(refused(() => loongarchArch({ layout: '16KB_2LEVEL', invalidTables: { pte: 0x10_0000, pmd: 0x20_0000 } }, new TableMemory()))).toContain('an invalid_pmd_table');
    expect(refused(() => loongarchArch({ layout: '16KB_2LEVEL', invalidTables: { pte: 0x1000 } }, new TableMemory()))).toContain('0x1000 cannot be');
    expect(refused(() => arch.newTable('pte', 0x1234_567b_0000, true))).toContain('maps nothing');
    expect(refused(() => decodePgd('pgdh', 0x9000_0000_01d4_2000n, '16KB_3LEVEL'))).toContain('no address of a root table with 16KB_3LEVEL');
    expect(decodePgd('pgdh', 0x9000_0000_01d4_0000n, '16KB_3LEVEL')).toBe(0x1d4_0000);
  });
});

describe('the kernel\'s empty page-table entry', () => {
  it('has G in a new table, and keeps it when a page goes', () => {
    const instance = make('4KB_4LEVEL');
    const table = instance.newTable('pte', 0x8000_0000, false);
    const mm = { user: false, tlb: { flush: (): void => undefined } };
    const entry = table.entry(5);
    expect(table.get(5)).toBe(0x40n);
    instance.ops.pte.set(mm, 0x5000n, entry, instance.values.pte.ofPfn(7, instance.kernelProt(Read)), 1);
    instance.ops.pte.clear(mm, 0x5000n, entry, 1).flush();
    expect([table.get(5), instance.values.pte.none(table.get(5))]).toEqual([0x40n, true]);
  });
  it('has nothing in a table of a process', () => {
    expect(make('4KB_4LEVEL').newTable('pte', 0x8000_0000, true).get(5)).toBe(0n);
  });
});

describe('a TLB that remembers what was not valid', () => {
  it('forgets it when the entry becomes valid, unless the processor walks itself', () => {
    const ranges: unknown[] = [];
    const mm = { user: true, tlb: { flush: (range: unknown): void => { ranges.push(range); } } };
    arch.updateMmuCache?.(mm, 0x5000n, 'pte', 2);
    expect(ranges).toEqual([{ start: 0x5000n, end: 0x7000n, level: 'pte', tables: false }]);
    expect('updateMmuCache' in loongarchArch({ layout: '4KB_4LEVEL', ptw: true }, new TableMemory())).toBe(false);
  });
});
