import { Access, EntryKind, entryVal, ScanBuffer, scanFilter, TableMemory, VmFlags, type Level } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { decodePgroot, trioArch } from '../src/index.js';

/*
 * Entries written by hand, from the manual's figure and never from what the code says: the laws know that your encoding is sound, only these
 * know that it is your machine's. REPLACE every line. Good ones come from the manual's examples, from a debugger on a running machine, and from a
 * dump together with the kernel's own listing of it.
 */

const { KernelRead, KernelWrite, KernelExecute, UserRead, UserWrite, UserExecute } = Access;
const arch = trioArch({}, new TableMemory());

/** How the hardware reads an entry: its kind, and its physical address if it is a leaf or a table. */
function look<L extends Level>(level: L, value: bigint): { kind: EntryKind; pa: bigint; lo: number; hi: number } {
  const instance = trioArch({}, new TableMemory());
  const table = instance.newTable(level, 0x1000, false);
  table.set(0, entryVal(level, value));
  const row = new ScanBuffer(1);
  instance.ops[level].scan(table.entry(0), 0, 1, scanFilter(true), row);
  // The cast: what a scan writes there is one of these five.
  return { kind: row.kind[0]! as EntryKind, pa: BigInt(row.pa[0]!), lo: row.lo[0]!, hi: row.hi[0]! };
}

describe('entries as the hardware reads them', () => {
  it.each<[string, Level, bigint, EntryKind, bigint]>([
    ['an empty entry', 'pte', 0n, EntryKind.None, 0n],
    ['a page', 'pte', 0x0000_0000_8020_3039n, EntryKind.Leaf, 0x8020_3000n],
    ['the highest page', 'pte', 0x0000_ffff_ffff_f001n, EntryKind.Leaf, 0xffff_ffff_f000n],
    ['a large page', 'pmd', 0x0000_0000_8020_003bn, EntryKind.Leaf, 0x8020_0000n],
    ['a page of 1 GiB', 'pgd', 0x0000_0001_4000_003bn, EntryKind.Leaf, 0x1_4000_0000n],
    ['a table', 'pmd', 0x0000_0000_8020_300dn, EntryKind.Table, 0x8020_3000n],
    ['a large page that is not aligned', 'pmd', 0x0000_0000_8020_103bn, EntryKind.Bad, 0n],
    ['H at the last level', 'pte', 0x0000_0000_8020_303bn, EntryKind.Bad, 0n],
    ['a reserved bit', 'pte', 0x0001_0000_8020_3039n, EntryKind.Bad, 0n],
    ['a dirty table', 'pmd', 0x0000_0000_8020_302dn, EntryKind.Bad, 0n],
    ['a swap entry', 'pte', 0x0000_0000_1234_1800n, EntryKind.NonPresent, 0n],
  ])('%s', (_name, level, value, kind, pa) => {
    const found = look(level, value);
    expect(found.kind).toBe(kind);
    if (kind === EntryKind.Leaf || kind === EntryKind.Table) expect(found.pa).toBe(pa);
  });
});

describe('what entries allow', () => {
  it.each<[string, Level, bigint, number]>([
    ['a page of the kernel, read-only, executable', 'pte', 0x8020_3031n, KernelRead | KernelExecute],
    ['a page of the kernel, not executable', 'pte', 0x8000_0000_8020_3035n, KernelRead | KernelWrite],
    ['a page of a user', 'pte', 0x8020_303dn, KernelRead | KernelWrite | UserRead | UserWrite | UserExecute],
  ])('%s', (_name, level, value, access) => {
    const { lo, hi } = look(level, value);
    expect(arch.describe(level, lo, hi, 0).access).toBe(access);
  });

  it('is no more than the tables above allow', () => {
    const table = look('pmd', 0x8000_0000_8020_3009n);
    const page = look('pte', 0x8020_303dn);
    expect(arch.describe('pte', page.lo, page.hi, arch.inherit(0, 'pmd', table.lo, table.hi)).access).toBe(KernelRead | UserRead);
  });

  it('is told with the names of the bits', () => {
    const { lo, hi } = look('pte', 0x8000_0000_8020_31f1n);
    expect(arch.describe('pte', lo, hi, 0)).toMatchObject({ accessed: true, dirty: true, global: true, memoryType: 'NC', flags: ['P', 'A', 'D', 'G', 'NC', 'SPECIAL', 'NX'] });
  });
});

describe('entries as the kernel makes them', () => {
  it('a shared page of a user that may be written', () => {
    const { pte } = arch.values;
    expect(pte.ofPfn(0x80203, arch.vmProt(VmFlags.Read | VmFlags.Write | VmFlags.Shared))).toBe(0x8000_0000_8020_301dn);
  });
  it('a large page of the kernel', () => {
    const { pmd } = arch.values;
    expect(pmd.mkhuge(pmd.ofPfn(0x80200, arch.kernelProt(VmFlags.Read | VmFlags.Exec)))).toBe(0x8020_0073n);
  });
  it('a table for users, and one for the kernel', () => {
    expect([arch.values.pmd.ofTable(0x8020_3000, true), arch.values.pmd.ofTable(0x8020_3000, false)]).toEqual([0x8020_300dn, 0x8020_3005n]);
  });
  it('swap, PROT_NONE and migration', () => {
    expect(arch.values.pte.ofSwap(3, 0x1234n)).toBe(0x1234_1800n);
    expect(arch.decodeNonPresent('pte', 0x1234_1c00n)).toEqual({ kind: 'swap', type: 3, offset: 0x1234n, flags: ['exclusive'] });
    expect(arch.decodeNonPresent('pmd', 0x8020_020an)).toMatchObject({ kind: 'protected', pa: 0x8020_0000n });
    expect(arch.decodeNonPresent('pte', 0x80n)).toEqual({ kind: 'unknown', flags: ['NC'] });
  });
});

describe('the root register', () => {
  it('is taken apart', () => {
    expect(decodePgroot(0x0007_0000_8020_0000n)).toEqual({ asid: 7, table: 0x8020_0000 });
  });
  it('is refused if it cannot be one', () => {
    expect(() => decodePgroot(0x8020_0001n)).toThrow('pgroot 0x80200001 cannot be a root register');
  });
});
