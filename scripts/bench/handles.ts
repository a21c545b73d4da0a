import {
  HIGH_WORD, LOW_WORD, NO_TLB, ScanBuffer, scanFilter, TableMemory, VmFlags,
  type AliasHandles, type EntryVal, type MmContext, type StrongHandles, type TableHandles, type UnlinkedTable, type WritableArch,
} from '@pgtable/core';
import { arm64Arch } from '@pgtable/arch-arm64';
import { riscvArch } from '@pgtable/arch-riscv';
import { s390Arch } from '@pgtable/arch-s390';
import { x86Arch } from '@pgtable/arch-x86';
import { bestOf, type Case, type Row } from './case.js';

/** Tables of the lowest level that every loop goes over, and how often, so that a loop takes some tens of milliseconds. */
const TABLES = 64;
const ROUNDS = 64;
/** Bigints are made one at a time, so fewer rounds take as long. */
const GET_ROUNDS = 8;

const mm: MmContext = { user: false, tlb: NO_TLB };
const FLAGS = VmFlags.Read | VmFlags.Write;
const WHY = 'no machine runs on these tables';

/** The tables of one architecture as some family of handles sees them. */
interface Setting<H extends TableHandles> {
  readonly arch: WritableArch<H>;
  readonly tables: readonly UnlinkedTable<H, 'pte'>[];
  readonly value: EntryVal<'pte'>;
}

interface Maker {
  readonly name: string;
  readonly make: <H extends TableHandles>(memory: TableMemory) => WritableArch<H>;
  /** What read-only means for the low and the high word, written out: the loop that a raw programmer would write. */
  readonly wrprotect: (words: Int32Array, first: number, count: number) => void;
}

const MAKERS: readonly Maker[] = [
  {
    name: 'x86 4-level',
    make: <H extends TableHandles>(memory: TableMemory) => x86Arch<H>({ mode: '4-level' }, memory),
    wrprotect(words, first, count) {
      // Clears RW and moves D to bit 58.
      for (let at = first * 2; at < (first + count) * 2; at += 2) {
        const lo = words[at + LOW_WORD]!;
        if ((lo & 0x101) === 0) continue;
        words[at + LOW_WORD] = lo & ~0x42;
        words[at + HIGH_WORD] = words[at + HIGH_WORD]! | ((lo & 0x40) << 20);
      }
    },
  },
  {
    name: 'arm64 4K',
    make: <H extends TableHandles>(memory: TableMemory) => arm64Arch<H>({ half: 'ttbr1', granule: 4096, vaBits: 48 }, memory),
    wrprotect(words, first, count) {
      // Sets RDONLY, clears DBM, and keeps the hardware's dirty in bit 55.
      for (let at = first * 2; at < (first + count) * 2; at += 2) {
        const lo = words[at + LOW_WORD]!;
        if ((lo & 0x801) === 0) continue;
        const hi = words[at + HIGH_WORD]!;
        const dirty = (hi & 0x0008_0000) !== 0 && (lo & 0x80) === 0 ? 0x0080_0000 : 0;
        words[at + LOW_WORD] = lo | 0x80;
        words[at + HIGH_WORD] = (hi & ~0x0008_0000) | dirty;
      }
    },
  },
  {
    name: 'riscv Sv48',
    make: <H extends TableHandles>(memory: TableMemory) => riscvArch<H>({ mode: 'Sv48' }, memory),
    wrprotect(words, first, count) {
      for (let at = first * 2; at < (first + count) * 2; at += 2) {
        const lo = words[at + LOW_WORD]!;
        if ((lo & 0x21) !== 0) words[at + LOW_WORD] = lo & ~4;
      }
    },
  },
  {
    name: 's390',
    make: <H extends TableHandles>(memory: TableMemory) => s390Arch<H>({ top: 'pud' }, memory),
    wrprotect(words, first, count) {
      // Clears the kernel's write bit and sets P.
      for (let at = first * 2; at < (first + count) * 2; at += 2) {
        const lo = words[at + LOW_WORD]!;
        if ((lo & 1) !== 0) words[at + LOW_WORD] = (lo & ~0x20) | 0x200;
      }
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

function getAll<H extends TableHandles>({ arch, tables }: Setting<H>): void {
  const ops = arch.ops.pte;
  for (let round = 0; round < GET_ROUNDS; round++) {
    for (const table of tables) {
      let entry = table.entry(0);
      for (let index = 0; index < table.entries; index++) {
        sink[index & 7] = ops.get(entry);
        entry = ops.advance(entry, 1);
      }
    }
  }
}

function scanAll<H extends TableHandles>({ arch, tables }: Setting<H>, out: ScanBuffer): number {
  const ops = arch.ops.pte;
  const filter = scanFilter(true);
  let rows = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const table of tables) {
      out.count = 0;
      ops.scan(table.entry(0), 0, table.entries, filter, out);
      rows += out.count;
    }
  }
  return rows;
}

function setAll<H extends TableHandles>({ arch, tables, value }: Setting<H>): void {
  const ops = arch.ops.pte;
  for (let round = 0; round < ROUNDS; round++) {
    for (const table of tables) ops.set(mm, 0n, table.entry(0), value, table.entries);
  }
}

function wrprotectAll<H extends TableHandles>({ arch, tables }: Setting<H>): void {
  const ops = arch.ops.pte;
  for (let round = 0; round < ROUNDS; round++) {
    for (const table of tables) ops.wrprotect(mm, 0n, table.entry(0), table.entries).ignore(WHY);
  }
}

/** Filled and gathered: what is gathered once is gone. */
function setAndGatherAll<H extends TableHandles>({ arch, tables, value }: Setting<H>): bigint {
  const ops = arch.ops.pte;
  let bits = 0n;
  for (let round = 0; round < ROUNDS; round++) {
    for (const table of tables) {
      ops.set(mm, 0n, table.entry(0), value, table.entries);
      bits ^= ops.getAndClearFull(mm, 0n, table.entry(0), table.entries).ignore(WHY);
    }
  }
  return bits;
}

// The same with indices and words. Nothing of an architecture is called.

function rawGet(elements: BigUint64Array, entries: number): void {
  for (let round = 0; round < GET_ROUNDS; round++) {
    for (let index = 0; index < entries; index++) sink[index & 7] = elements[index]!;
  }
}

function rawSet(words: Int32Array, first: number, count: number, value: bigint, step: number): void {
  let lo = Number(BigInt.asIntN(32, value)) | 0;
  let hi = Number(BigInt.asIntN(32, value >> 32n)) | 0;
  for (let at = first * 2; at < (first + count) * 2; at += 2) {
    words[at + LOW_WORD] = lo;
    words[at + HIGH_WORD] = hi;
    lo = (lo + step) | 0;
    if (lo >>> 0 < step) hi = (hi + 1) | 0;
  }
}

function rawGather(words: Int32Array, first: number, count: number, empty: bigint): number {
  let lo = 0;
  let hi = 0;
  const emptyLo = Number(BigInt.asIntN(32, empty)) | 0;
  for (let at = first * 2; at < (first + count) * 2; at += 2) {
    lo |= words[at + LOW_WORD]!;
    hi |= words[at + HIGH_WORD]!;
    words[at + LOW_WORD] = emptyLo;
    words[at + HIGH_WORD] = 0;
  }
  return lo ^ hi;
}

/** Runs of entries that map consecutive pages alike: the scan of somebody who knows the layout and wants nothing else. */
function rawScan(words: Int32Array, first: number, count: number, step: number): number {
  let runs = 0;
  let lo = 0;
  let hi = 0;
  for (let at = first * 2; at < (first + count) * 2; at += 2) {
    if (words[at + LOW_WORD] !== lo || words[at + HIGH_WORD] !== hi) runs++;
    lo = (words[at + LOW_WORD]! + step) | 0;
    hi = words[at + HIGH_WORD]! + (lo >>> 0 < step ? 1 : 0);
  }
  return runs;
}

export const handles: Case = {
  name: 'handles',
  title: 'What opaque handles cost',
  about:
    `${TABLES} tables of the lowest level, the same loops through strong handles, through alias handles, and over words by index with the layout written out ("raw"); all ` +
    'architectures in one process. "get" reads one entry at a time as a bigint, the others are one call a table. ns an entry; the raw gather ORs words and makes no value.',
  run() {
    const out = new ScanBuffer(1024);
    const settings = MAKERS.map(({ name, make, wrprotect }) => {
      const memory = new TableMemory();
      return { name, wrprotect, strong: setting<StrongHandles>(make, new TableMemory()), alias: setting<AliasHandles>(make, new TableMemory()), raw: setting<StrongHandles>(make, memory), memory };
    });
    const rows: Row[] = [];
    const cases = settings.flatMap(({ name, strong, alias, raw, memory, wrprotect }) => {
      const { words, elements } = memory;
      const each = raw.tables[0]!.entries;
      const entries = TABLES * each;
      const value = raw.value;
      const step = Number(raw.arch.values.pte.advancePfn(value, 1) - value);
      const { empty } = raw.arch.values.pte;
      // The tables follow each other from index 0 on.
      const overTables = (work: (first: number) => unknown): void => {
        for (let round = 0; round < ROUNDS; round++) for (let table = 0; table < TABLES; table++) work(table * each);
      };
      const one = (operation: string, rounds: number, works: readonly (() => unknown)[]) => ({ name, operation, total: rounds * entries, works });
      return [
        one('get', GET_ROUNDS, [() => { getAll(strong); }, () => { getAll(alias); }, () => { rawGet(elements, entries); }]),
        one('scan', ROUNDS, [() => scanAll(strong, out), () => scanAll(alias, out), () => { overTables((first) => rawScan(words, first, each, step)); }]),
        one('set', ROUNDS, [() => { setAll(strong); }, () => { setAll(alias); }, () => { overTables((first) => { rawSet(words, first, each, value, step); }); }]),
        one('wrprotect', ROUNDS, [() => { wrprotectAll(strong); }, () => { wrprotectAll(alias); }, () => { overTables((first) => { wrprotect(words, first, each); }); }]),
        one('set and gather', ROUNDS, [() => setAndGatherAll(strong), () => setAndGatherAll(alias), () => {
          overTables((first) => { rawSet(words, first, each, value, step); rawGather(words, first, each, empty); });
        }]),
      ];
    });
    // Everything has run over every architecture before anything is measured.
    for (const { works } of cases) for (const work of works) work();
    for (const { name, operation, total, works } of cases) {
      const [strong, alias, raw] = bestOf(works).map((milliseconds) => (milliseconds * 1e6) / total) as [number, number, number];
      rows.push({
        what: `${name}: ${operation}`,
        values: { 'strong, ns': strong.toFixed(2), 'alias, ns': alias.toFixed(2), 'raw, ns': raw.toFixed(2), 'strong : alias': (strong / alias).toFixed(2), 'strong : raw': (strong / raw).toFixed(2) },
      });
    }
    return Promise.resolve(rows);
  },
};
