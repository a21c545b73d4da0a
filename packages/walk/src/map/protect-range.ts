import { EntryKind, type FlushPromise, type HandleFamily, type MmuGather, type Prot } from '@pgtable/core';
import type { AddressSpace } from './address-space.js';
import { gathered } from './gathered.js';
import { TableEditor, type Part } from './table-editor.js';

/**
 * Gives every present page of a range other permissions. Frames and marks stay; of neighbours that map consecutive pages alike, all
 * are young afterwards if one was. Entries that are not present stay as they are.
 *
 * Neighbours that are alike, and groups, are taken out, flushed and put back together, because an architecture may join or part them;
 * the promise is for the others.
 *
 * Returns: the promise of one flush, with the number of entries that were changed.
 *
 * @throws PgtableError as {@link unmapRange}
 */
export function protectRange<H extends HandleFamily>(space: AddressSpace<H>, va: bigint, bytes: number, prot: Prot): FlushPromise<number> {
  const editor = new TableEditor(space);
  const part = editor.part(va, bytes);
  editor.checkEdges(part);
  return gathered(space.mm, (batch) => protect(editor, part, batch, prot));
}

/** Returns how many entries were changed. */
function protect<H extends HandleFamily>(editor: TableEditor<H>, part: Part<H>, batch: MmuGather, prot: Prot): number {
  let changed = 0;
  editor.eachRow(part, (kind, index, count, lo, hi) => {
    if (kind === EntryKind.Table) changed += protect(editor, editor.childPart(part, index, lo, hi), batch, prot);
    // An entry that the hardware does not use may still be a page: PROT_NONE.
    else if (kind !== EntryKind.None) changed += protectRun(editor, part, index, index + count, batch, prot);
  });
  return changed;
}

function protectRun<H extends HandleFamily>(editor: TableEditor<H>, part: Part<H>, index: number, limit: number, batch: MmuGather, prot: Prot): number {
  const { arch, mm } = editor.space;
  const { table } = part;
  const ops = editor.opsOf(table.level);
  const values = editor.valuesOf(table.level);
  const bytes = editor.bytesOf(table.level);
  let changed = 0;
  for (let at = index; at < limit; ) {
    const entry = ops.advance(table.table, at);
    const address = BigInt(part.va + at * bytes);
    const value = ops.get(entry);
    if (!values.leaf(value)) {
      at++;
      continue;
    }
    const group = editor.groupOf({ table, index: at });
    let count = group;
    if (group > 1) {
      const old = ops.hugeGetAndClear(mm, address, entry, group).flush();
      ops.hugeSet(mm, address, entry, values.mkgroup(values.modify(old, prot), group), group);
    } else {
      count = ops.batch(entry, value, limit - at, {});
      if (count > 1) {
        const old = ops.getAndClearFull(mm, address, entry, count).flush();
        ops.set(mm, address, entry, values.modify(old, prot), count);
      } else {
        const old = ops.modifyProtStart(mm, address, entry);
        ops.modifyProtCommit(mm, address, entry, old, values.modify(old, prot)).gather(batch);
      }
    }
    arch.updateMmuCache?.(mm, address, table.level, count);
    changed += count;
    at += count;
  }
  return changed;
}
