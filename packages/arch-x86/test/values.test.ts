import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entryVal, EntryKind, geometryOf, LEVELS, ScanBuffer, scanFilter, VmFlags, type EntryVal, type EntryValues, type Level, type Prot } from '@pgtable/core';
import { x86Arch } from '../src/index.js';
import { tablesWith } from './fake.js';
import { archOf, CONFIGS, frames, LEAVES, leafValues, prots } from './writable.js';

const { Read, Write, Exec, Shared } = VmFlags;
const NX = 1n << 63n;
const pte = (bits: bigint): EntryVal<'pte'> => entryVal('pte', bits);
const pmd = (bits: bigint): EntryVal<'pmd'> => entryVal('pmd', bits);

describe('values, by the masks of the kernel', () => {
  const arch = archOf({ mode: '4-level' });
  const { values } = arch;
  const vmProt = (flags: number): Prot => arch.vmProt(flags);
  const kernelProt = (flags: number): Prot => arch.kernelProt(flags);
  const pae = archOf({ mode: 'PAE' });
  const two = archOf({ mode: '2-level' });

  it('are made of protections', () => {
    expect([0, Read, Read | Write, Read | Exec, Shared, Shared | Read, Shared | Read | Write, 15].map(vmProt)).toEqual([
      0x120n, 0x25n | NX, 0x25n | NX, 0x25n, 0x120n, 0x25n | NX, 0x27n | NX, 0x27n,
    ]);
    expect([Read, Read | Write, Read | Exec, Read | Write | Exec].map(kernelProt)).toEqual([0x121n | NX, 0x163n | NX, 0x121n, 0x163n]);
    expect(archOf({ mode: '4-level', nx: false }).vmProt(Read)).toBe(0x25n);
    expect(two.vmProt(Read)).toBe(0x25n);
    expect(two.kernelProt(Read | Write)).toBe(0x163n);
    expect(values.pte.ofPfn(0x12345, vmProt(Read))).toBe(0x12345025n | NX);
  });

  it('hold the complement of the frame where they are not valid', () => {
    expect(values.pte.ofPfn(0x12345, vmProt(0))).toBe(0x000fffffedcba120n);
    expect(values.pte.pfn(pte(0x000fffffedcba120n))).toBe(0x12345);
    expect(pae.values.pte.ofPfn(0x12345, vmProt(0))).toBe(0x000fffffedcba120n);
    expect(two.values.pte.ofPfn(0x12345, vmProt(0))).toBe(0x12345120n);
    expect(values.pmd.mkinvalid(pmd(0x406000e7n | NX))).toBe(0x000fffffbf8000e6n | NX);
    expect(values.pmd.pfn(pmd(0x000fffffbf8000e6n | NX))).toBe(0x40600);
    expect(values.pmd.leaf(pmd(0x000fffffbf8000e6n))).toBe(true);
    expect(values.pte.mkinvalid(pte(0x12345027n))).toBe(0x000fffffedcba126n);
  });

  it('keep dirty aside while read-only', () => {
    expect(values.pte.wrprotect(pte(0x12345067n))).toBe(0x0400000012345025n);
    expect(values.pte.mkwrite(pte(0x0400000012345025n))).toBe(0x12345067n);
    expect(values.pte.mkdirty(pte(0x12345025n))).toBe(0x0400000012345825n);
    expect(values.pte.mkdirty(pte(0x12345027n))).toBe(0x12345867n);
    expect(values.pte.mkclean(pte(0x0400000012345025n))).toBe(0x12345025n);
    expect(values.pte.dirty(pte(0x0400000012345025n))).toBe(true);
    expect(pae.values.pte.wrprotect(pte(0x12345067n))).toBe(0x12345425n);
    expect(two.values.pte.wrprotect(pte(0x12345067n))).toBe(0x12345425n);
    expect(two.values.pte.mkwrite(pte(0x12345425n))).toBe(0x12345067n);
    expect(values.pmd.wrprotect(pmd(0x406000e7n))).toBe(0x04000000406000a5n);
  });

  it('have the marks of software where Linux puts them', () => {
    expect(values.pte.mkspecial(pte(0x25n))).toBe(0x225n);
    expect(values.pte.mkdevmap(pte(0x25n))).toBe(0x0200000000000225n);
    expect(values.pmd.mkdevmap(pmd(0xa5n))).toBe(0x02000000000000a5n);
    expect(values.pte.mksoftDirty(pte(0x25n))).toBe(0x825n);
    expect(values.pte.mkuffdWp(pte(0x67n))).toBe(0x0400000000000425n);
    expect(two.values.pte.mkuffdWp(pte(0x67n))).toBe(0x67n);
    expect(two.values.pte.softDirty(pte(0x825n))).toBe(false);
    expect(two.values.pte.mkdevmap(pte(0x25n))).toBe(0x25n);
  });

  it('change protection and nothing else', () => {
    expect(values.pte.modify(pte(0x12345067n), vmProt(Read))).toBe(0x0400000012345025n | NX);
    expect(values.pte.modify(pte(0x12345067n), vmProt(0))).toBe(0x040fffffedcba120n);
    expect(values.pte.modify(pte(0x040fffffedcba120n), vmProt(Read | Write | Shared))).toBe(0x12345067n | NX);
    // PAT is bit 7 of a pte and bit 12 of a large page. A shadow stack (D set, R/W clear) stays one.
    expect(values.pte.modify(pte(0x123450a7n), vmProt(Read))).toBe(0x123450a5n | NX);
    expect(values.pmd.modify(pmd(0x406010a7n), vmProt(Read))).toBe(0x406010a5n | NX);
    expect(values.pte.modify(pte(0x12345065n), vmProt(Read))).toBe(0x12345065n | NX);
  });

  it('keep the PAT bit of a large page out of its frame', () => {
    expect(values.pmd.pfn(pmd(0x406010e3n))).toBe(0x40600);
    expect(values.pmd.prot(pmd(0x406010e3n))).toBe(0x10e3n);
    expect(values.pud.pfn(entryVal('pud', 0x800010e3n))).toBe(0x80000);
    expect(values.pmd.advancePfn(pmd(0x406010e3n), 1)).toBe(0x408010e3n);
  });

  it('put the high address bits of 4 MiB pages into bits 20:13', () => {
    expect(two.values.pgd.mkhuge(two.values.pgd.ofPfn(0x1234000, two.kernelProt(Read | Write)))).toBe(0x340241e3n);
    expect(two.values.pgd.pfn(entryVal('pgd', 0x340241e3n))).toBe(0x1234000);
    expect(two.values.pmd.pfn(pmd(0x340241e3n))).toBe(0x1234000);
    expect(archOf({ mode: '2-level', pse: false }).values.pgd.leaf(entryVal('pgd', 0x340241e3n))).toBe(false);
  });

  it('point to tables', () => {
    expect(values.pmd.ofTable(0x5000, true)).toBe(0x5067n);
    expect(values.pgd.ofTable(0x5000, false)).toBe(0x5063n);
    expect(pae.values.pgd.ofTable(0x5000, true)).toBe(0x5001n);
    expect(pae.values.pud.ofTable(0x5000, false)).toBe(0x5001n);
    expect(two.values.pgd.ofTable(0x5000, true)).toBe(0x5067n);
    expect(values.pmd.table(pmd(0x8000000012345067n))).toBe(0x12345000);
  });

  it('are bad where the kernel says so', () => {
    const five = archOf({ mode: '5-level' }).values;
    expect([0x5067n, 0x5063n, 0x5047n, 0x5065n, 0x5027n, 0x50e7n, 0x506fn, 0x5067n | NX, 0x66n].map((bits) => values.pmd.bad(pmd(bits)))).toEqual(
      [false, false, false, true, true, true, true, true, true],
    );
    expect([0x5067n, 0x5021n, 0x5067n | NX, 0x50e7n].map((bits) => values.pud.bad(entryVal('pud', bits)))).toEqual([false, false, true, true]);
    expect([0x5067n, 0x5067n | NX, 0x5047n, 0x50e7n].map((bits) => values.pgd.bad(entryVal('pgd', bits)))).toEqual([false, false, false, true]);
    expect([0x5067n, 0x5067n | NX, 0x5047n].map((bits) => five.pgd.bad(entryVal('pgd', bits)))).toEqual([false, false, true]);
    expect([0x5001n, 0x5001n | NX, 0x5009n].map((bits) => pae.values.pgd.bad(entryVal('pgd', bits)))).toEqual([false, true, true]);
    expect([0x5067n, 0x5027n, 0x4000e7n].map((bits) => two.values.pgd.bad(entryVal('pgd', bits)))).toEqual([false, true, true]);
    const narrow = archOf({ mode: '4-level', physicalBits: 40, nx: false }).values.pte;
    expect([0x5067n, (1n << 40n) | 0x5067n, NX | 0x5067n].map((bits) => narrow.bad(pte(bits)))).toEqual([false, true, true]);
  });

  it('are empty with A and D, which some processors set', () => {
    expect(values.pte.none(pte(0x60n))).toBe(true);
    expect(values.pgd.none(entryVal('pgd', 0x20n))).toBe(true);
    expect(pae.values.pte.none(pte(0x60n))).toBe(true);
    expect(two.values.pte.none(pte(0x60n))).toBe(false);
    expect(archOf({ mode: '5-level' }).values.pgd.none(entryVal('pgd', 0x20n))).toBe(false);
    expect(archOf({ mode: '5-level' }).values.p4d.none(entryVal('p4d', 0x20n))).toBe(true);
  });

  it('have the bit that says that memory is encrypted', () => {
    const C = 1n << 47n;
    const encrypted = archOf({ mode: '4-level', encryptionMask: C });
    expect(encrypted.vmProt(Read)).toBe(0x25n | C | NX);
    expect(encrypted.values.pmd.ofTable(0x5000, true)).toBe(0x5067n | C);
    expect(encrypted.values.pmd.table(pmd(0x5067n | C))).toBe(0x5000);
    expect(encrypted.values.pmd.bad(pmd(0x5067n))).toBe(true);
    expect(encrypted.values.pte.ofPfn(0x12345, encrypted.vmProt(0))).toBe((0x000fffffedcba120n & ~C) | C);
    expect(encrypted.values.pte.pfn(encrypted.values.pte.ofPfn(0x12345, encrypted.vmProt(0)))).toBe(0x12345);
  });

  it('say what a swap entry says', () => {
    expect(values.pte.ofSwap(3, 77n)).toBe(0x1fffffffffff6400n);
    expect(pae.values.pte.ofSwap(3, 77n)).toBe(0x1fffffffffff6400n);
    expect(two.values.pte.ofSwap(3, 77n)).toBe(0x9a06n);
    expect(values.pte.swpMkexclusive(pte(0x6400n))).toBe(0x6408n);
    expect(values.pte.swpMksoftDirty(pte(0x6400n))).toBe(0x6402n);
    expect(values.pte.swpMkuffdWp(pte(0x6400n))).toBe(0x6404n);
    expect(pae.values.pte.swpMkexclusive(pte(0x6400n))).toBe(0x6480n);
    expect(two.values.pte.swpMkexclusive(pte(0x9a06n))).toBe(0x9a86n);
    expect(pae.values.pmd.features.has('swap')).toBe(false);
    expect(pae.values.pmd.ofSwap(3, 77n)).toBe(0n);
  });
});

it.each(CONFIGS)('a folded level has the values of the pgd under its own name: $title', (config) => {
  const { geometry, values } = archOf(config);
  for (const level of LEVELS) {
    expect(values[level].level).toBe(level);
    if (!geometryOf(geometry, level).folded) continue;
    expect([...values[level].features]).toEqual([...values.pgd.features]);
    expect(values[level].ofTable(0x5000, true)).toBe(values.pgd.ofTable(0x5000, true));
  }
});

describe.each(LEAVES)('the laws of leaves: $title', ({ config, level }) => {
  const arch = archOf(config);
  // One level stands for all here; which one, the table above says.
  const values: EntryValues = arch.values[level];
  const leaves = leafValues(config, level);
  const holds = (law: (value: EntryVal<Level>) => void): void => {
    fc.assert(fc.property(leaves, law), { numRuns: 100 });
  };

  it('a leaf is present, and is its frame and protection', () => {
    holds((value) => {
      expect([values.present(value), values.leaf(value), values.none(value), values.swap(value)]).toEqual([true, true, false, false]);
      expect(values.ofPfn(values.pfn(value), values.prot(value))).toBe(value);
      expect(values.modify(value, values.prot(value))).toBe(value);
    });
    fc.assert(fc.property(frames(config, level), prots(arch), (pfn, prot) => {
      expect(values.pfn(values.ofPfn(pfn, prot))).toBe(pfn);
      expect(values.prot(values.ofPfn(pfn, prot))).toBe(prot);
    }));
  });

  it('marks are set and cleared', () => {
    holds((value) => {
      const rest = (other: EntryVal<Level>): unknown[] => [values.pfn(other), values.special(other), values.devmap(other), values.protnone(other), values.valid(other)];
      expect(values.young(values.mkyoung(value))).toBe(true);
      expect(values.young(values.mkold(value))).toBe(false);
      expect(values.dirty(values.mkdirty(value))).toBe(true);
      expect(values.dirty(values.mkclean(value))).toBe(false);
      expect(values.write(values.mkwrite(value))).toBe(true);
      expect(values.write(values.wrprotect(value))).toBe(false);
      expect(values.dirty(values.wrprotect(value))).toBe(values.dirty(value));
      expect(values.dirty(values.mkwrite(value))).toBe(values.dirty(value));
      expect(values.write(values.mkdirty(value))).toBe(values.write(value));
      expect(values.young(values.wrprotect(values.mkdirty(value)))).toBe(values.young(value));
      expect(values.softDirty(values.clearSoftDirty(value))).toBe(false);
      expect(values.softDirty(values.mksoftDirty(value))).toBe(values.features.has('softDirty'));
      expect(values.uffdWp(values.mkuffdWp(value))).toBe(values.features.has('uffdWp'));
      expect(values.uffdWp(values.clearUffdWp(value))).toBe(false);
      for (const made of [values.mkyoung(value), values.mkold(value), values.mkdirty(value), values.mkclean(value), values.mkwrite(value), values.wrprotect(value), values.mkuffdWp(value)]) {
        expect(rest(made)).toEqual(rest(value));
      }
      // No change makes a shadow stack: D stands only beside R/W.
      for (const made of [values.mkdirty(value), values.wrprotect(value), values.mkwrite(values.wrprotect(value))]) expect((made & 0x42n) !== 0x40n).toBe(true);
    });
  });

  it('a change of protection keeps frame and marks, and can be undone', () => {
    fc.assert(fc.property(leaves, prots(arch), (value, prot) => {
      const changed = values.modify(value, prot);
      for (const say of ['pfn', 'young', 'dirty', 'special', 'devmap', 'softDirty', 'uffdWp', 'leaf'] as const) expect(values[say](changed)).toEqual(values[say](value));
      expect(values.valid(changed)).toBe((prot & 1n) !== 0n);
      expect(values.write(changed)).toBe((prot & 2n) !== 0n);
      expect(values.protnone(changed)).toBe((prot & 0x101n) === 0x100n);
      expect(values.modify(changed, values.prot(value))).toBe(value);
    }));
  });

  it('the next page is one page further, and an invalid leaf is the same page', () => {
    holds((value) => {
      const pages = 2 ** (geometryOf(arch.geometry, level).shift - 12);
      fc.pre(values.pfn(value) >= pages && values.pfn(value) + pages < 2 ** 20);
      expect(values.pfn(values.advancePfn(value, 1))).toBe(values.pfn(value) + pages);
      expect(values.advancePfn(values.advancePfn(value, 1), -1)).toBe(value);
      expect(values.prot(values.advancePfn(value, 1))).toBe(values.prot(value));
    });
    holds((value) => {
      const invalid = values.mkinvalid(value);
      expect([values.valid(invalid), values.present(invalid), values.leaf(invalid), values.pfn(invalid)]).toEqual([false, true, true, values.pfn(value)]);
      expect([values.dirty(invalid), values.young(invalid), values.write(invalid)]).toEqual([values.dirty(value), values.young(value), values.write(value)]);
    });
  });

  it('who reads tables sees the same page', () => {
    fc.assert(fc.property(leaves, (value) => {
      if (!values.valid(value)) {
        expect(arch.decodeNonPresent(level, value)).toMatchObject({ kind: 'protected', pa: BigInt(values.pfn(value)) * 4096n });
        return;
      }
      const entryBytes = config.mode === '2-level' ? 4 : 8;
      const { entries } = geometryOf(arch.geometry, level);
      const reader = x86Arch(config, tablesWith(entryBytes, [{ level, address: 0x4000, entries, values: { 0: value } }]));
      const buffer = new ScanBuffer(1);
      const index = reader.tables!.find(level, 0x4000) as unknown;
      (reader.ops[level] as { scan(table: unknown, first: number, end: number, filter: unknown, out: ScanBuffer): number }).scan(index, 0, 1, scanFilter(false), buffer);
      expect([buffer.kind[0], buffer.pa[0]]).toEqual([EntryKind.Leaf, values.pfn(value) * 4096]);
    }), { numRuns: 50 });
  });

  if (values.features.has('swap')) it('a swap entry is what decodeNonPresent reads', () => {
    const offsets = config.mode === '2-level' ? 23n : 50n;
    const reader = archOf({ ...config, release: '6.12.0' });
    fc.assert(fc.property(fc.integer({ min: 0, max: 31 }), fc.bigInt({ min: 0n, max: (1n << offsets) - 2n }), fc.boolean(), fc.boolean(), fc.boolean(), (type, offset, exclusive, softDirty, uffdWp) => {
      fc.pre(type !== 0 || offset !== 0n);
      let value = values.ofSwap(type, offset);
      if (exclusive) value = values.swpMkexclusive(value);
      if (softDirty) value = values.swpMksoftDirty(value);
      if (uffdWp) value = values.swpMkuffdWp(value);
      const has = (feature: 'swpExclusive' | 'swpSoftDirty' | 'swpUffdWp'): boolean => values.features.has(feature);
      expect([values.swap(value), values.present(value), values.none(value), values.swapType(value), values.swapOffset(value)]).toEqual([true, false, false, type, offset]);
      expect([values.swpExclusive(value), values.swpSoftDirty(value), values.swpUffdWp(value)]).toEqual([
        exclusive && has('swpExclusive'), softDirty && has('swpSoftDirty'), uffdWp && has('swpUffdWp'),
      ]);
      expect(values.swpClearExclusive(values.swpClearSoftDirty(values.swpClearUffdWp(value)))).toBe(values.ofSwap(type, offset));
      const read = reader.decodeNonPresent(level, value);
      if (type < 22) expect(read).toMatchObject({ kind: 'swap', type, offset });
      expect(read.kind).not.toBe('protected');
      const flags = [...(softDirty && has('swpSoftDirty') ? ['soft-dirty'] : []), ...(uffdWp && has('swpUffdWp') ? ['uffd-wp'] : []), ...(exclusive && has('swpExclusive') ? ['exclusive'] : [])];
      expect(read.flags.slice(0, flags.length)).toEqual(flags);
    }));
  });
});

it('without PAE every bit of a swap entry counts: what is A elsewhere is a bit of the type', () => {
  const { values: { pte } } = archOf({ mode: '2-level', release: '6.12.0' });
  expect(archOf({ mode: '2-level', release: '6.12.0' }).decodeNonPresent('pte', pte.ofSwap(16, 0n))).toMatchObject({ kind: 'swap', type: 16, offset: 0n });
});

it('a protection is taken from a value', () => {
  const arch = archOf({ mode: '4-level' });
  const prot: Prot = arch.values.pte.prot(arch.values.pte.ofPfn(5, arch.vmProt(Read)));
  expect(prot).toBe(arch.vmProt(Read));
});
