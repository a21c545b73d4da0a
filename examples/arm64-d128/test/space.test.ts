import { geometryOf, LEVELS, p4dOffset, pgdOffset, pmdOffset, pteOffset, ptepGet, pudOffset, type HandleFamily, type Root, type WritableArch } from '@pgtable/core';
import { checkInsecure, mapRange, protectRange, ptdump, Translator, unmapRange } from '@pgtable/walk';
import { describe, expect, it } from 'vitest';
import { emptySpace, GiB, KERNEL, KiB, kernelSpace, MiB, TEXT, userSpace, type Built } from './help.js';

function translate({ space }: Built, address: bigint): { pa: bigint | undefined; pageBytes: number | undefined; access: number | undefined } {
  const { pa, pageBytes, steps } = new Translator(space).explain(address);
  return { pa, pageBytes, access: steps.at(-1)?.attributes?.access };
}

function listing({ space }: Built): string[] {
  const lines: string[] = [];
  ptdump(space, (text) => lines.push(text));
  return lines;
}

/** The pte of an address, or undefined where there is no table of them. */
function pteOf<H extends HandleFamily>(arch: WritableArch<H>, root: Root, address: bigint): bigint | undefined {
  const pgdp = pgdOffset(arch, root, address);
  const p4dp = pgdp === undefined ? undefined : p4dOffset(arch, pgdp, address);
  const pudp = p4dp === undefined ? undefined : pudOffset(arch, p4dp, address);
  const pmdp = pudp === undefined ? undefined : pmdOffset(arch, pudp, address);
  const ptep = pmdp === undefined ? undefined : pteOffset(arch, pmdp, address);
  return ptep === undefined ? undefined : ptepGet(arch, ptep);
}

describe('an address space that mapRange built', () => {
  it('has every page size of the geometry', () => {
    const built = kernelSpace();
    const rw = { access: 3 };
    const base = BigInt(64 * GiB);
    expect(translate(built, KERNEL + 0x123456n)).toEqual({ pa: base + 0x123456n, pageBytes: 64 * GiB, ...rw });
    expect(translate(built, KERNEL + base + 0xfff_ffffn)).toEqual({ pa: base * 2n + 0xfff_ffffn, pageBytes: 256 * MiB, ...rw });
    expect(translate(built, KERNEL + base + BigInt(256 * MiB) + 0x5n)).toEqual({ pa: base * 2n + BigInt(256 * MiB) + 5n, pageBytes: MiB, ...rw });
    expect(translate(built, KERNEL + base + BigInt(257 * MiB) + 0xfffn)).toEqual({ pa: base * 2n + BigInt(257 * MiB) + 0xfffn, pageBytes: 4 * KiB, ...rw });
    expect(translate(built, KERNEL + base + BigInt(257 * MiB) + 0x1000n).pa).toBeUndefined();
    expect(translate(built, TEXT + 0x1000n)).toEqual({ pa: 0x4020_1000n, pageBytes: 4 * KiB, access: 5 });
    expect(translate(built, TEXT + 0x2000n)).toEqual({ pa: 0x4050_0000n, pageBytes: 4 * KiB, access: 1 });
  });

  it('is walked over five levels of 256 entries, 16 bytes each', () => {
    const { steps } = new Translator(kernelSpace().space).explain(TEXT);
    expect(steps.map(({ level, index }) => `${level} ${index}`)).toEqual(['pgd 8', 'p4d 0', 'pud 0', 'pmd 0', 'pte 0']);
    expect(steps.map(({ entryAddress, table, index }) => entryAddress - BigInt(table) === BigInt(index * 16))).toEqual([true, true, true, true, true]);
    // PIIndex 8, DIRTY; nDirty.
    expect(steps.at(-1)!.entry).toBe((0x0040_0001_0000_0000n << 64n) | 0x4020_0781n);
  });

  it('is gone down by the kernel\'s names, whether the p4d is folded or not', () => {
    const { space } = kernelSpace();
    expect(pteOf(space.arch, space.root, TEXT + 0x1234n)).toBe((0x0040_0001_0000_0000n << 64n) | 0x4020_1781n);
    expect(pteOf(space.arch, space.root, 0n)).toBeUndefined();
    expect(pteOf(space.arch, space.root, KERNEL)).toBeUndefined();
    const four = emptySpace({ half: 'ttbr0', vaBits: 44 }, 0x8000_0000).space;
    mapRange(four, 0xfff_ffff_f000n, 0x9000, 4096, four.arch.vmProt(0));
    expect(pteOf(four.arch, four.root, 0xfff_ffff_ffffn)).toBe((0x0060_0000_0000_0000n << 64n) | 0x9f80n);
  });

  it('is listed as the kernel would', () => {
    expect(listing(kernelSpace())).toEqual([
      '0xffff000000000000-0xffff001000000000          64G P4D',
      '0xffff001000000000-0xffff002000000000          64G P4D       RW NX SHD AF        BLK UXN    MEM/NORMAL',
      '0xffff002000000000-0xffff002010000000         256M PUD       RW NX SHD AF        BLK UXN    MEM/NORMAL',
      '0xffff002010000000-0xffff002010100000           1M PMD       RW NX SHD AF        BLK UXN    MEM/NORMAL',
      '0xffff002010100000-0xffff002010101000           4K PTE       RW NX SHD AF            UXN    MEM/NORMAL',
      '0xffff002010101000-0xffff002010200000        1020K PTE',
      '0xffff002010200000-0xffff002020000000         254M PMD',
      '0xffff002020000000-0xffff003000000000       65024M PUD',
      '0xffff003000000000-0xffff100000000000       16192G P4D',
      '0xffff100000000000-0xffff800000000000         112T PGD',
      '0xffff800000000000-0xffff800000002000           8K PTE       ro x  SHD AF            UXN    MEM/NORMAL',
      '0xffff800000002000-0xffff800000003000           4K PTE       ro NX SHD AF            UXN    MEM/NORMAL',
      '0xffff800000003000-0xffff800000100000        1012K PTE',
      '0xffff800000100000-0xffff800010000000         255M PMD',
      '0xffff800010000000-0xffff801000000000       65280M PUD',
      '0xffff801000000000-0xffff900000000000       16320G P4D',
      '0xffff900000000000-0x0000000000000000         112T PGD',
    ]);
  });

  it('of a process shows what users may do, and PROT_NONE as not valid', () => {
    const built = userSpace();
    expect(translate(built, 0x40_1abcn)).toMatchObject({ pa: 0x1_2345_7abcn, access: 1 + 8 });
    expect(translate(built, 0x40_2000n)).toMatchObject({ pa: 0x7000n, access: 1 + 8 + 32 });
    const none = new Translator(built.space).explain(0x40_3000n).steps.at(-1)!;
    expect(none.nonPresent).toMatchObject({ kind: 'protected', pa: 0x9000n });
    expect(listing(built).filter((line) => / (USR|F) /.test(line))).toEqual([
      '0x0000000000400000-0x0000000000402000           8K PTE   USR ro NX SHD AF NG         UXN    MEM/NORMAL',
      '0x0000000000402000-0x0000000000403000           4K PTE   USR ro NX SHD AF NG                MEM/NORMAL',
      '0x0000000000403000-0x0000000000404000           4K PTE F     ro NX SHD AF NG         UXN    MEM/NORMAL',
      '0x0000000000800000-0x0000000000900000           1M PMD   USR ro NX SHD AF NG     BLK UXN    MEM/NORMAL',
    ]);
  });

  it('is checked for W+X by the permission registers', () => {
    expect(checkInsecure(kernelSpace().space).counts).toEqual({ writableExecutable: 0, userExecutable: 0 });
    const built = kernelSpace();
    protectRange(built.space, TEXT, 4 * KiB, built.space.arch.kernelProt(7)).flush();
    expect(checkInsecure(built.space).counts).toEqual({ writableExecutable: 1, userExecutable: 0 });
    // The same entries, and a PIR_EL1 that lets PIIndex 10 do nothing but read.
    const other = kernelSpace({ vaBits: 48, pir: 0xcc88_080a_c080_0000n });
    protectRange(other.space, TEXT, 4 * KiB, other.space.arch.kernelProt(7)).flush();
    expect(checkInsecure(other.space).counts).toEqual({ writableExecutable: 0, userExecutable: 0 });
  });

  it('comes apart again, every entry empty', () => {
    const { space, tables } = userSpace();
    const freed = unmapRange(space, 0n, 2 ** 47, { tables: true }).flush();
    for (const table of freed) space.arch.freeTable(table);
    expect(tables.tables).toBe(1);
    const root = tables.find('pgd', space.root.table);
    const { entries } = geometryOf(space.arch.geometry, 'pgd');
    expect([...tables.elements.subarray(root * 2, (root + entries) * 2)].every((half) => half === 0n)).toBe(true);
    expect(LEVELS.slice(0, 4).map((level) => [...tables.addresses(level)].length)).toEqual([0, 0, 0, 0]);
  });
});
