import { TableMemory, type HandleFamily, type Level, type MmContext, type PteVal, type WritableArch } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import {
  changeProtection, collapseRange, mapRange, newRoot, protectRange, RunKind, splitLeaf, Translator, unmapRange, vmapRange, vunmapRange, walkRuns,
  type AddressSpace,
} from '../src/index.js';
import { make, memory, PAGE, pagesOf, ROOT, thrownBy, writeBit } from './map-space.js';
import { DIRTY, EMPTY, GROUP, PROT, SOFT_DIRTY, SPECIAL, THREE, TWO, W, writableToy } from './map-toy.js';

describe('mapRange', () => {
  it('takes the largest page that fits, and goes on in smaller ones', () => {
    const { space, allocated } = memory(THREE);
    // A pmd maps 16 pages. From page 14 on: two pages, a pmd, a group and a page.
    mapRange(space, BigInt(14 * PAGE), 0x100_0000 + 14 * PAGE, 23 * PAGE, PROT.readWrite, { largestPage: Infinity });
    const sizes: string[] = [];
    walkRuns(space, ({ kind, level, count, lo }) => ((kind === RunKind.Leaf ? sizes.push(`${count} ${level}${(lo & Number(GROUP)) === 0 ? '' : ' group'}`) : 0), undefined));
    expect(sizes).toEqual(['2 pte', '1 pmd', '4 pte group', '1 pte']);
    expect(allocated).toHaveLength(3);
    // What has a table keeps it: an empty range of a pmd is mapped by pages when it was mapped by pages before.
    unmapRange(space, 0n, 16 * PAGE).flush();
    mapRange(space, 0n, 0x200_0000, 16 * PAGE, PROT.readWrite, { largestPage: Infinity, groups: false });
    expect([...pagesOf(space).values()].filter(({ level }) => level === 'pte')).toHaveLength(16 + 5);
    expect(allocated).toHaveLength(3);
  });

  it('has the names of mm/vmalloc.c and mm/mprotect.c', () => {
    const { space, tlb } = memory(THREE);
    const start = BigInt(space.root.windows[1]!.start);
    vmapRange(space, start, start + 0x2_0000n, 0x100_0000, PROT.readOnly, 16);
    expect([...pagesOf(space).values()].map(({ level }) => level)).toEqual(new Array(32).fill('pmd'));
    expect(changeProtection(space, start, start + 0x1_0000n, PROT.readWrite).flush()).toBe(1);
    vunmapRange(space, start + 0x1_0000n, start + 0x2_0000n);
    expect([...pagesOf(space).values()].map(({ bits }) => bits & W)).toEqual(new Array(16).fill(W));
    expect(tlb.ranges).toEqual([
      { start, end: start + 0x1_0000n, level: 'pmd', tables: false },
      { start: start + 0x1_0000n, end: start + 0x2_0000n, level: 'pmd', tables: false },
    ]);
  });

  it('tells the architecture which entries became valid', () => {
    const told: string[] = [];
    const arch = { ...writableToy(new TableMemory(), THREE), updateMmuCache: (_mm: MmContext, address: bigint, level: Level, count: number) => told.push(`${address.toString(16)} ${level} ${count}`) };
    const { space } = make(arch);
    mapRange(space, 0xc000n, 0x10_c000, 0x1_a000, PROT.readWrite, { largestPage: Infinity });
    expect(told).toEqual(['c000 pte 4', '10000 pmd 1', '20000 pte 4', '24000 pte 2']);
    told.length = 0;
    splitLeaf(space, 0x1_2000n, PROT.readOnly);
    freeAfter(space, collapseRange(space, 0x1_0000n, 'pmd', PROT.readOnly));
    protectRange(space, 0x2_4000n, 0x2000, PROT.readOnly).flush();
    expect(told).toEqual(['10000 pmd 1', '24000 pte 2']);
  });

  it('refuses physical memory that no entry can name, to its last page, and changes nothing', () => {
    const { space, allocated } = memory(THREE);
    const refusal = (pa: number, bytes: number, prot = PROT.readWrite) => thrownBy(() => { mapRange(space, 0n, pa, bytes, prot, { largestPage: Infinity }); });
    for (const [pa, bytes] of [[2 ** 48, PAGE], [2 ** 48 - PAGE, 2 * PAGE], [2 ** 52, 16 * PAGE], [2 ** 60, PAGE]] as const) {
      const { code, message, address } = refusal(pa, bytes);
      const first = Math.max(pa, 2 ** 48);
      expect([code, message, address]).toEqual(['EINVAL', `no pte entry can name the page at physical address 0x${first.toString(16)}`, BigInt(first)]);
    }
    expect(allocated).toEqual([]);
    expect(pagesOf(space).size).toBe(0);
    mapRange(space, 0n, 2 ** 48 - PAGE, PAGE, PROT.readWrite);
    expect(pagesOf(space).get(0)?.pa).toBe(2 ** 48 - PAGE);
  });

  it('refuses physical memory on whose address bits the processor faults, whatever the page size', () => {
    const arch = writableToy(new TableMemory(), THREE);
    const small = Object.create(arch.values.pte, { bad: { value: (value: PteVal) => arch.values.pte.pfn(value) >= 2 ** 20 } }) as typeof arch.values.pte;
    const { space, allocated } = make({ ...arch, values: { ...arch.values, pte: small } });
    for (const [pa, pages] of [[2 ** 32, 16], [2 ** 32 - 16 * PAGE, 32]] as const) {
      expect(thrownBy(() => { mapRange(space, 0n, pa, pages * PAGE, PROT.readWrite, { largestPage: Infinity }); })).toMatchObject({
        code: 'EINVAL', message: `no pte entry can name the page at physical address 0x${pa === 2 ** 32 ? '100000000' : '10000f000'}`,
      });
    }
    expect(allocated).toEqual([]);
    mapRange(space, 0n, 2 ** 32 - 16 * PAGE, 16 * PAGE, PROT.readWrite, { largestPage: Infinity });
    expect(pagesOf(space).get(0)).toMatchObject({ pa: 2 ** 32 - 16 * PAGE, level: 'pmd' });
  });

  it('takes large pages where only they can name the physical memory, and where no table of small ones is in the way', () => {
    const arch = writableToy(new TableMemory(), THREE);
    const small = Object.create(arch.values.pte, { pfn: { value: (value: PteVal) => arch.values.pte.pfn(value) % 2 ** 20 } }) as typeof arch.values.pte;
    const { space, allocated } = make({ ...arch, values: { ...arch.values, pte: small } });
    const map = (va: bigint, pa: number, bytes: number, largestPage = Infinity) => { mapRange(space, va, pa, bytes, PROT.readWrite, { largestPage }); };
    map(0n, 2 ** 32, 16 * PAGE);
    expect(pagesOf(space).get(0)).toMatchObject({ pa: 2 ** 32, level: 'pmd' });
    for (const refused of [() => { map(0x1_0000n, 2 ** 32, 16 * PAGE, PAGE); }, () => { map(0x1_0000n, 2 ** 32, 15 * PAGE); }]) {
      expect(thrownBy(refused)).toMatchObject({ code: 'EINVAL', message: 'no pte entry can name the page at physical address 0x100000000' });
    }
    expect(thrownBy(() => { splitLeaf(space, 0x3000n, PROT.readWrite); })).toMatchObject({ code: 'EINVAL', message: 'the page at 0x3000 cannot be split: no pte entry can name its physical memory' });
    expect(pagesOf(space).get(0)).toMatchObject({ pa: 2 ** 32, level: 'pmd' });
    expect(allocated).toHaveLength(1);
    map(0x1_0000n, 0, PAGE);
    unmapRange(space, 0x1_0000n, PAGE).flush();
    expect(thrownBy(() => { map(0x1_0000n, 2 ** 32, 16 * PAGE); })).toMatchObject({ code: 'EINVAL', address: 2n ** 32n });
  });

  it('refuses what makes no sense, and says what would', () => {
    const { space } = memory(THREE);
    const refuse = (work: () => unknown) => {
      const { code, message, hint } = thrownBy(work);
      return `${code}: ${message}; ${hint ?? ''}`;
    };
    mapRange(space, 0x3000n, 0x1000, 0x1000, PROT.readOnly);
    expect(refuse(() => { mapRange(space, 0n, 0x1000, 0x8000, PROT.readOnly); })).toBe('EINVAL: 0x3000 is mapped already: its pte entry is 0x1039; unmap the range first, or change it with protectRange');
    expect(refuse(() => { mapRange(space, 1n, 0, PAGE, PROT.readOnly); })).toBe('EINVAL: virtual address 0x1 does not begin a page; round it to 4096 bytes');
    expect(refuse(() => { mapRange(space, -4096n, 0, PAGE, PROT.readOnly); })).toContain('does not begin a page');
    expect(refuse(() => { mapRange(space, 0n, 12, PAGE, PROT.readOnly); })).toBe('EINVAL: physical address 0xc does not begin a page; round it to 4096 bytes');
    expect(refuse(() => { mapRange(space, 0n, 0, 0, PROT.readOnly); })).toBe('EINVAL: a range of 0 bytes is no whole number of pages; give a multiple of 4096, above 0');
    expect(refuse(() => unmapRange(space, 0n, 100))).toContain('no whole number of pages');
    const half = space.root.windows[0]!.end;
    expect(refuse(() => unmapRange(space, BigInt(half - PAGE), 2 * PAGE))).toBe(
      'EINVAL: the root does not translate all of [0x3ff000, 0x401000); it translates [0x0, 0x400000), [0xffffffffffc00000, 0x10000000000000000)',
    );
    expect(refuse(() => protectRange(space, BigInt(half), PAGE, PROT.none))).toContain('the root does not translate');
    expect(refuse(() => { splitLeaf(space, 0x5000n, PROT.readOnly); })).toContain('is not mapped');
    expect(refuse(() => { splitLeaf(space, 0x3000n, PROT.readOnly); })).toContain('there are no smaller ones below the pte level');
    expect(refuse(() => collapseRange(space, 0x1000n, 'pmd', PROT.readOnly))).toContain('does not begin a page of the pmd level');
    expect(refuse(() => collapseRange(space, 0n, 'pgd', PROT.readOnly))).toContain('there are no pages of the pgd level');
    expect(refuse(() => collapseRange(space, 0x1_0000n, 'pmd', PROT.readOnly))).toContain('there is no table below the pmd entry');
    expect(refuse(() => newRoot(space))).toContain('there is already a pgd table');
  });

  it('says so where a table is not here, and flushes what it did before', () => {
    const tables = new TableMemory();
    const { space, tlb, ledger } = make(writableToy(tables, THREE));
    mapRange(space, 0n, 0x100_0000, 32 * PAGE, PROT.readWrite);
    const second = space.arch.ops.pgd.child(space.arch.pgdOffset(space.root, 0n)!)!;
    expect(second.level).toBe('pmd');
    tables.release('pte', ROOT + 3 * PAGE, 16);
    const error = thrownBy(() => unmapRange(space, 0n, 32 * PAGE));
    expect([error.code, error.address]).toEqual(['EFAULT', 0x1_0000n]);
    expect(tlb.covers(0xf000, 'pte')).toBe(true);
    ledger.close();
    expect(thrownBy(() => { mapRange(space, 0x1_0000n, 0, PAGE, PROT.readOnly); }).code).toBe('EFAULT');
    // A range that ends where that table begins has nothing to do with it, whoever takes it out meanwhile.
    mapRange(space, 0xe000n, 0x100_0000, 2 * PAGE, PROT.readWrite);
    unmapRange(space, 0xe000n, 2 * PAGE).flush();
    expect(thrownBy(() => unmapRange(space, 0xe000n, 3 * PAGE)).code).toBe('EFAULT');
    const empty = make(writableToy(new TableMemory(), TWO), 'pgd', false).space;
    expect(thrownBy(() => { mapRange({ ...empty, root: { ...empty.root, table: 0x999_9000 } }, 0n, 0, PAGE, PROT.readOnly); })).toMatchObject({ code: 'EFAULT', hint: 'make it with newRoot, or load it' });
  });
});

const freeAfter = <H extends HandleFamily>(space: AddressSpace<H>, table: Parameters<WritableArch<H>['freeTable']>[0]) => {
  space.arch.freeTable(table);
};

describe('groups and entries that are not present', () => {
  it('takes groups whole or not at all', () => {
    const { space } = memory(TWO);
    mapRange(space, 0n, 0x10_0000, 8 * PAGE, PROT.readOnly, { largestPage: 4 * PAGE });
    expect(thrownBy(() => unmapRange(space, 0x1000n, 7 * PAGE)).message).toBe('0x1000 is inside a page of 16384 bytes, so the range cannot begin or end there');
    expect(thrownBy(() => protectRange(space, 0n, 6 * PAGE, PROT.readWrite)).address).toBe(0x6000n);
    expect(thrownBy(() => { splitLeaf(space, 0n, PROT.readOnly); }).code).toBe('EINVAL');
    expect(protectRange(space, 0x4000n, 4 * PAGE, PROT.readWrite).flush()).toBe(4);
    expect([...pagesOf(space).values()].map(({ bits }) => bits)).toEqual([...new Array<bigint>(4).fill(PROT.readOnly | GROUP), ...new Array<bigint>(4).fill(PROT.readWrite | GROUP)]);
    unmapRange(space, 0n, 4 * PAGE).flush();
    expect(pagesOf(space).size).toBe(4);
  });

  it('leaves swap entries as they are, and unmaps them', () => {
    const { space, tlb } = memory(TWO);
    mapRange(space, 0n, 0x10_0000, 3 * PAGE, PROT.readOnly);
    const { values } = space.arch;
    writeBit(space, 0x1000, 'pte', values.pte.ofSwap(3, 77n));
    expect(thrownBy(() => { mapRange(space, 0x1000n, 0, PAGE, PROT.readOnly); }).message).toContain('is mapped already');
    expect(protectRange(space, 0n, 3 * PAGE, PROT.readWrite).flush()).toBe(2);
    const swap = new Translator(space).explain(0x1000n).steps.at(-1)!;
    expect(swap.nonPresent).toEqual({ kind: 'swap', type: 3, offset: 77n, flags: [] });
    tlb.ranges = [];
    const promise = unmapRange(space, 0x1000n, PAGE);
    // Nobody caches a swap entry.
    expect(promise.owed).toBe(false);
    promise.flush();
    expect(new Translator(space).explain(0x1000n).steps.at(-1)!.entry).toBe(EMPTY);
    expect(tlb.ranges).toEqual([]);
  });

  it('keeps the marks of software over a split and a collapse', () => {
    const { space } = memory(THREE);
    mapRange(space, 0n, 0x10_0000, 16 * PAGE, PROT.readWrite, { largestPage: Infinity });
    const marks = SPECIAL | SOFT_DIRTY | DIRTY;
    writeBit(space, 0, 'pmd', 0x10_0000n | PROT.readWrite | marks);
    splitLeaf(space, 0x7000n, PROT.exec);
    expect([...pagesOf(space).values()].map(({ level, bits }) => [level, bits])).toEqual(new Array(16).fill(['pte', PROT.exec | W | marks]));
    // Old pages stay old.
    writeBit(space, 0x3000, 'pte', 0x10_3000n | (PROT.exec | W | SPECIAL));
    freeAfter(space, collapseRange(space, 0n, 'pmd', PROT.readOnly));
    expect(new Translator(space).explain(0n).steps.at(-1)!.entry).toBe(0x10_0000n | PROT.readOnly | W | marks);
    expect(space.arch.tables?.tables).toBe(2);
  });
});
