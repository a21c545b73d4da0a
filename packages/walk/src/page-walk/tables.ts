import { EntryKind, geometryOf, levelNumber, PgtableError, ScanBuffer, scanFilter, type Arch, type HandleFamily, type Level, type TableOf } from '@pgtable/core';
import { childOf, levelBelow, opsOf, scanTable } from '../space.js';
import type { EntryAt, WalkMm } from './mm.js';

/** Runs end where the kind of entry changes, and nowhere else. */
const KINDS = scanFilter(false, 0, 0);

/** An entry by its place: at a level that exists. */
export interface Place<H extends HandleFamily> {
  readonly table: TableOf<H>;
  readonly index: number;
}

/** An entry that was looked at, and what it is. */
export interface Found<H extends HandleFamily> extends Place<H> {
  readonly kind: EntryKind;
}

/**
 * Looks at single entries of the tables of an address space.
 *
 * What kind an entry is, a scan of it says, on whatever architecture: one that only reads dumps has no other predicates. A scan reads plainly, so where
 * others may write the entry is read once before and once after it, atomically, and looked at again if it changed: the kind is that of one value.
 */
export class Tables<H extends HandleFamily> {
  readonly arch: Arch<H>;
  private readonly mm: WalkMm<H>;
  private readonly seen = new ScanBuffer(1);
  /** By level number: bytes that an entry translates, and the next level that exists. */
  private readonly shapes: readonly { readonly bytes: number; readonly lower: Level | undefined }[];

  constructor(mm: WalkMm<H>) {
    this.mm = mm;
    this.arch = mm.arch;
    this.shapes = mm.arch.geometry.levels.map(({ level, shift }) => ({ bytes: 2 ** shift, lower: levelBelow(mm.arch, level) }));
  }

  /** What the entry is that was looked at last. */
  get kind(): EntryKind {
    // Scans write nothing else into the column.
    return this.seen.kind[0] as EntryKind;
  }
  /** How many entries from that one on are of one kind: 1 unless they were asked for, and all of them empty if the kind is None. */
  get length(): number {
    return this.seen.length[0]!;
  }
  /** The memory that it maps, or the table that it points to. */
  get pa(): number {
    return this.seen.pa[0]!;
  }
  /** The entries that exist of the table that it points to, as {@link LevelOps.childRange} says it. */
  childRange(level: Level): number {
    return opsOf(this.arch, level).childRange(this.seen.lo[0]!, this.seen.hi[0]!);
  }

  /** Looks at entry `index`, and whether others up to `end` are as empty as it is. */
  look(table: TableOf<H>, index: number, end = index + 1): EntryKind {
    const { seen } = this;
    // An entry that another thread writes whole is empty only if it was: every half of what is empty is of the empty entry.
    for (;;) {
      const before = this.mm.locks === undefined ? 0n : this.once(table, index);
      seen.count = 0;
      scanTable(this.arch, table, index, end, KINDS, seen);
      if (this.kind === EntryKind.None || this.mm.locks === undefined || this.once(table, index) === before) return this.kind;
    }
  }

  child(table: TableOf<H>, index: number): TableOf<H> | undefined {
    return childOf(this.arch, table, index);
  }

  bytes(level: Level): number {
    return this.shapes[levelNumber(level)]!.bytes;
  }

  lower(level: Level): Level | undefined {
    return this.shapes[levelNumber(level)]!.lower;
  }

  entryAt({ table, index }: Place<H>): EntryAt<H> {
    return { level: table.level, entry: opsOf(this.arch, table.level).advance(table.table, index) };
  }

  /**
   * The entry of a level that translates an address; with no level, the entry that ends the walk of it: of kind Table, if that table is not here. It was looked at last.
   *
   * Returns: undefined if the walk does not get to that level, or to an entry that exists.
   */
  find(address: number, level?: Level): Found<H> | undefined {
    const { arch } = this;
    const { root } = this.mm;
    const window = root.windows.find(({ start, end }) => address >= start && address < end);
    let table = window === undefined ? undefined : arch.rootTable(root);
    if (window === undefined || table === undefined) return undefined;
    let va = window.start - window.index * this.bytes(root.top);
    let first = root.first;
    let limit = root.end;
    for (;;) {
      const bytes = this.bytes(table.level);
      const index = Math.floor((address - va) / bytes);
      if (index < first || index >= limit) return undefined;
      const kind = this.look(table, index);
      if (table.level === level) return { table, index, kind };
      if (kind !== EntryKind.Table) return level === undefined ? { table, index, kind } : undefined;
      const range = this.childRange(table.level);
      first = range & 0xffff;
      limit = range >>> 16;
      va += index * bytes;
      const child = this.child(table, index);
      if (child === undefined) return level === undefined ? { table, index, kind } : undefined;
      table = child;
    }
  }

  /** The entry that points to the page table of an address. */
  above(address: number): Place<H> | undefined {
    const level = this.arch.geometry.levels.find(({ level: one, folded }) => one !== 'pte' && !folded)?.level;
    return level === undefined ? undefined : this.find(address, level);
  }

  private once(table: TableOf<H>, index: number): bigint {
    const ops = opsOf(this.arch, table.level);
    return ops.getOnce(ops.advance(table.table, index));
  }
}

/** The pmd name of an entry that points to a page table. */
export function pmdName<H extends HandleFamily>(arch: Arch<H>, at: EntryAt<H>, address: bigint): H['pmd'] | undefined {
  switch (at.level) {
    case 'pte':
      return undefined;
    case 'pmd':
      return at.entry;
    case 'pud':
      return arch.ops.pud.offset(at.entry, address);
    case 'p4d': {
      const entry = arch.ops.p4d.offset(at.entry, address);
      return entry === undefined ? undefined : pmdName(arch, { level: 'pud', entry }, address);
    }
    case 'pgd': {
      const entry = arch.ops.pgd.offset(at.entry, address);
      return entry === undefined ? undefined : pmdName(arch, { level: 'p4d', entry }, address);
    }
  }
}

/** A level's distance from the pgd, as the kernel counts: `depth` of {@link MmWalkOps.pteHole}. */
export function depthOf(level: Level): number {
  return 4 - levelNumber(level);
}

/** Throws unless [start, end) are pages, at least one. */
export function checkRange(arch: Arch, start: number, end: number, walk: string): void {
  const page = arch.geometry.pageBytes;
  if (start >= 0 && end <= 2 ** 64 && start < end && start % page === 0 && end % page === 0) return;
  throw new PgtableError('EINVAL', `${walk} was called for [0x${hex(start)}, 0x${hex(end)})`, { hint: `give an end above the start, both multiples of ${page} and at most 2 ** 64` });
}

/** An address in hexadecimal digits; what is no address, as it is. */
export function hex(address: number): string {
  return Number.isInteger(address) ? BigInt(address).toString(16) : String(address);
}

/** Entries of a full table of a level. */
export function entriesOf(arch: Arch, level: Level): number {
  return geometryOf(arch.geometry, level).entries;
}
