import { geometryOf, hwPteAdvance, PgtableError, pteDirty, ptePfn, ptepGetAndClear, ptepGetOnce, ptePresent, pteYoung, type HandleFamily } from '@pgtable/core';
import { filemapGetPage, folioRefFreeze, folioRefUnfreeze, trylockFolio, unlockFolio } from '../folio/folio-lock.js';
import { hugePmdOrder } from '../folio/huge.js';
import { removeRmap } from '../folio/rmap.js';
import { FrameFlag, FrameType, FrameWord } from '../frames/memmap.js';
import type { Mapping } from '../kernel/mapping.js';
import { tryAlloc } from '../kernel/try-alloc.js';
import type { Vma } from '../kernel/vma.js';
import { TableGather } from '../tables/gather.js';
import { pteOffsetMapLock, pteUnmapUnlock } from '../tables/pte-offset-map.js';
import { mmFindPmd } from '../tables/table-alloc.js';
import { markFolio } from '../zap/folio-run.js';
import { retractPageTables } from './retract-page-tables.js';
import type { ScanResult } from './scan-result.js';

/** References on a page of the cache that nobody maps: the cache's, and the one of who collapses. */
const OWN = 2;

/**
 * `collapse_file()`: a huge page takes the place of small ones in the cache of a file. Those are unmapped everywhere, and copied; PTE tables that are empty then are taken out
 * ({@link retractPageTables}), so that the next fault of each process can map the huge page by a pmd entry.
 *
 * Holes are read first, so that the cache is never without a page here that it had. The order is what matters:
 *
 * 1. Lock the small pages: no other collapse takes them.
 * 2. Unmap them everywhere, and flush: no processor writes to them.
 * 3. Freeze their references, if there are no others: nobody gets one by the cache, to map or to write the page again. Without this a fault could map a page that was copied already, and what is written
 *    there would be lost. (Kernels up to 6.2 freeze too; 6.12 trusts that whoever maps a page of a file locks it first.)
 * 4. Copy, and only then put the huge page into the cache: who finds it finds all that was written.
 *
 * Locking: mmap locks may be held to read, and nothing else; something keeps the file. Takes the folios' locks, the mapping's to read, and those of tables of all address spaces that map the file.
 *
 * @param first the first page of the file: a multiple of the pages of a huge page
 * @returns `succeed`, or why not; pages may have been unmapped then, and are faulted in again
 * @throws PgtableError `EINVAL` if no huge page begins there; `ENOTSUP` if there are no huge pages
 * @see mm/khugepaged.c, Linux 6.12
 */
export function collapseFile<H extends HandleFamily>(mapping: Mapping<H>, first: number): ScanResult {
  const { kernel } = mapping;
  const order = hugePmdOrder(kernel.initMm);
  if (order === undefined) throw new PgtableError('ENOTSUP', 'this machine has no huge pages of pmd entries', { hint: 'ask hugePmdOrder() first' });
  const count = 2 ** order;
  if (!Number.isSafeInteger(first) || first < 0 || first % count !== 0) throw new PgtableError('EINVAL', `no huge page begins at page ${first} of mapping ${mapping.id}`, { hint: `give a multiple of ${count}` });
  if (first + count > mapping.pages) return 'truncated';
  const { frames } = kernel;
  const huge = tryAlloc(() => frames.allocPages(order, FrameType.File));
  if (huge === undefined) return 'allocHugePageFail';
  // Nobody knows it, so this succeeds. Whoever finds it in the cache waits until its place is prepared.
  trylockFolio(frames, huge);
  const pages: number[] = [];
  let result: ScanResult;
  try {
    result = lockPages(mapping, first, order, pages);
    if (result === 'succeed') {
      tryToUnmap(mapping, first, pages);
      const flags = freeze(mapping, pages);
      result = flags === undefined ? 'pageCount' : 'succeed';
      if (flags !== undefined) replace(mapping, first, pages, huge, flags);
    }
  } finally {
    unlockFolio(frames, huge);
    for (const pfn of pages) unlockFolio(frames, pfn);
  }
  if (result === 'succeed') {
    // With the reference of the cache, which came with the exchange.
    frames.putAll(pages, OWN);
    return result;
  }
  frames.putAll(pages);
  frames.put(huge);
  return result;
}

/** Gets and locks the small pages, those before a failure. Locking: only tries, so that no lock is waited for while others are held. */
function lockPages<H extends HandleFamily>(mapping: Mapping<H>, first: number, order: number, pages: number[]): ScanResult {
  const { frames } = mapping.kernel;
  for (let index = first; index < first + 2 ** order; index++) {
    if (tryAlloc(() => mapping.readPage(index)) === undefined) return 'fail';
    const pfn = filemapGetPage(mapping, index);
    if (pfn === undefined) return 'truncated';
    const head = frames.head(pfn);
    const blocks = frames.read(head, FrameWord.Order);
    if (blocks !== 0) {
      frames.put(pfn);
      return blocks === order && index === first && head === pfn ? 'pteMappedHugepage' : 'pageCompound';
    }
    if (!trylockFolio(frames, pfn)) {
      frames.put(pfn);
      return 'pageLock';
    }
    pages.push(pfn);
    // Until it was locked it could be exchanged.
    if (mapping.page(index) !== pfn) return 'truncated';
  }
  return 'succeed';
}

/**
 * `try_to_unmap()` of each page, in one go for each VMA: clears the entries of all address spaces that map one of the pages, and flushes.
 *
 * Locking: the folios' locks. Takes the mapping's lock to read, which keeps the VMAs and their tables, and those of PTE tables.
 */
function tryToUnmap<H extends HandleFamily>(mapping: Mapping<H>, first: number, pages: readonly number[]): void {
  mapping.lockRead();
  try {
    for (const vma of mapping.vmas(first, first + pages.length)) {
      const gather = new TableGather(vma.mm);
      unmapFrom(gather, vma, first, pages);
      // try_to_unmap_flush(), before anything is copied: a processor that has an old translation writes to the small page still.
      gather.finish();
    }
  } finally {
    mapping.unlockRead();
  }
}

function unmapFrom<H extends HandleFamily>(gather: TableGather<H>, vma: Vma<H>, first: number, pages: readonly number[]): void {
  const { mm } = vma;
  const { pageBytes } = mm;
  const bytes = 2 ** geometryOf(mm.arch.geometry, 'pmd').shift;
  const addressOf = (index: number): number => vma.start + (index - vma.pgoff) * pageBytes;
  const end = Math.min(vma.end, addressOf(first + pages.length));
  for (let address = Math.max(vma.start, addressOf(first)); address < end;) {
    // To where the next table begins: the file need not be mapped as the huge page would have it.
    const next = Math.min(end, (Math.floor(address / bytes) + 1) * bytes);
    unmapTable(gather, address, (next - address) / pageBytes, (at) => pages[vma.indexOf(address) + at - first]!);
    address = next;
  }
}

/** Of one table: entries that map just the page that the cache has there. Others are copies of private mappings, or empty. */
function unmapTable<H extends HandleFamily>(gather: TableGather<H>, address: number, count: number, pageAt: (at: number) => number): void {
  const mm = gather.of;
  const { arch, context } = mm;
  const pmdp = mmFindPmd(mm, address);
  const table = pmdp === undefined ? undefined : pteOffsetMapLock(mm, pmdp, address);
  if (table === undefined) return;
  try {
    for (let at = 0; at < count; at++) {
      const ptep = hwPteAdvance(arch, table.ptep, at);
      const pte = ptepGetOnce(arch, ptep);
      const pfn = pageAt(at);
      if (!ptePresent(arch, pte) || ptePfn(arch, pte) !== pfn) continue;
      // What comes back has all that the hardware noted until it was gone.
      const old = ptepGetAndClear(arch, context, BigInt(address + at * mm.pageBytes), ptep).gather(gather);
      markFolio(mm, pfn, pteDirty(arch, old), pteYoung(arch, old));
      removeRmap(gather, pfn, 1);
    }
  } finally {
    pteUnmapUnlock(table);
  }
}

/** Freezes the references of all pages, or of none. @returns the flags that any of them has, which nobody changes any more; undefined: none is frozen */
function freeze<H extends HandleFamily>(mapping: Mapping<H>, pages: readonly number[]): number | undefined {
  const { frames } = mapping.kernel;
  let flags = 0;
  const refused = pages.findIndex((pfn) => {
    if (!folioRefFreeze(frames, pfn, OWN)) return true;
    flags |= frames.read(pfn, FrameWord.Flags);
    return false;
  });
  if (refused < 0) return flags;
  for (const pfn of pages.slice(0, refused)) folioRefUnfreeze(frames, pfn, OWN);
  return undefined;
}

/** Copies the pages, and puts the huge one in their place, dirty if one of them is. Cannot fail. Locking: the pages are locked, unmapped and frozen; the huge page is locked. */
function replace<H extends HandleFamily>(mapping: Mapping<H>, first: number, pages: readonly number[], huge: number, flags: number): void {
  const { frames } = mapping.kernel;
  pages.forEach((pfn, at) => {
    frames.copy(pfn, huge + at);
    frames.write(huge + at, FrameWord.Owner, mapping.id);
    frames.write(huge + at, FrameWord.Index, first + at);
  });
  frames.changeFlags(huge, flags & FrameFlag.Dirty);
  // One for each page of the cache, the first of which came with the block; before anybody can find it there.
  frames.get(huge, pages.length - 1);
  pages.forEach((_, at) => { mapping.exchangePage(first + at, huge + at); });
  // From here on who waits for a frozen page finds the huge one.
  for (const pfn of pages) folioRefUnfreeze(frames, pfn, OWN);
  retractPageTables(mapping, first);
}
