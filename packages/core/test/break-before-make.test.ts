import { describe, expect, it } from 'vitest';
import { BreakBeforeMake, checkedContext, entryVal, type MmContext, type PmdVal, type PteVal } from './all.js';
import { codeOf, madeUp, RecordingTlb, TABLE, V, WRITE } from './made-up.js';

const pte = (bits: bigint): PteVal => entryVal('pte', bits);
const pmd = (bits: bigint): PmdVal => entryVal('pmd', bits);
const A = pte(0x1000n | V);
const B = pte(0x2000n | V);
const EMPTY = pte(0n);

function checker() {
  const tlb = new RecordingTlb();
  const { arch } = madeUp();
  return { check: new BreakBeforeMake(arch, tlb), tlb };
}

describe('break-before-make', () => {
  it('refuses a forbidden change of a valid entry in one step, and allows one that is not forbidden', () => {
    const { check } = checker();
    expect(codeOf(() => { check.changing('pte', 0x5000n, A, B); })).toBe('EINVAL');
    expect(codeOf(() => { check.changing('pte', 0x5000n, A, pte(A | WRITE)); })).toBeUndefined();
  });

  it('refuses another frame until the old one was flushed', () => {
    const { check, tlb } = checker();
    check.changing('pte', 0x5000n, A, EMPTY);
    expect(codeOf(() => { check.changing('pte', 0x5000n, EMPTY, B); })).toBe('EINVAL');
    check.flush({ start: 0x5000n, end: 0x6000n, level: 'pte', tables: false });
    expect(tlb.flushed).toHaveLength(1);
    expect(codeOf(() => { check.changing('pte', 0x5000n, EMPTY, B); })).toBeUndefined();
  });

  it('lets the same frame come back without a flush', () => {
    const { check } = checker();
    check.changing('pte', 0x5000n, A, EMPTY);
    expect(codeOf(() => { check.changing('pte', 0x5000n, EMPTY, A); })).toBeUndefined();
  });

  it.each([
    ['another address', { start: 0x6000n, end: 0x7000n, level: 'pte', tables: false }],
    ['the addresses just below', { start: 0n, end: 0x5000n, level: 'pte', tables: false }],
  ] as const)('is not satisfied by a flush of %s', (_name, range) => {
    const { check } = checker();
    check.changing('pte', 0x5000n, A, EMPTY);
    check.flush(range);
    expect(codeOf(() => { check.changing('pte', 0x5000n, EMPTY, B); })).toBe('EINVAL');
  });

  it('wants a flush of tables for an entry above the level that is flushed', () => {
    const link = pmd(0x3000n | V | TABLE);
    for (const tables of [false, true]) {
      const { check } = checker();
      check.changing('pmd', 0n, link, pmd(0n));
      check.flush({ start: 0n, end: 0x10000n, level: 'pte', tables });
      expect(codeOf(() => { check.changing('pmd', 0n, pmd(0n), pmd(0x4000n | V)); })).toBe(tables ? undefined : 'EINVAL');
    }
  });

  it('keeps levels and addresses apart', () => {
    const { check } = checker();
    check.changing('pte', 0n, A, EMPTY);
    expect(codeOf(() => { check.changing('pmd', 0n, pmd(0n), pmd(0x9000n | V)); })).toBeUndefined();
    expect(codeOf(() => { check.changing('pte', 0x1000n, EMPTY, B); })).toBeUndefined();
  });

  it('checks every accessor of a context: a forbidden change is refused before it is made', () => {
    const { arch, tlb, mm } = madeUp();
    const table = arch.newTable('pte', 0x1000, true);
    const ptep = table.entry(0);
    const checked: MmContext = checkedContext(arch, mm);
    arch.ops.pte.set(checked, 0n, ptep, A, 1);
    expect(codeOf(() => arch.ops.pte.establish(checked, 0n, ptep, B))).toBe('EINVAL');
    expect(arch.ops.pte.get(ptep)).toBe(A);
    const cleared = arch.ops.pte.clear(checked, 0n, ptep, 1);
    expect(codeOf(() => { arch.ops.pte.set(checked, 0n, ptep, B, 1); })).toBe('EINVAL');
    cleared.flush();
    expect(tlb.flushed).toHaveLength(1);
    arch.ops.pte.set(checked, 0n, ptep, B, 1);
    expect(arch.ops.pte.get(ptep)).toBe(B);
  });
});
