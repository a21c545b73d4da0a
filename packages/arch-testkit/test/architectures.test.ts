import { arm64Arch } from '@pgtable/arch-arm64';
import { riscvArch, riscvRoot } from '@pgtable/arch-riscv';
import { decodeAsce, s390Arch, s390Root } from '@pgtable/arch-s390';
import { x86Arch, x86Root } from '@pgtable/arch-x86';
import { TableMemory, type AliasHandles, type HandleFamily, type Root, type StrongHandles } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { formatReport, LAWS, runLaws, type Subject } from '../src/index.js';

/** An architecture, and the laws that it does not obey yet, each with the reason. */
interface Case {
  readonly subject: Subject;
  readonly known: Readonly<Record<string, string>>;
}

function subject<H extends HandleFamily>(made: Subject<H>, known: Readonly<Record<string, string>> = {}): Case {
  return { subject: made, known };
}

function riscv(user: boolean): Case[] {
  const half = user ? 'user' : 'kernel';
  return (['Sv32', 'Sv39', 'Sv48', 'Sv57'] as const).flatMap((mode) => {
    const tables = (): TableMemory => new TableMemory({ entryBytes: mode === 'Sv32' ? 4 : 8 });
    return [
      subject<AliasHandles>({ name: `riscv ${mode}, alias, ${half}`, make: () => ({ arch: riscvArch<AliasHandles>({ mode }, tables()), root: riscvRoot(mode, 0x80000000), user }) }),
      subject<StrongHandles>({ name: `riscv ${mode}, strong, ${half}`, make: () => ({ arch: riscvArch<StrongHandles>({ mode }, tables()), root: riscvRoot(mode, 0x80000000), user }) }),
    ];
  });
}

const ARM64 = [
  { granule: 4096, vaBits: 48 }, { granule: 4096, vaBits: 39 }, { granule: 4096, vaBits: 52 }, { granule: 16384, vaBits: 47 }, { granule: 16384, vaBits: 52 }, { granule: 65536, vaBits: 48 },
  { granule: 65536, vaBits: 52 },
] as const;

function arm64(user: boolean): Case[] {
  return ARM64.flatMap(({ granule, vaBits }) => {
    const config = { half: user ? 'ttbr0' : 'ttbr1', granule, vaBits } as const;
    const size = 2 ** vaBits;
    const root = (entries: number): Root => ({
      table: 0x4000_0000, top: 'pgd', first: 0, end: entries, inherited: 0,
      windows: [user ? { start: 0, end: size, index: 0, half: 'user' } : { start: 2 ** 64 - size, end: 2 ** 64, index: 0, half: 'kernel' }],
    });
    const name = `arm64 ${granule / 1024}K ${vaBits}-bit`;
    return [
      subject<AliasHandles>({
        name: `${name}, alias, ${config.half}`,
        make: () => {
          const arch = arm64Arch<AliasHandles>(config, new TableMemory());
          return { arch, root: root(arch.geometry.levels[4].entries), user };
        },
      }),
      subject<StrongHandles>({
        name: `${name}, strong, ${config.half}`,
        make: () => {
          const arch = arm64Arch<StrongHandles>(config, new TableMemory());
          return { arch, root: root(arch.geometry.levels[4].entries), user };
        },
      }),
    ];
  });
}

function x86(user: boolean): Case[] {
  const half = user ? 'user' : 'kernel';
  return (['5-level', '4-level', 'PAE', '2-level'] as const).flatMap((mode) => {
    const tables = (): TableMemory => new TableMemory({ entryBytes: mode === '2-level' ? 4 : 8 });
    const root = x86Root(mode, 0x100000);
    // Entries of 32 bits have no NX.
    const executeAlways = mode === '2-level';
    return [
      subject<AliasHandles>({ name: `x86 ${mode}, alias, ${half}`, make: () => ({ arch: x86Arch<AliasHandles>({ mode }, tables()), root, user }), executeAlways }),
      subject<StrongHandles>({ name: `x86 ${mode}, strong, ${half}`, make: () => ({ arch: x86Arch<StrongHandles>({ mode }, tables()), root, user }), executeAlways }),
    ];
  });
}

/** Root tables of each type: ASCE with DT and a full table; processes' have the private-space bit. */
const ASCES = [['pmd', 0x3n], ['pud', 0x7n], ['p4d', 0xbn], ['pgd', 0xfn]] as const;

function s390(user: boolean): Case[] {
  return ASCES.flatMap(([top, bits]) => [true, false].flatMap((edat) => {
    const root = s390Root(decodeAsce(0x4000_0000n | bits | (user ? 0x100n : 0n)));
    const config = { top, edat, privateSpace: user };
    const name = `s390 ${top}${edat ? '' : ' without edat'}`;
    const half = user ? 'user' : 'kernel';
    return [
      subject<AliasHandles>({ name: `${name}, alias, ${half}`, make: () => ({ arch: s390Arch<AliasHandles>(config, new TableMemory()), root, user }), oneSpace: true }),
      subject<StrongHandles>({ name: `${name}, strong, ${half}`, make: () => ({ arch: s390Arch<StrongHandles>(config, new TableMemory()), root, user }), oneSpace: true }),
    ];
  }));
}

const CASES: readonly Case[] = [true, false].flatMap((user) => [...x86(user), ...arm64(user), ...riscv(user), ...s390(user)]);

describe.each(CASES.map((one) => ({ name: one.subject.name, one })))('$name', ({ one }) => {
  it('obeys the laws', () => {
    // Both kinds of handle are the same at run time: one of them is tried hard.
    const report = runLaws(one.subject, { runs: one.subject.name.includes('alias') ? 2 : 7, laws: LAWS, knownFailures: Object.keys(one.known) });
    expect(report.ok, formatReport(report)).toBe(true);
  });
});
