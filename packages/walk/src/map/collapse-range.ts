import {
  EntryKind, geometryOf, PgtableError, ScanBuffer, scanFilter, type EntryVal, type HandleFamily, type Level, type Prot, type TableOf, type UnlinkedTable,
} from '@pgtable/core';
import { childOf, scanTable } from '../space.js';
import type { AddressSpace } from './address-space.js';
import { marksOf, withMarks, type Marks } from './marks.js';
import { ROWS, TableEditor } from './table-editor.js';

/** Runs end where any bit of an attribute changes, or the memory does not go on. */
const EVERYTHING = scanFilter(true);

/**
 * Replaces a table of leaves that map consecutive pages by one leaf: the last step of `collapse_huge_page` and
 * `collapse_pte_mapped_thp` of mm/khugepaged.c, for memory that is consecutive already. The leaf is young and dirty if any of the
 * pages was. The stale translations are flushed before the leaf is written.
 *
 * Returns: the table, no longer live, for `arch.freeTable`. Its entries are as they were.
 *
 * @param level of the leaf to be
 * @param prot permissions of the leaf, whether it is writable excepted
 * @throws PgtableError `EINVAL` if there is no such page size, no table of the next level there, or not every entry of it is a leaf of
 *   the same permissions and of the page that follows, or the first page is not aligned to the leaf's size: nothing has changed
 */
export function collapseRange<H extends HandleFamily>(space: AddressSpace<H>, va: bigint, level: Level, prot: Prot): UnlinkedTable<H> {
  const editor = new TableEditor(space);
  const { arch, mm } = space;
  const bytes = editor.bytesOf(level);
  if (!arch.hugePages.some((page) => page.level === level && page.count === 1)) {
    throw new PgtableError('EINVAL', `there are no pages of the ${level} level in this configuration`, { address: va, hint: 'take a level of arch.hugePages' });
  }
  if (va < 0n || va % BigInt(bytes) !== 0n) {
    throw new PgtableError('EINVAL', `0x${va.toString(16)} does not begin a page of the ${level} level`, { address: va, hint: `round it to ${bytes} bytes` });
  }
  const place = editor.placeOf(Number(va), level);
  const child = place?.table.level === level && place.kind === EntryKind.Table ? childOf(arch, place.table, place.index) : undefined;
  if (place === undefined || child === undefined) {
    throw new PgtableError('EINVAL', `there is no table below the ${level} entry of 0x${va.toString(16)} to be collapsed`, { address: va });
  }
  const pa = consecutive(editor, child, va);
  if (pa % bytes !== 0) {
    throw new PgtableError('EINVAL', `the pages at 0x${va.toString(16)} begin at physical address 0x${pa.toString(16)}, which a page of ${bytes} bytes cannot`, {
      address: va,
      hint: 'move the pages to aligned memory first',
    });
  }
  const ops = editor.opsOf(level);
  const values = editor.valuesOf(level);
  const entry = ops.advance(place.table.table, place.index);
  const table = ops.unlink(mm, va, entry).flush();
  // The hardware has noted its last.
  const marks = gatherMarks(editor, { level: table.level, table: table.entry(0) });
  const leaf = withMarks(values, values.mkhuge(values.ofPfn(pa / editor.page, prot)), marks);
  ops.set(mm, va, entry, leaf, 1);
  arch.updateMmuCache?.(mm, va, level, 1);
  return table;
}

/** Where the first page of a table is whose every entry is a leaf, with the same permissions, of the page that follows. */
function consecutive<H extends HandleFamily>(editor: TableEditor<H>, table: TableOf<H>, va: bigint): number {
  const values = editor.valuesOf(table.level);
  const bytes = editor.bytesOf(table.level);
  let base: number | undefined;
  let like: Prot | undefined;
  eachRun(editor, table, (kind, index, value, pa) => {
    base ??= pa - index * bytes;
    const prot = values.prot(values.clearSoftDirty(values.mkold(values.mkclean(value))));
    like ??= prot;
    if (kind === EntryKind.Leaf && pa === base + index * bytes && prot === like) return;
    const address = va + BigInt(index * bytes);
    throw new PgtableError('EINVAL', `the ${table.level} entry of 0x${address.toString(16)} does not map the page that follows with the same permissions`, { address });
  });
  return base!;
}

/** What the leaves of a table say together. */
function gatherMarks<H extends HandleFamily>(editor: TableEditor<H>, table: TableOf<H>): Marks {
  const values = editor.valuesOf(table.level);
  let all: Marks | undefined;
  eachRun(editor, table, (_kind, _index, value) => {
    const marks = marksOf(values, value);
    all = all === undefined
      ? marks
      : {
        ...all, young: all.young || marks.young, dirty: all.dirty || marks.dirty, softDirty: all.softDirty || marks.softDirty,
      };
  });
  return all!;
}

/** Every run of a whole table, by its first entry: all bits of a run are alike, and its leaves follow each other. */
function eachRun<H extends HandleFamily>(editor: TableEditor<H>, table: TableOf<H>, visit: (kind: EntryKind, index: number, value: EntryVal<Level>, pa: number) => void): void {
  const { arch } = editor.space;
  const ops = editor.opsOf(table.level);
  const { entries } = geometryOf(arch.geometry, table.level);
  const buffer = new ScanBuffer(ROWS);
  for (let at = 0; at < entries; ) {
    buffer.count = 0;
    at = scanTable(arch, table, at, entries, EVERYTHING, buffer);
    for (let row = 0; row < buffer.count; row++) {
      const index = buffer.index[row]!;
      visit(buffer.kind[row] as EntryKind, index, ops.get(ops.advance(table.table, index)), buffer.pa[row]!);
    }
  }
}
