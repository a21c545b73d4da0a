import {
  isMigrationEntry, pmdNone, pmdpGetLockless, pteMkdirty, pteMkwriteNovma, pteMkyoung, pteModify, pteNone, ptePresent, pteProtnone, pteSame, ptepGet, ptepGetLockless, ptepModifyProtCommit,
  ptepModifyProtStart, ptepSetAccessFlags, pteToSwpEntry, pteWrite, type HandleFamily, type PteVal,
} from '@pgtable/core';
import { vmPageProt } from '../huge/huge-pmd.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import { pteOffsetMapRwNolock, pteUnmap, pteUnmapUnlock, type PteTable } from '../tables/pte-offset-map.js';
import { doAnonymousPage } from './anonymous.js';
import { doFault } from './file.js';
import { DONE, mayWrite, RETRY, SIGBUS, vmaIsAccessible, type FaultResult, type VmFault } from './vm-fault.js';
import { doWpPage } from './wp.js';

/** Why marks that were added are not flushed. */
const ALLOWS_LESS = 'a stale translation allows less than the entry: the access faults again, and finds the entry as it is';

/**
 * `handle_pte_fault()`: a fault that is not a huge page's.
 *
 * The entry is read without its lock, and what to do is decided by that value; under the lock it must be the same still (`pte_same`), in the table that the pmd entry points to still (`pmd_same`). If not, somebody
 * else was faster, and the access is repeated.
 *
 * Locking: the VMA's lock or the mmap lock, to read. Takes the PTE table's lock.
 *
 * @returns as {@link handleMmFault}, but for `sigsegv`
 * @throws PgtableError `ENOMEM`
 * @see mm/memory.c, Linux 6.12; the table is mapped as 6.13 does
 */
export function handlePteFault<H extends HandleFamily>(vmf: VmFault<H>): FaultResult {
  const { mm, vma, pmdp, address } = vmf;
  const { arch } = mm;
  if (pmdNone(arch, pmdpGetLockless(arch, pmdp))) return doPteMissing(vmf);
  const table = pteOffsetMapRwNolock(mm, pmdp, address);
  if (table === undefined) return RETRY;
  let pte: PteVal;
  try {
    pte = ptepGetLockless(arch, table.ptep);
  } catch (error) {
    pteUnmap(table);
    throw error;
  }
  if (pteNone(arch, pte)) {
    pteUnmap(table);
    return doPteMissing(vmf);
  }
  if (!ptePresent(arch, pte)) {
    pteUnmap(table);
    // A page that moves is somewhere soon. Nothing else is swapped here.
    return isMigrationEntry(pteToSwpEntry(arch, pte)) ? RETRY : SIGBUS;
  }
  if (pteProtnone(arch, pte) && !vmaIsAccessible(vma)) {
    pteUnmap(table);
    return DONE;
  }
  let unchanged = false;
  try {
    table.lock();
    unchanged = table.unchanged();
  } finally {
    if (!unchanged) pteUnmapUnlock(table);
  }
  if (!unchanged) return RETRY;
  if (!pteSame(arch, ptepGet(arch, table.ptep), pte)) {
    arch.updateMmuCache?.(mm.context, BigInt(address), 'pte', 1);
    pteUnmapUnlock(table);
    return DONE;
  }
  // From here on the lock is that function's.
  if (vmf.write && !pteWrite(arch, pte) && !pteProtnone(arch, pte)) return doWpPage(vmf, table, pte);
  try {
    if (pteProtnone(arch, pte)) doNumaPage(vmf, table);
    else makeYoung(vmf, table, pte);
    return DONE;
  } finally {
    pteUnmapUnlock(table);
  }
}

/** `do_pte_missing()`: nothing is mapped. */
function doPteMissing<H extends HandleFamily>(vmf: VmFault<H>): FaultResult {
  if (!vmf.vma.anonymous) return doFault(vmf);
  // What has no struct page was mapped by its driver, all of it.
  return (vmf.vma.flags & VmaFlags.PfnMap) === 0 ? doAnonymousPage(vmf) : SIGBUS;
}

/** The end of `handle_pte_fault()`: a fault that wants marks, or nothing: then it came of a translation that was cached. */
function makeYoung<H extends HandleFamily>({ mm, address, write }: VmFault<H>, { ptep }: PteTable<H>, pte: PteVal): void {
  const { arch, context } = mm;
  const marked = pteMkyoung(arch, write ? pteMkdirty(arch, pte) : pte);
  ptepSetAccessFlags(arch, context, BigInt(address), ptep, marked).ignore(ALLOWS_LESS);
  arch.updateMmuCache?.(context, BigInt(address), 'pte', 1);
}

/** `do_numa_page()`, where no page moves: the entry that nobody might use becomes what the VMA says. */
function doNumaPage<H extends HandleFamily>({ mm, vma, address }: VmFault<H>, { ptep }: PteTable<H>): void {
  const { arch, context } = mm;
  const old = ptepModifyProtStart(arch, context, BigInt(address), ptep);
  let pte = pteMkyoung(arch, pteModify(arch, old, vmPageProt(vma)));
  if (pteWrite(arch, old) && mayWrite(vma)) pte = pteMkwriteNovma(arch, pte);
  ptepModifyProtCommit(arch, context, BigInt(address), ptep, old, pte).ignore('nobody could use the entry before');
  arch.updateMmuCache?.(context, BigInt(address), 'pte', 1);
}
