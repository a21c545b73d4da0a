import { readFileSync } from 'node:fs';
import { formatReport, parseKnownFailures, runLaws, type Subject } from '@pgtable/arch-testkit';
import { TableMemory, type AliasHandles, type HandleFamily, type StrongHandles, type TableHandles } from '@pgtable/core';
import { expect, it } from 'vitest';
import { LAYOUTS, loongarchArch, loongarchRoot, type InvalidTables, type LoongarchLayout } from '../src/index.js';
import { invalidTables } from './support.js';

/*
 * The laws of the kernel's arch_pgtable_helpers.rst and debug_vm_pgtable.c, and of this project, over every layout, both kinds of handle, both
 * kinds of address space, and both things that an empty directory entry can be.
 */

const known = (name: string): readonly string[] => parseKnownFailures(readFileSync(new URL(name, import.meta.url), 'utf8'));
const everywhere = known('known-failures.txt');
const kernels = known('known-failures-kernel.txt');
/** Where the kit makes the root table. */
const ROOT = 0x80000000;

function subject<H extends TableHandles>(name: string, layout: LoongarchLayout, user: boolean, invalid?: InvalidTables): Subject<H> {
  return {
    name: `${layout}, ${name}, ${user ? 'user' : 'kernel'}, ${invalid === undefined ? 'zero' : 'a pointer'} is empty`,
    make: () => ({
      arch: loongarchArch<H>({ layout, ...(invalid === undefined ? {} : { invalidTables: invalid }) }, new TableMemory()),
      root: loongarchRoot(layout, ROOT, user ? 'user' : 'kernel'),
      user,
    }),
  };
}

function obeys<H extends HandleFamily>(one: Subject<H>, user: boolean, runs: number): void {
  it(`${one.name}: obeys the laws`, () => {
    // A failure names its seed: give it here to meet the same case again.
    const report = runLaws(one, { seed: 1, runs, knownFailures: [...everywhere, ...(user ? [] : kernels)] });
    expect(report.ok, formatReport(report)).toBe(true);
  });
}

for (const layout of LAYOUTS) {
  for (const user of [true, false]) {
    // Both kinds of handle are the same at run time, and the tables are as many: one of them is tried hard.
    obeys(subject<AliasHandles>('alias', layout, user, invalidTables(layout)), user, 3);
    obeys(subject<StrongHandles>('strong', layout, user, invalidTables(layout)), user, 7);
    obeys(subject<StrongHandles>('strong', layout, user), user, 4);
  }
}
