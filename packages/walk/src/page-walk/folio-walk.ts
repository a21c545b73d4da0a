import { EntryKind, PgtableError, withDispose, type EntryVal, type HandleFamily, type Level, type Using } from '@pgtable/core';
import { opsOf } from '../space.js';
import type { EntryAt, TableLock, WalkMm, WalkVma } from './mm.js';
import { hex, pmdName, Tables, type Found } from './tables.js';

/** `folio_walk_flags_t`: what is looked for beside ordinary pages that are present. */
export interface FolioWalkFlags {
  /** `FW_MIGRATION`: pages on their way, too. */
  readonly migration?: boolean;
  /** `FW_ZEROPAGE`: the shared zero pages, too. */
  readonly zeropage?: boolean;
}

/** `struct folio_walk`: the entry that maps an address, with the lock of its table held until {@link folioWalkEnd}. A `using` declaration ends it too. */
export type FolioWalk<H extends HandleFamily = HandleFamily> = FoundFolio<H> & Using;

interface FoundFolio<H extends HandleFamily> {
  /** The entry, under the level that exists, and what it says. It does not change before the end. */
  readonly at: EntryAt<H>;
  readonly value: EntryVal<Level>;
  /** The first page frame of what the entry maps, in units of the smallest page. */
  readonly pfn: number;
  /** The frame of the page at the address; undefined for migrating and zero pages, which nobody may use. */
  readonly page: number | undefined;
}

/** How walks that have not ended give back their locks. */
const ends = new WeakMap<object, () => void>();

/**
 * `folio_walk_start`: finds the entry that maps an address to an ordinary page, and keeps it as it is.
 *
 * Locking: the mmap lock, for reading or writing. On success the lock of the entry's table is held until {@link folioWalkEnd} (or the end of a `using` block), and
 * the page may not be used after that.
 *
 * @param address page aligned
 * @returns undefined if nothing suitable is there: no page, one that the flags do not ask for, one that is none of the kernel's business
 * @throws PgtableError `EINVAL` if the address is not in the VMA or not page aligned; what the address space throws, if the mmap lock is not held
 */
export function folioWalkStart<H extends HandleFamily>(vma: WalkVma<H>, address: number, flags: FolioWalkFlags = {}): FolioWalk<H> | undefined {
  const { mm } = vma;
  mm.locks?.assertMmapReadLocked();
  if (!(address >= vma.start && address < vma.end) || address % mm.arch.geometry.pageBytes !== 0) {
    throw new PgtableError('EINVAL', `folioWalkStart was called for 0x${hex(address)}, which is no page of the VMA [0x${hex(vma.start)}, 0x${hex(vma.end)})`, { hint: 'give the address where a page of the VMA begins' });
  }
  const shared = vma.hugetlb === undefined ? undefined : mm.locks?.hugetlbVmaLockRead?.(vma);
  let held: TableLock | undefined;
  try {
    const tables = new Tables(mm);
    const locked = lockEntry(mm, tables, address);
    held = locked?.lock;
    const found = locked === undefined ? undefined : folioAt(vma, tables, locked.place, address, flags);
    if (found === undefined) {
      held?.unlock();
      shared?.unlock();
      return undefined;
    }
    const walk: FolioWalk<H> = withDispose(found, folioWalkEnd);
    ends.set(walk, () => {
      held?.unlock();
      shared?.unlock();
    });
    return walk;
  } catch (error) {
    held?.unlock();
    shared?.unlock();
    throw error;
  }
}

/**
 * `folio_walk_end`: gives back the locks that {@link folioWalkStart} took.
 *
 * Locking: what {@link folioWalkStart} took is held; it is released.
 *
 * @throws PgtableError `EINVAL` if the walk was ended before
 */
export function folioWalkEnd<H extends HandleFamily>(walk: FolioWalk<H>): void {
  const end = ends.get(walk);
  if (end === undefined) throw new PgtableError('EINVAL', 'a folio walk was ended twice', { hint: 'call folioWalkEnd once, or declare the walk with `using`' });
  ends.delete(walk);
  end();
}

/** The entry that ends the walk of an address, under the lock of its table. Undefined: it maps nothing. */
function lockEntry<H extends HandleFamily>(mm: WalkMm<H>, tables: Tables<H>, address: number): { readonly place: Found<H>; readonly lock: TableLock | undefined } | undefined {
  for (;;) {
    const place = tables.find(address);
    if (place === undefined || !maps(place)) return undefined;
    if (mm.locks === undefined) return { place, lock: undefined };
    const lock = takeLock(mm, tables, tables.entryAt(place), address);
    if (lock === undefined) return undefined;
    // What was found was found without the lock.
    const again = tables.find(address);
    if (again?.table.level === place.table.level && maps(again)) return { place: again, lock };
    lock.unlock();
  }
}

function maps<H extends HandleFamily>({ kind }: Found<H>): boolean {
  return kind === EntryKind.Leaf || kind === EntryKind.NonPresent;
}

/** The lock of the table that an entry is in. Undefined: the table went away meanwhile. */
function takeLock<H extends HandleFamily>(mm: WalkMm<H>, tables: Tables<H>, at: EntryAt<H>, address: number): TableLock | undefined {
  const { locks } = mm;
  switch (at.level) {
    case 'pte': {
      const above = tables.above(address);
      const pmdp = above === undefined ? undefined : pmdName(mm.arch, tables.entryAt(above), BigInt(address));
      return pmdp === undefined ? undefined : locks?.pteOffsetMapLock(pmdp, address);
    }
    case 'pmd':
      return locks?.pmdLock(at.entry);
    case 'pud':
      return locks?.pudLock(at.entry);
    case 'p4d':
    case 'pgd':
      throw new PgtableError('ENOTSUP', `a ${at.level} entry maps 0x${hex(address)}, and tables of that level have no lock`, { address: BigInt(address), hint: 'no kernel maps folios there' });
  }
}

/** What an entry maps, if that is what the flags ask for. The entry was the last that was looked at. */
function folioAt<H extends HandleFamily>(
  vma: WalkVma<H>, tables: Tables<H>, place: Found<H>, address: number, flags: FolioWalkFlags,
): FoundFolio<H> | undefined {
  const { mm } = vma;
  const { arch } = mm;
  const { level, table } = place.table;
  const at = tables.entryAt(place);
  const ops = opsOf(arch, level);
  const value = ops.get(ops.advance(table, place.index));
  let pa = tables.pa;
  if (place.kind === EntryKind.NonPresent) {
    const decoded = arch.decodeNonPresent(level, value);
    const decodedPfn = decoded.kind === 'migration' ? Number(decoded.pa) / arch.geometry.pageBytes : undefined;
    const moving = mm.migratingPfn === undefined ? decodedPfn : mm.migratingPfn(at, value);
    if (moving !== undefined) return flags.migration === true ? { at, value, pfn: moving, page: undefined } : undefined;
    // PROT_NONE: nobody may use it, and it is there.
    if (decoded.kind !== 'protected') return undefined;
    pa = Number(decoded.pa);
  }
  const pfn = pa / arch.geometry.pageBytes;
  const what = mm.normalPage === undefined ? 'page' : mm.normalPage(vma, address, at, value, pfn);
  switch (what) {
    case undefined:
      return undefined;
    case 'zeropage':
      return flags.zeropage === true ? { at, value, pfn, page: undefined } : undefined;
    case 'page':
      return { at, value, pfn, page: pfn + (address % tables.bytes(level)) / arch.geometry.pageBytes };
  }
}
