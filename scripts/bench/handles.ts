import {
  HIGH_WORD, LOW_WORD, NO_TLB, ScanBuffer, scanFilter, TableMemory, VmFlags,
  type AliasHandles, type EntryVal, type MmContext, type StrongHandles, type TableHandles, type UnlinkedTable, type WritableArch,
} from '@pgtable/core';
import { arm64Arch } from '@pgtable/arch-arm64';
import { riscvArch } from '@pgtable/arch-riscv';
import { s390Arch } from '@pgtable/arch-s390';
import { x86Arch } from '@pgtable/arch-x86';
import type { Case, Row } from './case.js';

/** Tables of the lowest level that every loop goes over. */
const TABLES = 64;
/** How often a turn goes over all of them, so that it takes less than a time slice of the machine. */
const ROUNDS = 8;
/** How many turns each variant has; the best counts. */
const TURNS = 100;

const mm: MmContext = { user: false, tlb: NO_TLB };
const FLAGS = VmFlags.Read | VmFlags.Write;
const WHY = 'no machine runs on these tables';

/** The tables of one architecture as some family of handles sees them. */
interface Setting<H extends TableHandles> {
  readonly arch: WritableArch<H>;
  readonly tables: readonly UnlinkedTable<H, 'pte'>[];
  readonly value: EntryVal<'pte'>;
}

/**
 * What a raw programmer writes who knows the layout of one architecture's entries: words by index, constants written out. The loops do the work of the accessors: wrprotect
 * says whether a stale translation is left, gather says what the first entry was with the young and dirty marks of all, and empties them.
 */
interface Raw {
  readonly wrprotect: (words: Int32Array, first: number, count: number) => boolean;
  readonly gather: (words: Int32Array, elements: BigUint64Array, first: number, count: number) => { readonly value: bigint; readonly stale: boolean };
}

interface Maker extends Raw {
  readonly name: string;
  readonly make: <H extends TableHandles>(memory: TableMemory) => WritableArch<H>;
}

// V8 keeps int32s for certain where it is told so: without `| 0` the raw loops are up to a third slower.

const MAKERS: readonly Maker[] = [
  {
    name: 'x86 4-level',
    make: <H extends TableHandles>(memory: TableMemory) => x86Arch<H>({ mode: '4-level' }, memory),
    wrprotect(words, first, count) {
      // Clears RW and moves D to bit 58.
      const low = LOW_WORD | 0;
      const high = HIGH_WORD | 0;
      const end = ((first + count) * 2) | 0;
      let stale = 0;
      for (let at = (first * 2) | 0; at < end; at = (at + 2) | 0) {
        const lo = words[at + low]!;
        if ((lo & 0x101) === 0) continue;
        stale |= lo & (lo >>> 1);
        words[at + low] = lo & ~0x42;
        words[at + high] = words[at + high]! | ((lo & 0x40) << 20);
      }
      return (stale & 1) !== 0;
    },
    gather(words, elements, first, count) {
      const low = LOW_WORD | 0;
      const high = HIGH_WORD | 0;
      const end = ((first + count) * 2) | 0;
      const value = elements[first]!;
      let notes = 0;
      let valid = 0;
      for (let at = (first * 2) | 0; at < end; at = (at + 2) | 0) {
        const lo = words[at + low]!;
        valid |= lo;
        if ((lo & 0x101) !== 0) notes |= lo | ((words[at + high]! >>> 20) & 0x40);
      }
      elements.fill(0n, first, first + count);
      return { value: value | BigInt(notes & 0x60), stale: (valid & 1) !== 0 };
    },
  },
  {
    name: 'arm64 4K',
    make: <H extends TableHandles>(memory: TableMemory) => arm64Arch<H>({ half: 'ttbr1', granule: 4096, vaBits: 48 }, memory),
    wrprotect(words, first, count) {
      // Sets RDONLY, clears DBM, and keeps the hardware's dirty in bit 55.
      const low = LOW_WORD | 0;
      const high = HIGH_WORD | 0;
      const end = ((first + count) * 2) | 0;
      let stale = 0;
      for (let at = (first * 2) | 0; at < end; at = (at + 2) | 0) {
        const lo = words[at + low]!;
        if ((lo & 0x801) === 0) continue;
        const hi = words[at + high]!;
        const writable = (hi >>> 19) & 1;
        stale |= lo & writable;
        words[at + low] = lo | 0x80;
        words[at + high] = (hi & ~0x0008_0000) | ((writable & ~(lo >>> 7)) << 23);
      }
      return stale !== 0;
    },
    gather(words, elements, first, count) {
      const low = LOW_WORD | 0;
      const high = HIGH_WORD | 0;
      const end = ((first + count) * 2) | 0;
      const value = elements[first]!;
      let young = 0;
      let dirty = 0;
      let valid = 0;
      for (let at = (first * 2) | 0; at < end; at = (at + 2) | 0) {
        const lo = words[at + low]!;
        const hi = words[at + high]!;
        valid |= lo;
        if ((lo & 0x801) !== 0) {
          young |= lo;
          dirty |= hi | (((hi >>> 19) & ~(lo >>> 7)) << 23);
        }
      }
      elements.fill(0n, first, first + count);
      const noted = value | BigInt(young & 0x400);
      return { value: (dirty & 0x0080_0000) === 0 ? noted : noted | 0x0080_0000_0000_0000n, stale: (valid & 1) !== 0 };
    },
  },
  {
    name: 'riscv Sv48',
    make: <H extends TableHandles>(memory: TableMemory) => riscvArch<H>({ mode: 'Sv48' }, memory),
    wrprotect(words, first, count) {
      const low = LOW_WORD | 0;
      const end = ((first + count) * 2) | 0;
      let stale = 0;
      for (let at = (first * 2) | 0; at < end; at = (at + 2) | 0) {
        const lo = words[at + low]!;
        if ((lo & 0x21) === 0) continue;
        stale |= lo & (lo >>> 2);
        words[at + low] = lo & ~4;
      }
      return (stale & 1) !== 0;
    },
    gather(words, elements, first, count) {
      const low = LOW_WORD | 0;
      const end = ((first + count) * 2) | 0;
      const value = elements[first]!;
      let notes = 0;
      let valid = 0;
      for (let at = (first * 2) | 0; at < end; at = (at + 2) | 0) {
        const lo = words[at + low]!;
        valid |= lo;
        if ((lo & 0x21) !== 0) notes |= lo;
      }
      elements.fill(0n, first, first + count);
      return { value: value | BigInt(notes & 0xc0), stale: (valid & 1) !== 0 };
    },
  },
  {
    name: 's390',
    make: <H extends TableHandles>(memory: TableMemory) => s390Arch<H>({ top: 'pud' }, memory),
    wrprotect(words, first, count) {
      // Clears the kernel's write bit and sets P.
      const low = LOW_WORD | 0;
      const end = ((first + count) * 2) | 0;
      let stale = 0;
      for (let at = (first * 2) | 0; at < end; at = (at + 2) | 0) {
        const lo = words[at + low]!;
        if ((lo & 1) === 0 && (lo & 0x400) !== 0) continue;
        stale |= (lo >>> 5) & ~(lo >>> 10);
        words[at + low] = (lo & ~0x20) | 0x200;
      }
      return (stale & 1) !== 0;
    },
    gather(words, elements, first, count) {
      const low = LOW_WORD | 0;
      const end = ((first + count) * 2) | 0;
      const value = elements[first]!;
      let notes = 0;
      let invalid = -1;
      for (let at = (first * 2) | 0; at < end; at = (at + 2) | 0) {
        const lo = words[at + low]!;
        invalid &= lo;
        if ((lo & 1) !== 0 || (lo & 0x400) === 0) notes |= lo;
      }
      elements.fill(0x400n, first, first + count);
      return { value: value | BigInt(notes & 0xc), stale: (invalid & 0x400) === 0 };
    },
  },
];

function setting<H extends TableHandles>(make: Maker['make'], memory: TableMemory): Setting<H> {
  const arch = make<H>(memory);
  const tables = Array.from({ length: TABLES }, (_, at) => arch.newTable('pte', 2 ** 32 + at * 65536, mm.user));
  const value = arch.values.pte.ofPfn(0x12345, arch.vmProt(FLAGS));
  for (const table of tables) table.set(0, value, table.entries);
  return { arch, tables, value };
}

/** Where values that were read go, as bigints: a loop that only adds them up would never make any. */
const sink: bigint[] = [0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n];

/** One way to do the work of a case. */
interface Variant {
  /** Brings the tables to the state that the work begins with; not measured. */
  readonly prepare: () => void;
  /** Goes over all tables once. */
  readonly work: () => unknown;
}

// Through handles.

function getAll<H extends TableHandles>({ arch, tables }: Setting<H>): void {
  const ops = arch.ops.pte;
  for (const table of tables) {
    const { entries } = table;
    let entry = table.entry(0);
    for (let index = 0; index < entries; index++) {
      sink[index & 7] = ops.get(entry);
      entry = ops.advance(entry, 1);
    }
  }
}

function scanAll<H extends TableHandles>({ arch, tables }: Setting<H>, out: ScanBuffer): number {
  const ops = arch.ops.pte;
  const filter = scanFilter(true);
  let rows = 0;
  for (const table of tables) {
    out.count = 0;
    ops.scan(table.entry(0), 0, table.entries, filter, out);
    rows += out.count;
  }
  return rows;
}

function setAll<H extends TableHandles>({ arch, tables, value }: Setting<H>): void {
  const ops = arch.ops.pte;
  for (const table of tables) ops.set(mm, 0n, table.entry(0), value, table.entries);
}

function wrprotectAll<H extends TableHandles>({ arch, tables }: Setting<H>): void {
  const ops = arch.ops.pte;
  for (const table of tables) ops.wrprotect(mm, 0n, table.entry(0), table.entries).ignore(WHY);
}

function gatherAll<H extends TableHandles>({ arch, tables }: Setting<H>): void {
  const ops = arch.ops.pte;
  for (const [at, table] of tables.entries()) sink[at & 7] = ops.getAndClearFull(mm, 0n, table.entry(0), table.entries).ignore(WHY);
}

// The same with indices and words. Nothing of an architecture is called.

function rawGet(elements: BigUint64Array, first: number, count: number): void {
  for (let index = first; index < first + count; index++) sink[index & 7] = elements[index]!;
}

function rawSet(words: Int32Array, first: number, count: number, value: bigint, step: number): void {
  const low = LOW_WORD | 0;
  const high = HIGH_WORD | 0;
  const end = ((first + count) * 2) | 0;
  let lo = Number(BigInt.asIntN(32, value)) | 0;
  let hi = Number(BigInt.asIntN(32, value >> 32n)) | 0;
  if ((lo >>> 0) + step * (count - 1) < 2 ** 32) {
    for (let at = (first * 2) | 0; at < end; at = (at + 2) | 0) {
      words[at + low] = lo;
      words[at + high] = hi;
      lo = (lo + step) | 0;
    }
    return;
  }
  for (let at = (first * 2) | 0; at < end; at = (at + 2) | 0) {
    words[at + low] = lo;
    words[at + high] = hi;
    lo = (lo + step) | 0;
    hi = (hi + (lo >>> 0 < step ? 1 : 0)) | 0;
  }
}

/** Runs of entries that map consecutive pages alike, as rows of index, length and the first entry's words. Returns: how many. */
function rawScan(words: Int32Array, first: number, count: number, step: number, rows: Int32Array): number {
  const low = LOW_WORD | 0;
  const high = HIGH_WORD | 0;
  const end = ((first + count) * 2) | 0;
  let runs = 0;
  let at = (first * 2) | 0;
  while (at < end) {
    const begin = at;
    const lo = words[at + low]!;
    const hi = words[at + high]!;
    let expected = (lo + step) | 0;
    for (at = (at + 2) | 0; at < end && words[at + low] === expected && words[at + high] === hi; at = (at + 2) | 0) expected = (expected + step) | 0;
    rows[runs * 4] = begin >> 1;
    rows[runs * 4 + 1] = (at - begin) >> 1;
    rows[runs * 4 + 2] = lo;
    rows[runs * 4 + 3] = hi;
    runs++;
  }
  return runs;
}

/** The best times of one pass in nanoseconds an entry. The variants take short turns, each turn another one first, so that what else the machine does meets all of them. */
function bestPasses(variants: readonly Variant[], entries: number): number[] {
  const least = variants.map(() => Infinity);
  for (let turn = 0; turn < TURNS; turn++) {
    for (let place = 0; place < variants.length; place++) {
      const which = (place + turn) % variants.length;
      const { prepare, work } = variants[which]!;
      let time = 0;
      for (let round = 0; round < ROUNDS; round++) {
        prepare();
        const start = performance.now();
        work();
        time += performance.now() - start;
      }
      least[which] = Math.min(least[which]!, time);
    }
  }
  return least.map((milliseconds) => (milliseconds * 1e6) / (ROUNDS * entries));
}

/** Holds the raw loop to the work of the accessors: the same memory must come out. */
function sameWork(what: string, [strong, , raw]: readonly Variant[], memories: readonly TableMemory[]): void {
  strong!.prepare();
  strong!.work();
  raw!.prepare();
  raw!.work();
  const [left, , right] = memories.map(({ elements }) => elements);
  const at = left!.findIndex((element, index) => element !== right![index]);
  if (at >= 0) throw new Error(`${what}: the raw loop left 0x${right![at]!.toString(16)} in entry ${at}, and the accessor 0x${left![at]!.toString(16)}`);
}

export const handles: Case = {
  name: 'handles',
  title: 'What opaque handles cost',
  about:
    `${TABLES} tables of the lowest level, the same loops through strong handles, through alias handles, and over words by index with the layout written out ("raw"); all ` +
    'architectures in one process. "get" reads one entry at a time as a bigint, the others are one call a table. Before each pass over the tables, outside the measured time, all entries ' +
    'are writable and map consecutive pages. The raw loops do the same work: they say whether a stale translation is left, what the marks of all entries are, where the runs are. ns an ' +
    `entry, the best of ${TURNS} turns of ${ROUNDS} passes.`,
  run() {
    const out = new ScanBuffer(1024);
    const rowsOfRaw = new Int32Array(4 * 1024);
    const operations = MAKERS.flatMap(({ name, make, wrprotect, gather }) => {
      const memories = [new TableMemory(), new TableMemory(), new TableMemory()] as const;
      const strong = setting<StrongHandles>(make, memories[0]);
      const alias = setting<AliasHandles>(make, memories[1]);
      const raw = setting<StrongHandles>(make, memories[2]);
      const { words, elements } = memories[2];
      const each = raw.tables[0]!.entries;
      const entries = TABLES * each;
      const { value } = raw;
      const step = Number(raw.arch.values.pte.advancePfn(value, 1) - value) | 0;
      // The tables follow each other.
      const base = memories[2].find('pte', raw.tables[0]!.address);
      const overTables = (work: (first: number) => unknown): void => {
        for (let table = 0; table < TABLES; table++) work(base + table * each);
      };
      const full = words.slice();
      const prepares = memories.map((memory) => () => { memory.words.set(full); });
      const one = (operation: string, works: readonly (() => unknown)[]) => ({
        what: `${name}: ${operation}`, entries, memories, variants: works.map((work, at): Variant => ({ prepare: prepares[at]!, work })),
      });
      return [
        one('get', [() => { getAll(strong); }, () => { getAll(alias); }, () => { overTables((first) => { rawGet(elements, first, each); }); }]),
        one('scan', [() => scanAll(strong, out), () => scanAll(alias, out), () => { overTables((first) => rawScan(words, first, each, step, rowsOfRaw)); }]),
        one('set', [() => { setAll(strong); }, () => { setAll(alias); }, () => { overTables((first) => { rawSet(words, first, each, value, step); }); }]),
        one('wrprotect', [() => { wrprotectAll(strong); }, () => { wrprotectAll(alias); }, () => { overTables((first) => wrprotect(words, first, each)); }]),
        one('gather', [() => { gatherAll(strong); }, () => { gatherAll(alias); }, () => { overTables((first) => { sink[(first / each) & 7] = gather(words, elements, first, each).value; }); }]),
      ];
    });
    for (const { what, variants, memories } of operations) sameWork(what, variants, memories);
    // Everything has run over every architecture before anything is measured.
    for (const { variants, entries } of operations) bestPasses(variants, entries);
    const rows = operations.map(({ what, variants, entries }): Row => {
      const [strong, alias, raw] = bestPasses(variants, entries) as [number, number, number];
      return {
        what,
        values: { 'strong, ns': strong.toFixed(2), 'alias, ns': alias.toFixed(2), 'raw, ns': raw.toFixed(2), 'strong : alias': (strong / alias).toFixed(2), 'strong : raw': (strong / raw).toFixed(2) },
      };
    });
    return Promise.resolve(rows);
  },
};
