import { geometryOf, HIGH_WORD, LOW_WORD, TableMemory, type EntryValues, type HandleFamily, type Level, type WritableArch, type WritableOps } from '@pgtable/core';
import { levelBelow, PageWalkLock, ptdump, walkPageRangeNovma, wholeSpace, type EntryCallback, type PtdumpOptions, type Space } from '@pgtable/walk';
import type { Kernel } from '../kernel/kernel.js';
import type { Mm } from '../kernel/mm.js';
import { getOnlineMems, putOnlineMems } from './mem-hotplug.js';

/** What is listed. */
export type PtdumpKernelOptions = Pick<PtdumpOptions, 'ranges' | 'markers'>;

/**
 * `ptdump_walk_pgd()` of init_mm, and the listing: what `kernel_page_tables` in debugfs prints.
 *
 * Entries are read once, each whole, while others change them: a page is listed as it was before a change or after it. Of several pages that one call changes some may be listed as before and others as after.
 *
 * Locking: sleeps. Takes mem_hotplug_lock to read and the mmap lock of init_mm to write, as mm/ptdump.c of Linux 6.12 does.
 *
 * @returns the lines
 */
export function ptdumpKernel<H extends HandleFamily>(kernel: Kernel<H>, options: PtdumpKernelOptions = {}): string[] {
  const lines: string[] = [];
  ptdump(copyKernelTables(kernel, options), (text) => lines.push(text), options);
  return lines;
}

/**
 * A copy of the kernel's tables, which nobody else sees: for listings and translations.
 *
 * Locking: as {@link ptdumpKernel}; nothing is held when it returns.
 *
 * @param ranges which addresses; others are empty in the copy. Default: all
 */
export function copyKernelTables<H extends HandleFamily>(kernel: Kernel<H>, { ranges }: Pick<PtdumpKernelOptions, 'ranges'> = {}): Space<H> {
  const { initMm } = kernel;
  const seen = new Map<number, bigint>();
  getOnlineMems(kernel);
  initMm.lock.writeLock();
  try {
    for (const { start, end } of ranges ?? wholeSpace(initMm.root)) readRange(initMm, start, end, seen);
  } finally {
    initMm.lock.writeUnlock();
    putOnlineMems(kernel);
  }
  const tables = new TableMemory({ entryBytes: kernel.platform.entryBytes });
  const { arch, root } = initMm;
  copyTable(arch, tables, seen, root.top, root.table);
  return { arch: kernel.platform.make('kernel', tables), root };
}

/** Reads every entry on the way to a range of addresses once, as it is in memory. @param seen entries that are not empty, by their physical addresses */
function readRange<H extends HandleFamily>(mm: Mm<H>, start: number, end: number, seen: Map<number, bigint>): void {
  const { arch } = mm;
  const read = <L extends Level>(level: L, entry: H[L]): void => {
    const ops: WritableOps<H, L> = arch.ops[level];
    const address = ops.entryAddress(entry);
    // A folded level is another name of the same entry; two ranges have the tables above them in common.
    if (!seen.has(address)) seen.set(address, ops.raw(entry));
  };
  const at = <L extends Level>(level: L): EntryCallback<H, never, undefined, L> => (entry) => { read(level, entry); };
  walkPageRangeNovma(mm, start, end, {
    walkLock: PageWalkLock.Write,
    pgdEntry: at('pgd'), p4dEntry: at('p4d'), pudEntry: at('pud'), pmdEntry: at('pmd'),
    pteRange(ptep, _address, count) {
      for (let index = 0; index < count; index++) read('pte', arch.ops.pte.advance(ptep, index));
    },
  });
}

/** Puts a table, and those below it, into table memory. */
function copyTable<H extends HandleFamily>(arch: WritableArch<H>, tables: TableMemory, seen: ReadonlyMap<number, bigint>, level: Level, address: number): void {
  const { entries } = geometryOf(arch.geometry, level);
  const { entryBytes } = tables;
  const values: EntryValues = arch.values[level];
  const below = levelBelow(arch, level);
  const base = tables.allocate(level, address, entries);
  const children: number[] = [];
  for (let index = 0; index < entries; index++) {
    const value = seen.get(address + index * entryBytes) ?? values.empty;
    write(tables, base + index, value);
    const entry = value as typeof values.empty;
    if (below !== undefined && values.valid(entry) && !values.leaf(entry)) children.push(values.table(entry));
  }
  if (below === undefined) return;
  for (const child of children) if (tables.find(below, child) < 0) copyTable(arch, tables, seen, below, child);
}

function write(tables: TableMemory, index: number, value: bigint): void {
  if (tables.entryBytes === 4) tables.words[index] = Number(BigInt.asIntN(32, value));
  else if (tables.entryBytes === 8) tables.elements[index] = value;
  else {
    tables.elements[index * 2 + LOW_WORD] = BigInt.asUintN(64, value);
    tables.elements[index * 2 + HIGH_WORD] = value >> 64n;
  }
}
