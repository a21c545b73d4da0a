import { PgtableError, type HandleFamily } from '@pgtable/core';
import { hugePmdBytes, hugePmdOrder } from '../folio/huge.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import type { Mm } from '../kernel/mm.js';
import { collapseHugePage } from '../khugepaged/collapse-huge-page.js';
import type { ScanResult } from '../khugepaged/scan-result.js';
import type { Vma } from '../kernel/vma.js';
import { zapPageRangeSingle } from '../zap/zap-vma.js';
import { clearYoung } from './clear-young.js';
import { endOfRange, isolateVma, notMapped, withReadLock, withWriteLock } from './ranges.js';

/** What a process says of its memory: `MADV_DONTNEED` and its siblings. */
export type Advice = (typeof ADVICE)[number];

const ADVICE = ['dontneed', 'cold', 'hugepage', 'nohugepage', 'collapse'] as const;

/**
 * `madvise(2)`:
 *
 * - `dontneed`: pages go; private memory is zeros again, that of files is what the file has;
 * - `cold`: pages were not used lately;
 * - `hugepage`, `nohugepage`: huge pages are wanted, or must not be;
 * - `collapse`: huge pages, now.
 *
 * Locking: none may be held that the mmap lock comes before. Takes it to read for `dontneed` and `cold`, to write for `hugepage` and `nohugepage`.
 *
 * @param start page aligned
 * @param bytes rounded up to whole pages
 * @throws PgtableError `ENOMEM` if not all of it is mapped: what is, is done; `EINVAL` for a range that cannot be, memory that may not go (locked, a device's), or a `collapse` that cannot be; `ENOTSUP` where there are
 *   no huge pages
 * @see mm/madvise.c, Linux 6.12
 */
export function madvise<H extends HandleFamily>(mm: Mm<H>, start: number, bytes: number, advice: Advice): void {
  // madvise_behavior_valid(): programs in JavaScript may say anything.
  if (!ADVICE.includes(advice)) throw new PgtableError('EINVAL', `madvise knows no advice ${advice}`, { hint: `give one of ${ADVICE.join(', ')}` });
  const end = endOfRange(mm, start, bytes, `madvise ${advice}`);
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

/** `madvise_collapse()`: the huge pages that lie in the range, one after the other; what is wrong with the last that could not be is said at the end. */
function madviseCollapse<H extends HandleFamily>(mm: Mm<H>, start: number, end: number): void {
  if (hugePmdOrder(mm) === undefined) throw new PgtableError('ENOTSUP', `address space ${mm.id} has no huge pages of pmd entries`, { hint: 'ask hugePmdOrder() first' });
  withReadLock(mm, () => { eachVma(mm, start, end, 'collapse', () => undefined); });
  const size = hugePmdBytes(mm);
  let failed: { readonly address: number; readonly result: ScanResult } | undefined;
  for (let address = Math.ceil(start / size) * size; address + size <= end; address += size) {
    const result = collapseHugePage(mm, address);
    if (result !== 'succeed' && result !== 'pmdMapped') failed = { address, result };
  }
  if (failed === undefined) return;
  throw new PgtableError(failed.result === 'allocHugePageFail' ? 'ENOMEM' : 'EINVAL', `there is no huge page at 0x${BigInt(failed.address).toString(16)}: ${failed.result}`, {
    address: BigInt(failed.address), hint: 'ScanResult says what it means; some reasons are gone the next time',
  });
}
