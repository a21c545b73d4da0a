import type { StrongHandles } from '@pgtable/core';
import type { Subject } from '@pgtable/arch-testkit';
import { ALL, subjectOf, type ArchitectureName } from '../../packages/arch-testkit/test/configurations.js';

/** What a fault is looked for on: one configuration of each architecture, and those that have something of their own. */
const CHOSEN: Readonly<Record<ArchitectureName, readonly string[]>> = {
  x86: ['x86 4-level', 'x86 PAE', 'x86 2-level'],
  arm64: ['arm64 4K 48-bit', 'arm64 64K 52-bit'],
  riscv: ['riscv Sv39'],
  s390: ['s390 pud'],
};

export const SUBJECTS: readonly Subject<StrongHandles>[] = Object.values(CHOSEN).flat().map((name) => {
  const configuration = ALL.find((one) => one.name === name);
  if (configuration === undefined) throw new Error(`no configuration is called ${name}`);
  return subjectOf<StrongHandles>(configuration, 'user');
});
