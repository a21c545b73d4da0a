export { Access, schedulePoint, scheduleTouch, setScheduler, Until, type Place, type Scheduler } from './schedule-point.js';
export { lockClasses, LockClass } from './locks/lock-class.js';
export { DOCUMENTED_ORDER, LockOrder, type LockRule, type SharedLockOrder } from './locks/lock-order.js';
export { LockRuleError, type LockRuleName, type LockSite } from './locks/lock-error.js';
export { assertNoneHeld, Lockdep, lockdepAssertHeld, type LockMode } from './locks/lockdep.js';
export { MMAP_LOCK_WORDS, MmapLock } from './locks/mmap-lock.js';
export {
  downgradeWrite, downRead, downReadTrylock, downWrite, downWriteTrylock, RW_LOCK_WORDS, rwIsContended, rwIsLocked, rwWriteHeldByMe, upRead, upWrite,
} from './locks/rw-lock.js';
export { SPIN_LOCK_WORDS, spinHeldByMe, spinIsLocked, spinLock, spinTrylock, spinUnlock } from './locks/spin-lock.js';
export { currentThread, MAX_THREADS, setCurrentThread, Thread, Threads, type SharedThreads } from './locks/thread.js';
export { VMA_LOCK_WORDS, VmaLock } from './locks/vma-lock.js';
export { Rcu, type RcuHandler, type RcuOptions, type RcuPointer, type SharedRcu } from './locks/rcu.js';
export { Frames, MAX_ORDER, type FramesOptions, type SharedFrames } from './frames/frames.js';
export { FrameFlag, FrameType, FrameWord, MEMMAP_WORDS, TableWord } from './frames/memmap.js';
export { FrameTables } from './frames/frame-tables.js';
export { MAX_TABLE_OWNERS, type TableInfo, type TableOwner } from './pagetable/constructor.js';
export { pteAllocOneKernel, pteFreeKernel } from './pagetable/kernel-tables.js';
export { PAGE_TABLE_COUNTER_WORDS, PageTables, type PageTableHook } from './pagetable/page-tables.js';
export { Explorer, formatExploration, type Exploration, type ExploreOptions, type Failure, type Search } from './schedule/explore.js';
export { playThread, type Company, type Part } from './schedule/player.js';
export { scenario, type AnyScenario, type Scenario } from './schedule/scenario.js';
export { formatSchedule, parseSchedule } from './schedule/schedule-text.js';
export { withSchedulePoints } from './schedule/with-schedule-points.js';
export { Kernel, type KernelChecks, type KernelOptions, type KernelParts, type MmWatcher, type Platform, type SharedKernel } from './kernel/kernel.js';
export { Mapping } from './kernel/mapping.js';
export { Mm, MmCounter, type NewVma } from './kernel/mm.js';
export { RcuKind } from './kernel/rcu-kinds.js';
export { SharedWords, type SharedWordsImage } from './kernel/shared-words.js';
export { noTableHooks, type TableHooks } from './kernel/table-hooks.js';
export { VmaFlags } from './kernel/vma-flags.js';
export { Vma } from './kernel/vma.js';
export { observers } from './pagetable/observers.js';
export { PageTableCheck } from './pagetable/page-table-check.js';
export { StaleTranslations, type StaleTranslation } from './pagetable/stale-translations.js';
export { WriteProtectedTables, type SharedShadow } from './pagetable/write-protected-tables.js';
export { freePgdRange } from './tables/free-pgtables.js';
export { pteFreeDefer, TableGather } from './tables/gather.js';
export {
  pteOffsetMap, pteOffsetMapLock, pteOffsetMapRoNolock, pteOffsetMapRwNolock, PteTable, pteUnmap, pteUnmapUnlock,
} from './tables/pte-offset-map.js';
export { mmAllocPmd, mmAllocPud, mmFindPmd, mmFindPud, p4dAlloc, pgdOf, pmdAlloc, pteAlloc, pteAllocKernel, pudAlloc } from './tables/table-alloc.js';
export { pageTableLock, pmdLock, pmdLockptr, pteLockptr, Ptl, pudLock, pudLockptr } from './tables/table-locks.js';
export { hugePmdBytes, hugePmdOrder } from './folio/huge.js';
export { addNewAnonRmap, dupRmap, isAnon, isAnonExclusive, removeRmap, setAnonExclusive, splitRmap } from './folio/rmap.js';
export { attachKernel, bootKernel, checkPageTables, type SharedMachine } from './boot.js';
export { filemapGetPage, folioMapcount, folioRefCount, isFolioLocked, lockFolio, trylockFolio, unlockFolio } from './folio/folio-lock.js';
