import { PgtableError, pmdMkdirty, pmdMkwriteNovma, pmdNone, pmdpGetOnce, pmdPopulate, setPmdAt, type HandleFamily } from '@pgtable/core';
import { trylockFolio, unlockFolio } from '../folio/folio-lock.js';
import { addNewAnonRmap, removeRmap } from '../folio/rmap.js';
import { FrameType } from '../frames/memmap.js';
import type { Mm } from '../kernel/mm.js';
import { tryAlloc } from '../kernel/try-alloc.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import type { Vma } from '../kernel/vma.js';
import { lockClasses } from '../locks/lock-class.js';
import { downWrite, upWrite } from '../locks/rw-lock.js';
import { mkHugePmd } from '../huge/huge-pmd.js';
import { TableGather } from '../tables/gather.js';
import { pteOffsetMapLock, pteUnmapUnlock } from '../tables/pte-offset-map.js';
import { pmdLock } from '../tables/table-locks.js';
import { pmdTableOf } from '../zap/deposits.js';
import { collapseFlush, type DetachedTable } from './detached-table.js';
import { findPmdOrThpOrNone, hugepageVmaRevalidate } from './revalidate.js';
import { isRefcountSuitable, lookAtFolio, scanPtes, type PageRun, type PteScan } from './scan-ptes.js';
import { checkedOrder, limitsOf, type CollapseControl, type CollapseLimits, type ScanResult } from './scan-result.js';

/**
 * `hpage_collapse_scan_pmd()` and `collapse_huge_page()`: makes one huge page of the small ones of anonymous memory that a PTE table maps, by copying. Entries that are empty, or the zero page, become
 * zeros. The table is put aside with the huge page.
 *
 * Locking: none may be held. Takes the mmap lock, to read and then to write, the VMA's, anon_vma's, those of the folios and of both tables.
 *
 * @param address where the huge page begins
 * @returns `succeed`, or why not; then all is as it was
 * @throws PgtableError `EINVAL` for an address at which no huge page begins; `ENOTSUP` if there are no huge pages (`hugePmdOrder`)
 * @see mm/khugepaged.c, Linux 6.12
 */
export function collapseHugePage<H extends HandleFamily>(mm: Mm<H>, address: number, control: CollapseControl = {}): ScanResult {
  const order = checkedOrder(mm, address);
  const limits = limitsOf(control, 2 ** order);
  const guess = reading(mm, () => scanPmd(mm, address, limits));
  if (guess !== 'succeed') return guess;
  // With no lock: it may take long to find a block so large, and faults should go on meanwhile.
  const { frames } = mm.kernel;
  const huge = tryAlloc(() => mm.kernel.frames.allocPages(order, FrameType.Anon));
  if (huge === undefined) return 'allocHugePageFail';
  let result: ScanResult = 'fail';
  try {
    // From here on nobody changes a VMA, and no fault begins that takes the mmap lock.
    mm.lock.writeLock();
    try {
      result = collapseLocked(mm, address, huge, limits);
    } finally {
      mm.lock.writeUnlock();
    }
  } finally {
    if (result !== 'succeed') frames.put(huge);
  }
  return result;
}

/** `hpage_collapse_scan_pmd()`: whether it is worth to begin. Locking: the mmap lock to read. */
function scanPmd<H extends HandleFamily>(mm: Mm<H>, address: number, limits: CollapseLimits): ScanResult {
  const vma = hugepageVmaRevalidate(mm, address);
  if (typeof vma === 'string') return vma;
  const { pmdp, result } = findPmdOrThpOrNone(mm, address);
  if (pmdp === undefined || result !== 'succeed') return result;
  // Between the look at the entry and the lock another collapse may have come, of a thread that read-locks the mmap lock as this one does: retract_page_tables() does not even take it.
  const table = pteOffsetMapLock(mm, pmdp, address);
  if (table === undefined) return 'pmdNull';
  try {
    return scanPtes(mm, table.ptep, entriesOf(mm, address), limits, lookAtFolio(mm)).result;
  } finally {
    pteUnmapUnlock(table);
  }
}

/** Locking: the mmap lock to write. */
function collapseLocked<H extends HandleFamily>(mm: Mm<H>, address: number, huge: number, limits: CollapseLimits): ScanResult {
  // The mmap lock was let go, so the VMA that was found may be gone, its memory unmapped and its tables freed: a pmd entry from before would be one in memory that is something else now.
  const vma = hugepageVmaRevalidate(mm, address);
  if (typeof vma === 'string') return vma;
  const { pmdp, result } = findPmdOrThpOrNone(mm, address);
  if (pmdp === undefined || result !== 'succeed') return result;
  // Faults that hold the VMA's lock instead of the mmap lock: waits for those inside, and keeps out those to come. Without this a fault would find the entry empty in a moment, and put a table of
  // its own where the huge page is to go.
  vma.lock.startWrite();
  const words = mm.kernel.words.words;
  // Who looks for the entries of a page (rmap) holds neither lock, but anon_vma's. It must not find some of the pages mapped and some not.
  downWrite(words, mm.anonVmaLock, lockClasses.anonVma);
  let detached: DetachedTable<H>;
  let isolated: PteScan;
  try {
    detached = detach(mm, address, pmdp);
    isolated = isolate(mm, detached, limits);
    // Not set_pmd_at(): an entry that points to a table is made by pmd_populate(). The very same table goes back, with all its entries.
    if (isolated.result !== 'succeed') putBack(mm, address, pmdp, detached);
  } finally {
    // From here on all pages are locked, or all is as before: rmap may look again, it finds no entries, and cannot lock a page.
    upWrite(words, mm.anonVmaLock);
  }
  if (isolated.result !== 'succeed') return isolated.result;
  copyPages(mm, huge, isolated.runs, detached.table.entries);
  release(mm, address, detached, isolated.runs);
  install(vma, address, pmdp, huge, detached);
  return 'succeed';
}

/**
 * Takes the table out and flushes: afterwards no processor translates any of the addresses, so nobody reads or writes the pages by them, and the hardware notes nothing in the entries. GUP-fast has no
 * lock; it looks at the pmd entry again after it has taken its reference, and gives it back if that is another. If it was faster, its reference is found by {@link isolate}.
 */
function detach<H extends HandleFamily>(mm: Mm<H>, address: number, pmdp: H['pmd']): DetachedTable<H> {
  const ptl = pmdLock(mm, pmdp);
  try {
    return collapseFlush(mm, address, pmdp);
  } finally {
    ptl.unlock();
  }
}

/**
 * `__collapse_huge_page_isolate()`: looks at all entries once more, locks each folio, and counts its references. What was seen by {@link scanPmd} may be different by now; what is seen here stays.
 *
 * Under the table's own lock, though it is out of reach: who mapped it by pteOffsetMap() before may hold that lock just now, and be about to find out (pmdSame) that it is gone.
 */
function isolate<H extends HandleFamily>(mm: Mm<H>, { table, ptl }: DetachedTable<H>, limits: CollapseLimits): PteScan {
  const { frames } = mm.kernel;
  const locked: number[] = [];
  ptl.lock();
  try {
    const scan = scanPtes(mm, table.entry(0), table.entries, limits, (head) => {
      // Only a try: others lock a folio first, and a table afterwards.
      if (!trylockFolio(frames, head)) return 'pageLock';
      locked.push(head);
      // All entries of this address space are out of reach, so nobody can get a new reference by them. Others who map the page (after fork) can, but they may not write to it.
      return isRefcountSuitable(mm, head) ? undefined : 'pageCount';
    });
    if (scan.result !== 'succeed') for (const head of locked) unlockFolio(frames, head);
    return scan;
  } finally {
    ptl.unlock();
  }
}

function putBack<H extends HandleFamily>(mm: Mm<H>, address: number, pmdp: H['pmd'], { table }: DetachedTable<H>): void {
  const ptl = pmdLock(mm, pmdp);
  try {
    assertNone(mm, address, pmdp);
    pmdPopulate(mm.arch, mm.context, BigInt(address), pmdp, table);
  } finally {
    ptl.unlock();
  }
}

/** `__collapse_huge_page_copy()`. Without a spin lock, for it takes long: nobody can write to the pages. */
function copyPages<H extends HandleFamily>(mm: Mm<H>, huge: number, runs: readonly PageRun[], entries: number): void {
  const { frames } = mm.kernel;
  let done = 0;
  for (const { index, pfn, count } of [...runs, { index: entries, pfn: 0, count: 0 }]) {
    for (; done < index; done++) frames.zero(huge + done);
    frames.copy(pfn, huge + index, count);
    done += count;
  }
}

/**
 * `__collapse_huge_page_copy_succeeded()`: empties the table, and gives the pages back.
 *
 * Each entry is cleared, though nobody can reach the table: it is put aside next, and must be empty when it is used for a split.
 */
function release<H extends HandleFamily>(mm: Mm<H>, address: number, { table, ptl }: DetachedTable<H>, runs: readonly PageRun[]): void {
  const { frames } = mm.kernel;
  const gather = new TableGather(mm);
  ptl.lock();
  try {
    mm.arch.ops.pte.clear(mm.context, BigInt(address), table.entry(0, table.entries), table.entries).ignore('the table was taken out, and its translations were flushed with it');
    for (const { pfn, count } of runs) removeRmap(gather, pfn, count);
  } finally {
    ptl.unlock();
  }
  for (const head of new Set(runs.map(({ pfn }) => frames.head(pfn)))) unlockFolio(frames, head);
  // There is nothing to flush any more; the references go.
  gather.finish();
}

/** Puts the table aside, and the huge page in its place. What was copied is visible before the entry is. */
function install<H extends HandleFamily>(vma: Vma<H>, address: number, pmdp: H['pmd'], huge: number, { table }: DetachedTable<H>): void {
  const { mm } = vma;
  const { arch, context, kernel: { pageTables } } = mm;
  let pmd = pmdMkdirty(arch, mkHugePmd(vma, huge));
  if ((vma.flags & VmaFlags.Write) !== 0) pmd = pmdMkwriteNovma(arch, pmd);
  const ptl = pmdLock(mm, pmdp);
  try {
    assertNone(mm, address, pmdp);
    addNewAnonRmap(mm, huge, table.entries, true);
    pageTables.deposit(pmdTableOf(mm, pmdp), table.address);
    setPmdAt(arch, context, BigInt(address), pmdp, pmd);
    arch.updateMmuCache?.(context, BigInt(address), 'pmd', 1);
  } finally {
    ptl.unlock();
  }
}

/** `BUG_ON(!pmd_none(*pmd))`: a fault put something where the table was, so it was not kept out. */
function assertNone<H extends HandleFamily>({ id, arch }: Mm<H>, address: number, pmdp: H['pmd']): void {
  const pmd = pmdpGetOnce(arch, pmdp);
  if (pmdNone(arch, pmd)) return;
  throw new PgtableError('EBADMSG', `address space ${id}: the pmd entry of 0x${BigInt(address).toString(16)} became 0x${pmd.toString(16)} while its table was taken out`, {
    address: BigInt(address), hint: 'who puts tables there holds the mmap lock, or the VMA\'s, to read',
  });
}

function entriesOf<H extends HandleFamily>(mm: Mm<H>, address: number): number {
  return 2 ** checkedOrder(mm, address);
}

function reading<H extends HandleFamily, T>(mm: Mm<H>, action: () => T): T {
  mm.lock.readLock();
  try {
    return action();
  } finally {
    mm.lock.readUnlock();
  }
}
