/**
 * The privileged entry point, for architecture code: what a handle is at run time, and the generic accessors that an
 * architecture builds on. Everything else imports `@pgtable/core`.
 *
 * @packageDocumentation
 */
export { BasicLevelOps, type EntryWriter } from './basic-ops.js';
export { badLeaf, entryFormat, leafAddress, tableAddress, NEVER_VALID, type EntryFormat, type EntryFormatOptions } from './entry-format.js';
export { FlagValues, valueFormat, type SwapLayout, type ValueFormat } from './flag-values.js';
export { scanForRoots, type RootGuess, type RootScanOptions } from './root-scan.js';
export { napotAddress, napotEntries, scanWords } from './scan-words.js';
export {
  entryIndex, freeTableIn, handleAt, highWord, indexOf, lowWord, newTableIn, pgdOffsetIn, rootIndex, rootTableIn, tableAt, TableLevelOps, tableOps, type LevelTable, type MakeLevelOps,
  type TableOpsContext,
} from './table-ops.js';
export { decodeSwapEntry, type SwapDecoding } from './swap.js';
