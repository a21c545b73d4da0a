import { EntryKind, type FlushPromise, type HandleFamily, type MmuGather, type UnlinkedTable } from '@pgtable/core';
import type { AddressSpace } from './address-space.js';
import { gathered } from './gathered.js';
import { TableEditor, type Part } from './table-editor.js';

/** What {@link unmapRange} does beside. */
export interface UnmapOptions {
  /** Also takes out the tables that the range covers whole, below the root. Default false. */
  readonly tables?: boolean;
}

/**
 * Unmaps a range: every entry becomes empty, also those that are not present. What is not mapped stays so.
 *
 * Returns: the promise of one flush. Its result are the tables that were taken out, empty if none were asked for; they go to
 * `arch.freeTable` when the flush is done.
 *
 * @throws PgtableError `EINVAL` for a range as in {@link mapRange}, or if an edge of it is inside a large page: then nothing has
 *   changed; `EFAULT` if a table is not here: what was unmapped before has been flushed
 */
export function unmapRange<H extends HandleFamily>(space: AddressSpace<H>, va: bigint, bytes: number, options: UnmapOptions = {}): FlushPromise<readonly UnlinkedTable<H>[]> {
  const editor = new TableEditor(space);
  const part = editor.part(va, bytes);
  editor.checkEdges(part);
  return gathered(space.mm, (batch) => {
    const freed: UnlinkedTable<H>[] = [];
    unmap(editor, part, batch, options.tables === true ? freed : undefined);
    return freed;
  });
}

function unmap<H extends HandleFamily>(editor: TableEditor<H>, part: Part<H>, batch: MmuGather, freed: UnlinkedTable<H>[] | undefined): void {
  const { mm } = editor.space;
  const { table } = part;
  const ops = editor.opsOf(table.level);
  const bytes = editor.bytesOf(table.level);
  editor.eachRow(part, (kind, index, count, lo, hi) => {
    if (kind === EntryKind.None) return;
    const va = part.va + index * bytes;
    const entry = ops.advance(table.table, index);
    if (kind !== EntryKind.Table) {
      ops.clear(mm, BigInt(va), entry, count).gather(batch);
      return;
    }
    unmap(editor, editor.childPart(part, index, lo, hi), batch, freed);
    if (freed !== undefined && va >= part.start && va + bytes <= part.end) freed.push(ops.unlink(mm, BigInt(va), entry).gather(batch));
  });
}
