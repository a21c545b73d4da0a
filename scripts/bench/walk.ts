import { scanFilter } from '@pgtable/core';
import { PageWalkLock, walkKernelPageTableRange, walkRuns, type MmWalkOps, type WalkMm } from '@pgtable/walk';
import { bestOf, type Case } from './case.js';
import { syntheticSpaces, type SyntheticSpace } from './spaces.js';

/** Parts of the space that are walked: the whole is 16 times the first. */
const SIZES = [1, 4, 16] as const;

/** What was counted: nobody can leave the work out. */
const seen = { entries: 0, runs: 0 };
/** Where values that were read go, as bigints: a loop that only looks at them would never make any. */
const sink: bigint[] = [0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n];

/** Each way to get at every entry of the first `part` sixteenths of a space; returns how many entries of page tables there are. */
function works({ space, ptes, start, bytes }: SyntheticSpace, part: number): { entries: number; works: (() => unknown)[] } {
  const end = start + (bytes / 16) * part;
  const mm: WalkMm = { ...space, kind: 'init' };
  const batch: MmWalkOps = { walkLock: PageWalkLock.Read, pteRange: (_ptep, _address, count) => { seen.entries += count; } };
  const each: MmWalkOps = { walkLock: PageWalkLock.Read, pteEntry: () => { seen.entries++; } };
  const reading: MmWalkOps = { walkLock: PageWalkLock.Read, pteEntry: (ptep, _address, _next, walk) => { sink[seen.entries++ & 7] = walk.read('pte', ptep); } };
  const filter = scanFilter(true);
  return {
    entries: (ptes / 16) * part,
    works: [
      () => { walkRuns(space, () => { seen.runs++; return undefined; }, { ranges: [{ start, end }], filter }); },
      () => walkKernelPageTableRange(mm, start, end, batch),
      () => walkKernelPageTableRange(mm, start, end, each),
      () => walkKernelPageTableRange(mm, start, end, reading),
    ],
  };
}

export const pagewalk: Case = {
  name: 'pagewalk',
  title: 'The page walk',
  about:
    'Address spaces as in `scan`, all architectures in one process, 1, 4 and 16 Mi entries of the lowest level. "runs" is the leaf enumeration of the dump reader (`walkRuns`); "batch" is `pteRange`, one call a table, whose ' +
    'callback counts; "each" is `pteEntry` with a callback that counts, and "read" the same with a callback that reads the entry as a bigint. ns an entry.',
  run() {
    const rows = syntheticSpaces().flatMap((made) =>
      SIZES.map((size) => {
        const { entries, works: all } = works(made, size);
        const [runs, batch, each, read] = bestOf(all).map((milliseconds) => (milliseconds * 1e6) / entries) as [number, number, number, number];
        return {
          what: `${made.name}, ${size} Mi entries`,
          values: {
            'runs, ns': runs.toFixed(2), 'batch, ns': batch.toFixed(3), 'each, ns': each.toFixed(2), 'read, ns': read.toFixed(1), 'batch : runs': (batch / runs).toFixed(2), 'each : runs': (each / runs).toFixed(2),
          },
        };
      }),
    );
    return Promise.resolve(rows);
  },
};
