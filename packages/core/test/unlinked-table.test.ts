import { describe, expect, it } from 'vitest';
import { entryVal, FlushLedger, pmdpInvalidate, pmdPopulate, pmdUnlink, pteOffset, ptepGet, type PteVal, type StrongHandles, type UnlinkedTable } from './all.js';
import { codeOf, madeUp, PROT_NONE, SWAP_BASE, TABLE, V, WRITE } from './made-up.js';

const pte = (bits: bigint): PteVal => entryVal('pte', bits);

describe('a table that is not live', () => {
  it.each([0n, 0x400n])('is new with every entry empty, which here is %s', (empty) => {
    const { arch } = madeUp({ empty });
    const table = arch.newTable('pte', 0x3000, true);
    expect([table.level, table.address, table.entries, table.live]).toEqual(['pte', 0x3000, 16, false]);
    expect(Array.from({ length: 16 }, (_, index) => table.get(index))).toEqual(new Array(16).fill(empty));
  });

  it('is written without a flush, over what is there', () => {
    const { arch, tlb } = madeUp();
    const table = arch.newTable('pte', 0x3000, true);
    table.set(4, pte(0x9000n | V), 8);
    table.set(5, pte(0x2000n | V), 2);
    expect(Array.from({ length: 16 }, (_, index) => table.get(index) >> 12n).map(Number)).toEqual([0, 0, 0, 0, 9, 2, 3, 12, 13, 14, 15, 16, 0, 0, 0, 0]);
    expect(tlb.flushed).toEqual([]);
  });

  it.each([[-1, 1], [16, 1], [0, 17], [15, 2], [0, 0], [0.5, 1]])('has no entries %d, %d of them', (index, count) => {
    const { arch } = madeUp();
    const table = arch.newTable('pte', 0x3000, true);
    expect(codeOf(() => table.entry(index, count))).toBe('EINVAL');
    expect(codeOf(() => { table.set(index, pte(V), count); })).toBe('EINVAL');
  });

  it.each([
    ['a level that is folded', 'pud', 0x4000],
    ['an address inside of a table', 'pte', 0x3040],
    ['an address that is no whole number', 'pte', 0.5],
    ['a negative address', 'pte', -0x1000],
  ] as const)('cannot be made of %s', (_name, level, address) => {
    const { arch, tables } = madeUp();
    expect(codeOf(() => arch.newTable(level, address, true))).toBe('EINVAL');
    expect(tables.tables).toBe(0);
  });
});

describe('making a table live', () => {
  function linked() {
    const made = madeUp();
    const ledger = new FlushLedger();
    const mm = { ...made.mm, ledger };
    const pmds = made.arch.newTable('pmd', 0x1000, true);
    const ptes = made.arch.newTable('pte', 0x2000, true);
    const pmdp = pmds.entry(3);
    return { ...made, mm, ledger, pmds, ptes, pmdp };
  }
  const ADDRESS = 0x30000n;

  it('links it to the entry, which then finds its entries, and flushes nothing', () => {
    const { arch, mm, tlb, ptes, pmdp } = linked();
    ptes.set(7, pte(0x9000n | V));
    const handle = ptes.entry(7);
    pmdPopulate(arch, mm, ADDRESS, pmdp, ptes);
    expect(ptes.live).toBe(true);
    expect(arch.ops.pmd.get(pmdp)).toBe(0x2000n | V | TABLE | WRITE);
    const found = pteOffset(arch, pmdp, ADDRESS + 0x7000n)!;
    expect(found).toBe(handle);
    expect(ptepGet(arch, found)).toBe(0x9000n | V);
    expect(tlb.flushed).toEqual([]);
  });

  it('writes a kernel table entry for the kernel', () => {
    const { arch, mm, ptes, pmdp } = linked();
    pmdPopulate(arch, { ...mm, user: false }, ADDRESS, pmdp, ptes);
    expect(arch.ops.pmd.get(pmdp)).toBe(0x2000n | V | TABLE);
  });

  it('ends the use of the table as one that is not live', () => {
    const { arch, mm, ptes, pmdp, pmds } = linked();
    pmdPopulate(arch, mm, ADDRESS, pmdp, ptes);
    expect(codeOf(() => ptes.get(0))).toBe('EINVAL');
    expect(codeOf(() => { ptes.set(0, pte(V)); })).toBe('EINVAL');
    expect(codeOf(() => { arch.freeTable(ptes); })).toBe('EINVAL');
    expect(codeOf(() => { pmdPopulate(arch, mm, 0n, pmds.entry(0), ptes); })).toBe('EINVAL');
    expect(arch.ops.pmd.get(pmds.entry(0))).toBe(0n);
  });

  it.each([
    ['a table', 0x8000n | V | TABLE],
    ['a leaf', 0x8000n | V],
    ['a swap entry', 0x8000n | SWAP_BASE],
  ])('refuses an entry that is %s, and leaves both as they were', (_name, bits) => {
    const { arch, mm, ptes, pmdp } = linked();
    arch.ops.pmd.set(mm, ADDRESS, pmdp, entryVal('pmd', bits), 1);
    expect(codeOf(() => { pmdPopulate(arch, mm, ADDRESS, pmdp, ptes); })).toBe('EINVAL');
    expect(arch.ops.pmd.get(pmdp)).toBe(bits);
    expect(ptes.live).toBe(false);
  });

  it('replaces a leaf that was taken from the hardware, as a split does', () => {
    const { arch, mm, tlb, ledger, ptes, pmdp } = linked();
    arch.ops.pmd.set(mm, ADDRESS, pmdp, entryVal('pmd', 0x50000n | V), 1);
    expect(pmdpInvalidate(arch, mm, ADDRESS, pmdp)).toBe(0x50000n | V);
    expect(arch.ops.pmd.get(pmdp)).toBe(0x50000n | PROT_NONE);
    expect(tlb.flushed).toEqual([{ start: ADDRESS, end: ADDRESS + 0x10000n, level: 'pmd', tables: false }]);
    pmdPopulate(arch, mm, ADDRESS, pmdp, ptes);
    expect(arch.ops.pmd.get(pmdp)).toBe(0x2000n | V | TABLE | WRITE);
    ledger.close();
  });

  it('refuses a table of another level', () => {
    const { arch, mm, pmdp } = linked();
    const wrong = arch.newTable('pmd', 0x7000, true);
    expect(codeOf(() => { pmdPopulate(arch, mm, ADDRESS, pmdp, wrong); })).toBe('EINVAL');
    expect(codeOf(() => { arch.ops.pte.populate(mm, 0n, arch.newTable('pte', 0x6000, true).entry(0), wrong); })).toBe('EINVAL');
    expect(wrong.live).toBe(false);
  });

  it('and taking it out again gives the table, for a flush of tables', () => {
    const { arch, mm, tlb, ledger, tables, ptes, pmdp } = linked();
    ptes.set(7, pte(0x9000n | V));
    pmdPopulate(arch, mm, ADDRESS, pmdp, ptes);
    const promise = pmdUnlink(arch, mm, ADDRESS + 0x7000n, pmdp);
    expect(arch.ops.pmd.get(pmdp)).toBe(0n);
    expect(ledger.dropped()).toHaveLength(1);
    const out: UnlinkedTable<StrongHandles> = promise.flush();
    expect(tlb.flushed).toEqual([{ start: ADDRESS, end: ADDRESS + 0x10000n, level: 'pte', tables: true }]);
    expect([out.level, out.address, out.entries, out.live]).toEqual(['pte', 0x2000, 16, false]);
    expect(out.get(7)).toBe(0x9000n | V);
    expect(tables.find('pte', 0x2000)).toBeGreaterThanOrEqual(0);
    arch.freeTable(out);
    expect(tables.find('pte', 0x2000)).toBe(-1);
    // The memory is used again, and is empty.
    const again = arch.newTable('pte', 0x2000, true);
    expect(again.get(7)).toBe(0n);
  });

  it('is over when it was given back, though its memory is another one\'s by then', () => {
    const { arch, mm, ptes, pmdp } = linked();
    arch.freeTable(ptes);
    const other = arch.newTable('pte', 0x9000, true);
    other.set(0, pte(0x9000n | V));
    for (const use of [
      () => ptes.get(0), () => { ptes.set(0, pte(V)); }, () => ptes.entry(0), () => { arch.freeTable(ptes); }, () => { pmdPopulate(arch, mm, ADDRESS, pmdp, ptes); },
    ]) expect(use).toThrow(/^the pte table at 0x2000 was given back$/);
    expect(ptes.live).toBe(false);
    expect(other.get(0)).toBe(0x9000n | V);
    // What is made at the same address is another table.
    const again = arch.newTable('pte', 0x2000, true);
    expect(codeOf(() => ptes.get(0))).toBe('EINVAL');
    arch.freeTable(again);
  });

  it('takes nothing out of an entry that points to no table that is here', () => {
    const { arch, mm, pmdp } = linked();
    for (const bits of [0n, 0x50000n | V, 0x9000n | V | TABLE]) {
      arch.ops.pmd.clear(mm, ADDRESS, pmdp, 1).flush();
      arch.ops.pmd.set(mm, ADDRESS, pmdp, entryVal('pmd', bits), 1);
      expect(codeOf(() => pmdUnlink(arch, mm, ADDRESS, pmdp))).toBe('EINVAL');
      expect(arch.ops.pmd.get(pmdp)).toBe(bits);
    }
  });

  it.each(['clear', 'getAndClear', 'establish'] as const)('%s of a table entry owes a flush of tables, of a leaf it does not', (how) => {
    for (const shared of [false, true]) {
      for (const [bits, tables] of [[0x8000n | V | TABLE, true], [0x80000n | V, false]] as const) {
        const { arch, mm, tlb } = madeUp({ shared });
        const pmdp = arch.newTable('pmd', 0x1000, true).entry(0);
        arch.ops.pmd.set(mm, 0n, pmdp, entryVal('pmd', bits), 1);
        if (how === 'clear') arch.ops.pmd.clear(mm, 0n, pmdp, 1).flush();
        else if (how === 'getAndClear') arch.ops.pmd.getAndClear(mm, 0n, pmdp).flush();
        else arch.ops.pmd.establish(mm, 0n, pmdp, entryVal('pmd', 0n)).flush();
        expect(tlb.flushed).toEqual([{ start: 0n, end: 0x10000n, level: 'pmd', tables }]);
      }
    }
  });
});
