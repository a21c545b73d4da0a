import type { HandleFamily } from '@pgtable/core';
import type { Mm } from '../kernel/mm.js';
import { unmapRegion } from '../zap/unmap-region.js';
import { endOfRange, splitVma, withWriteLock } from './ranges.js';

/**
 * `munmap(2)`: a range of addresses is nobody's afterwards. VMAs that are covered in part are split; what is not mapped already does not matter.
 *
 * Locking: none may be held that the mmap lock comes before; takes it to write.
 *
 * @param start page aligned
 * @param bytes rounded up to whole pages
 * @throws PgtableError `EINVAL` for a range that cannot be; `ENOMEM` if a split would make too many VMAs: then nothing is unmapped
 * @see mm/mmap.c, Linux 6.12
 */
export function munmap<H extends HandleFamily>(mm: Mm<H>, start: number, bytes: number): void {
  withWriteLock(mm, () => { doMunmap(mm, start, endOfRange(mm, start, bytes, 'munmap')); });
}

/** `do_vmi_munmap()`: {@link munmap} of [start, end) for who has the mmap lock to write. Locking: the mmap lock to write. */
export function doMunmap<H extends HandleFamily>(mm: Mm<H>, start: number, end: number): void {
  const [first] = mm.vmas(start, end);
  if (first === undefined) return;
  if (first.start < start) splitVma(first, start);
  const last = mm.vmas(start, end).at(-1);
  if (last === undefined) return;
  if (last.end > end) splitVma(last, end);
  unmapRegion(mm, mm.vmas(start, end));
}
