import { arm64Arch } from '@pgtable/arch-arm64';
import { riscvArch, riscvRoot } from '@pgtable/arch-riscv';
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

const CASES: readonly Case[] = [...riscv(true), ...riscv(false), ...arm64(true), ...arm64(false)];

describe.each(CASES.map((one) => ({ name: one.subject.name, one })))('$name', ({ one }) => {
  it('obeys the laws', () => {
    const report = runLaws(one.subject, { runs: 8, laws: LAWS, knownFailures: Object.keys(one.known) });
    expect(report.ok, formatReport(report)).toBe(true);
  });
});
