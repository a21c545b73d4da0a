import {
  pmdLeaf, pmdPfn, pmdpGet, pmdpGetLockless, pmdPresent, pmdProtnone, pmdWrite, PgtableError, ptePfn, ptepGet, ptePresent, pteProtnone, pteWrite, type HandleFamily,
} from '@pgtable/core';
import { MAX_FAULTS, throwSignal } from '../access/user-fault.js';
import { handleMmFault } from '../faults/handle-mm-fault.js';
import { vmaPermits } from '../faults/vm-fault.js';
import { hugePmdBytes } from '../folio/huge.js';
import { FrameFlag } from '../frames/memmap.js';
import type { Mm } from '../kernel/mm.js';
import type { Vma } from '../kernel/vma.js';
import { pteOffsetMapLock, pteUnmapUnlock } from '../tables/pte-offset-map.js';
import { mmFindPmd } from '../tables/table-alloc.js';
import { pmdLock } from '../tables/table-locks.js';
import { gupFast } from './gup-fast.js';

/**
 * `get_user_pages_fast()`: references on the pages of a range of a process, so that they can be read or written without its tables: without locks as far as that goes, the rest with the mmap lock and faults.
 *
 * The reference keeps a page from being freed. It does not keep it mapped: munmap takes it away. A fork leaves a private page that was got to be written to the process, and gives the child a copy, as it does with pins
 * (FOLL_PIN). A page that was got to be read may be shared with others already: after a write the process has another one there (FOLL_GET).
 *
 * Locking: nothing may be held. Takes the mmap lock to read, and what faults take, if it must.
 *
 * @param address of the first page, page aligned
 * @param count pages
 * @param write the pages are to be written
 * @returns the frames' numbers, in order; fewer than asked for if a later page cannot be had. {@link putPages} gives them back
 * @throws UserFaultError if not even the first page can be had; PgtableError `EINVAL` for a range that is none, `ELOOP` if faults do not help
 * @see mm/gup.c, Linux 6.12
 */
export function getUserPagesFast<H extends HandleFamily>(mm: Mm<H>, address: number, count: number, write: boolean): number[] {
  if (!Number.isInteger(address / mm.pageBytes) || address < 0 || !Number.isInteger(count) || count < 1) {
    throw new PgtableError('EINVAL', `there are no ${count} pages from ${address} on`, { hint: `give a multiple of ${mm.pageBytes}, and a number from 1 on` });
  }
  const pages: number[] = [];
  try {
    if (gupFast(mm, address, count, write, pages) < count) getUserPages(mm, address, count, write, pages);
  } catch (error) {
    putPages(mm, pages);
    throw error;
  }
  return pages;
}

/**
 * `put_page()`, `unpin_user_pages_dirty_lock()`: gives references back.
 *
 * Locking: none.
 *
 * @param dirty the pages were written, not through an entry that would know
 */
export function putPages<H extends HandleFamily>(mm: Mm<H>, pages: readonly number[], dirty = false): void {
  const { frames } = mm.kernel;
  for (const pfn of pages) {
    if (dirty) frames.changeFlags(frames.head(pfn), FrameFlag.Dirty);
    frames.put(pfn);
  }
}

/** `__get_user_pages()`: the pages that are missing yet, with faults. */
function getUserPages<H extends HandleFamily>(mm: Mm<H>, start: number, count: number, write: boolean, pages: number[]): void {
  mm.lock.readLock();
  try {
    for (let faults = 0; pages.length < count;) {
      const address = start + pages.length * mm.pageBytes;
      const vma = mm.vmaLookup(address);
      if (vma === undefined || !vmaPermits(vma, { write })) {
        if (pages.length > 0) return;
        return throwSignal(mm, address, write, { kind: 'sigsegv' });
      }
      const pfn = followPage(vma, address, write);
      if (pfn !== undefined) {
        pages.push(pfn);
        faults = 0;
        continue;
      }
      const result = handleMmFault(vma, address, { write });
      if (result.kind !== 'done' && result.kind !== 'retry') {
        if (pages.length > 0) return;
        throwSignal(mm, address, write, result);
      }
      if (++faults > MAX_FAULTS) throw new PgtableError('ELOOP', `address space ${mm.id}: no page at 0x${BigInt(address).toString(16)} after ${MAX_FAULTS} faults`, { address: BigInt(address), hint: 'another thread takes the page away each time' });
    }
  } finally {
    mm.lock.readUnlock();
  }
}

/** `follow_page_mask()`: the page of an address with a reference; undefined if a fault is needed. Locking: the mmap lock. Takes the lock of the table. */
function followPage<H extends HandleFamily>(vma: Vma<H>, address: number, write: boolean): number | undefined {
  const { mm } = vma;
  const { arch, kernel: { frames } } = mm;
  const pmdp = mmFindPmd(mm, address);
  if (pmdp === undefined) return undefined;
  const seen = pmdpGetLockless(arch, pmdp);
  if (pmdPresent(arch, seen) && pmdLeaf(arch, seen)) {
    const ptl = pmdLock(mm, pmdp);
    try {
      const pmd = pmdpGet(arch, pmdp);
      if (!pmdPresent(arch, pmd) || !pmdLeaf(arch, pmd) || pmdProtnone(arch, pmd) || (write && !pmdWrite(arch, pmd))) return undefined;
      const pfn = pmdPfn(arch, pmd) + (address % hugePmdBytes(mm)) / mm.pageBytes;
      frames.get(pfn);
      return pfn;
    } finally {
      ptl.unlock();
    }
  }
  const table = pteOffsetMapLock(mm, pmdp, address);
  if (table === undefined) return undefined;
  try {
    const pte = ptepGet(arch, table.ptep);
    if (!ptePresent(arch, pte) || pteProtnone(arch, pte) || (write && !pteWrite(arch, pte))) return undefined;
    const pfn = ptePfn(arch, pte);
    if (mm.normalPage(vma, address, { level: 'pte', entry: table.ptep }, pte, pfn) === undefined) return throwSignal(mm, address, write, { kind: 'sigbus' });
    frames.get(pfn);
    return pfn;
  } finally {
    pteUnmapUnlock(table);
  }
}
