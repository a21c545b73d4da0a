import fc from 'fast-check';
import {
  Access, EntryKind, entryVal, geometryOf, LEVELS, NO_TLB, ScanBuffer, scanFilter, VmFlags, type EntryVal, type EntryValues, type HandleFamily, type Level, type MmContext, type Prot,
  type Root, type TableOf, type UnlinkedTable, type WritableArch, type WritableOps,
} from '@pgtable/core';
import type { Subject } from './law.js';

/** The values and accessors of whatever level: laws are the same for all. */
export type AnyValues = EntryValues;
export type AnyVal = EntryVal<Level>;

/** What a scan says of one entry. */
export interface Look {
  readonly kind: EntryKind;
  readonly lo: number;
  readonly hi: number;
  readonly pa: number;
}

/** A live entry: where it is and what it translates. */
export interface Slot<H extends HandleFamily> {
  readonly level: Level;
  readonly entry: H[Level];
  /** The first address that it translates. */
  readonly address: bigint;
}

/** A translation as the tables have it. */
export interface Translated {
  readonly level: Level;
  readonly start: bigint;
  readonly bytes: bigint;
  readonly pa: number;
  readonly access: number;
  readonly dirty: boolean | undefined;
}

/** A table entry on the way of an address. */
export interface TablePointer {
  readonly level: Level;
  readonly start: bigint;
  readonly bytes: bigint;
  readonly table: number;
}

const KERNEL_FLAGS = [VmFlags.Read, VmFlags.Read | VmFlags.Write, VmFlags.Read | VmFlags.Exec, VmFlags.Read | VmFlags.Write | VmFlags.Exec] as const;
const FILTER = scanFilter(true);
/** What {@link Machine.hardwareDirty} has found: every instance of a subject is alike. */
const HARDWARE_DIRTY = new WeakMap<object, Map<Level, { readonly bit: bigint | undefined }>>();

/** One instance of a subject with its root table made, and what laws need to move about in it. */
export class Machine<H extends HandleFamily> {
  readonly subject: Subject<H>;
  readonly arch: WritableArch<H>;
  readonly root: Root;
  readonly user: boolean;
  /** Nothing is cached, nothing is watched. */
  readonly mm: MmContext;
  /** The levels that exist and that this root reaches, lowest first. */
  readonly levels: readonly Level[];
  private readonly row = new ScanBuffer(1);
  private readonly scratch = new Map<Level, UnlinkedTable<H>>();
  private nextTable: number;

  constructor(subject: Subject<H>) {
    this.subject = subject;
    const { arch, root, user } = subject.make();
    this.arch = arch;
    this.root = root;
    this.user = user;
    this.mm = { user, tlb: NO_TLB };
    this.levels = LEVELS.slice(0, LEVELS.indexOf(root.top) + 1).filter((level) => !geometryOf(arch.geometry, level).folded);
    const rootBytes = geometryOf(arch.geometry, root.top).entries * arch.geometry.entryBytes;
    this.nextTable = root.table + rootBytes;
    const table: UnlinkedTable<H> = arch.newTable(root.top, root.table, user);
    table.link();
  }

  values(level: Level): AnyValues {
    return this.arch.values[level];
  }
  ops(level: Level): WritableOps<H, Level> {
    return this.arch.ops[level];
  }
  /** Levels whose entries can map memory. */
  leafLevels(): Level[] {
    return this.levels.filter((level) => this.values(level).features.has('leaf'));
  }
  /** Levels whose entries can point to a table. */
  tableLevels(): Level[] {
    return this.levels.slice(1).filter((level) => this.values(level).features.has('table'));
  }
  /** The level of the tables that entries of a level point to. */
  below(level: Level): Level | undefined {
    return this.levels[this.levels.indexOf(level) - 1];
  }
  /** Entries of a full table; of the root, those that exist. */
  entries(level: Level): number {
    return level === this.root.top ? this.root.end : geometryOf(this.arch.geometry, level).entries;
  }
  /** Bytes that one entry maps. */
  bytes(level: Level): bigint {
    return 1n << BigInt(geometryOf(this.arch.geometry, level).shift);
  }
  /** Pages of the smallest size that one entry maps. */
  pages(level: Level): number {
    return Number(this.bytes(level)) / this.arch.geometry.pageBytes;
  }

  /** A table that is not live, at a physical address that no other has. */
  newTable(level: Level): UnlinkedTable<H> {
    const bytes = geometryOf(this.arch.geometry, level).entries * this.arch.geometry.entryBytes;
    // No machine has tables that need more than their size or 4 KiB.
    const align = Math.max(bytes, 4096);
    const address = Math.ceil(this.nextTable / align) * align;
    this.nextTable = address + bytes;
    return this.arch.newTable(level, address, this.user);
  }

  /** What a scan says of an entry with this value, alone in a table that is not live. */
  look(level: Level, value: AnyVal): Look {
    let table = this.scratch.get(level);
    if (table === undefined) {
      table = this.newTable(level);
      this.scratch.set(level, table);
    }
    table.set(0, value);
    return this.lookAt(level, table.entry(0), 0);
  }

  /** What a scan says of entry `index` of a table. */
  lookAt(level: Level, table: H[Level], index: number): Look {
    const { row } = this;
    row.count = 0;
    this.ops(level).scan(table, index, index + 1, FILTER, row);
    return { kind: row.kind[0] as EntryKind, lo: row.lo[0]!, hi: row.hi[0]!, pa: row.pa[0]! };
  }

  /** {@link Attributes.access} of a valid leaf. */
  access(level: Level, value: AnyVal): number {
    const { lo, hi, kind } = this.look(level, value);
    return kind === EntryKind.Leaf ? this.arch.describe(level, lo, hi, this.root.inherited).access : 0;
  }

  /** All protections that the architecture makes for users, PROT_NONE left out. */
  userProts(): Prot[] {
    return Array.from({ length: 15 }, (_, at) => at + 1).filter((flags) => (flags & 7) !== 0).map((flags) => this.arch.vmProt(flags));
  }
  kernelProts(): Prot[] {
    return KERNEL_FLAGS.map((flags) => this.arch.kernelProt(flags));
  }
  /** Protections of whoever owns these addresses. */
  prots(): Prot[] {
    return this.user ? this.userProts() : this.kernelProts();
  }

  /** The protection of data that their owner may write. */
  writableProt(): Prot {
    return this.user ? this.arch.vmProt(VmFlags.Read | VmFlags.Write | VmFlags.Shared) : this.arch.kernelProt(VmFlags.Read | VmFlags.Write);
  }

  /** Bits of a frame number that a leaf of a level can hold, as a number of bits; at most those of a 52-bit address. */
  frameBits(level: Level): number {
    const values = this.values(level);
    const prot = this.arch.kernelProt(VmFlags.Read);
    const page = Math.log2(this.arch.geometry.pageBytes);
    for (let bit = 51 - page; bit > 0; bit--) {
      if (values.pfn(values.mkhuge(values.ofPfn(2 ** bit, prot))) === 2 ** bit) return bit + 1;
    }
    return 1;
  }

  /** Random frame numbers of leaves of a level, aligned as the level demands. @param spare pages after it that exist too */
  frames(level: Level, spare = 0): fc.Arbitrary<number> {
    const pages = this.pages(level);
    const most = Math.floor((2 ** this.frameBits(level) - 1 - spare) / pages);
    return fc.maxSafeNat().map((wide) => (wide % (most + 1)) * pages);
  }

  /** A leaf without marks: at every level above the pte made a leaf by mkhuge. */
  leaf(level: Level, pfn: number, prot: Prot): AnyVal {
    const values = this.values(level);
    return values.mkhuge(values.ofPfn(pfn, prot));
  }
  /** A leaf that the hardware can use for all that its protection allows: young and dirty. */
  usable(level: Level, pfn: number, prot: Prot): AnyVal {
    const values = this.values(level);
    return values.mkyoung(values.mkdirty(this.leaf(level, pfn, prot)));
  }

  /** The one bit that makes a clean entry dirty that can be written to, as the hardware notes it; undefined if there is none: where software makes it writable, or more bits change. */
  hardwareDirty(level: Level): bigint | undefined {
    const known = HARDWARE_DIRTY.get(this.subject)?.get(level);
    if (known !== undefined) return known.bit;
    const values = this.values(level);
    const clean = values.mkclean(this.usable(level, 0, this.writableProt()));
    const changes = BigInt(clean) ^ BigInt(values.mkdirty(clean));
    const bit = Array.from({ length: this.arch.geometry.entryBytes * 8 }, (_, at) => 1n << BigInt(at)).find((one) => {
      const value = entryVal(level, clean ^ one);
      return (changes & one) !== 0n && values.dirty(value) && values.valid(value) && (this.access(level, value) & (Access.UserWrite | Access.KernelWrite)) !== 0;
    });
    const levels = HARDWARE_DIRTY.get(this.subject) ?? new Map<Level, { readonly bit: bigint | undefined }>();
    HARDWARE_DIRTY.set(this.subject, levels.set(level, { bit }));
    return bit;
  }

  /** The first window of the half that the addresses are of, as bigints. */
  window(): { start: bigint; end: bigint; index: number } {
    const half = this.user ? 'user' : 'kernel';
    const window = this.root.windows.find((candidate) => candidate.half === half) ?? this.root.windows[0]!;
    return { start: BigInt(window.start), end: BigInt(window.end), index: window.index };
  }

  /** An address that begins an entry of a level. @param at which of the entries of that size, from the window's start, taken modulo those that exist */
  address(level: Level, at: number): bigint {
    const { start, end } = this.window();
    const size = this.bytes(level);
    return start + (BigInt(at) % ((end - start) / size || 1n)) * size;
  }

  /** The index, in its table, of the entry of a level for an address. */
  index(level: Level, address: bigint): number {
    const shift = BigInt(geometryOf(this.arch.geometry, level).shift);
    if (level !== this.root.top) return Number((address >> shift) & BigInt(geometryOf(this.arch.geometry, level).entries - 1));
    const window = this.window();
    return window.index + Number((address - window.start) >> shift);
  }

  /** The entry of a level for an address; the tables on the way are made. */
  slot(level: Level, address: bigint, mm: MmContext = this.mm): Slot<H> {
    let table = this.rootTable();
    for (;;) {
      const size = this.bytes(table.level);
      const ops = this.ops(table.level);
      const entry = ops.advance(table.table, this.index(table.level, address));
      const start = address - (address % size);
      if (table.level === level) return { level, entry, address: start };
      const child = ops.child(entry);
      if (child !== undefined) {
        table = child;
        continue;
      }
      const below = this.below(table.level);
      if (below === undefined) throw new Error(`this root has no ${level} level`);
      ops.populate(mm, start, entry, this.newTable(below));
      const made = ops.child(entry);
      if (made === undefined) throw new Error(`a ${table.level} entry that was populated points to no table`);
      table = made;
    }
  }

  /** What the tables say of an address, and, in `way`, the table entries on the way. */
  translate(address: bigint, way?: TablePointer[]): Translated | undefined {
    let table = this.rootTable();
    let { inherited } = this.root;
    for (;;) {
      const { level } = table;
      const index = this.index(level, address);
      const { kind, lo, hi, pa } = this.lookAt(level, table.table, index);
      const bytes = this.bytes(level);
      const start = address - (address % bytes);
      if (kind === EntryKind.Leaf) {
        const { access, dirty } = this.arch.describe(level, lo, hi, inherited);
        return { level, start, bytes, pa, access, dirty };
      }
      if (kind !== EntryKind.Table) return undefined;
      way?.push({ level, start, bytes, table: pa });
      const ops = this.ops(level);
      const child = ops.child(ops.advance(table.table, index));
      if (child === undefined) return undefined;
      inherited = this.arch.inherit(inherited, level, lo, hi);
      table = child;
    }
  }

  private rootTable(): TableOf<H> {
    const table = this.arch.rootTable(this.root);
    if (table === undefined) throw new Error('the root table that newTable made is not found by rootTable');
    return table;
  }
}
