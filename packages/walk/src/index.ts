/**
 * Loading page tables from physical memory, walking them, translating addresses, and the kernel's own listing.
 *
 * @packageDocumentation
 */
export { kernelView, VirtualReader } from './kernel-view.js';
export { TableLoader, type LoadLimits, type LoadProgress, type MissingTable, type TableSource } from './load.js';
export {
  changeProtection, collapseRange, mapRange, newRoot, protectRange, splitLeaf, unmapRange, vmapRange, vunmapRange, type AddressSpace, type MapOptions, type UnmapOptions,
} from './map.js';
export { checkInsecure, ptdump, type InsecureFinding, type PtdumpLine, type PtdumpOptions } from './ptdump.js';
export { describeMissing, mergedRuns, Run, RunKind, walkRuns, type MergedRun, type RunOptions } from './runs.js';
export { vaRange, wholeSpace, type Space, type VaRange } from './space.js';
export { Symbols } from './symbols.js';
export { tablePages } from './table-pages.js';
export { BATCH_STATUSES, translateBatch, Translator, type BatchAnswers, type StopReason, type Translation, type TranslationStatus, type TranslationStep } from './translate.js';
export { findVmcoreinfo, vmcoreinfoNotes } from './vmcoreinfo-scan.js';
