import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Patch } from '../../races/patched.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** What is taken out of a file: all that an expression finds, and what comes in its place. */
type Removal = readonly [RegExp, string];

/** Statements that are for lockdep alone. */
const LOCKDEP: Removal = [/^ *(?:if \((?:thread\.)?lockdep !== undefined\) (?:thread\.)?lockdep\.|(?:thread\.|currentThread\(\)\.)?lockdep\?\.|lockdepAssertHeld\().*;\n/gm, ''];
const LOCKDEP_VARIABLE: Removal = [/^ *const \{ lockdep \} = thread;\n/gm, ''];
/** Batches that write their entries as if there were no observers. */
const WRITERS: readonly Removal[] = [
  [/^ *const writer = this\.writer\(mm, address\);\n/gm, ''],
  [/writer\.replace\((.*), (?:done|0)\)/g, 'this.exchange($1)'],
  [/writer\.change\((.*), (?:done|0)\)/g, 'this.exchangeMade($1)'],
];
const SINGLE_WRITES: readonly Removal[] = [
  [/this\.writer\(mm, address\)\.replace\((.*), 0\)/g, 'this.exchange($1)'],
  [/this\.writer\(mm, address\)\.change\((.*), 0\)/g, 'this.exchangeMade($1)'],
];

const REMOVALS: Readonly<Record<string, readonly Removal[]>> = {
  'packages/core/src/basic-ops.ts': [...WRITERS, ...SINGLE_WRITES],
  'packages/core/src/table-ops.ts': [[/ && mm\.observer === undefined/g, '']],
  'packages/core/src/flush.ts': [[/^ *if \((?:this\.)?range !== undefined\) (?:this\.)?mm\.ledger\?\..*;\n/gm, '']],
  'packages/arch-arm64/src/ops.ts': WRITERS.slice(0, 2),
  'packages/arch-s390/src/ops.ts': WRITERS,
  'packages/mm/src/boot.ts': [[/^ *watch: \(kernel, context, owner\) => .*\n/gm, '']],
  'packages/mm/src/folio/folio-lock.ts': [LOCKDEP_VARIABLE, LOCKDEP],
  'packages/mm/src/frames/frames.ts': [[/ \| memmap\[at \+ FrameWord\.(?:AnonMaps|FileMaps|Stale)\]!/g, '']],
  'packages/mm/src/kernel/mapping.ts': [LOCKDEP],
  'packages/mm/src/locks/lockdep.ts': [LOCKDEP],
  'packages/mm/src/locks/mmap-lock.ts': [LOCKDEP],
  'packages/mm/src/locks/rcu.ts': [LOCKDEP, [/taken: thread\.lockdep === undefined \? undefined : placeHere\(\)/g, 'taken: undefined']],
  'packages/mm/src/locks/rw-lock.ts': [LOCKDEP_VARIABLE, LOCKDEP],
  'packages/mm/src/locks/spin-lock.ts': [LOCKDEP_VARIABLE, LOCKDEP],
  'packages/mm/src/locks/vma-lock.ts': [
    [/^ *const \{ lockdep \} = currentThread\(\);\n/gm, ''], [/lockdep === undefined \? (rwIsLocked\(.*\)) : lockdep\.holds\(.*\)(?=\) return)/g, '$1'], [/^ *if \(lockdep !== undefined && .*;\n/gm, ''],
  ],
  'packages/mm/src/pagetable/deposit.ts': [LOCKDEP],
  'packages/mm/src/pagetable/page-tables.ts': [[/^ *const stale = .*\n *if \(stale !== 0\) throw .*\n/gm, '']],
  'packages/mm/src/tables/table-locks.ts': [LOCKDEP],
};

/** What the scheduling points are made of, which are no checks. */
const SCHEDULING: Readonly<Record<string, readonly Removal[]>> = {
  'packages/mm/src/schedule-point.ts': [
    [/^ *if \(scheduler === undefined\) return;\n *scheduler\.point\(.*\n *if \(busy !== undefined\) .*\n/gm, ''],
    [/^ *if \(scheduler !== undefined\) scheduler\.touch\?\..*\n/gm, ''],
  ],
};

function patchesOf(removals: Readonly<Record<string, readonly Removal[]>>): Patch[] {
  return Object.entries(removals).map(([file, all]) => {
    const find = readFileSync(join(ROOT, file), 'utf8');
    const replace = all.reduce((text, [what, by]) => {
      const left = text.replace(what, by);
      if (left === text) throw new Error(`${file} has no ${what.source}: the source has changed, and what is taken out of it must too`);
      return left;
    }, find);
    return { file, find, replace };
  });
}

/**
 * Patches of a copy of the sources that leave no code of any check of `KernelChecks` where work is done: no observers of entries, no ledger, no lockdep, no look at the words of frames that checks count in.
 * What a kernel does at boot, and what always is checked, stays.
 *
 * @throws Error if there is nothing to be taken out where there should be
 */
export function withoutChecks(): Patch[] {
  return patchesOf(REMOVALS);
}

/** {@link withoutChecks}, and without the scheduling points of locks and frames. */
export function withoutChecksAndScheduling(): Patch[] {
  return [...withoutChecks(), ...patchesOf(SCHEDULING)];
}
