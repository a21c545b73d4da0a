import {
  geometryOf, isMigrationEntry, isReadableMigrationEntry, makeReadableMigrationEntry, pmdLeaf, pmdNone, pmdpGetLockless, pmdPresent, pteSwpClearExclusive, pteSwpExclusive, pteSwpMksoftDirty, pteSwpMkuffdWp, pteSwpSoftDirty,
  pteSwpUffdWp, pteToSwpEntry, swpEntryToPte, type HandleFamily, type PteVal,
} from '@pgtable/core';
import { FrameType } from '../frames/memmap.js';
import { addNewAnonRmap, dupRmap, isAnon } from '../folio/rmap.js';
import { vmPageProt } from '../huge/huge-pmd.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import type { Mm } from '../kernel/mm.js';
import type { Vma } from '../kernel/vma.js';
import type { TableGather } from '../tables/gather.js';
import { pteOffsetMapLock, pteOffsetMapRoNolock, pteUnmap, pteUnmapUnlock } from '../tables/pte-offset-map.js';
import { mmAllocPmd, pteAlloc } from '../tables/table-alloc.js';
import { forEachPmd } from '../zap/pmd-range.js';
import { pagesLeftInFolio, vmNormalPage } from '../zap/folio-run.js';
import { copyHugePmd } from './copy-huge-pmd.js';
import { folioMaybePinned, isCowMapping } from './cow.js';

/** A copy from one VMA to another at the same addresses. */
interface Copy<H extends HandleFamily> {
  /** Of the source. */
  readonly flushes: TableGather<H>;
  readonly to: Vma<H>;
  readonly from: Vma<H>;
  /** `prealloc`: a frame for a page that is copied at once, allocated where no lock is held. */
  spare: number | undefined;
}

/**
 * `copy_page_range()`: the child's entries of a VMA are what the parent's are. Pages that would be copied when they are written are made read-only in both, in batches.
 *
 * Locking: the mmap locks of both to write, both VMAs write-locked. Takes the locks of the child's tables, and inside of them, nested, those of the parent's: since both mmap locks are held to write,
 * nobody takes two locks of these tables the other way round.
 *
 * @param flushes what the parent owes: finish it before its mmap lock is released
 * @param to the child's VMA, which maps nothing yet
 * @throws PgtableError `ENOMEM` with what was copied until then in place
 * @see mm/memory.c, Linux 6.12
 */
export function copyPageRange<H extends HandleFamily>(flushes: TableGather<H>, to: Vma<H>, from: Vma<H>): void {
  if (!vmaNeedsCopy(from)) return;
  const copy: Copy<H> = { flushes, to, from, spare: undefined };
  const cow = isCowMapping(from);
  // GUP-fast takes no lock: it may take a reference after it was looked whether somebody has one, and before the entry is read-only. So it sees by this that a fork is there, and gives the reference back.
  if (cow) from.mm.advanceWriteProtect();
  try {
    forEachPmd(from.mm, from.start, from.end, (pmdp, address, next) => { copyPmd(copy, pmdp, address, next); });
  } finally {
    if (cow) from.mm.advanceWriteProtect();
    if (copy.spare !== undefined) from.mm.kernel.frames.put(copy.spare);
  }
}

/**
 * `vma_needs_copy()`: not where a fault fills in the same again: shared memory of files, and private that is never written. The kernel knows of private memory of files whether any page was copied (`anon_vma`); here it is copied if that may be.
 */
function vmaNeedsCopy<H extends HandleFamily>(vma: Vma<H>): boolean {
  return vma.anonymous || isCowMapping(vma) || (vma.flags & (VmaFlags.PfnMap | VmaFlags.MixedMap)) !== 0;
}

/** One round of `copy_pmd_range()`. */
function copyPmd<H extends HandleFamily>(copy: Copy<H>, pmdp: H['pmd'], address: number, end: number): void {
  const { arch } = copy.from.mm;
  for (;;) {
    const pmd = pmdpGetLockless(arch, pmdp);
    if (pmdNone(arch, pmd)) return;
    const childPmdp = mmAllocPmd(copy.to.mm, address);
    if (!pmdPresent(arch, pmd) || pmdLeaf(arch, pmd)) {
      // Who splits VMAs splits their huge pages, so that none is in two.
      if (end - address !== 2 ** geometryOf(arch.geometry, 'pmd').shift) copy.from.mm.splitHuge(copy.from, { level: 'pmd', entry: pmdp }, address);
      else if (copyHugePmd(copy.flushes, copy.to, copy.from, childPmdp, pmdp, address)) return;
    } else {
      pteAlloc(copy.to.mm, childPmdp, address);
      if (copyPteRange(copy, childPmdp, pmdp, address, end)) return;
    }
  }
}

/** `copy_pte_range()`. Returns: whether there was a page table to be copied. */
function copyPteRange<H extends HandleFamily>(copy: Copy<H>, childPmdp: H['pmd'], pmdp: H['pmd'], start: number, end: number): boolean {
  const { mm } = copy.from;
  for (let address = start; ;) {
    const child = pteOffsetMapLock(copy.to.mm, childPmdp, address);
    if (child === undefined) return false;
    const parent = pteOffsetMapRoNolock(mm, pmdp, address);
    if (parent === undefined) {
      pteUnmapUnlock(child);
      return false;
    }
    const ptl = parent.ptl.lockNested();
    try {
      address = copyPtes(copy, child.ptep, parent.ptep, address, end);
    } finally {
      ptl.unlock();
      pteUnmap(parent);
      pteUnmapUnlock(child);
    }
    if (address === end) return true;
    copy.spare = mm.kernel.frames.allocPages(0, FrameType.Anon);
  }
}

/** Copies entries until the end, or until a frame is needed that is not there yet. Returns the address of the first that was not copied. */
function copyPtes<H extends HandleFamily>(copy: Copy<H>, childPtep: H['pte'], ptep: H['pte'], start: number, end: number): number {
  const { mm } = copy.from;
  const { pageBytes, arch: { ops: { pte: ops }, values: { pte: values } } } = mm;
  const max = (end - start) / pageBytes;
  for (let done = 0; done < max;) {
    const entry = ops.advance(ptep, done);
    const pte = ops.get(entry);
    if (values.none(pte)) {
      done++;
      continue;
    }
    const copied = values.present(pte)
      ? copyPresentPtes(copy, ops.advance(childPtep, done), entry, pte, start + done * pageBytes, max - done)
      : copyNonpresentPte(copy, ops.advance(childPtep, done), entry, pte, start + done * pageBytes);
    if (copied === 0) return start + done * pageBytes;
    done += copied;
  }
  return end;
}

/** `copy_present_ptes()`. Returns how many entries were copied; 0: a page must be copied, and there is no frame for it. */
function copyPresentPtes<H extends HandleFamily>(copy: Copy<H>, childPtep: H['pte'], ptep: H['pte'], pte: PteVal, address: number, max: number): number {
  const { from, to } = copy;
  const { mm } = from;
  const { ops: { pte: ops } } = mm.arch;
  const pfn = vmNormalPage(mm, from, address, ptep, pte);
  if (pfn === undefined) {
    copyEntries(copy, childPtep, ptep, pte, address, 1);
    return 1;
  }
  const anon = isAnon(mm, pfn);
  if (anon && folioMaybePinned(mm, pfn)) return copyPresentPage(copy, childPtep, pfn, address);
  const limit = Math.min(max, pagesLeftInFolio(mm, pfn));
  const batch = limit === 1 ? 1 : ops.batch(ptep, pte, limit, { dirty: (from.flags & VmaFlags.Shared) !== 0 });
  // A page behind the first may be exclusive, and pinned, though the first is not: then one goes after the other.
  const count = batch > 1 && anon && folioMaybePinned(mm, pfn, batch) ? 1 : batch;
  dupRmap(to.mm, pfn, count);
  copyEntries(copy, childPtep, ptep, pte, address, count);
  return count;
}

/** `__copy_present_ptes()`. */
function copyEntries<H extends HandleFamily>({ flushes, from, to }: Copy<H>, childPtep: H['pte'], ptep: H['pte'], pte: PteVal, address: number, count: number): void {
  const { arch: { ops: { pte: ops }, values: { pte: values } }, context } = from.mm;
  const at = BigInt(address);
  let value = pte;
  // Of a batch any entry may be writable.
  if (isCowMapping(from) && (count > 1 || values.write(pte))) {
    ops.wrprotect(context, at, ptep, count).gather(flushes);
    value = values.wrprotect(value);
  }
  if ((from.flags & VmaFlags.Shared) !== 0) value = values.mkclean(value);
  // What userfaultfd protects is not inherited: the child's VMA is registered with nobody, so nobody would take the mark away again.
  ops.set(to.mm.context, at, childPtep, values.mkold(values.clearUffdWp(value)), count);
}

/** `copy_present_page()`: somebody may write to the page through a pin, so the child gets a page of its own at once, and the parent keeps this one as it is. Returns how many entries were copied: 1 or 0. */
function copyPresentPage<H extends HandleFamily>(copy: Copy<H>, childPtep: H['pte'], pfn: number, address: number): number {
  const { to, spare } = copy;
  if (spare === undefined) return 0;
  copy.spare = undefined;
  const mm: Mm<H> = to.mm;
  const { arch: { ops: { pte: ops }, values: { pte: values } } } = mm;
  mm.kernel.frames.copy(pfn, spare, 1);
  addNewAnonRmap(mm, spare, 1);
  const value = values.mkdirty(values.mkyoung(values.ofPfn(spare, vmPageProt(to))));
  ops.set(mm.context, BigInt(address), childPtep, (to.flags & VmaFlags.Write) === 0 ? value : values.mkwrite(value), 1);
  return 1;
}

/**
 * `copy_nonpresent_pte()`: swap entries lose their exclusive mark, in both, and the child's that of userfaultfd. Of private memory the entry of a page that migrates allows reads alone from here on, in both, as that of a page
 * that is there does. Returns 1.
 */
function copyNonpresentPte<H extends HandleFamily>({ from, to }: Copy<H>, childPtep: H['pte'], ptep: H['pte'], pte: PteVal, address: number): number {
  const { arch: { ops: { pte: ops }, values: { pte: values } }, context } = from.mm;
  const at = BigInt(address);
  const shared = sharedSwap(from, pte);
  if (shared !== pte) ops.set(context, at, ptep, shared, 1);
  ops.set(to.mm.context, at, childPtep, values.swpClearUffdWp(shared), 1);
  return 1;
}

/** What a swap entry is that two address spaces have. */
function sharedSwap<H extends HandleFamily>(vma: Vma<H>, pte: PteVal): PteVal {
  const { arch } = vma.mm;
  const entry = pteToSwpEntry(arch, pte);
  if (!isMigrationEntry(entry)) return pteSwpExclusive(arch, pte) ? pteSwpClearExclusive(arch, pte) : pte;
  return isReadableMigrationEntry(entry) || !isCowMapping(vma) ? pte : withMarksOf(arch, swpEntryToPte(arch, makeReadableMigrationEntry(entry.offset)), pte);
}

/** A swap entry with the marks of another: soft-dirty, userfaultfd's. */
function withMarksOf<H extends HandleFamily>(arch: Mm<H>['arch'], value: PteVal, pte: PteVal): PteVal {
  const dirty = pteSwpSoftDirty(arch, pte) ? pteSwpMksoftDirty(arch, value) : value;
  return pteSwpUffdWp(arch, pte) ? pteSwpMkuffdWp(arch, dirty) : dirty;
}
