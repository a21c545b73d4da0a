import {
  EntryKind, FlushPromise, geometryOf, levelNumber, MmuGather, PgtableError, ScanBuffer, scanFilter, type EntryVal, type EntryValues, type FlushRange, type HandleFamily, type HugePage, type Level,
  type MmContext, type Prot, type TableOf, type UnlinkedTable, type VaWindow, type WritableArch, type WritableOps,
} from '@pgtable/core';
import { childOf, levelBelow, scanTable, type Space } from './space.js';

/*
 * Building and changing address spaces, with the writing accessors of whatever architecture: what mm/vmalloc.c, mm/mprotect.c,
 * mm/huge_memory.c and mm/khugepaged.c do with tables (Linux 6.12), without the memory behind them.
 *
 * Whoever calls holds what the kernel's callers hold: nobody else changes the tables of the range meanwhile. The hardware, and
 * readers without a lock, may look at any time.
 *
 * A table is asked for its runs in one scan, and a run is changed in one call; only where one run ends and another begins is
 * anything done for a single entry. Levels that are folded, or above the root, are never touched: `child` steps over them.
 */

/** An address space that can be changed: as much of `struct mm_struct` as building tables needs. */
export interface AddressSpace<H extends HandleFamily = HandleFamily> extends Space<H> {
  readonly arch: WritableArch<H>;
  /** Whose entries these are, and what must forget translations. */
  readonly mm: MmContext;
  /**
   * Finds room for a new table of a level, the lowest part of `pte_alloc_one` and its siblings.
   *
   * Returns: a physical address that is aligned to the table's size and used for nothing else. What it throws ends the
   * operation that asked, and what was mapped so far stays.
   */
  alloc(level: Level): number;
}

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

/** What {@link unmapRange} does beside. */
export interface UnmapOptions {
  /** Also takes out the tables that the range covers whole, below the root. Default false. */
  readonly tables?: boolean;
}

/**
 * `pgd_alloc`: makes the root table of a space, empty, at `space.root.table`.
 *
 * Returns: the table, for `arch.freeTable` when no hardware uses the space any more.
 *
 * @throws PgtableError `EINVAL` if the root's address cannot be one of a table of its level, or there is a table already
 */
export function newRoot<H extends HandleFamily>(space: AddressSpace<H>): UnlinkedTable<H> {
  const { arch, root, mm } = space;
  return arch.newTable(root.top, root.table, mm.user);
}

/**
 * Maps `bytes` bytes from virtual address `va` on to the physical memory from `pa` on. Tables that are missing are made.
 *
 * Nothing was mapped there before, so nothing is to be flushed.
 *
 * @param bytes a multiple of the page size, above 0
 * @param prot of `arch.vmProt` or `arch.kernelProt`
 * @throws PgtableError `EINVAL` if an address or the size is no multiple of the page size, the range is not within one of the
 *   root's windows, or part of it is mapped already: then nothing has changed; `EFAULT` if a table that the range needs is not here
 */
export function mapRange<H extends HandleFamily>(space: AddressSpace<H>, va: bigint, pa: number, bytes: number, prot: Prot, options: MapOptions = {}): void {
  const editor = new Editor(space);
  const part = editor.part(va, bytes);
  editor.checkPhysical(pa);
  editor.checkEmpty(part);
  editor.map(part, { offset: pa - part.start, prot, pages: allowedPages(space.arch, options) });
}

/**
 * `vmap_range_noflush` of mm/vmalloc.c: {@link mapRange} by its end, and by the shift of the largest page.
 *
 * @throws PgtableError as {@link mapRange}
 */
export function vmapRange<H extends HandleFamily>(space: AddressSpace<H>, start: bigint, end: bigint, pa: number, prot: Prot, maxPageShift: number): void {
  mapRange(space, start, pa, Number(end - start), prot, { largestPage: 2 ** maxPageShift });
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
  const editor = new Editor(space);
  const part = editor.part(va, bytes);
  editor.checkEdges(part);
  return gathered(space.mm, (batch) => {
    const freed: UnlinkedTable<H>[] = [];
    editor.unmap(part, batch, options.tables === true ? freed : undefined);
    return freed;
  });
}

/**
 * `vunmap_range` of mm/vmalloc.c: {@link unmapRange} by its end, flushed. Tables stay.
 *
 * @throws PgtableError as {@link unmapRange}
 */
export function vunmapRange<H extends HandleFamily>(space: AddressSpace<H>, start: bigint, end: bigint): void {
  unmapRange(space, start, Number(end - start)).flush();
}

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
  const editor = new Editor(space);
  const part = editor.part(va, bytes);
  editor.checkEdges(part);
  return gathered(space.mm, (batch) => editor.protect(part, batch, prot));
}

/**
 * `change_protection` of mm/mprotect.c: {@link protectRange} by its end.
 *
 * @throws PgtableError as {@link protectRange}
 */
export function changeProtection<H extends HandleFamily>(space: AddressSpace<H>, start: bigint, end: bigint, prot: Prot): FlushPromise<number> {
  return protectRange(space, start, Number(end - start), prot);
}

/**
 * Replaces the leaf that maps an address by a table of leaves of the next lower level, which map the same: what
 * `__split_huge_pmd_locked` of mm/huge_memory.c does. The new leaves are as young, dirty and writable as the old one was, and keep
 * its marks of software. The stale translation is flushed before the table is linked.
 *
 * @param prot permissions of the new leaves, whether they are writable excepted. Levels may say the same in different bits, so it
 *   cannot be had from the old leaf
 * @throws PgtableError `EINVAL` if the address is not mapped, or by the smallest page, or by a group of entries
 */
export function splitLeaf<H extends HandleFamily>(space: AddressSpace<H>, va: bigint, prot: Prot): void {
  new Editor(space).split(va, prot);
}

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
  return new Editor(space).collapse(va, level, prot);
}

/** Part of a table: the addresses [start, end) of those that it translates. */
interface Part<H extends HandleFamily> {
  readonly table: TableOf<H>;
  /** Address that entry 0 of the table translates. */
  readonly va: number;
  /** Entries that exist: [first, limit). */
  readonly first: number;
  readonly limit: number;
  readonly start: number;
  readonly end: number;
}

/** One entry, and where it is. */
interface Place<H extends HandleFamily> {
  readonly table: TableOf<H>;
  readonly index: number;
  /** First address that it translates. */
  readonly va: number;
  readonly kind: EntryKind;
}

/** What a range is mapped to. */
interface Mapping {
  /** Physical minus virtual address. */
  readonly offset: number;
  readonly prot: Prot;
  /** By level number: page sizes that may be used, largest first. */
  readonly pages: readonly (readonly HugePage[])[];
}

/** Rows of a scan: tables have few runs. */
const ROWS = 64;

/** Runs end where the kind of entry changes, and nowhere else. */
const KINDS = scanFilter(false, 0, 0);
/** Runs end where any bit of an attribute changes, or the memory does not go on. */
const EVERYTHING = scanFilter(true);

class Editor<H extends HandleFamily> {
  private readonly space: AddressSpace<H>;
  private readonly buffers: (ScanBuffer | undefined)[] = [undefined, undefined, undefined, undefined, undefined];
  private readonly page: number;

  constructor(space: AddressSpace<H>) {
    this.space = space;
    this.page = space.arch.geometry.pageBytes;
  }

  /** The root table's part for a range. */
  part(va: bigint, bytes: number): Part<H> {
    const { page } = this;
    if (!Number.isSafeInteger(bytes / page) || bytes <= 0) {
      throw new PgtableError('EINVAL', `a range of ${bytes} bytes is no whole number of pages`, { address: va, hint: `give a multiple of ${page}, above 0` });
    }
    if (va < 0n || va % BigInt(page) !== 0n) {
      throw new PgtableError('EINVAL', `virtual address 0x${va.toString(16)} does not begin a page`, { address: va, hint: `round it to ${page} bytes` });
    }
    return this.rootPart(Number(va), bytes);
  }

  checkPhysical(pa: number): void {
    if (Number.isSafeInteger(pa) && pa >= 0 && pa % this.page === 0) return;
    throw new PgtableError('EINVAL', `physical address 0x${pa.toString(16)} does not begin a page`, { hint: `round it to ${this.page} bytes` });
  }

  /** Throws where something is mapped, or a table is missing. */
  checkEmpty(part: Part<H>): void {
    if (part.start < part.va + part.first * this.bytesOf(part.table.level) || part.end > part.va + part.limit * this.bytesOf(part.table.level)) {
      throw new PgtableError('EINVAL', `the ${part.table.level} table for 0x${hex(part.va)} is too short for the range`, { address: BigInt(part.start), hint: 'take the short table out first' });
    }
    this.eachRow(part, (kind, index, count, lo, hi) => {
      if (kind === EntryKind.None) return;
      if (kind === EntryKind.Table) {
        this.checkEmpty(this.childPart(part, index, lo, hi));
        return;
      }
      const ops = this.opsOf(part.table.level);
      const values = this.valuesOf(part.table.level);
      for (let at = index; at < index + count; at++) {
        const value = ops.get(ops.advance(part.table.table, at));
        // Marks of the hardware in an empty entry do not count.
        if (values.none(value)) continue;
        const address = Math.max(part.start, part.va + at * this.bytesOf(part.table.level));
        throw new PgtableError('EINVAL', `0x${hex(address)} is mapped already: its ${part.table.level} entry is 0x${value.toString(16)}`, {
          address: BigInt(address),
          hint: 'unmap the range first, or change it with protectRange',
        });
      }
    });
  }

  /** Throws if an edge of the range is inside of a page that is larger. */
  checkEdges(part: Part<H>): void {
    for (const edge of [part.start, part.end]) {
      const window = this.windowOf(edge);
      if (window === undefined || edge === window.start) continue;
      const place = this.placeOf(edge);
      if (place === undefined || place.kind === EntryKind.None || place.kind === EntryKind.Table) continue;
      const { level } = place.table;
      const bytes = this.bytesOf(level) * this.groupOf(place);
      if (edge % bytes === 0) continue;
      throw new PgtableError('EINVAL', `0x${hex(edge)} is inside a page of ${bytes} bytes, so the range cannot begin or end there`, {
        address: BigInt(edge),
        hint: 'split the page first with splitLeaf, or take all of it',
      });
    }
  }

  map(part: Part<H>, mapping: Mapping): void {
    this.eachRow(part, (kind, index, count, lo, hi) => {
      if (kind === EntryKind.Table) this.map(this.childPart(part, index, lo, hi), mapping);
      else this.mapRun(part, index, index + count, mapping);
    });
  }

  /** Maps entries [index, limit) of a table, which are all empty. */
  private mapRun(part: Part<H>, index: number, limit: number, mapping: Mapping): void {
    const { arch, mm } = this.space;
    const { level } = part.table;
    const ops = this.opsOf(level);
    const values = this.valuesOf(level);
    const bytes = this.bytesOf(level);
    const end = Math.min(part.end, part.va + limit * bytes);
    const pages = mapping.pages[levelNumber(level)]!;
    for (let va = Math.max(part.start, part.va + index * bytes); va < end; ) {
      const at = Math.floor((va - part.va) / bytes);
      const entry = ops.advance(part.table.table, at);
      const page = pages.find((candidate) => va % candidate.bytes === 0 && (va + mapping.offset) % candidate.bytes === 0 && va + candidate.bytes <= end);
      if (page === undefined) {
        this.populate(part, at);
        this.map(this.childPart(part, at, 0, 0, true), mapping);
        va = part.va + (at + 1) * bytes;
        continue;
      }
      const value = values.mkgroup(values.ofPfn((va + mapping.offset) / this.page, mapping.prot), page.count);
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

  unmap(part: Part<H>, batch: MmuGather, freed: UnlinkedTable<H>[] | undefined): void {
    const { mm } = this.space;
    const { table } = part;
    const ops = this.opsOf(table.level);
    const bytes = this.bytesOf(table.level);
    this.eachRow(part, (kind, index, count, lo, hi) => {
      if (kind === EntryKind.None) return;
      const va = part.va + index * bytes;
      const entry = ops.advance(table.table, index);
      if (kind !== EntryKind.Table) {
        ops.clear(mm, BigInt(va), entry, count).gather(batch);
        return;
      }
      this.unmap(this.childPart(part, index, lo, hi), batch, freed);
      if (freed !== undefined && va >= part.start && va + bytes <= part.end) freed.push(ops.unlink(mm, BigInt(va), entry).gather(batch));
    });
  }

  /** Returns how many entries were changed. */
  protect(part: Part<H>, batch: MmuGather, prot: Prot): number {
    let changed = 0;
    this.eachRow(part, (kind, index, count, lo, hi) => {
      if (kind === EntryKind.Table) changed += this.protect(this.childPart(part, index, lo, hi), batch, prot);
      // An entry that the hardware does not use may still be a page: PROT_NONE.
      else if (kind !== EntryKind.None) changed += this.protectRun(part, index, index + count, batch, prot);
    });
    return changed;
  }

  private protectRun(part: Part<H>, index: number, limit: number, batch: MmuGather, prot: Prot): number {
    const { arch, mm } = this.space;
    const { table } = part;
    const ops = this.opsOf(table.level);
    const values = this.valuesOf(table.level);
    const bytes = this.bytesOf(table.level);
    let changed = 0;
    for (let at = index; at < limit; ) {
      const entry = ops.advance(table.table, at);
      const address = BigInt(part.va + at * bytes);
      const value = ops.get(entry);
      if (!values.leaf(value)) {
        at++;
        continue;
      }
      const group = this.groupOf({ table, index: at });
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

  split(va: bigint, prot: Prot): void {
    const { arch, mm } = this.space;
    const place = this.leafAt(va);
    const { level } = place.table;
    const below = levelBelow(arch, level);
    if (below === undefined || !arch.values[below].features.has('leaf')) {
      throw new PgtableError('EINVAL', `the page at 0x${va.toString(16)} cannot be split: there are no smaller ones below the ${level} level`, { address: va });
    }
    const group = this.groupOf(place);
    if (group > 1) {
      throw new PgtableError('EINVAL', `0x${va.toString(16)} is mapped by ${group} ${level} entries together, which no table can replace one by one`, {
        address: va,
        hint: 'unmap all of the group and map it again without',
      });
    }
    const ops = this.opsOf(level);
    const entry = ops.advance(place.table.table, place.index);
    const address = BigInt(place.va);
    const table = arch.newTable(below, this.space.alloc(below), mm.user);
    const value = this.valueAt(place);
    this.fillLike(table, level, value, prot);
    const old = ops.getAndClear(mm, address, entry).flush();
    // What the hardware noted since the table was filled.
    if (old !== value) this.fillLike(table, level, old, prot);
    ops.populate(mm, address, entry, table);
  }

  /** Writes leaves to all of a table that map what a leaf of a higher level does, with its marks. */
  private fillLike(table: UnlinkedTable<H>, level: Level, leaf: EntryVal<Level>, prot: Prot): void {
    const above = this.valuesOf(level);
    const values = this.valuesOf(table.level);
    const small = values.mkhuge(values.ofPfn(above.pfn(leaf), prot));
    table.set(0, withMarks(values, small, marksOf(above, leaf)), table.entries);
  }

  collapse(va: bigint, level: Level, prot: Prot): UnlinkedTable<H> {
    const { arch, mm } = this.space;
    const bytes = this.bytesOf(level);
    if (!arch.hugePages.some((page) => page.level === level && page.count === 1)) {
      throw new PgtableError('EINVAL', `there are no pages of the ${level} level in this configuration`, { address: va, hint: 'take a level of arch.hugePages' });
    }
    if (va < 0n || va % BigInt(bytes) !== 0n) {
      throw new PgtableError('EINVAL', `0x${va.toString(16)} does not begin a page of the ${level} level`, { address: va, hint: `round it to ${bytes} bytes` });
    }
    const place = this.placeOf(Number(va), level);
    const child = place?.table.level === level && place.kind === EntryKind.Table ? childOf(arch, place.table, place.index) : undefined;
    if (place === undefined || child === undefined) {
      throw new PgtableError('EINVAL', `there is no table below the ${level} entry of 0x${va.toString(16)} to be collapsed`, { address: va });
    }
    const pa = this.consecutive(child, va);
    if (pa % bytes !== 0) {
      throw new PgtableError('EINVAL', `the pages at 0x${va.toString(16)} begin at physical address 0x${pa.toString(16)}, which a page of ${bytes} bytes cannot`, {
        address: va,
        hint: 'move the pages to aligned memory first',
      });
    }
    const ops = this.opsOf(level);
    const values = this.valuesOf(level);
    const entry = ops.advance(place.table.table, place.index);
    const table = ops.unlink(mm, va, entry).flush();
    // The hardware has noted its last.
    const marks = this.gatherMarks({ level: table.level, table: table.entry(0) });
    const leaf = withMarks(values, values.mkhuge(values.ofPfn(pa / this.page, prot)), marks);
    ops.set(mm, va, entry, leaf, 1);
    arch.updateMmuCache?.(mm, va, level, 1);
    return table;
  }

  /** Where the first page of a table is whose every entry is a leaf, with the same permissions, of the page that follows. */
  private consecutive(table: TableOf<H>, va: bigint): number {
    const values = this.valuesOf(table.level);
    const bytes = this.bytesOf(table.level);
    let base: number | undefined;
    let like: Prot | undefined;
    this.eachRun(table, (kind, index, value, pa) => {
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
  private gatherMarks(table: TableOf<H>): Marks {
    const values = this.valuesOf(table.level);
    let all: Marks | undefined;
    this.eachRun(table, (_kind, _index, value) => {
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
  private eachRun(table: TableOf<H>, visit: (kind: EntryKind, index: number, value: EntryVal<Level>, pa: number) => void): void {
    const { arch } = this.space;
    const ops = this.opsOf(table.level);
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

  /** Every run of entries of one kind in a part of a table; table entries one by one, with their attribute words. The visitor may change them. */
  private eachRow(part: Part<H>, visit: (kind: EntryKind, index: number, count: number, lo: number, hi: number) => void): void {
    const { arch } = this.space;
    const { table } = part;
    const bytes = this.bytesOf(table.level);
    const buffer = (this.buffers[levelNumber(table.level)] ??= new ScanBuffer(ROWS));
    const from = Math.max(part.first, Math.floor((part.start - part.va) / bytes));
    const to = Math.min(part.limit, Math.ceil((part.end - part.va) / bytes));
    // A scan may cut a run anywhere, and a group of entries must not be cut: neighbours of one kind are joined.
    let held: EntryKind = EntryKind.Table;
    let first = from;
    for (let at = from; at < to; ) {
      buffer.count = 0;
      at = scanTable(arch, table, at, to, KINDS, buffer);
      const { count } = buffer;
      for (let row = 0; row < count; row++) {
        const kind = buffer.kind[row] as EntryKind;
        const index = buffer.index[row]!;
        if (kind === held && kind !== EntryKind.Table) continue;
        if (held !== EntryKind.Table) visit(held, first, index - first, 0, 0);
        if (kind === EntryKind.Table) visit(kind, index, 1, buffer.lo[row]!, buffer.hi[row]!);
        held = kind;
        first = index;
      }
    }
    if (held !== EntryKind.Table) visit(held, first, to - first, 0, 0);
  }

  private rootPart(start: number, bytes: number): Part<H> {
    const { arch, root } = this.space;
    const end = start + bytes;
    const window = this.windowOf(start);
    if (window === undefined || end > window.end) {
      const windows = root.windows.map((one) => `[0x${hex(one.start)}, 0x${hex(one.end)})`).join(', ');
      throw new PgtableError('EINVAL', `the root does not translate all of [0x${hex(start)}, 0x${hex(end)})`, { address: BigInt(start), hint: `it translates ${windows}` });
    }
    const table = arch.rootTable(root);
    if (table === undefined) {
      throw new PgtableError('EFAULT', `the root table at 0x${root.table.toString(16)} is not here`, { address: BigInt(root.table), hint: 'make it with newRoot, or load it' });
    }
    return { table, va: window.start - window.index * this.bytesOf(root.top), first: root.first, limit: root.end, start, end };
  }

  private windowOf(va: number): VaWindow | undefined {
    return this.space.root.windows.find((window) => va >= window.start && va < window.end);
  }

  /** The part of the table below an entry. @param whole the table was made here, so all of its entries exist */
  private childPart(part: Part<H>, index: number, lo: number, hi: number, whole = false): Part<H> {
    const { arch } = this.space;
    const { table } = part;
    const bytes = this.bytesOf(table.level);
    const va = part.va + index * bytes;
    const child = childOf(arch, table, index);
    if (child === undefined) {
      throw new PgtableError('EFAULT', `the table below the ${table.level} entry of 0x${hex(va)} is not here`, { address: BigInt(va), hint: 'load the tables of the range first' });
    }
    const range = whole ? geometryOf(arch.geometry, child.level).entries << 16 : this.opsOf(table.level).childRange(lo, hi);
    return { table: child, va, first: range & 0xffff, limit: range >>> 16, start: Math.max(part.start, va), end: Math.min(part.end, va + bytes) };
  }

  /** Makes a table of the next level below an empty entry. */
  private populate({ table, va }: Part<H>, index: number): void {
    const { arch, mm } = this.space;
    const below = levelBelow(arch, table.level)!;
    const made = arch.newTable(below, this.space.alloc(below), mm.user);
    const ops = this.opsOf(table.level);
    ops.populate(mm, BigInt(va + index * this.bytesOf(table.level)), ops.advance(table.table, index), made);
  }

  /**
   * The entry that ends the walk of an address, or, with a level, the one of that level if the walk gets there.
   *
   * Returns: undefined outside of the root's windows and past the end of a table.
   */
  private placeOf(va: number, level: Level = 'pte'): Place<H> | undefined {
    if (this.windowOf(va) === undefined) return undefined;
    let part = this.rootPart(va, this.page);
    for (;;) {
      const { table } = part;
      const bytes = this.bytesOf(table.level);
      const index = Math.floor((va - part.va) / bytes);
      if (index < part.first || index >= part.limit) return undefined;
      const buffer = new ScanBuffer(1);
      scanTable(this.space.arch, table, index, index + 1, KINDS, buffer);
      const kind = buffer.kind[0] as EntryKind;
      if (kind !== EntryKind.Table || table.level === level) return { table, index, va: part.va + index * bytes, kind };
      part = this.childPart(part, index, buffer.lo[0]!, buffer.hi[0]!);
    }
  }

  /** The leaf that maps an address. */
  private leafAt(va: bigint): Place<H> {
    const page = BigInt(this.page);
    const place = va < 0n ? undefined : this.placeOf(Number(va - (va % page)));
    const values = place === undefined ? undefined : this.valuesOf(place.table.level);
    if (place === undefined || !values?.leaf(this.valueAt(place))) {
      throw new PgtableError('EINVAL', `0x${va.toString(16)} is not mapped, so there is no page to be split`, { address: va });
    }
    return place;
  }

  private valueAt({ table, index }: Place<H>): EntryVal<Level> {
    const ops = this.opsOf(table.level);
    return ops.get(ops.advance(table.table, index));
  }

  /**
   * How many entries map one page together with this one: making a member of a group once more changes nothing in it.
   *
   * An architecture that joins entries of processes by itself (arm64) parts them by itself too, and shows them as single ones. The
   * kernel's entries it leaves as they were made, and `hugeGet` shows what they are.
   */
  private groupOf({ table, index }: Pick<Place<H>, 'table' | 'index'>): number {
    const { arch, mm } = this.space;
    const { level } = table;
    const ops = this.opsOf(level);
    const values = this.valuesOf(level);
    const entry = ops.advance(table.table, index);
    for (const page of arch.hugePages) {
      if (page.level !== level || page.count === 1) continue;
      const value = mm.user ? ops.get(entry) : ops.hugeGet(entry, 1);
      if (values.leaf(value) && values.mkgroup(value, page.count) === value) return page.count;
    }
    return 1;
  }

  private opsOf<L extends Level>(level: L): WritableOps<H, L> {
    return this.space.arch.ops[level];
  }

  private valuesOf<L extends Level>(level: L): EntryValues<L> {
    return this.space.arch.values[level];
  }

  private bytesOf(level: Level): number {
    return 2 ** geometryOf(this.space.arch.geometry, level).shift;
  }
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

/** What a leaf says beside its frame and its permissions. */
interface Marks {
  readonly write: boolean;
  readonly young: boolean;
  readonly dirty: boolean;
  readonly softDirty: boolean;
  readonly uffdWp: boolean;
  readonly special: boolean;
  readonly devmap: boolean;
}

function marksOf<L extends Level>(values: EntryValues<L>, value: EntryVal<L>): Marks {
  return {
    write: values.write(value), young: values.young(value), dirty: values.dirty(value), softDirty: values.softDirty(value), uffdWp: values.uffdWp(value),
    special: values.special(value), devmap: values.devmap(value),
  };
}

function withMarks<L extends Level>(values: EntryValues<L>, value: EntryVal<L>, marks: Marks): EntryVal<L> {
  // Writable comes before dirty: on some architectures the bits of a dirty page depend on it, and a mark of dirty is one of soft-dirty too.
  let made = values.mkclean(value);
  made = marks.write ? values.mkwrite(made) : values.wrprotect(made);
  if (marks.dirty) made = values.mkdirty(made);
  made = marks.young ? values.mkyoung(made) : values.mkold(made);
  made = marks.softDirty ? values.mksoftDirty(made) : values.clearSoftDirty(made);
  if (marks.uffdWp) made = values.mkuffdWp(made);
  if (marks.special) made = values.mkspecial(made);
  if (marks.devmap) made = values.mkdevmap(made);
  return made;
}

/**
 * Does something whose flushes become one promise. If it throws, what is stale by then is flushed first.
 */
function gathered<T>(mm: MmContext, work: (batch: MmuGather) => T): FlushPromise<T> {
  const batch = new MmuGather(mm);
  let result: T;
  try {
    result = work(batch);
  } catch (error) {
    batch.finish();
    throw error;
  }
  return new FlushPromise(mm, result, oneRange(batch.pending));
}

/** The range that covers others. Where they are of several levels, everything in it is to be forgotten, in steps of the smallest pages. */
function oneRange(ranges: readonly FlushRange[]): FlushRange | undefined {
  const first = ranges[0];
  if (first === undefined) return undefined;
  let { start, end, level, tables } = first;
  for (const range of ranges) {
    if (range.start < start) ({ start } = range);
    if (range.end > end) ({ end } = range);
    tables ||= range.tables || range.level !== level;
    if (levelNumber(range.level) < levelNumber(level)) ({ level } = range);
  }
  return { start, end, level, tables };
}

function hex(address: number): string {
  return BigInt(address).toString(16);
}
