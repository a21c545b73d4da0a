import {
  hwPteAdvance, pfnPte, pteMkdirty, pteMkspecial, pteMkwriteNovma, pteMkyoung, pteNone, ptepGetLockless, ptepGet, setPteAt, setPtes, geometryOf, type HandleFamily,
} from '@pgtable/core';
import { addNewAnonRmap } from '../folio/rmap.js';
import { FrameType } from '../frames/memmap.js';
import { vmPageProt } from '../huge/huge-pmd.js';
import { tryAlloc } from '../kernel/try-alloc.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import { pteOffsetMap, pteOffsetMapLock, pteUnmap, pteUnmapUnlock } from '../tables/pte-offset-map.js';
import { pteAlloc } from '../tables/table-alloc.js';
import { hugePolicyOf, isEligible, suitable } from './policy.js';
import { DONE, mayWrite, RETRY, SIGBUS, type FaultResult, type VmFault } from './vm-fault.js';

/** A new block that is to be mapped from `address` on. */
interface AnonFolio {
  readonly pfn: number;
  readonly order: number;
  readonly address: number;
}

/**
 * `do_anonymous_page()`: a page of anonymous memory that is not there yet. A read maps the shared zero page. A write gets a new page of zeros; or a block of several, mapped at once, where the kernel is set so
 * ({@link setHugePolicy}), the block lies inside of the VMA, and nothing of it is mapped.
 *
 * Locking: the VMA's lock or the mmap lock, to read. Takes the PTE table's lock, and those above it if there is no table.
 *
 * @returns `done`, `retry` if the table went away, `sigbus` for shared memory without a file
 * @throws PgtableError `ENOMEM`
 * @see mm/memory.c, Linux 6.12
 */
export function doAnonymousPage<H extends HandleFamily>(vmf: VmFault<H>): FaultResult {
  const { mm, vma, pmdp, address } = vmf;
  if ((vma.flags & VmaFlags.Shared) !== 0) return SIGBUS;
  pteAlloc(mm, pmdp, address);
  if (!vmf.write) return mapZeroPage(vmf);
  const folio = allocAnonFolio(vmf);
  if (folio === undefined) return RETRY;
  const count = 2 ** folio.order;
  const { arch, context, kernel: { frames } } = mm;
  let mapped = false;
  try {
    frames.ram.fill(0, wordOf(vmf, folio.pfn), wordOf(vmf, folio.pfn + count));
    const table = pteOffsetMapLock(mm, pmdp, folio.address);
    if (table === undefined) return RETRY;
    try {
      const { ptep } = table;
      if (!isRangeNone(vmf, ptep, count)) {
        arch.updateMmuCache?.(context, BigInt(folio.address), 'pte', count);
        return DONE;
      }
      let pte = pteMkyoung(arch, pfnPte(arch, folio.pfn, vmPageProt(vma)));
      if (mayWrite(vma)) pte = pteMkwriteNovma(arch, pteMkdirty(arch, pte));
      addNewAnonRmap(mm, folio.pfn, count);
      mapped = true;
      setPtes(arch, context, BigInt(folio.address), ptep, pte, count);
      arch.updateMmuCache?.(context, BigInt(folio.address), 'pte', count);
      return DONE;
    } finally {
      pteUnmapUnlock(table);
    }
  } finally {
    if (!mapped) frames.put(folio.pfn);
  }
}

function mapZeroPage<H extends HandleFamily>({ mm, vma, pmdp, address }: VmFault<H>): FaultResult {
  const { arch, context, kernel } = mm;
  const table = pteOffsetMapLock(mm, pmdp, address);
  if (table === undefined) return RETRY;
  try {
    const { ptep } = table;
    // Young from the start, for hardware that does not say so by itself: it is about to be read.
    if (pteNone(arch, ptepGet(arch, ptep))) setPteAt(arch, context, BigInt(address), ptep, pteMkspecial(arch, pteMkyoung(arch, pfnPte(arch, kernel.zeroPfn, vmPageProt(vma)))));
    arch.updateMmuCache?.(context, BigInt(address), 'pte', 1);
    return DONE;
  } finally {
    pteUnmapUnlock(table);
  }
}

/** `alloc_anon_folio()`. Returns: undefined if the table went away. */
function allocAnonFolio<H extends HandleFamily>(vmf: VmFault<H>): AnonFolio | undefined {
  const { mm, vma, pmdp, address } = vmf;
  const { frames } = mm.kernel;
  const orders = ordersFor(vmf);
  if (orders.length > 0) {
    const table = pteOffsetMap(mm, pmdp, address);
    if (table === undefined) return undefined;
    let empty: readonly number[];
    try {
      // Only a guess, which spares an allocation: it is looked at again under the lock.
      empty = orders.filter((order) => {
        const start = startOf(vmf, order);
        return isRangeNone(vmf, hwPteAdvance(mm.arch, table.ptep, (start - address) / mm.pageBytes), 2 ** order, true);
      });
    } finally {
      pteUnmap(table);
    }
    for (const order of empty) {
      const pfn = tryAlloc(() => frames.allocPages(order, FrameType.Anon));
      if (pfn !== undefined) return { pfn, order, address: startOf(vmf, order) };
    }
  }
  return { pfn: frames.allocPages(0, FrameType.Anon), order: 0, address: Math.floor(address / vma.mm.pageBytes) * vma.mm.pageBytes };
}

/** The orders that are allowed here, the largest first. */
function ordersFor<H extends HandleFamily>({ mm, vma, address }: VmFault<H>): readonly number[] {
  const { mthp, orders } = hugePolicyOf(mm.kernel);
  if (!isEligible(vma, mthp)) return [];
  const { entries } = geometryOf(mm.arch.geometry, 'pte');
  // All ptes of a block are in one table; one that is as large as a table is a huge page.
  return orders.filter((order) => 2 ** order < entries && suitable(vma, address, 2 ** order * mm.pageBytes));
}

function startOf<H extends HandleFamily>({ mm, address }: VmFault<H>, order: number): number {
  const bytes = 2 ** order * mm.pageBytes;
  return Math.floor(address / bytes) * bytes;
}

/** `pte_range_none()`. */
function isRangeNone<H extends HandleFamily>({ mm: { arch } }: VmFault<H>, first: H['pte'], count: number, lockless = false): boolean {
  const get = lockless ? ptepGetLockless<H> : ptepGet<H>;
  for (let at = 0; at < count; at++) if (!pteNone(arch, get(arch, hwPteAdvance(arch, first, at)))) return false;
  return true;
}

function wordOf<H extends HandleFamily>({ mm: { kernel: { frames } } }: VmFault<H>, pfn: number): number {
  return (pfn - frames.firstPfn) * frames.pageBytes / 4;
}
