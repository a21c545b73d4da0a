import {
  pfnPte, pteMkdirty, pteMkwriteNovma, pteMkyoung, ptePfn, ptepClearFlush, ptepGet, ptepSetAccessFlags, pteSame, setPteAt, type HandleFamily, type PteVal,
} from '@pgtable/core';
import { addNewAnonRmap, isAnon, isAnonExclusive, removeRmap, setAnonExclusive } from '../folio/rmap.js';
import { FrameFlag, FrameType, FrameWord } from '../frames/memmap.js';
import { vmPageProt } from '../huge/huge-pmd.js';
import type { Mm } from '../kernel/mm.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import { TableGather } from '../tables/gather.js';
import { pteOffsetMapLock, pteUnmapUnlock, type PteTable } from '../tables/pte-offset-map.js';
import { DONE, mayWrite, RETRY, SIGBUS, type FaultResult, type VmFault } from './vm-fault.js';

function isMemory(frames: Mm['kernel']['frames'], pfn: number): boolean {
  return pfn >= frames.firstPfn && pfn < frames.firstPfn + frames.count;
}

/**
 * `do_wp_page()`: a write to a page that is mapped, and not writable. Shared memory becomes writable. A private page does too if nobody else has it: it is marked so (PageAnonExclusive), or this entry has
 * its only reference. Else it is copied, and so are the zero page and the pages of a private file mapping.
 *
 * Locking: the VMA's lock or the mmap lock, to read; and the PTE table's lock, which is released here.
 *
 * @param table mapped and locked
 * @param pte what the entry is
 * @returns `done`, `retry` if the table went away, `sigbus` if what is there cannot be copied
 * @throws PgtableError `ENOMEM`
 * @see mm/memory.c, Linux 6.12
 */
export function doWpPage<H extends HandleFamily>(vmf: VmFault<H>, table: PteTable<H>, pte: PteVal): FaultResult {
  const { mm, vma } = vmf;
  const { frames } = mm.kernel;
  const pfn = ptePfn(mm.arch, pte);
  const page = mm.normalPage(vma, vmf.address, { level: 'pte', entry: table.ptep }, pte, pfn) === 'page' ? pfn : undefined;
  try {
    if ((vma.flags & VmaFlags.Shared) !== 0) {
      // wp_page_shared(), wp_pfn_shared()
      if (page !== undefined) markDirty(mm, page);
      wpPageReuse(vmf, table, pte);
      return DONE;
    }
    if (page !== undefined && isAnon(mm, page) && (isAnonExclusive(mm, page) || isOnlyUser(mm, page))) {
      setAnonExclusive(mm, page, true);
      wpPageReuse(vmf, table, pte);
      return DONE;
    }
    // Nobody else keeps it from being freed once the lock is gone.
    if (page !== undefined) frames.get(page);
  } finally {
    pteUnmapUnlock(table);
  }
  try {
    return wpPageCopy(vmf, pte, page);
  } finally {
    if (page !== undefined) frames.put(page);
  }
}

/** `wp_can_reuse_anon_folio()`: of a page by itself, whether the entry has the only reference. */
function isOnlyUser<H extends HandleFamily>({ kernel: { frames } }: Mm<H>, pfn: number): boolean {
  return frames.read(pfn, FrameWord.Order) === 0 && frames.read(pfn, FrameWord.Refcount) === 1;
}

/** `wp_page_reuse()`. */
function wpPageReuse<H extends HandleFamily>({ mm, vma, address }: VmFault<H>, { ptep }: PteTable<H>, pte: PteVal): void {
  const { arch, context } = mm;
  let entry = pteMkdirty(arch, pteMkyoung(arch, pte));
  if (mayWrite(vma)) entry = pteMkwriteNovma(arch, entry);
  ptepSetAccessFlags(arch, context, BigInt(address), ptep, entry).ignore('a stale translation allows reads alone: a write faults again, and finds the entry as it is');
  arch.updateMmuCache?.(context, BigInt(address), 'pte', 1);
}

/** `wp_page_copy()`: a copy takes the place of a page. Others who map the old one keep it. */
function wpPageCopy<H extends HandleFamily>(vmf: VmFault<H>, pte: PteVal, page: number | undefined): FaultResult {
  const { mm, vma, pmdp, address } = vmf;
  const { arch, context, kernel: { frames, zeroPfn } } = mm;
  const from = ptePfn(arch, pte);
  if (!isMemory(frames, from)) return SIGBUS;
  const copy = frames.allocPages(0, FrameType.Anon);
  if (from === zeroPfn) frames.zero(copy);
  else frames.copy(from, copy);
  let mapped = false;
  const gather = new TableGather(mm);
  try {
    const table = pteOffsetMapLock(mm, pmdp, address);
    if (table === undefined) return RETRY;
    try {
      const { ptep } = table;
      if (!pteSame(arch, ptepGet(arch, ptep), pte)) {
        arch.updateMmuCache?.(context, BigInt(address), 'pte', 1);
        return DONE;
      }
      let entry = pteMkdirty(arch, pteMkyoung(arch, pfnPte(arch, copy, vmPageProt(vma))));
      if (mayWrite(vma)) entry = pteMkwriteNovma(arch, entry);
      // No processor may read the old page once another can write to the new one: so the entry is empty for a moment.
      ptepClearFlush(arch, context, BigInt(address), ptep);
      addNewAnonRmap(mm, copy, 1);
      mapped = true;
      setPteAt(arch, context, BigInt(address), ptep, entry);
      arch.updateMmuCache?.(context, BigInt(address), 'pte', 1);
      if (page !== undefined) removeRmap(gather, page, 1);
    } finally {
      pteUnmapUnlock(table);
    }
    return DONE;
  } finally {
    gather.finish();
    if (!mapped) frames.put(copy);
  }
}

/** `folio_mark_dirty()`, of a page of a file that is about to be written. */
export function markDirty<H extends HandleFamily>({ kernel: { frames } }: Mm<H>, pfn: number): void {
  frames.changeFlags(frames.head(pfn), FrameFlag.Dirty);
}
