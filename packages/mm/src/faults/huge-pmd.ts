import {
  pmdLeaf, pmdMkdirty, pmdMkwriteNovma, pmdMkyoung, pmdModify, pmdNone, pmdPfn, pmdpGet, pmdpGetLockless, pmdpSetAccessFlags, pmdPresent, pmdProtnone, pmdSame, pmdToSwpEntry,
  pmdWrite, isMigrationEntry, setPmdAt, type HandleFamily, type PmdVal, type UnlinkedTable,
} from '@pgtable/core';
import { hugePmdBytes, hugePmdOrder } from '../folio/huge.js';
import { addNewAnonRmap, isAnon, isAnonExclusive, setAnonExclusive } from '../folio/rmap.js';
import { FrameType, FrameWord } from '../frames/memmap.js';
import { mkHugePmd, vmPageProt } from '../huge/huge-pmd.js';
import { tryAlloc } from '../kernel/try-alloc.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import { pmdLock } from '../tables/table-locks.js';
import { depositNew } from '../zap/deposits.js';
import { hugePolicyOf, isEligible, suitable } from './policy.js';
import { DONE, mayWrite, RETRY, SIGBUS, vmaIsAccessible, type FaultResult, type VmFault } from './vm-fault.js';
import { markDirty } from './wp.js';

/**
 * The part of `__handle_mm_fault()` about pmd entries: makes a huge page where one may be, and handles faults of the one that is there.
 *
 * Locking: the VMA's lock or the mmap lock, to read. Takes the PMD table's lock.
 *
 * @returns undefined if the fault is one of a pte
 * @throws PgtableError `ENOMEM`
 * @see mm/memory.c, Linux 6.12
 */
export function handleHugePmdFault<H extends HandleFamily>(vmf: VmFault<H>): FaultResult | undefined {
  const { mm, vma, pmdp } = vmf;
  const { arch } = mm;
  const pmd = pmdpGetLockless(arch, pmdp);
  if (pmdNone(arch, pmd)) {
    const able = vma.anonymous && (vma.flags & (VmaFlags.Shared | VmaFlags.PfnMap)) === 0 && hugePmdOrder(mm) !== undefined;
    return able && isEligible(vma, hugePolicyOf(mm.kernel).pmd) ? doHugePmdAnonymousPage(vmf) : undefined;
  }
  if (!pmdPresent(arch, pmd)) return isMigrationEntry(pmdToSwpEntry(arch, pmd)) ? RETRY : SIGBUS;
  if (!pmdLeaf(arch, pmd)) return undefined;
  if (pmdProtnone(arch, pmd)) {
    if (vmaIsAccessible(vma)) ifUnchanged(vmf, pmd, () => { doHugePmdNumaPage(vmf, pmd); });
    return DONE;
  }
  if (vmf.write && !pmdWrite(arch, pmd)) return doHugePmdWpPage(vmf, pmd);
  ifUnchanged(vmf, pmd, () => { hugePmdSetAccessed(vmf, pmd); });
  return DONE;
}

/**
 * `do_huge_pmd_anonymous_page()`: a new huge page of zeros, mapped by one pmd entry. A PTE table is put aside with it (`pgtable_trans_huge_deposit`), so that the page can be split without memory. (Reads get
 * one too: there is no huge zero page here, as in a kernel with `use_zero_page` off.)
 *
 * Locking: as {@link handleHugePmdFault}.
 *
 * @returns undefined if small pages are to be mapped: the huge page would not lie inside of the VMA, or there is no block
 * @throws PgtableError `ENOMEM` if there is no PTE table to put aside
 * @see mm/huge_memory.c, Linux 6.12
 */
export function doHugePmdAnonymousPage<H extends HandleFamily>(vmf: VmFault<H>): FaultResult | undefined {
  const { mm, vma, pmdp } = vmf;
  const { arch, context, kernel: { frames, pageTables } } = mm;
  const order = hugePmdOrder(mm);
  const bytes = hugePmdBytes(mm);
  if (order === undefined || !suitable(vma, vmf.address, bytes)) return undefined;
  const pfn = tryAlloc(() => frames.allocPages(order, FrameType.Anon));
  if (pfn === undefined) return undefined;
  const start = Math.floor(vmf.address / bytes) * bytes;
  let table: UnlinkedTable<H, 'pte'> | undefined;
  let mapped = false;
  try {
    table = pageTables.alloc(arch, mm, 'pte');
    const first = (pfn - frames.firstPfn) * frames.pageBytes / 4;
    frames.ram.fill(0, first, first + bytes / 4);
    const ptl = pmdLock(mm, pmdp);
    try {
      if (!pmdNone(arch, pmdpGet(arch, pmdp))) return DONE;
      let pmd = mkHugePmd(vma, pfn);
      if (mayWrite(vma)) pmd = pmdMkwriteNovma(arch, pmdMkdirty(arch, pmd));
      addNewAnonRmap(mm, pfn, 2 ** order, true);
      mapped = true;
      depositNew(mm, pmdp, table);
      setPmdAt(arch, context, BigInt(start), pmdp, pmd);
      arch.updateMmuCache?.(context, BigInt(start), 'pmd', 1);
      return DONE;
    } finally {
      ptl.unlock();
    }
  } finally {
    if (!mapped) {
      if (table !== undefined) pageTables.free(table.address);
      frames.put(pfn);
    }
  }
}

/**
 * `do_huge_pmd_wp_page()`, `wp_huge_pmd()`: a write to a huge page that is mapped read-only. If nobody else has it, it becomes writable. If not it is split, and the one small page is copied.
 *
 * Locking: as {@link handleHugePmdFault}.
 *
 * @param pmd what the entry was
 * @returns undefined if it was split: the fault goes on with the pte
 * @see mm/huge_memory.c, Linux 6.12
 */
export function doHugePmdWpPage<H extends HandleFamily>(vmf: VmFault<H>, pmd: PmdVal): FaultResult | undefined {
  const { mm, vma, pmdp } = vmf;
  const { arch } = mm;
  const bytes = hugePmdBytes(mm);
  if (vma.anonymous) {
    const reused = ifUnchanged(vmf, pmd, () => {
      const page = pmdPfn(arch, pmd);
      if (!isAnon(mm, page) || !(isAnonExclusive(mm, page) || mm.kernel.frames.read(page, FrameWord.Refcount) === 1)) return false;
      setAnonExclusive(mm, page, true);
      setHugeFlags(vmf, pmdMkdirty(arch, pmd), mayWrite(vma));
      return true;
    });
    if (reused !== false) return DONE;
  }
  // Pages of files are write-protected, or copied, by their ptes.
  mm.splitHuge(vma, { level: 'pmd', entry: pmdp }, Math.floor(vmf.address / bytes) * bytes);
  return undefined;
}

/** `huge_pmd_set_accessed()`. */
function hugePmdSetAccessed<H extends HandleFamily>(vmf: VmFault<H>, pmd: PmdVal): void {
  const { mm } = vmf;
  if (vmf.write && !isAnon(mm, pmdPfn(mm.arch, pmd))) markDirty(mm, pmdPfn(mm.arch, pmd));
  setHugeFlags(vmf, vmf.write ? pmdMkdirty(mm.arch, pmd) : pmd, false);
}

function setHugeFlags<H extends HandleFamily>({ mm, pmdp, address }: VmFault<H>, pmd: PmdVal, writable: boolean): void {
  const { arch, context } = mm;
  const bytes = hugePmdBytes(mm);
  const start = BigInt(Math.floor(address / bytes) * bytes);
  const young = pmdMkyoung(arch, pmd);
  pmdpSetAccessFlags(arch, context, start, pmdp, writable ? pmdMkwriteNovma(arch, young) : young).ignore('a stale translation allows less than the entry: the access faults again, and finds the entry as it is');
  arch.updateMmuCache?.(context, start, 'pmd', 1);
}

/** `do_huge_pmd_numa_page()`, where no page moves: the entry that nobody might use becomes what the VMA says. */
function doHugePmdNumaPage<H extends HandleFamily>({ mm, vma, pmdp, address }: VmFault<H>, old: PmdVal): void {
  const { arch, context } = mm;
  const bytes = hugePmdBytes(mm);
  const start = BigInt(Math.floor(address / bytes) * bytes);
  let pmd = pmdMkyoung(arch, pmdModify(arch, old, vmPageProt(vma)));
  if (pmdWrite(arch, old) && mayWrite(vma)) pmd = pmdMkwriteNovma(arch, pmd);
  setPmdAt(arch, context, start, pmdp, pmd);
  arch.updateMmuCache?.(context, start, 'pmd', 1);
}

/**
 * Does something under the lock of the PMD table if the entry is the same still.
 *
 * @returns what that returned; undefined if the entry is another: somebody else was faster, and the access is repeated
 */
function ifUnchanged<H extends HandleFamily, T>({ mm, pmdp }: VmFault<H>, pmd: PmdVal, change: () => T): T | undefined {
  const ptl = pmdLock(mm, pmdp);
  try {
    return pmdSame(mm.arch, pmdpGet(mm.arch, pmdp), pmd) ? change() : undefined;
  } finally {
    ptl.unlock();
  }
}
