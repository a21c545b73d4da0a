import { EntryKind, geometryOf, pmdpGetOnce, pteOffset, ScanBuffer, scanFilter, type HandleFamily } from '@pgtable/core';
import { hugePmdBytes, hugePmdOrder } from '../folio/huge.js';
import type { Mapping } from '../kernel/mapping.js';
import type { Mm } from '../kernel/mm.js';
import type { Vma } from '../kernel/vma.js';
import { pteFreeDefer } from '../tables/gather.js';
import { pmdLock, pteLockptr } from '../tables/table-locks.js';
import { collapseFlush, type DetachedTable } from './detached-table.js';
import { findPmdOrThpOrNone, pmdState } from './revalidate.js';

/**
 * `retract_page_tables()`: takes the PTE tables out of all address spaces that map a huge page of a file, if they are empty, so that the next fault can map the page by a pmd entry.
 *
 * No mmap lock is taken: of a hundred processes that map a library one would always have it. So all that a fault does goes on meanwhile; that is what pteOffsetMap() may fail for.
 *
 * A table with an entry in it stays. The kernel leaves out VMAs with an anon_vma, that is private mappings that were ever written to: their tables may have pages of their own. VMAs of this model know
 * nothing of that, so the table is looked at, under its lock; which also finds what userfaultfd could have put there.
 *
 * Locking: takes the mapping's lock to read, and the locks of both tables. The folio is locked, so that no more of it is mapped by faults that lock it.
 *
 * @param pgoff the first page of the file that the huge page has
 * @returns how many tables went
 * @see mm/khugepaged.c, Linux 6.12
 */
export function retractPageTables<H extends HandleFamily>(mapping: Mapping<H>, pgoff: number): number {
  let retracted = 0;
  // The list of VMAs stays, and with it the page tables of each: who frees tables takes its VMAs out of here first.
  mapping.lockRead();
  try {
    for (const vma of mapping.vmas(pgoff, pgoff + 1)) if (retractOf(vma, pgoff)) retracted++;
  } finally {
    mapping.unlockRead();
  }
  return retracted;
}

function retractOf<H extends HandleFamily>(vma: Vma<H>, pgoff: number): boolean {
  const { mm } = vma;
  if (hugePmdOrder(mm) === undefined) return false;
  const bytes = hugePmdBytes(mm);
  const address = vma.start + (pgoff - vma.pgoff) * mm.pageBytes;
  // Mapped so that no pmd entry can map it.
  if (address % bytes !== 0 || vma.end < address + bytes) return false;
  // Without any lock, to spare the locks where there is nothing to do.
  const { pmdp, result } = findPmdOrThpOrNone(mm, address);
  if (pmdp === undefined || result !== 'succeed') return false;
  // Exit is about to free all tables: it does not need help, and only waits for the list.
  if (mm.users === 0) return false;
  const detached = takeOut(mm, pmdp, address);
  if (detached === undefined) return false;
  // After a grace period: a fault may have mapped the table by pteOffsetMap() a moment ago, and be about to take its lock.
  pteFreeDefer(mm, detached.table);
  return true;
}

/** Takes a table out if it is empty. */
function takeOut<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd'], address: number): DetachedTable<H> | undefined {
  const { arch } = mm;
  // The entry is changed under the first lock; the second keeps out who has the table already. Who was faster with either has changed what was seen above: another collapse, say, that took the
  // table out, so that there is none, or a fault, that put a huge page here.
  const pml = pmdLock(mm, pmdp);
  try {
    if (pmdState(mm, pmdp) !== 'succeed') return undefined;
    const ptl = pteLockptr(mm, pmdpGetOnce(arch, pmdp));
    const same = ptl.is(pml);
    // Of a class of its own, which comes after that of PMD tables: so this is not the second of one kind, as it is in the kernel (SINGLE_DEPTH_NESTING).
    if (!same) ptl.lock();
    try {
      // Only with the table's lock is this an answer that lasts. Without this a page that was written to would go with its table.
      return isEmptyTable(mm, pmdp, address) ? collapseFlush(mm, address, pmdp) : undefined;
    } finally {
      if (!same) ptl.unlock();
    }
  } finally {
    pml.unlock();
  }
}

/** Whether all entries of the table below a pmd entry are empty, as the architecture says: s390's are not 0. Locking: the table's lock. */
function isEmptyTable<H extends HandleFamily>({ arch }: Mm<H>, pmdp: H['pmd'], address: number): boolean {
  const { entries } = geometryOf(arch.geometry, 'pte');
  const first = pteOffset(arch, pmdp, BigInt(address));
  const scan = new ScanBuffer(1);
  return first !== undefined && arch.ops.pte.scan(first, 0, entries, scanFilter(false), scan) === entries && scan.kind[0] === EntryKind.None;
}
