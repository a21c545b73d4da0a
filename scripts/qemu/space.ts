import {
  geometryOf, LEVELS, NO_TLB, ScanBuffer, scanFilter, VmFlags, type HandleFamily, type Level, type MmContext, type Prot, type Root, type TableMemory, type WritableArch,
} from '@pgtable/core';
import { collapseRange, mapRange, newRoot, protectRange, RunKind, splitLeaf, unmapRange, walkRuns, type AddressSpace } from '@pgtable/walk';
import type { Random } from '../random.js';

/** One of the address spaces of a machine: a root, or one half of it, with an architecture to write its tables. */
export interface Part {
  readonly arch: WritableArch;
  readonly root: Root;
  /** Which windows of the root are filled. */
  readonly half: 'user' | 'kernel';
}

/** Consecutive addresses that are mapped to consecutive memory, as they were asked to be: no table was read for this. */
interface Segment {
  readonly start: bigint;
  readonly end: bigint;
  readonly pa: bigint;
  /** Who may do what: of {@link VmFlags}. */
  readonly flags: number;
  /** Written to, or as if: what is clean and may be written faults first on hardware that does not set dirty itself. */
  readonly dirty: boolean;
}

/** The privilege that the processor has when it is asked. */
export type Asking = 'kernel' | 'user';

/** What an architecture's machine needs to know of permissions. */
export interface Rules {
  /** Physical addresses that leaves point to are below this. */
  readonly physicalEnd: number;
  /** Whether a read, which is what `gva2gpa` tries, of a page with these {@link VmFlags} succeeds. */
  readable(flags: number, half: Part['half'], asking: Asking): boolean;
}

/** Hands out memory for tables, upwards from an address. */
export class TableRoom {
  private next: number;
  private readonly end: number;

  constructor(start: number, end: number) {
    this.next = start;
    this.end = end;
  }

  /** Room for a table, aligned to its size, and to 64 bytes at least: what root registers demand of short tables. */
  take(bytes: number): number {
    const address = Math.ceil(this.next / Math.max(bytes, 64)) * Math.max(bytes, 64);
    if (address + bytes > this.end) throw new Error('the machine has no more memory for tables');
    this.next = address + bytes;
    return address;
  }

  /** Whether most of the memory is used, so that no table should be made for one page alone. */
  get scarce(): boolean {
    return this.end - this.next < 2 ** 26;
  }
}

/** How often each kind of change is made. */
const MAPPINGS = 700;
const CHANGES = 150;

/** Whole entries, as they stand. */
const EVERYTHING = scanFilter(true);

/** Fills one part by the accessors and the walks over them, and keeps a record of what must be there. */
export class Filler {
  readonly part: Part;
  private segments: Segment[] = [];
  private readonly space: AddressSpace;
  private readonly random: Random;
  private readonly room: TableRoom;
  private readonly rules: Rules;
  private readonly row = new ScanBuffer(1);
  /** Ranges in which nothing is mapped any more, and nothing will be: PROT_NONE, swapped out, unmapped. */
  private readonly taken: { readonly start: bigint; readonly end: bigint }[] = [];
  /** How many changes were made, by name. */
  readonly changes = { mapped: 0, unmapped: 0, protected: 0, collapsed: 0, split: 0, PROT_NONE: 0, 'swapped out': 0 };

  constructor(part: Part, room: TableRoom, rules: Rules, random: Random) {
    const { arch, root, half } = part;
    const mm: MmContext = { user: half === 'user', tlb: NO_TLB };
    this.part = part;
    this.random = random;
    this.room = room;
    this.rules = rules;
    this.space = {
      arch,
      root,
      mm,
      alloc: (level: Level) => room.take(geometryOf(arch.geometry, level).entries * arch.geometry.entryBytes),
    };
  }

  makeRoot(): void {
    newRoot(this.space);
  }

  /** Maps, unmaps, protects and splits at random, and leaves entries that are not present. */
  fill(): void {
    const { arch } = this.part;
    const sizes = [{ bytes: arch.geometry.pageBytes, count: 1 }, ...arch.hugePages];
    // Each size has its turn, also where there is room for few pages of it.
    for (const { bytes } of sizes) for (let i = 0; i < 8; i++) this.map(bytes);
    for (const { bytes, count, level } of arch.hugePages) {
      if (count === 1) for (let done = 0, tries = 0; done < 4 && tries < 64; tries++) if (this.collapse(bytes, level)) done++;
    }
    for (let i = 0; i < MAPPINGS; i++) this.map(this.random.pick(sizes).bytes);
    for (let i = 0; i < CHANGES; i++) this.unmap();
    for (let i = 0; i < CHANGES; i++) this.protect();
    for (const { bytes, count } of arch.hugePages) if (count === 1) for (let i = 0; i < 3; i++) this.split(bytes);
    for (let i = 0; i < CHANGES; i++) this.swapOut();
    this.segments.sort((a, b) => (a.start < b.start ? -1 : 1));
  }

  /** Where an address must be; undefined where a read must fail. */
  expected(address: bigint, asking: Asking): bigint | undefined {
    const found = this.find(address);
    return found !== undefined && this.rules.readable(found.flags, this.part.half, asking) ? found.pa + (address - found.start) : undefined;
  }

  /**
   * Who must be allowed what by the leaf at an address: `u` users, `w` writing, `x` executing, each `-` if not. Undefined if
   * nothing is mapped there. A user's private page is written only after its copy was made.
   */
  permissionsAt(address: bigint): string | undefined {
    const found = this.find(address);
    if (found === undefined) return undefined;
    return `${this.part.half === 'user' ? 'u' : '-'}${this.writable(found.flags) ? 'w' : '-'}${(found.flags & VmFlags.Exec) === 0 ? '-' : 'x'}`;
  }

  /** Where a write must go, without a fault in which software notes it; undefined where there must be one. */
  written(address: bigint): bigint | undefined {
    const found = this.find(address);
    return found !== undefined && found.dirty && this.writable(found.flags) ? found.pa + (address - found.start) : undefined;
  }

  /** Where the tables must map an address, whether or not it can be read. */
  mapped(address: bigint): bigint | undefined {
    const found = this.find(address);
    return found === undefined ? undefined : found.pa + (address - found.start);
  }

  /** An address to ask for: in a mapping, at the edge of one, near one, or anywhere. */
  address(): bigint {
    const { random } = this;
    const segment = random.pick(this.segments);
    const bytes = segment.end - segment.start;
    switch (random.below(8)) {
      case 0:
        return segment.start;
      case 1:
        return segment.end - 1n;
      case 2:
        return segment.start === 0n ? 0n : segment.start - 1n;
      case 3:
        return this.window().end > Number(segment.end) ? segment.end : segment.start;
      case 4:
        return this.anywhere();
      default:
        return segment.start + random.belowBig(bytes);
    }
  }

  /** The first, the last and some address of each range in which something was mapped and is no more. */
  absent(): bigint[] {
    return this.taken.flatMap(({ start, end }) => [start, end - 1n, start + this.random.belowBig(end - start)]);
  }

  /** How many leaves of each size there are, groups apart: `4K 1200, 64K group 300`. */
  sizes(): Map<string, number> {
    const found = new Map<string, number>();
    const { arch } = this.part;
    walkRuns(this.space, (run) => {
      if (run.kind !== RunKind.Leaf) return undefined;
      const { group } = arch.describe(run.level, run.lo, run.hi, run.inherited);
      const name = group > 1 ? `${size(run.entryBytes * group)} group` : size(run.entryBytes);
      found.set(name, (found.get(name) ?? 0) + run.count / group);
      return undefined;
    });
    return found;
  }

  /** The page sizes and groups that the architecture has, as {@link sizes} calls them. */
  wantedSizes(): string[] {
    const { arch } = this.part;
    return [size(arch.geometry.pageBytes), ...arch.hugePages.map(({ bytes, count }) => (count > 1 ? `${size(bytes)} group` : size(bytes)))];
  }

  private map(bytes: number): void {
    const { random, part: { arch } } = this;
    const page = arch.geometry.pageBytes;
    // A quarter begins and ends beside the borders of large pages, so that a range is made of several sizes.
    const ragged = bytes > page && bytes <= 2 ** 30 && random.below(4) === 0;
    const extra = ragged ? 1 + random.below(20) : 0;
    const pages = bytes * (bytes === page ? 1 + random.below(24) : 1 + random.below(3));
    const start = this.placeFor(bytes) - BigInt(extra * page);
    const total = pages + extra * page + (ragged ? random.below(20) * page : 0);
    const end = start + BigInt(total);
    const { start: first, end: last } = this.windowOf(start) ?? { start: 0, end: 0 };
    if (start < BigInt(first) || end > BigInt(last) || first === last || this.overlaps(start, end)) return;
    const slots = Math.floor(this.rules.physicalEnd / bytes) - Math.ceil(total / bytes) - 1;
    if (slots < 2) return;
    const pa = (1 + random.belowNumber(slots)) * bytes - extra * page;
    const { prot, flags } = this.permissions();
    mapRange(this.space, start, pa, total, prot, { largestPage: bytes, groups: random.below(4) > 0 });
    this.changes.mapped++;
    if (!allowed(flags)) {
      this.taken.push({ start, end });
      this.changes.PROT_NONE++;
      return;
    }
    const dirty = this.touch(start, end, flags);
    this.segments.push({ start, end, pa: BigInt(pa), flags, dirty });
  }

  private unmap(): void {
    const piece = this.smallPiece();
    if (piece === undefined) return;
    unmapRange(this.space, piece.start, Number(piece.end - piece.start), { tables: this.random.below(2) === 0 })
      .ignore('no machine runs on these tables yet')
      .forEach((table) => { this.part.arch.freeTable(table); });
    this.cut(piece, undefined);
    this.taken.push(piece);
    this.changes.unmapped++;
  }

  private protect(): void {
    const piece = this.smallPiece();
    if (piece === undefined) return;
    const { prot, flags } = this.permissions();
    protectRange(this.space, piece.start, Number(piece.end - piece.start), prot).ignore('no machine runs on these tables yet');
    let dirty = false;
    if (allowed(flags)) {
      dirty = this.touch(piece.start, piece.end, flags);
    } else {
      this.taken.push(piece);
      this.changes.PROT_NONE++;
    }
    this.cut(piece, allowed(flags) ? flags : undefined, dirty);
    this.changes.protected++;
  }

  /** Splits a large page that has been mapped alone. */
  private split(bytes: number): void {
    const candidates = this.segments.filter(({ start, end, pa }) => end - start === BigInt(bytes) && start % BigInt(bytes) === 0n && pa % BigInt(bytes) === 0n);
    if (candidates.length === 0) return;
    const chosen = this.random.pick(candidates);
    if (this.leafBytes(chosen.start) === bytes) this.splitAt(chosen);
  }

  /** Splits the leaf that is all of a range. Returns: the permissions that the new leaves were given. */
  private splitAt({ start, end, flags: before }: Segment): Prot {
    const { arch, half } = this.part;
    // Whether the new leaves are writable is what the old one says.
    const flags = VmFlags.Read | VmFlags.Write;
    const prot = half === 'user' ? arch.vmProt(flags | VmFlags.Shared) : arch.kernelProt(flags);
    splitLeaf(this.space, start, prot);
    this.touch(start, end);
    this.cut({ start, end }, VmFlags.Read | (before & (VmFlags.Write | VmFlags.Shared)));
    this.changes.split++;
    return prot;
  }

  /** Maps a large page's worth of pages of the next smaller size, makes one page of them, and, of some, pages again, and one page again. Returns: whether there was room. */
  private collapse(bytes: number, level: Level): boolean {
    const { random, part: { arch } } = this;
    const start = this.placeFor(bytes);
    const end = start + BigInt(bytes);
    const window = this.windowOf(start);
    const slots = Math.floor(this.rules.physicalEnd / bytes) - 1;
    if (window === undefined || end > BigInt(window.end) || slots < 2 || this.overlaps(start, end)) return false;
    const smaller = arch.hugePages.findLast((page) => page.count === 1 && page.bytes < bytes)?.bytes ?? arch.geometry.pageBytes;
    const pa = (1 + random.belowNumber(slots - 1)) * bytes;
    const { prot, flags } = this.permissions();
    if (!allowed(flags)) return false;
    mapRange(this.space, start, pa, bytes, prot, { largestPage: smaller, groups: false });
    const dirty = this.touch(start, end, flags);
    this.collapseAt(start, level, prot);
    const segment = { start, end, pa: BigInt(pa), flags, dirty };
    this.segments.push(segment);
    if (random.below(2) === 0) return true;
    const after = this.splitAt(segment);
    if (random.below(2) === 0) this.collapseAt(start, level, after);
    return true;
  }

  private collapseAt(start: bigint, level: Level, prot: Prot): void {
    this.part.arch.freeTable(collapseRange(this.space, start, level, prot));
    this.changes.collapsed++;
  }

  /** Puts a swap entry where a small page was. */
  private swapOut(): void {
    const piece = this.smallPiece();
    if (piece === undefined) return;
    const { arch } = this.part;
    const { pageBytes } = arch.geometry;
    const bytes = Number(piece.end - piece.start);
    unmapRange(this.space, piece.start, bytes).ignore('no machine runs on these tables yet');
    this.cut(piece, undefined);
    this.taken.push(piece);
    for (let at = 0; at < bytes; at += pageBytes) {
      const address = piece.start + BigInt(at);
      this.visit(address, (level, entry) => {
        if (level !== 'pte') return false;
        arch.ops.pte.set(this.space.mm, address, entry, arch.values.pte.ofSwap(this.random.below(4), BigInt(this.random.below(2 ** 20))), 1);
        return true;
      });
    }
    this.changes['swapped out']++;
  }

  /** Some permissions. */
  private permissions(): { prot: Prot; flags: number } {
    const { arch, half } = this.part;
    if (half === 'user') {
      const flags = this.random.below(16);
      return { prot: arch.vmProt(flags), flags };
    }
    const flags = VmFlags.Read | (this.random.below(2) === 0 ? 0 : VmFlags.Write) | (this.random.below(2) === 0 ? 0 : VmFlags.Exec);
    return { prot: arch.kernelProt(flags), flags };
  }

  /**
   * Makes every leaf of a range young, as the first access does: where that is software's work (s390, whose old entries are invalid)
   * the kernel does it in the fault. Half of the users' that may be written to are made
   * dirty, as the first write does, and all of the kernel's, as s390's set_memory_rw does (arch/s390/mm/pageattr.c of Linux 6.12).
   *
   * @param flags the permissions; left out if nothing is written
   * Returns: whether the range is dirty if it can be.
   */
  private touch(start: bigint, end: bigint, flags = 0): boolean {
    const { arch } = this.part;
    const write = this.writable(flags) && (this.part.half === 'kernel' || this.random.below(2) === 0);
    for (let address = start; address < end;) {
      let bytes = arch.geometry.pageBytes;
      this.visit(address, (level, entry) => {
        const values = arch.values[level];
        const ops = arch.ops[level];
        const value = ops.get(entry);
        if (!values.leaf(value)) return false;
        bytes = 2 ** geometryOf(arch.geometry, level).shift;
        const touched = write ? values.mkdirty(values.mkyoung(value)) : values.mkyoung(value);
        if (touched !== value) ops.setAccessFlags(this.space.mm, address, entry, touched).ignore('no machine runs on these tables yet');
        return true;
      });
      address += BigInt(bytes);
    }
    return write;
  }

  /** Whether a leaf with these permissions is writable. A user's private page is only after its copy was made. */
  private writable(flags: number): boolean {
    return (flags & VmFlags.Write) !== 0 && (this.part.half === 'kernel' || (flags & VmFlags.Shared) !== 0);
  }

  private leafBytes(address: bigint): number | undefined {
    const { arch } = this.part;
    let bytes: number | undefined;
    this.visit(address, (level, entry) => {
      const value = arch.ops[level].get(entry);
      if (!arch.values[level].leaf(value)) return false;
      bytes = 2 ** geometryOf(arch.geometry, level).shift;
      return true;
    });
    return bytes;
  }

  /** Goes down to an address until `at` says that this was the entry. */
  private visit(address: bigint, at: <L extends Level>(level: L, entry: HandleFamily[L]) => boolean): void {
    const { arch, root } = this.part;
    const { pgd, p4d, pud, pmd } = arch.ops;
    const pgdp = arch.pgdOffset(root, address);
    if (pgdp === undefined || at('pgd', pgdp)) return;
    const p4dp = pgd.offset(pgdp, address);
    if (p4dp === undefined || at('p4d', p4dp)) return;
    const pudp = p4d.offset(p4dp, address);
    if (pudp === undefined || at('pud', pudp)) return;
    const pmdp = pud.offset(pudp, address);
    if (pmdp === undefined || at('pmd', pmdp)) return;
    const ptep = pmd.offset(pmdp, address);
    if (ptep !== undefined) at('pte', ptep);
  }

  private window(): { readonly start: number; readonly end: number } {
    const windows = this.part.root.windows.filter(({ half }) => half === this.part.half);
    return this.random.pick(windows.length === 0 ? this.part.root.windows : windows);
  }

  private windowOf(address: bigint): { readonly start: number; readonly end: number } | undefined {
    return this.part.root.windows.find(({ start, end }) => address >= BigInt(start) && address < BigInt(end));
  }

  private anywhere(): bigint {
    const { start, end } = this.window();
    return BigInt(start) + this.random.belowBig(BigInt(end) - BigInt(start));
  }

  /** Where to map something of that size: anywhere, or, so that tables are shared, near something that is mapped. */
  private placeFor(bytes: number): bigint {
    const { random } = this;
    const unit = BigInt(bytes);
    let address = this.anywhere();
    if (this.segments.length > 0 && (this.room.scarce || random.below(8) > 0)) {
      const near = random.pick(this.segments).start;
      const levels = this.part.arch.geometry.levels.filter(({ folded }) => !folded).map(({ shift, entries }) => shift + Math.log2(entries));
      const reach = BigInt(this.room.scarce ? levels[0]! : random.pick(levels.slice(0, -1)));
      address = ((near >> reach) << reach) + random.belowBig(1n << reach);
    }
    return address - (address % unit);
  }

  /** A few pages of a mapping of small pages, away from groups that it would cut. */
  private smallPiece(): { start: bigint; end: bigint } | undefined {
    const { random, part: { arch } } = this;
    const { pageBytes } = arch.geometry;
    const segment = random.pick(this.segments);
    const pages = Number((segment.end - segment.start) / BigInt(pageBytes));
    const first = random.below(Math.min(pages, 2 ** 20));
    const count = 1 + random.below(Math.min(pages - first, 8));
    const piece = { start: segment.start + BigInt(first * pageBytes), end: segment.start + BigInt((first + count) * pageBytes) };
    for (let at = piece.start; at < piece.end; at += BigInt(pageBytes)) if (this.leafBytes(at) !== pageBytes || this.inGroup(at)) return undefined;
    return piece;
  }

  /** Whether a small page is one of a group that cannot be changed in part. */
  private inGroup(address: bigint): boolean {
    const { arch, half } = this.part;
    let group = false;
    this.visit(address, (level, entry) => {
      if (level !== 'pte') return false;
      // The accessors hide arm64's contiguous blocks, and part a user's where one entry is changed. Scans show what stands in the entry.
      const value = arch.ops.pte.get(entry);
      const hidden = arch.describe(level, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)), 0).group === 1;
      this.row.count = 0;
      arch.ops.pte.scan(entry, 0, 1, EVERYTHING, this.row);
      group = arch.describe(level, this.row.lo[0]!, this.row.hi[0]!, 0).group > 1 && !(hidden && half === 'user');
      return true;
    });
    return group;
  }

  private find(address: bigint): Segment | undefined {
    let low = 0;
    let high = this.segments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.segments[middle]!.end <= address) low = middle + 1;
      else high = middle;
    }
    const found = this.segments[low];
    return found !== undefined && found.start <= address ? found : undefined;
  }

  private overlaps(start: bigint, end: bigint): boolean {
    const hits = (range: { readonly start: bigint; readonly end: bigint }): boolean => range.start < end && start < range.end;
    return this.segments.some(hits) || this.taken.some(hits);
  }

  /** Takes a piece out of the record, or makes it a record of its own. */
  private cut(piece: { readonly start: bigint; readonly end: bigint }, flags: number | undefined, dirty = false): void {
    this.segments = this.segments.flatMap((segment) => {
      const start = segment.start > piece.start ? segment.start : piece.start;
      const end = segment.end < piece.end ? segment.end : piece.end;
      if (start >= end) return [segment];
      const from = (at: bigint): bigint => segment.pa + (at - segment.start);
      return [
        ...(segment.start < start ? [{ ...segment, end: start }] : []),
        ...(flags === undefined ? [] : [{ start, end, pa: from(start), flags, dirty: segment.dirty || dirty }]),
        ...(end < segment.end ? [{ ...segment, start: end, pa: from(end) }] : []),
      ];
    });
  }
}

/** Whether anybody may do anything; if not, it is PROT_NONE. */
function allowed(flags: number): boolean {
  return (flags & (VmFlags.Read | VmFlags.Write | VmFlags.Exec)) !== 0;
}

/** `4K`, `16M`, `512G`. */
export function size(bytes: number): string {
  const unit = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${bytes / 2 ** (unit * 10)}${['', 'K', 'M', 'G', 'T'][unit]!}`;
}

/**
 * The tables as the machine wants them: in its byte order, by physical address.
 */
export function writeTables(tables: TableMemory, arch: WritableArch, write: (address: number, bytes: Uint8Array) => void): number {
  const { entryBytes } = arch.geometry;
  let count = 0;
  for (const level of LEVELS) {
    const { entries } = geometryOf(arch.geometry, level);
    for (const address of tables.addresses(level)) {
      const first = tables.find(level, address) * entryBytes;
      const bytes = tables.bytes.slice(first, first + entries * entryBytes);
      if (arch.littleEndian !== LITTLE_ENDIAN_HOST) for (let at = 0; at < bytes.length; at += entryBytes) bytes.subarray(at, at + entryBytes).reverse();
      write(address, bytes);
      count++;
    }
  }
  return count;
}

const LITTLE_ENDIAN_HOST = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
