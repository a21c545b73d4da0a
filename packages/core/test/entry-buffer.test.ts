import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EntryBuffer, entryVal, type EntryPtr } from './all.js';
import { codeOf, madeUp, V } from './made-up.js';

describe('values that are held aside', () => {
  it.each([4, 8, 16] as const)('are kept whole with entries of %i bytes', (entryBytes) => {
    const buffer = new EntryBuffer('pte', 8, entryBytes);
    fc.assert(
      fc.property(fc.nat(7), fc.nat(7), fc.bigInt(0n, 2n ** BigInt(entryBytes * 8) - 1n), fc.bigInt(0n, 2n ** BigInt(entryBytes * 8) - 1n), (one, two, a, b) => {
        fc.pre(one !== two);
        buffer.set(buffer.at(one), entryVal('pte', a));
        buffer.set(buffer.at(two), entryVal('pte', b));
        expect([buffer.get(buffer.at(one)), buffer.get(buffer.at(two))]).toEqual([a, b]);
      }),
    );
  });

  it('are found by indices, with which one may reckon', () => {
    const buffer = new EntryBuffer('pmd', 3);
    expect([buffer.level, buffer.length]).toEqual(['pmd', 3]);
    expect(buffer.at(1) + 1).toBe(2);
    expect(buffer.elements[buffer.at(2)]).toBe(0n);
  });

  it.each([-1, 3, 0.5, Number.NaN])('are not at %d of three', (index) => {
    const buffer = new EntryBuffer('pmd', 3);
    expect(codeOf(() => buffer.at(index))).toBe('EINVAL');
    expect(codeOf(() => buffer.get(index as EntryPtr<'pmd'>))).toBe('EINVAL');
    expect(codeOf(() => { buffer.set(index as EntryPtr<'pmd'>, entryVal('pmd', 1n)); })).toBe('EINVAL');
  });

  it.each([false, true])('are copied from a live table, which goes its own way afterwards; shared %s', (shared) => {
    const { arch, mm } = madeUp({ shared });
    const table = arch.newTable('pte', 0x1000, true);
    table.set(0, entryVal('pte', 0x9000n | V), 16);
    const buffer = new EntryBuffer('pte', 6);
    buffer.copyFrom(arch.ops.pte, table.entry(3), 4, buffer.at(1));
    arch.ops.pte.clear(mm, 0n, table.entry(0), 16).flush();
    expect(Array.from(buffer.elements)).toEqual([0n, 0xc001n, 0xd001n, 0xe001n, 0xf001n, 0n]);
  });

  it('are not copied beyond the buffer', () => {
    const { arch } = madeUp();
    const table = arch.newTable('pte', 0x1000, true);
    expect(codeOf(() => { new EntryBuffer('pte', 2).copyFrom(arch.ops.pte, table.entry(0), 3); })).toBe('EINVAL');
  });
});
