import { PgtableError } from '../errors.js';
import { specialSwapTypes, type SwapOptions } from '../swap.js';
import type { SwpEntry } from './swap-values.js';

/*
 * Migration entries: swap entries that stand for a page on its way from one frame to another (include/linux/swapops.h, Linux 6.12). The offset
 * begins with the frame; since 6.1 young and dirty may stand above it. Which types they are depends on the kernel's release and options; see swap.ts.
 */

/** The kernel whose numbering of swap types counts. Default: Linux 6.12 with every option. */
export interface SwapKernel {
  /** As in `uname -r`. */
  readonly release?: string;
  readonly options?: SwapOptions;
}

type MigrationType = 'migration-read' | 'migration-read-exclusive' | 'migration-write';

const SWAP_TYPES = 32;

/** The swap type of a kind of migration entry; -1 if the kernel has none. */
function numberOf(name: MigrationType, { release = '6.12', options = {} }: SwapKernel): number {
  const types = specialSwapTypes(release, { memoryFailure: true, migration: true, devicePrivate: true, earlyMarkers: false, ...options });
  const at = types.indexOf(name);
  return at < 0 ? -1 : SWAP_TYPES - types.length + at;
}

function make(name: MigrationType, offset: bigint, kernel: SwapKernel): SwpEntry {
  const type = numberOf(name, kernel);
  if (type < 0) throw new PgtableError('ENOTSUP', `this kernel has no entries of type ${name}`, { hint: 'CONFIG_MIGRATION; migration-read-exclusive since 5.19' });
  return { type, offset };
}
/** `make_readable_migration_entry`. @param offset the frame @throws PgtableError `ENOTSUP` if that kernel has none */
export function makeReadableMigrationEntry(offset: bigint, kernel: SwapKernel = {}): SwpEntry {
  return make('migration-read', offset, kernel);
}
/** `make_readable_exclusive_migration_entry`. @param offset the frame @throws PgtableError `ENOTSUP` if that kernel has none */
export function makeReadableExclusiveMigrationEntry(offset: bigint, kernel: SwapKernel = {}): SwpEntry {
  return make('migration-read-exclusive', offset, kernel);
}
/** `make_writable_migration_entry`. @param offset the frame @throws PgtableError `ENOTSUP` if that kernel has none */
export function makeWritableMigrationEntry(offset: bigint, kernel: SwapKernel = {}): SwpEntry {
  return make('migration-write', offset, kernel);
}
/** `is_readable_migration_entry`. */
export function isReadableMigrationEntry(entry: SwpEntry, kernel: SwapKernel = {}): boolean {
  return entry.type === numberOf('migration-read', kernel);
}
/** `is_readable_exclusive_migration_entry`. */
export function isReadableExclusiveMigrationEntry(entry: SwpEntry, kernel: SwapKernel = {}): boolean {
  return entry.type === numberOf('migration-read-exclusive', kernel);
}
/** `is_writable_migration_entry`. */
export function isWritableMigrationEntry(entry: SwpEntry, kernel: SwapKernel = {}): boolean {
  return entry.type === numberOf('migration-write', kernel);
}
/** `is_migration_entry`: any of the three. */
export function isMigrationEntry(entry: SwpEntry, kernel: SwapKernel = {}): boolean {
  return isReadableMigrationEntry(entry, kernel) || isReadableExclusiveMigrationEntry(entry, kernel) || isWritableMigrationEntry(entry, kernel);
}
