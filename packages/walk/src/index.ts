/**
 * Loading page tables from physical memory, walking them, translating addresses, and the kernel's own listing.
 *
 * @packageDocumentation
 */
export { kernelView, VirtualReader } from './kernel-view.js';
export { TableLoader, type LoadLimits, type LoadProgress, type MissingTable, type TableSource } from './load.js';
export { newRoot, type AddressSpace } from './map/address-space.js';
export { collapseRange } from './map/collapse-range.js';
export { changeProtection, vmapRange, vunmapRange } from './map/kernel-names.js';
export { mapRange, type MapOptions } from './map/map-range.js';
export { protectRange } from './map/protect-range.js';
export { splitLeaf } from './map/split-leaf.js';
export { unmapRange, type UnmapOptions } from './map/unmap-range.js';
export { folioWalkEnd, folioWalkStart, type FolioWalk, type FolioWalkFlags } from './page-walk/folio-walk.js';
export { installInto } from './page-walk/install.js';
export { PageWalkLock } from './page-walk/lock.js';
export type { EntryAt, MappedPtes, TableLock, WalkInstall, WalkLocks, WalkMapping, WalkMm, WalkVma } from './page-walk/mm.js';
export { walkKernelPageTableRange, walkKernelPageTableRangeLockless, walkPageRangeNovma } from './page-walk/novma-walks.js';
export { stop, Stop, WalkAction, type EntryCallback, type MmWalkOps, type PageWalk, type WalkAnswer, type WalkData, type WalkResult } from './page-walk/ops.js';
export { walkPageMapping, walkPageRange, walkPageRangeVma, walkPageVma } from './page-walk/vma-walks.js';
export { machineFacts, openRoot, type FactsOptions, type OpenedRoot } from './open-root.js';
export { checkInsecure, ptdump, type InsecureFinding, type PtdumpLine, type PtdumpOptions } from './ptdump.js';
export { describeMissing, mergedRuns, Run, RunKind, walkRuns, type MergedRun, type RunOptions } from './runs.js';
export { levelBelow, vaRange, wholeSpace, type Space, type VaRange } from './space.js';
export { Symbols } from './symbols.js';
export { tablePages } from './table-pages.js';
export { BATCH_STATUSES, translateBatch, Translator, type BatchAnswers, type StopReason, type Translation, type TranslationStatus, type TranslationStep } from './translate.js';
export { findVmcoreinfo, vmcoreinfoNotes } from './vmcoreinfo-scan.js';
