import { geometryOf, NO_TLB, scanFilter, VmFlags, type Level, type TableHandles, type TableMemory } from '@pgtable/core';
import { mapRange, RunKind, Translator, unmapRange, walkRuns, type AddressSpace } from '@pgtable/walk';
import { ALL, type Configuration, type Half } from '../../arch-testkit/test/configurations.js';
import { Frames, FrameTables } from '../src/index.js';

/** Physical address of memory in all tests here: one that 32-bit tables reach too, and that is aligned for frames of 64 KiB. */
export const BASE = 0x4000_0000;
/** What is mapped begins here, aligned to the largest pages of PMD entries. */
const TARGET = 0x2000_0000;

/** The shape of one run, as a walk sees it. */
type Run = readonly (number | string)[];

/** What is mapped: `bytes` from `va` on, to `pa`. */
interface Piece {
  readonly va: number;
  readonly pa: number;
  readonly bytes: number;
  readonly largestPage: number;
}

export function configurationOf(name: string): Configuration {
  const found = ALL.find((configuration) => configuration.name === name);
  if (found === undefined) throw new Error(`there is no configuration ${name}`);
  return found;
}

/** Memory for the tables of a configuration: frames of its page size. */
export function framesFor(pageBytes: number, count: number, base = BASE): Frames {
  return Frames.create({ bytes: count * pageBytes, base, pageBytes });
}

/** An address space of a configuration, over whatever memory. */
export class TestSpace<H extends TableHandles> {
  readonly space: AddressSpace<H>;
  readonly half: Half;
  private readonly configuration: Configuration;

  /** @param root physical address of the root table, which is not made here */
  constructor(configuration: Configuration, half: Half, tables: TableMemory, root: number, alloc: (bytes: number) => number) {
    const arch = configuration.make<H>(half, tables);
    this.configuration = configuration;
    this.half = half;
    this.space = { arch, root: configuration.root(half, root), mm: { user: half === 'user', tlb: NO_TLB }, alloc: (level) => alloc(this.tableBytes(level)) };
  }

  tableBytes(level: Level): number {
    return geometryOf(this.space.arch.geometry, level).entries * this.configuration.entryBytes;
  }

  makeRoot(): void {
    const { arch, root } = this.space;
    arch.newTable(root.top, root.table, this.half === 'user').link();
  }

  /** Pages alone, pages across tables, large pages; at the first address, further on, and at the last one. In the part of the addresses that one entry of the root translates. */
  pieces(rootEntry = 0): Piece[] {
    const { arch, root } = this.space;
    const page = arch.geometry.pageBytes;
    const table = 2 ** geometryOf(arch.geometry, 'pmd').shift;
    const window = root.windows.find(({ half }) => half === this.half)!;
    const start = window.start + rootEntry * 2 ** geometryOf(arch.geometry, root.top).shift;
    const pieces = [
      { va: start, pa: TARGET + 7 * page, bytes: 3 * page, largestPage: page },
      { va: start + table - 2 * page, pa: TARGET, bytes: 5 * page, largestPage: page },
      { va: start + 2 * table, pa: TARGET, bytes: 2 * table, largestPage: Infinity },
    ];
    if (rootEntry === 0) pieces.push({ va: window.end - 4 * page, pa: TARGET + page, bytes: 4 * page, largestPage: page });
    return pieces;
  }

  map(pieces: readonly Piece[]): void {
    const { arch } = this.space;
    const flags = VmFlags.Read | VmFlags.Write;
    const prot = this.half === 'user' ? arch.vmProt(flags) : arch.kernelProt(flags);
    for (const { va, pa, bytes, largestPage } of pieces) mapRange(this.space, BigInt(va), pa, bytes, prot, { largestPage });
  }

  /** Where the pages of some pieces lead, and whether that is where they should. */
  wrong(pieces: readonly Piece[]): string[] {
    const translator = new Translator(this.space);
    const found: string[] = [];
    for (const { va, pa, bytes } of pieces) {
      for (let offset = 0; offset < bytes; offset += this.space.arch.geometry.pageBytes * (bytes > 2 ** 20 ? 61 : 1)) {
        translator.lookup(va + offset);
        const leads = translator.status === 'mapped' ? translator.pagePa : translator.status;
        if (leads !== pa + offset) found.push(`${(va + offset).toString(16)} leads to ${leads.toString(16)}, not ${(pa + offset).toString(16)}`);
      }
    }
    return found;
  }

  runs(): Run[] {
    const found: Run[] = [];
    walkRuns(this.space, ({ kind, va, end, level, pa, lo, hi }) => {
      found.push([kind, va, end, level, kind === RunKind.Leaf ? pa : 0, lo, hi]);
      return undefined;
    }, { filter: scanFilter(true) });
    return found;
  }

  /** Takes pieces out with the tables that are theirs alone. Returns the addresses of the tables. */
  unmap(pieces: readonly Piece[]): number[] {
    const freed: number[] = [];
    const { arch } = this.space;
    // As far as the tables below the root's entries.
    const bytes = 2 ** geometryOf(arch.geometry, this.space.root.top).shift;
    const window = this.space.root.windows.find(({ half }) => half === this.half)!;
    for (const piece of pieces) {
      const start = Math.max(window.start, piece.va - (piece.va % bytes));
      const end = Math.min(window.end, Math.ceil((piece.va + piece.bytes) / bytes) * bytes);
      for (const table of unmapRange(this.space, BigInt(start), end - start, { tables: true }).flush()) {
        freed.push(table.address);
        arch.freeTable(table);
      }
    }
    return freed;
  }
}

/** A space in frames: its tables come from the allocator. */
export function spaceInFrames<H extends TableHandles>(configuration: Configuration, half: Half, tables: FrameTables, root: number): TestSpace<H> {
  const { frames } = tables;
  return new TestSpace<H>(configuration, half, tables, root, (bytes) => allocTable(frames, bytes));
}

/** Frames for a table of so many bytes. Returns the physical address. */
export function allocTable(frames: Frames, bytes: number): number {
  return frames.allocPages(Math.max(0, Math.ceil(Math.log2(bytes / frames.pageBytes)))) * frames.pageBytes;
}
