import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EntryKind, entryVal, geometryOf, LEVELS, ScanBuffer, scanFilter, TableMemory, VmFlags, type EntryValues, type Level, type Prot, type WritableArch } from '@pgtable/core';
import { handleAt } from '@pgtable/core/arch';
import { riscvArch, riscvGeometry, type RiscvConfig, type RiscvHandles, type RiscvMode } from '../src/index.js';
import { MODES, pte } from './support.js';

function make(config: RiscvConfig): WritableArch<RiscvHandles> {
  return riscvArch(config, new TableMemory({ entryBytes: riscvGeometry(config.mode).entryBytes as 4 | 8 }));
}

/** The values of any level under one type: they differ in their names alone. */
function valuesOf(arch: WritableArch<RiscvHandles>, level: Level): EntryValues {
  return arch.values[level];
}

const N = 1n << 63n;
const NC = 1n << 61n;
const { Read, Write, Exec, Shared } = VmFlags;

/** Each level of each mode. */
const EVERY = MODES.flatMap((mode) => LEVELS.map((level) => ({ mode, level, arch: make({ mode }), values: valuesOf(make({ mode }), level) })));

describe('values', () => {
  const { pte: v, pmd, pud, pgd } = make({ mode: 'Sv48' }).values;

  it('are those of the manual, 64-bit', () => {
    const page = v.ofPfn(0x8fedc, make({ mode: 'Sv48' }).vmProt(Read | Write | Shared));
    expect(page).toBe(0x23fb_7057n);
    expect(page).toBe(pte('VRWUA', 0x8fed_c000n));
    expect(v.mkdirty(page)).toBe(0x23fb_70d7n);
    expect(v.mkold(page)).toBe(0x23fb_7017n);
    expect(v.wrprotect(page)).toBe(0x23fb_7053n);
    // W without R is reserved.
    expect(v.mkwrite(entryVal('pte', pte('VXUA')))).toBe(pte('VRWXUA'));
    expect(v.mkspecial(page)).toBe(0x23fb_7157n);
    expect(v.mkdevmap(page)).toBe(0x23fb_7257n);
    expect(v.pfn(page)).toBe(0x8fedc);
    expect(v.prot(page)).toBe(pte('VRWUA'));
    expect(v.ofPfn(2 ** 44 - 1, 0n as Prot)).toBe(0x003f_ffff_ffff_fc00n);
    expect(v.pfn(v.ofPfn(2 ** 44 - 1, 0n as Prot))).toBe(2 ** 44 - 1);
    expect(pmd.ofPfn(0x80200, pte('VRAD') as Prot)).toBe(pte('VRAD', 0x8020_0000n));
    expect(pmd.pfn(entryVal('pmd', pte('VRAD', 0x8020_1000n)))).toBe(0x80200);
    expect(pud.pfn(entryVal('pud', pte('VRAD', 0x8020_1000n)))).toBe(0x80000);
  });

  it('point to tables with V alone, for users and the kernel', () => {
    for (const user of [false, true]) {
      expect(pmd.ofTable(0x8123_4000, user)).toBe(0x2048_d001n);
      expect(pgd.ofTable(2 ** 56 - 4096, user)).toBe(0x003f_ffff_ffff_fc01n);
      expect(make({ mode: 'Sv32' }).values.pgd.ofTable(2 ** 34 - 4096, user)).toBe(0xffff_fc01n);
    }
    expect(pgd.table(pgd.ofTable(2 ** 56 - 4096, true))).toBe(2 ** 56 - 4096);
    expect(v.ofTable(0x8123_4000, true)).toBe(0n);
    expect(v.table(entryVal('pte', 0x2048_d001n))).toBe(0);
  });

  it('are present by V or PROT_NONE, above the pte by R, W or X too', () => {
    const value = (flags: string): bigint => pte(flags, 0x8020_0000n);
    expect(v.present(entryVal('pte', value('V')))).toBe(true);
    expect(v.present(entryVal('pte', value('G')))).toBe(true);
    expect(v.present(entryVal('pte', value('RWA')))).toBe(false);
    expect(pmd.present(entryVal('pmd', value('RWA')))).toBe(true);
    expect(pmd.leaf(entryVal('pmd', value('RWA')))).toBe(true);
    expect(pmd.leaf(entryVal('pmd', value('V')))).toBe(false);
    expect(pmd.valid(entryVal('pmd', value('RWA')))).toBe(false);
    expect(pmd.protnone(entryVal('pmd', value('RG')))).toBe(true);
    expect(pmd.protnone(entryVal('pmd', value('VRG')))).toBe(false);
    expect(pmd.mkinvalid(entryVal('pmd', value('VRWUAD')))).toBe(value('RWUAD'));
    expect(v.mkinvalid(entryVal('pte', value('VRWUAD')))).toBe(value('GRWUAD'));
  });

  it('are bad where the hardware or the kernel refuses them', () => {
    const bad = (level: 'pte' | 'pmd', flags: string, pa = 0x8020_0000n, high = 0n): boolean => valuesOf(make({ mode: 'Sv39' }), level).bad(entryVal(level, pte(flags, pa, high)));
    expect(bad('pte', 'VR')).toBe(false);
    expect(bad('pte', 'RG')).toBe(false);
    expect(bad('pte', 'V')).toBe(true);
    expect(bad('pte', 'VW')).toBe(true);
    expect(bad('pte', 'VR', 0n, 1n << 54n)).toBe(true);
    expect(bad('pte', 'VR', 0x8000n, N)).toBe(false);
    expect(bad('pte', 'VR', 0x4000n, N)).toBe(true);
    expect(bad('pmd', 'V')).toBe(false);
    expect(bad('pmd', 'VG')).toBe(false);
    expect(bad('pmd', 'VR')).toBe(true);
    expect(bad('pmd', 'RG')).toBe(true);
    expect(bad('pmd', 'VU')).toBe(true);
    expect(bad('pmd', 'V', 0n, N)).toBe(true);
    expect(pmd.bad(pmd.empty)).toBe(false);
  });

  it('change permissions and memory type with modify, and nothing else', () => {
    const page = entryVal('pte', pte('VRWXUADG', 0x8fed_c000n, NC | (3n << 8n)));
    const vmProt = (flags: number): Prot => make({ mode: 'Sv39' }).vmProt(flags);
    expect(v.modify(page, vmProt(Read))).toBe(pte('VRUAD', 0x8fed_c000n, 3n << 8n));
    expect(v.modify(page, vmProt(0))).toBe(pte('RGAD', 0x8fed_c000n, 3n << 8n));
    expect(v.modify(v.mkold(page), vmProt(Read))).toBe(pte('VRUD', 0x8fed_c000n, 3n << 8n));
    expect(v.modify(page, (vmProt(Read) | (1n << 62n)) as Prot)).toBe(pte('VRUAD', 0x8fed_c000n, (1n << 62n) | (3n << 8n)));
    // Without Svpbmt the kernel knows of no memory type.
    const plain = make({ mode: 'Sv39', svpbmt: false }).values.pte;
    expect(plain.modify(page, vmProt(Read))).toBe(pte('VRUAD', 0x8fed_c000n, NC | (3n << 8n)));
  });

  it('have the features of their level', () => {
    const of = (mode: RiscvMode, level: Level): string[] => [...make({ mode }).values[level].features].sort();
    expect(of('Sv39', 'pte')).toEqual(['devmap', 'leaf', 'protnone', 'special', 'swap', 'swpExclusive']);
    expect(of('Sv39', 'pmd')).toEqual(['devmap', 'leaf', 'protnone', 'swap', 'table']);
    expect(of('Sv39', 'pgd')).toEqual(['leaf', 'protnone', 'swap', 'table']);
    expect(of('Sv57', 'p4d')).toEqual(['leaf', 'protnone', 'table']);
    expect(of('Sv32', 'pte')).toEqual(['leaf', 'protnone', 'special', 'swap', 'swpExclusive']);
    expect(of('Sv32', 'pgd')).toEqual(['leaf', 'protnone', 'swap', 'table']);
    expect([...make({ mode: 'Sv39', release: '6.1.0' }).values.pte.features]).not.toContain('swpExclusive');
    const { pmd: huge, pud: higher } = make({ mode: 'Sv39' }).values;
    expect(huge.mkspecial(entryVal('pmd', 7n))).toBe(7n);
    expect(higher.mkdevmap(entryVal('pud', 7n))).toBe(7n);
    expect(huge.swpMkexclusive(huge.ofSwap(3, 5n))).toBe(huge.ofSwap(3, 5n));
  });

  it('of folded levels are the root\'s under another name', () => {
    for (const { mode, level, arch, values } of EVERY) {
      const { folded } = geometryOf(arch.geometry, level);
      expect(values.level, mode).toBe(level);
      if (!folded) continue;
      expect([...values.features], `${mode} ${level}`).toEqual([...arch.values.pgd.features]);
      expect(values.ofPfn(0xc0000, arch.kernelProt(Read)), `${mode} ${level}`).toBe(arch.values.pgd.ofPfn(0xc0000, arch.kernelProt(Read)));
    }
  });
});

describe('Svnapot', () => {
  const arch = make({ mode: 'Sv39' });
  const v = arch.values.pte;
  const vmProt = (flags: number): Prot => arch.vmProt(flags);
  const group = v.mkgroup(v.ofPfn(0x80010, vmProt(Read)), 16);

  it('encodes 64 KiB as the manual does, and finds the group\'s first page', () => {
    expect(group).toBe(N | pte('VRUA', 0x8001_8000n));
    expect(v.pfn(group)).toBe(0x80010);
    expect(v.ofPfn(v.pfn(group), v.prot(group))).toBe(group);
    expect(v.bad(group)).toBe(false);
    expect(arch.describe('pte', Number(BigInt.asIntN(32, group)), Number(BigInt.asIntN(32, group >> 32n)), 0).group).toBe(16);
    expect(v.mkgroup(v.ofPfn(0x80010, vmProt(Read)), 1)).toBe(pte('VRUA', 0x8001_0000n));
    expect(make({ mode: 'Sv39', svnapot: false }).values.pte.mkgroup(v.ofPfn(0x80010, vmProt(Read)), 16)).toBe(pte('VRUA', 0x8001_0000n));
  });

  it('has one value for all pages of a group', () => {
    expect(v.advancePfn(group, 1)).toBe(group);
    expect(v.advancePfn(group, 15)).toBe(group);
    expect(v.advancePfn(group, 16)).toBe(v.mkgroup(v.ofPfn(0x80020, vmProt(Read)), 16));
    expect(v.advancePfn(group, -1)).toBe(v.mkgroup(v.ofPfn(0x80000, vmProt(Read)), 16));
  });

  it('survives modify, wrprotect and the marks', () => {
    expect(v.modify(group, vmProt(0))).toBe(N | pte('RGA', 0x8001_8000n));
    expect(v.pfn(v.modify(group, vmProt(0)))).toBe(0x80010);
    expect(v.wrprotect(v.mkwrite(group))).toBe(group);
    expect(v.mkold(v.mkyoung(v.mkdirty(group)))).toBe(N | pte('VRUD', 0x8001_8000n));
  });
});

describe('protections', () => {
  it.each<[string, number, string]>([
    ['nothing', 0, 'RG'], ['r', Read, 'VRUA'], ['w private', Write, 'VRUA'], ['rw private', Read | Write, 'VRUA'], ['x', Exec, 'VXUA'], ['rx', Read | Exec, 'VRXUA'],
    ['wx private', Write | Exec, 'VRXUA'], ['rwx private', Read | Write | Exec, 'VRXUA'], ['nothing shared', Shared, 'RG'], ['r shared', Read | Shared, 'VRUA'],
    ['w shared', Write | Shared, 'VRWUA'], ['rw shared', Read | Write | Shared, 'VRWUA'], ['x shared', Exec | Shared, 'VXUA'], ['rx shared', Read | Exec | Shared, 'VRXUA'],
    ['wx shared', Write | Exec | Shared, 'VRWXUA'], ['rwx shared', Read | Write | Exec | Shared, 'VRWXUA'],
  ])('of users: %s', (_, flags, expected) => {
    for (const mode of MODES) expect(make({ mode }).vmProt(flags), mode).toBe(pte(expected));
  });

  it('of users before 5.14: R is PROT_NONE', () => {
    expect(make({ mode: 'Sv39', release: '5.10.0' }).vmProt(0)).toBe(pte('R'));
  });

  it.each<[string, number, string]>([
    ['PAGE_KERNEL', Read | Write, 'VRWADG'], ['PAGE_KERNEL_READ', Read, 'VRADG'], ['PAGE_KERNEL_EXEC', Read | Write | Exec, 'VRWXADG'], ['PAGE_KERNEL_READ_EXEC', Read | Exec, 'VRXADG'],
  ])('of the kernel: %s', (_, flags, expected) => {
    expect(make({ mode: 'Sv39' }).kernelProt(flags)).toBe(pte(expected));
  });
});

describe('swap', () => {
  it('is laid out as in 6.12', () => {
    const { pte: v } = make({ mode: 'Sv39', release: '6.12.0' }).values;
    expect(v.ofSwap(3, 0x1234n)).toBe(0x123_4180n);
    expect(v.swpMkexclusive(v.ofSwap(3, 0x1234n))).toBe(0x123_41c0n);
    expect(make({ mode: 'Sv32' }).values.pte.ofSwap(31, 0xf_ffffn)).toBe(0xffff_ff80n);
  });

  it.each(['6.12.0', '6.1.0', '5.15.0', '5.10.0', undefined])('comes back from decodeNonPresent, release %s', (release) => {
    for (const mode of MODES) {
      const arch = make(release === undefined ? { mode } : { mode, release });
      for (const level of LEVELS) {
        const values = valuesOf(arch, level);
        if (!values.features.has('swap')) continue;
        const bits = mode === 'Sv32' ? 20n : 50n;
        fc.assert(
          fc.property(fc.integer({ min: 0, max: 20 }), fc.bigInt(1n, (1n << bits) - 1n), fc.boolean(), (type, offset, exclusive) => {
            const plain = values.ofSwap(type, offset);
            const value = exclusive ? values.swpMkexclusive(plain) : plain;
            expect(values.swap(value)).toBe(true);
            expect(values.present(value) || values.none(value)).toBe(false);
            expect(values.swapType(value)).toBe(type);
            expect(values.swapOffset(value)).toBe(offset);
            const flags = exclusive && values.features.has('swpExclusive') ? ['exclusive'] : [];
            expect(values.swpExclusive(value)).toBe(flags.length === 1);
            expect(values.swpClearExclusive(value)).toBe(plain);
            expect(arch.decodeNonPresent(level, value)).toEqual({ kind: 'swap', type, offset, flags });
          }),
          { numRuns: 40 },
        );
      }
    }
  });

  it('with a special type is migration, and PROT_NONE keeps its page', () => {
    const arch = make({ mode: 'Sv39', release: '6.12.0' });
    const { pte: v } = arch.values;
    // From the top down: marker 26, device-exclusive 25..., migration-write 31.
    expect(arch.decodeNonPresent('pte', v.ofSwap(28, 0n))).toMatchObject({ kind: 'special', name: 'device-private-read' });
    const away = v.modify(v.ofPfn(0x81234, arch.vmProt(Read | Write | Shared)), arch.vmProt(0));
    expect(arch.decodeNonPresent('pte', away)).toMatchObject({ kind: 'protected', pa: 0x8123_4000n });
    const huge = arch.values.pmd.mkinvalid(arch.values.pmd.ofPfn(0x81200, arch.vmProt(Read)));
    expect(arch.decodeNonPresent('pmd', huge)).toMatchObject({ kind: 'protected', pa: 0x8120_0000n });
  });
});

/** Random leaves of a level, of users or of the kernel, with what software and hardware note. */
function leaves({ mode, level, arch, values }: (typeof EVERY)[number]): fc.Arbitrary<bigint> {
  const pages = 2 ** (geometryOf(arch.geometry, level).shift - 12);
  const most = Math.floor(2 ** (mode === 'Sv32' ? 22 : 44) / pages) - 1;
  return fc
    .record({ frame: fc.nat({ max: Math.min(most, 2 ** 31 - 1) }), flags: fc.nat({ max: 15 }), user: fc.boolean(), dirty: fc.boolean(), old: fc.boolean(), soft: fc.nat({ max: 3 }) })
    .map(({ frame, flags, user, dirty, old, soft }) => {
      let value = values.mkhuge(values.ofPfn(frame * pages, user ? arch.vmProt(flags) : arch.kernelProt(flags)));
      if (dirty) value = values.mkdirty(value);
      if (old) value = values.mkold(value);
      if ((soft & 1) !== 0) value = values.mkspecial(value);
      if ((soft & 2) !== 0) value = values.mkdevmap(value);
      return value;
    });
}

describe.each(EVERY)('laws of a leaf: $mode $level', (one) => {
  const { level, arch, values } = one;
  const check = (law: (value: ReturnType<typeof values.mkhuge>) => void): void => {
    fc.assert(fc.property(leaves(one), (bits) => { law(entryVal(level, bits)); }), { numRuns: 60 });
  };

  it('is present, a leaf, no table, no swap entry', () => {
    check((value) => {
      expect(values.present(value) && values.leaf(value)).toBe(true);
      expect(values.none(value) || values.swap(value)).toBe(false);
      expect(values.valid(value)).toBe(!values.protnone(value));
    });
  });

  it('marks undo each other and touch nothing else', () => {
    check((value) => {
      const pairs = [[values.mkyoung(value), values.mkold(value), (1n << 6n)], [values.mkdirty(value), values.mkclean(value), (1n << 7n)], [values.mkwrite(value), values.wrprotect(value), (value & 2n) === 0n ? 6n : 4n]] as const;
      for (const [on, off, bit] of pairs) {
        expect(on ^ off).toBe(bit);
        expect(value === on || value === off).toBe(true);
      }
      expect([values.young(values.mkyoung(value)), values.dirty(values.mkdirty(value)), values.write(values.mkwrite(value))]).toEqual([true, true, true]);
      expect([values.young(values.mkold(value)), values.dirty(values.mkclean(value)), values.write(values.wrprotect(value))]).toEqual([false, false, false]);
      expect(values.dirty(values.wrprotect(values.mkdirty(value)))).toBe(true);
    });
  });

  it('is its frame and its protection', () => {
    check((value) => {
      expect(values.ofPfn(values.pfn(value), values.prot(value))).toBe(value);
      const pages = 2 ** (geometryOf(arch.geometry, level).shift - 12);
      const next = values.advancePfn(value, 1);
      if (values.pfn(value) + pages < 2 ** 44 && arch.geometry.entryBytes === 8) expect(values.pfn(next)).toBe(values.pfn(value) + pages);
      expect(values.prot(next)).toBe(values.prot(value));
      expect(values.advancePfn(next, -1)).toBe(value);
    });
  });

  it('keeps frame and marks under modify, and comes back', () => {
    fc.assert(
      fc.property(leaves(one), fc.nat({ max: 15 }), (bits, flags) => {
        const value = entryVal(level, bits);
        const changed = values.modify(value, arch.vmProt(flags));
        expect(values.pfn(changed)).toBe(values.pfn(value));
        expect([values.young(changed), values.dirty(changed), values.special(changed), values.devmap(changed)])
          .toEqual([values.young(value), values.dirty(value), values.special(value), values.devmap(value)]);
        expect(values.protnone(changed)).toBe((flags & 7) === 0);
        expect(values.modify(changed, values.prot(value))).toBe(value);
      }),
      { numRuns: 60 },
    );
  });

  it('is still present when it is made invalid, and of the same page', () => {
    check((value) => {
      const invalid = values.mkinvalid(value);
      expect([values.present(invalid), values.valid(invalid), values.leaf(invalid)]).toEqual([true, false, true]);
      expect(values.pfn(invalid)).toBe(values.pfn(value));
      expect([values.young(invalid), values.dirty(invalid), values.write(invalid)]).toEqual([values.young(value), values.dirty(value), values.write(value)]);
    });
  });

  it('is what a scan sees', () => {
    const tables = new TableMemory({ entryBytes: arch.geometry.entryBytes as 4 | 8 });
    const other = riscvArch({ mode: one.mode }, tables);
    const { entries } = geometryOf(other.geometry, level);
    const at = handleAt<RiscvHandles, 'pte'>('pte', tables.allocate(level, 0x1000, entries));
    const ops = other.ops[level] as WritableArch<RiscvHandles>['ops']['pte'];
    const out = new ScanBuffer(4);
    fc.assert(
      fc.property(fc.oneof(leaves(one), fc.bigInt(0n, 0x3ffn), fc.constant(values.ofTable(0x8000_0000, true) as bigint)), (bits) => {
        ops.clear({ user: true, tlb: { flush: () => undefined } }, 0n, at, 1).ignore('nothing runs');
        ops.set({ user: true, tlb: { flush: () => undefined } }, 0n, at, entryVal('pte', bits), 1);
        out.count = 0;
        ops.scan(at, 0, 1, scanFilter(false), out);
        const value = entryVal(level, bits);
        const kind = out.kind[0];
        expect(kind === EntryKind.None).toBe(values.none(value));
        if (kind === EntryKind.Table) expect([values.bad(value), values.leaf(value), values.table(value)]).toEqual([false, false, out.pa[0]]);
        if (kind === EntryKind.Leaf) expect([values.leaf(value), values.pfn(value) * 4096]).toEqual([true, out.pa[0]]);
        if (kind === EntryKind.Bad) expect(values.bad(value) && values.valid(value)).toBe(true);
        if (kind === EntryKind.NonPresent) expect(values.valid(value)).toBe(false);
      }),
      { numRuns: 100 },
    );
  });
});
