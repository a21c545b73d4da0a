import {
  EntryKind, levelNumber, LEVELS, PgtableError, type Arch, type Below, type EntryVal, type HandleFamily, type Level, type LevelOps, type TableOf,
} from '@pgtable/core';
import { opsOf } from '../space.js';
import { checkVmaLock } from './lock.js';
import type { WalkMm, WalkVma } from './mm.js';
import { Stop, WalkAction, type EntryCallback, type MmWalkOps, type PageWalk, type WalkAnswer, type WalkResult } from './ops.js';
import { depthOf, entriesOf, hex, pmdName, Tables, type Place } from './tables.js';

/*
 * The walk itself: mm/pagewalk.c of Linux 6.12, over tables that exist instead of one function for each level. A level that is folded is a second name of an entry,
 * so an entry is looked at once and given to the callbacks under each of its names.
 *
 * Nothing here knows a lock mode: the functions that are called from outside have checked it, and an entry is read as the address space's locks demand.
 */

/** How often in a row the page table of an entry may turn out not to be one before the walk gives up. Races end after a few. */
const MAX_TRIES = 10_000;
/** Entries of tables that are used again and again in a dump, which are looked at again at most. */
const MAX_REPEATED_ENTRIES = 2 ** 24;
/** Tables of an architecture that has no table memory. */
const MAX_UNCOUNTED = 2 ** 24;

/** What came of an entry: on to the next, the walk ends, or the same entry again. */
type Outcome = 'on' | 'stopped' | 'again';

/** An entry that exists, and which addresses of the walk it translates. */
interface Visit<H extends HandleFamily> extends Place<H> {
  /** First address that the entry translates, wherever the walk begins. */
  readonly va: number;
  /** The part that is walked, half-open. */
  readonly address: number;
  readonly next: number;
}

/** Part of a table. */
interface Part<H extends HandleFamily> {
  readonly table: TableOf<H>;
  /** Address that entry 0 translates. */
  readonly va: number;
  /** Entries that exist: [first, limit). */
  readonly first: number;
  readonly limit: number;
  /** Addresses that are walked, half-open. */
  readonly start: number;
  readonly end: number;
}

/** The callbacks of entries that can point to a table. */
type EntryCallbacks<H extends HandleFamily, S, D> = { readonly [L in Level]: EntryCallback<H, S, D, L> | undefined };

/** What callbacks see of a walk. */
class WalkState<H extends HandleFamily, D> implements PageWalk<H, D> {
  readonly mm: WalkMm<H>;
  vma: WalkVma<H> | undefined = undefined;
  action: WalkAction = WalkAction.Subtree;
  readonly data: D;
  /** The lock of the page table that is walked is held. */
  locked = false;

  constructor(mm: WalkMm<H>, data: D) {
    this.mm = mm;
    this.data = data;
  }

  read<L extends Level>(level: L, entry: H[L]): EntryVal<L> {
    const ops: LevelOps<H, L> = this.mm.arch.ops[level];
    const still = this.mm.locks === undefined || (this.locked && level === 'pte');
    return still ? ops.get(entry) : ops.getLockless(entry);
  }
}

/** One walk, over any number of ranges of one address space. */
export class Walker<H extends HandleFamily, S, D> {
  readonly walk: WalkState<H, D>;
  private readonly ops: MmWalkOps<H, S, D>;
  private readonly mm: WalkMm<H>;
  private readonly tables: Tables<H>;
  private readonly callbacks: EntryCallbacks<H, S, D>;
  /** Whether anybody wants page tables, and tables above them. */
  private readonly wantsPtes: boolean;
  private readonly wantsTables: boolean;
  private readonly page: number;
  private readonly maxVisits: number;
  private visits = 0;
  /** The entry that is visited was looked at last, and nobody was called since. */
  private fresh = false;
  private userHalf = false;
  private result: WalkResult<S> = { kind: 'completed' };

  constructor(mm: WalkMm<H>, ops: MmWalkOps<H, S, D>, data: D) {
    this.walk = new WalkState(mm, data);
    this.mm = mm;
    this.ops = ops;
    this.tables = new Tables(mm);
    this.callbacks = { pgd: ops.pgdEntry, p4d: ops.p4dEntry, pud: ops.pudEntry, pmd: ops.pmdEntry, pte: undefined };
    this.wantsPtes = ops.pteEntry !== undefined || ops.pteRange !== undefined || ops.installPte !== undefined;
    const { pgdEntry, p4dEntry, pudEntry, pmdEntry, pteHole, tableAbsent } = ops;
    this.wantsTables = this.wantsPtes || [pgdEntry, p4dEntry, pudEntry, pmdEntry, pteHole, tableAbsent].some((callback) => callback !== undefined);
    this.page = mm.arch.geometry.pageBytes;
    // Only where nothing says that the tables are sound may they be shared without end, or point back to themselves. To count them may cost more than a walk.
    this.maxVisits = mm.locks === undefined ? maxVisitsOf(mm.arch) : Infinity;
  }

  /** How the walk ended, so far. */
  get ended(): WalkResult<S> {
    return this.result;
  }

  // Ranges. Each function says whether the walk goes on.

  /** The addresses [start, end), whatever is known of them. */
  range(start: number, end: number): boolean {
    const { arch, root } = this.mm;
    const top = arch.rootTable(root);
    const bytes = this.tables.bytes(root.top);
    let address = start;
    for (const window of root.windows) {
      const from = Math.max(address, window.start);
      const to = Math.min(end, window.end);
      if (from >= to) continue;
      if (address < from && !this.hole(address, from, -1)) return false;
      this.userHalf = window.half === 'user';
      const part = { va: window.start - window.index * bytes, first: root.first, limit: root.end, start: from, end: to };
      if (!(top === undefined ? this.absent(part, root.top, root.table) : this.table({ ...part, table: top }))) return false;
      address = to;
    }
    return address >= end || this.hole(address, end, -1);
  }

  /** `__walk_page_range()`: addresses within one VMA, which is locked as the operations demand. */
  vma(vma: WalkVma<H>, start: number, end: number): boolean {
    const { ops, walk } = this;
    if (vma.hugetlb !== undefined && ops.installPte !== undefined) {
      throw new PgtableError('EINVAL', `entries were to be installed in the HugeTLB memory at 0x${hex(vma.start)}`, { address: BigInt(vma.start), hint: 'use setHugePteAt there' });
    }
    walk.vma = vma;
    if (!this.answered(ops.preVma?.(start, end, walk), start)) return false;
    const goesOn = vma.hugetlb === undefined ? this.range(start, end) : this.hugetlb(vma, vma.hugetlb, start, end);
    ops.postVma?.(walk);
    return goesOn;
  }

  /** Outside of VMAs. */
  leave(): void {
    this.walk.vma = undefined;
  }

  /** Locks a VMA as the operations demand, and makes it the one that is walked. */
  enter(vma: WalkVma<H>): void {
    checkVmaLock(vma, this.ops.walkLock);
    this.walk.vma = vma;
  }

  /** `walk_page_test()`: whether the current VMA is walked. */
  test(vma: WalkVma<H>, start: number, end: number): Outcome | 'skip' {
    const { ops, walk } = this;
    walk.vma = vma;
    if (ops.testWalk !== undefined) {
      const answer = ops.testWalk(start, end, walk);
      if (answer instanceof Stop) return this.answered(answer, start) ? 'on' : 'stopped';
      return answer ? 'on' : 'skip';
    }
    if (vma.pfnmap !== true) return 'on';
    return this.hole(start, end, -1) ? 'skip' : 'stopped';
  }

  hole(address: number, next: number, depth: number): boolean {
    const { ops, walk } = this;
    return this.answered(ops.pteHole?.(address, next, depth, walk), address);
  }

  private hugetlb(vma: WalkVma<H>, { bytes, level, count }: NonNullable<WalkVma['hugetlb']>, start: number, end: number): boolean {
    const { ops, walk } = this;
    if (ops.hugetlbEntry === undefined) return true;
    const lock = this.mm.locks?.hugetlbVmaLockRead?.(vma);
    try {
      for (let address = start; address < end; ) {
        const first = Math.floor(address / bytes) * bytes;
        const next = Math.min(first + bytes, end);
        const place = this.tables.find(first, level);
        const goesOn = place === undefined ? this.hole(address, next, -1) : this.answered(ops.hugetlbEntry(this.tables.entryAt(place), count, address, next, walk), address);
        if (!goesOn) return false;
        address = next;
      }
      return true;
    } finally {
      lock?.unlock();
    }
  }

  // Tables.

  private table(part: Part<H>): boolean {
    const { table, va, first, limit, start, end } = part;
    const { level } = table;
    const { tables } = this;
    const bytes = tables.bytes(level);
    const last = Math.min(limit, Math.ceil((end - va) / bytes));
    const depth = depthOf(level);
    this.count(va);
    for (let address = start; address < end; ) {
      const index = Math.floor((address - va) / bytes);
      let next = end;
      if (index < first || index >= limit) {
        // The table has no such entries.
        if (index < first) next = Math.min(end, va + first * bytes);
        if (!this.hole(address, next, depth)) return false;
      } else if (tables.look(table, index, last) === EntryKind.None && this.ops.installPte === undefined) {
        let to = index + tables.length;
        // A scan may cut a run anywhere.
        while (to < last && tables.look(table, to, last) === EntryKind.None) to += tables.length;
        next = Math.min(end, va + to * bytes);
        if (!this.hole(address, next, depth)) return false;
      } else {
        next = Math.min(end, va + (index + 1) * bytes);
        this.fresh = true;
        if (!this.entry({ table, index, va: va + index * bytes, address, next })) return false;
      }
      address = next;
    }
    return true;
  }

  /** One more table. @param va the first address that it translates */
  private count(va: number): void {
    if (++this.visits <= this.maxVisits) return;
    throw new PgtableError('ELOOP', `walked ${this.maxVisits} tables and came no further than address 0x${hex(va)}`, {
      address: BigInt(va),
      hint: 'tables of this dump are shared or point back to themselves: walk a smaller range, or skip tables in a callback with WalkAction.Continue',
    });
  }

  /** An entry that is not a `pte`: under its highest name first. */
  private entry(visit: Visit<H>): boolean {
    const { arch, root } = this.mm;
    const { level } = visit.table;
    // Levels above the root are folded into it.
    const pgdp = level === root.top && level !== 'pgd' && this.hasNamesAbove(level) ? arch.pgdOffset(root, BigInt(visit.address)) : undefined;
    return (pgdp === undefined ? this.ownName(visit) : this.named('pgd', pgdp, visit)) !== 'stopped';
  }

  /** What the entry is. It is read once for all that is done with it before somebody is called, who may change it. */
  private look({ table, index }: Visit<H>): EntryKind {
    if (!this.fresh) this.tables.look(table, index);
    this.fresh = true;
    return this.tables.kind;
  }

  private hasNamesAbove(level: Level): boolean {
    return LEVELS.slice(levelNumber(level) + 1).some((above) => this.callbacks[above] !== undefined);
  }

  /** The entry under the name of the level that it is of. */
  private ownName(visit: Visit<H>): Outcome {
    const { level, table } = visit.table;
    return this.named(level, opsOf(this.mm.arch, level).advance(table, visit.index), visit);
  }

  /** The entry under one of its names, then under those below, then what it points to. */
  private named<L extends Level>(level: L, entry: H[L], visit: Visit<H>): Outcome {
    const callback = this.callbacks[level];
    for (let tries = 0; ; ) {
      if (this.look(visit) === EntryKind.None) {
        if (this.ops.installPte === undefined) return this.hole(visit.address, visit.next, depthOf(visit.table.level)) ? 'on' : 'stopped';
        this.fresh = false;
        this.mm.install?.populate(this.tables.entryAt(visit), visit.va);
      }
      if (callback !== undefined) {
        this.fresh = false;
        this.walk.action = WalkAction.Subtree;
        if (!this.answered(callback(entry, visit.address, visit.next, this.walk), visit.address)) return 'stopped';
        const action = this.action();
        if (action === WalkAction.Again) continue;
        if (action === WalkAction.Continue) return 'on';
      }
      const outcome = this.nextName(level, entry, visit);
      if (outcome !== 'again') return outcome;
      if (++tries === MAX_TRIES) {
        throw new PgtableError('ELOOP', `the page table of 0x${hex(visit.address)} could not be mapped ${MAX_TRIES} times, and its entry is not empty`, {
          address: BigInt(visit.address),
          hint: 'pteOffsetMapLock and pteOffsetMap may fail only while the entry points to no table',
        });
      }
    }
  }

  private nextName<L extends Level>(level: L, entry: H[L], visit: Visit<H>): Outcome {
    const number = levelNumber(level);
    const own = levelNumber(visit.table.level);
    const lower = this.tables.lower(visit.table.level);
    // The name below is the next table's, if there is one.
    if (number === (lower === undefined ? 0 : levelNumber(lower) + 1)) return this.below(visit);
    // LEVELS is in the order that Below says.
    const below = LEVELS[number - 1] as Below[L];
    const same = this.mm.arch.ops[level].offset(entry, BigInt(visit.address));
    if (same !== undefined) return this.named(below, same, visit);
    return number > own ? this.ownName(visit) : this.below(visit);
  }

  /** What an entry points to. */
  private below(visit: Visit<H>): Outcome {
    const { tables } = this;
    const { table, index, va, address, next } = visit;
    const { level } = table;
    const lower = tables.lower(level);
    if (lower === undefined || !(lower === 'pte' ? this.wantsPtes : this.wantsTables)) return 'on';
    let kind = this.look(visit);
    if ((kind === EntryKind.Leaf || kind === EntryKind.NonPresent) && this.split(visit, kind)) kind = this.look(visit);
    if (kind === EntryKind.None) return 'again';
    if (kind !== EntryKind.Table) return 'on';
    this.fresh = false;
    const range = tables.childRange(level);
    const pa = tables.pa;
    const first = range & 0xffff;
    const limit = range >>> 16;
    // A table without entries, which nobody has to have.
    if (first >= limit) return this.hole(address, next, depthOf(lower)) ? 'on' : 'stopped';
    if (lower === 'pte' && this.mm.locks !== undefined) {
      if (this.walk.vma !== undefined) return this.mapped(visit, first, limit, true);
      // Users' tables may be taken out by who holds no lock that is held here; the kernel's and firmware's are not.
      if (this.mm.kind === 'user' && this.userHalf) return this.mapped(visit, first, limit, false);
    }
    const child = tables.child(table, index);
    if (child === undefined) {
      if (this.mm.locks !== undefined && tables.look(table, index) !== EntryKind.Table) return 'again';
      return this.absent({ va, first, limit, start: address, end: next }, lower, pa) ? 'on' : 'stopped';
    }
    if (child.level === 'pte') {
      return this.pteTable(child.table, 0, va, first, limit, address, next) ? 'on' : 'stopped';
    }
    return this.table({ table: child, va, first, limit, start: address, end: next }) ? 'on' : 'stopped';
  }

  /** The page table of an entry that may be taken out meanwhile: its entries are had from the address space. */
  private mapped(visit: Visit<H>, first: number, limit: number, lock: boolean): Outcome {
    const { locks, arch } = this.mm;
    const { va, address, next } = visit;
    const start = Math.max(address, va + first * this.page);
    const pmdp = pmdName(arch, this.tables.entryAt(visit), BigInt(va));
    if (locks === undefined || pmdp === undefined) return 'again';
    if (start >= next) return this.hole(address, next, depthOf('pte')) ? 'on' : 'stopped';
    const ptes = lock ? locks.pteOffsetMapLock(pmdp, start) : locks.pteOffsetMap(pmdp, start);
    if (ptes === undefined) return 'again';
    this.walk.locked = lock;
    try {
      return this.pteTable(ptes.ptep, Math.floor((start - va) / this.page), va, first, limit, address, next) ? 'on' : 'stopped';
    } finally {
      this.walk.locked = false;
      ptes.unlock();
    }
  }

  // Page tables.

  /** The part [start, end) of a page table whose entry `index` is `ptep` and whose entries [first, limit) exist. @param va address that entry 0 translates */
  private pteTable(ptep: H['pte'], index: number, va: number, first: number, limit: number, start: number, end: number): boolean {
    const { page } = this;
    this.count(va);
    const from = Math.min(end, Math.max(start, va + first * page));
    const to = Math.max(from, Math.min(end, va + limit * page));
    if (start < from && !this.hole(start, from, depthOf('pte'))) return false;
    if (from < to) {
      const entry = this.mm.arch.ops.pte.advance(ptep, Math.floor((from - va) / page) - index);
      const goesOn = this.ops.pteRange !== undefined ? this.batch(entry, from, to, this.ops.pteRange) : this.each(entry, from, to);
      if (!goesOn) return false;
    }
    return to >= end || this.hole(to, end, depthOf('pte'));
  }

  private batch(entry: H['pte'], from: number, to: number, pteRange: NonNullable<MmWalkOps<H, S, D>['pteRange']>): boolean {
    do {
      this.walk.action = WalkAction.Subtree;
      if (!this.answered(pteRange(entry, from, (to - from) / this.page, this.walk), from)) return false;
    } while (this.action() === WalkAction.Again);
    return true;
  }

  private each(first: H['pte'], from: number, to: number): boolean {
    const { page, walk } = this;
    const { installPte, pteEntry } = this.ops;
    const ops = this.mm.arch.ops.pte;
    const writer = installPte === undefined ? undefined : this.mm.install;
    let entry = first;
    for (let address = from; ; ) {
      const next = address + page;
      if (installPte !== undefined && writer?.arch.values.pte.none(ops.get(entry)) === true) {
        const value = installPte(address, next, walk);
        if (value instanceof Stop) return this.answered(value, address);
        if (value !== undefined) {
          writer.arch.ops.pte.set(writer.context, BigInt(address), entry, value, 1);
          writer.arch.updateMmuCache?.(writer.context, BigInt(address), 'pte', 1);
        }
      } else if (pteEntry !== undefined) {
        walk.action = WalkAction.Subtree;
        const answer = pteEntry(entry, address, next, walk);
        if (answer !== undefined) return this.answered(answer, address);
        if (this.action() === WalkAction.Again) continue;
      }
      if (next >= to) return true;
      address = next;
      entry = ops.advance(entry, 1);
    }
  }

  /** `split_huge_pmd()` and `split_huge_pud()`, for what is below. Returns: whether there may be a table now. */
  private split(visit: Visit<H>, kind: EntryKind): boolean {
    const { vma } = this.walk;
    if (vma === undefined || this.mm.splitHuge === undefined || !this.wantsBelow(visit.table.level, kind)) return false;
    this.fresh = false;
    this.mm.splitHuge(vma, this.tables.entryAt(visit), visit.va);
    return true;
  }

  /** Whether an entry callback wants what is below a level: holes alone are no reason to split, and who only installs has nothing to install where a page is. */
  private wantsBelow(level: Level, kind: EntryKind): boolean {
    const { pteEntry, pteRange, installPte } = this.ops;
    if (pteEntry !== undefined || pteRange !== undefined || (installPte !== undefined && kind !== EntryKind.Leaf)) return true;
    return LEVELS.slice(0, levelNumber(level)).some((below) => this.callbacks[below] !== undefined);
  }

  // Answers.

  /** A part of what a table translates that is not here. What its length cuts off is a hole, whatever the table holds. */
  private absent({ va, first, limit, start, end }: Omit<Part<H>, 'table'>, level: Level, pa: number): boolean {
    const bytes = this.tables.bytes(level);
    const from = Math.min(end, Math.max(start, va + first * bytes));
    const to = Math.max(from, Math.min(end, va + limit * bytes));
    const depth = depthOf(level);
    return (start >= from || this.hole(start, from, depth)) && (from >= to || this.lacking(from, to, level, pa)) && (to >= end || this.hole(to, end, depth));
  }

  private lacking(address: number, next: number, level: Level, pa: number): boolean {
    const { ops, walk } = this;
    if (ops.tableAbsent !== undefined) return this.answered(ops.tableAbsent(address, next, depthOf(level), walk), address);
    throw new PgtableError('EFAULT', `the ${level} table of 0x${hex(address)}, at physical address 0x${hex(pa)}, is not here`, {
      address: BigInt(address),
      hint: 'load the tables of the range first, or give tableAbsent to walk around what a dump lacks',
    });
  }

  /** Whether a callback's answer lets the walk go on. */
  private answered(answer: WalkAnswer<S>, address: number): boolean {
    if (answer === undefined) return true;
    if (!(answer instanceof Stop)) {
      throw new PgtableError('EINVAL', `a callback of the walk returned ${String(answer)} at 0x${hex(address)}`, {
        address: BigInt(address),
        hint: 'return nothing to go on, stop(value) to end the walk, and throw what is an error',
      });
    }
    this.result = { kind: 'stopped', value: answer.value, address };
    return false;
  }

  /** What the last callback asked for: it may have, which the compiler does not see. */
  private action(): WalkAction {
    return this.walk.action;
  }
}

function maxVisitsOf(arch: Arch): number {
  const { tables } = arch;
  return tables === undefined ? MAX_UNCOUNTED : tables.tables + Math.ceil(MAX_REPEATED_ENTRIES / entriesOf(arch, 'pte'));
}
