import { readFileSync } from 'node:fs';
import { formatReport, parseKnownFailures, runLaws, type Subject } from '@pgtable/arch-testkit';
import { TableMemory, type AliasHandles, type HandleFamily, type StrongHandles, type TableHandles } from '@pgtable/core';
import { expect, it } from 'vitest';
import { trioArch, trioRoot } from '../src/index.js';

/*
 * The laws of the kernel's arch_pgtable_helpers.rst and debug_vm_pgtable.c, and of this project, over both kinds of handle and both kinds of
 * address space. With several variants (page sizes, numbers of levels) make a subject of each.
 */

const known = parseKnownFailures(readFileSync(new URL('known-failures.txt', import.meta.url), 'utf8'));
/** Where the kit makes the root table. */
const ROOT = 0x80000000;

function subject<H extends TableHandles>(name: string, user: boolean): Subject<H> {
  return { name, make: () => ({ arch: trioArch<H>({}, new TableMemory()), root: trioRoot(ROOT), user }) };
}

function obeys<H extends HandleFamily>(one: Subject<H>): void {
  it(`${one.name}: obeys the laws`, { timeout: 120_000 }, () => {
    // A failure names its seed: give it here to meet the same case again.
    const report = runLaws(one, { seed: 1, runs: 25, knownFailures: known });
    expect(report.ok, formatReport(report)).toBe(true);
  });
}

for (const user of [true, false]) {
  const half = user ? 'user' : 'kernel';
  obeys(subject<AliasHandles>(`alias, ${half}`, user));
  obeys(subject<StrongHandles>(`strong, ${half}`, user));
}
