import { PgtableError, type HandleFamily } from '@pgtable/core';
import type { Mm } from '../kernel/mm.js';
import { unmapRegion } from '../zap/unmap-region.js';
import { endOfRange, isInTask, splitVma, withWriteLock } from './ranges.js';

/**
 * `munmap(2)`: a range of addresses is nobody's afterwards. VMAs that are covered in part are split; what is not mapped already does not matter.
 *
 * Locking: none may be held that the mmap lock comes before; takes it to write.
 *
 * @param start page aligned
 * @param bytes rounded up to whole pages
 * @throws PgtableError `EINVAL` for a range that cannot be, or that processes do not have; `ENOMEM` if there would be too many VMAs, which a hole in the middle of one makes one more of: then nothing is unmapped
 * @see mm/mmap.c, Linux 6.12
 */
export function munmap<H extends HandleFamily>(mm: Mm<H>, start: number, bytes: number): void {
  const end = endOfRange(mm, start, bytes, 'munmap');
  if (!isInTask(mm, end)) throw new PgtableError('EINVAL', `cannot munmap ${bytes} bytes from 0x${BigInt(start).toString(16)} on: processes have fewer addresses`, { address: BigInt(start), hint: 'end where the VMAs do' });
  withWriteLock(mm, () => { doMunmap(mm, start, end); });
}

/** `do_vmi_munmap()`: {@link munmap} of [start, end) for who has the mmap lock to write. Locking: the mmap lock to write. */
export function doMunmap<H extends HandleFamily>(mm: Mm<H>, start: number, end: number): void {
  const [first] = mm.vmas(start, end);
  if (first === undefined) return;
  // Only a hole in the middle leaves one VMA more than there was. Else there may be too many for a moment: who has reached the limit can still give something back.
  if (first.start < start) splitVma(first, start, end >= first.end);
  const last = mm.vmas(start, end).at(-1);
  if (last === undefined) return;
  if (last.end > end) splitVma(last, end, true);
  unmapRegion(mm, mm.vmas(start, end));
}
