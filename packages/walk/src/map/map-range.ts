import { EntryKind, levelNumber, PgtableError, type HandleFamily, type HugePage, type Prot, type WritableArch } from '@pgtable/core';
import { levelBelow } from '../space.js';
import type { AddressSpace } from './address-space.js';
import { hex, TableEditor, type Part } from './table-editor.js';

/** How large pages may be in {@link mapRange}. */
export interface MapOptions {
  /**
   * Bytes of the largest page. A larger page is taken wherever both addresses are aligned to it, enough of the range is left, and
   * there is no table yet. Default: the smallest page alone. `Infinity` allows all that the architecture has.
   */
  readonly largestPage?: number;
  /** Whether pages may be mapped by several entries together: arm64's contiguous blocks, riscv's Svnapot. Default true. */
  readonly groups?: boolean;
}

/**
 * Maps `bytes` bytes from virtual address `va` on to the physical memory from `pa` on. Tables that are missing are made.
 *
 * Nothing was mapped there before, so nothing is to be flushed.
 *
 * @param bytes a multiple of the page size, above 0
 * @param prot of `arch.vmProt` or `arch.kernelProt`
 * @throws PgtableError `EINVAL` if an address or the size is no multiple of the page size, the range is not within one of the
 *   root's windows, entries cannot name all of that physical memory, or part of the range is mapped already: then nothing has changed; `EFAULT` if a
 *   table that the range needs is not here
 */
export function mapRange<H extends HandleFamily>(space: AddressSpace<H>, va: bigint, pa: number, bytes: number, prot: Prot, options: MapOptions = {}): void {
  const editor = new TableEditor(space);
  const part = editor.part(va, bytes);
  const mapping: Mapping = { offset: pa - part.start, prot, pages: allowedPages(space.arch, options) };
  checkPhysical(editor, part, mapping);
  checkEmpty(editor, part, mapping);
  mapPart(editor, part, mapping);
}

/** What a range is mapped to. */
interface Mapping {
  /** Physical minus virtual address. */
  readonly offset: number;
  readonly prot: Prot;
  /** By level number: page sizes that may be used, largest first. */
  readonly pages: readonly (readonly HugePage[])[];
}

/** The page sizes that may be used, by level number, largest first. */
function allowedPages(arch: WritableArch, options: MapOptions): HugePage[][] {
  const smallest = arch.geometry.pageBytes;
  const { largestPage = smallest, groups = true } = options;
  const pages = arch.hugePages.filter(({ bytes, count }) => bytes <= largestPage && (groups || count === 1));
  return arch.geometry.levels.map(({ level }) => {
    const own = pages.filter((page) => page.level === level);
    if (level === 'pte') own.push({ bytes: smallest, level, count: 1 });
    return own.sort((a, b) => b.bytes - a.bytes);
  });
}

/** Throws if the physical memory does not begin at a page, or no page size that can be used for all of it has entries that can name it. */
function checkPhysical<H extends HandleFamily>(editor: TableEditor<H>, { start, end }: Part<H>, mapping: Mapping): void {
  const pa = start + mapping.offset;
  if (!Number.isSafeInteger(pa / editor.page) || pa < 0) {
    throw new PgtableError('EINVAL', `physical address 0x${pa.toString(16)} does not begin a page`, { hint: `round it to ${editor.page} bytes` });
  }
  const values = editor.valuesOf('pte');
  const frames = [pa, pa + (end - start) - editor.page].map((address) => address / editor.page);
  const reserved = frames.find((frame) => values.bad(values.ofPfn(frame, mapping.prot)) && !values.bad(values.ofPfn(0, mapping.prot)));
  if (reserved !== undefined) throw tooHigh(editor, reserved * editor.page);
  // Larger pages may lie higher than the smallest: those of x86's PSE-36.
  const named = mapping.pages.flat().some((page) => [start, end, pa].every((edge) => edge % page.bytes === 0) && unnamed(editor, start, end, mapping, page) === undefined);
  if (!named) checkNamed(editor, start, end, mapping);
}

/** Throws if pages of the smallest size cannot name the physical memory of [start, end). */
function checkNamed<H extends HandleFamily>(editor: TableEditor<H>, start: number, end: number, mapping: Mapping): void {
  const pa = unnamed(editor, start, end, mapping, { bytes: editor.page, level: 'pte', count: 1 });
  if (pa !== undefined) throw tooHigh(editor, pa);
}

function tooHigh<H extends HandleFamily>(editor: TableEditor<H>, pa: number): PgtableError {
  return new PgtableError('EINVAL', `no pte entry can name the page at physical address 0x${hex(pa)}`, {
    address: BigInt(pa),
    hint: `${editor.space.arch.name} (${editor.space.arch.variant}) has no physical addresses so high there`,
  });
}

/** The first or last physical address of [start, end) that an entry for such a page cannot hold: the frame comes back as another one. */
function unnamed<H extends HandleFamily>(editor: TableEditor<H>, start: number, end: number, { offset, prot }: Mapping, page: HugePage): number | undefined {
  const values = editor.valuesOf(page.level);
  return [start, end - page.bytes].map((va) => va + offset).find((pa) => values.pfn(values.mkgroup(values.ofPfn(pa / editor.page, prot), page.count)) !== pa / editor.page);
}

/** Throws where something is mapped, or a table is missing, or a table is there whose entries cannot name the physical memory. */
function checkEmpty<H extends HandleFamily>(editor: TableEditor<H>, part: Part<H>, mapping: Mapping): void {
  if (part.table.level === 'pte') checkNamed(editor, part.start, part.end, mapping);
  if (part.start < part.va + part.first * editor.bytesOf(part.table.level) || part.end > part.va + part.limit * editor.bytesOf(part.table.level)) {
    throw new PgtableError('EINVAL', `the ${part.table.level} table for 0x${hex(part.va)} is too short for the range`, { address: BigInt(part.start), hint: 'take the short table out first' });
  }
  editor.eachRow(part, (kind, index, count, lo, hi) => {
    if (kind === EntryKind.None) return;
    if (kind === EntryKind.Table) {
      checkEmpty(editor, editor.childPart(part, index, lo, hi), mapping);
      return;
    }
    const ops = editor.opsOf(part.table.level);
    const values = editor.valuesOf(part.table.level);
    for (let at = index; at < index + count; at++) {
      const value = ops.get(ops.advance(part.table.table, at));
      // Marks of the hardware in an empty entry do not count.
      if (values.none(value)) continue;
      const address = Math.max(part.start, part.va + at * editor.bytesOf(part.table.level));
      throw new PgtableError('EINVAL', `0x${hex(address)} is mapped already: its ${part.table.level} entry is 0x${value.toString(16)}`, {
        address: BigInt(address),
        hint: 'unmap the range first, or change it with protectRange',
      });
    }
  });
}

function mapPart<H extends HandleFamily>(editor: TableEditor<H>, part: Part<H>, mapping: Mapping): void {
  editor.eachRow(part, (kind, index, count, lo, hi) => {
    if (kind === EntryKind.Table) mapPart(editor, editor.childPart(part, index, lo, hi), mapping);
    else mapRun(editor, part, index, index + count, mapping);
  });
}

/** Maps entries [index, limit) of a table, which are all empty. */
function mapRun<H extends HandleFamily>(editor: TableEditor<H>, part: Part<H>, index: number, limit: number, mapping: Mapping): void {
  const { arch, mm } = editor.space;
  const { level } = part.table;
  const ops = editor.opsOf(level);
  const values = editor.valuesOf(level);
  const bytes = editor.bytesOf(level);
  const end = Math.min(part.end, part.va + limit * bytes);
  const pages = mapping.pages[levelNumber(level)]!;
  for (let va = Math.max(part.start, part.va + index * bytes); va < end; ) {
    const at = Math.floor((va - part.va) / bytes);
    const entry = ops.advance(part.table.table, at);
    const page = pages.find((candidate) => va % candidate.bytes === 0 && (va + mapping.offset) % candidate.bytes === 0 && va + candidate.bytes <= end);
    if (page === undefined) {
      populate(editor, part, at);
      mapPart(editor, editor.childPart(part, at, 0, 0, true), mapping);
      va = part.va + (at + 1) * bytes;
      continue;
    }
    const value = values.mkgroup(values.ofPfn((va + mapping.offset) / editor.page, mapping.prot), page.count);
    const address = BigInt(va);
    if (page.count > 1) {
      ops.hugeSet(mm, address, entry, value, page.count);
      arch.updateMmuCache?.(mm, address, level, page.count);
      va += page.bytes;
      continue;
    }
    // Single entries up to where a group can begin.
    const group = pages[pages.indexOf(page) - 1];
    const to = group !== undefined && mapping.offset % group.bytes === 0 ? Math.min(end, (Math.floor(va / group.bytes) + 1) * group.bytes) : end;
    const count = Math.floor((to - va) / bytes);
    ops.set(mm, address, entry, value, count);
    arch.updateMmuCache?.(mm, address, level, count);
    va += count * bytes;
  }
}

/** Makes a table of the next level below an empty entry. */
function populate<H extends HandleFamily>(editor: TableEditor<H>, { table, va }: Part<H>, index: number): void {
  const { arch, mm } = editor.space;
  const below = levelBelow(arch, table.level)!;
  const made = arch.newTable(below, editor.space.alloc(below), mm.user);
  const ops = editor.opsOf(table.level);
  ops.populate(mm, BigInt(va + index * editor.bytesOf(table.level)), ops.advance(table.table, index), made);
}
