import { geometryOf, LEVELS, TableMemory, type FlushRange, type Level, type MmContext, type Root, type TableHandles, type Tlb, type WritableArch, type WritableOps } from '@pgtable/core';
import { Frames, FrameTables, LockOrder, PAGE_TABLE_COUNTER_WORDS, PageTables, setCurrentThread, Threads, type TableOwner } from '../src/index.js';
import { LiveEntries } from '../src/pagetable/live-entries.js';
import { ALL, type Configuration } from '../../arch-testkit/test/configurations.js';

export { ALL };

/** Names of configurations that differ in the sizes of their tables: one of each architecture, small entries, tables of several frames, roots that are cut short. */
export const SHAPES = ['x86 4-level', 'x86 PAE', 'x86 2-level', 'arm64 4K 52-bit LPA2', 'arm64 64K 48-bit', 'riscv Sv48', 'riscv Sv32', 's390 pud'] as const;

export function shape(name: string): Configuration {
  const found = ALL.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no configuration ${name}: ${ALL.map((one) => one.name).join(', ')}`);
  return found;
}

export const INIT: TableOwner = { id: 0, kind: 'init' };
export const USER: TableOwner = { id: 1, kind: 'user' };
export const EFI: TableOwner = { id: 2, kind: 'special' };

/** Frames, tables and two address spaces' architectures in one configuration. */
export interface Machine {
  readonly configuration: Configuration;
  readonly frames: Frames;
  readonly tables: TableMemory;
  readonly counters: Int32Array;
  readonly pageTables: PageTables<TableHandles>;
  readonly user: WritableArch<TableHandles>;
  readonly kernel: WritableArch<TableHandles>;
  readonly boot: number;
  root(half: 'user' | 'kernel', table: number): Root;
}

/** @param checked have lockdep check this thread @param count frames */
export function machine(name: string, checked = true, count = 512): Machine {
  const configuration = shape(name);
  setCurrentThread(new Threads().join('main', checked ? new LockOrder() : undefined));
  // The size of the pages is known from an architecture.
  const { pageBytes } = configuration.make('user', new TableMemory({ entryBytes: configuration.entryBytes })).geometry;
  const frames = Frames.create({ bytes: count * pageBytes, base: pageBytes * 1024, pageBytes });
  const tables = new FrameTables(frames, configuration.entryBytes);
  const counters = new Int32Array(new SharedArrayBuffer((PAGE_TABLE_COUNTER_WORDS + 8) * 4));
  return {
    configuration, frames, tables, counters, pageTables: new PageTables<TableHandles>(frames, tables, counters, 8), boot: frames.free,
    user: configuration.make<TableHandles>('user', tables), kernel: configuration.make<TableHandles>('kernel', tables),
    root: (half, table) => configuration.root(half, table),
  };
}

/** A TLB that writes down what it is asked to forget. */
export class Flushes implements Tlb {
  readonly ranges: FlushRange[] = [];

  flush(range: FlushRange): void {
    this.ranges.push(range);
  }
}

/** An address space that makes its tables as they are needed. */
export class Space {
  readonly m: Machine;
  readonly arch: WritableArch<TableHandles>;
  readonly root: Root;
  readonly live: LiveEntries<TableHandles>;
  readonly mm: MmContext;
  /** Levels that exist, from the root's on down. */
  readonly levels: readonly Level[];
  private readonly owner: TableOwner;

  /** @param context what changes are told to, as a function of the root */
  constructor(m: Machine, context: (arch: WritableArch<TableHandles>, root: Root) => Pick<MmContext, 'tlb' | 'observer'>, owner = USER) {
    const half = owner.kind === 'user' ? 'user' : 'kernel';
    this.m = m;
    this.owner = owner;
    this.arch = half === 'user' ? m.user : m.kernel;
    const { top } = m.root(half, m.frames.base);
    const table = m.pageTables.alloc(this.arch, owner, top);
    table.link();
    this.root = m.root(half, table.address);
    this.live = new LiveEntries(this.arch, this.root);
    this.mm = { user: half === 'user', ...context(this.arch, this.root) };
    this.levels = LEVELS.slice(0, LEVELS.indexOf(top) + 1).filter((level) => !geometryOf(this.arch.geometry, level).folded).reverse();
  }

  ops(level: Level): WritableOps<TableHandles, Level> {
    return this.arch.ops[level];
  }

  /** Bytes that an entry translates. */
  size(level: Level): bigint {
    return this.live.bytes(level);
  }

  /** The address of the n-th page of a stretch that begins with a PMD table. */
  at(page: number, level: Level = 'pte'): bigint {
    const window = this.root.windows.find(({ half }) => half === (this.mm.user ? 'user' : 'kernel'))!;
    return BigInt(window.start) + BigInt(page) * this.size(level);
  }

  /** The entry for an address, with the tables above it. */
  entry<L extends Level>(level: L, address: bigint): TableHandles[L] {
    for (let depth = 0; this.levels[depth] !== level; depth++) {
      const [above, below] = [this.levels[depth]!, this.levels[depth + 1]!];
      const entry = this.live.find(above, address)!;
      if (this.ops(above).child(entry) === undefined) this.ops(above).populate(this.mm, address - (address % this.size(above)), entry, this.m.pageTables.alloc(this.arch, this.owner, below));
    }
    return this.live.find(level, address)!;
  }

  /** Takes the table of a level, with what is below it, out. @returns its address */
  unlink(above: Level, address: bigint): number {
    const table = this.ops(above).unlink(this.mm, address - (address % this.size(above)), this.live.find(above, address)!).flush();
    return table.address;
  }

  /** Frees the tables of an address, which are empty, and the root. */
  close(address: bigint): void {
    for (const above of this.levels.slice(0, -1).reverse()) {
      const entry = this.live.find(above, address);
      if (entry !== undefined && this.ops(above).child(entry) !== undefined) this.m.pageTables.free(this.unlink(above, address));
    }
    this.m.pageTables.free(this.root.table);
  }
}
