import { NO_TLB, TableMemory, type MmContext, type Root, type TableHandles, type WritableArch } from '@pgtable/core';
import { Frames, FrameTables, LockOrder, PAGE_TABLE_COUNTER_WORDS, PageTables, setCurrentThread, Threads, type TableOwner } from '../src/index.js';
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

/** @param checked have lockdep check this thread */
export function machine(name: string, checked = true): Machine {
  const configuration = shape(name);
  setCurrentThread(new Threads().join('main', checked ? new LockOrder() : undefined));
  // The size of the pages is known from an architecture.
  const { pageBytes } = configuration.make('user', new TableMemory({ entryBytes: configuration.entryBytes })).geometry;
  const frames = Frames.create({ bytes: 512 * pageBytes, base: pageBytes * 1024, pageBytes });
  const tables = new FrameTables(frames, configuration.entryBytes);
  const counters = new Int32Array(new SharedArrayBuffer((PAGE_TABLE_COUNTER_WORDS + 8) * 4));
  return {
    configuration, frames, tables, counters, pageTables: new PageTables<TableHandles>(frames, tables, counters, 8), boot: frames.free,
    user: configuration.make<TableHandles>('user', tables), kernel: configuration.make<TableHandles>('kernel', tables),
    root: (half, table) => configuration.root(half, table),
  };
}

export const CONTEXT: MmContext = { user: true, tlb: NO_TLB };
