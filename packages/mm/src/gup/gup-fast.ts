import {
  p4dOffsetLockless, p4dpGetOnce, pgdpGetOnce, pmdLeaf, pmdOffsetLockless, pmdPfn, pmdpGetLockless, pmdPresent, pmdProtnone, pmdSame, pmdSpecial, pmdWrite, pteOffsetLockless, ptePfn, ptepGetLockless,
  ptePresent, pteProtnone, pteSame, pteSpecial, pteWrite, pudOffsetLockless, pudpGetOnce, type HandleFamily, type PmdVal,
} from '@pgtable/core';
import { hugePmdBytes } from '../folio/huge.js';
import { FrameFlag } from '../frames/memmap.js';
import type { Mm } from '../kernel/mm.js';

/**
 * `gup_fast()`: references on the pages that are mapped from an address on, without a lock and without faults.
 *
 * What is read may be out of date at once, so for each page: its entry is read, a reference is taken if the block has any (`folio_try_get`), and then the entry must still be what it was, and so must the pmd entry:
 * a collapse takes the PTE table out, and leaves the ptes in it for a while. If all is as it was, the page was mapped when the reference was taken, so the reference is on the page that was meant.
 *
 * Nothing else helps: a flush does not wait for it. In the kernel interrupts are off meanwhile, and a flush waits for that where it is done by interrupts (x86 without paravirtualisation), not where the hardware
 * sends it to all processors (arm64, s390), or the firmware does (riscv). So the page may be unmapped, flushed, freed and another's by the time the reference is taken. Page tables are freed after an RCU grace period
 * on all of these (CONFIG_MMU_GATHER_RCU_TABLE_FREE).
 *
 * A fork that makes pages read-only meanwhile looks whether somebody has a reference, to leave such a page to the parent; it may have looked just before. So nothing is got while one is there, or if one was
 * (`write_protect_seq`); who comes again with the mmap lock waits for it.
 *
 * Locking: none. An RCU read section is in it, which keeps the tables.
 *
 * @param address page aligned
 * @param write the pages are to be written: entries must be writable
 * @param pages gets the frames' numbers, in order
 * @returns how many were got: up to the first that is not mapped so
 * @see mm/gup.c, Linux 6.12
 */
export function gupFast<H extends HandleFamily>(mm: Mm<H>, address: number, count: number, write: boolean, pages: number[]): number {
  const { rcu } = mm.kernel;
  const before = pages.length;
  const sequence = mm.writeProtectSequence;
  if ((sequence & 1) !== 0) return 0;
  rcu.readLock();
  try {
    for (let at = address; pages.length - before < count;) {
      const got = gupFastPmdRange(mm, at, count - (pages.length - before), write, pages);
      if (got === 0) break;
      at += got * mm.pageBytes;
    }
  } finally {
    rcu.readUnlock();
  }
  if (pages.length > before && mm.writeProtectSequence !== sequence) for (const pfn of pages.splice(before)) mm.kernel.frames.put(pfn);
  return pages.length - before;
}

/** `gup_fast_pgd_range()` down to `gup_fast_pmd_range()`: the pages of one pmd entry. Returns: how many were got; 0: go no further. */
function gupFastPmdRange<H extends HandleFamily>(mm: Mm<H>, address: number, count: number, write: boolean, pages: number[]): number {
  const { arch } = mm;
  const va = BigInt(address);
  const pgdp = arch.pgdOffset(mm.root, va);
  const p4dp = pgdp === undefined ? undefined : p4dOffsetLockless(arch, pgdp, pgdpGetOnce(arch, pgdp), va);
  const pudp = p4dp === undefined ? undefined : pudOffsetLockless(arch, p4dp, p4dpGetOnce(arch, p4dp), va);
  const pmdp = pudp === undefined ? undefined : pmdOffsetLockless(arch, pudp, pudpGetOnce(arch, pudp), va);
  if (pmdp === undefined) return 0;
  const pmd = pmdpGetLockless(arch, pmdp);
  if (!pmdPresent(arch, pmd)) return 0;
  const bytes = hugePmdBytes(mm);
  const most = Math.min(count, (bytes - (address % bytes)) / mm.pageBytes);
  return pmdLeaf(arch, pmd) ? gupFastPmdLeaf(mm, pmdp, pmd, address, most, write, pages) : gupFastPteRange(mm, pmdp, pmd, address, most, write, pages);
}

/** `gup_fast_pte_range()`. */
function gupFastPteRange<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd'], pmd: PmdVal, address: number, count: number, write: boolean, pages: number[]): number {
  const { arch, kernel: { frames } } = mm;
  for (let got = 0; got < count; got++) {
    const ptep = pteOffsetLockless(arch, pmdp, pmd, BigInt(address + got * mm.pageBytes));
    if (ptep === undefined) return got;
    const pte = ptepGetLockless(arch, ptep);
    if (!ptePresent(arch, pte) || pteProtnone(arch, pte) || pteSpecial(arch, pte) || (write && !pteWrite(arch, pte))) return got;
    const pfn = ptePfn(arch, pte);
    if (!isPage(mm, pfn) || !frames.tryGet(pfn)) return got;
    // The second look is what it is all about.
    if (!pmdSame(arch, pmdpGetLockless(arch, pmdp), pmd) || !pteSame(arch, ptepGetLockless(arch, ptep), pte)) {
      frames.put(pfn);
      return got;
    }
    setReferenced(mm, pfn);
    pages.push(pfn);
  }
  return count;
}

/** `gup_fast_pmd_leaf()`. */
function gupFastPmdLeaf<H extends HandleFamily>(mm: Mm<H>, pmdp: H['pmd'], pmd: PmdVal, address: number, count: number, write: boolean, pages: number[]): number {
  const { arch, kernel: { frames } } = mm;
  if (pmdProtnone(arch, pmd) || pmdSpecial(arch, pmd) || (write && !pmdWrite(arch, pmd))) return 0;
  const first = pmdPfn(arch, pmd) + (address % hugePmdBytes(mm)) / mm.pageBytes;
  if (!isPage(mm, first) || !frames.tryGet(first, count)) return 0;
  if (!pmdSame(arch, pmdpGetLockless(arch, pmdp), pmd)) {
    frames.put(first, count);
    return 0;
  }
  setReferenced(mm, first);
  for (let at = 0; at < count; at++) pages.push(first + at);
  return count;
}

/** `pfn_valid()`, and not the zero page: where no entry can be marked special, it is left to the slow path too. */
function isPage<H extends HandleFamily>({ kernel: { frames, zeroPfn } }: Mm<H>, pfn: number): boolean {
  return pfn >= frames.firstPfn && pfn < frames.firstPfn + frames.count && pfn !== zeroPfn;
}

/** `folio_set_referenced()`. */
function setReferenced<H extends HandleFamily>({ kernel: { frames } }: Mm<H>, pfn: number): void {
  frames.changeFlags(frames.head(pfn), FrameFlag.Referenced);
}
