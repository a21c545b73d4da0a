import { describe, expect, it } from 'vitest';
import { EntryKind, Insecure, TableMemory, type Level, type PtdumpStyle } from '@pgtable/core';
import { Forbids, x86Arch, x86Root, type PagingMode } from '../src/index.js';

const style = (mode: PagingMode = '4-level', encryptionMask = 0n): PtdumpStyle => x86Arch({ mode, encryptionMask }, new TableMemory({ entryBytes: mode === '2-level' ? 4 : 8 })).ptdump;
const words = (value: bigint): [number, number] => [Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n))];

function line(start: bigint, end: bigint, level: Level, value: bigint, mode: PagingMode = '4-level'): string {
  const out = new Int32Array(2);
  const used = style(mode);
  used.attributes(EntryKind.Leaf, level, ...words(value), out);
  return used.line(Number(start), Number(end), 0, level, out[0]!, out[1]!, 0);
}

const NX = 1n << 63n;

describe('lines', () => {
  // As Linux 6.12 prints them.
  it.each([
    [0n, 0xffff880000000000n, 'pgd', 0n, '0x0000000000000000-0xffff880000000000    16777096T                               pgd'],
    [0xffff888000001000n, 0xffff888000099000n, 'pte', NX | 0x163n, '0xffff888000001000-0xffff888000099000         608K     RW                 GLB NX pte'],
    [0xffff88800009a000n, 0xffff88800009b000n, 'pte', 0x121n, '0xffff88800009a000-0xffff88800009b000           4K     ro                 GLB x  pte'],
    [0xffff888001000000n, 0xffff888001600000n, 'pmd', NX | 0x10001a1n, '0xffff888001000000-0xffff888001600000           6M     ro         PSE     GLB NX pmd'],
    [0xffffc9000000c000n, 0xffffc9000000d000n, 'pte', NX | 0xfee00173n, '0xffffc9000000c000-0xffffc9000000d000           4K     RW     PCD         GLB NX pte'],
    [0xffffffffc0000000n, 1n << 64n, 'pud', 0n, '0xffffffffc0000000-0x0000000000000000           1G                               pud'],
    [0x400000n, 0x401000n, 'pte', 0x3025n | NX, '0x0000000000400000-0x0000000000401000           4K USR ro                     NX pte'],
    [0n, 0xff10000000000000n, 'pgd', 0n, '0x0000000000000000-0xff10000000000000       16324P                               pgd'],
  ] as const)('%#', (start, end, level, value, text) => {
    expect(line(start, end, level, value)).toBe(text);
  });

  it('print PAT for pages of 4 KiB alone, as the kernel takes bit 12 for address', () => {
    expect(line(0n, 0x1000n, 'pte', NX | 0x1099n)).toContain('ro PWT PCD     PAT     NX pte');
    expect(line(0n, 0x200000n, 'pmd', NX | 0x1081n)).toContain('ro         PSE         NX pmd');
  });

  it('have eight digits with 32 bits, and call what two levels map a pmd', () => {
    expect(line(0xc0000000n, 0xc0400000n, 'pgd', 0x1e3n, '2-level')).toBe('0xc0000000-0xc0400000           4M     RW         PSE     GLB x  pmd');
    expect(line(0n, 0xc0000000n, 'pgd', 0n, '2-level')).toBe('0x00000000-0xc0000000           3G                               pgd');
    expect(line(0xffffe000n, 1n << 32n, 'pte', 0n, 'PAE')).toBe('0xffffe000-0x00000000           8K                               pte');
  });
});

describe('attributes', () => {
  const counted = (kind: EntryKind, level: Level, value: bigint, used = style()): bigint => {
    const out = new Int32Array(2);
    used.attributes(kind, level, ...words(value), out);
    return (BigInt(out[1]! >>> 0) << 32n) | BigInt(out[0]! >>> 0);
  };

  it('are bits 11:0 and 63:52', () => {
    expect(counted(EntryKind.Leaf, 'pte', (1n << 64n) - 1n)).toBe(0xfff0000000000fffn);
    expect(counted(EntryKind.Leaf, 'pgd', 0xffffffffn, style('2-level'))).toBe(0xfffn);
    expect(counted(EntryKind.Leaf, 'pte', (1n << 51n) | (1n << 50n) | 1n, style('4-level', 1n << 51n))).toBe((1n << 51n) | 1n);
  });

  it('are none of an upper entry with nothing but A and D', () => {
    expect(counted(EntryKind.NonPresent, 'pmd', 0x60n)).toBe(0n);
    expect(counted(EntryKind.NonPresent, 'pte', 0x60n)).toBe(0x60n);
  });
});

describe('effective', () => {
  it('splits on what the levels above forbid', () => {
    const used = style();
    const value = words(0x163n);
    const all = [0, Forbids.Write, Forbids.User, Forbids.Execute].map((inherited) => used.effective('pte', ...value, inherited));
    // U/S is clear in the entry itself, so an entry above changes nothing.
    expect(new Set(all).size).toBe(3);
    expect(all[0]).toBe(all[2]);
    expect(used.effective('pte', 0, 0, Forbids.Execute)).toBe(0);
  });

  it('finds writable and executable pages', () => {
    const insecure = (mode: PagingMode, value: bigint, inherited = 0): number => {
      const used = style(mode);
      const [lo, hi] = words(value);
      return used.insecure(0x1000, 'pte', lo, hi, used.effective('pte', lo, hi, inherited));
    };
    expect(insecure('4-level', 0x163n)).toBe(Insecure.WritableExecutable);
    expect(insecure('4-level', 0x163n | NX)).toBe(0);
    expect(insecure('4-level', 0x161n)).toBe(0);
    expect(insecure('4-level', 0x163n, Forbids.Write)).toBe(0);
    expect(insecure('4-level', 0x163n, Forbids.Execute)).toBe(0);
    expect(insecure('PAE', 0x163n)).toBe(Insecure.WritableExecutable);
    expect(insecure('PAE', 0x163n | NX)).toBe(0);
    expect(insecure('PAE', 0x2n)).toBe(0);
    expect(insecure('2-level', 0x163n)).toBe(0);
  });

  it('speaks as the kernel does', () => {
    const used = style();
    expect(used.finding(1, 0n, 'foo+0x0/0x1000')).toBe('x86/mm: Found insecure W+X mapping at address foo+0x0/0x1000');
    expect(used.verdict({ writableExecutable: 0, userExecutable: 0 })).toBe('x86/mm: Checked W+X mappings: passed, no W+X pages found.');
    expect(used.verdict({ writableExecutable: 3257, userExecutable: 0 })).toBe('x86/mm: Checked W+X mappings: FAILED, 3257 W+X pages found.');
  });
});

it('lists both halves, the kernel\'s without the hole at its beginning', () => {
  expect(style().ranges(x86Root('4-level', 0))).toEqual([{ start: 0, end: 2 ** 47 }, { start: 0xffff880000000000, end: 2 ** 64 }]);
  expect(style('5-level').ranges(x86Root('5-level', 0))).toEqual([{ start: 0, end: 2 ** 56 }, { start: Number(0xff10000000000000n), end: 2 ** 64 }]);
  expect(style('PAE').ranges(x86Root('PAE', 0))).toEqual([{ start: 0, end: 2 ** 32 }]);
  expect(style().prints(0, 0)).toBe(true);
  expect(style().markerAdvance).toBe('line');
});
