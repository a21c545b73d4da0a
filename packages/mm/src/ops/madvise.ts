import { PgtableError, type HandleFamily } from '@pgtable/core';
import { hugePmdBytes, hugePmdOrder } from '../folio/huge.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import type { Mm } from '../kernel/mm.js';
import { collapseFile } from '../khugepaged/collapse-file.js';
import { collapseHugePage } from '../khugepaged/collapse-huge-page.js';
import { collapsePteMappedThp } from '../khugepaged/collapse-pte-mapped-thp.js';
import { allowable, suitable } from '../khugepaged/revalidate.js';
import type { ScanResult } from '../khugepaged/scan-result.js';
import type { Vma } from '../kernel/vma.js';
import { zapPageRangeSingle } from '../zap/zap-vma.js';
import { clearYoung } from './clear-young.js';
import { endOfRange, isolateVma, notMapped, withReadLock, withWriteLock } from './ranges.js';

/** What a process says of its memory: `MADV_DONTNEED` and its siblings. */
export type Advice = (typeof ADVICE)[number];

/** Why one huge page cannot be, while the next one may: as `madvise_collapse()` has it, of the reasons that there are here. */
const GOES_ON: ReadonlySet<ScanResult> = new Set<ScanResult>(['pmdNull', 'pteNonPresent', 'pteUffdWp', 'pageRo', 'lackReferencedPage', 'pageNull', 'pageCount', 'pageLock', 'pageCompound']);

const ADVICE = ['dontneed', 'cold', 'hugepage', 'nohugepage', 'collapse'] as const;

/**
 * `madvise(2)`:
 *
 * - `dontneed`: pages go; private memory is zeros again, that of files is what the file has;
 * - `cold`: pages were not used lately;
 * - `hugepage`, `nohugepage`: huge pages are wanted, or must not be;
 * - `collapse`: huge pages, now: of anonymous memory, or of a file, whose cache has one then, which is mapped here at once.
 *
 * Locking: none may be held that the mmap lock comes before. Takes it to read for `dontneed` and `cold`, to write for `hugepage` and `nohugepage`; for `collapse` what {@link collapseHugePage} and {@link collapseFile} take.
 *
 * @param start page aligned
 * @param bytes rounded up to whole pages; 0 says nothing of anything
 * @throws PgtableError `ENOMEM` if not all of it is mapped: what is, is done; `EINVAL` for a range that cannot be, memory that may not go (locked, a device's), or a `collapse` that cannot be: what comes behind the VMA where it failed is not tried then; `ENOTSUP` where there are
 *   no huge pages
 * @see mm/madvise.c, Linux 6.12
 */
export function madvise<H extends HandleFamily>(mm: Mm<H>, start: number, bytes: number, advice: Advice): void {
  // madvise_behavior_valid(): programs in JavaScript may say anything.
  if (!ADVICE.includes(advice)) throw new PgtableError('EINVAL', `madvise knows no advice ${advice}`, { hint: `give one of ${ADVICE.join(', ')}` });
  const end = endOfRange(mm, start, bytes, `madvise ${advice}`, 0);
  if (end === start) return;
  switch (advice) {
    case 'dontneed':
      withReadLock(mm, () => { eachVma(mm, start, end, advice, dontneed); });
      break;
    case 'cold':
      withReadLock(mm, () => { eachVma(mm, start, end, advice, (vma, from, to) => {
        assertMayGo(vma, advice);
        clearYoung(mm, from, to);
      }); });
      break;
    case 'hugepage':
    case 'nohugepage':
      withWriteLock(mm, () => { eachVma(mm, start, end, advice, (vma, from, to) => { hugepageMadvise(vma, from, to, advice); }); });
      break;
    case 'collapse':
      madviseCollapse(mm, start, end);
      break;
  }
}

/** `madvise_walk_vmas()`: goes on over holes, and says afterwards that there were some. */
function eachVma<H extends HandleFamily>(mm: Mm<H>, start: number, end: number, advice: Advice, visit: (vma: Vma<H>, start: number, end: number) => void): void {
  let done = start;
  let holes = false;
  while (done < end) {
    // Looked for each time: the one before may have been merged with this one.
    const vma = mm.findVma(done);
    if (vma === undefined || vma.start >= end) break;
    holes ||= vma.start > done;
    const from = Math.max(done, vma.start);
    done = Math.min(end, vma.end);
    visit(vma, from, done);
  }
  if (holes || done < end) throw notMapped(mm, `madvise ${advice}`, start, end);
}

function dontneed<H extends HandleFamily>(vma: Vma<H>, start: number, end: number): void {
  assertMayGo(vma, 'dontneed');
  zapPageRangeSingle(vma, start, end);
}

/** `can_madv_lru_vma()`. */
function assertMayGo<H extends HandleFamily>(vma: Vma<H>, advice: Advice): void {
  if ((vma.flags & (VmaFlags.Locked | VmaFlags.PfnMap)) === 0) return;
  throw new PgtableError('EINVAL', `madvise ${advice} is refused at 0x${BigInt(vma.start).toString(16)}: the memory is locked, or a device's`, { address: BigInt(vma.start), hint: 'munlock() it' });
}

/** `hugepage_madvise()`. */
function hugepageMadvise<H extends HandleFamily>(vma: Vma<H>, start: number, end: number, advice: 'hugepage' | 'nohugepage'): void {
  const { mm } = vma;
  if (hugePmdOrder(mm) === undefined) throw new PgtableError('ENOTSUP', `address space ${mm.id} has no huge pages of pmd entries`, { hint: 'ask hugePmdOrder() first' });
  const cleared = vma.flags & ~(VmaFlags.HugePage | VmaFlags.NoHugePage);
  // A negative number is another than the same bits with all above.
  const flags = (cleared | (advice === 'hugepage' ? VmaFlags.HugePage : VmaFlags.NoHugePage)) | 0;
  if (flags === vma.flags) return;
  const part = isolateVma(vma, start, end);
  mm.setVmaFlags(part, flags);
  mm.mergeVmas(part);
}

/**
 * `madvise_collapse()` of each VMA. The mmap lock is let go for each huge page, so the VMA is looked for each time.
 *
 * Those that lie in the part of a VMA are tried one after the other; what is wrong with the last that could not be is said at the end of the VMA, and ends the call. A VMA in which no huge page can lie ends it at once. Holes are
 * passed over, as with any advice.
 */
function madviseCollapse<H extends HandleFamily>(mm: Mm<H>, start: number, end: number): void {
  if (hugePmdOrder(mm) === undefined) throw new PgtableError('ENOTSUP', `address space ${mm.id} has no huge pages of pmd entries`, { hint: 'ask hugePmdOrder() first' });
  let done = start;
  let holes = false;
  while (done < end) {
    const from = done;
    const found = withReadLock(mm, () => {
      const vma = mm.findVma(from);
      return vma === undefined || vma.start >= end ? undefined : { start: Math.max(from, vma.start), end: Math.min(end, vma.end), able: isAble(vma) };
    });
    if (found === undefined) break;
    holes ||= found.start > from;
    if (!found.able) {
      throw new PgtableError('EINVAL', `no huge page can lie in the VMA at 0x${BigInt(found.start).toString(16)}`, {
        address: BigInt(found.start), hint: 'it is too small, its file does not begin where a huge page may, or its flags do not allow any (VmaFlags.NoHugePage, PfnMap and the like)',
      });
    }
    collapseIn(mm, found.start, found.end);
    done = found.end;
  }
  if (holes || done < end) throw notMapped(mm, 'madvise collapse', start, end);
}

/** `thp_vma_allowable_order()`, asked of the last huge page that ends where the VMA does, or before. Locking: the mmap lock. */
function isAble<H extends HandleFamily>(vma: Vma<H>): boolean {
  const size = hugePmdBytes(vma.mm);
  return allowable(vma) && suitable(vma, Math.floor(vma.end / size) * size - size);
}

/** The huge pages that lie in [start, end), which was part of a VMA a moment ago. */
function collapseIn<H extends HandleFamily>(mm: Mm<H>, start: number, end: number): void {
  const size = hugePmdBytes(mm);
  let failed: { readonly address: number; readonly result: ScanResult } | undefined;
  for (let address = Math.ceil(start / size) * size; address + size <= end; address += size) {
    const result = collapseAt(mm, address);
    if (result === 'succeed' || result === 'pmdMapped') continue;
    failed = { address, result };
    if (!GOES_ON.has(result)) break;
  }
  if (failed === undefined) return;
  throw new PgtableError(failed.result === 'allocHugePageFail' ? 'ENOMEM' : 'EINVAL', `there is no huge page at 0x${BigInt(failed.address).toString(16)}: ${failed.result}`, {
    address: BigInt(failed.address), hint: 'ScanResult says what it means; some reasons are gone the next time',
  });
}

/** One huge page, of anonymous memory or of a file: that one is made in the cache, and mapped here at once. The mmap lock keeps the VMA meanwhile, and the VMA the file, of which the kernel has a reference. */
function collapseAt<H extends HandleFamily>(mm: Mm<H>, address: number): ScanResult {
  const result = withReadLock(mm, () => {
    const vma = mm.vmaLookup(address);
    if (vma?.mapping === undefined || !allowable(vma) || !suitable(vma, address)) return undefined;
    const made = collapseFile(vma.mapping, vma.indexOf(address));
    return made === 'succeed' || made === 'pteMappedHugepage' ? collapsePteMappedThp(mm, address, true) : made;
  });
  return result ?? collapseHugePage(mm, address);
}
