import {
  isSwapPmd, pfnPte, pmdDirty, pmdLeaf, pmdPfn, pmdPopulate, pmdpGetOnce, pmdpHugeClearFlush, pmdpInvalidate, pmdPresent, pmdSoftDirty, pmdUffdWp, pmdWrite, pmdYoung,
  PgtableError, pteMkdirty, pteMkold, pteMksoftDirty, pteMkuffdWp, pteMkwriteNovma, pteMkyoung, type HandleFamily, type PmdVal, type PteVal,
} from '@pgtable/core';
import type { EntryAt } from '@pgtable/walk';
import { hugePmdBytes } from '../folio/huge.js';
import { removeRmap, splitRmap } from '../folio/rmap.js';
import type { Mm } from '../kernel/mm.js';
import type { Vma } from '../kernel/vma.js';
import { TableGather } from '../tables/gather.js';
import { pmdLock, pmdLockptr } from '../tables/table-locks.js';
import { withdrawDeposit } from '../zap/deposits.js';
import { markFolio } from '../zap/folio-run.js';
import { vmPageProt } from './huge-pmd.js';

/**
 * `__split_huge_pmd()`: a huge page that one pmd entry maps is mapped by a table of ptes from here on; the page itself stays one block. An entry that is no huge page is left as it is, because somebody
 * else may have been faster. Of a file the page is only unmapped: the next access maps it again.
 *
 * Cannot fail for want of memory: the table was put aside when the page was mapped.
 *
 * Locking: the mmap lock, the VMA's, or that of the file's mapping keeps the tables. Takes the lock of the PMD table.
 *
 * @param address one in the huge page
 * @throws PgtableError `EINVAL` if no table was put aside; `ENOTSUP` for a migration entry
 * @see mm/huge_memory.c, Linux 6.12
 */
export function splitHugePmd<H extends HandleFamily>(vma: Vma<H>, pmdp: H['pmd'], address: number): void {
  const { mm } = vma;
  const ptl = pmdLock(mm, pmdp);
  try {
    splitHugePmdLocked(vma, pmdp, address);
  } finally {
    ptl.unlock();
  }
}

/**
 * `split_huge_pmd_locked()`: as {@link splitHugePmd}.
 *
 * Locking: the lock of the PMD table is held.
 *
 * @returns whether there was a huge page
 * @throws as {@link splitHugePmd}; LockRuleError `unprotected` from a checked thread without that lock
 */
export function splitHugePmdLocked<H extends HandleFamily>(vma: Vma<H>, pmdp: H['pmd'], address: number): boolean {
  const { mm } = vma;
  const { arch } = mm;
  pmdLockptr(mm, pmdp).assertHeld('a huge page');
  // Only under the lock is it known what is here: the caller has looked without it, and a huge page may have been split, unmapped or moved meanwhile.
  const pmd = pmdpGetOnce(arch, pmdp);
  if (isSwapPmd(arch, pmd)) throw new PgtableError('ENOTSUP', 'a migration entry of a huge page cannot be split: this model does not migrate huge pages', { address: BigInt(address) });
  if (!pmdPresent(arch, pmd) || !pmdLeaf(arch, pmd)) return false;
  const bytes = hugePmdBytes(mm);
  const start = Math.floor(address / bytes) * bytes;
  if (vma.anonymous) splitAnon(vma, pmdp, start);
  else zapFile(mm, pmdp, start);
  return true;
}

/**
 * {@link TableHooks.splitHuge}: what walks do to a huge page that they want to see by ptes. Of a pud no huge pages are modelled.
 *
 * Locking: as {@link splitHugePmd}.
 *
 * @throws PgtableError `ENOTSUP` for an entry of another level; as {@link splitHugePmd}
 */
export function splitHuge<H extends HandleFamily>(_mm: Mm<H>, vma: Vma<H>, at: EntryAt<H>, address: number): void {
  if (at.level !== 'pmd') throw new PgtableError('ENOTSUP', `a huge ${at.level} entry cannot be split`, { address: BigInt(address), hint: 'huge pages of this model are mapped by pmd entries' });
  splitHugePmd(vma, at.entry, address);
}

/** The part for files of `__split_huge_pmd_locked()`. No table was put aside: x86, arm64, riscv and s390 need none there (`arch_needs_pgtable_deposit()` is true on powerpc with hash tables alone). */
function zapFile<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd'], start: number): void {
  const { arch, context } = mm;
  const old = pmdpHugeClearFlush(arch, context, BigInt(start), pmdp);
  const pfn = pmdPfn(arch, old);
  // What the hardware noted in the entry would be lost with it.
  markFolio(mm, pfn, pmdDirty(arch, old), pmdYoung(arch, old));
  const gather = new TableGather(mm);
  removeRmap(gather, pfn, hugePmdBytes(mm) / mm.pageBytes, true);
  gather.finish();
}

function splitAnon<H extends HandleFamily>(vma: Vma<H>, pmdp: H['pmd'], start: number): void {
  const { mm } = vma;
  const { arch, context } = mm;
  // 1. Away from the hardware, and flushed: if the table were put in the place of a page that is still in use, a TLB could hold the huge translation and a small one for the same address. Some
  //    processors stop at that (erratum 383 of AMD's family 10h), and arm64 forbids it. All that the hardware noted is in what comes back. For software a huge page stays here: who comes without the lock,
  //    and finds an empty entry, would put a table of its own there.
  const old = pmdpInvalidate(arch, context, BigInt(start), pmdp);
  const pfn = pmdPfn(arch, old);
  markFolio(mm, pfn, pmdDirty(arch, old), false);
  // 2. The table that waited for this. Not earlier: where the entry points to what was put aside (powerpc), that must not go before the entry.
  const table = withdrawDeposit(mm, pmdp);
  // 3. References and mapcounts before there are entries that they belong to: somebody else who gives up a page of these meanwhile must not bring it to 0.
  splitRmap(mm, pfn, table.entries);
  // 4. All entries, in a table that nobody can reach yet. One that was linked empty would show holes, and a fault would fill one with a new page.
  table.set(0, smallPte(vma, old), table.entries);
  // 5. Live: what was written to the table is visible before it is.
  pmdPopulate(arch, context, BigInt(start), pmdp, table);
}

/** The entry of the first page of what a huge entry mapped, with all that was said of it. */
function smallPte<H extends HandleFamily>(vma: Vma<H>, pmd: PmdVal): PteVal {
  const { arch } = vma.mm;
  let pte = pfnPte(arch, pmdPfn(arch, pmd), vmPageProt(vma));
  if (pmdWrite(arch, pmd)) pte = pteMkwriteNovma(arch, pte);
  pte = pmdYoung(arch, pmd) ? pteMkyoung(arch, pte) : pteMkold(arch, pte);
  if (pmdDirty(arch, pmd)) pte = pteMkdirty(arch, pte);
  if (pmdSoftDirty(arch, pmd)) pte = pteMksoftDirty(arch, pte);
  if (pmdUffdWp(arch, pmd)) pte = pteMkuffdWp(arch, pte);
  return pte;
}
