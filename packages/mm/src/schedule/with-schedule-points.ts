import {
  geometryOf, LEVELS, levelNumber, UnlinkedTable, type BatchIgnore, type Below, type EntryVal, type FlushPromise, type Geometry, type HandleFamily, type Level, type MmContext, type ScanBuffer, type ScanFilter,
  type TableOf, type WritableArch, type WritableOps,
} from '@pgtable/core';
import { AccessType, isScheduled, scheduleBusy, schedulePoint, type BusyEntries } from '../schedule-point.js';

/**
 * An architecture that is another with a scheduling point before each accessor that reads or writes entries of live tables, and before a table's memory becomes a table, or is given back. The
 * code under test is given this one instead: handles are opaque, so nothing else changes.
 *
 * An accessor is one step, however many entries it is about, and however many loads and stores it makes of one: those go to memory without being told to anybody. So no interleaving has half of an entry, where
 * entries are larger than what is read and written at once: two words of PAE, 128 bits of arm64. Accessors are held to that on real threads (`npm run soak`). Where one waits in between, for a flush, others come
 * in, as it has points of its own there. Entries that the hardware may map as one (a contiguous block, a NAPOT group) are one place, because an architecture may look at
 * all of them for one. Tables that are not live have no points until they are linked; those that were unlinked have, for readers without a lock may still be in them.
 *
 * Without a scheduler an accessor costs one call more.
 *
 * Locking: none; accessors as those of the other.
 */
export function withSchedulePoints<H extends HandleFamily>(arch: WritableArch<H>): WritableArch<H> {
  const ops: Ops<H> = {
    pte: new ScheduledOps(arch, 'pte', () => ops),
    pmd: new ScheduledOps(arch, 'pmd', () => ops),
    pud: new ScheduledOps(arch, 'pud', () => ops),
    p4d: new ScheduledOps(arch, 'p4d', () => ops),
    pgd: new ScheduledOps(arch, 'pgd', () => ops),
  };
  const tablePoint = (what: string, level: Level, address: number): void => {
    schedulePoint(`${what} a ${level} table`, undefined, address, AccessType.Write, undefined, geometryOf(arch.geometry, level).entries * arch.geometry.entryBytes);
  };
  return {
    name: arch.name,
    variant: arch.variant,
    geometry: arch.geometry,
    littleEndian: arch.littleEndian,
    tables: arch.tables,
    ptdump: arch.ptdump,
    values: arch.values,
    hugePages: arch.hugePages,
    ops,
    rootTable: (root) => arch.rootTable(root),
    pgdOffset: (root, address) => arch.pgdOffset(root, address),
    inherit: (inherited, level, lo, hi) => arch.inherit(inherited, level, lo, hi),
    describe: (level, lo, hi, inherited) => arch.describe(level, lo, hi, inherited),
    decodeNonPresent: (level, value) => arch.decodeNonPresent(level, value),
    vmProt: (flags) => arch.vmProt(flags),
    kernelProt: (flags) => arch.kernelProt(flags),
    newTable: (level, address, user) => {
      tablePoint('make', level, address);
      return arch.newTable(level, address, user);
    },
    freeTable: (table) => {
      tablePoint('free', table.level, table.address);
      arch.freeTable(table);
    },
    ...(arch.untagAddress === undefined ? {} : { untagAddress: (address: bigint) => arch.untagAddress!(address) }),
    ...(arch.liveChange === undefined ? {} : { liveChange: <L extends Level>(level: L, old: EntryVal<L>, value: EntryVal<L>) => arch.liveChange!(level, old, value) }),
    ...(arch.updateMmuCache === undefined ? {} : {
      updateMmuCache: (mm: MmContext, address: bigint, level: Level, count: number) => { arch.updateMmuCache!(mm, address, level, count); },
    }),
  };
}

type Ops<H extends HandleFamily> = { readonly [L in Level]: WritableOps<H, L> };

class ScheduledOps<H extends HandleFamily, L extends Level> implements WritableOps<H, L> {
  readonly level: L;
  private readonly inner: WritableOps<H, L>;
  private readonly all: () => Ops<H>;
  private readonly geometry: Geometry;
  private readonly entryBytes: number;
  /** Bytes of the largest block that entries of this level may be in. */
  private readonly blockBytes: number;
  /** Whether the way down from an entry does not read it: the level below is another name of this one. */
  private readonly sameBelow: boolean;

  constructor(arch: WritableArch<H>, level: L, all: () => Ops<H>) {
    this.level = level;
    this.inner = arch.ops[level];
    this.all = all;
    this.geometry = arch.geometry;
    this.entryBytes = arch.geometry.entryBytes;
    this.blockBytes = this.entryBytes * Math.max(1, ...arch.hugePages.filter((page) => page.level === level).map(({ count }) => count));
    const below = LEVELS[levelNumber(level) - 1];
    this.sameBelow = below === undefined || geometryOf(arch.geometry, below).folded;
  }

  get(entry: H[L]): EntryVal<L> {
    this.point('get', entry, 1);
    return this.inner.get(entry);
  }
  getOnce(entry: H[L]): EntryVal<L> {
    this.point('getOnce', entry, 1);
    return this.inner.getOnce(entry);
  }
  getLockless(entry: H[L]): EntryVal<L> {
    this.point('getLockless', entry, 1);
    return this.inner.getLockless(entry);
  }
  raw(entry: H[L]): bigint {
    this.point('raw', entry, 1);
    return this.inner.raw(entry);
  }
  advance(entry: H[L], count: number): H[L] {
    return this.inner.advance(entry, count);
  }
  entryAddress(entry: H[L]): number {
    return this.inner.entryAddress(entry);
  }
  distance(a: H[L], b: H[L]): number {
    return this.inner.distance(a, b);
  }
  offset(entry: H[L], address: bigint): H[Below[L]] | undefined {
    if (!this.sameBelow) this.point('offset', entry, 1);
    return this.inner.offset(entry, address);
  }
  offsetLockless(entry: H[L], value: EntryVal<L>, address: bigint): H[Below[L]] | undefined {
    return this.inner.offsetLockless(entry, value, address);
  }
  child(entry: H[L]): TableOf<H> | undefined {
    this.point('child', entry, 1);
    return this.inner.child(entry);
  }
  childRange(lo: number, hi: number): number {
    return this.inner.childRange(lo, hi);
  }
  scan(table: H[L], first: number, end: number, filter: ScanFilter, out: ScanBuffer): number {
    if (first < end) this.point('scan', this.inner.advance(table, first), end - first);
    return this.inner.scan(table, first, end, filter, out);
  }
  set(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, count: number): void {
    const before = this.begin('set', entry, count);
    try {
      this.inner.set(mm, address, entry, value, count);
    } finally {
      scheduleBusy(before);
    }
  }
  establish(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>): FlushPromise<EntryVal<L>> {
    const before = this.begin('establish', entry, 1);
    try {
      return this.inner.establish(mm, address, entry, value);
    } finally {
      scheduleBusy(before);
    }
  }
  clear(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void> {
    const before = this.begin('clear', entry, count);
    try {
      return this.inner.clear(mm, address, entry, count);
    } finally {
      scheduleBusy(before);
    }
  }
  getAndClear(mm: MmContext, address: bigint, entry: H[L]): FlushPromise<EntryVal<L>> {
    const before = this.begin('getAndClear', entry, 1);
    try {
      return this.inner.getAndClear(mm, address, entry);
    } finally {
      scheduleBusy(before);
    }
  }
  getAndClearFull(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<EntryVal<L>> {
    const before = this.begin('getAndClearFull', entry, count);
    try {
      return this.inner.getAndClearFull(mm, address, entry, count);
    } finally {
      scheduleBusy(before);
    }
  }
  testAndClearYoung(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<boolean> {
    const before = this.begin('testAndClearYoung', entry, count);
    try {
      return this.inner.testAndClearYoung(mm, address, entry, count);
    } finally {
      scheduleBusy(before);
    }
  }
  wrprotect(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void> {
    const before = this.begin('wrprotect', entry, count);
    try {
      return this.inner.wrprotect(mm, address, entry, count);
    } finally {
      scheduleBusy(before);
    }
  }
  setAccessFlags(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>): FlushPromise<boolean> {
    const before = this.begin('setAccessFlags', entry, 1);
    try {
      return this.inner.setAccessFlags(mm, address, entry, value);
    } finally {
      scheduleBusy(before);
    }
  }
  modifyProtStart(mm: MmContext, address: bigint, entry: H[L]): EntryVal<L> {
    const before = this.begin('modifyProtStart', entry, 1);
    try {
      return this.inner.modifyProtStart(mm, address, entry);
    } finally {
      scheduleBusy(before);
    }
  }
  modifyProtCommit(mm: MmContext, address: bigint, entry: H[L], old: EntryVal<L>, value: EntryVal<L>): FlushPromise<void> {
    const before = this.begin('modifyProtCommit', entry, 1);
    try {
      return this.inner.modifyProtCommit(mm, address, entry, old, value);
    } finally {
      scheduleBusy(before);
    }
  }
  batch(entry: H[L], value: EntryVal<L>, max: number, ignore: BatchIgnore): number {
    this.point('batch', entry, max);
    return this.inner.batch(entry, value, max, ignore);
  }
  populate(mm: MmContext, address: bigint, entry: H[L], table: UnlinkedTable<H>): void {
    const before = this.begin('populate', entry, 1);
    try {
      this.inner.populate(mm, address, entry, table);
    } finally {
      scheduleBusy(before);
    }
  }
  unlink(mm: MmContext, address: bigint, entry: H[L]): FlushPromise<UnlinkedTable<H>> {
    const before = this.begin('unlink', entry, 1);
    try {
      const { user } = mm;
      return this.inner.unlink(mm, address, entry).map((table) => this.watched(table, user));
    } finally {
      scheduleBusy(before);
    }
  }
  hugeSet(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, count: number): void {
    const before = this.begin('hugeSet', entry, count);
    try {
      this.inner.hugeSet(mm, address, entry, value, count);
    } finally {
      scheduleBusy(before);
    }
  }
  hugeGet(entry: H[L], count: number): EntryVal<L> {
    this.point('hugeGet', entry, count);
    return this.inner.hugeGet(entry, count);
  }
  hugeGetAndClear(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<EntryVal<L>> {
    const before = this.begin('hugeGetAndClear', entry, count);
    try {
      return this.inner.hugeGetAndClear(mm, address, entry, count);
    } finally {
      scheduleBusy(before);
    }
  }
  hugeWrprotect(mm: MmContext, address: bigint, entry: H[L], count: number): FlushPromise<void> {
    const before = this.begin('hugeWrprotect', entry, count);
    try {
      return this.inner.hugeWrprotect(mm, address, entry, count);
    } finally {
      scheduleBusy(before);
    }
  }
  hugeSetAccessFlags(mm: MmContext, address: bigint, entry: H[L], value: EntryVal<L>, count: number): FlushPromise<boolean> {
    const before = this.begin('hugeSetAccessFlags', entry, count);
    try {
      return this.inner.hugeSetAccessFlags(mm, address, entry, value, count);
    } finally {
      scheduleBusy(before);
    }
  }

  /** A point before `count` entries are read. */
  private point(what: string, entry: H[L], count: number): void {
    if (!isScheduled()) return;
    const address = this.inner.entryAddress(entry);
    const block = this.blockOf(address, count);
    schedulePoint(textOf(what, this.level, address, count), undefined, block.address, AccessType.Read, undefined, block.bytes);
  }

  /** A point before `count` entries are written. Returns: what is for {@link scheduleBusy} when that is done. */
  private begin(what: string, entry: H[L], count: number): BusyEntries | undefined {
    if (!isScheduled()) return undefined;
    const address = this.inner.entryAddress(entry);
    const block = this.blockOf(address, count);
    schedulePoint(textOf(what, this.level, address, count), undefined, block.address, AccessType.Write, undefined, block.bytes);
    return scheduleBusy(block);
  }

  private blockOf(address: number, count: number): BusyEntries {
    const start = Math.floor(address / this.blockBytes) * this.blockBytes;
    return { address: start, bytes: Math.ceil((address + count * this.entryBytes) / this.blockBytes) * this.blockBytes - start };
  }

  /** A table that was live, with points: others may still look at it. */
  private watched(table: UnlinkedTable<H>, user: boolean): UnlinkedTable<H> {
    const { level, address, entries } = table;
    const ops: WritableOps<H, Level> = this.all()[level];
    return new UnlinkedTable(ops, table.entry(0), { address, entries, shift: geometryOf(this.geometry, level).shift, user });
  }
}

function textOf(what: string, level: Level, address: number, count: number): string {
  return `${what} ${level} at 0x${address.toString(16)}${count === 1 ? '' : ` (${count})`}`;
}
