import { PgtableError, type HandleFamily } from '@pgtable/core';
import type { WalkMm, WalkVma } from './mm.js';

/**
 * `enum page_walk_lock`: what keeps a walked range as it is. Operations of a walk name one; there is no default.
 *
 * Locking: what each demands of who calls. A walk checks it through {@link WalkLocks} and throws where it does not hold.
 *
 * | mode | address space | each VMA that is walked |
 * |---|---|---|
 * | `Read` | mmap lock, read or write | nothing more |
 * | `Write` | mmap lock, write | is write-locked by the walk |
 * | `WriteVerify` | mmap lock, write | must be write-locked already |
 * | `VmaReadVerify` | nothing | must be locked already, read or write; only for walks that are given the VMA |
 * | `NoLock` | nothing: whoever calls owns the range | there may be none; only for {@link walkKernelPageTableRangeLockless} |
 *
 * @see include/linux/pagewalk.h, Linux 6.12, for the first three; the last two came later
 */
export const PageWalkLock = {
  /** `PGWALK_RDLOCK` */
  Read: 'read',
  /** `PGWALK_WRLOCK` */
  Write: 'write',
  /** `PGWALK_WRLOCK_VERIFY` */
  WriteVerify: 'write-verify',
  /** `PGWALK_VMA_RDLOCK_VERIFY` */
  VmaReadVerify: 'vma-read-verify',
  /** `PGWALK_NOLOCK` of the series "mm: allow pagewalk without locks" (2025) */
  NoLock: 'no-lock',
} as const;
export type PageWalkLock = (typeof PageWalkLock)[keyof typeof PageWalkLock];

const MODES: ReadonlySet<string> = new Set(Object.values(PageWalkLock));

/**
 * `process_mm_walk_lock()`: demands what a mode demands of the address space.
 *
 * @param walk the function that was called, for messages
 * @throws PgtableError `EINVAL` for {@link PageWalkLock.NoLock} and what is no mode; what the address space throws, if the lock is not held
 */
export function checkMmLock<H extends HandleFamily>(mm: WalkMm<H>, lock: PageWalkLock, walk: string): void {
  checkMode(lock, walk);
  switch (lock) {
    case PageWalkLock.Read:
      mm.locks?.assertMmapReadLocked();
      return;
    case PageWalkLock.Write:
    case PageWalkLock.WriteVerify:
      mm.locks?.assertMmapWriteLocked();
      return;
    case PageWalkLock.VmaReadVerify:
      // The VMA's lock is looked at when the VMA is entered.
      return;
    case PageWalkLock.NoLock:
      throw new PgtableError('EINVAL', `${walk} was called with operations that say ${lock}`, {
        hint: 'only walkKernelPageTableRangeLockless walks without a lock: take one, and name it in walkLock',
      });
  }
}

/**
 * `process_vma_walk_lock()`: demands what a mode demands of a VMA that is about to be walked.
 *
 * @throws PgtableError `EINVAL` for {@link PageWalkLock.NoLock}: without a lock nothing keeps the VMA there; what the address space throws, if the
 *   VMA is not locked
 */
export function checkVmaLock<H extends HandleFamily>(vma: WalkVma<H>, lock: PageWalkLock): void {
  const { locks } = vma.mm;
  switch (lock) {
    case PageWalkLock.Read:
      // The mmap lock keeps it.
      return;
    case PageWalkLock.Write:
      locks?.vmaStartWrite(vma);
      return;
    case PageWalkLock.WriteVerify:
      locks?.assertVmaWriteLocked(vma);
      return;
    case PageWalkLock.VmaReadVerify:
      locks?.assertVmaReadLocked(vma);
      return;
    case PageWalkLock.NoLock:
      throw vmaWithoutLock(vma.start);
  }
}

/** What is thrown when a walk without a lock meets a VMA. */
export function vmaWithoutLock(address: number): PgtableError {
  return new PgtableError('EINVAL', `a walk without a lock met the VMA of 0x${BigInt(address).toString(16)}`, {
    address: BigInt(address),
    hint: 'only ranges without VMAs can be walked without a lock: use walkPageRange or walkPageRangeVma',
  });
}

/** Throws if operations name no mode at all: for those who do not compile against the types. */
export function checkMode(lock: string | undefined, walk: string): void {
  if (lock !== undefined && MODES.has(lock)) return;
  throw new PgtableError('EINVAL', `${walk} was called with operations whose walkLock is ${String(lock)}`, { hint: `it is one of PageWalkLock: ${[...MODES].join(', ')}` });
}
