import { entryVal, LEVELS, TableMemory, VmFlags, type EntryVal, type EntryValues, type Level, type Prot, type PteVal, type WritableArch } from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arm64Arch, type Arm64Config, type Arm64Handles } from '../src/index.js';
import { CONFIGS, nameOf } from './help.js';

const open = (config: Partial<Arm64Config> = {}): WritableArch<Arm64Handles> => arm64Arch({ half: 'ttbr0', granule: 4096, vaBits: 48, ...config }, new TableMemory());
const bit = (n: number): bigint => 1n << BigInt(n);
const { Read, Write, Exec, Shared } = VmFlags;

/** The tests treat all levels alike. */
const at = (arch: WritableArch<Arm64Handles>, level: Level): EntryValues => arch.values[level];
const pte = (bits: bigint): PteVal => entryVal('pte', bits);

describe('protections, as protection_map and PAGE_KERNEL of Linux 6.12 have them', () => {
  const arch = open();

  it('of processes', () => {
    // AF, inner shareable, page, valid; RDONLY 7, nG 11, PXN 53, UXN 54, USER 6, DBM 51.
    const readonly = 0x0060_0000_0000_0fc3n;
    expect(arch.vmProt(Read)).toBe(readonly);
    expect(arch.vmProt(Read | Write)).toBe(readonly);
    expect(arch.vmProt(Exec)).toBe(0x0020_0000_0000_0fc3n);
    expect(arch.vmProt(Shared | Read | Write)).toBe(readonly | bit(51));
    expect(arch.vmProt(Shared | Write | Exec)).toBe(0x0028_0000_0000_0fc3n);
    expect(arch.vmProt(0)).toBe(0x0060_0000_0000_0f82n);
    expect(arch.vmProt(Shared)).toBe(arch.vmProt(0));
  });

  it('of processes, before 6.10 and with LPA2', () => {
    expect(open({ release: '6.1.0' }).vmProt(0)).toBe(0x0060_0000_0000_0f82n | bit(58));
    expect(open({ vaBits: 52 }).vmProt(Read)).toBe(0x0060_0000_0000_0cc3n);
    // Normal memory had index 4 before 5.10.
    expect(open({ release: '5.4.0' }).vmProt(Read)).toBe(0x0060_0000_0000_0fc3n | (4n << 2n));
  });

  it('of the kernel', () => {
    expect(arch.kernelProt(Read | Write)).toBe(0x00e8_0000_0000_0703n);
    expect(arch.kernelProt(Read)).toBe(0x00e0_0000_0000_0783n);
    expect(arch.kernelProt(Read | Exec)).toBe(0x00c0_0000_0000_0783n);
    expect(arch.kernelProt(Read | Write | Exec)).toBe(0x00c8_0000_0000_0703n);
  });

  it('and nothing else of a VMA counts', () => {
    expect(arch.vmProt(0x2000 | Read)).toBe(arch.vmProt(Read));
    expect(arch.kernelProt(Shared | Write)).toBe(arch.kernelProt(Write));
  });
});

describe('a page', () => {
  const arch = open();
  const values = arch.values.pte;

  it('is what the manual says', () => {
    const value = values.ofPfn(0x12345, arch.vmProt(Shared | Read | Write));
    expect(value).toBe(0x0068_0000_1234_5fc3n);
    expect([values.present(value), values.valid(value), values.leaf(value), values.bad(value), values.none(value)]).toEqual([true, true, true, false, false]);
    expect([values.young(value), values.write(value), values.dirty(value)]).toEqual([true, true, false]);
    expect(values.mkdirty(value)).toBe(0x00e8_0000_1234_5f43n);
    expect(values.bad(pte(value & ~2n))).toBe(true);
    expect(values.bad(values.empty)).toBe(false);
  });

  it('is dirty by the hardware where it may be written and is not read-only, and stays so when it is protected', () => {
    const hardware = pte(0x0068_0000_1234_5f43n);
    expect(values.dirty(hardware)).toBe(true);
    expect(values.wrprotect(hardware)).toBe(0x00e0_0000_1234_5fc3n);
    expect(values.dirty(values.wrprotect(hardware))).toBe(true);
    expect(values.mkclean(hardware)).toBe(0x0068_0000_1234_5fc3n);
    expect(values.modify(hardware, arch.vmProt(Read))).toBe(0x00e0_0000_1234_5fc3n);
    expect(values.modify(hardware, arch.vmProt(Shared | Read | Write))).toBe(0x00e8_0000_1234_5f43n);
    expect(values.mkwrite(values.wrprotect(hardware))).toBe(0x00e8_0000_1234_5f43n);
  });

  it('is PROT_NONE where nobody may read or execute it', () => {
    const value = values.ofPfn(5, arch.vmProt(0));
    expect([values.present(value), values.valid(value), values.protnone(value)]).toEqual([true, false, true]);
    const hidden = values.mkinvalid(values.ofPfn(5, arch.vmProt(Read)));
    expect([values.present(hidden), values.valid(hidden), values.protnone(hidden)]).toEqual([true, false, false]);
    expect(values.protnone(values.ofPfn(5, arch.vmProt(Read)))).toBe(false);
    expect(arch.decodeNonPresent('pte', value)).toMatchObject({ kind: 'protected', pa: 0x5000n });
    const past = open({ release: '6.1.0' });
    expect(past.values.pte.protnone(past.values.pte.ofPfn(5, past.vmProt(0)))).toBe(true);
    expect(past.values.pmd.present(past.values.pmd.mkinvalid(past.values.pmd.mkhuge(past.values.pmd.ofPfn(512, past.vmProt(Read)))))).toBe(true);
    expect(past.values.pte.mkuffdWp(value)).toBe(value);
  });

  it('is marked by software', () => {
    const value = values.ofPfn(7, arch.vmProt(Shared | Read | Write));
    expect(values.mkspecial(value)).toBe(value | bit(56));
    expect(values.mkdevmap(value)).toBe(value | bit(57) | bit(56));
    expect(values.devmap(values.mkdevmap(value))).toBe(true);
    expect(values.mkuffdWp(value)).toBe((value | bit(58)) & ~bit(51));
    expect(values.clearUffdWp(values.mkuffdWp(value))).toBe(value & ~bit(51));
    expect(values.softDirty(values.mksoftDirty(value))).toBe(false);
  });
});

describe('a block, a table and a group', () => {
  it('at level 2', () => {
    const arch = open();
    const values = arch.values.pmd;
    const block = values.mkhuge(values.ofPfn(0x200, arch.vmProt(Read)));
    expect(block).toBe(0x0060_0000_0020_0fc1n);
    expect([values.leaf(block), values.bad(block), values.pfn(block)]).toEqual([true, true, 0x200]);
    const invalid = values.mkinvalid(block);
    expect([values.present(invalid), values.leaf(invalid), values.valid(invalid), values.pfn(invalid)]).toEqual([true, true, false, 0x200]);
    expect(values.mkdevmap(block)).toBe(block | bit(57));
    expect(values.ofTable(0x4000_1000, true)).toBe(0x0800_0000_4000_1003n);
    expect(values.ofTable(0x4000_1000, false)).toBe(0x1000_0000_4000_1003n);
    const table = values.ofTable(0x4000_1000, true);
    expect([values.table(table), values.leaf(table), values.present(table), values.bad(table)]).toEqual([0x4000_1000, false, true, false]);
    expect(values.mkgroup(block, 16)).toBe(block | bit(52));
    expect(values.mkgroup(block, 1)).toBe(block);
    expect(() => values.mkgroup(block, 32)).toThrow('no contiguous group');
    expect(() => arch.values.pgd.mkgroup(arch.values.pgd.empty, 16)).toThrow('no contiguous group');
    expect(arch.values.pte.mkgroup(arch.values.pte.ofPfn(16, arch.vmProt(Read)), 16)).toBe(0x0070_0000_0001_0fc3n);
  });

  it('has the high address bits where LPA and LPA2 put them', () => {
    const lpa = open({ granule: 65536, vaBits: 52 });
    expect(lpa.values.pte.ofPfn(0xf_0000_1234_0000 / 65536, 0n as Prot)).toBe(0x1234_f000n);
    expect(lpa.values.pmd.table(lpa.values.pmd.ofTable(0xa_0000_1234_0000, true))).toBe(0xa_0000_1234_0000);
    const lpa2 = open({ vaBits: 52 });
    expect(lpa2.values.pte.ofPfn(0xd_0000_1234_5000 / 4096, 0n as Prot)).toBe(0x1_0000_1234_5300n);
    expect(lpa2.values.pmd.table(lpa2.values.pmd.ofTable(0xd_0000_1234_5000, true))).toBe(0xd_0000_1234_5000);
    expect(open().values.pte.ofPfn(2 ** 36, 0n as Prot)).toBe(0n);
  });

  it('HugeTLB pages', () => {
    const sizes = (config: Partial<Arm64Config>): string[] => open(config).hugePages.map(({ bytes, level, count }) => `${bytes / 2 ** 20}M ${level} ${count}`);
    expect(sizes({})).toEqual(['0.0625M pte 16', '2M pmd 1', '32M pmd 16', '1024M pud 1']);
    expect(sizes({ granule: 16384 })).toEqual(['2M pte 128', '32M pmd 1', '1024M pmd 32']);
    expect(sizes({ granule: 65536 })).toEqual(['2M pte 32', '512M pmd 1', '16384M pmd 32']);
    expect(sizes({ vaBits: 39 }).at(-1)).toBe('1024M pgd 1');
    // The top table has two entries of 512M only.
    expect(sizes({ granule: 65536, vaBits: 30 })).toEqual(['2M pte 32', '512M pgd 1']);
  });
});

describe('liveChange', () => {
  const arch = open();
  const { pte: pages, pmd } = arch.values;
  const page = pages.ofPfn(0x12345, arch.vmProt(Shared | Read | Write));
  const allows = (value: bigint, old: PteVal = page): string | undefined => arch.liveChange!('pte', old, pte(value));

  it('lets permissions and marks change', () => {
    for (const value of [pages.mkold(page), pages.mkdirty(page), pages.wrprotect(page), pages.mkspecial(page), page ^ bit(6), page ^ bit(53), page ^ bit(54), page ^ bit(50), page | (1n << 60n)]) {
      expect(allows(value)).toBeUndefined();
    }
    expect(allows(page, pte(page & ~bit(11)))).toBeUndefined();
    // Normal and Normal-Tagged.
    expect(allows(page | 4n)).toBeUndefined();
  });

  it('refuses what needs break-before-make', () => {
    expect(allows(pages.advancePfn(page, 1))).toContain('address');
    expect(allows(page | bit(52))).toContain('contiguous');
    expect(allows(page | (3n << 2n))).toContain('memory type');
    expect(allows(page ^ bit(8))).toContain('shareability');
    expect(allows(page | bit(5))).toContain('NS');
    expect(allows(page & ~bit(11))).toContain('global');
    const block = pmd.mkhuge(pmd.ofPfn(0x200, arch.vmProt(Read)));
    const table = pmd.ofTable(0x4000_1000, true);
    expect(arch.liveChange!('pmd', block, table)).toContain('table');
    expect(arch.liveChange!('pmd', table, block)).toContain('table');
    expect(arch.liveChange!('pmd', table, pmd.ofTable(0x4000_2000, true))).toContain('another table');
    expect(arch.liveChange!('pmd', table, pmd.ofTable(0x4000_1000, false))).toBeUndefined();
  });
});

describe.each(CONFIGS.map((config) => [nameOf(config), config] as const))('laws: %s', (_, config) => {
  const arch = arm64Arch(config, new TableMemory());
  const userProts = [0, Read, Read | Write, Exec, Shared | Read | Write, Shared | Write | Exec].map((flags) => arch.vmProt(flags));
  const prots = userProts.concat([Read, Read | Write, Read | Exec].map((flags) => arch.kernelProt(flags)));
  const leafLevels = LEVELS.filter((level) => arch.values[level].features.has('leaf'));
  const pfnBits = config.paBits === undefined && (config.granule === 65536 || config.lpa2 === true || config.vaBits > 48) ? 52 : 48;
  const pageShift = Math.log2(config.granule);

  /** A leaf of some level, with any marks. */
  const leaves = fc.record({
    level: fc.constantFrom(...leafLevels), prot: fc.constantFrom(...prots), frame: fc.bigInt({ min: 0n, max: (1n << BigInt(pfnBits)) - 1n }),
    young: fc.boolean(), dirty: fc.boolean(), write: fc.boolean(), mark: fc.boolean(),
  }).map(({ level, prot, frame, young, dirty, write, mark }) => {
    const values = at(arch, level);
    const { shift } = arch.geometry.levels[LEVELS.indexOf(level)]!;
    const pfn = Number(((frame >> BigInt(shift)) << BigInt(shift)) >> BigInt(pageShift));
    let value = values.mkhuge(values.ofPfn(pfn, prot));
    value = young ? values.mkyoung(value) : values.mkold(value);
    value = write ? values.mkwrite(value) : values.wrprotect(value);
    value = dirty ? values.mkdirty(value) : values.mkclean(value);
    return { values, level, pfn, value: mark ? values.mkspecial(value) : value, young, dirty, write };
  });

  it('constructors change what they are named for', () => {
    fc.assert(fc.property(leaves, fc.constantFrom(...userProts), ({ values, pfn, value, young, dirty, write }, other) => {
      const state = (now: EntryVal<Level>): readonly (boolean | number)[] => [values.young(now), values.dirty(now), values.write(now), values.special(now), values.pfn(now), values.present(now), values.leaf(now)];
      const special = values.special(value);
      expect(state(value)).toEqual([young, dirty, write, special, pfn, true, true]);
      expect(values.ofPfn(values.pfn(value), values.prot(value))).toBe(value);
      expect(state(values.mkyoung(value))).toEqual([true, dirty, write, special, pfn, true, true]);
      expect(state(values.mkold(value))).toEqual([false, dirty, write, special, pfn, true, true]);
      expect(state(values.mkdirty(value))).toEqual([young, true, write, special, pfn, true, true]);
      expect(state(values.mkclean(value))).toEqual([young, false, write, special, pfn, true, true]);
      expect(state(values.mkwrite(value))).toEqual([young, dirty, true, special, pfn, true, true]);
      expect(state(values.wrprotect(value))).toEqual([young, dirty, false, special, pfn, true, true]);
      expect(state(values.mkinvalid(value))).toEqual([young, dirty, write, special, pfn, true, true]);
      expect(values.valid(values.mkinvalid(value))).toBe(false);
      expect(values.wrprotect(values.mkclean(values.mkold(value)))).toBe(values.mkold(values.mkclean(values.wrprotect(value))));
      const modified = values.modify(value, other);
      expect([values.young(modified), values.dirty(modified), values.special(modified), values.pfn(modified)]).toEqual([young, dirty, special, pfn]);
      expect(values.write(modified)).toBe((other & bit(51)) !== 0n);
    }), { numRuns: 60 });
  });

  it('goes on to the next page', () => {
    fc.assert(fc.property(leaves, fc.integer({ min: 1, max: 600 }), ({ values, level, pfn, value }, count) => {
      const step = arch.geometry.levels[LEVELS.indexOf(level)]!.shift - pageShift;
      fc.pre(pfn + count * 2 ** step < 2 ** (pfnBits - pageShift));
      const next = values.advancePfn(value, count);
      expect(values.pfn(next)).toBe(pfn + count * 2 ** step);
      expect(values.prot(next)).toBe(values.prot(value));
      expect(values.advancePfn(next, -count)).toBe(value);
    }), { numRuns: 60 });
  });

  it('points to tables', () => {
    const levels = LEVELS.filter((level) => arch.values[level].features.has('table'));
    fc.assert(fc.property(fc.constantFrom(...levels), fc.bigInt({ min: 0n, max: (1n << BigInt(Math.min(pfnBits, config.paBits ?? 52) - pageShift)) - 1n }), fc.boolean(), (level, frame, user) => {
      const values = at(arch, level);
      const address = Number(frame << BigInt(pageShift));
      const value = values.ofTable(address, user);
      expect([values.table(value), values.present(value), values.leaf(value), values.bad(value)]).toEqual([address, true, false, false]);
    }), { numRuns: 40 });
  });

  it('swaps as it is decoded', () => {
    const levels = LEVELS.filter((level) => arch.values[level].features.has('swap'));
    fc.assert(fc.property(fc.constantFrom(...levels), fc.integer({ min: 0, max: 22 }), fc.bigInt({ min: 1n, max: (1n << 50n) - 1n }), fc.boolean(), fc.boolean(), (level, type, offset, exclusive, uffd) => {
      const values = at(arch, level);
      let value = values.ofSwap(type, offset);
      if (exclusive) value = values.swpMkexclusive(value);
      if (uffd) value = values.swpMkuffdWp(value);
      expect([values.swap(value), values.present(value), values.none(value), values.swapType(value), values.swapOffset(value)]).toEqual([true, false, false, type, offset]);
      const flags = [...(exclusive && values.features.has('swpExclusive') ? ['exclusive'] : []), ...(uffd && values.features.has('swpUffdWp') ? ['uffd-wp'] : [])];
      expect(arch.decodeNonPresent(level, value)).toEqual({ kind: 'swap', type, offset, flags });
      expect(values.swpClearExclusive(values.swpClearUffdWp(value))).toBe(values.ofSwap(type, offset));
    }), { numRuns: 60 });
  });

  it('keeps levels without leaves as they are', () => {
    for (const level of LEVELS) {
      const values = at(arch, level);
      expect(values.level).toBe(level);
      if (values.features.has('leaf')) continue;
      const table = values.ofTable(0x4000_0000, true);
      const changed = [
        values.mkhuge(table), values.mkyoung(table), values.mkold(table), values.mkdirty(table), values.mkclean(table), values.mkwrite(table), values.wrprotect(table),
        values.mkspecial(table), values.mkuffdWp(table), values.mkinvalid(table),
      ];
      expect(new Set(changed)).toEqual(new Set([table]));
      expect([values.young(table), values.dirty(table), values.write(table)]).toEqual([false, false, false]);
    }
  });
});

it('older kernels\' swap entries are decoded as they were made', () => {
  for (const release of ['5.10.0', '6.1.0', '6.9.0']) {
    const arch = open({ release });
    const value = arch.values.pte.ofSwap(3, 0x1234n);
    expect(arch.decodeNonPresent('pte', value)).toEqual({ kind: 'swap', type: 3, offset: 0x1234n, flags: [] });
    expect(arch.values.pte.features.has('swpExclusive')).toBe(release !== '5.10.0');
  }
});
