import {
  geometryOf, isSwapPte, isWritableMigrationEntry, makeReadableExclusiveMigrationEntry, makeReadableMigrationEntry, pmdLeaf, pmdNone, pmdpGetLockless, pmdpInvalidate, pmdPresent, pteSwpMksoftDirty, pteSwpSoftDirty,
  pteToSwpEntry, swpEntryToPte, type EntryVal, type EntryValues, type HandleFamily, type PmdVal, type Prot, type PteVal,
} from '@pgtable/core';
import { isAnon, isAnonExclusive } from '../folio/rmap.js';
import type { Mm } from '../kernel/mm.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import type { Vma } from '../kernel/vma.js';
import type { TableGather } from '../tables/gather.js';
import { pteOffsetMapLock, pteUnmapUnlock } from '../tables/pte-offset-map.js';
import { pmdLock } from '../tables/table-locks.js';
import { vmNormalPage } from '../zap/folio-run.js';
import { endOfEntry, forEachPmd } from '../zap/pmd-range.js';

/**
 * `change_protection_range()`: gives all present entries of a part of a VMA other rights, and those of pages that migrate none to write. Each is taken from the hardware while it is changed, so that no young or dirty mark is lost.
 *
 * A private page that is this address space's alone becomes writable at once where the VMA is (MM_CP_TRY_CHANGE_WRITABLE); any other waits for the fault.
 *
 * Locking: the mmap lock to write, and the VMA write-locked. Takes the locks of the tables.
 *
 * @param gather gets the flushes: finish it before the mmap lock is released
 * @param prot what entries of the VMA allow from now on
 * @see mm/mprotect.c, Linux 6.12
 */
export function changeProtectionRange<H extends HandleFamily>(gather: TableGather<H>, vma: Vma<H>, prot: Prot, start = vma.start, end = vma.end): void {
  const mm = gather.of;
  vma.lock.assertWriteLocked('change the protection of pages');
  forEachPmd(mm, start, end, (pmdp, address, next) => { changePmdRange(gather, vma, pmdp, address, next, prot); });
}

/** One round of `change_pmd_range()`. */
function changePmdRange<H extends HandleFamily>(gather: TableGather<H>, vma: Vma<H>, pmdp: H['pmd'], address: number, end: number, prot: Prot): void {
  const mm = gather.of;
  const { arch } = mm;
  for (;;) {
    const pmd = pmdpGetLockless(arch, pmdp);
    if (pmdNone(arch, pmd)) return;
    if (!pmdPresent(arch, pmd) || pmdLeaf(arch, pmd)) {
      if (!pmdPresent(arch, pmd) || end - address !== 2 ** geometryOf(arch.geometry, 'pmd').shift) mm.splitHuge(vma, { level: 'pmd', entry: pmdp }, address);
      else if (changeHugePmd(gather, vma, pmdp, address, prot)) return;
      // Split, or somebody else was faster: what is there now?
    } else if (changePteRange(gather, vma, pmdp, address, end, prot)) return;
  }
}

/** `change_pte_range()`. Returns: whether there was a page table. */
function changePteRange<H extends HandleFamily>(gather: TableGather<H>, vma: Vma<H>, pmdp: H['pmd'], address: number, end: number, prot: Prot): boolean {
  const mm = gather.of;
  const table = pteOffsetMapLock(mm, pmdp, address);
  if (table === undefined) return false;
  try {
    const { pageBytes, context, arch: { ops: { pte: ops }, values: { pte: values } } } = mm;
    const upgrade = wantsWriteUpgrade(vma);
    const count = (Math.min(end, endOfEntry(mm, 'pmd', address)) - address) / pageBytes;
    for (let done = 0; done < count; done++) {
      const ptep = ops.advance(table.ptep, done);
      const at = address + done * pageBytes;
      const there = ops.get(ptep);
      if (!values.present(there)) {
        const readable = withoutWrite(mm, ptep, there);
        if (readable !== there) ops.set(context, BigInt(at), ptep, readable, 1);
        continue;
      }
      const old = ops.modifyProtStart(context, BigInt(at), ptep);
      const changed = values.modify(old, prot);
      const value = upgrade && canChangePteWritable(mm, vma, at, ptep, changed) ? values.mkwrite(changed) : changed;
      ops.modifyProtCommit(context, BigInt(at), ptep, old, value).gather(gather);
    }
    return true;
  } finally {
    pteUnmapUnlock(table);
  }
}

/** The entry of a page that migrates and might have been written afterwards: now it may be read, and who writes faults, and finds what the VMA says. Anything else stays as it is. */
function withoutWrite<H extends HandleFamily>(mm: Mm<H>, ptep: H['pte'], pte: PteVal): PteVal {
  const { arch, kernel: { frames } } = mm;
  if (!isSwapPte(arch, pte)) return pte;
  const entry = pteToSwpEntry(arch, pte);
  if (!isWritableMigrationEntry(entry)) return pte;
  const pfn = mm.migratingPfn({ level: 'pte', entry: ptep }, pte) ?? 0;
  const anon = pfn >= frames.firstPfn && pfn < frames.firstPfn + frames.count && isAnon(mm, pfn);
  const readable = swpEntryToPte(arch, anon ? makeReadableExclusiveMigrationEntry(entry.offset) : makeReadableMigrationEntry(entry.offset));
  return pteSwpSoftDirty(arch, pte) ? pteSwpMksoftDirty(arch, readable) : readable;
}

/** `change_huge_pmd()`. Returns: whether there was a huge page, when the lock was taken. */
function changeHugePmd<H extends HandleFamily>(gather: TableGather<H>, vma: Vma<H>, pmdp: H['pmd'], address: number, prot: Prot): boolean {
  const mm = gather.of;
  const { arch, context } = mm;
  const { ops: { pmd: ops }, values: { pmd: values } } = arch;
  const ptl = pmdLock(mm, pmdp);
  try {
    const pmd = ops.get(pmdp);
    if (!values.present(pmd) || !values.leaf(pmd)) return false;
    // Invalid while it is changed, and flushed: a huge page never becomes empty on the way, or a fault would put a table there.
    const old = pmdpInvalidate(arch, context, BigInt(address), pmdp);
    const changed = values.modify(old, prot);
    const writable = wantsWriteUpgrade(vma) && canChangePmdWritable(mm, vma, address, pmdp, changed);
    ops.set(context, BigInt(address), pmdp, writable ? values.mkwrite(changed) : changed, 1);
    return true;
  } finally {
    ptl.unlock();
  }
}

/** `vma_wants_manual_pte_write_upgrade()`: of shared memory the rights of the VMA say all. */
function wantsWriteUpgrade<H extends HandleFamily>({ flags }: Vma<H>): boolean {
  return (flags & VmaFlags.Write) !== 0 && (flags & VmaFlags.Shared) === 0;
}

/** `can_change_pte_writable()`, of private memory: no other entry maps the page, so a fault would do nothing but this. */
function canChangePteWritable<H extends HandleFamily>(mm: Mm<H>, vma: Vma<H>, address: number, ptep: H['pte'], pte: PteVal): boolean {
  if (!mayBecomeWritable(vma, mm.arch.values.pte, pte)) return false;
  const pfn = vmNormalPage(mm, vma, address, ptep, pte);
  return pfn !== undefined && isAnon(mm, pfn) && isAnonExclusive(mm, pfn);
}

/** `can_change_pmd_writable()`, of private memory: {@link canChangePteWritable} of a huge page. */
function canChangePmdWritable<H extends HandleFamily>(mm: Mm<H>, vma: Vma<H>, address: number, pmdp: H['pmd'], pmd: PmdVal): boolean {
  const { values: { pmd: values } } = mm.arch;
  if (!mayBecomeWritable(vma, values, pmd)) return false;
  const pfn = values.pfn(pmd);
  return mm.normalPage(vma, address, { level: 'pmd', entry: pmdp }, pmd, pfn) === 'page' && isAnon(mm, pfn) && isAnonExclusive(mm, pfn);
}

/**
 * The first half of both: whether a write need not be seen by a fault. One to what userfaultfd protects must be, and so must the first to a page that is not soft-dirty, unless all of the VMA is
 * (`pte_needs_soft_dirty_wp()`, mm/internal.h).
 */
function mayBecomeWritable<H extends HandleFamily, L extends 'pte' | 'pmd'>({ flags }: Vma<H>, values: EntryValues<L>, value: EntryVal<L>): boolean {
  if (values.write(value) || values.protnone(value) || values.uffdWp(value)) return false;
  return !values.features.has('softDirty') || (flags & VmaFlags.SoftDirty) !== 0 || values.softDirty(value);
}
