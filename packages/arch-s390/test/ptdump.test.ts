import { EntryKind, Insecure, LEVELS, type Level } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { decodeAsce, s390Arch, s390Root, type S390Config } from '../src/index.js';
import { tablesOf } from './tables.js';

function style(config: Partial<S390Config> = {}) {
  return s390Arch({ top: 'pud', ...config }, tablesOf([])).ptdump;
}

/** The line of one entry. */
function line(start: number, end: number, kind: EntryKind, level: Level, lo: number): string {
  const out = new Int32Array(2);
  style().attributes(kind, level, lo, 0, out);
  return style().line(start, end, 0, level, out[0]!, out[1]!, 0);
}

describe('lines', () => {
  // From the file of a 6.12 kernel.
  it.each([
    ['0x0000000000000000-0x0000000000001000         4K PTE RW X', 0, 0x1000, EntryKind.Leaf, 'pte', 0x3d],
    ['0x00000000001fd000-0x00000000001fe000         4K PTE RO X', 0x1fd000, 0x1fe000, EntryKind.Leaf, 'pte', 0x215],
    ['0x0000000000200000-0x0000000000d62000     11656K PTE RW NX', 0x200000, 0xd62000, EntryKind.Leaf, 'pte', 0x13d],
    ['0x0000000000d62000-0x0000000000d63000         4K PTE RO NX', 0xd62000, 0xd63000, EntryKind.Leaf, 'pte', 0x315],
    ['0x0000037fdff00000-0x0000037fdfffa000      1000K PTE I', 0x37fdff00000, 0x37fdfffa000, EntryKind.None, 'pte', 0x400],
    ['0x0000000004000000-0x0000000080000000      1984M PMD I', 0x4000000, 0x80000000, EntryKind.None, 'pmd', 0x20],
    ['0x0000000080000000-0x0000037200000000      3526G PUD I', 0x80000000, 0x37200000000, EntryKind.None, 'pud', 0x24],
  ] as const)('%s', (text, start, end, kind, level, lo) => {
    expect(line(start, end, kind, level, lo)).toBe(text);
  });

  it('print large pages, invalid or not, and levels by the kernel\'s names', () => {
    expect(line(0x100000, 0x200000, EntryKind.Leaf, 'pmd', 0x103503)).toBe('0x0000000000100000-0x0000000000200000         1M PMD RW NX');
    expect(line(0x100000, 0x200000, EntryKind.NonPresent, 'pmd', 0x102620)).toBe('0x0000000000100000-0x0000000000200000         1M PMD RO X');
    expect(line(0x100000, 0x200000, EntryKind.NonPresent, 'pmd', 0x100020)).toBe('0x0000000000100000-0x0000000000200000         1M PMD I');
    expect(line(0, 0x1000, EntryKind.NonPresent, 'pte', 0x601)).toBe('0x0000000000000000-0x0000000000001000         4K PTE I');
    expect(line(0, 2 ** 42, EntryKind.None, 'p4d', 0x28)).toBe('0x0000000000000000-0x0000040000000000         4T PGD I');
    expect(line(0, 2 ** 53, EntryKind.None, 'pgd', 0x2c)).toBe('0x0000000000000000-0x0020000000000000         8P ASCE I');
  });

  it('cover what the table type can translate', () => {
    const ends = [0x4003n, 0x4004n, 0x400bn, 0x400fn].map((asce) => style().ranges(s390Root(decodeAsce(asce)))[0]!.end);
    expect(ends).toEqual([2 ** 31, 2 ** 42, 2 ** 53, 2 ** 64]);
  });

  it('end where protection changes', () => {
    for (let level = 0; level < LEVELS.length; level++) expect([style().maskLo[level], style().maskHi[level]]).toEqual([0x700, 0]);
    expect(style().prints(0, 0)).toBe(true);
    expect(style().effective('pte', 0, 0, 1)).toBe(0);
    expect(style()).toMatchObject({ heading: '---[ Kernel Virtual Address Space ]---', markerAdvance: 'all' });
  });
});

describe('the W+X check', () => {
  it('finds pages that are writable and executable', () => {
    const listing = style();
    expect(listing.insecure(0x5000, 'pte', 0, 0, 0)).toBe(Insecure.WritableExecutable);
    expect([0x100, 0x200, 0x400].map((lo) => listing.insecure(0x5000, 'pte', lo, 0, 0))).toEqual([0, 0, 0]);
  });

  it('leaves out the first page', () => {
    const listing = style({ lowcoreExecutable: true });
    expect(listing.insecure(0x1000, 'pte', 0, 0, 0)).toBe(0);
    expect(listing.insecure(0x2000, 'pte', 0, 0, 0)).toBe(Insecure.WritableExecutable);
  });

  it('speaks as the kernel does', () => {
    const none = { writableExecutable: 0, userExecutable: 0 };
    expect(style({ lowcoreExecutable: true }).verdict(none)).toBe('Checked W+X mappings: passed, no unexpected W+X pages found');
    expect(style().verdict(none)).toBe('Checked W+X mappings: passed, no unexpected W+X pages found');
    expect(style({ lowcoreExecutable: false }).verdict(none)).toBe('Checked W+X mappings: passed, no W+X pages found');
    expect(style().verdict({ ...none, writableExecutable: 7 })).toBe('Checked W+X mappings: FAILED, 7 W+X pages found');
    expect(style().finding(1, 0x5000n, 'stext+0x0/0x10')).toBe('s390/mm: Found insecure W+X mapping at address stext+0x0/0x10');
  });

  it('does not check where the kernel does not', () => {
    const listing = style({ noexec: false });
    expect(listing.insecure(0x5000, 'pte', 0, 0, 0)).toBe(0);
    expect(listing.verdict({ writableExecutable: 0, userExecutable: 0 })).toMatch(/not checked/);
  });
});
