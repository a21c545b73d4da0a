import { EntryKind, geometryOf, TableMemory, type Geometry, type Level, type Root } from '@pgtable/core';
import fc from 'fast-check';
import { RunKind, TableLoader, type Space } from '../src/index.js';
import { FakeMemory } from './fake-memory.js';
import {
  classify, leaf, tableEntry, TOY_ACCESSED, toyArch, toyChildRange, TOY_EMPTY, toyGeometry, TOY_INHERIT, TOY_NX, TOY_RESERVED, toyRoot, TOY_U, TOY_W, type ToyHandles, type ToyOptions,
} from './toy.js';

/** A machine whose tables are in fake memory; nothing is loaded yet. */
export interface Machine {
  readonly memory: FakeMemory;
  readonly tables: TableMemory;
  readonly space: Space<ToyHandles>;
  readonly loader: TableLoader<ToyHandles>;
  readonly geometry: Geometry;
  readonly root: Root;
}

export function machine(tablesByAddress: Readonly<Record<number, Readonly<Record<number, bigint>>>>, rootTable: number, options: ToyOptions = {}, root = toyRoot(rootTable, options.bits)): Machine {
  const memory = new FakeMemory(options.littleEndian ?? true);
  const geometry = toyGeometry(options.bits);
  const entries = Math.max(...geometry.levels.map((level) => level.entries));
  for (const [address, given] of Object.entries(tablesByAddress)) memory.writeTable(Number(address), entries, given);
  const tables = new TableMemory();
  const space = { arch: toyArch(tables, options), root };
  return { memory, tables, space, loader: new TableLoader(space, memory), geometry, root };
}

/* Machines at random: a few pages that point to each other in any way, circles included. */

export const ROOT = 0x1000;
const POOL = [ROOT, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000];
export const ABSENT = 0x7000;
export const OUTSIDE = 0x9000;

const flags = fc.constantFrom(0, TOY_W, TOY_W | TOY_U, TOY_NX, TOY_W | TOY_NX | TOY_ACCESSED, TOY_ACCESSED);
const pages = fc.oneof(fc.nat(40), fc.constantFrom(0xffffd, 0xffffe, 0xfffff, 0x100000, 0x100001));
const missing = fc.constantFrom(0, 0, 0, 0, 0, 1, 3, 15);
const entry = fc.oneof(
  { weight: 3, arbitrary: fc.constant(TOY_EMPTY) },
  { weight: 5, arbitrary: fc.tuple(fc.constantFrom(...POOL, ...POOL, ...POOL, ABSENT, OUTSIDE), flags, missing, missing).map(([pa, flag, first, last]) => tableEntry(pa, flag | TOY_W * Number(first > 3), first, last)) },
  { weight: 5, arbitrary: fc.tuple(pages, flags).map(([page, flag]) => leaf(page * 4096, flag)) },
  { weight: 2, arbitrary: fc.tuple(fc.nat(5), flags).map(([page, flag]) => leaf(page * 2 ** 20, flag)) },
  { weight: 1, arbitrary: fc.nat(3).map((offset) => BigInt(offset) * 4096n) },
  { weight: 1, arbitrary: fc.tuple(pages, flags).map(([page, flag]) => leaf(page * 4096, flag | TOY_RESERVED)) },
);
const stretch = fc.oneof(
  fc.tuple(entry, fc.constantFrom(1, 2, 5, 16)).map(([value, count]) => Array.from({ length: count }, () => value)),
  fc.tuple(pages, flags, fc.constantFrom(4096, 65536), fc.integer({ min: 1, max: 16 })).map(([page, flag, step, count]) => Array.from({ length: count }, (_, at) => leaf(page * step + at * step, flag))),
);
const table = fc.array(stretch, { minLength: 1, maxLength: 16 }).map((parts) => Object.fromEntries(parts.flat().slice(0, 16).entries()));

export const randomTables = fc.array(table, { minLength: POOL.length, maxLength: POOL.length }).map((tables) => Object.fromEntries(tables.map((given, at) => [POOL[at]!, given])));

export function randomMachine(tables: Readonly<Record<number, Readonly<Record<number, bigint>>>>, options: ToyOptions = {}): Machine {
  const made = machine(tables, ROOT, options);
  made.memory.leaveOut(ABSENT);
  return made;
}

/** What the slow reference says of the entry that ends the walk of an address. */
export interface Seen {
  readonly kind: RunKind;
  readonly level: Level;
  /** First address that the entry translates. */
  readonly va: number;
  readonly bytes: number;
  /** The entry's memory for a leaf, the missing table for an absent one, else 0. */
  readonly pa: number;
  readonly entry: bigint;
  readonly inherited: number;
  readonly beyond: boolean;
}

/** Walks one address, an entry at a time, straight from physical memory. Undefined outside of the root's windows. */
export function see({ memory, geometry, root }: Pick<Machine, 'memory' | 'geometry' | 'root'>, page: number): Seen | undefined {
  const window = root.windows.find(({ start, end }) => page >= start && page < end);
  if (window === undefined) return undefined;
  let level: Level = 'pgd';
  let address = root.table;
  let first = root.first;
  let end = root.end;
  let inherited = root.inherited;
  let tableVa = window.start - window.index * 2 ** geometryOf(geometry, 'pgd').shift;
  for (;;) {
    const bytes = 2 ** geometryOf(geometry, level).shift;
    const index = Math.floor((page - tableVa) / bytes);
    const va = tableVa + index * bytes;
    if (index < first || index >= end) return { kind: RunKind.None, level, va, bytes, pa: 0, entry: 0n, inherited, beyond: true };
    const entryBits = memory.entryAt(address + index * 8);
    if (entryBits === undefined) throw new Error('the reference walked into a missing table');
    const { kind, pa } = classify(geometry, level, entryBits);
    if (kind !== EntryKind.Table) return { kind, level, va, bytes, pa, entry: entryBits, inherited, beyond: false };
    const below: Level = level === 'pgd' ? 'pmd' : 'pte';
    const range = toyChildRange(geometryOf(geometry, below).entries, Number(BigInt.asIntN(32, entryBits >> 32n)));
    if (range !== 0 && memory.stateOf(pa) !== 'present') {
      // Of a table that is not there it is known how long it is: what its length cuts off is nothing.
      const size = 2 ** geometryOf(geometry, below).shift;
      const at = Math.floor((page - va) / size);
      const restricted = TOY_INHERIT(inherited, Number(BigInt.asIntN(32, entryBits)));
      if (at < (range & 0xffff) || at >= range >>> 16) return { kind: RunKind.None, level: below, va: va + at * size, bytes: size, pa: 0, entry: 0n, inherited: restricted, beyond: true };
      return { kind: RunKind.Absent, level, va: va + (range & 0xffff) * size, bytes: ((range >>> 16) - (range & 0xffff)) * size, pa, entry: entryBits, inherited, beyond: false };
    }
    inherited = TOY_INHERIT(inherited, Number(BigInt.asIntN(32, entryBits)));
    first = range & 0xffff;
    end = range >>> 16;
    level = below;
    address = pa;
    tableVa = va;
  }
}

/** Every entry that ends a walk, in address order. */
export function seeAll(made: Pick<Machine, 'memory' | 'geometry' | 'root'>): Seen[] {
  const found: Seen[] = [];
  for (const { start, end } of made.root.windows) {
    for (let at = start; at < end; ) {
      const seen = see(made, at)!;
      found.push(seen);
      at = seen.va + seen.bytes;
    }
  }
  return found;
}

export const lowWord = (value: bigint) => Number(BigInt.asIntN(32, value));
export const highWord = (value: bigint) => Number(BigInt.asIntN(32, value >> 32n));
