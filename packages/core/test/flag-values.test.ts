import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entryVal, FlagValues, valueFormat, type EntryVal, type Prot } from './all.js';
import { DIRTY, makeGeometry, makeValues, PROT_NONE, SOFT_DIRTY, SPECIAL, SWAP_BASE, TABLE, UFFD_WP, V, WRITE, YOUNG } from './made-up.js';

const values = makeValues(makeGeometry({ pte: 9, pmd: 9, pud: 9, pgd: 9 }), 0x800n);
type PteVal = EntryVal<'pte'>;
const pte = (bits: bigint): PteVal => entryVal('pte', bits);
const pmd = (bits: bigint): EntryVal<'pmd'> => entryVal('pmd', bits);
const any64 = fc.bigInt(0n, 2n ** 64n - 1n).map(pte);

/** Constructor pairs and their predicate, as the names of methods, with the bit that they stand for. */
const MARKS = [
  ['young', 'mkyoung', 'mkold', YOUNG], ['dirty', 'mkdirty', 'mkclean', DIRTY], ['write', 'mkwrite', 'wrprotect', WRITE], ['softDirty', 'mksoftDirty', 'clearSoftDirty', SOFT_DIRTY],
  ['uffdWp', 'mkuffdWp', 'clearUffdWp', UFFD_WP], ['special', 'mkspecial', undefined, SPECIAL],
  ['swpSoftDirty', 'swpMksoftDirty', 'swpClearSoftDirty', SOFT_DIRTY], ['swpExclusive', 'swpMkexclusive', 'swpClearExclusive', TABLE], ['swpUffdWp', 'swpMkuffdWp', 'swpClearUffdWp', WRITE],
] as const;

describe('values made of masks', () => {
  it.each(MARKS)('%s is one bit, which %s and %s change alone', (is, mk, clear, bit) => {
    const v = values.pte;
    fc.assert(
      fc.property(any64, (value) => {
        expect(v[is](value)).toBe((value & bit) !== 0n);
        expect(v[mk](value)).toBe(value | bit);
        if (clear !== undefined) expect(v[clear](value)).toBe(value & ~bit);
      }),
    );
  });

  it('that a level has no bit for stay as they are', () => {
    const bare = new FlagValues('pte', valueFormat({ validMask: 1n, validValue: 1n, features: ['leaf'] }));
    fc.assert(
      fc.property(any64, (value) => {
        for (const [is, mk, clear] of MARKS) {
          expect([bare[is](value), bare[mk](value), clear === undefined ? value : bare[clear](value)]).toEqual([false, value, value]);
        }
        expect([bare.devmap(value), bare.mkdevmap(value), bare.protnone(value), bare.bad(value)]).toEqual([false, value, false, false]);
        expect([bare.ofSwap(3, 5n), bare.swapOffset(value)]).toEqual([0n, 0n]);
      }),
    );
  });

  it('are one of empty, present and swap', () => {
    fc.assert(
      fc.property(fc.oneof(any64, fc.constant(pte(0x800n))), (value) => {
        expect([values.pte.none(value), values.pte.present(value), values.pte.swap(value)].filter(Boolean)).toHaveLength(1);
      }),
    );
    expect([values.pte.none(pte(0x800n)), values.pte.none(pte(0n)), values.pte.empty]).toEqual([true, false, 0x800n]);
  });

  it('are empty whatever bits of an empty entry do not count', () => {
    const hard = new FlagValues('pte', valueFormat({ validMask: 1n, validValue: 1n, features: ['leaf'], noneIgnores: 0x60n, empty: 0x400n }));
    expect([0x400n, 0x420n, 0x460n, 0x400n | 0x80n, 0n].map((value) => hard.none(pte(value)))).toEqual([true, true, true, false, false]);
  });

  it.each([
    ['empty', 0x800n, { present: false, leaf: false, bad: false, valid: false, protnone: false }],
    ['a leaf', 0x20_0000n | V, { present: true, leaf: true, bad: true, valid: true, protnone: false }],
    ['a table', 0x5000n | V | TABLE, { present: true, leaf: false, bad: false, valid: true, protnone: false }],
    ['a table with a bit that tables lack', 0x5000n | V | TABLE | SPECIAL, { present: true, leaf: false, bad: true, valid: true, protnone: false }],
    ['PROT_NONE', 0x20_0000n | PROT_NONE, { present: true, leaf: true, bad: true, valid: false, protnone: true }],
    ['swap', SWAP_BASE | 0x5000n, { present: false, leaf: false, bad: true, valid: false, protnone: false }],
  ])('know an entry of a middle level that is %s', (_name, bits, expected) => {
    const v = values.pmd;
    const value = pmd(bits);
    expect({ present: v.present(value), leaf: v.leaf(value), bad: v.bad(value), valid: v.valid(value), protnone: v.protnone(value) }).toEqual(expected);
  });

  it('know a bad pte only among valid ones', () => {
    expect([V, V | SPECIAL, PROT_NONE | SPECIAL, 0x800n].map((bits) => values.pte.bad(pte(bits)))).toEqual([false, true, false, false]);
  });

  it('have what leafMask says if they are leaves; valid ones without it are bad', () => {
    const leaf = { validMask: V, validValue: V, presentInvalid: PROT_NONE, leafMask: SPECIAL | TABLE, leafValue: SPECIAL } as const;
    const last = new FlagValues('pte', valueFormat({ ...leaf, features: ['leaf'] }));
    const directory = new FlagValues('pmd', valueFormat({ ...leaf, tableMask: TABLE, tableValue: TABLE, features: ['leaf', 'table'] }));
    const seen = (on: FlagValues<'pte'> | FlagValues<'pmd'>, bits: bigint): readonly [leaf: boolean, bad: boolean] => [on.leaf(bits as never), on.bad(bits as never)];
    expect([V | SPECIAL, V, V | SPECIAL | TABLE, PROT_NONE | SPECIAL, PROT_NONE].map((bits) => seen(last, bits))).toEqual([
      [true, false], [false, true], [false, true], [true, false], [false, false],
    ]);
    // A directory's entry that is to point to a table is bad if it is anything else.
    expect([V | SPECIAL, V, V | TABLE].map((bits) => seen(directory, bits))).toEqual([[true, true], [false, true], [false, false]]);
  });

  it('come apart into frame and permissions, and together again', () => {
    fc.assert(
      fc.property(any64, fc.nat(2 ** 31), (value, pfn) => {
        expect(values.pte.ofPfn(values.pte.pfn(value), values.pte.prot(value))).toBe(value);
        expect(values.pte.pfn(values.pte.ofPfn(pfn, 0xfffn as Prot))).toBe(pfn);
      }),
    );
  });

  it('keep the frame and the marks of software when permissions change, and nothing else', () => {
    const old = pte(0x1234_5000n | V | WRITE | YOUNG | DIRTY | SOFT_DIRTY);
    expect(values.pte.modify(old, PROT_NONE as Prot)).toBe(0x1234_5000n | PROT_NONE | YOUNG | DIRTY | SOFT_DIRTY);
    expect(values.pte.modify(pte(0x1000n | PROT_NONE), (V | WRITE | YOUNG) as Prot)).toBe(0x1000n | V | WRITE);
  });

  it('advance by whole pages of their level, either way', () => {
    fc.assert(
      fc.property(fc.integer({ min: 512, max: 2 ** 20 }), fc.integer({ min: -1, max: 1000 }), (pfn, count) => {
        const one = values.pte.ofPfn(pfn, (V | YOUNG) as Prot);
        expect(values.pte.advancePfn(one, count)).toBe(one + BigInt(count) * 0x1000n);
        const huge = values.pmd.ofPfn(pfn, V as Prot);
        expect(values.pmd.advancePfn(huge, count)).toBe(huge + BigInt(count) * 0x20_0000n);
      }),
    );
  });

  it('are leaves after mkhuge, and taken from the hardware by mkinvalid', () => {
    const huge = values.pmd.mkhuge(values.pmd.ofPfn(512, (V | TABLE | WRITE) as Prot));
    expect([huge, values.pmd.mkgroup(huge, 1), values.pmd.leaf(huge)]).toEqual([0x20_0000n | V | WRITE, huge, true]);
    const invalid = values.pmd.mkinvalid(huge);
    expect([values.pmd.valid(invalid), values.pmd.present(invalid), values.pmd.pfn(invalid)]).toEqual([false, true, 512]);
    // A pte is as large as it is.
    expect(values.pte.mkhuge(pte(V | TABLE))).toBe(V | TABLE);
  });

  it('point to tables, for users and for the kernel', () => {
    expect([values.pud.ofTable(0x1234_5000, true), values.pud.ofTable(0x1234_5000, false)]).toEqual([0x1234_5000n | V | TABLE | WRITE, 0x1234_5000n | V | TABLE]);
    expect(values.pud.table(values.pud.ofTable(0x1234_5000, true))).toBe(0x1234_5000);
  });

  it('hold a swap type and offset, beside the marks', () => {
    fc.assert(
      fc.property(fc.nat(31), fc.bigInt(0n, 2n ** 36n - 1n), fc.subarray(['swpMksoftDirty', 'swpMkexclusive', 'swpMkuffdWp'] as const), (type, offset, marks) => {
        const swap = marks.reduce((value, mark) => values.pte[mark](value), values.pte.ofSwap(type, offset));
        fc.pre(swap !== values.pte.empty);
        expect([values.pte.swap(swap), values.pte.swapType(swap), values.pte.swapOffset(swap)]).toEqual([true, type, offset]);
      }),
    );
    // What does not fit is cut off, and touches nothing else.
    expect(values.pte.ofSwap(33, 2n ** 40n)).toBe(values.pte.ofSwap(1, 0n));
  });
});
