import { formatReport, runLaws, type Subject } from '@pgtable/arch-testkit';
import { TableMemory, type AliasHandles, type HandleFamily, type StrongHandles } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { d128Arch, d128Root, type D128Config } from '../src/index.js';

const CONFIGS: readonly Omit<D128Config, 'half'>[] = [
  { vaBits: 48 }, { vaBits: 44 }, { vaBits: 52 }, { granule: 16384, vaBits: 48 }, { granule: 65536, vaBits: 56 }, { vaBits: 44, littleEndian: false, paBits: 52 },
];

function subject<H extends HandleFamily>(made: Subject<H>): Subject {
  return made;
}

const SUBJECTS = CONFIGS.flatMap((shape) => (['ttbr0', 'ttbr1'] as const).flatMap((half) => {
  const config = { ...shape, half };
  const root = d128Root(config, 0x4000_0000);
  const user = half === 'ttbr0';
  // The accessors' lock is in shared memory alone: the strong handles run over that.
  const plain = (): TableMemory => new TableMemory({ entryBytes: 16 });
  const shared = (): TableMemory => new TableMemory({ entryBytes: 16, shared: true, entries: 40 * 4096 });
  const name = d128Arch(config, plain()).variant;
  return [
    subject<AliasHandles>({ name: `${name}, alias, ${half}`, make: () => ({ arch: d128Arch<AliasHandles>(config, plain()), root, user }) }),
    ...(shape.granule === undefined && shape.vaBits === 44
      ? [subject<StrongHandles>({ name: `${name}, strong, ${half}, shared memory`, make: () => ({ arch: d128Arch<StrongHandles>(config, shared()), root, user }) })]
      : []),
    subject<StrongHandles>({ name: `${name}, strong, ${half}`, make: () => ({ arch: d128Arch<StrongHandles>(config, plain()), root, user }) }),
  ];
}));

describe.each(SUBJECTS.map((one) => ({ name: one.name, one })))('$name', ({ one }) => {
  it('obeys the laws', () => {
    const report = runLaws(one, { runs: one.name.includes('alias') || one.name.includes('shared') ? 2 : 5 });
    expect(report.ok, formatReport(report)).toBe(true);
  });
});
