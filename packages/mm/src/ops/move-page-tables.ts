import { geometryOf, pmdLeaf, pmdNone, pmdpGetLockless, pmdPresent, type HandleFamily } from '@pgtable/core';
import type { Mm } from '../kernel/mm.js';
import { tryAlloc } from '../kernel/try-alloc.js';
import type { Vma } from '../kernel/vma.js';
import { TableGather } from '../tables/gather.js';
import { pteOffsetMapLock, pteOffsetMapRwNolock, pteUnmap, pteUnmapUnlock } from '../tables/pte-offset-map.js';
import { mmAllocPmd, mmFindPmd, pteAlloc } from '../tables/table-alloc.js';
import { pmdLock, pmdLockptr } from '../tables/table-locks.js';
import { pmdTableOf } from '../zap/deposits.js';
import { endOfEntry } from '../zap/pmd-range.js';

/*
 * Two locks of tables are taken in what follows: that of the old place, and inside of it, nested, that of the new one. Nobody takes two of the same address space but with its mmap lock to write, so nobody takes them
 * the other way round. Both are needed: the old one for who cleans a page through the reverse map, the new one so that the page stays where it is until the flush. So the flush comes before either is released.
 */

/**
 * `move_page_tables()`: what a range of addresses maps, another maps afterwards. Whole page tables and huge pages are moved where both ranges begin alike; what is left is moved entry by entry.
 *
 * Locking: the mmap lock to write, both VMAs write-locked. The lock of the file's mapping is taken around each part (`take_rmap_locks()`): who comes through the mapping sees a page at the old place or the new one, never at
 * none.
 *
 * The mark of userfaultfd stays behind, in whatever way a page is moved: the new VMA is registered with nobody, so nobody would take the mark away (`need_clear_uffd_wp` in `move_ptes()`, `clear_uffd_wp_pmd()`).
 *
 * @param vma,from where it is, page aligned
 * @param target,to the VMA of the same memory, and where it goes: there is nothing yet
 * @param bytes a multiple of the page size
 * @returns how many bytes were moved: less than `bytes` if there was no memory for page tables
 * @see mm/mremap.c, Linux 6.12
 */
export function movePageTables<H extends HandleFamily>(vma: Vma<H>, from: number, target: Vma<H>, to: number, bytes: number): number {
  const { mm } = vma;
  vma.lock.assertWriteLocked('move pages');
  target.lock.assertWriteLocked('move pages to it');
  for (let done = 0; done < bytes;) {
    const address = from + done;
    const place = to + done;
    const extent = Math.min(bytes - done, endOfEntry(mm, 'pmd', address) - address, endOfEntry(mm, 'pmd', place) - place);
    const pmdp = mmFindPmd(mm, address);
    if (pmdp !== undefined && !pmdNone(mm.arch, pmdpGetLockless(mm.arch, pmdp)) && !moved(() => { moveExtent(vma, pmdp, address, place, extent); })) return done;
    done += extent;
  }
  return bytes;
}

/** Whether there was memory for it. */
function moved(move: () => void): boolean {
  return tryAlloc(() => {
    move();
    return true;
  }) ?? false;
}

/** What one pmd entry translates, or less. */
function moveExtent<H extends HandleFamily>(vma: Vma<H>, pmdp: H['pmd'], address: number, place: number, extent: number): void {
  const { mm } = vma;
  const { arch } = mm;
  const newPmdp = mmAllocPmd(mm, place);
  const whole = extent === endOfEntry(mm, 'pmd', 0);
  for (;;) {
    const pmd = pmdpGetLockless(arch, pmdp);
    if (pmdNone(arch, pmd)) return;
    if (!pmdPresent(arch, pmd) || pmdLeaf(arch, pmd)) {
      if (whole && withRmapLock(vma, () => moveHugePmd(vma, pmdp, newPmdp, address, place))) return;
      mm.splitHuge(vma, { level: 'pmd', entry: pmdp }, address);
      continue;
    }
    if (whole && withRmapLock(vma, () => moveNormalPmd(mm, pmdp, newPmdp, address, place))) return;
    pteAlloc(mm, newPmdp, place);
    if (withRmapLock(vma, () => movePtes(mm, pmdp, newPmdp, address, place, extent))) return;
  }
}

/** `take_rmap_locks()` to `drop_rmap_locks()`. */
function withRmapLock<H extends HandleFamily>({ mapping }: Vma<H>, move: () => boolean): boolean {
  mapping?.lock();
  try {
    return move();
  } finally {
    mapping?.unlock();
  }
}

/** `move_huge_pmd()`: the table that was put aside goes along, for it is put aside in the table of the entry. Returns false if there is no huge page any more, or the new place is not empty. */
function moveHugePmd<H extends HandleFamily>({ mm, anonymous }: Vma<H>, pmdp: H['pmd'], newPmdp: H['pmd'], address: number, place: number): boolean {
  const { context, arch: { ops: { pmd: ops }, values: { pmd: values } }, kernel: { pageTables } } = mm;
  return withPmdLocks(mm, pmdp, newPmdp, () => {
    const there = ops.get(pmdp);
    if (!values.none(ops.get(newPmdp)) || !values.present(there) || !values.leaf(there)) return false;
    const flushes = new TableGather(mm);
    const pmd = ops.getAndClear(context, BigInt(address), pmdp).gather(flushes);
    if (anonymous) pageTables.deposit(pmdTableOf(mm, newPmdp), pageTables.withdraw(pmdTableOf(mm, pmdp)));
    ops.set(context, BigInt(place), newPmdp, values.mksoftDirty(values.clearUffdWp(pmd)), 1);
    flushes.finish();
    return true;
  });
}

/** `move_normal_pmd()`: a page table with all its entries. Returns false if there is none any more, if userfaultfd's marks are to be taken from its entries, or the new place is not empty. */
function moveNormalPmd<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd'], newPmdp: H['pmd'], address: number, place: number): boolean {
  const { context, arch: { ops: { pmd: ops }, values: { pmd: values } } } = mm;
  if (hasUffdWp(mm, pmdp, address)) return false;
  return withPmdLocks(mm, pmdp, newPmdp, () => {
    const there = ops.get(pmdp);
    if (!values.none(ops.get(newPmdp)) || !values.present(there) || values.leaf(there)) return false;
    const table = ops.unlink(context, BigInt(address), pmdp).flush();
    ops.populate(context, BigInt(place), newPmdp, table);
    return true;
  });
}

/** Whether userfaultfd protects a page of a page table. The kernel asks the VMA (`uffd_supports_move`), which does not say it here. Marks change with the mmap lock to read, so these stay as they are. */
function hasUffdWp<H extends HandleFamily>({ arch: { ops, values: { pte: values }, geometry } }: Mm<H>, pmdp: H['pmd'], address: number): boolean {
  if (!values.features.has('uffdWp')) return false;
  const { entries, shift } = geometryOf(geometry, 'pte');
  const size = entries * 2 ** shift;
  const first = ops.pmd.offset(pmdp, BigInt(address - (address % size)));
  if (first === undefined) return false;
  for (let at = 0; at < entries; at++) {
    const pte = ops.pte.getOnce(ops.pte.advance(first, at));
    if (values.present(pte) ? values.uffdWp(pte) : values.swap(pte) && values.swpUffdWp(pte)) return true;
  }
  return false;
}

/** Calls a function with the locks of both PMD tables, which may be the same. */
function withPmdLocks<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd'], newPmdp: H['pmd'], work: () => boolean): boolean {
  const ptl = pmdLock(mm, pmdp);
  const newPtl = pmdLockptr(mm, newPmdp);
  const nested = newPtl.is(ptl) ? undefined : newPtl.lockNested();
  try {
    return work();
  } finally {
    nested?.unlock();
    ptl.unlock();
  }
}

/** `move_ptes()`. Returns false if one of the page tables is not there any more. */
function movePtes<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd'], newPmdp: H['pmd'], address: number, place: number, extent: number): boolean {
  const table = pteOffsetMapLock(mm, pmdp, address);
  if (table === undefined) return false;
  const newTable = pteOffsetMapRwNolock(mm, newPmdp, place);
  if (newTable === undefined) {
    pteUnmapUnlock(table);
    return false;
  }
  const nested = newTable.ptl.is(table.ptl) ? undefined : newTable.ptl.lockNested();
  const flushes = new TableGather(mm);
  try {
    // The mmap lock, to write, and that of the mapping keep a new table where it is; but the lock is that of a value.
    if (!newTable.unchanged()) return false;
    moveEntries(flushes, table.ptep, newTable.ptep, address, place, extent / mm.pageBytes);
    return true;
  } finally {
    flushes.finish();
    nested?.unlock();
    pteUnmap(newTable);
    pteUnmapUnlock(table);
  }
}

function moveEntries<H extends HandleFamily>(flushes: TableGather<H>, from: H['pte'], to: H['pte'], address: number, place: number, count: number): void {
  const { context, pageBytes, arch: { ops: { pte: ops }, values: { pte: values } } } = flushes.of;
  for (let done = 0; done < count; done++) {
    const ptep = ops.advance(from, done);
    if (values.none(ops.get(ptep))) continue;
    const pte = ops.getAndClear(context, BigInt(address + done * pageBytes), ptep).gather(flushes);
    const dirty = values.present(pte) ? values.mksoftDirty(values.clearUffdWp(pte)) : values.swpMksoftDirty(values.swpClearUffdWp(pte));
    ops.set(context, BigInt(place + done * pageBytes), ops.advance(to, done), dirty, 1);
  }
}
