import { pfnPte, pteMkdirty, pteMkwriteNovma, pteMkyoung, pteNone, ptepGet, setPteAt, type HandleFamily, type PteVal } from '@pgtable/core';
import { filemapGetPage, lockFolio, unlockFolio } from '../folio/folio-lock.js';
import { addNewAnonRmap, dupRmap } from '../folio/rmap.js';
import { FrameType } from '../frames/memmap.js';
import { vmPageProt } from '../huge/huge-pmd.js';
import type { Mapping } from '../kernel/mapping.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import { pteOffsetMapLock, pteUnmapUnlock } from '../tables/pte-offset-map.js';
import { pteAlloc } from '../tables/table-alloc.js';
import { doSetPmd } from './set-pmd.js';
import { DONE, mayWrite, RETRY, SIGBUS, type FaultResult, type VmFault } from './vm-fault.js';
import { markDirty } from './wp.js';

/**
 * `do_fault()`: a page of a file that is not mapped. A read maps the page of the cache (`do_read_fault`); a write to a private mapping a copy of it (`do_cow_fault`); a write to a shared one the page, writable
 * and dirty (`do_shared_fault`). What is part of a huge page is mapped with all of it where that can be ({@link doSetPmd}).
 *
 * The page of the cache may be exchanged for another until it is mapped: so its folio is locked meanwhile, and once it is, it is seen whether the page is still the one in the cache.
 *
 * Locking: the VMA's lock or the mmap lock, to read. Takes the folio's lock, which sleeps; the PTE table's lock, and those above it if there is no table.
 *
 * @returns `done`, `retry` if the table or the page went away, `sigbus` beyond the end of the file
 * @throws PgtableError `ENOMEM`
 * @see mm/memory.c, Linux 6.12
 */
export function doFault<H extends HandleFamily>(vmf: VmFault<H>): FaultResult {
  const { mm, vma, address } = vmf;
  const { mapping } = vma;
  if (mapping === undefined) return SIGBUS;
  const index = vma.indexOf(address);
  if (index >= mapping.pages) return SIGBUS;
  const pfn = getPage(mapping, index);
  const { frames } = mm.kernel;
  try {
    lockFolio(frames, pfn);
    try {
      if (mapping.page(index) !== pfn) return RETRY;
      if (vmf.write && (vma.flags & VmaFlags.Shared) === 0) return doCowFault(vmf, pfn);
      if (vmf.write) markDirty(mm, pfn);
      return doSetPmd(vmf, pfn) ?? mapPage(vmf, pfn);
    } finally {
      unlockFolio(frames, pfn);
    }
  } finally {
    frames.put(pfn);
  }
}

/** `filemap_fault()`: the page of a cache, with a reference; a new one if there is none yet. */
function getPage<H extends HandleFamily>(mapping: Mapping<H>, index: number): number {
  for (;;) {
    mapping.readPage(index);
    const pfn = filemapGetPage(mapping, index);
    if (pfn !== undefined) return pfn;
  }
}

/** `do_read_fault()`, `do_shared_fault()`. */
function mapPage<H extends HandleFamily>(vmf: VmFault<H>, pfn: number): FaultResult {
  const { mm, vma } = vmf;
  const { arch } = mm;
  let pte = pteMkyoung(arch, pfnPte(arch, pfn, vmPageProt(vma)));
  if (vmf.write) pte = pteMkdirty(arch, pte);
  if (vmf.write && mayWrite(vma)) pte = pteMkwriteNovma(arch, pte);
  return finishFault(vmf, pte, () => { dupRmap(mm, pfn, 1); });
}

/** `do_cow_fault()`. */
function doCowFault<H extends HandleFamily>(vmf: VmFault<H>, pfn: number): FaultResult {
  const { mm, vma } = vmf;
  const { arch, kernel: { frames } } = mm;
  const copy = frames.allocPages(0, FrameType.Anon);
  const state = { mapped: false };
  try {
    frames.copy(pfn, copy);
    let pte = pteMkdirty(arch, pteMkyoung(arch, pfnPte(arch, copy, vmPageProt(vma))));
    if (mayWrite(vma)) pte = pteMkwriteNovma(arch, pte);
    return finishFault(vmf, pte, () => {
      addNewAnonRmap(mm, copy, 1);
      state.mapped = true;
    });
  } finally {
    if (!state.mapped) frames.put(copy);
  }
}

/** `finish_fault()`: sets the entry if it is empty still. */
function finishFault<H extends HandleFamily>(vmf: VmFault<H>, pte: PteVal, account: () => void): FaultResult {
  const { mm, pmdp, address } = vmf;
  const { arch, context } = mm;
  pteAlloc(mm, pmdp, address);
  const table = pteOffsetMapLock(mm, pmdp, address);
  if (table === undefined) return RETRY;
  try {
    const { ptep } = table;
    if (!pteNone(arch, ptepGet(arch, ptep))) {
      arch.updateMmuCache?.(context, BigInt(address), 'pte', 1);
      return DONE;
    }
    account();
    setPteAt(arch, context, BigInt(address), ptep, pte);
    arch.updateMmuCache?.(context, BigInt(address), 'pte', 1);
    return DONE;
  } finally {
    pteUnmapUnlock(table);
  }
}
