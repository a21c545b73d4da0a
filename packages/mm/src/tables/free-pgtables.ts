import { geometryOf, PgtableError, type HandleFamily, type Level, type TableOf } from '@pgtable/core';
import { levelBelow } from '@pgtable/walk';
import type { Mm } from '../kernel/mm.js';
import type { TableGather } from './gather.js';

/** What is freed: tables whose addresses are all in [floor, ceiling), of those on the way to [start, end). */
interface Freed {
  readonly start: number;
  readonly end: number;
  readonly floor: number;
  readonly ceiling: number;
}

/**
 * `free_pgd_range()`: frees the page tables of a range of addresses that maps nothing any more. A table goes if all the addresses that it translates are free: those of the range, and those around it
 * up to its neighbours.
 *
 * Locking: the mmap lock to write, or VMAs of the range that were removed by it: no fault comes in, no walk, and no one through a file's mapping. Readers without locks (GUP-fast) may still be in the tables: what
 * is freed goes through the gather.
 *
 * @param start,end half-open, page aligned; no entry in it maps a page
 * @param floor the end of the VMA below, 0 if there is none
 * @param ceiling the start of the VMA above, Infinity if there is none
 * @throws PgtableError `EFAULT` if the root table is not in memory
 * @see mm/memory.c, Linux 6.12
 */
export function freePgdRange<H extends HandleFamily>(gather: TableGather<H>, start: number, end: number, floor: number, ceiling: number): void {
  const mm = gather.of;
  const { arch, root } = mm;
  const freed = { start, end, floor, ceiling };
  const table = arch.rootTable(root);
  if (table === undefined) throw new PgtableError('EFAULT', `the root table of address space ${mm.id} is not here`);
  const bytes = 2 ** geometryOf(arch.geometry, root.top).shift;
  for (const window of root.windows) {
    const from = Math.max(start, window.start);
    const to = Math.min(end, window.end);
    const base = window.start - window.index * bytes;
    if (from < to) freeBelow(gather, table, base, Math.floor((from - base) / bytes), Math.min(root.end, Math.ceil((to - base) / bytes)), freed);
  }
}

/** Frees what is below entries [first, end) of a table whose entry 0 begins at `base`. */
function freeBelow<H extends HandleFamily>(gather: TableGather<H>, { level, table }: TableOf<H>, base: number, first: number, end: number, freed: Freed): void {
  const mm: Mm<H> = gather.of;
  const { arch, context } = mm;
  const below = levelBelow(arch, level);
  if (below === undefined) return;
  const ops = arch.ops[level];
  const bytes = spanOf(mm, level);
  for (let index = first; index < end; index++) {
    const entry = ops.advance(table, index);
    const child = ops.child(entry);
    if (child === undefined) continue;
    const va = base + index * bytes;
    if (below !== 'pte') {
      const span = spanOf(mm, below);
      const from = Math.max(0, Math.floor((freed.start - va) / span));
      const to = Math.min(geometryOf(arch.geometry, below).entries, Math.ceil((freed.end - va) / span));
      freeBelow(gather, child, va, from, to, freed);
    }
    if (va >= freed.floor && va + bytes <= freed.ceiling) gather.removeTable(ops.unlink(context, BigInt(va), entry).gather(gather));
  }
}

/** Bytes that an entry translates. */
function spanOf<H extends HandleFamily>(mm: Mm<H>, level: Level): number {
  return 2 ** geometryOf(mm.arch.geometry, level).shift;
}
