import { PgtableError, type EntryVal, type HandleFamily, type Level, type Prot, type UnlinkedTable } from '@pgtable/core';
import { levelBelow } from '../space.js';
import type { AddressSpace } from './address-space.js';
import { marksOf, withMarks } from './marks.js';
import { TableEditor, type Place } from './table-editor.js';

/**
 * Replaces the leaf that maps an address by a table of leaves of the next lower level, which map the same: what
 * `__split_huge_pmd_locked` of mm/huge_memory.c does. The new leaves are as young, dirty and writable as the old one was, and keep
 * its marks of software. The stale translation is flushed before the table is linked.
 *
 * @param prot permissions of the new leaves, whether they are writable excepted. Levels may say the same in different bits, so it
 *   cannot be had from the old leaf
 * @throws PgtableError `EINVAL` if the address is not mapped, or by the smallest page, or by a group of entries, or lies higher than smaller pages can (x86's PSE-36): nothing has changed
 */
export function splitLeaf<H extends HandleFamily>(space: AddressSpace<H>, va: bigint, prot: Prot): void {
  const editor = new TableEditor(space);
  const { arch, mm } = space;
  const place = leafAt(editor, va);
  const { level } = place.table;
  const below = levelBelow(arch, level);
  if (below === undefined || !arch.values[below].features.has('leaf')) {
    throw new PgtableError('EINVAL', `the page at 0x${va.toString(16)} cannot be split: there are no smaller ones below the ${level} level`, { address: va });
  }
  const group = editor.groupOf(place);
  if (group > 1) {
    throw new PgtableError('EINVAL', `0x${va.toString(16)} is mapped by ${group} ${level} entries together, which no table can replace one by one`, {
      address: va,
      hint: 'unmap all of the group and map it again without',
    });
  }
  const ops = editor.opsOf(level);
  const entry = ops.advance(place.table.table, place.index);
  const address = BigInt(place.va);
  const value = valueAt(editor, place);
  const first = editor.valuesOf(level).pfn(value);
  const small = editor.valuesOf(below);
  const pages = (editor.bytesOf(level) - editor.bytesOf(below)) / editor.page;
  if ([first, first + pages].some((pfn) => small.pfn(small.mkhuge(small.ofPfn(pfn, prot))) !== pfn)) {
    throw new PgtableError('EINVAL', `the page at 0x${va.toString(16)} cannot be split: no ${below} entry can name its physical memory`, { address: va });
  }
  const table = arch.newTable(below, space.alloc(below), mm.user);
  fillLike(editor, table, level, value, prot);
  const old = ops.getAndClear(mm, address, entry).flush();
  // What the hardware noted since the table was filled.
  if (old !== value) fillLike(editor, table, level, old, prot);
  ops.populate(mm, address, entry, table);
}

/** Writes leaves to all of a table that map what a leaf of a higher level does, with its marks. */
function fillLike<H extends HandleFamily>(editor: TableEditor<H>, table: UnlinkedTable<H>, level: Level, leaf: EntryVal<Level>, prot: Prot): void {
  const above = editor.valuesOf(level);
  const values = editor.valuesOf(table.level);
  const small = values.mkhuge(values.ofPfn(above.pfn(leaf), prot));
  table.set(0, withMarks(values, small, marksOf(above, leaf)), table.entries);
}

/** The leaf that maps an address. */
function leafAt<H extends HandleFamily>(editor: TableEditor<H>, va: bigint): Place<H> {
  const page = BigInt(editor.page);
  const place = va < 0n ? undefined : editor.placeOf(Number(va - (va % page)));
  const values = place === undefined ? undefined : editor.valuesOf(place.table.level);
  if (place === undefined || !values?.leaf(valueAt(editor, place))) {
    throw new PgtableError('EINVAL', `0x${va.toString(16)} is not mapped, so there is no page to be split`, { address: va });
  }
  return place;
}

function valueAt<H extends HandleFamily>(editor: TableEditor<H>, { table, index }: Place<H>): EntryVal<Level> {
  const ops = editor.opsOf(table.level);
  return ops.get(ops.advance(table.table, index));
}
