import { scanFilter, type Arch, type HandleFamily, type Level, type LevelOps, type TableOf } from '@pgtable/core';
import { RunKind, walkRuns } from '@pgtable/walk';
import { bestOf, type Case, type Row } from './case.js';
import { PTES, syntheticSpaces, type SyntheticSpace } from './spaces.js';

/** The plain sum of all words: what reading the memory costs. */
function plainSum(words: Uint32Array): number {
  let sum = 0;
  // No for-of: it goes through an iterator and takes ten times as long, which would flatter everything beside it.
  for (let at = 0; at < words.length; ) sum = (sum + words[at++]!) | 0;
  return sum;
}

/** Entries of leaves and holes, counted over all runs. */
function countEntries({ space, start, bytes }: SyntheticSpace, contiguous: boolean): { entries: number; runs: number } {
  let entries = 0;
  let runs = 0;
  walkRuns(
    space,
    (run) => {
      runs++;
      if (run.kind === RunKind.Leaf || run.kind === RunKind.None) entries += run.count;
      return undefined;
    },
    { ranges: [{ start, end: start + bytes }], filter: scanFilter(contiguous) },
  );
  return { entries, runs };
}

function opsOf<H extends HandleFamily, L extends Level>(arch: Arch<H>, level: L): LevelOps<H, L> {
  return arch.ops[level];
}

/** What the batch calls are there to avoid: the value of each entry as a bigint, handed to a callback. */
function eachEntry<H extends HandleFamily>(arch: Arch<H>, table: TableOf<H>, entries: number, visit: (value: bigint) => void): void {
  const ops = opsOf(arch, table.level);
  for (let index = 0; index < entries; index++) visit(ops.get(ops.advance(table.table, index)));
}

function lowestTable<H extends HandleFamily>(arch: Arch<H>, table: TableOf<H> | undefined): TableOf<H> {
  if (table === undefined) throw new Error('a table of the synthetic space is missing');
  return table.level === 'pte' ? table : lowestTable(arch, opsOf(arch, table.level).child(table.table));
}

export const scan: Case = {
  name: 'scan',
  title: 'Enumerating the leaves of an address space',
  about:
    `${PTES / 2 ** 20} Mi entries of 8 bytes in runs of 1 to 256 pages, all architectures in one process. "Sum" adds up the same memory as a Uint32Array, "runs" is ` +
    'walkRuns with every attribute and physical contiguity compared, "attributes" without contiguity (what ptdump does), "callback" one call and one bigint an entry.',
  run() {
    const rows: Row[] = [];
    const spaces = syntheticSpaces();
    // Everything has run over every architecture before anything is measured.
    for (const made of spaces) {
      const { entries } = countEntries(made, true);
      if (entries !== made.ptes || countEntries(made, false).entries !== made.ptes) throw new Error(`${made.name}: ${entries} entries found instead of ${made.ptes}`);
    }
    const calls = 2 ** 20;
    const callbacks = spaces.map(({ space }) => {
      const table = lowestTable(space.arch, space.arch.rootTable(space.root));
      let bits = 0n;
      return () => {
        // The tables of the lowest level follow each other, so this is one long table.
        eachEntry(space.arch, table, calls, (value) => { bits |= value; });
        return bits;
      };
    });
    for (const callback of callbacks) callback();
    for (const [at, made] of spaces.entries()) {
      const words = new Uint32Array(made.tables.words.buffer, 0, made.tables.entries * 2);
      const perEntry = (milliseconds: number, entries: number) => (milliseconds * 1e6) / entries;
      const times = bestOf([() => plainSum(words), () => countEntries(made, true), () => countEntries(made, false), callbacks[at]!]);
      const sum = perEntry(times[0]!, made.tables.entries);
      const contiguous = perEntry(times[1]!, made.ptes);
      const attributes = perEntry(times[2]!, made.ptes);
      const callback = perEntry(times[3]!, calls);
      const { runs } = countEntries(made, true);
      rows.push({
        what: made.name,
        values: {
          'entries a run': (made.ptes / runs).toFixed(1),
          'sum, ns': sum.toFixed(2),
          'runs, ns': contiguous.toFixed(2),
          'runs : sum': (contiguous / sum).toFixed(1),
          'attributes, ns': attributes.toFixed(2),
          'callback, ns': callback.toFixed(1),
          'callback : runs': (callback / contiguous).toFixed(0),
        },
      });
    }
    return Promise.resolve(rows);
  },
};
