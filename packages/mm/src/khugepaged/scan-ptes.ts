import { hwPteAdvance, pteNone, ptePfn, ptePresent, ptepGetOnce, pteSpecial, pteUffdWp, pteWrite, pteYoung, type HandleFamily } from '@pgtable/core';
import { folioMapcount, folioRefCount, isFolioLocked } from '../folio/folio-lock.js';
import { isAnon } from '../folio/rmap.js';
import { FrameFlag, FrameWord } from '../frames/memmap.js';
import type { Mm } from '../kernel/mm.js';
import type { CollapseLimits, ScanResult } from './scan-result.js';

/** Consecutive pages of one block that consecutive entries map. */
export interface PageRun {
  /** Of the first entry in the table. */
  readonly index: number;
  /** The frame of the first page. */
  readonly pfn: number;
  count: number;
}

/** What entries of a table map, and whether that can become a huge page. */
export interface PteScan {
  readonly result: ScanResult;
  /** The pages, in the order of the entries; all other entries are empty, or the zero page. As far as was looked. */
  readonly runs: readonly PageRun[];
}

/** What is done with each block, once, when its first page is met: undefined, or why the collapse must end. */
export type FolioVisit = (head: number) => ScanResult | undefined;

/**
 * The loop of `hpage_collapse_scan_pmd()` and `__collapse_huge_page_isolate()`: looks at all entries of a table of anonymous memory. The first is only a guess, which spares the work where it would be in
 * vain; the second decides, when the table cannot be reached any more.
 *
 * Locking: the lock of the table.
 *
 * @param first the first entry of the table
 * @param visit also counts the block's references, after whatever must come before that
 */
export function scanPtes<H extends HandleFamily>(mm: Mm<H>, first: H['pte'], entries: number, limits: CollapseLimits, visit: FolioVisit): PteScan {
  const { arch, kernel: { frames, zeroPfn } } = mm;
  const runs: PageRun[] = [];
  const folios = new Set<number>();
  let none = 0;
  let shared = 0;
  let writable = false;
  let referenced = false;
  let run: PageRun | undefined;
  const end = (result: ScanResult): PteScan => ({ result, runs });
  for (let index = 0; index < entries; index++) {
    const pte = ptepGetOnce(arch, hwPteAdvance(arch, first, index));
    const present = ptePresent(arch, pte);
    const pfn = present ? ptePfn(arch, pte) : undefined;
    if (pteNone(arch, pte) || pfn === zeroPfn) {
      if (++none > limits.none) return end('exceedNonePte');
      continue;
    }
    // Swapped out, or just being moved.
    if (pfn === undefined) return end('exceedSwapPte');
    // The huge entry cannot say which part of it is protected.
    if (pteUffdWp(arch, pte)) return end('pteUffdWp');
    if (pfn < frames.firstPfn || pfn >= frames.firstPfn + frames.count || pteSpecial(arch, pte)) return end('pageNull');
    if (!isAnon(mm, pfn)) return end('pageAnon');
    const head = frames.head(pfn);
    // By any of its pages, as in the kernel.
    if (frames.read(pfn, FrameWord.Mapcount) > 1 && ++shared > limits.shared) return end('exceedSharedPte');
    if (!folios.has(head)) {
      const refused = visit(head);
      if (refused !== undefined) return end(refused);
      folios.add(head);
    }
    if (pteWrite(arch, pte)) writable = true;
    if (pteYoung(arch, pte) || (frames.read(head, FrameWord.Flags) & FrameFlag.Referenced) !== 0) referenced = true;
    if (run !== undefined && run.index + run.count === index && run.pfn + run.count === pfn && frames.head(run.pfn) === head) run.count++;
    else {
      run = { index, pfn, count: 1 };
      runs.push(run);
    }
  }
  if (!writable) return end('pageRo');
  return end(limits.khugepaged && !referenced ? 'lackReferencedPage' : 'succeed');
}

/** For {@link scanPtes}, of a table that is in use: looks only. */
export function lookAtFolio<H extends HandleFamily>(mm: Mm<H>): FolioVisit {
  const { frames } = mm.kernel;
  return (head) => {
    if (isFolioLocked(frames, head)) return 'pageLock';
    return isRefcountSuitable(mm, head) ? undefined : 'pageCount';
  };
}

/**
 * `is_refcount_suitable()`: whether every reference on a block is one of the entries that map it. Any other is GUP, or somebody else who reads or writes the page by its frame.
 *
 * Locking: an answer that lasts needs a table that nobody can reach, or the folio's lock and no entry.
 */
export function isRefcountSuitable<H extends HandleFamily>(mm: Mm<H>, head: number): boolean {
  const { frames } = mm.kernel;
  return folioRefCount(frames, head) === folioMapcount(frames, head);
}
