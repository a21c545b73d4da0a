import { describe, expect, it } from 'vitest';
import {
  hwPteAdvance, hwPteNext, p4dOffset, p4dpGet, pgdOffset, pgdpGet, pmdOffset, pmdpGet, pteOffset, ptepGet, ptepGetOnce, pudOffset, pudpGet, TableMemory,
  type Arch, type Level,
} from '@pgtable/core';
import { indexOf } from '@pgtable/core/arch';
import { riscvArch, riscvGeometry, riscvRoot, type RiscvHandles, type RiscvMode } from '../src/index.js';
import { MODES, pte, put } from './support.js';

const ROOT = 0x8100_0000;
const PAGE = 0x8fed_c000n;

/** Tables for one address: a path of existing levels from the root to one page. */
function pathTo(mode: RiscvMode, address: bigint): { arch: Arch<RiscvHandles>; tables: TableMemory } {
  const { levels, entryBytes } = riscvGeometry(mode);
  const tables = new TableMemory({ entryBytes: entryBytes as 4 | 8 });
  const path = levels.filter(({ folded }) => !folded).reverse();
  path.forEach(({ level, entries, shift }, depth) => {
    const at = ROOT + depth * 4096;
    tables.allocate(level, at, entries);
    const index = Number((address >> BigInt(shift)) & BigInt(entries - 1));
    put(tables, level, at, index, level === 'pte' ? pte('VRWAD', PAGE) : pte('V', BigInt(at + 4096)));
  });
  return { arch: riscvArch({ mode }, tables), tables };
}

describe('handles', () => {
  it.each<[RiscvMode, bigint, Level[]]>([
    ['Sv32', 0xc123_4567n, ['p4d', 'pud', 'pmd']],
    ['Sv39', 0xffff_ffd6_1234_5678n, ['p4d', 'pud']],
    ['Sv48', 0xffff_af81_2345_6789n, ['p4d']],
    ['Sv57', 0xff60_1234_5678_9abcn, []],
    ['Sv57', 0x00ab_cdef_0123_4567n, []],
  ])('%s walks %i down to its page, through folded levels %j', (mode, address, folded) => {
    const { arch } = pathTo(mode, address);
    const root = riscvRoot(mode, ROOT);
    const pgdp = pgdOffset(arch, root, address)!;
    const p4dp = p4dOffset(arch, pgdp, address)!;
    const pudp = pudOffset(arch, p4dp, address)!;
    const pmdp = pmdOffset(arch, pudp, address)!;
    const ptep = pteOffset(arch, pmdp, address)!;
    const indices: Record<Level, number> = {
      pgd: indexOf<RiscvHandles, 'pgd'>(pgdp), p4d: indexOf<RiscvHandles, 'p4d'>(p4dp), pud: indexOf<RiscvHandles, 'pud'>(pudp),
      pmd: indexOf<RiscvHandles, 'pmd'>(pmdp), pte: indexOf<RiscvHandles, 'pte'>(ptep),
    };
    for (const level of folded) expect(indices[level], level).toBe(indices.pgd);
    expect(new Set(Object.values(indices)).size).toBe(5 - folded.length);
    expect(pgdpGet(arch, pgdp)).toBe(pte('V', BigInt(ROOT + 4096)));
    if (folded.includes('p4d')) expect(p4dpGet(arch, p4dp)).toBe(pgdpGet(arch, pgdp));
    if (folded.includes('pud')) expect(pudpGet(arch, pudp)).toBe(pgdpGet(arch, pgdp));
    if (folded.includes('pmd')) expect(pmdpGet(arch, pmdp)).toBe(pgdpGet(arch, pgdp));
    expect(ptepGet(arch, ptep)).toBe(pte('VRWAD', PAGE));
    expect(ptepGetOnce(arch, ptep)).toBe(pte('VRWAD', PAGE));
    expect(ptepGet(arch, hwPteNext(arch, hwPteAdvance(arch, ptep, -1)))).toBe(pte('VRWAD', PAGE));
  });

  it('stops at a leaf, at an empty entry and outside of the canonical addresses', () => {
    for (const mode of MODES) {
      const { arch, tables } = pathTo(mode, 0x1000n);
      const root = riscvRoot(mode, ROOT);
      const walk = (address: bigint): unknown => {
        const pgdp = pgdOffset(arch, root, address);
        const p4dp = pgdp === undefined ? undefined : p4dOffset(arch, pgdp, address);
        const pudp = p4dp === undefined ? undefined : pudOffset(arch, p4dp, address);
        const pmdp = pudp === undefined ? undefined : pmdOffset(arch, pudp, address);
        return pmdp === undefined ? undefined : pteOffset(arch, pmdp, address);
      };
      expect(walk(0x1000n), mode).toBeDefined();
      const bytes = 1n << BigInt(riscvGeometry(mode).levels[4].shift);
      expect(walk(bytes), mode).toBeUndefined();
      put(tables, 'pgd', ROOT, 1, pte('VRXAD', 0n));
      expect(walk(bytes), mode).toBeUndefined();
      if (mode !== 'Sv32') expect(pgdOffset(arch, root, (bytes * 512n) / 2n), mode).toBeUndefined();
    }
  });

  it('needs a table memory of the mode\'s entries', () => {
    expect(() => riscvArch({ mode: 'Sv32' }, new TableMemory())).toThrow(/entries of 4 bytes/);
    expect(() => riscvArch({ mode: 'Sv39' }, new TableMemory({ entryBytes: 4 }))).toThrow(/entries of 8 bytes/);
  });
});
