import { folioPteBatch, getAndClearFullPtes, hwPteAdvance, pteDirty, pteNone, ptePfn, ptepGet, ptePresent, pteYoung, type HandleFamily } from '@pgtable/core';
import { filemapGetPage, lockFolio, unlockFolio } from '../folio/folio-lock.js';
import { hugePmdBytes, hugePmdOrder } from '../folio/huge.js';
import { removeRmap } from '../folio/rmap.js';
import { FrameWord } from '../frames/memmap.js';
import type { Mm } from '../kernel/mm.js';
import type { Vma } from '../kernel/vma.js';
import { setHugePmd } from '../huge/set-huge-pmd.js';
import { pteFreeDefer, TableGather } from '../tables/gather.js';
import { pteOffsetMapLock, pteOffsetMapRwNolock, pteUnmapUnlock, type PteTable } from '../tables/pte-offset-map.js';
import { pmdLock } from '../tables/table-locks.js';
import { markFolio } from '../zap/folio-run.js';
import { collapseFlush, type DetachedTable } from './detached-table.js';
import { allowable, findPmdOrThpOrNone, suitable } from './revalidate.js';
import type { ScanResult } from './scan-result.js';

/**
 * `collapse_pte_mapped_thp()`: a huge page of a file that is mapped by ptes here is no longer: its PTE table goes, and a fault may map it by a pmd entry; or that is done at once. Pages are neither
 * copied nor freed. A table that maps anything else stays.
 *
 * Locking: the mmap lock, either way, is held. Takes the folio's lock, and those of both tables.
 *
 * @param address any in the huge page
 * @param installPmd map the huge page
 * @returns `succeed`, also if there was no table; or why not
 * @see mm/khugepaged.c, Linux 6.12
 */
export function collapsePteMappedThp<H extends HandleFamily>(mm: Mm<H>, address: number, installPmd: boolean): ScanResult {
  mm.lock.assertLocked('collapse a huge page that is mapped by ptes');
  const order = hugePmdOrder(mm);
  if (order === undefined) return 'vmaCheck';
  const bytes = hugePmdBytes(mm);
  const start = Math.floor(address / bytes) * bytes;
  const vma = mm.vmaLookup(start);
  const mapping = vma?.mapping;
  if (vma === undefined || mapping === undefined || start + bytes > vma.end) return 'vmaCheck';
  // Before a lock is waited for that may take long.
  if (findPmdOrThpOrNone(mm, start).result === 'pmdMapped') return 'pmdMapped';
  if (!allowable(vma) || !suitable(vma, start)) return 'vmaCheck';
  const index = vma.indexOf(start);
  if (index >= mapping.pages) return 'pageNull';
  const { frames } = mm.kernel;
  const page = filemapGetPage(mapping, index);
  if (page === undefined) return 'pageNull';
  // With the lock no more of the page is mapped by faults that lock it, and it stays in the cache, if it is there still: it may have been exchanged while the lock was waited for.
  lockFolio(frames, page);
  try {
    if (mapping.page(index) !== page) return 'pageNull';
    if (frames.head(page) !== page || frames.read(page, FrameWord.Order) !== order) return 'pageCompound';
    return collapseLocked(vma, start, page, installPmd);
  } finally {
    unlockFolio(frames, page);
    frames.put(page);
  }
}

/** Locking: the mmap lock, the folio's. */
function collapseLocked<H extends HandleFamily>(vma: Vma<H>, start: number, page: number, installPmd: boolean): ScanResult {
  const { mm } = vma;
  const { pmdp, result } = findPmdOrThpOrNone(mm, start);
  if (pmdp === undefined) return result;
  // A table that was retracted meanwhile left an empty entry: then there is nothing to check.
  if (result !== 'pmdNone') {
    if (result !== 'succeed') return result;
    const looked = lookAtPtes(mm, pmdp, start, page);
    if (looked !== 'succeed') return looked;
    const cleared = clearTable(mm, pmdp, start, page);
    if (cleared !== 'succeed') return cleared;
  }
  return !installPmd || setHugePmd(vma, pmdp, start, page) ? 'succeed' : 'fail';
}

/** Step 1: whether all that the table maps is the huge page, in its place. A look before anything is changed: the usual reason to give up shall cost nothing. */
function lookAtPtes<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd'], start: number, page: number): ScanResult {
  const { arch } = mm;
  const table = pteOffsetMapLock(mm, pmdp, start);
  // The mmap lock keeps nobody from taking a table out who holds the lock of the file's mapping.
  if (table === undefined) return 'fail';
  try {
    const entries = hugePmdBytes(mm) / mm.pageBytes;
    for (let index = 0; index < entries;) {
      const step = runOf(mm, hwPteAdvance(arch, table.ptep, index), page + index, entries - index);
      if (typeof step === 'string') return step;
      index += step.count;
    }
    return 'succeed';
  } finally {
    pteUnmapUnlock(table);
  }
}

/**
 * Steps 2 to 4: empties the table, and takes it out.
 *
 * The locks were let go since the look: a write fault may have made a copy of a page for a private mapping, so everything is looked at again while it is cleared. Both locks are held until the table is
 * out: if that of the table were dropped once it is empty, whoever fills entries without the folio's lock could put a page there, which would go with the table. (The kernel does drop it, and relies on
 * the folio's lock; it keeps it where userfaultfd could fill a private mapping without that.)
 */
function clearTable<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd'], start: number, page: number): ScanResult {
  const gather = new TableGather(mm);
  let detached: DetachedTable<H> | undefined;
  let result: ScanResult = 'fail';
  const pml = pmdLock(mm, pmdp);
  try {
    const table = pteOffsetMapRwNolock(mm, pmdp, start);
    if (table !== undefined) {
      table.lock();
      try {
        // pmd_same(): with the pmd's lock held this can be no other table; who holds only the table's lock must ask.
        result = table.unchanged() ? clearPtes(gather, table, start, page) : 'fail';
        if (result === 'succeed') detached = collapseFlush(mm, start, pmdp);
      } finally {
        pteUnmapUnlock(table);
      }
    }
  } finally {
    pml.unlock();
  }
  // What was cleared before something else was found is faulted in again, after this flush.
  gather.finish();
  if (detached !== undefined) pteFreeDefer(mm, detached.table);
  return result;
}

/** Step 2. The entries are cleared one by one, though the table goes: truncation may come, and would unmap each page once more. */
function clearPtes<H extends HandleFamily>(gather: TableGather<H>, table: PteTable<H>, start: number, page: number): ScanResult {
  const mm = gather.of;
  const { arch, context } = mm;
  const entries = hugePmdBytes(mm) / mm.pageBytes;
  for (let index = 0; index < entries;) {
    const ptep = hwPteAdvance(arch, table.ptep, index);
    const step = runOf(mm, ptep, page + index, entries - index);
    if (typeof step === 'string') return step;
    if (step.mapped) {
      const old = getAndClearFullPtes(arch, context, BigInt(start + index * mm.pageBytes), ptep, step.count).gather(gather);
      markFolio(mm, page, pteDirty(arch, old), pteYoung(arch, old));
      removeRmap(gather, page + index, step.count);
    }
    index += step.count;
  }
  return 'succeed';
}

/** How many entries from this one on map pages from `expected` on, or that it is empty; or why it is in the way. */
function runOf<H extends HandleFamily>({ arch }: Mm<H>, ptep: H['pte'], expected: number, max: number): ScanResult | { readonly mapped: boolean; readonly count: number } {
  const pte = ptepGet(arch, ptep);
  if (pteNone(arch, pte)) return { mapped: false, count: 1 };
  if (!ptePresent(arch, pte)) return 'pteNonPresent';
  // A copy of a private mapping: it is no page of the file.
  if (ptePfn(arch, pte) !== expected) return 'fail';
  return { mapped: true, count: folioPteBatch(arch, ptep, pte, max, { dirty: true, softDirty: true }) };
}
