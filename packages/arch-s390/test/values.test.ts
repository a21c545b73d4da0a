import { entryVal, TableMemory, VmFlags, type EntryVal, type EntryValues, type Level, type Prot } from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { s390Arch, type S390Config } from '../src/index.js';

const OLD: Partial<S390Config> = { release: '6.12.0' };
const NEW: Partial<S390Config> = { release: '6.14.0' };

/** An architecture's pure functions, which need no `this`. */
function arch(config: Partial<S390Config> = OLD) {
  const made = s390Arch({ top: 'pgd', ...config }, new TableMemory());
  return {
    values: made.values,
    hugePages: made.hugePages,
    vmProt: (flags: number) => made.vmProt(flags),
    kernelProt: (flags: number) => made.kernelProt(flags),
    liveChange: <L extends Level>(level: L, old: EntryVal<L>, value: EntryVal<L>) => made.liveChange?.(level, old, value),
    decodeNonPresent: (level: Level, value: bigint) => made.decodeNonPresent(level, value),
  };
}

const pte = (bits: bigint) => entryVal('pte', bits);
const pmd = (bits: bigint) => entryVal('pmd', bits);
const pud = (bits: bigint) => entryVal('pud', bits);

/** The kernel's table of the combinations of hardware and software bits (pgtable.h, Linux 6.12), at frame 0x1234 with NOEXEC. */
const STATES = [
  { name: 'prot-none, clean, old', read: false, write: false, dirty: false, young: false, pte: 0x1234701n, pmd: 0x300720n },
  { name: 'prot-none, clean, young', read: false, write: false, dirty: false, young: true, pte: 0x1234705n, pmd: 0x301720n },
  { name: 'prot-none, dirty, old', read: false, write: false, dirty: true, young: false, pte: 0x1234709n, pmd: 0x302720n },
  { name: 'prot-none, dirty, young', read: false, write: false, dirty: true, young: true, pte: 0x123470dn, pmd: 0x303720n },
  { name: 'read-only, clean, old', read: true, write: false, dirty: false, young: false, pte: 0x1234711n, pmd: 0x300721n },
  { name: 'read-only, clean, young', read: true, write: false, dirty: false, young: true, pte: 0x1234315n, pmd: 0x301701n },
  { name: 'read-only, dirty, old', read: true, write: false, dirty: true, young: false, pte: 0x1234719n, pmd: 0x302721n },
  { name: 'read-only, dirty, young', read: true, write: false, dirty: true, young: true, pte: 0x123431dn, pmd: 0x303701n },
  { name: 'read-write, clean, old', read: true, write: true, dirty: false, young: false, pte: 0x1234731n, pmd: 0x300723n },
  { name: 'read-write, clean, young', read: true, write: true, dirty: false, young: true, pte: 0x1234335n, pmd: 0x301703n },
  { name: 'read-write, dirty, old', read: true, write: true, dirty: true, young: false, pte: 0x1234539n, pmd: 0x302523n },
  { name: 'read-write, dirty, young', read: true, write: true, dirty: true, young: true, pte: 0x123413dn, pmd: 0x303503n },
];
/** I of the large-page column: the kernel's table shows it as the bit left of TT. */
const I = 0x20n;

describe('the kernel\'s table of states', () => {
  it.each(STATES)('$name', ({ read, write, dirty, young, ...bits }) => {
    const { values, vmProt } = arch();
    const prot = vmProt(read ? VmFlags.Read | VmFlags.Shared | (write ? VmFlags.Write : 0) : 0);
    const made = <L extends 'pte' | 'pmd'>(of: EntryValues<L>, pfn: number) => {
      const page = of.mkhuge(of.ofPfn(pfn, prot));
      const touched = young ? page : of.mkold(page);
      return of.clearSoftDirty(dirty ? of.mkdirty(touched) : touched);
    };
    const noexec = read ? 0n : 0x100n;
    expect(made(values.pte, 0x1234)).toBe(bits.pte & ~noexec);
    expect(made(values.pmd, 0x300)).toBe(bits.pmd & ~noexec);
    for (const [of, value] of [[values.pte, bits.pte], [values.pmd, bits.pmd]] as const) {
      const any: EntryValues = of;
      const entry = entryVal(any.level, value);
      expect([any.present(entry), any.none(entry), any.leaf(entry), any.swap(entry)]).toEqual([true, false, true, false]);
      expect([any.young(entry), any.dirty(entry), any.write(entry), any.protnone(entry)]).toEqual([young, dirty, write, !read]);
      expect(any.valid(entry)).toBe((value & (of === values.pte ? 0x400n : I)) === 0n);
      expect(any.valid(entry)).toBe(read && young);
    }
  });
});

describe('golden values', () => {
  it('are empty at every level', () => {
    const { values } = arch();
    expect([values.pte.empty, values.pmd.empty, values.pud.empty, values.p4d.empty, values.pgd.empty]).toEqual([0x400n, 0x20n, 0x24n, 0x28n, 0x2cn]);
    for (const level of ['pte', 'pmd', 'pud', 'p4d', 'pgd'] as const) {
      const of: EntryValues = values[level];
      expect(of.level).toBe(level);
      expect([of.none(of.empty), of.present(of.empty), of.valid(of.empty), of.leaf(of.empty), of.bad(of.empty), of.swap(of.empty)]).toEqual([true, false, false, false, false, false]);
    }
  });

  it('point to tables', () => {
    const { values } = arch();
    expect([true, false].map((user) => values.pmd.ofTable(0x30800, user))).toEqual([0x30800n, 0x30800n]);
    expect([values.pud.ofTable(0x1c000, true), values.p4d.ofTable(0x18000, true), values.pgd.ofTable(0x14000, true)]).toEqual([0x1c007n, 0x1800bn, 0x1400fn]);
    expect(arch(NEW).values.pmd.ofTable(0x30800, true)).toBe(0x30801n);
    for (const level of ['pmd', 'pud', 'p4d', 'pgd'] as const) {
      for (const config of [OLD, NEW, { edat: false }]) {
        const of: EntryValues = arch(config).values[level];
        const entry = of.ofTable(0x7654_4000, true);
        expect(of.table(entry)).toBe(0x7654_4000);
        expect([of.present(entry), of.valid(entry), of.none(entry), of.leaf(entry), of.bad(entry)]).toEqual([true, true, false, false, false]);
        // What IDTE is taking out is not bad in between: pmd_bad() does not look at I.
        expect(of.bad(of.mkinvalid(entry))).toBe(false);
        expect(of.valid(of.mkinvalid(entry))).toBe(false);
      }
    }
  });

  it('see the entry of a root table under its higher names', () => {
    const { values } = arch();
    for (const config of [OLD, NEW]) {
      const { pud: ofPud, p4d: ofP4d, pgd: ofPgd } = arch(config).values;
      const all: readonly EntryValues[] = [ofPud, ofP4d, ofPgd];
      for (const of of all) {
        for (const bits of [0x20n, 0x30800n, 0x300703n]) {
          const entry = entryVal(of.level, bits);
          expect([of.present(entry), of.none(entry), of.bad(entry), of.leaf(entry)]).toEqual([true, false, false, false]);
        }
      }
    }
    // The type of a higher table is no folding.
    expect(values.pmd.bad(pmd(0x1c007n))).toBe(true);
  });

  it('are the kernel\'s own pages', () => {
    const { values, kernelProt } = arch();
    const { Read, Write, Exec } = VmFlags;
    const prots = [Read, Read | Write, Read | Exec, Read | Write | Exec].map(kernelProt);
    expect(prots).toEqual([0x315n, 0x13dn, 0x215n, 0x3dn]);
    // SEGMENT_KERNEL_RO, SEGMENT_KERNEL, SEGMENT_KERNEL_EXEC; REGION3_KERNEL with its frame.
    const large = prots.map((prot) => values.pmd.mkhuge(values.pmd.ofPfn(0x300, prot)));
    expect(large).toEqual([0x301701n, 0x303503n, 0x301601n, 0x303403n]);
    expect(values.pud.mkhuge(values.pud.ofPfn(0x100000, prots[1]!))).toBe(0x100003507n);
    // From Linux 6.14 on with the present bit, and read and write elsewhere.
    const { values: later } = arch(NEW);
    expect(later.pmd.mkhuge(later.pmd.ofPfn(0x300, prots[1]!))).toBe(0x30f501n);
    expect(arch({ noexec: false }).kernelProt(Read | Write)).toBe(0x3dn);
  });

  it('are protection_map, made young', () => {
    const { vmProt } = arch();
    const [none, ro, rx, rw, rwx] = [0x605n, 0x315n, 0x215n, 0x335n, 0x235n];
    const map = Array.from({ length: 16 }, (_, flags) => vmProt(flags));
    expect(map).toEqual([none, ro, ro, ro, rx, rx, rx, rx, none, ro, rw, rw, rx, rx, rwx, rwx]);
    const without = arch({ noexec: false }).vmProt;
    expect([without(VmFlags.Read), without(0)]).toEqual([0x215n, none]);
  });

  it('know a page that must not be', () => {
    const { values } = arch();
    expect(values.pte.bad(pte(0x1234b15n))).toBe(true);
    expect(values.pte.bad(pte(0x1234315n))).toBe(false);
    expect(values.pmd.bad(pmd(0x301701n))).toBe(true);
    expect(values.pte.leaf(pte(0x600n))).toBe(false);
  });

  it('tell apart what has no leaves', () => {
    const { values, hugePages } = arch({ ...OLD, edat: false });
    expect(hugePages).toEqual([]);
    expect(values.pmd.features).toEqual(new Set(['table']));
    expect([values.pmd.leaf(pmd(0x301701n)), values.pmd.mkhuge(pmd(0x300020n)), values.pmd.mkyoung(pmd(0x30820n)), values.pmd.wrprotect(pmd(0x30800n))])
      .toEqual([false, 0x300020n, 0x30820n, 0x30800n]);
    expect(arch().hugePages.map(({ bytes, level, count }) => [bytes, level, count])).toEqual([[2 ** 20, 'pmd', 1], [2 ** 31, 'pud', 1]]);
    expect(arch().values.pgd.features).toEqual(new Set(['table']));
    expect(arch().values.pmd.features.has('swap')).toBe(false);
    expect(arch(NEW).values.pud.features.has('swap')).toBe(true);
    expect(values.pgd.swap(entryVal('pgd', 0x1c02fn))).toBe(false);
    expect(arch().values.pmd.ofSwap(3, 4n)).toBe(0x20n);
  });
});

const LEAF_LEVELS = [
  { level: 'pte', config: OLD },
  { level: 'pmd', config: OLD },
  { level: 'pud', config: OLD },
  { level: 'pmd', config: NEW },
  { level: 'pud', config: NEW },
] as const;

describe.each(LEAF_LEVELS)('laws of $level entries, Linux $config.release', ({ level, config }) => {
  const { values, vmProt, kernelProt, decodeNonPresent } = arch(config);
  const of: EntryValues = values[level];
  const order = { pte: 0, pmd: 8, pud: 19 }[level];
  const pfn = fc.integer({ min: 0, max: 2 ** 30 - 1 }).map((number) => number * 2 ** order);
  const prot = fc.oneof(fc.integer({ min: 0, max: 15 }).map(vmProt), fc.integer({ min: 1, max: 7 }).map(kernelProt));
  const steps = ['mkyoung', 'mkold', 'mkdirty', 'mkclean', 'mkwrite', 'wrprotect', 'mksoftDirty', 'clearSoftDirty', 'mkspecial'] as const;
  const leaf = fc.tuple(pfn, prot, fc.array(fc.constantFrom(...steps), { maxLength: 6 }))
    .map(([frame, bits, list]) => list.reduce((value, step) => of[step](value), of.mkhuge(of.ofPfn(frame, bits))));

  it('constructors do what they are named for and nothing else', () => {
    const state = (value: typeof of.empty) => ({
      young: of.young(value), dirty: of.dirty(value), write: of.write(value), softDirty: of.softDirty(value), special: of.special(value), pfn: of.pfn(value),
      present: of.present(value), leaf: of.leaf(value),
    });
    fc.assert(fc.property(leaf, (value) => {
      const before = state(value);
      expect(before).toMatchObject({ present: true, leaf: true });
      expect(state(of.mkyoung(value))).toEqual({ ...before, young: true });
      expect(state(of.mkold(value))).toEqual({ ...before, young: false });
      // A dirty page has been written to.
      expect(state(of.mkdirty(value))).toEqual({ ...before, dirty: true, softDirty: true });
      expect(state(of.mkclean(value))).toEqual({ ...before, dirty: false });
      expect(state(of.mkwrite(value))).toEqual({ ...before, write: true });
      expect(state(of.wrprotect(value))).toEqual({ ...before, write: false });
      expect(state(of.mksoftDirty(value))).toEqual({ ...before, softDirty: true });
      expect(state(of.clearSoftDirty(value))).toEqual({ ...before, softDirty: false });
      expect(state(of.mkspecial(value))).toEqual({ ...before, special: level === 'pte' });
      expect(state(of.mkinvalid(value))).toEqual(before);
      expect(of.valid(of.mkinvalid(value))).toBe(false);
      // Without a bit of its own, a constructor changes nothing.
      expect([of.mkuffdWp(value), of.clearUffdWp(value), of.mkdevmap(value)]).toEqual([value, value, value]);
      expect(of.mkgroup(value, 1)).toBe(value);
    }));
  });

  it('the hardware\'s bits follow the software\'s', () => {
    const protect = 0x200n;
    const read = { pte: 0x10n, pmd: config === OLD ? 0x1n : 0x4000n, pud: config === OLD ? 0x1n : 0x4000n }[level];
    fc.assert(fc.property(leaf, (value) => {
      expect(of.valid(value)).toBe(of.young(value) && (value & read) !== 0n);
      if (of.write(value) && of.dirty(value)) expect(value & protect).toBe(0n);
      else expect(value & protect).toBe(protect);
    }));
  });

  it('come apart and together again', () => {
    fc.assert(fc.property(leaf, prot, fc.integer({ min: -5, max: 5 }), (value, other, count) => {
      expect(of.ofPfn(of.pfn(value), of.prot(value))).toBe(value);
      expect(of.modify(value, of.prot(value))).toBe(value);
      const changed = of.modify(value, other);
      expect([of.pfn(changed), of.young(changed), of.dirty(changed), of.softDirty(changed), of.special(changed), of.leaf(changed)])
        .toEqual([of.pfn(value), of.young(value), of.dirty(value) || of.dirty(of.ofPfn(0, other)), of.softDirty(value), of.special(value), true]);
      expect(of.write(changed)).toBe((other & 0x20n) !== 0n);
      if (of.dirty(changed) === of.dirty(value)) expect(of.modify(changed, of.prot(value))).toBe(value);
      if (of.pfn(value) + count * 2 ** order < 0) return;
      const next = of.advancePfn(value, count);
      expect(of.pfn(next)).toBe(of.pfn(value) + count * 2 ** order);
      expect(of.prot(next)).toBe(of.prot(value));
      expect(of.advancePfn(next, -count)).toBe(value);
      // A large page's protection is one of small pages too.
      expect(values.pte.prot(values.pte.ofPfn(1, of.prot(value)))).toBe(of.prot(value) & 0xfffn);
    }));
  });

  it('a page of the kernel that was read-only can be written to when it is given the right to', () => {
    const { kernelProt } = arch(config);
    const readOnly = of.mkhuge(of.ofPfn(0, kernelProt(VmFlags.Read)));
    const writable = of.mkhuge(of.ofPfn(0, kernelProt(VmFlags.Read | VmFlags.Write)));
    expect(of.dirty(readOnly)).toBe(false);
    // The protection bit of the hardware is gone with it: nobody answers the fault of a write.
    expect(of.modify(readOnly, kernelProt(VmFlags.Read | VmFlags.Write))).toBe(writable);
    expect(of.dirty(of.modify(writable, kernelProt(VmFlags.Read)))).toBe(true);
  });

  it('any bits come apart and together again', () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (bits) => {
      const value = entryVal(level, bits);
      expect(of.ofPfn(of.pfn(value), of.prot(value))).toBe(value);
      // An entry is exactly one of these, unless nothing fits.
      expect([of.none(value), of.present(value), of.swap(value)].filter(Boolean).length).toBeLessThanOrEqual(1);
      expect(of.same(value, value)).toBe(true);
    }));
  });

  it('swap entries are what decodeNonPresent reads', () => {
    if (!of.features.has('swap')) {
      expect(of.ofSwap(1, 1n)).toBe(of.empty);
      return;
    }
    fc.assert(fc.property(fc.integer({ min: 0, max: 27 }), fc.bigInt({ min: 0n, max: 2n ** 52n - 1n }), (type, offset) => {
      const entry = of.ofSwap(type, offset);
      expect([of.swap(entry), of.present(entry), of.none(entry), of.valid(entry), of.leaf(entry)]).toEqual([true, false, false, false, false]);
      expect([of.swapType(entry), of.swapOffset(entry)]).toEqual([type, offset]);
      expect(decodeNonPresent(level, entry)).toEqual({ kind: 'swap', type, offset, flags: [] });
      const soft = of.swpMksoftDirty(entry);
      expect([of.swpSoftDirty(entry), of.swpSoftDirty(soft), of.swpClearSoftDirty(soft)]).toEqual([false, true, entry]);
      expect(decodeNonPresent(level, soft)).toEqual({ kind: 'swap', type, offset, flags: ['soft-dirty'] });
      const mine = of.swpMkexclusive(entry);
      expect(of.swpClearExclusive(mine)).toBe(entry);
      expect(of.swpExclusive(mine)).toBe(level === 'pte');
      if (level === 'pte') expect(decodeNonPresent(level, mine)).toMatchObject({ type, offset, flags: ['exclusive'] });
      expect([of.swpMkuffdWp(entry), of.swpUffdWp(entry)]).toEqual([entry, false]);
    }));
    // The kernel's migration entries, type 30 with write permission.
    expect(decodeNonPresent(level, of.ofSwap(30, 0x1234n))).toEqual({ kind: 'migration', pa: 0x1234000n, writable: true, flags: [] });
  });

  it('PROT_NONE and old pages are what decodeNonPresent reads', () => {
    fc.assert(fc.property(leaf, (value) => {
      if (of.valid(value)) return;
      expect(decodeNonPresent(level, value)).toMatchObject({ kind: 'protected', pa: BigInt(of.pfn(value)) * 4096n });
    }));
  });
});

describe('liveChange', () => {
  it('lets software bits pass, and nothing else', () => {
    const { liveChange } = arch();
    expect(liveChange('pte', pte(0x1234315n), pte(0x1234317n))).toBeUndefined();
    expect(liveChange('pte', pte(0x1234335n), pte(0x123413dn))).toMatch(/IPTE/);
    expect(liveChange('pte', pte(0x1234315n), pte(0x1235315n))).toMatch(/IPTE/);
    expect(liveChange('pmd', pmd(0x301701n), pmd(0x305701n))).toBeUndefined();
    expect(liveChange('pmd', pmd(0x301701n), pmd(0x301501n))).toMatch(/IDTE/);
    expect(liveChange('pmd', pmd(0x301701n), pmd(0x30800n))).toMatch(/IDTE/);
    expect(liveChange('pud', pud(0x80001507n), pud(0x80003507n))).toBeUndefined();
    expect(liveChange('pud', pud(0x1c007n), pud(0x20007n))).toMatch(/CRDTE/);
    expect(arch({ edat: false }).liveChange('pmd', pmd(0x301701n), pmd(0x305701n))).toMatch(/IDTE/);
  });

  it('a prot knows no frame', () => {
    expect(arch().values.pte.ofPfn(1, 0xfffff000n as Prot)).toBe(0x1000n);
  });
});
