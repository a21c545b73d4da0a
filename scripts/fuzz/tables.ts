/** Case `tables`: valid page tables with damaged entries. Walks and translations must agree, and walks must end. */
import fc from 'fast-check';
import { EntryKind, TableMemory, type AnyArch } from '@pgtable/core';
import { bytesSource, openMemory } from '@pgtable/memory';
import { mergedRuns, ptdump, RunKind, TableLoader, Translator, walkRuns, wholeSpace, type Run, type Space, type VaRange } from '@pgtable/walk';
import { attempt, expect, fuzzCase, type CaseContext } from './harness.js';
import { machines, readEntry, writeEntry, type Machine } from './machines.js';
import { tableVisits, useSpace } from './pipeline.js';

const MACHINES = new Map(machines().map((machine) => [machine.name, machine]));

const anyNumber = fc.noBias(fc.nat(2 ** 30));
const anyEntry = fc.record({
  table: anyNumber,
  /** Counts through the entries in use, or through all of them. */
  index: anyNumber,
  used: fc.noBias(fc.boolean()),
  /** How many entries get the same value: 1, or more of them up to the whole table. */
  count: fc.oneof({ weight: 8, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.constantFrom(2, 16, 512, 8192) }),
  kind: fc.constantFrom('bits' as const, 'flip' as const, 'table' as const, 'table' as const, 'leaf' as const, 'outside' as const, 'lie' as const, 'moved' as const),
  bits: fc.bigInt(0n, (1n << 64n) - 1n),
  target: anyNumber,
});
const anyRun = fc.record({
  machine: fc.constantFrom(...MACHINES.keys()),
  entries: fc.array(anyEntry, { minLength: 1, maxLength: 6 }),
  /** Part of the space that is walked too: two numbers that become addresses of a window. */
  part: fc.tuple(anyNumber, anyNumber),
  step: fc.noBias(fc.integer({ min: 1, max: 64 })),
});
type DrawnEntry = (typeof anyEntry)['generate'] extends (...args: never[]) => { readonly value: infer T } ? T : never;

/** Physical addresses that are no memory of the machine, and some that no machine has. */
const OUTSIDE = [0, 0x1000, 2 ** 32, 2 ** 40, 2 ** 46, 2 ** 51, 2 ** 47 - 4096];

function damagedEntry(machine: Machine, drawn: DrawnEntry, level: Machine['tables'][number]['level'], before: bigint): bigint {
  const { encoder, tables } = machine;
  const target = tables[drawn.target % tables.length]?.address ?? 0;
  switch (drawn.kind) {
    case 'bits':
      return drawn.bits;
    case 'flip':
      return before ^ (1n << (drawn.bits & 63n)) ^ (1n << ((drawn.bits >> 8n) & 63n));
    case 'table':
      // Any table, also this one, also one of another level.
      return level === 'pte' ? encoder.leaf(level, target) : encoder.table(level, target);
    case 'leaf':
      return encoder.leaf(level, target);
    case 'outside': {
      const outside = OUTSIDE[drawn.target % OUTSIDE.length] ?? 0;
      return drawn.bits % 2n === 0n ? encoder.table(level, outside) : encoder.leaf(level, outside);
    }
    case 'lie':
      // The low and the high bits, where lengths, offsets, types and group sizes are.
      return before ^ (drawn.bits & (drawn.bits % 2n === 0n ? 0xfffn : (0xfffn << 52n) | 0xf000n));
    case 'moved':
      return before + (drawn.bits & 0xfffn) * 8n;
  }
}

function damagedMemory(machine: Machine, entries: readonly DrawnEntry[]): Uint8Array {
  const memory = machine.memory.slice();
  const { encoder, tables, base } = machine;
  for (const drawn of entries) {
    const table = tables[drawn.table % tables.length];
    if (table === undefined) continue;
    const first = drawn.used && table.used.length > 0 ? (table.used[drawn.index % table.used.length] ?? 0) : drawn.index % table.entries;
    const from = drawn.count >= table.entries ? 0 : first;
    const before = readEntry(memory, encoder, table.address - base, first);
    const value = damagedEntry(machine, drawn, table.level, before);
    for (let index = from; index < Math.min(table.entries, from + drawn.count); index++) writeEntry(memory, encoder, table.address - base, index, value);
  }
  return memory;
}

const STATUS: Readonly<Record<number, string>> = {
  [RunKind.None]: 'unmapped', [RunKind.NonPresent]: 'unmapped', [RunKind.Bad]: 'unmapped', [RunKind.Leaf]: 'mapped', [RunKind.Absent]: 'absent',
};

/** Checks of a walk: the runs tile the ranges, and each agrees with the translation of its first and its last page. */
class WalkChecker {
  private readonly arch: AnyArch;
  private readonly translator: Translator;
  private readonly ranges: readonly VaRange[];
  private readonly step: number;
  private readonly contiguous: boolean;
  private range = 0;
  private at: number;
  private runs = 0;
  private checked = 0;

  constructor(space: Space, loader: TableLoader, ranges: readonly VaRange[], contiguous: boolean, step: number) {
    this.arch = space.arch;
    this.translator = new Translator(space, loader);
    this.ranges = ranges;
    this.contiguous = contiguous;
    this.step = step;
    this.at = ranges[0]?.start ?? 0;
  }

  run(run: Run): void {
    const { start, end } = this.ranges[this.range] ?? { start: 0, end: 0 };
    // Entries are whole: the first and the last of a range may be larger than what is wanted of them.
    const isFirst = this.at === start;
    expect(run.count >= 1 && (run.va === this.at || (isFirst && run.va < start && run.end > start)), () => `a run at ${hex(run.va)} to ${hex(run.end)}, and the walk is at ${hex(this.at)} of ${hex(start)}-${hex(end)}`);
    this.at = run.end;
    if (run.end >= end) {
      this.range++;
      this.at = this.ranges[this.range]?.start ?? end;
    }
    if (this.runs++ < 200 || (this.runs % this.step === 0 && this.checked < 2000)) {
      this.checked++;
      this.check(run, Math.max(run.va, start), 0);
      this.check(run, Math.min(run.end, end) - 4096, 1);
    }
  }

  /** That the ranges were covered to their end. */
  finish(): void {
    expect(this.range === this.ranges.length, () => `the walk ended at ${hex(this.at)}, in range ${this.range} of ${this.ranges.length}`);
  }

  private check(run: Run, page: number, last: number): void {
    const { translator, arch } = this;
    translator.lookup(page);
    const where = (): string => `${arch.name} ${arch.variant}: address ${hex(page)}, run ${hex(run.va)}-${hex(run.end)} of kind ${run.kind} at ${run.level}`;
    expect(translator.status === STATUS[run.kind], () => `${where()}: translation says ${translator.status}`);
    if (run.kind !== RunKind.Leaf) return;
    expect(translator.pageBytes === run.entryBytes, () => `${where()}: translation has pages of ${translator.pageBytes} bytes`);
    if (last === 1 && !this.contiguous) return;
    const pa = run.pa + (page - run.va);
    expect(translator.pagePa === pa, () => `${where()}: the run says ${hex(pa)}, the translation ${hex(translator.pagePa)}`);
    if (last === 1 || this.runs > 40) return;
    const step = translator.explain(BigInt(page)).steps.at(-1);
    const told = JSON.stringify(arch.describe(run.level, run.lo, run.hi, run.inherited));
    expect(step?.kind === EntryKind.Leaf && JSON.stringify(step.attributes) === told, () => `${where()}: the run has ${told}, the translation ${JSON.stringify(step?.attributes)}`);
  }
}

function hex(value: number): string {
  return '0x' + BigInt(value).toString(16);
}

async function checkedWalk(space: Space, loader: TableLoader, ranges: readonly VaRange[], contiguous: boolean, step: number, context: CaseContext): Promise<void> {
  const clipped = ranges.flatMap((range) => space.root.windows.map((window) => ({ start: Math.max(range.start, window.start), end: Math.min(range.end, window.end) }))).filter(({ start, end }) => start < end);
  const checker = new WalkChecker(space, loader, clipped, contiguous, step);
  const { maskLo, maskHi } = space.arch.ptdump;
  await attempt(context, () => {
    walkRuns(
      space,
      (run) => {
        checker.run(run);
        return undefined;
      },
      { ranges, maxTableVisits: tableVisits(space), ...(contiguous ? {} : { filter: { maskLo, maskHi, contiguous } }) },
    );
    checker.finish();
    context.count('whole walks');
  });
}

export const tables = fuzzCase('tables', 'damaged page tables: walks agree with translations', 0.4, anyRun, async (drawn, context) => {
  const machine = MACHINES.get(drawn.machine);
  if (machine === undefined) return;
  context.count('dumps');
  const memory = await openMemory([{ source: bytesSource(damagedMemory(machine, drawn.entries), 'fuzzed tables'), address: machine.base }]);
  const store = new TableMemory({ entryBytes: machine.encoder.entryBytes });
  const space = machine.open(store);
  const loader = new TableLoader(space, memory, { maxBytes: 2 ** 26 });
  await attempt(context, () => loader.load());
  await checkedWalk(space, loader, wholeSpace(space.root), true, drawn.step, context);
  await checkedWalk(space, loader, wholeSpace(space.root), false, drawn.step, context);

  const window = space.root.windows[drawn.part[0] % space.root.windows.length];
  if (window !== undefined) {
    const page = machine.geometry.pageBytes;
    const size = window.end - window.start;
    const at = drawn.part.map((n) => window.start + Math.floor(((n / 2 ** 30) ** 4 * size) / page) * page).sort((a, b) => a - b);
    const range = { start: at[0] ?? window.start, end: (at[1] ?? window.start) + page };
    const partStore = new TableMemory({ entryBytes: machine.encoder.entryBytes });
    const part = machine.open(partStore);
    const partLoader = new TableLoader(part, memory);
    await attempt(context, () => partLoader.load([range]));
    await checkedWalk(part, partLoader, [range], true, drawn.step, context);
  }
  await attempt(context, () => {
    let at = -1;
    const { ptdump: masks } = space.arch;
    mergedRuns(
      space,
      ({ start, end }) => {
        expect(start < end && start >= at, () => `merged run ${hex(start)}-${hex(end)} after ${hex(at)}`);
        at = end;
        return undefined;
      },
      masks,
      { maxTableVisits: tableVisits(space), contiguous: drawn.step % 2 === 0 },
    );
  });
  await attempt(context, () => {
    let at = -1;
    ptdump(
      space,
      (text, line) => {
        if (line === undefined) return;
        expect(line.start >= at && line.end > line.start, () => `listing: ${hex(line.start)}-${hex(line.end)} after ${hex(at)}: ${text}`);
        at = line.end;
      },
      { maxTableVisits: tableVisits(space) },
    );
  });
  if (drawn.step % 8 === 0) await useSpace(space, store, loader, context);
});
