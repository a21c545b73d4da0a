import { ptepGet, ptepGetAndClear, setPteAt, type TableHandles } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { hugePmdBytes, LockRuleError, madvise, mmFindPmd, pmdLock, pteOffsetMap, pteOffsetMapLock, pteUnmap, pteUnmapUnlock, readUser, writeUser } from '../src/index.js';
import { baseOf, boot, exit, map, quiet, WRITE } from './faults-machine.js';

describe.each(['x86 PAE', 'arm64 4K 39-bit', 'riscv Sv39', 's390 pud'])('entries that are changed without the lock of their table: %s', (name) => {
  it('finds a pte', () => {
    const kernel = boot(name);
    const mm = kernel.newMm();
    map(mm, 2, WRITE);
    const base = baseOf(mm);
    writeUser(mm, base, 1);
    const pmdp: TableHandles['pmd'] = mmFindPmd(mm, base)!;
    const table = pteOffsetMap(mm, pmdp, base);
    if (table === undefined) throw new Error('there is no table');
    expect(() => ptepGetAndClear(mm.arch, mm.context, BigInt(base), table.ptep).flush()).toThrow(LockRuleError);
    expect(() => ptepGetAndClear(mm.arch, mm.context, BigInt(base), table.ptep).flush()).toThrow(/touches the pte entry of 0x[0-9a-f]+ without pte ptl/);
    pteUnmap(table);
    expect(readUser(mm, base)).toBe(1);
    const locked = pteOffsetMapLock(mm, pmdp, base);
    if (locked === undefined) throw new Error('there is no table');
    const pte = ptepGet(mm.arch, locked.ptep);
    ptepGetAndClear(mm.arch, mm.context, BigInt(base), locked.ptep).flush();
    setPteAt(mm.arch, mm.context, BigInt(base), locked.ptep, pte);
    pteUnmapUnlock(locked);
    exit(mm);
    quiet(kernel);
  });

  it('finds a huge page', () => {
    const kernel = boot(name, 2048);
    const mm = kernel.newMm();
    const bytes = hugePmdBytes(mm);
    map(mm, bytes / mm.pageBytes, WRITE);
    const base = baseOf(mm);
    madvise(mm, base, bytes, 'hugepage');
    writeUser(mm, base, 1);
    const pmdp: TableHandles['pmd'] = mmFindPmd(mm, base)!;
    const { pmd: ops } = mm.arch.ops;
    expect(() => { ops.wrprotect(mm.context, BigInt(base), pmdp, 1).flush(); }).toThrow(/touches the pmd entry of 0x[0-9a-f]+ without pmd ptl/);
    const ptl = pmdLock(mm, pmdp);
    ops.wrprotect(mm.context, BigInt(base), pmdp, 1).flush();
    ptl.unlock();
    exit(mm);
    quiet(kernel);
  });
});
