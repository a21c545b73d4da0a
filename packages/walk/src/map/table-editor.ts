import {
  EntryKind, geometryOf, levelNumber, PgtableError, ScanBuffer, scanFilter, type EntryValues, type HandleFamily, type Level, type TableOf, type VaWindow, type WritableOps,
} from '@pgtable/core';
import { childOf, scanTable } from '../space.js';
import type { AddressSpace } from './address-space.js';

/** Part of a table: the addresses [start, end) of those that it translates. */
export interface Part<H extends HandleFamily> {
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
export interface Place<H extends HandleFamily> {
  readonly table: TableOf<H>;
  readonly index: number;
  /** First address that it translates. */
  readonly va: number;
  readonly kind: EntryKind;
}

/** Rows of a scan: tables have few runs. */
export const ROWS = 64;

/** Runs end where the kind of entry changes, and nowhere else. */
const KINDS = scanFilter(false, 0, 0);

/** Finds its way in the tables of one space, for one operation on them. */
export class TableEditor<H extends HandleFamily> {
  readonly space: AddressSpace<H>;
  /** Bytes of the smallest page. */
  readonly page: number;
  private readonly buffers: (ScanBuffer | undefined)[] = [undefined, undefined, undefined, undefined, undefined];

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

  /** Throws if an edge of the range is inside of a page that is larger. */
  checkEdges(part: Part<H>): void {
    for (const edge of [part.start, part.end]) {
      const window = this.windowOf(edge);
      if (window === undefined || edge === window.start) continue;
      const place = this.placeOf(edge, 'pte', true);
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

  /** Every run of entries of one kind in a part of a table; table entries one by one, with their attribute words. The visitor may change them. */
  eachRow(part: Part<H>, visit: (kind: EntryKind, index: number, count: number, lo: number, hi: number) => void): void {
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

  /** The part of the table below an entry. @param whole the table was made here, so all of its entries exist */
  childPart(part: Part<H>, index: number, lo: number, hi: number, whole = false): Part<H> {
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

  /**
   * The entry that ends the walk of an address, or, with a level, the one of that level if the walk gets there.
   *
   * @param atEdge ends at a table that the address is the first one of: no page below begins before it, and the table may be another thread's, which takes it out meanwhile
   * @returns undefined outside of the root's windows and past the end of a table
   */
  placeOf(va: number, level: Level = 'pte', atEdge = false): Place<H> | undefined {
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
      if (kind !== EntryKind.Table || table.level === level || (atEdge && part.va + index * bytes === va)) return { table, index, va: part.va + index * bytes, kind };
      part = this.childPart(part, index, buffer.lo[0]!, buffer.hi[0]!);
    }
  }

  /**
   * How many entries map one page together with this one: making a member of a group once more changes nothing in it.
   *
   * An architecture that joins entries of processes by itself (arm64) parts them by itself too, and shows them as single ones. The
   * kernel's entries it leaves as they were made, and `hugeGet` shows what they are.
   */
  groupOf({ table, index }: Pick<Place<H>, 'table' | 'index'>): number {
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

  opsOf<L extends Level>(level: L): WritableOps<H, L> {
    return this.space.arch.ops[level];
  }

  valuesOf<L extends Level>(level: L): EntryValues<L> {
    return this.space.arch.values[level];
  }

  bytesOf(level: Level): number {
    return 2 ** geometryOf(this.space.arch.geometry, level).shift;
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
}

/** An address in hexadecimal digits. */
export function hex(address: number): string {
  return BigInt(address).toString(16);
}
