import {
  EntryKind, entryVal, geometryOf, levelNumber, LEVELS, type Arch, type Below, type EntryVal, type HandleFamily, type Level, type LevelOps, type Root, type ScanBuffer, type ScanFilter, type TableOf,
} from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BATCH_STATUSES, checkInsecure, mergedRuns, ptdump, TableLoader, translateBatch, Translator, walkRuns, type Space } from '../src/index.js';
import { cell, type CellHandles } from './map-arch.js';
import { highWord, lowWord, randomMachine, randomTables, ROOT, type Machine } from './machine.js';
import { classify, toyChildRange, toyCommon, toyGeometry, toyRoot, TOY_EMPTY } from './toy.js';

/*
 * An architecture without table memory: its entries are in a Map, and a handle is an object of its own, nothing that core or
 * walk could have made. It shares the bits of the toy, so that the two can be compared.
 */

type Tables = ReadonlyMap<number, readonly bigint[]>;

const geometry = toyGeometry();

class MapOps<L extends Level> implements LevelOps<CellHandles, L> {
  readonly level: L;
  private readonly tables: Tables;

  constructor(level: L, tables: Tables) {
    this.level = level;
    this.tables = tables;
  }

  get(entry: CellHandles[L]): EntryVal<L> {
    return entryVal(this.level, this.tables.get(entry.table)?.[entry.index] ?? TOY_EMPTY);
  }

  getOnce(entry: CellHandles[L]): EntryVal<L> {
    return this.get(entry);
  }

  raw(entry: CellHandles[L]): bigint {
    return this.get(entry);
  }
  getLockless(entry: CellHandles[L]): EntryVal<L> {
    return this.get(entry);
  }

  advance(entry: CellHandles[L], count: number): CellHandles[L] {
    return cell(this.level, entry.table, entry.index + count);
  }

  entryAddress(entry: CellHandles[L]): number {
    return entry.table + entry.index * 8;
  }

  offset(entry: CellHandles[L], address: bigint): CellHandles[Below[L]] | undefined {
    return this.offsetLockless(entry, this.get(entry), address);
  }

  offsetLockless(entry: CellHandles[L], value: EntryVal<L>, address: bigint): CellHandles[Below[L]] | undefined {
    const below = LEVELS[levelNumber(this.level) - 1] as Below[L] | undefined;
    if (below === undefined) return undefined;
    if (geometryOf(geometry, below).folded) return cell(below, entry.table, entry.index);
    const child = this.childOf(value);
    const { shift } = geometryOf(geometry, below);
    return child === undefined ? undefined : cell(below, child.table.table, Number((address >> BigInt(shift)) & 15n));
  }

  child(entry: CellHandles[L]): TableOf<CellHandles> | undefined {
    return this.childOf(this.get(entry));
  }

  private childOf(value: EntryVal<L>): TableOf<CellHandles> | undefined {
    const { kind, pa } = classify(geometry, this.level, value);
    if (kind !== EntryKind.Table || !this.tables.has(pa)) return undefined;
    return this.level === 'pmd' ? { level: 'pte', table: cell('pte', pa, 0) } : { level: 'pmd', table: cell('pmd', pa, 0) };
  }

  childRange(_lo: number, hi: number): number {
    return toyChildRange(16, hi);
  }

  scan(table: CellHandles[L], first: number, end: number, _filter: ScanFilter, out: ScanBuffer): number {
    for (let index = first; index < end; index++) {
      if (out.count === out.capacity) return index;
      const value = this.get(this.advance(table, index));
      const { kind, pa } = classify(geometry, this.level, value);
      out.push(kind, index, 1, lowWord(value), highWord(value), pa);
    }
    return end;
  }
}

function mapSpace(tables: Tables, root: Root): Space<CellHandles> {
  const arch: Arch<CellHandles> = {
    ...toyCommon(geometry, {}),
    tables: undefined,
    ops: { pte: new MapOps('pte', tables), pmd: new MapOps('pmd', tables), pud: new MapOps('pud', tables), p4d: new MapOps('p4d', tables), pgd: new MapOps('pgd', tables) },
    rootTable: ({ table }) => (tables.has(table) ? { level: 'pgd', table: cell('pgd', table, 0) } : undefined),
    pgdOffset: ({ table }, address) => cell('pgd', table, Number((address >> 20n) & 15n)),
  };
  return { arch, root };
}

function mapOf({ memory }: Machine): Tables {
  const tables = new Map<number, bigint[]>();
  for (let address = ROOT; address <= 0x6000; address += 0x1000) tables.set(address, Array.from({ length: 16 }, (_, index) => memory.entryAt(address + index * 8)!));
  return tables;
}

const nothing = { readBlocks: () => Promise.reject(new Error('there is nothing to read')) };

describe('an architecture without table memory', () => {
  it('walks, translates and lists as one with it does', async () => {
    await fc.assert(
      fc.asyncProperty(randomTables, async (tables) => {
        const made = randomMachine(tables);
        await made.loader.load();
        const space = mapSpace(mapOf(made), toyRoot(ROOT));
        const loader = new TableLoader(space, nothing);
        await loader.load();

        const merged = <H extends HandleFamily>(of: Space<H>) => {
          const runs: unknown[] = [];
          mergedRuns(of, ({ kind, level, start, end, pa, inherited }) => ((runs.push([kind, level, start, end, pa, inherited])), undefined), { maskLo: new Int32Array(5).fill(0xfff), maskHi: new Int32Array(5) });
          return runs;
        };
        expect(merged(space)).toEqual(merged(made.space));

        const lines = <H extends HandleFamily>(of: Space<H>) => {
          const all: string[] = [];
          ptdump(of, (line) => all.push(line), { markers: [{ start: 0n, name: 'A' }, { start: 0x5000n, name: 'B' }] });
          return all;
        };
        expect(lines(space)).toEqual(lines(made.space));
        expect(checkInsecure(space)).toEqual(checkInsecure(made.space));

        const pages = Float64Array.from({ length: 2048 }, (_, page) => page * 4096);
        const here = await translateBatch(new Translator(space, loader), loader, pages);
        const there = await translateBatch(new Translator(made.space, made.loader), made.loader, pages);
        expect(here).toEqual(there);
        expect(new Translator(space, loader).explain(0x123n).reason).toBeTypeOf('string');
      }),
      { numRuns: 40 },
    );
  });

  it('says absent for a table that it does not have', async () => {
    const space = mapSpace(new Map(), toyRoot(ROOT));
    const loader = new TableLoader(space, nothing);
    const { status } = await translateBatch(new Translator(space, loader), loader, Float64Array.of(0));
    expect(BATCH_STATUSES[status[0]!]).toBe('absent');
    let runs = 0;
    walkRuns(space, ({ kind }) => {
      expect(kind).toBe(5);
      runs++;
      return undefined;
    });
    expect(runs).toBe(2);
  });
});
