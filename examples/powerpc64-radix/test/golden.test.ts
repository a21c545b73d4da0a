import { Access, EntryKind, entryVal, ScanBuffer, scanFilter, TableMemory, VmFlags, type Level } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { decodePrte, powerpc64Arch } from '../src/index.js';

/*
 * Entries written by hand from the manual's figures, never from what the code says. Those marked (libre) are from the worked examples of radix walks that
 * the Libre-SOC project published for its MMU. README.md says what is known of the others.
 */

const { KernelRead, KernelWrite, KernelExecute, UserRead, UserWrite, UserExecute } = Access;
const SIZES = [4096, 65536] as const;
const arch = powerpc64Arch({}, new TableMemory());
const small = powerpc64Arch({ pageBytes: 4096 }, new TableMemory());

/** How the hardware reads an entry: its kind, and its real address if it is a leaf or a table. */
function look<L extends Level>(level: L, value: bigint, pageBytes: 4096 | 65536 = 65536): { kind: EntryKind; pa: bigint; lo: number; hi: number } {
  const instance = powerpc64Arch({ pageBytes }, new TableMemory());
  const table = instance.newTable(level, 0x10000, false);
  table.set(0, entryVal(level, value));
  const row = new ScanBuffer(1);
  instance.ops[level].scan(table.entry(0), 0, 1, scanFilter(true), row);
  // The cast: what a scan writes there is one of these five.
  return { kind: row.kind[0]! as EntryKind, pa: BigInt(row.pa[0]!), lo: row.lo[0]!, hi: row.hi[0]! };
}

describe.each(SIZES)('entries as the hardware reads them, pages of %i bytes', (pageBytes) => {
  it.each<[string, Level, bigint, EntryKind, bigint]>([
    ['an empty entry', 'pte', 0n, EntryKind.None, 0n],
    ['a page of the kernel', 'pte', 0xc000_0000_1234_018en, EntryKind.Leaf, 0x1234_0000n & -BigInt(pageBytes)],
    ['a leaf at real address 0 (libre)', 'pmd', 0xc000_0000_0000_0187n, EntryKind.Leaf, 0n],
    ['a page of 2 MiB', 'pmd', 0xc000_0000_8020_018fn, EntryKind.Leaf, 0x8020_0000n],
    ['a page of 1 GiB', 'pud', 0xc000_0001_4000_018en, EntryKind.Leaf, 0x1_4000_0000n],
    ['the highest page of 1 GiB', 'pud', 0xc1ff_ffff_c000_018en, EntryKind.Leaf, 0x1ff_ffff_c000_0000n],
    ['a large page whose lower RPN bits are set: they are ignored', 'pmd', 0xc000_0000_803f_f18fn, EntryKind.Leaf, 0x8020_0000n],
    ['a table of 512 entries (libre)', 'pgd', 0x8000_0000_0004_0009n, EntryKind.Table, 0x4_0000n],
    ['the highest table', 'pud', 0x8fff_ffff_ffff_ff09n, EntryKind.Table, 0xfff_ffff_ffff_ff00n],
    ['a leaf of 512 GiB: no processor has such pages', 'pgd', 0xc000_0000_0000_0187n, EntryKind.Bad, 0n],
    ['a root of another shape (libre)', 'pgd', 0x8000_0000_0004_0005n, EntryKind.Bad, 0n],
    ['a table below the last level', 'pte', 0x8000_0000_0005_0005n, EntryKind.Bad, 0n],
    ['an entry that was taken from the hardware', 'pmd', 0x6000_0000_8020_018fn, EntryKind.NonPresent, 0n],
    ['a swap entry', 'pte', 0x4000_0000_1234_0003n, EntryKind.NonPresent, 0n],
    ['PROT_NONE: valid', 'pte', 0xc000_0000_1234_0100n, EntryKind.Leaf, 0x1234_0000n & -BigInt(pageBytes)],
  ])('%s', (_name, level, value, kind, pa) => {
    const found = look(level, value, pageBytes);
    expect(found.kind).toBe(kind);
    if (kind === EntryKind.Leaf || kind === EntryKind.Table) expect(found.pa).toBe(pa);
  });
});

it('the last tables have 32 entries with pages of 64 KiB, else 512: NLS says so', () => {
  expect(look('pmd', 0x8000_0000_0005_0105n, 65536)).toMatchObject({ kind: EntryKind.Table, pa: 0x5_0100n });
  expect(look('pmd', 0x8000_0000_0005_0105n, 4096).kind).toBe(EntryKind.Bad);
  expect(look('pmd', 0x8000_0000_0005_1009n, 4096)).toMatchObject({ kind: EntryKind.Table, pa: 0x5_1000n });
  expect(look('pmd', 0x8000_0000_0005_1009n, 65536).kind).toBe(EntryKind.Bad);
});

it('the lowest RPN bits are a page number with pages of 4 KiB, and ignored with pages of 64 KiB', () => {
  expect(look('pte', 0xc000_0000_1234_518en, 4096).pa).toBe(0x1234_5000n);
  expect(look('pte', 0xc000_0000_1234_518en, 65536).pa).toBe(0x1234_0000n);
});

describe('what entries allow', () => {
  it.each<[string, bigint, number]>([
    ['kernel text', 0xc000_0000_0000_010dn, KernelRead | KernelExecute],
    ['kernel data', 0xc000_0000_0000_018en, KernelRead | KernelWrite],
    ['a page of a user, all rights', 0xc000_0000_0000_0187n, KernelRead | KernelWrite | KernelExecute | UserRead | UserWrite | UserExecute],
    ['a page of a user, to be executed and nothing else', 0xc000_0000_0000_0101n, KernelExecute | UserExecute],
    ['who may store may load', 0xc000_0000_0000_010an, KernelRead | KernelWrite],
    ['registers of a device, which cannot be executed', 0xc000_0000_0000_01afn, KernelRead | KernelWrite],
    ['PROT_NONE', 0xc000_0000_0000_0100n, 0],
  ])('%s', (_name, value, access) => {
    const { lo, hi } = look('pte', value);
    expect(arch.describe('pte', lo, hi, 0).access).toBe(access);
  });

  it('is told with the names of the bits', () => {
    const { lo, hi } = look('pte', 0xc000_0000_1234_07aen);
    expect(arch.describe('pte', lo, hi, 0)).toMatchObject({
      accessed: true, dirty: true, global: false, memoryType: 'non-idempotent I/O', flags: ['WRITE', 'READ', 'PRIVILEGED', 'NI', 'C', 'R', 'SOFT_DIRTY', 'SPECIAL', 'L', 'V'],
    });
    const table = look('pgd', 0x8000_0000_0004_0009n);
    expect(arch.describe('pgd', table.lo, table.hi, 0)).toMatchObject({ accessed: undefined, dirty: undefined, memoryType: '', flags: ['NLS=9', 'V'] });
  });
});

describe('entries as the kernel makes them', () => {
  it('a shared page of a user that may be written', () => {
    expect(arch.values.pte.ofPfn(0x1234, arch.vmProt(VmFlags.Read | VmFlags.Write | VmFlags.Shared))).toBe(0xc000_0000_1234_0106n);
    expect(small.values.pte.ofPfn(0x12345, small.vmProt(VmFlags.Read | VmFlags.Write))).toBe(0xc000_0000_1234_5104n);
  });
  it('a large page of the kernel', () => {
    // Frame 32 of 64 KiB, frame 512 of 4 KiB: both are 2 MiB.
    for (const [one, frame] of [[arch, 32], [small, 512]] as const) {
      const { pmd } = one.values;
      expect(pmd.mkhuge(pmd.ofPfn(frame, one.kernelProt(VmFlags.Read | VmFlags.Exec)))).toBe(0xc000_0000_0020_010dn);
    }
  });
  it('a table, the same for users and the kernel', () => {
    expect([true, false].map((user) => arch.values.pmd.ofTable(0x5_0100, user))).toEqual([0x8000_0000_0005_0105n, 0x8000_0000_0005_0105n]);
    expect(small.values.pmd.ofTable(0x5_1000, true)).toBe(0x8000_0000_0005_1009n);
    expect(arch.values.pgd.ofTable(0x4_0000, true)).toBe(0x8000_0000_0004_0009n);
  });
  it('swap, migration and what is taken from the hardware', () => {
    expect(arch.values.pte.ofSwap(3, 0x1234n)).toBe(0x4000_0000_1234_0003n);
    expect(small.values.pte.ofSwap(3, 0x1234n)).toBe(0x4000_0000_0123_4003n);
    expect(arch.decodeNonPresent('pte', 0x4000_0000_1234_0023n)).toEqual({ kind: 'swap', type: 3, offset: 0x1234n, flags: ['exclusive'] });
    expect(arch.decodeNonPresent('pmd', 0x6000_0000_8020_018fn)).toMatchObject({ kind: 'protected', pa: 0x8020_0000n });
    expect(arch.decodeNonPresent('pte', 0x80n)).toEqual({ kind: 'unknown', flags: ['C'] });
  });
  it('a table whose reserved bits are set is bad to the kernel, and a table to the hardware', () => {
    for (const value of [0x8000_0000_0004_0029n, 0xa000_0000_0004_0009n]) {
      expect(arch.values.pud.bad(entryVal('pud', value))).toBe(true);
      expect(look('pud', value).kind).toBe(EntryKind.Table);
    }
    expect(arch.values.pud.bad(entryVal('pud', 0x8000_0000_0004_0009n))).toBe(false);
  });
  it('what is dirty is soft-dirty, and memory of a device special', () => {
    const { pte } = arch.values;
    const page = pte.ofPfn(0x1234, arch.vmProt(VmFlags.Read));
    expect([pte.softDirty(pte.mkdirty(page)), pte.special(pte.mkdevmap(page))]).toEqual([true, true]);
  });
  it('an empty entry may have R and C, which a processor noted too late', () => {
    expect(arch.values.pte.none(entryVal('pte', 0x180n))).toBe(true);
  });
  it('a live entry keeps its address', () => {
    const change = (value: bigint): string | undefined => arch.liveChange?.('pmd', entryVal('pmd', 0xc000_0000_8020_018en), entryVal('pmd', value));
    expect(change(0xc000_0000_8020_010cn)).toBeUndefined();
    expect(change(0x6000_0000_8020_018en)).toBeUndefined();
    expect(change(0xc000_0000_8040_018en)).toContain('real address');
    expect(change(0xc000_0000_8020_01aen)).toContain('Att');
    expect(change(0x8000_0000_8020_0005n)).toContain('table');
  });
});

describe('the process table', () => {
  it('an entry is taken apart (libre)', () => {
    expect(decodePrte(0x4000_0000_0003_00adn)).toEqual({ table: 0x3_0000, bits: 52, size: 13 });
  });
  it('an entry of another tree is refused (libre)', () => {
    expect(() => decodePrte(0x4000_0000_0003_00acn)).toThrow('prte 0x40000000000300ac cannot be an entry');
  });
});
