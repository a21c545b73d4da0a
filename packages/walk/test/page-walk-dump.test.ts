import { EntryKind, levelNumber, LEVELS, ScanBuffer, scanFilter, type HandleFamily, type Level, type TableHandles } from '@pgtable/core';
import fc from 'fast-check';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Machine } from '../../../apps/pgtable/src/machine.js';
import { PageWalkLock, RunKind, walkKernelPageTableRange, walkPageRangeNovma, walkRuns, type MmWalkOps, type PageWalk, type Space } from '../src/index.js';
import { machine, randomMachine, randomTables } from './machine.js';
import { thrownBy } from './map-space.js';
import { leaf, tableEntry } from './toy.js';

/*
 * Over a dump, where an architecture only reads and nothing is locked, the page walk says what walkRuns says.
 */

/** A stretch of entries that are alike. */
interface Stretch {
  readonly kind: RunKind;
  readonly level: Level;
  readonly start: number;
  readonly end: number;
  readonly pa: number;
}

/** Neighbours that say the same are one, whatever they were called with. */
function joined(all: readonly Stretch[]): Stretch[] {
  const out: Stretch[] = [];
  for (const one of all) {
    const last = out.at(-1);
    const goesOn = last?.kind === one.kind && last.level === one.level && last.end === one.start && (one.kind !== RunKind.Leaf || last.pa + last.end - last.start === one.pa);
    if (goesOn) out[out.length - 1] = { ...last, end: one.end };
    else out.push(one);
  }
  return out;
}

/** The table that an entry of a level points to. */
const below = (space: Space, level: Level): Level => LEVELS.slice(0, levelNumber(level)).findLast((one) => !space.arch.geometry.levels[levelNumber(one)].folded)!;

function byRuns<H extends HandleFamily>(space: Space<H>): Stretch[] {
  const all: Stretch[] = [];
  walkRuns(space, ({ kind, level, va, end, pa, entryBytes, count }) => {
    // One entry each, but for leaves that follow each other in memory too.
    if (kind === RunKind.Absent) all.push({ kind, level: count === 1 && entryBytes === end - va && level !== 'pte' ? below(space, level) : level, start: va, end, pa: 0 });
    else all.push({ kind, level, start: va, end, pa: kind === RunKind.Leaf ? pa : 0 });
    return undefined;
  }, { filter: scanFilter(true) });
  return joined(all);
}

function byWalk<H extends TableHandles>(space: Space<H>, user: boolean): Stretch[] {
  const all: Stretch[] = [];
  const { arch, root } = space;
  const filter = scanFilter(true);
  /** What a scan says of entries that a callback was given. */
  const rows = <L extends Level>(level: L, entry: H[L], address: number, count: number): void => {
    const out = new ScanBuffer(count);
    arch.ops[level].scan(entry, 0, count, filter, out);
    const bytes = 2 ** arch.geometry.levels[levelNumber(level)].shift;
    for (let row = 0; row < out.count; row++) {
      const kind = out.kind[row] as RunKind;
      const start = address + out.index[row]! * bytes;
      if (kind !== RunKind.Table) all.push({ kind, level, start, end: start + out.length[row]! * bytes, pa: kind === RunKind.Leaf ? out.pa[row]! : 0 });
    }
  };
  const upper = <L extends Level>(level: L) => (entry: H[L], address: number, _next: number, _walk: PageWalk<H, undefined>): void => {
    // An entry under the name of the level that it is of.
    if (!arch.geometry.levels[levelNumber(level)].folded && levelNumber(level) <= levelNumber(root.top)) rows(level, entry, address, 1);
  };
  const ops: MmWalkOps<H> = {
    walkLock: PageWalkLock.Read,
    pgdEntry: upper('pgd'), p4dEntry: upper('p4d'), pudEntry: upper('pud'), pmdEntry: upper('pmd'),
    pteRange: (ptep, address, count) => { rows('pte', ptep, address, count); },
    pteHole: (start, end, depth) => {
      const level = LEVELS[4 - depth];
      if (level !== undefined) all.push({ kind: RunKind.None, level, start, end, pa: 0 });
    },
    tableAbsent: (start, end, depth) => { all.push({ kind: RunKind.Absent, level: LEVELS[4 - depth]!, start, end, pa: 0 }); },
  };
  const mm = { ...space, kind: user ? 'user' as const : 'init' as const };
  expect(user ? walkPageRangeNovma(mm, 0, 2 ** 64, ops) : walkKernelPageTableRange(mm, 0, 2 ** 64, ops)).toEqual({ kind: 'completed' });
  return joined(all);
}

describe('tables at random', () => {
  it('with entries of every kind, tables that are short or missing, and circles, are walked as runs are', async () => {
    let absent = 0;
    let holes = 0;
    await fc.assert(
      fc.asyncProperty(randomTables, fc.boolean(), async (tables, user) => {
        const made = randomMachine(tables);
        await made.loader.load();
        const runs = byRuns(made.space);
        absent += runs.filter(({ kind }) => kind === RunKind.Absent).length;
        holes += runs.filter(({ kind }) => kind === RunKind.None).length;
        expect(byWalk(made.space, user)).toEqual(runs);
      }),
      { numRuns: 150 },
    );
    expect([absent > 0, holes > 0]).toEqual([true, true]);
  });

  it('end the walk with EFAULT where one is missing and nobody asks for that', async () => {
    const made = machine({ 0x1000: { 0: tableEntry(0x2000) }, 0x2000: { 3: tableEntry(0x9000) } }, 0x1000);
    await made.loader.load();
    const ops: MmWalkOps<(typeof made.space.arch)['handles'] & object> = { walkLock: PageWalkLock.Read, pteEntry: () => undefined };
    const error = thrownBy(() => walkKernelPageTableRange({ ...made.space, kind: 'init' }, 0, 2 ** 20, ops));
    expect([error.code, error.address, error.message]).toEqual(['EFAULT', 0x3_0000n, expect.stringContaining('the pte table of 0x30000')]);
    // Who does not go there does not miss it.
    expect(walkKernelPageTableRange({ ...made.space, kind: 'init' }, 0, 2 ** 20, { walkLock: PageWalkLock.Read, pmdEntry: () => undefined })).toEqual({ kind: 'completed' });
  });

  it('end the walk with ELOOP where they have no end', async () => {
    // 256 entries a table, all of which point back to it: 2 ** 24 entries of tables that were seen before are looked at again, and no more.
    const made = machine({ 0x1000: Object.fromEntries(Array.from({ length: 256 }, (_, at) => [at, tableEntry(0x1000)])) }, 0x1000, { bits: { pgd: 8, pmd: 8, pte: 8 } });
    await made.loader.load();
    let batches = 0;
    const error = thrownBy(() => walkKernelPageTableRange({ ...made.space, kind: 'init' }, 0, 2 ** 64, { walkLock: PageWalkLock.Read, pteRange: () => { batches++; } }));
    expect([error.code, batches > 60_000, batches < 70_000]).toEqual(['ELOOP', true, true]);
  });

  it('are walked by a leaf at the top as by one at the bottom', async () => {
    const made = machine({ 0x1000: { 15: leaf(2 ** 20 * 5) } }, 0x1000);
    await made.loader.load();
    expect(byWalk(made.space, false).at(-1)).toEqual({ kind: EntryKind.Leaf, level: 'pgd', start: 2 ** 64 - 2 ** 20, end: 2 ** 64, pa: 2 ** 20 * 5 });
  });
});

const FIXTURES = fileURLToPath(new URL('../../../apps/pgtable/test/fixtures/', import.meta.url));

describe.each(readdirSync(FIXTURES))('the dump of %s', (name) => {
  it('has the same entries by the page walk as by runs', async () => {
    const opened = await Machine.open({ files: [`${FIXTURES}${name}/dump.elf`], registers: new Map() });
    const { space, loader } = opened.listedRoot();
    await loader.load();
    const runs = byRuns(space);
    expect(runs.filter(({ kind }) => kind === RunKind.Leaf).length).toBeGreaterThan(3);
    // Whoever opens a dump does not know its handles; these are of table memory.
    expect(byWalk(space as Space<TableHandles>, false)).toEqual(runs);
    await opened.memory.close();
  });
});
