/**
 * Page-table levels, entry values, opaque handles, table memory, and the contract that an architecture fulfils.
 *
 * @packageDocumentation
 */
export { Access, type Attributes, type NonPresent } from './attributes.js';
export * from './accessors/index.js';
export { BreakBeforeMake, checkedContext, type EntryObserver } from './break-before-make.js';
export type { AnyArch, Arch, LevelOps, Root, VaWindow } from './contract.js';
export { EntryBuffer } from './entry-buffer.js';
export { VmFlags, type EntryValues, type Feature } from './entry-values.js';
export { PgtableError, isPgtableError, type ErrorCode, type PgtableErrorDetails } from './errors.js';
export { FlushLedger, FlushPromise, MmuGather, NO_TLB, type DroppedFlush, type FlushRange, type MmContext, type Tlb } from './flush.js';
export { hexAddress, ptdumpSize } from './format-text.js';
export type { AliasHandles, EntryPtr, HandleFamily, HwHandle, StrongHandles, TableHandles, TableOf } from './handles.js';
export { geometryOf, levelNumber, LEVELS, type Below, type Geometry, type Level, type LevelGeometry, type LevelNumber, type TableLevel } from './levels.js';
export { recognise } from './plugin.js';
export type {
  ArchClues, ArchPlugin, DumpNote, KernelView, MachineFacts, OpenSpace, PhysicalReader, RegisterFlag, RootCandidate, RootSearch, RootSource,
} from './plugin.js';
export { Insecure, type InsecureCounts, type Marker, type PtdumpStyle } from './ptdump-style.js';
export { EntryKind, ScanBuffer, scanFilter, type ScanFilter } from './scan.js';
export type { SwapOptions } from './swap.js';
export { HIGH_WORD, LOW_WORD, TableMemory, type SharedTables, type TableMemoryOptions } from './table-memory.js';
export { UnlinkedTable } from './unlinked-table.js';
export { withDispose, type Using } from './using.js';
export { entryVal, type EntryVal, type P4dVal, type PgdVal, type PmdVal, type Prot, type PteVal, type PudVal } from './values.js';
export { releaseAtLeast, Vmcoreinfo } from './vmcoreinfo.js';
export type { BatchIgnore, HugePage, WritableArch, WritableOps } from './writable.js';
